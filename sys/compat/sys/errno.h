/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/* Sources written for a BSD know the error numbers by this name. */

#ifndef _SYS_ERRNO_H_
#define	_SYS_ERRNO_H_

#include <sys/kerrno.h>

#endif /* !_SYS_ERRNO_H_ */
