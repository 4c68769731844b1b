/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Bad frees in the middle of what changes many frames: between any two
 * instructions of it another thread may free a page that is not its to free.
 * That is tried where the page looks, for a moment, as if it could be freed
 * without the lock; it must not succeed.
 */

#include <atf-c.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <vm/vm_badfree.h>
#include <vm/vm_page.h>
#include <vm/vm_pglist.h>
#include <vm/vm_physseg.h>
#include <vm/vm_sync.h>

#include "vm_step.h"
#include "vm_testlib.h"

#ifdef VM_STEP

#define	START_NSEC	500000000 /* patience: until the other begins */
#define	LOCK_NSEC	5000000	/* and when it has begun */

static _Atomic unsigned asked, begun, done;
static _Atomic paddr_t victim;
static _Atomic unsigned succeeded;
static _Atomic bool ready;
static unsigned nlooks;
static pthread_t vandal;

static void *
vandal_main(void *arg)
{
	paddr_t pa = vm_page_alloc(0, VM_OWNER_NONE);
	unsigned n = 0;

	/* From here on it frees pages of this memory without the lock. */
	if (pa == VM_PADDR_NONE || vm_page_free(pa) != 0)
		abort();
	atomic_store(&ready, true);
	while (atomic_load(&asked) != ~0U) {
		if (atomic_load(&asked) == n)
			continue;
		n = atomic_load(&asked);
		atomic_store(&begun, n);
		if (n != ~0U && vm_page_free(atomic_load(&victim)) == 0)
			atomic_fetch_add(&succeeded, 1);
		atomic_store(&done, n);
	}
	return (arg);
}

static uint64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec);
}

/* One bad free, which may have to wait for the lock. */
static void
attack(void)
{
	const vm_frame_t f = vm_atop(atomic_load(&victim));
	unsigned n = atomic_load(&asked);
	uint64_t end;

	nlooks++;
	if (atomic_load(&done) != n ||
	    vm_extmap_state(&vm_map, f) != VM_FRAME_HEAD ||
	    vm_extmap_state(&vm_map, f + 1) == VM_FRAME_TAIL)
		return;
	atomic_store(&asked, ++n);
	for (end = now() + START_NSEC; atomic_load(&begun) != n;)
		if (now() > end)
			return;
	for (end = now() + LOCK_NSEC; atomic_load(&done) != n;)
		if (now() > end)
			return;
}

static void
attack_over(void)
{

	while (atomic_load(&done) != atomic_load(&asked))
		continue;
	ATF_REQUIRE_EQ(atomic_load(&succeeded), 0);
}

static void
vandal_start(paddr_t pa)
{
	static const struct vm_memrange machine[] = {
		{ 4 * GiB, 64 * MiB }
	};

	usermode_console(NULL);
	vm_start(machine, NITEMS(machine));
	atomic_store(&victim, pa);
	ATF_REQUIRE_EQ(pthread_create(&vandal, NULL, vandal_main, NULL), 0);
	while (!atomic_load(&ready))
		continue;
}

static void
vandal_end(void)
{

	atomic_store(&asked, ~0U);
	ATF_REQUIRE_EQ(pthread_join(vandal, NULL), 0);
	audit_ok(NULL);
}

static paddr_t run, kept;
static psize_t kept_size;
static int step_error;

static void
take(psize_t size)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(size);
	struct vm_pgseg seg;
	unsigned n;

	req.vpr_low = run;
	req.vpr_policy = VM_POLICY_EXACT;
	ATF_REQUIRE_EQ(vm_pglist_alloc(&req, &seg, &n), 0);
}

static void
trims(void)
{

	step_error = vm_pglist_trim(run, kept, kept_size);
}

/* Do f; whoever can frees the victim meanwhile. */
static void
attacked(void (*f)(void))
{

	nlooks = 0;
	step_prepare(STEP_EACH, attack);
	step(f);
	attack_over();
	ATF_REQUIRE_EQ(step_error, 0);
	ATF_REQUIRE_MSG(nlooks > 100, "%u instructions", nlooks);
}

/* Trim a run of npages; the page of that number is freed meanwhile. */
static void
trim_attacked(unsigned npages, unsigned from, unsigned n, unsigned page)
{

	run = 4 * GiB + 27 * PAGE;
	kept = run + from * PAGE;
	kept_size = n * PAGE;
	vandal_start(run + page * PAGE);
	take(npages * PAGE);
	attacked(trims);
	ATF_REQUIRE_EQ(vm_pglist_free(kept, kept_size), 0);
	vandal_end();
}

ATF_TC_WITHOUT_HEAD(trim_tail);
ATF_TC_BODY(trim_tail, tc)
{

	trim_attacked(3, 0, 2, 2);
}

ATF_TC_WITHOUT_HEAD(trim_head);
ATF_TC_BODY(trim_head, tc)
{

	trim_attacked(3, 1, 2, 0);
}

/* Over the ends of words of state, and of blocks. */
ATF_TC_WITHOUT_HEAD(trim_words);
ATF_TC_BODY(trim_words, tc)
{

	trim_attacked(600, 5, 300, 305);
}

ATF_TC_WITHOUT_HEAD(trim_words_head);
ATF_TC_BODY(trim_words_head, tc)
{

	trim_attacked(600, 36, 300, 0);
}

static void
frees(void)
{

	step_error = vm_pglist_free(run, 0);
}

/* The first page of a run that is freed, rightly, is not freed as a page. */
ATF_TC_WITHOUT_HEAD(free_run);
ATF_TC_BODY(free_run, tc)
{

	run = 4 * GiB + 27 * PAGE;
	vandal_start(run);
	take(40 * PAGE);
	attacked(frees);
	vandal_end();
}

static void
unplugs(void)
{

	step_error = vm_physseg_unplug(run, 40 * PAGE, NULL);
}

static void
plugs(void)
{

	step_error = vm_physseg_plug(run, 40 * PAGE);
}

/* The first page of memory that goes, and comes again. */
ATF_TC_WITHOUT_HEAD(unplug);
ATF_TC_BODY(unplug, tc)
{

	run = 4 * GiB + 27 * PAGE;
	vandal_start(run);
	/* Its words have been written before. */
	take(40 * PAGE);
	frees();
	attacked(unplugs);
	attacked(plugs);
	vandal_end();
}
#else
WANTS_STEPS(trim_tail)
WANTS_STEPS(trim_head)
WANTS_STEPS(trim_words)
WANTS_STEPS(trim_words_head)
WANTS_STEPS(free_run)
WANTS_STEPS(unplug)
#endif

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, trim_tail);
	ATF_TP_ADD_TC(tp, trim_head);
	ATF_TP_ADD_TC(tp, trim_words);
	ATF_TP_ADD_TC(tp, trim_words_head);
	ATF_TP_ADD_TC(tp, free_run);
	ATF_TP_ADD_TC(tp, unplug);
	return (atf_no_error());
}
