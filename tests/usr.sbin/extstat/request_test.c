/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <stdio.h>
#include <string.h>

#include <atf-c.h>

#include "request.h"

ATF_TC_WITHOUT_HEAD(defaults);
ATF_TC_BODY(defaults, tc)
{
	struct vm_pgreq req, wanted = VM_PGREQ_INITIALIZER(16384);
	char why[REQUEST_WHYLEN];

	(void)tc;
	ATF_REQUIRE(request_parse("size=16k", &req, why));
	ATF_CHECK_EQ(req.vpr_size, wanted.vpr_size);
	ATF_CHECK_EQ(req.vpr_align, wanted.vpr_align);
	ATF_CHECK_EQ(req.vpr_boundary, 0);
	ATF_CHECK_EQ(req.vpr_low, 0);
	ATF_CHECK_EQ(req.vpr_high, VM_PADDR_MAX);
	ATF_CHECK_EQ(req.vpr_nsegs, 1);
	ATF_CHECK_EQ(req.vpr_maxsegsz, 0);
	ATF_CHECK_EQ(req.vpr_lists, VM_FREELIST_ALL);
	ATF_CHECK_EQ(req.vpr_policy, VM_POLICY_LOWEST);
	ATF_CHECK_EQ(req.vpr_flags, 0);
}

ATF_TC_WITHOUT_HEAD(all_keys);
ATF_TC_BODY(all_keys, tc)
{
	struct vm_pgreq req;
	char why[REQUEST_WHYLEN];

	(void)tc;
	ATF_REQUIRE_MSG(request_parse("size=1m,align=8k,boundary=64k,"
	    "low=0x100000,high=16m,nsegs=17,maxsegsz=64k,policy=best,"
	    "lists=isa+dma32", &req, why), "%s", why);
	ATF_CHECK_EQ(req.vpr_size, 1 << 20);
	ATF_CHECK_EQ(req.vpr_align, 8192);
	ATF_CHECK_EQ(req.vpr_boundary, 65536);
	ATF_CHECK_EQ(req.vpr_low, 1 << 20);
	ATF_CHECK_EQ(req.vpr_high, 16 << 20);
	ATF_CHECK_EQ(req.vpr_nsegs, 17);
	ATF_CHECK_EQ(req.vpr_maxsegsz, 65536);
	ATF_CHECK_EQ(req.vpr_policy, VM_POLICY_BEST);
	ATF_CHECK_EQ(req.vpr_lists, VM_FREELIST_BIT(VM_FREELIST_ISA) |
	    VM_FREELIST_BIT(VM_FREELIST_DMA32));
}

ATF_TC_WITHOUT_HEAD(policies);
ATF_TC_BODY(policies, tc)
{
	static const char *const names[] = {
		"lowest", "highest", "best", "next", "exact"
	};
	struct vm_pgreq req;
	char why[REQUEST_WHYLEN], spec[64];
	unsigned i;

	(void)tc;
	for (i = 0; i < 5; i++) {
		(void)snprintf(spec, sizeof(spec), "policy=%s,size=1",
		    names[i]);
		ATF_CHECK_MSG(request_parse(spec, &req, why), "%s", why);
		ATF_CHECK_EQ((unsigned)req.vpr_policy, i);
		ATF_CHECK_STREQ(request_policy_name(req.vpr_policy), names[i]);
	}
}

ATF_TC_WITHOUT_HEAD(bad);
ATF_TC_BODY(bad, tc)
{
	static const struct {
		const char	*spec;
		const char	*why;
	} cases[] = {
		{ "", ": not of the form key=value" },
		{ "size", "size: not of the form key=value" },
		{ "size=16k,", ": not of the form key=value" },
		{ "align=8k", "size: missing" },
		{ "size=", "size=: not a number" },
		{ "size=12q", "size=12q: junk after the number" },
		{ "size=1,high=0x", "high=0x: not a number" },
		{ "size=99999999999t",
		    "size=99999999999t: number too large" },
		{ "size=1,colour=red", "colour=red: unknown key" },
		{ "size=1,=5", "=5: unknown key" },
		{ "sizes=1", "sizes=1: unknown key" },
		{ "siz=1", "siz=1: unknown key" },
		{ "size=1,size=2", "size=2: key given twice" },
		{ "size=1,nsegs=4g", "nsegs=4g: number too large" },
		{ "size=1,policy=any", "policy=any: not one of lowest, "
		    "highest, best, next, exact" },
		{ "size=1,lists=", "lists=: not one or more of isa, dma31, "
		    "dma32, default, joined by +" },
		{ "size=1,lists=isa+", "lists=isa+: not one or more of isa, "
		    "dma31, dma32, default, joined by +" },
		{ "size=1,lists=isa+is", "lists=isa+is: not one or more of "
		    "isa, dma31, dma32, default, joined by +" },
		/* What vm_pgreq_check() finds. */
		{ "size=0", "size=0: size is zero" },
		{ "size=1,align=3", "size=1,align=3: alignment is not a power "
		    "of two" },
		{ "size=8k,boundary=4k", "size=8k,boundary=4k: boundary is "
		    "smaller than the size" },
		{ "size=1,low=2,high=2", "size=1,low=2,high=2: low is not "
		    "below high" },
		{ "size=1,nsegs=0", "size=1,nsegs=0: no segments allowed" },
		{ "size=\n\033[2J", "size=??[2J: not a number" },
	};
	struct vm_pgreq req;
	char why[REQUEST_WHYLEN];
	unsigned i;

	(void)tc;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ATF_CHECK_MSG(!request_parse(cases[i].spec, &req, why),
		    "\"%s\" taken", cases[i].spec);
		ATF_CHECK_STREQ(why, cases[i].why);
	}
}

ATF_TC_WITHOUT_HEAD(long_value);
ATF_TC_BODY(long_value, tc)
{
	char spec[10000], why[REQUEST_WHYLEN];
	struct vm_pgreq req;

	(void)tc;
	memset(spec, '7', sizeof(spec));
	memcpy(spec, "size=", 5);
	spec[sizeof(spec) - 1] = '\0';
	ATF_CHECK(!request_parse(spec, &req, why));
	ATF_CHECK(strstr(why, ": number too large") != NULL);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, defaults);
	ATF_TP_ADD_TC(tp, all_keys);
	ATF_TP_ADD_TC(tp, policies);
	ATF_TP_ADD_TC(tp, bad);
	ATF_TP_ADD_TC(tp, long_value);
	return (atf_no_error());
}
