/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <atf-c.h>

#include <sys/systm.h>

#include <dev/pci/pci.h>

#include "mmio_model.h"

bool	mmio_absent;

bool
pci_find_class(uint32_t class, struct pci_func *f)
{

	ATF_CHECK_EQ(mmio_device.md_class, class);
	memset(f, 0, sizeof(*f));
	return (!mmio_absent);
}

int
pci_map_bar(const struct pci_func *f, unsigned i, uint64_t least,
    uint64_t most, const char *name, volatile uint8_t **regs)
{

	(void)f;
	(void)name;
	ATF_CHECK_EQ(mmio_device.md_bar, i);
	ATF_CHECK(least <= mmio_device.md_size && least <= most);
	*regs = mmio_device.md_registers;
	return (0);
}

uint32_t
reg_get(unsigned reg)
{
	uint32_t v;

	memcpy(&v, mmio_device.md_registers + reg, sizeof(v));
	return (v);
}

void
reg_set(unsigned reg, uint32_t v)
{

	memcpy(mmio_device.md_registers + reg, &v, sizeof(v));
}
