/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The extent map: the state of frames and the search for runs.  A pure data
 * structure: no locks, no globals, nothing of the kernel around it.
 */

#ifndef _VM_VM_EXTMAP_H_
#define	_VM_VM_EXTMAP_H_

#include <vm/vm_types.h>

/*
 * Two bits a frame, 32 frames a word: frame i of the word has its first bit
 * (owned) at i + 32 and its second at i.
 */
enum vm_fstate {
	VM_FRAME_FREE = 0,	/* in the map */
	VM_FRAME_HELD = 1,	/* on a CPU's queue */
	VM_FRAME_TAIL = 2,	/* further frame of an allocation */
	VM_FRAME_HEAD = 3	/* first frame of an allocation */
};

typedef _Atomic uint64_t vm_extword_t;

#define	VM_EXTWORD_FRAMES	32
#define	VM_EXTBLOCK_SHIFT	9		/* 512 frames a block */
#define	VM_EXTBLOCK_FRAMES	(1U << VM_EXTBLOCK_SHIFT)
#define	VM_EXTCHUNK_SHIFT	(VM_EXTBLOCK_SHIFT + 6)	/* 64 blocks */
#define	VM_EXTCHUNK_FRAMES	(1U << VM_EXTCHUNK_SHIFT)
#define	VM_EXTMAP_NORDER	(VM_EXTBLOCK_SHIFT + 1)	/* orders 0 to 9 */
#define	VM_EXTMAP_SPANS		32

/* The summary of a block; an upper bound while the block is dirty. */
struct vm_extsum {
	uint16_t	es_longest;	/* frames of the longest free run */
	uint16_t	es_start;	/* of the free run at the start */
	uint16_t	es_end;		/* of the free run at the end */
	uint16_t	es_free;	/* free frames; always exact */
};

/* What is known of the 64 blocks of a chunk: a bit for each. */
struct vm_extgroup {
	uint64_t	eg_order[VM_EXTMAP_NORDER];	/* it may hold an
					   aligned run of 2^k */
	uint64_t	eg_dirty;	/* its summary is an upper bound */
	uint64_t	eg_pad[16 - VM_EXTMAP_NORDER - 1];
};

/* Of 64 chunks: eg_order[k] is not zero. */
struct vm_exttop {
	uint64_t	et_order[VM_EXTMAP_NORDER];
};

/*
 * The part of the map over contiguous frames: whole chunks.
 *
 * Of a virgin block nothing but its bits is written yet: not its words, its
 * summary, nor what xs_used says of it.  It is wholly free, and was always, if
 * its order bits are set, and wholly absent if not.
 */
struct vm_extspan {
	vm_frame_t	xs_first;	/* multiple of VM_EXTCHUNK_FRAMES */
	uint64_t	xs_nframes;	/* multiple of VM_EXTCHUNK_FRAMES */
	vm_extword_t	*xs_word;	/* xs_nframes / 32 */
	struct vm_extsum *xs_sum;	/* xs_nframes / 512 */
	struct vm_extgroup *xs_group;	/* one a chunk */
	struct vm_exttop *xs_top;	/* one for 64 of those */
	_Atomic uint64_t *xs_virgin;	/* a bit a block */
	_Atomic vm_owner_t *xs_owner;	/* the caller's: a tag a frame, or
					   NULL; not used here */
	uint32_t	*xs_used;	/* a bit a frame: it was not free at
					   some time; or NULL: not recorded */
	uint64_t	xs_nblocks[VM_EXTMAP_NORDER];	/* with that order */
};

struct vm_extmap {
	unsigned	xm_nspans;
	struct vm_extspan xm_span[VM_EXTMAP_SPANS];	/* by xs_first */
	vm_frame_t	xm_next;	/* VM_POLICY_NEXT starts here: the end
					   of what was allocated last */
	uint64_t	xm_examined;	/* frames in the blocks that searches
					   looked into; the caller's to reset */
	uint64_t	xm_nfree;	/* free frames, held ones not counted */
};

/* A maximal run of frames in one state, or one allocation. */
struct vm_extent {
	vm_frame_t	e_start;
	vm_frame_t	e_end;		/* frame after the last */
	enum vm_fstate	e_state;	/* FREE, HELD, or HEAD for an
					   allocation with its tails */
};

/* A search, in frames: what vm_extmap_find() needs of a vm_pgreq. */
struct vm_extreq {
	uint64_t	er_npages;	/* > 0 */
	uint64_t	er_align;	/* power of two, > 0 */
	uint64_t	er_boundary;	/* power of two >= er_npages, or 0 */
	vm_frame_t	er_low;
	vm_frame_t	er_high;	/* exclusive */
	enum vm_policy	er_policy;
};

/*
 * Setting up.
 *
 * vm_extmap_init: an empty map.
 * vm_extmap_metasize: bytes of metadata for a span of nframes (a multiple
 * of VM_EXTCHUNK_FRAMES).
 * vm_extmap_attach: add a span at first; mem has vm_extmap_metasize() bytes,
 * 64-byte aligned, contents ignored.  Every frame starts absent: never found,
 * and not to be freed.  => 0; EINVAL: not whole chunks, overlaps another
 * span, or reaches past VM_FRAME_END; ENOSPC: VM_EXTMAP_SPANS spans.
 * vm_extmap_record: from here on record which frames of a span, that was just
 * attached, are used; bits has a bit a frame, contents ignored.
 * vm_extmap_insert: absent frames [start, end) become free, and fresh; they
 * lie in attached spans.
 * vm_extmap_set: put frames of an attached map in a state whatever it was:
 * FREE, HELD, TAIL, or HEAD (the first) and TAIL (the others).  What is not
 * free is used.  For loaders of foreign maps; summaries follow.
 */
void	vm_extmap_init(struct vm_extmap *);
psize_t	vm_extmap_metasize(uint64_t nframes);
int	vm_extmap_attach(struct vm_extmap *, vm_frame_t first,
	    uint64_t nframes, void *mem);
void	vm_extmap_record(struct vm_extspan *, uint32_t *bits);
void	vm_extmap_insert(struct vm_extmap *, vm_frame_t start, vm_frame_t end);
void	vm_extmap_set(struct vm_extmap *, vm_frame_t start, vm_frame_t end,
	    enum vm_fstate);

/*
 * vm_extmap_load: adopt the state words of a span as somebody else recorded
 * them (nwords words from the span's first frame), and summarise.
 * => 0; EINVAL: more words than the span has.
 */
int	vm_extmap_load(struct vm_extmap *, struct vm_extspan *,
	    const uint64_t *words, size_t nwords);

/*
 * vm_extmap_span: the span that holds a frame, or NULL.
 * vm_extmap_state: the state of a frame; HEAD outside every span.
 */
static inline struct vm_extspan *
vm_extmap_span(const struct vm_extmap *map, vm_frame_t frame)
{
	const struct vm_extspan *xs, *end = map->xm_span + map->xm_nspans;

	for (xs = map->xm_span; xs < end; xs++) {
		if (frame - xs->xs_first < xs->xs_nframes)
			return ((struct vm_extspan *)(uintptr_t)xs);
	}
	return (NULL);
}

enum vm_fstate	vm_extmap_state(const struct vm_extmap *, vm_frame_t);

/*
 * vm_extmap_find: a free run that satisfies the request, placed as its policy
 * says.  => true and *startp; false: there is none (exact).
 * => may bring dirty summaries up to date; changes no state.
 * vm_extmap_lacks: true only if no free run in the request's window satisfies
 * it.  => O(spans): tells it of most requests of which it is true.
 *
 * vm_extmap_next: the first free extent in [from, limit), cut to it, of at
 * least n frames; n > 0.  => false: there is none.  Context as
 * vm_extmap_find().
 */
bool	vm_extmap_find(struct vm_extmap *, const struct vm_extreq *,
	    vm_frame_t *startp);
bool	vm_extmap_lacks(const struct vm_extmap *, const struct vm_extreq *);
bool	vm_extmap_next(struct vm_extmap *, uint64_t n, vm_frame_t from,
	    vm_frame_t limit, struct vm_extent *);

/*
 * vm_extmap_next_fresh: the same, of free frames that were never used; none
 * in spans that do not record it.  O(extents of n frames).
 */
bool	vm_extmap_next_fresh(struct vm_extmap *, uint64_t n, vm_frame_t from,
	    vm_frame_t limit, struct vm_extent *);

/*
 * vm_extmap_fit: the first (or last) frame in [start, end) where the
 * request's size, alignment and boundary are met; window and policy are not
 * looked at.  A pure function.
 */
bool	vm_extmap_fit(const struct vm_extreq *, vm_frame_t start,
	    vm_frame_t end, bool last, vm_frame_t *startp);

/*
 * vm_extmap_walk: the piece that contains frame from, cut to [from, limit):
 * a maximal free run, a maximal held run, or one allocation.
 * => false: from >= limit.
 */
bool	vm_extmap_walk(const struct vm_extmap *, vm_frame_t from,
	    vm_frame_t limit, struct vm_extent *);

/*
 * vm_extmap_around: the maximal run of free and held frames around a frame,
 * cut to [low, high), which contains the frame.  => false: it is owned.
 */
bool	vm_extmap_around(const struct vm_extmap *, vm_frame_t,
	    vm_frame_t low, vm_frame_t high, struct vm_extent *);

/*
 * vm_extmap_uniform: are all frames of [start, end), which lie in spans, in
 * that state?
 */
bool	vm_extmap_uniform(const struct vm_extmap *, vm_frame_t start,
	    vm_frame_t end, enum vm_fstate);

/*
 * vm_extmap_owned: frames of [start, end) that are allocated (or absent);
 * O(frames / 32).
 * vm_extmap_head: the first frame of the allocation that an allocated frame
 * belongs to.
 */
uint64_t	vm_extmap_owned(const struct vm_extmap *, vm_frame_t start,
		    vm_frame_t end);
vm_frame_t	vm_extmap_head(const struct vm_extmap *, vm_frame_t);

/*
 * Changes of state.  The caller keeps changes out of and into FREE to one
 * thread at a time; HELD and HEAD of single pages may change by
 * compare-and-swap at any time from elsewhere.
 *
 * vm_extmap_alloc: frames [start, start + n), all free, become an allocation.
 * vm_extmap_length: frames of the allocation that starts at a head.
 * vm_extmap_trim: of the allocation of n frames at start, the n1 frames at
 * start1 stay, which are some of it; those before and behind become free.  No
 * frame that becomes free is ever seen as a head.
 * vm_extmap_release: the allocation of n frames at start becomes free.
 * => false, and no change: its first word was changed from elsewhere (the
 *    caller looks again).
 * vm_extmap_hold: up to want free frames of one block at or after *hint,
 * inside [low, high), become held; numbers go to out[], relative to base.
 * low and high are multiples of a block.  The blocks that are worth least to
 * constrained requests go first; *hint becomes the block.  => how many; 0
 * only if no frame in the window is free.
 * vm_extmap_unhold: of the 32 frames from first (a multiple of 32), those in
 * mask that are held become free.  => a mask of those.
 * vm_extmap_prefetch: that frame is going to change soon.
 */
void	vm_extmap_alloc(struct vm_extmap *, vm_frame_t start, uint64_t n);
uint64_t vm_extmap_length(const struct vm_extmap *, vm_frame_t head);
void	vm_extmap_trim(struct vm_extmap *, vm_frame_t start, uint64_t n,
	    vm_frame_t start1, uint64_t n1);
bool	vm_extmap_release(struct vm_extmap *, vm_frame_t start, uint64_t n);
unsigned vm_extmap_hold(struct vm_extmap *, vm_frame_t *hint, vm_frame_t low,
	    vm_frame_t high, vm_frame_t base, _Atomic uint32_t *out,
	    unsigned want);
uint32_t	vm_extmap_unhold(struct vm_extmap *, vm_frame_t first,
		    uint32_t mask);
void	vm_extmap_prefetch(const struct vm_extmap *, vm_frame_t);

/*
 * vm_extmap_check: are all summaries what they promise to be?  => NULL, or
 * what is broken (static string) and in *where the block's first frame.
 */
const char *vm_extmap_check(const struct vm_extmap *, vm_frame_t *where);

#endif /* !_VM_VM_EXTMAP_H_ */
