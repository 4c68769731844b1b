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

#include <dev/pci/pci.h>

#include "pci_model.h"

#define	NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

/* What becomes of the devices' addresses has a test of its own. */
static unsigned configured;

void
pci_configure(void)
{

	configured++;
}

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

	pci_model(tree, NITEMS(tree));
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
	ATF_CHECK(configured > 0);
	ATF_CHECK(!pci_find(0x1112, 1, &f));
	ATF_CHECK(!pci_find(0xffff, 0xffff, &f));
}

static unsigned visits[PCI_NBUS];

static bool
count(const struct pci_func *f, void *arg)
{
	unsigned *n = arg;

	visits[f->pf_bus]++;
	++*n;
	return (false);
}

/* Two ways to one bus: what is there is there once. */
ATF_TC_WITHOUT_HEAD(two_ways);
ATF_TC_BODY(two_ways, tc)
{
	static struct function ways[] = {
		{ .bus = 0, .dev = 1, .id = 0x00011111, .header = BRIDGE,
		    .buses = BUSES(0, 2) },
		{ .bus = 0, .dev = 2, .id = 0x00011111, .header = BRIDGE,
		    .buses = BUSES(0, 2) },
		{ .bus = 2, .dev = 3, .id = 0x00021111 },
	};
	unsigned n = 0;

	pci_model(ways, NITEMS(ways));
	ATF_CHECK(!pci_walk(count, &n));
	ATF_CHECK_EQ(3, n);
	ATF_CHECK_EQ(2, visits[0]);
	ATF_CHECK_EQ(1, visits[2]);
}

/* Bridges that multiply: a search ends, and soon. */
ATF_TC_WITHOUT_HEAD(hydra);
ATF_TC_BODY(hydra, tc)
{
	struct pci_func f;
	unsigned n = 0;

	pci_model_hydra();
	ATF_CHECK(!pci_find(0x1111, 2, &f));
	ATF_CHECK_MSG(pci_model_reads < 10 * 65536, "%u", pci_model_reads);
	ATF_CHECK(!pci_walk(count, &n));
	ATF_CHECK_EQ(65536, n);
	ATF_CHECK(pci_find(0x1111, 1, &f));
	ATF_CHECK_EQ(0, f.pf_bus);
}

/* Without the mechanism, ports read as all ones. */
ATF_TC_WITHOUT_HEAD(absent);
ATF_TC_BODY(absent, tc)
{
	struct pci_func f;

	pci_model(tree, NITEMS(tree));
	pci_model_mechanism = false;
	ATF_CHECK(!pci_present());
	ATF_CHECK(!pci_find(0x1111, 1, &f));
	ATF_CHECK(!pci_find(0xffff, 0xffff, &f));
	ATF_CHECK_EQ(0, configured);
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

	pci_model(&device, 1);
	before = device;
	/* 1 MiB of memory. */
	ATF_REQUIRE_EQ(0, pci_bar_read(&f, 0, &b));
	ATF_CHECK(!b.pb_io);
	ATF_CHECK_EQ(0xfeb00000, b.pb_base);
	ATF_CHECK_EQ(0x100000, b.pb_size);
	ATF_CHECK(!b.pb_64);
	ATF_CHECK(!b.pb_prefetch);
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
	ATF_CHECK(b.pb_64);
	ATF_CHECK(b.pb_prefetch);
	/* Not there; one page at the bottom; no address. */
	ATF_CHECK_EQ(ENXIO, pci_bar_read(&f, 4, &b));
	ATF_REQUIRE_EQ(0, pci_bar_read(&f, 5, &b));
	ATF_CHECK_EQ(0x1000, b.pb_base);
	ATF_CHECK_EQ(0x1000, b.pb_size);
	device.bar[5] = 0;
	ATF_CHECK_EQ(EIO, pci_bar_read(&f, 5, &b));
	ATF_CHECK_EQ(0, b.pb_base);
	ATF_CHECK_EQ(0x1000, b.pb_size);
	device.bar[5] = 0x1000;
	ATF_CHECK_EQ(EINVAL, pci_bar_read(&f, 6, &b));
	/* All is as it was, and nothing moved while it was decoded. */
	ATF_CHECK_EQ(0, memcmp(&before, &device, sizeof(device)));
	ATF_CHECK_EQ(0, pci_model_decoding);
	/* Bits that say what it is, and none that can be set. */
	device.bar[4] = 0x8;
	ATF_CHECK_EQ(ENXIO, pci_bar_read(&f, 4, &b));
	ATF_CHECK_EQ(ENXIO, pci_bar_write(&f, 4, 0));
	device.bar[4] = 0;
	/* Bridges have other registers behind the first two; others, none. */
	ATF_CHECK_EQ(6, pci_nbar(&f));
	device.header = BRIDGE;
	ATF_CHECK_EQ(2, pci_nbar(&f));
	ATF_CHECK_EQ(0, pci_bar_read(&f, 1, &b));
	ATF_CHECK_EQ(EINVAL, pci_bar_read(&f, 2, &b));
	device.header = CARDBUS;
	ATF_CHECK_EQ(0, pci_nbar(&f));
	ATF_CHECK_EQ(EINVAL, pci_bar_read(&f, 0, &b));
	device.header = 0;
}

ATF_TC_WITHOUT_HEAD(bar_write);
ATF_TC_BODY(bar_write, tc)
{
	const struct pci_func f = { .pf_dev = 2 };
	struct function before;
	struct pci_bar b;

	pci_model(&device, 1);
	before = device;
	ATF_CHECK_EQ(0, pci_bar_write(&f, 0, 0xc0100000));
	ATF_CHECK_EQ(0xc0100000, device.bar[0]);
	ATF_CHECK_EQ(0, pci_bar_write(&f, 1, 0xd020));
	ATF_CHECK_EQ(0xd021, device.bar[1]);
	ATF_CHECK_EQ(0, pci_bar_write(&f, 2, UINT64_C(0xf80000000)));
	ATF_CHECK_EQ(0x8000000c, device.bar[2]);
	ATF_CHECK_EQ(0xf, device.bar[3]);
	ATF_REQUIRE_EQ(0, pci_bar_read(&f, 2, &b));
	ATF_CHECK_EQ(UINT64_C(0xf80000000), b.pb_base);
	/* Not aligned; too high; not there. */
	before = device;
	ATF_CHECK_EQ(EINVAL, pci_bar_write(&f, 0, 0xc0080000));
	ATF_CHECK_EQ(EINVAL, pci_bar_write(&f, 0, UINT64_C(0x100000000)));
	ATF_CHECK_EQ(ENXIO, pci_bar_write(&f, 4, 0x1000));
	ATF_CHECK_EQ(EINVAL, pci_bar_write(&f, 6, 0x1000));
	ATF_CHECK_EQ(0, memcmp(&before, &device, sizeof(device)));
	/* A port that the device has no bits for. */
	ATF_CHECK_EQ(EIO, pci_bar_write(&f, 1, 0x10000));
	ATF_CHECK_EQ(0, pci_model_decoding);
	ATF_CHECK_EQ(before.command, device.command);
}

ATF_TC_WITHOUT_HEAD(command);
ATF_TC_BODY(command, tc)
{
	const struct pci_func f = { .pf_dev = 2 };

	pci_model(&device, 1);
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
	ATF_TP_ADD_TC(tp, two_ways);
	ATF_TP_ADD_TC(tp, hydra);
	ATF_TP_ADD_TC(tp, absent);
	ATF_TP_ADD_TC(tp, bar);
	ATF_TP_ADD_TC(tp, bar_write);
	ATF_TP_ADD_TC(tp, command);
	return (atf_no_error());
}
