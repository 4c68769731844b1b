/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Interrupts of this CPU.
 *
 * The kernel polls its devices: interrupts are disabled but for the moment
 * in which an idle CPU waits for its timer.
 */

#ifndef _MACHINE_INTR_H_
#define	_MACHINE_INTR_H_

/*
 * intr_disable: disable interrupts.  => what intr_restore() wants back.
 */
static inline unsigned long
intr_disable(void)
{
	unsigned long flags;

	__asm volatile("pushfq; popq %0; cli" : "=r" (flags) : : "memory");
	return (flags);
}

#define	PSL_I		0x200UL		/* RFLAGS: interrupts enabled */

static inline void
intr_restore(unsigned long flags)
{

	if ((flags & PSL_I) != 0)
		__asm volatile("sti" : : : "memory");
}

#endif /* !_MACHINE_INTR_H_ */
