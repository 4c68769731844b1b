/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The table by which firmware tells of I/O MMUs: DMAR.
 *
 * Source: [VTD] Intel Virtualization Technology for Directed I/O,
 * Architecture Specification, 3.3, section 8.
 */

#ifndef _DEV_DMAR_H_
#define	_DEV_DMAR_H_

#include <stdbool.h>
#include <stdint.h>

#define	DMAR_MAXSCOPES	256
#define	DMAR_MAXPATH	4

/* A PCI device that a unit is for, or a bridge and all that is behind it. */
struct dmar_scope {
	bool		ds_bridge;
	uint8_t		ds_bus;
	unsigned	ds_nhops;	/* 1: it is on that bus; else there is
					   a bridge, and so on */
	uint8_t		ds_path[DMAR_MAXPATH];	/* device << 3 | function */
};

struct dmar_info {
	unsigned	di_width;	/* bits of address that devices have */
	unsigned	di_nunits;	/* on segment 0 */
	unsigned	di_nreserved;	/* ranges that devices use at boot */
	uint64_t	di_base;	/* registers of the last of the units */
	bool		di_all;		/* it is for all that have no other */
	unsigned	di_nscopes;	/* else for these */
	struct dmar_scope di_scopes[DMAR_MAXSCOPES];
};

/*
 * dmar_parse: what the len bytes of a table say, whose header was checked.
 * => NULL, or what is wrong with it (static string).
 */
const char *dmar_parse(const uint8_t *table, uint32_t len, struct dmar_info *);

#endif /* !_DEV_DMAR_H_ */
