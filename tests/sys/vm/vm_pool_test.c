/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Pools against a plain array of their units; threads; and, in the place of
 * NMI handlers, a signal handler between any two instructions.
 */

#define	_GNU_SOURCE		/* REG_EFL */

#include <sys/time.h>

#include <atf-c.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <vm/vm_badfree.h>
#include <vm/vm_pool.h>

#include "vm_step.h"
#include "vm_testlib.h"

#define	MAXCHUNKS	4
#define	MAXUNITS	300		/* of a chunk */

/* What the array knows of a chunk: for each unit 0, or the head's number + 1 */
struct area {
	paddr_t		a_start;
	uint64_t	a_n;
	uint8_t		*a_kva;
	void		*a_meta;
	uint16_t	a_owner[MAXUNITS];
};

struct world {
	struct vm_pool	w_pool;
	psize_t		w_unit;
	unsigned	w_nareas;
	struct area	w_area[MAXCHUNKS];	/* by address */
	struct rng	*w_rng;
};

static void
sound(const struct vm_pool *pool)
{
	const char *what;
	paddr_t where = 0;

	what = vm_pool_check(pool, &where);
	ATF_REQUIRE_MSG(what == NULL, "%s at %#" PRIx64, what, where);
}

static struct vm_poolmem
take(struct vm_pool *pool, const struct vm_poolreq *q)
{
	struct vm_poolmem mem;

	ATF_REQUIRE_EQ(vm_pool_alloc(pool, q, &mem), 0);
	return (mem);
}

static paddr_t
take_size(struct vm_pool *pool, psize_t size)
{
	struct vm_poolreq q = VM_POOLREQ_INITIALIZER(size);

	return (take(pool, &q).vpm_start);
}

static int
refused_request(struct vm_pool *pool, const struct vm_poolreq *q)
{
	struct vm_poolmem mem = { 1, 2, NULL };
	int error = vm_pool_alloc(pool, q, &mem);

	ATF_REQUIRE(mem.vpm_start == 1 && mem.vpm_size == 2);
	return (error);
}

static void *
metadata(const struct vm_pool *pool, psize_t size)
{
	psize_t meta = vm_pool_metasize(pool, size);
	void *mem;

	ATF_REQUIRE(meta != 0);
	mem = malloc(meta);
	ATF_REQUIRE(mem != NULL);
	memset(mem, 0x5a, meta);	/* "contents ignored" */
	return (mem);
}

/*
 * Worlds.
 */

static void
world_add(struct world *w, paddr_t start, uint64_t n, unsigned skew)
{
	struct area *a = &w->w_area[w->w_nareas], t;
	psize_t size = n * w->w_unit;

	memset(a, 0, sizeof(*a));
	a->a_start = start;
	a->a_n = n;
	a->a_meta = metadata(&w->w_pool, size);
	if (skew != UINT32_MAX) {
		a->a_kva = malloc(size + skew);
		ATF_REQUIRE(a->a_kva != NULL);
		a->a_kva += skew;
	}
	ATF_REQUIRE_EQ(vm_pool_add(&w->w_pool, start, a->a_kva, size,
	    a->a_meta), 0);
	/* Keep them by address. */
	for (; a > w->w_area && a[-1].a_start > a->a_start; a--) {
		t = a[-1];
		a[-1] = a[0];
		a[0] = t;
	}
	w->w_nareas++;
}

/* Chunks that touch or not, in any order, at odd multiples of the unit. */
static void
world_make(struct world *w, struct rng *r)
{
	paddr_t start[MAXCHUNKS], at;
	uint64_t n[MAXCHUNKS];
	unsigned i, nareas = (unsigned)rng_range(r, 1, MAXCHUNKS), order;

	memset(w, 0, sizeof(*w));
	w->w_rng = r;
	w->w_unit = (psize_t)VM_POOL_UNIT_MIN << rng_below(r, 11);
	ATF_REQUIRE_EQ(vm_pool_create(&w->w_pool, "world", w->w_unit), 0);
	at = rng_chance(r, 4) ? 0 : rng_size(r, 1 << 20) * w->w_unit;
	for (i = 0; i < nareas; i++) {
		n[i] = rng_chance(r, 4) ? 32 * rng_range(r, 1, 9) :
		    rng_range(r, 1, MAXUNITS);
		start[i] = at;
		at += n[i] * w->w_unit;
		if (!rng_chance(r, 3))
			at += rng_size(r, 1 << 10) * w->w_unit;
	}
	if (rng_chance(r, 5))		/* up to the highest address */
		start[nareas - 1] = TOP - n[nareas - 1] * w->w_unit;
	order = (unsigned)rng_below(r, nareas);
	for (i = 0; i < nareas; i++)
		world_add(w, start[(i + order) % nareas],
		    n[(i + order) % nareas], rng_chance(r, 8) ? UINT32_MAX :
		    8 * (unsigned)rng_below(r, 64));
}

static void
world_fini(struct world *w)
{
	unsigned i;

	ATF_REQUIRE_EQ(vm_pool_destroy(&w->w_pool), 0);
	for (i = 0; i < w->w_nareas; i++)
		free(w->w_area[i].a_meta);
}

/*
 * The oracle: looks at each place.
 */

static bool
place_ok(const struct world *w, const struct vm_poolreq *q,
    const struct area *a, uint64_t u, uint64_t n)
{
	paddr_t pa = a->a_start + u * w->w_unit, last = pa + n * w->w_unit - 1;
	psize_t align = q->vpq_align;
	uint64_t i;

	if (q->vpq_policy == VM_POOL_ORDER) {
		while (align < n * w->w_unit)
			align *= 2;
	}
	if (n > a->a_n || u > a->a_n - n || pa % align != 0 ||
	    pa < q->vpq_low || last >= q->vpq_high)
		return (false);
	if (q->vpq_boundary != 0 && pa / q->vpq_boundary !=
	    last / q->vpq_boundary)
		return (false);
	if (q->vpq_policy == VM_POOL_FIXED && u * w->w_unit != q->vpq_offset)
		return (false);
	if ((q->vpq_flags & VM_POOL_ZERO) != 0 && a->a_kva == NULL)
		return (false);
	for (i = u; i < u + n; i++) {
		if (a->a_owner[i] != 0)
			return (false);
	}
	return (true);
}

/* Units of the free extent around u, cut to the window. */
static uint64_t
extent_around(const struct world *w, const struct vm_poolreq *q,
    const struct area *a, uint64_t u)
{
	uint64_t first = u, end = u;

	while (first > 0 && a->a_owner[first - 1] == 0 &&
	    a->a_start + (first - 1) * w->w_unit >= q->vpq_low)
		first--;
	while (end < a->a_n && a->a_owner[end] == 0 &&
	    a->a_start + (end + 1) * w->w_unit <= q->vpq_high)
		end++;
	return (end - first);
}

static struct area *
oracle_place(struct world *w, const struct vm_poolreq *q, uint64_t n,
    uint64_t *up)
{
	uint64_t smallest = UINT64_MAX, size, u;
	struct area *a, *found = NULL;

	for (a = w->w_area; a < w->w_area + w->w_nareas; a++) {
		for (u = 0; u < a->a_n; u++) {
			if (!place_ok(w, q, a, u, n))
				continue;
			size = q->vpq_policy == VM_POOL_BEST ?
			    extent_around(w, q, a, u) : 0;
			if (size >= smallest)
				continue;
			smallest = size;
			found = a;
			*up = u;
		}
	}
	return (found);
}

static struct area *
any_area(struct world *w)
{

	return (&w->w_area[rng_below(w->w_rng, w->w_nareas)]);
}

static paddr_t
any_address(struct world *w)
{
	const struct area *a = any_area(w);

	return (a->a_start + rng_below(w->w_rng, a->a_n * w->w_unit));
}

static void
random_request(struct world *w, struct vm_poolreq *q)
{
	const struct vm_poolreq fresh = VM_POOLREQ_INITIALIZER(
	    rng_size(w->w_rng, 100 * w->w_unit));
	struct rng *r = w->w_rng;
	psize_t rounded;

	*q = fresh;
	q->vpq_policy = (enum vm_poolpolicy)rng_below(r, VM_POOL_FIXED + 1);
	if (q->vpq_policy == VM_POOL_FIXED)
		q->vpq_offset = rng_below(r, MAXUNITS) * w->w_unit;
	if (rng_chance(r, 2))
		q->vpq_align = w->w_unit << rng_below(r, 9) >>
		    rng_below(r, 3);
	if (rng_chance(r, 3)) {
		rounded = (q->vpq_size + w->w_unit - 1) / w->w_unit *
		    w->w_unit;
		for (q->vpq_boundary = 1; q->vpq_boundary < rounded;)
			q->vpq_boundary *= 2;
		q->vpq_boundary <<= rng_below(r, 3);
	}
	if (rng_chance(r, 3))
		q->vpq_low = any_address(w);
	if (rng_chance(r, 3))
		q->vpq_high = any_address(w) + 1;
	if (q->vpq_low >= q->vpq_high)
		q->vpq_low = 0;
	if (rng_chance(r, 4))
		q->vpq_flags = VM_POOL_ZERO;
}

static void
check_memory(const struct vm_poolreq *q, const struct area *a,
    const struct vm_poolmem *mem)
{
	psize_t i;

	if (a->a_kva == NULL) {
		ATF_REQUIRE(mem->vpm_kva == NULL);
		return;
	}
	ATF_REQUIRE(mem->vpm_kva == a->a_kva + (mem->vpm_start - a->a_start));
	if ((q->vpq_flags & VM_POOL_ZERO) == 0)
		return;
	for (i = 0; i < mem->vpm_size; i++)
		ATF_REQUIRE_EQ(((uint8_t *)mem->vpm_kva)[i], 0);
	memset(mem->vpm_kva, 0xa5, mem->vpm_size);
}

static void
step_alloc(struct world *w)
{
	struct vm_poolmem mem = { 0, 0, NULL };
	struct vm_poolreq q;
	uint64_t i, n, u = 0;
	struct area *a;
	int error;

	random_request(w, &q);
	n = (q.vpq_size + w->w_unit - 1) / w->w_unit;
	a = oracle_place(w, &q, n, &u);
	error = vm_pool_alloc(&w->w_pool, &q, &mem);
	ATF_REQUIRE_EQ_MSG(error, a == NULL ? ENOMEM : 0, "%d: size %#" PRIx64
	    " align %#" PRIx64 " boundary %#" PRIx64 " policy %d", error,
	    q.vpq_size, q.vpq_align, q.vpq_boundary, (int)q.vpq_policy);
	if (a == NULL)
		return;
	ATF_REQUIRE_EQ_MSG(mem.vpm_start, a->a_start + u * w->w_unit,
	    "%#" PRIx64 ", not %#" PRIx64 ", policy %d", mem.vpm_start,
	    a->a_start + u * w->w_unit, (int)q.vpq_policy);
	ATF_REQUIRE_EQ(mem.vpm_size, n * w->w_unit);
	check_memory(&q, a, &mem);
	for (i = u; i < u + n; i++)
		a->a_owner[i] = (uint16_t)(u + 1);
}

static uint64_t
oracle_length(const struct area *a, uint64_t u)
{
	uint64_t n = 0;

	while (u + n < a->a_n && a->a_owner[u + n] == u + 1)
		n++;
	return (n);
}

/* A free of any unit, by any size: right or wrong. */
static void
step_free(struct world *w)
{
	struct area *a = any_area(w);
	uint64_t u = rng_below(w->w_rng, a->a_n), n = 0, i;
	paddr_t pa;
	psize_t size = 0;
	int want;

	if (a->a_owner[u] != 0 && !rng_chance(w->w_rng, 4))
		u = a->a_owner[u] - 1U;
	n = oracle_length(a, u);
	pa = a->a_start + u * w->w_unit;
	want = a->a_owner[u] == 0 ? EALREADY : n == 0 ? EINVAL : 0;
	if (rng_chance(w->w_rng, 2)) {
		size = rng_chance(w->w_rng, 2) && n > 0 ? n * w->w_unit -
		    rng_below(w->w_rng, w->w_unit) :
		    rng_size(w->w_rng, 100 * w->w_unit);
		if (want == 0 && (size + w->w_unit - 1) / w->w_unit != n)
			want = EMSGSIZE;
	}
	if (rng_chance(w->w_rng, 16)) {
		pa += rng_range(w->w_rng, 1, w->w_unit - 1);
		want = EINVAL;
	}
	ATF_REQUIRE_EQ(vm_pool_free(&w->w_pool, pa, size), want);
	for (i = u; want == 0 && i < u + n; i++)
		a->a_owner[i] = 0;
}

/* The piece that a walk has to show at unit u, and how long it is. */
static enum vm_fstate
oracle_piece(const struct area *a, uint64_t u, uint64_t *np)
{
	uint64_t n = 0;

	while (u + n < a->a_n && a->a_owner[u + n] == a->a_owner[u])
		n++;
	*np = n;
	return (a->a_owner[u] == 0 ? VM_FRAME_FREE : VM_FRAME_HEAD);
}

static void
compare(struct world *w)
{
	struct vm_poolextent pe;
	struct vm_poolarea area;
	enum vm_fstate state;
	psize_t avail = 0, size = 0;
	uint64_t n, u;
	paddr_t from = 0;
	unsigned i;

	for (i = 0; i < w->w_nareas; i++) {
		const struct area *a = &w->w_area[i];
		psize_t had = avail;

		for (u = 0; u < a->a_n; u += n) {
			state = oracle_piece(a, u, &n);
			ATF_REQUIRE(vm_pool_walk(&w->w_pool, from, &pe));
			ATF_REQUIRE_EQ(pe.vpe_state, state);
			ATF_REQUIRE_EQ(pe.vpe_start,
			    a->a_start + u * w->w_unit);
			ATF_REQUIRE_EQ(pe.vpe_size, n * w->w_unit);
			from = pe.vpe_start + pe.vpe_size;
			if (state == VM_FRAME_FREE)
				avail += pe.vpe_size;
		}
		size += a->a_n * w->w_unit;
		ATF_REQUIRE(vm_pool_chunk(&w->w_pool, i, &area));
		ATF_REQUIRE_EQ(area.vpa_start, a->a_start);
		ATF_REQUIRE_EQ(area.vpa_size, a->a_n * w->w_unit);
		ATF_REQUIRE(area.vpa_kva == a->a_kva);
		ATF_REQUIRE_EQ(area.vpa_avail, avail - had);
	}
	ATF_REQUIRE(!vm_pool_walk(&w->w_pool, from, &pe));
	ATF_REQUIRE(!vm_pool_chunk(&w->w_pool, i, &area));
	ATF_REQUIRE_EQ(vm_pool_avail(&w->w_pool), avail);
	ATF_REQUIRE_EQ(vm_pool_size(&w->w_pool), size);
	sound(&w->w_pool);
}

static void
free_all(struct world *w)
{
	struct area *a;
	uint64_t u, n;

	for (a = w->w_area; a < w->w_area + w->w_nareas; a++) {
		for (u = 0; u < a->a_n; u++) {
			if ((n = oracle_length(a, u)) == 0)
				continue;
			ATF_REQUIRE_EQ(vm_pool_free(&w->w_pool,
			    a->a_start + u * w->w_unit, n * w->w_unit), 0);
			memset(&a->a_owner[u], 0, n * sizeof(a->a_owner[0]));
		}
	}
}

ATF_TC(history);
ATF_TC_HEAD(history, tc)
{
	atf_tc_set_md_var(tc, "descr", "Random histories against an array");
}
ATF_TC_BODY(history, tc)
{
	unsigned i, round, rounds = test_long(tc) ? 3000 : 60;
	struct world w;
	struct rng r;

	rng_init(&r, tc, 1);
	console_catch();
	for (round = 0; round < rounds; round++) {
		world_make(&w, &r);
		compare(&w);
		for (i = 0; i < 400; i++) {
			if (rng_chance(&r, 5) ? rng_chance(&r, 2) :
			    i / 100 % 2 == 0)
				step_alloc(&w);
			else
				step_free(&w);
			if (i % 16 == 0)
				compare(&w);
		}
		free_all(&w);
		compare(&w);
		world_fini(&w);
	}
}

/*
 * A pool of one chunk.
 */

#define	BASE	(0x40000000 + 0x1008)	/* for units of 8 bytes */
#define	BASE64	(0x40000000 + 0x1040)
static struct vm_pool pool;
static uint8_t store[64 * 1024];

static void
pool_make(psize_t unit, psize_t size)
{

	ATF_REQUIRE_EQ(vm_pool_create(&pool, "pool", unit), 0);
	ATF_REQUIRE_EQ(vm_pool_add(&pool, unit == 8 ? BASE : BASE64, store,
	    size, metadata(&pool, size)), 0);
}

static void
pause_for(uint64_t nsec)
{
	uint64_t now = vm_md_nanotime(), end = now + nsec;
	_Atomic uint32_t never = 0;

	for (; now < end; now = vm_md_nanotime())
		(void)vm_md_wait(&never, 0, end - now);
}

ATF_TC_WITHOUT_HEAD(physical);
ATF_TC_BODY(physical, tc)
{
	struct vm_poolreq q = VM_POOLREQ_INITIALIZER(0x100);
	struct vm_poolmem mem;

	/* Physical, not kernel, and not relative to the chunk. */
	pool_make(8, 0x8000);
	q.vpq_align = 0x1000;
	mem = take(&pool, &q);
	ATF_CHECK_EQ(mem.vpm_start, 0x40002000);
	ATF_CHECK(mem.vpm_kva == store + 0xff8);
	q.vpq_align = 1;
	q.vpq_size = 0x800;
	q.vpq_boundary = 0x1000;
	q.vpq_low = BASE + 0x900;
	mem = take(&pool, &q);
	ATF_CHECK_EQ(mem.vpm_start, 0x40002100);
	ATF_CHECK_EQ(vm_pool_paddr(&pool, mem.vpm_kva), mem.vpm_start);
	ATF_CHECK(vm_pool_kva(&pool, mem.vpm_start, 0x800) == mem.vpm_kva);
	ATF_CHECK(vm_pool_kva(&pool, mem.vpm_start, 0x8000) == NULL);
	ATF_CHECK(vm_pool_kva(&pool, BASE - 1, 1) == NULL);
	ATF_CHECK_EQ(vm_pool_paddr(&pool, store + 0x8000), VM_PADDR_NONE);
	/* After the boundary it is still aligned. */
	q.vpq_low = 0x40003b00;
	q.vpq_align = 0x100;
	ATF_CHECK_EQ(take(&pool, &q).vpm_start, 0x40004000);
	sound(&pool);
}

ATF_TC_WITHOUT_HEAD(fixed);
ATF_TC_BODY(fixed, tc)
{
	struct vm_poolreq q = VM_POOLREQ_INITIALIZER(64);

	pool_make(8, 0x1000);
	q.vpq_policy = VM_POOL_FIXED;
	q.vpq_offset = 0xf0 * 8;
	ATF_CHECK_EQ(take(&pool, &q).vpm_start, BASE + q.vpq_offset);
	ATF_CHECK_EQ(refused_request(&pool, &q), ENOMEM);
	q.vpq_offset += 56;
	ATF_CHECK_EQ(refused_request(&pool, &q), ENOMEM);
	q.vpq_offset = 0x1000 - 64;
	ATF_CHECK_EQ(take(&pool, &q).vpm_start, BASE + q.vpq_offset);
	q.vpq_offset = 0x1000 - 56;
	ATF_CHECK_EQ(refused_request(&pool, &q), ENOMEM);
	q.vpq_offset = UINT64_MAX & ~UINT64_C(7);
	ATF_CHECK_EQ(refused_request(&pool, &q), ENOMEM);
	q.vpq_offset = 4;
	ATF_CHECK_EQ(refused_request(&pool, &q), EINVAL);
	/* A second chunk has that place, too. */
	ATF_REQUIRE_EQ(vm_pool_add(&pool, BASE + 0x10000, NULL, 0x1000,
	    metadata(&pool, 0x1000)), 0);
	q.vpq_offset = 0xf0 * 8;
	ATF_CHECK_EQ(take(&pool, &q).vpm_start, BASE + 0x10000 + q.vpq_offset);
	sound(&pool);
}

ATF_TC_WITHOUT_HEAD(exhaustion);
ATF_TC_BODY(exhaustion, tc)
{
	struct vm_poolreq q = VM_POOLREQ_INITIALIZER(16);
	psize_t i, n = 1000;

	pool_make(16, n * 16);
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(take(&pool, &q).vpm_start, BASE64 + i * 16);
	ATF_CHECK_EQ(vm_pool_avail(&pool), 0);
	ATF_CHECK_EQ(refused_request(&pool, &q), ENOMEM);
	/* What comes free in small pieces becomes one. */
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(vm_pool_free(&pool, BASE64 + (i * 7 % n) * 16,
		    16), 0);
	ATF_CHECK_EQ(take_size(&pool, n * 16), BASE64);
	ATF_CHECK_EQ(refused_request(&pool, &q), ENOMEM);
	ATF_CHECK_EQ(vm_pool_destroy(&pool), EBUSY);
	ATF_CHECK_EQ(vm_pool_free(&pool, BASE64, 0), 0);
	ATF_CHECK_EQ(take_size(&pool, (n - 1) * 16), BASE64);
	ATF_CHECK_EQ(take_size(&pool, 16), BASE64 + (n - 1) * 16);
	sound(&pool);
}

/*
 * Bad frees.
 */

/* A free that is refused so, is counted, and changes nothing. */
static void
bad(paddr_t pa, psize_t size, int want)
{
	uint64_t before = vm_pool_refused(&pool);
	psize_t avail = vm_pool_avail(&pool);

	ATF_CHECK_EQ(vm_pool_free(&pool, pa, size), want);
	ATF_CHECK_EQ(vm_pool_refused(&pool), before + 1);
	ATF_CHECK_EQ(vm_pool_avail(&pool), avail);
	console_clear();
	ATF_CHECK_EQ(vm_pool_free_quiet(&pool, pa, size), want);
	ATF_CHECK_EQ(vm_pool_refused(&pool), before + 2);
	ATF_CHECK_EQ(console_lines(), 0);
	sound(&pool);
}

/* The same, and the line is on the console. */
static void
bad_line(paddr_t pa, psize_t size, int want, const char *why)
{
	char line[80];

	console_clear();
	ATF_CHECK_EQ(vm_pool_free(&pool, pa, size), want);
	ATF_CHECK_EQ(console_lines(), 1);
	(void)snprintf(line, sizeof(line), "bad free of %#" PRIx64 " size %#"
	    PRIx64 " from ", pa, size);
	ATF_CHECK_MSG(strstr(console_text(), line) != NULL &&
	    strstr(console_text(), why) != NULL, "%s", console_text());
}

ATF_TC_WITHOUT_HEAD(bad_free_line);
ATF_TC_BODY(bad_free_line, tc)
{
	paddr_t pa;

	console_catch();
	pool_make(8, 0x1000);
	pa = take_size(&pool, 80);
	bad_line(pa, 72, EMSGSIZE, "the allocation has another size");
	bad_line(pa + 8, 8, EINVAL, "not the start of an allocation");
	ATF_CHECK_EQ(vm_pool_free(&pool, pa, 0), 0);
	bad_line(pa, 80, EALREADY, "already free");
	bad_line(0, 0, EINVAL, "not the start of an allocation");
}

/* All that can be wrong with a free of a run of n units, n > 1. */
static void
bad_of(paddr_t pa, uint64_t n)
{

	bad(pa, (n - 1) * 8, EMSGSIZE);
	bad(pa, (n + 1) * 8, EMSGSIZE);
	bad(pa, UINT64_MAX, EMSGSIZE);
	bad(pa + 8, 0, EINVAL);
	bad(pa + (n - 1) * 8, 8, EINVAL);
	bad(pa + 1, 0, EINVAL);
	ATF_CHECK_EQ(vm_pool_free(&pool, pa, n * 8), 0);
	bad(pa, 0, EALREADY);
	bad(pa, n * 8, EALREADY);
	bad(pa + 8, 0, EALREADY);
}

ATF_TC_WITHOUT_HEAD(bad_free);
ATF_TC_BODY(bad_free, tc)
{
	static const uint64_t sizes[] = { 2, 30, 31, 32, 33, 100 };
	paddr_t pa;
	unsigned i;

	console_catch();
	pool_make(8, 0x1000);
	bad(BASE - 8, 0, EINVAL);
	bad(BASE + 0x1000, 0, EINVAL);
	bad(0, 0, EINVAL);
	bad(UINT64_MAX, 1, EINVAL);
	for (i = 0; i < NITEMS(sizes); i++) {
		/* With a neighbour on both sides. */
		pa = take_size(&pool, 8);
		(void)take_size(&pool, sizes[i] * 8);
		(void)take_size(&pool, 8);
		bad_of(pa + 8, sizes[i]);
		ATF_CHECK_EQ(vm_pool_free(&pool, pa, 0), 0);
		ATF_CHECK_EQ(vm_pool_free(&pool, pa + 8 * (sizes[i] + 1), 8),
		    0);
	}
}

/* Another pool's memory, and frees by the thousand on one console. */
ATF_TC_WITHOUT_HEAD(bad_free_other);
ATF_TC_BODY(bad_free_other, tc)
{
	struct vm_pool other;
	paddr_t pa;
	unsigned i;

	console_catch();
	pool_make(8, 0x1000);
	ATF_REQUIRE_EQ(vm_pool_create(&other, "other", 64), 0);
	ATF_REQUIRE_EQ(vm_pool_add(&other, 0x80000000, NULL, 64 * 64,
	    metadata(&other, 64 * 64)), 0);
	pa = take_size(&other, 64);
	bad(pa, 64, EINVAL);
	console_clear();
	for (i = 0; i < 1000; i++)
		ATF_CHECK_EQ(vm_pool_free(&pool, pa, 0), EINVAL);
	ATF_CHECK(console_lines() <= 3 * VM_BADFREE_RATE);
	ATF_CHECK_EQ(vm_pool_free(&other, pa, 1), 0);
}

/*
 * Arguments.
 */

ATF_TC_WITHOUT_HEAD(bad_request);
ATF_TC_BODY(bad_request, tc)
{
	const struct vm_poolreq fresh = VM_POOLREQ_INITIALIZER(100);
	struct vm_poolreq q;

	pool_make(64, 0x1000);
#define	REFUSED(member, v) do {						\
	q = fresh;							\
	q.member = (v);							\
	ATF_CHECK_EQ_MSG(refused_request(&pool, &q), EINVAL, #member	\
	    " " #v);							\
} while (0)
	REFUSED(vpq_size, 0);
	REFUSED(vpq_size, UINT64_MAX);
	REFUSED(vpq_size, TOP + 1);
	REFUSED(vpq_align, 0);
	REFUSED(vpq_align, 3);
	REFUSED(vpq_boundary, 3);
	REFUSED(vpq_boundary, 64);
	REFUSED(vpq_high, 0);
	REFUSED(vpq_low, VM_PADDR_MAX);
	REFUSED(vpq_offset, 64);
	REFUSED(vpq_flags, 2);
	REFUSED(vpq_policy, (enum vm_poolpolicy)(VM_POOL_FIXED + 1));
	REFUSED(vpq_policy, (enum vm_poolpolicy)-1);
	/* Well-formed, but never to be had. */
	q = fresh;
	q.vpq_size = TOP;
	ATF_CHECK_EQ(refused_request(&pool, &q), ENOMEM);
	q.vpq_policy = VM_POOL_ORDER;
	ATF_CHECK_EQ(refused_request(&pool, &q), ENOMEM);
	q = fresh;
	q.vpq_align = UINT64_C(1) << 63;
	ATF_CHECK_EQ(refused_request(&pool, &q), ENOMEM);
	q = fresh;
	q.vpq_low = VM_PADDR_MAX - 1;
	ATF_CHECK_EQ(refused_request(&pool, &q), ENOMEM);
	q = fresh;
	q.vpq_high = 1;
	ATF_CHECK_EQ(refused_request(&pool, &q), ENOMEM);
	sound(&pool);
	ATF_CHECK_EQ(vm_pool_avail(&pool), 0x1000);
}

ATF_TC_WITHOUT_HEAD(bad_chunk);
ATF_TC_BODY(bad_chunk, tc)
{
	struct vm_pool p;
	void *mem;

	ATF_CHECK_EQ(vm_pool_create(&p, "", 8), EINVAL);
	ATF_CHECK_EQ(vm_pool_create(&p,
	    "a name that is longer than a name", 8), EINVAL);
	ATF_CHECK_EQ(vm_pool_create(&p, "p", 0), EINVAL);
	ATF_CHECK_EQ(vm_pool_create(&p, "p", 4), EINVAL);
	ATF_CHECK_EQ(vm_pool_create(&p, "p", 24), EINVAL);
	ATF_CHECK_EQ(vm_pool_create(&p, "p", TOP), EINVAL);
	ATF_REQUIRE_EQ(vm_pool_create(&p, "p", 64), 0);
	ATF_CHECK_EQ(vm_pool_metasize(&p, 0), 0);
	ATF_CHECK_EQ(vm_pool_metasize(&p, 65), 0);
	ATF_CHECK_EQ(vm_pool_metasize(&p, UINT64_MAX & ~UINT64_C(63)), 0);
	mem = metadata(&p, 4096);
	ATF_CHECK_EQ(vm_pool_add(&p, 0x1000, NULL, 0, mem), EINVAL);
	ATF_CHECK_EQ(vm_pool_add(&p, 0x1000, NULL, 100, mem), EINVAL);
	ATF_CHECK_EQ(vm_pool_add(&p, 0x1020, NULL, 4096, mem), EINVAL);
	ATF_CHECK_EQ(vm_pool_add(&p, TOP, NULL, 4096, mem), EINVAL);
	ATF_CHECK_EQ(vm_pool_add(&p, TOP - 64, NULL, 4096, mem), EINVAL);
	ATF_CHECK_EQ(vm_pool_add(&p, UINT64_MAX & ~UINT64_C(63), NULL, 4096,
	    mem), EINVAL);
	ATF_CHECK_EQ(vm_pool_add(&p, 0x1000, NULL, 4096, (char *)mem + 1),
	    EINVAL);
	ATF_CHECK_EQ(vm_pool_add(&p, 0x1000, (void *)(uintptr_t)-64, 4096,
	    mem), EINVAL);
	ATF_REQUIRE_EQ(vm_pool_add(&p, 0x1000, NULL, 4096, mem), 0);
	mem = metadata(&p, 4096);
	ATF_CHECK_EQ(vm_pool_add(&p, 0x1000, NULL, 4096, mem), EEXIST);
	ATF_CHECK_EQ(vm_pool_add(&p, 0x1fc0, NULL, 4096, mem), EEXIST);
	ATF_CHECK_EQ(vm_pool_add(&p, 0x40, NULL, 4096, mem), EEXIST);
	ATF_CHECK_EQ(vm_pool_add(&p, 0, NULL, 4096, mem), 0);
	ATF_CHECK_EQ(vm_pool_size(&p), 8192);
	sound(&p);
}

ATF_TC_WITHOUT_HEAD(metadata_pages);
ATF_TC_BODY(metadata_pages, tc)
{
	const struct vm_memrange range = { 16 * MiB, 4 * MiB };
	struct vm_audit before, after;
	struct vm_pool p;

	vm_start(&range, 1);
	ATF_REQUIRE(usermode_physmem_back(range.vmr_start, range.vmr_size) !=
	    NULL);
	ATF_REQUIRE_EQ(vm_pool_create(&p, "p", 8), 0);
	audit_ok(&before);
	ATF_REQUIRE_EQ(vm_pool_add(&p, 8 * GiB, NULL, MiB, NULL), 0);
	audit_ok(&after);
	ATF_CHECK_EQ(before.va_free - after.va_free,
	    (vm_pool_metasize(&p, MiB) + PAGE - 1) / PAGE);
	/* No pages for so much, and none kept if it fails. */
	ATF_CHECK_EQ(vm_pool_add(&p, 16 * GiB, NULL, GiB, NULL), ENOMEM);
	ATF_CHECK_EQ(vm_pool_add(&p, 8 * GiB, NULL, 8, NULL), EEXIST);
	ATF_CHECK_EQ(take_size(&p, MiB), 8 * GiB);
	ATF_CHECK_EQ(vm_pool_free(&p, 8 * GiB, 0), 0);
	ATF_CHECK_EQ(vm_pool_destroy(&p), 0);
	ATF_CHECK_EQ(vm_pool_destroy(&p), EINVAL);
	audit_ok(&after);
	ATF_CHECK_EQ(before.va_free, after.va_free);
}

ATF_TC_WITHOUT_HEAD(registry);
ATF_TC_BODY(registry, tc)
{
	struct vm_pool a, b, c;

	ATF_CHECK(vm_pool_next(NULL) == NULL);
	ATF_REQUIRE_EQ(vm_pool_create(&a, "sram", 8), 0);
	ATF_REQUIRE_EQ(vm_pool_create(&b, "cmb", 8), 0);
	ATF_CHECK_EQ(vm_pool_create(&c, "sram", 8), EEXIST);
	ATF_REQUIRE_EQ(vm_pool_create(&c,
	    "a name that is as long as it can", 8), EINVAL);
	ATF_REQUIRE_EQ(vm_pool_create(&c,
	    "a name that is as long as can b", 8), 0);
	ATF_CHECK(vm_pool_find("sram") == &a);
	ATF_CHECK(vm_pool_find("cmb") == &b);
	ATF_CHECK(vm_pool_find("a name that is as long as can b") == &c);
	ATF_CHECK(vm_pool_find("cm") == NULL);
	ATF_CHECK(vm_pool_next(NULL) == &a && vm_pool_next(&a) == &b &&
	    vm_pool_next(&b) == &c && vm_pool_next(&c) == NULL);
	ATF_CHECK(vm_pool_find_phandle(0) == NULL);
	ATF_CHECK(vm_pool_find_phandle(7) == NULL);
	ATF_CHECK_EQ(vm_pool_set_phandle(&a, 0), EINVAL);
	ATF_CHECK_EQ(vm_pool_set_phandle(&a, UINT32_MAX), EINVAL);
	ATF_CHECK_EQ(vm_pool_set_phandle(&a, 7), 0);
	ATF_CHECK_EQ(vm_pool_set_phandle(&b, 7), EEXIST);
	ATF_CHECK_EQ(vm_pool_set_phandle(&a, 7), 0);
	ATF_CHECK_EQ(vm_pool_set_phandle(&b, 8), 0);
	ATF_CHECK(vm_pool_find_phandle(7) == &a);
	ATF_CHECK(vm_pool_find_phandle(8) == &b);
	ATF_CHECK_EQ(vm_pool_destroy(&a), 0);
	ATF_CHECK(vm_pool_find("sram") == NULL);
	ATF_CHECK(vm_pool_find_phandle(7) == NULL);
	ATF_CHECK_EQ(vm_pool_create(&a, "sram", 8), 0);
}

/*
 * Workers: threads and signal handlers that allocate from one pool, and know
 * of each unit whether it is theirs.
 */

#define	NUNITS		700
#define	KEEP		24

static _Atomic uint32_t owner[2 * NUNITS];	/* of a unit: worker, or 0 */

struct worker {
	uint32_t	k_id;		/* > 0 */
	struct rng	k_rng;
	unsigned	k_n;
	struct vm_poolmem k_mem[KEEP];
	pthread_t	k_thread;
	uint64_t	k_failed;
	uint64_t	k_wrong;	/* what must not be */
	const char	*k_what;
};

static _Atomic bool stop;
static psize_t most = 90 * 8;

/* Signal handlers cannot end a test. */
static void
wrong(struct worker *k, const char *what)
{

	k->k_wrong++;
	k->k_what = what;
}

static void
mark(struct worker *k, const struct vm_poolmem *mem, uint32_t from,
    uint32_t to)
{
	uint64_t u = (mem->vpm_start - BASE) / 8, end = u + mem->vpm_size / 8;

	for (; u < end; u++) {
		if (atomic_exchange(&owner[u], to) != from)
			wrong(k, "a unit has two owners");
	}
}

static void
worker_alloc(struct worker *k)
{
	struct vm_poolreq q = VM_POOLREQ_INITIALIZER(rng_size(&k->k_rng,
	    most));
	struct vm_poolmem *mem = &k->k_mem[k->k_n];

	if (rng_chance(&k->k_rng, 3))
		q.vpq_align = UINT64_C(8) << rng_below(&k->k_rng, 6);
	if (rng_chance(&k->k_rng, 4))
		q.vpq_policy = VM_POOL_BEST;
	if (vm_pool_alloc(&pool, &q, mem) != 0) {
		k->k_failed++;
		return;
	}
	mark(k, mem, 0, k->k_id);
	k->k_n++;
}

static void
worker_free(struct worker *k)
{
	struct vm_poolmem *mem = &k->k_mem[rng_below(&k->k_rng, k->k_n)];
	psize_t size = rng_chance(&k->k_rng, 2) ? 0 : mem->vpm_size;

	mark(k, mem, k->k_id, 0);
	if (vm_pool_free_quiet(&pool, mem->vpm_start, size) != 0)
		wrong(k, "a right free is refused");
	*mem = k->k_mem[--k->k_n];
}

/* What we own, nobody may see or free as anything else. */
static void
worker_look(struct worker *k)
{
	struct vm_poolmem *mem = &k->k_mem[rng_below(&k->k_rng, k->k_n)];
	struct vm_poolextent pe;

	if (!vm_pool_walk(&pool, mem->vpm_start, &pe) ||
	    pe.vpe_state != VM_FRAME_HEAD || pe.vpe_start != mem->vpm_start ||
	    pe.vpe_size != mem->vpm_size)
		wrong(k, "an allocation is misread");
	if (vm_pool_free_quiet(&pool, mem->vpm_start, mem->vpm_size + 8) !=
	    EMSGSIZE)
		wrong(k, "a free of more is accepted");
	if (mem->vpm_size > 8 && (vm_pool_free_quiet(&pool, mem->vpm_start,
	    mem->vpm_size - 8) != EMSGSIZE ||
	    vm_pool_free_quiet(&pool, mem->vpm_start + 8, 0) != EINVAL))
		wrong(k, "a free of a part is accepted");
}

static void
worker_walk(struct worker *k)
{
	struct vm_poolextent pe;
	paddr_t from = 0;

	while (vm_pool_walk(&pool, from, &pe)) {
		if (pe.vpe_size == 0 || pe.vpe_start < from) {
			wrong(k, "a walk that does not advance");
			return;
		}
		from = pe.vpe_start + pe.vpe_size;
	}
}

static void
worker_step(struct worker *k)
{
	unsigned what = (unsigned)rng_below(&k->k_rng, 16);

	if (what == 0)
		worker_walk(k);
	else if (what < 4 && k->k_n > 0)
		worker_look(k);
	else if (k->k_n < KEEP && what < 10)
		worker_alloc(k);
	else if (k->k_n > 0)
		worker_free(k);
}

static void
worker_end(struct worker *k)
{

	while (k->k_n > 0)
		worker_free(k);
	ATF_CHECK_EQ_MSG(k->k_wrong, 0, "%" PRIu64 " times: %s", k->k_wrong,
	    k->k_what);
}

/* They are for the workers alone. */
static void
alarms(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	(void)pthread_sigmask(how, &set, NULL);
}

static void *
worker_main(void *arg)
{
	struct worker *k = arg;

	alarms(SIG_UNBLOCK);
	while (!atomic_load(&stop))
		worker_step(k);
	return (NULL);
}

static void
all_free(void)
{

	sound(&pool);
	ATF_CHECK_EQ(vm_pool_avail(&pool), vm_pool_size(&pool));
}

static void
workers_run(const atf_tc_t *tc, struct worker *k, unsigned n, unsigned chunks)
{
	uint64_t ns = (test_long(tc) ? 30 : 2) * UINT64_C(1000000000);
	unsigned i;

	alarms(SIG_BLOCK);
	for (i = 0; i < n; i++) {
		k[i].k_id = i + 1;
		rng_init(&k[i].k_rng, tc, i + 1);
		ATF_REQUIRE_EQ(pthread_create(&k[i].k_thread, NULL,
		    worker_main, &k[i]), 0);
	}
	for (i = 0; i < chunks; i++) {
		pause_for(ns / chunks);
		ATF_CHECK_EQ(vm_pool_add(&pool, BASE + (NUNITS + i * 70) * 8,
		    NULL, 70 * 8, metadata(&pool, 70 * 8)), 0);
	}
	if (chunks == 0)
		pause_for(ns);
	atomic_store(&stop, true);
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(pthread_join(k[i].k_thread, NULL), 0);
	sound(&pool);
	for (i = 0; i < n; i++)
		worker_end(&k[i]);
}

ATF_TC(threads);
ATF_TC_HEAD(threads, tc)
{
	atf_tc_set_md_var(tc, "descr", "Threads at work on one pool");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(threads, tc)
{
	static struct worker k[4];

	pool_make(8, NUNITS * 8);
	workers_run(tc, k, NITEMS(k), 0);
	all_free();
}

ATF_TC(threads_chunks);
ATF_TC_HEAD(threads_chunks, tc)
{
	atf_tc_set_md_var(tc, "descr", "Chunks come while threads are at work");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(threads_chunks, tc)
{
	static struct worker k[3];

	pool_make(8, NUNITS * 8);
	workers_run(tc, k, NITEMS(k), 10);
	all_free();
	ATF_CHECK_EQ(vm_pool_size(&pool), 2 * NUNITS * 8);
}

/*
 * Requests that cannot fail: each of two threads keeps at most one run.
 */
static void *
never_fails(void *arg)
{
	struct worker *k = arg;
	uint64_t failed;

	while (!atomic_load(&stop)) {
		failed = k->k_failed;
		worker_alloc(k);
		if (k->k_failed != failed)
			wrong(k, "a request fails though there is room");
		else
			worker_free(k);
	}
	return (NULL);
}

ATF_TC(exact);
ATF_TC_HEAD(exact, tc)
{
	atf_tc_set_md_var(tc, "descr", "No request fails while there is room");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(exact, tc)
{
	static struct worker k[2];
	unsigned i;

	/*
	 * At most 90 of 700 units are taken, so there are 305 in a piece, and
	 * 90 units aligned to 32 need 121.
	 */
	pool_make(8, NUNITS * 8);
	for (i = 0; i < NITEMS(k); i++) {
		k[i].k_id = i + 1;
		rng_init(&k[i].k_rng, tc, i + 1);
		ATF_REQUIRE_EQ(pthread_create(&k[i].k_thread, NULL,
		    never_fails, &k[i]), 0);
	}
	pause_for((test_long(tc) ? 30 : 2) * UINT64_C(1000000000));
	atomic_store(&stop, true);
	for (i = 0; i < NITEMS(k); i++) {
		ATF_REQUIRE_EQ(pthread_join(k[i].k_thread, NULL), 0);
		worker_end(&k[i]);
	}
	all_free();
}

/*
 * Two threads free the same run: one of them succeeds.
 */
static _Atomic unsigned turn, ready, freed;
static paddr_t twice;

static void *
free_twice(void *arg)
{
	unsigned seen = 0;

	(void)arg;
	for (;;) {
		while (atomic_load(&turn) == seen)
			sched_yield();
		if (atomic_load(&stop))
			return (NULL);
		seen++;
		switch (vm_pool_free_quiet(&pool, twice, 0)) {
		case 0:
			(void)atomic_fetch_add(&freed, 1);
			break;
		case EALREADY:
			break;
		default:
			(void)atomic_fetch_add(&freed, 100);
		}
		(void)atomic_fetch_add(&ready, 1);
	}
}

ATF_TC_WITHOUT_HEAD(racing_frees);
ATF_TC_BODY(racing_frees, tc)
{
	unsigned i, rounds = test_long(tc) ? 200000 : 5000;
	pthread_t t[2];
	struct rng r;

	rng_init(&r, tc, 1);
	pool_make(8, NUNITS * 8);
	for (i = 0; i < NITEMS(t); i++)
		ATF_REQUIRE_EQ(pthread_create(&t[i], NULL, free_twice, NULL),
		    0);
	for (i = 0; i < rounds; i++) {
		twice = take_size(&pool, rng_size(&r, most));
		atomic_store(&freed, 0);
		atomic_store(&ready, 0);
		(void)atomic_fetch_add(&turn, 1);
		while (atomic_load(&ready) != NITEMS(t))
			sched_yield();
		ATF_REQUIRE_EQ(atomic_load(&freed), 1);
		all_free();
	}
	atomic_store(&stop, true);
	(void)atomic_fetch_add(&turn, 1);
	for (i = 0; i < NITEMS(t); i++)
		ATF_REQUIRE_EQ(pthread_join(t[i], NULL), 0);
}

/*
 * NMI: a handler that interrupts at any time, on a timer.
 */

static struct worker nmi = { .k_id = 1000 };
static _Atomic uint64_t nmis;

static void
on_alarm(int sig)
{
	unsigned i;

	(void)sig;
	for (i = 0; i < 8; i++)
		worker_step(&nmi);
	(void)atomic_fetch_add(&nmis, 1);
}

ATF_TC(interrupted);
ATF_TC_HEAD(interrupted, tc)
{
	atf_tc_set_md_var(tc, "descr", "A handler that allocates and frees "
	    "in the middle of what others do");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(interrupted, tc)
{
	const struct itimerval often = { { 0, 100 }, { 0, 100 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = on_alarm };
	static struct worker k;

	rng_init(&nmi.k_rng, tc, 99);
	pool_make(8, NUNITS * 8);
	alarms(SIG_BLOCK);
	ATF_REQUIRE_EQ(sigaction(SIGALRM, &sa, NULL), 0);
	ATF_REQUIRE_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	workers_run(tc, &k, 1, 0);
	ATF_REQUIRE_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
	ATF_CHECK(atomic_load(&nmis) > 0);
	worker_end(&nmi);
	all_free();
}

/*
 * The same between any two instructions of an allocation and a free, by the
 * processor's trap flag.
 */
#ifdef VM_STEP
/* => false: the handler did not run any more. */
static bool
stepped(const atf_tc_t *tc, unsigned *at)
{
	bool ran = step_over();

	sound(&pool);
	ATF_CHECK_MSG(ran || *at > 50, "only %u instructions", *at);
	*at += test_long(tc) ? 1 : (unsigned)rng_range(&nmi.k_rng, 1, 7);
	return (ran);
}

/* What is done step by step, and with what. */
static struct vm_poolreq step_req;
static struct vm_poolmem step_mem;
static psize_t step_size;
static struct vm_poolextent step_extent;
static int step_error;

static void
step_allocates(void)
{

	step_error = vm_pool_alloc(&pool, &step_req, &step_mem);
}

static void
step_frees(void)
{

	step_error = vm_pool_free_quiet(&pool, step_mem.vpm_start, step_size);
}

static void
step_walks(void)
{

	if (!vm_pool_walk(&pool, step_mem.vpm_start, &step_extent))
		abort();
}

static void
step_request(psize_t size)
{
	const struct vm_poolreq fresh = VM_POOLREQ_INITIALIZER(size);

	step_req = fresh;
}

/* A handler that does anything at all. */
static void
nmi_any(void)
{
	struct vm_poolextent pe;
	paddr_t from = 0;
	unsigned i;

	for (i = 0; i < 4; i++)
		worker_step(&nmi);
	/* Nobody's allocation may be seen that is not as long as it is. */
	for (; vm_pool_walk(&pool, from, &pe);
	    from = pe.vpe_start + pe.vpe_size) {
		if (pe.vpe_state == VM_FRAME_HEAD && atomic_load(
		    &owner[(pe.vpe_start - BASE) / 8]) == 0 &&
		    pe.vpe_size != step_req.vpq_size)
			wrong(&nmi, "a half-made allocation is seen");
	}
}

ATF_TC(each_instruction);
ATF_TC_HEAD(each_instruction, tc)
{
	atf_tc_set_md_var(tc, "descr", "A handler between any two "
	    "instructions");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(each_instruction, tc)
{
	static const psize_t units[] = { 1, 20, 40, 100 };
	unsigned at, i;

	rng_init(&nmi.k_rng, tc, 7);
	pool_make(8, 400 * 8);
	most = 5 * 8;			/* that there is room in any case */
	for (i = 0; i < NITEMS(units); i++) {
		step_request(units[i] * 8);
		at = 0;
		do {
			step_prepare(at, nmi_any);
			step(step_allocates);
			ATF_REQUIRE_EQ(step_error, 0);
			mark(&nmi, &step_mem, 0, 1);
			mark(&nmi, &step_mem, 1, 0);
			step_size = at % 2 == 0 ? step_mem.vpm_size : 0;
			step(step_frees);
			ATF_REQUIRE_EQ(step_error, 0);
		} while (stepped(tc, &at));
	}
	worker_end(&nmi);
	all_free();
}

/*
 * A handler that frees what is being freed, or looked at, and allocates it
 * again with another size.
 */
#define	STEP_N		100		/* units, of the first */
#define	STEP_AGAIN	70		/* and of the second */

static bool step_reuse, step_freed, step_reused;

static void
nmi_frees(void)
{
	struct vm_poolreq q = VM_POOLREQ_INITIALIZER(STEP_AGAIN * 8);
	struct vm_poolmem mem;

	step_freed = vm_pool_free_quiet(&pool, step_mem.vpm_start, 0) == 0;
	if (!step_freed || !step_reuse)
		return;
	q.vpq_policy = VM_POOL_FIXED;
	q.vpq_offset = step_mem.vpm_start - BASE;
	step_reused = vm_pool_alloc(&pool, &q, &mem) == 0;
}

static void
step_begin(unsigned at)
{

	step_freed = step_reused = false;
	step_request(STEP_N * 8);
	step_req.vpq_policy = VM_POOL_FIXED;
	step_req.vpq_offset = 10 * 8;
	step_allocates();
	ATF_REQUIRE_EQ(step_error, 0);
	step_prepare(at, nmi_frees);
}

static void
step_end(void)
{

	if (step_reused)
		ATF_CHECK_EQ(vm_pool_free_quiet(&pool, step_mem.vpm_start,
		    STEP_AGAIN * 8), 0);
	all_free();
}

ATF_TC(each_free);
ATF_TC_HEAD(each_free, tc)
{
	atf_tc_set_md_var(tc, "descr", "A handler that frees what is just "
	    "freed");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(each_free, tc)
{
	unsigned at, i;

	rng_init(&nmi.k_rng, tc, 8);
	pool_make(8, 200 * 8);
	for (i = 0; i < 3; i++) {
		/* Of what has a new owner only the size tells. */
		step_reuse = i == 2;
		at = 0;
		do {
			step_begin(at);
			step_size = i == 0 ? 0 : STEP_N * 8;
			step(step_frees);
			ATF_CHECK_EQ(step_error != 0, step_freed);
			step_end();
		} while (stepped(tc, &at));
	}
}

ATF_TC(each_walk);
ATF_TC_HEAD(each_walk, tc)
{
	atf_tc_set_md_var(tc, "descr", "A handler that frees what is just "
	    "looked at");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(each_walk, tc)
{
	unsigned at, i;

	rng_init(&nmi.k_rng, tc, 9);
	pool_make(8, 200 * 8);
	for (i = 0; i < 2; i++) {
		step_reuse = i > 0;
		at = 0;
		do {
			step_begin(at);
			step(step_walks);
			ATF_CHECK_EQ(step_extent.vpe_start,
			    step_mem.vpm_start);
			if (step_extent.vpe_state == VM_FRAME_HEAD)
				ATF_CHECK_MSG(step_extent.vpe_size ==
				    STEP_N * 8 || (step_reused &&
				    step_extent.vpe_size == STEP_AGAIN * 8),
				    "size %" PRIu64, step_extent.vpe_size);
			if (!step_freed)
				step_frees();
			step_end();
		} while (stepped(tc, &at));
	}
}

/*
 * A handler that frees one of two places and then takes the other: one of them
 * is free at any time.
 */
static void
nmi_swaps(void)
{
	struct vm_poolreq q = VM_POOLREQ_INITIALIZER(64 * 8);
	struct vm_poolmem mem;

	step_freed = vm_pool_free_quiet(&pool, BASE, 64 * 8) == 0;
	q.vpq_policy = VM_POOL_FIXED;
	q.vpq_offset = 64 * 8;
	step_reused = vm_pool_alloc(&pool, &q, &mem) == 0;
}

ATF_TC(each_search);
ATF_TC_HEAD(each_search, tc)
{
	atf_tc_set_md_var(tc, "descr", "A search never misses memory that "
	    "moves");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(each_search, tc)
{
	unsigned at = 0;

	rng_init(&nmi.k_rng, tc, 10);
	pool_make(8, 128 * 8);
	do {
		ATF_REQUIRE_EQ(take_size(&pool, 64 * 8), BASE);
		step_freed = step_reused = false;
		step_request(64 * 8);
		step_prepare(at, nmi_swaps);
		step(step_allocates);
		ATF_CHECK_EQ(step_error, 0);
		ATF_CHECK_EQ(step_mem.vpm_start,
		    step_reused ? BASE : BASE + 64 * 8);
		ATF_CHECK_EQ(vm_pool_free_quiet(&pool, step_mem.vpm_start,
		    64 * 8), 0);
		ATF_CHECK_EQ(step_freed, step_over());
		if (!step_freed)
			ATF_CHECK_EQ(vm_pool_free_quiet(&pool, BASE, 0), 0);
		if (step_reused)
			ATF_CHECK_EQ(vm_pool_free_quiet(&pool, BASE + 64 * 8,
			    0), 0);
		all_free();
	} while (stepped(tc, &at));
}
#else
WANTS_STEPS(each_instruction)
WANTS_STEPS(each_free)
WANTS_STEPS(each_walk)
WANTS_STEPS(each_search)
#endif

/* What is no pool, or is one already. */
ATF_TC_WITHOUT_HEAD(no_pool);
ATF_TC_BODY(no_pool, tc)
{
	static struct vm_pool odd, first, second;

	memset(&odd, 0xa5, sizeof(odd));
	ATF_CHECK_EQ(vm_pool_destroy(&odd), EINVAL);
	ATF_REQUIRE_EQ(vm_pool_create(&first, "first", 8), 0);
	ATF_REQUIRE_EQ(vm_pool_create(&second, "second", 8), 0);
	ATF_CHECK_EQ(vm_pool_create(&first, "third", 64), EEXIST);
	ATF_CHECK_EQ(vm_pool_unit(&first), 8);
	ATF_CHECK_EQ(vm_pool_find("first"), &first);
	ATF_CHECK_EQ(vm_pool_next(&first), &second);
	ATF_CHECK_EQ(vm_pool_next(&second), NULL);
	ATF_CHECK_EQ(vm_pool_destroy(&first), 0);
	ATF_CHECK_EQ(vm_pool_destroy(&first), EINVAL);
	ATF_CHECK_EQ(vm_pool_destroy(&second), 0);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, history);
	ATF_TP_ADD_TC(tp, physical);
	ATF_TP_ADD_TC(tp, fixed);
	ATF_TP_ADD_TC(tp, exhaustion);
	ATF_TP_ADD_TC(tp, bad_free);
	ATF_TP_ADD_TC(tp, bad_free_line);
	ATF_TP_ADD_TC(tp, bad_free_other);
	ATF_TP_ADD_TC(tp, bad_request);
	ATF_TP_ADD_TC(tp, bad_chunk);
	ATF_TP_ADD_TC(tp, metadata_pages);
	ATF_TP_ADD_TC(tp, registry);
	ATF_TP_ADD_TC(tp, threads);
	ATF_TP_ADD_TC(tp, threads_chunks);
	ATF_TP_ADD_TC(tp, exact);
	ATF_TP_ADD_TC(tp, racing_frees);
	ATF_TP_ADD_TC(tp, interrupted);
	ATF_TP_ADD_TC(tp, each_instruction);
	ATF_TP_ADD_TC(tp, each_free);
	ATF_TP_ADD_TC(tp, each_walk);
	ATF_TP_ADD_TC(tp, each_search);
	ATF_TP_ADD_TC(tp, no_pool);

	return (atf_no_error());
}
