/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The books of kmem(9): what lies at an address; and its reports.  For
 * kmem(9) and km_map(9) alone.
 */

#ifndef _KERN_KMEM_BLOCK_H_
#define	_KERN_KMEM_BLOCK_H_

#include <sys/avl.h>
#include <sys/kmem.h>

#include <vm/vm_types.h>

/*
 * A block: a page that is cut into objects of one size, or the pages of one
 * allocation.
 *
 * kb_object has, for an object that is allocated, the bytes that were asked
 * for; for a free one, KB_FREE and the index of the next free one.
 */
struct kmem_block {
	struct avl_node	kb_node;
	char		*kb_va;		/* page-aligned */
	paddr_t		kb_pa;		/* VM_PADDR_NONE: scattered */
	size_t		kb_size;	/* bytes asked for; 0: cut */
	size_t		kb_psize;	/* bytes of its pages */
	struct kmem_block *kb_next;	/* the class's, with free objects */
	struct kmem_block **kb_prevp;
	uint8_t		kb_class;
	uint16_t	kb_nobjects;
	uint16_t	kb_nused;
	uint16_t	kb_first;	/* free object, or KB_NONE */
	uint16_t	kb_object[];
};

#define	KB_FREE		0x8000
#define	KB_NONE		0x7fff
#define	KB_INDEX	0x7fff

/*
 * A shard: the blocks of some of the pages.
 */
struct kmem_shard {
	_Alignas(VM_CACHE_LINE) struct vm_md_lock ks_lock;
	struct avl_tree	ks_tree;	/* by kb_va */
};

/*
 * kmem_block_alloc: a description with room for that many objects, all else
 * zero.  => NULL: no memory.
 * kmem_block_free: that is no longer needed.
 * => take a lock of their own, behind all others.
 */
struct kmem_block *kmem_block_alloc(unsigned nobjects);
void	kmem_block_free(struct kmem_block *);

/*
 * kmem_shard: the shard of a page's address.
 * kmem_block_insert, kmem_block_remove, kmem_block_find: put a block there,
 * take it out, and find the one that begins at the page of va (NULL: none).
 * => with the shard locked.
 */
struct kmem_shard *kmem_shard(const void *va);
void	kmem_block_insert(struct kmem_shard *, struct kmem_block *);
void	kmem_block_remove(struct kmem_shard *, struct kmem_block *);
struct kmem_block *kmem_block_find(const struct kmem_shard *, const void *va);

/*
 * kmem_page_alloc: a page that the kernel has an address of.
 * => VM_PADDR_NONE: there is none.
 * => never sleeps.
 */
paddr_t	kmem_page_alloc(void **vap);

/*
 * kmem_page_wait: sleep until a page below that address may be free.
 */
void	kmem_page_wait(paddr_t high);

/*
 * kmem_block_init: forget all.
 * kmem_block_pages: pages that descriptions take.
 * kmem_block_foreach: each block, with its shard locked, until the function
 * says what is wrong.  => what it said, or NULL.
 * kmem_block_check: is the tree of each shard in order?
 */
void	kmem_block_init(void);
uint64_t kmem_block_pages(void);
const char *kmem_block_foreach(const char *(*)(struct kmem_block *, void *),
	    void *);
const char *kmem_block_check(void);

/*
 * kmem_scattered: where kmem(9) gets pages from that are no run.
 */
struct kmem_scattered {
	void		*(*sc_alloc)(size_t, size_t align, unsigned flags);
	int		(*sc_free)(void *, size_t);
};

void	kmem_scattered(const struct kmem_scattered *);

/*
 * kmem_report: count a misuse and say so, in the name of who; or panic.
 * kmem_report_init: nothing was counted.
 */
void	kmem_report(const char *who, enum kmem_badness, const void *p,
	    size_t size, const void *caller);
void	kmem_report_init(void);

/* The tag of all pages of kmem(9). */
vm_owner_t kmem_owner(void);

#endif /* !_KERN_KMEM_BLOCK_H_ */
