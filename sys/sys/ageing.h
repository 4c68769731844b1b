/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Ordinary use of memory, to make it look used.
 */

#ifndef _SYS_AGEING_H_
#define	_SYS_AGEING_H_

#include <stdbool.h>
#include <stdint.h>

/*
 * ageing_start: fragment all memory, at most maxpages of it, by a random
 * sequence that seed determines; maxpages 0: none.
 * => false, after a line: not even the table that it needs.
 */
bool	ageing_start(uint64_t maxpages, uint64_t seed);

/*
 * ageing_run: a number of rounds more.  In a round, so many pages change
 * between allocated and free as the ageing has places for.
 */
void	ageing_run(unsigned rounds);

/*
 * background_resume: go on allocating and freeing pages from now on: on all
 * CPUs but the first; or, if there is only one, whenever it waits.
 * background_pause: no more, and all CPUs stand still.
 * background: a little of that, for who waits on the only CPU.
 */
void	background_resume(void);
void	background_pause(void);
void	background(void);

#endif /* !_SYS_AGEING_H_ */
