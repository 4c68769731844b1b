/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The early allocator, and firmware that lies to it.
 */

#include <atf-c.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vm/vm_bootstrap.h>
#include <vm/vm_extmap.h>
#include <vm/vm_owner.h>
#include <vm/vm_page.h>
#include <vm/vm_sync.h>

#include "vm_testlib.h"

#define	MANY		(VM_BOOTSTRAP_RANGES + 72)

/*
 * The ranges that remain, against what is expected.
 */

static void
ranges(const struct vm_memrange *expected, unsigned n)
{
	struct vm_memrange r;
	unsigned i;

	for (i = 0; i < n; i++) {
		ATF_REQUIRE_MSG(vm_bootstrap_range(i, &r),
		    "range %u is missing", i);
		ATF_REQUIRE_EQ_MSG(r.vmr_start, expected[i].vmr_start,
		    "range %u starts at %#" PRIx64, i, r.vmr_start);
		ATF_REQUIRE_EQ_MSG(r.vmr_size, expected[i].vmr_size,
		    "range %u has %#" PRIx64, i, r.vmr_size);
	}
	ATF_REQUIRE_MSG(!vm_bootstrap_range(n, &r),
	    "one range too many: %#" PRIx64, r.vmr_start);
}

static void
start_expecting(const struct vm_memrange *map, unsigned nmap,
    const struct vm_memrange *expected, unsigned n)
{

	console_catch();
	ATF_REQUIRE_EQ(vm_bootstrap_start(map, nmap), n == 0 ? EINVAL : 0);
	ranges(expected, n);
}

#define	START(map, ...) do {						\
	const struct vm_memrange expected_[] = { __VA_ARGS__ };		\
									\
	start_expecting(map, NITEMS(map), expected_, NITEMS(expected_));\
} while (0)

ATF_TC_WITHOUT_HEAD(start_plain);
ATF_TC_BODY(start_plain, tc)
{
	static const struct vm_memrange map[] = {
		{ 0, 640 * KiB }, { MiB, 63 * MiB }
	};

	(void)tc;
	START(map, { 0, 640 * KiB }, { MiB, 63 * MiB });
	ATF_REQUIRE_EQ(console_lines(), 0);
	/* Again: what was known is forgotten. */
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(MiB, MiB, "x"), 0);
	START(map, { 0, 640 * KiB }, { MiB, 63 * MiB });
}

ATF_TC_WITHOUT_HEAD(start_unsorted);
ATF_TC_BODY(start_unsorted, tc)
{
	static const struct vm_memrange map[] = {
		{ 4 * GiB, GiB }, { 0, 4 * KiB }, { 2 * MiB, MiB },
		{ 1 * MiB, 64 * KiB },
	};

	(void)tc;
	START(map, { 0, 4 * KiB }, { 1 * MiB, 64 * KiB }, { 2 * MiB, MiB },
	    { 4 * GiB, GiB });
}

ATF_TC_WITHOUT_HEAD(start_overlapping);
ATF_TC_BODY(start_overlapping, tc)
{
	static const struct vm_memrange map[] = {
		{ 10 * MiB, 2 * MiB }, { 11 * MiB, 2 * MiB },	/* overlap */
		{ 20 * MiB, MiB }, { 20 * MiB, MiB },		/* the same */
		{ 30 * MiB, 4 * MiB }, { 31 * MiB, MiB },	/* within */
		{ 41 * MiB, MiB }, { 40 * MiB, 4 * MiB },	/* around */
		{ 50 * MiB, MiB }, { 51 * MiB, MiB },		/* touch */
	};

	(void)tc;
	START(map, { 10 * MiB, 3 * MiB }, { 20 * MiB, MiB },
	    { 30 * MiB, 4 * MiB }, { 40 * MiB, 4 * MiB },
	    { 50 * MiB, 2 * MiB });
}

ATF_TC_WITHOUT_HEAD(start_unaligned);
ATF_TC_BODY(start_unaligned, tc)
{
	static const struct vm_memrange map[] = {
		{ 1, 2 * PAGE },		/* one whole page */
		{ 4 * PAGE + 1, PAGE },		/* none */
		{ 8 * PAGE, PAGE - 1 },		/* none */
		{ 12 * PAGE - 1, PAGE + 2 },	/* one, and two bytes */
		{ 20 * PAGE, PAGE + 100 },	/* two that touch within a */
		{ 21 * PAGE + 100, PAGE - 100 }, /* page: together both */
	};

	(void)tc;
	START(map, { PAGE, PAGE }, { 12 * PAGE, PAGE },
	    { 20 * PAGE, 2 * PAGE });
}

ATF_TC_WITHOUT_HEAD(start_zero_length);
ATF_TC_BODY(start_zero_length, tc)
{
	static const struct vm_memrange map[] = {
		{ 0, 0 }, { MiB, 0 }, { 2 * MiB, PAGE }, { 2 * MiB, 0 },
		{ UINT64_MAX, 0 }, { 3 * MiB - 1, 0 },
	};

	(void)tc;
	START(map, { 2 * MiB, PAGE });
	ATF_REQUIRE_EQ(console_lines(), 0);
}

ATF_TC_WITHOUT_HEAD(start_wrapping);
ATF_TC_BODY(start_wrapping, tc)
{
	static const struct vm_memrange map[] = {
		{ MiB, UINT64_MAX - MiB + 1 },
		{ UINT64_MAX - PAGE + 1, 3 * PAGE },
		{ 8 * MiB, UINT64_MAX },
		{ 2 * MiB, PAGE },
	};

	(void)tc;
	START(map, { 2 * MiB, PAGE });
	ATF_REQUIRE_EQ(console_lines(), 3);
	ATF_REQUIRE(strstr(console_text(), "wraps") != NULL);
	ATF_REQUIRE(strstr(console_text(), "0x800000") != NULL);
}

ATF_TC_WITHOUT_HEAD(start_at_the_top);
ATF_TC_BODY(start_at_the_top, tc)
{
	static const struct vm_memrange map[] = {
		{ TOP - PAGE, 8 * PAGE },	/* cut */
		{ TOP, PAGE },
		{ TOP + PAGE, 64 * MiB },
		{ UINT64_MAX - 2 * PAGE + 1, PAGE },
		{ UINT64_C(1) << 63, UINT64_C(1) << 62 },
	};
	static const struct vm_memrange all[] = {
		{ 0, UINT64_MAX }
	};

	(void)tc;
	START(map, { TOP - PAGE, PAGE });
	START(all, { 0, TOP });
}

ATF_TC_WITHOUT_HEAD(start_nothing);
ATF_TC_BODY(start_nothing, tc)
{
	static const struct vm_memrange map[] = {
		{ PAGE / 2, PAGE }, { TOP, GiB }, { 0, 0 },
	};

	(void)tc;
	ATF_REQUIRE_EQ(vm_bootstrap_start(NULL, 0), EINVAL);
	ranges(NULL, 0);
	ATF_REQUIRE_EQ(vm_bootstrap_start(map, NITEMS(map)), EINVAL);
	ranges(NULL, 0);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, PAGE, VM_PADDR_MAX, "x"),
	    VM_PADDR_NONE);
	ATF_REQUIRE_EQ(vm_physmem_load(NULL, 0, NULL, 0), EINVAL);
}

ATF_TC_WITHOUT_HEAD(start_too_many);
ATF_TC_BODY(start_too_many, tc)
{
	struct vm_memrange map[MANY], r;
	unsigned i, small = 0;

	(void)tc;
	console_catch();
	/* Two pages each, but every fourth has one. */
	for (i = 0; i < MANY; i++) {
		map[i].vmr_start = (uint64_t)(MANY - i) * 4 * PAGE;
		map[i].vmr_size = (i % 4 == 0 ? 1 : 2) * PAGE;
	}
	ATF_REQUIRE_EQ(vm_bootstrap_start(map, MANY), E2BIG);
	ATF_REQUIRE_EQ(console_lines(), MANY - VM_BOOTSTRAP_RANGES);
	ATF_REQUIRE(strstr(console_text(), "too many") != NULL);
	for (i = 0; vm_bootstrap_range(i, &r); i++)
		small += r.vmr_size == PAGE;
	ATF_REQUIRE_EQ(i, VM_BOOTSTRAP_RANGES);
	ATF_REQUIRE_EQ(small, 0);	/* the smallest were dropped */
	/* And what remains is usable. */
	ATF_REQUIRE(vm_bootstrap_alloc(PAGE, PAGE, VM_PADDR_MAX, "x") !=
	    VM_PADDR_NONE);

	/* Exactly as many as there is room for is fine. */
	console_clear();
	ATF_REQUIRE_EQ(vm_bootstrap_start(map, VM_BOOTSTRAP_RANGES), 0);
	ATF_REQUIRE_EQ(console_lines(), 0);
}

/* What joins in the end is one range, whatever came in between. */
ATF_TC_WITHOUT_HEAD(joined_late);
ATF_TC_BODY(joined_late, tc)
{
	static struct vm_memrange map[4 * MANY];
	static const struct vm_memrange one = { 0, 4 * MANY * PAGE };
	unsigned i;

	(void)tc;
	for (i = 0; i < 2 * MANY; i++)
		map[i] = (struct vm_memrange){ 2 * i * PAGE, PAGE };
	for (i = 0; i < 2 * MANY; i++)
		map[2 * MANY + i] = (struct vm_memrange){
		    (2 * i + 1) * PAGE, PAGE };
	console_catch();
	ATF_REQUIRE_EQ(vm_bootstrap_start(map, NITEMS(map)), 0);
	ranges(&one, 1);
	ATF_REQUIRE_EQ(console_lines(), 0);
}

/* Random maps against a bit for each part of a page. */
#define	PARTS		4		/* of a page */
#define	PART		(PAGE / PARTS)
#define	NPAGES		200

static void
random_map(struct rng *r, uint64_t base, struct vm_memrange *map, unsigned n,
    bool *part)
{
	uint64_t start, size, k;
	unsigned i;

	for (i = 0; i < n; i++) {
		start = rng_below(r, NPAGES * PARTS);
		size = rng_chance(r, 8) ? 0 : rng_size(r, 20);
		if (start + size > NPAGES * PARTS)
			size = NPAGES * PARTS - start;
		map[i].vmr_start = base + start * PART;
		map[i].vmr_size = size * PART;
		if (rng_chance(r, 10)) {	/* nonsense */
			map[i].vmr_size = UINT64_MAX - rng_below(r, 100);
			map[i].vmr_start += PAGE;
			continue;
		}
		for (k = start; k < start + size; k++)
			part[k] = true;
	}
}

static bool
page_whole(const bool *part, unsigned page)
{
	unsigned i;

	for (i = 0; i < PARTS; i++) {
		if (!part[page * PARTS + i])
			return (false);
	}
	return (true);
}

/* The ranges are those of the bits: maximal runs of whole pages. */
static void
random_compare(uint64_t base, const bool *part)
{
	struct vm_memrange r;
	unsigned i, page = 0, end;

	for (i = 0; vm_bootstrap_range(i, &r); i++) {
		while (page < NPAGES && !page_whole(part, page))
			page++;
		for (end = page; end < NPAGES && page_whole(part, end);)
			end++;
		ATF_REQUIRE_EQ(r.vmr_start, base + page * PAGE);
		ATF_REQUIRE_EQ(r.vmr_size, (end - page) * PAGE);
		page = end;
	}
	while (page < NPAGES && !page_whole(part, page))
		page++;
	ATF_REQUIRE_EQ_MSG(page, NPAGES, "page %u is missing", page);
}

ATF_TC_WITHOUT_HEAD(start_random);
ATF_TC_BODY(start_random, tc)
{
	struct vm_memrange map[60];
	bool part[NPAGES * PARTS];
	unsigned i, k, n, from, to;
	uint64_t base;
	struct rng r;
	int error;

	usermode_console(NULL);
	rng_init(&r, tc, 1);
	for (i = 0; i < 3000; i++) {
		base = rng_chance(&r, 2) ? 0 : rng_chance(&r, 2) ?
		    TOP - NPAGES * PAGE : rng_below(&r, TiB) * PAGE;
		n = (unsigned)rng_below(&r, NITEMS(map) + 1);
		memset(part, 0, sizeof(part));
		random_map(&r, base, map, n, part);
		error = vm_bootstrap_start(map, n);
		random_compare(base, part);
		if (error != 0)
			continue;
		/* Some of it is none after all. */
		for (n = (unsigned)rng_below(&r, 5); n > 0; n--) {
			from = (unsigned)rng_below(&r, NPAGES * PARTS);
			to = from + (unsigned)rng_size(&r, 40);
			if (to > NPAGES * PARTS)
				to = NPAGES * PARTS;
			vm_bootstrap_exclude(base + from * PART,
			    (to - from) * PART);
			for (k = from / PARTS * PARTS;
			    k < (to + PARTS - 1) / PARTS * PARTS; k++)
				part[k] = false;
			random_compare(base, part);
		}
	}
}

ATF_TC_WITHOUT_HEAD(exclude);
ATF_TC_BODY(exclude, tc)
{
	static const struct vm_memrange map[] = {
		{ MiB, 15 * MiB }, { 32 * MiB, MiB }
	};

	(void)tc;
	START(map, { MiB, 15 * MiB }, { 32 * MiB, MiB });
	vm_bootstrap_exclude(64 * MiB, MiB);	/* not there anyway */
	vm_bootstrap_exclude(4 * MiB, 0);
	vm_bootstrap_exclude(TOP, MiB);
	vm_bootstrap_exclude(UINT64_MAX, UINT64_MAX);
	ranges(map, 2);
	vm_bootstrap_exclude(4 * MiB + 1, 1);	/* the page it touches */
	ranges((struct vm_memrange[]){ { MiB, 3 * MiB },
	    { 4 * MiB + PAGE, 12 * MiB - PAGE }, { 32 * MiB, MiB } }, 3);
	vm_bootstrap_exclude(15 * MiB, 17 * MiB + PAGE);	/* ends */
	ranges((struct vm_memrange[]){ { MiB, 3 * MiB },
	    { 4 * MiB + PAGE, 11 * MiB - PAGE },
	    { 32 * MiB + PAGE, MiB - PAGE } }, 3);
	vm_bootstrap_exclude(0, UINT64_MAX);
	ranges(NULL, 0);
}

/* The parts of what is excluded may be one too many. */
ATF_TC_WITHOUT_HEAD(exclude_splits_full);
ATF_TC_BODY(exclude_splits_full, tc)
{
	struct vm_memrange map[VM_BOOTSTRAP_RANGES], r;
	unsigned i;

	(void)tc;
	console_catch();
	for (i = 0; i < NITEMS(map); i++)
		map[i] = (struct vm_memrange){ (uint64_t)i * 64 * PAGE,
		    (i == 7 ? 1 : 9) * PAGE };
	ATF_REQUIRE_EQ(vm_bootstrap_start(map, NITEMS(map)), 0);
	vm_bootstrap_exclude(map[20].vmr_start + 4 * PAGE, PAGE);
	for (i = 0; vm_bootstrap_range(i, &r); i++)
		ATF_REQUIRE(r.vmr_size >= 4 * PAGE);
	ATF_REQUIRE_EQ(i, VM_BOOTSTRAP_RANGES);
	ATF_REQUIRE_EQ(console_lines(), 1);
}

ATF_TC_WITHOUT_HEAD(exclude_after_reserve);
ATF_TC_BODY(exclude_after_reserve, tc)
{
	static const struct vm_memrange map[] = { { MiB, 15 * MiB } };

	(void)tc;
	START(map, { MiB, 15 * MiB });
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(2 * MiB, MiB, "kernel"), 0);
	vm_bootstrap_exclude(8 * MiB, MiB);
	ranges((struct vm_memrange[]){ { MiB, 7 * MiB },
	    { 9 * MiB, 7 * MiB } }, 2);
}

/*
 * The log.
 */

struct entry {
	paddr_t		e_start;
	psize_t		e_size;
	const char	*e_owner;
};

static void
taken(const struct entry *expected, unsigned n)
{
	struct vm_memrange r;
	const char *owner;
	unsigned i;

	for (i = 0; i < n; i++) {
		ATF_REQUIRE_MSG(vm_bootstrap_taken(i, &r, &owner),
		    "entry %u is missing", i);
		ATF_REQUIRE_EQ_MSG(r.vmr_start, expected[i].e_start,
		    "entry %u at %#" PRIx64, i, r.vmr_start);
		ATF_REQUIRE_EQ_MSG(r.vmr_size, expected[i].e_size,
		    "entry %u of %#" PRIx64, i, r.vmr_size);
		ATF_REQUIRE_STREQ(owner, expected[i].e_owner);
	}
	ATF_REQUIRE(!vm_bootstrap_taken(n, &r, &owner));
}

#define	TAKEN(...) do {							\
	const struct entry expected_[] = { __VA_ARGS__ };		\
									\
	taken(expected_, NITEMS(expected_));				\
} while (0)

static void
start_one(paddr_t start, psize_t size)
{
	const struct vm_memrange map = { start, size };

	ATF_REQUIRE_EQ(vm_bootstrap_start(&map, 1), 0);
}

ATF_TC_WITHOUT_HEAD(reserve);
ATF_TC_BODY(reserve, tc)
{

	(void)tc;
	start_one(0, 64 * MiB);
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(4 * MiB + 1, 2, "b"), 0);
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(2 * MiB, MiB, "a"), 0);
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(9 * MiB, 0, "zero"), 0);
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(TOP, MiB, "above"), 0);
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(0, 1, "a name of many letters"),
	    0);
	TAKEN({ 0, PAGE, "a name of many " }, { 2 * MiB, MiB, "a" },
	    { 4 * MiB, PAGE, "b" });
	/* Only what nobody has: the first owner keeps it. */
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(MiB, 4 * MiB, "c"), 0);
	TAKEN({ 0, PAGE, "a name of many " }, { MiB, MiB, "c" },
	    { 2 * MiB, MiB, "a" }, { 3 * MiB, MiB, "c" },
	    { 4 * MiB, PAGE, "b" }, { 4 * MiB + PAGE, MiB - PAGE, "c" });
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(2 * MiB, MiB, "d"), 0);
	TAKEN({ 0, PAGE, "a name of many " }, { MiB, MiB, "c" },
	    { 2 * MiB, MiB, "a" }, { 3 * MiB, MiB, "c" },
	    { 4 * MiB, PAGE, "b" }, { 4 * MiB + PAGE, MiB - PAGE, "c" });
}

ATF_TC_WITHOUT_HEAD(reserve_joins);
ATF_TC_BODY(reserve_joins, tc)
{

	(void)tc;
	start_one(0, 64 * MiB);
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(0, MiB, "a"), 0);
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(2 * MiB, MiB, "a"), 0);
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(3 * MiB, MiB, "b"), 0);
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(MiB, MiB, "a"), 0);
	TAKEN({ 0, 3 * MiB, "a" }, { 3 * MiB, MiB, "b" });
}

/* What was allocated before takes no entry from what is reserved. */
ATF_TC_WITHOUT_HEAD(reserve_late);
ATF_TC_BODY(reserve_late, tc)
{
	unsigned i;

	(void)tc;
	start_one(0, 64 * MiB);
	for (i = 0; i < VM_BOOTSTRAP_CARVED; i++)
		ATF_REQUIRE(vm_bootstrap_alloc(PAGE, PAGE, VM_PADDR_MAX,
		    i % 2 == 0 ? "y" : "z") != VM_PADDR_NONE);
	for (i = 0; i < VM_BOOTSTRAP_TAKEN; i++)
		ATF_REQUIRE_EQ(vm_bootstrap_reserve(i * 4 * PAGE, PAGE,
		    "x"), 0);
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(32 * MiB, PAGE, "x"), ENOSPC);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, PAGE, VM_PADDR_MAX, "y"),
	    VM_PADDR_NONE);
}

ATF_TC_WITHOUT_HEAD(reserve_full);
ATF_TC_BODY(reserve_full, tc)
{
	struct vm_memrange r;
	const char *owner;
	unsigned i;

	(void)tc;
	start_one(0, 64 * MiB);
	for (i = 0; i + 1 < VM_BOOTSTRAP_TAKEN; i++)
		ATF_REQUIRE_EQ(vm_bootstrap_reserve(i * 4 * PAGE, PAGE,
		    "x"), 0);
	/* It would need more entries than are left: nothing changes. */
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(0, 64 * MiB, "all"), ENOSPC);
	for (i = 0; vm_bootstrap_taken(i, &r, &owner); i++)
		ATF_REQUIRE_STREQ(owner, "x");
	ATF_REQUIRE_EQ(i, VM_BOOTSTRAP_TAKEN - 1);
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(32 * MiB, PAGE, "x"), 0);
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(33 * MiB, PAGE, "x"), ENOSPC);
	/* What the allocator needs for itself has entries of its own. */
	for (i = 0; i < VM_BOOTSTRAP_CARVED; i++)
		ATF_REQUIRE(vm_bootstrap_alloc(PAGE, PAGE, VM_PADDR_MAX,
		    i % 2 == 0 ? "y" : "z") != VM_PADDR_NONE);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, PAGE, VM_PADDR_MAX, "y"),
	    VM_PADDR_NONE);
}

/*
 * Allocation.
 */

ATF_TC_WITHOUT_HEAD(alloc);
ATF_TC_BODY(alloc, tc)
{
	static const struct vm_memrange map[] = {
		{ MiB, 15 * MiB }, { 4 * GiB, MiB }
	};

	(void)tc;
	START(map, { MiB, 15 * MiB }, { 4 * GiB, MiB });
	/* From the top down. */
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(1, 1, VM_PADDR_MAX, "a"),
	    4 * GiB + MiB - PAGE);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE + 1, 1, VM_PADDR_MAX, "a"),
	    4 * GiB + MiB - 3 * PAGE);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, 64 * KiB, VM_PADDR_MAX, "b"),
	    4 * GiB + MiB - 64 * KiB);
	/* The limit is exclusive, and need not be a multiple of a page. */
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, PAGE, 8 * MiB, "c"),
	    8 * MiB - PAGE);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, PAGE, 4 * MiB + 1, "c"),
	    4 * MiB - PAGE);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, PAGE, MiB, "c"),
	    VM_PADDR_NONE);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, PAGE, 0, "c"),
	    VM_PADDR_NONE);
	/* Too large for the upper range, so in the lower. */
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(2 * MiB, MiB, VM_PADDR_MAX, "d"),
	    14 * MiB);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(16 * MiB, PAGE, VM_PADDR_MAX, "d"),
	    VM_PADDR_NONE);
	TAKEN({ 4 * MiB - PAGE, PAGE, "c" }, { 8 * MiB - PAGE, PAGE, "c" },
	    { 14 * MiB, 2 * MiB, "d" },
	    { 4 * GiB + MiB - 64 * KiB, PAGE, "b" },
	    { 4 * GiB + MiB - 3 * PAGE, 3 * PAGE, "a" });
	/* Nonsense. */
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(0, PAGE, VM_PADDR_MAX, "e"),
	    VM_PADDR_NONE);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, 0, VM_PADDR_MAX, "e"),
	    VM_PADDR_NONE);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, 3 * PAGE, VM_PADDR_MAX, "e"),
	    VM_PADDR_NONE);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(UINT64_MAX, PAGE, VM_PADDR_MAX,
	    "e"), VM_PADDR_NONE);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, UINT64_C(1) << 63,
	    VM_PADDR_MAX, "e"), VM_PADDR_NONE);
	vm_bootstrap_end();
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, PAGE, VM_PADDR_MAX, "f"),
	    VM_PADDR_NONE);
}

/* No allocation is aligned less than the minimum that was set. */
ATF_TC_WITHOUT_HEAD(minalign);
ATF_TC_BODY(minalign, tc)
{

	(void)tc;
	start_one(MiB, 63 * MiB);
	ATF_REQUIRE_EQ(vm_bootstrap_minalign(0), EINVAL);
	ATF_REQUIRE_EQ(vm_bootstrap_minalign(3 * PAGE), EINVAL);
	ATF_REQUIRE_EQ(vm_bootstrap_minalign(UINT64_C(1) << 63), EINVAL);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, PAGE, VM_PADDR_MAX, "a"),
	    64 * MiB - PAGE);
	ATF_REQUIRE_EQ(vm_bootstrap_minalign(64 * KiB), 0);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, PAGE, VM_PADDR_MAX, "b"),
	    64 * MiB - 64 * KiB);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, 1, VM_PADDR_MAX, "b"),
	    64 * MiB - 128 * KiB);
	/* What asks for more gets it. */
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, MiB, VM_PADDR_MAX, "c"),
	    63 * MiB);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, PAGE, MiB + 64 * KiB, "d"),
	    MiB);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, PAGE, MiB + 64 * KiB, "d"),
	    VM_PADDR_NONE);
	/* Never less than a page, whatever was set. */
	ATF_REQUIRE_EQ(vm_bootstrap_minalign(1), 0);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(1, 1, VM_PADDR_MAX, "e"),
	    64 * MiB - 2 * PAGE);
	/* Forgotten by a new start. */
	ATF_REQUIRE_EQ(vm_bootstrap_minalign(MiB), 0);
	start_one(MiB, 63 * MiB);
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, PAGE, VM_PADDR_MAX, "a"),
	    64 * MiB - PAGE);
}

/*
 * The hand-over.
 */

/* The frames of an entry are an allocation of its owner's, cut at lists. */
static void
entry_handed_over(const struct entry *e)
{
	vm_frame_t f = vm_atop(e->e_start), end = f + vm_atop(e->e_size), cut;
	struct vm_extent ext;

	for (; f < end; f = ext.e_end) {
		cut = vm_freelist_limit(vm_freelist_of(f));
		ATF_REQUIRE(vm_extmap_walk(&vm_map, f, VM_FRAME_END, &ext));
		ATF_REQUIRE_EQ_MSG(ext.e_state, VM_FRAME_HEAD,
		    "frame %#" PRIx64 " is free", f);
		ATF_REQUIRE_EQ(ext.e_start, f);
		ATF_REQUIRE_EQ(ext.e_end, end < cut ? end : cut);
		ATF_REQUIRE_STREQ(vm_owner_name(vm_sync_owner(f)),
		    e->e_owner);
	}
}

/* All that the log has is allocated, and nothing else is. */
static void
handed_over(void)
{
	struct vm_audit va;
	struct vm_memrange r;
	struct entry e;
	uint64_t frames = 0, n = 0;
	unsigned i;

	for (i = 0; vm_bootstrap_range(i, &r); i++)
		frames += vm_atop(r.vmr_size);
	for (i = 0; vm_bootstrap_taken(i, &r, &e.e_owner); i++) {
		e.e_start = r.vmr_start;
		e.e_size = r.vmr_size;
		entry_handed_over(&e);
		n += vm_atop(r.vmr_size);
	}
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_frames, frames);
	ATF_REQUIRE_EQ(va.va_allocated, n);
	ATF_REQUIRE_EQ(va.va_free, frames - n);
}

ATF_TC_WITHOUT_HEAD(hand_over);
ATF_TC_BODY(hand_over, tc)
{
	static const struct vm_memrange map[] = {
		{ 0, 640 * KiB }, { MiB, 127 * MiB }, { 4 * GiB, 64 * MiB },
	};
	paddr_t tables, acpi, log;

	(void)tc;
	usermode_physmem_release();
	START(map, { 0, 640 * KiB }, { MiB, 127 * MiB },
	    { 4 * GiB, 64 * MiB });
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(0, 1, "bios"), 0);
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(MiB, 3 * MiB + 1, "kernel"), 0);
	ATF_REQUIRE_EQ(vm_bootstrap_minalign(64 * KiB), 0);
	tables = vm_bootstrap_alloc(5 * PAGE, PAGE, 4 * GiB, "pmap");
	acpi = vm_bootstrap_alloc(PAGE, 1, VM_PADDR_MAX, "acpi");
	/* Over the border of two lists. */
	ATF_REQUIRE_EQ(vm_bootstrap_reserve(15 * MiB, 2 * MiB, "boot"), 0);
	log = vm_bootstrap_alloc(3 * PAGE, PAGE, 16 * MiB, "log");
	ATF_REQUIRE_EQ(log, 15 * MiB - 64 * KiB);
	ATF_REQUIRE_EQ(vm_physseg_init(), 0);
	handed_over();
	ATF_REQUIRE_EQ(vm_bootstrap_alloc(PAGE, PAGE, VM_PADDR_MAX, "x"),
	    VM_PADDR_NONE);

	/* Who was given memory early gives it back late. */
	ATF_REQUIRE_EQ(vm_pglist_free(tables, 5 * PAGE), 0);
	ATF_REQUIRE_EQ(vm_page_free(acpi), 0);
	ATF_REQUIRE_EQ(vm_pglist_free(log, 3 * PAGE), 0);
	ATF_REQUIRE_EQ(vm_pglist_free(15 * MiB, MiB), 0);
	ATF_REQUIRE_EQ(vm_pglist_free(16 * MiB, MiB), 0);
	audit_ok(NULL);
}

/* The same with whatever map, reservations and allocations. */
ATF_TC_WITHOUT_HEAD(hand_over_random);
ATF_TC_BODY(hand_over_random, tc)
{
	static const char *const owners[] = { "a", "b", "c", "d" };
	struct vm_memrange map[4];
	unsigned i, n, round;
	struct rng r;

	usermode_console(NULL);
	rng_init(&r, tc, 3);
	for (round = 0; round < 100; round++) {
		usermode_physmem_release();
		for (n = 0; n < NITEMS(map); n++) {
			map[n].vmr_start = rng_below(&r, 64) * MiB +
			    rng_below(&r, 4) * 4 * GiB;
			map[n].vmr_size = MiB + rng_below(&r, 8192) * KiB;
		}
		ATF_REQUIRE_EQ(vm_bootstrap_start(map, NITEMS(map)), 0);
		ATF_REQUIRE_EQ(vm_bootstrap_minalign(PAGE << rng_below(&r, 6)),
		    0);
		for (i = 0; i < 20; i++) {
			n = (unsigned)rng_below(&r, NITEMS(map));
			if (rng_chance(&r, 3))
				(void)vm_bootstrap_alloc(rng_size(&r, 64 *
				    PAGE), PAGE, VM_PADDR_MAX, owners[n]);
			else
				(void)vm_bootstrap_reserve(map[n].vmr_start +
				    rng_below(&r, map[n].vmr_size - 64 *
				    PAGE), rng_size(&r, 32 * PAGE), owners[n]);
		}
		ATF_REQUIRE_EQ(vm_physseg_init(), 0);
		handed_over();
	}
}

/* Down to the last page, between what is reserved, against an array. */
/* Zeros, or nothing where the kernel has no address. */
ATF_TC_WITHOUT_HEAD(zalloc);
ATF_TC_BODY(zalloc, tc)
{
	static const struct vm_memrange map[] = {
		{ MiB, 15 * MiB }, { GiB << 18, GiB << 18 }
	};
	static const char zeros[3 * PAGE];
	char *va;

	(void)tc;
	START(map, { MiB, 15 * MiB }, { GiB << 18, GiB << 18 });
	va = usermode_physmem_back(MiB, 15 * MiB);
	ATF_REQUIRE(va != NULL);
	memset(va, 0x5a, 15 * MiB);
	ATF_REQUIRE_EQ(vm_bootstrap_zalloc(2 * PAGE + 1, PAGE, 8 * MiB, "a"),
	    8 * MiB - 3 * PAGE);
	ATF_CHECK(memcmp(va + 7 * MiB - 3 * PAGE, zeros, sizeof(zeros)) == 0);
	ATF_CHECK_EQ(va[7 * MiB - 3 * PAGE - 1], 0x5a);
	ATF_CHECK_EQ(va[7 * MiB], 0x5a);
	ATF_REQUIRE_EQ(vm_bootstrap_zalloc(GiB << 18, PAGE, VM_PADDR_MAX,
	    "b"), VM_PADDR_NONE);
	ATF_REQUIRE_EQ(vm_bootstrap_zalloc(0, PAGE, 8 * MiB, "b"),
	    VM_PADDR_NONE);
	TAKEN({ 8 * MiB - 3 * PAGE, 3 * PAGE, "a" });
	vm_bootstrap_end();
	ATF_REQUIRE_EQ(vm_bootstrap_zalloc(PAGE, PAGE, 8 * MiB, "c"),
	    VM_PADDR_NONE);
	usermode_physmem_release();
}

ATF_TC_WITHOUT_HEAD(alloc_random);
ATF_TC_BODY(alloc_random, tc)
{
	struct vm_memrange map[4];
	uint64_t size, align, high, at, a, k;
	bool avail[NPAGES];
	unsigned i, n, step;
	struct rng r;

	rng_init(&r, tc, 2);
	for (i = 0; i < 500; i++) {
		memset(avail, 0, sizeof(avail));
		for (n = 0; n < NITEMS(map); n++) {
			map[n].vmr_start = rng_below(&r, NPAGES - 20) * PAGE;
			map[n].vmr_size = rng_size(&r, 20) * PAGE;
			for (k = 0; k < map[n].vmr_size / PAGE; k++)
				avail[map[n].vmr_start / PAGE + k] = true;
		}
		ATF_REQUIRE_EQ(vm_bootstrap_start(map, NITEMS(map)), 0);
		for (step = 0; step < 40; step++) {
			size = rng_size(&r, 12);
			align = UINT64_C(1) << rng_below(&r, 4);
			high = rng_chance(&r, 2) ? NPAGES :
			    rng_below(&r, NPAGES);
			if (rng_chance(&r, 8)) {
				at = rng_below(&r, NPAGES - 12);
				ATF_REQUIRE_EQ(vm_bootstrap_reserve(at * PAGE,
				    size * PAGE, "x"), 0);
				for (k = 0; k < size; k++)
					avail[at + k] = false;
				continue;
			}
			for (a = high + 1; a-- > 0;) {
				if (a % align != 0 || a + size > high)
					continue;
				for (k = 0; k < size && avail[a + k];)
					k++;
				if (k == size)
					break;
			}
			at = vm_bootstrap_alloc(size * PAGE, align * PAGE,
			    high * PAGE, "x");
			ATF_REQUIRE_EQ(at, a == UINT64_MAX ? VM_PADDR_NONE :
			    a * PAGE);
			for (k = 0; at != VM_PADDR_NONE && k < size; k++)
				avail[a + k] = false;
		}
	}
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, start_plain);
	ATF_TP_ADD_TC(tp, start_unsorted);
	ATF_TP_ADD_TC(tp, start_overlapping);
	ATF_TP_ADD_TC(tp, start_unaligned);
	ATF_TP_ADD_TC(tp, start_zero_length);
	ATF_TP_ADD_TC(tp, start_wrapping);
	ATF_TP_ADD_TC(tp, start_at_the_top);
	ATF_TP_ADD_TC(tp, start_nothing);
	ATF_TP_ADD_TC(tp, start_too_many);
	ATF_TP_ADD_TC(tp, joined_late);
	ATF_TP_ADD_TC(tp, start_random);
	ATF_TP_ADD_TC(tp, exclude);
	ATF_TP_ADD_TC(tp, exclude_splits_full);
	ATF_TP_ADD_TC(tp, exclude_after_reserve);
	ATF_TP_ADD_TC(tp, reserve);
	ATF_TP_ADD_TC(tp, reserve_joins);
	ATF_TP_ADD_TC(tp, reserve_full);
	ATF_TP_ADD_TC(tp, reserve_late);
	ATF_TP_ADD_TC(tp, alloc);
	ATF_TP_ADD_TC(tp, zalloc);
	ATF_TP_ADD_TC(tp, alloc_random);
	ATF_TP_ADD_TC(tp, minalign);
	ATF_TP_ADD_TC(tp, hand_over);
	ATF_TP_ADD_TC(tp, hand_over_random);
	return (atf_no_error());
}
