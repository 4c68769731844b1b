/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What every part of extstat(8) needs.
 */

#ifndef _EXTSTAT_UTIL_H_
#define	_EXTSTAT_UTIL_H_

#include <stddef.h>

/*
 * xcalloc: zeroed memory for n objects of size bytes, or the end of the
 * program.
 */
void	*xcalloc(size_t n, size_t size);

/*
 * printable: copy at most len bytes of a string that came from outside, up to
 * its NUL, into dst of dstsize bytes, with a question mark for whatever is not
 * a printable ASCII character.
 */
void	printable(char *dst, size_t dstsize, const char *src, size_t len);

#endif /* !_EXTSTAT_UTIL_H_ */
