/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Second-level page tables of an I/O MMU after [VTD], section 9.8: which bus
 * address leads where.
 *
 * Tables are pages of the page allocator, and stay until the end: addresses
 * are used again, the lowest first, and so are the tables for them.
 */

#ifndef _DEV_VTD_TABLE_H_
#define	_DEV_VTD_TABLE_H_

#include <vm/vm_owner.h>
#include <vm/vm_types.h>

struct vtd_table {
	paddr_t		vt_root;
	unsigned	vt_levels;	/* 3: 39 bits of address, 4: 48 */
	vm_owner_t	vt_owner;	/* of the tables */
	void		(*vt_flush)(const void *, size_t); /* or NULL */
	uint64_t	vt_tables;	/* how many, in pages */
	uint64_t	vt_pages;	/* that are mapped */
};

#define	VTD_READ	0x1		/* bits of an entry */
#define	VTD_WRITE	0x2

/*
 * All with a lock of the caller held, for one table.
 *
 * vtd_table_init: nothing is mapped.  flush is called with each piece of a
 * table that was changed, for hardware that does not look into caches.
 * => 0; ENOMEM; EINVAL: not 2 to 5 levels.
 * vtd_table_fini: the tables go back to the page allocator.
 *
 * vtd_table_enter: addr leads to pa, for one page; prot is VTD_READ, VTD_WRITE
 * or both.
 * => 0; ENOMEM: no memory for a table; EEXIST: it leads somewhere already;
 *    EINVAL: not pages, more bits than there are, or wrong prot.  An error
 *    changes nothing, but for tables that may be there now.
 * vtd_table_prepare: from here on vtd_table_enter in [addr, addr + size) needs
 * no memory.
 * => 0; ENOMEM, and some tables may be there; EINVAL: size 0, or more bits than
 *    there are.
 * vtd_table_remove: it leads nowhere.  => false: it did not lead anywhere.
 * vtd_table_extract: where does addr lead?  => false: nowhere.
 */
int	vtd_table_init(struct vtd_table *, unsigned levels, vm_owner_t owner,
	    void (*flush)(const void *, size_t));
void	vtd_table_fini(struct vtd_table *);
int	vtd_table_enter(struct vtd_table *, uint64_t addr, paddr_t pa,
	    unsigned prot);
int	vtd_table_prepare(struct vtd_table *, uint64_t addr, uint64_t size);
bool	vtd_table_remove(struct vtd_table *, uint64_t addr);
bool	vtd_table_extract(const struct vtd_table *, uint64_t addr, paddr_t *pa,
	    unsigned *prot);

#endif /* !_DEV_VTD_TABLE_H_ */
