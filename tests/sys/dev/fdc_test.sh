#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

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

floppy()
{

	echo "if=floppy,format=raw,file=$1"
}

# The sum on the console is that of the disk, and the buffer was what was
# asked for: 16 KiB, aligned to 8 KiB, in a 64 KiB line, below 16 MiB.
disk_was_read()
{

	sum=$(cksum <"$1")
	has "^fdc0: read 1474560 bytes through 16384 bytes at 0x[0-9a-f]+, cksum ${sum%% *}\$"
	at=$(sed -n 's/^fdc0: read .* at \(0x[0-9a-f]*\),.*/\1/p' console)
	[ $((at % 8192)) -eq 0 ] || atf_fail "$at is not aligned"
	[ $((at / 65536)) -eq $(((at + 16383) / 65536)) ] ||
	    atf_fail "$at crosses a line"
	[ $((at + 16384)) -le 16777216 ] || atf_fail "$at is too high"
}

atf_test_case read
read_head()
{
	atf_set descr "The whole disk arrives"
}
read_body()
{

	helpers
	make_disk disk 1474560 1
	boot $EXIT_SUCCESS "require=fdc" -drive "$(floppy disk)"
	has '^fdc0 at isa port 0x3f0 drq 2: 82077AA'
	disk_was_read disk
}

atf_test_case aged
aged_head()
{
	atf_set descr "On differently fragmented memory, one CPU and several"
}
aged_body()
{

	helpers
	for seed in 2 3 4; do
		make_disk disk 1474560 $seed
		boot $EXIT_SUCCESS "require=fdc seed=$seed" -m 24M -smp $seed \
		    -drive "$(floppy disk)"
		disk_was_read disk
		boot $EXIT_SUCCESS "require=fdc seed=$seed cpus=1" -m 512M \
		    -drive "$(floppy disk)"
		disk_was_read disk
	done
}

atf_test_case no_disk
no_disk_head()
{
	atf_set descr "An empty drive is an error only where one is required"
}
no_disk_body()
{

	helpers
	boot $EXIT_SUCCESS "" -drive if=floppy
	has '^fdc0 at isa '
	has '^fdc0: no disk in drive 0$'
	has_not '^fdc0: read'
	boot $EXIT_FAILURE "require=fdc" -drive if=floppy
	has '^fdc0: no disk in drive 0$'
	has_not '^fdc0: read'
}

atf_test_case no_drive
no_drive_head()
{
	atf_set descr "A machine without a drive, and one without a controller"
}
no_drive_body()
{

	helpers
	boot $EXIT_SUCCESS "" -nodefaults
	has '^fdc0: not present$'
	boot $EXIT_FAILURE "require=fdc" -nodefaults
	has '^fdc0: not present$'
	boot $EXIT_SUCCESS "" -M q35 -nodefaults
	has '^fdc0: not present$'
}

# other SIZE PATTERN: a disk of another size gives one line that matches.
other()
{

	make_disk disk "$1" 5
	boot $EXIT_FAILURE "require=fdc" -drive "$(floppy disk)"
	has_not '^fdc0: read '
	has "$2"
	has '^fdc0: failed: E'
	[ "$(grep -c '^fdc0: ' console)" -eq 2 ] || {
		cat console >&2
		atf_fail "more than two lines"
	}
}

atf_test_case other_size
other_size_head()
{
	atf_set descr "Disks that are no 1.44 MB disks"
}
other_size_body()
{

	helpers
	# 720 KB, 2.88 MB: another data rate, so no address mark is found.
	other 737280 '^fdc0: reading 32 sectors at cylinder 0 head 0 sector 1: controller reports an error \(status 4. 01 00\)$'
	other 2949120 '^fdc0: reading 32 sectors at .* reports an error'
	# 1.2 MB: a 5.25 inch drive.
	other 1228800 '^fdc0: drive 0 does not read 1.44 MB disks'
	# 1.6 MB, 1.7 MB: the same rate, but 20 and 21 sectors a track.
	other 1638400 '^fdc0: disk has more than 18 sectors a track$'
	other 1720320 '^fdc0: disk has more than 18 sectors a track$'
}

atf_test_case truncated
truncated_head()
{
	atf_set descr "A disk that ends too early is never taken for a whole one"
}
truncated_body()
{

	helpers
	for size in 512 1474048 1000000; do
		make_disk disk $size 6
		boot $EXIT_FAILURE "require=fdc" -drive "$(floppy disk)"
		has_not '^fdc0: read '
	done
}

atf_init_test_cases()
{

	atf_add_test_case read
	atf_add_test_case aged
	atf_add_test_case no_disk
	atf_add_test_case no_drive
	atf_add_test_case other_size
	atf_add_test_case truncated
}
