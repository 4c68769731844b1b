#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Mappings of single pages, in a kernel that does nothing else (pmap_kernel).
#

subr()
{

	. "$(atf_config_get srctop)/tests/sys/arch/amd64/guest.subr"
	GUEST_KERNEL=$(atf_config_get objdir)/tests/sys/arch/amd64
	GUEST_KERNEL=$GUEST_KERNEL/pmap_kernel/pmap_kernel
}

# pmap NAME DESCRIPTION: a test case NAME, which runs NAME_run.
pmap()
{

	atf_test_case "$1"
	eval "$1_head()
	{

		atf_set descr '$2'
		atf_set require.progs qemu-system-x86_64
	}
	$1_body()
	{

		subr
		$1_run
	}"
}

# ran TEST...: these tests, and no others, were passed.
ran()
{

	guest_succeeded
	guest_audited end
	echo "$*" | tr ' ' '\n' >want
	atf_check -o file:want sed -n 's/^\([a-z_]*\): ok$/\1/p' console
}

# all ARGUMENT...: every test of the kernel.
all()
{

	guest_run "" "$@"
	ran arguments contents tables history other_cpus locks_held all_cpus \
	    no_memory pools
}

pmap cpus_1 "One CPU"
cpus_1_run()
{

	all -m 32M
}

pmap cpus_2 "Two CPUs: each forgets what the other removes"
cpus_2_run()
{

	all -m 32M -smp 2
}

pmap cpus_4 "Four CPUs"
cpus_4_run()
{

	all -m 32M -smp 4
}

pmap above_4g "Pages and page tables above 4 GiB"
above_4g_run()
{

	guest_run large -M q35,memory-backend=m0 -m 5G -smp 2 \
	    -object memory-backend-ram,id=m0,size=5G,reserve=off
	ran arguments contents tables history other_cpus locks_held all_cpus \
	    pools
}

# faults WORD EXCEPTION: the kernel does it, and that is what comes of it.
faults()
{

	guest_run "$1" -m 32M -smp 2
	atf_check_equal "$GUEST_FAILURE" "$guest_status"
	atf_check -o match:"^panic: trap [0-9]+ \($2\) on cpu 0: error $3 .*$4" \
	    cat console
}

START=0xffffc00000000000

pmap fault_write "A mapping without PMAP_KWRITE cannot be written to"
fault_write_run()
{

	faults write "page fault" 0x3 "cr2 $START"
}

pmap fault_exec "A mapping without PMAP_KEXEC cannot be executed"
fault_exec_run()
{

	faults exec "page fault" 0x11 "rip $START.*cr2 $START"
}

pmap fault_read "What was removed is not there"
fault_read_run()
{

	faults read "page fault" 0x0 "cr2 $START"
}

pmap fault_nmi "A non-maskable interrupt from elsewhere is still shown"
fault_nmi_run()
{

	faults nmi "non-maskable interrupt" 0x0
}

atf_init_test_cases()
{

	atf_add_test_case cpus_1
	atf_add_test_case cpus_2
	atf_add_test_case cpus_4
	atf_add_test_case above_4g
	atf_add_test_case fault_write
	atf_add_test_case fault_exec
	atf_add_test_case fault_read
	atf_add_test_case fault_nmi
}
