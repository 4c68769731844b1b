/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Memory and strings.  Plain loops, but that what is aligned goes by
 * words: sys/vm clears megabytes of metadata at boot.
 */

#include <stdint.h>

#include <sys/kstring.h>

/* Words that may alias anything, as memory functions must. */
typedef uint64_t __attribute__((may_alias)) word_t;
#define	WORD		sizeof(word_t)
#define	ALIGNED(p)	((uintptr_t)(p) % WORD == 0)

void *
memset(void *to, int c, size_t len)
{
	unsigned char *p = to;
	uint64_t pattern = (unsigned char)c * 0x0101010101010101ULL;

	for (; len > 0 && !ALIGNED(p); len--)
		*p++ = (unsigned char)c;
	for (; len >= WORD; len -= WORD, p += WORD)
		*(word_t *)(void *)p = pattern;
	for (; len > 0; len--)
		*p++ = (unsigned char)c;
	return (to);
}

void *
memcpy(void *restrict to, const void *restrict from, size_t len)
{
	unsigned char *p = to;
	const unsigned char *q = from;

	if (ALIGNED(p) && ALIGNED(q)) {
		for (; len >= WORD; len -= WORD, p += WORD, q += WORD)
			*(word_t *)(void *)p = *(const word_t *)(const void *)q;
	}
	for (; len > 0; len--)
		*p++ = *q++;
	return (to);
}

void *
memmove(void *to, const void *from, size_t len)
{
	unsigned char *p = to;
	const unsigned char *q = from;

	if ((uintptr_t)p - (uintptr_t)q >= len)
		return (memcpy(to, from, len));
	while (len-- > 0)
		p[len] = q[len];
	return (to);
}

int
memcmp(const void *a, const void *b, size_t len)
{
	const unsigned char *p = a, *q = b;

	for (; len > 0; len--, p++, q++) {
		if (*p != *q)
			return (*p - *q);
	}
	return (0);
}

size_t
strnlen(const char *s, size_t max)
{
	size_t n;

	for (n = 0; n < max && s[n] != '\0'; n++)
		continue;
	return (n);
}

size_t
strlen(const char *s)
{

	return (strnlen(s, SIZE_MAX));
}

int
strncmp(const char *a, const char *b, size_t len)
{

	for (; len > 0; len--, a++, b++) {
		if (*a != *b)
			return ((unsigned char)*a - (unsigned char)*b);
		if (*a == '\0')
			break;
	}
	return (0);
}

int
strcmp(const char *a, const char *b)
{

	return (strncmp(a, b, SIZE_MAX));
}

char *
strchr(const char *s, int c)
{

	for (; *s != (char)c; s++) {
		if (*s == '\0')
			return (NULL);
	}
	return ((char *)(uintptr_t)s);
}
