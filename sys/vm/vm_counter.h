/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Counters: one set a CPU, written by that CPU alone, summed on reading; and
 * one a CPU and segment, of what happens at an address.
 */

#ifndef _VM_VM_COUNTER_H_
#define	_VM_VM_COUNTER_H_

#include <stdbool.h>
#include <stdint.h>

enum vm_counter {
	VM_COUNT_ALLOC,		/* single pages allocated */
	VM_COUNT_FREE,		/* single pages freed */
	VM_COUNT_REFILL,	/* frames moved map -> queue */
	VM_COUNT_SPILL,		/* frames moved queue -> map */
	VM_COUNT_STEAL,		/* frames taken back from queues on demand */
	VM_COUNT_DRAIN,		/* CPUs whose queues were looked through */
	VM_COUNT_STALE,		/* queue entries dropped: taken back before */
	VM_COUNT_RUN_ALLOC,	/* constrained requests served */
	VM_COUNT_RUN_FREE,	/* runs freed */
	VM_COUNT_RUN_NOMEM,	/* ... failed: ENOMEM, or not waited for */
	VM_COUNT_RUN_FBIG,	/* ... EFBIG */
	VM_COUNT_RUN_INVAL,	/* ... EINVAL */
	VM_COUNT_RUN_EXAMINED,	/* frames of blocks that were looked into */
	VM_COUNT_BAD_INVAL,	/* frees refused: not a start, not managed */
	VM_COUNT_BAD_ALREADY,	/* ... already free */
	VM_COUNT_BAD_MSGSIZE,	/* ... wrong size */
	VM_NCOUNTER
};

/*
 * vm_counter_sum: the sum over all CPUs.  A snapshot without a lock: each
 * counter is exact, two of them need not be of the same moment.
 */
uint64_t	vm_counter_sum(enum vm_counter c);

/*
 * vm_counter_segment: the same, of what happened in the i-th segment in
 * address order: VM_COUNT_ALLOC, _FREE, _REFILL, _SPILL, _STEAL, _RUN_ALLOC and
 * _RUN_FREE (where the run begins; each of several), and _BAD_INVAL, _ALREADY
 * and _MSGSIZE.  Of the others, 0.  A segment that is joined with another
 * hands its counts over; one that is cut in two keeps them in the lower part.
 * => false: there is no such segment.  => takes the map's lock.
 */
bool		vm_counter_segment(unsigned i, enum vm_counter c,
		    uint64_t *valuep);

/* vm_counter_name: "alloc", "free", ... as extstat(8) prints it. */
const char	*vm_counter_name(enum vm_counter c);

#endif /* !_VM_VM_COUNTER_H_ */
