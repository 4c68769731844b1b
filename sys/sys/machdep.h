/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What the machine-independent part of the reference kernel wants of a port,
 * beside <machine/vm_machdep.h>.  (panic, nanotime and kernel_exit are in
 * <sys/systm.h>.)
 */

#ifndef _SYS_MACHDEP_H_
#define	_SYS_MACHDEP_H_

#include <stdint.h>

/*
 * kernel_main: the port's start code calls it on the boot CPU, once there
 * are a stack, a console and a clock.
 */
_Noreturn void kernel_main(void);

/*
 * machdep_cmdline: the command line from the loader; "" when there is none.
 */
const char *machdep_cmdline(void);

/*
 * machdep_memory: hand the firmware's memory map to the early allocator,
 * reserve what is in use, and make all of it reachable.
 * => 0, or an error number after one line on the console.
 */
int	machdep_memory(void);

/*
 * machdep_start_cpus: start other CPUs, until max run (the boot CPU counted)
 * or there are no more; each calls smp_cpu_main().
 * => how many run.
 */
unsigned machdep_start_cpus(unsigned max);

/*
 * cpu_idle: save power for at most about a millisecond.
 */
void	cpu_idle(void);

/*
 * The console, polled.
 * cnputc: print a character; "\n" is a new line.
 * cngetc: the next character typed, or -1: none yet.
 */
void	cnputc(int c);
int	cngetc(void);

#endif /* !_SYS_MACHDEP_H_ */
