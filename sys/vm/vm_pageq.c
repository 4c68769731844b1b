/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Storage of the page queues.  What moves frames on and off them is in
 * vm_sync.c.
 *
 * One queue a CPU and list, as a ring of numbers, was preferred to magazines
 * with a depot: there is one place to look for held frames, in an order that
 * tells which of them are new, and no list of anything.  Its length decides
 * what churn costs, because a page that is spilled is looked up three times
 * more: in pages freed and allocated at random, against a bare free list, at
 * 50, 90 and 99 % occupancy (vmbench -w churn, 16 GiB)
 *
 *	1024 entries	1.20	1.04	1.78
 *	2048		0.88	0.88	1.26
 *	4096		0.63	0.71	0.83
 *	8192		0.63	0.67	0.71
 *
 * and it decides, once, what a first request costs that cannot be served, as
 * each entry is probed for 1.2 to 2.7 ns.  4096 holds both ends.
 */

#include <vm/vm_pageq.h>
#include <vm/vm_sync.h>

struct vm_cpuq vm_cpuqs[VM_CPUQS];

/* Apart from the rest, whose size then is next to that of a power of two. */
static _Atomic uint32_t entries[VM_MAXCPU][VM_PAGEQ_LISTS][VM_PAGEQ_SIZE]
    __attribute__((aligned(VM_CACHE_LINE)));

static void
cpuq_reset(struct vm_cpuq *cq, const vm_frame_t base[VM_NFREELIST],
    enum vm_freelist top, const _Atomic uint64_t nfree[VM_NFREELIST])
{
	struct vm_pageq *q;
	unsigned list;

	atomic_store_explicit(&cq->cq_top, &cq->cq_queue[top],
	    memory_order_relaxed);
	for (list = VM_PAGEQ_FIRST; list < VM_NFREELIST; list++) {
		cq->cq_hint[list] = 0;
		q = &cq->cq_queue[list];
		memset(&q->pq_place, 0, sizeof(q->pq_place));
		q->pq_base = base[list];
		q->pq_entry = entries[cq - vm_cpuqs][list - VM_PAGEQ_FIRST];
		q->pq_nfree = &nfree[list];
		atomic_store_explicit(&q->pq_head, 0, memory_order_relaxed);
		atomic_store_explicit(&q->pq_tail, 0, memory_order_relaxed);
	}
}

void
vm_pageq_reset(const vm_frame_t base[VM_NFREELIST], enum vm_freelist top,
    const _Atomic uint64_t nfree[VM_NFREELIST])
{
	unsigned cpu;

	for (cpu = 0; cpu < VM_MAXCPU; cpu++)
		cpuq_reset(&vm_cpuqs[cpu], base, top, nfree);
}

void
vm_pageq_top(enum vm_freelist top)
{
	unsigned cpu;

	for (cpu = 0; cpu < VM_MAXCPU; cpu++)
		atomic_store_explicit(&vm_cpuqs[cpu].cq_top,
		    &vm_cpuqs[cpu].cq_queue[top], memory_order_relaxed);
}

void
vm_pageq_flush(void)
{
	vm_md_intr_t s = vm_md_intr_disable();
	uint32_t cpu = vm_md_curcpu();
	unsigned list;

	if (cpu != VM_NOCPU) {
		for (list = VM_PAGEQ_FIRST; list < VM_NFREELIST; list++)
			vm_sync_spill(cpu, &vm_cpuqs[cpu].cq_queue[list],
			    VM_PAGEQ_SIZE);
	}
	vm_md_intr_restore(s);
}
