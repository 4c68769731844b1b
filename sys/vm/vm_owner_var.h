/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The table of owner names itself, for vm_export.c alone.
 */

#ifndef _VM_VM_OWNER_VAR_H_
#define	_VM_VM_OWNER_VAR_H_

#include <vm/vm_export.h>

extern struct vm_export_name vm_owner_names[];

#endif /* !_VM_VM_OWNER_VAR_H_ */
