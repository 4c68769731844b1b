/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The reference kernel from its first to its last line: start the memory,
 * make it look used, let the drivers get theirs, and show what came of it.
 *
 * At each checkpoint nothing else runs, and the audit must find queues, map
 * and owners in agreement.
 */

#include <sys/ageing.h>
#include <sys/device.h>
#include <sys/kexport.h>
#include <sys/km_map.h>
#include <sys/kmem.h>
#include <sys/machdep.h>
#include <sys/monitor.h>
#include <sys/options.h>
#include <sys/smp.h>
#include <sys/systm.h>
#include <sys/take.h>

#include <vm/vm_audit.h>
#include <vm/vm_export.h>
#include <vm/vm_physseg.h>

/* Less than this is no memory to show anything with. */
#define	MEMORY_MIN	((psize_t)1 << 20)

static unsigned failures;

static void
checkpoint(const char *label)
{

	background_pause();
	(void)vm_export_refresh();
	if (!vm_audit_print(label))
		failures++;
}

static void
print_map(void)
{
	struct vm_memrange r;
	unsigned i;

	for (i = 0; vm_bootstrap_range(i, &r); i++) {
		printf("memory: 0x%012jx - 0x%012jx %8ju KiB\n",
		    (uintmax_t)r.vmr_start,
		    (uintmax_t)(r.vmr_start + r.vmr_size),
		    (uintmax_t)r.vmr_size / 1024);
	}
}

static void
print_segments(void)
{
	struct vm_physseg seg;
	unsigned i;

	for (i = 0; vm_physseg_get(i, &seg); i++) {
		printf("segment: 0x%012jx - 0x%012jx %8ju KiB %s\n",
		    (uintmax_t)vm_ptoa(seg.vs_start),
		    (uintmax_t)vm_ptoa(seg.vs_end),
		    (uintmax_t)vm_ptoa(seg.vs_end - seg.vs_start) / 1024,
		    vm_freelist_name(seg.vs_list));
	}
}

/*
 * memory_start: the whole way to a running allocator.
 */
static bool
memory_start(void)
{
	struct vm_audit va;
	int error;

	if (machdep_memory() != 0)
		return (false);
	print_map();
	error = vm_physseg_init();
	kmem_init();
	(void)km_map_init();
	kexport_init();
	if (error != 0) {
		printf("extant: cannot boot: no memory for the allocator's"
		    " metadata (%s)\n", errno_name(error));
		return (false);
	}
	print_segments();
	(void)vm_audit(&va);
	if (vm_ptoa(va.va_free) < MEMORY_MIN) {
		printf("extant: cannot boot: %ju KiB of free memory, at least"
		    " %ju are needed\n", (uintmax_t)vm_ptoa(va.va_free) / 1024,
		    (uintmax_t)MEMORY_MIN / 1024);
		return (false);
	}
	return (true);
}

_Noreturn void
kernel_main(void)
{

	printf("Extant reference kernel\n");
	options_parse(machdep_cmdline());
	if (!memory_start())
		kernel_exit(1);
	checkpoint("boot");

	smp_start((unsigned)option_number(OPT_CPUS));
	if (!ageing_start(option_number(OPT_AGE), option_number(OPT_SEED),
	    (unsigned)option_number(OPT_FILL)))
		failures++;
	checkpoint("aged");
	if (option_number(OPT_TAKE) != 0) {
		take_below(option_number(OPT_TAKE));
		checkpoint("taken");
	}

	failures += devices_run(checkpoint);
	checkpoint("end");

	if (failures > 0)
		printf("extant: %u failure%s\n", failures,
		    failures == 1 ? "" : "s");
	if (option_number(OPT_EXIT) != 0)
		kernel_exit(failures > 0 ? 1 : 0);
	printf("extant: ready\n");
	monitor(failures > 0 ? 1 : 0);
}
