/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What a device's job did with memory, for people and for the table that
 * the goal run-devices prints.
 */

#ifndef _DEV_DEVICE_REPORT_H_
#define	_DEV_DEVICE_REPORT_H_

#include <sys/bus_dma.h>

/*
 * The limits are those with which the driver asked bus_dma(9) for memory.  It
 * fills in what is above the line; zero the rest.
 */
struct device_figures {
	const char	*df_name;	/* of the device, e.g. "fdc0" */
	bus_dma_tag_t	df_tag;
	bus_addr_t	df_max;		/* largest address, inclusive */
	bus_size_t	df_align;	/* bytes */
	bus_size_t	df_boundary;	/* bytes; 0: none */
	bus_size_t	df_contig;	/* most bytes in a row asked for */
	/* ---- */
	struct bus_dma_counts df_last;	/* of the tag, at the last report */
};

/*
 * device_report: print, in one line, the bytes that the device has moved in
 * this job, in both directions together, what was done with its tag since the
 * last report, and the limits:
 *
 *	NAME: moved N bytes, N segments, N bytes bounced; below ADDR|any,
 *	    align N, boundary N|none, contiguous N
 *
 * => the last thing that a job which succeeds does; one CPU at a time for
 *    each device.
 */
void	device_report(struct device_figures *, uint64_t bytes);

#endif /* !_DEV_DEVICE_REPORT_H_ */
