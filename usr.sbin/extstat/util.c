/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <err.h>
#include <stdlib.h>

#include "util.h"

void *
xcalloc(size_t n, size_t size)
{
	void *p = calloc(n == 0 ? 1 : n, size);

	if (p == NULL)
		err(1, "%zu objects of %zu bytes", n, size);
	return (p);
}

void
printable(char *dst, size_t dstsize, const char *src, size_t len)
{
	size_t i;

	for (i = 0; i < len && i + 1 < dstsize && src[i] != '\0'; i++)
		dst[i] = src[i] >= ' ' && src[i] <= '~' ? src[i] : '?';
	dst[i] = '\0';
}
