/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The hooks of sys/vm in the amd64 port; the contract is vm_machdep(9).
 */

#ifndef _MACHINE_VM_MACHDEP_H_
#define	_MACHINE_VM_MACHDEP_H_

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <machine/cpu.h>
#include <machine/intr.h>

#include <sys/kerrno.h>
#include <sys/kstring.h>

#define	PAGE_SHIFT	12	/* log2 of the page size */
#define	VM_CACHE_LINE	64	/* bytes that two CPUs should not share */
#define	VM_MAXCPU	16	/* most CPUs that the kernel starts */

/*
 * vm_md_curcpu: every CPU that runs C code has a number.
 */
#define	VM_NOCPU	UINT32_MAX

static inline uint32_t
vm_md_curcpu(void)
{

	return (cpu_number());
}

typedef unsigned long vm_md_intr_t;

static inline vm_md_intr_t
vm_md_intr_disable(void)
{

	return (intr_disable());
}

static inline void
vm_md_intr_restore(vm_md_intr_t s)
{

	intr_restore(s);
}

/*
 * A spin lock; all zeros is unlocked.
 */
struct vm_md_lock {
	_Atomic uint32_t l_word;
};

void	vm_md_lock(struct vm_md_lock *);
void	vm_md_unlock(struct vm_md_lock *);

/*
 * Waiting polls the word: nothing in this kernel has anything better to do.
 */
int	vm_md_wait(_Atomic uint32_t *word, uint32_t value, uint64_t nsec);
void	vm_md_wake(_Atomic uint32_t *word);
uint64_t vm_md_nanotime(void);

void	*vm_md_phystov(uint64_t pa, uint64_t size);
uint64_t vm_md_physend(void);
uint64_t vm_md_vtophys(const void *);

void	vm_md_printf(const char *, ...) __attribute__((format(printf, 1, 2)));
int	vm_md_snprintf(char *, size_t, const char *, ...)
	    __attribute__((format(printf, 3, 4)));
_Noreturn void vm_md_panic(const char *, ...)
	    __attribute__((format(printf, 1, 2)));

#endif /* !_MACHINE_VM_MACHDEP_H_ */
