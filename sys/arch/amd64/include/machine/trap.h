/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Exceptions and how a CPU is told of them.
 */

#ifndef _MACHINE_TRAP_H_
#define	_MACHINE_TRAP_H_

#include <stdint.h>

#define	TRAP_NEXCEPTION	32	/* vectors that the CPU keeps to itself */
#define	TRAP_TIMER	0x20	/* vector of the local APIC's timer */
#define	TRAP_SPURIOUS	0xff	/* and of its spurious interrupts */

/* What vector.S and the CPU leave on the stack, lowest address first. */
struct trapframe {
	uint64_t	tf_r15, tf_r14, tf_r13, tf_r12;
	uint64_t	tf_r11, tf_r10, tf_r9, tf_r8;
	uint64_t	tf_rdi, tf_rsi, tf_rbp, tf_rbx;
	uint64_t	tf_rdx, tf_rcx, tf_rax;
	uint64_t	tf_vector;
	uint64_t	tf_error;
	uint64_t	tf_rip, tf_cs, tf_rflags, tf_rsp, tf_ss;
};

/* trap: one line about the exception, and the end. */
_Noreturn void trap(const struct trapframe *);

/*
 * trap_init: this CPU's descriptor tables: segments, a task state with a
 * stack of its own for double faults, and the vectors.
 */
void	trap_init(uint32_t cpu);

#endif /* !_MACHINE_TRAP_H_ */
