/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of what bus_dma(9) bounces.
 *
 * The device is played by hand: it reads and writes physical memory at the
 * addresses that a map gives it, and nowhere else.  Which bytes may be
 * bounced, and how the rest is cut, is found out here byte by byte.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/kmem.h>

#include <vm/vm_pglist.h>

#include "subr_bus_dma_testlib.h"

/* Memory for buffers, out of reach of many a device. */
#define	SRC		(16 * MiB)
#define	SRC_PAGES	64
#define	SRC_SIZE	(SRC_PAGES * PAGE)

#define	MOST		(12 * PAGE)	/* of a mapping */
#define	NVEC		6

static unsigned char *src;

static void
start(void)
{

	boot();
	ATF_REQUIRE(usermode_physmem_back(0, 48 * MiB) != NULL);
	src = vm_md_phystov(SRC, SRC_SIZE);
	ATF_REQUIRE(src != NULL);
	ATF_REQUIRE_EQ(0, vm_pglist_reserve(SRC, SRC_SIZE,
	    vm_owner_register("buffers")));
}

static bus_dmamap_t
make_map(bus_dma_tag_t tag, bus_size_t size, int nsegs, bus_size_t max,
    bus_size_t boundary, int flags)
{
	bus_dmamap_t map;

	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, size, nsegs, max, boundary,
	    flags, &map));
	return (map);
}

/*
 * A load: what was asked for, and where each byte of it is.
 */
struct job {
	bus_addr_t	j_low, j_last;	/* window */
	bus_size_t	j_align, j_max, j_boundary;
	enum { BUFFER, VEC, RAW } j_kind;
	struct bus_dma_vec j_vec[NVEC];
	bus_dma_segment_t j_raw[NVEC];
	int		j_n;
	bus_size_t	j_size;
	bus_addr_t	j_source[MOST];	/* where byte i is for the CPU */
	bool		j_starts[MOST];	/* with it a piece of a page starts */
	bool		j_bounced[MOST];
	bus_addr_t	j_device[MOST];	/* and for the device */
};

static struct job job;
static bus_dma_segment_t cut[MOST];
static int ncut;

static unsigned char *
byte_at(bus_addr_t pa)
{
	unsigned char *va = vm_md_phystov(pa, 1);

	ATF_REQUIRE(va != NULL);
	return (va);
}

static void
job_piece(bus_addr_t at, bus_size_t len)
{
	bus_size_t i;

	ATF_REQUIRE(job.j_n < NVEC && job.j_size + len <= MOST);
	job.j_vec[job.j_n] = (struct bus_dma_vec){ src + (at - SRC), len };
	job.j_raw[job.j_n] = (bus_dma_segment_t){ at, len };
	job.j_n++;
	for (i = 0; i < len; i++) {
		job.j_source[job.j_size] = at + i;
		job.j_starts[job.j_size++] = i == 0 || (at + i) % PAGE == 0;
	}
}

/*
 * What has to be bounced: a piece of which a byte is not reached, and one that
 * is not aligned, unless it goes on where an unbounced one ended.
 */
static void
job_bounced(void)
{
	bus_size_t i, k, end;
	bool out;

	for (i = 0; i < job.j_size; i = end) {
		for (end = i + 1; end < job.j_size && !job.j_starts[end];)
			end++;
		out = job.j_source[i] % job.j_align != 0 &&
		    !(i > 0 && !job.j_bounced[i - 1] &&
		    job.j_source[i] == job.j_source[i - 1] + 1);
		for (k = i; k < end; k++)
			if (job.j_source[k] < job.j_low ||
			    job.j_source[k] > job.j_last)
				out = true;
		for (k = i; k < end; k++)
			job.j_bounced[k] = out;
	}
}

static void
job_limits(bool aligned)
{

	/* Windows that end, or begin, in the middle of the buffers. */
	job.j_low = 0;
	job.j_last = SRC + rnd(SRC_SIZE);
	if (rnd(4) == 0) {
		job.j_low = SRC + rnd(SRC_SIZE);
		job.j_last = BUS_ADDR_MAX;
	} else if (rnd(4) == 0)
		job.j_last = SRC - 1;
	else if (rnd(3) == 0)
		job.j_last |= PAGE - 1;
	job.j_align = aligned ? UINT64_C(1) << rnd(10) : 1;
	job.j_boundary = 0;
	if (rnd(3) != 0)
		job.j_boundary = UINT64_C(1) << (6 + rnd(11));
	if (job.j_boundary != 0 && job.j_boundary < job.j_align)
		job.j_boundary = job.j_align;
}

static void
job_random(bool aligned)
{
	bus_addr_t at = SRC + rnd(SRC_SIZE);
	bus_size_t len;
	int n;

	job_limits(aligned);
	job.j_kind = (int)rnd(3);
	n = job.j_kind == BUFFER ? 1 : 1 + (int)rnd(NVEC);
	for (job.j_n = 0, job.j_size = 0; job.j_n < n;) {
		if (rnd(2) == 0)
			at = SRC + rnd(SRC_SIZE);
		if (rnd(4) == 0)
			at &= ~(PAGE - 1);
		len = rnd(8) == 0 ? 0 : rnd(MOST / (bus_size_t)n);
		if (len > SRC + SRC_SIZE - at)
			len = SRC + SRC_SIZE - at;
		job_piece(at, len);
		at = len == SRC + SRC_SIZE - at ? SRC : at + len;
	}
	job.j_max = rnd(2) == 0 ? MOST : job.j_align + rnd(2 * PAGE);
	job_bounced();
}

static int
job_load(bus_dma_tag_t tag, bus_dmamap_t map, int flags)
{

	if (job.j_kind == BUFFER)
		return (bus_dmamap_load(tag, map, job.j_vec[0].dv_base,
		    job.j_size, NULL, flags));
	if (job.j_kind == VEC)
		return (bus_dmamap_load_vec(tag, map, job.j_vec, job.j_n,
		    flags));
	return (bus_dmamap_load_raw(tag, map, job.j_raw, job.j_n, job.j_size,
	    flags));
}

static void
cut_byte(bus_addr_t a, bus_size_t max)
{
	bus_dma_segment_t *seg = ncut > 0 ? &cut[ncut - 1] : NULL;

	if (seg != NULL && seg->ds_addr + seg->ds_len == a &&
	    seg->ds_len < max &&
	    (job.j_boundary == 0 || a % job.j_boundary != 0)) {
		seg->ds_len++;
		return;
	}
	cut[ncut++] = (bus_dma_segment_t){ a, 1 };
}

/*
 * Each byte is where it may be, and nothing could have been joined.
 */
static void
job_check(bus_dmamap_t map)
{
	bus_size_t i = 0, k, max = job.j_max / job.j_align * job.j_align;
	int n;

	ATF_REQUIRE_EQ(job.j_size, map->dm_mapsize);
	for (n = 0; n < map->dm_nsegs; n++) {
		ATF_REQUIRE_EQ(0, map->dm_segs[n].ds_addr % job.j_align);
		for (k = 0; k < map->dm_segs[n].ds_len; k++, i++) {
			ATF_REQUIRE(i < job.j_size);
			job.j_device[i] = map->dm_segs[n].ds_addr + k;
		}
	}
	ATF_REQUIRE_EQ(job.j_size, i);
	for (i = 0, ncut = 0; i < job.j_size; i++) {
		ATF_REQUIRE(job.j_device[i] >= job.j_low &&
		    job.j_device[i] <= job.j_last);
		if (job.j_bounced[i])
			ATF_REQUIRE(job.j_device[i] - SRC >= SRC_SIZE);
		else
			ATF_REQUIRE_EQ(job.j_source[i], job.j_device[i]);
		cut_byte(job.j_device[i], max);
	}
	ATF_REQUIRE_EQ(ncut, map->dm_nsegs);
	for (n = 0; n < ncut; n++) {
		ATF_REQUIRE_EQ(cut[n].ds_addr, map->dm_segs[n].ds_addr);
		ATF_REQUIRE_EQ(cut[n].ds_len, map->dm_segs[n].ds_len);
	}
}

static void
random_range(bus_size_t *offset, bus_size_t *len)
{

	*offset = rnd(3) == 0 ? 0 : rnd(job.j_size + 1);
	*len = rnd(3) == 0 ? job.j_size - *offset :
	    rnd(job.j_size - *offset + 1);
}

/* Bytes of the mapping before a sync, for the CPU and for the device. */
static unsigned char cpu_was[MOST], device_was[MOST];

static void
remember(void)
{
	bus_size_t i;

	for (i = 0; i < job.j_size; i++) {
		cpu_was[i] = *byte_at(job.j_source[i]);
		device_was[i] = *byte_at(job.j_device[i]);
	}
}

/*
 * After a sync of [offset, offset + len): bounced bytes of that range were
 * copied in that direction, and no others in any.
 */
static void
check_copied(bus_size_t offset, bus_size_t len, bool to_device, bool to_cpu)
{
	unsigned char cpu, device;
	bus_size_t i;

	for (i = 0; i < job.j_size; i++) {
		cpu = *byte_at(job.j_source[i]);
		device = *byte_at(job.j_device[i]);
		if (!job.j_bounced[i] || i - offset >= len) {
			ATF_REQUIRE_EQ(cpu_was[i], cpu);
			ATF_REQUIRE_EQ(device_was[i], device);
			continue;
		}
		ATF_REQUIRE_EQ(to_cpu ? device_was[i] : cpu_was[i], cpu);
		ATF_REQUIRE_EQ(to_device ? cpu_was[i] : device_was[i], device);
	}
}

/*
 * One transfer, of a part of the mapping, in either direction or both.  Pieces
 * of a buffer may overlap, so that only a byte without a double can be told.
 */
static void
job_transfer(bus_dma_tag_t tag, bus_dmamap_t map)
{
	static const int ops[] = { BUS_DMASYNC_PREREAD, BUS_DMASYNC_PREWRITE,
	    BUS_DMASYNC_PREREAD | BUS_DMASYNC_PREWRITE };
	bus_size_t offset, len, i;
	int op = ops[rnd(3)];

	random_range(&offset, &len);
	for (i = 0; i < SRC_SIZE; i++)
		src[i] = (unsigned char)rnd(256);
	for (i = 0; i < job.j_size; i++)
		if (job.j_bounced[i])
			*byte_at(job.j_device[i]) = (unsigned char)rnd(256);
	remember();
	bus_dmamap_sync(tag, map, offset, len, op);
	check_copied(offset, len, true, false);

	/* The device does what it may; for memory it reads, nothing. */
	if ((op & BUS_DMASYNC_PREREAD) != 0)
		for (i = offset; i < offset + len; i++)
			if (rnd(4) != 0)
				*byte_at(job.j_device[i]) ^=
				    (unsigned char)(1 + rnd(255));
	remember();
	bus_dmamap_sync(tag, map, offset, len, op << 1);
	check_copied(offset, len, false, (op & BUS_DMASYNC_PREREAD) != 0);
}

/* Do some bytes of the buffer appear in it twice? */
static bool
job_overlaps(void)
{
	static bool seen[SRC_SIZE];
	bus_size_t i;

	memset(seen, 0, sizeof(seen));
	for (i = 0; i < job.j_size; i++) {
		if (seen[job.j_source[i] - SRC])
			return (true);
		seen[job.j_source[i] - SRC] = true;
	}
	return (false);
}

/* What the random loads came to. */
static unsigned nwhole, npartly, nnone, ntoobig;

static void
job_tell(void)
{
	bus_size_t i, n = 0;

	for (i = 0; i < job.j_size; i++)
		n += job.j_bounced[i];
	if (n == 0)
		nnone++;
	else if (n == job.j_size)
		nwhole++;
	else
		npartly++;
}

static void
job_run(bool aligned, int flags)
{
	uint64_t before;
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	int error;

	do
		job_random(aligned);
	while (job.j_size == 0 || job_overlaps());
	tag = make_tag("job", job.j_low, job.j_last);
	ATF_REQUIRE_EQ(0, bus_dmatag_align(tag, job.j_align));
	map = make_map(tag, MOST, (int)MOST / 32, job.j_max, job.j_boundary,
	    flags);
	before = free_frames();
	error = job_load(tag, map, BUS_DMA_NOWAIT);
	if (error == EFBIG) {
		/* One byte a segment may be too many. */
		ATF_REQUIRE(job.j_max < 64 || job.j_align > 32);
		ntoobig++;
	} else {
		ATF_REQUIRE_EQ(0, error);
		job_tell();
		job_check(map);
		if ((flags & BUS_DMA_ALLOCNOW) != 0)
			ATF_REQUIRE_EQ(before, free_frames());
		job_transfer(tag, map);
		job_transfer(tag, map);
		bus_dmamap_unload(tag, map);
	}
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
	ATF_REQUIRE_EQ_MSG(0, nlines, "%s", lastline);
}

static void
job_series(bool aligned, int flags)
{
	uint64_t before;
	int i;

	start();
	before = free_frames();
	for (i = 0; i < 150; i++)
		job_run(aligned, flags);
	/* The mixture is one. */
	ATF_CHECK_MSG(nwhole > 10 && npartly > 10 && nnone > 5 && ntoobig < 40,
	    "%u %u %u %u", nwhole, npartly, nnone, ntoobig);
	ATF_CHECK_EQ(before, free_frames());
	audit();
}

ATF_TC_WITHOUT_HEAD(random_window);
ATF_TC_BODY(random_window, tc)
{

	job_series(false, BUS_DMA_NOWAIT);
}

ATF_TC_WITHOUT_HEAD(random_aligned);
ATF_TC_BODY(random_aligned, tc)
{

	job_series(true, BUS_DMA_NOWAIT);
}

ATF_TC_WITHOUT_HEAD(random_allocnow);
ATF_TC_BODY(random_allocnow, tc)
{

	job_series(false, BUS_DMA_NOWAIT | BUS_DMA_ALLOCNOW);
}

ATF_TC_WITHOUT_HEAD(random_aligned_allocnow);
ATF_TC_BODY(random_aligned_allocnow, tc)
{

	job_series(true, BUS_DMA_NOWAIT | BUS_DMA_ALLOCNOW);
}

/* What is reached is not bounced, what is bounced lies in one piece. */
ATF_TC_WITHOUT_HEAD(only_where_needed);
ATF_TC_BODY(only_where_needed, tc)
{
	struct bus_dma_counts c;
	bus_dma_tag_t tag;
	bus_dmamap_t map;

	start();
	tag = make_tag("need", 0, SRC + 8 * PAGE - 1);
	map = make_map(tag, 16 * PAGE, 16, 16 * PAGE, 0, 0);
	ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map, src, 8 * PAGE, NULL,
	    BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(1, map->dm_nsegs);
	ATF_CHECK_EQ(SRC, map->dm_segs[0].ds_addr);
	bus_dmamap_unload(tag, map);
	bus_dma_counts(tag, &c);
	ATF_CHECK_EQ(1, c.dc_loads);
	ATF_CHECK_EQ(0, c.dc_bounced);
	ATF_CHECK_EQ(0, c.dc_pool);
	ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map, src + 4 * PAGE, 12 * PAGE,
	    NULL, BUS_DMA_NOWAIT));
	ATF_REQUIRE_EQ(2, map->dm_nsegs);
	ATF_CHECK_EQ(SRC + 4 * PAGE, map->dm_segs[0].ds_addr);
	ATF_CHECK_EQ(4 * PAGE, map->dm_segs[0].ds_len);
	ATF_CHECK_EQ(8 * PAGE, map->dm_segs[1].ds_len);
	ATF_CHECK_EQ(NULL, bus_dma_check(tag, &map->dm_segs[1], 1, 0, 0));
	bus_dma_counts(tag, &c);
	ATF_CHECK_EQ(2, c.dc_loads);
	ATF_CHECK_EQ(1, c.dc_bounced);
	ATF_CHECK_EQ(3, c.dc_segs);
	ATF_CHECK_EQ(20 * PAGE, c.dc_bytes);
	ATF_CHECK_EQ(0, c.dc_copied);
	ATF_CHECK(c.dc_pool >= 8 * PAGE);
	bus_dmamap_sync(tag, map, PAGE, 4 * PAGE, BUS_DMASYNC_PREWRITE);
	bus_dmamap_sync(tag, map, PAGE, 4 * PAGE, BUS_DMASYNC_POSTWRITE);
	bus_dma_counts(tag, &c);
	ATF_CHECK_EQ(PAGE, c.dc_copied);
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(0, nlines);
}

/* A device that writes less than it might leaves the rest as it was. */
ATF_TC_WITHOUT_HEAD(short_read);
ATF_TC_BODY(short_read, tc)
{
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	unsigned i;

	start();
	tag = make_tag("short", 0, SRC - 1);
	map = make_map(tag, PAGE, 1, PAGE, 0, 0);
	memset(src, 'a', PAGE);
	ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map, src, PAGE, NULL,
	    BUS_DMA_READ));
	memset(byte_at(map->dm_segs[0].ds_addr), 'x', PAGE);
	bus_dmamap_sync(tag, map, 0, PAGE, BUS_DMASYNC_PREREAD);
	memset(byte_at(map->dm_segs[0].ds_addr), 'b', 100);
	bus_dmamap_sync(tag, map, 0, PAGE, BUS_DMASYNC_POSTREAD);
	for (i = 0; i < PAGE; i++)
		ATF_REQUIRE_EQ(i < 100 ? 'b' : 'a', src[i]);
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(0, nlines);
}

/* Lines that a mapping may not cross are kept by where bounce memory lies. */
ATF_TC_WITHOUT_HEAD(lines);
ATF_TC_BODY(lines, tc)
{
	bus_dmamap_t map[3];
	bus_dma_tag_t tag;
	unsigned i;

	start();
	tag = make_tag("lines", 0, SRC - 1);
	ATF_REQUIRE_EQ(0, bus_dmatag_reserve(tag, 7 * PAGE, 0));
	for (i = 0; i < 3; i++) {
		map[i] = make_map(tag, 64 * KiB, 1, 64 * KiB, 64 * KiB, 0);
		ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map[i], src, 64 * KiB,
		    NULL, BUS_DMA_NOWAIT));
		ATF_CHECK_EQ(0, map[i]->dm_segs[0].ds_addr % (64 * KiB));
		ATF_CHECK_EQ(1, map[i]->dm_nsegs);
	}
	for (i = 0; i < 3; i++)
		bus_dmamap_destroy(tag, map[i]);
	/* Longer than from line to line: from line to line. */
	map[0] = make_map(tag, 128 * KiB, 2, 128 * KiB, 64 * KiB, 0);
	ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map[0], src, 128 * KiB, NULL,
	    BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(2, map[0]->dm_nsegs);
	bus_dmamap_destroy(tag, map[0]);
	bus_dmatag_destroy(tag);
	/* A reserve in which the first run that is long enough crosses one. */
	tag = make_tag("lines", 4 * MiB + 8 * PAGE, 4 * MiB + 32 * PAGE - 1);
	ATF_REQUIRE_EQ(0, bus_dmatag_reserve(tag, 24 * PAGE, 0));
	map[0] = make_map(tag, 64 * KiB, 1, 64 * KiB, 64 * KiB, 0);
	ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map[0], src, 64 * KiB, NULL,
	    BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(4 * MiB + 16 * PAGE, map[0]->dm_segs[0].ds_addr);
	bus_dmamap_destroy(tag, map[0]);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(0, nlines);
}

/*
 * The reserve: what is asked for, until the tag ends.
 */
ATF_TC_WITHOUT_HEAD(reserve);
ATF_TC_BODY(reserve, tc)
{
	struct bus_dma_counts c;
	bus_dma_segment_t hog;
	bus_dma_tag_t tag, keep;
	bus_dmamap_t map[2];
	uint64_t before;

	start();
	keep = any_tag();
	before = free_frames();
	tag = make_tag("reserve", 1 * MiB, 1 * MiB + 32 * PAGE - 1);
	ATF_CHECK_EQ(EINVAL, bus_dmatag_reserve(tag, 0, BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(EINVAL, bus_dmatag_reserve(tag, UINT64_MAX,
	    BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(EINVAL, bus_dmatag_reserve(tag, PAGE, UNKNOWN_FLAG));
	ATF_CHECK_EQ(ENOMEM, bus_dmatag_reserve(tag, 33 * PAGE,
	    BUS_DMA_NOWAIT));
	ATF_REQUIRE_EQ(0, bus_dmatag_reserve(tag, 4 * PAGE - 1,
	    BUS_DMA_NOWAIT));
	bus_dma_counts(tag, &c);
	ATF_CHECK_EQ(4 * PAGE, c.dc_pool);
	/* Others may take all the rest. */
	ATF_REQUIRE_EQ(0, alloc1(tag, 28 * PAGE, PAGE, 0, &hog));
	map[0] = make_map(tag, 4 * PAGE, 4, 4 * PAGE, 0, 0);
	map[1] = make_map(tag, 4 * PAGE, 4, 4 * PAGE, 0, 0);
	ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map[0], src, 3 * PAGE, NULL,
	    BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(ENOMEM, bus_dmamap_load(tag, map[1], src, 2 * PAGE, NULL,
	    BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(0, map[1]->dm_mapsize);
	ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map[1], src, 1 * PAGE, NULL,
	    BUS_DMA_NOWAIT));
	bus_dmamap_unload(tag, map[0]);
	ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map[0], src + PAGE, 3 * PAGE,
	    NULL, BUS_DMA_NOWAIT));
	bus_dmamap_destroy(tag, map[0]);
	bus_dmamap_destroy(tag, map[1]);
	bus_dmamem_free(tag, &hog, 1);
	bus_dma_counts(tag, &c);
	ATF_CHECK_EQ(4 * PAGE, c.dc_pool);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(before, free_frames());
	bus_dmatag_destroy(keep);
	ATF_CHECK_EQ(0, nlines);
}

/* All pages of the machine, and back. */
static paddr_t hogged[64 * 1024];
static unsigned nhogged;

static void
hog_all(void)
{

	while (nhogged < NITEMS(hogged) && (hogged[nhogged] =
	    vm_page_alloc(VM_PG_USERESERVE, VM_OWNER_NONE)) != VM_PADDR_NONE)
		nhogged++;
	ATF_REQUIRE(nhogged > 0 && nhogged < NITEMS(hogged));
}

static void
unhog_all(void)
{

	while (nhogged > 0)
		ATF_REQUIRE_EQ(0, vm_page_free(hogged[--nhogged]));
}

/*
 * All memory that is left is asked for, in a short run and a long one, so that
 * there is none to describe the long one with.
 */
ATF_TC_WITHOUT_HEAD(reserve_all_or_none);
ATF_TC_BODY(reserve_all_or_none, tc)
{
	struct bus_dma_counts c;
	bus_dma_tag_t tag;
	unsigned i, n = 0;

	start();
	tag = any_tag();
	ATF_REQUIRE_EQ(0, bus_dmatag_reserve(tag, PAGE, BUS_DMA_NOWAIT));
	hog_all();
	for (i = 0; i < nhogged; i++) {
		if ((hogged[i] < 17 * MiB || hogged[i] >= 31 * MiB) &&
		    hogged[i] != 2 * MiB)
			continue;
		ATF_REQUIRE_EQ(0, vm_page_free(hogged[i]));
		hogged[i] = hogged[--nhogged];
		i--;
		n++;
	}
	ATF_CHECK_EQ(ENOMEM, bus_dmatag_reserve(tag, n * PAGE,
	    BUS_DMA_NOWAIT));
	bus_dma_counts(tag, &c);
	ATF_CHECK_EQ(PAGE, c.dc_pool);
	ATF_CHECK_EQ(n, audit().va_free + audit().va_held);
	unhog_all();
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(0, nlines);
}

/*
 * With no page left in the machine, a map with BUS_DMA_ALLOCNOW can be loaded
 * with anything; one without cannot; and neither can another one be made.
 */
ATF_TC_WITHOUT_HEAD(allocnow);
ATF_TC_BODY(allocnow, tc)
{
	bus_dmamap_t now, later, more;
	bus_dma_tag_t tag;
	int i;

	start();
	tag = make_tag("now", 0, SRC - 1);
	ATF_REQUIRE_EQ(0, bus_dmatag_align(tag, 16));
	now = make_map(tag, 8 * PAGE, 20, 8 * PAGE, 0,
	    BUS_DMA_ALLOCNOW | BUS_DMA_NOWAIT);
	later = make_map(tag, 8 * PAGE, 20, 8 * PAGE, 0, BUS_DMA_NOWAIT);
	hog_all();
	ATF_CHECK_EQ(ENOMEM, bus_dmamap_create(tag, 8 * PAGE, 20, 8 * PAGE, 0,
	    BUS_DMA_ALLOCNOW | BUS_DMA_NOWAIT, &more));
	for (i = 0; i < 200; i++) {
		/* It may sleep, but there would be nobody to wake it. */
		ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, now, src +
		    rnd(50 * PAGE), 1 + rnd(8 * PAGE), NULL, BUS_DMA_WAITOK));
		bus_dmamap_sync(tag, now, 0, now->dm_mapsize,
		    BUS_DMASYNC_PREREAD);
		bus_dmamap_sync(tag, now, 0, now->dm_mapsize,
		    BUS_DMASYNC_POSTREAD);
		bus_dmamap_unload(tag, now);
		ATF_REQUIRE_EQ(ENOMEM, bus_dmamap_load(tag, later, src +
		    rnd(50 * PAGE), 1 + rnd(8 * PAGE), NULL, BUS_DMA_NOWAIT));
	}
	unhog_all();
	ATF_CHECK_EQ(0, bus_dmamap_load(tag, later, src, PAGE, NULL,
	    BUS_DMA_NOWAIT));
	bus_dmamap_destroy(tag, later);
	bus_dmamap_destroy(tag, now);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ_MSG(0, nlines, "%s", lastline);
	audit();
}

/* As many gaps, and as large, as alignment can make. */
ATF_TC_WITHOUT_HEAD(allocnow_gaps);
ATF_TC_BODY(allocnow_gaps, tc)
{
	struct bus_dma_vec vec[32];
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	unsigned i;

	start();
	tag = any_tag();
	ATF_REQUIRE_EQ(0, bus_dmatag_align(tag, 512));
	map = make_map(tag, 3 * PAGE, 32, 3 * PAGE, 0,
	    BUS_DMA_ALLOCNOW | BUS_DMA_NOWAIT);
	/* Each one that is not aligned is followed by one that is. */
	for (i = 0; i < 32; i += 2) {
		vec[i] = (struct bus_dma_vec){ src + i * PAGE + 1, 513 };
		vec[i + 1] = (struct bus_dma_vec){ src + (i + 1) * PAGE, 1 };
	}
	hog_all();
	ATF_REQUIRE_EQ(0, bus_dmamap_load_vec(tag, map, vec, 32,
	    BUS_DMA_NOWAIT));
	ATF_CHECK_EQ(32, map->dm_nsegs);
	bus_dmamap_sync(tag, map, 0, map->dm_mapsize, BUS_DMASYNC_PREWRITE);
	bus_dmamap_sync(tag, map, 0, map->dm_mapsize, BUS_DMASYNC_POSTWRITE);
	bus_dmamap_unload(tag, map);
	unhog_all();
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ_MSG(0, nlines, "%s", lastline);
	audit();
}

/* Only single pages are free: bounce memory is scattered like that. */
ATF_TC_WITHOUT_HEAD(scattered);
ATF_TC_BODY(scattered, tc)
{
	bus_dma_tag_t tag;
	bus_dmamap_t map, more;
	uint64_t i;
	int flags;

	start();
	for (i = 0; i < 32; i += 2)
		ATF_REQUIRE_EQ(0, vm_pglist_reserve(4 * MiB + i * PAGE, PAGE,
		    vm_owner_register("comb")));
	for (flags = 0; flags <= BUS_DMA_ALLOCNOW; flags += BUS_DMA_ALLOCNOW) {
		tag = make_tag("comb", 4 * MiB, 4 * MiB + 32 * PAGE - 1);
		job = (struct job){
			.j_low = 4 * MiB,
			.j_last = 4 * MiB + 32 * PAGE - 1,
			.j_align = 1,
			.j_max = MOST,
			.j_kind = VEC,
		};
		job_piece(SRC + 77, 5 * PAGE);
		job_piece(SRC + 20 * PAGE, 3 * PAGE + 5);
		job_bounced();
		map = make_map(tag, MOST, 12, MOST, 0, flags | BUS_DMA_NOWAIT);
		ATF_REQUIRE_EQ(0, job_load(tag, map, BUS_DMA_NOWAIT));
		job_check(map);
		ATF_CHECK_EQ(9, map->dm_nsegs);
		job_transfer(tag, map);
		bus_dmamap_destroy(tag, map);
		/* In fewer segments there is none. */
		ATF_CHECK_EQ(ENOMEM, bus_dmamap_create(tag, 2 * PAGE, 1,
		    2 * PAGE, 0, BUS_DMA_ALLOCNOW | BUS_DMA_NOWAIT, &more));
		more = make_map(tag, 2 * PAGE, 1, 2 * PAGE, 0, 0);
		ATF_CHECK_EQ(ENOMEM, bus_dmamap_load(tag, more, src, 2 * PAGE,
		    NULL, BUS_DMA_NOWAIT));
		ATF_CHECK_EQ(0, bus_dmamap_load(tag, more, src, PAGE, NULL,
		    BUS_DMA_NOWAIT));
		bus_dmamap_destroy(tag, more);
		bus_dmatag_destroy(tag);
	}
	ATF_CHECK_EQ_MSG(0, nlines, "%s", lastline);
	audit();
}

/*
 * Who may wait, waits until a mapping is unloaded, or anybody frees memory.
 */
struct wait {
	bus_dma_tag_t	w_tag;
	bus_dmamap_t	w_map;
	int		w_error;
	_Atomic bool	w_done;
};

static void *
waiter(void *arg)
{
	struct wait *w = arg;

	w->w_error = bus_dmamap_load(w->w_tag, w->w_map, src + 8 * PAGE,
	    4 * PAGE, NULL, BUS_DMA_WAITOK);
	w->w_done = true;
	return (NULL);
}

static void
wait_begin(struct wait *w, pthread_t *t)
{

	w->w_done = false;
	ATF_REQUIRE_EQ(0, pthread_create(t, NULL, waiter, w));
	usleep(50000);
	ATF_CHECK(!w->w_done);
}

static void
wait_end(struct wait *w, pthread_t t)
{

	ATF_REQUIRE_EQ(0, pthread_join(t, NULL));
	ATF_CHECK(w->w_done);
	ATF_CHECK_EQ(0, w->w_error);
	bus_dmamap_unload(w->w_tag, w->w_map);
}

ATF_TC_WITHOUT_HEAD(waiting);
ATF_TC_BODY(waiting, tc)
{
	bus_dma_segment_t hog;
	bus_dmamap_t map;
	struct wait w;
	pthread_t t;

	start();
	w.w_tag = make_tag("wait", 4 * MiB, 4 * MiB + 8 * PAGE - 1);
	w.w_map = make_map(w.w_tag, 16 * PAGE, 4, 16 * PAGE, 0, 0);
	map = make_map(w.w_tag, 16 * PAGE, 4, 16 * PAGE, 0, 0);
	/* What could never be, nobody waits for. */
	ATF_CHECK_EQ(ENOMEM, bus_dmamap_load(w.w_tag, map, src, 9 * PAGE,
	    NULL, BUS_DMA_WAITOK));
	ATF_REQUIRE_EQ(0, bus_dmamap_load(w.w_tag, map, src, 6 * PAGE, NULL,
	    BUS_DMA_WAITOK));
	wait_begin(&w, &t);
	bus_dmamap_unload(w.w_tag, map);
	wait_end(&w, t);

	/* The reserve has 6 pages now, of which one is left. */
	ATF_REQUIRE_EQ(0, alloc1(w.w_tag, 2 * PAGE, PAGE, 0, &hog));
	ATF_REQUIRE_EQ(0, bus_dmamap_load(w.w_tag, map, src, 5 * PAGE, NULL,
	    BUS_DMA_NOWAIT));
	bus_dmamap_unload(w.w_tag, map);
	ATF_REQUIRE_EQ(0, bus_dmamap_load(w.w_tag, map, src, 3 * PAGE, NULL,
	    BUS_DMA_NOWAIT));
	wait_begin(&w, &t);
	bus_dmamap_unload(w.w_tag, map);
	wait_end(&w, t);
	bus_dmamem_free(w.w_tag, &hog, 1);
	bus_dmamap_destroy(w.w_tag, map);
	bus_dmamap_destroy(w.w_tag, w.w_map);
	bus_dmatag_destroy(w.w_tag);

	/* Memory of somebody else. */
	w.w_tag = make_tag("wait", 4 * MiB, 4 * MiB + 8 * PAGE - 1);
	w.w_map = make_map(w.w_tag, 16 * PAGE, 4, 16 * PAGE, 0, 0);
	ATF_REQUIRE_EQ(0, alloc1(w.w_tag, 8 * PAGE, PAGE, 0, &hog));
	wait_begin(&w, &t);
	bus_dmamem_free(w.w_tag, &hog, 1);
	wait_end(&w, t);
	bus_dmamap_destroy(w.w_tag, w.w_map);
	bus_dmatag_destroy(w.w_tag);
	ATF_CHECK_EQ_MSG(0, nlines, "%s", lastline);
	audit();
}

ATF_TC_WITHOUT_HEAD(alignment);
ATF_TC_BODY(alignment, tc)
{
	struct bus_dma_vec odd[3];
	bus_dma_tag_t tag, child;
	bus_dmamap_t map;

	start();
	odd[0] = (struct bus_dma_vec){ src + 1, 77 };
	odd[1] = (struct bus_dma_vec){ src + 1001, 99 };
	odd[2] = (struct bus_dma_vec){ src + 7003, 33 };
	tag = any_tag();
	ATF_CHECK_EQ(EINVAL, bus_dmatag_align(tag, 0));
	ATF_CHECK_EQ(EINVAL, bus_dmatag_align(tag, 3));
	ATF_CHECK_EQ(EINVAL, bus_dmatag_align(tag, 2 * PAGE));
	ATF_REQUIRE_EQ(0, bus_dmatag_align(tag, 64));
	ATF_CHECK_EQ(EINVAL, bus_dmatag_align(tag, 32));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_create(tag, PAGE, 2, 63, 0, 0, &map));
	ATF_CHECK_EQ(EINVAL, bus_dmamap_create(tag, PAGE, 2, 64, 32, 0,
	    &map));
	ATF_REQUIRE_EQ(0, bus_dmatag_subregion(tag, 0, BUS_ADDR_MAX, &child,
	    0));
	map = make_map(child, PAGE, 2, PAGE, 0, 0);
	ATF_CHECK_EQ(EBUSY, bus_dmatag_align(child, 64));
	/* A buffer that is not aligned is bounced, one that is, not. */
	ATF_REQUIRE_EQ(0, bus_dmamap_load(child, map, src + 128, 500, NULL,
	    0));
	ATF_CHECK_EQ(SRC + 128, map->dm_segs[0].ds_addr);
	bus_dmamap_unload(child, map);
	ATF_REQUIRE_EQ(0, bus_dmamap_load(child, map, src + 129, 500, NULL,
	    0));
	ATF_CHECK_EQ(1, map->dm_nsegs);
	ATF_CHECK_EQ(0, map->dm_segs[0].ds_addr % 64);
	ATF_CHECK(map->dm_segs[0].ds_addr - SRC >= SRC_SIZE);
	bus_dmamap_unload(child, map);
	/* What is bounced together needs no gaps, nor segments of its own. */
	ATF_REQUIRE_EQ(0, bus_dmamap_load_vec(child, map, odd, 3, 0));
	ATF_CHECK_EQ(1, map->dm_nsegs);
	bus_dmamap_unload(child, map);
	map->dm_maxsegsz = 63;
	ATF_CHECK_EQ(EINVAL, bus_dmamap_load(child, map, src, 64, NULL, 0));
	bus_dmamap_destroy(child, map);
	bus_dmatag_destroy(child);
	bus_dmatag_destroy(tag);
	ATF_CHECK_EQ(0, nlines);
}

/* Several maps of one tag at work at once share its reserve. */
#define	NTHREAD	4

static bus_dma_tag_t shared;

static void *
worker(void *arg)
{
	unsigned char *buf = src + *(unsigned *)arg * 16 * PAGE, fill;
	const char *why = NULL;
	bus_dmamap_t map;
	int round;

	if (bus_dmamap_create(shared, 4 * PAGE, 4, 4 * PAGE, 0, BUS_DMA_NOWAIT,
	    &map) != 0)
		return (arg);
	for (round = 0; round < 300 && why == NULL; round++) {
		fill = (unsigned char)(*(unsigned *)arg * 64 + round % 64);
		memset(buf, fill, 4 * PAGE);
		if (bus_dmamap_load(shared, map, buf, 4 * PAGE, NULL,
		    BUS_DMA_WAITOK) != 0)
			return (arg);
		bus_dmamap_sync(shared, map, 0, 4 * PAGE,
		    BUS_DMASYNC_PREREAD | BUS_DMASYNC_PREWRITE);
		memset(buf, 0, 4 * PAGE);
		bus_dmamap_sync(shared, map, 0, 4 * PAGE,
		    BUS_DMASYNC_POSTREAD | BUS_DMASYNC_POSTWRITE);
		bus_dmamap_unload(shared, map);
		/* What went out came back, and is nobody else's. */
		if (buf[0] != fill || memcmp(buf, buf + 1, 4 * PAGE - 1) != 0)
			return (arg);
	}
	bus_dmamap_destroy(shared, map);
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(threads);
ATF_TC_BODY(threads, tc)
{
	unsigned number[NTHREAD], i;
	pthread_t t[NTHREAD];
	void *why;

	start();
	/* Room for two of the four at a time. */
	shared = make_tag("shared", 4 * MiB, 4 * MiB + 9 * PAGE - 1);
	for (i = 0; i < NTHREAD; i++) {
		number[i] = i;
		ATF_REQUIRE_EQ(0, pthread_create(&t[i], NULL, worker,
		    &number[i]));
	}
	for (i = 0; i < NTHREAD; i++) {
		ATF_REQUIRE_EQ(0, pthread_join(t[i], &why));
		ATF_CHECK_EQ(NULL, why);
	}
	bus_dmatag_destroy(shared);
	ATF_CHECK_EQ_MSG(0, nlines, "%s", lastline);
	audit();
}

ATF_TC_WITHOUT_HEAD(hopeless);
ATF_TC_BODY(hopeless, tc)
{
	const bus_size_t size = 2 * MiB + 64 * KiB;
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	unsigned char *big;

	/* More than so many segments can have: nobody waits for that. */
	start();
	tag = make_tag("dev", 0, 15 * MiB - 1);
	big = vm_md_phystov(20 * MiB, size);
	ATF_REQUIRE(big != NULL);
	map = make_map(tag, size, 2, size, 64 * KiB, 0);
	ATF_REQUIRE_EQ(EFBIG, bus_dmamap_load(tag, map, big, size, NULL,
	    BUS_DMA_NOWAIT));
	ATF_REQUIRE_EQ(EFBIG, bus_dmamap_load(tag, map, big, size, NULL,
	    BUS_DMA_WAITOK));
	bus_dmamap_destroy(tag, map);
	map = make_map(tag, size, 3, 100000, 0, 0);
	ATF_REQUIRE_EQ(EFBIG, bus_dmamap_load(tag, map, big, size, NULL,
	    BUS_DMA_NOWAIT));
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
	ATF_REQUIRE_EQ(0, nlines);
}

ATF_TC_WITHOUT_HEAD(many_lines);
ATF_TC_BODY(many_lines, tc)
{
	const bus_size_t size = 300 * 2 * PAGE;
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	unsigned char *big;
	int flags;

	/* More lines than an area has runs. */
	start();
	tag = make_tag("dev", 0, 15 * MiB - 1);
	big = vm_md_phystov(20 * MiB, size);
	ATF_REQUIRE(big != NULL);
	for (flags = BUS_DMA_NOWAIT;; flags |= BUS_DMA_ALLOCNOW) {
		map = make_map(tag, size, 300, size, 2 * PAGE, flags);
		ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map, big, size, NULL,
		    BUS_DMA_NOWAIT));
		ATF_REQUIRE_EQ(300, map->dm_nsegs);
		bus_dmamap_destroy(tag, map);
		if ((flags & BUS_DMA_ALLOCNOW) != 0)
			break;
	}
	bus_dmatag_destroy(tag);
	ATF_REQUIRE_EQ(0, nlines);
}

ATF_TC_WITHOUT_HEAD(one_line);
ATF_TC_BODY(one_line, tc)
{
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	bus_dma_segment_t seg;
	unsigned i;

	/* A map larger than its one segment: what fits in that can be loaded,
	   wherever there is memory. */
	start();
	tag = make_tag("dev", 0, 15 * MiB - 1);
	for (i = 0; i < 4; i++) {
		map = make_map(tag, 16 * PAGE, 1, 16 * PAGE, 4 * PAGE,
		    BUS_DMA_ALLOCNOW | BUS_DMA_NOWAIT);
		ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map, src, 4 * PAGE,
		    NULL, BUS_DMA_NOWAIT));
		ATF_REQUIRE_EQ(1, map->dm_nsegs);
		bus_dmamap_destroy(tag, map);
		ATF_REQUIRE_EQ(0, alloc1(tag, PAGE, PAGE, 0, &seg));
	}
	ATF_REQUIRE_EQ(0, nlines);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, random_window);
	ATF_TP_ADD_TC(tp, random_aligned);
	ATF_TP_ADD_TC(tp, random_allocnow);
	ATF_TP_ADD_TC(tp, random_aligned_allocnow);
	ATF_TP_ADD_TC(tp, only_where_needed);
	ATF_TP_ADD_TC(tp, short_read);
	ATF_TP_ADD_TC(tp, lines);
	ATF_TP_ADD_TC(tp, reserve);
	ATF_TP_ADD_TC(tp, reserve_all_or_none);
	ATF_TP_ADD_TC(tp, allocnow);
	ATF_TP_ADD_TC(tp, allocnow_gaps);
	ATF_TP_ADD_TC(tp, scattered);
	ATF_TP_ADD_TC(tp, waiting);
	ATF_TP_ADD_TC(tp, alignment);
	ATF_TP_ADD_TC(tp, threads);
	ATF_TP_ADD_TC(tp, hopeless);
	ATF_TP_ADD_TC(tp, many_lines);
	ATF_TP_ADD_TC(tp, one_line);
	return (atf_no_error());
}
