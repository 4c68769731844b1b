/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Which memory exists: vm_physseg(9).
 */

#ifndef _VM_VM_PHYSSEG_H_
#define	_VM_VM_PHYSSEG_H_

#include <vm/vm_bootstrap.h>
#include <vm/vm_types.h>

struct vm_extspan;

/*
 * A segment: contiguous managed memory of one free list.
 */
struct vm_physseg {
	vm_frame_t	vs_start;	/* first frame */
	vm_frame_t	vs_end;		/* frame after the last */
	enum vm_freelist vs_list;
	struct vm_extspan *vs_span;	/* of the map: for sys/vm alone */
};

#define	VM_PHYSSEG_MAX	(VM_BOOTSTRAP_RANGES + VM_NFREELIST)

/*
 * vm_physmem_load: the whole start in one call, for an embedder: sanitises
 * the map, carves the metadata of sys/vm, and starts the allocator.  Equal
 * to vm_bootstrap_start(), vm_bootstrap_reserve() of each entry of taken (in
 * the name of "reserved") and vm_physseg_init().
 * => 0; EINVAL: no usable page; ENOSPC: too many entries in taken; ENOMEM:
 *    no room for the metadata.
 */
int	vm_physmem_load(const struct vm_memrange *usable, unsigned nusable,
	    const struct vm_memrange *taken, unsigned ntaken);

/*
 * vm_owner_tags: keep owner tags (16 bits a frame)?  True at first; an
 * embedder that does without clears it before vm_physseg_init().
 */
extern bool	vm_owner_tags;

/*
 * vm_physseg_init: take over from the early allocator: make segments of its
 * ranges, split at the limits of the free lists; carve the metadata; show
 * what it gave away as allocated to its owners; free the rest.
 * => 0; ENOMEM: no room for the metadata.
 * => one CPU; afterwards every function of sys/vm may be called.
 */
int	vm_physseg_init(void);

/*
 * vm_physseg_get: the i-th segment in address order; false when there is
 * none.
 */
bool	vm_physseg_get(unsigned i, struct vm_physseg *seg);

/*
 * vm_physseg_find: the segment that contains a frame, or NULL.
 * => no lock; O(log segments).
 */
const struct vm_physseg *vm_physseg_find(vm_frame_t frame);

/*
 * vm_physseg_managed: are all frames of [start, end) managed?  Segments that
 * touch count as one.
 */
bool	vm_physseg_managed(vm_frame_t start, vm_frame_t end);

/*
 * vm_freelist_of: the free list of a frame; vm_freelist_limit: the first
 * frame above a list; vm_freelist_name: "isa", "dma31", "dma32", "default".
 */
extern const vm_frame_t vm_freelist_limits[VM_NFREELIST];

static inline vm_frame_t
vm_freelist_limit(enum vm_freelist list)
{

	return (vm_freelist_limits[list]);
}

static inline enum vm_freelist
vm_freelist_of(vm_frame_t frame)
{
	unsigned list = VM_NFREELIST - 1;

	while (list > 0 && frame < vm_freelist_limits[list - 1])
		list--;
	return ((enum vm_freelist)list);
}

const char	*vm_freelist_name(enum vm_freelist list);

#endif /* !_VM_VM_PHYSSEG_H_ */
