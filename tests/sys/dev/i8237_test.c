/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of the driver of the 8237A against a model of it.
 */

#include <atf-c.h>
#include <errno.h>

#include <machine/cpufunc.h>

#include <dev/isa/i8237.h>

#include "i8237_model.h"

#define	NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

void
outb(uint16_t port, uint8_t v)
{

	i8237_model_out(port, v);
}

uint8_t
inb(uint16_t port)
{

	return (i8237_model_in(port));
}

/* The device moves len bytes, as the channel tells it to. */
static void
device_moves(unsigned chan, paddr_t addr, unsigned len)
{
	unsigned i, size = chan / 4 + 1;

	for (i = 0; i < len; i += size)
		ATF_REQUIRE_EQ(addr + i, i8237_model_step(chan));
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
		{ 2, 0x28000, UINT64_MAX - 0x1000 },
		{ 2, UINT64_MAX, 2 },
		{ 2, UINT64_C(0x100010000), 1 },
		{ 5, 0x10001, 2 },
		{ 5, 0x10000, 1 },
		{ 5, 0x3fffe, 4 },
		{ 5, 0x20000, 0x20002 },
		{ 7, 0xfffffe, 4 },
	};
	size_t i;

	i8237_model_reset();
	for (i = 0; i < NITEMS(t); i++) {
		ATF_CHECK_MSG(i8237_check(t[i].chan, t[i].addr,
		    t[i].len) != NULL, "case %zu", i);
		ATF_CHECK_EQ_MSG(EINVAL, i8237_start(t[i].chan, t[i].addr,
		    t[i].len, I8237_TO_MEMORY), "case %zu", i);
	}
	ATF_CHECK_EQ(0, i8237.accesses);
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
			i8237_model_reset();
			chan = t[i].chan % 4;
			c = &i8237.ctl[t[i].chan / 4];
			size = t[i].chan / 4 + 1;
			ATF_REQUIRE_EQ(0, i8237_start(t[i].chan, t[i].addr,
			    t[i].len, dir == 0 ? I8237_TO_MEMORY :
			    I8237_FROM_MEMORY));
			/* Single mode, upwards, no second round. */
			ATF_CHECK_EQ(0x40 | (dir == 0 ? 0x04 : 0x08),
			    c->mode[chan]);
			addr = i8237.page[t[i].port - 0x80];
			addr = size == 1 ? addr << 16 | c->addr[chan] :
			    (addr & 0xfe) << 16 | (paddr_t)c->addr[chan] << 1;
			ATF_CHECK_EQ(t[i].addr, addr);
			ATF_CHECK_EQ(t[i].len,
			    (c->count[chan] + UINT64_C(1)) * size);
			ATF_CHECK(!c->masked[chan]);
			if (size == 1) {
				/* Cascaded through channel 4. */
				ATF_CHECK(!i8237.ctl[1].masked[0]);
				ATF_CHECK_EQ(0xc0, i8237.ctl[1].mode[0]);
			}
		}
	}
}

ATF_TC_WITHOUT_HEAD(residue);
ATF_TC_BODY(residue, tc)
{

	i8237_model_reset();
	ATF_REQUIRE_EQ(0, i8237_start(2, 0x14000, 0x4000, I8237_TO_MEMORY));
	i8237.ctl[0].high = true;
	ATF_CHECK_EQ(0x4000, i8237_stop(2));
	ATF_CHECK(i8237.ctl[0].masked[2]);
	ATF_REQUIRE_EQ(0, i8237_start(2, 0x14000, 0x4000, I8237_TO_MEMORY));
	device_moves(2, 0x14000, 0x3fff);
	ATF_CHECK_EQ(1, i8237_stop(2));
	ATF_REQUIRE_EQ(0, i8237_start(2, 0x14000, 0x4000, I8237_TO_MEMORY));
	device_moves(2, 0x14000, 0x4000);
	ATF_CHECK_EQ(0, i8237_stop(2));
	/* A whole line. */
	ATF_REQUIRE_EQ(0, i8237_start(2, 0x10000, 0x10000, I8237_TO_MEMORY));
	device_moves(2, 0x10000, 0x10000);
	ATF_CHECK_EQ(0, i8237_stop(2));
	/* Words. */
	ATF_REQUIRE_EQ(0, i8237_start(5, 0x20000, 0x1000, I8237_FROM_MEMORY));
	device_moves(5, 0x20000, 0x400);
	ATF_CHECK_EQ(0xc00, i8237_stop(5));
	ATF_CHECK(i8237.ctl[1].masked[1]);
	ATF_CHECK(!i8237.ctl[1].masked[0]);
}

/* A ring goes on until it is stopped, and says where it is. */
ATF_TC_WITHOUT_HEAD(ring);
ATF_TC_BODY(ring, tc)
{
	unsigned round;

	i8237_model_reset();
	ATF_CHECK_EQ(EINVAL, i8237_start_ring(5, 0x38000, 0x10000,
	    I8237_FROM_MEMORY));
	ATF_CHECK_EQ(EINVAL, i8237_start_ring(5, 0x30001, 0x8000,
	    I8237_FROM_MEMORY));
	ATF_CHECK_EQ(0, i8237.accesses);
	/* Words, on the upper half of a 128-KiB line, and over its middle. */
	ATF_REQUIRE_EQ(0, i8237_start_ring(5, 0xfb8000, 0x8000,
	    I8237_FROM_MEMORY));
	ATF_CHECK_EQ(0x40 | 0x10 | 0x08, i8237.ctl[1].mode[1]);
	for (round = 0; round < 3; round++) {
		ATF_CHECK_EQ(0x8000, i8237_left(5));
		device_moves(5, 0xfb8000, 0x8000);
	}
	ATF_CHECK_EQ(0x8000, i8237_stop(5));
	ATF_REQUIRE_EQ(0, i8237_start_ring(5, 0x2c000, 0x8000,
	    I8237_FROM_MEMORY));
	device_moves(5, 0x2c000, 0x8000);
	device_moves(5, 0x2c000, 0x7000);
	ATF_CHECK_EQ(0x1000, i8237_left(5));
	ATF_CHECK(!i8237.ctl[1].masked[1]);
	ATF_CHECK_EQ(0x1000, i8237_stop(5));
	ATF_CHECK(i8237.ctl[1].masked[1]);
	/* Bytes. */
	ATF_REQUIRE_EQ(0, i8237_start_ring(1, 0x1c000, 0x4000,
	    I8237_TO_MEMORY));
	ATF_CHECK_EQ(0x40 | 0x10 | 0x04, i8237.ctl[0].mode[1]);
	device_moves(1, 0x1c000, 0x4000);
	device_moves(1, 0x1c000, 1);
	ATF_CHECK_EQ(0x3fff, i8237_stop(1));
}

/* Bit 0 of a page register means nothing to channels that move words. */
ATF_TC_WITHOUT_HEAD(word_page);
ATF_TC_BODY(word_page, tc)
{

	i8237_model_reset();
	i8237.page[0xb] = 0xff;
	ATF_REQUIRE_EQ(0, i8237_start(5, 0x350000, 0x10000,
	    I8237_FROM_MEMORY));
	ATF_CHECK_EQ(0x34, i8237.page[0xb]);
	ATF_CHECK_EQ(0x8000, i8237.ctl[1].addr[1]);
	device_moves(5, 0x350000, 0x10000);
	ATF_CHECK_EQ(0, i8237_stop(5));
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, refuse);
	ATF_TP_ADD_TC(tp, program);
	ATF_TP_ADD_TC(tp, residue);
	ATF_TP_ADD_TC(tp, ring);
	ATF_TP_ADD_TC(tp, word_page);
	return (atf_no_error());
}
