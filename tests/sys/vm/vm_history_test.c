/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The running allocator, with one thread, against a plain array in which a
 * held page is a free page: a request fails only if no run exists.
 */

#include <atf-c.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vm/vm_counter.h>
#include <vm/vm_pageq.h>
#include <vm/vm_pgreq.h>
#include <vm/vm_sync.h>

#include "vm_oracle.h"
#include "vm_testlib.h"

#define	MAXRUNS		8192

/* The running allocator, as the test knows it. */
struct world {
	struct oracle	w_oracle;	/* free, or head and tails; absent
					   frames are heads */
	struct oracle	w_absent;	/* free: managed; head: absent */
	struct oracle	w_used;		/* head: was handed out */
	struct oracle	w_first;	/* absent at the start? */
	struct rng	*w_rng;
	unsigned	w_odd;		/* pages that could not go */
	unsigned	w_nown;		/* runs of the allocator itself */
	unsigned	w_nruns;
	struct run {
		vm_frame_t	r_start;
		uint64_t	r_n;
		vm_owner_t	r_owner;
	} w_run[MAXRUNS];
	vm_owner_t	w_owner[4];
};

static struct world world;

static void
fail(const char *what, const struct vm_pgreq *req, uint64_t got,
    uint64_t expected)
{

	if (req != NULL)
		printf("size %" PRIu64 " align %" PRIu64 " boundary %" PRIu64
		    " low %#" PRIx64 " high %#" PRIx64 " nsegs %u maxsegsz %"
		    PRIu64 " lists %#x policy %d flags %#x\n", req->vpr_size,
		    req->vpr_align, req->vpr_boundary, req->vpr_low,
		    req->vpr_high, req->vpr_nsegs, req->vpr_maxsegsz,
		    req->vpr_lists, (int)req->vpr_policy, req->vpr_flags);
	atf_tc_fail("%s: %#" PRIx64 ", expected %#" PRIx64, what, got,
	    expected);
}

static void
runs_add(struct world *w, vm_frame_t start, uint64_t n, vm_owner_t owner)
{
	struct run *r = &w->w_run[w->w_nruns++];

	ATF_REQUIRE(w->w_nruns < MAXRUNS);
	r->r_start = start;
	r->r_n = n;
	r->r_owner = owner;
	oracle_set(&w->w_oracle, start, start + n, VM_FRAME_HEAD);
	oracle_set(&w->w_used, start, start + n, VM_FRAME_HEAD);
}

static void
runs_drop(struct world *w, unsigned i)
{
	struct run *r = &w->w_run[i];

	oracle_set(&w->w_oracle, r->r_start, r->r_start + r->r_n,
	    VM_FRAME_FREE);
	*r = w->w_run[--w->w_nruns];
}

/* Free frames that a plain page may not have: the reserve of lower lists. */
static bool
page_possible(struct world *w, bool reserve)
{
	uint64_t nfree[VM_NFREELIST] = { 0 }, i;
	const struct oracle_area *oa;
	unsigned a, list;

	for (a = 0; a < w->w_oracle.o_nareas; a++) {
		oa = &w->w_oracle.o_area[a];
		for (i = 0; i < oa->oa_n; i++)
			nfree[vm_freelist_of(oa->oa_first + i)] +=
			    oa->oa_state[i] == VM_FRAME_FREE;
	}
	for (list = 0; list < VM_NFREELIST; list++) {
		if (nfree[list] > (reserve ? 0 :
		    vm_sync_reserve((enum vm_freelist)list)))
			return (true);
	}
	return (false);
}

static vm_owner_t
any_owner(struct world *w)
{

	return (w->w_owner[rng_below(w->w_rng, NITEMS(w->w_owner))]);
}

/*
 * Steps.
 */

static void
do_page(struct world *w)
{
	vm_owner_t owner = any_owner(w);
	unsigned flags = rng_chance(w->w_rng, 4) ? VM_PG_USERESERVE : 0;
	paddr_t pa;

	if (w->w_nruns == MAXRUNS - 1)
		return;
	pa = vm_page_alloc(flags, owner);
	if (pa == VM_PADDR_NONE) {
		if (page_possible(w, flags != 0))
			fail("no page, though there is one", NULL, flags, 0);
		return;
	}
	if (pa % PAGE != 0 ||
	    oracle_state(&w->w_oracle, vm_atop(pa)) != VM_FRAME_FREE)
		fail("a page that is not free", NULL, pa, 0);
	runs_add(w, vm_atop(pa), 1, owner);
}

static void
do_pages(struct world *w)
{
	uint64_t n = rng_size(w->w_rng, 1500);

	while (n-- > 0)
		do_page(w);
}

static void
do_free(struct world *w)
{
	unsigned i;
	struct run *r;

	if (w->w_nruns == 0)
		return;
	i = (unsigned)rng_below(w->w_rng, w->w_nruns);
	r = &w->w_run[i];
	ATF_REQUIRE_EQ(vm_sync_owner(r->r_start), r->r_owner);
	if (r->r_n == 1 && !rng_chance(w->w_rng, 8))
		ATF_REQUIRE_EQ(vm_page_free(vm_ptoa(r->r_start)), 0);
	else
		ATF_REQUIRE_EQ(vm_pglist_free(vm_ptoa(r->r_start),
		    rng_chance(w->w_rng, 2) ? 0 : vm_ptoa(r->r_n) -
		    rng_below(w->w_rng, PAGE)), 0);
	runs_drop(w, i);
}

static void
do_frees(struct world *w)
{
	uint64_t n = rng_size(w->w_rng, 1500);

	while (n-- > 0)
		do_free(w);
}

static void
any_request(struct world *w, struct vm_pgreq *req)
{
	struct rng *r = w->w_rng;

	*req = (struct vm_pgreq)VM_PGREQ_INITIALIZER(rng_size(r, 600) *
	    PAGE - rng_below(r, PAGE));
	if (rng_chance(r, 2))
		req->vpr_align = PAGE << rng_below(r, 10);
	if (rng_chance(r, 3))
		for (req->vpr_boundary = PAGE << rng_below(r, 10);
		    req->vpr_boundary < req->vpr_size;)
			req->vpr_boundary *= 2;
	if (rng_chance(r, 3))
		req->vpr_low = vm_ptoa(oracle_any(&w->w_oracle, r)) +
		    rng_below(r, PAGE);
	if (rng_chance(r, 3))
		req->vpr_high = vm_ptoa(oracle_any(&w->w_oracle, r)) +
		    rng_below(r, PAGE);
	if (rng_chance(r, 4))
		req->vpr_lists = (unsigned)rng_range(r, 1, VM_FREELIST_ALL);
	req->vpr_policy = (enum vm_policy)rng_below(r, VM_POLICY_EXACT + 1);
	if (req->vpr_policy == VM_POLICY_EXACT)
		req->vpr_low &= ~(req->vpr_align - 1);
	if (rng_chance(r, 8))
		req->vpr_flags |= VM_PG_USERESERVE;
	req->vpr_owner = any_owner(w);
}

/* Is there a place, by the array, for a request of one segment? */
static bool
run_possible(struct world *w, const struct vm_pgreq *req)
{
	struct vm_extreq er = vm_pgreq_search(req);
	struct vm_pgwindow win[VM_NFREELIST];
	struct oracle_answer ans;
	unsigned i, n = vm_pgreq_windows(req, win);

	for (i = 0; i < n; i++) {
		er.er_low = win[i].pw_low;
		er.er_high = win[i].pw_high;
		if (req->vpr_policy != VM_POLICY_EXACT)
			oracle_find(&w->w_oracle, &er, &ans);
		else
			ans.oa_found = oracle_fits(&w->w_oracle, &er,
			    vm_atop(req->vpr_low));
		if (ans.oa_found)
			return (true);
	}
	return (false);
}

/* A segment of an answer satisfies the request; it becomes a run. */
static void
take_segment(struct world *w, const struct vm_pgreq *req,
    const struct vm_pgseg *seg)
{
	paddr_t pa, end = seg->vps_start + seg->vps_size;

	if (seg->vps_start % req->vpr_align != 0)
		fail("not aligned", req, seg->vps_start, 0);
	if (req->vpr_boundary != 0 && seg->vps_start / req->vpr_boundary !=
	    (end - 1) / req->vpr_boundary)
		fail("crosses", req, seg->vps_start, 0);
	if (req->vpr_maxsegsz != 0 && seg->vps_size > req->vpr_maxsegsz)
		fail("too long", req, seg->vps_size, req->vpr_maxsegsz);
	if (req->vpr_policy == VM_POLICY_EXACT &&
	    seg->vps_start != req->vpr_low)
		fail("not there", req, seg->vps_start, req->vpr_low);
	for (pa = seg->vps_start; pa < end; pa += PAGE) {
		if (!oracle_usable(req, vm_atop(pa)))
			fail("out of the window", req, pa, 0);
		if (oracle_state(&w->w_oracle, vm_atop(pa)) != VM_FRAME_FREE)
			fail("not free", req, pa, 0);
	}
	runs_add(w, vm_atop(seg->vps_start), vm_atop(seg->vps_size),
	    req->vpr_owner);
}

static void
do_run(struct world *w)
{
	struct vm_pgreq req;
	struct vm_pgseg seg;
	unsigned n = 7;
	bool possible;
	int error;

	any_request(w, &req);
	if (vm_pgreq_check(&req, NULL) != 0 || w->w_nruns > MAXRUNS - 4)
		return;
	possible = run_possible(w, &req);
	error = vm_pglist_alloc(&req, &seg, &n);
	if (error != (possible ? 0 : ENOMEM))
		fail("a run", &req, (unsigned)error, possible ? 0 : ENOMEM);
	ATF_REQUIRE_EQ(n, error == 0);
	if (error == 0)
		take_segment(w, &req, &seg);
}

/* Several segments: as few as there can be. */
static void
do_segments(struct world *w)
{
	struct vm_pgreq req;
	struct vm_pgseg seg[4];
	unsigned i, n = 0, fewest;
	uint64_t cover, sum = 0;
	int error, expected;

	any_request(w, &req);
	req.vpr_size = rng_size(w->w_rng, 64) * PAGE;
	req.vpr_policy = VM_POLICY_LOWEST;
	req.vpr_nsegs = (unsigned)rng_range(w->w_rng, 2, NITEMS(seg));
	req.vpr_align = PAGE << rng_below(w->w_rng, 4);
	if (rng_chance(w->w_rng, 2))
		req.vpr_maxsegsz = req.vpr_align * rng_size(w->w_rng, 16);
	req.vpr_boundary = rng_chance(w->w_rng, 2) ? 0 :
	    PAGE << rng_range(w->w_rng, 2, 6);
	/* The oracle looks at every length: not too many. */
	if (req.vpr_maxsegsz == 0 && req.vpr_boundary == 0)
		req.vpr_boundary = 64 * PAGE;
	if (vm_pgreq_check(&req, NULL) != 0 || w->w_nruns > MAXRUNS - 8)
		return;
	fewest = oracle_segments(&w->w_oracle, &req, &cover);
	expected = fewest != 0 ? 0 : vm_ptoa(cover) >= req.vpr_size ? EFBIG :
	    ENOMEM;
	error = vm_pglist_alloc(&req, seg, &n);
	if (error != expected)
		fail("segments", &req, (unsigned)error, (unsigned)expected);
	if (n != fewest)
		fail("number of segments", &req, n, fewest);
	for (i = 0; i < n; i++) {
		ATF_REQUIRE(i == 0 || seg[i].vps_start >=
		    seg[i - 1].vps_start + seg[i - 1].vps_size);
		take_segment(w, &req, &seg[i]);
		sum += seg[i].vps_size;
	}
	ATF_REQUIRE(n == 0 || sum == vm_ptoa(vm_atop(req.vpr_size)));
}

static void
do_reserve(struct world *w)
{
	const struct oracle *o = &w->w_oracle;
	vm_frame_t start = oracle_any(o, w->w_rng), f;
	uint64_t n = rng_size(w->w_rng, 200);
	vm_owner_t owner = any_owner(w);
	bool managed = true, avail = true;
	int error, expected;

	if (w->w_nruns > MAXRUNS - 4)
		return;
	for (f = start; f < start + n; f++) {
		managed &= vm_physseg_managed(f, f + 1);
		avail &= oracle_state(o, f) == VM_FRAME_FREE;
	}
	expected = !managed ? EINVAL : !avail ? EBUSY : 0;
	error = vm_pglist_reserve(vm_ptoa(start), vm_ptoa(n), owner);
	if (error != expected)
		fail("reserve", NULL, (unsigned)error, (unsigned)expected);
	if (error == 0)
		runs_add(w, start, n, owner);
}

static void
do_trim(struct world *w)
{
	vm_frame_t start, newstart;
	struct run *r;
	uint64_t n;
	unsigned i;

	if (w->w_nruns == 0)
		return;
	i = (unsigned)rng_below(w->w_rng, w->w_nruns);
	r = &w->w_run[i];
	start = r->r_start;
	newstart = start + rng_below(w->w_rng, r->r_n);
	n = rng_range(w->w_rng, 1, r->r_n - (newstart - start));
	ATF_REQUIRE_EQ(vm_pglist_trim(vm_ptoa(start), vm_ptoa(newstart),
	    vm_ptoa(n) - rng_below(w->w_rng, PAGE)), 0);
	oracle_set(&w->w_oracle, start, start + r->r_n, VM_FRAME_FREE);
	oracle_set(&w->w_oracle, newstart, newstart + n, VM_FRAME_HEAD);
	r->r_start = newstart;
	r->r_n = n;
	ATF_REQUIRE_EQ(vm_sync_owner(newstart), r->r_owner);
}

/* Fresh memory: none that was handed out before. */
static void
take_fresh(struct world *w, vm_frame_t start, uint64_t n)
{
	vm_frame_t f;

	for (f = start; f < start + n; f++) {
		if (oracle_state(&w->w_used, f) != VM_FRAME_FREE)
			fail("not fresh", NULL, f, 0);
	}
}

static void
do_fresh(struct world *w)
{
	struct vm_pgreq req;
	struct vm_pgseg seg;
	unsigned n;
	paddr_t pa;

	if (w->w_nruns > MAXRUNS - 4)
		return;
	if (rng_chance(w->w_rng, 2)) {
		pa = vm_page_alloc(VM_PG_FRESH, w->w_owner[0]);
		if (pa == VM_PADDR_NONE)
			return;
		ATF_REQUIRE_EQ(oracle_state(&w->w_oracle, vm_atop(pa)),
		    VM_FRAME_FREE);
		take_fresh(w, vm_atop(pa), 1);
		runs_add(w, vm_atop(pa), 1, w->w_owner[0]);
		return;
	}
	any_request(w, &req);
	req.vpr_flags |= VM_PG_FRESH;
	if (vm_pgreq_check(&req, NULL) != 0 ||
	    vm_pglist_alloc(&req, &seg, &n) != 0)
		return;
	take_fresh(w, vm_atop(seg.vps_start), vm_atop(seg.vps_size));
	take_segment(w, &req, &seg);
}

/*
 * Memory comes and goes, within what the map keeps states for.
 */

static unsigned
nsegments(void)
{
	struct vm_physseg seg;
	unsigned n = 0;

	while (vm_physseg_get(n, &seg))
		n++;
	return (n);
}

/* Some frames of one area. */
static void
any_frames(struct world *w, vm_frame_t *startp, uint64_t *np)
{
	const struct oracle_area *oa = &w->w_absent.o_area[rng_below(w->w_rng,
	    w->w_absent.o_nareas)];

	*np = rng_size(w->w_rng, oa->oa_n);
	*startp = oa->oa_first + rng_below(w->w_rng, oa->oa_n - *np + 1);
}

static vm_frame_t
area_limit(const struct oracle *o, vm_frame_t frame)
{
	unsigned i = 0;

	while (frame - o->o_area[i].oa_first >= o->o_area[i].oa_n)
		i++;
	return (o->o_area[i].oa_first + o->o_area[i].oa_n);
}

static void
do_plug(struct world *w)
{
	bool managed = false;
	vm_frame_t start, f, limit;
	int error, expected;
	uint64_t n;

	any_frames(w, &start, &n);
	/* Mostly where there is nothing. */
	if (!rng_chance(w->w_rng, 4)) {
		if (!oracle_any_in(&w->w_absent, w->w_rng, VM_FRAME_HEAD,
		    &start))
			return;
		limit = area_limit(&w->w_absent, start);
		for (n = 1; n < 300 && start + n < limit && oracle_state(
		    &w->w_absent, start + n) == VM_FRAME_HEAD;)
			n++;
	}
	for (f = start; f < start + n; f++) {
		if (oracle_state(&w->w_absent, f) != VM_FRAME_HEAD)
			managed = true;
	}
	expected = managed ? EEXIST : 0;
	error = vm_physseg_plug(vm_ptoa(start), vm_ptoa(n));
	if (error == ENOSPC && !managed) {
		ATF_REQUIRE(nsegments() + VM_NFREELIST > VM_PHYSSEG_MAX);
		return;
	}
	if (error != expected)
		fail("plug", NULL, (unsigned)error, (unsigned)expected);
	if (error != 0)
		return;
	oracle_set(&w->w_absent, start, start + n, VM_FRAME_FREE);
	oracle_set(&w->w_oracle, start, start + n, VM_FRAME_FREE);
	oracle_set(&w->w_used, start, start + n, VM_FRAME_FREE);
}

/* Who is said to be in the way is. */
static void
check_pin(struct world *w, vm_frame_t start, uint64_t n,
    const struct vm_physpin *pin)
{
	vm_frame_t head = vm_atop(pin->pin_start);

	ATF_REQUIRE_EQ(oracle_state(&w->w_oracle, head), VM_FRAME_HEAD);
	ATF_REQUIRE_EQ(oracle_length(&w->w_oracle, head),
	    vm_atop(pin->pin_size));
	ATF_REQUIRE(head < start + n && start < head +
	    vm_atop(pin->pin_size));
	ATF_REQUIRE_EQ(pin->pin_owner, vm_sync_owner(head));
}

static void
absent_set(struct oracle *o, vm_frame_t start, uint64_t n)
{
	vm_frame_t f;

	for (f = start; f < start + n; f++)
		oracle_set(o, f, f + 1, VM_FRAME_HEAD);
}

static void
do_unplug(struct world *w)
{
	bool managed = true, busy = false;
	struct vm_physpin pin;
	vm_frame_t start, f;
	int error, expected;
	uint64_t n;

	any_frames(w, &start, &n);
	if (rng_chance(w->w_rng, 2) && n > 40)
		n = 40;
	if (n < 2)
		return;
	for (f = start; f < start + n; f++) {
		managed &= oracle_state(&w->w_absent, f) == VM_FRAME_FREE;
		busy |= oracle_state(&w->w_oracle, f) != VM_FRAME_FREE;
	}
	expected = !managed ? EINVAL : busy ? EBUSY : 0;
	error = vm_physseg_unplug(vm_ptoa(start), vm_ptoa(n), &pin);
	if (error == ENOSPC && managed) {
		ATF_REQUIRE(nsegments() >= VM_PHYSSEG_MAX);
		return;
	}
	if (error != expected)
		fail("unplug", NULL, (unsigned)error, (unsigned)expected);
	if (error == EBUSY)
		check_pin(w, start, n, &pin);
	if (error != 0)
		return;
	absent_set(&w->w_absent, start, n);
	absent_set(&w->w_oracle, start, n);
}

/* What must be refused, as the array knows. */
static int
free_expected(const struct world *w, paddr_t pa, psize_t size)
{
	vm_frame_t f = vm_atop(pa);
	uint64_t n = (size + PAGE - 1) / PAGE;

	if (pa % PAGE != 0 || !vm_physseg_managed(f, f + 1))
		return (EINVAL);
	switch (oracle_state(&w->w_oracle, f)) {
	case VM_FRAME_FREE:
	case VM_FRAME_HELD:
		return (EALREADY);
	case VM_FRAME_TAIL:
		return (EINVAL);
	case VM_FRAME_HEAD:
		break;
	}
	return (size != 0 && n != oracle_length(&w->w_oracle, f) ?
	    EMSGSIZE : 0);
}

/* The start of a run, preferably one of several pages. */
static paddr_t
any_run_start(struct world *w, paddr_t otherwise)
{
	const struct run *r = NULL;
	unsigned i;

	for (i = 0; w->w_nruns > 0 && i < 100 && (r == NULL || r->r_n == 1);
	    i++)
		r = &w->w_run[rng_below(w->w_rng, w->w_nruns)];
	return (r == NULL ? otherwise : vm_ptoa(r->r_start));
}

static void
do_bad_free(struct world *w)
{
	paddr_t pa = vm_ptoa(oracle_any(&w->w_oracle, w->w_rng));
	psize_t size = rng_size(w->w_rng, 20) * PAGE;
	int expected;

	switch (rng_below(w->w_rng, 8)) {
	case 3:		/* the start of a run, as a page or of a wrong size */
	case 4:
		pa = any_run_start(w, pa);
		break;
	case 0:
		pa += rng_range(w->w_rng, 1, PAGE - 1);
		break;
	case 1:
		pa = rng_next(w->w_rng) & ~(PAGE - 1);
		break;
	case 2:		/* just behind an area, or just before */
		pa += rng_chance(w->w_rng, 2) ? -PAGE * 1000 : PAGE * 1000;
		break;
	default:
		break;
	}
	expected = free_expected(w, pa, size);
	if (expected != 0 && vm_pglist_free(pa, size) != expected)
		fail("a bad free", NULL, pa, (unsigned)expected);
	expected = free_expected(w, pa, PAGE);
	if (expected != 0 && vm_page_free(pa) != expected)
		fail("a bad page free", NULL, pa, (unsigned)expected);
	expected = free_expected(w, pa, 0);
	if (expected != 0 && vm_pglist_trim(pa, pa & ~(PAGE - 1), PAGE) !=
	    expected)
		fail("a bad trim", NULL, pa, (unsigned)expected);
	if (expected != 0 && vm_pglist_free(pa, 0) != expected)
		fail("a bad free without a size", NULL, pa,
		    (unsigned)expected);
}

static void
do_flush(struct world *w)
{

	(void)w;
	vm_pageq_flush();
}

/* The state words say what the array says, but for held pages. */
static void
compare(struct world *w)
{
	const struct oracle_area *oa;
	enum vm_fstate state;
	struct vm_audit va;
	vm_frame_t f;
	unsigned i;

	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_free + va.va_held,
	    oracle_count(&w->w_oracle, VM_FRAME_FREE));
	ATF_REQUIRE_EQ(va.va_runs, w->w_nown + w->w_nruns);
	for (i = 0; i < w->w_oracle.o_nareas; i++) {
		oa = &w->w_oracle.o_area[i];
		for (f = oa->oa_first; f < oa->oa_first + oa->oa_n; f++) {
			state = vm_extmap_state(&vm_map, f);
			if (oracle_state(&w->w_absent, f) == VM_FRAME_HEAD) {
				ATF_REQUIRE(f % 16 != 0 ||
				    !vm_physseg_managed(f, f + 1));
				ATF_REQUIRE(state == VM_FRAME_HEAD ||
				    state == VM_FRAME_TAIL);
				continue;
			}
			if (state == VM_FRAME_HELD) {
				ATF_REQUIRE(f >= 16 * MiB / PAGE);
				state = VM_FRAME_FREE;
			}
			if (state != (enum vm_fstate)
			    oa->oa_state[f - oa->oa_first])
				fail("state of a frame", NULL, f,
				    oa->oa_state[f - oa->oa_first]);
		}
	}
}

/* What is there, and some frames around it that might come. */
static void
add_area(struct world *w, vm_frame_t start, vm_frame_t end, vm_frame_t limit)
{
	const uint64_t chunk = VM_EXTCHUNK_FRAMES, around = 300;
	vm_frame_t low = start / chunk * chunk;
	vm_frame_t high = (end + chunk - 1) / chunk * chunk;

	if (w->w_oracle.o_nareas > 0) {
		const struct oracle_area *last =
		    &w->w_oracle.o_area[w->w_oracle.o_nareas - 1];

		if (low < last->oa_first + last->oa_n)
			low = last->oa_first + last->oa_n;
	}
	if (start - low > around)
		low = start - around;
	if (high > limit)
		high = limit;
	if (high - end > around)
		high = end + around;
	oracle_add(&w->w_oracle, low, high - low, VM_FRAME_FREE);
	oracle_add(&w->w_absent, low, high - low, VM_FRAME_FREE);
	oracle_add(&w->w_used, low, high - low, VM_FRAME_FREE);
	oracle_add(&w->w_first, low, high - low, VM_FRAME_FREE);
	absent_set(&w->w_oracle, low, start - low);
	absent_set(&w->w_oracle, end, high - end);
	absent_set(&w->w_absent, low, start - low);
	absent_set(&w->w_absent, end, high - end);
	absent_set(&w->w_first, low, start - low);
	absent_set(&w->w_first, end, high - end);
}

static void
adopt_segments(struct world *w)
{
	struct vm_physseg seg, next;
	bool more;
	unsigned i;

	more = vm_physseg_get(0, &seg);
	for (i = 1; more; i++) {
		more = vm_physseg_get(i, &next);
		if (more && next.vs_start == seg.vs_end) {
			seg.vs_end = next.vs_end;
			continue;
		}
		add_area(w, seg.vs_start, seg.vs_end,
		    more ? next.vs_start : VM_FRAME_END);
		seg = next;
	}
}

/* Adopt the state that the allocator starts with. */
static void
adopt(struct world *w, struct rng *r)
{
	static const char *const names[] = { "ann", "bob", "cyd", "dan" };
	struct vm_physseg seg;
	struct vm_extent ext;
	vm_frame_t f;
	unsigned i;

	memset(w, 0, sizeof(*w));
	w->w_rng = r;
	for (i = 0; i < NITEMS(names); i++)
		w->w_owner[i] = vm_owner_register(names[i]);
	adopt_segments(w);
	for (i = 0; vm_physseg_get(i, &seg); i++) {
		for (f = seg.vs_start; vm_extmap_walk(&vm_map, f, seg.vs_end,
		    &ext); f = ext.e_end) {
			if (ext.e_state != VM_FRAME_HEAD)
				continue;
			w->w_nown += vm_extmap_state(&vm_map, f) ==
			    VM_FRAME_HEAD;
			for (; f < ext.e_end; f++)
				oracle_set(&w->w_oracle, f, f + 1,
				    vm_extmap_state(&vm_map, f));
		}
	}
}

/* The memory that was there at the start, and no other. */
static void
restore(struct world *w)
{
	const struct oracle_area *oa;
	vm_frame_t f, end, limit;
	unsigned i;

	for (i = 0; i < w->w_first.o_nareas; i++) {
		oa = &w->w_first.o_area[i];
		limit = oa->oa_first + oa->oa_n;
		for (f = oa->oa_first; f < limit; f = end) {
			end = f + 1;
			if (oracle_state(&w->w_first, f) ==
			    oracle_state(&w->w_absent, f))
				continue;
			while (end < limit && oracle_state(&w->w_first, end) ==
			    oracle_state(&w->w_first, f) &&
			    oracle_state(&w->w_absent, end) ==
			    oracle_state(&w->w_absent, f))
				end++;
			if (oracle_state(&w->w_first, f) == VM_FRAME_FREE)
				ATF_REQUIRE_EQ(vm_physseg_plug(vm_ptoa(f),
				    vm_ptoa(end - f)), 0);
			else if (end - f >= 2)
				ATF_REQUIRE_EQ(vm_physseg_unplug(vm_ptoa(f),
				    vm_ptoa(end - f), NULL), 0);
			else	/* one page cannot go alone */
				w->w_odd++;
		}
	}
}

/*
 * Histories.
 */

typedef void step_fn(struct world *);

static void
history(struct rng *r, unsigned nsteps, step_fn *const *steps,
    unsigned nkinds)
{
	struct world *w = &world;
	struct vm_audit before, after;
	unsigned i;

	console_catch();
	adopt(w, r);
	audit_ok(&before);
	for (i = 0; i < nsteps; i++) {
		steps[rng_below(r, nkinds)](w);
		if (i % 64 == 0)
			compare(w);
	}
	compare(w);
	while (w->w_nruns > 0)
		do_free(w);
	restore(w);
	vm_pageq_flush();
	audit_ok(&after);
	ATF_REQUIRE_EQ(after.va_frames, before.va_frames + w->w_odd);
	ATF_REQUIRE_EQ(after.va_free, before.va_free + w->w_odd);
	if (w->w_odd == 0)
		ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
	oracle_fini(&w->w_oracle);
	oracle_fini(&w->w_absent);
	oracle_fini(&w->w_used);
	oracle_fini(&w->w_first);
}

/* Nearly everything is taken; what is free is a small area, partly held. */
static void
do_fill(struct world *w)
{
	unsigned before;

	do {
		before = w->w_nruns;
		do_page(w);
	} while (w->w_nruns != before);
}

static void
do_free_area(struct world *w)
{
	vm_frame_t at = oracle_any(&w->w_oracle, w->w_rng);
	uint64_t n = rng_size(w->w_rng, 150);
	bool page = rng_chance(w->w_rng, 2);
	unsigned i;

	/* Often from where alignments lie. */
	if (rng_chance(w->w_rng, 2))
		at &= ~(((vm_frame_t)1 << rng_below(w->w_rng, 7)) - 1);
	for (i = 0; i < w->w_nruns;) {
		if (w->w_run[i].r_start - at >= n || w->w_run[i].r_n != 1) {
			i++;
			continue;
		}
		if (page)
			ATF_REQUIRE_EQ(vm_page_free(
			    vm_ptoa(w->w_run[i].r_start)), 0);
		else
			ATF_REQUIRE_EQ(vm_pglist_free(
			    vm_ptoa(w->w_run[i].r_start), 0), 0);
		runs_drop(w, i);
	}
}

/* As long as what is free somewhere, or by one longer or shorter. */
static void
do_tight_run(struct world *w)
{
	const struct vm_extreq all = { .er_npages = 1, .er_align = 1,
	    .er_high = VM_FRAME_END };
	struct vm_pgreq req;
	struct vm_pgseg seg;
	bool possible;
	vm_frame_t f;
	uint64_t size;
	unsigned n;
	int error;

	if (w->w_nruns > MAXRUNS - 4 || !oracle_any_in(&w->w_oracle,
	    w->w_rng, VM_FRAME_FREE, &f))
		return;
	size = oracle_extent(&w->w_oracle, &all, f);
	if (rng_chance(w->w_rng, 2)) {
		size += 2;
		size -= rng_size(w->w_rng, size < 40 ? size : 40);
	}
	any_request(w, &req);
	req.vpr_size = (size == 0 ? 1 : size) * PAGE;
	req.vpr_align = PAGE << rng_below(w->w_rng, 7);
	req.vpr_low = 0;
	req.vpr_policy = (enum vm_policy)rng_below(w->w_rng,
	    VM_POLICY_EXACT);
	if (vm_pgreq_check(&req, NULL) != 0)
		return;
	possible = run_possible(w, &req);
	error = vm_pglist_alloc(&req, &seg, &n);
	if (error != (possible ? 0 : ENOMEM))
		fail("a tight run", &req, (unsigned)error,
		    possible ? 0 : ENOMEM);
	if (error == 0)
		take_segment(w, &req, &seg);
}

static step_fn *const all_steps[] = {
	do_page, do_pages, do_pages, do_free, do_frees, do_run, do_run,
	do_run, do_run, do_reserve, do_trim, do_bad_free, do_bad_free,
	do_flush, do_fresh,
};

/* A machine of a few areas, on any free lists, with holes. */
static void
any_machine(struct rng *r, struct vm_memrange *map, unsigned n)
{
	static const paddr_t around[] = {
		0, 16 * MiB, 64 * MiB, 2 * GiB, 3 * GiB, 4 * GiB, 5 * GiB,
		TiB,
	};
	paddr_t at;
	unsigned i;

	for (i = 0; i < n; i++) {
		at = around[rng_below(r, NITEMS(around))];
		at += rng_below(r, 4 * MiB);
		at -= at < 2 * MiB ? at : 2 * MiB;
		map[i].vmr_start = at;
		map[i].vmr_size = rng_range(r, 64 * KiB, 4 * MiB);
	}
	/* Room for the metadata, and sometimes the highest frames. */
	map[0] = (struct vm_memrange){ 32 * MiB + 3 * PAGE, 4 * MiB };
	if (rng_chance(r, 3))
		map[1] = (struct vm_memrange){ TOP - 2 * MiB, 2 * MiB };
}

ATF_TC(history);
ATF_TC_HEAD(history, tc)
{

	atf_tc_set_md_var(tc, "descr", "Random histories on random machines");
	atf_tc_set_md_var(tc, "timeout", "3600");
}
ATF_TC_BODY(history, tc)
{
	unsigned i, n = test_long(tc) ? 3000 : 100;
	struct vm_memrange map[5];
	struct rng r;

	rng_init(&r, tc, 1);
	for (i = 0; i < n; i++) {
		any_machine(&r, map, NITEMS(map));
		vm_start(map, (unsigned)rng_range(&r, 1, NITEMS(map)));
		history(&r, 400, all_steps, NITEMS(all_steps));
	}
}

/* The same where there is nearly nothing left, most of the time. */
ATF_TC(history_full);
ATF_TC_HEAD(history_full, tc)
{

	atf_tc_set_md_var(tc, "descr", "Random histories, memory being full");
	atf_tc_set_md_var(tc, "timeout", "3600");
}
ATF_TC_BODY(history_full, tc)
{
	static step_fn *const steps[] = {
		do_pages, do_pages, do_pages, do_pages, do_page, do_free,
		do_free, do_free, do_free, do_run, do_run, do_run, do_trim,
		do_reserve, do_bad_free, do_frees,
	};
	unsigned i, n = test_long(tc) ? 3000 : 100;
	struct vm_memrange map[3];
	struct rng r;

	rng_init(&r, tc, 2);
	for (i = 0; i < n; i++) {
		any_machine(&r, map, NITEMS(map));
		vm_start(map, (unsigned)rng_range(&r, 1, NITEMS(map)));
		history(&r, 300, steps, NITEMS(steps));
	}
}

/* Runs that are just there, of frames in the map and on the queue. */
ATF_TC(history_tight);
ATF_TC_HEAD(history_tight, tc)
{

	atf_tc_set_md_var(tc, "descr", "Requests for exactly what is left");
	atf_tc_set_md_var(tc, "timeout", "3600");
}
ATF_TC_BODY(history_tight, tc)
{
	static step_fn *const steps[] = {
		do_fill, do_free_area, do_free_area, do_free_area,
		do_tight_run, do_tight_run, do_tight_run, do_tight_run,
		do_free, do_flush,
	};
	unsigned i, n = test_long(tc) ? 20000 : 1500;
	struct vm_memrange map[2];
	struct rng r;

	rng_init(&r, tc, 5);
	for (i = 0; i < n; i++) {
		any_machine(&r, map, NITEMS(map));
		map[0].vmr_size = rng_range(&r, MiB, 3 * MiB);
		vm_start(map, (unsigned)rng_range(&r, 1, NITEMS(map)));
		history(&r, 400, steps, NITEMS(steps));
	}
}

/* Several segments, with the fewest of them, pages being held or not. */
ATF_TC(history_segments);
ATF_TC_HEAD(history_segments, tc)
{

	atf_tc_set_md_var(tc, "descr", "Requests of several segments");
	atf_tc_set_md_var(tc, "timeout", "3600");
}
ATF_TC_BODY(history_segments, tc)
{
	static step_fn *const steps[] = {
		do_segments, do_segments, do_pages, do_free, do_frees,
		do_free, do_run, do_reserve, do_trim,
	};
	unsigned i, n = test_long(tc) ? 3000 : 60;
	struct vm_memrange map[3];
	struct rng r;

	rng_init(&r, tc, 3);
	for (i = 0; i < n; i++) {
		any_machine(&r, map, NITEMS(map));
		map[0].vmr_size = rng_range(&r, MiB, 2 * MiB);
		map[1].vmr_size = 512 * KiB;
		vm_start(map, 2);
		history(&r, 200, steps, NITEMS(steps));
	}
}

/* With memory that comes and goes. */
ATF_TC(history_plug);
ATF_TC_HEAD(history_plug, tc)
{

	atf_tc_set_md_var(tc, "descr", "Memory is plugged and unplugged");
	atf_tc_set_md_var(tc, "timeout", "3600");
}
ATF_TC_BODY(history_plug, tc)
{
	static step_fn *const steps[] = {
		do_page, do_pages, do_free, do_frees, do_frees, do_run,
		do_run, do_reserve, do_trim, do_bad_free, do_flush, do_fresh,
		do_plug, do_plug, do_unplug, do_unplug, do_unplug,
	};
	unsigned i, n = test_long(tc) ? 3000 : 100;
	struct vm_memrange map[4];
	struct rng r;

	rng_init(&r, tc, 4);
	for (i = 0; i < n; i++) {
		any_machine(&r, map, NITEMS(map));
		vm_start(map, (unsigned)rng_range(&r, 1, NITEMS(map)));
		history(&r, 400, steps, NITEMS(steps));
	}
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, history);
	ATF_TP_ADD_TC(tp, history_full);
	ATF_TP_ADD_TC(tp, history_tight);
	ATF_TP_ADD_TC(tp, history_segments);
	ATF_TP_ADD_TC(tp, history_plug);
	return (atf_no_error());
}
