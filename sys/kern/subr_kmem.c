/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * General kernel memory: kmem(9).
 *
 * 1 Sizes.  Up to half a page, objects of about the same size share pages,
 * one class of sizes a page.  The classes are multiples of KMEM_ALIGN, four
 * to a doubling as long as that packs: from 512 on, the sizes are those that
 * fill a page of 4 KiB with 7, 6, 5, 4, 3 and 2.  So at most a fifth of an
 * object is unused, but for the smallest and for the last two steps (a
 * quarter and a third).  Larger ones have pages of their own: a run, or where
 * there is none, pages from anywhere that km_map(9) makes contiguous for the
 * kernel, in a port that has it.
 *
 * 2 Books.  Everything that a free is checked against lies outside of the
 * pages (kmem_block.h): which objects are allocated and, of each, the size
 * that was asked for, in two bytes, which also make the list of the free ones.
 * So the check is exact and costs no branch that a kernel would want to leave
 * out, and free memory is not touched.
 *
 * 3 Locks.  A shard's (which block is at an address), then a class's (its
 * lists, and the objects of its blocks).  A free holds both: so a block that
 * it found cannot go away.  An allocation only has the class's.  A new block is
 * first entered into its shard, when all its objects are free, and then into
 * the class; an empty one leaves both at once.
 *
 * 4 Empty pages.  Each class keeps one, so that a caller who allocates and
 * frees a single object does not go to the page allocator each time; others
 * go back at once.  When there is no memory, those that are kept go too.
 *
 * 5 "options DIAGNOSTIC".  An object is followed by a red zone, from its last
 * byte to the end of its place, at least REDZONE bytes, which is checked when
 * it is freed; what was freed is filled with a pattern, which is checked when
 * it is allocated again; what is allocated and not zeroed is filled with
 * another.  The size of a place is what is asked for plus REDZONE, so an
 * allocation of a whole page takes two.
 */

#include <sys/kmem.h>

#include <vm/vm_kassert.h>
#include <vm/vm_pglist.h>

#include "kmem_block.h"

#ifdef DIAGNOSTIC
#define	REDZONE		8
#else
#define	REDZONE		0
#endif

#define	BYTE_REDZONE	0xbd
#define	BYTE_FREED	0xde
#define	BYTE_FRESH	0xa5

static const uint16_t class_sizes[] = {
	16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448,
	512, 576, 672, 816, 1024, 1360, 2048
};

#define	NCLASS		(sizeof(class_sizes) / sizeof(class_sizes[0]))
#define	SMALL_MAX	2048
#define	OWN_PAGES	NCLASS		/* where those are counted */

_Static_assert(VM_PAGE_SIZE / KMEM_ALIGN < KB_NONE && SMALL_MAX < KB_FREE,
    "an index and a size fit into two bytes");

struct kmem_class {
	_Alignas(VM_CACHE_LINE) struct vm_md_lock kc_lock;
	struct kmem_block *kc_blocks;	/* some objects free, some not */
	struct kmem_block *kc_empty;	/* all free: the one that is kept */
	uint64_t	kc_used;	/* objects */
	uint64_t	kc_bytes;	/* asked for */
	uint64_t	kc_pages;
};

static struct kmem_class classes[NCLASS + 1];

static const struct kmem_scattered *scattered;	/* NULL: there is none */

/* How long a sleeper waits for a run before it tries for scattered pages. */
#define	WAIT_NSEC	10000000

static vm_md_intr_t
enter(struct vm_md_lock *l)
{
	vm_md_intr_t s = vm_md_intr_disable();

	vm_md_lock(l);
	return (s);
}

static void
leave(struct vm_md_lock *l, vm_md_intr_t s)
{

	vm_md_unlock(l);
	vm_md_intr_restore(s);
}

static psize_t
round_page(size_t size)
{

	return (((psize_t)size + VM_PAGE_SIZE - 1) & ~(VM_PAGE_SIZE - 1));
}

static void
bad(enum kmem_badness what, const void *p, size_t size, const void *caller)
{

	kmem_report("kmem", what, p, size, caller);
}

/*
 * What only DIAGNOSTIC kernels do.
 */
#ifdef DIAGNOSTIC
static void
fill(void *p, int byte, size_t size)
{

	memset(p, byte, size);
}

static bool
filled(const void *p, unsigned char byte, size_t size)
{
	const unsigned char *c = p;
	size_t i;

	for (i = 0; i < size; i++) {
		if (c[i] != byte)
			return (false);
	}
	return (true);
}
#else
static void
fill(void *p, int byte, size_t size)
{

	(void)p;
	(void)byte;
	(void)size;
}

static bool
filled(const void *p, unsigned char byte, size_t size)
{

	(void)p;
	(void)byte;
	(void)size;
	return (true);
}
#endif

/*
 * guard: what is handed out, in a place of that many bytes.
 */
static void
guard(char *p, size_t size, size_t place)
{

	fill(p, BYTE_FRESH, size);
	fill(p + size, BYTE_REDZONE, place - size);
}

static void
guard_check(const char *p, size_t size, size_t place, const void *caller)
{

	if (!filled(p + size, BYTE_REDZONE, place - size))
		bad(KMEM_REDZONE, p, size, caller);
}

/*
 * Objects that share pages.
 */

static unsigned
class_for(size_t need, size_t align)
{
	unsigned i = 0;

	while (class_sizes[i] < need || class_sizes[i] % align != 0)
		i++;
	return (i);
}

/*
 * class_link, class_unlink: into and out of the list of those with free
 * objects and others.  => the class locked.
 */
static void
class_link(struct kmem_class *kc, struct kmem_block *kb)
{

	kb->kb_next = kc->kc_blocks;
	kb->kb_prevp = &kc->kc_blocks;
	if (kb->kb_next != NULL)
		kb->kb_next->kb_prevp = &kb->kb_next;
	kc->kc_blocks = kb;
}

static void
class_unlink(struct kmem_block *kb)
{

	*kb->kb_prevp = kb->kb_next;
	if (kb->kb_next != NULL)
		kb->kb_next->kb_prevp = kb->kb_prevp;
}

/*
 * block_cut: all objects of a new block of a class are free, the first one
 * to be had first.
 */
static void
block_cut(struct kmem_block *kb, unsigned class, unsigned n)
{
	unsigned i;

	kb->kb_class = (uint8_t)class;
	kb->kb_nobjects = (uint16_t)n;
	kb->kb_first = 0;
	for (i = 0; i < n; i++)
		kb->kb_object[i] = (uint16_t)(KB_FREE |
		    (i + 1 < n ? i + 1 : KB_NONE));
	fill(kb->kb_va, BYTE_FREED, kb->kb_psize);
}

/*
 * block_enter: kmem_free() finds it from here on.
 */
static void
block_enter(struct kmem_block *kb)
{
	struct kmem_shard *ks = kmem_shard(kb->kb_va);
	vm_md_intr_t s = enter(&ks->ks_lock);

	kmem_block_insert(ks, kb);
	leave(&ks->ks_lock, s);
}

/*
 * block_new: a page for a class; NULL: no memory.
 */
static struct kmem_block *
block_new(unsigned class)
{
	unsigned n = (unsigned)(VM_PAGE_SIZE / class_sizes[class]);
	struct kmem_block *kb;
	void *va;

	kb = kmem_block_alloc(n);
	if (kb == NULL)
		return (NULL);
	kb->kb_pa = kmem_page_alloc(&va);
	if (kb->kb_pa == VM_PADDR_NONE) {
		kmem_block_free(kb);
		return (NULL);
	}
	kb->kb_va = va;
	kb->kb_psize = VM_PAGE_SIZE;
	block_cut(kb, class, n);
	block_enter(kb);
	return (kb);
}

/*
 * object_take: the first free object.  => the class locked.
 */
static char *
object_take(struct kmem_class *kc, struct kmem_block *kb, size_t size)
{
	unsigned i = kb->kb_first;

	kb->kb_first = kb->kb_object[i] & KB_INDEX;
	kb->kb_object[i] = (uint16_t)size;
	kb->kb_nused++;
	if (kb->kb_first == KB_NONE)
		class_unlink(kb);
	kc->kc_used++;
	kc->kc_bytes += size;
	return (kb->kb_va + i * class_sizes[kb->kb_class]);
}

/*
 * block_get: one with a free object; NULL: there is none.  => the class
 * locked.
 */
static struct kmem_block *
block_get(struct kmem_class *kc)
{
	struct kmem_block *kb = kc->kc_blocks;

	if (kb == NULL && (kb = kc->kc_empty) != NULL) {
		kc->kc_empty = NULL;
		class_link(kc, kb);
	}
	return (kb);
}

static void *
object_alloc(unsigned class, size_t size, const void *caller)
{
	struct kmem_class *kc = &classes[class];
	struct kmem_block *kb;
	vm_md_intr_t s;
	char *p;

	s = enter(&kc->kc_lock);
	kb = block_get(kc);
	if (kb == NULL) {
		leave(&kc->kc_lock, s);
		kb = block_new(class);
		if (kb == NULL)
			return (NULL);
		s = enter(&kc->kc_lock);
		kc->kc_pages++;
		class_link(kc, kb);
	}
	p = object_take(kc, kb, size);
	leave(&kc->kc_lock, s);
	if (!filled(p, BYTE_FREED, class_sizes[class]))
		bad(KMEM_POISON, p, size, caller);
	guard(p, size, class_sizes[class]);
	return (p);
}

/*
 * object_check: is p an object of that size?  => KMEM_NBADNESS: it is, and
 * *ip its index.
 */
static enum kmem_badness
object_check(const struct kmem_block *kb, const char *p, size_t size,
    unsigned *ip)
{
	size_t at = (size_t)(p - kb->kb_va), place = class_sizes[kb->kb_class];

	*ip = (unsigned)(at / place);
	if (at % place != 0 || *ip >= kb->kb_nobjects)
		return (KMEM_BAD_START);
	if ((kb->kb_object[*ip] & KB_FREE) != 0)
		return (KMEM_BAD_FREE);
	return (kb->kb_object[*ip] == size ? KMEM_NBADNESS : KMEM_BAD_SIZE);
}

/*
 * object_put: an object is free again.
 * => the block, if its page is to go, else NULL.
 * => the class and the shard locked.
 */
static struct kmem_block *
object_put(struct kmem_class *kc, struct kmem_block *kb, unsigned i)
{

	kc->kc_used--;
	kc->kc_bytes -= kb->kb_object[i];
	if (kb->kb_first == KB_NONE)
		class_link(kc, kb);
	kb->kb_object[i] = (uint16_t)(KB_FREE | kb->kb_first);
	kb->kb_first = (uint16_t)i;
	if (--kb->kb_nused > 0)
		return (NULL);
	class_unlink(kb);
	if (kc->kc_empty == NULL) {
		kc->kc_empty = kb;
		return (NULL);
	}
	kc->kc_pages--;
	return (kb);
}

/*
 * block_release: nobody knows of it any more.
 */
static void
block_release(struct kmem_block *kb)
{

	if (kb->kb_pa == VM_PADDR_NONE)
		(void)scattered->sc_free(kb->kb_va, kb->kb_psize);
	else
		(void)vm_pglist_free(kb->kb_pa, kb->kb_psize);
	kmem_block_free(kb);
}

/*
 * object_free: free p, of a block with objects.
 * => as object_check(); *gonep: the block, if its page is to go.
 * => the shard locked.
 */
static enum kmem_badness
object_free(struct kmem_shard *ks, struct kmem_block *kb, char *p, size_t size,
    const void *caller, struct kmem_block **gonep)
{
	struct kmem_class *kc = &classes[kb->kb_class];
	enum kmem_badness what;
	unsigned i;

	vm_md_lock(&kc->kc_lock);
	what = object_check(kb, p, size, &i);
	if (what == KMEM_NBADNESS) {
		guard_check(p, size, class_sizes[kb->kb_class], caller);
		fill(p, BYTE_FREED, class_sizes[kb->kb_class]);
		*gonep = object_put(kc, kb, i);
		if (*gonep != NULL)
			kmem_block_remove(ks, kb);
	}
	vm_md_unlock(&kc->kc_lock);
	return (what);
}

/*
 * Allocations with pages of their own.
 */

/*
 * run_alloc: one run of pages, if the kernel has addresses of it that are
 * aligned, as they need not be where the direct map is not.
 */
static bool
pages_run(struct kmem_block *kb, size_t align, km_flag_t flags)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(kb->kb_psize);
	struct vm_pgseg seg;
	unsigned nsegs;

	req.vpr_align = align < VM_PAGE_SIZE ? VM_PAGE_SIZE : align;
	req.vpr_high = vm_md_physend();
	req.vpr_policy = VM_POLICY_BEST;
	req.vpr_owner = kmem_owner();
	if ((flags & KM_SLEEP) != 0) {
		req.vpr_flags = VM_PG_WAIT;
		req.vpr_timeout = WAIT_NSEC;
	}
	if (vm_pglist_alloc(&req, &seg, &nsegs) != 0)
		return (false);
	kb->kb_pa = seg.vps_start;
	kb->kb_va = vm_md_phystov(seg.vps_start, seg.vps_size);
	if (kb->kb_va != NULL && (uintptr_t)kb->kb_va % align == 0)
		return (true);
	(void)vm_pglist_free(seg.vps_start, seg.vps_size);
	return (false);
}

/*
 * A single page comes from the queues.
 */
static bool
page_alloc(struct kmem_block *kb)
{
	void *va;

	kb->kb_pa = kmem_page_alloc(&va);
	if (kb->kb_pa == VM_PADDR_NONE)
		return (false);
	kb->kb_va = va;
	return (true);
}

static bool
scattered_alloc(struct kmem_block *kb, size_t align)
{

	if (scattered == NULL)
		return (false);
	kb->kb_va = scattered->sc_alloc(kb->kb_psize, align, 0);
	kb->kb_pa = VM_PADDR_NONE;
	return (kb->kb_va != NULL);
}

static bool
memory_alloc(struct kmem_block *kb, size_t align, km_flag_t flags)
{

	if (kb->kb_psize == VM_PAGE_SIZE && align <= VM_PAGE_SIZE) {
		if (page_alloc(kb))
			return (true);
	} else if (pages_run(kb, align, KM_NOSLEEP) ||
	    scattered_alloc(kb, align))
		return (true);
	if ((flags & KM_SLEEP) != 0)
		return (pages_run(kb, align, flags));
	return (false);
}

static void
own_count(int64_t n, size_t size, psize_t psize)
{
	struct kmem_class *kc = &classes[OWN_PAGES];
	vm_md_intr_t s = enter(&kc->kc_lock);

	kc->kc_used += (uint64_t)n;
	kc->kc_bytes += (uint64_t)n * size;
	kc->kc_pages += (uint64_t)n * (psize / VM_PAGE_SIZE);
	leave(&kc->kc_lock, s);
}

static void *
pages_alloc(size_t size, size_t align, km_flag_t flags)
{
	struct kmem_block *kb = kmem_block_alloc(0);

	if (kb == NULL)
		return (NULL);
	kb->kb_size = size;
	kb->kb_psize = round_page(size + REDZONE);
	if (!memory_alloc(kb, align, flags)) {
		kmem_block_free(kb);
		return (NULL);
	}
	guard(kb->kb_va, size, kb->kb_psize);
	own_count(1, size, kb->kb_psize);
	block_enter(kb);
	return (kb->kb_va);
}

/*
 * pages_check: as object_check().
 */
static enum kmem_badness
pages_check(const struct kmem_block *kb, const char *p, size_t size)
{

	if (p != kb->kb_va)
		return (KMEM_BAD_START);
	return (kb->kb_size == size ? KMEM_NBADNESS : KMEM_BAD_SIZE);
}

static void
pages_free(struct kmem_block *kb, const void *caller)
{

	guard_check(kb->kb_va, kb->kb_size, kb->kb_psize, caller);
	fill(kb->kb_va, BYTE_FREED, kb->kb_psize);
	own_count(-1, kb->kb_size, kb->kb_psize);
}

/*
 * The interface.
 */

static const char *
request_check(size_t size, size_t align, km_flag_t flags)
{

	if (size == 0 || size > KMEM_MAX)
		return ("size");
	if (align == 0 || (align & (align - 1)) != 0 || align > KMEM_MAX)
		return ("alignment");
	if (flags != KM_SLEEP && flags != KM_NOSLEEP)
		return ("flags");
	return (NULL);
}

static void *
alloc(size_t size, size_t align, km_flag_t flags, const void *caller)
{
	const size_t need = size + REDZONE;
	const char *why = request_check(size, align, flags);
	bool reaped = false;
	void *p;

	if (why != NULL) {
		vm_md_printf("kmem: no allocation of size %zu align %zu flags "
		    "%#x from %p: %s\n", size, align, flags, caller, why);
		return (NULL);
	}
	for (;;) {
		if (need <= SMALL_MAX && align <= SMALL_MAX)
			p = object_alloc(class_for(need, align), size, caller);
		else
			p = pages_alloc(size, align, flags);
		if (p != NULL)
			return (p);
		/* Once: a try that fails may itself leave a page empty. */
		if (!reaped && kmem_reap() > 0) {
			reaped = true;
			continue;
		}
		if (flags == KM_NOSLEEP)
			return (NULL);
		reaped = false;
		kmem_page_wait(vm_md_physend());
	}
}

void *
kmem_alloc(size_t size, km_flag_t flags)
{

	return (alloc(size, KMEM_ALIGN, flags, __builtin_return_address(0)));
}

static void *
zeroed(void *p, size_t size)
{

	if (p != NULL && size <= KMEM_MAX)	/* so that compilers know */
		memset(p, 0, size);
	return (p);
}

void *
kmem_zalloc(size_t size, km_flag_t flags)
{

	return (zeroed(alloc(size, KMEM_ALIGN, flags,
	    __builtin_return_address(0)), size));
}

/* What serves a caller who wants multiples of align. */
static size_t
at_least(size_t align)
{

	if (align != 0 && align < KMEM_ALIGN && (align & (align - 1)) == 0)
		return (KMEM_ALIGN);
	return (align);
}

void *
kmem_alloc_aligned(size_t size, size_t align, km_flag_t flags)
{

	return (alloc(size, at_least(align), flags,
	    __builtin_return_address(0)));
}

void *
kmem_zalloc_aligned(size_t size, size_t align, km_flag_t flags)
{

	return (zeroed(alloc(size, at_least(align), flags,
	    __builtin_return_address(0)), size));
}

void
kmem_free(void *p, size_t size)
{
	const void *caller = __builtin_return_address(0);
	struct kmem_shard *ks = kmem_shard(p);
	struct kmem_block *kb, *gone = NULL;
	enum kmem_badness what = KMEM_BAD_START;
	vm_md_intr_t s;

	if (p == NULL && size == 0)
		return;
	s = enter(&ks->ks_lock);
	kb = kmem_block_find(ks, p);
	if (kb != NULL && kb->kb_size == 0) {
		what = object_free(ks, kb, p, size, caller, &gone);
	} else if (kb != NULL) {
		what = pages_check(kb, p, size);
		if (what == KMEM_NBADNESS) {
			kmem_block_remove(ks, kb);
			gone = kb;
		}
	}
	leave(&ks->ks_lock, s);
	if (what != KMEM_NBADNESS)
		bad(what, p, size, caller);
	if (gone == NULL)
		return;
	if (gone->kb_size != 0)
		pages_free(gone, caller);
	block_release(gone);
}

/*
 * class_reap: the empty page of a class goes.
 *
 * The shard's lock comes first, but which shard it is only the class knows:
 * the page is taken out of the class before, and then in nobody's reach but
 * that of frees, all of which are refused.
 */
static unsigned
class_reap(struct kmem_class *kc)
{
	struct kmem_shard *ks;
	struct kmem_block *kb;
	vm_md_intr_t s;

	s = enter(&kc->kc_lock);
	kb = kc->kc_empty;
	if (kb != NULL) {
		kc->kc_empty = NULL;
		kc->kc_pages--;
	}
	leave(&kc->kc_lock, s);
	if (kb == NULL)
		return (0);
	ks = kmem_shard(kb->kb_va);
	s = enter(&ks->ks_lock);
	kmem_block_remove(ks, kb);
	leave(&ks->ks_lock, s);
	block_release(kb);
	return (1);
}

unsigned
kmem_reap(void)
{
	unsigned i, n = 0;

	for (i = 0; i < NCLASS; i++)
		n += class_reap(&classes[i]);
	return (n);
}

void
kmem_scattered(const struct kmem_scattered *sc)
{

	scattered = sc;
}

void
kmem_init(void)
{
	unsigned i;

	kmem_block_init();
	scattered = NULL;
	for (i = 0; i < NCLASS + 1; i++)
		classes[i] = (struct kmem_class){ .kc_used = 0 };
	kmem_report_init();
}

bool
kmem_info(unsigned i, struct kmem_info *ki)
{
	struct kmem_class *kc;
	vm_md_intr_t s;

	if (i > NCLASS)
		return (false);
	kc = &classes[i];
	s = enter(&kc->kc_lock);
	ki->ki_used = kc->kc_used;
	ki->ki_bytes = kc->kc_bytes;
	ki->ki_pages = kc->kc_pages;
	leave(&kc->kc_lock, s);
	ki->ki_size = i < NCLASS ? class_sizes[i] : 0;
	ki->ki_objects = i < NCLASS ?
	    ki->ki_pages * (VM_PAGE_SIZE / class_sizes[i]) : ki->ki_used;
	return (true);
}

uint64_t
kmem_meta_pages(void)
{

	return (kmem_block_pages());
}

/*
 * Invariants.
 */

struct check {
	uint64_t	ck_used[NCLASS + 1];
	uint64_t	ck_bytes[NCLASS + 1];
	uint64_t	ck_pages[NCLASS + 1];
};

/*
 * objects_check: are the free objects of a block those of its list?
 */
static const char *
objects_check(const struct kmem_block *kb, struct check *ck)
{
	const unsigned n = kb->kb_nobjects;
	unsigned i, nfree = 0, used = 0;

	for (i = 0; i < n; i++) {
		if ((kb->kb_object[i] & KB_FREE) != 0)
			continue;
		if (kb->kb_object[i] == 0 || kb->kb_object[i] + REDZONE >
		    class_sizes[kb->kb_class])
			return ("an object of an impossible size");
		used++;
		ck->ck_bytes[kb->kb_class] += kb->kb_object[i];
	}
	for (i = kb->kb_first; i != KB_NONE; i = kb->kb_object[i] & KB_INDEX) {
		if (i >= n || ++nfree > n || (kb->kb_object[i] & KB_FREE) == 0)
			return ("a list of free objects leads astray");
	}
	if (used != kb->kb_nused || nfree + used != n)
		return ("a block's count of objects is wrong");
	ck->ck_used[kb->kb_class] += used;
	ck->ck_pages[kb->kb_class]++;
	return (NULL);
}

static const char *
block_check(struct kmem_block *kb, void *arg)
{
	struct check *ck = arg;

	if ((uintptr_t)kb->kb_va % VM_PAGE_SIZE != 0 || kb->kb_psize == 0)
		return ("a block is not made of pages");
	if (kb->kb_size == 0)
		return (objects_check(kb, ck));
	if (kb->kb_size + REDZONE > kb->kb_psize)
		return ("an allocation is larger than its pages");
	ck->ck_used[OWN_PAGES]++;
	ck->ck_bytes[OWN_PAGES] += kb->kb_size;
	ck->ck_pages[OWN_PAGES] += kb->kb_psize / VM_PAGE_SIZE;
	return (NULL);
}

const char *
kmem_check(void)
{
	struct check ck = { .ck_used = { 0 } };
	struct kmem_info ki;
	const char *why;
	unsigned i;

	why = kmem_block_check();
	if (why == NULL)
		why = kmem_block_foreach(block_check, &ck);
	for (i = 0; why == NULL && kmem_info(i, &ki); i++) {
		if (ck.ck_used[i] != ki.ki_used ||
		    ck.ck_bytes[i] != ki.ki_bytes ||
		    ck.ck_pages[i] != ki.ki_pages)
			why = "the counts of a size are wrong";
	}
	return (why);
}
