/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * USB mass storage, whatever controller it is behind.
 */

#ifndef _DEV_USB_UMASS_H_
#define	_DEV_USB_UMASS_H_

#include <dev/dmabuf.h>

/* A bulk endpoint. */
struct usb_bulk {
	uint8_t		ub_address;	/* 0: none */
	uint8_t		ub_burst;	/* packets more, in a row */
	uint16_t	ub_packet;	/* most bytes of one */
};

/*
 * umass_find: the endpoints of the first interface for SCSI disks by the
 * bulk-only transport in a configuration descriptor and what follows it, len
 * bytes, whatever they are.
 * => false: there is none, or the descriptors make no sense.
 */
bool	umass_find(const uint8_t *config, unsigned len, struct usb_bulk *in,
	    struct usb_bulk *out);

/* How a bulk transfer ended, without an error of the bus. */
enum usb_result {
	USB_DONE,
	USB_SHORT,		/* less has come */
	USB_STALLED		/* refused; the endpoint is fit again */
};

/* Of the memory that is shared with the device: commands and answers. */
#define	UMASS_CBW_AT	0U
#define	UMASS_CSW_AT	64U
#define	UMASS_DATA_AT	128U
#define	UMASS_DATA_SIZE	64U
#define	UMASS_SIZE	(UMASS_DATA_AT + UMASS_DATA_SIZE)

/*
 * The controller's driver fills in what is above the line; zero the rest.
 *
 * um_bulk: move what n segments have.  The memory is synced by the caller.
 * => 0 and *result, or an error number after one line on the console.
 */
struct umass {
	const char	*um_name;
	const struct dmabuf *um_mem;
	unsigned	um_at;		/* UMASS_SIZE bytes from here */
	int		(*um_bulk)(void *arg, bool in,
			    const bus_dma_segment_t *, unsigned n,
			    enum usb_result *result);
	void		*um_arg;
	/* ---- */
	uint32_t	um_tag;		/* of the last command */
	uint64_t	um_blocks;
	unsigned	um_shift;	/* log2 of the bytes of one */
	char		um_model[8 + 1 + 16 + 1]; /* vendor, product */
};

#define	UMASS_BLOCKS_MAX 65535U		/* of a transfer */

/*
 * umass_examine: what it is, and how large.
 * => 0; ENXIO: no disk, nothing is said; another error number after a line.
 * umass_transfer, umass_flush: as disk_job() wants them, arg is the umass.
 */
int	umass_examine(struct umass *);
int	umass_transfer(void *arg, bus_dmamap_t map, uint64_t block,
	    unsigned nblocks, bool write);
int	umass_flush(void *arg);

#endif /* !_DEV_USB_UMASS_H_ */
