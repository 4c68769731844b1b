/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Bounce memory of bus_dma(9): where it comes from, and who copies what.
 *
 * 1. A mapping has at most one area: runs of pages that its tag's device
 *    reaches, used as one row of bytes.  It comes from the first of these that
 *    has it:
 *
 *	a. one run in the tag's reserve, which crosses no line;
 *	b. the page allocator, in as few runs as there can be;
 *	c. what is left in the reserve, the longest runs first;
 *
 *    and goes back there when the map is unloaded.  A map with
 *    BUS_DMA_ALLOCNOW got one from the page allocator when it was made, large
 *    enough for any load, and keeps it.
 *
 * 2. The reserve begins with the first mapping that needs one, or when a
 *    driver asks for it: most never need any, and below 16 MiB each page
 *    counts.  From there on it is not given back before the tag ends: what a
 *    device needed once it will need again, and others would have taken it.
 *
 * 3. Who has to wait looks again whenever a mapping of the tag is unloaded,
 *    and now and then, because pages of others are not announced to us.  A
 *    mapping that the memory in the window could never hold does not wait.
 *
 * 4. What is bounced is known by its address: nothing else in a mapping lies
 *    in its area.  So nothing has to be kept for each piece, however many
 *    there are, and a load with BUS_DMA_ALLOCNOW needs no memory at all.
 */

#include <sys/kmem.h>

#include <vm/vm_physseg.h>

#include "subr_bus_dma_var.h"

#define	POOL_SIZE	((bus_size_t)64 * 1024)	/* of a reserve at first */
#define	POOL_MOST	((bus_size_t)1024 * 1024) /* unless asked for */
#define	POOL_RUNS	16	/* in which a reserve is asked for */
#define	AREA_RUNS	(VM_PAGE_SIZE / sizeof(struct vm_pgseg))
#define	WAIT_NSEC	10000000	/* between two looks */

static bus_size_t
to_pages(bus_size_t size)
{

	return ((size + VM_PAGE_SIZE - 1) >> PAGE_SHIFT);
}

/*
 * The reserve.
 */

static struct dma_chunk *
chunk_alloc(paddr_t start, bus_size_t npages)
{
	struct dma_chunk *dc;

	dc = kmem_zalloc(sizeof(*dc) + npages, KM_NOSLEEP);
	if (dc == NULL)
		return (NULL);
	dc->dc_start = start;
	dc->dc_npages = (unsigned)npages;
	return (dc);
}

static void
chunk_free(struct dma_chunk *dc)
{

	kmem_free(dc, sizeof(*dc) + dc->dc_npages);
}

/*
 * Give runs to the reserve, all or none.  => 0 or ENOMEM.
 */
static int
pool_add(struct bus_dma_tag *tag, const struct vm_pgseg *runs, unsigned n)
{
	struct dma_chunk *dc[POOL_RUNS];
	vm_md_intr_t s;
	unsigned i;

	for (i = 0; i < n; i++) {
		dc[i] = chunk_alloc(runs[i].vps_start,
		    runs[i].vps_size >> PAGE_SHIFT);
		if (dc[i] != NULL)
			continue;
		while (i-- > 0)
			chunk_free(dc[i]);
		return (ENOMEM);
	}
	s = dma_tag_lock(tag);
	for (i = 0; i < n; i++) {
		dc[i]->dc_next = tag->dt_pool;
		tag->dt_pool = dc[i];
	}
	dma_tag_unlock(tag, s);
	return (0);
}

int
bus_dmatag_reserve(bus_dma_tag_t tag, bus_size_t size, int flags)
{
	struct vm_pgseg runs[POOL_RUNS];
	struct vm_pgreq req;
	unsigned i, n;
	int error;

	if (!dma_flags_valid(flags) || to_pages(size) >= UINT32_MAX)
		return (EINVAL);
	dma_request(&req, tag, size, POOL_RUNS, flags);
	if ((error = vm_pglist_alloc(&req, runs, &n)) != 0)
		return (error);
	if ((error = pool_add(tag, runs, n)) == 0)
		return (0);
	for (i = 0; i < n; i++)
		(void)vm_pglist_free(runs[i].vps_start, runs[i].vps_size);
	return (error);
}

void
dma_pool_free(struct bus_dma_tag *tag)
{
	struct dma_chunk *dc;

	while ((dc = tag->dt_pool) != NULL) {
		tag->dt_pool = dc->dc_next;
		(void)vm_pglist_free(dc->dc_start,
		    vm_ptoa(dc->dc_npages));
		chunk_free(dc);
	}
}

bus_size_t
dma_pool_size(struct bus_dma_tag *tag)
{
	vm_md_intr_t s = dma_tag_lock(tag);
	const struct dma_chunk *dc;
	bus_size_t npages = 0;

	for (dc = tag->dt_pool; dc != NULL; dc = dc->dc_next)
		npages += dc->dc_npages;
	dma_tag_unlock(tag, s);
	return (vm_ptoa(npages));
}

/*
 * Free pages from at on in a chunk.
 */
static unsigned
chunk_run(const struct dma_chunk *dc, unsigned at)
{
	unsigned i = at;

	while (i < dc->dc_npages && !dc->dc_used[i])
		i++;
	return (i - at);
}

/*
 * May a mapping have npages at pa in one segment, as far as lines go?  One
 * that is longer than from line to line has to begin with a line.
 */
static bool
in_line(paddr_t pa, bus_size_t npages, bus_size_t boundary)
{
	bus_size_t last = vm_ptoa(npages) - 1;

	if (boundary <= VM_PAGE_SIZE)
		return (true);
	if (last >= boundary)
		return ((pa & (boundary - 1)) == 0);
	return ((pa & ~(boundary - 1)) == ((pa + last) & ~(boundary - 1)));
}

static void
chunk_take(struct dma_chunk *dc, unsigned at, bus_size_t npages,
    struct dma_area *area)
{
	struct vm_pgseg *run = &area->da_runs[area->da_nruns++];

	memset(&dc->dc_used[at], 1, npages);
	run->vps_start = dc->dc_start + vm_ptoa(at);
	run->vps_size = vm_ptoa(npages);
	area->da_pool = true;
}

/*
 * One run of the reserve.  => tag's lock held; is there one?
 */
static bool
pool_run(struct bus_dma_tag *tag, bus_size_t npages, bus_size_t boundary,
    struct dma_area *area)
{
	struct dma_chunk *dc;
	unsigned at, n;

	for (dc = tag->dt_pool; dc != NULL; dc = dc->dc_next)
		for (at = 0; at < dc->dc_npages; at++) {
			n = chunk_run(dc, at);
			if (n < npages) {
				at += n;
				continue;
			}
			if (in_line(dc->dc_start + vm_ptoa(at), npages,
			    boundary)) {
				chunk_take(dc, at, npages, area);
				return (true);
			}
		}
	return (false);
}

/*
 * The longest run of the reserve.  => tag's lock held; its pages; 0: none.
 */
static unsigned
pool_longest(struct bus_dma_tag *tag, struct dma_chunk **dcp, unsigned *atp)
{
	unsigned at, n, best = 0;
	struct dma_chunk *dc;

	for (dc = tag->dt_pool; dc != NULL; dc = dc->dc_next)
		for (at = 0; at < dc->dc_npages; at += n + 1) {
			n = chunk_run(dc, at);
			if (n <= best)
				continue;
			best = n;
			*dcp = dc;
			*atp = at;
		}
	return (best);
}

static void
pool_put_run(struct bus_dma_tag *tag, const struct vm_pgseg *run)
{
	struct dma_chunk *dc;

	for (dc = tag->dt_pool; dc != NULL; dc = dc->dc_next)
		if (run->vps_start - dc->dc_start < vm_ptoa(dc->dc_npages))
			memset(&dc->dc_used[(run->vps_start - dc->dc_start) >>
			    PAGE_SHIFT], 0, run->vps_size >> PAGE_SHIFT);
}

/*
 * => tag's lock held.
 */
static void
pool_put(struct bus_dma_tag *tag, struct dma_area *area)
{
	unsigned i;

	for (i = 0; i < area->da_nruns; i++)
		pool_put_run(tag, &area->da_runs[i]);
	area->da_nruns = 0;
}

/*
 * Whatever there is of the reserve.  => tag's lock held; was it enough?
 */
static bool
pool_rest(struct bus_dma_tag *tag, bus_size_t npages, struct dma_area *area)
{
	struct dma_chunk *dc = NULL;
	unsigned at = 0, n;

	while (npages > 0 && area->da_nruns < area->da_room &&
	    (n = pool_longest(tag, &dc, &at)) > 0) {
		if (n > npages)
			n = (unsigned)npages;
		chunk_take(dc, at, n, area);
		npages -= n;
	}
	if (npages > 0)
		pool_put(tag, area);
	return (npages == 0);
}

static bool
pool_get(struct bus_dma_tag *tag, bus_size_t npages, bus_size_t boundary,
    bool rest, struct dma_area *area)
{
	vm_md_intr_t s = dma_tag_lock(tag);
	bool found;

	found = rest ? pool_rest(tag, npages, area) :
	    pool_run(tag, npages, boundary, area);
	dma_tag_unlock(tag, s);
	return (found);
}

/*
 * Areas.
 */

/*
 * Room for the runs of an area.
 */
static bool
area_open(struct dma_area *area, bus_size_t npages, int nsegs, int flags)
{
	unsigned room = AREA_RUNS;

	if (room > npages)
		room = (unsigned)npages;
	if (room > (unsigned)nsegs)
		room = (unsigned)nsegs;
	*area = (struct dma_area){ .da_room = room };
	area->da_runs = &area->da_one;
	if (room > 1)
		area->da_runs = kmem_alloc(room * sizeof(*area->da_runs),
		    (flags & BUS_DMA_NOWAIT) != 0 ? KM_NOSLEEP : KM_SLEEP);
	return (area->da_runs != NULL);
}

static void
area_close(struct dma_area *area)
{

	if (area->da_room > 1)
		kmem_free(area->da_runs, area->da_room *
		    sizeof(*area->da_runs));
	*area = (struct dma_area){ 0 };
}

/*
 * From the page allocator.  => 0, ENOMEM, EFBIG, EINTR.
 */
static int
area_alloc(struct bus_dma_tag *tag, bus_size_t npages, bus_size_t boundary,
    int flags, struct dma_area *area)
{
	struct vm_pgreq req;

	dma_request(&req, tag, vm_ptoa(npages), (int)area->da_room, flags);
	/* Shorter lines cut every page alike; and what begins with a line is
	   cut by the fewest. */
	if (boundary > VM_PAGE_SIZE &&
	    (npages - 1) / area->da_room < boundary >> PAGE_SHIFT)
		req.vpr_boundary = boundary;
	else if (boundary > VM_PAGE_SIZE)
		req.vpr_align = boundary;
	return (vm_pglist_alloc(&req, area->da_runs, &area->da_nruns));
}

/*
 * Could there be so much memory in the tag's window?
 */
static bool
could_be(const struct bus_dma_tag *tag, bus_size_t npages)
{
	struct vm_physseg seg;
	paddr_t start, end;
	bus_size_t n = 0;
	unsigned i;

	for (i = 0; vm_physseg_get(i, &seg); i++) {
		start = vm_ptoa(seg.vs_start);
		end = vm_ptoa(seg.vs_end);
		if (start < dma_memory_low(tag))
			start = dma_memory_low(tag);
		if (end > dma_memory_high(tag))
			end = dma_memory_high(tag);
		if (start < end)
			n += (end - start) >> PAGE_SHIFT;
	}
	return (n >= npages);
}

/*
 * Look everywhere once.
 */
static bool
area_find(struct bus_dma_tag *tag, bus_size_t npages, bus_size_t boundary,
    bool own, struct dma_area *area)
{
	bus_size_t size;

	if (own)
		return (area_alloc(tag, npages, boundary, BUS_DMA_NOWAIT,
		    area) == 0);
	size = vm_ptoa(npages);
	if (size <= POOL_MOST && dma_pool_size(tag) == 0)
		(void)bus_dmatag_reserve(tag,
		    size > POOL_SIZE ? size : POOL_SIZE, BUS_DMA_NOWAIT);
	return (pool_get(tag, npages, boundary, false, area) ||
	    area_alloc(tag, npages, boundary, BUS_DMA_NOWAIT, area) == 0 ||
	    pool_get(tag, npages, boundary, true, area));
}

/*
 * Look until there is one.
 */
static int
area_wait(struct bus_dma_tag *tag, bus_size_t npages, bus_size_t boundary,
    int flags, bool own, struct dma_area *area)
{
	uint32_t seen;
	int error;

	for (;;) {
		seen = atomic_load(&tag->dt_pooled);
		if (area_find(tag, npages, boundary, own, area))
			return (0);
		if ((flags & BUS_DMA_NOWAIT) != 0 || !could_be(tag, npages))
			return (ENOMEM);
		error = vm_md_wait(&tag->dt_pooled, seen, WAIT_NSEC);
		if (error == EINTR)
			return (error);
	}
}

int
dma_area_get(struct bus_dma_tag *tag, bus_size_t size, bus_size_t boundary,
    int nsegs, int flags, bool own, struct dma_area *area)
{
	bus_size_t npages = to_pages(size);
	int error;

	if (!area_open(area, npages, nsegs, flags)) {
		*area = (struct dma_area){ 0 };
		return (ENOMEM);
	}
	error = area_wait(tag, npages, boundary, flags, own, area);
	if (error != 0)
		area_close(area);
	return (error);
}

void
dma_area_put(struct bus_dma_tag *tag, struct dma_area *area)
{
	vm_md_intr_t s;
	unsigned i;

	if (area->da_nruns == 0)
		return;
	if (area->da_pool) {
		s = dma_tag_lock(tag);
		pool_put(tag, area);
		dma_tag_unlock(tag, s);
	} else
		for (i = 0; i < area->da_nruns; i++)
			(void)vm_pglist_free(area->da_runs[i].vps_start,
			    area->da_runs[i].vps_size);
	area_close(area);
	atomic_fetch_add(&tag->dt_pooled, 1);
	vm_md_wake(&tag->dt_pooled);
}

bus_size_t
dma_area_size(const struct dma_area *area)
{
	bus_size_t size = 0;
	unsigned i;

	for (i = 0; i < area->da_nruns; i++)
		size += area->da_runs[i].vps_size;
	return (size);
}

bus_size_t
dma_area_at(const struct dma_area *area, bus_size_t at, bus_addr_t *addr)
{
	unsigned i;

	for (i = 0; i < area->da_nruns; i++) {
		if (at < area->da_runs[i].vps_size) {
			*addr = area->da_runs[i].vps_start + at;
			return (area->da_runs[i].vps_size - at);
		}
		at -= area->da_runs[i].vps_size;
	}
	return (0);
}

/*
 * How much of [addr, addr + len) is alike, all in the area or none of it?
 */
static bus_size_t
alike(const struct dma_area *area, bus_addr_t addr, bus_size_t len, bool *in)
{
	const struct vm_pgseg *run;
	unsigned i;

	*in = false;
	for (i = 0; i < area->da_nruns; i++) {
		run = &area->da_runs[i];
		if (addr - run->vps_start < run->vps_size) {
			*in = true;
			addr = run->vps_start + run->vps_size - addr;
			return (addr < len ? addr : len);
		}
		if (run->vps_start - addr < len)
			len = run->vps_start - addr;
	}
	return (len);
}

/*
 * The same as dma_bounce_copy(), in one segment, whose byte at addr is that
 * at offset.
 */
static void
copy_segment(struct dma_map *map, bus_addr_t addr, bus_size_t offset,
    bus_size_t len, bool to_device)
{
	bus_size_t n;
	paddr_t pa;
	char *va;
	bool in;

	for (; len > 0; addr += n, offset += n, len -= n) {
		n = dma_physical(map->md_tag, addr, len, &pa);
		n = alike(&map->md_area, pa, n, &in);
		if (!in)
			continue;
		va = vm_md_phystov(pa, n);
		if (va == NULL)
			continue;
		dma_source_copy(&map->md_source, offset, va, n, to_device);
		dma_count(&map->md_tag->dt_copied, n);
	}
}

void
dma_bounce_copy(struct dma_map *map, bus_size_t offset, bus_size_t len,
    bool to_device)
{
	const bus_dma_segment_t *seg = map->md_segs;
	bus_size_t start = 0, skip, n;
	int i;

	for (i = 0; i < map->md_pub.dm_nsegs && len > 0; i++, seg++) {
		if (offset - start < seg->ds_len) {
			skip = offset - start;
			n = seg->ds_len - skip;
			if (n > len)
				n = len;
			copy_segment(map, seg->ds_addr + skip, offset, n,
			    to_device);
			offset += n;
			len -= n;
		}
		start += seg->ds_len;
	}
}
