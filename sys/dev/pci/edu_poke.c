/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Wrong addresses, on purpose.
 *
 * Two pages of memory that lie one behind the other have a pattern; the first
 * of them is loaded.  Whatever the device then does wrong, neither may change,
 * and the I/O MMU must have seen it.
 */

#include <sys/systm.h>

#include <dev/pci/edu_poke.h>

#define	SIZE		(2 * VM_PAGE_SIZE)
#define	LENGTH		64		/* of a transfer */
#define	PATTERN		0x5a

struct poke {
	bus_dma_tag_t	p_tag;
	bus_dma_segment_t p_seg;
	uint8_t		*p_kva;
	bus_dmamap_t	p_map;
	int		(*p_transfer)(bus_addr_t, bus_size_t, unsigned, bool);
};

static bool
unchanged(const struct poke *p)
{
	unsigned i;

	for (i = 0; i < SIZE; i++)
		if (p->p_kva[i] != PATTERN)
			return (false);
	return (true);
}

/*
 * Have the device write to addr.  => 0: it was refused.
 */
static int
try(const struct poke *p, const char *what, bus_addr_t addr)
{
	uint64_t before, after;
	int error;

	(void)bus_dma_faults(p->p_tag, &before);
	if ((error = p->p_transfer(addr, LENGTH, 0, true)) != 0)
		return (error);
	(void)bus_dma_faults(p->p_tag, &after);
	if (after != before && unchanged(p))
		return (0);
	printf("edu0: poke %s, at 0x%jx: %s, memory is %s\n", what,
	    (uintmax_t)addr, after == before ? "not refused" : "refused",
	    unchanged(p) ? "as before" : "overwritten");
	return (EIO);
}

/*
 * The first page is loaded; go beyond it, and then to where it was.
 */
static int
try_all(const struct poke *p)
{
	bus_addr_t addr = p->p_map->dm_segs[0].ds_addr;
	int error;

	error = try(p, "behind the map", addr + VM_PAGE_SIZE);
	bus_dmamap_unload(p->p_tag, p->p_map);
	if (error == 0)
		error = try(p, "where nothing is loaded any more", addr);
	if (error == 0)
		error = try(p, "at the physical address", p->p_seg.ds_addr);
	if (error == 0)
		printf("edu0: poke at 0x%jx, 0x%jx, 0x%jx: refused, memory "
		    "is as before\n", (uintmax_t)addr + VM_PAGE_SIZE,
		    (uintmax_t)addr, (uintmax_t)p->p_seg.ds_addr);
	return (error);
}

static int
with_map(struct poke *p)
{
	int error;

	error = bus_dmamap_create(p->p_tag, VM_PAGE_SIZE, 1, VM_PAGE_SIZE, 0,
	    BUS_DMA_NOWAIT, &p->p_map);
	if (error != 0)
		return (error);
	memset(p->p_kva, PATTERN, SIZE);
	error = bus_dmamap_load_raw(p->p_tag, p->p_map, &p->p_seg, 1,
	    VM_PAGE_SIZE, BUS_DMA_NOWAIT);
	if (error == 0)
		error = try_all(p);
	bus_dmamap_destroy(p->p_tag, p->p_map);
	return (error);
}

static int
with_memory(struct poke *p)
{
	void *kva;
	int error, nsegs;

	if ((error = bus_dmamem_alloc(p->p_tag, SIZE, VM_PAGE_SIZE, 0,
	    &p->p_seg, 1, &nsegs, BUS_DMA_NOWAIT)) != 0)
		return (error);
	error = bus_dmamem_map(p->p_tag, &p->p_seg, 1, SIZE, &kva,
	    BUS_DMA_NOWAIT);
	if (error == 0) {
		p->p_kva = kva;
		error = with_map(p);
		bus_dmamem_unmap(p->p_tag, kva, SIZE);
	}
	bus_dmamem_free(p->p_tag, &p->p_seg, 1);
	return (error);
}

int
edu_poke(bus_dma_tag_t tag, int (*transfer)(bus_addr_t, bus_size_t, unsigned,
    bool))
{
	struct poke p = { .p_tag = tag, .p_transfer = transfer };
	uint64_t n;
	int error;

	if (!bus_dma_faults(tag, &n)) {
		printf("edu0: iommu.poke: there is no I/O MMU, nothing is "
		    "tried\n");
		return (EIO);
	}
	if ((error = with_memory(&p)) != 0)
		printf("edu0: iommu.poke: %s\n", errno_name(error));
	return (error);
}
