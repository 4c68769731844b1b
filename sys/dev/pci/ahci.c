/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Driver of AHCI host bus adapters: ahci(4).  It does with the first disk what
 * disk_job() does.
 *
 * Source: [AHCI], see ahcireg.h.
 *
 * What the adapter shares with the driver fits into one page: the command
 * list, received FISes, a command table, and what the disk says of itself.
 *
 *	0x000	command list, of which the first header is used
 *	0x400	received FISes
 *	0x500	command table, with an entry for each segment of a transfer
 *	0xe00	identification
 *
 * The adapter is polled, one command at a time.  Every wait has an end.  After
 * an error the adapter is reset before memory is used otherwise, and the
 * command tried once more; after the second it is kept off memory.
 */

#include <sys/bus_dma.h>
#include <sys/device.h>
#include <sys/systm.h>

#include <dev/ata.h>
#include <dev/device_report.h>
#include <dev/device_tag.h>
#include <dev/disk.h>
#include <dev/mmio.h>
#include <dev/pci/ahcireg.h>
#include <dev/pci/pci.h>

#define	AHCI_NAME	"ahci0"

#define	NSEGS		(DMAPAGES_MAX + 2)	/* of a transfer */
#define	ATTEMPTS	2

/* Places in the shared page. */
#define	LIST_AT		0U
#define	FIS_AT		(LIST_AT + LIST_SIZE)
#define	TABLE_AT	(FIS_AT + FIS_SIZE)
#define	TABLE_SIZE	(TABLE_PRDT + NSEGS * PRD_SIZE)
#define	INFO_AT		0xe00U
#define	INFO_SIZE	((unsigned)sizeof(uint16_t) * ATA_IDENTIFY_WORDS)

_Static_assert(FIS_AT % FIS_ALIGN == 0 && TABLE_AT % TABLE_ALIGN == 0 &&
    TABLE_AT + TABLE_SIZE <= INFO_AT && INFO_AT + INFO_SIZE <= VM_PAGE_SIZE,
    "the shared page");

/* ms; [AHCI] 10.1.2, 10.4.3, 10.4.2 for the first three. */
#define	WAIT_STOP	500
#define	WAIT_RESET	1000
#define	WAIT_LINK	20
#define	WAIT_READY	10000		/* a disk may have to spin up */
#define	WAIT_COMMAND	10000

static struct ahci {
	struct pci_func	a_func;
	volatile uint8_t *a_regs;
	volatile uint8_t *a_port;	/* registers of the disk's */
	unsigned	a_nport;	/* for which there are registers */
	bus_dma_tag_t	a_tag;
	struct dmabuf	a_mem;		/* the shared page */
	struct ata_disk	a_ata;
	struct disk	a_disk;
	struct device_figures a_figures;
	bool		a_found;	/* a disk */
	bool		a_works;
} ahci;

static uint32_t
port_read(const struct ahci *a, unsigned reg)
{

	return (mmio_read32(a->a_port, reg));
}

static void
port_write(const struct ahci *a, unsigned reg, uint32_t v)
{

	mmio_write32(a->a_port, reg, v);
}

static void
port_write64(const struct ahci *a, unsigned reg, uint64_t v)
{

	port_write(a, reg, (uint32_t)v);
	port_write(a, reg + 4, (uint32_t)(v >> 32));
}

/*
 * wait_for: until these bits of a register have this value.
 * => 0 or ETIMEDOUT.
 */
static int
wait_for(volatile uint8_t *regs, unsigned reg, uint32_t bits, uint32_t value,
    unsigned ms)
{
	uint64_t end = nanotime() + (uint64_t)ms * 1000000;

	while ((mmio_read32(regs, reg) & bits) != value) {
		if (nanotime() > end)
			return (ETIMEDOUT);
		delay(10);
	}
	return (0);
}

/*
 * reset: [AHCI] 10.4.3.  => 0: the adapter touches no memory any more;
 * ETIMEDOUT: it may not be master of the bus from here on.
 */
static int
reset(struct ahci *a)
{
	int error;

	mmio_write32(a->a_regs, AHCI_GHC, GHC_AE);
	mmio_write32(a->a_regs, AHCI_GHC, GHC_AE | GHC_HR);
	error = wait_for(a->a_regs, AHCI_GHC, GHC_HR, 0, WAIT_RESET);
	if (error != 0) {
		pci_disable(&a->a_func, PCI_COMMAND_MASTER);
		printf(AHCI_NAME ": cannot be reset: control 0x%x\n",
		    mmio_read32(a->a_regs, AHCI_GHC));
		return (error);
	}
	mmio_write32(a->a_regs, AHCI_GHC, GHC_AE);
	return (0);
}

/*
 * port_idle: [AHCI] 10.1.2: before its addresses may change.
 */
static int
port_idle(struct ahci *a)
{
	uint32_t cmd = port_read(a, PORT_CMD) & ~CMD_ST;
	int error;

	port_write(a, PORT_CMD, cmd);
	error = wait_for(a->a_port, PORT_CMD, CMD_CR, 0, WAIT_STOP);
	if (error != 0)
		return (error);
	port_write(a, PORT_CMD, cmd & ~CMD_FRE);
	return (wait_for(a->a_port, PORT_CMD, CMD_FR, 0, WAIT_STOP));
}

/*
 * port_start: have the port of an adapter that was reset run commands.
 * => 0; ENXIO: there is no disk; another error number.
 */
static int
port_start(struct ahci *a)
{
	int error;

	if ((error = port_idle(a)) != 0)
		return (error);
	port_write64(a, PORT_CLB, dmabuf_addr(&a->a_mem) + LIST_AT);
	port_write64(a, PORT_FB, dmabuf_addr(&a->a_mem) + FIS_AT);
	port_write(a, PORT_IE, 0);
	port_write(a, PORT_CMD, CMD_FRE | CMD_SUD | CMD_POD);
	if (wait_for(a->a_port, PORT_SSTS, SSTS_DET, SSTS_DET_UP,
	    WAIT_LINK) != 0)
		return (ENXIO);
	port_write(a, PORT_SERR, UINT32_MAX);
	error = wait_for(a->a_port, PORT_TFD, ATA_S_BSY | ATA_S_DRQ, 0,
	    WAIT_READY);
	if (error != 0)
		return (error);
	if (port_read(a, PORT_SIG) != ATA_SIGNATURE)
		return (ENXIO);
	port_write(a, PORT_IS, UINT32_MAX);
	port_write(a, PORT_CMD, CMD_FRE | CMD_SUD | CMD_POD | CMD_ST);
	return (0);
}

/*
 * quiesce: the adapter touches no memory from here on.
 */
static void
quiesce(struct ahci *a)
{

	a->a_works = false;
	(void)reset(a);
	pci_disable(&a->a_func, PCI_COMMAND_MASTER);
}

/*
 * Commands.
 */

/*
 * put_fis: [SATA] "Register Host to Device FIS".
 */
static void
put_fis(uint8_t *fis, const struct ata_command *c)
{
	unsigned i;

	memset(fis, 0, FIS_H2D_SIZE);
	fis[0] = FIS_H2D;
	fis[1] = FIS_H2D_COMMAND;
	fis[2] = c->ac_command;
	fis[7] = c->ac_device;
	for (i = 0; i < 3; i++) {
		fis[4 + i] = (uint8_t)(c->ac_lba >> 8 * i);
		fis[8 + i] = (uint8_t)(c->ac_lba >> 8 * (i + 3));
	}
	fis[12] = (uint8_t)c->ac_count;
	fis[13] = (uint8_t)(c->ac_count >> 8);
}

/*
 * put_prds: [AHCI] 4.2.3.3.  => 0; EINVAL: such a segment cannot be said.
 */
static int
put_prds(uint8_t *table, const bus_dma_segment_t *segs, unsigned n)
{
	uint32_t prd[PRD_SIZE / 4] = { 0 };
	unsigned i;

	for (i = 0; i < n; i++) {
		if (segs[i].ds_len == 0 || segs[i].ds_len > PRD_MAX ||
		    (segs[i].ds_addr | segs[i].ds_len) % PRD_ALIGN != 0) {
			printf(AHCI_NAME ": segment of 0x%jx bytes at 0x%jx\n",
			    (uintmax_t)segs[i].ds_len,
			    (uintmax_t)segs[i].ds_addr);
			return (EINVAL);
		}
		prd[0] = (uint32_t)segs[i].ds_addr;
		prd[1] = (uint32_t)(segs[i].ds_addr >> 32);
		prd[3] = (uint32_t)segs[i].ds_len - 1;
		memcpy(table + TABLE_PRDT + i * PRD_SIZE, prd, PRD_SIZE);
	}
	return (0);
}

/*
 * put_header: [AHCI] 4.2.2; the number of bytes moved is zero at first.
 */
static void
put_header(struct ahci *a, unsigned nsegs, bool write)
{
	uint64_t table = dmabuf_addr(&a->a_mem) + TABLE_AT;
	uint32_t header[HEADER_DWORDS] = {
		HEADER_CFL(FIS_H2D_SIZE / 4) | HEADER_PRDTL(nsegs) |
		    (write ? HEADER_WRITE : 0),
		0, (uint32_t)table, (uint32_t)(table >> 32),
	};

	memcpy(a->a_mem.d_kva + LIST_AT, header, sizeof(header));
}

static uint32_t
bytes_moved(const struct ahci *a)
{
	uint32_t n;

	memcpy(&n, a->a_mem.d_kva + LIST_AT + 4, sizeof(n));
	return (n);
}

/*
 * command_wait: => 0; EIO: it failed; ETIMEDOUT.
 */
static int
command_wait(struct ahci *a)
{
	uint64_t end = nanotime() + (uint64_t)WAIT_COMMAND * 1000000;
	uint32_t ci, is;

	for (;;) {
		ci = port_read(a, PORT_CI);
		is = port_read(a, PORT_IS);
		if ((is & IS_ERRORS) != 0 || ((ci & 1) == 0 &&
		    (port_read(a, PORT_TFD) & (ATA_S_ERR | ATA_S_DF)) != 0))
			return (EIO);
		if ((ci & 1) == 0)
			return (0);
		if (nanotime() > end)
			return (ETIMEDOUT);
		delay(10);
	}
}

/*
 * issue: have the command in the table done.
 */
static int
issue(struct ahci *a)
{
	int error;

	dmabuf_sync(&a->a_mem, LIST_AT, HEADER_SIZE,
	    BUS_DMASYNC_PREREAD | BUS_DMASYNC_PREWRITE);
	dmabuf_sync(&a->a_mem, FIS_AT, FIS_SIZE, BUS_DMASYNC_PREREAD);
	dmabuf_sync(&a->a_mem, TABLE_AT, TABLE_SIZE, BUS_DMASYNC_PREWRITE);
	port_write(a, PORT_IS, UINT32_MAX);
	port_write(a, PORT_CI, 1);
	error = command_wait(a);
	dmabuf_sync(&a->a_mem, TABLE_AT, TABLE_SIZE, BUS_DMASYNC_POSTWRITE);
	dmabuf_sync(&a->a_mem, FIS_AT, FIS_SIZE, BUS_DMASYNC_POSTREAD);
	dmabuf_sync(&a->a_mem, LIST_AT, HEADER_SIZE,
	    BUS_DMASYNC_POSTREAD | BUS_DMASYNC_POSTWRITE);
	return (error);
}

/*
 * attempt: a command, once; it moves size bytes, if that is known (0: not).
 * => 0, or an error number after one line (two, if the adapter cannot be
 *    reset); it has been reset, then.
 */
static int
attempt(struct ahci *a, const struct ata_command *c,
    const bus_dma_segment_t *segs, unsigned nsegs, uint32_t size, bool write)
{
	int error;

	memset(a->a_mem.d_kva + TABLE_AT, 0, TABLE_PRDT);
	put_fis(a->a_mem.d_kva + TABLE_AT, c);
	if ((error = put_prds(a->a_mem.d_kva + TABLE_AT, segs, nsegs)) != 0)
		return (error);
	put_header(a, nsegs, write);
	error = issue(a);
	if (error == 0 && (size == 0 || bytes_moved(a) == size))
		return (0);
	printf(AHCI_NAME ": command 0x%02x at block %ju: %s (events 0x%x, task "
	    "file 0x%x, errors 0x%x, %u bytes moved)\n", c->ac_command,
	    (uintmax_t)c->ac_lba, errno_name(error != 0 ? error : EIO),
	    port_read(a, PORT_IS), port_read(a, PORT_TFD),
	    port_read(a, PORT_SERR), bytes_moved(a));
	if (reset(a) != 0)
		a->a_works = false;
	return (error != 0 ? error : EIO);
}

/*
 * command: the same, and what can be done about errors.
 */
static int
command(struct ahci *a, const struct ata_command *c,
    const bus_dma_segment_t *segs, unsigned nsegs, uint32_t size, bool write)
{
	int error = EIO;
	unsigned i;

	for (i = 0; i < ATTEMPTS && a->a_works; i++) {
		if (i > 0 && port_start(a) != 0)
			break;
		error = attempt(a, c, segs, nsegs, size, write);
		if (error == 0 || error == EINVAL)
			return (error);
	}
	quiesce(a);
	return (error);
}

static int
transfer(void *arg, bus_dmamap_t map, uint64_t block, unsigned nblocks,
    bool write)
{
	struct ahci *a = arg;
	struct ata_command c = ata_transfer(&a->a_ata, block, nblocks, write);

	return (command(a, &c, map->dm_segs, (unsigned)map->dm_nsegs,
	    nblocks << a->a_ata.ad_shift, write));
}

static int
flush(void *arg)
{
	struct ahci *a = arg;
	struct ata_command c = ata_flush(&a->a_ata);

	return (command(a, &c, NULL, 0, 0, false));
}

/*
 * identify: what the disk says of itself.
 * => 0, or an error number after one line.
 */
static int
identify(struct ahci *a)
{
	struct ata_command c = ata_simple(ATA_IDENTIFY);
	bus_dma_segment_t seg = {
		dmabuf_addr(&a->a_mem) + INFO_AT, INFO_SIZE
	};
	uint16_t words[ATA_IDENTIFY_WORDS];
	const char *why;
	int error;

	dmabuf_sync(&a->a_mem, INFO_AT, INFO_SIZE, BUS_DMASYNC_PREREAD);
	error = command(a, &c, &seg, 1, 0, false);
	dmabuf_sync(&a->a_mem, INFO_AT, INFO_SIZE, BUS_DMASYNC_POSTREAD);
	if (error != 0)
		return (error);
	memcpy(words, a->a_mem.d_kva + INFO_AT, INFO_SIZE);
	if ((why = ata_identify(words, &a->a_ata)) == NULL)
		return (0);
	printf(AHCI_NAME ": the disk is not used: %s\n", why);
	return (EOPNOTSUPP);
}

/*
 * Attaching.
 */

static void
set_disk(struct ahci *a, bus_addr_t max)
{

	a->a_disk = (struct disk){
		.dk_name = AHCI_NAME,
		.dk_tag = a->a_tag,
		.dk_blocks = a->a_ata.ad_blocks,
		.dk_shift = a->a_ata.ad_shift,
		.dk_nsegs = NSEGS,
		.dk_maxsegsz = PRD_MAX,
		.dk_align = PRD_ALIGN,
		.dk_max = (bus_size_t)a->a_ata.ad_max << a->a_ata.ad_shift,
		.dk_transfer = transfer,
		.dk_flush = flush,
		.dk_arg = a,
	};
	a->a_figures = (struct device_figures){
		.df_name = AHCI_NAME,
		.df_tag = a->a_tag,
		.df_max = max,
		.df_align = LIST_ALIGN,
		.df_contig = VM_PAGE_SIZE,
	};
}

static void
release(struct ahci *a)
{

	quiesce(a);
	disk_release(&a->a_disk);
	dmabuf_put(&a->a_mem);
	bus_dmatag_destroy(a->a_tag);
}

/*
 * find_disk: start the first port that has one.
 * => 0; ENXIO: none has; another error number after one line.
 */
static int
find_disk(struct ahci *a, unsigned *port)
{
	uint32_t ports = mmio_read32(a->a_regs, AHCI_PI);
	int error;

	for (*port = 0; *port < a->a_nport; (*port)++) {
		if ((ports >> *port & 1) == 0)
			continue;
		a->a_port = a->a_regs + AHCI_PORT(*port);
		error = port_start(a);
		if (error == 0)
			return (0);
		if (error == ENXIO)
			error = port_idle(a);
		if (error != 0) {
			printf(AHCI_NAME ": port %u does not start: command "
			    "0x%x, task file 0x%x, link 0x%x\n", *port,
			    port_read(a, PORT_CMD), port_read(a, PORT_TFD),
			    port_read(a, PORT_SSTS));
			return (error);
		}
	}
	return (ENXIO);
}

/*
 * examine: the disk, and the line that describes it.
 * => 0, also if there is none; an error number after one line, or two.
 */
static int
examine(struct ahci *a)
{
	const struct pci_func *f = &a->a_func;
	uint32_t vs = mmio_read32(a->a_regs, AHCI_VS);
	unsigned port;
	int error;

	error = find_disk(a, &port);
	if (error == 0) {
		a->a_works = true;
		error = identify(a);
	}
	if (error != 0 && error != ENXIO)
		return (error);
	a->a_found = error == 0;
	printf(AHCI_NAME " at pci %u:%u.%u: AHCI %u.%u, %u bits of address, ",
	    f->pf_bus, f->pf_dev, f->pf_func, vs >> 16, vs >> 8 & 0xff,
	    mmio_read32(a->a_regs, AHCI_CAP) & CAP_S64A ? 64 : 32);
	if (a->a_found)
		printf("port %u: %s, %ju blocks of %u\n", port,
		    a->a_ata.ad_model, (uintmax_t)a->a_ata.ad_blocks,
		    1U << a->a_ata.ad_shift);
	else
		printf("no disk\n");
	return (0);
}

/*
 * start: memory, and the adapter with it.
 */
static int
start(struct ahci *a)
{
	bus_addr_t max;
	int error;

	/* [AHCI] 3.1.1, S64A. */
	max = (mmio_read32(a->a_regs, AHCI_CAP) & CAP_S64A) != 0 ?
	    BUS_ADDR_MAX : UINT32_MAX;
	if ((error = device_tag(pci_dma_tag(&a->a_func), AHCI_NAME, max,
	    PRD_ALIGN, &a->a_tag)) != 0)
		return (error);
	error = dmabuf_get(&a->a_mem, a->a_tag, AHCI_NAME, VM_PAGE_SIZE,
	    LIST_ALIGN, 0);
	if (error == 0) {
		pci_enable(&a->a_func, PCI_COMMAND_MASTER);
		error = examine(a);
	}
	if (error == 0 && a->a_found)
		set_disk(a, max);
	else
		release(a);
	return (error);
}

static int
ahci_attach(void)
{
	const unsigned least = AHCI_PORT(1), most = AHCI_PORT(AHCI_NPORT);
	struct ahci *a = &ahci;
	struct pci_bar bar;
	int error;

	memset(a, 0, sizeof(*a));
	if (!pci_find_class(AHCI_PCI_CLASS, &a->a_func))
		return (ENXIO);
	error = pci_map_bar(&a->a_func, AHCI_BAR, least, most, AHCI_NAME,
	    &a->a_regs);
	if (error == 0)
		error = pci_bar_read(&a->a_func, AHCI_BAR, &bar);
	if (error != 0)
		return (error);
	a->a_nport = bar.pb_size < most ?
	    (unsigned)(bar.pb_size - AHCI_PORT(0)) / 0x80 : AHCI_NPORT;
	if ((error = reset(a)) != 0)
		return (error);
	return (start(a));
}

static int
ahci_job(void)
{
	struct ahci *a = &ahci;
	int error;

	if (!a->a_found) {
		printf(AHCI_NAME ": no disk\n");
		return (ENODEV);
	}
	if (!a->a_works)
		return (EIO);		/* it failed before */
	if ((error = disk_job(&a->a_disk)) != 0) {
		release(a);
		return (error);
	}
	device_report(&a->a_figures, a->a_disk.dk_moved);
	return (0);
}

const struct device_driver ahci_driver = {
	.dd_name = "ahci",
	.dd_attach = ahci_attach,
	.dd_job = ahci_job,
};
