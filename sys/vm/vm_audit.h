/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The auditor: do the queues, the map and the owners agree?
 */

#ifndef _VM_VM_AUDIT_H_
#define	_VM_VM_AUDIT_H_

#include <vm/vm_types.h>

struct vm_extmap;
struct vm_physseg;

/*
 * What an audit counts.  Extents are maximal runs of free frames (in the map,
 * not held) and may reach over the border of segments that touch.
 */
struct vm_audit {
	uint64_t	va_frames;	/* managed frames */
	uint64_t	va_free;	/* in the map */
	uint64_t	va_held;	/* on queues */
	uint64_t	va_allocated;	/* owned */
	uint64_t	va_runs;	/* allocations */
	uint64_t	va_extents;	/* free extents */
	uint64_t	va_largest;	/* frames of the largest of them */
	uint64_t	va_digest;	/* FNV-1a 64 over all of it, below */
	uint64_t	va_errors;	/* invariants found broken */
	char		va_why[96];	/* the first of them */
};

/*
 * vm_audit_count: count the state of a map's frames in nsegs segments (in
 * address order), without looking at queues or summaries: the part that
 * extstat(8) shares.  Sets va_frames to va_digest, clears the rest.
 *
 * The digest runs over, in address order, each free extent, each run of held
 * frames and each allocation: first frame, number of frames, and state (0
 * free, 1 held, 3 allocated), 8 bytes each, least significant byte first.
 */
void	vm_audit_count(const struct vm_extmap *map,
	    const struct vm_physseg *segs, unsigned nsegs, struct vm_audit *va);

/*
 * vm_audit_format: the audit line without its label, the same in the kernel
 * and in extstat(8):
 *
 *	frames 32639 free 31002 held 120 allocated 1517 runs 301 extents 85
 *	largest 1044 digest 00c0ffee00c0ffee
 *
 * in one line.  => buf of at least VM_AUDIT_LINE bytes.
 */
#define	VM_AUDIT_LINE	256
void	vm_audit_format(const struct vm_audit *va, char *buf, size_t len);

/*
 * vm_audit: check every invariant of the running allocator.
 * => true: all hold.  With other CPUs at work the counts are of no single
 *    moment, but every check that is made still must hold.
 * => takes the map's lock for the whole walk; O(frames / 32 + entries^2).
 */
bool	vm_audit(struct vm_audit *va);

/*
 * vm_audit_print: audit and print "audit LABEL: <line>: ok", or
 * "...: BROKEN (n): why", on the console.  Returns what vm_audit() does.
 */
bool	vm_audit_print(const char *label);

#endif /* !_VM_VM_AUDIT_H_ */
