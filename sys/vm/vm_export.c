/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What extstat(8) reads.
 *
 * The segments and spans are copied into arrays of the exported form, so that
 * the structures inside sys/vm may change without a reader noticing.  They
 * change when memory comes or goes, and the copy takes 0.1 us, with 129
 * segments 0.35 us.  Names and counters are exported where they are: the
 * counters of 64 CPUs are 1.1 MB, which take 25 us to copy, and change with
 * each page, in 10 ns.  What others hand out is theirs to tell, under their own
 * locks, so they are asked when somebody wants to know: 0.03 us for each order
 * pool (measured on the machine of the bench).  The magic is there from the
 * start: a reader that comes before the allocator is up finds zero segments.
 */

#include <vm/vm_counter_var.h>
#include <vm/vm_export.h>
#include <vm/vm_extmap.h>
#include <vm/vm_owner.h>
#include <vm/vm_owner_var.h>
#include <vm/vm_pageq.h>
#include <vm/vm_physseg_var.h>
#include <vm/vm_sync.h>

static struct vm_export_seg export_segs[VM_PHYSSEG_MAX];
static struct vm_export_span export_spans[VM_EXTMAP_SPANS];
static struct vm_export_name export_lists[VM_NFREELIST];
static struct vm_export_space export_spaces[VM_EXPORT_SPACES];
static struct vm_export_source *sources;

struct vm_export vm_export = {
	.ve_magic = { 'E', 'X', 'T', 'A', 'N', 'T', 'v', 'm' },
	.ve_byteorder = VM_EXPORT_BYTEORDER,
	.ve_version = VM_EXPORT_VERSION,
	.ve_size = sizeof(struct vm_export),
	.ve_page_shift = PAGE_SHIFT,
};

_Static_assert(VM_EXPORT_BLOCK == VM_EXTBLOCK_FRAMES, "VM_EXPORT_BLOCK");
_Static_assert(sizeof(VM_EXPORT_MAGIC) - 1 == sizeof(vm_export.ve_magic),
    "the magic fills its field");

static void
array_set(struct vm_export_array *vea, const void *base, unsigned count,
    size_t size)
{

	vea->vea_paddr = vm_md_vtophys(base);
	vea->vea_count = count;
	vea->vea_size = (uint32_t)size;
}

static unsigned
segs_export(void)
{
	const struct vm_physseg *seg;
	unsigned i, n;

	seg = vm_physseg_table(&n);
	for (i = 0; i < n; i++) {
		export_segs[i].ves_start = seg[i].vs_start;
		export_segs[i].ves_end = seg[i].vs_end;
		export_segs[i].ves_list = seg[i].vs_list;
		export_segs[i].ves_slot = vm_physseg_slot(&seg[i]);
	}
	return (n);
}

static unsigned
spans_export(void)
{
	const struct vm_extspan *xs;
	unsigned i;

	for (i = 0; i < vm_map.xm_nspans; i++) {
		xs = &vm_map.xm_span[i];
		export_spans[i].vep_first = xs->xs_first;
		export_spans[i].vep_nframes = xs->xs_nframes;
		export_spans[i].vep_states = vm_md_vtophys(xs->xs_word);
		export_spans[i].vep_owners = xs->xs_owner == NULL ? 0 :
		    vm_md_vtophys(xs->xs_owner);
		export_spans[i].vep_virgin = vm_md_vtophys(xs->xs_virgin);
	}
	return (i);
}

static void
lists_export(void)
{
	const char *name;
	unsigned i;

	for (i = 0; i < VM_NFREELIST; i++) {
		name = vm_freelist_name((enum vm_freelist)i);
		memcpy(export_lists[i].ven_name, name, strlen(name));
	}
}

void
vm_export_update(void)
{

	array_set(&vm_export.ve_segs, export_segs, segs_export(),
	    sizeof(export_segs[0]));
	array_set(&vm_export.ve_spans, export_spans, spans_export(),
	    sizeof(export_spans[0]));
	lists_export();
	array_set(&vm_export.ve_lists, export_lists, VM_NFREELIST,
	    sizeof(export_lists[0]));
	array_set(&vm_export.ve_owners, vm_owner_names, VM_OWNER_MAX,
	    sizeof(struct vm_export_name));
	array_set(&vm_export.ve_counter_names, vm_counter_names, VM_NCOUNTER,
	    sizeof(struct vm_export_name));
	array_set(&vm_export.ve_counters, &vm_cpuqs[0].cq_counters, VM_CPUQS,
	    sizeof(vm_cpuqs[0]));
	array_set(&vm_export.ve_seg_counters, vm_segcounters,
	    VM_CPUQS * VM_PHYSSEG_MAX, sizeof(struct vm_counterset));
	vm_export.ve_seg_slots = VM_PHYSSEG_MAX;
}

void
vm_export_source(struct vm_export_source *source)
{
	struct vm_export_source **sp;

	for (sp = &sources; *sp != NULL; sp = &(*sp)->vx_next) {
		if (*sp == source)
			return;
	}
	source->vx_next = NULL;
	*sp = source;
}

/*
 * source_export: what one source has, behind the first n.
 * => the number of spaces then.
 */
static unsigned
source_export(const struct vm_export_source *source, unsigned n)
{
	struct vm_export_space space;
	unsigned i;

	for (i = 0; memset(&space, 0, sizeof(space)),
	    source->vx_get(i, &space); i++) {
		space.vxs_name[sizeof(space.vxs_name) - 1] = '\0';
		if (n < VM_EXPORT_SPACES)
			export_spaces[n++] = space;
		else
			vm_export.ve_spaces_left++;
	}
	return (n);
}

unsigned
vm_export_refresh(void)
{
	const struct vm_export_source *source;
	unsigned n = 0;

	/* Nothing is there until all is. */
	vm_export.ve_spaces.vea_count = 0;
	atomic_signal_fence(memory_order_seq_cst);
	vm_export.ve_spaces_left = 0;
	for (source = sources; source != NULL; source = source->vx_next)
		n = source_export(source, n);
	vm_export.ve_refreshed++;
	atomic_signal_fence(memory_order_seq_cst);
	array_set(&vm_export.ve_spaces, export_spaces, n,
	    sizeof(export_spaces[0]));
	return (n);
}
