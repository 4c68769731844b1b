/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of km_map(9), and of kmem(9) where only it helps.
 */

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/extent.h>
#include <sys/km_map.h>
#include <sys/kmem.h>
#include <sys/kpmap.h>

#include <vm/vm_badfree.h>
#include <vm/vm_pageq.h>

#include "vm_testlib.h"

static const struct vm_memrange memory = { 8 * GiB, 12 * MiB };

static void
start(void)
{

	console_catch();
	vm_start(&memory, 1);
	kmem_init();
	ATF_REQUIRE(km_map_init());
	console_clear();
}

static void
sound(void)
{
	const char *why = km_map_check();

	ATF_REQUIRE_MSG(why == NULL, "%s", why);
	why = kmem_check();
	ATF_REQUIRE_MSG(why == NULL, "%s", why);
	audit_ok(NULL);
}

/* Addresses, page tables and pages: everything is back. */
static void
all_back(uint64_t before)
{
	struct km_map_info kmi;
	struct extent_info ei;

	(void)kmem_reap();
	sound();
	km_map_info(&kmi);
	ATF_REQUIRE_EQ(kmi.kmi_ranges, 0);
	ATF_REQUIRE_EQ(kmi.kmi_pages, 0);
	extent_info(km_map_extent, &ei);
	ATF_REQUIRE_EQ(ei.ei_allocated, 0);
	ATF_REQUIRE_EQ(ei.ei_nregions, 0);
	ATF_REQUIRE_EQ(free_pages(), before);
}

static size_t
round_page(size_t size)
{

	return ((size + PAGE - 1) & ~(size_t)(PAGE - 1));
}

/* Who touches that byte: does it live? */
static bool
touch_faults(volatile char *p, bool write)
{
	const struct rlimit none = { 0, 0 };
	int status;
	pid_t pid = fork();

	ATF_REQUIRE(pid != -1);
	if (pid == 0) {
		/* Not the handler of a sanitizer. */
		signal(SIGSEGV, SIG_DFL);
		if (setrlimit(RLIMIT_CORE, &none) == -1)
			_exit(3);
		if (write)
			*p = 1;
		else
			(void)*p;
		_exit(0);
	}
	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status)) {
		ATF_REQUIRE_EQ(WEXITSTATUS(status), 0);
		return (false);
	}
	ATF_REQUIRE_EQ(WTERMSIG(status), SIGSEGV);
	return (true);
}

ATF_TC_WITHOUT_HEAD(guards);
ATF_TC_BODY(guards, tc)
{
	static const size_t sizes[] = { 1, PAGE - 1, PAGE, PAGE + 1, 7 * PAGE };
	unsigned i;
	size_t size;
	char *p, *q;

	(void)tc;
	start();
	q = km_map_alloc(PAGE, 1, 0);
	for (i = 0; i < NITEMS(sizes); i++) {
		size = round_page(sizes[i]);
		p = km_map_alloc(sizes[i], 1, 0);
		ATF_REQUIRE(p != NULL);
		memset(p, 0x11, size);
		ATF_REQUIRE(!touch_faults(p, true));
		ATF_REQUIRE(!touch_faults(p + size - 1, true));
		ATF_REQUIRE(touch_faults(p - 1, false));
		ATF_REQUIRE(touch_faults(p - 1, true));
		ATF_REQUIRE(touch_faults(p - PAGE, true));
		ATF_REQUIRE(touch_faults(p + size, false));
		ATF_REQUIRE(touch_faults(p + size, true));
		ATF_REQUIRE(touch_faults(p + size + PAGE - 1, true));
		ATF_REQUIRE_EQ(km_map_free(p, sizes[i]), 0);
		ATF_REQUIRE(touch_faults(p, false));
		ATF_REQUIRE(touch_faults(p + size - 1, true));
	}
	ATF_REQUIRE_EQ(km_map_free(q, PAGE), 0);
}

/* The page behind an address, by its other address. */
static char *
other_view(const char *p)
{
	paddr_t pa;

	ATF_REQUIRE(pmap_kextract((vaddr_t)p, &pa));
	ATF_REQUIRE_EQ(pa % PAGE, (uintptr_t)p % PAGE);
	return (vm_md_phystov(pa, 1));
}

/*
 * fragment: all memory is taken, and of each two pages one is given back.
 */
static paddr_t taken[4096];
static unsigned ntaken;

static void
fragment(void)
{
	paddr_t pa;

	ntaken = 0;
	for (pa = memory.vmr_start;
	    pa < memory.vmr_start + memory.vmr_size; pa += 2 * PAGE) {
		if (vm_pglist_reserve(pa, PAGE, 0) == 0)
			taken[ntaken++] = pa;
	}
}

static void
defragment(void)
{

	while (ntaken > 0)
		ATF_REQUIRE_EQ(vm_page_free(taken[--ntaken]), 0);
}

ATF_TC_WITHOUT_HEAD(scattered);
ATF_TC_BODY(scattered, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(2 * PAGE);
	const size_t size = 300 * PAGE;
	uint64_t before, whole;
	size_t at;
	char *p;

	(void)tc;
	start();
	whole = free_pages();
	fragment();
	before = free_pages();
	ATF_REQUIRE_EQ(run_error(&req), ENOMEM);
	p = km_map_alloc(size, 1, 0);
	ATF_REQUIRE(p != NULL);
	/* The pages, a description and what describes it. */
	ATF_REQUIRE_EQ(before - free_pages(), 302);
	sound();
	for (at = 0; at < size; at += 128)
		p[at] = (char)(at * 31 >> 7);
	for (at = 0; at < size; at += 128) {
		ATF_REQUIRE_EQ(p[at], (char)(at * 31 >> 7));
		ATF_REQUIRE_EQ(*other_view(p + at), p[at]);
	}
	ATF_REQUIRE_EQ(km_map_free(p, size), 0);
	all_back(before);
	defragment();
	ATF_REQUIRE_EQ(free_pages(), whole);
}

ATF_TC_WITHOUT_HEAD(alignment);
ATF_TC_BODY(alignment, tc)
{
	uint64_t before;
	void *p[8];
	size_t align;
	unsigned i;

	(void)tc;
	start();
	before = free_pages();
	for (align = 1; align <= 1 * GiB; align *= 2) {
		for (i = 0; i < NITEMS(p); i++) {
			p[i] = km_map_alloc((i + 1) * 1000, align, 0);
			ATF_REQUIRE_MSG(p[i] != NULL, "align %zu", align);
			ATF_REQUIRE_EQ((uintptr_t)p[i] % align, 0);
			ATF_REQUIRE_EQ((uintptr_t)p[i] % PAGE, 0);
		}
		sound();
		for (i = 0; i < NITEMS(p); i++)
			ATF_REQUIRE_EQ(km_map_free(p[i], (i + 1) * 1000), 0);
	}
	all_back(before);
}

ATF_TC_WITHOUT_HEAD(zeroed);
ATF_TC_BODY(zeroed, tc)
{
	const size_t size = 20 * PAGE;
	unsigned round;
	size_t i;
	char *p;

	(void)tc;
	start();
	for (round = 0; round < 5; round++) {
		p = km_map_alloc(size, 1, VM_PG_ZERO);
		ATF_REQUIRE(p != NULL);
		for (i = 0; i < size; i++)
			ATF_REQUIRE_EQ(p[i], 0);
		memset(p, 0x77, size);
		ATF_REQUIRE_EQ(km_map_free(p, size), 0);
	}
	/* What was handed out once is not fresh. */
	while (vm_page_alloc(VM_PG_FRESH, 0) != VM_PADDR_NONE)
		continue;
	ATF_REQUIRE(km_map_alloc(PAGE, 1, 0) != NULL);
	ATF_REQUIRE_EQ(km_map_alloc(PAGE, 1, VM_PG_FRESH), NULL);
}

/*
 * Misuse.
 */
static void
refused(void *p, size_t size, int error)
{
	enum kmem_badness what = error == EMSGSIZE ? KMEM_BAD_SIZE :
	    KMEM_BAD_START;
	struct vm_audit was, is;
	struct km_map_info before, after;
	uint64_t n = kmem_bad(what);

	audit_ok(&was);
	km_map_info(&before);
	console_clear();
	ATF_REQUIRE_EQ_MSG(km_map_free(p, size), error, "%p size %zu", p,
	    size);
	ATF_REQUIRE_EQ(kmem_bad(what), n + 1);
	km_map_info(&after);
	ATF_REQUIRE_EQ(after.kmi_ranges, before.kmi_ranges);
	ATF_REQUIRE_EQ(after.kmi_pages, before.kmi_pages);
	sound();
	audit_ok(&is);
	ATF_REQUIRE_EQ(is.va_digest, was.va_digest);
	ATF_REQUIRE(console_lines() <= 1);
	ATF_REQUIRE(console_lines() == 0 ||
	    strncmp(console_text(), "km_map: 0x", 10) == 0 ||
	    strncmp(console_text(), "km_map: (nil)", 13) == 0);
}

ATF_TC_WITHOUT_HEAD(bad_free);
ATF_TC_BODY(bad_free, tc)
{
	static char object[64];
	uint64_t before;
	char *p, *q;

	(void)tc;
	start();
	before = free_pages();
	p = km_map_alloc(3 * PAGE, 1, 0);
	q = km_map_alloc(5000, 1, 0);
	refused(p, 3 * PAGE - 1, EMSGSIZE);
	refused(p, 3 * PAGE + 1, EMSGSIZE);
	refused(p, 0, EMSGSIZE);
	refused(p, SIZE_MAX, EMSGSIZE);
	refused(q, 8192, EMSGSIZE);
	refused(p + 1, 3 * PAGE - 1, EINVAL);
	refused(p + PAGE, 2 * PAGE, EINVAL);
	refused(p - PAGE, 5 * PAGE, EINVAL);
	refused(p + 3 * PAGE, PAGE, EINVAL);
	refused(NULL, 0, EINVAL);
	refused(object, sizeof(object), EINVAL);
	refused((void *)UINTPTR_MAX, 1, EINVAL);
	refused(other_view(p), 3 * PAGE, EINVAL);
	ATF_REQUIRE_EQ(km_map_free(p, 3 * PAGE), 0);
	refused(p, 3 * PAGE, EINVAL);
	ATF_REQUIRE_EQ(km_map_free(q, 5000), 0);
	refused(q, 5000, EINVAL);
	all_back(before);
}

ATF_TC_WITHOUT_HEAD(requests);
ATF_TC_BODY(requests, tc)
{
	uint64_t before;

	(void)tc;
	start();
	before = free_pages();
#define	NOT(expr) do {							\
	console_clear();						\
	ATF_REQUIRE_EQ(expr, NULL);					\
	ATF_REQUIRE_EQ(console_lines(), 1);				\
} while (0)
	NOT(km_map_alloc(0, 1, 0));
	NOT(km_map_alloc(SIZE_MAX, 1, VM_PG_WAIT));
	NOT(km_map_alloc(SIZE_MAX - PAGE + 1, 1, VM_PG_WAIT));
	NOT(km_map_alloc(1, 0, 0));
	NOT(km_map_alloc(1, 3, 0));
	NOT(km_map_alloc(1, 3 * PAGE, 0));
	NOT(km_map_alloc(1, (size_t)1 << 63, 0));
	NOT(km_map_alloc(1, 1, 0x10000));
	NOT(km_map_alloc(1, 1, VM_PG_NODRAIN));
#undef	NOT
	/* More than there is of pages, and of addresses. */
	console_clear();
	ATF_REQUIRE_EQ(km_map_alloc(13 * MiB, 1, 0), NULL);
	ATF_REQUIRE_EQ(km_map_alloc(KMEM_MAX, 1, VM_PG_WAIT), NULL);
	ATF_REQUIRE_EQ(km_map_alloc(1, KMEM_MAX, VM_PG_WAIT), NULL);
	ATF_REQUIRE_EQ(console_lines(), 0);
	all_back(before);
}

/*
 * Histories.
 */
#define	MAXLIVE	200

struct live {
	unsigned char	*l_p;
	size_t		l_size;
	unsigned char	l_seed;
};

static struct live live[MAXLIVE];
static unsigned nlive;

static unsigned char
byte_at(const struct live *l, size_t i)
{

	return ((unsigned char)(l->l_seed + i * 3 + (i >> 12)));
}

static void
live_add(struct rng *r)
{
	struct live *l = &live[nlive];
	size_t align = (size_t)1 << rng_below(r, 18), i;

	l->l_size = rng_size(r, 400000);
	l->l_seed = (unsigned char)rng_next(r);
	l->l_p = km_map_alloc(l->l_size, align, 0);
	if (l->l_p == NULL)
		return;
	ATF_REQUIRE_EQ((uintptr_t)l->l_p % align, 0);
	for (i = 0; i < l->l_size; i += 64)
		l->l_p[i] = byte_at(l, i);
	nlive++;
}

static void
live_remove(unsigned k)
{
	size_t i;

	for (i = 0; i < live[k].l_size; i += 64)
		ATF_REQUIRE_EQ(live[k].l_p[i], byte_at(&live[k], i));
	ATF_REQUIRE_EQ(km_map_free(live[k].l_p, live[k].l_size), 0);
	live[k] = live[--nlive];
}

static void
live_compare(void)
{
	struct km_map_info kmi;
	uint64_t pages = 0;
	unsigned i, k;

	sound();
	for (i = 0; i < nlive; i++) {
		pages += round_page(live[i].l_size) / PAGE;
		/* A guard page at each side is nobody else's. */
		for (k = 0; k < nlive; k++)
			ATF_REQUIRE(k == i || live[k].l_p >= live[i].l_p +
			    round_page(live[i].l_size) + 2 * PAGE ||
			    live[k].l_p + round_page(live[k].l_size) +
			    2 * PAGE <= live[i].l_p);
	}
	km_map_info(&kmi);
	ATF_REQUIRE_EQ(kmi.kmi_ranges, nlive);
	ATF_REQUIRE_EQ(kmi.kmi_pages, pages);
}

ATF_TC(history);
ATF_TC_HEAD(history, tc)
{

	atf_tc_set_md_var(tc, "descr", "Random allocations and frees");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(history, tc)
{
	unsigned i, steps = test_long(tc) ? 100000 : 3000;
	uint64_t before;
	struct rng r;

	rng_init(&r, tc, 1);
	start();
	before = free_pages();
	for (i = 0; i < steps; i++) {
		if (nlive < MAXLIVE && rng_chance(&r, 2))
			live_add(&r);
		else if (nlive > 0)
			live_remove((unsigned)rng_below(&r, nlive));
		if (i % 100 == 0)
			live_compare();
	}
	while (nlive > 0)
		live_remove(nlive - 1);
	all_back(before);
}

ATF_TC_WITHOUT_HEAD(exhaustion);
ATF_TC_BODY(exhaustion, tc)
{
	void *list = NULL, **p;
	uint64_t before, n, round;

	(void)tc;
	start();
	before = free_pages();
	for (round = 0; round < 3; round++) {
		n = 0;
		while ((p = km_map_alloc(2 * PAGE, 1, 0)) != NULL) {
			*p = list;
			list = p;
			n++;
		}
		ATF_REQUIRE_MSG(n * 2 > before * 9 / 10, "%" PRIu64, n);
		sound();
		while ((p = list) != NULL) {
			list = *p;
			ATF_REQUIRE_EQ(km_map_free(p, 2 * PAGE), 0);
		}
		all_back(before);
	}
}

static _Atomic bool awake;

static void *
sleeper(void *arg)
{
	void *p = km_map_alloc(100 * PAGE, 1, VM_PG_WAIT);

	(void)arg;
	atomic_store(&awake, true);
	return (p);
}

ATF_TC_WITHOUT_HEAD(sleeping);
ATF_TC_BODY(sleeping, tc)
{
	pthread_t thread;
	uint64_t before;
	void *p;

	(void)tc;
	start();
	before = free_pages();
	fragment();
	while (free_pages() > 80)
		taken[ntaken++] = vm_page_alloc(0, 0);
	ATF_REQUIRE_EQ(pthread_create(&thread, NULL, sleeper, NULL), 0);
	usleep(50000);
	ATF_REQUIRE(!atomic_load(&awake));
	defragment();
	vm_pageq_flush();
	ATF_REQUIRE_EQ(pthread_join(thread, &p), 0);
	ATF_REQUIRE(p != NULL);
	ATF_REQUIRE_EQ(km_map_free(p, 100 * PAGE), 0);
	all_back(before);
}

static _Atomic bool stop;
static _Atomic unsigned wrong, freed, refusals;

static void *
worker(void *arg)
{
	struct rng r;
	unsigned char *p;
	size_t size, i;

	rng_seed(&r, (uintptr_t)arg);
	while (!atomic_load(&stop)) {
		size = rng_size(&r, 60000);
		p = km_map_alloc(size, 1, 0);
		if (p == NULL)
			continue;
		for (i = 0; i < size; i += 256)
			p[i] = (unsigned char)(uintptr_t)arg;
		if (km_map_free(p + PAGE, size) != EINVAL)
			wrong++;
		for (i = 0; i < size; i += 256) {
			if (p[i] != (unsigned char)(uintptr_t)arg)
				wrong++;
		}
		if (km_map_free(p, size) != 0)
			wrong++;
	}
	return (NULL);
}

ATF_TC(threads);
ATF_TC_HEAD(threads, tc)
{

	atf_tc_set_md_var(tc, "descr", "Several threads");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(threads, tc)
{
	pthread_t thread[3];
	uint64_t before;
	unsigned i;

	start();
	usermode_console(NULL);
	before = free_pages();
	for (i = 0; i < NITEMS(thread); i++)
		ATF_REQUIRE_EQ(pthread_create(&thread[i], NULL, worker,
		    (void *)(uintptr_t)(i + 1)), 0);
	sleep(test_long(tc) ? 60 : 2);
	atomic_store(&stop, true);
	for (i = 0; i < NITEMS(thread); i++)
		ATF_REQUIRE_EQ(pthread_join(thread[i], NULL), 0);
	ATF_REQUIRE_EQ(wrong, 0);
	all_back(before);
}

static pthread_barrier_t race_barrier;
static void *race_range;

static void *
racer(void *arg)
{
	unsigned i;

	(void)arg;
	for (i = 0; i < 500; i++) {
		pthread_barrier_wait(&race_barrier);
		if (km_map_free(race_range, 5 * PAGE) == 0)
			freed++;
		else
			refusals++;
		pthread_barrier_wait(&race_barrier);
	}
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(double_free_race);
ATF_TC_BODY(double_free_race, tc)
{
	pthread_t thread[3];
	uint64_t before;
	unsigned i, n = NITEMS(thread);

	(void)tc;
	start();
	usermode_console(NULL);
	before = free_pages();
	ATF_REQUIRE_EQ(pthread_barrier_init(&race_barrier, NULL, n + 1), 0);
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(pthread_create(&thread[i], NULL, racer, NULL),
		    0);
	for (i = 0; i < 500; i++) {
		race_range = km_map_alloc(5 * PAGE, 1, 0);
		ATF_REQUIRE(race_range != NULL);
		pthread_barrier_wait(&race_barrier);
		pthread_barrier_wait(&race_barrier);
		ATF_REQUIRE_EQ(freed, i + 1);
		ATF_REQUIRE_EQ(refusals, (i + 1) * (n - 1));
	}
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(pthread_join(thread[i], NULL), 0);
	all_back(before);
}

/*
 * kmem(9) comes here when there is no run.
 */
ATF_TC_WITHOUT_HEAD(kmem_without_runs);
ATF_TC_BODY(kmem_without_runs, tc)
{
	static const size_t sizes[] = { PAGE + 1, 3 * PAGE, 100000, 2 * MiB };
	struct km_map_info kmi;
	uint64_t before;
	unsigned i;
	char *p;

	(void)tc;
	start();
	fragment();
	before = free_pages();
	for (i = 0; i < NITEMS(sizes); i++) {
		p = kmem_zalloc(sizes[i], KM_NOSLEEP);
		ATF_REQUIRE_MSG(p != NULL, "size %zu", sizes[i]);
		km_map_info(&kmi);
		ATF_REQUIRE_EQ(kmi.kmi_ranges, 1);
		memset(p, 0x33, sizes[i]);
		sound();
		kmem_free(p + PAGE, sizes[i]);
		kmem_free(p, sizes[i] - 1);
		ATF_REQUIRE_EQ(kmem_bad(KMEM_BAD_START), i + 1);
		ATF_REQUIRE_EQ(kmem_bad(KMEM_BAD_SIZE), i + 1);
		kmem_free(p, sizes[i]);
		all_back(before);
	}
	/* Not that either. */
	ATF_REQUIRE_EQ(kmem_alloc(8 * MiB, KM_NOSLEEP), NULL);
	all_back(before);
	p = kmem_alloc(50 * PAGE, KM_SLEEP);
	ATF_REQUIRE(p != NULL);
	kmem_free(p, 50 * PAGE);
	all_back(before);
}

ATF_TC_WITHOUT_HEAD(kmem_aligned);
ATF_TC_BODY(kmem_aligned, tc)
{
	uint64_t before;
	size_t align, size;
	void *p;

	(void)tc;
	start();
	before = free_pages();
	for (align = PAGE; align <= 8 * MiB; align *= 2) {
		for (size = 1; size < 100000; size *= 7) {
			p = kmem_alloc_aligned(size, align, KM_NOSLEEP);
			ATF_REQUIRE_MSG(p != NULL, "size %zu align %zu", size,
			    align);
			ATF_REQUIRE_EQ((uintptr_t)p % align, 0);
			memset(p, 1, size);
			kmem_free(p, size);
		}
	}
	all_back(before);
}

/*
 * Pages that somebody has, in a row.
 */
ATF_TC_WITHOUT_HEAD(segments);
ATF_TC_BODY(segments, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(40 * PAGE);
	struct vm_pgseg segs[40], odd;
	uint64_t before, held;
	unsigned i, n;
	size_t at;
	char *p, *own;

	(void)tc;
	start();
	before = free_pages();
	fragment();
	req.vpr_nsegs = NITEMS(segs);
	ATF_REQUIRE_EQ(vm_pglist_alloc(&req, segs, &n), 0);
	ATF_REQUIRE(n > 20);
	held = free_pages();
	p = km_map_enter(segs, n, 40 * PAGE - 5);
	ATF_REQUIRE(p != NULL);
	sound();
	for (at = 0; at < 40 * PAGE; at += 512)
		p[at] = (char)(at >> 9);
	for (i = 0, at = 0; i < n; at += segs[i++].vps_size)
		ATF_REQUIRE_EQ(memcmp(p + at, vm_md_phystov(segs[i].vps_start,
		    segs[i].vps_size), segs[i].vps_size), 0);
	ATF_REQUIRE(touch_faults(p - 1, true));
	ATF_REQUIRE(touch_faults(p + 40 * PAGE, true));
	/* Each kind is freed by its own function. */
	own = km_map_alloc(PAGE, 1, 0);
	refused(p, 40 * PAGE - 5, EINVAL);
	ATF_REQUIRE_EQ(km_map_remove(own, PAGE), EINVAL);
	ATF_REQUIRE_EQ(km_map_remove(p, 40 * PAGE), EMSGSIZE);
	ATF_REQUIRE_EQ(km_map_free(own, PAGE), 0);
	ATF_REQUIRE_EQ(km_map_remove(p, 40 * PAGE - 5), 0);
	ATF_REQUIRE(touch_faults(p, false));
	ATF_REQUIRE_EQ(km_map_remove(p, 40 * PAGE - 5), EINVAL);
	all_back(held);
	/* What cannot be. */
	ATF_REQUIRE_EQ(km_map_enter(segs, n, 40 * PAGE + 1), NULL);
	ATF_REQUIRE_EQ(km_map_enter(segs, n, 0), NULL);
	ATF_REQUIRE_EQ(km_map_enter(segs, 0, 1), NULL);
	odd = (struct vm_pgseg){ segs[0].vps_start + 1, PAGE };
	ATF_REQUIRE_EQ(km_map_enter(&odd, 1, 1), NULL);
	all_back(held);
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(vm_pglist_free(segs[i].vps_start,
		    segs[i].vps_size), 0);
	defragment();
	all_back(before);
}

/*
 * What is said of a fault.
 */
static void
fault_is(const char *at, const char *what, const char *p, size_t size)
{
	char text[100] = "", want[100];

	ATF_REQUIRE(km_map_fault(at, text, sizeof(text)));
	if (p == NULL)
		snprintf(want, sizeof(want), "km_map: %s", what);
	else
		snprintf(want, sizeof(want), "km_map: %s %p size %zu", what,
		    (const void *)p, size);
	ATF_REQUIRE_STREQ(text, want);
}

ATF_TC_WITHOUT_HEAD(fault);
ATF_TC_BODY(fault, tc)
{
	struct km_map_info kmi;
	char text[100] = "", *p;

	(void)tc;
	ATF_REQUIRE(!km_map_fault(text, text, sizeof(text)));
	start();
	km_map_info(&kmi);
	ATF_REQUIRE(!km_map_fault(text, text, sizeof(text)));
	ATF_REQUIRE(!km_map_fault(NULL, text, sizeof(text)));
	ATF_REQUIRE(!km_map_fault((char *)kmi.kmi_start - 1, text, 100));
	ATF_REQUIRE(!km_map_fault((char *)kmi.kmi_end, text, 100));
	p = (char *)kmi.kmi_start + 100 * PAGE;
	fault_is(p, "not allocated", NULL, 0);
	p = km_map_alloc(5000, 1 * MiB, 0);
	fault_is(p, "mapped page in", p, 5000);
	fault_is(p + 2 * PAGE - 1, "mapped page in", p, 5000);
	fault_is(p - 1, "guard page before", p, 5000);
	fault_is(p - PAGE, "guard page before", p, 5000);
	fault_is(p + 2 * PAGE, "guard page behind", p, 5000);
	fault_is(p + 3 * PAGE - 1, "guard page behind", p, 5000);
	fault_is(p - PAGE - 1, "not allocated", NULL, 0);
	fault_is(p + 3 * PAGE, "not allocated", NULL, 0);
	ATF_REQUIRE_EQ(km_map_free(p, 5000), 0);
	fault_is(p, "not allocated", NULL, 0);
}

/* The page allocator starts again: nothing of the old world is left. */
ATF_TC_WITHOUT_HEAD(again);
ATF_TC_BODY(again, tc)
{
	static void *range[100];
	void *in_the_way;
	unsigned i, k;

	for (k = 0; k < 2; k++) {
		start();
		for (i = 0; i < NITEMS(range); i++) {
			range[i] = km_map_alloc(PAGE, PAGE, 0);
			ATF_REQUIRE(range[i] != NULL);
			memset(range[i], 0xff, PAGE);
		}
		sound();
		/* Last the ones that were first: those in the storage. */
		for (i = NITEMS(range); i-- > 0;)
			ATF_REQUIRE_EQ(km_map_free(range[i], PAGE), 0);
		sound();
		usermode_physmem_release();
		/* The host need not give the same addresses again. */
		in_the_way = mmap(NULL, PAGE, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ATF_REQUIRE(in_the_way != MAP_FAILED);
	}
}

/* A thread without a number finds out about a fault, too. */
static void *
sit(void *arg)
{

	(void)vm_md_curcpu();
	pthread_barrier_wait(arg);
	pthread_barrier_wait(arg);
	return (NULL);
}

static void *
ask(void *arg)
{

	ATF_REQUIRE_EQ(vm_md_curcpu(), VM_NOCPU);
	fault_is(arg, "mapped page in", arg, PAGE);
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(fault_without_number);
ATF_TC_BODY(fault_without_number, tc)
{
	static pthread_t sitting[VM_MAXCPU], asking;
	pthread_barrier_t barrier;
	unsigned i;
	char *p;

	start();
	p = km_map_alloc(PAGE, PAGE, 0);
	ATF_REQUIRE(p != NULL);
	pthread_barrier_init(&barrier, NULL, VM_MAXCPU + 1);
	for (i = 0; i < VM_MAXCPU; i++)
		ATF_REQUIRE_EQ(pthread_create(&sitting[i], NULL, sit,
		    &barrier), 0);
	pthread_barrier_wait(&barrier);
	ATF_REQUIRE_EQ(pthread_create(&asking, NULL, ask, p), 0);
	pthread_join(asking, NULL);
	pthread_barrier_wait(&barrier);
	for (i = 0; i < VM_MAXCPU; i++)
		pthread_join(sitting[i], NULL);
	pthread_barrier_destroy(&barrier);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, guards);
	ATF_TP_ADD_TC(tp, scattered);
	ATF_TP_ADD_TC(tp, alignment);
	ATF_TP_ADD_TC(tp, zeroed);
	ATF_TP_ADD_TC(tp, bad_free);
	ATF_TP_ADD_TC(tp, requests);
	ATF_TP_ADD_TC(tp, history);
	ATF_TP_ADD_TC(tp, exhaustion);
	ATF_TP_ADD_TC(tp, sleeping);
	ATF_TP_ADD_TC(tp, threads);
	ATF_TP_ADD_TC(tp, double_free_race);
	ATF_TP_ADD_TC(tp, kmem_without_runs);
	ATF_TP_ADD_TC(tp, kmem_aligned);
	ATF_TP_ADD_TC(tp, segments);
	ATF_TP_ADD_TC(tp, fault);
	ATF_TP_ADD_TC(tp, fault_without_number);
	ATF_TP_ADD_TC(tp, again);
	return (atf_no_error());
}
