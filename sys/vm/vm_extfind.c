/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The search of the extent map.
 *
 * Any run of n frames contains a naturally aligned run of 2^k
 * frames if 2^(k+1) - 1 <= n; and if its start is aligned to 2^a, also one of
 * 2^min(a, log2 n).  So a search goes through the blocks whose bit for the
 * best such k is set, in address order, finds each aligned run of 2^k, and
 * widens it to the whole extent; whether the request fits into an extent is a
 * closed formula (vm_extmap_fit()).  Every run that could satisfy the request
 * lies in an extent that is met this way: the search is exact.
 *
 * Two kinds of requests, by far the most, go other ways to the same answer.
 * A power of two that is aligned to itself is where the first such run is: a
 * hot request for 64 KiB takes 50 to 60 ns, where extents took 120 (vmbench
 * -w constrained).  And whether one of up to 32 frames fits is decided for all
 * starts in a word at once, and for the words of a block without a branch: a
 * million runs made to pass every filter, and to fail, take 0.29 ms; one by
 * one they took 23 ms (vmbench -w adversarial).
 */

#include <vm/vm_extmap_var.h>
#include <vm/vm_kassert.h>

/*
 * Does a request fit?
 */

/* Would a run that starts there cross a multiple of the boundary? */
static inline bool
crosses_boundary(const struct vm_extreq *req, vm_frame_t start)
{

	return (req->er_boundary != 0 &&
	    ((start ^ (start + req->er_npages - 1)) &
	    ~(req->er_boundary - 1)) != 0);
}

static bool
fit_first(const struct vm_extreq *req, vm_frame_t start, vm_frame_t end,
    vm_frame_t *startp)
{
	vm_frame_t a = align_up(start, req->er_align);
	uint64_t line = req->er_boundary, align;

	if (crosses_boundary(req, a)) {
		/* To the next line, and aligned there too. */
		align = line > req->er_align ? line : req->er_align;
		a = align_up(a, align);
	}
	*startp = a;
	return (a < end && a >= start && end - a >= req->er_npages);
}

static bool
fit_last(const struct vm_extreq *req, vm_frame_t start, vm_frame_t end,
    vm_frame_t *startp)
{
	uint64_t line = req->er_boundary, n = req->er_npages;
	vm_frame_t a;

	if (end - start < n)
		return (false);
	a = align_down(end - n, req->er_align);
	if (crosses_boundary(req, a)) {
		/* Back until it ends at the line it crossed. */
		a = align_down(align_down(a + n - 1, line) - n, req->er_align);
	}
	*startp = a;
	return (a >= start && a <= end - n);
}

bool
vm_extmap_fit(const struct vm_extreq *req, vm_frame_t start, vm_frame_t end,
    bool last, vm_frame_t *startp)
{

	KASSERT(start < end && end <= VM_FRAME_END);
	if (end - start < req->er_npages)
		return (false);
	return (last ? fit_last(req, start, end, startp) :
	    fit_first(req, start, end, startp));
}

/*
 * Finding extents.
 */

/* Which words of a block are wholly free: a bit a word. */
static inline uint32_t
block_full_words(const vm_extword_t *wp)
{
	uint32_t full = 0;
	unsigned i;

	for (i = 0; i < BLOCK_WORDS; i++)
		full |= (word_load(&wp[i]) == 0 ? 1U : 0U) << i;
	return (full);
}

/*
 * The starts of aligned runs of 2^k set bits, of which the first is right, and
 * there is one if and only if there is a run; k from 0 to 5.  It is the
 * trick that finds a zero byte, in lanes of 2^k bits.
 */
static inline uint32_t
first_run(uint32_t m, unsigned k)
{
	static const uint32_t low[] = {
		0, 0x55555555, 0x11111111, 0x01010101, 0x00010001, 0x00000001
	};
	uint32_t t = ~m;

	if (k == 0)
		return (m);
	return (((t - low[k]) & m) >> ((1U << k) - 1) & low[k]);
}

static inline bool
words_free(const vm_extword_t *wp, unsigned n)
{

	while (n > 0 && word_load(wp) == 0) {
		wp++;
		n--;
	}
	return (n == 0);
}

/*
 * The first aligned free run of 2^order frames in a block, which is no virgin,
 * at or after position pos (below 512); false: none.
 */
static bool
block_first_run(const struct vm_extspan *xs, uint64_t b, unsigned order,
    unsigned pos, unsigned *foundp)
{
	const vm_extword_t *wp = &xs->xs_word[b * BLOCK_WORDS];
	unsigned i = pos >> WORD_SHIFT, size;
	uint32_t m;

	if (order > WORD_SHIFT) {
		size = 1U << (order - WORD_SHIFT);
		i = (unsigned)align_up(i + ((pos & WORD_MASK) != 0), size);
		for (; i < BLOCK_WORDS; i += size) {
			*foundp = i << WORD_SHIFT;
			if (words_free(&wp[i], size))
				return (true);
		}
		return (false);
	}
	m = first_run(word_free(word_load(&wp[i])) &
	    UINT32_MAX << (pos & WORD_MASK), order);
	while (m == 0) {
		if (++i == BLOCK_WORDS)
			return (false);
		m = first_run(word_free(word_load(&wp[i])), order);
	}
	*foundp = i << WORD_SHIFT | (unsigned)__builtin_ctz(m);
	return (true);
}

/*
 * The last aligned free run of 2^order frames in a block that ends at or
 * before position end (1 to 512); false: none.  *foundp is where it starts.
 */
static bool
block_last_run(const struct vm_extspan *xs, uint64_t b, unsigned order,
    unsigned end, unsigned *foundp)
{
	const vm_extword_t *wp = &xs->xs_word[b * BLOCK_WORDS];
	unsigned size = 1U << order, last, i;
	uint32_t m;

	if (end < size)
		return (false);
	last = end - size;		/* the last start that would do */
	i = last >> WORD_SHIFT;
	if (order > WORD_SHIFT) {
		m = fold(block_full_words(wp), order - WORD_SHIFT) &
		    half_mask(0, i + 1);
		*foundp = m == 0 ? 0 : log2_floor(m) << WORD_SHIFT;
		return (m != 0);
	}
	m = fold(word_free(word_load(&wp[i])), order) &
	    half_mask(0, (last & WORD_MASK) + 1);
	while (m == 0) {
		if (i-- == 0)
			return (false);
		m = fold(word_free(word_load(&wp[i])), order);
	}
	*foundp = i << WORD_SHIFT | log2_floor(m);
	return (true);
}

/*
 * A search through the extents of a window: those that hold an aligned run of
 * 2^order frames, and perhaps n frames (shorter ones may be left out).
 */
struct extent_search {
	struct vm_extmap *es_map;
	unsigned	es_order;
	uint64_t	es_n;
	vm_frame_t	es_low;
	vm_frame_t	es_high;
};

/*
 * Can a block, which is no virgin, be passed over, because no run of n frames
 * touches it?  True only if that is sure.  A run of at most a block's length
 * that lies in more than one block lies in the end of one and the start of the
 * next, or fills a block between, whose neighbours then add up to more than n.
 */
static bool
block_hopeless(const struct vm_extspan *xs, uint64_t b, uint64_t n)
{
	const struct vm_extsum *sum = &xs->xs_sum[b];

	if (n > VM_EXTBLOCK_FRAMES || sum->es_longest >= n)
		return (false);
	if (b == 0 || b == span_nblocks(xs) - 1)
		return (sum->es_start == 0 && sum->es_end == 0);
	return ((unsigned)sum->es_start + block_sum(xs, b - 1)->es_end < n &&
	    (unsigned)sum->es_end + block_sum(xs, b + 1)->es_start < n);
}

/*
 * The first block at or after b that has the order of the search and is not
 * hopeless, as far as that is told by the summaries of written, clean blocks
 * inside a chunk, which are most; of the others, any.
 */
static bool
hopeful_next(const struct extent_search *es, const struct vm_extspan *xs,
    uint64_t *bp)
{
	const struct vm_extsum *sum;
	const uint64_t inner = UINT64_MAX >> 2 << 1;
	const struct vm_extgroup *eg;
	uint64_t b, w, told;

	for (b = *bp; order_next(xs, es->es_order, &b); b = (b | 63) + 1) {
		eg = &xs->xs_group[b >> 6];
		told = atomic_load_explicit(&xs->xs_virgin[b >> 6],
		    memory_order_relaxed) == 0 && es->es_n <=
		    VM_EXTBLOCK_FRAMES ? inner & ~eg->eg_dirty : 0;
		w = eg->eg_order[es->es_order] & UINT64_MAX << (b & 63);
		for (; w != 0; w &= w - 1) {
			b = (b & ~(uint64_t)63) |
			    (unsigned)__builtin_ctzll(w);
			sum = &xs->xs_sum[b];
			if ((told >> (b & 63) & 1) == 0 ||
			    sum->es_longest >= es->es_n ||
			    (unsigned)sum[-1].es_end + sum->es_start >=
			    es->es_n ||
			    (unsigned)sum->es_end + sum[1].es_start >=
			    es->es_n) {
				*bp = b;
				return (true);
			}
			es->es_map->xm_examined += VM_EXTBLOCK_FRAMES;
		}
	}
	return (false);
}

static bool
span_extent_next(const struct extent_search *es, struct vm_extspan *xs,
    vm_frame_t from, vm_frame_t limit, struct vm_extent *ext)
{
	const uint64_t size = (uint64_t)1 << es->es_order;
	uint64_t b;
	vm_frame_t f;
	unsigned found;

	from = align_up(from, size);
	while (from < limit) {
		b = span_block(xs, from);
		if (!hopeful_next(es, xs, &b))
			return (false);
		f = block_first(xs, b);
		if (f >= limit)
			return (false);
		if (f > from)
			from = f;
		es->es_map->xm_examined += VM_EXTBLOCK_FRAMES;
		block_touch(xs, b);
		if (block_hopeless(xs, b, es->es_n) ||
		    !block_first_run(xs, b, es->es_order,
		    (unsigned)(from & BLOCK_MASK), &found)) {
			block_clean(xs, b);
			from = f + VM_EXTBLOCK_FRAMES;
			continue;
		}
		f += found;
		if (f + size > limit)
			return (false);
		ext->e_state = VM_FRAME_FREE;
		ext->e_start = run_start(es->es_map, f, es->es_low);
		ext->e_end = run_end(es->es_map, f + size, es->es_high);
		if (ext->e_end - ext->e_start >= es->es_n)
			return (true);
		from = align_up(ext->e_end, size);
	}
	return (false);
}

static bool
span_extent_prev(const struct extent_search *es, struct vm_extspan *xs,
    vm_frame_t from, vm_frame_t limit, struct vm_extent *ext)
{
	const uint64_t size = (uint64_t)1 << es->es_order;
	uint64_t b;
	vm_frame_t f;
	unsigned found, end;

	while (limit > from) {
		b = span_block(xs, limit - 1);
		if (!order_prev(xs, es->es_order, &b))
			return (false);
		f = block_first(xs, b);
		if (f + VM_EXTBLOCK_FRAMES <= from)
			return (false);
		end = limit - f < VM_EXTBLOCK_FRAMES ?
		    (unsigned)(limit - f) : VM_EXTBLOCK_FRAMES;
		es->es_map->xm_examined += VM_EXTBLOCK_FRAMES;
		block_touch(xs, b);
		if (block_hopeless(xs, b, es->es_n) ||
		    !block_last_run(xs, b, es->es_order, end, &found)) {
			block_clean(xs, b);
			limit = f;
			continue;
		}
		f += found;
		if (f < from)
			return (false);
		ext->e_state = VM_FRAME_FREE;
		ext->e_start = run_start(es->es_map, f, es->es_low);
		ext->e_end = run_end(es->es_map, f + size, es->es_high);
		if (ext->e_end - ext->e_start >= es->es_n)
			return (true);
		limit = ext->e_start;
	}
	return (false);
}

/* The first extent of the search that lies at or after from. */
static bool
extent_next(struct extent_search *es, vm_frame_t from, struct vm_extent *ext)
{
	struct vm_extspan *xs, *end;
	vm_frame_t lo, hi;

	xs = es->es_map->xm_span;
	end = xs + es->es_map->xm_nspans;
	for (; xs < end && xs->xs_first < es->es_high; xs++) {
		lo = frame_max(from, xs->xs_first);
		hi = frame_min(es->es_high, span_end(xs));
		if (lo < hi && span_extent_next(es, xs, lo, hi, ext))
			return (true);
	}
	return (false);
}

/* The last extent of the search that lies before limit. */
static bool
extent_prev(struct extent_search *es, vm_frame_t limit, struct vm_extent *ext)
{
	struct vm_extspan *xs;
	vm_frame_t lo, hi;
	unsigned i;

	for (i = es->es_map->xm_nspans; i-- > 0;) {
		xs = &es->es_map->xm_span[i];
		lo = frame_max(es->es_low, xs->xs_first);
		hi = frame_min(limit, span_end(xs));
		if (lo < hi && span_extent_prev(es, xs, lo, hi, ext))
			return (true);
	}
	return (false);
}

bool
vm_extmap_next(struct vm_extmap *map, uint64_t n, vm_frame_t from,
    vm_frame_t limit, struct vm_extent *ext)
{
	unsigned order = log2_floor(n + 1) - 1;
	struct extent_search es = {
		.es_map = map,
		.es_order = order < MAXORDER ? order : MAXORDER,
		.es_n = n, .es_low = from, .es_high = limit
	};

	return (extent_next(&es, from, ext));
}

/*
 * The order that every run that satisfies the request contains, as said above.
 */
static unsigned
request_order(const struct vm_extreq *req)
{
	unsigned any = log2_floor(req->er_npages + 1) - 1;
	unsigned aligned = log2_floor(frame_min(req->er_npages,
	    req->er_align));
	unsigned k = any > aligned ? any : aligned;

	return (k < MAXORDER ? k : MAXORDER);
}

static bool
find_first(struct extent_search *es, const struct vm_extreq *req,
    vm_frame_t *startp)
{
	vm_frame_t from = es->es_low;
	struct vm_extent ext;

	for (; extent_next(es, from, &ext); from = ext.e_end) {
		if (vm_extmap_fit(req, ext.e_start, ext.e_end, false, startp))
			return (true);
	}
	return (false);
}

/*
 * Natural requests: a power of two, at most a block, aligned to itself.  No
 * boundary that is wide enough for one is in its way, so the first aligned run
 * of that order is the answer.
 */
static bool
natural_in_span(struct vm_extmap *map, struct vm_extspan *xs, unsigned order,
    vm_frame_t low, vm_frame_t high, vm_frame_t *startp)
{
	vm_frame_t size = (vm_frame_t)1 << order, from, f;
	bool first = true;
	unsigned found;
	uint64_t b;

	from = align_up(frame_max(low, xs->xs_first), size);
	high = frame_min(high, span_end(xs));
	for (; from + size <= high; from = f + VM_EXTBLOCK_FRAMES) {
		b = span_block(xs, from);
		if (!order_next(xs, order, &b))
			break;
		f = block_first(xs, b);
		from = frame_max(from, f);
		if (from >= high)
			break;
		if (first)
			block_prefetch(xs, b);
		first = false;
		map->xm_examined += VM_EXTBLOCK_FRAMES;
		block_touch(xs, b);
		if (block_first_run(xs, b, order, (unsigned)(from - f),
		    &found)) {
			*startp = f + found;
			return (f + found + size <= high);
		}
		block_clean(xs, b);
	}
	return (false);
}

static bool
find_natural(struct vm_extmap *map, unsigned order, vm_frame_t low,
    vm_frame_t high, vm_frame_t *startp)
{
	unsigned i;

	for (i = 0; i < map->xm_nspans; i++) {
		if (natural_in_span(map, &map->xm_span[i], order, low, high,
		    startp))
			return (true);
	}
	return (false);
}

/*
 * Small requests, of at most a word.  Whether they fit is decided for all 32
 * frames of a word at once: a start fits if it and the n - 1 frames behind it
 * are free, which takes log2 n shifts of the word and the one behind it.  So
 * a map full of extents that are long enough, but in the wrong places, costs
 * no more than any other.
 */
struct small_search {
	const struct extent_search *ss_es;
	const struct vm_extreq *ss_req;
	unsigned	ss_nshift;
	unsigned	ss_shift[WORD_SHIFT];
	uint32_t	ss_aligned;	/* starts in a word, by alignment */
	int64_t		ss_next;	/* words before that one are done */
};

static void
small_init(struct small_search *ss, const struct extent_search *es,
    const struct vm_extreq *req)
{
	static const uint32_t aligned[] = {
		0xffffffff, 0x55555555, 0x11111111, 0x01010101, 0x00010001, 1
	};
	unsigned have, more, n = (unsigned)req->er_npages;
	unsigned k = log2_floor(req->er_align);

	ss->ss_es = es;
	ss->ss_req = req;
	ss->ss_nshift = 0;
	for (have = 1; have < n; have += more) {
		more = have < n - have ? have : n - have;
		ss->ss_shift[ss->ss_nshift++] = more;
	}
	ss->ss_aligned = aligned[k < WORD_SHIFT ? k : WORD_SHIFT];
}

/* The free frames of word w of a span; before and behind it, of others. */
static uint32_t
free_at(const struct vm_extmap *map, const struct vm_extspan *xs, int64_t w)
{
	vm_frame_t first;

	if (w < 0 && xs->xs_first == 0)
		return (0);
	first = xs->xs_first + (uint64_t)w * VM_EXTWORD_FRAMES;
	if (w < 0 || first >= span_end(xs))
		xs = vm_extmap_span(map, first);
	return (xs == NULL ? 0 : word_free(frame_word(xs, first)));
}

/*
 * The starts in a word where size and alignment within a word are met.  The
 * number of shifts is a constant wherever this counts.
 */
static inline uint32_t
small_starts(const struct small_search *ss, const unsigned nshift,
    uint32_t here, uint32_t next)
{
	uint64_t isfree = (uint64_t)next << 32 | here;
	unsigned i;

	for (i = 0; i < nshift; i++)
		isfree &= isfree >> ss->ss_shift[i];
	return ((uint32_t)isfree & ss->ss_aligned);
}

/* The first of those that is right in all.  => false: none is. */
static bool
small_first(const struct small_search *ss, vm_frame_t first, uint32_t starts,
    vm_frame_t *startp)
{
	vm_frame_t f;

	for (; starts != 0; starts &= starts - 1) {
		f = first + (unsigned)__builtin_ctz(starts);
		if (f < ss->ss_es->es_low ||
		    f + ss->ss_req->er_npages > ss->ss_es->es_high ||
		    (f & (ss->ss_req->er_align - 1)) != 0 ||
		    crosses_boundary(ss->ss_req, f))
			continue;
		*startp = f;
		return (true);
	}
	return (false);
}

/* In the words of a block, with that which follows. */
static inline bool
small_in_words(const struct small_search *ss, const unsigned nshift,
    const uint32_t isfree[BLOCK_WORDS + 1], vm_frame_t first,
    vm_frame_t *startp)
{
	uint32_t starts[BLOCK_WORDS], any = 0;
	unsigned i;

	/* Without a branch, so that several words go at once. */
	for (i = 0; i < BLOCK_WORDS; i++) {
		starts[i] = small_starts(ss, nshift, isfree[i],
		    isfree[i + 1]);
		any |= starts[i];
	}
	for (i = 0; any != 0 && i < BLOCK_WORDS; i++) {
		if (starts[i] != 0 && small_first(ss,
		    first + i * VM_EXTWORD_FRAMES, starts[i], startp))
			return (true);
	}
	return (false);
}

/*
 * In a block whose order bit is set, and in the last word before it, from
 * which a run may reach into the block.
 */
static bool
small_in_block(struct small_search *ss, const struct vm_extspan *xs,
    uint64_t b, vm_frame_t *startp)
{
	const vm_extword_t *wp = &xs->xs_word[b * BLOCK_WORDS];
	vm_frame_t first = block_first(xs, b);
	int64_t w = (int64_t)(b * BLOCK_WORDS);
	uint32_t isfree[BLOCK_WORDS + 1], starts;
	unsigned i;

	for (i = 0; i < BLOCK_WORDS; i++)
		isfree[i] = word_free(word_load(&wp[i]));
	isfree[i] = free_at(ss->ss_es->es_map, xs, w + BLOCK_WORDS);
	if (ss->ss_next < w) {
		starts = small_starts(ss, ss->ss_nshift,
		    free_at(ss->ss_es->es_map, xs, w - 1), isfree[0]);
		if (starts != 0 && small_first(ss, first - VM_EXTWORD_FRAMES,
		    starts, startp))
			return (true);
	}
	ss->ss_next = w + BLOCK_WORDS;
	switch (ss->ss_nshift) {
	case 1:
		return (small_in_words(ss, 1, isfree, first, startp));
	case 2:
		return (small_in_words(ss, 2, isfree, first, startp));
	case 3:
		return (small_in_words(ss, 3, isfree, first, startp));
	default:
		return (small_in_words(ss, ss->ss_nshift, isfree, first,
		    startp));
	}
}

static bool
small_in_span(struct small_search *ss, struct vm_extspan *xs,
    vm_frame_t *startp)
{
	const struct extent_search *es = ss->ss_es;
	vm_frame_t low = frame_max(es->es_low, xs->xs_first);
	vm_frame_t high = frame_min(es->es_high, span_end(xs));
	uint64_t b;

	if (low >= high)
		return (false);
	ss->ss_next = -1;
	for (b = span_block(xs, low); order_next(xs, es->es_order, &b) &&
	    block_first(xs, b) < high; b++) {
		es->es_map->xm_examined += VM_EXTBLOCK_FRAMES;
		if (ss->ss_next == -1)
			block_prefetch(xs, b);
		block_touch(xs, b);
		if (!block_hopeless(xs, b, es->es_n) &&
		    small_in_block(ss, xs, b, startp))
			return (true);
		block_clean(xs, b);
		if (b + 1 == span_nblocks(xs))
			break;
	}
	return (false);
}

static bool
find_small(const struct extent_search *es, const struct vm_extreq *req,
    vm_frame_t *startp)
{
	struct small_search ss;
	unsigned i;

	small_init(&ss, es, req);
	for (i = 0; i < es->es_map->xm_nspans; i++) {
		if (small_in_span(&ss, &es->es_map->xm_span[i], startp))
			return (true);
	}
	return (false);
}

static bool
find_last(struct extent_search *es, const struct vm_extreq *req,
    vm_frame_t *startp)
{
	vm_frame_t limit = es->es_high;
	struct vm_extent ext;

	for (; extent_prev(es, limit, &ext); limit = ext.e_start) {
		if (vm_extmap_fit(req, ext.e_start, ext.e_end, true, startp))
			return (true);
	}
	return (false);
}

static bool
find_best(struct extent_search *es, const struct vm_extreq *req,
    vm_frame_t *startp)
{
	vm_frame_t from = es->es_low, start;
	uint64_t size = UINT64_MAX;
	struct vm_extent ext;

	for (; size > req->er_npages && extent_next(es, from, &ext);
	    from = ext.e_end) {
		if (ext.e_end - ext.e_start < size && vm_extmap_fit(req,
		    ext.e_start, ext.e_end, false, &start)) {
			size = ext.e_end - ext.e_start;
			*startp = start;
		}
	}
	return (size != UINT64_MAX);
}

static bool
find_next(struct extent_search *es, const struct vm_extreq *req,
    vm_frame_t *startp)
{
	vm_frame_t low = es->es_low, next = es->es_map->xm_next;

	if (next > low && next < es->es_high) {
		es->es_low = next;
		if (find_first(es, req, startp))
			return (true);
		es->es_low = low;
	}
	return (find_first(es, req, startp));
}

static bool
find_exact(const struct extent_search *es, const struct vm_extreq *req,
    vm_frame_t *startp)
{
	vm_frame_t end = es->es_low + req->er_npages;

	return (vm_extmap_fit(req, es->es_low, end, false, startp) &&
	    run_end(es->es_map, es->es_low, end) == end);
}

bool
vm_extmap_lacks(const struct vm_extmap *map, const struct vm_extreq *req)
{
	const struct vm_extspan *xs, *end = map->xm_span + map->xm_nspans;
	unsigned k = request_order(req);
	vm_frame_t low, high;
	uint64_t b;

	for (xs = map->xm_span; xs < end; xs++) {
		if (xs->xs_nblocks[k] == 0)
			continue;
		if (req->er_high - req->er_low > VM_EXTCHUNK_FRAMES)
			return (false);		/* a search tells soon */
		low = frame_max(req->er_low, xs->xs_first);
		high = frame_min(req->er_high, span_end(xs));
		if (low >= high)
			continue;
		b = span_block(xs, low);
		if (order_next(xs, k, &b) && block_first(xs, b) < high)
			return (false);
	}
	return (true);
}

static bool
find_general(struct vm_extmap *map, const struct vm_extreq *req,
    unsigned order, vm_frame_t high, vm_frame_t *startp)
{
	struct extent_search es = {
		.es_map = map, .es_order = order, .es_n = req->er_npages,
		.es_low = req->er_low, .es_high = high
	};

	switch (req->er_policy) {
	case VM_POLICY_LOWEST:
		return (req->er_npages <= VM_EXTWORD_FRAMES ?
		    find_small(&es, req, startp) :
		    find_first(&es, req, startp));
	case VM_POLICY_HIGHEST:
		return (find_last(&es, req, startp));
	case VM_POLICY_BEST:
		return (find_best(&es, req, startp));
	case VM_POLICY_NEXT:
		return (find_next(&es, req, startp));
	case VM_POLICY_EXACT:
		return (find_exact(&es, req, startp));
	}
	return (false);
}

bool
vm_extmap_find(struct vm_extmap *map, const struct vm_extreq *req,
    vm_frame_t *startp)
{
	vm_frame_t high = frame_min(req->er_high, VM_FRAME_END);
	unsigned order = request_order(req);

	KASSERT(req->er_npages > 0 && req->er_align > 0);
	if (req->er_low >= high || high - req->er_low < req->er_npages ||
	    map->xm_nfree < req->er_npages)
		return (false);
	if (req->er_npages == (uint64_t)1 << order &&
	    req->er_align == req->er_npages &&
	    req->er_policy == VM_POLICY_LOWEST)
		return (find_natural(map, order, req->er_low, high, startp));
	return (find_general(map, req, order, high, startp));
}

/*
 * Fresh frames.
 */

/* The frames of a frame's word that were used. */
static uint32_t
used_word(const struct vm_extspan *xs, vm_frame_t frame)
{
	uint64_t b;

	if (xs == NULL || xs->xs_used == NULL)
		return (UINT32_MAX);
	b = span_block(xs, frame);
	if (block_virgin(xs, b))
		return (virgin_free(xs, b) ? 0 : UINT32_MAX);
	return (xs->xs_used[(frame - xs->xs_first) >> WORD_SHIFT]);
}

/*
 * The first frame in [from, limit) that was used, or was not, as asked.
 */
static vm_frame_t
used_next(const struct vm_extmap *map, vm_frame_t from, vm_frame_t limit,
    bool used)
{
	const struct vm_extspan *xs = NULL;
	uint32_t w;

	while (from < limit) {
		if (xs == NULL || from >= span_end(xs))
			xs = vm_extmap_span(map, from);
		w = used_word(xs, from);
		w = (used ? w : ~w) & UINT32_MAX << (from & WORD_MASK);
		from = align_down(from, VM_EXTWORD_FRAMES);
		if (w != 0)
			return (frame_min(limit,
			    from + (unsigned)__builtin_ctz(w)));
		from += VM_EXTWORD_FRAMES;
	}
	return (limit);
}

bool
vm_extmap_next_fresh(struct vm_extmap *map, uint64_t n, vm_frame_t from,
    vm_frame_t limit, struct vm_extent *ext)
{
	vm_frame_t start, end;

	for (; vm_extmap_next(map, n, from, limit, ext); from = ext->e_end) {
		for (end = ext->e_start; end < ext->e_end;) {
			start = used_next(map, end, ext->e_end, false);
			end = used_next(map, start, ext->e_end, true);
			if (end - start >= n) {
				ext->e_start = start;
				ext->e_end = end;
				return (true);
			}
		}
	}
	return (false);
}
