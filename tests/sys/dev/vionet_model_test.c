/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of vionet(4) against a model of a card that gets its own frames, and
 * does not always leave them as they are.
 */

#include <atf-c.h>

#include <sys/device.h>
#include <sys/systm.h>

#include <dev/pci/virtioreg.h>

#include "driver_model.h"
#include "virtio_model.h"

#define	HEADER		10U
#define	FRAME_MAX	1514U
#define	RX		0
#define	TX		1
#define	F_MAC		(1U << 5)

static const uint8_t mac[6] = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 };
static unsigned nframes, nforeign;

/* What happens to the frame with this number; the first is the broadcast. */
static unsigned wrong_at;
static enum {
	NOTHING,
	BIT,			/* wrong_byte is changed */
	SHORTER,
	LONGER,
	LOST,
	TWICE,
	NO_HEADER,
	WRONG_ID,
	UNSENT,
	FOREIGN			/* others' frames in between, always */
} wrong;
static unsigned wrong_byte;

static void
give(uint8_t *frame, uint32_t len, uint32_t said)
{
	static struct model_request r;

	ATF_REQUIRE_MSG(model_next(RX, &r), "no room for frame %u", nframes);
	ATF_REQUIRE_EQ(0, r.mr_out);
	ATF_REQUIRE_EQ(HEADER, r.mr_len[0]);
	memset(r.mr_at[0], 0, HEADER);
	model_copy(&r, 1, r.mr_n, 0, frame, len, true);
	model_done(RX, wrong == WRONG_ID && nframes == wrong_at ?
	    UINT32_MAX : r.mr_id, said);
}

static void
foreign(void)
{
	uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 9 };

	nforeign++;
	give(frame, sizeof(frame), HEADER + sizeof(frame));
}

static void
pass(uint8_t *frame, uint32_t len)
{

	if (wrong == FOREIGN && nframes % 3 == 0)
		foreign();
	if (nframes != wrong_at || wrong == NOTHING) {
		give(frame, len, HEADER + len);
		return;
	}
	switch (wrong) {
	case BIT:
		frame[wrong_byte] ^= 0x10;
		break;
	case SHORTER:
		len--;
		break;
	case LONGER:
		frame[len++] = 0;
		break;
	case LOST:
		return;
	case TWICE:
		give(frame, len, HEADER + len);
		break;
	case NO_HEADER:
		give(frame, len, HEADER - 1);
		return;
	default:
		break;
	}
	give(frame, len, HEADER + len);
}

static void
notified(unsigned queue)
{
	static struct model_request r;
	static uint8_t frame[FRAME_MAX + 1];
	uint32_t len;
	unsigned i;

	if (queue != TX)
		return;
	while (model_next(TX, &r)) {
		ATF_REQUIRE_EQ(r.mr_n, r.mr_out);
		ATF_REQUIRE_EQ(HEADER, r.mr_len[0]);
		for (i = 1, len = 0; i < r.mr_n; i++)
			len += r.mr_len[i];
		ATF_REQUIRE(r.mr_n >= 2 && len >= 60 && len <= FRAME_MAX);
		model_copy(&r, 1, r.mr_n, 0, frame, len, false);
		ATF_REQUIRE_EQ(0, memcmp(frame + 6, mac, sizeof(mac)));
		pass(frame, len);
		if (wrong != UNSENT || nframes != wrong_at)
			model_done(TX, r.mr_id, 0);
		nframes++;
	}
}

static void
boot(void)
{

	driver_model_boot();
	model.m_device = VIRTIO_TRANS_NET;
	model.m_features = UINT32_MAX;
	model.m_size[RX] = model.m_size[TX] = 128;
	model.m_ports = 32;
	model.m_notified = notified;
	memcpy(model.m_config, mac, sizeof(mac));
}

static void
start(void)
{

	boot();
	ATF_REQUIRE_EQ_MSG(0, vionet_driver.dd_attach(), "%s", console);
	ATF_CHECK_EQ(F_MAC, model.m_driver_features);
	ATF_CHECK(console_has("02:11:22:33:44:55\n"));
}

static void
works(void)
{

	ATF_REQUIRE_EQ_MSG(0, vionet_driver.dd_job(), "%s", console);
	ATF_CHECK_EQ(1456, nframes);
	ATF_CHECK_MSG(console_has("vionet0: 1455 frames, 1145085 bytes, sent "
	    "and received by vionet0, cksum "), "%s", console);
	ATF_CHECK_MSG(!console_has("bus_dma: "), "%s", console);
}

/* The job fails, with a line that has this in it. */
static void
fails(const char *what)
{

	ATF_REQUIRE_EQ_MSG(EIO, vionet_driver.dd_job(), "%s", console);
	ATF_CHECK_MSG(console_has(what), "%s", console);
	ATF_CHECK(!console_has(" ok\n"));
	model_silent();
	ATF_CHECK_EQ(EIO, vionet_driver.dd_job());
}

ATF_TC_WITHOUT_HEAD(sound);
ATF_TC_BODY(sound, tc)
{

	start();
	works();
	nframes = 0;
	works();
}

ATF_TC_WITHOUT_HEAD(others);
ATF_TC_BODY(others, tc)
{

	start();
	wrong = FOREIGN;
	works();
	ATF_CHECK(nforeign > 400);
}

/* One bit, anywhere in a frame: behind its addresses and type it is found. */
ATF_TC_WITHOUT_HEAD(bit);
ATF_TC_BODY(bit, tc)
{

	start();
	wrong = BIT;
	wrong_at = 701;			/* has 760 bytes */
	wrong_byte = 759;
	fails("vionet0: frame 700 of 760 bytes came to vionet0 with 760 "
	    "bytes, right up to 759\n");
}

ATF_TC_WITHOUT_HEAD(address);
ATF_TC_BODY(address, tc)
{

	start();
	wrong = BIT;
	wrong_at = 1455;
	wrong_byte = 3;
	fails("vionet0: frame 1454 of 1514 bytes does not come to vionet0\n");
}

ATF_TC_WITHOUT_HEAD(shorter);
ATF_TC_BODY(shorter, tc)
{

	start();
	wrong = SHORTER;
	wrong_at = 1;
	fails("vionet0: frame 0 of 60 bytes came to vionet0 with 59 bytes, "
	    "right up to 59\n");
}

ATF_TC_WITHOUT_HEAD(longer);
ATF_TC_BODY(longer, tc)
{

	start();
	wrong = LONGER;
	wrong_at = 100;
	fails("vionet0: frame 99 of 159 bytes came to vionet0 with 160 bytes, "
	    "right up to 159\n");
}

ATF_TC_WITHOUT_HEAD(lost);
ATF_TC_BODY(lost, tc)
{

	/* The last one: else the next is taken for it. */
	start();
	wrong = LOST;
	wrong_at = 1455;
	fails("vionet0: frame 1454 of 1514 bytes does not come to vionet0\n");
}

ATF_TC_WITHOUT_HEAD(twice);
ATF_TC_BODY(twice, tc)
{

	start();
	wrong = TWICE;
	wrong_at = 10;
	fails("vionet0: frame 10 of 70 bytes came to vionet0 with 69 bytes, ");
}

ATF_TC_WITHOUT_HEAD(no_header);
ATF_TC_BODY(no_header, tc)
{

	start();
	wrong = NO_HEADER;
	wrong_at = 20;
	fails("vionet0: 9 bytes are no frame\n");
}

ATF_TC_WITHOUT_HEAD(lies);
ATF_TC_BODY(lies, tc)
{

	start();
	wrong = WRONG_ID;
	wrong_at = 30;
	fails("vionet0: queue 0: the device returns what it does not have: "
	    "4294967295\n");
}

ATF_TC_WITHOUT_HEAD(unsent);
ATF_TC_BODY(unsent, tc)
{

	start();
	wrong = UNSENT;
	wrong_at = 40;
	fails("vionet0: a frame is not sent: ");
}

/* Nothing comes: no failure, and it may be tried again. */
ATF_TC_WITHOUT_HEAD(unconnected);
ATF_TC_BODY(unconnected, tc)
{

	start();
	wrong = LOST;
	ATF_CHECK_EQ(ENODEV, vionet_driver.dd_job());
	ATF_CHECK(console_has("vionet0: no card gets what it sends\n"));
	wrong = NOTHING;
	nframes = 0;
	works();
}

ATF_TC_WITHOUT_HEAD(starves);
ATF_TC_BODY(starves, tc)
{

	boot();
	ATF_CHECK(driver_starves(&vionet_driver) > 2);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, sound);
	ATF_TP_ADD_TC(tp, others);
	ATF_TP_ADD_TC(tp, bit);
	ATF_TP_ADD_TC(tp, address);
	ATF_TP_ADD_TC(tp, shorter);
	ATF_TP_ADD_TC(tp, longer);
	ATF_TP_ADD_TC(tp, lost);
	ATF_TP_ADD_TC(tp, twice);
	ATF_TP_ADD_TC(tp, no_header);
	ATF_TP_ADD_TC(tp, lies);
	ATF_TP_ADD_TC(tp, unsent);
	ATF_TP_ADD_TC(tp, unconnected);
	ATF_TP_ADD_TC(tp, starves);
	return (atf_no_error());
}
