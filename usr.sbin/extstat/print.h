/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The state of memory for people to read.
 */

#ifndef _EXTSTAT_PRINT_H_
#define	_EXTSTAT_PRINT_H_

#include "state.h"

/*
 * print_state: all that is known, on standard output; with extents each of
 * them.
 * => makes held frames of the state free.
 */
void	print_state(struct state *, bool extents);

#endif /* !_EXTSTAT_PRINT_H_ */
