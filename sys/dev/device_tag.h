/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The tag with which a driver begins, and what it says when memory is short.
 */

#ifndef _DEV_DEVICE_TAG_H_
#define	_DEV_DEVICE_TAG_H_

#include <sys/bus_dma.h>

/*
 * device_tag: a tag in the name of a device that reaches all addresses up to
 * max, inclusive, within what parent lets through, and whose segments begin
 * at multiples of align bytes (1: anywhere).
 * => 0, or what bus_dmatag_create() says, after one line on the console; if
 *    that is ENOMEM, another explains where memory has gone.
 *
 * device_explain: print that line, if error is ENOMEM and came from what takes
 * a page of the kernel's: a tag, a map, or addresses.
 */
int	device_tag(bus_dma_tag_t parent, const char *name, bus_addr_t max,
	    bus_size_t align, bus_dma_tag_t *tagp);
void	device_explain(const char *name, int error);

#endif /* !_DEV_DEVICE_TAG_H_ */
