/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Exceptions: descriptor tables, and the diagnosis.
 *
 * Nothing in this kernel faults on purpose, so each exception that gets here is
 * the end: one line that says what, where and with which address, and a
 * failure.  (A non-maskable interrupt may be a message: tlb.c.)  A stack
 * that ran over its guard page shows as a double fault, since the page fault
 * has no stack to run on; the double fault has, from the task state.
 */

#include <sys/km_map.h>
#include <sys/systm.h>

#include <machine/cpufunc.h>
#include <machine/trap.h>
#include <machine/vm_machdep.h>

#define	SEL_CODE	0x08
#define	SEL_DATA	0x10
#define	SEL_TSS(cpu)	(0x18 + 16 * (cpu))

#define	NGDT		(3 + 2 * VM_MAXCPU)	/* quadwords */
#define	NIDT		256
#define	FAULT_STACK	4096
#define	IST_DOUBLE	1
#define	VECTOR_DOUBLE	8
#define	VECTOR_PAGE	14

/* A gate and a task state (APM volume 2, sections 4.8.4 and 12.2.5). */
struct gate {
	uint16_t	g_offset0;
	uint16_t	g_selector;
	uint8_t		g_ist;
	uint8_t		g_type;
	uint16_t	g_offset16;
	uint32_t	g_offset32;
	uint32_t	g_zero;
};

struct tss {
	uint32_t	t_zero0;
	uint64_t	t_rsp[3];
	uint64_t	t_zero1;
	uint64_t	t_ist[7];
	uint64_t	t_zero2;
	uint16_t	t_zero3;
	uint16_t	t_iomap;
} __attribute__((packed));

struct table_register {
	uint16_t	r_limit;
	uint64_t	r_base;
} __attribute__((packed));

extern const uint64_t vector_exceptions[TRAP_NEXCEPTION];
extern const char vector_timer[], vector_spurious[];

static uint64_t gdt[NGDT] = {
	[SEL_CODE / 8] = 0x00af9a000000ffff,
	[SEL_DATA / 8] = 0x00cf92000000ffff,
};
static struct gate idt[NIDT];
static struct tss tss[VM_MAXCPU];
static char fault_stack[VM_MAXCPU][FAULT_STACK] __attribute__((aligned(16)));

static const char *const exception_name[TRAP_NEXCEPTION] = {
	[0] = "divide error",
	[1] = "debug exception",
	[2] = "non-maskable interrupt",
	[3] = "breakpoint",
	[4] = "overflow",
	[5] = "bound exceeded",
	[6] = "invalid instruction",
	[7] = "no coprocessor",
	[VECTOR_DOUBLE] = "double fault",
	[10] = "invalid task state",
	[11] = "segment or gate not present",
	[12] = "stack fault",
	[13] = "general protection fault",
	[VECTOR_PAGE] = "page fault",
	[16] = "floating-point error",
	[17] = "alignment check",
	[18] = "machine check",
	[19] = "SIMD error",
};

_Noreturn void
trap(const struct trapframe *tf)
{
	const char *name = exception_name[tf->tf_vector % TRAP_NEXCEPTION];
	char where[80] = "";

	/* What km_map(9) knows of the address. */
	if (tf->tf_vector == VECTOR_PAGE)
		(void)km_map_fault((const void *)rcr2(), where,
		    sizeof(where));
	panic("trap %ju (%s) on cpu %u: error 0x%jx rip 0x%jx rsp 0x%jx"
	    " cr2 0x%jx%s%s", (uintmax_t)tf->tf_vector,
	    name == NULL ? "reserved" : name, cpu_number(),
	    (uintmax_t)tf->tf_error, (uintmax_t)tf->tf_rip,
	    (uintmax_t)tf->tf_rsp, (uintmax_t)rcr2(),
	    where[0] == '\0' ? "" : ": ", where);
}

static void
gate_set(unsigned vector, uint64_t handler, uint8_t ist)
{

	idt[vector] = (struct gate) {
		.g_offset0 = (uint16_t)handler,
		.g_selector = SEL_CODE,
		.g_ist = ist,
		.g_type = 0x8e,		/* interrupt gate, present */
		.g_offset16 = (uint16_t)(handler >> 16),
		.g_offset32 = (uint32_t)(handler >> 32),
	};
}

static void
idt_fill(void)
{
	unsigned v;

	for (v = 0; v < TRAP_NEXCEPTION; v++) {
		gate_set(v, vector_exceptions[v],
		    v == VECTOR_DOUBLE ? IST_DOUBLE : 0);
	}
	gate_set(TRAP_TIMER, (uintptr_t)vector_timer, 0);
	gate_set(TRAP_SPURIOUS, (uintptr_t)vector_spurious, 0);
}

static void
tss_set(uint32_t cpu)
{
	uint64_t base = (uintptr_t)&tss[cpu];
	uint64_t *desc = &gdt[SEL_TSS(cpu) / 8];

	tss[cpu].t_ist[IST_DOUBLE - 1] =
	    (uintptr_t)fault_stack[cpu] + FAULT_STACK;
	tss[cpu].t_iomap = sizeof(tss[cpu]);

	/* A descriptor's base is in three pieces and a second quadword. */
	desc[0] = (sizeof(tss[cpu]) - 1) | (base & 0xffffff) << 16 |
	    0x89ULL << 40 | (base >> 24 & 0xff) << 56;
	desc[1] = base >> 32;
}

void
trap_init(uint32_t cpu)
{
	struct table_register gdtr = { sizeof(gdt) - 1, (uintptr_t)gdt };
	struct table_register idtr = { sizeof(idt) - 1, (uintptr_t)idt };

	if (cpu == 0)
		idt_fill();
	tss_set(cpu);

	/* Loading CS takes a far return; the others a plain move. */
	__asm volatile(
	    "lgdt %0\n\t"
	    "pushq %1\n\t"
	    "leaq 1f(%%rip), %%rax\n\t"
	    "pushq %%rax\n\t"
	    "lretq\n"
	    "1:\tmovl %2, %%ds\n\t"
	    "movl %2, %%es\n\t"
	    "movl %2, %%ss\n\t"
	    "lidt %3\n\t"
	    "ltr %w4"
	    : : "m" (gdtr), "i" (SEL_CODE), "r" (SEL_DATA), "m" (idtr),
	    "r" (SEL_TSS(cpu)) : "rax", "memory");
}
