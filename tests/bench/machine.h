/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The memory that a workload works on.
 */

#ifndef _MACHINE_H_
#define	_MACHINE_H_

#include "ticks.h"
#include "vmbench.h"

/*
 * huge_alloc: memory in large pages where the system gives any, zeroed and
 * present; ends the program when there is none.
 */
void	*huge_alloc(size_t size);
void	huge_free(void *p, size_t size);

/*
 * metadata_back: have the top of that much memory, where the allocator puts
 * its metadata, in large pages too.
 */
void	metadata_back(psize_t size);

/*
 * machine_start: a contender with memory of that many bytes from address 0
 * on, all of it free.
 * => how many pages there are to allocate.
 */
uint64_t machine_start(enum contender who, psize_t size);

/*
 * machine_verify: ends the program if the allocator refused a free, or its
 * audit finds queues and map at odds: then no time is worth anything.
 * machine_stop: that, and gives the metadata's memory back; the structures of
 * the free lists stay for the next start.
 */
void	machine_verify(enum contender who);
void	machine_stop(enum contender who);

/*
 * Pages that are allocated, in no order.
 */
struct live {
	uint64_t	*l_page;
	uint64_t	l_n;
	uint64_t	l_max;
};

void	live_init(struct live *l, uint64_t max);
void	live_fini(struct live *l);
void	live_shuffle(struct live *l, struct rng *r);

/*
 * live_fill: allocate all that is left.
 * live_thin: free pages chosen at random until only n are left.
 */
void	live_fill(enum contender who, struct live *l);
void	live_thin(enum contender who, struct live *l, uint64_t n,
	    struct rng *r);

/*
 * The fragmented map: all pages allocated singly, a random half freed in
 * random order, and HOLES holes of 1 MiB, aligned to 1 MiB, no two of which
 * make one of 2 MiB: LOWHOLES of them below 16 MiB and MIDHOLES below 4 GiB
 * (or, with less memory, the others too).  Between 32 and 48 MiB only every
 * other page is free.
 *
 * fragment_start: makes it; l has the pages that are allocated then.
 */
#define	HOLES		64
#define	LOWHOLES	2
#define	MIDHOLES	14
#define	FRAGMENT_MIN	(256 * MIB)	/* least memory that it fits in */

void	fragment_start(psize_t size, struct live *l, struct rng *r);

/*
 * pattern_start: all pages are allocated, then those freed, in address order,
 * that the predicate names.
 */
void	pattern_start(psize_t size, bool (*isfree)(vm_frame_t));

#endif /* !_MACHINE_H_ */
