/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Requests that wait: VM_PG_WAIT of vm_pglist(9).
 */

#include <atf-c.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vm/vm_counter.h>
#include <vm/vm_sync.h>

#include "vm_testlib.h"

#define	MSEC		UINT64_C(1000000)
#define	SEC		UINT64_C(1000000000)

/* The host may be late by seconds, now and then. */
#define	PATIENCE	(100 * SEC)	/* for what must come in the end */
#define	TRIES		5		/* of what must be quick */

static const struct vm_memrange machine[] = {
	{ 1 * MiB, 7 * MiB }, { 64 * MiB, 8 * MiB }
};

/* All of [1M, 8M) is taken but what was taken by the start. */
static paddr_t taken[7 * MiB / PAGE];
static unsigned ntaken;

static void
start_full(void)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	struct vm_pgseg seg;
	unsigned n;

	usermode_console(NULL);
	vm_start(machine, NITEMS(machine));
	req.vpr_high = 16 * MiB;
	for (ntaken = 0; vm_pglist_alloc(&req, &seg, &n) == 0; ntaken++)
		taken[ntaken] = seg.vps_start;
	ATF_REQUIRE(ntaken > 64);
}

/*
 * A thread that waits for a request.
 */
struct waiter {
	pthread_t	t_thread;
	struct vm_pgreq	t_req;
	struct vm_pgseg	t_seg[8];
	unsigned	t_rsegs;
	int		t_error;
	uint64_t	t_nsec;		/* how long it took */
	_Atomic bool	t_started;
	_Atomic bool	t_done;
	_Atomic unsigned t_place;	/* first to be done: 1 */
};

static _Atomic unsigned places;

static void *
waiting(void *arg)
{
	struct waiter *t = arg;
	uint64_t began = vm_md_nanotime();

	t->t_rsegs = 77;
	atomic_store(&t->t_started, true);
	t->t_error = vm_pglist_alloc(&t->t_req, t->t_seg, &t->t_rsegs);
	t->t_nsec = vm_md_nanotime() - began;
	t->t_place = atomic_fetch_add(&places, 1) + 1;
	atomic_store(&t->t_done, true);
	return (NULL);
}

/* Start it, and return when it sleeps (as the n-th of the line). */
static void
wait_start(struct waiter *t, psize_t size, uint64_t timeout, unsigned nth)
{

	t->t_req = (struct vm_pgreq)VM_PGREQ_INITIALIZER(size);
	t->t_req.vpr_high = 16 * MiB;
	t->t_req.vpr_flags = VM_PG_WAIT;
	t->t_req.vpr_timeout = timeout;
	atomic_store(&t->t_done, false);
	atomic_store(&t->t_started, false);
	ATF_REQUIRE_EQ(pthread_create(&t->t_thread, NULL, waiting, t), 0);
	while (atomic_load(&vm_sync_sleepers) < nth)
		usleep(100);
}

static void
wait_join(struct waiter *t, int expected)
{

	ATF_REQUIRE_EQ(pthread_join(t->t_thread, NULL), 0);
	ATF_REQUIRE_EQ_MSG(t->t_error, expected, "%d", t->t_error);
	if (expected != 0)
		ATF_REQUIRE_EQ(t->t_rsegs, 0);
}

/* Until it has what it waited for; who is never served runs into the limit. */
static void
wait_done(struct waiter *t)
{

	while (!atomic_load(&t->t_done))
		usleep(50);
}

/* Nobody needs to wait for what is there. */
ATF_TC_WITHOUT_HEAD(at_once);
ATF_TC_BODY(at_once, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(64 * KiB);

	(void)tc;
	vm_start(machine, NITEMS(machine));
	req.vpr_flags = VM_PG_WAIT;
	(void)run_alloc(&req);
	ATF_REQUIRE_EQ(vm_sync_sleepers, 0);
}

ATF_TC_WITHOUT_HEAD(malformed_does_not_wait);
ATF_TC_BODY(malformed_does_not_wait, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(0);

	(void)tc;
	start_full();
	req.vpr_flags = VM_PG_WAIT;
	ATF_REQUIRE_EQ(run_error(&req), EINVAL);
}

ATF_TC_WITHOUT_HEAD(timeout);
ATF_TC_BODY(timeout, tc)
{
	struct vm_audit before, after;
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	uint64_t began, took = UINT64_MAX;
	unsigned i;

	(void)tc;
	start_full();
	audit_ok(&before);
	req.vpr_high = 16 * MiB;
	req.vpr_flags = VM_PG_WAIT;
	req.vpr_timeout = 120 * MSEC;
	for (i = 0; i < TRIES && took >= 2 * SEC; i++) {
		began = vm_md_nanotime();
		ATF_REQUIRE_EQ(run_error(&req), EWOULDBLOCK);
		took = vm_md_nanotime() - began;
		ATF_REQUIRE(took >= 120 * MSEC);
	}
	ATF_REQUIRE(took < 2 * SEC);
	req.vpr_timeout = 1;
	ATF_REQUIRE_EQ(run_error(&req), EWOULDBLOCK);
	/* Nor is it there for several segments. */
	req.vpr_nsegs = 4;
	ATF_REQUIRE_EQ(run_error(&req), EWOULDBLOCK);
	ATF_REQUIRE_EQ(vm_sync_sleepers, 0);
	audit_ok(&after);
	ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
	ATF_REQUIRE(vm_counter_sum(VM_COUNT_RUN_NOMEM) >= 3);
}

static void
nothing(int signo)
{

	(void)signo;
}

ATF_TC_WITHOUT_HEAD(interrupted);
ATF_TC_BODY(interrupted, tc)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct waiter t;

	(void)tc;
	start_full();
	ATF_REQUIRE_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	wait_start(&t, PAGE, 0, 1);
	/* A signal that comes while it looks does not interrupt a sleep. */
	while (!atomic_load(&t.t_done)) {
		(void)pthread_kill(t.t_thread, SIGUSR1);
		usleep(2000);
	}
	wait_join(&t, EINTR);
	ATF_REQUIRE_EQ(vm_sync_sleepers, 0);
	audit_ok(NULL);
}

/* Freed by another thread: as a page, as a run, by a trim, by a queue. */
static void
served_by(void (*release)(void))
{
	struct waiter t;

	start_full();
	wait_start(&t, PAGE, PATIENCE, 1);
	usleep(20000);
	ATF_REQUIRE(!atomic_load(&t.t_done));
	release();
	wait_join(&t, 0);
	ATF_REQUIRE_EQ(t.t_rsegs, 1);
	ATF_REQUIRE(t.t_seg[0].vps_start < 16 * MiB);
	ATF_REQUIRE(t.t_nsec < PATIENCE / 2);
	ATF_REQUIRE_EQ(vm_pglist_free(t.t_seg[0].vps_start, 0), 0);
	audit_ok(NULL);
}

static void
release_page(void)
{

	ATF_REQUIRE_EQ(vm_page_free(taken[--ntaken]), 0);
}

static void
release_run(void)
{

	ATF_REQUIRE_EQ(vm_pglist_free(taken[--ntaken], PAGE), 0);
}

ATF_TC_WITHOUT_HEAD(served_by_page_free);
ATF_TC_BODY(served_by_page_free, tc)
{

	(void)tc;
	served_by(release_page);
}

ATF_TC_WITHOUT_HEAD(served_by_run_free);
ATF_TC_BODY(served_by_run_free, tc)
{

	(void)tc;
	served_by(release_run);
}

ATF_TC_WITHOUT_HEAD(served_by_trim);
ATF_TC_BODY(served_by_trim, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(2 * PAGE);
	struct waiter t;
	paddr_t pa;

	(void)tc;
	start_full();
	ATF_REQUIRE_EQ(vm_page_free(taken[0]), 0);
	ATF_REQUIRE_EQ(vm_page_free(taken[1]), 0);
	ATF_REQUIRE_EQ(taken[0] + PAGE, taken[1]);
	req.vpr_high = 16 * MiB;
	pa = run_alloc(&req);
	wait_start(&t, PAGE, PATIENCE, 1);
	ATF_REQUIRE_EQ(vm_pglist_trim(pa, pa + PAGE, PAGE), 0);
	wait_join(&t, 0);
	ATF_REQUIRE_EQ(t.t_seg[0].vps_start, pa);
}

/* => how long a request took of which all lies on another CPU's queue. */
static uint64_t
take_from_a_queue(void)
{
	static paddr_t pages[8 * MiB / PAGE];
	struct waiter t;
	unsigned i, n;

	usermode_console(NULL);
	vm_start(machine, NITEMS(machine));
	for (n = 0; (pages[n] = vm_page_alloc(0, 0)) != VM_PADDR_NONE;)
		n++;
	for (i = 0; i < 64; i++)
		ATF_REQUIRE_EQ(vm_page_free(pages[i]), 0);
	memset(&t, 0, sizeof(t));
	t.t_req = (struct vm_pgreq)VM_PGREQ_INITIALIZER(32 * PAGE);
	t.t_req.vpr_low = 16 * MiB;
	t.t_req.vpr_flags = VM_PG_WAIT;
	t.t_req.vpr_timeout = PATIENCE;
	ATF_REQUIRE_EQ(pthread_create(&t.t_thread, NULL, waiting, &t), 0);
	wait_join(&t, 0);
	return (t.t_nsec);
}

/* What lies on another CPU's queue when the request comes is found. */
ATF_TC_WITHOUT_HEAD(served_from_a_queue);
ATF_TC_BODY(served_from_a_queue, tc)
{
	uint64_t took = UINT64_MAX;
	unsigned i;

	(void)tc;
	for (i = 0; i < TRIES && took >= SEC; i++)
		took = take_from_a_queue();
	ATF_REQUIRE(took < SEC);
}

/* Equals are served in the order in which they came. */
ATF_TC_WITHOUT_HEAD(fifo);
ATF_TC_BODY(fifo, tc)
{
	static struct waiter t[8];
	unsigned i, k;

	(void)tc;
	for (k = 0; k < 10; k++) {
		start_full();
		atomic_store(&places, 0);
		for (i = 0; i < NITEMS(t); i++)
			wait_start(&t[i], PAGE, PATIENCE, i + 1);
		for (i = 0; i < NITEMS(t); i++) {
			release_page();
			wait_done(&t[i]);
			ATF_REQUIRE_EQ_MSG(t[i].t_place, i + 1,
			    "round %u: waiter %u was not served in its turn",
			    k, i);
		}
		for (i = 0; i < NITEMS(t); i++)
			wait_join(&t[i], 0);
	}
}

/* One that cannot be served yet does not block others. */
ATF_TC_WITHOUT_HEAD(passed_over);
ATF_TC_BODY(passed_over, tc)
{
	struct waiter large, small;

	(void)tc;
	start_full();
	wait_start(&large, 4 * MiB, PATIENCE, 1);
	wait_start(&small, PAGE, PATIENCE, 2);
	release_page();
	wait_join(&small, 0);
	ATF_REQUIRE(!atomic_load(&large.t_done));
	while (ntaken > 0)
		release_page();
	ATF_REQUIRE_EQ(vm_page_free(small.t_seg[0].vps_start), 0);
	wait_join(&large, 0);
	audit_ok(NULL);
}

/* One that waits for what does not come does not block other windows. */
ATF_TC_WITHOUT_HEAD(other_window);
ATF_TC_BODY(other_window, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	struct waiter low;
	unsigned i;

	(void)tc;
	start_full();
	wait_start(&low, PAGE, 0, 1);
	req.vpr_low = 16 * MiB;
	req.vpr_flags = VM_PG_WAIT;
	req.vpr_timeout = PATIENCE;
	for (i = 0; i < 100; i++)
		(void)run_alloc(&req);
	ATF_REQUIRE(!atomic_load(&low.t_done));
	release_page();
	wait_join(&low, 0);
}

/*
 * Nor does it block those that may use its window, but are served elsewhere:
 * it lost nothing to them.  If eight lost patience, they would block half of
 * the time, from 100 ms on.
 */
ATF_TC_WITHOUT_HEAD(served_elsewhere);
ATF_TC_BODY(served_elsewhere, tc)
{
	static struct waiter low[8];
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	uint64_t began, took = UINT64_MAX;
	unsigned i, try;

	(void)tc;
	start_full();
	for (i = 0; i < NITEMS(low); i++)
		wait_start(&low[i], PAGE, 0, i + 1);
	req.vpr_flags = VM_PG_WAIT;
	req.vpr_timeout = PATIENCE;
	for (try = 0; try < TRIES && took >= SEC / 4; try++) {
		for (i = 0, took = 0; i < 100; i++) {
			usleep(10000);
			began = vm_md_nanotime();
			ATF_REQUIRE(run_alloc(&req) >= 16 * MiB);
			took += vm_md_nanotime() - began;
		}
	}
	ATF_REQUIRE_MSG(took < SEC / 4, "100 requests took %" PRIu64 " ms",
	    took / MSEC);
	for (i = 0; i < NITEMS(low); i++) {
		ATF_REQUIRE(!atomic_load(&low[i].t_done));
		release_page();
		wait_join(&low[i], 0);
	}
	audit_ok(NULL);
}

/* Nor those that nobody can ever serve, however often they are passed over. */
ATF_TC_WITHOUT_HEAD(impossible);
ATF_TC_BODY(impossible, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	static struct waiter never[8];
	struct waiter late;
	unsigned i, slow = 0;

	(void)tc;
	start_full();
	for (i = 0; i < NITEMS(never); i++)
		wait_start(&never[i], GiB, 0, i + 1);
	req.vpr_flags = VM_PG_WAIT;
	req.vpr_timeout = PATIENCE;
	for (i = 0; i < 100; i++)
		(void)run_alloc(&req);
	/* Also for those whose window is the same. */
	for (i = 0; i < 50; i++) {
		wait_start(&late, PAGE, PATIENCE, NITEMS(never) + 1);
		release_page();
		wait_join(&late, 0);
		slow += late.t_nsec > 5 * SEC;
	}
	ATF_REQUIRE_MSG(slow < 5, "%u of %u waited long", slow, i);
	for (i = 0; i < NITEMS(never); i++)
		ATF_REQUIRE(!atomic_load(&never[i].t_done));
	audit_ok(NULL);
	/* They wait for ever: the process ends with them. */
}

/*
 * Nor those that nobody can ever serve and who have time-outs: when one leaves
 * that held up others, the next does not do so at once.
 */
static _Atomic bool stop;
static _Atomic uint64_t npairs;

static void *
hope(void *arg)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(GiB);
	struct vm_pgseg seg;
	unsigned n;

	(void)arg;
	req.vpr_flags = VM_PG_WAIT;
	req.vpr_timeout = 60 * MSEC;
	while (!atomic_load(&stop))
		ATF_REQUIRE_EQ(vm_pglist_alloc(&req, &seg, &n), EWOULDBLOCK);
	return (NULL);
}

static void *
pairs(void *arg)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);

	(void)arg;
	req.vpr_flags = VM_PG_WAIT;
	req.vpr_timeout = PATIENCE;
	while (!atomic_load(&stop)) {
		ATF_REQUIRE_EQ(vm_pglist_free(run_alloc(&req), PAGE), 0);
		atomic_fetch_add(&npairs, 1);
	}
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(timeouts_leave_pauses);
ATF_TC_BODY(timeouts_leave_pauses, tc)
{
	pthread_t thread[10];
	uint64_t before, most = 0;
	unsigned i;

	(void)tc;
	start_full();
	atomic_store(&stop, false);
	for (i = 0; i < NITEMS(thread); i++)
		ATF_REQUIRE_EQ(pthread_create(&thread[i], NULL, i < 8 ? hope :
		    pairs, NULL), 0);
	for (i = 0; i < 3 * TRIES && most < 3000; i++) {
		before = atomic_load(&npairs);
		sleep(1);
		if (atomic_load(&npairs) - before > most)
			most = atomic_load(&npairs) - before;
	}
	atomic_store(&stop, true);
	for (i = 0; i < NITEMS(thread); i++)
		ATF_REQUIRE_EQ(pthread_join(thread[i], NULL), 0);
	ATF_REQUIRE_MSG(most >= 3000, "%" PRIu64 " pairs a second at most",
	    most);
	audit_ok(NULL);
}

/*
 * Threads that take and give back small pieces for ever, in such a way that
 * never all of them are free at once, unless somebody makes them wait.
 */

/* The same, but slow: what each has, it keeps for long. */
static void *
keep(void *arg)
{
	const struct waiter *me = arg;
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	struct vm_pgseg seg;
	unsigned n;

	req.vpr_high = 16 * MiB;
	req.vpr_flags = VM_PG_WAIT;
	req.vpr_timeout = PATIENCE;
	while (!atomic_load(&stop)) {
		ATF_REQUIRE_EQ(vm_pglist_alloc(&req, &seg, &n), 0);
		usleep((useconds_t)(me->t_req.vpr_timeout / 1000));
		ATF_REQUIRE_EQ(vm_pglist_free(seg.vps_start, 0), 0);
	}
	return (NULL);
}

static void *
nibble(void *arg)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	struct vm_pgseg old = { 0, 0 }, new;
	unsigned n;

	(void)arg;
	req.vpr_high = 16 * MiB;
	req.vpr_flags = VM_PG_WAIT;
	req.vpr_timeout = 50 * MSEC;
	while (!atomic_load(&stop)) {
		if (vm_pglist_alloc(&req, &new, &n) != 0) {
			/* Hungry: give up what there is, then. */
			if (old.vps_size != 0)
				(void)vm_pglist_free(old.vps_start, 0);
			old.vps_size = 0;
			continue;
		}
		if (old.vps_size != 0)
			(void)vm_pglist_free(old.vps_start, 0);
		old = new;
		usleep(100);
	}
	if (old.vps_size != 0)
		(void)vm_pglist_free(old.vps_start, 0);
	return (NULL);
}

ATF_TC(large_not_starved);
ATF_TC_HEAD(large_not_starved, tc)
{

	atf_tc_set_md_var(tc, "descr", "Small ones do not starve a large one");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(large_not_starved, tc)
{
	struct waiter large;
	pthread_t thread[3];
	uint64_t avail;
	unsigned i;

	(void)tc;
	start_full();
	avail = ntaken;
	while (ntaken > 0)
		release_page();
	atomic_store(&stop, false);
	for (i = 0; i < NITEMS(thread); i++)
		ATF_REQUIRE_EQ(pthread_create(&thread[i], NULL, nibble,
		    NULL), 0);
	usleep(20000);
	/* All that there is, in as many pieces as it takes. */
	wait_start(&large, avail * PAGE, PATIENCE, 0);
	wait_join(&large, 0);
	ATF_REQUIRE_EQ(large.t_rsegs, 1);
	ATF_REQUIRE_EQ(vm_pglist_free(large.t_seg[0].vps_start, 0), 0);
	atomic_store(&stop, true);
	for (i = 0; i < NITEMS(thread); i++)
		ATF_REQUIRE_EQ(pthread_join(thread[i], NULL), 0);
	audit_ok(NULL);
}

/*
 * Also if what they take is never back within the first times of holding; and
 * some threads hope meanwhile, and see others served.
 */
static void
starve_slowly(unsigned nthreads)
{
	static struct waiter small[24];
	struct waiter large;
	pthread_t thread[12];
	uint64_t avail;
	unsigned i;

	start_full();
	avail = ntaken;
	while (ntaken > 0)
		release_page();
	atomic_store(&stop, false);
	for (i = 0; i < NITEMS(small); i++) {
		small[i].t_req.vpr_timeout = (150 + 13 * i) * MSEC;
		ATF_REQUIRE_EQ(pthread_create(&small[i].t_thread, NULL, keep,
		    &small[i]), 0);
	}
	for (i = 0; i < nthreads; i++)
		ATF_REQUIRE_EQ(pthread_create(&thread[i], NULL, i < 8 ? hope :
		    pairs, NULL), 0);
	usleep(20000);
	wait_start(&large, avail * PAGE, PATIENCE, 0);
	wait_join(&large, 0);
	ATF_REQUIRE_EQ(vm_pglist_free(large.t_seg[0].vps_start, 0), 0);
	atomic_store(&stop, true);
	for (i = 0; i < NITEMS(small); i++)
		ATF_REQUIRE_EQ(pthread_join(small[i].t_thread, NULL), 0);
	for (i = 0; i < nthreads; i++)
		ATF_REQUIRE_EQ(pthread_join(thread[i], NULL), 0);
	audit_ok(NULL);
}

ATF_TC_WITHOUT_HEAD(large_not_starved_slowly);
ATF_TC_BODY(large_not_starved_slowly, tc)
{

	(void)tc;
	starve_slowly(0);
}

/* Nor do those who lose patience, have their time-out, and come again. */
ATF_TC_WITHOUT_HEAD(large_not_starved_by_hope);
ATF_TC_BODY(large_not_starved_by_hope, tc)
{

	(void)tc;
	starve_slowly(12);
}

/*
 * No lock is held while waiting: everything else goes on, and whoever waits
 * is found by the one that frees.
 */
ATF_TC_WITHOUT_HEAD(others_go_on);
ATF_TC_BODY(others_go_on, tc)
{
	static struct waiter t[16];
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(8 * PAGE);
	unsigned i;
	paddr_t pa;

	(void)tc;
	start_full();
	for (i = 0; i < NITEMS(t); i++)
		wait_start(&t[i], (i + 1) * PAGE, 300 * MSEC, 0);
	for (i = 0; i < 2000; i++) {
		pa = vm_page_alloc(0, 0);
		ATF_REQUIRE(pa != VM_PADDR_NONE);
		ATF_REQUIRE_EQ(vm_page_free(pa), 0);
		req.vpr_low = 16 * MiB;
		pa = run_alloc(&req);
		ATF_REQUIRE_EQ(vm_pglist_free(pa, 0), 0);
	}
	for (i = 0; i < NITEMS(t); i++)
		wait_join(&t[i], EWOULDBLOCK);
	ATF_REQUIRE_EQ(vm_sync_sleepers, 0);
	audit_ok(NULL);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, at_once);
	ATF_TP_ADD_TC(tp, malformed_does_not_wait);
	ATF_TP_ADD_TC(tp, timeout);
	ATF_TP_ADD_TC(tp, interrupted);
	ATF_TP_ADD_TC(tp, served_by_page_free);
	ATF_TP_ADD_TC(tp, served_by_run_free);
	ATF_TP_ADD_TC(tp, served_by_trim);
	ATF_TP_ADD_TC(tp, served_from_a_queue);
	ATF_TP_ADD_TC(tp, fifo);
	ATF_TP_ADD_TC(tp, passed_over);
	ATF_TP_ADD_TC(tp, other_window);
	ATF_TP_ADD_TC(tp, served_elsewhere);
	ATF_TP_ADD_TC(tp, impossible);
	ATF_TP_ADD_TC(tp, timeouts_leave_pauses);
	ATF_TP_ADD_TC(tp, large_not_starved);
	ATF_TP_ADD_TC(tp, large_not_starved_slowly);
	ATF_TP_ADD_TC(tp, large_not_starved_by_hope);
	ATF_TP_ADD_TC(tp, others_go_on);
	return (atf_no_error());
}
