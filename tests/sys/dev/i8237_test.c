/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of the driver of the 8237A against a model of its registers: Intel
 * 8237A data sheet, "Register Description" and "Software Commands".
 */

#include <atf-c.h>
#include <errno.h>

#include <machine/cpufunc.h>

#include <dev/isa/i8237.h>

#define	NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

/*
 * The model: two controllers and the page registers.
 */
struct controller {
	uint16_t	addr[4];
	uint16_t	count[4];
	uint8_t		mode[4];
	bool		masked[4];
	bool		high;		/* the flip-flop: upper byte next */
};

static struct controller ctl[2];
static uint8_t page[16];
static unsigned accesses;

static void
half(struct controller *c, uint16_t *reg, uint8_t v)
{

	if (c->high)
		*reg = (uint16_t)((*reg & 0x00ff) | v << 8);
	else
		*reg = (uint16_t)((*reg & 0xff00) | v);
	c->high = !c->high;
}

/* Which register of which controller; 16: a page register. */
static unsigned
decode(uint16_t port, struct controller **c)
{

	if (port < 0x10) {
		*c = &ctl[0];
		return (port);
	}
	if (port >= 0xc0 && port < 0xe0 && port % 2 == 0) {
		*c = &ctl[1];
		return ((port - 0xc0) / 2);
	}
	ATF_REQUIRE_MSG(port >= 0x80 && port < 0x90, "port 0x%x", port);
	return (16);
}

void
outb(uint16_t port, uint8_t v)
{
	struct controller *c;
	unsigned reg = decode(port, &c);

	accesses++;
	if (reg == 16)
		page[port - 0x80] = v;
	else if (reg < 8)
		half(c, reg % 2 == 0 ? &c->addr[reg / 2] : &c->count[reg / 2],
		    v);
	else if (reg == 0xa)
		c->masked[v & 3] = (v & 4) != 0;
	else if (reg == 0xb)
		c->mode[v & 3] = v & 0xfc;
	else if (reg == 0xc)
		c->high = false;
	else
		atf_tc_fail("unexpected write of register %u", reg);
}

uint8_t
inb(uint16_t port)
{
	struct controller *c;
	unsigned reg = decode(port, &c);
	uint16_t v;

	accesses++;
	ATF_REQUIRE_MSG(reg < 8, "unexpected read of register %u", reg);
	v = reg % 2 == 0 ? c->addr[reg / 2] : c->count[reg / 2];
	c->high = !c->high;
	return ((uint8_t)(c->high ? v : v >> 8));
}

/* The device moves len bytes, as the channel tells it to. */
static void
device_moves(unsigned chan, unsigned len)
{
	struct controller *c = &ctl[chan / 4];
	unsigned i, size = chan / 4 + 1;

	ATF_REQUIRE(!c->masked[chan % 4]);
	for (i = 0; i < len; i += size) {
		c->addr[chan % 4]++;
		c->count[chan % 4]--;
	}
}

static void
model_reset(void)
{
	unsigned i;

	for (i = 0; i < 4; i++)
		ctl[0].masked[i] = ctl[1].masked[i] = true;
	/* What was there before must not matter. */
	ctl[0].high = ctl[1].high = true;
	accesses = 0;
}

/*
 * Tests.
 */

ATF_TC_WITHOUT_HEAD(refuse);
ATF_TC_BODY(refuse, tc)
{
	static const struct {
		unsigned chan;
		paddr_t addr;
		psize_t len;
	} t[] = {
		{ 2, 0x10000, 0 },
		{ 4, 0x10000, 1 },
		{ 8, 0x10000, 1 },
		{ UINT32_MAX, 0x10000, 1 },
		{ 2, 0x1000000, 1 },
		{ 2, 0xffffff, 2 },
		{ 2, 0xff0000, 0x10001 },
		{ 2, 0x1ffff, 2 },
		{ 2, 0x1c001, 0x4000 },
		{ 2, 0x10000, 0x10001 },
		{ 2, 0x20000, UINT64_MAX },
		{ 2, UINT64_MAX, 2 },
		{ 2, UINT64_C(0x100010000), 1 },
		{ 5, 0x10001, 2 },
		{ 5, 0x10000, 1 },
		{ 5, 0x3fffe, 4 },
		{ 5, 0x20000, 0x20002 },
		{ 7, 0xfffffe, 4 },
	};
	size_t i;

	model_reset();
	for (i = 0; i < NITEMS(t); i++) {
		ATF_CHECK_MSG(i8237_check(t[i].chan, t[i].addr,
		    t[i].len) != NULL, "case %zu", i);
		ATF_CHECK_EQ_MSG(EINVAL, i8237_start(t[i].chan, t[i].addr,
		    t[i].len, I8237_TO_MEMORY), "case %zu", i);
	}
	ATF_CHECK_EQ(0, accesses);
}

ATF_TC_WITHOUT_HEAD(program);
ATF_TC_BODY(program, tc)
{
	static const struct {
		unsigned chan, port;
		paddr_t addr;
		psize_t len;
	} t[] = {
		{ 0, 0x87, 0, 1 },
		{ 1, 0x83, 0x123456, 0x1234 },
		{ 2, 0x81, 0x1c000, 0x4000 },
		{ 2, 0x81, 0xff0000, 0x10000 },
		{ 3, 0x82, 0xffffff, 1 },
		{ 5, 0x8b, 0x20000, 0x20000 },
		{ 6, 0x89, 0xabcdee, 0x1000 },
		{ 7, 0x8a, 0xfffffe, 2 },
	};
	unsigned chan, dir, size;
	struct controller *c;
	paddr_t addr;
	size_t i;

	for (i = 0; i < NITEMS(t); i++) {
		for (dir = 0; dir < 2; dir++) {
			model_reset();
			chan = t[i].chan % 4;
			c = &ctl[t[i].chan / 4];
			size = t[i].chan / 4 + 1;
			ATF_REQUIRE_EQ(0, i8237_start(t[i].chan, t[i].addr,
			    t[i].len, dir == 0 ? I8237_TO_MEMORY :
			    I8237_FROM_MEMORY));
			/* Single mode, upwards, no second round. */
			ATF_CHECK_EQ(0x40 | (dir == 0 ? 0x04 : 0x08),
			    c->mode[chan]);
			addr = size == 1 ?
			    (paddr_t)page[t[i].port - 0x80] << 16 |
			    c->addr[chan] :
			    (paddr_t)(page[t[i].port - 0x80] & 0xfe) << 16 |
			    (paddr_t)c->addr[chan] << 1;
			ATF_CHECK_EQ(t[i].addr, addr);
			ATF_CHECK_EQ(t[i].len,
			    (c->count[chan] + UINT64_C(1)) * size);
			ATF_CHECK(!c->masked[chan]);
			if (size == 1) {
				/* Cascaded through channel 4. */
				ATF_CHECK(!ctl[1].masked[0]);
				ATF_CHECK_EQ(0xc0, ctl[1].mode[0]);
			}
		}
	}
}

ATF_TC_WITHOUT_HEAD(residue);
ATF_TC_BODY(residue, tc)
{

	model_reset();
	ATF_REQUIRE_EQ(0, i8237_start(2, 0x14000, 0x4000, I8237_TO_MEMORY));
	ATF_CHECK_EQ(0x4000, i8237_stop(2));
	ATF_CHECK(ctl[0].masked[2]);
	ATF_REQUIRE_EQ(0, i8237_start(2, 0x14000, 0x4000, I8237_TO_MEMORY));
	device_moves(2, 0x3fff);
	ATF_CHECK_EQ(1, i8237_stop(2));
	ATF_REQUIRE_EQ(0, i8237_start(2, 0x14000, 0x4000, I8237_TO_MEMORY));
	device_moves(2, 0x4000);
	ATF_CHECK_EQ(0, i8237_stop(2));
	/* A whole line. */
	ATF_REQUIRE_EQ(0, i8237_start(2, 0x10000, 0x10000, I8237_TO_MEMORY));
	device_moves(2, 0x10000);
	ATF_CHECK_EQ(0, i8237_stop(2));
	/* Words. */
	ATF_REQUIRE_EQ(0, i8237_start(5, 0x20000, 0x1000, I8237_FROM_MEMORY));
	device_moves(5, 0x400);
	ATF_CHECK_EQ(0xc00, i8237_stop(5));
	ATF_CHECK(ctl[1].masked[1]);
	ATF_CHECK(!ctl[1].masked[0]);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, refuse);
	ATF_TP_ADD_TC(tp, program);
	ATF_TP_ADD_TC(tp, residue);
	return (atf_no_error());
}
