/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of bus_dma(9).
 *
 * Whatever is asked of an address is checked here on the physical address,
 * by code of its own: an array of frames for what is free, and a loop over
 * single bytes for how a mapping is cut.
 */

#include <atf-c.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/km_map.h>
#include <sys/kmem.h>

#include <vm/vm_pglist.h>

#include "subr_bus_dma_testlib.h"

/* Does the segment keep to the limits?  Not in the words of the code. */
static void
check_segment(const bus_dma_segment_t *seg, bus_addr_t low, bus_addr_t last,
    bus_size_t align, bus_size_t boundary)
{
	bus_addr_t a = seg->ds_addr, end = a + seg->ds_len, line;

	ATF_CHECK_MSG(a >= low && end > a && end - 1 <= last,
	    "0x%jx size 0x%jx is not in [0x%jx, 0x%jx]", (uintmax_t)a,
	    (uintmax_t)seg->ds_len, (uintmax_t)low, (uintmax_t)last);
	ATF_CHECK_MSG((a & (align - 1)) == 0, "0x%jx is not aligned to 0x%jx",
	    (uintmax_t)a, (uintmax_t)align);
	if (boundary != 0) {
		/* The first line after a. */
		line = (a | (boundary - 1)) + 1;
		ATF_CHECK_MSG(line == 0 || end <= line,
		    "0x%jx size 0x%jx crosses 0x%jx", (uintmax_t)a,
		    (uintmax_t)seg->ds_len, (uintmax_t)line);
	}
}

/*
 * Tags.
 */

ATF_TC_WITHOUT_HEAD(tag_errors);
ATF_TC_BODY(tag_errors, tc)
{
	bus_dma_tag_t parent, tag = NULL;
	unsigned tags, maps;

	boot();
	parent = make_tag("parent", 1 * MiB, 2 * MiB - 1);
	ATF_CHECK_EQ(EINVAL, bus_dmatag_create(NULL, "x", 2, 1, &tag, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmatag_create(NULL, "", 0, 1, &tag, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmatag_create(NULL, NULL, 0, 1, &tag, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmatag_create(NULL, "x", 0, 1, &tag,
	    UNKNOWN_FLAG));
	ATF_CHECK_EQ(EINVAL, bus_dmatag_create(parent, "x", 2 * MiB,
	    3 * MiB, &tag, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmatag_create(parent, "x", 0, 1 * MiB - 1,
	    &tag, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmatag_subregion(parent, 3, 2, &tag, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmatag_subregion(parent, 1 * MiB,
	    2 * MiB - 1, &tag, UNKNOWN_FLAG));
	ATF_CHECK_EQ(NULL, tag);
	bus_dma_usage(&tags, &maps);
	ATF_CHECK_EQ(1, tags);
	bus_dmatag_destroy(parent);
	bus_dma_usage(&tags, &maps);
	ATF_CHECK_EQ(0, tags);
	ATF_CHECK_EQ(0, nlines);
}

/* The window of a tag, felt out with segments of one byte and of more. */
static void
check_window(bus_dma_tag_t tag, bus_addr_t first, bus_addr_t last)
{
	bus_dma_segment_t seg = { first, 1 };

	ATF_CHECK_EQ(NULL, bus_dma_check(tag, &seg, 1, 0, 0));
	seg.ds_addr = last;
	ATF_CHECK_EQ(NULL, bus_dma_check(tag, &seg, 1, 0, 0));
	if (last - first != UINT64_MAX) {
		seg = (bus_dma_segment_t){ first, last - first + 1 };
		ATF_CHECK_EQ(NULL, bus_dma_check(tag, &seg, 1, 0, 0));
		seg.ds_len++;
		ATF_CHECK(bus_dma_check(tag, &seg, 1, 0, 0) != NULL);
	}
	if (first != 0) {
		seg = (bus_dma_segment_t){ first - 1, 2 };
		ATF_CHECK(bus_dma_check(tag, &seg, 1, 0, 0) != NULL);
	}
	if (last != UINT64_MAX) {
		seg = (bus_dma_segment_t){ last, 2 };
		ATF_CHECK(bus_dma_check(tag, &seg, 1, 0, 0) != NULL);
		seg = (bus_dma_segment_t){ last + 1, 1 };
		ATF_CHECK(bus_dma_check(tag, &seg, 1, 0, 0) != NULL);
	}
}

ATF_TC_WITHOUT_HEAD(tag_window);
ATF_TC_BODY(tag_window, tc)
{
	bus_dma_tag_t isa, tag;

	boot();
	tag = any_tag();
	check_window(tag, 0, UINT64_MAX);
	bus_dmatag_destroy(tag);

	isa = make_tag("isa", 0x1000, 0xffffff);
	check_window(isa, 0x1000, 0xffffff);
	/* A child is cut on either side, and never exceeds its parent. */
	ATF_REQUIRE_EQ(0, bus_dmatag_subregion(isa, 0, BUS_ADDR_MAX, &tag, 0));
	check_window(tag, 0x1000, 0xffffff);
	bus_dmatag_destroy(tag);
	ATF_REQUIRE_EQ(0, bus_dmatag_subregion(isa, 0x8000, 0x1ffffff, &tag,
	    0));
	check_window(tag, 0x8000, 0xffffff);
	bus_dmatag_destroy(tag);
	ATF_REQUIRE_EQ(0, bus_dmatag_subregion(isa, 0, 0x1000, &tag, 0));
	check_window(tag, 0x1000, 0x1000);
	/* It does not need its parent any more. */
	bus_dmatag_destroy(isa);
	check_window(tag, 0x1000, 0x1000);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(0, nlines);
}

/* Many tags; with no memory left, no more of them. */
ATF_TC_WITHOUT_HEAD(tag_many);
ATF_TC_BODY(tag_many, tc)
{
	static bus_dma_tag_t tags[200000];
	unsigned i, n, maps, last;
	uint64_t before;

	boot();
	before = free_frames();
	for (n = 0; n < NITEMS(tags); n++)
		if (bus_dmatag_create(NULL, "many", 0, n, &tags[n], 0) != 0)
			break;
	ATF_REQUIRE(n > 1000 && n < NITEMS(tags));
	ATF_CHECK_EQ(ENOMEM, bus_dmatag_subregion(tags[0], 0, 1, &tags[n],
	    0));
	bus_dma_usage(&last, &maps);
	ATF_CHECK_EQ(n, last);
	for (i = n; i-- > 0;)
		bus_dmatag_destroy(tags[i]);
	bus_dma_usage(&last, &maps);
	ATF_CHECK_EQ(0, last);
	ATF_CHECK_EQ(before, free_frames());
	ATF_CHECK_EQ(0, nlines);
}

/* A tag is there as long as its maps; destroying either twice does no harm. */
ATF_TC_WITHOUT_HEAD(tag_destroy);
ATF_TC_BODY(tag_destroy, tc)
{
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	unsigned tags, maps;

	boot();
	tag = any_tag();
	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, PAGE, 1, PAGE, 0,
	    BUS_DMA_NOWAIT, &map));
	bus_dmatag_destroy(tag);
	bus_dma_usage(&tags, &maps);
	ATF_CHECK_EQ(1, tags);
	ATF_CHECK_EQ(1, maps);
	/* The map is listed. */
	ATF_CHECK_EQ(1, nlines);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(2, nlines);
	bus_dma_usage(&tags, &maps);
	ATF_CHECK_EQ(1, tags);
	bus_dmamap_destroy(tag, map);
	bus_dma_usage(&tags, &maps);
	ATF_CHECK_EQ(0, tags);
	ATF_CHECK_EQ(0, maps);
	ATF_CHECK_EQ(2, nlines);
	bus_dmamap_destroy(tag, map);
	ATF_CHECK_EQ(3, nlines);
	bus_dma_usage(&tags, &maps);
	ATF_CHECK_EQ(0, tags);
	ATF_CHECK_EQ(0, maps);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(4, nlines);
	bus_dma_usage(&tags, &maps);
	ATF_CHECK_EQ(0, tags);
}

/* Memory is owned in the name of the tag. */
ATF_TC_WITHOUT_HEAD(tag_owner);
ATF_TC_BODY(tag_owner, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(64 * KiB);
	struct vm_pgexplain expl;
	bus_dma_segment_t seg;
	bus_dma_tag_t tag;

	boot();
	tag = make_tag("a name that is too long", TOP - 64 * KiB,
	    BUS_ADDR_MAX);
	ATF_REQUIRE_EQ(0, alloc1(tag, 8 * KiB, PAGE, 0, &seg));
	req.vpr_low = TOP - 64 * KiB;
	ATF_REQUIRE_EQ(0, vm_pglist_explain(&req, &expl));
	ATF_CHECK_EQ(seg.ds_addr, expl.vpe_pin);
	ATF_CHECK_EQ(8 * KiB, expl.vpe_pinsize);
	ATF_CHECK_STREQ("a name that is ", vm_owner_name(expl.vpe_owner));
	bus_dmamem_free(tag, &seg, 1);
	bus_dmatag_destroy(tag);
}

/*
 * The predicate that guards what drivers get.
 */
ATF_TC_WITHOUT_HEAD(check);
ATF_TC_BODY(check, tc)
{
	bus_dma_segment_t seg;
	bus_dma_tag_t tag;

	boot();
	tag = any_tag();
	seg = (bus_dma_segment_t){ 0x12340, 0 };
	ATF_CHECK_STREQ("empty", bus_dma_check(tag, &seg, 1, 0, 0));
	seg.ds_len = 0x10;
	ATF_CHECK_EQ(NULL, bus_dma_check(tag, &seg, 0x40, 0x10, 0x10));
	ATF_CHECK_STREQ("not aligned", bus_dma_check(tag, &seg, 0x80, 0, 0));
	ATF_CHECK_STREQ("too long", bus_dma_check(tag, &seg, 1, 0, 0xf));
	ATF_CHECK_STREQ("crosses the boundary", bus_dma_check(tag, &seg, 1,
	    0x8, 0));
	/* To a line, and one byte over it. */
	seg = (bus_dma_segment_t){ 0x1fff0, 0x10 };
	ATF_CHECK_EQ(NULL, bus_dma_check(tag, &seg, 1, 0x10000, 0));
	seg.ds_len++;
	ATF_CHECK_STREQ("crosses the boundary", bus_dma_check(tag, &seg, 1,
	    0x10000, 0));
	/* The end of the address space is no beginning. */
	seg = (bus_dma_segment_t){ UINT64_MAX - 0xfff, 0x1000 };
	ATF_CHECK_EQ(NULL, bus_dma_check(tag, &seg, 0x1000, 0x1000, 0));
	seg.ds_len++;
	ATF_CHECK_STREQ("outside the device's window", bus_dma_check(tag,
	    &seg, 1, 0, 0));
	bus_dmatag_destroy(tag);
}

/*
 * Memory.
 */

ATF_TC_WITHOUT_HEAD(mem_errors);
ATF_TC_BODY(mem_errors, tc)
{
	static const struct {
		bus_size_t size, align, boundary;
		int nsegs, flags, error;
	} t[] = {
		{ 0, PAGE, 0, 1, 0, EINVAL },
		{ UINT64_MAX, PAGE, 0, 1, 0, EINVAL },
		{ UINT64_MAX - PAGE + 2, PAGE, 0, 1, 0, EINVAL },
		{ PAGE, 0, 0, 1, 0, EINVAL },
		{ PAGE, 3, 0, 1, 0, EINVAL },
		{ PAGE, 3 * PAGE, 0, 1, 0, EINVAL },
		{ PAGE, PAGE, 3 * PAGE, 1, 0, EINVAL },
		{ PAGE, PAGE, PAGE / 2, 1, 0, EINVAL },
		{ 2 * PAGE, PAGE, PAGE, 1, 0, EINVAL },
		{ PAGE, PAGE, 0, 0, 0, EINVAL },
		{ PAGE, PAGE, 0, -1, 0, EINVAL },
		{ PAGE, PAGE, 0, 1, UNKNOWN_FLAG, EINVAL },
		{ 64 * GiB, PAGE, 0, 1, 0, ENOMEM },
		{ 64 * GiB, PAGE, 0, 64, 0, ENOMEM },
		{ PAGE, TOP / 2, 0, 1, 0, ENOMEM },
	};
	bus_dma_segment_t segs[64];
	bus_dma_tag_t tag, hole;
	uint64_t before;
	size_t i;
	int n;

	boot();
	/* Without page 0 and the top, no address is a multiple of TOP / 2. */
	tag = make_tag("most", 0, TOP - 64 * KiB - 1);
	before = free_frames();
	for (i = 0; i < NITEMS(t); i++) {
		n = 99;
		ATF_CHECK_EQ_MSG(t[i].error, bus_dmamem_alloc(tag, t[i].size,
		    t[i].align, t[i].boundary, segs, t[i].nsegs, &n,
		    t[i].flags | BUS_DMA_NOWAIT), "case %zu", i);
		ATF_CHECK_EQ_MSG(0, n, "case %zu", i);
	}
	hole = make_tag("hole", 15 * MiB, 16 * MiB - 1);
	ATF_CHECK_EQ(ENOMEM, alloc1(hole, PAGE, PAGE, 0, segs));
	ATF_CHECK_EQ(before, free_frames());
	bus_dmatag_destroy(hole);
	bus_dmatag_destroy(tag);
}

/* One page, odd sizes: what is asked for, in whole pages, and no more. */
ATF_TC_WITHOUT_HEAD(mem_size);
ATF_TC_BODY(mem_size, tc)
{
	static const bus_size_t sizes[] = { 1, PAGE - 1, PAGE, PAGE + 1,
	    3 * PAGE, 7 * PAGE - 5, 1 * MiB + 1 };
	bus_dma_segment_t seg;
	bus_dma_tag_t tag;
	uint64_t before, pages;
	size_t i;

	boot();
	/* No books of ours among what is counted. */
	ATF_CHECK(bus_dma_checking(false));
	tag = any_tag();
	before = free_frames();
	for (i = 0; i < NITEMS(sizes); i++) {
		pages = (sizes[i] + PAGE - 1) / PAGE;
		ATF_REQUIRE_EQ(0, alloc1(tag, sizes[i], 1, 0, &seg));
		ATF_CHECK_EQ(pages * PAGE, seg.ds_len);
		ATF_CHECK_EQ(before - pages, free_frames());
		bus_dmamem_free(tag, &seg, 1);
		ATF_CHECK_EQ(before, free_frames());
	}
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(0, nlines);
}

/*
 * The frames below 32 MiB as a plain array: what is managed and not ours.
 */
#define	MODEL_END	(32 * MiB)
#define	MODEL_FRAMES	(MODEL_END / PAGE)

static bool is_free[MODEL_FRAMES];

static void
model_init(void)
{
	uint64_t f, pa, used = 0;
	struct vm_audit va = audit();
	size_t i;

	for (f = 0; f < MODEL_FRAMES; f++) {
		pa = f * PAGE;
		is_free[f] = false;
		for (i = 0; i < nranges; i++)
			if (pa >= ranges[i].vmr_start &&
			    pa - ranges[i].vmr_start < ranges[i].vmr_size)
				is_free[f] = true;
	}
	/*
	 * The allocator's own pages lie at the top of some memory: find them
	 * by asking for each frame.
	 */
	for (f = 0; f < MODEL_FRAMES; f++) {
		if (!is_free[f])
			continue;
		if (vm_pglist_reserve(f * PAGE, PAGE, VM_OWNER_NONE) != 0) {
			is_free[f] = false;
			used++;
		} else
			ATF_REQUIRE_EQ(0, vm_pglist_free(f * PAGE, PAGE));
	}
	ATF_REQUIRE(used <= va.va_allocated);
}

static void
model_set(const bus_dma_segment_t *seg, bool value)
{
	uint64_t f;

	for (f = seg->ds_addr / PAGE;
	    f < (seg->ds_addr + seg->ds_len) / PAGE; f++) {
		if (f >= MODEL_FRAMES)
			continue;
		ATF_REQUIRE_MSG(is_free[f] != value, "frame 0x%jx",
		    (uintmax_t)f);
		is_free[f] = value;
	}
}

/* Is there a run?  By trying each place. */
static bool
model_exists(uint64_t size, uint64_t align, uint64_t boundary, uint64_t low,
    uint64_t last)
{
	uint64_t a, f, n = (size + PAGE - 1) / PAGE, run;

	if (align < PAGE)
		align = PAGE;
	for (a = (low + align - 1) / align * align;
	    a + n * PAGE - 1 <= last && a + n * PAGE <= MODEL_END;
	    a += align) {
		if (boundary != 0 &&
		    a / boundary != (a + n * PAGE - 1) / boundary)
			continue;
		f = a / PAGE;
		for (run = 0; run < n && is_free[f + run]; run++)
			continue;
		if (run == n)
			return (true);
	}
	return (false);
}

/*
 * Exactly the request that the allocator exists for, until it fails, on a map
 * with holes of every kind: then there is really none left.
 */
/* Zeros on demand, in several segments, too. */
ATF_TC_WITHOUT_HEAD(mem_zero);
ATF_TC_BODY(mem_zero, tc)
{
	static char zeros[8 * PAGE];
	bus_dma_segment_t segs[8];
	bus_dma_tag_t tag;
	uint64_t before;
	int i, n, nsegs;
	void *va;

	boot();
	tag = any_tag();
	before = free_frames();
	for (nsegs = 1; nsegs <= 8; nsegs *= 8) {
		/* What is free now holds something else. */
		ATF_REQUIRE_EQ(0, bus_dmamem_alloc(tag, 64 * PAGE, PAGE, 0,
		    segs, 1, &n, BUS_DMA_NOWAIT));
		memset(vm_md_phystov(segs[0].ds_addr, 64 * PAGE), 0x5a,
		    64 * PAGE);
		bus_dmamem_free(tag, segs, n);
		ATF_REQUIRE_EQ(0, bus_dmamem_alloc(tag, 8 * PAGE, PAGE,
		    nsegs == 1 ? 0 : PAGE, segs, nsegs, &n,
		    BUS_DMA_NOWAIT | BUS_DMA_ZERO));
		ATF_CHECK_EQ(nsegs, n);
		for (i = 0; i < n; i++) {
			va = vm_md_phystov(segs[i].ds_addr, segs[i].ds_len);
			ATF_CHECK(memcmp(va, zeros, segs[i].ds_len) == 0);
		}
		bus_dmamem_free(tag, segs, n);
	}
	ATF_CHECK_EQ(before, free_frames());
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(0, nlines);
}

ATF_TC_WITHOUT_HEAD(mem_historical);
ATF_TC_BODY(mem_historical, tc)
{
	static bus_dma_segment_t got[1024];
	bus_dma_segment_t seg;
	bus_dma_tag_t tag;
	uint64_t before, f;
	unsigned n = 0, i;

	boot();
	before = free_frames();
	model_init();
	/* Age: a third of the low pages belong to somebody. */
	for (f = 0; f < 16 * MiB / PAGE; f++) {
		if (!is_free[f] || rnd(3) != 0)
			continue;
		ATF_REQUIRE_EQ(0, vm_pglist_reserve(f * PAGE, PAGE,
		    vm_owner_register("age")));
		is_free[f] = false;
	}
	tag = make_tag("fdc0", 0, 0xffffff);
	while (n < NITEMS(got) &&
	    alloc1(tag, 16 * KiB, 8 * KiB, 64 * KiB, &seg) == 0) {
		ATF_CHECK_EQ(16 * KiB, seg.ds_len);
		check_segment(&seg, 0, 0xffffff, 8 * KiB, 64 * KiB);
		model_set(&seg, false);
		got[n++] = seg;
	}
	ATF_REQUIRE(n > 0 && n < NITEMS(got));
	ATF_CHECK(!model_exists(16 * KiB, 8 * KiB, 64 * KiB, 0, 0xffffff));

	/* Why not: one line, and it begins as it should. */
	nlines = 0;
	bus_dmamem_explain(tag, "fdc0: no", 16 * KiB, 8 * KiB, 64 * KiB);
	ATF_CHECK_EQ(1, nlines);
	ATF_CHECK_EQ_MSG(0, strncmp(lastline, "fdc0: no: wanted 16k, ", 22),
	    "%s", lastline);
	ATF_CHECK_EQ(strlen(lastline) - 1, strcspn(lastline, "\n"));

	for (i = 0; i < n; i++) {
		bus_dmamem_free(tag, &got[i], 1);
		model_set(&got[i], true);
	}
	ATF_CHECK(model_exists(16 * KiB, 8 * KiB, 64 * KiB, 0, 0xffffff));
	ATF_CHECK_EQ(0, alloc1(tag, 16 * KiB, 8 * KiB, 64 * KiB, &seg));
	bus_dmamem_free(tag, &seg, 1);
	bus_dmatag_destroy(tag);
	ATF_CHECK(free_frames() < before);
	ATF_CHECK_EQ(1, nlines);
}

/*
 * Random requests against the array of frames: a request fails only if no
 * place for it exists, and what it gets is free and as asked for.
 */

struct exact {
	bus_dma_tag_t	tag;
	bus_dma_segment_t seg;
	uint64_t	low, last;	/* of the tag; inclusive */
	uint64_t	size, align, boundary;
};

static void
exact_random(struct exact *x)
{
	uint64_t swap;

	x->low = rnd(MODEL_END);
	x->last = rnd(MODEL_END);
	if (rnd(3) == 0) {		/* also narrow windows */
		x->low &= ~(PAGE - 1);
		x->last = x->low + (1 + rnd(40)) * PAGE - 1;
	}
	if (x->low > x->last) {
		swap = x->low;
		x->low = x->last;
		x->last = swap;
	}
	if (x->last >= MODEL_END)
		x->last = MODEL_END - 1;
	x->size = 1 + rnd(UINT64_C(1) << (10 + rnd(11)));
	x->align = UINT64_C(1) << rnd(21);
	x->boundary = 0;
	if (rnd(2) == 0)
		for (x->boundary = PAGE << rnd(6); x->boundary < x->size;)
			x->boundary *= 2;
}

/* => false: there is no such memory, rightly. */
static bool
exact_take(struct exact *x)
{
	bool exists = model_exists(x->size, x->align, x->boundary, x->low,
	    x->last);
	int error;

	x->tag = make_tag("random", x->low, x->last);
	error = alloc1(x->tag, x->size, x->align, x->boundary, &x->seg);
	ATF_CHECK_EQ_MSG(exists ? 0 : ENOMEM, error,
	    "size 0x%jx align 0x%jx boundary 0x%jx in [0x%jx, 0x%jx]",
	    (uintmax_t)x->size, (uintmax_t)x->align, (uintmax_t)x->boundary,
	    (uintmax_t)x->low, (uintmax_t)x->last);
	if (error != 0) {
		bus_dmatag_destroy(x->tag);
		return (false);
	}
	check_segment(&x->seg, x->low, x->last, x->align, x->boundary);
	ATF_CHECK_EQ((x->size + PAGE - 1) / PAGE * PAGE, x->seg.ds_len);
	model_set(&x->seg, false);
	return (true);
}

static void
exact_give(struct exact *x)
{

	bus_dmamem_free(x->tag, &x->seg, 1);
	bus_dmatag_destroy(x->tag);
	model_set(&x->seg, true);
}

ATF_TC_WITHOUT_HEAD(mem_exact);
ATF_TC_BODY(mem_exact, tc)
{
	static struct exact live[256];
	unsigned nlive = 0, round, rounds, i, failed = 0, done = 0;
	uint64_t before;

	boot();
	before = free_frames();
	model_init();
	rounds = atf_tc_has_config_var(tc, "long") ? 20000000 :
	    100000;
	for (round = 0; round < rounds; round++) {
		if (nlive == NITEMS(live) || (nlive > 0 && rnd(5) < 2)) {
			i = (unsigned)rnd(nlive);
			exact_give(&live[i]);
			live[i] = live[--nlive];
			continue;
		}
		exact_random(&live[nlive]);
		if (exact_take(&live[nlive])) {
			nlive++;
			done++;
		} else
			failed++;
	}
	/* The mixture is one: both answers were seen often. */
	ATF_CHECK_MSG(failed > 200 && done > 200, "%u failed, %u done", failed,
	    done);
	while (nlive > 0)
		exact_give(&live[--nlive]);
	ATF_CHECK_EQ(before, free_frames());
	ATF_CHECK_EQ(0, nlines);
}

/* A window that begins and ends inside free memory, and fits exactly. */
ATF_TC_WITHOUT_HEAD(mem_window_inside);
ATF_TC_BODY(mem_window_inside, tc)
{
	bus_addr_t first;
	bus_dma_segment_t seg;
	bus_dma_tag_t tag;

	boot();
	for (first = 2 * MiB + PAGE; first < 2 * MiB + 64 * KiB;
	    first += 3 * PAGE) {
		tag = make_tag("inside", first, first + 4 * PAGE - 1);
		ATF_REQUIRE_EQ(0, alloc1(tag, 4 * PAGE, PAGE, 0, &seg));
		ATF_CHECK_EQ(first, seg.ds_addr);
		bus_dmamem_free(tag, &seg, 1);
		bus_dmatag_destroy(tag);
		/* A byte less is a page less. */
		tag = make_tag("inside", first + 1, first + 4 * PAGE - 1);
		ATF_CHECK_EQ(ENOMEM, alloc1(tag, 4 * PAGE, PAGE, 0, &seg));
		bus_dmatag_destroy(tag);
		tag = make_tag("inside", first, first + 4 * PAGE - 2);
		ATF_CHECK_EQ(ENOMEM, alloc1(tag, 4 * PAGE, PAGE, 0, &seg));
		bus_dmatag_destroy(tag);
	}
}

/* Alignment and boundary count from address 0, not from a segment's start. */
ATF_TC_WITHOUT_HEAD(mem_odd_start);
ATF_TC_BODY(mem_odd_start, tc)
{
	const bus_addr_t start = 4 * GiB + 0x5000, last = start + 4 * MiB - 1;
	static bus_dma_segment_t got[64];
	bus_dma_tag_t tag;
	unsigned n = 0;

	boot();
	tag = make_tag("odd", start, last);
	while (n < NITEMS(got) &&
	    alloc1(tag, 48 * KiB, 32 * KiB, 64 * KiB, &got[n]) == 0) {
		check_segment(&got[n], start, last, 32 * KiB, 64 * KiB);
		n++;
	}
	/* One for each 64 KiB that lie in it whole, at most. */
	ATF_CHECK_MSG(n >= 55 && n <= 63, "%u", n);
	while (n > 0)
		bus_dmamem_free(tag, &got[--n], 1);
	bus_dmatag_destroy(tag);
}

/* Memory that ends at the highest address of all. */
ATF_TC_WITHOUT_HEAD(mem_top);
ATF_TC_BODY(mem_top, tc)
{
	static const bus_addr_t lasts[] = { TOP - 1, TOP, BUS_ADDR_MAX };
	bus_dma_segment_t seg, again;
	bus_dma_tag_t tag;
	bus_size_t have;
	size_t i;

	boot();
	for (i = 0; i < NITEMS(lasts); i++) {
		tag = make_tag("top", TOP - 64 * KiB, lasts[i]);
		/* All that the allocator left there for us. */
		for (have = 64 * KiB; have > 0; have -= PAGE)
			if (alloc1(tag, have, PAGE, 64 * KiB, &seg) == 0)
				break;
		ATF_REQUIRE(have >= PAGE);
		check_segment(&seg, TOP - 64 * KiB, TOP - 1, PAGE, 64 * KiB);
		ATF_CHECK_EQ(ENOMEM, alloc1(tag, have, PAGE, 0, &again));
		bus_dmamem_free(tag, &seg, 1);
		ATF_CHECK_EQ(0, alloc1(tag, have, PAGE, 0, &again));
		ATF_CHECK_EQ(seg.ds_addr, again.ds_addr);
		bus_dmamem_free(tag, &again, 1);
		bus_dmatag_destroy(tag);
	}
	audit();
}

/* Every other page of [4M, 4M + 64K) is ours: only single pages are free. */
static void
make_comb(void)
{
	uint64_t i;

	for (i = 0; i < 16; i += 2)
		ATF_REQUIRE_EQ(0, vm_pglist_reserve(4 * MiB + i * PAGE, PAGE,
		    vm_owner_register("comb")));
}

ATF_TC_WITHOUT_HEAD(mem_segments);
ATF_TC_BODY(mem_segments, tc)
{
	bus_dma_segment_t segs[64];
	bus_dma_tag_t tag, keep;
	uint64_t before;
	int i, n;

	boot();
	make_comb();
	/* No books of ours among what is counted. */
	ATF_CHECK(bus_dma_checking(false));
	keep = any_tag();
	before = free_frames();
	tag = make_tag("comb", 4 * MiB, 4 * MiB + 64 * KiB - 1);
	/* Eight single pages: enough, but not in seven segments. */
	ATF_CHECK_EQ(ENOMEM, bus_dmamem_alloc(tag, 2 * PAGE, PAGE, 0, segs, 1,
	    &n, BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(0, n);
	ATF_CHECK_EQ(EFBIG, bus_dmamem_alloc(tag, 8 * PAGE, PAGE, 0, segs, 7,
	    &n, BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(0, n);
	ATF_CHECK_EQ(ENOMEM, bus_dmamem_alloc(tag, 9 * PAGE, PAGE, 0, segs, 9,
	    &n, BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(0, n);
	ATF_CHECK_EQ(before, free_frames());
	ATF_REQUIRE_EQ(0, bus_dmamem_alloc(tag, 8 * PAGE, PAGE, PAGE, segs, 64,
	    &n, BUS_DMA_NOWAIT));
	ATF_REQUIRE_EQ(8, n);
	for (i = 0; i < n; i++) {
		ATF_CHECK_EQ(PAGE, segs[i].ds_len);
		check_segment(&segs[i], 4 * MiB, 4 * MiB + 64 * KiB - 1, PAGE,
		    PAGE);
	}
	bus_dmamem_free(tag, segs, n);
	ATF_CHECK_EQ(before, free_frames());
	bus_dmatag_destroy(tag);
	bus_dmatag_destroy(keep);
	ATF_CHECK_EQ(0, nlines);
}

ATF_TC_WITHOUT_HEAD(mem_segments_many);
ATF_TC_BODY(mem_segments_many, tc)
{
	bus_dma_segment_t segs[150], all;
	bus_dma_tag_t tag;
	uint64_t before;
	int i, n;

	boot();
	/* No books of ours among what is counted. */
	ATF_CHECK(bus_dma_checking(false));
	tag = any_tag();
	before = free_frames();
	/* As few as possible: one, although many are allowed. */
	ATF_REQUIRE_EQ(0, bus_dmamem_alloc(tag, 1 * MiB, PAGE, 0, segs, 64,
	    &n, BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(1, n);
	bus_dmamem_free(tag, segs, n);
	/* A boundary below the size is fine with several. */
	ATF_REQUIRE_EQ(0, bus_dmamem_alloc(tag, 256 * KiB, 64 * KiB, 64 * KiB,
	    segs, 4, &n, BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(4, n);
	for (i = 0; i < n; i++)
		check_segment(&segs[i], 0, BUS_ADDR_MAX, 64 * KiB, 64 * KiB);
	bus_dmamem_free(tag, segs, n);
	/* So many that memory is needed to ask for them. */
	ATF_REQUIRE_EQ(0, bus_dmamem_alloc(tag, NITEMS(segs) * PAGE, PAGE,
	    PAGE, segs, (int)NITEMS(segs), &n, BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(NITEMS(segs), n);
	for (i = 0; i < n; i++)
		check_segment(&segs[i], 0, BUS_ADDR_MAX, PAGE, PAGE);
	bus_dmamem_free(tag, segs, n);
	ATF_CHECK_EQ(EFBIG, bus_dmamem_alloc(tag, NITEMS(segs) * PAGE, PAGE,
	    PAGE, segs, (int)NITEMS(segs) - 1, &n, BUS_DMA_NOWAIT));
	ATF_REQUIRE_EQ(0, bus_dmamem_alloc(tag, 2 * PAGE, PAGE, PAGE, segs,
	    INT32_MAX, &n, BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(2, n);
	bus_dmamem_free(tag, segs, n);
	ATF_CHECK_EQ(before, free_frames());
	ATF_CHECK_EQ(0, alloc1(tag, PAGE, PAGE, 0, &all));
	bus_dmamem_free(tag, &all, 1);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(0, nlines);
}

/* A free with another size, from the middle, or twice changes nothing. */
ATF_TC_WITHOUT_HEAD(mem_bad_free);
ATF_TC_BODY(mem_bad_free, tc)
{
	bus_dma_segment_t seg, bad;
	bus_dma_tag_t tag;
	uint64_t before, held;

	boot();
	tag = any_tag();
	before = free_frames();
	ATF_REQUIRE_EQ(0, alloc1(tag, 4 * PAGE, PAGE, 0, &seg));
	held = free_frames();
	bad = (bus_dma_segment_t){ seg.ds_addr, 2 * PAGE };
	bus_dmamem_free(tag, &bad, 1);
	bad = (bus_dma_segment_t){ seg.ds_addr, 8 * PAGE };
	bus_dmamem_free(tag, &bad, 1);
	bad = (bus_dma_segment_t){ seg.ds_addr + PAGE, 3 * PAGE };
	bus_dmamem_free(tag, &bad, 1);
	bad = (bus_dma_segment_t){ seg.ds_addr + 1, 4 * PAGE };
	bus_dmamem_free(tag, &bad, 1);
	bad = (bus_dma_segment_t){ 15 * MiB, PAGE };
	bus_dmamem_free(tag, &bad, 1);
	ATF_CHECK_EQ(held, free_frames());
	bus_dmamem_free(tag, &seg, 1);
	ATF_CHECK_EQ(before, free_frames());
	bus_dmamem_free(tag, &seg, 1);
	ATF_CHECK_EQ(before, free_frames());
	ATF_CHECK(nlines > 0);
	bus_dmatag_destroy(tag);
}

/*
 * Two segments that the direct map, where base shows bytes that tell their
 * place, has in the other order.
 */
static void
map_scattered(bus_dma_tag_t tag, bus_dma_segment_t *two, unsigned char *base)
{
	bus_dma_segment_t low = two[1];
	unsigned char *p;
	void *kva;
	bus_size_t i, at;

	ATF_REQUIRE_EQ(0, bus_dmamem_map(tag, two, 2, 6 * PAGE - 7, &kva, 0));
	p = kva;
	for (i = 0; i < 6 * PAGE - 7; i++) {
		at = i < two[0].ds_len ? two[0].ds_addr - low.ds_addr + i :
		    i - two[0].ds_len;
		ATF_REQUIRE_EQ(base[at], p[i]);
	}
	p[0]++;
	ATF_CHECK_EQ(p[0], base[two[0].ds_addr - low.ds_addr]);
	p[0]--;
	bus_dmamem_unmap(tag, kva, 6 * PAGE - 7);
	/* A second unmap has nothing to end, and is told so. */
	ATF_CHECK_EQ(0, nlines);
	bus_dmamem_unmap(tag, kva, 6 * PAGE - 7);
	ATF_CHECK_EQ(1, nlines);
}

ATF_TC_WITHOUT_HEAD(mem_map);
ATF_TC_BODY(mem_map, tc)
{
	bus_dma_segment_t seg, two[2];
	bus_dma_tag_t tag;
	void *kva = NULL, *again;
	unsigned char *p;
	bus_size_t i;

	boot();
	ATF_REQUIRE(usermode_physmem_back(16 * MiB, 16 * MiB) != NULL);
	tag = make_tag("map", 16 * MiB, 32 * MiB - 1);
	ATF_REQUIRE_EQ(0, alloc1(tag, 64 * KiB, PAGE, 0, &seg));
	ATF_REQUIRE_EQ(0, bus_dmamem_map(tag, &seg, 1, 64 * KiB, &kva, 0));
	p = kva;
	for (i = 0; i < 64 * KiB; i++)
		p[i] = (unsigned char)(i * 7 >> 3);
	for (i = 0; i < 64 * KiB; i += PAGE)
		ATF_CHECK_EQ(seg.ds_addr + i, vm_md_vtophys(p + i));
	/* The same memory again has the same contents. */
	ATF_REQUIRE_EQ(0, bus_dmamem_map(tag, &seg, 1, 1, &again,
	    BUS_DMA_COHERENT));
	for (i = 0; i < 64 * KiB; i++)
		ATF_REQUIRE_EQ((unsigned char)(i * 7 >> 3),
		    ((unsigned char *)again)[i]);
	bus_dmamem_unmap(tag, again, 1);

	/* Segments that follow one another, and such that do not. */
	two[0] = (bus_dma_segment_t){ seg.ds_addr, 4 * PAGE };
	two[1] = (bus_dma_segment_t){ seg.ds_addr + 4 * PAGE, 2 * PAGE };
	ATF_CHECK_EQ(0, bus_dmamem_map(tag, two, 2, 6 * PAGE, &again, 0));
	ATF_CHECK_EQ(kva, again);
	bus_dmamem_unmap(tag, again, 6 * PAGE);
	two[1].ds_addr = seg.ds_addr;
	two[0].ds_addr = seg.ds_addr + 2 * PAGE;
	map_scattered(tag, two, p);

	again = NULL;
	ATF_CHECK_EQ(EINVAL, bus_dmamem_map(tag, &seg, 1, 0, &again, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmamem_map(tag, &seg, 1, 64 * KiB + 1,
	    &again, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmamem_map(tag, &seg, 0, 1, &again, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmamem_map(tag, &seg, 1, 1, &again,
	    UNKNOWN_FLAG));
	ATF_CHECK_EQ(NULL, again);
	/* Pages begin and end with pages. */
	two[0] = (bus_dma_segment_t){ seg.ds_addr + 1, PAGE };
	ATF_CHECK_EQ(EINVAL, bus_dmamem_map(tag, two, 1, 1, &again, 0));
	two[0] = (bus_dma_segment_t){ seg.ds_addr, PAGE - 1 };
	ATF_CHECK_EQ(EINVAL, bus_dmamem_map(tag, two, 2, PAGE, &again, 0));
	two[0] = (bus_dma_segment_t){ UINT64_MAX - PAGE + 1, 2 * PAGE };
	ATF_CHECK_EQ(EINVAL, bus_dmamem_map(tag, two, 1, 1, &again, 0));
	ATF_CHECK_EQ(NULL, again);
	bus_dmamem_unmap(tag, kva, 64 * KiB);
	bus_dmamem_free(tag, &seg, 1);
	/* What the kernel has no address for. */
	seg = (bus_dma_segment_t){ TOP - PAGE, 2 * PAGE };
	ATF_CHECK_EQ(ENOMEM, bus_dmamem_map(tag, &seg, 1, 2 * PAGE, &again,
	    0));
	bus_dmatag_destroy(tag);
}

ATF_TC_WITHOUT_HEAD(mem_mmap);
ATF_TC_BODY(mem_mmap, tc)
{
	bus_dma_segment_t segs[3] = {
		{ 5 * MiB, 2 * PAGE }, { 9 * MiB, PAGE },
		{ TOP - 2 * PAGE, 2 * PAGE }
	};
	static const paddr_t pages[] = { 5 * MiB, 5 * MiB + PAGE, 9 * MiB,
	    TOP - 2 * PAGE, TOP - PAGE };
	const paddr_t none = (paddr_t)-1;
	bus_dma_tag_t tag;
	size_t i;

	boot();
	tag = any_tag();
	for (i = 0; i < NITEMS(pages); i++)
		ATF_CHECK_EQ(pages[i], bus_dmamem_mmap(tag, segs, 3,
		    (int64_t)(i * PAGE), 3, 0));
	ATF_CHECK_EQ(none, bus_dmamem_mmap(tag, segs, 3, 5 * PAGE, 3, 0));
	ATF_CHECK_EQ(none, bus_dmamem_mmap(tag, segs, 2, 3 * PAGE, 3, 0));
	ATF_CHECK_EQ(none, bus_dmamem_mmap(tag, segs, 0, 0, 3, 0));
	ATF_CHECK_EQ(none, bus_dmamem_mmap(tag, segs, -1, 0, 3, 0));
	ATF_CHECK_EQ(none, bus_dmamem_mmap(tag, segs, 3, 1, 3, 0));
	ATF_CHECK_EQ(none, bus_dmamem_mmap(tag, segs, 3, -(int64_t)PAGE, 3,
	    0));
	ATF_CHECK_EQ(none, bus_dmamem_mmap(tag, segs, 3, INT64_MIN, 3, 0));
	ATF_CHECK_EQ(none, bus_dmamem_mmap(tag, segs, 3, 0, 8, 0));
	ATF_CHECK_EQ(none, bus_dmamem_mmap(tag, segs, 3, 0, 3,
	    UNKNOWN_FLAG));
	bus_dmatag_destroy(tag);
}

/*
 * Maps.
 */

ATF_TC_WITHOUT_HEAD(map_create_errors);
ATF_TC_BODY(map_create_errors, tc)
{
	bus_dmamap_t map = NULL;
	bus_dma_tag_t tag;
	unsigned tags, maps;
	uint64_t before;

	boot();
	tag = any_tag();
	before = free_frames();
	ATF_CHECK_EQ(EINVAL, bus_dmamap_create(tag, 0, 1, 1, 0, 0, &map));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_create(tag, 1, 0, 1, 0, 0, &map));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_create(tag, 1, -1, 1, 0, 0, &map));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_create(tag, 1, 1, 0, 0, 0, &map));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_create(tag, 1, 1, 1, 3, 0, &map));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_create(tag, 1, 1, 1, 0, UNKNOWN_FLAG,
	    &map));
	ATF_CHECK_EQ(ENOMEM, bus_dmamap_create(tag, 1, INT32_MAX, 1, 0,
	    BUS_DMA_NOWAIT, &map));
	ATF_CHECK_EQ(NULL, map);
	bus_dma_usage(&tags, &maps);
	ATF_CHECK_EQ(1, tags);
	ATF_CHECK_EQ(0, maps);
	ATF_CHECK_EQ(before, free_frames());
	bus_dmatag_destroy(tag);
}

/* With no page left: an error, and nothing is lost. */
ATF_TC_WITHOUT_HEAD(map_create_nomem);
ATF_TC_BODY(map_create_nomem, tc)
{
	static paddr_t pages[32 * 1024];
	bus_dmamap_t map;
	bus_dma_tag_t tag;
	unsigned n = 0;

	boot();
	tag = any_tag();
	while (n < NITEMS(pages) && (pages[n] = vm_page_alloc(VM_PG_USERESERVE,
	    VM_OWNER_NONE)) != VM_PADDR_NONE)
		n++;
	ATF_REQUIRE(n > 0 && n < NITEMS(pages));
	ATF_CHECK_EQ(ENOMEM, bus_dmamap_create(tag, PAGE, 1, PAGE, 0,
	    BUS_DMA_NOWAIT, &map));
	/* Of those that came first: the last ones are a reserve. */
	ATF_REQUIRE_EQ(0, vm_page_free(pages[0]));
	ATF_REQUIRE_EQ(0, vm_page_free(pages[1]));
	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, PAGE, 1, PAGE, 0,
	    BUS_DMA_NOWAIT, &map));
	bus_dmamap_destroy(tag, map);
	while (n > 2)
		ATF_REQUIRE_EQ(0, vm_page_free(pages[--n]));
	bus_dmatag_destroy(tag);
	audit();
}

ATF_TC_WITHOUT_HEAD(map_fields);
ATF_TC_BODY(map_fields, tc)
{
	bus_dma_segment_t raw = { 5 * MiB, 10 * PAGE };
	bus_dmamap_t map;
	bus_dma_tag_t tag;

	boot();
	tag = any_tag();
	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, 10 * PAGE, 20, 3 * PAGE, 0,
	    BUS_DMA_ALLOCNOW, &map));
	ATF_CHECK_EQ(3 * PAGE, map->dm_maxsegsz);
	ATF_CHECK_EQ(0, map->dm_mapsize);
	ATF_CHECK_EQ(0, map->dm_nsegs);
	ATF_REQUIRE_EQ(0, bus_dmamap_load_raw(tag, map, &raw, 1, 10 * PAGE,
	    0));
	ATF_CHECK_EQ(10 * PAGE, map->dm_mapsize);
	ATF_CHECK_EQ(4, map->dm_nsegs);
	bus_dmamap_unload(tag, map);
	ATF_CHECK_EQ(0, map->dm_mapsize);
	ATF_CHECK_EQ(0, map->dm_nsegs);
	/* A driver may ask for shorter segments, for one mapping. */
	map->dm_maxsegsz = PAGE;
	ATF_REQUIRE_EQ(0, bus_dmamap_load_raw(tag, map, &raw, 1, 10 * PAGE,
	    0));
	ATF_CHECK_EQ(10, map->dm_nsegs);
	bus_dmamap_unload(tag, map);
	ATF_CHECK_EQ(3 * PAGE, map->dm_maxsegsz);
	bus_dmamap_unload(tag, map);		/* harmless */
	ATF_CHECK_EQ(3 * PAGE, map->dm_maxsegsz);
	/* Destroying a loaded map unloads it. */
	ATF_REQUIRE_EQ(0, bus_dmamap_load_raw(tag, map, &raw, 1, PAGE, 0));
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
	audit();
}

static void
check_unloaded(bus_dmamap_t map)
{

	ATF_CHECK_EQ(0, map->dm_mapsize);
	ATF_CHECK_EQ(0, map->dm_nsegs);
}

/* All memory in a tag's window, which is in one piece: none to bounce with. */
static void
hog_window(bus_dma_tag_t tag, bus_dma_segment_t *hog)
{
	bus_size_t size = 64 * PAGE;

	while (alloc1(tag, size, PAGE, 0, hog) != 0) {
		size -= PAGE;
		ATF_REQUIRE(size > 0);
	}
	ATF_REQUIRE(size >= 60 * PAGE);
}

/* A map of two segments in a window of 62 pages, and the memory around it. */
static bus_dmamap_t
make_small(bus_dma_tag_t *tagp, char **basep)
{
	bus_dmamap_t map;

	boot();
	*basep = usermode_physmem_back(16 * MiB, 1 * MiB);
	ATF_REQUIRE(*basep != NULL);
	*tagp = make_tag("load", 16 * MiB + 2 * PAGE,
	    16 * MiB + 64 * PAGE - 1);
	ATF_REQUIRE_EQ(0, bus_dmamap_create(*tagp, 8 * PAGE, 2, 4 * PAGE, 0, 0,
	    &map));
	return (map);
}

ATF_TC_WITHOUT_HEAD(load_errors);
ATF_TC_BODY(load_errors, tc)
{
	char *base;
	bus_dmamap_t map;
	bus_dma_tag_t tag;
	struct proc *p;
	int dummy;

	map = make_small(&tag, &base);
	p = (struct proc *)(void *)&dummy;
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load(tag, map, base + 4 * PAGE, 0,
	    NULL, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load(tag, map, base + 4 * PAGE,
	    8 * PAGE + 1, NULL, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load(tag, map, base + 4 * PAGE, PAGE,
	    p, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load(tag, map, base + 4 * PAGE, PAGE,
	    NULL, UNKNOWN_FLAG));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load(tag, map,
	    (void *)(UINTPTR_MAX - 10), 12, NULL, 0));
	check_unloaded(map);
	map->dm_maxsegsz = 0;
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load(tag, map, base + 4 * PAGE, PAGE,
	    NULL, 0));
	map->dm_maxsegsz = 4 * PAGE + 1;
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load(tag, map, base + 4 * PAGE, PAGE,
	    NULL, 0));
	bus_dmamap_unload(tag, map);
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(0, nlines);
}

ATF_TC_WITHOUT_HEAD(load_outside);
ATF_TC_BODY(load_outside, tc)
{
	bus_dma_segment_t hog;
	char *base;
	bus_dmamap_t map;
	bus_dma_tag_t tag;

	map = make_small(&tag, &base);
	/* Below, above, across either end. */
	hog_window(tag, &hog);
	ATF_CHECK_EQ(ENOMEM, bus_dmamap_load(tag, map, base, PAGE, NULL,
	    BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(ENOMEM, bus_dmamap_load(tag, map, base + 64 * PAGE, PAGE,
	    NULL, BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(ENOMEM, bus_dmamap_load(tag, map, base + 2 * PAGE - 1, 2,
	    NULL, BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(ENOMEM, bus_dmamap_load(tag, map, base + 64 * PAGE - 1,
	    2, NULL, BUS_DMA_NOWAIT));
	check_unloaded(map);
	ATF_CHECK_EQ(0, bus_dmamap_load(tag, map, base + 2 * PAGE, 1, NULL,
	    0));
	bus_dmamap_unload(tag, map);
	ATF_CHECK_EQ(0, bus_dmamap_load(tag, map, base + 64 * PAGE - 1, 1,
	    NULL, 0));

	/* Loaded already: the mapping stays. */
	ATF_CHECK_EQ(EBUSY, bus_dmamap_load(tag, map, base + 3 * PAGE, 1,
	    NULL, 0));
	ATF_CHECK_EQ(1, map->dm_mapsize);
	ATF_CHECK_EQ(1, map->dm_nsegs);
	ATF_CHECK_EQ(16 * MiB + 64 * PAGE - 1, map->dm_segs[0].ds_addr);
	bus_dmamap_unload(tag, map);

	/* More segments than the map has. */
	map->dm_maxsegsz = PAGE;
	ATF_CHECK_EQ(EFBIG, bus_dmamap_load(tag, map, base + 4 * PAGE,
	    2 * PAGE + 1, NULL, 0));
	check_unloaded(map);
	ATF_CHECK_EQ(0, bus_dmamap_load(tag, map, base + 4 * PAGE, 2 * PAGE,
	    NULL, 0));
	ATF_CHECK_EQ(2, map->dm_nsegs);
	bus_dmamap_destroy(tag, map);
	bus_dmamem_free(tag, &hog, 1);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(0, nlines);
}

/* Pieces whose sizes do not add up, and numbers of them that are none. */
ATF_TC_WITHOUT_HEAD(load_vec_errors);
ATF_TC_BODY(load_vec_errors, tc)
{
	struct bus_dma_vec vec[2];
	bus_dmamap_t map;
	bus_dma_tag_t tag;
	char *base;

	boot();
	base = usermode_physmem_back(16 * MiB, 1 * MiB);
	ATF_REQUIRE(base != NULL);
	tag = any_tag();
	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, 2 * PAGE, 1, 2 * PAGE, 0, 0,
	    &map));
	vec[0] = (struct bus_dma_vec){ base, SIZE_MAX };
	vec[1] = (struct bus_dma_vec){ base + PAGE, PAGE + 1 };
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load_vec(tag, map, vec, 2, 0));
	vec[0].dv_len = PAGE;
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load_vec(tag, map, vec, 2, 0));
	vec[1].dv_len = PAGE;
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load_vec(tag, map, vec, 0, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load_vec(tag, map, vec, -1, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load_vec(tag, map, vec, 2,
	    UNKNOWN_FLAG));
	vec[1].dv_base = (void *)(UINTPTR_MAX - PAGE + 2);
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load_vec(tag, map, vec, 2, 0));
	vec[1].dv_base = base + 2 * PAGE;
	ATF_CHECK_EQ(EFBIG, bus_dmamap_load_vec(tag, map, vec, 2, 0));
	check_unloaded(map);
	vec[1].dv_base = base + PAGE;
	ATF_CHECK_EQ(0, bus_dmamap_load_vec(tag, map, vec, 2, 0));
	ATF_CHECK_EQ(1, map->dm_nsegs);
	ATF_CHECK_EQ(EBUSY, bus_dmamap_load_vec(tag, map, vec, 2, 0));
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(0, nlines);
}

/* An address in the kernel's range for mappings, with nothing there. */
ATF_TC_WITHOUT_HEAD(load_unmapped);
ATF_TC_BODY(load_unmapped, tc)
{
	bus_dmamap_t map;
	bus_dma_tag_t tag;
	char *va;

	boot();
	tag = any_tag();
	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, 4 * PAGE, 4, PAGE, 0, 0,
	    &map));
	ATF_REQUIRE((va = km_map_alloc(2 * PAGE, PAGE, 0)) != NULL);
	ATF_CHECK_EQ(0, bus_dmamap_load(tag, map, va + 1, 2 * PAGE - 1, NULL,
	    0));
	bus_dmamap_unload(tag, map);
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load(tag, map, va + 1, 2 * PAGE, NULL,
	    0));
	check_unloaded(map);
	ATF_REQUIRE_EQ(0, km_map_free(va, 2 * PAGE));
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(0, nlines);
}

ATF_TC_WITHOUT_HEAD(load_raw_errors);
ATF_TC_BODY(load_raw_errors, tc)
{
	bus_dma_segment_t raw[3] = {
		{ 5 * MiB, 2 * PAGE }, { 6 * MiB, PAGE }, { 9 * MiB, PAGE }
	};
	bus_dmamap_t map;
	bus_dma_tag_t tag;

	boot();
	tag = make_tag("raw", 0, 8 * MiB - 1);
	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, 4 * PAGE, 2, 4 * PAGE, 0, 0,
	    &map));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load_raw(tag, map, raw, 3, 0, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load_raw(tag, map, raw, 3,
	    4 * PAGE + 1, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load_raw(tag, map, raw, 2,
	    3 * PAGE + 1, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load_raw(tag, map, raw, 0, 1, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load_raw(tag, map, raw, 1, 1,
	    UNKNOWN_FLAG));
	check_unloaded(map);
	/* The third is one too many, whether it is bounced or not. */
	ATF_CHECK_EQ(EFBIG, bus_dmamap_load_raw(tag, map, raw, 3,
	    3 * PAGE + 1, 0));
	raw[2].ds_addr = 7 * MiB;
	ATF_CHECK_EQ(EFBIG, bus_dmamap_load_raw(tag, map, raw, 3,
	    3 * PAGE + 1, 0));
	check_unloaded(map);
	/* One that wraps is nowhere. */
	raw[2] = (bus_dma_segment_t){ UINT64_MAX - 10, 100 };
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load_raw(tag, map, &raw[2], 1, 100,
	    0));
	/* Nor is there memory so high. */
	raw[2] = (bus_dma_segment_t){ UINT64_MAX - 10, 10 };
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load_raw(tag, map, &raw[2], 1, 10,
	    0));
	/* Joined with its neighbour it fits; empty ones do not count. */
	raw[1] = (bus_dma_segment_t){ 5 * MiB + 2 * PAGE, 0 };
	raw[2] = (bus_dma_segment_t){ 5 * MiB + 2 * PAGE, PAGE };
	ATF_CHECK_EQ(0, bus_dmamap_load_raw(tag, map, raw, 3, 3 * PAGE, 0));
	ATF_CHECK_EQ(1, map->dm_nsegs);
	ATF_CHECK_EQ(3 * PAGE, map->dm_segs[0].ds_len);
	ATF_CHECK_EQ(EBUSY, bus_dmamap_load_raw(tag, map, raw, 1, 1, 0));
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(0, nlines);
}

/*
 * How a mapping has to be cut, byte by byte: a segment ends where the next
 * byte lies elsewhere, at a line, and when it is full.
 */
struct cut {
	bus_dma_segment_t c_segs[4096];
	int		c_n;
	bus_size_t	c_max, c_boundary;
};

static void
cut_byte(struct cut *c, bus_addr_t a)
{
	bus_dma_segment_t *last = NULL;

	if (c->c_n > 0)
		last = &c->c_segs[c->c_n - 1];
	if (last == NULL || last->ds_addr + last->ds_len != a ||
	    last->ds_len == c->c_max ||
	    (c->c_boundary != 0 && a % c->c_boundary == 0)) {
		ATF_REQUIRE(c->c_n < (int)NITEMS(c->c_segs));
		last = &c->c_segs[c->c_n++];
		last->ds_addr = a;
		last->ds_len = 0;
	}
	last->ds_len++;
}

static void
check_cut(const struct cut *c, bus_dmamap_t map, bus_size_t size)
{
	int i;

	ATF_REQUIRE_EQ(size, map->dm_mapsize);
	ATF_REQUIRE_EQ(c->c_n, map->dm_nsegs);
	for (i = 0; i < c->c_n; i++) {
		ATF_REQUIRE_EQ(c->c_segs[i].ds_addr, map->dm_segs[i].ds_addr);
		ATF_REQUIRE_EQ(c->c_segs[i].ds_len, map->dm_segs[i].ds_len);
	}
}

static bus_size_t
random_boundary(void)
{

	return (rnd(3) == 0 ? 0 : UINT64_C(1) << (6 + rnd(12)));
}

/*
 * Load a buffer; the map has exactly as many segments as it takes, and then
 * one less.
 */
static void
try_load(bus_dma_tag_t tag, char *va, bus_size_t size, bus_size_t max,
    bus_size_t boundary)
{
	static struct cut c;
	bus_dmamap_t map;
	bus_size_t i;

	c.c_n = 0;
	c.c_max = max;
	c.c_boundary = boundary;
	for (i = 0; i < size; i++)
		cut_byte(&c, vm_md_vtophys(va + i));
	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, size, c.c_n, max, boundary,
	    0, &map));
	ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map, va, size, NULL, 0));
	check_cut(&c, map, size);
	bus_dmamap_destroy(tag, map);
	if (c.c_n == 1)
		return;
	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, size, c.c_n - 1, max,
	    boundary, 0, &map));
	ATF_REQUIRE_EQ(EFBIG, bus_dmamap_load(tag, map, va, size, NULL, 0));
	check_unloaded(map);
	bus_dmamap_destroy(tag, map);
}

/*
 * Is there physical memory at the six pages behind these 64, which buffers
 * reach?  What is no memory of the machine has its own address as physical
 * one, or is where km_map has mapped nothing, and a load across it fails.
 */
static bool
mapped_behind(const char *base)
{
	int i;

	for (i = 64; i < 70; i++)
		if (vm_md_vtophys(base + i * PAGE) ==
		    (uintptr_t)(base + i * PAGE))
			return (false);
	return (true);
}

/*
 * Buffers whose kernel address and physical address differ modulo the
 * boundary, and which are contiguous for the kernel alone: what lies beyond
 * the end of the mapping has another physical address.
 */
ATF_TC_WITHOUT_HEAD(load_cut);
ATF_TC_BODY(load_cut, tc)
{
	bus_dma_tag_t tag;
	uint64_t before;
	bus_size_t size, at;
	char *base = NULL;
	paddr_t pa;
	int i;

	boot();
	before = free_frames();
	tag = any_tag();
	/*
	 * Where nothing else is, so that each gets a mapping of its own; the
	 * host must have put another mapping behind it.
	 */
	for (pa = 8 * GiB; pa < 9 * GiB; pa += 65 * PAGE) {
		base = usermode_physmem_back(pa, 64 * PAGE);
		ATF_REQUIRE(base != NULL);
		if (((uintptr_t)base - pa) % (64 * KiB) != 0 &&
		    mapped_behind(base))
			break;
	}
	ATF_REQUIRE_MSG(pa < 9 * GiB, "the host's mappings do not serve");
	for (i = 0; i < 1500; i++) {
		size = 1 + rnd(6 * PAGE);
		at = rnd(64 * PAGE);
		if (rnd(3) == 0)
			at &= ~(PAGE - 1);
		if (rnd(4) == 0)	/* across the end */
			at = 64 * PAGE - 1 - rnd(size);
		try_load(tag, base + at, size, rnd(2) == 0 ? size :
		    16 + rnd(2 * PAGE), random_boundary());
	}
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(before, free_frames());
	ATF_CHECK_EQ(0, nlines);
}

/* The same for lists of segments: some touch, some do not, some are empty. */
ATF_TC_WITHOUT_HEAD(load_raw_cut);
ATF_TC_BODY(load_raw_cut, tc)
{
	static struct cut c;
	bus_dma_segment_t raw[8];
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	bus_addr_t at;
	bus_size_t total, size, left, i, max, boundary;
	int n, round, k;

	boot();
	tag = any_tag();
	for (round = 0; round < 1500; round++) {
		n = 1 + (int)rnd(NITEMS(raw));
		at = rnd(3) == 0 ? TOP - 128 * KiB : rnd(GiB);
		total = 0;
		for (k = 0; k < n; k++) {
			if (rnd(2) == 0)
				at += rnd(5000);
			raw[k].ds_addr = at;
			raw[k].ds_len = rnd(8) == 0 ? 0 : rnd(5000);
			at += raw[k].ds_len;
			total += raw[k].ds_len;
		}
		if (total == 0)
			continue;
		size = 1 + rnd(total);
		max = rnd(2) == 0 ? size : 16 + rnd(6000);
		boundary = random_boundary();
		c.c_n = 0;
		c.c_max = max;
		c.c_boundary = boundary;
		left = size;
		for (k = 0; k < n; k++)
			for (i = 0; i < raw[k].ds_len && left > 0; i++, left--)
				cut_byte(&c, raw[k].ds_addr + i);
		ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, size, c.c_n, max,
		    boundary, 0, &map));
		ATF_REQUIRE_EQ(0, bus_dmamap_load_raw(tag, map, raw, n, size,
		    0));
		check_cut(&c, map, size);
		bus_dmamap_destroy(tag, map);
	}
	bus_dmatag_destroy(tag);
	audit();
}

/* And for lists of pieces of kernel memory. */
ATF_TC_WITHOUT_HEAD(load_vec_cut);
ATF_TC_BODY(load_vec_cut, tc)
{
	static struct cut c;
	struct bus_dma_vec vec[8];
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	bus_size_t size, i, max, boundary, at;
	int n, round, k;
	char *base;

	boot();
	tag = any_tag();
	base = usermode_physmem_back(16 * MiB, 1 * MiB);
	ATF_REQUIRE(base != NULL);
	for (round = 0; round < 1500; round++) {
		n = 1 + (int)rnd(NITEMS(vec));
		at = rnd(64 * KiB);
		size = 0;
		for (k = 0; k < n; k++) {
			if (rnd(2) == 0)
				at = rnd(64 * KiB);
			vec[k].dv_base = base + at;
			vec[k].dv_len = rnd(8) == 0 ? 0 : rnd(5000);
			at += vec[k].dv_len;
			size += vec[k].dv_len;
		}
		if (size == 0)
			continue;
		max = rnd(2) == 0 ? size : 16 + rnd(6000);
		boundary = random_boundary();
		c.c_n = 0;
		c.c_max = max;
		c.c_boundary = boundary;
		for (k = 0; k < n; k++)
			for (i = 0; i < vec[k].dv_len; i++)
				cut_byte(&c, vm_md_vtophys(
				    (char *)vec[k].dv_base + i));
		ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, size, c.c_n, max,
		    boundary, 0, &map));
		ATF_REQUIRE_EQ(0, bus_dmamap_load_vec(tag, map, vec, n, 0));
		check_cut(&c, map, size);
		bus_dmamap_destroy(tag, map);
	}
	bus_dmatag_destroy(tag);
	audit();
}

/* What bus_dmamem_alloc() gave can be loaded by either way. */
ATF_TC_WITHOUT_HEAD(load_mem);
ATF_TC_BODY(load_mem, tc)
{
	bus_dma_segment_t segs[4];
	bus_dma_tag_t tag, narrow;
	bus_dmamap_t map;
	void *kva;
	int n;

	boot();
	tag = make_tag("fdc0", 0, 0xffffff);
	ATF_REQUIRE_EQ(0, bus_dmamem_alloc(tag, 16 * KiB, 8 * KiB, 64 * KiB,
	    segs, 4, &n, BUS_DMA_NOWAIT));
	ATF_REQUIRE_EQ(1, n);
	ATF_REQUIRE_EQ(0, bus_dmamem_map(tag, segs, n, 16 * KiB, &kva, 0));
	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, 16 * KiB, 1, 16 * KiB,
	    64 * KiB, 0, &map));
	ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map, kva, 16 * KiB, NULL, 0));
	ATF_CHECK_EQ(1, map->dm_nsegs);
	ATF_CHECK_EQ(segs[0].ds_addr, map->dm_segs[0].ds_addr);
	bus_dmamap_unload(tag, map);
	ATF_REQUIRE_EQ(0, bus_dmamap_load_raw(tag, map, segs, n, 16 * KiB,
	    0));
	ATF_CHECK_EQ(segs[0].ds_addr, map->dm_segs[0].ds_addr);
	bus_dmamap_unload(tag, map);
	/* The same memory for a device that does not reach it. */
	ATF_REQUIRE_EQ(0, bus_dmatag_subregion(tag, 0, segs[0].ds_addr + PAGE,
	    &narrow, 0));
	ATF_CHECK_EQ(0, nlines);
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load_raw(narrow, map, segs, n,
	    16 * KiB, 0));
	ATF_CHECK_EQ(1, nlines);
	bus_dmamap_destroy(tag, map);
	ATF_REQUIRE_EQ(0, bus_dmamap_create(narrow, 16 * KiB, 2, 16 * KiB, 0,
	    0, &map));
	ATF_CHECK_EQ(0, bus_dmamap_load_raw(narrow, map, segs, n, PAGE + 1,
	    0));
	ATF_CHECK_EQ(segs[0].ds_addr, map->dm_segs[0].ds_addr);
	bus_dmamap_destroy(narrow, map);
	bus_dmamem_unmap(tag, kva, 16 * KiB);
	bus_dmamem_free(tag, segs, n);
	bus_dmatag_destroy(narrow);
	bus_dmatag_destroy(tag);
	audit();
}

ATF_TC_WITHOUT_HEAD(sync);
ATF_TC_BODY(sync, tc)
{
	/* Each before, and then after. */
	static const int good[] = { BUS_DMASYNC_PREREAD, BUS_DMASYNC_POSTREAD,
	    BUS_DMASYNC_PREWRITE, BUS_DMASYNC_POSTWRITE,
	    BUS_DMASYNC_PREREAD | BUS_DMASYNC_PREWRITE,
	    BUS_DMASYNC_POSTREAD | BUS_DMASYNC_POSTWRITE };
	static const int bad[] = { 0, 0x10, -1,
	    BUS_DMASYNC_PREREAD | BUS_DMASYNC_POSTREAD,
	    BUS_DMASYNC_PREWRITE | BUS_DMASYNC_POSTREAD };
	bus_dma_segment_t raw = { 5 * MiB, 2 * PAGE };
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	unsigned expect = 0;
	size_t i;

	boot();
	tag = make_tag("dev7", 0, BUS_ADDR_MAX);
	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, 2 * PAGE, 1, 2 * PAGE, 0, 0,
	    &map));
	ATF_REQUIRE_EQ(0, bus_dmamap_load_raw(tag, map, &raw, 1, 2 * PAGE,
	    0));
	for (i = 0; i < NITEMS(good); i += 2) {
		bus_dmamap_sync(tag, map, 0, 2 * PAGE, good[i]);
		bus_dmamap_sync(tag, map, 0, 2 * PAGE, good[i + 1]);
		bus_dmamap_sync(tag, map, PAGE + 1, PAGE - 1, good[i]);
		bus_dmamap_sync(tag, map, PAGE + 1, PAGE - 1, good[i + 1]);
		bus_dmamap_sync(tag, map, 2 * PAGE, 0, good[i]);
		bus_dmamap_sync(tag, map, 2 * PAGE, 0, good[i + 1]);
	}
	ATF_CHECK_EQ(0, nlines);
	for (i = 0; i < NITEMS(bad); i++) {
		bus_dmamap_sync(tag, map, 0, PAGE, bad[i]);
		ATF_CHECK_EQ(++expect, nlines);
		ATF_CHECK_MSG(strstr(lastline, "dev7") != NULL, "%s",
		    lastline);
	}
	bus_dmamap_sync(tag, map, 0, 2 * PAGE + 1, BUS_DMASYNC_PREREAD);
	ATF_CHECK_EQ(++expect, nlines);
	bus_dmamap_sync(tag, map, 2 * PAGE + 1, 0, BUS_DMASYNC_PREREAD);
	ATF_CHECK_EQ(++expect, nlines);
	bus_dmamap_sync(tag, map, 1, UINT64_MAX, BUS_DMASYNC_PREREAD);
	ATF_CHECK_EQ(++expect, nlines);
	bus_dmamap_unload(tag, map);
	bus_dmamap_sync(tag, map, 0, 1, BUS_DMASYNC_POSTREAD);
	ATF_CHECK_EQ(++expect, nlines);
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
}

/* A map with more segments than a page holds. */
ATF_TC_WITHOUT_HEAD(map_large);
ATF_TC_BODY(map_large, tc)
{
	bus_dma_segment_t raw = { 4 * GiB, 1 * MiB };
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	uint64_t before;
	int i;

	boot();
	tag = any_tag();
	before = free_frames();
	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, 1 * MiB, 16384, 64, 0, 0,
	    &map));
	ATF_CHECK(before - free_frames() >= 64);
	ATF_REQUIRE_EQ(0, bus_dmamap_load_raw(tag, map, &raw, 1, 1 * MiB, 0));
	ATF_REQUIRE_EQ(16384, map->dm_nsegs);
	for (i = 0; i < 16384; i++) {
		ATF_REQUIRE_EQ(4 * GiB + 64 * (uint64_t)i,
		    map->dm_segs[i].ds_addr);
		ATF_REQUIRE_EQ(64, map->dm_segs[i].ds_len);
	}
	bus_dmamap_destroy(tag, map);
	ATF_CHECK_EQ(before, free_frames());
	bus_dmatag_destroy(tag);
}

/*
 * Without BUS_DMA_NOWAIT a request waits until somebody gives memory back.
 */
static _Atomic bool waiter_done;
static bus_dma_segment_t waiter_seg;
static int waiter_error;

static void *
waiter(void *arg)
{
	int n;

	waiter_error = bus_dmamem_alloc(arg, 4 * PAGE, 4 * PAGE, 0,
	    &waiter_seg, 1, &n, BUS_DMA_WAITOK);
	waiter_done = true;
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(mem_wait);
ATF_TC_BODY(mem_wait, tc)
{
	const paddr_t start = 4 * MiB;
	bus_dma_segment_t segs[4];
	bus_dma_tag_t tag;
	pthread_t t;
	uint64_t before;
	int i;

	boot();
	before = free_frames();
	tag = make_tag("wait", start, start + 16 * PAGE - 1);
	for (i = 0; i < 4; i++)
		ATF_REQUIRE_EQ(0, alloc1(tag, 4 * PAGE, 4 * PAGE, 0,
		    &segs[i]));
	ATF_REQUIRE_EQ(ENOMEM, alloc1(tag, PAGE, PAGE, 0, &waiter_seg));
	ATF_REQUIRE_EQ(0, pthread_create(&t, NULL, waiter, tag));
	usleep(50000);
	ATF_CHECK(!waiter_done);
	bus_dmamem_free(tag, &segs[2], 1);
	ATF_REQUIRE_EQ(0, pthread_join(t, NULL));
	ATF_CHECK(waiter_done);
	ATF_CHECK_EQ(0, waiter_error);
	ATF_CHECK_EQ(segs[2].ds_addr, waiter_seg.ds_addr);
	bus_dmamem_free(tag, &waiter_seg, 1);
	for (i = 0; i < 4; i++)
		if (i != 2)
			bus_dmamem_free(tag, &segs[i], 1);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(before, free_frames());
}

/*
 * Several drivers at once, and nothing is lost.
 */
#define	NTHREAD	4

struct thread {
	pthread_t	t_thread;
	unsigned	t_number;
	const char	*t_why;		/* what went wrong, or NULL */
};

static const char *
driver_loop(unsigned number)
{
	bus_dma_segment_t segs[4];
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	char name[16];
	void *kva;
	int n, round;

	snprintf(name, sizeof(name), "dev%u", number);
	for (round = 0; round < 500; round++) {
		if (bus_dmatag_create(NULL, name, 0, 32 * MiB - 1, &tag,
		    BUS_DMA_NOWAIT) != 0)
			return ("no tag");
		if (bus_dmamem_alloc(tag, 16 * KiB, 8 * KiB, 64 * KiB, segs, 4,
		    &n, BUS_DMA_NOWAIT) != 0)
			return ("no memory");
		if (bus_dmamap_create(tag, 16 * KiB, 4, 16 * KiB, 64 * KiB,
		    BUS_DMA_NOWAIT, &map) != 0)
			return ("no map");
		if (bus_dmamem_map(tag, segs, 1, 4 * KiB, &kva, 0) != 0)
			return ("not mapped");
		*(volatile char *)kva = 1;
		if (bus_dmamap_load_raw(tag, map, segs, n, 16 * KiB, 0) != 0)
			return ("not loaded");
		bus_dmamap_sync(tag, map, 0, 16 * KiB, BUS_DMASYNC_PREREAD);
		bus_dmamap_sync(tag, map, 0, 16 * KiB, BUS_DMASYNC_POSTREAD);
		bus_dmamap_unload(tag, map);
		bus_dmamap_destroy(tag, map);
		bus_dmamem_free(tag, segs, n);
		bus_dmatag_destroy(tag);
	}
	return (NULL);
}

static void *
driver(void *arg)
{
	struct thread *t = arg;

	t->t_why = driver_loop(t->t_number);
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(threads);
ATF_TC_BODY(threads, tc)
{
	struct thread t[NTHREAD];
	unsigned tags, maps, i;
	uint64_t before;

	boot();
	/* One mapping for all: the host has only so many. */
	ATF_REQUIRE(usermode_physmem_back(0, 32 * MiB) != NULL);
	before = free_frames();
	for (i = 0; i < NTHREAD; i++) {
		t[i].t_number = i;
		ATF_REQUIRE_EQ(0, pthread_create(&t[i].t_thread, NULL, driver,
		    &t[i]));
	}
	for (i = 0; i < NTHREAD; i++) {
		ATF_REQUIRE_EQ(0, pthread_join(t[i].t_thread, NULL));
		ATF_CHECK_MSG(t[i].t_why == NULL, "%s", t[i].t_why);
	}
	bus_dma_usage(&tags, &maps);
	ATF_CHECK_EQ(0, tags);
	ATF_CHECK_EQ(0, maps);
	ATF_CHECK_EQ(before, free_frames());
	ATF_CHECK_EQ(0, nlines);
}

ATF_TC_WITHOUT_HEAD(load_raw_top);
ATF_TC_BODY(load_raw_top, tc)
{
	/* The highest address is not followed by the lowest; no memory is
	   above the highest that a port has. */
	bus_dma_segment_t wrap[] = {
		{ UINT64_MAX - (PAGE - 1), PAGE }, { 0, PAGE }
	};
	bus_dma_segment_t last = { TOP - PAGE, PAGE }, over = { TOP, PAGE };
	bus_dma_segment_t across = { TOP - PAGE, 2 * PAGE };
	bus_dma_tag_t tag;
	bus_dmamap_t map;

	boot();
	tag = any_tag();
	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, 2 * PAGE, 2, 2 * PAGE, 0, 0,
	    &map));
	ATF_REQUIRE_EQ(EINVAL, bus_dmamap_load_raw(tag, map, wrap, 2,
	    2 * PAGE, 0));
	ATF_REQUIRE_EQ(EINVAL, bus_dmamap_load_raw(tag, map, &over, 1, 1, 0));
	ATF_REQUIRE_EQ(EINVAL, bus_dmamap_load_raw(tag, map, &across, 1,
	    2 * PAGE, 0));
	ATF_REQUIRE_EQ(0, bus_dmamap_load_raw(tag, map, &last, 1, PAGE, 0));
	ATF_REQUIRE_EQ(TOP - PAGE, map->dm_segs[0].ds_addr);
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
	ATF_REQUIRE_EQ(0, nlines);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, tag_errors);
	ATF_TP_ADD_TC(tp, tag_window);
	ATF_TP_ADD_TC(tp, tag_many);
	ATF_TP_ADD_TC(tp, tag_destroy);
	ATF_TP_ADD_TC(tp, tag_owner);
	ATF_TP_ADD_TC(tp, check);
	ATF_TP_ADD_TC(tp, mem_errors);
	ATF_TP_ADD_TC(tp, mem_size);
	ATF_TP_ADD_TC(tp, mem_zero);
	ATF_TP_ADD_TC(tp, mem_historical);
	ATF_TP_ADD_TC(tp, mem_exact);
	ATF_TP_ADD_TC(tp, mem_window_inside);
	ATF_TP_ADD_TC(tp, mem_odd_start);
	ATF_TP_ADD_TC(tp, mem_top);
	ATF_TP_ADD_TC(tp, mem_segments);
	ATF_TP_ADD_TC(tp, mem_segments_many);
	ATF_TP_ADD_TC(tp, mem_bad_free);
	ATF_TP_ADD_TC(tp, mem_map);
	ATF_TP_ADD_TC(tp, mem_mmap);
	ATF_TP_ADD_TC(tp, mem_wait);
	ATF_TP_ADD_TC(tp, map_create_errors);
	ATF_TP_ADD_TC(tp, map_create_nomem);
	ATF_TP_ADD_TC(tp, map_fields);
	ATF_TP_ADD_TC(tp, map_large);
	ATF_TP_ADD_TC(tp, load_errors);
	ATF_TP_ADD_TC(tp, load_outside);
	ATF_TP_ADD_TC(tp, load_raw_errors);
	ATF_TP_ADD_TC(tp, load_vec_errors);
	ATF_TP_ADD_TC(tp, load_unmapped);
	ATF_TP_ADD_TC(tp, load_cut);
	ATF_TP_ADD_TC(tp, load_raw_cut);
	ATF_TP_ADD_TC(tp, load_vec_cut);
	ATF_TP_ADD_TC(tp, load_mem);
	ATF_TP_ADD_TC(tp, sync);
	ATF_TP_ADD_TC(tp, threads);
	ATF_TP_ADD_TC(tp, load_raw_top);
	return (atf_no_error());
}
