/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Driver of virtio network cards: vionet(4).  It sends frames of every length
 * to whichever card gets them, maybe itself, and looks at every byte that
 * comes.
 *
 * Source: [VIRTIO] Virtual I/O Device (VIRTIO) Version 1.1, OASIS, section
 * 5.1.
 *
 * A frame is a chain of three descriptors: the header, which is by itself as
 * legacy devices want it (5.1.6.6), and the frame cut in two, at the end of
 * one page and the start of another.  No two frames in a row are cut at the
 * same place.
 */

#include <sys/device.h>
#include <sys/systm.h>

#include <dev/cksum.h>
#include <dev/device_tag.h>
#include <dev/pci/virtio_pci.h>
#include <dev/pci/virtioreg.h>

#define	NUNIT		4U
#define	NRX		16U		/* frames that can come at once */
#define	NTX		8U		/* frames sent at once */
#define	NSLOT		(NRX + NTX)	/* those for sending come last */

/* 5.1.2, 5.1.3, 5.1.4: queues, features, configuration. */
#define	QUEUE_RX	0
#define	QUEUE_TX	1
#define	NET_F_MAC	((uint64_t)1 << 5)
#define	CONFIG_MAC	0

/* 5.1.6, 5.1.6.1: the header; legacy ones have no count of buffers. */
#define	HEADER_MODERN	12U
#define	HEADER_LEGACY	10U
#define	HEADER_ROOM	16U		/* of each slot */

/*
 * IEEE 802.3: lengths without the checksum.  The type is one that IEEE 802
 * leaves to experiments.
 */
#define	FRAME_MIN	60U
#define	FRAME_MAX	1514U
#define	NFRAME		(FRAME_MAX - FRAME_MIN + 1)
#define	MAC_LEN		6U
#define	SRC_AT		6U
#define	TYPE_AT		12U
#define	NUMBER_AT	14U
#define	DATA_AT		18U
#define	TYPE_HIGH	0x88
#define	TYPE_LOW	0xb5

#define	PROBE		UINT32_MAX	/* a frame's number */
#define	WAIT_PROBE	1000		/* ms */
#define	WAIT_FRAME	20000

/* A frame, or room for one: pages 2k and 2k + 1 of slot k. */
struct slot {
	bus_dmamap_t	s_map;
	unsigned	s_id;		/* of the request */
	unsigned	s_cut;		/* bytes that lie in the first page */
};

struct vionet {
	char		vn_name[20];
	uint8_t		vn_mac[MAC_LEN];
	unsigned	vn_header;	/* bytes */
	struct virtio_pci vn_virtio;
	struct virtqueue vn_rx;
	struct virtqueue vn_tx;
	struct dmabuf	vn_headers;	/* HEADER_ROOM each */
	struct dmapages	vn_pages;
	struct slot	vn_slots[NSLOT];
	uint64_t	vn_moved;	/* bytes of frames, in this job */
	bool		vn_works;
	bool		vn_nomem;	/* as there was none for it */
};

static struct vionet units[NUNIT];
static unsigned nunits;
static uint8_t frame[FRAME_MAX];	/* the one that was received last */

/*
 * Slots.
 */

/* Byte i of slot k; in the same page as the bytes up to the cut or the end. */
static uint8_t *
slot_at(const struct vionet *vn, unsigned k, unsigned i)
{
	unsigned first = 2 * k * (unsigned)VM_PAGE_SIZE, second;

	second = first + (unsigned)VM_PAGE_SIZE;
	return (dmapages_at(&vn->vn_pages, i < vn->vn_slots[k].s_cut ?
	    second - vn->vn_slots[k].s_cut + i :
	    second + i - vn->vn_slots[k].s_cut));
}

static void
slot_sync(const struct vionet *vn, unsigned k, int ops)
{
	bus_dmamap_t map = vn->vn_slots[k].s_map;

	bus_dmamap_sync(vn->vn_virtio.vp_tag, map, 0, map->dm_mapsize, ops);
	dmabuf_sync(&vn->vn_headers, k * HEADER_ROOM, vn->vn_header, ops);
}

/*
 * slot_give: len bytes of a slot to the device, as a request of a queue.
 */
static int
slot_give(struct vionet *vn, struct virtqueue *vq, unsigned k, unsigned len,
    bool in)
{
	struct slot *s = &vn->vn_slots[k];
	struct bus_dma_vec vec[2] = {
		{ slot_at(vn, k, 0), s->s_cut },
		{ slot_at(vn, k, s->s_cut), len - s->s_cut }
	};
	struct virtq_seg segs[3] = {
		{ dmabuf_addr(&vn->vn_headers) + k * HEADER_ROOM,
		    vn->vn_header, in }
	};
	int error;

	error = bus_dmamap_load_vec(vn->vn_virtio.vp_tag, s->s_map, vec, 2,
	    BUS_DMA_NOWAIT);
	if (error == 0) {
		slot_sync(vn, k, in ? BUS_DMASYNC_PREREAD :
		    BUS_DMASYNC_PREWRITE);
		error = virtq_add(vq, segs, virtq_segs(segs, 1, s->s_map, in),
		    &s->s_id);
		if (error == 0)
			return (0);
		slot_sync(vn, k, in ? BUS_DMASYNC_POSTREAD :
		    BUS_DMASYNC_POSTWRITE);
		bus_dmamap_unload(vn->vn_virtio.vp_tag, s->s_map);
	}
	printf("%s: queue %u: no request of %u bytes: %s\n", vn->vn_name,
	    vq->vq_index, len, errno_name(error));
	return (error);
}

/*
 * slot_took: the slot is ours again.
 */
static void
slot_took(struct vionet *vn, unsigned k)
{

	slot_sync(vn, k, k < NRX ? BUS_DMASYNC_POSTREAD :
	    BUS_DMASYNC_POSTWRITE);
	bus_dmamap_unload(vn->vn_virtio.vp_tag, vn->vn_slots[k].s_map);
}

/*
 * slot_find: which of the slots from first on has a request.
 */
static unsigned
slot_find(const struct vionet *vn, unsigned first, unsigned id)
{
	unsigned k;

	for (k = first; vn->vn_slots[k].s_map->dm_mapsize == 0 ||
	    vn->vn_slots[k].s_id != id; k++)
		KASSERT(k < NSLOT - 1);
	return (k);
}

/* Places to cut, as many as there are slots: none is at an end of a frame. */
static unsigned
cut_of(unsigned n)
{

	return (1 + n * 7 % (FRAME_MIN - 1));
}

static int
rx_give(struct vionet *vn, unsigned k)
{

	vn->vn_slots[k].s_cut = FRAME_MAX / 2 + cut_of(k);
	return (slot_give(vn, &vn->vn_rx, k, FRAME_MAX, true));
}

/*
 * Frames.
 */

/*
 * What byte i of a frame with a number is: no two frames agree at many
 * places, and none agrees with itself moved.
 */
static uint8_t
pattern(uint32_t number, unsigned i)
{
	uint32_t x = (i + 1) * 2654435761U ^ number * 0x9e3779b9U;

	return ((uint8_t)(x >> 24 ^ x >> 11));
}

/*
 * Byte i of the frame with a number from one card to another; NULL: to all.
 */
static uint8_t
frame_byte(const struct vionet *from, const struct vionet *to, uint32_t number,
    unsigned i)
{

	if (i < SRC_AT)
		return (to == NULL ? 0xff : to->vn_mac[i]);
	if (i < TYPE_AT)
		return (from->vn_mac[i - SRC_AT]);
	if (i < NUMBER_AT)
		return (i == TYPE_AT ? TYPE_HIGH : TYPE_LOW);
	if (i < DATA_AT)
		return ((uint8_t)(number >> 8 * (i - NUMBER_AT)));
	return (pattern(number, i));
}

/*
 * send: a frame in slot k; the device is not yet told.
 */
static int
send(struct vionet *from, const struct vionet *to, unsigned k, uint32_t number,
    unsigned len, struct cksum *ck)
{
	unsigned cut = 1 + number * 37 % (len - 1), i;

	from->vn_slots[k].s_cut = cut;
	for (i = 0; i < len; i++)
		*slot_at(from, k, i) = frame_byte(from, to, number, i);
	if (ck != NULL) {
		cksum_add(ck, slot_at(from, k, 0), cut);
		cksum_add(ck, slot_at(from, k, cut), len - cut);
	}
	return (slot_give(from, &from->vn_tx, k, len, false));
}

/*
 * sent: so many frames have gone.
 */
static int
sent(struct vionet *vn, unsigned n)
{
	unsigned id, k;
	uint32_t len;
	int error;

	while (n-- > 0) {
		error = virtq_wait(&vn->vn_tx, &id, &len, WAIT_FRAME);
		if (error != 0) {
			printf("%s: a frame is not sent: %s\n", vn->vn_name,
			    errno_name(error));
			return (EIO);
		}
		k = slot_find(vn, NRX, id);
		vn->vn_moved += vn->vn_slots[k].s_map->dm_mapsize;
		slot_took(vn, k);
	}
	return (0);
}

/*
 * receive: what has come, if anything has, to frame[].
 * => 0; EAGAIN: nothing; another error number after one line.
 */
static int
receive(struct vionet *vn, unsigned *lenp)
{
	unsigned i, id, k;
	uint32_t len;
	int error;

	if ((error = virtq_poll(&vn->vn_rx, &id, &len)) != 0)
		return (error);
	k = slot_find(vn, 0, id);
	slot_took(vn, k);
	if (len < vn->vn_header) {
		printf("%s: %u bytes are no frame\n", vn->vn_name, len);
		return (EIO);
	}
	*lenp = len - vn->vn_header;
	vn->vn_moved += *lenp;
	for (i = 0; i < *lenp; i++)
		frame[i] = *slot_at(vn, k, i);
	if ((error = rx_give(vn, k)) == 0)
		virtio_pci_notify(&vn->vn_virtio, &vn->vn_rx);
	return (error);
}

/*
 * is_from: is the frame that came one of ours, from one card to another (NULL:
 * to all)?
 */
static bool
is_from(const struct vionet *from, const struct vionet *to, unsigned len)
{
	unsigned i;

	if (len < DATA_AT)
		return (false);
	for (i = 0; i < NUMBER_AT; i++) {
		if (frame[i] != frame_byte(from, to, 0, i))
			return (false);
	}
	return (true);
}

/*
 * expect: the next frame between two cards is this one, unchanged.  Others'
 * frames are passed over.
 */
static int
expect(struct vionet *from, struct vionet *to, uint32_t number, unsigned want)
{
	uint64_t end = nanotime() + (uint64_t)WAIT_FRAME * 1000000;
	unsigned i, len = 0;
	int error;

	while ((error = receive(to, &len)) == EAGAIN ||
	    (error == 0 && !is_from(from, to, len))) {
		if (nanotime() > end) {
			printf("%s: frame %u of %u bytes does not come to %s\n",
			    from->vn_name, number, want, to->vn_name);
			return (EIO);
		}
		if (error == EAGAIN)
			delay(10);
	}
	if (error != 0)
		return (error);
	for (i = 0; i < len && i < want; i++) {
		if (frame[i] != frame_byte(from, to, number, i))
			break;
	}
	if (i == want && i == len)
		return (0);
	printf("%s: frame %u of %u bytes came to %s with %u bytes, right up to "
	    "%u\n", from->vn_name, number, want, to->vn_name, len, i);
	return (EIO);
}

/*
 * The job.
 */

/*
 * find_peer: which card gets what this one sends.
 * => 0; ENODEV: none; another error number.
 */
static int
find_peer(struct vionet *vn, struct vionet **peer)
{
	uint64_t end = nanotime() + (uint64_t)WAIT_PROBE * 1000000;
	unsigned i, len;
	int error;

	if ((error = send(vn, NULL, NRX, PROBE, FRAME_MIN, NULL)) != 0)
		return (error);
	virtio_pci_notify(&vn->vn_virtio, &vn->vn_tx);
	if ((error = sent(vn, 1)) != 0)
		return (error);
	do {
		for (i = 0; i < nunits; i++) {
			if (!units[i].vn_works)
				continue;
			error = receive(&units[i], &len);
			if (error == 0 && is_from(vn, NULL, len)) {
				*peer = &units[i];
				return (0);
			}
			if (error != 0 && error != EAGAIN)
				return (error);
		}
		delay(100);
	} while (nanotime() < end);
	printf("%s: no card gets what it sends\n", vn->vn_name);
	return (ENODEV);
}

/*
 * burst: frames from a number on, up to NTX of them, sent and received.
 */
static int
burst(struct vionet *from, struct vionet *to, uint32_t number, unsigned n,
    struct cksum *ck)
{
	unsigned i;
	int error;

	for (i = 0; i < n; i++) {
		error = send(from, to, NRX + i, number + i,
		    FRAME_MIN + number + i, ck);
		if (error != 0)
			return (error);
	}
	virtio_pci_notify(&from->vn_virtio, &from->vn_tx);
	for (i = 0; i < n; i++) {
		error = expect(from, to, number + i, FRAME_MIN + number + i);
		if (error != 0)
			return (error);
	}
	return (sent(from, n));
}

/*
 * exchange: a frame of each length.
 */
static int
exchange(struct vionet *from)
{
	struct vionet *to = NULL;
	struct cksum ck;
	unsigned n;
	uint32_t i;
	int error;

	if ((error = find_peer(from, &to)) != 0)
		return (error);
	cksum_init(&ck);
	for (i = 0; i < NFRAME; i += n) {
		n = NFRAME - i < NTX ? NFRAME - i : NTX;
		if ((error = burst(from, to, i, n, &ck)) != 0)
			return (error);
	}
	printf("%s: %u frames, %ju bytes, sent and received by %s, cksum %u, "
	    "ok\n", from->vn_name, NFRAME, (uintmax_t)ck.ck_len, to->vn_name,
	    cksum_end(&ck));
	return (0);
}

/*
 * Memory goes when the device is silent, which has no frames any more then.
 */
static void
release(struct vionet *vn)
{
	unsigned k;

	virtio_pci_stop(&vn->vn_virtio);
	for (k = 0; k < NSLOT; k++) {
		if (vn->vn_slots[k].s_map == NULL)
			continue;
		if (vn->vn_slots[k].s_map->dm_mapsize != 0)
			slot_took(vn, k);
		bus_dmamap_destroy(vn->vn_virtio.vp_tag,
		    vn->vn_slots[k].s_map);
		vn->vn_slots[k].s_map = NULL;
	}
	virtq_free(&vn->vn_rx);
	virtq_free(&vn->vn_tx);
	dmabuf_put(&vn->vn_headers);
	dmapages_put(&vn->vn_pages);
	virtio_pci_detach(&vn->vn_virtio);
	vn->vn_works = false;
}

static int
vionet_job(void)
{
	int error = 0, e;
	unsigned i;

	for (i = 0; i < nunits; i++)
		units[i].vn_moved = 0;
	for (i = 0; i < nunits; i++) {
		e = units[i].vn_works ? exchange(&units[i]) :
		    units[i].vn_nomem ? ENOMEM : EIO;
		if (e != 0 && e != ENODEV && units[i].vn_works)
			release(&units[i]);
		if (error == 0 || error == ENODEV || error == ENOMEM)
			error = e != 0 ? e : error;
	}
	for (i = 0; i < nunits && error == 0; i++)
		virtio_pci_report(&units[i].vn_virtio, &units[i].vn_tx,
		    units[i].vn_moved);
	return (error);
}

/*
 * Attaching.
 */

static int
get_slots(struct vionet *vn)
{
	unsigned k;
	int error;

	if ((error = dmabuf_get(&vn->vn_headers, vn->vn_virtio.vp_tag,
	    vn->vn_name, NSLOT * HEADER_ROOM, 1, 0)) != 0 ||
	    (error = dmapages_get(&vn->vn_pages, vn->vn_virtio.vp_tag,
	    vn->vn_name, 2 * NSLOT)) != 0)
		return (error);
	for (k = 0; k < NSLOT; k++) {
		error = bus_dmamap_create(vn->vn_virtio.vp_tag, FRAME_MAX, 2,
		    FRAME_MAX, 0, BUS_DMA_NOWAIT, &vn->vn_slots[k].s_map);
		if (error != 0) {
			vn->vn_slots[k].s_map = NULL;
			device_lacks(vn->vn_name, error, "map");
			return (error);
		}
	}
	return (0);
}

/*
 * start: from here on frames can come.
 */
static int
start(struct vionet *vn)
{
	unsigned k;
	int error;

	for (k = 0; k < NRX; k++) {
		if ((error = rx_give(vn, k)) != 0)
			return (error);
	}
	virtio_pci_start(&vn->vn_virtio);
	virtio_pci_notify(&vn->vn_virtio, &vn->vn_rx);
	return (0);
}

/*
 * get_mac: the card's address, or one that is made up.
 */
static int
get_mac(struct vionet *vn, unsigned unit)
{
	const uint8_t local[MAC_LEN] = { 2, 0, 0, 0, 0, (uint8_t)unit };

	memcpy(vn->vn_mac, local, MAC_LEN);
	return ((vn->vn_virtio.vp_features & NET_F_MAC) == 0 ? 0 :
	    virtio_pci_config(&vn->vn_virtio, CONFIG_MAC, vn->vn_mac,
	    MAC_LEN));
}

static void
print_queue(const struct vionet *vn, const struct virtqueue *vq,
    const char *what)
{

	printf("%s: %s queue of %u at 0x%jx, 0x%jx, 0x%jx\n", vn->vn_name,
	    what, vq->vq_size, (uintmax_t)virtq_addr(vq, VIRTQ_DESC),
	    (uintmax_t)virtq_addr(vq, VIRTQ_AVAIL),
	    (uintmax_t)virtq_addr(vq, VIRTQ_USED));
}

static void
print_unit(const struct vionet *vn)
{
	const struct virtio_pci *vp = &vn->vn_virtio;
	const uint8_t *m = vn->vn_mac;

	printf("%s at pci %u:%u.%u: %s virtio network card, "
	    "%02x:%02x:%02x:%02x:%02x:%02x\n", vn->vn_name,
	    vp->vp_func.pf_bus, vp->vp_func.pf_dev, vp->vp_func.pf_func,
	    vp->vp_legacy ? "legacy" : "modern", m[0], m[1], m[2], m[3], m[4],
	    m[5]);
	print_queue(vn, &vn->vn_rx, "receive");
	print_queue(vn, &vn->vn_tx, "transmit");
}

static int
attach(struct vionet *vn, const struct pci_func *f, unsigned unit)
{
	int error;

	memset(vn, 0, sizeof(*vn));
	(void)snprintf(vn->vn_name, sizeof(vn->vn_name), "vionet%u", unit);
	if ((error = virtio_pci_attach(&vn->vn_virtio, f, vn->vn_name,
	    NET_F_MAC)) != 0)
		return (error);
	vn->vn_header = vn->vn_virtio.vp_legacy ? HEADER_LEGACY :
	    HEADER_MODERN;
	if ((error = virtio_pci_queue(&vn->vn_virtio, QUEUE_RX,
	    &vn->vn_rx)) != 0 ||
	    (error = virtio_pci_queue(&vn->vn_virtio, QUEUE_TX,
	    &vn->vn_tx)) != 0 ||
	    (error = get_mac(vn, unit)) != 0 ||
	    (error = get_slots(vn)) != 0 || (error = start(vn)) != 0) {
		release(vn);
		return (error);
	}
	vn->vn_works = true;
	print_unit(vn);
	return (0);
}

/*
 * If one of several does not work, the job says so, unless memory was short:
 * the others do theirs then.
 */
static int
vionet_attach(void)
{
	struct pci_func funcs[NUNIT];
	int error = ENXIO, e;
	unsigned i;

	nunits = virtio_pci_list(VIRTIO_TYPE_NET, funcs, NUNIT);
	for (i = 0; i < nunits; i++) {
		e = attach(&units[i], &funcs[i], i);
		units[i].vn_nomem = e == ENOMEM;
		if (error != 0 && (e == 0 || i == 0))
			error = e;
	}
	return (error);
}

const struct device_driver vionet_driver = {
	.dd_name = "vionet",
	.dd_attach = vionet_attach,
	.dd_job = vionet_job,
};
