/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Options on the command line.
 */

#include <sys/options.h>
#include <sys/systm.h>

#define	REQUIRE		"require"
#define	REQUIRE_MAX	128

struct number {
	const char	*n_name;
	uint64_t	n_value;
	uint64_t	n_min;
	uint64_t	n_max;
	bool		n_size;		/* with a suffix k, m, g or t */
};

/* Ageing 512 MiB takes about a second of emulation. */
static struct number numbers[OPT_NNUMBER] = {
	[OPT_AGE] = { "age", 131072, 0, UINT32_MAX, false },
	[OPT_CPUS] = { "cpus", UINT32_MAX, 1, UINT32_MAX, false },
	[OPT_EDU_MASK] = { "edu.mask", 0xfffffff, 0xfff, UINT64_MAX, false },
	[OPT_EXIT] = { "exit", 0, 0, 1, false },
	[OPT_FILL] = { "fill", 0, 0, 99, false },
	[OPT_IOMMU] = { "iommu", 1, 0, 1, false },
	[OPT_IOMMU_POKE] = { "iommu.poke", 0, 0, 1, false },
	[OPT_RUNS] = { "runs", 1, 1, 100, false },
	[OPT_SEED] = { "seed", 1, 0, UINT32_MAX, false },
	[OPT_TAKE] = { "take", 0, 0, UINT64_MAX, true },
	[OPT_TOGETHER] = { "together", 0, 0, 1, false },
};

static char require[REQUIRE_MAX];

static int
digit_of(char c, unsigned base)
{
	int d;

	if (c >= '0' && c <= '9')
		d = c - '0';
	else if (c >= 'a' && c <= 'f')
		d = c - 'a' + 10;
	else if (c >= 'A' && c <= 'F')
		d = c - 'A' + 10;
	else
		return (-1);
	return ((unsigned)d < base ? d : -1);
}

static unsigned
shift_of(char suffix)
{

	switch (suffix) {
	case 'k':
	case 'K':
		return (10);
	case 'm':
	case 'M':
		return (20);
	case 'g':
	case 'G':
		return (30);
	case 't':
	case 'T':
		return (40);
	default:
		return (0);
	}
}

bool
options_number(const char *s, unsigned len, bool size, uint64_t *np)
{
	unsigned base = 10, shift = 0;
	uint64_t n = 0;
	int d;

	if (size && len > 0) {
		shift = shift_of(s[len - 1]);
		if (shift != 0)
			len--;
	}
	if (len > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
		len -= 2;
	}
	if (len == 0)
		return (false);
	for (; len > 0; s++, len--) {
		d = digit_of(*s, base);
		if (d < 0 || n > (UINT64_MAX - (uint64_t)d) / base)
			return (false);
		n = n * base + (uint64_t)d;
	}
	if (n > UINT64_MAX >> shift)
		return (false);
	*np = n << shift;
	return (true);
}

static bool
name_is(const char *word, unsigned len, const char *name)
{

	return (len == strlen(name) && memcmp(word, name, len) == 0);
}

static void
number_set(struct number *n, const char *value, unsigned len)
{
	uint64_t v;

	if (!options_number(value, len, n->n_size, &v) || v < n->n_min ||
	    v > n->n_max) {
		printf("option %s=%.*s: not a number from %ju to %ju,"
		    " ignored\n", n->n_name, (int)len, value,
		    (uintmax_t)n->n_min, (uintmax_t)n->n_max);
		return;
	}
	n->n_value = v;
}

static void
require_set(const char *value, unsigned len)
{

	if (len >= sizeof(require)) {
		printf("option require=%.*s: too long, ignored\n", (int)len,
		    value);
		return;
	}
	memcpy(require, value, len);
	require[len] = '\0';
}

static void
word_parse(const char *word, unsigned len)
{
	unsigned i, name;

	for (name = 0; name < len && word[name] != '='; name++)
		continue;
	if (name < len) {
		for (i = 0; i < OPT_NNUMBER; i++) {
			if (!name_is(word, name, numbers[i].n_name))
				continue;
			number_set(&numbers[i], word + name + 1,
			    len - name - 1);
			return;
		}
		if (name_is(word, name, REQUIRE)) {
			require_set(word + name + 1, len - name - 1);
			return;
		}
	}
	printf("option %.*s: unknown, ignored\n", (int)len, word);
}

void
options_parse(const char *cmdline)
{
	unsigned len;

	while (*cmdline != '\0') {
		for (len = 0; cmdline[len] != '\0' && cmdline[len] != ' ';
		    len++)
			continue;
		if (len > 0)
			word_parse(cmdline, len);
		cmdline += len;
		if (*cmdline == ' ')
			cmdline++;
	}
}

uint64_t
option_number(enum option o)
{

	return (numbers[o].n_value);
}

const char *
option_require(unsigned i, unsigned *lenp)
{
	const char *s = require;
	unsigned len;

	for (;;) {
		while (*s == ',')
			s++;
		if (*s == '\0')
			return (NULL);
		for (len = 0; s[len] != '\0' && s[len] != ','; len++)
			continue;
		if (i-- == 0)
			break;
		s += len;
	}
	*lenp = len;
	return (s);
}

bool
option_required(const char *name)
{
	const char *s;
	unsigned i, len;

	for (i = 0; (s = option_require(i, &len)) != NULL; i++) {
		if (name_is(s, len, name))
			return (true);
	}
	return (false);
}
