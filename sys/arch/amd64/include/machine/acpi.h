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

#endif /* !_MACHINE_ACPI_H_ */
