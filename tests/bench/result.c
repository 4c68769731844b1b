/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Results and samples.
 */

#include <err.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ticks.h"
#include "vmbench.h"

static struct result *results;
static unsigned nresults, results_max;

static void *
grow(void *p, size_t n, size_t size)
{

	p = reallocarray(p, n, size);
	if (p == NULL)
		err(1, "no memory");
	return (p);
}

static struct result *
result_lookup(const char *work, psize_t size, const char *row,
    const char *metric, enum contender who)
{
	unsigned i;

	for (i = 0; i < nresults; i++) {
		if (results[i].r_size == size && results[i].r_who == who &&
		    strcmp(results[i].r_work, work) == 0 &&
		    strcmp(results[i].r_row, row) == 0 &&
		    strcmp(results[i].r_metric, metric) == 0)
			return (&results[i]);
	}
	return (NULL);
}

static struct result *
result_new(const char *work, psize_t size, const char *row,
    const char *metric, const char *unit, enum contender who)
{
	struct result *r;

	if (nresults == results_max) {
		results_max = results_max * 2 + 64;
		results = grow(results, results_max, sizeof(*results));
	}
	r = &results[nresults++];
	memset(r, 0, sizeof(*r));
	r->r_work = work;
	r->r_size = size;
	snprintf(r->r_row, sizeof(r->r_row), "%s", row);
	r->r_metric = metric;
	r->r_unit = unit;
	r->r_who = who;
	return (r);
}

void
result_note(const char *work, psize_t size, const char *row,
    const char *metric, const char *unit, enum contender who, double value)
{
	struct result *r = result_lookup(work, size, row, metric, who);

	if (r == NULL)
		r = result_new(work, size, row, metric, unit, who);
	r->r_value = grow(r->r_value, r->r_n + 1, sizeof(r->r_value[0]));
	r->r_value[r->r_n++] = value;
}

const struct result *
result_find(const char *work, psize_t size, const char *row,
    const char *metric, enum contender who)
{

	return (result_lookup(work, size, row, metric, who));
}

const struct result *
result_get(unsigned i)
{

	return (i < nresults ? &results[i] : NULL);
}

static int
double_compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x < *y ? -1 : *x > *y);
}

double
median(double *v, size_t n)
{

	qsort(v, n, sizeof(v[0]), double_compare);
	return (n % 2 != 0 || v[n / 2] == v[n / 2 - 1] ? v[n / 2] :
	    (v[n / 2 - 1] + v[n / 2]) / 2);
}

static double
median_of(const double *value, const double *under, unsigned n)
{
	double *v = grow(NULL, n, sizeof(v[0])), m;
	unsigned i;

	for (i = 0; i < n; i++)
		v[i] = under == NULL ? value[i] : value[i] / under[i];
	m = median(v, n);
	free(v);
	return (m);
}

double
result_median(const struct result *r)
{

	return (median_of(r->r_value, NULL, r->r_n));
}

double
result_ratio(const struct result *over, const struct result *under)
{

	if (over->r_n != under->r_n)
		return (result_median(over) / result_median(under));
	return (median_of(over->r_value, under->r_value, over->r_n));
}

/*
 * Samples.
 */

void
samples_init(struct samples *s, size_t max)
{

	s->s_ticks = grow(NULL, max, sizeof(s->s_ticks[0]));
	s->s_n = 0;
	s->s_max = max;
}

void
samples_add(struct samples *s, uint64_t t)
{

	if (s->s_n < s->s_max)
		s->s_ticks[s->s_n++] = t;
}

static int
ticks_compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x < *y ? -1 : *x > *y);
}

/*
 * Where the clock goes on in steps, many samples are equal, and the true times
 * lie anywhere within a step of what it showed: then the percentile lies where
 * its rank does among the equal ones.
 */
double
samples_percentile(struct samples *s, double p)
{
	double rank = p / 100 * (double)s->s_n, step = (double)tick_step, t;
	size_t i, below, above;

	if (s->s_n == 0)
		return (INFINITY);
	qsort(s->s_ticks, s->s_n, sizeof(s->s_ticks[0]), ticks_compare);
	i = (size_t)ceil(rank);
	if (i > 0)
		i--;
	for (below = i; below > 0 && s->s_ticks[below - 1] == s->s_ticks[i];)
		below--;
	for (above = i; above < s->s_n && s->s_ticks[above] == s->s_ticks[i];)
		above++;
	t = (double)s->s_ticks[i];
	if (above - below > 1)
		t += step * ((rank - (double)below) /
		    (double)(above - below) - 0.5);
	return (t > tick_overhead ? (t - tick_overhead) * tick_nsec : 0);
}

void
samples_free(struct samples *s)
{

	free(s->s_ticks);
	s->s_ticks = NULL;
	s->s_n = 0;
}
