/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * One page at a time: vm_page(9).
 */

#ifndef _VM_VM_PAGE_H_
#define	_VM_VM_PAGE_H_

#include <vm/vm_types.h>

/*
 * Fresh memory: what a CPU's queue took counts as handed out, even if it was
 * taken back.  Nothing is fresh where the kernel keeps no record of it: see
 * vm_fresh_bits in vm_physseg.h.
 */

/* Flags of vm_page_alloc() and of a vm_pgreq. */
#define	VM_PG_ZERO	0x0001	/* the caller gets zeros; else don't care */
#define	VM_PG_WAIT	0x0002	/* vm_pgreq only: sleep until satisfiable */
#define	VM_PG_NODRAIN	0x0004	/* leave held pages where they are */
#define	VM_PG_USERESERVE 0x0008	/* may use the reserve of the low lists */
#define	VM_PG_FRESH	0x0010	/* only what was never handed out since boot */

/*
 * vm_page_alloc: one page, from the highest free list that has one.
 * => flags: VM_PG_ZERO, VM_PG_USERESERVE, VM_PG_NODRAIN, VM_PG_FRESH; others
 *    are ignored.
 * => the page's address in bytes, or VM_PADDR_NONE when there is none, or
 *    with VM_PG_ZERO when the kernel has no address to zero it at.
 * => without VM_PG_USERESERVE the reserve of the lists below the highest
 *    populated one is not touched (vm_sync_reserve()).
 * => "highest" is as this CPU knows: after a list was exhausted, pages that
 *    come back to it elsewhere are found when the queue in use runs empty.
 * => may be called with interrupts disabled and from interrupt context; does
 *    not sleep.  O(1) but for a refill.
 */
paddr_t	vm_page_alloc(unsigned flags, vm_owner_t owner);

/*
 * vm_page_free: give back one page, an address in bytes.
 * => 0; EINVAL: not page-aligned, not managed memory or not the start of an
 *    allocation; EALREADY: already free; EMSGSIZE: the start of a run of
 *    more than one page.  An error changes nothing.
 * => any context, never sleeps, never allocates.  O(1) but for a spill.
 */
int	vm_page_free(paddr_t pa);

#endif /* !_VM_VM_PAGE_H_ */
