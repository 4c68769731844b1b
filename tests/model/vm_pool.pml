/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The protocol of vm_pool.c: claims and frees of runs without a lock.
 *
 * 1. What is modelled.  A chunk of NUNIT units in words of two.  CPUs for ever
 * allocate a run of one to three units wherever it is free, or free any unit
 * with the right size, another, or none, whether it is theirs or not, and walk.
 * A step is one access to one word.  Histories are not bounded.
 *
 * 2. What is checked.  own[] is the truth, from the callers' point of view:
 *
 * o no unit gets a second owner;
 * o what is freed is an allocation, whole, and of the size that was stated;
 * o a right free is never refused, unless another one meets it;
 * o a walk that sees the head of an allocation sees all of it, and no more;
 * o whenever all CPUs rest, the states are as own[] says.
 *
 * 3. Mutations.  Each of these names, if defined, breaks the protocol in one
 * place, and there has to be an error:
 *
 * COMMIT_UP		the first word of an allocation is made first
 * FREE_UP		the first word of an allocation becomes free first
 * FREE_STORE		the first word is held without compare-and-swap
 * NO_RECOUNT		the size is not counted again once it is held
 * NO_UNDO		a claim that fails keeps what it has
 * WALK_ONCE		a walk does not look whether something was cut
 * WALK_AGAIN		a walk looks twice at the word of the head
 */

#ifndef NCPU
#define	NCPU	2
#endif
#define	NUNIT	4
#define	WORD_LAST(u)	((u) & 1)

#define	FREE	0
#define	HELD	1
#define	TAIL	2
#define	HEAD	3

byte state[NUNIT];
bit cut[NCPU];			/* vc_cut has grown since the walk began */

/* The truth: size of the allocation at its first unit; COVERED behind it. */
#define	COVERED	9
byte own[NUNIT];
byte frees[NCPU];		/* a unit + 1, from the start of a free */
bit met[NCPU];			/* somebody else freed it meanwhile */
byte busy;
hidden byte k, lim;

/* The end of what of [u, e) lies in the word of u. */
#define	IN_WORD(u, e)	(((u) | 1) + 1 < (e) -> ((u) | 1) + 1 : (e))

/* Are all units of [u, e) that lie in the word of u in a state? */
inline covers(u, e, s, ok)
{
	ok = 1;
	lim = IN_WORD(u, e);
	for (k : u .. lim - 1) {
		if
		:: state[k] != s -> ok = 0
		:: else
		fi
	}
}

/* Put them in one. */
inline fill(u, e, s)
{
	lim = IN_WORD(u, e);
	for (k : u .. lim - 1) {
		state[k] = s
	}
}

inline own_set(u, e)
{
	for (k : u .. e - 1) {
		assert(own[k] == 0);
		own[k] = (k == u -> e - u : COVERED)
	}
}

/* One free of the run [u, e) has won. */
inline own_clear(u, e)
{
	assert(own[u] == e - u);
	for (k : u .. e - 1) {
		own[k] = 0
	}
}

inline audit()
{
	for (k : 0 .. NUNIT - 1) {
		assert(state[k] == (own[k] == 0 -> FREE :
		    (own[k] == COVERED -> TAIL : HEAD)))
	}
}

inline rest_again()
{
	d_step {
		u = 0; e = 0; w = 0; n = 0; f = 0; ok = 0; right = 0;
		cut[_pid] = 0;
		frees[_pid] = 0; met[_pid] = 0;
		busy--;
		if
		:: busy == 0 -> audit()
		:: else
		fi
	}
}

active [NCPU] proctype cpu()
{
	byte u, e, w, n, f;
	bit ok, right;

rest:
	if
	:: atomic {
		busy++;
		select(u : 0 .. NUNIT - 1);
		select(n : 1 .. 3);
		e = u + n;
		if
		:: e > NUNIT -> e = NUNIT
		:: else
		fi;
		n = 0
	   }; goto alloc
	:: atomic {
		busy++;
		select(u : 0 .. NUNIT - 1);
		select(n : 0 .. 3);
		/* Ours to free: nobody else is about to. */
		right = (own[u] != 0 && own[u] != COVERED &&
		    (n == 0 || n == own[u]));
		frees[_pid] = u + 1;
		for (k : 0 .. NCPU - 1) {
			if
			:: k != _pid && frees[k] == u + 1 ->
				met[k] = 1;
				met[_pid] = 1
			:: else
			fi
		}
	   }; goto release
	:: atomic { busy++; select(u : 0 .. NUNIT - 1) }; goto walk
	fi;

	/* run_take(). */
alloc:
	if
	:: atomic {
		IN_WORD(u, e) == e ->
		covers(u, e, FREE, ok);
		if
		:: ok ->
			fill(u, e, TAIL);
			state[u] = HEAD;
			own_set(u, e)
		:: else
		fi
	   }; goto done
	:: else
	fi;
	w = u;
	do
	:: w < e ->
		atomic {
			covers(w, e, FREE, ok);
			if
			:: ok -> fill(w, e, HELD)
			:: else
			fi
		};
		if
		:: !ok -> break
		:: else -> w = IN_WORD(w, e)
		fi
	:: else -> break
	od;
	if
	:: w < e ->			/* unclaim() */
#ifndef NO_UNDO
		f = u;
		do
		:: f < w ->
			atomic { fill(f, w, FREE) };
			f = IN_WORD(f, w)
		:: else -> break
		od;
#endif
		goto done
	:: else
	fi;
	/* commit(). */
#ifdef COMMIT_UP
	atomic { fill(u, e, TAIL); state[u] = HEAD; own_set(u, e) };
	w = IN_WORD(u, e);
	do
	:: w < e -> atomic { fill(w, e, TAIL);
		w = IN_WORD(w, e) }
	:: else -> break
	od;
#else
	w = (e - 1) & 254;
	do
	:: w > u ->
		atomic { fill(w, e, TAIL); w = w - 2 }
	:: else -> break
	od;
	atomic { fill(u, e, TAIL); state[u] = HEAD; own_set(u, e) };
#endif
	goto done;

	/* run_release(): f is the end of what lies in the first word. */
release:
	atomic {
		ok = (state[u] == HEAD);
		if
		:: ok ->
			f = u + 1;
			if
			:: !WORD_LAST(u) && f < NUNIT && state[f] == TAIL ->
				f++
			:: else
			fi
		:: else
		fi
	};
	if
	:: !ok -> goto refused
	:: else
	fi;
	if
	:: WORD_LAST(u) || f == u + 2
	:: else ->			/* short_release() */
		if
		:: n != 0 && n != 1 -> goto refused
		:: else
		fi;
		atomic {
			ok = (state[u] == HEAD && state[u + 1] != TAIL);
			if
			:: ok -> own_clear(u, u + 1); state[u] = FREE
			:: else
			fi
		};
		if
		:: !ok -> goto release
		:: else -> goto freed
		fi
	fi;
	/* long_release(): count, unit by unit: the words are read so. */
	e = f;
	do
	:: e < NUNIT ->
		if
		:: state[e] == TAIL -> e++
		:: else -> break
		fi
	:: else -> break
	od;
	if
	:: n != 0 && e - u != n -> goto refused
	:: else
	fi;
	atomic {
		ok = (state[u] == HEAD && (f == u + 1 || state[u + 1] == TAIL));
#ifdef FREE_STORE
		ok = 1;
#endif
		if
		:: ok -> fill(u, f, HELD)
		:: else
		fi
	};
	if
	:: !ok -> goto release
	:: else
	fi;
#ifndef NO_RECOUNT
	e = f;
	do
	:: e < NUNIT ->
		if
		:: state[e] == TAIL -> e++
		:: else -> break
		fi
	:: else -> break
	od;
	if
	:: n != 0 && e - u != n ->
		atomic { fill(u, f, TAIL); state[u] = HEAD };
		goto refused
	:: else
	fi;
#endif
	atomic {
		own_clear(u, e);
		for (k : 0 .. NCPU - 1) {
			cut[k] = 1
		}
	};
#ifdef FREE_UP
	atomic { fill(u, f, FREE) };
#endif
	w = (e - 1) & 254;
	do
	:: w > u -> atomic { fill(w, e, FREE); w = w - 2 }
	:: else -> break
	od;
#ifndef FREE_UP
	atomic { fill(u, f, FREE) };
#endif
freed:
	goto done;

refused:
	/* Only if somebody else was freeing it, rightly or not. */
	assert(!right || met[_pid]);
	goto done;

	/* piece(). */
walk:
	cut[_pid] = 0;
	atomic {
		ok = (state[u] == HEAD);
		n = own[u];
		e = u + 1;
#ifndef WALK_AGAIN
		if
		:: ok && !WORD_LAST(u) && state[e] == TAIL -> e++
		:: ok && !WORD_LAST(u) && state[e] != TAIL -> goto done
		:: else
		fi
#endif
	};
	if
	:: !ok -> goto done
	:: else
	fi;
	do
	:: e < NUNIT ->
		if
		:: state[e] == TAIL -> e++
		:: else -> break
		fi
	:: else -> break
	od;
#ifndef WALK_ONCE
	if
	:: cut[_pid] -> goto done
	:: else
	fi;
#endif
	/* Right at some moment: that of the head, if nothing was cut since. */
	assert(n == 0 || n == COVERED || e - u == n || e - u == own[u]);

done:
	rest_again();
	goto rest
}
