/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Runs under constraints, of the running allocator: what vm_pglist(9)
 * promises case by case.  Random histories are in vm_history_test.c, requests
 * that wait in vm_wait_test.c, bad frees in vm_badfree_test.c.
 */

#include <atf-c.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <vm/vm_pageq.h>
#include <vm/vm_pgreq.h>
#include <vm/vm_sync.h>

#include "vm_oracle.h"
#include "vm_testlib.h"

static const struct vm_memrange machine[] = {
	{ 0, 640 * KiB },
	{ 1 * MiB, 31 * MiB },
	{ 4 * GiB, 16 * MiB },
	{ TOP - 4 * MiB, 4 * MiB },
};

static void
start(void)
{

	vm_start(machine, NITEMS(machine));
}

/* The request of a floppy controller through an ISA DMA controller. */
ATF_TC_WITHOUT_HEAD(historical);
ATF_TC_BODY(historical, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(16 * KiB);
	unsigned n;
	paddr_t pa;

	(void)tc;
	start();
	req.vpr_align = 8 * KiB;
	req.vpr_boundary = 64 * KiB;
	req.vpr_high = 16 * MiB;
	for (n = 0; vm_pglist_alloc(&req, &(struct vm_pgseg){ 0, 0 },
	    &(unsigned){ 0 }) == 0; n++)
		continue;
	/* Four in each 64K, in 15 MiB and 640 KiB. */
	ATF_REQUIRE_EQ(n, 15 * MiB / (16 * KiB) + 640 / 16);
	pa = 5 * MiB + 16 * KiB;
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 16 * KiB), 0);
	ATF_REQUIRE_EQ(run_alloc(&req), pa);
}

/* No rounding to powers of two, and nothing wasted around it. */
ATF_TC_WITHOUT_HEAD(any_number_of_pages);
ATF_TC_BODY(any_number_of_pages, tc)
{
	struct vm_audit before, after;
	struct vm_pgreq req;
	uint64_t n;
	paddr_t pa;

	(void)tc;
	start();
	for (n = 1; n < 3000; n += 1 + n / 7) {
		audit_ok(&before);
		req = (struct vm_pgreq)VM_PGREQ_INITIALIZER(n * PAGE);
		req.vpr_align = MiB;
		pa = run_alloc(&req);
		audit_ok(&after);
		ATF_REQUIRE_EQ(after.va_allocated, before.va_allocated + n);
		ATF_REQUIRE_EQ(vm_pglist_free(pa, n * PAGE), 0);
	}
}

ATF_TC_WITHOUT_HEAD(frame_0);
ATF_TC_BODY(frame_0, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);

	(void)tc;
	start();
	req.vpr_high = PAGE;
	ATF_REQUIRE_EQ(run_alloc(&req), 0);
	ATF_REQUIRE_EQ(run_error(&req), ENOMEM);
	ATF_REQUIRE_EQ(vm_page_free(0), 0);
	ATF_REQUIRE_EQ(vm_pglist_reserve(0, 2 * PAGE, 0), 0);
	ATF_REQUIRE_EQ(vm_pglist_free(0, 0), 0);
	/* The largest alignment there is: only frame 0 has it. */
	req.vpr_high = VM_PADDR_MAX;
	req.vpr_align = UINT64_C(1) << 63;
	ATF_REQUIRE_EQ(run_alloc(&req), 0);
	ATF_REQUIRE_EQ(run_error(&req), ENOMEM);
	audit_ok(NULL);
}

ATF_TC_WITHOUT_HEAD(highest_frame);
ATF_TC_BODY(highest_frame, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(3 * PAGE);
	paddr_t pa;

	(void)tc;
	/* All of the metadata elsewhere. */
	vm_start_taken(machine, NITEMS(machine),
	    &(struct vm_memrange){ TOP - 4 * MiB, 4 * MiB }, 1);
	ATF_REQUIRE_EQ(vm_pglist_free(TOP - 4 * MiB, 4 * MiB), 0);
	req.vpr_policy = VM_POLICY_HIGHEST;
	pa = run_alloc(&req);
	ATF_REQUIRE_EQ(pa, TOP - 3 * PAGE);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 0), 0);
	req.vpr_policy = VM_POLICY_EXACT;
	req.vpr_low = TOP - 3 * PAGE;
	ATF_REQUIRE_EQ(run_alloc(&req), TOP - 3 * PAGE);
	ATF_REQUIRE_EQ(vm_pglist_trim(TOP - 3 * PAGE, TOP - PAGE, PAGE), 0);
	ATF_REQUIRE_EQ(vm_page_free(TOP - PAGE), 0);
	req.vpr_low = TOP - 2 * PAGE;
	ATF_REQUIRE_EQ(run_error(&req), ENOMEM);
	ATF_REQUIRE_EQ(vm_pglist_reserve(TOP - PAGE, PAGE, 0), 0);
	ATF_REQUIRE_EQ(vm_pglist_reserve(TOP - PAGE, 2 * PAGE, 0), EINVAL);
	audit_ok(NULL);
}

/* A boundary of a page, and one that is larger than memory. */
ATF_TC_WITHOUT_HEAD(extreme_boundaries);
ATF_TC_BODY(extreme_boundaries, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	struct vm_pgseg segs[16];
	unsigned i, n;

	(void)tc;
	start();
	req.vpr_boundary = PAGE;
	(void)run_alloc(&req);
	req.vpr_size = 16 * PAGE;
	ATF_REQUIRE_EQ(run_error(&req), EINVAL);
	req.vpr_nsegs = 15;
	ATF_REQUIRE_EQ(vm_pglist_alloc(&req, segs, &n), EFBIG);
	req.vpr_nsegs = 16;
	ATF_REQUIRE_EQ(vm_pglist_alloc(&req, segs, &n), 0);
	ATF_REQUIRE_EQ(n, 16);
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(vm_pglist_free(segs[i].vps_start, PAGE), 0);
	req.vpr_nsegs = 1;
	req.vpr_boundary = UINT64_C(1) << 63;
	req.vpr_size = 8 * MiB;
	(void)run_alloc(&req);
	audit_ok(NULL);
}

ATF_TC_WITHOUT_HEAD(lists);
ATF_TC_BODY(lists, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	unsigned mask, list;
	paddr_t pa;

	(void)tc;
	start();
	for (mask = 1; mask <= VM_FREELIST_ALL; mask++) {
		req.vpr_lists = mask;
		if (mask == VM_FREELIST_BIT(VM_FREELIST_DMA32)) {
			ATF_REQUIRE_EQ(run_error(&req), ENOMEM);
			continue;
		}
		pa = run_alloc(&req);
		list = vm_freelist_of(vm_atop(pa));
		ATF_REQUIRE((mask & VM_FREELIST_BIT(list)) != 0);
		/* None above it would have done. */
		ATF_REQUIRE((mask & ~VM_FREELIST_BIT(VM_FREELIST_DMA32)) >>
		    (list + 1) == 0);
	}
}

ATF_TC_WITHOUT_HEAD(zeroed);
ATF_TC_BODY(zeroed, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(0);
	struct vm_pgseg segs[4];
	unsigned char *va;
	unsigned i, k, n;
	struct rng r;
	psize_t b;

	rng_init(&r, tc, 1);
	start();
	for (i = 0; i < 300; i++) {
		req = (struct vm_pgreq)VM_PGREQ_INITIALIZER(
		    rng_size(&r, 40) * PAGE);
		req.vpr_flags = VM_PG_ZERO;
		req.vpr_nsegs = (unsigned)rng_range(&r, 1, 4);
		req.vpr_align = PAGE << rng_below(&r, 4);
		req.vpr_high = rng_chance(&r, 2) ? 16 * MiB : VM_PADDR_MAX;
		ATF_REQUIRE_EQ(vm_pglist_alloc(&req, segs, &n), 0);
		for (k = 0; k < n; k++) {
			va = vm_md_phystov(segs[k].vps_start,
			    segs[k].vps_size);
			ATF_REQUIRE(va != NULL);
			for (b = 0; b < segs[k].vps_size; b++)
				ATF_REQUIRE_EQ(va[b], 0);
			memset(va, 0xee, segs[k].vps_size);
			ATF_REQUIRE_EQ(vm_pglist_free(segs[k].vps_start, 0),
			    0);
		}
	}
}

/* On an error nothing is allocated and *rsegs is 0. */
ATF_TC_WITHOUT_HEAD(errors_change_nothing);
ATF_TC_BODY(errors_change_nothing, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(GiB), bad;
	struct vm_audit before, after;

	(void)tc;
	start();
	audit_ok(&before);
	ATF_REQUIRE_EQ(run_error(&req), ENOMEM);
	bad = req;
	bad.vpr_size = 64 * MiB;
	bad.vpr_nsegs = 20;
	ATF_REQUIRE_EQ(run_error(&bad), ENOMEM);
	bad.vpr_size = 48 * MiB;
	bad.vpr_nsegs = 2;
	ATF_REQUIRE_EQ(run_error(&bad), EFBIG);
	bad.vpr_align = 0;
	ATF_REQUIRE_EQ(run_error(&bad), EINVAL);
	bad = req;
	bad.vpr_size = PAGE;
	bad.vpr_low = 640 * KiB;
	bad.vpr_high = MiB;
	ATF_REQUIRE_EQ(run_error(&bad), ENOMEM);
	audit_ok(&after);
	ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
}

/* More segments allowed than there are pages: as few as it takes. */
ATF_TC_WITHOUT_HEAD(many_segments_allowed);
ATF_TC_BODY(many_segments_allowed, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(3 * PAGE);
	struct vm_pgseg *segs = calloc(5000, sizeof(*segs));
	unsigned i, n;

	(void)tc;
	ATF_REQUIRE(segs != NULL);
	start();
	req.vpr_nsegs = 5000;
	ATF_REQUIRE_EQ(vm_pglist_alloc(&req, segs, &n), 0);
	ATF_REQUIRE_EQ(n, 1);
	/* Every second page of ISA memory gone: as many as pages. */
	for (i = 0; i < 15 * MiB / PAGE; i += 2)
		(void)vm_pglist_reserve(MiB + i * PAGE, PAGE, 0);
	req.vpr_low = MiB;
	req.vpr_high = 16 * MiB;
	req.vpr_size = 1000 * PAGE;
	ATF_REQUIRE_EQ(vm_pglist_alloc(&req, segs, &n), 0);
	ATF_REQUIRE_EQ(n, 1000);
	for (i = 0; i < n; i++)
		ATF_REQUIRE(i == 0 || segs[i].vps_start >
		    segs[i - 1].vps_start);
	req.vpr_nsegs = 900;
	req.vpr_size = 910 * PAGE;
	ATF_REQUIRE_EQ(vm_pglist_alloc(&req, segs, &n), EFBIG);
	audit_ok(NULL);
	free(segs);
}

/* All memory taken, and of 8 pages the first n free again. */
static void
short_runs(unsigned n)
{
	struct vm_audit va;
	paddr_t pa;
	uint64_t i;

	start();
	while (vm_page_alloc(VM_PG_USERESERVE, 0) != VM_PADDR_NONE)
		continue;
	for (i = 0; i < 16 * MiB / PAGE; i++) {
		pa = i * PAGE;
		if (i % 8 < n && pa >= MiB)
			ATF_REQUIRE_EQ(vm_page_free(pa), 0);
		if (i % 8 < n && pa < 12 * MiB)
			ATF_REQUIRE_EQ(vm_page_free(4 * GiB + pa), 0);
	}
	vm_pageq_flush();
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_largest, n);
}

/*
 * Of pieces of the same size those of the highest list; and with very many
 * short runs it is soon clear that no better ones come.
 */
ATF_TC_WITHOUT_HEAD(segments_of_short_runs);
ATF_TC_BODY(segments_of_short_runs, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(16 * PAGE);
	uint64_t before, limit = 60 * 28 * MiB / PAGE;
	struct vm_pgseg segs[16];
	unsigned i, n, run;

	(void)tc;
	req.vpr_nsegs = NITEMS(segs);
	for (run = 2; run <= 7; run++) {
		short_runs(run);
		/* One that brings the summaries up to date. */
		req.vpr_size = 16 * MiB;
		ATF_REQUIRE_EQ(vm_pglist_alloc(&req, segs, &n), run < 5 ?
		    ENOMEM : EFBIG);
		before = vm_counter_sum(VM_COUNT_RUN_EXAMINED);
		req.vpr_size = 16 * PAGE;
		ATF_REQUIRE_EQ(vm_pglist_alloc(&req, segs, &n), 0);
		ATF_REQUIRE_EQ(n, (16 + run - 1) / run);
		for (i = 0; i < n; i++)
			ATF_REQUIRE(segs[i].vps_start >= 4 * GiB);
		req.vpr_size = 16 * run * PAGE + 1;
		ATF_REQUIRE_EQ(vm_pglist_alloc(&req, segs, &n), EFBIG);
		ATF_REQUIRE_MSG(vm_counter_sum(VM_COUNT_RUN_EXAMINED) -
		    before < limit, "runs of %u: %" PRIu64, run,
		    vm_counter_sum(VM_COUNT_RUN_EXAMINED) - before);
	}
}

/*
 * While there are pieces of the most that a segment may have in higher lists,
 * none is taken from a lower one: in extents that begin below and end high
 * above, too.
 */
static void
from_above(psize_t memory, psize_t size, const struct vm_pgreq *like)
{
	const struct vm_memrange ram[] = { { 0, memory } };
	struct vm_pgreq req = *like;
	struct vm_pgseg segs[64];
	psize_t low = VM_PADDR_MAX, taken = 0;
	unsigned i, n;

	vm_start(ram, NITEMS(ram));
	req.vpr_size = size;
	req.vpr_nsegs = NITEMS(segs);
	while (vm_pglist_alloc(&req, segs, &n) == 0) {
		for (i = 0; i < n; i++) {
			/* Of each list all is taken, but for a last piece. */
			ATF_REQUIRE_MSG(vm_freelist_of(
			    vm_atop(segs[i].vps_start)) <=
			    vm_freelist_of(vm_atop(low)) ||
			    low == VM_PADDR_MAX || segs[i].vps_start + 2 *
			    size >= low, "%#" PRIx64 " after %#" PRIx64,
			    segs[i].vps_start, low);
			taken += segs[i].vps_size;
		}
		low = segs[0].vps_start;
		if (low < 16 * MiB)
			ATF_REQUIRE_MSG(taken + 24 * MiB > memory, "%#" PRIx64
			    " after %" PRIu64 " of %" PRIu64 " bytes", low,
			    taken, memory);
	}
	ATF_REQUIRE_MSG(low < 16 * MiB, "%#" PRIx64, low);
	audit_ok(NULL);
}

ATF_TC_WITHOUT_HEAD(segments_from_above);
ATF_TC_BODY(segments_from_above, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);

	(void)tc;
	req.vpr_maxsegsz = 64 * KiB;
	from_above(GiB, MiB, &req);
	req.vpr_align = 64 * KiB;
	from_above(GiB, MiB, &req);
	from_above(5 * GiB, MiB, &req);
	req.vpr_maxsegsz = 0;
	req.vpr_boundary = 64 * KiB;
	from_above(5 * GiB, MiB, &req);
	req.vpr_maxsegsz = 4 * PAGE;
	req.vpr_align = PAGE;
	from_above(256 * MiB, 64 * KiB, &req);
}

/* Pieces of equal length: those of the lower list go, whatever came first. */
ATF_TC_WITHOUT_HEAD(segments_of_equal_length);
ATF_TC_BODY(segments_of_equal_length, tc)
{
	const struct vm_memrange ram[] = {
		{ 1 * MiB, 31 * MiB }, { 4 * GiB, 8 * MiB }
	};
	static const paddr_t runs[][2] = {
		{ 2 * MiB, 6 }, { 18 * MiB, 4 }, { 20 * MiB, 4 },
		{ 4 * GiB, 4 }, { 4 * GiB + MiB, 5 }, { 4 * GiB + 2 * MiB, 4 }
	};
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(19 * PAGE);
	struct vm_pgseg segs[4];
	unsigned i, n;
	paddr_t k;

	(void)tc;
	vm_start(ram, NITEMS(ram));
	while (vm_page_alloc(VM_PG_USERESERVE, 0) != VM_PADDR_NONE)
		continue;
	for (i = 0; i < NITEMS(runs); i++)
		for (k = 0; k < runs[i][1]; k++)
			ATF_REQUIRE_EQ(vm_page_free(runs[i][0] + k * PAGE),
			    0);
	req.vpr_nsegs = 4;
	ATF_REQUIRE_EQ(vm_pglist_alloc(&req, segs, &n), 0);
	ATF_REQUIRE_EQ(n, 4);
	ATF_REQUIRE_EQ(segs[0].vps_start, 2 * MiB);
	ATF_REQUIRE_EQ(segs[1].vps_start, 4 * GiB);
	ATF_REQUIRE_EQ(segs[2].vps_start, 4 * GiB + MiB);
	ATF_REQUIRE_EQ(segs[3].vps_start, 4 * GiB + 2 * MiB);
	audit_ok(NULL);
}

/*
 * A long extent has very many short pieces; all of them must not be looked at
 * with the lock held.
 */
ATF_TC_WITHOUT_HEAD(segments_of_a_long_run);
ATF_TC_BODY(segments_of_a_long_run, tc)
{
	const struct vm_memrange ram[] = { { 0, 64 * GiB } };
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(16 * PAGE);
	struct vm_pgseg segs[16];
	uint64_t began, took, best = UINT64_MAX;
	unsigned i, n;

	(void)tc;
	vm_start(ram, NITEMS(ram));
	req.vpr_nsegs = NITEMS(segs);
	req.vpr_maxsegsz = PAGE;
	for (i = 0; i < 50; i++) {
		began = vm_md_nanotime();
		ATF_REQUIRE_EQ(vm_pglist_alloc(&req, segs, &n), 0);
		took = vm_md_nanotime() - began;
		ATF_REQUIRE_EQ(n, NITEMS(segs));
		if (took < best)
			best = took;
	}
	ATF_REQUIRE_MSG(best < 3000000, "%" PRIu64 " ns at best", best);
}

/* A run that lies in two lists is one piece. */
ATF_TC_WITHOUT_HEAD(segments_over_seams);
ATF_TC_BODY(segments_over_seams, tc)
{
	const struct vm_memrange ram[] = {
		{ 1 * MiB, 31 * MiB }, { 4 * GiB - 4 * MiB, 8 * MiB }
	};
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(18 * PAGE);
	struct vm_pgseg segs[4];
	unsigned n;
	uint64_t i;

	(void)tc;
	vm_start(ram, NITEMS(ram));
	while (vm_page_alloc(VM_PG_USERESERVE, 0) != VM_PADDR_NONE)
		continue;
	for (i = 0; i < 8; i++) {
		ATF_REQUIRE_EQ(vm_page_free(16 * MiB + (i - 3) * PAGE), 0);
		ATF_REQUIRE_EQ(vm_page_free(4 * GiB + (i - 6) * PAGE), 0);
		if (i < 5)
			ATF_REQUIRE_EQ(vm_page_free(20 * MiB + i * PAGE), 0);
	}
	req.vpr_nsegs = 2;
	ATF_REQUIRE_EQ(vm_pglist_alloc(&req, segs, &n), EFBIG);
	req.vpr_nsegs = 4;
	ATF_REQUIRE_EQ(vm_pglist_alloc(&req, segs, &n), 0);
	ATF_REQUIRE_EQ(n, 3);
	ATF_REQUIRE_EQ(segs[0].vps_start, 16 * MiB - 3 * PAGE);
	ATF_REQUIRE_EQ(segs[0].vps_size, 8 * PAGE);
	ATF_REQUIRE_EQ(segs[1].vps_start, 20 * MiB);
	ATF_REQUIRE_EQ(segs[1].vps_size, 2 * PAGE);
	ATF_REQUIRE_EQ(segs[2].vps_start, 4 * GiB - 6 * PAGE);
	ATF_REQUIRE_EQ(segs[2].vps_size, 8 * PAGE);
	audit_ok(NULL);
}

/*
 * Reserving and trimming.
 */

ATF_TC_WITHOUT_HEAD(reserve);
ATF_TC_BODY(reserve, tc)
{
	static const struct {
		paddr_t	start;
		psize_t	size;
		int	error;
	} cases[] = {
		{ MiB, 0, EINVAL },
		{ MiB + 1, PAGE, EINVAL },
		{ MiB, PAGE + 1, EINVAL },
		{ 640 * KiB, PAGE, EINVAL },		/* a hole */
		{ 639 * KiB / PAGE * PAGE, 2 * PAGE, EINVAL },
		{ 0, 32 * MiB, EINVAL },
		{ UINT64_MAX & ~(PAGE - 1), PAGE, EINVAL },
		{ MiB, UINT64_MAX & ~(PAGE - 1), EINVAL },
		{ MiB, TOP, EINVAL },
		{ 2 * MiB, PAGE, 0 },
		{ 2 * MiB, PAGE, EBUSY },
		{ 2 * MiB - PAGE, 3 * PAGE, EBUSY },
		{ 2 * MiB - PAGE, PAGE, 0 },
		{ 15 * MiB, 2 * MiB, 0 },		/* two lists */
	};
	vm_owner_t ann = vm_owner_register("ann");
	struct vm_audit before, after;
	unsigned i;

	(void)tc;
	start();
	for (i = 0; i < NITEMS(cases); i++) {
		audit_ok(&before);
		ATF_REQUIRE_EQ_MSG(vm_pglist_reserve(cases[i].start,
		    cases[i].size, ann), cases[i].error, "case %u", i);
		audit_ok(&after);
		if (cases[i].error != 0)
			ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
		else
			ATF_REQUIRE_EQ(vm_sync_owner(vm_atop(cases[i].start)),
			    ann);
	}
	ATF_REQUIRE_EQ(vm_pglist_free(15 * MiB, 2 * MiB), 0);
	ATF_REQUIRE_EQ(vm_page_free(2 * MiB), 0);
	ATF_REQUIRE_EQ(vm_page_free(2 * MiB - PAGE), 0);
}

/* A reservation that fails leaves held pages where they are. */
ATF_TC_WITHOUT_HEAD(reserve_busy_takes_nothing_back);
ATF_TC_BODY(reserve_busy_takes_nothing_back, tc)
{
	struct vm_audit before, after;
	paddr_t pa[64];
	unsigned i;

	(void)tc;
	vm_start(&machine[2], 1);
	for (i = 0; i < NITEMS(pa); i++)
		pa[i] = vm_page_alloc(0, 0);
	for (i = 1; i < NITEMS(pa); i++)
		ATF_REQUIRE_EQ(vm_page_free(pa[i]), 0);
	audit_ok(&before);
	ATF_REQUIRE(before.va_held > 0);
	ATF_REQUIRE_EQ(vm_pglist_reserve(pa[0] & ~(2 * MiB - 1), 2 * MiB, 0),
	    EBUSY);
	audit_ok(&after);
	ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
}

/* The piece that a frame of managed memory is in, found frame by frame. */
static void
piece_check(const struct vm_pgextent *px, vm_frame_t from, vm_frame_t limit)
{
	vm_frame_t f = vm_atop(px->vpx_start);
	const vm_frame_t end = f + vm_atop(px->vpx_size);
	enum vm_fstate state = vm_extmap_state(&vm_map, f);

	ATF_REQUIRE(f >= from && f < end && end <= limit);
	for (; from < f; from++)
		ATF_REQUIRE(!vm_physseg_managed(from, from + 1));
	ATF_REQUIRE_EQ(px->vpx_state,
	    state == VM_FRAME_TAIL ? VM_FRAME_HEAD : state);
	ATF_REQUIRE_EQ(px->vpx_owner, state == VM_FRAME_HEAD ?
	    vm_sync_owner(f) : VM_OWNER_NONE);
	if (state == VM_FRAME_HEAD)
		state = VM_FRAME_TAIL;
	for (f++; f < end; f++) {
		ATF_REQUIRE(vm_physseg_managed(f, f + 1));
		ATF_REQUIRE_EQ(vm_extmap_state(&vm_map, f), state);
	}
	/* It is all of it. */
	if (end < limit && vm_physseg_managed(end, end + 1))
		ATF_REQUIRE(vm_extmap_state(&vm_map, end) != state);
}

/*
 * All of memory, from anywhere to anywhere: segments that touch, and one that
 * does not; allocations over the ends of blocks and of lists.
 */
ATF_TC_WITHOUT_HEAD(walk);
ATF_TC_BODY(walk, tc)
{
	static const struct vm_memrange machine[] = {
		{ 12 * MiB, 12 * MiB }, { 24 * MiB, 4 * MiB },
		{ 40 * MiB, 8 * MiB }
	};
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	struct vm_pgextent px;
	struct vm_pgseg seg;
	struct rng r;
	unsigned i, n;
	paddr_t from, high;

	rng_init(&r, tc, 1);
	usermode_console(NULL);
	vm_start(machine, NITEMS(machine));
	ATF_REQUIRE(vm_pglist_walk(0, VM_PADDR_MAX, &px));
	ATF_CHECK_EQ(px.vpx_start, 12 * MiB);
	ATF_CHECK_EQ(px.vpx_size, 16 * MiB);
	ATF_CHECK_EQ(px.vpx_state, VM_FRAME_FREE);
	ATF_REQUIRE(!vm_pglist_walk(48 * MiB, VM_PADDR_MAX, &px));
	ATF_REQUIRE(!vm_pglist_walk(28 * MiB, 40 * MiB, &px));
	ATF_REQUIRE(!vm_pglist_walk(VM_PADDR_MAX, VM_PADDR_MAX, &px));
	ATF_REQUIRE(!vm_pglist_walk(16 * MiB, 16 * MiB, &px));
	for (i = 0; i < 300; i++) {
		req.vpr_size = (1 + rng_size(&r, 1500)) * PAGE;
		req.vpr_low = rng_below(&r, 48) * MiB;
		req.vpr_owner = (vm_owner_t)(1 + rng_below(&r, 5));
		if (vm_pglist_alloc(&req, &seg, &n) == 0 &&
		    rng_chance(&r, 3))
			ATF_REQUIRE_EQ(vm_pglist_free(seg.vps_start, 0), 0);
		if (rng_chance(&r, 2) && (from = vm_page_alloc(0, 1)) !=
		    VM_PADDR_NONE && rng_chance(&r, 2))
			ATF_REQUIRE_EQ(vm_page_free(from), 0);
		if (i % 10 != 0)
			continue;
		from = rng_chance(&r, 2) ? 0 : rng_below(&r, 48 * MiB);
		high = rng_chance(&r, 2) ? VM_PADDR_MAX :
		    rng_below(&r, 50 * MiB);
		for (; vm_pglist_walk(from, high, &px);
		    from = px.vpx_start + px.vpx_size)
			piece_check(&px, vm_atop(from), high == VM_PADDR_MAX ?
			    VM_FRAME_END : vm_atop(high + PAGE - 1));
		for (; from < high && from < 48 * MiB; from += PAGE)
			ATF_REQUIRE(!vm_physseg_managed(vm_atop(from),
			    vm_atop(from) + 1));
	}
}

ATF_TC_WITHOUT_HEAD(trim);
ATF_TC_BODY(trim, tc)
{
	const paddr_t at = 20 * MiB;
	struct vm_audit before, after;
	vm_owner_t ann = vm_owner_register("ann");
	uint64_t n, first, keep;

	(void)tc;
	start();
	audit_ok(&before);
	for (n = 1; n < 70; n += 1 + n / 8) {
		for (first = 0; first < n; first += 1 + n / 10) {
			for (keep = 1; keep <= n - first; keep += 1 + n / 9) {
				ATF_REQUIRE_EQ(vm_pglist_reserve(at, n * PAGE,
				    ann), 0);
				ATF_REQUIRE_EQ(vm_pglist_trim(at,
				    at + first * PAGE, keep * PAGE), 0);
				audit_ok(&after);
				ATF_REQUIRE_EQ(after.va_allocated,
				    before.va_allocated + keep);
				ATF_REQUIRE_EQ(vm_sync_owner(vm_atop(at) +
				    first), ann);
				ATF_REQUIRE_EQ(vm_pglist_free(at + first *
				    PAGE, keep * PAGE), 0);
			}
		}
	}
	audit_ok(&after);
	ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
}

/*
 * A run of some frames in the map and some on a queue, of every length and
 * wherever the seam lies, with every alignment.
 */
static void
seam_make(paddr_t at, unsigned nfree, unsigned nheld)
{
	unsigned i;

	for (i = 0; i < nfree; i++)
		ATF_REQUIRE_EQ(vm_pglist_free(at + i * PAGE, PAGE), 0);
	/* The first that goes to the queue may still go the long way. */
	ATF_REQUIRE_EQ(vm_page_free(28 * MiB), 0);
	for (i = nfree; i < nfree + nheld; i++)
		ATF_REQUIRE_EQ(vm_page_free(at + i * PAGE), 0);
}

static void
seam_try(paddr_t at, unsigned nfree, unsigned nheld, psize_t align)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER((nfree + nheld) * PAGE);
	unsigned i, n = nfree + nheld;
	struct vm_audit before;
	paddr_t pa;

	audit_ok(&before);
	seam_make(at, nfree, nheld);
	req.vpr_align = align;
	/* Not what the free of another page left. */
	req.vpr_high = 28 * MiB;
	if (at % align != 0) {
		ATF_REQUIRE_EQ(run_error(&req), ENOMEM);
		pa = at;
		req.vpr_align = PAGE;
	}
	pa = run_alloc(&req);
	ATF_REQUIRE_EQ(pa, at);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 0), 0);
	/* All is taken again. */
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(vm_pglist_reserve(at + i * PAGE, PAGE, 0), 0);
	ATF_REQUIRE_EQ(vm_pglist_reserve(28 * MiB, PAGE, 0), 0);
	audit_ok(NULL);
}

ATF_TC(seams);
ATF_TC_HEAD(seams, tc)
{

	atf_tc_set_md_var(tc, "descr", "Runs of free and held frames");
	atf_tc_set_md_var(tc, "timeout", "1200");
}
ATF_TC_BODY(seams, tc)
{
	static const struct vm_memrange map = { 16 * MiB, 16 * MiB };
	unsigned i, nfree, nheld, rounds = test_long(tc) ? 100000 : 3000;
	struct rng r;
	paddr_t at;

	rng_init(&r, tc, 3);
	vm_start(&map, 1);
	while (vm_page_alloc(VM_PG_USERESERVE, 0) != VM_PADDR_NONE)
		continue;
	for (nfree = 0; nfree < 70; nfree += 1 + nfree / 5) {
		for (nheld = 1; nheld < 70; nheld += 1 + nheld / 5)
			seam_try(20 * MiB, nfree, nheld, 32 * PAGE);
	}
	for (i = 0; i < rounds; i++) {
		at = 20 * MiB + rng_below(&r, 600) * PAGE;
		seam_try(at, (unsigned)rng_below(&r, 100),
		    (unsigned)rng_size(&r, 100), PAGE << rng_below(&r, 7));
	}
}

/*
 * Fresh memory, exactly: where no single pages are taken, what is fresh is
 * what was never given out.
 */
static bool
fresh_possible(const struct oracle *fresh, const struct vm_pgreq *req)
{
	struct vm_extreq er = vm_pgreq_search(req);
	struct vm_pgwindow win[VM_NFREELIST];
	struct oracle_answer ans;
	unsigned i, n = vm_pgreq_windows(req, win);

	for (i = 0; i < n; i++) {
		er.er_low = win[i].pw_low;
		er.er_high = win[i].pw_high;
		oracle_find(fresh, &er, &ans);
		if (req->vpr_policy == VM_POLICY_EXACT)
			ans.oa_found = oracle_fits(fresh, &er,
			    vm_atop(req->vpr_low));
		if (ans.oa_found)
			return (true);
	}
	return (false);
}

static void
fresh_adopt(struct oracle *fresh)
{
	struct vm_physseg seg;
	vm_frame_t f;
	unsigned i;

	oracle_init(fresh);
	for (i = 0; vm_physseg_get(i, &seg); i++) {
		oracle_add(fresh, seg.vs_start, seg.vs_end - seg.vs_start,
		    VM_FRAME_FREE);
		for (f = seg.vs_start; f < seg.vs_end; f++)
			oracle_set(fresh, f, f + 1,
			    vm_extmap_state(&vm_map, f));
	}
}

ATF_TC_WITHOUT_HEAD(fresh);
ATF_TC_BODY(fresh, tc)
{
	unsigned i, k, n, served, rounds = test_long(tc) ? 500 : 20;
	struct vm_pgreq req;
	struct vm_pgseg seg;
	struct oracle fresh;
	vm_frame_t at;
	struct rng r;
	int error;

	rng_init(&r, tc, 2);
	for (i = 0; i < rounds; i++) {
		start();
		fresh_adopt(&fresh);
		served = 0;
		for (k = 0; k < 300; k++) {
			req = (struct vm_pgreq)VM_PGREQ_INITIALIZER(
			    rng_size(&r, 600) * PAGE);
			req.vpr_align = PAGE << rng_below(&r, 8);
			req.vpr_policy = (enum vm_policy)rng_below(&r,
			    VM_POLICY_EXACT + 1);
			req.vpr_low = vm_ptoa(oracle_any(&fresh, &r)) &
			    ~(req.vpr_align - 1);
			if (rng_chance(&r, 4))
				req.vpr_lists = (unsigned)rng_range(&r, 1,
				    VM_FREELIST_ALL);
			if (rng_chance(&r, 2))
				req.vpr_flags = VM_PG_FRESH;
			error = vm_pglist_alloc(&req, &seg, &n);
			if (req.vpr_flags != 0) {
				ATF_REQUIRE_EQ(error,
				    fresh_possible(&fresh, &req) ? 0 :
				    ENOMEM);
			}
			if (error != 0)
				continue;
			served++;
			at = vm_atop(seg.vps_start);
			for (n = 0; n < vm_atop(seg.vps_size); n++)
				ATF_REQUIRE(req.vpr_flags == 0 ||
				    oracle_state(&fresh, at + n) ==
				    VM_FRAME_FREE);
			oracle_set(&fresh, at, at + n, VM_FRAME_HEAD);
			if (rng_chance(&r, 2))
				ATF_REQUIRE_EQ(vm_pglist_free(seg.vps_start,
				    0), 0);
		}
		ATF_REQUIRE(served > 20);
		audit_ok(NULL);
		oracle_fini(&fresh);
	}
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, historical);
	ATF_TP_ADD_TC(tp, any_number_of_pages);
	ATF_TP_ADD_TC(tp, frame_0);
	ATF_TP_ADD_TC(tp, highest_frame);
	ATF_TP_ADD_TC(tp, extreme_boundaries);
	ATF_TP_ADD_TC(tp, lists);
	ATF_TP_ADD_TC(tp, zeroed);
	ATF_TP_ADD_TC(tp, errors_change_nothing);
	ATF_TP_ADD_TC(tp, many_segments_allowed);
	ATF_TP_ADD_TC(tp, segments_of_short_runs);
	ATF_TP_ADD_TC(tp, segments_from_above);
	ATF_TP_ADD_TC(tp, segments_of_equal_length);
	ATF_TP_ADD_TC(tp, segments_of_a_long_run);
	ATF_TP_ADD_TC(tp, segments_over_seams);
	ATF_TP_ADD_TC(tp, reserve);
	ATF_TP_ADD_TC(tp, reserve_busy_takes_nothing_back);
	ATF_TP_ADD_TC(tp, walk);
	ATF_TP_ADD_TC(tp, trim);
	ATF_TP_ADD_TC(tp, seams);
	ATF_TP_ADD_TC(tp, fresh);
	return (atf_no_error());
}
