/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * ELF cores whose program headers have physical addresses, as QEMU's
 * dump-guest-memory writes them.
 */

#ifndef _EXTSTAT_CORE_H_
#define	_EXTSTAT_CORE_H_

#include "elffile.h"
#include "source.h"

struct core;

/*
 * core_attach: a core in an open file; fd becomes its.  A file that is no
 * core, or not all of it, ends the program.
 * core_machine: the machine it is of.
 * core_read: as a source's src_read.
 */
struct core	*core_attach(int fd, const char *name);
const struct machine *core_machine(const struct core *);
bool	core_read(const struct core *, paddr_t pa, void *buf, size_t len);
void	core_close(struct core *);

/*
 * core_source: a core by its name as a source.
 * => a core of another machine than the one given ends the program.
 */
struct source *core_source(const char *name, const struct machine *);

#endif /* !_EXTSTAT_CORE_H_ */
