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
#include <vm/vm_types.h>

struct vm_counterset {
	_Atomic uint64_t cs_count[VM_NCOUNTER];
} __attribute__((aligned(VM_CACHE_LINE)));

/* A set a CPU, and one for contexts that are none. */
#define	VM_COUNTERSETS	(VM_MAXCPU + 1)

extern struct vm_counterset vm_counters[VM_COUNTERSETS];
extern struct vm_export_name vm_counter_names[VM_NCOUNTER];

/*
 * vm_counter_add: count n events.  => interrupts disabled, so that a CPU's
 * set has one writer; the last set is shared and pays for an atomic add.
 * Whoever reads the new value with acquire order sees what was done before:
 * vm_sync.c tells by the counters whether a queue has changed.
 */
static inline void
vm_counter_add(uint32_t cpu, enum vm_counter c, uint64_t n)
{
	_Atomic uint64_t *p;

	if (cpu == VM_NOCPU) {
		p = &vm_counters[VM_MAXCPU].cs_count[c];
		atomic_fetch_add_explicit(p, n, memory_order_release);
		return;
	}
	p = &vm_counters[cpu].cs_count[c];
	atomic_store_explicit(p,
	    atomic_load_explicit(p, memory_order_relaxed) + n,
	    memory_order_release);
}

/* vm_counter_reset: all to zero; one CPU. */
void	vm_counter_reset(void);

#endif /* !_VM_VM_COUNTER_VAR_H_ */
