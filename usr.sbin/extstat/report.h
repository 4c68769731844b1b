/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What can be said of a state of memory in a few numbers.
 */

#ifndef _EXTSTAT_REPORT_H_
#define	_EXTSTAT_REPORT_H_

#include <vm/vm_audit.h>

#include "state.h"

/* Frames by state, and the free extents, of a part of the memory. */
struct tally {
	uint64_t	t_frames;
	uint64_t	t_free;
	uint64_t	t_held;
	uint64_t	t_allocated;
	uint64_t	t_extents;	/* free extents that reach into it */
	uint64_t	t_largest;	/* frames of what of them lies in it */
};

struct report {
	struct tally	*rp_seg;	/* by segment */
	struct tally	rp_list[VM_NFREELIST];
	struct tally	rp_total;
	uint64_t	rp_headless;	/* allocations without a first frame */
	struct vm_audit	rp_audit;
	char		rp_audit_line[VM_AUDIT_LINE];
};

/* Constraints, and the largest run that satisfies them. */
struct largest {
	const char	*lg_name;	/* of the constraints */
	paddr_t		lg_high;	/* exclusive; 0: no limit */
	psize_t		lg_align;	/* 0: a page */
	psize_t		lg_boundary;	/* 0: none */
	paddr_t		lg_start;	/* of the lowest such run */
	psize_t		lg_size;	/* 0: nothing is free there */
};

#define	NLARGEST	7

void	report_make(const struct state *, struct report *);

/*
 * report_largest: the largest runs by class of constraints.
 * => state_free_held() has been called: as for a request, held frames count.
 */
void	report_largest(struct state *, struct largest [NLARGEST]);

#endif /* !_EXTSTAT_REPORT_H_ */
