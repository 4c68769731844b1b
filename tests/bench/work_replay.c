/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Traces replayed, on one thread.
 *
 * One page anywhere is a single page; more of them, or with a limit, are a
 * run, aligned to its size as in the kernel that was recorded.  A free list
 * has no runs and no limits: it gives as many single pages.  Contents are not
 * cleared.
 */

#include <err.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vm/vm_bootstrap.h>
#include <vm/vm_pglist.h>
#include <vm/vm_physseg.h>

#include "age.h"
#include "machine.h"
#include "pages.h"
#include "request.h"
#include "trace.h"

#define	LOOKS		100	/* at the supply of runs, in a replay */
#define	POINTS		3	/* at which runs of 2 MiB are counted */

/* A part of an allocation. */
struct piece {
	struct piece	*pc_next;
	uint32_t	pc_offset;	/* in the allocation */
	uint32_t	pc_n;
};

/*
 * What the allocations of a trace got: a page or the start of a run, and for
 * the free lists a chain of pages, through their own structures.
 */
struct replay {
	const struct trace *rp_trace;
	uint64_t	*rp_page;	/* by id */
	uint64_t	*rp_initial;	/* by index, for the free lists */
	uint8_t		*rp_order;	/* by id */
	struct piece	**rp_piece;	/* by id, what is left of those that
					   were freed in part; NULL: the trace
					   has no such frees */
	uint64_t	rp_failed;
	uint64_t	rp_frames;	/* from 0 to the end of the machine */
};

/*
 * The machine: the trace's memory, and some above it for the metadata, so that
 * none of the trace's is lost to it.
 */

#define	EXTRA_FRAMES(n)	(vm_atop(16 * MIB) + (n) / 4096)

static void
reserve(vm_frame_t start, vm_frame_t end)
{
	int error;

	if (start >= end)
		return;
	error = vm_pglist_reserve(vm_ptoa(start), vm_ptoa(end - start),
	    VM_OWNER_NONE);
	if (error != 0)
		errx(1, "replay: frame %#llx is not to be had at the start: "
		    "%s", (unsigned long long)start, strerror(error));
}

/* The memory above the trace's that the metadata has left. */
static void
reserve_extra(vm_frame_t start, vm_frame_t end)
{
	struct vm_memrange r;
	const char *owner;
	unsigned i;

	for (i = 0; vm_bootstrap_taken(i, &r, &owner); i++) {
		if (vm_atop(r.vmr_start) < start)
			errx(1, "replay: the metadata reaches into the "
			    "trace's memory");
		reserve(start, vm_atop(r.vmr_start));
		start = vm_atop(r.vmr_start + r.vmr_size);
	}
	reserve(start, end);
}

static int
range_compare(const void *a, const void *b)
{
	const struct trace_range *x = a, *y = b;

	return (x->tr_start < y->tr_start ? -1 : x->tr_start > y->tr_start);
}

/*
 * All of a segment but its free extents is allocated at the start: what the
 * trace frees later, piece by piece as it does, and what is between.
 */
static void
reserve_segments(const struct trace *t)
{
	struct trace_range *all = reallocarray(NULL,
	    t->t_nfree + t->t_ninitial + 1, sizeof(*all));
	size_t n = 0, i, s;
	vm_frame_t pos, end;
	bool initial;

	if (all == NULL)
		err(1, "no memory");
	/* An initial range is marked by the top bit of its length. */
	for (i = 0; i < t->t_nfree; i++)
		all[n++] = t->t_free[i];
	for (i = 0; i < t->t_ninitial; i++) {
		if (t->t_initial[i].tr_n == 0)
			continue;
		all[n] = t->t_initial[i];
		all[n++].tr_n |= (uint64_t)1 << 63;
	}
	qsort(all, n, sizeof(*all), range_compare);
	for (i = 0, s = 0; s < t->t_nsegments; s++) {
		pos = t->t_segment[s].tr_start;
		end = pos + t->t_segment[s].tr_n;
		for (; i < n && all[i].tr_start < end; i++) {
			initial = all[i].tr_n >> 63 != 0;
			all[i].tr_n &= UINT64_MAX >> 1;
			reserve(pos, all[i].tr_start);
			pos = all[i].tr_start + all[i].tr_n;
			if (initial)
				reserve(all[i].tr_start, pos);
		}
		reserve(pos, end);
	}
	free(all);
}

static void
extant_load(struct replay *rp)
{
	const struct trace *t = rp->rp_trace;
	struct vm_memrange *map;
	vm_frame_t end = rp->rp_frames;
	size_t i, n = t->t_nsegments;
	int error;

	map = calloc(n + 1, sizeof(*map));
	if (map == NULL)
		err(1, "no memory");
	for (i = 0; i < n; i++) {
		map[i].vmr_start = vm_ptoa(t->t_segment[i].tr_start);
		map[i].vmr_size = vm_ptoa(t->t_segment[i].tr_n);
	}
	map[n].vmr_start = vm_ptoa(end);
	map[n].vmr_size = vm_ptoa(EXTRA_FRAMES(end));
	usermode_physmem_release();
	error = vm_physmem_load(map, (unsigned)n + 1, NULL, 0);
	if (error != 0)
		errx(1, "replay: cannot start: %s", strerror(error));
	free(map);
	reserve_extra(end, end + EXTRA_FRAMES(end));
	reserve_segments(t);
}

/*
 * The free list has all pages of the machine; those that are allocated at the
 * start are taken off it.
 */
static void
freelist_load(const struct trace *t)
{
	uint64_t nfree = 0, ninitial = 0;
	size_t i;

	for (i = 0; i < t->t_nfree; i++)
		nfree += t->t_free[i].tr_n;
	for (i = 0; i < t->t_ninitial; i++)
		ninitial += t->t_initial[i].tr_n;
	freelist_init(nfree + ninitial);
}

/*
 * Events of a free list.  The pages of one allocation hang together by the
 * list entry that is not used while they are allocated.
 */

static ALWAYS_INLINE uint64_t
chain_get(const enum contender who, uint64_t n)
{
	struct vm_page *head = NULL, *pg;

	for (; n > 0; n--) {
		pg = (struct vm_page *)(uintptr_t)page_get(who);
		if (pg == NULL)
			return ((uintptr_t)head);
		pg->object = head;
		head = pg;
	}
	return ((uintptr_t)head);
}

/* Up to n pages of a chain; what is left of it. */
static ALWAYS_INLINE uint64_t
chain_put(const enum contender who, uint64_t page, uint64_t n)
{
	struct vm_page *pg = (struct vm_page *)(uintptr_t)page, *next;

	for (; n > 0 && pg != NULL; pg = next, n--) {
		next = pg->object;
		page_put(who, (uintptr_t)pg);
	}
	return ((uintptr_t)pg);
}

static ALWAYS_INLINE uint64_t
list_event(const enum contender who, struct replay *rp,
    const struct trace_event *te)
{

	const struct trace_part *tp;

	switch (te->te_op) {
	case TRACE_PART:
		tp = &rp->rp_trace->t_part[te->te_id];
		rp->rp_page[tp->tp_id] = chain_put(who,
		    rp->rp_page[tp->tp_id], tp->tp_n);
		return (1);
	case TRACE_ALLOC:
		rp->rp_page[te->te_id] = chain_get(who,
		    (uint64_t)1 << te->te_order);
		return (rp->rp_page[te->te_id] != PAGE_NONE);
	case TRACE_FREE:
		(void)chain_put(who, rp->rp_page[te->te_id], UINT64_MAX);
		return (1);
	default:
		(void)chain_put(who, rp->rp_initial[te->te_id], UINT64_MAX);
		return (1);
	}
}

/*
 * Events of the allocator.
 */

static uint64_t
run_get(const struct trace_event *te)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(
	    VM_PAGE_SIZE << te->te_order);
	struct vm_pgseg seg;
	unsigned n;

	req.vpr_align = req.vpr_size;
	if (te->te_class != 0)
		req.vpr_high = vm_ptoa(trace_class_limit(te->te_class));
	return (vm_pglist_alloc(&req, &seg, &n) == 0 ? seg.vps_start :
	    PAGE_NONE);
}

static void
run_check(int error, const char *what)
{

	if (error != 0)
		errx(1, "replay: %s is refused: %s", what, strerror(error));
}

/* The piece that has all of a part, through the pointer to it. */
static struct piece **
piece_find(struct replay *rp, const struct trace_part *tp)
{
	struct piece **pp = &rp->rp_piece[tp->tp_id], *pc;

	if (*pp == NULL) {
		pc = calloc(1, sizeof(*pc));
		if (pc == NULL)
			err(1, "no memory");
		pc->pc_n = (uint32_t)1 << rp->rp_order[tp->tp_id];
		*pp = pc;
	}
	for (; (pc = *pp) != NULL; pp = &pc->pc_next) {
		if (tp->tp_offset >= pc->pc_offset && tp->tp_offset +
		    tp->tp_n <= pc->pc_offset + pc->pc_n)
			return (pp);
	}
	errx(1, "replay: %u frames from %u of allocation %x are not allocated",
	    tp->tp_n, tp->tp_offset, tp->tp_id);
}

/*
 * A part of a run is freed.  What is cut off in front or behind is trimmed;
 * to free the middle, what follows it goes with it, and is taken again at
 * once, while nobody else is there.
 */
static void
part_free(struct replay *rp, const struct trace_part *tp)
{
	struct piece **pp = piece_find(rp, tp), *pc = *pp, *rest;
	paddr_t start = rp->rp_page[tp->tp_id];
	uint32_t end = tp->tp_offset + tp->tp_n;

	if (tp->tp_offset == pc->pc_offset && tp->tp_n == pc->pc_n) {
		run_check(vm_pglist_free(start + vm_ptoa(pc->pc_offset),
		    vm_ptoa(pc->pc_n)), "a free");
		*pp = pc->pc_next;
		free(pc);
		if (rp->rp_piece[tp->tp_id] == NULL)
			rp->rp_page[tp->tp_id] = PAGE_NONE;
		return;
	}
	if (tp->tp_offset == pc->pc_offset) {
		run_check(vm_pglist_trim(start + vm_ptoa(pc->pc_offset),
		    start + vm_ptoa(end), vm_ptoa(pc->pc_n - tp->tp_n)),
		    "a trim");
		pc->pc_offset = end;
		pc->pc_n -= tp->tp_n;
		return;
	}
	run_check(vm_pglist_trim(start + vm_ptoa(pc->pc_offset),
	    start + vm_ptoa(pc->pc_offset),
	    vm_ptoa(tp->tp_offset - pc->pc_offset)), "a trim");
	if (end < pc->pc_offset + pc->pc_n) {
		rest = calloc(1, sizeof(*rest));
		if (rest == NULL)
			err(1, "no memory");
		rest->pc_offset = end;
		rest->pc_n = pc->pc_offset + pc->pc_n - end;
		rest->pc_next = pc->pc_next;
		pc->pc_next = rest;
		reserve(vm_atop(start) + end,
		    vm_atop(start) + end + rest->pc_n);
	}
	pc->pc_n = tp->tp_offset - pc->pc_offset;
}

/* Whatever is left of an allocation that was freed in part. */
static void
pieces_free(struct replay *rp, uint32_t id)
{
	struct piece *pc;

	while ((pc = rp->rp_piece[id]) != NULL) {
		run_check(vm_pglist_free(rp->rp_page[id] +
		    vm_ptoa(pc->pc_offset), vm_ptoa(pc->pc_n)), "a free");
		rp->rp_piece[id] = pc->pc_next;
		free(pc);
	}
}

static ALWAYS_INLINE uint64_t
extant_event(struct replay *rp, const struct trace_event *te)
{
	const struct trace_part *tp;
	const struct trace_range *r;
	uint64_t *pagep;

	switch (te->te_op) {
	case TRACE_PART:
		tp = &rp->rp_trace->t_part[te->te_id];
		if (rp->rp_page[tp->tp_id] != PAGE_NONE)
			part_free(rp, tp);
		return (1);
	case TRACE_ALLOC:
		pagep = &rp->rp_page[te->te_id];
		rp->rp_order[te->te_id] = te->te_order;
		*pagep = te->te_order == 0 && te->te_class == 0 ?
		    page_get(EXTANT) : run_get(te);
		return (*pagep != PAGE_NONE);
	case TRACE_FREE:
		pagep = &rp->rp_page[te->te_id];
		if (*pagep == PAGE_NONE)
			return (1);
		if (rp->rp_piece != NULL && rp->rp_piece[te->te_id] != NULL)
			pieces_free(rp, te->te_id);
		else if (rp->rp_order[te->te_id] == 0)
			page_put(EXTANT, *pagep);
		else
			(void)vm_pglist_free(*pagep,
			    VM_PAGE_SIZE << rp->rp_order[te->te_id]);
		return (1);
	default:
		r = &rp->rp_trace->t_initial[te->te_id];
		if (r->tr_n == 1)
			page_put(EXTANT, vm_ptoa(r->tr_start));
		else
			(void)vm_pglist_free(vm_ptoa(r->tr_start),
			    vm_ptoa(r->tr_n));
		return (1);
	}
}

/* Events [from, to): how many failed. */
static ALWAYS_INLINE uint64_t
events_of(const enum contender who, struct replay *rp, size_t from, size_t to)
{
	const struct trace_event *te = rp->rp_trace->t_event;
	uint64_t failed = 0;
	size_t i;

	for (i = from; i < to; i++) {
		if (who == EXTANT)
			failed += extant_event(rp, &te[i]) == 0;
		else
			failed += list_event(who, rp, &te[i]) == 0;
	}
	return (failed);
}

static ALWAYS_INLINE uint64_t
initial_get_of(const enum contender who, struct replay *rp)
{
	const struct trace *t = rp->rp_trace;
	size_t i;

	for (i = 0; i < t->t_ninitial; i++)
		rp->rp_initial[i] = chain_get(who, t->t_initial[i].tr_n);
	return (t->t_ninitial);
}

/* What a replay left over. */
static void
pieces_forget(struct replay *rp, uint32_t id)
{
	struct piece *pc;

	while ((pc = rp->rp_piece[id]) != NULL) {
		rp->rp_piece[id] = pc->pc_next;
		free(pc);
	}
}

static void
replay_load(enum contender who, struct replay *rp)
{

	uint32_t id;

	rp->rp_failed = 0;
	for (id = 0; rp->rp_piece != NULL && id < rp->rp_trace->t_nids; id++)
		pieces_forget(rp, id);
	if (who == EXTANT) {
		extant_load(rp);
		return;
	}
	freelist_load(rp->rp_trace);
	(void)BY_CONTENDER(who, initial_get_of, rp);
}

/* The name of a trace: its file's, up to the first dot. */
static void
trace_name(const char *path, char *buf, size_t len)
{
	const char *base = strrchr(path, '/');

	snprintf(buf, len, "%s", base == NULL ? path : base + 1);
	buf[strcspn(buf, ".")] = '\0';
}

static void
replay_timed(enum contender who, struct replay *rp, const char *name)
{
	size_t n = rp->rp_trace->t_nevents;
	uint64_t t;

	replay_load(who, rp);
	t = cpu_nsec();
	rp->rp_failed += BY_CONTENDER(who, events_of, rp, 0, n);
	t = cpu_nsec() - t;
	result_note("replay", 0, name, "ns/event", "ns", who,
	    (double)t / (double)n);
	result_note("replay", 0, name, "failed", "", who,
	    (double)rp->rp_failed);
	machine_stop(who);
}

/*
 * The same with looks at the supply of runs between, which would disturb the
 * times.
 */
static void
replay_watched(struct replay *rp, const char *name)
{
	static const char *const point[POINTS] = {
		"at 25 %", "at 50 %", "at 75 %"
	};
	const char *work = "replay, runs";
	size_t n = rp->rp_trace->t_nevents, i;
	char prefix[16], row[32];
	unsigned p = 0;
	struct age a;

	snprintf(prefix, sizeof(prefix), "%.10s: ", name);
	snprintf(row, sizeof(row), "%sruns of 2M", prefix);
	replay_load(EXTANT, rp);
	age_start(&a, rp->rp_frames);
	for (i = 1; i <= LOOKS; i++) {
		(void)events_of(EXTANT, rp, n * (i - 1) / LOOKS,
		    n * i / LOOKS);
		age_try(&a);
		if (p < POINTS && i == (p + 1) * LOOKS / (POINTS + 1))
			result_note(work, 0, row, point[p++], "runs", EXTANT,
			    (double)runs_available(2 * MIB,
			    rp->rp_frames / vm_atop(2 * MIB)));
	}
	age_note(&a, work, 0, prefix);
	machine_stop(EXTANT);
}

static struct trace *
trace_get(const char *path)
{
	char buf[TRACE_ERRLEN];
	struct trace *t = trace_read(path, buf);

	if (t == NULL)
		errx(1, "%s", buf);
	return (t);
}

static void
replay_init(struct replay *rp, const struct trace *t)
{
	const struct trace_range *last = &t->t_segment[t->t_nsegments - 1];

	rp->rp_trace = t;
	rp->rp_page = calloc((size_t)t->t_nids + 1, sizeof(rp->rp_page[0]));
	rp->rp_order = calloc((size_t)t->t_nids + 1, sizeof(rp->rp_order[0]));
	rp->rp_initial = calloc(t->t_ninitial + 1, sizeof(rp->rp_initial[0]));
	if (rp->rp_page == NULL || rp->rp_order == NULL ||
	    rp->rp_initial == NULL)
		err(1, "no memory");
	rp->rp_piece = NULL;
	if (t->t_nparts != 0) {
		rp->rp_piece = calloc((size_t)t->t_nids + 1,
		    sizeof(struct piece *));
		if (rp->rp_piece == NULL)
			err(1, "no memory");
	}
	rp->rp_frames = last->tr_start + last->tr_n;
}

static void
replay(const char *path)
{
	struct trace *t = trace_get(path);
	struct replay rp;
	char name[16];
	unsigned run, who;
	uint32_t id;

	trace_name(path, name, sizeof(name));
	replay_init(&rp, t);
	for (run = 0; run < opt.o_runs; run++) {
		progress(name, 0, run);
		for (who = 0; who < ncontenders(); who++)
			replay_timed((enum contender)who, &rp, name);
	}
	result_note("replay", 0, name, "left out", "", EXTANT,
	    (double)t->t_nleftout);
	replay_watched(&rp, name);
	for (id = 0; rp.rp_piece != NULL && id < t->t_nids; id++)
		pieces_forget(&rp, id);
	free(rp.rp_piece);
	free(rp.rp_page);
	free(rp.rp_order);
	free(rp.rp_initial);
	trace_free(t);
}

void
work_replay(void)
{
	unsigned i;

	for (i = 0; i < opt.o_ntraces; i++)
		replay(opt.o_trace[i]);
}
