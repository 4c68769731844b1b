/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What the kernel keeps for each CPU.  GS holds the address of the CPU's own
 * record from the first C function on.
 */

#ifndef _MACHINE_CPU_H_
#define	_MACHINE_CPU_H_

#include <stdint.h>

struct cpu_info {
	struct cpu_info	*ci_self;	/* at %gs:0 */
	uint32_t	ci_number;	/* at %gs:8; 0 is the boot CPU */
};

static inline struct cpu_info *
curcpu(void)
{
	struct cpu_info *ci;

	__asm volatile("movq %%gs:0, %0" : "=r" (ci));
	return (ci);
}

static inline uint32_t
cpu_number(void)
{
	uint32_t n;

	__asm volatile("movl %%gs:8, %0" : "=r" (n));
	return (n);
}

#endif /* !_MACHINE_CPU_H_ */
