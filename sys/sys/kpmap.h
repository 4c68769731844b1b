/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Mappings of single pages into a range of kernel addresses that the port
 * keeps for this: what km_map is made of.
 */

#ifndef _SYS_KPMAP_H_
#define	_SYS_KPMAP_H_

#include <vm/vm_types.h>

typedef uintptr_t	vaddr_t;	/* kernel address */
typedef size_t		vsize_t;	/* size of a range of those, bytes */

/* What a mapping allows: reading, and whatever of this is named. */
#define	PMAP_KWRITE	0x1
#define	PMAP_KEXEC	0x2
#define	PMAP_KUNCACHED	0x4	/* for device memory */
#define	PMAP_KALL	(PMAP_KWRITE | PMAP_KEXEC | PMAP_KUNCACHED)

/*
 * pmap_krange: the range, [*startp, *endp), whole pages.  Nothing is mapped in
 * it at first, and nobody but the one user of these functions maps there:
 * he keeps the books of which addresses are taken.
 */
void	pmap_krange(vaddr_t *startp, vaddr_t *endp);

/*
 * pmap_kenter: the page at va shows the page of physical memory at pa, from
 * here on and on all CPUs.
 * => 0; EINVAL: not page-aligned, va not in the range, pa at or above
 *    2^VM_PADDR_BITS, unknown bits in prot; EEXIST: something is mapped at va;
 *    ENOMEM: no memory for page tables.  An error changes nothing.
 * => after vm_physseg_init() and kmem_init(); any context but an interrupt
 *    handler's; does not sleep.
 */
int	pmap_kenter(vaddr_t va, paddr_t pa, unsigned prot);

/*
 * pmap_kremove: nothing is mapped in [va, va + size) any more; what was not
 * mapped there stays so.  When it returns, no CPU can reach the pages by
 * these addresses, and they may be freed.  Page tables that map nothing any
 * more are freed too.
 * => 0; EINVAL: va or size not page-aligned, or not all in the range.  An
 *    error changes nothing.
 * => context as pmap_kenter(); other CPUs are interrupted, whatever they do
 *    and with whatever lock held, so the caller may hold locks.
 *    O(pages and page tables in the range).
 */
int	pmap_kremove(vaddr_t va, vsize_t size);

/*
 * pmap_kextract: what does va show?  => false: nothing is mapped there, or va
 * is not in the range; else *pap is the physical address of that very byte.
 */
bool	pmap_kextract(vaddr_t va, paddr_t *pap);

#endif /* !_SYS_KPMAP_H_ */
