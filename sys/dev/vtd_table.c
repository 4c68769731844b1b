/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Second-level page tables.
 *
 * An entry is one atomic store, and a table is all zeros before anything leads
 * to it: hardware that looks at the same time finds what was or what is.
 */

#include <vm/vm_page.h>

#include <dev/vtd_table.h>

#define	LEVEL_BITS	9		/* 512 entries of 8 bytes */
#define	ENTRIES		((unsigned)1 << LEVEL_BITS)
#define	PROT		(VTD_READ | VTD_WRITE)

/* [VTD] section 9.8, table 40 and following: bits 51 to 12. */
#define	ADDRESS		UINT64_C(0x000ffffffffff000)

typedef _Atomic uint64_t vtd_entry_t;

static vtd_entry_t *
entries(paddr_t table)
{

	return (vm_md_phystov(table, VM_PAGE_SIZE));
}

static uint64_t
load(const vtd_entry_t *e)
{

	return (atomic_load_explicit(e, memory_order_relaxed));
}

static void
store(const struct vtd_table *vt, vtd_entry_t *e, uint64_t v)
{

	atomic_store_explicit(e, v, memory_order_release);
	if (vt->vt_flush != NULL)
		vt->vt_flush((const void *)(uintptr_t)e, sizeof(*e));
}

static unsigned
entry_index(uint64_t addr, unsigned level)
{

	return ((unsigned)(addr >> (PAGE_SHIFT + level * LEVEL_BITS)) &
	    (ENTRIES - 1));
}

static bool
addressable(const struct vtd_table *vt, uint64_t addr)
{

	return (addr >> (PAGE_SHIFT + vt->vt_levels * LEVEL_BITS) == 0);
}

static paddr_t
table_alloc(struct vtd_table *vt)
{
	paddr_t pa = vm_page_alloc(VM_PG_ZERO, vt->vt_owner);

	if (pa == VM_PADDR_NONE)
		return (pa);
	if (entries(pa) == NULL) {
		(void)vm_page_free(pa);
		return (VM_PADDR_NONE);
	}
	vt->vt_tables++;
	if (vt->vt_flush != NULL)
		vt->vt_flush((const void *)(uintptr_t)entries(pa),
		    VM_PAGE_SIZE);
	return (pa);
}

static void
table_free(struct vtd_table *vt, paddr_t table, unsigned level)
{
	unsigned i;
	uint64_t v;

	for (i = 0; level > 0 && i < ENTRIES; i++)
		if ((v = load(&entries(table)[i])) != 0)
			table_free(vt, v & ADDRESS, level - 1);
	(void)vm_page_free(table);
	vt->vt_tables--;
}

int
vtd_table_init(struct vtd_table *vt, unsigned levels, vm_owner_t owner,
    void (*flush)(const void *, size_t))
{

	*vt = (struct vtd_table){ VM_PADDR_NONE, levels, owner, flush, 0, 0 };
	if (levels < 2 || levels > 5)
		return (EINVAL);
	vt->vt_root = table_alloc(vt);
	return (vt->vt_root == VM_PADDR_NONE ? ENOMEM : 0);
}

void
vtd_table_fini(struct vtd_table *vt)
{

	table_free(vt, vt->vt_root, vt->vt_levels - 1);
	vt->vt_root = VM_PADDR_NONE;
	vt->vt_pages = 0;
}

/*
 * The last entry for an address.  => NULL: there is no table for it.
 */
static vtd_entry_t *
find(const struct vtd_table *vt, uint64_t addr)
{
	unsigned level = vt->vt_levels - 1;
	paddr_t table = vt->vt_root;
	uint64_t v;

	if (!addressable(vt, addr))
		return (NULL);
	for (; level > 0; level--) {
		v = load(&entries(table)[entry_index(addr, level)]);
		if (v == 0)
			return (NULL);
		table = v & ADDRESS;
	}
	return (&entries(table)[entry_index(addr, 0)]);
}

/*
 * The same, with a table made where there is none.  => NULL: no memory.
 */
static vtd_entry_t *
find_or_make(struct vtd_table *vt, uint64_t addr)
{
	unsigned level = vt->vt_levels - 1;
	paddr_t table = vt->vt_root, below;
	vtd_entry_t *e;

	for (; level > 0; level--) {
		e = &entries(table)[entry_index(addr, level)];
		if (load(e) == 0) {
			if ((below = table_alloc(vt)) == VM_PADDR_NONE)
				return (NULL);
			/* What a page may be used for, its entry says. */
			store(vt, e, below | PROT);
		}
		table = load(e) & ADDRESS;
	}
	return (&entries(table)[entry_index(addr, 0)]);
}

int
vtd_table_prepare(struct vtd_table *vt, uint64_t addr, uint64_t size)
{
	const uint64_t each = (uint64_t)VM_PAGE_SIZE << LEVEL_BITS;
	uint64_t last = addr + (size - 1);

	if (size == 0 || last < addr || !addressable(vt, last))
		return (EINVAL);
	for (addr -= addr % each; addr <= last; addr += each)
		if (find_or_make(vt, addr) == NULL)
			return (ENOMEM);
	return (0);
}

int
vtd_table_enter(struct vtd_table *vt, uint64_t addr, paddr_t pa, unsigned prot)
{
	vtd_entry_t *e;

	if ((addr & (VM_PAGE_SIZE - 1)) != 0 || (pa & ~ADDRESS) != 0 ||
	    !addressable(vt, addr) || prot == 0 || (prot & ~PROT) != 0)
		return (EINVAL);
	if ((e = find_or_make(vt, addr)) == NULL)
		return (ENOMEM);
	if (load(e) != 0)
		return (EEXIST);
	store(vt, e, pa | prot);
	vt->vt_pages++;
	return (0);
}

bool
vtd_table_remove(struct vtd_table *vt, uint64_t addr)
{
	vtd_entry_t *e = find(vt, addr);

	if (e == NULL || load(e) == 0)
		return (false);
	store(vt, e, 0);
	vt->vt_pages--;
	return (true);
}

bool
vtd_table_extract(const struct vtd_table *vt, uint64_t addr, paddr_t *pa,
    unsigned *prot)
{
	const vtd_entry_t *e = find(vt, addr);
	uint64_t v;

	if (e == NULL || (v = load(e)) == 0)
		return (false);
	*pa = (v & ADDRESS) + (addr & (VM_PAGE_SIZE - 1));
	*prot = (unsigned)v & PROT;
	return (true);
}
