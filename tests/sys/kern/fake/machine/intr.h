/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * A test has no interrupts.
 */

#ifndef _MACHINE_INTR_H_
#define	_MACHINE_INTR_H_

static inline unsigned long
intr_disable(void)
{

	return (0);
}

static inline void
intr_restore(unsigned long flags)
{

	(void)flags;
}

#endif /* !_MACHINE_INTR_H_ */
