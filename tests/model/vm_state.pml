/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The state protocol of sys/vm: vm_page.c, vm_sync.c, vm_pageq.h, and those
 * functions of vm_extmap.c that change states.
 *
 * 1. What is modelled.  CPUs, each with a queue, that for ever do anything at
 * all: allocate a page, free any frame as a page or as a run (rightly, twice,
 * in the middle, of the wrong size, long after it has a new owner), allocate
 * a run of two, anywhere or from an even frame, trim one, give the queue back,
 * take one frame back from all queues, audit.  Queues are short and words have
 * two frames, so that each of the rare cases (a full queue, a run over the end
 * of a word, the last frame of a word) is common.  Histories are not bounded:
 * every state that can be reached is visited.  With everything on all CPUs
 * there are too many; PAGES_PAGES and so on choose who does what, and HONEST
 * leaves wrong frees out.
 *
 * 2. Steps.  A step is one access to what other CPUs may change at the same
 * time: a compare-and-swap on a word, an entry, the head of a queue, its
 * counters.  What is guarded by the map's lock needs no step of its own, and
 * taking the lock belongs to the access after, dropping it to the one before:
 * that leaves out no order of events that differs from those that remain.
 * The numbers of entries before the tail and from the head on, which keep
 * their values in memory, may be any.  The model is sequentially consistent;
 * that the stores of a free are seen in their order, which the code asks for,
 * is assumed.
 *
 * 3. Remembered looks.  Only differences of counters are compared, so the
 * model has the differences: what each CPU has pushed since its queue was
 * probed, and whether it worked since it was looked at.  Of a CPU that a look
 * passed over, the code counts from an earlier look, and so takes more entries
 * for new than the model does: the model has less to go by.
 *
 * 4. What is left out.  Free lists, the search itself (here: a look at all
 * places), summaries, and which of several free frames a refill takes.
 * Virgin blocks: all their frames are free or absent, so no frame of one is on
 * a queue or somebody's; the bit is cleared under the lock, behind the words;
 * and who frees a page without the lock looks at the bit before the word, and
 * goes the long way.  So what is read of them there is a state as good as any.
 *
 * 5. What is checked.  own[] is the truth, from the callers' point of view:
 * o no frame gets a second owner;
 * o of several frees of one allocation, one succeeds; a right one never
 *   fails, a wrong one never succeeds;
 * o a request fails only if there was a moment, while it was served, when no
 *   run of unowned frames was there that would have done: so also with one
 *   CPU, exactly if there is none.  (With two CPUs at the most.  With more,
 *   frames may wander from a queue that is not yet looked at to one that was;
 *   then it holds for requests that nobody disturbs.)
 * o each held frame is on a queue, or just being pushed, at any moment when
 *   the lock is free;
 * o whenever all CPUs rest: the states are as own[] says, each held frame is
 *   on a queue, and the count of free frames is right.  Stale entries, of
 *   which there are many, never matter.
 *
 * 6. Mutations.  Each of these names, if defined, breaks the protocol in one
 * place, and there has to be an error:
 *
 * POP_STORE		a pop makes its entry's frame a head unseen
 * PUSH_STORE		a free verifies the state, then stores the new one
 * PUSH_NO_TAIL		a free does not look at the next frame
 * PUSH_WORD_END	the last frame of a word is freed without the lock
 * PUSH_LATE_ENTRY	a free changes the state, then stores the entry
 * PUSH_WORK_FIRST	a free counts its work, then pushes
 * UNPAGE_NO_TAIL	a free under the lock does not look at the next frame
 * UNPAGE_NO_LOCK	... or has no lock
 * REFILL_UNLOCK	a refill unlocks before its entries are counted
 * REFILL_NO_LOCK	a refill does not lock
 * SPILL_STORE		a spill makes its entries' frames free unseen
 * SPILL_EARLY		a spill removes an entry, then locks and frees the frame
 * TAKE_STORE		taking back makes frames free unseen
 * TAKE_TRUST		a run is allocated though a frame of it was not taken
 * TAKE_TWICE		a CPU is known to be idle, whatever it does
 * TAKE_COUNTED		taking back looks at the counted entries only
 * FORGET_OTHER		taking back empties the queues of others
 * DRAIN_UNLOCK		the last page is taken in a second breath
 * RUN_NO_LOCK		a run is searched and allocated without the lock
 * UNRUN_STORE		a run is freed without verifying its head again
 * TRIM_CUT		what a trim frees is a run of its own before
 * LOOK_KEEP		a look is remembered, whatever becomes available
 * LOOK_ANY		a look is remembered for any request
 * LOOK_NO_SLACK	an entry that is not counted yet is not expected
 * LOOK_NO_PAST		the entry past those counted is not known to be new
 * LOOK_COUNT_LATE	what was pushed is read behind the look
 * UNRUN_NO_GEN		a look outlives a run that is freed
 * TRIM_NO_GEN		... frames that are trimmed off
 * SPILL_NO_GEN		... entries that are spilled unseen
 *
 * That taking back frames of a few addresses ends a look, too, makes no
 * difference with so few frames: the entry of the frame is still there, new,
 * and tells of the run around it, until it is popped.
 */

#ifndef NCPU
#define	NCPU	2
#endif
#ifndef NFRAME
#define	NFRAME	3
#endif

/*
 * Only of a queue of three entries or more does a remembered look leave any
 * out; one such is enough.
 */
#if defined(LOOKS) || defined(LOOKS_KINDS) || defined(LOOKS_TRIMS) ||	\
    defined(LOOKS_BACK)
#define	HONEST
#define	QSIZE0	1
#define	QSIZE	3
#endif

/* Entries of the queues: of the first CPU, of the others, and the most. */
#ifndef QSIZE
#define	QSIZE	2
#endif
#ifndef QSIZE0
#define	QSIZE0	QSIZE
#endif
#if QSIZE0 > QSIZE
#define	QMAX	QSIZE0
#else
#define	QMAX	QSIZE
#endif
#define	SIZE(cpu)	((cpu) == 0 -> QSIZE0 : QSIZE)
#define	BATCH	1		/* that a spill moves */
#define	REFILL	SIZE(_pid)	/* that a refill moves */
#define	PASSES	2		/* over the queues */

/* What the first CPU does, and what the others do. */
#define	PAGE_ALLOC	1
#define	PAGE_FREE	2
#define	RUN_ALLOC	4
#define	RUN_FREE	8
#define	TRIM		16
#define	FLUSH		32
#define	AUDIT		64
#define	ALIGNED_ALLOC	128
#define	BACK		256
#define	ALL		511

#define	PAGES		(PAGE_ALLOC | PAGE_FREE | FLUSH)
#if defined(LOOKS)
#define	OPS0		(ALIGNED_ALLOC | PAGE_FREE | FLUSH)
#define	OPS1		(PAGE_ALLOC | PAGE_FREE)
#elif defined(LOOKS_KINDS)
#define	OPS0		(ALIGNED_ALLOC | RUN_ALLOC | PAGE_FREE)
#define	OPS1		(PAGE_ALLOC | PAGE_FREE)
#elif defined(LOOKS_TRIMS)
#define	OPS0		(ALIGNED_ALLOC | RUN_ALLOC | TRIM | PAGE_FREE)
#define	OPS1		(PAGE_ALLOC | PAGE_FREE)
#elif defined(LOOKS_BACK)
#define	OPS0		(ALIGNED_ALLOC | PAGE_FREE | BACK)
#define	OPS1		(PAGE_ALLOC | PAGE_FREE)
#elif defined(PAGES_PAGES)
#define	OPS0		(PAGES | AUDIT)
#define	OPS1		PAGES
#elif defined(RUNS_PAGES)
#define	OPS0		(RUN_ALLOC | RUN_FREE | TRIM | AUDIT)
#define	OPS1		PAGES
#elif defined(ALL_PAGES)
#define	OPS0		(ALL - FLUSH - ALIGNED_ALLOC - BACK)
#define	OPS1		PAGES
#elif defined(RUNS_RUNS)
#define	OPS0		(PAGE_ALLOC | PAGE_FREE | RUN_ALLOC | RUN_FREE)
#define	OPS1		OPS0
#else
#define	OPS0		ALL
#define	OPS1		ALL
#endif
#define	MAY(op)		(((_pid == 0 -> OPS0 : OPS1) & (op)) != 0)

#define	FREE	0
#define	HELD	1
#define	TAIL	2
#define	HEAD	3

/* An entry beyond the count: may be any frame. */
#define	JUNK	NFRAME

/* Frames 2w and 2w + 1 lie in word w. */
#define	WORD_LAST(f)	((f) & 1)

/*
 * The state.
 */
byte state[NFRAME];
byte nfree = NFRAME;
byte head[NCPU];
byte tail[NCPU];		/* less than the size of the queue */
byte entry[NCPU * QMAX] = JUNK;
bit worked[NCPU];		/* since the CPU was last looked at: cs_work */
bit idle[NCPU];			/* nothing was left then: cs_empty */
bit locked;

#define	COUNT(cpu)	(head[cpu] - tail[cpu])
#define	ENTRY(cpu, pos)	entry[(cpu) * QMAX + (pos) % SIZE(cpu)]

/* How many entries others look at: vm_pageq_entries(). */
#ifdef TAKE_COUNTED
#define	ENTRIES(cpu)	COUNT(cpu)
#else
#define	ENTRIES(cpu)	(COUNT(cpu) < SIZE(cpu) -> COUNT(cpu) + 1 : SIZE(cpu))
#endif

/*
 * The last look that found nothing, and what each CPU has pushed since its
 * queue was probed.  A change of avail_gen is the end of the look.  What was
 * pushed matters only while there is a look to be remembered, or one is under
 * way, and only up to a queue's length.
 */
#define	LOOSE	2		/* a run of two, */
#define	ALIGNED	3		/* from an even frame */

byte look;			/* LOOSE, ALIGNED or 0 */
bit looking;
byte fresh[NCPU];
byte since;			/* pushed since that was read, by ... */
byte probed;			/* ... this CPU - 1 */

#define	MORE(n)	((n) < QMAX -> (n) + 1 : QMAX)

/* A CPU counts an entry that it pushed. */
inline pushed()
{
	if
	:: look != 0 || looking -> fresh[_pid] = MORE(fresh[_pid])
	:: else
	fi;
	if
	:: probed == _pid + 1 -> since = MORE(since)
	:: else
	fi
}

inline look_forget()
{
	look = 0;
	if
	:: !looking ->
		for (k : 0 .. NCPU - 1) {
			fresh[k] = 0
		}
	:: else
	fi
}

/* avail_gen changes, because of this or that. */
#ifdef LOOK_KEEP
#define	gen_changes()	skip
#else
#define	gen_changes()	look_forget()
#endif
#ifdef UNRUN_NO_GEN
#define	gen_unrun()	skip
#else
#define	gen_unrun()	gen_changes()
#endif
#ifdef TRIM_NO_GEN
#define	gen_trim()	skip
#else
#define	gen_trim()	gen_changes()
#endif
#ifdef SPILL_NO_GEN
#define	gen_spill()	skip
#else
#define	gen_spill()	gen_changes()
#endif

/* entries_new(), and what cpu_complete() makes of it. */
#ifdef LOOK_NO_SLACK
#define	ENTRIES_NEW(cpu)	fresh[cpu]
#else
#define	ENTRIES_NEW(cpu)	(fresh[cpu] + 1)
#endif
#ifdef LOOK_NO_PAST
#define	ENTRIES_PROBED(cpu)	ENTRIES_NEW(cpu)
#else
#define	ENTRIES_PROBED(cpu)	(ENTRIES_NEW(cpu) + 1)
#endif

/* search_covers(). */
#ifdef LOOK_ANY
#define	COVERS(a, b)	1
#else
#define	COVERS(a, b)	((a) <= (b))
#endif

/*
 * The truth.
 */
#define	NOBODY		0
#define	OWNED		1
#define	OWNED_TAIL	2
#define	LEAVING		4	/* + cpu: its free has not returned yet */

byte own[NFRAME];
byte busy;			/* CPUs that do not rest */
bit calm[NCPU];			/* nobody else works since it began */
byte always[NCPU];		/* a page or such a run was always there */
byte expect[NCPU];		/* a free of this frame - 1 has to succeed */
hidden byte k;

#define	UNOWNED(f)	(own[f] == NOBODY)
#if NFRAME == 3
#define	A_PAGE	(UNOWNED(0) || UNOWNED(1) || UNOWNED(2))
#define	A_RUN	(UNOWNED(1) && (UNOWNED(0) || UNOWNED(2)))
#define	A_PAIR	(UNOWNED(0) && UNOWNED(1))
#else
#define	A_PAGE	(UNOWNED(0) || UNOWNED(1) || UNOWNED(2) || UNOWNED(3))
#define	A_RUN	((UNOWNED(1) && (UNOWNED(0) || UNOWNED(2))) ||		\
		(UNOWNED(2) && UNOWNED(3)))
#define	A_PAIR	((UNOWNED(0) && UNOWNED(1)) || (UNOWNED(2) && UNOWNED(3)))
#endif

/* When a failure without a cause is an error. */
#if NCPU > 2
#define	PROMISED	calm[_pid]
#else
#define	PROMISED	1
#endif

/* A CPU begins to serve a request: 1, LOOSE or ALIGNED; or 0: none. */
inline work_begin(size)
{
	for (k : 0 .. NCPU - 1) {
		calm[k] = 0
	}
	calm[_pid] = (size != 0 && busy == 0);
	busy++;
	if
	:: size == 1 && A_PAGE && PROMISED -> always[_pid] = 1
	:: size == LOOSE && A_RUN && PROMISED -> always[_pid] = LOOSE
	:: size == ALIGNED && A_PAIR && PROMISED -> always[_pid] = ALIGNED
	:: else
	fi
}

/* Nothing was there at some moment, or too much happens meanwhile. */
#define	MAY_FAIL	(always[_pid] == 0 || !PROMISED)

/* Frames [f, f + n) get an owner. */
inline owner_set(f, n)
{
	assert(own[f] == NOBODY || own[f] >= LEAVING);
	own[f] = OWNED;
	if
	:: n == 2 ->
		assert(own[f + 1] == NOBODY || own[f + 1] >= LEAVING);
		own[f + 1] = OWNED_TAIL
	:: else
	fi;
	for (k : 0 .. NCPU - 1) {
		if
		:: always[k] == 1 && !A_PAGE -> always[k] = 0
		:: always[k] == LOOSE && !A_RUN -> always[k] = 0
		:: always[k] == ALIGNED && !A_PAIR -> always[k] = 0
		:: else
		fi
	}
}

/* Nobody may expect to free f with the size it had before. */
inline expect_clear(f)
{
	for (k : 0 .. NCPU - 1) {
		if
		:: expect[k] == f + 1 -> expect[k] = 0
		:: else
		fi
	}
}

#define	OWN_LENGTH(f)	\
	(((f) + 1 < NFRAME && own[(f) + 1] == OWNED_TAIL) -> 2 : 1)

/* Frames [f, f + n) lose their owner: one free of them has succeeded. */
inline owner_clear(f, n)
{
	assert(own[f] == OWNED && OWN_LENGTH(f) == n);
	own[f] = LEAVING + _pid;
	if
	:: n == 2 -> own[f + 1] = LEAVING + _pid
	:: else
	fi;
	expect_clear(f)
}

/* A free of n frames (0: any number) begins; n is right or wrong. */
inline free_begin(f, n)
{
	work_begin(0);
	if
	:: own[f] == OWNED && (n == 0 || n == OWN_LENGTH(f)) ->
		expect[_pid] = f + 1
	:: else
	fi
}

/* Which frees are tried: any, or right ones only. */
#ifdef HONEST
#define	MAY_TRY(f, n)	(own[f] == OWNED && (n) == OWN_LENGTH(f))
#else
#define	MAY_TRY(f, n)	1
#endif

hidden byte a, b, j, sum, sum1;

/* b: is a frame among the first n (counted) or n + 1 entries of a queue? */
inline on_queue(frame, counted)
{
	b = 0;
	for (j : 0 .. NCPU - 1) {
		sum1 = (counted -> COUNT(j) : ENTRIES(j));
		for (k : 1 .. sum1) {
			if
			:: ENTRY(j, tail[j] + k - 1) == frame -> b = 1
			:: else
			fi
		}
	}
}

/* vm_audit() while others work. */
inline audit_queues()
{
	for (a : 0 .. NFRAME - 1) {
		if
		:: state[a] == HELD ->
			on_queue(a, 0);
			assert(b)
		:: else
		fi
	}
}

/* vm_audit() at rest. */
inline audit()
{
	sum = 0;
	for (a : 0 .. NFRAME - 1) {
		if
		:: state[a] == FREE ->
			sum++;
			assert(own[a] == NOBODY)
		:: state[a] == HELD ->
			on_queue(a, 1);
			assert(own[a] == NOBODY && b)
		:: state[a] == HEAD ->
			assert(own[a] == OWNED)
		:: state[a] == TAIL ->
			assert(own[a] == OWNED_TAIL);
			assert(a > 0);
			assert(state[a - 1] == HEAD)
		fi
	}
	assert(sum == nfree);
	assert(!locked)
}

/* What a CPU has to count when it is done. */
#define	ALLOCATED	1
#define	FREED		2

/* Back to rest.  What the CPU knew is forgotten, so that states are equal. */
inline work_end()
{
	d_step {
		for (k : 0 .. NFRAME - 1) {
			if
			:: own[k] == LEAVING + _pid -> own[k] = NOBODY
			:: else
			fi
		}
		/* The counters of a CPU are the last that it changes. */
		if
		:: counts != 0 -> worked[_pid] = 1
		:: else
		fi;
		if
		:: counts == FREED -> pushed()
		:: else
		fi;
		calm[_pid] = 0;
		always[_pid] = 0;
		expect[_pid] = 0;
		f = 0; n = 0; i = 0; c = 0; top = 0; pass = 0; want = 0;
		counts = 0; found = 0; changed = 0; push = 0; known = 0;
		busy--;
		if
		:: busy == 0 -> audit()
		:: else
		fi
	}
}

/*
 * Parts of steps.
 */

inline lock()
{
	!locked -> locked = 1
}

inline unlock()
{
	assert(locked);
	locked = 0
}

#ifdef RUN_NO_LOCK
#define	run_lock()	skip
#define	run_unlock()	skip
#else
#define	run_lock()	lock()
#define	run_unlock()	unlock()
#endif

/* vm_sync_own() of the last entry of this CPU's queue. */
inline pop_entry()
{
	assert(COUNT(_pid) > 0);	/* only its owner changes it */
	f = ENTRY(_pid, head[_pid] - 1);
#ifdef POP_STORE
	found = 1;
#else
	found = (state[f] == HELD);
#endif
	if
	:: found ->
		state[f] = HEAD;
		owner_set(f, 1)
	:: else
	fi;
	f = 0
}

/* Is the frame behind f the tail of a run of f? */
inline tail_behind()
{
	if
	:: f + 1 < NFRAME -> b = (state[f + 1] == TAIL)
	:: else -> b = 0
	fi
}

/* vm_sync_disown(). */
inline disown()
{
#ifdef PUSH_STORE
	found = 1;
#else
	found = (state[f] == HEAD);
#endif
#ifndef PUSH_NO_TAIL
	if
	:: !WORD_LAST(f) ->
		tail_behind();
		found = (found && !b)
	:: else
	fi;
#endif
	if
	:: found ->
		state[f] = HELD;
		owner_clear(f, 1)
	:: else
	fi
}

/* page_to_queue(): all but what is counted behind. */
inline page_to_queue()
{
#ifdef UNPAGE_NO_TAIL
	b = 0;
#else
	tail_behind();
#endif
	found = (COUNT(_pid) < SIZE(_pid) && !b && state[f] == HEAD);
	if
	:: found ->
		ENTRY(_pid, head[_pid]) = f;
		state[f] = HELD;
		owner_clear(f, 1);
		head[_pid] = head[_pid] + 1
	:: else
	fi
}

/* vm_extmap_hold() of one frame; its entry is not counted yet. */
inline hold(frame)
{
	if
	:: n < REFILL && state[frame] == FREE ->
		state[frame] = HELD;
		ENTRY(_pid, n) = frame;
		nfree--;
		n++
	:: else
	fi
}

/* vm_extmap_unhold() of one frame. */
inline unhold(frame, unseen)
{
	found = (state[frame] == HELD || unseen);
	if
	:: found ->
		state[frame] = FREE;
		nfree++
	:: else
	fi
}

#ifdef SPILL_STORE
#define	SPILL_UNSEEN	1
#else
#define	SPILL_UNSEEN	0
#endif
#ifdef TAKE_STORE
#define	TAKE_UNSEEN	1
#else
#define	TAKE_UNSEEN	0
#endif

/* The first entries leave a queue; indices are kept small. */
inline spill_move(moved)
{
	for (k : 1 .. moved) {
		ENTRY(_pid, tail[_pid] + k - 1) = JUNK
	}
	tail[_pid] = tail[_pid] + moved;
	if
	:: tail[_pid] >= SIZE(_pid) ->
		tail[_pid] = tail[_pid] - SIZE(_pid);
		head[_pid] = head[_pid] - SIZE(_pid)
	:: else
	fi
}

/* The entries of a refill, which are on the queue before the lock is free. */
inline refilled()
{
	head[_pid] = n;
	if
	:: n > 0 -> worked[_pid] = 1
	:: else
	fi;
	for (a : 1 .. n) {
		pushed()
	}
}

/* held_take() of one frame. */
inline take(frame)
{
	if
	:: state[frame] == FREE -> found = 1
	:: else -> unhold(frame, TAKE_UNSEEN)
	fi
}

/* The lowest free frame becomes an allocation, if there is one. */
inline take_page()
{
	found = 0;
	for (k : 0 .. NFRAME - 1) {
		if
		:: !found && state[k] == FREE ->
			state[k] = HEAD;
			nfree--;
			found = 1;
			f = k
		:: else
		fi
	}
	if
	:: found -> owner_set(f, 1)
	:: else
	fi;
	f = 0
}

/* f: the lowest free run that is wanted, or NFRAME. */
inline find_run()
{
	f = NFRAME;
	for (k : 2 .. NFRAME) {
		if
		:: state[NFRAME - k] == FREE &&
		    state[NFRAME - k + 1] == FREE &&
		    (want == LOOSE || !WORD_LAST(NFRAME - k)) ->
			f = NFRAME - k
		:: else
		fi
	}
}

/*
 * held_probe(): first n: the end of the free or held frames from f on; then,
 * as of another moment, f: the lowest run that is wanted before that end
 * and around f, or NFRAME.
 */
#define	MAYBE(f)	(state[f] == FREE || state[f] == HELD)

inline around_end()
{
	n = f;
	do
	:: n < NFRAME ->
		if
		:: MAYBE(n) -> n++
		:: else -> break
		fi
	:: else -> break
	od
}

inline around_start()
{
	do
	:: n > f && f > 0 ->
		if
		:: MAYBE(f - 1) -> f--
		:: else -> break
		fi
	:: else -> break
	od;
	if
	:: want == ALIGNED && WORD_LAST(f) -> f++
	:: else
	fi;
	f = (f + 2 <= n -> f : NFRAME);
	n = 0
}

/* n: the frames of the allocation whose head is f. */
inline length()
{
	n = 1;
	if
	:: f + 1 < NFRAME ->
		if
		:: state[f + 1] == TAIL -> n = 2
		:: else
		fi
	:: else
	fi
}

/* vm_extmap_trim(): a frame of a run becomes free. */
inline trim_free(frame)
{
	assert(own[frame] == OWNED || own[frame] == OWNED_TAIL);
	own[frame] = LEAVING + _pid;
	state[frame] = FREE;
	nfree++
}

/* f: the frame that an entry names. */
inline read_entry(cpu, i)
{
	atomic {
		f = ENTRY(cpu, tail[cpu] + i);
		if
		:: f == JUNK -> select(f : 0 .. NFRAME - 1)
		:: else
		fi
	}
}

/*
 * cpu_drain(): all entries of a CPU's queue; changed: some were still held.
 */
inline drain(cpu)
{
	top = ENTRIES(cpu);
	i = 0;
	do
	:: i < top ->
		read_entry(cpu, i);
		atomic {
			unhold(f, TAKE_UNSEEN);
			if
			:: found -> changed = 1; gen_changes()
			:: else
			fi;
			f = 0;
			i++
		}
	:: i >= top -> break
	od;
	/* cpu_forget(). */
	atomic {
		if
#ifdef FORGET_OTHER
		:: true -> head[cpu] = tail[cpu]
#else
		:: cpu == _pid ->
			for (k : 0 .. SIZE(cpu) - 1) {
				ENTRY(cpu, k) = JUNK
			}
			head[cpu] = 0;
			tail[cpu] = 0
		:: else
#endif
		fi;
		i = 0;
		top = 0;
		found = 0
	}
}

#ifdef TAKE_TWICE
#define	MAY_HAVE(cpu)	(!idle[cpu])
#else
#define	MAY_HAVE(cpu)	(!idle[cpu] || worked[cpu])
#endif

#ifdef TAKE_TWICE
#define	MAY_HAVE(cpu)	(!idle[cpu])
#else
#define	MAY_HAVE(cpu)	(!idle[cpu] || worked[cpu])
#endif

/* any_entries(), as i. */
inline any_entries()
{
	i = 0;
	for (k : 0 .. NCPU - 1) {
		if
		:: MAY_HAVE(k) -> i = 1
		:: else
		fi
	}
}

active [NCPU] proctype cpu()
{
	byte f, n, i, c, top, pass, want, counts;
	bit found, changed, push, known;

rest:
	if
	:: atomic { MAY(PAGE_ALLOC) -> work_begin(1) }; goto page_alloc
	:: atomic { MAY(RUN_ALLOC) -> want = LOOSE; work_begin(want) };
	   goto run_alloc
	:: atomic { MAY(ALIGNED_ALLOC) -> want = ALIGNED; work_begin(want) };
	   goto run_alloc
	:: atomic {
		MAY(PAGE_FREE) ->
		select(f : 0 .. NFRAME - 1);
		if
		:: MAY_TRY(f, 1) -> free_begin(f, 1)
		:: else -> f = 0; n = 0; goto rest
		fi
	   }; goto page_free
	:: atomic {
		MAY(RUN_FREE) ->
		select(f : 0 .. NFRAME - 1);
		select(n : 0 .. 2);
		if
		:: MAY_TRY(f, n) -> free_begin(f, n)
		:: else -> f = 0; n = 0; goto rest
		fi
	   }; goto unrun
	:: atomic {
		MAY(TRIM) ->
		select(f : 0 .. NFRAME - 2);
		if
		:: MAY_TRY(f, 2) -> work_begin(0)
		:: else -> f = 0; n = 0; goto rest
		fi
	   }; goto trim
	:: atomic {
		MAY(FLUSH) && COUNT(_pid) > 0 ->
		work_begin(0);
		n = COUNT(_pid)
	   }; goto spill
	:: atomic {
		MAY(BACK) ->
		select(n : 0 .. NFRAME - 1);
		work_begin(0)
	   }; goto back
	:: atomic { MAY(AUDIT) && !locked -> audit_queues() }; goto rest
	fi;

	/*
	 * vm_page_alloc(): from the queue, a refill, the map, all queues.
	 * pass: the queue was refilled.
	 */
page_alloc:
	do
	:: atomic { COUNT(_pid) > 0 -> pop_entry() };
	   atomic {
		assert(COUNT(_pid) > 0);
		head[_pid] = head[_pid] - 1;
		ENTRY(_pid, head[_pid]) = JUNK;
		if
		:: found -> counts = ALLOCATED; goto done
		:: else
		fi
	   }
	:: atomic {
		COUNT(_pid) == 0 ->
		if
		:: pass || nfree == 0 -> goto page_take
		:: else -> break
		fi
	   }
	od;

	/* queue_refill(): word by word. */
	atomic {
#ifndef REFILL_NO_LOCK
		lock();
#endif
		head[_pid] = 0;
		tail[_pid] = 0;
		n = 0;
		hold(0);
		hold(1)
	};
	atomic {
		hold(2);
#if NFRAME > 3
		hold(3);
#endif
#ifndef REFILL_UNLOCK
		refilled();
		n = 0;
#endif
#ifndef REFILL_NO_LOCK
		unlock();
#endif
		pass = 1
	};
#ifdef REFILL_UNLOCK
	atomic { refilled(); n = 0 };
#endif
	goto page_alloc;

	/* list_take(). */
page_take:
	atomic {
		!locked ->
		take_page();
		pass = 0;
		if
		:: found -> counts = ALLOCATED; goto done
		:: else
		fi
	};

	/* drained_take(), vm_sync_drain(). */
	atomic { lock(); c = 0 };
	do
	:: pass < PASSES && c < NCPU ->
		atomic {
			if
			:: MAY_HAVE(c) -> worked[c] = 0; idle[c] = 1
			:: else -> goto drain_next
			fi
		};
		drain(c);
drain_next:
		c++
	:: pass < PASSES && c == NCPU ->
		atomic {
			pass = (changed -> pass + 1 : PASSES);
			changed = 0;
			c = 0
		}
	:: pass >= PASSES -> break
	od;
#ifdef DRAIN_UNLOCK
	unlock();
	atomic { lock() };
#endif
	atomic {
		take_page();
		unlock();
		counts = (found -> ALLOCATED : 0);
		assert(found || MAY_FAIL)
	};
	goto done;

	/*
	 * vm_sync_drain() of frame n alone: one pass.
	 */
back:
	atomic { lock(); c = 0 };
	do
	:: c < NCPU && MAY_HAVE(c) ->
		top = ENTRIES(c);
		do
		:: i < top ->
			read_entry(c, i);
			atomic {
				if
				:: f == n ->
					unhold(f, TAKE_UNSEEN);
					if
					:: found -> gen_changes()
					:: else
					fi
				:: else
				fi;
				f = 0;
				i++
			}
		:: i >= top -> break
		od;
		atomic { i = 0; top = 0; c++ }
	:: c < NCPU && !MAY_HAVE(c) -> c++
	:: c == NCPU -> break
	od;
	unlock();
	goto done;

	/*
	 * vm_sync_run().
	 */
run_alloc:
	atomic {
		run_lock();
		find_run();
		if
		:: f < NFRAME -> goto run_found
		:: else
		fi
	};
	atomic {
		any_entries();
		if
		:: i == 0 -> assert(MAY_FAIL); run_unlock(); goto done
		:: else -> i = 0
		fi
	};
run_search:
	if
	:: f < NFRAME -> goto run_found
	:: f == NFRAME && pass == PASSES ->
		/* What happens if others never rest. */
		atomic {
			assert(!calm[_pid] || always[_pid] == 0);
			run_unlock()
		};
		goto done
	:: f == NFRAME && pass < PASSES -> pass++
	fi;
	/* held_complete(). */
	atomic {
		known = (look != 0 && COVERS(look, want));
		if
		:: !known -> look_forget()
		:: else
		fi;
#ifndef LOOK_KEEP
		look = 0;
#endif
		looking = 1
	};
	do
	:: c == NCPU -> break
	:: c < NCPU ->
		atomic {
			if
			:: !MAY_HAVE(c) -> goto run_next
			:: else
			fi;
			idle[c] = !worked[c];
			worked[c] = 0
		};
		if
		:: idle[c] -> drain(c); goto run_next
		:: else
		fi;
		/* cpu_complete(). */
		atomic { probed = c + 1; since = 0 };
		top = ENTRIES(c);
		atomic {
			i = ((known && ENTRIES_PROBED(c) < top) ->
			    top - ENTRIES_PROBED(c) : 0);
			fresh[c] = since;
			probed = 0;
			since = 0
		};
		/* queue_complete(). */
		do
		:: i < top ->
			read_entry(c, i);
			atomic { around_end() };
			atomic { around_start() };
			if
			:: f < NFRAME ->
				atomic {
					i = 0; top = 0; c = 0;
					known = 0;
					looking = 0;
					look_forget();
					take(f)
				};
				if
				:: found -> atomic { take(f + 1) }
				:: else
				fi;
#ifdef TAKE_TRUST
				found = 1;
#endif
				if
				:: found -> goto run_found
				:: else
				fi;
				atomic { changed = 0; find_run() };
				goto run_search
			:: else -> i++
			fi
		:: i >= top -> break
		od;
#ifdef LOOK_COUNT_LATE
		fresh[c] = 0;
#endif
run_next:
		atomic { f = 0; i = 0; top = 0; c++ }
	od;
	atomic {
		looking = 0;
		known = 0;
		c = 0;
		if
		:: changed ->
			look_forget();
			changed = 0;
			find_run();
			goto run_search
		:: else ->
			look = want;
			assert(MAY_FAIL);
			run_unlock();
			goto done
		fi
	};

	/* vm_extmap_alloc(): later words first. */
run_found:
	if
	:: WORD_LAST(f) -> state[f + 1] = TAIL
	:: else
	fi;
	atomic {
		state[f] = HEAD;
		state[f + 1] = TAIL;
		nfree = nfree - 2;
		owner_set(f, 2);
		run_unlock()
	};
	goto done;

	/*
	 * vm_page_free().
	 */
page_free:
	if
	/* The word changes just now, or the queue's place is another. */
	:: goto page_free_slow
	:: atomic {
#ifndef PUSH_WORD_END
		!WORD_LAST(f) && COUNT(_pid) < SIZE(_pid) ->
#else
		COUNT(_pid) < SIZE(_pid) && (!WORD_LAST(f) ||
		    f + 1 >= NFRAME || state[f + 1] != TAIL) ->
#endif
#ifdef PUSH_STORE
		state[f] == HEAD ->
#endif
#ifdef PUSH_WORK_FIRST
		worked[_pid] = 1;
		pushed();
#endif
#ifndef PUSH_LATE_ENTRY
		ENTRY(_pid, head[_pid]) = f;
#endif
		skip
	   }
	fi;
	atomic {
		disown();
		if
		:: !found ->
			ENTRY(_pid, head[_pid]) = JUNK;
			goto page_free_slow
		:: else
		fi
	};
#ifdef PUSH_LATE_ENTRY
	ENTRY(_pid, head[_pid]) = f;
#endif
	atomic {
		head[_pid] = head[_pid] + 1;
#ifndef PUSH_WORK_FIRST
		counts = FREED
#endif
	};
	goto done;

	/* vm_sync_spill() if the queue is full, vm_sync_unpage(). */
page_free_slow:
	if
	:: atomic { COUNT(_pid) == SIZE(_pid) -> n = BATCH; push = 1 };
	   goto spill
	:: COUNT(_pid) < SIZE(_pid)
	fi;
unpage:
#ifdef UNPAGE_NO_LOCK
	if
	:: atomic {
		COUNT(_pid) < SIZE(_pid) && f + 1 < NFRAME &&
		    state[f + 1] != TAIL ->
		n = 1;
		counts = FREED;
		ENTRY(_pid, head[_pid]) = f
	   };
	   atomic {
		if
		:: state[f] == HEAD ->
			state[f] = HELD;
			owner_clear(f, 1);
			head[_pid] = head[_pid] + 1;
			goto done
		:: else ->
			ENTRY(_pid, head[_pid]) = JUNK;
			goto unrun
		fi
	   }
#else
	if
	:: atomic {
		!locked ->
		n = 1;
		counts = FREED;
		page_to_queue();
		if
		:: found -> goto done
		:: else -> goto unrun
		fi
	   }
#endif
	/* The queue does not take it: another list, or no place for it. */
	:: atomic { n = 1; counts = FREED }; goto unrun
	fi;

	/*
	 * vm_sync_spill() of n entries; push: to make room for those to come.
	 */
spill:
#ifdef SPILL_EARLY
	do
	:: i < n ->
		atomic { c = ENTRY(_pid, tail[_pid]); spill_move(1) };
		atomic { !locked -> unhold(c, 0); c = 0; i++ }
	:: else -> break
	od;
	i = 0;
	if
	:: push -> push = 0; goto unpage
	:: else -> goto done
	fi;
#else
	atomic {
		lock();
		if
		:: ENTRIES_NEW(_pid) > COUNT(_pid) - n -> gen_spill()
		:: else
		fi;
		unhold(ENTRY(_pid, tail[_pid]), SPILL_UNSEEN);
		i = 1
	};
	do
	:: i < n ->
		atomic {
			unhold(ENTRY(_pid, tail[_pid] + i), SPILL_UNSEEN);
			i++
		}
	:: else -> break
	od;
	atomic {
		spill_move(n);
		unlock();
		i = 0;
		found = 0;
		if
		:: push -> push = 0; goto unpage
		:: else -> goto done
		fi
	};
#endif

	/*
	 * vm_sync_unrun(), run_to_map(): n frames, 0: any number.
	 */
unrun:
	atomic {
		lock();
		found = (state[f] == HEAD);
		c = n;
		if
		:: found ->
			length();
			found = (c == 0 || c == n)
		:: else
		fi;
		if
		:: !found ->
			assert(expect[_pid] == 0);
			counts = 0;
			unlock();
			goto done
		:: else
		fi
	};
	/* vm_extmap_release(): the first word decides. */
	atomic {
#ifdef UNRUN_STORE
		found = 1;
#else
		found = (state[f] == HEAD);
#endif
		if
		:: !found ->		/* look again */
			n = c;
			unlock();
			goto unrun
		:: found ->
			owner_clear(f, n);
			state[f] = FREE;
			nfree = nfree + n;
			gen_unrun();
			if
			:: n == 2 && !WORD_LAST(f) ->
				state[f + 1] = FREE;
				n = 1
			:: else
			fi;
			if
			:: n == 1 -> unlock(); goto done
			:: else
			fi
		fi
	};
	atomic { state[f + 1] = FREE; unlock() };
	goto done;

	/*
	 * vm_sync_trim() of a run of two: the first or the second stays.
	 */
trim:
	atomic {
		lock();
		found = (state[f] == HEAD && state[f + 1] == TAIL);
		if
		:: found
		:: else -> unlock(); goto done
		fi
	};
#ifdef TRIM_CUT
	state[f + 1] = HEAD;
#endif
	if
	:: atomic {
		expect_clear(f);
		trim_free(f + 1);
		gen_trim();
		unlock()
	   }
	:: atomic {
		expect_clear(f);
		trim_free(f);
		gen_trim()
	   };
	   atomic {
		state[f + 1] = HEAD;
		own[f + 1] = OWNED;
		unlock()
	   }
	fi;

done:
	work_end();
	goto rest
}
