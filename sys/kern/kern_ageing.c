/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Ageing: a system that has run for a while, in a second.
 *
 * Ordinary code, a file cache or a process, takes single pages in one order
 * and gives them back in another; after that no long run is left.  Here a
 * table of places stands for all that code.  A place holds a page or not, and
 * changes between the two when a random number names it.  At the start places
 * are filled until the memory is used up, and a random half is emptied again;
 * from then on about half are full at any time.  Low memory, which plain
 * requests leave alone, has places of its own, filled by constrained requests
 * for one page.
 *
 * Memory can also be nearly full: then all of it is taken, and given back in
 * single pages at random, and in a run of HOLE pages here and there, as a
 * driver of an old device needs one.  From then on so many places stay full;
 * low pages stay where they are.
 *
 * Each worker (a CPU other than the first, or the only one) has the places
 * worker, worker + nworkers, ... so that they need no lock among each other.
 * Pages that one CPU took are given back by another all the same: the first
 * CPU does the filling.
 *
 * A full page carries its place and its address in its first and last words,
 * and must carry them still when it is given back: a page given to two, or
 * written to by a device that was told a wrong address, shows.  Now and then
 * a zeroed page is asked for, and all of it looked at.
 */

#include <stdatomic.h>

#include <sys/ageing.h>
#include <sys/smp.h>
#include <sys/systm.h>
#include <sys/take.h>

#include <machine/pmap.h>
#include <machine/vm_machdep.h>

#include <vm/vm_audit.h>
#include <vm/vm_pglist.h>
#include <vm/vm_physseg.h>

#define	PAGE_WORDS	(VM_PAGE_SIZE / sizeof(uint64_t))

#define	STEP_CHANGES	32	/* pages a step: some tens of microseconds */
#define	ONLY_CHANGES	4	/* the same, on the only CPU */
#define	WATCH_USEC	100	/* between two looks at how far others are */
#define	ZERO_EVERY	16	/* one page in so many is asked for zeroed */

#define	SCRAMBLE	0x9e3779b97f4a7c15ULL	/* odd: loses nothing */

#define	HOLE		16	/* pages of a run, aligned to its size */
#define	HOLE_SHARE	4	/* of what is given back, one part in runs */

#define	LOW_SHARE(n)	((n) - (n) / 16)	/* of low memory, at first */

struct worker {
	uint64_t	w_random;
	_Atomic uint64_t w_changes;
} __attribute__((aligned(VM_CACHE_LINE)));

static paddr_t	*places;	/* VM_PADDR_NONE: empty */
static uint64_t	nplaces;
static uint64_t	nlow;		/* the first so many are in low memory */
static struct worker workers[VM_MAXCPU];
static unsigned	nworkers;
static unsigned	full;		/* per cent, when nearly full; 0: is not */
static vm_owner_t owner;
static bool	only_cpu_works;	/* background() has something to do */

/*
 * random: xorshift64* (S. Vigna, "An experimental exploration of Marsaglia's
 * xorshift generators, scrambled", 2016).
 */
static uint64_t
random(struct worker *w)
{

	w->w_random ^= w->w_random >> 12;
	w->w_random ^= w->w_random << 25;
	w->w_random ^= w->w_random >> 27;
	return (w->w_random * 0x2545f4914f6cdd1dULL);
}

static uint64_t
stamp_of(uint64_t place)
{

	return (places[place] + place * SCRAMBLE);
}

static void
stamp_set(uint64_t place)
{
	uint64_t *page = pmap_phystov(places[place]);

	page[0] = page[PAGE_WORDS - 1] = stamp_of(place);
}

static void
stamp_check(uint64_t place)
{
	const uint64_t *page = pmap_phystov(places[place]);
	uint64_t want = stamp_of(place);

	if (page[0] != want || page[PAGE_WORDS - 1] != want)
		panic("ageing: somebody wrote to page 0x%jx: 0x%jx ... 0x%jx,"
		    " not 0x%jx", (uintmax_t)places[place],
		    (uintmax_t)page[0], (uintmax_t)page[PAGE_WORDS - 1],
		    (uintmax_t)want);
}

static void
zero_check(paddr_t pa)
{
	const uint64_t *page = pmap_phystov(pa);
	unsigned i;

	for (i = 0; i < PAGE_WORDS; i++) {
		if (page[i] != 0)
			panic("ageing: zeroed page 0x%jx has 0x%jx at %zu",
			    (uintmax_t)pa, (uintmax_t)page[i],
			    i * sizeof(page[0]));
	}
}

static paddr_t
plain_alloc(struct worker *w)
{
	bool zero = random(w) % ZERO_EVERY == 0;
	paddr_t pa;

	pa = vm_page_alloc(zero ? VM_PG_ZERO : 0, owner);
	if (zero && pa != VM_PADDR_NONE)
		zero_check(pa);
	return (pa);
}

/*
 * below_alloc: a page below high (exclusive), even one of those that plain
 * requests leave alone.
 */
static paddr_t
below_alloc(paddr_t high)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(VM_PAGE_SIZE);
	struct vm_pgseg seg;
	unsigned nsegs;

	req.vpr_high = high;
	req.vpr_owner = owner;
	if (vm_pglist_alloc(&req, &seg, &nsegs) != 0)
		return (VM_PADDR_NONE);
	return (seg.vps_start);
}

static paddr_t
low_alloc(void)
{

	return (below_alloc(vm_ptoa(vm_freelist_limit(VM_FREELIST_ISA))));
}

/*
 * fill: a page for an empty place.  => false: there was none.
 */
static bool
fill(struct worker *w, uint64_t place)
{

	places[place] = place < nlow ? low_alloc() : plain_alloc(w);
	if (places[place] == VM_PADDR_NONE)
		return (false);
	stamp_set(place);
	return (true);
}

static void
empty(uint64_t place)
{
	int error;

	stamp_check(place);
	error = vm_page_free(places[place]);
	if (error != 0)
		panic("ageing: freeing page 0x%jx: %s",
		    (uintmax_t)places[place], errno_name(error));
	places[place] = VM_PADDR_NONE;
}

/*
 * stays: in memory that is nearly full, most places are full, and those in
 * low memory do not change.
 */
static bool
stays(struct worker *w, uint64_t place)
{

	if (full == 0)
		return (false);
	return (place < nlow || (places[place] != VM_PADDR_NONE &&
	    random(w) % full >= 100 - full));
}

/*
 * change: so many changes of a worker's places.
 */
static void
change(unsigned worker, unsigned n)
{
	struct worker *w = &workers[worker];
	uint64_t mine, place;
	unsigned i;

	mine = (nplaces - worker + nworkers - 1) / nworkers;
	for (i = 0; i < n; i++) {
		place = worker + random(w) % mine * nworkers;
		if (stays(w, place))
			continue;
		if (places[place] != VM_PADDR_NONE)
			empty(place);
		else
			(void)fill(w, place);
	}
	atomic_fetch_add_explicit(&w->w_changes, n, memory_order_relaxed);
}

void
ageing_step(unsigned cpu)
{

	if (cpu <= nworkers)
		change(cpu - 1, STEP_CHANGES);
}

static uint64_t
changes(void)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < nworkers; i++) {
		sum += atomic_load_explicit(&workers[i].w_changes,
		    memory_order_relaxed);
	}
	return (sum);
}

/*
 * low_frames: how much memory of the lowest list there is.
 */
static uint64_t
low_frames(void)
{
	struct vm_physseg seg;
	uint64_t n = 0;
	unsigned i;

	for (i = 0; vm_physseg_get(i, &seg); i++) {
		if (seg.vs_list == VM_FREELIST_ISA)
			n += seg.vs_end - seg.vs_start;
	}
	return (n);
}

/*
 * places_make: the table, for a number of places that fits the memory.
 */
static bool
places_make(uint64_t maxpages)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(VM_PAGE_SIZE);
	struct vm_audit va;
	struct vm_pgseg seg;
	unsigned nsegs;
	uint64_t i;

	(void)vm_audit(&va);
	nplaces = va.va_free + va.va_held;
	nlow = full != 0 ? low_frames() : LOW_SHARE(low_frames());
	if (full == 0 && nplaces > maxpages)
		nplaces = maxpages;
	if (nlow > nplaces)
		nlow = nplaces;

	req.vpr_size = nplaces * sizeof(places[0]);
	req.vpr_owner = owner;
	req.vpr_policy = VM_POLICY_HIGHEST;
	if (vm_pglist_alloc(&req, &seg, &nsegs) != 0) {
		printf("ageing: no room for a table of %ju places\n",
		    (uintmax_t)nplaces);
		nplaces = 0;
		return (false);
	}
	places = pmap_phystov(seg.vps_start);
	for (i = 0; i < nplaces; i++)
		places[i] = VM_PADDR_NONE;
	return (true);
}

static void
workers_make(uint64_t seed)
{
	unsigned i;

	nworkers = smp_ncpu() > 1 ? smp_ncpu() - 1 : 1;
	if (nworkers > nplaces)
		nworkers = (unsigned)nplaces;
	for (i = 0; i < nworkers; i++) {
		/* The generator's one bad state is zero. */
		workers[i].w_random = (seed << 8 | (i + 1)) * SCRAMBLE;
	}
}

/*
 * fill_all: all places that there is memory for.  => how many.
 */
static uint64_t
fill_all(struct worker *w)
{
	uint64_t i, n = 0;

	for (i = 0; i < nplaces; i++) {
		if (fill(w, i)) {
			n++;
			continue;
		}
		if (full == 0)
			continue;
		places[i] = below_alloc(VM_PADDR_MAX);
		if (places[i] == VM_PADDR_NONE)
			continue;
		stamp_set(i);
		n++;
	}
	return (n);
}

/*
 * goes: is the page of a place given back again?  Half of them are; or, when
 * memory is to be nearly full, a share of runs and single ones.
 */
static bool
goes(struct worker *w, uint64_t place)
{
	uint64_t run = places[place] / (HOLE * VM_PAGE_SIZE), every;

	if (full == 0)
		return (random(w) >> 63 != 0);
	every = 100 * HOLE_SHARE / (100 - full);
	if (run % every == every / 2)
		return (true);
	return (random(w) % (100 * HOLE_SHARE) <
	    (100 - full) * (HOLE_SHARE - 1));
}

bool
ageing_start(uint64_t maxpages, uint64_t seed, unsigned percent)
{
	struct worker *w = &workers[0];
	uint64_t i, filled, kept = 0;

	full = percent;
	if (maxpages == 0 && full == 0)
		return (true);
	owner = vm_owner_register("ageing");
	if (!places_make(maxpages))
		return (false);
	workers_make(seed);
	filled = fill_all(w);
	for (i = 0; i < nplaces; i++) {
		if (places[i] == VM_PADDR_NONE)
			continue;
		if (goes(w, i))
			empty(i);
		else
			kept++;
	}
	printf("ageing: %ju places, %ju low; %ju pages taken, %ju kept\n",
	    (uintmax_t)nplaces, (uintmax_t)nlow, (uintmax_t)filled,
	    (uintmax_t)kept);
	return (true);
}

void
ageing_run(unsigned rounds)
{
	uint64_t end = changes() + rounds * nplaces;

	if (nplaces == 0 || take_any())
		return;
	background_resume();
	while (changes() < end)
		delay(WATCH_USEC);
	background_pause();
}

void
background_resume(void)
{

	if (nplaces == 0 || take_any())
		return;
	if (smp_ncpu() > 1)
		smp_run(ageing_step);
	else
		only_cpu_works = true;
}

void
background_pause(void)
{

	smp_stop();
	only_cpu_works = false;
}

void
background(void)
{

	if (only_cpu_works)
		change(0, ONLY_CHANGES);
}
