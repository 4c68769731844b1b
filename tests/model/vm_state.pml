/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The state protocol of sys/vm: vm_page.c, vm_sync.c, and those functions of
 * vm_extmap.c that change states.
 *
 * 1. What is modelled.  CPUs, each with a queue, that for ever do anything at
 * all: allocate a page, free any frame as a page or as a run (rightly, twice,
 * in the middle, of the wrong size, long after it has a new owner), allocate
 * a run of two, trim one, give the queue back, audit.  Queues are short and
 * words have two frames, so that each of the rare cases (a full queue, a run
 * over the end of a word, the last frame of a word) is common.  Histories are
 * not bounded: every state that can be reached is visited.  With everything
 * on all CPUs there are too many; PAGES_PAGES and so on choose who does what.
 *
 * 2. Steps.  A step is one access to what other CPUs may change at the same
 * time: a compare-and-swap on a word, an entry, the count of a queue.  What
 * is guarded by the map's lock needs no step of its own, and taking the lock
 * belongs to the access after, dropping it to the one before: that leaves out
 * no order of events that differs from those that remain.  Entries beyond the
 * count, which keep their values in memory, may be any.  The model is sequentially
 * consistent; that the stores of a free are seen in their order, which the
 * code asks for, is assumed.
 *
 * 3. What is left out: free lists, the search itself (here: a look at all
 * places), summaries, and which of several free frames a refill takes.  The
 * look at the frames around an entry is not atomic in the code; here it may
 * say too much at any time, but not too little.
 *
 * 4. What is checked.  own[] is the truth, from the callers' point of view:
 * o no frame gets a second owner;
 * o of several frees of one allocation, one succeeds; a right one never
 *   fails, a wrong one never succeeds;
 * o a request fails only if there was a moment, while it was served, when no
 *   run of unowned frames was there that would have done.  (With two CPUs.
 *   With more, frames may wander from a queue that is not yet looked at to one
 *   that was; then it holds for requests that nobody disturbs.)
 * o each held frame is on a queue, or just being pushed, at any moment when
 *   the lock is free;
 * o whenever all CPUs rest: the states are as own[] says, each held frame is
 *   on a queue, and the count of free frames is right.
 *
 * 5. Mutations.  Each of these names, if defined, breaks the protocol in one
 * place, and there has to be an error:
 *
 * POP_STORE		a pop makes its entry's frame a head unseen
 * PUSH_STORE		a free verifies the state, then stores the new one
 * PUSH_NO_TAIL		a free does not look at the next frame
 * PUSH_WORD_END	the last frame of a word is freed without the lock
 * PUSH_LATE_ENTRY	a free changes the state, then stores the entry
 * PUSH_WORK_FIRST	a free counts its work, then pushes
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
 */

#ifndef NCPU
#define	NCPU	2
#endif
#ifndef NFRAME
#define	NFRAME	3
#endif

#ifndef QSIZE
#define	QSIZE	2		/* entries of a queue */
#endif
#define	BATCH	1		/* that a spill moves */
#define	REFILL	QSIZE		/* that a refill moves */
#define	PASSES	2		/* over the queues */

/* What the first CPU does, and what the others do. */
#define	PAGE_ALLOC	1
#define	PAGE_FREE	2
#define	RUN_ALLOC	4
#define	RUN_FREE	8
#define	TRIM		16
#define	FLUSH		32
#define	AUDIT		64
#define	ALL		127

#define	PAGES		(PAGE_ALLOC | PAGE_FREE | FLUSH)
#if defined(PAGES_PAGES)
#define	OPS0		(PAGES | AUDIT)
#define	OPS1		PAGES
#elif defined(RUNS_PAGES)
#define	OPS0		(RUN_ALLOC | RUN_FREE | TRIM | AUDIT)
#define	OPS1		PAGES
#elif defined(ALL_PAGES)
#define	OPS0		(ALL - FLUSH)
#define	OPS1		PAGES
#elif defined(RUNS_RUNS)
#define	OPS0		(PAGE_ALLOC | PAGE_FREE | RUN_ALLOC | RUN_FREE)
#define	OPS1		OPS0
#else
#define	OPS0		ALL
#define	OPS1		ALL
#endif
#define	MAY(op)		((_pid == 0 -> OPS0 & (op) : OPS1 & (op)) != 0)

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
byte count[NCPU];
byte entry[NCPU * QSIZE] = JUNK;
bit worked[NCPU];		/* since the CPU was last looked at */
bit idle[NCPU];			/* nothing was left then */
bit locked;

#define	ENTRY(cpu, i)	entry[(cpu) * QSIZE + (i)]

/* How many entries others look at: vm_pageq_entries(). */
#ifdef TAKE_COUNTED
#define	ENTRIES(cpu)	count[cpu]
#else
#define	ENTRIES(cpu)	(count[cpu] < QSIZE -> count[cpu] + 1 : QSIZE)
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
byte always[NCPU];		/* a run of so many was there all the time */
byte expect[NCPU];		/* a free of this frame - 1 has to succeed */
hidden byte k;

#define	UNOWNED(f)	(own[f] == NOBODY)
#if NFRAME == 3
#define	A_PAGE	(UNOWNED(0) || UNOWNED(1) || UNOWNED(2))
#define	A_RUN	(UNOWNED(1) && (UNOWNED(0) || UNOWNED(2)))
#else
#define	A_PAGE	(UNOWNED(0) || UNOWNED(1) || UNOWNED(2) || UNOWNED(3))
#define	A_RUN	((UNOWNED(1) && (UNOWNED(0) || UNOWNED(2))) ||		\
		(UNOWNED(2) && UNOWNED(3)))
#endif

/* When a failure without a cause is an error. */
#if NCPU > 2
#define	PROMISED	calm[_pid]
#else
#define	PROMISED	1
#endif

/* A CPU begins to serve a request for size pages (0: for none). */
inline work_begin(size)
{
	for (k : 0 .. NCPU - 1) {
		calm[k] = 0
	}
	calm[_pid] = (size != 0 && busy == 0);
	busy++;
	if
	:: size == 1 && A_PAGE && PROMISED -> always[_pid] = 1
	:: size == 2 && A_RUN && PROMISED -> always[_pid] = 2
	:: else
	fi
}

/* No run of n was there at some moment, or too much happens meanwhile. */
#define	MAY_FAIL(n)	(always[_pid] != n || !PROMISED)

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
		:: always[k] == 2 && !A_RUN -> always[k] = 0
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

hidden byte a, b, sum;

/* b: is a frame among the first n (counted) or n + 1 entries of a queue? */
inline on_queue(frame, counted)
{
	b = 0;
	for (k : 0 .. NCPU * QSIZE - 1) {
		if
		:: entry[k] == frame && k % QSIZE <
		    (counted -> count[k / QSIZE] : ENTRIES(k / QSIZE)) -> b = 1
		:: else
		fi
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
#ifndef PUSH_WORK_FIRST
		worked[_pid] = 1;
#endif
		calm[_pid] = 0;
		always[_pid] = 0;
		expect[_pid] = 0;
		f = 0; n = 0; i = 0; c = 0; top = 0; pass = 0;
		found = 0; changed = 0; push = 0;
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
	assert(count[_pid] > 0);	/* only its owner changes it */
	f = ENTRY(_pid, count[_pid] - 1);
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
	:: !WORD_LAST(f) && f + 1 < NFRAME ->
		found = (found && state[f + 1] != TAIL)
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

/* The first entries leave a queue, the others move up. */
inline spill_shift(moved)
{
	for (k : 0 .. QSIZE - 1) {
		ENTRY(_pid, k) = (k + moved < QSIZE ->
		    ENTRY(_pid, k + moved) : JUNK)
	}
	count[_pid] = count[_pid] - moved
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

/* f: the lowest run of two free frames, or NFRAME. */
inline find_run()
{
	f = NFRAME;
	for (k : 2 .. NFRAME) {
		if
		:: state[NFRAME - k] == FREE &&
		    state[NFRAME - k + 1] == FREE ->
			f = NFRAME - k
		:: else
		fi
	}
}

/* f: the lowest run of two free or held frames around f, or NFRAME. */
#define	MAYBE(f)	(state[f] == FREE || state[f] == HELD)

inline around()
{
	do
	:: f > 0 ->
		if
		:: MAYBE(f) && MAYBE(f - 1) -> f--
		:: else -> break
		fi
	:: else -> break
	od;
	if
	:: f + 1 >= NFRAME -> f = NFRAME
	:: else ->
		if
		:: MAYBE(f) && MAYBE(f + 1)
		:: else -> f = NFRAME
		fi
	fi
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

/* vm_extmap_release() of one frame that was just cut off a run. */
inline release_page(frame)
{
	if
	:: state[frame] == HEAD ->
		owner_clear(frame, 1);
		state[frame] = FREE;
		nfree++
	:: else
	fi
}

/* f: the frame that an entry names. */
inline read_entry(cpu, i)
{
	atomic {
		f = ENTRY(cpu, i);
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
			changed = (changed || found);
			f = 0;
			i++
		}
	:: i >= top -> break
	od;
	/* cpu_forget(). */
	atomic {
		if
#ifdef FORGET_OTHER
		:: true -> count[cpu] = 0
#else
		:: cpu == _pid ->
			count[cpu] = 0;
			for (k : 0 .. QSIZE - 1) {
				ENTRY(cpu, k) = JUNK
			}
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

active [NCPU] proctype cpu()
{
	byte f, n, i, c, top, pass;
	bit found, changed, push;

rest:
	if
	:: atomic { MAY(PAGE_ALLOC) -> work_begin(1) }; goto page_alloc
	:: atomic { MAY(RUN_ALLOC) -> work_begin(2) }; goto run_alloc
	:: atomic {
		MAY(PAGE_FREE) ->
		select(f : 0 .. NFRAME - 1);
		free_begin(f, 1)
	   }; goto page_free
	:: atomic {
		MAY(RUN_FREE) ->
		select(f : 0 .. NFRAME - 1);
		select(n : 0 .. 2);
		free_begin(f, n)
	   }; goto unrun
	:: atomic {
		MAY(TRIM) ->
		select(f : 0 .. NFRAME - 2);
		work_begin(0)
	   }; goto trim
	:: atomic {
		MAY(FLUSH) && count[_pid] > 0 ->
		work_begin(0);
		n = count[_pid]
	   }; goto spill
	:: atomic { MAY(AUDIT) && !locked -> audit_queues() }; goto rest
	fi;

	/*
	 * vm_page_alloc(): from the queue, a refill, the map, all queues.
	 * pass: the queue was refilled.
	 */
page_alloc:
	do
	:: count[_pid] > 0 ->
		atomic { pop_entry() };
		atomic {
			assert(count[_pid] > 0);
			count[_pid] = count[_pid] - 1;
			ENTRY(_pid, count[_pid]) = JUNK
		};
		if
		:: found -> goto done
		:: else
		fi
	:: else -> break
	od;
	if
	:: pass || nfree == 0 -> goto page_take
	:: else
	fi;

	/* queue_refill(): word by word. */
	atomic {
#ifndef REFILL_NO_LOCK
		lock();
#endif
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
		count[_pid] = n;
		worked[_pid] = 1;
#endif
#ifndef REFILL_NO_LOCK
		unlock();
#endif
		pass = 1
	};
#ifdef REFILL_UNLOCK
	atomic {
		count[_pid] = n;
		worked[_pid] = 1
	};
#endif
	n = 0;
	goto page_alloc;

	/* list_take(). */
page_take:
	atomic {
		!locked ->
		take_page();
		pass = 0
	};
	if
	:: found -> goto done
	:: else
	fi;

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
		assert(found || MAY_FAIL(1))
	};
	goto done;

	/*
	 * vm_sync_run().
	 */
run_alloc:
	atomic { run_lock(); find_run() };
run_search:
	if
	:: f < NFRAME -> goto run_found
	:: f == NFRAME && pass == PASSES ->
		/* What happens if others never rest. */
		atomic { assert(!calm[_pid] || always[_pid] != 2); run_unlock() };
		goto done
	:: f == NFRAME && pass < PASSES -> pass++
	fi;
	/* held_complete(). */
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
		/* queue_complete(). */
		top = ENTRIES(c);
		do
		:: i < top ->
			read_entry(c, i);
			if
			:: atomic { around() }
			:: atomic { busy > 1 -> select(f : 0 .. NFRAME - 2) }
			fi;
			if
			:: f < NFRAME ->
				atomic { i = 0; top = 0; c = 0; take(f) };
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
run_next:
		atomic { i = 0; top = 0; c++ }
	od;
	if
	:: changed ->
		atomic { changed = 0; c = 0; find_run() };
		goto run_search
	:: else
	fi;
	atomic { assert(MAY_FAIL(2)); run_unlock() };
	goto done;

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
	 * vm_page_free(); or page_free_slow(): which is also for a page of
	 * another segment, and when somebody waits.
	 */
page_free:
	if
	:: count[_pid] == QSIZE -> n = BATCH; push = 1; goto spill
	:: else
	fi;
	n = 1;
	if
	:: goto unrun
#ifndef PUSH_WORD_END
	:: !WORD_LAST(f)
#else
	:: !WORD_LAST(f) || f + 1 >= NFRAME
	:: WORD_LAST(f) && f + 1 < NFRAME && state[f + 1] != TAIL
#endif
	fi;
#ifdef PUSH_WORK_FIRST
	worked[_pid] = 1;
#endif
#ifdef PUSH_STORE
	if
	:: state[f] != HEAD -> goto unrun
	:: else
	fi;
#endif
#ifndef PUSH_LATE_ENTRY
	ENTRY(_pid, count[_pid]) = f;
#endif
	atomic { disown() };
	if
	:: !found -> ENTRY(_pid, count[_pid]) = JUNK; goto unrun
	:: else
	fi;
#ifdef PUSH_LATE_ENTRY
	ENTRY(_pid, count[_pid]) = f;
#endif
	count[_pid] = count[_pid] + 1;
	goto done;

	/*
	 * vm_sync_spill() of n entries; push: to make room for those to come.
	 */
spill:
#ifdef SPILL_EARLY
	do
	:: i < n ->
		atomic { c = ENTRY(_pid, 0); spill_shift(1) };
		atomic { !locked -> unhold(c, 0); c = 0; i++ }
	:: else -> break
	od;
#else
	atomic {
		lock();
		unhold(ENTRY(_pid, 0), SPILL_UNSEEN);
		i = 1
	};
	do
	:: i < n ->
		atomic {
			unhold(ENTRY(_pid, i), SPILL_UNSEEN);
			i++
		}
	:: else -> break
	od;
	atomic { spill_shift(n); unlock() };
#endif
	atomic { i = 0; found = 0 };
	if
	:: push -> push = 0; n = 1; goto unrun
	:: else -> goto done
	fi;

	/*
	 * vm_sync_unrun(): n frames, 0: any number.
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
			unlock()
		:: else
		fi
	};
	if
	:: !found -> goto done
	:: else
	fi;
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
			unlock()
		:: found ->
			owner_clear(f, n);
			state[f] = FREE;
			nfree = nfree + n;
			if
			:: n == 2 && !WORD_LAST(f) ->
				state[f + 1] = FREE;
				n = 1
			:: else
			fi;
			if
			:: n == 1 -> unlock()
			:: else
			fi
		fi
	};
	if
	:: !found -> goto unrun
	:: found && n == 1
	:: found && n == 2 ->
		atomic {
			state[f + 1] = FREE;
			unlock()
		}
	fi;
	goto done;

	/*
	 * vm_sync_trim() of a run of two: cut, free the first or the second.
	 */
trim:
	atomic {
		lock();
		found = (state[f] == HEAD && state[f + 1] == TAIL);
		if
		:: found ->
			state[f + 1] = HEAD;
			own[f + 1] = OWNED;
			expect_clear(f)
		:: else -> unlock()
		fi
	};
	if
	:: found -> atomic { release_page(f); unlock() }
	:: found -> atomic { release_page(f + 1); unlock() }
	:: else
	fi;

done:
	work_end();
	goto rest
}
