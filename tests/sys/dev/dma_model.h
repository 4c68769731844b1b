/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What models of PCI devices that move data by themselves have in common: the
 * device may be master of the bus or not, and reaches memory only if it is.
 * The test program has the rest of <dev/pci/pci.h>.
 */

#ifndef _DMA_MODEL_H_
#define	_DMA_MODEL_H_

#include <stdint.h>

#include <sys/device.h>

extern uint16_t	pci_command;		/* the device's command register */

/*
 * dma_memory: size bytes at pa as the device reaches them: at a multiple of
 * align, with no line of boundary (a power of two) between them.
 * get32, get64, put32: as they lie in memory.
 * nothing_left: the device is no master of the bus, bus_dma(9) has seen no
 * mistake and knows no tag and no map, and so many frames are free.
 * attach_fails, job_fails: a driver fails with that error and such a line, in
 * not too much time, and nothing is left, nor after the job once more, which
 * fails, too; frames are those that were free before it was attached.
 */
uint8_t	*dma_memory(uint64_t pa, uint64_t size, uint64_t align,
	    uint64_t boundary);
uint32_t get32(const uint8_t *);
uint64_t get64(const uint8_t *);
void	put32(uint8_t *, uint32_t);
void	nothing_left(uint64_t frames);
void	attach_fails(const struct device_driver *, int error,
	    const char *line);
void	job_fails(const struct device_driver *, int error, const char *line,
	    uint64_t frames);

#endif /* !_DMA_MODEL_H_ */
