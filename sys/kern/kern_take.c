/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Taking all memory below a limit.
 *
 * The runs that are taken are their own list: each begins with where the next
 * one is.  Long runs come first, so that there are few; as a request fails
 * only if no such run exists, nothing is left when single pages fail.
 */

#include <sys/systm.h>
#include <sys/take.h>

#include <machine/pmap.h>

#include <vm/vm_pglist.h>

#define	RUN_MAX		((psize_t)4 << 20)

struct run {
	paddr_t		r_next;		/* VM_PADDR_NONE: the last */
};

static paddr_t taken = VM_PADDR_NONE;

/*
 * take_run: => false: there is no run of that size.
 */
static bool
take_run(psize_t size, paddr_t limit)
{
	static vm_owner_t owner;
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(size);
	struct vm_pgseg seg;
	struct run *r;
	unsigned nsegs;

	if (owner == VM_OWNER_NONE)
		owner = vm_owner_register("taken");
	req.vpr_high = limit;
	req.vpr_owner = owner;
	if (vm_pglist_alloc(&req, &seg, &nsegs) != 0)
		return (false);
	r = pmap_phystov(seg.vps_start);
	r->r_next = taken;
	taken = seg.vps_start;
	return (true);
}

void
take_below(paddr_t limit)
{
	psize_t size, sum = 0;
	uint64_t runs = 0;

	for (size = RUN_MAX; size >= VM_PAGE_SIZE; size /= 2) {
		while (take_run(size, limit)) {
			sum += size;
			runs++;
		}
	}
	printf("take: %ju KiB below 0x%jx in %ju runs\n",
	    (uintmax_t)sum / 1024, (uintmax_t)limit, (uintmax_t)runs);
}

void
take_give(void)
{
	uint64_t runs = 0;
	paddr_t pa;
	int error;

	while ((pa = taken) != VM_PADDR_NONE) {
		taken = ((const struct run *)pmap_phystov(pa))->r_next;
		error = vm_pglist_free(pa, 0);
		if (error != 0)
			panic("take: freeing the run at 0x%jx: %s",
			    (uintmax_t)pa, errno_name(error));
		runs++;
	}
	printf("give: %ju runs\n", (uintmax_t)runs);
}

bool
take_any(void)
{

	return (taken != VM_PADDR_NONE);
}
