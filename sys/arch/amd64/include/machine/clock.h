/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#ifndef _MACHINE_CLOCK_H_
#define	_MACHINE_CLOCK_H_

/*
 * clock_init: measure the time stamp counter; nanotime() starts from 0.
 * => one CPU, before the first nanotime() or delay().
 */
void	clock_init(void);

#endif /* !_MACHINE_CLOCK_H_ */
