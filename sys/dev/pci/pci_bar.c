/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Addresses for PCI devices.
 *
 * Sources: [PCI] PCI Local Bus Specification, revision 3.0, section 6.2.5;
 * [BRIDGE] PCI-to-PCI Bridge Architecture Specification, revision 1.2,
 * section 3.2.5.
 *
 * Most firmware gives every device its addresses; some, made for fast starts,
 * gives none.  So first all that devices have is claimed, wherever they are.
 * Then those that have none get some: what lies behind a bridge from the
 * windows that the bridge passes on, innermost first, and what then is left
 * of such a window is claimed for the bridge, since nothing outside it is
 * reached there.  Devices on the first bus get theirs from the machine's
 * windows.  The windows of bridges are not changed: behind one that passes
 * nothing on, a device stays without.  If several bridges lead to one bus, as
 * they should not, what is on it counts as behind the first.
 *
 * An address is given at a multiple of the size, as the register wants it,
 * and of a page, so that no two devices' registers lie in one page.
 */

#include <sys/claim.h>
#include <sys/systm.h>

#include <dev/bus.h>
#include <dev/pci/pci.h>

/* 64-bit registers for as much as this rather go above 4 GiB. */
#define	LARGE		((uint64_t)64 << 20)

struct counts {
	unsigned	n_functions;
	unsigned	n_claimed;
	unsigned	n_assigned;
	unsigned	n_left;
};

/* What a walk over a bus does, and for whom. */
struct walk {
	struct counts	*w_counts;
	const struct pci_func *w_bridge;	/* NULL: the first bus */
	bool		*w_buses;		/* to be searched, still */
	void		(*w_bar)(struct walk *, const struct pci_func *,
			    unsigned, const struct pci_bar *, int);
};

static void
name_bar(char name[static CLAIM_NAMELEN], const struct pci_func *f, unsigned i)
{

	(void)snprintf(name, CLAIM_NAMELEN, PCI_CLAIM "bar %u", f->pf_bus,
	    f->pf_dev, f->pf_func, i);
}

static struct claims *
space(bool io)
{

	return (io ? &bus_get()->b_ports : &bus_get()->b_memory);
}

/*
 * each_bar: the walk's function for each register of a function that is
 * implemented; its last argument is what pci_bar_read() says.
 */
static void
each_bar(struct walk *w, const struct pci_func *f)
{
	unsigned n = pci_nbar(f), i;
	struct pci_bar bar;
	int error;

	for (i = 0; i < n; i++) {
		error = pci_bar_read(f, i, &bar);
		if (error != 0 && error != EIO)
			continue;
		w->w_bar(w, f, i, &bar, error);
		if (bar.pb_64)
			i++;
	}
}

static void
claim_bar(struct walk *w, const struct pci_func *f, unsigned i,
    const struct pci_bar *bar, int error)
{
	char name[CLAIM_NAMELEN];

	if (error != 0)
		return;
	name_bar(name, f, i);
	if (claim_region(space(bar->pb_io), bar->pb_base, bar->pb_size,
	    name) == 0)
		w->w_counts->n_claimed++;
	else
		w->w_counts->n_left++;
}

/*
 * The windows of a bridge: [BRIDGE] sections 3.2.5.6, 3.2.5.8 to 3.2.5.11.
 * Registers that are all zeros are those of a window that the bridge does not
 * have, or that nobody has set; they do not mean the lowest addresses.
 */
static const struct bus_window no_window = { 1, 0 };

static struct bus_window
bridge_ports(const struct pci_func *f)
{
	uint32_t v = pci_read(f, PCI_BRIDGE_IO), upper = 0;

	if ((v & 0xf) == PCI_BRIDGE_WIDE)
		upper = pci_read(f, PCI_BRIDGE_IO_UPPER);
	if ((v & 0xffff) == 0)
		return (no_window);
	return ((struct bus_window){
		(upper & 0xffff) << 16 | (v & 0xf0) << 8,
		(upper & 0xffff0000) | (v & 0xf000) | 0xfff
	});
}

static struct bus_window
bridge_memory(const struct pci_func *f)
{
	uint32_t v = pci_read(f, PCI_BRIDGE_MEM);

	if (v == 0)
		return (no_window);
	return ((struct bus_window){
		(v & 0xfff0) << 16,
		(v & 0xfff00000) | 0xfffff
	});
}

static struct bus_window
bridge_prefetch(const struct pci_func *f)
{
	uint32_t v = pci_read(f, PCI_BRIDGE_PREF);
	struct bus_window w = {
		(v & 0xfff0) << 16,
		(v & 0xfff00000) | 0xfffff
	};

	if (v == 0)
		return (no_window);
	if ((v & 0xf) == PCI_BRIDGE_WIDE) {
		w.bw_first |= (exaddr_t)pci_read(f, PCI_BRIDGE_PREF_BASE) << 32;
		w.bw_last |= (exaddr_t)pci_read(f, PCI_BRIDGE_PREF_LIMIT) << 32;
	}
	return (w);
}

/*
 * passes: does a bridge pass on what is meant by the bits of its command
 * register?
 */
static bool
passes(const struct pci_func *bridge, uint32_t bits)
{

	return ((pci_read(bridge, PCI_COMMAND) & bits) != 0);
}

/*
 * assign_from: a place in a window, and the register set to it.
 * => 0; EAGAIN: none there; EIO: the device does not take it.
 */
static int
assign_from(const struct bus_window *w, const struct pci_func *f, unsigned i,
    const struct pci_bar *bar)
{
	exaddr_t last = w->bw_last, align = bar->pb_size, at;
	char name[CLAIM_NAMELEN];
	int error;

	if (!bar->pb_64 && last > UINT32_MAX)
		last = UINT32_MAX;
	if (w->bw_first > last || bar->pb_size - 1 > last - w->bw_first)
		return (EAGAIN);
	if (!bar->pb_io && align < VM_PAGE_SIZE)
		align = VM_PAGE_SIZE;
	name_bar(name, f, i);
	error = claim_alloc(space(bar->pb_io), w->bw_first, last, bar->pb_size,
	    align, name, &at);
	if (error != 0)
		return (error);
	error = pci_bar_write(f, i, at);
	if (error != 0)
		(void)claim_release(space(bar->pb_io), at);
	return (error);
}

static int
assign_behind(const struct pci_func *bridge, const struct pci_func *f,
    unsigned i, const struct pci_bar *bar)
{
	struct bus_window w;
	int error = EAGAIN;

	if (!passes(bridge, bar->pb_io ? PCI_COMMAND_IO : PCI_COMMAND_MEM))
		return (EAGAIN);
	if (bar->pb_prefetch) {
		w = bridge_prefetch(bridge);
		error = assign_from(&w, f, i, bar);
	}
	if (error == EAGAIN) {
		w = bar->pb_io ? bridge_ports(bridge) : bridge_memory(bridge);
		error = assign_from(&w, f, i, bar);
	}
	return (error);
}

static int
assign_root(const struct pci_func *f, unsigned i, const struct pci_bar *bar)
{
	const struct bus *b = bus_get();
	const bool high = bar->pb_64 && bar->pb_size >= LARGE;
	int error;

	if (bar->pb_io)
		return (assign_from(&b->b_port_window, f, i, bar));
	error = assign_from(high ? &b->b_mem64_window : &b->b_mem_window, f, i,
	    bar);
	if (error == EAGAIN && bar->pb_64)
		error = assign_from(high ? &b->b_mem_window :
		    &b->b_mem64_window, f, i, bar);
	return (error);
}

static void
assign_bar(struct walk *w, const struct pci_func *f, unsigned i,
    const struct pci_bar *bar, int error)
{
	char name[CLAIM_NAMELEN];

	if (error == 0)
		return;
	error = w->w_bridge == NULL ? assign_root(f, i, bar) :
	    assign_behind(w->w_bridge, f, i, bar);
	if (error == 0) {
		w->w_counts->n_assigned++;
		return;
	}
	w->w_counts->n_left++;
	name_bar(name, f, i);
	printf("%s: no %s of size 0x%jx for it%s: %s\n", name,
	    bar->pb_io ? "ports" : "memory", (uintmax_t)bar->pb_size,
	    w->w_bridge != NULL ? " behind its bridge" : "",
	    error == EAGAIN ? "none is left" : errno_name(error));
}

/*
 * The walks.
 */

static bool
claim_function(const struct pci_func *f, void *arg)
{
	struct walk *w = arg;

	w->w_counts->n_functions++;
	w->w_buses[f->pf_bus] = true;
	each_bar(w, f);
	return (false);
}

static bool
assign_function(const struct pci_func *f, void *arg)
{

	each_bar(arg, f);
	return (false);
}

/*
 * claim_window: what of a bridge's window no device behind it has.
 */
static void
claim_window(const struct pci_func *f, bool io, const struct bus_window *w)
{
	char name[CLAIM_NAMELEN];

	if (w->bw_first > w->bw_last ||
	    !passes(f, io ? PCI_COMMAND_IO : PCI_COMMAND_MEM))
		return;
	(void)snprintf(name, sizeof(name), PCI_CLAIM "window", f->pf_bus,
	    f->pf_dev, f->pf_func);
	(void)claim_rest(space(io), w->bw_first, w->bw_last, name);
}

/*
 * assign_inside: what lies behind a bridge, but for what lies behind bridges
 * there, which has its addresses.
 */
static bool
assign_inside(const struct pci_func *f, void *arg)
{
	struct walk w = *(struct walk *)arg;
	struct bus_window window;
	uint8_t behind;

	if (!pci_bus_behind(f, &behind))
		return (false);
	w.w_bridge = f;
	if (w.w_buses[behind])
		(void)pci_bus_walk(behind, assign_function, &w);
	w.w_buses[behind] = false;
	window = bridge_ports(f);
	claim_window(f, true, &window);
	window = bridge_memory(f);
	claim_window(f, false, &window);
	window = bridge_prefetch(f);
	claim_window(f, false, &window);
	return (false);
}

void
pci_configure(void)
{
	static bool done, buses[PCI_NBUS];
	struct counts n = { 0 };
	struct walk w = { &n, NULL, buses, claim_bar };
	unsigned bus;

	if (done || !pci_present())
		return;
	done = true;
	(void)pci_walk(claim_function, &w);
	w.w_bar = assign_bar;
	/* Behind a bridge are higher numbers than its bus has. */
	for (bus = PCI_NBUS; bus-- > 0;) {
		if (buses[bus])
			(void)pci_bus_walk((uint8_t)bus, assign_inside, &w);
	}
	(void)pci_bus_walk(0, assign_function, &w);
	printf("pci: %u functions; base address registers: %u claimed, %u "
	    "assigned, %u left out\n", n.n_functions, n.n_claimed, n.n_assigned,
	    n.n_left);
}
