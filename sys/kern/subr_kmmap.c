/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Ranges of kernel addresses: km_map(9).
 *
 * An extent map says which addresses are taken; a range in it begins with one
 * guard page and ends with another, so that two never share one: of two
 * ranges side by side, what runs out of the one hits a page that belongs to
 * it.  The page tables say which page is where.  Beside both there is a tree
 * of descriptions with what neither knows: the bytes that were asked for.
 *
 * Who takes a description out of the tree owns the range alone: of several
 * frees at once one finds it.  Then its pages are unmapped and freed, and last
 * its addresses, which nobody can get before no CPU knows the old pages.
 *
 * Descriptions come from kmem(9), which itself comes here for what is larger
 * than any run of pages; descriptions are small, so that ends.  It knows of us
 * by km_map_init() alone, and does without in a port that has no such range.
 */

#include <sys/avl.h>
#include <sys/extent.h>
#include <sys/km_map.h>
#include <sys/kmem.h>
#include <sys/kpmap.h>

#include <vm/vm_kassert.h>
#include <vm/vm_pglist.h>

#include "kmem_block.h"

#define	FLAGS		(VM_PG_ZERO | VM_PG_FRESH | VM_PG_USERESERVE | \
			VM_PG_WAIT)
#define	GUARD		VM_PAGE_SIZE	/* before and behind */
#define	BATCH		64		/* pages */
#define	NFIXED		32		/* ranges without further memory */

struct km_range {
	struct avl_node	kr_node;
	char		*kr_va;
	size_t		kr_size;	/* asked for */
	psize_t		kr_psize;	/* mapped */
	bool		kr_lent;	/* the pages are somebody else's */
};

struct extent *km_map_extent;

static uint64_t km_storage[EXTENT_FIXED_STORAGE_SIZE(NFIXED) / 8 + 1];
static struct vm_md_lock km_lock;	/* the following */
static struct avl_tree km_ranges;
static uint64_t km_nranges, km_npages;
static _Atomic uint32_t km_locker;	/* CPU + 1; 0: none */

static vm_md_intr_t
lock(void)
{
	vm_md_intr_t s = vm_md_intr_disable();

	vm_md_lock(&km_lock);
	atomic_store_explicit(&km_locker, vm_md_curcpu() + 1,
	    memory_order_relaxed);
	return (s);
}

static void
unlock(vm_md_intr_t s)
{

	atomic_store_explicit(&km_locker, 0, memory_order_relaxed);
	vm_md_unlock(&km_lock);
	vm_md_intr_restore(s);
}

static vm_owner_t
km_owner(void)
{
	static _Atomic vm_owner_t owner;
	vm_owner_t tag = atomic_load_explicit(&owner, memory_order_relaxed);

	if (tag == VM_OWNER_NONE) {
		tag = vm_owner_register("km_map");
		atomic_store_explicit(&owner, tag, memory_order_relaxed);
	}
	return (tag);
}

static struct km_range *
range_of(const struct avl_node *n)
{

	return ((struct km_range *)(uintptr_t)((uintptr_t)n -
	    offsetof(struct km_range, kr_node)));
}

/*
 * range_at: the last range that begins at or before an address; NULL: there
 * is none.  => lock held.
 */
static struct km_range *
range_at(uintptr_t va)
{
	struct avl_node *n = km_ranges.at_root;
	struct km_range *found = NULL;

	while (n != NULL) {
		if ((uintptr_t)range_of(n)->kr_va <= va) {
			found = range_of(n);
			n = n->an_child[1];
		} else
			n = n->an_child[0];
	}
	return (found);
}

static void
range_insert(struct km_range *kr)
{
	struct avl_node *n, *parent = NULL;
	unsigned side = 0;
	vm_md_intr_t s;

	s = lock();
	for (n = km_ranges.at_root; n != NULL; n = n->an_child[side]) {
		parent = n;
		side = (uintptr_t)kr->kr_va > (uintptr_t)range_of(n)->kr_va;
	}
	avl_insert(&km_ranges, &kr->kr_node, parent, side);
	km_nranges++;
	km_npages += kr->kr_psize >> PAGE_SHIFT;
	unlock(s);
}

/*
 * range_remove: the range that is to be freed, for the caller alone; NULL:
 * *whatp says why not.
 */
static struct km_range *
range_remove(const void *p, size_t size, bool lent, enum kmem_badness *whatp)
{
	struct km_range *kr;
	vm_md_intr_t s;

	s = lock();
	kr = range_at((uintptr_t)p);
	if (kr == NULL || kr->kr_va != p || kr->kr_lent != lent) {
		*whatp = KMEM_BAD_START;
		kr = NULL;
	} else if (kr->kr_size != size) {
		*whatp = KMEM_BAD_SIZE;
		kr = NULL;
	} else {
		avl_remove(&km_ranges, &kr->kr_node);
		km_nranges--;
		km_npages -= kr->kr_psize >> PAGE_SHIFT;
	}
	unlock(s);
	return (kr);
}

/*
 * Addresses.
 */
static bool
addresses_alloc(struct km_range *kr, size_t align)
{
	exaddr_t start;

	if (kr->kr_psize + 2 * GUARD > SIZE_MAX)
		return (false);
	if (extent_alloc1(km_map_extent, kr->kr_psize + 2 * GUARD, align,
	    align - GUARD, EX_NOBOUNDARY, EX_NOWAIT | EX_MALLOCOK,
	    &start) != 0)
		return (false);
	kr->kr_va = (char *)(uintptr_t)(start + GUARD);
	return (true);
}

static void
addresses_free(const struct km_range *kr)
{
	int error;

	error = extent_free(km_map_extent, (uintptr_t)kr->kr_va - GUARD,
	    kr->kr_psize + 2 * GUARD, EX_NOWAIT);
	KASSERT(error == 0);
}

/*
 * Pages.
 */

static paddr_t
page_at(const char *va)
{
	paddr_t pa;

	return (pmap_kextract((vaddr_t)va, &pa) ? pa : VM_PADDR_NONE);
}

/*
 * pages_unmap: what is mapped of the first size bytes goes back, a batch at a
 * time: others may have a page only when no CPU can reach it here any more.
 */
static void
pages_unmap(const struct km_range *kr, psize_t size)
{
	paddr_t pages[BATCH];
	psize_t at, next;
	unsigned i, n;

	for (at = 0; at < size; at = next) {
		next = size - at > BATCH * VM_PAGE_SIZE ?
		    at + BATCH * VM_PAGE_SIZE : size;
		n = (unsigned)((next - at) >> PAGE_SHIFT);
		for (i = 0; i < n; i++)
			pages[i] = page_at(kr->kr_va + at + i * VM_PAGE_SIZE);
		(void)pmap_kremove((vaddr_t)kr->kr_va + at,
		    (vsize_t)(next - at));
		for (i = 0; i < n; i++)
			if (!kr->kr_lent)
				(void)vm_page_free(pages[i]);
	}
}

/*
 * pages_map: all of them; on failure none.
 */
static bool
pages_map(const struct km_range *kr, unsigned flags)
{
	psize_t at;
	paddr_t pa;

	for (at = 0; at < kr->kr_psize; at += VM_PAGE_SIZE) {
		pa = vm_page_alloc(flags & (VM_PG_FRESH | VM_PG_USERESERVE),
		    km_owner());
		if (pa == VM_PADDR_NONE)
			break;
		if (pmap_kenter((vaddr_t)kr->kr_va + at, pa,
		    PMAP_KWRITE) != 0) {
			(void)vm_page_free(pa);
			break;
		}
	}
	if (at == kr->kr_psize)
		return (true);
	pages_unmap(kr, at);
	return (false);
}

/*
 * The interface.
 */

static const char *
request_check(size_t size, size_t align, unsigned flags)
{

	if (size == 0 || size > SIZE_MAX / 2)
		return ("size");
	if (align == 0 || (align & (align - 1)) != 0 || align > SIZE_MAX / 2)
		return ("alignment");
	return ((flags & ~FLAGS) != 0 ? "flags" : NULL);
}

static bool
range_fill(struct km_range *kr, size_t align, unsigned flags)
{

	for (;;) {
		if (!addresses_alloc(kr, align))
			return (false);
		if (pages_map(kr, flags))
			return (true);
		addresses_free(kr);
		if ((flags & VM_PG_WAIT) == 0)
			return (false);
		/* Who waits holds none: others may get all that they need. */
		kmem_page_wait(VM_PADDR_MAX);
	}
}

static struct km_range *
range_new(size_t size, km_flag_t flags)
{
	struct km_range *kr;

	kr = kmem_zalloc(sizeof(*kr), flags);
	if (kr == NULL)
		return (NULL);
	kr->kr_size = size;
	kr->kr_psize = ((psize_t)size + VM_PAGE_SIZE - 1) &
	    ~(VM_PAGE_SIZE - 1);
	return (kr);
}

void *
km_map_alloc(size_t size, size_t align, unsigned flags)
{
	const char *why = request_check(size, align, flags);
	struct km_range *kr;

	if (why != NULL) {
		vm_md_printf("km_map: no allocation of size %zu align %zu "
		    "flags %#x from %p: %s\n", size, align, flags,
		    __builtin_return_address(0), why);
		return (NULL);
	}
	if (km_map_extent == NULL)
		return (NULL);
	kr = range_new(size, (flags & VM_PG_WAIT) != 0 ? KM_SLEEP :
	    KM_NOSLEEP);
	if (kr == NULL)
		return (NULL);
	if (!range_fill(kr, align < VM_PAGE_SIZE ? VM_PAGE_SIZE : align,
	    flags)) {
		kmem_free(kr, sizeof(*kr));
		return (NULL);
	}
	if ((flags & VM_PG_ZERO) != 0)
		memset(kr->kr_va, 0, kr->kr_psize);
	range_insert(kr);
	return (kr->kr_va);
}

/*
 * segments_check: whole pages, enough for a size.
 */
static bool
segments_check(const struct vm_pgseg *segs, unsigned nsegs, psize_t size)
{
	psize_t sum = 0;
	unsigned i;

	for (i = 0; i < nsegs; i++) {
		if ((segs[i].vps_start | segs[i].vps_size) % VM_PAGE_SIZE != 0)
			return (false);
		sum += segs[i].vps_size;
		if (sum < segs[i].vps_size)
			return (false);
	}
	return (size != 0 && size <= SIZE_MAX / 2 && sum >= size);
}

/*
 * segments_map: all of the range shows the pages of segments; on failure
 * nothing is mapped.
 */
static bool
segments_map(const struct km_range *kr, const struct vm_pgseg *segs)
{
	psize_t at = 0, in = 0;

	while (at < kr->kr_psize) {
		if (in == segs->vps_size) {
			segs++;
			in = 0;
			continue;
		}
		if (pmap_kenter((vaddr_t)kr->kr_va + at, segs->vps_start + in,
		    PMAP_KWRITE) != 0) {
			pages_unmap(kr, at);
			return (false);
		}
		at += VM_PAGE_SIZE;
		in += VM_PAGE_SIZE;
	}
	return (true);
}

void *
km_map_enter(const struct vm_pgseg *segs, unsigned nsegs, size_t size)
{
	struct km_range *kr;

	if (!segments_check(segs, nsegs, size)) {
		vm_md_printf("km_map: no mapping of %u segments, size %zu, "
		    "from %p\n", nsegs, size, __builtin_return_address(0));
		return (NULL);
	}
	if (km_map_extent == NULL)
		return (NULL);
	kr = range_new(size, KM_NOSLEEP);
	if (kr == NULL)
		return (NULL);
	kr->kr_lent = true;
	if (addresses_alloc(kr, VM_PAGE_SIZE)) {
		if (segments_map(kr, segs)) {
			range_insert(kr);
			return (kr->kr_va);
		}
		addresses_free(kr);
	}
	kmem_free(kr, sizeof(*kr));
	return (NULL);
}

static int
range_free(void *p, size_t size, bool lent, const void *caller)
{
	enum kmem_badness what = KMEM_NBADNESS;
	struct km_range *kr;

	kr = range_remove(p, size, lent, &what);
	if (kr == NULL) {
		kmem_report("km_map", what, p, size, caller);
		return (what == KMEM_BAD_SIZE ? EMSGSIZE : EINVAL);
	}
	pages_unmap(kr, kr->kr_psize);
	addresses_free(kr);
	kmem_free(kr, sizeof(*kr));
	return (0);
}

int
km_map_free(void *p, size_t size)
{

	return (range_free(p, size, false, __builtin_return_address(0)));
}

int
km_map_remove(void *p, size_t size)
{

	return (range_free(p, size, true, __builtin_return_address(0)));
}

bool
km_map_init(void)
{
	static const struct kmem_scattered self = {
		km_map_alloc, km_map_free
	};
	vaddr_t start, end;

	KASSERT(km_nranges == 0);
	if (km_map_extent != NULL)
		extent_destroy(km_map_extent);
	km_map_extent = NULL;
	pmap_krange(&start, &end);
	if (start < end)
		km_map_extent = extent_create("km_map", start, end - 1,
		    km_storage, sizeof(km_storage), EX_NOWAIT | EX_NOCOALESCE);
	if (km_map_extent == NULL)
		return (false);
	kmem_scattered(&self);
	return (true);
}

/*
 * What is where.
 */

static void
fault_text(const struct km_range *before, const struct km_range *behind,
    uintptr_t at, char *buf, size_t len)
{
	const struct km_range *kr = NULL;
	const char *what = "not allocated";

	if (before != NULL && at - (uintptr_t)before->kr_va <
	    before->kr_psize + GUARD) {
		kr = before;
		what = at - (uintptr_t)kr->kr_va < kr->kr_psize ?
		    "mapped page in" : "guard page behind";
	} else if (behind != NULL && (uintptr_t)behind->kr_va - at <= GUARD) {
		kr = behind;
		what = "guard page before";
	}
	if (kr == NULL)
		(void)vm_md_snprintf(buf, len, "km_map: %s", what);
	else
		(void)vm_md_snprintf(buf, len, "km_map: %s %p size %zu", what,
		    (void *)kr->kr_va, kr->kr_size);
}

bool
km_map_fault(const void *va, char *buf, size_t len)
{
	const uint32_t self = vm_md_curcpu() + 1;	/* 0: has no number */
	uintptr_t at = (uintptr_t)va;
	struct km_range *before, *behind;
	struct avl_node *n;
	vm_md_intr_t s;

	if (km_map_extent == NULL || at < km_map_extent->ex_start ||
	    at > km_map_extent->ex_end)
		return (false);
	/* Who faults while it holds the lock must not wait for itself. */
	if (self != 0 && atomic_load_explicit(&km_locker,
	    memory_order_relaxed) == self) {
		(void)vm_md_snprintf(buf, len, "km_map: in its own books");
		return (true);
	}
	s = lock();
	before = range_at(at);
	n = before == NULL ? avl_first(&km_ranges) :
	    avl_next(&before->kr_node);
	behind = n == NULL ? NULL : range_of(n);
	fault_text(before, behind, at, buf, len);
	unlock(s);
	return (true);
}

void
km_map_info(struct km_map_info *kmi)
{
	vm_md_intr_t s;

	*kmi = (struct km_map_info){ .kmi_ranges = 0 };
	if (km_map_extent == NULL)
		return;
	kmi->kmi_start = (uintptr_t)km_map_extent->ex_start;
	kmi->kmi_end = (uintptr_t)km_map_extent->ex_end + 1;
	s = lock();
	kmi->kmi_ranges = km_nranges;
	kmi->kmi_pages = km_npages;
	unlock(s);
}

/*
 * range_check: all pages of a range are mapped, its guards are not, and its
 * addresses are taken as one region.
 */
static const char *
range_check(const struct km_range *kr)
{
	struct extent_range er;
	uintptr_t first = (uintptr_t)kr->kr_va - GUARD;
	psize_t at;

	for (at = 0; at < kr->kr_psize; at += VM_PAGE_SIZE) {
		if (page_at(kr->kr_va + at) == VM_PADDR_NONE)
			return ("a page of a range is not mapped");
	}
	if (page_at(kr->kr_va - GUARD) != VM_PADDR_NONE ||
	    page_at(kr->kr_va + kr->kr_psize) != VM_PADDR_NONE)
		return ("a guard page is mapped");
	er.er_first = er.er_last = first - 1;
	if (!extent_region_next(km_map_extent, &er) || er.er_first != first ||
	    er.er_last != first + kr->kr_psize + 2 * GUARD - 1)
		return ("the addresses of a range are not its own");
	return (NULL);
}

static const char *
ranges_check(void)
{
	struct avl_node *n;
	const char *why = NULL;
	uint64_t count = 0, pages = 0;

	if (!avl_check(&km_ranges))
		return ("the tree of ranges is out of balance");
	for (n = avl_first(&km_ranges); n != NULL && why == NULL;
	    n = avl_next(n)) {
		why = range_check(range_of(n));
		count++;
		pages += range_of(n)->kr_psize >> PAGE_SHIFT;
	}
	if (why == NULL && (count != km_nranges || pages != km_npages))
		why = "the counts of ranges are wrong";
	return (why);
}

const char *
km_map_check(void)
{
	const char *why;
	vm_md_intr_t s;

	if (km_map_extent == NULL)
		return (NULL);
	why = extent_check(km_map_extent);
	if (why != NULL)
		return (why);
	s = lock();
	why = ranges_check();
	unlock(s);
	return (why);
}
