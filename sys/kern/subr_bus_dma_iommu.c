/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * bus_dma(9) through an I/O MMU.
 *
 * 1. Each mapping has bus addresses of its own, one range of them, in which
 *    the pages of its buffer are mapped when it is loaded, and nothing else
 *    is.  So two mappings of one page do not share a translation, and what is
 *    unloaded is gone at once, whoever else has the page loaded.
 *
 * 2. Pieces that lie in different pages are put one behind the other where
 *    one ends with a page and the next begins with one: they are one segment
 *    then.  Others begin in a page of their own, at the same offset as in
 *    memory.  (A page is the least that can be mapped: what else lies in it
 *    is within reach, too.)
 *
 * 3. No mapping has more segments than it would have without.  What fits
 *    between two boundary lines is put between two, for which a natural
 *    alignment does; else the range begins at a line, and each row of pages
 *    at the distance from a line at which its first page is in memory.  Where
 *    a segment may also be shorter than it is from line to line, each page is
 *    at that distance, and only those are joined that allow it.
 *    Memory from bus_dmamem_alloc() keeps its alignment, up to KEEP bytes,
 *    and crosses no line of that kind that it did not cross.
 *
 * 4. Bus addresses come from the upper half of the tag's window, if there are
 *    any: there they are seldom those of memory, and a driver that gives its
 *    device a physical address is found out.  Behind each range one page is
 *    left free, so that a device that goes too far is stopped there.
 *
 * 5. A map with BUS_DMA_ALLOCNOW has a range, and tables for it, from its
 *    creation to its end: as long as any mapping can be that has no more
 *    segments than the map.  Each row of pages is a segment at least, and costs
 *    an incomplete page at both of its ends or, where it is kept at its
 *    distance from a line, what lies between two lines.
 */

#include <sys/extent.h>
#include <sys/iommu.h>

#include <vm/vm_kassert.h>

#include "subr_bus_dma_var.h"

#define	KEEP		((bus_size_t)1 << 20)
#define	GUARD		VM_PAGE_SIZE
#define	MOST		((bus_size_t)1 << 60)	/* of a range */
#define	PAGE_MASK	(VM_PAGE_SIZE - 1)

static bus_size_t
page_round(bus_size_t n)
{

	return ((n + PAGE_MASK) & ~PAGE_MASK);
}

int
bus_dmatag_iommu(bus_dma_tag_t tag, const struct iommu *im)
{
	vm_md_intr_t s;
	paddr_t low = im->im_space->ex_start, high = im->im_space->ex_end;
	int error = 0;

	high = high == UINT64_MAX ? VM_PADDR_MAX : high + 1;
	s = dma_tag_lock(tag);
	if (low < tag->dt_low)
		low = tag->dt_low;
	if (high > tag->dt_high)
		high = tag->dt_high;
	if (tag->dt_nmaps != 0 || tag->dt_mem != NULL || tag->dt_pool != NULL)
		error = EBUSY;
	else if (low >= high)
		error = EINVAL;
	else {
		tag->dt_iommu = im;
		tag->dt_low = low;
		tag->dt_high = high;
	}
	dma_tag_unlock(tag, s);
	return (error);
}

bool
bus_dma_faults(bus_dma_tag_t tag, uint64_t *n)
{
	const struct iommu *im = tag->dt_iommu;

	*n = im == NULL ? 0 : im->im_ops->io_faults(im->im_cookie);
	return (im != NULL);
}

/*
 * Rows.
 */

bus_size_t
dma_row_size(const struct dma_row *row)
{

	return (page_round(row->ro_end));
}

/*
 * Does a piece go directly behind the one before it?
 */
static bool
joins(const struct dma_row *row, paddr_t pa)
{

	if (pa == row->ro_next)
		return (true);
	if (row->ro_strict &&
	    ((row->ro_end ^ pa) & (row->ro_boundary - 1)) != 0)
		return (false);
	return (((row->ro_end | pa) & PAGE_MASK) == 0);
}

bus_size_t
dma_row_place(struct dma_row *row, paddr_t pa, bus_size_t len)
{
	bus_size_t at = page_round(row->ro_end);

	if (row->ro_end == 0 && !row->ro_strict)
		at = pa & PAGE_MASK;
	else if (row->ro_end != 0 && joins(row, pa))
		at = row->ro_end;
	else if (row->ro_boundary != 0)
		at += (pa - at) & (row->ro_boundary - 1);
	else
		at += pa & PAGE_MASK;
	row->ro_end = at + len;
	row->ro_next = pa + len;
	return (at);
}

/*
 * Addresses.
 */

/*
 * The least power of two that is not less than n, which is not 0.
 */
static bus_size_t
power_of_two(bus_size_t n)
{
	bus_size_t p = VM_PAGE_SIZE;

	while (p < n && p <= UINT64_MAX / 2)
		p <<= 1;
	return (p);
}

static bus_size_t
alignment(const struct dma_map *map, bus_size_t size)
{
	const struct dma_source *source = &map->md_source;
	bus_size_t natural = power_of_two(size), align = VM_PAGE_SIZE, start;

	if (map->md_boundary > VM_PAGE_SIZE)
		align = natural < map->md_boundary ? natural :
		    map->md_boundary;
	if (source->so_kind != DMA_RAW)
		return (align);
	start = source->so_segs[0].ds_addr;
	start &= ~start + 1;
	if (start == 0 || start > KEEP)
		start = KEEP;
	if (start < natural)
		start = natural < KEEP ? natural : KEEP;
	return (align > start ? align : start);
}

/*
 * From [low, high] of the bus addresses.  => 0, or an error.
 */
static int
space_alloc(const struct dma_map *map, bus_addr_t low, bus_addr_t high,
    bus_size_t size, bus_size_t align, bus_addr_t *addrp)
{
	exaddr_t addr;
	int error;

	error = extent_alloc_subregion(map->md_tag->dt_iommu->im_space, low,
	    high, size + GUARD, align, EX_NOBOUNDARY, EX_NOWAIT | EX_FAST,
	    &addr);
	if (error == 0)
		*addrp = addr;
	return (error);
}

/*
 * From the upper half of the window, or from all of it; with an alignment, or
 * with one that does, too.  => 0, or ENOMEM.
 */
static int
window_alloc(const struct dma_map *map, bus_size_t size, bus_size_t align,
    bus_size_t atleast, bus_addr_t *addrp)
{
	const struct bus_dma_tag *tag = map->md_tag;
	const struct extent *ex = tag->dt_iommu->im_space;
	bus_addr_t low, high, middle;

	low = tag->dt_low > ex->ex_start ? tag->dt_low : ex->ex_start;
	high = tag->dt_high > ex->ex_end ? ex->ex_end : tag->dt_high - 1;
	middle = low + (high - low) / 2;
	if (space_alloc(map, middle, high, size, align, addrp) == 0 ||
	    (atleast < align &&
	    space_alloc(map, middle, high, size, atleast, addrp) == 0) ||
	    space_alloc(map, low, high, size, align, addrp) == 0 ||
	    (atleast < align &&
	    space_alloc(map, low, high, size, atleast, addrp) == 0))
		return (0);
	return (ENOMEM);
}

static void
space_free(const struct iommu *im, bus_addr_t addr, bus_size_t size)
{

	/* A whole region: this needs no memory. */
	(void)extent_free(im->im_space, addr, size + GUARD, EX_NOWAIT);
}

/*
 * The longest range that a mapping of size bytes takes.  => 0: more than there
 * can be.
 */
static bus_size_t
range_size(const struct dma_map *map, bus_size_t size)
{
	bus_size_t n = (bus_size_t)map->md_segcnt, each = 2 * VM_PAGE_SIZE;

	if (size > MOST)
		return (0);
	if (map->md_boundary > VM_PAGE_SIZE &&
	    map->md_boundary < size + n * each)
		each = map->md_boundary + VM_PAGE_SIZE;
	return (each > MOST / n ? 0 : page_round(size + n * each));
}

int
dma_iommu_reserve(struct dma_map *map, bus_size_t size)
{
	const struct iommu *im = map->md_tag->dt_iommu;
	bus_size_t range, least;

	if (im == NULL)
		return (0);
	if ((range = range_size(map, size)) == 0)
		return (ENOMEM);
	least = alignment(map, range);
	/* So that memory that is aligned can be loaded, too. */
	if (window_alloc(map, range, least > KEEP ? least : KEEP, least,
	    &map->md_kept) != 0)
		return (ENOMEM);
	if (im->im_ops->io_prepare(im->im_cookie, map->md_kept, range) != 0) {
		space_free(im, map->md_kept, range);
		return (ENOMEM);
	}
	map->md_keptsize = range;
	return (0);
}

void
dma_iommu_unreserve(struct dma_map *map)
{

	if (map->md_keptsize != 0)
		space_free(map->md_tag->dt_iommu, map->md_kept,
		    map->md_keptsize);
	map->md_keptsize = 0;
}

/*
 * Is the range that a map has enough?
 */
static bool
kept_does(const struct dma_map *map, bus_size_t size, bus_size_t align)
{

	return (size <= map->md_keptsize && (map->md_kept & (align - 1)) == 0);
}

int
dma_iommu_alloc(struct dma_map *map, bus_size_t size)
{
	bus_size_t align = alignment(map, size);
	int error = 0;

	if (kept_does(map, size, align))
		map->md_iova = map->md_kept;
	else
		error = window_alloc(map, size, align, align, &map->md_iova);
	if (error == 0)
		map->md_iosize = size;
	return (error);
}

void
dma_iommu_free(struct dma_map *map)
{
	const struct iommu *im = map->md_tag->dt_iommu;

	if (map->md_iosize == 0)
		return;
	im->im_ops->io_remove(im->im_cookie, map->md_iova, map->md_iosize);
	if (map->md_keptsize == 0 || map->md_iova != map->md_kept)
		space_free(im, map->md_iova, map->md_iosize);
	map->md_iosize = 0;
}

int
dma_iommu_enter(struct dma_map *map, struct dma_row *row, bus_size_t at,
    paddr_t pa, bus_size_t len)
{
	const struct iommu *im = map->md_tag->dt_iommu;
	bus_size_t start = at & ~PAGE_MASK, end = page_round(at + len);

	pa &= ~PAGE_MASK;
	/* Its first page may be the last one of the piece before. */
	if (start < row->ro_entered) {
		pa += row->ro_entered - start;
		start = row->ro_entered;
	}
	KASSERT(end <= map->md_iosize);
	if (start >= end)
		return (0);
	row->ro_entered = end;
	return (im->im_ops->io_enter(im->im_cookie, map->md_iova + start, pa,
	    end - start, row->ro_prot));
}

bus_size_t
dma_physical(const struct bus_dma_tag *tag, bus_addr_t addr, bus_size_t len,
    paddr_t *pa)
{
	const struct iommu *im = tag->dt_iommu;
	bus_size_t room = VM_PAGE_SIZE - (addr & PAGE_MASK);

	*pa = addr;
	if (im == NULL)
		return (len);
	if (!im->im_ops->io_extract(im->im_cookie, addr, pa))
		*pa = VM_PADDR_NONE;
	return (room < len ? room : len);
}

/*
 * Which segment is the nearest.
 */

static bus_addr_t
distance(const bus_dma_segment_t *seg, bus_addr_t addr)
{

	if (addr < seg->ds_addr)
		return (seg->ds_addr - addr);
	if (addr - seg->ds_addr < seg->ds_len)
		return (0);
	return (addr - seg->ds_addr - (seg->ds_len - 1));
}

/*
 * => tag's lock held.
 */
void
dma_nearest(const struct bus_dma_tag *tag, bus_addr_t addr,
    struct bus_dma_near *near)
{
	const struct dma_map *map;
	const bus_dma_segment_t *seg;
	int i;

	if (near->bn_name[0] == '\0')
		memcpy(near->bn_name, tag->dt_name, sizeof(near->bn_name));
	for (map = tag->dt_maps; map != NULL; map = map->md_next)
		for (i = 0; map->md_loaded && i < map->md_pub.dm_nsegs; i++) {
			seg = &map->md_segs[i];
			if (near->bn_seg.ds_len != 0 &&
			    distance(seg, addr) >=
			    distance(&near->bn_seg, addr))
				continue;
			memcpy(near->bn_name, tag->dt_name,
			    sizeof(near->bn_name));
			near->bn_map = map->md_number;
			near->bn_seg = *seg;
		}
}
