/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Columns as wide as what they usually hold, so that the output is the same
 * from one run to the next; ends of ranges are exclusive.  What a reader wants
 * to see first is what scrolls by last: the totals stand at the end.
 */

#include <inttypes.h>
#include <stdio.h>

#include "number.h"
#include "print.h"
#include "report.h"

/* Room for all sizes of a line. */
struct sizes {
	char		z_text[5][NUMBER_LEN];
	unsigned	z_n;
};

static const char *
size_of(struct sizes *z, uint64_t frames)
{

	return (number_format(vm_ptoa(frames), z->z_text[z->z_n++]));
}

static void
print_range(vm_frame_t start, vm_frame_t end)
{

	(void)printf("0x%012" PRIx64 " 0x%012" PRIx64, vm_ptoa(start),
	    vm_ptoa(end));
}

static void
print_segments(const struct state *st, const struct report *rp)
{
	const struct vm_physseg *seg;
	const struct tally *t;
	unsigned i;

	(void)printf("\nsegments\n%-14s %-14s %9s %-8s %9s %9s %9s\n",
	    "start", "end", "size", "list", "free", "held", "allocated");
	for (i = 0; i < st->st_nseg; i++) {
		struct sizes z = { .z_n = 0 };

		seg = &st->st_seg[i];
		t = &rp->rp_seg[i];
		print_range(seg->vs_start, seg->vs_end);
		(void)printf(" %9s %-8s %9s %9s %9s\n",
		    size_of(&z, t->t_frames), vm_freelist_name(seg->vs_list),
		    size_of(&z, t->t_free), size_of(&z, t->t_held),
		    size_of(&z, t->t_allocated));
	}
}

static void
print_extent(void *arg, const struct vm_extent *ext)
{
	const struct state *st = arg;
	struct sizes z = { .z_n = 0 };
	const char *state = "allocated", *owner = "-";

	if (ext->e_state == VM_FRAME_FREE)
		state = "free";
	else if (ext->e_state == VM_FRAME_HELD)
		state = "held";
	else if (state_headless(st, ext))
		state = "headless";
	else
		owner = state_owner_name(st, state_owner(st, ext->e_start));
	print_range(ext->e_start, ext->e_end);
	(void)printf(" %9s %-9s %s\n", size_of(&z, ext->e_end - ext->e_start),
	    state, owner);
}

static void
print_extents(struct state *st)
{

	(void)printf("\nextents\n%-14s %-14s %9s %-9s %s\n", "start", "end",
	    "size", "state", "owner");
	state_walk(st, print_extent, st);
}

static void
print_tally(const char *name, const struct tally *t)
{
	struct sizes z = { .z_n = 0 };

	(void)printf("%-8s %9s %9s %9s %9s %9" PRIu64 " %9s\n", name,
	    size_of(&z, t->t_frames), size_of(&z, t->t_free),
	    size_of(&z, t->t_held), size_of(&z, t->t_allocated),
	    t->t_extents, size_of(&z, t->t_largest));
}

static void
print_lists(const struct report *rp)
{
	unsigned i;

	(void)printf("\nfree lists\n%-8s %9s %9s %9s %9s %9s %9s\n", "list",
	    "size", "free", "held", "allocated", "extents", "largest");
	for (i = 0; i < VM_NFREELIST; i++) {
		if (rp->rp_list[i].t_frames != 0)
			print_tally(vm_freelist_name((enum vm_freelist)i),
			    &rp->rp_list[i]);
	}
	print_tally("total", &rp->rp_total);
}

static void
print_largest(struct state *st)
{
	struct largest lg[NLARGEST];
	char size[NUMBER_LEN];
	unsigned i;

	state_free_held(st);
	report_largest(st, lg);
	(void)printf("\nlargest run a request would find\n%-22s %9s %s\n",
	    "constraint", "size", "start");
	for (i = 0; i < NLARGEST; i++) {
		(void)printf("%-22s %9s ", lg[i].lg_name,
		    number_format(lg[i].lg_size, size));
		if (lg[i].lg_size == 0)
			(void)printf("-\n");
		else
			(void)printf("0x%012" PRIx64 "\n", lg[i].lg_start);
	}
}

static void
print_counters(const struct state *st)
{
	unsigned i;

	if (st->st_ncounter == 0)
		return;
	(void)printf("\ncounters\n");
	for (i = 0; i < st->st_ncounter; i++)
		(void)printf("%-16s %20" PRIu64 "\n",
		    st->st_counter[i].sc_name.sn_name,
		    st->st_counter[i].sc_value);
}

/*
 * Zeros are left out: most counters are of what has no address.
 */
static void
print_seg_counters(const struct state *st)
{
	const struct vm_physseg *seg;
	uint64_t value;
	unsigned i, c;

	if (st->st_segcounter == NULL)
		return;
	(void)printf("\ncounters by segment\n%-16s %-14s %-8s %20s\n",
	    "counter", "start", "list", "value");
	for (c = 0; c < st->st_ncounter; c++) {
		for (i = 0; i < st->st_nseg; i++) {
			seg = &st->st_seg[i];
			value = st->st_segcounter[i * st->st_ncounter + c];
			if (value != 0)
				(void)printf("%-16s 0x%012" PRIx64 " %-8s %20"
				    PRIu64 "\n",
				    st->st_counter[c].sc_name.sn_name,
				    vm_ptoa(seg->vs_start),
				    vm_freelist_name(seg->vs_list), value);
		}
	}
}

static const char *
space_size(const struct state_space *ss, const uint64_t *size,
    char buf[NUMBER_LEN])
{

	return (state_all(ss, size) ? "16384P" : number_format(*size, buf));
}

/*
 * Those of kmem(9) in which nothing is allocated, and that keep no page, are
 * left out: there are many, and nothing is to be seen.
 */
static void
print_spaces(const struct state *st)
{
	const struct state_space *ss;
	char z[4][NUMBER_LEN];

	if (st->st_nspace == 0)
		return;
	(void)printf("\npools, extent maps and kernel memory\n"
	    "%-20s %-6s %9s %9s %9s %9s %9s\n", "name", "kind", "size",
	    "used", "free", "largest", "pieces");
	for (ss = st->st_space; ss < st->st_space + st->st_nspace; ss++) {
		if (ss->ss_size == 0 && !ss->ss_numbers && ss->ss_pieces == 0)
			continue;
		(void)printf("%-20s %-6s %9s %9s %9s %9s %9" PRIu64 "\n",
		    ss->ss_name.sn_name, ss->ss_kind,
		    space_size(ss, &ss->ss_size, z[0]),
		    space_size(ss, &ss->ss_used, z[1]),
		    space_size(ss, &ss->ss_free, z[2]),
		    number_format(ss->ss_largest, z[3]), ss->ss_pieces);
	}
	if (st->st_spaces_left != 0)
		(void)printf("and %u more\n", st->st_spaces_left);
}

void
print_state(struct state *st, bool extents)
{
	struct report rp;

	report_make(st, &rp);
	(void)printf("source: %s\n", st->st_source);
	print_segments(st, &rp);
	if (extents)
		print_extents(st);
	print_lists(&rp);
	print_largest(st);
	print_counters(st);
	print_seg_counters(st);
	print_spaces(st);
	(void)printf("\n");
	if (rp.rp_headless != 0)
		(void)printf("damaged: %" PRIu64 " allocations without a first "
		    "frame\n", rp.rp_headless);
	(void)printf("audit: %s\n", rp.rp_audit_line);
}
