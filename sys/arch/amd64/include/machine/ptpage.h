/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Pages for page tables.
 */

#ifndef _MACHINE_PTPAGE_H_
#define	_MACHINE_PTPAGE_H_

#include <vm/vm_types.h>

/*
 * ptpage_alloc: a page of zeros, with one reference: for its first entry.
 * => VM_PADDR_NONE: no memory.
 * ptpage_get: one more entry of that table is in use.
 * ptpage_put: one less.  => true: that was the last, and the page is free; it
 * keeps its contents, and nobody gets it, until ptpage_trim() or the next
 * ptpage_alloc().
 * ptpage_trim: what is not needed any more goes to the page allocator.
 * => all with one lock held, the pmap's.
 */
paddr_t	ptpage_alloc(void);
void	ptpage_get(paddr_t table);
bool	ptpage_put(paddr_t table);
void	ptpage_trim(void);

#endif /* !_MACHINE_PTPAGE_H_ */
