/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Mappings that stay: the kernel's own protection, the direct map above 4 GiB,
 * and device registers.  Those that come and go are in pmap_kenter.c.
 *
 * locore.S made tables that boot: the first 4 GiB, and the kernel by 2-MiB
 * pages that allow everything.  Here the kernel gets 4-KiB pages with text
 * read-only and all else not executable, and the direct map grows over the
 * memory that the firmware told of.
 *
 * The direct map uses 2-MiB pages and rounds outward to them: a piece of a
 * hole beside memory may be mapped too, and what it maps as cached there is
 * up to the memory type registers, which say uncached.  Its tables are carved
 * in one piece from the early allocator, below 4 GiB, where the map already
 * reaches.  It also maps the kernel's text, writable: the price of 2-MiB
 * pages.
 *
 * Device mappings are made from a small window of 4-KiB pages and never
 * undone: a driver maps its registers once.
 */

#include <sys/kpmap.h>
#include <sys/systm.h>

#include <machine/cpufunc.h>
#include <machine/pmap.h>
#include <machine/pte.h>

#include <vm/vm_bootstrap.h>

#define	NPTE		512
#define	L4_SHIFT	39
#define	L3_SHIFT	30
#define	L2_SHIFT	21
#define	L1_SHIFT	12
#define	PT_INDEX(va, shift)	((va) >> (shift) & (NPTE - 1))

#define	PAGE_SIZE	((uint64_t)VM_PAGE_SIZE)

#define	NKERNEL_L1	4	/* 8 MiB of kernel; locore.S, kernel.ldscript */
#define	NDEVICE_L1	2	/* 4 MiB of device mappings */

/* In locore.S and kernel.ldscript. */
extern uint64_t pmap_l4[NPTE];
extern uint64_t pmap_direct_l3[NPTE];
extern uint64_t pmap_kernel_l3[NPTE];
extern uint64_t pmap_kernel_l2[NPTE];
extern const char kernel_start[], kernel_rodata[], kernel_data[], kernel_end[];

static uint64_t kernel_l1[NKERNEL_L1 * NPTE] __attribute__((aligned(4096)));
static uint64_t device_l2[NPTE] __attribute__((aligned(4096)));
static uint64_t device_l1[NDEVICE_L1 * NPTE] __attribute__((aligned(4096)));
static unsigned device_used;		/* pages of the window */

/* Table pages for the direct map that are carved but not in use yet. */
static paddr_t table_next;
static uint64_t table_left;

paddr_t
pmap_vtophys(const void *va)
{
	uint64_t a = (uintptr_t)va;
	paddr_t pa;

	if (a >= PMAP_KERNBASE && a < PMAP_DEVICE)
		return (a - PMAP_KERNBASE);
	if (a >= PMAP_DIRECT && a < PMAP_DIRECT + PMAP_DIRECT_SIZE)
		return (a - PMAP_DIRECT);
	if (!pmap_kextract(a, &pa))
		panic("pmap_vtophys: %p is not a kernel address", va);
	return (pa);
}

static uint64_t *
table_of(uint64_t entry)
{

	return (pmap_phystov(entry & PTE_FRAME));
}

/*
 * The kernel's image.
 */
static uint64_t
kernel_protection(uint64_t va)
{

	if (va < (uintptr_t)kernel_start || va >= (uintptr_t)kernel_end)
		return (0);
	if (va < (uintptr_t)kernel_rodata)
		return (PTE_P);
	if (va < (uintptr_t)kernel_data)
		return (PTE_P | PTE_NX);
	return (PTE_P | PTE_W | PTE_NX);
}

static void
protect_kernel(void)
{
	uint64_t i, prot;

	for (i = 0; i < NITEMS(kernel_l1); i++) {
		prot = kernel_protection(PMAP_KERNBASE + i * PAGE_SIZE);
		kernel_l1[i] = prot == 0 ? 0 : (i * PAGE_SIZE | prot);
	}
	for (i = 0; i < NKERNEL_L1; i++) {
		pmap_kernel_l2[i] =
		    pmap_vtophys(&kernel_l1[i * NPTE]) | PTE_P | PTE_W;
	}
}

void
pmap_unmap_guard(const void *va)
{
	uint64_t a = (uintptr_t)va;

	KASSERT(a >= (uintptr_t)kernel_data && a < (uintptr_t)kernel_end &&
	    a % PAGE_SIZE == 0);
	kernel_l1[(a - PMAP_KERNBASE) / PAGE_SIZE] = 0;
	invlpg(va);
}

void
pmap_init(void)
{
	unsigned i;

	protect_kernel();
	for (i = 0; i < NDEVICE_L1; i++) {
		device_l2[i] =
		    pmap_vtophys(&device_l1[i * NPTE]) | PTE_P | PTE_W;
	}
	pmap_kernel_l3[PT_INDEX(PMAP_DEVICE, L3_SHIFT)] =
	    pmap_vtophys(device_l2) | PTE_P | PTE_W | PTE_NX;
	lcr3(rcr3());
}

void
pmap_forget_identity(void)
{

	pmap_l4[0] = 0;
	lcr3(rcr3());
}

/*
 * Device mappings.
 */
void *
pmap_mapdev(paddr_t pa, psize_t size)
{
	paddr_t first = pa & ~(PAGE_SIZE - 1);
	uint64_t i, npages;
	uint64_t va;

	if (size == 0 || size > NITEMS(device_l1) * PAGE_SIZE ||
	    pa + size < pa || (pa + size - 1) >> VM_PADDR_BITS != 0)
		return (NULL);
	npages = (pa + size - first + PAGE_SIZE - 1) / PAGE_SIZE;
	if (npages > NITEMS(device_l1) - device_used)
		return (NULL);

	va = PMAP_DEVICE + device_used * PAGE_SIZE;
	for (i = 0; i < npages; i++) {
		device_l1[device_used++] = (first + i * PAGE_SIZE) | PTE_P |
		    PTE_W | PTE_PCD | PTE_PWT | PTE_NX;
	}
	mfence();
	return ((void *)(va + (pa - first)));
}

/*
 * The direct map above 4 GiB.
 */

/*
 * range_above: the i-th usable range as far as it lies between 4 GiB and the
 * end of the direct map, rounded outward to large pages.
 * => false: there is no i-th range; *endp <= *startp: nothing of it is there.
 */
static bool
range_above(unsigned i, paddr_t *startp, paddr_t *endp)
{
	struct vm_memrange range;
	paddr_t end;

	if (!vm_bootstrap_range(i, &range))
		return (false);
	end = range.vmr_start + range.vmr_size;
	if (end > PMAP_DIRECT_SIZE)
		end = PMAP_DIRECT_SIZE;
	*startp = range.vmr_start < PMAP_BOOTED ? PMAP_BOOTED :
	    range.vmr_start & ~((paddr_t)PTE_LARGE_SIZE - 1);
	*endp = (end + PTE_LARGE_SIZE - 1) & ~((paddr_t)PTE_LARGE_SIZE - 1);
	return (true);
}

/*
 * tables_needed: how many table pages the direct map will want, at most:
 * ranges that share a table are counted once each.
 */
static uint64_t
tables_needed(void)
{
	paddr_t start, end;
	uint64_t n = 0;
	unsigned i;

	for (i = 0; range_above(i, &start, &end); i++) {
		if (end <= start)
			continue;
		n += (((end - 1) >> L3_SHIFT) - (start >> L3_SHIFT) + 1) +
		    (((end - 1) >> L4_SHIFT) - (start >> L4_SHIFT) + 1);
	}
	return (n);
}

static uint64_t *
table_get(uint64_t *entry)
{

	if ((*entry & PTE_P) == 0) {
		KASSERT(table_left > 0);
		memset(pmap_phystov(table_next), 0, PAGE_SIZE);
		*entry = table_next | PTE_P | PTE_W;
		table_next += PAGE_SIZE;
		table_left--;
	}
	return (table_of(*entry));
}

static void
direct_map(paddr_t start, paddr_t end)
{
	uint64_t *l2, *l3;
	uint64_t va;
	paddr_t pa;

	for (pa = start; pa < end; pa += PTE_LARGE_SIZE) {
		va = PMAP_DIRECT + pa;
		l3 = table_get(&pmap_l4[PT_INDEX(va, L4_SHIFT)]);
		l2 = table_get(&l3[PT_INDEX(va, L3_SHIFT)]);
		l2[PT_INDEX(va, L2_SHIFT)] = pa | PTE_P | PTE_W | PTE_PS |
		    PTE_A | PTE_D | PTE_NX;
	}
}

int
pmap_bootstrap(void)
{
	paddr_t start, end;
	unsigned i;

	table_left = tables_needed();
	if (table_left == 0)
		return (0);
	table_next = vm_bootstrap_alloc(table_left * PAGE_SIZE, PAGE_SIZE,
	    PMAP_BOOTED, "pmap");
	if (table_next == VM_PADDR_NONE)
		return (ENOMEM);
	for (i = 0; range_above(i, &start, &end); i++)
		direct_map(start, end);
	return (0);
}

/*
 * large_mapped: is the 2-MiB page at pa in the direct map?
 */
static bool
large_mapped(paddr_t pa)
{
	uint64_t va = PMAP_DIRECT + pa;
	uint64_t entry;

	entry = pmap_l4[PT_INDEX(va, L4_SHIFT)];
	if ((entry & PTE_P) == 0)
		return (false);
	entry = table_of(entry)[PT_INDEX(va, L3_SHIFT)];
	if ((entry & PTE_P) == 0)
		return (false);
	entry = table_of(entry)[PT_INDEX(va, L2_SHIFT)];
	return ((entry & PTE_P) != 0);
}

bool
pmap_mapped(paddr_t pa, psize_t size)
{
	paddr_t end = pa + size;

	if (end < pa || end > PMAP_DIRECT_SIZE)
		return (false);
	if (end <= PMAP_BOOTED)
		return (true);
	pa &= ~((paddr_t)PTE_LARGE_SIZE - 1);
	for (; pa < end; pa += PTE_LARGE_SIZE) {
		if (pa >= PMAP_BOOTED && !large_mapped(pa))
			return (false);
	}
	return (true);
}
