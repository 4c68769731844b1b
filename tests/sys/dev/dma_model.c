/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <atf-c.h>

#include <sys/bus_dma.h>
#include <sys/systm.h>

#include <machine/vm_machdep.h>

#include <dev/pci/pci.h>

#include "dma_model.h"
#include "driver_model.h"

#define	LIMIT		UINT64_C(300000000000)	/* ns */

uint16_t pci_command;

void
pci_enable(const struct pci_func *f, uint16_t bits)
{

	(void)f;
	pci_command |= bits;
}

void
pci_disable(const struct pci_func *f, uint16_t bits)
{

	(void)f;
	pci_command &= (uint16_t)~bits;
}

bus_dma_tag_t
pci_dma_tag(const struct pci_func *f)
{

	(void)f;
	return (NULL);
}

uint8_t *
dma_memory(uint64_t pa, uint64_t size, uint64_t align, uint64_t boundary)
{
	uint8_t *va;

	ATF_REQUIRE_MSG((pci_command & PCI_COMMAND_MASTER) != 0,
	    "no master, yet DMA");
	ATF_REQUIRE_MSG(size > 0 && pa % align == 0 &&
	    pa / boundary == (pa + size - 1) / boundary,
	    "0x%jx of 0x%jx bytes", (uintmax_t)pa, (uintmax_t)size);
	va = vm_md_phystov(pa, size);
	ATF_REQUIRE(va != NULL);
	return (va);
}

uint32_t
get32(const uint8_t *p)
{

	return (p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24);
}

uint64_t
get64(const uint8_t *p)
{

	return (get32(p) | (uint64_t)get32(p + 4) << 32);
}

void
put32(uint8_t *p, uint32_t v)
{

	memcpy(p, &v, sizeof(v));
}

void
nothing_left(uint64_t frames)
{
	unsigned maps, tags;

	ATF_CHECK_MSG(!console_has("bus_dma:"), "%s", console);
	ATF_CHECK_EQ(0, pci_command & PCI_COMMAND_MASTER);
	bus_dma_usage(&tags, &maps);
	ATF_CHECK_EQ(0, tags);
	ATF_CHECK_EQ(0, maps);
	ATF_CHECK_EQ(frames, free_frames());
}

void
attach_fails(const struct device_driver *d, int error, const char *line)
{
	uint64_t frames = free_frames(), start = now;

	clear_console();
	ATF_CHECK_EQ_MSG(error, d->dd_attach(), "%s", console);
	ATF_CHECK_MSG(console_has(line), "%s", console);
	ATF_CHECK(now - start < LIMIT);
	nothing_left(frames);
}

void
job_fails(const struct device_driver *d, int error, const char *line,
    uint64_t frames)
{
	uint64_t start = now;

	clear_console();
	ATF_CHECK_EQ_MSG(error, d->dd_job(), "%s", console);
	ATF_CHECK_MSG(console_has(line), "%s", console);
	ATF_CHECK(now - start < LIMIT);
	nothing_left(frames);
	ATF_CHECK_EQ(EIO, d->dd_job());
	nothing_left(frames);
}
