/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What kmem(9) and km_map(9) say of a misuse: a count, and one line.
 */

#include <sys/kmem.h>

#include <vm/vm_badfree.h>

#include "kmem_block.h"

static _Atomic uint64_t bad_count[KMEM_NBADNESS];

static const char *const bad_text[KMEM_NBADNESS] = {
	[KMEM_BAD_START] = "not the start of an allocation",
	[KMEM_BAD_FREE] = "already free",
	[KMEM_BAD_SIZE] = "the allocation has another size",
	[KMEM_REDZONE] = "written behind its end",
	[KMEM_POISON] = "written after it was freed",
};

/*
 * may_print: at most VM_BADFREE_RATE lines a second; races only let a line
 * more or less through.
 */
static bool
may_print(void)
{
	static _Atomic uint64_t second;
	static _Atomic uint32_t lines;
	uint64_t now = vm_md_nanotime() / 1000000000;

	if (atomic_exchange_explicit(&second, now, memory_order_relaxed) !=
	    now)
		atomic_store_explicit(&lines, 0, memory_order_relaxed);
	return (atomic_fetch_add_explicit(&lines, 1, memory_order_relaxed) <
	    VM_BADFREE_RATE);
}

void
kmem_report(const char *who, enum kmem_badness what, const void *p,
    size_t size, const void *caller)
{

	atomic_fetch_add_explicit(&bad_count[what], 1, memory_order_relaxed);
	if (vm_badfree_panic)
		vm_md_panic("%s: %p size %zu from %p: %s", who, p, size,
		    caller, bad_text[what]);
	if (may_print())
		vm_md_printf("%s: %p size %zu from %p: %s\n", who, p, size,
		    caller, bad_text[what]);
}

uint64_t
kmem_bad(enum kmem_badness what)
{

	return (atomic_load_explicit(&bad_count[what], memory_order_relaxed));
}

void
kmem_report_init(void)
{
	unsigned i;

	for (i = 0; i < KMEM_NBADNESS; i++)
		atomic_store(&bad_count[i], 0);
}
