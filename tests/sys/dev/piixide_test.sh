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

# ide FILE INDEX: the argument of -drive; drives 0 and 1 are on the first
# channel.
ide()
{

	echo "if=ide,index=$2,media=disk,format=raw,file=$1"
}

# works SEED BYTES INDEX "OPTIONS" ARGUMENT...: a disk is read and written.
works()
{
	seed=$1 bytes=$2 place=$3 options=$4
	shift 4

	new_disk disk "$bytes" "$seed"
	boot $EXIT_SUCCESS "require=piixide seed=$seed $options" \
	    -drive "$(ide disk "$place")" "$@"
	was_copied piixide0 disk 512
	has '^piixide0: moved [0-9]+ bytes, [0-9]+ segments, [0-9]+ bytes bounced; below 0x100000000, align 4, boundary 65536, contiguous '
	segs=$(sed -n 's/^piixide0: moved [0-9]* bytes, \([0-9]*\) seg.*/\1/p' \
	    console)
	[ "$segs" -ge 10 ] || atf_fail "only $segs segments"
	if grep '^bus_dma: piixide0' console >&2; then
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
	works 1 4194304 0 ""
	has '^piixide0 at pci 0:1\.1: bus master at port 0x[0-9a-f]+, port 0x1f0 drive 0: QEMU HARDDISK, 8192 blocks of 512, 48 bits of address$'
	# An odd number of blocks: the last stays as it is.
	works 2 513536 0 ""
	has '^piixide0: read 513536 bytes of 1003 blocks of 512 in 1 transfers'
}

atf_test_case places
places_head()
{
	atf_set descr "Disks on either channel, first or second; the first one" \
	    "counts"
}
places_body()
{

	helpers
	works 3 1048576 1 ""
	has '^piixide0 at pci 0:1\.1: .*, port 0x1f0 drive 1: '
	works 4 1048576 3 ""
	has '^piixide0 at pci 0:1\.1: .*, port 0x170 drive 1: '
	make_disk other 524288 5
	cp other other.before
	works 6 1048576 0 "" -drive "$(ide other 1)"
	has '^piixide0 at pci 0:1\.1: .*, port 0x1f0 drive 0: '
	cmp other other.before || atf_fail "the other disk has changed"
	works 7 1048576 2 "" -nodefaults
	has '^piixide0 at pci 0:1\.1: .*, port 0x170 drive 0: '
}

atf_test_case machines
machines_head()
{
	atf_set descr "Little and much memory, one CPU, and firmware that" \
	    "assigns no addresses"
}
machines_body()
{

	helpers
	works 8 3000320 0 "cpus=1" -m 24M
	has ', 0 bytes bounced; '
	# Memory of the kernel's, above 4 GiB, is not for this device.
	works 9 3000320 0 "" -m 5G
	has '^piixide0: moved .*, [1-9][0-9]{5,} bytes bounced; '
	[ -f $QBOOT ] || atf_skip "no $QBOOT"
	works 10 1048576 0 "" -bios $QBOOT
}

atf_test_case not_invited
not_invited_head()
{
	atf_set descr "A large disk that does not invite to be written to"
}
not_invited_body()
{

	helpers
	make_disk disk 1048576 11
	truncate -s 64M disk
	cp disk disk.before
	boot $EXIT_SUCCESS "require=piixide" -drive "$(ide disk 0)"
	was_read piixide0 disk 16777216 32
	has_not '^piixide0: wrote'
	cmp disk disk.before || atf_fail "the disk has changed"
}

# failing OPTIONS: a disk whose medium has errors, as arguments of QEMU.
failing()
{

	echo "-blockdev driver=file,filename=disk,node-name=f" \
	    "-blockdev driver=blkdebug,image=f,node-name=d,inject-error.0.event=none,inject-error.0.errno=5,$1" \
	    "-device ide-hd,drive=d,bus=ide.0,werror=report"
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
		new_disk disk 1048576 12
		boot $EXIT_FAILURE "require=piixide" \
		    $(failing "inject-error.0.iotype=$type")
		has '^piixide0: command 0x(25|35|ea) at block [0-9]+: EIO \(bus master 0x[0-9a-f]+, status 0x[0-9a-f]1, error 0x04\)$'
		[ "$(grep -c '^piixide0: command' console)" -eq 2 ] ||
		    atf_fail "not two attempts"
		has '^piixide0: failed: EIO$'
		has_not '^piixide0: (wrote|moved)'
	done
	new_disk disk 1048576 13
	boot $EXIT_SUCCESS "require=piixide" \
	    $(failing "inject-error.0.iotype=read,inject-error.0.once=on,inject-error.0.sector=1300")
	[ "$(grep -c '^piixide0: command 0x25' console)" -eq 1 ] || {
		cat console >&2
		atf_fail "not one error"
	}
	was_copied piixide0 disk 512
}

atf_test_case no_memory
no_memory_head()
{
	atf_set descr "With no memory below 4 GiB, or none at all, the kernel" \
	    "goes on"
}
no_memory_body()
{

	helpers
	new_disk disk 1048576 14
	boot $EXIT_FAILURE "require=piixide take=1t" -drive "$(ide disk 0)"
	lacks piixide0
	has '^piixide0: failed: ENOMEM$'
	boot $EXIT_FAILURE "require=piixide take=4g" -m 5G \
	    -drive "$(ide disk 0)"
	lacks piixide0 "buffer of 4096 bytes"
	has '^piixide0: failed: ENOMEM$'
	cmp disk disk.before || atf_fail "the disk has changed"
}

atf_test_case absent
absent_head()
{
	atf_set descr "No interface, no disk, and what is no disk"
}
absent_body()
{

	helpers
	boot $EXIT_SUCCESS "" -M q35
	has '^piixide0: not present$'
	boot $EXIT_FAILURE "require=piixide" -M q35
	has '^piixide0: not present$'
	# The default machine has a CD drive.
	boot $EXIT_SUCCESS ""
	has '^piixide0 at pci 0:1\.1: bus master at port 0x[0-9a-f]+, no disk$'
	has '^piixide0: no disk$'
	has_not '^piixide0: failed'
	boot $EXIT_FAILURE "require=piixide" -nodefaults
	has '^piixide0: no disk$'
	has '^piixide0: failed: ENODEV$'
}

atf_init_test_cases()
{

	atf_add_test_case copy
	atf_add_test_case places
	atf_add_test_case machines
	atf_add_test_case not_invited
	atf_add_test_case errors
	atf_add_test_case no_memory
	atf_add_test_case absent
}
