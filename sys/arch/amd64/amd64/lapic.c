/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The local APIC (Intel 64 and IA-32 Architectures Software Developer's
 * Manual, volume 3, chapter "Advanced Programmable Interrupt Controller"):
 * messages between CPUs, and a timer that ends an idle CPU's HLT.  Of the
 * lines from outside, only the non-maskable interrupt gets through, to the
 * boot CPU: it shows where a kernel is that hangs.  From one CPU to another
 * it says that page tables have changed (tlb.c).
 */

#include <sys/machdep.h>
#include <sys/systm.h>

#include <machine/cpufunc.h>
#include <machine/lapic.h>
#include <machine/pmap.h>
#include <machine/specialreg.h>
#include <machine/trap.h>

/* Registers, by byte offset. */
#define	LAPIC_ID	0x020
#define	LAPIC_TPR	0x080
#define	LAPIC_SVR	0x0f0
#define	LAPIC_ICR_LOW	0x300
#define	LAPIC_ICR_HIGH	0x310
#define	LAPIC_LVT_TIMER	0x320
#define	LAPIC_LVT_LINT0	0x350
#define	LAPIC_LVT_LINT1	0x360
#define	LAPIC_TIMER_INITIAL 0x380
#define	LAPIC_TIMER_CURRENT 0x390
#define	LAPIC_TIMER_DIVIDE  0x3e0
#define	LAPIC_SIZE	0x400

#define	SVR_ENABLE	0x00000100
#define	LVT_NMI		0x00000400
#define	LVT_MASKED	0x00010000
#define	ICR_NMI		0x00004400
#define	ICR_INIT	0x00004500	/* INIT, level asserted */
#define	ICR_STARTUP	0x00004600
#define	ICR_PENDING	0x00001000
#define	DIVIDE_BY_16	0x3

#define	ICR_WAIT_USEC	100000
#define	IDLE_USEC	1000

#define	MEASURE_USEC	2000

/* The two 8259 interrupt controllers of a PC: their mask registers. */
#define	ICU1_MASK	0x21
#define	ICU2_MASK	0xa1

volatile char *lapic_base;	/* also for vector.S */
static uint32_t timer_per_msec;

static uint32_t
lapic_read(unsigned reg)
{

	return (*(volatile uint32_t *)(uintptr_t)(lapic_base + reg));
}

static void
lapic_write(unsigned reg, uint32_t v)
{

	*(volatile uint32_t *)(uintptr_t)(lapic_base + reg) = v;
}

uint32_t
lapic_id(void)
{

	return (lapic_read(LAPIC_ID) >> 24);
}

static void
lapic_map(void)
{
	uint64_t base = rdmsr(MSR_APICBASE);

	lapic_base = pmap_mapdev(base & APICBASE_PA, LAPIC_SIZE);
	if (lapic_base == NULL)
		panic("no mapping for the local APIC at 0x%jx",
		    (uintmax_t)(base & APICBASE_PA));
}

/*
 * timer_measure: how fast the timer counts.
 */
static void
timer_measure(void)
{
	uint64_t start, nsec, count;

	lapic_write(LAPIC_TIMER_INITIAL, UINT32_MAX);
	start = nanotime();
	delay(MEASURE_USEC);
	count = UINT32_MAX - lapic_read(LAPIC_TIMER_CURRENT);
	nsec = nanotime() - start;
	lapic_write(LAPIC_TIMER_INITIAL, 0);
	timer_per_msec = (uint32_t)(count * 1000000 / nsec);
	if (timer_per_msec == 0)
		panic("the local APIC's timer does not count");
}

void
lapic_init(void)
{
	bool first = lapic_base == NULL;

	if (first) {
		outb(ICU1_MASK, 0xff);
		outb(ICU2_MASK, 0xff);
		lapic_map();
	}
	wrmsr(MSR_APICBASE, rdmsr(MSR_APICBASE) | APICBASE_ENABLE);
	lapic_write(LAPIC_TPR, 0);
	lapic_write(LAPIC_SVR, SVR_ENABLE | TRAP_SPURIOUS);
	lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
	lapic_write(LAPIC_LVT_LINT1, first ? LVT_NMI : LVT_MASKED);
	lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_16);
	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED);
	if (first)
		timer_measure();
	lapic_write(LAPIC_LVT_TIMER, TRAP_TIMER);
}

static bool
icr_send(uint32_t apicid, uint32_t command)
{
	uint64_t end = nanotime() + ICR_WAIT_USEC * 1000ULL;

	lapic_write(LAPIC_ICR_HIGH, apicid << 24);
	lapic_write(LAPIC_ICR_LOW, command);
	while ((lapic_read(LAPIC_ICR_LOW) & ICR_PENDING) != 0) {
		if (nanotime() > end)
			return (false);
		cpu_pause();
	}
	return (true);
}

bool
lapic_send_init(uint32_t apicid)
{

	return (icr_send(apicid, ICR_INIT));
}

bool
lapic_send_startup(uint32_t apicid, uint8_t page)
{

	return (icr_send(apicid, ICR_STARTUP | page));
}

bool
lapic_send_nmi(uint32_t apicid)
{

	return (icr_send(apicid, ICR_NMI));
}

void
lapic_timer_start(unsigned usec)
{
	uint64_t count = (uint64_t)timer_per_msec * usec / 1000;

	lapic_write(LAPIC_TIMER_INITIAL, count == 0 ? 1 : (uint32_t)count);
}

/*
 * Interrupts are enabled for the HLT alone: STI takes effect after the
 * instruction that follows it, so the timer's interrupt cannot come between
 * the two and be missed.
 */
void
cpu_idle(void)
{

	lapic_timer_start(IDLE_USEC);
	__asm volatile("sti; hlt; cli" : : : "memory");
}
