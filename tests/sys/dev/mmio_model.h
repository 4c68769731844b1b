/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What models of PCI devices have in common whose registers lie in memory: how
 * a driver finds and maps them.  The test program has the rest of
 * <dev/pci/pci.h> and what the registers do.
 */

#ifndef _MMIO_MODEL_H_
#define	_MMIO_MODEL_H_

#include <stdbool.h>
#include <stdint.h>

/* The test program's device. */
struct mmio_device {
	uint32_t	md_class;	/* 0: it is not looked for by that */
	unsigned	md_bar;
	uint64_t	md_size;	/* that this register says, bytes */
	uint8_t		*md_registers;
};

extern const struct mmio_device mmio_device;
extern bool mmio_absent;		/* there is none */

/*
 * reg_get, reg_set: a register as it lies in that memory.
 */
uint32_t reg_get(unsigned reg);
void	reg_set(unsigned reg, uint32_t v);

#endif /* !_MMIO_MODEL_H_ */
