/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The early allocator.
 *
 * Firmware's map becomes a sorted array of disjoint, page-aligned ranges.
 * What is taken from it before the page allocator runs goes into a second
 * sorted array, the log, which is at the same time the allocator's state:
 * memory is free if it is usable and not in the log.  Allocation goes from
 * the top down and scans both arrays; with a few dozen calls in a boot,
 * anything cleverer would be in vain: three ranges and 38 calls take 2.4 us
 * together, where all of a start takes 4 us for 1 GiB and 25 us for 64 GiB
 * (vmbench -w start).  Even a map of 128 ranges in disorder, which is gone
 * through again for each of them, takes 33 us, and 120 allocations with an
 * entry of the log each 23 us (measured on the machine of the bench).
 */

#include <vm/vm_bootstrap.h>
#include <vm/vm_kassert.h>
#include <vm/vm_owner.h>

struct taken {
	paddr_t		t_start;
	paddr_t		t_end;
	char		t_owner[VM_OWNER_NAMELEN];
};

static struct vm_memrange ranges[VM_BOOTSTRAP_RANGES];
static unsigned nranges;
static struct taken taken[VM_BOOTSTRAP_TAKEN + VM_BOOTSTRAP_CARVED];
static unsigned ntaken;
static unsigned ncarved;	/* entries added for what was allocated */
static psize_t minalign = VM_PAGE_SIZE;
static bool allocated;		/* vm_bootstrap_alloc() gave something */
static bool ended;

#define	PADDR_END	((paddr_t)1 << VM_PADDR_BITS)

static paddr_t
page_down(paddr_t pa)
{

	return (pa & ~(VM_PAGE_SIZE - 1));
}

static paddr_t
page_up(paddr_t pa)
{

	return (page_down(pa + VM_PAGE_SIZE - 1));
}

static paddr_t
range_end(const struct vm_memrange *r)
{

	return (r->vmr_start + r->vmr_size);
}

/* The end of a range as firmware states it, cut where addresses end. */
static paddr_t
stated_end(const struct vm_memrange *r)
{

	if (r->vmr_start >= PADDR_END)
		return (r->vmr_start);
	if (r->vmr_size > PADDR_END - r->vmr_start)
		return (PADDR_END);
	return (range_end(r));
}

static void
range_delete(unsigned i)
{

	nranges--;
	for (; i < nranges; i++)
		ranges[i] = ranges[i + 1];
}

/*
 * Make room: drop the smallest range, or the new one if that is smallest.
 * Returns false in that case.
 */
static bool
range_evict(psize_t newsize)
{
	unsigned i, min = 0;

	for (i = 1; i < nranges; i++) {
		if (ranges[i].vmr_size < ranges[min].vmr_size)
			min = i;
	}
	if (newsize <= ranges[min].vmr_size)
		return (false);
	vm_md_printf("memory map: too many ranges, %#llx-%#llx left unused\n",
	    (unsigned long long)ranges[min].vmr_start,
	    (unsigned long long)range_end(&ranges[min]) - 1);
	range_delete(min);
	return (true);
}

/* Add [start, end), whole pages, which touches no other range. */
static int
range_add(paddr_t start, paddr_t end)
{
	unsigned at;
	int error = 0;

	if (nranges == VM_BOOTSTRAP_RANGES) {
		error = E2BIG;
		if (!range_evict(end - start)) {
			vm_md_printf("memory map: too many ranges, "
			    "%#llx-%#llx left unused\n",
			    (unsigned long long)start,
			    (unsigned long long)end - 1);
			return (error);
		}
	}
	for (at = nranges; at > 0 && ranges[at - 1].vmr_start > start; at--)
		ranges[at] = ranges[at - 1];
	ranges[at].vmr_start = start;
	ranges[at].vmr_size = end - start;
	nranges++;
	return (error);
}

static bool
entry_wraps(const struct vm_memrange *r)
{

	return (range_end(r) < r->vmr_start);
}

/*
 * The lowest joined range of the entries at or above *startp, in bytes.
 * It goes through all entries again for each that it joins: firmware maps are
 * short, and this needs no memory to sort in.
 */
static bool
joined_next(const struct vm_memrange *map, unsigned n, paddr_t *startp,
    paddr_t *endp)
{
	paddr_t from = *startp, start = PADDR_END, end;
	unsigned i;
	bool grown;

	for (i = 0; i < n; i++) {
		if (!entry_wraps(&map[i]) && map[i].vmr_start >= from &&
		    map[i].vmr_start < start && map[i].vmr_size != 0)
			start = map[i].vmr_start;
	}
	if (start == PADDR_END)
		return (false);
	end = start;
	do {
		grown = false;
		for (i = 0; i < n; i++) {
			if (entry_wraps(&map[i]) || map[i].vmr_start > end ||
			    stated_end(&map[i]) <= end)
				continue;
			end = stated_end(&map[i]);
			grown = true;
		}
	} while (grown);
	*startp = start;
	*endp = end;
	return (true);
}

static void
report_wrapping(const struct vm_memrange *map, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (entry_wraps(&map[i]))
			vm_md_printf("memory map: entry of %#llx bytes at "
			    "%#llx wraps, left unused\n",
			    (unsigned long long)map[i].vmr_size,
			    (unsigned long long)map[i].vmr_start);
	}
}

int
vm_bootstrap_start(const struct vm_memrange *usable, unsigned n)
{
	paddr_t start = 0, end;
	int error = 0;

	nranges = 0;
	ntaken = 0;
	ncarved = 0;
	minalign = VM_PAGE_SIZE;
	allocated = false;
	ended = false;
	report_wrapping(usable, n);
	for (; joined_next(usable, n, &start, &end); start = end) {
		if (page_up(start) < page_down(end) &&
		    range_add(page_up(start), page_down(end)) != 0)
			error = E2BIG;
	}
	return (nranges == 0 ? EINVAL : error);
}

void
vm_bootstrap_exclude(paddr_t start, psize_t size)
{
	struct vm_memrange r = { start, size };
	paddr_t end = page_up(stated_end(&r)), rstart, rend;
	unsigned i;

	if (size == 0 || start >= PADDR_END)
		return;
	KASSERT(!allocated);
	start = page_down(start);
	for (i = 0; i < nranges;) {
		rstart = ranges[i].vmr_start;
		rend = range_end(&ranges[i]);
		if (rend <= start || rstart >= end) {
			i++;
			continue;
		}
		range_delete(i);
		if (rend > end)
			(void)range_add(end, rend);
		if (rstart < start)
			(void)range_add(rstart, start);
		i = 0;
	}
}

static bool
taken_by(const struct taken *t, const char *owner)
{
	size_t len = strlen(owner);

	if (len > VM_OWNER_NAMELEN - 1)
		len = VM_OWNER_NAMELEN - 1;
	return (strlen(t->t_owner) == len &&
	    memcmp(t->t_owner, owner, len) == 0);
}

static void
taken_delete(unsigned i)
{

	ntaken--;
	for (; i < ntaken; i++)
		taken[i] = taken[i + 1];
}

/* Add to the entries of the same owner that the range touches, if any. */
static bool
taken_extend(unsigned at, paddr_t start, paddr_t end, const char *owner)
{
	bool before = at > 0 && taken[at - 1].t_end == start &&
	    taken_by(&taken[at - 1], owner);
	bool behind = at < ntaken && taken[at].t_start == end &&
	    taken_by(&taken[at], owner);

	if (before && behind) {
		taken[at - 1].t_end = taken[at].t_end;
		taken_delete(at);
	} else if (before)
		taken[at - 1].t_end = end;
	else if (behind)
		taken[at].t_start = start;
	return (before || behind);
}

static int
taken_insert(paddr_t start, paddr_t end, const char *owner, unsigned max)
{
	size_t len = strlen(owner);
	unsigned at, i;

	for (at = ntaken; at > 0 && taken[at - 1].t_start > start; at--)
		continue;
	if (taken_extend(at, start, end, owner))
		return (0);
	if (ntaken >= max)
		return (ENOSPC);
	for (i = ntaken++; i > at; i--)
		taken[i] = taken[i - 1];
	taken[at].t_start = start;
	taken[at].t_end = end;
	if (len > VM_OWNER_NAMELEN - 1)
		len = VM_OWNER_NAMELEN - 1;
	memset(taken[at].t_owner, 0, sizeof(taken[at].t_owner));
	memcpy(taken[at].t_owner, owner, len);
	return (0);
}

/*
 * Of what is reserved, only the parts that nobody took before are entered:
 * the log has no overlaps, the first owner of a page keeps it.
 */
static int
taken_fill(paddr_t start, paddr_t end, const char *owner)
{
	paddr_t stop;
	unsigned i;

	while (start < end) {
		stop = end;
		for (i = 0; i < ntaken; i++) {
			if (taken[i].t_end <= start)
				continue;
			if (taken[i].t_start <= start)
				break;
			if (taken[i].t_start < stop)
				stop = taken[i].t_start;
		}
		if (i < ntaken) {
			start = taken[i].t_end;
			continue;
		}
		if (taken_insert(start, stop, owner, VM_BOOTSTRAP_TAKEN +
		    ncarved) != 0)
			return (ENOSPC);
		start = stop;
	}
	return (0);
}

int
vm_bootstrap_reserve(paddr_t start, psize_t size, const char *owner)
{
	static struct taken before[VM_BOOTSTRAP_TAKEN +
	    VM_BOOTSTRAP_CARVED];
	struct vm_memrange r = { start, size };
	unsigned nbefore = ntaken;
	int error;

	if (size == 0 || start >= PADDR_END)
		return (0);
	memcpy(before, taken, sizeof(before));
	error = taken_fill(page_down(start), page_up(stated_end(&r)), owner);
	if (error != 0) {
		memcpy(taken, before, sizeof(taken));
		ntaken = nbefore;
	}
	return (error);
}

/*
 * The highest aligned address in [low, high) where size bytes are free of
 * entries of the log; VM_PADDR_NONE: nowhere.
 */
static paddr_t
place_in(paddr_t low, paddr_t high, psize_t size, psize_t align)
{
	unsigned i = ntaken;
	paddr_t start;

	for (;;) {
		if (high < low || high - low < size)
			return (VM_PADDR_NONE);
		start = (high - size) & ~(align - 1);
		if (start < low)
			return (VM_PADDR_NONE);
		while (i > 0 && taken[i - 1].t_start >= start + size)
			i--;
		if (i == 0 || taken[i - 1].t_end <= start)
			return (start);
		high = taken[i - 1].t_start;
	}
}

static bool
power_of_two(psize_t n)
{

	return (n != 0 && (n & (n - 1)) == 0);
}

int
vm_bootstrap_minalign(psize_t align)
{

	if (!power_of_two(align) || align > PADDR_END)
		return (EINVAL);
	minalign = align < VM_PAGE_SIZE ? VM_PAGE_SIZE : align;
	return (0);
}

/* The highest place that serves.  => VM_PADDR_NONE: there is none. */
static paddr_t
place(psize_t size, psize_t align, paddr_t high)
{
	paddr_t start = VM_PADDR_NONE, end;
	unsigned i;

	if (ended || size == 0 || size > PADDR_END || !power_of_two(align))
		return (VM_PADDR_NONE);
	if (align < minalign)
		align = minalign;
	for (i = nranges; i-- > 0 && start == VM_PADDR_NONE;) {
		end = range_end(&ranges[i]);
		if (end > high)
			end = page_down(high);
		start = place_in(ranges[i].vmr_start, end, page_up(size),
		    align);
	}
	return (start);
}

static bool
take(paddr_t start, psize_t size, const char *owner)
{
	unsigned before = ntaken;

	if (taken_insert(start, start + page_up(size), owner,
	    VM_BOOTSTRAP_TAKEN + VM_BOOTSTRAP_CARVED) != 0)
		return (false);
	if (ntaken > before && ncarved < VM_BOOTSTRAP_CARVED)
		ncarved++;
	allocated = true;
	return (true);
}

paddr_t
vm_bootstrap_alloc(psize_t size, psize_t align, paddr_t high,
    const char *owner)
{
	paddr_t start = place(size, align, high);

	if (start == VM_PADDR_NONE || !take(start, size, owner))
		return (VM_PADDR_NONE);
	return (start);
}

paddr_t
vm_bootstrap_zalloc(psize_t size, psize_t align, paddr_t high,
    const char *owner)
{
	paddr_t start = place(size, align, high);
	void *va;

	if (start == VM_PADDR_NONE)
		return (VM_PADDR_NONE);
	va = vm_md_phystov(start, page_up(size));
	if (va == NULL || !take(start, size, owner))
		return (VM_PADDR_NONE);
	memset(va, 0, (size_t)page_up(size));
	return (start);
}

bool
vm_bootstrap_range(unsigned i, struct vm_memrange *range)
{

	if (i >= nranges)
		return (false);
	*range = ranges[i];
	return (true);
}

bool
vm_bootstrap_taken(unsigned i, struct vm_memrange *range, const char **owner)
{

	if (i >= ntaken)
		return (false);
	range->vmr_start = taken[i].t_start;
	range->vmr_size = taken[i].t_end - taken[i].t_start;
	*owner = taken[i].t_owner;
	return (true);
}

void
vm_bootstrap_end(void)
{

	ended = true;
}
