/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The Linux machine this program runs on.
 */

#ifndef _EXTSTAT_LINUX_H_
#define	_EXTSTAT_LINUX_H_

#include "state.h"

/*
 * linux_load: the state of the memory that the files iomem, kpageflags and
 * buddyinfo in a directory describe.  st has been initialised.
 * => files that are missing, not readable to this user or not in agreement
 *    end the program.
 */
void	linux_load(struct state *st, const char *dir);

#endif /* !_EXTSTAT_LINUX_H_ */
