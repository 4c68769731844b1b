/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Consistency: the only code that moves a frame between queue, map and owner.
 */

#ifndef _VM_VM_SYNC_H_
#define	_VM_VM_SYNC_H_

#include <vm/vm_extmap.h>
#include <vm/vm_pageq.h>
#include <vm/vm_pglist.h>
#include <vm/vm_physseg.h>
#include <vm/vm_types.h>

/* No frame. */
#define	VM_FRAME_NONE	UINT64_MAX

/* The map of all managed memory; changed and searched under its lock. */
extern struct vm_extmap vm_map;

/*
 * vm_sync_lock, vm_sync_unlock: the map's lock, with interrupts disabled.
 */
vm_md_intr_t	vm_sync_lock(void);
void		vm_sync_unlock(vm_md_intr_t);

/*
 * vm_sync_start: segments and map are set up; start from empty queues.
 * => one CPU.
 */
void	vm_sync_start(void);

/*
 * vm_sync_nfree: free frames of a list in the map, held ones not counted.
 * vm_sync_reserve: frames of a list withheld from plain single pages.
 * => no lock; as of some moment.
 */
uint64_t	vm_sync_nfree(enum vm_freelist);
uint64_t	vm_sync_reserve(enum vm_freelist);

/*
 * A single page, fast: inline, as each takes a few nanoseconds.  The state
 * changes before the queue's count is stored: until then a look from
 * elsewhere finds a stale entry, which is harmless.
 */

/* The states of the first frame of a word, which are those of any, shifted. */
#define	VM_SYNC_HELD	((uint64_t)1)
#define	VM_SYNC_OWNED	((uint64_t)1 << 32)
#define	VM_SYNC_TAIL	VM_SYNC_OWNED
#define	VM_SYNC_HEAD	(VM_SYNC_OWNED | VM_SYNC_HELD)

/*
 * Held -> head, by one compare-and-swap; false: it was not held, or the word
 * changed meanwhile.
 */
static inline bool
vm_sync_own(vm_extword_t *wp, unsigned bit)
{
	uint64_t old = atomic_load_explicit(wp, memory_order_relaxed);

	return ((old >> bit & VM_SYNC_HEAD) == VM_SYNC_HELD &&
	    atomic_compare_exchange_strong_explicit(wp, &old,
	    old | VM_SYNC_OWNED << bit, memory_order_acq_rel,
	    memory_order_relaxed));
}

/*
 * Head -> held, by one compare-and-swap; false: it was no head, or the head
 * of more than one frame, or the word changed meanwhile.  => bit is not the
 * last of the word: the next frame's state has to change with it or not at
 * all.
 */
static inline bool
vm_sync_disown(vm_extword_t *wp, unsigned bit)
{
	uint64_t old = atomic_load_explicit(wp, memory_order_relaxed);

	return ((old >> bit & VM_SYNC_HEAD) == VM_SYNC_HEAD &&
	    (old >> bit >> 1 & VM_SYNC_HEAD) != VM_SYNC_TAIL &&
	    atomic_compare_exchange_strong_explicit(wp, &old,
	    old ^ VM_SYNC_OWNED << bit, memory_order_acq_rel,
	    memory_order_relaxed));
}

/*
 * The entry at the head of this CPU's queue was written, and its frame is
 * held.  Pages of a higher list go first again.
 */
static inline void
vm_sync_pushed(struct vm_cpuq *cq, struct vm_pageq *q, uint32_t head)
{

	atomic_store_explicit(&q->pq_head, head + 1, memory_order_release);
	if (__builtin_expect(q > atomic_load_explicit(&cq->cq_top,
	    memory_order_relaxed), 0))
		atomic_store_explicit(&cq->cq_top, q, memory_order_relaxed);
}

/* Set the owner of a frame that was just allocated, by its number there. */
static inline void
vm_sync_tag(const struct vm_pageplace *pp, uint32_t number, vm_owner_t owner)
{

	if (pp->pp_owners != 0)
		atomic_store_explicit((_Atomic vm_owner_t *)(pp->pp_owners +
		    (uintptr_t)number * sizeof(vm_owner_t)), owner,
		    memory_order_relaxed);
}

/* Count an event of this CPU in the segment of a place. */
static inline void
vm_sync_count(const struct vm_pageplace *pp, enum vm_counter c)
{

	vm_counter_bump(atomic_load_explicit(&pp->pp_counters,
	    memory_order_relaxed), c);
}

/*
 * vm_sync_count_at: count an event in the segment of a frame, if it is in one.
 * => lock held.
 */
void	vm_sync_count_at(vm_frame_t frame, enum vm_counter c, uint64_t n);

/*
 * vm_sync_page: a single page when the top queue is empty: from the lists
 * from the highest down, each from this CPU's queue or by a refill; then
 * from the queues of other CPUs.
 * => VM_FRAME_NONE: none is left.  => interrupts disabled.
 */
vm_frame_t	vm_sync_page(uint32_t cpu, unsigned flags, vm_owner_t owner);

/*
 * vm_sync_unpage: free a single page when the fast path does not apply, or
 * find out what is wrong.  => 0, EINVAL, EALREADY or EMSGSIZE.  => interrupts
 * disabled.
 */
int	vm_sync_unpage(uint32_t cpu, vm_frame_t frame);

/*
 * vm_sync_spill: give at least n (or all) of a queue's entries back to the
 * map, those that were pushed first.  => the CPU's own queue, interrupts
 * disabled.
 */
void	vm_sync_spill(uint32_t cpu, struct vm_pageq *q, unsigned n);

/*
 * vm_sync_run: serve a well-formed request; see vm_pglist_alloc(), without
 * waiting and zeroing.  vm_sync_run_locked: the same, lock held.
 */
int	vm_sync_run(const struct vm_pgreq *req, struct vm_pgseg *segs,
	    unsigned *rsegs);
int	vm_sync_run_locked(const struct vm_pgreq *req, struct vm_pgseg *segs,
	    unsigned *rsegs);

/*
 * vm_sync_unrun: free a run; npages 0: its size is not known.
 * => 0, EINVAL, EALREADY, EMSGSIZE.
 */
int	vm_sync_unrun(vm_frame_t start, uint64_t npages);

/*
 * vm_sync_trim: keep npages frames from newstart of the run at start.
 * => 0, EINVAL, EALREADY; ERANGE: they are not all in the run.
 */
int	vm_sync_trim(vm_frame_t start, vm_frame_t newstart, uint64_t npages);

/* vm_sync_claim: take exactly [start, end), managed.  => 0 or EBUSY. */
int	vm_sync_claim(vm_frame_t start, vm_frame_t end, vm_owner_t owner);

/*
 * vm_sync_drain: take held frames in [low, high) back from every queue into
 * the map, until a pass finds none.  => lock held.  => how many.
 */
uint64_t	vm_sync_drain(vm_frame_t low, vm_frame_t high);

/*
 * vm_sync_plug: absent frames of a new segment become free.
 * vm_sync_unplug: free and held frames become absent.  => 0, or EBUSY and the
 * first allocation in *pin, unless NULL.
 * vm_sync_relist: segments changed: which list is the highest, and what is
 * withheld from it.
 * => lock held.
 */
void	vm_sync_plug(vm_frame_t start, vm_frame_t end);
int	vm_sync_unplug(vm_frame_t start, vm_frame_t end,
	    struct vm_physpin *pin);
void	vm_sync_relist(void);

/*
 * vm_sync_walk: the first piece of managed memory in [from, limit), and the
 * owner if it is an allocation that begins there.  => false: there is none.
 * => locks for one block at a time.
 */
bool	vm_sync_walk(vm_frame_t from, vm_frame_t limit, struct vm_extent *,
	    vm_owner_t *owner);

/*
 * vm_sync_owner: the tag of the allocation that starts at a frame.
 */
vm_owner_t	vm_sync_owner(vm_frame_t head);

/*
 * For those who wait for memory: vm_sync_sleepers is their number, and
 * vm_sync_freed changes, and is woken, when frames return to the map while
 * there are any.
 */
extern _Atomic uint32_t vm_sync_sleepers;
extern _Atomic uint32_t vm_sync_freed;

/*
 * vm_sync_epoch: changes when what CPUs remember in a vm_pageplace may no
 * longer be used to free by the short way: memory has gone, or somebody began
 * to wait.
 */
extern _Atomic uint32_t vm_sync_epoch;

#endif /* !_VM_VM_SYNC_H_ */
