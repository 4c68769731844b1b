/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include "report.h"
#include "util.h"

struct tallying {
	const struct state *ty_state;
	struct report	*ty_report;
	unsigned	ty_seg;		/* no extent ends before this one */
};

static void
tally_add(struct tally *t, uint64_t n, enum vm_fstate state)
{

	t->t_frames += n;
	switch (state) {
	case VM_FRAME_FREE:
		t->t_free += n;
		t->t_extents++;
		if (n > t->t_largest)
			t->t_largest = n;
		break;
	case VM_FRAME_HELD:
		t->t_held += n;
		break;
	case VM_FRAME_HEAD:
	case VM_FRAME_TAIL:
		t->t_allocated += n;
		break;
	}
}

/*
 * What of an extent lies in each segment that it reaches into.  A list counts
 * an extent once, even where two segments of it touch: those that follow
 * first are added up.
 */
static void
tally_segments(struct tallying *ty, const struct vm_extent *ext)
{
	const struct state *st = ty->ty_state;
	const struct vm_physseg *seg;
	vm_frame_t a = ext->e_start, b;
	uint64_t n = 0;

	while (st->st_seg[ty->ty_seg].vs_end <= a)
		ty->ty_seg++;
	while (a < ext->e_end) {
		seg = &st->st_seg[ty->ty_seg];
		b = seg->vs_end < ext->e_end ? seg->vs_end : ext->e_end;
		tally_add(&ty->ty_report->rp_seg[ty->ty_seg], b - a,
		    ext->e_state);
		n += b - a;
		a = b;
		if (a == ext->e_end || seg[1].vs_list != seg->vs_list) {
			tally_add(&ty->ty_report->rp_list[seg->vs_list], n,
			    ext->e_state);
			n = 0;
		}
		if (a < ext->e_end)
			ty->ty_seg++;
	}
}

static void
tally_extent(void *arg, const struct vm_extent *ext)
{
	struct tallying *ty = arg;

	tally_segments(ty, ext);
	tally_add(&ty->ty_report->rp_total, ext->e_end - ext->e_start,
	    ext->e_state);
	if (state_headless(ty->ty_state, ext))
		ty->ty_report->rp_headless++;
}

void
report_make(const struct state *st, struct report *rp)
{
	struct tallying ty = { .ty_state = st, .ty_report = rp };

	memset(rp, 0, sizeof(*rp));
	rp->rp_seg = xcalloc(st->st_nseg, sizeof(*rp->rp_seg));
	state_walk(st, tally_extent, &ty);
	vm_audit_count(&st->st_map, st->st_seg, st->st_nseg, &rp->rp_audit);
	vm_audit_format(&rp->rp_audit, rp->rp_audit_line,
	    sizeof(rp->rp_audit_line));
}

static const struct largest classes[NLARGEST] = {
	{ .lg_name = "below 16M, within 64K", .lg_high = 16 << 20,
	    .lg_boundary = 64 << 10 },
	{ .lg_name = "below 2G", .lg_high = 2ULL << 30 },
	{ .lg_name = "below 4G", .lg_high = 4ULL << 30 },
	{ .lg_name = "anywhere" },
	{ .lg_name = "aligned to 64K", .lg_align = 64 << 10 },
	{ .lg_name = "aligned to 1M", .lg_align = 1 << 20 },
	{ .lg_name = "aligned to 2M", .lg_align = 2 << 20 },
};

/* Is there a run of n frames, and where is the lowest? */
static bool
run_exists(struct state *st, const struct largest *lg, uint64_t n,
    vm_frame_t *startp)
{
	struct vm_extreq er = {
		.er_npages = n,
		.er_align = lg->lg_align == 0 ? 1 : vm_atop(lg->lg_align),
		.er_boundary = vm_atop(lg->lg_boundary),
		.er_high = lg->lg_high == 0 ? VM_FRAME_END :
		    vm_atop(lg->lg_high),
		.er_policy = VM_POLICY_LOWEST
	};

	return (vm_extmap_find(&st->st_map, &er, startp));
}

/*
 * If there is a run of n frames, its first n - 1 are one of that many: so the
 * largest is found by bisection, with the allocator's own search.
 */
static void
find_largest(struct state *st, struct largest *lg)
{
	uint64_t yes = 0, no, mid;
	vm_frame_t start;

	no = (lg->lg_boundary != 0 ? vm_atop(lg->lg_boundary) :
	    state_frames(st)) + 1;
	while (no - yes > 1) {
		mid = yes + (no - yes) / 2;
		if (run_exists(st, lg, mid, &start)) {
			yes = mid;
			lg->lg_start = vm_ptoa(start);
			lg->lg_size = vm_ptoa(mid);
		} else
			no = mid;
	}
}

void
report_largest(struct state *st, struct largest lg[NLARGEST])
{
	unsigned i;

	memcpy(lg, classes, sizeof(classes));
	for (i = 0; i < NLARGEST; i++)
		find_largest(st, &lg[i]);
}
