/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * One page of a contender.  The contender is a constant wherever these are
 * used, so that the loops around them differ in nothing but the function that
 * they call.
 *
 * A page is a number: an address, or a pointer to the structure of a page,
 * whatever the contender's free takes.  0 is none: the page of that address
 * is taken when the machine starts.
 */

#ifndef _PAGES_H_
#define	_PAGES_H_

#include <vm/vm_owner.h>
#include <vm/vm_page.h>

#include "freelist.h"
#include "vmbench.h"

#define	PAGE_NONE	0

#define	ALWAYS_INLINE	inline __attribute__((always_inline))

/*
 * fn for the contender who: fn is ALWAYS_INLINE, and takes the contender, by
 * then a constant, before its other arguments.
 */
#define	BY_CONTENDER(who, fn, ...)					\
	((who) == EXTANT ? fn(EXTANT, __VA_ARGS__) :			\
	(who) == BARE ? fn(BARE, __VA_ARGS__) : fn(SPIN, __VA_ARGS__))

/*
 * All of memory is to be had, the reserve of the low lists too: the free
 * lists have no reserve either.
 */
static ALWAYS_INLINE uint64_t
page_get(const enum contender who)
{
	paddr_t pa;

	switch (who) {
	case EXTANT:
		pa = vm_page_alloc(VM_PG_USERESERVE, VM_OWNER_NONE);
		return (pa == VM_PADDR_NONE ? PAGE_NONE : pa);
	case BARE:
		return ((uintptr_t)bare_alloc());
	default:
		return ((uintptr_t)spin_alloc());
	}
}

/* What a refused free would be is seen afterwards: machine_verify(). */
static ALWAYS_INLINE void
page_put(const enum contender who, uint64_t page)
{

	switch (who) {
	case EXTANT:
		(void)vm_page_free(page);
		break;
	case BARE:
		bare_free((struct vm_page *)(uintptr_t)page);
		break;
	default:
		spin_free((struct vm_page *)(uintptr_t)page);
		break;
	}
}

/* Up to max pages, into page[]; how many. */
static ALWAYS_INLINE uint64_t
pages_get(const enum contender who, uint64_t *page, uint64_t max)
{
	uint64_t n;

	for (n = 0; n < max; n++) {
		page[n] = page_get(who);
		if (page[n] == PAGE_NONE)
			break;
	}
	return (n);
}

static ALWAYS_INLINE uint64_t
pages_put(const enum contender who, const uint64_t *page, uint64_t n)
{
	uint64_t i;

	for (i = 0; i < n; i++)
		page_put(who, page[i]);
	return (n);
}

#endif /* !_PAGES_H_ */
