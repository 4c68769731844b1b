/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Every field is hostile here.  Numbers of elements are bounded by constants
 * that no kernel reaches, memory by the memory that the source has: a segment
 * has to lie in it, and the map is made over the segments alone, whatever
 * the spans claim to describe.
 */

#include <err.h>
#include <stddef.h>
#include <stdlib.h>

#include <vm/vm_export.h>

#include "export.h"
#include "util.h"

#define	MAXSPAN		1024
#define	MAXOWNER	65536		/* tags have 16 bits */
#define	MAXCOUNTER	1024
#define	MAXCPU		4096
#define	MAXSEGCOUNTER	(1U << 20)	/* sets, one a CPU and slot */
#define	MAXSPACE	4096
#define	MAXELEMENT	8192		/* bytes of an element */
#define	READ_FRAMES	(1U << 24)	/* whose tags are read at once */
#define	READ_PAGE	2048		/* frames whose tags fill a page */
#define	READ_COUNTERS	(1U << 20)	/* bytes of counters read at once */

struct reader {
	struct source	*r_src;
	struct state	*r_st;
	struct vm_export r_head;
	struct vm_export_span *r_span;	/* by first frame */
	unsigned	r_nspan;
	uint32_t	*r_slot;	/* of each segment's counters */
};

/* Bytes that have to be there. */
static void
read_bytes(const struct reader *r, const char *what, paddr_t pa, void *buf,
    size_t len)
{

	if (!r->r_src->src_read(r->r_src, pa, buf, len))
		errx(1, "%s: %s: %zu bytes at %#jx are not in memory",
		    r->r_st->st_name, what, len, (uintmax_t)pa);
}

/*
 * The head.  It grew twice since this version began: members that a kernel
 * does not have are 0 here.
 */
#define	HEAD_MIN	offsetof(struct vm_export, ve_seg_counters)
#define	HEAD_SEGS	offsetof(struct vm_export, ve_spaces)

static void
read_head(struct reader *r, paddr_t where)
{
	struct vm_export *ve = &r->r_head;
	size_t size = HEAD_MIN;

	read_bytes(r, "extent state", where, ve, HEAD_MIN);
	if (ve->ve_size >= sizeof(*ve))
		size = sizeof(*ve);
	else if (ve->ve_size >= HEAD_SEGS)
		size = HEAD_SEGS;
	read_bytes(r, "extent state", where, ve, size);
}

static void
check_head(const struct reader *r, paddr_t where)
{
	const struct vm_export *ve = &r->r_head;
	const char *name = r->r_st->st_name;

	if (memcmp(ve->ve_magic, VM_EXPORT_MAGIC, sizeof(ve->ve_magic)) != 0)
		errx(1, "%s: no extent state at %#jx: another kernel, or not "
		    "started yet", name, (uintmax_t)where);
	if (ve->ve_byteorder == __builtin_bswap32(VM_EXPORT_BYTEORDER))
		errx(1, "%s: extent state in the other byte order is not "
		    "supported", name);
	if (ve->ve_byteorder != VM_EXPORT_BYTEORDER)
		errx(1, "%s: extent state damaged: byte order %#x", name,
		    (unsigned)ve->ve_byteorder);
	if (ve->ve_version > VM_EXPORT_VERSION)
		errx(1, "%s: extent state of version %u: newer than this "
		    "extstat, which knows %u", name,
		    (unsigned)ve->ve_version, VM_EXPORT_VERSION);
	if (ve->ve_version != VM_EXPORT_VERSION)
		errx(1, "%s: extent state of unknown version %u", name,
		    (unsigned)ve->ve_version);
	if (ve->ve_size < HEAD_MIN)
		errx(1, "%s: extent state of %u bytes, less than %zu", name,
		    (unsigned)ve->ve_size, HEAD_MIN);
	if (ve->ve_page_shift != PAGE_SHIFT)
		errx(1, "%s: pages of 2^%u bytes are not supported, only "
		    "2^%u", name, (unsigned)ve->ve_page_shift, PAGE_SHIFT);
}

/* Up to max elements, of each of which at least size bytes are known? */
static void
check_array(const struct reader *r, const char *what,
    const struct vm_export_array *ea, size_t size, unsigned max)
{

	if (ea->vea_count > max)
		errx(1, "%s: %s: %u elements, more than %u", r->r_st->st_name,
		    what, (unsigned)ea->vea_count, max);
	if (ea->vea_size < size || ea->vea_size > MAXELEMENT)
		errx(1, "%s: %s: elements of %u bytes, not %zu to %u",
		    r->r_st->st_name, what, (unsigned)ea->vea_size, size,
		    MAXELEMENT);
}

/*
 * An array of up to max elements, of each of which the first size bytes are
 * known; the kernel's elements may be longer.
 * => the elements, packed; NULL if there are none.
 */
static void *
read_array(const struct reader *r, const char *what,
    const struct vm_export_array *ea, size_t size, unsigned max)
{
	char *raw, *packed;
	unsigned i;

	if (ea->vea_count == 0)
		return (NULL);
	check_array(r, what, ea, size, max);
	raw = xcalloc(ea->vea_count, ea->vea_size);
	read_bytes(r, what, ea->vea_paddr, raw,
	    (size_t)ea->vea_count * ea->vea_size);
	packed = xcalloc(ea->vea_count, size);
	for (i = 0; i < ea->vea_count; i++)
		memcpy(packed + i * size, raw + (size_t)i * ea->vea_size, size);
	free(raw);
	return (packed);
}

/*
 * Segments.
 */

static void
load_segments(struct reader *r)
{
	const struct vm_export_array *ea = &r->r_head.ve_segs;
	struct vm_export_seg *seg;
	unsigned i;

	seg = read_array(r, "segments", ea, sizeof(*seg), STATE_MAXSEG);
	if (seg == NULL)
		errx(1, "%s: no memory segments: the allocator has not "
		    "started yet", r->r_st->st_name);
	r->r_slot = xcalloc(ea->vea_count, sizeof(*r->r_slot));
	for (i = 0; i < ea->vea_count; i++) {
		r->r_slot[i] = seg[i].ves_slot;
		if (seg[i].ves_list >= VM_NFREELIST)
			errx(1, "%s: segment %u: unknown free list %u",
			    r->r_st->st_name, i, (unsigned)seg[i].ves_list);
		state_segment(r->r_st, seg[i].ves_start, seg[i].ves_end,
		    (enum vm_freelist)seg[i].ves_list);
	}
	free(seg);
}

static void
check_segments(const struct reader *r)
{
	struct source *src = r->r_src;
	const struct vm_physseg *seg = r->r_st->st_seg;
	psize_t size = vm_ptoa(state_frames(r->r_st));
	unsigned i;

	if (size > src->src_size)
		errx(1, "%s: segments of %ju bytes in a memory of %ju",
		    r->r_st->st_name, (uintmax_t)size,
		    (uintmax_t)src->src_size);
	for (i = 0; i < r->r_st->st_nseg; i++) {
		if (!src->src_present(src, vm_ptoa(seg[i].vs_start),
		    vm_ptoa(seg[i].vs_end - seg[i].vs_start)))
			errx(1, "%s: segment %u at %#jx does not lie in "
			    "memory", r->r_st->st_name, i,
			    (uintmax_t)vm_ptoa(seg[i].vs_start));
	}
}

/*
 * Spans: the state words.
 */

static vm_frame_t
span_end(const struct vm_export_span *sp)
{

	return (sp->vep_first + sp->vep_nframes);
}

static int
span_compare(const void *va, const void *vb)
{
	const struct vm_export_span *a = va, *b = vb;

	return (a->vep_first < b->vep_first ? -1 :
	    a->vep_first > b->vep_first);
}

static void
load_spans(struct reader *r)
{
	const struct vm_export_array *ea = &r->r_head.ve_spans;
	const struct vm_export_span *sp;
	unsigned i;

	r->r_span = read_array(r, "spans", ea, sizeof(*r->r_span), MAXSPAN);
	r->r_nspan = ea->vea_count;
	if (r->r_nspan > 1)
		qsort(r->r_span, r->r_nspan, sizeof(*sp), span_compare);
	for (i = 0; i < r->r_nspan; i++) {
		sp = &r->r_span[i];
		if ((sp->vep_first | sp->vep_nframes) % VM_EXTWORD_FRAMES != 0
		    || sp->vep_nframes == 0 || sp->vep_first >= VM_FRAME_END ||
		    sp->vep_nframes > VM_FRAME_END - sp->vep_first)
			errx(1, "%s: span of %#jx frames at frame %#jx makes "
			    "no sense", r->r_st->st_name,
			    (uintmax_t)sp->vep_nframes,
			    (uintmax_t)sp->vep_first);
		if (i > 0 && span_end(sp - 1) > sp->vep_first)
			errx(1, "%s: spans overlap at frame %#jx",
			    r->r_st->st_name, (uintmax_t)sp->vep_first);
	}
}

/* Is there a state for every frame? */
static void
check_coverage(const struct reader *r)
{
	const struct vm_physseg *seg = r->r_st->st_seg;
	vm_frame_t f;
	unsigned i, j = 0;

	for (i = 0; i < r->r_st->st_nseg; i++) {
		for (f = seg[i].vs_start; f < seg[i].vs_end;
		    f = span_end(&r->r_span[j])) {
			while (j < r->r_nspan && span_end(&r->r_span[j]) <= f)
				j++;
			if (j == r->r_nspan || r->r_span[j].vep_first > f)
				errx(1, "%s: segment %u: no state of the "
				    "frame at %#jx", r->r_st->st_name, i,
				    (uintmax_t)vm_ptoa(f));
		}
	}
}

/* Cut [*startp, *endp) to [low, high).  => false: nothing is left. */
static bool
clip(vm_frame_t *startp, vm_frame_t *endp, vm_frame_t low, vm_frame_t high)
{

	if (*startp < low)
		*startp = low;
	if (*endp > high)
		*endp = high;
	return (*startp < *endp);
}

/* Make frames [from, to) absent in words that begin at frame first. */
static void
words_absent(uint64_t *words, vm_frame_t first, vm_frame_t from,
    vm_frame_t to)
{
	uint64_t bit;
	vm_frame_t f;

	for (f = from; f < to; f++) {
		if (f % VM_EXTWORD_FRAMES == 0 && to - f >= VM_EXTWORD_FRAMES) {
			words[(f - first) / VM_EXTWORD_FRAMES] = UINT64_MAX;
			f += VM_EXTWORD_FRAMES - 1;
			continue;
		}
		bit = (uint64_t)1 << f % VM_EXTWORD_FRAMES;
		words[(f - first) / VM_EXTWORD_FRAMES] |= bit | bit << 32;
	}
}

/* What lies in no segment is no memory, whatever the words say of it. */
static void
mask_gaps(const struct reader *r, uint64_t *words,
    const struct vm_extspan *xs)
{
	vm_frame_t end = xs->xs_first + xs->xs_nframes;
	vm_frame_t from = xs->xs_first, a, b;
	unsigned i;

	for (i = 0; i < r->r_st->st_nseg; i++) {
		a = r->r_st->st_seg[i].vs_start;
		b = r->r_st->st_seg[i].vs_end;
		if (!clip(&a, &b, xs->xs_first, end))
			continue;
		words_absent(words, xs->xs_first, from, a);
		from = b;
	}
	words_absent(words, xs->xs_first, from, end);
}

/*
 * The words of blocks that the kernel did not write yet are those of free
 * frames.
 */
static void
blank_virgins(const struct reader *r, const struct vm_export_span *sp,
    uint64_t *words, const struct vm_extspan *xs)
{
	vm_frame_t a = sp->vep_first, b = span_end(sp), f, next;
	uint64_t first, bit, *bits;
	size_t n;

	if (sp->vep_virgin == 0 ||
	    !clip(&a, &b, xs->xs_first, xs->xs_first + xs->xs_nframes))
		return;
	first = (a - sp->vep_first) / VM_EXPORT_BLOCK / 64;
	n = (size_t)((b - 1 - sp->vep_first) / VM_EXPORT_BLOCK / 64 - first) +
	    1;
	bits = xcalloc(n, sizeof(*bits));
	read_bytes(r, "virgin blocks", sp->vep_virgin + first * sizeof(*bits),
	    bits, n * sizeof(*bits));
	for (f = a; f < b; f = next) {
		bit = (f - sp->vep_first) / VM_EXPORT_BLOCK;
		next = sp->vep_first + (bit + 1) * VM_EXPORT_BLOCK;
		if (next > b)
			next = b;
		if ((bits[bit / 64 - first] >> bit % 64 & 1) != 0)
			memset(&words[(f - xs->xs_first) / VM_EXTWORD_FRAMES],
			    0, (size_t)((next - f) / VM_EXTWORD_FRAMES) *
			    sizeof(*words));
	}
	free(bits);
}

static void
load_words(const struct reader *r, struct vm_extspan *xs)
{
	size_t nwords = (size_t)(xs->xs_nframes / VM_EXTWORD_FRAMES);
	uint64_t *words = xcalloc(nwords, sizeof(*words));
	const struct vm_export_span *sp;
	vm_frame_t a, b;
	unsigned i;

	for (i = 0; i < r->r_nspan; i++) {
		sp = &r->r_span[i];
		a = sp->vep_first;
		b = span_end(sp);
		if (!clip(&a, &b, xs->xs_first, xs->xs_first + xs->xs_nframes))
			continue;
		read_bytes(r, "state words", sp->vep_states +
		    (a - sp->vep_first) / VM_EXTWORD_FRAMES * sizeof(*words),
		    &words[(a - xs->xs_first) / VM_EXTWORD_FRAMES],
		    (size_t)((b - a) / VM_EXTWORD_FRAMES) * sizeof(*words));
	}
	for (i = 0; i < r->r_nspan; i++)
		blank_virgins(r, &r->r_span[i], words, xs);
	mask_gaps(r, words, xs);
	if (vm_extmap_load(&r->r_st->st_map, xs, words, nwords) != 0)
		errx(1, "%s: state words do not fit", r->r_st->st_name);
	free(words);
}

/*
 * Owner tags.  A tag counts on the first frame of an allocation only, and of a
 * large, mostly free machine few pages of the array hold any.
 */

static bool
any_head(const struct vm_extspan *xs, vm_frame_t a, vm_frame_t b)
{
	uint64_t w;

	for (a &= ~(vm_frame_t)(VM_EXTWORD_FRAMES - 1); a < b;
	    a += VM_EXTWORD_FRAMES) {
		w = xs->xs_word[(a - xs->xs_first) / VM_EXTWORD_FRAMES];
		if ((w & w >> 32) != 0)
			return (true);
	}
	return (false);
}

static void
read_tags(const struct reader *r, const struct vm_export_span *sp,
    struct vm_extspan *xs, vm_frame_t a, vm_frame_t b)
{

	if (a < b)
		read_bytes(r, "owner tags", sp->vep_owners +
		    (a - sp->vep_first) * sizeof(vm_owner_t),
		    (void *)(uintptr_t)&xs->xs_owner[a - xs->xs_first],
		    (size_t)(b - a) * sizeof(vm_owner_t));
}

/* The tags of frames [a, b), which lie in one segment and in the span. */
static void
load_tags(const struct reader *r, const struct vm_export_span *sp,
    struct vm_extspan *xs, vm_frame_t a, vm_frame_t b)
{
	vm_frame_t from = a, next;

	for (; a < b; a = next) {
		next = (a | (READ_PAGE - 1)) + 1;
		if (next > b)
			next = b;
		if (!any_head(xs, a, next)) {
			read_tags(r, sp, xs, from, a);
			from = next;
		} else if (next - from >= READ_FRAMES) {
			read_tags(r, sp, xs, from, next);
			from = next;
		}
	}
	read_tags(r, sp, xs, from, b);
}

static void
load_owners(const struct reader *r, struct vm_extspan *xs)
{
	const struct vm_physseg *seg = r->r_st->st_seg;
	const struct vm_export_span *sp;
	vm_frame_t a, b;
	unsigned i, j;

	for (i = 0; i < r->r_st->st_nseg; i++) {
		for (j = 0; j < r->r_nspan; j++) {
			sp = &r->r_span[j];
			a = seg[i].vs_start;
			b = seg[i].vs_end;
			if (sp->vep_owners != 0 &&
			    clip(&a, &b, xs->xs_first,
			    xs->xs_first + xs->xs_nframes) &&
			    clip(&a, &b, sp->vep_first, span_end(sp)))
				load_tags(r, sp, xs, a, b);
		}
	}
}

static void
load_map(const struct reader *r)
{
	struct vm_extmap *map = &r->r_st->st_map;
	unsigned i;

	state_map(r->r_st);
	for (i = 0; i < map->xm_nspans; i++) {
		load_words(r, &map->xm_span[i]);
		load_owners(r, &map->xm_span[i]);
	}
}

/*
 * Names and counters.
 */

static void
load_owner_names(const struct reader *r)
{
	const struct vm_export_array *ea = &r->r_head.ve_owners;
	struct vm_export_name *name;
	unsigned i;

	name = read_array(r, "owner names", ea, sizeof(*name), MAXOWNER);
	if (name == NULL)
		return;
	r->r_st->st_owner = xcalloc(ea->vea_count,
	    sizeof(*r->r_st->st_owner));
	r->r_st->st_nowner = ea->vea_count;
	for (i = 0; i < ea->vea_count; i++)
		printable(r->r_st->st_owner[i].sn_name, STATE_NAMELEN,
		    name[i].ven_name, sizeof(name[i].ven_name));
	free(name);
}

static void
load_counters(const struct reader *r)
{
	const struct vm_export_array *en = &r->r_head.ve_counter_names;
	const struct vm_export_array *ec = &r->r_head.ve_counters;
	struct vm_export_name *name;
	struct state_counter *sc;
	uint64_t *set;
	unsigned i, cpu;

	name = read_array(r, "counter names", en, sizeof(*name), MAXCOUNTER);
	if (name == NULL)
		return;
	set = read_array(r, "counters", ec, en->vea_count * sizeof(*set),
	    MAXCPU);
	sc = xcalloc(en->vea_count, sizeof(*sc));
	for (i = 0; i < en->vea_count; i++) {
		printable(sc[i].sc_name.sn_name, STATE_NAMELEN,
		    name[i].ven_name, sizeof(name[i].ven_name));
		for (cpu = 0; cpu < ec->vea_count; cpu++)
			sc[i].sc_value += set[cpu * en->vea_count + i];
	}
	r->r_st->st_counter = sc;
	r->r_st->st_ncounter = en->vea_count;
	free(set);
	free(name);
}

/*
 * Counters by segment: a set for each CPU and slot, of which a segment has
 * one.  There may be many, so that they are not all kept.
 */

/*
 * Which segment has a slot.
 * => for each of the slots, the segment, or the number of segments: none.
 */
static unsigned *
slot_owners(const struct reader *r, unsigned nslots)
{
	unsigned nseg = r->r_st->st_nseg, i, slot;
	unsigned *owner = xcalloc(nslots, sizeof(*owner));

	for (i = 0; i < nslots; i++)
		owner[i] = nseg;
	for (i = 0; i < nseg; i++) {
		slot = r->r_slot[i];
		if (slot >= nslots)
			errx(1, "%s: segment %u: counters in slot %u of %u",
			    r->r_st->st_name, i, slot, nslots);
		if (owner[slot] != nseg)
			errx(1, "%s: segments %u and %u: counters in the same "
			    "slot %u", r->r_st->st_name, owner[slot], i, slot);
		owner[slot] = i;
	}
	return (owner);
}

/* Add a set to what is known of a segment. */
static void
add_counters(struct state *st, unsigned seg, const char *set)
{
	uint64_t *sum = &st->st_segcounter[(size_t)seg * st->st_ncounter];
	uint64_t value;
	unsigned i;

	for (i = 0; i < st->st_ncounter; i++) {
		memcpy(&value, set + i * sizeof(value), sizeof(value));
		sum[i] += value;
	}
}

static void
sum_counters(const struct reader *r, const struct vm_export_array *ea,
    const unsigned *owner, unsigned nslots)
{
	unsigned max = READ_COUNTERS / ea->vea_size, first, i, n;
	char *raw = xcalloc(max, ea->vea_size);

	for (first = 0; first < ea->vea_count; first += n) {
		n = ea->vea_count - first < max ? ea->vea_count - first : max;
		read_bytes(r, "segment counters", ea->vea_paddr +
		    (uint64_t)first * ea->vea_size, raw,
		    (size_t)n * ea->vea_size);
		for (i = 0; i < n; i++) {
			if (owner[(first + i) % nslots] < r->r_st->st_nseg)
				add_counters(r->r_st,
				    owner[(first + i) % nslots],
				    raw + (size_t)i * ea->vea_size);
		}
	}
	free(raw);
}

static void
load_seg_counters(const struct reader *r)
{
	const struct vm_export_array *ea = &r->r_head.ve_seg_counters;
	unsigned nslots = r->r_head.ve_seg_slots, *owner;
	struct state *st = r->r_st;

	if (ea->vea_count == 0 || st->st_ncounter == 0)
		return;
	check_array(r, "segment counters", ea,
	    st->st_ncounter * sizeof(uint64_t), MAXSEGCOUNTER);
	if (nslots == 0 || ea->vea_count % nslots != 0 ||
	    ea->vea_count / nslots > MAXCPU)
		errx(1, "%s: segment counters: %u sets do not make CPUs of "
		    "%u slots", st->st_name, (unsigned)ea->vea_count, nslots);
	owner = slot_owners(r, nslots);
	st->st_segcounter = xcalloc((size_t)st->st_nseg * st->st_ncounter,
	    sizeof(*st->st_segcounter));
	sum_counters(r, ea, owner, nslots);
	free(owner);
}

/*
 * Spaces.  Nothing is done with their numbers but to print them.
 */
static void
load_spaces(const struct reader *r)
{
	static const char *const kinds[] = {
		[VM_EXPORT_POOL] = "pool", [VM_EXPORT_BUDDY] = "order",
		[VM_EXPORT_EXTENT] = "extent", [VM_EXPORT_KMEM] = "kmem"
	};
	const struct vm_export_array *ea = &r->r_head.ve_spaces;
	struct vm_export_space *vxs;
	struct state_space *ss;
	unsigned i, kind;

	vxs = read_array(r, "spaces", ea, sizeof(*vxs), MAXSPACE);
	if (vxs == NULL)
		return;
	ss = xcalloc(ea->vea_count, sizeof(*ss));
	for (i = 0; i < ea->vea_count; i++) {
		printable(ss[i].ss_name.sn_name, STATE_NAMELEN,
		    vxs[i].vxs_name, sizeof(vxs[i].vxs_name));
		kind = vxs[i].vxs_kind;
		ss[i].ss_kind = kind < sizeof(kinds) / sizeof(kinds[0]) &&
		    kinds[kind] != NULL ? kinds[kind] : "?";
		ss[i].ss_numbers = kind == VM_EXPORT_EXTENT;
		ss[i].ss_start = vxs[i].vxs_start;
		ss[i].ss_end = vxs[i].vxs_end;
		ss[i].ss_size = vxs[i].vxs_size;
		ss[i].ss_used = vxs[i].vxs_used;
		ss[i].ss_free = vxs[i].vxs_free;
		ss[i].ss_largest = vxs[i].vxs_largest;
		ss[i].ss_pieces = vxs[i].vxs_pieces;
	}
	free(vxs);
	r->r_st->st_space = ss;
	r->r_st->st_nspace = ea->vea_count;
	r->r_st->st_spaces_left = r->r_head.ve_spaces_left;
}

void
export_load(struct state *st, struct source *src, paddr_t where)
{
	struct reader r = { .r_src = src, .r_st = st };

	read_head(&r, where);
	check_head(&r, where);
	load_segments(&r);
	check_segments(&r);
	load_spans(&r);
	check_coverage(&r);
	load_map(&r);
	load_owner_names(&r);
	load_counters(&r);
	load_seg_counters(&r);
	load_spaces(&r);
	free(r.r_slot);
	free(r.r_span);
}
