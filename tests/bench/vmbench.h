/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * vmbench(1): what its files share.
 */

#ifndef _VMBENCH_H_
#define	_VMBENCH_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <vm/vm_types.h>

#define	KIB		((psize_t)1 << 10)
#define	MIB		((psize_t)1 << 20)
#define	GIB		((psize_t)1 << 30)
#define	TIB		((psize_t)1 << 40)

#define	NELEM(a)	(sizeof(a) / sizeof((a)[0]))

/*
 * Who is measured: the allocator, and the free lists that it is compared
 * with (freelist.h).
 */
enum contender {
	EXTANT,
	BARE,
	SPIN,
	NCONTENDER,		/* that take part in everything */
	DPDK = NCONTENDER
};

#define	MAXSIZES	8
#define	MAXTRACES	8
#define	MAXTHREADS	32	/* the main one has a queue too */

/* What the command line asks for. */
struct options {
	unsigned	o_runs;
	psize_t		o_size[MAXSIZES];	/* single pages */
	unsigned	o_nsizes;
	psize_t		o_mapsize;		/* everything else */
	psize_t		o_start[MAXSIZES];	/* start-up */
	unsigned	o_nstart;
	unsigned	o_threads;
	uint64_t	o_seed;
	const char	*o_trace[MAXTRACES];
	unsigned	o_ntraces;
	bool		o_alone;	/* no free lists */
	bool		o_quick;
	bool		o_smallpages;
	bool		o_verbose;
};

extern struct options opt;

/* How many of the contenders take part, from the first on. */
static inline unsigned
ncontenders(void)
{

	return (opt.o_alone ? EXTANT + 1 : NCONTENDER);
}

/*
 * The workloads.  Each takes all of its runs and notes what it measured.
 */
void	work_repeat(void);
void	work_bulk(void);
void	work_random(void);
void	work_churn(void);
void	work_constrained(void);
void	work_adversarial(void);
void	work_contended(void);
void	work_age(void);
void	work_threads(void);
void	work_replay(void);
void	work_start(void);
void	work_dpdk(void);

/* left_out: the i-th workload that is left out, and why; NULL: no more. */
const char *left_out(unsigned i, const char **whyp);

/* progress: say on stderr what is done, with -v. */
void	progress(const char *work, psize_t size, unsigned run);

/*
 * Results (result.c).  A result is the value of one metric of one row of one
 * workload, for one contender, a value a run.
 */
struct result {
	const char	*r_work;
	psize_t		r_size;		/* of memory; 0: does not matter */
	char		r_row[32];
	const char	*r_metric;
	const char	*r_unit;
	enum contender	r_who;
	unsigned	r_n;
	double		*r_value;	/* INFINITY: the request failed */
};

/*
 * result_note: the value of one more run.  work, metric and unit are kept as
 * they are, row is copied.
 * result_find: that result, or NULL.
 * result_get: the i-th result in the order they were noted first, or NULL.
 * result_median: of its runs.
 * result_ratio: the median of the ratios of each run.
 */
void	result_note(const char *work, psize_t size, const char *row,
	    const char *metric, const char *unit, enum contender who,
	    double value);
const struct result *result_find(const char *work, psize_t size,
	    const char *row, const char *metric, enum contender who);
const struct result *result_get(unsigned i);
double	result_median(const struct result *r);
double	result_ratio(const struct result *over, const struct result *under);

/*
 * Many times of one thing.
 */
struct samples {
	uint64_t	*s_ticks;
	size_t		s_n;
	size_t		s_max;
};

/*
 * samples_init: room for max of them.
 * samples_add: one more, in ticks; dropped when there is no room.
 * samples_percentile: in nanoseconds, less what looking at the clock takes;
 * sorts.  p from 0 to 100.
 */
void	samples_init(struct samples *s, size_t max);
void	samples_add(struct samples *s, uint64_t ticks);
double	samples_percentile(struct samples *s, double p);
void	samples_free(struct samples *s);
double	median(double *v, size_t n);

/*
 * The targets (target.c).
 */
enum verdict {
	MET,
	MISSED,
	UNMEASURED
};

struct verdict_line {
	const char	*vl_id;
	const char	*vl_what;
	const char	*vl_unit;	/* "x": a ratio */
	const char	*vl_versus;	/* of what, or NULL */
	double		vl_limit;
	bool		vl_atleast;	/* else at most */
	double		vl_measured;	/* the worst row */
	const char	*vl_where;	/* which one that is */
	enum verdict	vl_verdict;
};

/* target_judge: the i-th target; false: there are no more. */
bool	target_judge(unsigned i, struct verdict_line *vl);

/* Output (output.c). */
const char *contender_name(enum contender who);
void	size_format(psize_t size, char *buf, size_t len);
void	output_table(FILE *fp);
int	output_json(FILE *fp);

#endif /* !_VMBENCH_H_ */
