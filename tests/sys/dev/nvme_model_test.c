/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of the NVMe driver against a model of a controller with a disk, for
 * what no emulator does: commands that are never done, completions that are
 * wrong, resets that do not end, capabilities and sizes that make no sense.
 *
 * The model takes addresses only as the specification allows them, and only
 * while it may be master of the bus.
 *
 * Model: NVM Express Base Specification, revision 1.4.
 */

#include <atf-c.h>

#include <sys/bus_dma.h>
#include <sys/device.h>
#include <sys/systm.h>

#include <vm/vm_pool.h>

#include <dev/cksum.h>
#include <dev/mmio.h>
#include <dev/pci/pci.h>

#include "dma_model.h"
#include "driver_model.h"
#include "mmio_model.h"

#define	BLOCK		512U
#define	NBLOCKS		648U
#define	CMB_BASE	UINT64_C(0xfe000000)
#define	CMB_SIZE	0x10000U
#define	PAGE		4096U
#define	SQE		64U
#define	CQE		16U

enum fault {
	NONE,
	HANG,			/* a command is never done */
	REFUSE,			/* it is refused */
	OTHER,			/* another one is said to be done */
	FATAL,			/* the controller says that it has died */
	GONE			/* it has been pulled out */
};

static uint8_t registers[0x2000];
static uint8_t medium[NBLOCKS * BLOCK], before[NBLOCKS * BLOCK];
static uint8_t cmb[CMB_SIZE];

struct queue {
	uint64_t	sq, cq;
	unsigned	sqsize, cqsize, head, tail;
	unsigned	phase;
};

static struct {
	/* What the controller and the disk are like. */
	uint64_t	cap;
	uint32_t	cmbloc, cmbsz;
	unsigned	nqueues;
	uint8_t		mdts, shift;
	uint64_t	blocks;
	uint16_t	metadata;
	char		name[41];

	/* What goes wrong. */
	enum fault	fault;
	unsigned	at;		/* with this command */
	bool		stuck;		/* does not stop */
	bool		stays_down;	/* does not start */
	bool		dies;		/* when it is started */

	/* The state. */
	bool		hung, gone;
	uint32_t	cc, csts, aqa;
	uint64_t	asq, acq, cmbmsc;
	struct queue	queues[3];
	unsigned	commands, in_cmb, longest, resets;
} m;

/*
 * PCI.
 */

const struct mmio_device mmio_device = {
	.md_class = 0x010802,
	.md_size = sizeof(registers),
	.md_registers = registers,
};

int
pci_bar_read(const struct pci_func *f, unsigned i, struct pci_bar *bar)
{

	(void)f;
	memset(bar, 0, sizeof(*bar));
	if (i != 2)
		return (i < PCI_NBAR ? ENXIO : EINVAL);
	bar->pb_base = CMB_BASE;
	bar->pb_size = CMB_SIZE;
	return (0);
}

void *
pci_mapdev(const struct pci_func *f, paddr_t pa, psize_t size)
{

	(void)f;
	ATF_REQUIRE(pa >= CMB_BASE && size <= CMB_SIZE &&
	    pa - CMB_BASE <= CMB_SIZE - size);
	return (cmb + (pa - CMB_BASE));
}

/* Memory as the controller reaches it: nothing crosses a page. */
static uint8_t *
memory(uint64_t pa, uint64_t size, uint64_t align)
{

	return (dma_memory(pa, size, align, PAGE));
}

static const uint8_t *
submission(const struct queue *q)
{

	if (q->sq >= CMB_BASE && q->sq < CMB_BASE + CMB_SIZE) {
		m.in_cmb++;
		return (cmb + (q->sq - CMB_BASE) + q->head * SQE);
	}
	return (memory(q->sq + q->head * SQE, SQE, 4));
}

/*
 * Commands.
 */

/* The data of a command, between data and where its entries point: 4.3. */
static void
move(const uint8_t *sqe, uint8_t *data, uint32_t len, bool to_memory)
{
	uint64_t at = get64(sqe + 24), second = get64(sqe + 32);
	uint32_t n = PAGE - at % PAGE, done, left;
	unsigned i, entries = 0;
	uint8_t *va;

	for (done = 0; done < len; done += n) {
		left = len - done;
		if (done > 0) {
			/* A second page, or a list of all but the first. */
			i = entries - 1;
			at = i == 0 && left <= PAGE ? second :
			    get64(memory(second + 8 * i, 8, 8));
			ATF_REQUIRE_EQ(0, at % PAGE);
			n = PAGE;
		}
		n = n < left ? n : left;
		va = memory(at, n, 4);
		if (to_memory)
			memcpy(va, data + done, n);
		else
			memcpy(data + done, va, n);
		entries++;
	}
	if (entries > m.longest)
		m.longest = entries;
}

static void
identify(const uint8_t *sqe)
{
	uint8_t info[PAGE] = { 0 };

	if (get32(sqe + 40) == 1) {
		memset(info + 24, ' ', 40);
		memcpy(info + 24, m.name, strlen(m.name));
		info[77] = m.mdts;
	} else {
		ATF_REQUIRE(get32(sqe + 40) == 0 && get32(sqe + 4) == 1);
		put32(info, (uint32_t)m.blocks);
		put32(info + 4, (uint32_t)(m.blocks >> 32));
		info[26] = 0x13;		/* format 3 */
		put32(info + 128 + 12, m.metadata | (uint32_t)m.shift << 16);
	}
	move(sqe, info, PAGE, true);
}

/* A queue is made; its base is that of a page. */
static void
create(const uint8_t *sqe, bool is_sq)
{
	unsigned n = get32(sqe + 40) & 0xffff;
	unsigned size = (get32(sqe + 40) >> 16) + 1;
	uint64_t base = get64(sqe + 24);
	struct queue *q = &m.queues[n];

	ATF_REQUIRE(n >= 1 && n <= m.nqueues && n < NITEMS(m.queues));
	ATF_REQUIRE(size <= (m.cap & 0xffff) + 1 && base % PAGE == 0);
	ATF_CHECK_EQ(1, get32(sqe + 44) & 3);	/* contiguous, no interrupts */
	if (is_sq) {
		ATF_REQUIRE_EQ(n, get32(sqe + 44) >> 16);
		ATF_REQUIRE(q->cqsize != 0);
		q->sq = base;
		q->sqsize = size;
		q->head = 0;
	} else {
		q->cq = base;
		q->cqsize = size;
		q->tail = 0;
		q->phase = 1;
	}
}

static void
transfer(const uint8_t *sqe, bool write)
{
	uint64_t block = get64(sqe + 40);
	uint32_t n = (get32(sqe + 48) & 0xffff) + 1;

	ATF_REQUIRE_EQ(1, get32(sqe + 4));
	ATF_REQUIRE(block + n <= m.blocks);
	ATF_REQUIRE(m.mdts == 0 || m.mdts > 9 ||
	    n << m.shift <= PAGE << m.mdts);
	move(sqe, medium + (block << m.shift), n << m.shift, !write);
}

/* => what the completion says besides. */
static uint32_t
perform(unsigned queue, const uint8_t *sqe)
{
	uint8_t opcode = sqe[0];

	if (queue != 0) {
		ATF_REQUIRE(opcode == 1 || opcode == 2);
		transfer(sqe, opcode == 1);
		return (0);
	}
	switch (opcode) {
	case 0x01:
	case 0x05:
		create(sqe, opcode == 0x01);
		return (0);
	case 0x06:
		identify(sqe);
		return (0);
	case 0x09:
		ATF_REQUIRE_EQ(7, sqe[40]);
		return ((m.nqueues - 1) << 16 | (m.nqueues - 1));
	default:
		atf_tc_fail("unexpected command 0x%02x", opcode);
	}
}

static void
complete(struct queue *q, uint32_t result, uint16_t id, uint16_t status)
{
	uint8_t *cqe = memory(q->cq + q->tail * CQE, CQE, 4);

	put32(cqe, result);
	put32(cqe + 12, id | q->phase << 16 | (uint32_t)status << 17);
	if (++q->tail == q->cqsize) {
		q->tail = 0;
		q->phase ^= 1;
	}
}

static void
take(unsigned queue)
{
	struct queue *q = &m.queues[queue];
	const uint8_t *sqe = submission(q);
	uint16_t id = (uint16_t)(get32(sqe) >> 16), status = 0;
	uint32_t result = 0;

	q->head = (q->head + 1) % q->sqsize;
	if (m.fault != NONE && m.commands++ == m.at) {
		switch (m.fault) {
		case HANG:
			m.hung = true;
			return;
		case FATAL:
			m.csts |= 2;
			return;
		case GONE:
			m.gone = true;
			return;
		case REFUSE:
			status = 0x0b;
			break;
		default:
			id ^= 1;
			break;
		}
	} else {
		m.commands += m.fault == NONE;
		result = perform(queue, sqe);
	}
	complete(q, result, id, status);
}

/*
 * Registers.
 */

static void
control(uint32_t v)
{
	bool starts = (v & 1) != 0 && (m.cc & 1) == 0;

	m.cc = v;
	if ((v & 1) == 0 && !m.stuck) {
		m.csts = 0;
		m.resets++;
		memset(m.queues, 0, sizeof(m.queues));
	}
	if (!starts || m.stays_down)
		return;
	m.csts = m.dies ? 2 : 1;
	ATF_CHECK_EQ(0x00460000, v & 0x00fffff0);
	m.queues[0] = (struct queue){
		.sq = m.asq, .cq = m.acq, .phase = 1,
		.sqsize = (m.aqa & 0xfff) + 1, .cqsize = (m.aqa >> 16) + 1,
	};
}

uint32_t
mmio_read32(const volatile uint8_t *regs, unsigned reg)
{

	ATF_REQUIRE(regs == registers);
	now += m.hung ? 10000000 : 1000;
	if (m.gone)
		return (UINT32_MAX);
	switch (reg) {
	case 0x08:
		return (0x10400);
	case 0x1c:
		return (m.csts);
	case 0x38:
		return (m.cmbloc);
	case 0x3c:
		return (m.cmbsz);
	case 0x58:
		return (0);
	default:
		atf_tc_fail("unexpected read of register 0x%x", reg);
	}
}

uint64_t
mmio_read64(const volatile uint8_t *regs, unsigned reg)
{

	ATF_REQUIRE(regs == registers && reg == 0);
	return (m.gone ? UINT64_MAX : m.cap);
}

void
mmio_write64(volatile uint8_t *regs, unsigned reg, uint64_t v)
{
	uint64_t *r;

	ATF_REQUIRE(regs == registers);
	ATF_REQUIRE(reg == 0x28 || reg == 0x30 || reg == 0x50);
	r = reg == 0x28 ? &m.asq : reg == 0x30 ? &m.acq : &m.cmbmsc;
	ATF_CHECK(reg == 0x50 || v % PAGE == 0);
	*r = v;
}

static void
doorbell(unsigned queue, bool is_cq, uint32_t v)
{
	struct queue *q = &m.queues[queue];

	ATF_REQUIRE(queue < NITEMS(m.queues) && q->sqsize != 0);
	ATF_REQUIRE(v < (is_cq ? q->cqsize : q->sqsize));
	while (!is_cq && (m.csts & 3) == 1 && !m.gone && q->head != v)
		take(queue);
}

void
mmio_write32(volatile uint8_t *regs, unsigned reg, uint32_t v)
{
	const unsigned stride = 4U << (m.cap >> 32 & 0xf);

	ATF_REQUIRE(regs == registers);
	if (m.gone)
		return;
	if (reg == 0x14)
		control(v);
	else if (reg == 0x24)
		m.aqa = v;
	else {
		ATF_REQUIRE(reg >= 0x1000 && (reg - 0x1000) % stride == 0);
		reg = (reg - 0x1000) / stride;
		doorbell(reg / 2, reg % 2 != 0, v);
	}
}

/*
 * Tests.
 */

/* A controller that is fine, as is its disk. */
static void
power_on(void)
{

	memset(&m, 0, sizeof(m));
	pci_command = 0;
	mmio_absent = false;
	m.cap = UINT64_C(1) << 37 | 2 << 24 | 0xff;
	m.nqueues = 2;
	m.shift = 9;
	m.blocks = NBLOCKS;
	strcpy(m.name, "Model");
	scratch_disk(medium, sizeof(medium));
	memcpy(before, medium, sizeof(medium));
	memset(cmb, 0x5a, sizeof(cmb));
	clear_console();
}

static int
run(void)
{

	return (driver_run(&nvme_driver));
}

static void
works(void)
{
	size_t half = (size_t)m.blocks / 2 << m.shift;
	size_t size = (size_t)m.blocks << m.shift;
	struct cksum ck;
	char want[32];

	cksum_init(&ck);
	cksum_add(&ck, before, size);
	snprintf(want, sizeof(want), ", cksum %u\n", cksum_end(&ck));
	ATF_REQUIRE_EQ_MSG(0, run(), "%s", console);
	ATF_CHECK_MSG(console_has(want), "%s in %s", want, console);
	ATF_CHECK_MSG(console_has("nvme0: moved "), "%s", console);
	ATF_CHECK_MSG(!console_has("bus_dma:"), "%s", console);
	ATF_CHECK_EQ(0, memcmp(medium, before, half));
	ATF_CHECK_EQ(0, memcmp(medium + half, before, half));
}

/* What works is given back, for the next test. */
static void
ends(uint64_t frames)
{

	m.fault = REFUSE;
	m.at = m.commands;
	job_fails(&nvme_driver, EIO, ": status 0xb\n", frames);
}

ATF_TC_WITHOUT_HEAD(sound);
ATF_TC_BODY(sound, tc)
{
	uint64_t frames;

	driver_model_boot();
	frames = free_frames();
	power_on();
	works();
	ATF_CHECK_MSG(console_has("nvme0 at pci 0:0.0: version 1.4, Model\n"),
	    "%s", console);
	ATF_CHECK_EQ_MSG(81, m.longest, "%u", m.longest);
	ATF_CHECK_EQ(0, m.in_cmb);
	ends(frames);
	/* One queue, 8 KiB at most, doorbells apart, large blocks. */
	power_on();
	m.nqueues = 1;
	m.mdts = 1;
	m.cap |= UINT64_C(2) << 32;
	m.shift = 12;
	m.blocks = NBLOCKS / 8;
	works();
	ATF_CHECK_EQ_MSG(3, m.longest, "%u", m.longest);
	ends(frames);
}

ATF_TC_WITHOUT_HEAD(own_memory);
ATF_TC_BODY(own_memory, tc)
{
	uint64_t frames;
	unsigned i;

	driver_model_boot();
	frames = free_frames();
	for (i = 0; i < 2; i++) {
		power_on();
		m.cmbloc = 2;
		m.cmbsz = 16 << 12 | 1;
		m.cap |= i == 0 ? 0 : UINT64_C(1) << 57;
		works();
		ATF_CHECK(m.in_cmb > 10);
		ATF_CHECK_EQ(i == 0 ? 0 : CMB_BASE | 3, m.cmbmsc);
		ends(frames);
	}
}

/* Whatever it says of its own memory, the disk is read. */
ATF_TC_WITHOUT_HEAD(absurd_memory);
ATF_TC_BODY(absurd_memory, tc)
{
	static const struct {
		uint32_t	loc, sz;
		bool		used;
	} absurd[] = {
		{ 0xffffffff, 0xffffffff, false },	/* no such register */
		{ 3, 1 << 12 | 1, false },
		{ 2 | 16 << 12, 1 << 12 | 1, false },	/* behind its end */
		{ 2 | 15 << 12, UINT32_MAX & ~0xffeU, true }, /* and too big */
		{ 2, 1, false },			/* nothing */
		{ 2, 1 << 12, false },			/* not for queues */
		{ 2 | 1 << 12, 1 << 12 | 0xf00 | 1, false },
		{ 2, 0xfffff000 | 0xf00 | 1, false },
	};
	uint64_t frames;
	unsigned i;

	driver_model_boot();
	frames = free_frames();
	for (i = 0; i < NITEMS(absurd); i++) {
		power_on();
		m.cmbloc = absurd[i].loc;
		m.cmbsz = absurd[i].sz;
		works();
		ATF_CHECK_EQ_MSG(absurd[i].used, m.in_cmb > 0, "%u: %s", i,
		    console);
		ends(frames);
	}
}

/* Each command, from the first to the last, goes wrong. */
static void
each_command(enum fault fault, int wanted, const char *line)
{
	uint64_t frames, began;
	unsigned at, commands;

	driver_model_boot();
	frames = free_frames();
	power_on();
	works();
	commands = m.commands;
	ATF_REQUIRE(commands > 10);
	ends(frames);
	for (at = 0; at < commands; at++) {
		power_on();
		m.fault = fault;
		m.at = at;
		began = now;
		ATF_CHECK_EQ_MSG(wanted, run(), "command %u: %s", at, console);
		ATF_CHECK(now - began < UINT64_C(30000000000));
		ATF_CHECK_MSG(console_has(line) && !console_has("moved "),
		    "command %u: %s", at, console);
		ATF_CHECK_MSG(nlines <= (at < 2 ? 2 : 6), "%s", console);
		nothing_left(frames);
	}
}

ATF_TC_WITHOUT_HEAD(silence);
ATF_TC_BODY(silence, tc)
{

	each_command(HANG, ETIMEDOUT, ": ETIMEDOUT\n");
}

ATF_TC_WITHOUT_HEAD(refused);
ATF_TC_BODY(refused, tc)
{

	each_command(REFUSE, EIO, ": status 0xb\n");
}

ATF_TC_WITHOUT_HEAD(other_command);
ATF_TC_BODY(other_command, tc)
{

	each_command(OTHER, EIO, ": EIO\n");
}

ATF_TC_WITHOUT_HEAD(fatal);
ATF_TC_BODY(fatal, tc)
{

	each_command(FATAL, EIO, ": EIO\n");
}

ATF_TC_WITHOUT_HEAD(gone);
ATF_TC_BODY(gone, tc)
{

	each_command(GONE, EIO, ": EIO\n");
}

static void
not_attached(int error, const char *line)
{

	attach_fails(&nvme_driver, error, line);
	ATF_CHECK_EQ_MSG(line[0] != '\0', nlines, "%s", console);
	power_on();
}

ATF_TC_WITHOUT_HEAD(does_not_start);
ATF_TC_BODY(does_not_start, tc)
{

	driver_model_boot();
	power_on();
	mmio_absent = true;
	not_attached(ENXIO, "");
	m.cap &= ~(UINT64_C(1) << 37);
	not_attached(ENODEV, "capabilities 0x20000ff are not");
	m.cap -= 0xf1;
	not_attached(ENODEV, "capabilities 0x200200000e are not");
	m.cap |= UINT64_C(1) << 48;
	not_attached(ENODEV, "are not supported\n");
	m.cap |= UINT64_C(0xf) << 32;
	not_attached(ENODEV, "are not supported\n");
	m.gone = true;
	not_attached(ENODEV, "are not supported\n");
	m.stuck = true;
	m.csts = 1;
	not_attached(ETIMEDOUT, "nvme0: cannot be reset: ETIMEDOUT\n");
	m.stays_down = true;
	not_attached(EIO, "nvme0: does not start: status 0x0\n");
	m.dies = true;
	not_attached(EIO, "nvme0: does not start: status 0x2\n");
	/* It cannot be stopped either, then: it is kept off memory. */
	m.fault = HANG;
	m.stuck = true;
	not_attached(ETIMEDOUT, "command 0x06 on queue 0: ETIMEDOUT\n");
}

/* What the disk says of itself is not trusted. */
ATF_TC_WITHOUT_HEAD(absurd);
ATF_TC_BODY(absurd, tc)
{
	unsigned shift;

	driver_model_boot();
	for (shift = 0; shift < 256; shift++) {
		if (shift >= 9 && shift <= 12)
			continue;
		power_on();
		m.shift = (uint8_t)shift;
		ATF_CHECK_EQ(ENODEV, run());
		ATF_CHECK_MSG(console_has("of the namespace is not supported"),
		    "%s", console);
	}
	power_on();
	m.metadata = 8;
	ATF_CHECK_EQ(ENODEV, run());
	power_on();
	m.blocks = 0;
	ATF_CHECK_EQ(ENODEV, run());
	ATF_CHECK(console_has("nvme0: no namespace to read\n"));
	power_on();
	m.blocks = UINT64_MAX;
	ATF_CHECK_EQ(ENODEV, run());
	power_on();
	m.mdts = 255;
	strcpy(m.name, "\033[2J%n\200\377" "0123456789012345678901234567890");
	works();
	ATF_CHECK_MSG(console_has(", ?[2J%n??0123456789012345678901234567890"
	    "\n"), "%s", console);
}

ATF_TC_WITHOUT_HEAD(starves);
ATF_TC_BODY(starves, tc)
{

	driver_model_boot();
	power_on();
	m.cmbloc = 2;
	m.cmbsz = 16 << 12 | 1;
	ATF_CHECK(driver_starves(&nvme_driver) > 2);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, sound);
	ATF_TP_ADD_TC(tp, own_memory);
	ATF_TP_ADD_TC(tp, absurd_memory);
	ATF_TP_ADD_TC(tp, silence);
	ATF_TP_ADD_TC(tp, refused);
	ATF_TP_ADD_TC(tp, other_command);
	ATF_TP_ADD_TC(tp, fatal);
	ATF_TP_ADD_TC(tp, gone);
	ATF_TP_ADD_TC(tp, does_not_start);
	ATF_TP_ADD_TC(tp, absurd);
	ATF_TP_ADD_TC(tp, starves);
	return (atf_no_error());
}
