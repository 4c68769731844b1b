/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Runs of pages under constraints: vm_pglist(9).
 */

#ifndef _VM_VM_PGLIST_H_
#define	_VM_VM_PGLIST_H_

#include <vm/vm_extmap.h>
#include <vm/vm_owner.h>
#include <vm/vm_page.h>
#include <vm/vm_types.h>

/*
 * A request.  All values are bytes and constrain physical addresses.  Start
 * from VM_PGREQ_INITIALIZER and set what matters.
 */
struct vm_pgreq {
	psize_t		vpr_size;	/* total; rounded up to pages */
	psize_t		vpr_align;	/* of each segment; power of two */
	psize_t		vpr_boundary;	/* power of two that no segment
					   crosses a multiple of; 0: none */
	paddr_t		vpr_low;	/* lowest address, inclusive */
	paddr_t		vpr_high;	/* upper limit, exclusive */
	unsigned	vpr_nsegs;	/* at most so many segments */
	psize_t		vpr_maxsegsz;	/* each at most so long; 0: no limit */
	unsigned	vpr_lists;	/* mask of VM_FREELIST_BIT() */
	enum vm_policy	vpr_policy;
	unsigned	vpr_flags;	/* VM_PG_* */
	uint64_t	vpr_timeout;	/* with VM_PG_WAIT: ns; 0: for ever */
	vm_owner_t	vpr_owner;
};

#define	VM_PGREQ_INITIALIZER(size) {					\
	.vpr_size = (size),						\
	.vpr_align = VM_PAGE_SIZE,					\
	.vpr_high = VM_PADDR_MAX,					\
	.vpr_nsegs = 1,							\
	.vpr_lists = VM_FREELIST_ALL,					\
}

/* A segment of the answer: a run of its own, to be freed on its own. */
struct vm_pgseg {
	paddr_t		vps_start;	/* bytes */
	psize_t		vps_size;	/* bytes, a multiple of the page */
};

/*
 * vm_pgreq_check: is the request well-formed?
 * => 0, or EINVAL: zero size; alignment or boundary not a power of two;
 *    boundary smaller than a page, or smaller than the size with
 *    vpr_nsegs == 1; vpr_low >= vpr_high; no segments; maxsegsz not zero and
 *    smaller than a page, or smaller than the size with vpr_nsegs == 1, or
 *    larger than the alignment but no multiple of it with vpr_nsegs > 1; an
 *    empty or unknown list mask; an unknown policy or flag; VM_POLICY_EXACT
 *    at an address not aligned or with vpr_nsegs > 1; overflow.
 * => if whyp is not NULL, *whyp says which in a few words (static string).
 */
int	vm_pgreq_check(const struct vm_pgreq *req, const char **whyp);

/*
 * vm_pglist_alloc: pages in at most vpr_nsegs runs.
 * => segs has room for vpr_nsegs entries; *rsegs is set to the number used,
 *    which is the smallest possible.
 * => 0; EINVAL as vm_pgreq_check(); ENOMEM: not enough memory qualifies (or,
 *    with one segment, no run exists); EFBIG: it does, but not in so few
 *    segments.  With VM_PG_WAIT: EWOULDBLOCK after vpr_timeout, EINTR when
 *    interrupted.  On an error nothing is allocated and *rsegs is 0.
 * => sleeps only with VM_PG_WAIT.
 */
int	vm_pglist_alloc(const struct vm_pgreq *req, struct vm_pgseg *segs,
	    unsigned *rsegs);

/*
 * vm_pglist_free: free a run that vm_pglist_alloc(), vm_pglist_reserve() or
 * vm_page_alloc() gave, whole.
 * => start and size in bytes; size 0: not known, else it is verified, rounded
 *    up to pages as a request's is.
 * => 0; EINVAL: not page-aligned, not managed, or not the start of a run;
 *    EALREADY: already free; EMSGSIZE: the run has another size.  An error
 *    changes nothing.
 * => any context, never sleeps, never allocates.  O(pages / 32).
 */
int	vm_pglist_free(paddr_t start, psize_t size);

/*
 * vm_pglist_trim: keep [newstart, newstart + newsize) of the run that begins
 * at start, and free what lies before and behind.
 * => bytes; newstart page-aligned, newsize rounded up to pages, not zero.
 * => 0; EINVAL: start is not the start of a run, or what is to be kept does
 *    not lie in it; EALREADY: already free.  An error changes nothing.  What
 *    is kept begins at newstart from here on, and keeps its owner.
 * => any context, never sleeps, never allocates.  O(pages / 32).
 */
int	vm_pglist_trim(paddr_t start, paddr_t newstart, psize_t newsize);

/*
 * vm_pglist_reserve: take exactly the frames of [start, start + size).
 * => both page-aligned.  Held pages are taken back if they lie there.
 * => 0; EINVAL: malformed or not all managed memory; EBUSY: some frame is
 *    allocated.  On an error nothing changes.  Freed by vm_pglist_free().
 * => any context, never sleeps, never allocates.  O(pages / 32) and, where
 *    none of them is allocated, what the queues of all CPUs hold.
 */
int	vm_pglist_reserve(paddr_t start, psize_t size, vm_owner_t owner);

/* Subsets of the constraints of a request, for vm_pglist_explain(). */
#define	VM_EXPLAIN_ALIGN	0x1
#define	VM_EXPLAIN_BOUNDARY	0x2
#define	VM_EXPLAIN_WINDOW	0x4	/* low, high and the lists */
#define	VM_EXPLAIN_NSUBSET	8

struct vm_pgexplain {
	psize_t		vpe_largest[VM_EXPLAIN_NSUBSET]; /* bytes: the largest
					   run that satisfies that subset */
	psize_t		vpe_free;	/* free bytes in the window, held ones
					   counted */
	bool		vpe_possible;	/* a place for the whole request in
					   one segment exists or could, if
					   somebody freed memory there */
	paddr_t		vpe_start;	/* that place: where the fewest frames
					   are taken; valid if possible */
	psize_t		vpe_taken;	/* bytes allocated in it; 0: the
					   request would succeed there */
	paddr_t		vpe_pin;	/* the first run that pins it: start */
	psize_t		vpe_pinsize;	/* its size in bytes */
	vm_owner_t	vpe_owner;	/* and whose it is */
};

/*
 * vm_pglist_explain: why a request (of one segment) fails, or where it
 * would succeed.  Free includes held; what is fresh is not told apart.
 * => 0, or EINVAL as vm_pgreq_check().
 * => a diagnosis: O(frames in the window), takes the map's lock throughout;
 *    the answer is as of one moment and allocates nothing.
 */
int	vm_pglist_explain(const struct vm_pgreq *req,
	    struct vm_pgexplain *expl);

/*
 * vm_pglist_explain_print: that in one line on the console, prefixed by who.
 */
void	vm_pglist_explain_print(const char *who, const struct vm_pgreq *req);

/* What a walk sees: free or held pages in a row, or one allocation. */
struct vm_pgextent {
	paddr_t		vpx_start;
	psize_t		vpx_size;	/* bytes */
	enum vm_fstate	vpx_state;	/* FREE, HELD, or HEAD: allocated */
	vm_owner_t	vpx_owner;	/* of an allocation that begins here */
};

/*
 * vm_pglist_walk: the first piece of managed memory in [from, high), cut to
 * that.
 * => false: there is none.
 * => takes the lock again and again, each time for one block of 512 pages at
 *    most: what changes meanwhile may or may not be seen, and a piece that
 *    grows behind the walk is seen as it was.  O(pages of the piece / 512).
 */
bool	vm_pglist_walk(paddr_t from, paddr_t high, struct vm_pgextent *);

#endif /* !_VM_VM_PGLIST_H_ */
