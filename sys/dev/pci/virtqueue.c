/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Split virtqueues.
 *
 * Source: [VIRTIO] Virtual I/O Device (VIRTIO) Version 1.1, OASIS, section
 * 2.6; for legacy layout, 2.6.2.
 *
 * The state of each request is kept twice: in the descriptors, for the device,
 * and in memory of our own, which is the only one that is read.  A hostile
 * device may write to all the memory that it is given, at any time, so
 * whatever is read of the used ring is read once and then checked: there must
 * be no more new entries than requests, and each must name the head of one.
 *
 * Who has which bytes, in terms of bus_dmamap_sync(): the device has the
 * descriptors of a request from virtq_add() until it comes back; an entry of
 * the available ring until it is used again, which with requests that come
 * back in another order may be before that; and all the time the header of
 * that ring and the whole used ring, but for the moments in which we write the
 * former or look at a part of the latter.
 *
 * Nobody wants interrupts, as the queues are polled.
 */

#include <sys/kmem.h>
#include <sys/systm.h>

#include <dev/device_tag.h>
#include <dev/pci/virtqueue.h>

/* [VIRTIO] 2.6.5. */
struct desc {
	uint64_t	addr;
	uint32_t	len;
	uint16_t	flags;
	uint16_t	next;
};

#define	DESC_NEXT	1
#define	DESC_WRITE	2

/* [VIRTIO] 2.6.6, 2.6.8: flags, index, entries, the other side's event. */
struct ring_head {
	uint16_t	flags;
	uint16_t	idx;
};

#define	AVAIL_NO_INTERRUPT 1

struct used_elem {
	uint32_t	id;
	uint32_t	len;
};

#define	HEAD_SIZE	sizeof(struct ring_head)
#define	EVENT_SIZE	sizeof(uint16_t)

/* [VIRTIO] 2.6: alignments. */
#define	AVAIL_ALIGN	2
#define	USED_ALIGN	4
#define	LEGACY_ALIGN	4096U		/* [VIRTIO] 2.6.2 */

#define	NONE		UINT16_MAX	/* VIRTQ_MAX is less */

/*
 * Of each descriptor, and of the request whose first one it is; and of the
 * entry of the available ring with that number.
 */
struct virtq_chain {
	uint32_t	vc_room;	/* bytes that the device may write */
	uint16_t	vc_next;	/* free, or of the same request */
	bool		vc_busy;	/* it is the first of a request */
	bool		vc_lent;	/* the device has the entry */
};

/*
 * Memory.
 */

static bus_size_t
part_size(enum virtq_part part, unsigned size)
{

	switch (part) {
	case VIRTQ_DESC:
		return (size * sizeof(struct desc));
	case VIRTQ_AVAIL:
		return (HEAD_SIZE + size * sizeof(uint16_t) + EVENT_SIZE);
	default:
		return (HEAD_SIZE + size * sizeof(struct used_elem) +
		    EVENT_SIZE);
	}
}

static int
alloc_legacy(struct virtqueue *vq, bus_dma_tag_t tag)
{
	bus_size_t used;
	unsigned i;

	for (i = 0; i < VIRTQ_NPARTS; i++)
		vq->vq_buf[i] = &vq->vq_mem[0];
	vq->vq_off[VIRTQ_AVAIL] = part_size(VIRTQ_DESC, vq->vq_size);
	used = vq->vq_off[VIRTQ_AVAIL] + part_size(VIRTQ_AVAIL, vq->vq_size);
	used = (used + LEGACY_ALIGN - 1) & ~(bus_size_t)(LEGACY_ALIGN - 1);
	vq->vq_off[VIRTQ_USED] = used;
	return (dmabuf_get(&vq->vq_mem[0], tag, vq->vq_name,
	    used + part_size(VIRTQ_USED, vq->vq_size), LEGACY_ALIGN, 0));
}

static int
alloc_modern(struct virtqueue *vq, bus_dma_tag_t tag)
{
	static const bus_size_t align[VIRTQ_NPARTS] = {
		VIRTQ_ALIGN, AVAIL_ALIGN, USED_ALIGN
	};
	unsigned i;
	int error = 0;

	for (i = 0; i < VIRTQ_NPARTS && error == 0; i++) {
		vq->vq_buf[i] = &vq->vq_mem[i];
		error = dmabuf_get(&vq->vq_mem[i], tag, vq->vq_name,
		    part_size((enum virtq_part)i, vq->vq_size), align[i], 0);
	}
	return (error);
}

/* A place in a part of a queue. */
static void *
part_at(const struct virtqueue *vq, enum virtq_part part, bus_size_t at)
{

	return (vq->vq_buf[part]->d_kva + vq->vq_off[part] + at);
}

static void
part_sync(const struct virtqueue *vq, enum virtq_part part, bus_size_t at,
    bus_size_t len, int ops)
{

	dmabuf_sync(vq->vq_buf[part], vq->vq_off[part] + at, len, ops);
}

/*
 * entry_sync: an entry of the available ring goes to the device, or is ours
 * again, if it is not.
 */
static void
entry_sync(struct virtqueue *vq, unsigned slot, bool lend)
{

	if (vq->vq_chains[slot].vc_lent == lend)
		return;
	part_sync(vq, VIRTQ_AVAIL, HEAD_SIZE + slot * sizeof(uint16_t),
	    sizeof(uint16_t), lend ? BUS_DMASYNC_PREWRITE :
	    BUS_DMASYNC_POSTWRITE);
	vq->vq_chains[slot].vc_lent = lend;
}

static void
init(struct virtqueue *vq)
{
	struct ring_head *avail = part_at(vq, VIRTQ_AVAIL, 0);
	unsigned i;

	for (i = 0; i < vq->vq_size; i++)
		vq->vq_chains[i].vc_next = (uint16_t)(i + 1);
	vq->vq_chains[vq->vq_size - 1].vc_next = NONE;
	vq->vq_nfree = vq->vq_size;
	avail->flags = AVAIL_NO_INTERRUPT;
	part_sync(vq, VIRTQ_AVAIL, 0, HEAD_SIZE, BUS_DMASYNC_PREWRITE);
	part_sync(vq, VIRTQ_USED, 0, part_size(VIRTQ_USED, vq->vq_size),
	    BUS_DMASYNC_PREREAD);
}

static void
release(struct virtqueue *vq)
{
	unsigned i;

	for (i = 0; i < VIRTQ_NPARTS; i++)
		dmabuf_put(&vq->vq_mem[i]);
	if (vq->vq_chains != NULL)
		kmem_free(vq->vq_chains,
		    vq->vq_size * sizeof(vq->vq_chains[0]));
	memset(vq, 0, sizeof(*vq));
}

int
virtq_alloc(struct virtqueue *vq, bus_dma_tag_t tag, const char *name,
    unsigned index, unsigned size, bool legacy)
{
	int error;

	memset(vq, 0, sizeof(*vq));
	if (size == 0 || (size & (size - 1)) != 0 || size > VIRTQ_MAX) {
		printf("%s: queue %u: size %u is not supported\n", name, index,
		    size);
		return (EINVAL);
	}
	vq->vq_name = name;
	vq->vq_index = index;
	vq->vq_size = size;
	vq->vq_chains = kmem_zalloc(size * sizeof(vq->vq_chains[0]),
	    KM_NOSLEEP);
	if (vq->vq_chains == NULL) {
		error = ENOMEM;
		device_lacks(name, error, "memory for %u requests of queue %u",
		    size, index);
	} else
		error = legacy ? alloc_legacy(vq, tag) : alloc_modern(vq, tag);
	if (error == 0)
		init(vq);
	else
		release(vq);
	return (error);
}

bus_addr_t
virtq_addr(const struct virtqueue *vq, enum virtq_part part)
{

	return (dmabuf_addr(vq->vq_buf[part]) + vq->vq_off[part]);
}

bus_size_t
virtq_contig(const struct virtqueue *vq)
{

	return (vq->vq_buf[VIRTQ_DESC]->d_seg.ds_len);
}

/*
 * To the device.
 */

static bool
valid(const struct virtqueue *vq, const struct virtq_seg *segs, unsigned n,
    uint32_t *room)
{
	uint64_t in = 0;
	unsigned i;

	for (i = 0; i < n; i++) {
		if (segs[i].vs_len == 0 || (!segs[i].vs_in && in > 0))
			return (false);
		if (segs[i].vs_in)
			in += segs[i].vs_len;
	}
	*room = (uint32_t)in;
	return (n > 0 && n <= vq->vq_size && in <= UINT32_MAX);
}

/*
 * put_desc: the first free descriptor gets a piece.
 */
static void
put_desc(struct virtqueue *vq, const struct virtq_seg *seg, bool last)
{
	unsigned i = vq->vq_free;
	uint16_t next = vq->vq_chains[i].vc_next;
	struct desc *d = part_at(vq, VIRTQ_DESC, i * sizeof(*d));

	d->addr = seg->vs_addr;
	d->len = seg->vs_len;
	d->flags = (uint16_t)((seg->vs_in ? DESC_WRITE : 0) |
	    (last ? 0 : DESC_NEXT));
	d->next = last ? 0 : next;
	part_sync(vq, VIRTQ_DESC, i * sizeof(*d), sizeof(*d),
	    BUS_DMASYNC_PREWRITE);
	if (last)
		vq->vq_chains[i].vc_next = NONE;
	vq->vq_free = next;
	vq->vq_nfree--;
}

/*
 * publish: the request that begins with a descriptor is the device's.  Each
 * sync orders what is before it before what is after it.
 */
static void
publish(struct virtqueue *vq, uint16_t head)
{
	struct ring_head *avail = part_at(vq, VIRTQ_AVAIL, 0);
	unsigned slot = vq->vq_avail % vq->vq_size;

	entry_sync(vq, slot, false);
	*(uint16_t *)part_at(vq, VIRTQ_AVAIL, HEAD_SIZE +
	    slot * sizeof(uint16_t)) = head;
	entry_sync(vq, slot, true);
	vq->vq_chains[head].vc_busy = true;
	vq->vq_busy++;
	vq->vq_avail++;
	part_sync(vq, VIRTQ_AVAIL, 0, HEAD_SIZE, BUS_DMASYNC_POSTWRITE);
	*(volatile uint16_t *)&avail->idx = vq->vq_avail;
	part_sync(vq, VIRTQ_AVAIL, 0, HEAD_SIZE, BUS_DMASYNC_PREWRITE);
}

int
virtq_add(struct virtqueue *vq, const struct virtq_seg *segs, unsigned n,
    unsigned *id)
{
	uint16_t head = vq->vq_free;
	uint32_t room;
	unsigned i;

	if (!valid(vq, segs, n, &room))
		return (EINVAL);
	if (vq->vq_broken)
		return (EIO);
	if (n > vq->vq_nfree)
		return (EAGAIN);
	for (i = 0; i < n; i++)
		put_desc(vq, &segs[i], i == n - 1);
	vq->vq_chains[head].vc_room = room;
	publish(vq, head);
	*id = head;
	return (0);
}

/*
 * And back.
 */

/*
 * retire: the descriptors of a request are free.
 */
static void
retire(struct virtqueue *vq, uint16_t head)
{
	struct virtq_chain *c = vq->vq_chains;
	uint16_t i = head, last;

	do {
		part_sync(vq, VIRTQ_DESC, i * sizeof(struct desc),
		    sizeof(struct desc), BUS_DMASYNC_POSTWRITE);
		vq->vq_nfree++;
		last = i;
		i = c[i].vc_next;
	} while (i != NONE);
	c[last].vc_next = vq->vq_free;
	vq->vq_free = head;
	c[head].vc_busy = false;
	vq->vq_busy--;
}

void
virtq_free(struct virtqueue *vq)
{
	unsigned i;

	if (vq->vq_size == 0)
		return;
	for (i = 0; i < vq->vq_size; i++) {
		if (vq->vq_chains[i].vc_busy)
			retire(vq, (uint16_t)i);
		entry_sync(vq, i, false);
	}
	part_sync(vq, VIRTQ_AVAIL, 0, HEAD_SIZE, BUS_DMASYNC_POSTWRITE);
	part_sync(vq, VIRTQ_USED, 0, part_size(VIRTQ_USED, vq->vq_size),
	    BUS_DMASYNC_POSTREAD);
	release(vq);
}

/*
 * used_index: the device's index, read once.
 */
static uint16_t
used_index(const struct virtqueue *vq)
{
	const volatile struct ring_head *used = part_at(vq, VIRTQ_USED, 0);
	uint16_t idx;

	part_sync(vq, VIRTQ_USED, 0, HEAD_SIZE, BUS_DMASYNC_POSTREAD);
	idx = used->idx;
	part_sync(vq, VIRTQ_USED, 0, HEAD_SIZE, BUS_DMASYNC_PREREAD);
	return (idx);
}

static struct used_elem
used_entry(const struct virtqueue *vq)
{
	bus_size_t at = HEAD_SIZE +
	    vq->vq_used % vq->vq_size * sizeof(struct used_elem);
	const volatile struct used_elem *p = part_at(vq, VIRTQ_USED, at);
	struct used_elem e;

	part_sync(vq, VIRTQ_USED, at, sizeof(e), BUS_DMASYNC_POSTREAD);
	e.id = p->id;
	e.len = p->len;
	part_sync(vq, VIRTQ_USED, at, sizeof(e), BUS_DMASYNC_PREREAD);
	return (e);
}

static int
broken(struct virtqueue *vq, const char *what, uint32_t value)
{

	printf("%s: queue %u: the device %s: %u\n", vq->vq_name, vq->vq_index,
	    what, value);
	vq->vq_broken = true;
	return (EIO);
}

int
virtq_poll(struct virtqueue *vq, unsigned *id, uint32_t *len)
{
	struct used_elem e;
	uint16_t new;

	if (vq->vq_broken)
		return (EIO);
	new = (uint16_t)(used_index(vq) - vq->vq_used);
	if (new == 0)
		return (EAGAIN);
	if (new > vq->vq_busy)
		return (broken(vq, "returns more than it has", new));
	e = used_entry(vq);
	if (e.id >= vq->vq_size || !vq->vq_chains[e.id].vc_busy)
		return (broken(vq, "returns what it does not have", e.id));
	if (e.len > vq->vq_chains[e.id].vc_room)
		return (broken(vq, "says it wrote too many bytes", e.len));
	vq->vq_used++;
	retire(vq, (uint16_t)e.id);
	*id = e.id;
	*len = e.len;
	return (0);
}

int
virtq_wait(struct virtqueue *vq, unsigned *id, uint32_t *len, unsigned ms)
{
	uint64_t end = nanotime() + (uint64_t)ms * 1000000;
	int error;

	while ((error = virtq_poll(vq, id, len)) == EAGAIN) {
		if (nanotime() > end)
			return (ETIMEDOUT);
		delay(10);
	}
	return (error);
}

unsigned
virtq_segs(struct virtq_seg *segs, unsigned n, bus_dmamap_t map, bool in)
{
	int i;

	for (i = 0; i < map->dm_nsegs; i++, n++) {
		segs[n].vs_addr = map->dm_segs[i].ds_addr;
		segs[n].vs_len = (uint32_t)map->dm_segs[i].ds_len;
		segs[n].vs_in = in;
	}
	return (n);
}
