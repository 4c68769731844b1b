/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Sources written for a BSD name this header first: the types of its kernel,
 * and a few macros.  For kernels only: in usermode the host has one.
 */

#ifndef _SYS_PARAM_H_
#define	_SYS_PARAM_H_

#include <limits.h>

#include <sys/kerrno.h>
#include <sys/types.h>

#define	MIN(a, b)	((a) < (b) ? (a) : (b))
#define	MAX(a, b)	((a) > (b) ? (a) : (b))
#define	howmany(n, d)	(((n) + ((d) - 1)) / (d))
#define	roundup(n, d)	(howmany(n, d) * (d))
#define	powerof2(n)	((((n) - 1) & (n)) == 0)

#endif /* !_SYS_PARAM_H_ */
