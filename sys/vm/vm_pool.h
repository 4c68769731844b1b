/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Pools of special memory: what is not the page allocator's, such as SRAM on
 * the chip or a device's memory behind a base address register: vm_pool(9).
 *
 * A pool hands out units of 2^n bytes from chunks, each of which has a
 * physical address and, as a rule, a kernel address.  All constraints are on
 * physical addresses.  Sizes, limits and addresses are in bytes.
 */

#ifndef _VM_VM_POOL_H_
#define	_VM_VM_POOL_H_

#include <vm/vm_extmap.h>
#include <vm/vm_types.h>

#define	VM_POOL_NAMELEN	32		/* with the NUL */
#define	VM_POOL_UNIT_MIN	8	/* bytes */
#define	VM_POOL_LOOKS	64		/* see vm_pool_alloc() */

struct vm_poolchunk;			/* vm_pool.c */

/*
 * A pool.  Its memory is the caller's; its members are not.
 */
struct vm_pool {
	struct vm_pool	*vp_next;	/* of all pools */
	char		vp_name[VM_POOL_NAMELEN];
	unsigned	vp_shift;	/* log2 of the unit */
	uint32_t	vp_phandle;	/* 0: none */
	_Atomic uint64_t vp_refused;	/* frees */
	_Atomic(struct vm_poolchunk *) vp_chunks;	/* by address */
};

/*
 * vm_pool_create: a pool without memory, in units of that many bytes (a
 * power of two, VM_POOL_UNIT_MIN at least), to be found by its name.
 * => 0; EINVAL: a unit or name that cannot be; EEXIST: there is a pool of
 *    that name, or this is one already.
 * vm_pool_destroy: the pool ends.  Nobody uses it any more.
 * => 0; EBUSY: some of it is allocated, and nothing changes; EINVAL: it was
 *    never created, or destroyed before.
 * => both take a lock with interrupts disabled: not from NMI context.
 */
int	vm_pool_create(struct vm_pool *, const char *name, psize_t unit);
int	vm_pool_destroy(struct vm_pool *);

/*
 * vm_pool_metasize: bytes of metadata for a chunk of that size; 0: no chunk
 * can have it.
 * vm_pool_add: memory at pa, size bytes, both multiples of the unit, becomes
 * a chunk; kva is its kernel address, or NULL: it has none.  Others may
 * allocate and free meanwhile.
 * => mem: vm_pool_metasize() bytes, aligned to 8, contents ignored, in use
 *    until the pool is destroyed; or NULL: pages are taken for that.
 * => 0; EINVAL: no whole units, or a size or address that cannot be; EEXIST:
 *    it overlaps a chunk; ENOMEM: no pages for the metadata.
 * => with mem: any context, lock-free; else as vm_pglist_alloc().
 */
psize_t	vm_pool_metasize(const struct vm_pool *, psize_t size);
int	vm_pool_add(struct vm_pool *, paddr_t pa, void *kva, psize_t size,
	    void *mem);

/* Where in the memory that satisfies a request it is placed. */
enum vm_poolpolicy {
	VM_POOL_FIRST,		/* at the lowest address */
	VM_POOL_BEST,		/* in the smallest free extent, cut to low and
				   high, that has a place; there as FIRST */
	VM_POOL_ORDER,		/* as FIRST, aligned to its size, rounded up
				   to a power of two */
	VM_POOL_FIXED		/* vpq_offset bytes from the start of a chunk,
				   the first that has that place */
};

#define	VM_POOL_ZERO	0x0001		/* the caller gets zeros, in memory
					   that has a kernel address */

/* A request.  Start from VM_POOLREQ_INITIALIZER. */
struct vm_poolreq {
	psize_t		vpq_size;	/* rounded up to units */
	psize_t		vpq_align;	/* power of two */
	psize_t		vpq_boundary;	/* power of two that is not crossed a
					   multiple of; 0: none */
	paddr_t		vpq_low;	/* lowest address, inclusive */
	paddr_t		vpq_high;	/* upper limit, exclusive */
	psize_t		vpq_offset;	/* VM_POOL_FIXED only */
	enum vm_poolpolicy vpq_policy;
	unsigned	vpq_flags;	/* VM_POOL_ZERO */
};

#define	VM_POOLREQ_INITIALIZER(size) {					\
	.vpq_size = (size),						\
	.vpq_align = 1,							\
	.vpq_high = VM_PADDR_MAX,					\
}

/* What a request is answered with. */
struct vm_poolmem {
	paddr_t		vpm_start;	/* physical address */
	psize_t		vpm_size;	/* a multiple of the unit */
	void		*vpm_kva;	/* NULL: it has no kernel address */
};

/*
 * vm_pool_alloc: memory that satisfies the request, in one chunk.
 * => 0; EINVAL: size 0 or more than there are addresses; alignment or
 *    boundary no power of two; the boundary not 0 and smaller than the size
 *    in whole units; low >= high; an unknown policy or flag; an offset that
 *    is no multiple of the unit, or not 0 with a policy other than
 *    VM_POOL_FIXED; ENOMEM: no free run satisfies it.  On an error *mem is
 *    not changed.
 * => any context, NMI included, where the port's compare-and-swap on 64 bits
 *    is; takes no lock and waits for nobody.  Lock-free: it starts again only
 *    if somebody else changed what it was going to take.
 * => fails only if there was a moment during the call when no free run
 *    satisfied it.  Not so if memory came free during each of VM_POOL_LOOKS
 *    looks, or if after as many somebody is still amid a change: then what
 *    that one is about to give back does not count.
 * => O(units / 32 + free extents), and what zeroing takes.
 */
int	vm_pool_alloc(struct vm_pool *, const struct vm_poolreq *,
	    struct vm_poolmem *mem);

/*
 * vm_pool_free: give back what vm_pool_alloc() gave, whole, by its physical
 * address.
 * => size 0: not known; else it is rounded up to units and verified.
 * => 0; EINVAL: not a unit of this pool, or not the start of an allocation;
 *    EALREADY: already free, or just being allocated or freed; EMSGSIZE: the
 *    allocation has another size.  An error changes nothing; it is counted in
 *    the pool, and reported as vm_badfree.h says.
 * => context and progress as vm_pool_alloc(), but that the console must allow
 *    the report.  O(units / 32).
 *
 * vm_pool_free_quiet: the same, but an error is only counted in the pool: for
 * NMI context, where nothing may be printed.
 */
int	vm_pool_free(struct vm_pool *, paddr_t start, psize_t size);
int	vm_pool_free_quiet(struct vm_pool *, paddr_t start, psize_t size);

/*
 * vm_pool_kva: the kernel address of [pa, pa + size), or NULL: it does not
 * lie in one chunk, or has none.
 * vm_pool_paddr: the physical address that a kernel address of the pool
 * means, or VM_PADDR_NONE.
 */
void	*vm_pool_kva(const struct vm_pool *, paddr_t pa, psize_t size);
paddr_t	vm_pool_paddr(const struct vm_pool *, const void *kva);

/*
 * vm_pool_size: bytes in all chunks.
 * vm_pool_avail: bytes that are free.  O(units / 32), no snapshot.
 * vm_pool_unit: bytes of a unit.
 * vm_pool_refused: how many frees were refused.
 */
psize_t	vm_pool_size(const struct vm_pool *);
psize_t	vm_pool_avail(const struct vm_pool *);
psize_t	vm_pool_unit(const struct vm_pool *);
uint64_t	vm_pool_refused(const struct vm_pool *);

/* A chunk, as it was added. */
struct vm_poolarea {
	paddr_t		vpa_start;
	psize_t		vpa_size;
	void		*vpa_kva;
	psize_t		vpa_avail;	/* bytes that are free */
};

/* A maximal run of units in one state, or one allocation. */
struct vm_poolextent {
	paddr_t		vpe_start;
	psize_t		vpe_size;
	enum vm_fstate	vpe_state;	/* FREE; HEAD: an allocation; HELD:
					   just being allocated or freed */
};

/*
 * vm_pool_chunk: the i-th chunk by address; false: there is none.
 * vm_pool_walk: the piece that holds address from, cut to what begins there,
 * or the first one above.  => false: there is none.
 * => both in any context.  Of an allocation that is not freed meanwhile, all
 *    is told right, whatever happens around it.
 * vm_pool_check: are the states what they can be, while nobody uses the pool?
 * => NULL, or what is broken (static string), at *where.
 */
bool	vm_pool_chunk(const struct vm_pool *, unsigned i,
	    struct vm_poolarea *);
bool	vm_pool_walk(const struct vm_pool *, paddr_t from,
	    struct vm_poolextent *);
const char *vm_pool_check(const struct vm_pool *, paddr_t *where);

/*
 * vm_pool_find: the pool of that name, or NULL.
 * vm_pool_next: the pool that was created after one that exists, or the first
 * (of NULL); NULL: there is none.
 * vm_pool_each: call fn(pool, arg) for each pool, in the order in which they
 * were created, until it returns false.  => false: it did.
 * => the lock is held: no pool goes meanwhile; fn may look at pools, and use
 *    their memory, but not call what takes the lock.
 * vm_pool_set_phandle: that number of a device tree's node means this pool.
 * => 0; EINVAL: 0 or 0xffffffff, which mean none; EEXIST: another pool's.
 * vm_pool_find_phandle: the pool that it means, or NULL.
 * => all take a lock with interrupts disabled: not from NMI context.
 */
struct vm_pool	*vm_pool_find(const char *name);
struct vm_pool	*vm_pool_next(const struct vm_pool *);
bool		vm_pool_each(bool (*fn)(struct vm_pool *, void *), void *arg);
int		vm_pool_set_phandle(struct vm_pool *, uint32_t phandle);
struct vm_pool	*vm_pool_find_phandle(uint32_t phandle);

#endif /* !_VM_VM_POOL_H_ */
