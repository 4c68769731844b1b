/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of the AHCI driver against a model of an adapter with a disk, for what
 * no emulator does: adapters without addresses of 64 bits, commands that are
 * never done, resets that do not end, disks that say absurd things.
 *
 * The model takes addresses only as the specification allows them, and only
 * while it may be master of the bus.
 *
 * Model: Serial ATA AHCI 1.3.1, sections 3 and 4; ACS-2 "IDENTIFY DEVICE".
 */

#include <atf-c.h>

#include <sys/bus_dma.h>
#include <sys/device.h>
#include <sys/systm.h>

#include <dev/mmio.h>
#include <dev/pci/pci.h>

#include "ata_model.h"
#include "dma_model.h"
#include "driver_model.h"
#include "mmio_model.h"

#define	PORT		2U		/* that of the disk */
#define	NPORTS		0x0dU		/* the ports that there are: 0, 2, 3 */

static uint8_t registers[0x1100];

static struct {
	/* What the adapter and the disk are like. */
	uint32_t	cap;
	uint32_t	signature;

	/* What goes wrong. */
	bool		reset_hangs;
	bool		busy;		/* the disk does not become ready */
	bool		runs_on;	/* CMD.CR does not clear */
	unsigned	skip;		/* so many commands are fine, first */
	unsigned	hang, fail, cut; /* then so many: never done, failing,
					   moving less than all */

	/* The state. */
	uint32_t	ghc;
	uint32_t	clb, clbu, fb, fbu, is, cmd, tfd, ci;
	unsigned	resets, commands, flushes, entries;
	bool		high;		/* an address above 4 GiB was used */
} m;

/*
 * PCI.
 */

const struct mmio_device mmio_device = {
	.md_class = 0x010601,
	.md_bar = 5,
	.md_size = 0x1000,
	.md_registers = registers,
};

int
pci_bar_read(const struct pci_func *f, unsigned i, struct pci_bar *bar)
{

	(void)f;
	ATF_CHECK_EQ(5, i);
	memset(bar, 0, sizeof(*bar));
	bar->pb_size = 0x1000;
	return (0);
}

/*
 * The adapter.
 */

static void
model_reset(void)
{

	m.resets++;
	m.clb = m.clbu = m.fb = m.fbu = m.is = m.cmd = m.ci = 0;
	m.tfd = m.busy ? 0x80 : 0x50;
}

/* Memory as the adapter reaches it. */
static uint8_t *
memory(uint64_t pa, uint64_t size, uint64_t align)
{

	if (pa + size > UINT64_C(1) << 32) {
		m.high = true;
		ATF_REQUIRE_MSG((m.cap & 0x80000000) != 0, "0x%jx",
		    (uintmax_t)pa);
	}
	return (dma_memory(pa, size, align, UINT64_C(1) << 63));
}

/* Move len bytes between a command's regions and data.  => bytes moved. */
static uint32_t
move(const uint8_t *header, uint8_t *data, uint32_t len, bool to_memory)
{
	uint64_t table = get32(header + 8) | (uint64_t)get32(header + 12) << 32;
	unsigned n = get32(header) >> 16, i;
	uint32_t size, done = 0;
	const uint8_t *prd;
	uint8_t *va;

	for (i = 0; i < n && done < len; i++, done += size) {
		prd = memory(table + 0x80 + 16 * i, 16, 2);
		size = get32(prd + 12);
		ATF_REQUIRE_MSG((size & 0xffc00001) == 1, "0x%x", size);
		size++;
		va = memory(get32(prd) | (uint64_t)get32(prd + 4) << 32, size,
		    2);
		ATF_REQUIRE(size <= len - done);
		if (to_memory)
			memcpy(va, data + done, size);
		else
			memcpy(data + done, va, size);
		m.entries++;
	}
	ATF_CHECK_EQ(n, i);
	return (done);
}

/* Where on the medium a command begins, and how many bytes it moves. */
static uint8_t *
place(const uint8_t *fis, bool is_48, uint32_t *len)
{
	uint64_t lba = get32(fis + 4) & 0xffffff;
	uint32_t n = fis[12];

	ATF_CHECK_EQ(0x40, fis[7] & 0xf0);
	if (is_48) {
		lba |= (uint64_t)(get32(fis + 8) & 0xffffff) << 24;
		n |= (uint32_t)fis[13] << 8;
	} else {
		lba |= (uint64_t)(fis[7] & 0xf) << 24;
		if (n == 0)
			n = 256;
	}
	*len = n * ATA_BLOCK;
	return (ata_place(lba, n));
}

/* => bytes moved. */
static uint32_t
perform(const uint8_t *header, const uint8_t *fis)
{
	bool ext = false, write = false;
	uint32_t len;
	uint8_t *at;

	switch (fis[2]) {
	case 0xec:
		return (move(header, (uint8_t *)ata_id, sizeof(ata_id), true));
	case 0xea:
	case 0xe7:
		m.flushes++;
		return (0);
	case 0x25:
	case 0x35:
		ext = true;
		write = fis[2] == 0x35;
		break;
	case 0xc8:
	case 0xca:
		write = fis[2] == 0xca;
		break;
	default:
		atf_tc_fail("unexpected command 0x%02x", fis[2]);
	}
	ATF_CHECK_EQ(write, (get32(header) & 0x40) != 0);
	ATF_CHECK_EQ(ext, (ata_id[83] & 0x0400) != 0);
	at = place(fis, ext, &len);
	return (move(header, at, len, !write));
}

static void
execute(void)
{
	uint8_t *header = memory(m.clb | (uint64_t)m.clbu << 32, 1024, 1024);
	const uint8_t *fis;
	uint32_t moved;

	(void)memory(m.fb | (uint64_t)m.fbu << 32, 256, 256);
	fis = memory(get32(header + 8) | (uint64_t)get32(header + 12) << 32,
	    0x80, 128);
	ATF_CHECK_EQ(5, get32(header) & 0x1f);
	ATF_CHECK_EQ(0x8027, get32(fis) & 0xffff);
	ATF_CHECK_EQ(0, get32(header + 4));
	m.commands++;
	if (m.skip > 0)
		m.skip--;
	else if (m.hang > 0) {
		m.hang--;
		return;
	} else if (m.fail > 0) {
		m.fail--;
		m.is |= 0x40000000;
		m.tfd = 0x0451;
		return;
	} else if (m.cut > 0) {
		m.cut--;
		memcpy(header + 4, &(uint32_t){ 512 }, 4);
		m.ci = 0;
		return;
	}
	moved = perform(header, fis);
	memcpy(header + 4, &moved, 4);
	m.ci = 0;
}

static uint32_t
port_read(unsigned reg)
{

	switch (reg) {
	case 0x10:
		return (m.is);
	case 0x18:
		/* What runs shows it in bits 15 and 14. */
		return (m.cmd | ((m.cmd & 1) != 0 || m.runs_on ? 0x8000 : 0) |
		    ((m.cmd & 0x10) != 0 ? 0x4000 : 0));
	case 0x20:
		return (m.tfd);
	case 0x24:
		return (m.signature);
	case 0x28:
		return (0x123);
	case 0x30:
		return (0);
	case 0x38:
		return (m.ci);
	default:
		atf_tc_fail("unexpected read of port register 0x%x", reg);
	}
}

static void
port_write(unsigned reg, uint32_t v)
{
	uint32_t *address[] = { &m.clb, &m.clbu, &m.fb, &m.fbu };

	switch (reg) {
	case 0x00:
	case 0x04:
	case 0x08:
	case 0x0c:
		/* 10.1.2: not while it runs. */
		ATF_CHECK_EQ(0, m.cmd & 0x11);
		*address[reg / 4] = v;
		break;
	case 0x10:
		m.is &= ~v;
		break;
	case 0x14:
		ATF_CHECK_EQ(0, v);
		break;
	case 0x18:
		/* 10.3.1: not before the disk is ready. */
		ATF_CHECK((v & 1) == 0 || (m.tfd & 0x88) == 0);
		m.cmd = v & 0x17;	/* the others are read-only */
		break;
	case 0x30:
		break;
	case 0x38:
		ATF_REQUIRE_EQ(1, v);
		ATF_REQUIRE_EQ(0x11, m.cmd & 0x11);
		m.ci = v;
		execute();
		break;
	default:
		atf_tc_fail("unexpected write of port register 0x%x", reg);
	}
}

uint32_t
mmio_read32(const volatile uint8_t *regs, unsigned reg)
{
	unsigned at = (unsigned)(regs - registers) + reg, port;

	now += 1000;
	if (at >= 0x100) {
		port = (at - 0x100) / 0x80;
		ATF_REQUIRE((NPORTS >> port & 1) != 0);
		/* The others have nothing attached to them. */
		return (port == PORT ? port_read(at % 0x80) : 0);
	}
	switch (at) {
	case 0x00:
		return (m.cap);
	case 0x04:
		return (m.ghc);
	case 0x0c:
		return (NPORTS);
	case 0x10:
		return (0x10301);
	default:
		atf_tc_fail("unexpected read of register 0x%x", at);
	}
}

void
mmio_write32(volatile uint8_t *regs, unsigned reg, uint32_t v)
{
	unsigned at = (unsigned)(regs - registers) + reg;

	if (at == 0x04) {
		m.ghc = v;
		if ((v & 1) != 0 && !m.reset_hangs) {
			ATF_CHECK((v & 0x80000000) != 0);
			model_reset();
			m.ghc = 0;
		}
		return;
	}
	ATF_REQUIRE(at >= 0x100);
	if ((at - 0x100) / 0x80 == PORT)
		port_write(at % 0x80, v);
}

/*
 * Tests.
 */

/* A disk that is fine, and an adapter of 32 bits. */
static void
boot(void)
{

	driver_model_boot();
	ata_model_init();
	m.signature = 0x101;
	m.tfd = 0x50;
	m.ghc = 0x80000000;
}

static void
attach(void)
{

	ATF_REQUIRE_EQ_MSG(0, ahci_driver.dd_attach(), "%s", console);
	ATF_CHECK_EQ_MSG(1, nlines, "%s", console);
}

static void
job_succeeds(void)
{

	ata_refill();
	m.flushes = 0;
	ata_job_succeeds(&ahci_driver);
	ATF_CHECK(m.flushes > 0);
}

ATF_TC_WITHOUT_HEAD(narrow);
ATF_TC_BODY(narrow, tc)
{

	boot();
	attach();
	ATF_CHECK_MSG(console_has("AHCI 1.3, 32 bits of address, port 2: "
	    "MoMoMo"), "%s", console);
	job_succeeds();
	ATF_CHECK(console_has("below 0x100000000, "));
	ATF_CHECK(!m.high);
}

ATF_TC_WITHOUT_HEAD(wide);
ATF_TC_BODY(wide, tc)
{

	boot();
	m.cap = 0x80000000;
	attach();
	job_succeeds();
	ATF_CHECK(m.high);
}

/* A disk of 28 bits moves 128 KiB at most. */
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

ATF_TC_WITHOUT_HEAD(one_error);
ATF_TC_BODY(one_error, tc)
{

	boot();
	attach();
	m.skip = 1;
	m.hang = 1;
	job_succeeds();
	ATF_CHECK_MSG(console_has(": ETIMEDOUT (events 0x0, task file 0x50"),
	    "%s", console);
	m.skip = 1;
	m.fail = 1;
	job_succeeds();
	ATF_CHECK_MSG(console_has(": EIO (events 0x40000000, task file 0x451"),
	    "%s", console);
	m.cut = 1;
	job_succeeds();
	ATF_CHECK_MSG(console_has("512 bytes moved)"), "%s", console);
}

ATF_TC_WITHOUT_HEAD(hang);
ATF_TC_BODY(hang, tc)
{
	uint64_t frames;

	boot();
	frames = free_frames();
	attach();
	m.skip = 2;
	m.hang = 2;
	job_fails(&ahci_driver, ETIMEDOUT, ": ETIMEDOUT (events 0x0", frames);
}

ATF_TC_WITHOUT_HEAD(fail);
ATF_TC_BODY(fail, tc)
{
	uint64_t frames;

	boot();
	frames = free_frames();
	attach();
	m.fail = 2;
	job_fails(&ahci_driver, EIO,
	    "command 0x25 at block 0: EIO (events 0x40000000", frames);
}

/* An adapter that hangs, too, when it is reset, is kept off memory. */
ATF_TC_WITHOUT_HEAD(hang_in_reset);
ATF_TC_BODY(hang_in_reset, tc)
{
	uint64_t frames;

	boot();
	frames = free_frames();
	attach();
	m.hang = 1;
	m.reset_hangs = true;
	job_fails(&ahci_driver, ETIMEDOUT,
	    "cannot be reset: control 0x80000001", frames);
	ATF_CHECK_EQ(2, m.commands);
}

ATF_TC_WITHOUT_HEAD(does_not_start);
ATF_TC_BODY(does_not_start, tc)
{
	uint64_t frames;

	boot();
	frames = free_frames();
	mmio_absent = true;
	attach_fails(&ahci_driver, ENXIO, "");
	ATF_CHECK_EQ(0, nlines);
	mmio_absent = false;
	m.reset_hangs = true;
	attach_fails(&ahci_driver, ETIMEDOUT,
	    "cannot be reset: control 0x80000001");
	m.reset_hangs = false;
	m.busy = true;
	attach_fails(&ahci_driver, ETIMEDOUT, "port 2 does not start: command "
	    "0x4016, task file 0x80, link 0x123");
	m.busy = false;
	m.runs_on = true;
	attach_fails(&ahci_driver, ETIMEDOUT, "port 2 does not start: ");
	m.runs_on = false;
	m.hang = 2;
	attach_fails(&ahci_driver, ETIMEDOUT,
	    "command 0xec at block 0: ETIMEDOUT");
	/* A CD drive. */
	m.signature = 0xeb140101;
	clear_console();
	ATF_CHECK_EQ_MSG(0, ahci_driver.dd_attach(), "%s", console);
	ATF_CHECK_MSG(console_has("bits of address, no disk\n"), "%s",
	    console);
	ATF_CHECK_EQ(ENODEV, ahci_driver.dd_job());
	ATF_CHECK(console_has("ahci0: no disk\n"));
	nothing_left(frames);
}

/* What the disk says of itself is not trusted. */
ATF_TC_WITHOUT_HEAD(absurd);
ATF_TC_BODY(absurd, tc)
{

	boot();
	ata_absurd(&ahci_driver);
}

/* All but what is printed of the largest disk there can be. */
ATF_TC_WITHOUT_HEAD(largest);
ATF_TC_BODY(largest, tc)
{

	boot();
	ata_id[27] = '%' << 8 | 0x07;
	ata_id[106] = 0x5000;
	ata_id[117] = 2048;
	ata_blocks48(UINT64_C(1) << 48);
	attach();
	ATF_CHECK_MSG(console_has("%?MoMo"), "%s", console);
	ATF_CHECK_MSG(console_has(", 281474976710656 blocks of 4096\n"), "%s",
	    console);
}

ATF_TC_WITHOUT_HEAD(starves);
ATF_TC_BODY(starves, tc)
{

	boot();
	ATF_CHECK(driver_starves(&ahci_driver) > 2);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, narrow);
	ATF_TP_ADD_TC(tp, wide);
	ATF_TP_ADD_TC(tp, lba28);
	ATF_TP_ADD_TC(tp, one_error);
	ATF_TP_ADD_TC(tp, hang);
	ATF_TP_ADD_TC(tp, fail);
	ATF_TP_ADD_TC(tp, hang_in_reset);
	ATF_TP_ADD_TC(tp, does_not_start);
	ATF_TP_ADD_TC(tp, absurd);
	ATF_TP_ADD_TC(tp, largest);
	ATF_TP_ADD_TC(tp, starves);
	return (atf_no_error());
}
