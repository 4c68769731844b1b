/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The job of a disk.
 *
 * Data goes through single pages, which lie wherever there are free ones, so
 * that a transfer has many segments.  What was written is read back through
 * another buffer, whose segments begin at the oddest address that the device
 * allows and end in the middle of a page.  That one is any memory of the
 * kernel's, as a driver gets it from others: what of it the device does not
 * reach is bounced.
 */

#include <sys/km_map.h>
#include <sys/systm.h>

#include <dev/cksum.h>
#include <dev/device_tag.h>
#include <dev/disk.h>

#define	XFER		((bus_size_t)DMAPAGES_MAX * VM_PAGE_SIZE)
#define	READ_MAX	((uint64_t)16 << 20)	/* that much is read */
#define	ODD_XFER	(4U * VM_PAGE_SIZE)
#define	ODD_SIZE	(ODD_XFER + VM_PAGE_SIZE)
#define	ODD		0x200U		/* and the alignment on top */

/* A disk that begins with this may be written to. */
static const char scratch[] = "extant scratch\n";

/*
 * transfer: of bytes [at, at + size) and what the map is loaded with; it is
 * unloaded.
 */
static int
transfer(struct disk *dk, bus_dmamap_t map, uint64_t at, unsigned size,
    bool write)
{
	int error;

	bus_dmamap_sync(dk->dk_tag, map, 0, size,
	    write ? BUS_DMASYNC_PREWRITE : BUS_DMASYNC_PREREAD);
	error = dk->dk_transfer(dk->dk_arg, map, at >> dk->dk_shift,
	    size >> dk->dk_shift, write);
	bus_dmamap_sync(dk->dk_tag, map, 0, size,
	    write ? BUS_DMASYNC_POSTWRITE : BUS_DMASYNC_POSTREAD);
	bus_dmamap_unload(dk->dk_tag, map);
	if (error == 0)
		dk->dk_moved += size;
	return (error);
}

static int
load_failed(const struct disk *dk, unsigned size, int error)
{

	device_lacks(dk->dk_name, error, "map of %u bytes", size);
	return (error);
}

static int
pages_transfer(struct disk *dk, uint64_t at, unsigned size, bool write)
{
	int error;

	error = bus_dmamap_load_raw(dk->dk_tag, dk->dk_map,
	    dk->dk_pages.dp_segs, (int)dk->dk_pages.dp_n, size,
	    BUS_DMA_NOWAIT);
	if (error != 0)
		return (load_failed(dk, size, error));
	return (transfer(dk, dk->dk_map, at, size, write));
}

static unsigned
piece(uint64_t left, unsigned most)
{

	return (left < most ? (unsigned)left : most);
}

static int
read_all(struct disk *dk, uint64_t size, bool *invites)
{
	unsigned i, len, n = 0;
	struct cksum ck;
	uint64_t at;
	int error;

	cksum_init(&ck);
	for (at = 0; at < size; at += len, n++) {
		len = piece(size - at, dk->dk_xfer);
		if ((error = pages_transfer(dk, at, len, false)) != 0)
			return (error);
		if (at == 0)
			*invites = memcmp(dmapages_at(&dk->dk_pages, 0),
			    scratch, sizeof(scratch) - 1) == 0;
		for (i = 0; i < len; i += VM_PAGE_SIZE)
			cksum_add(&ck, dmapages_at(&dk->dk_pages, i),
			    piece(len - i, VM_PAGE_SIZE));
	}
	printf("%s: read %ju bytes of %ju blocks of %u in %u transfers "
	    "through %u pieces of memory, cksum %u\n", dk->dk_name,
	    (uintmax_t)size, (uintmax_t)dk->dk_blocks, 1U << dk->dk_shift, n,
	    dmapages_pieces(&dk->dk_pages), cksum_end(&ck));
	return (0);
}

/*
 * read_back: is on the disk at byte at what the pages hold?
 */
static int
read_back(struct disk *dk, uint64_t at, unsigned size)
{
	uint8_t *to = dk->dk_odd + ODD + dk->dk_align;
	unsigned done, i, len;
	int error;

	for (done = 0; done < size; done += len) {
		len = piece(size - done, ODD_XFER);
		len = piece(len, dk->dk_xfer);
		memset(to, ~*dmapages_at(&dk->dk_pages, done), len);
		error = bus_dmamap_load(dk->dk_tag, dk->dk_oddmap, to, len,
		    NULL, BUS_DMA_NOWAIT);
		if (error != 0)
			return (load_failed(dk, len, error));
		error = transfer(dk, dk->dk_oddmap, at + done, len, false);
		if (error != 0)
			return (error);
		for (i = 0; i < len; i++) {
			if (to[i] == *dmapages_at(&dk->dk_pages, done + i))
				continue;
			printf("%s: byte %ju is not as written\n", dk->dk_name,
			    (uintmax_t)(at + done + i));
			return (EIO);
		}
	}
	return (0);
}

/*
 * copy: the first half of size bytes becomes the second.
 */
static int
copy(struct disk *dk, uint64_t size)
{
	uint64_t at, half = (size >> dk->dk_shift) / 2 << dk->dk_shift;
	unsigned len, n = 0;
	int error;

	for (at = 0; at < half; at += len, n++) {
		len = piece(half - at, dk->dk_xfer);
		if ((error = pages_transfer(dk, at, len, false)) != 0 ||
		    (error = pages_transfer(dk, half + at, len, true)) != 0 ||
		    (error = read_back(dk, half + at, len)) != 0)
			return (error);
	}
	if (dk->dk_flush != NULL && (error = dk->dk_flush(dk->dk_arg)) != 0)
		return (error);
	printf("%s: wrote %ju bytes at %ju in %u transfers, ok\n",
	    dk->dk_name, (uintmax_t)half, (uintmax_t)half, n);
	return (0);
}

/*
 * transfer_size: what surely fits into the segments, wherever the pages lie:
 * one page more than the odd buffer begins and ends in the middle of one.
 */
static bus_size_t
transfer_size(const struct disk *dk)
{
	bus_size_t part = VM_PAGE_SIZE, size;
	unsigned per;

	if (dk->dk_maxsegsz < part)
		part = dk->dk_maxsegsz;
	if (dk->dk_boundary != 0 && dk->dk_boundary < part)
		part = dk->dk_boundary;
	if (part == 0)
		return (0);
	per = (unsigned)((VM_PAGE_SIZE + part - 1) / part);
	size = (dk->dk_nsegs > per ? dk->dk_nsegs - 1 : dk->dk_nsegs) / per *
	    VM_PAGE_SIZE;
	if (size > XFER)
		size = XFER;
	if (dk->dk_max != 0 && size > dk->dk_max)
		size = dk->dk_max;
	return (size >> dk->dk_shift << dk->dk_shift);
}

static int
prepare_maps(struct disk *dk)
{
	bus_size_t seg = dk->dk_maxsegsz < XFER ? dk->dk_maxsegsz : XFER;
	int error;

	error = bus_dmamap_create(dk->dk_tag, dk->dk_xfer, (int)dk->dk_nsegs,
	    seg, dk->dk_boundary, BUS_DMA_NOWAIT, &dk->dk_map);
	if (error == 0)
		error = bus_dmamap_create(dk->dk_tag,
		    piece(ODD_XFER, dk->dk_xfer), (int)dk->dk_nsegs, seg,
		    dk->dk_boundary, BUS_DMA_NOWAIT | BUS_DMA_ALLOCNOW,
		    &dk->dk_oddmap);
	if (error != 0)
		device_lacks_dma(dk->dk_name, error, "map", dk->dk_tag,
		    ODD_XFER, VM_PAGE_SIZE, 0);
	return (error);
}

/*
 * prepare: the buffers and their maps, which stay for the next time.
 */
static int
prepare(struct disk *dk)
{
	bus_size_t xfer = transfer_size(dk);
	int error;

	if (xfer == 0) {
		printf("%s: no transfers in %u segments of %ju bytes\n",
		    dk->dk_name, dk->dk_nsegs, (uintmax_t)dk->dk_maxsegsz);
		return (EOPNOTSUPP);
	}
	dk->dk_xfer = (unsigned)xfer;
	if ((error = prepare_maps(dk)) != 0)
		return (error);
	dk->dk_odd = km_map_alloc(ODD_SIZE, VM_PAGE_SIZE, 0);
	if (dk->dk_odd == NULL) {
		device_lacks(dk->dk_name, ENOMEM,
		    "kernel memory of %ju bytes", (uintmax_t)ODD_SIZE);
		return (ENOMEM);
	}
	return (dmapages_get(&dk->dk_pages, dk->dk_tag, dk->dk_name,
	    (unsigned)((xfer + VM_PAGE_SIZE - 1) / VM_PAGE_SIZE)));
}

void
disk_release(struct disk *dk)
{

	if (dk->dk_map != NULL)
		bus_dmamap_destroy(dk->dk_tag, dk->dk_map);
	if (dk->dk_oddmap != NULL)
		bus_dmamap_destroy(dk->dk_tag, dk->dk_oddmap);
	dk->dk_map = dk->dk_oddmap = NULL;
	dmapages_put(&dk->dk_pages);
	if (dk->dk_odd != NULL)
		(void)km_map_free(dk->dk_odd, ODD_SIZE);
	dk->dk_odd = NULL;
}

int
disk_job(struct disk *dk)
{
	uint64_t size = READ_MAX;
	bool invites = false;
	int error = 0;

	dk->dk_moved = 0;
	if (dk->dk_blocks < READ_MAX >> dk->dk_shift)
		size = dk->dk_blocks << dk->dk_shift;
	if (dk->dk_pages.dp_n == 0 && (error = prepare(dk)) != 0) {
		disk_release(dk);
		return (error);
	}
	error = read_all(dk, size, &invites);
	if (error == 0 && invites && dk->dk_readonly)
		printf("%s: cannot be written to\n", dk->dk_name);
	else if (error == 0 && invites)
		error = copy(dk, size);
	return (error);
}
