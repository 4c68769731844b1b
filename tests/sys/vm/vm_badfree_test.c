/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Frees that must be refused: each kind, by each function that frees, with
 * the right error, counter and console line, and with no change.
 */

#include <sys/resource.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vm/vm_badfree.h>
#include <vm/vm_counter.h>
#include <vm/vm_pageq.h>

#include "vm_testlib.h"

static uint64_t
refused(int error)
{

	return (vm_counter_sum(error == EINVAL ? VM_COUNT_BAD_INVAL :
	    error == EALREADY ? VM_COUNT_BAD_ALREADY :
	    VM_COUNT_BAD_MSGSIZE));
}

static uint64_t
refused_all(void)
{

	return (refused(EINVAL) + refused(EALREADY) + refused(EMSGSIZE));
}

enum way { PAGE_FREE, RUN_FREE, RUN_FREE_SIZE, RUN_TRIM };

static int
try_free(enum way way, paddr_t pa, psize_t size)
{

	switch (way) {
	case PAGE_FREE:
		return (vm_page_free(pa));
	case RUN_FREE:
		return (vm_pglist_free(pa, 0));
	case RUN_FREE_SIZE:
		return (vm_pglist_free(pa, size));
	case RUN_TRIM:
		return (vm_pglist_trim(pa, pa, PAGE));
	}
	return (0);
}

/* A free that must fail so, is counted so, and changes nothing. */
static void
bad(enum way way, paddr_t pa, psize_t size, int expected)
{
	uint64_t one = refused(expected), all = refused_all();
	struct vm_audit before, after;
	int error;

	audit_ok(&before);
	error = try_free(way, pa, size);
	ATF_REQUIRE_EQ_MSG(error, expected, "way %d of %#" PRIx64 " size %#"
	    PRIx64 ": %d, not %d", (int)way, pa, size, error, expected);
	ATF_REQUIRE_EQ(refused(expected), one + 1);
	ATF_REQUIRE_EQ(refused_all(), all + 1);
	audit_ok(&after);
	ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
}

static void
bad_all(paddr_t pa, int expected)
{

	bad(PAGE_FREE, pa, 0, expected);
	bad(RUN_FREE, pa, 0, expected);
	bad(RUN_FREE_SIZE, pa, PAGE, expected);
	bad(RUN_FREE_SIZE, pa, 7 * PAGE, expected);
	bad(RUN_TRIM, pa, 0, expected);
}

static paddr_t
run_in(paddr_t low, paddr_t high, psize_t size)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(size);

	req.vpr_low = low;
	req.vpr_high = high;
	return (run_alloc(&req));
}

static void
start(void)
{

	console_catch();
	vm_start(pc_ranges, pc_nranges);
}

ATF_TC_WITHOUT_HEAD(never_allocated);
ATF_TC_BODY(never_allocated, tc)
{

	(void)tc;
	start();
	bad_all(0, EALREADY);
	bad_all(2 * MiB, EALREADY);
	bad_all(16 * MiB, EALREADY);
	bad_all(4 * GiB, EALREADY);
}

ATF_TC_WITHOUT_HEAD(double_page);
ATF_TC_BODY(double_page, tc)
{
	paddr_t pa[100];
	unsigned i;

	(void)tc;
	start();
	for (i = 0; i < NITEMS(pa); i++)
		pa[i] = vm_page_alloc(0, 0);
	for (i = 0; i < NITEMS(pa); i++) {
		ATF_REQUIRE_EQ(vm_page_free(pa[i]), 0);
		bad_all(pa[i], EALREADY);	/* held on the queue */
	}
	vm_pageq_flush();
	for (i = 0; i < NITEMS(pa); i++)
		bad_all(pa[i], EALREADY);	/* in the map */
}

ATF_TC_WITHOUT_HEAD(double_run);
ATF_TC_BODY(double_run, tc)
{
	paddr_t pa;

	(void)tc;
	start();
	pa = run_in(0, 16 * MiB, 64 * KiB);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 64 * KiB), 0);
	bad_all(pa, EALREADY);
	bad(RUN_FREE_SIZE, pa, 64 * KiB, EALREADY);
}

/* Every frame of a run but the first, over words and blocks. */
ATF_TC_WITHOUT_HEAD(interior);
ATF_TC_BODY(interior, tc)
{
	const psize_t size = 600 * PAGE;
	paddr_t pa;
	unsigned i;

	(void)tc;
	start();
	pa = run_in(17 * MiB, 24 * MiB, size);
	for (i = 1; i < 600; i += i < 70 ? 1 : 53)
		bad_all(pa + i * PAGE, EINVAL);
	bad(RUN_FREE_SIZE, pa + PAGE, size - PAGE, EINVAL);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, size), 0);
	audit_ok(NULL);
}

ATF_TC_WITHOUT_HEAD(foreign);
ATF_TC_BODY(foreign, tc)
{

	(void)tc;
	start();
	bad_all(TiB, EINVAL);
	bad_all(TOP - PAGE, EINVAL);
	bad_all(TOP, EINVAL);
	bad_all(UINT64_C(1) << 63, EINVAL);
	bad_all(UINT64_MAX & ~(PAGE - 1), EINVAL);
	bad_all(UINT64_MAX, EINVAL);
}

/* No memory, but within the span that the map keeps states for. */
ATF_TC_WITHOUT_HEAD(hole);
ATF_TC_BODY(hole, tc)
{

	(void)tc;
	start();
	bad_all(0x9f000, EINVAL);		/* behind a segment */
	bad_all(MiB - PAGE, EINVAL);		/* before one */
	bad_all(0xa0000, EINVAL);
	bad_all(32 * MiB, EINVAL);
	bad_all(8 * GiB, EINVAL);
}

ATF_TC_WITHOUT_HEAD(unaligned);
ATF_TC_BODY(unaligned, tc)
{
	paddr_t page, run;

	(void)tc;
	start();
	page = vm_page_alloc(0, 0);
	run = run_in(0, VM_PADDR_MAX, 4 * PAGE);
	bad_all(page + 1, EINVAL);
	bad_all(page + PAGE - 1, EINVAL);
	bad_all(page + PAGE / 2, EINVAL);
	bad_all(run + 512, EINVAL);
	ATF_REQUIRE_EQ(vm_page_free(page), 0);
	ATF_REQUIRE_EQ(vm_pglist_free(run, 0), 0);
}

ATF_TC_WITHOUT_HEAD(wrong_size);
ATF_TC_BODY(wrong_size, tc)
{
	static const psize_t sizes[] = {
		1, PAGE, 3 * PAGE, 3 * PAGE + 1 - PAGE, 4 * PAGE + 1,
		5 * PAGE, 32 * PAGE, TOP, UINT64_MAX, UINT64_MAX - PAGE
	};
	paddr_t page, run;
	unsigned i;

	(void)tc;
	start();
	page = vm_page_alloc(0, 0);
	run = run_in(0, VM_PADDR_MAX, 4 * PAGE);
	for (i = 0; i < NITEMS(sizes); i++)
		bad(RUN_FREE_SIZE, run, sizes[i], EMSGSIZE);
	bad(RUN_FREE_SIZE, page, PAGE + 1, EMSGSIZE);
	bad(RUN_FREE_SIZE, page, UINT64_MAX, EMSGSIZE);
	/* Rounded up as a request is. */
	ATF_REQUIRE_EQ(vm_pglist_free(run, 3 * PAGE + 1), 0);
	ATF_REQUIRE_EQ(vm_pglist_free(page, 1), 0);
	audit_ok(NULL);
}

/*
 * The start of a run, freed as a page: wherever in a word of states it lies,
 * the short way and the long one.
 */
ATF_TC_WITHOUT_HEAD(run_as_page);
ATF_TC_BODY(run_as_page, tc)
{
	const paddr_t base = 20 * MiB;
	paddr_t pa, last;
	unsigned i, n;

	(void)tc;
	start();
	for (n = 2; n < 40; n += n < 4 ? 1 : 33) {
		for (i = 0; i < 64; i++) {
			/* This CPU has just freed a page of that segment. */
			ATF_REQUIRE_EQ(vm_pglist_reserve(18 * MiB, PAGE, 0),
			    0);
			ATF_REQUIRE_EQ(vm_page_free(18 * MiB), 0);
			pa = base + i * PAGE;
			ATF_REQUIRE_EQ(vm_pglist_reserve(pa, n * PAGE, 0), 0);
			bad(PAGE_FREE, pa, 0, EMSGSIZE);
			last = pa + (n - 1) * PAGE;
			bad(PAGE_FREE, last, 0, EINVAL);
			ATF_REQUIRE_EQ(vm_pglist_free(pa, n * PAGE), 0);
		}
	}
}

/* A page may be freed as the run that it is, and the other way round. */
ATF_TC_WITHOUT_HEAD(either_way);
ATF_TC_BODY(either_way, tc)
{
	paddr_t pa;

	(void)tc;
	start();
	pa = vm_page_alloc(0, 0);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, PAGE), 0);
	pa = vm_page_alloc(0, 0);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 0), 0);
	pa = run_in(0, VM_PADDR_MAX, 1);
	ATF_REQUIRE_EQ(vm_page_free(pa), 0);
	pa = run_in(0, 16 * MiB, PAGE);
	ATF_REQUIRE_EQ(vm_page_free(pa), 0);
	ATF_REQUIRE_EQ(refused_all(), 0);
	audit_ok(NULL);
}

ATF_TC_WITHOUT_HEAD(bad_trim);
ATF_TC_BODY(bad_trim, tc)
{
	struct vm_audit before, after;
	paddr_t pa;

	(void)tc;
	start();
	pa = run_in(0, VM_PADDR_MAX, 8 * PAGE);
	audit_ok(&before);
	ATF_REQUIRE_EQ(vm_pglist_trim(pa, pa, 0), EINVAL);
	ATF_REQUIRE_EQ(vm_pglist_trim(pa, pa - PAGE, PAGE), EINVAL);
	ATF_REQUIRE_EQ(vm_pglist_trim(pa, pa + 8 * PAGE, PAGE), EINVAL);
	ATF_REQUIRE_EQ(vm_pglist_trim(pa, pa + PAGE, 8 * PAGE), EINVAL);
	ATF_REQUIRE_EQ(vm_pglist_trim(pa, pa, 9 * PAGE), EINVAL);
	ATF_REQUIRE_EQ(vm_pglist_trim(pa, pa, UINT64_MAX), EINVAL);
	ATF_REQUIRE_EQ(vm_pglist_trim(pa, pa + 1, PAGE), EINVAL);
	ATF_REQUIRE_EQ(vm_pglist_trim(pa, UINT64_MAX & ~(PAGE - 1), PAGE),
	    EINVAL);
	audit_ok(&after);
	ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 8 * PAGE), 0);
}

/*
 * What is said.
 */

ATF_TC_WITHOUT_HEAD(console_line);
ATF_TC_BODY(console_line, tc)
{

	(void)tc;
	start();
	ATF_REQUIRE_EQ(vm_page_free(0x123456789001), EINVAL);
	ATF_REQUIRE_EQ(console_lines(), 1);
	ATF_REQUIRE(strstr(console_text(), "0x123456789001") != NULL);
	ATF_REQUIRE(strchr(console_text(), '\n') ==
	    console_text() + strlen(console_text()) - 1);
	console_clear();
	ATF_REQUIRE_EQ(vm_pglist_free(2 * MiB, 0x7000), EALREADY);
	ATF_REQUIRE(strstr(console_text(), "0x200000") != NULL);
	ATF_REQUIRE(strstr(console_text(), "0x7000") != NULL);
	ATF_REQUIRE(strstr(console_text(), "already free") != NULL);
}

/* What was wrong is in the line. */
static void
says(const char *what)
{

	ATF_REQUIRE_EQ(console_lines(), 1);
	ATF_REQUIRE_MSG(strstr(console_text(), what) != NULL, "%s",
	    console_text());
	console_clear();
	usleep(1100000 / VM_BADFREE_RATE);
}

ATF_TC_WITHOUT_HEAD(console_reason);
ATF_TC_BODY(console_reason, tc)
{
	paddr_t pa;

	(void)tc;
	start();
	pa = run_in(17 * MiB, 24 * MiB, 64 * KiB);
	ATF_REQUIRE_EQ(vm_page_free(pa + 1), EINVAL);
	says("not the start of a page");
	ATF_REQUIRE_EQ(vm_pglist_free(pa + 1, 0), EINVAL);
	says("not the start of a page");
	ATF_REQUIRE_EQ(vm_page_free(TiB), EINVAL);
	says("not managed memory");
	ATF_REQUIRE_EQ(vm_pglist_free(0xa0000, 0), EINVAL);
	says("not managed memory");
	ATF_REQUIRE_EQ(vm_pglist_trim(0xa0000, 0xa0000, PAGE), EINVAL);
	says("not managed memory");
	ATF_REQUIRE_EQ(vm_page_free(pa + PAGE), EINVAL);
	says("not the start of an allocation");
	ATF_REQUIRE_EQ(vm_page_free(pa), EMSGSIZE);
	says("the allocation has another size");
	ATF_REQUIRE_EQ(vm_pglist_trim(pa + PAGE, pa + PAGE, PAGE), EINVAL);
	says("not the start of an allocation");
	ATF_REQUIRE_EQ(vm_pglist_trim(pa, pa, 65 * KiB), EINVAL);
	says("what is to be kept is no part of it");
	ATF_REQUIRE_EQ(vm_pglist_trim(pa, pa, 0), EINVAL);
	says("what is to be kept is no part of it");
	ATF_REQUIRE_EQ(vm_pglist_trim(pa, pa + 1, PAGE), EINVAL);
	says("what is to be kept is no part of it");
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 64 * KiB), 0);
	ATF_REQUIRE_EQ(vm_pglist_trim(pa, pa, PAGE), EALREADY);
	says("already free");
}

/* The caller is in the line: two places, two addresses. */
ATF_TC_WITHOUT_HEAD(console_caller);
ATF_TC_BODY(console_caller, tc)
{
	char first[200];

	(void)tc;
	start();
	ATF_REQUIRE_EQ(vm_page_free(2 * MiB), EALREADY);
	snprintf(first, sizeof(first), "%s", console_text());
	console_clear();
	ATF_REQUIRE_EQ(vm_page_free(2 * MiB), EALREADY);
	ATF_REQUIRE(strcmp(first, console_text()) != 0);
	ATF_REQUIRE(strstr(first, " from 0x") != NULL);
}

ATF_TC_WITHOUT_HEAD(console_rate);
ATF_TC_BODY(console_rate, tc)
{
	const unsigned n = 100000;
	uint64_t began, seconds;
	unsigned i;

	(void)tc;
	start();
	began = vm_md_nanotime();
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(vm_page_free(2 * MiB), EALREADY);
	seconds = (vm_md_nanotime() - began) / 1000000000 + 2;
	ATF_REQUIRE(console_lines() >= VM_BADFREE_RATE);
	ATF_REQUIRE(console_lines() <= seconds * VM_BADFREE_RATE);
	/* The counter knows of all of them. */
	ATF_REQUIRE_EQ(refused(EALREADY), n);
	/* And a second later there is something to read again. */
	console_clear();
	usleep(1100000);
	ATF_REQUIRE_EQ(vm_page_free(2 * MiB), EALREADY);
	ATF_REQUIRE_EQ(console_lines(), 1);
}

/* Each kind panics if that is wanted, and a valid free does not. */
static void
child_free(enum way way, paddr_t pa, psize_t size)
{

	const struct rlimit none = { 0, 0 };
	int fd = open("panic", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	/* What it prints is for the parent; no image of all that memory. */
	if (setrlimit(RLIMIT_CORE, &none) == -1 || fd == -1 ||
	    dup2(fd, STDERR_FILENO) == -1)
		_exit(3);
	vm_badfree_panic = true;
	(void)try_free(way, pa, size);
	_exit(0);
}

static bool
panics(enum way way, paddr_t pa, psize_t size)
{
	char text[200] = "";
	ssize_t n;
	int fd, status;
	pid_t pid = fork();

	ATF_REQUIRE(pid != -1);
	if (pid == 0)
		child_free(way, pa, size);
	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status)) {
		ATF_REQUIRE_EQ(WEXITSTATUS(status), 0);
		return (false);
	}
	ATF_REQUIRE_EQ(WTERMSIG(status), SIGABRT);
	fd = open("panic", O_RDONLY);
	ATF_REQUIRE(fd != -1);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	ATF_REQUIRE(n > 0);
	ATF_REQUIRE_MSG(strstr(text, "panic: bad free of") != NULL, "%s",
	    text);
	return (true);
}

ATF_TC_WITHOUT_HEAD(panic);
ATF_TC_BODY(panic, tc)
{
	paddr_t page, run;

	(void)tc;
	start();
	ATF_REQUIRE(!vm_badfree_panic);
	page = vm_page_alloc(0, 0);
	run = run_in(0, VM_PADDR_MAX, 4 * PAGE);
	ATF_REQUIRE(panics(PAGE_FREE, 2 * MiB, 0));
	ATF_REQUIRE(panics(PAGE_FREE, page + 1, 0));
	ATF_REQUIRE(panics(PAGE_FREE, TiB, 0));
	ATF_REQUIRE(panics(PAGE_FREE, run, 0));
	ATF_REQUIRE(panics(RUN_FREE, run + PAGE, 0));
	ATF_REQUIRE(panics(RUN_FREE_SIZE, run, PAGE));
	ATF_REQUIRE(panics(RUN_TRIM, 2 * MiB, 0));
	/* A child's memory is its parent's: each free of its own page. */
	ATF_REQUIRE(!panics(PAGE_FREE, page, 0));
	ATF_REQUIRE(!panics(RUN_FREE, run, 0));
	run = run_in(16 * MiB, VM_PADDR_MAX, 3 * PAGE);
	ATF_REQUIRE(!panics(RUN_FREE_SIZE, run, 3 * PAGE));
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, never_allocated);
	ATF_TP_ADD_TC(tp, double_page);
	ATF_TP_ADD_TC(tp, double_run);
	ATF_TP_ADD_TC(tp, interior);
	ATF_TP_ADD_TC(tp, foreign);
	ATF_TP_ADD_TC(tp, hole);
	ATF_TP_ADD_TC(tp, unaligned);
	ATF_TP_ADD_TC(tp, wrong_size);
	ATF_TP_ADD_TC(tp, run_as_page);
	ATF_TP_ADD_TC(tp, either_way);
	ATF_TP_ADD_TC(tp, bad_trim);
	ATF_TP_ADD_TC(tp, console_line);
	ATF_TP_ADD_TC(tp, console_reason);
	ATF_TP_ADD_TC(tp, console_caller);
	ATF_TP_ADD_TC(tp, console_rate);
	ATF_TP_ADD_TC(tp, panic);
	return (atf_no_error());
}
