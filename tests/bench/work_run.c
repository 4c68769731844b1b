/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Constrained requests, on the fragmented map and on maps made to defeat the
 * search.
 */

#include <err.h>
#include <math.h>
#include <unistd.h>

#include "churn.h"
#include "machine.h"
#include "pages.h"
#include "request.h"

#define	HOT		20000	/* samples of a request, in a run */
#define	HOT_NSEC	400000000 /* but not for longer than that */
#define	COLD		21

/*
 * Cold caches: walk through twice as much memory as the last-level cache has.
 * Virtual machines may claim more of it than there is to one processor.
 */

#define	FLUSH_MIN	(64 * MIB)
#define	FLUSH_MAX	(128 * MIB)

static unsigned char *flush_buf;
static size_t flush_size;

static void
flush_init(void)
{
	long size = sysconf(_SC_LEVEL3_CACHE_SIZE);

	flush_size = size > 0 ? 2 * (size_t)size : FLUSH_MIN;
	if (flush_size < FLUSH_MIN)
		flush_size = FLUSH_MIN;
	if (flush_size > FLUSH_MAX)
		flush_size = FLUSH_MAX;
	flush_buf = huge_alloc(flush_size);
}

static void
flush_caches(void)
{
	size_t i;

	for (i = 0; i < flush_size; i += VM_CACHE_LINE)
		flush_buf[i]++;
}

static void
flush_fini(void)
{

	huge_free(flush_buf, flush_size);
}

/*
 * One request.
 */

struct trial {
	const struct request *tr_request;
	struct vm_pgreq	tr_req;
	struct samples	tr_hot;		/* the request */
	struct samples	tr_free;	/* freeing what it gave */
	struct samples	tr_cold;
	uint64_t	tr_first;	/* ticks of the first one */
	bool		tr_failed;	/* came to what it should not */
};

static void
trial_init(struct trial *tr, const struct request *rq)
{

	tr->tr_request = rq;
	tr->tr_req = request_make(rq);
	samples_init(&tr->tr_hot, HOT);
	samples_init(&tr->tr_free, HOT);
	samples_init(&tr->tr_cold, COLD);
	tr->tr_first = 0;
	tr->tr_failed = false;
}

static void
trial_fini(struct trial *tr)
{

	samples_free(&tr->tr_hot);
	samples_free(&tr->tr_free);
	samples_free(&tr->tr_cold);
}

/* The request once: its ticks; freed again into tr_free if that is said. */
static uint64_t
trial_once(struct trial *tr, bool count_free)
{
	struct answer an;
	uint64_t t0, t1, t2, t3;
	int error;

	t0 = ticks();
	error = request_try(&tr->tr_req, &an);
	t1 = ticks();
	if (!request_as_expected(tr->tr_request, error))
		tr->tr_failed = true;
	if (error == 0) {
		t2 = ticks();
		answer_free(&an);
		t3 = ticks();
		if (count_free)
			samples_add(&tr->tr_free, t3 - t2);
	}
	return (t1 - t0);
}

static void
trial_hot(struct trial *tr)
{
	unsigned i, n = opt.o_quick ? HOT / 10 : HOT;
	uint64_t start = clock_nsec(CLOCK_MONOTONIC);

	for (i = 0; i < n / 10 && clock_nsec(CLOCK_MONOTONIC) - start <
	    HOT_NSEC / 10; i++)
		(void)trial_once(tr, false);
	for (i = 0; i < n; i++) {
		samples_add(&tr->tr_hot, trial_once(tr, true));
		if (clock_nsec(CLOCK_MONOTONIC) - start > HOT_NSEC)
			break;
	}
}

static void
trial_cold(struct trial *tr)
{
	unsigned i, n = opt.o_quick ? COLD / 4 : COLD;

	for (i = 0; i < n; i++) {
		flush_caches();
		samples_add(&tr->tr_cold, trial_once(tr, false));
	}
}

/* Back to back, as a loop of single pages is measured: ns a request. */
static double
trial_loop(struct trial *tr)
{
	struct answer an;
	uint64_t t, start = clock_nsec(CLOCK_MONOTONIC);
	unsigned i, n = opt.o_quick ? HOT / 10 : HOT;

	t = cpu_nsec();
	for (i = 0; i < n; i++) {
		if (request_try(&tr->tr_req, &an) == 0)
			answer_free(&an);
		if (i % 64 == 63 && clock_nsec(CLOCK_MONOTONIC) - start >
		    HOT_NSEC) {
			i++;
			break;
		}
	}
	return ((double)(cpu_nsec() - t) / (double)i);
}

static void
trial_note(const char *work, psize_t size, struct trial *tr)
{
	static const struct {
		const char *name;
		double p;
	} percentile[] = {
		{ "p50", 50 }, { "p99", 99 }, { "p99.9", 99.9 }, { "max", 100 }
	};
	const char *row = tr->tr_request->rq_name;
	unsigned i;

	for (i = 0; i < NELEM(percentile); i++)
		result_note(work, size, row, percentile[i].name, "ns", EXTANT,
		    tr->tr_failed ? INFINITY :
		    samples_percentile(&tr->tr_hot, percentile[i].p));
	if (tr->tr_free.s_n != 0)
		result_note(work, size, row, "free p50", "ns", EXTANT,
		    samples_percentile(&tr->tr_free, 50));
}

/*
 * The fragmented map.
 */

/* Take the holes that the request is not to find. */
static void
holes_take(enum holes_left left)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(MIB);
	struct answer an;
	unsigned n = left == HOLES_ALL ? 0 : left == HOLES_ONE ? HOLES - 1 :
	    HOLES;

	req.vpr_align = MIB;
	while (n-- > 0) {
		if (request_try(&req, &an) != 0)
			errx(1, "constrained: a hole is missing");
	}
}

static void
constrained(const struct request *rq, psize_t size, struct live *l,
    struct rng *r)
{
	const char *work = "constrained";
	struct trial tr;

	trial_init(&tr, rq);
	fragment_start(size, l, r);
	holes_take(rq->rq_holes);
	tr.tr_first = trial_once(&tr, false);
	trial_hot(&tr);
	trial_note(work, size, &tr);
	result_note(work, size, rq->rq_name, "loop", "ns", EXTANT,
	    tr.tr_failed ? INFINITY : trial_loop(&tr));
	trial_cold(&tr);
	result_note(work, size, rq->rq_name, "cold p50", "ns", EXTANT,
	    tr.tr_failed ? INFINITY : samples_percentile(&tr.tr_cold, 50));
	result_note(work, size, rq->rq_name, "first", "ns", EXTANT,
	    tr.tr_failed ? INFINITY : ticks_nsec(tr.tr_first));
	trial_fini(&tr);
	machine_stop(EXTANT);
}

void
work_constrained(void)
{
	psize_t size = opt.o_mapsize;
	struct live l;
	struct rng r;
	unsigned run, i;

	flush_init();
	live_init(&l, vm_atop(size));
	for (run = 0; run < opt.o_runs; run++) {
		progress("constrained", size, run);
		(void)machine_start(BARE, size);
		result_note("constrained", size, "bare's pair", "loop", "ns",
		    BARE, pairs(BARE));
		machine_stop(BARE);
		for (i = 0; i < nrequests; i++) {
			rng_init(&r, opt.o_seed + run);
			constrained(&requests[i], size, &l, &r);
		}
	}
	l.l_max = vm_atop(size);
	live_fini(&l);
	flush_fini();
}

/*
 * Maps made to defeat the search: a run in every four frames.
 *
 * Misaligned: runs of two frames at odd frames, and a request for two frames
 * aligned to two.  No frame starts an aligned run of two, so a map that knows
 * its aligned runs knows the answer.
 *
 * Straddling: runs of three frames, at odd frames, of which one in each block
 * reaches into the next, and a request for three frames aligned to two.
 * Each run has an aligned run of two, and is three frames long: nothing short
 * of looking at the run itself tells that it does not serve.
 *
 * Long: runs of 599 frames across the border of each other block, each with
 * an aligned run of 256, and a request for 600.
 */

static bool
free_misaligned(vm_frame_t f)
{

	return ((f & 3) == 1 || (f & 3) == 2);
}

static bool
free_straddling(vm_frame_t f)
{

	return ((f & 3) != 2);
}

#define	LONG_PERIOD	1024
#define	LONG_RUN	599

static bool
free_long(vm_frame_t f)
{

	return ((f + LONG_RUN / 2) % LONG_PERIOD < LONG_RUN);
}

static const struct {
	struct request	request;
	bool		(*isfree)(vm_frame_t);
} adversary[] = {
	{ { .rq_name = "misaligned", .rq_size = 2 * VM_PAGE_SIZE,
	    .rq_align = 2 * VM_PAGE_SIZE, .rq_outcome = REFUSED },
	    free_misaligned },
	{ { .rq_name = "straddling, odd size", .rq_size = 3 * VM_PAGE_SIZE,
	    .rq_align = 2 * VM_PAGE_SIZE, .rq_outcome = REFUSED },
	    free_straddling },
	{ { .rq_name = "straddling, long",
	    .rq_size = (LONG_RUN + 1) * VM_PAGE_SIZE,
	    .rq_align = VM_PAGE_SIZE, .rq_outcome = REFUSED },
	    free_long }
};

static void
adversarial(unsigned i, psize_t size)
{
	const char *work = "adversarial";
	struct trial tr;

	pattern_start(size, adversary[i].isfree);
	trial_init(&tr, &adversary[i].request);
	tr.tr_first = trial_once(&tr, false);
	trial_hot(&tr);
	trial_note(work, size, &tr);
	result_note(work, size, tr.tr_request->rq_name, "first", "ns", EXTANT,
	    tr.tr_failed ? INFINITY : ticks_nsec(tr.tr_first));
	trial_fini(&tr);
	machine_stop(EXTANT);
}

void
work_adversarial(void)
{
	unsigned run, i;

	for (run = 0; run < opt.o_runs; run++) {
		progress("adversarial", opt.o_mapsize, run);
		for (i = 0; i < NELEM(adversary); i++)
			adversarial(i, opt.o_mapsize);
	}
}
