/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <err.h>

#include "churn.h"
#include "pages.h"

/* What a series of bursts took. */
struct tally {
	uint64_t	t_pages;
	double		t_free;		/* ns */
	double		t_alloc;
	uint64_t	t_interrupted;
};

void
churn_init(struct churn *ch, uint64_t max, struct rng *r)
{

	live_init(&ch->ch_live, max);
	ch->ch_rng = *r;
	ch->ch_free = ch->ch_alloc = 0;
	ch->ch_interrupted = 0;
}

void
churn_fini(struct churn *ch)
{

	live_fini(&ch->ch_live);
}

/* Take n random pages out of the live ones. */
static void
victims_choose(struct churn *ch, uint64_t n)
{
	struct live *l = &ch->ch_live;
	uint64_t i, k;

	for (i = 0; i < n; i++) {
		k = rng_below(&ch->ch_rng, l->l_n);
		ch->ch_victim[i] = l->l_page[k];
		l->l_page[k] = l->l_page[--l->l_n];
	}
}

/* Lengths are spread evenly over the octaves. */
static uint64_t
burst_length(struct churn *ch)
{
	uint64_t base = (uint64_t)64 << rng_below(&ch->ch_rng, 7), n;

	n = base + rng_below(&ch->ch_rng, base + 1);
	return (n < ch->ch_live.l_n / 2 ? n : ch->ch_live.l_n / 2);
}

static ALWAYS_INLINE bool
burst_of(const enum contender who, struct churn *ch, struct tally *t)
{
	struct live *l = &ch->ch_live;
	uint64_t n = burst_length(ch), got, t0, t1, t2;
	long before;

	victims_choose(ch, n);
	before = preemptions();
	t0 = ticks();
	(void)pages_put(who, ch->ch_victim, n);
	t1 = ticks();
	got = pages_get(who, &l->l_page[l->l_n], n);
	t2 = ticks();
	l->l_n += got;
	if (preemptions() != before) {
		t->t_interrupted++;
	} else {
		t->t_pages += n;
		t->t_free += ticks_nsec(t1 - t0);
		t->t_alloc += ticks_nsec(t2 - t1);
	}
	return (got == n);
}

/* At worst so many bursts are left out before giving up on a busy machine. */
#define	MAXINTERRUPTED	10000

static void
bursts(enum contender who, struct churn *ch, uint64_t npages, struct tally *t)
{

	*t = (struct tally){ 0 };
	while (t->t_pages < npages) {
		if (!BY_CONTENDER(who, burst_of, ch, t))
			errx(1, "churn: a page that was freed is not to be "
			    "had again");
		if (t->t_interrupted > MAXINTERRUPTED)
			errx(1, "churn: the machine is too busy to measure");
	}
}

void
churn_run(enum contender who, struct churn *ch, uint64_t npages)
{
	struct tally t;

	bursts(who, ch, npages / 10, &t);
	bursts(who, ch, npages, &t);
	ch->ch_free = t.t_free / (double)t.t_pages;
	ch->ch_alloc = t.t_alloc / (double)t.t_pages;
	ch->ch_interrupted = t.t_interrupted;
}
