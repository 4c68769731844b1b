/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#ifndef _MACHINE_BOOTINFO_H_
#define	_MACHINE_BOOTINFO_H_

#include <vm/vm_bootstrap.h>

#define	BOOTINFO_MAXMAP		512	/* entries of the memory map */
#define	BOOTINFO_MAXMODULE	16	/* boot modules */
#define	BOOTINFO_MAXCMDLINE	1024	/* bytes, NUL included */

/*
 * bootinfo_read: check and copy what the loader left at that physical
 * address; nothing of it is looked at again.
 * => 0; EINVAL: it makes no sense, after one line on the console.
 */
int	bootinfo_read(paddr_t start_info);

/*
 * What it said.  bootinfo_usable: all that is memory; *np is their number.
 * bootinfo_excluded, bootinfo_taken: the i-th range that is listed as
 * something else; that holds what the loader left.  => false: there is none.
 * bootinfo_rsdp: ACPI's root pointer, or 0.
 */
const struct vm_memrange *bootinfo_usable(unsigned *np);
bool	bootinfo_excluded(unsigned i, struct vm_memrange *);
bool	bootinfo_taken(unsigned i, struct vm_memrange *);
const char *bootinfo_cmdline(void);
paddr_t	bootinfo_rsdp(void);

#endif /* !_MACHINE_BOOTINFO_H_ */
