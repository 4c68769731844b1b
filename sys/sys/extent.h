/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Extent maps: which parts of a space of numbers (I/O ports, bus addresses)
 * are taken: extent(9), with NetBSD's interface.
 *
 * Both ends of every range are inclusive, so that a map may reach up to the
 * highest number there is.
 */

#ifndef _SYS_EXTENT_H_
#define	_SYS_EXTENT_H_

#include <limits.h>

#include <sys/avl.h>

#include <vm/vm_types.h>

/*
 * What the ranges are made of: 64 bits on every port, and where BSD's u_long
 * has as many, that type, so that a u_long takes a result.
 */
#if ULONG_MAX == 0xffffffffffffffff
typedef unsigned long	exaddr_t;
#else
typedef uint64_t	exaddr_t;
#endif

/* Flags.  Unknown ones are refused, known ones without a meaning ignored. */
#define	EX_NOWAIT	0x0000	/* not safe to sleep for memory */
#define	EX_WAITOK	0x0001	/* sleep until there is memory */
#define	EX_FAST		0x0002	/* the lowest gap; else the smallest */
#define	EX_CATCH	0x0004	/* an interrupted sleep ends with EINTR */
#define	EX_NOCOALESCE	0x0008	/* extent_create: keep regions apart */
#define	EX_MALLOCOK	0x0010	/* a fixed extent may take more memory */
#define	EX_WAITSPACE	0x0020	/* sleep until the request fits */
#define	EX_BOUNDZERO	0x0040	/* boundary lines start at 0, else at the
				   start of the map */
#define	EX_FLAGS	0x007f	/* all of them */

#define	EX_NOALIGN	1	/* alignment: any */
#define	EX_NOBOUNDARY	0	/* boundary: none */

#define	EXTENT_NAMELEN	32	/* bytes of a name, NUL included */
#define	EXTENT_NALIGN	8	/* alignments a map prepares for */

/*
 * A region that is taken, and the gap behind it.  The map's own er_start is
 * its start and has no numbers: the gap there is the one before all regions.
 */
struct extent_region {
	struct avl_node	er_addr;	/* all, in order of address */
	exaddr_t	er_start;
	exaddr_t	er_end;		/* inclusive */
	exaddr_t	er_gap;		/* its length; the largest number,
					   if it is one more than that */
	exaddr_t	er_maxgap;	/* the largest in the subtree */
	struct avl_node	er_size;	/* those with a gap, by its length */

	/*
	 * For each alignment in ex_aligns: how much of the gap lies from an
	 * aligned number on, as a fit_class; the most in either subtree.
	 */
	uint16_t	er_fit[EXTENT_NALIGN];
	uint16_t	er_addrfit[EXTENT_NALIGN];
	uint16_t	er_sizefit[EXTENT_NALIGN];
};

struct extent_page;

/* Callers may read the first three. */
struct extent {
	char		ex_name[EXTENT_NAMELEN];
	exaddr_t	ex_start;
	exaddr_t	ex_end;		/* inclusive */
	int		ex_flags;	/* of extent_create() */
	bool		ex_dynamic;	/* lies in a page of its own */
	struct vm_md_lock ex_lock;	/* all that follows, but for links */
	_Atomic uint32_t ex_seq;	/* sleep on this; something was freed */
	uint32_t	ex_waiters;
	uint64_t	ex_visits;	/* regions that searches looked at */
	uint64_t	ex_nregions;
	exaddr_t	ex_allocated;	/* numbers taken, modulo 2^64 */
	uint64_t	ex_wasted;	/* gaps that had no aligned place */
	unsigned	ex_naligns;	/* of these, in use */
	exaddr_t	ex_aligns[EXTENT_NALIGN];
	struct avl_tree	ex_byaddr;
	struct avl_tree	ex_bysize;
	struct extent_region ex_head;	/* before all regions */
	struct extent_region *ex_free;	/* descriptors in the storage */
	const char	*ex_storage;
	size_t		ex_storagesize;
	struct extent_page *ex_pages;	/* with free descriptors */
	struct extent_page *ex_full;	/* without */
	paddr_t		ex_paddr;	/* of a dynamic one */
	struct extent	*ex_next;	/* of all maps: extent_list */
	struct extent	**ex_prevp;
};

/*
 * Storage for a map of n regions, wherever it lies; a multiple of
 * sizeof(long).
 */
#define	EXTENT_FIXED_STORAGE_SIZE(n)					\
	(sizeof(struct extent) + (n) * sizeof(struct extent_region) +	\
	sizeof(uint64_t))

/*
 * extent_create: a map of [start, end], nothing of it taken.
 * => name is copied, and cut if it is too long.
 * => storage NULL: the map takes its memory from the page allocator, a page
 *    at a time.  Else it uses that storage, at least
 *    EXTENT_FIXED_STORAGE_SIZE(0) bytes, and no other memory unless a request
 *    has EX_MALLOCOK.
 * => flags: EX_NOCOALESCE; EX_WAITOK: sleep for memory.
 * => NULL: no memory; or, after one line on the console, no name, start above
 *    end, too little storage or such as a map lies in, or an unknown flag.
 *
 * As a macro it also takes the seven arguments of older systems, and drops
 * the fourth, a malloc type.
 */
struct extent *extent_create(const char *name, exaddr_t start, exaddr_t end,
	    void *storage, size_t storagesize, int flags);

#define	EXTENT_CREATE_6(name, start, end, storage, size, flags)		\
	(extent_create)(name, start, end, storage, size, flags)
#define	EXTENT_CREATE_7(name, start, end, mtype, storage, size, flags)	\
	(extent_create)(name, start, end, storage, size, flags)
#define	EXTENT_CREATE_N(a, b, c, d, e, f, g, macro, ...)	macro
#define	extent_create(...)						\
	EXTENT_CREATE_N(__VA_ARGS__, EXTENT_CREATE_7, EXTENT_CREATE_6, 0)\
	(__VA_ARGS__)

/*
 * extent_destroy: forget a map, whatever is taken in it, and give its memory
 * back.  Nobody else may be using it.
 * => what is not a map, such as one destroyed before, gives one line on the
 *    console.
 */
void	extent_destroy(struct extent *);

/*
 * extent_alloc_subregion1: take size numbers within [substart, subend], the
 * first of which is skew more than a multiple of alignment, and of which no
 * two have a boundary line between them: lines are multiples of boundary.
 * => what of the subregion lies outside the map does not count.
 * => without EX_FAST, from the smallest gap that has a place (a gap's part
 *    outside the subregion counts; of equal ones the lowest); with EX_FAST,
 *    from the lowest.  Within the gap, at its lowest place.
 * => 0; EAGAIN: no place now, and no EX_WAITSPACE; ENOMEM: no memory for a
 *    descriptor, and no EX_WAITOK; EINTR: with EX_CATCH, the sleep was
 *    interrupted; EINVAL: size zero or more than the subregion; alignment no
 *    power of two; skew not less than alignment; boundary neither zero nor a
 *    power of two, or less than size; no such subregion; unknown flags; with
 *    EX_WAITSPACE, no place even if nothing were taken.
 * => an error changes nothing; *result is set only with 0.
 * => sleeps only with EX_WAITOK or EX_WAITSPACE; else any context.
 * => O(log n), but for gaps that are long enough and have no place because of
 *    a skew, a boundary, or an alignment that is new to the map.
 */
int	extent_alloc_subregion1(struct extent *, exaddr_t substart,
	    exaddr_t subend, exaddr_t size, exaddr_t alignment, exaddr_t skew,
	    exaddr_t boundary, int flags, exaddr_t *result);

/* The same without skew, without a subregion, and without both. */
int	extent_alloc_subregion(struct extent *, exaddr_t substart,
	    exaddr_t subend, exaddr_t size, exaddr_t alignment,
	    exaddr_t boundary, int flags, exaddr_t *result);
int	extent_alloc1(struct extent *, exaddr_t size, exaddr_t alignment,
	    exaddr_t skew, exaddr_t boundary, int flags, exaddr_t *result);
int	extent_alloc(struct extent *, exaddr_t size, exaddr_t alignment,
	    exaddr_t boundary, int flags, exaddr_t *result);

/*
 * extent_alloc_region: take exactly the size numbers from start on.
 * => 0, EAGAIN, ENOMEM, EINTR as above; EINVAL: size zero, not all in the
 *    map, unknown flags.
 * => O(log n).
 */
int	extent_alloc_region(struct extent *, exaddr_t start, exaddr_t size,
	    int flags);

/*
 * extent_free: the size numbers from start on are no longer taken.
 * => without EX_NOCOALESCE, touching regions are one, of which any part may
 *    be freed; with it, only a region as it was allocated.
 * => 0; EINVAL: size zero, not all taken, not a whole region of a map with
 *    EX_NOCOALESCE, unknown flags; ENOMEM: only for a part with a rest on
 *    both sides, no memory for a descriptor, and no EX_WAITOK.  An error
 *    changes nothing.
 * => sleeps only with EX_WAITOK, for such a part; else any context.
 * => O(log n).
 */
int	extent_free(struct extent *, exaddr_t start, exaddr_t size, int flags);

/*
 * extent_print: the map and each of its regions, on the console.
 */
void	extent_print(struct extent *);

/*
 * A copy of what a map is like, as of one moment.
 */
struct extent_info {
	char		ei_name[EXTENT_NAMELEN];
	exaddr_t	ei_start;
	exaddr_t	ei_end;		/* inclusive */
	int		ei_flags;
	bool		ei_dynamic;	/* no fixed extent */
	uint64_t	ei_nregions;
	exaddr_t	ei_allocated;	/* numbers taken, modulo 2^64 */
	exaddr_t	ei_maxgap;	/* the largest; as er_gap */
};

void	extent_info(struct extent *, struct extent_info *);

/*
 * A region, and the way from one to the next.
 * extent_region_first, extent_region_next: the lowest region; the lowest one
 * that begins above the start of the one that is given.
 * => false: there is none.
 * => O(log n); between two calls the map may change.
 */
struct extent_range {
	exaddr_t	er_first;
	exaddr_t	er_last;	/* inclusive */
};

bool	extent_region_first(struct extent *, struct extent_range *);
bool	extent_region_next(struct extent *, struct extent_range *);

/*
 * extent_foreach: call a function for each map there is, until it returns
 * false.
 * => it may not sleep, nor create or destroy maps: those who do, wait.
 * extent_list: the first map, for who reads the kernel's memory from outside;
 * ex_next leads to the others.
 */
void	extent_foreach(bool (*)(struct extent *, void *), void *);
extern struct extent *extent_list;

/*
 * extent_check: every invariant of a map.
 * => NULL, or which one is broken.  O(n), with the map locked.
 */
const char *extent_check(struct extent *);

#endif /* !_SYS_EXTENT_H_ */
