/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Translations that CPUs remember.
 */

#ifndef _MACHINE_TLB_H_
#define	_MACHINE_TLB_H_

#include <stdbool.h>
#include <stdint.h>

/*
 * tlb_invalidate: all CPUs forget what they know of the pages that lie in
 * [va, va + size).
 * tlb_invalidate_all: they forget everything, page tables that were taken out
 * of use included.
 * => any context, also with interrupts disabled and locks held: the other
 *    CPUs are interrupted whatever they do.  Waits until they have forgotten.
 */
void	tlb_invalidate(uint64_t va, uint64_t size);
void	tlb_invalidate_all(void);

/*
 * tlb_nmi: a non-maskable interrupt has come; was it by which the above tell
 * other CPUs?
 * => called by vector.S alone.
 */
bool	tlb_nmi(void);

/*
 * tlb_attach: this CPU takes part from here on; what it remembers from before
 * is forgotten.
 * => once it has its number and its vectors, and has told mp.c.
 */
void	tlb_attach(void);

#endif /* !_MACHINE_TLB_H_ */
