/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Order pools.
 *
 * 1  The state
 *
 * Each order k has two bitmaps over the blocks of 2^k frames that lie wholly
 * in the range: free, and used (allocated with that order).  Every frame lies
 * in exactly one block that has a bit in exactly one of them.  So the bits say
 * all there is to know: where a block starts, how large it is, and whether it
 * is allocated; nothing is stored twice, and any address is looked up by
 * asking each order for the block around it.
 *
 * The states of vm_extmap(9), two bits a frame, would say the same, and were
 * not used for three reasons.  An extent map is made of chunks of 32768
 * frames, 9 KiB of metadata at least, and pools of 63 frames are in use.  To
 * allocate 2^k frames there is to write 2^k / 32 words; here it is one bit,
 * whatever k is.  And its search is made for any size at any place, where
 * here a block of the right order is the only question.  The bitmaps of all
 * orders together have 2 bits a frame for free and 2 for used.
 *
 * Measured on the machine of the bench, an allocation and a free: a pool of 63
 * frames has 640 bytes of metadata, and a pair takes 13 to 17 ns; an extent map
 * under a lock has 8920, and takes 34.  A block of 4096 frames takes 26 ns
 * there where it is the whole pool, and 70 to 100 in one of 16 GiB, against 1
 * and 14 us.  The price is that of any buddies: a page that is cut out of 16
 * GiB in one piece, and joined with them again, passes 22 orders in 140 ns,
 * where the map takes 45.  With one page allocated it is 24 ns.
 *
 * The greatest order is that of the greatest block that lies in the range.  A
 * buddy outside of it is never asked for: its number is not one of those that
 * the order has bits for.  Two buddies inside are the halves of a block that
 * is inside too, so joining them never leaves the range either.
 *
 * 2  Finding a free block
 *
 * The lowest free block of an order is found by a tree of words: each bit of
 * a word says that a word of the level below is not zero, up to one word at
 * the top.  7 levels are enough for 2^40 blocks.  Lists would find one in a
 * step, but need two numbers a frame, which cannot lie in the pages: 64 bits,
 * where all bitmaps with their trees have 4.03 (vm_buddy_metasize() of 16 GiB,
 * without references); and the lowest address keeps what is high in one piece.
 * One word for the pool has a bit for each order that has a free block.
 *
 * 3  References
 *
 * What is stored is the references beyond the first, so that a fresh block's
 * are zero, and those of the single pages that a block is split into are too.
 * Where no allocated block starts the number is zero.  One more and one less
 * take 9 ns, of which the lock, twice, is most.
 */

#include <vm/vm_badfree.h>
#include <vm/vm_buddy.h>
#include <vm/vm_page.h>

#define	LEVELS		7	/* 64^7 > 2^40 */
#define	WORDS(n)	(((n) + 63) / 64)

_Static_assert(VM_BUDDY_NORDER <= 64, "vb_orders has a bit an order");

struct vm_buddy *vm_buddy_pools;
static struct vm_md_lock pools_lock;

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

/*
 * Bits.
 */

static bool
bit_test(const uint64_t *map, uint64_t i)
{

	return ((map[i / 64] >> i % 64 & 1) != 0);
}

static void
bit_set(uint64_t *map, uint64_t i)
{

	map[i / 64] |= 1ULL << i % 64;
}

static void
bit_clear(uint64_t *map, uint64_t i)
{

	map[i / 64] &= ~(1ULL << i % 64);
}

/* Words of a tree over n bits, all levels. */
static uint64_t
tree_words(uint64_t n)
{
	uint64_t words = 0;

	do {
		n = WORDS(n);
		words += n;
	} while (n > 1);
	return (words);
}

/* Set a bit of a tree; above a word that was not zero all is set already. */
static void
tree_set(uint64_t *map, uint64_t n, uint64_t i)
{
	uint64_t before;

	for (;;) {
		before = map[i / 64];
		bit_set(map, i);
		n = WORDS(n);
		if (before != 0 || n == 1)
			return;
		map += n;
		i /= 64;
	}
}

/* Clear a bit; above a word that is still not zero nothing changes. */
static void
tree_clear(uint64_t *map, uint64_t n, uint64_t i)
{

	for (;;) {
		bit_clear(map, i);
		n = WORDS(n);
		if (map[i / 64] != 0 || n == 1)
			return;
		map += n;
		i /= 64;
	}
}

/* The lowest bit that is set, of a tree that has one. */
static uint64_t
tree_first(const uint64_t *map, uint64_t n)
{
	const uint64_t *level[LEVELS];
	unsigned k = 0;
	uint64_t i = 0;

	for (n = WORDS(n); n > 1; n = WORDS(n)) {
		level[k++] = map;
		map += n;
	}
	level[k] = map;
	do {
		i = i * 64 + (unsigned)__builtin_ctzll(level[k][i]);
	} while (k-- > 0);
	return (i);
}

/*
 * Blocks, by order and number: the frame shifted right by the order.
 */

/* The greatest order of a block at a frame, in so many frames; n > 0. */
static unsigned
order_at(vm_frame_t frame, uint64_t n)
{
	unsigned order = 63 - (unsigned)__builtin_clzll(n);

	if (frame != 0 && (unsigned)__builtin_ctzll(frame) < order)
		order = (unsigned)__builtin_ctzll(frame);
	return (order);
}

/* The numbers of an order's blocks that lie in a range: how many. */
static uint64_t
numbers_in(vm_frame_t start, vm_frame_t end, unsigned order, uint64_t *first)
{
	uint64_t limit = end >> order;

	*first = (start + ((vm_frame_t)1 << order) - 1) >> order;
	return (limit > *first ? limit - *first : 0);
}

static unsigned
orders_in(vm_frame_t start, vm_frame_t end)
{
	unsigned n = 0;
	uint64_t first;

	while (n < VM_BUDDY_NORDER && numbers_in(start, end, n, &first) > 0)
		n++;
	return (n);
}

static bool
has(const struct vm_buddyorder *bo, uint64_t number)
{

	return (number - bo->bo_first < bo->bo_count);
}

static bool
is_free(const struct vm_buddyorder *bo, uint64_t number)
{

	return (has(bo, number) &&
	    bit_test(bo->bo_free, number - bo->bo_first));
}

static bool
is_used(const struct vm_buddyorder *bo, uint64_t number)
{

	return (has(bo, number) &&
	    bit_test(bo->bo_used, number - bo->bo_first));
}

static void
free_add(struct vm_buddy *vb, unsigned order, uint64_t number)
{
	struct vm_buddyorder *bo = &vb->vb_order[order];

	tree_set(bo->bo_free, bo->bo_count, number - bo->bo_first);
	bo->bo_nfree++;
	vb->vb_orders |= 1ULL << order;
}

static void
free_remove(struct vm_buddy *vb, unsigned order, uint64_t number)
{
	struct vm_buddyorder *bo = &vb->vb_order[order];

	tree_clear(bo->bo_free, bo->bo_count, number - bo->bo_first);
	if (--bo->bo_nfree == 0)
		vb->vb_orders &= ~(1ULL << order);
}

static void
used_add(struct vm_buddy *vb, unsigned order, uint64_t number)
{
	struct vm_buddyorder *bo = &vb->vb_order[order];

	bit_set(bo->bo_used, number - bo->bo_first);
	bo->bo_nused++;
}

static void
used_remove(struct vm_buddy *vb, unsigned order, uint64_t number)
{
	struct vm_buddyorder *bo = &vb->vb_order[order];

	bit_clear(bo->bo_used, number - bo->bo_first);
	bo->bo_nused--;
}

/* The order of the block around a frame of the pool. */
static unsigned
order_of(const struct vm_buddy *vb, vm_frame_t frame)
{
	const struct vm_buddyorder *bo = vb->vb_order;
	unsigned k = 0;

	while (!is_used(&bo[k], frame >> k) && !is_free(&bo[k], frame >> k))
		k++;
	return (k);
}

static bool
in_pool(const struct vm_buddy *vb, vm_frame_t frame)
{

	return (frame - vb->vb_start < vb->vb_end - vb->vb_start);
}

static uint32_t *
refs_of(const struct vm_buddy *vb, vm_frame_t frame)
{

	return (&vb->vb_refs[frame - vb->vb_start]);
}

/*
 * used_find: the order of the allocated block that starts at pa.
 * => 0; EINVAL, EALREADY.
 */
static int
used_find(const struct vm_buddy *vb, paddr_t pa, unsigned *orderp)
{
	vm_frame_t frame = vm_atop(pa);
	unsigned k;

	if (pa != vm_ptoa(frame) || !in_pool(vb, frame))
		return (EINVAL);
	k = order_of(vb, frame);
	if (is_free(&vb->vb_order[k], frame >> k))
		return (EALREADY);
	*orderp = k;
	return ((frame >> k) << k == frame ? 0 : EINVAL);
}

/*
 * Pools.
 */

static bool
range_valid(paddr_t start, psize_t size)
{
	const paddr_t limit = (paddr_t)1 << VM_PADDR_BITS;

	return (((start | size) & (VM_PAGE_SIZE - 1)) == 0 && size != 0 &&
	    size <= limit && start <= limit - size);
}

/* Words of both bitmaps of all orders. */
static uint64_t
bitmap_words(vm_frame_t start, vm_frame_t end)
{
	uint64_t n, first, words = 0;
	unsigned k;

	for (k = 0; k < orders_in(start, end); k++) {
		n = numbers_in(start, end, k, &first);
		words += tree_words(n) + WORDS(n);
	}
	return (words);
}

psize_t
vm_buddy_metasize(paddr_t start, psize_t size)
{
	vm_frame_t first = vm_atop(start), end = vm_atop(start + size);

	if (!range_valid(start, size))
		return (0);
	return (orders_in(first, end) * sizeof(struct vm_buddyorder) +
	    bitmap_words(first, end) * sizeof(uint64_t) +
	    ((end - first) * sizeof(uint32_t) + 7) / 8 * 8);
}

/* Lay out the metadata, all zeros, in the order in which it is looked at. */
static void
orders_init(struct vm_buddy *vb, void *meta)
{
	struct vm_buddyorder *bo;
	uint64_t *word;
	unsigned k;

	vb->vb_norder = orders_in(vb->vb_start, vb->vb_end);
	vb->vb_order = meta;
	word = (uint64_t *)(vb->vb_order + vb->vb_norder);
	for (k = 0; k < vb->vb_norder; k++) {
		bo = &vb->vb_order[k];
		bo->bo_count = numbers_in(vb->vb_start, vb->vb_end, k,
		    &bo->bo_first);
		bo->bo_free = word;
		word += tree_words(bo->bo_count);
		bo->bo_used = word;
		word += WORDS(bo->bo_count);
	}
	vb->vb_refs = (uint32_t *)word;
}

/* All frames are free: the greatest blocks that the range can be cut into. */
static void
range_free(struct vm_buddy *vb)
{
	vm_frame_t frame;
	unsigned order;

	for (frame = vb->vb_start; frame < vb->vb_end;
	    frame += (vm_frame_t)1 << order) {
		order = order_at(frame, vb->vb_end - frame);
		free_add(vb, order, frame >> order);
	}
	vb->vb_nfree = vb->vb_end - vb->vb_start;
}

/*
 * link_of: what leads to a pool, which need not be one; if it is none, where
 * the list ends.  => the list locked.
 */
static struct vm_buddy **
link_of(const struct vm_buddy *vb)
{
	struct vm_buddy **vbp;

	for (vbp = &vm_buddy_pools; *vbp != NULL && *vbp != vb;)
		vbp = &(*vbp)->vb_next;
	return (vbp);
}

static bool
is_pool(const struct vm_buddy *vb)
{
	vm_md_intr_t s = lock(&pools_lock);
	bool found = *link_of(vb) != NULL;

	unlock(&pools_lock, s);
	return (found);
}

int
vm_buddy_create(struct vm_buddy *vb, const char *name, paddr_t start,
    psize_t size, void *meta)
{
	psize_t metasize = vm_buddy_metasize(start, size);
	size_t len = strlen(name);
	vm_md_intr_t s;

	if (metasize == 0 || metasize > SIZE_MAX || len == 0 ||
	    (uintptr_t)meta % sizeof(uint64_t) != 0 || is_pool(vb))
		return (EINVAL);
	memset(vb, 0, sizeof(*vb));
	memset(meta, 0, (size_t)metasize);
	if (len > VM_BUDDY_NAMELEN - 1)
		len = VM_BUDDY_NAMELEN - 1;
	memcpy(vb->vb_name, name, len);
	vb->vb_start = vm_atop(start);
	vb->vb_end = vm_atop(start + size);
	orders_init(vb, meta);
	range_free(vb);

	s = lock(&pools_lock);
	vb->vb_next = vm_buddy_pools;
	vm_buddy_pools = vb;
	unlock(&pools_lock, s);
	return (0);
}

int
vm_buddy_destroy(struct vm_buddy *vb)
{
	vm_md_intr_t s = lock(&pools_lock);
	struct vm_buddy **vbp = link_of(vb);
	int error = 0;

	if (*vbp == NULL)
		error = EINVAL;
	else {
		vm_md_lock(&vb->vb_lock);
		if (vb->vb_nfree != vb->vb_end - vb->vb_start)
			error = EBUSY;
		vm_md_unlock(&vb->vb_lock);
	}
	if (error == 0)
		*vbp = vb->vb_next;
	unlock(&pools_lock, s);
	return (error);
}

/*
 * Allocation.
 */

/* Take a free block, cut to the order.  => false: there is none. */
static bool
take(struct vm_buddy *vb, unsigned order, vm_frame_t *framep)
{
	uint64_t orders = vb->vb_orders >> order << order;
	struct vm_buddyorder *bo;
	uint64_t number;
	unsigned k;

	if (orders == 0)
		return (false);
	k = (unsigned)__builtin_ctzll(orders);
	bo = &vb->vb_order[k];
	number = bo->bo_first + tree_first(bo->bo_free, bo->bo_count);
	free_remove(vb, k, number);
	while (k > order) {		/* keep the lower half */
		k--;
		number *= 2;
		free_add(vb, k, number + 1);
	}
	used_add(vb, order, number);
	vb->vb_nfree -= (uint64_t)1 << order;
	*framep = number << order;
	return (true);
}

/* Free a block, joined with its buddies as far as they are free. */
static void
give(struct vm_buddy *vb, vm_frame_t frame, unsigned order)
{
	uint64_t number = frame >> order;

	used_remove(vb, order, number);
	vb->vb_nfree += (uint64_t)1 << order;
	while (is_free(&vb->vb_order[order], number ^ 1)) {
		free_remove(vb, order, number ^ 1);
		number /= 2;
		order++;
	}
	free_add(vb, order, number);
}

int
vm_buddy_alloc(struct vm_buddy *vb, unsigned order, unsigned flags,
    paddr_t *pap)
{
	vm_frame_t frame;
	vm_md_intr_t s;
	void *va;
	bool taken;

	if (order >= VM_BUDDY_NORDER || (flags & ~VM_PG_ZERO) != 0)
		return (EINVAL);
	s = lock(&vb->vb_lock);
	taken = take(vb, order, &frame);
	unlock(&vb->vb_lock, s);
	if (!taken)
		return (ENOMEM);
	if ((flags & VM_PG_ZERO) != 0) {
		va = vm_md_phystov(vm_ptoa(frame), VM_PAGE_SIZE << order);
		if (va == NULL) {
			s = lock(&vb->vb_lock);
			give(vb, frame, order);
			unlock(&vb->vb_lock, s);
			return (ENOMEM);
		}
		memset(va, 0, (size_t)(VM_PAGE_SIZE << order));
	}
	*pap = vm_ptoa(frame);
	return (0);
}

/*
 * References.
 */

int
vm_buddy_get(struct vm_buddy *vb, paddr_t pa)
{
	vm_md_intr_t s = lock(&vb->vb_lock);
	uint32_t *refs;
	unsigned order;
	int error = 0;

	if (used_find(vb, pa, &order) != 0)
		error = EINVAL;
	else {
		refs = refs_of(vb, vm_atop(pa));
		if (*refs == UINT32_MAX)
			error = EOVERFLOW;
		else
			(*refs)++;
	}
	unlock(&vb->vb_lock, s);
	return (error);
}

/* Drop a reference, if it is one to a block of that order. */
static int
drop(struct vm_buddy *vb, paddr_t pa, unsigned order, bool *freedp)
{
	unsigned found;
	uint32_t *refs;
	int error;

	error = used_find(vb, pa, &found);
	if (error != 0)
		return (error);
	if (order != VM_BUDDY_ANY && order != found)
		return (EMSGSIZE);
	refs = refs_of(vb, vm_atop(pa));
	*freedp = *refs == 0;
	if (*refs == 0)
		give(vb, vm_atop(pa), found);
	else
		(*refs)--;
	return (0);
}

/* What a caller claimed, in bytes, for the report. */
static psize_t
order_size(unsigned order)
{

	return (order < VM_BUDDY_NORDER ? VM_PAGE_SIZE << order : 0);
}

static int
put(struct vm_buddy *vb, paddr_t pa, unsigned order, bool *freedp,
    const void *caller)
{
	vm_md_intr_t s = lock(&vb->vb_lock);
	int error = drop(vb, pa, order, freedp);

	unlock(&vb->vb_lock, s);
	if (error != 0)
		vm_badfree(error, pa, order_size(order), caller,
		    vm_badfree_why(error));
	return (error);
}

int
vm_buddy_put(struct vm_buddy *vb, paddr_t pa, bool *freedp)
{
	bool freed = false;
	int error = put(vb, pa, VM_BUDDY_ANY, &freed,
	    __builtin_return_address(0));

	if (freedp != NULL)
		*freedp = freed;
	return (error);
}

int
vm_buddy_free(struct vm_buddy *vb, paddr_t pa, unsigned order)
{
	bool freed;

	return (put(vb, pa, order, &freed, __builtin_return_address(0)));
}

/*
 * Splitting.
 */

/* A block's pages become used, one by one; the order's words at a time. */
static void
used_add_pages(struct vm_buddy *vb, vm_frame_t frame, uint64_t n)
{
	struct vm_buddyorder *bo = &vb->vb_order[0];
	uint64_t i = frame - bo->bo_first, end = i + n, mask;

	bo->bo_nused += n;
	for (; i < end; i = (i / 64 + 1) * 64) {
		mask = ~0ULL << i % 64;
		if (end - i / 64 * 64 < 64)
			mask &= (1ULL << end % 64) - 1;
		bo->bo_used[i / 64] |= mask;
	}
}

int
vm_buddy_split(struct vm_buddy *vb, paddr_t pa)
{
	vm_md_intr_t s = lock(&vb->vb_lock);
	vm_frame_t frame = vm_atop(pa);
	unsigned order;
	int error = 0;

	if (used_find(vb, pa, &order) != 0)
		error = EINVAL;
	else if (*refs_of(vb, frame) != 0)
		error = EBUSY;
	else {
		used_remove(vb, order, frame >> order);
		used_add_pages(vb, frame, (uint64_t)1 << order);
	}
	unlock(&vb->vb_lock, s);
	return (error);
}

/*
 * Looking.
 */

bool
vm_buddy_block(struct vm_buddy *vb, paddr_t pa, struct vm_buddyblock *bb)
{
	vm_frame_t frame = vm_atop(pa);
	vm_md_intr_t s;
	unsigned k;

	if (!in_pool(vb, frame))
		return (false);
	s = lock(&vb->vb_lock);
	k = order_of(vb, frame);
	frame = (frame >> k) << k;
	bb->bb_start = vm_ptoa(frame);
	bb->bb_order = k;
	bb->bb_free = is_free(&vb->vb_order[k], frame >> k);
	bb->bb_refs = bb->bb_free ? 0 : (uint64_t)*refs_of(vb, frame) + 1;
	unlock(&vb->vb_lock, s);
	return (true);
}

void
vm_buddy_stat(struct vm_buddy *vb, struct vm_buddystat *bs)
{
	vm_md_intr_t s;
	unsigned k;

	memset(bs, 0, sizeof(*bs));
	memcpy(bs->bs_name, vb->vb_name, sizeof(bs->bs_name));
	bs->bs_start = vm_ptoa(vb->vb_start);
	bs->bs_size = vm_ptoa(vb->vb_end - vb->vb_start);
	bs->bs_norder = vb->vb_norder;
	s = lock(&vb->vb_lock);
	bs->bs_free = vm_ptoa(vb->vb_nfree);
	for (k = 0; k < vb->vb_norder; k++) {
		bs->bs_nfree[k] = vb->vb_order[k].bo_nfree;
		bs->bs_nused[k] = vb->vb_order[k].bo_nused;
	}
	unlock(&vb->vb_lock, s);
}

bool
vm_buddy_each(bool (*fn)(struct vm_buddy *, void *), void *arg)
{
	vm_md_intr_t s = lock(&pools_lock);
	struct vm_buddy *vb;

	for (vb = vm_buddy_pools; vb != NULL && fn(vb, arg);)
		vb = vb->vb_next;
	unlock(&pools_lock, s);
	return (vb == NULL);
}

/*
 * Checking.
 */

static uint64_t
bits_count(const uint64_t *map, uint64_t n)
{
	uint64_t i, count = 0;

	for (i = 0; i < WORDS(n); i++)
		count += (unsigned)__builtin_popcountll(map[i]);
	return (count);
}

/* Does each bit above say whether the word below is zero? */
static bool
tree_sound(const uint64_t *map, uint64_t n)
{
	uint64_t words = WORDS(n), i;

	for (; words > 1; words = WORDS(words)) {
		for (i = 0; i < WORDS(words) * 64; i++) {
			if (bit_test(map + words, i) !=
			    (i < words && map[i] != 0))
				return (false);
		}
		map += words;
	}
	return (true);
}

static const char *
order_check(const struct vm_buddy *vb, unsigned k)
{
	const struct vm_buddyorder *bo = &vb->vb_order[k];

	if (bits_count(bo->bo_free, bo->bo_count) != bo->bo_nfree)
		return ("an order's number of free blocks is wrong");
	if (bits_count(bo->bo_used, bo->bo_count) != bo->bo_nused)
		return ("an order's number of allocated blocks is wrong");
	if ((vb->vb_orders >> k & 1) != (bo->bo_nfree > 0 ? 1U : 0U))
		return ("the word of orders with free blocks is wrong");
	if (!tree_sound(bo->bo_free, bo->bo_count))
		return ("a tree of free blocks is broken");
	return (NULL);
}

/*
 * block_check: the block that has to start at a frame; in *kp its order.
 */
static const char *
block_check(const struct vm_buddy *vb, vm_frame_t frame, unsigned *kp)
{
	const struct vm_buddyorder *bo;
	vm_frame_t f;
	unsigned k;
	bool used;

	for (k = 0; k < vb->vb_norder; k++) {
		bo = &vb->vb_order[k];
		used = is_used(bo, frame >> k);
		if (used || is_free(bo, frame >> k))
			break;
	}
	if (k == vb->vb_norder)
		return ("a frame is in no block");
	*kp = k;
	if ((frame >> k) << k != frame)
		return ("two blocks overlap");
	if (!used && is_free(bo, (frame >> k) ^ 1))
		return ("two free buddies are not one block");
	for (f = frame + (used ? 1 : 0); f < frame + (1ULL << k); f++) {
		if (*refs_of(vb, f) != 0)
			return ("references to what is no block");
	}
	return (NULL);
}

/* All frames, block by block; the blocks must be all that have bits. */
static const char *
blocks_check(const struct vm_buddy *vb, vm_frame_t *framep)
{
	uint64_t nblocks = 0, nfree = 0;
	const char *broken;
	unsigned k;

	for (*framep = vb->vb_start; *framep < vb->vb_end;
	    *framep += 1ULL << k) {
		broken = block_check(vb, *framep, &k);
		if (broken != NULL)
			return (broken);
		nblocks++;
		if (is_free(&vb->vb_order[k], *framep >> k))
			nfree += 1ULL << k;
	}
	*framep = vb->vb_start;
	for (k = 0; k < vb->vb_norder; k++)
		nblocks -= vb->vb_order[k].bo_nfree + vb->vb_order[k].bo_nused;
	if (nblocks != 0)
		return ("a block lies within another");
	return (nfree == vb->vb_nfree ? NULL : "free frames are miscounted");
}

const char *
vm_buddy_check(struct vm_buddy *vb, paddr_t *where)
{
	vm_md_intr_t s = lock(&vb->vb_lock);
	vm_frame_t frame = vb->vb_start;
	const char *broken = NULL;
	unsigned k;

	for (k = 0; k < vb->vb_norder && broken == NULL; k++)
		broken = order_check(vb, k);
	if (broken == NULL)
		broken = blocks_check(vb, &frame);
	unlock(&vb->vb_lock, s);
	*where = vm_ptoa(frame);
	return (broken);
}
