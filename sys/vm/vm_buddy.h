/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Order pools: vm_buddy(9).
 */

#ifndef _VM_VM_BUDDY_H_
#define	_VM_VM_BUDDY_H_

#include <vm/vm_types.h>

/*
 * A block of order k is 2^k pages at a multiple of 2^k pages: of the physical
 * address, whatever the pool's start is.
 */
#define	VM_BUDDY_NORDER	(VM_PADDR_BITS - PAGE_SHIFT + 1) /* orders 0 and up */
#define	VM_BUDDY_ANY	UINT32_MAX	/* as an order: not known */
#define	VM_BUDDY_NAMELEN 16		/* bytes of a name, NUL included */

/* What a pool knows of the blocks of one order. */
struct vm_buddyorder {
	uint64_t	*bo_free;	/* a bit a block, and the tree of
					   those words over it */
	uint64_t	*bo_used;	/* a bit a block: allocated as such */
	uint64_t	bo_first;	/* number (frame >> order) of the first
					   block that lies in the range */
	uint64_t	bo_count;	/* of how many that do */
	uint64_t	bo_nfree;
	uint64_t	bo_nused;
};

/* A pool; its storage is the caller's, its members are vm_buddy.c's. */
struct vm_buddy {
	struct vm_buddy	*vb_next;	/* in vm_buddy_pools */
	char		vb_name[VM_BUDDY_NAMELEN];
	vm_frame_t	vb_start;
	vm_frame_t	vb_end;		/* frame after the last */
	struct vm_md_lock vb_lock;	/* for all that follows */
	unsigned	vb_norder;	/* orders 0 to vb_norder - 1 */
	uint64_t	vb_nfree;	/* frames */
	uint64_t	vb_orders;	/* a bit an order: bo_nfree > 0 */
	struct vm_buddyorder *vb_order;
	uint32_t	*vb_refs;	/* a frame: of a block that starts here,
					   references beyond the first */
};

/*
 * vm_buddy_metasize: bytes of metadata for a pool over that range.
 * => 0: the range is malformed (see vm_buddy_create()).
 * vm_buddy_create: a pool over the pages [start, start + size), in bytes,
 * which are the caller's and become free.  They are never touched: meta has
 * vm_buddy_metasize() bytes elsewhere, 8-byte aligned, contents ignored; it
 * and the pool itself belong to the pool until vm_buddy_destroy().
 * => a name longer than VM_BUDDY_NAMELEN - 1 bytes is cut.
 * => 0; EINVAL: not page-aligned, empty, or not below 2^VM_PADDR_BITS; the
 *    name is empty; meta is not aligned; this is a pool already.
 * => O(pages), without a lock but for entering it in the list of pools.
 * vm_buddy_destroy: the pool is no more, its range the caller's again.
 * => 0; EBUSY: some of it is allocated; EINVAL: there is no such pool, or not
 *    any more.
 */
psize_t	vm_buddy_metasize(paddr_t start, psize_t size);
int	vm_buddy_create(struct vm_buddy *, const char *name, paddr_t start,
	    psize_t size, void *meta);
int	vm_buddy_destroy(struct vm_buddy *);

/*
 * vm_buddy_alloc: a block of that order, with one reference: at the lowest
 * address among the smallest free blocks that serve.
 * => flags: VM_PG_ZERO, or 0: the contents are undefined.
 * => 0 and the address in *pap; ENOMEM: no free block is that large, or with
 *    VM_PG_ZERO the kernel has no address to zero it at; EINVAL: unknown
 *    flags, or no order (VM_BUDDY_NORDER and above).
 * => any context that may take a spin lock; never sleeps.  O(orders), beside
 *    the zeroing, which is done without the lock.
 */
int	vm_buddy_alloc(struct vm_buddy *, unsigned order, unsigned flags,
	    paddr_t *pap);

/*
 * vm_buddy_get: one more reference to the block that starts at pa.
 * => 0; EINVAL: no allocated block starts there; EOVERFLOW: it has 2^32
 *    references.
 * vm_buddy_put: one less.  The last frees the block, and it joins its free
 * buddies.  *freedp, unless freedp is NULL, says whether this was the last.
 * vm_buddy_free: the same, of a block of that order; VM_BUDDY_ANY: as
 * vm_buddy_put().
 * => 0; EINVAL: not page-aligned, not in the pool, or not the start of an
 *    allocated block; EALREADY: free; EMSGSIZE: the block has another order.
 *    An error changes nothing, is counted, and gives a line on the console,
 *    as vm_badfree().
 * => any context that may take a spin lock; never sleeps, never allocates.
 *    O(orders).
 */
int	vm_buddy_get(struct vm_buddy *, paddr_t pa);
int	vm_buddy_put(struct vm_buddy *, paddr_t pa, bool *freedp);
int	vm_buddy_free(struct vm_buddy *, paddr_t pa, unsigned order);

/*
 * vm_buddy_split: the allocated block that starts at pa becomes allocated
 * single pages, each with one reference, which are freed one by one.
 * => 0; EINVAL: no allocated block starts there; EBUSY: it has more than one
 *    reference.  An error changes nothing.
 * => context as vm_buddy_put().  O(pages / 64).
 */
int	vm_buddy_split(struct vm_buddy *, paddr_t pa);

/* A block, free or allocated. */
struct vm_buddyblock {
	paddr_t		bb_start;	/* bytes */
	unsigned	bb_order;
	bool		bb_free;
	uint64_t	bb_refs;	/* 0: free */
};

/*
 * vm_buddy_block: the block that contains pa.  => false: pa is not in the pool.
 * A walk starts at the pool's first address and goes on at the end of each
 * block; what changes meanwhile is seen or not.
 * => context as vm_buddy_put().  O(orders).
 */
bool	vm_buddy_block(struct vm_buddy *, paddr_t pa, struct vm_buddyblock *);

/* What there is of a pool at one moment. */
struct vm_buddystat {
	char		bs_name[VM_BUDDY_NAMELEN];
	paddr_t		bs_start;	/* bytes */
	psize_t		bs_size;
	psize_t		bs_free;
	unsigned	bs_norder;	/* orders 0 to bs_norder - 1 exist */
	uint64_t	bs_nfree[VM_BUDDY_NORDER];	/* blocks */
	uint64_t	bs_nused[VM_BUDDY_NORDER];
};

/*
 * vm_buddy_stat: that of a pool.
 * vm_buddy_each: call fn(pool, arg) for each pool, newest first, until it
 * returns false.  => false: it did.
 * => the list's lock is held: fn may call what takes a pool's lock, but
 *    neither create nor destroy a pool.
 * vm_buddy_check: every invariant.  => NULL, or which one is broken (static
 * string) and in *where an address nearby.  O(pages), with the lock held.
 */
void	vm_buddy_stat(struct vm_buddy *, struct vm_buddystat *);
bool	vm_buddy_each(bool (*fn)(struct vm_buddy *, void *), void *arg);
const char *vm_buddy_check(struct vm_buddy *, paddr_t *where);

/* The newest pool, for who reads the kernel's memory from outside. */
extern struct vm_buddy *vm_buddy_pools;

#endif /* !_VM_VM_BUDDY_H_ */
