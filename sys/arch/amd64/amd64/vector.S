/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Where the CPU goes on an exception or an interrupt.
 *
 * An exception builds a struct trapframe (machine/trap.h) and ends in
 * trap(), which does not return, but a non-maskable interrupt by which another
 * CPU says that page tables have changed.  The only other interrupts are those
 * of the local APIC: the timer, whose sole purpose is to end a HLT, and
 * spurious ones.
 */

	/* The addresses of the entries by vector number. */
	.section .rodata
	.p2align 3
	.globl	vector_exceptions
vector_exceptions:

	/*
	 * EXCEPTION: an entry.  The CPU pushes an error code for some vectors
	 * only; the others push a zero, so that all frames are alike.
	 */
	.macro	EXCEPTION vector, pushes_error
	.text
	.p2align 4
vector_\vector:
	.if	!\pushes_error
	pushq	$0
	.endif
	pushq	$\vector
	jmp	exception
	.section .rodata
	.quad	vector_\vector
	.endm

	EXCEPTION 0, 0
	EXCEPTION 1, 0
	.text
	.p2align 4
vector_2:				/* non-maskable interrupt */
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	cld
	call	tlb_nmi		/* these 9 and the CPU's 5 words align it */
	testb	%al, %al
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rax
	jz	1f
	iretq
1:	pushq	$0
	pushq	$2
	jmp	exception
	.section .rodata
	.quad	vector_2

	EXCEPTION 3, 0
	EXCEPTION 4, 0
	EXCEPTION 5, 0
	EXCEPTION 6, 0
	EXCEPTION 7, 0
	EXCEPTION 8, 1
	EXCEPTION 9, 0
	EXCEPTION 10, 1
	EXCEPTION 11, 1
	EXCEPTION 12, 1
	EXCEPTION 13, 1
	EXCEPTION 14, 1
	EXCEPTION 15, 0
	EXCEPTION 16, 0
	EXCEPTION 17, 1
	EXCEPTION 18, 0
	EXCEPTION 19, 0
	EXCEPTION 20, 0
	EXCEPTION 21, 1
	EXCEPTION 22, 0
	EXCEPTION 23, 0
	EXCEPTION 24, 0
	EXCEPTION 25, 0
	EXCEPTION 26, 0
	EXCEPTION 27, 0
	EXCEPTION 28, 0
	EXCEPTION 29, 1
	EXCEPTION 30, 1
	EXCEPTION 31, 0

	.text
	.p2align 4
exception:
	cld
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rbx
	pushq	%rbp
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, %rdi
	andq	$~15, %rsp
	call	trap
	ud2

	.globl	vector_timer
	.p2align 4
vector_timer:
	pushq	%rax
	movq	lapic_base, %rax
	movl	$0, 0xb0(%rax)		/* end of interrupt */
	popq	%rax
	iretq

	.globl	vector_spurious
	.p2align 4
vector_spurious:
	iretq

	.section .note.GNU-stack, "", @progbits
