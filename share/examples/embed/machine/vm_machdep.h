/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The hooks of sys/vm, vm_machdep(9), for one i386 processor without paging,
 * interrupts, threads or a clock.
 */

#ifndef _MACHINE_VM_MACHDEP_H_
#define	_MACHINE_VM_MACHDEP_H_

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/kerrno.h>
#include <sys/kstring.h>

#define	PAGE_SHIFT	12
#define	VM_CACHE_LINE	64
#define	VM_MAXCPU	1
#define	VM_NOCPU	UINT32_MAX

/* Where nothing interrupts the only CPU, it has nobody to lock out. */
typedef unsigned vm_md_intr_t;
struct vm_md_lock { uint32_t l_word; };
#define	vm_md_curcpu()			((uint32_t)0)
#define	vm_md_intr_disable()		((vm_md_intr_t)0)
#define	vm_md_intr_restore(s)		((void)(s))
#define	vm_md_lock(l)			((void)(l))
#define	vm_md_unlock(l)			((void)(l))

/* Nobody else would free a page: who waits is sent away at once. */
#define	vm_md_wait(word, value, nsec)	((void)(word), (void)(value), EINTR)
#define	vm_md_wake(word)		((void)(word))

/* It only limits lines on the console: any count that grows will do. */
#define	vm_md_nanotime()		((uint64_t)__builtin_ia32_rdtsc())

/* Physical addresses are the kernel's own, as far as 32 bits reach. */
#define	vm_md_physend()			((uint64_t)1 << 32)
#define	vm_md_phystov(pa, size)		((pa) + (size) <= vm_md_physend() ? \
					    (void *)(uintptr_t)(pa) : NULL)
#define	vm_md_vtophys(va)		((uint64_t)(uintptr_t)(va))

/* There is no printf(3); a kernel that has one names it here. */
static inline int
vm_md_snprintf(char *buf, size_t size, const char *fmt, ...)
{

	(void)fmt;
	if (size > 0)
		buf[0] = '\0';
	return (0);
}

#define	vm_md_printf(...)	((void)vm_md_snprintf(NULL, 0, __VA_ARGS__))
#define	vm_md_panic(...)	(vm_md_printf(__VA_ARGS__), kernel_exit(1))
_Noreturn void kernel_exit(int);

#endif /* !_MACHINE_VM_MACHDEP_H_ */
