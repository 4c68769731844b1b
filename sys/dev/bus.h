/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What the devices of a machine share: I/O ports, and the addresses that the
 * CPUs and the devices use for memory and registers.
 */

#ifndef _DEV_BUS_H_
#define	_DEV_BUS_H_

#include <sys/claim.h>

/* Where there is room for devices to which firmware gave none; inclusive. */
struct bus_window {
	exaddr_t	bw_first;
	exaddr_t	bw_last;	/* below bw_first: no such window */
};

struct bus {
	struct claims	b_ports;	/* extent map "ioport" */
	struct claims	b_memory;	/* extent map "iomem" */
	struct bus_window b_port_window;
	struct bus_window b_mem_window;	/* below 4 GiB */
	struct bus_window b_mem64_window;
};

/*
 * bus_get: the machine's.  The first call makes it, with what the board has
 * claimed already.
 */
struct bus *bus_get(void);

/*
 * machdep_bus: each port has one: claims what the board and the firmware use,
 * and all memory, for "memory", and sets the windows, of which there are none
 * at first.
 */
void	machdep_bus(struct bus *);

#endif /* !_DEV_BUS_H_ */
