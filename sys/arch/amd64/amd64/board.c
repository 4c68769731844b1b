/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What of a PC's ports and addresses is taken before drivers look for their
 * devices, and where there is room for PCI devices.
 *
 * Sources: [AT] IBM Personal Computer AT Technical Reference, "I/O address
 * map"; [PCI] PCI Local Bus Specification, revision 3.0, section 3.2.2.3.2;
 * [MP] Intel MultiProcessor Specification 1.4, section 3.
 */

#include <sys/systm.h>

#include <machine/bootinfo.h>

#include <dev/bus.h>

struct board_port {
	uint16_t	bp_first;
	uint16_t	bp_size;
	const char	*bp_who;
};

static const struct board_port board_ports[] = {
	{ 0x00, 0x10, "dma1" },
	{ 0x20, 0x02, "pic1" },
	{ 0x40, 0x04, "timer" },
	{ 0x61, 0x01, "timer gate" },
	{ 0x70, 0x02, "cmos" },
	{ 0x80, 0x10, "dma pages" },
	{ 0xa0, 0x02, "pic2" },
	{ 0xc0, 0x20, "dma2" },
	{ 0xf4, 0x01, "exit" },		/* QEMU's isa-debug-exit */
	{ 0x3f8, 0x08, "com0" },
	{ 0xcf8, 0x08, "pci" },
};

#define	MB		((exaddr_t)1 << 20)
#define	GB		((exaddr_t)1 << 30)

#define	ISA_END		(1 * MB)
#define	PCI_END		0xfec00000	/* [MP]: I/O APICs and what follows */
#define	FOUR_GB		(4 * GB)

/*
 * Firmware hides parts of memory from its end downwards; they end at a
 * multiple of this.
 */
#define	LOW_ROUND	(64 * MB)
#define	HIGH_ROUND	GB

/* Below lie ports of chipsets that no register of theirs tells of. */
#define	PORTS_FIRST	0xc000
#define	PORTS_LAST	0xffff

/*
 * Widths of addresses: AMD64 Architecture Programmer's Manual, volume 3,
 * appendix E.4.7, "Long Mode Size Identifiers".
 */
#define	CPUID_MAX	0x80000000U
#define	CPUID_WIDTHS	0x80000008U
#define	WIDTH_LEAST	36

static uint32_t
cpuid_eax(uint32_t function)
{
	uint32_t eax = function, ebx, ecx = 0, edx;

	__asm volatile("cpuid" : "+a" (eax), "=b" (ebx), "+c" (ecx),
	    "=d" (edx));
	return (eax);
}

static exaddr_t
last_address(void)
{
	uint32_t width = WIDTH_LEAST;

	if (cpuid_eax(CPUID_MAX) >= CPUID_WIDTHS)
		width = cpuid_eax(CPUID_WIDTHS) & 0xff;
	if (width < WIDTH_LEAST || width > VM_PADDR_BITS)
		width = WIDTH_LEAST;
	return (((exaddr_t)1 << width) - 1);
}

/*
 * claim_memrange: the firmware's list may have the same address twice, and
 * addresses that cannot be.
 */
static void
claim_memrange(struct bus *b, const struct vm_memrange *r, const char *who)
{
	const exaddr_t end = b->b_memory.cl_extent->ex_end;
	exaddr_t last = r->vmr_start + (r->vmr_size - 1);

	if (r->vmr_size == 0 || r->vmr_start > end)
		return;
	if (last < r->vmr_start || last > end)
		last = end;
	(void)claim_rest(&b->b_memory, r->vmr_start, last, who);
}

/*
 * round_up: the next multiple of n, a power of two.
 */
static exaddr_t
round_up(exaddr_t at, exaddr_t n)
{

	return ((at + (n - 1)) & ~(n - 1));
}

/*
 * claim_memory: all memory, and what the firmware keeps.  The windows begin
 * behind the memory below 4 GiB, and behind all of it.
 */
static void
claim_memory(struct bus *b)
{
	const struct vm_memrange *usable;
	struct vm_memrange r;
	exaddr_t low = 0, high = FOUR_GB, end;
	unsigned i, n;

	usable = bootinfo_usable(&n);
	for (i = 0; i < n; i++) {
		claim_memrange(b, &usable[i], "memory");
		end = usable[i].vmr_start + usable[i].vmr_size;
		if (end <= FOUR_GB && end > low)
			low = end;
		if (end > high)
			high = end;
	}
	for (i = 0; bootinfo_excluded(i, &r); i++)
		claim_memrange(b, &r, "firmware");
	(void)claim_rest(&b->b_memory, 0, ISA_END - 1, "isa");
	(void)claim_rest(&b->b_memory, PCI_END, FOUR_GB - 1, "board");
	b->b_mem_window.bw_first = round_up(low, LOW_ROUND);
	b->b_mem_window.bw_last = PCI_END - 1;
	b->b_mem64_window.bw_first = round_up(high, HIGH_ROUND);
	b->b_mem64_window.bw_last = last_address();
}

void
machdep_bus(struct bus *b)
{
	const struct board_port *p;

	for (p = board_ports; p < board_ports + NITEMS(board_ports); p++)
		(void)claim_region(&b->b_ports, p->bp_first, p->bp_size,
		    p->bp_who);
	b->b_port_window.bw_first = PORTS_FIRST;
	b->b_port_window.bw_last = PORTS_LAST;
	claim_memory(b);
}
