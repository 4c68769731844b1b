/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The extent map.
 *
 * 1. One map.  All managed memory, whatever its free list or segment, is in
 * one map, because a run may reach over the border of two lists or of two
 * segments that touch; a map for each segment misses such runs.  Storage comes
 * in spans, each over contiguous whole chunks (of 64 blocks of 512 frames).
 * Frames of a span that are no memory are "absent": each looks like an
 * allocation of one frame, so no search finds it, the length of an allocation
 * before it ends there, and there is no further state.
 *
 * 2. State.  Two bits a frame, 32 frames a word.  The first bits lie in the
 * upper half and the second bits in the lower half of the word, so that the
 * free frames of a word are ~(w | w >> 32), and a range is changed with one
 * mask.
 *
 * 3. Summary.  Over each block lie {longest, start, end, free}, and a bit for
 * each order k: "this block may hold a naturally aligned free run of 2^k
 * frames".  The bits of the 64 blocks of a chunk lie side by side for all
 * orders, since whoever changes one changes its neighbours (ten bitmaps apart
 * made a cold request touch up to twenty lines more); over the words of each
 * order lies a bit for each, and over all a count.  A summary is an upper
 * bound: a free raises it at once, taking frames merely marks the block dirty,
 * and it is brought up to date when a search meets it in vain.  Only the
 * largest order goes at once, which needs no look: the first request for 2
 * MiB that fails then does not have to clean all the blocks of the machine.
 * The number of free frames is always exact.
 *
 * 4. Virgin blocks.  Until something in a block changes, nothing but its bits
 * is written, not even its words.  A start touches 128 bytes for 128 MiB of
 * memory: 21 us from nothing to the first page of 64 GiB, 0.30 ms of 1 TiB;
 * with all words and summaries written it was 0.46 ms and 10 ms (vmbench -w
 * start).  Who looks at a frame of any block asks first; who changes a block,
 * or looks through it, writes it first.
 *
 * 5. Atomicity.  The caller serialises all changes from and to FREE.  Single
 * pages go between HELD and HEAD by compare-and-swap elsewhere at the same
 * time, hence all stores to words that are in use are atomic
 * read-modify-write; but a word all of whose frames are free, or tails, is
 * changed by nobody else, and simply stored: each locked operation is 2 ns.
 * A free frame changes only here, so a set of free frames may be taken by an
 * OR; the first word of an allocation that is released might change, so that
 * is a compare-and-swap; tails change only here again.
 */

#include <vm/vm_extmap_var.h>
#include <vm/vm_kassert.h>

const struct vm_extsum vm_extsum_whole = {
	VM_EXTBLOCK_FRAMES, VM_EXTBLOCK_FRAMES, VM_EXTBLOCK_FRAMES,
	VM_EXTBLOCK_FRAMES
};
const struct vm_extsum vm_extsum_absent;

void
vm_extblock_write(struct vm_extspan *xs, uint64_t b)
{
	bool isfree = virgin_free(xs, b);
	unsigned i;

	for (i = 0; i < BLOCK_WORDS; i++)
		atomic_store_explicit(&xs->xs_word[b * BLOCK_WORDS + i],
		    isfree ? 0 : ABSENT, memory_order_relaxed);
	xs->xs_sum[b] = isfree ? vm_extsum_whole : vm_extsum_absent;
	if (xs->xs_used != NULL)
		memset(&xs->xs_used[b * BLOCK_WORDS], isfree ? 0 : 0xff,
		    BLOCK_WORDS * sizeof(xs->xs_used[0]));
	atomic_fetch_and_explicit(&xs->xs_virgin[b >> 6],
	    ~((uint64_t)1 << (b & 63)), memory_order_release);
}

enum vm_fstate
vm_extmap_state(const struct vm_extmap *map, vm_frame_t frame)
{
	const struct vm_extspan *xs = vm_extmap_span(map, frame);
	uint64_t w;

	if (xs == NULL)
		return (VM_FRAME_HEAD);
	w = frame_word(xs, frame) >> (frame & WORD_MASK);
	return ((enum vm_fstate)((w >> 31 & 2) | (w & 1)));
}

/*
 * Setting up.
 */

void
vm_extmap_init(struct vm_extmap *map)
{

	memset(map, 0, sizeof(*map));
}

psize_t
vm_extmap_metasize(uint64_t nframes)
{
	uint64_t nblocks = nframes >> VM_EXTBLOCK_SHIFT;
	size_t ngroups = bitmap_words(nblocks);

	return ((nframes >> WORD_SHIFT) * sizeof(vm_extword_t) +
	    nblocks * sizeof(struct vm_extsum) +
	    ngroups * sizeof(struct vm_extgroup) +
	    bitmap_words(ngroups) * sizeof(struct vm_exttop) +
	    ngroups * sizeof(uint64_t));
}

/*
 * The pieces of a span's metadata lie one behind the other.  All blocks are
 * virgin, and absent.
 */
static void
span_layout(struct vm_extspan *xs, void *mem)
{
	uint64_t nblocks = span_nblocks(xs);
	size_t ngroups = bitmap_words(nblocks), i;

	xs->xs_group = mem;
	xs->xs_top = (void *)(xs->xs_group + ngroups);
	xs->xs_virgin = (void *)(xs->xs_top + bitmap_words(ngroups));
	xs->xs_sum = (void *)(xs->xs_virgin + ngroups);
	xs->xs_word = (void *)(xs->xs_sum + nblocks);
	KASSERT((uintptr_t)(xs->xs_word + (xs->xs_nframes >> WORD_SHIFT)) -
	    (uintptr_t)mem == vm_extmap_metasize(xs->xs_nframes));
	memset(xs->xs_group, 0, ngroups * sizeof(xs->xs_group[0]));
	memset(xs->xs_top, 0, bitmap_words(ngroups) * sizeof(xs->xs_top[0]));
	for (i = 0; i < ngroups; i++)
		atomic_store_explicit(&xs->xs_virgin[i], UINT64_MAX,
		    memory_order_relaxed);
}

int
vm_extmap_attach(struct vm_extmap *map, vm_frame_t first, uint64_t nframes,
    void *mem)
{
	unsigned i, at = 0;

	if (nframes == 0 || ((first | nframes) & CHUNK_MASK) != 0 ||
	    first >= VM_FRAME_END || nframes > VM_FRAME_END - first)
		return (EINVAL);
	for (i = 0; i < map->xm_nspans; i++) {
		const struct vm_extspan *xs = &map->xm_span[i];

		if (first < span_end(xs) && xs->xs_first < first + nframes)
			return (EINVAL);
		if (xs->xs_first < first)
			at = i + 1;
	}
	if (map->xm_nspans == VM_EXTMAP_SPANS)
		return (ENOSPC);

	for (i = map->xm_nspans; i > at; i--)
		map->xm_span[i] = map->xm_span[i - 1];
	map->xm_nspans++;
	memset(&map->xm_span[at], 0, sizeof(map->xm_span[at]));
	map->xm_span[at].xs_first = first;
	map->xm_span[at].xs_nframes = nframes;
	span_layout(&map->xm_span[at], mem);
	return (0);
}

/*
 * Summaries.
 */

/* Raise a block to an order that it does not have yet. */
static inline void
order_set(struct vm_extspan *xs, unsigned k, uint64_t b)
{

	xs->xs_group[b >> 6].eg_order[k] |= (uint64_t)1 << (b & 63);
	xs->xs_top[b >> 12].et_order[k] |= (uint64_t)1 << (b >> 6 & 63);
	xs->xs_nblocks[k]++;
}

static inline void
order_clear(struct vm_extspan *xs, unsigned k, uint64_t b)
{
	uint64_t *wp = &xs->xs_group[b >> 6].eg_order[k];

	*wp &= ~((uint64_t)1 << (b & 63));
	if (*wp == 0)
		xs->xs_top[b >> 12].et_order[k] &=
		    ~((uint64_t)1 << (b >> 6 & 63));
	xs->xs_nblocks[k]--;
}

/*
 * Raise the orders of a block to at least those of the set.  A block that has
 * an order has all below it, in the bitmaps as in the set.
 */
static inline void
orders_raise(struct vm_extspan *xs, uint64_t b, unsigned orders)
{
	unsigned k = log2_floor(orders | 1) + (orders != 0);

	while (k-- > 0 && !order_test(xs, k, b))
		order_set(xs, k, b);
}

static void
orders_lower(struct vm_extspan *xs, uint64_t b, unsigned orders)
{
	unsigned k;

	for (k = MAXORDER + 1; k-- > 0 && (orders >> k & 1) == 0;) {
		if (order_test(xs, k, b))
			order_clear(xs, k, b);
	}
}

/* The orders of the aligned runs inside [start, end), a run in one block. */
static unsigned
run_orders(vm_frame_t start, vm_frame_t end)
{
	unsigned k = log2_floor(end - start);

	if (align_up(start, (uint64_t)1 << k) + ((uint64_t)1 << k) > end)
		k--;
	return (ORDERS_UPTO(k));
}

/* What scanning the words of a block tells. */
struct block_scan {
	struct vm_extsum bs_sum;
	unsigned	bs_orders;
};

static inline unsigned
longest_ones(uint32_t m)
{
	unsigned n;

	for (n = 0; m != 0; n++)
		m &= m >> 1;
	return (n);
}

static void
block_scan(const struct vm_extspan *xs, uint64_t b, struct block_scan *bs)
{
	const vm_extword_t *wp = &xs->xs_word[b * BLOCK_WORDS];
	uint32_t folded[WORD_SHIFT] = { 0 }, full = 0, m;
	unsigned i, k, run = 0, longest = 0, nfree = 0, start = 0;
	bool first = true;

	for (i = 0; i < BLOCK_WORDS; i++) {
		m = word_free(word_load(&wp[i]));
		if (m == UINT32_MAX) {
			full |= 1U << i;
			run += VM_EXTWORD_FRAMES;
			nfree += VM_EXTWORD_FRAMES;
			continue;
		}
		run += (unsigned)__builtin_ctz(~m);
		if (first)
			start = run;
		first = false;
		if (run > longest)
			longest = run;
		run = (unsigned)__builtin_clz(~m);
		if (m == 0)
			continue;
		nfree += (unsigned)__builtin_popcount(m);
		if (longest < VM_EXTWORD_FRAMES) {
			k = longest_ones(m);
			if (k > longest)
				longest = k;
		}
		for (k = 0; k < WORD_SHIFT && m != 0; k++) {
			folded[k] |= m;
			m = fold_step(m, k);
		}
	}
	if (first)
		start = run;
	if (run > longest)
		longest = run;
	bs->bs_sum.es_longest = (uint16_t)longest;
	bs->bs_sum.es_start = (uint16_t)start;
	bs->bs_sum.es_end = (uint16_t)run;
	bs->bs_sum.es_free = (uint16_t)nfree;

	bs->bs_orders = 0;
	for (k = 0; k < WORD_SHIFT; k++)
		bs->bs_orders |= (folded[k] != 0 || full != 0 ? 1U : 0U) << k;
	for (k = WORD_SHIFT; k <= MAXORDER; k++)
		bs->bs_orders |=
		    (fold(full, k - WORD_SHIFT) != 0 ? 1U : 0U) << k;
}

void
vm_extblock_summarise(struct vm_extspan *xs, uint64_t b)
{
	struct block_scan bs;

	block_scan(xs, b, &bs);
	xs->xs_sum[b] = bs.bs_sum;
	orders_raise(xs, b, bs.bs_orders);
	orders_lower(xs, b, bs.bs_orders);
	xs->xs_group[b >> 6].eg_dirty &= ~((uint64_t)1 << (b & 63));
}

/* Widen [*startp, *endp), free, to the run in its block. */
static void
block_run(const struct vm_extspan *xs, uint64_t b, unsigned *startp,
    unsigned *endp)
{

	if (*endp < VM_EXTBLOCK_FRAMES)
		*endp = block_run_end(xs, b, *endp, false);
	if (*startp > 0)
		*startp = block_run_start(xs, b, *startp, false);
}

/*
 * Frames [pos, pos + n) of a block have become free: raise its summary.
 */
static void
block_freed(struct vm_extspan *xs, uint64_t b, unsigned pos, unsigned n)
{
	struct vm_extsum *sum = &xs->xs_sum[b];
	unsigned start = pos, end = pos + n;

	sum->es_free = (uint16_t)(sum->es_free + n);
	block_run(xs, b, &start, &end);
	if (start == 0)
		sum->es_start = (uint16_t)end;
	if (end == VM_EXTBLOCK_FRAMES)
		sum->es_end = (uint16_t)(end - start);
	if (end - start > sum->es_longest)
		sum->es_longest = (uint16_t)(end - start);
	/* Mostly the block has a run as long as that. */
	if (!order_test(xs, log2_floor(end - start), b))
		orders_raise(xs, b, run_orders(start, end));
}

/* n frames of a block are no longer free. */
static void
block_taken(struct vm_extspan *xs, uint64_t b, unsigned n)
{
	struct vm_extsum *sum = &xs->xs_sum[b];

	KASSERT(sum->es_free >= n);
	sum->es_free = (uint16_t)(sum->es_free - n);
	if (sum->es_free == 0) {
		vm_extblock_summarise(xs, b);
		return;
	}
	xs->xs_group[b >> 6].eg_dirty |= (uint64_t)1 << (b & 63);
	/* What is no longer whole needs no look. */
	if (order_test(xs, MAXORDER, b))
		order_clear(xs, MAXORDER, b);
}

/*
 * Apply a function to the parts of [start, end) in each block.
 */
static void
for_blocks(struct vm_extmap *map, vm_frame_t start, vm_frame_t end,
    void (*fn)(struct vm_extspan *, uint64_t, unsigned, unsigned))
{
	struct vm_extspan *xs = NULL;
	vm_frame_t stop;

	for (; start < end; start = stop) {
		if (xs == NULL || start >= span_end(xs))
			xs = vm_extmap_span(map, start);
		KASSERT(xs != NULL);
		stop = align_down(start, VM_EXTBLOCK_FRAMES) +
		    VM_EXTBLOCK_FRAMES;
		if (stop > end)
			stop = end;
		fn(xs, span_block(xs, start), (unsigned)(start & BLOCK_MASK),
		    (unsigned)(stop - start));
	}
}

/*
 * Change the state bits of [start, end): first clear, then set, each being a
 * pair of half-word selectors (0 or all ones).
 */
static void
range_change(struct vm_extmap *map, vm_frame_t start, vm_frame_t end,
    uint64_t clear, uint64_t set)
{
	struct vm_extspan *xs = NULL;
	vm_frame_t stop;
	uint64_t mask;

	for (; start < end; start = stop) {
		if (xs == NULL || start >= span_end(xs))
			xs = vm_extmap_span(map, start);
		KASSERT(xs != NULL);
		block_touch(xs, span_block(xs, start));
		stop = align_down(start, VM_EXTWORD_FRAMES) +
		    VM_EXTWORD_FRAMES;
		if (stop > end)
			stop = end;
		mask = both_halves(half_mask((unsigned)(start & WORD_MASK),
		    (unsigned)(start & WORD_MASK) + (unsigned)(stop - start)));
		/* Of a word that is overwritten whole, nobody changes a bit. */
		if ((mask & clear) == UINT64_MAX) {
			atomic_store_explicit(span_word(xs, start), set,
			    memory_order_release);
			continue;
		}
		if (clear != 0)
			atomic_fetch_and_explicit(span_word(xs, start),
			    ~(mask & clear), memory_order_acq_rel);
		if (set != 0)
			atomic_fetch_or_explicit(span_word(xs, start),
			    mask & set, memory_order_acq_rel);
	}
}

#define	SECOND_BITS	((uint64_t)UINT32_MAX)
#define	FIRST_BITS	((uint64_t)UINT32_MAX << 32)

static void
block_resummarise(struct vm_extspan *xs, uint64_t b, unsigned pos, unsigned n)
{

	(void)pos;
	(void)n;
	vm_extblock_summarise(xs, b);
}

/*
 * Which frames were ever used.
 */

void
vm_extmap_record(struct vm_extspan *xs, uint32_t *bits)
{

	xs->xs_used = bits;
}

static inline void
used_mark(struct vm_extspan *xs, uint64_t word, uint32_t mask)
{

	if (xs->xs_used != NULL)
		xs->xs_used[word] |= mask;
}

/* Set or clear the bits of n frames of a block. */
static void
used_change(struct vm_extspan *xs, uint64_t b, unsigned pos, unsigned n,
    bool used)
{
	unsigned stop, end = pos + n;
	uint32_t mask, *up;

	if (xs->xs_used == NULL)
		return;
	for (; pos < end; pos = stop) {
		stop = (pos | WORD_MASK) + 1;
		if (stop > end)
			stop = end;
		mask = half_mask(pos & WORD_MASK,
		    (pos & WORD_MASK) + stop - pos);
		up = &xs->xs_used[b * BLOCK_WORDS + (pos >> WORD_SHIFT)];
		*up = used ? *up | mask : *up & ~mask;
	}
}

static void
block_used(struct vm_extspan *xs, uint64_t b, unsigned pos, unsigned n)
{

	used_change(xs, b, pos, n, true);
}

static void
block_fresh(struct vm_extspan *xs, uint64_t b, unsigned pos, unsigned n)
{

	used_change(xs, b, pos, n, false);
}

/*
 * A whole block becomes free: no need to look at what it was, or, if it is
 * virgin, to write it.
 */
static void
block_insert(struct vm_extspan *xs, uint64_t b)
{
	unsigned i;

	for (i = 0; i <= MAXORDER; i++) {
		if (!order_test(xs, i, b))
			order_set(xs, i, b);
	}
	if (block_virgin(xs, b))
		return;
	for (i = 0; i < BLOCK_WORDS; i++)
		atomic_store_explicit(&xs->xs_word[b * BLOCK_WORDS + i], 0,
		    memory_order_relaxed);
	xs->xs_sum[b] = vm_extsum_whole;
	xs->xs_group[b >> 6].eg_dirty &= ~((uint64_t)1 << (b & 63));
	if (xs->xs_used != NULL)
		memset(&xs->xs_used[b * BLOCK_WORDS], 0,
		    BLOCK_WORDS * sizeof(xs->xs_used[0]));
}

/* A whole chunk that is virgin, and was absent, becomes free. */
static bool
chunk_insert(struct vm_extspan *xs, uint64_t group)
{
	unsigned k;

	if (atomic_load_explicit(&xs->xs_virgin[group],
	    memory_order_relaxed) != UINT64_MAX ||
	    xs->xs_group[group].eg_order[0] != 0)
		return (false);
	for (k = 0; k <= MAXORDER; k++) {
		xs->xs_group[group].eg_order[k] = UINT64_MAX;
		xs->xs_top[group >> 6].et_order[k] |=
		    (uint64_t)1 << (group & 63);
		xs->xs_nblocks[k] += 64;
	}
	return (true);
}

/* What [start, end) has in one chunk, or in one block of it. */
static vm_frame_t
part_insert(struct vm_extmap *map, struct vm_extspan *xs, vm_frame_t start,
    vm_frame_t end)
{
	vm_frame_t stop = frame_min(end,
	    align_down(start, VM_EXTBLOCK_FRAMES) + VM_EXTBLOCK_FRAMES);

	if ((start & CHUNK_MASK) == 0 && end - start >= VM_EXTCHUNK_FRAMES &&
	    chunk_insert(xs, span_block(xs, start) >> 6)) {
		map->xm_nfree += VM_EXTCHUNK_FRAMES;
		return (start + VM_EXTCHUNK_FRAMES);
	}
	if (stop - start == VM_EXTBLOCK_FRAMES) {
		block_insert(xs, span_block(xs, start));
		map->xm_nfree += VM_EXTBLOCK_FRAMES;
	} else {
		vm_extmap_set(map, start, stop, VM_FRAME_FREE);
		for_blocks(map, start, stop, block_fresh);
	}
	return (stop);
}

void
vm_extmap_insert(struct vm_extmap *map, vm_frame_t start, vm_frame_t end)
{
	struct vm_extspan *xs = NULL;

	while (start < end) {
		if (xs == NULL || start >= span_end(xs))
			xs = vm_extmap_span(map, start);
		KASSERT(xs != NULL);
		start = part_insert(map, xs, start,
		    frame_min(end, span_end(xs)));
	}
}

static uint64_t
span_nfree(const struct vm_extspan *xs)
{
	uint64_t b, n = 0;

	for (b = 0; b < span_nblocks(xs); b++)
		n += block_sum(xs, b)->es_free;
	return (n);
}

/* The free frames of the blocks that [start, end) touches. */
static uint64_t
blocks_nfree(const struct vm_extmap *map, vm_frame_t start, vm_frame_t end)
{
	const struct vm_extspan *xs;
	vm_frame_t f;
	uint64_t n = 0;

	for (f = align_down(start, VM_EXTBLOCK_FRAMES); f < end;
	    f += VM_EXTBLOCK_FRAMES) {
		xs = vm_extmap_span(map, f);
		KASSERT(xs != NULL);
		n += block_sum(xs, span_block(xs, f))->es_free;
	}
	return (n);
}

void
vm_extmap_set(struct vm_extmap *map, vm_frame_t start, vm_frame_t end,
    enum vm_fstate state)
{

	if (start >= end)
		return;
	map->xm_nfree -= blocks_nfree(map, start, end);
	switch (state) {
	case VM_FRAME_FREE:
		range_change(map, start, end, UINT64_MAX, 0);
		break;
	case VM_FRAME_HELD:
		range_change(map, start, end, FIRST_BITS, SECOND_BITS);
		break;
	case VM_FRAME_HEAD:
		/* A head without its tails would be a page to be freed. */
		range_change(map, start + 1, end, SECOND_BITS, FIRST_BITS);
		range_change(map, start, start + 1, 0, UINT64_MAX);
		break;
	case VM_FRAME_TAIL:
		range_change(map, start, end, SECOND_BITS, FIRST_BITS);
		break;
	}
	if (state != VM_FRAME_FREE)
		for_blocks(map, start, end, block_used);
	for_blocks(map, start, end, block_resummarise);
	map->xm_nfree += blocks_nfree(map, start, end);
}

int
vm_extmap_load(struct vm_extmap *map, struct vm_extspan *xs,
    const uint64_t *words, size_t nwords)
{
	uint64_t b, end = (nwords + BLOCK_WORDS - 1) / BLOCK_WORDS;
	size_t i;

	if (nwords > xs->xs_nframes >> WORD_SHIFT)
		return (EINVAL);
	map->xm_nfree -= span_nfree(xs);
	for (b = 0; b < end; b++)
		block_touch(xs, b);
	for (i = 0; i < nwords; i++)
		atomic_store_explicit(&xs->xs_word[i], words[i],
		    memory_order_relaxed);
	for (b = 0; b < end; b++)
		vm_extblock_summarise(xs, b);
	map->xm_nfree += span_nfree(xs);
	return (0);
}

/*
 * Changing.
 */

/*
 * Frames [pos, end) of a block, all free, become owned; the first is a head if
 * so said.  From the last word to the first, so that a head never lacks its
 * tails.
 */
static void
block_take(struct vm_extspan *xs, uint64_t b, unsigned pos, unsigned end,
    bool head)
{
	unsigned first = pos >> WORD_SHIFT, i = (end - 1) >> WORD_SHIFT, lo, hi;
	vm_extword_t *wp = &xs->xs_word[b * BLOCK_WORDS];
	uint64_t set;
	uint32_t mask;

	block_touch(xs, b);
	for (;; i--) {
		lo = i == first ? pos & WORD_MASK : 0;
		hi = ((end - 1) >> WORD_SHIFT) == i ?
		    ((end - 1) & WORD_MASK) + 1 : VM_EXTWORD_FRAMES;
		mask = half_mask(lo, hi);
		set = (uint64_t)mask << 32;
		if (head && i == first)
			set |= (uint64_t)1 << lo;
		KASSERT((word_free(word_load(&wp[i])) & mask) == mask);
		/* Nobody else changes a word that is wholly free. */
		if (mask == UINT32_MAX)
			atomic_store_explicit(&wp[i], set,
			    memory_order_release);
		else
			atomic_fetch_or_explicit(&wp[i], set,
			    memory_order_acq_rel);
		used_mark(xs, b * BLOCK_WORDS + i, mask);
		if (i == first)
			break;
	}
	block_taken(xs, b, end - pos);
}

void
vm_extmap_alloc(struct vm_extmap *map, vm_frame_t start, uint64_t n)
{
	struct vm_extspan *xs = NULL;
	vm_frame_t end = start + n, from;

	KASSERT(n > 0);
	map->xm_nfree -= n;
	map->xm_next = end;
	for (; end > start; end = from) {
		if (xs == NULL || end <= xs->xs_first)
			xs = vm_extmap_span(map, end - 1);
		KASSERT(xs != NULL);
		from = frame_max(start,
		    align_down(end - 1, VM_EXTBLOCK_FRAMES));
		block_take(xs, span_block(xs, from),
		    (unsigned)(from & BLOCK_MASK),
		    (unsigned)((end - 1) & BLOCK_MASK) + 1, from == start);
	}
}

/* Tails become free. */
static void
tails_free(struct vm_extmap *map, vm_frame_t start, vm_frame_t end)
{

	range_change(map, start, end, UINT64_MAX, 0);
}

/*
 * Who frees one page, wrongly, without the lock, must not find a head that has
 * no tail in what goes: the first frame is free before those behind it are,
 * and the new head comes when the old one has gone.
 */
void
vm_extmap_trim(struct vm_extmap *map, vm_frame_t start, uint64_t n,
    vm_frame_t start1, uint64_t n1)
{
	vm_frame_t end = start + n, end1 = start1 + n1;

	KASSERT(start <= start1 && n1 > 0 && end1 <= end);
	if (end1 < end)
		tails_free(map, end1, end);
	if (start < start1) {
		range_change(map, start, start + 1, UINT64_MAX, 0);
		range_change(map, start1, start1 + 1, 0, SECOND_BITS);
		tails_free(map, start + 1, start1);
	}
	for_blocks(map, start, start1, block_freed);
	for_blocks(map, end1, end, block_freed);
	map->xm_nfree += n - n1;
}

bool
vm_extmap_release(struct vm_extmap *map, vm_frame_t start, uint64_t n)
{
	struct vm_extspan *xs = vm_extmap_span(map, start);
	vm_extword_t *wp = span_word(xs, start);
	vm_frame_t end = start + n;
	vm_frame_t stop = frame_min(end,
	    align_down(start, VM_EXTWORD_FRAMES) + VM_EXTWORD_FRAMES);
	unsigned bit = (unsigned)(start & WORD_MASK);
	uint64_t head = both_halves((uint32_t)1 << bit), old;
	uint64_t clear = both_halves(half_mask(bit,
	    bit + (unsigned)(stop - start)));

	block_touch(xs, span_block(xs, start));
	old = word_load(wp);
	do {
		if ((old & head) != head)
			return (false);
	} while (!atomic_compare_exchange_weak_explicit(wp, &old,
	    old & ~clear, memory_order_acq_rel, memory_order_relaxed));
	range_change(map, stop, end, UINT64_MAX, 0);
	for_blocks(map, start, end, block_freed);
	map->xm_nfree += n;
	return (true);
}

/*
 * Bits [bit, bit + n) of a word have become free, which now has the free bits
 * given.  Most of these are frames whose neighbours are taken, of which the
 * block has others: those need no more than a look at their own word.
 */
static inline void
word_freed(struct vm_extspan *xs, uint64_t b, unsigned word, unsigned bit,
    unsigned n, uint32_t isfree)
{
	struct vm_extsum *sum = &xs->xs_sum[b];

	if (bit != 0 && bit + n < VM_EXTWORD_FRAMES &&
	    (isfree & ((uint32_t)1 << (bit - 1) | (uint32_t)1 << (bit + n))) ==
	    0 && n <= sum->es_longest && order_test(xs, log2_floor(n), b))
		sum->es_free = (uint16_t)(sum->es_free + n);
	else
		block_freed(xs, b, word * VM_EXTWORD_FRAMES + bit, n);
}

uint32_t
vm_extmap_unhold(struct vm_extmap *map, vm_frame_t first, uint32_t mask)
{
	struct vm_extspan *xs = vm_extmap_span(map, first);
	vm_extword_t *wp;
	uint64_t old, b;
	unsigned bit, n;
	uint32_t freed, m;

	if (xs == NULL)
		return (0);
	b = span_block(xs, first);
	if (block_virgin(xs, b))
		return (0);
	wp = span_word(xs, first);
	old = word_load(wp);
	do {
		freed = (uint32_t)old & ~(uint32_t)(old >> 32) & mask;
		if (freed == 0)
			return (0);
	} while (!atomic_compare_exchange_weak_explicit(wp, &old,
	    old & ~(uint64_t)freed, memory_order_acq_rel,
	    memory_order_relaxed));
	/* From the lowest run of bits on. */
	for (m = freed; m != 0; m &= m + (m & -m)) {
		bit = (unsigned)__builtin_ctz(m);
		n = m >> bit == UINT32_MAX ? VM_EXTWORD_FRAMES :
		    (unsigned)__builtin_ctz(~(m >> bit));
		map->xm_nfree += n;
		word_freed(xs, b, (unsigned)(first & BLOCK_MASK) >> WORD_SHIFT,
		    bit, n, word_free(old & ~(uint64_t)freed));
	}
	return (freed);
}

void
vm_extmap_prefetch(const struct vm_extmap *map, vm_frame_t frame)
{
	const struct vm_extspan *xs = vm_extmap_span(map, frame);

	if (xs == NULL)
		return;
	__builtin_prefetch(span_word(xs, frame), 1);
	__builtin_prefetch(&xs->xs_sum[span_block(xs, frame)], 1);
}

/*
 * Blocks to refill from, by what they are worth to constrained requests: no
 * aligned 64-KiB run (order 4 of 4-KiB frames), no 1-MiB run (order 8), no
 * whole block (order 9), whole.
 */
static const unsigned worth_order[] = { 4, 8, MAXORDER };
#define	WORTH_PART	2		/* any that is not whole */
#define	WORTH_WHOLE	3

/* The first block of least worth that was met. */
struct worth_search {
	unsigned	ws_worth;	/* WORTH_WHOLE + 1: none yet */
	struct vm_extspan *ws_span;
	uint64_t	ws_block;
};

/*
 * In blocks [b, end) of a span: for something of less worth than there is, but
 * not less than least.
 */
static void
worth_in_span(struct worth_search *ws, struct vm_extspan *xs, uint64_t b,
    uint64_t end, unsigned least)
{
	const struct vm_extgroup *eg;
	uint64_t w, of;
	unsigned worth;

	/* If all blocks have an order, none is of the worth without it. */
	while (least < WORTH_WHOLE &&
	    xs->xs_nblocks[worth_order[least]] == xs->xs_nblocks[0])
		least++;
	for (; ws->ws_worth > least && b < end && order_next(xs, 0, &b) &&
	    b < end; b = (b | 63) + 1) {
		eg = &xs->xs_group[b >> 6];
		w = eg->eg_order[0] & UINT64_MAX << (b & 63);
		if (end - (b & ~(uint64_t)63) < 64)
			w &= ((uint64_t)1 << (end & 63)) - 1;
		for (worth = least; w != 0 && worth < ws->ws_worth; worth++) {
			of = worth == WORTH_WHOLE ? w :
			    w & ~eg->eg_order[worth_order[worth]];
			if (of == 0)
				continue;
			ws->ws_worth = worth;
			ws->ws_span = xs;
			ws->ws_block = (b & ~(uint64_t)63) |
			    (unsigned)__builtin_ctzll(of);
		}
	}
}

/* In the spans, in [low, high), whose limits are multiples of a block. */
static void
worth_search(struct worth_search *ws, struct vm_extmap *map, vm_frame_t low,
    vm_frame_t high, unsigned least)
{
	struct vm_extspan *xs, *end = map->xm_span + map->xm_nspans;
	vm_frame_t lo, hi;

	for (xs = map->xm_span; xs < end; xs++) {
		lo = frame_max(low, xs->xs_first);
		hi = frame_min(high, span_end(xs));
		if (lo < hi)
			worth_in_span(ws, xs, span_block(xs, lo),
			    span_block(xs, hi - 1) + 1, least);
	}
}

/*
 * The least worth there is in [low, high), but not less than least, from hint
 * on and then from low.
 */
static void
worth_find(struct worth_search *ws, struct vm_extmap *map, vm_frame_t hint,
    vm_frame_t low, vm_frame_t high, unsigned least)
{

	if (hint < low || hint >= high)
		hint = low;
	ws->ws_worth = WORTH_WHOLE + 1;
	worth_search(ws, map, hint, high, least);
	worth_search(ws, map, low, hint, least);
}

/* The frames of a word that lie in no aligned 64-KiB run. */
static inline uint32_t
fragments(uint32_t isfree)
{
	const uint32_t run = half_mask(0, 16);

	if ((isfree & run) == run)
		isfree &= ~run;
	if ((isfree & ~run) == ~run)
		isfree &= run;
	return (isfree);
}

/*
 * Hold up to want free frames of a block, lowest first; if so said, only those
 * that lie in no aligned 64-KiB run.
 */
static unsigned
block_hold(struct vm_extspan *xs, uint64_t b, vm_frame_t base,
    _Atomic uint32_t *out, unsigned want, bool spare)
{
	vm_extword_t *wp = &xs->xs_word[b * BLOCK_WORDS];
	uint32_t first = (uint32_t)(block_first(xs, b) - base), m, take;
	unsigned n = 0, i;

	block_touch(xs, b);
	for (i = 0; i < BLOCK_WORDS && n < want; i++) {
		m = word_free(word_load(&wp[i]));
		if (spare)
			m = fragments(m);
		for (take = 0; m != 0 && n < want; n++, m &= m - 1) {
			take |= m & -m;
			atomic_store_explicit(&out[n],
			    first + i * VM_EXTWORD_FRAMES +
			    (unsigned)__builtin_ctz(m), memory_order_relaxed);
		}
		if (take == 0)
			continue;
		atomic_fetch_or_explicit(&wp[i], take, memory_order_acq_rel);
		used_mark(xs, b * BLOCK_WORDS + i, take);
	}
	/* Many frames for one summary: the worth of the block stays true. */
	vm_extblock_summarise(xs, b);
	return (n);
}

/*
 * Before a 64-KiB run is broken, what lies between such runs is taken, if a
 * look into a few blocks finds any.
 */
#define	SPARING_LOOKS	8

static unsigned
hold_sparing(struct vm_extmap *map, vm_frame_t *hint, vm_frame_t low,
    vm_frame_t high, vm_frame_t base, _Atomic uint32_t *out, unsigned want)
{
	struct worth_search ws;
	unsigned looks, n;

	if (*hint < low)
		*hint = low;
	for (looks = 0; looks < SPARING_LOOKS && *hint < high; looks++) {
		ws.ws_worth = WORTH_WHOLE;	/* what is whole is not it */
		worth_search(&ws, map, *hint, high, WORTH_PART);
		if (ws.ws_worth != WORTH_PART)
			break;
		*hint = block_first(ws.ws_span, ws.ws_block);
		n = block_hold(ws.ws_span, ws.ws_block, base, out, want,
		    true);
		if (n > 0)
			return (n);
		*hint += VM_EXTBLOCK_FRAMES;
	}
	return (0);
}

unsigned
vm_extmap_hold(struct vm_extmap *map, vm_frame_t *hint, vm_frame_t low,
    vm_frame_t high, vm_frame_t base, _Atomic uint32_t *out, unsigned want)
{
	struct worth_search ws;
	unsigned n = 0;

	KASSERT(((low | high) & BLOCK_MASK) == 0);
	if (want == 0)
		return (0);
	worth_find(&ws, map, *hint, low, high, 0);
	if (ws.ws_worth > WORTH_WHOLE)
		return (0);
	if (ws.ws_worth > 0 && ws.ws_worth <= WORTH_PART)
		n = hold_sparing(map, hint, low, high, base, out, want);
	if (n == 0) {
		*hint = block_first(ws.ws_span, ws.ws_block);
		n = block_hold(ws.ws_span, ws.ws_block, base, out, want,
		    false);
	}
	map->xm_nfree -= n;
	return (n);
}

/*
 * Checking.
 */

static const char *
orders_check(const struct vm_extspan *xs, uint64_t b, unsigned orders,
    bool exact)
{
	unsigned k;
	bool has;

	for (k = 0; k <= MAXORDER; k++) {
		has = order_test(xs, k, b);
		if (!has && (orders >> k & 1) != 0)
			return ("order bit of a block missing");
		if (has && exact && (orders >> k & 1) == 0)
			return ("order bit of a clean block too many");
		if (has && (xs->xs_top[b >> 12].et_order[k] >>
		    (b >> 6 & 63) & 1) == 0)
			return ("order bitmap's index misses a word");
	}
	return (NULL);
}

static const char *
block_check(const struct vm_extspan *xs, uint64_t b)
{
	const struct vm_extsum *sum = &xs->xs_sum[b];
	bool exact = !block_dirty(xs, b);
	struct block_scan bs;

	if (block_virgin(xs, b)) {
		if (!exact)
			return ("block that was never written is dirty");
		return (orders_check(xs, b, virgin_free(xs, b) ?
		    ORDERS_UPTO(MAXORDER) : 0, true));
	}
	block_scan(xs, b, &bs);
	if (sum->es_free != bs.bs_sum.es_free)
		return ("free frames of a block miscounted");
	if (sum->es_longest < bs.bs_sum.es_longest ||
	    sum->es_start < bs.bs_sum.es_start ||
	    sum->es_end < bs.bs_sum.es_end)
		return ("summary of a block too low");
	if (exact && memcmp(sum, &bs.bs_sum, sizeof(*sum)) != 0)
		return ("summary of a clean block too high");
	return (orders_check(xs, b, bs.bs_orders, exact));
}

/* The blocks of each order are as many as counted. */
static const char *
span_check(const struct vm_extspan *xs)
{
	uint64_t i, n;
	unsigned k;

	for (k = 0; k <= MAXORDER; k++) {
		for (i = n = 0; i < bitmap_words(span_nblocks(xs)); i++)
			n += (unsigned)__builtin_popcountll(
			    xs->xs_group[i].eg_order[k]);
		if (n != xs->xs_nblocks[k])
			return ("blocks of an order miscounted");
	}
	return (NULL);
}

const char *
vm_extmap_check(const struct vm_extmap *map, vm_frame_t *where)
{
	const struct vm_extspan *xs;
	uint64_t b, nfree = 0;
	const char *why;
	unsigned i;

	*where = 0;
	for (i = 0; i < map->xm_nspans; i++) {
		xs = &map->xm_span[i];
		for (b = 0; b < span_nblocks(xs); b++) {
			why = block_check(xs, b);
			if (why != NULL) {
				*where = block_first(xs, b);
				return (why);
			}
			nfree += block_sum(xs, b)->es_free;
		}
		why = span_check(xs);
		if (why != NULL) {
			*where = xs->xs_first;
			return (why);
		}
	}
	return (nfree == map->xm_nfree ? NULL : "free frames miscounted");
}
