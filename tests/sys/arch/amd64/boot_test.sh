#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# The kernel boots on machines of different sizes, finds its memory and its
# CPUs, and all audits are sound.
#

subr()
{

	. "$(atf_config_get srctop)/tests/sys/arch/amd64/guest.subr"
}

# boots NAME DESCRIPTION: a test case NAME, which runs NAME_run.
boots()
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

sound()
{

	guest_succeeded
	guest_audited boot aged fdc end
}

# plain SIZE: boots with that much memory, all of it from QEMU's default.
plain()
{

	guest_run exit=1 -m "$1"
	sound
}

# huge SIZE: on a machine that can have so much without using it.
huge()
{

	guest_run exit=1 -M q35,memory-backend=m0 -m "$1" \
	    -object "memory-backend-ram,id=m0,size=$1,reserve=off"
	guest_succeeded
	guest_audited boot aged end
}

# with_cpus N
with_cpus()
{

	guest_run exit=1 -m 64M -smp "$1"
	sound
	atf_check -o ignore grep -x "cpus: $1 of $1" console
}

boots memory_16m "All memory is ISA memory"
memory_16m_run()
{

	plain 16M
	atf_check -o inline:"isa\n" \
	    sh -c "sed -n 's/^segment: .* //p' console | sort -u"
}

boots memory_64m "64 MiB"
memory_64m_run()
{

	plain 64M
	atf_check -o ignore grep 'segment: .* KiB dma31$' console
}

boots memory_128m "128 MiB"
memory_128m_run()
{

	plain 128M
}

boots memory_3g "3 GiB: the DMA32 list has memory"
memory_3g_run()
{

	plain 3G
	atf_check -o ignore grep 'segment: .* KiB dma32$' console
}

boots memory_5g "5 GiB: some of it above 4 GiB"
memory_5g_run()
{

	huge 5G
	atf_check -o ignore grep \
	    'segment: 0x000100000000 - 0x[0-9a-f]* .* KiB default$' console
}

boots memory_64g "64 GiB"
memory_64g_run()
{

	huge 64G
	atf_check -o ignore grep \
	    'memory: 0x000100000000 - 0x001080000000 65011712 KiB$' console
}

boots memory_too_little "A machine that is too small is told so"
memory_too_little_run()
{

	guest_run exit=1 -m 2M
	atf_check_equal "$GUEST_FAILURE" "$guest_status"
	atf_check -o match:'^extant: cannot boot: .*memory' tail -n 1 console
}

boots cpus_1 "One CPU: the background load runs between the lines"
cpus_1_run()
{

	with_cpus 1
}

boots cpus_2 "Two CPUs"
cpus_2_run()
{

	with_cpus 2
}

boots cpus_4 "Four CPUs"
cpus_4_run()
{

	with_cpus 4
}

boots cpus_limited "An option limits the CPUs"
cpus_limited_run()
{

	guest_run "exit=1 cpus=2" -m 64M -smp 4
	sound
	atf_check -o ignore grep -x 'cpus: 2 of 4' console
}

boots cpus_many "More CPUs than the kernel has room for"
cpus_many_run()
{

	guest_run "exit=1 age=2000" -m 128M -smp 18
	sound
	atf_check -o ignore grep -x 'cpus: 16 of 18' console
}

boots acpi_absent "Without ACPI tables the kernel runs on one CPU"
acpi_absent_run()
{

	guest_run exit=1 -m 64M -smp 2 -no-acpi
	sound
	atf_check -o match:'^cpus: 1 \(ACPI: ' cat console
}

boots machine_q35 "A machine without a floppy controller, more than one bus"
machine_q35_run()
{

	guest_run "exit=1 require=edu" -M q35 -m 64M -smp 2 -device edu
	guest_succeeded
	guest_audited boot aged edu end
	atf_check -o ignore grep -x 'fdc0: not present' console
}

boots machine_microvm "A machine that is no PC but for the console"
machine_microvm_run()
{

	guest_run exit=1 -M microvm,isa-serial=on -m 64M
	guest_succeeded
	guest_audited boot aged end
}

boots cpu_unfit "A CPU without 64-bit mode is told so"
cpu_unfit_run()
{

	guest_run exit=1 -m 64M -cpu qemu32
	atf_check_equal "$GUEST_FAILURE" "$guest_status"
	atf_check -o inline:"extant: this CPU has no 64-bit mode with NX\n" \
	    cat console
}

boots image_symbols "Symbols and load addresses are what extstat goes by"
image_symbols_run()
{

	readelf -lW "$GUEST_KERNEL" | awk '
	$1 == "LOAD" {
		n++
		# The virtual address is the physical one and KERNBASE.
		if ($3 != "0xffffffff80" substr($4, length($4) - 5))
			exit 1
	}
	END { exit n < 2 }' || atf_fail "load addresses"
	atf_check -o match:' OBJECT +GLOBAL .* vm_export$' \
	    readelf -sW "$GUEST_KERNEL"
}

atf_init_test_cases()
{

	for tc in memory_16m memory_64m memory_128m memory_3g memory_5g \
	    memory_64g memory_too_little cpus_1 cpus_2 cpus_4 cpus_limited \
	    cpus_many acpi_absent machine_q35 machine_microvm cpu_unfit \
	    image_symbols; do
		atf_add_test_case $tc
	done
}
