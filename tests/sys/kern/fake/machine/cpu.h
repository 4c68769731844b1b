/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The one CPU that a test runs on.
 */

#ifndef _MACHINE_CPU_H_
#define	_MACHINE_CPU_H_

#include <stdint.h>

static inline uint32_t
cpu_number(void)
{

	return (0);
}

#endif /* !_MACHINE_CPU_H_ */
