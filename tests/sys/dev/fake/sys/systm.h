/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What drivers use of the kernel's <sys/systm.h>, with the host's error
 * numbers and strings.  The test program has the console and the time.
 */

#ifndef _SYS_SYSTM_H_
#define	_SYS_SYSTM_H_

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Its declarations have printf as an attribute, which is a macro below. */
#include <machine/vm_machdep.h>

#define	NITEMS(a)	(sizeof(a) / sizeof((a)[0]))
#define	KASSERT(e)	assert(e)

int	console_printf(const char *, ...)
	    __attribute__((format(__printf__, 1, 2)));
#define	printf	console_printf

const char *errno_name(int);
void	delay(unsigned usec);
uint64_t nanotime(void);

#endif /* !_SYS_SYSTM_H_ */
