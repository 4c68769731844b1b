/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <atf-c.h>

#include <machine/cpufunc.h>

#include "pci_model.h"

static struct function *functions;
static unsigned nfunctions;
static uint32_t address;
static bool hydra;

bool pci_model_mechanism;
unsigned pci_model_decoding, pci_model_reads;

static struct function *
selected(void)
{
	unsigned i;

	for (i = 0; i < nfunctions; i++)
		if (((address >> 16) & 0xff) == functions[i].bus &&
		    ((address >> 11) & 0x1f) == functions[i].dev &&
		    ((address >> 8) & 7) == functions[i].func)
			return (&functions[i]);
	return (NULL);
}

static uint32_t
hydra_read(void)
{
	unsigned bus = address >> 16 & 0xff;

	switch (address & 0xfc) {
	case 0x00:
		return (0x00011111);
	case 0x0c:
		return (BRIDGE | MULTI);
	case 0x18:
		return (BUSES(bus, (bus + 1) & 0xff));
	default:
		return (0);
	}
}

static bool
is_bridge(const struct function *f)
{

	return ((f->header & 0x7f0000) == BRIDGE);
}

static uint32_t
config_read(void)
{
	struct function *f = selected();
	unsigned reg = address & 0xfc;

	if (f == NULL)
		return (UINT32_MAX);
	switch (reg) {
	case 0x00:
		return (f->id);
	case 0x04:
		return (f->command);
	case 0x0c:
		return (f->header);
	}
	if (is_bridge(f) && reg == 0x18)
		return (f->buses);
	if (is_bridge(f) && reg >= 0x1c && reg < 0x34)
		return (f->window[(reg - 0x1c) / 4]);
	if (reg >= 0x10 && reg < 0x28)
		return (f->bar[(reg - 0x10) / 4]);
	return (0);
}

static void
config_write(uint32_t v)
{
	struct function *f = selected();
	unsigned reg = address & 0xfc, i = (reg - 0x10) / 4;
	uint32_t fixed;

	ATF_REQUIRE(f != NULL);
	if (reg == 0x04) {
		/* The upper half is status: ones written there clear. */
		ATF_CHECK_EQ(0, v >> 16);
		f->command = (f->command & 0xffff0000) | (v & 0xffff);
		return;
	}
	ATF_REQUIRE_MSG(reg >= 0x10 && reg < (is_bridge(f) ? 0x18 : 0x28),
	    "write of 0x%x", reg);
	fixed = f->bar[i] & ~f->bar_bits[i];
	f->bar[i] = (v & f->bar_bits[i]) | fixed;
	if ((f->command & 3) != 0)
		pci_model_decoding++;
}

void
outl(uint16_t port, uint32_t v)
{

	if (!pci_model_mechanism)
		return;
	if (port == 0xcf8)
		address = v & 0x80fffffc;
	else {
		ATF_REQUIRE_EQ(0xcfc, port);
		ATF_REQUIRE((address & 0x80000000) != 0);
		if (!hydra)
			config_write(v);
	}
}

uint32_t
inl(uint16_t port)
{

	if (!pci_model_mechanism)
		return (UINT32_MAX);
	if (port == 0xcf8)
		return (address);
	ATF_REQUIRE_EQ(0xcfc, port);
	ATF_REQUIRE((address & 0x80000000) != 0);
	pci_model_reads++;
	return (hydra ? hydra_read() : config_read());
}

void
pci_model(struct function *f, unsigned n)
{

	functions = f;
	nfunctions = n;
	hydra = false;
	pci_model_mechanism = true;
	pci_model_decoding = pci_model_reads = 0;
	address = 0x1234;
}

void
pci_model_hydra(void)
{

	pci_model(NULL, 0);
	hydra = true;
}
