/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The units in which sys/vm speaks.
 *
 * A frame is a page-sized, page-aligned unit of physical memory; its number
 * is its address shifted right by PAGE_SHIFT.  Addresses and sizes of
 * physical memory have 64 bits on every port, so that a 32-bit kernel can
 * manage memory that it cannot address.
 */

#ifndef _VM_VM_TYPES_H_
#define	_VM_VM_TYPES_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <machine/vm_machdep.h>

typedef uint64_t	paddr_t;	/* physical address, bytes */
typedef uint64_t	psize_t;	/* size of physical memory, bytes */
typedef uint64_t	vm_frame_t;	/* frame number */
typedef uint16_t	vm_owner_t;	/* owner tag, see vm_owner.h */

#define	VM_PAGE_SIZE	((psize_t)1 << PAGE_SHIFT)

/*
 * As the (exclusive) upper limit of a request: no limit.  As a returned
 * address: none.  It is never the address of a frame.
 */
#define	VM_PADDR_MAX	UINT64_MAX
#define	VM_PADDR_NONE	UINT64_MAX

/*
 * Physical addresses of managed memory lie below 2^52: the widest that any
 * port's page tables hold (AMD64 Architecture Programmer's Manual, volume 2,
 * section 5.1; Arm ARM, FEAT_LPA).
 */
#define	VM_PADDR_BITS	52
#define	VM_FRAME_END	((vm_frame_t)1 << (VM_PADDR_BITS - PAGE_SHIFT))

static inline vm_frame_t
vm_atop(paddr_t pa)
{

	return (pa >> PAGE_SHIFT);
}

static inline paddr_t
vm_ptoa(vm_frame_t frame)
{

	return (frame << PAGE_SHIFT);
}

/*
 * Free lists: the class of a frame by its address.  A request names the
 * lists that it may use by a mask of VM_FREELIST_BIT()s.
 */
enum vm_freelist {
	VM_FREELIST_ISA,	/* below 16 MiB: 24-bit ISA DMA */
	VM_FREELIST_DMA31,	/* below 2 GiB: s390x, 31-bit masks */
	VM_FREELIST_DMA32,	/* below 4 GiB: 32-bit bus masters */
	VM_FREELIST_DEFAULT,	/* everything above */
	VM_NFREELIST
};

#define	VM_FREELIST_BIT(l)	(1U << (l))
#define	VM_FREELIST_ALL		((1U << VM_NFREELIST) - 1)

/*
 * Where a run is placed: within the highest allowed free list that has a
 * place for it, or, if only a run over the border of lists will do, within
 * all of the window.  An answer of several segments is made of the largest
 * pieces, wherever they lie; one that needs held frames lies where they are.
 */
enum vm_policy {
	VM_POLICY_LOWEST,	/* first fit from low */
	VM_POLICY_HIGHEST,	/* first fit from high */
	VM_POLICY_BEST,		/* in the smallest extent that fits */
	VM_POLICY_NEXT,		/* first fit from where the last one ended
				   (of fresh memory: as VM_POLICY_LOWEST) */
	VM_POLICY_EXACT		/* at vpr_low, nowhere else */
};

#endif /* !_VM_VM_TYPES_H_ */
