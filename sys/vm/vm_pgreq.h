/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Requests against a map: what a vm_pgreq means, without the running
 * allocator around it, so that extstat(8) asks the same question of a map it
 * has loaded.
 */

#ifndef _VM_VM_PGREQ_H_
#define	_VM_VM_PGREQ_H_

#include <vm/vm_extmap.h>
#include <vm/vm_pglist.h>

/* Contiguous frames that a request may use: [pw_low, pw_high). */
struct vm_pgwindow {
	vm_frame_t	pw_low;
	vm_frame_t	pw_high;
};

/*
 * vm_pgreq_windows: where a request's limits and lists allow it to look,
 * in address order, not touching.  => how many, at most VM_NFREELIST.
 */
unsigned	vm_pgreq_windows(const struct vm_pgreq *req,
		    struct vm_pgwindow win[VM_NFREELIST]);

/*
 * vm_pgreq_search: the frames of a request, for vm_extmap_find(); its window
 * goes from the lowest to the highest address that the request may use.
 */
struct vm_extreq vm_pgreq_search(const struct vm_pgreq *req);

/*
 * vm_pgreq_solve: where a well-formed request would be served from the free
 * frames of a map (held ones do not count), with the fewest segments.
 * => 0, ENOMEM or EFBIG; segs and rsegs as vm_pglist_alloc(), by address.
 * => changes no state.
 */
int	vm_pgreq_solve(struct vm_extmap *map, const struct vm_pgreq *req,
	    struct vm_pgseg *segs, unsigned *rsegs);

#endif /* !_VM_VM_PGREQ_H_ */
