/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#ifndef _MACHINE_CONS_H_
#define	_MACHINE_CONS_H_

/* cons_init: make the console usable (sys/machdep.h: cnputc, cngetc). */
void	cons_init(void);

#endif /* !_MACHINE_CONS_H_ */
