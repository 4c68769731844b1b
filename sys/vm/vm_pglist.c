/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Runs of pages under constraints.
 *
 * Waiting.  Those who wait stand in a line, first come first served.  When
 * memory returns to the map, each in turn tries; one that cannot be served yet
 * is passed over, since a request for low memory that nobody frees must not
 * hold up those that could be served elsewhere.  But one that was passed over
 * WAIT_PATIENCE times blocks those behind it whose windows overlap its own, so
 * that small requests do not starve a large one for ever.
 *
 * A sleeper also looks again by itself now and then: pages freed to a queue
 * just before it lay down do not wake it.
 */

#include <vm/vm_badfree.h>
#include <vm/vm_counter_var.h>
#include <vm/vm_pglist.h>
#include <vm/vm_pgreq.h>
#include <vm/vm_physseg.h>
#include <vm/vm_sync.h>

#define	WAIT_PATIENCE	16		/* times passed over */
#define	WAIT_LOOK_NSEC	10000000	/* at least every 10 ms */

struct sleeper {
	struct sleeper	*sl_next;
	const struct vm_pgreq *sl_req;
	unsigned	sl_passed;
};

static struct sleeper *line_head;
static struct vm_md_lock line_lock;

static void
count(enum vm_counter c)
{
	vm_md_intr_t s = vm_md_intr_disable();

	vm_counter_add(vm_md_curcpu(), c, 1);
	vm_md_intr_restore(s);
}

static vm_md_intr_t
line_enter(void)
{
	vm_md_intr_t s = vm_md_intr_disable();

	vm_md_lock(&line_lock);
	return (s);
}

static void
line_leave(vm_md_intr_t s)
{

	vm_md_unlock(&line_lock);
	vm_md_intr_restore(s);
}

static void
line_append(struct sleeper *me)
{
	vm_md_intr_t s = line_enter();
	struct sleeper **slp = &line_head;

	while (*slp != NULL)
		slp = &(*slp)->sl_next;
	*slp = me;
	line_leave(s);
	atomic_fetch_add(&vm_sync_sleepers, 1);
}

static void
line_remove(struct sleeper *me)
{
	vm_md_intr_t s = line_enter();
	struct sleeper **slp = &line_head;

	while (*slp != me)
		slp = &(*slp)->sl_next;
	*slp = me->sl_next;
	line_leave(s);
	atomic_fetch_sub(&vm_sync_sleepers, 1);
	/* Whoever stood behind may go now. */
	atomic_fetch_add(&vm_sync_freed, 1);
	vm_md_wake(&vm_sync_freed);
}

static bool
windows_overlap(const struct vm_pgreq *a, const struct vm_pgreq *b)
{

	return (a->vpr_low < b->vpr_high && b->vpr_low < a->vpr_high &&
	    (a->vpr_lists & b->vpr_lists) != 0);
}

/* May a sleeper try, or has somebody before it lost patience? */
static bool
line_may_try(const struct sleeper *me)
{
	vm_md_intr_t s = line_enter();
	const struct sleeper *sl;

	for (sl = line_head; sl != me; sl = sl->sl_next) {
		if (sl->sl_passed >= WAIT_PATIENCE &&
		    windows_overlap(sl->sl_req, me->sl_req))
			break;
	}
	line_leave(s);
	return (sl == me);
}

/* A sleeper was served: those before it were passed over. */
static void
line_served(const struct sleeper *me)
{
	vm_md_intr_t s = line_enter();
	struct sleeper *sl;

	for (sl = line_head; sl != me; sl = sl->sl_next)
		sl->sl_passed++;
	line_leave(s);
}

/* How long to sleep, given when the time is up (0: never); 0: it is up. */
static uint64_t
wait_span(uint64_t deadline)
{
	uint64_t now;

	if (deadline == 0)
		return (WAIT_LOOK_NSEC);
	now = vm_md_nanotime();
	if (now >= deadline)
		return (0);
	return (deadline - now < WAIT_LOOK_NSEC ? deadline - now :
	    WAIT_LOOK_NSEC);
}

static int
wait_for_run(const struct vm_pgreq *req, struct vm_pgseg *segs,
    unsigned *rsegs)
{
	struct sleeper me = { .sl_req = req };
	uint64_t deadline = 0, span;
	uint32_t seen;
	int error;

	if (req->vpr_timeout != 0) {
		deadline = vm_md_nanotime() + req->vpr_timeout;
		if (deadline < req->vpr_timeout)
			deadline = 0;
	}
	line_append(&me);
	for (;;) {
		seen = atomic_load(&vm_sync_freed);
		if (line_may_try(&me)) {
			error = vm_sync_run(req, segs, rsegs);
			if (error == 0) {
				line_served(&me);
				break;
			}
		}
		span = wait_span(deadline);
		if (span == 0) {
			error = EWOULDBLOCK;
			break;
		}
		error = vm_md_wait(&vm_sync_freed, seen, span);
		if (error == EINTR)
			break;
	}
	line_remove(&me);
	if (error != 0)
		*rsegs = 0;
	return (error);
}

/*
 * Zeroing.
 */

static bool
segs_zero(const struct vm_pgseg *segs, unsigned nsegs)
{
	unsigned i;
	void *va;

	for (i = 0; i < nsegs; i++) {
		va = vm_md_phystov(segs[i].vps_start, segs[i].vps_size);
		if (va == NULL)
			return (false);
		memset(va, 0, (size_t)segs[i].vps_size);
	}
	return (true);
}

static void
segs_free(const struct vm_pgseg *segs, unsigned nsegs)
{
	unsigned i;

	for (i = 0; i < nsegs; i++)
		(void)vm_pglist_free(segs[i].vps_start, segs[i].vps_size);
}

static enum vm_counter
result_counter(int error)
{

	switch (error) {
	case 0:
		return (VM_COUNT_RUN_ALLOC);
	case EFBIG:
		return (VM_COUNT_RUN_FBIG);
	case EINVAL:
		return (VM_COUNT_RUN_INVAL);
	default:
		return (VM_COUNT_RUN_NOMEM);
	}
}

int
vm_pglist_alloc(const struct vm_pgreq *req, struct vm_pgseg *segs,
    unsigned *rsegs)
{
	int error;

	*rsegs = 0;
	error = vm_pgreq_check(req, NULL);
	if (error == 0) {
		error = vm_sync_run(req, segs, rsegs);
		if (error != 0 && (req->vpr_flags & VM_PG_WAIT) != 0)
			error = wait_for_run(req, segs, rsegs);
	}
	if (error == 0 && (req->vpr_flags & VM_PG_ZERO) != 0 &&
	    !segs_zero(segs, *rsegs)) {
		segs_free(segs, *rsegs);
		*rsegs = 0;
		error = ENOMEM;
	}
	if (error != 0)
		*rsegs = 0;
	count(result_counter(error));
	return (error);
}

int
vm_pglist_free(paddr_t start, psize_t size)
{
	uint64_t npages = vm_atop(size);
	int error;

	if ((size & (VM_PAGE_SIZE - 1)) != 0)
		npages++;
	if ((start & (VM_PAGE_SIZE - 1)) != 0)
		error = EINVAL;
	else
		error = vm_sync_unrun(vm_atop(start), npages);
	if (error != 0)
		return (vm_badfree(error, start, size,
		    __builtin_return_address(0)));
	count(VM_COUNT_RUN_FREE);
	return (0);
}

int
vm_pglist_reserve(paddr_t start, psize_t size, vm_owner_t owner)
{
	vm_frame_t first = vm_atop(start), end;

	if (((start | size) & (VM_PAGE_SIZE - 1)) != 0 || size == 0 ||
	    size > (psize_t)1 << VM_PADDR_BITS)
		return (EINVAL);
	end = first + vm_atop(size);
	if (!vm_physseg_managed(first, end))
		return (EINVAL);
	return (vm_sync_claim(first, end, owner));
}
