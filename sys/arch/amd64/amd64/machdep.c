/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The port as the machine-independent kernel sees it: the way from the first
 * C function to kernel_main(), the memory of a PC, and the way out.
 */

#include <sys/machdep.h>
#include <sys/systm.h>

#include <machine/bootinfo.h>
#include <machine/clock.h>
#include <machine/cons.h>
#include <machine/cpufunc.h>
#include <machine/lapic.h>
#include <machine/machdep.h>
#include <machine/mp.h>
#include <machine/pmap.h>

#include <vm/vm_bootstrap.h>

/*
 * QEMU's isa-debug-exit device: writing v ends QEMU with (v << 1) | 1.  QEMU
 * itself ends with 0 or 1, so success is another number: 33.
 */
#define	EXIT_PORT	0xf4
#define	EXIT_BASE	0x10
#define	EXIT_MAX	0x7f

/* Real mode's vectors and the BIOS data: the firmware may still use them. */
#define	BIOS_SIZE	0x1000

extern const char kernel_start[], kernel_end[];

_Noreturn void
amd64_init(uint32_t start_info)
{

	mp_attach_boot_cpu();
	cons_init();
	pmap_init();
	mp_guard_stacks();
	if (bootinfo_read(start_info) != 0)
		kernel_exit(1);
	clock_init();
	lapic_init();
	kernel_main();
}

const char *
machdep_cmdline(void)
{

	return (bootinfo_cmdline());
}

/*
 * exclude_rest: what the firmware lists as something else, and what the
 * direct map cannot reach, is not for us.
 */
static void
exclude_rest(void)
{
	struct vm_memrange range;
	unsigned i;

	for (i = 0; bootinfo_excluded(i, &range); i++)
		vm_bootstrap_exclude(range.vmr_start, range.vmr_size);
	vm_bootstrap_exclude(PMAP_DIRECT_SIZE,
	    ((psize_t)1 << VM_PADDR_BITS) - PMAP_DIRECT_SIZE);
}

static int
reserve_taken(void)
{
	struct vm_memrange range;
	unsigned i;
	int error;

	error = vm_bootstrap_reserve(0, BIOS_SIZE, "bios");
	if (error != 0)
		return (error);
	error = vm_bootstrap_reserve(pmap_vtophys(kernel_start),
	    (psize_t)(kernel_end - kernel_start), "kernel");
	if (error != 0)
		return (error);
	mp_trampoline_range(&range.vmr_start, &range.vmr_size);
	error = vm_bootstrap_reserve(range.vmr_start, range.vmr_size, "smp");
	for (i = 0; error == 0 && bootinfo_taken(i, &range); i++) {
		error = vm_bootstrap_reserve(range.vmr_start, range.vmr_size,
		    "boot");
	}
	return (error);
}

/*
 * kernel_in_memory: does all of the kernel lie in usable memory?  If not,
 * somebody else may use it too.
 */
static bool
kernel_in_memory(void)
{
	const paddr_t start = pmap_vtophys(kernel_start);
	const paddr_t end = pmap_vtophys(kernel_end);
	struct vm_memrange range;
	unsigned i;

	for (i = 0; vm_bootstrap_range(i, &range); i++) {
		if (start >= range.vmr_start &&
		    end <= range.vmr_start + range.vmr_size)
			return (true);
	}
	printf("extant: cannot boot: the kernel, 0x%jx - 0x%jx, does not lie"
	    " in usable memory\n", (uintmax_t)start, (uintmax_t)end);
	return (false);
}

int
machdep_memory(void)
{
	const struct vm_memrange *usable;
	unsigned n;
	int error;

	usable = bootinfo_usable(&n);
	error = vm_bootstrap_start(usable, n);
	if (error != 0 && error != E2BIG) {
		printf("extant: cannot boot: no usable memory in %u ranges\n",
		    n);
		return (error);
	}
	exclude_rest();
	if (!kernel_in_memory())
		return (ENOMEM);
	error = reserve_taken();
	if (error != 0) {
		printf("extant: cannot boot: too many reserved ranges\n");
		return (error);
	}
	error = pmap_bootstrap();
	if (error != 0)
		printf("extant: cannot boot: no memory for page tables\n");
	return (error);
}

_Noreturn void
kernel_exit(int status)
{

	if (status < 0 || status > EXIT_MAX - EXIT_BASE)
		status = EXIT_MAX - EXIT_BASE;
	outb(EXIT_PORT, (uint8_t)(EXIT_BASE + status));

	/* No such device: stand still, on this CPU. */
	for (;;)
		__asm volatile("cli; hlt");
}
