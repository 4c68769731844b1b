/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What a driver wants of the kernel, for tests of drivers against models: the
 * console is kept, and time is the model's, so that what takes seconds takes
 * none.
 */

#ifndef _DRIVER_MODEL_H_
#define	_DRIVER_MODEL_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/device.h>

extern char	console[8192];
extern unsigned	nlines;			/* of it */
extern uint64_t	now;			/* ns */

/*
 * driver_model_boot: a machine with 16 MiB below 4 GiB and 64 MiB above, and
 * an empty console.  Once a test.
 * clear_console: from here on it is empty again.
 * console_has: a line has this in it.
 * scratch_disk: what a disk has on it that may be written to.
 * driver_run: attach it and have its job done.  => what failed, or 0.
 * free_frames: those that are free, or in which kmem(9) has its objects.
 * driver_starves: attach a driver and have its job done with no memory at all,
 * then with two pages more each time, until that succeeds.  Before, it must
 * fail with ENOMEM, say which memory is missing and who has it, and give back
 * all that it got.  => how often it did.
 */
void	driver_model_boot(void);
void	clear_console(void);
bool	console_has(const char *);
void	scratch_disk(uint8_t *, size_t);
int	driver_run(const struct device_driver *);
uint64_t free_frames(void);
unsigned driver_starves(const struct device_driver *);

#endif /* !_DRIVER_MODEL_H_ */
