/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of extent(9).  The oracle is an array with an entry for each number of
 * a small map, searched number by number; what is asked of an answer is
 * computed there in the plainest way.
 */

#include <sys/types.h>

#include <atf-c.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/malloc.h>
#include <sys/extent.h>

#include "vm_testlib.h"

static const struct vm_memrange machine[] = {
	{ 1 * MiB, 63 * MiB }
};

static void
start(void)
{

	console_catch();
	vm_start(machine, NITEMS(machine));
}

#define	SOUND(ex)							\
	ATF_REQUIRE_MSG(extent_check(ex) == NULL, "%s", extent_check(ex))

/*
 * regions: a map as text, "0-f 20-2f".
 */
static const char *
regions(struct extent *ex)
{
	static char text[4096];
	struct extent_range er;
	size_t len = 0;
	bool more;

	SOUND(ex);
	text[0] = '\0';
	for (more = extent_region_first(ex, &er); more;
	    more = extent_region_next(ex, &er)) {
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "%s%jx-%jx", len == 0 ? "" : " ", (uintmax_t)er.er_first,
		    (uintmax_t)er.er_last);
		ATF_REQUIRE(len < sizeof(text));
	}
	return (text);
}

#define	REGIONS(ex, want)	ATF_REQUIRE_STREQ(want, regions(ex))

static bool
console_has(const char *text)
{

	return (strstr(console_text(), text) != NULL);
}

/*
 * The oracle: number o_first + i belongs to allocation o_id[i]; 0: to none.
 */
#define	ORACLE_MAX	256

struct oracle {
	exaddr_t	o_first;
	unsigned	o_n;
	bool		o_coalesce;
	unsigned	o_id[ORACLE_MAX];
	unsigned	o_lastid;
};

struct query {
	exaddr_t	q_first, q_last, q_size, q_align, q_skew, q_boundary;
	int		q_flags;
};

static bool
oracle_fits(const struct oracle *o, const struct query *q, unsigned i)
{
	const exaddr_t at = o->o_first + i;
	const exaddr_t base = (q->q_flags & EX_BOUNDZERO) != 0 ? 0 : o->o_first;
	exaddr_t k;

	if (at < q->q_first || at > q->q_last ||
	    at % q->q_align != q->q_skew)
		return (false);
	for (k = 0; k < q->q_size; k++) {
		if (i + k >= o->o_n || o->o_id[i + k] != 0 ||
		    at + k > q->q_last)
			return (false);
		if (k > 0 && q->q_boundary != 0 &&
		    (at + k - base) % q->q_boundary == 0)
			return (false);
	}
	return (true);
}

/*
 * oracle_find: where, from number i on; o_n: nowhere.
 */
static unsigned
oracle_find(const struct oracle *o, const struct query *q)
{
	unsigned best = o->o_n, bestgap = ORACLE_MAX + 1, end, gap, i, j;

	for (i = 0; i < o->o_n; i = end) {
		for (end = i; end < o->o_n && o->o_id[end] == 0; end++)
			continue;
		gap = end - i;
		for (j = i; j < end && !oracle_fits(o, q, j); j++)
			continue;
		if (j < end && (q->q_flags & EX_FAST) != 0)
			return (j);
		if (j < end && gap < bestgap) {
			best = j;
			bestgap = gap;
		}
		if (gap == 0)
			end = i + 1;
	}
	return (best);
}

static void
oracle_set(struct oracle *o, unsigned i, exaddr_t n, unsigned id)
{

	while (n-- > 0)
		o->o_id[i++] = id;
}

/*
 * oracle_free: may the numbers be freed?
 */
static bool
oracle_mayfree(const struct oracle *o, unsigned i, unsigned n)
{
	unsigned k;

	for (k = i; k < i + n; k++) {
		if (k >= o->o_n || o->o_id[k] == 0 ||
		    (!o->o_coalesce && o->o_id[k] != o->o_id[i]))
			return (false);
	}
	return (n > 0 && (o->o_coalesce ||
	    ((i == 0 || o->o_id[i - 1] != o->o_id[i]) &&
	    (i + n == o->o_n || o->o_id[i + n] != o->o_id[i]))));
}

static void
oracle_compare(const struct oracle *o, struct extent *ex)
{
	struct extent_range er;
	struct extent_info ei;
	exaddr_t taken = 0;
	unsigned end, i;
	uint64_t n = 0;
	bool more;

	SOUND(ex);
	more = extent_region_first(ex, &er);
	for (i = 0; i < o->o_n; i = end) {
		end = i + 1;
		if (o->o_id[i] == 0)
			continue;
		while (end < o->o_n && (o->o_coalesce ? o->o_id[end] != 0 :
		    o->o_id[end] == o->o_id[i]))
			end++;
		ATF_REQUIRE(more);
		ATF_REQUIRE_EQ(o->o_first + i, er.er_first);
		ATF_REQUIRE_EQ(o->o_first + (end - 1), er.er_last);
		taken += end - i;
		n++;
		more = extent_region_next(ex, &er);
	}
	ATF_REQUIRE(!more);
	extent_info(ex, &ei);
	ATF_REQUIRE_EQ(n, ei.ei_nregions);
	ATF_REQUIRE_EQ(taken, ei.ei_allocated);
}

/*
 * Histories: the same requests to both.
 */

static void
query_random(struct rng *r, const struct oracle *o, struct query *q)
{
	exaddr_t a, b, max;

	q->q_first = o->o_first;
	q->q_last = o->o_first + (o->o_n - 1);
	if (rng_chance(r, 2)) {
		a = o->o_first + rng_below(r, o->o_n);
		b = o->o_first + rng_below(r, o->o_n);
		q->q_first = a < b ? a : b;
		q->q_last = a < b ? b : a;
	}
	max = q->q_last - q->q_first + 1;
	q->q_size = rng_size(r, max < 24 ? max : 24);
	q->q_align = rng_chance(r, 3) ? EX_NOALIGN :
	    (exaddr_t)1 << rng_below(r, 7);
	q->q_skew = rng_chance(r, 2) ? 0 : rng_below(r, q->q_align);
	q->q_boundary = EX_NOBOUNDARY;
	if (rng_chance(r, 2)) {
		q->q_boundary = 1;
		while (q->q_boundary < q->q_size)
			q->q_boundary *= 2;
		q->q_boundary <<= rng_below(r, 3);
	}
	q->q_flags = (rng_chance(r, 2) ? EX_FAST : 0) |
	    (rng_chance(r, 2) ? EX_BOUNDZERO : 0);
}

static void
step_alloc(struct rng *r, struct oracle *o, struct extent *ex)
{
	struct query q;
	exaddr_t result = 0x5a5a;
	unsigned at;
	int error;

	query_random(r, o, &q);
	at = oracle_find(o, &q);
	error = extent_alloc_subregion1(ex, q.q_first, q.q_last, q.q_size,
	    q.q_align, q.q_skew, q.q_boundary, q.q_flags, &result);
	ATF_REQUIRE_EQ_MSG(at == o->o_n ? EAGAIN : 0, error,
	    "%d: [%jx, %jx] size %jx align %jx skew %jx boundary %jx flags %x",
	    error, (uintmax_t)q.q_first, (uintmax_t)q.q_last,
	    (uintmax_t)q.q_size, (uintmax_t)q.q_align, (uintmax_t)q.q_skew,
	    (uintmax_t)q.q_boundary, (unsigned)q.q_flags);
	if (error != 0) {
		ATF_REQUIRE_EQ(0x5a5a, result);
		return;
	}
	ATF_REQUIRE_EQ_MSG(o->o_first + at, result,
	    "%jx, not %jx: [%jx, %jx] size %jx align %jx skew %jx boundary "
	    "%jx flags %x", (uintmax_t)result, (uintmax_t)o->o_first + at,
	    (uintmax_t)q.q_first, (uintmax_t)q.q_last, (uintmax_t)q.q_size,
	    (uintmax_t)q.q_align, (uintmax_t)q.q_skew,
	    (uintmax_t)q.q_boundary, (unsigned)q.q_flags);
	oracle_set(o, at, q.q_size, ++o->o_lastid);
}

static void
step_region(struct rng *r, struct oracle *o, struct extent *ex)
{
	unsigned i = (unsigned)rng_below(r, o->o_n);
	unsigned n = (unsigned)rng_size(r, o->o_n - i), k;
	int want = 0;

	for (k = i; k < i + n; k++) {
		if (o->o_id[k] != 0)
			want = EAGAIN;
	}
	ATF_REQUIRE_EQ(want, extent_alloc_region(ex, o->o_first + i, n, 0));
	if (want == 0)
		oracle_set(o, i, n, ++o->o_lastid);
}

/*
 * Mostly what may be freed, or a part of it.
 */
static void
step_free(struct rng *r, struct oracle *o, struct extent *ex)
{
	unsigned i = (unsigned)rng_below(r, o->o_n), n = 1, k;
	int want;

	if (o->o_id[i] != 0 && !rng_chance(r, 8)) {
		for (k = i; k > 0 && o->o_id[k - 1] == o->o_id[i]; k--)
			continue;
		for (n = i - k; k + n < o->o_n && o->o_id[k + n] == o->o_id[i];
		    n++)
			continue;
		i = k;
		if (o->o_coalesce && rng_chance(r, 3)) {
			k = (unsigned)rng_below(r, n);
			i += k;
			n = 1 + (unsigned)rng_below(r, n - k);
		}
	} else
		n = (unsigned)rng_size(r, o->o_n - i);
	want = oracle_mayfree(o, i, n) ? 0 : EINVAL;
	ATF_REQUIRE_EQ(want, extent_free(ex, o->o_first + i, n, 0));
	if (want == 0)
		oracle_set(o, i, n, 0);
}

static unsigned learned;		/* alignments that maps prepared for */

static void
history(struct rng *r, exaddr_t first, unsigned n, bool coalesce,
    unsigned steps)
{
	static char storage[EXTENT_FIXED_STORAGE_SIZE(ORACLE_MAX)];
	struct oracle o = { .o_first = first, .o_n = n,
	    .o_coalesce = coalesce };
	struct extent *ex;
	unsigned i;

	ex = extent_create("history", first, first + (n - 1), storage,
	    sizeof(storage), coalesce ? 0 : EX_NOCOALESCE);
	ATF_REQUIRE(ex != NULL);
	for (i = 0; i < steps; i++) {
		switch (rng_below(r, i / 200 % 2 == 0 ? 5 : 9)) {
		case 0:
		case 1:
			step_alloc(r, &o, ex);
			break;
		case 2:
			step_region(r, &o, ex);
			break;
		default:
			step_free(r, &o, ex);
			break;
		case 4:
			step_alloc(r, &o, ex);
			break;
		}
		oracle_compare(&o, ex);
	}
	learned += ex->ex_naligns;
	extent_destroy(ex);
}

/* Places where arithmetic has its edges. */
static const exaddr_t firsts[] = {
	0, 1, 0x1003, 0xffffffc1, 0x100000000 - 17, (exaddr_t)1 << 63,
	UINT64_MAX - (ORACLE_MAX - 1), UINT64_MAX - ORACLE_MAX
};

static void
histories(const atf_tc_t *tc, bool coalesce)
{
	const unsigned steps = test_long(tc) ? 20000 : 1500;
	struct rng r;
	unsigned i;

	rng_init(&r, tc, 1);
	console_catch();
	for (i = 0; i < NITEMS(firsts); i++) {
		history(&r, firsts[i], ORACLE_MAX, coalesce, steps);
		history(&r, firsts[i], 1 + (unsigned)rng_below(&r, 60),
		    coalesce, steps / 4);
		history(&r, firsts[i], 1, coalesce, 50);
	}
	ATF_CHECK_EQ(0, console_lines());
	/* Searches went both ways, with that and without. */
	ATF_CHECK_MSG(learned > NITEMS(firsts), "%u", learned);
}

ATF_TC_WITHOUT_HEAD(history_coalesced);
ATF_TC_BODY(history_coalesced, tc)
{

	histories(tc, true);
}

ATF_TC_WITHOUT_HEAD(history_apart);
ATF_TC_BODY(history_apart, tc)
{

	histories(tc, false);
}

/*
 * A source written for BSD: the example of the manual, types and all, in both
 * generations of the interface.
 */
ATF_TC_WITHOUT_HEAD(bsd_source);
ATF_TC_BODY(bsd_source, tc)
{
	static long storage[EXTENT_FIXED_STORAGE_SIZE(8) / sizeof(long)];
	struct extent *foo_ex;
	u_long region_start = 1;
	char name[] = "foo";
	int error;

	start();
	foo_ex = extent_create(name, 0x0, 0x3ffff, M_DEVBUF,
	    NULL, 0, EX_WAITOK | EX_NOCOALESCE);
	ATF_REQUIRE(foo_ex != NULL);
	error = extent_alloc(foo_ex, 0x2000, 0x1000, 0x10000,
	    EX_NOWAIT, &region_start);
	ATF_REQUIRE_EQ(0, error);
	ATF_CHECK_EQ(0, region_start);
	ATF_CHECK_STREQ("foo", foo_ex->ex_name);
	ATF_CHECK_EQ(0x0, foo_ex->ex_start);
	ATF_CHECK_EQ(0x3ffff, foo_ex->ex_end);
	extent_destroy(foo_ex);

	foo_ex = extent_create("foo", 0, 0xffff, (caddr_t)storage,
	    sizeof(storage), EX_NOCOALESCE | EX_NOWAIT);
	ATF_REQUIRE(foo_ex != NULL);
	ATF_REQUIRE_EQ(0, extent_alloc_region(foo_ex, 0x3f8, 8, EX_NOWAIT));
	ATF_REQUIRE_EQ(0, extent_alloc_subregion(foo_ex, 0x300, 0x3ff, 8, 8,
	    EX_NOBOUNDARY, EX_FAST | EX_MALLOCOK, &region_start));
	ATF_CHECK_EQ(0x300, region_start);
	ATF_REQUIRE_EQ(0, extent_free(foo_ex, 0x3f8, 8, EX_NOWAIT));
	REGIONS(foo_ex, "300-307");
	extent_destroy(foo_ex);
}

ATF_TC_WITHOUT_HEAD(coalesce);
ATF_TC_BODY(coalesce, tc)
{
	struct extent *ex;
	exaddr_t at;

	start();
	ex = extent_create("coalesce", 0, 0x4f, NULL, 0, EX_NOWAIT);
	ATF_REQUIRE(ex != NULL);
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0x00, 0x10, 0));
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0x20, 0x10, 0));
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0x40, 0x10, 0));
	REGIONS(ex, "0-f 20-2f 40-4f");
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0x10, 0x10, 0));
	REGIONS(ex, "0-2f 40-4f");
	ATF_REQUIRE_EQ(0, extent_alloc(ex, 0x10, EX_NOALIGN, EX_NOBOUNDARY, 0,
	    &at));
	ATF_CHECK_EQ(0x30, at);
	REGIONS(ex, "0-4f");
	/* Any part may be freed, across what were allocations. */
	ATF_REQUIRE_EQ(0, extent_free(ex, 0x18, 0x20, 0));
	REGIONS(ex, "0-17 38-4f");
	ATF_REQUIRE_EQ(EINVAL, extent_free(ex, 0x10, 0x30, 0));
	extent_destroy(ex);

	ex = extent_create("apart", 0, 0x4f, NULL, 0, EX_NOCOALESCE);
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0x00, 0x10, 0));
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0x20, 0x10, 0));
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0x10, 0x10, 0));
	REGIONS(ex, "0-f 10-1f 20-2f");
	ATF_CHECK_EQ(EINVAL, extent_free(ex, 0x10, 0x8, 0));
	ATF_CHECK_EQ(EINVAL, extent_free(ex, 0x18, 0x8, 0));
	ATF_CHECK_EQ(EINVAL, extent_free(ex, 0x14, 0x4, 0));
	ATF_CHECK_EQ(EINVAL, extent_free(ex, 0x10, 0x20, 0));
	REGIONS(ex, "0-f 10-1f 20-2f");
	ATF_CHECK_EQ(0, extent_free(ex, 0x10, 0x10, 0));
	REGIONS(ex, "0-f 20-2f");
	extent_destroy(ex);
}

/* The smallest gap, the lowest of equal ones; EX_FAST: the lowest gap. */
ATF_TC_WITHOUT_HEAD(policies);
ATF_TC_BODY(policies, tc)
{
	struct extent *ex;
	exaddr_t at;

	start();
	ex = extent_create("policies", 0, 0xff, NULL, 0, 0);
	/* Gaps: 0-f, 20-23, 30-33, 40-41, 50-ff. */
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0x10, 0x10, 0));
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0x24, 0xc, 0));
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0x34, 0xc, 0));
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0x42, 0xe, 0));
	ATF_REQUIRE_EQ(0, extent_alloc(ex, 3, 1, 0, EX_FAST, &at));
	ATF_CHECK_EQ(0, at);
	ATF_REQUIRE_EQ(0, extent_alloc(ex, 3, 1, 0, 0, &at));
	ATF_CHECK_EQ(0x20, at);
	ATF_REQUIRE_EQ(0, extent_alloc(ex, 1, 1, 0, 0, &at));
	ATF_CHECK_EQ(0x23, at);
	ATF_REQUIRE_EQ(0, extent_alloc(ex, 4, 1, 0, 0, &at));
	ATF_CHECK_EQ(0x30, at);
	/* A smaller gap has no place for it. */
	ATF_REQUIRE_EQ(0, extent_alloc1(ex, 1, 4, 2, 0, 0, &at));
	ATF_CHECK_EQ(0x6, at);
	/* By address and by size at once, in a part of the map. */
	ATF_REQUIRE_EQ(0, extent_alloc_subregion(ex, 0x45, 0x80, 2, 1, 0, 0,
	    &at));
	ATF_CHECK_EQ(0x50, at);
	ATF_REQUIRE_EQ(EAGAIN, extent_alloc_subregion(ex, 0x41, 0x51, 2, 1, 0,
	    0, &at));
	ATF_REQUIRE_EQ(0, extent_alloc_subregion(ex, 0x41, 0x51, 1, 1, 0, 0,
	    &at));
	ATF_CHECK_EQ(0x41, at);
	SOUND(ex);
	extent_destroy(ex);
}

/*
 * The five defects of the original.
 */

/* 1: what is moved behind a boundary line is aligned there again. */
ATF_TC_WITHOUT_HEAD(defect_realign);
ATF_TC_BODY(defect_realign, tc)
{
	struct extent *ex;
	exaddr_t at;

	start();
	/* Lines at ...2000: no multiple of 10000h is behind one by itself. */
	ex = extent_create("realign", 0xc0002000, 0xffffe000, NULL, 0, 0);
	ATF_REQUIRE_EQ(0, extent_alloc_subregion(ex, 0xc0002000, 0xffffe000,
	    0x2000, 0x10000, 0x10000, 0, &at));
	ATF_CHECK_EQ(0xc0010000, at);
	ATF_CHECK_EQ(EAGAIN, extent_alloc_subregion(ex, 0xc0002000, 0xffffe000,
	    0x10000, 0x10000, 0x10000, 0, &at));
	ATF_CHECK_EQ(EINVAL, extent_alloc_subregion(ex, 0xc0002000, 0xffffe000,
	    0x10000, 0x10000, 0x10000, EX_WAITSPACE, &at));
	ATF_REQUIRE_EQ(0, extent_alloc_subregion(ex, 0xc0002000, 0xffffe000,
	    0x10000, 0x10000, 0x10000, EX_BOUNDZERO, &at));
	ATF_CHECK_EQ(0, at % 0x10000);
	extent_destroy(ex);

	/* Over the line at 105h, aligned again at 108h. */
	ex = extent_create("realign", 5, 0xfff, NULL, 0, 0);
	ATF_REQUIRE_EQ(0, extent_alloc_subregion(ex, 0x100, 0xfff, 8, 8, 0x100,
	    0, &at));
	ATF_CHECK_EQ(0x108, at);
	ATF_REQUIRE_EQ(0, extent_alloc_subregion1(ex, 0x101, 0xfff, 0x10, 8, 6,
	    0x100, EX_FAST, &at));
	ATF_CHECK_EQ(0x116, at);
	extent_destroy(ex);
}

/* 2: a region that ends with the highest number there is. */
ATF_TC_WITHOUT_HEAD(defect_highest);
ATF_TC_BODY(defect_highest, tc)
{
	struct extent_info ei;
	struct extent *ex;
	exaddr_t at;

	start();
	ex = extent_create("all", 0, UINT64_MAX, NULL, 0, 0);
	ATF_REQUIRE(ex != NULL);
	SOUND(ex);
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, UINT64_MAX, 1, 0));
	REGIONS(ex, "ffffffffffffffff-ffffffffffffffff");
	ATF_CHECK_EQ(EAGAIN, extent_alloc_region(ex, UINT64_MAX, 1, 0));
	ATF_CHECK_EQ(EINVAL, extent_alloc_region(ex, UINT64_MAX, 2, 0));
	ATF_CHECK_EQ(EAGAIN, extent_alloc_subregion(ex, UINT64_MAX, UINT64_MAX,
	    1, 1, 0, 0, &at));
	ATF_REQUIRE_EQ(0, extent_alloc_subregion(ex, UINT64_MAX - 0xfff,
	    UINT64_MAX, 0x800, 0x800, 0x1000, EX_FAST, &at));
	ATF_CHECK_EQ(UINT64_MAX - 0xfff, at);
	ATF_CHECK_EQ(EAGAIN, extent_alloc_subregion(ex, UINT64_MAX - 0xfff,
	    UINT64_MAX, 0x800, 0x800, 0x1000, EX_FAST, &at));
	ATF_CHECK_EQ(0, extent_free(ex, UINT64_MAX, 1, 0));
	ATF_REQUIRE_EQ(0, extent_alloc_subregion(ex, UINT64_MAX - 0xfff,
	    UINT64_MAX, 0x800, 0x800, 0x1000, EX_FAST, &at));
	ATF_CHECK_EQ(UINT64_MAX - 0x7ff, at);
	REGIONS(ex, "fffffffffffff000-ffffffffffffffff");
	ATF_CHECK_EQ(0, extent_free(ex, UINT64_MAX - 0xfff, 0x1000, 0));
	REGIONS(ex, "");
	/* All but one number, at either end, and then all. */
	ATF_REQUIRE_EQ(0, extent_alloc(ex, UINT64_MAX, 1, 0, 0, &at));
	REGIONS(ex, "0-fffffffffffffffe");
	ATF_REQUIRE_EQ(0, extent_alloc(ex, 1, 1, 0, 0, &at));
	REGIONS(ex, "0-ffffffffffffffff");
	ATF_CHECK_EQ(EAGAIN, extent_alloc(ex, 1, 1, 0, 0, &at));
	ATF_REQUIRE_EQ(0, extent_free(ex, 1, UINT64_MAX, 0));
	REGIONS(ex, "0-0");
	ATF_REQUIRE_EQ(0, extent_free(ex, 0, 1, 0));
	extent_info(ex, &ei);
	ATF_CHECK_EQ(UINT64_MAX, ei.ei_maxgap);
	REGIONS(ex, "");
	/* A skew above, which no number can have. */
	ATF_CHECK_EQ(EAGAIN, extent_alloc_subregion1(ex, UINT64_MAX - 3,
	    UINT64_MAX, 1, 16, 11, 0, 0, &at));
	ATF_REQUIRE_EQ(0, extent_alloc_subregion1(ex, UINT64_MAX - 3,
	    UINT64_MAX, 1, 16, 15, 0, 0, &at));
	ATF_CHECK_EQ(UINT64_MAX, at);
	extent_destroy(ex);
}

/*
 * A thread that waits.
 */
struct waiter {
	pthread_t	w_thread;
	struct extent	*w_ex;
	exaddr_t	w_start;	/* of a region, or, free of a part */
	exaddr_t	w_size;
	int		w_flags;
	bool		w_free;
	bool		w_any;		/* w_start is the result */
	int		w_error;
	_Atomic bool	w_done;
};

static void *
waiting(void *arg)
{
	struct waiter *w = arg;

	if (w->w_free)
		w->w_error = extent_free(w->w_ex, w->w_start, w->w_size,
		    w->w_flags);
	else if (w->w_any)
		w->w_error = extent_alloc(w->w_ex, w->w_size, 1, 0,
		    w->w_flags, &w->w_start);
	else
		w->w_error = extent_alloc_region(w->w_ex, w->w_start,
		    w->w_size, w->w_flags);
	atomic_store(&w->w_done, true);
	return (NULL);
}

static uint32_t
sleepers(struct extent *ex)
{
	vm_md_intr_t s = vm_md_intr_disable();
	uint32_t n;

	vm_md_lock(&ex->ex_lock);
	n = ex->ex_waiters;
	vm_md_unlock(&ex->ex_lock);
	vm_md_intr_restore(s);
	return (n);
}

static void
wait_begin(struct waiter *w)
{
	uint32_t n = sleepers(w->w_ex);

	atomic_store(&w->w_done, false);
	ATF_REQUIRE_EQ(0, pthread_create(&w->w_thread, NULL, waiting, w));
	while (sleepers(w->w_ex) == n)
		usleep(1000);
	/* From the count to the sleep. */
	usleep(20000);
	ATF_REQUIRE(!atomic_load(&w->w_done));
}

static int
wait_end(struct waiter *w)
{

	ATF_REQUIRE_EQ(0, pthread_join(w->w_thread, NULL));
	return (w->w_error);
}

/*
 * 3: who waits for space holds nothing that those need who would give it.
 */
ATF_TC_WITHOUT_HEAD(defect_deadlock);
ATF_TC_BODY(defect_deadlock, tc)
{
	static char storage[EXTENT_FIXED_STORAGE_SIZE(3)];
	struct extent *ex;
	struct waiter w = { .w_start = 0x20, .w_size = 0x10,
	    .w_flags = EX_WAITSPACE | EX_WAITOK };

	start();
	/* Two descriptors are left; the free needs one of them. */
	w.w_ex = ex = extent_create("deadlock", 0, 0xff, storage,
	    sizeof(storage), 0);
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0, 0x100, 0));
	wait_begin(&w);
	ATF_REQUIRE_EQ(0, extent_free(ex, 0x1f, 0x12, EX_NOWAIT));
	ATF_REQUIRE_EQ(0, wait_end(&w));
	REGIONS(ex, "0-1e 20-2f 31-ff");
	/* None is left, and the next free gives one. */
	w.w_free = true;
	w.w_start = 0x24;
	w.w_size = 1;
	w.w_flags = EX_WAITOK | EX_CATCH;
	ATF_REQUIRE_EQ(ENOMEM, extent_free(ex, 0x24, 1, EX_NOWAIT));
	wait_begin(&w);
	ATF_REQUIRE_EQ(0, extent_free(ex, 0, 0x1f, EX_NOWAIT));
	ATF_REQUIRE_EQ(0, wait_end(&w));
	REGIONS(ex, "20-23 25-2f 31-ff");
	/* Joining two regions gives one, too. */
	w.w_free = false;
	w.w_start = 0x80;
	w.w_flags = EX_WAITOK;
	ATF_REQUIRE_EQ(0, extent_free(ex, 0x31, 0x60, EX_NOWAIT));
	wait_begin(&w);
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0x24, 1, EX_NOWAIT));
	ATF_REQUIRE_EQ(0, wait_end(&w));
	REGIONS(ex, "20-2f 80-80 91-ff");
	extent_destroy(ex);
}

/*
 * take_memory: every page there is.
 */
static unsigned
take_memory(paddr_t *pages, unsigned max)
{
	unsigned n = 0;

	while (n < max && (pages[n] = vm_page_alloc(VM_PG_USERESERVE,
	    VM_OWNER_NONE)) != VM_PADDR_NONE)
		n++;
	ATF_REQUIRE(n < max);
	return (n);
}

static void
give_memory(paddr_t *pages, unsigned n)
{

	while (n > 0)
		ATF_REQUIRE_EQ(0, vm_page_free(pages[--n]));
}

/* 4: a whole region is freed without memory. */
ATF_TC_WITHOUT_HEAD(defect_free_memory);
ATF_TC_BODY(defect_free_memory, tc)
{
	static paddr_t pages[64 * MiB / PAGE];
	static exaddr_t at[1000];
	struct extent *ex;
	unsigned i, n = 0, npages;
	exaddr_t tmp;
	int error;

	start();
	ex = extent_create("memory", 0, 0xffffff, NULL, 0, 0);
	ATF_REQUIRE(ex != NULL);
	npages = take_memory(pages, NITEMS(pages));
	/* As many as the map's own page has; then there is no more. */
	for (;; n++) {
		ATF_REQUIRE(n < NITEMS(at));
		at[n] = 0x100 * (n + 1);
		error = extent_alloc_region(ex, at[n], 0x10, EX_NOWAIT);
		if (error != 0)
			break;
	}
	ATF_CHECK_EQ(ENOMEM, error);
	ATF_REQUIRE(n > 10);
	SOUND(ex);
	/* What makes two regions of one fails and changes nothing. */
	ATF_CHECK_EQ(ENOMEM, extent_free(ex, at[3] + 4, 4, EX_NOWAIT));
	ATF_CHECK_EQ(EAGAIN, extent_alloc_region(ex, at[3] + 4, 4, EX_NOWAIT));
	/* What joins a region needs none, nor do both ends of a region. */
	ATF_CHECK_EQ(0, extent_alloc_region(ex, at[3] + 0x10, 4, EX_NOWAIT));
	ATF_CHECK_EQ(0, extent_alloc_region(ex, at[3] - 4, 4, EX_NOWAIT));
	ATF_CHECK_EQ(0, extent_free(ex, at[3] - 4, 6, EX_NOWAIT));
	ATF_CHECK_EQ(0, extent_free(ex, at[3] + 0xf, 5, EX_NOWAIT));
	ATF_CHECK_EQ(0, extent_free(ex, at[3] + 2, 0xd, EX_NOWAIT));
	SOUND(ex);
	for (i = 0; i < n; i++) {
		if (i != 3)
			ATF_CHECK_EQ(0, extent_free(ex, at[i], 0x10,
			    EX_NOWAIT));
	}
	REGIONS(ex, "");
	ATF_CHECK(extent_create("none", 0, 1, NULL, 0, EX_NOWAIT) == NULL);
	ATF_CHECK_EQ(0, extent_alloc(ex, 1, 1, 0, EX_NOWAIT, &tmp));
	extent_destroy(ex);
	give_memory(pages, npages);
}

/* 5: 64 bits on every port: no argument or result is cut. */
ATF_TC_WITHOUT_HEAD(defect_width);
ATF_TC_BODY(defect_width, tc)
{
	const exaddr_t big = (exaddr_t)1 << 40;
	struct extent *ex;
	exaddr_t at;

	_Static_assert(sizeof(exaddr_t) == 8, "64 bits");
	_Static_assert((exaddr_t)-1 > 0, "unsigned");
	start();
	ex = extent_create("width", big, 64 * big - 1, NULL, 0, 0);
	ATF_REQUIRE_EQ(0, extent_alloc1(ex, big, big, 0, 2 * big, 0, &at));
	ATF_CHECK_EQ(big, at);
	ATF_REQUIRE_EQ(0, extent_alloc1(ex, big, 4 * big, big + 1, 4 * big,
	    EX_BOUNDZERO, &at));
	ATF_CHECK_EQ(5 * big + 1, at);
	REGIONS(ex, "10000000000-1ffffffffff 50000000001-60000000000");
	extent_destroy(ex);
}

/*
 * Fixed extents.
 */
ATF_TC_WITHOUT_HEAD(fixed);
ATF_TC_BODY(fixed, tc)
{
	static char storage[EXTENT_FIXED_STORAGE_SIZE(5) + 16];
	const uint64_t before = (start(), free_pages());
	const size_t size = EXTENT_FIXED_STORAGE_SIZE(5);
	struct extent *ex;
	unsigned i, offset;
	exaddr_t at;

	for (offset = 0; offset < 16; offset++) {
		memset(storage, 0xa5, sizeof(storage));
		ex = extent_create("fixed", 0, 0xff, storage + offset, size,
		    EX_NOCOALESCE);
		ATF_REQUIRE(ex != NULL);
		for (i = 0; i < 5; i++)
			ATF_REQUIRE_EQ(0, extent_alloc(ex, 4, 1, 0, 0, &at));
		ATF_CHECK_EQ(ENOMEM, extent_alloc(ex, 4, 1, 0, 0, &at));
		ATF_CHECK_EQ(ENOMEM, extent_alloc(ex, 4, 1, 0, EX_FAST |
		    EX_WAITSPACE, &at));
		ATF_CHECK_EQ(ENOMEM, extent_alloc_region(ex, 0x80, 1, 0));
		ATF_CHECK_EQ(EAGAIN, extent_alloc_region(ex, 3, 1, 0));
		REGIONS(ex, "0-3 4-7 8-b c-f 10-13");
		ATF_CHECK_EQ(before, free_pages());
		ATF_CHECK_EQ(0, extent_free(ex, 4, 4, 0));
		ATF_CHECK_EQ(0, extent_alloc(ex, 2, 1, 0, 0, &at));
		ATF_CHECK_EQ(4, at);
		/* More, if the caller allows it. */
		for (i = 0; i < 80; i++)
			ATF_REQUIRE_EQ(0, extent_alloc(ex, 1, 1, 0, EX_MALLOCOK,
			    &at));
		SOUND(ex);
		ATF_CHECK(free_pages() < before);
		extent_destroy(ex);
		ATF_CHECK_EQ(before, free_pages());
		for (i = 0; i < offset; i++)
			ATF_REQUIRE_EQ('\xa5', storage[i]);
		for (i = offset + size; i < sizeof(storage); i++)
			ATF_REQUIRE_EQ('\xa5', storage[i]);
	}
	ATF_CHECK_EQ(0, console_lines());
}

/* A map gives pages back as it shrinks, and all of them when destroyed. */
ATF_TC_WITHOUT_HEAD(memory);
ATF_TC_BODY(memory, tc)
{
	const uint64_t before = (start(), free_pages());
	const unsigned n = 5000;
	struct extent *ex;
	uint64_t full;
	unsigned i;

	ex = extent_create("memory", 0, UINT64_MAX, NULL, 0, EX_WAITOK);
	ATF_CHECK_EQ(before - 1, free_pages());
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 2 * i, 1, EX_WAITOK));
	full = before - free_pages();
	i = PAGE / sizeof(struct extent_region);
	ATF_CHECK_MSG(full >= n / i && full <= 2 + n / (i - 1),
	    "%" PRIu64 " pages", full);
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(0, extent_free(ex, 2 * (i * 7ULL % n), 1, 0));
	SOUND(ex);
	ATF_CHECK(before - free_pages() <= 2);
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 2 * i, 1, EX_WAITOK));
	/* Up and down at the edge of a page costs none each time. */
	extent_destroy(ex);
	ATF_CHECK_EQ(before, free_pages());
	ATF_CHECK_EQ(0, console_lines());
}

/*
 * Errors and hostile arguments.
 */
ATF_TC_WITHOUT_HEAD(create_errors);
ATF_TC_BODY(create_errors, tc)
{
	static char storage[EXTENT_FIXED_STORAGE_SIZE(0)];
	struct extent *ex;

	start();
	ATF_CHECK(extent_create(NULL, 0, 1, NULL, 0, 0) == NULL);
	ATF_CHECK(console_has("extent_create: (null), 0x0 - 0x1: it has no "
	    "name"));
	ATF_CHECK(extent_create("", 0, 1, NULL, 0, 0) == NULL);
	ATF_CHECK(extent_create("odd", 7, 6, NULL, 0, 0) == NULL);
	ATF_CHECK(console_has("extent_create: odd, 0x7 - 0x6: its end lies "
	    "before its start"));
	ATF_CHECK(extent_create("odd", 0, 1, storage, sizeof(storage) - 1, 0) ==
	    NULL);
	ATF_CHECK(console_has("its storage is too small"));
	ATF_CHECK(extent_create("odd", 0, 1, storage, 0, 0) == NULL);
	ATF_CHECK(extent_create("odd", 0, 1, NULL, 0, 0x4000) == NULL);
	ATF_CHECK(console_has("unknown flags"));
	ATF_CHECK_EQ(6, console_lines());
	/* The least that is right; a long name is cut. */
	ex = extent_create("a name that is longer than any name may be", 6, 6,
	    storage, sizeof(storage), EX_BOUNDZERO);
	ATF_REQUIRE(ex != NULL);
	ATF_CHECK_STREQ("a name that is longer than any ", ex->ex_name);
	ATF_CHECK_EQ(ENOMEM, extent_alloc_region(ex, 6, 1, 0));
	/* Destroyed twice; not a map. */
	console_clear();
	extent_destroy(ex);
	ATF_CHECK_EQ(0, console_lines());
	extent_destroy(ex);
	ATF_CHECK(console_has("extent_destroy: no extent map at "));
	extent_destroy(NULL);
	ATF_CHECK_EQ(2, console_lines());
}

/* In [0x100, 0x1ff], where [0x100, 0x107] is allocated. */
static const struct subregion {
	exaddr_t	first, last, size, align, skew, boundary;
	int		flags, error;
} subregions[] = {
	{ 0x100, 0x1ff, 0x10, 1, 0, 0, 0, 0 },
	{ 0x100, 0x1ff, 0, 1, 0, 0, 0, EINVAL },
	{ 0x100, 0x1ff, 0x101, 1, 0, 0, 0, EINVAL },
	{ 0x100, 0x1ff, UINT64_MAX, 1, 0, 0, 0, EINVAL },
	{ 0x110, 0x11f, 0x11, 1, 0, 0, 0, EINVAL },
	{ 0x110, 0x11f, 0x10, 1, 0, 0, 0, 0 },
	{ 0x110, 0x10f, 1, 1, 0, 0, 0, EINVAL },
	/* Clipped to the map, of which something must be left. */
	{ 0, UINT64_MAX, 0x100, 1, 0, 0, 0, EAGAIN },
	{ 0, UINT64_MAX, 0x101, 1, 0, 0, 0, EINVAL },
	{ 0, 0x103, 4, 1, 0, 0, 0, EAGAIN },
	{ 0, 0x103, 5, 1, 0, 0, 0, EINVAL },
	{ 0x1fc, 0x300, 5, 1, 0, 0, 0, EINVAL },
	{ 0x1fc, 0x300, 4, 1, 0, 0, 0, 0 },
	{ 0, 0xff, 1, 1, 0, 0, 0, EINVAL },
	{ 0x200, UINT64_MAX, 1, 1, 0, 0, 0, EINVAL },
	{ UINT64_MAX, UINT64_MAX, 1, 1, 0, 0, 0, EINVAL },
	{ UINT64_MAX, 0, 1, 1, 0, 0, 0, EINVAL },
	/* Alignment and skew. */
	{ 0x100, 0x1ff, 1, 0, 0, 0, 0, EINVAL },
	{ 0x100, 0x1ff, 1, 3, 0, 0, 0, EINVAL },
	{ 0x100, 0x1ff, 1, UINT64_MAX, 0, 0, 0, EINVAL },
	{ 0x100, 0x1ff, 1, (exaddr_t)1 << 63, 0, 0, 0, EAGAIN },
	{ 0x100, 0x1ff, 1, (exaddr_t)1 << 63, 0x130, 0, 0, 0 },
	{ 0x100, 0x1ff, 1, (exaddr_t)1 << 63, 0, 0, EX_WAITSPACE,
	    EINVAL },
	{ 0x100, 0x1ff, 1, 1, 1, 0, 0, EINVAL },
	{ 0x100, 0x1ff, 1, 8, 8, 0, 0, EINVAL },
	{ 0x100, 0x1ff, 1, 8, UINT64_MAX, 0, 0, EINVAL },
	{ 0x100, 0x1ff, 1, 8, 7, 0, 0, 0 },
	/* Boundaries. */
	{ 0x100, 0x1ff, 4, 1, 0, 3, 0, EINVAL },
	{ 0x100, 0x1ff, 4, 1, 0, 6, 0, EINVAL },
	{ 0x100, 0x1ff, 4, 1, 0, 2, 0, EINVAL },
	{ 0x100, 0x1ff, 4, 1, 0, 4, 0, 0 },
	{ 0x100, 0x1ff, 4, 8, 1, 4, 0, EAGAIN },
	{ 0x100, 0x1ff, 4, 8, 4, 8, 0, 0 },
	{ 0x100, 0x1ff, 4, 8, 5, 8, 0, EAGAIN },
	{ 0x100, 0x1ff, 4, 1, 0, UINT64_MAX, 0, EINVAL },
	{ 0x100, 0x1ff, 4, 1, 0, (exaddr_t)1 << 63, 0, 0 },
	/* Flags. */
	{ 0x100, 0x1ff, 1, 1, 0, 0, 0x80, EINVAL },
	{ 0x100, 0x1ff, 1, 1, 0, 0, INT32_MIN, EINVAL },
	{ 0x100, 0x1ff, 1, 1, 0, 0, EX_FLAGS, 0 },
};

ATF_TC_WITHOUT_HEAD(errors);
ATF_TC_BODY(errors, tc)
{
	const struct subregion *t;
	struct extent *ex;
	exaddr_t at;
	size_t i;

	start();
	ex = extent_create("errors", 0x100, 0x1ff, NULL, 0, 0);
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0x100, 8, 0));
	for (i = 0; i < NITEMS(subregions); i++) {
		t = &subregions[i];
		at = 0xbad;
		ATF_CHECK_EQ_MSG(t->error, extent_alloc_subregion1(ex,
		    t->first, t->last, t->size, t->align, t->skew,
		    t->boundary, t->flags, &at), "%zu", i);
		ATF_CHECK_EQ_MSG(t->error != 0, at == 0xbad, "%zu", i);
		if (t->error == 0)
			ATF_CHECK_EQ(0, extent_free(ex, at, t->size, 0));
		REGIONS(ex, "100-107");
	}
	extent_destroy(ex);
}

ATF_TC_WITHOUT_HEAD(range_errors);
ATF_TC_BODY(range_errors, tc)
{
	static const struct {
		exaddr_t	start, size;
		int		flags;
		int		alloc, free;
	} t[] = {
		{ 0x100, 0, 0, EINVAL, EINVAL },
		{ 0xff, 1, 0, EINVAL, EINVAL },
		{ 0xff, 2, 0, EINVAL, EINVAL },
		{ 0x200, 1, 0, EINVAL, EINVAL },
		{ 0x1ff, 2, 0, EINVAL, EINVAL },
		{ 0x100, 0x101, 0, EINVAL, EINVAL },
		{ 0x100, UINT64_MAX, 0, EINVAL, EINVAL },
		{ 0x1ff, UINT64_MAX, 0, EINVAL, EINVAL },
		{ UINT64_MAX, 1, 0, EINVAL, EINVAL },
		{ UINT64_MAX, UINT64_MAX, 0, EINVAL, EINVAL },
		{ 0, UINT64_MAX, 0, EINVAL, EINVAL },
		{ 0x140, 1, 0x100, EINVAL, EINVAL },
		{ 0x100, 0x100, 0, EAGAIN, EINVAL },
		{ 0x100, 0x41, 0, EAGAIN, EINVAL },
		{ 0x140, 0x11, 0, EAGAIN, EINVAL },
		{ 0x13f, 0x2, 0, EAGAIN, EINVAL },
		{ 0x14f, 0x2, 0, EAGAIN, EINVAL },
		{ 0x144, 0x2, 0, EAGAIN, 0 },
	};
	struct extent *ex;
	size_t i;

	start();
	ex = extent_create("errors", 0x100, 0x1ff, NULL, 0, 0);
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0x140, 0x10, 0));
	for (i = 0; i < NITEMS(t); i++) {
		ATF_CHECK_EQ_MSG(t[i].alloc, extent_alloc_region(ex, t[i].start,
		    t[i].size, t[i].flags), "%zu", i);
		REGIONS(ex, "140-14f");
		ATF_CHECK_EQ_MSG(t[i].free, extent_free(ex, t[i].start,
		    t[i].size, t[i].flags), "%zu", i);
	}
	REGIONS(ex, "140-143 146-14f");
	/* Freed twice. */
	ATF_CHECK_EQ(EINVAL, extent_free(ex, 0x144, 2, 0));
	extent_destroy(ex);
}

/*
 * Waiting.
 */
ATF_TC_WITHOUT_HEAD(wait_space);
ATF_TC_BODY(wait_space, tc)
{
	struct waiter a = { .w_size = 0x20, .w_any = true,
	    .w_flags = EX_WAITSPACE };
	struct waiter b = { .w_size = 0x20, .w_start = 0x80,
	    .w_flags = EX_WAITSPACE | EX_CATCH };
	struct extent *ex;

	start();
	a.w_ex = b.w_ex = ex = extent_create("wait", 0, 0xff, NULL, 0, 0);
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0, 0x100, 0));
	wait_begin(&a);
	wait_begin(&b);
	/* Not enough for either; then enough for one; then for both. */
	ATF_REQUIRE_EQ(0, extent_free(ex, 0x40, 0x1f, 0));
	ATF_REQUIRE_EQ(0, extent_free(ex, 0x81, 0x1f, 0));
	usleep(20000);
	ATF_REQUIRE(!atomic_load(&a.w_done) && !atomic_load(&b.w_done));
	ATF_REQUIRE_EQ(0, extent_free(ex, 0x5f, 1, 0));
	ATF_REQUIRE_EQ(0, wait_end(&a));
	ATF_CHECK_EQ(0x40, a.w_start);
	ATF_REQUIRE(!atomic_load(&b.w_done));
	ATF_REQUIRE_EQ(0, extent_free(ex, 0x80, 1, 0));
	ATF_REQUIRE_EQ(0, wait_end(&b));
	ATF_CHECK_EQ(0, sleepers(ex));
	REGIONS(ex, "0-ff");
	extent_destroy(ex);
}

static void
on_signal(int sig)
{

	(void)sig;
}

/* Until it gives up; a signal that comes before it sleeps does not count. */
static int
wait_interrupt(struct waiter *w)
{

	while (!atomic_load(&w->w_done)) {
		(void)pthread_kill(w->w_thread, SIGUSR1);
		usleep(10000);
	}
	return (wait_end(w));
}

static void
interrupt(struct waiter *w)
{
	unsigned i;

	for (i = 0; i < 5; i++) {
		ATF_REQUIRE_EQ(0, pthread_kill(w->w_thread, SIGUSR1));
		usleep(10000);
	}
}

ATF_TC_WITHOUT_HEAD(wait_interrupted);
ATF_TC_BODY(wait_interrupted, tc)
{
	static char storage[EXTENT_FIXED_STORAGE_SIZE(1)];
	struct waiter w = { .w_size = 1, .w_any = true };
	struct sigaction sa = { .sa_handler = on_signal };
	struct extent *ex;

	start();
	ATF_REQUIRE_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	w.w_ex = ex = extent_create("wait", 0, 0xff, storage, sizeof(storage),
	    0);
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0, 0x100, 0));
	w.w_flags = EX_WAITSPACE | EX_CATCH;
	wait_begin(&w);
	ATF_CHECK_EQ(EINTR, wait_interrupt(&w));
	/* Without EX_CATCH it goes on waiting. */
	w.w_flags = EX_WAITSPACE;
	wait_begin(&w);
	interrupt(&w);
	ATF_REQUIRE(!atomic_load(&w.w_done));
	ATF_REQUIRE_EQ(0, extent_free(ex, 0x80, 0x80, 0));
	ATF_CHECK_EQ(0, wait_end(&w));
	REGIONS(ex, "0-80");
	/* The same while it waits for a descriptor. */
	w.w_any = false;
	w.w_start = 0xf0;
	w.w_flags = EX_WAITOK | EX_CATCH;
	wait_begin(&w);
	ATF_CHECK_EQ(EINTR, wait_interrupt(&w));
	/* A free is not given up. */
	w.w_free = true;
	w.w_start = 0x10;
	wait_begin(&w);
	interrupt(&w);
	ATF_REQUIRE(!atomic_load(&w.w_done));
	ATF_REQUIRE_EQ(0, extent_free(ex, 0, 0x10, 0));
	ATF_CHECK_EQ(0, wait_end(&w));
	REGIONS(ex, "11-80");
	extent_destroy(ex);
}

/* EX_WAITOK: until there is memory. */
ATF_TC_WITHOUT_HEAD(wait_memory);
ATF_TC_BODY(wait_memory, tc)
{
	static paddr_t pages[64 * MiB / PAGE];
	struct waiter w = { .w_size = 1, .w_flags = EX_WAITOK };
	exaddr_t at = 0;
	unsigned n;

	start();
	w.w_ex = extent_create("wait", 0, 0xffff, NULL, 0, EX_NOCOALESCE);
	n = take_memory(pages, NITEMS(pages));
	while (extent_alloc_region(w.w_ex, at, 1, EX_NOWAIT) == 0)
		at += 2;
	w.w_start = at;
	ATF_REQUIRE_EQ(0, pthread_create(&w.w_thread, NULL, waiting, &w));
	usleep(50000);
	ATF_REQUIRE(!atomic_load(&w.w_done));
	/* The map is not locked meanwhile. */
	SOUND(w.w_ex);
	give_memory(pages, n);
	ATF_CHECK_EQ(0, wait_end(&w));
	SOUND(w.w_ex);
	extent_destroy(w.w_ex);
}

/*
 * Of a fixed map: another's EX_MALLOCOK brings descriptors for all.
 */
ATF_TC_WITHOUT_HEAD(wait_borrowed);
ATF_TC_BODY(wait_borrowed, tc)
{
	static long storage[EXTENT_FIXED_STORAGE_SIZE(1) / sizeof(long)];
	struct waiter w = { .w_start = 4, .w_size = 1, .w_flags = EX_WAITOK };

	start();
	w.w_ex = extent_create("fixed", 0, 0xffff, storage, sizeof(storage),
	    EX_NOCOALESCE);
	ATF_REQUIRE_EQ(0, extent_alloc_region(w.w_ex, 0, 1, EX_NOWAIT));
	ATF_REQUIRE_EQ(0, pthread_create(&w.w_thread, NULL, waiting, &w));
	usleep(50000);
	ATF_REQUIRE(!atomic_load(&w.w_done));
	ATF_REQUIRE_EQ(0, extent_alloc_region(w.w_ex, 2, 1,
	    EX_NOWAIT | EX_MALLOCOK));
	/* Who is not woken runs into the limit. */
	ATF_CHECK_EQ(0, wait_end(&w));
	REGIONS(w.w_ex, "0-0 2-2 4-4");
	extent_destroy(w.w_ex);
}

/*
 * The pages of a fixed map go back when the storage is enough again, in
 * whatever order regions go.
 */
ATF_TC_WITHOUT_HEAD(borrowed_back);
ATF_TC_BODY(borrowed_back, tc)
{
	static long storage[EXTENT_FIXED_STORAGE_SIZE(2) / sizeof(long)];
	struct extent *ex;
	uint64_t before;
	unsigned i, k;

	start();
	before = free_pages();
	ex = extent_create("fixed", 0, 0xffff, storage, sizeof(storage),
	    EX_NOCOALESCE);
	for (k = 0; k < 2; k++) {
		for (i = 0; i < 200; i++)
			ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 2 * i, 1,
			    EX_MALLOCOK));
		ATF_CHECK(free_pages() < before);
		for (i = 0; i < 200; i++)
			ATF_REQUIRE_EQ(0, extent_free(ex, k == 0 ? 2 * i :
			    2 * (199 - i), 1, EX_NOWAIT));
		SOUND(ex);
		ATF_CHECK_EQ(before, free_pages());
	}
	extent_destroy(ex);
}

/*
 * Storage in which a map lies is not that of another.
 */
ATF_TC_WITHOUT_HEAD(storage_twice);
ATF_TC_BODY(storage_twice, tc)
{
	static long storage[2 * EXTENT_FIXED_STORAGE_SIZE(4) / sizeof(long)];
	struct extent *ex;

	start();
	ex = extent_create("first", 0, 0xff, storage, sizeof(storage), 0);
	ATF_REQUIRE(ex != NULL);
	ATF_CHECK(extent_create("second", 0, 0xff, storage, sizeof(storage),
	    0) == NULL);
	ATF_CHECK_STREQ("extent_create: second, 0x0 - 0xff: its storage is "
	    "that of another map\n", console_text());
	ATF_CHECK_STREQ("first", ex->ex_name);
	extent_destroy(ex);
	ex = extent_create("third", 0, 0xff, storage, sizeof(storage), 0);
	ATF_REQUIRE(ex != NULL);
	extent_destroy(ex);
}

/*
 * A skew and a boundary, which together are more than the boundary, have
 * places all the same, where alignment is above it or lines begin elsewhere.
 */
ATF_TC_WITHOUT_HEAD(skew_boundary);
ATF_TC_BODY(skew_boundary, tc)
{
	struct extent *ex;
	exaddr_t at = 0;

	start();
	ex = extent_create("odd", 5, 0xff, NULL, 0, EX_NOCOALESCE);
	ATF_CHECK_EQ(0, extent_alloc1(ex, 8, 32, 20, 16, EX_BOUNDZERO, &at));
	ATF_CHECK_EQ(20, at);
	ATF_CHECK_EQ(0, extent_alloc1(ex, 8, 16, 12, 16, EX_NOWAIT, &at));
	ATF_CHECK_EQ(12, at);
	/* Here one line behind the other is crossed. */
	ATF_CHECK_EQ(EAGAIN, extent_alloc1(ex, 8, 16, 15, 16, EX_BOUNDZERO,
	    &at));
	ATF_CHECK_EQ(EINVAL, extent_alloc1(ex, 8, 16, 15, 16,
	    EX_BOUNDZERO | EX_WAITSPACE, &at));
	SOUND(ex);
	extent_destroy(ex);
}

/*
 * Many threads, each with its own regions in one map.
 */
#define	NTHREADS	4

struct worker {
	pthread_t	k_thread;
	struct extent	*k_ex;
	uint64_t	k_seed;
	unsigned	k_rounds;
	_Atomic unsigned char *k_owner;	/* who has each number */
	unsigned char	k_id;
};

static void *
work(void *arg)
{
	struct worker *k = arg;
	exaddr_t at, i, size;
	unsigned char none;
	struct rng r;
	unsigned n;

	rng_seed(&r, k->k_seed);
	for (n = 0; n < k->k_rounds; n++) {
		size = rng_size(&r, 48);
		ATF_REQUIRE_EQ(0, extent_alloc(k->k_ex, size,
		    (exaddr_t)1 << rng_below(&r, 4), 0, EX_WAITSPACE |
		    EX_WAITOK | (rng_chance(&r, 2) ? EX_FAST : 0), &at));
		for (i = at; i < at + size; i++) {
			none = 0;
			ATF_REQUIRE(atomic_compare_exchange_strong(
			    &k->k_owner[i], &none, k->k_id));
		}
		if (rng_chance(&r, 4))
			usleep(10);
		for (i = at; i < at + size; i++)
			atomic_store(&k->k_owner[i], 0);
		ATF_REQUIRE_EQ(0, extent_free(k->k_ex, at, size, EX_WAITOK));
	}
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(threads);
ATF_TC_BODY(threads, tc)
{
	static _Atomic unsigned char owner[128];
	struct worker k[NTHREADS];
	struct extent *ex;
	unsigned i;

	start();
	ex = extent_create("threads", 0, NITEMS(owner) - 1, NULL, 0, 0);
	for (i = 0; i < NTHREADS; i++) {
		k[i] = (struct worker){ .k_ex = ex, .k_seed = i + 1,
		    .k_rounds = test_long(tc) ? 100000 : 3000,
		    .k_owner = owner, .k_id = (unsigned char)(i + 1) };
		ATF_REQUIRE_EQ(0, pthread_create(&k[i].k_thread, NULL, work,
		    &k[i]));
	}
	for (i = 0; i < NTHREADS; i++)
		ATF_REQUIRE_EQ(0, pthread_join(k[i].k_thread, NULL));
	REGIONS(ex, "");
	ATF_CHECK_EQ(0, sleepers(ex));
	extent_destroy(ex);
}

/*
 * Looking at maps.
 */
struct seen {
	unsigned	s_n;
	unsigned	s_max;
	char		s_names[128];
};

static bool
see(struct extent *ex, void *arg)
{
	struct extent_info ei;
	struct seen *s = arg;

	extent_info(ex, &ei);
	s->s_n++;
	strcat(strcat(s->s_names, ei.ei_name), " ");
	return (s->s_n < s->s_max);
}

static const char *
names(unsigned max)
{
	static struct seen s;

	memset(&s, 0, sizeof(s));
	s.s_max = max;
	extent_foreach(see, &s);
	return (s.s_names);
}

ATF_TC_WITHOUT_HEAD(look);
ATF_TC_BODY(look, tc)
{
	static char storage[EXTENT_FIXED_STORAGE_SIZE(4)];
	struct extent *a, *b, *c;
	struct extent_info ei;
	struct extent_range er;

	start();
	ATF_CHECK_STREQ("", names(10));
	ATF_CHECK(extent_list == NULL);
	a = extent_create("one", 0x10, 0xffff, storage, sizeof(storage),
	    EX_NOCOALESCE);
	b = extent_create("two", 0, UINT64_MAX, NULL, 0, 0);
	c = extent_create("three", 0, 7, NULL, 0, 0);
	ATF_CHECK_STREQ("three two one ", names(10));
	ATF_CHECK_STREQ("three two ", names(2));
	extent_destroy(b);
	ATF_CHECK_STREQ("three one ", names(10));
	extent_destroy(c);
	ATF_CHECK_STREQ("one ", names(10));
	ATF_CHECK(!extent_region_first(a, &er));
	ATF_REQUIRE_EQ(0, extent_alloc_region(a, 0x60, 2, 0));
	ATF_REQUIRE_EQ(0, extent_alloc_region(a, 0x3f8, 8, 0));
	extent_info(a, &ei);
	ATF_CHECK_STREQ("one", ei.ei_name);
	ATF_CHECK_EQ(0x10, ei.ei_start);
	ATF_CHECK_EQ(0xffff, ei.ei_end);
	ATF_CHECK_EQ(EX_NOCOALESCE, ei.ei_flags);
	ATF_CHECK(!ei.ei_dynamic);
	ATF_CHECK_EQ(2, ei.ei_nregions);
	ATF_CHECK_EQ(10, ei.ei_allocated);
	ATF_CHECK_EQ(0xfc00, ei.ei_maxgap);
	console_clear();
	extent_print(a);
	ATF_CHECK(console_has("extent one: 0x10 - 0xffff, not coalesced\n"
	    "    0x60 - 0x61\n    0x3f8 - 0x3ff\n"));
	extent_destroy(a);
	ATF_CHECK_STREQ("", names(10));
}

/* The check does find what is wrong. */
ATF_TC_WITHOUT_HEAD(check);
ATF_TC_BODY(check, tc)
{
	static char storage[EXTENT_FIXED_STORAGE_SIZE(8)];
	struct extent *ex;
	struct extent_region *r;
	struct avl_node *last;
	unsigned i;

	start();
	ex = extent_create("check", 0, 0xff, storage, sizeof(storage), 0);
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0x10, 0x10, 0));
	ATF_REQUIRE_EQ(0, extent_alloc_region(ex, 0x30, 0x10, 0));
	SOUND(ex);
	ex->ex_nregions++;
	ATF_CHECK_STREQ("the number of regions", extent_check(ex));
	ex->ex_nregions--;
	ex->ex_allocated++;
	ATF_CHECK_STREQ("the sum of regions", extent_check(ex));
	ex->ex_allocated--;
	for (last = avl_first(&ex->ex_byaddr); avl_next(last) != NULL;)
		last = avl_next(last);
	r = (struct extent_region *)(void *)((char *)last -
	    offsetof(struct extent_region, er_addr));
	r->er_end++;
	ATF_CHECK_STREQ("the length of a gap", extent_check(ex));
	r->er_end--;
	r->er_start = 0x1f;
	ATF_CHECK(extent_check(ex) != NULL);
	r->er_start = 0x30;
	r->er_gap++;
	ATF_CHECK_STREQ("the tree by address", extent_check(ex));
	r->er_gap--;
	/* What the check finds it sets right, one at a time. */
	for (i = 0; i < 4; i++)
		(void)extent_check(ex);
	SOUND(ex);
	extent_destroy(ex);
}

/*
 * The cost at 64k regions: counted in regions looked at, which is repeatable;
 * the time is printed.
 */
#define	SCALE_MAX	65536

struct cost {
	double		c_visits;	/* of an allocation and its free */
	double		c_nsec;		/* of an allocation */
};

static struct cost
measure(unsigned n, int flags, exaddr_t align)
{
	enum { ROUNDS = 50, BATCH = 200 };
	const size_t size = EXTENT_FIXED_STORAGE_SIZE(n + BATCH);
	char *storage = malloc(size);
	exaddr_t at[BATCH], pages[BATCH], pos = 0;
	struct extent *ex;
	struct cost cost;
	uint64_t began, nsec = 0, visits;
	struct rng r;
	unsigned i, k;

	ATF_REQUIRE(storage != NULL);
	rng_seed(&r, 1);
	ex = extent_create("scale", 0, UINT64_MAX, storage, size,
	    EX_NOCOALESCE);
	for (i = 0; i < n; i++) {
		pages[0] = rng_range(&r, 1, 16) * PAGE;
		ATF_REQUIRE_EQ(0, extent_alloc_region(ex, pos, pages[0], 0));
		pos += pages[0] + rng_range(&r, 1, 64) * PAGE;
	}
	visits = ex->ex_visits;
	for (k = 0; k < ROUNDS; k++) {
		for (i = 0; i < BATCH; i++)
			pages[i] = rng_range(&r, 1, 32) * PAGE;
		began = vm_md_nanotime();
		for (i = 0; i < BATCH; i++)
			ATF_REQUIRE_EQ(0, extent_alloc(ex, pages[i], align,
			    EX_NOBOUNDARY, flags, &at[i]));
		nsec += vm_md_nanotime() - began;
		for (i = 0; i < BATCH; i++)
			ATF_REQUIRE_EQ(0, extent_free(ex, at[i], pages[i], 0));
	}
	cost.c_visits = (double)(ex->ex_visits - visits) / ROUNDS / BATCH;
	cost.c_nsec = (double)nsec / ROUNDS / BATCH;
	SOUND(ex);
	extent_destroy(ex);
	free(storage);
	return (cost);
}

ATF_TC_WITHOUT_HEAD(scale);
ATF_TC_BODY(scale, tc)
{
	static const struct {
		const char	*name;
		int		flags;
		exaddr_t	align;
		double		most;	/* visits at SCALE_MAX regions */
	} t[] = {
		{ "best fit", 0, EX_NOALIGN, 50 },
		{ "best fit, aligned as all", 0, PAGE, 50 },
		{ "first fit", EX_FAST, EX_NOALIGN, 70 },
		{ "first fit, aligned as all", EX_FAST, PAGE, 70 },
	};
	struct cost cost, small;
	size_t i;

	start();
	for (i = 0; i < NITEMS(t); i++) {
		small = measure(SCALE_MAX / 64, t[i].flags, t[i].align);
		cost = measure(SCALE_MAX, t[i].flags, t[i].align);
		printf("%s: %u regions: %.0f ns, %.1f visits; %u regions: "
		    "%.0f ns, %.1f visits\n", t[i].name, SCALE_MAX / 64,
		    small.c_nsec, small.c_visits, SCALE_MAX, cost.c_nsec,
		    cost.c_visits);
		ATF_CHECK_MSG(cost.c_visits <= t[i].most,
		    "%s: %.1f visits", t[i].name, cost.c_visits);
		/* 64 times as many regions: 6 levels more, of each search. */
		ATF_CHECK_MSG(cost.c_visits <= small.c_visits + 2 * 6 * 2,
		    "%s: %.1f visits, %.1f with fewer regions", t[i].name,
		    cost.c_visits, small.c_visits);
	}
}

/*
 * Users who align differently leave gaps that only the others could use; a
 * map does not look at them all again and again.
 */
static double
churn(unsigned n, int flags)
{
	const size_t size = EXTENT_FIXED_STORAGE_SIZE(n);
	char *storage = malloc(size);
	exaddr_t *at = calloc(n, sizeof(*at)), *pages = calloc(n, sizeof(*at));
	struct extent *ex;
	uint64_t began, nsec = 0, visits = 0;
	const unsigned rounds = 8 * n;
	struct rng r;
	unsigned i, k;

	ATF_REQUIRE(storage != NULL && at != NULL && pages != NULL);
	rng_seed(&r, 1);
	ex = extent_create("churn", 0, (exaddr_t)n * 24 * PAGE, storage, size,
	    EX_NOCOALESCE);
	for (k = 0; k < rounds; k++) {
		i = (unsigned)rng_below(&r, n);
		if (pages[i] != 0)
			ATF_REQUIRE_EQ(0, extent_free(ex, at[i], pages[i], 0));
		pages[i] = rng_range(&r, 1, 32) * PAGE;
		visits -= k < rounds / 2 ? 0 : ex->ex_visits;
		began = vm_md_nanotime();
		if (extent_alloc(ex, pages[i], PAGE << rng_below(&r, 5), 0,
		    flags, &at[i]) != 0)
			pages[i] = 0;
		nsec += k < rounds / 2 ? 0 : vm_md_nanotime() - began;
		visits += k < rounds / 2 ? 0 : ex->ex_visits;
	}
	SOUND(ex);
	ATF_CHECK(ex->ex_naligns >= 3);
	printf("%s, five alignments: %u regions: %.0f ns, %.1f visits\n",
	    flags != 0 ? "first fit" : "best fit", n, nsec / (rounds / 2.0),
	    visits / (rounds / 2.0));
	extent_destroy(ex);
	free(pages);
	free(at);
	free(storage);
	return (visits / (rounds / 2.0));
}

ATF_TC_WITHOUT_HEAD(scale_alignment);
ATF_TC_BODY(scale_alignment, tc)
{
	unsigned fast;
	double few, many;

	start();
	for (fast = 0; fast < 2; fast++) {
		few = churn(SCALE_MAX / 64, fast != 0 ? EX_FAST : 0);
		many = churn(SCALE_MAX, fast != 0 ? EX_FAST : 0);
		ATF_CHECK_MSG(many <= 80 && many <= few + 2 * 6 * 2,
		    "%.1f visits, %.1f with fewer regions", many, few);
	}
}

/*
 * In a narrow part of a large map best fit does not look at all the small
 * gaps elsewhere; in a map where these have no place, not at all the gaps of
 * the part.
 */
ATF_TC_WITHOUT_HEAD(scale_subregion);
ATF_TC_BODY(scale_subregion, tc)
{
	const size_t size = EXTENT_FIXED_STORAGE_SIZE(SCALE_MAX + 1);
	char *storage = malloc(size);
	struct extent *ex;
	uint64_t visits;
	exaddr_t at;
	unsigned i;

	start();
	ATF_REQUIRE(storage != NULL);
	ex = extent_create("narrow", 0, UINT64_MAX, storage, size, 0);
	/* Gaps of 2, 3, ... near the end. */
	for (i = 0; i < SCALE_MAX; i++)
		ATF_REQUIRE_EQ(0, extent_alloc_region(ex,
		    (exaddr_t)i * 16, 14 - (i > SCALE_MAX - 100), 0));
	visits = ex->ex_visits;
	ATF_REQUIRE_EQ(0, extent_alloc_subregion(ex, (SCALE_MAX - 50) * 16,
	    (SCALE_MAX - 40) * 16, 2, 1, 0, 0, &at));
	ATF_CHECK_EQ((SCALE_MAX - 50) * 16 + 13, at);
	ATF_CHECK_MSG(ex->ex_visits - visits < 200, "%" PRIu64 " visits",
	    ex->ex_visits - visits);
	visits = ex->ex_visits;
	ATF_REQUIRE_EQ(0, extent_alloc_subregion(ex, 16, UINT64_MAX, 3, 1, 0,
	    0, &at));
	ATF_CHECK_EQ((SCALE_MAX - 99) * 16 + 13, at);
	ATF_CHECK_MSG(ex->ex_visits - visits < 200, "%" PRIu64 " visits",
	    ex->ex_visits - visits);
	extent_destroy(ex);
	free(storage);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, history_coalesced);
	ATF_TP_ADD_TC(tp, history_apart);
	ATF_TP_ADD_TC(tp, bsd_source);
	ATF_TP_ADD_TC(tp, coalesce);
	ATF_TP_ADD_TC(tp, policies);
	ATF_TP_ADD_TC(tp, defect_realign);
	ATF_TP_ADD_TC(tp, defect_highest);
	ATF_TP_ADD_TC(tp, defect_deadlock);
	ATF_TP_ADD_TC(tp, defect_free_memory);
	ATF_TP_ADD_TC(tp, defect_width);
	ATF_TP_ADD_TC(tp, fixed);
	ATF_TP_ADD_TC(tp, memory);
	ATF_TP_ADD_TC(tp, create_errors);
	ATF_TP_ADD_TC(tp, errors);
	ATF_TP_ADD_TC(tp, range_errors);
	ATF_TP_ADD_TC(tp, wait_space);
	ATF_TP_ADD_TC(tp, wait_interrupted);
	ATF_TP_ADD_TC(tp, wait_memory);
	ATF_TP_ADD_TC(tp, wait_borrowed);
	ATF_TP_ADD_TC(tp, borrowed_back);
	ATF_TP_ADD_TC(tp, storage_twice);
	ATF_TP_ADD_TC(tp, skew_boundary);
	ATF_TP_ADD_TC(tp, threads);
	ATF_TP_ADD_TC(tp, look);
	ATF_TP_ADD_TC(tp, check);
	ATF_TP_ADD_TC(tp, scale);
	ATF_TP_ADD_TC(tp, scale_alignment);
	ATF_TP_ADD_TC(tp, scale_subregion);
	return (atf_no_error());
}
