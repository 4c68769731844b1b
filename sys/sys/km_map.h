/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Kernel addresses in a row for pages from anywhere, between guard pages:
 * km_map(9).
 */

#ifndef _SYS_KM_MAP_H_
#define	_SYS_KM_MAP_H_

#include <vm/vm_pglist.h>
#include <vm/vm_types.h>

/*
 * km_map_init: once, when the page allocator has started, and after
 * kmem_init().  If the page allocator is to start again, all ranges must have
 * been freed.
 * => false: the port has no addresses for it, and km_map_alloc() always fails.
 * => one CPU; O(1).
 */
bool	km_map_init(void);

/*
 * km_map_alloc: size bytes, in whole pages, at a multiple of align, a power of
 * two (less than a page: a page).  The page before and the one behind are not
 * mapped.
 * => flags of vm_page(9): VM_PG_ZERO, else the contents are undefined;
 *    VM_PG_FRESH; VM_PG_USERESERVE; VM_PG_WAIT: sleep until there are pages.
 * => NULL: no pages, no addresses, no memory for page tables; or, with one
 *    line on the console, a size of 0, an alignment that is none, an unknown
 *    flag.
 * => not from interrupt context; sleeps only with VM_PG_WAIT.
 *    O(pages + log ranges), beside the zeroing.
 */
void	*km_map_alloc(size_t size, size_t align, unsigned flags);

/*
 * km_map_free: give back addresses, page tables and pages.
 * => size as it was asked for, to the byte.
 * => 0; EINVAL: not the start of a range; EMSGSIZE: it has another size.  An
 *    error changes nothing and is reported as a bad kmem_free() is.
 * => not from interrupt context, and no spin lock may be held; never sleeps.
 *    O(pages + log ranges); other CPUs are interrupted once for 64 pages.
 */
int	km_map_free(void *p, size_t size);

/*
 * km_map_enter: addresses in a row for the first size bytes, in whole pages,
 * of memory that the caller has, in segments of whole pages, with guard pages
 * as km_map_alloc() has them.  The pages stay the caller's.
 * => NULL: no addresses, no memory for page tables; or, with one line on the
 *    console, a size of 0, or segments that are too small or not of pages.
 * => not from interrupt context; never sleeps.
 *    O(pages + segments + log ranges).
 *
 * km_map_remove: end that; size as it was asked for.  The pages are not freed.
 * => all else as km_map_free(); each refuses what is the other's.
 */
void	*km_map_enter(const struct vm_pgseg *segs, unsigned nsegs, size_t size);
int	km_map_remove(void *p, size_t size);

/*
 * km_map_fault: in some words, what km_map(9) knows of an address at which
 * there was a fault.  => false: nothing, it is none of its addresses.
 * => any context: if the fault is its own, under its lock, it says so and does
 *    not wait.  O(log ranges).
 */
bool	km_map_fault(const void *va, char *buf, size_t len);

/*
 * km_map_info: what there is.
 * => O(1).
 * km_map_check: every invariant.  => NULL, or which one is broken.
 * => O(pages of all ranges), with the lock held.
 * => both: not from interrupt context; never sleep.
 */
struct km_map_info {
	uintptr_t	kmi_start;	/* all addresses: [start, end) */
	uintptr_t	kmi_end;
	uint64_t	kmi_ranges;	/* that are allocated */
	uint64_t	kmi_pages;	/* that are mapped in them */
};

void	km_map_info(struct km_map_info *);
const char *km_map_check(void);

struct extent;
extern struct extent *km_map_extent;	/* NULL: there is none */

#endif /* !_SYS_KM_MAP_H_ */
