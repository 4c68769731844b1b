/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What is described of pools, order pools, extent maps and kmem(9).
 */

#include <sys/mman.h>

#include <atf-c.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/extent.h>
#include <sys/kexport.h>
#include <sys/kmem.h>

#include <vm/vm_buddy.h>
#include <vm/vm_export.h>
#include <vm/vm_pool.h>

#include "vm_testlib.h"

static const struct vm_memrange memory = { 16 * MiB, 16 * MiB };

static void
start(void)
{

	console_catch();
	vm_start(&memory, 1);
	kmem_init();
	kexport_init();
	kexport_init();		/* is no harm */
}

/* The only space of that name, as a reader finds it. */
static const struct vm_export_space *
space(const char *name)
{
	const struct vm_export_space *all =
	    (const struct vm_export_space *)(uintptr_t)
	    vm_export.ve_spaces.vea_paddr, *found = NULL;
	unsigned i;

	ATF_REQUIRE_EQ(vm_export.ve_spaces.vea_size, sizeof(*all));
	for (i = 0; i < vm_export.ve_spaces.vea_count; i++) {
		if (strcmp(all[i].vxs_name, name) != 0)
			continue;
		ATF_REQUIRE_MSG(found == NULL, "%s is there twice", name);
		found = &all[i];
	}
	return (found);
}

static void
is(const char *name, enum vm_export_kind kind, uint64_t size, uint64_t used,
    uint64_t largest, uint64_t pieces)
{
	const struct vm_export_space *vxs;

	(void)vm_export_refresh();
	vxs = space(name);
	ATF_REQUIRE_MSG(vxs != NULL, "no %s", name);
	ATF_CHECK_EQ(vxs->vxs_kind, kind);
	ATF_CHECK_EQ_MSG(vxs->vxs_size, size, "%s: %#" PRIx64, name,
	    vxs->vxs_size);
	ATF_CHECK_EQ_MSG(vxs->vxs_used, used, "%s: %#" PRIx64, name,
	    vxs->vxs_used);
	ATF_CHECK_EQ_MSG(vxs->vxs_largest, largest, "%s: %#" PRIx64, name,
	    vxs->vxs_largest);
	ATF_CHECK_EQ_MSG(vxs->vxs_pieces, pieces, "%s: %" PRIu64, name,
	    vxs->vxs_pieces);
	ATF_CHECK_EQ(vxs->vxs_free, kind == VM_EXPORT_KMEM ?
	    vxs->vxs_free : size - used);
}

ATF_TC_WITHOUT_HEAD(extents);
ATF_TC_BODY(extents, tc)
{
	struct extent *ex, *all;

	(void)tc;
	start();
	ex = extent_create("ports", 0, 0xffff, NULL, 0, EX_NOWAIT);
	all = extent_create("all", 0, UINT64_MAX, NULL, 0, EX_NOWAIT);
	ATF_REQUIRE(ex != NULL && all != NULL);
	is("ports", VM_EXPORT_EXTENT, 0x10000, 0, 0x10000, 0);
	ATF_REQUIRE_EQ(extent_alloc_region(ex, 0x100, 0x10, EX_NOWAIT), 0);
	is("ports", VM_EXPORT_EXTENT, 0x10000, 0x10, 0xfef0, 1);
	is("all", VM_EXPORT_EXTENT, 0, 0, UINT64_MAX, 0);
	ATF_CHECK_EQ(space("all")->vxs_end, UINT64_MAX);
	extent_destroy(ex);
	(void)vm_export_refresh();
	ATF_CHECK_EQ(space("ports"), NULL);
	ATF_CHECK(space("all") != NULL);
	extent_destroy(all);
}

ATF_TC_WITHOUT_HEAD(order_pools);
ATF_TC_BODY(order_pools, tc)
{
	static struct vm_buddy vb;
	paddr_t pa;
	void *meta;

	(void)tc;
	start();
	meta = calloc(1, vm_buddy_metasize(TiB, 24 * PAGE));
	ATF_REQUIRE_EQ(vm_buddy_create(&vb, "tables", TiB, 24 * PAGE, meta), 0);
	is("tables", VM_EXPORT_BUDDY, 24 * PAGE, 0, 16 * PAGE, 0);
	ATF_CHECK_EQ(space("tables")->vxs_start, TiB);
	ATF_CHECK_EQ(space("tables")->vxs_end, TiB + 24 * PAGE - 1);
	ATF_REQUIRE_EQ(vm_buddy_alloc(&vb, 4, 0, &pa), 0);
	is("tables", VM_EXPORT_BUDDY, 24 * PAGE, 16 * PAGE, 8 * PAGE, 1);
	ATF_REQUIRE_EQ(vm_buddy_free(&vb, pa, 4), 0);
	ATF_REQUIRE_EQ(vm_buddy_destroy(&vb), 0);
	(void)vm_export_refresh();
	ATF_CHECK_EQ(space("tables"), NULL);
	free(meta);
}

ATF_TC_WITHOUT_HEAD(pools);
ATF_TC_BODY(pools, tc)
{
	struct vm_poolreq req = VM_POOLREQ_INITIALIZER(1000);
	struct vm_poolmem mem;
	static struct vm_pool vp;

	(void)tc;
	start();
	ATF_REQUIRE_EQ(vm_pool_create(&vp, "sram", 64), 0);
	is("sram", VM_EXPORT_POOL, 0, 0, 0, 0);
	ATF_REQUIRE_EQ(vm_pool_add(&vp, TiB, NULL, 64 * KiB, NULL), 0);
	ATF_REQUIRE_EQ(vm_pool_add(&vp, 2 * TiB, NULL, 32 * KiB, NULL), 0);
	is("sram", VM_EXPORT_POOL, 96 * KiB, 0, 64 * KiB, 0);
	ATF_REQUIRE_EQ(vm_pool_alloc(&vp, &req, &mem), 0);
	is("sram", VM_EXPORT_POOL, 96 * KiB, 1024, 64 * KiB - 1024, 1);
	ATF_CHECK_EQ(space("sram")->vxs_start, TiB);
	ATF_CHECK_EQ(space("sram")->vxs_end, 2 * TiB + 32 * KiB - 1);
	ATF_REQUIRE_EQ(vm_pool_free(&vp, mem.vpm_start, 1000), 0);
	ATF_REQUIRE_EQ(vm_pool_destroy(&vp), 0);
}

ATF_TC_WITHOUT_HEAD(kernel_memory);
ATF_TC_BODY(kernel_memory, tc)
{
	void *p, *q;

	(void)tc;
	start();
	p = kmem_alloc(500, KM_NOSLEEP);
	q = kmem_alloc(3 * PAGE, KM_NOSLEEP);
	ATF_REQUIRE(p != NULL && q != NULL);
	is("kmem 512", VM_EXPORT_KMEM, PAGE, 512, 512, 1);
	ATF_CHECK_EQ(space("kmem 512")->vxs_free, 7 * 512);
	is("kmem pages", VM_EXPORT_KMEM, 3 * PAGE, 3 * PAGE, 0, 1);
	kmem_free(p, 500);
	kmem_free(q, 3 * PAGE);
	is("kmem 512", VM_EXPORT_KMEM, PAGE, 0, 512, 0);
	is("kmem pages", VM_EXPORT_KMEM, 0, 0, 0, 0);
}

/* More than there is room for: as many as there is, and the rest counted. */
ATF_TC_WITHOUT_HEAD(too_many);
ATF_TC_BODY(too_many, tc)
{
	static struct extent *ex[2 * VM_EXPORT_SPACES];
	unsigned i, others;

	(void)tc;
	start();
	others = vm_export_refresh();
	ATF_REQUIRE(others < VM_EXPORT_SPACES);
	for (i = 0; i < NITEMS(ex); i++)
		ex[i] = extent_create("a rather long name for an extent map",
		    0, i, NULL, 0, EX_NOWAIT);
	ATF_CHECK_EQ(vm_export_refresh(), VM_EXPORT_SPACES);
	ATF_CHECK_EQ(vm_export.ve_spaces.vea_count, VM_EXPORT_SPACES);
	ATF_CHECK_EQ(vm_export.ve_spaces_left, NITEMS(ex) + others -
	    VM_EXPORT_SPACES);
	for (i = 0; i < NITEMS(ex); i++)
		extent_destroy(ex[i]);
	ATF_CHECK_EQ(vm_export_refresh(), others);
	ATF_CHECK_EQ(vm_export.ve_spaces_left, 0);
}

/*
 * A pool comes and goes while another thread describes all: nobody looks at
 * what is not there any more.
 */
static _Atomic bool going;

static void *
refreshing(void *arg)
{

	while (atomic_load(&going))
		(void)vm_export_refresh();
	return (arg);
}

ATF_TC_WITHOUT_HEAD(pool_goes);
ATF_TC_BODY(pool_goes, tc)
{
	struct vm_pool *vp;
	pthread_t thread;
	unsigned i;
	void *meta;

	(void)tc;
	start();
	atomic_store(&going, true);
	ATF_REQUIRE_EQ(pthread_create(&thread, NULL, refreshing, NULL), 0);
	for (i = 0; i < 3000; i++) {
		/* Each lies in pages that are gone with it. */
		vp = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ATF_REQUIRE(vp != MAP_FAILED);
		meta = (char *)vp + PAGE;
		ATF_REQUIRE_EQ(vm_pool_create(vp, "sram", 64), 0);
		ATF_REQUIRE(vm_pool_metasize(vp, 40 * MiB) <= 63 * PAGE);
		ATF_REQUIRE_EQ(vm_pool_add(vp, TiB, NULL, 40 * MiB, meta), 0);
		ATF_REQUIRE_EQ(vm_pool_destroy(vp), 0);
		ATF_REQUIRE_EQ(munmap(vp, 64 * PAGE), 0);
	}
	atomic_store(&going, false);
	ATF_REQUIRE_EQ(pthread_join(thread, NULL), 0);
	(void)vm_export_refresh();
	ATF_CHECK_EQ(space("sram"), NULL);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, extents);
	ATF_TP_ADD_TC(tp, order_pools);
	ATF_TP_ADD_TC(tp, pools);
	ATF_TP_ADD_TC(tp, kernel_memory);
	ATF_TP_ADD_TC(tp, too_many);
	ATF_TP_ADD_TC(tp, pool_goes);
	return (atf_no_error());
}
