/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Clocks and chance.
 *
 * Two clocks: ticks, for what takes nanoseconds, which run on when the
 * scheduler takes the processor away; and the time this thread has had a
 * processor, for loops of milliseconds, which does not.
 */

#ifndef _TICKS_H_
#define	_TICKS_H_

#include <sys/resource.h>

#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

/*
 * Nanoseconds of a tick; ticks between two looks at the clock, on average; and
 * the step in which the clock goes on, which may be many ticks.
 */
extern double	tick_nsec;
extern double	tick_overhead;
extern uint64_t	tick_step;

/* ticks_calibrate: sets them. */
void	ticks_calibrate(void);

/* In nanoseconds, less the look at the clock. */
static inline double
ticks_nsec(uint64_t t)
{

	return ((double)t > tick_overhead ?
	    ((double)t - tick_overhead) * tick_nsec : 0);
}

static inline uint64_t
clock_nsec(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ((uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec);
}

/*
 * Ticks.  The fences keep what is measured from moving over the look at the
 * clock in either direction.
 */
static inline uint64_t
ticks(void)
{
#if defined(__x86_64__)
	uint64_t t;

	_mm_lfence();
	t = __rdtsc();
	_mm_lfence();
	return (t);
#else
	return (clock_nsec(CLOCK_MONOTONIC));
#endif
}

/* Nanoseconds of processor time of this thread. */
static inline uint64_t
cpu_nsec(void)
{

	return (clock_nsec(CLOCK_THREAD_CPUTIME_ID));
}

/* How often the scheduler took the processor from this thread. */
static inline long
preemptions(void)
{
	struct rusage ru;

	if (getrusage(RUSAGE_THREAD, &ru) != 0)
		return (0);
	return (ru.ru_nivcsw);
}

/*
 * Random numbers: xorshift64* (Vigna, "An experimental exploration of
 * Marsaglia's xorshift generators, scrambled", 2016).
 */
struct rng {
	uint64_t	r_state;
};

static inline void
rng_init(struct rng *r, uint64_t seed)
{

	r->r_state = seed * 0x9e3779b97f4a7c15 + 1;
	if (r->r_state == 0)
		r->r_state = 1;
}

static inline uint64_t
rng_next(struct rng *r)
{

	r->r_state ^= r->r_state >> 12;
	r->r_state ^= r->r_state << 25;
	r->r_state ^= r->r_state >> 27;
	return (r->r_state * 0x2545f4914f6cdd1d);
}

/* Below n, which is below 2^32. */
static inline uint64_t
rng_below(struct rng *r, uint64_t n)
{

	return ((rng_next(r) >> 32) * n >> 32);
}

#endif /* !_TICKS_H_ */
