/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Nothing in here is clever, and nothing is taken from sys/vm but the
 * meaning of a request: that is what makes it an oracle.
 */

#include <atf-c.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vm_oracle.h"

void
oracle_init(struct oracle *o)
{

	memset(o, 0, sizeof(*o));
}

void
oracle_fini(struct oracle *o)
{

	while (o->o_nareas > 0)
		free(o->o_area[--o->o_nareas].oa_state);
}

void
oracle_add(struct oracle *o, vm_frame_t first, uint64_t n,
    enum vm_fstate state)
{
	struct oracle_area *oa = &o->o_area[o->o_nareas];

	if (o->o_nareas > 0 && oa[-1].oa_first + oa[-1].oa_n == first) {
		oa--;
	} else {
		ATF_REQUIRE(o->o_nareas < ORACLE_AREAS);
		ATF_REQUIRE(o->o_nareas == 0 ||
		    oa[-1].oa_first + oa[-1].oa_n < first);
		o->o_nareas++;
		oa->oa_first = first;
		oa->oa_n = 0;
		oa->oa_state = NULL;
	}
	oa->oa_state = realloc(oa->oa_state, oa->oa_n + n);
	ATF_REQUIRE(oa->oa_state != NULL);
	memset(oa->oa_state + oa->oa_n, (int)state, n);
	oa->oa_n += n;
}

static const struct oracle_area *
area_of(const struct oracle *o, vm_frame_t frame)
{
	unsigned i;

	for (i = 0; i < o->o_nareas; i++) {
		if (frame - o->o_area[i].oa_first < o->o_area[i].oa_n)
			return (&o->o_area[i]);
	}
	return (NULL);
}

enum vm_fstate
oracle_state(const struct oracle *o, vm_frame_t frame)
{
	const struct oracle_area *oa = area_of(o, frame);

	if (oa == NULL)
		return (VM_FRAME_HEAD);
	return ((enum vm_fstate)oa->oa_state[frame - oa->oa_first]);
}

void
oracle_set(struct oracle *o, vm_frame_t start, vm_frame_t end,
    enum vm_fstate state)
{
	const struct oracle_area *oa = area_of(o, start);

	if (start >= end)
		return;
	ATF_REQUIRE(oa != NULL && end <= oa->oa_first + oa->oa_n);
	if (state != VM_FRAME_HEAD) {
		memset(oa->oa_state + (start - oa->oa_first), (int)state,
		    end - start);
		return;
	}
	oa->oa_state[start - oa->oa_first] = VM_FRAME_HEAD;
	memset(oa->oa_state + (start + 1 - oa->oa_first), VM_FRAME_TAIL,
	    end - start - 1);
}

uint64_t
oracle_length(const struct oracle *o, vm_frame_t head)
{
	uint64_t n = 1;

	while (oracle_state(o, head + n) == VM_FRAME_TAIL)
		n++;
	return (n);
}

uint64_t
oracle_count(const struct oracle *o, enum vm_fstate state)
{
	uint64_t i, n = 0;
	unsigned a;

	for (a = 0; a < o->o_nareas; a++) {
		for (i = 0; i < o->o_area[a].oa_n; i++)
			n += o->o_area[a].oa_state[i] == state;
	}
	return (n);
}

vm_frame_t
oracle_any(const struct oracle *o, struct rng *r)
{
	const struct oracle_area *oa = &o->o_area[rng_below(r, o->o_nareas)];

	return (oa->oa_first + rng_below(r, oa->oa_n));
}

bool
oracle_any_in(const struct oracle *o, struct rng *r, enum vm_fstate state,
    vm_frame_t *framep)
{
	unsigned a, i, first = (unsigned)rng_below(r, o->o_nareas);
	const struct oracle_area *oa;
	uint64_t at;
	uint8_t *p;

	for (i = 0; i <= o->o_nareas; i++) {
		a = (first + i) % o->o_nareas;
		oa = &o->o_area[a];
		at = i == 0 ? rng_below(r, oa->oa_n) : 0;
		p = memchr(oa->oa_state + at, (int)state, oa->oa_n - at);
		if (p != NULL) {
			*framep = oa->oa_first + (uint64_t)(p - oa->oa_state);
			return (true);
		}
	}
	return (false);
}

/*
 * Searching.
 */

static bool
crosses(vm_frame_t start, uint64_t n, uint64_t boundary)
{

	return (boundary != 0 && start / boundary !=
	    (start + n - 1) / boundary);
}

static vm_frame_t
later(vm_frame_t a, vm_frame_t b)
{

	return (a > b ? a : b);
}

static vm_frame_t
earlier(vm_frame_t a, vm_frame_t b)
{

	return (a < b ? a : b);
}

/* The places in a free extent that was cut to the window. */
static void
find_in_extent(const struct vm_extreq *er, vm_frame_t start, vm_frame_t end,
    struct oracle_answer *ans)
{
	uint64_t n = er->er_npages;
	vm_frame_t a, first = start, last = end - n;

	while (first <= last && first % er->er_align != 0)
		first++;
	while (last >= first && last % er->er_align != 0)
		last--;
	if (first > last)
		return;
	for (a = first; crosses(a, n, er->er_boundary);) {
		a += er->er_align;
		if (a > last)
			return;
	}
	if (!ans->oa_found)
		ans->oa_lowest = a;
	for (a = last; crosses(a, n, er->er_boundary);)
		a -= er->er_align;
	ans->oa_highest = a;
	if (!ans->oa_found || end - start < ans->oa_smallest)
		ans->oa_smallest = end - start;
	ans->oa_found = true;
}

static uint64_t
free_run(const uint8_t *state, uint64_t n)
{
	uint64_t i = 0, w;

	for (; i + 8 <= n; i += 8) {
		memcpy(&w, state + i, 8);
		if (w != 0)
			break;
	}
	while (i < n && state[i] == VM_FRAME_FREE)
		i++;
	return (i);
}

void
oracle_find(const struct oracle *o, const struct vm_extreq *er,
    struct oracle_answer *ans)
{
	const struct oracle_area *oa;
	vm_frame_t low, high, f;
	const uint8_t *p;
	uint64_t n;
	unsigned i;

	memset(ans, 0, sizeof(*ans));
	for (i = 0; i < o->o_nareas; i++) {
		oa = &o->o_area[i];
		low = later(er->er_low, oa->oa_first);
		high = earlier(er->er_high, oa->oa_first + oa->oa_n);
		for (f = low; f < high; f += n) {
			p = memchr(oa->oa_state + (f - oa->oa_first),
			    VM_FRAME_FREE, high - f);
			if (p == NULL)
				break;
			f = oa->oa_first + (uint64_t)(p - oa->oa_state);
			n = free_run(p, high - f);
			if (n >= er->er_npages)
				find_in_extent(er, f, f + n, ans);
		}
	}
}

bool
oracle_fits(const struct oracle *o, const struct vm_extreq *er,
    vm_frame_t start)
{
	uint64_t n = er->er_npages;
	vm_frame_t f;

	if (start < er->er_low || start + n > er->er_high ||
	    start % er->er_align != 0 || crosses(start, n, er->er_boundary))
		return (false);
	for (f = start; f < start + n; f++) {
		if (oracle_state(o, f) != VM_FRAME_FREE)
			return (false);
	}
	return (true);
}

uint64_t
oracle_extent(const struct oracle *o, const struct vm_extreq *er,
    vm_frame_t frame)
{
	vm_frame_t start = frame, end = frame;

	while (start > er->er_low &&
	    oracle_state(o, start - 1) == VM_FRAME_FREE)
		start--;
	while (end < er->er_high && oracle_state(o, end) == VM_FRAME_FREE)
		end++;
	return (end - start);
}

/*
 * Segments.  cover[k] at frame f: the most frames that at most k segments
 * that end at or before f cover.  Each segment ends somewhere and starts at
 * an aligned place before; all such pairs are tried.
 */

bool
oracle_usable(const struct vm_pgreq *req, vm_frame_t f)
{
	static const paddr_t limit[VM_NFREELIST] = {
		16 * MiB, 2 * GiB, 4 * GiB, TOP
	};
	paddr_t pa = f * PAGE;
	unsigned list = 0;

	while (pa >= limit[list])
		list++;
	return (pa >= req->vpr_low && req->vpr_high - pa >= PAGE &&
	    pa < req->vpr_high && (req->vpr_lists >> list & 1) != 0);
}

static uint64_t
frames_of(psize_t size)
{

	return (size / PAGE + (size % PAGE != 0));
}

/* Extend the table by frame f: segments that end behind it. */
static void
cover_frame(const struct oracle *o, const struct vm_pgreq *req,
    vm_frame_t first, vm_frame_t f, uint64_t *cover, unsigned kmax)
{
	uint64_t *now = cover + (f + 1 - first) * (kmax + 1), *before, n;
	uint64_t align = frames_of(req->vpr_align);
	uint64_t max = req->vpr_maxsegsz == 0 ? UINT64_MAX :
	    req->vpr_maxsegsz / PAGE;
	vm_frame_t a = f + 1;
	unsigned k;

	memcpy(now, now - (kmax + 1), (kmax + 1) * sizeof(*now));
	while (a-- > first && oracle_state(o, a) == VM_FRAME_FREE &&
	    oracle_usable(req, a)) {
		n = f + 1 - a;
		if (n > max || crosses(a, n, req->vpr_boundary / PAGE))
			break;
		if (a % align != 0)
			continue;
		before = cover + (a - first) * (kmax + 1);
		for (k = 1; k <= kmax; k++) {
			if (before[k - 1] + n > now[k])
				now[k] = before[k - 1] + n;
		}
	}
}

/* The same of one area, into the sums of the areas before it. */
static void
cover_area(const struct oracle *o, const struct oracle_area *oa,
    const struct vm_pgreq *req, uint64_t *sum, unsigned kmax)
{
	uint64_t *cover = calloc((oa->oa_n + 1) * (kmax + 1),
	    sizeof(*cover));
	uint64_t old[64];
	const uint64_t *last;
	vm_frame_t f;
	unsigned j, k;

	ATF_REQUIRE(cover != NULL && kmax < NITEMS(old));
	for (f = oa->oa_first; f < oa->oa_first + oa->oa_n; f++)
		cover_frame(o, req, oa->oa_first, f, cover, kmax);
	last = cover + oa->oa_n * (kmax + 1);
	memcpy(old, sum, (kmax + 1) * sizeof(*sum));
	for (k = 0; k <= kmax; k++) {
		for (j = 0; j <= k; j++) {
			if (old[k - j] + last[j] > sum[k])
				sum[k] = old[k - j] + last[j];
		}
	}
	free(cover);
}

/* The most that any number of segments cover: one choice a frame. */
static uint64_t
cover_all(const struct oracle *o, const struct vm_pgreq *req)
{
	uint64_t align = frames_of(req->vpr_align), total = 0, n;
	uint64_t max = req->vpr_maxsegsz == 0 ? UINT64_MAX :
	    req->vpr_maxsegsz / PAGE;
	const struct oracle_area *oa;
	vm_frame_t f, a;
	uint64_t *best;
	unsigned i;

	for (i = 0; i < o->o_nareas; i++) {
		oa = &o->o_area[i];
		best = calloc(oa->oa_n + 1, sizeof(*best));
		ATF_REQUIRE(best != NULL);
		for (f = oa->oa_first; f < oa->oa_first + oa->oa_n; f++) {
			best[f + 1 - oa->oa_first] = best[f - oa->oa_first];
			for (a = f + 1; a-- > oa->oa_first &&
			    oracle_state(o, a) == VM_FRAME_FREE &&
			    oracle_usable(req, a);) {
				n = f + 1 - a;
				if (n > max || crosses(a, n,
				    req->vpr_boundary / PAGE))
					break;
				if (a % align == 0 && best[a - oa->oa_first] +
				    n > best[f + 1 - oa->oa_first])
					best[f + 1 - oa->oa_first] =
					    best[a - oa->oa_first] + n;
			}
		}
		total += best[oa->oa_n];
		free(best);
	}
	return (total);
}

unsigned
oracle_segments(const struct oracle *o, const struct vm_pgreq *req,
    uint64_t *coverp)
{
	uint64_t need = frames_of(req->vpr_size), sum[64] = { 0 };
	unsigned i, k, kmax = req->vpr_nsegs;

	ATF_REQUIRE(kmax < NITEMS(sum));
	for (i = 0; i < o->o_nareas; i++)
		cover_area(o, &o->o_area[i], req, sum, kmax);
	*coverp = cover_all(o, req);
	for (k = 1; k <= kmax; k++) {
		if (sum[k] >= need)
			return (k);
	}
	return (0);
}

void
oracle_check(const struct oracle *o, const struct vm_extmap *map)
{
	const struct oracle_area *oa;
	vm_frame_t f;
	unsigned i;

	for (i = 0; i < o->o_nareas; i++) {
		oa = &o->o_area[i];
		for (f = oa->oa_first; f < oa->oa_first + oa->oa_n; f++) {
			if (vm_extmap_state(map, f) !=
			    (enum vm_fstate)oa->oa_state[f - oa->oa_first])
				atf_tc_fail("frame %#" PRIx64 " is in state "
				    "%d, not %d", f,
				    (int)vm_extmap_state(map, f),
				    (int)oa->oa_state[f - oa->oa_first]);
		}
	}
}
