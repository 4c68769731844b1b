/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#ifndef _MACHINE_IOMMU_H_
#define	_MACHINE_IOMMU_H_

#include <sys/bus_dma.h>

/*
 * iommu_dma_tag: the tag of which a PCI function's must be a child: it leads
 * through the machine's I/O MMU, which the first call finds and turns on.
 * => devfn: device << 3 | function.
 * => NULL: there is no I/O MMU; or, after one line on the console, the
 *    function cannot use it.
 * => one CPU at a time: drivers attach one after the other.
 */
bus_dma_tag_t iommu_dma_tag(uint8_t bus, uint8_t devfn);

/*
 * iommu_print: what is mapped, a line for each device.
 */
void	iommu_print(void);

#endif /* !_MACHINE_IOMMU_H_ */
