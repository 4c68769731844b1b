/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * I/O ports for drivers under test: the test program has the other end.
 */

#ifndef _MACHINE_CPUFUNC_H_
#define	_MACHINE_CPUFUNC_H_

#include <stdint.h>

uint8_t	inb(uint16_t port);
void	outb(uint16_t port, uint8_t v);
uint16_t inw(uint16_t port);
void	outw(uint16_t port, uint16_t v);
uint32_t inl(uint16_t port);
void	outl(uint16_t port, uint32_t v);

#endif /* !_MACHINE_CPUFUNC_H_ */
