#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Devices when memory is short, and several of them at once.
#

helpers()
{

	for f in boot disk; do
		. "$(atf_config_get srctop)/tests/sys/dev/$f.subr"
	done
}

# boot_all STATUS "OPTIONS" ARGUMENT...: a machine with a floppy, an edu and an
# nvme device.
boot_all()
{
	want=$1 options=$2
	shift 2

	make_disk floppy 1474560 1
	new_disk disk 1048576 2
	boot "$want" "$options" -drive if=floppy,format=raw,file=floppy \
	    -device edu -drive "$(drive disk)" \
	    -device nvme,drive=d,serial=1 "$@"
}

# all_worked N: each did its job N times, with the right data at the end.
all_worked()
{

	sum=$(cksum <floppy)
	has "^fdc0: read 1474560 bytes through 16384 bytes at 0x[0-9a-f]+, cksum ${sum%% *}\$"
	was_copied nvme0 disk 512
	for unit in fdc0 edu0 nvme0; do
		[ "$(grep -c "^$unit: moved " console)" -eq "$1" ] || {
			cat console >&2
			atf_fail "not $1 jobs of $unit"
		}
	done
	has '^fdc0: moved 1474560 bytes, 1 segments, 0 bytes bounced; below 0x1000000, align 8192, boundary 65536, contiguous 16384$'
	has '^edu0: moved 32018 bytes, [0-9]+ segments, 0 bytes bounced; below 0x10000000, align 4096, boundary none, contiguous 8192$'
	not_clamped
}

# audit LABEL: "free held largest" of the last audit of that name.
audit()
{

	sed -n "s/^audit $1: .* free \([0-9]*\) held \([0-9]*\) .* largest \([0-9]*\) .*/\1 \2 \3/p" console |
	    tail -n 1
}

# nearly_full PERCENT: at most so much of 128 MiB is free, in single pages but
# for runs of 16.
nearly_full()
{

	set -- "$1" $(audit aged)
	[ $((($2 + $3) * 100)) -le $((32768 * (100 - $1 + 1))) ] ||
	    atf_fail "$2 pages free and $3 held are too many"
	[ "$4" -le 20 ] || atf_fail "a run of $4 pages is left"
	frames=$2
	# Of all runs, hardly any has a second page.
	runs=$(sed -n 's/^audit aged: .* extents \([0-9]*\) .*/\1/p' console)
	[ $((runs * 4)) -ge $((frames)) ] ||
	    atf_fail "$frames free pages in only $runs runs"
}

atf_test_case full
full_head()
{
	atf_set descr "Memory that is nearly full"
}
full_body()
{

	helpers
	for seed in 1 2; do
		boot_all $EXIT_SUCCESS \
		    "require=fdc,edu,nvme fill=97 runs=2 seed=$seed"
		nearly_full 97
		all_worked 2
	done
	boot_all $EXIT_SUCCESS "require=fdc,edu,nvme fill=95 cpus=1"
	nearly_full 95
	all_worked 1
}

atf_test_case together
together_head()
{
	atf_set descr "Jobs of all devices at the same time"
}
together_body()
{

	helpers
	boot_all $EXIT_SUCCESS "require=fdc,edu,nvme together=1 runs=3" -smp 4
	all_worked 3
	[ "$(grep -c '^audit together: .*: ok$' console)" -eq 3 ] ||
	    atf_fail "not three audits"
	boot_all $EXIT_SUCCESS "require=fdc,edu,nvme together=1 fill=97" -smp 4
	nearly_full 97
	all_worked 1
	# Fewer CPUs than devices, and only one.
	boot_all $EXIT_SUCCESS "require=fdc,edu,nvme together=1" -smp 2
	all_worked 1
	boot_all $EXIT_SUCCESS "require=fdc,edu,nvme together=1 cpus=1"
	all_worked 1
}

atf_test_case exhausted
exhausted_head()
{
	atf_set descr "No memory below a device's limit"
}
exhausted_body()
{

	helpers
	boot_all $EXIT_SUCCESS "take=16m"
	has '^take: [0-9]+ KiB below 0x1000000 in [0-9]+ runs$'
	has '^audit taken: .*: ok$'
	lacks fdc0 "buffer of 16384 bytes"
	lacks edu0 "buffer of 8192 bytes"
	# What reaches more than that works.
	was_copied nvme0 disk 512
	has_not 'failed'
	boot_all $EXIT_SUCCESS "take=16m together=1" -smp 4
	lacks fdc0 "buffer of 16384 bytes"
	was_copied nvme0 disk 512
	# Nothing at all is left.
	boot_all $EXIT_SUCCESS "take=1t"
	for unit in fdc0 edu0 nvme0; do
		lacks $unit "[a-zA-Z0-9 ]+"
	done
	# Who needs the device does not do without.
	boot_all $EXIT_FAILURE "require=fdc take=16m"
	has '^fdc0: failed: ENOMEM$'
}

atf_test_case given_back
given_back_head()
{
	atf_set descr "Memory taken and given back by commands"
}
given_back_body()
{

	helpers
	. "$(atf_config_get srctop)/tests/sys/arch/amd64/guest.subr"
	make_disk floppy 1474560 1
	sum=$(cksum <floppy)
	guest_start "take=16m" -m 128M -smp 2 \
	    -drive if=floppy,format=raw,file=floppy
	guest_until '^extant: ready'
	lacks fdc0 "buffer of 16384 bytes"
	guest_type job fdc
	guest_until '^job: fdc: ENOMEM'
	guest_type give
	guest_until '^audit given: .*: ok$'
	guest_type job fdc
	guest_until '^job: fdc: OK'
	has "^fdc0: read 1474560 bytes .*, cksum ${sum%% *}\$"
	guest_type take 16m
	guest_until '^audit taken: .*: ok$'
	guest_type take lots
	guest_type job nothing
	guest_until '^job: "nothing" is not a driver'
	has '^take: "lots" is not a limit in bytes$'
	guest_type quit
	guest_wait
	guest_succeeded
	has_not '^bus_dma: '
}

atf_init_test_cases()
{

	atf_add_test_case full
	atf_add_test_case together
	atf_add_test_case exhausted
	atf_add_test_case given_back
}
