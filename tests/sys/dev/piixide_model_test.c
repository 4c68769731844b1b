/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of the PIIX IDE driver against a model of the interface with a disk,
 * for what no emulator does: commands that are never done or move too little,
 * resets that do not end, disks that say absurd things.
 *
 * The model takes addresses only as the specification allows them, and only
 * while it may be master of the bus.
 *
 * Model: Programming Interface for Bus Master IDE Controller 1.0; ACS-2
 * "IDENTIFY DEVICE"; for the ports, Intel 290550.
 */

#include <atf-c.h>

#include <sys/bus_dma.h>
#include <sys/device.h>
#include <sys/systm.h>

#include <machine/cpufunc.h>

#include <dev/bus.h>
#include <dev/pci/pci.h>

#include "ata_model.h"
#include "dma_model.h"
#include "driver_model.h"

#define	BM		0xc040U
#define	K64		UINT64_C(0x10000)

enum fault {
	NONE,
	HANG,			/* never done */
	FAIL,			/* the drive says so */
	BUS,			/* the bus master does */
	EARLY,			/* done before all has moved */
	DATA_LEFT,		/* the drive wants to move more */
	FAULT			/* the drive has a fault */
};

struct channel {
	uint8_t		device;		/* selected: 0 or 1 */
	uint8_t		count[2], low[2], mid[2], high[2]; /* [1]: earlier */
	uint8_t		status, error;
	uint8_t		cmd;		/* in progress */
	unsigned	word;		/* of the identification, next */
	uint8_t		bm_cmd, bm_status;
	uint32_t	table;
};

static struct {
	/* What there is. */
	bool		no_interface, no_bar, memory_bar, high_bar;
	unsigned	drive;		/* where the disk is, 0 to 3; 4: none */
	uint8_t		nothing;	/* what ports say where none is */
	uint8_t		mid, high;	/* of its signature */

	/* What goes wrong. */
	bool		reset_hangs;
	bool		identify_hangs, identify_fails;
	unsigned	skip;		/* so many commands are fine, first */
	unsigned	faults;		/* then so many are not */
	enum fault	fault;

	/* The state. */
	uint32_t	idetim;
	struct channel	chan[2];
	unsigned	resets, commands, flushes, regions;
} m;

/*
 * PCI.
 */

void
machdep_bus(struct bus *b)
{

	(void)b;
}

bool
pci_find(uint16_t vendor, uint16_t device, struct pci_func *f)
{

	ATF_CHECK_EQ(0x8086, vendor);
	memset(f, 0, sizeof(*f));
	return (!m.no_interface && device == 0x7111);
}

int
pci_bar_read(const struct pci_func *f, unsigned i, struct pci_bar *bar)
{

	(void)f;
	ATF_CHECK_EQ(4, i);
	memset(bar, 0, sizeof(*bar));
	bar->pb_io = !m.memory_bar;
	bar->pb_base = m.high_bar ? 0xfffffff0 : BM;
	bar->pb_size = 16;
	return (m.no_bar ? EIO : 0);
}

uint32_t
pci_read(const struct pci_func *f, unsigned reg)
{

	(void)f;
	ATF_REQUIRE_EQ(0x40, reg);
	return (m.idetim);
}

void
pci_write(const struct pci_func *f, unsigned reg, uint32_t v)
{

	(void)f;
	ATF_REQUIRE_EQ(0x40, reg);
	m.idetim = v;
}

/*
 * The drive.
 */

static bool
is_there(const struct channel *c)
{

	return (m.drive == (unsigned)(c - m.chan) * 2 + c->device);
}

static void
model_reset(struct channel *c)
{

	m.resets++;
	c->device = 0;
	c->error = c->count[0] = c->low[0] = 1;
	c->mid[0] = m.mid;
	c->high[0] = m.high;
	c->cmd = 0;
	c->status = m.reset_hangs ? 0x80 : 0x50;
}

/* Move len bytes between the table's regions and data. */
static void
move(const struct channel *c, uint8_t *data, uint32_t len, bool to_memory)
{
	uint32_t size, done, at = c->table, last;
	const uint8_t *prd;
	uint8_t *va;

	for (done = 0; done < len; done += size, at += 8) {
		prd = dma_memory(at, 8, 4, K64);
		ATF_REQUIRE_EQ(at / K64, c->table / K64);
		ATF_REQUIRE_EQ(0, get32(prd + 4) & 0x7fff0001);
		size = get32(prd + 4) & 0xffff;
		size = size == 0 ? K64 : size;
		ATF_REQUIRE(size <= len - done);
		va = dma_memory(get32(prd), size, 2, K64);
		if (to_memory)
			memcpy(va, data + done, size);
		else
			memcpy(data + done, va, size);
		m.regions++;
		last = get32(prd + 4) >> 31;
		ATF_REQUIRE_EQ(done + size == len, last);
	}
}

/* Where on the medium a command begins, and how many bytes it moves. */
static uint8_t *
place(const struct channel *c, bool is_48, uint8_t device, uint32_t *len)
{
	uint64_t lba = c->low[0] | (uint64_t)c->mid[0] << 8 |
	    (uint64_t)c->high[0] << 16;
	uint32_t n = c->count[0];

	ATF_CHECK_EQ(0x40, device & 0x40);
	if (is_48) {
		lba |= (uint64_t)c->low[1] << 24 | (uint64_t)c->mid[1] << 32 |
		    (uint64_t)c->high[1] << 40;
		n |= (uint32_t)c->count[1] << 8;
	} else {
		lba |= (uint64_t)(device & 0xf) << 24;
		n = n == 0 ? 256 : n;
	}
	*len = n * ATA_BLOCK;
	return (ata_place(lba, n));
}

static bool
goes_wrong(void)
{

	m.commands++;
	if (m.skip > 0) {
		m.skip--;
		return (false);
	}
	if (m.faults == 0)
		return (false);
	m.faults--;
	return (true);
}

/* The bus master's state after a command that went wrong, and the drive's. */
static void
go_wrong(struct channel *c)
{
	static const struct {
		uint8_t	bm, status;
	} end[] = {
		[HANG] = { 0x01, 0xd0 },
		[FAIL] = { 0x04, 0x51 },
		[BUS] = { 0x06, 0x50 },
		[EARLY] = { 0x05, 0x50 },
		[DATA_LEFT] = { 0x04, 0x58 },
		[FAULT] = { 0x04, 0x70 },
	};

	c->bm_status = (uint8_t)((c->bm_status & 0x60) | end[m.fault].bm);
	c->status = end[m.fault].status;
	c->error = m.fault == FAIL ? 0x04 : 0;
}

static uint8_t device_written[2];

/* A DMA command begins when both sides have been told. */
static void
execute(struct channel *c)
{
	bool write = c->cmd == 0xca || c->cmd == 0x35;
	bool is_48 = c->cmd == 0x25 || c->cmd == 0x35;
	uint32_t len;
	uint8_t *at;

	ATF_CHECK_EQ(!write, (c->bm_cmd & 8) != 0);
	ATF_CHECK_EQ(is_48, (ata_id[83] & 0x0400) != 0);
	at = place(c, is_48, device_written[c - m.chan], &len);
	if (goes_wrong()) {
		go_wrong(c);
		return;
	}
	move(c, at, len, !write);
	c->cmd = 0;
	c->status = 0x50;
	c->bm_status = (uint8_t)((c->bm_status & ~1) | 4);
}

static void
start_command(struct channel *c, uint8_t cmd)
{

	if (!is_there(c))
		return;
	ATF_CHECK_EQ_MSG(0, c->status & 0x80, "command 0x%02x while busy", cmd);
	switch (cmd) {
	case 0xec:
		c->word = 0;
		c->status = m.identify_hangs ? 0xd0 :
		    m.identify_fails ? 0x51 : 0x58;
		break;
	case 0xe7:
	case 0xea:
		m.flushes++;
		c->status = goes_wrong() ? 0x51 : 0x50;
		break;
	case 0xc8:
	case 0xca:
	case 0x25:
	case 0x35:
		c->cmd = cmd;
		c->status = 0xd0;
		break;
	default:
		atf_tc_fail("unexpected command 0x%02x", cmd);
	}
}

/*
 * The ports.
 */

static struct channel *
channel_of(uint16_t port, unsigned *reg)
{

	if (port >= BM && port < BM + 16) {
		*reg = 0x10 + (port - BM) % 8;
		return (&m.chan[(port - BM) / 8]);
	}
	*reg = port == 0x3f6 || port == 0x376 ? 8 : port % 8;
	if (port == 0x3f6 || (port >= 0x1f0 && port < 0x1f8))
		return (&m.chan[0]);
	ATF_REQUIRE_MSG(port == 0x376 || (port >= 0x170 && port < 0x178),
	    "port 0x%x", port);
	return (&m.chan[1]);
}

static void
shift_in(uint8_t reg[2], uint8_t v)
{

	reg[1] = reg[0];
	reg[0] = v;
}

uint8_t
inb(uint16_t port)
{
	unsigned reg;
	struct channel *c = channel_of(port, &reg);

	now += 1000;
	if (reg < 0x10 && !is_there(c))
		return (m.nothing);
	switch (reg) {
	case 1:
		return (c->error);
	case 2:
		return (c->count[0]);
	case 3:
		return (c->low[0]);
	case 4:
		return (c->mid[0]);
	case 5:
		return (c->high[0]);
	case 7:
	case 8:
		return (c->status);
	case 0x12:
		return (c->bm_status);
	default:
		atf_tc_fail("unexpected read of port 0x%x", port);
	}
}

uint16_t
inw(uint16_t port)
{
	unsigned reg;
	struct channel *c = channel_of(port, &reg);

	ATF_REQUIRE(reg == 0 && is_there(c) && c->word < 256);
	ATF_REQUIRE_EQ(0x58, c->status);
	if (c->word == 255)
		c->status = 0x50;
	return (ata_id[c->word++]);
}

static void
bm_write(struct channel *c, unsigned reg, uint8_t v)
{

	if (reg == 2) {
		c->bm_status = (uint8_t)((c->bm_status & ~0x60 & ~(v & 6)) |
		    (v & 0x60));
		return;
	}
	ATF_REQUIRE_EQ(0, reg);
	c->bm_cmd = v;
	if ((v & 1) == 0)
		c->bm_status &= (uint8_t)~1;
	else if (c->cmd != 0) {
		c->bm_status |= 1;
		execute(c);
	}
}

void
outb(uint16_t port, uint8_t v)
{
	unsigned reg;
	struct channel *c = channel_of(port, &reg);

	switch (reg) {
	case 2:
		shift_in(c->count, v);
		break;
	case 3:
		shift_in(c->low, v);
		break;
	case 4:
		shift_in(c->mid, v);
		break;
	case 5:
		shift_in(c->high, v);
		break;
	case 6:
		c->device = v >> 4 & 1;
		device_written[c - m.chan] = v;
		break;
	case 7:
		start_command(c, v);
		break;
	case 8:
		if ((v & 4) != 0)
			model_reset(c);
		break;
	case 0x10:
	case 0x12:
		bm_write(c, reg - 0x10, v);
		break;
	default:
		atf_tc_fail("unexpected write of port 0x%x", port);
	}
}

uint32_t
inl(uint16_t port)
{

	atf_tc_fail("unexpected read of port 0x%x", port);
}

void
outl(uint16_t port, uint32_t v)
{
	unsigned reg;
	struct channel *c = channel_of(port, &reg);

	ATF_REQUIRE_EQ(0x14, reg);
	ATF_CHECK_EQ(0, c->bm_cmd & 1);
	c->table = v;
}

void
outw(uint16_t port, uint16_t v)
{

	atf_tc_fail("unexpected write of 0x%x to port 0x%x", v, port);
}

/*
 * Tests.
 */

/* A disk that is fine, and the only one. */
static void
boot(void)
{

	driver_model_boot();
	ata_model_init();
	m.chan[0].status = m.chan[1].status = 0x50;
	/* Firmware's: drives that are set up for DMA. */
	m.chan[0].bm_status = m.chan[1].bm_status = 0x60;
}

static void
attach(void)
{

	ATF_REQUIRE_EQ_MSG(0, piixide_driver.dd_attach(), "%s", console);
	ATF_CHECK_EQ_MSG(1, nlines, "%s", console);
	ATF_CHECK_EQ(0x80008000, m.idetim);
}

static void
job_succeeds(void)
{

	ata_refill();
	m.flushes = 0;
	ata_job_succeeds(&piixide_driver);
	ATF_CHECK_EQ(1, m.flushes);
	ATF_CHECK_EQ(0x60, m.chan[m.drive / 2].bm_status & 0x60);
}

/* The ports are free again, too. */
static void
gives_up(int error, const char *line, uint64_t frames)
{

	job_fails(&piixide_driver, error, line, frames);
	ATF_CHECK_EQ(0, bus_get()->b_ports.cl_n);
}

static void
not_attached(int error, const char *line)
{

	attach_fails(&piixide_driver, error, line);
	ATF_CHECK_EQ_MSG(line[0] != '\0', nlines, "%s", console);
	ATF_CHECK_EQ(0, bus_get()->b_ports.cl_n);
}

/* 48 and 28 bits of address; the latter move 128 KiB at most. */
ATF_TC_WITHOUT_HEAD(sound);
ATF_TC_BODY(sound, tc)
{

	boot();
	attach();
	ATF_CHECK_MSG(console_has("piixide0 at pci 0:0.0: bus master at port "
	    "0xc040, port 0x1f0 drive 0: MoMoMoMoMoMoMoMoMoMoMoMoMoMoMoMoMoMoMo"
	    ", 1024 blocks of 512, 48 bits of address\n"), "%s", console);
	job_succeeds();
	ATF_CHECK_MSG(console_has("read 524288 bytes of 1024 blocks of 512 in "
	    "1 transfers "), "%s", console);
	job_succeeds();
}

ATF_TC_WITHOUT_HEAD(lba28);
ATF_TC_BODY(lba28, tc)
{

	boot();
	ata_id[83] = 0x4000;
	ata_blocks48(0);
	attach();
	job_succeeds();
	ATF_CHECK_MSG(console_has("read 524288 bytes of 1024 blocks of 512 in "
	    "4 transfers "), "%s", console);
}

/* Each place for a drive; where none is, ports float high, low, or echo. */
ATF_TC_WITHOUT_HEAD(places);
ATF_TC_BODY(places, tc)
{
	static const char *const where[] = {
		"port 0x1f0 drive 0: ", "port 0x1f0 drive 1: ",
		"port 0x170 drive 0: ", "port 0x170 drive 1: ",
		"no disk\n"
	};
	static const uint8_t nothing[] = { 0xff, 0, 0x7f, 0xa0 };

	boot();
	for (m.drive = 1; m.drive < NITEMS(where); m.drive++) {
		m.nothing = nothing[m.drive - 1];
		clear_console();
		ATF_REQUIRE_EQ_MSG(0, piixide_driver.dd_attach(), "%s",
		    console);
		ATF_CHECK_MSG(console_has(where[m.drive]), "%s", console);
		if (m.drive == 4)
			break;
		job_succeeds();
		m.faults = 2;
		m.fault = FAIL;
		ATF_CHECK_EQ(EIO, piixide_driver.dd_job());
	}
	clear_console();
	ATF_CHECK_EQ(ENODEV, piixide_driver.dd_job());
	ATF_CHECK(console_has("piixide0: no disk\n"));
}

/* Whatever goes wrong once is mended; what it was is told. */
ATF_TC_WITHOUT_HEAD(one_error);
ATF_TC_BODY(one_error, tc)
{
	static const char *const lines[] = {
		[HANG] = ": ETIMEDOUT (bus master 0x61, status 0xd0,",
		[FAIL] = ": EIO (bus master 0x64, status 0x51, error 0x04)",
		[BUS] = ": EIO (bus master 0x66, status 0x50,",
		[EARLY] = ": EIO (bus master 0x65, status 0x50,",
		[DATA_LEFT] = ": EIO (bus master 0x64, status 0x58,",
		[FAULT] = ": EIO (bus master 0x64, status 0x70,",
	};
	unsigned i, skip;

	boot();
	attach();
	for (i = HANG; i < NITEMS(lines); i++) {
		for (skip = 0; skip < 4; skip++) {
			m.fault = (enum fault)i;
			m.skip = skip;
			m.faults = 1;
			job_succeeds();
			ATF_CHECK_MSG(console_has(lines[i]), "%u: %s", i,
			    console);
		}
	}
}

ATF_TC_WITHOUT_HEAD(two_errors);
ATF_TC_BODY(two_errors, tc)
{
	uint64_t frames;
	unsigned i, skip;

	boot();
	frames = free_frames();
	for (i = HANG; i <= FAULT; i++) {
		for (skip = 0; skip < 4; skip++) {
			clear_console();
			attach();
			m.fault = (enum fault)i;
			m.skip = skip;
			m.faults = 2;
			gives_up(i == HANG ? ETIMEDOUT : EIO,
			    skip == 0 ? "command 0x25 at block 0: " :
			    ": command 0x", frames);
		}
	}
}

/* What was written is not on the medium yet, and does not get there. */
ATF_TC_WITHOUT_HEAD(bad_flush);
ATF_TC_BODY(bad_flush, tc)
{
	uint64_t frames;
	unsigned n;

	boot();
	frames = free_frames();
	attach();
	job_succeeds();
	n = m.commands;
	m.commands = 0;
	m.skip = n - 1;
	m.faults = 2;
	m.fault = FAIL;
	gives_up(EIO, "command 0xea at block 0: EIO", frames);
}

/* A drive that hangs, too, when it is reset, is kept off memory. */
ATF_TC_WITHOUT_HEAD(hang_in_reset);
ATF_TC_BODY(hang_in_reset, tc)
{
	uint64_t frames;

	boot();
	frames = free_frames();
	attach();
	m.fault = HANG;
	m.faults = 1;
	m.reset_hangs = true;
	gives_up(ETIMEDOUT, "cannot be reset: status 0x80", frames);
	ATF_CHECK_EQ(1, m.commands);
}

ATF_TC_WITHOUT_HEAD(does_not_start);
ATF_TC_BODY(does_not_start, tc)
{
	struct claims *ports;

	boot();
	m.no_interface = true;
	not_attached(ENXIO, "");
	m.no_interface = false;
	m.no_bar = true;
	not_attached(ENODEV, "base address register 4 is of no use");
	m.no_bar = false;
	m.memory_bar = true;
	not_attached(ENODEV, "base address register 4 is of no use");
	m.memory_bar = false;
	m.high_bar = true;
	not_attached(ENODEV, "base address register 4 is of no use");
	m.high_bar = false;
	m.identify_hangs = true;
	not_attached(ETIMEDOUT, "does not identify itself: ETIMEDOUT (status "
	    "0xd0)");
	m.identify_hangs = false;
	m.chan[0].status = 0x50;
	m.identify_fails = true;
	not_attached(EIO, "does not identify itself: EIO (status 0x51)");
	m.identify_fails = false;
	/* Somebody else has the last of the ports. */
	ports = &bus_get()->b_ports;
	ATF_REQUIRE_EQ(0, claim_region(ports, 0x376, 1, "other"));
	clear_console();
	ATF_CHECK_EQ(EBUSY, piixide_driver.dd_attach());
	ATF_CHECK_EQ_MSG(1, nlines, "%s", console);
	ATF_CHECK_EQ(1, ports->cl_n);
}

/* Neither a CD drive nor one that does not come out of reset is a disk. */
ATF_TC_WITHOUT_HEAD(no_disk);
ATF_TC_BODY(no_disk, tc)
{
	uint64_t start;

	boot();
	m.mid = 0x14;
	m.high = 0xeb;
	attach();
	ATF_CHECK_MSG(console_has("bus master at port 0xc040, no disk\n"), "%s",
	    console);
	ATF_CHECK_EQ(ENODEV, piixide_driver.dd_job());
	ATF_REQUIRE_EQ(0, claim_release(&bus_get()->b_ports, 0x1f0));
	ATF_REQUIRE_EQ(0, claim_release(&bus_get()->b_ports, 0x3f6));
	ATF_REQUIRE_EQ(0, claim_release(&bus_get()->b_ports, 0x170));
	ATF_REQUIRE_EQ(0, claim_release(&bus_get()->b_ports, 0x376));
	m.mid = m.high = 0;
	m.reset_hangs = true;
	start = now;
	clear_console();
	attach();
	ATF_CHECK(console_has(", no disk\n"));
	ATF_CHECK(now - start < UINT64_C(130000000000));
}

/* What the disk says of itself is not trusted. */
ATF_TC_WITHOUT_HEAD(absurd);
ATF_TC_BODY(absurd, tc)
{

	boot();
	ata_absurd(&piixide_driver);
	ATF_CHECK_EQ(0, bus_get()->b_ports.cl_n);
}

ATF_TC_WITHOUT_HEAD(starves);
ATF_TC_BODY(starves, tc)
{

	boot();
	ATF_CHECK(driver_starves(&piixide_driver) > 2);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, sound);
	ATF_TP_ADD_TC(tp, lba28);
	ATF_TP_ADD_TC(tp, places);
	ATF_TP_ADD_TC(tp, one_error);
	ATF_TP_ADD_TC(tp, two_errors);
	ATF_TP_ADD_TC(tp, bad_flush);
	ATF_TP_ADD_TC(tp, hang_in_reset);
	ATF_TP_ADD_TC(tp, does_not_start);
	ATF_TP_ADD_TC(tp, no_disk);
	ATF_TP_ADD_TC(tp, absurd);
	ATF_TP_ADD_TC(tp, starves);
	return (atf_no_error());
}
