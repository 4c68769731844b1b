#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Ports and addresses of devices, with firmware that gives them some and with
# firmware that does not.
#

QBOOT=/usr/share/qemu/qboot.rom		# sets no base address register

helpers()
{

	. "$(atf_config_get srctop)/tests/sys/dev/boot.subr"
	. "$(atf_config_get srctop)/tests/sys/arch/amd64/guest.subr"
}

# Devices of all kinds of registers, one of them with 256 MiB.
DEVICES="-device edu -device nvme,serial=1,cmb_size_mb=64 -device e1000
    -object memory-backend-ram,id=m,size=256M,share=on
    -device ivshmem-plain,memdev=m"

# look ARGUMENT...: leaves what the kernel has claimed in claims, and what QEMU
# says that the devices decode in decoded, both as "first last".
look()
{

	rm -f monitor.in monitor.out
	mkfifo monitor.in monitor.out
	guest_start "require=edu" -m 128M -smp 2 -monitor pipe:monitor "$@"
	cat monitor.out >monitor.log &
	guest_until '^extant: ready'
	guest_type claims
	guest_type maps
	printf 'info pci\nprint 70000+7777\n' >monitor.in
	until grep -q '^0x12fd1' monitor.log; do
		kill -0 "$guest_pid" 2>/dev/null ||
		    atf_fail "the guest ended before the monitor answered"
		sleep 0.1
	done
	guest_type quit
	guest_wait
	guest_succeeded
	tr -d '\r' <monitor.log | sed -n \
	    's/^ *BAR[0-5]: .* at 0x\([0-9a-f]*\) \[0x\([0-9a-f]*\)\].*/\1 \2/p' |
	    sed 's/^0*\([0-9a-f]\)/\1/; s/ 0*\([0-9a-f]\)/ \1/' | sort >decoded
	[ -s decoded ] || atf_fail "QEMU's monitor tells of no device"
	sed -n 's/^io[a-z]*: 0x\(.*\) - 0x\(.*\) pci .* bar .*/\1 \2/p' \
	    console | sort >claims
}

# apart SPACE: the claims of a space follow each other.
apart()
{

	sed -n "s/^$1: 0x\(.*\) - 0x\(.*\) .*/\1 \2/p" console |
	    sed 's/ \([^ ]*\) .*/ \1/' >ranges
	[ "$(wc -l <ranges)" -ge "$2" ] || atf_fail "less than $2 in $1"
	previous=-1
	while read -r first last; do
		[ $((0x$first)) -gt "$previous" ] &&
		    [ $((0x$first)) -le $((0x$last)) ] ||
		    atf_fail "$1: $first - $last after $previous"
		previous=$((0x$last))
	done <ranges
}

atf_test_case recorded
recorded_head()
{
	atf_set descr "What firmware has set is claimed, all of it"
}
recorded_body()
{

	helpers
	for machine in pc q35; do
		# shellcheck disable=SC2086
		look -M $machine $DEVICES \
		    -device pci-bridge,id=one,chassis_nr=1 \
		    -device virtio-rng-pci,bus=one,addr=2
		has "^pci: [0-9]+ functions; base address registers: [0-9]+ claimed, 0 assigned, 0 left out$"
		atf_check -o file:decoded cat claims
		has '^ioport: 0x3f8 - 0x3ff com0$'
		has '^extent ioport: 0x0 - 0xffff, not coalesced$'
		has '^    0x3f8 - 0x3ff$'
		has '^iomem: 0x[0-9a-f]+ - 0x[0-9a-f]+ pci 0:[0-9]+\.0 window$'
		apart ioport 12
		apart iomem 12
	done
}

atf_test_case assigned
assigned_head()
{
	atf_set descr "Firmware that sets nothing: the kernel does"
	atf_set require.files "$QBOOT"
}
assigned_body()
{

	helpers
	for machine in pc q35; do
		# shellcheck disable=SC2086
		look -M $machine -bios "$QBOOT" $DEVICES
		has "^pci: [0-9]+ functions; base address registers: 0 claimed, [0-9]+ assigned, 0 left out$"
		has '^edu0 at pci [0-9]+:[0-9]+\.[0-9]: version 1\.0, 10! = 3628800$'
		has '^edu0: .*, ok$'
		n=$(sed -n 's/^pci: .* \([0-9]*\) assigned.*/\1/p' console)
		atf_check_equal "$n" "$(wc -l <claims)"
		atf_check_equal "$n" "$(wc -l <decoded)"
		# QEMU tells the addresses of what decodes: edu does.
		grep -v ffffffffffffffff decoded >enabled
		[ -s enabled ] || atf_fail "edu decodes nothing"
		atf_check -o file:enabled grep -Fxf enabled claims
		# 256 MiB lie above 4 GiB.
		has '^iomem: 0x[0-9a-f]{9,} - 0x[0-9a-f]*fffffff pci 0:[0-9]+\.0 bar 2$'
		apart ioport 12
		apart iomem 12
	done
}

atf_test_case closed_bridge
closed_bridge_head()
{
	atf_set descr "Behind a bridge that passes nothing on, a device gets" \
	    "no address, and everything else works"
	atf_set require.files "$QBOOT"
}
closed_bridge_body()
{

	helpers
	look -bios "$QBOOT" -device edu \
	    -device pci-bridge,id=one,chassis_nr=1 \
	    -device e1000,bus=one,addr=2
	has '^edu0: .*, ok$'
	n=$(sed -n 's/^pci: .* \([0-9]*\) left out$/\1/p' console)
	if grep -q '^pci 1:2\.0 ' console; then
		has '^pci 1:2\.0 bar 0: no memory of size 0x20000 for it behind its bridge: none is left$'
		atf_check_equal 2 "$n"
	else
		# Its buses have no numbers, and it is not found.
		atf_check_equal 0 "$n"
	fi
	apart iomem 8
}

atf_init_test_cases()
{

	atf_add_test_case recorded
	atf_add_test_case assigned
	atf_add_test_case closed_bridge
}
