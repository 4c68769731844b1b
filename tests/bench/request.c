/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"

/*
 * "historical" is the request of the floppy driver that started it all: a
 * 16-KiB buffer aligned to 8 KiB that does not cross a 64-KiB line, below
 * 16 MiB.
 */
const struct request requests[] = {
	{
		.rq_name = "64K below 16M",
		.rq_size = 64 * KIB, .rq_align = 64 * KIB,
		.rq_high = 16 * MIB
	}, {
		.rq_name = "64K below 4G",
		.rq_size = 64 * KIB, .rq_align = 64 * KIB,
		.rq_high = 4 * GIB
	}, {
		.rq_name = "64K anywhere",
		.rq_size = 64 * KIB, .rq_align = 64 * KIB
	}, {
		.rq_name = "16K historical",
		.rq_size = 16 * KIB, .rq_align = 8 * KIB,
		.rq_boundary = 64 * KIB, .rq_high = 16 * MIB
	}, {
		.rq_name = "1M anywhere",
		.rq_size = MIB, .rq_align = MIB
	}, {
		.rq_name = "1M, one hole left",
		.rq_size = MIB, .rq_align = MIB, .rq_holes = HOLES_ONE
	}, {
		.rq_name = "2M, none exists",
		.rq_size = 2 * MIB, .rq_align = 2 * MIB,
		.rq_outcome = REFUSED
	}, {
		.rq_name = "16K in [32M,48M), none",
		.rq_size = 16 * KIB, .rq_align = 16 * KIB,
		.rq_low = 32 * MIB, .rq_high = 48 * MIB,
		.rq_outcome = REFUSED
	}, {
		.rq_name = "gather 1M",
		.rq_size = MIB, .rq_align = VM_PAGE_SIZE, .rq_nsegs = 16
	}, {
		.rq_name = "gather 1M of 64K",
		.rq_size = MIB, .rq_align = VM_PAGE_SIZE, .rq_nsegs = 16,
		.rq_maxsegsz = 64 * KIB
	}, {
		.rq_name = "gather 1M, no holes",
		.rq_size = MIB, .rq_align = VM_PAGE_SIZE, .rq_nsegs = 16,
		.rq_holes = HOLES_NONE, .rq_outcome = EITHER
	}
};

const unsigned nrequests = NELEM(requests);

const struct request *
request_find(const char *name)
{
	unsigned i;

	for (i = 0; i < nrequests; i++) {
		if (strcmp(requests[i].rq_name, name) == 0)
			return (&requests[i]);
	}
	errx(1, "no request is called %s", name);
}

struct vm_pgreq
request_make(const struct request *rq)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(rq->rq_size);

	req.vpr_align = rq->rq_align;
	req.vpr_boundary = rq->rq_boundary;
	req.vpr_low = rq->rq_low;
	if (rq->rq_high != 0)
		req.vpr_high = rq->rq_high;
	if (rq->rq_nsegs != 0)
		req.vpr_nsegs = rq->rq_nsegs;
	req.vpr_maxsegsz = rq->rq_maxsegsz;
	return (req);
}

bool
request_as_expected(const struct request *rq, int error)
{

	switch (rq->rq_outcome) {
	case SERVED:
		return (error == 0);
	case REFUSED:
		return (error == ENOMEM);
	default:
		return (error == 0 || error == EFBIG || error == ENOMEM);
	}
}

void
answer_free(const struct answer *an)
{
	unsigned i;
	int error;

	for (i = 0; i < an->an_nsegs; i++) {
		error = vm_pglist_free(an->an_seg[i].vps_start,
		    an->an_seg[i].vps_size);
		if (error != 0)
			errx(1, "a run is refused when it is freed: %s",
			    strerror(error));
	}
}

uint64_t
runs_available(psize_t size, uint64_t max)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(size);
	struct answer an;
	paddr_t *run;
	uint64_t n, i;

	req.vpr_align = size;
	run = reallocarray(NULL, max + 1, sizeof(run[0]));
	if (run == NULL)
		err(1, "no memory");
	for (n = 0; n < max && request_try(&req, &an) == 0; n++)
		run[n] = an.an_seg[0].vps_start;
	for (i = 0; i < n; i++) {
		if (vm_pglist_free(run[i], size) != 0)
			errx(1, "a run is refused when it is freed");
	}
	free(run);
	return (n);
}
