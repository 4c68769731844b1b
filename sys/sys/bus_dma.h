/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Memory for devices, and the addresses by which they reach it: bus_dma(9).
 *
 * The names, the order of arguments and the meaning are NetBSD's, so that
 * drivers move over with their DMA code unchanged.  What differs is what
 * NetBSD leaves undefined (bad arguments get an error here), and the tags at
 * the root, which NetBSD leaves to each port: see bus_dmatag_create().
 *
 * All constraints are on addresses as the device sees them.  Those are physical
 * addresses, unless an I/O MMU stands between the bus and memory: bus_dma(9)
 * then finds addresses for what is loaded, and the device reaches nothing else
 * (<sys/iommu.h>).  Memory from bus_dmamem_alloc() is always told by physical
 * addresses, so a driver gives its device those of a loaded map, and no others.
 */

#ifndef _SYS_BUS_DMA_H_
#define	_SYS_BUS_DMA_H_

#include <vm/vm_types.h>

typedef uint64_t	bus_addr_t;	/* address on the bus, bytes */
typedef uint64_t	bus_size_t;

struct bus_dma_tag;			/* opaque */
struct proc;				/* always NULL: kernel memory only */

typedef struct bus_dma_tag *bus_dma_tag_t;

typedef struct bus_dma_segment {
	bus_addr_t	ds_addr;
	bus_size_t	ds_len;
} bus_dma_segment_t;

/*
 * A piece of a buffer that is scattered over kernel memory.
 */
struct bus_dma_vec {
	void		*dv_base;
	size_t		dv_len;		/* bytes; 0: none */
};

/*
 * A map, for drivers to read; dm_maxsegsz may also be lowered before a load.
 * There is more behind it: maps are made by bus_dmamap_create() alone.
 */
struct bus_dmamap {
	bus_size_t	dm_maxsegsz;	/* most bytes of a segment */
	bus_size_t	dm_mapsize;	/* bytes loaded; 0: not loaded */
	int		dm_nsegs;	/* segments of the loaded mapping */
	bus_dma_segment_t *dm_segs;
};

typedef struct bus_dmamap *bus_dmamap_t;

/* Flags; the values are NetBSD's, but for the last two. */
#define	BUS_DMA_WAITOK		0x000	/* may sleep (the default!) */
#define	BUS_DMA_NOWAIT		0x001	/* may not sleep */
#define	BUS_DMA_ALLOCNOW	0x002	/* of a map: get all, now */
#define	BUS_DMA_COHERENT	0x004	/* hint; all memory is coherent */
#define	BUS_DMA_STREAMING	0x008	/* hint, ignored */
#define	BUS_DMA_BUS1		0x010	/* placeholders, ignored */
#define	BUS_DMA_BUS2		0x020
#define	BUS_DMA_BUS3		0x040
#define	BUS_DMA_BUS4		0x080
#define	BUS_DMA_READ		0x100	/* of a load: device -> memory only */
#define	BUS_DMA_WRITE		0x200	/* of a load: memory -> device only */
#define	BUS_DMA_NOCACHE		0x400	/* hint, ignored */
#define	BUS_DMA_PREFETCHABLE	0x800	/* hint, ignored */
#define	BUS_DMA_CHECKED		0x1000	/* of a tag: watch how it is used */
#define	BUS_DMA_ZERO		0x2000	/* of memory: filled with zeros */
#define	BUS_DMA_FLAGS		0x3fff	/* all of them */

/* Operations of bus_dmamap_sync(), as seen from memory. */
#define	BUS_DMASYNC_PREREAD	0x01	/* before the device writes memory */
#define	BUS_DMASYNC_POSTREAD	0x02	/* after it did */
#define	BUS_DMASYNC_PREWRITE	0x04	/* before the device reads memory */
#define	BUS_DMASYNC_POSTWRITE	0x08	/* after it did */

/* The largest address of a window without an upper limit. */
#define	BUS_ADDR_MAX		UINT64_MAX

/*
 * Tags: a window of addresses that a device reaches, and whose memory it is.
 * Both ends of the window are inclusive.
 *
 * bus_dmatag_create: a tag in the name of a device, which becomes the owner
 * tag of its memory.  The window is cut to that of parent, which may be NULL:
 * all addresses.  A child is checked if its parent is.
 * bus_dmatag_subregion: the same under the parent's name.
 * => 0; EINVAL: min_addr > max_addr, nothing left of the window, no name, or
 *    unknown flags; ENOMEM: no memory for the tag itself.
 *
 * bus_dmatag_destroy: the tag ends; its children and the maps made with it
 * stay valid.  If it is checked, bus_dma_leaks() first.
 * => all: any context that may take a spin lock; never sleep.  O(owner names)
 *    to create, O(tags) to destroy, and what is left of the tag's memory and
 *    reserve.
 */
int	bus_dmatag_create(bus_dma_tag_t parent, const char *name,
	    bus_addr_t min_addr, bus_addr_t max_addr, bus_dma_tag_t *newtag,
	    int flags);
int	bus_dmatag_subregion(bus_dma_tag_t tag, bus_addr_t min_addr,
	    bus_addr_t max_addr, bus_dma_tag_t *newtag, int flags);
void	bus_dmatag_destroy(bus_dma_tag_t tag);

/*
 * bus_dmatag_align: from here on each segment of a mapping begins at a
 * multiple of alignment bytes, in this tag and in children made later.
 * => 0; EINVAL: not a power of two, larger than a page, or less than what was
 *    demanded before; EBUSY: the tag has maps.
 * => any context that may take a spin lock; never sleeps.  O(1).
 *
 * bus_dmatag_reserve: size bytes more, in whole pages of the tag's window,
 * are kept for what loads must bounce.
 * => 0; EINVAL: size 0 or absurd, unknown flags; ENOMEM; with several pieces,
 *    EFBIG.
 * => sleeps until there is memory unless BUS_DMA_NOWAIT is given; then any
 *    context that may take a spin lock, up to 15 MiB; more is not for
 *    interrupts.  O(pages) beside vm_pglist_alloc().
 */
int	bus_dmatag_align(bus_dma_tag_t tag, bus_size_t alignment);
int	bus_dmatag_reserve(bus_dma_tag_t tag, bus_size_t size, int flags);

/*
 * bus_dmamem_alloc: size bytes, in whole pages, in at most nsegs segments, as
 * few as possible, each in the tag's window, aligned, and not crossing a
 * multiple of boundary (0: no such limit).  The contents are undefined unless
 * BUS_DMA_ZERO is given; then it is memory that the kernel reaches, too.
 * => an alignment below the page is rounded up to it; alignment and boundary
 *    are powers of two.
 * => 0; EINVAL: malformed: size 0 or so large that it wraps, alignment or
 *    boundary not a power of two, boundary smaller than a page or (with one
 *    segment) than size, nsegs < 1, unknown flags; ENOMEM: no such memory;
 *    EFBIG: there is, but not in so few segments; EINTR: while waiting.  On
 *    an error *rsegs is 0.
 * => sleeps until there is memory unless BUS_DMA_NOWAIT is given; then any
 *    context that may take a spin lock, with nsegs up to 255; more is not for
 *    interrupts.  O(nsegs) beside vm_pglist_alloc().
 *
 * bus_dmamem_explain: print on the console, in one line that begins with who,
 * why that request (of one segment) fails.  A diagnosis, slow.
 *
 * bus_dmamem_free: free what bus_dmamem_alloc() gave, by the same segments.
 * A segment that was not is refused by the page allocator, which says so.
 */
int	bus_dmamem_alloc(bus_dma_tag_t tag, bus_size_t size,
	    bus_size_t alignment, bus_size_t boundary, bus_dma_segment_t *segs,
	    int nsegs, int *rsegs, int flags);
void	bus_dmamem_explain(bus_dma_tag_t tag, const char *who,
	    bus_size_t size, bus_size_t alignment, bus_size_t boundary);
void	bus_dmamem_free(bus_dma_tag_t tag, bus_dma_segment_t *segs,
	    int nsegs);

/*
 * bus_dmamem_map: kernel virtual addresses, in a row, of the first size bytes
 * of memory from bus_dmamem_alloc().
 * => 0; EINVAL: size 0 or more than the segments have, nsegs < 1, a segment
 *    that does not begin or, but for the last, end with a page, unknown flags;
 *    ENOMEM: the kernel has no addresses for it.
 * => the addresses are those of the direct map if that has them in a row.
 * bus_dmamem_unmap: ends that; kva and size as they were.
 *
 * bus_dmamem_mmap: the physical address of the page at byte off of memory
 * from bus_dmamem_alloc(), for a pager.
 * => (paddr_t)-1: off is negative, not at a page, or behind the end, or prot
 *    or flags have unknown bits (prot: 1, 2, 4).
 */
int	bus_dmamem_map(bus_dma_tag_t tag, bus_dma_segment_t *segs, int nsegs,
	    size_t size, void **kvap, int flags);
void	bus_dmamem_unmap(bus_dma_tag_t tag, void *kva, size_t size);
paddr_t	bus_dmamem_mmap(bus_dma_tag_t tag, bus_dma_segment_t *segs, int nsegs,
	    int64_t off, int prot, int flags);

/*
 * bus_dmamap_create: a map for transfers of at most size bytes in at most
 * nsegments segments of at most maxsegsz bytes, none of which crosses a
 * multiple of boundary (0: no such limit).
 * => with BUS_DMA_ALLOCNOW it gets the bounce memory for any load, if the
 *    tag's limits can make any bounce, and the addresses and tables of an I/O
 *    MMU, if there is one, and keeps them to its end.
 * => 0; EINVAL: size, nsegments or maxsegsz not positive, boundary not a
 *    power of two, maxsegsz or boundary less than the tag's alignment, unknown
 *    flags; ENOMEM: no memory; EINTR: while waiting for bounce memory.
 * => sleeps only with BUS_DMA_ALLOCNOW and without BUS_DMA_NOWAIT.
 * bus_dmamap_destroy: unloads and frees it.
 */
int	bus_dmamap_create(bus_dma_tag_t tag, bus_size_t size, int nsegments,
	    bus_size_t maxsegsz, bus_size_t boundary, int flags,
	    bus_dmamap_t *dmamp);
void	bus_dmamap_destroy(bus_dma_tag_t tag, bus_dmamap_t dmam);

/*
 * bus_dmamap_load: make the segments of a buffer in kernel memory.
 * bus_dmamap_load_vec: of a buffer in nvec pieces; its size is their sum.
 * bus_dmamap_load_raw: of the first size bytes of memory from
 * bus_dmamem_alloc().
 * => segments that touch are joined, segments are split at boundary and at
 *    dm_maxsegsz; there are as few as that allows.
 * => what lies in pages that the tag's device does not reach, or would begin
 *    a segment that is not aligned, is bounced: the device gets memory of the
 *    tag's reserve instead, and bus_dmamap_sync() copies.  vec, or segs, must
 *    stay as it is until the map is unloaded, then.
 * => 0; EINVAL: size 0 or larger than the map or the segments, an address
 *    wraps or is not the kernel's, p not NULL, dm_maxsegsz 0, raised or less
 *    than the alignment, another tag than the map's, unknown flags; EBUSY: the
 *    map is loaded; EFBIG: more segments than the map has; ENOMEM: no bounce
 *    memory; EINTR: while waiting for it.  On an error the map is as before.
 * => without BUS_DMA_NOWAIT sleeps until there is bounce memory; a map with
 *    BUS_DMA_ALLOCNOW has it, and never sleeps nor allocates.
 * => ENOMEM, also: an I/O MMU has no addresses, or no memory for its tables;
 *    nobody waits for those, and with BUS_DMA_ALLOCNOW they are there.
 * bus_dmamap_unload: the map is empty again; dm_maxsegsz is as created.
 */
int	bus_dmamap_load(bus_dma_tag_t tag, bus_dmamap_t dmam, void *buf,
	    bus_size_t buflen, struct proc *p, int flags);
int	bus_dmamap_load_vec(bus_dma_tag_t tag, bus_dmamap_t dmam,
	    const struct bus_dma_vec *vec, int nvec, int flags);
int	bus_dmamap_load_raw(bus_dma_tag_t tag, bus_dmamap_t dmam,
	    bus_dma_segment_t *segs, int nsegs, bus_size_t size, int flags);
void	bus_dmamap_unload(bus_dma_tag_t tag, bus_dmamap_t dmam);

/*
 * bus_dmamap_sync: [offset, offset + len) of the mapping passes from the CPU
 * to the device (PRE) or back (POST).  Bounced bytes of that range are copied:
 * for PREREAD, too, so that what the device then leaves alone stays as it is.
 * => a range outside the mapping, no operation, an unknown one, or PRE mixed
 *    with POST is a driver's bug: one line on the console says so, and what
 *    can be done is done all the same.
 * => any context.
 */
void	bus_dmamap_sync(bus_dma_tag_t tag, bus_dmamap_t dmam,
	    bus_addr_t offset, bus_size_t len, int ops);

/*
 * bus_dma_check: may a device with this tag be given this segment?
 * => alignment of ds_addr in bytes (0 or 1: any), boundary and maxsegsz 0:
 *    none.
 * => NULL, or what is wrong in a few words (static string).
 */
const char *bus_dma_check(bus_dma_tag_t tag, const bus_dma_segment_t *seg,
	    bus_size_t alignment, bus_size_t boundary, bus_size_t maxsegsz);

/*
 * bus_dma_checking: are tags without a parent checked, from here on, that do
 * not ask for it?  (At first: yes.)  => what was so before.
 *
 * bus_dma_leaks: list on the console, a line each, the maps and the memory of
 * a tag that is checked; when a driver detaches there should be none.
 * => how many there are.
 */
bool	bus_dma_checking(bool on);
unsigned bus_dma_leaks(bus_dma_tag_t tag);

/*
 * bus_dma_counts: what was done with a tag.
 * bus_dma_faults: how often an I/O MMU has refused the tag's device an access.
 * => false: there is no I/O MMU.
 * bus_dma_usage: how many tags and maps exist, to find leaks.
 */
struct bus_dma_counts {
	uint64_t	dc_loads;	/* that succeeded */
	uint64_t	dc_bounced;	/* of those, with bounced pages */
	uint64_t	dc_segs;	/* segments of the loads */
	uint64_t	dc_bytes;	/* bytes of the loads */
	uint64_t	dc_copied;	/* bytes copied by bouncing */
	uint64_t	dc_pool;	/* bytes of the reserve */
	uint64_t	dc_reports;	/* mistakes that were seen */
};

void	bus_dma_counts(bus_dma_tag_t tag, struct bus_dma_counts *counts);
bool	bus_dma_faults(bus_dma_tag_t tag, uint64_t *n);
void	bus_dma_usage(unsigned *tags, unsigned *maps);

#endif /* !_SYS_BUS_DMA_H_ */
