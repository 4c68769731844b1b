/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The extent map against a plain array.
 */

#include <atf-c.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <vm/vm_extmap.h>

#include "vm_oracle.h"
#include "vm_testlib.h"

#define	CHUNK		((uint64_t)VM_EXTCHUNK_FRAMES)
#define	BLOCK		((uint64_t)VM_EXTBLOCK_FRAMES)

/* A map, its oracle, and its metadata. */
struct world {
	struct vm_extmap w_map;
	struct oracle	w_oracle;
	struct rng	*w_rng;
	unsigned	w_nmem;
	void		*w_mem[VM_EXTMAP_SPANS];
	vm_frame_t	w_hint;
};

static void *
metadata(uint64_t nframes)
{
	size_t size = (vm_extmap_metasize(nframes) + 63) & ~(size_t)63;
	void *mem = aligned_alloc(64, size);

	ATF_REQUIRE(mem != NULL);
	memset(mem, 0x5a, size);	/* "contents ignored" */
	return (mem);
}

static void
world_init(struct world *w, struct rng *r)
{

	memset(w, 0, sizeof(*w));
	w->w_rng = r;
	vm_extmap_init(&w->w_map);
	oracle_init(&w->w_oracle);
}

static void
world_fini(struct world *w)
{

	oracle_fini(&w->w_oracle);
	while (w->w_nmem > 0)
		free(w->w_mem[--w->w_nmem]);
}

static void
world_attach(struct world *w, vm_frame_t first, uint64_t nframes)
{
	void *mem = metadata(nframes);

	w->w_mem[w->w_nmem++] = mem;
	ATF_REQUIRE_EQ(vm_extmap_attach(&w->w_map, first, nframes, mem), 0);
}

/* A world of spans that are given by address; all frames absent. */
static void
world_make(struct world *w, struct rng *r, const uint64_t (*spans)[2],
    unsigned n)
{
	unsigned i;

	world_init(w, r);
	for (i = 0; i < n; i++)
		oracle_add(&w->w_oracle, spans[i][0], spans[i][1],
		    VM_FRAME_HEAD);
	/* Attached in any order. */
	for (i = 0; i < n; i++)
		world_attach(w, spans[n - 1 - i][0], spans[n - 1 - i][1]);
}

/* Spans that touch and that do not, from frame 0 and up to the highest. */
static void
world_random(struct world *w, struct rng *r)
{
	uint64_t spans[4][2];
	unsigned i, n = (unsigned)rng_range(r, 1, NITEMS(spans));
	vm_frame_t at = rng_chance(r, 2) ? 0 : CHUNK * rng_size(r, 1 << 20);

	for (i = 0; i < n; i++) {
		spans[i][0] = at;
		spans[i][1] = CHUNK;
		at += CHUNK;
		if (rng_chance(r, 2))
			at += CHUNK * rng_size(r, 1 << 20);
	}
	if (rng_chance(r, 3))
		spans[n - 1][0] = VM_FRAME_END - spans[n - 1][1];
	world_make(w, r, (const uint64_t (*)[2])spans, n);
}

static void
set(struct world *w, vm_frame_t start, vm_frame_t end, enum vm_fstate state)
{

	vm_extmap_set(&w->w_map, start, end, state);
	oracle_set(&w->w_oracle, start, end, state);
}

static const struct oracle_area *
any_area(struct world *w)
{

	return (&w->w_oracle.o_area[rng_below(w->w_rng,
	    w->w_oracle.o_nareas)]);
}

/* Random frames [*startp, *endp) of one area, at most max of them. */
static void
any_range(struct world *w, uint64_t max, vm_frame_t *startp,
    vm_frame_t *endp)
{
	const struct oracle_area *oa = any_area(w);
	uint64_t n = rng_size(w->w_rng, max < oa->oa_n ? max : oa->oa_n);
	uint64_t slack = oa->oa_n - n;

	switch (rng_below(w->w_rng, 8)) {
	case 0:
		*startp = oa->oa_first;
		break;
	case 1:
		*startp = oa->oa_first + slack;
		break;
	case 2:			/* on or beside the border of a block */
		*startp = oa->oa_first + (rng_below(w->w_rng, slack + 1) &
		    ~(BLOCK - 1));
		*startp += rng_below(w->w_rng, 3) - 1;
		if (*startp - oa->oa_first > slack)
			*startp = oa->oa_first;
		break;
	default:
		*startp = oa->oa_first + rng_below(w->w_rng, slack + 1);
		break;
	}
	*endp = *startp + n;
}

/*
 * How the map looks before a history: memory with holes, and allocations
 * of some usual size in it, some of them freed again.
 */
static void
populate(struct world *w)
{
	const struct oracle_area *oa;
	uint64_t size, every;
	vm_frame_t f, start, end;
	unsigned i;

	for (i = 0; i < w->w_oracle.o_nareas; i++) {
		oa = &w->w_oracle.o_area[i];
		vm_extmap_insert(&w->w_map, oa->oa_first,
		    oa->oa_first + oa->oa_n);
		oracle_set(&w->w_oracle, oa->oa_first,
		    oa->oa_first + oa->oa_n, VM_FRAME_FREE);
	}
	for (i = (unsigned)rng_below(w->w_rng, 4); i > 0; i--) {
		any_range(w, CHUNK, &start, &end);
		for (f = start; f < end; f++)	/* a hole: no memory */
			set(w, f, f + 1, VM_FRAME_HEAD);
	}
	for (i = 0; i < w->w_oracle.o_nareas; i++) {
		oa = &w->w_oracle.o_area[i];
		size = rng_size(w->w_rng, 600);
		every = size + rng_size(w->w_rng, 600);
		if (rng_chance(w->w_rng, 4))
			continue;	/* whole */
		for (f = oa->oa_first + rng_below(w->w_rng, every);
		    f + every <= oa->oa_first + oa->oa_n; f += every)
			set(w, f, f + size, VM_FRAME_HEAD);
	}
}

/*
 * What is asked.
 */

static struct vm_extreq
any_request(struct world *w)
{
	struct rng *r = w->w_rng;
	struct vm_extreq er = { .er_align = 1 };
	vm_frame_t start, end;

	er.er_npages = rng_chance(r, 8) ? rng_size(r, 2 * CHUNK) :
	    rng_size(r, 5000);
	if (rng_chance(r, 2))
		er.er_align = UINT64_C(1) << rng_below(r, 14);
	else if (rng_chance(r, 16))
		er.er_align = UINT64_C(1) << rng_below(r, 52);
	if (rng_chance(r, 3)) {
		er.er_boundary = UINT64_C(1) << rng_below(r, 18);
		while (er.er_boundary < er.er_npages)
			er.er_boundary *= 2;
	}
	er.er_high = VM_FRAME_END;
	switch (rng_below(r, 4)) {
	case 0:
		break;
	case 1:
		er.er_high = oracle_any(&w->w_oracle, r) + 1;
		break;
	case 2:
		er.er_low = oracle_any(&w->w_oracle, r);
		break;
	case 3:
		any_range(w, 2 * CHUNK, &start, &end);
		er.er_low = start;
		er.er_high = end;
		break;
	}
	er.er_policy = (enum vm_policy)rng_below(r, VM_POLICY_EXACT + 1);
	if (er.er_policy == VM_POLICY_EXACT && rng_chance(r, 2) &&
	    oracle_any_in(&w->w_oracle, r, VM_FRAME_FREE, &start)) {
		/* At a place where something is free, mostly. */
		er.er_low = start & ~(er.er_align - 1);
		er.er_npages = rng_size(r, 64);
		er.er_high = VM_FRAME_END;
		er.er_boundary = 0;
	}
	return (er);
}

static void
wrong(const struct vm_extreq *er, const char *what, uint64_t value,
    uint64_t expected)
{

	atf_tc_fail("policy %d: %" PRIu64 " frames, align %" PRIu64
	    ", boundary %" PRIu64 ", in [%#" PRIx64 ", %#" PRIx64 "): %s %#"
	    PRIx64 ", expected %#" PRIx64, (int)er->er_policy, er->er_npages,
	    er->er_align, er->er_boundary, er->er_low, er->er_high, what,
	    value, expected);
}

/* Ask both; true and where, if there is a place. */
static bool
ask(struct world *w, const struct vm_extreq *er, vm_frame_t *startp)
{
	struct oracle_answer ans;
	bool found, expected;

	oracle_find(&w->w_oracle, er, &ans);
	expected = er->er_policy == VM_POLICY_EXACT ?
	    oracle_fits(&w->w_oracle, er, er->er_low) : ans.oa_found;
	found = vm_extmap_find(&w->w_map, er, startp);
	if (found != expected)
		wrong(er, "found", found, expected);
	if (expected && vm_extmap_lacks(&w->w_map, er))
		wrong(er, "lacks", true, false);
	if (!found)
		return (false);
	if (!oracle_fits(&w->w_oracle, er, *startp))
		wrong(er, "a place that does not satisfy:", *startp,
		    ans.oa_lowest);
	switch (er->er_policy) {
	case VM_POLICY_LOWEST:
		if (*startp != ans.oa_lowest)
			wrong(er, "not the lowest:", *startp, ans.oa_lowest);
		break;
	case VM_POLICY_HIGHEST:
		if (*startp != ans.oa_highest)
			wrong(er, "not the highest:", *startp,
			    ans.oa_highest);
		break;
	case VM_POLICY_BEST:
		if (oracle_extent(&w->w_oracle, er, *startp) !=
		    ans.oa_smallest)
			wrong(er, "not the smallest:", *startp,
			    ans.oa_smallest);
		break;
	case VM_POLICY_NEXT:
		break;
	case VM_POLICY_EXACT:
		if (*startp != er->er_low)
			wrong(er, "not exactly there:", *startp, er->er_low);
		return (true);
	}
	return (true);
}

/* Ask again where the last one ended: the next place, or the first. */
static void
ask_next(struct world *w)
{
	struct vm_extreq er = any_request(w), rest;
	struct oracle_answer ans;
	vm_frame_t start;

	er.er_policy = VM_POLICY_NEXT;
	if (!ask(w, &er, &start))
		return;
	rest = er;
	if (w->w_map.xm_next > er.er_low)
		rest.er_low = w->w_map.xm_next;
	oracle_find(&w->w_oracle, &rest, &ans);
	if (!ans.oa_found)
		oracle_find(&w->w_oracle, &er, &ans);
	if (start != ans.oa_lowest)
		wrong(&er, "not the next:", start, ans.oa_lowest);
}

/* Every policy gives the same answer to whether there is a place. */
static void
ask_all_policies(struct world *w)
{
	struct vm_extreq er = any_request(w);
	vm_frame_t start;
	unsigned p;

	for (p = 0; p < VM_POLICY_EXACT; p++) {
		er.er_policy = (enum vm_policy)p;
		(void)ask(w, &er, &start);
	}
}

/*
 * What is done.
 */

static void
do_alloc(struct world *w)
{
	struct vm_extreq er = any_request(w);
	vm_frame_t start;

	if (!ask(w, &er, &start))
		return;
	vm_extmap_alloc(&w->w_map, start, er.er_npages);
	oracle_set(&w->w_oracle, start, start + er.er_npages, VM_FRAME_HEAD);
	ATF_REQUIRE_EQ(w->w_map.xm_next, start + er.er_npages);
	ATF_REQUIRE_EQ(vm_extmap_length(&w->w_map, start),
	    oracle_length(&w->w_oracle, start));
}

static void
do_release(struct world *w)
{
	vm_frame_t head;
	uint64_t n;

	if (!oracle_any_in(&w->w_oracle, w->w_rng, VM_FRAME_HEAD, &head))
		return;
	n = oracle_length(&w->w_oracle, head);
	ATF_REQUIRE_EQ(vm_extmap_length(&w->w_map, head), n);
	ATF_REQUIRE(vm_extmap_release(&w->w_map, head, n));
	oracle_set(&w->w_oracle, head, head + n, VM_FRAME_FREE);
}

static void
do_release_wrong(struct world *w)
{
	vm_frame_t f = oracle_any(&w->w_oracle, w->w_rng);

	if (oracle_state(&w->w_oracle, f) != VM_FRAME_HEAD)
		ATF_REQUIRE(!vm_extmap_release(&w->w_map, f, 1));
}

static bool
free_in(const struct oracle *o, vm_frame_t low, vm_frame_t high)
{
	struct vm_extreq er = { .er_npages = 1, .er_align = 1,
	    .er_low = low, .er_high = high };
	struct oracle_answer ans;

	oracle_find(o, &er, &ans);
	return (ans.oa_found);
}

static void
do_hold(struct world *w)
{
	const struct oracle_area *oa = any_area(w);
	_Atomic uint32_t out[600];
	unsigned want = (unsigned)rng_size(w->w_rng, 512), n, i;
	vm_frame_t low = oa->oa_first, high = low + oa->oa_n, f;

	if (rng_chance(w->w_rng, 2)) {
		low += rng_below(w->w_rng, oa->oa_n / BLOCK) * BLOCK;
		high = low + BLOCK * rng_range(w->w_rng, 1,
		    (high - low) / BLOCK);
	}
	if (rng_chance(w->w_rng, 4))
		w->w_hint = oracle_any(&w->w_oracle, w->w_rng);
	n = vm_extmap_hold(&w->w_map, &w->w_hint, low, high, low, out, want);
	ATF_REQUIRE(n <= want);
	ATF_REQUIRE_EQ(n > 0, free_in(&w->w_oracle, low, high));
	for (i = 0; i < n; i++) {
		f = low + out[i];
		ATF_REQUIRE(f >= low && f < high);
		ATF_REQUIRE_EQ(f & ~(BLOCK - 1), w->w_hint);
		ATF_REQUIRE_EQ(oracle_state(&w->w_oracle, f), VM_FRAME_FREE);
		oracle_set(&w->w_oracle, f, f + 1, VM_FRAME_HELD);
	}
}

static void
do_unhold(struct world *w)
{
	vm_frame_t f = oracle_any(&w->w_oracle, w->w_rng), first;
	uint32_t mask = (uint32_t)rng_next(w->w_rng), freed, expected = 0;
	unsigned i;

	if (rng_chance(w->w_rng, 2))
		(void)oracle_any_in(&w->w_oracle, w->w_rng, VM_FRAME_HELD,
		    &f);
	first = f & ~(vm_frame_t)(VM_EXTWORD_FRAMES - 1);
	if (rng_chance(w->w_rng, 4))
		mask = UINT32_MAX;
	if (rng_chance(w->w_rng, 4))
		mask = (uint32_t)1 << (f - first);
	for (i = 0; i < VM_EXTWORD_FRAMES; i++) {
		if ((mask >> i & 1) != 0 &&
		    oracle_state(&w->w_oracle, first + i) == VM_FRAME_HELD)
			expected |= (uint32_t)1 << i;
	}
	freed = vm_extmap_unhold(&w->w_map, first, mask);
	ATF_REQUIRE_EQ(freed, expected);
	for (i = 0; i < VM_EXTWORD_FRAMES; i++) {
		if ((freed >> i & 1) != 0)
			oracle_set(&w->w_oracle, first + i, first + i + 1,
			    VM_FRAME_FREE);
	}
}

static void
do_set(struct world *w)
{
	vm_frame_t start, end;

	any_range(w, 2000, &start, &end);
	set(w, start, end, (enum vm_fstate)rng_below(w->w_rng, 4));
}

/*
 * What is looked at.
 */

static void
look_check(struct world *w)
{
	vm_frame_t where = 0;
	const char *why = vm_extmap_check(&w->w_map, &where);

	if (why != NULL)
		atf_tc_fail("%s at frame %#" PRIx64, why, where);
	ATF_REQUIRE_EQ(w->w_map.xm_nfree,
	    oracle_count(&w->w_oracle, VM_FRAME_FREE));
}

static void
look_walk(struct world *w)
{
	vm_frame_t from = oracle_any(&w->w_oracle, w->w_rng), f;
	vm_frame_t limit = from + rng_size(w->w_rng, 3000);
	struct vm_extent ext;
	enum vm_fstate state, next;

	while (vm_extmap_walk(&w->w_map, from, limit, &ext)) {
		state = oracle_state(&w->w_oracle, from);
		next = state;
		if (state == VM_FRAME_HEAD || state == VM_FRAME_TAIL) {
			state = VM_FRAME_HEAD;
			next = VM_FRAME_TAIL;
		}
		for (f = from + 1; f < limit &&
		    oracle_state(&w->w_oracle, f) == next;)
			f++;
		ATF_REQUIRE_EQ(ext.e_start, from);
		ATF_REQUIRE_EQ(ext.e_state, state);
		ATF_REQUIRE_EQ(ext.e_end, f);
		from = f;
	}
	ATF_REQUIRE_EQ(from, limit);
}

static void
look_owned(struct world *w)
{
	vm_frame_t from = oracle_any(&w->w_oracle, w->w_rng), f;
	vm_frame_t limit = from + rng_size(w->w_rng, 3000);
	uint64_t n = 0;

	for (f = from; f < limit; f++)
		n += oracle_state(&w->w_oracle, f) >= VM_FRAME_TAIL;
	ATF_REQUIRE_EQ(vm_extmap_owned(&w->w_map, from, limit), n);
}

static bool
unowned(struct world *w, vm_frame_t f)
{

	return (oracle_state(&w->w_oracle, f) == VM_FRAME_FREE ||
	    oracle_state(&w->w_oracle, f) == VM_FRAME_HELD);
}

/* Free and held frames together. */
static void
look_around(struct world *w)
{
	vm_frame_t f = oracle_any(&w->w_oracle, w->w_rng), low, high, a, b;
	struct vm_extent ext;

	if (rng_chance(w->w_rng, 2))
		(void)oracle_any_in(&w->w_oracle, w->w_rng, VM_FRAME_HELD,
		    &f);
	low = f - rng_below(w->w_rng, f < 3000 ? f + 1 : 3000);
	high = f + rng_size(w->w_rng, 3000);
	for (a = f; a > low && unowned(w, a - 1);)
		a--;
	for (b = f; b < high && unowned(w, b);)
		b++;
	ATF_REQUIRE_EQ(vm_extmap_around(&w->w_map, f, low, high, &ext),
	    unowned(w, f));
	if (!unowned(w, f))
		return;
	ATF_REQUIRE_EQ(ext.e_start, a);
	ATF_REQUIRE_EQ(ext.e_end, b);
}

static void
look_uniform(struct world *w)
{
	const struct oracle_area *oa = any_area(w);
	vm_frame_t from = oa->oa_first + rng_below(w->w_rng, oa->oa_n), f;
	enum vm_fstate state = oracle_state(&w->w_oracle, from);

	for (f = from; f < oa->oa_first + oa->oa_n && f < from + 3000 &&
	    oracle_state(&w->w_oracle, f) == state;)
		f++;
	ATF_REQUIRE(vm_extmap_uniform(&w->w_map, from, f, state));
	ATF_REQUIRE(!vm_extmap_uniform(&w->w_map, from, f,
	    (enum vm_fstate)((state + 1) % 4)));
	if (f < oa->oa_first + oa->oa_n && f < from + 3000)
		ATF_REQUIRE(!vm_extmap_uniform(&w->w_map, from, f + 1,
		    state));
}

static void
look_head(struct world *w)
{
	vm_frame_t f = oracle_any(&w->w_oracle, w->w_rng), head = f;

	while (head > 0 && oracle_state(&w->w_oracle, head) == VM_FRAME_TAIL)
		head--;
	if (oracle_state(&w->w_oracle, f) >= VM_FRAME_TAIL)
		ATF_REQUIRE_EQ(vm_extmap_head(&w->w_map, f), head);
}

/* The extents of a size or more, one after the other. */
static void
look_next(struct world *w)
{
	uint64_t size = rng_size(w->w_rng, 1500), n;
	const struct oracle_area *oa = any_area(w);
	vm_frame_t low = oa->oa_first, high = low + oa->oa_n, f;
	struct vm_extent ext;
	unsigned i;

	low += rng_below(w->w_rng, oa->oa_n);
	if (rng_chance(w->w_rng, 2))
		high = low + rng_size(w->w_rng, high - low);
	f = low;
	for (i = 0; i < 20; i++) {
		bool found = vm_extmap_next(&w->w_map, size, low, high, &ext);

		for (n = 0; f < high; f += n + 1) {
			for (n = 0; f + n < high && oracle_state(&w->w_oracle,
			    f + n) == VM_FRAME_FREE;)
				n++;
			if (n >= size)
				break;
		}
		ATF_REQUIRE_EQ(found, f < high);
		if (!found)
			return;
		ATF_REQUIRE_EQ(ext.e_state, VM_FRAME_FREE);
		ATF_REQUIRE_EQ(ext.e_start, f);
		ATF_REQUIRE_EQ(ext.e_end, f + n);
		low = f = ext.e_end;
	}
}

/* A word of a span, made of the states: it need not be written yet. */
static uint64_t
word_of(const struct world *w, const struct vm_extspan *xs, unsigned k)
{
	vm_frame_t first = xs->xs_first + (uint64_t)k * VM_EXTWORD_FRAMES;
	uint64_t word = 0, state;
	unsigned i;

	for (i = 0; i < VM_EXTWORD_FRAMES; i++) {
		state = vm_extmap_state(&w->w_map, first + i);
		word |= (state & 1) << i | (state >> 1) << (i + 32);
	}
	return (word);
}

/* A second map that adopts the words is the same map. */
static void
look_load(struct world *w)
{
	struct world copy;
	struct vm_extspan *xs, *from;
	uint64_t *words;
	size_t nwords;
	unsigned i, k;

	world_init(&copy, w->w_rng);
	for (i = 0; i < w->w_map.xm_nspans; i++) {
		from = &w->w_map.xm_span[i];
		world_attach(&copy, from->xs_first, from->xs_nframes);
		xs = vm_extmap_span(&copy.w_map, from->xs_first);
		nwords = from->xs_nframes / VM_EXTWORD_FRAMES;
		words = calloc(nwords + 1, sizeof(*words));
		ATF_REQUIRE(words != NULL);
		for (k = 0; k < nwords; k++)
			words[k] = word_of(w, from, k);
		ATF_REQUIRE_EQ(vm_extmap_load(&copy.w_map, xs, words,
		    nwords + 1), EINVAL);
		ATF_REQUIRE_EQ(vm_extmap_load(&copy.w_map, xs, words,
		    nwords), 0);
		free(words);
	}
	copy.w_oracle = w->w_oracle;
	look_check(&copy);
	oracle_check(&copy.w_oracle, &copy.w_map);
	for (i = 0; i < 5; i++)
		ask_all_policies(&copy);
	oracle_init(&copy.w_oracle);
	world_fini(&copy);
}

/*
 * Histories.
 */

static void
step(struct world *w)
{
	static void (*const steps[])(struct world *) = {
		do_alloc, do_alloc, do_alloc, do_release, do_release,
		do_release, do_release_wrong, do_hold, do_unhold, do_unhold,
		do_set, look_walk, look_owned, look_head, look_next,
		look_around, look_uniform, ask_next, ask_all_policies
	};

	steps[rng_below(w->w_rng, NITEMS(steps))](w);
}

static void
history(struct rng *r, unsigned nsteps)
{
	struct world w;
	unsigned i;

	world_random(&w, r);
	populate(&w);
	look_check(&w);
	for (i = 0; i < nsteps; i++) {
		step(&w);
		if (i % 100 == 0)
			look_check(&w);
	}
	look_check(&w);
	oracle_check(&w.w_oracle, &w.w_map);
	if (rng_chance(r, 4))
		look_load(&w);
	world_fini(&w);
}

ATF_TC(oracle);
ATF_TC_HEAD(oracle, tc)
{

	atf_tc_set_md_var(tc, "descr", "Random maps, histories and requests");
	atf_tc_set_md_var(tc, "timeout", "1200");
}
ATF_TC_BODY(oracle, tc)
{
	unsigned i, n = test_long(tc) ? 12000 : 200;
	struct rng r;

	rng_init(&r, tc, 1);
	for (i = 0; i < n; i++)
		history(&r, 500);
}

/* Spans with little memory, where every request is about the borders. */
ATF_TC(oracle_small);
ATF_TC_HEAD(oracle_small, tc)
{

	atf_tc_set_md_var(tc, "descr", "Memory of few frames in odd places");
	atf_tc_set_md_var(tc, "timeout", "1200");
}
ATF_TC_BODY(oracle_small, tc)
{
	static const uint64_t spans[][2] = {
		{ 0, CHUNK }, { CHUNK, CHUNK },
		{ 0x10000000 / CHUNK * CHUNK, CHUNK },
		{ VM_FRAME_END - CHUNK, CHUNK },
	};
	unsigned i, k, n = test_long(tc) ? 5000 : 200;
	vm_frame_t at;
	struct world w;
	struct rng r;

	rng_init(&r, tc, 2);
	for (i = 0; i < n; i++) {
		world_make(&w, &r, spans, NITEMS(spans));
		set(&w, 0, rng_size(&r, 1500), VM_FRAME_FREE);
		at = CHUNK - rng_size(&r, 1500);
		set(&w, at, CHUNK + rng_size(&r, 1500), VM_FRAME_FREE);
		set(&w, VM_FRAME_END - rng_size(&r, 1500), VM_FRAME_END,
		    VM_FRAME_FREE);
		for (k = 0; k < 300; k++)
			step(&w);
		look_check(&w);
		oracle_check(&w.w_oracle, &w.w_map);
		world_fini(&w);
	}
}

/* A span whose bitmaps have many words, with little in it. */
ATF_TC_WITHOUT_HEAD(large_span);
ATF_TC_BODY(large_span, tc)
{
	static const uint64_t spans[][2] = { { 0, 400 * CHUNK } };
	unsigned i, k, rounds = test_long(tc) ? 50 : 3;
	struct vm_extreq er;
	vm_frame_t at;
	struct world w;
	struct rng r;

	rng_init(&r, tc, 7);
	for (i = 0; i < rounds; i++) {
		world_make(&w, &r, spans, 1);
		for (k = 0; k < 12; k++) {
			at = rng_below(&r, 400 * CHUNK - 3000);
			set(&w, at, at + rng_size(&r, 3000), VM_FRAME_FREE);
		}
		for (k = 0; k < 25; k++) {
			er = any_request(&w);
			er.er_npages = rng_size(&r, 1500);
			er.er_boundary = 0;
			if (er.er_policy == VM_POLICY_EXACT)
				er.er_policy = VM_POLICY_HIGHEST;
			er.er_high = VM_FRAME_END;
			if (rng_chance(&r, 3))
				er.er_high = er.er_low + rng_below(&r,
				    400 * CHUNK);
			(void)ask(&w, &er, &at);
			do_hold(&w);
		}
		look_check(&w);
		world_fini(&w);
	}
}

/*
 * Every extent too short by one, or long enough but out of line, and then one
 * that serves: the filters must neither miss it nor find another.
 */
ATF_TC(needle);
ATF_TC_HEAD(needle, tc)
{

	atf_tc_set_md_var(tc, "descr", "One place among many that fail");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(needle, tc)
{
	static const uint64_t spans[][2] = { { 0, 2 * CHUNK } };
	unsigned i, p, rounds = test_long(tc) ? 5000 : 200;
	struct vm_extreq er;
	uint64_t n, every;
	vm_frame_t f, at;
	struct world w;
	struct rng r;

	rng_init(&r, tc, 3);
	for (i = 0; i < rounds; i++) {
		world_make(&w, &r, spans, 1);
		n = rng_size(&r, 1500);
		every = n + rng_size(&r, 20);
		for (f = rng_below(&r, every); f + n < 2 * CHUNK; f += every) {
			if (n > 1)
				set(&w, f, f + n - 1, VM_FRAME_FREE);
		}
		er = (struct vm_extreq){ .er_npages = n, .er_align = 1,
		    .er_high = VM_FRAME_END };
		for (p = 0; p < VM_POLICY_EXACT; p++) {
			er.er_policy = (enum vm_policy)p;
			ATF_REQUIRE(!ask(&w, &er, &f));
		}
		at = rng_below(&r, 2 * CHUNK - n);
		set(&w, at, at + n, VM_FRAME_FREE);
		for (p = 0; p < VM_POLICY_EXACT; p++) {
			er.er_policy = (enum vm_policy)p;
			ATF_REQUIRE(ask(&w, &er, &f));
		}
		world_fini(&w);
	}
}

/* The closed formula against a loop over all places. */
ATF_TC_WITHOUT_HEAD(fit);
ATF_TC_BODY(fit, tc)
{
	struct oracle_answer ans;
	struct vm_extreq er;
	vm_frame_t base, start, end, at;
	struct oracle o;
	struct rng r;
	unsigned i;

	rng_init(&r, tc, 4);
	for (i = 0; i < 20000; i++) {
		base = rng_chance(&r, 2) ? 0 : rng_chance(&r, 2) ?
		    VM_FRAME_END - 2048 : rng_below(&r, VM_FRAME_END - 2048);
		oracle_init(&o);
		oracle_add(&o, base, 2048, VM_FRAME_FREE);
		er = (struct vm_extreq){ .er_npages = rng_size(&r, 1000) };
		er.er_align = UINT64_C(1) << rng_below(&r, 12);
		if (rng_chance(&r, 2))
			for (er.er_boundary = UINT64_C(1) <<
			    rng_below(&r, 12);
			    er.er_boundary < er.er_npages;)
				er.er_boundary *= 2;
		start = base + rng_below(&r, 1000);
		end = start + rng_size(&r, 1000);
		er.er_low = start;
		er.er_high = end;
		oracle_find(&o, &er, &ans);
		ATF_REQUIRE_EQ(vm_extmap_fit(&er, start, end, false, &at),
		    ans.oa_found);
		ATF_REQUIRE(!ans.oa_found || at == ans.oa_lowest);
		ATF_REQUIRE_EQ(vm_extmap_fit(&er, start, end, true, &at),
		    ans.oa_found);
		ATF_REQUIRE(!ans.oa_found || at == ans.oa_highest);
		oracle_fini(&o);
	}
}

ATF_TC_WITHOUT_HEAD(attach);
ATF_TC_BODY(attach, tc)
{
	static const struct {
		vm_frame_t	first;
		uint64_t	nframes;
	} bad[] = {
		{ 0, 0 },
		{ 0, CHUNK - 1 },
		{ 1, CHUNK },
		{ CHUNK / 2, CHUNK },
		{ 2 * CHUNK, CHUNK },		/* there already */
		{ CHUNK, 2 * CHUNK },
		{ 3 * CHUNK, 2 * CHUNK },
		{ 0, 8 * CHUNK },
		{ VM_FRAME_END, CHUNK },
		{ VM_FRAME_END - CHUNK, 2 * CHUNK },
		{ VM_FRAME_END - CHUNK, UINT64_MAX & ~(CHUNK - 1) },
		{ UINT64_MAX & ~(CHUNK - 1), CHUNK },
	};
	struct vm_extmap before;
	struct world w;
	unsigned i;
	void *mem;

	(void)tc;
	world_init(&w, NULL);
	world_attach(&w, 2 * CHUNK, 2 * CHUNK);
	before = w.w_map;
	mem = metadata(8 * CHUNK);
	for (i = 0; i < NITEMS(bad); i++) {
		ATF_REQUIRE_EQ_MSG(vm_extmap_attach(&w.w_map, bad[i].first,
		    bad[i].nframes, mem), EINVAL, "case %u", i);
		ATF_REQUIRE_EQ(memcmp(&before, &w.w_map, sizeof(before)), 0);
	}
	/* Up to the highest frame is right. */
	world_attach(&w, VM_FRAME_END - CHUNK, CHUNK);
	for (i = 2; i < VM_EXTMAP_SPANS; i++)
		world_attach(&w, (1000 - i * 10) * CHUNK, CHUNK);
	ATF_REQUIRE_EQ(vm_extmap_attach(&w.w_map, 2000 * CHUNK, CHUNK, mem),
	    ENOSPC);
	ATF_REQUIRE_EQ(w.w_map.xm_nspans, VM_EXTMAP_SPANS);
	for (i = 1; i < VM_EXTMAP_SPANS; i++)
		ATF_REQUIRE(w.w_map.xm_span[i - 1].xs_first <
		    w.w_map.xm_span[i].xs_first);
	free(mem);
	world_fini(&w);
}

ATF_TC_WITHOUT_HEAD(span);
ATF_TC_BODY(span, tc)
{
	static const uint64_t spans[][2] = {
		{ 0, CHUNK }, { CHUNK, CHUNK }, { 5 * CHUNK, 2 * CHUNK }
	};
	struct world w;

	(void)tc;
	world_make(&w, NULL, spans, NITEMS(spans));
	ATF_REQUIRE_EQ(vm_extmap_span(&w.w_map, 0)->xs_first, 0);
	ATF_REQUIRE_EQ(vm_extmap_span(&w.w_map, CHUNK - 1)->xs_first, 0);
	ATF_REQUIRE_EQ(vm_extmap_span(&w.w_map, CHUNK)->xs_first, CHUNK);
	ATF_REQUIRE(vm_extmap_span(&w.w_map, 2 * CHUNK) == NULL);
	ATF_REQUIRE(vm_extmap_span(&w.w_map, 5 * CHUNK - 1) == NULL);
	ATF_REQUIRE_EQ(vm_extmap_span(&w.w_map, 7 * CHUNK - 1)->xs_first,
	    5 * CHUNK);
	ATF_REQUIRE(vm_extmap_span(&w.w_map, 7 * CHUNK) == NULL);
	ATF_REQUIRE(vm_extmap_span(&w.w_map, UINT64_MAX) == NULL);
	ATF_REQUIRE_EQ(vm_extmap_state(&w.w_map, UINT64_MAX), VM_FRAME_HEAD);
	/* All frames start absent. */
	ATF_REQUIRE_EQ(vm_extmap_state(&w.w_map, 17), VM_FRAME_HEAD);
	ATF_REQUIRE_EQ(vm_extmap_owned(&w.w_map, 0, 8 * CHUNK), 8 * CHUNK);
	ATF_REQUIRE_EQ(w.w_map.xm_nfree, 0);
	look_check(&w);
	world_fini(&w);
}

/* A run over the border of two spans is a run. */
ATF_TC_WITHOUT_HEAD(across_spans);
ATF_TC_BODY(across_spans, tc)
{
	static const uint64_t spans[][2] = { { 0, CHUNK }, { CHUNK, CHUNK } };
	struct vm_extreq er = { .er_npages = 700, .er_align = 1,
	    .er_high = VM_FRAME_END };
	struct world w;
	vm_frame_t at;
	unsigned p;

	(void)tc;
	world_make(&w, NULL, spans, NITEMS(spans));
	set(&w, CHUNK - 300, CHUNK + 400, VM_FRAME_FREE);
	for (p = 0; p < VM_POLICY_EXACT; p++) {
		er.er_policy = (enum vm_policy)p;
		ATF_REQUIRE(ask(&w, &er, &at));
		ATF_REQUIRE_EQ(at, CHUNK - 300);
	}
	er.er_boundary = CHUNK;
	ATF_REQUIRE(!ask(&w, &er, &at));
	at = CHUNK - 300;
	vm_extmap_alloc(&w.w_map, at, 700);
	ATF_REQUIRE_EQ(vm_extmap_length(&w.w_map, at), 700);
	ATF_REQUIRE_EQ(vm_extmap_head(&w.w_map, CHUNK + 399), at);
	ATF_REQUIRE(vm_extmap_release(&w.w_map, at, 700));
	look_check(&w);
	world_fini(&w);
}

/* What holds nothing gives nothing. */
ATF_TC_WITHOUT_HEAD(hold_nothing);
ATF_TC_BODY(hold_nothing, tc)
{
	static const uint64_t spans[][2] = { { 0, CHUNK } };
	_Atomic uint32_t out[1];
	vm_frame_t hint = 0;
	struct world w;

	(void)tc;
	world_make(&w, NULL, spans, NITEMS(spans));
	ATF_REQUIRE_EQ(vm_extmap_hold(&w.w_map, &hint, 0, CHUNK, 0, out, 1),
	    0);
	set(&w, 0, CHUNK, VM_FRAME_FREE);
	ATF_REQUIRE_EQ(vm_extmap_hold(&w.w_map, &hint, 0, CHUNK, 0, out, 0),
	    0);
	ATF_REQUIRE_EQ(w.w_map.xm_nfree, CHUNK);
	look_check(&w);
	world_fini(&w);
}

/* The least valuable block goes first: no 64K run, no 1M, no 2M, whole. */
ATF_TC_WITHOUT_HEAD(hold_worth);
ATF_TC_BODY(hold_worth, tc)
{
	static const uint64_t spans[][2] = { { 0, CHUNK } };
	static const vm_frame_t expected[] = { 3, 2, 1, 0 };
	_Atomic uint32_t out[BLOCK];
	vm_frame_t hint = 0, f;
	struct world w;
	unsigned i;

	(void)tc;
	world_make(&w, NULL, spans, NITEMS(spans));
	set(&w, 0, BLOCK, VM_FRAME_FREE);		/* whole */
	set(&w, BLOCK, BLOCK + 300, VM_FRAME_FREE);	/* 256 aligned */
	set(&w, 2 * BLOCK + 1, 2 * BLOCK + 100, VM_FRAME_FREE);
	for (f = 3 * BLOCK; f < 4 * BLOCK; f += 16)	/* runs of 15 */
		set(&w, f + 1, f + 16, VM_FRAME_FREE);
	for (i = 0; i < NITEMS(expected); i++) {
		ATF_REQUIRE(vm_extmap_hold(&w.w_map, &hint, 0, CHUNK, 0, out,
		    BLOCK) > 0);
		ATF_REQUIRE_EQ(hint, expected[i] * BLOCK);
	}
	ATF_REQUIRE_EQ(w.w_map.xm_nfree, 0);
	ATF_REQUIRE(vm_extmap_check(&w.w_map, &f) == NULL);
	world_fini(&w);
}

/* What lies between runs of 64 KiB is held before one of them is broken. */
ATF_TC_WITHOUT_HEAD(hold_spares);
ATF_TC_BODY(hold_spares, tc)
{
	static const uint64_t spans[][2] = { { 0, CHUNK } };
	static const uint32_t between[] = { 18, 20, 47, BLOCK + 7 };
	_Atomic uint32_t out[8];
	vm_frame_t hint = 0, f;
	struct world w;
	unsigned i, n;

	(void)tc;
	world_make(&w, NULL, spans, NITEMS(spans));
	set(&w, 0, 16, VM_FRAME_FREE);
	set(&w, 32, 48, VM_FRAME_FREE);		/* broken by the next */
	set(&w, 33, 47, VM_FRAME_HEAD);
	set(&w, 64, 80, VM_FRAME_FREE);
	set(&w, 18, 19, VM_FRAME_FREE);
	set(&w, 20, 21, VM_FRAME_FREE);
	set(&w, 32, 33, VM_FRAME_HEAD);
	set(&w, BLOCK + 7, BLOCK + 8, VM_FRAME_FREE);
	set(&w, BLOCK + 16, BLOCK + 32, VM_FRAME_FREE);
	set(&w, 2 * BLOCK, 3 * BLOCK, VM_FRAME_FREE);
	for (i = 0; i < NITEMS(between); i += n) {
		n = vm_extmap_hold(&w.w_map, &hint, 0, CHUNK, 0, out,
		    NITEMS(out));
		ATF_REQUIRE(n > 0 && i + n <= NITEMS(between));
		for (f = 0; f < n; f++)
			ATF_REQUIRE_EQ(out[f], between[i + f]);
	}
	/* Then a run of a block that is in parts, last what is whole. */
	for (i = 0; i < 3 * 16; i += n) {
		n = vm_extmap_hold(&w.w_map, &hint, 0, CHUNK, 0, out,
		    NITEMS(out));
		ATF_REQUIRE(n > 0 && out[0] < 2 * BLOCK);
	}
	ATF_REQUIRE_EQ(w.w_map.xm_nfree, BLOCK);
	ATF_REQUIRE(vm_extmap_check(&w.w_map, &f) == NULL);
	world_fini(&w);
}

/*
 * Which frames were ever used: all that were not free at some time since they
 * were inserted.
 */
static void
fresh_next(struct world *w, const struct oracle *fresh)
{
	const struct oracle_area *oa = &fresh->o_area[0];
	vm_frame_t low = oa->oa_first + rng_below(w->w_rng, oa->oa_n);
	vm_frame_t high = low + rng_size(w->w_rng, oa->oa_first + oa->oa_n -
	    low), f = low;
	uint64_t size = rng_size(w->w_rng, 300), n;
	struct vm_extent ext;
	unsigned i;
	bool found;

	for (i = 0; i < 10; i++) {
		for (n = 0; f < high; f += n + 1) {
			for (n = 0; f + n < high && oracle_state(fresh,
			    f + n) == VM_FRAME_FREE;)
				n++;
			if (n >= size)
				break;
		}
		found = vm_extmap_next_fresh(&w->w_map, size, low, high,
		    &ext);
		ATF_REQUIRE_EQ(found, f < high);
		if (!found)
			return;
		ATF_REQUIRE_EQ(ext.e_start, f);
		ATF_REQUIRE_EQ(ext.e_end, f + n);
		low = f = ext.e_end;
	}
}

static void
fresh_step(struct world *w, struct oracle *fresh)
{
	vm_frame_t start, end, f;
	unsigned i;

	step(w);
	/* What is not free is used from now on. */
	for (f = fresh->o_area[0].oa_first; f < fresh->o_area[0].oa_first +
	    fresh->o_area[0].oa_n; f++) {
		if (oracle_state(&w->w_oracle, f) != VM_FRAME_FREE)
			oracle_set(fresh, f, f + 1, VM_FRAME_HEAD);
	}
	if (rng_chance(w->w_rng, 8)) {		/* plugged */
		any_range(w, 300, &start, &end);
		vm_extmap_insert(&w->w_map, start, end);
		oracle_set(&w->w_oracle, start, end, VM_FRAME_FREE);
		oracle_set(fresh, start, end, VM_FRAME_FREE);
	}
	for (i = 0; i < 3; i++)
		fresh_next(w, fresh);
}

ATF_TC_WITHOUT_HEAD(fresh);
ATF_TC_BODY(fresh, tc)
{
	static const uint64_t spans[][2] = { { CHUNK, CHUNK } };
	static uint32_t bits[CHUNK / 32];
	struct oracle fresh;
	struct vm_extent ext;
	unsigned i, k;
	struct world w;
	struct rng r;

	rng_init(&r, tc, 6);
	for (i = 0; i < (test_long(tc) ? 400U : 100U); i++) {
		world_make(&w, &r, spans, 1);
		set(&w, CHUNK, CHUNK + 5000, VM_FRAME_FREE);
		/* Not recorded: nothing is fresh. */
		ATF_REQUIRE(!vm_extmap_next_fresh(&w.w_map, 1, 0,
		    VM_FRAME_END, &ext));
		world_fini(&w);

		world_make(&w, &r, spans, 1);
		oracle_init(&fresh);
		oracle_add(&fresh, CHUNK, CHUNK, VM_FRAME_HEAD);
		memset(bits, 0x5a, sizeof(bits));
		vm_extmap_record(vm_extmap_span(&w.w_map, CHUNK), bits);
		/* Absent frames that are merely set free are not fresh. */
		set(&w, CHUNK, CHUNK + 5000, VM_FRAME_FREE);
		ATF_REQUIRE(!vm_extmap_next_fresh(&w.w_map, 1, 0,
		    VM_FRAME_END, &ext));
		for (k = 0; k < 60; k++)
			fresh_step(&w, &fresh);
		look_check(&w);
		oracle_fini(&fresh);
		world_fini(&w);
	}
}

/* The checker sees what is wrong with a summary. */
ATF_TC_WITHOUT_HEAD(check_sees);
ATF_TC_BODY(check_sees, tc)
{
	static const uint64_t spans[][2] = { { 0, 2 * CHUNK } };
	struct vm_extspan *xs;
	struct vm_extsum sum;
	vm_frame_t where;
	struct world w;
	uint64_t top;

	(void)tc;
	world_make(&w, NULL, spans, NITEMS(spans));
	set(&w, BLOCK, 2 * BLOCK - 7, VM_FRAME_FREE);
	look_check(&w);
	xs = vm_extmap_span(&w.w_map, 0);
	sum = xs->xs_sum[1];

	xs->xs_sum[1].es_longest--;
	ATF_REQUIRE(vm_extmap_check(&w.w_map, &where) != NULL);
	ATF_REQUIRE_EQ(where, BLOCK);
	xs->xs_sum[1] = sum;
	xs->xs_sum[1].es_start--;
	ATF_REQUIRE(vm_extmap_check(&w.w_map, &where) != NULL);
	xs->xs_sum[1] = sum;
	xs->xs_sum[1].es_end++;		/* too high while it is clean */
	ATF_REQUIRE(vm_extmap_check(&w.w_map, &where) != NULL);
	xs->xs_group[0].eg_dirty |= 2;	/* but a bound when it is dirty */
	ATF_REQUIRE(vm_extmap_check(&w.w_map, &where) == NULL);
	xs->xs_group[0].eg_dirty = 0;
	xs->xs_sum[1] = sum;
	xs->xs_sum[1].es_free++;	/* which is always exact */
	xs->xs_group[0].eg_dirty |= 2;
	ATF_REQUIRE(vm_extmap_check(&w.w_map, &where) != NULL);
	xs->xs_group[0].eg_dirty = 0;
	xs->xs_sum[1] = sum;

	xs->xs_group[0].eg_order[8] &= ~UINT64_C(2);
	ATF_REQUIRE(vm_extmap_check(&w.w_map, &where) != NULL);
	xs->xs_group[0].eg_order[8] |= 2;
	xs->xs_group[0].eg_order[9] |= 2;
	ATF_REQUIRE(vm_extmap_check(&w.w_map, &where) != NULL);
	xs->xs_group[0].eg_order[9] &= ~UINT64_C(2);
	top = xs->xs_top[0].et_order[3];
	xs->xs_top[0].et_order[3] = 0;
	ATF_REQUIRE(vm_extmap_check(&w.w_map, &where) != NULL);
	xs->xs_top[0].et_order[3] = top;
	w.w_map.xm_nfree++;
	ATF_REQUIRE(vm_extmap_check(&w.w_map, &where) != NULL);
	w.w_map.xm_nfree--;
	look_check(&w);
	world_fini(&w);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, oracle);
	ATF_TP_ADD_TC(tp, oracle_small);
	ATF_TP_ADD_TC(tp, large_span);
	ATF_TP_ADD_TC(tp, needle);
	ATF_TP_ADD_TC(tp, fit);
	ATF_TP_ADD_TC(tp, attach);
	ATF_TP_ADD_TC(tp, span);
	ATF_TP_ADD_TC(tp, across_spans);
	ATF_TP_ADD_TC(tp, hold_nothing);
	ATF_TP_ADD_TC(tp, hold_worth);
	ATF_TP_ADD_TC(tp, hold_spares);
	ATF_TP_ADD_TC(tp, fresh);
	ATF_TP_ADD_TC(tp, check_sees);
	return (atf_no_error());
}
