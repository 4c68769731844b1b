/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What is wrong with the use of bus_dma(9).
 *
 * 1. Segments are checked before a driver sees them; see subr_bus_dma.c.
 *
 * 2. Of a map that is checked it is known which bytes are the device's, and
 *    for what: from a PRE to its POST.  Those are kept as ranges, in a list by
 *    address in which neighbours that are alike are one, so that a ring that
 *    is synced descriptor by descriptor has one or two.  A PRE of what is open
 *    for just that, a POST of what is not, and an unload of what is open are
 *    mistakes.  (A PREREAD of what is open for writing is none: it is as if
 *    both had been said at once.)
 *
 * 3. Of a tag that is checked all maps and all memory are known.
 *
 * Each mistake gives one line with the tag, the map and the segment, and the
 * work goes on: a report must not be what breaks a driver that worked.  After
 * REPORTS lines a tag is no longer heard, only counted, so that a mistake in
 * an interrupt handler leaves the console usable.
 *
 * Checking takes memory, a little, and never sleeps for it.  Without, a map is
 * not watched until its next load, and of a tag's memory it is only said that
 * some is not known.
 */

#include <sys/kmem.h>

#include "subr_bus_dma_var.h"

#define	PRE	(BUS_DMASYNC_PREREAD | BUS_DMASYNC_PREWRITE)
#define	POST	(BUS_DMASYNC_POSTREAD | BUS_DMASYNC_POSTWRITE)
#define	REPORTS	100		/* lines of a tag */
#define	LINE	160

/*
 * Segments.
 */

/*
 * What a segment is like, wherever it lies.
 */
static const char *
wrong_shape(const bus_dma_segment_t *seg, bus_size_t alignment,
    bus_size_t boundary, bus_size_t maxsegsz)
{
	bus_addr_t last;

	if (seg->ds_len == 0)
		return ("empty");
	if (alignment != 0 && seg->ds_addr % alignment != 0)
		return ("not aligned");
	last = seg->ds_addr + (seg->ds_len - 1);
	if (boundary != 0 && seg->ds_addr / boundary != last / boundary)
		return ("crosses the boundary");
	if (maxsegsz != 0 && seg->ds_len > maxsegsz)
		return ("too long");
	return (NULL);
}

const char *
bus_dma_check(bus_dma_tag_t tag, const bus_dma_segment_t *seg,
    bus_size_t alignment, bus_size_t boundary, bus_size_t maxsegsz)
{

	if (seg->ds_len != 0 &&
	    !dma_in_window(tag, seg->ds_addr, seg->ds_len))
		return ("outside the device's window");
	return (wrong_shape(seg, alignment, boundary, maxsegsz));
}

/*
 * The end, if something is wrong with a segment.
 */
static void
judge(const char *who, const struct bus_dma_tag *tag,
    const bus_dma_segment_t *seg, int i, int nsegs, const char *why)
{

	if (why != NULL)
		vm_md_panic("%s: %s: segment %d of %d, 0x%jx size 0x%jx: %s",
		    who, tag->dt_name, i, nsegs, (uintmax_t)seg->ds_addr,
		    (uintmax_t)seg->ds_len, why);
}

static void
judge_sum(const char *who, const struct bus_dma_tag *tag,
    const bus_dma_segment_t *segs, int nsegs, bus_size_t total)
{
	bus_size_t sum = 0;
	int i;

	for (i = 0; i < nsegs; i++)
		sum += segs[i].ds_len;
	if (sum != total)
		vm_md_panic("%s: %s: %d segments have 0x%jx bytes, not 0x%jx",
		    who, tag->dt_name, nsegs, (uintmax_t)sum,
		    (uintmax_t)total);
}

void
dma_check_memory(const char *who, const struct bus_dma_tag *tag,
    const bus_dma_segment_t *segs, int nsegs, bus_size_t alignment,
    bus_size_t boundary, bus_size_t total)
{
	int i;

	if (tag->dt_iommu == NULL) {
		dma_check_segments(who, tag, segs, nsegs, alignment, boundary,
		    0, total);
		return;
	}
	for (i = 0; i < nsegs; i++)
		judge(who, tag, &segs[i], i, nsegs, wrong_shape(&segs[i],
		    alignment, boundary, 0));
	judge_sum(who, tag, segs, nsegs, total);
}

void
dma_check_segments(const char *who, const struct bus_dma_tag *tag,
    const bus_dma_segment_t *segs, int nsegs, bus_size_t alignment,
    bus_size_t boundary, bus_size_t maxsegsz, bus_size_t total)
{
	int i;

	for (i = 0; i < nsegs; i++)
		judge(who, tag, &segs[i], i, nsegs,
		    bus_dma_check((bus_dma_tag_t)(uintptr_t)tag, &segs[i],
		    alignment, boundary, maxsegsz));
	judge_sum(who, tag, segs, nsegs, total);
}

/*
 * Reports.
 */

/*
 * One mistake more.  => is it to be printed?
 */
static bool
heard(struct bus_dma_tag *tag)
{
	uint64_t n;

	n = atomic_fetch_add_explicit(&tag->dt_reports, 1,
	    memory_order_relaxed);
	if (n == REPORTS)
		vm_md_printf("bus_dma: %s: more than %d mistakes, of which no "
		    "more is said\n", tag->dt_name, REPORTS);
	return (n < REPORTS);
}

static void
report_map(const struct dma_map *map, const char *what)
{

	if (heard(map->md_tag))
		vm_md_printf("bus_dma: %s: map %u: %s\n",
		    map->md_tag->dt_name, map->md_number, what);
}

/*
 * The same for a byte of the mapping.
 */
static void
report_at(const struct dma_map *map, bus_size_t offset, const char *what)
{
	const bus_dma_segment_t *seg = map->md_segs;
	bus_size_t at = offset;
	int i;

	for (i = 0; i < map->md_pub.dm_nsegs - 1 && at >= seg->ds_len; i++)
		at -= seg++->ds_len;
	if (heard(map->md_tag))
		vm_md_printf("bus_dma: %s: map %u: segment %d (0x%jx size "
		    "0x%jx): %s, at byte 0x%jx\n", map->md_tag->dt_name,
		    map->md_number, i, (uintmax_t)seg->ds_addr,
		    (uintmax_t)seg->ds_len, what, (uintmax_t)offset);
}

bool
dma_check_tag(struct dma_map *map, const struct bus_dma_tag *tag,
    const char *what)
{
	char line[LINE];

	if (map->md_tag == tag)
		return (true);
	(void)vm_md_snprintf(line, sizeof(line), "%s with another tag, %s",
	    what, dma_tag_known(tag) ? tag->dt_name : "which is gone");
	report_map(map, line);
	return (false);
}

/*
 * Does the tag have that map?  (It may be gone, so it is not looked into.)
 */
static bool
has_map(struct bus_dma_tag *tag, const struct dma_map *map)
{
	vm_md_intr_t s = dma_tag_lock(tag);
	const struct dma_map *m;

	for (m = tag->dt_maps; m != NULL && m != map; m = m->md_next)
		continue;
	dma_tag_unlock(tag, s);
	return (m != NULL);
}

bool
dma_check_map(struct bus_dma_tag *tag, struct dma_map *map)
{
	const bool known = dma_tag_known(tag);

	if (known && tag->dt_checked && has_map(tag, map))
		return (true);
	if (map->md_magic == DMA_MAP_MAGIC)
		return (true);
	vm_md_printf("bus_dma: %s: not a map to destroy\n",
	    known ? tag->dt_name : "?");
	return (false);
}

/*
 * Which bytes are the device's.
 */

static struct dma_open *
open_alloc(bus_size_t start, bus_size_t end, int ops, struct dma_open *next)
{
	struct dma_open *og = kmem_alloc(sizeof(*og), KM_NOSLEEP);

	if (og != NULL)
		*og = (struct dma_open){ next, start, end, ops };
	return (og);
}

static void
open_free(struct dma_open **link)
{
	struct dma_open *og = *link;

	*link = og->og_next;
	kmem_free(og, sizeof(*og));
}

static void
open_clear(struct dma_map *map)
{

	while (map->md_open != NULL)
		open_free(&map->md_open);
}

/*
 * No memory to watch a map.
 */
static void
go_blind(struct dma_map *map)
{

	open_clear(map);
	map->md_blind = true;
}

/*
 * Let no range go across at.  => false: no memory.
 */
static bool
open_split(struct dma_map *map, bus_size_t at)
{
	struct dma_open *og = map->md_open, *new;

	while (og != NULL && og->og_end <= at)
		og = og->og_next;
	if (og == NULL || og->og_start >= at)
		return (true);
	new = open_alloc(at, og->og_end, og->og_ops, og->og_next);
	if (new == NULL)
		return (false);
	og->og_end = at;
	og->og_next = new;
	return (true);
}

/*
 * Join neighbours that are alike, and forget what is not open at all.
 */
static void
open_join(struct dma_map *map)
{
	struct dma_open **link = &map->md_open, *og, *next;

	while ((og = *link) != NULL) {
		next = og->og_next;
		if (og->og_ops == 0)
			open_free(link);
		else if (next != NULL && next->og_start == og->og_end &&
		    next->og_ops == og->og_ops) {
			og->og_end = next->og_end;
			open_free(&og->og_next);
		} else
			link = &og->og_next;
	}
}

/*
 * Put a range that is open for nothing before *link, if that does not begin
 * at start.  => false: no memory.
 */
static bool
open_gap(struct dma_open **link, bus_size_t start, bus_size_t end)
{
	struct dma_open *og = *link;

	if (og != NULL && og->og_start <= start)
		return (true);
	if (og != NULL && og->og_start < end)
		end = og->og_start;
	og = open_alloc(start, end, 0, og);
	if (og == NULL)
		return (false);
	*link = og;
	return (true);
}

/*
 * Fill the gaps of [start, end), which no range goes into from outside.
 * => false: no memory; else *first is the first range there.
 */
static bool
open_fill(struct dma_map *map, bus_size_t start, bus_size_t end,
    struct dma_open **first)
{
	struct dma_open **link = &map->md_open;

	while (*link != NULL && (*link)->og_end <= start)
		link = &(*link)->og_next;
	for (; start < end; link = &(*link)->og_next) {
		if (!open_gap(link, start, end))
			return (false);
		if (*first == NULL)
			*first = *link;
		start = (*link)->og_end;
	}
	return (true);
}

/*
 * The ranges of [start, end), without gaps; NULL: it is empty, or there is no
 * memory, and the map is blind.
 */
static struct dma_open *
open_range(struct dma_map *map, bus_size_t start, bus_size_t end)
{
	struct dma_open *first = NULL;

	if (!open_split(map, start) || !open_split(map, end) ||
	    !open_fill(map, start, end, &first)) {
		go_blind(map);
		return (NULL);
	}
	return (first);
}

/*
 * What is wrong with operations on bytes that are open for have.  => NULL:
 * nothing.
 */
static const char *
wrong_sync(int have, int ops)
{
	int need = (ops & POST) >> 1, missing = need & ~have;

	if ((ops & have & BUS_DMASYNC_PREREAD) != 0)
		return ("PREREAD, but the device may be writing it");
	if ((ops & have & BUS_DMASYNC_PREWRITE) != 0)
		return ("PREWRITE, but the device may be reading it");
	if ((missing & BUS_DMASYNC_PREREAD) != 0)
		return (have == 0 ? "POSTREAD without PREREAD" :
		    "POSTREAD after PREWRITE");
	if ((missing & BUS_DMASYNC_PREWRITE) != 0)
		return (have == 0 ? "POSTWRITE without PREWRITE" :
		    "POSTWRITE after PREREAD");
	return (NULL);
}

/*
 * [start, end) is synced: look at what it was open for, and see what it is
 * open for now.  => what is wrong, and *at where; NULL: nothing.
 */
static const char *
open_sync(struct dma_map *map, bus_size_t start, bus_size_t end, int ops,
    bus_size_t *at)
{
	const char *why = NULL;
	struct dma_open *og;

	for (og = open_range(map, start, end);
	    og != NULL && og->og_start < end; og = og->og_next) {
		if (why == NULL && (why = wrong_sync(og->og_ops, ops)) != NULL)
			*at = og->og_start;
		og->og_ops = (og->og_ops & ~((ops & POST) >> 1)) | (ops & PRE);
	}
	open_join(map);
	return (why);
}

/*
 * Arguments that make no sense at all.
 */
static const char *
malformed(const struct dma_map *map, bus_size_t offset, bus_size_t len,
    int ops)
{
	bus_size_t size = map->md_pub.dm_mapsize;

	if (offset > size || len > size - offset)
		return ("sync outside the mapping");
	if (ops == 0 || (ops & ~(PRE | POST)) != 0)
		return ("sync of no or unknown operations");
	if ((ops & PRE) != 0 && (ops & POST) != 0)
		return ("sync of PRE and POST at once");
	return (NULL);
}

/*
 * A number that is another when the segments are.
 */
static uint64_t
fingerprint(const struct dma_map *map)
{
	uint64_t h = (uint64_t)map->md_pub.dm_nsegs;
	int i;

	for (i = 0; i < map->md_pub.dm_nsegs && i < map->md_segcnt; i++) {
		h = (h ^ map->md_segs[i].ds_addr) * 0x9e3779b97f4a7c15;
		h = (h << 29 | h >> 35) ^ map->md_segs[i].ds_len;
	}
	return (h);
}

static bool
is_changed(const struct dma_map *map)
{

	return (map->md_pub.dm_segs != map->md_segs ||
	    fingerprint(map) != map->md_print);
}

void
dma_check_load(struct dma_map *map, int flags)
{
	int dirs = 0;

	if ((flags & BUS_DMA_READ) != 0)
		dirs |= BUS_DMASYNC_PREREAD;
	if ((flags & BUS_DMA_WRITE) != 0)
		dirs |= BUS_DMASYNC_PREWRITE;
	map->md_dirs = dirs != 0 ? dirs : PRE;
	map->md_blind = false;
	map->md_print = fingerprint(map);
}

void
dma_check_sync(struct dma_map *map, bus_size_t offset, bus_size_t len, int ops)
{
	bus_size_t at = offset;
	const char *why;

	if ((why = malformed(map, offset, len, ops)) != NULL) {
		report_map(map, why);
		return;
	}
	if (!map->md_tag->dt_checked || map->md_pub.dm_mapsize == 0)
		return;
	if (!map->md_blind)
		why = open_sync(map, offset, offset + len, ops, &at);
	if (why == NULL && ((ops & PRE) & ~map->md_dirs) != 0)
		why = "sync in a direction that it was not loaded for";
	if (why == NULL && (ops & PRE) != 0 && is_changed(map))
		why = "the segments are not as they were loaded";
	if (why != NULL)
		report_at(map, at, why);
}

void
dma_check_unload(struct dma_map *map)
{
	const struct dma_open *og = map->md_open;

	if (og != NULL)
		report_at(map, og->og_start,
		    (og->og_ops & BUS_DMASYNC_PREREAD) != 0 ?
		    "unloaded without POSTREAD" :
		    "unloaded without POSTWRITE");
	else if (is_changed(map))
		report_map(map, "the segments are not as they were loaded");
	open_clear(map);
}

/*
 * Memory.
 */

void
dma_check_alloc(struct bus_dma_tag *tag, const bus_dma_segment_t *segs,
    int nsegs)
{
	struct dma_mem *dm;
	vm_md_intr_t s;
	int i;

	for (i = 0; i < nsegs; i++) {
		dm = kmem_alloc(sizeof(*dm), KM_NOSLEEP);
		s = dma_tag_lock(tag);
		if (dm != NULL) {
			*dm = (struct dma_mem){ tag->dt_mem, segs[i].ds_addr,
			    segs[i].ds_len };
			tag->dt_mem = dm;
		} else
			tag->dt_blind = true;
		dma_tag_unlock(tag, s);
	}
}

/*
 * Is a segment the tag's?  Then it is so no more.
 */
static bool
mem_forget(struct bus_dma_tag *tag, const bus_dma_segment_t *seg)
{
	struct dma_mem **link, *dm;
	vm_md_intr_t s;
	bool blind;

	s = dma_tag_lock(tag);
	for (link = &tag->dt_mem; (dm = *link) != NULL; link = &dm->dm_next)
		if (dm->dm_start == seg->ds_addr && dm->dm_size == seg->ds_len)
			break;
	if (dm != NULL)
		*link = dm->dm_next;
	blind = tag->dt_blind;
	dma_tag_unlock(tag, s);
	if (dm != NULL)
		kmem_free(dm, sizeof(*dm));
	return (dm != NULL || blind);
}

/*
 * Has a segment a part of [pa, pa + len) of memory?
 */
static bool
seg_overlap(const struct bus_dma_tag *tag, const bus_dma_segment_t *seg,
    paddr_t pa, bus_size_t len)
{
	bus_size_t at, n;
	paddr_t there;

	for (at = 0; at < seg->ds_len; at += n) {
		n = dma_physical(tag, seg->ds_addr + at, seg->ds_len - at,
		    &there);
		if (there != VM_PADDR_NONE &&
		    (there - pa < len || pa - there < n))
			return (true);
	}
	return (false);
}

/*
 * The segment of a map that has a part of [pa, pa + len) of memory.
 * => -1: none.
 */
static int
map_overlap(const struct dma_map *map, paddr_t pa, bus_size_t len)
{
	int i;

	for (i = 0; i < map->md_pub.dm_nsegs; i++)
		if (seg_overlap(map->md_tag, &map->md_segs[i], pa, len))
			return (i);
	return (-1);
}

/*
 * Is a part of a segment loaded?  => of which map, and as which segment; -1:
 * it is not.
 */
static int
mem_loaded(struct bus_dma_tag *tag, const bus_dma_segment_t *seg,
    unsigned *number)
{
	const struct dma_map *map;
	vm_md_intr_t s;
	int i = -1;

	s = dma_tag_lock(tag);
	for (map = tag->dt_maps; map != NULL && i < 0; map = map->md_next)
		if (map->md_loaded) {
			i = map_overlap(map, seg->ds_addr, seg->ds_len);
			*number = map->md_number;
		}
	dma_tag_unlock(tag, s);
	return (i);
}

void
dma_check_free(struct bus_dma_tag *tag, const bus_dma_segment_t *segs,
    int nsegs)
{
	unsigned number = 0;
	int i, k;

	for (i = 0; i < nsegs; i++) {
		if (!mem_forget(tag, &segs[i]) && heard(tag))
			vm_md_printf("bus_dma: %s: segment %d (0x%jx size "
			    "0x%jx): to be freed, but not memory of this "
			    "tag\n", tag->dt_name, i,
			    (uintmax_t)segs[i].ds_addr,
			    (uintmax_t)segs[i].ds_len);
		k = mem_loaded(tag, &segs[i], &number);
		if (k >= 0 && heard(tag))
			vm_md_printf("bus_dma: %s: map %u: segment %d: its "
			    "memory (0x%jx size 0x%jx) is freed, and it is "
			    "loaded\n", tag->dt_name, number, k,
			    (uintmax_t)segs[i].ds_addr,
			    (uintmax_t)segs[i].ds_len);
	}
}

/*
 * Leaks.
 */

/*
 * One line about the n-th map of a tag.  => false: there is none.
 */
static bool
leak_map(struct bus_dma_tag *tag, unsigned n)
{
	const struct dma_map *map;
	bus_dma_segment_t seg = { 0, 0 };
	char line[LINE] = "not loaded";
	unsigned number = 0;
	vm_md_intr_t s;

	s = dma_tag_lock(tag);
	for (map = tag->dt_maps; map != NULL && n > 0; n--)
		map = map->md_next;
	if (map != NULL) {
		number = map->md_number;
		if (map->md_loaded)
			seg = map->md_segs[0];
	}
	dma_tag_unlock(tag, s);
	if (map == NULL)
		return (false);
	if (seg.ds_len != 0)
		(void)vm_md_snprintf(line, sizeof(line), "loaded, segment 0 "
		    "(0x%jx size 0x%jx)", (uintmax_t)seg.ds_addr,
		    (uintmax_t)seg.ds_len);
	if (heard(tag))
		vm_md_printf("bus_dma: %s: map %u: not destroyed, %s\n",
		    tag->dt_name, number, line);
	return (true);
}

/*
 * The same of its memory.
 */
static bool
leak_mem(struct bus_dma_tag *tag, unsigned n)
{
	struct dma_mem copy = { NULL, 0, 0 };
	const struct dma_mem *dm;
	vm_md_intr_t s;

	s = dma_tag_lock(tag);
	for (dm = tag->dt_mem; dm != NULL && n > 0; n--)
		dm = dm->dm_next;
	if (dm != NULL)
		copy = *dm;
	dma_tag_unlock(tag, s);
	if (dm == NULL)
		return (false);
	if (heard(tag))
		vm_md_printf("bus_dma: %s: memory 0x%jx size 0x%jx: not "
		    "freed\n", tag->dt_name, (uintmax_t)copy.dm_start,
		    (uintmax_t)copy.dm_size);
	return (true);
}

unsigned
bus_dma_leaks(bus_dma_tag_t tag)
{
	unsigned maps = 0, mem = 0;

	if (!tag->dt_checked)
		return (0);
	while (leak_map(tag, maps))
		maps++;
	while (leak_mem(tag, mem))
		mem++;
	return (maps + mem);
}

void
dma_check_end(struct bus_dma_tag *tag)
{
	struct dma_mem *dm, *next;
	vm_md_intr_t s;

	(void)bus_dma_leaks(tag);
	s = dma_tag_lock(tag);
	dm = tag->dt_mem;
	tag->dt_mem = NULL;
	tag->dt_blind = true;	/* what is still freed is not known */
	dma_tag_unlock(tag, s);
	for (; dm != NULL; dm = next) {
		next = dm->dm_next;
		kmem_free(dm, sizeof(*dm));
	}
}
