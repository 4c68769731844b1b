/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * PCI configuration access and the search for devices.
 *
 * Sources: [PCI] PCI Local Bus Specification, revision 3.0; [BRIDGE]
 * PCI-to-PCI Bridge Architecture Specification, revision 1.2.
 *
 * Firmware has numbered the buses and placed the devices; nothing here
 * changes that.
 */

#include <dev/pci/pci.h>

#include <machine/cpufunc.h>

/* [PCI] section 3.2.2.3.2, "Configuration mechanism #1". */
#define	CONF_ADDR	0xcf8
#define	CONF_DATA	0xcfc
#define	CONF_ENABLE	0x80000000U

#define	NDEV		32
#define	NFUNC		8
#define	NO_VENDOR	0xffff		/* [PCI] section 6.1 */

/* [PCI] section 6.2.1, "Header Type". */
#define	HEADER_MULTI	0x80		/* has functions other than 0 */
#define	HEADER_TYPE	0x7f
#define	HEADER_BRIDGE	0x01		/* [BRIDGE] section 3.2.4.9 */

/* [PCI] section 6.2.5.1, "Address Maps". */
#define	BAR_IO		0x1
#define	BAR_IO_FLAGS	0x3U
#define	BAR_MEM_FLAGS	0xfU
#define	BAR_MEM_TYPE	0x6
#define	BAR_MEM_64	0x4

/* One register selects, another moves the data: not to be mixed. */
static struct vm_md_lock pci_lock;

static uint32_t
conf_addr(const struct pci_func *f, unsigned reg)
{

	return (CONF_ENABLE | (uint32_t)f->pf_bus << 16 |
	    (uint32_t)f->pf_dev << 11 | (uint32_t)f->pf_func << 8 |
	    (reg & 0xfc));
}

uint32_t
pci_read(const struct pci_func *f, unsigned reg)
{
	vm_md_intr_t s = vm_md_intr_disable();
	uint32_t value;

	vm_md_lock(&pci_lock);
	outl(CONF_ADDR, conf_addr(f, reg));
	value = inl(CONF_DATA);
	vm_md_unlock(&pci_lock);
	vm_md_intr_restore(s);
	return (value);
}

void
pci_write(const struct pci_func *f, unsigned reg, uint32_t value)
{
	vm_md_intr_t s = vm_md_intr_disable();

	vm_md_lock(&pci_lock);
	outl(CONF_ADDR, conf_addr(f, reg));
	outl(CONF_DATA, value);
	vm_md_unlock(&pci_lock);
	vm_md_intr_restore(s);
}

bool
pci_present(void)
{
	vm_md_intr_t s = vm_md_intr_disable();
	uint32_t value;

	vm_md_lock(&pci_lock);
	outl(CONF_ADDR, CONF_ENABLE);
	value = inl(CONF_ADDR);
	vm_md_unlock(&pci_lock);
	vm_md_intr_restore(s);
	return (value == CONF_ENABLE);
}

static uint8_t
header_type(const struct pci_func *f)
{

	return ((uint8_t)(pci_read(f, PCI_HEADER) >> 16));
}

/*
 * The bus behind a function; false: it is no bridge, or leads back.  Firmware
 * numbers buses downwards, so every bus has a higher number than the one
 * before it, and the search ends.
 */
static bool
bus_behind(const struct pci_func *f, uint8_t *bus)
{

	if ((header_type(f) & HEADER_TYPE) != HEADER_BRIDGE)
		return (false);
	*bus = (uint8_t)(pci_read(f, PCI_BRIDGE_BUSES) >> 8);
	return (*bus > f->pf_bus);
}

static bool
exists(const struct pci_func *f)
{

	return ((pci_read(f, PCI_ID) & 0xffff) != NO_VENDOR);
}

/*
 * The places for functions that a device has: all eight are used only if the
 * first one says so.  => 0: no device.
 */
static unsigned
places(uint8_t bus, uint8_t dev)
{
	const struct pci_func f = { .pf_bus = bus, .pf_dev = dev };

	if (!exists(&f))
		return (0);
	return ((header_type(&f) & HEADER_MULTI) != 0 ? NFUNC : 1);
}

static bool
find_on_bus(uint8_t bus, uint32_t id, struct pci_func *found)
{
	struct pci_func f = { .pf_bus = bus };
	unsigned dev, func, n;
	uint8_t behind;

	for (dev = 0; dev < NDEV; dev++) {
		f.pf_dev = (uint8_t)dev;
		n = places(bus, f.pf_dev);
		for (func = 0; func < n; func++) {
			f.pf_func = (uint8_t)func;
			if (!exists(&f))
				continue;
			if (pci_read(&f, PCI_ID) == id) {
				*found = f;
				return (true);
			}
			if (bus_behind(&f, &behind) &&
			    find_on_bus(behind, id, found))
				return (true);
		}
	}
	return (false);
}

bool
pci_find(uint16_t vendor, uint16_t device, struct pci_func *f)
{

	return (pci_present() &&
	    find_on_bus(0, vendor | (uint32_t)device << 16, f));
}

/*
 * Which bits of a base address register can be set.
 */
static uint32_t
bar_probe(const struct pci_func *f, unsigned i)
{
	uint32_t old = pci_read(f, PCI_BAR(i)), bits;

	pci_write(f, PCI_BAR(i), UINT32_MAX);
	bits = pci_read(f, PCI_BAR(i));
	pci_write(f, PCI_BAR(i), old);
	return (bits);
}

/*
 * Address and settable bits of a register, or of the pair that holds 64 bits.
 */
static void
bar_raw(const struct pci_func *f, unsigned i, uint64_t *base, uint64_t *bits)
{
	uint32_t flags;

	*base = pci_read(f, PCI_BAR(i));
	*bits = bar_probe(f, i);
	if ((*base & BAR_IO) != 0) {
		flags = BAR_IO_FLAGS;
		/* The upper half of a port's register may be fixed at 0. */
		*bits |= UINT64_C(0xffffffffffff0000);
	} else {
		flags = BAR_MEM_FLAGS;
		if ((*base & BAR_MEM_TYPE) == BAR_MEM_64 && i + 1 < PCI_NBAR) {
			*base |= (uint64_t)pci_read(f, PCI_BAR(i + 1)) << 32;
			*bits |= (uint64_t)bar_probe(f, i + 1) << 32;
		} else
			*bits |= UINT64_C(0xffffffff00000000);
	}
	*base &= ~(uint64_t)flags;
	*bits &= ~(uint64_t)flags;
}

int
pci_bar_read(const struct pci_func *f, unsigned i, struct pci_bar *bar)
{
	uint32_t command;
	uint64_t bits;
	bool implemented;

	if (i >= PCI_NBAR || (header_type(f) & HEADER_TYPE) != 0)
		return (EINVAL);

	/*
	 * [PCI] section 6.2.5.1: with decoding off while bits are tried.
	 * Zeros written to the status half of the register change nothing.
	 */
	command = pci_read(f, PCI_COMMAND) & 0xffff;
	pci_write(f, PCI_COMMAND,
	    command & ~(uint32_t)(PCI_COMMAND_IO | PCI_COMMAND_MEM));
	implemented = bar_probe(f, i) != 0;
	bar->pb_io = (pci_read(f, PCI_BAR(i)) & BAR_IO) != 0;
	bar_raw(f, i, &bar->pb_base, &bits);
	pci_write(f, PCI_COMMAND, command);

	bar->pb_size = ~bits + 1;	/* the lowest bit that can be set */
	if (!implemented)
		return (ENXIO);
	return (bar->pb_base == 0 ? EIO : 0);
}

void
pci_enable(const struct pci_func *f, uint16_t bits)
{

	pci_write(f, PCI_COMMAND, (pci_read(f, PCI_COMMAND) & 0xffff) | bits);
}

void
pci_disable(const struct pci_func *f, uint16_t bits)
{

	pci_write(f, PCI_COMMAND,
	    pci_read(f, PCI_COMMAND) & 0xffff & ~(uint32_t)bits);
}
