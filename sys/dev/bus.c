/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The machine's ports and bus addresses.
 */

#include <dev/bus.h>

#define	PORT_MAX	0xffff

static const struct bus_window no_window = { 1, 0 };

struct bus *
bus_get(void)
{
	static struct bus bus;
	static bool made;

	if (made)
		return (&bus);
	made = true;
	claims_init(&bus.b_memory, "iomem", 0,
	    ((exaddr_t)1 << VM_PADDR_BITS) - 1);
	claims_init(&bus.b_ports, "ioport", 0, PORT_MAX);
	bus.b_port_window = no_window;
	bus.b_mem_window = no_window;
	bus.b_mem64_window = no_window;
	machdep_bus(&bus);
	return (&bus);
}
