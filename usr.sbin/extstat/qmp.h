/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * A live guest, through the machine protocol of QEMU (QMP) on a Unix socket.
 */

#ifndef _EXTSTAT_QMP_H_
#define	_EXTSTAT_QMP_H_

#include "elffile.h"
#include "source.h"

/*
 * qmp_source: connect, and stop the guest if it runs, so that all that is
 * read is of one moment.  Closing the source lets it run again; so do the end
 * of the program and SIGINT, SIGTERM and SIGHUP.
 * => a guest of another machine than the one given ends the program when
 *    its memory is read.
 */
struct source *qmp_source(const char *socket, const struct machine *);

/*
 * qmp_dump: have QEMU write a core of all the guest's memory to a new file.
 * => a file that exists is not touched; one that is not complete is removed.
 */
void	qmp_dump(const char *socket, const char *file);

#endif /* !_EXTSTAT_QMP_H_ */
