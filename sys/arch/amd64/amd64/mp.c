/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * CPUs: their records and stacks, and how the others are started.
 *
 * A CPU is started by an INIT message and one or two start-up messages to its
 * local APIC (Intel, "MultiProcessor Specification" 1.4, appendix B.4), which
 * make it run the trampoline of locore.S in real mode.  One CPU is started
 * after the other, so that they need no lock to find their stack and number:
 * mp_stack and mp_starting are those of the one that comes next.  A CPU that
 * does not answer in time ends the starting: it might still come late, and
 * its stack and number stay its own.
 */

#include <stdatomic.h>

#include <sys/machdep.h>
#include <sys/smp.h>
#include <sys/systm.h>

#include <machine/acpi.h>
#include <machine/bootinfo.h>
#include <machine/cpu.h>
#include <machine/cpufunc.h>
#include <machine/lapic.h>
#include <machine/mp.h>
#include <machine/pmap.h>
#include <machine/specialreg.h>
#include <machine/tlb.h>
#include <machine/trap.h>

#include <vm/vm_physseg.h>

#define	STACK_SIZE	(16 * 1024)

#define	TRAMPOLINE	0x8000	/* where: a page below 1 MiB */

#define	INIT_USEC	10000	/* after INIT, as the specification has it */
#define	STARTUP_USEC	20000	/* then a second start-up message */
#define	ONLINE_USEC	5000000	/* then it does not answer */

struct cpu_stack {
	char	s_guard[VM_PAGE_SIZE];
	char	s_stack[STACK_SIZE];
};

extern const char mp_trampoline[], mp_trampoline_end[];

static struct cpu_info cpu_infos[VM_MAXCPU];
static struct cpu_stack cpu_stacks[VM_MAXCPU]
    __attribute__((aligned(VM_PAGE_SIZE)));

char *const cpu_boot_stack = cpu_stacks[0].s_stack + STACK_SIZE;
char *mp_stack;
static uint32_t mp_starting;
static uint32_t mp_apicids[VM_MAXCPU];	/* of those that were started */
static _Atomic uint32_t mp_online;	/* highest number that answered */

static void
cpu_attach(uint32_t cpu)
{
	struct cpu_info *ci = &cpu_infos[cpu];

	ci->ci_self = ci;
	ci->ci_number = cpu;
	trap_init(cpu);		/* loads segment registers, so it comes first */
	wrmsr(MSR_GSBASE, (uintptr_t)ci);
}

void
mp_attach_boot_cpu(void)
{

	cpu_attach(0);
}

void
mp_guard_stacks(void)
{
	unsigned i;

	for (i = 0; i < VM_MAXCPU; i++)
		pmap_unmap_guard(cpu_stacks[i].s_guard);
}

void
mp_trampoline_range(paddr_t *start, psize_t *size)
{

	*start = TRAMPOLINE;
	*size = (psize_t)(mp_trampoline_end - mp_trampoline);
}

_Noreturn void
mp_cpu_start(void)
{

	cpu_attach(mp_starting);
	lapic_init();
	atomic_store(&mp_online, cpu_number());
	tlb_attach();
	smp_cpu_main();
}

uint32_t
mp_cpus(void)
{

	return ((2U << atomic_load(&mp_online)) - 1);
}

uint32_t
mp_apicid(uint32_t cpu)
{

	return (mp_apicids[cpu]);
}

static bool
wait_online(uint32_t cpu, unsigned usec)
{
	uint64_t end = nanotime() + usec * 1000ULL;

	while (atomic_load(&mp_online) != cpu) {
		if (nanotime() > end)
			return (false);
		cpu_pause();
	}
	return (true);
}

static bool
cpu_start(uint32_t cpu, uint32_t apicid)
{
	const uint8_t page = TRAMPOLINE >> PAGE_SHIFT;

	mp_stack = cpu_stacks[cpu].s_stack + STACK_SIZE;
	mp_starting = cpu;
	mp_apicids[cpu] = apicid;
	mfence();
	if (!lapic_send_init(apicid))
		return (false);
	delay(INIT_USEC);
	if (!lapic_send_startup(apicid, page))
		return (false);
	if (wait_online(cpu, STARTUP_USEC))
		return (true);
	return (lapic_send_startup(apicid, page) &&
	    wait_online(cpu, ONLINE_USEC));
}

/*
 * start_listed: start the CPUs of a list but this one.  => how many run.
 */
static unsigned
start_listed(const uint32_t *ids, unsigned nids, unsigned max)
{
	unsigned i, n = 1;

	mp_apicids[0] = lapic_id();
	for (i = 0; i < nids && n < max; i++) {
		if (ids[i] == lapic_id())
			continue;
		if (!cpu_start(n, ids[i])) {
			printf("cpu%u: apic id %u does not answer\n", n,
			    ids[i]);
			break;
		}
		n++;
	}
	return (n);
}

/*
 * trampoline_usable: nobody but we may hold the trampoline's page.
 */
static bool
trampoline_usable(void)
{

	return (vm_physseg_managed(vm_atop(TRAMPOLINE),
	    vm_atop(TRAMPOLINE) + 1));
}

static unsigned
start_cpus(unsigned max)
{
	uint32_t ids[VM_MAXCPU + 1];
	const char *why;
	unsigned found, started;

	found = acpi_cpus(bootinfo_rsdp(), ids, NITEMS(ids), &why);
	if (found == 0) {
		printf("cpus: 1 (ACPI: %s)\n", why);
		return (1);
	}
	if (!trampoline_usable()) {
		printf("cpus: 1 of %u (no memory at 0x%x to start others)\n",
		    found, TRAMPOLINE);
		return (1);
	}
	memcpy(pmap_phystov(TRAMPOLINE), mp_trampoline,
	    (size_t)(mp_trampoline_end - mp_trampoline));
	started = start_listed(ids,
	    found < NITEMS(ids) ? found : (unsigned)NITEMS(ids), max);
	printf("cpus: %u of %u\n", started, found);
	return (started);
}

unsigned
machdep_start_cpus(unsigned max)
{
	unsigned n;

	n = start_cpus(max < VM_MAXCPU ? max : VM_MAXCPU);
	pmap_forget_identity();
	return (n);
}
