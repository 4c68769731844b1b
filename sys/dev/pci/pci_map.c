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

#include <dev/bus.h>
#include <dev/pci/pci.h>

/*
 * is_foreign: does somebody else have an address?  What the machine's own
 * parts and its firmware have may well be the registers of a device; memory
 * and the registers of another device may not.
 */
static bool
is_foreign(const struct pci_func *f, paddr_t pa)
{
	const char *who = claim_owner(&bus_get()->b_memory, pa);
	char own[CLAIM_NAMELEN];

	if (who == NULL)
		return (false);
	(void)snprintf(own, sizeof(own), PCI_CLAIM, f->pf_bus,
	    f->pf_dev, f->pf_func);
	return (strcmp(who, "memory") == 0 ||
	    (strncmp(who, "pci ", 4) == 0 &&
	    strncmp(who, own, strlen(own)) != 0));
}

void *
pci_mapdev(const struct pci_func *f, paddr_t pa, psize_t size)
{
	paddr_t at = pa;

	while (at - pa < size) {
		if (is_foreign(f, at))
			return (NULL);
		at = (at & ~(paddr_t)(VM_PAGE_SIZE - 1)) + VM_PAGE_SIZE;
	}
	return (pmap_mapdev(pa, size));
}

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
	*regs = pci_mapdev(f, bar.pb_base,
	    bar.pb_size < most ? bar.pb_size : most);
	if (*regs == NULL) {
		printf("%s: registers at 0x%jx cannot be mapped\n", name,
		    (uintmax_t)bar.pb_base);
		return (ENOMEM);
	}
	pci_enable(f, PCI_COMMAND_MEM);
	return (0);
}
