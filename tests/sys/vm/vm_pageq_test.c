/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The per-CPU queues.
 */

#include <atf-c.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <vm/vm_counter.h>
#include <vm/vm_page.h>
#include <vm/vm_pageq.h>
#include <vm/vm_pglist.h>

#include "vm_testlib.h"

static const struct vm_memrange machine = { 4 * GiB, 256 * MiB };

static paddr_t pages[3 * VM_PAGEQ_SIZE];

static void
take(unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		pages[i] = vm_page_alloc(0, 0);
		ATF_REQUIRE(pages[i] != VM_PADDR_NONE);
	}
}

static void
give(unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(vm_page_free(pages[i]), 0);
}

ATF_TC_WITHOUT_HEAD(flush);
ATF_TC_BODY(flush, tc)
{
	struct vm_audit before, va;

	(void)tc;
	vm_start(&machine, 1);
	audit_ok(&before);
	vm_pageq_flush();		/* of nothing */
	take(100);
	give(100);
	audit_ok(&va);
	ATF_REQUIRE(va.va_held >= 90);
	vm_pageq_flush();
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_held, 0);
	ATF_REQUIRE_EQ(va.va_digest, before.va_digest);
	vm_pageq_flush();
	audit_ok(NULL);
}

/* Many more frees than a queue has room for, at every length of it. */
ATF_TC_WITHOUT_HEAD(overflow);
ATF_TC_BODY(overflow, tc)
{
	struct vm_audit before, va;
	unsigned n;

	(void)tc;
	vm_start(&machine, 1);
	audit_ok(&before);
	for (n = 1; n <= NITEMS(pages); n += n < 3000 ? 97 : 700) {
		take(n);
		audit_ok(&va);
		ATF_REQUIRE_EQ(va.va_allocated, before.va_allocated + n);
		give(n);
		audit_ok(&va);
		ATF_REQUIRE_EQ(va.va_allocated, before.va_allocated);
		ATF_REQUIRE(va.va_held <= VM_PAGEQ_SIZE);
	}
	vm_pageq_flush();
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_digest, before.va_digest);
}

/* In whatever order they come. */
ATF_TC_WITHOUT_HEAD(overflow_random);
ATF_TC_BODY(overflow_random, tc)
{
	struct vm_audit before, va;
	unsigned i, k, n = NITEMS(pages);
	struct rng r;
	paddr_t pa;

	rng_init(&r, tc, 1);
	vm_start(&machine, 1);
	audit_ok(&before);
	take(n);
	for (i = 0; i < 200000; i++) {
		k = (unsigned)rng_below(&r, n);
		if (pages[k] == VM_PADDR_NONE) {
			pages[k] = vm_page_alloc(0, 0);
			ATF_REQUIRE(pages[k] != VM_PADDR_NONE);
		} else {
			ATF_REQUIRE_EQ(vm_page_free(pages[k]), 0);
			pages[k] = VM_PADDR_NONE;
		}
		if (i % 10000 == 0)
			audit_ok(NULL);
	}
	for (k = 0; k < n; k++) {
		pa = pages[k];
		ATF_REQUIRE(pa == VM_PADDR_NONE || vm_page_free(pa) == 0);
	}
	vm_pageq_flush();
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_digest, before.va_digest);
}

/* Which frame a 32-bit number means, where memory is that far apart. */
ATF_TC_WITHOUT_HEAD(numbers_far_apart);
ATF_TC_BODY(numbers_far_apart, tc)
{
	static const struct vm_memrange far[] = {
		{ 5 * GiB, 4 * MiB },
		{ (UINT64_C(1) << 44) - 2 * MiB, 4 * MiB }, /* 2^32 frames */
		{ (UINT64_C(1) << 44) + 5 * GiB, 4 * MiB },
		{ TOP - 4 * MiB, 4 * MiB },
	};
	struct vm_audit before, va;
	unsigned i, n, round;

	(void)tc;
	vm_start(far, NITEMS(far));
	audit_ok(&before);
	for (round = 0; round < 3; round++) {
		for (n = 0; (pages[n] = vm_page_alloc(0, 0)) !=
		    VM_PADDR_NONE;)
			n++;
		ATF_REQUIRE_EQ(n, before.va_free);
		audit_ok(NULL);
		for (i = 0; i < n; i++)
			ATF_REQUIRE_EQ(vm_page_free(pages[(i * 7919) % n]),
			    0);
		audit_ok(&va);
		ATF_REQUIRE_EQ(va.va_free + va.va_held, before.va_free);
	}
	vm_pageq_flush();
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_digest, before.va_digest);
}

/* A thread that ends gives its pages and its number back. */
static void *
some_pages(void *arg)
{
	paddr_t pa[100];
	unsigned i;

	(void)arg;
	for (i = 0; i < NITEMS(pa); i++)
		pa[i] = vm_page_alloc(0, 0);
	for (i = 0; i < NITEMS(pa); i++)
		(void)vm_page_free(pa[i]);
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(thread_exit);
ATF_TC_BODY(thread_exit, tc)
{
	struct vm_audit before, va;
	pthread_t thread;
	unsigned i;

	(void)tc;
	vm_start(&machine, 1);
	audit_ok(&before);
	for (i = 0; i < 4 * VM_MAXCPU; i++) {
		ATF_REQUIRE_EQ(pthread_create(&thread, NULL, some_pages,
		    NULL), 0);
		ATF_REQUIRE_EQ(pthread_join(thread, NULL), 0);
		audit_ok(&va);
		ATF_REQUIRE_EQ(va.va_digest, before.va_digest);
	}
}

/* More threads at once than there are CPUs: the last do without queues. */
static pthread_barrier_t all_there;
static _Atomic unsigned without;

static void *
with_others(void *arg)
{
	paddr_t pa[50];
	unsigned i, round;

	(void)arg;
	if (vm_md_curcpu() == VM_NOCPU)
		atomic_fetch_add(&without, 1);
	pthread_barrier_wait(&all_there);
	for (round = 0; round < 20; round++) {
		for (i = 0; i < NITEMS(pa); i++)
			pa[i] = vm_page_alloc(0, 0);
		for (i = 0; i < NITEMS(pa); i++) {
			if (pa[i] == VM_PADDR_NONE || vm_page_free(pa[i]) != 0)
				return (arg);
		}
	}
	pthread_barrier_wait(&all_there);
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(more_threads_than_cpus);
ATF_TC_BODY(more_threads_than_cpus, tc)
{
	pthread_t thread[VM_MAXCPU + 10];
	struct vm_audit before, va;
	unsigned i;
	void *result;

	(void)tc;
	vm_start(&(struct vm_memrange){ 4 * GiB, 512 * MiB }, 1);
	audit_ok(&before);
	ATF_REQUIRE_EQ(pthread_barrier_init(&all_there, NULL,
	    NITEMS(thread)), 0);
	for (i = 0; i < NITEMS(thread); i++)
		ATF_REQUIRE_EQ(pthread_create(&thread[i], NULL, with_others,
		    &without), 0);
	for (i = 0; i < NITEMS(thread); i++) {
		ATF_REQUIRE_EQ(pthread_join(thread[i], &result), 0);
		ATF_REQUIRE(result == NULL);
	}
	/* This thread may have a number too. */
	ATF_REQUIRE(without == 10 || without == 11);
	vm_pageq_flush();
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_digest, before.va_digest);
}

/* A run that needs pages from the queues of others, who are asleep. */
static void *
keep_all(void *arg)
{
	unsigned i;

	(void)arg;
	for (i = 0; i < 900; i++)
		pages[i] = vm_page_alloc(0, 0);
	for (i = 0; i < 900; i++)
		(void)vm_page_free(pages[i]);
	pthread_barrier_wait(&all_there);
	pthread_barrier_wait(&all_there);
	/* Its entries are stale by now; that must not hurt. */
	for (i = 0; i < 50; i++) {
		if (vm_page_alloc(0, 0) == VM_PADDR_NONE)
			break;
	}
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(taken_back_for_a_run);
ATF_TC_BODY(taken_back_for_a_run, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	struct vm_audit va;
	pthread_t thread;
	uint64_t steal;
	paddr_t pa;

	(void)tc;
	vm_start(&(struct vm_memrange){ 4 * GiB, 4 * MiB }, 1);
	ATF_REQUIRE_EQ(pthread_barrier_init(&all_there, NULL, 2), 0);
	ATF_REQUIRE_EQ(pthread_create(&thread, NULL, keep_all, NULL), 0);
	pthread_barrier_wait(&all_there);
	audit_ok(&va);
	ATF_REQUIRE(va.va_held >= 800);
	steal = vm_counter_sum(VM_COUNT_STEAL);
	req.vpr_size = (va.va_free + va.va_held) * PAGE;
	req.vpr_flags = VM_PG_NODRAIN;
	ATF_REQUIRE_EQ(run_error(&req), ENOMEM);
	ATF_REQUIRE_EQ(vm_counter_sum(VM_COUNT_STEAL), steal);
	req.vpr_flags = 0;
	pa = run_alloc(&req);
	ATF_REQUIRE(vm_counter_sum(VM_COUNT_STEAL) >= steal + 800);
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_held, 0);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 0), 0);
	pthread_barrier_wait(&all_there);
	ATF_REQUIRE_EQ(pthread_join(thread, NULL), 0);
	ATF_REQUIRE(vm_counter_sum(VM_COUNT_STALE) > 0);
	audit_ok(NULL);
}

/*
 * What a request in vain learned about the queues is not trusted for longer
 * than it holds: pages go and come, by the queues and by the map, and the same
 * request is served whenever two neighbours are free.
 */
#define	PAIR_FRAMES	((unsigned)(32 * MiB / VM_PAGE_SIZE))

static bool owned[PAIR_FRAMES];
static bool metadata[PAIR_FRAMES];	/* owned from the start */

static bool
pair_is_free(void)
{
	unsigned i;

	for (i = 0; i < PAIR_FRAMES; i += 2) {
		if (!owned[i] && !owned[i + 1])
			return (true);
	}
	return (false);
}

static void
pair_ask(const struct vm_pgreq *req)
{
	bool expected = pair_is_free();
	struct vm_pgseg seg;
	unsigned n, f;

	ATF_REQUIRE_EQ(vm_pglist_alloc(req, &seg, &n), expected ? 0 : ENOMEM);
	if (!expected)
		return;
	f = (unsigned)vm_atop(seg.vps_start - 4 * GiB);
	ATF_REQUIRE(!owned[f] && !owned[f + 1]);
	ATF_REQUIRE_EQ(vm_pglist_trim(seg.vps_start, seg.vps_start,
	    VM_PAGE_SIZE), 0);
	owned[f] = true;
}

/* A page from the queue, or one whose neighbour is (mostly) not free. */
static void
pair_change(struct rng *r)
{
	unsigned f = (unsigned)rng_below(r, PAIR_FRAMES);
	paddr_t pa;

	if (rng_below(r, 3) == 0) {
		pa = vm_page_alloc(0, 0);
		if (pa != VM_PADDR_NONE)
			owned[vm_atop(pa - 4 * GiB)] = true;
	} else if (owned[f] && !metadata[f] &&
	    (owned[f ^ 1] || rng_below(r, 100) == 0)) {
		ATF_REQUIRE_EQ(vm_page_free(4 * GiB + vm_ptoa(f)), 0);
		owned[f] = false;
	}
}

ATF_TC_WITHOUT_HEAD(look_remembered);
ATF_TC_BODY(look_remembered, tc)
{
	static const struct vm_memrange small = { 4 * GiB, 32 * MiB };
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(2 * VM_PAGE_SIZE);
	unsigned i, taken;
	struct rng r;
	paddr_t pa;

	rng_init(&r, tc, 1);
	req.vpr_align = 2 * VM_PAGE_SIZE;
	vm_start(&small, 1);
	for (i = 0; i < PAIR_FRAMES; i++)
		owned[i] = metadata[i] = true;
	for (taken = 0; (pa = vm_page_alloc(0, 0)) != VM_PADDR_NONE; taken++)
		metadata[vm_atop(pa - 4 * GiB)] = false;
	ATF_REQUIRE(taken > PAIR_FRAMES / 2);
	for (i = 0; i < 20000; i++) {
		unsigned changes = 1U << rng_below(&r, 12);

		if (i % 16 != 0)
			changes = 1 + (unsigned)rng_below(&r, 3);
		while (changes-- > 0)
			pair_change(&r);
		pair_ask(&req);
		if (i % 1000 == 0) {
			if (i % 3000 == 0)
				vm_pageq_flush();
			audit_ok(NULL);
		}
	}
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, look_remembered);
	ATF_TP_ADD_TC(tp, flush);
	ATF_TP_ADD_TC(tp, overflow);
	ATF_TP_ADD_TC(tp, overflow_random);
	ATF_TP_ADD_TC(tp, numbers_far_apart);
	ATF_TP_ADD_TC(tp, thread_exit);
	ATF_TP_ADD_TC(tp, more_threads_than_cpus);
	ATF_TP_ADD_TC(tp, taken_back_for_a_run);
	return (atf_no_error());
}
