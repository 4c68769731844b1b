/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * An I/O MMU's registers, and the tables by which it finds a function's
 * domain.
 */

#ifndef _MACHINE_VTD_H_
#define	_MACHINE_VTD_H_

#include <vm/vm_owner.h>
#include <vm/vm_types.h>

struct vtd_unit {
	volatile uint8_t *vu_regs;
	uint64_t	vu_cap;
	uint64_t	vu_ecap;
	unsigned	vu_levels;	/* of page tables */
	unsigned	vu_width;	/* bits of bus addresses */
	unsigned	vu_ndomains;	/* identifiers: 0 to this, exclusive */
	vm_owner_t	vu_owner;	/* of tables */
	paddr_t		vu_root;
	struct vm_md_lock vu_lock;	/* registers, and the tables */
};

/* An access that was refused. */
struct vtd_fault {
	uint64_t	vf_addr;	/* of the page */
	uint16_t	vf_sid;		/* bus << 8 | devfn */
	uint8_t		vf_reason;	/* [VTD] table 27 and following */
	bool		vf_read;	/* of memory */
};

/*
 * vtd_unit_start: find out what the unit at base can do, and turn it on, with
 * no function in a domain: none reaches memory any more.
 * => width: bits of address that devices have.
 * => NULL, or what is wrong (static string); then it is off.
 *
 * vtd_unit_attach: a function uses these page tables from here on.
 * => 0, or ENOMEM.
 *
 * vtd_unit_flush: what a vtd_table(9) wants for this unit; NULL: nothing.
 * vtd_unit_entered: translations of a domain were made.
 * vtd_unit_forget: they were undone: wait until the unit knows of none.
 *
 * vtd_unit_fault: the next fault that nobody has seen yet.  => false: none.
 * => *lost: some were not recorded.
 */
const char *vtd_unit_start(struct vtd_unit *, paddr_t base, unsigned width,
	    vm_owner_t owner);
int	vtd_unit_attach(struct vtd_unit *, uint16_t sid, unsigned domain,
	    paddr_t tables);
void	(*vtd_unit_flush(const struct vtd_unit *))(const void *, size_t);
void	vtd_unit_entered(struct vtd_unit *, unsigned domain);
void	vtd_unit_forget(struct vtd_unit *, unsigned domain);
bool	vtd_unit_fault(struct vtd_unit *, struct vtd_fault *, bool *lost);

#endif /* !_MACHINE_VTD_H_ */
