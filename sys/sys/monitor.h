/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The monitor: commands on the console, extant(8).
 */

#ifndef _SYS_MONITOR_H_
#define	_SYS_MONITOR_H_

/*
 * monitor: read and obey commands until "quit"; status is how the run has
 * gone so far.  => nothing else runs.
 */
_Noreturn void monitor(int status);

#endif /* !_SYS_MONITOR_H_ */
