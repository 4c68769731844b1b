/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * bus_dma(9) for machines with caches that follow what devices write.  Here:
 * maps, and what drivers do with them.
 *
 * A map is memory of kmem(9), with its segments behind the structure.  Its
 * calls are serialised by its driver and take no lock, but for the moments
 * when it appears, disappears, is loaded or unloaded: then others look at it.
 *
 * Everything that a driver is given is checked first against everything that
 * was asked for (bus_dma_check()), by code that is not the code that made it.
 * A violation there is our own defect, after which a device would write over
 * foreign memory: the kernel stops.  What drivers do wrong with it is told
 * them in a line, see subr_bus_dma_check.c.
 */

#include <sys/kmem.h>

#include "subr_bus_dma_var.h"

#define	PRE	(BUS_DMASYNC_PREREAD | BUS_DMASYNC_PREWRITE)

static size_t
map_size(int nsegments)
{

	return (sizeof(struct dma_map) +
	    (size_t)nsegments * sizeof(bus_dma_segment_t));
}

static void
map_insert(struct dma_map *map)
{
	struct bus_dma_tag *tag = map->md_tag;
	vm_md_intr_t s;

	dma_tag_hold(tag);
	s = dma_tag_lock(tag);
	map->md_number = tag->dt_nmaps++;
	map->md_next = tag->dt_maps;
	map->md_prevp = &tag->dt_maps;
	if (map->md_next != NULL)
		map->md_next->md_prevp = &map->md_next;
	tag->dt_maps = map;
	dma_tag_unlock(tag, s);
}

static void
map_remove(struct dma_map *map)
{
	struct bus_dma_tag *tag = map->md_tag;
	vm_md_intr_t s = dma_tag_lock(tag);

	*map->md_prevp = map->md_next;
	if (map->md_next != NULL)
		map->md_next->md_prevp = map->md_prevp;
	dma_tag_unlock(tag, s);
}

static void
map_set_loaded(struct dma_map *map, bool loaded)
{
	vm_md_intr_t s = dma_tag_lock(map->md_tag);

	map->md_loaded = loaded;
	dma_tag_unlock(map->md_tag, s);
}

/*
 * The most bytes that the segments of a map can have.
 */
static bus_size_t
map_capacity(const struct dma_map *map)
{
	bus_size_t most = map->md_pub.dm_maxsegsz;
	bus_size_t n = (bus_size_t)map->md_segcnt;

	if (map->md_boundary != 0 && most > map->md_boundary)
		most = map->md_boundary;
	return (most > UINT64_MAX / n ? UINT64_MAX : most * n);
}

/*
 * The bounce memory that any load of a map may need: all of its bytes, and
 * what alignment costs before each segment.
 */
static int
map_allocbounce(struct dma_map *map, int flags)
{
	struct bus_dma_tag *tag = map->md_tag;
	bus_size_t size = map->md_size, more;

	if (dma_memory_low(tag) == 0 && tag->dt_align == 1 &&
	    dma_memory_high(tag) >= (paddr_t)1 << VM_PADDR_BITS)
		return (0);
	more = (bus_size_t)map->md_segcnt * (tag->dt_align - 1);
	if (size > (paddr_t)1 << VM_PADDR_BITS ||
	    more > (paddr_t)1 << VM_PADDR_BITS)
		return (ENOMEM);
	return (dma_area_get(tag, size + more, map->md_boundary,
	    map->md_segcnt, flags, true, &map->md_area));
}

/*
 * All that any load of a map may need.
 */
static int
map_allocnow(struct dma_map *map, int flags)
{
	bus_size_t most = map_capacity(map);
	int error;

	map->md_allocnow = true;
	if ((error = map_allocbounce(map, flags)) != 0)
		return (error);
	error = dma_iommu_reserve(map, most < map->md_size ? most :
	    map->md_size);
	if (error != 0)
		dma_area_put(map->md_tag, &map->md_area);
	return (error);
}

int
bus_dmamap_create(bus_dma_tag_t tag, bus_size_t size, int nsegments,
    bus_size_t maxsegsz, bus_size_t boundary, int flags, bus_dmamap_t *dmamp)
{
	struct dma_map *map;
	int error;

	if (size == 0 || nsegments < 1 || maxsegsz < tag->dt_align ||
	    (boundary != 0 && (!dma_power_of_two(boundary) ||
	    boundary < tag->dt_align)) || !dma_flags_valid(flags))
		return (EINVAL);
	map = kmem_zalloc(map_size(nsegments), KM_NOSLEEP);
	if (map == NULL)
		return (ENOMEM);
	map->md_pub.dm_maxsegsz = map->md_maxmaxsegsz = maxsegsz;
	map->md_pub.dm_segs = map->md_segs;
	map->md_magic = DMA_MAP_MAGIC;
	map->md_segcnt = nsegments;
	map->md_size = size;
	map->md_boundary = boundary;
	map->md_tag = tag;
	if ((flags & BUS_DMA_ALLOCNOW) != 0 &&
	    (error = map_allocnow(map, flags)) != 0) {
		kmem_free(map, map_size(nsegments));
		return (error);
	}
	map_insert(map);
	*dmamp = &map->md_pub;
	return (0);
}

/*
 * Empty a map.  => without a word if it is.
 */
static void
unload(struct dma_map *map)
{
	uint64_t faults;

	if (map->md_pub.dm_mapsize != 0) {
		/* Who was refused something is told what was loaded then. */
		(void)bus_dma_faults(map->md_tag, &faults);
		if (map->md_tag->dt_checked)
			dma_check_unload(map);
		map_set_loaded(map, false);
		dma_iommu_free(map);
		if (!map->md_allocnow)
			dma_area_put(map->md_tag, &map->md_area);
	}
	map->md_pub.dm_mapsize = 0;
	map->md_pub.dm_nsegs = 0;
	map->md_pub.dm_maxsegsz = map->md_maxmaxsegsz;
	map->md_bounced = false;
}

void
bus_dmamap_destroy(bus_dma_tag_t tag, bus_dmamap_t dmam)
{
	struct dma_map *map = dma_map_of(dmam);

	if (!dma_check_map(tag, map))
		return;
	(void)dma_check_tag(map, tag, "destroyed");
	unload(map);
	dma_iommu_unreserve(map);
	dma_area_put(map->md_tag, &map->md_area);
	map_remove(map);
	dma_tag_release(map->md_tag);
	map->md_magic = 0;
	kmem_free(map, map_size(map->md_segcnt));
}

/*
 * May a mapping of size bytes be loaded now?  => 0 or the error.
 */
static int
load_check(struct dma_map *map, const struct bus_dma_tag *tag,
    bus_size_t size, int flags)
{

	if (!dma_check_tag(map, tag, "loaded") ||
	    size == 0 || size > map->md_size ||
	    map->md_pub.dm_maxsegsz < map->md_tag->dt_align ||
	    map->md_pub.dm_maxsegsz > map->md_maxmaxsegsz ||
	    !dma_flags_valid(flags))
		return (EINVAL);
	if (map->md_pub.dm_mapsize != 0)
		return (EBUSY);
	return (0);
}

/*
 * See to it that a mapping has the bounce memory that it needs.
 */
static int
load_area(struct dma_map *map, bus_size_t need, int flags)
{

	map->md_bounced = need > 0;
	if (need == 0)
		return (0);
	/* There is enough for as many gaps as the map has segments. */
	if (map->md_allocnow)
		return (need <= dma_area_size(&map->md_area) ? 0 : EFBIG);
	return (dma_area_get(map->md_tag, need, map->md_boundary,
	    map->md_segcnt, flags, false, &map->md_area));
}

/*
 * The mapping is there: look it over, and let it be seen.
 */
static void
load_finish(const char *who, struct dma_map *map, bus_size_t size, int flags)
{
	struct bus_dma_tag *tag = map->md_tag;

	dma_check_segments(who, tag, map->md_segs, map->md_pub.dm_nsegs,
	    tag->dt_align, map->md_boundary, map->md_pub.dm_maxsegsz, size);
	map->md_pub.dm_segs = map->md_segs;
	map->md_pub.dm_mapsize = size;
	if (tag->dt_checked)
		dma_check_load(map, flags);
	map_set_loaded(map, true);
	dma_count(&tag->dt_loads, 1);
	dma_count(&tag->dt_bounced, map->md_bounced);
	dma_count(&tag->dt_segs, (uint64_t)map->md_pub.dm_nsegs);
	dma_count(&tag->dt_bytes, size);
}

/*
 * Load what map->md_source says.
 */
static int
load(const char *who, struct dma_map *map, bus_size_t size, int flags)
{
	bus_size_t need;
	int error;

	error = dma_source_need(map->md_tag, &map->md_source, size, &need);
	if (error != 0)
		return (error);
	/* Nobody waits for memory that is of no use. */
	if (size > map_capacity(map))
		return (EFBIG);
	if ((error = load_area(map, need, flags)) != 0)
		return (error);
	if ((error = dma_source_cut(map, size, flags)) != 0) {
		map->md_pub.dm_nsegs = 0;
		if (!map->md_allocnow)
			dma_area_put(map->md_tag, &map->md_area);
		return (error);
	}
	load_finish(who, map, size, flags);
	return (0);
}

int
bus_dmamap_load(bus_dma_tag_t tag, bus_dmamap_t dmam, void *buf,
    bus_size_t buflen, struct proc *p, int flags)
{
	struct dma_map *map = dma_map_of(dmam);
	int error;

	if (p != NULL || buflen - 1 > UINTPTR_MAX - (uintptr_t)buf)
		return (EINVAL);
	if ((error = load_check(map, tag, buflen, flags)) != 0)
		return (error);
	map->md_source = (struct dma_source){
		.so_kind = DMA_BUFFER,
		.so_n = 1,
		.so_vec = &map->md_source.so_buffer,
		.so_buffer = { buf, (size_t)buflen },
	};
	return (load("bus_dmamap_load", map, buflen, flags));
}

int
bus_dmamap_load_vec(bus_dma_tag_t tag, bus_dmamap_t dmam,
    const struct bus_dma_vec *vec, int nvec, int flags)
{
	struct dma_map *map = dma_map_of(dmam);
	bus_size_t size = 0;
	int error, i;

	for (i = 0; i < nvec; i++) {
		if (vec[i].dv_len > UINT64_MAX - size)
			return (EINVAL);
		size += vec[i].dv_len;
	}
	if ((error = load_check(map, tag, size, flags)) != 0)
		return (error);
	map->md_source = (struct dma_source){
		.so_kind = DMA_VEC,
		.so_n = (unsigned)nvec,
		.so_vec = vec,
	};
	return (load("bus_dmamap_load_vec", map, size, flags));
}

int
bus_dmamap_load_raw(bus_dma_tag_t tag, bus_dmamap_t dmam,
    bus_dma_segment_t *segs, int nsegs, bus_size_t size, int flags)
{
	struct dma_map *map = dma_map_of(dmam);
	int error;

	if ((error = load_check(map, tag, size, flags)) != 0)
		return (error);
	map->md_source = (struct dma_source){
		.so_kind = DMA_RAW,
		.so_n = nsegs > 0 ? (unsigned)nsegs : 0,
		.so_segs = segs,
	};
	return (load("bus_dmamap_load_raw", map, size, flags));
}

void
bus_dmamap_unload(bus_dma_tag_t tag, bus_dmamap_t dmam)
{
	struct dma_map *map = dma_map_of(dmam);

	(void)dma_check_tag(map, tag, "unloaded");
	unload(map);
}

void
bus_dmamap_sync(bus_dma_tag_t tag, bus_dmamap_t dmam, bus_addr_t offset,
    bus_size_t len, int ops)
{
	struct dma_map *map = dma_map_of(dmam);
	bus_size_t size = map->md_pub.dm_mapsize;

	(void)dma_check_tag(map, tag, "synced");
	dma_check_sync(map, offset, len, ops);
	if (offset > size)
		offset = size;
	if (len > size - offset)
		len = size - offset;

	/*
	 * Caches follow devices here.  What is left, beside what is bounced,
	 * is the order of the CPU's accesses to the buffer against those that
	 * tell a device to begin, or tell us that it is done.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	if (!map->md_bounced)
		return;
	if ((ops & BUS_DMASYNC_POSTREAD) != 0)
		dma_bounce_copy(map, offset, len, false);
	if ((ops & PRE) != 0) {
		dma_bounce_copy(map, offset, len, true);
		atomic_thread_fence(memory_order_seq_cst);
	}
}
