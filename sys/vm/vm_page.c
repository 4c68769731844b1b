/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * One page.
 *
 * The common case takes neither a lock nor a look at the map: the top entry of
 * this CPU's queue becomes the caller's by one compare-and-swap on its state
 * word, and goes back by another.  Everything else (an empty or a full queue,
 * a page of another list, a word that somebody else changes at this moment, an
 * error) is left, before anything was changed, to a function of its own that
 * is called last: so the common case saves few registers.
 *
 * What is left is 167 instructions for an allocation and a free (callgrind),
 * of which two are locked: 5.2 ns of the 9.6 that a pair takes on the machine
 * where a bare free list under a spin lock, two exchanges, takes 4.3 (vmbench
 * -w repeat).  A state that is changed by compare-and-swap alone cannot be
 * cheaper than that lock while nobody contends for it; on two threads the pair
 * still takes 9.6, and the lock 4 to 200.
 */

#include <vm/vm_badfree.h>
#include <vm/vm_counter_var.h>
#include <vm/vm_page.h>
#include <vm/vm_pglist.h>
#include <vm/vm_physseg.h>
#include <vm/vm_sync.h>

#define	WORD_LAST	(VM_EXTWORD_FRAMES - 1)

#define	likely(e)	__builtin_expect((e), 1)
#define	unlikely(e)	__builtin_expect((e), 0)

/*
 * A port may have the number of a CPU at hand only if it was asked before:
 * otherwise this says a number that is none, and the long way asks.
 */
#ifndef vm_md_curcpu_known
#define	vm_md_curcpu_known()	vm_md_curcpu()
#endif

/* A page that the kernel can reach, zeroed; the reserve stays what it is. */
static paddr_t
page_alloc_reachable(unsigned flags, vm_owner_t owner)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(VM_PAGE_SIZE);
	struct vm_pgseg seg;
	unsigned list, n;

	req.vpr_flags = flags;
	req.vpr_owner = owner;
	req.vpr_lists = 0;
	for (list = 0; list < VM_NFREELIST; list++) {
		/* What is free counts without what rests on queues. */
		if ((flags & VM_PG_USERESERVE) != 0 ||
		    vm_sync_reserve((enum vm_freelist)list) == 0 ||
		    vm_sync_nfree((enum vm_freelist)list) >
		    vm_sync_reserve((enum vm_freelist)list))
			req.vpr_lists |= VM_FREELIST_BIT(list);
	}
	if (req.vpr_lists == 0 || vm_pglist_alloc(&req, &seg, &n) != 0)
		return (VM_PADDR_NONE);
	return (seg.vps_start);
}

static bool
page_zero(paddr_t pa)
{
	void *va = vm_md_phystov(pa, VM_PAGE_SIZE);

	if (va == NULL)
		return (false);
	memset(va, 0, VM_PAGE_SIZE);
	return (true);
}

static __attribute__((noinline)) paddr_t
page_alloc_slow(vm_md_intr_t s, unsigned flags, vm_owner_t owner)
{
	uint32_t cpu = vm_md_curcpu();
	vm_frame_t frame = vm_sync_page(cpu, flags, owner);

	if (frame == VM_FRAME_NONE) {
		vm_md_intr_restore(s);
		return (VM_PADDR_NONE);
	}
	vm_counter_add(cpu, VM_COUNT_ALLOC, 1);
	vm_md_intr_restore(s);
	if ((flags & VM_PG_ZERO) != 0 && !page_zero(vm_ptoa(frame))) {
		(void)vm_page_free(vm_ptoa(frame));
		return (page_alloc_reachable(flags & (VM_PG_ZERO |
		    VM_PG_NODRAIN | VM_PG_FRESH | VM_PG_USERESERVE), owner));
	}
	return (vm_ptoa(frame));
}

paddr_t
vm_page_alloc(unsigned flags, vm_owner_t owner)
{
	vm_md_intr_t s = vm_md_intr_disable();
	uint32_t cpu = vm_md_curcpu_known(), head, number;
	struct vm_cpuq *cq;
	struct vm_pageq *q;

	if (unlikely(cpu >= VM_MAXCPU ||
	    (flags & (VM_PG_ZERO | VM_PG_FRESH)) != 0))
		return (page_alloc_slow(s, flags, owner));
	cq = &vm_cpuqs[cpu];
	q = atomic_load_explicit(&cq->cq_top, memory_order_relaxed);
	head = atomic_load_explicit(&q->pq_head, memory_order_relaxed);
	if (unlikely(head == atomic_load_explicit(&q->pq_tail,
	    memory_order_relaxed) || vm_pageq_withheld(q)))
		return (page_alloc_slow(s, flags, owner));
	number = atomic_load_explicit(&q->pq_entry[vm_pageq_slot(--head)],
	    memory_order_relaxed);
	if (unlikely(!vm_pageplace_has(&q->pq_place, number) ||
	    !vm_sync_own(vm_pageplace_word(&q->pq_place, number),
	    number & WORD_LAST)))
		return (page_alloc_slow(s, flags, owner));
	atomic_store_explicit(&q->pq_head, head, memory_order_relaxed);
	vm_sync_tag(&q->pq_place, number, owner);
	vm_counter_bump(&cq->cq_counters, VM_COUNT_ALLOC);
	vm_sync_count(&q->pq_place, VM_COUNT_ALLOC);
	vm_md_intr_restore(s);
	return (vm_ptoa(q->pq_base + number));
}

/*
 * If the queue is full, room is made for those that come; this one goes the
 * long way.
 */
static __attribute__((noinline)) int
page_free_slow(vm_md_intr_t s, paddr_t pa, const void *caller)
{
	uint32_t cpu = vm_md_curcpu();
	struct vm_pageq *q = NULL;
	int error = EINVAL;

	if (cpu != VM_NOCPU)
		q = vm_pageq_of(&vm_cpuqs[cpu], vm_freelist_of(vm_atop(pa)));
	if (q != NULL && vm_pageq_count(q) == VM_PAGEQ_SIZE)
		vm_sync_spill(cpu, q, VM_PAGEQ_BATCH);
	if ((pa & (VM_PAGE_SIZE - 1)) == 0)
		error = vm_sync_unpage(cpu, vm_atop(pa));
	if (error == 0)
		vm_counter_add(cpu, VM_COUNT_FREE, 1);
	vm_md_intr_restore(s);
	return (error == 0 ? 0 : vm_badfree(error, pa, VM_PAGE_SIZE, caller,
	    vm_badfree_page_why(error, pa)));
}

int
vm_page_free(paddr_t pa)
{
	vm_md_intr_t s = vm_md_intr_disable();
	uint32_t cpu = vm_md_curcpu_known(), head, number;
	vm_frame_t frame = vm_atop(pa);
	struct vm_cpuq *cq;
	struct vm_pageq *q;

	if (unlikely(cpu >= VM_MAXCPU ||
	    ((uint32_t)pa & (uint32_t)(VM_PAGE_SIZE - 1)) != 0 ||
	    (frame & WORD_LAST) == WORD_LAST))
		return (page_free_slow(s, pa, __builtin_return_address(0)));
	cq = &vm_cpuqs[cpu];
	/* The queue is guessed: to compute it would delay all that follows. */
	q = atomic_load_explicit(&cq->cq_top, memory_order_relaxed);
	if (unlikely(!vm_pageplace_has(&q->pq_place, frame - q->pq_base))) {
		q = &cq->cq_queue[vm_freelist_of(frame)];
		if (!vm_pageplace_has(&q->pq_place, frame - q->pq_base))
			return (page_free_slow(s, pa,
			    __builtin_return_address(0)));
	}
	head = atomic_load_explicit(&q->pq_head, memory_order_relaxed);
	if (unlikely(head - atomic_load_explicit(&q->pq_tail,
	    memory_order_relaxed) == VM_PAGEQ_SIZE ||
	    q->pq_place.pp_epoch != atomic_load_explicit(&vm_sync_epoch,
	    memory_order_relaxed)))
		return (page_free_slow(s, pa, __builtin_return_address(0)));
	number = (uint32_t)(frame - q->pq_base);
	if (unlikely(vm_pageplace_virgin(&q->pq_place, number)))
		return (page_free_slow(s, pa, __builtin_return_address(0)));
	/* The entry comes first: a held frame is on a queue at any moment. */
	atomic_store_explicit(&q->pq_entry[vm_pageq_slot(head)], number,
	    memory_order_relaxed);
	if (unlikely(!vm_sync_disown(vm_pageplace_word(&q->pq_place, number),
	    number & WORD_LAST)))
		return (page_free_slow(s, pa, __builtin_return_address(0)));
	vm_sync_pushed(cq, q, head);
	vm_counter_bump(&cq->cq_counters, VM_COUNT_FREE);
	vm_sync_count(&q->pq_place, VM_COUNT_FREE);
	vm_md_intr_restore(s);
	return (0);
}
