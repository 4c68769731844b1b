/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Memory of any size for the kernel: kmem(9), with NetBSD's interface.
 */

#ifndef _SYS_KMEM_H_
#define	_SYS_KMEM_H_

#include <vm/vm_types.h>

/* Exactly one of these; the values are NetBSD's. */
typedef unsigned int	km_flag_t;

#define	KM_SLEEP	0x0001	/* sleep until there is memory */
#define	KM_NOSLEEP	0x0002	/* return NULL if there is none */

/* Every address is a multiple of this. */
#define	KMEM_ALIGN	16

/*
 * kmem_alloc: size bytes, whose contents are undefined.
 * kmem_zalloc: the same, filled with zeros.
 * kmem_alloc_aligned, kmem_zalloc_aligned: the same, at a multiple of align, a
 * power of two of any size.
 * => NULL: KM_NOSLEEP, and there is no memory; or a size of 0, or an argument
 *    that no memory could ever satisfy: more than KMEM_MAX, an alignment that
 *    is none, unknown flags.  Those give one line on the console.
 * => sleeps only with KM_SLEEP; with KM_NOSLEEP, for sizes and alignments up
 *    to a page (with "options DIAGNOSTIC" 8 bytes less), any context.  O(1)
 *    for small sizes, but for a page now and then.
 */
#define	KMEM_MAX	((size_t)1 << (sizeof(size_t) * 8 - 2))
void	*kmem_alloc(size_t size, km_flag_t flags);
void	*kmem_zalloc(size_t size, km_flag_t flags);
void	*kmem_alloc_aligned(size_t size, size_t align, km_flag_t flags);
void	*kmem_zalloc_aligned(size_t size, size_t align, km_flag_t flags);

/*
 * kmem_free: give it back; size is that of the allocation, to the byte.
 * => a free of anything else is refused: it changes nothing, is counted, and
 *    gives one line on the console (at most VM_BADFREE_RATE a second), or is
 *    a panic where vm_badfree_panic says so.  NULL with size 0 is allowed.
 * => never sleeps; context as kmem_alloc() with KM_NOSLEEP.  O(log pages).
 */
void	kmem_free(void *p, size_t size);

/*
 * kmem_init: forget all that was ever allocated; once, when the page allocator
 * has started, and again if it starts again.
 * kmem_reap: give back the empty pages that are kept for what comes next.
 * => the number of pages.
 */
void	kmem_init(void);
unsigned kmem_reap(void);

/*
 * Why frees were refused, and what else went wrong, since kmem_init().  Those
 * from KMEM_REDZONE on are found only by kernels with "options DIAGNOSTIC".
 */
enum kmem_badness {
	KMEM_BAD_START,		/* not the start of an allocation */
	KMEM_BAD_FREE,		/* already free */
	KMEM_BAD_SIZE,		/* allocated with another size */
	KMEM_REDZONE,		/* written behind the end */
	KMEM_POISON,		/* written after it was freed */
	KMEM_NBADNESS
};

uint64_t kmem_bad(enum kmem_badness);

/*
 * What there is of one size: small ones share pages; the last of all is for
 * the allocations that have pages of their own.
 */
struct kmem_info {
	size_t		ki_size;	/* of an object; 0: of its own pages */
	uint64_t	ki_used;	/* objects that are allocated */
	uint64_t	ki_bytes;	/* that were asked for, of these */
	uint64_t	ki_objects;	/* objects that there is room for */
	uint64_t	ki_pages;	/* pages they take */
};

/*
 * kmem_info: the i-th size.  => false: there is no i-th.
 * kmem_meta_pages: pages in which kmem(9) keeps its books.
 * kmem_check: every invariant, while nobody allocates or frees.  => NULL, or
 * which one is broken.  O(all), with locks held.
 */
bool	kmem_info(unsigned i, struct kmem_info *);
uint64_t kmem_meta_pages(void);
const char *kmem_check(void);

#endif /* !_SYS_KMEM_H_ */
