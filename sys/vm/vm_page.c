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
 * a page of another list, an error) is a call to vm_sync.c.
 */

#include <vm/vm_badfree.h>
#include <vm/vm_counter_var.h>
#include <vm/vm_page.h>
#include <vm/vm_physseg.h>
#include <vm/vm_sync.h>

#define	WORD_SHIFT	5
#define	WORD_LAST	(VM_EXTWORD_FRAMES - 1)

/* Pop from the highest list's queue; VM_FRAME_NONE: try the long way. */
static inline vm_frame_t
page_pop(struct vm_cpuq *cq, vm_owner_t owner)
{
	const struct vm_pageplace *pp = &cq->cq_alloc;
	struct vm_pageq *q = atomic_load_explicit(&cq->cq_top,
	    memory_order_relaxed);
	vm_frame_t frame;
	uint32_t n;
	bool own;

	if (q == NULL)
		return (VM_FRAME_NONE);
	n = atomic_load_explicit(&q->pq_count, memory_order_relaxed);
	if (n == 0)
		return (VM_FRAME_NONE);
	frame = q->pq_base + atomic_load_explicit(&q->pq_entry[n - 1],
	    memory_order_relaxed);
	if (frame - pp->pp_start >= pp->pp_nframes)
		return (VM_FRAME_NONE);
	own = vm_sync_own(&pp->pp_word[(frame - pp->pp_first) >> WORD_SHIFT],
	    (unsigned)(frame & WORD_LAST));
	if (!own)
		return (VM_FRAME_NONE);
	atomic_store_explicit(&q->pq_count, n - 1, memory_order_relaxed);
	vm_sync_tag(pp, frame, owner);
	return (frame);
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

paddr_t
vm_page_alloc(unsigned flags, vm_owner_t owner)
{
	vm_md_intr_t s = vm_md_intr_disable();
	uint32_t cpu = vm_md_curcpu();
	vm_frame_t frame = VM_FRAME_NONE;

	if (__builtin_expect(cpu != VM_NOCPU &&
	    (flags & VM_PG_FRESH) == 0, 1))
		frame = page_pop(&vm_cpuqs[cpu], owner);
	if (__builtin_expect(frame == VM_FRAME_NONE, 0))
		frame = vm_sync_page(cpu, flags, owner);
	if (__builtin_expect(frame == VM_FRAME_NONE, 0)) {
		vm_md_intr_restore(s);
		return (VM_PADDR_NONE);
	}
	vm_counter_add(cpu, VM_COUNT_ALLOC, 1);
	vm_md_intr_restore(s);
	if ((flags & VM_PG_ZERO) != 0 && !page_zero(vm_ptoa(frame))) {
		(void)vm_page_free(vm_ptoa(frame));
		return (VM_PADDR_NONE);
	}
	return (vm_ptoa(frame));
}

/*
 * Push a page that this CPU's queue takes; false: try the long way.
 */
static inline bool
page_push(struct vm_cpuq *cq, uint32_t cpu, vm_frame_t frame)
{
	const struct vm_pageplace *pp = &cq->cq_free;
	unsigned bit = (unsigned)(frame & WORD_LAST);
	struct vm_pageq *q = pp->pp_queue;
	uint32_t n;

	if (frame - pp->pp_start >= pp->pp_nframes || q == NULL ||
	    bit == WORD_LAST ||
	    atomic_load_explicit(&vm_sync_sleepers, memory_order_relaxed) != 0)
		return (false);
	n = atomic_load_explicit(&q->pq_count, memory_order_relaxed);
	if (__builtin_expect(n == VM_PAGEQ_SIZE, 0)) {
		vm_sync_spill(cpu, q, VM_PAGEQ_BATCH);
		n = atomic_load_explicit(&q->pq_count, memory_order_relaxed);
	}
	/* The entry comes first: a held frame is on a queue at any moment. */
	atomic_store_explicit(&q->pq_entry[n],
	    (uint32_t)(frame - q->pq_base), memory_order_relaxed);
	if (!vm_sync_disown(&pp->pp_word[(frame - pp->pp_first) >> WORD_SHIFT],
	    bit))
		return (false);
	atomic_store_explicit(&q->pq_count, n + 1, memory_order_release);
	return (true);
}

int
vm_page_free(paddr_t pa)
{
	vm_md_intr_t s = vm_md_intr_disable();
	uint32_t cpu = vm_md_curcpu();
	int error = 0;

	if (__builtin_expect((pa & (VM_PAGE_SIZE - 1)) != 0, 0))
		error = EINVAL;
	else if (__builtin_expect(cpu == VM_NOCPU, 0) ||
	    __builtin_expect(!page_push(&vm_cpuqs[cpu], cpu, vm_atop(pa)), 0))
		error = vm_sync_unpage(cpu, vm_atop(pa));
	if (__builtin_expect(error != 0, 0)) {
		vm_md_intr_restore(s);
		return (vm_badfree(error, pa, VM_PAGE_SIZE,
		    __builtin_return_address(0)));
	}
	vm_counter_add(cpu, VM_COUNT_FREE, 1);
	vm_md_intr_restore(s);
	return (0);
}
