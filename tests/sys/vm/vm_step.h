/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Functions run instruction by instruction, by the processor's trap flag.
 * VM_STEP is defined where that is possible: on amd64, and not within
 * ThreadSanitizer, whose own code must not be interrupted everywhere.
 */

#ifndef VM_STEP_H
#define	VM_STEP_H

#include <stdbool.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define	SANITIZE_THREAD
#endif
#elif defined(__SANITIZE_THREAD__)
#define	SANITIZE_THREAD
#endif

#if defined(__x86_64__) && !defined(SANITIZE_THREAD)
#define	VM_STEP
#endif

#define	STEP_EACH	(~0U)

/*
 * step_prepare: at the trap of that number of those from here on, counted
 * from 0, the handler runs, once; STEP_EACH: at each of them.
 * step: that function, instruction by instruction.
 * step_over: has that trap come?
 */
void	step_prepare(unsigned at, void (*handler)(void));
void	step(void (*f)(void));
bool	step_over(void);

/* A test that cannot run elsewhere. */
#define	WANTS_STEPS(name)						\
ATF_TC_WITHOUT_HEAD(name);						\
ATF_TC_BODY(name, tc)							\
{									\
									\
	atf_tc_skip("wants the trap flag, and no ThreadSanitizer");	\
}

#endif /* !VM_STEP_H */
