/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What bus_dma(9) wants of an I/O MMU: translations for one device, or for
 * several that it cannot tell apart, and the addresses for them.
 *
 * All ranges are whole pages, of VM_PAGE_SIZE bytes.
 */

#ifndef _SYS_IOMMU_H_
#define	_SYS_IOMMU_H_

#include <sys/bus_dma.h>

struct extent;

/* What the device may do. */
#define	IOMMU_READ		0x1	/* memory is read */
#define	IOMMU_WRITE		0x2	/* memory is written */

/*
 * All in any context, and for different ranges at the same time.
 *
 * io_enter: from here on the device finds [pa, pa + size) at bus address addr;
 * nothing was there.
 * => 0; ENOMEM: no memory for tables; a part may have been entered, and is
 *    removed by the caller.
 * io_prepare: from here on io_enter in [addr, addr + size) needs no memory, as
 * long as there is the I/O MMU.  => 0; ENOMEM.
 * io_remove: nothing is at [addr, addr + size) any more, whether something was
 * or not, and the I/O MMU remembers nothing of it.
 * io_extract: where does addr lead?  => false: nowhere.
 * io_faults: how often was the device refused, since it was first known?
 * => reports those of which nothing was said yet, a line each.
 */
struct iommu_ops {
	int		(*io_enter)(void *cookie, bus_addr_t addr, paddr_t pa,
			    bus_size_t size, int prot);
	void		(*io_remove)(void *cookie, bus_addr_t addr,
			    bus_size_t size);
	bool		(*io_extract)(void *cookie, bus_addr_t addr,
			    paddr_t *pa);
	uint64_t	(*io_faults)(void *cookie);
	int		(*io_prepare)(void *cookie, bus_addr_t addr,
			    bus_size_t size);
};

struct iommu {
	const struct iommu_ops *im_ops;
	void		*im_cookie;
	struct extent	*im_space;	/* bus addresses in bytes, made with
					   EX_NOCOALESCE; starts and ends with
					   a page */
};

/*
 * bus_dmatag_iommu: from here on the tag, and children made later, use an I/O
 * MMU, which stays as long as they do.  The tag's window is cut to the I/O
 * MMU's addresses.
 * => 0; EINVAL: nothing is left of the window; EBUSY: the tag has, or had,
 *    maps or memory.
 */
int	bus_dmatag_iommu(bus_dma_tag_t tag, const struct iommu *);

/*
 * bus_dma_nearest: which segment of the maps that are loaded through an I/O
 * MMU is the nearest to a bus address?
 * => false: none is loaded; bn_name is that of a tag all the same, or "".
 */
struct bus_dma_near {
	char		bn_name[16];	/* of the tag */
	unsigned	bn_map;		/* its number */
	bus_dma_segment_t bn_seg;
};

bool	bus_dma_nearest(const struct iommu *, bus_addr_t addr,
	    struct bus_dma_near *);

#endif /* !_SYS_IOMMU_H_ */
