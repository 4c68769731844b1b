/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What was measured, for people and for programs.
 */

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "vmbench.h"

const char *
contender_name(enum contender who)
{
	static const char *const name[] = {
		"extant", "bare", "spin", "dpdk"
	};

	return (name[who]);
}

void
size_format(psize_t size, char *buf, size_t len)
{
	static const char unit[] = "KMGTP";
	unsigned i;

	size /= KIB;
	for (i = 0; size % 1024 == 0 && size >= 1024 && unit[i + 1] != '\0';
	    i++)
		size /= 1024;
	snprintf(buf, len, "%" PRIu64 "%c", size, unit[i]);
}

/*
 * The table.  A workload at one size is a table of its own: its rows, and a
 * column for each metric of each contender, in the order of their appearance.
 */

#define	MAXCOLUMNS	16
#define	MAXROWS		64
#define	WIDTH		10

struct column {
	const char	*cl_metric;
	enum contender	cl_who;
	bool		cl_ratio;	/* extant's over this contender's */
};

struct table {
	const char	*tb_work;
	psize_t		tb_size;
	struct column	tb_column[MAXCOLUMNS];
	unsigned	tb_ncolumns;
	const char	*tb_row[MAXROWS];
	unsigned	tb_nrows;
};

static void
column_add(struct table *tb, const char *metric, enum contender who,
    bool ratio)
{
	struct column *cl;
	unsigned i;

	for (i = 0; i < tb->tb_ncolumns; i++) {
		cl = &tb->tb_column[i];
		if (strcmp(cl->cl_metric, metric) == 0 && cl->cl_who == who &&
		    cl->cl_ratio == ratio)
			return;
	}
	if (tb->tb_ncolumns == MAXCOLUMNS)
		return;
	cl = &tb->tb_column[tb->tb_ncolumns++];
	cl->cl_metric = metric;
	cl->cl_who = who;
	cl->cl_ratio = ratio;
}

static void
row_add(struct table *tb, const char *row)
{
	unsigned i;

	for (i = 0; i < tb->tb_nrows; i++) {
		if (strcmp(tb->tb_row[i], row) == 0)
			return;
	}
	if (tb->tb_nrows < MAXROWS)
		tb->tb_row[tb->tb_nrows++] = row;
}

/* Ratios stand behind the columns that they are of. */
static void
table_ratios(struct table *tb)
{
	unsigned i, n = tb->tb_ncolumns;

	for (i = 0; i < n; i++) {
		if (tb->tb_column[i].cl_who != EXTANT &&
		    strncmp(tb->tb_column[i].cl_metric, "ns", 2) == 0)
			column_add(tb, tb->tb_column[i].cl_metric,
			    tb->tb_column[i].cl_who, true);
	}
}

static void
value_format(double v, char *buf, size_t len)
{

	if (isinf(v))
		snprintf(buf, len, "failed");
	else if (v >= 10e6)
		snprintf(buf, len, "%.1fM", v / 1e6);
	else if (v >= 100e3)
		snprintf(buf, len, "%.0fk", v / 1e3);
	else if (v >= 100 || v == floor(v))
		snprintf(buf, len, "%.0f", v);
	else if (v >= 10)
		snprintf(buf, len, "%.1f", v);
	else
		snprintf(buf, len, "%.2f", v);
}

static void
column_title(const struct column *cl, char *line1, char *line2, size_t len)
{

	snprintf(line1, len, "%s%s", cl->cl_ratio ? "/ " : "",
	    contender_name(cl->cl_who));
	snprintf(line2, len, "%s", cl->cl_ratio ? "ratio" : cl->cl_metric);
}

static void
cell_format(const struct table *tb, const char *row, const struct column *cl,
    char *buf, size_t len)
{
	const struct result *r, *vs;

	snprintf(buf, len, "-");
	r = result_find(tb->tb_work, tb->tb_size, row, cl->cl_metric,
	    cl->cl_ratio ? EXTANT : cl->cl_who);
	if (r == NULL)
		return;
	if (!cl->cl_ratio) {
		value_format(result_median(r), buf, len);
		return;
	}
	vs = result_find(tb->tb_work, tb->tb_size, row, cl->cl_metric,
	    cl->cl_who);
	if (vs != NULL)
		snprintf(buf, len, "%.*f", result_ratio(r, vs) < 0.1 ? 4 : 2,
		    result_ratio(r, vs));
}

static void
table_print(FILE *fp, const struct table *tb)
{
	char title[2][24], cell[24], size[24];
	unsigned i, k, line;

	size_format(tb->tb_size, size, sizeof(size));
	fprintf(fp, "\n%s%s%s\n", tb->tb_work, tb->tb_size != 0 ? ", " : "",
	    tb->tb_size != 0 ? size : "");
	for (line = 0; line < 2; line++) {
		fprintf(fp, "%-26s", "");
		for (i = 0; i < tb->tb_ncolumns; i++) {
			column_title(&tb->tb_column[i], title[0], title[1],
			    sizeof(title[0]));
			fprintf(fp, " %*.*s", WIDTH, WIDTH + 6, title[line]);
		}
		fprintf(fp, "\n");
	}
	for (k = 0; k < tb->tb_nrows; k++) {
		fprintf(fp, "%-26s", tb->tb_row[k]);
		for (i = 0; i < tb->tb_ncolumns; i++) {
			cell_format(tb, tb->tb_row[k], &tb->tb_column[i], cell,
			    sizeof(cell));
			fprintf(fp, " %*s", WIDTH, cell);
		}
		fprintf(fp, "\n");
	}
}

/* The table that the first result from i on belongs to, if it is its first. */
static bool
table_make(struct table *tb, unsigned i)
{
	const struct result *first = result_get(i), *r;
	unsigned k;

	for (k = 0; k < i; k++) {
		r = result_get(k);
		if (strcmp(r->r_work, first->r_work) == 0 &&
		    r->r_size == first->r_size)
			return (false);
	}
	memset(tb, 0, sizeof(*tb));
	tb->tb_work = first->r_work;
	tb->tb_size = first->r_size;
	for (k = i; (r = result_get(k)) != NULL; k++) {
		if (strcmp(r->r_work, first->r_work) != 0 ||
		    r->r_size != first->r_size)
			continue;
		column_add(tb, r->r_metric, r->r_who, false);
		row_add(tb, r->r_row);
	}
	table_ratios(tb);
	return (true);
}

static void
verdict_print(FILE *fp, const struct verdict_line *vl)
{
	char limit[48], value[24];

	value_format(vl->vl_limit, value, sizeof(value));
	snprintf(limit, sizeof(limit), "%s %s %s%s%s",
	    vl->vl_atleast ? ">=" : "<=", value, vl->vl_unit,
	    vl->vl_versus == NULL ? "" : " ",
	    vl->vl_versus == NULL ? "" : vl->vl_versus);
	value_format(vl->vl_measured, value, sizeof(value));
	fprintf(fp, "%-4s %-32s %-26s %10s  %-6s  %s\n", vl->vl_id,
	    vl->vl_what, limit, value,
	    vl->vl_verdict == MET ? "met" : "MISSED", vl->vl_where);
}

static void
targets_print(FILE *fp)
{
	unsigned i, count[UNMEASURED + 1] = { 0 };
	struct verdict_line vl;
	const char *last = "";

	fprintf(fp, "\n%-4s %-32s %-26s %10s  %-6s  %s\n", "", "targets", "",
	    "measured", "", "worst row");
	for (i = 0; target_judge(i, &vl); i++) {
		count[vl.vl_verdict]++;
		if (vl.vl_verdict != UNMEASURED)
			verdict_print(fp, &vl);
	}
	fprintf(fp, "\n%u met, %u missed, %u not measured", count[MET],
	    count[MISSED], count[UNMEASURED]);
	for (i = 0; target_judge(i, &vl); i++) {
		if (vl.vl_verdict != UNMEASURED || strcmp(vl.vl_id, last) == 0)
			continue;
		fprintf(fp, "%s%s", *last == '\0' ? ": " : " ", vl.vl_id);
		last = vl.vl_id;
	}
	fprintf(fp, "\n");
}

void
output_table(FILE *fp)
{
	const char *name, *why;
	struct table tb;
	unsigned i;

	fprintf(fp, "vmbench: %u run%s, medians; %ld processors\n", opt.o_runs,
	    opt.o_runs == 1 ? "" : "s", sysconf(_SC_NPROCESSORS_ONLN));
	for (i = 0; result_get(i) != NULL; i++) {
		if (table_make(&tb, i))
			table_print(fp, &tb);
	}
	for (i = 0; (name = left_out(i, &why)) != NULL; i++)
		fprintf(fp, "\n%s: left out: %s\n", name, why);
	targets_print(fp);
}

/*
 * JSON.
 */

/* A request that failed has no time. */
static json_t *
number(double v)
{

	return (isfinite(v) ? json_real(v) : json_null());
}

static json_t *
result_json(const struct result *r)
{
	json_t *runs = json_array();
	unsigned i;

	for (i = 0; i < r->r_n; i++)
		json_array_append_new(runs, number(r->r_value[i]));
	return (json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:o, s:o}",
	    "workload", r->r_work, "size", (json_int_t)r->r_size,
	    "row", r->r_row, "metric", r->r_metric, "unit", r->r_unit,
	    "contender", contender_name(r->r_who),
	    "median", number(result_median(r)), "runs", runs));
}

static json_t *
verdict_json(const struct verdict_line *vl)
{

	return (json_pack("{s:s, s:s, s:s, s:s, s:s?, s:f, s:o, s:s?, s:s}",
	    "id", vl->vl_id, "what", vl->vl_what, "unit", vl->vl_unit,
	    "compare", vl->vl_atleast ? ">=" : "<=",
	    "versus", vl->vl_versus, "limit", vl->vl_limit,
	    "measured", number(vl->vl_measured), "row", vl->vl_where,
	    "verdict", vl->vl_verdict == MET ? "met" :
	    vl->vl_verdict == MISSED ? "missed" : "not measured"));
}

int
output_json(FILE *fp)
{
	json_t *results = json_array(), *verdicts = json_array(), *top;
	json_t *left = json_object();
	const char *name, *why;
	struct verdict_line vl;
	const struct result *r;
	unsigned i;
	int error;

	for (i = 0; (r = result_get(i)) != NULL; i++)
		json_array_append_new(results, result_json(r));
	for (i = 0; target_judge(i, &vl); i++)
		json_array_append_new(verdicts, verdict_json(&vl));
	for (i = 0; (name = left_out(i, &why)) != NULL; i++)
		json_object_set_new(left, name, json_string(why));
	top = json_pack("{s:s, s:i, s:i, s:i, s:I, s:b, s:b, s:o, s:o, s:o}",
	    "program", "vmbench", "version", 1, "runs", (int)opt.o_runs,
	    "processors", (int)sysconf(_SC_NPROCESSORS_ONLN),
	    "seed", (json_int_t)opt.o_seed, "quick", opt.o_quick,
	    "smallpages", opt.o_smallpages,
	    "left out", left, "results", results, "targets", verdicts);
	if (top == NULL)
		return (-1);
	error = json_dumpf(top, fp, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	json_decref(top);
	fprintf(fp, "\n");
	return (error);
}
