/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Driver of the 82077AA floppy disk controller of a PC AT: fdc(4).  It reads
 * the whole of a 1.44 MB disk through ISA DMA and prints its sum.
 *
 * Sources: [82077AA] Intel 82077AA CHMOS Single-Chip Floppy Disk Controller,
 * data sheet, order number 290166; [AT] IBM Personal Computer AT Technical
 * Reference: ports, DMA channel 2, the diskette byte of the CMOS RAM.
 *
 * The buffer is the request for which the page allocator was first asked:
 * 16 KiB, aligned to 8 KiB, not crossing a 64 KiB line, below 16 MiB.  A
 * cylinder has 18 KiB, so it takes two transfers: one that fills the buffer
 * to its last byte and crosses from head 0 to head 1, and one for the rest.
 *
 * The controller is polled.  Every wait has an end, and after any failure
 * both it and its DMA channel are stopped before the buffer is given back: a
 * late transfer must not reach memory that is somebody else's by then.
 */

#include <sys/bus_dma.h>
#include <sys/device.h>
#include <sys/systm.h>

#include <machine/cpufunc.h>

#include <dev/bus.h>
#include <dev/cksum.h>
#include <dev/device_report.h>
#include <dev/device_tag.h>
#include <dev/isa/i8237.h>

#define	FDC_NAME	"fdc0"

/* [AT]: the first controller; [82077AA] "AT mode registers". */
#define	FDC_BASE	0x3f0
#define	FDC_DOR		(FDC_BASE + 2)	/* digital output */
#define	FDC_MSR		(FDC_BASE + 4)	/* main status, read */
#define	FDC_FIFO	(FDC_BASE + 5)
#define	FDC_DIR		(FDC_BASE + 7)	/* digital input, read */
#define	FDC_CCR		(FDC_BASE + 7)	/* configuration control, write */
#define	FDC_NPORT	6		/* from the base on; then one of the
					   disk controller's, and one more */
#define	FDC_DRQ		2		/* DMA channel */

/* [82077AA] "Digital Output Register". */
#define	DOR_RUN		0x04		/* not in reset */
#define	DOR_DMA		0x08		/* DMA and interrupt lines enabled */
#define	DOR_MOTOR0	0x10

/* [82077AA] "Main Status Register". */
#define	MSR_BUSY	0x10		/* in a command */
#define	MSR_DIO		0x40		/* the controller has a byte for us */
#define	MSR_RQM		0x80		/* a byte may be moved */

#define	DIR_CHANGED	0x80		/* [82077AA] "Digital Input Register":
					   no disk, or not since it was
					   last stepped */
#define	CCR_500K	0x00		/* 500 kbit/s: high density */

/* [82077AA] "Command Set". */
#define	CMD_SPECIFY	0x03
#define	CMD_RECALIBRATE	0x07
#define	CMD_SENSE_INTR	0x08
#define	CMD_SEEK	0x0f
#define	CMD_VERSION	0x10
#define	CMD_READ	0x46		/* READ DATA, MFM */
#define	CMD_MT		0x80		/* go on from head 0 to head 1 */

#define	VERSION_82077	0x90		/* [82077AA] "VERSION" */

/*
 * [82077AA] "SPECIFY", at 500 kbit/s: step rate in units of 1 ms, counted
 * down from 16; head unload in 16 ms; head load in 2 ms.  3 ms a step, 240 ms
 * and 16 ms suit the 3.5 inch drives of all makers.
 */
#define	SPECIFY_1	((16 - 3) << 4 | 240 / 16)
#define	SPECIFY_2	((16 / 2) << 1)	/* bit 0 clear: with DMA */

/* [82077AA] "Status Register Encoding". */
#define	ST0_CODE	0xc0		/* interrupt code, 0: normal end */
#define	ST0_INVALID	0x80		/* as answer: nothing to report */
#define	ST0_SEEK_END	0x20
#define	ST0_CHECK	0x10		/* no track 0, or no such drive */

/* [AT]: CMOS RAM, byte 0x10: type of the first drive in the upper half. */
#define	CMOS_ADDR	0x70
#define	CMOS_DATA	0x71
#define	CMOS_DISKETTE	0x10
#define	CMOS_144M	4
#define	CMOS_288M	5		/* reads 1.44 MB disks, too */

/* A high-density 3.5 inch disk. */
#define	NCYL		80
#define	NHEAD		2
#define	NSECT		18
#define	SECT_SIZE	512U
#define	SECT_CODE	2		/* 128 << 2 */
#define	SECT_GAP	0x1b		/* [82077AA] "READ DATA": gap length
					   for 18 sectors of 512 bytes */
#define	DISK_SIZE	(NCYL * NHEAD * NSECT * SECT_SIZE)

/* The historical request. */
#define	BUF_SIZE	0x4000U
#define	BUF_ALIGN	0x2000U
#define	BUF_SECTS	(BUF_SIZE / SECT_SIZE)

#define	RETRIES		3		/* of a transfer */

/* Limits of waiting, in ms. */
#define	WAIT_BYTE	100		/* for the next byte of a command */
#define	WAIT_SEEK	10000		/* 80 steps of 3 ms, and settling */
#define	WAIT_READ	10000		/* some turns of 200 ms */
#define	SPIN_UP		500		/* until a drive is up to speed */

static bus_dma_tag_t fdc_tag;
static uint64_t fdc_moved;		/* bytes, in this job */
static struct device_figures fdc_figures = {
	.df_name = FDC_NAME,
	.df_max = I8237_ADDR_MAX,
	.df_align = BUF_ALIGN,
	.df_boundary = I8237_BOUNDARY,
	.df_contig = BUF_SIZE,
};

/* The buffer of the last job that worked; fb_nsegs 0: none. */
static struct fdc_buffer {
	bus_dma_segment_t fb_seg;
	int		fb_nsegs;
	void		*fb_kva;
	bus_dmamap_t	fb_map;
} fdc_buffer;

/* A place on the disk; sectors count from 1. */
struct chs {
	uint8_t	c, h, s;
};

/*
 * Wait until the bits of mask in the main status register have a value.
 */
static bool
wait_msr(uint8_t mask, uint8_t value, unsigned ms)
{
	uint64_t end = nanotime() + (uint64_t)ms * 1000000;

	while ((inb(FDC_MSR) & mask) != value) {
		if (nanotime() > end)
			return (false);
		delay(20);
	}
	return (true);
}

/*
 * The command phase: give the controller a command and its parameters.
 * => 0, or ETIMEDOUT.
 */
static int
send(const uint8_t *cmd, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (!wait_msr(MSR_RQM | MSR_DIO, MSR_RQM, WAIT_BYTE))
			return (ETIMEDOUT);
		outb(FDC_FIFO, cmd[i]);
	}
	return (0);
}

/*
 * The result phase: take all that the controller has to say, at most n bytes.
 * => the number of bytes; 0 when it does not speak within ms.
 */
static unsigned
receive(uint8_t *result, unsigned n, unsigned ms)
{
	const uint8_t speaks = MSR_RQM | MSR_DIO | MSR_BUSY;
	unsigned i;

	if (!wait_msr(speaks, speaks, ms))
		return (0);
	for (i = 0; i < n; i++) {
		if (!wait_msr(MSR_RQM, MSR_RQM, WAIT_BYTE) ||
		    (inb(FDC_MSR) & speaks) != speaks)
			break;
		result[i] = inb(FDC_FIFO);
	}
	return (i);
}

/*
 * Ask what the controller would interrupt for: its status 0 and the cylinder
 * under the head.  => true; false: nothing (yet), or no answer.
 */
static bool
sense_interrupt(uint8_t *st0, uint8_t *cyl)
{
	const uint8_t cmd = CMD_SENSE_INTR;
	uint8_t result[2];

	if (send(&cmd, 1) != 0 || receive(result, 2, WAIT_BYTE) != 2 ||
	    result[0] == ST0_INVALID)
		return (false);
	*st0 = result[0];
	*cyl = result[1];
	return (true);
}

/*
 * Stop whatever the controller does and make it accept commands.
 * => 0, or ENXIO: nothing answers like a controller.
 */
static int
reset(void)
{
	const uint8_t specify[] = { CMD_SPECIFY, SPECIFY_1, SPECIFY_2 };
	uint8_t st0, cyl;
	unsigned drive;

	outb(FDC_DOR, 0);
	delay(20);			/* at least 3.5 us, [82077AA] "RESET" */
	outb(FDC_DOR, DOR_RUN | DOR_DMA | DOR_MOTOR0);
	/* (An empty bus has all bits set.) */
	if (!wait_msr(MSR_RQM | MSR_DIO | MSR_BUSY, MSR_RQM, WAIT_BYTE))
		return (ENXIO);
	/* After a reset it reports each of its four drives. */
	for (drive = 0; drive < 4; drive++)
		if (!sense_interrupt(&st0, &cyl))
			break;
	outb(FDC_CCR, CCR_500K);
	return (send(specify, sizeof(specify)) == 0 ? 0 : ENXIO);
}

/*
 * Controller, drive and DMA channel at rest.
 */
static void
stop(void)
{

	(void)i8237_stop(FDC_DRQ);
	(void)reset();
	outb(FDC_DOR, DOR_RUN | DOR_DMA);
}

/*
 * Wait for the end of a movement to a cylinder.
 * => 0, ETIMEDOUT, or EIO: it went wrong.
 */
static int
seek_finish(uint8_t want)
{
	uint64_t end = nanotime() + (uint64_t)WAIT_SEEK * 1000000;
	uint8_t st0, cyl;

	while (!sense_interrupt(&st0, &cyl)) {
		if (nanotime() > end)
			return (ETIMEDOUT);
		delay(100);
	}
	if ((st0 & (ST0_CODE | ST0_SEEK_END | ST0_CHECK)) != ST0_SEEK_END ||
	    cyl != want)
		return (EIO);
	return (0);
}

static int
seek(uint8_t cyl)
{
	const uint8_t cmd[] = { CMD_SEEK, 0, cyl };
	int error;

	if ((error = send(cmd, sizeof(cmd))) != 0)
		return (error);
	return (seek_finish(cyl));
}

/*
 * Find cylinder 0.  From beyond cylinder 79 it takes two attempts: the
 * controller gives up after 79 steps, [82077AA] "RECALIBRATE".
 */
static int
recalibrate(void)
{
	const uint8_t cmd[] = { CMD_RECALIBRATE, 0 };
	int attempt, error = EIO;

	for (attempt = 0; attempt < 2 && error != 0; attempt++) {
		if ((error = send(cmd, sizeof(cmd))) != 0)
			return (error);
		error = seek_finish(0);
	}
	return (error);
}

/*
 * Is there a disk?  The sign that it was changed goes away when the drive
 * steps with a disk in it, and stays without.
 * => 0; ENODEV: no disk; another error: the drive does not step.
 */
static int
find_disk(void)
{
	int error;

	if ((error = recalibrate()) != 0)
		return (error);
	if ((inb(FDC_DIR) & DIR_CHANGED) == 0)
		return (0);
	if ((error = seek(1)) != 0 || (error = recalibrate()) != 0)
		return (error);
	return ((inb(FDC_DIR) & DIR_CHANGED) != 0 ? ENODEV : 0);
}

/*
 * Where a multi-track transfer of n sectors from at ends: the place that the
 * controller reports, [82077AA] "READ DATA", table of the result phase.
 */
static struct chs
place_after(struct chs at, unsigned n)
{
	unsigned i = (at.c * NHEAD + at.h) * NSECT + (at.s - 1U) + n;

	return ((struct chs){
		(uint8_t)(i / (NHEAD * NSECT)),
		(uint8_t)(i / NSECT % NHEAD),
		(uint8_t)(i % NSECT + 1)
	});
}

/*
 * Have the controller read n sectors into memory, of tracks whose last sector
 * is eot; the head is on the cylinder.
 * => 0: *left bytes were not transferred, and result is what the controller
 *    says; EINVAL: the DMA controller cannot do it; ETIMEDOUT.  In any case,
 *    nothing goes to memory any more.
 */
static int
transfer(struct chs at, unsigned n, uint8_t eot, bus_addr_t addr,
    psize_t *left, uint8_t result[static 7])
{
	const uint8_t cmd[] = { CMD_READ | CMD_MT, (uint8_t)(at.h << 2), at.c,
	    at.h, at.s, SECT_CODE, eot, SECT_GAP, 0xff };
	int error;

	memset(result, 0, 7);
	if ((error = i8237_start(FDC_DRQ, addr, n * SECT_SIZE,
	    I8237_TO_MEMORY)) != 0)
		return (error);
	if (send(cmd, sizeof(cmd)) != 0 || receive(result, 7, WAIT_READ) != 7)
		error = ETIMEDOUT;
	*left = i8237_stop(FDC_DRQ);
	if (error == 0)
		fdc_moved += n * SECT_SIZE - *left;
	return (error);
}

/*
 * Read n sectors once.  => 0; ETIMEDOUT, EINVAL, EIO: *why says more.
 */
static int
read_once(struct chs at, unsigned n, bus_addr_t addr, const char **why,
    uint8_t result[static 7])
{
	struct chs after = place_after(at, n);
	psize_t left;
	int error;

	error = transfer(at, n, NSECT, addr, &left, result);
	*why = error == EINVAL ? "DMA controller refuses the buffer" :
	    "no answer";
	if (error != 0)
		return (error);
	*why = "controller reports an error";
	if ((result[0] & ST0_CODE) != 0)
		return (EIO);
	*why = "transfer too short";
	if (left != 0)
		return (EIO);
	*why = "not a disk of 80 cylinders, 2 heads, 18 sectors";
	if (result[3] != after.c || result[4] != after.h ||
	    result[5] != after.s)
		return (EIO);
	return (0);
}

/*
 * The same, with what helps: a drive that is not up to speed yet, or whose
 * head is not where it was thought to be, fails at first.
 */
static int
read_sectors(struct chs at, unsigned n, bus_addr_t addr)
{
	const char *why = NULL;
	uint8_t result[7];
	int attempt, error = 0;

	for (attempt = 0; attempt < RETRIES; attempt++) {
		error = read_once(at, n, addr, &why, result);
		if (error == 0 || error == EINVAL)
			break;
		if (attempt == RETRIES - 1)
			break;
		delay(SPIN_UP * 1000);
		(void)i8237_stop(FDC_DRQ);
		if (reset() != 0 || recalibrate() != 0 || seek(at.c) != 0)
			break;
	}
	if (error != 0)
		printf(FDC_NAME ": reading %u sectors at cylinder %u head %u "
		    "sector %u: %s (status %02x %02x %02x)\n", n, at.c, at.h,
		    at.s, why, result[0], result[1], result[2]);
	return (error);
}

/*
 * Do the tracks have more sectors than we read?  Some formats with the same
 * data rate have 20 and more.  => the head is on cylinder cyl.
 */
static bool
has_more_sectors(uint8_t cyl, bus_dmamap_t map)
{
	const struct chs next = { cyl, 0, NSECT + 1 };
	uint8_t result[7];
	psize_t left;
	int error;

	bus_dmamap_sync(fdc_tag, map, 0, SECT_SIZE, BUS_DMASYNC_PREREAD);
	error = transfer(next, 1, next.s, map->dm_segs[0].ds_addr, &left,
	    result);
	bus_dmamap_sync(fdc_tag, map, 0, SECT_SIZE, BUS_DMASYNC_POSTREAD);
	return (error == 0 && (result[0] & ST0_CODE) == 0);
}

/*
 * Read the disk from the first sector to the last through a loaded map.
 */
static int
read_disk(bus_dmamap_t map, const void *kva, struct cksum *ck)
{
	const unsigned total = NHEAD * NSECT;
	unsigned c, first, n;
	struct chs at;
	int error;

	for (c = 0; c < NCYL; c++) {
		if ((error = seek((uint8_t)c)) != 0) {
			printf(FDC_NAME ": seek to cylinder %u: %s\n", c,
			    errno_name(error));
			return (error);
		}
		for (first = 0; first < total; first += n) {
			n = total - first < BUF_SECTS ? total - first :
			    BUF_SECTS;
			at = place_after((struct chs){ (uint8_t)c, 0, 1 },
			    first);
			bus_dmamap_sync(fdc_tag, map, 0, n * SECT_SIZE,
			    BUS_DMASYNC_PREREAD);
			error = read_sectors(at, n, map->dm_segs[0].ds_addr);
			bus_dmamap_sync(fdc_tag, map, 0, n * SECT_SIZE,
			    BUS_DMASYNC_POSTREAD);
			if (error != 0)
				return (error);
			cksum_add(ck, kva, n * SECT_SIZE);
		}
	}
	if (has_more_sectors(NCYL - 1, map)) {
		printf(FDC_NAME ": disk has more than %d sectors a track\n",
		    NSECT);
		return (EIO);
	}
	return (0);
}

/*
 * The disk, with a buffer that is there, and its sum.
 */
static int
sum_disk(bus_dmamap_t map, const void *kva)
{
	struct cksum ck;
	int error;

	cksum_init(&ck);
	if (reset() != 0) {
		printf(FDC_NAME ": controller does not come out of reset\n");
		error = EIO;
	} else if ((error = find_disk()) == ENODEV)
		printf(FDC_NAME ": no disk in drive 0\n");
	else if (error != 0)
		printf(FDC_NAME ": drive 0 does not seek: %s\n",
		    errno_name(error));
	else
		error = read_disk(map, kva, &ck);
	stop();
	if (error == 0)
		printf(FDC_NAME ": read %u bytes through %ju bytes at 0x%jx, "
		    "cksum %u\n", DISK_SIZE,
		    (uintmax_t)map->dm_segs[0].ds_len,
		    (uintmax_t)map->dm_segs[0].ds_addr, cksum_end(&ck));
	return (error);
}

/*
 * Make a buffer's memory known to the kernel and to the device, and use it.
 * => 0: it stays known to them.
 */
static int
use_buffer(struct fdc_buffer *fb)
{
	bus_dmamap_t map;
	void *kva;
	int error;

	if ((error = bus_dmamem_map(fdc_tag, &fb->fb_seg, fb->fb_nsegs,
	    BUF_SIZE, &kva, BUS_DMA_NOWAIT)) != 0) {
		device_lacks(FDC_NAME, error, "addresses for the buffer");
		return (error);
	}
	if ((error = bus_dmamap_create(fdc_tag, BUF_SIZE, 1, BUF_SIZE,
	    I8237_BOUNDARY, BUS_DMA_NOWAIT, &map)) != 0) {
		device_lacks(FDC_NAME, error, "map");
		bus_dmamem_unmap(fdc_tag, kva, BUF_SIZE);
		return (error);
	}
	if ((error = bus_dmamap_load(fdc_tag, map, kva, BUF_SIZE, NULL,
	    BUS_DMA_NOWAIT)) != 0)
		printf(FDC_NAME ": buffer does not load: %s\n",
		    errno_name(error));
	else if ((error = sum_disk(map, kva)) == 0) {
		fb->fb_kva = kva;
		fb->fb_map = map;
		return (0);
	}
	bus_dmamap_destroy(fdc_tag, map);
	bus_dmamem_unmap(fdc_tag, kva, BUF_SIZE);
	return (error);
}

static void
buffer_put(struct fdc_buffer *fb)
{

	bus_dmamap_destroy(fdc_tag, fb->fb_map);
	bus_dmamem_unmap(fdc_tag, fb->fb_kva, BUF_SIZE);
	bus_dmamem_free(fdc_tag, &fb->fb_seg, fb->fb_nsegs);
	fb->fb_nsegs = 0;
}

/*
 * What worked keeps its buffer, as a driver at work does, until the next
 * time.
 */
static int
fdc_job(void)
{
	struct fdc_buffer *fb = &fdc_buffer;
	int error;

	if (fb->fb_nsegs != 0)
		buffer_put(fb);
	fdc_moved = 0;
	error = bus_dmamem_alloc(fdc_tag, BUF_SIZE, BUF_ALIGN, I8237_BOUNDARY,
	    &fb->fb_seg, 1, &fb->fb_nsegs, BUS_DMA_NOWAIT);
	if (error != 0) {
		device_lacks_dma(FDC_NAME, error, "buffer", fdc_tag, BUF_SIZE,
		    BUF_ALIGN, I8237_BOUNDARY);
		return (error);
	}
	if ((error = use_buffer(fb)) == 0) {
		fdc_figures.df_tag = fdc_tag;
		device_report(&fdc_figures, fdc_moved);
	} else {
		bus_dmamem_free(fdc_tag, &fb->fb_seg, fb->fb_nsegs);
		fb->fb_nsegs = 0;
	}
	return (error);
}

/*
 * The type of the first drive as the CMOS RAM has it; 0: none.
 */
static unsigned
drive_type(void)
{

	outb(CMOS_ADDR, CMOS_DISKETTE);
	return (inb(CMOS_DATA) >> 4);
}

/*
 * The ports, if nobody else has them; and back.
 */
static int
claim_ports(void)
{
	struct claims *ports = &bus_get()->b_ports;
	int error;

	error = claim_region(ports, FDC_BASE, FDC_NPORT, FDC_NAME);
	if (error != 0)
		return (error);
	error = claim_region(ports, FDC_DIR, 1, FDC_NAME);
	if (error != 0)
		(void)claim_release(ports, FDC_BASE);
	return (error);
}

static void
release_ports(void)
{
	struct claims *ports = &bus_get()->b_ports;

	(void)claim_release(ports, FDC_BASE);
	(void)claim_release(ports, FDC_DIR);
}

/*
 * The controller, which has its ports, and its drive.
 */
static int
identify(unsigned type)
{
	const uint8_t cmd = CMD_VERSION;
	uint8_t version;
	int error;

	if (reset() != 0)
		return (ENXIO);
	outb(FDC_DOR, DOR_RUN | DOR_DMA);	/* motor off until needed */
	if (send(&cmd, 1) != 0 || receive(&version, 1, WAIT_BYTE) != 1) {
		printf(FDC_NAME ": controller does not answer\n");
		return (ETIMEDOUT);
	}
	if (version != VERSION_82077) {
		printf(FDC_NAME ": controller is no 82077AA (version %02x)\n",
		    version);
		return (EOPNOTSUPP);
	}
	if (type != CMOS_144M && type != CMOS_288M) {
		printf(FDC_NAME ": drive 0 does not read 1.44 MB disks "
		    "(type %u)\n", type);
		return (EOPNOTSUPP);
	}
	if ((error = device_tag(NULL, FDC_NAME, I8237_ADDR_MAX, 1,
	    &fdc_tag)) != 0)
		return (error);
	printf(FDC_NAME " at isa port 0x%x drq %d: 82077AA, polled; drive 0 "
	    "type %u\n", FDC_BASE, FDC_DRQ, type);
	return (0);
}

static int
fdc_attach(void)
{
	unsigned type = drive_type();
	int error;

	if (type == 0)
		return (ENXIO);
	if ((error = claim_ports()) != 0)
		return (error);
	if ((error = identify(type)) != 0)
		release_ports();
	return (error);
}

const struct device_driver fdc_driver = {
	.dd_name = "fdc",
	.dd_attach = fdc_attach,
	.dd_job = fdc_job,
};
