/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <inttypes.h>
#include <stdio.h>

#include <vm/vm_pgreq.h>

#include "number.h"
#include "query.h"
#include "util.h"

static vm_owner_t
owner_of(void *arg, vm_frame_t head)
{

	return (state_owner(arg, head));
}

void
query_answer(struct state *st, const struct vm_pgreq *req, struct answer *an)
{
	struct vm_pgreq bounded = *req;
	struct vm_pgexplain expl;
	uint64_t frames = state_frames(st);

	memset(an, 0, sizeof(*an));
	state_free_held(st);
	/* No request can use more segments than there are frames. */
	if (bounded.vpr_nsegs > frames)
		bounded.vpr_nsegs = (unsigned)frames;
	an->an_segs = xcalloc(bounded.vpr_nsegs, sizeof(*an->an_segs));
	an->an_error = vm_pgreq_solve(&st->st_map, &bounded, an->an_segs,
	    &an->an_nsegs);
	if (an->an_error == 0)
		return;
	vm_explain(&st->st_map, st->st_seg, st->st_nseg, owner_of, st, req,
	    &expl);
	vm_explain_format(req, &expl, state_owner_name(st, expl.vpe_owner),
	    an->an_why, sizeof(an->an_why));
}

const char *
query_error_name(const struct answer *an)
{

	return (an->an_error == EFBIG ? "EFBIG" : "ENOMEM");
}

void
query_print(const struct answer *an)
{
	char size[NUMBER_LEN];
	unsigned i;

	if (an->an_error != 0) {
		(void)printf("would fail (%s): %s\n", query_error_name(an),
		    an->an_why);
		return;
	}
	(void)printf("would succeed in %u segment%s\n%-14s %-14s %9s\n",
	    an->an_nsegs, an->an_nsegs == 1 ? "" : "s", "start", "end",
	    "size");
	for (i = 0; i < an->an_nsegs; i++)
		(void)printf("0x%012" PRIx64 " 0x%012" PRIx64 " %9s\n",
		    an->an_segs[i].vps_start, an->an_segs[i].vps_start +
		    an->an_segs[i].vps_size,
		    number_format(an->an_segs[i].vps_size, size));
}
