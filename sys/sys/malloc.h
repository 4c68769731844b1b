/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Sources written for a BSD include this header for the memory type that
 * their extent_create() took.  extent(9) drops that argument unseen, so no
 * type has to be defined: there is nothing here but the name.
 */

#ifndef _SYS_MALLOC_H_
#define	_SYS_MALLOC_H_

#endif /* !_SYS_MALLOC_H_ */
