/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What edu(4) is made to do wrong, to see an I/O MMU refuse it.
 */

#ifndef _DEV_PCI_EDU_POKE_H_
#define	_DEV_PCI_EDU_POKE_H_

#include <sys/bus_dma.h>

/*
 * edu_poke: let the device write where nothing is loaded, at three addresses:
 * one just behind a mapping, one that was unloaded, and the physical one.
 * => transfer: as in edu.c; it writes at most a page.
 * => 0: each was refused, and memory is as before; EIO: not so, or there is no
 *    I/O MMU, and nothing was written; or an error of bus_dma(9); with one
 *    line on the console in any case.
 */
int	edu_poke(bus_dma_tag_t tag, int (*transfer)(bus_addr_t addr,
	    bus_size_t len, unsigned edu, bool to_ram));

#endif /* !_DEV_PCI_EDU_POKE_H_ */
