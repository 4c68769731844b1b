/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of kmem(9), of a kernel without DIAGNOSTIC and, included by
 * subr_kmem_diagnostic_test.c, of one with it.
 */

#include <sys/resource.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/km_map.h>
#include <sys/kmem.h>

#include <vm/vm_badfree.h>
#include <vm/vm_pageq.h>

#include "vm_testlib.h"

#ifdef DIAGNOSTIC
#define	DIAGNOSTICS	true
#else
#define	DIAGNOSTICS	false
#endif

/* Each kind of memory that there is, small enough to be used up. */
static const struct vm_memrange machine[] = {
	{ 1 * MiB, 3 * MiB },
	{ 24 * MiB, 4 * MiB },
	{ 4 * GiB - 2 * MiB, 6 * MiB },
};

static void
start_with(const struct vm_memrange *ranges, unsigned n)
{

	console_catch();
	vm_start(ranges, n);
	kmem_init();
	ATF_REQUIRE(km_map_init());
	console_clear();
}

static void
start(void)
{

	start_with(machine, NITEMS(machine));
}

static void
sound(void)
{
	const char *why = kmem_check();

	ATF_REQUIRE_MSG(why == NULL, "%s", why);
	audit_ok(NULL);
}

static uint64_t
bad_total(void)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < KMEM_NBADNESS; i++)
		n += kmem_bad((enum kmem_badness)i);
	return (n);
}

static uint64_t
used(void)
{
	struct kmem_info ki;
	uint64_t n = 0;
	unsigned i;

	for (i = 0; kmem_info(i, &ki); i++)
		n += ki.ki_used;
	return (n);
}

/* Everything that was allocated is free: each page is back. */
static void
all_back(uint64_t before)
{
	struct vm_audit va;

	(void)kmem_reap();
	sound();
	ATF_REQUIRE_EQ(used(), 0);
	ATF_REQUIRE_EQ(kmem_meta_pages(), 0);
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_free + va.va_held, before);
}

/*
 * Live objects, each with contents that follow from where it lies and what it
 * is.
 */
struct object {
	unsigned char	*o_p;
	size_t		o_size;
	unsigned char	o_seed;
};

static unsigned char
byte_at(const struct object *o, size_t i)
{

	return ((unsigned char)(o->o_seed + i * 7 + (i >> 8)));
}

static void
object_fill(struct object *o)
{
	size_t i;

	for (i = 0; i < o->o_size; i++)
		o->o_p[i] = byte_at(o, i);
}

static bool
object_kept(const struct object *o)
{
	size_t i;

	for (i = 0; i < o->o_size; i++) {
		if (o->o_p[i] != byte_at(o, i))
			return (false);
	}
	return (true);
}

static bool
all_zero(const unsigned char *p, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (p[i] != 0)
			return (false);
	}
	return (true);
}

static int
object_order(const void *a, const void *b)
{
	const struct object *x = a, *y = b;

	return (x->o_p < y->o_p ? -1 : x->o_p > y->o_p);
}

static void
no_overlap(const struct object *objects, unsigned n)
{
	struct object *sorted = malloc((n + 1) * sizeof(*sorted));
	unsigned i;

	ATF_REQUIRE(sorted != NULL);
	memcpy(sorted, objects, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), object_order);
	for (i = 1; i < n; i++)
		ATF_REQUIRE_MSG(sorted[i - 1].o_p + sorted[i - 1].o_size <=
		    sorted[i].o_p, "%p size %zu and %p",
		    (void *)sorted[i - 1].o_p, sorted[i - 1].o_size,
		    (void *)sorted[i].o_p);
	free(sorted);
}

ATF_TC_WITHOUT_HEAD(sizes);
ATF_TC_BODY(sizes, tc)
{
	struct object o = { .o_seed = 3 };
	uint64_t before;

	(void)tc;
	start();
	before = free_pages();
	for (o.o_size = 1; o.o_size < 3 * PAGE; o.o_size += o.o_size < 2100 ?
	    1 : 61) {
		o.o_p = kmem_alloc(o.o_size, KM_NOSLEEP);
		ATF_REQUIRE_MSG(o.o_p != NULL, "size %zu", o.o_size);
		ATF_REQUIRE_EQ((uintptr_t)o.o_p % KMEM_ALIGN, 0);
		object_fill(&o);
		ATF_REQUIRE_EQ(used(), 1);
		ATF_REQUIRE(object_kept(&o));
		kmem_free(o.o_p, o.o_size);
	}
	ATF_REQUIRE_EQ(bad_total(), 0);
	all_back(before);
}

/* The size that a page is cut for is at most half as large again. */
ATF_TC_WITHOUT_HEAD(economy);
ATF_TC_BODY(economy, tc)
{
	struct kmem_info ki;
	size_t size;
	unsigned i;
	void *p;

	(void)tc;
	start();
	for (size = 64; size <= 2000; size++) {
		p = kmem_alloc(size, KM_NOSLEEP);
		for (i = 0; kmem_info(i, &ki) && ki.ki_used == 0; i++)
			continue;
		ATF_REQUIRE_EQ(ki.ki_used, 1);
		ATF_REQUIRE_EQ(ki.ki_bytes, size);
		ATF_REQUIRE_MSG(ki.ki_size >= size &&
		    ki.ki_size <= size + size / 2 + 24, "%zu for %zu",
		    ki.ki_size, size);
		kmem_free(p, size);
	}
	/* Small ones share a page. */
	p = kmem_alloc(16, KM_NOSLEEP);
	size = free_pages();
	for (i = 0; i < 100; i++)
		ATF_REQUIRE(kmem_alloc(16, KM_NOSLEEP) != NULL);
	ATF_REQUIRE_EQ(free_pages(), size);
}

ATF_TC_WITHOUT_HEAD(aligned);
ATF_TC_BODY(aligned, tc)
{
	struct object o[8];
	uint64_t before;
	size_t align, size;
	unsigned i;

	(void)tc;
	start();
	before = free_pages();
	for (align = 1; align <= 64 * KiB; align *= 2) {
		for (size = 1; size < 12000; size += size / 2 + 1) {
			for (i = 0; i < NITEMS(o); i++) {
				o[i].o_size = size;
				o[i].o_seed = (unsigned char)i;
				o[i].o_p = kmem_alloc_aligned(size, align,
				    KM_NOSLEEP);
				ATF_REQUIRE_MSG(o[i].o_p != NULL,
				    "size %zu align %zu", size, align);
				ATF_REQUIRE_EQ((uintptr_t)o[i].o_p % align, 0);
				object_fill(&o[i]);
			}
			no_overlap(o, NITEMS(o));
			for (i = 0; i < NITEMS(o); i++) {
				ATF_REQUIRE(object_kept(&o[i]));
				kmem_free(o[i].o_p, size);
			}
		}
	}
	ATF_REQUIRE_EQ(bad_total(), 0);
	all_back(before);
}

ATF_TC_WITHOUT_HEAD(zeroed);
ATF_TC_BODY(zeroed, tc)
{
	uint64_t before;
	size_t size;
	unsigned i;
	void *p;

	(void)tc;
	start();
	before = free_pages();
	for (size = 1; size < 4 * PAGE; size += size / 3 + 1) {
		for (i = 0; i < 3; i++) {
			p = kmem_zalloc(size, KM_NOSLEEP);
			ATF_REQUIRE(all_zero(p, size));
			memset(p, 0xff, size);
			kmem_free(p, size);
		}
	}
	all_back(before);
}

/* What is not zeroed is left alone, or in a DIAGNOSTIC kernel is a pattern. */
ATF_TC_WITHOUT_HEAD(contents);
ATF_TC_BODY(contents, tc)
{
	unsigned char *p, *q, want;
	size_t size, i;

	(void)tc;
	start();
	for (size = 16; size <= 2000; size += 31) {
		p = kmem_alloc(size, KM_NOSLEEP);
		memset(p, 0x5c, size);
		want = DIAGNOSTICS ? 0xde : 0x5c;
		kmem_free(p, size);
		for (i = 0; i < size; i++)
			ATF_REQUIRE_EQ(p[i], want);
		q = kmem_alloc(size, KM_NOSLEEP);
		ATF_REQUIRE_EQ(p, q);
		want = DIAGNOSTICS ? 0xa5 : 0x5c;
		for (i = 0; i < size; i++)
			ATF_REQUIRE_EQ(q[i], want);
		kmem_free(q, size);
	}
}

/*
 * Histories.
 */
#define	MAXLIVE	3000

static struct object live[MAXLIVE];
static unsigned nlive;

static void
live_add(struct rng *r)
{
	struct object *o = &live[nlive];
	size_t align = 1;

	if (nlive == MAXLIVE)
		return;
	o->o_size = rng_size(r, rng_chance(r, 50) ? 40000 : 1500);
	o->o_seed = (unsigned char)rng_next(r);
	switch (rng_below(r, 4)) {
	case 0:
		o->o_p = kmem_alloc(o->o_size, KM_NOSLEEP);
		break;
	case 1:
		o->o_p = kmem_zalloc(o->o_size, KM_NOSLEEP);
		ATF_REQUIRE(o->o_p == NULL || all_zero(o->o_p, o->o_size));
		break;
	case 2:
		align = (size_t)1 << rng_below(r, 13);
		o->o_p = kmem_zalloc_aligned(o->o_size, align, KM_NOSLEEP);
		ATF_REQUIRE(o->o_p == NULL || all_zero(o->o_p, o->o_size));
		break;
	default:
		align = (size_t)1 << rng_below(r, 13);
		o->o_p = kmem_alloc_aligned(o->o_size, align, KM_NOSLEEP);
		break;
	}
	if (o->o_p == NULL)
		return;
	ATF_REQUIRE_EQ((uintptr_t)o->o_p % align, 0);
	ATF_REQUIRE_EQ((uintptr_t)o->o_p % KMEM_ALIGN, 0);
	object_fill(o);
	nlive++;
}

static void
live_remove(unsigned i)
{

	ATF_REQUIRE_MSG(object_kept(&live[i]), "%p size %zu was overwritten",
	    (void *)live[i].o_p, live[i].o_size);
	kmem_free(live[i].o_p, live[i].o_size);
	live[i] = live[--nlive];
}

static void
history_steps(struct rng *r, unsigned n)
{
	/* More come than go, or the other way round. */
	unsigned odds = (unsigned)rng_range(r, 1, 3);

	while (n-- > 0) {
		if (nlive > 0 && rng_below(r, 4) < odds)
			live_remove((unsigned)rng_below(r, nlive));
		else
			live_add(r);
	}
}

static void
history_compare(void)
{
	struct kmem_info ki;
	uint64_t bytes = 0, want = 0;
	unsigned i;

	sound();
	no_overlap(live, nlive);
	ATF_REQUIRE_EQ(used(), nlive);
	for (i = 0; kmem_info(i, &ki); i++)
		bytes += ki.ki_bytes;
	for (i = 0; i < nlive; i++)
		want += live[i].o_size;
	ATF_REQUIRE_EQ(bytes, want);
}

ATF_TC(history);
ATF_TC_HEAD(history, tc)
{

	atf_tc_set_md_var(tc, "descr", "Random allocations and frees");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(history, tc)
{
	unsigned i, rounds = test_long(tc) ? 2000 : 60;
	uint64_t before;
	struct rng r;

	rng_init(&r, tc, 1);
	start();
	before = free_pages();
	for (i = 0; i < rounds; i++) {
		history_steps(&r, (unsigned)rng_size(&r, 4000));
		if (rng_chance(&r, 4))
			(void)kmem_reap();
		history_compare();
	}
	while (nlive > 0)
		live_remove(nlive - 1);
	ATF_REQUIRE_EQ(bad_total(), 0);
	all_back(before);
}

/*
 * Misuse: refused, one line, one count, nothing changes.
 */
static void
refused(void *p, size_t size, enum kmem_badness what)
{
	static const char *const text[] = {
		[KMEM_BAD_START] = "not the start of an allocation",
		[KMEM_BAD_FREE] = "already free",
		[KMEM_BAD_SIZE] = "the allocation has another size",
	};
	struct vm_audit was, is;
	uint64_t n = kmem_bad(what), all = bad_total(), count = used();
	char line[200];

	audit_ok(&was);
	console_clear();
	kmem_free(p, size);
	ATF_REQUIRE_EQ_MSG(kmem_bad(what), n + 1, "%p size %zu", p, size);
	ATF_REQUIRE_EQ(bad_total(), all + 1);
	ATF_REQUIRE_EQ(used(), count);
	sound();
	audit_ok(&is);
	ATF_REQUIRE_EQ(is.va_digest, was.va_digest);
	if (console_lines() == 0)
		return;			/* there were too many before */
	ATF_REQUIRE_EQ(console_lines(), 1);
	snprintf(line, sizeof(line), "kmem: %p size %zu from ", p, size);
	ATF_REQUIRE_MSG(strncmp(console_text(), line, strlen(line)) == 0 &&
	    strstr(console_text(), text[what]) != NULL, "%s",
	    console_text());
}

static const size_t misuse_sizes[] = {
	1, 16, 24, 100, 500, 1000, 1900, PAGE, PAGE + 1, 3 * PAGE, 9 * PAGE
};

ATF_TC_WITHOUT_HEAD(wrong_size);
ATF_TC_BODY(wrong_size, tc)
{
	static const size_t wrong[] = {
		0, 1, 2, 15, 16, 17, 32, 2048, 4095, 4096, 4097, 8192,
		SIZE_MAX, SIZE_MAX - 4095, SIZE_MAX / 2 + 1, 0x8000, 0x10001
	};
	uint64_t before;
	size_t size;
	unsigned i, k;
	void *p;

	(void)tc;
	start();
	before = free_pages();
	for (i = 0; i < NITEMS(misuse_sizes); i++) {
		size = misuse_sizes[i];
		p = kmem_alloc(size, KM_NOSLEEP);
		for (k = 0; k < NITEMS(wrong); k++) {
			if (wrong[k] != size)
				refused(p, wrong[k], KMEM_BAD_SIZE);
		}
		refused(p, size + 1, KMEM_BAD_SIZE);
		refused(p, size - 1, KMEM_BAD_SIZE);
		refused(p, size + 0x10000, KMEM_BAD_SIZE);
		kmem_free(p, size);
	}
	all_back(before);
}

ATF_TC_WITHOUT_HEAD(double_free);
ATF_TC_BODY(double_free, tc)
{
	void *p[300];
	size_t size;
	unsigned i, k;

	(void)tc;
	start();
	for (i = 0; i < NITEMS(misuse_sizes); i++) {
		size = misuse_sizes[i];
		/* Its page stays, as there are others in it. */
		for (k = 0; k < 4; k++)
			p[k] = kmem_alloc(size, KM_NOSLEEP);
		kmem_free(p[1], size);
		refused(p[1], size, size < PAGE ? KMEM_BAD_FREE :
		    KMEM_BAD_START);
		kmem_free(p[0], size);
		refused(p[1], size, size < PAGE ? KMEM_BAD_FREE :
		    KMEM_BAD_START);
		kmem_free(p[2], size);
		kmem_free(p[3], size);
	}
	/* And if it went. */
	for (k = 0; k < NITEMS(p); k++)
		p[k] = kmem_alloc(64, KM_NOSLEEP);
	for (k = 0; k < NITEMS(p); k++)
		kmem_free(p[k], 64);
	(void)kmem_reap();
	for (k = 0; k < NITEMS(p); k += 7)
		refused(p[k], 64, KMEM_BAD_START);
}

ATF_TC_WITHOUT_HEAD(interior);
ATF_TC_BODY(interior, tc)
{
	size_t size;
	unsigned i;
	char *p;

	(void)tc;
	start();
	for (i = 0; i < NITEMS(misuse_sizes); i++) {
		size = misuse_sizes[i];
		p = kmem_alloc(size, KM_NOSLEEP);
		refused(p + 1, size, KMEM_BAD_START);
		refused(p + 8, size, KMEM_BAD_START);
		refused(p + 1, size - 1, KMEM_BAD_START);
		if (size > 16)
			refused(p + size - 1, 1, KMEM_BAD_START);
		if (size > PAGE) {
			refused(p + PAGE, size, KMEM_BAD_START);
			refused(p + PAGE, size - PAGE, KMEM_BAD_START);
		}
		kmem_free(p, size);
	}
	/* What is left over at the end of a page. */
	p = kmem_alloc(1300, KM_NOSLEEP);
	p = (char *)((uintptr_t)p & ~(uintptr_t)(PAGE - 1));
	refused(p + 3 * 1360, 1300, KMEM_BAD_START);
	refused(p + PAGE - 1, 1, KMEM_BAD_START);
}

ATF_TC_WITHOUT_HEAD(foreign);
ATF_TC_BODY(foreign, tc)
{
	static char object[64];
	paddr_t pa;
	char *heap = malloc(100), *p;
	char *mine;

	(void)tc;
	start();
	mine = kmem_alloc(64, KM_NOSLEEP);
	refused(object, sizeof(object), KMEM_BAD_START);
	refused(heap, 100, KMEM_BAD_START);
	refused(&heap, sizeof(heap), KMEM_BAD_START);
	refused(NULL, 1, KMEM_BAD_START);
	refused((void *)(uintptr_t)1, 1, KMEM_BAD_START);
	refused((void *)UINTPTR_MAX, 1, KMEM_BAD_START);
	refused((void *)(UINTPTR_MAX - PAGE + 1), PAGE, KMEM_BAD_START);
	/* A page of the page allocator's. */
	pa = vm_page_alloc(0, 0);
	p = vm_md_phystov(pa, PAGE);
	refused(p, PAGE, KMEM_BAD_START);
	ATF_REQUIRE_EQ(vm_page_free(pa), 0);
	/* Nothing at all was said here. */
	console_clear();
	kmem_free(NULL, 0);
	ATF_REQUIRE_EQ(console_lines(), 0);
	kmem_free(mine, 64);
	free(heap);
}

/* All the bytes around and in a live object may be what they like. */
ATF_TC_WITHOUT_HEAD(trampled);
ATF_TC_BODY(trampled, tc)
{
	char *p, *page;

	(void)tc;
	start();
	p = kmem_alloc(100, KM_NOSLEEP);
	page = (char *)((uintptr_t)p & ~(uintptr_t)(PAGE - 1));
	memset(page, 0xff, PAGE);
	refused(p, 99, KMEM_BAD_SIZE);
	refused(p + 112, 100, KMEM_BAD_FREE);
	refused(p + 16, 84, KMEM_BAD_START);
	kmem_free(p, 100);
	refused(p, 100, KMEM_BAD_FREE);
	ATF_REQUIRE_EQ(kmem_bad(KMEM_REDZONE), DIAGNOSTICS ? 1 : 0);
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
	NOT(kmem_alloc(0, KM_SLEEP));
	NOT(kmem_zalloc(0, KM_NOSLEEP));
	NOT(kmem_alloc(16, 0));
	NOT(kmem_alloc(16, KM_SLEEP | KM_NOSLEEP));
	NOT(kmem_alloc(16, KM_NOSLEEP | 0x100));
	NOT(kmem_alloc(SIZE_MAX, KM_SLEEP));
	NOT(kmem_zalloc(SIZE_MAX, KM_SLEEP));
	NOT(kmem_alloc(SIZE_MAX - PAGE, KM_SLEEP));
	NOT(kmem_alloc(KMEM_MAX + 1, KM_SLEEP));
	NOT(kmem_alloc_aligned(16, 0, KM_SLEEP));
	NOT(kmem_alloc_aligned(16, 3, KM_SLEEP));
	NOT(kmem_zalloc_aligned(16, 3, KM_SLEEP));
	NOT(kmem_zalloc_aligned(SIZE_MAX, 16, KM_SLEEP));
	NOT(kmem_alloc_aligned(16, 48, KM_SLEEP));
	NOT(kmem_alloc_aligned(16, KMEM_MAX * 2, KM_SLEEP));
#undef	NOT
	/* Possible, but not here. */
	console_clear();
	ATF_REQUIRE_EQ(kmem_alloc(KMEM_MAX, KM_NOSLEEP), NULL);
	ATF_REQUIRE_EQ(kmem_alloc(1 * GiB, KM_NOSLEEP), NULL);
	ATF_REQUIRE_EQ(kmem_alloc_aligned(1, KMEM_MAX, KM_NOSLEEP), NULL);
	ATF_REQUIRE_EQ(console_lines(), 0);
	all_back(before);
}

ATF_TC_WITHOUT_HEAD(line_rate);
ATF_TC_BODY(line_rate, tc)
{
	const unsigned n = 100000;
	uint64_t began, seconds;
	unsigned i;
	void *p;

	(void)tc;
	start();
	p = kmem_alloc(32, KM_NOSLEEP);
	began = vm_md_nanotime();
	for (i = 0; i < n; i++)
		kmem_free(p, 31);
	seconds = (vm_md_nanotime() - began) / 1000000000 + 2;
	ATF_REQUIRE(console_lines() >= 1);
	ATF_REQUIRE(console_lines() <= seconds * VM_BADFREE_RATE);
	ATF_REQUIRE_EQ(kmem_bad(KMEM_BAD_SIZE), n);
	console_clear();
	usleep(1100000);
	kmem_free(p, 31);
	ATF_REQUIRE_EQ(console_lines(), 1);
}

/* In a child, whose last words go to a file. */
static bool
panics(void (*func)(void))
{
	const struct rlimit none = { 0, 0 };
	char text[200] = "";
	ssize_t n;
	int fd, status;
	pid_t pid = fork();

	ATF_REQUIRE(pid != -1);
	if (pid == 0) {
		fd = open("panic", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (setrlimit(RLIMIT_CORE, &none) == -1 || fd == -1 ||
		    dup2(fd, STDERR_FILENO) == -1)
			_exit(3);
		vm_badfree_panic = true;
		func();
		_exit(0);
	}
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
	ATF_REQUIRE_MSG(strstr(text, "panic: kmem: ") != NULL, "%s", text);
	return (true);
}

static char *victim;

static void
panic_size(void)
{

	kmem_free(victim, 31);
}

static void
panic_start(void)
{

	kmem_free(victim + 1, 32);
}

static void
panic_not(void)
{

	kmem_free(victim, 32);
}

ATF_TC_WITHOUT_HEAD(panic);
ATF_TC_BODY(panic, tc)
{

	(void)tc;
	start();
	ATF_REQUIRE(!vm_badfree_panic);
	victim = kmem_alloc(32, KM_NOSLEEP);
	ATF_REQUIRE(panics(panic_size));
	ATF_REQUIRE(panics(panic_start));
	ATF_REQUIRE(!panics(panic_not));
}

/*
 * What a DIAGNOSTIC kernel finds, and only it.
 */
ATF_TC_WITHOUT_HEAD(redzone);
ATF_TC_BODY(redzone, tc)
{
	static const size_t sizes[] = {
		1, 8, 15, 16, 17, 100, 2000, 2039, 2040, 2041, 2048, 4000,
		PAGE - 8, PAGE, PAGE + 1, 5 * PAGE
	};
	unsigned i, k, n = 0;
	uint64_t before;
	char *p;

	(void)tc;
	start();
	if (!DIAGNOSTICS) {
		/* Where there is no room behind the end, as with 2048. */
		p = kmem_alloc(100, KM_NOSLEEP);
		p[100] = 1;
		kmem_free(p, 100);
		ATF_REQUIRE_EQ(bad_total(), 0);
		return;
	}
	before = free_pages();
	for (i = 0; i < NITEMS(sizes); i++) {
		for (k = 0; k < 8; k++) {
			p = kmem_alloc(sizes[i], KM_NOSLEEP);
			p[sizes[i] - 1] = 1;
			kmem_free(p, sizes[i]);
			ATF_REQUIRE_EQ(kmem_bad(KMEM_REDZONE), n);
			p = kmem_alloc(sizes[i], KM_NOSLEEP);
			p[sizes[i] + k] ^= 1;
			usleep(n % 4 == 0 ? 1100000 / 32 : 0);
			kmem_free(p, sizes[i]);
			ATF_REQUIRE_EQ_MSG(kmem_bad(KMEM_REDZONE), ++n,
			    "size %zu, byte %u", sizes[i], k);
		}
	}
	ATF_REQUIRE(strstr(console_text(), "written behind its end") != NULL);
	ATF_REQUIRE_EQ(bad_total(), n);
	all_back(before);
}

ATF_TC_WITHOUT_HEAD(poison);
ATF_TC_BODY(poison, tc)
{
	size_t size, at;
	unsigned n = 0;
	char *p;

	(void)tc;
	start();
	for (size = 16; size <= 2000; size += 97) {
		for (at = 0; at < size; at += size / 3) {
			p = kmem_alloc(size, KM_NOSLEEP);
			kmem_free(p, size);
			p[at] ^= 1;
			ATF_REQUIRE_EQ(kmem_alloc(size, KM_NOSLEEP), p);
			n++;
			ATF_REQUIRE_EQ(kmem_bad(KMEM_POISON),
			    DIAGNOSTICS ? n : 0);
			kmem_free(p, size);
		}
	}
	ATF_REQUIRE_EQ(bad_total(), DIAGNOSTICS ? n : 0);
	ATF_REQUIRE(!DIAGNOSTICS || strstr(console_text(),
	    "written after it was freed") != NULL);
}

/*
 * Exhaustion: every size, to the last page; then all comes back.
 */
ATF_TC_WITHOUT_HEAD(exhaustion);
ATF_TC_BODY(exhaustion, tc)
{
	static const size_t sizes[] = { 16, 100, 2048, PAGE, 3 * PAGE };
	void **list, **p;
	struct km_map_info kmi;
	uint64_t before, n;
	unsigned i;

	(void)tc;
	start();
	before = free_pages();
	for (i = 0; i < NITEMS(sizes); i++) {
		list = NULL;
		n = 0;
		while ((p = kmem_alloc(sizes[i], KM_NOSLEEP)) != NULL) {
			*p = list;
			list = p;
			n++;
		}
		sound();
		/* km_map(9) describes its ranges in such memory, too. */
		km_map_info(&kmi);
		ATF_REQUIRE_EQ(used(), n + kmi.kmi_ranges);
		/* Of 13 MiB, in one class, most; less the red zones. */
		ATF_REQUIRE_MSG(n * sizes[i] > (DIAGNOSTICS ? 4 : 7) * MiB,
		    "%" PRIu64 " of %zu", n, sizes[i]);
		/* A page that is freed is enough for the smallest. */
		p = *list;
		kmem_free(list, sizes[i]);
		list = p;
		p = kmem_alloc(sizes[i], KM_NOSLEEP);
		ATF_REQUIRE(p != NULL);
		kmem_free(p, sizes[i]);
		while ((p = list) != NULL) {
			list = *p;
			kmem_free(p, sizes[i]);
		}
		all_back(before);
	}
	ATF_REQUIRE_EQ(bad_total(), 0);
	ATF_REQUIRE_EQ(console_lines(), 0);
}

/* What an empty class keeps is had by others when there is nothing else. */
ATF_TC_WITHOUT_HEAD(kept_pages);
ATF_TC_BODY(kept_pages, tc)
{
	uint64_t before, kept, n = 0;
	struct vm_audit va;
	void *p;

	(void)tc;
	start();
	before = free_pages();
	kmem_free(kmem_alloc(100, KM_NOSLEEP), 100);
	kept = before - free_pages();
	ATF_REQUIRE_EQ(kept, 2);		/* and its description */
	p = kmem_alloc(100, KM_NOSLEEP);
	ATF_REQUIRE_EQ(free_pages(), before - kept);
	kmem_free(p, 100);
	while (kmem_alloc(PAGE, KM_NOSLEEP) != NULL)
		n++;
	ATF_REQUIRE_EQ(kmem_reap(), 0);
	audit_ok(&va);
	sound();
	ATF_REQUIRE(n > 0);
}

/*
 * Sleeping.
 */
static _Atomic bool awake;

static void *
sleeper(void *arg)
{
	size_t size = *(size_t *)arg;
	void *p = kmem_alloc(size, KM_SLEEP);

	atomic_store(&awake, true);
	return (p);
}

static void
sleep_until_freed(size_t size)
{
	void **list = NULL, **p, *got;
	pthread_t thread;

	while ((p = kmem_alloc(PAGE / 2, KM_NOSLEEP)) != NULL) {
		*p = list;
		list = p;
	}
	atomic_store(&awake, false);
	ATF_REQUIRE_EQ(pthread_create(&thread, NULL, sleeper, &size), 0);
	usleep(50000);
	ATF_REQUIRE(!atomic_load(&awake));
	while ((p = list) != NULL) {
		list = *p;
		kmem_free(p, PAGE / 2);
	}
	vm_pageq_flush();
	ATF_REQUIRE_EQ(pthread_join(thread, &got), 0);
	ATF_REQUIRE(got != NULL);
	kmem_free(got, size);
}

ATF_TC_WITHOUT_HEAD(sleeping);
ATF_TC_BODY(sleeping, tc)
{
	/* Without low memory, of which some is kept for who asks for runs. */
	static const struct vm_memrange high = { 8 * GiB, 4 * MiB };
	uint64_t before;

	(void)tc;
	start_with(&high, 1);
	before = free_pages();
	sleep_until_freed(64);
	sleep_until_freed(PAGE);
	sleep_until_freed(10 * PAGE);
	ATF_REQUIRE_EQ(bad_total(), 0);
	all_back(before);
}

/*
 * Threads.  Objects change hands; some threads free what is not theirs.
 */
#define	NTHREAD	4
#define	NSLOT	512

static _Atomic(struct object *) slots[NSLOT];
static _Atomic bool stop;
static _Atomic unsigned wrong;

static struct object *
shared_make(struct rng *r)
{
	struct object *o = kmem_alloc(sizeof(*o), KM_NOSLEEP);

	if (o == NULL)
		return (NULL);
	o->o_size = rng_size(r, rng_chance(r, 30) ? 20000 : 600);
	o->o_seed = (unsigned char)rng_next(r);
	o->o_p = kmem_alloc(o->o_size, KM_NOSLEEP);
	if (o->o_p != NULL) {
		object_fill(o);
		return (o);
	}
	kmem_free(o, sizeof(*o));
	return (NULL);
}

static void
shared_drop(struct object *o)
{

	if (o == NULL)
		return;
	if (!object_kept(o))
		wrong++;
	kmem_free(o->o_p, o->o_size);
	kmem_free(o, sizeof(*o));
}

static void *
worker(void *arg)
{
	struct rng r;

	rng_seed(&r, (uintptr_t)arg);
	while (!atomic_load(&stop)) {
		shared_drop(atomic_exchange(&slots[rng_below(&r, NSLOT)],
		    rng_chance(&r, 2) ? shared_make(&r) : NULL));
		if (rng_chance(&r, 1000))
			(void)kmem_reap();
	}
	return (NULL);
}

/* Pointers into the middle of things: never a start, so never a free. */
static void *
vandal(void *arg)
{
	struct object *mine;
	struct rng r;

	rng_seed(&r, (uintptr_t)arg);
	while (!atomic_load(&stop)) {
		mine = shared_make(&r);
		if (mine == NULL)
			continue;
		kmem_free(mine->o_p + 1, mine->o_size);
		kmem_free(mine->o_p + 8 + rng_below(&r, 100) * PAGE,
		    mine->o_size);
		kmem_free(mine->o_p, mine->o_size + 1);
		kmem_free((char *)mine + 1, sizeof(*mine));
		shared_drop(mine);
	}
	return (NULL);
}

ATF_TC(threads);
ATF_TC_HEAD(threads, tc)
{

	atf_tc_set_md_var(tc, "descr", "Threads that share objects");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(threads, tc)
{
	pthread_t thread[NTHREAD];
	uint64_t before;
	unsigned i;

	usermode_console(NULL);
	vm_start(machine, NITEMS(machine));
	kmem_init();
	before = free_pages();
	for (i = 0; i < NTHREAD; i++)
		ATF_REQUIRE_EQ(pthread_create(&thread[i], NULL,
		    i == 0 ? vandal : worker, (void *)(uintptr_t)(i + 1)), 0);
	sleep((unsigned)test_number(tc, "seconds", test_long(tc) ? 60 : 2));
	atomic_store(&stop, true);
	for (i = 0; i < NTHREAD; i++)
		ATF_REQUIRE_EQ(pthread_join(thread[i], NULL), 0);
	for (i = 0; i < NSLOT; i++)
		shared_drop(slots[i]);
	ATF_REQUIRE_EQ(wrong, 0);
	ATF_REQUIRE(bad_total() > 0);
	ATF_REQUIRE_EQ(kmem_bad(KMEM_BAD_FREE), 0);
	ATF_REQUIRE_EQ(kmem_bad(KMEM_REDZONE), 0);
	ATF_REQUIRE_EQ(kmem_bad(KMEM_POISON), 0);
	all_back(before);
}

/*
 * Of frees of one object at once, one succeeds.
 */
#define	NRACE	64

static pthread_barrier_t race_barrier;
static void *race_object[NRACE];
static unsigned race_rounds;

static size_t
race_size(unsigned k)
{

	return (k % 8 == 7 ? 2 * PAGE : 16 + k * 20);
}

static void *
racer(void *arg)
{
	unsigned i, k;

	(void)arg;
	for (i = 0; i < race_rounds; i++) {
		pthread_barrier_wait(&race_barrier);
		for (k = 0; k < NRACE; k++)
			kmem_free(race_object[k], race_size(k));
		pthread_barrier_wait(&race_barrier);
	}
	return (NULL);
}

ATF_TC(double_free_race);
ATF_TC_HEAD(double_free_race, tc)
{

	atf_tc_set_md_var(tc, "descr", "Of two frees at once one succeeds");
	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(double_free_race, tc)
{
	pthread_t thread[3];
	unsigned i, k, n = NITEMS(thread);
	uint64_t before;

	usermode_console(NULL);
	vm_start(machine, NITEMS(machine));
	kmem_init();
	before = free_pages();
	race_rounds = test_long(tc) ? 20000 : 500;
	ATF_REQUIRE_EQ(pthread_barrier_init(&race_barrier, NULL, n + 1), 0);
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(pthread_create(&thread[i], NULL, racer, NULL),
		    0);
	for (i = 0; i < race_rounds; i++) {
		for (k = 0; k < NRACE; k++) {
			race_object[k] = kmem_alloc(race_size(k), KM_NOSLEEP);
			ATF_REQUIRE(race_object[k] != NULL);
		}
		pthread_barrier_wait(&race_barrier);
		pthread_barrier_wait(&race_barrier);
		ATF_REQUIRE_EQ(used(), 0);
		ATF_REQUIRE_EQ(bad_total(), (uint64_t)(i + 1) * NRACE *
		    (n - 1));
	}
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(pthread_join(thread[i], NULL), 0);
	all_back(before);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, sizes);
	ATF_TP_ADD_TC(tp, economy);
	ATF_TP_ADD_TC(tp, aligned);
	ATF_TP_ADD_TC(tp, zeroed);
	ATF_TP_ADD_TC(tp, contents);
	ATF_TP_ADD_TC(tp, history);
	ATF_TP_ADD_TC(tp, wrong_size);
	ATF_TP_ADD_TC(tp, double_free);
	ATF_TP_ADD_TC(tp, interior);
	ATF_TP_ADD_TC(tp, foreign);
	ATF_TP_ADD_TC(tp, trampled);
	ATF_TP_ADD_TC(tp, requests);
	ATF_TP_ADD_TC(tp, line_rate);
	ATF_TP_ADD_TC(tp, panic);
	ATF_TP_ADD_TC(tp, redzone);
	ATF_TP_ADD_TC(tp, poison);
	ATF_TP_ADD_TC(tp, exhaustion);
	ATF_TP_ADD_TC(tp, kept_pages);
	ATF_TP_ADD_TC(tp, sleeping);
	ATF_TP_ADD_TC(tp, threads);
	ATF_TP_ADD_TC(tp, double_free_race);
	return (atf_no_error());
}
