/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The hooks of sys/vm in the usermode port: the allocator as a library
 * against POSIX threads, for tests, benchmarks, tools and embedders.
 *
 * This header is also the model of the contract: a port provides exactly the
 * names below, documented in vm_machdep(9).
 */

#ifndef _MACHINE_VM_MACHDEP_H_
#define	_MACHINE_VM_MACHDEP_H_

#include <errno.h>		/* EINVAL and the other error numbers */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>		/* memcpy, memset, strlen, strcmp */

#define	PAGE_SHIFT	12	/* log2 of the page size */
#define	VM_CACHE_LINE	64	/* bytes that two CPUs should not share */
#define	VM_MAXCPU	64	/* most CPUs (here: threads) with queues */

/*
 * vm_md_curcpu: the current CPU, 0 to VM_MAXCPU - 1, or VM_NOCPU: this
 * context has no queues, and takes the locked path.  A thread gets a number
 * at its first use of the allocator and gives it, and the pages on its
 * queues, back when it exits.
 */
#define	VM_NOCPU	UINT32_MAX
#define	VM_MD_CPU_UNSET	(UINT32_MAX - 1)
extern _Thread_local uint32_t usermode_cpu;
uint32_t	usermode_cpu_attach(void);

/* Without a call: VM_MAXCPU or above if there is no number (yet). */
#define	vm_md_curcpu_known()	usermode_cpu

static inline uint32_t
vm_md_curcpu(void)
{
	uint32_t cpu = usermode_cpu;

	if (__builtin_expect(cpu == VM_MD_CPU_UNSET, 0))
		cpu = usermode_cpu_attach();
	return (cpu);
}

/*
 * vm_md_intr_disable, vm_md_intr_restore: keep this CPU's queues to ourselves.
 * A thread's queues are its own and signal handlers must not allocate.
 */
typedef unsigned long vm_md_intr_t;

static inline vm_md_intr_t
vm_md_intr_disable(void)
{

	return (0);
}

static inline void
vm_md_intr_restore(vm_md_intr_t s)
{

	(void)s;
}

/*
 * A spin lock; all zeros is unlocked.  sys/vm disables interrupts first, but
 * for plugging, which is not for interrupt context.
 */
struct vm_md_lock {
	_Atomic uint32_t l_word;
};

void	usermode_lock_wait(struct vm_md_lock *);

static inline void
vm_md_lock(struct vm_md_lock *l)
{

	if (atomic_exchange_explicit(&l->l_word, 1, memory_order_acquire) != 0)
		usermode_lock_wait(l);
}

static inline void
vm_md_unlock(struct vm_md_lock *l)
{

	atomic_store_explicit(&l->l_word, 0, memory_order_release);
}

/*
 * vm_md_wait: sleep while *word == value, at most nsec nanoseconds (0: no
 * limit).  => 0: woken or *word differed; EWOULDBLOCK: time is up; EINTR:
 * interrupted.  Spurious wake-ups are allowed.
 * vm_md_wake: wake all who wait on word.  May be called with a spin lock held.
 * vm_md_nanotime: a monotonic clock in nanoseconds.
 */
int	vm_md_wait(_Atomic uint32_t *word, uint32_t value, uint64_t nsec);
void	vm_md_wake(_Atomic uint32_t *word);
uint64_t vm_md_nanotime(void);

/*
 * vm_md_phystov: the kernel's address of physical memory, or NULL when it has
 * none there.  Called for the metadata that sys/vm carves for itself and for
 * pages to be zeroed.
 * vm_md_physend: all memory below that address has one; sys/vm carves its
 * metadata there.
 * vm_md_vtophys: the physical address of a static object or of metadata,
 * for vm_export.
 */
void	*vm_md_phystov(uint64_t pa, uint64_t size);
uint64_t vm_md_physend(void);
uint64_t vm_md_vtophys(const void *);

/*
 * Console and the end.  Both take a printf(3) format: d i u x c s p, width,
 * zero fill, left adjustment, l ll j z.
 */
void	vm_md_printf(const char *, ...) __attribute__((format(printf, 1, 2)));
int	vm_md_snprintf(char *, size_t, const char *, ...)
	    __attribute__((format(printf, 3, 4)));
_Noreturn void vm_md_panic(const char *, ...)
	    __attribute__((format(printf, 1, 2)));

/*
 * Beyond the contract: what only usermode has.
 *
 * usermode_physmem_back: a view of [start, start + size), whole pages that are
 * populated when touched; vm_md_phystov() finds its addresses from then on.
 * NULL: no address space.
 * usermode_physmem_show: lay a view of whole pages of it over those at va,
 * with the host's protection bits.  false: the host refuses.
 * usermode_physmem_release: forget all contents and views, and what
 * usermode_pmap_release() forgets: the mappings of <sys/kpmap.h>.
 * usermode_console: where vm_md_printf() goes; NULL: nowhere; stderr at first.
 */
void	*usermode_physmem_back(uint64_t start, uint64_t size);
bool	usermode_physmem_show(void *va, uint64_t pa, uint64_t size, int prot);
void	usermode_physmem_release(void);
void	usermode_pmap_release(void);
void	usermode_console(void (*put)(const char *line));

#endif /* !_MACHINE_VM_MACHDEP_H_ */
