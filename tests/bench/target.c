/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The targets: what the allocator is to reach, whatever was measured.
 *
 * A target looks at one metric of some rows of a workload and is judged by
 * the worst of them; a ratio, by the median of the ratios of the runs.
 */

#include <math.h>
#include <string.h>

#include "vmbench.h"

#define	MAXROWS	8

struct target {
	const char	*tg_id;
	const char	*tg_what;
	const char	*tg_work;
	psize_t		tg_size;
	const char	*tg_metric;
	double		tg_limit;
	const char	*tg_unit;	/* NULL: the metric's */
	double		tg_scale;	/* from the metric's unit; 0: 1 */
	bool		tg_atleast;
	/* A ratio: to what. */
	bool		tg_ratio;
	enum contender	tg_versus;
	const char	*tg_vsrow;	/* NULL: the same row */
	const char	*tg_vsmetric;	/* NULL: the same metric */
	const char	*tg_row[MAXROWS];
};

/* The size that a target stands for where it names none. */
#define	NORMAL		(16 * GIB)

/* As a multiple of another contender's time in the same row. */
#define	VERSUS(who)	.tg_ratio = true, .tg_versus = (who)

/* As a multiple of what one page and back takes bare. */
#define	BARES_PAIR							\
	.tg_ratio = true, .tg_versus = BARE,				\
	.tg_vsrow = "bare's pair", .tg_vsmetric = "loop"

#define	SATISFIABLE							\
	.tg_row = { "64K below 16M", "64K below 4G", "64K anywhere",	\
	    "16K historical", "1M anywhere", "1M, one hole left" }

static const struct target targets[] = {
	{ "P1", "one page, empty map", "repeat", NORMAL, "ns", 1.0,
	    VERSUS(SPIN), .tg_row = { "pair, empty map" } },
	{ "P1", "one page, fragmented map", "repeat", NORMAL, "ns", 1.0,
	    VERSUS(SPIN), .tg_row = { "pair, fragmented map" } },

	{ "P2", "churn at 50 and 90 %", "churn", NORMAL, "ns", 0.8,
	    VERSUS(BARE), .tg_row = { "50 %: both", "90 %: both" } },
	{ "P2", "churn at 99 %", "churn", NORMAL, "ns", 1.2,
	    VERSUS(BARE), .tg_row = { "99 %: both" } },
	{ "P2", "churn at 64 GiB", "churn", 64 * GIB, "ns", 1.2,
	    VERSUS(BARE), .tg_row = { "50 %: both", "90 %: both",
	    "99 %: both" } },

	{ "P3", "bulk: allocate all", "bulk", NORMAL, "ns", 1.0,
	    VERSUS(SPIN), .tg_row = { "allocate all" } },
	{ "P3", "bulk: free all in order", "bulk", NORMAL, "ns", 1.2,
	    VERSUS(SPIN), .tg_row = { "free all in order" } },

	{ "P4", "random half reallocated", "random", NORMAL, "ns", 0.1,
	    VERSUS(BARE), .tg_row = { "allocate half again" } },

	{ "P5", "constrained, hot: p50", "constrained", NORMAL, "p50", 25,
	    BARES_PAIR, SATISFIABLE },
	{ "P5", "constrained, hot: p99.9", "constrained", NORMAL, "p99.9",
	    120, BARES_PAIR, SATISFIABLE },

	{ "P6", "constrained, cold: p50", "constrained", NORMAL, "cold p50",
	    2.5, "us", 0.001, SATISFIABLE },
	{ "P6", "constrained, first after set-up", "constrained", NORMAL,
	    "first", 2.5, "us", 0.001, SATISFIABLE },
	{ "P6", "cannot succeed, cold: p50", "constrained", NORMAL,
	    "cold p50", 2.5, "us", 0.001,
	    .tg_row = { "2M, none exists", "16K in [32M,48M), none" } },
	{ "P6", "cannot succeed, first", "constrained", NORMAL,
	    "first", 2.5, "us", 0.001,
	    .tg_row = { "2M, none exists", "16K in [32M,48M), none" } },

	{ "P7", "cannot succeed, anywhere", "constrained", NORMAL, "loop", 6,
	    BARES_PAIR, .tg_row = { "2M, none exists" } },
	{ "P7", "cannot succeed, in 16 MiB", "constrained", NORMAL, "loop", 6,
	    BARES_PAIR, .tg_row = { "16K in [32M,48M), none" } },

	{ "P7b", "cannot succeed, CPUs busy", "contended", NORMAL,
	    "per busy CPU", 2, "us", 0.001,
	    .tg_row = { "2M, none exists", "16K in [32M,48M), none" } },
	{ "P7b", "what that does to them", "contended", NORMAL,
	    "slower, paced", 1.5,
	    .tg_row = { "2M, none exists", "16K in [32M,48M), none" } },

	{ "P8", "1 M runs, misaligned", "adversarial", NORMAL, "p50", 0.1,
	    "us", 0.001, .tg_row = { "misaligned" } },
	{ "P8", "evading every filter", "adversarial", NORMAL, "p50", 300,
	    "us", 0.001,
	    .tg_row = { "straddling, odd size", "straddling, long" } },

	{ "P9", "two threads: pair", "threads", NORMAL, "ns", 1.05,
	    VERSUS(EXTANT), .tg_vsrow = "pair, 1 thread",
	    .tg_row = { "pair, 2 threads" } },
	{ "P9", "two threads: churn", "threads", NORMAL, "ns", 1.2,
	    VERSUS(EXTANT), .tg_vsrow = "churn, 1 thread",
	    .tg_row = { "churn, 2 threads" } },

	{ "P10", "metadata a frame, 64 GiB", "start", 64 * GIB,
	    "bits/frame", 2.5, .tg_row = { "metadata" } },
	{ "P10", "metadata a frame, 1 TiB", "start", TIB, "bits/frame", 2.5,
	    .tg_row = { "metadata" } },

	{ "P11", "to the first page, 64 GiB", "start", 64 * GIB, "us", 50,
	    .tg_row = { "nothing to first page" } },
	{ "P11", "to the first page, 1 TiB", "start", TIB, "us", 2, "ms",
	    0.001, .tg_row = { "nothing to first page" } },

	{ "P12", "gather 1 MiB in 16 segments", "constrained", NORMAL, "p50",
	    10, "us", 0.001, .tg_row = { "gather 1M", "gather 1M of 64K",
	    "gather 1M, no holes" } },

	{ "P13", "served under churn", "age", NORMAL, "served", 100,
	    .tg_atleast = true, .tg_row = { "64K below 16M", "64K anywhere",
	    "1M anywhere" } },
	{ "P13", "runs kept under churn", "age", NORMAL, "kept", 95,
	    .tg_atleast = true, .tg_row = { "runs of 64K", "runs of 1M" } },
	{ "P13", "served during the traces", "replay, runs", 0, "served", 100,
	    .tg_atleast = true, .tg_row = { "compile: 64K below 16M",
	    "compile: 64K anywhere", "compile: 1M anywhere",
	    "files: 64K below 16M", "files: 64K anywhere",
	    "files: 1M anywhere" } },
	{ "P13", "runs kept over the traces", "replay, runs", 0, "kept", 95,
	    .tg_atleast = true, .tg_row = { "compile: runs of 64K",
	    "compile: runs of 1M", "files: runs of 64K",
	    "files: runs of 1M" } },

	{ "P14", "replay of the traces", "replay", 0, "ns/event", 1.0,
	    VERSUS(SPIN), .tg_row = { "compile", "files" } }
};

/* The value of one row; false: it was not measured. */
static bool
row_value(const struct target *tg, const char *row, double *valuep,
    const char **unitp)
{
	const struct result *r, *vs;

	r = result_find(tg->tg_work, tg->tg_size, row, tg->tg_metric, EXTANT);
	if (r == NULL)
		return (false);
	if (!tg->tg_ratio) {
		*valuep = result_median(r) *
		    (tg->tg_scale == 0 ? 1 : tg->tg_scale);
		*unitp = tg->tg_unit == NULL ? r->r_unit : tg->tg_unit;
		return (true);
	}
	vs = result_find(tg->tg_work, tg->tg_size,
	    tg->tg_vsrow == NULL ? row : tg->tg_vsrow,
	    tg->tg_vsmetric == NULL ? tg->tg_metric : tg->tg_vsmetric,
	    tg->tg_versus);
	if (vs == NULL)
		return (false);
	*valuep = result_ratio(r, vs);
	*unitp = "x";
	return (true);
}

static const char *
versus_name(const struct target *tg)
{

	if (!tg->tg_ratio)
		return (NULL);
	return (tg->tg_vsrow != NULL ? tg->tg_vsrow :
	    contender_name(tg->tg_versus));
}

bool
target_judge(unsigned i, struct verdict_line *vl)
{
	const struct target *tg;
	const char *unit;
	double value;
	unsigned row;

	if (i >= NELEM(targets))
		return (false);
	tg = &targets[i];
	*vl = (struct verdict_line){
		.vl_id = tg->tg_id,
		.vl_what = tg->tg_what,
		.vl_unit = tg->tg_ratio ? "x" :
		    tg->tg_unit == NULL ? "" : tg->tg_unit,
		.vl_versus = versus_name(tg),
		.vl_limit = tg->tg_limit,
		.vl_atleast = tg->tg_atleast,
		.vl_measured = NAN,
		.vl_verdict = UNMEASURED
	};
	for (row = 0; row < MAXROWS && tg->tg_row[row] != NULL; row++) {
		if (!row_value(tg, tg->tg_row[row], &value, &unit)) {
			vl->vl_verdict = UNMEASURED;
			vl->vl_measured = NAN;
			vl->vl_where = tg->tg_row[row];
			return (true);
		}
		vl->vl_unit = unit;
		if (row == 0 || (tg->tg_atleast ? value < vl->vl_measured :
		    value > vl->vl_measured)) {
			vl->vl_measured = value;
			vl->vl_where = tg->tg_row[row];
		}
	}
	vl->vl_verdict = (tg->tg_atleast ?
	    vl->vl_measured >= tg->tg_limit :
	    vl->vl_measured <= tg->tg_limit) ? MET : MISSED;
	return (true);
}
