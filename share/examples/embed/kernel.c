/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * A kernel that embeds sys/vm.  QEMU starts it by the PVH entry: in 32-bit
 * mode, without paging (Xen, docs/misc/pvh.pandoc).
 */

#include <vm/vm_audit.h>
#include <vm/vm_pglist.h>
#include <vm/vm_physseg.h>

__asm__(".section .note.PVH, \"a\", @note\n"
    "	.long	4, 4, 18\n"		/* XEN_ELFNOTE_PHYS32_ENTRY */
    "	.asciz	\"Xen\"\n"
    "	.long	start\n"
    "	.text; .globl start\n"
    "start:	cld\n"
    "	movl	$stack + 16384, %esp\n"
    "	pushl	%ebx\n"			/* the start information */
    "	call	kernel_main\n");
char stack[16384] __attribute__((aligned(16), used));

extern char _end[];			/* from the linker */

struct start_info {
	uint32_t si_magic, si_version, si_unused[8];
	uint64_t si_map;
	uint32_t si_nmap;
};

struct start_range {
	uint64_t sr_start, sr_size;
	uint32_t sr_type, sr_unused;	/* type 1: memory */
};

#define	NRANGES		32

static void
outb(uint16_t port, uint8_t value)
{

	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

/* QEMU's isa-debug-exit ends with status 2 * value + 1. */
_Noreturn void
kernel_exit(int status)
{

	outb(0xf4, (uint8_t)(16 + status));
	for (;;)
		continue;
}

/* To the first serial line, which QEMU never makes wait. */
static void
print(const char *s, uint32_t v)
{
	int shift;

	for (; *s != '\0'; s++)
		outb(0x3f8, (uint8_t)*s);
	for (shift = 28; shift >= 0; shift -= 4)
		outb(0x3f8, (uint8_t)"0123456789abcdef"[v >> shift & 15]);
	outb(0x3f8, '\n');
}

_Noreturn void
kernel_main(const struct start_info *si)
{
	const struct start_range *map = (void *)(uintptr_t)si->si_map;
	struct vm_memrange usable[NRANGES], taken[NRANGES + 1];
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(16 << 10);
	unsigned i, nusable = 0, ntaken = 0, nsegs;
	struct vm_pgseg seg;
	struct vm_audit va;

	/* The firmware's data lies below the kernel. */
	taken[ntaken++] = (struct vm_memrange){ 0, (uintptr_t)_end };
	for (i = 0; i < si->si_nmap && i < NRANGES; i++) {
		struct vm_memrange r = { map[i].sr_start, map[i].sr_size };

		if (map[i].sr_type == 1)
			usable[nusable++] = r;
		else
			taken[ntaken++] = r;
	}
	if (vm_physmem_load(usable, nusable, taken, ntaken) != 0)
		kernel_exit(2);

	/* sys/vm runs; a driver of the floppy disk wants a buffer. */
	req.vpr_align = 8 << 10;
	req.vpr_boundary = 64 << 10;
	req.vpr_high = 16 << 20;
	req.vpr_policy = VM_POLICY_HIGHEST;
	req.vpr_owner = vm_owner_register("floppy");
	if (vm_pglist_alloc(&req, &seg, &nsegs) != 0)
		kernel_exit(3);
	print("buffer at 0x", (uint32_t)seg.vps_start);
	if (vm_pglist_free(seg.vps_start, seg.vps_size) != 0 ||
	    vm_pglist_free(seg.vps_start, seg.vps_size) != EALREADY ||
	    !vm_audit(&va))
		kernel_exit(4);
	print("free pages 0x", (uint32_t)va.va_free);
	kernel_exit(0);
}
