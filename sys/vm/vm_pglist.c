/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Runs of pages under constraints.
 *
 * Waiting.  Those who wait stand in a line, first come first served.  A
 * request that may wait goes to the end of the line if there is one.  When
 * memory returns to the map, whoever wakes first tries for all of them, in
 * their order.  One that cannot be served yet is passed over, since a request
 * for low memory that nobody frees must not hold up those that could be
 * served elsewhere; but one that saw memory of its own window go to others
 * behind it WAIT_PATIENCE times blocks those whose windows overlap its own, so
 * that small requests do not starve a large one for ever.  Memory outside of
 * its window is none of its business: it does not even lose patience.
 *
 * They block in turns, one at a time, and after each turn nobody does for as
 * long, since what nobody will ever free must not stop all others, however
 * many wait for it: with 8 such, 100 requests for a page anywhere took 5.7 s
 * when each blocked as it liked, and 10 ms now.  A sleeper's first turn takes
 * WAIT_BLOCK_NSEC, and each of its next ones twice as long, so that the memory
 * that others keep for seconds is back within one of them; but none takes more
 * than WAIT_LONGEST_NSEC.  (With turns of 100 ms alone, a run of 8 MiB was not
 * had in 110 s from 60 threads that kept 256 KiB for a second each; with these
 * it takes 2.5 s.)  Who has not had one for longest, or never since it came,
 * goes first: those who come and go must not starve one that stays.
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
#define	WAIT_BLOCK_NSEC	100000000	/* blocking first: 100 ms */
#define	WAIT_LONGEST_NSEC	10000000000ULL	/* and at most: 10 s */
#define	WAIT_LOOK_NSEC	10000000	/* at least every 10 ms */

struct sleeper {
	struct sleeper	*sl_next;
	const struct vm_pgreq *sl_req;
	struct vm_pgseg	*sl_segs;
	unsigned	*sl_rsegs;
	unsigned	sl_passed;
	uint64_t	sl_turn;	/* its last turn took so long; 0 */
	uint64_t	sl_since;	/* that began, or it came */
	_Atomic bool	sl_served;
};

/* The line; its lock is taken before the map's. */
static struct sleeper *line_head;
static struct vm_md_lock line_lock;

/* Whose turn it is, or NULL, and when the next one may begin. */
static struct sleeper *line_turn;
static uint64_t line_rest_end;

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

static bool
windows_overlap(const struct vm_pgreq *a, const struct vm_pgreq *b)
{

	return (a->vpr_low < b->vpr_high && b->vpr_low < a->vpr_high &&
	    (a->vpr_lists & b->vpr_lists) != 0);
}

/* Of those who lost patience, the one whose turn is next.  Lock held. */
static struct sleeper *
line_impatient(void)
{
	struct sleeper *sl, *next = NULL;

	for (sl = line_head; sl != NULL; sl = sl->sl_next)
		if (sl->sl_passed >= WAIT_PATIENCE &&
		    (next == NULL || sl->sl_since < next->sl_since))
			next = sl;
	return (next);
}

static uint64_t
next_turn(uint64_t last)
{

	if (last == 0)
		return (WAIT_BLOCK_NSEC);
	return (last < WAIT_LONGEST_NSEC / 2 ? 2 * last : WAIT_LONGEST_NSEC);
}

/* Who blocks those behind it now; NULL: nobody.  Lock held. */
static struct sleeper *
line_blocker(void)
{
	struct sleeper *next = line_impatient();
	uint64_t now;

	if (line_turn == NULL && next == NULL)
		return (NULL);
	now = vm_md_nanotime();
	if (line_turn != NULL && now - line_turn->sl_since < line_turn->sl_turn)
		return (line_turn);
	line_turn = NULL;
	if (next == NULL || now < line_rest_end)
		return (NULL);
	next->sl_turn = next_turn(next->sl_turn);
	next->sl_passed = 0;
	next->sl_since = now;
	line_rest_end = now + 2 * next->sl_turn;
	line_turn = next;
	return (next);
}

/* Does any of the segments hold a frame that the request may use? */
static bool
segs_within(const struct vm_pgreq *req, const struct vm_pgseg *segs,
    unsigned nsegs)
{
	struct vm_pgwindow win[VM_NFREELIST];
	unsigned nwin = vm_pgreq_windows(req, win);
	unsigned i, w;

	for (i = 0; i < nsegs; i++)
		for (w = 0; w < nwin; w++)
			if (vm_atop(segs[i].vps_start) < win[w].pw_high &&
			    win[w].pw_low < vm_atop(segs[i].vps_start +
			    segs[i].vps_size))
				return (true);
	return (false);
}

/* Those before this one were passed over if they miss what it got.  Locked. */
static void
line_passed(const struct sleeper *me)
{
	struct sleeper *sl;

	for (sl = line_head; sl != me; sl = sl->sl_next)
		if (segs_within(sl->sl_req, me->sl_segs, *me->sl_rsegs))
			sl->sl_passed++;
}

/* One leaves; if it blocked, nobody does for as long. */
static void
line_remove(struct sleeper **slp)
{
	uint64_t now, since;

	if (line_turn == *slp) {
		now = vm_md_nanotime();
		since = now - line_turn->sl_since;
		if (since < line_turn->sl_turn)
			line_rest_end = now + since;
		line_turn = NULL;
	}
	*slp = (*slp)->sl_next;
}

/*
 * Serve whom the memory that there is can serve.  Line's lock held.  The map
 * is locked for all of it: memory that came after one was tried in vain must
 * not go to the next.
 */
static void
line_serve(void)
{
	struct sleeper **slp = &line_head, *sl, *blocker = line_blocker();
	vm_md_intr_t s = vm_sync_lock();
	const struct vm_pgreq *barred = NULL;
	bool any = false;

	while ((sl = *slp) != NULL) {
		if ((barred != NULL && windows_overlap(barred, sl->sl_req)) ||
		    vm_sync_run_locked(sl->sl_req, sl->sl_segs,
		    sl->sl_rsegs) != 0) {
			if (sl == blocker)
				barred = sl->sl_req;
			slp = &sl->sl_next;
			continue;
		}
		line_passed(sl);
		line_remove(slp);
		/* It leaves no earlier than we drop the lock: line_quit(). */
		atomic_store(&sl->sl_served, true);
		any = true;
	}
	vm_sync_unlock(s);
	if (any) {
		atomic_fetch_add(&vm_sync_freed, 1);
		vm_md_wake(&vm_sync_freed);
	}
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

static uint64_t
wait_deadline(uint64_t timeout)
{
	uint64_t deadline = vm_md_nanotime() + timeout;

	return (timeout == 0 || deadline < timeout ? 0 : deadline);
}

/* Sleep once.  => 0, or why to give up. */
static int
wait_once(uint32_t seen, uint64_t deadline)
{
	uint64_t span = wait_span(deadline);

	if (span == 0)
		return (EWOULDBLOCK);
	return (vm_md_wait(&vm_sync_freed, seen, span) == EINTR ? EINTR : 0);
}

static void
line_join(struct sleeper *me)
{
	vm_md_intr_t s = line_enter();
	struct sleeper **slp = &line_head;

	atomic_fetch_add(&vm_sync_sleepers, 1);
	atomic_fetch_add(&vm_sync_epoch, 1);
	while (*slp != NULL)
		slp = &(*slp)->sl_next;
	me->sl_since = vm_md_nanotime();
	*slp = me;
	line_leave(s);
}

/*
 * Leave the line.  One last try is made for all: memory that came at the last
 * moment is not refused.  Whoever stood behind may go now.
 */
static void
line_quit(struct sleeper *me)
{
	vm_md_intr_t s = line_enter();
	struct sleeper **slp = &line_head;

	line_serve();
	while (*slp != NULL && *slp != me)
		slp = &(*slp)->sl_next;
	if (*slp == me) {
		line_remove(slp);
		line_serve();
	}
	atomic_fetch_sub(&vm_sync_sleepers, 1);
	line_leave(s);
}

static int
wait_for_run(const struct vm_pgreq *req, struct vm_pgseg *segs,
    unsigned *rsegs)
{
	struct sleeper me = {
		.sl_req = req, .sl_segs = segs, .sl_rsegs = rsegs
	};
	uint64_t deadline = wait_deadline(req->vpr_timeout);
	uint32_t seen;
	vm_md_intr_t s;
	int error = 0;

	line_join(&me);
	while (error == 0) {
		seen = atomic_load(&vm_sync_freed);
		s = line_enter();
		if (!atomic_load(&me.sl_served))
			line_serve();
		line_leave(s);
		if (atomic_load(&me.sl_served))
			break;
		error = wait_once(seen, deadline);
	}
	line_quit(&me);
	return (atomic_load(&me.sl_served) ? 0 : error);
}

/* Does anybody stand in line already? */
static bool
line_forms(void)
{

	return (atomic_load(&vm_sync_sleepers) != 0);
}

/* A request for zeros, of memory that the kernel can reach. */
static int
reachable(const struct vm_pgreq *req, struct vm_pgreq *clipped)
{

	*clipped = *req;
	if (clipped->vpr_high > vm_md_physend())
		clipped->vpr_high = vm_md_physend();
	return (clipped->vpr_low < clipped->vpr_high ? 0 : ENOMEM);
}

static int
alloc_or_wait(const struct vm_pgreq *req, struct vm_pgseg *segs,
    unsigned *rsegs)
{
	bool may_wait = (req->vpr_flags & VM_PG_WAIT) != 0;
	int error;

	if (may_wait && line_forms())
		return (wait_for_run(req, segs, rsegs));
	error = vm_sync_run(req, segs, rsegs);
	if (error != 0 && may_wait)
		error = wait_for_run(req, segs, rsegs);
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

static int
alloc_zeroed(const struct vm_pgreq *req, struct vm_pgseg *segs,
    unsigned *rsegs)
{
	struct vm_pgreq clipped;
	int error;

	error = reachable(req, &clipped);
	if (error == 0)
		error = alloc_or_wait(&clipped, segs, rsegs);
	if (error == 0 && !segs_zero(segs, *rsegs)) {
		segs_free(segs, *rsegs);
		error = ENOMEM;
	}
	return (error);
}

int
vm_pglist_alloc(const struct vm_pgreq *req, struct vm_pgseg *segs,
    unsigned *rsegs)
{
	int error;

	*rsegs = 0;
	error = vm_pgreq_check(req, NULL);
	if (error == 0) {
		if ((req->vpr_flags & (VM_PG_ZERO | VM_PG_WAIT)) == 0)
			error = vm_sync_run(req, segs, rsegs);
		else if ((req->vpr_flags & VM_PG_ZERO) == 0)
			error = alloc_or_wait(req, segs, rsegs);
		else
			error = alloc_zeroed(req, segs, rsegs);
	}
	if (error != 0)
		*rsegs = 0;
	count(result_counter(error));
	return (error);
}

/* Bytes to frames, rounded up. */
static uint64_t
size_frames(psize_t size)
{

	return (vm_atop(size) + ((size & (VM_PAGE_SIZE - 1)) != 0 ? 1 : 0));
}

int
vm_pglist_free(paddr_t start, psize_t size)
{
	uint64_t npages = size_frames(size);
	int error;

	if ((start & (VM_PAGE_SIZE - 1)) != 0)
		error = EINVAL;
	else
		error = vm_sync_unrun(vm_atop(start), npages);
	if (error != 0)
		return (vm_badfree(error, start, size,
		    __builtin_return_address(0),
		    vm_badfree_page_why(error, start)));
	count(VM_COUNT_RUN_FREE);
	return (0);
}

int
vm_pglist_trim(paddr_t start, paddr_t newstart, psize_t newsize)
{
	const char *why;
	int error;

	if ((start & (VM_PAGE_SIZE - 1)) != 0)
		error = EINVAL;
	else if ((newstart & (VM_PAGE_SIZE - 1)) != 0 || newsize == 0)
		error = ERANGE;
	else
		error = vm_sync_trim(vm_atop(start), vm_atop(newstart),
		    size_frames(newsize));
	if (error == 0)
		return (0);
	why = vm_badfree_page_why(error, start);
	if (error == ERANGE) {
		why = "what is to be kept is no part of it";
		error = EINVAL;
	}
	return (vm_badfree(error, start, newsize, __builtin_return_address(0),
	    why));
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

bool
vm_pglist_walk(paddr_t from, paddr_t high, struct vm_pgextent *px)
{
	vm_frame_t limit = high == VM_PADDR_MAX ? VM_FRAME_END :
	    vm_atop(high) + ((high & (VM_PAGE_SIZE - 1)) != 0);
	struct vm_extent ext;

	if (limit > VM_FRAME_END)
		limit = VM_FRAME_END;
	if (vm_atop(from) >= limit ||
	    !vm_sync_walk(vm_atop(from), limit, &ext, &px->vpx_owner))
		return (false);
	px->vpx_start = vm_ptoa(ext.e_start);
	px->vpx_size = vm_ptoa(ext.e_end - ext.e_start);
	px->vpx_state = ext.e_state;
	return (true);
}
