/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of the SD driver against a model of a controller and its card, for
 * what no emulator does: both die in the middle, make errors of all kinds, or
 * say absurd things of themselves.
 *
 * Model: SD Host Controller Simplified Specification 2.00, section 2.2; SD
 * Physical Layer Simplified Specification 2.00, section 4.7.4.
 */

#include <atf-c.h>

#include <sys/bus_dma.h>
#include <sys/device.h>
#include <sys/systm.h>

#include <dev/mmio.h>
#include <dev/pci/pci.h>

#include "dma_model.h"
#include "driver_model.h"
#include "mmio_model.h"

#define	SYSADDR		0x00
#define	BLOCKS		0x04
#define	ARGUMENT	0x08
#define	COMMAND		0x0c
#define	RESPONSE	0x10
#define	PRESENT		0x24
#define	CLOCK		0x2c
#define	 RESETS		0x07000000U
#define	 RESET_ALL	0x01000000U
#define	INTR		0x30
#define	CAPS		0x40
#define	LINE		0x80000U

static uint8_t registers[0x100];
static uint8_t medium[512 * 1024];
static uint64_t frames;			/* free at first */
static size_t size;			/* of the card */

/* What goes wrong. */
static bool dead;			/* all registers read as ones */
static bool stuck;			/* no reset ends */
static bool deaf;			/* nothing answers a command */
static bool busy;			/* the lines are */
static bool unstable;			/* the clock is */
static unsigned transfers_left = ~0U;	/* then data stays away, and stuck */
static unsigned bad_index;		/* of a command: */
static uint32_t bad_intr, bad_status;	/* what is said of that */
static uint32_t stop_status;		/* the card says to the stop at the end
					   of several blocks */

/* The card. */
static bool old;			/* of version 1 */
static bool by_block;
static bool absent;
static bool protect;
static bool never_ready;
static uint32_t csd[4];

/*
 * PCI.
 */

const struct mmio_device mmio_device = {
	.md_class = 0x080501,
	.md_size = sizeof(registers),
	.md_registers = registers,
};

/*
 * The controller and its card.
 */

static void
move(bool read, uint32_t mode)
{
	uint32_t addr = reg_get(SYSADDR), len, at = reg_get(ARGUMENT);
	uint8_t *va;

	at *= by_block ? 512 : 1;

	len = (reg_get(BLOCKS) & 0xfff) * (reg_get(BLOCKS) >> 16);
	ATF_REQUIRE_EQ(7, reg_get(BLOCKS) >> 12 & 7);
	if (transfers_left == 0) {
		stuck = true;
		return;
	}
	transfers_left--;
	va = dma_memory(addr, len, 1, LINE);
	ATF_REQUIRE(at + len <= size);
	if (read)
		memcpy(va, medium + at, len);
	else
		memcpy(medium + at, va, len);
	reg_set(INTR, reg_get(INTR) | 2);
	if ((mode & 4) != 0)
		reg_set(RESPONSE + 12, 0x900 | stop_status);
}

/* An error, of which the controller or the card tells. */
static bool
misbehaves(unsigned index)
{

	if (bad_index == 0 || index != bad_index)
		return (false);
	reg_set(INTR, reg_get(INTR) | bad_intr | (bad_intr != 0 ? 0x8000 : 1));
	reg_set(RESPONSE, bad_status);
	return (true);
}

static void
respond(unsigned index, uint32_t mode)
{

	if (misbehaves(index) || (index == 8 && old))
		return;
	reg_set(INTR, reg_get(INTR) | 1);
	reg_set(RESPONSE, 0x900);
	switch (index) {
	case 3:
		reg_set(RESPONSE, 0x12340000);
		break;
	case 8:
		reg_set(RESPONSE, reg_get(ARGUMENT));
		break;
	case 9:
		memcpy(registers + RESPONSE, csd, sizeof(csd));
		break;
	case 41:
		reg_set(RESPONSE, (never_ready ? 0 : 0x80000000U) |
		    (by_block ? 0x40000000U : 0));
		ATF_CHECK(!by_block || (reg_get(ARGUMENT) & 0x40000000U) != 0);
		break;
	case 17:
	case 18:
	case 24:
	case 25:
		ATF_REQUIRE((mode & 1) != 0);
		ATF_CHECK_EQ(index < 20, (mode & 0x10) != 0);
		move(index < 20, mode);
		break;
	}
}

static void
reset(uint32_t what)
{

	if ((what & RESET_ALL) != 0) {
		memset(registers, 0, sizeof(registers));
		reg_set(PRESENT, absent ? 0 :
		    protect ? 0x00010000 : 0x00090000);
		reg_set(CAPS, 1U << 22 | 50 << 8);
	}
}

uint32_t
mmio_read32(const volatile uint8_t *regs, unsigned reg)
{

	ATF_REQUIRE(regs == registers && reg < sizeof(registers));
	if (dead)
		return (~0U);
	return (reg_get(reg) | (reg == PRESENT && busy ? 3 : 0));
}

void
mmio_write32(volatile uint8_t *regs, unsigned reg, uint32_t v)
{

	ATF_REQUIRE(regs == registers && reg < sizeof(registers));
	if (reg == INTR) {
		reg_set(INTR, reg_get(INTR) & ~v);
		return;
	}
	reg_set(reg, v);
	if (reg == CLOCK && (v & RESETS) != 0 && !stuck) {
		reset(v);
		reg_set(CLOCK, v & ~RESETS);
	} else if (reg == CLOCK && !unstable)
		reg_set(CLOCK, v | 2);
	else if (reg == COMMAND && !deaf)
		respond(v >> 24 & 0x3f, v);
}

/*
 * Tests.
 */

/* Version 1: 512 bytes a block, (127 + 1) * 4 of them. */
static void
csd_v1(void)
{

	csd[3] = 0;
	csd[2] = 9 << 8;
	csd[1] = 127 << 22;
	csd[0] = 0;
	size = 256 * 1024;
}

/* Version 2: so many times 512 KiB. */
static void
csd_v2(uint32_t n)
{

	csd[3] = 1 << 22;
	csd[2] = 9 << 8;
	csd[1] = (n - 1) << 8;
	csd[0] = 0;
	size = sizeof(medium);
}

static void
start(void)
{
	unsigned i;

	driver_model_boot();
	frames = free_frames();
	csd_v1();
	reset(RESET_ALL);
	for (i = 0; i < sizeof(medium); i++)
		medium[i] = (uint8_t)(i * 2654435761U >> 13);
	memcpy(medium, "extant scratch\n", 15);
}

static void
works(void)
{
	const size_t half = size / 2;

	memset(medium + half, 0, half);
	clear_console();
	ATF_REQUIRE_EQ_MSG(0, sdhci_driver.dd_job(), "%s", console);
	ATF_CHECK_EQ(0, memcmp(medium, medium + half, half));
	ATF_CHECK_MSG(!console_has("bus_dma: "), "%s", console);
}

/*
 * The job fails, the controller is kept off memory, if it cannot be reset, and
 * nothing is left.
 */
static void
fails(int error, const char *line)
{
	uint64_t began = now;
	unsigned maps, tags;

	clear_console();
	ATF_CHECK_EQ_MSG(error, sdhci_driver.dd_job(), "%s", console);
	ATF_CHECK_MSG(console_has(line), "%s", console);
	ATF_CHECK_MSG(!console_has("bus_dma: "), "%s", console);
	ATF_CHECK(now - began < UINT64_C(20000000000));
	ATF_CHECK_MSG(nlines <= 2, "%s", console);
	if (stuck || dead)
		ATF_CHECK_EQ(0, pci_command & PCI_COMMAND_MASTER);
	bus_dma_usage(&tags, &maps);
	ATF_CHECK_EQ(0, maps);
	ATF_CHECK_EQ(frames, free_frames());
}

ATF_TC_WITHOUT_HEAD(sound);
ATF_TC_BODY(sound, tc)
{

	start();
	ATF_REQUIRE_EQ(0, sdhci_driver.dd_attach());
	works();
	works();
}

ATF_TC_WITHOUT_HEAD(no_data);
ATF_TC_BODY(no_data, tc)
{

	start();
	ATF_REQUIRE_EQ(0, sdhci_driver.dd_attach());
	transfers_left = 3;
	fails(ETIMEDOUT, "sdhci0: command ");
	fails(ETIMEDOUT, "sdhci0: does not come out of reset (");
	/* What comes back to life may be used again. */
	stuck = false;
	transfers_left = ~0U;
	works();
}

ATF_TC_WITHOUT_HEAD(no_answer);
ATF_TC_BODY(no_answer, tc)
{

	start();
	ATF_REQUIRE_EQ(0, sdhci_driver.dd_attach());
	deaf = true;
	fails(ETIMEDOUT, "sdhci0: command 0, argument 0x0: ETIMEDOUT (");
	deaf = false;
	busy = true;
	fails(ETIMEDOUT, "sdhci0: command 0, argument 0x0: ETIMEDOUT (");
	busy = false;
	never_ready = true;
	fails(ETIMEDOUT, "sdhci0: command 41, argument 0x40300000: ETIMEDOUT");
	never_ready = false;
	unstable = true;
	fails(ETIMEDOUT, "sdhci0: clock does not get stable (");
	unstable = false;
	works();
}

/* Each command fails once: the controller says so. */
ATF_TC_WITHOUT_HEAD(command_errors);
ATF_TC_BODY(command_errors, tc)
{
	static const unsigned all[] = { 55, 41, 2, 3, 9, 7, 16, 18, 25 };
	char line[32];
	unsigned i, bit;

	start();
	ATF_REQUIRE_EQ(0, sdhci_driver.dd_attach());
	for (i = 0; i < NITEMS(all); i++) {
		bad_index = all[i];
		bad_intr = 0x10000U << i % 8;
		snprintf(line, sizeof(line), "sdhci0: command %u, ", all[i]);
		fails(EIO, line);
	}
	/* Without an error of its own, but with the sum of them. */
	bad_intr = 0x8000;
	fails(EIO, "sdhci0: command 25, ");
	bad_index = 0;
	works();
	/* The card says that it has failed, and moves nothing. */
	bad_intr = 0;
	for (bit = 19; bit < 32; bit++) {
		if ((0xe4380000U >> bit & 1) == 0)
			continue;
		bad_index = bit % 2 == 0 ? 18 : 25;
		bad_status = 0x900 | 1U << bit;
		snprintf(line, sizeof(line), "sdhci0: command %u, ", bad_index);
		fails(EIO, line);
		ATF_CHECK_MSG(console_has("EIO"), "%s", console);
	}
	bad_index = 0;
	works();
}

/* All blocks moved, yet the card says at the end that something was wrong. */
ATF_TC_WITHOUT_HEAD(stop_errors);
ATF_TC_BODY(stop_errors, tc)
{

	start();
	ATF_REQUIRE_EQ(0, sdhci_driver.dd_attach());
	stop_status = 0x00200000;
	fails(EIO, "sdhci0: command 18, argument 0x0: EIO (");
	/* Behind the last block is nothing: no error of a read. */
	stop_status = 0x80000000U;
	fails(EIO, "sdhci0: command 25, ");
	stop_status = 0;
	works();
}

/* An old card, one of 512 KiB that is addressed by blocks, and none. */
ATF_TC_WITHOUT_HEAD(cards);
ATF_TC_BODY(cards, tc)
{

	start();
	ATF_REQUIRE_EQ(0, sdhci_driver.dd_attach());
	old = true;
	works();
	ATF_CHECK_MSG(console_has(" of 512 blocks of 512 "), "%s", console);
	absent = true;
	reset(RESET_ALL);
	fails(ENODEV, "sdhci0: no card\n");
	absent = old = false;
	reset(RESET_ALL);
	by_block = true;
	csd_v2(1);
	works();
	ATF_CHECK_MSG(console_has(" of 1024 blocks of 512 "), "%s", console);
}

/* What the card says of its size is not trusted. */
ATF_TC_WITHOUT_HEAD(absurd);
ATF_TC_BODY(absurd, tc)
{

	start();
	ATF_REQUIRE_EQ(0, sdhci_driver.dd_attach());
	csd[3] = 3 << 22;
	fails(EOPNOTSUPP, "out of reach (0 blocks)");
	/* Blocks of one byte, and few. */
	csd[3] = 0;
	csd[2] = 0;
	fails(EOPNOTSUPP, "out of reach (0 blocks)");
	/* More than bytes can be counted: as version 1 and 2. */
	csd[2] = 15 << 8 | 0x3ff;
	csd[1] = 0xffc00000 | 7 << 7;
	fails(EOPNOTSUPP, "out of reach (134217728 blocks)");
	csd_v2(1 << 22);
	fails(EOPNOTSUPP, "out of reach (4294967296 blocks)");
	csd_v1();
	works();
}

ATF_TC_WITHOUT_HEAD(protected);
ATF_TC_BODY(protected, tc)
{
	static uint8_t before[sizeof(medium)];

	protect = true;
	start();
	memcpy(before, medium, sizeof(before));
	ATF_REQUIRE_EQ(0, sdhci_driver.dd_attach());
	clear_console();
	ATF_CHECK_EQ_MSG(0, sdhci_driver.dd_job(), "%s", console);
	ATF_CHECK(console_has("sdhci0: cannot be written to\n"));
	ATF_CHECK_EQ(0, memcmp(before, medium, sizeof(before)));
}

ATF_TC_WITHOUT_HEAD(died);
ATF_TC_BODY(died, tc)
{

	start();
	dead = true;
	ATF_REQUIRE_EQ(0, sdhci_driver.dd_attach());
	fails(ETIMEDOUT, "sdhci0: does not come out of reset (");
}

ATF_TC_WITHOUT_HEAD(starves);
ATF_TC_BODY(starves, tc)
{

	start();
	ATF_CHECK(driver_starves(&sdhci_driver) > 2);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, sound);
	ATF_TP_ADD_TC(tp, no_data);
	ATF_TP_ADD_TC(tp, no_answer);
	ATF_TP_ADD_TC(tp, command_errors);
	ATF_TP_ADD_TC(tp, stop_errors);
	ATF_TP_ADD_TC(tp, cards);
	ATF_TP_ADD_TC(tp, absurd);
	ATF_TP_ADD_TC(tp, protected);
	ATF_TP_ADD_TC(tp, died);
	ATF_TP_ADD_TC(tp, starves);
	return (atf_no_error());
}
