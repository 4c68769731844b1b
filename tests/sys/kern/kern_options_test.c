/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Words of the command line.
 */

#include <atf-c.h>

#include <string.h>

#include <sys/options.h>

static void
number_is(const char *s, bool size, uint64_t want)
{
	uint64_t got = want + 1;

	ATF_CHECK_MSG(options_number(s, (unsigned)strlen(s), size, &got) &&
	    got == want, "%s: %ju, not %ju", s, (uintmax_t)got,
	    (uintmax_t)want);
}

static void
number_refused(const char *s, bool size)
{
	uint64_t got = 4711;

	ATF_CHECK_MSG(!options_number(s, (unsigned)strlen(s), size, &got),
	    "%s: taken as %ju", s, (uintmax_t)got);
	ATF_CHECK_EQ(4711, got);
}

ATF_TC_WITHOUT_HEAD(numbers);
ATF_TC_BODY(numbers, tc)
{
	static const char *const bad[] = { "", "x", "0x", "-1", "+1", " 1",
	    "1 ", "1.5", "0xg", "18446744073709551616", "0x10000000000000000",
	    "k", "0xk", "16384p", "18014398509481984k", "16777216t" };
	size_t i;

	number_is("0", false, 0);
	number_is("4096", false, 4096);
	number_is("0x1000", false, 4096);
	number_is("0XfF", false, 255);
	number_is("18446744073709551615", false, UINT64_MAX);
	number_is("0xffffffffffffffff", false, UINT64_MAX);
	number_is("16k", true, 16384);
	number_is("0x10K", true, 16384);
	number_is("3m", true, 3 << 20);
	number_is("1G", true, 1 << 30);
	number_is("16777215t", true, (uint64_t)16777215 << 40);
	number_is("4096", true, 4096);
	number_refused("16k", false);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		number_refused(bad[i], false);
		number_refused(bad[i], true);
	}
}

ATF_TC_WITHOUT_HEAD(defaults);
ATF_TC_BODY(defaults, tc)
{
	unsigned len;

	options_parse("");
	ATF_CHECK_EQ(0, option_number(OPT_EXIT));
	ATF_CHECK_EQ(1, option_number(OPT_SEED));
	ATF_CHECK(option_number(OPT_AGE) > 0);
	ATF_CHECK(option_number(OPT_CPUS) >= 1);
	ATF_CHECK(!option_required("fdc"));
	ATF_CHECK_EQ(NULL, option_require(0, &len));
}

ATF_TC_WITHOUT_HEAD(words);
ATF_TC_BODY(words, tc)
{
	const char *s;
	unsigned len;

	/* Bad ones leave what is set; later ones win. */
	options_parse("  exit=1 age=5 seed=0x10  cpus=0 age=x nonsense =1 "
	    "seed= exit=2 require=fdc,,edu ");
	ATF_CHECK_EQ(1, option_number(OPT_EXIT));
	ATF_CHECK_EQ(5, option_number(OPT_AGE));
	ATF_CHECK_EQ(16, option_number(OPT_SEED));
	ATF_CHECK(option_number(OPT_CPUS) >= 1);
	ATF_CHECK(option_required("fdc"));
	ATF_CHECK(option_required("edu"));
	ATF_CHECK(!option_required("ed"));
	ATF_CHECK(!option_required("fdc,"));
	ATF_CHECK(!option_required(""));
	s = option_require(1, &len);
	ATF_CHECK(s != NULL && len == 3 && memcmp(s, "edu", 3) == 0);
	ATF_CHECK_EQ(NULL, option_require(2, &len));

	/* Sizes may have a suffix, where an option is one. */
	options_parse("take=16m edu.mask=0xfffff fill=100 fill=97 runs=0");
	ATF_CHECK_EQ(16 << 20, option_number(OPT_TAKE));
	ATF_CHECK_EQ(0xfffff, option_number(OPT_EDU_MASK));
	ATF_CHECK_EQ(97, option_number(OPT_FILL));
	ATF_CHECK_EQ(1, option_number(OPT_RUNS));
	options_parse("seed=1k take=1x edu.mask=7");
	ATF_CHECK_EQ(16, option_number(OPT_SEED));
	ATF_CHECK_EQ(16 << 20, option_number(OPT_TAKE));
	ATF_CHECK_EQ(0xfffff, option_number(OPT_EDU_MASK));

	/* Too long for its place: the old value stays. */
	options_parse("require=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	ATF_CHECK(option_required("fdc"));
	options_parse("require=");
	ATF_CHECK(!option_required("fdc"));
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, numbers);
	ATF_TP_ADD_TC(tp, defaults);
	ATF_TP_ADD_TC(tp, words);
	return (atf_no_error());
}
