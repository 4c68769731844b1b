/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The state of a machine's memory, wherever it came from: the segments, and
 * the real extent map loaded with what was found.
 */

#ifndef _EXTSTAT_STATE_H_
#define	_EXTSTAT_STATE_H_

#include <vm/vm_extmap.h>
#include <vm/vm_physseg.h>

#define	STATE_NAMELEN	32		/* of a name, NUL included */
#define	STATE_MAXSEG	4096

struct state_name {
	char		sn_name[STATE_NAMELEN];	/* printable */
};

struct state_counter {
	struct state_name sc_name;
	uint64_t	sc_value;
};

/* A pool, an order pool, an extent map or a size of kmem(9). */
struct state_space {
	struct state_name ss_name;
	const char	*ss_kind;
	bool		ss_numbers;	/* all is in numbers, not in bytes */
	uint64_t	ss_start;
	uint64_t	ss_end;		/* inclusive */
	uint64_t	ss_size;	/* these modulo 2^64; state_all() */
	uint64_t	ss_used;
	uint64_t	ss_free;
	uint64_t	ss_largest;
	uint64_t	ss_pieces;
};

struct state {
	const char	*st_name;	/* what was read, for messages */
	char		st_source[512];	/* the same for the reader */
	struct vm_physseg *st_seg;	/* by address */
	unsigned	st_nseg;
	struct vm_extmap st_map;
	struct state_name *st_owner;	/* by owner tag */
	unsigned	st_nowner;
	struct state_counter *st_counter;
	unsigned	st_ncounter;
	uint64_t	*st_segcounter;	/* st_ncounter a segment; or NULL */
	struct state_space *st_space;
	unsigned	st_nspace;
	unsigned	st_spaces_left;	/* that were not described */
};

/*
 * Setting up, in this order.  What does not fit together ends the program.
 *
 * state_init: nothing known yet but the name; st_source is for the caller to
 * fill.
 * state_segment: the next segment in address order, frames [start, end).
 * state_map: make the map over the segments, with owner tags; every frame is
 * absent until vm_extmap_load() or vm_extmap_set().
 */
void	state_init(struct state *, const char *name);
void	state_segment(struct state *, vm_frame_t start, vm_frame_t end,
	    enum vm_freelist list);
void	state_map(struct state *);

/*
 * state_walk: visit every extent: maximal free run, maximal held run or
 * allocation, in address order; extents may reach over the border of segments
 * that touch.
 */
void	state_walk(const struct state *,
	    void (*visit)(void *arg, const struct vm_extent *), void *arg);

/* state_frames: frames in all segments. */
uint64_t state_frames(const struct state *);

/*
 * state_owner: the tag of the allocation that starts at a frame.
 * state_owner_name: its name; "-" if nobody said, "?" if it is unknown.
 */
vm_owner_t state_owner(const struct state *, vm_frame_t head);
const char *state_owner_name(const struct state *, vm_owner_t);

/*
 * state_all: is one of the sizes of a space, which is 0, all the 2^64 numbers
 * there are?  Of a map of all of them some are taken or none is, in pieces or
 * in none.
 */
bool	state_all(const struct state_space *, const uint64_t *size);

/*
 * state_headless: does an extent, found as an allocation, start with a frame
 * that is no first frame?  Seen in a guest that was stopped in the middle
 * of a change, and in one whose memory was damaged.
 */
bool	state_headless(const struct state *, const struct vm_extent *);

/*
 * state_free_held: make held frames free, as a request finds them that takes
 * them back from the queues.
 */
void	state_free_held(struct state *);

#endif /* !_EXTSTAT_STATE_H_ */
