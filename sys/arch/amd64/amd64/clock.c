/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Time: the time stamp counter, measured against the interval timer.
 *
 * Counter 2 of the 8254 counts down from a known value at a known rate; its
 * output can be polled at port 61h, without an interrupt (Intel 8254 data
 * sheet, mode 0; IBM PC/AT Technical Reference, port 61h).  Whatever delays
 * us between looking at the one clock and at the other makes the interval
 * look longer, never shorter: the shortest of some measurements is the best.
 */

#include <sys/systm.h>

#include <machine/clock.h>
#include <machine/cpufunc.h>

#define	PIT_HZ		1193182
#define	PIT_COUNTER2	0x42
#define	PIT_CONTROL	0x43
#define	PIT_C2_MODE0	0xb0	/* counter 2, low then high byte, mode 0 */
#define	PIT_PORT61	0x61
#define	P61_GATE2	0x01
#define	P61_SPEAKER	0x02
#define	P61_OUT2	0x20

#define	MEASURE_USEC	5000
#define	MEASURE_COUNT	(PIT_HZ / 1000 * MEASURE_USEC / 1000)
#define	MEASURE_TIMES	3
#define	MEASURE_SPINS	20000000	/* then there is no such timer */

#define	NSEC_PER_SEC	1000000000ULL

/*
 * Nanoseconds are ticks * tsc_mult / 2^32.
 */
static uint64_t tsc_start;
static uint64_t tsc_mult;

/*
 * measure: the ticks in MEASURE_COUNT counts of the interval timer.
 */
static uint64_t
measure(void)
{
	uint64_t start, spins;

	outb(PIT_PORT61,
	    (uint8_t)((inb(PIT_PORT61) & ~P61_SPEAKER) | P61_GATE2));
	outb(PIT_CONTROL, PIT_C2_MODE0);
	outb(PIT_COUNTER2, MEASURE_COUNT & 0xff);
	outb(PIT_COUNTER2, MEASURE_COUNT >> 8);
	start = rdtsc();
	for (spins = 0; spins < MEASURE_SPINS; spins++) {
		if ((inb(PIT_PORT61) & P61_OUT2) != 0)
			return (rdtsc() - start);
	}
	panic("the interval timer (8254) does not count");
}

void
clock_init(void)
{
	uint64_t best = UINT64_MAX, ticks, hz;
	unsigned i;

	for (i = 0; i < MEASURE_TIMES; i++) {
		ticks = measure();
		if (ticks < best)
			best = ticks;
	}
	hz = best * PIT_HZ / MEASURE_COUNT;
	if (hz < 1000000)
		panic("the time stamp counter does not count (%ju Hz)",
		    (uintmax_t)hz);
	tsc_mult = (NSEC_PER_SEC << 32) / hz;
	tsc_start = rdtsc();
}

uint64_t
nanotime(void)
{
	uint64_t now = rdtsc();

	/* The counters of two CPUs may differ by a little. */
	if (now < tsc_start)
		return (0);
	return ((uint64_t)((unsigned __int128)(now - tsc_start) * tsc_mult >>
	    32));
}
