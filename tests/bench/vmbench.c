/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * vmbench(1): measures the allocator beside the free lists it is to replace.
 */

#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vm/vm_physseg.h>

#include "machine.h"
#include "ticks.h"
#include "vmbench.h"

#define	MAXRUNS		1000
#define	SIZE_MIN	FRAGMENT_MIN
#define	SIZE_MAX_	(4 * TIB)

struct options opt = {
	.o_mapsize = 16 * GIB,
	.o_seed = 1
};

static const struct workload {
	const char	*wl_name;
	void		(*wl_fn)(void);
	const char	*wl_what;
} workloads[] = {
	{ "repeat", work_repeat, "one page allocated and freed" },
	{ "bulk", work_bulk, "all pages allocated, all freed in order" },
	{ "random", work_random,
	    "all pages freed at random, half allocated again" },
	{ "churn", work_churn, "random frees and allocations when 50, 90 and "
	    "99 % are allocated" },
	{ "constrained", work_constrained,
	    "requests on a fragmented map, hot and cold" },
	{ "adversarial", work_adversarial,
	    "requests on maps made to defeat the search" },
	{ "contended", work_contended,
	    "requests that fail while other threads work" },
	{ "age", work_age, "runs that are left after long churn" },
	{ "threads", work_threads, "single pages on several threads" },
	{ "replay", work_replay, "recorded traces" },
	{ "start", work_start, "from nothing to the first page; metadata" },
#ifdef HAVE_DPDK
	{ "dpdk", work_dpdk, "requests beside those of DPDK" }
#else
	{ "dpdk", NULL, "requests beside those of DPDK (not built in)" }
#endif
};

static bool chosen[NELEM(workloads)];
static const char *why_not[NELEM(workloads)];

static const char *out_file;		/* NULL: standard output */
static bool out_json;

static _Noreturn void
usage(void)
{

	fprintf(stderr, "usage: vmbench [-ejpqv] [-c size] [-n runs] [-o file] "
	    "[-r seed]\n"
	    "               [-S size[,size ...]] [-s size[,size ...]] "
	    "[-T trace] [-t threads]\n"
	    "               [-w workload[,workload ...]]\n"
	    "       vmbench -l\n");
	exit(1);
}

void
progress(const char *work, psize_t size, unsigned run)
{
	char buf[32];

	if (!opt.o_verbose)
		return;
	size_format(size, buf, sizeof(buf));
	fprintf(stderr, "vmbench: %s%s%s, run %u of %u\n", work,
	    size != 0 ? ", " : "", size != 0 ? buf : "", run + 1, opt.o_runs);
}

static uint64_t
number(const char *what, const char *s, uint64_t min, uint64_t max)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(s, &end, 10);
	if (s[0] < '0' || s[0] > '9' || *end != '\0' || errno != 0)
		errx(1, "%s is not a number: %s", what, s);
	if (n < min || n > max)
		errx(1, "%s is not between %llu and %llu: %s", what,
		    (unsigned long long)min, (unsigned long long)max, s);
	return (n);
}

/* A size of memory: a number and k, m, g or t. */
static psize_t
size_parse(const char *s)
{
	static const char unit[] = "kmgt";
	unsigned long long n;
	const char *u;
	unsigned shift = 0;
	char *end, c;

	errno = 0;
	n = strtoull(s, &end, 10);
	if (s[0] < '0' || s[0] > '9' || errno != 0)
		errx(1, "not a size: %s", s);
	if (*end != '\0') {
		c = (char)(*end | 0x20);
		u = strchr(unit, c);
		if (u == NULL || end[1] != '\0')
			errx(1, "not a size: %s", s);
		shift = 10 * (unsigned)(u - unit + 1);
	}
	if (n > SIZE_MAX_ >> shift || n << shift < SIZE_MIN)
		errx(1, "size is not between 256m and 4t: %s", s);
	if ((n << shift) % (2 * MIB) != 0)
		errx(1, "size is not a multiple of 2m: %s", s);
	return (n << shift);
}

/* Sizes with commas between; how many. */
static unsigned
sizes_parse(char *s, psize_t size[MAXSIZES])
{
	unsigned n = 0;
	char *word;

	while ((word = strsep(&s, ",")) != NULL) {
		if (n == MAXSIZES)
			errx(1, "more than %d sizes", MAXSIZES);
		size[n++] = size_parse(word);
	}
	return (n);
}

static void
workloads_parse(char *s)
{
	unsigned i;
	char *word;

	while ((word = strsep(&s, ",")) != NULL) {
		for (i = 0; i < NELEM(workloads); i++) {
			if (strcmp(word, workloads[i].wl_name) == 0)
				break;
		}
		if (i == NELEM(workloads))
			errx(1, "no such workload: %s (-l lists them)", word);
		chosen[i] = true;
	}
}

static void
workloads_list(void)
{
	unsigned i;

	for (i = 0; i < NELEM(workloads); i++)
		printf("%-12s %s\n", workloads[i].wl_name,
		    workloads[i].wl_what);
}

/* Why a workload cannot be measured, or NULL. */
static const char *
obstacle(void (*fn)(void))
{

	if (fn == NULL)
		return ("DPDK was not installed when vmbench was built");
	if (fn == work_replay && opt.o_ntraces == 0)
		return ("no trace is given (-T)");
	return (NULL);
}

const char *
left_out(unsigned i, const char **whyp)
{
	unsigned w, n = 0;

	for (w = 0; w < NELEM(workloads); w++) {
		if (why_not[w] == NULL || n++ != i)
			continue;
		*whyp = why_not[w];
		return (workloads[w].wl_name);
	}
	return (NULL);
}

/* What the command line left open. */
static void
defaults(void)
{
	static const psize_t size[] = { GIB, 16 * GIB, 64 * GIB };
	static const psize_t start[] = { GIB, 16 * GIB, 64 * GIB, TIB };
	unsigned i;
	bool any = false;

	if (opt.o_runs == 0)
		opt.o_runs = opt.o_quick ? 1 : 5;
	if (opt.o_threads == 0) {
		opt.o_threads = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
		if (opt.o_threads < 2)
			opt.o_threads = 2;
		if (opt.o_threads > MAXTHREADS)
			opt.o_threads = MAXTHREADS;
	}
	if (opt.o_nsizes == 0) {
		opt.o_nsizes = opt.o_quick ? 2 : NELEM(size);
		memcpy(opt.o_size, size, sizeof(size));
	}
	if (opt.o_nstart == 0) {
		opt.o_nstart = NELEM(start);
		memcpy(opt.o_start, start, sizeof(start));
	}
	for (i = 0; i < NELEM(workloads); i++)
		any = any || chosen[i];
	for (i = 0; i < NELEM(workloads); i++) {
		if (any && !chosen[i])
			continue;
		why_not[i] = obstacle(workloads[i].wl_fn);
		if (any && why_not[i] != NULL)
			errx(1, "%s: %s", workloads[i].wl_name, why_not[i]);
		chosen[i] = why_not[i] == NULL;
	}
}

static void
nothing(const char *line)
{

	(void)line;
}

/* An option that has an argument. */
static void
option_argument(int c, char *arg)
{

	switch (c) {
	case 'c':
		opt.o_mapsize = size_parse(arg);
		break;
	case 'n':
		opt.o_runs = (unsigned)number("runs", arg, 1, MAXRUNS);
		break;
	case 'o':
		out_file = arg;
		break;
	case 'r':
		opt.o_seed = number("seed", arg, 0, UINT32_MAX);
		break;
	case 'S':
		opt.o_nstart = sizes_parse(arg, opt.o_start);
		break;
	case 's':
		opt.o_nsizes = sizes_parse(arg, opt.o_size);
		break;
	case 'T':
		if (opt.o_ntraces == MAXTRACES)
			errx(1, "more than %d traces", MAXTRACES);
		opt.o_trace[opt.o_ntraces++] = arg;
		break;
	case 't':
		opt.o_threads = (unsigned)number("threads", arg, 2,
		    MAXTHREADS);
		break;
	case 'w':
		workloads_parse(arg);
		break;
	default:
		usage();
	}
}

static void
options_parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "c:ejln:o:pqr:S:s:T:t:vw:")) != -1) {
		switch (c) {
		case 'e':
			opt.o_alone = true;
			break;
		case 'j':
			out_json = true;
			break;
		case 'l':
			workloads_list();
			exit(0);
		case 'p':
			opt.o_smallpages = true;
			break;
		case 'q':
			opt.o_quick = true;
			break;
		case 'v':
			opt.o_verbose = true;
			break;
		default:
			option_argument(c, optarg);
		}
	}
	if (optind != argc)
		usage();
	defaults();
}

static void
output(FILE *fp)
{

	if (!out_json)
		output_table(fp);
	else if (output_json(fp) != 0)
		errx(1, "cannot write JSON");
	if (fflush(fp) != 0 || ferror(fp))
		err(1, "%s", out_file == NULL ? "standard output" : out_file);
}

int
main(int argc, char **argv)
{
	unsigned i;
	FILE *fp;

	options_parse(argc, argv);
	/* Before minutes go by. */
	fp = out_file == NULL ? stdout : fopen(out_file, "w");
	if (fp == NULL)
		err(1, "%s", out_file);

	/* What the allocator says of maps and frees is not what we ask for. */
	usermode_console(nothing);
	vm_owner_tags = false;
	ticks_calibrate();
	for (i = 0; i < NELEM(workloads); i++) {
		if (chosen[i])
			workloads[i].wl_fn();
	}
	output(fp);
	return (0);
}
