/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The first instructions, on the boot CPU and on every other one.
 *
 * The boot CPU arrives by the x86/HVM direct boot ABI ("PVH"; Xen,
 * docs/misc/pvh.pandoc): 32-bit protected mode, flat segments, no paging, the
 * physical address of the start information in EBX.  The loader finds the
 * entry by an ELF note.  The other CPUs arrive in real mode, at a page below
 * 1 MiB to which mp.c copied the trampoline.
 *
 * All of them go to 64-bit mode on one set of page tables, laid out here at
 * assembly time, so that no code has to build them:
 *
 *	0			the first 4 GiB, for the moment in which code
 *				still runs at its physical address
 *	PMAP_DIRECT		the same, never executable
 *	PMAP_KERNBASE		the first 8 MiB: the kernel
 *
 * pmap.c refines them later.
 */

#include <machine/pmap.h>
#include <machine/pte.h>
#include <machine/specialreg.h>

#define	PHYS(sym)	((sym) - PMAP_KERNBASE)

#define	SEL_CODE32	0x08		/* in the GDTs of this file */
#define	SEL_CODE64	0x10
#define	SEL_DATA	0x18

	.section .note.PVH, "a", @note
	.p2align 2
	.long	4			/* length of the name */
	.long	8			/* length of the value */
	.long	18			/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.quad	PHYS(start)

	/*
	 * The boot CPU.
	 */
	.section .text.start, "ax"
	.code32
	.globl	start
start:
	cli
	cld
	movl	%ebx, %esi		/* start information; CPUID uses EBX */

	movl	$0x80000000, %eax
	cpuid
	cmpl	$0x80000001, %eax
	jb	unfit
	movl	$0x80000001, %eax
	cpuid
	andl	$(CPUID_LM | CPUID_NX), %edx
	cmpl	$(CPUID_LM | CPUID_NX), %edx
	jne	unfit

	lgdt	PHYS(boot_gdtr)
	movl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$PHYS(pmap_l4), %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$(EFER_LME | EFER_NXE), %eax
	wrmsr
	movl	$(CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_PE), %eax
	movl	%eax, %cr0
	ljmpl	$SEL_CODE64, $PHYS(start64)

	.code64
start64:
	movabsq	$start_high, %rax
	jmp	*%rax
start_high:
	lgdt	boot_gdtr_high
	movl	$SEL_DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs

	/*
	 * The loader cleared .bss; but firmware that runs between it and us
	 * may have used what it took for free memory.
	 */
	movq	$kernel_bss, %rdi
	movq	$kernel_end, %rcx
	subq	%rdi, %rcx
	shrq	$3, %rcx
	rep stosq

	movq	cpu_boot_stack, %rsp
	xorl	%ebp, %ebp		/* the end of a chain of frames */
	movl	%esi, %edi
	call	amd64_init
	ud2

	/*
	 * A CPU that cannot run the kernel: say so on COM1, as the firmware
	 * left it, and leave.
	 */
	.code32
unfit:
	movl	$PHYS(unfit_message), %esi
	movw	$0x3f8, %dx
1:	lodsb
	testb	%al, %al
	jz	2f
	outb	%al, %dx
	jmp	1b
2:	movb	$0x11, %al		/* see kernel_exit() */
	outb	%al, $0xf4
3:	hlt
	jmp	3b

	/*
	 * The trampoline: the other CPUs.  It runs wherever mp.c put it, so
	 * it addresses its own data by the code segment that the start-up
	 * interrupt gave it, and everything else by absolute addresses.
	 */
	.section .rodata
	.globl	mp_trampoline, mp_trampoline_end
	.code16
mp_trampoline:
	cli
	cld
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	tramp_gdtr - mp_trampoline
	movl	$(CR0_NE | CR0_MP | CR0_PE), %eax
	movl	%eax, %cr0
	ljmpl	$SEL_CODE32, $PHYS(tramp32)
	.p2align 2
tramp_gdtr:
	.word	boot_gdt_end - boot_gdt - 1
	.long	PHYS(boot_gdt)
mp_trampoline_end:

	.section .text.start, "ax"
	.code32
tramp32:
	movl	$SEL_DATA, %eax
	movl	%eax, %ds
	movl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$PHYS(pmap_l4), %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$(EFER_LME | EFER_NXE), %eax
	wrmsr
	movl	$(CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_PE), %eax
	movl	%eax, %cr0
	ljmpl	$SEL_CODE64, $PHYS(tramp64)

	.code64
tramp64:
	movabsq	$tramp_high, %rax
	jmp	*%rax
tramp_high:
	lgdt	boot_gdtr_high
	movl	$SEL_DATA, %eax
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movq	mp_stack, %rsp		/* mp.c starts one CPU at a time */
	xorl	%ebp, %ebp
	call	mp_cpu_start
	ud2

	.section .rodata
unfit_message:
	.asciz	"extant: this CPU has no 64-bit mode with NX\r\n"

	.p2align 3
boot_gdt:
	.quad	0
	.quad	0x00cf9a000000ffff	/* SEL_CODE32 */
	.quad	0x00af9a000000ffff	/* SEL_CODE64 */
	.quad	0x00cf92000000ffff	/* SEL_DATA */
boot_gdt_end:
boot_gdtr:
	.word	boot_gdt_end - boot_gdt - 1
	.long	PHYS(boot_gdt)
boot_gdtr_high:
	.word	boot_gdt_end - boot_gdt - 1
	.quad	boot_gdt

	/*
	 * The page tables.
	 */
#define	TABLE	(PTE_P | PTE_W)
#define	LARGE	(PTE_P | PTE_W | PTE_PS | PTE_A | PTE_D)

	.section .data.pagetables, "aw"
	.p2align 12
	.globl	pmap_l4, pmap_kernel_l3, pmap_kernel_l2, pmap_direct_l3
pmap_l4:
	.quad	PHYS(pmap_direct_l3) + TABLE
	.fill	255, 8, 0
	.quad	PHYS(pmap_direct_l3) + TABLE + PTE_NX
	.fill	254, 8, 0
	.quad	PHYS(pmap_kernel_l3) + TABLE

pmap_direct_l3:
	.quad	PHYS(direct_l2) + TABLE
	.quad	PHYS(direct_l2) + 0x1000 + TABLE
	.quad	PHYS(direct_l2) + 0x2000 + TABLE
	.quad	PHYS(direct_l2) + 0x3000 + TABLE
	.fill	508, 8, 0

direct_l2:
	.set	pa, 0
	.rept	2048
	.quad	pa + LARGE
	.set	pa, pa + 0x200000
	.endr

pmap_kernel_l3:
	.fill	510, 8, 0
	.quad	PHYS(pmap_kernel_l2) + TABLE
	.quad	0			/* device mappings: pmap.c */

pmap_kernel_l2:
	.quad	0x000000 + LARGE
	.quad	0x200000 + LARGE
	.quad	0x400000 + LARGE
	.quad	0x600000 + LARGE
	.fill	508, 8, 0

	.section .note.GNU-stack, "", @progbits
