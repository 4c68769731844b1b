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

#include <vm/vm_counter_var.h>
#include <vm/vm_extmap.h>
#include <vm/vm_types.h>

/*
 * Entries of a queue, and how many a refill or a spill moves.  The length of
 * the queue decides what random frees cost: one that stays in the queue needs
 * no lock and no summary.  A port with little memory may choose fewer, in
 * <machine/vm_machdep.h>: a power of two, at least 64.
 */
#ifndef VM_PAGEQ_SIZE
#define	VM_PAGEQ_SIZE	4096
#endif
#define	VM_PAGEQ_BATCH	(VM_PAGEQ_SIZE / 8)

_Static_assert((VM_PAGEQ_SIZE & (VM_PAGEQ_SIZE - 1)) == 0 &&
    VM_PAGEQ_SIZE >= 64, "VM_PAGEQ_SIZE");

/*
 * Where the state of frames is found without a search: those with the numbers
 * [pp_start, pp_start + pp_nframes) in a queue, in one segment and one span.
 * pp_words, pp_virgins and pp_owners are where the word of number 0, the
 * word with the virgin bit of its block, and its owner would be, if the span
 * reached so far: numbers, as that may lie outside anything.
 */
struct vm_pageplace {
	uint32_t	pp_start;
	uint32_t	pp_nframes;
	uintptr_t	pp_words;
	uintptr_t	pp_virgins;
	uintptr_t	pp_owners;	/* 0: no owners are kept */
	struct vm_counterset *_Atomic pp_counters; /* of CPU and segment */
	uint32_t	pp_epoch;	/* good while vm_sync_epoch is this */
};

/*
 * A queue: frames of one free list, as 32-bit numbers relative to pq_base.
 * The owning CPU pushes and pops at the head, and spills, under the map's
 * lock, what lies at the tail longest; others read entries, under that lock,
 * to take frames back.  An entry whose frame is no longer held is stale, and
 * dropped by whoever meets it.
 */
struct vm_pageq {
	struct vm_pageplace pq_place;	/* of the last frame: the owner's */
	vm_frame_t	pq_base;
	const _Atomic uint64_t *pq_nfree; /* frames of the list in the map */
	_Atomic uint64_t pq_reserve;	/* withheld from plain pages if fewer */
	_Atomic uint32_t pq_head;	/* one past the last pushed; these
					   wrap, see vm_pageq_slot() */
	_Atomic uint32_t pq_tail;	/* the one that was pushed first */
	_Atomic uint32_t *pq_entry;	/* VM_PAGEQ_SIZE of them */
} __attribute__((aligned(VM_CACHE_LINE)));

/*
 * Pages below 16 MiB are never kept on queues: what few there are stay where
 * any request finds them.  The queue of that list is always empty, and takes
 * nothing; those from VM_PAGEQ_FIRST on are used.
 */
#define	VM_PAGEQ_FIRST	VM_FREELIST_DMA31
#define	VM_PAGEQ_LISTS	(VM_NFREELIST - VM_PAGEQ_FIRST)

/* Found by a shift instead of a multiplication: each page waits for that. */
#define	VM_CPUQ_ALIGN	1024

struct vm_cpuq {
	struct vm_pageq	cq_queue[VM_NFREELIST];
	struct vm_counterset cq_counters;
	struct vm_pageq	*_Atomic cq_top; /* where pages come from the short
					   way: the highest list that had any
					   when last looked at */
	vm_frame_t	cq_hint[VM_NFREELIST];	/* block to refill from */
} __attribute__((aligned(VM_CPUQ_ALIGN)));

/* One a CPU, and one for what is counted in contexts that are none. */
#define	VM_CPUQS	(VM_MAXCPU + 1)

extern struct vm_cpuq vm_cpuqs[VM_CPUQS];

/* vm_pageplace_has: does a place contain that number? */
static inline bool
vm_pageplace_has(const struct vm_pageplace *pp, uint64_t number)
{

	return (number - pp->pp_start < pp->pp_nframes);
}

/* vm_pageplace_virgin: is its word not written yet?  Then it is free. */
static inline bool
vm_pageplace_virgin(const struct vm_pageplace *pp, uint32_t number)
{
	const _Atomic uint64_t *wp = (const _Atomic uint64_t *)(pp->pp_virgins +
	    (uintptr_t)(number / VM_EXTCHUNK_FRAMES) * sizeof(*wp));

	return ((atomic_load_explicit(wp, memory_order_acquire) >>
	    (number / VM_EXTBLOCK_FRAMES & 63) & 1) != 0);
}

static inline vm_extword_t *
vm_pageplace_word(const struct vm_pageplace *pp, uint32_t number)
{

	return ((vm_extword_t *)(pp->pp_words + (uintptr_t)(number /
	    VM_EXTWORD_FRAMES) * sizeof(vm_extword_t)));
}

/* vm_pageq_of: a CPU's queue for a list; NULL: that list is never queued. */
static inline struct vm_pageq *
vm_pageq_of(struct vm_cpuq *cq, enum vm_freelist list)
{

	return (list == VM_FREELIST_ISA ? NULL : &cq->cq_queue[list]);
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
 * vm_pageq_slot: where the entry at a position, counted as pq_head and
 * pq_tail are, is kept.
 */
static inline uint32_t
vm_pageq_slot(uint32_t position)
{

	return (position & (VM_PAGEQ_SIZE - 1));
}

/* vm_pageq_count: entries on the queue. */
static inline uint32_t
vm_pageq_count(const struct vm_pageq *q)
{

	return (atomic_load_explicit(&q->pq_head, memory_order_acquire) -
	    atomic_load_explicit(&q->pq_tail, memory_order_relaxed));
}

/*
 * vm_pageq_frame: what the i-th entry from the tail names.
 */
static inline vm_frame_t
vm_pageq_frame(const struct vm_pageq *q, uint32_t i)
{
	uint32_t tail = atomic_load_explicit(&q->pq_tail,
	    memory_order_relaxed);

	return (q->pq_base + atomic_load_explicit(
	    &q->pq_entry[vm_pageq_slot(tail + i)], memory_order_relaxed));
}

/*
 * vm_pageq_entries: how many entries another CPU has to look at: one more
 * than are counted, as that may be a frame that is just being pushed.  If it
 * is not, it is a stale entry like others.
 */
static inline uint32_t
vm_pageq_entries(const struct vm_pageq *q)
{
	uint32_t n = vm_pageq_count(q);

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
