/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Split virtqueues: the memory in which a driver and a virtio device tell each
 * other of buffers.
 *
 * What the device writes there is not believed: it can make a queue useless,
 * after one line on the console, but no more.  One CPU at a time.
 */

#ifndef _DEV_PCI_VIRTQUEUE_H_
#define	_DEV_PCI_VIRTQUEUE_H_

#include <dev/dmabuf.h>

/* The parts of a queue: descriptors, available ring, used ring. */
enum virtq_part {
	VIRTQ_DESC,
	VIRTQ_AVAIL,
	VIRTQ_USED,
	VIRTQ_NPARTS
};

struct virtq_chain;			/* opaque */

struct virtqueue {
	const char	*vq_name;	/* of the device */
	unsigned	vq_index;
	unsigned	vq_size;	/* descriptors; 0: no queue */
	struct dmabuf	vq_mem[VIRTQ_NPARTS]; /* legacy: only the first */
	const struct dmabuf *vq_buf[VIRTQ_NPARTS]; /* where each part lies */
	bus_size_t	vq_off[VIRTQ_NPARTS];
	struct virtq_chain *vq_chains;	/* by descriptor */
	unsigned	vq_nfree;	/* descriptors */
	unsigned	vq_busy;	/* chains that the device has */
	uint16_t	vq_free;	/* the first of a list */
	uint16_t	vq_avail;	/* the next index of each ring */
	uint16_t	vq_used;
	bool		vq_broken;
	volatile uint16_t *vq_notify;	/* for the transport */
};

/* A piece of a request. */
struct virtq_seg {
	bus_addr_t	vs_addr;
	uint32_t	vs_len;
	bool		vs_in;		/* the device writes to it */
};

/*
 * virtq_alloc: memory for a queue of so many descriptors, a power of two.  A
 * legacy one is contiguous and begins with a page; otherwise each part is,
 * and they lie anywhere in the window of tag.
 * => 0; EINVAL: not such a size, or more than VIRTQ_MAX; ENOMEM; each after
 *    one line on the console, or two.
 * virtq_free: gives it back.  The device has been stopped; what it had is
 * forgotten.  A queue of zeros has none.
 * virtq_addr: where a part lies for the device.
 * virtq_contig: how many bytes of it are contiguous: of the largest part, or
 * of all.
 */
#define	VIRTQ_MAX	32768U		/* [VIRTIO] 2.6 */
#define	VIRTQ_ALIGN	16U		/* of descriptors; others: less */
int	virtq_alloc(struct virtqueue *, bus_dma_tag_t, const char *name,
	    unsigned index, unsigned size, bool legacy);
void	virtq_free(struct virtqueue *);
bus_addr_t virtq_addr(const struct virtqueue *, enum virtq_part);
bus_size_t virtq_contig(const struct virtqueue *);

/*
 * virtq_add: a request of n pieces, those that the device writes last; it is
 * the device's from here on, but the transport has to tell it so.
 * => 0, and *id, by which it comes back; EINVAL: n is 0 or more than the
 *    queue's size, an empty piece, another order, more than 2^32 - 1 bytes to
 *    be written; EAGAIN: no room until something comes back; EIO: broken.
 *
 * virtq_poll: what came back next, and how many bytes the device says it
 * wrote: no more than there was room for.
 * => 0; EAGAIN: nothing; EIO: the queue is broken, after one line the first
 *    time.
 *
 * virtq_wait: the same, but it waits up to that many ms.  => and ETIMEDOUT.
 */
int	virtq_add(struct virtqueue *, const struct virtq_seg *, unsigned n,
	    unsigned *id);
int	virtq_poll(struct virtqueue *, unsigned *id, uint32_t *len);
int	virtq_wait(struct virtqueue *, unsigned *id, uint32_t *len,
	    unsigned ms);

/*
 * virtq_segs: append the segments of a loaded map to a request; n: pieces so
 * far.  => how many there are then.  The caller has room for them.
 */
unsigned virtq_segs(struct virtq_seg *, unsigned n, bus_dmamap_t, bool in);

#endif /* !_DEV_PCI_VIRTQUEUE_H_ */
