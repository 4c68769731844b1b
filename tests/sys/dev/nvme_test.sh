#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

QBOOT=/usr/share/qemu/qboot.rom		# sets no base address register

helpers()
{

	. "$(atf_config_get srctop)/tests/sys/dev/boot.subr"
}

# make_disk FILE BYTES SEED: digits of the minimal standard generator.
make_disk()
{

	awk -v n="$2" -v x="$3" 'BEGIN {
		for (i = 0; i < n / 10 + 1; i++) {
			x = x * 16807 % 2147483647
			printf("%010d", x)
		}
	}' | head -c "$2" >"$1"
}

# invite FILE: the driver may write to it.
invite()
{

	echo "extant scratch" | dd of="$1" conv=notrunc status=none
}

drive()
{

	echo "if=none,id=d,format=raw,file=$1"
}

# was_read FILE BYTES TRANSFERS: the sum on the console is that of the first
# bytes of the disk.
was_read()
{

	sum=$(head -c "$2" "$1" | cksum)
	has "^nvme0: read $2 bytes of [0-9]+ blocks of [0-9]+ in $3 transfers through [0-9]+ pieces of memory, cksum ${sum%% *}\$"
}

# was_copied FILE BEFORE: the second half is now what the first half was, which
# has not changed.
was_copied()
{

	half=$(($(wc -c <"$2") / 2))
	has "^nvme0: wrote $half bytes at $half in [0-9]+ transfers, ok\$"
	head -c $half "$2" >first
	cat first first >wanted
	cmp "$1" wanted || atf_fail "the disk is not as it should be"
	if cmp -s "$2" wanted; then
		atf_fail "the disk was like that before"
	fi
}

# queues N MEMORY LOW: all N submission queues lie there, at the start of a
# page, not below LOW, and not on top of each other.
queues()
{

	sed -n "s/^nvme0: submission queue [12] in $2 at //p" console >at
	[ "$(wc -l <at)" -eq "$1" ] || {
		cat console >&2
		atf_fail "not $1 queues in $2"
	}
	while read -r at; do
		[ $((at % 4096)) -eq 0 ] || atf_fail "$at is not a page"
		[ $((at)) -ge $(($3)) ] || atf_fail "$at is main memory"
	done <at
	[ -z "$(sort at | uniq -d)" ] || atf_fail "queues overlap"
}

OURS="the controller's memory"

# both FILE SEED "OPTIONS" ARGUMENT...: a disk that is read and written with
# queues in the controller's memory.
both()
{
	size=$1 seed=$2 options=$3
	shift 3

	make_disk before "$size" "$seed"
	invite before
	cp before disk
	boot $EXIT_SUCCESS "require=nvme $options" "$@"
	was_read before "$size" '[0-9]+'
	was_copied disk before
}

atf_test_case cmb
cmb_head()
{
	atf_set descr "Submission queues in the controller memory buffer"
}
cmb_body()
{

	helpers
	both 4194304 1 "" -drive "$(drive disk)" \
	    -device nvme,drive=d,serial=1,cmb_size_mb=64
	has '^nvme0 at pci [0-9]+:[0-9]+\.[0-9]: version 1\.[0-9], QEMU NVMe Ctrl$'
	queues 2 "$OURS" 0x8000000
	# The registers of revision 1.3.
	both 1048576 2 "" -drive "$(drive disk)" \
	    -device nvme,drive=d,serial=1,cmb_size_mb=16,legacy-cmb=on
	queues 2 "$OURS" 0x8000000
}

atf_test_case no_cmb
no_cmb_head()
{
	atf_set descr "A controller without memory of its own"
}
no_cmb_body()
{

	helpers
	both 4194304 3 "" -drive "$(drive disk)" \
	    -device nvme,drive=d,serial=1
	queues 2 "main memory" 0
}

atf_test_case machines
machines_head()
{
	atf_set descr "Little and much memory, one CPU, bridges, and firmware" \
	    "that assigns no addresses"
}
machines_body()
{
	cmb=nvme,drive=d,serial=1,cmb_size_mb=64

	helpers
	both 3000320 4 "cpus=1 seed=4" -m 24M -drive "$(drive disk)" \
	    -device $cmb
	queues 2 "$OURS" 0x1800000
	both 3000320 5 "seed=5" -M q35 -m 5G -drive "$(drive disk)" \
	    -device $cmb
	queues 2 "$OURS" 0x80000000
	both 1048576 6 "" -device pci-bridge,id=one,chassis_nr=1 \
	    -drive "$(drive disk)" -device $cmb,bus=one,addr=3
	has '^nvme0 at pci 1:3\.0: '
	queues 2 "$OURS" 0x8000000
	[ -f $QBOOT ] || atf_skip "no $QBOOT"
	both 1048576 7 "" -bios $QBOOT -drive "$(drive disk)" -device $cmb
	queues 2 "$OURS" 0x8000000
}

atf_test_case controllers
controllers_head()
{
	atf_set descr "One pair of queues, small transfers, large blocks, odd" \
	    "sizes"
}
controllers_body()
{

	helpers
	both 1048576 8 "" -drive "$(drive disk)" \
	    -device nvme,drive=d,serial=1,cmb_size_mb=64,max_ioqpairs=1
	queues 1 "$OURS" 0x8000000
	both 1048576 9 "" -drive "$(drive disk)" \
	    -device nvme,drive=d,serial=1,cmb_size_mb=64,mdts=1
	was_read before 1048576 128
	both 1048576 10 "" -drive "$(drive disk)" \
	    -device nvme,serial=1,cmb_size_mb=64 \
	    -device nvme-ns,drive=d,logical_block_size=4096,physical_block_size=4096
	has '^nvme0: read 1048576 bytes of 256 blocks of 4096 '
	# An odd number of blocks: the last stays as it is.
	make_disk before 513536 11
	invite before
	cp before disk
	boot $EXIT_SUCCESS "require=nvme" -drive "$(drive disk)" \
	    -device nvme,drive=d,serial=1,cmb_size_mb=64
	was_read before 513536 1
	has '^nvme0: wrote 256512 bytes at 256512 in 1 transfers, ok$'
	head -c 256512 before >first
	tail -c 512 before | cat first first - | cmp disk - ||
	    atf_fail "the disk is not as it should be"
}

atf_test_case not_invited
not_invited_head()
{
	atf_set descr "A disk that does not invite it is not written to, and" \
	    "of a large one the start is read"
}
not_invited_body()
{

	helpers
	make_disk before 1048576 12
	cp before disk
	boot $EXIT_SUCCESS "require=nvme" -drive "$(drive disk)" \
	    -device nvme,drive=d,serial=1,cmb_size_mb=64
	was_read before 1048576 2
	has_not '^nvme0: wrote'
	cmp disk before || atf_fail "the disk has changed"
	truncate -s 64M disk
	boot $EXIT_SUCCESS "require=nvme" \
	    -drive "$(drive disk),read-only=on" \
	    -device nvme,drive=d,serial=1,cmb_size_mb=64
	was_read disk 16777216 32
}

atf_test_case errors
errors_head()
{
	atf_set descr "A disk that fails"
}
errors_body()
{

	helpers
	make_disk disk 1048576 13
	invite disk
	cp disk before
	for type in read write; do
		boot $EXIT_FAILURE "require=nvme" \
		    -blockdev driver=file,filename=disk,node-name=f \
		    -blockdev driver=blkdebug,image=f,node-name=d,inject-error.0.event=none,inject-error.0.errno=5,inject-error.0.iotype=$type,inject-error.0.sector=1300 \
		    -device nvme,drive=d,serial=1,cmb_size_mb=64
		has '^nvme0: command 0x0[12] on queue [12]: status 0x2..$'
		has '^nvme0: failed: EIO$'
		has_not '^nvme0: wrote'
		[ $type = write ] || has_not '^nvme0: read'
	done
}

atf_test_case absent
absent_head()
{
	atf_set descr "No controller, and nothing to read"
}
absent_body()
{

	helpers
	boot $EXIT_SUCCESS ""
	has '^nvme0: not present$'
	boot $EXIT_FAILURE "require=nvme"
	has '^nvme0: not present$'
	boot $EXIT_SUCCESS "" -device nvme,serial=1,cmb_size_mb=64
	has '^nvme0: no namespace to read$'
	has_not '^nvme0: failed'
	boot $EXIT_FAILURE "require=nvme" -device nvme,serial=1,cmb_size_mb=64
	has '^nvme0: failed: ENODEV$'
	# Metadata beside each block.
	make_disk disk 1048576 14
	boot $EXIT_SUCCESS "" -drive "$(drive disk)" \
	    -device nvme,serial=1 -device nvme-ns,drive=d,ms=8
	has '^nvme0: format 0x[0-9a-f]+ of the namespace is not supported$'
	has_not '^nvme0: read'
}

atf_init_test_cases()
{

	atf_add_test_case cmb
	atf_add_test_case no_cmb
	atf_add_test_case machines
	atf_add_test_case controllers
	atf_add_test_case not_invited
	atf_add_test_case errors
	atf_add_test_case absent
}
