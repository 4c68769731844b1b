/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What the files of the extent map share: how words and blocks are read.
 * vm_extmap.c changes them, vm_extfind.c searches, vm_extwalk.c goes through
 * them.
 */

#ifndef _VM_VM_EXTMAP_VAR_H_
#define	_VM_VM_EXTMAP_VAR_H_

#include <vm/vm_extmap.h>

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

extern const struct vm_extsum vm_extsum_whole;
extern const struct vm_extsum vm_extsum_absent;

static inline const struct vm_extsum *
block_sum(const struct vm_extspan *xs, uint64_t b)
{

	if (block_virgin(xs, b))
		return (virgin_free(xs, b) ? &vm_extsum_whole :
		    &vm_extsum_absent);
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

/*
 * vm_extblock_write: write the words and the summary of a virgin block.
 * vm_extblock_summarise: bring a block's summary up to date.
 */
void	vm_extblock_write(struct vm_extspan *xs, uint64_t b);
void	vm_extblock_summarise(struct vm_extspan *xs, uint64_t b);

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
		vm_extblock_write(xs, b);
}

/*
 * Orders.
 */

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
 * A search met a block in vain: if its summary was too high, it shall not be
 * met again.
 */
static inline void
block_clean(struct vm_extspan *xs, uint64_t b)
{

	if (block_dirty(xs, b))
		vm_extblock_summarise(xs, b);
}

/* Words in a bitmap with that many bits. */
static inline size_t
bitmap_words(uint64_t nbits)
{

	return ((size_t)((nbits + 63) / 64));
}

/* The first block at or after b whose bit for the order is set. */
static inline bool
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
static inline bool
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

/*
 * Runs.
 */

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

static inline vm_frame_t
run_end(const struct vm_extmap *map, vm_frame_t start, vm_frame_t limit)
{

	return (run_end_of(map, start, limit, false));
}

static inline vm_frame_t
run_start(const struct vm_extmap *map, vm_frame_t end, vm_frame_t limit)
{

	return (run_start_of(map, end, limit, false));
}

#endif /* !_VM_VM_EXTMAP_VAR_H_ */
