#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# kmem(9) and km_map(9) in the reference kernel.
#

helpers()
{

	. "$(atf_config_get srctop)/tests/sys/arch/amd64/guest.subr"
}

# faults ARGUMENT TEXT: a touch ends the kernel, which says of what.
faults()
{

	guest_start "" -m 64M -smp 2
	guest_until '^extant: ready'
	guest_type guard $1
	guest_wait
	atf_check_equal "$GUEST_FAILURE" "$guest_status"
	at=$(sed -n 's/^guard: a range of 12288 bytes at //p' console)
	[ -n "$at" ] || atf_fail "no range"
	grep -Eq "^panic: trap 14 \(page fault\) .* cr2 0xffffc[0-9a-f]*: km_map: $2" \
	    console || atf_fail "not: $2"
	atf_check -s exit:1 grep 'nobody noticed' console
}

atf_test_case guard
guard_head()
{
	atf_set descr "A touch of a guard page is a fault that is named so"
	atf_set require.progs qemu-system-x86_64
}
guard_body()
{

	helpers
	faults behind 'guard page behind 0xf[0-9a-f]* size 12288'
	[ "$(echo "$at" | tail -c 4)" = 000 ] || atf_fail "no page: $at"
	grep -q "guard page behind $at " console || atf_fail "another range"
	faults before 'guard page before 0xf[0-9a-f]* size 12288'
	grep -q "guard page before $at " console || atf_fail "another range"
	faults freed 'not allocated'
}

atf_test_case memory
memory_head()
{
	atf_set descr "Scattered pages in a row, on memory that is fragmented"
	atf_set require.progs qemu-system-x86_64
}
memory_body()
{

	helpers
	for cpus in 1 4; do
		guest_start "" -m 64M -smp $cpus -device edu
		guest_until '^extant: ready'
		guest_type kmem
		guest_until '^kmem: books'
		guest_type kmem
		guest_type age 3
		guest_type kmem
		guest_type audit
		guest_until '^audit now'
		guest_type quit
		guest_wait
		guest_succeeded
		[ "$(grep -c '^kmem: ok$' console)" -eq 3 ] ||
		    atf_fail "not ok three times"
		# The map of edu0's driver.
		grep -Eq '^kmem: size +[0-9]+ used +[1-9]' console ||
		    atf_fail "nobody uses it"
		atf_check -s exit:1 -o empty grep 'no memory to try' console
	done
}

atf_init_test_cases()
{

	atf_add_test_case guard
	atf_add_test_case memory
}
