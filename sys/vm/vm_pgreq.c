/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Requests against a map.
 *
 * Where to look.  The free lists that a request allows, and its limits, are
 * windows of addresses.  Lists are tried from the highest to the lowest, so
 * that low memory is used last; then the windows as a whole, for runs that
 * reach over the border of two lists.
 *
 * The fewest segments.  The free extents of the windows, cut at boundaries,
 * are stretches that do not influence each other.  Of a stretch, pieces of the
 * longest length allowed, packed from its first aligned address, and then its
 * rest, cover the most for any number of pieces, each adding no more than the
 * one before.  So the k largest pieces of all stretches together cover as
 * much as any k segments can, and the fewest segments are the largest pieces,
 * the last one cut to what is missing.  The nsegs largest are found with a
 * heap in the caller's array whose top is the smallest kept, in passes: first
 * only through the long extents, which are few and quickly found, then through
 * shorter and shorter ones.  A piece as long as any that a further pass could
 * find is final; as soon as final pieces are enough, the answer is there.  When
 * nsegs pieces as long as any that may still come are not enough either, there
 * is none, and all that is left to find out is which error that is.  In 16 GiB
 * of runs of 2 to 7 pages, a request for 16 segments holds the lock 0.04 to
 * 0.2 ms so, and 13 to 85 ms if each pass sees all extents that it may.
 *
 * Of pieces of equal length, those in the highest list are taken: the lists
 * are gone through from above, extents too, and ties in the heap are decided
 * by list.  An extent is not cut at the border of two lists, which might cost
 * a segment, but cut up from its high end, and only as far as is needed: 16
 * pages out of a free extent of 64 GiB take 0.3 ms, and 30 ms if all of its
 * pieces are met first.  (vm_pglist_test, segments_*; vmbench, gather.)
 */

#include <vm/vm_kassert.h>
#include <vm/vm_pgreq.h>
#include <vm/vm_physseg.h>

#define	KNOWN_FLAGS							\
	(VM_PG_ZERO | VM_PG_WAIT | VM_PG_NODRAIN | VM_PG_USERESERVE |	\
	VM_PG_FRESH)

static bool
power_of_two(uint64_t n)
{

	return (n != 0 && (n & (n - 1)) == 0);
}

/* Bytes to frames, rounded up; never overflows. */
static uint64_t
pages_up(psize_t size)
{

	return ((size >> PAGE_SHIFT) +
	    ((size & (VM_PAGE_SIZE - 1)) != 0 ? 1 : 0));
}

static uint64_t
align_frames(const struct vm_pgreq *req)
{

	return (pages_up(req->vpr_align));
}

/* The most frames of a segment; UINT64_MAX: any number. */
static uint64_t
maxseg_frames(const struct vm_pgreq *req)
{

	return (req->vpr_maxsegsz == 0 ? UINT64_MAX :
	    req->vpr_maxsegsz >> PAGE_SHIFT);
}

static const char *
check_segments(const struct vm_pgreq *req)
{
	uint64_t maxseg = maxseg_frames(req);

	if (req->vpr_nsegs == 1 && req->vpr_maxsegsz == 0)
		return (NULL);		/* the usual case */
	if (req->vpr_nsegs == 0)
		return ("no segments allowed");
	if (maxseg == 0)
		return ("maximum segment size is less than a page");
	if (req->vpr_nsegs == 1) {
		if (pages_up(req->vpr_size) > maxseg)
			return ("size is larger than the one segment allowed");
		return (NULL);
	}
	/*
	 * With pieces that end between two aligned addresses, using fewer
	 * segments and covering more would contradict each other.
	 */
	if (maxseg != UINT64_MAX && maxseg > align_frames(req) &&
	    (maxseg & (align_frames(req) - 1)) != 0)
		return ("maximum segment size is not a multiple of the "
		    "alignment");
	return (NULL);
}

static const char *
request_fault(const struct vm_pgreq *req)
{

	if (req->vpr_size == 0)
		return ("size is zero");
	if (req->vpr_size > (psize_t)1 << VM_PADDR_BITS)
		return ("size is larger than the address space");
	if (!power_of_two(req->vpr_align))
		return ("alignment is not a power of two");
	if (req->vpr_boundary != 0 && !power_of_two(req->vpr_boundary))
		return ("boundary is not a power of two");
	if (req->vpr_boundary != 0 && req->vpr_boundary < VM_PAGE_SIZE)
		return ("boundary is smaller than a page");
	if (req->vpr_nsegs == 1 && req->vpr_boundary != 0 &&
	    req->vpr_boundary < req->vpr_size)
		return ("boundary is smaller than the size");
	if (req->vpr_low >= req->vpr_high)
		return ("low is not below high");
	if (req->vpr_lists == 0 || (req->vpr_lists & ~VM_FREELIST_ALL) != 0)
		return ("no or unknown free lists");
	if ((unsigned)req->vpr_policy > VM_POLICY_EXACT)
		return ("unknown policy");
	if ((req->vpr_flags & ~KNOWN_FLAGS) != 0)
		return ("unknown flags");
	if (req->vpr_policy == VM_POLICY_EXACT &&
	    ((req->vpr_low & (req->vpr_align - 1)) != 0 ||
	    (req->vpr_low & (VM_PAGE_SIZE - 1)) != 0))
		return ("the exact address is not aligned");
	if (req->vpr_policy == VM_POLICY_EXACT && req->vpr_nsegs != 1)
		return ("an exact address with more than one segment");
	return (check_segments(req));
}

int
vm_pgreq_check(const struct vm_pgreq *req, const char **whyp)
{
	const char *why = request_fault(req);

	if (whyp != NULL)
		*whyp = why;
	return (why == NULL ? 0 : EINVAL);
}

static unsigned
some_windows(const struct vm_pgreq *req, vm_frame_t low, vm_frame_t high,
    struct vm_pgwindow win[VM_NFREELIST])
{
	vm_frame_t start, end;
	unsigned list, n = 0;

	for (list = 0; list < VM_NFREELIST; list++) {
		if ((req->vpr_lists & VM_FREELIST_BIT(list)) == 0)
			continue;
		start = list == 0 ? 0 :
		    vm_freelist_limit((enum vm_freelist)(list - 1));
		end = vm_freelist_limit((enum vm_freelist)list);
		if (start < low)
			start = low;
		if (end > high)
			end = high;
		if (start >= end)
			continue;
		if (n > 0 && win[n - 1].pw_high == start) {
			win[n - 1].pw_high = end;
			continue;
		}
		win[n].pw_low = start;
		win[n].pw_high = end;
		n++;
	}
	return (n);
}

unsigned
vm_pgreq_windows(const struct vm_pgreq *req,
    struct vm_pgwindow win[VM_NFREELIST])
{
	vm_frame_t low = pages_up(req->vpr_low);
	vm_frame_t high = vm_atop(req->vpr_high);

	if (req->vpr_lists != VM_FREELIST_ALL)
		return (some_windows(req, low, high, win));
	win[0].pw_low = low;
	win[0].pw_high = high < VM_FRAME_END ? high : VM_FRAME_END;
	return (low < win[0].pw_high ? 1 : 0);
}

struct vm_extreq
vm_pgreq_search(const struct vm_pgreq *req)
{
	struct vm_extreq er = {
		.er_npages = pages_up(req->vpr_size),
		.er_align = align_frames(req),
		.er_boundary = vm_atop(req->vpr_boundary),
		.er_low = pages_up(req->vpr_low),
		.er_high = vm_atop(req->vpr_high),
		.er_policy = req->vpr_policy
	};

	return (er);
}

/* The part of a window that belongs to one list; false: nothing. */
static bool
list_window(const struct vm_pgwindow *win, unsigned list,
    struct vm_pgwindow *part)
{

	part->pw_low = list == 0 ? 0 :
	    vm_freelist_limit((enum vm_freelist)(list - 1));
	part->pw_high = vm_freelist_limit((enum vm_freelist)list);
	if (part->pw_low < win->pw_low)
		part->pw_low = win->pw_low;
	if (part->pw_high > win->pw_high)
		part->pw_high = win->pw_high;
	return (part->pw_low < part->pw_high);
}

static bool
list_find(struct vm_extmap *map, struct vm_extreq *er,
    const struct vm_pgwindow *win, unsigned list, vm_frame_t *startp)
{
	struct vm_pgwindow part;

	if (!list_window(win, list, &part))
		return (false);
	er->er_low = part.pw_low;
	er->er_high = part.pw_high;
	return (vm_extmap_find(map, er, startp));
}

/*
 * One segment in one window: list by list from above, then across, for runs
 * that lie in two.
 */
static bool
window_find(struct vm_extmap *map, struct vm_extreq *er,
    const struct vm_pgwindow *win, vm_frame_t *startp)
{
	unsigned list, top = vm_freelist_of(win->pw_high - 1);
	unsigned bottom = vm_freelist_of(win->pw_low);

	for (list = top + 1; top != bottom && list-- > bottom;) {
		if (list_find(map, er, win, list, startp))
			return (true);
	}
	er->er_low = win->pw_low;
	er->er_high = win->pw_high;
	return (vm_extmap_find(map, er, startp));
}

static bool
solve_exact(struct vm_extmap *map, struct vm_extreq *er,
    const struct vm_pgreq *req, const struct vm_pgwindow *win, unsigned nwin,
    vm_frame_t *startp)
{
	unsigned i;

	er->er_low = vm_atop(req->vpr_low);
	for (i = 0; i < nwin; i++) {
		if (er->er_low < win[i].pw_low || er->er_low >= win[i].pw_high)
			continue;
		er->er_high = win[i].pw_high;
		return (vm_extmap_find(map, er, startp));
	}
	return (false);
}

/*
 * One segment of fresh frames in one window: through all extents that have
 * any, as the policy says.
 */
static bool
fresh_find(struct vm_extmap *map, const struct vm_extreq *er,
    const struct vm_pgwindow *win, vm_frame_t *startp)
{
	bool last = er->er_policy == VM_POLICY_HIGHEST, found = false;
	uint64_t size, best = UINT64_MAX;
	vm_frame_t from, start;
	struct vm_extent ext;

	for (from = win->pw_low; vm_extmap_next_fresh(map, er->er_npages,
	    from, win->pw_high, &ext); from = ext.e_end) {
		size = ext.e_end - ext.e_start;
		if ((er->er_policy == VM_POLICY_BEST && size >= best) ||
		    !vm_extmap_fit(er, ext.e_start, ext.e_end, last, &start))
			continue;
		*startp = start;
		found = true;
		best = size;
		if (!last && er->er_policy != VM_POLICY_BEST)
			break;
	}
	return (found);
}

/* List by list from above, then across. */
static bool
fresh_window(struct vm_extmap *map, const struct vm_extreq *er,
    const struct vm_pgwindow *win, vm_frame_t *startp)
{
	struct vm_pgwindow part;
	unsigned list;

	for (list = VM_NFREELIST; list-- > 0;) {
		if (list_window(win, list, &part) &&
		    fresh_find(map, er, &part, startp))
			return (true);
	}
	return (fresh_find(map, er, win, startp));
}

/* An exact place, or the list-by-list search, of fresh frames. */
static bool
fresh_one(struct vm_extmap *map, const struct vm_extreq *er,
    const struct vm_pgreq *req, const struct vm_pgwindow *win, unsigned nwin,
    vm_frame_t *startp)
{
	struct vm_pgwindow exact;
	unsigned i;

	if (er->er_policy == VM_POLICY_EXACT) {
		exact.pw_low = vm_atop(req->vpr_low);
		exact.pw_high = exact.pw_low + er->er_npages;
	}
	for (i = nwin; i-- > 0;) {
		if (er->er_policy != VM_POLICY_EXACT) {
			if (fresh_window(map, er, &win[i], startp))
				return (true);
		} else if (exact.pw_low >= win[i].pw_low &&
		    exact.pw_high <= win[i].pw_high)
			return (fresh_find(map, er, &exact, startp));
	}
	return (false);
}

static bool
solve_one(struct vm_extmap *map, struct vm_extreq *er,
    const struct vm_pgreq *req, struct vm_pgseg *seg)
{
	struct vm_pgwindow win[VM_NFREELIST];
	unsigned i, nwin = vm_pgreq_windows(req, win);
	vm_frame_t start;
	bool found = false;

	if ((req->vpr_flags & VM_PG_FRESH) != 0)
		found = fresh_one(map, er, req, win, nwin, &start);
	else if (er->er_policy == VM_POLICY_EXACT)
		found = solve_exact(map, er, req, win, nwin, &start);
	else
		for (i = nwin; i-- > 0 && !found;)
			found = window_find(map, er, &win[i], &start);
	if (found) {
		seg->vps_start = vm_ptoa(start);
		seg->vps_size = vm_ptoa(er->er_npages);
	}
	return (found);
}

/* Is one segment out of the question, wherever it may lie? */
static bool
one_hopeless(const struct vm_extmap *map, const struct vm_extreq *er,
    const struct vm_pgreq *req)
{

	return (vm_extmap_lacks(map, er) || (req->vpr_nsegs != 1 &&
	    (er->er_npages > maxseg_frames(req) || (er->er_boundary != 0 &&
	    er->er_npages > er->er_boundary))));
}

typedef bool extent_next(struct vm_extmap *, uint64_t n, vm_frame_t from,
    vm_frame_t limit, struct vm_extent *);

/*
 * The nsegs largest pieces met so far: a heap with the smallest on top.
 */
struct gather {
	struct vm_pgwindow g_part[VM_NFREELIST];
	unsigned	g_nparts;
	extent_next	*g_next;
	uint64_t	g_maxseg;	/* frames of a segment */
	struct vm_pgseg	*g_seg;
	unsigned	g_max;
	unsigned	g_n;
	psize_t		g_need;
	psize_t		g_limit;	/* no more than ... */
	unsigned	g_nlong;	/* ... so many pieces are longer */
	unsigned	g_nmet;		/* of these, in this pass */
	psize_t		g_sum;		/* of those kept */
	psize_t		g_all;		/* of all pieces met */
};

static enum vm_freelist
piece_list(const struct vm_pgseg *piece)
{

	return (vm_freelist_of(vm_atop(piece->vps_start)));
}

/* Shorter, or as long and in a lower list, which is used last. */
static bool
piece_smaller(const struct vm_pgseg *a, const struct vm_pgseg *b)
{

	return (a->vps_size < b->vps_size ||
	    (a->vps_size == b->vps_size && piece_list(a) < piece_list(b)));
}

static bool
piece_behind(const struct vm_pgseg *a, const struct vm_pgseg *b)
{

	return (a->vps_start > b->vps_start);
}

typedef bool piece_order(const struct vm_pgseg *, const struct vm_pgseg *);

static void
heap_down(struct vm_pgseg *seg, unsigned n, unsigned i, piece_order *less)
{
	struct vm_pgseg tmp;
	unsigned child;

	while ((child = 2 * i + 1) < n) {
		if (child + 1 < n && less(&seg[child + 1], &seg[child]))
			child++;
		if (!less(&seg[child], &seg[i]))
			return;
		tmp = seg[i];
		seg[i] = seg[child];
		seg[child] = tmp;
		i = child;
	}
}

static void
heap_up(struct vm_pgseg *seg, unsigned i, piece_order *less)
{
	struct vm_pgseg tmp;
	unsigned parent;

	for (; i > 0; i = parent) {
		parent = (i - 1) / 2;
		if (!less(&seg[i], &seg[parent]))
			return;
		tmp = seg[i];
		seg[i] = seg[parent];
		seg[parent] = tmp;
	}
}

/* Heap sort with the least on top: leaves the array in descending order. */
static void
heap_sort(struct vm_pgseg *seg, unsigned n, piece_order *less)
{
	struct vm_pgseg tmp;
	unsigned i;

	for (i = n / 2; i-- > 0;)
		heap_down(seg, n, i, less);
	for (i = n; i-- > 1;) {
		tmp = seg[0];
		seg[0] = seg[i];
		seg[i] = tmp;
		heap_down(seg, i, 0, less);
	}
}

static void
gather_piece(struct gather *g, vm_frame_t start, uint64_t npages)
{
	struct vm_pgseg piece = { vm_ptoa(start), vm_ptoa(npages) };

	g->g_all += piece.vps_size;
	if (piece.vps_size > g->g_limit)
		g->g_nmet++;
	if (g->g_n < g->g_max) {
		g->g_seg[g->g_n] = piece;
		heap_up(g->g_seg, g->g_n++, piece_smaller);
		g->g_sum += piece.vps_size;
		return;
	}
	if (!piece_smaller(&g->g_seg[0], &piece))
		return;
	g->g_sum += piece.vps_size - g->g_seg[0].vps_size;
	g->g_seg[0] = piece;
	heap_down(g->g_seg, g->g_n, 0, piece_smaller);
}

/*
 * Are so many pieces kept that there are no longer ones, and of those that may
 * still come, up to some list, none is in a higher one?
 */
static bool
gather_best(const struct gather *g, enum vm_freelist list)
{

	return (g->g_n == g->g_max && g->g_seg[0].vps_size >= g->g_limit &&
	    g->g_nmet == g->g_nlong && piece_list(&g->g_seg[0]) >= list);
}

/* x % step, without a division, for which 32-bit machines need a library. */
static uint64_t
remainder_of(uint64_t x, uint64_t step)
{
	uint64_t m = step;

	if (power_of_two(step))
		return (x & (step - 1));
	while (m <= x / 2)
		m *= 2;
	for (; m >= step; m /= 2) {
		if (x >= m)
			x -= m;
	}
	return (x);
}

/*
 * Where the last piece before a frame begins, of an extent whose first one is
 * given.  They begin anew at each line, if lines are aligned.
 */
static vm_frame_t
piece_before(const struct gather *g, const struct vm_extreq *er,
    vm_frame_t first, vm_frame_t frame)
{
	uint64_t step = g->g_maxseg;
	vm_frame_t line;

	if (er->er_boundary >= er->er_align) {
		line = (frame - 1) & ~(er->er_boundary - 1);
		if (line > first)
			first = line;
	}
	if (step < er->er_align ||
	    (er->er_boundary != 0 && er->er_boundary < er->er_align))
		step = er->er_align;
	return (frame - 1 - remainder_of(frame - 1 - first, step));
}

static uint64_t
piece_length(const struct gather *g, const struct vm_extreq *er,
    vm_frame_t start, vm_frame_t end)
{
	uint64_t n = end - start, left;

	if (n > g->g_maxseg)
		n = g->g_maxseg;
	if (er->er_boundary != 0) {
		left = er->er_boundary - (start & (er->er_boundary - 1));
		if (n > left)
			n = left;
	}
	return (n);
}

/*
 * The pieces of a free extent, from above.  What comes after it lies in lists
 * up to that one.  => true: no more are needed.
 */
static bool
gather_extent(struct gather *g, const struct vm_extreq *er,
    const struct vm_extent *ext, enum vm_freelist list, psize_t enough)
{
	vm_frame_t first, a = ext->e_end;
	enum vm_freelist here;

	first = (ext->e_start + er->er_align - 1) & ~(er->er_align - 1);
	while (a > first) {
		a = piece_before(g, er, first, a);
		gather_piece(g, a, piece_length(g, er, a, ext->e_end));
		here = vm_freelist_of(a);
		if (g->g_all >= enough ||
		    gather_best(g, list > here ? list : here))
			return (true);
	}
	return (false);
}

/*
 * Where the extents of a list begin if one that reaches over its lower border
 * belongs to the list below.
 */
static vm_frame_t
list_begin(struct vm_extmap *map, extent_next *next, vm_frame_t border,
    vm_frame_t high)
{
	struct vm_extent ext;

	if (!next(map, 1, border - 1, border, &ext) ||
	    !next(map, 1, border - 1, high, &ext))
		return (border);
	return (ext.e_end);
}

/*
 * The windows in parts by list, the highest first, so that low memory is used
 * last; no extent is cut.
 */
static void
gather_parts(struct vm_extmap *map, struct gather *g,
    const struct vm_pgreq *req)
{
	struct vm_pgwindow win[VM_NFREELIST], part;
	unsigned list, i = vm_pgreq_windows(req, win);
	vm_frame_t high;

	g->g_nparts = 0;
	while (i-- > 0) {
		high = win[i].pw_high;
		for (list = VM_NFREELIST; list-- > 0;) {
			if (!list_window(&win[i], list, &part))
				continue;
			if (part.pw_low > win[i].pw_low)
				part.pw_low = list_begin(map, g->g_next,
				    part.pw_low, high);
			part.pw_high = high;
			g->g_part[g->g_nparts++] = part;
			high = part.pw_low;
		}
	}
}

/*
 * One pass: the pieces of all extents of at least n frames, until no better
 * ones can come, or those that were met are at least enough bytes.
 */
static void
gather_pass(struct vm_extmap *map, struct gather *g,
    const struct vm_extreq *er, uint64_t n, psize_t enough)
{
	struct vm_extreq any = { .er_npages = n, .er_align = 1 };
	const struct vm_pgwindow *part;
	enum vm_freelist list;
	struct vm_extent ext;
	vm_frame_t from;

	g->g_n = 0;
	g->g_nmet = 0;
	g->g_sum = g->g_all = 0;
	if (g->g_nparts == 0)
		return;
	any.er_low = g->g_part[g->g_nparts - 1].pw_low;
	any.er_high = g->g_part[0].pw_high;
	if (vm_extmap_lacks(map, &any))
		return;
	for (part = g->g_part; part < g->g_part + g->g_nparts; part++) {
		for (from = part->pw_low; g->g_next(map, n, from,
		    part->pw_high, &ext); from = ext.e_end) {
			/* The last one may reach into higher lists. */
			list = vm_freelist_of(ext.e_end < part->pw_high ?
			    part->pw_high - 1 : part->pw_low);
			if (gather_extent(g, er, &ext, list, enough))
				return;
		}
	}
}

/* Are the pieces of at least size bytes enough? */
static bool
gather_enough(const struct gather *g, psize_t size)
{
	psize_t sum = 0;
	unsigned i;

	if (g->g_sum < g->g_need)
		return (false);
	for (i = 0; i < g->g_n; i++) {
		if (g->g_seg[i].vps_size >= size)
			sum += g->g_seg[i].vps_size;
	}
	return (sum >= g->g_need);
}

/*
 * A pass was not enough: only pieces of up to limit bytes were left out by it.
 * => false: they cannot be enough.
 */
static bool
gather_narrow(struct gather *g, psize_t limit)
{
	psize_t sum;
	unsigned i;

	if (limit < g->g_limit)
		g->g_limit = limit;
	sum = (g->g_max - g->g_n) * g->g_limit;
	g->g_nlong = 0;
	for (i = 0; i < g->g_n; i++) {
		if (g->g_seg[i].vps_size > g->g_limit) {
			g->g_nlong++;
			sum += g->g_seg[i].vps_size;
		} else
			sum += g->g_limit;
	}
	return (sum >= g->g_need);
}

/* Keep the largest pieces, as many as are needed; by address. */
static unsigned
gather_finish(struct gather *g)
{
	struct vm_pgseg *segs = g->g_seg;
	psize_t need = g->g_need;
	unsigned n;

	heap_sort(segs, g->g_n, piece_smaller);
	for (n = 0; need > 0; n++) {
		if (segs[n].vps_size > need)
			segs[n].vps_size = need;
		need -= segs[n].vps_size;
	}
	heap_sort(segs, n, piece_behind);
	return (n);
}

/* The most bytes that a segment may have, and a request may use. */
static psize_t
longest_piece(const struct vm_extreq *er, const struct vm_pgreq *req)
{
	uint64_t longest = maxseg_frames(req);

	if (er->er_boundary != 0 && er->er_boundary < longest)
		longest = er->er_boundary;
	return (longest < VM_FRAME_END ? vm_ptoa(longest) : UINT64_MAX);
}

/*
 * The first pass: 512 frames, or as many as a piece may have, as longer extents
 * are no better then, and may lie in a lower list.
 */
static uint64_t
longest_pass(psize_t longest)
{
	uint64_t n = vm_atop(longest);

	return (n < VM_EXTBLOCK_FRAMES ? n : VM_EXTBLOCK_FRAMES);
}

/*
 * The next pass: 512, 256, ... 16, 8, 7, ... 1 and 0 frames.  Of short runs
 * there may be very many, and the closer the steps, the sooner it is clear
 * that no better ones come.
 */
static uint64_t
shorter(uint64_t n)
{

	return (n > 8 ? n / 2 : n - 1);
}

static int
solve_many(struct vm_extmap *map, const struct vm_extreq *er,
    const struct vm_pgreq *req, struct vm_pgseg *segs, unsigned *rsegs)
{
	psize_t longest = longest_piece(er, req), size;
	struct gather g = {
		.g_next = (req->vpr_flags & VM_PG_FRESH) != 0 ?
		    vm_extmap_next_fresh : vm_extmap_next,
		.g_maxseg = maxseg_frames(req),
		.g_seg = segs,
		.g_max = req->vpr_nsegs,
		.g_need = vm_ptoa(er->er_npages),
		.g_limit = longest
	};
	uint64_t n;

	if (map->xm_nfree < er->er_npages)
		return (ENOMEM);
	/* No more segments than pages: the rest of the array is not needed. */
	if (g.g_max > er->er_npages)
		g.g_max = (unsigned)er->er_npages;
	gather_parts(map, &g, req);
	for (n = longest_pass(longest); n > 0; n = shorter(n)) {
		gather_pass(map, &g, er, n, UINT64_MAX);
		size = vm_ptoa(n);
		if (gather_enough(&g, size < longest ? size : longest)) {
			*rsegs = gather_finish(&g);
			return (0);
		}
		if (!gather_narrow(&g, size - VM_PAGE_SIZE))
			break;
	}
	/* Not the best now, but all that qualifies. */
	g.g_limit = UINT64_MAX;
	gather_pass(map, &g, er, 1, g.g_need);
	return (g.g_all < g.g_need ? ENOMEM : EFBIG);
}

int
vm_pgreq_solve(struct vm_extmap *map, const struct vm_pgreq *req,
    struct vm_pgseg *segs, unsigned *rsegs)
{
	struct vm_extreq er = vm_pgreq_search(req);

	*rsegs = 0;
	if (!one_hopeless(map, &er, req) && solve_one(map, &er, req, segs)) {
		*rsegs = 1;
		return (0);
	}
	return (req->vpr_nsegs == 1 ? ENOMEM :
	    solve_many(map, &er, req, segs, rsegs));
}
