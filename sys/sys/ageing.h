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
 * sequence that seed determines; maxpages 0: none.  With full, 1 to 99, so
 * many per cent of all memory stay in use, whatever maxpages is, and hardly
 * any free page has a free neighbour; 0: about half.
 * => false, after a line: not even the table that it needs.
 */
bool	ageing_start(uint64_t maxpages, uint64_t seed, unsigned full);

/*
 * ageing_step: a CPU other than the first goes on with that, a little: for
 * smp_run().
 */
void	ageing_step(unsigned cpu);

/*
 * ageing_run: a number of rounds more.  In a round, so many pages change
 * between allocated and free as the ageing has places for.
 */
void	ageing_run(unsigned rounds);

/*
 * background_resume: go on allocating and freeing pages from now on: on all
 * CPUs but the first; or, if there is only one, whenever it waits.  While
 * memory is taken, take_any(), nothing goes on.
 * background_pause: no more, and all CPUs stand still.
 * background: a little of that, for who waits on the only CPU.
 */
void	background_resume(void);
void	background_pause(void);
void	background(void);

#endif /* !_SYS_AGEING_H_ */
