/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Memory of bus_dma(9) that drivers ask for.
 *
 * What is known here and not by the page allocator is the device: its window,
 * and the number of its segments.  Where free memory is, is not known here:
 * each request goes to vm_pglist_alloc() whole, with all of the device's
 * limits in it, and no limit is worked around by asking for more and cutting
 * it down.
 *
 * Memory comes from the highest place that qualifies, since low addresses
 * are what only the poorer devices can use.
 */

#include <sys/km_map.h>
#include <sys/kmem.h>
#include <sys/kpmap.h>

#include "subr_bus_dma_var.h"

#define	NSEGS		64	/* more take memory to ask for them */
#define	MMAP_FAILED	((paddr_t)-1)
#define	MMAP_PROT	7	/* read, write, execute */

void
dma_request(struct vm_pgreq *req, const struct bus_dma_tag *tag,
    bus_size_t size, int nsegs, int flags)
{

	*req = (struct vm_pgreq)VM_PGREQ_INITIALIZER(size);
	req->vpr_low = dma_memory_low(tag);
	req->vpr_high = dma_memory_high(tag);
	req->vpr_nsegs = (unsigned)nsegs;
	req->vpr_policy = VM_POLICY_HIGHEST;
	req->vpr_owner = tag->dt_owner;
	/* The reserve of the low lists is there for just this. */
	req->vpr_flags = VM_PG_USERESERVE;
	if ((flags & BUS_DMA_NOWAIT) == 0)
		req->vpr_flags |= VM_PG_WAIT;
}

/*
 * The page allocator's request for a driver's.
 */
static void
make_request(struct vm_pgreq *req, const struct bus_dma_tag *tag,
    bus_size_t size, bus_size_t alignment, bus_size_t boundary, int nsegs,
    int flags)
{

	dma_request(req, tag, size, nsegs, flags);
	if ((flags & BUS_DMA_ZERO) != 0)
		req->vpr_flags |= VM_PG_ZERO;
	/* Zero, like all that is no power of two, is left to be refused. */
	req->vpr_align = dma_power_of_two(alignment) &&
	    alignment < VM_PAGE_SIZE ? VM_PAGE_SIZE : alignment;
	req->vpr_boundary = boundary;
}

/*
 * Ask, with room for the answer, and hand it on.
 */
static int
alloc_segments(const struct vm_pgreq *req, struct vm_pgseg *pgsegs,
    bus_dma_segment_t *segs, unsigned *np)
{
	unsigned i;
	int error;

	if ((error = vm_pglist_alloc(req, pgsegs, np)) != 0)
		return (error);
	for (i = 0; i < *np; i++) {
		segs[i].ds_addr = pgsegs[i].vps_start;
		segs[i].ds_len = pgsegs[i].vps_size;
	}
	return (0);
}

/*
 * The same with more room than there is on the stack.
 */
static int
alloc_many(const struct vm_pgreq *req, bus_dma_segment_t *segs, unsigned *np)
{
	struct vm_pgseg *pgsegs;
	size_t room = req->vpr_nsegs * sizeof(*pgsegs);
	int error;

	pgsegs = kmem_alloc(room, KM_NOSLEEP);
	if (pgsegs == NULL)
		return (ENOMEM);
	error = alloc_segments(req, pgsegs, segs, np);
	kmem_free(pgsegs, room);
	return (error);
}

int
bus_dmamem_alloc(bus_dma_tag_t tag, bus_size_t size, bus_size_t alignment,
    bus_size_t boundary, bus_dma_segment_t *segs, int nsegs, int *rsegs,
    int flags)
{
	bus_size_t rounded = (size + VM_PAGE_SIZE - 1) & ~(VM_PAGE_SIZE - 1);
	struct vm_pgseg few[NSEGS];
	struct vm_pgreq req;
	unsigned n;
	int error;

	*rsegs = 0;
	if (nsegs < 1 || !dma_flags_valid(flags) || rounded < size)
		return (EINVAL);
	make_request(&req, tag, size, alignment, boundary, nsegs, flags);
	/* Several, of a page each, is the most that there can be; one means
	   other things to the boundary. */
	if (req.vpr_nsegs > 2 && req.vpr_nsegs > rounded >> PAGE_SHIFT)
		req.vpr_nsegs = rounded >> PAGE_SHIFT > 2 ?
		    (unsigned)(rounded >> PAGE_SHIFT) : 2;
	if ((error = vm_pgreq_check(&req, NULL)) != 0)
		return (error);
	error = req.vpr_nsegs <= NSEGS ? alloc_segments(&req, few, segs, &n) :
	    alloc_many(&req, segs, &n);
	if (error != 0)
		return (error);
	dma_check_memory("bus_dmamem_alloc", tag, segs, (int)n,
	    req.vpr_align, boundary, rounded);
	if (tag->dt_checked)
		dma_check_alloc(tag, segs, (int)n);
	*rsegs = (int)n;
	return (0);
}

void
bus_dmamem_explain(bus_dma_tag_t tag, const char *who, bus_size_t size,
    bus_size_t alignment, bus_size_t boundary)
{
	struct vm_pgreq req;

	make_request(&req, tag, size, alignment, boundary, 1, BUS_DMA_NOWAIT);
	vm_pglist_explain_print(who, &req);
}

void
bus_dmamem_free(bus_dma_tag_t tag, bus_dma_segment_t *segs, int nsegs)
{
	int i;

	/* Memory may outlive its tag; there is nothing to ask of it, then. */
	if (dma_tag_known(tag) && tag->dt_checked)
		dma_check_free(tag, segs, nsegs);
	for (i = 0; i < nsegs; i++)
		(void)vm_pglist_free(segs[i].ds_addr, segs[i].ds_len);
}

/*
 * Where the direct map has the first size bytes in a row; NULL: it has not.
 */
static char *
direct_map(const bus_dma_segment_t *segs, bus_size_t size)
{
	char *va, *first = NULL, *next = NULL;
	bus_size_t len;

	for (; size > 0; size -= len, segs++) {
		len = segs->ds_len < size ? segs->ds_len : size;
		if (len == 0)
			continue;
		va = vm_md_phystov(segs->ds_addr, len);
		if (va == NULL || (first != NULL && va != next))
			return (NULL);
		if (first == NULL)
			first = va;
		next = va + len;
	}
	return (first);
}

/*
 * Are there so many bytes in segments that pages can show?  => those it takes;
 * 0: no.
 */
static int
mappable(const bus_dma_segment_t *segs, int nsegs, bus_size_t size)
{
	bus_size_t left = size;
	int i;

	for (i = 0; i < nsegs; i++) {
		if ((segs[i].ds_addr & (VM_PAGE_SIZE - 1)) != 0 ||
		    segs[i].ds_len > UINT64_MAX - segs[i].ds_addr)
			return (0);
		if (segs[i].ds_len >= left)
			return (i + 1);
		if ((segs[i].ds_len & (VM_PAGE_SIZE - 1)) != 0)
			return (0);
		left -= segs[i].ds_len;
	}
	return (0);
}

/*
 * The same pages at other addresses.  => NULL: there are none.
 */
static void *
scattered_map(const bus_dma_segment_t *segs, int nsegs, size_t size)
{
	size_t room = (size_t)nsegs * sizeof(struct vm_pgseg);
	struct vm_pgseg *pgsegs;
	void *va;
	int i;

	pgsegs = kmem_alloc(room, KM_NOSLEEP);
	if (pgsegs == NULL)
		return (NULL);
	for (i = 0; i < nsegs; i++) {
		pgsegs[i].vps_start = segs[i].ds_addr;
		pgsegs[i].vps_size = (segs[i].ds_len + VM_PAGE_SIZE - 1) &
		    ~(VM_PAGE_SIZE - 1);
	}
	va = km_map_enter(pgsegs, (unsigned)nsegs, size);
	kmem_free(pgsegs, room);
	return (va);
}

int
bus_dmamem_map(bus_dma_tag_t tag, bus_dma_segment_t *segs, int nsegs,
    size_t size, void **kvap, int flags)
{
	void *va;
	int n;

	(void)tag;
	if (size == 0 || nsegs < 1 || !dma_flags_valid(flags) ||
	    (n = mappable(segs, nsegs, size)) == 0)
		return (EINVAL);
	va = direct_map(segs, size);
	if (va == NULL)
		va = scattered_map(segs, n, size);
	if (va == NULL)
		return (ENOMEM);
	*kvap = va;
	return (0);
}

void
bus_dmamem_unmap(bus_dma_tag_t tag, void *kva, size_t size)
{
	vaddr_t start, end;

	(void)tag;
	pmap_krange(&start, &end);
	/* The direct map stays; there is nothing to undo. */
	if ((uintptr_t)kva >= start && (uintptr_t)kva < end)
		(void)km_map_remove(kva, size);
}

paddr_t
bus_dmamem_mmap(bus_dma_tag_t tag, bus_dma_segment_t *segs, int nsegs,
    int64_t off, int prot, int flags)
{
	bus_size_t at = (bus_size_t)off;
	int i;

	(void)tag;
	if (off < 0 || (at & (VM_PAGE_SIZE - 1)) != 0 ||
	    (prot & ~MMAP_PROT) != 0 || !dma_flags_valid(flags))
		return (MMAP_FAILED);
	for (i = 0; i < nsegs; i++) {
		if (at < segs[i].ds_len)
			return (segs[i].ds_addr + at);
		at -= segs[i].ds_len;
	}
	return (MMAP_FAILED);
}
