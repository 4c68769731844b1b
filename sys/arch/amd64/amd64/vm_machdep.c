/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The hooks of sys/vm in the amd64 port: vm_machdep(9).
 */

#include <sys/ageing.h>
#include <sys/machdep.h>
#include <sys/systm.h>

#include <machine/cpufunc.h>
#include <machine/pmap.h>
#include <machine/vm_machdep.h>

/*
 * The lock is taken by an exchange; those who wait only read, so that they
 * do not take the cache line away from the one who works.
 */
void
vm_md_lock(struct vm_md_lock *l)
{

	while (atomic_exchange_explicit(&l->l_word, 1,
	    memory_order_acquire) != 0) {
		while (atomic_load_explicit(&l->l_word,
		    memory_order_relaxed) != 0)
			cpu_pause();
	}
}

void
vm_md_unlock(struct vm_md_lock *l)
{

	atomic_store_explicit(&l->l_word, 0, memory_order_release);
}

/*
 * There are no threads to switch to: who waits looks again after each tick
 * of the idle timer, and lets the background load free memory meanwhile.
 */
int
vm_md_wait(_Atomic uint32_t *word, uint32_t value, uint64_t nsec)
{
	uint64_t start = nanotime();

	while (atomic_load(word) == value) {
		if (nsec != 0 && nanotime() - start >= nsec)
			return (EWOULDBLOCK);
		background();
		cpu_idle();
	}
	return (0);
}

void
vm_md_wake(_Atomic uint32_t *word)
{

	(void)word;	/* those who wait look by themselves */
}

uint64_t
vm_md_nanotime(void)
{

	return (nanotime());
}

void *
vm_md_phystov(uint64_t pa, uint64_t size)
{

	return (pmap_mapped(pa, size) ? pmap_phystov(pa) : NULL);
}

uint64_t
vm_md_physend(void)
{

	return (PMAP_DIRECT_SIZE);	/* what lies above is excluded */
}

uint64_t
vm_md_vtophys(const void *va)
{

	return (pmap_vtophys(va));
}

void
vm_md_printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
}

int
vm_md_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return (n);
}

_Noreturn void
vm_md_panic(const char *fmt, ...)
{
	char message[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	panic("%s", message);
}
