/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * How the supply of runs fares while a workload goes on.
 */

#ifndef _AGE_H_
#define	_AGE_H_

#include "vmbench.h"

#define	AGE_NREQUESTS	3
#define	AGE_NRUNS	3

struct age {
	uint64_t	a_npages;		/* of the machine */
	uint64_t	a_before[AGE_NRUNS];
	unsigned	a_tries;
	unsigned	a_served[AGE_NREQUESTS];
};

/*
 * age_start: count the aligned runs that are there.
 * age_try: make each of the requests once.
 * age_note: count again, and note what came of it, in rows whose names begin
 * with prefix.
 */
void	age_start(struct age *a, uint64_t npages);
void	age_try(struct age *a);
void	age_note(struct age *a, const char *work, psize_t size,
	    const char *prefix);

#endif /* !_AGE_H_ */
