/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What the reference kernel does with a disk, whatever it is attached to.
 */

#ifndef _DEV_DISK_H_
#define	_DEV_DISK_H_

#include <dev/dmabuf.h>

/*
 * The driver fills in what is above the line; zero the rest.
 *
 * dk_transfer: move blocks between the disk and what the map is loaded with;
 * its segments keep the limits given.  The map is synced before and after.
 * => 0, or an error number after one line on the console.
 * dk_flush: what was written is on the disk for good.  NULL: always so.
 */
struct disk {
	const char	*dk_name;
	bus_dma_tag_t	dk_tag;		/* of the data */
	uint64_t	dk_blocks;
	unsigned	dk_shift;	/* log2 of the bytes of one: 9 to 12 */
	unsigned	dk_nsegs;	/* most segments of a transfer */
	bus_size_t	dk_maxsegsz;	/* most bytes of one */
	bus_size_t	dk_boundary;	/* that none crosses; 0: none */
	bus_size_t	dk_align;	/* where they begin, a power of two */
	bus_size_t	dk_max;		/* most bytes of a transfer; 0: any */
	bool		dk_readonly;
	int		(*dk_transfer)(void *arg, bus_dmamap_t, uint64_t block,
			    unsigned nblocks, bool write);
	int		(*dk_flush)(void *arg);
	void		*dk_arg;
	/* ---- */
	uint64_t	dk_moved;	/* bytes, in the last job */
	unsigned	dk_xfer;	/* bytes of a transfer */
	struct dmapages	dk_pages;
	bus_dmamap_t	dk_map;		/* for these */
	uint8_t		*dk_odd;	/* what was written is read here */
	bus_dmamap_t	dk_oddmap;
};

/*
 * disk_job: read the first 16 MiB, print what cksum(1) says of them; and if
 * the disk begins with the line "extant scratch", copy the first half of that
 * to the second, read that again and compare.
 * => 0; EOPNOTSUPP: the limits allow no transfer; another error number; each
 *    after one line on the console.
 * => dk_moved: the bytes that were moved, in both directions together.
 * => the memory stays allocated, until disk_release().
 */
int	disk_job(struct disk *);
void	disk_release(struct disk *);

#endif /* !_DEV_DISK_H_ */
