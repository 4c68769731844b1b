/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of vioblk(4), and of the job that all disks have, against a model of a
 * disk that fails, lies or says nothing.
 */

#include <atf-c.h>

#include <sys/device.h>
#include <sys/systm.h>

#include <dev/pci/virtioreg.h>

#include "driver_model.h"
#include "virtio_model.h"

#define	SECTORS		300U
#define	SECTOR		512U
#define	HALF		(SECTORS / 2 * SECTOR)

#define	F_SIZE_MAX	(1U << 1)
#define	F_SEG_MAX	(1U << 2)
#define	F_RO		(1U << 5)
#define	F_BLK_SIZE	(1U << 6)
#define	F_FLUSH		(1U << 9)

static uint8_t disk[SECTORS * SECTOR];
static unsigned ntransfers, nflushes, longest;

/* What is wrong, from the transfer with this number on. */
static unsigned wrong_from;
static enum {
	NOTHING,
	WRONG_BYTE,		/* one of what is read */
	LOST_BYTE,		/* one of what is written */
	STATUS,			/* wrong_status */
	SILENCE,
	WRONG_ID,
	WRONG_LENGTH
} wrong;
static uint8_t wrong_status;

static uint32_t
data_length(const struct model_request *r, unsigned first, unsigned last)
{
	uint32_t len = 0;

	for (; first < last; first++)
		len += r->mr_len[first];
	return (len);
}

/* => the bytes that the device wrote, with the status. */
static uint32_t
transfer(struct model_request *r, bool is_wrong)
{
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} h;
	unsigned first = 1, last = r->mr_n - 1;
	uint32_t len = data_length(r, first, last);
	uint8_t *p;
	bool in;

	ATF_REQUIRE(r->mr_n >= 2 && r->mr_len[0] == sizeof(h));
	ATF_REQUIRE_EQ(1, r->mr_len[last]);
	memcpy(&h, r->mr_at[0], sizeof(h));
	in = h.type == 0;
	*r->mr_at[last] = is_wrong && wrong == STATUS ? wrong_status : 0;
	if (h.type == 4) {
		ATF_REQUIRE_EQ(2, r->mr_n);
		nflushes++;
		return (1);
	}
	ATF_REQUIRE(h.type <= 1 && len > 0 && len % SECTOR == 0);
	ATF_REQUIRE_EQ(in ? 1 : r->mr_n - 1, r->mr_out);
	ATF_REQUIRE(h.sector * SECTOR + len <= sizeof(disk));
	if (r->mr_n - 2 > longest)
		longest = r->mr_n - 2;
	p = disk + h.sector * SECTOR;
	model_copy(r, first, last, 0, p, len, in);
	if (is_wrong && wrong == WRONG_BYTE && in)
		r->mr_at[last - 1][r->mr_len[last - 1] - 1] ^= 1;
	if (is_wrong && wrong == LOST_BYTE && !in)
		p[len - 1] ^= 1;
	return (in ? len + 1 : 1);
}

static void
notified(unsigned queue)
{
	static struct model_request r;
	bool is_wrong;
	uint32_t len;

	ATF_REQUIRE_EQ(0, queue);
	while (model_next(0, &r)) {
		is_wrong = wrong != NOTHING && ++ntransfers > wrong_from;
		len = transfer(&r, is_wrong);
		if (is_wrong && wrong == SILENCE)
			continue;
		if (is_wrong && wrong == WRONG_ID)
			r.mr_id ^= 0x100;
		if (is_wrong && wrong == WRONG_LENGTH)
			len = UINT32_MAX;
		model_done(0, r.mr_id, len);
	}
}

static void
config(unsigned offset, uint32_t v)
{

	memcpy(model.m_config + offset, &v, sizeof(v));
}

/* A disk that may be written to. */
static void
start(void)
{
	unsigned i;

	driver_model_boot();
	model.m_device = VIRTIO_TRANS_BLK;
	model.m_features = F_FLUSH | 0xf0000000;
	model.m_size[0] = 256;
	model.m_ports = 64;
	model.m_notified = notified;
	config(0, SECTORS);
	for (i = 0; i < sizeof(disk); i++)
		disk[i] = (uint8_t)(i * 2654435761U >> 13);
	memcpy(disk, "extant scratch\n", 15);
}

static void
attach(int error)
{

	ATF_REQUIRE_EQ_MSG(error, vioblk_driver.dd_attach(), "%s", console);
	if (error == 0)
		return;
	ATF_CHECK_EQ_MSG(1, nlines, "%s", console);
	model_silent();
}

/* The job fails, with a line that has this in it. */
static void
fails(int error, const char *what)
{

	attach(0);
	ATF_REQUIRE_EQ_MSG(error, vioblk_driver.dd_job(), "%s", console);
	ATF_CHECK_MSG(console_has(what), "%s", console);
	ATF_CHECK(!console_has("vioblk0: wrote"));
	model_silent();
	/* Once more is no better, and no worse. */
	ATF_CHECK_EQ(EIO, vioblk_driver.dd_job());
}

static void
works(void)
{

	attach(0);
	ATF_REQUIRE_EQ_MSG(0, vioblk_driver.dd_job(), "%s", console);
	ATF_CHECK(console_has("vioblk0: wrote 76800 bytes at 76800 in "));
	ATF_CHECK_EQ(0, memcmp(disk, disk + HALF, HALF));
	ATF_CHECK_MSG(!console_has("bus_dma: "), "%s", console);
}

ATF_TC_WITHOUT_HEAD(sound);
ATF_TC_BODY(sound, tc)
{

	start();
	works();
	ATF_CHECK_EQ(F_FLUSH, model.m_driver_features);
	ATF_CHECK_EQ(1, nflushes);
	ATF_CHECK_EQ_MSG(0, vioblk_driver.dd_job(), "%s", console);
	ATF_CHECK_EQ(2, nflushes);
}

ATF_TC_WITHOUT_HEAD(limits);
ATF_TC_BODY(limits, tc)
{

	start();
	model.m_features = F_SEG_MAX | F_SIZE_MAX;
	config(8, 1024);
	config(12, 9);
	works();
	ATF_CHECK_MSG(longest <= 9, "%u segments", longest);
	ATF_CHECK_EQ(0, nflushes);
}

ATF_TC_WITHOUT_HEAD(read_only);
ATF_TC_BODY(read_only, tc)
{
	static uint8_t before[sizeof(disk)];

	start();
	model.m_features = F_RO;
	memcpy(before, disk, sizeof(disk));
	attach(0);
	ATF_CHECK_EQ(0, vioblk_driver.dd_job());
	ATF_CHECK(console_has("vioblk0: cannot be written to"));
	ATF_CHECK_EQ(0, memcmp(before, disk, sizeof(disk)));
}

ATF_TC_WITHOUT_HEAD(wrong_read);
ATF_TC_BODY(wrong_read, tc)
{

	start();
	/* After reading all, reading the half and writing it: it is read. */
	wrong = WRONG_BYTE;
	wrong_from = 3;
	fails(EIO, "vioblk0: byte ");
}

ATF_TC_WITHOUT_HEAD(wrong_write);
ATF_TC_BODY(wrong_write, tc)
{

	start();
	wrong = LOST_BYTE;
	fails(EIO, "vioblk0: byte 153599 is not as written");
}

ATF_TC_WITHOUT_HEAD(status);
ATF_TC_BODY(status, tc)
{

	start();
	wrong = STATUS;
	wrong_status = 2;
	wrong_from = 1;
	fails(EIO, "vioblk0: request 0 at sector 0: status 2");
}

ATF_TC_WITHOUT_HEAD(no_status);
ATF_TC_BODY(no_status, tc)
{

	start();
	wrong = STATUS;
	wrong_status = 0xff;
	fails(EIO, "vioblk0: request 0 at sector 0: status 255");
}

ATF_TC_WITHOUT_HEAD(silence);
ATF_TC_BODY(silence, tc)
{

	start();
	wrong = SILENCE;
	wrong_from = 2;
	fails(ETIMEDOUT, "vioblk0: request 1 at sector 150: ");
}

ATF_TC_WITHOUT_HEAD(deaf);
ATF_TC_BODY(deaf, tc)
{

	start();
	attach(0);
	model.m_stuck = true;
	wrong = SILENCE;
	ATF_CHECK_EQ(ETIMEDOUT, vioblk_driver.dd_job());
	/* It cannot be reset, but it is off the bus. */
	ATF_CHECK(model.m_status != 0);
	model_silent();
}

ATF_TC_WITHOUT_HEAD(lies);
ATF_TC_BODY(lies, tc)
{

	start();
	wrong = WRONG_ID;
	fails(EIO, "vioblk0: queue 0: the device returns what it does not "
	    "have: 256");
}

ATF_TC_WITHOUT_HEAD(long_lies);
ATF_TC_BODY(long_lies, tc)
{

	start();
	wrong = WRONG_LENGTH;
	fails(EIO, "vioblk0: queue 0: the device says it wrote too many "
	    "bytes: 4294967295");
}

/* What is refused when it is attached, one after the other. */
ATF_TC_WITHOUT_HEAD(absurd);
ATF_TC_BODY(absurd, tc)
{
	static const uint16_t sizes[] = { 0, 3, 255, 0xffff };
	unsigned i;

	for (i = 0; i < NITEMS(sizes); i++) {
		start();
		model.m_size[0] = sizes[i];
		attach(ENODEV);
		ATF_CHECK(console_has("vioblk0: queue 0: size "));
	}
	start();
	model.m_ports = 16;
	attach(ENODEV);
	ATF_CHECK(console_has("vioblk0: base address register 0 is of no use"));
	/* No room for the capacity. */
	start();
	model.m_ports = LEGACY_CONFIG + 4;
	attach(ENODEV);
	ATF_CHECK(console_has("configuration ends at 4, 8 is needed"));
	start();
	model.m_features = F_BLK_SIZE;
	config(20, 513);
	attach(ENODEV);
	ATF_CHECK(console_has("vioblk0: blocks of 513 bytes"));
	start();
	model.m_status = 1;
	model.m_stuck = true;
	attach(EIO);
	ATF_CHECK(console_has("vioblk0: cannot be reset"));
}

ATF_TC_WITHOUT_HEAD(no_segments);
ATF_TC_BODY(no_segments, tc)
{

	start();
	model.m_features = F_SEG_MAX | F_SIZE_MAX;
	config(8, 0);
	config(12, 0);
	fails(EOPNOTSUPP, "vioblk0: no transfers in 0 segments of 0 bytes");
}

ATF_TC_WITHOUT_HEAD(tiny_queue);
ATF_TC_BODY(tiny_queue, tc)
{

	start();
	model.m_size[0] = 1;
	fails(EOPNOTSUPP, "vioblk0: no transfers in 0 segments");
}

ATF_TC_WITHOUT_HEAD(starves);
ATF_TC_BODY(starves, tc)
{

	start();
	ATF_CHECK(driver_starves(&vioblk_driver) > 2);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, sound);
	ATF_TP_ADD_TC(tp, limits);
	ATF_TP_ADD_TC(tp, read_only);
	ATF_TP_ADD_TC(tp, wrong_read);
	ATF_TP_ADD_TC(tp, wrong_write);
	ATF_TP_ADD_TC(tp, status);
	ATF_TP_ADD_TC(tp, no_status);
	ATF_TP_ADD_TC(tp, silence);
	ATF_TP_ADD_TC(tp, deaf);
	ATF_TP_ADD_TC(tp, lies);
	ATF_TP_ADD_TC(tp, long_lies);
	ATF_TP_ADD_TC(tp, absurd);
	ATF_TP_ADD_TC(tp, no_segments);
	ATF_TP_ADD_TC(tp, tiny_queue);
	ATF_TP_ADD_TC(tp, starves);
	return (atf_no_error());
}
