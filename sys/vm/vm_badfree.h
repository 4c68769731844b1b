/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Frees that are refused.
 */

#ifndef _VM_VM_BADFREE_H_
#define	_VM_VM_BADFREE_H_

#include <vm/vm_types.h>

/*
 * vm_badfree_panic: panic on a bad free instead of refusing it.  False, or
 * true in a kernel with "options VM_PANIC_ON_BAD_FREE"; may be set.
 */
extern bool	vm_badfree_panic;

/*
 * vm_badfree: count a refused free and say so on the console, in at most
 * VM_BADFREE_RATE lines a second.  => error: EINVAL, EALREADY or EMSGSIZE;
 * size: what the caller claimed, 0: nothing; why: what was wrong, as the line
 * ends.  Returns error.
 */
#define	VM_BADFREE_RATE	5
int	vm_badfree(int error, paddr_t pa, psize_t size, const void *caller,
	    const char *why);

/*
 * vm_badfree_why: what such an error means for an allocation in general, and
 * vm_badfree_page_why() for one of the map's pages.  => static text.
 */
const char *vm_badfree_why(int error);
const char *vm_badfree_page_why(int error, paddr_t pa);

#endif /* !_VM_VM_BADFREE_H_ */
