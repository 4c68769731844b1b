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
 * is called last: so the common case needs no stack frame and saves no
 * registers, which is half of its instructions.
 */

#include <vm/vm_badfree.h>
#include <vm/vm_counter_var.h>
#include <vm/vm_page.h>
#include <vm/vm_pglist.h>
#include <vm/vm_physseg.h>
#include <vm/vm_sync.h>

#define	WORD_SHIFT	5
#define	WORD_LAST	(VM_EXTWORD_FRAMES - 1)

#define	likely(e)	__builtin_expect((e), 1)
#define	unlikely(e)	__builtin_expect((e), 0)

static inline vm_extword_t *
place_word(const struct vm_pageplace *pp, vm_frame_t frame)
{

	return (&pp->pp_word[(frame - pp->pp_first) >> WORD_SHIFT]);
}

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
		if ((flags & VM_PG_USERESERVE) != 0 ||
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
page_alloc_slow(vm_md_intr_t s, uint32_t cpu, unsigned flags,
    vm_owner_t owner)
{
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
	uint32_t cpu = vm_md_curcpu(), n;
	const struct vm_pageplace *pp;
	vm_frame_t frame;
	struct vm_pageq *q;

	if (unlikely(cpu == VM_NOCPU ||
	    (flags & (VM_PG_ZERO | VM_PG_FRESH)) != 0))
		return (page_alloc_slow(s, cpu, flags, owner));
	q = atomic_load_explicit(&vm_cpuqs[cpu].cq_top, memory_order_relaxed);
	if (unlikely(q == NULL))
		return (page_alloc_slow(s, cpu, flags, owner));
	n = atomic_load_explicit(&q->pq_count, memory_order_relaxed) - 1;
	if (unlikely(n == UINT32_MAX || vm_pageq_withheld(q)))
		return (page_alloc_slow(s, cpu, flags, owner));
	frame = q->pq_base + atomic_load_explicit(&q->pq_entry[n],
	    memory_order_relaxed);
	pp = &q->pq_place;
	if (unlikely(frame - pp->pp_start >= pp->pp_nframes ||
	    !vm_sync_own(place_word(pp, frame), (unsigned)(frame & WORD_LAST))))
		return (page_alloc_slow(s, cpu, flags, owner));
	atomic_store_explicit(&q->pq_count, n, memory_order_relaxed);
	vm_sync_tag(pp, frame, owner);
	vm_counter_add(cpu, VM_COUNT_ALLOC, 1);
	vm_md_intr_restore(s);
	return (vm_ptoa(frame));
}

/*
 * The queue that takes a frame, or NULL: it is in the ISA list, which comes
 * first, or nowhere; the place says that.
 */
static inline struct vm_pageq *
frame_queue(struct vm_cpuq *cq, vm_frame_t frame)
{

	if (frame < vm_freelist_limit(VM_FREELIST_ISA))
		return (NULL);
	return (&cq->cq_queue[
	    (frame >= vm_freelist_limit(VM_FREELIST_DMA31) ? 1 : 0) +
	    (frame >= vm_freelist_limit(VM_FREELIST_DMA32) ? 1 : 0)]);
}

_Static_assert(VM_FREELIST_ISA == 0 && VM_FREELIST_DMA31 == 1 &&
    VM_FREELIST_DMA32 == 2 && VM_FREELIST_DEFAULT == VM_NFREELIST - 1,
    "frame_queue() counts limits");

/*
 * If the queue is full, room is made for those that come; this one goes the
 * long way.
 */
static __attribute__((noinline)) int
page_free_slow(vm_md_intr_t s, uint32_t cpu, paddr_t pa, const void *caller)
{
	struct vm_pageq *q = NULL;
	int error = EINVAL;

	if (cpu != VM_NOCPU)
		q = frame_queue(&vm_cpuqs[cpu], vm_atop(pa));
	if (q != NULL && atomic_load_explicit(&q->pq_count,
	    memory_order_relaxed) == VM_PAGEQ_SIZE)
		vm_sync_spill(cpu, q, VM_PAGEQ_BATCH);
	if ((pa & (VM_PAGE_SIZE - 1)) == 0)
		error = vm_sync_unpage(cpu, vm_atop(pa));
	if (error == 0)
		vm_counter_add(cpu, VM_COUNT_FREE, 1);
	vm_md_intr_restore(s);
	return (error == 0 ? 0 : vm_badfree(error, pa, VM_PAGE_SIZE, caller));
}

int
vm_page_free(paddr_t pa)
{
	vm_md_intr_t s = vm_md_intr_disable();
	uint32_t cpu = vm_md_curcpu(), n;
	const struct vm_pageplace *pp;
	vm_frame_t frame = vm_atop(pa);
	struct vm_pageq *q;

	if (unlikely(cpu == VM_NOCPU || (pa & (VM_PAGE_SIZE - 1)) != 0 ||
	    (frame & WORD_LAST) == WORD_LAST))
		return (page_free_slow(s, cpu, pa,
		    __builtin_return_address(0)));
	q = frame_queue(&vm_cpuqs[cpu], frame);
	if (unlikely(q == NULL))
		return (page_free_slow(s, cpu, pa,
		    __builtin_return_address(0)));
	pp = &q->pq_place;
	n = atomic_load_explicit(&q->pq_count, memory_order_relaxed);
	if (unlikely(frame - pp->pp_start >= pp->pp_nframes ||
	    n == VM_PAGEQ_SIZE || pp->pp_epoch !=
	    atomic_load_explicit(&vm_sync_epoch, memory_order_relaxed)))
		return (page_free_slow(s, cpu, pa,
		    __builtin_return_address(0)));
	/* The entry comes first: a held frame is on a queue at any moment. */
	atomic_store_explicit(&q->pq_entry[n],
	    (uint32_t)(frame - q->pq_base), memory_order_relaxed);
	if (unlikely(!vm_sync_disown(place_word(pp, frame),
	    (unsigned)(frame & WORD_LAST))))
		return (page_free_slow(s, cpu, pa,
		    __builtin_return_address(0)));
	atomic_store_explicit(&q->pq_count, n + 1, memory_order_release);
	/* Pages of a higher list go first again. */
	if (unlikely(q > atomic_load_explicit(&vm_cpuqs[cpu].cq_top,
	    memory_order_relaxed)))
		atomic_store_explicit(&vm_cpuqs[cpu].cq_top, q,
		    memory_order_relaxed);
	vm_counter_add(cpu, VM_COUNT_FREE, 1);
	vm_md_intr_restore(s);
	return (0);
}
