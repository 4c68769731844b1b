/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * printf, and the end by panic.
 *
 * One formatter writes characters to a sink: the console, or a buffer.  The
 * console has a lock that is held for a whole call, with interrupts disabled,
 * so that lines of different CPUs do not mix.  A panic may come from a CPU
 * that holds this lock, or while another holds it and is stuck: it waits for
 * a moment only and then prints anyway.
 */

#include <stdatomic.h>

#include <sys/machdep.h>
#include <sys/systm.h>

#include <machine/cpu.h>
#include <machine/intr.h>

#define	PANIC_SPINS	1000000

struct sink {
	char	*s_buf;		/* NULL: the console */
	size_t	s_size;
	size_t	s_count;	/* characters so far, kept or not */
};

struct conversion {
	bool	c_left;
	bool	c_zero;
	bool	c_prefix;	/* 0x before a hexadecimal number */
	int	c_width;
	int	c_precision;	/* -1: none */
	int	c_size;		/* bytes of the integer */
};

static _Atomic bool prf_lock;
static _Atomic uint32_t prf_panicking;	/* a CPU's number + 1; 0: none */

static void
put(struct sink *s, char c)
{

	if (s->s_buf == NULL)
		cnputc(c);
	else if (s->s_count + 1 < s->s_size)
		s->s_buf[s->s_count] = c;
	s->s_count++;
}

static void
put_repeated(struct sink *s, char c, int n)
{

	for (; n > 0; n--)
		put(s, c);
}

/*
 * put_field: text of len characters in a field as wide as the conversion
 * says; sign stands before filling zeros.
 */
static void
put_field(struct sink *s, const struct conversion *c, const char *sign,
    const char *text, int len)
{
	int fill = c->c_width - len - (int)strlen(sign);

	if (!c->c_left && !c->c_zero)
		put_repeated(s, ' ', fill);
	while (*sign != '\0')
		put(s, *sign++);
	if (!c->c_left && c->c_zero)
		put_repeated(s, '0', fill);
	for (; len > 0; len--)
		put(s, *text++);
	if (c->c_left)
		put_repeated(s, ' ', fill);
}

static void
put_number(struct sink *s, struct conversion *c, const char *sign,
    uint64_t v, unsigned base, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[64];
	char *p = text + sizeof(text);
	int len;

	for (; v != 0; v /= base)
		*--p = digits[v % base];
	len = (int)(text + sizeof(text) - p);
	if (c->c_precision >= 0)
		c->c_zero = false;
	else
		c->c_precision = 1;
	while (len < c->c_precision && len < (int)sizeof(text)) {
		*--p = '0';
		len++;
	}
	put_field(s, c, sign, p, len);
}

static void
put_string(struct sink *s, struct conversion *c, const char *text)
{

	if (text == NULL)
		text = "(null)";
	c->c_zero = false;
	put_field(s, c, "", text, (int)strnlen(text,
	    c->c_precision >= 0 ? (size_t)c->c_precision : SIZE_MAX));
}

/*
 * number_of: the decimal number at *fmtp, or the next argument for a star.
 */
static int
number_of(const char **fmtp, va_list *ap)
{
	int n = 0;

	if (**fmtp == '*') {
		(*fmtp)++;
		return (va_arg(*ap, int));
	}
	for (; **fmtp >= '0' && **fmtp <= '9'; (*fmtp)++) {
		if (n < 100000)
			n = n * 10 + (**fmtp - '0');
	}
	return (n);
}

static int
size_of(const char **fmtp)
{

	switch (*(*fmtp)++) {
	case 'h':
		if (**fmtp != 'h')
			return (sizeof(short));
		(*fmtp)++;
		return (sizeof(char));
	case 'l':
		if (**fmtp != 'l')
			return (sizeof(long));
		(*fmtp)++;
		return (sizeof(long long));
	case 'j':
		return (sizeof(intmax_t));
	case 'z':
		return (sizeof(size_t));
	case 't':
		return (sizeof(ptrdiff_t));
	default:
		(*fmtp)--;
		return (sizeof(int));
	}
}

/*
 * conversion_of: what stands between the % and the letter.
 */
static struct conversion
conversion_of(const char **fmtp, va_list *ap)
{
	struct conversion c = { .c_precision = -1 };

	for (; **fmtp == '-' || **fmtp == '0' || **fmtp == '#'; (*fmtp)++) {
		if (**fmtp == '-')
			c.c_left = true;
		else if (**fmtp == '0')
			c.c_zero = true;
		else
			c.c_prefix = true;
	}
	c.c_width = number_of(fmtp, ap);
	if (c.c_width < 0) {
		c.c_left = true;
		c.c_width = c.c_width == INT32_MIN ? 0 : -c.c_width;
	}
	if (**fmtp == '.') {
		(*fmtp)++;
		c.c_precision = number_of(fmtp, ap);
	}
	c.c_size = size_of(fmtp);
	return (c);
}

/*
 * signed_of, unsigned_of: the next argument, cut to the conversion's size;
 * what is smaller than an int was passed as one.
 */
static int64_t
signed_of(const struct conversion *c, va_list *ap)
{

	if (c->c_size > (int)sizeof(int))
		return (va_arg(*ap, int64_t));
	switch (c->c_size) {
	case sizeof(char):
		return ((signed char)va_arg(*ap, int));
	case sizeof(short):
		return ((short)va_arg(*ap, int));
	default:
		return (va_arg(*ap, int));
	}
}

static uint64_t
unsigned_of(const struct conversion *c, va_list *ap)
{

	if (c->c_size > (int)sizeof(int))
		return (va_arg(*ap, uint64_t));
	switch (c->c_size) {
	case sizeof(char):
		return ((unsigned char)va_arg(*ap, unsigned));
	case sizeof(short):
		return ((unsigned short)va_arg(*ap, unsigned));
	default:
		return (va_arg(*ap, unsigned));
	}
}

static void
put_conversion(struct sink *s, struct conversion *c, char letter, va_list *ap)
{
	uint64_t u;
	int64_t v;
	char ch;

	switch (letter) {
	case 'd':
	case 'i':
		v = signed_of(c, ap);
		put_number(s, c, v < 0 ? "-" : "",
		    v < 0 ? -(uint64_t)v : (uint64_t)v, 10, false);
		break;
	case 'u':
		put_number(s, c, "", unsigned_of(c, ap), 10, false);
		break;
	case 'x':
	case 'X':
		u = unsigned_of(c, ap);
		put_number(s, c, !c->c_prefix || u == 0 ? "" :
		    letter == 'X' ? "0X" : "0x", u, 16, letter == 'X');
		break;
	case 'p':
		put_number(s, c, "0x", (uintptr_t)va_arg(*ap, void *), 16,
		    false);
		break;
	case 'c':
		ch = (char)va_arg(*ap, int);
		c->c_zero = false;
		put_field(s, c, "", &ch, 1);
		break;
	case 's':
		put_string(s, c, va_arg(*ap, const char *));
		break;
	case '%':
		put(s, '%');
		break;
	default:
		panic("printf: unknown conversion %%%c", letter);
	}
}

static void
format(struct sink *s, const char *fmt, va_list *ap)
{
	struct conversion c;

	for (; *fmt != '\0'; fmt++) {
		if (*fmt != '%') {
			put(s, *fmt);
			continue;
		}
		fmt++;
		c = conversion_of(&fmt, ap);
		put_conversion(s, &c, *fmt, ap);
	}
}

static void
console_lock(void)
{
	unsigned spins = 0;

	while (atomic_exchange(&prf_lock, true)) {
		while (atomic_load(&prf_lock)) {
			if (atomic_load(&prf_panicking) != 0 &&
			    spins++ == PANIC_SPINS)
				return;
		}
	}
}

int
vprintf(const char *fmt, va_list ap)
{
	struct sink s = { .s_buf = NULL };
	unsigned long intr;
	va_list copy;

	va_copy(copy, ap);
	intr = intr_disable();
	console_lock();
	format(&s, fmt, &copy);
	atomic_store(&prf_lock, false);
	intr_restore(intr);
	va_end(copy);
	return ((int)s.s_count);
}

int
printf(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vprintf(fmt, ap);
	va_end(ap);
	return (n);
}

int
vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	char none;
	struct sink s = { size == 0 ? &none : buf, size, 0 };
	va_list copy;

	va_copy(copy, ap);
	format(&s, fmt, &copy);
	va_end(copy);
	if (size > 0)
		buf[s.s_count < size ? s.s_count : size - 1] = '\0';
	return ((int)s.s_count);
}

int
snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return (n);
}

_Noreturn void
panic(const char *fmt, ...)
{
	char message[256];
	uint32_t first = 0;
	va_list ap;

	intr_disable();
	if (!atomic_compare_exchange_strong(&prf_panicking, &first,
	    cpu_number() + 1)) {
		/* A panic within a panic; or after one, elsewhere. */
		if (first == cpu_number() + 1)
			kernel_exit(1);
		for (;;)
			continue;
	}
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	printf("\npanic: %s\n", message);
	kernel_exit(1);
}
