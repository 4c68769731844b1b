/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Mappings of single pages in usermode: <sys/kpmap.h>.
 */

#include <sys/kpmap.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define	NITEMS(a)	(sizeof(a) / sizeof((a)[0]))
#define	PAGE		VM_PAGE_SIZE
#define	GiB		(UINT64_C(1) << 30)
#define	TOP		(UINT64_C(1) << VM_PADDR_BITS)

static vaddr_t start, end;

static volatile uint64_t *
word_at(vaddr_t va)
{

	return ((volatile uint64_t *)va);
}

static volatile uint64_t *
word_of(paddr_t pa)
{
	void *va = vm_md_phystov(pa, PAGE);

	ATF_REQUIRE(va != NULL);
	return (va);
}

ATF_TC_WITHOUT_HEAD(arguments);
ATF_TC_BODY(arguments, tc)
{
	static const struct {
		vaddr_t		va;	/* from start */
		paddr_t		pa;
		unsigned	prot;
	} bad[] = {
		{ 1, 0, 0 }, { 0, 1, 0 }, { -PAGE, 0, 0 }, { 0, TOP, 0 },
		{ 0, VM_PADDR_NONE, 0 }, { 0, 0, PMAP_KALL + 1 },
	};
	paddr_t pa = 7;
	unsigned i;

	(void)tc;
	pmap_krange(&start, &end);
	ATF_REQUIRE(start % PAGE == 0 && end % PAGE == 0 && end > start);
	for (i = 0; i < NITEMS(bad); i++)
		ATF_REQUIRE_EQ_MSG(pmap_kenter(start + bad[i].va, bad[i].pa,
		    bad[i].prot), EINVAL, "%u", i);
	ATF_REQUIRE_EQ(pmap_kenter(end, 0, 0), EINVAL);
	ATF_REQUIRE_EQ(pmap_kenter(0, 0, 0), EINVAL);
	ATF_REQUIRE_EQ(pmap_kremove(start + 1, PAGE), EINVAL);
	ATF_REQUIRE_EQ(pmap_kremove(start, 1), EINVAL);
	ATF_REQUIRE_EQ(pmap_kremove(start - PAGE, PAGE), EINVAL);
	ATF_REQUIRE_EQ(pmap_kremove(end - PAGE, 2 * PAGE), EINVAL);
	ATF_REQUIRE_EQ(pmap_kremove(start + PAGE, -PAGE), EINVAL);
	ATF_REQUIRE_EQ(pmap_kremove(start, 0), 0);
	ATF_REQUIRE_EQ(pmap_kremove(end, 0), 0);
	ATF_REQUIRE(!pmap_kextract(start, &pa));
	ATF_REQUIRE(!pmap_kextract(start - 1, &pa));
	ATF_REQUIRE(!pmap_kextract(end, &pa));
	ATF_REQUIRE_EQ(pa, 7);
	ATF_REQUIRE_EQ(pmap_kenter(end - PAGE, 0, 0), 0);
	ATF_REQUIRE_EQ(pmap_kenter(end - PAGE, PAGE, 0), EEXIST);
	ATF_REQUIRE(pmap_kextract(end - 1, &pa));
	ATF_REQUIRE_EQ(pa, PAGE - 1);
	ATF_REQUIRE_EQ(pmap_kremove(start, end - start), 0);
	ATF_REQUIRE(!pmap_kextract(end - 1, &pa));
}

/* Pages from anywhere, side by side. */
ATF_TC_WITHOUT_HEAD(contents);
ATF_TC_BODY(contents, tc)
{
	static const paddr_t pages[] = {
		5 * PAGE, 3 * PAGE, 1000 * GiB, 4 * GiB - PAGE, TOP - PAGE,
	};
	unsigned i;

	(void)tc;
	pmap_krange(&start, &end);
	for (i = 0; i < NITEMS(pages); i++) {
		*word_of(pages[i]) = i;
		ATF_REQUIRE_EQ(pmap_kenter(start + i * PAGE, pages[i],
		    PMAP_KWRITE), 0);
	}
	for (i = 0; i < NITEMS(pages); i++) {
		ATF_REQUIRE_EQ(*word_at(start + i * PAGE), i);
		*word_at(start + i * PAGE) = 100 + i;
		ATF_REQUIRE_EQ(*word_of(pages[i]), 100 + i);
	}
	ATF_REQUIRE_EQ(pmap_kremove(start + PAGE, 3 * PAGE), 0);
	ATF_REQUIRE_EQ(pmap_kenter(start + PAGE, pages[0], 0), 0);
	ATF_REQUIRE_EQ(*word_at(start + PAGE), 100);
	ATF_REQUIRE_EQ(*word_at(start + 4 * PAGE), 104);

	/* All contents are forgotten, and so are mappings. */
	usermode_physmem_release();
	pmap_krange(&start, &end);
	for (i = 0; i < NITEMS(pages); i++) {
		ATF_REQUIRE(!pmap_kextract(start + i * PAGE,
		    &(paddr_t){ 0 }));
		ATF_REQUIRE_EQ(pmap_kenter(start + i * PAGE, pages[i], 0), 0);
		ATF_REQUIRE_EQ(*word_at(start + i * PAGE), 0);
	}
	usermode_physmem_release();
}

/* A child that touches that address: does it die of it? */
static bool
dies(void (*touch)(vaddr_t), vaddr_t va)
{
	const struct rlimit none = { 0, 0 };
	int status;
	pid_t pid;

	pid = fork();
	ATF_REQUIRE(pid != -1);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		touch(va);
		_exit(0);
	}
	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	return (!WIFEXITED(status) || WEXITSTATUS(status) != 0);
}

static void
touch_read(vaddr_t va)
{

	(void)*word_at(va);
}

static void
touch_write(vaddr_t va)
{

	*word_at(va) = 1;
}

ATF_TC_WITHOUT_HEAD(protection);
ATF_TC_BODY(protection, tc)
{

	(void)tc;
	pmap_krange(&start, &end);
	ATF_REQUIRE(dies(touch_read, start));
	ATF_REQUIRE_EQ(pmap_kenter(start, 8 * PAGE, 0), 0);
	ATF_REQUIRE_EQ(pmap_kenter(start + 2 * PAGE, 8 * PAGE, PMAP_KWRITE),
	    0);
	ATF_REQUIRE(!dies(touch_read, start));
	ATF_REQUIRE(dies(touch_write, start));
	ATF_REQUIRE(dies(touch_read, start + PAGE));
	ATF_REQUIRE(!dies(touch_write, start + 2 * PAGE));
	ATF_REQUIRE_EQ(pmap_kremove(start, PAGE), 0);
	ATF_REQUIRE(dies(touch_read, start));
	ATF_REQUIRE(!dies(touch_read, start + 2 * PAGE));
}

/* The host has no more mappings for us: an error, and nothing is lost. */
static void
exhaust(void)
{
	unsigned i, n;
	int error = 0;
	paddr_t pa;

	pmap_krange(&start, &end);
	for (n = 0; n < 1000000 && error == 0; n++)
		error = pmap_kenter(start + 2 * n * PAGE, 0, PMAP_KWRITE);
	if (error == 0)
		atf_tc_skip("the host allows a million mappings");
	ATF_REQUIRE_EQ(error, ENOMEM);
	n--;
	ATF_REQUIRE(!pmap_kextract(start + 2 * n * PAGE, &pa));
	for (i = 0; i < n; i++)
		ATF_REQUIRE(pmap_kextract(start + 2 * i * PAGE, &pa));
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(pmap_kremove(start + 2 * i * PAGE, PAGE), 0);
	ATF_REQUIRE_EQ(pmap_kenter(start + 2 * n * PAGE, 0, 0), 0);
	ATF_REQUIRE_EQ(pmap_kremove(start, end - start), 0);
}

/* Each page takes two mappings, so what is left in the end is one or none. */
ATF_TC_WITHOUT_HEAD(exhausted);
ATF_TC_BODY(exhausted, tc)
{

	(void)tc;
	exhaust();
	ATF_REQUIRE(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1,
	    0) != MAP_FAILED);
	exhaust();
}

/* Threads, each with addresses and pages of its own. */
#define	NTHREADS	4
#define	ROUNDS		2000

static void *
thread(void *arg)
{
	uint64_t me = *(unsigned *)arg, i, at;
	paddr_t pa, found;
	vaddr_t va;

	for (i = 0; i < ROUNDS; i++) {
		at = i * 7 % 16 * NTHREADS + me;
		va = start + at * PAGE;
		pa = (i % 64 * NTHREADS + me) * PAGE;
		ATF_REQUIRE_EQ(pmap_kenter(va, pa, PMAP_KWRITE), 0);
		*word_at(va) = i;
		ATF_REQUIRE_EQ(*word_of(pa), i);
		ATF_REQUIRE(pmap_kextract(va + 1, &found));
		ATF_REQUIRE_EQ(found, pa + 1);
		ATF_REQUIRE_EQ(pmap_kremove(va, PAGE), 0);
		ATF_REQUIRE(!pmap_kextract(va, &found));
	}
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(threads);
ATF_TC_BODY(threads, tc)
{
	pthread_t threads[NTHREADS];
	unsigned number[NTHREADS], i;

	(void)tc;
	pmap_krange(&start, &end);
	for (i = 0; i < NTHREADS; i++) {
		number[i] = i;
		ATF_REQUIRE_EQ(pthread_create(&threads[i], NULL, thread,
		    &number[i]), 0);
	}
	for (i = 0; i < NTHREADS; i++)
		ATF_REQUIRE_EQ(pthread_join(threads[i], NULL), 0);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, arguments);
	ATF_TP_ADD_TC(tp, contents);
	ATF_TP_ADD_TC(tp, protection);
	ATF_TP_ADD_TC(tp, exhausted);
	ATF_TP_ADD_TC(tp, threads);
	return (atf_no_error());
}
