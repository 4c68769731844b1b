#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Devices behind an I/O MMU, which lets them reach what is loaded and nothing
# else: vtd(4).
#

helpers()
{

	for f in boot disk; do
		. "$(atf_config_get srctop)/tests/sys/dev/$f.subr"
	done
}

# iommu STATUS "OPTIONS" [ARGUMENT ...]: boot with it; IOMMU has its properties.
IOMMU=
iommu()
{
	want=$1 options=$2
	shift 2

	boot "$want" "$options" -M q35 \
	    -device "intel-iommu,intremap=off$IOMMU" "$@"
	has '^vtd0 at 0xfed90000: [0-9]+ bits of address, [34] levels, 65536 domains'
}

# quiet: no access was refused, by the kernel's account or by QEMU's.
quiet()
{

	has_not '^vtd0: '
	if grep -E 'vtd_|translation failure' qemu.err >&2; then
		atf_fail "an access was refused"
	fi
}

# poked: of edu's wrong addresses, all three were refused, each in a line that
# names the device, and for the first the mapping that was nearest and whose
# memory that is.  PCI is where the I/O MMU believes it to be.
poked()
{

	poke=$(sed -n 's/^edu0: poke at \(0x[0-9a-f]*\), \(0x[0-9a-f]*\), \(0x[0-9a-f]*\): refused, memory is as before$/\1 \2 \3/p' console)
	[ -n "$poke" ] || {
		cat console >&2
		atf_fail "edu's wrong addresses were not refused"
	}
	set -- "$1" $poke
	has "^vtd0: edu0 at pci $1: write of $2 is refused \(reason 0x5\); the nearest is map [0-9]+ of edu0, $3 size 0x1000: memory $4 of edu0\$"
	[ "$2" = "$(printf '0x%x' $(($3 + 4096)))" ] ||
	    atf_fail "$2 is not behind $3"
	for at in "$3" "$4"; do
		has "^vtd0: edu0 at pci $1: write of $at is refused \(reason 0x5\); no map is loaded\$"
	done
	[ "$(grep -c '^vtd0: edu0 ' console)" -eq 3 ] ||
	    atf_fail "not three lines"
	# QEMU has seen the same; it says so once.
	grep -q "translation failure.*iova=$2)" qemu.err || {
		cat qemu.err >&2
		atf_fail "QEMU did not refuse $2"
	}
}

atf_test_case poke
poke_head()
{
	atf_set descr "A wrong address is refused and reported, and nothing" \
	    "is overwritten"
}
poke_body()
{

	helpers
	iommu $EXIT_SUCCESS "require=edu iommu.poke=1" -device edu
	has '^edu0: [0-9]+ bytes there and back, memory at.*, ok$'
	poked '0:[0-9]+\.0'
	for IOMMU in ,caching-mode=on ,aw-bits=48; do
		iommu $EXIT_SUCCESS "require=edu iommu.poke=1 seed=2" \
		    -device edu
		poked '0:[0-9]+\.0'
	done
}

atf_test_case without
without_head()
{
	atf_set descr "Without an I/O MMU nothing is tried, nor said of it"
}
without_body()
{

	helpers
	boot $EXIT_FAILURE "require=edu iommu.poke=1" -M q35 -device edu
	has '^edu0: iommu.poke: there is no I/O MMU, nothing is tried$'
	has_not '^vtd0'
	boot $EXIT_SUCCESS "require=edu" -M q35 -device edu
	has_not '^vtd0'
	boot $EXIT_SUCCESS "require=edu iommu=0" -M q35 -device edu \
	    -device intel-iommu,intremap=off
	has_not '^vtd0'
	quiet
}

atf_test_case reach
reach_head()
{
	atf_set descr "A device whose reach has no memory left works all the" \
	    "same, and nothing is bounced"
}
reach_body()
{

	helpers
	boot $EXIT_SUCCESS "take=256m" -M q35 -m 512M -device edu
	lacks edu0 "buffer of 8192 bytes"
	iommu $EXIT_SUCCESS "take=256m require=edu" -m 512M -device edu
	quiet
	has '^edu0: moved [0-9]+ bytes, [0-9]+ segments, 0 bytes bounced; below 0x10000000,'
	for at in $(sed -n 's/^edu0: .* memory at \(.*\), ok$/\1/p' console)
	do
		[ $((at >> 28)) -gt 0 ] || atf_fail "$at is within reach"
	done
}

atf_test_case bridges
bridges_head()
{
	atf_set descr "Devices behind bridges, which stand for them"
}
bridges_body()
{

	helpers
	iommu $EXIT_SUCCESS "require=edu iommu.poke=1" \
	    -device pci-bridge,id=one,chassis_nr=1,addr=7 \
	    -device pci-bridge,id=two,chassis_nr=2,bus=one,addr=3 \
	    -device edu,bus=two,addr=5
	has '^edu0 at pci 2:5\.0: '
	poked '0:7\.0'
	iommu $EXIT_SUCCESS "require=edu iommu.poke=1" \
	    -device pcie-root-port,id=root,chassis=1 \
	    -device pcie-pci-bridge,id=bridge,bus=root \
	    -device edu,bus=bridge,addr=4
	has '^edu0 at pci 2:4\.0: '
	poked '2:0\.0'
	iommu $EXIT_SUCCESS "require=edu iommu.poke=1" \
	    -device pcie-root-port,id=root,chassis=1 \
	    -device edu,bus=root
	has '^edu0 at pci 1:0\.0: '
	poked '1:0\.0'
}

# segments UNIT: how many the device had of its mappings.
segments()
{

	sed -n "s/^$1: moved [0-9]* bytes, \([0-9]*\) segments, 0 bytes bounced; .*/\1/p" console
}

# disk UNIT ARGUMENT...: that disk, read and written through the I/O MMU; it
# has fewer segments than without.
disk()
{
	unit=$1
	shift

	new_disk disk 1048576 4
	boot $EXIT_SUCCESS "require=${unit%0} iommu=0" -M q35 \
	    -drive "$(drive disk)" "$@"
	was_copied "$unit" disk 512
	without=$(segments "$unit")
	cp disk.before disk
	iommu $EXIT_SUCCESS "require=${unit%0}" -drive "$(drive disk)" "$@"
	was_copied "$unit" disk 512
	quiet
	[ "$(segments "$unit")" -le "$without" ] ||
	    atf_fail "$(segments "$unit") segments, $without without"
}

atf_test_case nvme
nvme_head()
{
	atf_set descr "An NVMe disk"
}
nvme_body()
{

	helpers
	disk nvme0 -device nvme,drive=d,serial=1
}

atf_test_case ahci
ahci_head()
{
	atf_set descr "A SATA disk: scattered pages are a few segments"
}
ahci_body()
{

	helpers
	disk ahci0 -device ide-hd,drive=d,bus=ide.0
	[ "$(segments ahci0)" -le $((without / 10)) ] ||
	    atf_fail "$(segments ahci0) segments, $without without"
}

atf_test_case vioblk
vioblk_head()
{
	atf_set descr "A virtio disk, which says whether it goes around"
}
vioblk_body()
{

	helpers
	disk vioblk0 \
	    -device virtio-blk-pci,drive=d,iommu_platform=on,disable-legacy=on
	[ "$(segments vioblk0)" -le $((without / 10)) ] ||
	    atf_fail "$(segments vioblk0) segments, $without without"
	disk vioblk0 -device virtio-blk-pci,drive=d
	[ "$(segments vioblk0)" -gt $((without / 2)) ] ||
	    atf_fail "$(segments vioblk0) segments, $without without"
}

atf_test_case sdhci
sdhci_head()
{
	atf_set descr "An SD card, with its 512-KiB lines"
}
sdhci_body()
{

	helpers
	disk sdhci0 -device sdhci-pci -device sd-card,drive=d
}

atf_test_case piixide
piixide_head()
{
	atf_set descr "An IDE disk, whose bus master has 32 bits of address" \
	    "and lines of 64 KiB"
}
piixide_body()
{

	helpers
	disk piixide0 -device piix3-ide,id=ide -device ide-hd,drive=d,bus=ide.0
	[ "$(segments piixide0)" -lt "$without" ] ||
	    atf_fail "$(segments piixide0) segments, $without without"
}

atf_test_case e1000
e1000_head()
{
	atf_set descr "A network card, with its rings and many small buffers"
}
e1000_body()
{

	helpers
	for IOMMU in "" ,caching-mode=on; do
		iommu $EXIT_SUCCESS "require=e1000" -device e1000-82545em
		has '^e10000: [0-9]+ frames, [0-9]+ bytes, sent and received in [0-9]+ buffers, cksum [0-9]+, ok$'
		has '^e10000: moved [0-9]+ bytes, [0-9]+ segments, 0 bytes bounced; below any, align 16, boundary 65536, contiguous 512$'
		quiet
	done
}

atf_test_case xhci
xhci_head()
{
	atf_set descr "A USB disk, whose controller follows addresses in memory"
}
xhci_body()
{

	helpers
	disk xhci0 -device qemu-xhci -device usb-storage,drive=d
}

atf_test_case vionet
vionet_head()
{
	atf_set descr "Two virtio network cards"
}
vionet_body()
{

	helpers
	for IOMMU in "" ,caching-mode=on; do
		iommu $EXIT_SUCCESS "require=vionet" \
		    -netdev hubport,id=a,hubid=0 -netdev hubport,id=b,hubid=0 \
		    -device virtio-net-pci,netdev=a,iommu_platform=on,disable-legacy=on \
		    -device virtio-net-pci,netdev=b,iommu_platform=on,disable-legacy=on
		for unit in vionet0:vionet1 vionet1:vionet0; do
			has "^${unit%:*}: [0-9]+ frames, [0-9]+ bytes, sent and received by ${unit#*:}, cksum [0-9]+, ok\$"
			has "^${unit%:*}: moved [0-9]+ bytes, [0-9]+ segments, 0 bytes bounced; "
		done
		quiet
	done
}

atf_test_case several
several_head()
{
	atf_set descr "Several devices at once, with little memory; the" \
	    "floppy disk goes around"
}
several_body()
{

	helpers
	new_disk disk 1048576 5
	new_disk sata 1048576 6
	make_disk floppy 1474560 7
	iommu $EXIT_SUCCESS \
	    "require=edu,nvme,ahci,vioblk,fdc together=1 fill=90 runs=2" \
	    -smp 4 -device edu -drive "$(drive disk)" \
	    -device nvme,drive=d,serial=1 -drive "$(drive sata s)" \
	    -device ide-hd,drive=s,bus=ide.0 \
	    -drive if=none,id=v,format=raw,file=sata.before,readonly=on \
	    -device virtio-blk-pci,drive=v,iommu_platform=on,disable-legacy=on \
	    -drive if=none,id=f,format=raw,file=floppy -device isa-fdc \
	    -device floppy,drive=f
	quiet
	was_copied nvme0 disk 512
	was_copied ahci0 sata 512
	sum=$(cksum <floppy)
	has "^fdc0: read 1474560 bytes .*, cksum ${sum%% *}\$"
	[ "$(grep -c '^edu0: moved ' console)" -eq 2 ] ||
	    atf_fail "not two jobs of edu0"
}

atf_test_case stranger
stranger_head()
{
	atf_set descr "A device without a driver, which firmware left at" \
	    "work, is refused, and that is not said without end"
}
stranger_body()
{

	# QEMU leaves little of the host's time to the machine then.
	[ "$(atf_config_get long 0)" = 1 ] ||
	    atf_skip "takes minutes: LONG=1"
	helpers
	iommu $EXIT_SUCCESS "require=edu runs=3" -device edu \
	    -device piix3-usb-uhci,id=usb,addr=9 -device usb-kbd,bus=usb.0
	has '^edu0: .*, ok$'
	has '^vtd0: a device at pci 0:9\.0: read of .* is refused .*; of more nothing is said$'
	[ "$(grep -c '^vtd0: a device ' console)" -eq 20 ] ||
	    atf_fail "not 20 lines"
}

# told LINE BYTES...: a machine whose firmware tells that of I/O MMUs, after 39
# bits of address and 11 bytes of no interest; it works without one.
told()
{
	line=$1
	shift

	printf '\046\0\0\0\0\0\0\0\0\0\0\0' >table
	for byte; do
		printf "\\$(printf %o "$byte")" >>table
	done
	boot $EXIT_SUCCESS "require=edu age=0" -M q35 -device edu \
	    -acpitable sig=DMAR,data=table
	has "^vtd0$line, left off\$"
	has '^edu0: .*, ok$'
}

atf_test_case firmware
firmware_head()
{
	atf_set descr "Tables that make no sense, or lead to no I/O MMU"
}
firmware_body()
{

	helpers
	none='0 0 0 0 0 0'
	told ': DMAR: not one unit'
	told ': DMAR: an entry is cut off' 0 0 16
	told ': DMAR: an entry has a wrong length' 0 0 255 255
	told ': DMAR: a unit is too short' 0 0 8 0 1 0 0 0
	told ': DMAR: registers are not at a page' \
	    0 0 16 0 1 0 0 0 1 0 $none
	told ': DMAR: a device has a wrong length' \
	    0 0 22 0 0 0 0 0 0 16 $none 1 99 0 0 0 0
	told ': DMAR: memory of devices at boot is not supported' \
	    0 0 16 0 1 0 0 0 0 0 217 254 0 0 0 0 \
	    1 0 24 0 0 0 0 0 $none $none 0 0 0 0
	told ': DMAR: registers are where something else is' \
	    0 0 16 0 1 0 0 0 0 0 0 1 0 0 0 0
	told ' at 0xfed90000: there are no registers' \
	    0 0 16 0 1 0 0 0 0 0 217 254 0 0 0 0
	told ' at 0xfffffffffffff000: the registers cannot be mapped' \
	    0 0 16 0 1 0 0 0 0 240 255 255 255 255 255 255
}

atf_test_case command
command_head()
{
	atf_set descr "The console command that says what is mapped"
}
command_body()
{

	. "$(atf_config_get srctop)/tests/sys/arch/amd64/guest.subr"
	guest_start "iommu.poke=1" -M q35 -device intel-iommu,intremap=off \
	    -device edu,addr=3 -device nvme,serial=1,addr=4 -m 128M
	guest_until '^extant: ready'
	guest_type iommu
	guest_type quit
	guest_wait
	guest_succeeded
	# A transfer's addresses are refused one by one, but are recorded once.
	atf_check -o match:'pci 0:3\.0: 0 KiB mapped, [1-9][0-9]* KiB of tables, 3 refused' \
	    -o match:'pci 0:4\.0: [1-9][0-9]* KiB mapped, [1-9][0-9]* KiB of tables, 0 refused' \
	    grep '^vtd0: pci' console
	guest_start "" -M q35 -m 128M
	guest_until '^extant: ready'
	guest_type iommu
	guest_type quit
	guest_wait
	guest_succeeded
	atf_check -o ignore grep '^no I/O MMU is on$' console
}

atf_init_test_cases()
{

	atf_add_test_case poke
	atf_add_test_case without
	atf_add_test_case reach
	atf_add_test_case bridges
	atf_add_test_case nvme
	atf_add_test_case ahci
	atf_add_test_case vioblk
	atf_add_test_case sdhci
	atf_add_test_case piixide
	atf_add_test_case e1000
	atf_add_test_case xhci
	atf_add_test_case vionet
	atf_add_test_case several
	atf_add_test_case stranger
	atf_add_test_case firmware
	atf_add_test_case command
}
