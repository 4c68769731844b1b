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

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, names);
	ATF_TP_ADD_TC(tp, pages);
	ATF_TP_ADD_TC(tp, runs);
	ATF_TP_ADD_TC(tp, bad_frees);
	ATF_TP_ADD_TC(tp, threads);
	return (atf_no_error());
}
