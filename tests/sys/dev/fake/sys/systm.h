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

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define	NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

int	console_printf(const char *, ...)
	    __attribute__((format(__printf__, 1, 2)));
#define	printf	console_printf

const char *errno_name(int);
void	delay(unsigned usec);
uint64_t nanotime(void);

#endif /* !_SYS_SYSTM_H_ */
