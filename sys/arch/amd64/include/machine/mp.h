/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#ifndef _MACHINE_MP_H_
#define	_MACHINE_MP_H_

#include <vm/vm_types.h>

/*
 * mp_attach_boot_cpu: from here on curcpu() works on the boot CPU.
 * mp_guard_stacks: unmap the page below each CPU's stack.
 */
void	mp_attach_boot_cpu(void);
void	mp_guard_stacks(void);

/*
 * mp_trampoline_range: the memory below 1 MiB that machdep_start_cpus()
 * overwrites.
 */
void	mp_trampoline_range(paddr_t *start, psize_t *size);

/*
 * mp_cpus: the CPUs that run, as a mask of their numbers.
 * mp_apicid: the identity of a CPU's local APIC.
 */
uint32_t mp_cpus(void);
uint32_t mp_apicid(uint32_t cpu);

/* mp_cpu_start: where locore.S enters C on a CPU that was started. */
_Noreturn void mp_cpu_start(void);

/* For locore.S: the stacks of the boot CPU and of the CPU being started. */
extern char *const cpu_boot_stack;
extern char *mp_stack;

#endif /* !_MACHINE_MP_H_ */
