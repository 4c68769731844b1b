/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Where a modern virtio device has its registers.
 */

#ifndef _DEV_PCI_VIRTIO_CAP_H_
#define	_DEV_PCI_VIRTIO_CAP_H_

#include <dev/pci/pci.h>

/* Registers in memory; vr_length 0: none. */
struct virtio_region {
	uint64_t	vr_addr;
	uint32_t	vr_length;	/* bytes */
};

struct virtio_caps {
	struct virtio_region vc_common;
	struct virtio_region vc_notify;
	struct virtio_region vc_device;
	uint32_t	vc_notify_mult;	/* bytes between queues */
};

/*
 * virtio_caps_read: find them in the list of capabilities.  What lies in ports
 * is passed over, as are types that are not used here; of each type the first
 * counts.
 * => 0: common configuration and notification are there, wide enough and in
 *    their base address registers; ENOENT: neither is; EINVAL: what is there
 *    makes no sense, after one line on the console that begins with name.
 */
int	virtio_caps_read(const struct pci_func *, const char *name,
	    struct virtio_caps *);

/*
 * virtio_caps_notify: the address of a queue's notification register, by what
 * the device says of the queue.  => 0: it lies outside.
 */
uint64_t virtio_caps_notify(const struct virtio_caps *, uint16_t offset);

#endif /* !_DEV_PCI_VIRTIO_CAP_H_ */
