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
 * 5. Search.  Any run of n frames contains a naturally aligned run of 2^k
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
 *
 * 6. Atomicity.  The caller serialises all changes from and to FREE.  Single
 * pages go between HELD and HEAD by compare-and-swap elsewhere at the same
 * time, hence all stores to words that are in use are atomic
 * read-modify-write; but a word all of whose frames are free, or tails, is
 * changed by nobody else, and simply stored: each locked operation is 2 ns.
 * A free frame changes only here, so a set of free frames may be taken by an
 * OR; the first word of an allocation that is released might change, so that
 * is a compare-and-swap; tails change only here again.
 */

#include <vm/vm_extmap.h>
#include <vm/vm_kassert.h>

#define	WORD_SHIFT	5
#define	WORD_MASK	(VM_EXTWORD_FRAMES - 1)
#define	BLOCK_WORDS	(VM_EXTBLOCK_FRAMES / VM_EXTWORD_FRAMES)
#define	BLOCK_MASK	((uint64_t)VM_EXTBLOCK_FRAMES - 1)
#define	CHUNK_MASK	((uint64_t)VM_EXTCHUNK_FRAMES - 1)
#define	MAXORDER	(VM_EXTMAP_NORDER - 1)

/* A word of absent frames. */
#define	ABSENT		UINT64_MAX

/* Which orders a run or a word has: bit k for order k. */
#define	ORDERS_UPTO(k)	((2U << (k)) - 1)

/*
 * Words.
 */

static inline uint32_t
word_free(uint64_t w)
{

	return ((uint32_t)~(w | w >> 32));
}

/* The frames that are not free; not those that are merely held, if so said. */
static inline uint32_t
word_taken(uint64_t w, bool held)
{

	return ((uint32_t)(w >> 32) | (held ? 0 : (uint32_t)w));
}

static inline uint64_t
word_load(const vm_extword_t *wp)
{

	return (atomic_load_explicit(wp, memory_order_relaxed));
}

/* The bits [from, to) of a half word; 0 <= from < to <= 32. */
static inline uint32_t
half_mask(unsigned from, unsigned to)
{

	return ((UINT32_MAX >> (VM_EXTWORD_FRAMES - (to - from))) << from);
}

static inline uint64_t
both_halves(uint32_t mask)
{

	return ((uint64_t)mask << 32 | mask);
}

static inline unsigned
log2_floor(uint64_t n)
{

	return (63 - (unsigned)__builtin_clzll(n));
}

static inline uint64_t
align_down(uint64_t n, uint64_t align)
{

	return (n & ~(align - 1));
}

static inline uint64_t
align_up(uint64_t n, uint64_t align)
{

	return (align_down(n + align - 1, align));
}

static inline vm_frame_t
frame_max(vm_frame_t a, vm_frame_t b)
{

	return (a > b ? a : b);
}

static inline vm_frame_t
frame_min(vm_frame_t a, vm_frame_t b)
{

	return (a < b ? a : b);
}

/*
 * Spans.
 */

static inline vm_frame_t
span_end(const struct vm_extspan *xs)
{

	return (xs->xs_first + xs->xs_nframes);
}

static inline uint64_t
span_nblocks(const struct vm_extspan *xs)
{

	return (xs->xs_nframes >> VM_EXTBLOCK_SHIFT);
}

static inline uint64_t
span_block(const struct vm_extspan *xs, vm_frame_t frame)
{

	return ((frame - xs->xs_first) >> VM_EXTBLOCK_SHIFT);
}

static inline vm_frame_t
block_first(const struct vm_extspan *xs, uint64_t b)
{

	return (xs->xs_first + (b << VM_EXTBLOCK_SHIFT));
}

static inline vm_extword_t *
span_word(const struct vm_extspan *xs, vm_frame_t frame)
{

	return (&xs->xs_word[(frame - xs->xs_first) >> WORD_SHIFT]);
}

/*
 * Virgin blocks.  Who looks at a word without the caller's lock may meet one
 * that is being written: the bit is cleared behind that.
 */

static inline bool
block_virgin(const struct vm_extspan *xs, uint64_t b)
{

	return ((atomic_load_explicit(&xs->xs_virgin[b >> 6],
	    memory_order_acquire) >> (b & 63) & 1) != 0);
}

/* Is a virgin block free, or absent? */
static inline bool
virgin_free(const struct vm_extspan *xs, uint64_t b)
{

	return ((xs->xs_group[b >> 6].eg_order[0] >> (b & 63) & 1) != 0);
}

static const struct vm_extsum whole_sum = {
	VM_EXTBLOCK_FRAMES, VM_EXTBLOCK_FRAMES, VM_EXTBLOCK_FRAMES,
	VM_EXTBLOCK_FRAMES
};
static const struct vm_extsum absent_sum;

static inline const struct vm_extsum *
block_sum(const struct vm_extspan *xs, uint64_t b)
{

	if (block_virgin(xs, b))
		return (virgin_free(xs, b) ? &whole_sum : &absent_sum);
	return (&xs->xs_sum[b]);
}

/* The word of a frame, of any block. */
static inline uint64_t
frame_word(const struct vm_extspan *xs, vm_frame_t frame)
{
	uint64_t b = span_block(xs, frame);

	if (block_virgin(xs, b))
		return (virgin_free(xs, b) ? 0 : ABSENT);
	return (word_load(span_word(xs, frame)));
}

static __attribute__((noinline)) void
block_write(struct vm_extspan *xs, uint64_t b)
{
	bool isfree = virgin_free(xs, b);
	unsigned i;

	for (i = 0; i < BLOCK_WORDS; i++)
		atomic_store_explicit(&xs->xs_word[b * BLOCK_WORDS + i],
		    isfree ? 0 : ABSENT, memory_order_relaxed);
	xs->xs_sum[b] = isfree ? whole_sum : absent_sum;
	if (xs->xs_used != NULL)
		memset(&xs->xs_used[b * BLOCK_WORDS], isfree ? 0 : 0xff,
		    BLOCK_WORDS * sizeof(xs->xs_used[0]));
	atomic_fetch_and_explicit(&xs->xs_virgin[b >> 6],
	    ~((uint64_t)1 << (b & 63)), memory_order_release);
}

/*
 * All that a search and an allocation look at of a block: each is a miss that
 * depends on the bitmaps, but not on another.
 */
static inline void
block_prefetch(const struct vm_extspan *xs, uint64_t b)
{
	const vm_extword_t *wp = &xs->xs_word[b * BLOCK_WORDS];

	__builtin_prefetch(wp, 1);
	__builtin_prefetch(wp + BLOCK_WORDS / 2, 1);
	__builtin_prefetch(&xs->xs_sum[b], 1);
	if (xs->xs_used != NULL)
		__builtin_prefetch(&xs->xs_used[b * BLOCK_WORDS], 1);
}

/* Whoever changes a block, or looks through its words, writes it first. */
static inline void
block_touch(struct vm_extspan *xs, uint64_t b)
{

	if (block_virgin(xs, b))
		block_write(xs, b);
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

/* Words in a bitmap with that many bits. */
static size_t
bitmap_words(uint64_t nbits)
{

	return ((size_t)((nbits + 63) / 64));
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

static inline bool
order_test(const struct vm_extspan *xs, unsigned k, uint64_t b)
{

	return ((xs->xs_group[b >> 6].eg_order[k] >> (b & 63) & 1) != 0);
}

static inline bool
block_dirty(const struct vm_extspan *xs, uint64_t b)
{

	return ((xs->xs_group[b >> 6].eg_dirty >> (b & 63) & 1) != 0);
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

/*
 * Of the starts of naturally aligned runs of 2^k set bits in 32, those that
 * start one of 2^(k+1); k from 0 to 4.
 */
static inline uint32_t
fold_step(uint32_t starts, unsigned k)
{
	static const uint32_t aligned[] = {
		0x55555555, 0x11111111, 0x01010101, 0x00010001, 0x00000001
	};

	return (starts & starts >> (1U << k) & aligned[k]);
}

/* The starts of naturally aligned runs of 2^k set bits, k from 0 to 5. */
static inline uint32_t
fold(uint32_t m, unsigned k)
{
	unsigned i;

	for (i = 0; i < k; i++)
		m = fold_step(m, i);
	return (m);
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

static void
block_summarise(struct vm_extspan *xs, uint64_t b)
{
	struct block_scan bs;

	block_scan(xs, b, &bs);
	xs->xs_sum[b] = bs.bs_sum;
	orders_raise(xs, b, bs.bs_orders);
	orders_lower(xs, b, bs.bs_orders);
	xs->xs_group[b >> 6].eg_dirty &= ~((uint64_t)1 << (b & 63));
}

/*
 * A search met a block in vain: if its summary was too high, it shall not be
 * met again.
 */
static inline void
block_clean(struct vm_extspan *xs, uint64_t b)
{

	if (block_dirty(xs, b))
		block_summarise(xs, b);
}

/*
 * The first frame at or after pos of a block that is not free; held ones count
 * as free if so said.  VM_EXTBLOCK_FRAMES: all are free.
 */
static inline unsigned
block_run_end(const struct vm_extspan *xs, uint64_t b, unsigned pos,
    bool held)
{
	const vm_extword_t *wp = &xs->xs_word[b * BLOCK_WORDS];
	unsigned i = pos >> WORD_SHIFT;
	uint32_t taken;

	if (block_virgin(xs, b))
		return (virgin_free(xs, b) ? VM_EXTBLOCK_FRAMES : pos);
	if (pos == 0 && xs->xs_sum[b].es_free == VM_EXTBLOCK_FRAMES)
		return (VM_EXTBLOCK_FRAMES);
	taken = word_taken(word_load(&wp[i]), held) &
	    UINT32_MAX << (pos & WORD_MASK);
	while (taken == 0 && ++i < BLOCK_WORDS)
		taken = word_taken(word_load(&wp[i]), held);
	return (taken == 0 ? VM_EXTBLOCK_FRAMES :
	    i << WORD_SHIFT | (unsigned)__builtin_ctz(taken));
}

/*
 * The frame behind the last frame before end (1 to 512) of a block that is not
 * free; 0: all are free.
 */
static inline unsigned
block_run_start(const struct vm_extspan *xs, uint64_t b, unsigned end,
    bool held)
{
	const vm_extword_t *wp = &xs->xs_word[b * BLOCK_WORDS];
	unsigned i = (end - 1) >> WORD_SHIFT;
	uint32_t taken;

	if (block_virgin(xs, b))
		return (virgin_free(xs, b) ? 0 : end);
	if (end == VM_EXTBLOCK_FRAMES &&
	    xs->xs_sum[b].es_free == VM_EXTBLOCK_FRAMES)
		return (0);
	taken = word_taken(word_load(&wp[i]), held) &
	    half_mask(0, ((end - 1) & WORD_MASK) + 1);
	while (taken == 0 && i-- > 0)
		taken = word_taken(word_load(&wp[i]), held);
	return (taken == 0 ? 0 : (i << WORD_SHIFT | log2_floor(taken)) + 1);
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
		block_summarise(xs, b);
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
	block_summarise(xs, b);
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
block_fresh(struct vm_extspan *xs, uint64_t b, unsigned pos, unsigned n)
{

	used_change(xs, b, pos, n, false);
}

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
	xs->xs_sum[b] = whole_sum;
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
		range_change(map, start, start + 1, 0, UINT64_MAX);
		range_change(map, start + 1, end, SECOND_BITS, FIRST_BITS);
		break;
	case VM_FRAME_TAIL:
		range_change(map, start, end, SECOND_BITS, FIRST_BITS);
		break;
	}
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
		block_summarise(xs, b);
	map->xm_nfree += span_nfree(xs);
	return (0);
}

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

/*
 * The end of the free run that begins at or before start, at most limit; held
 * frames count as free if so said.
 */
static inline vm_frame_t
run_end_of(const struct vm_extmap *map, vm_frame_t start, vm_frame_t limit,
    bool held)
{
	const struct vm_extspan *xs = NULL;
	vm_frame_t f = start, first;
	unsigned end;

	while (f < limit) {
		if (xs == NULL || f >= span_end(xs)) {
			xs = vm_extmap_span(map, f);
			if (xs == NULL)
				return (f);
		}
		first = align_down(f, VM_EXTBLOCK_FRAMES);
		end = block_run_end(xs, span_block(xs, f),
		    (unsigned)(f - first), held);
		f = first + end;
		if (end < VM_EXTBLOCK_FRAMES)
			break;
	}
	return (f < limit ? f : limit);
}

/* The start of the free run that ends at or after end, at least limit. */
static inline vm_frame_t
run_start_of(const struct vm_extmap *map, vm_frame_t end, vm_frame_t limit,
    bool held)
{
	const struct vm_extspan *xs = NULL;
	vm_frame_t f = end, first;	/* all of [f, end) is free */
	unsigned start;

	while (f > limit) {
		if (xs == NULL || f <= xs->xs_first) {
			xs = vm_extmap_span(map, f - 1);
			if (xs == NULL)
				return (f);
		}
		first = align_down(f - 1, VM_EXTBLOCK_FRAMES);
		start = block_run_start(xs, span_block(xs, first),
		    (unsigned)(f - first), held);
		f = first + start;
		if (start > 0)
			break;
	}
	return (f > limit ? f : limit);
}

static vm_frame_t
run_end(const struct vm_extmap *map, vm_frame_t start, vm_frame_t limit)
{

	return (run_end_of(map, start, limit, false));
}

static vm_frame_t
run_start(const struct vm_extmap *map, vm_frame_t end, vm_frame_t limit)
{

	return (run_start_of(map, end, limit, false));
}

bool
vm_extmap_around(const struct vm_extmap *map, vm_frame_t frame,
    vm_frame_t low, vm_frame_t high, struct vm_extent *ext)
{

	KASSERT(low <= frame && frame < high);
	ext->e_state = VM_FRAME_HELD;
	ext->e_end = run_end_of(map, frame, high, true);
	if (ext->e_end == frame)
		return (false);
	ext->e_start = run_start_of(map, frame, low, true);
	return (true);
}

/* The first block at or after b whose bit for the order is set. */
static bool
order_next(const struct vm_extspan *xs, unsigned k, uint64_t *bp)
{
	uint64_t ngroups = bitmap_words(span_nblocks(xs));
	uint64_t i = *bp >> 6, w, t;

	if (i >= ngroups)
		return (false);
	w = xs->xs_group[i].eg_order[k] & UINT64_MAX << (*bp & 63);
	if (w == 0) {
		if (++i >= ngroups)
			return (false);
		t = xs->xs_top[i >> 6].et_order[k] & UINT64_MAX << (i & 63);
		i >>= 6;
		while (t == 0) {
			if (++i >= bitmap_words(ngroups))
				return (false);
			t = xs->xs_top[i].et_order[k];
		}
		i = i << 6 | (unsigned)__builtin_ctzll(t);
		w = xs->xs_group[i].eg_order[k];
	}
	*bp = i << 6 | (unsigned)__builtin_ctzll(w);
	return (true);
}

/* The last block at or before b whose bit for the order is set. */
static bool
order_prev(const struct vm_extspan *xs, unsigned k, uint64_t *bp)
{
	uint64_t i = *bp >> 6, w, t;

	w = xs->xs_group[i].eg_order[k] & UINT64_MAX >> (63 - (*bp & 63));
	if (w == 0) {
		if (i-- == 0)
			return (false);
		t = xs->xs_top[i >> 6].et_order[k] &
		    UINT64_MAX >> (63 - (i & 63));
		i >>= 6;
		while (t == 0) {
			if (i-- == 0)
				return (false);
			t = xs->xs_top[i].et_order[k];
		}
		i = i << 6 | log2_floor(t);
		w = xs->xs_group[i].eg_order[k];
	}
	*bp = i << 6 | log2_floor(w);
	return (true);
}

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
 * The order that every run that satisfies the request contains: see 4 above.
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
 * Walking.
 */

/*
 * The first frame in [from, limit) whose state is not the one given; absent
 * gaps between spans count as HEAD.
 */
static vm_frame_t
state_end(const struct vm_extmap *map, vm_frame_t from, vm_frame_t limit,
    enum vm_fstate state)
{
	const struct vm_extspan *xs = NULL;
	uint64_t w;
	uint32_t differs;

	while (from < limit) {
		if (xs == NULL || from >= span_end(xs)) {
			xs = vm_extmap_span(map, from);
			if (xs == NULL)
				return (from);
		}
		w = frame_word(xs, from);
		differs = (uint32_t)w ^ (state & 1 ? UINT32_MAX : 0);
		differs |= (uint32_t)(w >> 32) ^ (state & 2 ? UINT32_MAX : 0);
		differs &= UINT32_MAX << (from & WORD_MASK);
		from = align_down(from, VM_EXTWORD_FRAMES);
		if (differs != 0)
			return (frame_min(limit,
			    from + (unsigned)__builtin_ctz(differs)));
		from += VM_EXTWORD_FRAMES;
	}
	return (limit);
}

bool
vm_extmap_walk(const struct vm_extmap *map, vm_frame_t from, vm_frame_t limit,
    struct vm_extent *ext)
{

	if (from >= limit)
		return (false);
	ext->e_start = from;
	ext->e_state = vm_extmap_state(map, from);
	switch (ext->e_state) {
	case VM_FRAME_FREE:
		ext->e_end = run_end(map, from, limit);
		break;
	case VM_FRAME_HELD:
		ext->e_end = state_end(map, from, limit, VM_FRAME_HELD);
		break;
	case VM_FRAME_HEAD:
	case VM_FRAME_TAIL:		/* if the walk began inside one */
		ext->e_state = VM_FRAME_HEAD;
		ext->e_end = state_end(map, from + 1, limit, VM_FRAME_TAIL);
		break;
	}
	/* The state may change under a walk without the lock: go on. */
	if (ext->e_end == from)
		ext->e_end = from + 1;
	return (true);
}

bool
vm_extmap_uniform(const struct vm_extmap *map, vm_frame_t start,
    vm_frame_t end, enum vm_fstate state)
{

	return (state_end(map, start, end, state) == end);
}

uint64_t
vm_extmap_owned(const struct vm_extmap *map, vm_frame_t start, vm_frame_t end)
{
	const struct vm_extspan *xs = NULL;
	vm_frame_t stop;
	uint64_t n = 0, w;
	unsigned bit;

	for (; start < end; start = stop) {
		stop = frame_min(end, align_down(start, VM_EXTWORD_FRAMES) +
		    VM_EXTWORD_FRAMES);
		if (xs == NULL || start >= span_end(xs))
			xs = vm_extmap_span(map, start);
		w = xs == NULL ? ABSENT : frame_word(xs, start);
		bit = (unsigned)(start & WORD_MASK);
		n += (unsigned)__builtin_popcountll(w >> 32 &
		    half_mask(bit, bit + (unsigned)(stop - start)));
	}
	return (n);
}

vm_frame_t
vm_extmap_head(const struct vm_extmap *map, vm_frame_t frame)
{

	while (frame > 0 && vm_extmap_state(map, frame) == VM_FRAME_TAIL)
		frame--;
	return (frame);
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

uint64_t
vm_extmap_length(const struct vm_extmap *map, vm_frame_t head)
{

	return (state_end(map, head + 1, VM_FRAME_END, VM_FRAME_TAIL) - head);
}

void
vm_extmap_split(struct vm_extmap *map, vm_frame_t at)
{

	KASSERT(vm_extmap_state(map, at) == VM_FRAME_TAIL);
	range_change(map, at, at + 1, 0, SECOND_BITS);
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
static const unsigned worth_order[] = { 4, 8, 9, VM_EXTMAP_NORDER };
#define	NWORTH	(sizeof(worth_order) / sizeof(worth_order[0]))

/*
 * The first block at or after b, below end, with free frames and not of more
 * worth than the class; 64 blocks a step.
 */
static bool
worth_next(const struct vm_extspan *xs, unsigned worth, uint64_t *bp,
    uint64_t end)
{
	uint64_t b = *bp, w;
	unsigned k = worth_order[worth];

	while (b < end && order_next(xs, 0, &b) && b < end) {
		w = xs->xs_group[b >> 6].eg_order[0] & UINT64_MAX << (b & 63);
		if (k < VM_EXTMAP_NORDER)
			w &= ~xs->xs_group[b >> 6].eg_order[k];
		if (w != 0) {
			*bp = (b & ~(uint64_t)63) |
			    (unsigned)__builtin_ctzll(w);
			return (*bp < end);
		}
		b = (b | 63) + 1;
	}
	return (false);
}

/*
 * A block with free frames in [low, high) of the class, from *hint on and
 * then from low; *hint becomes its first frame.
 */
static struct vm_extspan *
worth_find(struct vm_extmap *map, unsigned worth, vm_frame_t *hint,
    vm_frame_t low, vm_frame_t high)
{
	vm_frame_t from[2], lo, hi;
	struct vm_extspan *xs;
	uint64_t b;
	unsigned i, pass;

	from[0] = *hint > low && *hint < high ? *hint : low;
	from[1] = low;
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < map->xm_nspans; i++) {
			xs = &map->xm_span[i];
			lo = frame_max(from[pass], xs->xs_first);
			hi = frame_min(high, span_end(xs));
			if (lo >= hi)
				continue;
			b = span_block(xs, lo);
			if (worth_next(xs, worth, &b,
			    span_block(xs, hi - 1) + 1)) {
				*hint = block_first(xs, b);
				return (xs);
			}
		}
	}
	return (NULL);
}

/* Hold up to want free frames of a block, lowest first. */
static unsigned
block_hold(struct vm_extspan *xs, uint64_t b, vm_frame_t base,
    _Atomic uint32_t *out, unsigned want)
{
	vm_extword_t *wp = &xs->xs_word[b * BLOCK_WORDS];
	uint32_t first = (uint32_t)(block_first(xs, b) - base), m, take;
	unsigned n = 0, i;

	block_touch(xs, b);
	for (i = 0; i < BLOCK_WORDS && n < want; i++) {
		m = word_free(word_load(&wp[i]));
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
	block_summarise(xs, b);
	return (n);
}

unsigned
vm_extmap_hold(struct vm_extmap *map, vm_frame_t *hint, vm_frame_t low,
    vm_frame_t high, vm_frame_t base, _Atomic uint32_t *out, unsigned want)
{
	struct vm_extspan *xs;
	unsigned worth, n;

	KASSERT(((low | high) & BLOCK_MASK) == 0);
	for (worth = 0; want > 0 && worth < NWORTH; worth++) {
		xs = worth_find(map, worth, hint, low, high);
		if (xs == NULL)
			continue;
		n = block_hold(xs, span_block(xs, *hint), base, out, want);
		KASSERT(n != 0);
		map->xm_nfree -= n;
		return (n);
	}
	return (0);
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
