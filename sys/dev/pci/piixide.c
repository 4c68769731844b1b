/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Driver of the IDE interface of Intel's PIIX3 and PIIX4: piixide(4).  It does
 * with the first disk what disk_job() does.
 *
 * Sources: [PIIX] Intel 82371FB (PIIX) and 82371SB (PIIX3) PCI ISA IDE
 * Xcelerator, data sheet, order number 290550; [BM] Programming Interface for
 * Bus Master IDE Controller, revision 1.0; [ACS], see ata.h.
 *
 * A transfer goes through a table of physical regions (PRD).  [BM] 1.2: the
 * table is aligned to 4 bytes and does not cross a line of 64 KiB; 1.1: nor
 * does a region, which begins at an even address and has an even number of
 * bytes, at most 64 KiB.  All addresses have 32 bits.
 *
 * The channels are polled, one command at a time.  Every wait has an end.
 * After an error the bus master is stopped and the channel reset before
 * memory is used otherwise, and the command tried once more; after the second
 * the interface is kept off memory.
 */

#include <sys/bus_dma.h>
#include <sys/device.h>
#include <sys/systm.h>

#include <machine/cpufunc.h>

#include <dev/ata.h>
#include <dev/bus.h>
#include <dev/device_report.h>
#include <dev/device_tag.h>
#include <dev/disk.h>
#include <dev/pci/pci.h>

#define	PIIX_NAME	"piixide0"

/* [PIIX] "PCI configuration registers, function 1". */
#define	PIIX_VENDOR	0x8086
#define	PIIX3_DEVICE	0x7010
#define	PIIX4_DEVICE	0x7111
#define	PIIX_BAR	4		/* bus master registers */
#define	PIIX_IDETIM	0x40		/* primary, secondary << 16 */
#define	 IDETIM_IDE	0x8000		/* decode the channel's ports */

/* [PIIX] "IDE legacy I/O ports". */
#define	NCHANNEL	2
#define	NDRIVE		2		/* of a channel */
#define	CMD_NPORT	8

/* [ACS]: command block, from its first port on; the control block's port. */
#define	REG_DATA	0
#define	REG_ERROR	1
#define	REG_COUNT	2
#define	REG_LOW		3
#define	REG_MID		4
#define	REG_HIGH	5
#define	REG_DEVICE	6
#define	 DEVICE_OBSOLETE 0xa0		/* bits that are always set */
#define	 DEVICE_1	0x10
#define	REG_STATUS	7		/* read; write: command */
#define	CTL_SRST	0x04		/* resets both drives */

/* [BM] 2: bus master registers, from the channel's first port on. */
#define	BM_NPORT	8
#define	BM_COMMAND	0
#define	 BM_START	0x01
#define	 BM_TO_MEMORY	0x08
#define	BM_STATUS	2
#define	 BM_ACTIVE	0x01
#define	 BM_ERROR	0x02		/* one written clears */
#define	 BM_INTR	0x04		/* likewise */
#define	 BM_KEEP	0x60		/* drives that were set up for DMA */
#define	BM_TABLE	4

/* [BM] 1.1, 1.2. */
#define	PRD_SIZE	8U
#define	PRD_LAST	0x80000000U
#define	PRD_LINE	0x10000U	/* 64 KiB */
#define	PRD_ALIGN	2U
#define	TABLE_ALIGN	4U

#define	NSEGS		(DMAPAGES_MAX + 2)
#define	TABLE_SIZE	(NSEGS * PRD_SIZE)
#define	ATTEMPTS	2

#define	NO_DRIVE	0xff		/* an open bus */

/* ms.  [ACS] "Software reset": a drive has 31 seconds. */
#define	WAIT_RESET	31000
#define	WAIT_COMMAND	10000

static const uint16_t cmd_ports[NCHANNEL] = { 0x1f0, 0x170 };
static const uint16_t ctl_ports[NCHANNEL] = { 0x3f6, 0x376 };

static struct piixide {
	struct pci_func	p_func;
	uint16_t	p_bm;		/* ports: of the first channel */
	uint16_t	p_cmd, p_ctl, p_bmchan;	/* of the disk's channel */
	uint8_t		p_device;	/* 0 or DEVICE_1 */
	bus_dma_tag_t	p_tag;
	struct dmabuf	p_table;
	struct ata_disk	p_ata;
	struct disk	p_disk;
	struct device_figures p_figures;
	bool		p_found;
	bool		p_works;
} piixide;

/*
 * Channels and drives.
 */

/*
 * wait_ready: until the selected drive is not busy, and has these bits.
 * => 0; ETIMEDOUT; EIO: it has an error instead.
 */
static int
wait_ready(const struct piixide *p, uint8_t bits, unsigned ms)
{
	uint64_t end = nanotime() + (uint64_t)ms * 1000000;
	uint8_t s;

	for (;;) {
		s = inb(p->p_ctl);	/* does not clear the interrupt */
		if ((s & (ATA_S_BSY | bits)) == bits)
			return (0);
		if ((s & ATA_S_BSY) == 0 && bits != 0 &&
		    (s & (ATA_S_ERR | ATA_S_DF)) != 0)
			return (EIO);
		if (nanotime() > end)
			return (ETIMEDOUT);
		delay(10);
	}
}

static void
select_drive(const struct piixide *p, uint8_t device)
{

	outb(p->p_cmd + REG_DEVICE,
	    (uint8_t)(DEVICE_OBSOLETE | p->p_device | device));
	delay(1);		/* [ACS]: 400 ns until status is valid */
}

/*
 * reset: stop the bus master, reset both drives of the channel.
 * => 0, or ETIMEDOUT: the drive does not come back.
 */
static int
reset(const struct piixide *p)
{

	outb(p->p_bmchan + BM_COMMAND, 0);
	select_drive(p, 0);
	outb(p->p_ctl, CTL_SRST);
	delay(5);
	outb(p->p_ctl, 0);
	delay(2000);
	select_drive(p, 0);
	if (inb(p->p_ctl) == NO_DRIVE)
		return (0);
	return (wait_ready(p, 0, WAIT_RESET));
}

/*
 * quiesce: the interface touches no memory from here on.
 */
static void
quiesce(struct piixide *p)
{

	p->p_works = false;
	outb(p->p_bmchan + BM_COMMAND, 0);
	pci_disable(&p->p_func, PCI_COMMAND_MASTER);
}

/*
 * write_command: the drive begins with it.  Of 48-bit commands the upper
 * bytes go first, to the same ports.
 */
static void
write_command(const struct piixide *p, const struct ata_command *c)
{
	int i;

	for (i = c->ac_48 ? 1 : 0; i >= 0; i--) {
		outb(p->p_cmd + REG_COUNT, (uint8_t)(c->ac_count >> 8 * i));
		outb(p->p_cmd + REG_LOW, (uint8_t)(c->ac_lba >> 24 * i));
		outb(p->p_cmd + REG_MID, (uint8_t)(c->ac_lba >> (24 * i + 8)));
		outb(p->p_cmd + REG_HIGH,
		    (uint8_t)(c->ac_lba >> (24 * i + 16)));
	}
	outb(p->p_cmd + REG_STATUS, c->ac_command);
	delay(1);
}

/*
 * Transfers.
 */

/*
 * put_table: [BM] 1.1.  => 0; EINVAL: such a segment cannot be said.
 */
static int
put_table(struct piixide *p, const struct bus_dmamap *map)
{
	const bus_dma_segment_t *s;
	uint32_t prd[2];
	int i;

	for (i = 0; i < map->dm_nsegs; i++) {
		s = &map->dm_segs[i];
		if (s->ds_len == 0 ||
		    (s->ds_addr | s->ds_len) % PRD_ALIGN != 0 ||
		    s->ds_addr % PRD_LINE + s->ds_len > PRD_LINE) {
			printf(PIIX_NAME ": segment of 0x%jx bytes at 0x%jx\n",
			    (uintmax_t)s->ds_len, (uintmax_t)s->ds_addr);
			return (EINVAL);
		}
		prd[0] = (uint32_t)s->ds_addr;
		prd[1] = (uint32_t)s->ds_len % PRD_LINE;	/* 0: 64 KiB */
		if (i == map->dm_nsegs - 1)
			prd[1] |= PRD_LAST;
		memcpy(p->p_table.d_kva + (unsigned)i * PRD_SIZE, prd,
		    PRD_SIZE);
	}
	return (0);
}

/*
 * dma_wait: until the drive has interrupted.  => 0 or ETIMEDOUT.
 */
static int
dma_wait(const struct piixide *p)
{
	uint64_t end = nanotime() + (uint64_t)WAIT_COMMAND * 1000000;

	while ((inb(p->p_bmchan + BM_STATUS) & BM_INTR) == 0) {
		if (nanotime() > end)
			return (ETIMEDOUT);
		delay(10);
	}
	return (0);
}

/*
 * dma: have a command done that moves what the table says: [BM] 3.1.
 * => the bus master is stopped.  *bm: its status at the end.
 */
static int
dma(const struct piixide *p, const struct ata_command *c, bool write,
    uint8_t *bm)
{
	uint8_t direction = write ? 0 : BM_TO_MEMORY;
	int error;

	outl(p->p_bmchan + BM_TABLE, (uint32_t)dmabuf_addr(&p->p_table));
	outb(p->p_bmchan + BM_COMMAND, direction);
	*bm = inb(p->p_bmchan + BM_STATUS);
	outb(p->p_bmchan + BM_STATUS,
	    (uint8_t)((*bm & BM_KEEP) | BM_ERROR | BM_INTR));
	write_command(p, c);
	outb(p->p_bmchan + BM_COMMAND, direction | BM_START);
	error = dma_wait(p);
	*bm = inb(p->p_bmchan + BM_STATUS);
	outb(p->p_bmchan + BM_COMMAND, 0);
	/* [BM] 3.2: with the interrupt it is idle, unless data is missing. */
	if (error == 0 && (*bm & (BM_ACTIVE | BM_ERROR)) != 0)
		error = EIO;
	return (error);
}

/*
 * nodata: have a command done that moves none.
 */
static int
nodata(const struct piixide *p, const struct ata_command *c)
{

	write_command(p, c);
	return (wait_ready(p, 0, WAIT_COMMAND));
}

/*
 * attempt: a command, once; map is NULL if it moves no data.
 * => 0, or an error number after one line; then it is to be reset.
 */
static int
attempt(struct piixide *p, const struct ata_command *c, bus_dmamap_t map,
    bool write)
{
	uint8_t bm = 0, status;
	int error;

	if (map != NULL && (error = put_table(p, map)) != 0)
		return (error);
	dmabuf_sync(&p->p_table, 0, TABLE_SIZE, BUS_DMASYNC_PREWRITE);
	select_drive(p, c->ac_device);
	error = wait_ready(p, 0, WAIT_COMMAND);
	if (error == 0)
		error = map != NULL ? dma(p, c, write, &bm) : nodata(p, c);
	dmabuf_sync(&p->p_table, 0, TABLE_SIZE, BUS_DMASYNC_POSTWRITE);
	status = inb(p->p_cmd + REG_STATUS);
	if (error == 0 && (status &
	    (ATA_S_BSY | ATA_S_DF | ATA_S_DRQ | ATA_S_ERR)) == 0)
		return (0);
	if (error == 0)
		error = EIO;
	printf(PIIX_NAME ": command 0x%02x at block %ju: %s (bus master 0x%02x,"
	    " status 0x%02x, error 0x%02x)\n", c->ac_command,
	    (uintmax_t)c->ac_lba, errno_name(error), bm, status,
	    inb(p->p_cmd + REG_ERROR));
	return (error);
}

/*
 * command: the same, and what can be done about errors.
 */
static int
command(struct piixide *p, const struct ata_command *c, bus_dmamap_t map,
    bool write)
{
	int error = EIO;
	unsigned i;

	for (i = 0; i < ATTEMPTS && p->p_works; i++) {
		error = attempt(p, c, map, write);
		if (error == 0 || error == EINVAL)
			return (error);
		if (reset(p) != 0) {
			printf(PIIX_NAME ": cannot be reset: status 0x%02x\n",
			    inb(p->p_ctl));
			break;
		}
	}
	quiesce(p);
	return (error);
}

static int
transfer(void *arg, bus_dmamap_t map, uint64_t block, unsigned nblocks,
    bool write)
{
	struct piixide *p = arg;
	struct ata_command c = ata_transfer(&p->p_ata, block, nblocks, write);

	return (command(p, &c, map, write));
}

static int
flush(void *arg)
{
	struct piixide *p = arg;
	struct ata_command c = ata_flush(&p->p_ata);

	return (command(p, &c, NULL, false));
}

/*
 * Attaching.
 */

/*
 * is_disk: [ACS] "Device signature", after a reset.
 */
static bool
is_disk(const struct piixide *p)
{
	uint8_t status;

	select_drive(p, 0);
	status = inb(p->p_ctl);
	if (status == 0 || status == NO_DRIVE ||
	    wait_ready(p, 0, WAIT_RESET) != 0)
		return (false);
	return (inb(p->p_cmd + REG_COUNT) == 1 &&
	    inb(p->p_cmd + REG_LOW) == 1 && inb(p->p_cmd + REG_MID) == 0 &&
	    inb(p->p_cmd + REG_HIGH) == 0);
}

/*
 * identify: what the disk says of itself, word by word.
 * => 0, or an error number after one line.
 */
static int
identify(struct piixide *p)
{
	struct ata_command c = ata_simple(ATA_IDENTIFY);
	uint16_t words[ATA_IDENTIFY_WORDS];
	const char *why;
	unsigned i;
	int error;

	select_drive(p, c.ac_device);
	write_command(p, &c);
	error = wait_ready(p, ATA_S_DRQ, WAIT_COMMAND);
	if (error != 0) {
		printf(PIIX_NAME ": the disk does not identify itself: %s "
		    "(status 0x%02x)\n", errno_name(error), inb(p->p_ctl));
		return (error);
	}
	for (i = 0; i < ATA_IDENTIFY_WORDS; i++)
		words[i] = inw(p->p_cmd + REG_DATA);
	(void)inb(p->p_cmd + REG_STATUS);
	if ((why = ata_identify(words, &p->p_ata)) == NULL)
		return (0);
	printf(PIIX_NAME ": the disk is not used: %s\n", why);
	return (EOPNOTSUPP);
}

/*
 * find_disk: the first of the four drives that is one.
 */
static bool
find_disk(struct piixide *p)
{
	unsigned i, drive;

	for (i = 0; i < NCHANNEL; i++) {
		p->p_cmd = cmd_ports[i];
		p->p_ctl = ctl_ports[i];
		p->p_bmchan = (uint16_t)(p->p_bm + i * BM_NPORT);
		p->p_device = 0;
		if (reset(p) != 0)
			continue;
		for (drive = 0; drive < NDRIVE; drive++) {
			p->p_device = drive == 0 ? 0 : DEVICE_1;
			if (is_disk(p))
				return (true);
		}
	}
	return (false);
}

/*
 * claim_ports: of both channels, all or none.  => 0, or an error number after
 * one line.
 * release_ports: the first n of these claims.
 */
static void
release_ports(unsigned n)
{
	struct claims *ports = &bus_get()->b_ports;

	while (n-- > 0)
		(void)claim_release(ports, n % 2 == 0 ? cmd_ports[n / 2] :
		    ctl_ports[n / 2]);
}

static int
claim_ports(void)
{
	struct claims *ports = &bus_get()->b_ports;
	int error = 0;
	unsigned i;

	for (i = 0; i < 2 * NCHANNEL && error == 0; i++)
		error = i % 2 == 0 ?
		    claim_region(ports, cmd_ports[i / 2], CMD_NPORT,
		    PIIX_NAME) :
		    claim_region(ports, ctl_ports[i / 2], 1, PIIX_NAME);
	if (error == 0)
		return (0);
	release_ports(i - 1);
	return (error);
}

/*
 * map_registers: => 0, or an error number after one line.
 */
static int
map_registers(struct piixide *p)
{
	struct pci_bar bar;

	if (pci_bar_read(&p->p_func, PIIX_BAR, &bar) != 0 || !bar.pb_io ||
	    bar.pb_size < NCHANNEL * BM_NPORT ||
	    bar.pb_base + bar.pb_size > UINT16_MAX + 1) {
		printf(PIIX_NAME ": base address register %u is of no use\n",
		    PIIX_BAR);
		return (ENODEV);
	}
	p->p_bm = (uint16_t)bar.pb_base;
	pci_write(&p->p_func, PIIX_IDETIM, pci_read(&p->p_func, PIIX_IDETIM) |
	    IDETIM_IDE | (uint32_t)IDETIM_IDE << 16);
	pci_enable(&p->p_func, PCI_COMMAND_IO);
	return (0);
}

/*
 * get_memory: the tag and the table.  => 0, or an error number after one line
 * (two, if there is none).
 */
static int
get_memory(struct piixide *p)
{
	int error;

	if ((error = device_tag(pci_dma_tag(&p->p_func), PIIX_NAME, UINT32_MAX,
	    PRD_ALIGN, &p->p_tag)) != 0)
		return (error);
	error = dmabuf_get(&p->p_table, p->p_tag, PIIX_NAME, TABLE_SIZE,
	    TABLE_ALIGN, PRD_LINE);
	if (error != 0)
		bus_dmatag_destroy(p->p_tag);
	return (error);
}

static void
set_disk(struct piixide *p)
{

	p->p_disk = (struct disk){
		.dk_name = PIIX_NAME,
		.dk_tag = p->p_tag,
		.dk_blocks = p->p_ata.ad_blocks,
		.dk_shift = p->p_ata.ad_shift,
		.dk_nsegs = NSEGS,
		.dk_maxsegsz = PRD_LINE,
		.dk_boundary = PRD_LINE,
		.dk_align = PRD_ALIGN,
		.dk_max = (bus_size_t)p->p_ata.ad_max << p->p_ata.ad_shift,
		.dk_transfer = transfer,
		.dk_flush = flush,
		.dk_arg = p,
	};
	p->p_figures = (struct device_figures){
		.df_name = PIIX_NAME,
		.df_tag = p->p_tag,
		.df_max = UINT32_MAX,
		.df_align = TABLE_ALIGN,
		.df_boundary = PRD_LINE,
		.df_contig = TABLE_SIZE,
	};
}

/*
 * examine: the first disk, and the line that describes it.
 * => 0, also if there is none.
 */
static int
examine(struct piixide *p)
{
	const struct pci_func *f = &p->p_func;
	bool found = find_disk(p);
	int error;

	if (found &&
	    ((error = identify(p)) != 0 || (error = get_memory(p)) != 0))
		return (error);
	printf(PIIX_NAME " at pci %u:%u.%u: bus master at port 0x%x, ",
	    f->pf_bus, f->pf_dev, f->pf_func, p->p_bm);
	if (!found) {
		printf("no disk\n");
		return (0);
	}
	printf("port 0x%x drive %u: %s, %ju blocks of %u, %u bits of address\n",
	    p->p_cmd, p->p_device == 0 ? 0 : 1, p->p_ata.ad_model,
	    (uintmax_t)p->p_ata.ad_blocks, 1U << p->p_ata.ad_shift,
	    p->p_ata.ad_lba48 ? 48 : 28);
	set_disk(p);
	pci_enable(&p->p_func, PCI_COMMAND_MASTER);
	p->p_found = p->p_works = true;
	return (0);
}

/*
 * release: all that the driver has, for good.
 */
static void
release(struct piixide *p)
{

	quiesce(p);
	disk_release(&p->p_disk);
	dmabuf_put(&p->p_table);
	bus_dmatag_destroy(p->p_tag);
	release_ports(2 * NCHANNEL);
}

static int
piixide_attach(void)
{
	struct piixide *p = &piixide;
	int error;

	memset(p, 0, sizeof(*p));
	if (!pci_find(PIIX_VENDOR, PIIX3_DEVICE, &p->p_func) &&
	    !pci_find(PIIX_VENDOR, PIIX4_DEVICE, &p->p_func))
		return (ENXIO);
	if ((error = map_registers(p)) != 0 || (error = claim_ports()) != 0)
		return (error);
	if ((error = examine(p)) != 0)
		release_ports(2 * NCHANNEL);
	return (error);
}

static int
piixide_job(void)
{
	struct piixide *p = &piixide;
	int error;

	if (!p->p_found) {
		printf(PIIX_NAME ": no disk\n");
		return (ENODEV);
	}
	if (!p->p_works)
		return (EIO);		/* it failed before */
	if ((error = disk_job(&p->p_disk)) != 0) {
		release(p);
		return (error);
	}
	device_report(&p->p_figures, p->p_disk.dk_moved);
	return (0);
}

const struct device_driver piixide_driver = {
	.dd_name = "piixide",
	.dd_attach = piixide_attach,
	.dd_job = piixide_job,
};
