/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Defects that real allocators of this kind were shipped with, one test each.
 */

#include <atf-c.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vm/vm_badfree.h>
#include <vm/vm_pageq.h>
#include <vm/vm_sync.h>

#include "vm_testlib.h"

#define	MSEC		UINT64_C(1000000)

/* Memory at an odd address, so that nothing is aligned by chance. */
static const struct vm_memrange odd = { 64 * MiB + 3 * PAGE, 8 * MiB };

static void
start_odd(void)
{

	usermode_console(NULL);
	vm_start(&odd, 1);
}

/* Take everything but the given ranges (by frame, exclusive ends). */
static void
leave_only(const vm_frame_t (*leave)[2], unsigned n)
{
	struct vm_physseg seg;
	vm_frame_t f;
	unsigned i, k;

	for (i = 0; vm_physseg_get(i, &seg); i++) {
		for (f = seg.vs_start; f < seg.vs_end; f++) {
			for (k = 0; k < n; k++) {
				if (f >= leave[k][0] && f < leave[k][1])
					break;
			}
			if (k == n)
				(void)vm_pglist_reserve(vm_ptoa(f), PAGE, 0);
		}
	}
}

#define	LEAVE(...) do {							\
	const vm_frame_t leave_[][2] = { __VA_ARGS__ };			\
									\
	leave_only(leave_, NITEMS(leave_));				\
} while (0)

/*
 * The wrong address space.
 */

/* The kernel sees that memory at an address that is aligned differently. */
ATF_TC_WITHOUT_HEAD(alignment_of_kernel_address);
ATF_TC_BODY(alignment_of_kernel_address, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(64 * KiB);
	uintptr_t va;
	paddr_t pa;
	unsigned i;

	(void)tc;
	usermode_physmem_release();
	va = (uintptr_t)usermode_physmem_back(odd.vmr_start, odd.vmr_size);
	/* One time in sixteen it is not: a page more moves the next view. */
	for (i = 1; i < 16 && (va - odd.vmr_start) % (64 * KiB) == 0; i++) {
		usermode_physmem_release();
		(void)usermode_physmem_back(0, i * PAGE);
		va = (uintptr_t)usermode_physmem_back(odd.vmr_start,
		    odd.vmr_size);
	}
	ATF_REQUIRE(va != 0);
	ATF_REQUIRE((va - odd.vmr_start) % (64 * KiB) != 0);
	ATF_REQUIRE_EQ(vm_physmem_load(&odd, 1, NULL, 0), 0);
	req.vpr_align = 64 * KiB;
	req.vpr_flags = VM_PG_ZERO;
	for (i = 0; i < 50; i++) {
		pa = run_alloc(&req);
		ATF_REQUIRE_EQ(pa % (64 * KiB), 0);
		ATF_REQUIRE_EQ((uintptr_t)vm_md_phystov(pa, 64 * KiB),
		    va + (pa - odd.vmr_start));
	}
}

ATF_TC_WITHOUT_HEAD(alignment_relative_to_chunk);
ATF_TC_BODY(alignment_relative_to_chunk, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);

	(void)tc;
	start_odd();
	for (req.vpr_align = 2 * PAGE; req.vpr_align <= 2 * MiB;
	    req.vpr_align *= 2)
		ATF_REQUIRE_EQ(run_alloc(&req) % req.vpr_align, 0);
}

ATF_TC_WITHOUT_HEAD(boundary_of_pointer);
ATF_TC_BODY(boundary_of_pointer, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(5 * PAGE);
	paddr_t pa;
	unsigned i;

	(void)tc;
	usermode_physmem_release();
	ATF_REQUIRE(usermode_physmem_back(odd.vmr_start, odd.vmr_size) !=
	    NULL);
	ATF_REQUIRE_EQ(vm_physmem_load(&odd, 1, NULL, 0), 0);
	req.vpr_boundary = 32 * KiB;
	req.vpr_flags = VM_PG_ZERO;
	for (i = 0; i < 200; i++) {
		pa = run_alloc(&req);
		ATF_REQUIRE_EQ(pa / (32 * KiB),
		    (pa + 5 * PAGE - 1) / (32 * KiB));
	}
}

/*
 * A failed request although a run exists.
 */

/* The only run lies before where the last search, or refill, ended. */
ATF_TC_WITHOUT_HEAD(scan_stops_at_hint);
ATF_TC_BODY(scan_stops_at_hint, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(16 * PAGE);
	paddr_t first, pa;

	(void)tc;
	start_odd();
	req.vpr_policy = VM_POLICY_NEXT;
	first = run_alloc(&req);
	while ((pa = vm_page_alloc(0, 0)) != VM_PADDR_NONE)
		continue;
	ATF_REQUIRE_EQ(run_error(&req), ENOMEM);
	ATF_REQUIRE_EQ(vm_pglist_free(first, 0), 0);
	ATF_REQUIRE_EQ(run_alloc(&req), first);
	/* The same for pages: the refill looks everywhere. */
	ATF_REQUIRE_EQ(vm_pglist_free(first, 0), 0);
	pa = vm_page_alloc(0, 0);
	ATF_REQUIRE(pa >= first && pa < first + 16 * PAGE);
}

/* One long extent, of which only the end is above low. */
ATF_TC_WITHOUT_HEAD(first_address_against_low);
ATF_TC_BODY(first_address_against_low, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(4 * PAGE);

	(void)tc;
	start_odd();
	LEAVE({ 0x4100, 0x4140 });
	req.vpr_low = 0x413c * PAGE;
	ATF_REQUIRE_EQ(run_alloc(&req), 0x413c * PAGE);
}

ATF_TC_WITHOUT_HEAD(first_address_against_alignment);
ATF_TC_BODY(first_address_against_alignment, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(4 * PAGE);

	(void)tc;
	start_odd();
	LEAVE({ 0x4101, 0x4144 });
	req.vpr_align = 0x40 * PAGE;
	ATF_REQUIRE_EQ(run_alloc(&req), 0x4140 * PAGE);
}

ATF_TC_WITHOUT_HEAD(first_address_against_boundary);
ATF_TC_BODY(first_address_against_boundary, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(8 * PAGE);

	(void)tc;
	start_odd();
	LEAVE({ 0x410a, 0x4118 });
	req.vpr_boundary = 16 * PAGE;
	ATF_REQUIRE_EQ(run_alloc(&req), 0x4110 * PAGE);
}

ATF_TC_WITHOUT_HEAD(run_across_free_lists);
ATF_TC_BODY(run_across_free_lists, tc)
{
	static const paddr_t border[] = { 16 * MiB, 2 * GiB, 4 * GiB };
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(4 * MiB);
	struct vm_memrange map[NITEMS(border) + 1];
	unsigned i;

	(void)tc;
	for (i = 0; i < NITEMS(border); i++)
		map[i] = (struct vm_memrange){ border[i] - 2 * MiB, 4 * MiB };
	map[i] = (struct vm_memrange){ 8 * GiB, 3 * MiB };
	vm_start(map, NITEMS(map));
	for (i = 0; i < NITEMS(border); i++)
		ATF_REQUIRE_EQ(run_alloc(&req), border[i] - 2 * MiB);
	ATF_REQUIRE_EQ(run_error(&req), ENOMEM);
	audit_ok(NULL);
}

/* Partly in the map and partly on a queue. */
ATF_TC_WITHOUT_HEAD(run_across_free_and_held);
ATF_TC_BODY(run_across_free_and_held, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(16 * PAGE);
	unsigned i;

	(void)tc;
	start_odd();
	LEAVE({ 0x4100, 0x4120 });
	for (i = 0; i < 16; i++)
		ATF_REQUIRE_EQ(vm_pglist_reserve((0x4108 + i) * PAGE, PAGE,
		    0), 0);
	for (i = 0; i < 16; i++)
		ATF_REQUIRE_EQ(vm_page_free((0x4108 + i) * PAGE), 0);
	req.vpr_align = 16 * PAGE;
	ATF_REQUIRE_EQ(run_alloc(&req), 0x4100 * PAGE);
	ATF_REQUIRE_EQ(run_alloc(&req), 0x4110 * PAGE);
}

/* Many extents of one size; only the last of them satisfies. */
ATF_TC_WITHOUT_HEAD(head_of_size_class);
ATF_TC_BODY(head_of_size_class, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(8 * PAGE);
	static const enum vm_policy policy[] = { VM_POLICY_LOWEST,
	    VM_POLICY_HIGHEST, VM_POLICY_BEST, VM_POLICY_NEXT };
	unsigned i;
	paddr_t pa;

	(void)tc;
	start_odd();
	LEAVE({ 0x4101, 0x4109 }, { 0x4121, 0x4129 }, { 0x4142, 0x414a },
	    { 0x4160, 0x4168 }, { 0x4181, 0x4189 }, { 0x41a3, 0x41ab });
	req.vpr_align = 8 * PAGE;
	for (i = 0; i < NITEMS(policy); i++) {
		req.vpr_policy = policy[i];
		pa = run_alloc(&req);
		ATF_REQUIRE_EQ(pa, 0x4160 * PAGE);
		ATF_REQUIRE_EQ(vm_pglist_free(pa, 0), 0);
	}
}

/*
 * Wrong places.
 */

ATF_TC_WITHOUT_HEAD(aligned_after_boundary_bump);
ATF_TC_BODY(aligned_after_boundary_bump, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(6 * PAGE);
	paddr_t pa;
	unsigned i, p;

	(void)tc;
	for (p = 0; p < VM_POLICY_EXACT; p++) {
		start_odd();
		req.vpr_policy = (enum vm_policy)p;
		req.vpr_align = 4 * PAGE;
		req.vpr_boundary = 8 * PAGE;
		for (i = 0; i < 100; i++) {
			pa = run_alloc(&req);
			ATF_REQUIRE_EQ(pa % req.vpr_align, 0);
			ATF_REQUIRE_EQ(pa / req.vpr_boundary,
			    (pa + req.vpr_size - 1) / req.vpr_boundary);
		}
	}
}

ATF_TC_WITHOUT_HEAD(highest_address_wraps);
ATF_TC_BODY(highest_address_wraps, tc)
{
	static const struct vm_memrange map[] = {
		{ 0, 16 * PAGE }, { 16 * MiB, MiB }, { TOP - MiB, MiB }
	};
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(8 * PAGE);
	paddr_t pa;

	(void)tc;
	vm_start_taken(map, NITEMS(map), NULL, 0);
	req.vpr_low = TOP - 64 * PAGE;
	req.vpr_policy = VM_POLICY_HIGHEST;
	req.vpr_high = TOP;
	while (vm_page_alloc(0, 0) != VM_PADDR_NONE)
		continue;
	/* Whatever lies at the very end: free it and take it again. */
	for (pa = TOP - 64 * PAGE; pa < TOP; pa += PAGE)
		(void)vm_pglist_free(pa, 0);
	vm_pageq_flush();
	(void)run_alloc(&req);
	pa = TOP - PAGE;
	if (vm_pglist_free(pa, 0) == EINVAL) {
		/* It is the last of a run. */
		ATF_REQUIRE(vm_extmap_state(&vm_map, VM_FRAME_END - 1) ==
		    VM_FRAME_TAIL);
	}
	audit_ok(NULL);
	/* The size of all there is does not wrap either. */
	req.vpr_size = TOP;
	req.vpr_low = 0;
	req.vpr_high = VM_PADDR_MAX;
	ATF_REQUIRE_EQ(run_error(&req), ENOMEM);
	ATF_REQUIRE_EQ(vm_pglist_reserve(TOP - PAGE, 2 * PAGE, 0), EINVAL);
	ATF_REQUIRE_EQ(vm_pglist_reserve(TOP - PAGE,
	    UINT64_MAX & ~(PAGE - 1), 0), EINVAL);
}

/* The search moves on to another chunk: its start moves along. */
ATF_TC_WITHOUT_HEAD(start_not_reset_on_next_chunk);
ATF_TC_BODY(start_not_reset_on_next_chunk, tc)
{
	static const struct vm_memrange map[] = {
		{ 5 * GiB + 96 * MiB, 16 * MiB },
		{ 6 * GiB, 16 * MiB },		/* other spans */
		{ 7 * GiB + 3 * PAGE, 8 * MiB },
	};
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(MiB);
	unsigned p;
	paddr_t pa;

	(void)tc;
	for (p = 0; p < VM_POLICY_EXACT; p++) {
		vm_start(map, NITEMS(map));
		/* Deep in the first; then only the start of the second. */
		ATF_REQUIRE_EQ(vm_pglist_reserve(5 * GiB + 97 * MiB,
		    15 * MiB, 0), 0);
		ATF_REQUIRE_EQ(vm_pglist_reserve(6 * GiB + 2 * MiB,
		    14 * MiB, 0), 0);
		req.vpr_policy = (enum vm_policy)p;
		req.vpr_low = 5 * GiB + 97 * MiB;
		req.vpr_high = 7 * GiB;
		pa = run_alloc(&req);
		ATF_REQUIRE(pa >= 6 * GiB && pa <= 6 * GiB + MiB);
	}
}

/*
 * What gets lost.
 */

ATF_TC_WITHOUT_HEAD(small_frees_never_coalesce);
ATF_TC_BODY(small_frees_never_coalesce, tc)
{
	static const unsigned step[] = { 1, 3, 7, 257, 1021 };	/* primes */
	struct vm_audit before, after;
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	unsigned i, k, n;
	static paddr_t pa[8192];

	(void)tc;
	start_odd();
	audit_ok(&before);
	for (i = 0; i < NITEMS(step); i++) {
		for (n = 0; (pa[n] = vm_page_alloc(0, 0)) != VM_PADDR_NONE;)
			n++;
		ATF_REQUIRE(n > step[i]);
		for (k = 0; k < n; k++)		/* every step-th of them */
			ATF_REQUIRE_EQ(vm_page_free(pa[n % step[i] != 0 ||
			    step[i] == 1 ? (uint64_t)k * step[i] % n : k]),
			    0);
		req.vpr_size = before.va_largest * PAGE;
		ATF_REQUIRE_EQ(vm_pglist_free(run_alloc(&req), 0), 0);
		audit_ok(&after);
		ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
	}
}

/* Reserved pages are given to nobody. */
ATF_TC_WITHOUT_HEAD(reserved_is_handed_out);
ATF_TC_BODY(reserved_is_handed_out, tc)
{
	const paddr_t at = 66 * MiB;
	paddr_t pa;

	(void)tc;
	start_odd();
	/* Some of it rests on this CPU's queue when it is reserved. */
	for (pa = at; pa < at + 64 * PAGE; pa += PAGE)
		ATF_REQUIRE_EQ(vm_pglist_reserve(pa, PAGE, 0), 0);
	for (pa = at; pa < at + 64 * PAGE; pa += PAGE)
		ATF_REQUIRE_EQ(vm_page_free(pa), 0);
	ATF_REQUIRE_EQ(vm_pglist_reserve(at, 64 * PAGE, 0), 0);
	while ((pa = vm_page_alloc(VM_PG_USERESERVE, 0)) != VM_PADDR_NONE)
		ATF_REQUIRE(pa < at || pa >= at + 64 * PAGE);
	audit_ok(NULL);
}

ATF_TC_WITHOUT_HEAD(reserve_of_used_and_freed);
ATF_TC_BODY(reserve_of_used_and_freed, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(64 * PAGE);
	paddr_t pa;
	unsigned i;

	(void)tc;
	start_odd();
	for (i = 0; i < 20; i++) {
		pa = run_alloc(&req);
		ATF_REQUIRE_EQ(vm_pglist_free(pa, 0), 0);
		ATF_REQUIRE_EQ(vm_pglist_reserve(pa, 64 * PAGE, 0), 0);
		ATF_REQUIRE_EQ(vm_pglist_reserve(pa, 64 * PAGE, 0), EBUSY);
		ATF_REQUIRE_EQ(vm_pglist_free(pa, 64 * PAGE), 0);
		pa = vm_page_alloc(0, 0);
		ATF_REQUIRE_EQ(vm_page_free(pa), 0);
		ATF_REQUIRE_EQ(vm_pglist_reserve(pa, PAGE, 0), 0);
		ATF_REQUIRE_EQ(vm_page_free(pa), 0);
	}
	audit_ok(NULL);
}

ATF_TC_WITHOUT_HEAD(reserve_and_unreserve_loses_memory);
ATF_TC_BODY(reserve_and_unreserve_loses_memory, tc)
{
	struct vm_audit before, after;
	struct rng r;
	unsigned i;
	paddr_t pa;
	psize_t n;

	rng_init(&r, tc, 1);
	start_odd();
	audit_ok(&before);
	for (i = 0; i < 2000; i++) {
		n = rng_size(&r, 200);
		pa = odd.vmr_start + rng_below(&r, 1500) * PAGE;
		if (vm_pglist_reserve(pa, n * PAGE, 0) == 0)
			ATF_REQUIRE_EQ(vm_pglist_free(pa, 0), 0);
	}
	audit_ok(&after);
	ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
}

/*
 * Fresh memory.
 */

ATF_TC_WITHOUT_HEAD(fresh_is_half_the_size);
ATF_TC_BODY(fresh_is_half_the_size, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(MiB);
	struct vm_audit before, after;
	paddr_t pa;

	(void)tc;
	start_odd();
	audit_ok(&before);
	req.vpr_flags = VM_PG_FRESH;
	pa = run_alloc(&req);
	audit_ok(&after);
	ATF_REQUIRE_EQ(after.va_allocated, before.va_allocated + MiB / PAGE);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, MiB), 0);
	/* All that there is, once. */
	req.vpr_size = (before.va_largest - MiB / PAGE) * PAGE;
	(void)run_alloc(&req);
	req.vpr_size = MiB;
	ATF_REQUIRE_EQ(run_error(&req), ENOMEM);
}

ATF_TC_WITHOUT_HEAD(fresh_of_one_page);
ATF_TC_BODY(fresh_of_one_page, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(1);
	paddr_t one, two;

	(void)tc;
	start_odd();
	req.vpr_flags = VM_PG_FRESH;
	one = run_alloc(&req);
	two = vm_page_alloc(VM_PG_FRESH, 0);
	ATF_REQUIRE(two != VM_PADDR_NONE && two != one);
	ATF_REQUIRE_EQ(vm_page_free(one), 0);
	ATF_REQUIRE_EQ(vm_pglist_free(two, 0), 0);
	audit_ok(NULL);
}

/*
 * Registering memory.
 */

ATF_TC_WITHOUT_HEAD(register_in_the_same_area_again);
ATF_TC_BODY(register_in_the_same_area_again, tc)
{
	static const struct vm_memrange map[] = {
		{ 64 * MiB, 8 * MiB }, { 80 * MiB, 8 * MiB },
		{ 64 * MiB, 8 * MiB }, { 68 * MiB, 8 * MiB },
	};
	struct vm_audit va;
	unsigned i;

	(void)tc;
	vm_start(map, NITEMS(map));
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_frames, 20 * MiB / PAGE);
	/* More of the same list, in pieces and in any order. */
	for (i = 8; i-- > 0;)
		ATF_REQUIRE_EQ(vm_physseg_plug((96 + 2 * i) * MiB, MiB), 0);
	for (i = 0; i < 8; i++)
		ATF_REQUIRE_EQ(vm_physseg_plug((97 + 2 * i) * MiB, MiB), 0);
	ATF_REQUIRE_EQ(vm_physseg_plug(100 * MiB, MiB), EEXIST);
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_frames, 36 * MiB / PAGE);
	/* And the whole again from the start. */
	vm_start(map, NITEMS(map));
	audit_ok(NULL);
}

/*
 * Freeing.
 */

ATF_TC_WITHOUT_HEAD(free_with_wrong_size_is_accepted);
ATF_TC_BODY(free_with_wrong_size_is_accepted, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(64 * KiB);
	struct vm_audit before, after;
	paddr_t pa;

	(void)tc;
	start_odd();
	pa = run_alloc(&req);
	audit_ok(&before);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 32 * KiB), EMSGSIZE);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 128 * KiB), EMSGSIZE);
	ATF_REQUIRE_EQ(vm_page_free(pa), EMSGSIZE);
	audit_ok(&after);
	ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
}

ATF_TC_WITHOUT_HEAD(free_from_the_middle_is_accepted);
ATF_TC_BODY(free_from_the_middle_is_accepted, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(64 * KiB);
	struct vm_audit before, after;
	paddr_t pa;

	(void)tc;
	start_odd();
	pa = run_alloc(&req);
	audit_ok(&before);
	ATF_REQUIRE_EQ(vm_pglist_free(pa + 32 * KiB, 32 * KiB), EINVAL);
	ATF_REQUIRE_EQ(vm_pglist_free(pa + 32 * KiB, 0), EINVAL);
	ATF_REQUIRE_EQ(vm_page_free(pa + 15 * PAGE), EINVAL);
	audit_ok(&after);
	ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
}

/*
 * Locks and sleep.
 */

/* Every way out, also of each error, leaves the locks as they were. */
ATF_TC(unlock_that_locks);
ATF_TC_HEAD(unlock_that_locks, tc)
{

	atf_tc_set_md_var(tc, "descr", "Errors leave no lock held");
}
ATF_TC_BODY(unlock_that_locks, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE), huge, split;
	struct vm_pgexplain expl;
	struct vm_pgseg segs[2];
	unsigned i, n;

	(void)tc;
	start_odd();
	huge = split = req;
	huge.vpr_size = GiB;
	split.vpr_size = MiB;
	split.vpr_maxsegsz = PAGE;
	split.vpr_nsegs = 2;
	for (i = 0; i < 3; i++) {
		ATF_REQUIRE_EQ(run_error(&huge), ENOMEM);
		ATF_REQUIRE_EQ(vm_pglist_alloc(&split, segs, &n), EFBIG);
		huge.vpr_flags = VM_PG_WAIT;
		huge.vpr_timeout = MSEC;
		ATF_REQUIRE_EQ(run_error(&huge), EWOULDBLOCK);
		huge.vpr_flags = 0;
		ATF_REQUIRE_EQ(vm_pglist_explain(&huge, &expl), 0);
		ATF_REQUIRE_EQ(vm_pglist_reserve(TiB, PAGE, 0), EINVAL);
		ATF_REQUIRE_EQ(vm_pglist_reserve(65 * MiB, PAGE, 0),
		    i == 0 ? 0 : EBUSY);
		ATF_REQUIRE_EQ(vm_pglist_free(TiB, 0), EINVAL);
		ATF_REQUIRE_EQ(vm_pglist_free(66 * MiB, 0), EALREADY);
		ATF_REQUIRE_EQ(vm_pglist_free(65 * MiB, MiB), EMSGSIZE);
		ATF_REQUIRE_EQ(vm_pglist_trim(66 * MiB, 66 * MiB, PAGE),
		    EALREADY);
		ATF_REQUIRE_EQ(vm_page_free(66 * MiB), EALREADY);
		ATF_REQUIRE_EQ(vm_physseg_plug(66 * MiB, MiB), EEXIST);
		ATF_REQUIRE_EQ(vm_physseg_unplug(65 * MiB, MiB, NULL),
		    EBUSY);
		ATF_REQUIRE_EQ(vm_physseg_unplug(TiB, MiB, NULL), EINVAL);
		ATF_REQUIRE_EQ(vm_pglist_free(run_alloc(&req), 0), 0);
		ATF_REQUIRE_EQ(vm_page_free(vm_page_alloc(0, 0)), 0);
		audit_ok(NULL);
	}
}

/*
 * Several who want low memory sleep; nobody else is held up.  They may make
 * others wait a little, now and then, so they sleep longer than that takes; on
 * a host that is late longer still.
 */
static _Atomic unsigned low_ended;

static void *
want_low(void *arg)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	struct vm_pgseg seg;
	unsigned n;
	int error;

	req.vpr_high = 16 * MiB;
	req.vpr_flags = VM_PG_WAIT;
	req.vpr_timeout = *(uint64_t *)arg;
	error = vm_pglist_alloc(&req, &seg, &n);
	atomic_fetch_add(&low_ended, 1);
	return ((void *)(intptr_t)error);
}

/* => they all slept from before the first of the others to after the last. */
static bool
others_get_through(uint64_t timeout)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(64 * KiB);
	pthread_t thread[8];
	void *result;
	unsigned i;
	bool all_slept;

	start_odd();
	atomic_store(&low_ended, 0);
	for (i = 0; i < NITEMS(thread); i++)
		ATF_REQUIRE_EQ(pthread_create(&thread[i], NULL, want_low,
		    &timeout), 0);
	while (atomic_load(&vm_sync_sleepers) < NITEMS(thread) &&
	    atomic_load(&low_ended) == 0)
		usleep(100);
	all_slept = atomic_load(&vm_sync_sleepers) == NITEMS(thread);
	req.vpr_flags = VM_PG_WAIT;
	for (i = 0; i < 20; i++) {
		ATF_REQUIRE_EQ(vm_pglist_free(run_alloc(&req), 0), 0);
		ATF_REQUIRE_EQ(vm_page_free(vm_page_alloc(0, 0)), 0);
	}
	all_slept = all_slept && atomic_load(&low_ended) == 0;
	for (i = 0; i < NITEMS(thread); i++) {
		ATF_REQUIRE_EQ(pthread_join(thread[i], &result), 0);
		ATF_REQUIRE_EQ((int)(intptr_t)result, EWOULDBLOCK);
	}
	return (all_slept);
}

ATF_TC(sleepers_block_everyone);
ATF_TC_HEAD(sleepers_block_everyone, tc)
{

	atf_tc_set_md_var(tc, "descr", "No lock is held while waiting");
}
ATF_TC_BODY(sleepers_block_everyone, tc)
{
	uint64_t timeout = 2000 * MSEC;

	(void)tc;
	while (!others_get_through(timeout)) {
		timeout *= 2;
		ATF_REQUIRE_MSG(timeout <= 64000 * MSEC,
		    "others are held up until the sleepers are gone");
	}
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, alignment_of_kernel_address);
	ATF_TP_ADD_TC(tp, alignment_relative_to_chunk);
	ATF_TP_ADD_TC(tp, boundary_of_pointer);
	ATF_TP_ADD_TC(tp, scan_stops_at_hint);
	ATF_TP_ADD_TC(tp, first_address_against_low);
	ATF_TP_ADD_TC(tp, first_address_against_alignment);
	ATF_TP_ADD_TC(tp, first_address_against_boundary);
	ATF_TP_ADD_TC(tp, run_across_free_lists);
	ATF_TP_ADD_TC(tp, run_across_free_and_held);
	ATF_TP_ADD_TC(tp, head_of_size_class);
	ATF_TP_ADD_TC(tp, aligned_after_boundary_bump);
	ATF_TP_ADD_TC(tp, highest_address_wraps);
	ATF_TP_ADD_TC(tp, start_not_reset_on_next_chunk);
	ATF_TP_ADD_TC(tp, small_frees_never_coalesce);
	ATF_TP_ADD_TC(tp, reserved_is_handed_out);
	ATF_TP_ADD_TC(tp, reserve_of_used_and_freed);
	ATF_TP_ADD_TC(tp, reserve_and_unreserve_loses_memory);
	ATF_TP_ADD_TC(tp, fresh_is_half_the_size);
	ATF_TP_ADD_TC(tp, fresh_of_one_page);
	ATF_TP_ADD_TC(tp, register_in_the_same_area_again);
	ATF_TP_ADD_TC(tp, free_with_wrong_size_is_accepted);
	ATF_TP_ADD_TC(tp, free_from_the_middle_is_accepted);
	ATF_TP_ADD_TC(tp, unlock_that_locks);
	ATF_TP_ADD_TC(tp, sleepers_block_everyone);
	return (atf_no_error());
}
