/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Registers of devices that are mapped into the kernel's addresses.
 */

#ifndef _DEV_MMIO_H_
#define	_DEV_MMIO_H_

#include <stdint.h>

static inline uint32_t
mmio_read32(const volatile uint8_t *regs, unsigned reg)
{

	return (*(const volatile uint32_t *)(uintptr_t)(regs + reg));
}

static inline void
mmio_write32(volatile uint8_t *regs, unsigned reg, uint32_t v)
{

	*(volatile uint32_t *)(uintptr_t)(regs + reg) = v;
}

static inline uint64_t
mmio_read64(const volatile uint8_t *regs, unsigned reg)
{

	return (*(const volatile uint64_t *)(uintptr_t)(regs + reg));
}

static inline void
mmio_write64(volatile uint8_t *regs, unsigned reg, uint64_t v)
{

	*(volatile uint64_t *)(uintptr_t)(regs + reg) = v;
}

#endif /* !_DEV_MMIO_H_ */
