/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The constrained requests that several workloads make.
 */

#ifndef _REQUEST_H_
#define	_REQUEST_H_

#include <vm/vm_pglist.h>

#include "vmbench.h"

/* What is allocated before the request, of the holes of the fragmented map. */
enum holes_left {
	HOLES_ALL,
	HOLES_ONE,
	HOLES_NONE
};

/* May the request fail?  Else the row counts as failed if it does. */
enum outcome {
	SERVED,
	REFUSED,
	EITHER
};

struct request {
	const char	*rq_name;
	psize_t		rq_size;
	psize_t		rq_align;
	psize_t		rq_boundary;
	paddr_t		rq_low;
	paddr_t		rq_high;	/* 0: no limit */
	unsigned	rq_nsegs;
	psize_t		rq_maxsegsz;
	enum holes_left	rq_holes;
	enum outcome	rq_outcome;
};

extern const struct request requests[];
extern const unsigned nrequests;

#define	REQUEST_MAXSEGS	16

/* A run that was allocated for a request. */
struct answer {
	struct vm_pgseg	an_seg[REQUEST_MAXSEGS];
	unsigned	an_nsegs;
};

/*
 * request_find: by name; the name is one of those in the table.
 * request_make: as the allocator wants it.
 * request_as_expected: is that what should come of it?
 * answer_free: frees all segments; ends the program if one is refused.
 */
const struct request *request_find(const char *name);
struct vm_pgreq	request_make(const struct request *rq);
bool	request_as_expected(const struct request *rq, int error);
void	answer_free(const struct answer *an);

static inline int
request_try(const struct vm_pgreq *req, struct answer *an)
{

	return (vm_pglist_alloc(req, an->an_seg, &an->an_nsegs));
}

/*
 * runs_available: how many naturally aligned runs of that size can be
 * allocated at once, at most max; frees them again.
 */
uint64_t	runs_available(psize_t size, uint64_t max);

#endif /* !_REQUEST_H_ */
