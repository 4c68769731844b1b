/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The memory and string functions of the reference kernel: those of the C
 * library that it uses, with the meaning that ISO C gives them.
 */

#ifndef _SYS_KSTRING_H_
#define	_SYS_KSTRING_H_

#include <stddef.h>

void	*memcpy(void *restrict, const void *restrict, size_t);
void	*memmove(void *, const void *, size_t);
void	*memset(void *, int, size_t);
int	memcmp(const void *, const void *, size_t);

size_t	strlen(const char *);
size_t	strnlen(const char *, size_t);
int	strcmp(const char *, const char *);
int	strncmp(const char *, const char *, size_t);
char	*strchr(const char *, int);

#endif /* !_SYS_KSTRING_H_ */
