/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Recorded traces of a kernel's page allocator: traces/README describes the
 * format.
 */

#ifndef _TRACE_H_
#define	_TRACE_H_

#include <vm/vm_types.h>

/* Frames [tr_start, tr_start + tr_n). */
struct trace_range {
	vm_frame_t	tr_start;
	uint64_t	tr_n;
};

enum trace_op {
	TRACE_ALLOC,		/* te_order, te_class; te_id names it */
	TRACE_FREE,		/* te_id */
	TRACE_PART,		/* te_id: index into t_part */
	TRACE_INITIAL		/* te_id: index into t_initial */
};

/* Frames [tp_offset, tp_offset + tp_n) of an allocation. */
struct trace_part {
	uint32_t	tp_id;
	uint32_t	tp_offset;
	uint32_t	tp_n;
};

struct trace_event {
	uint32_t	te_id;
	uint8_t		te_op;
	uint8_t		te_order;
	uint8_t		te_class;	/* 0: anywhere */
};

#define	TRACE_MAXORDER	20

/*
 * A trace, verified: segments, free extents and initial ranges are in address
 * order where they are listed as such, do not overlap and lie in segments; an
 * id is below t_nids, is allocated once at a time, and freed only while it is:
 * whole, or in parts that are together no more than it had frames.
 */
struct trace {
	struct trace_range *t_segment;	/* in address order */
	size_t		t_nsegments;
	struct trace_range *t_free;	/* in address order */
	size_t		t_nfree;
	struct trace_range *t_initial;	/* freed by a TRACE_INITIAL; of no
					   frames if it is left out */
	size_t		t_ninitial;
	struct trace_part *t_part;
	size_t		t_nparts;
	struct trace_event *t_event;
	size_t		t_nevents;
	size_t		t_nleftout;	/* events that contradict the rest */
	uint32_t	t_nids;
};

/* The first frame above the limit of a class. */
vm_frame_t	trace_class_limit(unsigned class);

/*
 * trace_read: read a trace, plain or compressed by xz(1).
 * => NULL: it cannot be read, or is no such trace, which err (of at least
 *    TRACE_ERRLEN bytes) says in one line.
 */
#define	TRACE_ERRLEN	256
struct trace	*trace_read(const char *path, char *err);
void		trace_free(struct trace *t);

#endif /* !_TRACE_H_ */
