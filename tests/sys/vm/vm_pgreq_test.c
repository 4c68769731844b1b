/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Requests: which are well-formed, where they may look, and the fewest
 * segments, which an exhaustive search says too.
 */

#include <atf-c.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vm/vm_pgreq.h>

#include "vm_oracle.h"
#include "vm_testlib.h"

#define	CHUNK		((uint64_t)VM_EXTCHUNK_FRAMES)
#define	MANY		64

/*
 * Well-formed or not.
 */

static void
check(const struct vm_pgreq *req, int expected, unsigned at)
{
	const char *why = "untouched";
	int error = vm_pgreq_check(req, &why);

	ATF_REQUIRE_EQ_MSG(error, expected, "case %u: %d (%s)", at, error,
	    why == NULL ? "no reason" : why);
	ATF_REQUIRE_EQ_MSG(why == NULL, error == 0, "case %u", at);
	ATF_REQUIRE_EQ(vm_pgreq_check(req, NULL), expected);
}

#define	REQ(size, ...)							\
	{ .vpr_size = (size), .vpr_align = PAGE,			\
	    .vpr_high = VM_PADDR_MAX, .vpr_nsegs = 1,			\
	    .vpr_lists = VM_FREELIST_ALL, __VA_ARGS__ }

/* Overriding a field of REQ() is what it is for. */
#if defined(__clang__)
#pragma clang diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif

static const struct vm_pgreq malformed[] = {
	REQ(0),
	REQ(TOP + 1),
	REQ(UINT64_MAX),
	REQ(UINT64_MAX, .vpr_nsegs = 4),
	REQ(PAGE, .vpr_align = 0),
	REQ(PAGE, .vpr_align = 3 * PAGE),
	REQ(PAGE, .vpr_align = PAGE + 1),
	REQ(PAGE, .vpr_align = UINT64_MAX),
	REQ(PAGE, .vpr_boundary = 3 * PAGE),
	REQ(PAGE, .vpr_boundary = UINT64_MAX),
	REQ(1, .vpr_boundary = 1),
	REQ(PAGE / 2, .vpr_boundary = PAGE / 2),
	REQ(PAGE / 2, .vpr_boundary = PAGE / 2, .vpr_nsegs = 2),
	REQ(PAGE + 1, .vpr_boundary = PAGE),
	REQ(64 * KiB + 1, .vpr_boundary = 64 * KiB),
	REQ(PAGE, .vpr_low = MiB, .vpr_high = MiB),
	REQ(PAGE, .vpr_low = 2 * MiB, .vpr_high = MiB),
	REQ(PAGE, .vpr_low = VM_PADDR_MAX),
	REQ(PAGE, .vpr_high = 0),
	REQ(PAGE, .vpr_nsegs = 0),
	REQ(PAGE, .vpr_maxsegsz = PAGE - 1),
	REQ(PAGE, .vpr_maxsegsz = 1),
	REQ(1, .vpr_maxsegsz = 1, .vpr_nsegs = 2),
	REQ(2 * PAGE, .vpr_maxsegsz = PAGE),
	REQ(PAGE + 1, .vpr_maxsegsz = PAGE),
	REQ(64 * PAGE, .vpr_maxsegsz = 3 * PAGE, .vpr_align = 2 * PAGE,
	    .vpr_nsegs = 2),
	REQ(PAGE, .vpr_lists = 0),
	REQ(PAGE, .vpr_lists = VM_FREELIST_ALL + 1),
	REQ(PAGE, .vpr_lists = UINT32_MAX),
	REQ(PAGE, .vpr_policy = (enum vm_policy)(VM_POLICY_EXACT + 1)),
	REQ(PAGE, .vpr_policy = (enum vm_policy)-1),
	REQ(PAGE, .vpr_flags = 0x10000),
	REQ(PAGE, .vpr_flags = 0x80000000),
	REQ(PAGE, .vpr_policy = VM_POLICY_EXACT, .vpr_low = 1),
	REQ(PAGE, .vpr_policy = VM_POLICY_EXACT, .vpr_low = PAGE / 2,
	    .vpr_align = 1),
	REQ(PAGE, .vpr_policy = VM_POLICY_EXACT, .vpr_low = PAGE,
	    .vpr_align = 2 * PAGE),
	REQ(PAGE, .vpr_policy = VM_POLICY_EXACT, .vpr_nsegs = 2),
};

static const struct vm_pgreq wellformed[] = {
	REQ(1),
	REQ(PAGE),
	REQ(TOP),
	REQ(PAGE, .vpr_align = 1),
	REQ(PAGE, .vpr_align = PAGE / 2),
	REQ(PAGE, .vpr_align = UINT64_C(1) << 63),
	REQ(1, .vpr_boundary = PAGE),
	REQ(PAGE, .vpr_boundary = PAGE),
	REQ(64 * KiB, .vpr_boundary = 64 * KiB),
	REQ(64 * KiB, .vpr_boundary = PAGE, .vpr_nsegs = 16),
	REQ(PAGE, .vpr_boundary = UINT64_C(1) << 63),
	REQ(PAGE, .vpr_low = 1, .vpr_high = 2),
	REQ(PAGE, .vpr_low = VM_PADDR_MAX - 1),
	REQ(PAGE, .vpr_high = 1),
	REQ(PAGE, .vpr_nsegs = UINT32_MAX),
	REQ(PAGE, .vpr_maxsegsz = PAGE),
	REQ(PAGE, .vpr_maxsegsz = UINT64_MAX),
	REQ(64 * PAGE, .vpr_maxsegsz = PAGE, .vpr_nsegs = 2),
	REQ(64 * PAGE, .vpr_maxsegsz = 3 * PAGE, .vpr_align = 4 * PAGE,
	    .vpr_nsegs = 2),
	REQ(64 * PAGE, .vpr_maxsegsz = 6 * PAGE, .vpr_align = 2 * PAGE,
	    .vpr_nsegs = 2),
	REQ(PAGE, .vpr_lists = VM_FREELIST_BIT(VM_FREELIST_ISA)),
	REQ(PAGE, .vpr_policy = VM_POLICY_EXACT),
	REQ(PAGE, .vpr_policy = VM_POLICY_EXACT, .vpr_low = 2 * PAGE,
	    .vpr_align = 2 * PAGE),
	REQ(PAGE, .vpr_flags = VM_PG_ZERO | VM_PG_WAIT | VM_PG_NODRAIN |
	    VM_PG_USERESERVE),
	REQ(16 * KiB, .vpr_align = 8 * KiB, .vpr_boundary = 64 * KiB,
	    .vpr_high = 16 * MiB),
};

ATF_TC_WITHOUT_HEAD(check_malformed);
ATF_TC_BODY(check_malformed, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	struct vm_audit before, after;
	unsigned i;

	(void)tc;
	check(&req, 0, 0);
	for (i = 0; i < NITEMS(malformed); i++)
		check(&malformed[i], EINVAL, i);
	/* And the allocator refuses each, and says that it did. */
	vm_start(pc_ranges, pc_nranges);
	audit_ok(&before);
	for (i = 0; i < NITEMS(malformed); i++) {
		ATF_REQUIRE_EQ(vm_counter_sum(VM_COUNT_RUN_INVAL), i);
		req = malformed[i];
		if (req.vpr_nsegs > MANY)
			continue;
		ATF_REQUIRE_EQ(run_error(&req), EINVAL);
	}
	audit_ok(&after);
	ATF_REQUIRE_EQ(before.va_digest, after.va_digest);
}

ATF_TC_WITHOUT_HEAD(check_wellformed);
ATF_TC_BODY(check_wellformed, tc)
{
	unsigned i;

	(void)tc;
	for (i = 0; i < NITEMS(wellformed); i++)
		check(&wellformed[i], 0, i);
}

/*
 * Windows.
 */

static void
windows(const struct vm_pgreq *req, unsigned n,
    const struct vm_pgwindow *expected)
{
	struct vm_pgwindow win[VM_NFREELIST];
	unsigned i;

	ATF_REQUIRE_EQ(vm_pgreq_windows(req, win), n);
	for (i = 0; i < n; i++) {
		ATF_REQUIRE_EQ(win[i].pw_low, expected[i].pw_low);
		ATF_REQUIRE_EQ(win[i].pw_high, expected[i].pw_high);
	}
}

ATF_TC_WITHOUT_HEAD(windows);
ATF_TC_BODY(windows, tc)
{
	const vm_frame_t isa = 0x1000, dma31 = 0x80000, dma32 = 0x100000;
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	struct vm_pgwindow win[VM_NFREELIST];
	struct rng r;
	vm_frame_t f;
	unsigned i, k, n;
	bool in;

	windows(&req, 1, &(struct vm_pgwindow){ 0, VM_FRAME_END });
	req.vpr_lists = VM_FREELIST_BIT(VM_FREELIST_ISA) |
	    VM_FREELIST_BIT(VM_FREELIST_DMA32);
	windows(&req, 2, (struct vm_pgwindow[]){ { 0, isa },
	    { dma31, dma32 } });
	req.vpr_lists |= VM_FREELIST_BIT(VM_FREELIST_DMA31);
	windows(&req, 1, &(struct vm_pgwindow){ 0, dma32 });
	/* Parts of pages do not count. */
	req.vpr_low = 1;
	req.vpr_high = 3 * PAGE - 1;
	windows(&req, 1, &(struct vm_pgwindow){ 1, 2 });
	req.vpr_high = PAGE + 1;
	windows(&req, 0, NULL);
	/* Nothing there, by list and by limit. */
	req.vpr_low = 16 * MiB;
	req.vpr_high = VM_PADDR_MAX;
	req.vpr_lists = VM_FREELIST_BIT(VM_FREELIST_ISA);
	windows(&req, 0, NULL);
	req.vpr_lists = VM_FREELIST_ALL;
	req.vpr_low = TOP;
	windows(&req, 0, NULL);
	req.vpr_low = VM_PADDR_MAX - 1;
	windows(&req, 0, NULL);

	rng_init(&r, tc, 1);
	for (i = 0; i < 2000; i++) {
		req.vpr_lists = (unsigned)rng_range(&r, 1, VM_FREELIST_ALL);
		req.vpr_low = rng_size(&r, 1 + (UINT64_C(1) <<
		    rng_below(&r, 54)));
		req.vpr_high = req.vpr_low + rng_size(&r, 8 * GiB);
		n = vm_pgreq_windows(&req, win);
		for (k = 1; k < n; k++)
			ATF_REQUIRE(win[k - 1].pw_high < win[k].pw_low);
		for (k = 0; k < n; k++)
			ATF_REQUIRE(win[k].pw_low < win[k].pw_high);
		f = vm_atop(rng_chance(&r, 2) ? req.vpr_low : req.vpr_high);
		f += rng_below(&r, 5);
		f -= f < 2 ? 0 : 2;
		if (f >= VM_FRAME_END)
			continue;
		for (in = false, k = 0; k < n; k++)
			in |= f >= win[k].pw_low && f < win[k].pw_high;
		ATF_REQUIRE_EQ(in, oracle_usable(&req, f));
	}
}

ATF_TC_WITHOUT_HEAD(search);
ATF_TC_BODY(search, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE + 1);
	struct vm_extreq er;

	(void)tc;
	req.vpr_align = 1;
	req.vpr_boundary = 64 * KiB;
	req.vpr_policy = VM_POLICY_BEST;
	er = vm_pgreq_search(&req);
	ATF_REQUIRE_EQ(er.er_npages, 2);
	ATF_REQUIRE_EQ(er.er_align, 1);
	ATF_REQUIRE_EQ(er.er_boundary, 16);
	ATF_REQUIRE_EQ(er.er_policy, VM_POLICY_BEST);
	req.vpr_align = 64 * KiB;
	req.vpr_size = TOP;
	req.vpr_boundary = 0;
	er = vm_pgreq_search(&req);
	ATF_REQUIRE_EQ(er.er_npages, VM_FRAME_END);
	ATF_REQUIRE_EQ(er.er_align, 16);
	ATF_REQUIRE_EQ(er.er_boundary, 0);
}

/*
 * Solving, on maps that are small enough to try everything.
 */

/* Where there is something to get wrong: ends, and borders of lists. */
static const vm_frame_t places[][2] = {
	{ 0, 70 },
	{ 0x1000 - 40, 0x1000 + 40 },		/* 16 MiB */
	{ 0x80000 - 30, 0x80000 + 30 },		/* 2 GiB */
	{ 0x100000 - 30, 0x100000 + 30 },	/* 4 GiB */
	{ VM_FRAME_END - 60, VM_FRAME_END },
};

struct small {
	struct vm_extmap s_map;
	struct oracle	s_oracle;
	void		*s_mem[2 * NITEMS(places)];
	unsigned	s_nmem;
};

static void
small_attach(struct small *s, vm_frame_t frame)
{
	void *mem;

	if (vm_extmap_span(&s->s_map, frame) != NULL)
		return;
	mem = aligned_alloc(64, (vm_extmap_metasize(CHUNK) + 63) &
	    ~(size_t)63);
	ATF_REQUIRE(mem != NULL);
	ATF_REQUIRE_EQ(vm_extmap_attach(&s->s_map, frame & ~(CHUNK - 1),
	    CHUNK, mem), 0);
	s->s_mem[s->s_nmem++] = mem;
}

static void
small_make(struct small *s, struct rng *r)
{
	vm_frame_t f;
	uint64_t n;
	unsigned i;

	memset(s, 0, sizeof(*s));
	vm_extmap_init(&s->s_map);
	oracle_init(&s->s_oracle);
	for (i = 0; i < NITEMS(places); i++) {
		if (rng_chance(r, 2) && i + 1 < NITEMS(places))
			continue;
		small_attach(s, places[i][0]);
		small_attach(s, places[i][1] - 1);
		oracle_add(&s->s_oracle, places[i][0],
		    places[i][1] - places[i][0], VM_FRAME_HEAD);
		for (f = places[i][0]; f < places[i][1]; f += n) {
			n = rng_size(r, 24);
			if (n > places[i][1] - f)
				n = places[i][1] - f;
			if (rng_chance(r, 3))
				continue;
			vm_extmap_insert(&s->s_map, f, f + n);
			oracle_set(&s->s_oracle, f, f + n, VM_FRAME_FREE);
		}
	}
}

static void
small_free(struct small *s)
{

	oracle_fini(&s->s_oracle);
	while (s->s_nmem > 0)
		free(s->s_mem[--s->s_nmem]);
}

static void
small_request(struct rng *r, struct vm_pgreq *req)
{
	uint64_t align;
	unsigned i;

	*req = (struct vm_pgreq)VM_PGREQ_INITIALIZER(rng_size(r, 100) * PAGE -
	    rng_below(r, PAGE));
	req->vpr_nsegs = (unsigned)rng_size(r, 8);
	align = UINT64_C(1) << rng_below(r, 5);
	if (rng_chance(r, 2))
		align = 1;
	req->vpr_align = align * PAGE;
	if (rng_chance(r, 2))
		req->vpr_boundary = PAGE << rng_below(r, 7);
	if (rng_chance(r, 3))
		req->vpr_maxsegsz = align * rng_size(r, 8) * PAGE;
	else if (rng_chance(r, 4))
		req->vpr_maxsegsz = rng_size(r, align) * PAGE +
		    rng_below(r, PAGE);
	if (rng_chance(r, 3))
		req->vpr_lists = (unsigned)rng_range(r, 1, VM_FREELIST_ALL);
	i = (unsigned)rng_below(r, NITEMS(places));
	if (rng_chance(r, 4))
		req->vpr_low = rng_range(r, places[i][0] * PAGE,
		    places[i][1] * PAGE);
	if (rng_chance(r, 4))
		req->vpr_high = rng_range(r, places[i][0] * PAGE,
		    places[i][1] * PAGE);
	req->vpr_policy = (enum vm_policy)rng_below(r, VM_POLICY_EXACT);
}

static void
small_say(const struct vm_pgreq *req)
{

	printf("size %" PRIu64 " align %" PRIu64 " boundary %" PRIu64
	    " low %#" PRIx64 " high %#" PRIx64 " nsegs %u maxsegsz %" PRIu64
	    " lists %#x policy %d\n", req->vpr_size, req->vpr_align,
	    req->vpr_boundary, req->vpr_low, req->vpr_high, req->vpr_nsegs,
	    req->vpr_maxsegsz, req->vpr_lists, (int)req->vpr_policy);
	fflush(stdout);
}

/* Each segment by itself, and all of them together. */
static void
small_answer(const struct small *s, const struct vm_pgreq *req,
    const struct vm_pgseg *segs, unsigned n)
{
	psize_t sum = 0;
	unsigned i;
	paddr_t pa;

	for (i = 0; i < n; i++) {
		ATF_REQUIRE(segs[i].vps_size > 0);
		ATF_REQUIRE_EQ(segs[i].vps_size % PAGE, 0);
		ATF_REQUIRE_EQ(segs[i].vps_start % req->vpr_align, 0);
		ATF_REQUIRE(req->vpr_maxsegsz == 0 ||
		    segs[i].vps_size <= req->vpr_maxsegsz);
		if (req->vpr_boundary != 0)
			ATF_REQUIRE_EQ(segs[i].vps_start / req->vpr_boundary,
			    (segs[i].vps_start + segs[i].vps_size - 1) /
			    req->vpr_boundary);
		ATF_REQUIRE(i == 0 || segs[i - 1].vps_start +
		    segs[i - 1].vps_size <= segs[i].vps_start);
		for (pa = segs[i].vps_start; pa < segs[i].vps_start +
		    segs[i].vps_size; pa += PAGE) {
			ATF_REQUIRE(oracle_usable(req, pa / PAGE));
			ATF_REQUIRE_EQ(oracle_state(&s->s_oracle, pa / PAGE),
			    VM_FRAME_FREE);
		}
		sum += segs[i].vps_size;
	}
	ATF_REQUIRE_EQ(sum, (req->vpr_size + PAGE - 1) / PAGE * PAGE);
}

ATF_TC(solve);
ATF_TC_HEAD(solve, tc)
{

	atf_tc_set_md_var(tc, "descr", "The fewest segments, exactly");
	atf_tc_set_md_var(tc, "timeout", "1200");
}
ATF_TC_BODY(solve, tc)
{
	unsigned i, k, n, fewest, rounds = test_long(tc) ? 20000 : 600;
	unsigned served = 0, toobig = 0, nomem = 0;
	struct vm_pgseg segs[9];
	struct vm_pgreq req;
	uint64_t cover;
	struct small s;
	struct rng r;
	int error;

	rng_init(&r, tc, 2);
	for (i = 0; i < rounds; i++) {
		small_make(&s, &r);
		for (k = 0; k < 20; k++) {
			small_request(&r, &req);
			if (vm_pgreq_check(&req, NULL) != 0)
				continue;
			memset(segs, 0xa5, sizeof(segs));
			error = vm_pgreq_solve(&s.s_map, &req, segs, &n);
			fewest = oracle_segments(&s.s_oracle, &req, &cover);
			if (error != 0 || n != fewest)
				small_say(&req);
			if (fewest != 0) {
				served++;
				ATF_REQUIRE_EQ(error, 0);
				ATF_REQUIRE_EQ_MSG(n, fewest, "%u != %u", n,
				    fewest);
				small_answer(&s, &req, segs, n);
			} else if (req.vpr_nsegs > 1 &&
			    cover * PAGE >= req.vpr_size) {
				toobig++;
				ATF_REQUIRE_EQ(error, EFBIG);
				ATF_REQUIRE_EQ(n, 0);
			} else {
				nomem++;
				ATF_REQUIRE_EQ(error, ENOMEM);
				ATF_REQUIRE_EQ(n, 0);
			}
			/* Nothing behind what the request has room for. */
			ATF_REQUIRE_EQ(segs[req.vpr_nsegs].vps_start,
			    UINT64_C(0xa5a5a5a5a5a5a5a5));
		}
		small_free(&s);
	}
	printf("%u served, %u EFBIG, %u ENOMEM\n", served, toobig, nomem);
	ATF_REQUIRE(served > rounds && toobig > rounds / 4 &&
	    nomem > rounds / 4);
}

/* Exactly there, or nowhere. */
ATF_TC_WITHOUT_HEAD(solve_exact);
ATF_TC_BODY(solve_exact, tc)
{
	unsigned i, k, n, a, rounds = 300;
	struct vm_pgreq req;
	struct vm_pgseg seg;
	struct vm_extreq er;
	struct small s;
	struct rng r;
	vm_frame_t f, end;
	bool fits;
	int error;

	rng_init(&r, tc, 3);
	for (i = 0; i < rounds; i++) {
		small_make(&s, &r);
		for (k = 0; k < 50; k++) {
			small_request(&r, &req);
			req.vpr_size = rng_size(&r, 20) * PAGE;
			a = (unsigned)rng_below(&r, NITEMS(places));
			req.vpr_low = rng_range(&r, places[a][0],
			    places[a][1]) * PAGE & ~(req.vpr_align - 1);
			req.vpr_nsegs = 1;
			req.vpr_policy = VM_POLICY_EXACT;
			if (vm_pgreq_check(&req, NULL) != 0)
				continue;
			er = vm_pgreq_search(&req);
			er.er_low = req.vpr_low / PAGE;
			er.er_high = end = er.er_low + er.er_npages;
			fits = oracle_fits(&s.s_oracle, &er, er.er_low);
			for (f = er.er_low; fits && f < end; f++)
				fits = oracle_usable(&req, f);
			error = vm_pgreq_solve(&s.s_map, &req, &seg, &n);
			if (error != (fits ? 0 : ENOMEM))
				small_say(&req);
			ATF_REQUIRE_EQ(error, fits ? 0 : ENOMEM);
			ATF_REQUIRE_EQ(n, fits);
			ATF_REQUIRE(!fits || seg.vps_start == req.vpr_low);
		}
		small_free(&s);
	}
}

/* The policy holds within the highest free list that has a place. */
ATF_TC_WITHOUT_HEAD(solve_policy);
ATF_TC_BODY(solve_policy, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(4 * PAGE);
	struct vm_pgseg seg;
	struct small s;
	unsigned n;

	(void)tc;
	memset(&s, 0, sizeof(s));
	vm_extmap_init(&s.s_map);
	oracle_init(&s.s_oracle);
	small_attach(&s, 0);
	small_attach(&s, 0x80000 - 1);
	small_attach(&s, 0x80000);
	vm_extmap_insert(&s.s_map, 16, 32);
	vm_extmap_insert(&s.s_map, 0x2000, 0x2010);
	vm_extmap_insert(&s.s_map, 0x3000, 0x3005);
	vm_extmap_insert(&s.s_map, 0x4000, 0x4008);
	vm_extmap_insert(&s.s_map, 0x80000 - 3, 0x80000 + 3);

	ATF_REQUIRE_EQ(vm_pgreq_solve(&s.s_map, &req, &seg, &n), 0);
	ATF_REQUIRE_EQ(seg.vps_start, 0x2000 * PAGE);
	req.vpr_policy = VM_POLICY_HIGHEST;
	ATF_REQUIRE_EQ(vm_pgreq_solve(&s.s_map, &req, &seg, &n), 0);
	ATF_REQUIRE_EQ(seg.vps_start, 0x4004 * PAGE);
	req.vpr_policy = VM_POLICY_BEST;
	ATF_REQUIRE_EQ(vm_pgreq_solve(&s.s_map, &req, &seg, &n), 0);
	ATF_REQUIRE_EQ(seg.vps_start, 0x3000 * PAGE);
	/* Over the border of two lists, if nothing else will do. */
	req.vpr_low = 0x80000 * PAGE - 3 * PAGE;
	req.vpr_size = 5 * PAGE;
	ATF_REQUIRE_EQ(vm_pgreq_solve(&s.s_map, &req, &seg, &n), 0);
	ATF_REQUIRE_EQ(seg.vps_start, (0x80000 - 3) * PAGE);
	req.vpr_lists = VM_FREELIST_BIT(VM_FREELIST_ISA);
	req.vpr_low = 0;
	req.vpr_policy = VM_POLICY_HIGHEST;
	ATF_REQUIRE_EQ(vm_pgreq_solve(&s.s_map, &req, &seg, &n), 0);
	ATF_REQUIRE_EQ(seg.vps_start, 27 * PAGE);
	small_free(&s);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, check_malformed);
	ATF_TP_ADD_TC(tp, check_wellformed);
	ATF_TP_ADD_TC(tp, windows);
	ATF_TP_ADD_TC(tp, search);
	ATF_TP_ADD_TC(tp, solve);
	ATF_TP_ADD_TC(tp, solve_exact);
	ATF_TP_ADD_TC(tp, solve_policy);
	return (atf_no_error());
}
