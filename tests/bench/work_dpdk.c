/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * DPDK's rte_memzone_reserve_bounded(), which takes a size, an alignment and
 * a boundary, beside the allocator.  Built where DPDK is installed.
 *
 * Its memory is real, its allocations lie in it, and to take pages singly from
 * it gets slow with their number, so both work on a small memory: all of it is
 * allocated in pages, all pages of one quarter of a MiB in eight are freed,
 * and of the others a random half.  It knows no limits of addresses.
 */

#include <sys/types.h>

#include <err.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_memzone.h>

#include <vm/vm_page.h>
#include <vm/vm_pglist.h>

#include "machine.h"
#include "vmbench.h"

#define	MEMORY		(128 * MIB)
#define	MEMORY_MIB	"128"
#define	WINDOW		(256 * KIB)	/* that is freed, or not */
#define	TIMES		5000
#define	TIMES_NSEC	200000000

static const struct {
	const char	*name;
	psize_t		size;
	psize_t		align;
	psize_t		boundary;
	bool		served;
} rows[] = {
	{ "16K historical, no limit", 16 * KIB, 8 * KIB, 64 * KIB, true },
	{ "64K", 64 * KIB, 64 * KIB, 0, true },
	{ "1M, none exists", MIB, MIB, 0, false }
};

#define	MAXPAGES	((size_t)(MEMORY / VM_PAGE_SIZE))

static uint64_t page[MAXPAGES];
static size_t npages;

static void
environment_init(void)
{
	static char prog[] = "vmbench", nohuge[] = "--no-huge",
	    nopci[] = "--no-pci", noshconf[] = "--no-shconf",
	    mem[] = "-m", size[] = MEMORY_MIB, core[] = "-l", zero[] = "0",
	    level[] = "--log-level", error[] = "*:3";
	char *argv[] = { prog, nohuge, nopci, noshconf, mem, size, core, zero,
	    level, error, NULL };
	static bool done;

	if (done)
		return;
	done = true;
	if (rte_eal_init((int)NELEM(argv) - 1, argv) < 0)
		errx(1, "dpdk: cannot start: %s", rte_strerror(rte_errno));
}

static uint64_t
page_take(enum contender who)
{
	paddr_t pa;

	if (who == DPDK)
		return ((uintptr_t)rte_malloc(NULL, VM_PAGE_SIZE,
		    VM_PAGE_SIZE));
	pa = vm_page_alloc(VM_PG_USERESERVE, 0);
	return (pa == VM_PADDR_NONE ? 0 : pa);
}

static void
page_give(enum contender who, uint64_t p)
{

	if (who == DPDK)
		rte_free((void *)(uintptr_t)p);
	else
		(void)vm_page_free(p);
}

static void
memory_fragment(enum contender who, struct rng *r)
{
	uint64_t window = 0, p;
	bool whole = false;
	size_t i, n = 0;

	for (npages = 0; npages < MAXPAGES; npages++) {
		page[npages] = page_take(who);
		if (page[npages] == 0)
			break;
	}
	for (i = 0; i < npages; i++) {
		p = page[i];
		if (i == 0 || p / WINDOW != window)
			whole = rng_below(r, 8) == 0;
		window = p / WINDOW;
		if (whole || rng_below(r, 2) == 0)
			page_give(who, p);
		else
			page[n++] = p;
	}
	npages = n;
}

/* One request and its free; ticks of the request, or 0: not as expected. */
static uint64_t
extant_once(unsigned row)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(rows[row].size);
	struct vm_pgseg seg;
	uint64_t t0, t1;
	unsigned n;
	int error;

	req.vpr_align = rows[row].align;
	req.vpr_boundary = rows[row].boundary;
	t0 = ticks();
	error = vm_pglist_alloc(&req, &seg, &n);
	t1 = ticks();
	if (error == 0)
		(void)vm_pglist_free(seg.vps_start, seg.vps_size);
	return ((error == 0) == rows[row].served ? t1 - t0 : 0);
}

static uint64_t
dpdk_once(unsigned row)
{
	const struct rte_memzone *mz;
	uint64_t t0, t1;

	t0 = ticks();
	mz = rte_memzone_reserve_bounded("vmbench", rows[row].size,
	    SOCKET_ID_ANY, 0, (unsigned)rows[row].align,
	    (unsigned)rows[row].boundary);
	t1 = ticks();
	if (mz != NULL)
		(void)rte_memzone_free(mz);
	return ((mz != NULL) == rows[row].served ? t1 - t0 : 0);
}

static void
row_measure(enum contender who, unsigned row)
{
	uint64_t t, start = clock_nsec(CLOCK_MONOTONIC);
	struct samples s;
	bool failed = false;
	unsigned i;

	samples_init(&s, TIMES);
	for (i = 0; i < TIMES && clock_nsec(CLOCK_MONOTONIC) - start <
	    TIMES_NSEC; i++) {
		t = who == DPDK ? dpdk_once(row) : extant_once(row);
		if (t == 0)
			failed = true;
		if (i == 0)
			result_note("dpdk", MEMORY, rows[row].name, "ns first",
			    "ns", who, failed ? INFINITY : ticks_nsec(t));
		samples_add(&s, t);
	}
	result_note("dpdk", MEMORY, rows[row].name, "ns p50", "ns", who,
	    failed ? INFINITY : samples_percentile(&s, 50));
	result_note("dpdk", MEMORY, rows[row].name, "ns p99", "ns", who,
	    failed ? INFINITY : samples_percentile(&s, 99));
	samples_free(&s);
}

static void
measure(enum contender who, struct rng *r)
{
	unsigned row;

	memory_fragment(who, r);
	for (row = 0; row < NELEM(rows); row++)
		row_measure(who, row);
	while (npages > 0)
		page_give(who, page[--npages]);
}

void
work_dpdk(void)
{
	struct rng r;
	unsigned run;

	environment_init();
	for (run = 0; run < opt.o_runs; run++) {
		progress("dpdk", MEMORY, run);
		rng_init(&r, opt.o_seed + run);
		(void)machine_start(EXTANT, MEMORY);
		measure(EXTANT, &r);
		machine_stop(EXTANT);
		rng_init(&r, opt.o_seed + run);
		measure(DPDK, &r);
	}
}
