/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What the tests of bus_dma(9) share: a machine, its console, and random
 * numbers that are the same each time.
 */

#ifndef _SUBR_BUS_DMA_TESTLIB_H_
#define	_SUBR_BUS_DMA_TESTLIB_H_

#include <atf-c.h>

#include <sys/bus_dma.h>

#include <vm/vm_audit.h>
#include <vm/vm_physseg.h>

#define	NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

#define	KiB		UINT64_C(1024)
#define	MiB		(1024 * KiB)
#define	GiB		(1024 * MiB)
#define	PAGE		VM_PAGE_SIZE

#define	TOP		(UINT64_C(1) << VM_PADDR_BITS)
#define	UNKNOWN_FLAG	0x10000

/* The machine's memory; the lines on its console, and the last of them. */
extern const struct vm_memrange ranges[];
extern const unsigned nranges;
extern unsigned nlines;
extern char lastline[512];

/*
 * boot: start the machine.
 * audit: its memory must be in order.
 * free_frames: how many are free.
 * make_tag, any_tag: a tag, which is checked; any_tag() reaches everything.
 * alloc1: memory in one segment.  => the error.
 * rnd: 0 to n - 1.
 */
void		boot(void);
struct vm_audit	audit(void);
uint64_t	free_frames(void);
bus_dma_tag_t	make_tag(const char *name, bus_addr_t min, bus_addr_t max);
bus_dma_tag_t	any_tag(void);
int		alloc1(bus_dma_tag_t, bus_size_t size, bus_size_t align,
		    bus_size_t boundary, bus_dma_segment_t *seg);
uint64_t	rnd(uint64_t n);

#endif /* !_SUBR_BUS_DMA_TESTLIB_H_ */
