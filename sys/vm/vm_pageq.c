/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Storage of the page queues.  What moves frames on and off them is in
 * vm_sync.c.
 */

#include <vm/vm_pageq.h>
#include <vm/vm_sync.h>

struct vm_cpuq vm_cpuqs[VM_MAXCPU];

static void
cpuq_reset(struct vm_cpuq *cq, const vm_frame_t base[VM_NFREELIST],
    enum vm_freelist top, const _Atomic uint64_t nfree[VM_NFREELIST])
{
	struct vm_pageq *q;
	unsigned list;

	atomic_store_explicit(&cq->cq_top, vm_pageq_of(cq, top),
	    memory_order_relaxed);
	for (list = 0; list < VM_NFREELIST; list++) {
		cq->cq_hint[list] = 0;
		q = vm_pageq_of(cq, (enum vm_freelist)list);
		if (q == NULL)
			continue;
		memset(&q->pq_place, 0, sizeof(q->pq_place));
		q->pq_base = base[list];
		q->pq_nfree = &nfree[list];
		atomic_store_explicit(&q->pq_count, 0, memory_order_relaxed);
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
		    vm_pageq_of(&vm_cpuqs[cpu], top), memory_order_relaxed);
}

void
vm_pageq_flush(void)
{
	vm_md_intr_t s = vm_md_intr_disable();
	uint32_t cpu = vm_md_curcpu();
	struct vm_pageq *q;
	unsigned list;

	if (cpu != VM_NOCPU) {
		for (list = 0; list < VM_NFREELIST; list++) {
			q = vm_pageq_of(&vm_cpuqs[cpu],
			    (enum vm_freelist)list);
			if (q != NULL)
				vm_sync_spill(cpu, q, VM_PAGEQ_SIZE);
		}
	}
	vm_md_intr_restore(s);
}
