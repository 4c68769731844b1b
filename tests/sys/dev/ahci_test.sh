#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

QBOOT=/usr/share/qemu/qboot.rom		# sets no base address register

helpers()
{

	for f in boot disk; do
		. "$(atf_config_get srctop)/tests/sys/dev/$f.subr"
	done
}

# works SEED BYTES "OPTIONS" ARGUMENT...: a disk behind an adapter of the
# default machine is read and written.
works()
{
	seed=$1 size=$2 options=$3
	shift 3

	new_disk disk "$size" "$seed"
	boot $EXIT_SUCCESS "require=ahci seed=$seed $options" \
	    -drive "$(drive disk)" "$@" -device ich9-ahci,id=a,addr=8 \
	    -device ide-hd,drive=d,bus=a.0
	was_copied ahci0 disk 512
	figures
}

# figures: the limits of the driver, and that data was scattered.
figures()
{

	has '^ahci0: moved [0-9]+ bytes, [0-9]+ segments, 0 bytes bounced; below any, align 1024, boundary none, contiguous 4096$'
	segs=$(sed -n 's/^ahci0: moved [0-9]* bytes, \([0-9]*\) seg.*/\1/p' \
	    console)
	[ "$segs" -ge 10 ] || atf_fail "only $segs segments"
	if grep '^bus_dma: ahci0' console >&2; then
		atf_fail "the driver is mistaken"
	fi
}

atf_test_case copy
copy_head()
{
	atf_set descr "A disk is read, and its first half copied to the second"
}
copy_body()
{

	helpers
	works 1 4194304 ""
	has '^ahci0 at pci 0:8\.0: AHCI 1\.0, 64 bits of address, port 0: QEMU HARDDISK, 8192 blocks of 512$'
	# An odd number of blocks: the last stays as it is.
	works 2 513536 ""
	has '^ahci0: read 513536 bytes of 1003 blocks of 512 in 1 transfers'
}

atf_test_case machines
machines_head()
{
	atf_set descr "Little and much memory, one CPU, q35, a bridge," \
	    "and firmware that assigns no addresses"
}
machines_body()
{

	helpers
	works 3 3000320 "cpus=1" -m 24M
	works 4 3000320 "" -m 5G
	new_disk disk 1048576 5
	boot $EXIT_SUCCESS "require=ahci" -M q35 -drive "$(drive disk)" \
	    -device ide-hd,drive=d,bus=ide.3
	has '^ahci0 at pci 0:31\.2: .*, port 3: QEMU HARDDISK'
	was_copied ahci0 disk 512
	figures
	new_disk disk 1048576 12
	boot $EXIT_SUCCESS "require=ahci" -drive "$(drive disk)" \
	    -device pci-bridge,id=one,chassis_nr=1 \
	    -device ich9-ahci,id=a,bus=one,addr=3 \
	    -device ide-hd,drive=d,bus=a.1
	has '^ahci0 at pci 1:3\.0: .*, port 1: QEMU HARDDISK'
	was_copied ahci0 disk 512
	[ -f $QBOOT ] || atf_skip "no $QBOOT"
	works 6 1048576 "" -bios $QBOOT
}

atf_test_case blocks
blocks_head()
{
	atf_set descr "Sectors of 4 KiB; a large disk that does not invite"
}
blocks_body()
{

	helpers
	new_disk disk 1048576 7
	boot $EXIT_SUCCESS "require=ahci" -drive "$(drive disk)" \
	    -device ich9-ahci,id=a \
	    -device ide-hd,drive=d,bus=a.5,physical_block_size=4096
	was_copied ahci0 disk 512
	make_disk disk 1048576 8
	truncate -s 64M disk
	cp disk disk.before
	boot $EXIT_SUCCESS "require=ahci" -drive "$(drive disk)" \
	    -device ich9-ahci,id=a -device ide-hd,drive=d,bus=a.0
	was_read ahci0 disk 16777216 32
	has_not '^ahci0: wrote'
	cmp disk disk.before || atf_fail "the disk has changed"
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
		new_disk disk 1048576 9
		boot $EXIT_FAILURE "require=ahci" \
		    -blockdev driver=file,filename=disk,node-name=f \
		    -blockdev driver=blkdebug,image=f,node-name=d,inject-error.0.event=none,inject-error.0.errno=5,inject-error.0.iotype=$type \
		    -device ich9-ahci,id=a \
		    -device ide-hd,drive=d,bus=a.0,werror=report
		has '^ahci0: command 0x(25|35|ea) at block [0-9]+: EIO \(events 0x4[0-9a-f]{7}, task file 0x[0-9a-f]+, errors 0x[0-9a-f]+, [0-9]+ bytes moved\)$'
		[ "$(grep -c '^ahci0: command' console)" -eq 2 ] ||
		    atf_fail "not two attempts"
		has '^ahci0: failed: EIO$'
		has_not '^ahci0: (wrote|moved)'
	done
	new_disk disk 1048576 10
	boot $EXIT_SUCCESS "require=ahci" \
	    -blockdev driver=file,filename=disk,node-name=f \
	    -blockdev driver=blkdebug,image=f,node-name=d,inject-error.0.event=none,inject-error.0.errno=5,inject-error.0.once=on,inject-error.0.sector=1300,inject-error.0.iotype=read \
	    -device ich9-ahci,id=a -device ide-hd,drive=d,bus=a.0
	[ "$(grep -c '^ahci0: command 0x25' console)" -eq 1 ] || {
		cat console >&2
		atf_fail "not one error"
	}
	was_copied ahci0 disk 512
	figures
}

atf_test_case no_memory
no_memory_head()
{
	atf_set descr "With no memory at all the kernel goes on"
}
no_memory_body()
{

	helpers
	new_disk disk 1048576 13
	boot $EXIT_FAILURE "require=ahci take=1t" -drive "$(drive disk)" \
	    -device ich9-ahci,id=a -device ide-hd,drive=d,bus=a.0
	lacks ahci0
	has '^ahci0: failed: ENOMEM$'
	cmp disk disk.before || atf_fail "the disk has changed"
	# The adapter has 64 bits of address: above 4 GiB there is memory.
	works 14 1048576 "take=4g" -m 5G
}

atf_test_case absent
absent_head()
{
	atf_set descr "No adapter, no disk, and what is no disk"
}
absent_body()
{

	helpers
	boot $EXIT_SUCCESS ""
	has '^ahci0: not present$'
	boot $EXIT_FAILURE "require=ahci"
	has '^ahci0: not present$'
	boot $EXIT_SUCCESS "" -device ich9-ahci
	has '^ahci0 at pci 0:[0-9]+\.0: AHCI 1\.0, 64 bits of address, no disk$'
	has '^ahci0: no disk$'
	has_not '^ahci0: failed'
	make_disk disk 1048576 11
	boot $EXIT_FAILURE "require=ahci" -drive "$(drive disk)" \
	    -device ich9-ahci,id=a -device ide-cd,drive=d,bus=a.0
	has '^ahci0: no disk$'
	has '^ahci0: failed: ENODEV$'
}

atf_init_test_cases()
{

	atf_add_test_case copy
	atf_add_test_case machines
	atf_add_test_case blocks
	atf_add_test_case errors
	atf_add_test_case no_memory
	atf_add_test_case absent
}
