/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * One page at a time.
 */

#include <atf-c.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <vm/vm_counter.h>
#include <vm/vm_page.h>
#include <vm/vm_pageq.h>
#include <vm/vm_sync.h>

#include "vm_testlib.h"

#define	MAXPAGES	20000

static paddr_t pages[MAXPAGES];

/* All that there are, under those flags. */
static unsigned
take_all(unsigned flags, paddr_t *out)
{
	unsigned n;

	for (n = 0; (out[n] = vm_page_alloc(flags, 0)) != VM_PADDR_NONE; n++)
		ATF_REQUIRE(n < MAXPAGES - 1);
	return (n);
}

static void
free_all(const paddr_t *pa, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(vm_page_free(pa[i]), 0);
}

static int
by_address(const void *a, const void *b)
{
	paddr_t x = *(const paddr_t *)a, y = *(const paddr_t *)b;

	return (x < y ? -1 : x > y);
}

/* Every page once, and then none; all back, and as before. */
ATF_TC_WITHOUT_HEAD(exhaust);
ATF_TC_BODY(exhaust, tc)
{
	struct vm_audit before, after;
	unsigned n, i, round;

	(void)tc;
	vm_start(pc_ranges, pc_nranges);
	audit_ok(&before);
	for (round = 0; round < 3; round++) {
		n = take_all(VM_PG_USERESERVE, pages);
		ATF_REQUIRE_EQ(n, before.va_free);
		ATF_REQUIRE_EQ(free_pages(), 0);
		free_all(pages, n);
		audit_ok(&after);
		ATF_REQUIRE_EQ(after.va_free + after.va_held, before.va_free);
		qsort(pages, n, sizeof(pages[0]), by_address);
		for (i = 0; i < n; i++) {
			ATF_REQUIRE_EQ(pages[i] % PAGE, 0);
			ATF_REQUIRE(i == 0 || pages[i] != pages[i - 1]);
		}
	}
	vm_pageq_flush();
	audit_ok(&after);
	ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
}

/* The highest list first, and ISA memory not at all without the flag. */
ATF_TC_WITHOUT_HEAD(highest_list_first);
ATF_TC_BODY(highest_list_first, tc)
{
	unsigned i, n, list, before = VM_NFREELIST - 1;

	(void)tc;
	vm_start(pc_ranges, pc_nranges);
	n = take_all(VM_PG_USERESERVE, pages);
	for (i = 0; i < n; i++) {
		list = vm_freelist_of(vm_atop(pages[i]));
		ATF_REQUIRE(list <= before);
		before = list;
	}
	ATF_REQUIRE_EQ(before, VM_FREELIST_ISA);
}

ATF_TC_WITHOUT_HEAD(reserve_of_low_lists);
ATF_TC_BODY(reserve_of_low_lists, tc)
{
	uint64_t left[VM_NFREELIST];
	unsigned n, list;

	(void)tc;
	vm_start(pc_ranges, pc_nranges);
	ATF_REQUIRE_EQ(vm_sync_reserve(VM_FREELIST_DEFAULT), 0);
	n = take_all(0, pages);
	ATF_REQUIRE(n > 0);
	for (list = 0; list < VM_NFREELIST; list++) {
		left[list] = vm_sync_nfree((enum vm_freelist)list);
		ATF_REQUIRE(left[list] <=
		    vm_sync_reserve((enum vm_freelist)list));
	}
	ATF_REQUIRE(left[VM_FREELIST_ISA] > 0);
	ATF_REQUIRE(left[VM_FREELIST_DMA31] > 0);
	ATF_REQUIRE(left[VM_FREELIST_DMA32] > 0);
	/* It is there for those who may. */
	ATF_REQUIRE(vm_page_alloc(VM_PG_USERESERVE, 0) != VM_PADDR_NONE);
	/* A machine with ISA memory alone uses it. */
	vm_start(&pc_ranges[1], 1);
	ATF_REQUIRE_EQ(vm_freelist_of(vm_atop(vm_page_alloc(0, 0))),
	    VM_FREELIST_DMA31);
	vm_start(&(struct vm_memrange){ MiB, MiB }, 1);
	ATF_REQUIRE_EQ(vm_freelist_of(vm_atop(vm_page_alloc(0, 0))),
	    VM_FREELIST_ISA);
}

/* What those who may have taken and given back is still of the reserve. */
ATF_TC_WITHOUT_HEAD(reserve_is_not_leaked);
ATF_TC_BODY(reserve_is_not_leaked, tc)
{
	static const struct vm_memrange map[] = {
		{ 16 * MiB, 512 * MiB }, { 4 * GiB, 8 * MiB }
	};
	static paddr_t plain[200000];
	paddr_t pa[500];
	uint64_t left;
	unsigned i;

	(void)tc;
	vm_start(map, NITEMS(map));
	for (i = 0; (plain[i] = vm_page_alloc(0, 0)) != VM_PADDR_NONE;)
		i++;
	left = free_pages();
	ATF_REQUIRE(left > 1000);
	/* The refill for one such page is no source for others. */
	pa[0] = vm_page_alloc(VM_PG_USERESERVE, 0);
	ATF_REQUIRE(pa[0] != VM_PADDR_NONE);
	ATF_REQUIRE_EQ(vm_page_alloc(0, 0), VM_PADDR_NONE);
	for (i = 1; i < NITEMS(pa); i++)
		pa[i] = vm_page_alloc(VM_PG_USERESERVE, 0);
	ATF_REQUIRE_EQ(vm_page_alloc(0, 0), VM_PADDR_NONE);
	free_all(pa, NITEMS(pa));
	ATF_REQUIRE_EQ(vm_page_alloc(0, 0), VM_PADDR_NONE);
	ATF_REQUIRE_EQ(free_pages(), left);
	/* What is freed above the reserve is there again. */
	free_all(plain, 100);
	for (i = 0; i < 100; i++)
		ATF_REQUIRE(vm_page_alloc(0, 0) != VM_PADDR_NONE);
	ATF_REQUIRE_EQ(vm_page_alloc(0, 0), VM_PADDR_NONE);
}

/* Pages below 16 MiB go straight back to the map. */
ATF_TC_WITHOUT_HEAD(isa_never_held);
ATF_TC_BODY(isa_never_held, tc)
{
	struct vm_audit va;
	unsigned n;

	(void)tc;
	vm_start(&(struct vm_memrange){ MiB, 8 * MiB }, 1);
	n = take_all(0, pages);
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_held, 0);
	free_all(pages, n);
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_held, 0);
}

ATF_TC_WITHOUT_HEAD(zeroed);
ATF_TC_BODY(zeroed, tc)
{
	static const uint8_t zeros[4096];
	unsigned char *va;
	unsigned i;
	paddr_t pa;

	(void)tc;
	vm_start(pc_ranges, pc_nranges);
	for (i = 0; i < 500; i++) {
		pa = vm_page_alloc(VM_PG_ZERO, 0);
		ATF_REQUIRE(pa != VM_PADDR_NONE);
		va = vm_md_phystov(pa, PAGE);
		ATF_REQUIRE(va != NULL);
		ATF_REQUIRE_EQ(memcmp(va, zeros, PAGE), 0);
		memset(va, 0xa5, PAGE);		/* the next one sees this */
		if (i % 3 != 0)
			ATF_REQUIRE_EQ(vm_page_free(pa), 0);
	}
}

ATF_TC_WITHOUT_HEAD(owner);
ATF_TC_BODY(owner, tc)
{
	vm_owner_t ann = vm_owner_register("ann");
	vm_owner_t bob = vm_owner_register("bob");
	unsigned i, n;

	(void)tc;
	vm_start(pc_ranges, pc_nranges);
	for (n = 0; (pages[n] = vm_page_alloc(VM_PG_USERESERVE,
	    n % 2 == 0 ? ann : bob)) != VM_PADDR_NONE;)
		n++;
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(vm_sync_owner(vm_atop(pages[i])),
		    i % 2 == 0 ? ann : bob);
}

/* With no-drain, what rests on other CPUs' queues is left there. */
static void *
hold_some(void *arg)
{
	pthread_barrier_t *b = arg;
	static paddr_t pa[200];
	unsigned i;

	for (i = 0; i < NITEMS(pa); i++)
		pa[i] = vm_page_alloc(0, 0);
	free_all(pa, NITEMS(pa));
	pthread_barrier_wait(b);
	pthread_barrier_wait(b);
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(nodrain);
ATF_TC_BODY(nodrain, tc)
{
	pthread_barrier_t b;
	pthread_t thread;
	struct vm_audit va;

	(void)tc;
	vm_start(&(struct vm_memrange){ 64 * MiB, 8 * MiB }, 1);
	ATF_REQUIRE_EQ(pthread_barrier_init(&b, NULL, 2), 0);
	ATF_REQUIRE_EQ(pthread_create(&thread, NULL, hold_some, &b), 0);
	pthread_barrier_wait(&b);
	(void)take_all(VM_PG_NODRAIN, pages);
	audit_ok(&va);
	ATF_REQUIRE(va.va_held >= 200);
	ATF_REQUIRE_EQ(va.va_free, 0);
	/* Without it they are memory like any other. */
	(void)take_all(0, pages);
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_held, 0);
	pthread_barrier_wait(&b);
	ATF_REQUIRE_EQ(pthread_join(thread, NULL), 0);
	audit_ok(NULL);
}

/* Fresh: each page once in the life of the machine. */
ATF_TC_WITHOUT_HEAD(fresh);
ATF_TC_BODY(fresh, tc)
{
	static paddr_t again[MAXPAGES];
	uint64_t avail;
	unsigned n, i;

	(void)tc;
	vm_start(pc_ranges, pc_nranges);
	avail = free_pages();
	n = take_all(VM_PG_FRESH | VM_PG_USERESERVE, pages);
	ATF_REQUIRE_EQ(n, avail);
	free_all(pages, n);
	vm_pageq_flush();
	ATF_REQUIRE_EQ(vm_page_alloc(VM_PG_FRESH | VM_PG_USERESERVE, 0),
	    VM_PADDR_NONE);
	ATF_REQUIRE_EQ(free_pages(), avail);

	/* What was used is not fresh, whatever became of it. */
	vm_start(pc_ranges, pc_nranges);
	for (i = 0; i < 100; i++)
		pages[i] = vm_page_alloc(0, 0);
	free_all(pages, 100);
	vm_pageq_flush();
	n = take_all(VM_PG_FRESH | VM_PG_USERESERVE, again);
	ATF_REQUIRE(n > 0 && n <= avail - 100);
	qsort(pages, 100, sizeof(pages[0]), by_address);
	for (i = 0; i < n; i++)
		ATF_REQUIRE(bsearch(&again[i], pages, 100, sizeof(pages[0]),
		    by_address) == NULL);
	audit_ok(NULL);
}

ATF_TC_WITHOUT_HEAD(fresh_not_recorded);
ATF_TC_BODY(fresh_not_recorded, tc)
{

	(void)tc;
	vm_fresh_bits = false;
	vm_start(pc_ranges, pc_nranges);
	ATF_REQUIRE_EQ(vm_page_alloc(VM_PG_FRESH, 0), VM_PADDR_NONE);
	ATF_REQUIRE(vm_page_alloc(0, 0) != VM_PADDR_NONE);
	vm_fresh_bits = true;
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, exhaust);
	ATF_TP_ADD_TC(tp, highest_list_first);
	ATF_TP_ADD_TC(tp, reserve_of_low_lists);
	ATF_TP_ADD_TC(tp, reserve_is_not_leaked);
	ATF_TP_ADD_TC(tp, isa_never_held);
	ATF_TP_ADD_TC(tp, zeroed);
	ATF_TP_ADD_TC(tp, owner);
	ATF_TP_ADD_TC(tp, nodrain);
	ATF_TP_ADD_TC(tp, fresh);
	ATF_TP_ADD_TC(tp, fresh_not_recorded);
	return (atf_no_error());
}
