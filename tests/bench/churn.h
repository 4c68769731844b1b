/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Churn: bursts of 64 to 8192 pages, chosen at random among those allocated,
 * are freed, and as many allocated.
 */

#ifndef _CHURN_H_
#define	_CHURN_H_

#include "machine.h"

#define	CHURN_MAXBURST	8192
#define	CHURN_PAGES	400000		/* freed and allocated in a run */

struct churn {
	struct live	ch_live;
	uint64_t	ch_victim[CHURN_MAXBURST];
	struct rng	ch_rng;
	double		ch_free;	/* ns a page, of the last run */
	double		ch_alloc;
	uint64_t	ch_interrupted;	/* bursts left out */
};

/*
 * churn_init: room for max pages.
 * churn_run: until npages were freed and allocated, after a tenth as many
 * that do not count.  Bursts in which the scheduler took the processor away
 * are left out.  Ends the program when an allocation fails.
 */
void	churn_init(struct churn *ch, uint64_t max, struct rng *r);
void	churn_fini(struct churn *ch);
void	churn_run(enum contender who, struct churn *ch, uint64_t npages);

/* pairs: ns for one page allocated and freed, over and over. */
double	pairs(enum contender who);

#endif /* !_CHURN_H_ */
