/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The kernel's ELF file: where it has its symbols.
 */

#ifndef _EXTSTAT_KERNEL_H_
#define	_EXTSTAT_KERNEL_H_

#include <vm/vm_types.h>

#include "elffile.h"

/*
 * kernel_lookup: the physical address of a symbol, by the program headers
 * that say where the kernel is loaded, and the machine the kernel is of.
 * => the program ends if there is no such symbol or it lies in no segment.
 */
paddr_t	kernel_lookup(const char *file, const char *symbol,
	    struct machine *machine);

#endif /* !_EXTSTAT_KERNEL_H_ */
