/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The kernel's memory and string functions against the host's.
 */

#include <atf-c.h>

#include <stdlib.h>
#include <string.h>

/* The kernel's functions under names of their own. */
#define	memcpy		kern_memcpy
#define	memmove		kern_memmove
#define	memset		kern_memset
#define	memcmp		kern_memcmp
#define	strlen		kern_strlen
#define	strnlen		kern_strnlen
#define	strcmp		kern_strcmp
#define	strncmp		kern_strncmp
#define	strchr		kern_strchr
#include <kern/subr_string.c>
#undef	memcpy
#undef	memmove
#undef	memset
#undef	memcmp
#undef	strlen
#undef	strnlen
#undef	strcmp
#undef	strncmp
#undef	strchr

#define	SIZE	96

static unsigned char want[SIZE], got[SIZE], from[SIZE];

static void
scramble(void)
{
	size_t i;

	for (i = 0; i < SIZE; i++) {
		want[i] = got[i] = (unsigned char)rand();
		from[i] = (unsigned char)rand();
	}
}

static void
same(const char *what, size_t to, size_t at, size_t len)
{

	ATF_CHECK_MSG(memcmp(want, got, SIZE) == 0,
	    "%s to %zu from %zu, %zu bytes", what, to, at, len);
}

ATF_TC_WITHOUT_HEAD(memory);
ATF_TC_BODY(memory, tc)
{
	size_t to, at, len;

	for (to = 0; to < 17; to++) {
		for (at = 0; at < 17; at++) {
			for (len = 0; len < SIZE - 17; len++) {
				scramble();
				memcpy(want + to, from + at, len);
				ATF_CHECK_EQ(got + to,
				    kern_memcpy(got + to, from + at, len));
				same("memcpy", to, at, len);
				memmove(want + to, want + at, len);
				ATF_CHECK_EQ(got + to,
				    kern_memmove(got + to, got + at, len));
				same("memmove", to, at, len);
				memset(want + to, from[0], len);
				ATF_CHECK_EQ(got + to,
				    kern_memset(got + to, from[0], len));
				same("memset", to, at, len);
			}
		}
	}
}

static int
sign(int v)
{

	return ((v > 0) - (v < 0));
}

ATF_TC_WITHOUT_HEAD(comparing);
ATF_TC_BODY(comparing, tc)
{
	static const char *const s[] = { "", "a", "b", "ab", "abc", "abd",
	    "ab\377", "\200" };
	const size_t n = sizeof(s) / sizeof(s[0]);
	size_t i, j, len;

	for (i = 0; i < n; i++) {
		for (j = 0; j < n; j++) {
			ATF_CHECK_EQ(sign(strcmp(s[i], s[j])),
			    sign(kern_strcmp(s[i], s[j])));
			for (len = 0; len < 5; len++) {
				ATF_CHECK_EQ(sign(strncmp(s[i], s[j], len)),
				    sign(kern_strncmp(s[i], s[j], len)));
			}
			len = strlen(s[i]) < strlen(s[j]) ? strlen(s[i]) :
			    strlen(s[j]);
			ATF_CHECK_EQ(sign(memcmp(s[i], s[j], len)),
			    sign(kern_memcmp(s[i], s[j], len)));
		}
	}
}

ATF_TC_WITHOUT_HEAD(strings);
ATF_TC_BODY(strings, tc)
{
	const char *s = "extant";

	ATF_CHECK_EQ(6, kern_strlen(s));
	ATF_CHECK_EQ(0, kern_strlen(""));
	ATF_CHECK_EQ(6, kern_strnlen(s, 100));
	ATF_CHECK_EQ(3, kern_strnlen(s, 3));
	ATF_CHECK_EQ(s + 2, kern_strchr(s, 't'));
	ATF_CHECK_EQ(s + 6, kern_strchr(s, '\0'));
	ATF_CHECK_EQ(NULL, kern_strchr(s, 'z'));
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, memory);
	ATF_TP_ADD_TC(tp, comparing);
	ATF_TP_ADD_TC(tp, strings);
	return (atf_no_error());
}
