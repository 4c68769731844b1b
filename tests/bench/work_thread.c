/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Several threads.
 *
 * What a thread does is measured in processor time of that thread, so that
 * what else runs on the machine does not count, while waiting for a lock, or
 * for a cache line, does.
 */

#include <err.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "churn.h"
#include "machine.h"
#include "pages.h"
#include "request.h"

struct worker {
	pthread_t	w_thread;
	pthread_barrier_t *w_barrier;
	enum contender	w_who;
	struct churn	*w_churn;	/* or NULL: pairs */
	double		w_nsec;		/* for one page and back */
};

static void *
worker_main(void *arg)
{
	struct worker *w = arg;
	uint64_t n = opt.o_quick ? CHURN_PAGES / 10 : CHURN_PAGES;

	pthread_barrier_wait(w->w_barrier);
	if (w->w_churn == NULL) {
		w->w_nsec = pairs(w->w_who);
	} else {
		churn_run(w->w_who, w->w_churn, n);
		w->w_nsec = w->w_churn->ch_free + w->w_churn->ch_alloc;
	}
	pthread_barrier_wait(w->w_barrier);
	return (NULL);
}

static void
thread_start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	int error = pthread_create(thread, NULL, fn, arg);

	if (error != 0)
		errx(1, "cannot start a thread: %s", strerror(error));
}

/* The mean over n workers that run at the same time. */
static double
workers_run(enum contender who, unsigned n, struct churn *ch)
{
	struct worker *w = calloc(n, sizeof(*w));
	pthread_barrier_t barrier;
	double sum = 0;
	unsigned i;

	if (w == NULL || pthread_barrier_init(&barrier, NULL, n) != 0)
		err(1, "cannot set up threads");
	for (i = 0; i < n; i++) {
		w[i].w_barrier = &barrier;
		w[i].w_who = who;
		w[i].w_churn = ch == NULL ? NULL : &ch[i];
		thread_start(&w[i].w_thread, worker_main, &w[i]);
	}
	for (i = 0; i < n; i++) {
		pthread_join(w[i].w_thread, NULL);
		sum += w[i].w_nsec;
	}
	pthread_barrier_destroy(&barrier);
	free(w);
	return (sum / n);
}

static void
threads_note(const char *what, enum contender who, unsigned n, double nsec)
{
	char row[sizeof(((struct result *)0)->r_row)];

	snprintf(row, sizeof(row), "%s, %u thread%s", what, n,
	    n == 1 ? "" : "s");
	result_note("threads", opt.o_mapsize, row, "ns", "ns", who, nsec);
}

/*
 * Each thread has a share of memory to churn, the same however many run: nine
 * tenths of all pages are allocated.
 */
static void
threads_churn(enum contender who, struct rng *r)
{
	struct churn *ch = calloc(opt.o_threads, sizeof(*ch));
	uint64_t npages = machine_start(who, opt.o_mapsize);
	uint64_t share = npages / opt.o_threads;
	unsigned i, n;

	if (ch == NULL)
		err(1, "no memory");
	for (i = 0; i < opt.o_threads; i++) {
		(void)rng_next(r);
		churn_init(&ch[i], share, r);
		live_fill(who, &ch[i].ch_live);
	}
	for (i = 0; i < opt.o_threads; i++)
		live_thin(who, &ch[i].ch_live, share / 10 * 9, r);
	for (n = 1; n <= opt.o_threads; n *= 2)
		threads_note("churn", who, n, workers_run(who, n, ch));
	for (i = 0; i < opt.o_threads; i++)
		churn_fini(&ch[i]);
	free(ch);
	machine_stop(who);
}

static void
threads_pairs(enum contender who)
{
	unsigned n;

	(void)machine_start(who, opt.o_mapsize);
	for (n = 1; n <= opt.o_threads; n *= 2)
		threads_note("pair", who, n, workers_run(who, n, NULL));
	machine_stop(who);
}

void
work_threads(void)
{
	static const enum contender who[] = { EXTANT, SPIN };
	unsigned run, i;
	struct rng r;

	for (run = 0; run < opt.o_runs; run++) {
		progress("threads", opt.o_mapsize, run);
		for (i = 0; i < (opt.o_alone ? 1 : NELEM(who)); i++) {
			rng_init(&r, opt.o_seed + run);
			threads_pairs(who[i]);
			threads_churn(who[i], &r);
		}
	}
}

/*
 * Requests that cannot succeed while other threads allocate and free single
 * pages, in bursts of 1 to 64.
 *
 * Where there is less than a processor for each of them, the scheduler makes
 * them take turns, and what is then measured is nothing.  So each side shows
 * that it goes on, and what is done while the other side rests does not count.
 */

#define	BUSY_BURST	64
#define	PHASE_NSEC	100000000	/* of requests that count */
#define	PHASE_MAX_NSEC	2000000000	/* and of all of them */
#define	PHASE_GIVE_UP_NSEC 30000000000
#define	PACE_NSEC	10000
#define	RESTING_NSEC	5000		/* without a sign: rests */
#define	CONTENDED	400000		/* samples at most */

/* What the busy threads are to do, and for which phase they count. */
enum phase {
	PHASE_WARM,
	PHASE_ALONE,
	PHASE_PACED,
	PHASE_FLAT_OUT,
	NPHASE,
	PHASE_END = NPHASE
};

static _Atomic unsigned phase_now;
static struct {
	_Atomic uint64_t n;
} requests_made __attribute__((aligned(VM_CACHE_LINE)));

struct busy {
	_Atomic uint64_t b_signs __attribute__((aligned(VM_CACHE_LINE)));
	_Atomic uint64_t b_rounds;	/* that count */
	pthread_t	b_thread __attribute__((aligned(VM_CACHE_LINE)));
	uint64_t	b_nsec[NPHASE];
	uint64_t	b_pairs[NPHASE];
};

static uint64_t
busy_bursts(struct busy *b)
{
	uint64_t page[BUSY_BURST], n, done = 0;
	unsigned i;

	for (i = 1; i <= BUSY_BURST; i++) {
		n = pages_get(EXTANT, page, i);
		done += pages_put(EXTANT, page, n);
		atomic_store_explicit(&b->b_signs, atomic_load_explicit(
		    &b->b_signs, memory_order_relaxed) + 1,
		    memory_order_relaxed);
	}
	return (done);
}

static void *
busy_main(void *arg)
{
	struct busy *b = arg;
	uint64_t t, made, n;
	unsigned phase;

	for (;;) {
		phase = atomic_load_explicit(&phase_now, memory_order_acquire);
		if (phase == PHASE_END)
			break;
		made = atomic_load_explicit(&requests_made.n,
		    memory_order_relaxed);
		t = cpu_nsec();
		n = busy_bursts(b);
		t = cpu_nsec() - t;
		if (phase > PHASE_ALONE && atomic_load_explicit(
		    &requests_made.n, memory_order_relaxed) == made)
			continue;
		b->b_pairs[phase] += n;
		b->b_nsec[phase] += t;
		atomic_fetch_add_explicit(&b->b_rounds, 1,
		    memory_order_relaxed);
	}
	return (NULL);
}

static void
phase_set(enum phase p)
{

	atomic_store_explicit(&phase_now, p, memory_order_release);
}

/* Are all of them at work?  seen and when: of each, its last sign. */
static bool
all_busy(const struct busy *b, unsigned n, uint64_t *seen, uint64_t *when,
    uint64_t now)
{
	uint64_t signs;
	unsigned i;
	bool all = true;

	for (i = 0; i < n; i++) {
		signs = atomic_load_explicit(&b[i].b_signs,
		    memory_order_relaxed);
		if (signs != seen[i]) {
			seen[i] = signs;
			when[i] = now;
		}
		all = all && now - when[i] < RESTING_NSEC;
	}
	return (all);
}

static void
rounds_note(const struct busy *b, unsigned n, uint64_t *rounds)
{
	unsigned i;

	for (i = 0; i < n; i++)
		rounds[i] = atomic_load_explicit(&b[i].b_rounds,
		    memory_order_relaxed);
}

/*
 * Has each of them done something that counts since then?  The first round
 * may belong to the phase before.
 */
static bool
rounds_done(const struct busy *b, unsigned n, const uint64_t *rounds)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (atomic_load_explicit(&b[i].b_rounds,
		    memory_order_relaxed) - rounds[i] < 2)
			return (false);
	}
	return (true);
}

/* Is a phase over?  counted: ns that count; spent: all of them. */
static bool
phase_over(uint64_t counted, uint64_t spent, bool anything)
{
	uint64_t part = opt.o_quick ? 5 : 1;

	if (spent >= PHASE_GIVE_UP_NSEC)
		errx(1, "contended: the machine is too busy to measure");
	return (anything && (counted >= PHASE_NSEC / part ||
	    spent >= PHASE_MAX_NSEC / part));
}

/* Requests for the length of a phase, pace ns apart (0: back to back). */
static void
phase_requests(const struct request *rq, uint64_t pace, const struct busy *b,
    unsigned nbusy, struct samples *s, bool *failed)
{
	struct vm_pgreq req = request_make(rq);
	uint64_t seen[MAXTHREADS] = { 0 }, when[MAXTHREADS] = { 0 };
	uint64_t start, due, now, last, counted = 0, t0, t1;
	uint64_t rounds[MAXTHREADS];
	struct answer an;
	int error;

	rounds_note(b, nbusy, rounds);
	start = due = last = clock_nsec(CLOCK_MONOTONIC);
	for (;;) {
		now = clock_nsec(CLOCK_MONOTONIC);
		if (phase_over(counted, now - start, s->s_n != 0 &&
		    rounds_done(b, nbusy, rounds)))
			break;
		if (now < due)
			continue;
		t0 = ticks();
		error = request_try(&req, &an);
		t1 = ticks();
		atomic_store_explicit(&requests_made.n, atomic_load_explicit(
		    &requests_made.n, memory_order_relaxed) + 1,
		    memory_order_relaxed);
		if (!request_as_expected(rq, error))
			*failed = true;
		if (all_busy(b, nbusy, seen, when, now)) {
			samples_add(s, t1 - t0);
			counted += now - last < PACE_NSEC ? now - last :
			    PACE_NSEC;
		}
		last = now;
		due += pace;
		if (due < now)
			due = now;	/* a request may take longer */
	}
}

static void
phase_sleep(const struct busy *b, unsigned nbusy)
{
	uint64_t start = clock_nsec(CLOCK_MONOTONIC), spent;
	uint64_t rounds[MAXTHREADS];

	rounds_note(b, nbusy, rounds);
	do {
		usleep(10000);
		spent = clock_nsec(CLOCK_MONOTONIC) - start;
	} while (!phase_over(spent, spent, rounds_done(b, nbusy, rounds)));
}

static double
busy_pair(const struct busy *b, unsigned n, enum phase p)
{
	uint64_t nsec = 0, npairs = 0;
	unsigned i;

	for (i = 0; i < n; i++) {
		nsec += b[i].b_nsec[p];
		npairs += b[i].b_pairs[p];
	}
	return (npairs == 0 ? INFINITY : (double)nsec / (double)npairs);
}

static void
contended(const struct request *rq, unsigned nbusy)
{
	const char *work = "contended", *row = rq->rq_name;
	struct samples paced, flat;
	psize_t size = opt.o_mapsize;
	struct busy *b;
	bool failed = false;
	double alone;
	unsigned i;

	b = aligned_alloc(VM_CACHE_LINE, nbusy * sizeof(*b));
	if (b == NULL)
		err(1, "no memory");
	memset(b, 0, nbusy * sizeof(*b));
	samples_init(&paced, CONTENDED);
	samples_init(&flat, CONTENDED);
	phase_set(PHASE_WARM);
	for (i = 0; i < nbusy; i++)
		thread_start(&b[i].b_thread, busy_main, &b[i]);
	usleep(10000);
	phase_set(PHASE_ALONE);
	phase_sleep(b, nbusy);
	phase_set(PHASE_PACED);
	phase_requests(rq, PACE_NSEC, b, nbusy, &paced, &failed);
	phase_set(PHASE_FLAT_OUT);
	phase_requests(rq, 0, b, nbusy, &flat, &failed);
	phase_set(PHASE_END);
	for (i = 0; i < nbusy; i++)
		pthread_join(b[i].b_thread, NULL);

	alone = busy_pair(b, nbusy, PHASE_ALONE);
	result_note(work, size, row, "p50", "ns", EXTANT, failed ? INFINITY :
	    samples_percentile(&flat, 50));
	result_note(work, size, row, "p99", "ns", EXTANT, failed ? INFINITY :
	    samples_percentile(&flat, 99));
	result_note(work, size, row, "per busy CPU", "ns", EXTANT, failed ?
	    INFINITY : samples_percentile(&flat, 50) / nbusy);
	result_note(work, size, row, "paced p50", "ns", EXTANT, failed ?
	    INFINITY : samples_percentile(&paced, 50));
	result_note(work, size, row, "pair alone", "ns", EXTANT, alone);
	result_note(work, size, row, "slower, paced", "x", EXTANT,
	    busy_pair(b, nbusy, PHASE_PACED) / alone);
	result_note(work, size, row, "slower, flat out", "x", EXTANT,
	    busy_pair(b, nbusy, PHASE_FLAT_OUT) / alone);
	samples_free(&paced);
	samples_free(&flat);
	free(b);
}

void
work_contended(void)
{
	static const char *const name[] = {
		"2M, none exists", "16K in [32M,48M), none"
	};
	unsigned run, i, nbusy = opt.o_threads > 1 ? opt.o_threads - 1 : 1;
	struct live l;
	struct rng r;

	live_init(&l, vm_atop(opt.o_mapsize));
	for (run = 0; run < opt.o_runs; run++) {
		progress("contended", opt.o_mapsize, run);
		rng_init(&r, opt.o_seed + run);
		fragment_start(opt.o_mapsize, &l, &r);
		for (i = 0; i < NELEM(name); i++)
			contended(request_find(name[i]), nbusy);
		machine_stop(EXTANT);
	}
	l.l_max = vm_atop(opt.o_mapsize);
	live_fini(&l);
}
