/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Other CPUs do one thing: repeat the step that the boot CPU gave them, or
 * idle.
 *
 * Stopping needs to know that none of them is still inside a step.  A CPU
 * says that it is busy before it looks for a step, and the boot CPU takes the
 * step away before it looks who is busy; both in sequentially consistent
 * order.  So either the CPU finds no step, or the boot CPU finds it busy and
 * waits.
 */

#include <stdatomic.h>

#include <sys/machdep.h>
#include <sys/smp.h>
#include <sys/systm.h>

#include <machine/vm_machdep.h>

struct cpu_work {
	_Atomic bool	w_busy;
} __attribute__((aligned(VM_CACHE_LINE)));

static struct cpu_work works[VM_MAXCPU];
static void (*_Atomic cpu_step)(unsigned);
static unsigned ncpu = 1;

void
smp_start(unsigned max)
{

	ncpu = machdep_start_cpus(max);
	KASSERT(ncpu >= 1 && ncpu <= VM_MAXCPU);
}

unsigned
smp_ncpu(void)
{

	return (ncpu);
}

void
smp_run(void (*step)(unsigned))
{

	atomic_store(&cpu_step, step);
}

void
smp_stop(void)
{
	unsigned i;

	atomic_store(&cpu_step, NULL);
	for (i = 1; i < ncpu; i++) {
		while (atomic_load(&works[i].w_busy))
			continue;
	}
}

_Noreturn void
smp_cpu_main(void)
{
	uint32_t cpu = vm_md_curcpu();
	void (*step)(unsigned);

	for (;;) {
		atomic_store(&works[cpu].w_busy, true);
		step = atomic_load(&cpu_step);
		if (step != NULL)
			step(cpu);
		atomic_store(&works[cpu].w_busy, false);
		if (step == NULL)
			cpu_idle();
	}
}
