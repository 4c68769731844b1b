/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <sys/mman.h>

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vm/vm_audit.h>
#include <vm/vm_counter.h>
#include <vm/vm_pglist.h>
#include <vm/vm_physseg.h>

#include "machine.h"
#include "pages.h"

#define	HUGE_SIZE	((size_t)2 << 20)

static size_t
huge_round(size_t size)
{

	return ((size + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1));
}

/* A kernel maps page structures and metadata by large pages; see -p. */
static void
large_pages(void *p, size_t len)
{

	(void)madvise(p, len, opt.o_smallpages ? MADV_NOHUGEPAGE :
	    MADV_HUGEPAGE);
}

/* Large pages want an aligned start, so what is not aligned is cut off. */
void *
huge_alloc(size_t size)
{
	size_t len = huge_round(size), head;
	char *p;

	if (size / (size_t)sysconf(_SC_PAGESIZE) >=
	    (size_t)sysconf(_SC_PHYS_PAGES))
		errx(1, "this takes %zu MiB of memory, more than there is",
		    size >> 20);
	p = mmap(NULL, len + HUGE_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		err(1, "no memory for %zu bytes", size);
	head = huge_round((uintptr_t)p) - (uintptr_t)p;
	if (head != 0)
		munmap(p, head);
	if (head != HUGE_SIZE)
		munmap(p + head + len, HUGE_SIZE - head);
	p += head;
	large_pages(p, len);
	memset(p, 0, len);
	return (p);
}

void
huge_free(void *p, size_t size)
{

	munmap(p, huge_round(size));
}

void
metadata_back(psize_t size)
{
	psize_t top = (size / 1024 + HUGE_SIZE) & ~(psize_t)(HUGE_SIZE - 1);
	void *va;

	usermode_physmem_release();
	va = usermode_physmem_back(size - 2 * top, 2 * top);
	if (va == NULL)
		err(1, "no memory for the metadata");
	large_pages(va, 2 * top);
}

/*
 * Page 0 is taken: 0 stands for no page.
 */
static void
extant_start(psize_t size)
{
	const struct vm_memrange usable = { 0, size };
	const struct vm_memrange taken = { 0, VM_PAGE_SIZE };
	char buf[32];
	int error;

	metadata_back(size);
	error = vm_physmem_load(&usable, 1, &taken, 1);
	if (error != 0) {
		size_format(size, buf, sizeof(buf));
		errx(1, "cannot start with memory of %s: %s", buf,
		    strerror(error));
	}
}

/* Pages that are not taken when the allocator starts. */
static uint64_t
extant_npages(psize_t size)
{
	uint64_t n = vm_atop(size);
	struct vm_memrange r;
	const char *owner;
	unsigned i;

	for (i = 0; vm_bootstrap_taken(i, &r, &owner); i++)
		n -= vm_atop(r.vmr_size);
	return (n);
}

/*
 * The free lists get as many pages as there are with the allocator's metadata
 * taken off, near enough: a hundredth of one in a hundred.
 */
uint64_t
machine_start(enum contender who, psize_t size)
{

	if (who == EXTANT) {
		extant_start(size);
		return (extant_npages(size));
	}
	freelist_init(vm_atop(size));
	return (vm_atop(size));
}

void
machine_verify(enum contender who)
{
	static const enum vm_counter bad[] = {
		VM_COUNT_BAD_INVAL, VM_COUNT_BAD_ALREADY, VM_COUNT_BAD_MSGSIZE
	};
	struct vm_audit va;
	unsigned i;

	if (who != EXTANT)
		return;
	for (i = 0; i < NELEM(bad); i++) {
		if (vm_counter_sum(bad[i]) != 0)
			errx(1, "the allocator refused a free: %s",
			    vm_counter_name(bad[i]));
	}
	if (!vm_audit(&va))
		errx(1, "the audit failed: %s", va.va_why);
}

void
machine_stop(enum contender who)
{

	machine_verify(who);
	if (who == EXTANT)
		usermode_physmem_release();
}

/*
 * Live pages.
 */

void
live_init(struct live *l, uint64_t max)
{

	l->l_page = huge_alloc(max * sizeof(l->l_page[0]));
	l->l_n = 0;
	l->l_max = max;
}

void
live_fini(struct live *l)
{

	huge_free(l->l_page, l->l_max * sizeof(l->l_page[0]));
	l->l_page = NULL;
}

void
live_shuffle(struct live *l, struct rng *r)
{
	uint64_t i, k, page;

	for (i = l->l_n; i > 1; i--) {
		k = rng_below(r, i);
		page = l->l_page[k];
		l->l_page[k] = l->l_page[i - 1];
		l->l_page[i - 1] = page;
	}
}

void
live_fill(enum contender who, struct live *l)
{

	l->l_n += BY_CONTENDER(who, pages_get, &l->l_page[l->l_n],
	    l->l_max - l->l_n);
}

void
live_thin(enum contender who, struct live *l, uint64_t n, struct rng *r)
{
	uint64_t k, page;

	while (l->l_n > n) {
		k = rng_below(r, l->l_n);
		page = l->l_page[k];
		l->l_page[k] = l->l_page[--l->l_n];
		(void)BY_CONTENDER(who, pages_put, &page, 1);
	}
}

/*
 * The fragmented map.
 */

struct holes {
	uint8_t		*h_mib;		/* a byte for each MiB: hole? */
	uint64_t	h_nmib;
};

/* Put n holes into MiB [low, high), at most one into each 2 MiB. */
static void
holes_place(struct holes *h, unsigned n, uint64_t low, uint64_t high,
    struct rng *r)
{
	uint64_t m;

	while (n > 0) {
		m = low + rng_below(r, high - low);
		if (h->h_mib[m & ~(uint64_t)1] || h->h_mib[m | 1])
			continue;
		h->h_mib[m] = 1;
		n--;
	}
}

/* The window without aligned runs, in MiB, and the memory left to metadata. */
#define	STRIPE_LOW	32
#define	STRIPE_HIGH	48
#define	TOP_MIB		16

static void
holes_init(struct holes *h, psize_t size, struct rng *r)
{
	uint64_t low = STRIPE_HIGH, mid = 4 * GIB / MIB, high;

	h->h_nmib = size / MIB;
	high = h->h_nmib - TOP_MIB;
	h->h_mib = calloc(h->h_nmib + 1, 1);
	if (h->h_mib == NULL)
		err(1, "no memory");
	holes_place(h, LOWHOLES, 2, 16, r);
	if (high <= mid) {
		holes_place(h, HOLES - LOWHOLES, low, high, r);
		return;
	}
	holes_place(h, MIDHOLES, low, mid, r);
	holes_place(h, HOLES - LOWHOLES - MIDHOLES, mid, high, r);
}

static bool
fragment_isfree(const struct holes *h, paddr_t pa, struct rng *r)
{
	uint64_t mib = pa / MIB;

	if (h->h_mib[mib])
		return (true);
	if (mib >= STRIPE_LOW && mib < STRIPE_HIGH)
		return ((vm_atop(pa) & 1) != 0);
	return ((rng_next(r) >> 63) != 0);
}

void
fragment_start(psize_t size, struct live *l, struct rng *r)
{
	uint64_t i, n = 0;
	struct holes h;

	l->l_n = 0;
	l->l_max = machine_start(EXTANT, size);
	live_fill(EXTANT, l);
	holes_init(&h, size, r);
	live_shuffle(l, r);
	for (i = 0; i < l->l_n; i++) {
		if (fragment_isfree(&h, l->l_page[i], r))
			page_put(EXTANT, l->l_page[i]);
		else
			l->l_page[n++] = l->l_page[i];
	}
	l->l_n = n;
	free(h.h_mib);
}

void
pattern_start(psize_t size, bool (*isfree)(vm_frame_t))
{
	struct vm_memrange r;
	const char *owner;
	paddr_t end = size, pa;
	unsigned i;

	(void)machine_start(EXTANT, size);
	while (page_get(EXTANT) != PAGE_NONE)
		continue;
	/* The metadata lies at the top, and stays. */
	for (i = 0; vm_bootstrap_taken(i, &r, &owner); i++) {
		if (r.vmr_start != 0 && r.vmr_start < end)
			end = r.vmr_start;
	}
	for (pa = VM_PAGE_SIZE; pa < end; pa += VM_PAGE_SIZE) {
		if (isfree(vm_atop(pa)))
			page_put(EXTANT, pa);
	}
}
