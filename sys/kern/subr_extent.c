/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Extent maps: extent(9).
 *
 * 1 What is kept.  A map is the list of what is taken, its regions, and so of
 * the gaps between them: each region also stands for the gap behind it, and
 * a region without numbers (ex_head) for the gap before all others.  Regions
 * hang in two trees:
 *
 *	ex_byaddr	all, by address, each with the largest gap of its
 *			subtree: first fit in O(log n), in any subregion
 *	ex_bysize	those with a gap, by its length, equal ones by
 *			address: best fit in O(log n)
 *
 * 2 The search is exact.  Candidates are the gaps of at least the size of the
 * request; one function (place) says whether and where in a gap the request
 * fits, with alignment, skew, boundary and subregion all at once.  First fit
 * takes candidates by address and ends with the first one that has a place.
 *
 * Best fit would take them by size and end likewise, but a narrow subregion
 * of a large map can be far from all the smallest gaps.  So it goes through
 * those of the subregion by address at the same time, one step each, and ends
 * when either way does: with the first place by size, or with the best of all
 * the places by address.  It costs twice the shorter of the two.  (The whole
 * map has no fewer gaps by address than by size.)
 *
 * 3 Alignment.  Gaps that are long enough but have no aligned place are what
 * stays when users of one map align differently, for the others get used: left
 * alone, almost all gaps are like that in the end, and a search would look at
 * hundreds.  So a map learns: when as many gaps were looked at in vain as it
 * has regions, the alignment of that request is added to ex_aligns.  From
 * then on both trees also know, for each subtree, how much room there is
 * behind an aligned number in the best of its gaps, and the search goes
 * straight to the gaps that have enough.  A map whose users align alike pays
 * nothing for this.  Of an alignment that is not in ex_aligns the next lower
 * one there is the filter.  The room is kept as 16 bits (fit_class), rounded
 * up by less than a thousandth: a gap in the same class may still have no
 * place.  What remains linear are gaps that fail for a skew or a boundary.
 *
 * 4 Boundaries.  They, like alignments, are powers of two.  Of the two, one
 * divides the other.  So where a start was moved up to a line and from there
 * to the next aligned number, its distance from the line is the same at every
 * line: if it crosses the next one it crosses all, and one step decides.
 *
 * 5 Descriptors.  A fixed extent has those in its storage.  Any other map lies
 * in a page of its own and has those that fit behind it, and takes pages of
 * more.  This is a level below kmem(9), which keeps ranges of addresses in
 * extent maps.  A descriptor is asked for only when the answer is known and
 * needs one: not to join a region at one of its ends, and not to free
 * anything but the middle of one.  When there is none, all is dropped, a
 * page is sought without the lock, and the search done again: it may find
 * another answer.  Who sleeps holds nothing.
 *
 * 6 Sleeping.  ex_seq counts what was freed, numbers or descriptors; who finds
 * no place sleeps until it moves and then looks again.
 */

#include <sys/extent.h>

#include <vm/vm_kassert.h>
#include <vm/vm_owner.h>
#include <vm/vm_pglist.h>

/* More descriptors, in a page of their own; all pages begin with this. */
struct extent_page {
	struct extent_page *ep_next;
	struct extent_page **ep_prevp;
	struct extent_region *ep_free;
	unsigned	ep_nused;
};

/* A request that was checked, cut down to the map. */
struct request {
	exaddr_t	rq_first;	/* the subregion, inclusive */
	exaddr_t	rq_last;
	exaddr_t	rq_size;
	exaddr_t	rq_align;
	exaddr_t	rq_skew;
	exaddr_t	rq_boundary;	/* 0: none */
	exaddr_t	rq_base;	/* where boundary lines begin */
	bool		rq_fast;

	/* For the search; rq_slot of ex_aligns, or NO_SLOT. */
	unsigned	rq_slot;
	uint64_t	rq_need;
	uint64_t	rq_wasted;
};

#define	NO_SLOT		UINT_MAX
#define	WASTE_LEAST	64	/* is no reason yet to learn anything */

struct extent *extent_list;
static struct vm_md_lock extent_list_lock;

static vm_md_intr_t
lock(struct vm_md_lock *l)
{
	vm_md_intr_t s = vm_md_intr_disable();

	vm_md_lock(l);
	return (s);
}

static void
unlock(struct vm_md_lock *l, vm_md_intr_t s)
{

	vm_md_unlock(l);
	vm_md_intr_restore(s);
}

static bool
is_power_of_two(exaddr_t n)
{

	return (n != 0 && (n & (n - 1)) == 0);
}

/*
 * The trees.
 */

static struct extent_region *
by_addr(struct avl_node *n)
{

	return (n == NULL ? NULL : (struct extent_region *)(void *)
	    ((char *)n - offsetof(struct extent_region, er_addr)));
}

static struct extent_region *
by_size(struct avl_node *n)
{

	return (n == NULL ? NULL : (struct extent_region *)(void *)
	    ((char *)n - offsetof(struct extent_region, er_size)));
}

/*
 * gap_length: that of [first, last]; 2^64 becomes the largest number, which
 * is enough for every request.
 */
static exaddr_t
gap_length(exaddr_t first, exaddr_t last)
{

	return (last - first == UINT64_MAX ? UINT64_MAX : last - first + 1);
}

/*
 * gap_first, gap_last: the ends of a gap that is not empty.  (Before the first
 * region er_end may have wrapped, and so comes right.)
 */
static exaddr_t
gap_first(const struct extent_region *r)
{

	return (r->er_end + 1);
}

static exaddr_t
gap_last(const struct extent *ex, const struct extent_region *r)
{

	if (ex->ex_nregions == 0)
		return (ex->ex_end);
	return (r->er_end + r->er_gap);
}

/*
 * fit_class: a length in 16 bits, ordered as lengths are: as it is below 2^10,
 * and as 10 bits behind the first one and an exponent above, rounded up.
 */
static unsigned
fit_class(exaddr_t n)
{
	unsigned exponent;
	exaddr_t mantissa;

	if (n < 1024)
		return ((unsigned)n);
	exponent = 53 - (unsigned)__builtin_clzll(n);
	mantissa = n >> exponent;
	if (mantissa << exponent != n)
		mantissa++;
	return ((exponent << 10) + (unsigned)mantissa);
}

/*
 * fit: the class of what of a gap lies from an aligned number on.
 */
static unsigned
fit(const struct extent *ex, const struct extent_region *r, exaddr_t align)
{
	exaddr_t first, last, start;

	if (r->er_gap == 0)
		return (0);
	first = gap_first(r);
	last = gap_last(ex, r);
	start = (first + (align - 1)) & ~(align - 1);
	if (start < first || start > last)
		return (0);
	return (fit_class(gap_length(start, last)));
}

static exaddr_t
maxgap(struct avl_node *n)
{

	return (n == NULL ? 0 : by_addr(n)->er_maxgap);
}

/*
 * renew_fit: the gap behind a region has changed.
 */
static void
renew_fit(const struct extent *ex, struct extent_region *r)
{
	unsigned i;

	for (i = 0; i < ex->ex_naligns; i++)
		r->er_fit[i] = (uint16_t)fit(ex, r, ex->ex_aligns[i]);
}

/*
 * update_fit: the same in either tree: of a region, from those at the tops of
 * the subtrees.
 */
static bool
update_fit(const struct extent_region *r, uint16_t *fits,
    const uint16_t *below0, const uint16_t *below1)
{
	static const uint16_t none[EXTENT_NALIGN];
	unsigned i, changed = 0;
	uint16_t max;

	if (below0 == NULL)
		below0 = none;
	if (below1 == NULL)
		below1 = none;
	for (i = 0; i < EXTENT_NALIGN; i++) {
		max = below0[i] > below1[i] ? below0[i] : below1[i];
		max = max > r->er_fit[i] ? max : r->er_fit[i];
		changed |= fits[i] ^ max;
		fits[i] = max;
	}
	return (changed != 0);
}

static bool
update_addr(const struct avl_tree *t, struct avl_node *n)
{
	const struct extent *ex = (const struct extent *)(const void *)
	    ((const char *)t - offsetof(struct extent, ex_byaddr));
	struct extent_region *r = by_addr(n);
	struct extent_region *b0 = by_addr(n->an_child[0]);
	struct extent_region *b1 = by_addr(n->an_child[1]);
	exaddr_t max = r->er_gap;
	bool changed;

	if (b0 != NULL && b0->er_maxgap > max)
		max = b0->er_maxgap;
	if (b1 != NULL && b1->er_maxgap > max)
		max = b1->er_maxgap;
	changed = max != r->er_maxgap;
	r->er_maxgap = max;
	if (ex->ex_naligns != 0 && update_fit(r, r->er_addrfit,
	    b0 == NULL ? NULL : b0->er_addrfit,
	    b1 == NULL ? NULL : b1->er_addrfit))
		changed = true;
	return (changed);
}

static bool
update_size(const struct avl_tree *t, struct avl_node *n)
{
	const struct extent *ex = (const struct extent *)(const void *)
	    ((const char *)t - offsetof(struct extent, ex_bysize));
	struct extent_region *r = by_size(n);
	struct extent_region *b0 = by_size(n->an_child[0]);
	struct extent_region *b1 = by_size(n->an_child[1]);

	return (ex->ex_naligns != 0 && update_fit(r, r->er_sizefit,
	    b0 == NULL ? NULL : b0->er_sizefit,
	    b1 == NULL ? NULL : b1->er_sizefit));
}

static void
size_insert(struct extent *ex, struct extent_region *r)
{
	struct avl_node *n = ex->ex_bysize.at_root, *parent = NULL;
	struct extent_region *o;
	unsigned side = 0;

	while (n != NULL) {
		parent = n;
		o = by_size(n);
		side = r->er_gap != o->er_gap ? r->er_gap > o->er_gap :
		    gap_first(r) > gap_first(o);
		n = n->an_child[side];
	}
	avl_insert(&ex->ex_bysize, &r->er_size, parent, side);
}

/*
 * set_gap: the gap behind a region changes to that length; it has moved if
 * the length is the same.
 */
static void
set_gap(struct extent *ex, struct extent_region *r, exaddr_t gap)
{

	if (r->er_gap != gap && r->er_gap != 0)
		avl_remove(&ex->ex_bysize, &r->er_size);
	if (r->er_gap != gap && gap != 0) {
		r->er_gap = gap;
		renew_fit(ex, r);
		size_insert(ex, r);
	} else {
		r->er_gap = gap;
		renew_fit(ex, r);
		if (gap != 0)
			avl_changed(&ex->ex_bysize, &r->er_size);
	}
	avl_changed(&ex->ex_byaddr, &r->er_addr);
}

/*
 * region_at: the last region that begins at or before a number of the map;
 * the head, if there is none.
 */
static struct extent_region *
region_at(struct extent *ex, exaddr_t at)
{
	struct avl_node *n = ex->ex_byaddr.at_root;
	struct extent_region *r, *found = &ex->ex_head;

	while (n != NULL) {
		r = by_addr(n);
		ex->ex_visits++;
		if (r == &ex->ex_head || r->er_start <= at) {
			found = r;
			n = n->an_child[1];
		} else
			n = n->an_child[0];
	}
	return (found);
}

/*
 * What a search asks of a gap and knows of a subtree, in one number that must
 * be at least rq_need: the length, or a class of fit.
 */
static uint64_t
own(const struct request *rq, const struct extent_region *r)
{

	return (rq->rq_slot == NO_SLOT ? r->er_gap : r->er_fit[rq->rq_slot]);
}

/*
 * A tree that is searched: which of the two.
 */
struct view {
	struct extent_region *(*v_region)(struct avl_node *);
	uint64_t (*v_below)(const struct request *, struct avl_node *);
};

static uint64_t
below_addr(const struct request *rq, struct avl_node *n)
{

	if (n == NULL)
		return (0);
	return (rq->rq_slot == NO_SLOT ? by_addr(n)->er_maxgap :
	    by_addr(n)->er_addrfit[rq->rq_slot]);
}

/* Only asked with a slot. */
static uint64_t
below_size(const struct request *rq, struct avl_node *n)
{

	return (n == NULL ? 0 : by_size(n)->er_sizefit[rq->rq_slot]);
}

static const struct view addr_view = { by_addr, below_addr };
static const struct view size_view = { by_size, below_size };

/*
 * lowest: the first gap that will do, in a subtree that has one.
 */
static inline struct extent_region *
lowest(struct extent *ex, const struct request *rq, const struct view *v,
    struct avl_node *n)
{

	for (;;) {
		ex->ex_visits++;
		if (v->v_below(rq, n->an_child[0]) >= rq->rq_need)
			n = n->an_child[0];
		else if (own(rq, v->v_region(n)) >= rq->rq_need)
			return (v->v_region(n));
		else
			n = n->an_child[1];
	}
}

/*
 * following: the first gap that will do behind that of a node.
 * => NULL: there is none.
 */
static inline struct extent_region *
following(struct extent *ex, const struct request *rq, const struct view *v,
    struct avl_node *n)
{

	for (;;) {
		ex->ex_visits++;
		if (v->v_below(rq, n->an_child[1]) >= rq->rq_need)
			return (lowest(ex, rq, v, n->an_child[1]));
		while (n->an_parent != NULL && n->an_parent->an_child[1] == n)
			n = n->an_parent;
		n = n->an_parent;
		if (n == NULL)
			return (NULL);
		if (own(rq, v->v_region(n)) >= rq->rq_need)
			return (v->v_region(n));
	}
}

/*
 * smallest_gap: of those of at least that size.  => NULL: there is none.
 */
static struct extent_region *
smallest_gap(struct extent *ex, exaddr_t size)
{
	struct avl_node *n = ex->ex_bysize.at_root, *found = NULL;

	while (n != NULL) {
		ex->ex_visits++;
		if (by_size(n)->er_gap >= size) {
			found = n;
			n = n->an_child[0];
		} else
			n = n->an_child[1];
	}
	return (by_size(found));
}

/*
 * The search.
 */

/*
 * align_up: the lowest number from at on that is aligned.
 * => false: there is none.
 */
static bool
align_up(const struct request *rq, exaddr_t at, exaddr_t *aligned)
{

	/* Modulo 2^64, of which the alignment is a divisor. */
	*aligned = ((at - rq->rq_skew + (rq->rq_align - 1)) &
	    ~(rq->rq_align - 1)) + rq->rq_skew;
	return (*aligned >= at);
}

/*
 * crosses: does a region from start on cross a boundary line?
 */
static bool
crosses(const struct request *rq, exaddr_t start)
{
	exaddr_t first = start - rq->rq_base;
	exaddr_t last = first + (rq->rq_size - 1);

	return (rq->rq_boundary != 0 &&
	    ((first ^ last) & ~(rq->rq_boundary - 1)) != 0);
}

/*
 * place: the lowest place of a request in [first, last].
 */
static bool
place(const struct request *rq, exaddr_t first, exaddr_t last, exaddr_t *start)
{
	exaddr_t line;

	if (first < rq->rq_first)
		first = rq->rq_first;
	if (last > rq->rq_last)
		last = rq->rq_last;
	if (!align_up(rq, first, start) || *start > last ||
	    rq->rq_size - 1 > last - *start)
		return (false);
	if (!crosses(rq, *start))
		return (true);
	/* There is a line within the region, so that this is no overflow. */
	line = ((*start - rq->rq_base) | (rq->rq_boundary - 1)) + 1 +
	    rq->rq_base;
	return (align_up(rq, line, start) && *start <= last &&
	    rq->rq_size - 1 <= last - *start && !crosses(rq, *start));
}

static bool
place_in_gap(struct extent *ex, struct request *rq,
    const struct extent_region *r, exaddr_t *start)
{

	if (place(rq, gap_first(r), gap_last(ex, r), start))
		return (true);
	rq->rq_wasted++;
	return (false);
}

/*
 * candidate, next_candidate: the gaps that are long enough and not wholly
 * outside of the subregion, by address.
 */
static struct extent_region *
candidate(const struct request *rq, struct extent_region *r)
{

	return (r != NULL && gap_first(r) <= rq->rq_last ? r : NULL);
}

static struct extent_region *
first_candidate(struct extent *ex, const struct request *rq)
{
	struct extent_region *r = region_at(ex, rq->rq_first);

	if (own(rq, r) < rq->rq_need)
		r = following(ex, rq, &addr_view, &r->er_addr);
	return (candidate(rq, r));
}

static struct extent_region *
next_candidate(struct extent *ex, const struct request *rq,
    struct extent_region *r)
{

	return (candidate(rq, following(ex, rq, &addr_view, &r->er_addr)));
}

static struct extent_region *
first_fit(struct extent *ex, struct request *rq, exaddr_t *start)
{
	struct extent_region *r;

	for (r = first_candidate(ex, rq); r != NULL;
	    r = next_candidate(ex, rq, r)) {
		if (place_in_gap(ex, rq, r, start))
			break;
	}
	return (r);
}

static struct extent_region *
first_by_size(struct extent *ex, const struct request *rq)
{
	struct avl_node *root = ex->ex_bysize.at_root;

	if (rq->rq_slot == NO_SLOT)
		return (smallest_gap(ex, rq->rq_size));
	if (below_size(rq, root) < rq->rq_need)
		return (NULL);
	return (lowest(ex, rq, &size_view, root));
}

static struct extent_region *
next_by_size(struct extent *ex, const struct request *rq,
    struct extent_region *r)
{

	if (rq->rq_slot != NO_SLOT)
		return (following(ex, rq, &size_view, &r->er_size));
	ex->ex_visits++;
	return (by_size(avl_next(&r->er_size)));
}

/*
 * best_fit_near: the same for a part of the map; s, the smallest gap that is
 * long enough, has no place.
 */
static struct extent_region *
best_fit_near(struct extent *ex, struct request *rq,
    struct extent_region *s, exaddr_t *start)
{
	struct extent_region *a, *best = NULL;
	exaddr_t at;

	for (a = first_candidate(ex, rq); a != NULL;
	    a = next_candidate(ex, rq, a)) {
		if ((best == NULL || a->er_gap < best->er_gap) &&
		    place_in_gap(ex, rq, a, &at)) {
			best = a;
			*start = at;
		}
		s = next_by_size(ex, rq, s);
		if (s == NULL || place_in_gap(ex, rq, s, &at))
			break;
	}
	if (a == NULL)
		return (best);
	*start = at;
	return (s);
}

static struct extent_region *
best_fit(struct extent *ex, struct request *rq, exaddr_t *start)
{
	struct extent_region *r = first_by_size(ex, rq);

	if (r == NULL || place_in_gap(ex, rq, r, start))
		return (r);
	if (rq->rq_first != ex->ex_start || rq->rq_last != ex->ex_end)
		return (best_fit_near(ex, rq, r, start));
	do {
		r = next_by_size(ex, rq, r);
	} while (r != NULL && !place_in_gap(ex, rq, r, start));
	return (r);
}

/*
 * Descriptors.
 */

static struct extent_page *
page_of(struct extent_region *r)
{

	return ((struct extent_page *)((uintptr_t)r &
	    ~(uintptr_t)(VM_PAGE_SIZE - 1)));
}

static bool
in_storage(const struct extent *ex, const struct extent_region *r)
{

	return ((uintptr_t)r - (uintptr_t)ex->ex_storage < ex->ex_storagesize);
}

/*
 * put_free: one more on a list of free descriptors.
 */
static void
put_free(struct extent_region **list, struct extent_region *r)
{

	r->er_addr.an_parent = *list == NULL ? NULL : &(*list)->er_addr;
	*list = r;
}

static struct extent_region *
get_free(struct extent_region **list)
{
	struct extent_region *r = *list;

	*list = by_addr(r->er_addr.an_parent);
	return (r);
}

/*
 * carve: descriptors, as many as fit, from [p, end).
 */
static void
carve(struct extent_region **list, char *p, const char *end)
{

	for (; (size_t)(end - p) >= sizeof(struct extent_region);
	    p += sizeof(struct extent_region))
		put_free(list, (struct extent_region *)(void *)p);
}

static void
page_link(struct extent_page **list, struct extent_page *p)
{

	p->ep_next = *list;
	p->ep_prevp = list;
	if (p->ep_next != NULL)
		p->ep_next->ep_prevp = &p->ep_next;
	*list = p;
}

static void
page_unlink(struct extent_page *p)
{

	*p->ep_prevp = p->ep_next;
	if (p->ep_next != NULL)
		p->ep_next->ep_prevp = p->ep_prevp;
}

/*
 * page_get: memory, a page of it.  => 0, ENOMEM or EINTR.
 */
static int
page_get(int flags, paddr_t *pa, void **va)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(VM_PAGE_SIZE);
	struct vm_pgseg seg;
	unsigned n;
	int error;

	req.vpr_high = vm_md_physend();
	req.vpr_policy = VM_POLICY_HIGHEST;
	req.vpr_owner = vm_owner_register("extent");
	if ((flags & EX_WAITOK) != 0)
		req.vpr_flags = VM_PG_WAIT;
	do {
		error = vm_pglist_alloc(&req, &seg, &n);
	} while (error == EINTR && (flags & EX_CATCH) == 0);
	if (error != 0)
		return (error == EINTR ? EINTR : ENOMEM);
	*pa = seg.vps_start;
	*va = vm_md_phystov(seg.vps_start, VM_PAGE_SIZE);
	if (*va != NULL)
		return (0);
	(void)vm_pglist_free(seg.vps_start, 0);
	return (ENOMEM);
}

static void
page_put(paddr_t pa)
{

	(void)vm_pglist_free(pa, 0);
}

static void
page_release(struct extent_page *p)
{

	page_unlink(p);
	page_put(vm_md_vtophys(p));
}

/*
 * freed: those who sleep are to look again.
 */
static void
freed(struct extent *ex)
{

	atomic_fetch_add(&ex->ex_seq, 1);
	if (ex->ex_waiters != 0)
		vm_md_wake(&ex->ex_seq);
}

/*
 * more_descriptors: a page full.  => lock held, but not all the while.
 */
static int
more_descriptors(struct extent *ex, int flags, vm_md_intr_t *s)
{
	struct extent_page *p;
	paddr_t pa;
	void *va;
	int error;

	unlock(&ex->ex_lock, *s);
	error = page_get(flags, &pa, &va);
	*s = lock(&ex->ex_lock);
	if (error != 0)
		return (error);
	p = va;
	p->ep_free = NULL;
	p->ep_nused = 0;
	carve(&p->ep_free, (char *)(p + 1), (char *)va + VM_PAGE_SIZE);
	page_link(&ex->ex_pages, p);
	/* There are more than we need: others may sleep for one. */
	freed(ex);
	return (0);
}

/*
 * descriptor_get: => NULL: there is none.
 */
static struct extent_region *
descriptor_get(struct extent *ex)
{
	struct extent_page *p = ex->ex_pages;
	struct extent_region *r;

	if (ex->ex_free != NULL)
		return (get_free(&ex->ex_free));
	if (p == NULL)
		return (NULL);
	r = get_free(&p->ep_free);
	p->ep_nused++;
	if (p->ep_free == NULL) {
		page_unlink(p);
		page_link(&ex->ex_full, p);
	}
	return (r);
}

/*
 * descriptor_put: a page that has become unused is given back, if it is not
 * the only one with free descriptors: that one stays, for a map that goes up
 * and down by one region; but no longer than there are regions at all, if
 * there is a descriptor in the storage for the next one.
 */
static void
descriptor_put(struct extent *ex, struct extent_region *r)
{
	struct extent_page *p;

	if (in_storage(ex, r)) {
		put_free(&ex->ex_free, r);
	} else {
		p = page_of(r);
		if (p->ep_free == NULL) {
			page_unlink(p);
			page_link(&ex->ex_pages, p);
		}
		put_free(&p->ep_free, r);
		if (--p->ep_nused == 0 && (ex->ex_pages != p ||
		    p->ep_next != NULL || ex->ex_free != NULL))
			page_release(p);
	}
	while (ex->ex_nregions == 0 && ex->ex_free != NULL &&
	    ex->ex_pages != NULL)
		page_release(ex->ex_pages);
}

/*
 * Changes to a map.
 */

/*
 * region_link: a new region, and what of the gap before it lies behind.
 */
static bool
region_link(struct extent *ex, struct extent_region *before, exaddr_t first,
    exaddr_t last, exaddr_t gap)
{
	struct extent_region *r = descriptor_get(ex);

	if (r == NULL)
		return (false);
	r->er_start = first;
	r->er_end = last;
	r->er_gap = gap;
	r->er_maxgap = 0;
	memset(r->er_fit, 0, sizeof(r->er_fit));
	memset(r->er_addrfit, 0, sizeof(r->er_addrfit));
	memset(r->er_sizefit, 0, sizeof(r->er_sizefit));
	ex->ex_nregions++;
	renew_fit(ex, r);
	avl_insert_after(&ex->ex_byaddr, &r->er_addr, &before->er_addr);
	if (gap != 0)
		size_insert(ex, r);
	return (true);
}

/*
 * region_unlink: the region is gone; the gap stays, with nobody.
 */
static void
region_unlink(struct extent *ex, struct extent_region *r)
{

	avl_remove(&ex->ex_byaddr, &r->er_addr);
	if (r->er_gap != 0)
		avl_remove(&ex->ex_bysize, &r->er_size);
	ex->ex_nregions--;
	descriptor_put(ex, r);
}

/*
 * take: the gap behind a region loses [first, last].
 * => false: a descriptor is needed, and there is none.
 */
static bool
take(struct extent *ex, struct extent_region *before, exaddr_t first,
    exaddr_t last)
{
	const exaddr_t start = gap_first(before), end = gap_last(ex, before);
	const bool coalesce = (ex->ex_flags & EX_NOCOALESCE) == 0;
	struct extent_region *next = NULL;
	exaddr_t rest = last == end ? 0 : end - last;

	if (coalesce && rest == 0)
		next = by_addr(avl_next(&before->er_addr));
	if (coalesce && first == start && before != &ex->ex_head) {
		before->er_end = last;
		if (next == NULL) {
			set_gap(ex, before, rest);
		} else {
			before->er_end = next->er_end;
			rest = next->er_gap;
			region_unlink(ex, next);
			set_gap(ex, before, rest);
			freed(ex);
		}
	} else if (next != NULL) {
		next->er_start = first;
		set_gap(ex, before, first - start);
	} else {
		if (!region_link(ex, before, first, last, rest))
			return (false);
		set_gap(ex, before, first - start);
	}
	ex->ex_allocated += last - first + 1;
	return (true);
}

/*
 * give: the region r loses [first, last].
 * => false: a descriptor is needed, and there is none.
 */
static bool
give(struct extent *ex, struct extent_region *r, exaddr_t first, exaddr_t last)
{
	struct extent_region *before = by_addr(avl_prev(&r->er_addr));
	const exaddr_t end = r->er_end;
	exaddr_t gap;

	if (first != r->er_start && last != end) {
		if (ex->ex_free == NULL && ex->ex_pages == NULL)
			return (false);
		gap = r->er_gap;
		r->er_end = first - 1;
		set_gap(ex, r, last - first + 1);
		(void)region_link(ex, r, last + 1, end, gap);
	} else if (first != r->er_start) {
		gap = gap_length(first, gap_last(ex, r));
		r->er_end = first - 1;
		set_gap(ex, r, gap);
	} else if (last != end) {
		r->er_start = last + 1;
		set_gap(ex, before, before->er_gap + (last - first + 1));
	} else {
		gap = gap_length(gap_first(before), gap_last(ex, r));
		region_unlink(ex, r);
		set_gap(ex, before, gap);
	}
	ex->ex_allocated -= last - first + 1;
	freed(ex);
	return (true);
}

/*
 * Waiting.
 */

static int
sleep_until_freed(struct extent *ex, int flags, vm_md_intr_t *s)
{
	uint32_t seq = atomic_load(&ex->ex_seq);
	int error;

	ex->ex_waiters++;
	unlock(&ex->ex_lock, *s);
	error = vm_md_wait(&ex->ex_seq, seq, 0);
	*s = lock(&ex->ex_lock);
	ex->ex_waiters--;
	return (error == EINTR && (flags & EX_CATCH) != 0 ? EINTR : 0);
}

/*
 * again: there was no place (EAGAIN) or no descriptor (ENOMEM); do what the
 * flags allow against it.
 * => 0: try again; else the error to return.  The lock is held before and
 *    after, and not all the while.
 */
static int
again(struct extent *ex, int why, int flags, vm_md_intr_t *s)
{

	if (why == ENOMEM && (ex->ex_dynamic || (flags & EX_MALLOCOK) != 0))
		return (more_descriptors(ex, flags, s));
	if ((flags & (why == ENOMEM ? EX_WAITOK : EX_WAITSPACE)) == 0)
		return (why);
	return (sleep_until_freed(ex, flags, s));
}

/*
 * The interface.
 */

/*
 * storage_used: does a map lie in that storage?  => false also for NULL.
 */
static bool
storage_used(const char *storage, size_t size)
{
	vm_md_intr_t s = lock(&extent_list_lock);
	const struct extent *ex;

	for (ex = extent_list; ex != NULL; ex = ex->ex_next) {
		if (storage != NULL &&
		    (uintptr_t)ex - (uintptr_t)storage < size)
			break;
	}
	unlock(&extent_list_lock, s);
	return (ex != NULL);
}

/*
 * complain: what is wrong with a new map, if anything.
 */
static const char *
complain(const char *name, exaddr_t start, exaddr_t end, const void *storage,
    size_t storagesize, int flags)
{

	if (name == NULL || name[0] == '\0')
		return ("it has no name");
	if (start > end)
		return ("its end lies before its start");
	if (storage != NULL && storagesize < EXTENT_FIXED_STORAGE_SIZE(0))
		return ("its storage is too small");
	if (storage_used(storage, storagesize))
		return ("its storage is that of another map");
	if ((flags & ~EX_FLAGS) != 0)
		return ("unknown flags");
	return (NULL);
}

/*
 * init: a map at the beginning of its storage, descriptors in the rest.
 */
static struct extent *
init(char *storage, size_t size, const char *name, exaddr_t start,
    exaddr_t end)
{
	const size_t skip = -(uintptr_t)storage & (_Alignof(struct extent) - 1);
	struct extent *ex = (struct extent *)(void *)(storage + skip);
	size_t len = strlen(name);

	memset(ex, 0, sizeof(*ex));
	if (len > EXTENT_NAMELEN - 1)
		len = EXTENT_NAMELEN - 1;
	memcpy(ex->ex_name, name, len);
	ex->ex_start = start;
	ex->ex_end = end;
	ex->ex_storage = storage;
	ex->ex_storagesize = size;
	ex->ex_byaddr.at_update = update_addr;
	ex->ex_bysize.at_update = update_size;
	ex->ex_head.er_start = start;
	ex->ex_head.er_end = start - 1;
	avl_insert(&ex->ex_byaddr, &ex->ex_head.er_addr, NULL, 0);
	set_gap(ex, &ex->ex_head, gap_length(start, end));
	carve(&ex->ex_free, (char *)(ex + 1), storage + size);
	return (ex);
}

struct extent *
(extent_create)(const char *name, exaddr_t start, exaddr_t end, void *storage,
    size_t storagesize, int flags)
{
	const char *why;
	struct extent *ex;
	bool dynamic = storage == NULL;
	paddr_t pa = VM_PADDR_NONE;
	vm_md_intr_t s;

	why = complain(name, start, end, storage, storagesize, flags);
	if (why != NULL) {
		vm_md_printf("extent_create: %s, 0x%jx - 0x%jx: %s\n",
		    name == NULL ? "(null)" : name, (uintmax_t)start,
		    (uintmax_t)end, why);
		return (NULL);
	}
	if (dynamic) {
		if (page_get(flags & ~EX_CATCH, &pa, &storage) != 0)
			return (NULL);
		storagesize = VM_PAGE_SIZE;
	}
	ex = init(storage, storagesize, name, start, end);
	ex->ex_flags = flags & EX_NOCOALESCE;
	ex->ex_dynamic = dynamic;
	ex->ex_paddr = pa;
	s = lock(&extent_list_lock);
	ex->ex_next = extent_list;
	ex->ex_prevp = &extent_list;
	if (ex->ex_next != NULL)
		ex->ex_next->ex_prevp = &ex->ex_next;
	extent_list = ex;
	unlock(&extent_list_lock, s);
	return (ex);
}

/*
 * unlist: => false: it is not listed.
 */
static bool
unlist(struct extent *ex)
{
	vm_md_intr_t s = lock(&extent_list_lock);
	struct extent *e;

	for (e = extent_list; e != NULL && e != ex; e = e->ex_next)
		continue;
	if (e != NULL) {
		*ex->ex_prevp = ex->ex_next;
		if (ex->ex_next != NULL)
			ex->ex_next->ex_prevp = ex->ex_prevp;
	}
	unlock(&extent_list_lock, s);
	return (e != NULL);
}

void
extent_destroy(struct extent *ex)
{

	if (!unlist(ex)) {
		vm_md_printf("extent_destroy: no extent map at %p\n",
		    (void *)ex);
		return;
	}
	while (ex->ex_pages != NULL)
		page_release(ex->ex_pages);
	while (ex->ex_full != NULL)
		page_release(ex->ex_full);
	if (ex->ex_dynamic)
		page_put(ex->ex_paddr);
}

/*
 * request_init: check a request, and cut its subregion down to the map.
 * => 0, or EINVAL.
 */
static int
request_init(const struct extent *ex, struct request *rq, int flags)
{
	exaddr_t unused;

	if (rq->rq_first > rq->rq_last || rq->rq_first > ex->ex_end ||
	    rq->rq_last < ex->ex_start)
		return (EINVAL);
	if (rq->rq_first < ex->ex_start)
		rq->rq_first = ex->ex_start;
	if (rq->rq_last > ex->ex_end)
		rq->rq_last = ex->ex_end;
	if (rq->rq_size == 0 || rq->rq_size - 1 > rq->rq_last - rq->rq_first)
		return (EINVAL);
	if (!is_power_of_two(rq->rq_align) || rq->rq_skew >= rq->rq_align)
		return (EINVAL);
	if (rq->rq_boundary != 0 && (!is_power_of_two(rq->rq_boundary) ||
	    rq->rq_size > rq->rq_boundary))
		return (EINVAL);
	if ((flags & ~EX_FLAGS) != 0)
		return (EINVAL);
	rq->rq_base = (flags & EX_BOUNDZERO) != 0 ? 0 : ex->ex_start;
	rq->rq_fast = (flags & EX_FAST) != 0;
	if ((flags & EX_WAITSPACE) != 0 &&
	    !place(rq, rq->rq_first, rq->rq_last, &unused))
		return (EINVAL);
	return (0);
}

/*
 * choose_slot: the best filter for a request: its alignment, or the next lower
 * one that the map knows; its skew must be zero.
 */
static void
choose_slot(const struct extent *ex, struct request *rq)
{
	exaddr_t best = 0;
	unsigned i;

	rq->rq_slot = NO_SLOT;
	rq->rq_need = rq->rq_size;
	rq->rq_wasted = 0;
	for (i = 0; i < ex->ex_naligns && rq->rq_skew == 0; i++) {
		if (ex->ex_aligns[i] > rq->rq_align || ex->ex_aligns[i] <= best)
			continue;
		best = ex->ex_aligns[i];
		rq->rq_slot = i;
		rq->rq_need = fit_class(rq->rq_size);
	}
}

/*
 * learn: a search has ended.  What the alignment has cost by now is as much as
 * it costs to prepare for it.
 */
static void
learn(struct extent *ex, const struct request *rq)
{
	struct avl_node *n;

	if (rq->rq_skew != 0 || rq->rq_align == EX_NOALIGN ||
	    ex->ex_naligns == EXTENT_NALIGN || (rq->rq_slot != NO_SLOT &&
	    ex->ex_aligns[rq->rq_slot] == rq->rq_align))
		return;
	ex->ex_wasted += rq->rq_wasted;
	if (ex->ex_wasted < WASTE_LEAST || ex->ex_wasted < ex->ex_nregions)
		return;
	ex->ex_wasted = 0;
	ex->ex_aligns[ex->ex_naligns++] = rq->rq_align;
	for (n = avl_first(&ex->ex_byaddr); n != NULL; n = avl_next(n))
		renew_fit(ex, by_addr(n));
	avl_renew(&ex->ex_byaddr);
	avl_renew(&ex->ex_bysize);
}

/*
 * try: => 0, EAGAIN or ENOMEM.  Lock held.
 */
static int
try(struct extent *ex, struct request *rq, exaddr_t *start)
{
	struct extent_region *r;

	choose_slot(ex, rq);
	r = rq->rq_fast ? first_fit(ex, rq, start) : best_fit(ex, rq, start);
	if (rq->rq_wasted != 0)
		learn(ex, rq);
	if (r == NULL)
		return (EAGAIN);
	return (take(ex, r, *start, *start + (rq->rq_size - 1)) ? 0 : ENOMEM);
}

int
extent_alloc_subregion1(struct extent *ex, exaddr_t substart, exaddr_t subend,
    exaddr_t size, exaddr_t alignment, exaddr_t skew, exaddr_t boundary,
    int flags, exaddr_t *result)
{
	struct request rq = {
		.rq_first = substart,
		.rq_last = subend,
		.rq_size = size,
		.rq_align = alignment,
		.rq_skew = skew,
		.rq_boundary = boundary,
	};
	exaddr_t start = 0;
	vm_md_intr_t s;
	int error;

	if ((error = request_init(ex, &rq, flags)) != 0)
		return (error);
	s = lock(&ex->ex_lock);
	while ((error = try(ex, &rq, &start)) != 0) {
		if ((error = again(ex, error, flags, &s)) != 0)
			break;
	}
	unlock(&ex->ex_lock, s);
	if (error == 0)
		*result = start;
	return (error);
}

int
extent_alloc_subregion(struct extent *ex, exaddr_t substart, exaddr_t subend,
    exaddr_t size, exaddr_t alignment, exaddr_t boundary, int flags,
    exaddr_t *result)
{

	return (extent_alloc_subregion1(ex, substart, subend, size, alignment,
	    0, boundary, flags, result));
}

int
extent_alloc1(struct extent *ex, exaddr_t size, exaddr_t alignment,
    exaddr_t skew, exaddr_t boundary, int flags, exaddr_t *result)
{

	return (extent_alloc_subregion1(ex, ex->ex_start, ex->ex_end, size,
	    alignment, skew, boundary, flags, result));
}

int
extent_alloc(struct extent *ex, exaddr_t size, exaddr_t alignment,
    exaddr_t boundary, int flags, exaddr_t *result)
{

	return (extent_alloc_subregion1(ex, ex->ex_start, ex->ex_end, size,
	    alignment, 0, boundary, flags, result));
}

/*
 * range_valid: are the size numbers from start on all in the map?
 */
static bool
range_valid(const struct extent *ex, exaddr_t start, exaddr_t size, int flags)
{

	return (size != 0 && start >= ex->ex_start && start <= ex->ex_end &&
	    size - 1 <= ex->ex_end - start && (flags & ~EX_FLAGS) == 0);
}

static int
try_region(struct extent *ex, exaddr_t first, exaddr_t last)
{
	struct extent_region *r = region_at(ex, first);

	if (r->er_gap == 0 || first - gap_first(r) > gap_last(ex, r) -
	    gap_first(r) || last > gap_last(ex, r))
		return (EAGAIN);
	return (take(ex, r, first, last) ? 0 : ENOMEM);
}

int
extent_alloc_region(struct extent *ex, exaddr_t start, exaddr_t size,
    int flags)
{
	vm_md_intr_t s;
	int error;

	if (!range_valid(ex, start, size, flags))
		return (EINVAL);
	s = lock(&ex->ex_lock);
	while ((error = try_region(ex, start, start + (size - 1))) != 0) {
		if ((error = again(ex, error, flags, &s)) != 0)
			break;
	}
	unlock(&ex->ex_lock, s);
	return (error);
}

static int
try_free(struct extent *ex, exaddr_t first, exaddr_t last)
{
	struct extent_region *r = region_at(ex, first);

	if (r == &ex->ex_head || last > r->er_end)
		return (EINVAL);
	if ((ex->ex_flags & EX_NOCOALESCE) != 0 &&
	    (first != r->er_start || last != r->er_end))
		return (EINVAL);
	return (give(ex, r, first, last) ? 0 : ENOMEM);
}

int
extent_free(struct extent *ex, exaddr_t start, exaddr_t size, int flags)
{
	vm_md_intr_t s;
	int error;

	if (!range_valid(ex, start, size, flags))
		return (EINVAL);
	s = lock(&ex->ex_lock);
	while ((error = try_free(ex, start, start + (size - 1))) == ENOMEM) {
		/* Freeing does not end with EINTR, whatever the flags. */
		if ((error = again(ex, error, flags & ~EX_CATCH, &s)) != 0)
			break;
	}
	unlock(&ex->ex_lock, s);
	return (error);
}

/*
 * Looking at maps.
 */

void
extent_info(struct extent *ex, struct extent_info *ei)
{
	vm_md_intr_t s = lock(&ex->ex_lock);

	memcpy(ei->ei_name, ex->ex_name, sizeof(ei->ei_name));
	ei->ei_start = ex->ex_start;
	ei->ei_end = ex->ex_end;
	ei->ei_flags = ex->ex_flags;
	ei->ei_dynamic = ex->ex_dynamic;
	ei->ei_nregions = ex->ex_nregions;
	ei->ei_allocated = ex->ex_allocated;
	ei->ei_maxgap = maxgap(ex->ex_byaddr.at_root);
	unlock(&ex->ex_lock, s);
}

/*
 * range_behind: the region behind r, if any.  => lock held.
 */
static bool
range_behind(struct extent_region *r, struct extent_range *er)
{

	r = by_addr(avl_next(&r->er_addr));
	if (r == NULL)
		return (false);
	er->er_first = r->er_start;
	er->er_last = r->er_end;
	return (true);
}

bool
extent_region_first(struct extent *ex, struct extent_range *er)
{
	vm_md_intr_t s = lock(&ex->ex_lock);
	bool found = range_behind(&ex->ex_head, er);

	unlock(&ex->ex_lock, s);
	return (found);
}

bool
extent_region_next(struct extent *ex, struct extent_range *er)
{
	vm_md_intr_t s = lock(&ex->ex_lock);
	bool found = range_behind(region_at(ex, er->er_first), er);

	unlock(&ex->ex_lock, s);
	return (found);
}

void
extent_foreach(bool (*function)(struct extent *, void *), void *arg)
{
	vm_md_intr_t s = lock(&extent_list_lock);
	struct extent *ex;

	for (ex = extent_list; ex != NULL; ex = ex->ex_next) {
		if (!function(ex, arg))
			break;
	}
	unlock(&extent_list_lock, s);
}

void
extent_print(struct extent *ex)
{
	struct extent_range er;
	bool more;

	vm_md_printf("extent %s: 0x%jx - 0x%jx%s\n", ex->ex_name,
	    (uintmax_t)ex->ex_start, (uintmax_t)ex->ex_end,
	    (ex->ex_flags & EX_NOCOALESCE) != 0 ? ", not coalesced" : "");
	for (more = extent_region_first(ex, &er); more;
	    more = extent_region_next(ex, &er)) {
		vm_md_printf("    0x%jx - 0x%jx\n", (uintmax_t)er.er_first,
		    (uintmax_t)er.er_last);
	}
}

/*
 * check_region: one region and its gap, against the next region.
 */
static const char *
check_region(struct extent *ex, struct extent_region *r,
    struct extent_region *next)
{
	const bool head = r == &ex->ex_head;
	exaddr_t last = next == NULL ? ex->ex_end : next->er_start - 1;
	unsigned i;

	if (!head && (r->er_start > r->er_end || r->er_start < ex->ex_start ||
	    r->er_end > ex->ex_end))
		return ("a region's ends");
	if (!head && next != NULL && next->er_start <= r->er_end)
		return ("regions overlap");
	for (i = 0; i < ex->ex_naligns; i++) {
		if (r->er_fit[i] != fit(ex, r, ex->ex_aligns[i]))
			return ("the fit of a gap");
	}
	if (next == NULL ? !head && r->er_end == last :
	    next->er_start == gap_first(r))
		return (r->er_gap == 0 ? NULL : "a gap where none is");
	if (r->er_gap != gap_length(gap_first(r), last) ||
	    gap_last(ex, r) != last)
		return ("the length of a gap");
	return (NULL);
}

static const char *
check_addresses(struct extent *ex, uint64_t *ngaps)
{
	struct extent_region *r = &ex->ex_head, *next;
	exaddr_t sum = 0;
	uint64_t n = 0;
	const char *why = NULL;

	if (avl_first(&ex->ex_byaddr) != &r->er_addr)
		return ("the head is not the first region");
	for (; r != NULL && why == NULL; r = next) {
		next = by_addr(avl_next(&r->er_addr));
		why = check_region(ex, r, next);
		if (why == NULL && next != NULL && r != &ex->ex_head &&
		    r->er_gap == 0 && (ex->ex_flags & EX_NOCOALESCE) == 0)
			why = "touching regions are not joined";
		if (r != &ex->ex_head) {
			n++;
			sum += r->er_end - r->er_start + 1;
		}
		*ngaps += r->er_gap != 0;
	}
	if (why == NULL && n != ex->ex_nregions)
		why = "the number of regions";
	if (why == NULL && sum != ex->ex_allocated)
		why = "the sum of regions";
	return (why);
}

static const char *
check_sizes(struct extent *ex, uint64_t ngaps)
{
	struct extent_region *r = by_size(avl_first(&ex->ex_bysize)), *next;
	uint64_t n = 0;

	for (; r != NULL; r = next) {
		next = by_size(avl_next(&r->er_size));
		if (r->er_gap == 0 || (next != NULL &&
		    (r->er_gap > next->er_gap || (r->er_gap == next->er_gap &&
		    gap_first(r) >= gap_first(next)))))
			return ("the order of gaps by size");
		n++;
	}
	return (n == ngaps ? NULL : "the number of gaps by size");
}

const char *
extent_check(struct extent *ex)
{
	vm_md_intr_t s = lock(&ex->ex_lock);
	const char *why = NULL;
	uint64_t ngaps = 0;

	if (!avl_check(&ex->ex_byaddr))
		why = "the tree by address";
	else if (!avl_check(&ex->ex_bysize))
		why = "the tree by size";
	if (why == NULL)
		why = check_addresses(ex, &ngaps);
	if (why == NULL)
		why = check_sizes(ex, ngaps);
	unlock(&ex->ex_lock, s);
	return (why);
}
