/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Mappings of single pages: <sys/kpmap.h>.
 *
 * The range is one entry of the topmost table, which all CPUs share, so what
 * is entered here is there for all of them.  Tables below come and go with
 * what they map; ptpage.c counts their entries in use.
 *
 * Removing goes in four steps: the entries are cleared, with those of tables
 * that became empty; then all CPUs forget; then the tables are given back; and
 * the caller, once told so, gives back the pages.  A CPU walks tables by
 * itself, ahead of what the program does, so an empty table may still be read
 * until all have forgotten: it must stay a table for so long.
 */

#include <sys/kpmap.h>
#include <sys/systm.h>

#include <machine/pmap.h>
#include <machine/pte.h>
#include <machine/ptpage.h>
#include <machine/tlb.h>

#define	NPTE		512
#define	LEVELS		4
#define	LEVEL_SHIFT(l)	(PAGE_SHIFT + 9 * ((l) - 1))	/* 1 maps pages */
#define	LEVEL_SIZE(l)	(1ULL << LEVEL_SHIFT(l))
#define	PT_INDEX(va, l)	((va) >> LEVEL_SHIFT(l) & (NPTE - 1))

_Static_assert(PMAP_KM % LEVEL_SIZE(LEVELS) == 0 &&
    PMAP_KM_SIZE == LEVEL_SIZE(LEVELS), "one entry of the topmost table");

/* In locore.S. */
extern uint64_t pmap_l4[NPTE];

static struct vm_md_lock km_lock;	/* the tables of the range */

static vm_md_intr_t
lock(void)
{
	vm_md_intr_t s = vm_md_intr_disable();

	vm_md_lock(&km_lock);
	return (s);
}

static void
unlock(vm_md_intr_t s)
{

	vm_md_unlock(&km_lock);
	vm_md_intr_restore(s);
}

static bool
range_holds(vaddr_t va, vsize_t size)
{

	return (va >= PMAP_KM && va - PMAP_KM <= PMAP_KM_SIZE &&
	    size <= PMAP_KM_SIZE - (va - PMAP_KM));
}

void
pmap_krange(vaddr_t *startp, vaddr_t *endp)
{

	*startp = PMAP_KM;
	*endp = PMAP_KM + PMAP_KM_SIZE;
}

/*
 * A walk: the entries for an address, from the topmost table down as far as
 * there are tables.  e_entry[l] lies in a table of level l.
 */
struct entries {
	uint64_t	*e_entry[LEVELS + 1];
	unsigned	e_level;	/* the lowest that is there */
};

static void
entries_find(struct entries *e, vaddr_t va)
{
	uint64_t *table = pmap_l4;
	unsigned l = LEVELS;

	for (;;) {
		e->e_entry[l] = &table[PT_INDEX(va, l)];
		e->e_level = l;
		if (l == 1 || (*e->e_entry[l] & PTE_P) == 0)
			return;
		table = pmap_phystov(*e->e_entry[l] & PTE_FRAME);
		l--;
	}
}

static paddr_t
table_of(const uint64_t *entry)
{

	return (pmap_vtophys(entry) & ~((paddr_t)VM_PAGE_SIZE - 1));
}

/*
 * Entering.
 */

/* So many tables, each for one entry; none if there are not so many. */
static bool
tables_alloc(paddr_t *tables, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		tables[i] = ptpage_alloc();
		if (tables[i] == VM_PADDR_NONE)
			break;
	}
	if (i == n)
		return (true);
	while (i-- > 0)
		(void)ptpage_put(tables[i]);
	ptpage_trim();
	return (false);
}

static int
enter(vaddr_t va, uint64_t pte)
{
	paddr_t tables[LEVELS];
	struct entries e;
	uint64_t *table;
	unsigned l;

	entries_find(&e, va);
	l = e.e_level;
	if ((*e.e_entry[l] & PTE_P) != 0)
		return (EEXIST);
	if (!tables_alloc(tables, l - 1))
		return (ENOMEM);
	if (l < LEVELS)
		ptpage_get(table_of(e.e_entry[l]));

	/* From below, so that what is there is complete at any time. */
	for (l = 1; l < e.e_level; l++) {
		table = pmap_phystov(tables[l - 1]);
		table[PT_INDEX(va, l)] = pte;
		pte = tables[l - 1] | PTE_P | PTE_W;
	}
	*(volatile uint64_t *)e.e_entry[l] = pte;
	return (0);
}

static uint64_t
pte_of(paddr_t pa, unsigned prot)
{
	uint64_t pte = pa | PTE_P | PTE_A | PTE_D;

	if ((prot & PMAP_KWRITE) != 0)
		pte |= PTE_W;
	if ((prot & PMAP_KEXEC) == 0)
		pte |= PTE_NX;
	if ((prot & PMAP_KUNCACHED) != 0)
		pte |= PTE_PCD | PTE_PWT;
	return (pte);
}

int
pmap_kenter(vaddr_t va, paddr_t pa, unsigned prot)
{
	vm_md_intr_t s;
	int error;

	if (((va | pa) & (VM_PAGE_SIZE - 1)) != 0 ||
	    !range_holds(va, VM_PAGE_SIZE) || pa >> VM_PADDR_BITS != 0 ||
	    (prot & ~PMAP_KALL) != 0)
		return (EINVAL);
	s = lock();
	error = enter(va, pte_of(pa, prot));
	unlock(s);
	return (error);
}

/*
 * Removing.
 */

struct removed {
	bool	r_pages;	/* mapped pages were unmapped */
	bool	r_tables;	/* and tables became empty */
};

/* Clear the entry of a page, and those of tables that are empty then. */
static void
clear(struct entries *e, struct removed *r)
{
	unsigned l = 1;

	*(volatile uint64_t *)e->e_entry[1] = 0;
	r->r_pages = true;
	while (l < LEVELS && ptpage_put(table_of(e->e_entry[l]))) {
		l++;
		*(volatile uint64_t *)e->e_entry[l] = 0;
		r->r_tables = true;
	}
}

static void
remove(vaddr_t va, vsize_t size, struct removed *r)
{
	vaddr_t end = va + size;
	struct entries e;
	uint64_t step;

	while (va < end) {
		entries_find(&e, va);
		if ((*e.e_entry[e.e_level] & PTE_P) != 0)
			clear(&e, r);
		step = LEVEL_SIZE(e.e_level);
		va = (va & ~(step - 1)) + step;
	}
}

int
pmap_kremove(vaddr_t va, vsize_t size)
{
	struct removed r = { false, false };
	vm_md_intr_t s;

	if (((va | size) & (VM_PAGE_SIZE - 1)) != 0 || !range_holds(va, size))
		return (EINVAL);
	s = lock();
	remove(va, size, &r);
	if (r.r_tables)
		tlb_invalidate_all();
	else if (r.r_pages)
		tlb_invalidate(va, size);
	if (r.r_tables)
		ptpage_trim();
	unlock(s);
	return (0);
}

bool
pmap_kextract(vaddr_t va, paddr_t *pap)
{
	struct entries e;
	vm_md_intr_t s;
	bool mapped;

	if (!range_holds(va, 1))
		return (false);
	s = lock();
	entries_find(&e, va);
	mapped = (*e.e_entry[e.e_level] & PTE_P) != 0;
	if (mapped)
		*pap = (*e.e_entry[1] & PTE_FRAME) +
		    (va & (VM_PAGE_SIZE - 1));
	unlock(s);
	return (mapped);
}
