/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of how PCI devices get addresses.  What is judged is what the devices
 * decode in the end, read from the model.
 */

#include <atf-c.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dev/bus.h>
#include <dev/pci/pci.h>

#include <sys/systm.h>

#include <machine/pmap.h>

#include "pci_model.h"

#define	MB	UINT64_C(0x100000)
#define	GB	UINT64_C(0x40000000)

#define	MEM32	0x0U		/* the fixed bits of a register */
#define	MEM64	0x4U
#define	PREF	0x8U
#define	PORTS	0x1U

static char console[8192];

/* What is mapped last, and where it seems to be. */
static uint64_t mapped;
static uint8_t registers[1];

void *
pmap_mapdev(paddr_t pa, psize_t size)
{

	ATF_CHECK(size > 0);
	mapped = pa;
	return (registers);
}

int
console_printf(const char *fmt, ...)
{
	size_t len = strlen(console);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(console + len, sizeof(console) - len, fmt, ap);
	va_end(ap);
	return (n);
}

static void
vm_console(const char *line)
{

	console_printf("%s", line);
}

const char *
errno_name(int error)
{

	return (error == EIO ? "EIO" : "E?");
}

/*
 * The machine: memory below 3 GiB and above 4, ports that are taken in the
 * middle of the window.
 */
static struct bus_window mem_window = { 0xc0000000, 0xfebfffff };
static uint64_t memory_from, ports_from;
static struct bus_window mem64_window = { 8 * GB, 64 * GB - 1 };

void
machdep_bus(struct bus *b)
{

	ATF_REQUIRE_EQ(0, claim_region(&b->b_memory, memory_from,
	    3 * GB - memory_from, "memory"));
	ATF_REQUIRE_EQ(0, claim_region(&b->b_memory, 4 * GB, 4 * GB,
	    "memory"));
	ATF_REQUIRE_EQ(0, claim_region(&b->b_memory, 0xc0100000, 0x1000,
	    "board"));
	ATF_REQUIRE_EQ(0, claim_region(&b->b_ports, ports_from,
	    0xc000 - ports_from, "board"));
	ATF_REQUIRE_EQ(0, claim_region(&b->b_ports, 0xc010, 0x10, "board"));
	b->b_port_window = (struct bus_window){ 0xc000, 0xc0ff };
	b->b_mem_window = mem_window;
	b->b_mem64_window = mem64_window;
}

/*
 * bar: register i of a function has that size and those fixed bits.
 */
static void
bar(struct function *f, unsigned i, uint64_t size, uint32_t fixed)
{

	f->bar[i] = fixed;
	f->bar_bits[i] = (uint32_t)~(size - 1) & ~0xfU;
	if (fixed == PORTS)
		f->bar_bits[i] = (uint32_t)~(size - 1) & 0xfffc;
	if ((fixed & MEM64) != 0)
		f->bar_bits[i + 1] = (uint32_t)(~(size - 1) >> 32);
}

static uint64_t
address(const struct function *f, unsigned i)
{
	uint64_t at = f->bar[i] & ((f->bar[i] & 1) != 0 ? ~3U : ~15U);

	if ((f->bar[i] & 7) == MEM64)
		at |= (uint64_t)f->bar[i + 1] << 32;
	return (at);
}

static bool
said(const char *text)
{

	return (strstr(console, text) != NULL);
}

static void
configure(struct function *f, unsigned n)
{

	usermode_console(vm_console);
	pci_model(f, n);
	pci_configure();
	ATF_CHECK_EQ(0, pci_model_decoding);
	ATF_CHECK(extent_check(bus_get()->b_memory.cl_extent) == NULL);
	ATF_CHECK(extent_check(bus_get()->b_ports.cl_extent) == NULL);
}

static const char *
owner(uint64_t at)
{
	const char *who = claim_owner(&bus_get()->b_memory, at);

	return (who == NULL ? "nobody" : who);
}

/* What firmware has placed stays, and is claimed. */
ATF_TC_WITHOUT_HEAD(recorded);
ATF_TC_BODY(recorded, tc)
{
	struct function f[] = {
		{ .dev = 3, .id = 0x1111, .command = 7 },
		{ .dev = 4, .id = 0x1111, .command = 7 },
	}, before[2];

	bar(&f[0], 0, MB, MEM32);
	f[0].bar[0] |= 0xfea00000;
	bar(&f[0], 1, 32, PORTS);
	f[0].bar[1] |= 0xc040;
	bar(&f[0], 2, 64 * MB, MEM64 | PREF);
	f[0].bar[3] = 3;
	bar(&f[1], 5, 0x1000, MEM32);
	f[1].bar[5] |= 0xfeb00000;
	memcpy(before, f, sizeof(f));
	configure(f, 2);
	ATF_CHECK_EQ(0, memcmp(before, f, sizeof(f)));
	ATF_CHECK_STREQ("pci: 2 functions; base address registers: 4 claimed, "
	    "0 assigned, 0 left out\n", console);
	ATF_CHECK_STREQ("pci 0:3.0 bar 0", owner(0xfea00000));
	ATF_CHECK_STREQ("pci 0:3.0 bar 0", owner(0xfeafffff));
	ATF_CHECK_STREQ("pci 0:4.0 bar 5", owner(0xfeb00fff));
	ATF_CHECK_STREQ("nobody", owner(0xfeb01000));
	ATF_CHECK_STREQ("pci 0:3.0 bar 2", owner(12 * GB));
	ATF_CHECK_STREQ("pci 0:3.0 bar 1",
	    claim_owner(&bus_get()->b_ports, 0xc05f));
	/* Once is enough. */
	pci_configure();
	ATF_CHECK_EQ(0, memcmp(before, f, sizeof(f)));
}

/* Without firmware's help. */
ATF_TC_WITHOUT_HEAD(assigned);
ATF_TC_BODY(assigned, tc)
{
	struct function f[] = {
		{ .dev = 1, .id = 0x1111 },
		{ .dev = 2, .id = 0x1111 },
	};

	bar(&f[0], 0, MB, MEM32);
	bar(&f[0], 1, 16, PORTS);
	bar(&f[0], 2, 256, MEM32);
	bar(&f[0], 3, 256, MEM32);
	bar(&f[1], 0, 16 * MB, MEM64 | PREF);
	bar(&f[1], 2, 256 * MB, MEM64 | PREF);
	bar(&f[1], 4, 32, PORTS);
	configure(f, 2);
	ATF_CHECK_STREQ("pci: 2 functions; base address registers: 0 claimed, "
	    "7 assigned, 0 left out\n", console);
	ATF_CHECK_EQ(0xc0000000, address(&f[0], 0));
	ATF_CHECK_EQ(0xc000, address(&f[0], 1));
	/* Not in one page; not where the board is. */
	ATF_CHECK_EQ(0xc0101000, address(&f[0], 2));
	ATF_CHECK_EQ(0xc0102000, address(&f[0], 3));
	ATF_CHECK_EQ(0xc1000000, address(&f[1], 0));
	/* Large and able to. */
	ATF_CHECK_EQ(8 * GB, address(&f[1], 2));
	ATF_CHECK_EQ(0xc020, address(&f[1], 4));
	ATF_CHECK_STREQ("pci 0:2.0 bar 2", owner(8 * GB + 256 * MB - 1));
	ATF_CHECK_EQ(0, f[0].command);
}

/* What does not fit on one side of 4 GiB goes to the other, if it can. */
ATF_TC_WITHOUT_HEAD(sides);
ATF_TC_BODY(sides, tc)
{
	struct function f[] = {
		{ .dev = 1, .id = 0x1111 },
		{ .dev = 2, .id = 0x1111 },
	};

	mem_window = (struct bus_window){ 0xe0000000, 0xe0ffffff };
	mem64_window = (struct bus_window){ 8 * GB, 8 * GB + 64 * MB - 1 };
	bar(&f[0], 0, 16 * MB, MEM32);
	bar(&f[0], 1, 16 * MB, MEM64);
	bar(&f[0], 3, MB, MEM32);
	bar(&f[1], 0, 64 * MB, MEM64);
	bar(&f[1], 2, 16 * MB, MEM64);
	configure(f, 2);
	ATF_CHECK_EQ(0xe0000000, address(&f[0], 0));
	ATF_CHECK_EQ(8 * GB, address(&f[0], 1));
	ATF_CHECK_EQ(0, address(&f[0], 3));
	ATF_CHECK(said("pci 0:1.0 bar 3: no memory of size 0x100000 for it: "
	    "none is left\n"));
	ATF_CHECK_EQ(0, address(&f[1], 0));
	ATF_CHECK(said("pci 0:2.0 bar 0: no memory of size 0x4000000 for it: "
	    "none is left\n"));
	ATF_CHECK_EQ(8 * GB + 16 * MB, address(&f[1], 2));
	ATF_CHECK(said(" 0 claimed, 3 assigned, 2 left out\n"));
}

/* Two devices, or a device and memory, in one place. */
ATF_TC_WITHOUT_HEAD(conflict);
ATF_TC_BODY(conflict, tc)
{
	struct function f[] = {
		{ .dev = 1, .id = 0x1111, .command = 7 },
		{ .dev = 2, .id = 0x1111, .command = 7 },
	}, before[2];

	bar(&f[0], 0, MB, MEM32);
	f[0].bar[0] |= 0xe0000000;
	bar(&f[1], 0, 0x1000, MEM32);
	f[1].bar[0] |= 0xe0010000;
	bar(&f[1], 1, 0x1000, MEM32);
	f[1].bar[1] |= 0x7ffff000;
	memcpy(before, f, sizeof(f));
	configure(f, 2);
	ATF_CHECK_EQ(0, memcmp(before, f, sizeof(f)));
	ATF_CHECK(said("iomem: 0xe0010000 size 0x1000 for pci 0:2.0 bar 0 "
	    "refused: 0xe0000000 - 0xe00fffff is pci 0:1.0 bar 0\n"));
	ATF_CHECK(said("iomem: 0x7ffff000 size 0x1000 for pci 0:2.0 bar 1 "
	    "refused: 0x0 - 0xbfffffff is memory\n"));
	ATF_CHECK(said(" 1 claimed, 0 assigned, 2 left out\n"));
}

/*
 * Memory, and another device, are not taken for registers, whatever the
 * firmware says; what the board has may be.
 */
ATF_TC_WITHOUT_HEAD(foreign);
ATF_TC_BODY(foreign, tc)
{
	struct function f[] = {
		{ .dev = 1, .id = 0x1111 }, { .dev = 11, .id = 0x1111 },
	};
	const struct pci_func one = { .pf_dev = 1 }, other = { .pf_dev = 11 };
	volatile uint8_t *regs;

	bar(&f[0], 0, MB, MEM32);
	f[0].bar[0] |= 0xe0000000;
	bar(&f[0], 1, 0x1000, MEM32);
	f[0].bar[1] |= 0xc0100000;
	bar(&f[0], 2, MB, MEM32);
	f[0].bar[2] |= 0xbff00000;
	bar(&f[1], 0, 0x2000, MEM32);
	f[1].bar[0] |= 0xe0000000;
	configure(f, 2);
	ATF_CHECK_EQ(0, pci_map_bar(&one, 0, MB, MB, "one", &regs));
	ATF_CHECK_EQ(0xe0000000, mapped);
	ATF_CHECK_EQ(PCI_COMMAND_MEM, f[0].command);
	ATF_CHECK_EQ(0, pci_map_bar(&one, 1, 1, MB, "one", &regs));
	ATF_CHECK_EQ(0xc0100000, mapped);
	mapped = f[0].command = 0;
	ATF_CHECK_EQ(ENOMEM, pci_map_bar(&one, 2, MB, MB, "one", &regs));
	ATF_CHECK(said("one: registers at 0xbff00000 cannot be mapped\n"));
	ATF_CHECK_EQ(ENOMEM, pci_map_bar(&other, 0, 1, 1, "other", &regs));
	ATF_CHECK(said("other: registers at 0xe0000000 cannot be mapped\n"));
	ATF_CHECK_EQ(0, f[0].command | f[1].command);
	/* From what is free on into it, by a byte. */
	ATF_CHECK(pci_mapdev(&one, 0xdffff001, 0x1000) != NULL);
	ATF_CHECK(pci_mapdev(&other, 0xdffff001, 0xfff) != NULL);
	mapped = 0;
	ATF_CHECK(pci_mapdev(&other, 0xdffff001, 0x1000) == NULL);
	ATF_CHECK_EQ(0, mapped);
}

/* A register that does not take the address. */
ATF_TC_WITHOUT_HEAD(stubborn);
ATF_TC_BODY(stubborn, tc)
{
	struct function f = { .dev = 1, .id = 0x1111 };

	bar(&f, 0, MB, MEM32);
	f.bar_bits[0] &= 0x0fffffff;
	configure(&f, 1);
	ATF_CHECK(said("pci 0:1.0 bar 0: no memory of size 0x100000 for it: "
	    "EIO\n"));
	ATF_CHECK_STREQ("nobody", owner(0xc0000000));
}

/* Behind bridges: in their windows, which nobody else gets. */
ATF_TC_WITHOUT_HEAD(bridges);
ATF_TC_BODY(bridges, tc)
{
	struct function f[] = {
		{ .dev = 1, .id = 0x1111 },
		{ .dev = 2, .id = 0x2222, .header = BRIDGE, .command = 7,
		    .buses = BUSES(0, 1), .window = { 0xc0a1 | 0x01000000,
		    0xc0f0c000, 0xd001d001, 2, 2, 0 } },
		{ .bus = 1, .dev = 0, .id = 0x1111 },
		{ .bus = 1, .dev = 1, .id = 0x2222, .header = BRIDGE,
		    .command = 2, .buses = BUSES(1, 2),
		    .window = { 0, 0xc080c080, 0xfff0, 0, 0, 0 } },
		{ .bus = 2, .dev = 0, .id = 0x1111 },
		/* Passes nothing on, though its windows read as if. */
		{ .dev = 3, .id = 0x2222, .header = BRIDGE,
		    .buses = BUSES(0, 3), .window = { 0, 0xd000d000 } },
		{ .bus = 3, .dev = 0, .id = 0x1111 },
	};

	bar(&f[0], 0, MB, MEM32);
	bar(&f[1], 0, 256, MEM64);
	bar(&f[2], 0, MB, MEM32);
	bar(&f[2], 1, 16, PORTS);
	bar(&f[2], 2, MB, MEM64 | PREF);
	bar(&f[2], 4, MB, MEM32 | PREF);
	bar(&f[4], 0, 0x1000, MEM32);
	bar(&f[4], 1, 16, PORTS);
	bar(&f[6], 0, 0x1000, MEM32);
	configure(f, NITEMS(f));
	/* The inner bridge passes on c0800000-c08fffff, and no ports. */
	ATF_CHECK_EQ(0xc0800000, address(&f[4], 0));
	ATF_CHECK_EQ(0, address(&f[4], 1));
	ATF_CHECK_STREQ("pci 1:1.0 window", owner(0xc0801000));
	ATF_CHECK(said("pci 2:0.0 bar 1: no ports of size 0x10 for it behind "
	    "its bridge: none is left\n"));
	/* The outer one c0000000-c0ffffff, and 2d0000000-2d00fffff. */
	ATF_CHECK_EQ(0xc0000000, address(&f[2], 0));
	ATF_CHECK_EQ(0x2d0000000, address(&f[2], 2));
	ATF_CHECK_EQ(0xc0200000, address(&f[2], 4));
	ATF_CHECK_STREQ("pci 0:2.0 window", owner(0xc0ffffff));
	/* Ports a000-cfff. */
	ATF_CHECK_EQ(0xc000, address(&f[2], 1));
	/* All the rest outside. */
	ATF_CHECK_EQ(0xc1000000, address(&f[0], 0));
	ATF_CHECK_EQ(0xc1100000, address(&f[1], 0));
	ATF_CHECK_EQ(0, address(&f[6], 0));
	ATF_CHECK(said("pci 3:0.0 bar 0: no memory of size 0x1000 for it "
	    "behind its bridge: none is left\n"));
}

/*
 * A bridge without a window for what can be prefetched, and without one for
 * ports: their registers read as zeros, which is not the first megabyte.
 */
ATF_TC_WITHOUT_HEAD(windowless);
ATF_TC_BODY(windowless, tc)
{
	struct function f[] = {
		{ .dev = 2, .id = 0x2222, .header = BRIDGE, .command = 7,
		    .buses = BUSES(0, 1), .window = { 0, 0xd000d000 } },
		{ .bus = 1, .dev = 0, .id = 0x1111 },
	};

	memory_from = MB;
	ports_from = 0x100;
	bar(&f[1], 0, 0x10000, MEM32 | PREF);
	bar(&f[1], 1, 16, PORTS);
	configure(f, NITEMS(f));
	ATF_CHECK_EQ(0xd0000000, address(&f[1], 0));
	ATF_CHECK_EQ(0, address(&f[1], 1));
	ATF_CHECK_STREQ("nobody", owner(0xa0000));
	ATF_CHECK(claim_owner(&bus_get()->b_ports, 0x20) == NULL);
	ATF_CHECK_STREQ("pci 0:2.0 window", owner(0xd00fffff));
}

/* Two ways to one bus: what is there gets addresses, or none, once. */
ATF_TC_WITHOUT_HEAD(two_ways);
ATF_TC_BODY(two_ways, tc)
{
	struct function f[] = {
		{ .dev = 1, .id = 0x2222, .header = BRIDGE, .command = 7,
		    .buses = BUSES(0, 2), .window = { 0, 0xd000d000 } },
		{ .dev = 2, .id = 0x2222, .header = BRIDGE, .command = 7,
		    .buses = BUSES(0, 2), .window = { 0, 0xd020d020 } },
		{ .bus = 2, .dev = 3, .id = 0x1111 },
	};
	const char line[] = "pci 2:3.0 bar 1: no ports of size 0x10 for it "
	    "behind its bridge: none is left\n";
	const char *at;

	bar(&f[2], 0, 0x1000, MEM32);
	bar(&f[2], 1, 16, PORTS);
	configure(f, NITEMS(f));
	ATF_CHECK_EQ(0xd0000000, address(&f[2], 0));
	ATF_REQUIRE_MSG((at = strstr(console, line)) != NULL, "%s", console);
	ATF_CHECK_MSG(strstr(at + 1, line) == NULL, "%s", console);
	ATF_CHECK_MSG(said("pci: 3 functions; base address registers: 0 "
	    "claimed, 1 assigned, 1 left out\n"), "%s", console);
	/* Nobody gets what either bridge passes on. */
	ATF_CHECK_STREQ("pci 0:1.0 window", owner(0xd00fffff));
	ATF_CHECK_STREQ("pci 0:2.0 window", owner(0xd0200000));
}

/* Bridges that multiply: configuring ends, and soon. */
ATF_TC_WITHOUT_HEAD(hydra);
ATF_TC_BODY(hydra, tc)
{

	usermode_console(vm_console);
	pci_model_hydra();
	pci_configure();
	ATF_CHECK_STREQ("pci: 65536 functions; base address registers: 0 "
	    "claimed, 0 assigned, 0 left out\n", console);
	ATF_CHECK_MSG(pci_model_reads < 100 * 65536, "%u", pci_model_reads);
}

/*
 * Many random devices: all that were placed lie apart, aligned, and where
 * they may.
 */
struct placed {
	uint64_t	p_first, p_last;
	bool		p_io;
};

static unsigned
collect(const struct function *f, struct placed *p)
{
	uint64_t size;
	unsigned i, n = 0;

	for (i = 0; i < 6; i++) {
		if (f->bar_bits[i] == 0)
			continue;
		p[n].p_io = f->bar[i] == (PORTS | address(f, i));
		size = p[n].p_io ? (f->bar_bits[i] | 0xffff0000U) :
		    f->bar_bits[i];
		size = (uint64_t)(uint32_t)(~size + 1);
		p[n].p_first = address(f, i);
		p[n].p_last = p[n].p_first + size - 1;
		ATF_REQUIRE(p[n].p_first == 0 || p[n].p_first % size == 0);
		n += p[n].p_first != 0;
		i += (f->bar[i] & 7) == MEM64;
	}
	return (n);
}

static void
check_placed(const struct placed *p, unsigned n)
{
	const struct bus *b = bus_get();
	const struct bus_window *w;
	unsigned i, k;

	for (i = 0; i < n; i++) {
		w = p[i].p_io ? &b->b_port_window : p[i].p_first < 4 * GB ?
		    &b->b_mem_window : &b->b_mem64_window;
		ATF_REQUIRE(p[i].p_first >= w->bw_first &&
		    p[i].p_last <= w->bw_last);
		for (k = 0; k < i; k++)
			ATF_REQUIRE(p[i].p_io != p[k].p_io ||
			    p[i].p_first > p[k].p_last ||
			    p[k].p_first > p[i].p_last);
		ATF_REQUIRE(!p[i].p_io || p[i].p_first > 0xc01f ||
		    p[i].p_last < 0xc010);
	}
}

ATF_TC_WITHOUT_HEAD(many);
ATF_TC_BODY(many, tc)
{
	static struct function f[30];
	static struct placed p[30 * 6];
	unsigned i, k, n = 0;

	srand(1);
	for (i = 0; i < NITEMS(f); i++) {
		f[i] = (struct function){ .dev = i, .id = 0x1111 };
		for (k = 0; k < 6; k++) {
			switch (rand() % 5) {
			case 0:
				bar(&f[i], k, 4 << rand() % 4, PORTS);
				break;
			case 1:
				if (k < 5)
					bar(&f[i], k, 16U << rand() % 24,
					    MEM64 | (rand() % 2 ? PREF : 0));
				k++;
				break;
			case 2:
			case 3:
				bar(&f[i], k, 16U << rand() % 21, MEM32);
				break;
			}
		}
	}
	configure(f, NITEMS(f));
	for (i = 0; i < NITEMS(f); i++)
		n += collect(&f[i], p + n);
	ATF_CHECK(n > 80);
	check_placed(p, n);
}

ATF_TC_WITHOUT_HEAD(absent);
ATF_TC_BODY(absent, tc)
{

	usermode_console(vm_console);
	pci_model(NULL, 0);
	pci_model_mechanism = false;
	pci_configure();
	ATF_CHECK_STREQ("", console);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, recorded);
	ATF_TP_ADD_TC(tp, assigned);
	ATF_TP_ADD_TC(tp, sides);
	ATF_TP_ADD_TC(tp, conflict);
	ATF_TP_ADD_TC(tp, foreign);
	ATF_TP_ADD_TC(tp, stubborn);
	ATF_TP_ADD_TC(tp, bridges);
	ATF_TP_ADD_TC(tp, windowless);
	ATF_TP_ADD_TC(tp, two_ways);
	ATF_TP_ADD_TC(tp, hydra);
	ATF_TP_ADD_TC(tp, many);
	ATF_TP_ADD_TC(tp, absent);
	return (atf_no_error());
}
