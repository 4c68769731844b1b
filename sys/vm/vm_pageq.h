/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The per-CPU page queues.
 */

#ifndef _VM_VM_PAGEQ_H_
#define	_VM_VM_PAGEQ_H_

#include <vm/vm_extmap.h>
#include <vm/vm_types.h>

/*
 * Entries of a queue, and how many a refill or a spill moves.  The length of
 * the queue decides what random frees cost: one that stays in the queue needs
 * no lock and no summary.
 */
#define	VM_PAGEQ_SIZE	1024
#define	VM_PAGEQ_BATCH	(VM_PAGEQ_SIZE / 2)

/*
 * Where the state of frames is found without a search: those of
 * [pp_start, pp_start + pp_nframes), in one segment and one span.
 */
struct vm_pageplace {
	vm_frame_t	pp_start;
	uint64_t	pp_nframes;
	vm_frame_t	pp_first;	/* of the span */
	vm_extword_t	*pp_word;
	_Atomic vm_owner_t *pp_owner;	/* or NULL */
	uint32_t	pp_epoch;	/* good while vm_sync_epoch is this */
};

/*
 * A queue: frames of one free list, as 32-bit numbers relative to pq_base.
 * The owning CPU pushes and pops; others read entries, under the map's lock,
 * to take frames back.  An entry whose frame is no longer held is stale, and
 * dropped by whoever meets it.
 */
struct vm_pageq {
	struct vm_pageplace pq_place;	/* of the last frame: the owner's */
	vm_frame_t	pq_base;
	const _Atomic uint64_t *pq_nfree; /* frames of the list in the map */
	_Atomic uint64_t pq_reserve;	/* withheld from plain pages if fewer */
	_Atomic uint32_t pq_count;
	_Atomic uint32_t pq_entry[VM_PAGEQ_SIZE];
} __attribute__((aligned(VM_CACHE_LINE)));

/*
 * Pages below 16 MiB are never kept on queues: what few there are stay where
 * any request finds them.
 */
#define	VM_PAGEQ_LISTS	(VM_NFREELIST - 1)

struct vm_cpuq {
	struct vm_pageq	*_Atomic cq_top; /* where pages come from the short
					   way: the highest list that had any
					   when last looked at */
	vm_frame_t	cq_hint[VM_NFREELIST];	/* block to refill from */
	struct vm_pageq	cq_queue[VM_PAGEQ_LISTS];
} __attribute__((aligned(VM_CACHE_LINE)));

extern struct vm_cpuq vm_cpuqs[VM_MAXCPU];

/* vm_pageq_of: a CPU's queue for a list; NULL: that list is never queued. */
static inline struct vm_pageq *
vm_pageq_of(struct vm_cpuq *cq, enum vm_freelist list)
{

	return (list == VM_FREELIST_ISA ? NULL :
	    &cq->cq_queue[list - VM_FREELIST_DMA31]);
}

/* vm_pageq_withheld: may plain requests not have what a queue holds? */
static inline bool
vm_pageq_withheld(const struct vm_pageq *q)
{
	uint64_t reserve = atomic_load_explicit(&q->pq_reserve,
	    memory_order_relaxed);

	return (reserve != 0 && atomic_load_explicit(q->pq_nfree,
	    memory_order_relaxed) < reserve);
}

/*
 * vm_pageq_entries: how many entries another CPU has to look at: one more
 * than are counted, as that may be a frame that is just being pushed.  If it
 * is not, it is a stale entry like others.
 */
static inline uint32_t
vm_pageq_entries(const struct vm_pageq *q)
{
	uint32_t n = atomic_load_explicit(&q->pq_count, memory_order_acquire);

	return (n < VM_PAGEQ_SIZE ? n + 1 : VM_PAGEQ_SIZE);
}

/* vm_pageq_takes: can a queue hold that frame's number? */
static inline bool
vm_pageq_takes(const struct vm_pageq *q, vm_frame_t frame)
{

	return (frame - q->pq_base <= UINT32_MAX);
}

/*
 * vm_pageq_reset: empty queues on all CPUs.  => base: for each list, where
 * the numbers of its queues start; top: the highest populated list; nfree:
 * where the frames of each list in the map are counted.  One CPU.
 */
void	vm_pageq_reset(const vm_frame_t base[VM_NFREELIST],
	    enum vm_freelist top,
	    const _Atomic uint64_t nfree[VM_NFREELIST]);

/* vm_pageq_top: another list is the highest populated one. */
void	vm_pageq_top(enum vm_freelist top);

/*
 * vm_pageq_flush: give the pages on the current CPU's queues back to the
 * map: before a CPU goes off line, or a thread ends.
 */
void	vm_pageq_flush(void);

#endif /* !_VM_VM_PAGEQ_H_ */
