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
 *
 * Memory that comes later adds segments, and spans where none covers it yet.
 * Memory that goes becomes absent again: one allocation that nobody has.  A
 * CPU may still remember where its frames' state was; so that it cannot free
 * one of them the short way, what CPUs remember goes out of date when memory
 * goes, and they ask the table of segments again.
 *
 * The numbers, on the machine of the bench: metadata with tags and all takes
 * 616 KiB a GiB of span, so that a gap of 1 TiB, if it were bridged, would cost
 * 616 MiB, where two spans of 1 GiB take 1.2 MiB.  To find a frame's span takes
 * 1.6 ns with one span and 5 to 6 with 32, as they are gone through; hence
 * there are few.  The table of segments is halved: 9 ns among 129, where going
 * through took 40.  Since CPUs remember, neither is in the 9.6 ns of a page
 * allocated and freed (vmbench -w repeat).  To unplug 128 MiB that are free and
 * plug them again takes 16 us.
 */

#include <vm/vm_counter_var.h>
#include <vm/vm_export.h>
#include <vm/vm_extmap.h>
#include <vm/vm_kassert.h>
#include <vm/vm_owner.h>
#include <vm/vm_pglist.h>
#include <vm/vm_physseg_var.h>
#include <vm/vm_sync.h>

bool vm_owner_tags = true;
bool vm_fresh_bits = true;

static struct vm_physseg segs[VM_PHYSSEG_MAX];
static uint8_t slots[VM_PHYSSEG_MAX];	/* of each of them */
static bool slot_used[VM_PHYSSEG_MAX];
static unsigned nsegs;

_Static_assert(VM_PHYSSEG_MAX <= UINT8_MAX, "slots");

/*
 * Free lists.
 */

_Static_assert((16ULL << 20) % ((uint64_t)VM_EXTBLOCK_FRAMES << PAGE_SHIFT) ==
    0, "free lists are cut at blocks of the map");

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

const struct vm_physseg *
vm_physseg_table(unsigned *np)
{

	*np = nsegs;
	return (segs);
}

bool
vm_physseg_get(unsigned i, struct vm_physseg *seg)
{
	vm_md_intr_t s = vm_sync_lock();
	bool found = i < nsegs;

	if (found)
		*seg = segs[i];
	vm_sync_unlock(s);
	return (found);
}

unsigned
vm_physseg_slot(const struct vm_physseg *seg)
{

	return (slots[seg - segs]);
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

static bool
all_managed(vm_frame_t start, vm_frame_t end)
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

bool
vm_physseg_managed(vm_frame_t start, vm_frame_t end)
{
	vm_md_intr_t s = vm_sync_lock();
	bool managed = all_managed(start, end);

	vm_sync_unlock(s);
	return (managed);
}

/* The first segment that ends after a frame, by its index. */
static unsigned
segs_after(vm_frame_t frame)
{
	unsigned i;

	for (i = 0; i < nsegs && segs[i].vs_end <= frame; i++)
		continue;
	return (i);
}

/* Make room in the table for one more, at i, with a slot of its own. */
static void
seg_open(unsigned i)
{
	unsigned k;

	KASSERT(nsegs < VM_PHYSSEG_MAX);
	for (k = nsegs++; k > i; k--) {
		segs[k] = segs[k - 1];
		slots[k] = slots[k - 1];
	}
	for (k = 0; slot_used[k]; k++)
		continue;
	slot_used[k] = true;
	slots[i] = (uint8_t)k;
	vm_counter_clear(k);
}

/* Take the i-th out of the table. */
static void
seg_close(unsigned i)
{

	slot_used[slots[i]] = false;
	nsegs--;
	for (; i < nsegs; i++) {
		segs[i] = segs[i + 1];
		slots[i] = slots[i + 1];
	}
}

/* Add [start, end), of one list; join it with what it touches there. */
static void
seg_add(vm_frame_t start, vm_frame_t end)
{
	enum vm_freelist list = vm_freelist_of(start);
	unsigned i = segs_after(start);

	if (i > 0 && segs[i - 1].vs_end == start &&
	    segs[i - 1].vs_list == list) {
		segs[i - 1].vs_end = end;
		if (i == nsegs || segs[i].vs_start != end ||
		    segs[i].vs_list != list)
			return;
		segs[i - 1].vs_end = segs[i].vs_end;
		vm_counter_join(slots[i - 1], slots[i]);
		seg_close(i);
		return;
	}
	if (i < nsegs && segs[i].vs_start == end && segs[i].vs_list == list) {
		segs[i].vs_start = start;
		return;
	}
	seg_open(i);
	segs[i].vs_start = start;
	segs[i].vs_end = end;
	segs[i].vs_list = list;
}

/* Add [start, end), cut at the limits of the lists. */
static void
segs_add(vm_frame_t start, vm_frame_t end)
{
	vm_frame_t stop;

	for (; start < end; start = stop) {
		stop = vm_freelist_limit(vm_freelist_of(start));
		if (stop > end)
			stop = end;
		seg_add(start, stop);
	}
}

/* Take [start, end), all managed, out; segments at its ends are cut. */
static void
segs_remove(vm_frame_t start, vm_frame_t end)
{
	unsigned i = segs_after(start);
	vm_frame_t stop;

	while (i < nsegs && segs[i].vs_start < end) {
		stop = segs[i].vs_end;
		if (segs[i].vs_start < start)
			segs[i++].vs_end = start;
		else if (stop > end)
			segs[i++].vs_start = end;
		else
			seg_close(i);
		if (i > 0 && segs[i - 1].vs_end == start && stop > end) {
			seg_add(end, stop);
			i++;
		}
	}
}

/* Make segments of the early allocator's ranges. */
static void
segs_make(void)
{
	struct vm_memrange r;
	unsigned i;

	nsegs = 0;
	memset(slot_used, 0, sizeof(slot_used));
	for (i = 0; vm_bootstrap_range(i, &r); i++)
		segs_add(vm_atop(r.vmr_start),
		    vm_atop(r.vmr_start + r.vmr_size));
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
	paddr_t pa = VM_PADDR_NONE;

	if (size <= SIZE_MAX)
		pa = vm_bootstrap_alloc(size, VM_PAGE_SIZE, vm_md_physend(),
		    "vm");
	return (pa == VM_PADDR_NONE ? NULL : vm_md_phystov(pa, size));
}

/* What a span needs: its metadata, tags and bits, NULL where not kept. */
struct span_memory {
	void	*sm_map;
	void	*sm_tags;
	void	*sm_bits;
};

/* => false: no room; what there is was got. */
static bool
span_memory_get(struct span_memory *sm, uint64_t nframes,
    void *(*get)(psize_t size))
{

	memset(sm, 0, sizeof(*sm));
	sm->sm_map = get(vm_extmap_metasize(nframes));
	if (sm->sm_map != NULL && vm_owner_tags)
		sm->sm_tags = get(nframes * sizeof(vm_owner_t));
	if (sm->sm_map != NULL && vm_fresh_bits)
		sm->sm_bits = get(nframes / 8);
	return (sm->sm_map != NULL &&
	    (!vm_owner_tags || sm->sm_tags != NULL) &&
	    (!vm_fresh_bits || sm->sm_bits != NULL));
}

/* Map's lock held, or one CPU. */
static void
span_attach(vm_frame_t first, uint64_t nframes,
    const struct span_memory *sm)
{
	struct vm_extspan *xs;
	int error;

	error = vm_extmap_attach(&vm_map, first, nframes, sm->sm_map);
	KASSERT(error == 0);
	xs = vm_extmap_span(&vm_map, first);
	xs->xs_owner = sm->sm_tags;
	if (sm->sm_bits != NULL)
		vm_extmap_record(xs, sm->sm_bits);
}

static int
spans_attach(void)
{
	struct hull hull[VM_EXTMAP_SPANS + 1];
	unsigned i, n = hulls_make(hull);
	struct span_memory sm;
	uint64_t nframes;

	vm_extmap_init(&vm_map);
	for (i = 0; i < n; i++) {
		nframes = hull[i].h_end - hull[i].h_first;
		if (!span_memory_get(&sm, nframes, carve))
			return (ENOMEM);
		span_attach(hull[i].h_first, nframes, &sm);
	}
	for (i = 0; i < nsegs; i++)
		vm_extmap_insert(&vm_map, segs[i].vs_start, segs[i].vs_end);
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

/*
 * Plugging and unplugging.
 */

/* One at a time: between looking for room and taking it, nothing changes. */
static struct vm_md_lock plug_lock;

/*
 * The first whole chunks of [*firstp, end) that no span covers: they become
 * [*firstp, *stopp).
 */
static bool
uncovered_next(vm_frame_t *firstp, vm_frame_t end, vm_frame_t *stopp)
{
	vm_frame_t f = *firstp;

	while (f < end && vm_extmap_span(&vm_map, f) != NULL)
		f += VM_EXTCHUNK_FRAMES;
	*firstp = f;
	while (f < end && vm_extmap_span(&vm_map, f) == NULL)
		f += VM_EXTCHUNK_FRAMES;
	*stopp = f;
	return (*firstp < f);
}

/* Memory for metadata from that which is managed already, or NULL. */
static void *
plug_carve(psize_t size)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(size);
	struct vm_pgseg seg;
	unsigned n;
	void *va;

	req.vpr_high = vm_md_physend();
	req.vpr_owner = vm_owner_register("vm");
	if (size > SIZE_MAX || vm_pglist_alloc(&req, &seg, &n) != 0)
		return (NULL);
	va = vm_md_phystov(seg.vps_start, seg.vps_size);
	if (va == NULL)
		(void)vm_pglist_free(seg.vps_start, seg.vps_size);
	return (va);
}

static void
plug_uncarve(const void *mem)
{

	if (mem != NULL)
		(void)vm_pglist_free(vm_md_vtophys(mem), 0);
}

/*
 * Cover [first, end) with one more span.  What was done stays done if a
 * later step fails: the chunks are absent, and the next attempt finds them.
 */
static int
span_plug(vm_frame_t first, vm_frame_t end)
{
	struct span_memory sm;
	vm_md_intr_t s;

	if (!span_memory_get(&sm, end - first, plug_carve)) {
		plug_uncarve(sm.sm_map);
		plug_uncarve(sm.sm_tags);
		plug_uncarve(sm.sm_bits);
		return (ENOMEM);
	}
	s = vm_sync_lock();
	span_attach(first, end - first, &sm);
	vm_sync_unlock(s);
	return (0);
}

static int
spans_plug(vm_frame_t start, vm_frame_t end)
{
	vm_frame_t first = chunk_down(start), stop;
	unsigned n = vm_map.xm_nspans;
	int error = 0;

	for (; uncovered_next(&first, chunk_up(end), &stop); first = stop)
		n++;
	if (n > VM_EXTMAP_SPANS)
		return (ENOSPC);
	first = chunk_down(start);
	for (; error == 0 && uncovered_next(&first, chunk_up(end), &stop);
	    first = stop)
		error = span_plug(first, stop);
	return (error);
}

static int
plug_check(paddr_t start, psize_t size)
{

	if (((start | size) & (VM_PAGE_SIZE - 1)) != 0 || size == 0 ||
	    start >= (paddr_t)1 << VM_PADDR_BITS ||
	    size > ((psize_t)1 << VM_PADDR_BITS) - start)
		return (EINVAL);
	return (0);
}

static int
plug_locked(vm_frame_t start, vm_frame_t end)
{
	unsigned i = segs_after(start);
	vm_md_intr_t s;
	int error;

	if (i < nsegs && segs[i].vs_start < end)
		return (EEXIST);
	if (nsegs > VM_PHYSSEG_MAX - VM_NFREELIST)
		return (ENOSPC);
	error = spans_plug(start, end);
	if (error != 0)
		return (error);
	s = vm_sync_lock();
	segs_add(start, end);
	vm_sync_plug(start, end);
	vm_export_update();
	vm_sync_unlock(s);
	return (0);
}

int
vm_physseg_plug(paddr_t start, psize_t size)
{
	int error = plug_check(start, size);

	if (error != 0)
		return (error);
	vm_md_lock(&plug_lock);
	error = plug_locked(vm_atop(start), vm_atop(start + size));
	vm_md_unlock(&plug_lock);
	return (error);
}

static int
unplug_locked(vm_frame_t start, vm_frame_t end, struct vm_physpin *pin)
{
	vm_md_intr_t s = vm_sync_lock();
	int error = EINVAL;

	if (all_managed(start, end))
		error = nsegs == VM_PHYSSEG_MAX ? ENOSPC :
		    vm_sync_unplug(start, end, pin);
	if (error == 0) {
		segs_remove(start, end);
		vm_sync_relist();
		vm_export_update();
	}
	vm_sync_unlock(s);
	return (error);
}

int
vm_physseg_unplug(paddr_t start, psize_t size, struct vm_physpin *pin)
{
	int error = plug_check(start, size);

	if (error != 0 || size < 2 * VM_PAGE_SIZE)
		return (EINVAL);
	vm_md_lock(&plug_lock);
	error = unplug_locked(vm_atop(start), vm_atop(start + size), pin);
	vm_md_unlock(&plug_lock);
	return (error);
}
