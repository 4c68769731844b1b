/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The free lists that the allocator is compared with: a TAILQ of the page
 * structures of 4.4BSD, which knows nothing of extents.  Bare has no lock;
 * spin takes a spin lock for each page.  Neither checks anything.
 *
 * A page is freed to the head of the list, so that the page allocated next is
 * the one whose structure is in the cache: that is the faster end.
 */

#ifndef _FREELIST_H_
#define	_FREELIST_H_

#include <bsd/sys/queue.h>

#include <stddef.h>
#include <stdint.h>

/* 64 bytes, a cache line, as in a kernel that keeps objects and flags there. */
struct vm_page {
	TAILQ_ENTRY(vm_page) pageq;
	TAILQ_ENTRY(vm_page) listq;
	void		*object;
	uint64_t	offset;
	uint64_t	phys_addr;
	uint32_t	flags;
	uint32_t	wire_count;
};

_Static_assert(sizeof(struct vm_page) == 64, "a page structure is a line");

/*
 * freelist_init: a list of npages free pages in address order, in the memory
 * of the list that was there before if there is enough of it.  The structures
 * lie in large pages where the system has any, as a kernel maps them.
 */
void	freelist_init(uint64_t npages);

struct vm_page *bare_alloc(void);
void	bare_free(struct vm_page *);
struct vm_page *spin_alloc(void);
void	spin_free(struct vm_page *);

#endif /* !_FREELIST_H_ */
