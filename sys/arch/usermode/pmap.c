/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Mappings of single pages in the usermode port: <sys/kpmap.h>.
 *
 * The range is address space of this process that allows nothing; a page in it
 * is mapped by laying a view of physical memory over it, and unmapped by laying
 * nothing over that again.  Beside it lies a word for each page, which says
 * what was laid there: the host would tell, but not quickly.  Both are
 * untouched, and so cost nothing, until they are used.
 *
 * The host allows a process so many separate mappings (vm.max_map_count, 65530
 * by default).  Mapping fails when they are used up.  Unmapping may not fail,
 * but the host may refuse it, too: Linux lets mmap(2) end with one mapping too
 * many, and begins no other then.  For that there is a spare mapping, which is
 * given up first.  (Unmapping a page between two others that the host made one
 * mapping with it needs more of them, and may still be refused.)
 */

#include <sys/kpmap.h>
#include <sys/mman.h>

#include <pthread.h>

#define	RANGE_SIZE	((vsize_t)16 << 30)
#define	RANGE_PAGES	(RANGE_SIZE >> PAGE_SHIFT)
#define	TABLE_SIZE	(RANGE_PAGES * sizeof(uint64_t))

#define	ENTRY_MAPPED	1ULL		/* beside the address of the page */

static pthread_mutex_t range_lock = PTHREAD_MUTEX_INITIALIZER;
static vaddr_t range_start;		/* 0: not there yet */
static uint64_t *table;
static void *spare;			/* or NULL */

static void *
reserve(vsize_t size, int prot)
{
	void *va = mmap(NULL, size, prot,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (va == MAP_FAILED)
		vm_md_panic("no address space for %zu bytes", size);
	return (va);
}

/*
 * Lock held from here on.
 */

/* Shared, so that the host makes one mapping of it with nothing else. */
static bool
spare_get(void)
{
	void *va;

	if (spare != NULL)
		return (true);
	va = mmap(NULL, VM_PAGE_SIZE, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS |
	    MAP_NORESERVE, -1, 0);
	if (va != MAP_FAILED)
		spare = va;
	return (spare != NULL);
}

static void
spare_drop(void)
{

	if (spare != NULL)
		munmap(spare, VM_PAGE_SIZE);
	spare = NULL;
}

/* The range, made when first asked for. */
static vaddr_t
range_get(void)
{

	if (range_start == 0) {
		table = reserve(TABLE_SIZE, PROT_READ | PROT_WRITE);
		range_start = (vaddr_t)reserve(RANGE_SIZE, PROT_NONE);
	}
	return (range_start);
}

static bool
range_holds(vaddr_t va, vsize_t size)
{
	vaddr_t start = range_get();

	return (va >= start && va - start <= RANGE_SIZE &&
	    size <= RANGE_SIZE - (va - start));
}

static uint64_t *
entry_of(vaddr_t va)
{

	return (&table[(va - range_start) >> PAGE_SHIFT]);
}

void
pmap_krange(vaddr_t *startp, vaddr_t *endp)
{

	pthread_mutex_lock(&range_lock);
	*startp = range_get();
	*endp = *startp + RANGE_SIZE;
	pthread_mutex_unlock(&range_lock);
}

static int
enter_locked(vaddr_t va, paddr_t pa, unsigned prot)
{
	int hostprot = PROT_READ;

	if (!range_holds(va, VM_PAGE_SIZE))
		return (EINVAL);
	if (*entry_of(va) != 0)
		return (EEXIST);
	if (!spare_get())
		return (ENOMEM);
	if ((prot & PMAP_KWRITE) != 0)
		hostprot |= PROT_WRITE;
	if ((prot & PMAP_KEXEC) != 0)
		hostprot |= PROT_EXEC;
	if (!usermode_physmem_show((void *)va, pa, VM_PAGE_SIZE, hostprot))
		return (ENOMEM);
	*entry_of(va) = pa | ENTRY_MAPPED;
	return (0);
}

int
pmap_kenter(vaddr_t va, paddr_t pa, unsigned prot)
{
	int error;

	if (((va | pa) & (VM_PAGE_SIZE - 1)) != 0 ||
	    pa >> VM_PADDR_BITS != 0 || (prot & ~PMAP_KALL) != 0)
		return (EINVAL);
	pthread_mutex_lock(&range_lock);
	error = enter_locked(va, pa, prot);
	pthread_mutex_unlock(&range_lock);
	return (error);
}

/* => as mmap(2); a value that ended here would look like one that leaks. */
static void *
hide(vaddr_t va, vsize_t size)
{

	return (mmap((void *)va, size, PROT_NONE, MAP_PRIVATE |
	    MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0));
}

static void
remove_locked(vaddr_t va, vsize_t size)
{
	vaddr_t at;

	if (hide(va, size) == MAP_FAILED) {
		spare_drop();
		if (hide(va, size) == MAP_FAILED)
			vm_md_panic("the host refuses to unmap %zu bytes at "
			    "%p", size, (void *)va);
	}
	for (at = va; at < va + size; at += VM_PAGE_SIZE) {
		if (*entry_of(at) != 0)
			*entry_of(at) = 0;
	}
}

int
pmap_kremove(vaddr_t va, vsize_t size)
{
	int error = 0;

	if (((va | size) & (VM_PAGE_SIZE - 1)) != 0)
		return (EINVAL);
	pthread_mutex_lock(&range_lock);
	if (!range_holds(va, size))
		error = EINVAL;
	else if (size != 0)
		remove_locked(va, size);
	pthread_mutex_unlock(&range_lock);
	return (error);
}

bool
pmap_kextract(vaddr_t va, paddr_t *pap)
{
	uint64_t entry = 0;

	pthread_mutex_lock(&range_lock);
	if (range_holds(va, 1))
		entry = *entry_of(va);
	pthread_mutex_unlock(&range_lock);
	if (entry == 0)
		return (false);
	*pap = (entry & ~ENTRY_MAPPED) + (va & (VM_PAGE_SIZE - 1));
	return (true);
}

void
usermode_pmap_release(void)
{

	pthread_mutex_lock(&range_lock);
	if (range_start != 0) {
		munmap((void *)range_start, RANGE_SIZE);
		munmap(table, TABLE_SIZE);
	}
	spare_drop();
	range_start = 0;
	pthread_mutex_unlock(&range_lock);
}
