/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Registers and structures of virtio devices.
 *
 * Source: [VIRTIO] Virtual I/O Device (VIRTIO) Version 1.1, OASIS.  Numbers in
 * comments are its sections.
 */

#ifndef _DEV_PCI_VIRTIOREG_H_
#define	_DEV_PCI_VIRTIOREG_H_

/* 4.1.2: PCI identifiers. */
#define	VIRTIO_VENDOR		0x1af4
#define	VIRTIO_DEVICE(type)	(0x1040 + (type))
#define	VIRTIO_TYPE_NET		1	/* 5.1 */
#define	VIRTIO_TYPE_BLK		2	/* 5.2 */
#define	VIRTIO_TRANS_NET	0x1000	/* of transitional devices */
#define	VIRTIO_TRANS_BLK	0x1001

/* 2.1: device status. */
#define	VIRTIO_S_ACKNOWLEDGE	0x01
#define	VIRTIO_S_DRIVER		0x02
#define	VIRTIO_S_DRIVER_OK	0x04
#define	VIRTIO_S_FEATURES_OK	0x08
#define	VIRTIO_S_NEEDS_RESET	0x40
#define	VIRTIO_S_FAILED		0x80

/* 6: features of every device. */
#define	VIRTIO_F_VERSION_1	((uint64_t)1 << 32)
#define	VIRTIO_F_ACCESS_PLATFORM ((uint64_t)1 << 33)

/* 4.1.4.8: the registers of legacy devices, ports from BAR 0 on. */
#define	LEGACY_FEATURES		0x00	/* 32 bits, the device's */
#define	LEGACY_DRIVER_FEATURES	0x04	/* 32 */
#define	LEGACY_QUEUE_PFN	0x08	/* 32 */
#define	LEGACY_QUEUE_SIZE	0x0c	/* 16 */
#define	LEGACY_QUEUE_SELECT	0x0e	/* 16 */
#define	LEGACY_NOTIFY		0x10	/* 16 */
#define	LEGACY_STATUS		0x12	/* 8 */
#define	LEGACY_CONFIG		0x14	/* the device's own; without MSI-X */

/*
 * 4.1.4.8, 2.6.2: a queue's address is written as a page-frame number of 32
 * bits, in pages of 4096 bytes, so it lies below 2^44.
 */
#define	LEGACY_PAGE		4096U
#define	LEGACY_ADDR_MAX		(((bus_addr_t)1 << 44) - 1)

/* 4.1.4: capabilities of modern devices. */
#define	CAP_VENDOR		0x09	/* their identifier */
#define	CAP_CFG_TYPE		3	/* 8 bits */
#define	 CAP_COMMON		1
#define	 CAP_NOTIFY		2
#define	 CAP_DEVICE		4
#define	CAP_BAR			4	/* 8 */
#define	CAP_OFFSET		8	/* 32 */
#define	CAP_LENGTH		12	/* 32 */
#define	CAP_NOTIFY_MULT		16	/* 32 */

/* 4.1.4.3: the common configuration. */
#define	COMMON_DEVICE_SELECT	0x00	/* 32 */
#define	COMMON_DEVICE_FEATURES	0x04	/* 32 */
#define	COMMON_DRIVER_SELECT	0x08	/* 32 */
#define	COMMON_DRIVER_FEATURES	0x0c	/* 32 */
#define	COMMON_NUM_QUEUES	0x12	/* 16 */
#define	COMMON_STATUS		0x14	/* 8 */
#define	COMMON_GENERATION	0x15	/* 8 */
#define	COMMON_QUEUE_SELECT	0x16	/* 16 */
#define	COMMON_QUEUE_SIZE	0x18	/* 16 */
#define	COMMON_QUEUE_ENABLE	0x1c	/* 16 */
#define	COMMON_QUEUE_NOTIFY	0x1e	/* 16 */
#define	COMMON_QUEUE_DESC	0x20	/* 64 */
#define	COMMON_QUEUE_AVAIL	0x28	/* 64 */
#define	COMMON_QUEUE_USED	0x30	/* 64 */
#define	COMMON_SIZE		0x38

#endif /* !_DEV_PCI_VIRTIOREG_H_ */
