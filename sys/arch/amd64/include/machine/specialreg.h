/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Bits of control and model specific registers, and of CPUID.
 */

#ifndef _MACHINE_SPECIALREG_H_
#define	_MACHINE_SPECIALREG_H_

#define	CR0_PE		0x00000001	/* protected mode */
#define	CR0_MP		0x00000002
#define	CR0_NE		0x00000020	/* numeric errors as exceptions */
#define	CR0_WP		0x00010000	/* read-only also for the kernel */
#define	CR0_PG		0x80000000	/* paging */

#define	CR4_PAE		0x00000020

#define	MSR_APICBASE	0x0000001b
#define	APICBASE_ENABLE	0x00000800
#define	APICBASE_PA	0x000ffffffffff000

#define	MSR_EFER	0xc0000080
#define	EFER_LME	0x00000100	/* long mode */
#define	EFER_NXE	0x00000800	/* PTE_NX */

#define	MSR_GSBASE	0xc0000101

/* CPUID 80000001h, EDX */
#define	CPUID_NX	0x00100000
#define	CPUID_LM	0x20000000

#endif /* !_MACHINE_SPECIALREG_H_ */
