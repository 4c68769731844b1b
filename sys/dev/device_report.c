/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The line with the figures of a device's job.
 */

#include <sys/systm.h>

#include <dev/device_report.h>

#define	WORD	24		/* 0x, 16 digits, and some */

void
device_report(struct device_figures *df, uint64_t bytes)
{
	char below[WORD] = "any", boundary[WORD] = "none";
	struct bus_dma_counts now;

	if (df->df_max != BUS_ADDR_MAX)
		(void)snprintf(below, sizeof(below), "0x%jx",
		    (uintmax_t)df->df_max + 1);
	if (df->df_boundary != 0)
		(void)snprintf(boundary, sizeof(boundary), "%ju",
		    (uintmax_t)df->df_boundary);
	bus_dma_counts(df->df_tag, &now);
	printf("%s: moved %ju bytes, %ju segments, %ju bytes bounced; "
	    "below %s, align %ju, boundary %s, contiguous %ju\n", df->df_name,
	    (uintmax_t)bytes, (uintmax_t)(now.dc_segs - df->df_last.dc_segs),
	    (uintmax_t)(now.dc_copied - df->df_last.dc_copied), below,
	    (uintmax_t)df->df_align, boundary, (uintmax_t)df->df_contig);
	df->df_last = now;
}
