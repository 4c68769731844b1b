/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Memory that drivers share with their devices.
 */

#include <sys/systm.h>

#include <dev/device_tag.h>
#include <dev/dmabuf.h>

/*
 * dmabuf_map: addresses and a loaded map for memory that is allocated.  The
 * map keeps the boundary, too: of an I/O MMU's addresses, and of what
 * bus_dma(9) checks before the device gets it.
 */
static int
dmabuf_map(struct dmabuf *d, bus_size_t size, bus_size_t boundary)
{
	void *kva;
	int error;

	if ((error = bus_dmamem_map(d->d_tag, &d->d_seg, 1, size, &kva,
	    BUS_DMA_NOWAIT)) != 0)
		return (error);
	error = bus_dmamap_create(d->d_tag, size, 1, size, boundary,
	    BUS_DMA_NOWAIT, &d->d_map);
	if (error == 0) {
		error = bus_dmamap_load_raw(d->d_tag, d->d_map, &d->d_seg, 1,
		    size, BUS_DMA_NOWAIT);
		if (error != 0)
			bus_dmamap_destroy(d->d_tag, d->d_map);
	}
	if (error != 0) {
		bus_dmamem_unmap(d->d_tag, kva, size);
		return (error);
	}
	memset(kva, 0, size);
	d->d_kva = kva;
	return (0);
}

int
dmabuf_get(struct dmabuf *d, bus_dma_tag_t tag, const char *name,
    bus_size_t size, bus_size_t align, bus_size_t boundary)
{
	int error, nsegs;

	d->d_tag = tag;
	d->d_kva = NULL;
	size = (size + VM_PAGE_SIZE - 1) & ~(bus_size_t)(VM_PAGE_SIZE - 1);
	error = bus_dmamem_alloc(tag, size, align, boundary, &d->d_seg, 1,
	    &nsegs, BUS_DMA_NOWAIT);
	if (error != 0)
		device_lacks_dma(name, error, "buffer", tag, size, align,
		    boundary);
	else if ((error = dmabuf_map(d, size, boundary)) != 0) {
		device_lacks(name, error, "map of %ju bytes",
		    (uintmax_t)size);
		bus_dmamem_free(tag, &d->d_seg, 1);
	}
	return (error);
}

void
dmabuf_put(struct dmabuf *d)
{

	if (d->d_kva == NULL)
		return;
	bus_dmamap_destroy(d->d_tag, d->d_map);
	bus_dmamem_unmap(d->d_tag, d->d_kva, d->d_seg.ds_len);
	bus_dmamem_free(d->d_tag, &d->d_seg, 1);
	d->d_kva = NULL;
}

void
dmabuf_sync(const struct dmabuf *d, bus_size_t offset, bus_size_t len, int ops)
{

	bus_dmamap_sync(d->d_tag, d->d_map, offset, len, ops);
}

static int
page_get(struct dmapages *p)
{
	bus_dma_segment_t *seg = &p->dp_segs[p->dp_n];
	int error, nsegs;

	if ((error = bus_dmamem_alloc(p->dp_tag, VM_PAGE_SIZE, VM_PAGE_SIZE, 0,
	    seg, 1, &nsegs, BUS_DMA_NOWAIT)) != 0)
		return (error);
	error = bus_dmamem_map(p->dp_tag, seg, 1, VM_PAGE_SIZE,
	    &p->dp_kva[p->dp_n], BUS_DMA_NOWAIT);
	if (error != 0)
		bus_dmamem_free(p->dp_tag, seg, 1);
	else
		p->dp_n++;
	return (error);
}

int
dmapages_get(struct dmapages *p, bus_dma_tag_t tag, const char *name,
    unsigned n)
{
	int error = 0;

	KASSERT(n <= DMAPAGES_MAX);
	p->dp_tag = tag;
	p->dp_n = 0;
	while (error == 0 && p->dp_n < n)
		error = page_get(p);
	if (error == 0)
		return (0);
	device_lacks_dma(name, error, "buffer", tag, VM_PAGE_SIZE,
	    VM_PAGE_SIZE, 0);
	dmapages_put(p);
	return (error);
}

void
dmapages_put(struct dmapages *p)
{

	while (p->dp_n > 0) {
		p->dp_n--;
		bus_dmamem_unmap(p->dp_tag, p->dp_kva[p->dp_n], VM_PAGE_SIZE);
		bus_dmamem_free(p->dp_tag, &p->dp_segs[p->dp_n], 1);
	}
}

uint8_t *
dmapages_at(const struct dmapages *p, unsigned at)
{

	return ((uint8_t *)p->dp_kva[at / VM_PAGE_SIZE] + at % VM_PAGE_SIZE);
}

unsigned
dmapages_pieces(const struct dmapages *p)
{
	unsigned n = 1, i;

	for (i = 1; i < p->dp_n; i++) {
		if (p->dp_segs[i].ds_addr !=
		    p->dp_segs[i - 1].ds_addr + VM_PAGE_SIZE)
			n++;
	}
	return (n);
}
