/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Memory that is withheld, to see who can do without.
 */

#ifndef _SYS_TAKE_H_
#define	_SYS_TAKE_H_

#include <stdbool.h>

#include <vm/vm_types.h>

/*
 * take_below: allocate all free memory below limit (exclusive, bytes), and
 * say in one line how much that was.  What was taken before stays so.
 * take_give: free it all again, and say so.
 * take_any: is any taken?  Then nothing should go on freeing memory that it
 * had before: see background_resume().
 * => all on the boot CPU, while the others stand still.
 */
void	take_below(paddr_t limit);
void	take_give(void);
bool	take_any(void);

#endif /* !_SYS_TAKE_H_ */
