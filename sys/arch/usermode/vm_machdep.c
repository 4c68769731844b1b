/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The usermode port: threads are CPUs, and physical memory is a sparse file
 * in memory, of which views come into being where somebody looks.
 */

#define	_GNU_SOURCE

#include <sys/mman.h>
#include <sys/syscall.h>

#include <linux/futex.h>

#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <vm/vm_pageq.h>
#include <vm/vm_types.h>

/*
 * CPUs: a number is free, or belongs to a thread until that thread exits.
 */

_Thread_local uint32_t usermode_cpu = VM_MD_CPU_UNSET;

static _Atomic bool cpu_used[VM_MAXCPU];
static pthread_key_t cpu_key;
static pthread_once_t cpu_once = PTHREAD_ONCE_INIT;

/* The last act of a thread: its pages go back, then its number. */
static void
cpu_detach(void *arg)
{
	uint32_t cpu = (uint32_t)((uintptr_t)arg - 1);

	vm_pageq_flush();
	usermode_cpu = VM_NOCPU;
	atomic_store(&cpu_used[cpu], false);
}

static void
cpu_key_create(void)
{

	if (pthread_key_create(&cpu_key, cpu_detach) != 0)
		vm_md_panic("no thread-specific key is left");
}

uint32_t
usermode_cpu_attach(void)
{
	uint32_t cpu;
	bool expected;

	pthread_once(&cpu_once, cpu_key_create);
	usermode_cpu = VM_NOCPU;
	for (cpu = 0; cpu < VM_MAXCPU; cpu++) {
		expected = false;
		if (!atomic_compare_exchange_strong(&cpu_used[cpu], &expected,
		    true))
			continue;
		if (pthread_setspecific(cpu_key,
		    (void *)(uintptr_t)(cpu + 1)) != 0) {
			atomic_store(&cpu_used[cpu], false);
			break;
		}
		usermode_cpu = cpu;
		break;
	}
	return (usermode_cpu);
}

/*
 * Locks: a few tries, then make room for whoever holds it; there may be more
 * threads than processors.
 */

#define	LOCK_SPINS	100

void
usermode_lock_wait(struct vm_md_lock *l)
{
	unsigned spins = 0;

	do {
		while (atomic_load_explicit(&l->l_word,
		    memory_order_relaxed) != 0) {
			if (++spins % LOCK_SPINS == 0)
				sched_yield();
		}
	} while (atomic_exchange_explicit(&l->l_word, 1,
	    memory_order_acquire) != 0);
}

/*
 * Sleeping.
 */

int
vm_md_wait(_Atomic uint32_t *word, uint32_t value, uint64_t nsec)
{
	struct timespec ts, *tsp = NULL;

	if (nsec != 0) {
		ts.tv_sec = (time_t)(nsec / 1000000000);
		ts.tv_nsec = (long)(nsec % 1000000000);
		tsp = &ts;
	}
	if (syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, tsp, NULL,
	    0) == 0)
		return (0);
	switch (errno) {
	case ETIMEDOUT:
		return (EWOULDBLOCK);
	case EINTR:
		return (EINTR);
	default:			/* EAGAIN: it differed */
		return (0);
	}
}

void
vm_md_wake(_Atomic uint32_t *word)
{

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

uint64_t
vm_md_nanotime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec);
}

/*
 * Physical memory is a sparse file in memory, as long as physical addresses
 * go, and views of it: mappings of whole gigabytes, made where somebody looks
 * and kept until all are released, so that addresses handed out remain good.
 * What spans two views gets a third one that shows the same contents.
 */

#define	VIEW_MAX	4096
#define	VIEW_ALIGN	((uint64_t)1 << 30)

struct view {
	uint64_t	v_start;
	uint64_t	v_size;
	void		*v_va;
};

static struct view views[VIEW_MAX];
static unsigned nviews;
static int physmem_fd = -1;
static pthread_mutex_t view_lock = PTHREAD_MUTEX_INITIALIZER;

static bool
physmem_open(void)
{

	if (physmem_fd != -1)
		return (true);
	physmem_fd = memfd_create("physmem", MFD_CLOEXEC);
	if (physmem_fd == -1)
		return (false);
	if (ftruncate(physmem_fd, (off_t)1 << VM_PADDR_BITS) == 0)
		return (true);
	close(physmem_fd);
	physmem_fd = -1;
	return (false);
}

static const struct view *
view_find(uint64_t pa, uint64_t size)
{
	unsigned i;

	for (i = 0; i < nviews; i++) {
		if (pa - views[i].v_start < views[i].v_size &&
		    size <= views[i].v_size - (pa - views[i].v_start))
			return (&views[i]);
	}
	return (NULL);
}

static const struct view *
view_make(uint64_t start, uint64_t end)
{
	struct view *v = &views[nviews];

	if (nviews == VIEW_MAX || !physmem_open())
		return (NULL);
	v->v_start = start;
	v->v_size = end - start;
	v->v_va = mmap(NULL, v->v_size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_NORESERVE, physmem_fd, (off_t)start);
	if (v->v_va == MAP_FAILED)
		return (NULL);
	nviews++;
	return (v);
}

static void *
view_address(uint64_t pa, uint64_t size, uint64_t align)
{
	const uint64_t limit = (uint64_t)1 << VM_PADDR_BITS;
	const struct view *v;
	uint64_t start, end;
	void *va = NULL;

	if (size == 0 || size > limit || pa > limit - size)
		return (NULL);
	start = pa & ~(align - 1);
	end = (pa + size + align - 1) & ~(align - 1);
	pthread_mutex_lock(&view_lock);
	v = view_find(pa, size);
	if (v == NULL)
		v = view_make(start, end);
	if (v != NULL)
		va = (char *)v->v_va + (pa - v->v_start);
	pthread_mutex_unlock(&view_lock);
	return (va);
}

void *
usermode_physmem_back(uint64_t start, uint64_t size)
{

	return (view_address(start, size, VM_PAGE_SIZE));
}

bool
usermode_physmem_show(void *va, uint64_t pa, uint64_t size, int prot)
{
	void *shown = MAP_FAILED;

	pthread_mutex_lock(&view_lock);
	if (physmem_open())
		shown = mmap(va, size, prot, MAP_SHARED | MAP_NORESERVE |
		    MAP_FIXED, physmem_fd, (off_t)pa);
	pthread_mutex_unlock(&view_lock);
	return (shown != MAP_FAILED);
}

void
usermode_physmem_release(void)
{

	usermode_pmap_release();
	pthread_mutex_lock(&view_lock);
	while (nviews > 0) {
		nviews--;
		munmap(views[nviews].v_va, views[nviews].v_size);
	}
	if (physmem_fd != -1)
		close(physmem_fd);
	physmem_fd = -1;
	pthread_mutex_unlock(&view_lock);
}

void *
vm_md_phystov(uint64_t pa, uint64_t size)
{

	return (view_address(pa, size, VIEW_ALIGN));
}

uint64_t
vm_md_physend(void)
{

	return ((uint64_t)1 << VM_PADDR_BITS);
}

/*
 * Of memory that is backed, its physical address; of anything else in this
 * process, the address that the process knows it by.
 */
uint64_t
vm_md_vtophys(const void *va)
{
	uintptr_t p = (uintptr_t)va, start;
	uint64_t pa = p;
	unsigned i;

	pthread_mutex_lock(&view_lock);
	for (i = 0; i < nviews; i++) {
		start = (uintptr_t)views[i].v_va;
		if (p - start < views[i].v_size)
			pa = views[i].v_start + (p - start);
	}
	pthread_mutex_unlock(&view_lock);
	return (pa);
}

/*
 * Console.
 */

static void
console_stderr(const char *line)
{

	fputs(line, stderr);
}

static void (*console_put)(const char *) = console_stderr;

void
usermode_console(void (*put)(const char *))
{

	console_put = put;
}

void
vm_md_printf(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (console_put == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	console_put(line);
}

int
vm_md_snprintf(char *buf, size_t len, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, len, fmt, ap);
	va_end(ap);
	return (n);
}

_Noreturn void
vm_md_panic(const char *fmt, ...)
{
	va_list ap;

	fputs("panic: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}
