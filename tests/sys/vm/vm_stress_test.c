/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Threads at work: who gets a frame owns it alone, and in the end nothing is
 * lost.  Configuration: threads (4), seconds (2; 60 with long).
 */

#include <atf-c.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vm/vm_counter.h>
#include <vm/vm_pageq.h>

#include "vm_testlib.h"

#define	MAXTHREADS	128
#define	KEEP		1500		/* runs that a thread holds at most */

static const struct vm_memrange machine[] = {
	{ 1 * MiB, 3 * MiB },
	{ 24 * MiB, 8 * MiB },
	{ 2 * GiB - 2 * MiB, 4 * MiB },
	{ 4 * GiB - 2 * MiB, 10 * MiB },
	{ 6 * GiB, 4 * MiB },		/* comes and goes */
};
#define	NSTAY		(NITEMS(machine) - 1)

/* Of the last one, in pieces of so many bytes. */
#define	PIECE		(16 * PAGE)
#define	GOING		(machine[NSTAY])

/*
 * Who owns a page: a thread's number, or 0.  Set and cleared by exchange, so
 * that two owners of one page meet.
 */
static _Atomic uint32_t *claims[NITEMS(machine)];

static _Atomic uint32_t *
claim_of(paddr_t pa)
{
	unsigned i;

	for (i = 0; i < NITEMS(machine); i++) {
		if (pa - machine[i].vmr_start < machine[i].vmr_size)
			return (&claims[i][(pa - machine[i].vmr_start) /
			    PAGE]);
	}
	abort();
}

static void
claims_make(void)
{
	unsigned i;

	for (i = 0; i < NITEMS(machine); i++) {
		claims[i] = calloc(machine[i].vmr_size / PAGE,
		    sizeof(*claims[i]));
		ATF_REQUIRE(claims[i] != NULL);
	}
}

struct worker {
	pthread_t	k_thread;
	uint32_t	k_number;
	uint64_t	k_seed;
	struct rng	k_rng;
	unsigned	k_mix;		/* which of the mixes below */
	const char	*k_error;	/* the first thing that went wrong */
	paddr_t		k_where;
	unsigned	k_nruns;
	struct vm_pgseg	k_run[KEEP + 8];
	uint64_t	k_served;
	uint64_t	k_failed;
	uint64_t	k_refused;
};

static _Atomic bool stop;

static void
wrong(struct worker *k, const char *what, paddr_t where)
{

	if (k->k_error == NULL) {
		k->k_error = what;
		k->k_where = where;
	}
	atomic_store(&stop, true);
}

static void
got(struct worker *k, paddr_t start, psize_t size)
{
	paddr_t pa;

	for (pa = start; pa < start + size; pa += PAGE) {
		if (atomic_exchange(claim_of(pa), k->k_number) != 0)
			wrong(k, "a page with two owners", pa);
	}
	k->k_run[k->k_nruns++] = (struct vm_pgseg){ start, size };
	k->k_served++;
}

static void
drop(struct worker *k, unsigned i)
{
	struct vm_pgseg run = k->k_run[i];
	paddr_t pa;
	int error;

	k->k_run[i] = k->k_run[--k->k_nruns];
	for (pa = run.vps_start; pa < run.vps_start + run.vps_size;
	    pa += PAGE) {
		if (atomic_exchange(claim_of(pa), 0) != k->k_number)
			wrong(k, "a page of somebody else's", pa);
	}
	error = run.vps_size == PAGE && !rng_chance(&k->k_rng, 8) ?
	    vm_page_free(run.vps_start) :
	    vm_pglist_free(run.vps_start, run.vps_size);
	if (error != 0)
		wrong(k, "a free was refused", run.vps_start);
}

static void
step_page(struct worker *k)
{
	paddr_t pa;

	if (k->k_nruns >= KEEP)
		return;
	pa = vm_page_alloc(rng_chance(&k->k_rng, 4) ? VM_PG_USERESERVE : 0,
	    (vm_owner_t)k->k_number);
	if (pa == VM_PADDR_NONE)
		k->k_failed++;
	else
		got(k, pa, PAGE);
}

static void
step_free(struct worker *k)
{

	if (k->k_nruns > 0)
		drop(k, (unsigned)rng_below(&k->k_rng, k->k_nruns));
}

static void
step_pages(struct worker *k)
{
	unsigned n = (unsigned)rng_size(&k->k_rng, 700);

	while (n-- > 0 && !atomic_load(&stop))
		step_page(k);
}

static void
step_frees(struct worker *k)
{
	unsigned n = (unsigned)rng_size(&k->k_rng, 700);

	while (n-- > 0 && !atomic_load(&stop))
		step_free(k);
}

static void
step_run(struct worker *k)
{
	struct rng *r = &k->k_rng;
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(rng_size(r, 64) * PAGE);
	struct vm_pgseg segs[4];
	unsigned i, n;
	psize_t sum = 0;

	if (k->k_nruns >= KEEP)
		return;
	req.vpr_align = PAGE << rng_below(r, 5);
	if (rng_chance(r, 3))
		req.vpr_high = 16 * MiB;
	if (rng_chance(r, 3))
		req.vpr_nsegs = NITEMS(segs);
	if (rng_chance(r, 4))
		req.vpr_boundary = 64 * PAGE;
	if (rng_chance(r, 8)) {
		req.vpr_flags = VM_PG_WAIT;
		req.vpr_timeout = 1000000;
	}
	req.vpr_policy = (enum vm_policy)rng_below(r, VM_POLICY_EXACT);
	req.vpr_owner = (vm_owner_t)k->k_number;
	if (vm_pglist_alloc(&req, segs, &n) != 0) {
		k->k_failed++;
		return;
	}
	for (i = 0; i < n; i++) {
		if (segs[i].vps_start % req.vpr_align != 0 ||
		    segs[i].vps_start + segs[i].vps_size > req.vpr_high)
			wrong(k, "a run that does not satisfy",
			    segs[i].vps_start);
		got(k, segs[i].vps_start, segs[i].vps_size);
		sum += segs[i].vps_size;
	}
	if (sum != req.vpr_size)
		wrong(k, "a wrong sum", sum);
}

static void
step_reserve(struct worker *k)
{
	const struct vm_memrange *m =
	    &machine[rng_below(&k->k_rng, NITEMS(machine))];
	psize_t size = rng_size(&k->k_rng, 8) * PAGE;
	paddr_t pa = m->vmr_start + rng_below(&k->k_rng,
	    (m->vmr_size - size) / PAGE) * PAGE;

	if (k->k_nruns >= KEEP)
		return;
	if (vm_pglist_reserve(pa, size, (vm_owner_t)k->k_number) == 0)
		got(k, pa, size);
	else
		k->k_failed++;
}

static void
step_trim(struct worker *k)
{
	struct vm_pgseg *run;
	paddr_t pa, start;
	psize_t size;
	unsigned i;

	if (k->k_nruns == 0)
		return;
	i = (unsigned)rng_below(&k->k_rng, k->k_nruns);
	run = &k->k_run[i];
	start = run->vps_start +
	    rng_below(&k->k_rng, run->vps_size / PAGE) * PAGE;
	size = rng_range(&k->k_rng, 1,
	    (run->vps_start + run->vps_size - start) / PAGE) * PAGE;
	for (pa = run->vps_start; pa < run->vps_start + run->vps_size;
	    pa += PAGE) {
		if (pa < start || pa >= start + size)
			atomic_store(claim_of(pa), 0);
	}
	if (vm_pglist_trim(run->vps_start, start, size) != 0)
		wrong(k, "a trim was refused", start);
	*run = (struct vm_pgseg){ start, size };
}

/* Not the start of anything of anybody's: the middle of a run of one's own. */
static void
step_bad_free(struct worker *k)
{
	struct vm_pgseg *run;

	if (k->k_nruns == 0)
		return;
	run = &k->k_run[rng_below(&k->k_rng, k->k_nruns)];
	if (vm_page_free(run->vps_start + 1) != EINVAL)
		wrong(k, "an unaligned free", run->vps_start);
	if (run->vps_size > PAGE) {
		if (vm_page_free(run->vps_start) != EMSGSIZE)
			wrong(k, "a run as a page", run->vps_start);
		if (vm_pglist_free(run->vps_start + PAGE, 0) != EINVAL)
			wrong(k, "an interior free", run->vps_start);
	} else if (vm_pglist_free(run->vps_start, 2 * PAGE) != EMSGSIZE)
		wrong(k, "a wrong size", run->vps_start);
	k->k_refused++;
}

/* What is ours is seen as it is; all else is in order. */
static void
walk(struct worker *k)
{
	struct vm_pgextent px;
	const struct vm_pgseg *run;
	paddr_t from = 0;
	unsigned i;

	for (i = 0; i < 50 && vm_pglist_walk(from, VM_PADDR_MAX, &px); i++) {
		if (px.vpx_start < from || px.vpx_size == 0)
			wrong(k, "a walk goes back", px.vpx_start);
		from = px.vpx_start + px.vpx_size;
	}
	if (k->k_nruns == 0)
		return;
	run = &k->k_run[rng_below(&k->k_rng, k->k_nruns)];
	if (!vm_pglist_walk(run->vps_start, VM_PADDR_MAX, &px) ||
	    px.vpx_start != run->vps_start || px.vpx_size != run->vps_size ||
	    px.vpx_state != VM_FRAME_HEAD || px.vpx_owner != k->k_number)
		wrong(k, "a walk does not see a run", run->vps_start);
}

static void
step_audit(struct worker *k)
{
	static _Thread_local struct vm_audit va;

	walk(k);
	if (!rng_chance(&k->k_rng, 20))
		return;
	if (!vm_audit(&va)) {
		printf("%s\n", va.va_why);
		wrong(k, "an audit failed", va.va_errors);
	}
}

static void
step_plug(struct worker *k)
{
	uint64_t n = GOING.vmr_size / PIECE, first, count;
	int error;

	first = rng_below(&k->k_rng, n);
	count = rng_range(&k->k_rng, 1, n - first < 8 ? n - first : 8);
	error = rng_chance(&k->k_rng, 2) ?
	    vm_physseg_plug(GOING.vmr_start + first * PIECE, count * PIECE) :
	    vm_physseg_unplug(GOING.vmr_start + first * PIECE,
	    count * PIECE, NULL);
	if (error != 0)
		k->k_failed++;
}

/* All of it is gone; the metadata for it stays. */
static void
plug_none(void)
{
	paddr_t pa;

	for (pa = GOING.vmr_start; pa < GOING.vmr_start + GOING.vmr_size;
	    pa += PIECE) {
		(void)vm_physseg_plug(pa, PIECE);
		ATF_REQUIRE_EQ(vm_physseg_unplug(pa, PIECE, NULL), 0);
	}
}

static void
step_flush(struct worker *k)
{

	(void)k;
	vm_pageq_flush();
}

static void
step_explain(struct worker *k)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(4 * MiB);
	struct vm_pgexplain expl;

	if (rng_chance(&k->k_rng, 10) && vm_pglist_explain(&req, &expl) != 0)
		wrong(k, "not explained", 0);
}

typedef void step_fn(struct worker *);

static step_fn *const mixes[][16] = {
	{ step_page, step_page, step_free, step_free, step_run, step_run,
	    step_pages, step_frees, step_reserve, step_trim, step_bad_free,
	    step_audit, step_flush, step_explain, step_plug, step_plug },
	{ step_pages, step_pages, step_frees, step_frees, step_page,
	    step_page, step_free, step_free, step_pages, step_frees,
	    step_pages, step_frees, step_page, step_free, step_page,
	    step_free },
};

static void *
work(void *arg)
{
	struct worker *k = arg;

	rng_seed(&k->k_rng, k->k_seed);
	while (!atomic_load(&stop))
		mixes[k->k_mix][rng_below(&k->k_rng, 16)](k);
	while (k->k_nruns > 0)
		drop(k, k->k_nruns - 1);
	return (NULL);
}

static void
workers_start(const atf_tc_t *tc, struct worker *k, unsigned n)
{
	struct rng r;
	unsigned i;

	rng_init(&r, tc, 1);
	atomic_store(&stop, false);
	for (i = 0; i < n; i++) {
		k[i].k_number = i + 1;
		k[i].k_seed = rng_next(&r);
		k[i].k_mix = i % NITEMS(mixes);
		ATF_REQUIRE_EQ(pthread_create(&k[i].k_thread, NULL, work,
		    &k[i]), 0);
	}
}

static void
workers_end(struct worker *k, unsigned n)
{
	uint64_t served = 0, failed = 0, refused = 0;
	unsigned i;

	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(pthread_join(k[i].k_thread, NULL), 0);
	for (i = 0; i < n; i++) {
		if (k[i].k_error != NULL)
			atf_tc_fail("thread %u: %s at %#" PRIx64, i,
			    k[i].k_error, k[i].k_where);
		served += k[i].k_served;
		failed += k[i].k_failed;
		refused += k[i].k_refused;
	}
	printf("%" PRIu64 " served, %" PRIu64 " failed, %" PRIu64
	    " bad frees refused\n", served, failed, refused);
	ATF_REQUIRE(served > 0);
}

static unsigned
seconds(const atf_tc_t *tc)
{

	return ((unsigned)test_number(tc, "seconds",
	    test_long(tc) ? 60 : 2));
}

static unsigned
nthreads(const atf_tc_t *tc, unsigned otherwise)
{
	uint64_t n = test_number(tc, "threads", otherwise);

	ATF_REQUIRE_MSG(n > 0 && n <= MAXTHREADS, "threads: 1 to %d",
	    MAXTHREADS);
	return ((unsigned)n);
}

static void
stress(const atf_tc_t *tc, unsigned n, unsigned sec)
{
	struct worker *k = calloc(n, sizeof(*k));
	struct vm_audit before, after;

	ATF_REQUIRE(k != NULL);
	usermode_console(NULL);
	vm_start(machine, NSTAY);
	claims_make();
	plug_none();
	audit_ok(&before);
	workers_start(tc, k, n);
	sleep(sec);
	atomic_store(&stop, true);
	workers_end(k, n);
	vm_pageq_flush();
	audit_ok(NULL);
	plug_none();
	audit_ok(&after);
	/* Threads that are gone have given their pages back. */
	ATF_REQUIRE_EQ(after.va_held, 0);
	ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
	free(k);
}

ATF_TC(everything);
ATF_TC_HEAD(everything, tc)
{

	atf_tc_set_md_var(tc, "descr", "All of it at once");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(everything, tc)
{

	stress(tc, nthreads(tc, 4), seconds(tc));
}

ATF_TC(more_threads_than_cpus);
ATF_TC_HEAD(more_threads_than_cpus, tc)
{

	atf_tc_set_md_var(tc, "descr", "Some threads have no queues");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(more_threads_than_cpus, tc)
{

	stress(tc, nthreads(tc, VM_MAXCPU + 8), seconds(tc));
}

/*
 * Two threads free one page at once: exactly one succeeds.
 */
static pthread_barrier_t race_barrier;
static paddr_t race_page[64];
static _Atomic unsigned race_freed, race_refused, race_other;
static unsigned race_rounds;

static void *
race(void *arg)
{
	unsigned i, k;
	int error;

	(void)arg;
	for (i = 0; i < race_rounds; i++) {
		pthread_barrier_wait(&race_barrier);
		for (k = 0; k < NITEMS(race_page); k++) {
			error = k % 3 == 0 ? vm_pglist_free(race_page[k], 0) :
			    vm_page_free(race_page[k]);
			if (error == 0)
				race_freed++;
			else if (error == EALREADY)
				race_refused++;
			else
				race_other++;
		}
		pthread_barrier_wait(&race_barrier);
		/* The first thread takes new ones. */
		pthread_barrier_wait(&race_barrier);
	}
	return (NULL);
}

ATF_TC(double_free_race);
ATF_TC_HEAD(double_free_race, tc)
{

	atf_tc_set_md_var(tc, "descr", "Of two frees at once one succeeds");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(double_free_race, tc)
{
	pthread_t thread[3];
	unsigned i, k, n = NITEMS(thread);

	usermode_console(NULL);
	vm_start(machine, NSTAY);
	race_rounds = test_long(tc) ? 200000 : 2000;
	ATF_REQUIRE_EQ(pthread_barrier_init(&race_barrier, NULL, n + 1), 0);
	for (k = 0; k < NITEMS(race_page); k++)
		race_page[k] = vm_page_alloc(0, 0);
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(pthread_create(&thread[i], NULL, race, NULL),
		    0);
	for (i = 0; i < race_rounds; i++) {
		pthread_barrier_wait(&race_barrier);
		pthread_barrier_wait(&race_barrier);
		ATF_REQUIRE_EQ(race_freed, (i + 1) * NITEMS(race_page));
		ATF_REQUIRE_EQ(race_refused,
		    (i + 1) * NITEMS(race_page) * (n - 1));
		if (i % 100 == 0)
			audit_ok(NULL);
		for (k = 0; k < NITEMS(race_page); k++)
			race_page[k] = vm_page_alloc(0, 0);
		pthread_barrier_wait(&race_barrier);
	}
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(pthread_join(thread[i], NULL), 0);
	ATF_REQUIRE_EQ(race_other, 0);
	audit_ok(NULL);
}

/*
 * While the others only shuffle pages, a request that the pages that nobody
 * has can always serve does not fail.
 */
static void *
shuffle(void *arg)
{
	paddr_t pa[64];
	unsigned i;

	(void)arg;
	while (!atomic_load(&stop)) {
		for (i = 0; i < NITEMS(pa); i++)
			pa[i] = vm_page_alloc(0, 0);
		for (i = 0; i < NITEMS(pa); i++) {
			if (pa[i] != VM_PADDR_NONE)
				(void)vm_page_free(pa[i]);
		}
	}
	return (NULL);
}

ATF_TC(no_false_failure);
ATF_TC_HEAD(no_false_failure, tc)
{

	atf_tc_set_md_var(tc, "descr", "Held pages count, whoever holds them");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(no_false_failure, tc)
{
	static const struct vm_memrange map = { 64 * MiB, 4 * MiB };
	unsigned i, k, n = 3, rounds = test_long(tc) ? 300000 : 5000;
	paddr_t mine[300];
	pthread_t thread[3];

	usermode_console(NULL);
	vm_start(&map, 1);
	atomic_store(&stop, false);
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(pthread_create(&thread[i], NULL, shuffle,
		    NULL), 0);
	/* 1024 pages less metadata; at most 3 * 64 and 300 are in use. */
	for (i = 0; i < rounds; i++) {
		for (k = 0; k < NITEMS(mine); k++) {
			mine[k] = vm_page_alloc(0, 0);
			ATF_REQUIRE_MSG(mine[k] != VM_PADDR_NONE,
			    "round %u, page %u", i, k);
		}
		for (k = 0; k < NITEMS(mine); k++)
			ATF_REQUIRE_EQ(vm_page_free(mine[k]), 0);
	}
	atomic_store(&stop, true);
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(pthread_join(thread[i], NULL), 0);
	audit_ok(NULL);
}

/*
 * Threads that free whatever comes to their minds.  Nobody can own anything
 * among such company; but the allocator's own books stay right.
 */
static paddr_t
anywhere(struct rng *r)
{
	const struct vm_memrange *m = &machine[rng_below(r, NITEMS(machine))];

	return (m->vmr_start + rng_below(r, m->vmr_size / PAGE) * PAGE);
}

static void *
vandal(void *arg)
{
	struct worker *k = arg;
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	struct rng *r = &k->k_rng;
	static _Thread_local struct vm_audit va;
	struct vm_pgseg segs[3];
	unsigned n;
	paddr_t pa;

	rng_seed(r, k->k_seed);
	while (!atomic_load(&stop)) {
		pa = anywhere(r);
		switch (rng_below(r, 8)) {
		case 0:
			(void)vm_pglist_free(pa, 0);
			break;
		case 1:
			(void)vm_pglist_trim(pa, pa + rng_below(r, 4) * PAGE,
			    rng_size(r, 4) * PAGE);
			break;
		case 2:
			(void)vm_pglist_reserve(pa, rng_size(r, 8) * PAGE, 0);
			break;
		case 3:
			req.vpr_size = rng_size(r, 40) * PAGE;
			req.vpr_nsegs = (unsigned)rng_range(r, 1, 3);
			(void)vm_pglist_alloc(&req, segs, &n);
			break;
		case 4:
			step_plug(k);
			if (rng_chance(r, 100) && !vm_audit(&va)) {
				printf("%s\n", va.va_why);
				wrong(k, "an audit failed", va.va_errors);
			}
			break;
		case 5:
			for (n = (unsigned)rng_size(r, 600); n > 0; n--)
				(void)vm_page_alloc(VM_PG_USERESERVE, 0);
			break;
		default:
			for (n = (unsigned)rng_size(r, 600); n > 0; n--)
				(void)vm_page_free(anywhere(r));
			break;
		}
		k->k_served++;
	}
	return (NULL);
}

ATF_TC(vandals);
ATF_TC_HEAD(vandals, tc)
{

	atf_tc_set_md_var(tc, "descr", "Frees of others' pages break nothing");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(vandals, tc)
{
	static struct worker k[MAXTHREADS];
	unsigned i, n = nthreads(tc, 4);
	struct vm_audit va;
	paddr_t pa;
	struct rng r;

	usermode_console(NULL);
	vm_start(machine, NSTAY);
	plug_none();
	rng_init(&r, tc, 2);
	atomic_store(&stop, false);
	for (i = 0; i < n; i++) {
		k[i].k_number = i + 1;
		k[i].k_seed = rng_next(&r);
		ATF_REQUIRE_EQ(pthread_create(&k[i].k_thread, NULL, vandal,
		    &k[i]), 0);
	}
	sleep(seconds(tc));
	atomic_store(&stop, true);
	workers_end(k, n);
	audit_ok(NULL);
	/* Whatever is left is a run that can be freed. */
	for (i = 0; i < NITEMS(machine); i++) {
		for (pa = machine[i].vmr_start; pa < machine[i].vmr_start +
		    machine[i].vmr_size; pa += PAGE)
			(void)vm_pglist_free(pa, 0);
	}
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_free, va.va_frames);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, everything);
	ATF_TP_ADD_TC(tp, more_threads_than_cpus);
	ATF_TP_ADD_TC(tp, double_free_race);
	ATF_TP_ADD_TC(tp, no_false_failure);
	ATF_TP_ADD_TC(tp, vandals);
	return (atf_no_error());
}
