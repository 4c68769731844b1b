/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Which memory exists.
 *
 * Segments are the usable ranges of memory, cut at the limits of the free
 * lists, so that each belongs to one list; they are what "managed" means.
 * The storage of the map's state is attached in spans of whole chunks that
 * cover the segments; where several segments lie near each other they share
 * a span, and the gaps in it stay absent for ever.  As many spans are used as
 * keep gaps of more than a chunk out, unless that would be too many: then the
 * narrowest gaps are bridged first.
 */

#include <vm/vm_export.h>
#include <vm/vm_extmap.h>
#include <vm/vm_kassert.h>
#include <vm/vm_owner.h>
#include <vm/vm_physseg.h>
#include <vm/vm_sync.h>

bool vm_owner_tags = true;

static struct vm_physseg segs[VM_PHYSSEG_MAX];
static unsigned nsegs;

/*
 * Free lists.
 */

const vm_frame_t vm_freelist_limits[VM_NFREELIST] = {
	[VM_FREELIST_ISA] = (16ULL << 20) >> PAGE_SHIFT,
	[VM_FREELIST_DMA31] = (2ULL << 30) >> PAGE_SHIFT,
	[VM_FREELIST_DMA32] = (4ULL << 30) >> PAGE_SHIFT,
	[VM_FREELIST_DEFAULT] = VM_FRAME_END,
};

const char *
vm_freelist_name(enum vm_freelist list)
{
	static const char *const names[VM_NFREELIST] = {
		[VM_FREELIST_ISA] = "isa",
		[VM_FREELIST_DMA31] = "dma31",
		[VM_FREELIST_DMA32] = "dma32",
		[VM_FREELIST_DEFAULT] = "default",
	};

	return (names[list]);
}

/*
 * Segments.
 */

bool
vm_physseg_get(unsigned i, struct vm_physseg *seg)
{

	if (i >= nsegs)
		return (false);
	*seg = segs[i];
	return (true);
}

const struct vm_physseg *
vm_physseg_find(vm_frame_t frame)
{
	unsigned lo = 0, hi = nsegs, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (frame < segs[mid].vs_start)
			hi = mid;
		else if (frame >= segs[mid].vs_end)
			lo = mid + 1;
		else
			return (&segs[mid]);
	}
	return (NULL);
}

bool
vm_physseg_managed(vm_frame_t start, vm_frame_t end)
{
	const struct vm_physseg *seg;

	while (start < end) {
		seg = vm_physseg_find(start);
		if (seg == NULL)
			return (false);
		start = seg->vs_end;
	}
	return (true);
}

/* Make segments of the early allocator's ranges. */
static void
segs_make(void)
{
	struct vm_memrange r;
	vm_frame_t start, end, stop;
	unsigned i;

	nsegs = 0;
	for (i = 0; vm_bootstrap_range(i, &r); i++) {
		start = vm_atop(r.vmr_start);
		end = vm_atop(r.vmr_start + r.vmr_size);
		for (; start < end; start = stop) {
			stop = vm_freelist_limit(vm_freelist_of(start));
			if (stop > end)
				stop = end;
			KASSERT(nsegs < VM_PHYSSEG_MAX);
			segs[nsegs].vs_start = start;
			segs[nsegs].vs_end = stop;
			segs[nsegs].vs_list = vm_freelist_of(start);
			segs[nsegs].vs_span = NULL;
			nsegs++;
		}
	}
}

/*
 * Spans.
 */

struct hull {
	vm_frame_t	h_first;
	vm_frame_t	h_end;
};

static vm_frame_t
chunk_down(vm_frame_t f)
{

	return (f & ~((vm_frame_t)VM_EXTCHUNK_FRAMES - 1));
}

static vm_frame_t
chunk_up(vm_frame_t f)
{

	return (chunk_down(f + VM_EXTCHUNK_FRAMES - 1));
}

/* Bridge the narrowest gap between neighbours. */
static unsigned
hulls_join(struct hull *hull, unsigned n)
{
	unsigned i, at = 0;

	for (i = 1; i < n - 1; i++) {
		if (hull[i + 1].h_first - hull[i].h_end <
		    hull[at + 1].h_first - hull[at].h_end)
			at = i;
	}
	hull[at].h_end = hull[at + 1].h_end;
	for (i = at + 1; i < n - 1; i++)
		hull[i] = hull[i + 1];
	return (n - 1);
}

/* The whole chunks that cover the segments, in address order. */
static unsigned
hulls_make(struct hull hull[VM_EXTMAP_SPANS + 1])
{
	vm_frame_t first, end;
	unsigned i, n = 0;

	for (i = 0; i < nsegs; i++) {
		first = chunk_down(segs[i].vs_start);
		end = chunk_up(segs[i].vs_end);
		if (n > 0 && first <= hull[n - 1].h_end) {
			if (end > hull[n - 1].h_end)
				hull[n - 1].h_end = end;
			continue;
		}
		hull[n].h_first = first;
		hull[n].h_end = end;
		n++;
		if (n > VM_EXTMAP_SPANS)
			n = hulls_join(hull, n);
	}
	return (n);
}

/* Carve memory for sys/vm and get at it. */
static void *
carve(psize_t size)
{
	paddr_t pa = vm_bootstrap_alloc(size, VM_PAGE_SIZE, vm_md_physend(),
	    "vm");

	return (pa == VM_PADDR_NONE ? NULL : vm_md_phystov(pa, size));
}

static int
span_attach(vm_frame_t first, uint64_t nframes)
{
	void *mem = carve(vm_extmap_metasize(nframes)), *tags = NULL;

	if (mem == NULL)
		return (ENOMEM);
	if (vm_owner_tags) {
		tags = carve(nframes * sizeof(vm_owner_t));
		if (tags == NULL)
			return (ENOMEM);
	}
	if (vm_extmap_attach(&vm_map, first, nframes, mem) != 0)
		return (ENOMEM);
	vm_extmap_span(&vm_map, first)->xs_owner = tags;
	return (0);
}

static int
spans_attach(void)
{
	struct hull hull[VM_EXTMAP_SPANS + 1];
	unsigned i, n = hulls_make(hull);
	int error;

	vm_extmap_init(&vm_map);
	for (i = 0; i < n; i++) {
		error = span_attach(hull[i].h_first,
		    hull[i].h_end - hull[i].h_first);
		if (error != 0)
			return (error);
	}
	for (i = 0; i < nsegs; i++) {
		segs[i].vs_span = vm_extmap_span(&vm_map, segs[i].vs_start);
		vm_extmap_insert(&vm_map, segs[i].vs_start, segs[i].vs_end);
	}
	return (0);
}

/*
 * What the early allocator gave away is allocated, as far as it is managed.
 */
static void
taken_claim(void)
{
	struct vm_memrange r;
	const char *owner;
	vm_frame_t start, end;
	vm_owner_t tag;
	unsigned i, s;
	int error;

	for (i = 0; vm_bootstrap_taken(i, &r, &owner); i++) {
		tag = vm_owner_register(owner);
		for (s = 0; s < nsegs; s++) {
			start = vm_atop(r.vmr_start);
			end = vm_atop(r.vmr_start + r.vmr_size);
			if (start < segs[s].vs_start)
				start = segs[s].vs_start;
			if (end > segs[s].vs_end)
				end = segs[s].vs_end;
			if (start >= end)
				continue;
			error = vm_sync_claim(start, end, tag);
			KASSERT(error == 0);
		}
	}
}

int
vm_physseg_init(void)
{
	int error;

	segs_make();
	error = spans_attach();
	if (error != 0)
		return (error);
	vm_bootstrap_end();
	vm_sync_start();
	taken_claim();
	vm_export_update();
	return (0);
}

int
vm_physmem_load(const struct vm_memrange *usable, unsigned nusable,
    const struct vm_memrange *taken, unsigned ntaken)
{
	unsigned i;
	int error;

	error = vm_bootstrap_start(usable, nusable);
	if (error != 0 && error != E2BIG)
		return (error);
	for (i = 0; i < ntaken; i++) {
		error = vm_bootstrap_reserve(taken[i].vmr_start,
		    taken[i].vmr_size, "reserved");
		if (error != 0)
			return (error);
	}
	return (vm_physseg_init());
}
