/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * PCI configuration space of a PC.
 */

#ifndef _DEV_PCI_PCI_H_
#define	_DEV_PCI_PCI_H_

#include <stdbool.h>
#include <stdint.h>

#include <sys/bus_dma.h>

#include <vm/vm_types.h>

#define	PCI_NBUS		256

/* The claims of a function's addresses have this name, and what they are. */
#define	PCI_CLAIM		"pci %u:%u.%u "

/* A function of a device. */
struct pci_func {
	uint8_t		pf_bus;
	uint8_t		pf_dev;		/* 0 to 31 */
	uint8_t		pf_func;	/* 0 to 7 */
};

/*
 * Registers of the configuration header: PCI Local Bus Specification 3.0,
 * section 6.1, figure 6-1; of bridges: PCI-to-PCI Bridge Architecture
 * Specification 1.2, section 3.2.
 */
#define	PCI_ID			0x00	/* vendor, device << 16 */
#define	PCI_COMMAND		0x04	/* command, status << 16 */
#define	 PCI_COMMAND_IO		0x0001
#define	 PCI_COMMAND_MEM	0x0002
#define	 PCI_COMMAND_MASTER	0x0004
#define	PCI_CLASS		0x08	/* revision, class << 8 */
#define	PCI_HEADER		0x0c	/* header type << 16 */
#define	PCI_BAR(i)		(0x10 + 4 * (i))
#define	PCI_NBAR		6	/* header type 0 */
#define	PCI_BRIDGE_NBAR		2	/* header type 1 */
#define	PCI_BRIDGE_BUSES	0x18	/* primary bus, secondary << 8 */
#define	PCI_BRIDGE_IO		0x1c	/* base, limit << 8: bits 15-12 */
#define	PCI_BRIDGE_MEM		0x20	/* base, limit << 16: bits 31-20 */
#define	PCI_BRIDGE_PREF		0x24	/* the same, prefetchable */
#define	PCI_BRIDGE_PREF_BASE	0x28	/* its upper 32 bits */
#define	PCI_BRIDGE_PREF_LIMIT	0x2c
#define	PCI_BRIDGE_IO_UPPER	0x30	/* base, limit << 16: bits 31-16 */
#define	 PCI_BRIDGE_WIDE	0x1	/* in PREF and IO: there are those */

/* A base address register: what it decodes. */
struct pci_bar {
	uint64_t	pb_base;
	uint64_t	pb_size;
	bool		pb_io;		/* ports, not memory */
	bool		pb_64;		/* with the next register */
	bool		pb_prefetch;
};

/*
 * pci_present: does the machine have configuration mechanism #1?
 * pci_read, pci_write: 32 bits of configuration space; reg is a multiple of
 * 4 below 256.  What is not there reads as all ones.
 */
bool	pci_present(void);
uint32_t pci_read(const struct pci_func *, unsigned reg);
void	pci_write(const struct pci_func *, unsigned reg, uint32_t value);

/*
 * pci_bus_walk: call a function for each function on a bus, until it returns
 * true.  => was there one?
 * pci_walk: the same for all buses that bridges lead to, in the order of their
 * numbers, each of them once.
 * pci_bus_behind: the bus behind a bridge.  => false: it is none, firmware has
 * not set it up, or it leads back.
 */
bool	pci_bus_walk(uint8_t bus, bool (*)(const struct pci_func *, void *),
	    void *);
bool	pci_walk(bool (*)(const struct pci_func *, void *), void *);
bool	pci_bus_behind(const struct pci_func *, uint8_t *bus);

/*
 * pci_find: the first function with these identifiers, as pci_walk() goes.
 * The first call configures all devices.
 * => false: there is none.
 */
bool	pci_find(uint16_t vendor, uint16_t device, struct pci_func *);

/*
 * pci_find_class: the same by base class << 16, subclass << 8 and programming
 * interface.
 */
bool	pci_find_class(uint32_t class, struct pci_func *);

/*
 * pci_configure: claim, for every device, the ports and addresses that
 * firmware gave it, and give some to those that have none; what cannot be is
 * said on the console.  A second call does nothing.
 */
void	pci_configure(void);

/*
 * pci_nbar: the number of base address registers of a function.
 * pci_bar_read: what base address register i decodes.  The device does not
 * decode anything for a moment.
 * => 0; EINVAL: no such register; ENXIO: it is not implemented; EIO: it has no
 *    address yet (the rest of *bar is right).
 * pci_bar_write: change its address, a multiple of its size.
 * => 0; EINVAL, also: not such an address; ENXIO; EIO: the device does not
 *    take it.
 */
unsigned pci_nbar(const struct pci_func *);
int	pci_bar_read(const struct pci_func *, unsigned i, struct pci_bar *);
int	pci_bar_write(const struct pci_func *, unsigned i, uint64_t base);

/*
 * pci_mapdev: pmap_mapdev() for registers of a function, unless memory is
 * there, or another device: to use them would be to change those.
 * => NULL: they cannot be mapped.
 *
 * pci_map_bar: map the memory of a base address register, at most its first
 * most bytes, and let the device decode it.  Such a mapping is never undone.
 * => 0; ENODEV: it has less than least bytes, or no memory; ENOMEM: it cannot
 *    be mapped; after one line on the console that begins with name.
 */
void	*pci_mapdev(const struct pci_func *, paddr_t, psize_t size);
int	pci_map_bar(const struct pci_func *, unsigned i, uint64_t least,
	    uint64_t most, const char *name, volatile uint8_t **regs);

/*
 * pci_dma_tag: the tag of which a function's own must be a child.  What an I/O
 * MMU stands before reaches just what is loaded with those.
 * => NULL: there is no I/O MMU.
 * => one CPU at a time, when drivers attach.
 *
 * pci_requester: as whose the function's requests reach the first bus: its
 * own, or those of a bridge to a conventional bus.
 */
bus_dma_tag_t pci_dma_tag(const struct pci_func *);
void	pci_requester(const struct pci_func *, struct pci_func *requester);

/*
 * pci_enable, pci_disable: set or clear PCI_COMMAND_* bits.
 */
void	pci_enable(const struct pci_func *, uint16_t bits);
void	pci_disable(const struct pci_func *, uint16_t bits);

#endif /* !_DEV_PCI_PCI_H_ */
