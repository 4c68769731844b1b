/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What the parts of bus_dma(9) know of each other.
 *
 *	subr_bus_dma.c		maps, and what is done with them
 *	subr_bus_dma_tag.c	which tags there are
 *	subr_bus_dma_load.c	how a buffer is cut into segments
 *	subr_bus_dma_bounce.c	where bounce memory comes from
 *	subr_bus_dma_mem.c	memory that drivers ask for
 *	subr_bus_dma_iommu.c	which addresses an I/O MMU shows it at
 *	subr_bus_dma_check.c	what is wrong
 */

#ifndef _KERN_SUBR_BUS_DMA_VAR_H_
#define	_KERN_SUBR_BUS_DMA_VAR_H_

#include <sys/bus_dma.h>

#include <vm/vm_owner.h>
#include <vm/vm_pglist.h>

/*
 * Where the bytes of a mapping are for the CPU.
 */
enum dma_kind {
	DMA_BUFFER,		/* one piece of kernel addresses */
	DMA_VEC,		/* many, the caller's */
	DMA_RAW			/* physical memory, the caller's list */
};

struct dma_source {
	enum dma_kind	so_kind;
	unsigned	so_n;
	const struct bus_dma_vec *so_vec;	/* of either of the first */
	const bus_dma_segment_t *so_segs;
	struct bus_dma_vec so_buffer;
};

/*
 * Bounce memory: runs of pages, which are used as one row of bytes.
 */
struct dma_area {
	unsigned	da_nruns;	/* 0: none */
	unsigned	da_room;	/* in da_runs */
	bool		da_pool;	/* from the tag's reserve */
	struct vm_pgseg	*da_runs;
	struct vm_pgseg	da_one;		/* da_runs, if da_room is 1 */
};

/*
 * Bytes of a mapping that are the device's, [og_start, og_end).
 */
struct dma_open {
	struct dma_open	*og_next;
	bus_size_t	og_start;
	bus_size_t	og_end;
	int		og_ops;		/* BUS_DMASYNC_PRE*, not 0 */
};

/*
 * How the pages of a mapping lie in its range of bus addresses.
 */
struct dma_row {
	bus_size_t	ro_boundary;	/* keep distances from these; 0: no */
	bool		ro_strict;	/* of each page, not of the first */
	bus_size_t	ro_end;		/* of what was placed, bytes */
	paddr_t		ro_next;	/* and in memory */
	bus_size_t	ro_entered;	/* pages up to here are mapped */
	bool		ro_enter;	/* are to be */
	bool		ro_cut;		/* only cut, as if it began at 0 */
	int		ro_prot;
};

#define	DMA_MAP_MAGIC	0x444d4170	/* "DMAp" */

/*
 * A map.  What lies behind is its driver's alone, but for the links, and for
 * md_loaded, which says that the segments are there to be looked at.
 */
struct dma_map {
	struct bus_dmamap md_pub;	/* first */
	uint32_t	md_magic;
	unsigned	md_number;	/* of the tag's maps */
	int		md_segcnt;	/* room for segments */
	bool		md_allocnow;
	bool		md_loaded;	/* tag's lock */
	bus_size_t	md_size;	/* most bytes of a mapping */
	bus_size_t	md_maxmaxsegsz;	/* dm_maxsegsz as created */
	bus_size_t	md_boundary;
	bus_dma_tag_t	md_tag;
	struct dma_map	*md_next;	/* tag's lock */
	struct dma_map	**md_prevp;

	struct dma_source md_source;
	struct dma_area	md_area;	/* of ALLOCNOW: always there */
	bool		md_bounced;	/* part of the mapping lies in it */
	bus_addr_t	md_iova;	/* bus addresses of an I/O MMU */
	bus_size_t	md_iosize;	/* bytes of them, whole pages */
	bus_addr_t	md_kept;	/* those of ALLOCNOW */
	bus_size_t	md_keptsize;	/* 0: none */

	/* Of a map that is checked: */
	struct dma_open	*md_open;	/* by address; neighbours differ */
	int		md_dirs;	/* BUS_DMASYNC_PRE* that may be */
	bool		md_blind;	/* no memory to keep md_open */
	uint64_t	md_print;	/* of the segments as loaded */
	bus_dma_segment_t md_segs[];
};

/* Memory of a tag that is checked. */
struct dma_mem {
	struct dma_mem	*dm_next;
	paddr_t		dm_start;
	psize_t		dm_size;
};

/* A part of a tag's reserve. */
struct dma_chunk {
	struct dma_chunk *dc_next;
	paddr_t		dc_start;
	unsigned	dc_npages;
	uint8_t		dc_used[];	/* a page */
};

struct bus_dma_tag {
	struct bus_dma_tag *dt_next;	/* of all; bus_dma_lock */
	unsigned	dt_refs;	/* itself and its maps; bus_dma_lock */
	bool		dt_destroyed;	/* bus_dma_lock */

	paddr_t		dt_low;		/* inclusive */
	paddr_t		dt_high;	/* exclusive, or VM_PADDR_MAX */
	bus_size_t	dt_align;	/* of segments of a mapping */
	const struct iommu *dt_iommu;	/* NULL: none */
	bool		dt_checked;
	vm_owner_t	dt_owner;
	char		dt_name[VM_OWNER_NAMELEN];

	struct vm_md_lock dt_lock;	/* the following */
	struct dma_map	*dt_maps;
	struct dma_mem	*dt_mem;
	struct dma_chunk *dt_pool;
	unsigned	dt_nmaps;	/* that there ever were */
	bool		dt_blind;	/* no memory to keep all of dt_mem */

	_Atomic uint32_t dt_pooled;	/* changes when bounce memory comes
					   back */
	_Atomic uint64_t dt_loads;
	_Atomic uint64_t dt_bounced;
	_Atomic uint64_t dt_segs;
	_Atomic uint64_t dt_bytes;
	_Atomic uint64_t dt_copied;
	_Atomic uint64_t dt_reports;
};

static inline struct dma_map *
dma_map_of(bus_dmamap_t dmam)
{

	return ((struct dma_map *)(void *)dmam);
}

/*
 * The device needs no help to reach memory that lies in its window; with an
 * I/O MMU, all memory.
 */
static inline paddr_t
dma_memory_low(const struct bus_dma_tag *tag)
{

	return (tag->dt_iommu == NULL ? tag->dt_low : 0);
}

static inline paddr_t
dma_memory_high(const struct bus_dma_tag *tag)
{

	return (tag->dt_iommu == NULL ? tag->dt_high : VM_PADDR_MAX);
}

static inline bool
dma_flags_valid(int flags)
{

	return ((flags & ~BUS_DMA_FLAGS) == 0);
}

static inline bool
dma_power_of_two(uint64_t n)
{

	return (n != 0 && (n & (n - 1)) == 0);
}

static inline void
dma_count(_Atomic uint64_t *counter, uint64_t n)
{

	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/*
 * Tags (subr_bus_dma_tag.c).
 *
 * dma_tag_lock, dma_tag_unlock: a tag's lists.
 * dma_tag_hold: one use of a tag more, for a map.  dma_tag_release: one less;
 * with the last one the tag is no more.
 * dma_tag_known: is that a tag?  (To be asked of those that callers give,
 * before they are looked into.)
 * dma_in_window: is [addr, addr + len), which is not empty, in the window?
 */
vm_md_intr_t	dma_tag_lock(struct bus_dma_tag *);
void		dma_tag_unlock(struct bus_dma_tag *, vm_md_intr_t);
void		dma_tag_hold(struct bus_dma_tag *);
void		dma_tag_release(struct bus_dma_tag *);
bool		dma_tag_known(const struct bus_dma_tag *);
bool		dma_in_window(const struct bus_dma_tag *, bus_addr_t addr,
		    bus_size_t len);

/*
 * dma_request: the page allocator's request for memory of a tag, whatever its
 * flags say of waiting (subr_bus_dma_mem.c).
 */
void		dma_request(struct vm_pgreq *, const struct bus_dma_tag *,
		    bus_size_t size, int nsegs, int flags);

/*
 * Bounce memory (subr_bus_dma_bounce.c).
 *
 * dma_area_get: size bytes, in at most nsegs runs, for a mapping with such a
 * boundary.
 * => 0, ENOMEM, or EINTR.  own: not from the tag's reserve.
 * => sleeps unless BUS_DMA_NOWAIT is given.
 * dma_area_put: give it back.
 * dma_area_at: how much of [at, size of the area) lies in one run, and where.
 * dma_area_size: bytes.
 * dma_bounce_copy: copy what is bounced of [offset, offset + len) of a
 * mapping, to where the device sees it or back.
 * dma_pool_free: the tag ends.
 * dma_pool_size: bytes.
 */
int		dma_area_get(struct bus_dma_tag *, bus_size_t size,
		    bus_size_t boundary, int nsegs, int flags, bool own,
		    struct dma_area *);
void		dma_area_put(struct bus_dma_tag *, struct dma_area *);
bus_size_t	dma_area_at(const struct dma_area *, bus_size_t at,
		    bus_addr_t *addr);
bus_size_t	dma_area_size(const struct dma_area *);
void		dma_bounce_copy(struct dma_map *, bus_size_t offset,
		    bus_size_t len, bool to_device);
void		dma_pool_free(struct bus_dma_tag *);
bus_size_t	dma_pool_size(struct bus_dma_tag *);

/*
 * Cutting (subr_bus_dma_load.c).
 *
 * dma_source_need: what of the first size bytes is to be bounced?
 * => 0, and *need is the bounce memory for that, bytes; EINVAL: there are not
 *    so many bytes, or not at such addresses; ENOMEM: they cannot be bounced.
 * dma_source_cut: make the segments of a map that has that memory.
 * => 0, or EFBIG; with an I/O MMU also ENOMEM.
 * dma_source_copy: copy len bytes at offset of the source.
 */
int		dma_source_need(const struct bus_dma_tag *,
		    const struct dma_source *, bus_size_t size,
		    bus_size_t *need);
int		dma_source_cut(struct dma_map *, bus_size_t size, int flags);
void		dma_source_copy(const struct dma_source *, bus_size_t offset,
		    char *area, bus_size_t len, bool from_source);

/*
 * I/O MMU (subr_bus_dma_iommu.c); but for reserve and unreserve, and the last
 * two, of a map whose tag has one.
 *
 * dma_iommu_reserve: whatever a mapping of so many bytes may need of the I/O
 * MMU, if there is one.  => 0, or ENOMEM.  dma_iommu_unreserve: give it back.
 * dma_row_place: where a piece goes, in bytes from the start of the range.
 * dma_row_size: bytes, whole pages.
 * dma_iommu_alloc: a range for a map.  => 0, or ENOMEM.
 * dma_iommu_free: it is the map's no more, nor mapped.
 * dma_iommu_enter: map the pages of a piece.  => 0, or ENOMEM.
 * dma_physical: where in memory a bus address of a loaded map leads, and how
 * much of [addr, addr + len) lies there in a row.  => *pa VM_PADDR_NONE:
 * nowhere.
 * dma_nearest: is a segment of the tag nearer to addr than what was found?
 */
bus_size_t	dma_row_place(struct dma_row *, paddr_t, bus_size_t len);
bus_size_t	dma_row_size(const struct dma_row *);
int		dma_iommu_reserve(struct dma_map *, bus_size_t size);
void		dma_iommu_unreserve(struct dma_map *);
int		dma_iommu_alloc(struct dma_map *, bus_size_t size);
void		dma_iommu_free(struct dma_map *);
int		dma_iommu_enter(struct dma_map *, struct dma_row *,
		    bus_size_t at, paddr_t, bus_size_t len);
bus_size_t	dma_physical(const struct bus_dma_tag *, bus_addr_t addr,
		    bus_size_t len, paddr_t *);
struct bus_dma_near;
void		dma_nearest(const struct bus_dma_tag *, bus_addr_t addr,
		    struct bus_dma_near *);

/*
 * Checks (subr_bus_dma_check.c).
 *
 * dma_check_segments: the last look at segments before a driver sees them:
 * each is as asked for, and together they are total bytes.  If not, that is
 * our own defect, and the end.
 * dma_check_memory: the same of memory, which with an I/O MMU may lie outside
 * the window.
 * dma_check_tag: is that tag a map's own?  If not, say so.
 * dma_check_map: is that a map to be destroyed?  If not, say so.
 * dma_check_load, _unload, _sync: what a driver does with a map.
 * dma_check_alloc, _free: and with memory.  => dma_check_free() is called
 * before the memory is freed.
 * dma_check_end: a tag is destroyed.
 */
void		dma_check_segments(const char *who, const struct bus_dma_tag *,
		    const bus_dma_segment_t *segs, int nsegs,
		    bus_size_t alignment, bus_size_t boundary,
		    bus_size_t maxsegsz, bus_size_t total);
void		dma_check_memory(const char *who, const struct bus_dma_tag *,
		    const bus_dma_segment_t *segs, int nsegs,
		    bus_size_t alignment, bus_size_t boundary,
		    bus_size_t total);
bool		dma_check_tag(struct dma_map *, const struct bus_dma_tag *,
		    const char *what);
bool		dma_check_map(struct bus_dma_tag *, struct dma_map *);
void		dma_check_load(struct dma_map *, int flags);
void		dma_check_unload(struct dma_map *);
void		dma_check_sync(struct dma_map *, bus_size_t offset,
		    bus_size_t len, int ops);
void		dma_check_alloc(struct bus_dma_tag *,
		    const bus_dma_segment_t *, int nsegs);
void		dma_check_free(struct bus_dma_tag *,
		    const bus_dma_segment_t *, int nsegs);
void		dma_check_end(struct bus_dma_tag *);

#endif /* !_KERN_SUBR_BUS_DMA_VAR_H_ */
