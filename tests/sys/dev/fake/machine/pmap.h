/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Registers in memory for drivers under test: the test program has them.
 */

#ifndef _MACHINE_PMAP_H_
#define	_MACHINE_PMAP_H_

#include <vm/vm_types.h>

void	*pmap_mapdev(paddr_t pa, psize_t size);

#endif /* !_MACHINE_PMAP_H_ */
