/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Assertions of our own invariants; input is never asserted on.
 */

#ifndef _VM_VM_KASSERT_H_
#define	_VM_VM_KASSERT_H_

#include <machine/vm_machdep.h>

#ifdef KASSERT
#undef KASSERT
#endif
#define	KASSERT(e)							\
	(__builtin_expect(!(e), 0) ?					\
	    vm_md_panic("%s:%d: assertion \"%s\" failed", __FILE__,	\
	    __LINE__, #e) : (void)0)

#endif /* !_VM_VM_KASSERT_H_ */
