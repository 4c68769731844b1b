/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The kernel's printf against the host's.
 */

#include <atf-c.h>

#include <limits.h>
#include <setjmp.h>
#include <stdio.h>

/* The kernel's functions under names of their own. */
#define	printf		kern_printf
#define	vprintf		kern_vprintf
#define	snprintf	kern_snprintf
#define	vsnprintf	kern_vsnprintf
#include <kern/subr_prf.c>
#undef	printf
#undef	vprintf
#undef	snprintf
#undef	vsnprintf

static char	console[512];
static size_t	console_len;
static jmp_buf	exited;

void
cnputc(int c)
{

	ATF_REQUIRE(console_len < sizeof(console) - 1);
	console[console_len++] = (char)c;
	console[console_len] = '\0';
}

_Noreturn void
kernel_exit(int status)
{

	longjmp(exited, status + 1);
}

/*
 * SAME: both write the same and return the same, also into a short buffer.
 */
#define	SAME(...)							\
do {									\
	char want_[256], got_[256];					\
	size_t size_;							\
									\
	for (size_ = 1; size_ <= sizeof(got_); size_ *= 4) {		\
		ATF_CHECK_EQ(snprintf(want_, size_, __VA_ARGS__),	\
		    kern_snprintf(got_, size_, __VA_ARGS__));		\
		ATF_CHECK_STREQ(want_, got_);				\
	}								\
} while (0)

ATF_TC_WITHOUT_HEAD(numbers);
ATF_TC_BODY(numbers, tc)
{
	static const long long values[] = { 0, 1, -1, 9, 10, 255, -255, 4095,
	    INT_MAX, INT_MIN, UINT_MAX, LLONG_MAX, LLONG_MIN };
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		long long v = values[i];
		unsigned long long u = (unsigned long long)v;

		SAME("%d|%i|%u|%x|%X", (int)v, (int)v, (unsigned)v,
		    (unsigned)v, (unsigned)v);
		SAME("%lld|%llu|%llx|%llX", v, u, u, u);
		SAME("%ld|%lu|%jd|%ju|%zx|%td", (long)v, (unsigned long)v,
		    (intmax_t)v, (uintmax_t)v, (size_t)v, (ptrdiff_t)v);
		SAME("%hd|%hu|%hhd|%hhx", (short)v, (unsigned short)v,
		    (signed char)v, (unsigned char)v);
		SAME("%#x|%#llx|%#X|%#012llx", (unsigned)v, u, (unsigned)v, u);
		SAME("[%8d|%-8d|%08d|%3d|%.5d|%8.5d]", (int)v, (int)v, (int)v,
		    (int)v, (int)v, (int)v);
		SAME("[%20llx|%-20llx|%020llx|%.0llu]", u, u, u, u);
		SAME("[%*d|%-*d|%*d|%.*d]", 12, (int)v, 12, (int)v, -12,
		    (int)v, 7, (int)v);
	}
}

ATF_TC_WITHOUT_HEAD(text);
ATF_TC_BODY(text, tc)
{

	SAME("plain, 100%% %c%c", 'o', 'k');
	SAME("[%s|%8s|%-8s|%.2s|%8.2s|%-8.2s]", "extant", "extant", "extant",
	    "extant", "extant", "extant");
	SAME("[%s|%5s|%.0s]", "", "", "gone");
	SAME("[%.*s|%3c|%-3c]", 3, "extant", 'a', 'b');
	SAME("%p", (void *)(uintptr_t)0xffff800000000000);
}

ATF_TC_WITHOUT_HEAD(buffers);
ATF_TC_BODY(buffers, tc)
{
	char buf[4] = "abc";

	ATF_CHECK_EQ(6, kern_snprintf(buf, 0, "%s", "extant"));
	ATF_CHECK_STREQ("abc", buf);
	ATF_CHECK_EQ(6, kern_snprintf(buf, 1, "%s", "extant"));
	ATF_CHECK_STREQ("", buf);
	ATF_CHECK_EQ(6, kern_snprintf(buf, sizeof(buf), "%s", "extant"));
	ATF_CHECK_STREQ("ext", buf);
}

ATF_TC_WITHOUT_HEAD(console_output);
ATF_TC_BODY(console_output, tc)
{

	ATF_CHECK_EQ(9, kern_printf("cpu%u: %s\n", 1, "up"));
	ATF_CHECK_STREQ("cpu1: up\n", console);
}

ATF_TC_WITHOUT_HEAD(panic_once);
ATF_TC_BODY(panic_once, tc)
{

	if (setjmp(exited) == 0)
		panic("page %#x", 0x1000);
	ATF_CHECK_STREQ("\npanic: page 0x1000\n", console);

	/* Another on the same CPU, from within the first, prints nothing. */
	console_len = 0;
	console[0] = '\0';
	if (setjmp(exited) == 0)
		panic("again");
	ATF_CHECK_STREQ("", console);
}

ATF_TC_WITHOUT_HEAD(panic_locked);
ATF_TC_BODY(panic_locked, tc)
{

	/* The panic comes while the console's lock is held. */
	prf_lock = true;
	if (setjmp(exited) == 0)
		panic("stuck");
	ATF_CHECK_STREQ("\npanic: stuck\n", console);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, numbers);
	ATF_TP_ADD_TC(tp, text);
	ATF_TP_ADD_TC(tp, buffers);
	ATF_TP_ADD_TC(tp, console_output);
	ATF_TP_ADD_TC(tp, panic_once);
	ATF_TP_ADD_TC(tp, panic_locked);
	return (atf_no_error());
}
