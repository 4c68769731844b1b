/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Rings of USB 3 host controllers: those that the driver fills, and the one
 * of events, which the controller does.
 */

#ifndef _DEV_PCI_XHCI_RING_H_
#define	_DEV_PCI_XHCI_RING_H_

#include <dev/dmabuf.h>
#include <dev/pci/xhcireg.h>

/* Part of a buffer; all fields are the ring's own after xhci_ring_init(). */
struct xhci_ring {
	struct dmabuf	*xr_mem;
	unsigned	xr_at;		/* bytes */
	unsigned	xr_size;	/* entries */
	unsigned	xr_first;	/* of what was put last */
	unsigned	xr_next;	/* entry to use */
	unsigned	xr_done;	/* from here to xr_next: the device's */
	uint32_t	xr_cycle;	/* TRB_CYCLE or 0 */
};

/*
 * xhci_ring_init: an empty ring of size entries of 16 bytes, at byte at of
 * mem.  A ring that was in use is the device's no more.
 * xhci_ring_most: how many entries may be put at once.
 * xhci_ring_put: n entries, 1 to xhci_ring_most(), whose cycle bits are clear;
 * one after the other without a link between.  The device may see them from
 * then on, and what was put before must be done.
 * xhci_ring_done: the device has used all that was put.
 * xhci_ring_addr: of entry i.
 * xhci_ring_where: where in what was put last, 0 to n - 1, an address lies.
 * => false: not in there.
 */
void	xhci_ring_init(struct xhci_ring *, struct dmabuf *mem, unsigned at,
	    unsigned size);
unsigned xhci_ring_most(const struct xhci_ring *);
void	xhci_ring_put(struct xhci_ring *, const struct xhci_trb *, unsigned n);
void	xhci_ring_done(struct xhci_ring *);
bus_addr_t xhci_ring_addr(const struct xhci_ring *, unsigned i);
bool	xhci_ring_where(const struct xhci_ring *, bus_addr_t, unsigned *i);

/*
 * xhci_events_init: the same for the ring of events; all of it is the
 * device's.
 * xhci_event: take the next event.  => false: there is none.
 * xhci_events_end: none is awaited any more.
 */
void	xhci_events_init(struct xhci_ring *, struct dmabuf *mem, unsigned at,
	    unsigned size);
bool	xhci_event(struct xhci_ring *, struct xhci_trb *);
void	xhci_events_end(struct xhci_ring *);

#endif /* !_DEV_PCI_XHCI_RING_H_ */
