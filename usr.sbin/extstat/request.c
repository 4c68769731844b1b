/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include <vm/vm_physseg.h>

#include "number.h"
#include "request.h"
#include "util.h"

/*
 * A key takes its value to the request; NULL, or what is wrong with it.
 */
struct key {
	const char	*k_name;
	const char	*(*k_set)(struct vm_pgreq *, const char *value);
};

#define	NUMBER_KEY(name, member)					\
static const char *							\
set_##name(struct vm_pgreq *req, const char *value)			\
{									\
	const char *why;						\
									\
	(void)number_parse(value, &req->member, &why);			\
	return (why);							\
}

NUMBER_KEY(size, vpr_size)
NUMBER_KEY(align, vpr_align)
NUMBER_KEY(boundary, vpr_boundary)
NUMBER_KEY(low, vpr_low)
NUMBER_KEY(high, vpr_high)
NUMBER_KEY(maxsegsz, vpr_maxsegsz)

static const char *
set_nsegs(struct vm_pgreq *req, const char *value)
{
	const char *why;
	uint64_t n = 0;

	if (!number_parse(value, &n, &why))
		return (why);
	if (n > UINT_MAX)
		return ("number too large");
	req->vpr_nsegs = (unsigned)n;
	return (NULL);
}

static const char *const policies[] = {
	[VM_POLICY_LOWEST] = "lowest",
	[VM_POLICY_HIGHEST] = "highest",
	[VM_POLICY_BEST] = "best",
	[VM_POLICY_NEXT] = "next",
	[VM_POLICY_EXACT] = "exact",
};

#define	NPOLICY	(sizeof(policies) / sizeof(policies[0]))

const char *
request_policy_name(enum vm_policy policy)
{

	return (policies[policy]);
}

static const char *
set_policy(struct vm_pgreq *req, const char *value)
{
	unsigned i;

	for (i = 0; i < NPOLICY; i++) {
		if (strcmp(policies[i], value) == 0) {
			req->vpr_policy = (enum vm_policy)i;
			return (NULL);
		}
	}
	return ("not one of lowest, highest, best, next, exact");
}

/* The bit of a list by name, of which len bytes count; 0: there is none. */
static unsigned
list_bit(const char *name, size_t len)
{
	const char *known;
	unsigned i;

	for (i = 0; i < VM_NFREELIST; i++) {
		known = vm_freelist_name((enum vm_freelist)i);
		if (strlen(known) == len && memcmp(known, name, len) == 0)
			return (VM_FREELIST_BIT(i));
	}
	return (0);
}

static const char *
set_lists(struct vm_pgreq *req, const char *value)
{
	size_t len;
	unsigned bit;

	req->vpr_lists = 0;
	for (;;) {
		len = strcspn(value, "+");
		bit = list_bit(value, len);
		if (bit == 0)
			return ("not one or more of isa, dma31, dma32, "
			    "default, joined by +");
		req->vpr_lists |= bit;
		if (value[len] == '\0')
			return (NULL);
		value += len + 1;
	}
}

static const struct key keys[] = {
	{ "size", set_size },
	{ "align", set_align },
	{ "boundary", set_boundary },
	{ "low", set_low },
	{ "high", set_high },
	{ "nsegs", set_nsegs },
	{ "maxsegsz", set_maxsegsz },
	{ "policy", set_policy },
	{ "lists", set_lists },
};

#define	NKEY	(sizeof(keys) / sizeof(keys[0]))

/* In one line whatever the value holds, and with its end cut if it is long. */
static bool
complain(char why[REQUEST_WHYLEN], const char *item, const char *what)
{
	char shown[64];

	printable(shown, sizeof(shown), item, strlen(item));
	(void)snprintf(why, REQUEST_WHYLEN, "%s: %s", shown, what);
	return (false);
}

/* One key=value; seen has a bit for each key that came before. */
static bool
parse_item(char *item, struct vm_pgreq *req, unsigned *seen,
    char why[REQUEST_WHYLEN])
{
	char *value = strchr(item, '=');
	const char *what;
	unsigned i;

	if (value == NULL)
		return (complain(why, item, "not of the form key=value"));
	for (i = 0; i < NKEY; i++) {
		if (strlen(keys[i].k_name) == (size_t)(value - item) &&
		    strncmp(keys[i].k_name, item, (size_t)(value - item)) == 0)
			break;
	}
	if (i == NKEY)
		return (complain(why, item, "unknown key"));
	if ((*seen & 1U << i) != 0)
		return (complain(why, item, "key given twice"));
	*seen |= 1U << i;
	what = keys[i].k_set(req, value + 1);
	return (what == NULL ? true : complain(why, item, what));
}

static bool
parse_items(char *spec, struct vm_pgreq *req, char why[REQUEST_WHYLEN])
{
	unsigned seen = 0;
	char *item;

	while ((item = strsep(&spec, ",")) != NULL) {
		if (!parse_item(item, req, &seen, why))
			return (false);
	}
	if ((seen & 1) == 0)			/* keys[0] */
		return (complain(why, "size", "missing"));
	return (true);
}

bool
request_parse(const char *spec, struct vm_pgreq *req,
    char why[REQUEST_WHYLEN])
{
	size_t len = strlen(spec) + 1;
	char *copy = memcpy(xcalloc(len, 1), spec, len);
	const char *what;
	bool ok;

	*req = (struct vm_pgreq)VM_PGREQ_INITIALIZER(0);
	ok = parse_items(copy, req, why);
	free(copy);
	if (ok && vm_pgreq_check(req, &what) != 0)
		ok = complain(why, spec, what);
	return (ok);
}
