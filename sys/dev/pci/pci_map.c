/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Registers of a device that lie in memory.
 */

#include <sys/systm.h>

#include <machine/pmap.h>

#include <dev/pci/pci.h>

int
pci_map_bar(const struct pci_func *f, unsigned i, uint64_t least,
    uint64_t most, const char *name, volatile uint8_t **regs)
{
	struct pci_bar bar;

	if (pci_bar_read(f, i, &bar) != 0 || bar.pb_io ||
	    bar.pb_size < least) {
		printf("%s: base address register %u is of no use\n", name, i);
		return (ENODEV);
	}
	*regs = pmap_mapdev(bar.pb_base,
	    bar.pb_size < most ? bar.pb_size : most);
	if (*regs == NULL) {
		printf("%s: registers at 0x%jx cannot be mapped\n", name,
		    (uintmax_t)bar.pb_base);
		return (ENOMEM);
	}
	pci_enable(f, PCI_COMMAND_MEM);
	return (0);
}
