/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tags of bus_dma(9): which there are, and what they reach.
 *
 * All tags stand in a list, for one reason: callers hand them back to us long
 * after, and one that is gone can be told from one that is not only by looking
 * for it, not into it.  There are a few for each device.
 *
 * A tag lives as long as its maps do.  A child takes over its parent's window
 * when it is made, and needs it no more.
 */

#include <sys/iommu.h>
#include <sys/kmem.h>

#include "subr_bus_dma_var.h"

static struct vm_md_lock bus_dma_lock;	/* the following */
static struct bus_dma_tag *all_tags;
static unsigned bus_dma_ntags;
static unsigned bus_dma_nmaps;

static _Atomic bool checking = true;

static vm_md_intr_t
lock(void)
{
	vm_md_intr_t s = vm_md_intr_disable();

	vm_md_lock(&bus_dma_lock);
	return (s);
}

static void
unlock(vm_md_intr_t s)
{

	vm_md_unlock(&bus_dma_lock);
	vm_md_intr_restore(s);
}

vm_md_intr_t
dma_tag_lock(struct bus_dma_tag *tag)
{
	vm_md_intr_t s = vm_md_intr_disable();

	vm_md_lock(&tag->dt_lock);
	return (s);
}

void
dma_tag_unlock(struct bus_dma_tag *tag, vm_md_intr_t s)
{

	vm_md_unlock(&tag->dt_lock);
	vm_md_intr_restore(s);
}

bool
dma_in_window(const struct bus_dma_tag *tag, bus_addr_t addr, bus_size_t len)
{

	if (addr < tag->dt_low || len - 1 > UINT64_MAX - addr)
		return (false);
	return (tag->dt_high == VM_PADDR_MAX ||
	    addr + (len - 1) < tag->dt_high);
}

/*
 * Where a tag's link is.  => lock held; NULL: it is no tag.
 */
static struct bus_dma_tag **
tag_link(const struct bus_dma_tag *tag)
{
	struct bus_dma_tag **linkp;

	for (linkp = &all_tags; *linkp != NULL; linkp = &(*linkp)->dt_next)
		if (*linkp == tag)
			return (linkp);
	return (NULL);
}

bool
dma_tag_known(const struct bus_dma_tag *tag)
{
	vm_md_intr_t s = lock();
	bool known = tag_link(tag) != NULL;

	unlock(s);
	return (known);
}

static void
tag_insert(struct bus_dma_tag *tag)
{
	vm_md_intr_t s = lock();

	tag->dt_next = all_tags;
	all_tags = tag;
	bus_dma_ntags++;
	unlock(s);
}

/*
 * One use of a tag less.  => lock held; is it to be freed?
 */
static bool
tag_drop(struct bus_dma_tag *tag)
{

	if (--tag->dt_refs > 0)
		return (false);
	*tag_link(tag) = tag->dt_next;
	bus_dma_ntags--;
	return (true);
}

static void
tag_free(struct bus_dma_tag *tag)
{

	dma_pool_free(tag);
	kmem_free(tag, sizeof(*tag));
}

void
dma_tag_hold(struct bus_dma_tag *tag)
{
	vm_md_intr_t s = lock();

	tag->dt_refs++;
	bus_dma_nmaps++;
	unlock(s);
}

void
dma_tag_release(struct bus_dma_tag *tag)
{
	vm_md_intr_t s = lock();
	bool last;

	bus_dma_nmaps--;
	last = tag_drop(tag);
	unlock(s);
	if (last)
		tag_free(tag);
}

static void
set_name(struct bus_dma_tag *tag, const char *name)
{
	size_t len = strlen(name);

	if (len > sizeof(tag->dt_name) - 1)
		len = sizeof(tag->dt_name) - 1;
	memcpy(tag->dt_name, name, len);
	tag->dt_name[len] = '\0';
	tag->dt_owner = vm_owner_register(tag->dt_name);
}

int
bus_dmatag_create(bus_dma_tag_t parent, const char *name, bus_addr_t min_addr,
    bus_addr_t max_addr, bus_dma_tag_t *newtag, int flags)
{
	struct bus_dma_tag *tag;
	paddr_t low = min_addr, high;

	if (name == NULL || name[0] == '\0' || min_addr > max_addr ||
	    !dma_flags_valid(flags))
		return (EINVAL);
	high = max_addr == BUS_ADDR_MAX ? VM_PADDR_MAX : max_addr + 1;
	if (parent != NULL) {
		if (low < parent->dt_low)
			low = parent->dt_low;
		if (high > parent->dt_high)	/* VM_PADDR_MAX is largest */
			high = parent->dt_high;
	}
	if (low >= high)
		return (EINVAL);
	if ((tag = kmem_zalloc(sizeof(*tag), KM_NOSLEEP)) == NULL)
		return (ENOMEM);
	set_name(tag, name);
	tag->dt_refs = 1;
	tag->dt_low = low;
	tag->dt_high = high;
	tag->dt_align = parent != NULL ? parent->dt_align : 1;
	tag->dt_iommu = parent != NULL ? parent->dt_iommu : NULL;
	tag->dt_checked = (flags & BUS_DMA_CHECKED) != 0 ||
	    (parent != NULL ? parent->dt_checked : checking);
	tag_insert(tag);
	*newtag = tag;
	return (0);
}

int
bus_dmatag_subregion(bus_dma_tag_t tag, bus_addr_t min_addr,
    bus_addr_t max_addr, bus_dma_tag_t *newtag, int flags)
{

	return (bus_dmatag_create(tag, tag->dt_name, min_addr, max_addr,
	    newtag, flags));
}

int
bus_dmatag_align(bus_dma_tag_t tag, bus_size_t alignment)
{
	vm_md_intr_t s;
	int error = 0;

	if (!dma_power_of_two(alignment) || alignment > VM_PAGE_SIZE ||
	    alignment < tag->dt_align)
		return (EINVAL);
	s = dma_tag_lock(tag);
	if (tag->dt_maps != NULL)
		error = EBUSY;
	else
		tag->dt_align = alignment;
	dma_tag_unlock(tag, s);
	return (error);
}

/*
 * Who destroys a tag first may still look into it: the name is his until he
 * has dropped his use of it.
 */
static bool
tag_end(struct bus_dma_tag *tag)
{
	vm_md_intr_t s = lock();
	bool ours = tag_link(tag) != NULL && !tag->dt_destroyed;

	if (ours)
		tag->dt_destroyed = true;
	unlock(s);
	return (ours);
}

void
bus_dmatag_destroy(bus_dma_tag_t tag)
{
	vm_md_intr_t s;
	bool last;

	if (!tag_end(tag)) {
		vm_md_printf("bus_dma: %p: not a tag to destroy\n",
		    (void *)tag);
		return;
	}
	dma_check_end(tag);
	s = lock();
	last = tag_drop(tag);
	unlock(s);
	if (last)
		tag_free(tag);
}

bool
bus_dma_checking(bool on)
{

	return (atomic_exchange(&checking, on));
}

void
bus_dma_counts(bus_dma_tag_t tag, struct bus_dma_counts *counts)
{

	*counts = (struct bus_dma_counts){
		.dc_loads = tag->dt_loads,
		.dc_bounced = tag->dt_bounced,
		.dc_segs = tag->dt_segs,
		.dc_bytes = tag->dt_bytes,
		.dc_copied = tag->dt_copied,
		.dc_pool = dma_pool_size(tag),
		.dc_reports = tag->dt_reports,
	};
}

bool
bus_dma_nearest(const struct iommu *im, bus_addr_t addr,
    struct bus_dma_near *near)
{
	vm_md_intr_t s = lock();
	struct bus_dma_tag *tag;

	*near = (struct bus_dma_near){ .bn_name = "" };
	/* The newest first: it is a driver's, and its parent only a bus's. */
	for (tag = all_tags; tag != NULL; tag = tag->dt_next) {
		if (tag->dt_iommu != im)
			continue;
		vm_md_lock(&tag->dt_lock);
		dma_nearest(tag, addr, near);
		vm_md_unlock(&tag->dt_lock);
	}
	unlock(s);
	return (near->bn_seg.ds_len != 0);
}

void
bus_dma_usage(unsigned *tags, unsigned *maps)
{
	vm_md_intr_t s = lock();

	*tags = bus_dma_ntags;
	*maps = bus_dma_nmaps;
	unlock(s);
}
