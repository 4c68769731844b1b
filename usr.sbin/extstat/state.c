/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The map costs memory in proportion to the memory described, which is for a
 * foreign file to say.  A description that would take more than half of this
 * machine's memory is refused.
 */

#include <err.h>
#include <stdlib.h>
#include <unistd.h>

#include <vm/vm_owner.h>

#include "number.h"
#include "state.h"
#include "util.h"

#define	CHUNK_MASK	((vm_frame_t)VM_EXTCHUNK_FRAMES - 1)

/* Whole chunks of the map: frames [rg_start, rg_end). */
struct range {
	vm_frame_t	rg_start;
	vm_frame_t	rg_end;
};

void
state_init(struct state *st, const char *name)
{

	memset(st, 0, sizeof(*st));
	st->st_name = name;
	st->st_seg = xcalloc(STATE_MAXSEG, sizeof(*st->st_seg));
	vm_extmap_init(&st->st_map);
}

void
state_segment(struct state *st, vm_frame_t start, vm_frame_t end,
    enum vm_freelist list)
{
	struct vm_physseg *seg;

	if (st->st_nseg == STATE_MAXSEG)
		errx(1, "%s: more than %u segments", st->st_name,
		    STATE_MAXSEG);
	if (start >= end || end > VM_FRAME_END)
		errx(1, "%s: segment %u: frames %#jx to %#jx make no segment",
		    st->st_name, st->st_nseg, (uintmax_t)start,
		    (uintmax_t)end);
	seg = &st->st_seg[st->st_nseg];
	if (st->st_nseg > 0 && seg[-1].vs_end > start)
		errx(1, "%s: segment %u at %#jx overlaps the one before or "
		    "is out of order", st->st_name, st->st_nseg,
		    (uintmax_t)vm_ptoa(start));
	seg->vs_start = start;
	seg->vs_end = end;
	seg->vs_list = list;
	st->st_nseg++;
}

uint64_t
state_frames(const struct state *st)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < st->st_nseg; i++)
		n += st->st_seg[i].vs_end - st->st_seg[i].vs_start;
	return (n);
}

/*
 * The segments in whole chunks.
 * => how many ranges; they do not touch.
 */
static unsigned
chunk_ranges(const struct state *st, struct range *rg)
{
	unsigned i, n = 0;
	struct range r;

	for (i = 0; i < st->st_nseg; i++) {
		r.rg_start = st->st_seg[i].vs_start & ~CHUNK_MASK;
		r.rg_end = (st->st_seg[i].vs_end + CHUNK_MASK) & ~CHUNK_MASK;
		if (n > 0 && r.rg_start <= rg[n - 1].rg_end)
			rg[n - 1].rg_end = r.rg_end;
		else
			rg[n++] = r;
	}
	return (n);
}

/* Join the two neighbours with the smallest gap. */
static unsigned
join_closest(struct range *rg, unsigned n)
{
	unsigned i, best = 1;

	for (i = 2; i < n; i++) {
		if (rg[i].rg_start - rg[i - 1].rg_end <
		    rg[best].rg_start - rg[best - 1].rg_end)
			best = i;
	}
	rg[best - 1].rg_end = rg[best].rg_end;
	memmove(&rg[best], &rg[best + 1], (n - best - 1) * sizeof(*rg));
	return (n - 1);
}

/* The bytes that the map of a number of frames takes, tags included. */
static uint64_t
map_bytes(uint64_t nframes)
{

	return (vm_extmap_metasize(nframes) + nframes * sizeof(vm_owner_t));
}

static void
check_cost(const struct state *st, const struct range *rg, unsigned n)
{
	uint64_t have, need = 0;
	char text[2][NUMBER_LEN];
	unsigned i;

	have = (uint64_t)sysconf(_SC_PHYS_PAGES) *
	    (uint64_t)sysconf(_SC_PAGESIZE) / 2;
	for (i = 0; i < n; i++)
		need += map_bytes(rg[i].rg_end - rg[i].rg_start);
	if (need > have)
		errx(1, "%s: describes so much memory that the map of it "
		    "would take %s, more than %s", st->st_name,
		    number_format(need, text[0]),
		    number_format(have, text[1]));
}

static void
attach(struct state *st, const struct range *rg)
{
	uint64_t nframes = rg->rg_end - rg->rg_start;
	void *mem = NULL;

	if (posix_memalign(&mem, VM_CACHE_LINE,
	    vm_extmap_metasize(nframes)) != 0)
		errx(1, "%s: no memory for the map of %ju frames",
		    st->st_name, (uintmax_t)nframes);
	if (vm_extmap_attach(&st->st_map, rg->rg_start, nframes, mem) != 0)
		errx(1, "%s: frames %#jx to %#jx do not fit the map",
		    st->st_name, (uintmax_t)rg->rg_start,
		    (uintmax_t)rg->rg_end);
	vm_extmap_span(&st->st_map, rg->rg_start)->xs_owner =
	    xcalloc(nframes, sizeof(vm_owner_t));
}

void
state_map(struct state *st)
{
	struct range *rg;
	unsigned i, n;

	if (st->st_nseg == 0)
		errx(1, "%s: no memory segments", st->st_name);
	rg = xcalloc(st->st_nseg, sizeof(*rg));
	n = chunk_ranges(st, rg);
	while (n > VM_EXTMAP_SPANS)
		n = join_closest(rg, n);
	check_cost(st, rg, n);
	for (i = 0; i < n; i++)
		attach(st, &rg[i]);
	free(rg);
}

/* The end of the run of segments that touch and start at segment i. */
static unsigned
touching(const struct state *st, unsigned i, vm_frame_t *endp)
{

	do
		*endp = st->st_seg[i++].vs_end;
	while (i < st->st_nseg && st->st_seg[i].vs_start == *endp);
	return (i);
}

void
state_walk(const struct state *st,
    void (*visit)(void *, const struct vm_extent *), void *arg)
{
	struct vm_extent ext;
	vm_frame_t from, end;
	unsigned i = 0;

	while (i < st->st_nseg) {
		from = st->st_seg[i].vs_start;
		i = touching(st, i, &end);
		for (; vm_extmap_walk(&st->st_map, from, end, &ext);
		    from = ext.e_end)
			visit(arg, &ext);
	}
}

vm_owner_t
state_owner(const struct state *st, vm_frame_t head)
{
	const struct vm_extspan *xs = vm_extmap_span(&st->st_map, head);

	if (xs == NULL || xs->xs_owner == NULL)
		return (VM_OWNER_NONE);
	return (xs->xs_owner[head - xs->xs_first]);
}

const char *
state_owner_name(const struct state *st, vm_owner_t tag)
{

	if (tag == VM_OWNER_NONE)
		return ("-");
	if (tag >= st->st_nowner || st->st_owner[tag].sn_name[0] == '\0')
		return ("?");
	return (st->st_owner[tag].sn_name);
}

bool
state_all(const struct state_space *ss, const uint64_t *size)
{

	if (!ss->ss_numbers || ss->ss_size != 0 || *size != 0)
		return (false);
	return (size == &ss->ss_size ||
	    (size == &ss->ss_used && ss->ss_pieces != 0) ||
	    (size == &ss->ss_free && ss->ss_pieces == 0));
}

bool
state_headless(const struct state *st, const struct vm_extent *ext)
{

	return (ext->e_state == VM_FRAME_HEAD &&
	    vm_extmap_state(&st->st_map, ext->e_start) != VM_FRAME_HEAD);
}

static void
free_held(void *arg, const struct vm_extent *ext)
{

	if (ext->e_state == VM_FRAME_HELD)
		vm_extmap_set(arg, ext->e_start, ext->e_end, VM_FRAME_FREE);
}

void
state_free_held(struct state *st)
{

	state_walk(st, free_held, &st->st_map);
}
