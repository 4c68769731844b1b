/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of claims: who has what, and what is said to the second of two.
 */

#include <atf-c.h>
#include <errno.h>
#include <string.h>

#include <sys/claim.h>

#include "vm_testlib.h"

static struct claims ports;

static void
start(void)
{

	console_catch();
	claims_init(&ports, "ioport", 0, 0xffff);
}

static const char *
owner(exaddr_t at)
{
	const char *who = claim_owner(&ports, at);

	return (who == NULL ? "nobody" : who);
}

ATF_TC_WITHOUT_HEAD(conflict);
ATF_TC_BODY(conflict, tc)
{

	start();
	ATF_REQUIRE_EQ(0, claim_region(&ports, 0x3f0, 6, "fdc0"));
	ATF_REQUIRE_EQ(0, claim_region(&ports, 0x3f8, 8, "com0"));
	ATF_CHECK_EQ(0, console_lines());
	ATF_CHECK_EQ(EBUSY, claim_region(&ports, 0x3f5, 1, "fdc1"));
	ATF_CHECK_STREQ("ioport: 0x3f5 size 0x1 for fdc1 refused: "
	    "0x3f0 - 0x3f5 is fdc0\n", console_text());
	console_clear();
	/* Of several the lowest is told. */
	ATF_CHECK_EQ(EBUSY, claim_region(&ports, 0x3e0, 0x100, "odd"));
	ATF_CHECK(strstr(console_text(), "is fdc0\n") != NULL);
	ATF_CHECK_STREQ("fdc0", owner(0x3f0));
	ATF_CHECK_STREQ("fdc0", owner(0x3f5));
	ATF_CHECK_STREQ("nobody", owner(0x3f6));
	ATF_CHECK_STREQ("com0", owner(0x3ff));
	/* Given back, it is the next one's. */
	ATF_CHECK_EQ(EINVAL, claim_release(&ports, 0x3f1));
	ATF_CHECK_EQ(0, claim_release(&ports, 0x3f0));
	ATF_CHECK_EQ(EINVAL, claim_release(&ports, 0x3f0));
	ATF_CHECK_EQ(0, claim_region(&ports, 0x3f5, 1, "fdc1"));
	ATF_CHECK_STREQ("fdc1", owner(0x3f5));
	ATF_CHECK_STREQ("com0", owner(0x3f8));
	console_clear();
	claims_print();
	ATF_CHECK_STREQ("ioport: 0x3f5 - 0x3f5 fdc1\n"
	    "ioport: 0x3f8 - 0x3ff com0\n", console_text());
}

ATF_TC_WITHOUT_HEAD(hostile);
ATF_TC_BODY(hostile, tc)
{
	exaddr_t at = 7;

	start();
	ATF_CHECK_EQ(EINVAL, claim_region(&ports, 0x10000, 1, "odd"));
	ATF_CHECK_STREQ("ioport: 0x10000 size 0x1 for odd refused: "
	    "0x0 - 0xffff is all there is\n", console_text());
	ATF_CHECK_EQ(EINVAL, claim_region(&ports, 0, 0, "odd"));
	ATF_CHECK_EQ(EINVAL, claim_region(&ports, 1, UINT64_MAX, "odd"));
	ATF_CHECK_EQ(EINVAL, claim_rest(&ports, 2, 1, "odd"));
	ATF_CHECK_EQ(EINVAL, claim_alloc(&ports, 0, 1, 0, 1, "odd", &at));
	ATF_CHECK_EQ(EINVAL, claim_alloc(&ports, 0, 9, 1, 3, "odd", &at));
	ATF_CHECK_EQ(7, at);
	ATF_CHECK_EQ(0, claim_region(&ports, 1, 1,
	    "a name that is longer than others"));
	ATF_CHECK_STREQ("a name that is longer t", owner(1));
	ATF_CHECK_STREQ("nobody", owner(UINT64_MAX));
}

ATF_TC_WITHOUT_HEAD(rest);
ATF_TC_BODY(rest, tc)
{
	exaddr_t at;

	start();
	ATF_REQUIRE_EQ(0, claim_region(&ports, 0x10, 0x10, "a"));
	ATF_REQUIRE_EQ(0, claim_region(&ports, 0x30, 0x10, "b"));
	ATF_REQUIRE_EQ(0, claim_rest(&ports, 0x18, 0x4f, "rest"));
	ATF_CHECK_STREQ("nobody", owner(0xf));
	ATF_CHECK_STREQ("a", owner(0x1f));
	ATF_CHECK_STREQ("rest", owner(0x20));
	ATF_CHECK_STREQ("rest", owner(0x2f));
	ATF_CHECK_STREQ("b", owner(0x30));
	ATF_CHECK_STREQ("rest", owner(0x40));
	ATF_CHECK_STREQ("nobody", owner(0x50));
	/* Nothing is left; up to the end. */
	ATF_CHECK_EQ(0, claim_rest(&ports, 0x10, 0x4f, "more"));
	ATF_CHECK_EQ(0, claim_rest(&ports, 0x50, 0xffff, "more"));
	ATF_CHECK_STREQ("more", owner(0xffff));
	ATF_CHECK_EQ(0, claim_alloc(&ports, 0, 0xffff, 0x10, 1, "last", &at));
	ATF_CHECK_EQ(0, at);
	ATF_CHECK_EQ(EAGAIN, claim_alloc(&ports, 0, 0xffff, 1, 1, "none",
	    &at));
	ATF_CHECK_EQ(0, console_lines());
}

ATF_TC_WITHOUT_HEAD(full);
ATF_TC_BODY(full, tc)
{
	exaddr_t at;
	unsigned i;

	start();
	for (i = 0; i < CLAIM_MAX; i++)
		ATF_REQUIRE_EQ(0, claim_region(&ports, 2 * i, 1, "one"));
	ATF_CHECK_EQ(0, console_lines());
	ATF_CHECK_EQ(ENOMEM, claim_region(&ports, 0x8001, 1, "more"));
	ATF_CHECK_STREQ("ioport: 0x8001 size 0x1 for more refused: "
	    "0x0 - 0xffff is full of claims\n", console_text());
	ATF_CHECK_EQ(ENOMEM, claim_alloc(&ports, 0, 0xffff, 1, 1, "more",
	    &at));
	ATF_CHECK_STREQ("nobody", owner(0x8001));
	for (i = 0; i < CLAIM_MAX; i++)
		ATF_REQUIRE_EQ(0, claim_release(&ports, 2 * i));
	ATF_CHECK_EQ(0, claim_region(&ports, 0, 0x10000, "all"));
	ATF_CHECK(extent_check(ports.cl_extent) == NULL);
}

/* An error changes nothing, even where some pieces could be had. */
ATF_TC_WITHOUT_HEAD(rest_refused);
ATF_TC_BODY(rest_refused, tc)
{
	unsigned i;

	start();
	ATF_REQUIRE_EQ(0, claim_region(&ports, 0xfff0, 4, "a"));
	ATF_CHECK_EQ(EINVAL, claim_rest(&ports, 0xffe0, 0x10000, "rest"));
	ATF_CHECK_EQ(1, console_lines());
	ATF_CHECK_STREQ("nobody", owner(0xffe0));
	ATF_CHECK_EQ(EINVAL, claim_rest(&ports, 0xffe0, UINT64_MAX, "rest"));
	ATF_CHECK_STREQ("nobody", owner(0xffe0));
	console_clear();
	for (i = 0; i < CLAIM_MAX - 2; i++)
		ATF_REQUIRE_EQ(0, claim_region(&ports, 2 * i, 1, "one"));
	ATF_CHECK_EQ(ENOMEM, claim_rest(&ports, 0, 4, "rest"));
	ATF_CHECK_STREQ("ioport: 0x0 size 0x5 for rest refused: "
	    "0x0 - 0xffff is full of claims\n", console_text());
	ATF_CHECK_STREQ("nobody", owner(1));
	ATF_CHECK_STREQ("nobody", owner(3));
	ATF_CHECK_EQ(0, claim_rest(&ports, 0, 2, "rest"));
	ATF_CHECK_STREQ("rest", owner(1));
	ATF_CHECK_EQ(0, claim_rest(&ports, 0, 2, "none is left"));
}

/* All numbers there are, whose count is not a number. */
ATF_TC_WITHOUT_HEAD(rest_of_all);
ATF_TC_BODY(rest_of_all, tc)
{
	static struct claims all;

	start();
	claims_init(&all, "all", 0, UINT64_MAX);
	ATF_CHECK_EQ(0, claim_rest(&all, 0, UINT64_MAX, "rest"));
	ATF_CHECK_STREQ("rest", claim_owner(&all, 0));
	ATF_CHECK_STREQ("rest", claim_owner(&all, UINT64_MAX));
	ATF_CHECK_EQ(EBUSY, claim_region(&all, (exaddr_t)1 << 63, 1, "a"));
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, conflict);
	ATF_TP_ADD_TC(tp, hostile);
	ATF_TP_ADD_TC(tp, rest);
	ATF_TP_ADD_TC(tp, full);
	ATF_TP_ADD_TC(tp, rest_refused);
	ATF_TP_ADD_TC(tp, rest_of_all);
	return (atf_no_error());
}
