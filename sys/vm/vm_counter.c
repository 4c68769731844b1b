/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Counters.
 */

#include <vm/vm_counter_var.h>

struct vm_counterset vm_counters[VM_COUNTERSETS];

struct vm_export_name vm_counter_names[VM_NCOUNTER] = {
	[VM_COUNT_ALLOC] = { "alloc" },
	[VM_COUNT_FREE] = { "free" },
	[VM_COUNT_REFILL] = { "refill" },
	[VM_COUNT_SPILL] = { "spill" },
	[VM_COUNT_STEAL] = { "steal" },
	[VM_COUNT_DRAIN] = { "drain" },
	[VM_COUNT_STALE] = { "stale" },
	[VM_COUNT_RUN_ALLOC] = { "run alloc" },
	[VM_COUNT_RUN_FREE] = { "run free" },
	[VM_COUNT_RUN_NOMEM] = { "run ENOMEM" },
	[VM_COUNT_RUN_FBIG] = { "run EFBIG" },
	[VM_COUNT_RUN_INVAL] = { "run EINVAL" },
	[VM_COUNT_RUN_EXAMINED] = { "run examined" },
	[VM_COUNT_BAD_INVAL] = { "bad EINVAL" },
	[VM_COUNT_BAD_ALREADY] = { "bad EALREADY" },
	[VM_COUNT_BAD_MSGSIZE] = { "bad EMSGSIZE" },
};

uint64_t
vm_counter_sum(enum vm_counter c)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < VM_COUNTERSETS; i++)
		sum += atomic_load_explicit(&vm_counters[i].cs_count[c],
		    memory_order_relaxed);
	return (sum);
}

const char *
vm_counter_name(enum vm_counter c)
{

	return (vm_counter_names[c].ven_name);
}

void
vm_counter_reset(void)
{
	unsigned i, c;

	for (i = 0; i < VM_COUNTERSETS; i++) {
		for (c = 0; c < VM_NCOUNTER; c++)
			atomic_store_explicit(&vm_counters[i].cs_count[c], 0,
			    memory_order_relaxed);
	}
}
