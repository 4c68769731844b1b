/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * How a buffer is cut into the segments of a mapping.
 *
 * A source is read in pieces: bytes that lie one after the other in physical
 * memory, in one page where that matters.  A piece is bounced if its device
 * does not reach all of it, or if a segment would have to begin with it and it
 * is not aligned.  Whether a segment begins there hangs only on the piece
 * before (it does unless the piece lies directly behind it, both unbounced):
 * where a segment ends because it is full or at a line, the next is aligned
 * again, since the lengths and lines allowed are multiples of the alignment.
 * So what is to be bounced is known before any segment is made, to the byte.
 *
 * Bounced pieces that follow one another are packed, without a gap, into the
 * bounce memory: they need no more of it than they have bytes, and no more
 * segments than one, but for lines and the ends of runs.
 *
 * Filling each segment as far as it goes gives the fewest: a cut is made
 * only where one must lie, or where the segment is full.
 */

#include <sys/iommu.h>
#include <sys/kpmap.h>

#include <vm/vm_kassert.h>

#include "subr_bus_dma_var.h"

/* No port has memory from here on. */
#define	MEMORY_END	((paddr_t)1 << VM_PADDR_BITS)

/* A place in a source. */
struct place {
	const struct dma_source *pl_source;
	unsigned	pl_index;	/* entry of its list */
	bus_size_t	pl_at;		/* byte in it */
	bus_size_t	pl_left;	/* bytes from here on */
	bool		pl_bounced;	/* the piece before was */
	bool		pl_reached;	/* it was not; it ended at pl_next */
	paddr_t		pl_next;
};

struct piece {
	paddr_t		pi_addr;
	bus_size_t	pi_len;
	bool		pi_bounce;
	bool		pi_packed;	/* directly behind one that was, too */
};

static struct place
place_first(const struct dma_source *source, bus_size_t size)
{

	return ((struct place){ .pl_source = source, .pl_left = size });
}

static bus_size_t
entry_len(const struct dma_source *source, unsigned i)
{

	return (source->so_kind == DMA_RAW ? source->so_segs[i].ds_len :
	    source->so_vec[i].dv_len);
}

/*
 * Go on to the next entry that has a byte.  => how many are left in it; 0:
 * there is none.
 */
static bus_size_t
place_entry(struct place *pl)
{
	bus_size_t len;

	for (; pl->pl_index < pl->pl_source->so_n; pl->pl_index++) {
		len = entry_len(pl->pl_source, pl->pl_index);
		if (len > pl->pl_at)
			return (len - pl->pl_at);
		pl->pl_at = 0;
	}
	return (0);
}

/*
 * The physical address of a kernel address.  => VM_PADDR_NONE: it has none.
 */
static paddr_t
address_of(uintptr_t va)
{
	vaddr_t start, end;
	paddr_t pa;

	pmap_krange(&start, &end);
	if (va < start || va >= end)
		return (vm_md_vtophys((const void *)va));
	return (pmap_kextract(va, &pa) ? pa : VM_PADDR_NONE);
}

static bus_size_t
to_page_end(uint64_t address)
{

	return (VM_PAGE_SIZE - (address & (VM_PAGE_SIZE - 1)));
}

static bus_size_t
least(bus_size_t a, bus_size_t b)
{

	return (a < b ? a : b);
}

/*
 * Where in memory a place is, and how far from it on memory is the same row.
 * => 0, or EINVAL.
 */
static int
place_address(const struct place *pl, bus_size_t room, struct piece *pi)
{
	const struct dma_source *source = pl->pl_source;
	const bus_dma_segment_t *seg;
	const struct bus_dma_vec *vec;
	uintptr_t va;

	if (source->so_kind == DMA_RAW) {
		seg = &source->so_segs[pl->pl_index];
		if (seg->ds_addr >= MEMORY_END ||
		    seg->ds_len > MEMORY_END - seg->ds_addr)
			return (EINVAL);
		pi->pi_addr = seg->ds_addr + pl->pl_at;
		pi->pi_len = room;
		return (0);
	}
	vec = &source->so_vec[pl->pl_index];
	if (vec->dv_len - 1 > UINTPTR_MAX - (uintptr_t)vec->dv_base)
		return (EINVAL);
	va = (uintptr_t)vec->dv_base + (uintptr_t)pl->pl_at;
	pi->pi_addr = address_of(va);
	pi->pi_len = least(room, to_page_end(va));
	return (pi->pi_addr == VM_PADDR_NONE ? EINVAL : 0);
}

/*
 * Does the device reach a piece where it lies?
 */
static bool
reached(const struct bus_dma_tag *tag, const struct piece *pi)
{

	return (tag->dt_iommu != NULL ||
	    dma_in_window(tag, pi->pi_addr, pi->pi_len));
}

/*
 * The next piece.  => 0; EINVAL: there is none, or not in memory.
 */
static int
place_read(struct place *pl, const struct bus_dma_tag *tag, struct piece *pi)
{
	bus_size_t room = least(place_entry(pl), pl->pl_left);
	bool aligned;
	int error;

	if (room == 0)
		return (EINVAL);
	if ((error = place_address(pl, room, pi)) != 0)
		return (error);
	aligned = (pi->pi_addr & (tag->dt_align - 1)) == 0 ||
	    (pl->pl_reached && pi->pi_addr == pl->pl_next);
	/* A long piece of which not all is fine goes page by page. */
	if (!aligned || !reached(tag, pi))
		pi->pi_len = least(pi->pi_len, to_page_end(pi->pi_addr));
	pi->pi_bounce = !aligned || !reached(tag, pi);
	pi->pi_packed = pi->pi_bounce && pl->pl_bounced;
	pl->pl_bounced = pi->pi_bounce;
	pl->pl_reached = !pi->pi_bounce;
	pl->pl_next = pi->pi_addr + pi->pi_len;
	pl->pl_at += pi->pi_len;
	pl->pl_left -= pi->pi_len;
	return (0);
}

/*
 * Where in the bounce memory a bounced piece begins, if what is before ends at
 * at: the first of several begins a segment.
 */
static bus_size_t
bounce_start(const struct bus_dma_tag *tag, const struct piece *pi,
    bus_size_t at)
{

	return (pi->pi_packed ? at :
	    (at + tag->dt_align - 1) & ~(tag->dt_align - 1));
}

int
dma_source_need(const struct bus_dma_tag *tag, const struct dma_source *source,
    bus_size_t size, bus_size_t *need)
{
	struct place pl = place_first(source, size);
	bus_size_t at = 0;
	struct piece pi;
	int error;

	while (pl.pl_left > 0) {
		if ((error = place_read(&pl, tag, &pi)) != 0)
			return (error);
		if (!pi.pi_bounce)
			continue;
		if (source->so_kind == DMA_RAW &&
		    vm_md_phystov(pi.pi_addr, pi.pi_len) == NULL)
			return (ENOMEM);
		at = bounce_start(tag, &pi, at) + pi.pi_len;
	}
	*need = at;
	return (0);
}

/*
 * How many bytes at addr may continue the last segment of a mapping; 0: a
 * new one must begin.
 */
static bus_size_t
segment_room(const struct dma_map *map, bus_addr_t addr, bus_size_t most)
{
	const bus_dma_segment_t *seg;

	if (map->md_pub.dm_nsegs == 0)
		return (0);
	seg = &map->md_segs[map->md_pub.dm_nsegs - 1];
	if (seg->ds_addr + seg->ds_len != addr)
		return (0);
	if (map->md_boundary != 0 && (addr & (map->md_boundary - 1)) == 0)
		return (0);
	return (most - seg->ds_len);
}

/*
 * Append [addr, addr + len) to a mapping, joined to the segment before it
 * and split as the map's limits say.  => 0 or EFBIG.
 */
static int
append(struct dma_map *map, bus_addr_t addr, bus_size_t len)
{
	bus_size_t most, take;
	bus_dma_segment_t *seg;

	most = map->md_pub.dm_maxsegsz & ~(map->md_tag->dt_align - 1);
	while (len > 0) {
		take = segment_room(map, addr, most);
		if (take == 0) {
			if (map->md_pub.dm_nsegs == map->md_segcnt)
				return (EFBIG);
			seg = &map->md_segs[map->md_pub.dm_nsegs++];
			seg->ds_addr = addr;
			seg->ds_len = 0;
			take = most;
		}
		if (map->md_boundary != 0)
			take = least(take, map->md_boundary -
			    (addr & (map->md_boundary - 1)));
		take = least(take, len);
		map->md_segs[map->md_pub.dm_nsegs - 1].ds_len += take;
		addr += take;
		len -= take;
	}
	return (0);
}

/*
 * Append what lies at pa in memory: there, or where a row has a place for it.
 * => 0, EFBIG, or ENOMEM.
 */
static int
append_memory(struct dma_map *map, struct dma_row *row, paddr_t pa,
    bus_size_t len)
{
	bus_size_t at;
	int error;

	if (map->md_tag->dt_iommu == NULL)
		return (append(map, pa, len));
	at = dma_row_place(row, pa, len);
	if (row->ro_cut)
		return (append(map, at, len));
	if (!row->ro_enter)
		return (0);
	if ((error = dma_iommu_enter(map, row, at, pa, len)) != 0)
		return (error);
	return (append(map, map->md_iova + at, len));
}

/*
 * The same for len bytes of the bounce memory.
 */
static int
append_bounced(struct dma_map *map, struct dma_row *row, bus_size_t at,
    bus_size_t len)
{
	bus_size_t take;
	bus_addr_t addr;
	int error = 0;

	for (; len > 0 && error == 0; at += take, len -= take) {
		take = least(dma_area_at(&map->md_area, at, &addr), len);
		KASSERT(take > 0);
		error = append_memory(map, row, addr, take);
	}
	return (error);
}

/*
 * Cut, or, with a row that does not enter anything, see how long it gets.
 */
static int
cut(struct dma_map *map, bus_size_t size, struct dma_row *row)
{
	struct place pl = place_first(&map->md_source, size);
	bus_size_t at = 0;
	struct piece pi;
	int error = 0;

	while (pl.pl_left > 0 && error == 0) {
		if ((error = place_read(&pl, map->md_tag, &pi)) != 0)
			return (error);
		if (pi.pi_bounce) {
			at = bounce_start(map->md_tag, &pi, at);
			error = append_bounced(map, row, at, pi.pi_len);
			at += pi.pi_len;
		} else
			error = append_memory(map, row, pi.pi_addr, pi.pi_len);
	}
	return (error);
}

static int
row_prot(int flags)
{

	if ((flags & (BUS_DMA_READ | BUS_DMA_WRITE)) == BUS_DMA_READ)
		return (IOMMU_WRITE);
	if ((flags & (BUS_DMA_READ | BUS_DMA_WRITE)) == BUS_DMA_WRITE)
		return (IOMMU_READ);
	return (IOMMU_READ | IOMMU_WRITE);
}

/*
 * Would a mapping have too many segments, wherever its range begins?  (It is
 * aligned, so it does not matter where.)
 */
static bool
too_many(struct dma_map *map, bus_size_t size, const struct dma_row *row)
{
	struct dma_row look = *row;

	look.ro_cut = true;
	map->md_pub.dm_nsegs = 0;
	return (cut(map, size, &look) == EFBIG);
}

/*
 * The same through an I/O MMU: look how many addresses it takes, get them, and
 * map memory there.
 */
static int
cut_iommu(struct dma_map *map, bus_size_t size, int flags)
{
	struct dma_row row = { .ro_prot = row_prot(flags) }, look = row;
	int error;

	if (size > MEMORY_END)
		return (ENOMEM);
	if ((error = cut(map, size, &look)) != 0)
		return (error);
	if (map->md_boundary > VM_PAGE_SIZE &&
	    dma_row_size(&look) > map->md_boundary) {
		row.ro_boundary = map->md_boundary;
		row.ro_strict = map->md_pub.dm_maxsegsz < map->md_boundary;
		look = row;
		if ((error = cut(map, size, &look)) != 0)
			return (error);
	}
	if ((error = dma_iommu_alloc(map, dma_row_size(&look))) != 0)
		return (too_many(map, size, &row) ? EFBIG : error);
	look = row;
	look.ro_enter = true;
	if ((error = cut(map, size, &look)) == 0)
		return (0);
	dma_iommu_free(map);
	return (too_many(map, size, &row) ? EFBIG : error);
}

int
dma_source_cut(struct dma_map *map, bus_size_t size, int flags)
{
	struct dma_row none = { .ro_enter = false };

	if (map->md_tag->dt_iommu != NULL)
		return (cut_iommu(map, size, flags));
	return (cut(map, size, &none));
}

/*
 * The kernel address of a place, and how far it goes.
 */
static char *
place_address_cpu(const struct place *pl, bus_size_t *lenp)
{
	const struct dma_source *source = pl->pl_source;
	paddr_t pa;

	if (source->so_kind != DMA_RAW)
		return ((char *)source->so_vec[pl->pl_index].dv_base +
		    pl->pl_at);
	pa = source->so_segs[pl->pl_index].ds_addr + pl->pl_at;
	*lenp = least(*lenp, to_page_end(pa));
	return (vm_md_phystov(pa, *lenp));
}

void
dma_source_copy(const struct dma_source *source, bus_size_t offset, char *area,
    bus_size_t len, bool from_source)
{
	struct place pl = place_first(source, offset + len);
	bus_size_t room;
	char *va;

	while (pl.pl_left > 0) {
		if ((room = place_entry(&pl)) == 0)
			return;
		room = least(room, pl.pl_left);
		if (offset > 0) {
			room = least(room, offset);
			offset -= room;
		} else {
			va = place_address_cpu(&pl, &room);
			if (va == NULL)
				return;
			if (from_source)
				memcpy(area, va, room);
			else
				memcpy(va, area, room);
			area += room;
		}
		pl.pl_at += room;
		pl.pl_left -= room;
	}
}
