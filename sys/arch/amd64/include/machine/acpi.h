/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#ifndef _MACHINE_ACPI_H_
#define	_MACHINE_ACPI_H_

#include <vm/vm_types.h>

/*
 * acpi_cpus: the local APIC identities of the CPUs that the firmware's
 * tables list as usable, at most max, in their order.
 * => how many there are, which may be more than max; 0: no usable tables, and
 *    *whyp says why (static string).
 * => rsdp: physical address of the root pointer, or 0.
 */
unsigned acpi_cpus(paddr_t rsdp, uint32_t *ids, unsigned max,
	    const char **whyp);

/*
 * acpi_table: the firmware's table of that name, four letters, and its length
 * in bytes, at least that of its header (36); its sum is right.
 * => NULL: there is none, and *whyp says why; if the table is what is missing,
 *    it is as it was.
 */
const uint8_t *acpi_table(paddr_t rsdp, const char *signature, uint32_t *lenp,
	    const char **whyp);

#endif /* !_MACHINE_ACPI_H_ */
