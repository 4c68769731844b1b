/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Where things lie in the kernel's address space.
 *
 *	ffff800000000000  direct map: physical address 0 and up, cached
 *	ffffc00000000000  mappings of single pages: <sys/kpmap.h>
 *	ffffffff80000000  the kernel's image: physical address 0 and up
 *	ffffffffc0000000  device mappings, uncached
 */

#ifndef _MACHINE_PMAP_H_
#define	_MACHINE_PMAP_H_

#define	PMAP_DIRECT	0xffff800000000000
#define	PMAP_DIRECT_SIZE 0x0000400000000000	/* at most: 64 TiB */
#define	PMAP_KM		0xffffc00000000000
#define	PMAP_KM_SIZE	0x0000008000000000	/* 512 GiB */
#define	PMAP_KERNBASE	0xffffffff80000000
#define	PMAP_DEVICE	0xffffffffc0000000

#define	PMAP_BOOTED	0x0000000100000000	/* the direct map that the boot
						   code makes: 4 GiB */

#ifndef __ASSEMBLER__
#include <vm/vm_types.h>

/*
 * pmap_phystov: the address of physical memory in the direct map.  The
 * caller knows that it lies in the part that is mapped: below 4 GiB, or RAM.
 */
static inline void *
pmap_phystov(paddr_t pa)
{

	return ((void *)(PMAP_DIRECT + pa));
}

/*
 * pmap_vtophys: the physical address of an object in the kernel's image, in
 * the direct map, or in a page that pmap_kenter() mapped.  Not for device
 * mappings.
 */
paddr_t	pmap_vtophys(const void *va);

/*
 * pmap_mapped: does [pa, pa + size) have a direct mapping, all of it?
 */
bool	pmap_mapped(paddr_t pa, psize_t size);

/*
 * pmap_mapdev: map the registers of a device, uncached; neither pa nor size
 * need be page-aligned.  Such a mapping is never undone.
 * => NULL: the window for device mappings is full, or the range is no
 *    possible physical address.
 * => one CPU at a time: drivers attach one after the other.
 */
void	*pmap_mapdev(paddr_t pa, psize_t size);

/*
 * Steps of the boot, in this order, on the boot CPU:
 *
 * pmap_init: protects the kernel's image, makes pmap_mapdev() usable.
 * pmap_unmap_guard: the page at va, in the kernel's .bss, is unmapped: the
 * page below a stack.
 * pmap_bootstrap: gives all usable memory above 4 GiB a direct mapping.
 * => after vm_bootstrap_start(), before vm_physseg_init().
 * => 0; ENOMEM: no memory below 4 GiB for page tables.
 * pmap_forget_identity: once all CPUs run at the kernel's addresses, the
 * lowest ones are unmapped, so that a NULL pointer faults.
 */
void	pmap_init(void);
void	pmap_unmap_guard(const void *va);
int	pmap_bootstrap(void);
void	pmap_forget_identity(void);

#endif /* !__ASSEMBLER__ */

#endif /* !_MACHINE_PMAP_H_ */
