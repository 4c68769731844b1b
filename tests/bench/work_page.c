/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Single pages, on one thread: the allocator beside the free lists, each in
 * turn in every run.
 */

#include <err.h>

#include "churn.h"
#include "machine.h"
#include "pages.h"

#define	PAIRS	1000000

/*
 * One page allocated and freed.
 */

static ALWAYS_INLINE double
pairs_of(const enum contender who, uint64_t n)
{
	uint64_t t, i, page;

	t = cpu_nsec();
	for (i = 0; i < n; i++) {
		page = page_get(who);
		page_put(who, page);
	}
	return ((double)(cpu_nsec() - t) / (double)n);
}

double
pairs(enum contender who)
{
	uint64_t n = opt.o_quick ? PAIRS / 10 : PAIRS;

	(void)BY_CONTENDER(who, pairs_of, n / 10);
	return (BY_CONTENDER(who, pairs_of, n));
}

static void
repeat(enum contender who, psize_t size, struct rng *r)
{
	struct live l;

	live_init(&l, machine_start(who, size));
	result_note("repeat", size, "pair, empty map", "ns", "ns", who,
	    pairs(who));
	live_fill(who, &l);
	live_thin(who, &l, l.l_n / 2, r);
	result_note("repeat", size, "pair, fragmented map", "ns", "ns", who,
	    pairs(who));
	live_fini(&l);
	machine_stop(who);
}

/*
 * All pages allocated, all freed in order.
 */

static ALWAYS_INLINE double
get_all_of(const enum contender who, struct live *l)
{
	uint64_t t = cpu_nsec();

	l->l_n = pages_get(who, l->l_page, l->l_max);
	return ((double)(cpu_nsec() - t) / (double)l->l_n);
}

static ALWAYS_INLINE double
put_all_of(const enum contender who, struct live *l)
{
	uint64_t t = cpu_nsec();

	(void)pages_put(who, l->l_page, l->l_n);
	return ((double)(cpu_nsec() - t) / (double)l->l_n);
}

static void
bulk(enum contender who, psize_t size, struct rng *r)
{
	struct live l;

	(void)r;
	live_init(&l, machine_start(who, size));
	result_note("bulk", size, "allocate all", "ns", "ns", who,
	    BY_CONTENDER(who, get_all_of, &l));
	result_note("bulk", size, "free all in order", "ns", "ns", who,
	    BY_CONTENDER(who, put_all_of, &l));
	live_fini(&l);
	machine_stop(who);
}

/*
 * All freed in random order, half allocated again.
 */
static void
shuffled(enum contender who, psize_t size, struct rng *r)
{
	struct live l;

	live_init(&l, machine_start(who, size));
	live_fill(who, &l);
	live_shuffle(&l, r);
	result_note("random", size, "free all at random", "ns", "ns", who,
	    BY_CONTENDER(who, put_all_of, &l));
	l.l_max /= 2;
	result_note("random", size, "allocate half again", "ns", "ns", who,
	    BY_CONTENDER(who, get_all_of, &l));
	l.l_max *= 2;
	live_fini(&l);
	machine_stop(who);
}

/*
 * Churn, from all pages allocated down to each occupancy.
 */
static void
churn(enum contender who, psize_t size, struct rng *r)
{
	static const struct {
		unsigned percent;
		const char *name[3];
	} level[] = {
		{ 99, { "99 %: free", "99 %: allocate", "99 %: both" } },
		{ 90, { "90 %: free", "90 %: allocate", "90 %: both" } },
		{ 50, { "50 %: free", "50 %: allocate", "50 %: both" } }
	};
	struct churn ch;
	uint64_t all;
	unsigned i;

	churn_init(&ch, machine_start(who, size), r);
	live_fill(who, &ch.ch_live);
	all = ch.ch_live.l_n;
	for (i = 0; i < NELEM(level); i++) {
		live_thin(who, &ch.ch_live, all / 100 * level[i].percent, r);
		churn_run(who, &ch, opt.o_quick ? CHURN_PAGES / 10 :
		    CHURN_PAGES);
		result_note("churn", size, level[i].name[0], "ns", "ns", who,
		    ch.ch_free);
		result_note("churn", size, level[i].name[1], "ns", "ns", who,
		    ch.ch_alloc);
		result_note("churn", size, level[i].name[2], "ns", "ns", who,
		    ch.ch_free + ch.ch_alloc);
	}
	churn_fini(&ch);
	machine_stop(who);
}

/*
 * Every contender in turn, in every run, at every size.
 */
static void
each(const char *work, void (*fn)(enum contender, psize_t, struct rng *))
{
	unsigned run, s, who;
	struct rng r;

	for (s = 0; s < opt.o_nsizes; s++) {
		for (run = 0; run < opt.o_runs; run++) {
			progress(work, opt.o_size[s], run);
			for (who = 0; who < ncontenders(); who++) {
				rng_init(&r, opt.o_seed + run);
				fn((enum contender)who, opt.o_size[s], &r);
			}
		}
	}
}

void
work_repeat(void)
{

	each("repeat", repeat);
}

void
work_bulk(void)
{

	each("bulk", bulk);
}

void
work_random(void)
{

	each("random", shuffled);
}

void
work_churn(void)
{

	each("churn", churn);
}
