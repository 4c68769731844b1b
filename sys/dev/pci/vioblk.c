/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Driver of virtio disks: vioblk(4).
 *
 * Source: [VIRTIO] Virtual I/O Device (VIRTIO) Version 1.1, OASIS, section
 * 5.2.
 *
 * A request is a chain of descriptors: its header, the data in as many
 * segments as the map has, and a byte for the status.  Header and status share
 * a page.
 */

#include <sys/device.h>
#include <sys/systm.h>

#include <dev/disk.h>
#include <dev/pci/virtio_pci.h>
#include <dev/pci/virtioreg.h>

#define	NUNIT		4U
#define	NSEGS		(DMAPAGES_MAX + 2)	/* of data, at most */
#define	WAIT_REQUEST	10000			/* ms */

/* 5.2.3: features. */
#define	BLK_F_SIZE_MAX	((uint64_t)1 << 1)
#define	BLK_F_SEG_MAX	((uint64_t)1 << 2)
#define	BLK_F_RO	((uint64_t)1 << 5)
#define	BLK_F_BLK_SIZE	((uint64_t)1 << 6)
#define	BLK_F_FLUSH	((uint64_t)1 << 9)

/* 5.2.4: configuration. */
#define	CONFIG_CAPACITY	0		/* 64 bits, sectors */
#define	CONFIG_SIZE_MAX	8		/* 32 */
#define	CONFIG_SEG_MAX	12		/* 32 */
#define	CONFIG_BLK_SIZE	20		/* 32 */

/* 5.2.6: requests; sectors are of 512 bytes, whatever the blocks are. */
#define	SECTOR_SHIFT	9
#define	T_IN		0
#define	T_OUT		1
#define	T_FLUSH		4
#define	S_OK		0
#define	S_NONE		0xff		/* not yet */

struct header {
	uint32_t	type;
	uint32_t	reserved;
	uint64_t	sector;
};

#define	STATUS_AT	sizeof(struct header)

struct vioblk {
	char		vb_name[20];
	struct virtio_pci vb_virtio;
	struct virtqueue vb_queue;
	struct dmabuf	vb_request;	/* header, status */
	struct disk	vb_disk;
	bool		vb_works;
	bool		vb_nomem;	/* as there was none for it */
};

static struct vioblk units[NUNIT];
static unsigned nunits;

/*
 * release: the device is stopped first.
 */
static void
release(struct vioblk *vb)
{

	virtio_pci_stop(&vb->vb_virtio);
	disk_release(&vb->vb_disk);
	virtq_free(&vb->vb_queue);
	dmabuf_put(&vb->vb_request);
	virtio_pci_detach(&vb->vb_virtio);
	vb->vb_works = false;
}

/*
 * perform: have a request of n pieces done.
 */
static int
perform(struct vioblk *vb, const struct virtq_seg *segs, unsigned n)
{
	unsigned got, id;
	uint32_t len;
	int error;

	if ((error = virtq_add(&vb->vb_queue, segs, n, &id)) != 0)
		return (error);
	virtio_pci_notify(&vb->vb_virtio, &vb->vb_queue);
	return (virtq_wait(&vb->vb_queue, &got, &len, WAIT_REQUEST));
}

/*
 * request: of the data that the map is loaded with, if any.
 * => 0, or an error number after one line; then the device is stopped, so that
 *    it does not write to what is the caller's again.
 */
static int
request(struct vioblk *vb, uint32_t type, uint64_t sector, bus_dmamap_t map)
{
	bus_addr_t at = dmabuf_addr(&vb->vb_request);
	struct virtq_seg segs[NSEGS + 2] = { { at, STATUS_AT, false } };
	struct header *h = (void *)vb->vb_request.d_kva;
	volatile uint8_t *status = vb->vb_request.d_kva + STATUS_AT;
	unsigned n = 1;
	int error;

	h->type = type;
	h->sector = sector;
	*status = S_NONE;
	if (map != NULL)
		n = virtq_segs(segs, n, map, type == T_IN);
	segs[n++] = (struct virtq_seg){ at + STATUS_AT, 1, true };
	dmabuf_sync(&vb->vb_request, 0, STATUS_AT, BUS_DMASYNC_PREWRITE);
	dmabuf_sync(&vb->vb_request, STATUS_AT, 1, BUS_DMASYNC_PREREAD);
	error = perform(vb, segs, n);
	if (error != 0)
		virtio_pci_stop(&vb->vb_virtio);
	dmabuf_sync(&vb->vb_request, 0, STATUS_AT, BUS_DMASYNC_POSTWRITE);
	dmabuf_sync(&vb->vb_request, STATUS_AT, 1, BUS_DMASYNC_POSTREAD);
	if (error != 0)
		printf("%s: request %u at sector %ju: %s\n", vb->vb_name,
		    type, (uintmax_t)sector, errno_name(error));
	else if (*status != S_OK)
		printf("%s: request %u at sector %ju: status %u\n",
		    vb->vb_name, type, (uintmax_t)sector, *status);
	return (error == 0 && *status != S_OK ? EIO : error);
}

static int
transfer(void *arg, bus_dmamap_t map, uint64_t block, unsigned nblocks,
    bool write)
{
	struct vioblk *vb = arg;

	(void)nblocks;
	return (request(vb, write ? T_OUT : T_IN,
	    block << (vb->vb_disk.dk_shift - SECTOR_SHIFT), map));
}

static int
flush(void *arg)
{

	return (request(arg, T_FLUSH, 0, NULL));
}

/*
 * config32: what is there only with a feature.
 */
static int
config32(struct vioblk *vb, uint64_t feature, unsigned offset, uint32_t *v)
{

	if ((vb->vb_virtio.vp_features & feature) == 0)
		return (0);
	return (virtio_pci_config(&vb->vb_virtio, offset, v, sizeof(*v)));
}

/*
 * set_blocks: 5.2.5: capacity in blocks, with the rest of the last one left
 * out.
 */
static int
set_blocks(struct vioblk *vb, uint64_t sectors, uint32_t size)
{
	unsigned shift;

	for (shift = SECTOR_SHIFT; shift <= 12; shift++) {
		if (size != 1U << shift)
			continue;
		vb->vb_disk.dk_shift = shift;
		vb->vb_disk.dk_blocks = sectors >> (shift - SECTOR_SHIFT);
		return (0);
	}
	printf("%s: blocks of %u bytes are not supported\n", vb->vb_name,
	    size);
	return (ENODEV);
}

/*
 * examine: what the configuration says of the disk.
 */
static int
examine(struct vioblk *vb)
{
	uint32_t block = 1 << SECTOR_SHIFT, seg_max = NSEGS;
	uint32_t size_max = UINT32_MAX;
	struct disk *dk = &vb->vb_disk;
	uint64_t sectors;
	int error;

	if ((error = virtio_pci_config(&vb->vb_virtio, CONFIG_CAPACITY,
	    &sectors, sizeof(sectors))) != 0 ||
	    (error = config32(vb, BLK_F_SIZE_MAX, CONFIG_SIZE_MAX,
	    &size_max)) != 0 ||
	    (error = config32(vb, BLK_F_SEG_MAX, CONFIG_SEG_MAX,
	    &seg_max)) != 0 ||
	    (error = config32(vb, BLK_F_BLK_SIZE, CONFIG_BLK_SIZE,
	    &block)) != 0)
		return (error);
	/* 2.6.5.3.1: no chain is longer than the queue. */
	if (vb->vb_queue.vq_size < 2)
		seg_max = 0;
	else if (seg_max > vb->vb_queue.vq_size - 2)
		seg_max = vb->vb_queue.vq_size - 2;
	dk->dk_name = vb->vb_name;
	dk->dk_tag = vb->vb_virtio.vp_tag;
	dk->dk_nsegs = seg_max < NSEGS ? seg_max : NSEGS;
	dk->dk_maxsegsz = size_max;
	dk->dk_align = 1;
	dk->dk_readonly = (vb->vb_virtio.vp_features & BLK_F_RO) != 0;
	dk->dk_transfer = transfer;
	dk->dk_flush = (vb->vb_virtio.vp_features & BLK_F_FLUSH) != 0 ?
	    flush : NULL;
	dk->dk_arg = vb;
	return (set_blocks(vb, sectors, block));
}

static void
print_unit(const struct vioblk *vb)
{
	const struct virtio_pci *vp = &vb->vb_virtio;

	printf("%s at pci %u:%u.%u: %s virtio disk, queue of %u at 0x%jx, "
	    "0x%jx, 0x%jx\n", vb->vb_name, vp->vp_func.pf_bus,
	    vp->vp_func.pf_dev, vp->vp_func.pf_func,
	    vp->vp_legacy ? "legacy" : "modern", vb->vb_queue.vq_size,
	    (uintmax_t)virtq_addr(&vb->vb_queue, VIRTQ_DESC),
	    (uintmax_t)virtq_addr(&vb->vb_queue, VIRTQ_AVAIL),
	    (uintmax_t)virtq_addr(&vb->vb_queue, VIRTQ_USED));
}

static int
attach(struct vioblk *vb, const struct pci_func *f, unsigned unit)
{
	int error;

	memset(vb, 0, sizeof(*vb));
	(void)snprintf(vb->vb_name, sizeof(vb->vb_name), "vioblk%u", unit);
	if ((error = virtio_pci_attach(&vb->vb_virtio, f, vb->vb_name,
	    BLK_F_SIZE_MAX | BLK_F_SEG_MAX | BLK_F_RO | BLK_F_BLK_SIZE |
	    BLK_F_FLUSH)) != 0)
		return (error);
	if ((error = virtio_pci_queue(&vb->vb_virtio, 0,
	    &vb->vb_queue)) != 0 ||
	    (error = dmabuf_get(&vb->vb_request, vb->vb_virtio.vp_tag,
	    vb->vb_name, sizeof(struct header) + 1, 1, 0)) != 0 ||
	    (error = examine(vb)) != 0) {
		release(vb);
		return (error);
	}
	virtio_pci_start(&vb->vb_virtio);
	vb->vb_works = true;
	print_unit(vb);
	return (0);
}

/*
 * If one of several does not work, the job says so, unless memory was short:
 * the others do theirs then.
 */
static int
vioblk_attach(void)
{
	struct pci_func funcs[NUNIT];
	int error = ENXIO, e;
	unsigned i;

	nunits = virtio_pci_list(VIRTIO_TYPE_BLK, funcs, NUNIT);
	for (i = 0; i < nunits; i++) {
		e = attach(&units[i], &funcs[i], i);
		units[i].vb_nomem = e == ENOMEM;
		if (error != 0 && (e == 0 || i == 0))
			error = e;
	}
	return (error);
}

static int
unit_job(struct vioblk *vb)
{
	int error;

	if (!vb->vb_works)
		return (vb->vb_nomem ? ENOMEM : EIO);
	if ((error = disk_job(&vb->vb_disk)) != 0)
		release(vb);
	else
		virtio_pci_report(&vb->vb_virtio, &vb->vb_queue,
		    vb->vb_disk.dk_moved);
	return (error);
}

static int
vioblk_job(void)
{
	int error = 0, e;
	unsigned i;

	for (i = 0; i < nunits; i++) {
		e = unit_job(&units[i]);
		if (error == 0 || (error == ENOMEM && e != 0))
			error = e;
	}
	return (error);
}

const struct device_driver vioblk_driver = {
	.dd_name = "vioblk",
	.dd_attach = vioblk_attach,
	.dd_job = vioblk_job,
};
