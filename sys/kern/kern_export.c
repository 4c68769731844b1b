/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The sources of vm_export(9): each counts through what its allocator knows of
 * by name.  The allocators know nothing of it.
 */

#include <sys/extent.h>
#include <sys/kexport.h>
#include <sys/kmem.h>

#include <vm/vm_buddy.h>
#include <vm/vm_export.h>
#include <vm/vm_pool.h>

static void
name_set(struct vm_export_space *vxs, const char *name)
{
	size_t len = strlen(name);

	if (len > sizeof(vxs->vxs_name) - 1)
		len = sizeof(vxs->vxs_name) - 1;
	memcpy(vxs->vxs_name, name, len);
}

/*
 * Extent maps.
 */
struct nth {
	unsigned	n_left;
	struct vm_export_space *n_space;
	bool		n_found;
};

static bool
extent_visit(struct extent *ex, void *arg)
{
	struct nth *n = arg;
	struct vm_export_space *vxs = n->n_space;
	struct extent_info ei;

	if (n->n_left-- > 0)
		return (true);
	extent_info(ex, &ei);
	name_set(vxs, ei.ei_name);
	vxs->vxs_kind = VM_EXPORT_EXTENT;
	vxs->vxs_start = ei.ei_start;
	vxs->vxs_end = ei.ei_end;
	vxs->vxs_size = ei.ei_end - ei.ei_start + 1;
	vxs->vxs_used = ei.ei_allocated;
	vxs->vxs_free = vxs->vxs_size - ei.ei_allocated;
	vxs->vxs_largest = ei.ei_maxgap;
	vxs->vxs_pieces = ei.ei_nregions;
	n->n_found = true;
	return (false);
}

static bool
extent_get(unsigned i, struct vm_export_space *vxs)
{
	struct nth n = { i, vxs, false };

	extent_foreach(extent_visit, &n);
	return (n.n_found);
}

/*
 * Order pools.
 */
static bool
buddy_visit(struct vm_buddy *vb, void *arg)
{
	struct nth *n = arg;
	struct vm_export_space *vxs = n->n_space;
	struct vm_buddystat bs;
	unsigned i;

	if (n->n_left-- > 0)
		return (true);
	vm_buddy_stat(vb, &bs);
	name_set(vxs, bs.bs_name);
	vxs->vxs_kind = VM_EXPORT_BUDDY;
	vxs->vxs_start = bs.bs_start;
	vxs->vxs_end = bs.bs_start + bs.bs_size - 1;
	vxs->vxs_size = bs.bs_size;
	vxs->vxs_free = bs.bs_free;
	vxs->vxs_used = bs.bs_size - bs.bs_free;
	for (i = 0; i < bs.bs_norder; i++) {
		vxs->vxs_pieces += bs.bs_nused[i];
		if (bs.bs_nfree[i] > 0)
			vxs->vxs_largest = VM_PAGE_SIZE << i;
	}
	n->n_found = true;
	return (false);
}

static bool
buddy_get(unsigned i, struct vm_export_space *vxs)
{
	struct nth n = { i, vxs, false };

	vm_buddy_each(buddy_visit, &n);
	return (n.n_found);
}

/*
 * Pools.
 */
static void
pool_pieces(const struct vm_pool *vp, struct vm_export_space *vxs)
{
	struct vm_poolextent e;
	paddr_t from = 0;

	for (; vm_pool_walk(vp, from, &e); from = e.vpe_start + e.vpe_size) {
		if (e.vpe_state == VM_FRAME_FREE) {
			if (e.vpe_size > vxs->vxs_largest)
				vxs->vxs_largest = e.vpe_size;
		} else
			vxs->vxs_pieces++;
	}
}

static bool
pool_visit(struct vm_pool *vp, void *arg)
{
	struct nth *n = arg;
	struct vm_export_space *vxs = n->n_space;
	struct vm_poolarea area;
	unsigned i;

	if (n->n_left-- > 0)
		return (true);
	name_set(vxs, vp->vp_name);
	vxs->vxs_kind = VM_EXPORT_POOL;
	for (i = 0; vm_pool_chunk(vp, i, &area); i++) {
		if (i == 0)
			vxs->vxs_start = area.vpa_start;
		vxs->vxs_end = area.vpa_start + area.vpa_size - 1;
		vxs->vxs_size += area.vpa_size;
		vxs->vxs_free += area.vpa_avail;
	}
	vxs->vxs_used = vxs->vxs_size - vxs->vxs_free;
	pool_pieces(vp, vxs);
	n->n_found = true;
	return (false);
}

static bool
pool_get(unsigned i, struct vm_export_space *vxs)
{
	struct nth n = { i, vxs, false };

	vm_pool_each(pool_visit, &n);
	return (n.n_found);
}

/*
 * Sizes of kmem(9).
 */
static bool
kmem_get(unsigned i, struct vm_export_space *vxs)
{
	struct kmem_info ki;

	if (!kmem_info(i, &ki))
		return (false);
	if (ki.ki_size == 0)
		name_set(vxs, "kmem pages");
	else
		(void)vm_md_snprintf(vxs->vxs_name, sizeof(vxs->vxs_name),
		    "kmem %zu", ki.ki_size);
	vxs->vxs_kind = VM_EXPORT_KMEM;
	vxs->vxs_size = ki.ki_pages << PAGE_SHIFT;
	vxs->vxs_used = ki.ki_size == 0 ? vxs->vxs_size :
	    ki.ki_used * ki.ki_size;
	vxs->vxs_free = (ki.ki_objects - ki.ki_used) * ki.ki_size;
	vxs->vxs_largest = ki.ki_objects > ki.ki_used ? ki.ki_size : 0;
	vxs->vxs_pieces = ki.ki_used;
	return (true);
}

void
kexport_init(void)
{
	static struct vm_export_source all[] = {
		{ .vx_get = pool_get }, { .vx_get = buddy_get },
		{ .vx_get = extent_get }, { .vx_get = kmem_get }
	};
	unsigned i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		vm_export_source(&all[i]);
}
