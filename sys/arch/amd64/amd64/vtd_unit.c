/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * An I/O MMU: its registers, and the root and context tables.
 *
 * Source: [VTD] Intel Virtualization Technology for Directed I/O, Architecture
 * Specification, 3.3.
 *
 * Translations are invalidated by registers, a domain at a time: a queue would
 * be faster, and this one is seldom asked.
 */

#include <sys/systm.h>

#include <vm/vm_page.h>

#include <dev/mmio.h>

#include <machine/cpufunc.h>
#include <machine/pmap.h>
#include <machine/vtd.h>
#include <machine/vtdreg.h>

#define	WAIT		100000000	/* ns; it takes microseconds */
#define	CACHE_LINE	64		/* of every CPU with 64 bits */

static uint32_t
read32(const struct vtd_unit *vu, unsigned reg)
{

	return (mmio_read32(vu->vu_regs, reg));
}

static void
write32(const struct vtd_unit *vu, unsigned reg, uint32_t v)
{

	mmio_write32(vu->vu_regs, reg, v);
}

static uint64_t
read64(const struct vtd_unit *vu, unsigned reg)
{

	return (*(volatile uint64_t *)(uintptr_t)(vu->vu_regs + reg));
}

static void
write64(const struct vtd_unit *vu, unsigned reg, uint64_t v)
{

	*(volatile uint64_t *)(uintptr_t)(vu->vu_regs + reg) = v;
}

static vm_md_intr_t
lock(struct vtd_unit *vu)
{
	vm_md_intr_t s = vm_md_intr_disable();

	vm_md_lock(&vu->vu_lock);
	return (s);
}

static void
unlock(struct vtd_unit *vu, vm_md_intr_t s)
{

	vm_md_unlock(&vu->vu_lock);
	vm_md_intr_restore(s);
}

/*
 * Wait until a bit of a register is as wanted; one beyond the 32nd is of a
 * register of 64 bits.
 */
static bool
wait(const struct vtd_unit *vu, unsigned reg, uint64_t bit, bool set)
{
	uint64_t end = nanotime() + WAIT, v;

	for (;;) {
		v = bit > UINT32_MAX ? read64(vu, reg) : read32(vu, reg);
		if (((v & bit) != 0) == set)
			return (true);
		if (nanotime() > end)
			return (false);
		cpu_pause();
	}
}

/*
 * [VTD] section 11.4.4: one bit at a time, the others as they are.
 */
static bool
command(const struct vtd_unit *vu, uint32_t bit, bool set)
{
	uint32_t v = read32(vu, VTD_GSTS) & GSTS_LASTING;

	write32(vu, VTD_GCMD, set ? v | bit : v & ~bit);
	/* That one goes back when it is done. */
	return (wait(vu, VTD_GSTS, bit, bit == GCMD_WBF ? false : set));
}

/*
 * To a unit that does not look into caches.
 */
static void
flush_lines(const void *p, size_t len)
{
	uintptr_t at = (uintptr_t)p & ~(uintptr_t)(CACHE_LINE - 1);

	for (; at < (uintptr_t)p + len; at += CACHE_LINE)
		__asm volatile("clflush (%0)" : : "r" (at) : "memory");
	mfence();
}

void
(*vtd_unit_flush(const struct vtd_unit *vu))(const void *, size_t)
{

	return ((vu->vu_ecap & ECAP_C) != 0 ? NULL : flush_lines);
}

static void
entry_set(const struct vtd_unit *vu, volatile uint64_t *e, uint64_t v)
{

	*e = v;
	if ((vu->vu_ecap & ECAP_C) == 0)
		flush_lines((const void *)(uintptr_t)e, sizeof(*e));
}

/*
 * => lock held.
 */
static bool
invalidate(struct vtd_unit *vu, uint64_t what)
{
	unsigned reg = ECAP_IRO(vu->vu_ecap) + 8;

	/* Order what was stored before it against it. */
	mfence();
	if ((vu->vu_cap & CAP_RWBF) != 0 && !command(vu, GCMD_WBF, true))
		return (false);
	write64(vu, reg, IOTLB_IVT | IOTLB_DRAIN | what);
	return (wait(vu, reg, IOTLB_IVT, false));
}

/*
 * => lock held.
 */
static bool
invalidate_contexts(struct vtd_unit *vu)
{

	mfence();
	write64(vu, VTD_CCMD, CCMD_ICC | CCMD_GLOBAL);
	return (wait(vu, VTD_CCMD, CCMD_ICC, false) &&
	    invalidate(vu, IOTLB_GLOBAL));
}

/*
 * What a unit does not answer to is not under control any more: devices would
 * reach memory that is not theirs.
 */
static void
must(bool done, const char *what)
{

	if (!done)
		panic("vtd0: %s: no answer", what);
}

void
vtd_unit_entered(struct vtd_unit *vu, unsigned domain)
{
	vm_md_intr_t s;

	/* [VTD] section 6.1: some remember that there was nothing. */
	if ((vu->vu_cap & (CAP_CM | CAP_RWBF)) == 0)
		return;
	s = lock(vu);
	must(invalidate(vu, IOTLB_DOMAIN | IOTLB_DID(domain)),
	    "invalidation");
	unlock(vu, s);
}

void
vtd_unit_forget(struct vtd_unit *vu, unsigned domain)
{
	vm_md_intr_t s = lock(vu);

	must(invalidate(vu, IOTLB_DOMAIN | IOTLB_DID(domain)),
	    "invalidation");
	unlock(vu, s);
}

static paddr_t
table_alloc(const struct vtd_unit *vu)
{
	paddr_t pa = vm_page_alloc(VM_PG_ZERO, vu->vu_owner);

	if (pa != VM_PADDR_NONE && (vu->vu_ecap & ECAP_C) == 0)
		flush_lines(pmap_phystov(pa), VM_PAGE_SIZE);
	return (pa);
}

/*
 * The context table of a bus.  => VM_PADDR_NONE: no memory.  Lock held.
 */
static paddr_t
contexts(struct vtd_unit *vu, unsigned bus)
{
	uint64_t *root = pmap_phystov(vu->vu_root);
	paddr_t pa;

	if ((root[bus * 2] & ENTRY_P) != 0)
		return (root[bus * 2] & ~(uint64_t)(VM_PAGE_SIZE - 1));
	pa = table_alloc(vu);
	if (pa != VM_PADDR_NONE)
		entry_set(vu, &root[bus * 2], pa | ENTRY_P);
	return (pa);
}

int
vtd_unit_attach(struct vtd_unit *vu, uint16_t sid, unsigned domain,
    paddr_t tables)
{
	vm_md_intr_t s = lock(vu);
	paddr_t pa = contexts(vu, sid >> 8);
	uint64_t *e;

	if (pa != VM_PADDR_NONE) {
		e = (uint64_t *)pmap_phystov(pa) + (sid & 0xff) * 2;
		entry_set(vu, &e[1],
		    CONTEXT_DID(domain) | CONTEXT_AW(vu->vu_levels));
		entry_set(vu, &e[0], tables | ENTRY_P);
		must(invalidate_contexts(vu), "context invalidation");
	}
	unlock(vu, s);
	return (pa == VM_PADDR_NONE ? ENOMEM : 0);
}

/*
 * Registers, which may need more than a page.
 */
static const char *
map_registers(struct vtd_unit *vu, paddr_t base)
{
	unsigned size, faults;

	vu->vu_regs = pmap_mapdev(base, VTD_REGS);
	if (vu->vu_regs == NULL)
		return ("the registers cannot be mapped");
	if (read32(vu, VTD_VER) == UINT32_MAX || read32(vu, VTD_VER) == 0)
		return ("there are no registers");
	vu->vu_cap = read64(vu, VTD_CAP);
	vu->vu_ecap = read64(vu, VTD_ECAP);
	size = ECAP_IRO(vu->vu_ecap) + 16;
	faults = CAP_FRO(vu->vu_cap) + CAP_NFR(vu->vu_cap) * FRCD_SIZE;
	if (size < faults)
		size = faults;
	if (size <= VTD_REGS)
		return (NULL);
	vu->vu_regs = pmap_mapdev(base, size);
	return (vu->vu_regs == NULL ? "the registers cannot be mapped" : NULL);
}

/*
 * The smallest page tables that there are, and how far they go.
 */
static const char *
choose_levels(struct vtd_unit *vu, unsigned width)
{
	unsigned levels;

	for (levels = 3; levels <= 5; levels++)
		if (CAP_SAGAW(vu->vu_cap, levels) != 0)
			break;
	if (levels > 5)
		return ("no page tables that are known");
	vu->vu_levels = levels;
	vu->vu_width = PAGE_SHIFT + levels * 9;
	if (vu->vu_width > CAP_MGAW(vu->vu_cap))
		vu->vu_width = CAP_MGAW(vu->vu_cap);
	if (vu->vu_width > width)
		vu->vu_width = width;
	if (vu->vu_width < 32)
		return ("less than 32 bits of address");
	vu->vu_ndomains = 1U << (4 + 2 * CAP_ND(vu->vu_cap));
	if (vu->vu_ndomains > 0x10000)
		vu->vu_ndomains = 0x10000;
	return (NULL);
}

static void
faults_clear(struct vtd_unit *vu)
{
	unsigned i, at = CAP_FRO(vu->vu_cap);

	for (i = 0; i < CAP_NFR(vu->vu_cap); i++, at += FRCD_SIZE)
		write32(vu, at + FRCD_WHY, WHY_F);
	write32(vu, VTD_FSTS, FSTS_PFO);
}

const char *
vtd_unit_start(struct vtd_unit *vu, paddr_t base, unsigned width,
    vm_owner_t owner)
{
	const char *why;

	*vu = (struct vtd_unit){ .vu_owner = owner };
	if ((why = map_registers(vu, base)) != NULL ||
	    (why = choose_levels(vu, width)) != NULL)
		return (why);
	if ((vu->vu_root = table_alloc(vu)) == VM_PADDR_NONE)
		return ("no memory");
	/* Whatever firmware did with it. */
	if (!command(vu, GCMD_TE, false) || !command(vu, GCMD_QIE, false))
		return ("it cannot be turned off");
	write32(vu, VTD_FECTL, FECTL_IM);
	faults_clear(vu);
	write64(vu, VTD_RTADDR, vu->vu_root);
	if (!command(vu, GCMD_SRTP, true) || !invalidate_contexts(vu))
		return ("it takes no root table");
	if (command(vu, GCMD_TE, true))
		return (NULL);
	(void)command(vu, GCMD_TE, false);
	return ("it cannot be turned on");
}

/*
 * The record at i, if there is a fault in it.  => lock held.
 */
static bool
record_take(struct vtd_unit *vu, unsigned i, struct vtd_fault *vf)
{
	unsigned at = CAP_FRO(vu->vu_cap) + i * FRCD_SIZE;
	uint32_t why = read32(vu, at + FRCD_WHY);

	if ((why & WHY_F) == 0)
		return (false);
	vf->vf_addr = read64(vu, at + FRCD_ADDR) &
	    ~(uint64_t)(VM_PAGE_SIZE - 1);
	vf->vf_sid = (uint16_t)read32(vu, at + FRCD_SID);
	vf->vf_reason = (uint8_t)WHY_REASON(why);
	vf->vf_read = (why & WHY_READ) != 0;
	write32(vu, at + FRCD_WHY, WHY_F);
	return (true);
}

bool
vtd_unit_fault(struct vtd_unit *vu, struct vtd_fault *vf, bool *lost)
{
	vm_md_intr_t s = lock(vu);
	uint32_t status = read32(vu, VTD_FSTS);
	unsigned n = CAP_NFR(vu->vu_cap), i, first = FSTS_FRI(status);
	bool found = false;

	*lost = (status & FSTS_PFO) != 0;
	if ((status & FSTS_PPF) != 0)
		for (i = 0; i < n && !found; i++)
			found = record_take(vu, (first + i) % n, vf);
	if (*lost)
		write32(vu, VTD_FSTS, FSTS_PFO);
	unlock(vu, s);
	return (found);
}
