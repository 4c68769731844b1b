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
 * Firmware has numbered the buses, and nothing here changes that.  Whom it
 * gave no addresses gets them from pci_bar.c.
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
#define	BAR_MEM_PREFETCH 0x8

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
 * Firmware numbers buses downwards, so every bus has a higher number than the
 * one before it, and a search ends.
 */
bool
pci_bus_behind(const struct pci_func *f, uint8_t *bus)
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

bool
pci_bus_walk(uint8_t bus, bool (*function)(const struct pci_func *, void *),
    void *arg)
{
	struct pci_func f = { .pf_bus = bus };
	unsigned dev, func, n;

	for (dev = 0; dev < NDEV; dev++) {
		f.pf_dev = (uint8_t)dev;
		n = places(bus, f.pf_dev);
		for (func = 0; func < n; func++) {
			f.pf_func = (uint8_t)func;
			if (exists(&f) && function(&f, arg))
				return (true);
		}
	}
	return (false);
}

/*
 * Bridges may lead anywhere, several of them to the same bus: so buses are
 * noted, and none is entered from another.  As each leads to a bus with a
 * higher number, one walk upwards sees them all.
 */
struct tour {
	bool		(*t_function)(const struct pci_func *, void *);
	void		*t_arg;
	bool		t_reached[PCI_NBUS];
};

static bool
visit(const struct pci_func *f, void *arg)
{
	struct tour *t = arg;
	uint8_t behind;

	if (pci_bus_behind(f, &behind))
		t->t_reached[behind] = true;
	return (t->t_function(f, t->t_arg));
}

bool
pci_walk(bool (*function)(const struct pci_func *, void *), void *arg)
{
	struct tour t = { function, arg, { true } };
	unsigned bus;

	for (bus = 0; bus < PCI_NBUS; bus++) {
		if (t.t_reached[bus] && pci_bus_walk((uint8_t)bus, visit, &t))
			return (true);
	}
	return (false);
}

/* What is in a register, shifted to the right. */
struct wanted {
	unsigned	w_reg;
	unsigned	w_shift;
	uint32_t	w_value;
	struct pci_func	*w_found;
};

static bool
find(const struct pci_func *f, void *arg)
{
	struct wanted *w = arg;

	if (pci_read(f, w->w_reg) >> w->w_shift != w->w_value)
		return (false);
	*w->w_found = *f;
	return (true);
}

static bool
find_wanted(struct wanted *w)
{

	if (!pci_present())
		return (false);
	pci_configure();
	return (pci_walk(find, w));
}

bool
pci_find(uint16_t vendor, uint16_t device, struct pci_func *f)
{
	struct wanted w = { PCI_ID, 0, vendor | (uint32_t)device << 16, f };

	return (find_wanted(&w));
}

bool
pci_find_class(uint32_t class, struct pci_func *f)
{
	struct wanted w = { PCI_CLASS, 8, class, f };

	return (find_wanted(&w));
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
 * What kind of register it is; of which bits can be set, only the address.
 */
static void
bar_kind(const struct pci_func *f, unsigned i, struct pci_bar *bar)
{
	uint32_t v = pci_read(f, PCI_BAR(i));

	bar->pb_io = (v & BAR_IO) != 0;
	bar->pb_64 = !bar->pb_io && (v & BAR_MEM_TYPE) == BAR_MEM_64 &&
	    i + 1 < pci_nbar(f);
	bar->pb_prefetch = !bar->pb_io && (v & BAR_MEM_PREFETCH) != 0;
}

/*
 * Address and settable bits of a register, or of the pair that holds 64 bits.
 */
static void
bar_raw(const struct pci_func *f, unsigned i, const struct pci_bar *bar,
    uint64_t *base, uint64_t *bits)
{
	uint32_t flags = bar->pb_io ? BAR_IO_FLAGS : BAR_MEM_FLAGS;

	*base = pci_read(f, PCI_BAR(i));
	*bits = bar_probe(f, i);
	if (bar->pb_64) {
		*base |= (uint64_t)pci_read(f, PCI_BAR(i + 1)) << 32;
		*bits |= (uint64_t)bar_probe(f, i + 1) << 32;
	}
	*base &= ~(uint64_t)flags;
	*bits &= ~(uint64_t)flags;
}

/*
 * [PCI] section 6.2.5.1: registers are tried and changed with decoding off.
 * Zeros written to the status half of the register change nothing.
 */
static uint32_t
decoding_stop(const struct pci_func *f)
{
	uint32_t command = pci_read(f, PCI_COMMAND) & 0xffff;

	pci_write(f, PCI_COMMAND,
	    command & ~(uint32_t)(PCI_COMMAND_IO | PCI_COMMAND_MEM));
	return (command);
}

unsigned
pci_nbar(const struct pci_func *f)
{

	switch (header_type(f) & HEADER_TYPE) {
	case 0:
		return (PCI_NBAR);
	case HEADER_BRIDGE:
		return (PCI_BRIDGE_NBAR);
	default:
		return (0);
	}
}

int
pci_bar_read(const struct pci_func *f, unsigned i, struct pci_bar *bar)
{
	uint32_t command;
	uint64_t bits;

	if (i >= pci_nbar(f))
		return (EINVAL);
	command = decoding_stop(f);
	bar_kind(f, i, bar);
	bar_raw(f, i, bar, &bar->pb_base, &bits);
	pci_write(f, PCI_COMMAND, command);

	bar->pb_size = bits & (~bits + 1);	/* the lowest that can be set */
	if (bits == 0)
		return (ENXIO);
	return (bar->pb_base == 0 ? EIO : 0);
}

int
pci_bar_write(const struct pci_func *f, unsigned i, uint64_t base)
{
	struct pci_bar bar;
	uint32_t command;
	int error;

	error = pci_bar_read(f, i, &bar);
	if (error != 0 && error != EIO)
		return (error);
	if (base % bar.pb_size != 0 || (!bar.pb_64 && base > UINT32_MAX))
		return (EINVAL);
	command = decoding_stop(f);
	pci_write(f, PCI_BAR(i), (uint32_t)base);
	if (bar.pb_64)
		pci_write(f, PCI_BAR(i + 1), (uint32_t)(base >> 32));
	pci_write(f, PCI_COMMAND, command);
	(void)pci_bar_read(f, i, &bar);
	return (bar.pb_base == base ? 0 : EIO);
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
