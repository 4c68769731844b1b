/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Functions run instruction by instruction.
 */

#define	_GNU_SOURCE		/* REG_EFL */

#include <atf-c.h>
#include <signal.h>
#include <ucontext.h>

#include "vm_step.h"

#ifdef VM_STEP

#define	TRAP_FLAG	0x100UL

static unsigned trap_at, traps;	/* handle this one; so many came */
static void (*trap_handler)(void);

static inline void
trap_set(bool on)
{
	unsigned long flags;

	/* Below the red zone. */
	__asm volatile("leaq -256(%%rsp), %%rsp; pushfq; popq %0; "
	    "leaq 256(%%rsp), %%rsp" : "=r" (flags));
	flags = on ? flags | TRAP_FLAG : flags & ~TRAP_FLAG;
	__asm volatile("leaq -256(%%rsp), %%rsp; pushq %0; popfq; "
	    "leaq 256(%%rsp), %%rsp" : : "r" (flags) : "cc", "memory");
}

static void
on_trap(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)si;
	if (trap_at == STEP_EACH) {
		trap_handler();
		return;
	}
	if (traps++ != trap_at)
		return;
	uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
	trap_handler();
}

void
step_prepare(unsigned at, void (*handler)(void))
{
	struct sigaction sa = { .sa_sigaction = on_trap,
	    .sa_flags = SA_SIGINFO };

	ATF_REQUIRE_EQ(sigaction(SIGTRAP, &sa, NULL), 0);
	trap_handler = handler;
	trap_at = at;
	traps = 0;
}

void
step(void (*f)(void))
{

	trap_set(traps <= trap_at);
	f();
	trap_set(false);
}

bool
step_over(void)
{

	return (traps > trap_at);
}
#endif
