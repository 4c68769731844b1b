/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The books of kmem(9).
 *
 * Each block has a description that lies outside of it, so that no write that
 * goes astray in the memory of a caller can make a bad free look good.
 *
 * Finding one by an address that anybody may pass to kmem_free() must not
 * touch that address, nor ask the port where it lies: the descriptions hang
 * in trees, by the address of the page.  There are several, each with a lock,
 * so that CPUs seldom meet; neighbouring pages are in different ones.
 *
 * Descriptions come in a few sizes, by the number of objects they have room
 * for.  Each size has pages of its own, which begin with a header that is
 * found from a description by masking its address, and which go back when
 * the last description in them does.
 */

#include <vm/vm_kassert.h>
#include <vm/vm_owner.h>
#include <vm/vm_pglist.h>

#include "kmem_block.h"

#define	NSHARD		32
#define	RETRY_NSEC	1000000
#define	NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

/* A page of descriptions. */
struct meta_page {
	struct meta_page *mp_next;	/* those with free descriptions */
	struct meta_page **mp_prevp;
	void		*mp_free;	/* each one begins with the next */
	paddr_t		mp_pa;
	unsigned	mp_nused;
	unsigned	mp_pool;
};

/* Descriptions of one size. */
struct meta_pool {
	size_t		mt_size;
	struct meta_page *mt_pages;
};

#define	META_FIRST	64		/* where the first one lies */
_Static_assert(sizeof(struct meta_page) <= META_FIRST, "the header fits");

#define	BLOCK_SIZE(n)	(sizeof(struct kmem_block) + (n) * sizeof(uint16_t))

/* The largest is for 256 objects, of 16 bytes each. */
static struct meta_pool meta_pools[] = {
	{ .mt_size = 128 },
	{ .mt_size = 256 },
	{ .mt_size = 384 },
	{ .mt_size = 640 },
};

static struct vm_md_lock meta_lock;		/* pools and the count */
static uint64_t meta_npages;

static struct kmem_shard shards[NSHARD];

vm_owner_t
kmem_owner(void)
{
	static _Atomic vm_owner_t owner;
	vm_owner_t tag = atomic_load_explicit(&owner, memory_order_relaxed);

	if (tag == VM_OWNER_NONE) {
		tag = vm_owner_register("kmem");
		atomic_store_explicit(&owner, tag, memory_order_relaxed);
	}
	return (tag);
}

/*
 * A page that is above all that the kernel can address is of no use; then one
 * from below is asked for.
 */
paddr_t
kmem_page_alloc(void **vap)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(VM_PAGE_SIZE);
	struct vm_pgseg seg;
	unsigned nsegs;
	paddr_t pa;

	pa = vm_page_alloc(0, kmem_owner());
	if (pa == VM_PADDR_NONE)
		return (VM_PADDR_NONE);
	*vap = vm_md_phystov(pa, VM_PAGE_SIZE);
	if (*vap != NULL)
		return (pa);
	(void)vm_page_free(pa);
	req.vpr_high = vm_md_physend();
	req.vpr_owner = kmem_owner();
	if (vm_pglist_alloc(&req, &seg, &nsegs) != 0)
		return (VM_PADDR_NONE);
	*vap = vm_md_phystov(seg.vps_start, VM_PAGE_SIZE);
	if (*vap != NULL)
		return (seg.vps_start);
	(void)vm_page_free(seg.vps_start);
	return (VM_PADDR_NONE);
}

/*
 * The page that ends the wait may be of the low lists' reserve, which is not
 * for us; so a little more time passes before anybody looks again.
 */
void
kmem_page_wait(paddr_t high)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(VM_PAGE_SIZE);
	_Atomic uint32_t never = 0;
	struct vm_pgseg seg;
	unsigned nsegs;

	req.vpr_flags = VM_PG_WAIT;
	req.vpr_high = high;
	if (vm_pglist_alloc(&req, &seg, &nsegs) == 0)
		(void)vm_page_free(seg.vps_start);
	(void)vm_md_wait(&never, 0, RETRY_NSEC);
}

/*
 * Descriptions.
 */

static struct meta_pool *
pool_for(unsigned nobjects)
{
	unsigned i = 0;

	while (meta_pools[i].mt_size < BLOCK_SIZE(nobjects))
		i++;
	KASSERT(i < NITEMS(meta_pools));
	return (&meta_pools[i]);
}

static void
meta_link(struct meta_pool *mt, struct meta_page *mp)
{

	mp->mp_next = mt->mt_pages;
	mp->mp_prevp = &mt->mt_pages;
	if (mp->mp_next != NULL)
		mp->mp_next->mp_prevp = &mp->mp_next;
	mt->mt_pages = mp;
}

static void
meta_unlink(struct meta_page *mp)
{

	*mp->mp_prevp = mp->mp_next;
	if (mp->mp_next != NULL)
		mp->mp_next->mp_prevp = mp->mp_prevp;
}

/*
 * meta_page_new: a page of free descriptions; NULL: no memory.
 */
static struct meta_page *
meta_page_new(const struct meta_pool *mt)
{
	struct meta_page *mp;
	void *page, **d;
	paddr_t pa;
	size_t at;

	pa = kmem_page_alloc(&page);
	if (pa == VM_PADDR_NONE)
		return (NULL);
	mp = page;
	mp->mp_free = NULL;
	mp->mp_pa = pa;
	mp->mp_nused = 0;
	mp->mp_pool = (unsigned)(mt - meta_pools);
	for (at = META_FIRST; at + mt->mt_size <= VM_PAGE_SIZE;
	    at += mt->mt_size) {
		d = (void **)(void *)((char *)page + at);
		*d = mp->mp_free;
		mp->mp_free = d;
	}
	return (mp);
}

static vm_md_intr_t
meta_enter(void)
{
	vm_md_intr_t s = vm_md_intr_disable();

	vm_md_lock(&meta_lock);
	return (s);
}

static void
meta_exit(vm_md_intr_t s)
{

	vm_md_unlock(&meta_lock);
	vm_md_intr_restore(s);
}

/*
 * meta_take: a free description; NULL: there is none.  => lock held.
 */
static void *
meta_take(struct meta_pool *mt)
{
	struct meta_page *mp = mt->mt_pages;
	void **d;

	if (mp == NULL)
		return (NULL);
	d = mp->mp_free;
	mp->mp_free = *d;
	mp->mp_nused++;
	if (mp->mp_free == NULL)
		meta_unlink(mp);
	return (d);
}

struct kmem_block *
kmem_block_alloc(unsigned nobjects)
{
	struct meta_pool *mt = pool_for(nobjects);
	struct meta_page *mp;
	struct kmem_block *kb;
	vm_md_intr_t s;

	s = meta_enter();
	kb = meta_take(mt);
	meta_exit(s);
	if (kb == NULL) {
		mp = meta_page_new(mt);
		if (mp == NULL)
			return (NULL);
		s = meta_enter();
		meta_npages++;
		meta_link(mt, mp);
		kb = meta_take(mt);
		meta_exit(s);
	}
	memset(kb, 0, BLOCK_SIZE(nobjects));
	return (kb);
}

void
kmem_block_free(struct kmem_block *kb)
{
	struct meta_page *mp = (struct meta_page *)((uintptr_t)kb &
	    ~((uintptr_t)VM_PAGE_SIZE - 1));
	paddr_t pa = VM_PADDR_NONE;
	vm_md_intr_t s;
	void **d = (void **)kb;

	s = meta_enter();
	if (mp->mp_free == NULL)
		meta_link(&meta_pools[mp->mp_pool], mp);
	*d = mp->mp_free;
	mp->mp_free = d;
	if (--mp->mp_nused == 0) {
		meta_unlink(mp);
		meta_npages--;
		pa = mp->mp_pa;
	}
	meta_exit(s);
	if (pa != VM_PADDR_NONE)
		(void)vm_page_free(pa);
}

uint64_t
kmem_block_pages(void)
{
	vm_md_intr_t s = meta_enter();
	uint64_t n = meta_npages;

	meta_exit(s);
	return (n);
}

/*
 * What lies where.
 */

static uintptr_t
page_of(const void *va)
{

	return ((uintptr_t)va & ~((uintptr_t)VM_PAGE_SIZE - 1));
}

struct kmem_shard *
kmem_shard(const void *va)
{

	return (&shards[(uintptr_t)va / VM_PAGE_SIZE % NSHARD]);
}

static struct kmem_block *
block_of(const struct avl_node *n)
{

	return ((struct kmem_block *)(uintptr_t)((uintptr_t)n -
	    offsetof(struct kmem_block, kb_node)));
}

void
kmem_block_insert(struct kmem_shard *ks, struct kmem_block *kb)
{
	struct avl_node *n = ks->ks_tree.at_root, *parent = NULL;
	unsigned side = 0;

	while (n != NULL) {
		parent = n;
		side = (uintptr_t)kb->kb_va > (uintptr_t)block_of(n)->kb_va;
		n = n->an_child[side];
	}
	avl_insert(&ks->ks_tree, &kb->kb_node, parent, side);
}

void
kmem_block_remove(struct kmem_shard *ks, struct kmem_block *kb)
{

	avl_remove(&ks->ks_tree, &kb->kb_node);
}

struct kmem_block *
kmem_block_find(const struct kmem_shard *ks, const void *va)
{
	uintptr_t page = page_of(va), at;
	struct avl_node *n = ks->ks_tree.at_root;

	while (n != NULL) {
		at = (uintptr_t)block_of(n)->kb_va;
		if (at == page)
			return (block_of(n));
		n = n->an_child[page > at];
	}
	return (NULL);
}

void
kmem_block_init(void)
{
	unsigned i;

	for (i = 0; i < NITEMS(meta_pools); i++)
		meta_pools[i].mt_pages = NULL;
	for (i = 0; i < NSHARD; i++)
		shards[i].ks_tree.at_root = NULL;
	meta_npages = 0;
}

const char *
kmem_block_foreach(const char *(*func)(struct kmem_block *, void *), void *arg)
{
	struct kmem_shard *ks;
	struct avl_node *n;
	const char *why = NULL;
	vm_md_intr_t s;

	for (ks = shards; ks < shards + NSHARD && why == NULL; ks++) {
		s = vm_md_intr_disable();
		vm_md_lock(&ks->ks_lock);
		for (n = avl_first(&ks->ks_tree); n != NULL && why == NULL;
		    n = avl_next(n))
			why = func(block_of(n), arg);
		vm_md_unlock(&ks->ks_lock);
		vm_md_intr_restore(s);
	}
	return (why);
}

const char *
kmem_block_check(void)
{
	struct kmem_shard *ks;
	const char *why = NULL;
	vm_md_intr_t s;

	for (ks = shards; ks < shards + NSHARD && why == NULL; ks++) {
		s = vm_md_intr_disable();
		vm_md_lock(&ks->ks_lock);
		if (!avl_check(&ks->ks_tree))
			why = "a tree of blocks is out of balance";
		vm_md_unlock(&ks->ks_lock);
		vm_md_intr_restore(s);
	}
	return (why);
}
