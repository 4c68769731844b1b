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

/*
 * A segment: contiguous managed memory of one free list.
 */
struct vm_physseg {
	vm_frame_t	vs_start;	/* first frame */
	vm_frame_t	vs_end;		/* frame after the last */
	enum vm_freelist vs_list;
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
 * vm_fresh_bits: remember which frames were ever handed out (a bit a frame),
 * for VM_PG_FRESH?  True at first; as vm_owner_tags.
 */
extern bool	vm_fresh_bits;

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
 * => any context, never sleeps; takes the map's lock.  O(1).
 */
bool	vm_physseg_get(unsigned i, struct vm_physseg *seg);

/*
 * vm_physseg_plug: memory [start, start + size) has come: manage it.
 * => both page-aligned.  It may touch or lie between segments, not overlap
 *    them.  Metadata, where there is none for those addresses yet, comes
 *    from the memory managed before, and stays when the memory goes.
 * => 0; EINVAL: malformed, or at or above 2^VM_PADDR_BITS; EEXIST: some of
 *    it is managed already; ENOSPC: too many segments or spans; ENOMEM: no
 *    room for metadata.  An error plugs nothing.
 * => does not sleep; not from interrupt context; the map's lock is held for
 *    O(pages / 32).  What was plugged is fresh, whatever it was before.
 */
int	vm_physseg_plug(paddr_t start, psize_t size);

/*
 * vm_physseg_unplug: memory [start, start + size) is going to go: stop
 * managing it.  It need not be a whole segment.
 * => both page-aligned, at least two pages.  Held pages are taken back first.
 * => 0; EINVAL: malformed, or not all managed; ENOSPC: too many segments, as
 *    what remains may be one more; EBUSY: some of it is allocated, by *pin
 *    (which may be NULL) and perhaps others.  An error changes nothing.
 * => not from interrupt context.
 */
struct vm_physpin {
	paddr_t		pin_start;	/* of the allocation, bytes */
	psize_t		pin_size;
	vm_owner_t	pin_owner;
};

int	vm_physseg_unplug(paddr_t start, psize_t size,
	    struct vm_physpin *pin);

/*
 * vm_physseg_managed: are all frames of [start, end) managed?  Segments that
 * touch count as one.
 * => context as vm_physseg_get().  O(log segments) for each that is touched.
 */
bool	vm_physseg_managed(vm_frame_t start, vm_frame_t end);

/*
 * vm_freelist_of: the free list of a frame; vm_freelist_limit: the first
 * frame above a list; vm_freelist_name: "isa", "dma31", "dma32", "default".
 */
static inline vm_frame_t
vm_freelist_limit(enum vm_freelist list)
{
	static const vm_frame_t limits[VM_NFREELIST] = {
		[VM_FREELIST_ISA] = (16ULL << 20) >> PAGE_SHIFT,
		[VM_FREELIST_DMA31] = (2ULL << 30) >> PAGE_SHIFT,
		[VM_FREELIST_DMA32] = (4ULL << 30) >> PAGE_SHIFT,
		[VM_FREELIST_DEFAULT] = VM_FRAME_END,
	};

	return (limits[list]);
}

/* No branches: the addresses of pages that are freed cannot be foreseen. */
static inline enum vm_freelist
vm_freelist_of(vm_frame_t frame)
{

	return ((enum vm_freelist)(
	    (frame >= vm_freelist_limit(VM_FREELIST_ISA) ? 1 : 0) +
	    (frame >= vm_freelist_limit(VM_FREELIST_DMA31) ? 1 : 0) +
	    (frame >= vm_freelist_limit(VM_FREELIST_DMA32) ? 1 : 0)));
}

_Static_assert(VM_FREELIST_ISA == 0 && VM_FREELIST_DMA31 == 1 &&
    VM_FREELIST_DMA32 == 2 && VM_FREELIST_DEFAULT == VM_NFREELIST - 1,
    "vm_freelist_of() counts limits");

const char	*vm_freelist_name(enum vm_freelist list);

#endif /* !_VM_VM_PHYSSEG_H_ */
