/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of how bus_dma(9) watches drivers: each mistake gives one line with
 * the tag, the map and the segment, and what is no mistake gives none.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sys/kmem.h>

#include <vm/vm_pglist.h>

#include "subr_bus_dma_testlib.h"

#define	PREREAD		BUS_DMASYNC_PREREAD
#define	POSTREAD	BUS_DMASYNC_POSTREAD
#define	PREWRITE	BUS_DMASYNC_PREWRITE
#define	POSTWRITE	BUS_DMASYNC_POSTWRITE

#define	BASE		(5 * MiB)
#define	SIZE		(8 * PAGE)

static bus_dma_tag_t tag;
static bus_dmamap_t map;
static unsigned expected;

static void
load(int flags)
{
	bus_dma_segment_t raw = { BASE, SIZE };

	ATF_REQUIRE_EQ(0, bus_dmamap_load_raw(tag, map, &raw, 1, SIZE, flags));
}

/* A checked tag with a loaded map, the second, of two segments. */
static void
start(void)
{
	bus_dmamap_t first;

	boot();
	tag = make_tag("dev7", 0, BUS_ADDR_MAX);
	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, SIZE, 2, SIZE / 2, 0, 0,
	    &first));
	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, SIZE, 2, SIZE / 2, 0, 0,
	    &map));
	bus_dmamap_destroy(tag, first);
	load(0);
	expected = 0;
}

/*
 * Since the last time there was one line, with this in it; or none.
 */
static void
told_line(int line, const char *what)
{
	struct bus_dma_counts c;

	if (what != NULL)
		expected++;
	ATF_CHECK_EQ_MSG(expected, nlines, "line %d: %u lines: %s", line,
	    nlines, lastline);
	ATF_CHECK_MSG(what == NULL || strstr(lastline, what) != NULL,
	    "line %d: %s", line, lastline);
	bus_dma_counts(tag, &c);
	ATF_CHECK_EQ(expected, c.dc_reports);
	expected = nlines;
}

#define	TOLD(what)	told_line(__LINE__, what)
#define	SILENT()	told_line(__LINE__, NULL)

static void
pass(bus_size_t offset, bus_size_t len, int ops)
{

	bus_dmamap_sync(tag, map, offset, len, ops);
}

static void
finish(void)
{

	bus_dmamap_destroy(tag, map);
	SILENT();
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(expected, nlines);
	audit();
}

ATF_TC_WITHOUT_HEAD(line);
ATF_TC_BODY(line, tc)
{

	start();
	pass(SIZE / 2 + 16, 8, POSTREAD);
	ATF_CHECK_STREQ("bus_dma: dev7: map 1: segment 1 (0x504000 size "
	    "0x4000): POSTREAD without PREREAD, at byte 0x4010\n", lastline);
	TOLD("POSTREAD without PREREAD");
	finish();
}

ATF_TC_WITHOUT_HEAD(post_without_pre);
ATF_TC_BODY(post_without_pre, tc)
{

	start();
	pass(0, SIZE, POSTREAD);
	TOLD("POSTREAD without PREREAD");
	pass(0, SIZE, POSTWRITE);
	TOLD("POSTWRITE without PREWRITE");
	/* Not for a second time, and not for more than there was. */
	pass(PAGE, PAGE, PREREAD);
	pass(PAGE, PAGE, POSTREAD);
	SILENT();
	pass(PAGE, PAGE, POSTREAD);
	TOLD("POSTREAD without PREREAD");
	pass(PAGE, PAGE, PREWRITE);
	pass(PAGE, PAGE + 1, POSTWRITE);
	TOLD("at byte 0x2000");
	pass(PAGE, PAGE, PREWRITE);
	pass(PAGE - 1, PAGE, POSTWRITE);
	TOLD("at byte 0xfff");
	pass(2 * PAGE - 1, 1, POSTWRITE);
	SILENT();
	finish();
}

ATF_TC_WITHOUT_HEAD(direction);
ATF_TC_BODY(direction, tc)
{

	start();
	pass(0, SIZE, PREWRITE);
	pass(0, SIZE, POSTREAD);
	TOLD("POSTREAD after PREWRITE");
	pass(0, SIZE, POSTWRITE);
	SILENT();
	pass(0, SIZE, PREREAD);
	pass(0, SIZE, POSTWRITE);
	TOLD("POSTWRITE after PREREAD");
	pass(0, SIZE, POSTREAD);
	/* Both at once, and one after the other. */
	pass(0, SIZE, PREREAD | PREWRITE);
	pass(0, SIZE, POSTWRITE | POSTREAD);
	pass(0, SIZE, PREREAD);
	pass(0, SIZE, PREWRITE);
	pass(0, SIZE, POSTWRITE);
	pass(0, SIZE, POSTREAD);
	SILENT();
	/* What it was loaded for. */
	bus_dmamap_unload(tag, map);
	load(BUS_DMA_READ);
	pass(0, PAGE, PREREAD);
	pass(0, PAGE, POSTREAD);
	SILENT();
	pass(0, PAGE, PREWRITE);
	TOLD("not loaded for");
	pass(0, PAGE, POSTWRITE);
	bus_dmamap_unload(tag, map);
	load(BUS_DMA_WRITE);
	pass(0, PAGE, PREREAD);
	TOLD("not loaded for");
	pass(0, PAGE, POSTREAD);
	bus_dmamap_unload(tag, map);
	load(BUS_DMA_WRITE | BUS_DMA_READ);
	pass(0, PAGE, PREREAD | PREWRITE);
	pass(0, PAGE, POSTREAD | POSTWRITE);
	SILENT();
	finish();
}

ATF_TC_WITHOUT_HEAD(pre_again);
ATF_TC_BODY(pre_again, tc)
{

	start();
	pass(PAGE, PAGE, PREREAD);
	pass(0, SIZE, PREREAD);
	TOLD("PREREAD, but the device may be writing it, at byte 0x1000");
	pass(0, SIZE, POSTREAD);
	SILENT();
	pass(2 * PAGE, 1, PREWRITE);
	pass(2 * PAGE, 1, PREWRITE);
	TOLD("PREWRITE, but the device may be reading it, at byte 0x2000");
	pass(2 * PAGE, 1, POSTWRITE);
	pass(2 * PAGE, 0, POSTWRITE);
	SILENT();
	finish();
}

ATF_TC_WITHOUT_HEAD(unload_open);
ATF_TC_BODY(unload_open, tc)
{

	start();
	pass(0, SIZE, PREREAD);
	pass(0, SIZE - 3, POSTREAD);
	bus_dmamap_unload(tag, map);
	TOLD("segment 1 (0x504000 size 0x4000): unloaded without POSTREAD, "
	    "at byte 0x7ffd");
	/* The next load knows nothing of it. */
	load(0);
	pass(0, SIZE, PREWRITE);
	SILENT();
	bus_dmamap_unload(tag, map);
	TOLD("unloaded without POSTWRITE");
	load(0);
	bus_dmamap_unload(tag, map);
	bus_dmamap_unload(tag, map);
	SILENT();
	load(0);
	pass(0, 1, PREREAD);
	bus_dmamap_destroy(tag, map);
	TOLD("unloaded without POSTREAD");
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(expected, nlines);
}

ATF_TC_WITHOUT_HEAD(arguments);
ATF_TC_BODY(arguments, tc)
{

	start();
	pass(0, SIZE + 1, PREREAD);
	TOLD("outside the mapping");
	pass(UINT64_MAX, 2, PREREAD);
	TOLD("outside the mapping");
	pass(0, 1, 0);
	TOLD("no or unknown");
	pass(0, 1, PREREAD | 0x10);
	TOLD("no or unknown");
	pass(0, 1, PREREAD | POSTWRITE);
	TOLD("PRE and POST");
	bus_dmamap_unload(tag, map);
	pass(0, 1, POSTREAD);
	TOLD("outside the mapping");
	pass(0, 0, PREREAD);
	SILENT();
	finish();
}

ATF_TC_WITHOUT_HEAD(changed_segments);
ATF_TC_BODY(changed_segments, tc)
{
	bus_dma_segment_t own = { 0, 1 }, *was;

	start();
	map->dm_segs[1].ds_addr += 4;
	pass(0, PAGE, PREREAD);
	TOLD("not as they were loaded");
	map->dm_segs[1].ds_addr -= 4;
	pass(0, PAGE, POSTREAD);
	pass(0, PAGE, PREREAD);
	pass(0, PAGE, POSTREAD);
	SILENT();
	map->dm_segs[0].ds_len--;
	bus_dmamap_unload(tag, map);
	TOLD("not as they were loaded");
	load(0);
	was = map->dm_segs;
	map->dm_segs = &own;
	pass(0, PAGE, PREWRITE);
	TOLD("not as they were loaded");
	map->dm_segs = was;
	pass(0, PAGE, POSTWRITE);
	SILENT();
	finish();
}

ATF_TC_WITHOUT_HEAD(other_tag);
ATF_TC_BODY(other_tag, tc)
{
	bus_dma_segment_t raw = { BASE, SIZE };
	bus_dma_tag_t other, gone;

	start();
	other = make_tag("dev8", 0, BUS_ADDR_MAX);
	gone = make_tag("gone", 0, BUS_ADDR_MAX);
	bus_dmatag_destroy(gone);
	bus_dmamap_sync(other, map, 0, PAGE, PREREAD);
	TOLD("map 1: synced with another tag, dev8");
	bus_dmamap_sync(gone, map, 0, PAGE, POSTREAD);
	TOLD("synced with another tag, which is gone");
	bus_dmamap_unload(other, map);
	TOLD("unloaded with another tag");
	ATF_CHECK_EQ(0, map->dm_mapsize);
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load_raw(other, map, &raw, 1, SIZE,
	    0));
	TOLD("loaded with another tag");
	bus_dmamap_destroy(other, map);
	TOLD("destroyed with another tag");
	bus_dmatag_destroy(tag);
	bus_dmatag_destroy(other);
	ATF_CHECK_EQ(expected, nlines);
}

ATF_TC_WITHOUT_HEAD(memory);
ATF_TC_BODY(memory, tc)
{
	bus_dma_segment_t seg, bad;
	bus_dma_tag_t other;

	start();
	bus_dmamap_unload(tag, map);
	other = make_tag("dev8", 0, BUS_ADDR_MAX);
	ATF_REQUIRE_EQ(0, alloc1(tag, 4 * PAGE, PAGE, 0, &seg));
	/* Freed while a device may use it. */
	ATF_REQUIRE_EQ(0, bus_dmamap_load_raw(tag, map, &seg, 1, PAGE, 0));
	bus_dmamem_free(tag, &seg, 1);
	TOLD("map 1: segment 0: its memory");
	bus_dmamap_unload(tag, map);
	/* Freed with another tag. */
	ATF_REQUIRE_EQ(0, alloc1(other, 4 * PAGE, PAGE, 0, &seg));
	bus_dmamem_free(tag, &seg, 1);
	TOLD("dev7: segment 0 (0x");
	ATF_CHECK(strstr(lastline, "not memory of this tag") != NULL);
	/* Freed in another size: this and the page allocator's line. */
	ATF_REQUIRE_EQ(0, alloc1(tag, 4 * PAGE, PAGE, 0, &seg));
	bad = (bus_dma_segment_t){ seg.ds_addr, 2 * PAGE };
	bus_dmamem_free(tag, &bad, 1);
	ATF_CHECK_EQ(expected + 2, nlines);
	bus_dmamem_free(tag, &seg, 1);
	ATF_CHECK_EQ(expected + 2, nlines);
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(expected + 2, nlines);
	/* The other still believes to have what it does not. */
	bus_dmatag_destroy(other);
	ATF_CHECK_EQ(expected + 3, nlines);
	audit();
}

ATF_TC_WITHOUT_HEAD(leaks);
ATF_TC_BODY(leaks, tc)
{
	bus_dma_segment_t segs[2];
	bus_dmamap_t more;
	char want[100];
	uint64_t before;

	boot();
	before = free_frames();
	tag = make_tag("dev7", 0, BUS_ADDR_MAX);
	ATF_CHECK_EQ(0, bus_dma_leaks(tag));
	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, SIZE, 2, SIZE, 0, 0, &map));
	ATF_CHECK_EQ(1, bus_dma_leaks(tag));
	ATF_CHECK_STREQ("bus_dma: dev7: map 0: not destroyed, not loaded\n",
	    lastline);
	load(0);
	ATF_CHECK_EQ(1, bus_dma_leaks(tag));
	ATF_CHECK_STREQ("bus_dma: dev7: map 0: not destroyed, loaded, segment "
	    "0 (0x500000 size 0x8000)\n", lastline);
	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, SIZE, 2, SIZE, 0, 0, &more));
	ATF_REQUIRE_EQ(0, alloc1(tag, PAGE, PAGE, 0, &segs[0]));
	ATF_REQUIRE_EQ(0, alloc1(tag, PAGE, PAGE, 0, &segs[1]));
	bus_dmamem_free(tag, &segs[1], 1);
	ATF_CHECK_EQ(2, nlines);
	ATF_CHECK_EQ(3, bus_dma_leaks(tag));
	ATF_CHECK_EQ(5, nlines);
	snprintf(want, sizeof(want), "bus_dma: dev7: memory 0x%jx size "
	    "0x1000: not freed\n", (uintmax_t)segs[0].ds_addr);
	ATF_CHECK_STREQ(want, lastline);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(8, nlines);
	/* What is late is not lost. */
	bus_dmamem_free(tag, &segs[0], 1);
	bus_dmamap_destroy(tag, map);
	bus_dmamap_destroy(tag, more);
	ATF_CHECK_EQ(8, nlines);
	ATF_CHECK_EQ(before, free_frames());
}

/* After so many mistakes a tag is only counted. */
ATF_TC_WITHOUT_HEAD(too_many);
ATF_TC_BODY(too_many, tc)
{
	struct bus_dma_counts c;
	unsigned i;

	start();
	for (i = 0; i < 100; i++)
		pass(0, 1, POSTREAD);
	ATF_CHECK_EQ(100, nlines);
	pass(0, 1, POSTREAD);
	ATF_CHECK_EQ(101, nlines);
	ATF_CHECK_MSG(strstr(lastline, "dev7: more than 100") != NULL, "%s",
	    lastline);
	for (i = 0; i < 100; i++)
		pass(0, 1, POSTREAD);
	ATF_CHECK_EQ(101, nlines);
	bus_dma_counts(tag, &c);
	ATF_CHECK_EQ(201, c.dc_reports);
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(101, nlines);
}

/* Switched off, only what costs nothing is said. */
ATF_TC_WITHOUT_HEAD(unchecked);
ATF_TC_BODY(unchecked, tc)
{
	bus_dma_segment_t raw = { BASE, SIZE }, seg;
	bus_dma_tag_t off, on, child;

	boot();
	ATF_CHECK(bus_dma_checking(false));
	off = make_tag("off", 0, BUS_ADDR_MAX);
	ATF_REQUIRE_EQ(0, bus_dmatag_create(NULL, "on", 0, BUS_ADDR_MAX, &on,
	    BUS_DMA_CHECKED));
	ATF_CHECK(!bus_dma_checking(true));
	/* It is the parent that counts. */
	ATF_REQUIRE_EQ(0, bus_dmatag_subregion(off, 0, BUS_ADDR_MAX, &child,
	    0));
	ATF_REQUIRE_EQ(0, bus_dmamap_create(child, SIZE, 2, SIZE, 0, 0,
	    &map));
	ATF_REQUIRE_EQ(0, bus_dmamap_load_raw(child, map, &raw, 1, SIZE, 0));
	bus_dmamap_sync(child, map, 0, 1, POSTREAD);
	bus_dmamap_sync(child, map, 0, 1, PREREAD);
	ATF_REQUIRE_EQ(0, alloc1(child, PAGE, PAGE, 0, &seg));
	ATF_CHECK_EQ(0, bus_dma_leaks(child));
	bus_dmamap_unload(child, map);
	bus_dmatag_destroy(child);
	ATF_CHECK_EQ(0, nlines);
	bus_dmamap_sync(child, map, 0, 1, PREREAD);
	ATF_CHECK_EQ(1, nlines);
	bus_dmamap_destroy(child, map);
	bus_dmamem_free(off, &seg, 1);
	bus_dmatag_destroy(off);
	ATF_CHECK_EQ(1, nlines);
	ATF_REQUIRE_EQ(0, bus_dmatag_subregion(on, 0, BUS_ADDR_MAX, &child,
	    0));
	ATF_REQUIRE_EQ(0, alloc1(child, PAGE, PAGE, 0, &seg));
	bus_dmatag_destroy(child);
	ATF_CHECK_EQ(2, nlines);
	bus_dmamem_free(child, &seg, 1);
	bus_dmatag_destroy(on);
	ATF_CHECK_EQ(2, nlines);
}

/*
 * Random syncs against an array of what each byte is open for.
 */
static int open_for[SIZE];

static bool
model_sync(bus_size_t offset, bus_size_t len, int ops)
{
	int set = ops & (PREREAD | PREWRITE);
	int clear = (ops & (POSTREAD | POSTWRITE)) >> 1;
	bool wrong = false;
	bus_size_t i;

	for (i = offset; i < offset + len; i++) {
		if ((open_for[i] & set) != 0 || (clear & ~open_for[i]) != 0)
			wrong = true;
		open_for[i] = (open_for[i] & ~clear) | set;
	}
	return (wrong);
}

ATF_TC_WITHOUT_HEAD(random);
ATF_TC_BODY(random, tc)
{
	static const int ops[] = { PREREAD, PREWRITE, PREREAD | PREWRITE,
	    POSTREAD, POSTWRITE, POSTREAD | POSTWRITE };
	unsigned round, was, wrongs = 0, rights = 0;
	bus_size_t offset, len, i;
	bool wrong, any;
	int op;

	for (round = 0; round < 4000; round++) {
		if (round % 80 == 0) {
			/* A tag is heard only so often. */
			if (round == 0)
				boot();
			tag = make_tag("random", 0, BUS_ADDR_MAX);
			ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, SIZE, 9,
			    PAGE, 0, 0, &map));
			load(0);
			memset(open_for, 0, sizeof(open_for));
		}
		offset = rnd(SIZE / 512) * 512;
		len = rnd((SIZE - offset) / 512 + 1) * (rnd(4) == 0 ? 512 :
		    rnd(3));
		op = ops[rnd(NITEMS(ops))];
		was = nlines;
		pass(offset, len, op);
		wrong = model_sync(offset, len, op);
		ATF_REQUIRE_EQ_MSG(was + wrong, nlines, "[0x%jx, +0x%jx) %x: "
		    "%s", (uintmax_t)offset, (uintmax_t)len, (unsigned)op,
		    lastline);
		wrongs += wrong;
		rights += !wrong;
		if (round % 80 == 79) {
			for (i = 0, any = false; i < SIZE; i++)
				any = any || open_for[i] != 0;
			was = nlines;
			bus_dmamap_destroy(tag, map);
			ATF_REQUIRE_EQ(was + any, nlines);
			bus_dmatag_destroy(tag);
		}
	}
	ATF_CHECK_MSG(wrongs > 500 && rights > 500, "%u %u", wrongs, rights);
	audit();
}

/* Without memory to watch a map the driver goes on, unwatched. */
ATF_TC_WITHOUT_HEAD(no_memory);
ATF_TC_BODY(no_memory, tc)
{
	static paddr_t pages[32 * 1024];
	bus_size_t i;
	unsigned n = 0;

	start();
	while (n < NITEMS(pages) && (pages[n] = vm_page_alloc(VM_PG_USERESERVE,
	    VM_OWNER_NONE)) != VM_PADDR_NONE)
		n++;
	ATF_REQUIRE(n < NITEMS(pages));
	for (i = 0; i < SIZE; i += 4)
		pass(i, 1, PREREAD);
	for (i = 0; i < SIZE; i += 4)
		pass(i, 1, POSTREAD);
	SILENT();
	bus_dmamap_unload(tag, map);
	SILENT();
	while (n > 0)
		ATF_REQUIRE_EQ(0, vm_page_free(pages[--n]));
	load(0);
	pass(0, 1, POSTREAD);
	TOLD("POSTREAD without PREREAD");
	finish();
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, line);
	ATF_TP_ADD_TC(tp, post_without_pre);
	ATF_TP_ADD_TC(tp, direction);
	ATF_TP_ADD_TC(tp, pre_again);
	ATF_TP_ADD_TC(tp, unload_open);
	ATF_TP_ADD_TC(tp, arguments);
	ATF_TP_ADD_TC(tp, changed_segments);
	ATF_TP_ADD_TC(tp, other_tag);
	ATF_TP_ADD_TC(tp, memory);
	ATF_TP_ADD_TC(tp, leaks);
	ATF_TP_ADD_TC(tp, too_many);
	ATF_TP_ADD_TC(tp, unchecked);
	ATF_TP_ADD_TC(tp, random);
	ATF_TP_ADD_TC(tp, no_memory);
	return (atf_no_error());
}
