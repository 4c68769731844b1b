/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Running extstat and judging what it did.
 */

#ifndef _RUN_H_
#define	_RUN_H_

#include <stdbool.h>
#include <sys/types.h>

#include <atf-c.h>

#define	RUN_TIME	60		/* seconds; more is a hang */
#define	RUN_MAXRSS	(512L << 10)	/* kilobytes of memory; more is too
					   much for any of the tests */

struct result {
	int		r_status;	/* of the exit; -1: by a signal */
	int		r_signal;
	char		*r_out;		/* NUL-terminated */
	char		*r_err;
};

/*
 * run_program: from the directory of objects, the word of the test case.
 * run_extstat: extstat with arguments, up to NULL, until it ends; it must end
 * in RUN_TIME and with RUN_MAXRSS.  The result is good until the next one.
 * run_start, run_finish: the same in two steps.
 */
const char *run_program(const atf_tc_t *tc);
const struct result *run_extstat(const atf_tc_t *tc, ...)
    __attribute__((sentinel));
pid_t	run_start(const atf_tc_t *tc, const char *const args[]);
const struct result *run_finish(pid_t);

/*
 * run_failed: did it exit with 1, nothing on standard output, and one line on
 * standard error that starts with "extstat: " and contains text?  Says what
 * is wrong if not.
 */
bool	run_failed(const struct result *, const char *text);

#endif /* !_RUN_H_ */
