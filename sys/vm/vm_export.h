/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The versioned, self-describing description of the allocator's state that
 * extstat(8) reads from a live guest or from a core.
 *
 * All references are physical addresses of physically contiguous arrays, all
 * integers are in the byte order of the machine that wrote them.  A reader
 * must treat every field as hostile: it checks magic, byte order, version and
 * sizes, and every address against the memory it has.  A later version may
 * append fields to any structure (the sizes tell), and changes the version
 * when the meaning of a field changes.
 */

#ifndef _VM_VM_EXPORT_H_
#define	_VM_VM_EXPORT_H_

#include <vm/vm_types.h>

#define	VM_EXPORT_SYMBOL	"vm_export"	/* find it by this name */
#define	VM_EXPORT_MAGIC		"EXTANTvm"	/* 8 bytes, no NUL */
#define	VM_EXPORT_VERSION	2
#define	VM_EXPORT_BYTEORDER	0x01020304

struct vm_export_array {
	uint64_t	vea_paddr;	/* first element; 0: none */
	uint32_t	vea_count;	/* elements */
	uint32_t	vea_size;	/* bytes from one to the next */
};

/* A segment: [ves_start, ves_end) frames, managed, of one free list. */
struct vm_export_seg {
	uint64_t	ves_start;
	uint64_t	ves_end;
	uint32_t	ves_list;
	uint32_t	ves_slot;	/* in ve_seg_counters */
};

/*
 * A span: the state words of the frames [vep_first, vep_first +
 * vep_nframes); not all of them need lie in a segment.  Frame f's state is in
 * the word at index (f - vep_first) / 32; its bits are bit i = f % 32 and bit
 * i + 32 of that word: 0,0 free; 1,0 held; 1,1 head; 0,1 tail (in the order:
 * bit i, bit i + 32).  The words of a block of VM_EXPORT_BLOCK frames mean
 * nothing while its bit in vep_virgin is set, which is bit i % 64 of the word
 * at index i / 64 for block i of the span: then those frames of it that lie in
 * a segment are free.
 */
#define	VM_EXPORT_BLOCK		512

struct vm_export_span {
	uint64_t	vep_first;	/* multiple of 32 */
	uint64_t	vep_nframes;	/* multiple of 32 */
	uint64_t	vep_states;	/* physical address of uint64_t[] */
	uint64_t	vep_owners;	/* of uint16_t[vep_nframes], or 0 */
	uint64_t	vep_virgin;	/* of uint64_t[], or 0: no bit is set */
};

struct vm_export_name {
	char		ven_name[16];	/* NUL-terminated */
};

/*
 * What else hands out memory or numbers: pools, order pools, extent maps and
 * the sizes of kmem(9), as of the last vm_export_refresh().  Of an extent map
 * all is in numbers, of the others in bytes.
 */
enum vm_export_kind {
	VM_EXPORT_POOL = 1,
	VM_EXPORT_BUDDY,
	VM_EXPORT_EXTENT,
	VM_EXPORT_KMEM
};

struct vm_export_space {
	char		vxs_name[32];	/* NUL-terminated */
	uint32_t	vxs_kind;	/* enum vm_export_kind */
	uint32_t	vxs_pad;
	uint64_t	vxs_start;	/* the lowest address or number */
	uint64_t	vxs_end;	/* the highest, inclusive */
	uint64_t	vxs_size;	/* in all; 0: 2^64 */
	uint64_t	vxs_used;
	uint64_t	vxs_free;
	uint64_t	vxs_largest;	/* in one piece */
	uint64_t	vxs_pieces;	/* allocations */
};

#define	VM_EXPORT_SPACES	128	/* room in the kernel */

struct vm_export {
	char		ve_magic[8];
	uint32_t	ve_byteorder;
	uint32_t	ve_version;
	uint32_t	ve_size;	/* of this structure */
	uint32_t	ve_page_shift;
	struct vm_export_array ve_segs;		/* vm_export_seg */
	struct vm_export_array ve_spans;	/* vm_export_span */
	struct vm_export_array ve_lists;	/* vm_export_name */
	struct vm_export_array ve_owners;	/* vm_export_name, by tag */
	struct vm_export_array ve_counter_names; /* vm_export_name */
	struct vm_export_array ve_counters;	/* a set of uint64_t a CPU */
	struct vm_export_array ve_seg_counters;	/* a set a CPU and slot, those
						   of one CPU together */
	uint32_t	ve_seg_slots;
	uint32_t	ve_spaces_left;	/* for which there was no room */
	struct vm_export_array ve_spaces;	/* vm_export_space */
	uint64_t	ve_refreshed;	/* how often those were made */
};

extern struct vm_export vm_export;

/*
 * vm_export_update: bring the description up to date after segments or spans
 * changed.  => the map's lock held, or one CPU.
 */
void	vm_export_update(void);

/*
 * Who hands out such things tells of them through a source; its storage is
 * the caller's, for ever.
 *
 * vm_export_source: from here on that one is asked, too; a second time is no
 * harm.
 * vm_export_refresh: ask all sources, and describe what they say.
 * => the number of spaces.  One at a time, and not from interrupt context:
 *    sources take the locks of whom they describe.
 */
struct vm_export_source {
	/* The i-th space, into what is all zeros.  => false: there is none. */
	bool		(*vx_get)(unsigned i, struct vm_export_space *);
	struct vm_export_source *vx_next;	/* ours */
};

void	vm_export_source(struct vm_export_source *);
unsigned vm_export_refresh(void);

#endif /* !_VM_VM_EXPORT_H_ */
