/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The DMAR table.  It is input like any other; fields are copied out, since
 * nothing is aligned.
 */

#include <stddef.h>

#include <dev/dmar.h>

/* [VTD] section 8.1. */
#define	DMAR_WIDTH	36	/* bits, less one */
#define	DMAR_ENTRIES	48
#define	WIDTH_MAX	64

/* Of each entry. */
#define	ENTRY_TYPE	0
#define	ENTRY_LENGTH	2
#define	ENTRY_MIN	4
#define	TYPE_UNIT	0
#define	TYPE_RESERVED	1

/* [VTD] section 8.3: a unit. */
#define	UNIT_FLAGS	4
#define	UNIT_ALL	0x01
#define	UNIT_SEGMENT	6
#define	UNIT_BASE	8
#define	UNIT_MIN	16
#define	UNIT_ALIGN	0x1000

/* [VTD] section 8.3.1: a device of it. */
#define	SCOPE_TYPE	0
#define	SCOPE_ENDPOINT	1
#define	SCOPE_BRIDGE	2
#define	SCOPE_LENGTH	1
#define	SCOPE_BUS	5
#define	SCOPE_MIN	6
#define	HOP		2	/* device, function */

/* [VTD] section 8.4: reserved memory. */
#define	RESERVED_MIN	24

static uint16_t
get16(const uint8_t *p)
{

	return ((uint16_t)(p[0] | p[1] << 8));
}

static uint64_t
get64(const uint8_t *p)
{
	uint64_t v = 0;
	unsigned i;

	for (i = 8; i-- > 0;)
		v = v << 8 | p[i];
	return (v);
}

static const char *
scope_parse(const uint8_t *e, uint8_t len, struct dmar_info *di)
{
	struct dmar_scope *ds = &di->di_scopes[di->di_nscopes];
	const uint8_t *hop;

	if (e[SCOPE_TYPE] != SCOPE_ENDPOINT && e[SCOPE_TYPE] != SCOPE_BRIDGE)
		return (NULL);
	if (len < SCOPE_MIN + HOP || (len - SCOPE_MIN) % HOP != 0 ||
	    (len - SCOPE_MIN) / HOP > DMAR_MAXPATH)
		return ("a path is too short or too long");
	if (di->di_nscopes == DMAR_MAXSCOPES)
		return ("too many devices");
	ds->ds_bridge = e[SCOPE_TYPE] == SCOPE_BRIDGE;
	ds->ds_bus = e[SCOPE_BUS];
	ds->ds_nhops = 0;
	for (hop = e + SCOPE_MIN; hop < e + len; hop += HOP) {
		if (hop[0] > 31 || hop[1] > 7)
			return ("a path leads to no device");
		ds->ds_path[ds->ds_nhops++] = (uint8_t)(hop[0] << 3 | hop[1]);
	}
	di->di_nscopes++;
	return (NULL);
}

static const char *
scopes_parse(const uint8_t *e, uint16_t len, struct dmar_info *di)
{
	const char *why = NULL;
	uint16_t off;

	for (off = UNIT_MIN; off < len && why == NULL;
	    off = (uint16_t)(off + e[off + SCOPE_LENGTH])) {
		if (len - off < SCOPE_MIN ||
		    e[off + SCOPE_LENGTH] < SCOPE_MIN ||
		    e[off + SCOPE_LENGTH] > len - off)
			return ("a device has a wrong length");
		why = scope_parse(e + off, e[off + SCOPE_LENGTH], di);
	}
	return (why);
}

static const char *
unit_parse(const uint8_t *e, uint16_t len, struct dmar_info *di)
{
	uint64_t base;

	if (len < UNIT_MIN)
		return ("a unit is too short");
	if (get16(e + UNIT_SEGMENT) != 0)
		return (NULL);
	base = get64(e + UNIT_BASE);
	if (base == 0 || base % UNIT_ALIGN != 0)
		return ("registers are not at a page");
	di->di_nunits++;
	di->di_base = base;
	di->di_all = (e[UNIT_FLAGS] & UNIT_ALL) != 0;
	di->di_nscopes = 0;
	return (scopes_parse(e, len, di));
}

static const char *
entry_parse(const uint8_t *e, uint16_t len, struct dmar_info *di)
{

	switch (get16(e + ENTRY_TYPE)) {
	case TYPE_UNIT:
		return (unit_parse(e, len, di));
	case TYPE_RESERVED:
		if (len < RESERVED_MIN)
			return ("a reserved range is too short");
		di->di_nreserved++;
		return (NULL);
	default:
		return (NULL);
	}
}

const char *
dmar_parse(const uint8_t *table, uint32_t len, struct dmar_info *di)
{
	const char *why = NULL;
	uint32_t off;
	uint16_t n;

	di->di_width = di->di_nunits = di->di_nreserved = di->di_nscopes = 0;
	di->di_base = 0;
	di->di_all = false;
	if (len < DMAR_ENTRIES)
		return ("the table is too short");
	di->di_width = table[DMAR_WIDTH] + 1U;
	if (di->di_width > WIDTH_MAX)
		return ("more than 64 bits of address");
	for (off = DMAR_ENTRIES; off < len && why == NULL; off += n) {
		if (len - off < ENTRY_MIN)
			return ("an entry is cut off");
		n = get16(table + off + ENTRY_LENGTH);
		if (n < ENTRY_MIN || n > len - off)
			return ("an entry has a wrong length");
		why = entry_parse(table + off, n, di);
	}
	return (why);
}
