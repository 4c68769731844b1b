/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The usermode port: threads are CPUs, and physical memory is a set of
 * anonymous mappings that come into being where somebody looks.
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
vm_md_lock(struct vm_md_lock *l)
{
	unsigned spins = 0;

	while (atomic_exchange_explicit(&l->l_word, 1,
	    memory_order_acquire) != 0) {
		while (atomic_load_explicit(&l->l_word,
		    memory_order_relaxed) != 0) {
			if (++spins % LOCK_SPINS == 0)
				sched_yield();
		}
	}
}

void
vm_md_unlock(struct vm_md_lock *l)
{

	atomic_store_explicit(&l->l_word, 0, memory_order_release);
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
 * Physical memory.  A mapping, once made, stays until all are released, so
 * that addresses handed out remain good.
 */

#define	BACK_MAX	4096

struct backing {
	uint64_t	b_start;
	uint64_t	b_size;
	void		*b_va;
};

static struct backing backings[BACK_MAX];
static unsigned nbackings;
static pthread_mutex_t back_lock = PTHREAD_MUTEX_INITIALIZER;

static const struct backing *
back_find(uint64_t pa)
{
	unsigned i;

	for (i = 0; i < nbackings; i++) {
		if (pa - backings[i].b_start < backings[i].b_size)
			return (&backings[i]);
	}
	return (NULL);
}

static const struct backing *
back_make(uint64_t start, uint64_t size)
{
	void *va;

	if (nbackings == BACK_MAX)
		return (NULL);
	va = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (va == MAP_FAILED)
		return (NULL);
	backings[nbackings].b_start = start;
	backings[nbackings].b_size = size;
	backings[nbackings].b_va = va;
	return (&backings[nbackings++]);
}

static void *
back_address(uint64_t pa, uint64_t size)
{
	uint64_t start = pa & ~(VM_PAGE_SIZE - 1);
	uint64_t end = (pa + size + VM_PAGE_SIZE - 1) & ~(VM_PAGE_SIZE - 1);
	const struct backing *b;
	void *va = NULL;

	pthread_mutex_lock(&back_lock);
	b = back_find(pa);
	if (b == NULL && size != 0)
		b = back_make(start, end - start);
	if (b != NULL && size <= b->b_size - (pa - b->b_start))
		va = (char *)b->b_va + (pa - b->b_start);
	pthread_mutex_unlock(&back_lock);
	return (va);
}

void *
usermode_physmem_back(uint64_t start, uint64_t size)
{

	return (back_address(start, size));
}

void
usermode_physmem_release(void)
{

	pthread_mutex_lock(&back_lock);
	while (nbackings > 0) {
		nbackings--;
		munmap(backings[nbackings].b_va, backings[nbackings].b_size);
	}
	pthread_mutex_unlock(&back_lock);
}

void *
vm_md_phystov(uint64_t pa, uint64_t size)
{

	return (back_address(pa, size));
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

	pthread_mutex_lock(&back_lock);
	for (i = 0; i < nbackings; i++) {
		start = (uintptr_t)backings[i].b_va;
		if (p - start < backings[i].b_size)
			pa = backings[i].b_start + (p - start);
	}
	pthread_mutex_unlock(&back_lock);
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
	char line[512];
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
