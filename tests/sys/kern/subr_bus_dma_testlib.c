/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What the tests of bus_dma(9) share.
 */

#include <errno.h>
#include <stdio.h>

#include <sys/km_map.h>
#include <sys/kmem.h>

#include <vm/vm_physseg.h>

#include "subr_bus_dma_testlib.h"

/*
 * The machine: what a PC has, with its holes, an odd start, and memory that
 * ends at the highest address there is.
 */
const struct vm_memrange ranges[] = {
	{ 0x1000, 0x9e000 },
	{ 1 * MiB, 14 * MiB },			/* a hole from 15 to 16 MiB */
	{ 16 * MiB, 16 * MiB },
	{ 4 * GiB + 0x5000, 4 * MiB },
	{ TOP - 64 * KiB, 64 * KiB },
};

const unsigned nranges = NITEMS(ranges);

unsigned nlines;
char lastline[512];

static void
console(const char *line)
{

	nlines++;
	snprintf(lastline, sizeof(lastline), "%s", line);
}

struct vm_audit
audit(void)
{
	struct vm_audit va;

	ATF_REQUIRE_MSG(vm_audit(&va), "audit: %s", va.va_why);
	return (va);
}

uint64_t
free_frames(void)
{
	struct vm_audit va;

	/* Without what is kept for the next map. */
	(void)kmem_reap();
	va = audit();
	return (va.va_free + va.va_held);
}

void
boot(void)
{

	ATF_REQUIRE_EQ(0, vm_physmem_load(ranges, NITEMS(ranges), NULL, 0));
	kmem_init();
	ATF_REQUIRE(km_map_init());
	usermode_console(console);
	nlines = 0;
}

bus_dma_tag_t
make_tag(const char *name, bus_addr_t min, bus_addr_t max)
{
	bus_dma_tag_t tag;

	ATF_REQUIRE_EQ(0, bus_dmatag_create(NULL, name, min, max, &tag,
	    BUS_DMA_NOWAIT));
	return (tag);
}

bus_dma_tag_t
any_tag(void)
{

	return (make_tag("any", 0, BUS_ADDR_MAX));
}

int
alloc1(bus_dma_tag_t tag, bus_size_t size, bus_size_t align,
    bus_size_t boundary, bus_dma_segment_t *seg)
{
	int error, n;

	error = bus_dmamem_alloc(tag, size, align, boundary, seg, 1, &n,
	    BUS_DMA_NOWAIT);
	ATF_REQUIRE_EQ(error == 0 ? 1 : 0, n);
	return (error);
}

static uint64_t rnd_state = 88172645463325252;

uint64_t
rnd(uint64_t n)
{

	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (rnd_state % n);
}
