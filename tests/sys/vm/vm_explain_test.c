/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Explanations, against a look at every place there is.
 */

#include <atf-c.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vm/vm_explain.h>
#include <vm/vm_pgreq.h>
#include <vm/vm_sync.h>

#include "vm_oracle.h"
#include "vm_testlib.h"

/* Little memory, over a border of lists and with a hole. */
static const struct vm_memrange machine[] = {
	{ 16 * MiB - 40 * PAGE, 80 * PAGE },
	{ 16 * MiB + 100 * PAGE, 60 * PAGE },
	{ 4 * GiB, 100 * PAGE },
};

static struct oracle oracle;

static void
adopt(void)
{
	const struct oracle_area *oa;
	enum vm_fstate state;
	vm_frame_t f;
	unsigned i;

	oracle_fini(&oracle);
	for (i = 0; i < NITEMS(machine); i++)
		oracle_add(&oracle, machine[i].vmr_start / PAGE,
		    machine[i].vmr_size / PAGE, VM_FRAME_FREE);
	for (i = 0; i < oracle.o_nareas; i++) {
		oa = &oracle.o_area[i];
		for (f = oa->oa_first; f < oa->oa_first + oa->oa_n; f++) {
			state = vm_extmap_state(&vm_map, f);
			oa->oa_state[f - oa->oa_first] = (uint8_t)
			    (state == VM_FRAME_HELD ? VM_FRAME_FREE : state);
		}
	}
}

static bool
crosses(vm_frame_t a, uint64_t n, psize_t boundary)
{

	return (boundary != 0 && a * PAGE / boundary !=
	    ((a + n) * PAGE - 1) / boundary);
}

/* In the window; that of an exact address is its place, if it may be used. */
static bool
in_window(const struct vm_pgreq *req, vm_frame_t f)
{
	uint64_t n = (req->vpr_size + PAGE - 1) / PAGE, i;
	vm_frame_t at = req->vpr_low / PAGE;

	if (req->vpr_policy != VM_POLICY_EXACT)
		return (oracle_usable(req, f));
	for (i = 0; i < n; i++) {
		if (at + i >= VM_FRAME_END || !oracle_usable(req, at + i))
			return (false);
	}
	return (f >= at && f < at + n);
}

/* The longest run that satisfies a subset, from each start in turn. */
static uint64_t
largest(const struct vm_pgreq *req, unsigned subset)
{
	psize_t boundary = (subset & VM_EXPLAIN_BOUNDARY) != 0 ?
	    req->vpr_boundary : 0;
	uint64_t best = 0, n;
	unsigned i;
	vm_frame_t a;

	for (i = 0; i < oracle.o_nareas; i++) {
		a = oracle.o_area[i].oa_first;
		for (; a < oracle.o_area[i].oa_first + oracle.o_area[i].oa_n;
		    a++) {
			if ((subset & VM_EXPLAIN_ALIGN) != 0 &&
			    a * PAGE % req->vpr_align != 0)
				continue;
			for (n = 0; oracle_state(&oracle, a + n) ==
			    VM_FRAME_FREE && !crosses(a, n + 1, boundary) &&
			    ((subset & VM_EXPLAIN_WINDOW) == 0 ||
			    in_window(req, a + n));)
				n++;
			if (n > best)
				best = n;
		}
	}
	return (best);
}

static bool
place_ok(const struct vm_pgreq *req, vm_frame_t a, uint64_t n,
    uint64_t *takenp)
{
	uint64_t i;

	*takenp = 0;
	if (a * PAGE % req->vpr_align != 0 ||
	    crosses(a, n, req->vpr_boundary) ||
	    (req->vpr_policy == VM_POLICY_EXACT && a * PAGE != req->vpr_low))
		return (false);
	for (i = 0; i < n; i++) {
		if (!vm_physseg_managed(a + i, a + i + 1) ||
		    !oracle_usable(req, a + i))
			return (false);
		*takenp += oracle_state(&oracle, a + i) != VM_FRAME_FREE;
	}
	return (true);
}

/* The fewest frames that are taken in any place; UINT64_MAX: no place. */
static uint64_t
fewest(const struct vm_pgreq *req, uint64_t n)
{
	uint64_t best = UINT64_MAX, taken;
	unsigned i;
	vm_frame_t a;

	for (i = 0; i < oracle.o_nareas; i++) {
		a = oracle.o_area[i].oa_first;
		for (; a < oracle.o_area[i].oa_first + oracle.o_area[i].oa_n;
		    a++) {
			if (place_ok(req, a, n, &taken) && taken < best)
				best = taken;
		}
	}
	return (best);
}

static void
check_pin(const struct vm_pgexplain *expl, uint64_t n)
{
	vm_frame_t f = vm_atop(expl->vpe_start), head;

	while (oracle_state(&oracle, f) == VM_FRAME_FREE)
		f++;
	ATF_REQUIRE(f < vm_atop(expl->vpe_start) + n);
	for (head = f; oracle_state(&oracle, head) == VM_FRAME_TAIL;)
		head--;
	ATF_REQUIRE_EQ(expl->vpe_pin, head * PAGE);
	ATF_REQUIRE_EQ(expl->vpe_pinsize,
	    oracle_length(&oracle, head) * PAGE);
	ATF_REQUIRE_EQ(expl->vpe_owner, vm_sync_owner(head));
}

static void
check(const struct vm_pgreq *req)
{
	uint64_t n = (req->vpr_size + PAGE - 1) / PAGE, taken, nfree = 0, i;
	struct vm_pgexplain expl;
	unsigned subset, a;

	memset(&expl, 0xa5, sizeof(expl));
	ATF_REQUIRE_EQ(vm_pglist_explain(req, &expl), 0);
	for (subset = 0; subset < VM_EXPLAIN_NSUBSET; subset++)
		ATF_REQUIRE_EQ_MSG(expl.vpe_largest[subset],
		    largest(req, subset) * PAGE, "subset %u: %" PRIu64
		    " is not %" PRIu64, subset, expl.vpe_largest[subset],
		    largest(req, subset) * PAGE);
	for (a = 0; a < oracle.o_nareas; a++) {
		for (i = 0; i < oracle.o_area[a].oa_n; i++)
			nfree += oracle.o_area[a].oa_state[i] ==
			    VM_FRAME_FREE && in_window(req,
			    oracle.o_area[a].oa_first + i);
	}
	ATF_REQUIRE_EQ(expl.vpe_free, nfree * PAGE);
	ATF_REQUIRE_EQ(expl.vpe_possible, fewest(req, n) != UINT64_MAX);
	if (!expl.vpe_possible)
		return;
	ATF_REQUIRE(place_ok(req, vm_atop(expl.vpe_start), n, &taken));
	ATF_REQUIRE_EQ(expl.vpe_taken, taken * PAGE);
	ATF_REQUIRE_EQ(taken, fewest(req, n));
	if (taken != 0)
		check_pin(&expl, n);
}

static void
any_request(struct rng *r, struct vm_pgreq *req)
{
	const struct vm_memrange *m = &machine[rng_below(r, NITEMS(machine))];

	*req = (struct vm_pgreq)VM_PGREQ_INITIALIZER(rng_size(r, 50) * PAGE);
	req->vpr_align = PAGE << rng_below(r, 6);
	if (rng_chance(r, 2))
		for (req->vpr_boundary = PAGE << rng_below(r, 6);
		    req->vpr_boundary < req->vpr_size;)
			req->vpr_boundary *= 2;
	if (rng_chance(r, 2))
		req->vpr_low = m->vmr_start + rng_below(r, m->vmr_size);
	if (rng_chance(r, 2))
		req->vpr_high = req->vpr_low + rng_size(r, 32 * MiB);
	if (rng_chance(r, 3))
		req->vpr_lists = (unsigned)rng_range(r, 1, VM_FREELIST_ALL);
	req->vpr_policy = (enum vm_policy)rng_below(r, VM_POLICY_EXACT + 1);
	if (req->vpr_policy == VM_POLICY_EXACT)
		req->vpr_low &= ~(req->vpr_align - 1);
}

ATF_TC_WITHOUT_HEAD(oracle);
ATF_TC_BODY(oracle, tc)
{
	vm_owner_t owner[3] = { vm_owner_register("ann"),
	    vm_owner_register("bob"), vm_owner_register("cyd") };
	unsigned i, k, n, rounds = test_long(tc) ? 2000 : 100;
	struct vm_pgreq req;
	struct vm_pgseg seg;
	struct rng r;

	rng_init(&r, tc, 1);
	for (i = 0; i < rounds; i++) {
		vm_start(machine, NITEMS(machine));
		for (k = (unsigned)rng_size(&r, 150); k > 0; k--) {
			any_request(&r, &req);
			req.vpr_size = rng_size(&r, 12) * PAGE;
			req.vpr_owner = owner[rng_below(&r, 3)];
			if (rng_chance(&r, 3))
				(void)vm_page_alloc(VM_PG_USERESERVE,
				    req.vpr_owner);
			else if (vm_pglist_alloc(&req, &seg, &n) == 0 &&
			    rng_chance(&r, 3))
				(void)vm_pglist_free(seg.vps_start, 0);
		}
		adopt();
		for (k = 0; k < 20; k++) {
			any_request(&r, &req);
			if (vm_pgreq_check(&req, NULL) == 0)
				check(&req);
		}
		audit_ok(NULL);
	}
}

ATF_TC_WITHOUT_HEAD(exact);
ATF_TC_BODY(exact, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(4 * PAGE);
	struct vm_pgexplain expl;
	vm_owner_t bob = vm_owner_register("bob");

	(void)tc;
	vm_start(machine, NITEMS(machine));
	req.vpr_low = 16 * MiB;
	req.vpr_policy = VM_POLICY_EXACT;
	ATF_REQUIRE_EQ(vm_pglist_reserve(16 * MiB + 2 * PAGE, 7 * PAGE, bob),
	    0);
	ATF_REQUIRE_EQ(vm_pglist_explain(&req, &expl), 0);
	ATF_REQUIRE(expl.vpe_possible);
	ATF_REQUIRE_EQ(expl.vpe_start, 16 * MiB);
	ATF_REQUIRE_EQ(expl.vpe_taken, 2 * PAGE);
	ATF_REQUIRE_EQ(expl.vpe_pin, 16 * MiB + 2 * PAGE);
	ATF_REQUIRE_EQ(expl.vpe_pinsize, 7 * PAGE);
	ATF_REQUIRE_EQ(expl.vpe_owner, bob);
	/* No managed memory there: there is no such place. */
	req.vpr_low = 64 * MiB;
	ATF_REQUIRE_EQ(vm_pglist_explain(&req, &expl), 0);
	ATF_REQUIRE(!expl.vpe_possible);
}

ATF_TC_WITHOUT_HEAD(malformed);
ATF_TC_BODY(malformed, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(0);
	struct vm_pgexplain expl;

	(void)tc;
	console_catch();
	vm_start(machine, NITEMS(machine));
	ATF_REQUIRE_EQ(vm_pglist_explain(&req, &expl), EINVAL);
	vm_pglist_explain_print("me", &req);
	ATF_REQUIRE_STREQ(console_text(),
	    "me: malformed request: size is zero\n");
}

ATF_TC_WITHOUT_HEAD(print);
ATF_TC_BODY(print, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(16 * KiB);
	const char *text = console_text();

	(void)tc;
	console_catch();
	vm_start(machine, NITEMS(machine));
	req.vpr_align = 8 * KiB;
	req.vpr_boundary = 64 * KiB;
	req.vpr_high = 16 * MiB;
	vm_pglist_explain_print("fdc0", &req);
	ATF_REQUIRE_EQ(console_lines(), 1);
	ATF_REQUIRE(strncmp(text, "fdc0: wanted 16k, ", 18) == 0);
	ATF_REQUIRE(strstr(text, "fits at 0x") != NULL);
	console_clear();
	ATF_REQUIRE_EQ(vm_pglist_reserve(16 * MiB - 40 * PAGE, 80 * PAGE,
	    vm_owner_register("hog")), 0);
	vm_pglist_explain_print("fdc0", &req);
	ATF_REQUIRE(strstr(text, "free in the window 0") != NULL);
	ATF_REQUIRE(strstr(text, "by hog at 0xfd8000 (320k)") != NULL);
	console_clear();
	req.vpr_high = MiB;
	vm_pglist_explain_print("fdc0", &req);
	ATF_REQUIRE(strstr(text, "no managed memory") != NULL);
}

/* The longest line there can be fits; a short buffer is not overrun. */
ATF_TC_WITHOUT_HEAD(format_longest);
ATF_TC_BODY(format_longest, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(UINT64_MAX);
	char line[VM_EXPLAIN_LINE + 1], *full;
	struct vm_pgexplain expl;
	unsigned len;

	(void)tc;
	memset(&expl, 0xff, sizeof(expl));
	expl.vpe_possible = true;
	memset(line, 'x', sizeof(line));
	vm_explain_format(&req, &expl, "123456789012345", line,
	    VM_EXPLAIN_LINE);
	ATF_REQUIRE(strlen(line) < VM_EXPLAIN_LINE);
	ATF_REQUIRE(strchr(line, '\n') == NULL);
	ATF_REQUIRE(line[strlen(line) - 1] == ')');
	full = strdup(line);
	ATF_REQUIRE(full != NULL);
	for (len = 1; len < strlen(full); len++) {
		memset(line, 'x', sizeof(line));
		vm_explain_format(&req, &expl, "123456789012345", line, len);
		ATF_REQUIRE_EQ(line[len], 'x');
		ATF_REQUIRE(memchr(line, '\0', len) != NULL);
		ATF_REQUIRE_EQ(strncmp(line, full, strlen(line)), 0);
	}
	free(full);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, oracle);
	ATF_TP_ADD_TC(tp, exact);
	ATF_TP_ADD_TC(tp, malformed);
	ATF_TP_ADD_TC(tp, print);
	ATF_TP_ADD_TC(tp, format_longest);
	return (atf_no_error());
}
