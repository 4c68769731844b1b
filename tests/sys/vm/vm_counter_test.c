/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Counters: each counts what its name says, and nothing else.
 */

#include <atf-c.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <vm/vm_counter.h>
#include <vm/vm_pageq.h>

#include "vm_testlib.h"

static uint64_t expected[VM_NCOUNTER];

/* As expected; those that the test does not foresee are left out. */
static void
compare(void)
{
	unsigned c;

	for (c = 0; c < VM_NCOUNTER; c++) {
		switch ((enum vm_counter)c) {
		case VM_COUNT_REFILL:
		case VM_COUNT_SPILL:
		case VM_COUNT_STEAL:
		case VM_COUNT_DRAIN:
		case VM_COUNT_STALE:
		case VM_COUNT_RUN_EXAMINED:
			break;
		default:
			ATF_REQUIRE_EQ_MSG(vm_counter_sum((enum vm_counter)c),
			    expected[c], "%s",
			    vm_counter_name((enum vm_counter)c));
			break;
		}
	}
}

static void
start(void)
{

	usermode_console(NULL);
	vm_start(pc_ranges, pc_nranges);
	memset(expected, 0, sizeof(expected));
}

ATF_TC_WITHOUT_HEAD(names);
ATF_TC_BODY(names, tc)
{
	unsigned c, d;

	(void)tc;
	for (c = 0; c < VM_NCOUNTER; c++) {
		ATF_REQUIRE(vm_counter_name((enum vm_counter)c)[0] != '\0');
		for (d = 0; d < c; d++)
			ATF_REQUIRE(strcmp(vm_counter_name((enum vm_counter)c),
			    vm_counter_name((enum vm_counter)d)) != 0);
	}
	ATF_REQUIRE_STREQ(vm_counter_name(VM_COUNT_ALLOC), "alloc");
	ATF_REQUIRE_STREQ(vm_counter_name(VM_COUNT_BAD_MSGSIZE),
	    "bad EMSGSIZE");
}

ATF_TC_WITHOUT_HEAD(pages);
ATF_TC_BODY(pages, tc)
{
	static paddr_t pa[2000];
	unsigned i;

	(void)tc;
	start();
	compare();		/* the start counts nothing */
	for (i = 0; i < NITEMS(pa); i++)
		pa[i] = vm_page_alloc(0, 0);
	expected[VM_COUNT_ALLOC] = NITEMS(pa);
	compare();
	ATF_REQUIRE(vm_counter_sum(VM_COUNT_REFILL) >= NITEMS(pa));
	for (i = 0; i < NITEMS(pa); i++)
		ATF_REQUIRE_EQ(vm_page_free(pa[i]), 0);
	expected[VM_COUNT_FREE] = NITEMS(pa);
	compare();
	vm_pageq_flush();
	compare();
	ATF_REQUIRE(vm_counter_sum(VM_COUNT_SPILL) > 0);
	/* Started anew, it counts anew. */
	start();
	compare();
}

ATF_TC_WITHOUT_HEAD(runs);
ATF_TC_BODY(runs, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(64 * KiB);
	struct vm_pgseg segs[2];
	unsigned n;
	paddr_t pa;

	(void)tc;
	start();
	pa = run_alloc(&req);
	expected[VM_COUNT_RUN_ALLOC]++;
	compare();
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 0), 0);
	expected[VM_COUNT_RUN_FREE]++;
	compare();
	req.vpr_size = GiB;
	ATF_REQUIRE_EQ(run_error(&req), ENOMEM);
	expected[VM_COUNT_RUN_NOMEM]++;
	compare();
	req.vpr_flags = VM_PG_WAIT;
	req.vpr_timeout = 1000;
	ATF_REQUIRE_EQ(run_error(&req), EWOULDBLOCK);
	expected[VM_COUNT_RUN_NOMEM]++;
	compare();
	req.vpr_flags = 0;
	req.vpr_size = 0;
	ATF_REQUIRE_EQ(run_error(&req), EINVAL);
	expected[VM_COUNT_RUN_INVAL]++;
	compare();
	req.vpr_size = 64 * PAGE;
	req.vpr_maxsegsz = PAGE;
	req.vpr_nsegs = 2;
	ATF_REQUIRE_EQ(vm_pglist_alloc(&req, segs, &n), EFBIG);
	expected[VM_COUNT_RUN_FBIG]++;
	compare();
	/* One request is one, whatever the number of segments. */
	req.vpr_size = 2 * PAGE;
	ATF_REQUIRE_EQ(vm_pglist_alloc(&req, segs, &n), 0);
	ATF_REQUIRE_EQ(n, 2);
	expected[VM_COUNT_RUN_ALLOC]++;
	compare();
}

ATF_TC_WITHOUT_HEAD(bad_frees);
ATF_TC_BODY(bad_frees, tc)
{
	paddr_t pa;

	(void)tc;
	start();
	ATF_REQUIRE_EQ(vm_page_free(1), EINVAL);
	expected[VM_COUNT_BAD_INVAL]++;
	compare();
	ATF_REQUIRE_EQ(vm_page_free(2 * MiB), EALREADY);
	expected[VM_COUNT_BAD_ALREADY]++;
	compare();
	pa = vm_page_alloc(0, 0);
	expected[VM_COUNT_ALLOC]++;
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 2 * PAGE), EMSGSIZE);
	expected[VM_COUNT_BAD_MSGSIZE]++;
	compare();
}

/* Each thread counts for itself; the sum is of all, also of those gone. */
static void *
count_some(void *arg)
{
	unsigned i;

	(void)arg;
	for (i = 0; i < 10000; i++)
		(void)vm_page_free(vm_page_alloc(0, 0));
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(threads);
ATF_TC_BODY(threads, tc)
{
	pthread_t thread[4];
	unsigned i, round;

	(void)tc;
	start();
	for (round = 1; round <= 3; round++) {
		for (i = 0; i < NITEMS(thread); i++)
			ATF_REQUIRE_EQ(pthread_create(&thread[i], NULL,
			    count_some, NULL), 0);
		for (i = 0; i < NITEMS(thread); i++)
			ATF_REQUIRE_EQ(pthread_join(thread[i], NULL), 0);
		expected[VM_COUNT_ALLOC] = round * 40000;
		expected[VM_COUNT_FREE] = round * 40000;
		compare();
	}
}

/*
 * By segment: what has an address adds up to what is counted by CPU.
 */

static const enum vm_counter by_segment[] = {
	VM_COUNT_ALLOC, VM_COUNT_FREE, VM_COUNT_REFILL, VM_COUNT_SPILL,
	VM_COUNT_STEAL, VM_COUNT_RUN_ALLOC, VM_COUNT_RUN_FREE,
	VM_COUNT_BAD_ALREADY, VM_COUNT_BAD_MSGSIZE
};

static void
segments_add_up(void)
{
	uint64_t sum, value;
	unsigned i, k;

	for (k = 0; k < NITEMS(by_segment); k++) {
		sum = 0;
		for (i = 0; vm_counter_segment(i, by_segment[k], &value); i++)
			sum += value;
		ATF_REQUIRE_EQ_MSG(sum, vm_counter_sum(by_segment[k]), "%s",
		    vm_counter_name(by_segment[k]));
	}
}

static uint64_t
in_segment(paddr_t pa, enum vm_counter c)
{
	struct vm_physseg seg;
	uint64_t value = 0;
	unsigned i;

	for (i = 0; vm_physseg_get(i, &seg); i++) {
		if (vm_atop(pa) >= seg.vs_start && vm_atop(pa) < seg.vs_end)
			ATF_REQUIRE(vm_counter_segment(i, c, &value));
	}
	return (value);
}

static void
segments_work(struct rng *r)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	static paddr_t page[20000], run[300];
	unsigned i, n, npages = 0, nruns = 0;
	struct vm_pgseg seg;
	paddr_t pa;

	for (i = 0; i < NITEMS(page) &&
	    (pa = vm_page_alloc(VM_PG_USERESERVE, 0)) != VM_PADDR_NONE; i++)
		page[npages++] = pa;
	for (i = 0; i < npages / 2; i++) {
		unsigned k = (unsigned)rng_below(r, npages);

		pa = page[k];
		page[k] = page[--npages];
		ATF_REQUIRE_EQ(vm_page_free(pa), 0);
	}
	for (i = 0; i < NITEMS(run); i++) {
		req.vpr_size = (1 + rng_below(r, 8)) * PAGE;
		req.vpr_high = rng_chance(r, 2) ? VM_PADDR_MAX : 16 * MiB;
		if (vm_pglist_alloc(&req, &seg, &n) == 0)
			run[nruns++] = seg.vps_start;
	}
	while (nruns > 0)
		ATF_REQUIRE_EQ(vm_pglist_free(run[--nruns], 0), 0);
	while (npages > 0)
		ATF_REQUIRE_EQ(vm_page_free(page[--npages]), 0);
}

ATF_TC_WITHOUT_HEAD(segments);
ATF_TC_BODY(segments, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(4 * PAGE);
	uint64_t value;
	unsigned i;
	struct rng r;
	paddr_t pa;

	rng_init(&r, tc, 1);
	start();
	for (i = 0; i < 3; i++) {
		segments_work(&r);
		segments_add_up();
	}
	vm_pageq_flush();
	segments_add_up();
	/* Each where it happened. */
	req.vpr_high = 16 * MiB;
	pa = run_alloc(&req);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 0), 0);
	value = in_segment(pa, VM_COUNT_RUN_ALLOC);
	ATF_REQUIRE_EQ(run_alloc(&req), pa);
	ATF_REQUIRE(pa < 16 * MiB);
	ATF_REQUIRE_EQ(in_segment(pa, VM_COUNT_RUN_ALLOC), value + 1);
	value = in_segment(pa, VM_COUNT_BAD_MSGSIZE);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, PAGE), EMSGSIZE);
	ATF_REQUIRE_EQ(in_segment(pa, VM_COUNT_BAD_MSGSIZE), value + 1);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 0), 0);
	ATF_REQUIRE(!vm_counter_segment(1000, VM_COUNT_ALLOC, &value));
}

/* Segments that are cut, joined, taken away and brought lose no count. */
ATF_TC_WITHOUT_HEAD(segments_change);
ATF_TC_BODY(segments_change, tc)
{
	static const struct vm_memrange machine[] = {
		{ 4 * GiB, 64 * MiB }, { 5 * GiB, 64 * MiB },
		{ 6 * GiB, 64 * MiB }
	};
	const paddr_t hole = 5 * GiB + 16 * MiB;
	uint64_t before;
	struct rng r;
	unsigned i;

	rng_init(&r, tc, 1);
	usermode_console(NULL);
	vm_start(machine, NITEMS(machine));
	for (i = 0; i < 20; i++) {
		segments_work(&r);
		vm_pageq_flush();
		segments_add_up();
		ATF_REQUIRE_EQ(vm_physseg_unplug(hole, 4 * MiB, NULL), 0);
		segments_add_up();
		segments_work(&r);
		segments_add_up();
		ATF_REQUIRE_EQ(vm_physseg_plug(hole, 4 * MiB), 0);
		segments_add_up();
	}
	/* What goes as a whole takes its counts along. */
	before = in_segment(hole, VM_COUNT_ALLOC);
	ATF_REQUIRE(before > 0);
	vm_pageq_flush();
	ATF_REQUIRE_EQ(vm_physseg_unplug(5 * GiB, 64 * MiB, NULL), 0);
	ATF_REQUIRE_EQ(vm_physseg_plug(5 * GiB, 64 * MiB), 0);
	ATF_REQUIRE_EQ(in_segment(hole, VM_COUNT_ALLOC), 0);
}

/*
 * A queue's place is cut, its lower part goes, and another segment takes the
 * slot: what comes off the queue is not that one's.
 */
ATF_TC_WITHOUT_HEAD(segments_cut);
ATF_TC_BODY(segments_cut, tc)
{
	static const struct vm_memrange machine[] = {
		{ 2 * GiB, 64 * MiB }, { 4 * GiB, 8 * MiB }
	};
	const paddr_t other = 4 * GiB + 256 * MiB, top = 4 * GiB + 4 * MiB;
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(4 * MiB);
	struct vm_pgseg run;
	paddr_t page[100];
	unsigned i, n;

	usermode_console(NULL);
	vm_start(machine, NITEMS(machine));
	/* The queue's place is the whole segment, its pages the upper half. */
	req.vpr_low = 4 * GiB;
	req.vpr_high = top;
	ATF_REQUIRE_EQ(vm_pglist_alloc(&req, &run, &n), 0);
	for (i = 0; i < NITEMS(page); i++) {
		page[i] = vm_page_alloc(0, VM_OWNER_NONE);
		ATF_REQUIRE(page[i] >= top && page[i] < top + 4 * MiB);
	}
	for (i = 0; i < NITEMS(page); i++)
		ATF_REQUIRE_EQ(vm_page_free(page[i]), 0);
	ATF_REQUIRE_EQ(vm_pglist_free(run.vps_start, 0), 0);
	ATF_REQUIRE_EQ(vm_physseg_unplug(4 * GiB + 2 * MiB, 2 * MiB, NULL), 0);
	ATF_REQUIRE_EQ(vm_physseg_unplug(4 * GiB, 2 * MiB, NULL), 0);
	ATF_REQUIRE_EQ(vm_physseg_plug(other, 2 * MiB), 0);
	ATF_REQUIRE_EQ(in_segment(other, VM_COUNT_ALLOC), 0);
	n = (unsigned)in_segment(top, VM_COUNT_ALLOC);
	for (i = 0; i < NITEMS(page); i++) {
		page[i] = vm_page_alloc(0, VM_OWNER_NONE);
		ATF_REQUIRE(page[i] >= top && page[i] < top + 4 * MiB);
	}
	ATF_CHECK_EQ(in_segment(other, VM_COUNT_ALLOC), 0);
	ATF_CHECK_EQ(in_segment(top, VM_COUNT_ALLOC), n + NITEMS(page));
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, segments);
	ATF_TP_ADD_TC(tp, segments_change);
	ATF_TP_ADD_TC(tp, segments_cut);

	ATF_TP_ADD_TC(tp, names);
	ATF_TP_ADD_TC(tp, pages);
	ATF_TP_ADD_TC(tp, runs);
	ATF_TP_ADD_TC(tp, bad_frees);
	ATF_TP_ADD_TC(tp, threads);
	return (atf_no_error());
}
