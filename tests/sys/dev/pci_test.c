/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of PCI configuration access against a model of a machine: PCI Local
 * Bus Specification 3.0, sections 3.2.2.3.2 and 6.
 */

#include <atf-c.h>
#include <errno.h>
#include <string.h>

#include <machine/cpufunc.h>

#include <dev/pci/pci.h>

#define	NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

/*
 * The model: functions, each with the registers of a header and the bits of
 * its base address registers that can be set.
 */
struct function {
	unsigned	bus, dev, func;
	uint32_t	id;
	uint32_t	header;		/* type, in the register's place */
	uint32_t	buses;		/* of a bridge */
	uint32_t	bar[6], bar_bits[6];
	uint32_t	command;
};

static struct function *functions;
static unsigned nfunctions;
static bool mechanism;			/* is there one? */
static uint32_t address;
static unsigned decoding;		/* base address registers written
					   while the device decodes them */

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
	case 0x18:
		if (f->buses != 0)
			return (f->buses);
		break;
	}
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
	ATF_REQUIRE_MSG(reg >= 0x10 && reg < 0x28, "write of 0x%x", reg);
	fixed = f->bar[i] & ~f->bar_bits[i];
	f->bar[i] = (v & f->bar_bits[i]) | fixed;
	if ((f->command & 3) != 0)
		decoding++;
}

void
outl(uint16_t port, uint32_t v)
{

	if (!mechanism)
		return;
	if (port == 0xcf8)
		address = v & 0x80fffffc;
	else {
		ATF_REQUIRE_EQ(0xcfc, port);
		ATF_REQUIRE((address & 0x80000000) != 0);
		config_write(v);
	}
}

uint32_t
inl(uint16_t port)
{

	if (!mechanism)
		return (UINT32_MAX);
	if (port == 0xcf8)
		return (address);
	ATF_REQUIRE_EQ(0xcfc, port);
	ATF_REQUIRE((address & 0x80000000) != 0);
	return (config_read());
}

static void
machine(struct function *f, unsigned n)
{

	functions = f;
	nfunctions = n;
	mechanism = true;
	decoding = 0;
	address = 0x1234;
}

#define	MULTI	(0x80U << 16)
#define	BRIDGE	(0x01U << 16)
#define	BUSES(primary, secondary)	((primary) | (secondary) << 8)

static struct function tree[] = {
	{ .bus = 0, .dev = 0, .id = 0x00011111 },
	/* A function that is only there for devices with several. */
	{ .bus = 0, .dev = 0, .func = 3, .id = 0x00021111 },
	{ .bus = 0, .dev = 1, .id = 0x00031111, .header = MULTI },
	{ .bus = 0, .dev = 1, .func = 7, .id = 0x00041111 },
	{ .bus = 0, .dev = 4, .id = 0x00051111, .header = BRIDGE,
	    .buses = BUSES(0, 1) },
	{ .bus = 1, .dev = 31, .id = 0x00061111, .header = BRIDGE | MULTI,
	    .buses = BUSES(1, 9) },
	{ .bus = 9, .dev = 5, .id = 0x00071111 },
	/* Bridges that nobody has set up, or that lead back. */
	{ .bus = 9, .dev = 6, .id = 0x00081111, .header = BRIDGE },
	{ .bus = 9, .dev = 7, .id = 0x00091111, .header = BRIDGE,
	    .buses = BUSES(9, 1) },
	{ .bus = 9, .dev = 8, .id = 0x000a1111, .header = BRIDGE,
	    .buses = BUSES(9, 9) },
	{ .bus = 0, .dev = 31, .id = 0x000b1111 },
};

ATF_TC_WITHOUT_HEAD(find);
ATF_TC_BODY(find, tc)
{
	static const struct {
		uint16_t device;
		bool found;
		unsigned bus, dev, func;
	} t[] = {
		{ 1, true, 0, 0, 0 },
		{ 2, false, 0, 0, 0 },
		{ 3, true, 0, 1, 0 },
		{ 4, true, 0, 1, 7 },
		{ 5, true, 0, 4, 0 },
		{ 6, true, 1, 31, 0 },
		{ 7, true, 9, 5, 0 },
		{ 0xb, true, 0, 31, 0 },
		{ 0xc, false, 0, 0, 0 },
		{ 0xffff, false, 0, 0, 0 },
	};
	struct pci_func f;
	size_t i;

	machine(tree, NITEMS(tree));
	ATF_CHECK(pci_present());
	for (i = 0; i < NITEMS(t); i++) {
		ATF_CHECK_EQ_MSG(t[i].found, pci_find(0x1111, t[i].device, &f),
		    "device %x", t[i].device);
		if (!t[i].found)
			continue;
		ATF_CHECK_EQ(t[i].bus, f.pf_bus);
		ATF_CHECK_EQ(t[i].dev, f.pf_dev);
		ATF_CHECK_EQ(t[i].func, f.pf_func);
	}
	ATF_CHECK(!pci_find(0x1112, 1, &f));
	ATF_CHECK(!pci_find(0xffff, 0xffff, &f));
}

/* Without the mechanism, ports read as all ones. */
ATF_TC_WITHOUT_HEAD(absent);
ATF_TC_BODY(absent, tc)
{
	struct pci_func f;

	machine(tree, NITEMS(tree));
	mechanism = false;
	ATF_CHECK(!pci_present());
	ATF_CHECK(!pci_find(0x1111, 1, &f));
	ATF_CHECK(!pci_find(0xffff, 0xffff, &f));
}

static struct function device = {
	.dev = 2, .id = 0x11e81234, .command = 0x02900003,
	.bar = { 0xfeb00000, 0x0000c041, 0x8000000c, 0x00000001, 0, 0x1000 },
	.bar_bits = { 0xfff00000, 0x0000ffe0, 0x80000000, 0xffffffff, 0,
	    0xfffff000 },
};

ATF_TC_WITHOUT_HEAD(bar);
ATF_TC_BODY(bar, tc)
{
	const struct pci_func f = { .pf_dev = 2 };
	struct function before;
	struct pci_bar b;

	machine(&device, 1);
	before = device;
	/* 1 MiB of memory. */
	ATF_REQUIRE_EQ(0, pci_bar_read(&f, 0, &b));
	ATF_CHECK(!b.pb_io);
	ATF_CHECK_EQ(0xfeb00000, b.pb_base);
	ATF_CHECK_EQ(0x100000, b.pb_size);
	/* 32 ports; the upper half of the register is fixed. */
	ATF_REQUIRE_EQ(0, pci_bar_read(&f, 1, &b));
	ATF_CHECK(b.pb_io);
	ATF_CHECK_EQ(0xc040, b.pb_base);
	ATF_CHECK_EQ(32, b.pb_size);
	/* 2 GiB of memory above 4 GiB. */
	ATF_REQUIRE_EQ(0, pci_bar_read(&f, 2, &b));
	ATF_CHECK(!b.pb_io);
	ATF_CHECK_EQ(UINT64_C(0x180000000), b.pb_base);
	ATF_CHECK_EQ(UINT64_C(0x80000000), b.pb_size);
	/* Not there; one page at the bottom; no address. */
	ATF_CHECK_EQ(ENXIO, pci_bar_read(&f, 4, &b));
	ATF_REQUIRE_EQ(0, pci_bar_read(&f, 5, &b));
	ATF_CHECK_EQ(0x1000, b.pb_base);
	ATF_CHECK_EQ(0x1000, b.pb_size);
	device.bar[5] = 0;
	ATF_CHECK_EQ(EIO, pci_bar_read(&f, 5, &b));
	device.bar[5] = 0x1000;
	ATF_CHECK_EQ(EINVAL, pci_bar_read(&f, 6, &b));
	/* All is as it was, and nothing moved while it was decoded. */
	ATF_CHECK_EQ(0, memcmp(&before, &device, sizeof(device)));
	ATF_CHECK_EQ(0, decoding);
	/* Bridges have other registers there. */
	device.header = BRIDGE;
	ATF_CHECK_EQ(EINVAL, pci_bar_read(&f, 0, &b));
	device.header = 0;
}

ATF_TC_WITHOUT_HEAD(command);
ATF_TC_BODY(command, tc)
{
	const struct pci_func f = { .pf_dev = 2 };

	machine(&device, 1);
	pci_enable(&f, PCI_COMMAND_MASTER);
	ATF_CHECK_EQ(0x02900007, device.command);
	pci_enable(&f, PCI_COMMAND_MASTER | PCI_COMMAND_IO);
	ATF_CHECK_EQ(0x02900007, device.command);
	pci_disable(&f, PCI_COMMAND_IO);
	ATF_CHECK_EQ(0x02900006, device.command);
	pci_disable(&f, PCI_COMMAND_MASTER | PCI_COMMAND_IO);
	ATF_CHECK_EQ(0x02900002, device.command);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, find);
	ATF_TP_ADD_TC(tp, absent);
	ATF_TP_ADD_TC(tp, bar);
	ATF_TP_ADD_TC(tp, command);
	return (atf_no_error());
}
