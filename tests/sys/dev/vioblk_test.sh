#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

LEGACY=disable-modern=on
MODERN=disable-legacy=on

helpers()
{

	for f in boot disk virtio; do
		. "$(atf_config_get srctop)/tests/sys/dev/$f.subr"
	done
}

# works SEED "DEVICE OPTIONS" "OPTIONS" ARGUMENT...: a disk is read and written.
works()
{
	seed=$1 device=$2 options=$3
	shift 3

	new_disk disk 1048576 "$seed"
	boot $EXIT_SUCCESS "require=vioblk seed=$seed $options" \
	    -drive "$(drive disk)" "$@" \
	    -device "virtio-blk-pci,drive=d$device"
	was_copied vioblk0 disk 512
}

atf_test_case legacy
legacy_head()
{
	atf_set descr "The legacy interface: queues of contiguous pages"
}
legacy_body()
{

	helpers
	works 1 ,$LEGACY ""
	has '^vioblk0 at pci 0:[0-9]+\.0: legacy virtio disk, '
	legacy_queues vioblk0 1 256
	# The size is the device's: 26 KiB in a row.
	works 2 ,$LEGACY,queue-size=1024 ""
	legacy_queues vioblk0 1 1024
	works 3 ,$LEGACY,queue-size=16 ""
	legacy_queues vioblk0 1 16
}

atf_test_case modern
modern_head()
{
	atf_set descr "The modern interface: each part of a queue by itself"
}
modern_body()
{

	helpers
	works 4 ,$MODERN ""
	has '^vioblk0 at pci 0:[0-9]+\.0: modern virtio disk, '
	modern_queues vioblk0 1 256
	works 5 ,$MODERN,queue-size=1024 ""
	modern_queues vioblk0 1 256
	works 6 ,$MODERN,queue-size=16 ""
	modern_queues vioblk0 1 16
	# A device that has both interfaces, one that goes by the platform's
	# addresses, and one that is told of requests through a port.
	works 7 "" ""
	modern_queues vioblk0 1 256
	works 8 ,$MODERN,iommu_platform=on ""
	modern_queues vioblk0 1 256
	works 9 ,$MODERN,modern-pio-notify=on ""
	modern_queues vioblk0 1 256
}

atf_test_case machines
machines_head()
{
	atf_set descr "Little and much memory, one CPU, bridges, and firmware" \
	    "that assigns no addresses"
}
machines_body()
{

	helpers
	for kind in legacy modern; do
		[ $kind = legacy ] && option=,$LEGACY || option=,$MODERN
		works 10 $option "cpus=1" -m 24M
		${kind}_queues vioblk0 1 256
		works 11 $option "" -m 5G
		${kind}_queues vioblk0 1 256
		works 12 $option,bus=one,addr=3 "" \
		    -device pci-bridge,id=one,chassis_nr=1
		has '^vioblk0 at pci 1:3\.0: '
		${kind}_queues vioblk0 1 256
	done
	works 13 ",$MODERN" "" -M q35
	modern_queues vioblk0 1 256
	[ -f $QBOOT ] || atf_skip "no $QBOOT"
	works 14 ",$MODERN" "" -bios $QBOOT
	works 15 ",$LEGACY" "" -bios $QBOOT
}

atf_test_case segments
segments_head()
{
	atf_set descr "Transfers of as many segments as the device takes"
}
segments_body()
{

	helpers
	# 254 segments of data: 128 pages, anywhere.
	works 16 ,$MODERN,queue-size=256 ""
	was_read vioblk0 disk.before 1048576 2
	# 14, one of which is for addresses in the middle of a page: 13 pages.
	works 17 ,$LEGACY,queue-size=16 ""
	was_read vioblk0 disk.before 1048576 20
	# Two segments: page by page.
	works 18 ,$MODERN,queue-size=4 ""
	was_read vioblk0 disk.before 1048576 256
	works 19 ,$LEGACY,queue-size=4 ""
	was_read vioblk0 disk.before 1048576 256
	no_mistakes
}

atf_test_case sizes
sizes_head()
{
	atf_set descr "Large blocks, and an odd number of them"
}
sizes_body()
{

	helpers
	new_disk disk 1003520 20
	boot $EXIT_SUCCESS "require=vioblk" -drive "$(drive disk)" \
	    -device virtio-blk-pci,drive=d,logical_block_size=4096,physical_block_size=4096
	was_copied vioblk0 disk 4096
	has '^vioblk0: read 1003520 bytes of 245 blocks of 4096 '
	new_disk disk 513536 21
	boot $EXIT_SUCCESS "require=vioblk" -drive "$(drive disk)" \
	    -device virtio-blk-pci,drive=d,$LEGACY
	was_copied vioblk0 disk 512
	has '^vioblk0: read 513536 bytes of 1003 blocks of 512 in 1 transfers'
	no_mistakes
}

atf_test_case several
several_head()
{
	atf_set descr "Several disks, with each interface"
}
several_body()
{

	helpers
	for i in 0 1 2 3; do
		new_disk disk$i $((262144 * (i + 1))) $((30 + i))
	done
	boot $EXIT_SUCCESS "require=vioblk" \
	    -drive "$(drive disk0 a)" -device virtio-blk-pci,drive=a,$LEGACY \
	    -drive "$(drive disk1 b)" -device virtio-blk-pci,drive=b,$MODERN \
	    -drive "$(drive disk2 c)" -device virtio-blk-pci,drive=c,$LEGACY \
	    -drive "$(drive disk3 d)" -device virtio-blk-pci,drive=d
	for i in 0 1 2 3; do
		was_copied vioblk$i disk$i 512
	done
	legacy_queues vioblk0 1 256
	modern_queues vioblk1 1 256
	legacy_queues vioblk2 1 256
	modern_queues vioblk3 1 256
}

atf_test_case not_invited
not_invited_head()
{
	atf_set descr "Disks that are not to be written to, and a large one"
}
not_invited_body()
{

	helpers
	make_disk disk 1048576 40
	cp disk before
	boot $EXIT_SUCCESS "require=vioblk" -drive "$(drive disk)" \
	    -device virtio-blk-pci,drive=d
	was_read vioblk0 disk 1048576 2
	has_not '^vioblk0: wrote'
	cmp disk before || atf_fail "the disk has changed"
	invite disk
	truncate -s 64M disk
	cp disk before
	for option in $LEGACY $MODERN; do
		boot $EXIT_SUCCESS "require=vioblk" \
		    -drive "$(drive disk),read-only=on" \
		    -device virtio-blk-pci,drive=d,$option
		was_read vioblk0 disk 16777216 32
		has '^vioblk0: cannot be written to$'
		has_not '^vioblk0: wrote'
		cmp disk before || atf_fail "the disk has changed"
	done
}

atf_test_case limit
limit_head()
{
	atf_set descr "Memory above 2^44, where no legacy queue may lie"
}
limit_body()
{

	helpers
	[ "$(atf_config_get long 0)" = 1 ] || atf_skip "takes long"
	new_disk one 1048576 60
	new_disk two 1048576 61
	boot $EXIT_SUCCESS "require=vioblk cpus=1" -nodefaults \
	    -M pc,memory-backend=m -m 15400G -cpu max,phys-bits=46 \
	    -object memory-backend-ram,id=m,size=15400G,reserve=off \
	    -drive "$(drive one a)" -device virtio-blk-pci,drive=a,$LEGACY \
	    -drive "$(drive two b)" -device virtio-blk-pci,drive=b,$MODERN
	was_copied vioblk0 one 512
	was_copied vioblk1 two 512
	legacy_queues vioblk0 1 256
	modern_queues vioblk1 1 256
	read -r size desc rest <queues
	[ $((desc >> 44)) -ne 0 ] ||
	    atf_fail "$desc is low: this machine shows nothing"
}

atf_test_case memory
memory_head()
{
	atf_set descr "Memory that is nearly full, and none at all"
}
memory_body()
{

	helpers
	for option in $LEGACY $MODERN; do
		new_disk one 1048576 70
		new_disk two 1048576 71
		boot $EXIT_SUCCESS "require=vioblk fill=97 together=1" -smp 4 \
		    -drive "$(drive one a)" \
		    -device virtio-blk-pci,drive=a,$option \
		    -drive "$(drive two b)" \
		    -device virtio-blk-pci,drive=b,$option
		was_copied vioblk0 one 512
		was_copied vioblk1 two 512
		no_mistakes
		works 72 ,$option "take=4g" -m 5G
		no_mistakes
	done
	boot $EXIT_FAILURE "require=vioblk take=4g" \
	    -drive "$(drive disk)" -device virtio-blk-pci,drive=d
	lacks vioblk0
	has '^vioblk0: failed: ENOMEM$'
	no_mistakes
}

atf_test_case errors
errors_head()
{
	atf_set descr "A disk that fails, beside one that does not"
}
errors_body()
{

	helpers
	new_disk disk 1048576 50
	for option in $LEGACY $MODERN; do
		for type in read write flush; do
			new_disk good 524288 51
			cp disk.before disk
			boot $EXIT_FAILURE "require=vioblk" \
			    -blockdev driver=file,filename=disk,node-name=f \
			    -blockdev driver=blkdebug,image=f,node-name=d,inject-error.0.event=none,inject-error.0.errno=5,inject-error.0.iotype=$type \
			    -device virtio-blk-pci,drive=d,$option \
			    -drive "$(drive good g)" \
			    -device virtio-blk-pci,drive=g,$option
			has '^vioblk0: request [014] at sector [0-9]+: status 1$'
			has '^vioblk0: failed: EIO$'
			has_not '^vioblk0: wrote'
			was_copied vioblk1 good 512
			no_mistakes
		done
	done
}

atf_test_case absent
absent_head()
{
	atf_set descr "No disk"
}
absent_body()
{

	helpers
	boot $EXIT_SUCCESS ""
	has '^vioblk0: not present$'
	boot $EXIT_FAILURE "require=vioblk" -device virtio-rng-pci
	has '^vioblk0: not present$'
}

atf_init_test_cases()
{

	atf_add_test_case legacy
	atf_add_test_case modern
	atf_add_test_case machines
	atf_add_test_case segments
	atf_add_test_case sizes
	atf_add_test_case several
	atf_add_test_case not_invited
	atf_add_test_case limit
	atf_add_test_case memory
	atf_add_test_case errors
	atf_add_test_case absent
}
