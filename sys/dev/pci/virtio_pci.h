/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Virtio devices on the PCI bus, legacy and modern: virtio(4).
 *
 * Each function that fails has printed one line that begins with the name of
 * the device, or two.  One CPU at a time.
 */

#ifndef _DEV_PCI_VIRTIO_PCI_H_
#define	_DEV_PCI_VIRTIO_PCI_H_

#include <dev/device_report.h>
#include <dev/pci/pci.h>
#include <dev/pci/virtio_cap.h>
#include <dev/pci/virtqueue.h>

struct virtio_pci {
	struct pci_func	vp_func;
	const char	*vp_name;	/* "vioblk0" */
	uint64_t	vp_features;	/* agreed upon */
	bus_dma_tag_t	vp_tag;		/* of data: anywhere */
	bool		vp_legacy;
	/* The rest is the transport's. */
	bus_dma_tag_t	vp_qtag;	/* of queues */
	struct device_figures vp_figures;
	uint16_t	vp_port;	/* legacy registers */
	struct virtio_caps vp_caps;	/* modern ones */
	volatile uint8_t *vp_common;
	volatile uint8_t *vp_device;
	uint32_t	vp_devlen;	/* bytes of the device's own */
};

/*
 * virtio_pci_list: the functions of a type, VIRTIO_TYPE_*, on the first bus
 * and behind its bridges.  => how many, at most max.
 *
 * virtio_pci_attach: reset a device, agree on features: of those that are
 * wanted, what the device offers; and make its tags.
 * => 0; ENODEV: it makes no sense; ENOMEM; EIO.
 * => the device is silent until virtio_pci_start().
 *
 * virtio_pci_queue: make a queue ready, and tell the device.
 * => 0; ENODEV: the device does not have it, or says absurd things of it;
 *    ENOMEM.
 *
 * virtio_pci_start: the device works from here on.
 * virtio_pci_notify: there are new requests in a queue.
 *
 * virtio_pci_stop: the device touches no memory from here on; to be called
 * before virtq_free().
 * virtio_pci_detach: the tags go, too; the memory has gone before.
 *
 * virtio_pci_config: len bytes of the device's own configuration, at an offset
 * that is a multiple of 4.  => 0; ENODEV: it has less.
 *
 * virtio_pci_report: device_report(), with the limits of a queue, which are
 * the tightest that there are.
 */
unsigned virtio_pci_list(unsigned type, struct pci_func *, unsigned max);
int	virtio_pci_attach(struct virtio_pci *, const struct pci_func *,
	    const char *name, uint64_t wanted);
int	virtio_pci_queue(struct virtio_pci *, unsigned index,
	    struct virtqueue *);
void	virtio_pci_start(struct virtio_pci *);
void	virtio_pci_notify(struct virtio_pci *, const struct virtqueue *);
void	virtio_pci_stop(struct virtio_pci *);
void	virtio_pci_detach(struct virtio_pci *);
int	virtio_pci_config(struct virtio_pci *, unsigned offset, void *buf,
	    unsigned len);
void	virtio_pci_report(struct virtio_pci *, const struct virtqueue *,
	    uint64_t bytes);

#endif /* !_DEV_PCI_VIRTIO_PCI_H_ */
