/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * A request of a pool fails only if there was a moment without a place for it.
 *
 * The pool has two places.  One is free at any time: a thread frees the first
 * one, and only when that is done, the second one is taken.  The thread stands
 * still at any of its atomic operations, the search is at any of its own when
 * the places change.  To get in between, vm_pool.c is compiled here, with its
 * loads and additions through stop().
 */

#include <atf-c.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include <machine/vm_machdep.h>

static void stop(void);

#undef atomic_load_explicit
#define	atomic_load_explicit(p, order)		(stop(), *(p))
#undef atomic_fetch_add_explicit
#define	atomic_fetch_add_explicit(p, n, order)	(stop(), (*(p) += (n)) - (n))

#include <vm/vm_pool.c>

#undef atomic_load_explicit
#undef atomic_fetch_add_explicit

#define	UNIT		8
#define	PLACE		((psize_t)64 * UNIT)	/* two words */
#define	BASE		((paddr_t)1 << 30)

static struct vm_pool pool;
static uint64_t meta[64];

/* Of each thread: how many operations there are to be before it acts. */
static _Thread_local unsigned stop_in;
static _Thread_local void (*stop_action)(void);

static void
stop(void)
{

	if (stop_in > 0 && --stop_in == 0)
		stop_action();
}

static void
stop_at(unsigned n, void (*action)(void))
{

	stop_in = n;
	stop_action = action;
}

/*
 * The thread that frees.
 */
static sem_t freer_stands, freer_goes;
static unsigned freer_at;
static bool freer_stood;

static void
stand(void)
{

	freer_stood = true;
	sem_post(&freer_stands);
	sem_wait(&freer_goes);
}

static void *
freer(void *arg)
{

	freer_stood = false;
	stop_at(freer_at, stand);
	ATF_REQUIRE_EQ(vm_pool_free_quiet(&pool, BASE, PLACE), 0);
	stop_at(0, NULL);
	if (!freer_stood)
		sem_post(&freer_stands);
	return (arg);
}

/*
 * What happens while the search stands still.
 */
static pthread_t freer_thread;
static bool changed, was_free, was_taken;

static void
change(void)
{
	struct vm_poolreq q = VM_POOLREQ_INITIALIZER(PLACE);
	struct vm_poolextent pe;
	struct vm_poolmem mem;

	changed = true;
	ATF_REQUIRE_EQ(pthread_create(&freer_thread, NULL, freer, NULL), 0);
	sem_wait(&freer_stands);
	was_free = vm_pool_walk(&pool, BASE, &pe) &&
	    pe.vpe_state == VM_FRAME_FREE && pe.vpe_size >= PLACE;
	q.vpq_policy = VM_POOL_FIXED;
	q.vpq_offset = PLACE;
	was_taken = was_free && vm_pool_alloc(&pool, &q, &mem) == 0;
}

/*
 * round: the search stands still at its operation number search_at.
 * => false: it has no such operation.
 */
static bool
one_round(unsigned search_at)
{
	struct vm_poolreq q = VM_POOLREQ_INITIALIZER(PLACE);
	struct vm_poolmem mem;
	int error;

	changed = was_taken = false;
	ATF_REQUIRE_EQ(vm_pool_alloc(&pool, &q, &mem), 0);
	ATF_REQUIRE_EQ(mem.vpm_start, BASE);
	stop_at(search_at, change);
	error = vm_pool_alloc(&pool, &q, &mem);
	stop_at(0, NULL);
	ATF_CHECK_EQ_MSG(error, 0, "search at %u, free at %u", search_at,
	    freer_at);
	if (changed && freer_stood)
		sem_post(&freer_goes);
	if (changed)
		ATF_REQUIRE_EQ(pthread_join(freer_thread, NULL), 0);
	else
		ATF_REQUIRE_EQ(vm_pool_free_quiet(&pool, BASE, PLACE), 0);
	if (error == 0)
		ATF_REQUIRE_EQ(vm_pool_free_quiet(&pool, mem.vpm_start, 0), 0);
	if (was_taken)
		ATF_REQUIRE_EQ(vm_pool_free_quiet(&pool, BASE + PLACE, 0), 0);
	ATF_REQUIRE_EQ(vm_pool_avail(&pool), 2 * PLACE);
	return (changed);
}

ATF_TC_WITHOUT_HEAD(free_under_way);
ATF_TC_BODY(free_under_way, tc)
{
	unsigned search_at, stood;

	(void)tc;
	ATF_REQUIRE_EQ(sem_init(&freer_stands, 0, 0), 0);
	ATF_REQUIRE_EQ(sem_init(&freer_goes, 0, 0), 0);
	ATF_REQUIRE_EQ(vm_pool_create(&pool, "two", UNIT), 0);
	ATF_REQUIRE(vm_pool_metasize(&pool, 2 * PLACE) <= sizeof(meta));
	ATF_REQUIRE_EQ(vm_pool_add(&pool, BASE, NULL, 2 * PLACE, meta), 0);
	stood = 0;
	for (freer_at = 1; freer_at <= 20; freer_at++) {
		freer_stood = false;
		for (search_at = 1; one_round(search_at); search_at++)
			continue;
		ATF_CHECK_MSG(search_at > 5, "only %u operations", search_at);
		stood += freer_stood;
	}
	ATF_CHECK_MSG(stood > 3, "only %u operations", stood);
	ATF_CHECK_MSG(stood < 20, "more operations than were tried");
	ATF_REQUIRE_EQ(vm_pool_destroy(&pool), 0);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, free_under_way);
	return (atf_no_error());
}
