/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of the floppy driver against a model of its controller, for what no
 * emulator does: controllers that fall silent, drives that miss, transfers
 * that stop, disks that are not what they seem.  Time is the model's, too:
 * what takes seconds takes none.
 *
 * However it ends, after the job the controller and its DMA channel are at
 * rest, the motor is off, and all memory is back.
 *
 * Model: Intel 82077AA data sheet, "Main Status Register", "Command Set",
 * "Status Register Encoding".
 */

#include <atf-c.h>
#include <stdarg.h>
#include <stdlib.h>

#include <sys/bus_dma.h>
#include <sys/device.h>
#include <sys/kmem.h>
#include <sys/systm.h>

#include <vm/vm_audit.h>
#include <vm/vm_pglist.h>
#include <vm/vm_physseg.h>

#include <machine/cpufunc.h>

#include <dev/bus.h>
#include <dev/cksum.h>

#include "i8237_model.h"

#define	KiB		UINT64_C(1024)
#define	MiB		(1024 * KiB)

#define	DMA_CHAN	2
#define	MS		UINT64_C(1000000)	/* in ns */

/* The disk of the driver. */
#define	NCYL		80
#define	NHEAD		2
#define	NSECT		18
#define	SECT		512U
#define	DISK_SIZE	(NCYL * NHEAD * NSECT * SECT)

static struct {
	/* What the machine is like. */
	unsigned	cmos;		/* type of the drive */
	uint8_t		version;
	bool		controller, disk;
	unsigned	nsect;		/* sectors of a track of the disk */

	/* What goes wrong. */
	int		silent;		/* this command has no result */
	unsigned	stuck;		/* command bytes are not taken after
					   so many; 0: never */
	unsigned	fail_reads;	/* so many reads miss at first, and
					   the head is lost */
	unsigned	fail_at;	/* a sector that is never found */
	unsigned	stop_after;	/* a read moves so many bytes */
	bool		no_seek_end;	/* movements never end */
	bool		misses;		/* movements end on a wrong cylinder */
	unsigned	weak;		/* so many recalibrations give up */
	uint8_t		wrong_place[3];	/* reads end elsewhere by so much */

	/* The state of the controller. */
	bool		running;	/* not in reset */
	bool		motor;
	bool		changed;
	unsigned	cyl;
	unsigned	reset_status;	/* interrupts to report of a reset */
	bool		moving;
	uint64_t	moved;		/* when the movement ends */
	uint8_t		move_st0;
	uint8_t		cmd[9], result[7];
	unsigned	ncmd, nresult, iresult, taken;
	uint64_t	ready;		/* when the result is there */
	unsigned	reads, misread;
} fdc;

static uint64_t now;
static char console[4096];
static unsigned nlines;
static bool in_job;

/*
 * What the driver wants of the kernel.
 */

int
console_printf(const char *fmt, ...)
{
	size_t len = strlen(console);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(console + len, sizeof(console) - len, fmt, ap);
	va_end(ap);
	nlines += strchr(console + len, '\n') != NULL;
	return (n);
}

static void
vm_console(const char *line)
{

	console_printf("%s", line);
}

void
machdep_bus(struct bus *b)
{

	(void)b;
}

const char *
errno_name(int error)
{

	return (strerror(error));
}

void
delay(unsigned usec)
{

	now += usec * UINT64_C(1000);
}

uint64_t
nanotime(void)
{

	return (now += 100);
}

/*
 * The model.
 */

static uint8_t
disk_byte(unsigned lba, unsigned i)
{

	return ((uint8_t)(lba * 31 ^ lba >> 5 ^ i * 7 ^ i >> 3));
}

static void
give_result(unsigned n)
{

	fdc.nresult = n;
	fdc.iresult = 0;
	fdc.ncmd = 0;
}

static void
move_to(unsigned cyl, uint8_t st0)
{

	if (fdc.disk && cyl != fdc.cyl)
		fdc.changed = false;
	fdc.cyl = fdc.misses && cyl != 0 ? cyl + 1 : cyl;
	fdc.moving = true;
	fdc.moved = fdc.no_seek_end ? UINT64_MAX : now + 3 * MS;
	fdc.move_st0 = st0;
	fdc.ncmd = 0;
}

static void
sense_interrupt(void)
{

	fdc.result[1] = (uint8_t)fdc.cyl;
	if (fdc.reset_status > 0) {
		fdc.result[0] = (uint8_t)(0xc0 | (4 - fdc.reset_status--));
		give_result(2);
	} else if (fdc.moving && now >= fdc.moved) {
		fdc.moving = false;
		fdc.result[0] = fdc.move_st0;
		give_result(2);
	} else {
		fdc.result[0] = 0x80;
		give_result(1);
	}
}

/* A sector goes to memory.  => false: the DMA controller said stop. */
static bool
move_sector(unsigned lba, unsigned *left)
{
	uint64_t pa;
	uint8_t *va;
	unsigned i;

	for (i = 0; i < SECT; i++) {
		if (*left == 0 || i8237.ctl[0].tc[DMA_CHAN])
			return (false);
		pa = i8237_model_step(DMA_CHAN);
		ATF_REQUIRE(in_job);
		ATF_REQUIRE_MSG(pa < 16 * MiB, "DMA to 0x%jx", (uintmax_t)pa);
		va = vm_md_phystov(pa, 1);
		*va = disk_byte(lba, i);
		(*left)--;
	}
	return (true);
}

/* Why a sector cannot be read, as status 1; 0: it can. */
static uint8_t
sector_error(unsigned c, unsigned h, unsigned s)
{
	unsigned lba = (c * NHEAD + h) * NSECT + s - 1;

	if (!fdc.disk || !fdc.motor || fdc.fail_reads > 0)
		return (0x01);		/* no address mark */
	if (c != fdc.cyl || c >= NCYL || s > fdc.nsect || s == 0 ||
	    (fdc.fail_at != 0 && lba == fdc.fail_at))
		return (0x04);		/* no data */
	return (0);
}

static void
read_data(void)
{
	unsigned c = fdc.cmd[2], h = fdc.cmd[3], s = fdc.cmd[4];
	unsigned eot = fdc.cmd[6], left = UINT32_MAX;
	bool multi = (fdc.cmd[0] & 0x80) != 0;
	uint8_t st0 = 0, st1;

	/* MFM, drive 0, the head twice, sectors of 512 bytes. */
	ATF_CHECK_EQ(0x46, fdc.cmd[0] & 0x5f);
	ATF_CHECK_EQ(h << 2, fdc.cmd[1]);
	ATF_CHECK_EQ(2, fdc.cmd[5]);
	fdc.reads++;
	if (fdc.stop_after != 0)
		left = fdc.stop_after;
	while ((st1 = sector_error(c, h, s)) == 0 &&
	    !i8237.ctl[0].tc[DMA_CHAN] &&
	    move_sector((c * NHEAD + h) * NSECT + s - 1, &left)) {
		if (s++ != eot)
			continue;
		s = 1;
		if (multi && h == 0)
			h = 1;
		else {
			c++;
			h = 0;
			break;
		}
	}
	if (i8237.ctl[0].tc[DMA_CHAN])
		st1 = 0;
	if (st1 != 0)
		st0 = 0x40;
	if (fdc.fail_reads > 0) {
		fdc.fail_reads--;
		fdc.cyl = 33;
	}
	fdc.result[0] = (uint8_t)(st0 | h << 2);
	fdc.result[1] = st1;
	fdc.result[2] = 0;
	fdc.result[3] = (uint8_t)(c + fdc.wrong_place[0]);
	fdc.result[4] = (uint8_t)(h + fdc.wrong_place[1]);
	fdc.result[5] = (uint8_t)(s + fdc.wrong_place[2]);
	fdc.result[6] = 2;
	fdc.ready = now + 20 * MS;
	give_result(7);
}

static void
recalibrate(void)
{

	if (fdc.weak == 0) {
		move_to(0, 0x20);
		return;
	}
	fdc.weak--;
	move_to(1, 0x70);	/* track 0 was not found */
}

static void
execute(void)
{

	fdc.ready = now;
	switch (fdc.cmd[0] & 0x1f) {
	case 0x03:
		fdc.ncmd = 0;
		break;
	case 0x06:
		read_data();
		break;
	case 0x07:
		recalibrate();
		break;
	case 0x08:
		sense_interrupt();
		break;
	case 0x0f:
		move_to(fdc.cmd[2], 0x20);
		break;
	case 0x10:
		fdc.result[0] = fdc.version;
		give_result(1);
		break;
	default:
		atf_tc_fail("unexpected command 0x%02x", fdc.cmd[0]);
	}
	if ((fdc.cmd[0] & 0x1f) == fdc.silent)
		fdc.ready = UINT64_MAX;
}

static unsigned
command_length(uint8_t cmd)
{

	switch (cmd & 0x1f) {
	case 0x03:
	case 0x0f:
		return (3);
	case 0x06:
		return (9);
	case 0x07:
		return (2);
	default:
		return (1);
	}
}

static uint8_t
main_status(void)
{

	if (!fdc.controller)
		return (0xff);
	if (!fdc.running || (fdc.stuck != 0 && fdc.taken >= fdc.stuck))
		return (0);
	if (fdc.nresult > 0)
		return (now < fdc.ready ? 0x10 : 0xd0);
	return (fdc.ncmd > 0 ? 0x90 : 0x80);
}

static void
fifo_write(uint8_t v)
{

	ATF_REQUIRE_MSG((main_status() & 0xc0) == 0x80,
	    "a byte is written that the controller does not take");
	fdc.taken++;
	fdc.cmd[fdc.ncmd++] = v;
	if (fdc.ncmd == command_length(fdc.cmd[0]))
		execute();
}

static uint8_t
fifo_read(void)
{
	uint8_t v;

	ATF_REQUIRE_MSG((main_status() & 0xc0) == 0xc0,
	    "a byte is read that the controller does not have");
	v = fdc.result[fdc.iresult++];
	if (fdc.iresult == fdc.nresult)
		fdc.nresult = 0;
	return (v);
}

static void
dor_write(uint8_t v)
{

	if (!fdc.running && (v & 0x04) != 0)
		fdc.reset_status = 4;
	if ((v & 0x04) == 0) {
		fdc.ncmd = fdc.nresult = fdc.taken = 0;
		fdc.moving = false;
	}
	fdc.running = (v & 0x04) != 0;
	fdc.motor = (v & 0x10) != 0;
	ATF_CHECK_EQ(0, v & 0xe3);	/* drive 0, no other motor */
}

void
outb(uint16_t port, uint8_t v)
{

	if (i8237_model_has(port)) {
		i8237_model_out(port, v);
		return;
	}
	switch (port) {
	case 0x70:
		ATF_CHECK_EQ(0x10, v);
		break;
	case 0x3f2:
		dor_write(v);
		break;
	case 0x3f5:
		fifo_write(v);
		break;
	case 0x3f7:
		ATF_CHECK_EQ(0, v);	/* 500 kbit/s */
		break;
	default:
		atf_tc_fail("unexpected write of port 0x%x", port);
	}
}

uint8_t
inb(uint16_t port)
{

	now += 1000;
	if (i8237_model_has(port))
		return (i8237_model_in(port));
	switch (port) {
	case 0x71:
		return ((uint8_t)(fdc.cmos << 4));
	case 0x3f4:
		return (main_status());
	case 0x3f5:
		return (fifo_read());
	case 0x3f7:
		return (fdc.changed ? 0x80 : 0);
	default:
		atf_tc_fail("unexpected read of port 0x%x", port);
	}
}

/*
 * Tests.
 */

static const struct vm_memrange ranges[] = {
	{ 0x1000, 0x9e000 },
	{ 1 * MiB, 31 * MiB },
};

/* Frames that are free, or in which kmem(9) has what tags and maps need. */
static uint64_t
free_frames(void)
{
	struct kmem_info info;
	struct vm_audit va;
	uint64_t kmem;
	unsigned i;

	(void)kmem_reap();
	kmem = kmem_meta_pages();
	for (i = 0; kmem_info(i, &info); i++)
		kmem += info.ki_pages;
	ATF_REQUIRE_MSG(vm_audit(&va), "audit: %s", va.va_why);
	return (va.va_free + va.va_held + kmem);
}

/* Objects of kmem(9). */
static uint64_t
objects(void)
{
	struct kmem_info info;
	uint64_t used = 0;
	unsigned i;

	for (i = 0; kmem_info(i, &info); i++)
		used += info.ki_used;
	return (used);
}

static void
boot(void)
{

	ATF_REQUIRE_EQ(0, vm_physmem_load(ranges, 2, NULL, 0));
	kmem_init();
	usermode_console(vm_console);
	i8237_model_reset();
	fdc.cmos = 4;
	fdc.version = 0x90;
	fdc.controller = fdc.disk = fdc.changed = true;
	fdc.nsect = NSECT;
	fdc.silent = -1;
	/* Firmware has left the controller running, in the middle. */
	fdc.running = true;
	fdc.cyl = 17;
}

static void
clear_console(void)
{

	console[0] = '\0';
	nlines = 0;
}

static void
attach(void)
{

	ATF_REQUIRE_EQ(0, fdc_driver.dd_attach());
	ATF_CHECK_EQ(1, nlines);
	ATF_CHECK_EQ(0, strncmp(console, "fdc0 at isa ", 12));
	ATF_CHECK(!fdc.motor);
	clear_console();
}

/* The job, and what it must leave behind whatever its result. */
static int
job(void)
{
	static uint64_t kept;		/* by the job before */
	uint64_t before = free_frames() + kept, used = objects(), start = now;
	bool had = kept != 0;
	int error;

	in_job = true;
	error = fdc_driver.dd_job();
	in_job = false;
	/* What worked keeps 16 KiB, and its map, until the next. */
	kept = before - free_frames();
	ATF_CHECK_EQ_MSG(error == 0 ? 4 : 0, kept, "%ju pages kept",
	    (uintmax_t)kept);
	if (had == (error == 0))
		ATF_CHECK_EQ(used, objects());
	ATF_CHECK(i8237.ctl[0].masked[DMA_CHAN]);
	ATF_CHECK(!fdc.motor);
	ATF_CHECK_MSG(now - start < 60000 * MS, "%ju ms",
	    (uintmax_t)((now - start) / MS));
	return (error);
}

static void
job_fails(int want, const char *line)
{

	clear_console();
	ATF_CHECK_EQ(want, job());
	ATF_CHECK_EQ_MSG(1, nlines, "%s", console);
	ATF_CHECK_MSG(strstr(console, line) != NULL, "\"%s\" is not \"%s\"",
	    console, line);
	ATF_CHECK_EQ(0, strncmp(console, "fdc0: ", 6));
}

static void
job_succeeds(void)
{
	unsigned char sector[SECT];
	struct cksum ck;
	unsigned lba, i;
	char want[32];

	cksum_init(&ck);
	for (lba = 0; lba < DISK_SIZE / SECT; lba++) {
		for (i = 0; i < SECT; i++)
			sector[i] = disk_byte(lba, i);
		cksum_add(&ck, sector, SECT);
	}
	snprintf(want, sizeof(want), ", cksum %u\n", cksum_end(&ck));
	clear_console();
	ATF_CHECK_EQ_MSG(0, job(), "%s", console);
	ATF_CHECK_EQ_MSG(2, nlines, "%s", console);
	ATF_CHECK_MSG(strstr(console, "\nfdc0: moved ") != NULL, "%s", console);
	ATF_CHECK_EQ_MSG(0, strncmp(console, "fdc0: read 1474560 bytes "
	    "through 16384 bytes at 0x", 46), "%s", console);
	ATF_CHECK_MSG(strstr(console, want) != NULL, "\"%s\" is not \"%s\"",
	    console, want);
}

ATF_TC_WITHOUT_HEAD(read);
ATF_TC_BODY(read, tc)
{

	boot();
	attach();
	job_succeeds();
	/* Two transfers a cylinder, and a look at what lies behind. */
	ATF_CHECK_EQ(2 * NCYL + 1, fdc.reads);
	/* Again, as it is now. */
	job_succeeds();
}

ATF_TC_WITHOUT_HEAD(attach_fails);
ATF_TC_BODY(attach_fails, tc)
{

	boot();
	fdc.cmos = 0;
	ATF_CHECK_EQ(ENXIO, fdc_driver.dd_attach());
	fdc.cmos = 4;
	fdc.controller = false;
	ATF_CHECK_EQ(ENXIO, fdc_driver.dd_attach());
	fdc.controller = true;
	fdc.stuck = 1;
	ATF_CHECK_EQ(ENXIO, fdc_driver.dd_attach());
	fdc.stuck = 0;
	ATF_CHECK_EQ(0, nlines);

	fdc.version = 0x80;
	ATF_CHECK_EQ(EOPNOTSUPP, fdc_driver.dd_attach());
	ATF_CHECK_MSG(strstr(console, "version 80") != NULL, "%s", console);
	ATF_CHECK_EQ(1, nlines);
	clear_console();
	fdc.version = 0x90;
	fdc.silent = 0x10;
	ATF_CHECK_EQ(ETIMEDOUT, fdc_driver.dd_attach());
	ATF_CHECK_EQ(1, nlines);
	clear_console();
	fdc.silent = -1;
	fdc.cmos = 2;
	ATF_CHECK_EQ(EOPNOTSUPP, fdc_driver.dd_attach());
	ATF_CHECK_MSG(strstr(console, "(type 2)") != NULL, "%s", console);
	ATF_CHECK_EQ(1, nlines);
}

/* Ports that somebody has are not touched; after a failure they are free. */
ATF_TC_WITHOUT_HEAD(ports_taken);
ATF_TC_BODY(ports_taken, tc)
{
	struct claims *ports = &bus_get()->b_ports;
	unsigned port;

	boot();
	ATF_REQUIRE_EQ(0, claim_region(ports, 0x3f7, 1, "wdc0"));
	ATF_CHECK_EQ(EBUSY, fdc_driver.dd_attach());
	ATF_CHECK_STREQ("ioport: 0x3f7 size 0x1 for fdc0 refused: "
	    "0x3f7 - 0x3f7 is wdc0\n", console);
	ATF_CHECK(claim_owner(ports, 0x3f0) == NULL);
	ATF_REQUIRE_EQ(0, claim_release(ports, 0x3f7));
	clear_console();

	fdc.version = 0x80;
	ATF_CHECK_EQ(EOPNOTSUPP, fdc_driver.dd_attach());
	for (port = 0x3f0; port < 0x3f8; port++)
		ATF_CHECK(claim_owner(ports, port) == NULL);
	clear_console();
	fdc.version = 0x90;
	attach();
	for (port = 0x3f0; port < 0x3f8; port++) {
		if (port == 0x3f6)
			ATF_CHECK(claim_owner(ports, port) == NULL);
		else
			ATF_CHECK_STREQ("fdc0", claim_owner(ports, port));
	}
}

/* With what a driver has to put up with, it succeeds. */
ATF_TC_WITHOUT_HEAD(patience);
ATF_TC_BODY(patience, tc)
{

	boot();
	attach();
	/* The drive comes up to speed. */
	fdc.fail_reads = 2;
	job_succeeds();
	/* The head was beyond the last cylinder. */
	fdc.weak = 1;
	job_succeeds();
}

ATF_TC_WITHOUT_HEAD(no_disk);
ATF_TC_BODY(no_disk, tc)
{

	boot();
	fdc.disk = false;
	attach();
	job_fails(ENODEV, "no disk in drive 0");
	ATF_CHECK_EQ(0, fdc.reads);
	fdc.disk = true;
	job_succeeds();
}

ATF_TC_WITHOUT_HEAD(silence);
ATF_TC_BODY(silence, tc)
{
	unsigned n;

	boot();
	attach();
	/* It reads, and never says how that went. */
	fdc.silent = 0x06;
	job_fails(ETIMEDOUT, "no answer");
	fdc.silent = 0x08;
	job_fails(EIO, "controller does not come out of reset");
	fdc.silent = -1;
	/* It stops taking bytes, at any time after a reset. */
	for (n = 1; n < 60; n++) {
		fdc.stuck = n;
		clear_console();
		ATF_CHECK(job() != 0);
		ATF_CHECK_EQ_MSG(1, nlines, "%s", console);
	}
	fdc.stuck = 0;
	job_succeeds();
}

ATF_TC_WITHOUT_HEAD(movement);
ATF_TC_BODY(movement, tc)
{

	boot();
	attach();
	fdc.no_seek_end = true;
	job_fails(ETIMEDOUT, "drive 0 does not seek");
	fdc.no_seek_end = false;
	fdc.weak = 2;
	job_fails(EIO, "drive 0 does not seek");
	fdc.changed = false;
	fdc.misses = true;
	job_fails(EIO, "seek to cylinder 1");
	fdc.misses = false;
	job_succeeds();
}

ATF_TC_WITHOUT_HEAD(bad_sector);
ATF_TC_BODY(bad_sector, tc)
{

	boot();
	attach();
	fdc.fail_at = (41 * NHEAD + 1) * NSECT + 15;	/* sector 16 */
	job_fails(EIO, "reading 4 sectors at cylinder 41 head 1 sector 15: "
	    "controller reports an error (status 44 04 00)");
	/* Tried three times. */
	ATF_CHECK_EQ(2 * 41 + 1 + 3, fdc.reads);
	fdc.fail_at = 0;
	job_succeeds();
}

ATF_TC_WITHOUT_HEAD(bad_transfer);
ATF_TC_BODY(bad_transfer, tc)
{
	unsigned i;

	boot();
	attach();
	fdc.stop_after = 16383;
	job_fails(EIO, "transfer too short");
	fdc.stop_after = 0;
	for (i = 0; i < 3; i++) {
		fdc.wrong_place[i] = 1;
		job_fails(EIO, "not a disk of 80 cylinders, 2 heads, "
		    "18 sectors");
		fdc.wrong_place[i] = 0;
	}
	fdc.nsect = 15;
	job_fails(EIO, "controller reports an error");
	fdc.nsect = 20;
	job_fails(EIO, "more than 18 sectors");
	fdc.nsect = NSECT;
	job_succeeds();
}

/* No memory: what was asked for, why not, and the disk is left alone. */
ATF_TC_WITHOUT_HEAD(no_memory);
ATF_TC_BODY(no_memory, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(VM_PAGE_SIZE);
	static paddr_t taken[4096];
	struct vm_pgseg seg;
	unsigned n = 0, nsegs, i;

	boot();
	attach();
	req.vpr_high = 16 * MiB;
	req.vpr_owner = vm_owner_register("hog");
	while (vm_pglist_alloc(&req, &seg, &nsegs) == 0) {
		ATF_REQUIRE(n < 4096);
		taken[n++] = seg.vps_start;
	}
	/* Every third page comes free: half the memory that it takes. */
	for (i = 0; i < n; i += 3)
		ATF_REQUIRE_EQ(0, vm_page_free(taken[i]));
	clear_console();
	ATF_CHECK_EQ(ENOMEM, job());
	ATF_CHECK_EQ(0, fdc.reads);
	ATF_CHECK_EQ_MSG(1, nlines, "%s", console);
	ATF_CHECK_EQ_MSG(0, strncmp(console, "fdc0: no buffer of 16384 bytes: ",
	    32), "%s", console);
	ATF_CHECK_MSG(strstr(console, ": wanted 16k, ") != NULL, "%s", console);
	ATF_CHECK_MSG(strstr(console, "hog") != NULL, "%s", console);
	for (i = 0; i < n; i++)
		if (i % 3 != 0)
			ATF_REQUIRE_EQ(0, vm_page_free(taken[i]));
	job_succeeds();
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, read);
	ATF_TP_ADD_TC(tp, attach_fails);
	ATF_TP_ADD_TC(tp, ports_taken);
	ATF_TP_ADD_TC(tp, patience);
	ATF_TP_ADD_TC(tp, no_disk);
	ATF_TP_ADD_TC(tp, silence);
	ATF_TP_ADD_TC(tp, movement);
	ATF_TP_ADD_TC(tp, bad_sector);
	ATF_TP_ADD_TC(tp, bad_transfer);
	ATF_TP_ADD_TC(tp, no_memory);
	return (atf_no_error());
}
