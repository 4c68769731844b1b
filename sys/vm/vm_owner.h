/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Owner tags: 16 bits that say who allocated a run, for extstat(8) and for
 * vm_pglist_explain().  A tag is an index into a table of names.
 */

#ifndef _VM_VM_OWNER_H_
#define	_VM_VM_OWNER_H_

#include <vm/vm_types.h>

#define	VM_OWNER_NONE		0	/* nobody said */
#define	VM_OWNER_MAX		256	/* size of the table of names */
#define	VM_OWNER_NAMELEN	16	/* bytes of a name, NUL included */

/*
 * vm_owner_register: the tag of that name; the same name gives the same tag.
 * => a name longer than VM_OWNER_NAMELEN - 1 bytes is cut.
 * => VM_OWNER_NONE when the table is full or the name empty.
 * => any context that may take a spin lock; O(number of names).
 */
vm_owner_t	vm_owner_register(const char *name);

/*
 * vm_owner_name: the name of a tag, "-" for VM_OWNER_NONE, "?" for a tag
 * that was never registered.  The string is never changed or freed.
 */
const char	*vm_owner_name(vm_owner_t tag);

#endif /* !_VM_VM_OWNER_H_ */
