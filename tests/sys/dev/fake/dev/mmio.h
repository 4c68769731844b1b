/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Registers for drivers under test: the test program has the other end.
 */

#ifndef _DEV_MMIO_H_
#define	_DEV_MMIO_H_

#include <stdint.h>

uint32_t mmio_read32(const volatile uint8_t *regs, unsigned reg);
void	mmio_write32(volatile uint8_t *regs, unsigned reg, uint32_t v);
uint64_t mmio_read64(const volatile uint8_t *regs, unsigned reg);
void	mmio_write64(volatile uint8_t *regs, unsigned reg, uint64_t v);

#endif /* !_DEV_MMIO_H_ */
