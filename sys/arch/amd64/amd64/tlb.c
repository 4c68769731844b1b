/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Translations that CPUs remember, and how all of them forget one.
 *
 * The other CPUs are told by a non-maskable interrupt: this kernel works with
 * interrupts disabled, and a CPU that spins for a lock that the caller holds
 * would never hear of any other.  The handler looks at one word and reloads
 * its page tables or single translations; it takes no lock and calls nothing.
 *
 * One message is under way at a time.  The word has a bit for each CPU that
 * has not answered; a CPU that comes to the handler without its bit set got
 * its interrupt from elsewhere, which is what the exception of that vector is
 * about.  Should one of each come, the handler finds the bit set the first time
 * and not the second, and the one from elsewhere is not lost; unless the second
 * comes before the CPU has taken the first, for it remembers only one.
 *
 * A CPU that starts says first that it is there, and forgets everything then;
 * who invalidates changes the tables first, and looks then who is there.  So
 * either the CPU is told, or what it remembers is of after the change.
 */

#include <stdatomic.h>

#include <sys/systm.h>

#include <machine/cpufunc.h>
#include <machine/lapic.h>
#include <machine/mp.h>
#include <machine/tlb.h>
#include <machine/vm_machdep.h>

#define	PAGE_SIZE	(1ULL << PAGE_SHIFT)
#define	SINGLE_MAX	16	/* more pages than that: forget all */
#define	ANSWER_NSEC	30000000000ULL	/* an emulated CPU may be slow */

_Static_assert(VM_MAXCPU <= 32, "a bit a CPU");

static struct vm_md_lock tlb_lock;	/* the following */
static uint64_t tlb_va, tlb_size;	/* the message */
static _Atomic uint32_t tlb_unanswered;

/* Forget, on this CPU.  No global pages are in use: CR3 covers all. */
static void
forget(uint64_t va, uint64_t size)
{
	uint64_t at;

	if (size > SINGLE_MAX * PAGE_SIZE) {
		lcr3(rcr3());
		return;
	}
	for (at = va; at < va + size; at += PAGE_SIZE)
		invlpg((const void *)at);
}

bool
tlb_nmi(void)
{
	uint32_t self = 1U << cpu_number();

	if ((atomic_load(&tlb_unanswered) & self) == 0)
		return (false);
	forget(tlb_va, tlb_size);
	atomic_fetch_and(&tlb_unanswered, ~self);
	return (true);
}

void
tlb_attach(void)
{

	lcr3(rcr3());
}

static void
others_tell(uint32_t cpus)
{
	uint64_t end;
	uint32_t cpu;

	atomic_store(&tlb_unanswered, cpus);
	for (cpu = 0; cpu < VM_MAXCPU; cpu++) {
		if ((cpus >> cpu & 1) != 0 &&
		    !lapic_send_nmi(mp_apicid(cpu)))
			panic("cpu%u cannot be interrupted", cpu);
	}
	end = nanotime() + ANSWER_NSEC;
	while (atomic_load(&tlb_unanswered) != 0) {
		if (nanotime() > end)
			panic("cpus 0x%x do not answer",
			    atomic_load(&tlb_unanswered));
		cpu_pause();
	}
}

void
tlb_invalidate(uint64_t va, uint64_t size)
{
	vm_md_intr_t s = vm_md_intr_disable();
	uint32_t others;

	vm_md_lock(&tlb_lock);
	mfence();		/* the tables are changed before we look */
	others = mp_cpus() & ~(1U << cpu_number());
	tlb_va = va;
	tlb_size = size;
	forget(va, size);
	if (others != 0)
		others_tell(others);
	vm_md_unlock(&tlb_lock);
	vm_md_intr_restore(s);
}

void
tlb_invalidate_all(void)
{

	tlb_invalidate(0, UINT64_MAX);
}
