/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Would a request succeed?
 */

#ifndef _EXTSTAT_QUERY_H_
#define	_EXTSTAT_QUERY_H_

#include <vm/vm_explain.h>

#include "state.h"

struct answer {
	int		an_error;	/* 0, ENOMEM or EFBIG */
	struct vm_pgseg	*an_segs;	/* where, if it would succeed */
	unsigned	an_nsegs;
	char		an_why[VM_EXPLAIN_LINE];	/* if it would fail */
};

/*
 * query_answer: put a well-formed request to the map.
 * => makes held frames of the state free, as such a request would.
 */
void	query_answer(struct state *, const struct vm_pgreq *,
	    struct answer *);

/* query_error_name: "ENOMEM" or "EFBIG". */
const char *query_error_name(const struct answer *);

/* query_print: the answer for people to read, on standard output. */
void	query_print(const struct answer *);

#endif /* !_EXTSTAT_QUERY_H_ */
