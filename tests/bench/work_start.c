/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Start-up, and what the metadata takes.
 *
 * A kernel finds its memory present; this process would first have to ask its
 * own kernel for the pages that the metadata is written to.  So a first start
 * tells where the metadata goes, those pages are made present and filled with
 * rubbish, and then the start that counts is measured.  How long it takes
 * with the pages absent is shown beside it.
 */

#include <sys/mman.h>

#include <err.h>
#include <string.h>

#include <vm/vm_bootstrap.h>
#include <vm/vm_page.h>
#include <vm/vm_physseg.h>

#include "machine.h"
#include "pages.h"

#define	STARTS	9		/* in a run */

/* Where a start puts metadata. */
struct metadata {
	struct vm_memrange md_range[VM_BOOTSTRAP_TAKEN];
	unsigned	md_n;
	psize_t		md_size;
};

static void
metadata_get(struct metadata *md)
{
	struct vm_memrange r;
	const char *owner;
	unsigned i;

	md->md_n = 0;
	md->md_size = 0;
	for (i = 0; vm_bootstrap_taken(i, &r, &owner); i++) {
		if (strcmp(owner, "vm") != 0)
			continue;
		md->md_range[md->md_n++] = r;
		md->md_size += r.vmr_size;
	}
}

static bool
metadata_same(const struct metadata *a, const struct metadata *b)
{

	return (a->md_n == b->md_n && memcmp(a->md_range, b->md_range,
	    a->md_n * sizeof(a->md_range[0])) == 0);
}

/* From nothing to the first page: ns. */
static double
start_once(psize_t size)
{
	const struct vm_memrange usable = { 0, size };
	const struct vm_memrange taken = { 0, VM_PAGE_SIZE };
	uint64_t t0, t1, page;
	int error;

	t0 = ticks();
	error = vm_physmem_load(&usable, 1, &taken, 1);
	page = error == 0 ? page_get(EXTANT) : PAGE_NONE;
	t1 = ticks();
	if (error != 0 || page == PAGE_NONE)
		errx(1, "cannot start with %llu bytes of memory: %s",
		    (unsigned long long)size,
		    error != 0 ? strerror(error) : "no page");
	return (ticks_nsec(t1 - t0));
}

static void
metadata_present(const struct metadata *md)
{
	unsigned i;
	void *va;

	for (i = 0; i < md->md_n; i++) {
		va = usermode_physmem_back(md->md_range[i].vmr_start,
		    md->md_range[i].vmr_size);
		if (va == NULL)
			errx(1, "no memory for the metadata");
		if (!opt.o_smallpages)
			(void)madvise(va, md->md_range[i].vmr_size,
			    MADV_HUGEPAGE);
		memset(va, 0xa5, md->md_range[i].vmr_size);
	}
}

static void
start(psize_t size, unsigned run)
{
	unsigned i, n = opt.o_quick ? STARTS / 3 : STARTS;
	struct metadata first, md;
	double present[STARTS];

	usermode_physmem_release();
	result_note("start", size, "with page faults", "us", "us", EXTANT,
	    start_once(size) / 1000);
	metadata_get(&first);
	for (i = 0; i < n; i++) {
		usermode_physmem_release();
		metadata_present(&first);
		present[i] = start_once(size);
		metadata_get(&md);
		if (!metadata_same(&first, &md))
			errx(1, "metadata moved between two starts");
	}
	result_note("start", size, "nothing to first page", "us", "us", EXTANT,
	    median(present, n) / 1000);
	if (run == 0)
		result_note("start", size, "metadata", "bits/frame", "bits",
		    EXTANT, (double)md.md_size * 8 / (double)vm_atop(size));
	machine_stop(EXTANT);
}

void
work_start(void)
{
	unsigned run, s;

	for (s = 0; s < opt.o_nstart; s++) {
		for (run = 0; run < opt.o_runs; run++) {
			progress("start", opt.o_start[s], run);
			start(opt.o_start[s], run);
		}
	}
}
