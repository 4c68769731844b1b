/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <stdlib.h>

#include "ticks.h"

double tick_nsec = 1;
double tick_overhead;
uint64_t tick_step = 1;

#define	CALIBRATE_NSEC	20000000
#define	OVERHEAD_TRIES	10000

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x < *y ? -1 : *x > *y);
}

/*
 * The mean without the upper tenth, which was interrupted; the least
 * difference of two of them is the clock's step.
 */
static void
overhead_calibrate(void)
{
	static uint64_t empty[OVERHEAD_TRIES];
	const unsigned n = OVERHEAD_TRIES / 10 * 9;
	uint64_t t, step = UINT64_MAX, sum = 0;
	unsigned i;

	for (i = 0; i < OVERHEAD_TRIES; i++) {
		t = ticks();
		empty[i] = ticks() - t;
	}
	qsort(empty, OVERHEAD_TRIES, sizeof(empty[0]), compare);
	for (i = 0; i < n; i++) {
		sum += empty[i];
		if (i > 0 && empty[i] != empty[i - 1] &&
		    empty[i] - empty[i - 1] < step)
			step = empty[i] - empty[i - 1];
	}
	tick_overhead = (double)sum / n;
	tick_step = step == UINT64_MAX ? 1 : step;
}

void
ticks_calibrate(void)
{
	uint64_t n0, n1, t0, t1;

	n0 = clock_nsec(CLOCK_MONOTONIC);
	t0 = ticks();
	do {
		n1 = clock_nsec(CLOCK_MONOTONIC);
		t1 = ticks();
	} while (n1 - n0 < CALIBRATE_NSEC);
	tick_nsec = (double)(n1 - n0) / (double)(t1 - t0);
	overhead_calibrate();
}
