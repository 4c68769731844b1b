/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The I/O MMU of a PC: vtd(4).
 *
 * Each PCI function that has a DMA tag gets a domain of its own: page tables,
 * bus addresses, and a tag through which its driver's lead (pci_dma_tag()).
 * Functions behind a bridge to a conventional bus cannot be told apart and
 * share one.  Who has no domain reaches no memory at all.
 *
 * Domains stay until the end, as drivers do.
 *
 * Nobody is interrupted by a fault; they are looked for before a map is
 * unloaded, while it can be said what was loaded.
 */

#include <sys/extent.h>
#include <sys/iommu.h>
#include <sys/kmem.h>
#include <sys/options.h>
#include <sys/systm.h>

#include <vm/vm_physseg.h>
#include <vm/vm_sync.h>

#include <dev/bus.h>
#include <dev/dmar.h>
#include <dev/pci/pci.h>
#include <dev/vtd_table.h>

#include <machine/acpi.h>
#include <machine/bootinfo.h>
#include <machine/iommu.h>
#include <machine/vtd.h>
#include <machine/vtdreg.h>

#define	VTD_NAME	"vtd0"
#define	REPORTS		20	/* lines about one domain, or none */
#define	FAULTS_AT_ONCE	256	/* as many as the hardware can keep */

/* For "%u:%u.%u". */
#define	SID_ARGS(sid)							\
	(unsigned)(sid) >> 8, (unsigned)(sid) >> 3 & 0x1f, (unsigned)(sid) & 7

struct domain {
	struct domain	*d_next;
	uint16_t	d_sid;		/* bus << 8 | devfn */
	unsigned	d_id;
	struct vtd_table d_table;	/* d_lock */
	struct vm_md_lock d_lock;
	struct iommu	d_iommu;
	bus_dma_tag_t	d_tag;
	_Atomic uint64_t d_faults;
};

static struct vtd_unit unit;
static struct dmar_info dmar;
static bool vtd_on;
static struct domain *_Atomic domains;	/* never taken out */
static unsigned ndomains;

static vm_md_intr_t
lock(struct domain *d)
{
	vm_md_intr_t s = vm_md_intr_disable();

	vm_md_lock(&d->d_lock);
	return (s);
}

static void
unlock(struct domain *d, vm_md_intr_t s)
{

	vm_md_unlock(&d->d_lock);
	vm_md_intr_restore(s);
}

static struct domain *
domain_find(uint16_t sid)
{
	struct domain *d;

	for (d = domains; d != NULL && d->d_sid != sid; d = d->d_next)
		continue;
	return (d);
}

/*
 * Faults.
 */

static const char *
page_owner(paddr_t pa)
{
	vm_frame_t frame = pa >> PAGE_SHIFT;
	vm_md_intr_t s = vm_sync_lock();
	const char *name = "-";

	if (vm_extmap_span(&vm_map, frame) != NULL)
		name = vm_owner_name(vm_sync_owner(
		    vm_extmap_head(&vm_map, frame)));
	vm_sync_unlock(s);
	return (name);
}

/*
 * The range that the device may have meant.
 */
static void
print_nearest(struct domain *d, const struct bus_dma_near *near, char *line,
    size_t size)
{
	paddr_t pa;

	if (!d->d_iommu.im_ops->io_extract(d, near->bn_seg.ds_addr, &pa))
		pa = VM_PADDR_NONE;
	(void)snprintf(line, size, "the nearest is map %u of %s, 0x%jx size "
	    "0x%jx: memory 0x%jx of %s", near->bn_map, near->bn_name,
	    (uintmax_t)near->bn_seg.ds_addr, (uintmax_t)near->bn_seg.ds_len,
	    (uintmax_t)pa, pa == VM_PADDR_NONE ? "-" : page_owner(pa));
}

static void
fault_report(const struct vtd_fault *vf)
{
	static _Atomic uint64_t strangers;	/* have no domain */
	struct domain *d = domain_find(vf->vf_sid);
	struct bus_dma_near near = { .bn_name = "" };
	char line[160] = "no map is loaded";
	uint64_t n;

	n = atomic_fetch_add(d != NULL ? &d->d_faults : &strangers, 1);
	if (d != NULL && bus_dma_nearest(&d->d_iommu, vf->vf_addr, &near))
		print_nearest(d, &near, line, sizeof(line));
	if (n >= REPORTS)
		return;
	printf(VTD_NAME ": %s at pci %u:%u.%u: %s of 0x%jx is refused "
	    "(reason 0x%x); %s%s\n",
	    near.bn_name[0] == '\0' ? "a device" : near.bn_name,
	    SID_ARGS(vf->vf_sid),
	    vf->vf_read ? "read" : "write", (uintmax_t)vf->vf_addr,
	    vf->vf_reason, line,
	    n == REPORTS - 1 ? "; of more nothing is said" : "");
}

/* A device may be refused something as fast as it is reported, without end. */
static void
faults_take(void)
{
	static _Atomic unsigned nlost;
	struct vtd_fault vf;
	unsigned i;
	bool lost;

	for (i = 0; i < FAULTS_AT_ONCE &&
	    vtd_unit_fault(&unit, &vf, &lost); i++) {
		fault_report(&vf);
		if (lost && atomic_fetch_add(&nlost, 1) < REPORTS)
			printf(VTD_NAME ": more was refused than the hardware "
			    "keeps\n");
	}
}

/*
 * What bus_dma(9) wants.
 */

static void
remove_pages(struct domain *d, bus_addr_t addr, bus_size_t size)
{
	bus_size_t at;

	for (at = 0; at < size; at += VM_PAGE_SIZE)
		(void)vtd_table_remove(&d->d_table, addr + at);
}

static int
vtd_enter(void *cookie, bus_addr_t addr, paddr_t pa, bus_size_t size, int prot)
{
	struct domain *d = cookie;
	vm_md_intr_t s = lock(d);
	unsigned bits = 0;
	bus_size_t at;
	int error = 0;

	if ((prot & IOMMU_READ) != 0)
		bits |= VTD_READ;
	if ((prot & IOMMU_WRITE) != 0)
		bits |= VTD_WRITE;
	for (at = 0; at < size && error == 0; at += VM_PAGE_SIZE)
		error = vtd_table_enter(&d->d_table, addr + at, pa + at, bits);
	unlock(d, s);
	/* Addresses are ours alone, and memory has few enough bits. */
	KASSERT(error == 0 || error == ENOMEM);
	vtd_unit_entered(&unit, d->d_id);
	return (error);
}

static void
vtd_remove(void *cookie, bus_addr_t addr, bus_size_t size)
{
	struct domain *d = cookie;
	vm_md_intr_t s = lock(d);

	remove_pages(d, addr, size);
	unlock(d, s);
	vtd_unit_forget(&unit, d->d_id);
}

static int
vtd_prepare(void *cookie, bus_addr_t addr, bus_size_t size)
{
	struct domain *d = cookie;
	vm_md_intr_t s = lock(d);
	int error;

	error = vtd_table_prepare(&d->d_table, addr, size);
	unlock(d, s);
	/* Of tables, too, some remember that there were none. */
	vtd_unit_entered(&unit, d->d_id);
	return (error);
}

static bool
vtd_extract(void *cookie, bus_addr_t addr, paddr_t *pa)
{
	struct domain *d = cookie;
	vm_md_intr_t s = lock(d);
	unsigned prot;
	bool found;

	found = vtd_table_extract(&d->d_table, addr, pa, &prot);
	unlock(d, s);
	return (found);
}

static uint64_t
vtd_faults(void *cookie)
{
	struct domain *d = cookie;

	faults_take();
	return (d->d_faults);
}

static const struct iommu_ops vtd_ops = {
	.io_enter = vtd_enter,
	.io_remove = vtd_remove,
	.io_extract = vtd_extract,
	.io_faults = vtd_faults,
	.io_prepare = vtd_prepare,
};

/*
 * Domains.
 */

/*
 * Its bus addresses: all but page 0, so that 0 is never one, and those that
 * mean interrupts.
 */
static int
space_create(struct domain *d, const char *name)
{
	struct extent *ex;

	ex = extent_create(name, VM_PAGE_SIZE,
	    ((uint64_t)1 << unit.vu_width) - 1, NULL, 0,
	    EX_NOCOALESCE | EX_NOWAIT);
	if (ex == NULL)
		return (ENOMEM);
	d->d_iommu = (struct iommu){ &vtd_ops, d, ex };
	return (extent_alloc_region(ex, VTD_MSI, VTD_MSI_SIZE, EX_NOWAIT));
}

static int
domain_init(struct domain *d, const char *name)
{
	int error;

	if ((error = vtd_table_init(&d->d_table, unit.vu_levels,
	    unit.vu_owner, vtd_unit_flush(&unit))) != 0 ||
	    (error = space_create(d, name)) != 0 ||
	    (error = bus_dmatag_create(NULL, name, 0, BUS_ADDR_MAX, &d->d_tag,
	    BUS_DMA_NOWAIT)) != 0 ||
	    (error = bus_dmatag_iommu(d->d_tag, &d->d_iommu)) != 0)
		return (error);
	return (vtd_unit_attach(&unit, d->d_sid, d->d_id,
	    d->d_table.vt_root));
}

static void
domain_free(struct domain *d)
{

	if (d->d_tag != NULL)
		bus_dmatag_destroy(d->d_tag);
	if (d->d_iommu.im_space != NULL)
		extent_destroy(d->d_iommu.im_space);
	if (d->d_table.vt_root != VM_PADDR_NONE)
		vtd_table_fini(&d->d_table);
	kmem_free(d, sizeof(*d));
}

static struct domain *
domain_create(uint16_t sid)
{
	struct domain *d = NULL;
	char name[VM_OWNER_NAMELEN];
	int error = ENOMEM;

	(void)snprintf(name, sizeof(name), "pci%u:%u.%u", SID_ARGS(sid));
	/* 0 is not to be used by some: [VTD] section 6.1. */
	if (ndomains + 1 < unit.vu_ndomains)
		d = kmem_zalloc(sizeof(*d), KM_NOSLEEP);
	if (d != NULL) {
		d->d_sid = sid;
		d->d_id = ndomains + 1;
		d->d_table.vt_root = VM_PADDR_NONE;
		if ((error = domain_init(d, name)) != 0)
			domain_free(d);
	}
	if (error != 0) {
		printf(VTD_NAME ": no domain for %s: %s\n", name,
		    errno_name(error));
		return (NULL);
	}
	ndomains++;
	d->d_next = domains;
	domains = d;
	return (d);
}

/*
 * Which functions the unit is for.
 */

static struct pci_func
function(uint8_t bus, uint8_t devfn)
{

	return ((struct pci_func){ .pf_bus = bus, .pf_dev = devfn >> 3,
	    .pf_func = devfn & 7 });
}

/*
 * Buses behind a bridge, if that is one.  => false: no.
 */
static bool
buses_behind(const struct pci_func *f, uint8_t *first, uint8_t *last)
{

	*last = (uint8_t)(pci_read(f, PCI_BRIDGE_BUSES) >> 16);
	return (pci_bus_behind(f, first) && *first <= *last);
}

static bool
in_scope(const struct dmar_scope *ds, uint8_t bus, uint8_t devfn)
{
	struct pci_func f = function(ds->ds_bus, ds->ds_path[0]);
	uint8_t first = 0, last;
	unsigned i;

	for (i = 1; i < ds->ds_nhops; i++) {
		if (!buses_behind(&f, &first, &last))
			return (false);
		f = function(first, ds->ds_path[i]);
	}
	if (f.pf_bus == bus && (f.pf_dev << 3 | f.pf_func) == devfn)
		return (true);
	return (ds->ds_bridge && buses_behind(&f, &first, &last) &&
	    bus >= first && bus <= last);
}

static bool
translated(uint8_t bus, uint8_t devfn)
{
	unsigned i;

	for (i = 0; i < dmar.di_nscopes; i++)
		if (in_scope(&dmar.di_scopes[i], bus, devfn))
			return (true);
	return (dmar.di_all);
}

/*
 * Start.
 */

/*
 * Can there be registers?  To look for some in memory, or in another device,
 * would be to change them.
 */
static bool
registers_at(paddr_t base)
{
	const char *who = claim_owner(&bus_get()->b_memory, base);

	return (who == NULL || strcmp(who, "board") == 0 ||
	    strcmp(who, "firmware") == 0);
}

/*
 * What the tables say.  => the address of the registers; 0: nothing to turn
 * on, after a line if there is something.
 */
static paddr_t
unit_find(void)
{
	const char *why = NULL;
	const uint8_t *table;
	uint32_t len;

	table = acpi_table(bootinfo_rsdp(), "DMAR", &len, &why);
	if (table == NULL)
		return (0);
	why = dmar_parse(table, len, &dmar);
	if (why == NULL && dmar.di_nunits != 1)
		why = "not one unit";
	if (why == NULL && !registers_at(dmar.di_base))
		why = "registers are where something else is";
	if (why == NULL && dmar.di_nreserved != 0)
		why = "memory of devices at boot is not supported";
	if (why == NULL)
		return (dmar.di_base);
	printf(VTD_NAME ": DMAR: %s, left off\n", why);
	return (0);
}

static void
vtd_start(void)
{
	const char *why;
	paddr_t base;

	if (option_number(OPT_IOMMU) == 0 || (base = unit_find()) == 0)
		return;
	why = vtd_unit_start(&unit, base, dmar.di_width,
	    vm_owner_register("vtd"));
	if (why != NULL) {
		printf(VTD_NAME " at 0x%jx: %s, left off\n", (uintmax_t)base,
		    why);
		return;
	}
	vtd_on = true;
	printf(VTD_NAME " at 0x%jx: %u bits of address, %u levels, %u "
	    "domains%s\n", (uintmax_t)base, unit.vu_width, unit.vu_levels,
	    unit.vu_ndomains, (unit.vu_cap & CAP_CM) != 0 ?
	    ", caching mode" : "");
}

bus_dma_tag_t
iommu_dma_tag(uint8_t bus, uint8_t devfn)
{
	static bool started;
	uint16_t sid = (uint16_t)(bus << 8 | devfn);
	struct domain *d;

	if (!started) {
		started = true;
		vtd_start();
	}
	if (!vtd_on || !translated(bus, devfn))
		return (NULL);
	if ((d = domain_find(sid)) == NULL && (d = domain_create(sid)) == NULL)
		return (NULL);
	return (d->d_tag);
}

void
iommu_print(void)
{
	struct domain *d;
	struct vtd_table t;
	vm_md_intr_t s;

	if (!vtd_on) {
		printf("no I/O MMU is on\n");
		return;
	}
	faults_take();
	for (d = domains; d != NULL; d = d->d_next) {
		s = lock(d);
		t = d->d_table;
		unlock(d, s);
		printf(VTD_NAME ": pci %u:%u.%u: %ju KiB mapped, %ju KiB of "
		    "tables, %ju refused\n", SID_ARGS(d->d_sid),
		    (uintmax_t)vm_ptoa(t.vt_pages) / 1024,
		    (uintmax_t)vm_ptoa(t.vt_tables) / 1024,
		    (uintmax_t)d->d_faults);
	}
}
