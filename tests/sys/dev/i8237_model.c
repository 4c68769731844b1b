/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <atf-c.h>

#include "i8237_model.h"

#define	PAGE_REGISTER	16
#define	MODE_AUTO	0x10

struct i8237_model i8237;

static const unsigned page_of[8] = { 7, 3, 1, 2, 0xf, 0xb, 9, 0xa };

void
i8237_model_reset(void)
{
	unsigned i;

	for (i = 0; i < 4; i++)
		i8237.ctl[0].masked[i] = i8237.ctl[1].masked[i] = true;
	/* What was there before must not matter. */
	i8237.ctl[0].high = i8237.ctl[1].high = true;
	i8237.accesses = 0;
}

bool
i8237_model_has(uint16_t port)
{

	return (port < 0x10 || (port >= 0x80 && port < 0x90) ||
	    (port >= 0xc0 && port < 0xe0));
}

/* Which register of which controller. */
static unsigned
decode(uint16_t port, struct controller **c)
{

	ATF_REQUIRE_MSG(i8237_model_has(port), "port 0x%x", port);
	if (port < 0x10) {
		*c = &i8237.ctl[0];
		return (port);
	}
	if (port >= 0xc0) {
		ATF_REQUIRE_MSG(port % 2 == 0, "port 0x%x", port);
		*c = &i8237.ctl[1];
		return ((port - 0xc0) / 2);
	}
	*c = NULL;
	return (PAGE_REGISTER);
}

static void
half(struct controller *c, uint16_t *reg, uint8_t v)
{

	if (c->high)
		*reg = (uint16_t)((*reg & 0x00ff) | v << 8);
	else
		*reg = (uint16_t)((*reg & 0xff00) | v);
	c->high = !c->high;
}

/* Such a write goes to the base register and to the current one. */
static void
write_half(struct controller *c, unsigned reg, uint8_t v)
{
	uint16_t *base, *current;

	base = reg % 2 == 0 ? &c->base_addr[reg / 2] : &c->base_count[reg / 2];
	current = reg % 2 == 0 ? &c->addr[reg / 2] : &c->count[reg / 2];
	half(c, base, v);
	*current = *base;
}

void
i8237_model_out(uint16_t port, uint8_t v)
{
	struct controller *c;
	unsigned reg = decode(port, &c);

	i8237.accesses++;
	if (reg == PAGE_REGISTER)
		i8237.page[port - 0x80] = v;
	else if (reg < 8) {
		write_half(c, reg, v);
		c->tc[reg / 2] = false;
	} else if (reg == 0xa)
		c->masked[v & 3] = (v & 4) != 0;
	else if (reg == 0xb)
		c->mode[v & 3] = v & 0xfc;
	else if (reg == 0xc)
		c->high = false;
	else
		atf_tc_fail("unexpected write of register %u", reg);
}

uint8_t
i8237_model_in(uint16_t port)
{
	struct controller *c;
	unsigned reg = decode(port, &c);
	uint16_t v;

	i8237.accesses++;
	ATF_REQUIRE_MSG(reg < 8, "unexpected read of register %u", reg);
	v = reg % 2 == 0 ? c->addr[reg / 2] : c->count[reg / 2];
	c->high = !c->high;
	return ((uint8_t)(c->high ? v : v >> 8));
}

uint64_t
i8237_model_step(unsigned chan)
{
	struct controller *c = &i8237.ctl[chan / 4];
	unsigned i = chan % 4, shift = chan / 4;
	uint64_t addr, page = i8237.page[page_of[chan]];

	ATF_REQUIRE_MSG(!c->masked[i], "DMA through a masked channel");
	ATF_REQUIRE_MSG(!c->tc[i], "DMA beyond the end of the transfer");
	c->tc[i] = c->count[i]-- == 0;
	/* The page register does not count. */
	addr = (page & (shift != 0 ? 0xfe : 0xff)) << 16 |
	    (uint64_t)c->addr[i]++ << shift;
	if (c->tc[i] && (c->mode[i] & MODE_AUTO) != 0) {
		c->addr[i] = c->base_addr[i];
		c->count[i] = c->base_count[i];
		c->tc[i] = false;
	}
	return (addr);
}
