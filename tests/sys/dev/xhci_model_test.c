/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of the xHCI driver against a model of a controller with a disk, for
 * what no emulator does: contexts of 64 bytes, scratchpad buffers, 32 bits of
 * address, stalls, and events and answers that are wrong in all places.
 *
 * The model takes addresses only as the specification allows them, and only
 * while it may be master of the bus.
 *
 * Model: eXtensible Host Controller Interface 1.2, chapters 4 to 6; USB Mass
 * Storage Class, Bulk-Only Transport 1.0.
 */

#include <atf-c.h>

#include <sys/bus_dma.h>
#include <sys/device.h>
#include <sys/systm.h>

#include <dev/cksum.h>
#include <dev/mmio.h>
#include <dev/pci/pci.h>

#include "dma_model.h"
#include "driver_model.h"
#include "mmio_model.h"

#define	BLOCK		512U
#define	NBLOCKS		2600U
#define	BAR_SIZE	0x1000U
#define	CAP		0x40U
#define	RT		0x800U
#define	DB		0xc00U
#define	PORTSC		(CAP + 0x410U)	/* of port 2, that of the disk */
#define	K64		UINT64_C(0x10000)

enum fault {
	NONE, HANG, POINTER, BESIDE, SLOT, KIND, ENDPOINT, CODE, STOP, FLOOD
};

static uint8_t registers[BAR_SIZE];
static uint8_t medium[NBLOCKS * BLOCK], before[NBLOCKS * BLOCK];

struct ring {
	uint64_t	addr;
	uint32_t	cycle;
	bool		halted;
};

static struct model {
	/* What the controller and the disk are like. */
	bool		small;		/* 32 bits of address */
	bool		wide;		/* contexts of 64 bytes */
	unsigned	nscratch;
	uint32_t	pagesize;
	uint32_t	speed;
	uint8_t		config[44];
	uint32_t	blocksize;

	/* What goes wrong. */
	enum fault	fault;
	unsigned	at;		/* with this event */
	bool		reset_hangs;
	unsigned	stalls, fails;	/* so many data stages, commands */
	unsigned	bad_status;	/* of which kind; 0: none */

	/* The state. */
	uint32_t	cmd, sts, portsc;
	uint64_t	crcr, dcbaap, erstba, erdp;
	struct ring	rings[32];	/* 0: of commands */
	uint64_t	event;
	unsigned	nevent, left;
	uint32_t	event_cycle;
	unsigned	events, turns, resets, recovered;

	/* The disk. */
	uint8_t		cbw[31], data[1 << 20];
	bool		expect_data, expect_csw;
	uint32_t	len;
	uint8_t		status, key;
} m;

/*
 * PCI.
 */

const struct mmio_device mmio_device = {
	.md_class = 0x0c0330,
	.md_size = BAR_SIZE,
	.md_registers = registers,
};

int
pci_bar_read(const struct pci_func *f, unsigned i, struct pci_bar *bar)
{

	(void)f;
	ATF_CHECK_EQ(0, i);
	memset(bar, 0, sizeof(*bar));
	bar->pb_size = BAR_SIZE;
	return (0);
}

/*
 * Memory as the controller reaches it.
 */

static uint8_t *
memory(uint64_t pa, uint64_t size, uint64_t align, uint64_t boundary)
{

	ATF_REQUIRE_MSG(!m.small || pa + size <= UINT64_C(1) << 32,
	    "0x%jx of 0x%jx bytes", (uintmax_t)pa, (uintmax_t)size);
	return (dma_memory(pa, size, align, boundary));
}

struct trb {
	uint64_t	where, param;
	uint32_t	status, control;
};

#define	TYPE(t)		((t)->control >> 10 & 0x3f)

/* The next entry of a ring, behind its links.  => false: there is none. */
static bool
fetch(struct ring *r, struct trb *t)
{
	const uint8_t *p;

	for (;;) {
		p = memory(r->addr, 16, 16, K64);
		t->where = r->addr;
		t->param = get64(p);
		t->status = get32(p + 8);
		t->control = get32(p + 12);
		if ((t->control & 1) != r->cycle)
			return (false);
		if (TYPE(t) != 6) {
			r->addr += 16;
			return (true);
		}
		ATF_REQUIRE_EQ(2, t->control & 0x12);
		r->addr = t->param;
		r->cycle ^= 1;
		m.turns++;
	}
}

/*
 * Events.
 */

static void
put_event(uint64_t param, uint32_t status, uint32_t control)
{
	uint8_t *p = memory(m.event, 16, 16, K64);

	put32(p, (uint32_t)param);
	put32(p + 4, (uint32_t)(param >> 32));
	put32(p + 8, status);
	put32(p + 12, control | m.event_cycle);
	m.event += 16;
	if (--m.left == 0) {
		m.event -= 16 * (uint64_t)m.nevent;
		m.left = m.nevent;
		m.event_cycle ^= 1;
	}
}

static void
flood(void)
{

	now += 50000000;
	put_event(2 << 24, 1 << 24, 34 << 10);
}

static void
post(uint64_t pointer, uint32_t code, uint32_t residue, uint32_t control)
{
	enum fault f = m.events++ == m.at ? m.fault : NONE;

	switch (f) {
	case HANG:
		return;
	case STOP:
		m.sts |= 0x5;
		return;
	case FLOOD:
		m.fault = FLOOD;
		m.at = 0;
		flood();
		return;
	case POINTER:
		pointer ^= 0x100000;
		break;
	case BESIDE:
		pointer += 8;
		break;
	case SLOT:
		control ^= 2 << 24;
		break;
	case KIND:
		control ^= 37 << 10;
		break;
	case ENDPOINT:
		if (((control >> 10) & 0x3f) == 32)
			control ^= 8 << 16;
		else
			code = 5;
		break;
	case CODE:
		code = 4;
		break;
	default:
		break;
	}
	put_event(pointer, code << 24 | residue, control);
}

/*
 * Commands.
 */

static unsigned
context_size(void)
{

	return (m.wide ? 64 : 32);
}

/* The rings that an input context adds. */
static void
add_contexts(uint64_t pa, uint32_t wanted)
{
	const unsigned size = context_size();
	const uint8_t *in = memory(pa, 33 * size, 64, 4096);
	uint32_t add = get32(in + 4);
	const uint8_t *c;
	unsigned i, entries = get32(in + size) >> 27;

	ATF_CHECK_EQ(0, get32(in));
	ATF_CHECK_EQ(wanted, add);
	ATF_CHECK_EQ(m.speed, get32(in + size) >> 20 & 0xf);
	ATF_CHECK_EQ(2, get32(in + size + 4) >> 16 & 0xff);
	for (i = 1; i < 32; i++) {
		if ((add >> i & 1) == 0)
			continue;
		ATF_CHECK(i <= entries);
		c = in + (i + 1) * size;
		ATF_CHECK_EQ(i == 1 ? 4 : i & 1 ? 6 : 2,
		    get32(c + 4) >> 3 & 7);
		ATF_CHECK_EQ(i > 1 ? m.speed == 3 ? 512 : 1024 :
		    m.speed == 3 ? 64 : 512, get32(c + 4) >> 16);
		m.rings[i].addr = get64(c + 8) & ~UINT64_C(0xf);
		m.rings[i].cycle = c[8] & 1;
		m.rings[i].halted = false;
	}
}

/* The controller may write all of the device's context. */
static void
write_context(void)
{
	const uint8_t *list = memory(m.dcbaap, 16, 64, 4096);
	const unsigned size = 32 * context_size();

	memset(memory(get64(list + 8), size, 64, 4096), 0x5a, size);
}

/* [XHCI] 4.20: and it has its scratchpad buffers. */
static void
write_scratch(void)
{
	const uint64_t page = (uint64_t)m.pagesize << 12;
	const uint8_t *list;
	unsigned i;

	if (m.nscratch == 0)
		return;
	list = memory(get64(memory(m.dcbaap, 16, 64, 4096)), 8 * m.nscratch,
	    64, 4096);
	for (i = 0; i < m.nscratch; i++)
		memset(memory(get64(list + 8 * i), page, page, page), 0xa5,
		    page);
}

static void
do_command(const struct trb *t)
{
	struct ring *r = &m.rings[t->control >> 16 & 0x1f];
	uint32_t slot = t->control & 0xff000000;

	ATF_CHECK(TYPE(t) == 9 || slot == 1 << 24);
	switch (TYPE(t)) {
	case 9:
		slot = 1 << 24;
		write_scratch();
		break;
	case 10:
		memset(&m.rings[1], 0, 31 * sizeof(m.rings[1]));
		break;
	case 11:
		add_contexts(t->param, 0x3);
		write_context();
		break;
	case 12:
		add_contexts(t->param, 0x19);	/* endpoints 1 in, 2 out */
		write_context();
		break;
	case 14:
		ATF_CHECK(r->halted);
		break;
	case 16:
		ATF_CHECK(r->halted);
		r->addr = t->param & ~UINT64_C(0xf);
		r->cycle = t->param & 1;
		break;
	default:
		atf_tc_fail("unexpected command %u", TYPE(t));
	}
	post(t->where, 1, 0, slot | 33 << 10);
}

/*
 * The disk.
 */

static void
block_command(bool write)
{
	uint32_t lba = (uint32_t)m.cbw[17] << 24 | (uint32_t)m.cbw[18] << 16 |
	    (uint32_t)m.cbw[19] << 8 | m.cbw[20];
	uint32_t n = (uint32_t)m.cbw[22] << 8 | m.cbw[23];

	ATF_REQUIRE(lba + n <= NBLOCKS && n * BLOCK == m.len);
	ATF_CHECK_EQ(write, m.cbw[12] == 0);
	if (write)
		memcpy(medium + lba * BLOCK, m.data, m.len);
	else
		memcpy(m.data, medium + lba * BLOCK, m.len);
}

static void
scsi(void)
{

	memset(m.data, 0, m.cbw[12] != 0 ? m.len : 0);
	m.status = 0;
	if (m.fails > 0 && m.cbw[15] != 0x03) {
		m.fails--;
		m.status = 1;
		return;
	}
	switch (m.cbw[15]) {
	case 0x03:
		m.data[0] = 0x70;
		m.data[2] = m.key;
		break;
	case 0x12:
		memcpy(m.data + 8, "Model   Disk            ", 24);
		break;
	case 0x25:
		m.data[2] = (NBLOCKS - 1) >> 8;
		m.data[3] = (NBLOCKS - 1) & 0xff;
		m.data[6] = (uint8_t)(m.blocksize >> 8);
		m.data[7] = (uint8_t)m.blocksize;
		break;
	case 0x28:
	case 0x2a:
		block_command(m.cbw[15] == 0x2a);
		break;
	case 0x35:
		break;
	default:
		atf_tc_fail("unexpected SCSI command 0x%02x", m.cbw[15]);
	}
}

static void
put_csw(uint8_t *csw)
{

	put32(csw, m.bad_status == 1 ? 0 : 0x53425355);
	put32(csw + 4, get32(m.cbw + 4) + (m.bad_status == 2));
	put32(csw + 8, m.bad_status == 3 ? m.len + 1 :
	    m.bad_status == 4 ? m.len : 0);
	csw[12] = m.bad_status == 5 ? 2 : m.status;
}

/* What a transfer of n bytes meets.  => false: it stalls. */
static bool
device(uint8_t *buf, uint32_t n, bool in)
{

	if (m.expect_data) {
		m.expect_data = false;
		m.expect_csw = true;
		ATF_CHECK(in == (m.cbw[12] != 0) && n == m.len);
		if (m.stalls > 0) {
			m.stalls--;
			m.status = 1;
			return (false);
		}
		if (in)
			memcpy(buf, m.data, n);
		else {
			memcpy(m.data, buf, n);
			scsi();
		}
	} else if (m.expect_csw) {
		ATF_REQUIRE(in && n == 13);
		m.expect_csw = false;
		put_csw(buf);
	} else {
		ATF_REQUIRE(!in && n == 31);
		memcpy(m.cbw, buf, n);
		ATF_CHECK_EQ(0x43425355, get32(m.cbw));
		m.len = get32(m.cbw + 8);
		ATF_REQUIRE(m.len <= sizeof(m.data));
		m.expect_data = m.len != 0;
		m.expect_csw = m.len == 0;
		if (m.cbw[12] != 0 || m.len == 0)
			scsi();
	}
	return (true);
}

static uint8_t bounce[1 << 20];

static void
bulk(unsigned dci)
{
	struct ring *r = &m.rings[dci];
	struct trb t[256];
	unsigned n = 0, i;
	uint32_t size = 0, at = 0, len;
	bool ok;

	do {
		ATF_REQUIRE(n < 256 && fetch(r, &t[n]));
		ATF_CHECK_EQ(1, TYPE(&t[n]));
		len = t[n].status & 0x1ffff;
		memcpy(bounce + size, memory(t[n].param, len, 1, K64), len);
		size += len;
		ATF_REQUIRE(size + K64 <= sizeof(bounce));
	} while ((t[n++].control & 0x10) != 0);
	ATF_CHECK_EQ(0x20, t[n - 1].control & 0x20);
	ATF_CHECK_EQ(0, t[n - 1].status >> 17 & 0x1f);
	ok = device(bounce, size, (dci & 1) != 0);
	for (i = 0; i < n && ok && (dci & 1) != 0; i++, at += len) {
		len = t[i].status & 0x1ffff;
		memcpy(memory(t[i].param, len, 1, K64), bounce + at, len);
	}
	r->halted = !ok;
	post(t[ok ? n - 1 : 0].where, ok ? 1 : 6, 0, 1 << 24 | dci << 16 |
	    32 << 10);
}

static void
control(void)
{
	struct trb setup, data, status;
	uint64_t request;
	uint32_t n;

	ATF_REQUIRE(fetch(&m.rings[1], &setup));
	ATF_CHECK(TYPE(&setup) == 2 && (setup.control & 0x40) != 0);
	request = setup.param;
	n = (uint32_t)(request >> 48);
	switch (request & 0xffff) {
	case 0x0680:
		ATF_REQUIRE(fetch(&m.rings[1], &data) && TYPE(&data) == 3);
		ATF_CHECK_EQ(n, data.status);
		if (n > sizeof(m.config))
			n = sizeof(m.config);
		memcpy(memory(data.param, n, 1, K64), m.config, n);
		break;
	case 0x0900:
		ATF_CHECK_EQ(7, request >> 16);
		break;
	case 0x0102:
		n = request >> 32 & 0x8f;
		n = (n & 0xf) * 2 + (n >> 7);
		ATF_CHECK(m.rings[n].halted);
		m.rings[n].halted = false;
		m.recovered++;
		break;
	default:
		atf_tc_fail("unexpected request 0x%jx", (uintmax_t)request);
	}
	ATF_REQUIRE(fetch(&m.rings[1], &status) && TYPE(&status) == 4);
	post(status.where, 1, 0, 1 << 24 | 1 << 16 | 32 << 10);
}

/*
 * Registers.
 */

static void
doorbell(unsigned slot, uint32_t v)
{
	struct trb t;

	ATF_REQUIRE_EQ(1, m.cmd & 1);
	if (slot == 0) {
		ATF_CHECK_EQ(0, v);
		ATF_REQUIRE(fetch(&m.rings[0], &t));
		do_command(&t);
		return;
	}
	ATF_REQUIRE(slot == 1 && v > 0 && v < 32 && !m.rings[v].halted);
	if (v == 1)
		control();
	else
		bulk(v);
}

static void
controller_reset(void)
{

	m.resets++;
	m.sts = 1;
	m.portsc = 0x201 | m.speed << 10;
	memset(m.rings, 0, sizeof(m.rings));
	m.expect_data = m.expect_csw = false;
}

static void
controller_run(void)
{
	const uint8_t *erst = memory(m.erstba, 16, 64, K64);

	m.sts &= ~1U;
	m.event = get64(erst);
	m.nevent = m.left = get32(erst + 8);
	ATF_REQUIRE(m.nevent >= 16 && m.nevent <= 4096);
	(void)memory(m.event, 16 * (uint64_t)m.nevent, 64, K64);
	ATF_CHECK_EQ(m.event, m.erdp & ~UINT64_C(0xf));
	m.event_cycle = 1;
	m.rings[0].addr = m.crcr & ~UINT64_C(0x3f);
	m.rings[0].cycle = m.crcr & 1;
}

uint32_t
mmio_read32(const volatile uint8_t *regs, unsigned reg)
{
	unsigned at = (unsigned)(regs - registers) + reg;

	/* What is awaited in vain takes seconds. */
	now += m.fault == HANG && m.events > m.at ? 1000000 : 1000;
	switch (at) {
	case 0x00:
		return (0x01100000 | CAP);
	case 0x04:
		return (0x03000108);		/* 3 ports, 8 slots */
	case 0x08:
		return (m.nscratch << 27 | (m.nscratch >> 5) << 21);
	case 0x10:
		return ((m.small ? 0 : 1) | (m.wide ? 4 : 0));
	case 0x14:
		return (DB);
	case 0x18:
		return (RT);
	case CAP + 0x00:
		return (m.cmd);
	case CAP + 0x04:
		return (m.sts);
	case CAP + 0x08:
		return (m.pagesize);
	case PORTSC - 0x10:
	case PORTSC + 0x10:
		return (0x2a0);
	case PORTSC:
		return (m.portsc);
	default:
		atf_tc_fail("unexpected read of register 0x%x", at);
	}
}

static void
write_half(uint64_t *reg, bool high, uint32_t v)
{

	if (high)
		*reg = (*reg & UINT32_MAX) | (uint64_t)v << 32;
	else
		*reg = v;
}

static void
write_cmd(uint32_t v)
{

	if ((v & 2) != 0) {
		ATF_CHECK_EQ(1, m.sts & 1);
		m.cmd = m.reset_hangs ? 2 : 0;
		controller_reset();
	} else if ((v & 1) != 0) {
		m.cmd = 1;
		controller_run();
	} else {
		m.cmd = 0;
		m.sts |= 1;
	}
}

void
mmio_write32(volatile uint8_t *regs, unsigned reg, uint32_t v)
{
	unsigned at = (unsigned)(regs - registers) + reg;

	switch (at) {
	case CAP + 0x00:
		write_cmd(v);
		break;
	case CAP + 0x18:
	case CAP + 0x1c:
		write_half(&m.crcr, at == CAP + 0x1c, v);
		break;
	case CAP + 0x30:
	case CAP + 0x34:
		write_half(&m.dcbaap, at == CAP + 0x34, v);
		break;
	case CAP + 0x38:
		ATF_CHECK_EQ(1, v);
		break;
	case PORTSC:
		ATF_CHECK_EQ(0, v & 2);
		if ((v & 0x10) != 0)
			m.portsc |= 0x200002;
		m.portsc &= ~(v & 0xfe0000);
		break;
	case RT + 0x28:
		ATF_CHECK_EQ(1, v);
		break;
	case RT + 0x30:
	case RT + 0x34:
		write_half(&m.erstba, at == RT + 0x34, v);
		break;
	case RT + 0x38:
	case RT + 0x3c:
		write_half(&m.erdp, at == RT + 0x3c, v);
		if (at == RT + 0x3c && m.fault == FLOOD && m.at == 0 &&
		    m.events > 0)
			flood();
		break;
	case DB:
	case DB + 4:
		doorbell((at - DB) / 4, v);
		break;
	default:
		atf_tc_fail("unexpected write of register 0x%x", at);
	}
}

/*
 * Tests.
 */

/* An interface before the disk's, and two endpoints: 1 in, 2 out. */
static const uint8_t descriptors[44] = {
	9, 2, 44, 0, 2, 7, 0, 0x80, 50,
	9, 4, 0, 0, 0, 3, 1, 1, 0,
	9, 4, 1, 0, 2, 8, 6, 0x50, 0,
	7, 5, 0x81, 2, 0, 4, 0,
	7, 5, 0x02, 2, 0, 4, 0,
	3, 99, 1,
};

/* What the model is like at first: all well. */
static void
power_on(void)
{

	memset(&m, 0, sizeof(m));
	m.pagesize = 1;
	m.speed = 4;
	m.blocksize = BLOCK;
	m.at = UINT32_MAX;
	m.sts = 1;
	memcpy(m.config, descriptors, sizeof(m.config));
	scratch_disk(medium, sizeof(medium));
	memcpy(before, medium, sizeof(medium));
	clear_console();
}

static int
run(void)
{

	return (driver_run(&xhci_driver));
}

static void
check_copied(void)
{
	const size_t half = sizeof(medium) / 2;
	char sum[32];
	struct cksum ck;

	cksum_init(&ck);
	cksum_add(&ck, before, sizeof(before));
	(void)snprintf(sum, sizeof(sum), "cksum %u\n", cksum_end(&ck));
	ATF_CHECK_MSG(console_has(sum), "%s not in %s", sum, console);
	ATF_CHECK_EQ(0, memcmp(medium, before, half));
	ATF_CHECK_EQ(0, memcmp(medium + half, before, half));
	ATF_CHECK_MSG(!console_has("bus_dma:"), "%s", console);
}

ATF_TC(limits);
ATF_TC_HEAD(limits, tc)
{

	atf_tc_set_md_var(tc, "descr", "32 bits of address, wide contexts, "
	    "scratchpad buffers of large pages, rings that turn");
}
ATF_TC_BODY(limits, tc)
{
	unsigned i;

	(void)tc;
	driver_model_boot();
	power_on();
	m.small = m.wide = true;
	m.nscratch = 37;
	m.pagesize = 4;
	ATF_REQUIRE_EQ_MSG(0, run(), "%s", console);
	check_copied();
	ATF_CHECK(console_has(": xHCI 1.10, 32 bits of address, 37 scratchpad "
	    "buffers, port 2, super speed: Model Disk, 2600 blocks of 512\n"));
	ATF_CHECK(console_has("below 0x100000000, align 64, boundary 65536, "
	    "contiguous 16384"));
	for (i = 0; i < 5; i++) {
		memcpy(medium, before, sizeof(medium));
		ATF_REQUIRE_EQ(0, xhci_driver.dd_job());
		check_copied();
		clear_console();
	}
	ATF_CHECK(m.turns >= 10);
}

ATF_TC(high_speed);
ATF_TC_HEAD(high_speed, tc)
{

	atf_tc_set_md_var(tc, "descr", "64 bits of address, high speed");
}
ATF_TC_BODY(high_speed, tc)
{

	(void)tc;
	driver_model_boot();
	power_on();
	m.speed = 3;
	m.config[27 + 5] = m.config[34 + 5] = 2;
	ATF_REQUIRE_EQ_MSG(0, run(), "%s", console);
	check_copied();
}

ATF_TC(stalls);
ATF_TC_HEAD(stalls, tc)
{

	atf_tc_set_md_var(tc, "descr", "Data stages that stall, commands that "
	    "fail, a disk that was reset");
}
ATF_TC_BODY(stalls, tc)
{

	(void)tc;
	driver_model_boot();
	power_on();
	m.stalls = 1;
	m.key = 3;
	ATF_REQUIRE_EQ_MSG(0, run(), "%s", console);
	check_copied();
	ATF_CHECK(console_has("xhci0: INQUIRY at block 0: sense key 3, code "
	    "00/00\n"));
	ATF_CHECK_EQ(1, m.recovered);
	/* One in the job, then as many as are too many. */
	memcpy(medium, before, sizeof(medium));
	clear_console();
	m.stalls = 1;
	ATF_REQUIRE_EQ(0, xhci_driver.dd_job());
	check_copied();
	ATF_CHECK_EQ(2, m.recovered);
	m.fails = 4;
	m.key = 6;
	clear_console();
	ATF_REQUIRE_EQ(0, xhci_driver.dd_job());
	ATF_CHECK(!console_has("sense key"));
	m.fails = 2;
	m.key = 3;
	ATF_CHECK_EQ(EIO, xhci_driver.dd_job());
	ATF_CHECK_EQ(0, pci_command & PCI_COMMAND_MASTER);
	ATF_CHECK_EQ(EIO, xhci_driver.dd_job());
}

/* Each event in turn is wrong: one line, and all is given back. */
static void
each_event(enum fault fault, int wanted)
{
	unsigned at, events;
	uint64_t frames;
	int error;

	driver_model_boot();
	power_on();
	ATF_REQUIRE_EQ(0, run());
	events = m.events;
	ATF_REQUIRE(events > 30);
	/* What it keeps is given back now. */
	m.bad_status = 1;
	ATF_REQUIRE_EQ(EIO, xhci_driver.dd_job());
	frames = free_frames();
	for (at = 0; at < events; at++) {
		power_on();
		m.fault = fault;
		m.at = at;
		error = run();
		ATF_CHECK_MSG(error == wanted || (fault == ENDPOINT &&
		    error == EIO), "event %u: %d\n%s", at, error, console);
		ATF_CHECK_MSG(nlines <= 4 && !console_has("moved "), "%s",
		    console);
		ATF_CHECK_EQ(2, m.resets);
		nothing_left(frames);
	}
}

#define	EVENT_TEST(name, fault, wanted, text)				\
ATF_TC(name);								\
ATF_TC_HEAD(name, tc)							\
{									\
									\
	atf_tc_set_md_var(tc, "descr", "%s", text);			\
}									\
ATF_TC_BODY(name, tc)							\
{									\
									\
	(void)tc;							\
	each_event(fault, wanted);					\
}

EVENT_TEST(silence, HANG, ETIMEDOUT, "No event comes")
EVENT_TEST(wrong_pointer, POINTER, EIO, "An event points elsewhere")
EVENT_TEST(odd_pointer, BESIDE, EIO, "An event points into an entry")
EVENT_TEST(wrong_slot, SLOT, EIO, "An event is of another slot")
EVENT_TEST(wrong_kind, KIND, EIO, "An event is of another kind")
EVENT_TEST(wrong_endpoint, ENDPOINT, EIO, "An event is of another endpoint")
EVENT_TEST(wrong_code, CODE, EIO, "An event tells of an error")
EVENT_TEST(stopped, STOP, EIO, "The controller stops")
EVENT_TEST(flooded, FLOOD, ETIMEDOUT, "Events of ports come without end")

ATF_TC(bad_status);
ATF_TC_HEAD(bad_status, tc)
{

	atf_tc_set_md_var(tc, "descr", "What comes after a command is no "
	    "status");
}
ATF_TC_BODY(bad_status, tc)
{
	unsigned i;

	(void)tc;
	driver_model_boot();
	for (i = 1; i <= 5; i++) {
		power_on();
		m.bad_status = i;
		ATF_CHECK_EQ(EIO, run());
		ATF_CHECK_EQ_MSG(1, nlines, "%s", console);
		ATF_CHECK(i == 4 ? console_has("8 bytes of 8 were not moved") :
		    console_has("INQUIRY: no valid status: "));
		ATF_CHECK_EQ(0, pci_command & PCI_COMMAND_MASTER);
	}
}

ATF_TC(bad_device);
ATF_TC_HEAD(bad_device, tc)
{

	atf_tc_set_md_var(tc, "descr", "Descriptors and sizes that make no "
	    "sense");
}
ATF_TC_BODY(bad_device, tc)
{
	unsigned i, j;
	int error;

	(void)tc;
	driver_model_boot();
	for (i = 0; i < sizeof(descriptors); i++) {
		/* The endpoints' numbers and bursts may be others. */
		if (i == 29 || i == 36)
			continue;
		for (j = 0; j < 2; j++) {
			power_on();
			m.config[i] = j == 0 ? 0 : 0xff;
			/* The model knows one number of configuration. */
			if (i == 5)
				m.config[i] = 7;
			error = run();
			ATF_CHECK_MSG(error == 0 || error == ENODEV, "%u: %d "
			    "%s", i, error, console);
		}
	}
	for (i = 0; i < 4; i++) {
		power_on();
		m.blocksize = (uint32_t[]){ 0, 256, 520, 8192 }[i];
		ATF_CHECK_EQ(EOPNOTSUPP, run());
		ATF_CHECK_EQ(1, nlines);
	}
}

ATF_TC(bad_controller);
ATF_TC_HEAD(bad_controller, tc)
{

	atf_tc_set_md_var(tc, "descr", "A reset that does not end, too many "
	    "scratchpad buffers, no memory for them, no page size");
}
ATF_TC_BODY(bad_controller, tc)
{
	uint64_t frames;

	(void)tc;
	driver_model_boot();
	power_on();
	m.reset_hangs = true;
	ATF_CHECK_EQ(ETIMEDOUT, run());
	ATF_CHECK(nlines == 1 && console_has("xhci0: cannot be reset: "));
	ATF_CHECK_EQ(0, pci_command & PCI_COMMAND_MASTER);
	power_on();
	m.pagesize = 0;
	ATF_CHECK_EQ(ENODEV, run());
	ATF_CHECK_EQ(1, nlines);
	power_on();
	m.nscratch = 1023;
	ATF_CHECK_EQ(EOPNOTSUPP, run());
	ATF_CHECK_EQ(1, nlines);
	frames = free_frames();
	power_on();
	m.small = true;
	m.nscratch = 512;
	m.pagesize = 16;
	ATF_CHECK_EQ(ENOMEM, run());
	ATF_CHECK(console_has("xhci0: no buffer of 65536 bytes: ENOMEM: "
	    "wanted 64k, "));
	ATF_CHECK_EQ(1, nlines);
	ATF_CHECK_EQ(frames, free_frames());
}

ATF_TC(starves);
ATF_TC_HEAD(starves, tc)
{

	atf_tc_set_md_var(tc, "descr", "There is no memory, or too little");
}
ATF_TC_BODY(starves, tc)
{

	(void)tc;
	driver_model_boot();
	power_on();
	m.nscratch = 5;
	ATF_CHECK(driver_starves(&xhci_driver) > 2);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, limits);
	ATF_TP_ADD_TC(tp, high_speed);
	ATF_TP_ADD_TC(tp, stalls);
	ATF_TP_ADD_TC(tp, silence);
	ATF_TP_ADD_TC(tp, wrong_pointer);
	ATF_TP_ADD_TC(tp, odd_pointer);
	ATF_TP_ADD_TC(tp, wrong_slot);
	ATF_TP_ADD_TC(tp, wrong_kind);
	ATF_TP_ADD_TC(tp, wrong_endpoint);
	ATF_TP_ADD_TC(tp, wrong_code);
	ATF_TP_ADD_TC(tp, stopped);
	ATF_TP_ADD_TC(tp, flooded);
	ATF_TP_ADD_TC(tp, bad_status);
	ATF_TP_ADD_TC(tp, bad_device);
	ATF_TP_ADD_TC(tp, bad_controller);
	ATF_TP_ADD_TC(tp, starves);
	return (atf_no_error());
}
