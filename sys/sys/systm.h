/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What every part of the reference kernel may use: console output, the end
 * of the world, time, error numbers and strings.
 */

#ifndef _SYS_SYSTM_H_
#define	_SYS_SYSTM_H_

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/kerrno.h>
#include <sys/kstring.h>

#define	NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

/*
 * Assertions are for our own invariants and always compiled in; input is
 * checked and refused, not asserted.
 */
#define	KASSERT(e)							\
	((e) ? (void)0 :						\
	    panic("assertion \"%s\" failed: %s:%d", #e, __FILE__, __LINE__))

/*
 * Console output.  Conversions: d i u x X c s p %, with width and precision
 * (digits or *), the flags - 0 #, and the lengths hh h l ll j z t.
 *
 * printf, vprintf: to the console.  A call's output is not mixed with that
 * of other CPUs.  => the number of characters.
 * snprintf, vsnprintf: into a buffer, always terminated if size > 0.
 * => the length that the whole would have had.
 * panic: prints the message, and ends the run with a failure.
 */
int	printf(const char *, ...) __attribute__((format(__printf__, 1, 2)));
int	vprintf(const char *, va_list)
	    __attribute__((format(__printf__, 1, 0)));
int	snprintf(char *, size_t, const char *, ...)
	    __attribute__((format(__printf__, 3, 4)));
int	vsnprintf(char *, size_t, const char *, va_list)
	    __attribute__((format(__printf__, 3, 0)));
_Noreturn void panic(const char *, ...)
	    __attribute__((format(__printf__, 1, 2)));

/*
 * errno_name: "EINVAL" for EINVAL and so on; "OK" for 0, "E?" for a number
 * that the kernel does not use.
 */
const char *errno_name(int);

/*
 * delay: wait at least that many microseconds.  Drivers that poll a device
 * call it between two looks: the rest of the kernel does its work meanwhile
 * (on a machine with one CPU, background() runs from here).
 * nanotime: nanoseconds since boot; never goes back.
 */
void	delay(unsigned usec);
uint64_t nanotime(void);

/*
 * kernel_exit: end the run; status 0 is success.  Where the machine has no
 * way to say so to the outside, the machine stands still.
 */
_Noreturn void kernel_exit(int status);

#endif /* !_SYS_SYSTM_H_ */
