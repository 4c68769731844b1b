/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of the e1000 driver against a model of the controller, for what no
 * emulator does: frames that never leave or never come, that change on their
 * way, or that have no end; resets that do not end; memory that is short.
 *
 * Model: Intel 317453, sections 3.2, 3.3, 13.4: what is sent comes back, if it
 * may be master of the bus.
 */

#include <atf-c.h>

#include <sys/bus_dma.h>
#include <sys/device.h>
#include <sys/options.h>
#include <sys/systm.h>

#include <dev/mmio.h>
#include <dev/pci/pci.h>

#include "dma_model.h"
#include "driver_model.h"
#include "mmio_model.h"

#define	REGS		0x20000U
#define	CTRL		0x0000
#define	 RST		0x04000000U
#define	MDIC		0x0020
#define	 READY		0x10000000U
#define	RCTL		0x0100
#define	RX		0x2800
#define	TX		0x3800
#define	 HEAD		0x10
#define	 TAIL		0x18
#define	DESC		16U
#define	CMD_EOP		0x01
#define	STATUS_DD	0x01
#define	STATUS_EOP	0x02
#define	BUFFER		512U
#define	FRAME_MAX	2048U

static uint8_t registers[REGS];
static uint8_t frame[FRAME_MAX];
static unsigned frame_len, nframes;

/* What goes wrong, from the frame with this number on. */
static unsigned wrong_from;
static enum {
	NOTHING,
	UNSENT,
	LOST,
	CHANGED,
	CUT,				/* its last byte does not come */
	ERROR,				/* the controller says so */
	NO_END,				/* parts of no bytes come for ever */
	LONG,				/* parts of 512 bytes do */
	HUGE,				/* more bytes than there is room for */
	FOREIGN				/* frames of others come for ever */
} wrong;
static bool is_82540, is_required;
static bool stuck;			/* a reset does not end */
static bool dead;			/* all registers read as ones */
static uint32_t phy = READY;		/* what the PHY answers */

/*
 * PCI.
 */

const struct mmio_device mmio_device = {
	.md_size = REGS,
	.md_registers = registers,
};

bool
pci_find(uint16_t vendor, uint16_t device, struct pci_func *f)
{

	memset(f, 0, sizeof(*f));
	return (vendor == 0x8086 && device == (is_82540 ? 0x100e : 0x100f));
}

bool
option_required(const char *name)
{

	return (is_required && strcmp(name, "e1000") == 0);
}

/*
 * The controller.
 */

static uint8_t *
memory(uint64_t pa, uint64_t size)
{

	return (dma_memory(pa, size, 1, UINT64_C(1) << 63));
}

/* The entry of a ring at its head. */
static uint8_t *
entry(unsigned ring)
{
	uint64_t base = reg_get(ring) | (uint64_t)reg_get(ring + 4) << 32;
	uint32_t len = reg_get(ring + 8);

	ATF_REQUIRE_EQ(0, base % 16);
	ATF_REQUIRE(len > 0 && len % 128 == 0);
	ATF_REQUIRE_EQ(base >> 16, (base + len - 1) >> 16);
	return (memory(base + reg_get(ring + HEAD) * DESC, DESC));
}

static void
advance(unsigned ring)
{

	reg_set(ring + HEAD, (reg_get(ring + HEAD) + 1) %
	    (reg_get(ring + 8) / DESC));
}

/* => false: no buffer is left. */
static bool
give(const uint8_t *data, uint16_t len, bool last)
{
	uint64_t at;
	uint8_t *d;

	if (reg_get(RX + HEAD) == reg_get(RX + TAIL))
		return (false);
	d = entry(RX);
	memcpy(&at, d, sizeof(at));
	memcpy(memory(at, BUFFER), data, len);
	if (wrong == HUGE && nframes >= wrong_from)
		len = UINT16_MAX;
	memcpy(d + 8, &len, sizeof(len));
	d[13] = wrong == ERROR && nframes >= wrong_from ? 1 : 0;
	d[12] = STATUS_DD | (last ? STATUS_EOP : 0);
	advance(RX);
	return (true);
}

/* Frames that do not end, as far as there are buffers. */
static void
flood(void)
{
	static const uint8_t other[60];

	if (nframes < wrong_from || (reg_get(RCTL) & 2) == 0)
		return;
	now += 100000;
	if (wrong == NO_END || wrong == LONG) {
		while (give(frame, wrong == LONG ? BUFFER : 0, false))
			continue;
	} else if (wrong == FOREIGN) {
		while (give(other, sizeof(other), true))
			continue;
	}
}

static void
pass(void)
{
	unsigned at, len;
	bool is_wrong = nframes >= wrong_from && wrong != NOTHING;

	if (is_wrong && wrong == CHANGED)
		frame[frame_len - 1] ^= 1;
	if (is_wrong && wrong == CUT)
		frame_len--;
	if (is_wrong && (wrong == NO_END || wrong == LONG || wrong == FOREIGN))
		flood();
	else if (!is_wrong || wrong != LOST) {
		for (at = 0; at < frame_len; at += len) {
			len = frame_len - at < BUFFER ? frame_len - at :
			    BUFFER;
			ATF_REQUIRE(give(frame + at, (uint16_t)len,
			    at + len == frame_len));
		}
	}
	nframes++;
	frame_len = 0;
}

static void
transmit(void)
{
	uint64_t at;
	uint16_t len;
	uint8_t *d;

	while (reg_get(TX + HEAD) != reg_get(TX + TAIL)) {
		if (wrong == UNSENT && nframes >= wrong_from)
			return;
		d = entry(TX);
		memcpy(&at, d, sizeof(at));
		memcpy(&len, d + 8, sizeof(len));
		ATF_REQUIRE(len > 0 && frame_len + len <= FRAME_MAX);
		memcpy(frame + frame_len, memory(at, len), len);
		frame_len += len;
		d[12] = STATUS_DD;
		advance(TX);
		if ((d[11] & CMD_EOP) != 0)
			pass();
	}
}

static void
reset(void)
{

	memset(registers, 0, sizeof(registers));
	reg_set(0x5400, 0x00000002);
	reg_set(0x5404, 0x80000a00);
	frame_len = 0;
}

uint32_t
mmio_read32(const volatile uint8_t *regs, unsigned reg)
{

	ATF_REQUIRE(regs == registers && reg < REGS && reg % 4 == 0);
	return (dead ? UINT32_MAX : reg_get(reg));
}

void
mmio_write32(volatile uint8_t *regs, unsigned reg, uint32_t v)
{

	ATF_REQUIRE(regs == registers && reg < REGS && reg % 4 == 0);
	if (reg == CTRL && (v & RST) != 0 && !stuck) {
		reset();
		return;
	}
	reg_set(reg, reg == MDIC ? v | phy : v);
	if (reg == TX + TAIL)
		transmit();
	else if (reg == RX + TAIL)
		flood();
}

/*
 * Tests.
 */

static void
start(void)
{

	driver_model_boot();
	reset();
	ATF_REQUIRE_EQ_MSG(0, e1000_driver.dd_attach(), "%s", console);
	ATF_CHECK_EQ_MSG(1, nlines, "%s", console);
}

static void
works(void)
{

	clear_console();
	ATF_REQUIRE_EQ_MSG(0, e1000_driver.dd_job(), "%s", console);
	ATF_CHECK_MSG(console_has("e10000: 1455 frames, 1145085 bytes, "),
	    "%s", console);
	ATF_CHECK_MSG(!console_has("bus_dma: "), "%s", console);
}

/* The job fails, in some seconds, with a line like that; nothing is left. */
static void
fails(int kind, unsigned from, int error, const char *line)
{
	uint64_t frames;

	driver_model_boot();
	frames = free_frames();
	reset();
	ATF_REQUIRE_EQ_MSG(0, e1000_driver.dd_attach(), "%s", console);
	wrong = kind;
	wrong_from = from;
	job_fails(&e1000_driver, error, line, frames);
	ATF_CHECK_EQ_MSG(1, nlines, "%s", console);
}

ATF_TC_WITHOUT_HEAD(sound);
ATF_TC_BODY(sound, tc)
{

	start();
	works();
	works();
}

/* The one that every PC has is used only if that is asked for. */
ATF_TC_WITHOUT_HEAD(required);
ATF_TC_BODY(required, tc)
{

	is_82540 = true;
	driver_model_boot();
	reset();
	ATF_CHECK_EQ(ENXIO, e1000_driver.dd_attach());
	ATF_CHECK_EQ(0, nlines);
	is_required = true;
	ATF_REQUIRE_EQ_MSG(0, e1000_driver.dd_attach(), "%s", console);
	ATF_CHECK_MSG(console_has(": 82540EM, "), "%s", console);
	works();
}

ATF_TC_WITHOUT_HEAD(unsent);
ATF_TC_BODY(unsent, tc)
{

	fails(UNSENT, 10, ETIMEDOUT, "frame 9 of 69 bytes is not sent (");
}

ATF_TC_WITHOUT_HEAD(lost);
ATF_TC_BODY(lost, tc)
{

	fails(LOST, 10, ETIMEDOUT, "frame 9 of 69 bytes does not come (");
}

ATF_TC_WITHOUT_HEAD(changed);
ATF_TC_BODY(changed, tc)
{

	fails(CHANGED, 1000, EIO, "frame 999 of 1059 bytes has changed (");
}

ATF_TC_WITHOUT_HEAD(cut);
ATF_TC_BODY(cut, tc)
{

	fails(CUT, 1000, EIO, "frame 999 of 1059 bytes has changed (");
}

ATF_TC_WITHOUT_HEAD(error);
ATF_TC_BODY(error, tc)
{

	fails(ERROR, 1, EIO, "frame 0 of 60 bytes does not come (");
}

ATF_TC_WITHOUT_HEAD(no_end);
ATF_TC_BODY(no_end, tc)
{

	fails(NO_END, 5, ETIMEDOUT, "frame 4 of 64 bytes does not come (");
}

ATF_TC_WITHOUT_HEAD(too_long);
ATF_TC_BODY(too_long, tc)
{

	fails(LONG, 5, EIO, "frame 4 of 64 bytes does not come (");
}

/* The length of a buffer is what the controller says, and is not trusted. */
ATF_TC_WITHOUT_HEAD(huge);
ATF_TC_BODY(huge, tc)
{

	fails(HUGE, 5, EIO, "frame 4 of 64 bytes does not come (");
}

ATF_TC_WITHOUT_HEAD(foreign);
ATF_TC_BODY(foreign, tc)
{

	fails(FOREIGN, 5, ETIMEDOUT, "frame 4 of 64 bytes does not come (");
}

/* Not one frame comes. */
ATF_TC_WITHOUT_HEAD(silent);
ATF_TC_BODY(silent, tc)
{

	fails(LOST, 0, ETIMEDOUT, "frame 4294967295 of 60 bytes does not come");
}

ATF_TC_WITHOUT_HEAD(bad_phy);
ATF_TC_BODY(bad_phy, tc)
{

	phy = READY | 0x40000000;
	fails(NOTHING, 0, EIO, "e10000: does not start: EIO\n");
}

ATF_TC_WITHOUT_HEAD(dead_phy);
ATF_TC_BODY(dead_phy, tc)
{

	phy = 0;
	fails(NOTHING, 0, ETIMEDOUT, "e10000: does not start: ETIMEDOUT\n");
}

/* It dies between two jobs: it is kept off memory, which is freed. */
ATF_TC_WITHOUT_HEAD(dies);
ATF_TC_BODY(dies, tc)
{
	uint64_t frames;

	driver_model_boot();
	frames = free_frames();
	reset();
	ATF_REQUIRE_EQ(0, e1000_driver.dd_attach());
	works();
	dead = stuck = true;
	job_fails(&e1000_driver, ETIMEDOUT,
	    "e10000: does not start: ETIMEDOUT\n", frames);
	/* Nor does it come back. */
	attach_fails(&e1000_driver, ETIMEDOUT,
	    "e10000: does not come out of reset (");
	ATF_CHECK_EQ_MSG(1, nlines, "%s", console);
}

ATF_TC_WITHOUT_HEAD(no_reset);
ATF_TC_BODY(no_reset, tc)
{

	driver_model_boot();
	reset();
	stuck = true;
	ATF_CHECK_EQ(ETIMEDOUT, e1000_driver.dd_attach());
	ATF_CHECK_MSG(nlines == 1 &&
	    console_has("e10000: does not come out of reset ("), "%s",
	    console);
}

ATF_TC_WITHOUT_HEAD(starves);
ATF_TC_BODY(starves, tc)
{

	driver_model_boot();
	reset();
	ATF_CHECK(driver_starves(&e1000_driver) > 2);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, sound);
	ATF_TP_ADD_TC(tp, required);
	ATF_TP_ADD_TC(tp, unsent);
	ATF_TP_ADD_TC(tp, lost);
	ATF_TP_ADD_TC(tp, changed);
	ATF_TP_ADD_TC(tp, cut);
	ATF_TP_ADD_TC(tp, error);
	ATF_TP_ADD_TC(tp, no_end);
	ATF_TP_ADD_TC(tp, too_long);
	ATF_TP_ADD_TC(tp, huge);
	ATF_TP_ADD_TC(tp, foreign);
	ATF_TP_ADD_TC(tp, silent);
	ATF_TP_ADD_TC(tp, bad_phy);
	ATF_TP_ADD_TC(tp, dead_phy);
	ATF_TP_ADD_TC(tp, dies);
	ATF_TP_ADD_TC(tp, no_reset);
	ATF_TP_ADD_TC(tp, starves);
	return (atf_no_error());
}
