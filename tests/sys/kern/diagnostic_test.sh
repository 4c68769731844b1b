#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# The reference kernel with "options DIAGNOSTIC".
#

atf_test_case kernel
kernel_head()
{
	atf_set descr "Red zones and poison: nobody steps on them but on purpose"
	atf_set require.progs qemu-system-x86_64
}
kernel_body()
{

	. "$(atf_config_get srctop)/tests/sys/arch/amd64/guest.subr"
	objdir=$(atf_config_get objdir)
	GUEST_KERNEL=$objdir/tests/sys/kern/diagnostic_kernel/diagnostic_kernel
	truncate -s 1M disk
	guest_start "" -m 64M -smp 4 -device edu \
	    -drive if=none,id=d,format=raw,file=disk \
	    -device nvme,serial=1,cmb_size_mb=64,drive=d
	guest_until '^extant: ready'
	guest_type age 3
	guest_type kmem
	guest_until '^kmem: ok'
	guest_type bad
	guest_until '^bad: kmem, double free'
	guest_type audit
	guest_type quit
	guest_wait
	guest_succeeded
	grep -q '^nvme0: read 1048576 bytes ' console || atf_fail "disk not read"
	# All is well until bad does what is bad.
	sed '/^bad: /,$d' console >good
	atf_check -s exit:1 grep -E 'kmem_(free|alloc)|red zone|written' good
	grep -q '^bad: kmem, written behind: seen$' console ||
	    atf_fail "no red zone"
}

atf_init_test_cases()
{

	atf_add_test_case kernel
}
