/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The capabilities of modern virtio devices.
 *
 * Sources: [VIRTIO] Virtual I/O Device (VIRTIO) Version 1.1, section 4.1.4;
 * [PCI] PCI Local Bus Specification, revision 3.0, section 6.7.
 */

#include <sys/systm.h>

#include <dev/pci/virtio_cap.h>
#include <dev/pci/virtioreg.h>

/* [PCI] 6.7: a list from a pointer on, behind the header of 64 bytes. */
#define	PCI_STATUS_CAPS		((uint32_t)0x10 << 16)
#define	PCI_CAPS		0x34
#define	CAPS_FIRST		0x40U
#define	CAPS_MAX		((256 - CAPS_FIRST) / 4) /* in a list */

#define	CAP_SIZE		16U	/* [VIRTIO] 4.1.4 */
#define	CAP_NOTIFY_SIZE		20U	/* 4.1.4.4 */

static uint8_t
read8(const struct pci_func *f, unsigned reg)
{

	return ((uint8_t)(pci_read(f, reg & ~3U) >> 8 * (reg & 3)));
}

/*
 * Which region a capability is about.  => NULL: none that is used, or known
 * already.
 */
static struct virtio_region *
region_of(struct virtio_caps *caps, uint8_t type)
{
	struct virtio_region *r;

	switch (type) {
	case CAP_COMMON:
		r = &caps->vc_common;
		break;
	case CAP_NOTIFY:
		r = &caps->vc_notify;
		break;
	case CAP_DEVICE:
		r = &caps->vc_device;
		break;
	default:
		return (NULL);
	}
	return (r->vr_length == 0 ? r : NULL);
}

/*
 * The least that a region must have, and how it must be aligned: 4.1.4.3 to
 * 4.1.4.6.
 */
static bool
makes_sense(uint8_t type, uint32_t offset, uint32_t length)
{

	switch (type) {
	case CAP_COMMON:
		return (offset % 4 == 0 && length >= COMMON_SIZE);
	case CAP_NOTIFY:
		return (offset % 2 == 0 && length >= sizeof(uint16_t));
	default:
		return (offset % 4 == 0 && length > 0);
	}
}

/*
 * take: what one capability says.  4.1.4: base address registers that there
 * are not make it one to be passed over.
 * => 0, or EINVAL after one line.
 */
static int
take(const struct pci_func *f, const char *name, unsigned at,
    struct virtio_caps *caps)
{
	uint8_t type = read8(f, at + CAP_CFG_TYPE), i = read8(f, at + CAP_BAR);
	uint32_t offset = pci_read(f, at + CAP_OFFSET);
	uint32_t length = pci_read(f, at + CAP_LENGTH);
	struct virtio_region *r = region_of(caps, type);
	struct pci_bar bar;

	if (r == NULL || i >= PCI_NBAR || pci_bar_read(f, i, &bar) != 0 ||
	    bar.pb_io)
		return (0);
	if (!makes_sense(type, offset, length) || offset >= bar.pb_size ||
	    length > bar.pb_size - offset) {
		printf("%s: capability of type %u at 0x%x: 0x%x bytes at 0x%x "
		    "of the 0x%jx of base address register %u\n", name, type,
		    at, length, offset, (uintmax_t)bar.pb_size, i);
		return (EINVAL);
	}
	r->vr_addr = bar.pb_base + offset;
	r->vr_length = length;
	if (type == CAP_NOTIFY)
		caps->vc_notify_mult = pci_read(f, at + CAP_NOTIFY_MULT);
	return (0);
}

/*
 * Does all of a capability lie in configuration space?
 */
static bool
whole(const struct pci_func *f, unsigned at)
{
	unsigned size = CAP_SIZE;

	if (at + size <= 256 && read8(f, at + CAP_CFG_TYPE) == CAP_NOTIFY)
		size = CAP_NOTIFY_SIZE;
	return (at + size <= 256);
}

int
virtio_caps_read(const struct pci_func *f, const char *name,
    struct virtio_caps *caps)
{
	unsigned at, n;
	int error;

	memset(caps, 0, sizeof(*caps));
	if ((pci_read(f, PCI_COMMAND) & PCI_STATUS_CAPS) == 0)
		return (ENOENT);
	at = read8(f, PCI_CAPS) & ~3U;
	for (n = 0; at >= CAPS_FIRST && n < CAPS_MAX; n++) {
		if (read8(f, at) == CAP_VENDOR && whole(f, at) &&
		    (error = take(f, name, at, caps)) != 0)
			return (error);
		at = read8(f, at + 1) & ~3U;
	}
	if (caps->vc_common.vr_length != 0 && caps->vc_notify.vr_length != 0)
		return (0);
	if (caps->vc_common.vr_length == 0 && caps->vc_notify.vr_length == 0)
		return (ENOENT);
	printf("%s: no capability of type %d\n", name,
	    caps->vc_common.vr_length == 0 ? CAP_COMMON : CAP_NOTIFY);
	return (EINVAL);
}

uint64_t
virtio_caps_notify(const struct virtio_caps *caps, uint16_t offset)
{
	uint64_t at = (uint64_t)offset * caps->vc_notify_mult;

	if (at % sizeof(uint16_t) != 0 ||
	    at > caps->vc_notify.vr_length - sizeof(uint16_t))
		return (0);
	return (caps->vc_notify.vr_addr + at);
}
