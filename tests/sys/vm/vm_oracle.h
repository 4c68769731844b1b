/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The oracle: a plain array with the state of each frame, and answers that
 * come from looking at all of them.
 */

#ifndef _VM_ORACLE_H_
#define	_VM_ORACLE_H_

#include <vm/vm_extmap.h>
#include <vm/vm_pgreq.h>

#include "vm_testlib.h"

#define	ORACLE_AREAS	64

/* Contiguous frames. */
struct oracle_area {
	vm_frame_t	oa_first;
	uint64_t	oa_n;
	uint8_t		*oa_state;	/* enum vm_fstate */
};

struct oracle {
	unsigned	o_nareas;
	struct oracle_area o_area[ORACLE_AREAS];	/* by address */
};

/*
 * oracle_add: frames [first, first + n) in a state, behind all others.
 */
void		oracle_init(struct oracle *);
void		oracle_fini(struct oracle *);
void		oracle_add(struct oracle *, vm_frame_t first, uint64_t n,
		    enum vm_fstate);

/*
 * oracle_state: HEAD outside all areas, as vm_extmap_state().
 * oracle_set: frames of one area in a state, as vm_extmap_set().
 * oracle_length: frames of the allocation that starts at a head.
 * oracle_count: frames in a state.
 */
enum vm_fstate	oracle_state(const struct oracle *, vm_frame_t);
void		oracle_set(struct oracle *, vm_frame_t start, vm_frame_t end,
		    enum vm_fstate);
uint64_t	oracle_length(const struct oracle *, vm_frame_t head);
uint64_t	oracle_count(const struct oracle *, enum vm_fstate);

/* A random frame, and a random one in a state: false if there is none. */
vm_frame_t	oracle_any(const struct oracle *, struct rng *);
bool		oracle_any_in(const struct oracle *, struct rng *,
		    enum vm_fstate, vm_frame_t *);

/*
 * oracle_find: all about the places where a search could end.
 * oracle_fits: is that place one of them?  oracle_extent: frames of the free
 * extent around a free frame, cut to the request's window.
 */
struct oracle_answer {
	bool		oa_found;
	vm_frame_t	oa_lowest;	/* of all places */
	vm_frame_t	oa_highest;
	uint64_t	oa_smallest;	/* extent, cut to the window, that
					   has a place */
};

void		oracle_find(const struct oracle *, const struct vm_extreq *,
		    struct oracle_answer *);
bool		oracle_fits(const struct oracle *, const struct vm_extreq *,
		    vm_frame_t start);
uint64_t	oracle_extent(const struct oracle *, const struct vm_extreq *,
		    vm_frame_t frame);

/*
 * oracle_segments: the smallest number of segments in which a request can be
 * served from free frames, or 0 (however many it asks for); in *coverp, the
 * most frames that any number of segments cover.
 * => looks at every way to lay the segments: small maps only.
 * oracle_usable: may a request use that frame, by its limits and lists?
 */
unsigned	oracle_segments(const struct oracle *, const struct vm_pgreq *,
		    uint64_t *coverp);
bool		oracle_usable(const struct vm_pgreq *, vm_frame_t);

/*
 * oracle_check: each frame of the map is in the state that it is here.
 */
void		oracle_check(const struct oracle *, const struct vm_extmap *);

#endif /* !_VM_ORACLE_H_ */
