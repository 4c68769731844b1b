/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * bus_dma(9) for machines where a device sees physical memory as it is: no
 * I/O MMU, and caches that follow what devices write.
 *
 * What this file knows and the page allocator does not is the device: its
 * window, and how its segments must be cut.  What it does not know is where
 * free memory is: each request goes to vm_pglist_alloc() whole, with all of
 * the device's limits in it, and no limit is worked around here by asking for
 * more and cutting it down.
 *
 * Memory comes from the highest place that qualifies, since low addresses
 * are what only the poorer devices can use.
 *
 * Storage.  Tags are few and come from a static table; a map is memory of
 * kmem(9), with its segments behind the structure.
 *
 * Everything that a driver is given is checked first against everything that
 * was asked for (bus_dma_check()), by code that is not the code that made it.
 * A violation there is our own defect, after which a device would write over
 * foreign memory: the kernel stops.
 */

#include <sys/bus_dma.h>
#include <sys/kmem.h>

#include <vm/vm_owner.h>
#include <vm/vm_page.h>
#include <vm/vm_pglist.h>

#define	BUS_DMAMAP_MAGIC	0x444d4170	/* "DMAp" */

struct bus_dma_tag {
	paddr_t		dt_low;		/* inclusive */
	paddr_t		dt_high;	/* exclusive, or VM_PADDR_MAX */
	unsigned	dt_refs;	/* itself and its maps; 0: unused */
	bool		dt_destroyed;
	vm_owner_t	dt_owner;
	char		dt_name[VM_OWNER_NAMELEN];
};

static struct vm_md_lock bus_dma_lock;	/* the following */
static struct bus_dma_tag bus_dma_tags[BUS_DMA_NTAGS];
static unsigned bus_dma_ntags;
static unsigned bus_dma_nmaps;

static bool
is_power_of_two(uint64_t n)
{

	return (n != 0 && (n & (n - 1)) == 0);
}

static bool
flags_valid(int flags)
{

	return ((flags & ~BUS_DMA_FLAGS) == 0);
}

/*
 * Is [addr, addr + len), which is not empty, in the tag's window?
 */
static bool
in_window(const struct bus_dma_tag *tag, bus_addr_t addr, bus_size_t len)
{

	if (addr < tag->dt_low || len - 1 > UINT64_MAX - addr)
		return (false);
	return (tag->dt_high == VM_PADDR_MAX || addr + (len - 1) < tag->dt_high);
}

const char *
bus_dma_check(bus_dma_tag_t tag, const bus_dma_segment_t *seg,
    bus_size_t alignment, bus_size_t boundary, bus_size_t maxsegsz)
{
	bus_addr_t last;

	if (seg->ds_len == 0)
		return ("empty");
	if (!in_window(tag, seg->ds_addr, seg->ds_len))
		return ("outside the device's window");
	if (alignment != 0 && seg->ds_addr % alignment != 0)
		return ("not aligned");
	last = seg->ds_addr + (seg->ds_len - 1);
	if (boundary != 0 && seg->ds_addr / boundary != last / boundary)
		return ("crosses the boundary");
	if (maxsegsz != 0 && seg->ds_len > maxsegsz)
		return ("too long");
	return (NULL);
}

/*
 * The last look at segments before a driver sees them: each one is as asked
 * for, and together they are total bytes.
 */
static void
verify_segments(const char *who, bus_dma_tag_t tag,
    const bus_dma_segment_t *segs, int nsegs, bus_size_t alignment,
    bus_size_t boundary, bus_size_t maxsegsz, bus_size_t total)
{
	const char *why;
	bus_size_t sum = 0;
	int i;

	for (i = 0; i < nsegs; i++) {
		why = bus_dma_check(tag, &segs[i], alignment, boundary,
		    maxsegsz);
		if (why != NULL)
			vm_md_panic("%s: %s: segment %d of %d, 0x%jx size "
			    "0x%jx: %s", who, tag->dt_name, i, nsegs,
			    (uintmax_t)segs[i].ds_addr,
			    (uintmax_t)segs[i].ds_len, why);
		sum += segs[i].ds_len;
	}
	if (sum != total)
		vm_md_panic("%s: %s: %d segments have 0x%jx bytes, not 0x%jx",
		    who, tag->dt_name, nsegs, (uintmax_t)sum,
		    (uintmax_t)total);
}

/*
 * Tags.
 */

static vm_md_intr_t
lock(void)
{
	vm_md_intr_t s = vm_md_intr_disable();

	vm_md_lock(&bus_dma_lock);
	return (s);
}

static void
unlock(vm_md_intr_t s)
{

	vm_md_unlock(&bus_dma_lock);
	vm_md_intr_restore(s);
}

/*
 * An unused tag, taken; NULL when there is none.
 */
static struct bus_dma_tag *
tag_get(void)
{
	struct bus_dma_tag *tag = NULL;
	vm_md_intr_t s = lock();
	unsigned i;

	for (i = 0; i < BUS_DMA_NTAGS && tag == NULL; i++)
		if (bus_dma_tags[i].dt_refs == 0)
			tag = &bus_dma_tags[i];
	if (tag != NULL) {
		tag->dt_refs = 1;
		bus_dma_ntags++;
	}
	unlock(s);
	return (tag);
}

/*
 * One use of a tag less; with the last one it is unused.  => lock held.
 */
static void
tag_release(struct bus_dma_tag *tag)
{

	if (--tag->dt_refs == 0)
		bus_dma_ntags--;
}

int
bus_dmatag_create(bus_dma_tag_t parent, const char *name, bus_addr_t min_addr,
    bus_addr_t max_addr, bus_dma_tag_t *newtag, int flags)
{
	struct bus_dma_tag *tag;
	paddr_t low = min_addr, high;
	size_t len;

	if (name == NULL || name[0] == '\0' || min_addr > max_addr ||
	    !flags_valid(flags))
		return (EINVAL);
	high = max_addr == BUS_ADDR_MAX ? VM_PADDR_MAX : max_addr + 1;
	if (parent != NULL) {
		if (low < parent->dt_low)
			low = parent->dt_low;
		if (high > parent->dt_high)	/* VM_PADDR_MAX is largest */
			high = parent->dt_high;
	}
	if (low >= high)
		return (EINVAL);
	if ((tag = tag_get()) == NULL)
		return (ENOMEM);
	len = strlen(name);
	if (len > sizeof(tag->dt_name) - 1)
		len = sizeof(tag->dt_name) - 1;
	memcpy(tag->dt_name, name, len);
	tag->dt_name[len] = '\0';
	tag->dt_owner = vm_owner_register(tag->dt_name);
	tag->dt_low = low;
	tag->dt_high = high;
	tag->dt_destroyed = false;
	*newtag = tag;
	return (0);
}

int
bus_dmatag_subregion(bus_dma_tag_t tag, bus_addr_t min_addr,
    bus_addr_t max_addr, bus_dma_tag_t *newtag, int flags)
{

	return (bus_dmatag_create(tag, tag->dt_name, min_addr, max_addr,
	    newtag, flags));
}

void
bus_dmatag_destroy(bus_dma_tag_t tag)
{
	vm_md_intr_t s = lock();
	bool bad = tag->dt_refs == 0 || tag->dt_destroyed;

	if (!bad) {
		tag->dt_destroyed = true;
		tag_release(tag);
	}
	unlock(s);
	if (bad)
		vm_md_printf("bus_dma: %s: tag destroyed twice\n",
		    tag->dt_name);
}

/*
 * Memory.
 */

/*
 * The page allocator's request for a driver's.
 */
static void
make_request(struct vm_pgreq *req, const struct bus_dma_tag *tag,
    bus_size_t size, bus_size_t alignment, bus_size_t boundary, int nsegs,
    int flags)
{

	*req = (struct vm_pgreq)VM_PGREQ_INITIALIZER(size);
	/* Zero, like all that is no power of two, is left to be refused. */
	req->vpr_align = is_power_of_two(alignment) &&
	    alignment < VM_PAGE_SIZE ? VM_PAGE_SIZE : alignment;
	req->vpr_boundary = boundary;
	req->vpr_low = tag->dt_low;
	req->vpr_high = tag->dt_high;
	req->vpr_nsegs = nsegs > BUS_DMA_MEM_NSEGS ? BUS_DMA_MEM_NSEGS :
	    (unsigned)nsegs;
	req->vpr_policy = VM_POLICY_HIGHEST;
	req->vpr_owner = tag->dt_owner;
	/* The reserve of the low lists is there for just this. */
	req->vpr_flags = VM_PG_USERESERVE;
	if ((flags & BUS_DMA_NOWAIT) == 0)
		req->vpr_flags |= VM_PG_WAIT;
}

int
bus_dmamem_alloc(bus_dma_tag_t tag, bus_size_t size, bus_size_t alignment,
    bus_size_t boundary, bus_dma_segment_t *segs, int nsegs, int *rsegs,
    int flags)
{
	struct vm_pgseg pgsegs[BUS_DMA_MEM_NSEGS];
	struct vm_pgreq req;
	unsigned i, n;
	int error;

	*rsegs = 0;
	if (nsegs < 1 || !flags_valid(flags))
		return (EINVAL);
	make_request(&req, tag, size, alignment, boundary, nsegs, flags);
	if ((error = vm_pglist_alloc(&req, pgsegs, &n)) != 0)
		return (error);
	for (i = 0; i < n; i++) {
		segs[i].ds_addr = pgsegs[i].vps_start;
		segs[i].ds_len = pgsegs[i].vps_size;
	}
	verify_segments("bus_dmamem_alloc", tag, segs, (int)n, req.vpr_align,
	    boundary, 0, (size + VM_PAGE_SIZE - 1) & ~(VM_PAGE_SIZE - 1));
	*rsegs = (int)n;
	return (0);
}

void
bus_dmamem_explain(bus_dma_tag_t tag, bus_size_t size, bus_size_t alignment,
    bus_size_t boundary)
{
	struct vm_pgreq req;

	make_request(&req, tag, size, alignment, boundary, 1, BUS_DMA_NOWAIT);
	vm_pglist_explain_print(tag->dt_name, &req);
}

void
bus_dmamem_free(bus_dma_tag_t tag, bus_dma_segment_t *segs, int nsegs)
{
	int i;

	(void)tag;
	for (i = 0; i < nsegs; i++)
		(void)vm_pglist_free(segs[i].ds_addr, segs[i].ds_len);
}

int
bus_dmamem_map(bus_dma_tag_t tag, bus_dma_segment_t *segs, int nsegs,
    size_t size, void **kvap, int flags)
{
	bus_size_t left = size, len;
	char *va, *first = NULL, *next = NULL;
	int i;

	(void)tag;
	if (size == 0 || nsegs < 1 || !flags_valid(flags))
		return (EINVAL);
	for (i = 0; i < nsegs && left > 0; i++) {
		len = segs[i].ds_len < left ? segs[i].ds_len : left;
		va = vm_md_phystov(segs[i].ds_addr, len);
		if (va == NULL || (first != NULL && va != next))
			return (ENOMEM);
		if (first == NULL)
			first = va;
		next = va + len;
		left -= len;
	}
	if (left > 0)
		return (EINVAL);
	*kvap = first;
	return (0);
}

void
bus_dmamem_unmap(bus_dma_tag_t tag, void *kva, size_t size)
{

	/* The direct map stays; there is nothing to undo. */
	(void)tag;
	(void)kva;
	(void)size;
}

/*
 * Maps.
 */

/*
 * A misuse of a map for which the interface has no error to return.
 */
static void
map_complain(const struct bus_dmamap *map, const char *what)
{

	vm_md_printf("bus_dma: %s: %s\n", map->_dm_tag->dt_name, what);
}

static size_t
map_size(int nsegments)
{

	return (sizeof(struct bus_dmamap) +
	    (size_t)nsegments * sizeof(bus_dma_segment_t));
}

int
bus_dmamap_create(bus_dma_tag_t tag, bus_size_t size, int nsegments,
    bus_size_t maxsegsz, bus_size_t boundary, int flags, bus_dmamap_t *dmamp)
{
	struct bus_dmamap *map;
	vm_md_intr_t s;

	if (size == 0 || nsegments < 1 || maxsegsz == 0 ||
	    (boundary != 0 && !is_power_of_two(boundary)) ||
	    !flags_valid(flags))
		return (EINVAL);
	map = kmem_zalloc(map_size(nsegments), KM_NOSLEEP);
	if (map == NULL)
		return (ENOMEM);
	map->dm_maxsegsz = map->_dm_maxmaxsegsz = maxsegsz;
	map->dm_segs = (bus_dma_segment_t *)(map + 1);
	map->_dm_magic = BUS_DMAMAP_MAGIC;
	map->_dm_segcnt = nsegments;
	map->_dm_size = size;
	map->_dm_boundary = boundary;
	map->_dm_tag = tag;

	s = lock();
	tag->dt_refs++;
	bus_dma_nmaps++;
	unlock(s);
	*dmamp = map;
	return (0);
}

void
bus_dmamap_destroy(bus_dma_tag_t tag, bus_dmamap_t dmam)
{
	vm_md_intr_t s;

	if (dmam->_dm_magic != BUS_DMAMAP_MAGIC) {
		vm_md_printf("bus_dma: %s: not a map to destroy\n",
		    tag->dt_name);
		return;
	}
	s = lock();
	tag_release(dmam->_dm_tag);
	bus_dma_nmaps--;
	unlock(s);
	dmam->_dm_magic = 0;
	kmem_free(dmam, map_size(dmam->_dm_segcnt));
}

/*
 * May a mapping of size bytes be loaded now?  => 0 or the error.
 */
static int
load_check(const struct bus_dmamap *map, bus_size_t size, int flags)
{

	if (size == 0 || size > map->_dm_size || map->dm_maxsegsz == 0 ||
	    map->dm_maxsegsz > map->_dm_maxmaxsegsz || !flags_valid(flags))
		return (EINVAL);
	if (map->dm_mapsize != 0)
		return (EBUSY);
	return (0);
}

/*
 * How many bytes at addr may continue the last segment of a mapping; 0: a
 * new one must begin.
 */
static bus_size_t
segment_room(const struct bus_dmamap *map, bus_addr_t addr)
{
	const bus_dma_segment_t *seg;

	if (map->dm_nsegs == 0)
		return (0);
	seg = &map->dm_segs[map->dm_nsegs - 1];
	if (seg->ds_addr + seg->ds_len != addr)
		return (0);
	if (map->_dm_boundary != 0 && (addr & (map->_dm_boundary - 1)) == 0)
		return (0);
	return (map->dm_maxsegsz - seg->ds_len);
}

/*
 * Append [addr, addr + len) to a mapping, joined to the segment before it
 * and split as the map's limits say.  => 0, ENOMEM or EFBIG.
 *
 * Filling each segment as far as it goes gives the fewest: a cut is made
 * only where one must lie, or where the segment is full.
 */
static int
load_run(const struct bus_dma_tag *tag, struct bus_dmamap *map,
    bus_addr_t addr, bus_size_t len)
{
	bus_dma_segment_t *seg;
	bus_size_t take, line;

	if (!in_window(tag, addr, len))
		return (ENOMEM);
	while (len > 0) {
		take = segment_room(map, addr);
		if (take == 0) {
			if (map->dm_nsegs == map->_dm_segcnt)
				return (EFBIG);
			seg = &map->dm_segs[map->dm_nsegs++];
			seg->ds_addr = addr;
			seg->ds_len = 0;
			take = map->dm_maxsegsz;
		}
		if (map->_dm_boundary != 0) {
			line = map->_dm_boundary -
			    (addr & (map->_dm_boundary - 1));
			if (take > line)
				take = line;
		}
		if (take > len)
			take = len;
		map->dm_segs[map->dm_nsegs - 1].ds_len += take;
		addr += take;
		len -= take;
	}
	return (0);
}

/*
 * The end of a load: the mapping is valid, or empty.
 */
static int
load_finish(const char *who, bus_dma_tag_t tag, bus_dmamap_t map,
    bus_size_t size, int error)
{

	if (error != 0) {
		map->dm_nsegs = 0;
		return (error);
	}
	verify_segments(who, tag, map->dm_segs, map->dm_nsegs, 1,
	    map->_dm_boundary, map->dm_maxsegsz, size);
	map->dm_mapsize = size;
	return (0);
}

int
bus_dmamap_load(bus_dma_tag_t tag, bus_dmamap_t dmam, void *buf,
    bus_size_t buflen, struct proc *p, int flags)
{
	uintptr_t va = (uintptr_t)buf;
	bus_size_t left, len;
	int error;

	if (p != NULL || buflen - 1 > UINTPTR_MAX - va)
		return (EINVAL);
	if ((error = load_check(dmam, buflen, flags)) != 0)
		return (error);
	for (left = buflen; left > 0 && error == 0; left -= len) {
		len = VM_PAGE_SIZE - (va & (VM_PAGE_SIZE - 1));
		if (len > left)
			len = left;
		error = load_run(tag, dmam, vm_md_vtophys((const void *)va),
		    len);
		va += len;
	}
	return (load_finish("bus_dmamap_load", tag, dmam, buflen, error));
}

int
bus_dmamap_load_raw(bus_dma_tag_t tag, bus_dmamap_t dmam,
    bus_dma_segment_t *segs, int nsegs, bus_size_t size, int flags)
{
	bus_size_t left = size, len;
	int error, i;

	if ((error = load_check(dmam, size, flags)) != 0)
		return (error);
	for (i = 0; i < nsegs && left > 0 && error == 0; i++) {
		len = segs[i].ds_len < left ? segs[i].ds_len : left;
		if (len > 0)
			error = load_run(tag, dmam, segs[i].ds_addr, len);
		left -= len;
	}
	if (error == 0 && left > 0)
		error = EINVAL;
	return (load_finish("bus_dmamap_load_raw", tag, dmam, size, error));
}

void
bus_dmamap_unload(bus_dma_tag_t tag, bus_dmamap_t dmam)
{

	(void)tag;
	dmam->dm_mapsize = 0;
	dmam->dm_nsegs = 0;
	dmam->dm_maxsegsz = dmam->_dm_maxmaxsegsz;
}

void
bus_dmamap_sync(bus_dma_tag_t tag, bus_dmamap_t dmam, bus_addr_t offset,
    bus_size_t len, int ops)
{
	const int pre = BUS_DMASYNC_PREREAD | BUS_DMASYNC_PREWRITE;
	const int post = BUS_DMASYNC_POSTREAD | BUS_DMASYNC_POSTWRITE;

	(void)tag;
	if (offset > dmam->dm_mapsize || len > dmam->dm_mapsize - offset)
		map_complain(dmam, "sync outside the mapping");
	if (ops == 0 || (ops & ~(pre | post)) != 0 ||
	    ((ops & pre) != 0 && (ops & post) != 0))
		map_complain(dmam, "sync of no, unknown or mixed operations");

	/*
	 * Caches follow devices here.  What is left is the order of the CPU's
	 * accesses to the buffer against those that tell a device to begin,
	 * or tell us that it is done.
	 */
	atomic_thread_fence(memory_order_seq_cst);
}

void
bus_dma_usage(unsigned *tags, unsigned *maps)
{
	vm_md_intr_t s = lock();

	*tags = bus_dma_ntags;
	*maps = bus_dma_nmaps;
	unlock(s);
}
