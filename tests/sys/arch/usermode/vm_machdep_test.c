/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The usermode port's hooks: vm_machdep(9).
 */

#include <sys/resource.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vm/vm_physseg.h>
#include <vm/vm_pglist.h>

#define	NITEMS(a)	(sizeof(a) / sizeof((a)[0]))
#define	MSEC		UINT64_C(1000000)
#define	MiB		(UINT64_C(1) << 20)
#define	GiB		(UINT64_C(1) << 30)
#define	PAGE		VM_PAGE_SIZE
#define	TOP		(UINT64_C(1) << VM_PADDR_BITS)

/*
 * CPUs.
 */

static pthread_barrier_t barrier;

static void *
attach(void *arg)
{
	uint32_t *cpu = arg;

	*cpu = vm_md_curcpu();
	pthread_barrier_wait(&barrier);
	if (vm_md_curcpu() != *cpu)
		*cpu = 12345;
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(cpus);
ATF_TC_BODY(cpus, tc)
{
	uint32_t cpu[VM_MAXCPU + 5];
	pthread_t thread[VM_MAXCPU + 5];
	unsigned i, k, round, none;

	(void)tc;
	/* Twice: numbers are given back. */
	for (round = 0; round < 2; round++) {
		ATF_REQUIRE_EQ(pthread_barrier_init(&barrier, NULL,
		    NITEMS(cpu)), 0);
		for (i = 0; i < NITEMS(cpu); i++)
			ATF_REQUIRE_EQ(pthread_create(&thread[i], NULL,
			    attach, &cpu[i]), 0);
		for (i = 0; i < NITEMS(cpu); i++)
			ATF_REQUIRE_EQ(pthread_join(thread[i], NULL), 0);
		for (none = 0, i = 0; i < NITEMS(cpu); i++) {
			if (cpu[i] == VM_NOCPU) {
				none++;
				continue;
			}
			ATF_REQUIRE(cpu[i] < VM_MAXCPU);
			for (k = 0; k < i; k++)
				ATF_REQUIRE(cpu[k] != cpu[i]);
		}
		ATF_REQUIRE_EQ(none, 5);
	}
}

/*
 * Locks.
 */

static struct vm_md_lock lock;
static unsigned long counter;

static void *
count(void *arg)
{
	unsigned i;

	(void)arg;
	for (i = 0; i < 100000; i++) {
		vm_md_lock(&lock);
		counter++;
		vm_md_unlock(&lock);
	}
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(locks);
ATF_TC_BODY(locks, tc)
{
	pthread_t thread[4];
	unsigned i;

	(void)tc;
	for (i = 0; i < NITEMS(thread); i++)
		ATF_REQUIRE_EQ(pthread_create(&thread[i], NULL, count, NULL),
		    0);
	for (i = 0; i < NITEMS(thread); i++)
		ATF_REQUIRE_EQ(pthread_join(thread[i], NULL), 0);
	ATF_REQUIRE_EQ(counter, 400000);
}

/*
 * Sleeping.
 */

static _Atomic uint32_t word;

static void *
waker(void *arg)
{

	(void)arg;
	usleep(20000);
	atomic_store(&word, 1);
	vm_md_wake(&word);
	return (NULL);
}

static void
ignore(int signo)
{

	(void)signo;
}

ATF_TC_WITHOUT_HEAD(wait);
ATF_TC_BODY(wait, tc)
{
	struct sigaction sa = { .sa_handler = ignore };
	uint64_t began = vm_md_nanotime();
	pthread_t thread;

	(void)tc;
	/* It differs already. */
	ATF_REQUIRE_EQ(vm_md_wait(&word, 7, 0), 0);
	/* Time is up. */
	ATF_REQUIRE_EQ(vm_md_wait(&word, 0, 30 * MSEC), EWOULDBLOCK);
	ATF_REQUIRE(vm_md_nanotime() - began >= 30 * MSEC);
	/* Woken. */
	ATF_REQUIRE_EQ(pthread_create(&thread, NULL, waker, NULL), 0);
	while (atomic_load(&word) == 0)
		ATF_REQUIRE_EQ(vm_md_wait(&word, 0, 0), 0);
	ATF_REQUIRE_EQ(pthread_join(thread, NULL), 0);
	/* Interrupted. */
	ATF_REQUIRE_EQ(sigaction(SIGALRM, &sa, NULL), 0);
	ATF_REQUIRE_EQ(ualarm(20000, 20000), 0);
	ATF_REQUIRE_EQ(vm_md_wait(&word, 1, 0), EINTR);
	(void)ualarm(0, 0);
}

/*
 * Physical memory.
 */

ATF_TC_WITHOUT_HEAD(contents);
ATF_TC_BODY(contents, tc)
{
	static const uint64_t at[] = { 0, PAGE, 5 * GiB + 17, TOP - PAGE,
	    GiB - 3, 2 * GiB - PAGE };
	unsigned char *va, *again;
	unsigned i;

	(void)tc;
	for (i = 0; i < NITEMS(at); i++) {
		va = vm_md_phystov(at[i], 16);
		ATF_REQUIRE(va != NULL);
		ATF_REQUIRE_EQ(va[0], 0);
		memset(va, (int)i + 1, 16);
	}
	/* Wherever the view begins, the contents are the same. */
	for (i = 0; i < NITEMS(at); i++) {
		va = vm_md_phystov(at[i], 16);
		ATF_REQUIRE_EQ(va[0], i + 1);
		ATF_REQUIRE_EQ(va[15], i + 1);
		ATF_REQUIRE_EQ(vm_md_vtophys(va), at[i]);
	}
	va = vm_md_phystov(GiB - PAGE, 2 * PAGE);	/* over a border */
	again = vm_md_phystov(GiB, PAGE);
	ATF_REQUIRE(va != NULL && again != NULL);
	ATF_REQUIRE_EQ(va[PAGE - 3], 5);
	again[100] = 99;
	ATF_REQUIRE_EQ(va[PAGE + 100], 99);
	/* Nothing, and what no address has. */
	ATF_REQUIRE(vm_md_phystov(0, 0) == NULL);
	ATF_REQUIRE(vm_md_phystov(TOP, 1) == NULL);
	ATF_REQUIRE(vm_md_phystov(TOP - PAGE, 2 * PAGE) == NULL);
	ATF_REQUIRE(vm_md_phystov(UINT64_MAX, 2) == NULL);
	ATF_REQUIRE(vm_md_phystov(PAGE, UINT64_MAX) == NULL);
	ATF_REQUIRE(vm_md_physend() <= TOP);
	/* Forgotten. */
	usermode_physmem_release();
	va = vm_md_phystov(5 * GiB + 17, 16);
	ATF_REQUIRE_EQ(va[0], 0);
}

ATF_TC_WITHOUT_HEAD(back);
ATF_TC_BODY(back, tc)
{
	unsigned char *va;

	(void)tc;
	va = usermode_physmem_back(64 * MiB, 8 * MiB);
	ATF_REQUIRE(va != NULL);
	ATF_REQUIRE(vm_md_phystov(64 * MiB + 5, 10) == va + 5);
	ATF_REQUIRE_EQ(vm_md_vtophys(va + MiB), 65 * MiB);
	ATF_REQUIRE(vm_md_phystov(72 * MiB - 1, 1) == va + 8 * MiB - 1);
	/* An object of this process is where the process has it. */
	ATF_REQUIRE_EQ(vm_md_vtophys(&word), (uintptr_t)&word);
}

/* Pages zeroed one by one, and then the run of them. */
ATF_TC_WITHOUT_HEAD(zero_pages_then_run);
ATF_TC_BODY(zero_pages_then_run, tc)
{
	static const struct vm_memrange map = { 64 * MiB, 64 * MiB };
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(16 * MiB);
	static paddr_t pa[6000];
	struct vm_pgseg seg;
	unsigned i, n;

	(void)tc;
	ATF_REQUIRE_EQ(vm_physmem_load(&map, 1, NULL, 0), 0);
	for (i = 0; i < NITEMS(pa); i++) {
		pa[i] = vm_page_alloc(VM_PG_ZERO, 0);
		ATF_REQUIRE(pa[i] != VM_PADDR_NONE);
	}
	for (i = 0; i < NITEMS(pa); i++)
		ATF_REQUIRE_EQ(vm_page_free(pa[i]), 0);
	req.vpr_flags = VM_PG_ZERO;
	ATF_REQUIRE_EQ(vm_pglist_alloc(&req, &seg, &n), 0);
}

/*
 * Console and the end.
 */

static char said[600];

static void
hear(const char *line)
{

	snprintf(said, sizeof(said), "%s", line);
}

ATF_TC_WITHOUT_HEAD(console);
ATF_TC_BODY(console, tc)
{
	char buf[16], big[1000];

	(void)tc;
	usermode_console(hear);
	vm_md_printf("%d %u %x %c %s %5d|%-5d|%05d %ld %llu %p\n", -1, 2U,
	    0xabU, 'c', "str", 3, 4, 5, 6L, 7ULL, (void *)0x10);
	ATF_REQUIRE_STREQ(said,
	    "-1 2 ab c str     3|4    |00005 6 7 0x10\n");
	/* A line that is too long is cut. */
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	vm_md_printf("%s", big);
	ATF_REQUIRE(strlen(said) > 400 && strlen(said) < 600);
	usermode_console(NULL);
	vm_md_printf("%s\n", "not heard");
	ATF_REQUIRE(strstr(said, "not heard") == NULL);
	ATF_REQUIRE_EQ(vm_md_snprintf(buf, sizeof(buf), "%016llx!", 1ULL),
	    17);
	ATF_REQUIRE_STREQ(buf, "000000000000000");
}

ATF_TC_WITHOUT_HEAD(panic);
ATF_TC_BODY(panic, tc)
{
	const struct rlimit none = { 0, 0 };
	char text[100] = "";
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	(void)tc;
	ATF_REQUIRE_EQ(pipe(fds), 0);
	pid = fork();
	ATF_REQUIRE(pid != -1);
	if (pid == 0) {
		(void)setrlimit(RLIMIT_CORE, &none);
		(void)dup2(fds[1], STDERR_FILENO);
		vm_md_panic("the %s of %d", "end", 1);
	}
	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	ATF_REQUIRE(WIFSIGNALED(status));
	ATF_REQUIRE_EQ(WTERMSIG(status), SIGABRT);
	n = read(fds[0], text, sizeof(text) - 1);
	ATF_REQUIRE(n > 0);
	ATF_REQUIRE_STREQ(text, "panic: the end of 1\n");
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, cpus);
	ATF_TP_ADD_TC(tp, locks);
	ATF_TP_ADD_TC(tp, wait);
	ATF_TP_ADD_TC(tp, contents);
	ATF_TP_ADD_TC(tp, back);
	ATF_TP_ADD_TC(tp, zero_pages_then_run);
	ATF_TP_ADD_TC(tp, console);
	ATF_TP_ADD_TC(tp, panic);
	return (atf_no_error());
}
