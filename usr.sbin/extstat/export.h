/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The description that a kernel exports of its allocator (vm/vm_export.h).
 */

#ifndef _EXTSTAT_EXPORT_H_
#define	_EXTSTAT_EXPORT_H_

#include "source.h"
#include "state.h"

/*
 * export_load: read the state of the kernel whose description lies at a
 * physical address.  st has been initialised and has nothing yet.
 * => a description that is absent, of a kind that is not known, or that
 *    contradicts itself or the memory there is, ends the program.
 */
void	export_load(struct state *st, struct source *src, paddr_t where);

#endif /* !_EXTSTAT_EXPORT_H_ */
