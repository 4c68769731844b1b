/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * More than one CPU: who does what.
 */

#ifndef _SYS_SMP_H_
#define	_SYS_SMP_H_

#include <stdint.h>

/*
 * smp_start: start other CPUs, up to max in all.
 * smp_ncpu: how many run, the boot CPU counted.
 */
void	smp_start(unsigned max);
unsigned smp_ncpu(void);

/*
 * smp_run: every other CPU calls step(cpu) again and again from now on; cpu
 * is its number, from 1.  A step is short.
 * smp_stop: until they have finished their step and stand still.
 * => both on the boot CPU.
 */
void	smp_run(void (*step)(unsigned cpu));
void	smp_stop(void);

/* smp_cpu_main: what a CPU does once the port has started it. */
_Noreturn void smp_cpu_main(void);

#endif /* !_SYS_SMP_H_ */
