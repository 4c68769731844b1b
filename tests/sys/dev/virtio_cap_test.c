/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of how the capabilities of virtio devices are read: of sound ones, of
 * each that makes no sense, and of random ones.
 */

#include <atf-c.h>
#include <stdarg.h>
#include <stdlib.h>

#include <sys/systm.h>

#include <dev/pci/virtio_cap.h>
#include <dev/pci/virtioreg.h>

/* Base address registers: ports, none, memory below and above 4 GiB. */
static const struct pci_bar bars[PCI_NBAR] = {
	[0] = { .pb_base = 0xc000, .pb_size = 0x80, .pb_io = true },
	[1] = { .pb_base = 0xfebf1000, .pb_size = 0x1000 },
	[4] = { .pb_base = UINT64_C(0x8000000000), .pb_size = 0x4000,
	    .pb_64 = true },
};

static uint8_t space[256];
static const struct pci_func func;
static unsigned nlines, reads;
static char lastline[256];

int
console_printf(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(lastline, sizeof(lastline), fmt, ap);
	va_end(ap);
	nlines++;
	return (n);
}

uint32_t
pci_read(const struct pci_func *f, unsigned reg)
{
	uint32_t v;

	ATF_REQUIRE_EQ(&func, f);
	ATF_REQUIRE_MSG(reg % 4 == 0 && reg < sizeof(space), "reg 0x%x", reg);
	reads++;
	memcpy(&v, space + reg, sizeof(v));
	return (v);
}

int
pci_bar_read(const struct pci_func *f, unsigned i, struct pci_bar *bar)
{

	ATF_REQUIRE_EQ(&func, f);
	if (i >= PCI_NBAR)
		return (EINVAL);
	*bar = bars[i];
	return (bar->pb_size == 0 ? ENXIO : 0);
}

static void
put32(unsigned at, uint32_t v)
{

	memcpy(space + at, &v, sizeof(v));
}

/* A capability, and the next one's place. */
static void
put_cap(unsigned at, unsigned next, uint8_t type, uint8_t bar, uint32_t offset,
    uint32_t length)
{

	space[at] = CAP_VENDOR;
	space[at + 1] = (uint8_t)next;
	space[at + 2] = 16;
	space[at + CAP_CFG_TYPE] = type;
	space[at + CAP_BAR] = bar;
	put32(at + CAP_OFFSET, offset);
	put32(at + CAP_LENGTH, length);
}

/* What a usual device has, in a list with others' capabilities. */
static void
sound(void)
{

	memset(space, 0, sizeof(space));
	space[PCI_COMMAND + 2] = 0x10;
	space[0x34] = 0x98;
	space[0x98] = 0x11;		/* MSI-X */
	space[0x99] = 0x84;
	put_cap(0x84, 0x70, 5, 0, 0, 0);
	put_cap(0x70, 0x60, CAP_NOTIFY, 4, 0x3000, 0x1000);
	put32(0x70 + CAP_NOTIFY_MULT, 4);
	put_cap(0x60, 0x50, CAP_DEVICE, 4, 0x2000, 0x1000);
	put_cap(0x50, 0x40, 3, 4, 0x1000, 0x1000);
	put_cap(0x40, 0, CAP_COMMON, 4, 0, 0x1000);
	nlines = reads = 0;
}

static int
caps_read(struct virtio_caps *caps)
{

	return (virtio_caps_read(&func, "vio0", caps));
}

/* The list is refused with one line that has this in it. */
static void
refused_line(int line, const char *what)
{
	struct virtio_caps caps;

	ATF_CHECK_EQ_MSG(EINVAL, caps_read(&caps), "line %d", line);
	ATF_CHECK_EQ_MSG(1, nlines, "line %d: %u lines", line, nlines);
	ATF_CHECK_MSG(strncmp(lastline, "vio0: ", 6) == 0 &&
	    strstr(lastline, what) != NULL, "line %d: %s", line, lastline);
	sound();
}

#define	REFUSED(what)	refused_line(__LINE__, what)

/* It is not refused, and there is nothing that can be used. */
static void
nothing_line(int line)
{
	struct virtio_caps caps;

	ATF_CHECK_EQ_MSG(ENOENT, caps_read(&caps), "line %d", line);
	ATF_CHECK_EQ_MSG(0, nlines, "line %d: %s", line, lastline);
	sound();
}

#define	NOTHING()	nothing_line(__LINE__)

ATF_TC_WITHOUT_HEAD(usual);
ATF_TC_BODY(usual, tc)
{
	struct virtio_caps caps;

	sound();
	ATF_REQUIRE_EQ(0, caps_read(&caps));
	ATF_CHECK_EQ(bars[4].pb_base, caps.vc_common.vr_addr);
	ATF_CHECK_EQ(0x1000, caps.vc_common.vr_length);
	ATF_CHECK_EQ(bars[4].pb_base + 0x2000, caps.vc_device.vr_addr);
	ATF_CHECK_EQ(bars[4].pb_base + 0x3000, caps.vc_notify.vr_addr);
	ATF_CHECK_EQ(4, caps.vc_notify_mult);
	ATF_CHECK_EQ(0, nlines);
	/* Nothing of its own; the smallest, at the very end. */
	space[0x61] = 0x40;
	space[0x71] = 0x40;
	put_cap(0x40, 0, CAP_COMMON, 1, 0x1000 - COMMON_SIZE, COMMON_SIZE);
	ATF_REQUIRE_EQ(0, caps_read(&caps));
	ATF_CHECK_EQ(bars[1].pb_base + 0x1000 - COMMON_SIZE,
	    caps.vc_common.vr_addr);
	ATF_CHECK_EQ(COMMON_SIZE, caps.vc_common.vr_length);
	ATF_CHECK_EQ(0, caps.vc_device.vr_length);
	/* Of two, the first that is in memory. */
	sound();
	put_cap(0x84, 0x70, CAP_NOTIFY, 0, 0, 2);
	put_cap(0x50, 0x40, CAP_NOTIFY, 1, 0, 2);
	ATF_REQUIRE_EQ(0, caps_read(&caps));
	ATF_CHECK_EQ(bars[4].pb_base + 0x3000, caps.vc_notify.vr_addr);
}

ATF_TC_WITHOUT_HEAD(nonsense);
ATF_TC_BODY(nonsense, tc)
{

	sound();
	put32(0x40 + CAP_OFFSET, 0x4000);
	REFUSED("type 1 at 0x40: 0x1000 bytes at 0x4000 of the 0x4000 of");
	put32(0x40 + CAP_OFFSET, 0x3004);
	REFUSED("0x1000 bytes at 0x3004 ");
	put32(0x60 + CAP_OFFSET, 0xfffff000);
	REFUSED("type 4 at 0x60: 0x1000 bytes at 0xfffff000 ");
	put32(0x60 + CAP_LENGTH, 0xffffffff);
	REFUSED("0xffffffff bytes at 0x2000 ");
	put32(0x70 + CAP_LENGTH, 0x1001);
	REFUSED("type 2 at 0x70: 0x1001 bytes");
	/* Too small, or not aligned. */
	put32(0x40 + CAP_LENGTH, COMMON_SIZE - 1);
	REFUSED("0x37 bytes");
	put32(0x40 + CAP_OFFSET, 2);
	REFUSED("at 0x2 ");
	put32(0x70 + CAP_LENGTH, 1);
	REFUSED("0x1 bytes");
	put32(0x70 + CAP_OFFSET, 0x2fff);
	REFUSED("at 0x2fff ");
	put32(0x60 + CAP_LENGTH, 0);
	REFUSED("0x0 bytes");
	/* One without the other. */
	space[0x40] = 0x11;
	REFUSED("no capability of type 1");
	space[0x70 + CAP_BAR] = 0;
	REFUSED("no capability of type 2");
}

ATF_TC_WITHOUT_HEAD(lists);
ATF_TC_BODY(lists, tc)
{
	struct virtio_caps caps;

	sound();
	space[PCI_COMMAND + 2] = 0;
	NOTHING();
	space[0x34] = 0;
	NOTHING();
	/* Into the header. */
	space[0x34] = 0x3c;
	NOTHING();
	/* Round and round, around them and through them. */
	space[0x99] = 0x98;
	NOTHING();
	space[0x41] = 0x98;
	ATF_CHECK_EQ(0, caps_read(&caps));
	ATF_CHECK_MSG(reads < 5000, "%u reads", reads);
	sound();
	/* Beyond the end of the space. */
	space[0x34] = 0xfc;
	space[0xfc] = CAP_VENDOR;
	NOTHING();
	put_cap(0xf0, 0x98, 3, 4, 0, 0);
	space[0x34] = 0xf0;
	space[0xf0 + CAP_CFG_TYPE] = CAP_NOTIFY;
	put32(0xf0 + CAP_LENGTH, 1);
	ATF_CHECK_EQ_MSG(0, caps_read(&caps), "%s", lastline);
	/* Base address registers that there are not. */
	sound();
	space[0x40 + CAP_BAR] = space[0x70 + CAP_BAR] = 6;
	space[0x60 + CAP_BAR] = 255;
	NOTHING();
	space[0x40 + CAP_BAR] = space[0x70 + CAP_BAR] = 2;
	NOTHING();
}

ATF_TC_WITHOUT_HEAD(notify);
ATF_TC_BODY(notify, tc)
{
	struct virtio_caps caps = {
		.vc_notify = { 0x1000, 0x100 }, .vc_notify_mult = 4
	};

	ATF_CHECK_EQ(0x1000, virtio_caps_notify(&caps, 0));
	ATF_CHECK_EQ(0x10fc, virtio_caps_notify(&caps, 0x3f));
	ATF_CHECK_EQ(0, virtio_caps_notify(&caps, 0x40));
	ATF_CHECK_EQ(0, virtio_caps_notify(&caps, UINT16_MAX));
	caps.vc_notify_mult = 0;
	ATF_CHECK_EQ(0x1000, virtio_caps_notify(&caps, UINT16_MAX));
	caps.vc_notify_mult = UINT32_MAX;
	ATF_CHECK_EQ(0, virtio_caps_notify(&caps, 1));
	caps.vc_notify_mult = 0x80000000;
	ATF_CHECK_EQ(0, virtio_caps_notify(&caps, 2));
	caps.vc_notify_mult = 1;
	ATF_CHECK_EQ(0, virtio_caps_notify(&caps, 3));
	ATF_CHECK_EQ(0x10fe, virtio_caps_notify(&caps, 0xfe));
	caps.vc_notify.vr_length = 2;
	ATF_CHECK_EQ(0x1000, virtio_caps_notify(&caps, 0));
	ATF_CHECK_EQ(0, virtio_caps_notify(&caps, 2));
}

/* Lies a region in a base address register of memory? */
static bool
inside(const struct virtio_region *r)
{
	unsigned i;

	for (i = 0; i < PCI_NBAR; i++) {
		if (!bars[i].pb_io && r->vr_addr >= bars[i].pb_base &&
		    r->vr_addr + r->vr_length <=
		    bars[i].pb_base + bars[i].pb_size)
			return (true);
	}
	return (r->vr_length == 0);
}

ATF_TC_WITHOUT_HEAD(random);
ATF_TC_BODY(random, tc)
{
	unsigned found[2] = { 0, 0 }, i, n;
	struct virtio_caps caps;
	int error;

	srand(1);
	for (n = 0; n < 20000; n++) {
		sound();
		for (i = 1 + (unsigned)rand() % 6; i > 0; i--)
			space[0x34 + (unsigned)rand() % (256 - 0x34)] =
			    (uint8_t)(1U << rand() % 8);
		error = caps_read(&caps);
		ATF_REQUIRE_EQ(error == EINVAL ? 1 : 0, nlines);
		ATF_REQUIRE_MSG(reads < 5000, "%u reads", reads);
		found[error != 0]++;
		if (error != 0)
			continue;
		ATF_REQUIRE(inside(&caps.vc_common));
		ATF_REQUIRE(inside(&caps.vc_device));
		ATF_REQUIRE(inside(&caps.vc_notify));
		ATF_REQUIRE(caps.vc_common.vr_length >= COMMON_SIZE);
		ATF_REQUIRE(caps.vc_notify.vr_length >= 2);
	}
	ATF_CHECK_MSG(found[0] > 1000 && found[1] > 1000, "%u good, %u bad",
	    found[0], found[1]);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, usual);
	ATF_TP_ADD_TC(tp, nonsense);
	ATF_TP_ADD_TC(tp, lists);
	ATF_TP_ADD_TC(tp, notify);
	ATF_TP_ADD_TC(tp, random);
	return (atf_no_error());
}
