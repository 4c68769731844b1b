#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

QBOOT=/usr/share/qemu/qboot.rom

helpers()
{

	for f in boot disk; do
		. "$(atf_config_get srctop)/tests/sys/dev/$f.subr"
	done
}

# works SEED BYTES "OPTIONS" ARGUMENT...: a disk behind a controller of the
# default machine is read and written.
works()
{
	seed=$1 size=$2 options=$3
	shift 3

	new_disk disk "$size" "$seed"
	boot $EXIT_SUCCESS "require=xhci seed=$seed $options" \
	    -drive "$(drive disk)" "$@" -device usb-storage,drive=d
	was_copied xhci0 disk 512
	figures
}

# figures: the limits of the driver, and that data was scattered.
figures()
{

	has '^xhci0: moved [0-9]+ bytes, [0-9]+ segments, 0 bytes bounced; below any, align 64, boundary 65536, contiguous 4096$'
	segs=$(sed -n 's/^xhci0: moved [0-9]* bytes, \([0-9]*\) seg.*/\1/p' \
	    console | tail -n 1)
	[ "$segs" -ge 10 ] || atf_fail "only $segs segments"
}

atf_test_case copy
copy_head()
{
	atf_set descr "A disk is read, and its first half copied to the second"
}
copy_body()
{

	helpers
	works 1 4194304 "" -device qemu-xhci,addr=8
	has '^xhci0 at pci 0:8\.0: xHCI 1\.00, 64 bits of address, 0 scratchpad buffers, port 1, super speed: QEMU QEMU HARDDISK, 8192 blocks of 512$'
	# An odd number of blocks: the last stays as it is.
	works 2 513536 "" -device qemu-xhci
	has '^xhci0: read 513536 bytes of 1003 blocks of 512 in 1 transfers'
}

atf_test_case speeds
speeds_head()
{
	atf_set descr "High speed; other devices before the disk; two disks"
}
speeds_body()
{

	helpers
	works 3 1048576 "" -device qemu-xhci,p3=0
	has '^xhci0 at pci .*, port 1, high speed: '
	works 4 1048576 "" -device nec-usb-xhci -device usb-kbd \
	    -device usb-tablet
	has '^xhci0 at pci .*, port 3, super speed: '
	# Of a device that is no disk, the descriptors are read.
	make_disk other 1048576 5
	works 6 1048576 "" -device qemu-xhci,p2=0,p3=4 \
	    -drive "$(drive other o)" -device usb-uas,id=u \
	    -device scsi-hd,drive=o,bus=u.0
	has '^xhci0 at pci .*, port 2, super speed: '
	make_disk other.before 1048576 5
	cmp other other.before || atf_fail "the other disk has changed"
}

atf_test_case machines
machines_head()
{
	atf_set descr "Little and much memory, one CPU, q35, an I/O MMU," \
	    "a bridge, and firmware that assigns no addresses"
}
machines_body()
{

	helpers
	works 7 3000320 "cpus=1" -m 24M -device qemu-xhci
	works 8 3000320 "" -m 5G -device qemu-xhci
	works 9 1048576 "" -M q35 -device intel-iommu,intremap=off \
	    -device qemu-xhci
	has_not '^vtd0: .*refused'
	works 10 1048576 "" -device pci-bridge,id=one,chassis_nr=1 \
	    -device qemu-xhci,bus=one,addr=3
	has '^xhci0 at pci 1:3\.0: '
	[ -f $QBOOT ] || atf_skip "no $QBOOT"
	works 11 1048576 "" -bios $QBOOT -device qemu-xhci
}

atf_test_case blocks
blocks_head()
{
	atf_set descr "Blocks of 4 KiB; a large disk that does not invite"
}
blocks_body()
{

	helpers
	new_disk disk 1048576 12
	boot $EXIT_SUCCESS "require=xhci" -drive "$(drive disk)" \
	    -device qemu-xhci -device usb-bot,id=b -device \
	    scsi-hd,drive=d,bus=b.0,logical_block_size=4096,physical_block_size=4096
	has '^xhci0 at pci .*, 256 blocks of 4096$'
	was_copied xhci0 disk 4096
	make_disk disk 1048576 13
	truncate -s 64M disk
	cp disk disk.before
	boot $EXIT_SUCCESS "require=xhci" -drive "$(drive disk)" \
	    -device qemu-xhci -device usb-storage,drive=d
	was_read xhci0 disk 16777216 '[0-9]+'
	has_not '^xhci0: wrote'
	cmp disk disk.before || atf_fail "the disk has changed"
}

atf_test_case memory
memory_head()
{
	atf_set descr "Memory that is nearly full, or gone; several jobs"
}
memory_body()
{

	helpers
	new_disk disk 1048576 14
	boot $EXIT_SUCCESS "require=xhci fill=97 runs=2" \
	    -drive "$(drive disk)" -device qemu-xhci \
	    -device usb-storage,drive=d
	has '^xhci0: read 1048576 '
	[ "$(grep -c '^xhci0: wrote 524288 bytes .*, ok$' console)" -eq 2 ] ||
	    atf_fail "not two jobs"
	figures
	# 64 bits of address: above 4 GiB there is memory.
	works 15 1048576 "take=4g" -m 5G -device qemu-xhci
	boot $EXIT_FAILURE "require=xhci take=4g" -drive "$(drive disk)" \
	    -device qemu-xhci -device usb-storage,drive=d
	lacks xhci0
	has '^xhci0: failed: ENOMEM$'
	has '^audit taken: .*: ok$'
}

atf_test_case errors
errors_head()
{
	atf_set descr "A disk that fails, always or once"
}
errors_body()
{

	helpers
	for type in read write flush; do
		new_disk disk 1048576 16
		boot $EXIT_FAILURE "require=xhci" \
		    -blockdev driver=file,filename=disk,node-name=f \
		    -blockdev driver=blkdebug,image=f,node-name=d,inject-error.0.event=none,inject-error.0.errno=5,inject-error.0.iotype=$type \
		    -device qemu-xhci \
		    -device usb-storage,drive=d,werror=report
		has '^xhci0: (READ\(10\)|WRITE\(10\)|SYNCHRONIZE CACHE\(10\)) at block [0-9]+: sense key [0-9a-f], code [0-9a-f]{2}/[0-9a-f]{2}$'
		[ "$(grep -c '^xhci0: .*: sense' console)" -eq 2 ] ||
		    atf_fail "not two attempts"
		has '^xhci0: failed: EIO$'
		has_not '^xhci0: moved'
	done
	new_disk disk 1048576 17
	boot $EXIT_SUCCESS "require=xhci" \
	    -blockdev driver=file,filename=disk,node-name=f \
	    -blockdev driver=blkdebug,image=f,node-name=d,inject-error.0.event=none,inject-error.0.errno=5,inject-error.0.once=on,inject-error.0.sector=1300,inject-error.0.iotype=read \
	    -device qemu-xhci -device usb-storage,drive=d
	[ "$(grep -c '^xhci0: .*: sense' console)" -eq 1 ] || {
		cat console >&2
		atf_fail "not one error"
	}
	was_copied xhci0 disk 512
	figures
}

atf_test_case absent
absent_head()
{
	atf_set descr "No controller, no device, and what is no disk"
}
absent_body()
{

	helpers
	boot $EXIT_SUCCESS ""
	has '^xhci0: not present$'
	boot $EXIT_FAILURE "require=xhci"
	has '^xhci0: not present$'
	boot $EXIT_SUCCESS "" -device qemu-xhci
	has '^xhci0 at pci 0:[0-9]+\.0: xHCI 1\.00, 64 bits of address, 0 scratchpad buffers, no disk$'
	has '^xhci0: no disk$'
	has_not '^xhci0: failed'
	make_disk disk 1048576 18
	boot $EXIT_FAILURE "require=xhci" -device qemu-xhci -device usb-kbd \
	    -drive "$(drive disk)" -device usb-bot,id=b \
	    -device scsi-cd,drive=d,bus=b.0
	has '^xhci0: no disk$'
	has '^xhci0: failed: ENODEV$'
}

atf_init_test_cases()
{

	atf_add_test_case copy
	atf_add_test_case speeds
	atf_add_test_case machines
	atf_add_test_case blocks
	atf_add_test_case memory
	atf_add_test_case errors
	atf_add_test_case absent
}
