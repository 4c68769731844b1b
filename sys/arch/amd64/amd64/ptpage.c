/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Pages for page tables, from order pools.
 *
 * A table page here and there in memory, each there for as long as something
 * is mapped by it, would spoil many large runs.  So tables come from pools
 * over runs that the page allocator gave, of 32 pages if there are any and of
 * fewer, down to one, where memory is in pieces: that is when kernel virtual
 * ranges are wanted most.  A pool of which nothing is in use any more goes
 * back to the page allocator.
 *
 * A pool's reference counts say how many entries of a table are in use: the
 * last put frees it.  A pool does not write to its pages, so that a table that
 * was just freed may still be read by a CPU that has not yet forgotten it.
 *
 * Pools are found by a table's address in a balanced tree; those with free
 * pages are also on a list, and those wholly free on another.
 */

#include <sys/avl.h>
#include <sys/kmem.h>
#include <sys/systm.h>

#include <machine/ptpage.h>

#include <vm/vm_buddy.h>
#include <vm/vm_page.h>
#include <vm/vm_pglist.h>

#define	RUN_PAGES	32		/* maps 62 to 64 MiB */

/* A pool is on the list for the number of its tables. */
enum pool_list {
	POOL_FULL,
	POOL_SOME,
	POOL_IDLE,
	POOL_NLIST
};

struct pool {
	struct avl_node	p_node;		/* first: in pools */
	struct pool	*p_next, *p_prev;
	enum pool_list	p_list;
	paddr_t		p_start;
	unsigned	p_npages;
	unsigned	p_nused;
	size_t		p_size;		/* of this structure */
	struct vm_buddy	p_buddy;
	uint64_t	p_meta[];
};

static struct avl_tree pools;		/* by address */
static struct pool *lists[POOL_NLIST];

/*
 * Lists.
 */

static void
list_add(struct pool *p, enum pool_list list)
{

	p->p_list = list;
	p->p_prev = NULL;
	p->p_next = lists[list];
	if (p->p_next != NULL)
		p->p_next->p_prev = p;
	lists[list] = p;
}

static void
list_remove(struct pool *p)
{

	if (p->p_prev != NULL)
		p->p_prev->p_next = p->p_next;
	else
		lists[p->p_list] = p->p_next;
	if (p->p_next != NULL)
		p->p_next->p_prev = p->p_prev;
}

/* A pool has so many tables from now on. */
static void
pool_use(struct pool *p, unsigned n)
{
	enum pool_list list = n == 0 ? POOL_IDLE :
	    n == p->p_npages ? POOL_FULL : POOL_SOME;

	p->p_nused = n;
	if (list != p->p_list) {
		list_remove(p);
		list_add(p, list);
	}
}

/*
 * The tree.
 */

static struct pool *
pool_of(struct avl_node *node)
{

	return ((struct pool *)node);
}

static void
tree_insert(struct pool *p)
{
	struct avl_node *parent = NULL, *node = pools.at_root;
	unsigned side = 0;

	while (node != NULL) {
		parent = node;
		side = p->p_start > pool_of(node)->p_start ? 1 : 0;
		node = node->an_child[side];
	}
	avl_insert(&pools, &p->p_node, parent, side);
}

static struct pool *
tree_find(paddr_t table)
{
	struct avl_node *node = pools.at_root;
	struct pool *p;

	while (node != NULL) {
		p = pool_of(node);
		if (table - p->p_start < p->p_npages * VM_PAGE_SIZE)
			return (p);
		node = node->an_child[table > p->p_start ? 1 : 0];
	}
	panic("pmap: 0x%jx is no page table", (uintmax_t)table);
}

/*
 * Pools.
 */

/* A run of so many pages.  => VM_PADDR_NONE: there is none. */
static paddr_t
run_alloc(unsigned npages)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(npages * VM_PAGE_SIZE);
	struct vm_pgseg seg;
	unsigned nsegs;

	/* They are filled with zeros; low memory is for those who need it. */
	req.vpr_high = vm_md_physend();
	req.vpr_policy = VM_POLICY_HIGHEST;
	req.vpr_owner = vm_owner_register("pmap");
	if (vm_pglist_alloc(&req, &seg, &nsegs) != 0)
		return (VM_PADDR_NONE);
	return (seg.vps_start);
}

static void
run_free(paddr_t start, unsigned npages)
{
	int error = vm_pglist_free(start, npages * VM_PAGE_SIZE);

	KASSERT(error == 0);
}

static struct pool *
pool_make(unsigned npages)
{
	paddr_t start = run_alloc(npages);
	struct pool *p;
	size_t size;
	int error;

	if (start == VM_PADDR_NONE)
		return (NULL);
	size = sizeof(*p) +
	    vm_buddy_metasize(start, npages * VM_PAGE_SIZE);
	p = kmem_zalloc(size, KM_NOSLEEP);
	if (p == NULL) {
		run_free(start, npages);
		return (NULL);
	}
	p->p_start = start;
	p->p_npages = npages;
	p->p_size = size;
	error = vm_buddy_create(&p->p_buddy, "pmap", start,
	    npages * VM_PAGE_SIZE, p->p_meta);
	KASSERT(error == 0);
	tree_insert(p);
	list_add(p, POOL_IDLE);
	return (p);
}

static void
pool_unmake(struct pool *p)
{
	int error = vm_buddy_destroy(&p->p_buddy);

	KASSERT(error == 0);
	list_remove(p);
	avl_remove(&pools, &p->p_node);
	run_free(p->p_start, p->p_npages);
	kmem_free(p, p->p_size);
}

/* A pool that has a free page, and other tables if possible. */
static struct pool *
pool_get(void)
{
	struct pool *p = lists[POOL_SOME];
	unsigned npages;

	if (p == NULL)
		p = lists[POOL_IDLE];
	for (npages = RUN_PAGES; p == NULL && npages > 0; npages /= 2)
		p = pool_make(npages);
	return (p);
}

/*
 * Tables.
 */

paddr_t
ptpage_alloc(void)
{
	struct pool *p = pool_get();
	paddr_t table;
	int error;

	if (p == NULL)
		return (VM_PADDR_NONE);
	error = vm_buddy_alloc(&p->p_buddy, 0, VM_PG_ZERO, &table);
	KASSERT(error == 0);
	pool_use(p, p->p_nused + 1);
	return (table);
}

void
ptpage_get(paddr_t table)
{
	int error = vm_buddy_get(&tree_find(table)->p_buddy, table);

	KASSERT(error == 0);
}

bool
ptpage_put(paddr_t table)
{
	struct pool *p = tree_find(table);
	bool freed;
	int error;

	error = vm_buddy_put(&p->p_buddy, table, &freed);
	KASSERT(error == 0);
	if (freed)
		pool_use(p, p->p_nused - 1);
	return (freed);
}

void
ptpage_trim(void)
{

	while (lists[POOL_IDLE] != NULL)
		pool_unmake(lists[POOL_IDLE]);
}
