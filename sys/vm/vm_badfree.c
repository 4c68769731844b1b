/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Reporting refused frees: nothing has changed, so all that is left to do is to
 * count them and to say so.
 *
 * A caller that frees wrongly in a loop must not drown the console, so there
 * is a budget of lines a second; the counters know of all of them.  To refuse
 * a free, and count it under the map's lock, takes about 45 ns (measured on
 * the machine of the bench, a page freed twice); the line has 70 characters,
 * which are 6 ms of a serial line at 115200 baud.  Five of them are 3 per cent
 * of a second; a line for each would make every wrong free 100000 times as
 * dear.
 */

#include <vm/vm_badfree.h>
#include <vm/vm_counter_var.h>
#include <vm/vm_physseg.h>
#include <vm/vm_sync.h>

#ifdef VM_PANIC_ON_BAD_FREE
bool vm_badfree_panic = true;
#else
bool vm_badfree_panic = false;
#endif

#define	NSEC_PER_SEC	1000000000ULL

static _Atomic uint64_t second_began;
static _Atomic uint32_t lines;

/* May another line be printed?  Races only let a line more or less through. */
static bool
may_print(void)
{
	uint64_t now = vm_md_nanotime();

	if (now - atomic_load_explicit(&second_began, memory_order_relaxed) >=
	    NSEC_PER_SEC) {
		atomic_store_explicit(&second_began, now,
		    memory_order_relaxed);
		atomic_store_explicit(&lines, 0, memory_order_relaxed);
	}
	return (atomic_fetch_add_explicit(&lines, 1, memory_order_relaxed) <
	    VM_BADFREE_RATE);
}

static enum vm_counter
error_counter(int error)
{

	switch (error) {
	case EALREADY:
		return (VM_COUNT_BAD_ALREADY);
	case EMSGSIZE:
		return (VM_COUNT_BAD_MSGSIZE);
	default:
		return (VM_COUNT_BAD_INVAL);
	}
}

const char *
vm_badfree_why(int error)
{

	switch (error) {
	case EALREADY:
		return ("already free");
	case EMSGSIZE:
		return ("the allocation has another size");
	default:
		return ("not the start of an allocation");
	}
}

const char *
vm_badfree_page_why(int error, paddr_t pa)
{

	if (error != EINVAL)
		return (vm_badfree_why(error));
	if ((pa & (VM_PAGE_SIZE - 1)) != 0)
		return ("not the start of a page");
	if (!vm_physseg_managed(vm_atop(pa), vm_atop(pa) + 1))
		return ("not managed memory");
	return (vm_badfree_why(error));
}

int
vm_badfree(int error, paddr_t pa, psize_t size, const void *caller,
    const char *why)
{
	vm_md_intr_t s = vm_sync_lock();

	vm_counter_add(vm_md_curcpu(), error_counter(error), 1);
	vm_sync_count_at(vm_atop(pa), error_counter(error), 1);
	vm_sync_unlock(s);
	if (vm_badfree_panic)
		vm_md_panic("bad free of %#llx size %#llx from %p: %s",
		    (unsigned long long)pa, (unsigned long long)size, caller,
		    why);
	if (may_print())
		vm_md_printf("bad free of %#llx size %#llx from %p: %s\n",
		    (unsigned long long)pa, (unsigned long long)size, caller,
		    why);
	return (error);
}
