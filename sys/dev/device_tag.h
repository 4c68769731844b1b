/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The tag with which a driver begins, and what it says when memory is short:
 * one line, in one form.
 */

#ifndef _DEV_DEVICE_TAG_H_
#define	_DEV_DEVICE_TAG_H_

#include <sys/bus_dma.h>

/*
 * device_tag: a tag in the name of a device that reaches all addresses up to
 * max, inclusive, within what parent lets through, and whose segments begin
 * at multiples of align bytes (1: anywhere).
 * => 0, or what bus_dmatag_create() says, after one line on the console.
 *
 * device_lacks: that line, of whatever a device did not get: the format names
 * it without an article, as in
 *
 *	fdc0: no map: EINVAL
 *	fdc0: no map: ENOMEM: wanted 4k, free in the window 0; ...
 *
 * With ENOMEM the kernel had no page for it: the line explains where memory
 * has gone.
 * device_lacks_dma: the same of size bytes that bus_dmamem_alloc(), or what
 * takes memory within the tag's limits as that does, has refused.
 */
int	device_tag(bus_dma_tag_t parent, const char *name, bus_addr_t max,
	    bus_size_t align, bus_dma_tag_t *tagp);
void	device_lacks(const char *name, int error, const char *fmt, ...)
	    __attribute__((format(__printf__, 3, 4)));
void	device_lacks_dma(const char *name, int error, const char *what,
	    bus_dma_tag_t tag, bus_size_t size, bus_size_t align,
	    bus_size_t boundary);

#endif /* !_DEV_DEVICE_TAG_H_ */
