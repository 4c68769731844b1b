/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Counting, for the files of sys/vm.
 */

#ifndef _VM_VM_COUNTER_VAR_H_
#define	_VM_VM_COUNTER_VAR_H_

#include <vm/vm_counter.h>
#include <vm/vm_export.h>
#include <vm/vm_physseg.h>
#include <vm/vm_types.h>

/* A set a CPU, which lies beside its queues; see struct vm_cpuq. */
struct vm_counterset {
	_Atomic uint64_t cs_count[VM_NCOUNTER];
};

extern struct vm_export_name vm_counter_names[VM_NCOUNTER];

/*
 * By CPU, the last being for contexts that are none, and by vm_physseg_slot().
 */
extern struct vm_counterset vm_segcounters[VM_MAXCPU + 1][VM_PHYSSEG_MAX];

/*
 * vm_counter_add: count n events.  => interrupts disabled, so that a CPU's
 * set has one writer; contexts that are no CPU share a set and pay for an
 * atomic add.  Whoever reads the new value with acquire order sees what was
 * done before: vm_sync.c tells by the counters whether a queue has changed.
 * vm_counter_add_at: the same, in the set of a segment.
 * vm_counter_bump: one event, in a set of this CPU.
 */
void	vm_counter_add(uint32_t cpu, enum vm_counter c, uint64_t n);
void	vm_counter_add_at(uint32_t cpu, unsigned slot, enum vm_counter c,
	    uint64_t n);

static inline void
vm_counter_bump(struct vm_counterset *cs, enum vm_counter c)
{
	_Atomic uint64_t *p = &cs->cs_count[c];

	atomic_store_explicit(p,
	    atomic_load_explicit(p, memory_order_relaxed) + 1,
	    memory_order_release);
}

/*
 * vm_counter_clear: a segment begins to count.
 * vm_counter_join: what was counted in the slot from is added to that of to.
 * => the map's lock held.  An event of this very moment may be lost.
 */
void	vm_counter_clear(unsigned slot);
void	vm_counter_join(unsigned to, unsigned from);

/* vm_counter_reset: all to zero; one CPU. */
void	vm_counter_reset(void);

#endif /* !_VM_VM_COUNTER_VAR_H_ */
