/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Order pools against a plain array.
 */

#include <sys/resource.h>

#include <atf-c.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vm/vm_badfree.h>
#include <vm/vm_buddy.h>
#include <vm/vm_page.h>

#include "vm_testlib.h"

#define	GUARD		64		/* bytes around the metadata */
#define	GUARD_BYTE	0xa5

/*
 * A pool, and what it should be: for each frame of the range whether it is
 * free, and if a block starts there its order and references.
 */
struct cell {
	bool		c_free;
	bool		c_head;
	unsigned	c_order;
	uint64_t	c_refs;
};

struct world {
	struct vm_buddy	w_pool;
	vm_frame_t	w_start;
	uint64_t	w_n;
	struct cell	*w_cell;
	unsigned char	*w_meta;
	size_t		w_metasize;
};

static void
world_init(struct world *w, const char *name, vm_frame_t start, uint64_t n)
{
	uint64_t i;

	memset(w, 0x5a, sizeof(*w));
	w->w_start = start;
	w->w_n = n;
	w->w_cell = calloc(n, sizeof(*w->w_cell));
	w->w_metasize = vm_buddy_metasize(vm_ptoa(start), vm_ptoa(n));
	ATF_REQUIRE(w->w_metasize > 0);
	w->w_meta = malloc(w->w_metasize + 2 * GUARD);
	ATF_REQUIRE(w->w_cell != NULL && w->w_meta != NULL);
	memset(w->w_meta, GUARD_BYTE, w->w_metasize + 2 * GUARD);
	ATF_REQUIRE_EQ(vm_buddy_create(&w->w_pool, name, vm_ptoa(start),
	    vm_ptoa(n), w->w_meta + GUARD), 0);
	for (i = 0; i < n; i++)
		w->w_cell[i].c_free = true;
}

static void
guard_check(const struct world *w)
{
	size_t i;

	for (i = 0; i < GUARD; i++) {
		ATF_REQUIRE_EQ_MSG(w->w_meta[i], GUARD_BYTE,
		    "byte %zu before the metadata was written", i);
		ATF_REQUIRE_EQ_MSG(w->w_meta[GUARD + w->w_metasize + i],
		    GUARD_BYTE, "byte %zu behind the metadata was written", i);
	}
}

static void
pool_ok(struct vm_buddy *vb)
{
	const char *broken;
	paddr_t where;

	broken = vm_buddy_check(vb, &where);
	ATF_REQUIRE_MSG(broken == NULL, "%s: %s near %#" PRIx64, vb->vb_name,
	    broken, where);
}

static void
world_fini(struct world *w)
{

	pool_ok(&w->w_pool);
	guard_check(w);
	ATF_REQUIRE_EQ(vm_buddy_destroy(&w->w_pool), 0);
	free(w->w_cell);
	free(w->w_meta);
}

/*
 * The answers of the array.
 */

/* Is the block of that order at frame in the range, and all free? */
static bool
cells_free(const struct world *w, vm_frame_t frame, unsigned order)
{
	uint64_t i, n = UINT64_C(1) << order;

	if (frame < w->w_start || frame + n > w->w_start + w->w_n)
		return (false);
	for (i = 0; i < n; i++) {
		if (!w->w_cell[frame - w->w_start + i].c_free)
			return (false);
	}
	return (true);
}

/* The order of the greatest free block around a free frame. */
static unsigned
cells_greatest(const struct world *w, vm_frame_t frame)
{
	unsigned order = 0;

	while (cells_free(w, frame >> (order + 1) << (order + 1), order + 1))
		order++;
	return (order);
}

/* Where a block of that order has to come from.  => false: nowhere. */
static bool
cells_place(const struct world *w, unsigned order, vm_frame_t *framep)
{
	vm_frame_t frame, end = w->w_start + w->w_n;
	unsigned greatest, least = UINT32_MAX;

	if (order >= 32)
		return (false);
	for (frame = w->w_start; frame < end; frame += UINT64_C(1) <<
	    greatest) {
		greatest = 0;
		if (!w->w_cell[frame - w->w_start].c_free)
			continue;
		greatest = cells_greatest(w, frame);
		if (greatest >= order && greatest < least) {
			least = greatest;
			*framep = frame;
		}
	}
	return (least != UINT32_MAX);
}

static void
cells_take(struct world *w, vm_frame_t frame, unsigned order)
{
	struct cell *c = &w->w_cell[frame - w->w_start];
	uint64_t i;

	for (i = 0; i < UINT64_C(1) << order; i++)
		c[i].c_free = false;
	c->c_head = true;
	c->c_order = order;
	c->c_refs = 1;
}

static void
cells_give(struct world *w, vm_frame_t frame)
{
	struct cell *c = &w->w_cell[frame - w->w_start];
	uint64_t i;

	c->c_head = false;
	for (i = 0; i < UINT64_C(1) << c->c_order; i++)
		c[i].c_free = true;
}

static bool
cells_random_head(const struct world *w, struct rng *r, vm_frame_t *framep)
{
	uint64_t i, at = rng_below(r, w->w_n);

	for (i = 0; i < w->w_n; i++) {
		if (w->w_cell[(at + i) % w->w_n].c_head) {
			*framep = w->w_start + (at + i) % w->w_n;
			return (true);
		}
	}
	return (false);
}

/* All blocks of the pool are those of the array. */
static void
world_compare(struct world *w)
{
	struct vm_buddystat bs;
	struct vm_buddyblock bb;
	uint64_t nfree[VM_BUDDY_NORDER] = { 0 }, nused[VM_BUDDY_NORDER] = { 0 };
	paddr_t pa = vm_ptoa(w->w_start), end = vm_ptoa(w->w_start + w->w_n);
	const struct cell *c;
	uint64_t free = 0;

	pool_ok(&w->w_pool);
	for (; pa < end; pa += PAGE << bb.bb_order) {
		ATF_REQUIRE(vm_buddy_block(&w->w_pool, pa, &bb));
		ATF_REQUIRE_EQ(bb.bb_start, pa);
		c = &w->w_cell[vm_atop(pa) - w->w_start];
		ATF_REQUIRE_EQ(bb.bb_free, c->c_free);
		if (bb.bb_free) {
			ATF_REQUIRE_EQ(bb.bb_order,
			    cells_greatest(w, vm_atop(pa)));
			ATF_REQUIRE_EQ(bb.bb_refs, 0);
			nfree[bb.bb_order]++;
			free += PAGE << bb.bb_order;
		} else {
			ATF_REQUIRE(c->c_head);
			ATF_REQUIRE_EQ(bb.bb_order, c->c_order);
			ATF_REQUIRE_EQ(bb.bb_refs, c->c_refs);
			nused[bb.bb_order]++;
		}
	}
	ATF_REQUIRE_EQ(pa, end);
	vm_buddy_stat(&w->w_pool, &bs);
	ATF_REQUIRE_EQ(bs.bs_free, free);
	ATF_REQUIRE_EQ(memcmp(bs.bs_nfree, nfree, sizeof(nfree)), 0);
	ATF_REQUIRE_EQ(memcmp(bs.bs_nused, nused, sizeof(nused)), 0);
}

/*
 * Steps of a random history.
 */

static void
step_alloc(struct world *w, struct rng *r)
{
	unsigned order = (unsigned)rng_below(r, rng_chance(r, 20) ? 41 : 7);
	paddr_t pa = 12345;
	vm_frame_t frame;
	int error;

	error = vm_buddy_alloc(&w->w_pool, order, 0, &pa);
	if (!cells_place(w, order, &frame)) {
		ATF_REQUIRE_EQ(error, ENOMEM);
		ATF_REQUIRE_EQ(pa, 12345);
		return;
	}
	ATF_REQUIRE_EQ_MSG(error, 0, "order %u: %d", order, error);
	ATF_REQUIRE_EQ_MSG(pa, vm_ptoa(frame), "order %u: %#" PRIx64
	    ", not %#" PRIx64, order, pa, vm_ptoa(frame));
	ATF_REQUIRE_EQ(frame % (UINT64_C(1) << order), 0);
	cells_take(w, frame, order);
}

static void
step_get(struct world *w, struct rng *r)
{
	vm_frame_t frame;

	if (!cells_random_head(w, r, &frame))
		return;
	ATF_REQUIRE_EQ(vm_buddy_get(&w->w_pool, vm_ptoa(frame)), 0);
	w->w_cell[frame - w->w_start].c_refs++;
}

static void
step_put(struct world *w, struct rng *r)
{
	struct cell *c;
	vm_frame_t frame;
	bool freed;

	if (!cells_random_head(w, r, &frame))
		return;
	c = &w->w_cell[frame - w->w_start];
	freed = c->c_refs != 1;
	if (rng_chance(r, 2)) {
		ATF_REQUIRE_EQ(vm_buddy_put(&w->w_pool, vm_ptoa(frame),
		    &freed), 0);
		ATF_REQUIRE_EQ(freed, c->c_refs == 1);
	} else {
		ATF_REQUIRE_EQ(vm_buddy_free(&w->w_pool, vm_ptoa(frame),
		    c->c_order), 0);
	}
	if (--c->c_refs == 0)
		cells_give(w, frame);
}

static void
step_split(struct world *w, struct rng *r)
{
	struct cell *c;
	vm_frame_t frame;
	unsigned order;
	uint64_t i;

	if (!cells_random_head(w, r, &frame))
		return;
	c = &w->w_cell[frame - w->w_start];
	if (c->c_refs > 1) {
		ATF_REQUIRE_EQ(vm_buddy_split(&w->w_pool, vm_ptoa(frame)),
		    EBUSY);
		return;
	}
	ATF_REQUIRE_EQ(vm_buddy_split(&w->w_pool, vm_ptoa(frame)), 0);
	order = c->c_order;
	for (i = 0; i < UINT64_C(1) << order; i++)
		cells_take(w, frame + i, 0);
}

/* What is wrong with a free of that order at that frame, by the array. */
static int
cells_error(const struct world *w, vm_frame_t frame, unsigned order)
{
	const struct cell *c;

	if (frame < w->w_start || frame >= w->w_start + w->w_n)
		return (EINVAL);
	c = &w->w_cell[frame - w->w_start];
	if (c->c_free)
		return (EALREADY);
	if (!c->c_head)
		return (EINVAL);
	return (order == VM_BUDDY_ANY || order == c->c_order ? 0 : EMSGSIZE);
}

static void
step_bad(struct world *w, struct rng *r)
{
	vm_frame_t frame = w->w_start - 3 + rng_below(r, w->w_n + 6);
	unsigned order = rng_chance(r, 3) ? VM_BUDDY_ANY :
	    (unsigned)rng_below(r, 42);
	int error = cells_error(w, frame, order);
	paddr_t pa = vm_ptoa(frame);

	if (error == 0) {
		pa += 1 + rng_below(r, PAGE - 1);
		error = EINVAL;
	}
	ATF_REQUIRE_EQ(vm_buddy_free(&w->w_pool, pa, order), error);
	if (error != EMSGSIZE) {
		ATF_REQUIRE_EQ(vm_buddy_put(&w->w_pool, pa, NULL), error);
		ATF_REQUIRE_EQ(vm_buddy_get(&w->w_pool, pa), EINVAL);
		ATF_REQUIRE_EQ(vm_buddy_split(&w->w_pool, pa), EINVAL);
	}
}

static void
history(struct world *w, struct rng *r, unsigned steps)
{
	unsigned i, greedy;

	for (i = 0; i < steps; i++) {
		greedy = i / 64 % 3;	/* filling, even, emptying */
		if (rng_chance(r, 12))
			step_bad(w, r);
		else if (rng_chance(r, 10))
			step_split(w, r);
		else if (rng_chance(r, 6))
			step_get(w, r);
		else if (rng_below(r, 4) > greedy)
			step_alloc(w, r);
		else
			step_put(w, r);
		if (i % 8 == 0)
			world_compare(w);
	}
	world_compare(w);
}

/* Everything back: the pool is as it was at first. */
static void
drain(struct world *w)
{
	struct vm_buddystat bs, fresh;
	struct world other;
	uint64_t i;

	for (i = 0; i < w->w_n; i++) {
		while (w->w_cell[i].c_head) {
			ATF_REQUIRE_EQ(vm_buddy_put(&w->w_pool,
			    vm_ptoa(w->w_start + i), NULL), 0);
			if (--w->w_cell[i].c_refs == 0)
				cells_give(w, w->w_start + i);
		}
	}
	world_compare(w);
	world_init(&other, w->w_pool.vb_name, w->w_start, w->w_n);
	vm_buddy_stat(&other.w_pool, &fresh);
	vm_buddy_stat(&w->w_pool, &bs);
	ATF_REQUIRE_EQ(memcmp(&bs, &fresh, sizeof(bs)), 0);
	world_fini(&other);
}

static const struct {
	vm_frame_t	start;
	uint64_t	n;
} odd_ranges[] = {
	{ 0, 1 }, { 7, 1 }, { VM_FRAME_END - 1, 1 },
	{ 0, 64 }, { 1, 64 }, { 64, 65 }, { 63, 2 },
	{ 1, 63 }, { 0, 97 }, { 13, 97 }, { 1000, 211 }, { 12345, 257 },
	{ VM_FRAME_END - 97, 97 }, { VM_FRAME_END - 128, 128 },
	{ VM_FRAME_END - 130, 128 }, { VM_FRAME_END / 2 - 50, 101 },
	{ (1 << 20) - 1, 258 }, { 96, 3 },
};

ATF_TC_WITHOUT_HEAD(random_history);
ATF_TC_BODY(random_history, tc)
{
	unsigned i, round, rounds = test_long(tc) ? 1000 : 40;
	struct world w;
	struct rng r;

	usermode_console(NULL);
	rng_init(&r, tc, 4);
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < NITEMS(odd_ranges); i++) {
			world_init(&w, "odd", odd_ranges[i].start,
			    odd_ranges[i].n);
			world_compare(&w);
			history(&w, &r, 800);
			drain(&w);
			world_fini(&w);
		}
	}
}

/* The same with ranges that nobody thought of. */
ATF_TC_WITHOUT_HEAD(random_ranges);
ATF_TC_BODY(random_ranges, tc)
{
	unsigned i, rounds = test_long(tc) ? 20000 : 1000;
	struct world w;
	vm_frame_t start;
	struct rng r;
	uint64_t n;

	usermode_console(NULL);
	rng_init(&r, tc, 5);
	for (i = 0; i < rounds; i++) {
		n = rng_size(&r, 300);
		start = rng_size(&r, VM_FRAME_END - n);
		world_init(&w, "random", start, n);
		history(&w, &r, 200);
		drain(&w);
		world_fini(&w);
	}
}

/*
 * The greatest order is that of the range, and of nothing beyond it.
 */
ATF_TC_WITHOUT_HEAD(orders);
ATF_TC_BODY(orders, tc)
{
	static const struct {
		vm_frame_t	start;
		uint64_t	n;
		unsigned	norder;
	} tests[] = {
		{ 0, 1, 1 }, { 1, 1, 1 }, { 1, 2, 1 }, { 2, 2, 2 },
		{ 1, 3, 2 }, { 0, 1023, 10 }, { 0, 1024, 11 },
		{ 1, 1024, 10 }, { 1, 2046, 10 }, { 1, 2047, 11 },
		{ 512, 1024, 10 }, { VM_FRAME_END - 1024, 1024, 11 },
		{ VM_FRAME_END - 1025, 1025, 11 },
	};
	struct vm_buddystat bs;
	struct world w;
	paddr_t pa;
	unsigned i;

	(void)tc;
	for (i = 0; i < NITEMS(tests); i++) {
		world_init(&w, "orders", tests[i].start, tests[i].n);
		vm_buddy_stat(&w.w_pool, &bs);
		ATF_REQUIRE_EQ_MSG(bs.bs_norder, tests[i].norder,
		    "test %u: %u orders", i, bs.bs_norder);
		ATF_REQUIRE_EQ(vm_buddy_alloc(&w.w_pool, tests[i].norder, 0,
		    &pa), ENOMEM);
		ATF_REQUIRE_EQ(vm_buddy_alloc(&w.w_pool, tests[i].norder - 1,
		    0, &pa), 0);
		ATF_REQUIRE_EQ(vm_buddy_free(&w.w_pool, pa,
		    tests[i].norder - 1), 0);
		world_fini(&w);
	}
}

/* Small metadata for small pools; and for any it is the size that is said. */
ATF_TC_WITHOUT_HEAD(metasize);
ATF_TC_BODY(metasize, tc)
{

	(void)tc;
	ATF_REQUIRE(vm_buddy_metasize(PAGE, 63 * PAGE) < 1024);
	/* 36 bits a frame, and little more. */
	ATF_REQUIRE(vm_buddy_metasize(PAGE, 1000003 * PAGE) <
	    1000003 * 37 / 8 + 4096);
	ATF_REQUIRE_EQ(vm_buddy_metasize(0, 0), 0);
	ATF_REQUIRE_EQ(vm_buddy_metasize(1, PAGE), 0);
	ATF_REQUIRE_EQ(vm_buddy_metasize(0, PAGE + 1), 0);
	ATF_REQUIRE_EQ(vm_buddy_metasize(TOP, PAGE), 0);
	ATF_REQUIRE_EQ(vm_buddy_metasize(PAGE, TOP), 0);
	ATF_REQUIRE_EQ(vm_buddy_metasize(UINT64_MAX - PAGE + 1, PAGE), 0);
	ATF_REQUIRE_EQ(vm_buddy_metasize(PAGE, UINT64_MAX - PAGE + 1), 0);
	ATF_REQUIRE(vm_buddy_metasize(0, TOP) > VM_FRAME_END * 36 / 8);
}

/* Several levels of each tree: all pages, one by one, and back in disorder. */
ATF_TC_WITHOUT_HEAD(large);
ATF_TC_BODY(large, tc)
{
	const uint64_t n = 1000003, step = 611953;	/* primes */
	struct vm_buddystat before, after;
	struct world w;
	uint64_t i;
	paddr_t pa;

	(void)tc;
	world_init(&w, "large", 12345677, n);
	vm_buddy_stat(&w.w_pool, &before);
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(vm_buddy_alloc(&w.w_pool, 0, 0, &pa), 0);
	ATF_REQUIRE_EQ(vm_buddy_alloc(&w.w_pool, 0, 0, &pa), ENOMEM);
	pool_ok(&w.w_pool);
	for (i = 0; i < n; i++) {
		ATF_REQUIRE_EQ(vm_buddy_free(&w.w_pool,
		    vm_ptoa(12345677 + i * step % n), 0), 0);
		if (i % 100000 == 0)
			pool_ok(&w.w_pool);
	}
	vm_buddy_stat(&w.w_pool, &after);
	ATF_REQUIRE_EQ(memcmp(&before, &after, sizeof(before)), 0);
	world_fini(&w);
}

/* A large block is split into all of its pages and no other. */
ATF_TC_WITHOUT_HEAD(split);
ATF_TC_BODY(split, tc)
{
	struct vm_buddyblock bb;
	struct world w;
	unsigned order;
	uint64_t i;
	paddr_t pa;

	(void)tc;
	usermode_console(NULL);
	for (order = 0; order < 12; order++) {
		world_init(&w, "split", 37, 9000);
		ATF_REQUIRE_EQ(vm_buddy_alloc(&w.w_pool, order, 0, &pa), 0);
		ATF_REQUIRE_EQ(vm_buddy_split(&w.w_pool, pa), 0);
		pool_ok(&w.w_pool);
		for (i = 0; i < UINT64_C(1) << order; i++) {
			ATF_REQUIRE(vm_buddy_block(&w.w_pool, pa + i * PAGE,
			    &bb));
			ATF_REQUIRE(!bb.bb_free && bb.bb_order == 0 &&
			    bb.bb_refs == 1);
		}
		if (vm_buddy_block(&w.w_pool, pa - PAGE, &bb))
			ATF_REQUIRE(bb.bb_free);
		ATF_REQUIRE(vm_buddy_block(&w.w_pool, pa + i * PAGE, &bb));
		ATF_REQUIRE(bb.bb_free);
		if (order > 0)
			ATF_REQUIRE_EQ(vm_buddy_free(&w.w_pool, pa, order),
			    EMSGSIZE);
		while (i-- > 0)
			ATF_REQUIRE_EQ(vm_buddy_free(&w.w_pool, pa + i * PAGE,
			    0), 0);
		world_fini(&w);
	}
}

/*
 * References.
 */
ATF_TC_WITHOUT_HEAD(references);
ATF_TC_BODY(references, tc)
{
	struct vm_buddyblock bb;
	struct world w;
	paddr_t pa;
	bool freed;
	unsigned i;

	(void)tc;
	usermode_console(NULL);
	world_init(&w, "refs", 64, 64);
	ATF_REQUIRE_EQ(vm_buddy_alloc(&w.w_pool, 3, 0, &pa), 0);
	for (i = 0; i < 512; i++)
		ATF_REQUIRE_EQ(vm_buddy_get(&w.w_pool, pa), 0);
	ATF_REQUIRE_EQ(vm_buddy_split(&w.w_pool, pa), EBUSY);
	for (i = 0; i < 512; i++) {
		freed = true;
		ATF_REQUIRE_EQ(vm_buddy_put(&w.w_pool, pa, &freed), 0);
		ATF_REQUIRE(!freed);
	}
	ATF_REQUIRE_EQ(vm_buddy_put(&w.w_pool, pa, &freed), 0);
	ATF_REQUIRE(freed);
	freed = true;
	ATF_REQUIRE_EQ(vm_buddy_put(&w.w_pool, pa, &freed), EALREADY);
	ATF_REQUIRE(!freed);
	ATF_REQUIRE_EQ(vm_buddy_get(&w.w_pool, pa), EINVAL);

	/* As many as there can be, without counting up to there. */
	ATF_REQUIRE_EQ(vm_buddy_alloc(&w.w_pool, 0, 0, &pa), 0);
	w.w_pool.vb_refs[vm_atop(pa) - 64] = UINT32_MAX - 1;
	ATF_REQUIRE_EQ(vm_buddy_get(&w.w_pool, pa), 0);
	ATF_REQUIRE_EQ(vm_buddy_get(&w.w_pool, pa), EOVERFLOW);
	ATF_REQUIRE(vm_buddy_block(&w.w_pool, pa, &bb));
	ATF_REQUIRE_EQ(bb.bb_refs, UINT64_C(1) << 32);
	w.w_pool.vb_refs[vm_atop(pa) - 64] = 0;
	ATF_REQUIRE_EQ(vm_buddy_put(&w.w_pool, pa, NULL), 0);
	world_fini(&w);
}

/*
 * Each bad free: refused, counted, and said in one line that names it.
 */
static void
bad(struct world *w, paddr_t pa, unsigned order, int error,
    enum vm_counter counter)
{
	uint64_t before = vm_counter_sum(counter);
	char where[24];

	console_clear();
	ATF_REQUIRE_EQ(vm_buddy_free(&w->w_pool, pa, order), error);
	ATF_REQUIRE_EQ(vm_counter_sum(counter), before + 1);
	if (console_lines() > 0) {	/* they are limited in number */
		ATF_REQUIRE_EQ(console_lines(), 1);
		snprintf(where, sizeof(where), "of %#" PRIx64 " ", pa);
		ATF_REQUIRE(strstr(console_text(), where) != NULL);
	}
	pool_ok(&w->w_pool);
}

ATF_TC_WITHOUT_HEAD(bad_free);
ATF_TC_BODY(bad_free, tc)
{
	struct world w;
	paddr_t pa, base = 16 * PAGE;

	(void)tc;
	console_catch();
	world_init(&w, "bad", 16, 48);
	ATF_REQUIRE_EQ(vm_buddy_alloc(&w.w_pool, 3, 0, &pa), 0);
	bad(&w, pa + PAGE, 3, EINVAL, VM_COUNT_BAD_INVAL);	/* interior */
	ATF_REQUIRE_EQ(console_lines(), 1);
	bad(&w, pa + 1, 3, EINVAL, VM_COUNT_BAD_INVAL);
	bad(&w, pa, 2, EMSGSIZE, VM_COUNT_BAD_MSGSIZE);
	bad(&w, pa, 4, EMSGSIZE, VM_COUNT_BAD_MSGSIZE);
	bad(&w, pa, 63, EMSGSIZE, VM_COUNT_BAD_MSGSIZE);
	bad(&w, base - PAGE, 0, EINVAL, VM_COUNT_BAD_INVAL);
	bad(&w, base + 48 * PAGE, 0, EINVAL, VM_COUNT_BAD_INVAL);
	bad(&w, 0, VM_BUDDY_ANY, EINVAL, VM_COUNT_BAD_INVAL);
	bad(&w, VM_PADDR_NONE, VM_BUDDY_ANY, EINVAL, VM_COUNT_BAD_INVAL);
	bad(&w, pa + 8 * PAGE, 0, EALREADY, VM_COUNT_BAD_ALREADY);
	ATF_REQUIRE_EQ(vm_buddy_free(&w.w_pool, pa, VM_BUDDY_ANY), 0);
	bad(&w, pa, 3, EALREADY, VM_COUNT_BAD_ALREADY);
	bad(&w, pa + PAGE, 0, EALREADY, VM_COUNT_BAD_ALREADY);
	world_fini(&w);
}

/*
 * Arguments that make no sense.
 */
ATF_TC_WITHOUT_HEAD(hostile);
ATF_TC_BODY(hostile, tc)
{
	static const struct {
		paddr_t		start;
		psize_t		size;
	} ranges[] = {
		{ 0, 0 }, { 1, PAGE }, { 0, PAGE - 1 }, { 0, PAGE + 1 },
		{ TOP, PAGE }, { TOP - PAGE, 2 * PAGE },
		{ UINT64_MAX - PAGE + 1, PAGE },
		{ PAGE, UINT64_MAX - PAGE + 1 },
	};
	struct vm_buddyblock bb;
	uint64_t meta[64];
	struct vm_buddy vb;
	struct world w;
	paddr_t pa = 7;
	unsigned i;

	(void)tc;
	for (i = 0; i < NITEMS(ranges); i++)
		ATF_REQUIRE_EQ(vm_buddy_create(&vb, "x", ranges[i].start,
		    ranges[i].size, meta), EINVAL);
	ATF_REQUIRE_EQ(vm_buddy_create(&vb, "", 0, PAGE, meta), EINVAL);
	ATF_REQUIRE_EQ(vm_buddy_create(&vb, "x", 0, PAGE, (char *)meta + 4),
	    EINVAL);
	ATF_REQUIRE(vm_buddy_pools == NULL);

	world_init(&w, "a name that is too long", 3, 5);
	ATF_REQUIRE_STREQ(w.w_pool.vb_name, "a name that is ");
	ATF_REQUIRE_EQ(vm_buddy_alloc(&w.w_pool, VM_BUDDY_NORDER, 0, &pa),
	    EINVAL);
	ATF_REQUIRE_EQ(vm_buddy_alloc(&w.w_pool, VM_BUDDY_ANY, 0, &pa),
	    EINVAL);
	ATF_REQUIRE_EQ(vm_buddy_alloc(&w.w_pool, VM_BUDDY_NORDER - 1, 0, &pa),
	    ENOMEM);
	ATF_REQUIRE_EQ(vm_buddy_alloc(&w.w_pool, 0, VM_PG_FRESH, &pa), EINVAL);
	ATF_REQUIRE_EQ(vm_buddy_alloc(&w.w_pool, 0, ~0U, &pa), EINVAL);
	ATF_REQUIRE_EQ(pa, 7);
	ATF_REQUIRE(!vm_buddy_block(&w.w_pool, 2 * PAGE, &bb));
	ATF_REQUIRE(!vm_buddy_block(&w.w_pool, 8 * PAGE, &bb));
	ATF_REQUIRE(!vm_buddy_block(&w.w_pool, UINT64_MAX, &bb));
	ATF_REQUIRE(vm_buddy_block(&w.w_pool, 8 * PAGE - 1, &bb));

	ATF_REQUIRE_EQ(vm_buddy_alloc(&w.w_pool, 0, 0, &pa), 0);
	ATF_REQUIRE_EQ(vm_buddy_destroy(&w.w_pool), EBUSY);
	ATF_REQUIRE(vm_buddy_pools == &w.w_pool);
	ATF_REQUIRE_EQ(vm_buddy_put(&w.w_pool, pa, NULL), 0);
	world_fini(&w);
	ATF_REQUIRE(vm_buddy_pools == NULL);
}

/*
 * The list of pools.
 */
struct seen {
	const char	*s_stop;
	char		s_names[64];
};

static bool
see(struct vm_buddy *vb, void *arg)
{
	struct vm_buddystat bs;
	struct seen *seen = arg;

	vm_buddy_stat(vb, &bs);
	strcat(seen->s_names, bs.bs_name);
	return (seen->s_stop == NULL || strcmp(seen->s_stop, bs.bs_name) != 0);
}

static const char *
names(struct seen *seen, const char *stop, bool all)
{

	seen->s_stop = stop;
	seen->s_names[0] = '\0';
	ATF_REQUIRE_EQ(vm_buddy_each(see, seen), all);
	return (seen->s_names);
}

ATF_TC_WITHOUT_HEAD(each);
ATF_TC_BODY(each, tc)
{
	struct world a, b, c;
	struct seen seen;

	(void)tc;
	ATF_REQUIRE_STREQ(names(&seen, NULL, true), "");
	world_init(&a, "a", 1, 1);
	world_init(&b, "b", 2, 1);
	world_init(&c, "c", 3, 1);
	ATF_REQUIRE_STREQ(names(&seen, NULL, true), "cba");
	ATF_REQUIRE_STREQ(names(&seen, "b", false), "cb");
	world_fini(&b);
	ATF_REQUIRE_STREQ(names(&seen, NULL, true), "ca");
	world_fini(&c);
	ATF_REQUIRE_STREQ(names(&seen, NULL, true), "a");
	world_fini(&a);
}

/*
 * The pages: nobody writes to them but who is asked for zeros.
 */
ATF_TC_WITHOUT_HEAD(untouched);
ATF_TC_BODY(untouched, tc)
{
	const vm_frame_t start = vm_atop(GiB) - 77;
	const uint64_t n = 150;
	unsigned char *pages = vm_md_phystov(vm_ptoa(start), vm_ptoa(n));
	struct world w;
	struct rng r;
	uint64_t i;

	usermode_console(NULL);
	rng_init(&r, tc, 6);
	ATF_REQUIRE(pages != NULL);
	for (i = 0; i < n * PAGE; i++)
		pages[i] = (unsigned char)(i * 7 >> 3);
	world_init(&w, "untouched", start, n);
	history(&w, &r, 2000);
	drain(&w);
	world_fini(&w);
	for (i = 0; i < n * PAGE; i++)
		ATF_REQUIRE_EQ(pages[i], (unsigned char)(i * 7 >> 3));
	usermode_physmem_release();
}

ATF_TC_WITHOUT_HEAD(zeroed);
ATF_TC_BODY(zeroed, tc)
{
	const vm_frame_t start = 1001;
	const uint64_t n = 100;
	unsigned char *pages = vm_md_phystov(vm_ptoa(start), vm_ptoa(n));
	struct world w;
	uint64_t i, at;
	paddr_t pa;

	(void)tc;
	ATF_REQUIRE(pages != NULL);
	memset(pages, 0xee, n * PAGE);
	world_init(&w, "zeroed", start, n);
	ATF_REQUIRE_EQ(vm_buddy_alloc(&w.w_pool, 4, VM_PG_ZERO, &pa), 0);
	at = pa - vm_ptoa(start);
	for (i = 0; i < n * PAGE; i++)
		ATF_REQUIRE_EQ(pages[i], i - at < 16 * PAGE ? 0 : 0xee);
	ATF_REQUIRE_EQ(vm_buddy_free(&w.w_pool, pa, 4), 0);
	world_fini(&w);
	usermode_physmem_release();
}

/* Where the kernel has no address, there are no zeros, and nothing changes. */
ATF_TC_WITHOUT_HEAD(zeroed_nowhere);
ATF_TC_BODY(zeroed_nowhere, tc)
{
	struct rlimit old, none = { 0, 0 };
	struct vm_buddystat bs;
	struct world w;
	paddr_t pa;
	int error;

	(void)tc;
	world_init(&w, "nowhere", vm_atop(TiB), 64);
	ATF_REQUIRE_EQ(getrlimit(RLIMIT_AS, &old), 0);
	none.rlim_max = old.rlim_max;
	ATF_REQUIRE_EQ(setrlimit(RLIMIT_AS, &none), 0);
	error = vm_buddy_alloc(&w.w_pool, 2, VM_PG_ZERO, &pa);
	ATF_REQUIRE_EQ(setrlimit(RLIMIT_AS, &old), 0);
	ATF_REQUIRE_EQ(error, ENOMEM);
	vm_buddy_stat(&w.w_pool, &bs);
	ATF_REQUIRE_EQ(bs.bs_free, 64 * PAGE);
	ATF_REQUIRE_EQ(bs.bs_nfree[6], 1);
	world_fini(&w);
}

/*
 * Page tables whose root is several pages, contiguous and aligned to their
 * size, as some MMUs want it: the root of four pages of RISC-V's Sv39x4
 * (Privileged Architecture, "Two-Stage Address Translation") with tables of
 * one page below, in a pool over pages from the page allocator.  This is the
 * bookkeeping of such a port, no MMU.
 */
#define	ROOT_ORDER	2
#define	ROOT_ENTRIES	((PAGE << ROOT_ORDER) / sizeof(uint64_t))
#define	TABLE_ENTRIES	(PAGE / sizeof(uint64_t))
#define	POOL_PAGES	37

static void
table_enter(struct vm_buddy *vb, paddr_t root, unsigned i)
{
	uint64_t *entry = vm_md_phystov(root, PAGE << ROOT_ORDER);
	uint64_t *table;
	paddr_t pa;

	entry += i / TABLE_ENTRIES;
	if (*entry == 0) {		/* the table's first entry */
		ATF_REQUIRE_EQ(vm_buddy_alloc(vb, 0, VM_PG_ZERO, &pa), 0);
		ATF_REQUIRE_EQ(vm_buddy_get(vb, root), 0);
		*entry = pa;
	} else
		ATF_REQUIRE_EQ(vm_buddy_get(vb, *entry), 0);
	table = vm_md_phystov(*entry, PAGE);
	ATF_REQUIRE_EQ(table[i % TABLE_ENTRIES], 0);
	table[i % TABLE_ENTRIES] = 1;
}

static void
table_remove(struct vm_buddy *vb, paddr_t root, unsigned i)
{
	uint64_t *entry = vm_md_phystov(root, PAGE << ROOT_ORDER);
	uint64_t *table;
	bool freed;

	entry += i / TABLE_ENTRIES;
	table = vm_md_phystov(*entry, PAGE);
	ATF_REQUIRE_EQ(table[i % TABLE_ENTRIES], 1);
	table[i % TABLE_ENTRIES] = 0;
	ATF_REQUIRE_EQ(vm_buddy_put(vb, *entry, &freed), 0);
	if (freed) {			/* it was the table's last */
		*entry = 0;
		ATF_REQUIRE_EQ(vm_buddy_put(vb, root, NULL), 0);
	}
}

ATF_TC_WITHOUT_HEAD(root_of_four_pages);
ATF_TC_BODY(root_of_four_pages, tc)
{
	static const unsigned at[] = {
		0, 1, 511, 512, 513, (ROOT_ENTRIES / 2 + 3) * TABLE_ENTRIES,
		ROOT_ENTRIES * TABLE_ENTRIES - 1,
	};
	static uint64_t meta[256];
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(POOL_PAGES * PAGE);
	struct vm_buddystat bs;
	struct vm_buddy vb;
	paddr_t run, root;
	bool freed;
	unsigned i;

	(void)tc;
	vm_start(pc_ranges, pc_nranges);
	req.vpr_owner = vm_owner_register("pmap");
	run = run_alloc(&req);
	memset(vm_md_phystov(run, POOL_PAGES * PAGE), 0xff, POOL_PAGES * PAGE);
	ATF_REQUIRE(vm_buddy_metasize(run, POOL_PAGES * PAGE) <= sizeof(meta));
	ATF_REQUIRE_EQ(vm_buddy_create(&vb, "root", run, POOL_PAGES * PAGE,
	    meta), 0);
	ATF_REQUIRE_EQ(vm_buddy_alloc(&vb, ROOT_ORDER, VM_PG_ZERO, &root), 0);
	ATF_REQUIRE_EQ(root % (PAGE << ROOT_ORDER), 0);
	for (i = 0; i < NITEMS(at); i++)
		table_enter(&vb, root, at[i]);
	vm_buddy_stat(&vb, &bs);
	ATF_REQUIRE_EQ(bs.bs_nused[0], 4);
	ATF_REQUIRE_EQ(bs.bs_nused[ROOT_ORDER], 1);
	for (i = 0; i < NITEMS(at); i++)
		table_remove(&vb, root, at[i]);
	vm_buddy_stat(&vb, &bs);
	ATF_REQUIRE_EQ(bs.bs_nused[0], 0);
	ATF_REQUIRE_EQ(vm_buddy_put(&vb, root, &freed), 0);
	ATF_REQUIRE(freed);
	ATF_REQUIRE_EQ(vm_buddy_destroy(&vb), 0);
	ATF_REQUIRE_EQ(vm_pglist_free(run, POOL_PAGES * PAGE), 0);
	audit_ok(NULL);
}

/*
 * vm_buddy_check() finds what is broken.
 */
static void
broken(struct world *w, const char *what)
{
	const char *found;
	paddr_t where;

	found = vm_buddy_check(&w->w_pool, &where);
	ATF_REQUIRE_MSG(found != NULL, "not found: %s", what);
	ATF_REQUIRE_STREQ(found, what);
}

/* Say that a block is free if it was not, and the reverse; likewise used. */
static void
flip_free(struct vm_buddy *vb, unsigned order, unsigned number)
{
	struct vm_buddyorder *bo = &vb->vb_order[order];

	ATF_REQUIRE(bo->bo_count <= 64);	/* no tree over it */
	bo->bo_free[0] ^= UINT64_C(1) << number;
	bo->bo_nfree = (unsigned)__builtin_popcountll(bo->bo_free[0]);
	vb->vb_orders &= ~(UINT64_C(1) << order);
	if (bo->bo_nfree > 0)
		vb->vb_orders |= UINT64_C(1) << order;
}

static void
flip_used(struct vm_buddy *vb, unsigned order, unsigned number)
{
	struct vm_buddyorder *bo = &vb->vb_order[order];

	ATF_REQUIRE(bo->bo_count <= 64);
	bo->bo_used[0] ^= UINT64_C(1) << number;
	bo->bo_nused = (unsigned)__builtin_popcountll(bo->bo_used[0]);
}

ATF_TC_WITHOUT_HEAD(check_counts);
ATF_TC_BODY(check_counts, tc)
{
	struct vm_buddyorder *bo;
	struct vm_buddy *vb;
	struct world w;
	paddr_t pa;

	(void)tc;
	world_init(&w, "counts", 0, 256);
	vb = &w.w_pool;
	bo = vb->vb_order;
	ATF_REQUIRE_EQ(vm_buddy_alloc(vb, 1, 0, &pa), 0);	/* 0 and 1 */
	bo[1].bo_nfree++;
	broken(&w, "an order's number of free blocks is wrong");
	bo[1].bo_nfree--;
	bo[1].bo_nused++;
	broken(&w, "an order's number of allocated blocks is wrong");
	bo[1].bo_nused--;
	vb->vb_orders ^= 1;
	broken(&w, "the word of orders with free blocks is wrong");
	vb->vb_orders ^= 1;
	bo[0].bo_free[4] ^= 1;		/* the top of that tree */
	broken(&w, "a tree of free blocks is broken");
	bo[0].bo_free[4] ^= 1;
	vb->vb_refs[1] = 1;
	broken(&w, "references to what is no block");
	vb->vb_refs[1] = 0;
	vb->vb_nfree++;
	broken(&w, "free frames are miscounted");
	vb->vb_nfree--;
	ATF_REQUIRE_EQ(vm_buddy_put(vb, pa, NULL), 0);
	world_fini(&w);
}

ATF_TC_WITHOUT_HEAD(check_blocks);
ATF_TC_BODY(check_blocks, tc)
{
	struct vm_buddy *vb;
	struct world w;
	paddr_t pa;

	(void)tc;
	world_init(&w, "blocks", 0, 256);
	vb = &w.w_pool;
	ATF_REQUIRE_EQ(vm_buddy_alloc(vb, 3, 0, &pa), 0);	/* 0 to 7 */

	flip_used(vb, 3, 0);		/* forget it */
	broken(&w, "a frame is in no block");
	flip_used(vb, 3, 0);
	flip_free(vb, 3, 1);		/* instead of 8 to 15: 0 to 15 */
	flip_used(vb, 4, 0);
	broken(&w, "two blocks overlap");
	flip_used(vb, 4, 0);
	flip_free(vb, 3, 1);
	flip_used(vb, 4, 0);		/* beside both halves, the whole */
	broken(&w, "a block lies within another");
	flip_used(vb, 4, 0);
	flip_free(vb, 4, 1);		/* 16 to 31, in two free halves */
	flip_free(vb, 3, 2);
	flip_free(vb, 3, 3);
	broken(&w, "two free buddies are not one block");
	flip_free(vb, 3, 3);
	flip_free(vb, 3, 2);
	flip_free(vb, 4, 1);
	ATF_REQUIRE_EQ(vm_buddy_put(vb, pa, NULL), 0);
	world_fini(&w);
}

/*
 * Threads: whoever has a frame writes his number there, and finds nobody's.
 */
#define	NTHREADS	4
#define	STRESS_FRAMES	1021
#define	STRESS_START	4093
#define	STRESS_HELD	16

static struct world stress_world;
static _Atomic unsigned stress_owner[STRESS_FRAMES];
static unsigned stress_steps;

static void
stress_mark(paddr_t pa, unsigned order, unsigned from, unsigned to)
{
	uint64_t i, at = vm_atop(pa) - STRESS_START;

	for (i = 0; i < UINT64_C(1) << order; i++) {
		ATF_REQUIRE_EQ(atomic_exchange(&stress_owner[at + i], to),
		    from);
	}
}

static void
stress_give(struct rng *r, unsigned me, paddr_t pa, unsigned order)
{
	struct vm_buddy *vb = &stress_world.w_pool;
	uint64_t i;

	if (rng_chance(r, 3)) {
		ATF_REQUIRE_EQ(vm_buddy_get(vb, pa), 0);
		ATF_REQUIRE_EQ(vm_buddy_put(vb, pa, NULL), 0);
	}
	stress_mark(pa, order, me, 0);
	if (!rng_chance(r, 3)) {
		ATF_REQUIRE_EQ(vm_buddy_free(vb, pa, order), 0);
		return;
	}
	ATF_REQUIRE_EQ(vm_buddy_split(vb, pa), 0);
	for (i = 0; i < UINT64_C(1) << order; i++)
		ATF_REQUIRE_EQ(vm_buddy_put(vb, pa + i * PAGE, NULL), 0);
}

static void *
stress_thread(void *arg)
{
	unsigned me = *(unsigned *)arg, order[STRESS_HELD], n = 0, i;
	struct vm_buddy *vb = &stress_world.w_pool;
	struct vm_buddyblock bb;
	paddr_t pa[STRESS_HELD];
	struct rng r;

	rng_seed(&r, me);
	for (i = 0; i < stress_steps; i++) {
		if (n < STRESS_HELD && !rng_chance(&r, 2)) {
			order[n] = (unsigned)rng_below(&r, 6);
			if (vm_buddy_alloc(vb, order[n], 0, &pa[n]) == 0) {
				stress_mark(pa[n], order[n], 0, me);
				n++;
			}
		} else if (n > 0) {
			n--;
			stress_give(&r, me, pa[n], order[n]);
		}
		ATF_REQUIRE(vm_buddy_block(vb, vm_ptoa(STRESS_START +
		    rng_below(&r, STRESS_FRAMES)), &bb));
	}
	while (n-- > 0)
		stress_give(&r, me, pa[n], order[n]);
	return (NULL);
}

static void
threads_run(void *(*fn)(void *))
{
	pthread_t thread[NTHREADS];
	unsigned number[NTHREADS], i;

	for (i = 0; i < NTHREADS; i++) {
		number[i] = i + 1;
		ATF_REQUIRE_EQ(pthread_create(&thread[i], NULL, fn,
		    &number[i]), 0);
	}
	for (i = 0; i < NTHREADS; i++)
		ATF_REQUIRE_EQ(pthread_join(thread[i], NULL), 0);
}

ATF_TC_WITHOUT_HEAD(threads);
ATF_TC_BODY(threads, tc)
{
	struct vm_buddystat before, after;

	stress_steps = test_long(tc) ? 2000000 : 100000;
	world_init(&stress_world, "threads", STRESS_START, STRESS_FRAMES);
	vm_buddy_stat(&stress_world.w_pool, &before);
	threads_run(stress_thread);
	vm_buddy_stat(&stress_world.w_pool, &after);
	ATF_REQUIRE_EQ(memcmp(&before, &after, sizeof(before)), 0);
	world_fini(&stress_world);
}

/* Of frees of one block at once, exactly one succeeds. */
#define	RACE_ROUNDS	500

static pthread_barrier_t race_barrier;
static paddr_t race_pa;
static _Atomic unsigned race_won, race_lost;

static void *
race_thread(void *arg)
{
	unsigned i;
	int error;

	for (i = 0; i < RACE_ROUNDS; i++) {
		if (*(unsigned *)arg == 1)
			ATF_REQUIRE_EQ(vm_buddy_alloc(&stress_world.w_pool, 2,
			    0, &race_pa), 0);
		pthread_barrier_wait(&race_barrier);
		error = vm_buddy_free(&stress_world.w_pool, race_pa, 2);
		if (error == 0)
			atomic_fetch_add(&race_won, 1);
		else if (error == EALREADY)
			atomic_fetch_add(&race_lost, 1);
		pthread_barrier_wait(&race_barrier);
	}
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(threads_double_free);
ATF_TC_BODY(threads_double_free, tc)
{

	(void)tc;
	usermode_console(NULL);
	world_init(&stress_world, "race", STRESS_START, 67);
	ATF_REQUIRE_EQ(pthread_barrier_init(&race_barrier, NULL, NTHREADS), 0);
	threads_run(race_thread);
	ATF_REQUIRE_EQ(race_won, RACE_ROUNDS);
	ATF_REQUIRE_EQ(race_lost, RACE_ROUNDS * (NTHREADS - 1));
	world_fini(&stress_world);
}

/* A pool that is not there any more, or never was. */
ATF_TC_WITHOUT_HEAD(twice);
ATF_TC_BODY(twice, tc)
{
	static struct vm_buddy odd, pool;
	static uint64_t meta[64];

	(void)tc;
	memset(&odd, 0xa5, sizeof(odd));
	ATF_CHECK_EQ(vm_buddy_destroy(&odd), EINVAL);
	ATF_REQUIRE(vm_buddy_metasize(TiB, 4 * PAGE) <= sizeof(meta));
	ATF_REQUIRE_EQ(vm_buddy_create(&pool, "once", TiB, 4 * PAGE, meta),
	    0);
	ATF_CHECK_EQ(vm_buddy_create(&pool, "twice", TiB, 4 * PAGE, meta),
	    EINVAL);
	ATF_CHECK_STREQ("once", pool.vb_name);
	ATF_CHECK_EQ(vm_buddy_destroy(&pool), 0);
	ATF_CHECK_EQ(vm_buddy_destroy(&pool), EINVAL);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, random_history);
	ATF_TP_ADD_TC(tp, random_ranges);
	ATF_TP_ADD_TC(tp, orders);
	ATF_TP_ADD_TC(tp, metasize);
	ATF_TP_ADD_TC(tp, large);
	ATF_TP_ADD_TC(tp, split);
	ATF_TP_ADD_TC(tp, references);
	ATF_TP_ADD_TC(tp, bad_free);
	ATF_TP_ADD_TC(tp, hostile);
	ATF_TP_ADD_TC(tp, each);
	ATF_TP_ADD_TC(tp, untouched);
	ATF_TP_ADD_TC(tp, zeroed);
	ATF_TP_ADD_TC(tp, zeroed_nowhere);
	ATF_TP_ADD_TC(tp, root_of_four_pages);
	ATF_TP_ADD_TC(tp, check_counts);
	ATF_TP_ADD_TC(tp, check_blocks);
	ATF_TP_ADD_TC(tp, threads);
	ATF_TP_ADD_TC(tp, threads_double_free);
	ATF_TP_ADD_TC(tp, twice);
	return (atf_no_error());
}
