/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <stdint.h>
#include <string.h>

#include <atf-c.h>

#include "number.h"

ATF_TC_WITHOUT_HEAD(parse);
ATF_TC_BODY(parse, tc)
{
	static const struct {
		const char	*text;
		uint64_t	value;
	} good[] = {
		{ "0", 0 }, { "1", 1 }, { "010", 10 }, { "4096", 4096 },
		{ "16k", 16384 }, { "16K", 16384 }, { "3m", 3 << 20 },
		{ "2g", 2ULL << 30 }, { "1T", 1ULL << 40 },
		{ "4p", 4ULL << 50 }, { "0x10", 16 }, { "0XfF", 255 },
		{ "0x10k", 16384 }, { "0xffffffffffffffff", UINT64_MAX },
		{ "18446744073709551615", UINT64_MAX },
		{ "16383p", 16383ULL << 50 },
	};
	const char *why;
	uint64_t value;
	unsigned i;

	(void)tc;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		value = 1234567;
		ATF_CHECK_MSG(number_parse(good[i].text, &value, &why) &&
		    value == good[i].value && why == NULL, "%s is %ju",
		    good[i].text, (uintmax_t)value);
	}
}

ATF_TC_WITHOUT_HEAD(parse_bad);
ATF_TC_BODY(parse_bad, tc)
{
	static const struct {
		const char	*text;
		const char	*why;
	} bad[] = {
		{ "", "not a number" }, { "k", "not a number" },
		{ "0x", "not a number" }, { "0xk", "not a number" },
		{ "-1", "not a number" }, { "+1", "not a number" },
		{ " 1", "not a number" }, { "abc", "not a number" },
		{ "1 ", "junk after the number" },
		{ "1kb", "junk after the number" },
		{ "1kk", "junk after the number" },
		{ "12q", "junk after the number" },
		{ "1.5m", "junk after the number" },
		{ "0x1g2", "junk after the number" },
		{ "18446744073709551616", "number too large" },
		{ "0x10000000000000000", "number too large" },
		{ "99999999999999999999999999", "number too large" },
		{ "16384p", "number too large" },
		{ "18014398509481984k", "number too large" },
	};
	const char *why;
	uint64_t value;
	unsigned i;

	(void)tc;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		value = 99;
		why = NULL;
		ATF_CHECK_MSG(!number_parse(bad[i].text, &value, &why),
		    "\"%s\" taken", bad[i].text);
		ATF_CHECK_MSG(why != NULL && strcmp(why, bad[i].why) == 0,
		    "\"%s\": %s", bad[i].text, why);
		ATF_CHECK_EQ(value, 99);
	}
}

ATF_TC_WITHOUT_HEAD(format);
ATF_TC_BODY(format, tc)
{
	static const struct {
		uint64_t	value;
		const char	*text;
	} good[] = {
		{ 0, "0" }, { 1023, "1023" }, { 1024, "1K" },
		{ 4096, "4K" }, { 1536, "1.5K" }, { 1023 << 10, "1023K" },
		{ (1 << 20) - 1, "1023.9K" }, { 1 << 20, "1M" },
		{ 640 << 10, "640K" }, { (32 << 20) - 4096, "31.9M" },
		{ 3ULL << 30, "3G" }, { 1ULL << 40, "1T" },
		{ 1ULL << 52, "4P" }, { UINT64_MAX, "16383.9P" },
	};
	char buf[NUMBER_LEN];
	unsigned i;

	(void)tc;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ATF_CHECK_STREQ(number_format(good[i].value, buf),
		    good[i].text);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, parse);
	ATF_TP_ADD_TC(tp, parse_bad);
	ATF_TP_ADD_TC(tp, format);
	return (atf_no_error());
}
