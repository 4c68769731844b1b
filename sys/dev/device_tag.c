/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The tag with which a driver begins, and what it says when memory is short.
 */

#include <stdarg.h>

#include <sys/systm.h>

#include <vm/vm_pglist.h>

#include <dev/device_tag.h>

#define	LACK_LINE	128		/* all but the explanation */

void
device_lacks(const char *name, int error, const char *fmt, ...)
{
	const struct vm_pgreq page = VM_PGREQ_INITIALIZER(VM_PAGE_SIZE);
	char what[LACK_LINE / 2], line[LACK_LINE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	(void)snprintf(line, sizeof(line), "%s: no %s: %s", name, what,
	    errno_name(error));
	if (error == ENOMEM)
		vm_pglist_explain_print(line, &page);
	else
		printf("%s\n", line);
}

void
device_lacks_dma(const char *name, int error, const char *what,
    bus_dma_tag_t tag, bus_size_t size, bus_size_t align, bus_size_t boundary)
{
	char line[LACK_LINE];

	(void)snprintf(line, sizeof(line), "%s: no %s of %ju bytes: %s", name,
	    what, (uintmax_t)size, errno_name(error));
	if (error == ENOMEM)
		bus_dmamem_explain(tag, line, size, align, boundary);
	else
		printf("%s\n", line);
}

int
device_tag(bus_dma_tag_t parent, const char *name, bus_addr_t max,
    bus_size_t align, bus_dma_tag_t *tagp)
{
	int error;

	error = bus_dmatag_create(parent, name, 0, max, tagp, BUS_DMA_NOWAIT);
	if (error == 0 && align > 1 &&
	    (error = bus_dmatag_align(*tagp, align)) != 0)
		bus_dmatag_destroy(*tagp);
	if (error != 0)
		device_lacks(name, error, "DMA tag");
	return (error);
}
