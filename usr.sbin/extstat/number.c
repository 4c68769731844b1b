/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "number.h"

static const char units[] = "kmgtp";

/* The value of a digit, or one that no base has. */
static unsigned
digit_value(char c)
{

	if (c >= '0' && c <= '9')
		return ((unsigned)(c - '0'));
	if (c >= 'a' && c <= 'f')
		return ((unsigned)(c - 'a') + 10);
	if (c >= 'A' && c <= 'F')
		return ((unsigned)(c - 'A') + 10);
	return (UINT32_MAX);
}

/*
 * The digits at *textp, which moves behind them.
 * => false: the value does not fit.
 */
static bool
parse_digits(const char **textp, unsigned base, uint64_t *valuep)
{
	uint64_t value = 0;
	unsigned digit;

	for (; (digit = digit_value(**textp)) < base; (*textp)++) {
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return (false);
	}
	*valuep = value;
	return (true);
}

bool
number_parse(const char *text, uint64_t *valuep, const char **whyp)
{
	const char *unit;
	unsigned base = 10, shift = 0;
	uint64_t value;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	}
	*whyp = "not a number";
	if (digit_value(*text) >= base)
		return (false);
	*whyp = "number too large";
	if (!parse_digits(&text, base, &value))
		return (false);
	if (*text != '\0') {
		unit = strchr(units, tolower((unsigned char)*text));
		*whyp = "junk after the number";
		if (unit == NULL || text[1] != '\0')
			return (false);
		shift = 10 * ((unsigned)(unit - units) + 1);
	}
	*whyp = "number too large";
	if (value > UINT64_MAX >> shift)
		return (false);
	*valuep = value << shift;
	*whyp = NULL;
	return (true);
}

char *
number_format(uint64_t bytes, char buf[NUMBER_LEN])
{
	unsigned shift = 0;

	while (shift < 10 * strlen(units) && bytes >> shift >= 1024)
		shift += 10;
	if (shift == 0) {
		(void)snprintf(buf, NUMBER_LEN, "%" PRIu64, bytes);
	} else if ((bytes & (((uint64_t)1 << shift) - 1)) == 0) {
		(void)snprintf(buf, NUMBER_LEN, "%" PRIu64 "%c",
		    bytes >> shift, toupper(units[shift / 10 - 1]));
	} else {
		(void)snprintf(buf, NUMBER_LEN, "%" PRIu64 ".%u%c",
		    bytes >> shift,
		    (unsigned)((bytes >> (shift - 10) & 1023) * 10 / 1024),
		    toupper(units[shift / 10 - 1]));
	}
	return (buf);
}
