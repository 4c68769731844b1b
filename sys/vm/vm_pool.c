/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Pools of special memory, without a lock.
 *
 * 1. States.  A chunk has the state words of an extent map (vm_extmap.h), two
 * bits a unit, 32 units a word, and nothing else that tells of allocations:
 * the size of one is the number of tails behind its head.  HELD means here
 * that somebody is amid a change of that unit, and nobody else may touch it.
 * The map itself is not used: its changes of free frames need a lock, which
 * an NMI handler cannot take.  Units beyond the end of a chunk are heads.
 *
 * To do without a lock costs next to nothing: one unit allocated and freed in
 * a chunk of 32 takes 25 ns, and 24 by the same code with plain stores and a
 * spin lock around.  What does cost is the search, which goes through words
 * without a summary, as none could change with them in one step: 140 ns if the
 * first half of 4096 units is taken.  So it sees no more of a free extent than
 * it needs: one unit of 4096 free ones takes 26 ns, and 265 if it looks where
 * they end (measured on the machine of the bench).
 *
 * 2. Allocation.  A search reads the words and picks a free run; it may be
 * wrong by the time it ends.  A run within one word is taken by one
 * compare-and-swap, free -> head, tails.  A longer one is claimed word by
 * word, free -> held, from its first word on.  If a unit turns out not to be
 * free, what was claimed becomes free again and the search starts over.  Once
 * all is held it is ours, and becomes an allocation from its last word to its
 * first: held -> tails, then held -> head, tails.
 *
 * 3. Freeing.  A run that ends inside of its first word is freed by one
 * compare-and-swap that also sees what follows.  Of a longer one the first
 * word goes head, tails -> held; of several frees one wins.  Then the tails in
 * the other words become free, from the last word to the second, and at last
 * the first word.
 *
 * 4. Why nothing is misread.  A unit behind the end of a run R, if it is a
 * tail, must belong to R.  So it is, since (a) a unit that is made a tail has
 * all units before it, down to its head, held or allocated by the same
 * change, and (b) one that ceases to be a tail does so before the units in
 * the words before it are free for others.  Hence the first word comes last
 * in both directions, and the tails behind a head, counted while R stays
 * allocated, are the size of R, whatever happens around it.
 *
 * If R does not stay allocated, one of two frees of it was wrong, or somebody
 * walks the pool.  The wrong free may have counted tails while the right one
 * removed them, and meet a new allocation with the same first word.
 * Therefore the size is counted once more after the first word is held, when
 * the run can no longer change, and if it is not as the caller says, the
 * first word is put back.  (A right free of that new allocation which comes
 * just then is refused as a second one.)  A walk reads vc_cut before and
 * after: it grows between the moment when the first word is held and that
 * when the first tail in another word goes.  Those in the word of the head go
 * before, so they must be taken from the same look at it as the head.
 *
 * 5. Progress.  Nobody waits.  A claim fails only if a unit that was free
 * when searched is not so any more: somebody else took it, or is about to.  Of
 * claims that meet, the one with the highest start among those that hold
 * something is never stopped by another claim, since claims grow upwards.  So
 * there is always one that ends, and if it ends by a failure, an allocation
 * stands in its way: the whole is lock-free.
 *
 * A search that finds nothing may have been too early for one place and too
 * late for the other.  vc_given counts the changes that made units free, and
 * those under way: a free is entered there before it changes anything, or it
 * could be missed between its change and its entry.  If units became free
 * during the search, or somebody is just freeing some, or a unit was held, the
 * search is repeated, up to VM_POOL_LOOKS times.  An NMI handler that
 * interrupts a claim or a free on its own CPU can thus not have those units,
 * and is told so.
 *
 * 6. Chunks are a list sorted by physical address into which they are
 * inserted by compare-and-swap and from which they are never removed.  Each
 * insertion sees its two neighbours, so no two chunks overlap.
 */

#include <vm/vm_badfree.h>
#include <vm/vm_kassert.h>
#include <vm/vm_owner.h>
#include <vm/vm_pglist.h>
#include <vm/vm_pool.h>

#define	WORD_UNITS	((uint64_t)VM_EXTWORD_FRAMES)
#define	WORD_MASK	(WORD_UNITS - 1)

/* More would make the metadata of one chunk larger than any machine has. */
#define	UNITS_MAX	((uint64_t)1 << 40)

/* Device trees: Devicetree Specification 0.4, section 2.3.3. */
#define	PHANDLE_NONE	0xffffffffU

/* In vc_given: one that is freeing, and a change that made units free. */
#define	FREEING		((uint64_t)1)
#define	FREEING_MASK	(GIVEN - 1)
#define	GIVEN		((uint64_t)1 << 16)

struct vm_poolchunk {
	_Atomic(struct vm_poolchunk *) vc_next;	/* higher */
	paddr_t		vc_start;
	psize_t		vc_size;	/* bytes */
	uint8_t		*vc_kva;
	uint64_t	vc_nunits;
	psize_t		vc_pages;	/* taken for this; 0: caller's memory */
	paddr_t		vc_paddr;	/* these */
	_Atomic uint64_t vc_given;	/* see FREEING */
	_Atomic uint64_t vc_cut;	/* allocations that lost their tails */
	vm_extword_t	vc_word[];
};

/* A request in the units of a pool; limits still in bytes. */
struct want {
	uint64_t	w_n;		/* units */
	psize_t		w_align;
	psize_t		w_boundary;
	bool		w_held;		/* the search met held units */
	const struct vm_poolreq *w_req;
};

static struct vm_md_lock pools_lock;
static struct vm_pool *pools;

/*
 * Words.
 */

static inline uint32_t
word_taken(uint64_t v)
{

	return ((uint32_t)(v | v >> 32));
}

static inline uint32_t
word_held(uint64_t v)
{

	return ((uint32_t)v & ~(uint32_t)(v >> 32));
}

static inline uint32_t
word_tails(uint64_t v)
{

	return ((uint32_t)(v >> 32) & ~(uint32_t)v);
}

static inline uint64_t
word_get(const struct vm_poolchunk *c, uint64_t u)
{

	return (atomic_load_explicit(&c->vc_word[u / WORD_UNITS],
	    memory_order_acquire));
}

static inline enum vm_fstate
unit_state(uint64_t v, uint64_t u)
{
	unsigned i = u & WORD_MASK;

	return ((enum vm_fstate)((v >> (i + 32) & 1) << 1 | (v >> i & 1)));
}

/* The units of [u, end) that lie in the word of u, which is not empty. */
static inline uint32_t
mask_of(uint64_t u, uint64_t end)
{
	unsigned i = u & WORD_MASK;
	uint64_t n = WORD_UNITS - i;

	if (n > end - u)
		n = end - u;
	return ((uint32_t)(((uint64_t)1 << n) - 1) << i);
}

static inline uint64_t
word_after(uint64_t u)
{

	return ((u | WORD_MASK) + 1);
}

/* The bits of an allocation's first word: a head at u, then tails. */
static inline uint64_t
head_bits(uint64_t u, uint32_t mask)
{

	return ((uint64_t)mask << 32 | (uint64_t)1 << (u & WORD_MASK));
}

/*
 * word_take: free -> the bits to set, if all units in mask are free.
 */
static bool
word_take(struct vm_poolchunk *c, uint64_t u, uint32_t mask, uint64_t set)
{
	vm_extword_t *w = &c->vc_word[u / WORD_UNITS];
	uint64_t v = atomic_load_explicit(w, memory_order_relaxed);

	do {
		if ((word_taken(v) & mask) != 0)
			return (false);
	} while (!atomic_compare_exchange_weak_explicit(w, &v, v | set,
	    memory_order_acq_rel, memory_order_relaxed));
	return (true);
}

/* The others change units that are ours: no need to look. */
static inline void
word_clear(struct vm_poolchunk *c, uint64_t u, uint64_t bits)
{

	(void)atomic_fetch_and_explicit(&c->vc_word[u / WORD_UNITS], ~bits,
	    memory_order_acq_rel);
}

static inline void
word_flip(struct vm_poolchunk *c, uint64_t u, uint64_t bits)
{

	(void)atomic_fetch_xor_explicit(&c->vc_word[u / WORD_UNITS], bits,
	    memory_order_acq_rel);
}

static inline void
grow(_Atomic uint64_t *counter, uint64_t n)
{

	(void)atomic_fetch_add_explicit(counter, n, memory_order_acq_rel);
}

static inline uint64_t
value(const _Atomic uint64_t *counter)
{

	return (atomic_load_explicit(counter, memory_order_acquire));
}

/*
 * Taking and freeing runs of units.
 */

/* Held units [start, end) are free again. */
static void
unclaim(struct vm_poolchunk *c, uint64_t start, uint64_t end)
{
	uint64_t u;

	for (u = start; u < end; u = word_after(u))
		word_clear(c, u, mask_of(u, end));
	if (end > start)
		grow(&c->vc_given, GIVEN);
}

/*
 * claim: free -> held, in several words.
 */
static bool
claim(struct vm_poolchunk *c, uint64_t start, uint64_t end)
{
	uint32_t mask;
	uint64_t u;

	for (u = start; u < end; u = word_after(u)) {
		mask = mask_of(u, end);
		if (word_take(c, u, mask, mask))
			continue;
		unclaim(c, start, u);
		return (false);
	}
	return (true);
}

/*
 * commit: held -> head, tails.
 */
static void
commit(struct vm_poolchunk *c, uint64_t start, uint64_t end)
{
	uint64_t mask, u;

	for (u = (end - 1) & ~WORD_MASK; u > start; u -= WORD_UNITS) {
		mask = mask_of(u, end);
		word_flip(c, u, mask << 32 | mask);
	}
	mask = mask_of(start, end);
	word_flip(c, start, head_bits(start, (uint32_t)mask) ^ mask);
}

static bool
run_take(struct vm_poolchunk *c, uint64_t start, uint64_t end)
{
	uint32_t mask;

	if (end <= word_after(start)) {
		mask = mask_of(start, end);
		return (word_take(c, start, mask, head_bits(start, mask)));
	}
	if (!claim(c, start, end))
		return (false);
	commit(c, start, end);
	return (true);
}

/* The tails from u on. */
static uint64_t
count_tails(const struct vm_poolchunk *c, uint64_t u)
{
	uint64_t first = u;
	uint32_t others;

	while (u < c->vc_nunits) {
		others = ~word_tails(word_get(c, u)) & mask_of(u, UINT64_MAX);
		if (others != 0)
			return ((u & ~WORD_MASK) +
			    (unsigned)__builtin_ctz(others) - first);
		u = word_after(u);
	}
	return (u - first);
}

/* The end of what of an allocation lies in its head's word, with value v. */
static uint64_t
end_in_word(uint64_t v, uint64_t head)
{
	uint32_t others = 0;

	if (word_after(head + 1) == word_after(head))
		others = ~word_tails(v) & mask_of(head + 1, UINT64_MAX);
	return (others == 0 ? word_after(head) :
	    (head & ~WORD_MASK) + (unsigned)__builtin_ctz(others));
}

/*
 * long_release: an allocation that reaches the end of its first word, whose
 * value is v, becomes free; n: its units, 0: any number.
 * => 0; EMSGSIZE; EAGAIN: the first word has changed, look again.
 */
static int
long_release(struct vm_poolchunk *c, uint64_t start, uint64_t v, uint64_t n)
{
	uint64_t end = word_after(start), mask = mask_of(start, end);
	uint64_t held = head_bits(start, (uint32_t)mask) ^ mask, u;

	if (n != 0 && end + count_tails(c, end) != start + n)
		return (EMSGSIZE);
	if (!atomic_compare_exchange_strong_explicit(
	    &c->vc_word[start / WORD_UNITS], &v, v ^ held,
	    memory_order_acq_rel, memory_order_relaxed))
		return (EAGAIN);
	end += count_tails(c, end);
	if (n != 0 && end != start + n) {
		word_flip(c, start, held);
		return (EMSGSIZE);
	}
	grow(&c->vc_cut, 1);
	for (u = (end - 1) & ~WORD_MASK; u > start; u -= WORD_UNITS)
		word_clear(c, u, (uint64_t)mask_of(u, end) << 32);
	word_clear(c, start, mask);
	return (0);
}

/*
 * short_release: the same of one that ends before that.
 */
static int
short_release(struct vm_poolchunk *c, uint64_t start, uint64_t end, uint64_t v,
    uint64_t n)
{
	uint64_t bits = head_bits(start, mask_of(start, end));

	if (n != 0 && end != start + n)
		return (EMSGSIZE);
	return (atomic_compare_exchange_strong_explicit(
	    &c->vc_word[start / WORD_UNITS], &v, v & ~bits,
	    memory_order_acq_rel, memory_order_relaxed) ? 0 : EAGAIN);
}

static int
release(struct vm_poolchunk *c, uint64_t start, uint64_t n)
{
	uint64_t end, v;
	int error;

	do {
		v = word_get(c, start);
		switch (unit_state(v, start)) {
		case VM_FRAME_FREE:
		case VM_FRAME_HELD:
			return (EALREADY);
		case VM_FRAME_TAIL:
			return (EINVAL);
		case VM_FRAME_HEAD:
			break;
		}
		end = end_in_word(v, start);
		error = end < word_after(start) ?
		    short_release(c, start, end, v, n) :
		    long_release(c, start, v, n);
	} while (error == EAGAIN);
	return (error);
}

/*
 * run_release: the allocation at start becomes free; n: its units, 0: any
 * number.  => 0; EINVAL; EALREADY; EMSGSIZE.
 */
static int
run_release(struct vm_poolchunk *c, uint64_t start, uint64_t n)
{
	int error;

	grow(&c->vc_given, FREEING);
	error = release(c, start, n);
	grow(&c->vc_given, (error == 0 ? GIVEN : 0) - FREEING);
	return (error);
}

/*
 * Searching.
 */

/* The first free unit of [u, end), or end. */
static uint64_t
next_free(const struct vm_poolchunk *c, uint64_t u, uint64_t end, bool *held)
{
	uint32_t mask;
	uint64_t v;

	for (; u < end; u = word_after(u)) {
		mask = mask_of(u, end);
		v = word_get(c, u);
		*held = *held || (word_held(v) & mask) != 0;
		mask &= ~word_taken(v);
		if (mask != 0)
			return ((u & ~WORD_MASK) +
			    (unsigned)__builtin_ctz(mask));
	}
	return (end);
}

/* The first unit of [u, end) that is not free, or end. */
static uint64_t
next_taken(const struct vm_poolchunk *c, uint64_t u, uint64_t end)
{
	uint32_t mask;

	for (; u < end; u = word_after(u)) {
		mask = mask_of(u, end) & word_taken(word_get(c, u));
		if (mask != 0)
			return ((u & ~WORD_MASK) +
			    (unsigned)__builtin_ctz(mask));
	}
	return (end);
}

static bool
round_up(paddr_t *pa, psize_t to)
{
	paddr_t at = (*pa + (to - 1)) & ~(to - 1);

	if (at < *pa)
		return (false);
	*pa = at;
	return (true);
}

/*
 * fit: the first address in [start, end) where a request of that size is
 * aligned and crosses no boundary.  (The size is not above the boundary, and
 * of two powers of two one is a multiple of the other.)
 */
static bool
fit(const struct want *w, psize_t size, paddr_t start, paddr_t end,
    paddr_t *atp)
{
	paddr_t at = start;

	if (end - start < size || !round_up(&at, w->w_align) || at >= end ||
	    end - at < size)
		return (false);
	if (w->w_boundary != 0 &&
	    ((at ^ (at + size - 1)) & ~(w->w_boundary - 1)) != 0) {
		at = (at | (w->w_boundary - 1)) + 1;
		if (at >= end || end - at < size)
			return (false);
	}
	*atp = at;
	return (true);
}

/* The unit of an address in a chunk. */
static inline uint64_t
unit_of(const struct vm_poolchunk *c, unsigned shift, paddr_t pa)
{

	return ((pa - c->vc_start) >> shift);
}

/* The part of a chunk that a request may have, in units; it may be empty. */
static void
window(const struct vm_poolchunk *c, unsigned shift, const struct want *w,
    uint64_t *lop, uint64_t *hip)
{
	const struct vm_poolreq *q = w->w_req;
	const uint64_t at = q->vpq_offset >> shift;
	uint64_t lo = 0, hi = c->vc_nunits;

	if (q->vpq_low > c->vc_start)
		lo = unit_of(c, shift, q->vpq_low - 1) + 1;
	if (q->vpq_high <= c->vc_start)
		hi = 0;
	else if (q->vpq_high - c->vc_start < c->vc_size)
		hi = unit_of(c, shift, q->vpq_high);
	if (q->vpq_policy == VM_POOL_FIXED) {
		hi = at < lo || at >= hi || hi - at < w->w_n ? 0 : at + w->w_n;
		lo = at;
	}
	*lop = lo;
	*hip = hi;
}

/*
 * How many units of a free extent need to be seen: as many as fit() needs at
 * most, unless the extent has to be the smallest.
 */
static uint64_t
enough(const struct want *w, unsigned shift)
{

	return (w->w_req->vpq_policy == VM_POOL_BEST ? UINT64_MAX :
	    2 * w->w_n + (w->w_align >> shift));
}

/*
 * search: the place in a chunk for a request, if it is in an extent smaller
 * than *smallest, which is updated.
 */
static bool
search(const struct vm_poolchunk *c, unsigned shift, struct want *w,
    uint64_t *smallest, uint64_t *startp)
{
	const uint64_t most = enough(w, shift);
	uint64_t end, hi, lo, u;
	bool found = false;
	paddr_t at;

	window(c, shift, w, &lo, &hi);
	if (lo >= hi || hi - lo < w->w_n)
		return (false);
	for (u = lo; (u = next_free(c, u, hi, &w->w_held)) < hi; u = end) {
		end = next_taken(c, u, hi - u < most ? hi : u + most);
		if (end - u >= *smallest ||
		    !fit(w, w->w_n << shift, c->vc_start + (u << shift),
		    c->vc_start + (end << shift), &at))
			continue;
		*smallest = end - u;
		*startp = unit_of(c, shift, at);
		found = true;
		if (w->w_req->vpq_policy != VM_POOL_BEST)
			break;
	}
	return (found);
}

/*
 * Chunks.
 */

static inline struct vm_poolchunk *
chunk_first(const struct vm_pool *pool)
{

	return (atomic_load_explicit(&pool->vp_chunks, memory_order_acquire));
}

static inline struct vm_poolchunk *
chunk_next(const struct vm_poolchunk *c)
{

	return (atomic_load_explicit(&c->vc_next, memory_order_acquire));
}

static struct vm_poolchunk *
chunk_of(const struct vm_pool *pool, paddr_t pa)
{
	struct vm_poolchunk *c;

	for (c = chunk_first(pool); c != NULL; c = chunk_next(c)) {
		if (pa - c->vc_start < c->vc_size)
			return (c);
	}
	return (NULL);
}

psize_t
vm_pool_metasize(const struct vm_pool *pool, psize_t size)
{
	uint64_t n = size >> pool->vp_shift;

	if (size == 0 || n << pool->vp_shift != size || n > UNITS_MAX)
		return (0);
	return (sizeof(struct vm_poolchunk) +
	    (n + WORD_MASK) / WORD_UNITS * sizeof(vm_extword_t));
}

static void
chunk_init(struct vm_poolchunk *c, paddr_t pa, void *kva, psize_t size,
    uint64_t nunits)
{
	uint64_t i, rest, nwords = (nunits + WORD_MASK) / WORD_UNITS;

	c->vc_start = pa;
	c->vc_size = size;
	c->vc_kva = kva;
	c->vc_nunits = nunits;
	c->vc_pages = 0;
	c->vc_paddr = VM_PADDR_NONE;
	atomic_init(&c->vc_next, NULL);
	atomic_init(&c->vc_given, 0);
	atomic_init(&c->vc_cut, 0);
	for (i = 0; i < nwords; i++)
		atomic_init(&c->vc_word[i], 0);
	if ((nunits & WORD_MASK) != 0) {
		rest = mask_of(nunits, UINT64_MAX);
		atomic_init(&c->vc_word[nwords - 1], rest << 32 | rest);
	}
}

/*
 * chunk_insert: => 0; EEXIST: it overlaps another.
 */
static int
chunk_insert(struct vm_pool *pool, struct vm_poolchunk *c)
{
	_Atomic(struct vm_poolchunk *) *link;
	struct vm_poolchunk *next;

	link = &pool->vp_chunks;
	for (;;) {
		next = atomic_load_explicit(link, memory_order_acquire);
		if (next != NULL && next->vc_start + next->vc_size <=
		    c->vc_start) {
			link = &next->vc_next;
			continue;
		}
		if (next != NULL && next->vc_start < c->vc_start + c->vc_size)
			return (EEXIST);
		atomic_store_explicit(&c->vc_next, next, memory_order_relaxed);
		/* All before the link end below us, and none is removed. */
		if (atomic_compare_exchange_strong_explicit(link, &next, c,
		    memory_order_acq_rel, memory_order_relaxed))
			return (0);
	}
}

static int
pages_get(psize_t size, struct vm_pgseg *seg)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(size);
	unsigned n;

	req.vpr_high = vm_md_physend();
	req.vpr_owner = vm_owner_register("vm_pool");
	return (vm_pglist_alloc(&req, seg, &n) == 0 ? 0 : ENOMEM);
}

int
vm_pool_add(struct vm_pool *pool, paddr_t pa, void *kva, psize_t size,
    void *mem)
{
	psize_t meta = vm_pool_metasize(pool, size);
	struct vm_pgseg seg = { VM_PADDR_NONE, 0 };
	struct vm_poolchunk *c = mem;
	int error;

	if (meta == 0 || (pa & (vm_pool_unit(pool) - 1)) != 0 ||
	    pa >> VM_PADDR_BITS != 0 ||
	    size > ((paddr_t)1 << VM_PADDR_BITS) - pa ||
	    (uintptr_t)mem % sizeof(vm_extword_t) != 0 ||
	    (kva != NULL && (size > UINTPTR_MAX ||
	    (uintptr_t)kva + (size - 1) < (uintptr_t)kva)))
		return (EINVAL);
	if (mem == NULL) {
		if ((error = pages_get(meta, &seg)) != 0)
			return (error);
		c = vm_md_phystov(seg.vps_start, seg.vps_size);
		KASSERT(c != NULL);
	}
	chunk_init(c, pa, kva, size, size >> pool->vp_shift);
	c->vc_paddr = seg.vps_start;
	c->vc_pages = seg.vps_size;
	error = chunk_insert(pool, c);
	if (error != 0 && mem == NULL)
		(void)vm_pglist_free(seg.vps_start, seg.vps_size);
	return (error);
}

/*
 * Requests.
 */

static inline bool
power_of_two(uint64_t n)
{

	return (n != 0 && (n & (n - 1)) == 0);
}

/*
 * want_make: => 0; EINVAL.
 */
static int
want_make(const struct vm_pool *pool, const struct vm_poolreq *q,
    struct want *w)
{
	const psize_t unit = vm_pool_unit(pool);

	if (q->vpq_size == 0 || q->vpq_size > (psize_t)1 << VM_PADDR_BITS ||
	    !power_of_two(q->vpq_align) || q->vpq_low >= q->vpq_high ||
	    q->vpq_policy > VM_POOL_FIXED ||
	    (q->vpq_flags & ~(unsigned)VM_POOL_ZERO) != 0 ||
	    (q->vpq_offset & (unit - 1)) != 0 ||
	    (q->vpq_offset != 0 && q->vpq_policy != VM_POOL_FIXED))
		return (EINVAL);
	w->w_req = q;
	w->w_n = (q->vpq_size + (unit - 1)) >> pool->vp_shift;
	w->w_align = q->vpq_align;
	w->w_boundary = q->vpq_boundary;
	if (w->w_boundary != 0 && (!power_of_two(w->w_boundary) ||
	    w->w_boundary < w->w_n << pool->vp_shift))
		return (EINVAL);
	if (q->vpq_policy == VM_POOL_ORDER) {
		while (w->w_align < w->w_n << pool->vp_shift)
			w->w_align <<= 1;
	}
	return (0);
}

/*
 * given: a number that grows whenever units become free or a chunk is added;
 * *freeing is set if somebody is just freeing some.
 */
static uint64_t
given(const struct vm_pool *pool, bool *freeing)
{
	const struct vm_poolchunk *c;
	uint64_t sum = 0, v;

	for (c = chunk_first(pool); c != NULL; c = chunk_next(c)) {
		v = value(&c->vc_given);
		*freeing = *freeing || (v & FREEING_MASK) != 0;
		sum += v / GIVEN + 1;
	}
	return (sum);
}

/*
 * search_all: the place in a pool for a request, or NULL.
 */
static struct vm_poolchunk *
search_all(const struct vm_pool *pool, struct want *w, uint64_t *startp)
{
	const bool zero = (w->w_req->vpq_flags & VM_POOL_ZERO) != 0;
	struct vm_poolchunk *c, *found = NULL;
	uint64_t smallest = UINT64_MAX;

	for (c = chunk_first(pool); c != NULL; c = chunk_next(c)) {
		if (zero && c->vc_kva == NULL)
			continue;
		if (!search(c, pool->vp_shift, w, &smallest, startp))
			continue;
		found = c;
		if (w->w_req->vpq_policy != VM_POOL_BEST)
			break;
	}
	return (found);
}

/*
 * look: search all chunks and take what is found.
 */
static bool
look(const struct vm_pool *pool, struct want *w, struct vm_poolmem *mem)
{
	struct vm_poolchunk *c;
	uint64_t start = 0;

	do {
		if ((c = search_all(pool, w, &start)) == NULL)
			return (false);
	} while (!run_take(c, start, start + w->w_n));
	start <<= pool->vp_shift;
	mem->vpm_start = c->vc_start + start;
	mem->vpm_size = w->w_n << pool->vp_shift;
	mem->vpm_kva = c->vc_kva == NULL ? NULL : c->vc_kva + start;
	return (true);
}

int
vm_pool_alloc(struct vm_pool *pool, const struct vm_poolreq *req,
    struct vm_poolmem *mem)
{
	bool freeing = false;
	uint64_t before;
	struct want w;
	unsigned n;
	int error;

	if ((error = want_make(pool, req, &w)) != 0)
		return (error);
	for (n = 0; n < VM_POOL_LOOKS; n++) {
		before = given(pool, &freeing);
		w.w_held = freeing = false;
		if (look(pool, &w, mem)) {
			if ((req->vpq_flags & VM_POOL_ZERO) != 0)
				memset(mem->vpm_kva, 0, mem->vpm_size);
			return (0);
		}
		if (given(pool, &freeing) == before && !w.w_held && !freeing)
			break;
	}
	return (ENOMEM);
}

static int
pool_free(struct vm_pool *pool, paddr_t start, psize_t size)
{
	const psize_t unit = vm_pool_unit(pool);
	struct vm_poolchunk *c = chunk_of(pool, start);
	int error = EINVAL;
	uint64_t n;

	n = (size >> pool->vp_shift) + ((size & (unit - 1)) != 0 ? 1 : 0);
	if (c != NULL && ((start - c->vc_start) & (unit - 1)) == 0)
		error = run_release(c, unit_of(c, pool->vp_shift, start), n);
	if (error != 0)
		grow(&pool->vp_refused, 1);
	return (error);
}

int
vm_pool_free(struct vm_pool *pool, paddr_t start, psize_t size)
{
	int error = pool_free(pool, start, size);

	return (error == 0 ? 0 : vm_badfree(error, start, size,
	    __builtin_return_address(0), vm_badfree_why(error)));
}

int
vm_pool_free_quiet(struct vm_pool *pool, paddr_t start, psize_t size)
{

	return (pool_free(pool, start, size));
}

/*
 * What a pool is.
 */

void *
vm_pool_kva(const struct vm_pool *pool, paddr_t pa, psize_t size)
{
	const struct vm_poolchunk *c = chunk_of(pool, pa);

	if (c == NULL || c->vc_kva == NULL ||
	    size > c->vc_size - (pa - c->vc_start))
		return (NULL);
	return (c->vc_kva + (pa - c->vc_start));
}

paddr_t
vm_pool_paddr(const struct vm_pool *pool, const void *kva)
{
	const struct vm_poolchunk *c;

	for (c = chunk_first(pool); c != NULL; c = chunk_next(c)) {
		if (c->vc_kva != NULL &&
		    (uintptr_t)kva - (uintptr_t)c->vc_kva < c->vc_size)
			return (c->vc_start +
			    ((uintptr_t)kva - (uintptr_t)c->vc_kva));
	}
	return (VM_PADDR_NONE);
}

psize_t
vm_pool_unit(const struct vm_pool *pool)
{

	return ((psize_t)1 << pool->vp_shift);
}

uint64_t
vm_pool_refused(const struct vm_pool *pool)
{

	return (value(&pool->vp_refused));
}

static uint64_t
chunk_avail(const struct vm_poolchunk *c)
{
	uint64_t sum = 0, u;

	/* No padding is free. */
	for (u = 0; u < c->vc_nunits; u = word_after(u))
		sum += (unsigned)__builtin_popcount(
		    ~word_taken(word_get(c, u)));
	return (sum);
}

psize_t
vm_pool_avail(const struct vm_pool *pool)
{
	const struct vm_poolchunk *c;
	uint64_t sum = 0;

	for (c = chunk_first(pool); c != NULL; c = chunk_next(c))
		sum += chunk_avail(c);
	return (sum << pool->vp_shift);
}

psize_t
vm_pool_size(const struct vm_pool *pool)
{
	const struct vm_poolchunk *c;
	psize_t sum = 0;

	for (c = chunk_first(pool); c != NULL; c = chunk_next(c))
		sum += c->vc_size;
	return (sum);
}

bool
vm_pool_chunk(const struct vm_pool *pool, unsigned i, struct vm_poolarea *area)
{
	const struct vm_poolchunk *c;

	for (c = chunk_first(pool); c != NULL && i > 0; c = chunk_next(c))
		i--;
	if (c == NULL)
		return (false);
	area->vpa_start = c->vc_start;
	area->vpa_size = c->vc_size;
	area->vpa_kva = c->vc_kva;
	area->vpa_avail = chunk_avail(c) << pool->vp_shift;
	return (true);
}

/*
 * tail_state: of what is unit u, a tail, the tail: an allocation (HEAD), or
 * one that is just being made or freed (HELD)?
 */
static enum vm_fstate
tail_state(const struct vm_poolchunk *c, uint64_t u)
{

	while (u > 0 && unit_state(word_get(c, u), u) == VM_FRAME_TAIL)
		u--;
	return (unit_state(word_get(c, u), u) == VM_FRAME_HEAD ?
	    VM_FRAME_HEAD : VM_FRAME_HELD);
}

/* The held units from u on, and the tails behind them. */
static uint64_t
held_end(const struct vm_poolchunk *c, uint64_t u)
{

	while (u < c->vc_nunits &&
	    unit_state(word_get(c, u), u) == VM_FRAME_HELD)
		u++;
	return (u + count_tails(c, u));
}

/*
 * piece: the end of the piece that unit u belongs to, and its state.
 */
static uint64_t
piece(const struct vm_poolchunk *c, uint64_t u, enum vm_fstate *statep)
{
	uint64_t cut, end = u + 1, v;

	do {
		cut = value(&c->vc_cut);
		v = word_get(c, u);
		*statep = unit_state(v, u);
		switch (*statep) {
		case VM_FRAME_FREE:
			return (next_taken(c, u + 1, c->vc_nunits));
		case VM_FRAME_HELD:
			return (held_end(c, u + 1));
		case VM_FRAME_TAIL:
			*statep = tail_state(c, u);
			/* FALLTHROUGH */
		case VM_FRAME_HEAD:
			end = end_in_word(v, u);
			if (end == word_after(u))
				end += count_tails(c, end);
			break;
		}
	} while (value(&c->vc_cut) != cut);
	return (end);
}

bool
vm_pool_walk(const struct vm_pool *pool, paddr_t from,
    struct vm_poolextent *pe)
{
	const struct vm_poolchunk *c;
	uint64_t u = 0;

	for (c = chunk_first(pool); c != NULL; c = chunk_next(c)) {
		if (from < c->vc_start + c->vc_size)
			break;
	}
	if (c == NULL)
		return (false);
	if (from > c->vc_start)
		u = unit_of(c, pool->vp_shift, from);
	pe->vpe_start = c->vc_start + (u << pool->vp_shift);
	pe->vpe_size = (piece(c, u, &pe->vpe_state) - u) << pool->vp_shift;
	return (true);
}

/* What is wrong with a unit, given the state of the one before it. */
static const char *
check_unit(enum vm_fstate before, enum vm_fstate state)
{

	if (state == VM_FRAME_HELD)
		return ("a unit is held");
	if (state == VM_FRAME_TAIL && before != VM_FRAME_HEAD &&
	    before != VM_FRAME_TAIL)
		return ("a tail without a head");
	return (NULL);
}

static const char *
chunk_check(const struct vm_poolchunk *c, uint64_t *up)
{
	enum vm_fstate before = VM_FRAME_FREE, state;
	const char *what;
	uint64_t u;

	for (u = 0; u < c->vc_nunits; u++) {
		state = unit_state(word_get(c, u), u);
		*up = u;
		if ((what = check_unit(before, state)) != NULL)
			return (what);
		before = state;
	}
	for (; (u & WORD_MASK) != 0; u++) {
		if (unit_state(word_get(c, u), u) != VM_FRAME_HEAD)
			return ("a unit beyond the end was changed");
	}
	return (NULL);
}

const char *
vm_pool_check(const struct vm_pool *pool, paddr_t *where)
{
	const struct vm_poolchunk *c;
	const char *what;
	paddr_t end = 0;
	uint64_t u = 0;

	for (c = chunk_first(pool); c != NULL; c = chunk_next(c)) {
		*where = c->vc_start;
		if (c->vc_start < end)
			return ("chunks overlap");
		end = c->vc_start + c->vc_size;
		if ((what = chunk_check(c, &u)) != NULL) {
			*where += u << pool->vp_shift;
			return (what);
		}
	}
	return (NULL);
}

/*
 * All pools.
 */

static vm_md_intr_t
pools_enter(void)
{
	vm_md_intr_t s = vm_md_intr_disable();

	vm_md_lock(&pools_lock);
	return (s);
}

static void
pools_exit(vm_md_intr_t s)
{

	vm_md_unlock(&pools_lock);
	vm_md_intr_restore(s);
}

static struct vm_pool *
named(const char *name)
{
	struct vm_pool *p;

	for (p = pools; p != NULL && strcmp(p->vp_name, name) != 0;)
		p = p->vp_next;
	return (p);
}

static struct vm_pool *
numbered(uint32_t phandle)
{
	struct vm_pool *p;

	for (p = pools; p != NULL && p->vp_phandle != phandle;)
		p = p->vp_next;
	return (p);
}

/*
 * link_of: what leads to a pool, which need not be one; if it is none, where
 * the list ends.
 */
static struct vm_pool **
link_of(const struct vm_pool *pool)
{
	struct vm_pool **link;

	for (link = &pools; *link != NULL && *link != pool;)
		link = &(*link)->vp_next;
	return (link);
}

int
vm_pool_create(struct vm_pool *pool, const char *name, psize_t unit)
{
	size_t len = strlen(name);
	struct vm_pool **link;
	vm_md_intr_t s;
	int error = EEXIST;

	if (len == 0 || len >= VM_POOL_NAMELEN || !power_of_two(unit) ||
	    unit < VM_POOL_UNIT_MIN || unit >> VM_PADDR_BITS != 0)
		return (EINVAL);
	s = pools_enter();
	link = link_of(pool);
	if (*link == NULL && named(name) == NULL) {
		memset(pool, 0, sizeof(*pool));
		memcpy(pool->vp_name, name, len);
		pool->vp_shift = (unsigned)__builtin_ctzll(unit);
		*link = pool;
		error = 0;
	}
	pools_exit(s);
	return (error);
}

static bool
in_use(const struct vm_pool *pool)
{
	const struct vm_poolchunk *c;

	for (c = chunk_first(pool); c != NULL; c = chunk_next(c)) {
		if (chunk_avail(c) != c->vc_nunits)
			return (true);
	}
	return (false);
}

int
vm_pool_destroy(struct vm_pool *pool)
{
	struct vm_poolchunk *c, *next;
	struct vm_pool **link;
	vm_md_intr_t s;
	int error = 0;

	s = pools_enter();
	link = link_of(pool);
	if (*link == NULL)
		error = EINVAL;
	else if (in_use(pool))
		error = EBUSY;
	else
		*link = pool->vp_next;
	pools_exit(s);
	if (error != 0)
		return (error);
	for (c = chunk_first(pool); c != NULL; c = next) {
		next = chunk_next(c);
		if (c->vc_pages != 0)
			(void)vm_pglist_free(c->vc_paddr, c->vc_pages);
	}
	atomic_store_explicit(&pool->vp_chunks, NULL, memory_order_relaxed);
	return (0);
}

struct vm_pool *
vm_pool_find(const char *name)
{
	vm_md_intr_t s = pools_enter();
	struct vm_pool *p = named(name);

	pools_exit(s);
	return (p);
}

struct vm_pool *
vm_pool_next(const struct vm_pool *pool)
{
	vm_md_intr_t s = pools_enter();
	struct vm_pool *p = pool == NULL ? pools : pool->vp_next;

	pools_exit(s);
	return (p);
}

bool
vm_pool_each(bool (*fn)(struct vm_pool *, void *), void *arg)
{
	vm_md_intr_t s = pools_enter();
	struct vm_pool *p;

	for (p = pools; p != NULL && fn(p, arg);)
		p = p->vp_next;
	pools_exit(s);
	return (p == NULL);
}

int
vm_pool_set_phandle(struct vm_pool *pool, uint32_t phandle)
{
	struct vm_pool *other;
	vm_md_intr_t s;
	int error = 0;

	if (phandle == 0 || phandle == PHANDLE_NONE)
		return (EINVAL);
	s = pools_enter();
	other = numbered(phandle);
	if (other != NULL && other != pool)
		error = EEXIST;
	else
		pool->vp_phandle = phandle;
	pools_exit(s);
	return (error);
}

struct vm_pool *
vm_pool_find_phandle(uint32_t phandle)
{
	struct vm_pool *p = NULL;
	vm_md_intr_t s;

	if (phandle == 0)
		return (NULL);
	s = pools_enter();
	p = numbered(phandle);
	pools_exit(s);
	return (p);
}
