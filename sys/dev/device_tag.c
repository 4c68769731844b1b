/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The tag with which a driver begins, and what it says when memory is short.
 */

#include <sys/systm.h>

#include <vm/vm_pglist.h>

#include <dev/device_tag.h>

void
device_explain(const char *name, int error)
{
	const struct vm_pgreq page = VM_PGREQ_INITIALIZER(VM_PAGE_SIZE);

	if (error == ENOMEM)
		vm_pglist_explain_print(name, &page);
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
		printf("%s: no DMA tag: %s\n", name, errno_name(error));
	device_explain(name, error);
	return (error);
}
