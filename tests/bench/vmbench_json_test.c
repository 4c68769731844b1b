/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What vmbench says in JSON: every workload and every target is there, and a
 * verdict agrees with its number.  No times are looked at: they are the
 * machine's, not ours.
 */

#include <atf-c.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define	NELEM(a)	(sizeof(a) / sizeof((a)[0]))

static const char *
string_of(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	ATF_REQUIRE_MSG(s != NULL, "no string %s", key);
	return (s);
}

static bool
is(json_t *o, const char *key, const char *value)
{

	return (strcmp(string_of(o, key), value) == 0);
}

static json_t *
array_of(json_t *o, const char *key)
{
	json_t *a = json_object_get(o, key);

	ATF_REQUIRE_MSG(json_is_array(a), "no array %s", key);
	return (a);
}

/* Run vmbench with those options; the document it writes. */
static json_t *
document(const atf_tc_t *tc, const char *options)
{
	char command[4 * PATH_MAX];
	json_error_t error;
	json_t *top;
	int status;

	snprintf(command, sizeof(command), "%s/tests/bench/vmbench -j -o json "
	    "-T %s/tests/bench/traces/compile.xt.xz %s",
	    atf_tc_get_config_var(tc, "objdir"),
	    atf_tc_get_config_var(tc, "srctop"), options);
	status = system(command);
	ATF_REQUIRE_EQ_MSG(status, 0, "%s: status %#x", command, status);
	top = json_load_file("json", JSON_REJECT_DUPLICATES, &error);
	ATF_REQUIRE_MSG(top != NULL, "line %d: %s", error.line, error.text);
	ATF_REQUIRE(is(top, "program", "vmbench"));
	ATF_REQUIRE_EQ(json_integer_value(json_object_get(top, "version")), 1);
	return (top);
}

/* How many results of a workload there are. */
static unsigned
results_of(json_t *top, const char *work)
{
	json_t *r;
	unsigned n = 0;
	size_t i;

	json_array_foreach(array_of(top, "results"), i, r)
		n += is(r, "workload", work);
	return (n);
}

/* Of metrics that are times: there is one, and it is not nothing. */
static void
result_check(json_t *r, json_int_t runs)
{
	static const char *const metric[] = {
		"ns", "ns/event", "p50", "p99", "max", "loop", "us"
	};
	json_t *median = json_object_get(r, "median");
	unsigned i;

	ATF_CHECK_MSG(json_is_real(median), "%s, %s has no %s",
	    string_of(r, "workload"), string_of(r, "row"),
	    string_of(r, "metric"));
	for (i = 0; i < NELEM(metric); i++) {
		if (!is(r, "metric", metric[i]))
			continue;
		ATF_CHECK_MSG(json_real_value(median) > 0, "%s, %s: %s is 0",
		    string_of(r, "workload"), string_of(r, "row"),
		    string_of(r, "metric"));
		ATF_CHECK_EQ((json_int_t)json_array_size(array_of(r, "runs")),
		    runs);
	}
	if (is(r, "metric", "failed"))
		ATF_CHECK_EQ(json_real_value(median), 0);
}

/* A verdict agrees with what was measured.  => was it measured? */
static bool
target_check(json_t *t)
{
	double limit = json_real_value(json_object_get(t, "limit"));
	json_t *measured = json_object_get(t, "measured");
	double v = json_real_value(measured);
	bool met;

	if (is(t, "verdict", "not measured")) {
		ATF_CHECK(json_is_null(measured));
		return (false);
	}
	ATF_REQUIRE_MSG(json_is_real(measured), "%s: no number",
	    string_of(t, "id"));
	met = is(t, "compare", ">=") ? v >= limit : v <= limit;
	ATF_CHECK_STREQ(string_of(t, "verdict"), met ? "met" : "missed");
	return (true);
}

/* How many targets of that name were measured; at least one must exist. */
static unsigned
targets_measured(json_t *top, const char *id)
{
	unsigned n = 0, found = 0;
	json_t *t;
	size_t i;

	json_array_foreach(array_of(top, "targets"), i, t) {
		if (!is(t, "id", id))
			continue;
		found++;
		n += target_check(t);
	}
	ATF_CHECK_MSG(found != 0, "no target %s", id);
	return (n);
}

ATF_TC(workloads);
ATF_TC_HEAD(workloads, tc)
{

	atf_tc_set_md_var(tc, "descr", "every workload reports; at other "
	    "sizes than theirs targets are not measured");
	atf_tc_set_md_var(tc, "timeout", "1800");
}
ATF_TC_BODY(workloads, tc)
{
	static const char *const work[] = {
		"repeat", "bulk", "random", "churn", "constrained",
		"adversarial", "contended", "age", "threads", "replay",
		"start"
	};
	static const char *const who[] = { "extant", "bare", "spin" };
	json_t *top = document(tc, "-q -s 256m -c 256m -S 256m,1g"), *r;
	json_int_t runs = json_integer_value(json_object_get(top, "runs"));
	unsigned n[NELEM(who)] = { 0 }, w;
	size_t i;

	for (w = 0; w < NELEM(work); w++)
		ATF_CHECK_MSG(results_of(top, work[w]) != 0, "no result of %s",
		    work[w]);
	json_array_foreach(array_of(top, "results"), i, r) {
		result_check(r, runs);
		for (w = 0; w < NELEM(who); w++)
			n[w] += is(r, "contender", who[w]);
	}
	for (w = 0; w < NELEM(who); w++)
		ATF_CHECK_MSG(n[w] != 0, "nothing of %s", who[w]);
	ATF_CHECK_EQ(targets_measured(top, "P1"), 0);
	ATF_CHECK_EQ(targets_measured(top, "P5"), 0);
	ATF_CHECK_EQ(targets_measured(top, "P11"), 0);
	json_decref(top);
}

ATF_TC(verdicts);
ATF_TC_HEAD(verdicts, tc)
{

	atf_tc_set_md_var(tc, "descr", "a verdict agrees with its number");
	atf_tc_set_md_var(tc, "timeout", "1800");
}
ATF_TC_BODY(verdicts, tc)
{
	static const char *const id[] = {
		"P1", "P2", "P3", "P4", "P5", "P6", "P7", "P7b", "P8", "P9",
		"P10", "P11", "P12", "P13", "P14"
	};
	json_t *top = document(tc, "-q -n 2 -w repeat,bulk,start -s 16g "
	    "-S 64g");
	unsigned i, n = 0;

	for (i = 0; i < NELEM(id); i++)
		n += targets_measured(top, id[i]);
	/* P1 and P3 have two lines each, and a limit of 64 GiB P10 and P11. */
	ATF_CHECK_EQ(n, 6);
	json_decref(top);
}

ATF_TC(alone);
ATF_TC_HEAD(alone, tc)
{

	atf_tc_set_md_var(tc, "descr", "without the free lists no ratios");
}
ATF_TC_BODY(alone, tc)
{
	json_t *top = document(tc, "-eq -w repeat -s 16g"), *r;
	size_t i;

	ATF_CHECK(results_of(top, "repeat") != 0);
	json_array_foreach(array_of(top, "results"), i, r)
		ATF_CHECK_STREQ(string_of(r, "contender"), "extant");
	ATF_CHECK_EQ(targets_measured(top, "P1"), 0);
	json_decref(top);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, workloads);
	ATF_TP_ADD_TC(tp, verdicts);
	ATF_TP_ADD_TC(tp, alone);
	return (atf_no_error());
}
