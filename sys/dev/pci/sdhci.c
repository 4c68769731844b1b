/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Driver of SD host controllers and their cards: sdhci(4).
 *
 * Sources: [SDHC] SD Host Controller Simplified Specification 2.00; [SD] SD
 * Physical Layer Simplified Specification 2.00.
 *
 * The controller's own DMA ([SDHC] 1.5, SDMA) moves memory in a row, has 32
 * address bits, and pauses at a line whose distance is programmed.  That is
 * set to 512 KiB, and no segment crosses such a line, so it never pauses: each
 * segment of a transfer is one command.
 */

#include <sys/device.h>
#include <sys/systm.h>

#include <dev/device_report.h>
#include <dev/device_tag.h>
#include <dev/disk.h>
#include <dev/mmio.h>
#include <dev/pci/pci.h>

#define	SD_NAME		"sdhci0"

/* [SDHC] C.1: PCI class; with interface 01h: has DMA. */
#define	CLASS_SDHCI	0x080501
#define	REGS_SIZE	0x100U

/* [SDHC] 2.2: registers, as words of 32 bits. */
#define	R_SYSADDR	0x00
#define	R_BLOCK		0x04		/* size, line << 12, count << 16 */
#define	 BLOCK_512K	(7U << 12)
#define	R_ARGUMENT	0x08
#define	R_COMMAND	0x0c		/* mode, command << 16 */
#define	 MODE_DMA	0x01U
#define	 MODE_COUNT	0x02U
#define	 MODE_CMD12	0x04U		/* stop by itself */
#define	 MODE_READ	0x10U
#define	 MODE_MULTI	0x20U
#define	 CMD_INDEX(n)	((uint32_t)(n) << 24)
#define	 CMD_DATA	(1U << 21)
#define	 CMD_CHECKED	(3U << 19)	/* index and checksum */
#define	 CMD_CRC	(1U << 19)
#define	 CMD_136	(1U << 16)	/* bits of the response */
#define	 CMD_48		(2U << 16)
#define	 CMD_48_BUSY	(3U << 16)
#define	R_RESPONSE(i)	(0x10 + 4 * (i))
#define	R_PRESENT	0x24
#define	 PRESENT_CMD	0x00000001U	/* command line in use */
#define	 PRESENT_DAT	0x00000002U
#define	 PRESENT_CARD	0x00010000U
#define	 PRESENT_WRITE	0x00080000U	/* not protected */
#define	R_HOST		0x28		/* control, power << 8 */
#define	 HOST_3V3	(0x0fU << 8)	/* 3.3 V, on */
#define	R_CLOCK		0x2c		/* clock, timeout << 16, reset << 24 */
#define	 CLOCK_ENABLE	0x01U
#define	 CLOCK_STABLE	0x02U
#define	 CLOCK_CARD	0x04U
#define	 CLOCK_DIV(n)	((uint32_t)(n) << 8)	/* base clock / 2n */
#define	 CLOCK_TIMEOUT	(0x0eU << 16)	/* the longest */
#define	 CLOCK_RESET	(1U << 24)	/* all */
#define	 CLOCK_RESET_CMD (1U << 25)	/* what has to do with commands */
#define	R_INTR		0x30		/* normal, errors << 16; 1 clears */
#define	 INTR_COMMAND	0x0001U
#define	 INTR_TRANSFER	0x0002U
#define	 INTR_ERRORS	0xffff8000U
#define	R_INTR_ENABLE	0x34
#define	R_INTR_SIGNAL	0x38
#define	R_CAPS		0x40
#define	 CAPS_BASE(c)	((c) >> 8 & 0x3f)	/* MHz; 0: unknown */
#define	 CAPS_SDMA	(1U << 22)

#define	SDMA_LINE	0x80000U	/* bytes; [SDHC] 2.2.2 */
#define	SDMA_MAX	0xffffffffU	/* 2.2.1: 32 bits */
#define	NSEGS		(DMAPAGES_MAX + 2)

/* [SD] 4.7.4: commands, with the form of their responses. */
#define	GO_IDLE		CMD_INDEX(0)
#define	ALL_SEND_CID	(CMD_INDEX(2) | CMD_136 | CMD_CRC)
#define	SEND_RCA	(CMD_INDEX(3) | CMD_48 | CMD_CHECKED)
#define	SELECT_CARD	(CMD_INDEX(7) | CMD_48_BUSY | CMD_CHECKED)
#define	SEND_IF_COND	(CMD_INDEX(8) | CMD_48 | CMD_CHECKED)
#define	SEND_CSD	(CMD_INDEX(9) | CMD_136 | CMD_CRC)
#define	SET_BLOCKLEN	(CMD_INDEX(16) | CMD_48 | CMD_CHECKED)
#define	READ_ONE	(CMD_INDEX(17) | CMD_48 | CMD_CHECKED | CMD_DATA)
#define	READ_MANY	(CMD_INDEX(18) | CMD_48 | CMD_CHECKED | CMD_DATA)
#define	WRITE_ONE	(CMD_INDEX(24) | CMD_48 | CMD_CHECKED | CMD_DATA)
#define	WRITE_MANY	(CMD_INDEX(25) | CMD_48 | CMD_CHECKED | CMD_DATA)
#define	SEND_OP_COND	(CMD_INDEX(41) | CMD_48)	/* ACMD */
#define	APP_CMD		(CMD_INDEX(55) | CMD_48 | CMD_CHECKED)
#define	COMMAND(c)	((c) >> 24 & 0x3f)

#define	IF_COND		0x1aaU		/* 4.3.13: 2.7-3.6 V, any pattern */
#define	OCR_3V3		0x00300000U	/* 5.1: 3.2-3.4 V */
#define	OCR_CCS		0x40000000U	/* high capacity */
#define	OCR_READY	0x80000000U

/* [SD] 4.10.1: what the response to a transfer must not say, in form R1. */
#define	STATUS_RANGE	0x80000000U
#define	STATUS_ERRORS	(STATUS_RANGE | 0x64380000U)

#define	SHIFT		9		/* blocks of 512 bytes */
#define	CARD_MHZ	25U		/* [SD] 6.6.6: default speed, at most */
#define	DIV_MAX		0x80U		/* 2.2.14: powers of two up to that */

/* Limits of waiting, in ms. */
#define	WAIT_RESET	100
#define	WAIT_COMMAND	1000
#define	WAIT_READY	1000		/* [SD] 4.2.3 */
#define	WAIT_DATA	5000

static struct pci_func func;
static volatile uint8_t *regs;
static bus_dma_tag_t sdhci_tag;
static struct disk disk;
static uint32_t rca;			/* the card's address, << 16 */
static bool by_block;			/* not by byte */
static bool ready;
static uint64_t moved;			/* bytes, in this job */
static struct device_figures figures = {
	.df_name = SD_NAME,
	.df_max = SDMA_MAX,
	.df_align = 1 << SHIFT,
	.df_boundary = SDMA_LINE,
	.df_contig = 5 * VM_PAGE_SIZE,	/* disk.c, to read what was written */
};

static int
wait_reg(unsigned reg, uint32_t mask, uint32_t value, unsigned ms)
{
	uint64_t end = nanotime() + (uint64_t)ms * 1000000;

	while ((mmio_read32(regs, reg) & mask) != value) {
		if (nanotime() > end)
			return (ETIMEDOUT);
		delay(10);
	}
	return (0);
}

/*
 * reset: the controller stops whatever it does, and forgets its settings.  One
 * that does not may not be master of the bus any more.
 */
static int
reset(void)
{
	int error;

	mmio_write32(regs, R_CLOCK, CLOCK_RESET);
	error = wait_reg(R_CLOCK, CLOCK_RESET, 0, WAIT_RESET);
	if (error != 0)
		pci_disable(&func, PCI_COMMAND_MASTER);
	return (error);
}

/*
 * wait_intr: for one of these, or an error.
 */
static int
wait_intr(uint32_t want, unsigned ms)
{
	uint64_t end = nanotime() + (uint64_t)ms * 1000000;
	uint32_t intr;

	while (((intr = mmio_read32(regs, R_INTR)) &
	    (want | INTR_ERRORS)) == 0) {
		if (nanotime() > end)
			return (ETIMEDOUT);
		delay(10);
	}
	if ((intr & INTR_ERRORS) != 0)
		return (EIO);
	mmio_write32(regs, R_INTR, want);
	return (0);
}

static int
failed(uint32_t cmd, uint32_t arg, int error)
{

	printf(SD_NAME ": command %u, argument 0x%x: %s (status %08x, %08x, "
	    "responses %08x, %08x)\n", COMMAND(cmd), arg, errno_name(error),
	    mmio_read32(regs, R_INTR), mmio_read32(regs, R_PRESENT),
	    mmio_read32(regs, R_RESPONSE(0)), mmio_read32(regs, R_RESPONSE(3)));
	return (error);
}

/*
 * command: give a command and wait for its response; says nothing.
 */
static int
command(uint32_t cmd, uint32_t arg)
{
	const uint32_t busy = PRESENT_CMD | PRESENT_DAT;
	int error;

	if ((error = wait_reg(R_PRESENT, busy, 0, WAIT_COMMAND)) != 0)
		return (error);
	mmio_write32(regs, R_INTR, ~0U);
	mmio_write32(regs, R_ARGUMENT, arg);
	mmio_write32(regs, R_COMMAND, cmd);
	return (wait_intr(INTR_COMMAND, WAIT_COMMAND));
}

/*
 * must: the same, and a failure is told.
 */
static int
must(uint32_t cmd, uint32_t arg)
{
	int error;

	if ((error = command(cmd, arg)) != 0)
		return (failed(cmd, arg, error));
	return (0);
}

/*
 * carry_out: a transfer, the registers of which are set.  The stop at the end
 * of more than one block has a response, too ([SDHC] 2.2.6); that the next
 * block would lie behind the last one is no error of reading ([SD] 4.3.3).
 */
static int
carry_out(uint32_t cmd, uint32_t arg)
{
	uint32_t errors = STATUS_ERRORS;
	int error;

	if ((error = command(cmd, arg)) != 0)
		return (error);
	if ((mmio_read32(regs, R_RESPONSE(0)) & errors) != 0)
		return (EIO);
	if ((error = wait_intr(INTR_TRANSFER, WAIT_DATA)) != 0)
		return (error);
	if ((cmd & MODE_READ) != 0)
		errors &= ~STATUS_RANGE;
	return ((cmd & MODE_CMD12) != 0 &&
	    (mmio_read32(regs, R_RESPONSE(3)) & errors) != 0 ? EIO : 0);
}

/*
 * move: a segment, which is whole blocks.
 */
static int
move(const bus_dma_segment_t *seg, uint64_t block, bool write)
{
	uint32_t n = (uint32_t)(seg->ds_len >> SHIFT), cmd, mode;
	uint32_t arg = (uint32_t)(by_block ? block : block << SHIFT);
	int error;

	if (n > 1) {
		cmd = write ? WRITE_MANY : READ_MANY;
		mode = MODE_MULTI | MODE_COUNT | MODE_CMD12;
	} else {
		cmd = write ? WRITE_ONE : READ_ONE;
		mode = 0;
	}
	mode |= MODE_DMA | (write ? 0 : MODE_READ);
	mmio_write32(regs, R_SYSADDR, (uint32_t)seg->ds_addr);
	mmio_write32(regs, R_BLOCK, 1U << SHIFT | BLOCK_512K | n << 16);
	if ((error = carry_out(cmd | mode, arg)) != 0) {
		(void)failed(cmd, arg, error);
		(void)reset();
		ready = false;
		return (error);
	}
	moved += seg->ds_len;
	return (0);
}

static int
transfer(void *arg, bus_dmamap_t map, uint64_t block, unsigned nblocks,
    bool write)
{
	const bus_dma_segment_t *seg;
	int error, i;

	(void)arg;
	(void)nblocks;
	for (i = 0; i < map->dm_nsegs; i++) {
		seg = &map->dm_segs[i];
		if (seg->ds_len % (1U << SHIFT) != 0) {
			printf(SD_NAME ": segment of %ju bytes is not whole "
			    "blocks\n", (uintmax_t)seg->ds_len);
			return (EINVAL);
		}
		if ((error = move(seg, block, write)) != 0)
			return (error);
		block += seg->ds_len >> SHIFT;
	}
	return (0);
}

/*
 * The card.
 */

static int
set_clock(unsigned div)
{
	const uint32_t v = CLOCK_DIV(div) | CLOCK_TIMEOUT | CLOCK_ENABLE;

	mmio_write32(regs, R_CLOCK, v);
	if (wait_reg(R_CLOCK, CLOCK_STABLE, CLOCK_STABLE, WAIT_RESET) != 0) {
		printf(SD_NAME ": clock does not get stable (%08x)\n",
		    mmio_read32(regs, R_CLOCK));
		return (ETIMEDOUT);
	}
	mmio_write32(regs, R_CLOCK, v | CLOCK_CARD);
	return (0);
}

/*
 * power_up: [SDHC] 3.2, 3.3: clock and power; the slowest clock that there is
 * is the largest divisor's, and slow enough.
 */
static int
power_up(void)
{
	int error;

	if ((error = reset()) != 0) {
		printf(SD_NAME ": does not come out of reset (%08x)\n",
		    mmio_read32(regs, R_CLOCK));
		return (error);
	}
	pci_enable(&func, PCI_COMMAND_MASTER);
	mmio_write32(regs, R_INTR_ENABLE, ~0U);
	mmio_write32(regs, R_INTR_SIGNAL, 0);
	mmio_write32(regs, R_HOST, HOST_3V3);
	if ((error = set_clock(DIV_MAX)) == 0)
		delay(1000);		/* [SD] 6.4: 74 clocks, 1 ms */
	return (error);
}

/*
 * negotiate: [SD] 4.2.3: until the card has powered up.
 */
static int
negotiate(uint32_t capacity)
{
	uint64_t end = nanotime() + (uint64_t)WAIT_READY * 1000000;
	const uint32_t arg = OCR_3V3 | capacity;
	uint32_t ocr;
	int error;

	do {
		if ((error = must(APP_CMD, 0)) != 0 ||
		    (error = must(SEND_OP_COND, arg)) != 0)
			return (error);
		ocr = mmio_read32(regs, R_RESPONSE(0));
		if ((ocr & OCR_READY) != 0) {
			by_block = (ocr & OCR_CCS) != 0;
			return (0);
		}
		delay(1000);
	} while (nanotime() < end);
	return (failed(SEND_OP_COND, arg, ETIMEDOUT));
}

/*
 * ask_version: a card before version 2 does not answer, and has no high
 * capacity; the controller must forget the command then ([SDHC] 3.10.1).
 * => what to offer such a card.
 */
static int
ask_version(uint32_t *offer)
{

	*offer = 0;
	if (command(SEND_IF_COND, IF_COND) == 0) {
		if ((mmio_read32(regs, R_RESPONSE(0)) & 0xfff) == IF_COND)
			*offer = OCR_CCS;
		return (0);
	}
	mmio_write32(regs, R_CLOCK, mmio_read32(regs, R_CLOCK) |
	    CLOCK_RESET_CMD);
	return (wait_reg(R_CLOCK, CLOCK_RESET_CMD, 0, WAIT_RESET));
}

/*
 * divisor: the smallest that makes the clock slow enough.
 */
static unsigned
divisor(unsigned mhz)
{
	unsigned n = 1;

	if (mhz == 0)
		return (DIV_MAX);
	while (n < DIV_MAX && mhz > CARD_MHZ * 2 * n)
		n *= 2;
	return (n);
}

/*
 * csd: bits [bit, bit + n) of the card's data: of the response, the lowest 8
 * are left out ([SDHC] 2.2.6).
 */
static uint32_t
csd(unsigned bit, unsigned n)
{
	unsigned i;
	uint32_t v = 0;

	for (i = n; i-- > 0;)
		v = v << 1 | (mmio_read32(regs,
		    R_RESPONSE((bit + i - 8) / 32)) >> (bit + i - 8) % 32 & 1);
	return (v);
}

/*
 * capacity: [SD] 5.3.2, 5.3.3, in blocks.  => 0: not known.
 */
static uint64_t
capacity(void)
{
	unsigned shift;

	switch (csd(126, 2)) {
	case 0:
		shift = csd(47, 3) + 2 + csd(80, 4);
		return (shift < SHIFT ? 0 :
		    (uint64_t)(csd(62, 12) + 1) << (shift - SHIFT));
	case 1:
		return ((uint64_t)(csd(48, 22) + 1) << 10);
	default:
		return (0);
	}
}

static int
identify(void)
{
	uint32_t offer;
	int error;

	if ((error = must(GO_IDLE, 0)) != 0)
		return (error);
	if ((error = ask_version(&offer)) != 0)
		return (failed(SEND_IF_COND, IF_COND, error));
	if ((error = negotiate(offer)) != 0 ||
	    (error = must(ALL_SEND_CID, 0)) != 0 ||
	    (error = must(SEND_RCA, 0)) != 0)
		return (error);
	rca = mmio_read32(regs, R_RESPONSE(0)) & 0xffff0000U;
	if ((error = must(SEND_CSD, rca)) != 0)
		return (error);
	disk.dk_blocks = capacity();
	if ((error = must(SELECT_CARD, rca)) != 0 ||
	    (error = must(SET_BLOCKLEN, 1U << SHIFT)) != 0)
		return (error);
	if (disk.dk_blocks == 0 ||
	    (!by_block && disk.dk_blocks > (uint64_t)1 << (32 - SHIFT))) {
		printf(SD_NAME ": the card's capacity is not known, or out of "
		    "reach (%ju blocks)\n", (uintmax_t)disk.dk_blocks);
		return (EOPNOTSUPP);
	}
	return (set_clock(divisor(CAPS_BASE(mmio_read32(regs, R_CAPS)))));
}

static void
set_disk(void)
{

	disk.dk_name = SD_NAME;
	disk.dk_tag = sdhci_tag;
	disk.dk_shift = SHIFT;
	disk.dk_nsegs = NSEGS;
	disk.dk_maxsegsz = SDMA_LINE;
	disk.dk_boundary = SDMA_LINE;
	disk.dk_align = 1 << SHIFT;
	disk.dk_readonly = (mmio_read32(regs, R_PRESENT) & PRESENT_WRITE) == 0;
	disk.dk_transfer = transfer;
}

/*
 * forget: the card, with the memory that was for it; the next one may be
 * another.
 */
static void
forget(void)
{

	(void)reset();
	ready = false;
	disk_release(&disk);
}

static int
sdhci_job(void)
{
	int error;

	if ((mmio_read32(regs, R_PRESENT) & PRESENT_CARD) == 0) {
		printf(SD_NAME ": no card\n");
		forget();
		return (ENODEV);
	}
	moved = 0;
	if (!ready) {
		if ((error = power_up()) != 0 || (error = identify()) != 0) {
			forget();
			return (error);
		}
		set_disk();
		ready = true;
	}
	if ((error = disk_job(&disk)) != 0) {
		forget();
		return (error);
	}
	figures.df_tag = sdhci_tag;
	device_report(&figures, moved);
	return (0);
}

static int
sdhci_attach(void)
{
	uint32_t caps;
	int error;

	if (!pci_find_class(CLASS_SDHCI, &func))
		return (ENXIO);
	if ((error = pci_map_bar(&func, 0, REGS_SIZE, REGS_SIZE, SD_NAME,
	    &regs)) != 0)
		return (error);
	caps = mmio_read32(regs, R_CAPS);
	if ((caps & CAPS_SDMA) == 0) {
		printf(SD_NAME ": controller has no DMA (capabilities %08x)\n",
		    caps);
		return (EOPNOTSUPP);
	}
	if ((error = device_tag(pci_dma_tag(&func), SD_NAME, SDMA_MAX,
	    1 << SHIFT, &sdhci_tag)) != 0)
		return (error);
	printf(SD_NAME " at pci %u:%u.%u: SD host controller, capabilities "
	    "%08x, base clock %u MHz\n", func.pf_bus, func.pf_dev,
	    func.pf_func, caps, CAPS_BASE(caps));
	return (0);
}

const struct device_driver sdhci_driver = {
	.dd_name = "sdhci",
	.dd_attach = sdhci_attach,
	.dd_job = sdhci_job,
};
