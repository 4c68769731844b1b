/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Why a request fails.
 *
 * Two answers.  The largest run under each subset of the constraints says
 * which constraint it is that cannot be met.  The place where the fewest
 * frames are taken, and who owns the first of them, says what would have to
 * be freed.  For the latter, every aligned place in managed memory is looked
 * at; the number of frames taken in it is kept up from one place to the next
 * by counting what enters and what leaves.
 *
 * So the size of the request does not count: on 16 GiB with a random half of
 * the pages free an answer takes 0.1 s for 1 MiB as for 64 MiB at any page,
 * where counting each place anew took 0.17 s and 6.2 s; 2 MiB aligned to 2 MiB
 * take half, nearly all of it for the runs (vm_pglist_explain() on the machine
 * of the bench).  To refuse such a request takes 70 ns: hence this is no part
 * of failing, and only done for those who ask.
 */

#include <vm/vm_explain.h>
#include <vm/vm_pgreq.h>
#include <vm/vm_physseg_var.h>
#include <vm/vm_sync.h>

/*
 * The longest run in [start, end), all free, that starts aligned and crosses
 * no multiple of boundary (0: none): from the first aligned frame, or from
 * the next one on a line.
 */
static uint64_t
longest_fit(vm_frame_t start, vm_frame_t end, uint64_t align,
    uint64_t boundary)
{
	vm_frame_t a = (start + align - 1) & ~(align - 1), line;
	uint64_t first, second;

	if (a >= end)
		return (0);
	if (boundary == 0)
		return (end - a);
	line = (a | (boundary - 1)) + 1;
	if (line >= end)
		return (end - a);
	first = line - a;
	a = (line + align - 1) & ~(align - 1);
	second = a >= end ? 0 : end - a < boundary ? end - a : boundary;
	return (first > second ? first : second);
}

/* The request's windows; an exact address is a window of its own. */
static unsigned
explain_windows(const struct vm_pgreq *req,
    struct vm_pgwindow win[VM_NFREELIST])
{
	unsigned i, n = vm_pgreq_windows(req, win);
	struct vm_pgwindow exact;

	if (req->vpr_policy != VM_POLICY_EXACT)
		return (n);
	exact.pw_low = vm_atop(req->vpr_low);
	exact.pw_high = exact.pw_low + vm_pgreq_search(req).er_npages;
	for (i = 0; i < n; i++) {
		if (win[i].pw_low <= exact.pw_low &&
		    exact.pw_high <= win[i].pw_high) {
			win[0] = exact;
			return (1);
		}
	}
	return (0);
}

/* Raise the largest runs of all subsets that have the given bits. */
static void
explain_extents(struct vm_extmap *map, const struct vm_extreq *er,
    vm_frame_t low, vm_frame_t high, unsigned window,
    struct vm_pgexplain *out)
{
	struct vm_extent ext;
	unsigned subset;
	psize_t n;

	for (; vm_extmap_next(map, 1, low, high, &ext); low = ext.e_end) {
		if (window != 0)
			out->vpe_free += vm_ptoa(ext.e_end - ext.e_start);
		for (subset = 0; subset < VM_EXPLAIN_WINDOW; subset++) {
			n = vm_ptoa(longest_fit(ext.e_start, ext.e_end,
			    (subset & VM_EXPLAIN_ALIGN) != 0 ? er->er_align : 1,
			    (subset & VM_EXPLAIN_BOUNDARY) != 0 ?
			    er->er_boundary : 0));
			if (n > out->vpe_largest[subset | window])
				out->vpe_largest[subset | window] = n;
		}
	}
}

/* Look at every place in [low, high), all managed; false: good enough. */
static bool
explain_places(const struct vm_extmap *map, const struct vm_extreq *er,
    vm_frame_t low, vm_frame_t high, struct vm_pgexplain *out)
{
	vm_frame_t a, prev = 0;
	uint64_t taken = 0, n = er->er_npages;
	bool first = true;

	while (low < high && vm_extmap_fit(er, low, high, false, &a)) {
		if (first || a >= prev + n)
			taken = vm_extmap_owned(map, a, a + n);
		else
			taken += vm_extmap_owned(map, prev + n, a + n) -
			    vm_extmap_owned(map, prev, a);
		first = false;
		prev = a;
		if (!out->vpe_possible || vm_ptoa(taken) < out->vpe_taken) {
			out->vpe_possible = true;
			out->vpe_start = vm_ptoa(a);
			out->vpe_taken = vm_ptoa(taken);
			if (taken <= 1)
				return (false);
		}
		low = a + 1;
	}
	return (true);
}

/* All places in the window, area by area of managed memory that touches. */
static bool
explain_window(const struct vm_extmap *map, const struct vm_physseg *segs,
    unsigned nsegs, const struct vm_extreq *er,
    const struct vm_pgwindow *win, struct vm_pgexplain *out)
{
	vm_frame_t low, high;
	unsigned i;

	for (i = 0; i < nsegs; i++) {
		low = segs[i].vs_start;
		while (i + 1 < nsegs && segs[i + 1].vs_start == segs[i].vs_end)
			i++;
		high = segs[i].vs_end;
		if (low < win->pw_low)
			low = win->pw_low;
		if (high > win->pw_high)
			high = win->pw_high;
		if (!explain_places(map, er, low, high, out))
			return (false);
	}
	return (true);
}

static void
explain_pin(const struct vm_extmap *map,
    vm_owner_t (*owner)(void *, vm_frame_t), void *arg, uint64_t npages,
    struct vm_pgexplain *out)
{
	vm_frame_t f = vm_atop(out->vpe_start), end = f + npages, head;
	struct vm_extent ext;

	for (; vm_extmap_walk(map, f, end, &ext); f = ext.e_end) {
		if (ext.e_state != VM_FRAME_HEAD)
			continue;
		head = vm_extmap_head(map, ext.e_start);
		out->vpe_pin = vm_ptoa(head);
		out->vpe_pinsize = vm_ptoa(vm_extmap_length(map, head));
		out->vpe_owner = owner(arg, head);
		return;
	}
}

void
vm_explain(struct vm_extmap *map, const struct vm_physseg *segs,
    unsigned nsegs, vm_owner_t (*owner)(void *, vm_frame_t), void *arg,
    const struct vm_pgreq *req, struct vm_pgexplain *out)
{
	struct vm_extreq er = vm_pgreq_search(req);
	struct vm_pgwindow win[VM_NFREELIST];
	unsigned i, nwin = explain_windows(req, win);
	struct vm_pgreq one = *req;
	struct vm_pgseg seg;
	unsigned rsegs;

	memset(out, 0, sizeof(*out));
	explain_extents(map, &er, 0, VM_FRAME_END, 0, out);
	for (i = 0; i < nwin; i++)
		explain_extents(map, &er, win[i].pw_low, win[i].pw_high,
		    VM_EXPLAIN_WINDOW, out);

	one.vpr_nsegs = 1;
	one.vpr_maxsegsz = 0;
	one.vpr_flags &= ~(unsigned)VM_PG_FRESH;
	if ((er.er_boundary == 0 || er.er_npages <= er.er_boundary) &&
	    vm_pgreq_solve(map, &one, &seg, &rsegs) == 0) {
		out->vpe_possible = true;
		out->vpe_start = seg.vps_start;
		return;
	}
	if (er.er_boundary != 0 && er.er_npages > er.er_boundary)
		return;
	for (i = 0; i < nwin; i++) {
		if (!explain_window(map, segs, nsegs, &er, &win[i], out))
			break;
	}
	if (out->vpe_possible)
		explain_pin(map, owner, arg, er.er_npages, out);
}

/* A size in the largest unit that divides it. */
static const char *
size_text(psize_t size, char buf[24])
{
	static const char unit[] = "bkmgtp";
	unsigned i;

	for (i = 0; unit[i + 1] != '\0' && size >= 1024 && size % 1024 == 0;
	    i++)
		size /= 1024;
	if (i == 0)
		vm_md_snprintf(buf, 24, "%llu", (unsigned long long)size);
	else
		vm_md_snprintf(buf, 24, "%llu%c", (unsigned long long)size,
		    unit[i]);
	return (buf);
}

void
vm_explain_format(const struct vm_pgreq *req, const struct vm_pgexplain *expl,
    const char *ownername, char *buf, size_t len)
{
	const unsigned all = VM_EXPLAIN_NSUBSET - 1;
	char a[24], b[24], c[24], d[24], e[24], f[24];
	int n;

	n = vm_md_snprintf(buf, len, "wanted %s, free in the window %s; "
	    "largest run %s; without alignment %s, without boundary %s, "
	    "anywhere %s; ", size_text(req->vpr_size, a),
	    size_text(expl->vpe_free, b),
	    size_text(expl->vpe_largest[all], c),
	    size_text(expl->vpe_largest[all & ~(unsigned)VM_EXPLAIN_ALIGN], d),
	    size_text(expl->vpe_largest[all & ~(unsigned)VM_EXPLAIN_BOUNDARY],
	    e),
	    size_text(expl->vpe_largest[all & ~(unsigned)VM_EXPLAIN_WINDOW],
	    f));
	if (n < 0 || (size_t)n >= len)
		return;
	buf += n;
	len -= (size_t)n;
	if (!expl->vpe_possible)
		vm_md_snprintf(buf, len, "no managed memory has such a place");
	else if (expl->vpe_taken == 0)
		vm_md_snprintf(buf, len, "fits at %#llx",
		    (unsigned long long)expl->vpe_start);
	else
		vm_md_snprintf(buf, len, "best place %#llx: %s taken, first "
		    "by %s at %#llx (%s)",
		    (unsigned long long)expl->vpe_start,
		    size_text(expl->vpe_taken, a), ownername,
		    (unsigned long long)expl->vpe_pin,
		    size_text(expl->vpe_pinsize, b));
}

/*
 * Of the running allocator.
 */

static vm_owner_t
running_owner(void *arg, vm_frame_t head)
{

	(void)arg;
	return (vm_sync_owner(head));
}

int
vm_pglist_explain(const struct vm_pgreq *req, struct vm_pgexplain *expl)
{
	const struct vm_physseg *segs;
	vm_md_intr_t s;
	unsigned n;
	int error;

	error = vm_pgreq_check(req, NULL);
	if (error != 0)
		return (error);
	s = vm_sync_lock();
	(void)vm_sync_drain(0, VM_FRAME_END);
	segs = vm_physseg_table(&n);
	vm_explain(&vm_map, segs, n, running_owner, NULL, req, expl);
	vm_sync_unlock(s);
	return (0);
}

void
vm_pglist_explain_print(const char *who, const struct vm_pgreq *req)
{
	struct vm_pgexplain expl;
	char line[VM_EXPLAIN_LINE];
	const char *why;

	if (vm_pgreq_check(req, &why) != 0) {
		vm_md_printf("%s: malformed request: %s\n", who, why);
		return;
	}
	(void)vm_pglist_explain(req, &expl);
	vm_explain_format(req, &expl, vm_owner_name(expl.vpe_owner), line,
	    sizeof(line));
	vm_md_printf("%s: %s\n", who, line);
}
