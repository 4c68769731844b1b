/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <stdatomic.h>

#include "freelist.h"
#include "machine.h"

static TAILQ_HEAD(, vm_page) free_list = TAILQ_HEAD_INITIALIZER(free_list);
static uint64_t free_count;
static struct vm_page *page_array;
static uint64_t page_array_size;

/* In a cache line of its own. */
static struct {
	_Atomic uint32_t word;
} __attribute__((aligned(64))) free_lock;

void
freelist_init(uint64_t npages)
{
	uint64_t i;

	if (page_array_size < npages) {
		if (page_array != NULL)
			huge_free(page_array,
			    page_array_size * sizeof(*page_array));
		page_array = huge_alloc(npages * sizeof(*page_array));
		page_array_size = npages;
	}
	TAILQ_INIT(&free_list);
	for (i = 0; i < npages; i++) {
		page_array[i].phys_addr = i << 12;
		TAILQ_INSERT_TAIL(&free_list, &page_array[i], pageq);
	}
	free_count = npages;
}

static inline struct vm_page *
list_alloc(void)
{
	struct vm_page *pg = TAILQ_FIRST(&free_list);

	if (pg != NULL) {
		TAILQ_REMOVE(&free_list, pg, pageq);
		free_count--;
	}
	return (pg);
}

static inline void
list_free(struct vm_page *pg)
{

	TAILQ_INSERT_HEAD(&free_list, pg, pageq);
	free_count++;
}

static inline void
lock(void)
{

	while (atomic_exchange_explicit(&free_lock.word, 1,
	    memory_order_acquire) != 0) {
		while (atomic_load_explicit(&free_lock.word,
		    memory_order_relaxed) != 0)
			continue;
	}
}

static inline void
unlock(void)
{

	atomic_store_explicit(&free_lock.word, 0, memory_order_release);
}

struct vm_page *
bare_alloc(void)
{

	return (list_alloc());
}

void
bare_free(struct vm_page *pg)
{

	list_free(pg);
}

struct vm_page *
spin_alloc(void)
{
	struct vm_page *pg;

	lock();
	pg = list_alloc();
	unlock();
	return (pg);
}

void
spin_free(struct vm_page *pg)
{

	lock();
	list_free(pg);
	unlock();
}
