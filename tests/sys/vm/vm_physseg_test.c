/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Segments: which memory exists.
 */

#include <sys/resource.h>

#include <atf-c.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <vm/vm_extmap.h>
#include <vm/vm_pageq.h>
#include <vm/vm_physseg.h>
#include <vm/vm_sync.h>

#include "vm_testlib.h"

#define	CHUNK		((uint64_t)VM_EXTCHUNK_FRAMES * PAGE)	/* bytes */

ATF_TC_WITHOUT_HEAD(freelists);
ATF_TC_BODY(freelists, tc)
{
	static const struct {
		enum vm_freelist list;
		paddr_t		limit;
		const char	*name;
	} lists[VM_NFREELIST] = {
		{ VM_FREELIST_ISA, 16 * MiB, "isa" },
		{ VM_FREELIST_DMA31, 2 * GiB, "dma31" },
		{ VM_FREELIST_DMA32, 4 * GiB, "dma32" },
		{ VM_FREELIST_DEFAULT, TOP, "default" },
	};
	vm_frame_t f = 0;
	unsigned i;

	(void)tc;
	for (i = 0; i < NITEMS(lists); i++) {
		ATF_REQUIRE_EQ(vm_freelist_of(f), lists[i].list);
		f = lists[i].limit / PAGE;
		ATF_REQUIRE_EQ(vm_freelist_of(f - 1), lists[i].list);
		ATF_REQUIRE_EQ(vm_freelist_limit(lists[i].list), f);
		ATF_REQUIRE_STREQ(vm_freelist_name(lists[i].list),
		    lists[i].name);
	}
}

/* One range over all borders becomes one segment a list. */
ATF_TC_WITHOUT_HEAD(split_at_limits);
ATF_TC_BODY(split_at_limits, tc)
{
	static const struct vm_memrange map = { 5 * PAGE, 5 * GiB };
	static const paddr_t border[] = { 5 * PAGE, 16 * MiB, 2 * GiB,
	    4 * GiB, 5 * GiB + 5 * PAGE };
	struct vm_physseg seg;
	unsigned i;

	(void)tc;
	vm_start(&map, 1);
	for (i = 0; i < VM_NFREELIST; i++) {
		ATF_REQUIRE(vm_physseg_get(i, &seg));
		ATF_REQUIRE_EQ(seg.vs_start, border[i] / PAGE);
		ATF_REQUIRE_EQ(seg.vs_end, border[i + 1] / PAGE);
		ATF_REQUIRE_EQ(seg.vs_list, i);
	}
	ATF_REQUIRE(!vm_physseg_get(i, &seg));
	ATF_REQUIRE(vm_physseg_managed(5, border[4] / PAGE));
	ATF_REQUIRE(!vm_physseg_managed(4, 6));
	ATF_REQUIRE(!vm_physseg_managed(5, border[4] / PAGE + 1));
	audit_ok(NULL);
}

ATF_TC_WITHOUT_HEAD(get);
ATF_TC_BODY(get, tc)
{
	vm_frame_t before = 0;
	struct vm_physseg seg;
	unsigned i;

	(void)tc;
	vm_start(pc_ranges, pc_nranges);
	for (i = 0; vm_physseg_get(i, &seg); i++) {
		ATF_REQUIRE(seg.vs_start < seg.vs_end);
		ATF_REQUIRE(i == 0 || seg.vs_start >= before);
		ATF_REQUIRE_EQ(vm_freelist_of(seg.vs_start), seg.vs_list);
		ATF_REQUIRE_EQ(vm_freelist_of(seg.vs_end - 1), seg.vs_list);
		ATF_REQUIRE(vm_physseg_managed(seg.vs_start, seg.vs_end));
		before = seg.vs_end;
	}
	/* Each of the ranges, two of which reach over a border. */
	ATF_REQUIRE_EQ(i, pc_nranges + 3);
	ATF_REQUIRE(!vm_physseg_get(UINT32_MAX, &seg));
	/* Segments that touch count as one, holes do not. */
	ATF_REQUIRE(vm_physseg_managed(0x100, 0x2000));
	ATF_REQUIRE(!vm_physseg_managed(0x9e, 0x101));
	ATF_REQUIRE(!vm_physseg_managed(0x9f, 0xa0));
	ATF_REQUIRE(!vm_physseg_managed(UINT64_MAX - 1, UINT64_MAX));
	ATF_REQUIRE(!vm_physseg_managed(VM_FRAME_END, VM_FRAME_END + 1));
}

/* What was taken is allocated to its owner, the rest is free. */
ATF_TC_WITHOUT_HEAD(taken);
ATF_TC_BODY(taken, tc)
{
	static const struct vm_memrange map[] = { { 0, 32 * MiB } };
	static const struct vm_memrange took[] = {
		{ 15 * MiB, 2 * MiB },		/* over the border of lists */
		{ 31 * MiB, 4 * MiB },		/* half of it is no memory */
		{ 100 * MiB, MiB },		/* none of it is */
	};
	struct vm_audit va;
	unsigned i;

	(void)tc;
	vm_start_taken(map, NITEMS(map), took, NITEMS(took));
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_frames, 32 * MiB / PAGE);
	for (i = 0; i < 256; i++) {
		ATF_REQUIRE_EQ(vm_extmap_state(&vm_map, 0xf00 + i),
		    i == 0 ? VM_FRAME_HEAD : VM_FRAME_TAIL);
	}
	ATF_REQUIRE_STREQ(vm_owner_name(vm_sync_owner(0xf00)), "reserved");
	ATF_REQUIRE_EQ(vm_extmap_state(&vm_map, 0x1f00), VM_FRAME_HEAD);
	ATF_REQUIRE(va.va_allocated >= 3 * MiB / PAGE);
	/* Somebody may give it back. */
	ATF_REQUIRE_EQ(vm_pglist_free(31 * MiB, MiB), 0);
	audit_ok(NULL);
}

/* The metadata is accounted for like any memory, in the name of "vm". */
ATF_TC_WITHOUT_HEAD(metadata);
ATF_TC_BODY(metadata, tc)
{
	static const struct vm_memrange map = { 0, 256 * MiB };
	struct vm_extent ext;
	vm_frame_t f, end = 256 * MiB / PAGE;
	uint64_t n = 0;
	struct vm_audit va;

	(void)tc;
	vm_start(&map, 1);
	audit_ok(&va);
	for (f = 0; vm_extmap_walk(&vm_map, f, end, &ext); f = ext.e_end) {
		if (ext.e_state != VM_FRAME_HEAD)
			continue;
		ATF_REQUIRE_STREQ(vm_owner_name(vm_sync_owner(f)), "vm");
		n += ext.e_end - ext.e_start;
	}
	ATF_REQUIRE_EQ(n, va.va_allocated);
	/* At most 2.5 bits a frame, 16 for the tag and 1 for freshness. */
	ATF_REQUIRE(n * PAGE * 8 <= end * 39 / 2 + 3 * PAGE * 8);
}

ATF_TC_WITHOUT_HEAD(metadata_least);
ATF_TC_BODY(metadata_least, tc)
{
	static const struct vm_memrange map = { 0, 256 * MiB };
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(8 * PAGE);
	struct vm_audit va;
	paddr_t pa;

	(void)tc;
	vm_owner_tags = false;
	vm_fresh_bits = false;
	vm_start(&map, 1);
	audit_ok(&va);
	/* At most 2.5 bits a frame. */
	ATF_REQUIRE(va.va_allocated * PAGE * 8 <=
	    va.va_frames * 5 / 2 + PAGE * 8);
	req.vpr_owner = vm_owner_register("me");
	pa = run_alloc(&req);
	ATF_REQUIRE_EQ(vm_sync_owner(vm_atop(pa)), VM_OWNER_NONE);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 0), 0);
	pa = vm_page_alloc(0, req.vpr_owner);
	ATF_REQUIRE(pa != VM_PADDR_NONE);
	ATF_REQUIRE_EQ(vm_page_free(pa), 0);
	audit_ok(NULL);
	vm_owner_tags = true;
	vm_fresh_bits = true;
}

ATF_TC_WITHOUT_HEAD(load_errors);
ATF_TC_BODY(load_errors, tc)
{
	static const struct vm_memrange map = { 0, 64 * MiB };
	static const struct vm_memrange tiny = { 0, 4 * PAGE };
	static const struct vm_memrange odd = { 1, PAGE };
	struct vm_memrange took[VM_BOOTSTRAP_TAKEN + 1];
	unsigned i;

	(void)tc;
	console_catch();
	ATF_REQUIRE_EQ(vm_physmem_load(&odd, 1, NULL, 0), EINVAL);
	ATF_REQUIRE_EQ(vm_physmem_load(&tiny, 1, NULL, 0), ENOMEM);
	for (i = 0; i < NITEMS(took); i++)
		took[i] = (struct vm_memrange){ 2 * i * PAGE, PAGE };
	ATF_REQUIRE_EQ(vm_physmem_load(&map, 1, took, NITEMS(took)), ENOSPC);
	/* All of it taken: no room for the metadata. */
	ATF_REQUIRE_EQ(vm_physmem_load(&map, 1, &map, 1), ENOMEM);
	/* And none of that hurts the next start. */
	usermode_physmem_release();
	ATF_REQUIRE_EQ(vm_physmem_load(&map, 1, NULL, 0), 0);
	audit_ok(NULL);
}

/* More areas far from each other than the map has spans. */
ATF_TC_WITHOUT_HEAD(many_spans);
ATF_TC_BODY(many_spans, tc)
{
	struct vm_memrange map[VM_EXTMAP_SPANS + 8];
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(MiB);
	struct vm_audit va;
	unsigned i;

	(void)tc;
	for (i = 0; i < NITEMS(map); i++)
		map[i] = (struct vm_memrange){ i * 3 * CHUNK + PAGE,
		    16 * MiB };
	vm_start(map, NITEMS(map));
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_frames, NITEMS(map) * 16 * MiB / PAGE);
	for (i = 0; i < NITEMS(map); i++) {
		req.vpr_low = map[i].vmr_start;
		req.vpr_high = map[i].vmr_start + map[i].vmr_size;
		(void)run_alloc(&req);
	}
	audit_ok(NULL);
}

/* The same with gaps of all widths: the narrowest are bridged. */
ATF_TC_WITHOUT_HEAD(many_spans_random);
ATF_TC_BODY(many_spans_random, tc)
{
	struct vm_memrange map[VM_EXTMAP_SPANS + 20];
	struct vm_audit va;
	unsigned i, round;
	struct rng r;
	paddr_t at;

	rng_init(&r, tc, 2);
	for (round = 0; round < 50; round++) {
		at = 0;
		for (i = 0; i < NITEMS(map); i++) {
			map[i] = (struct vm_memrange){ at, 16 * MiB };
			at += 16 * MiB + rng_size(&r, 16) * CHUNK;
		}
		vm_start(map, NITEMS(map));
		audit_ok(&va);
		ATF_REQUIRE_EQ(va.va_frames, NITEMS(map) * 16 * MiB / PAGE);
		ATF_REQUIRE_EQ(vm_map.xm_nspans, VM_EXTMAP_SPANS);
	}
}

ATF_TC_WITHOUT_HEAD(many_spans_with_taken);
ATF_TC_BODY(many_spans_with_taken, tc)
{
	struct vm_memrange map[VM_EXTMAP_SPANS + 8];
	struct vm_memrange took[20];
	unsigned i;

	(void)tc;
	for (i = 0; i < NITEMS(map); i++)
		map[i] = (struct vm_memrange){ i * 3 * CHUNK, 4 * MiB };
	for (i = 0; i < NITEMS(took); i++)
		took[i] = (struct vm_memrange){ i * 3 * CHUNK + MiB, PAGE };
	vm_start_taken(map, NITEMS(map), took, NITEMS(took));
	audit_ok(NULL);
}

/* Few frames in the highest places there are. */
ATF_TC_WITHOUT_HEAD(far_apart);
ATF_TC_BODY(far_apart, tc)
{
	static const struct vm_memrange map[] = {
		{ 0, 16 * PAGE }, { MiB, 16 * MiB }, { TiB, MiB },
		{ TOP / 2, MiB }, { TOP - MiB, MiB },
	};
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	unsigned i;

	(void)tc;
	vm_start(map, NITEMS(map));
	audit_ok(NULL);
	for (i = 2; i < NITEMS(map); i++) {
		req.vpr_low = map[i].vmr_start;
		req.vpr_high = map[i].vmr_start + map[i].vmr_size;
		(void)run_alloc(&req);
	}
	audit_ok(NULL);
}

/* Random firmware maps, from the map to the audit. */
ATF_TC_WITHOUT_HEAD(load_random);
ATF_TC_BODY(load_random, tc)
{
	struct vm_memrange map[24], took[8], r;
	struct vm_physseg seg;
	struct vm_audit va;
	uint64_t frames;
	unsigned i, k, n;
	struct rng rng;
	int error;

	usermode_console(NULL);
	rng_init(&rng, tc, 1);
	for (i = 0; i < 200; i++) {
		n = (unsigned)rng_range(&rng, 1, NITEMS(map));
		for (k = 0; k < n; k++) {
			map[k].vmr_start = rng_size(&rng, 8 * GiB);
			map[k].vmr_size = rng_size(&rng, 64 * MiB);
			if (rng_chance(&rng, 10))
				map[k].vmr_start = TOP -
				    rng_below(&rng, 64 * MiB);
			if (rng_chance(&rng, 10))	/* it wraps */
				map[k].vmr_size = UINT64_MAX -
				    rng_below(&rng, map[k].vmr_start);
		}
		for (k = 0; k < NITEMS(took); k++) {
			took[k].vmr_start = rng_size(&rng, 8 * GiB);
			took[k].vmr_size = rng_size(&rng, 64 * MiB);
		}
		usermode_physmem_release();
		error = vm_physmem_load(map, n, took,
		    (unsigned)rng_below(&rng, NITEMS(took) + 1));
		if (error == ENOMEM || error == EINVAL)
			continue;	/* that may be; never a crash */
		ATF_REQUIRE_EQ(error, 0);
		audit_ok(&va);
		for (frames = 0, k = 0; vm_bootstrap_range(k, &r); k++)
			frames += r.vmr_size / PAGE;
		ATF_REQUIRE_EQ(va.va_frames, frames);
		for (frames = 0, k = 0; vm_physseg_get(k, &seg); k++)
			frames += seg.vs_end - seg.vs_start;
		ATF_REQUIRE_EQ(va.va_frames, frames);
	}
}

/*
 * Memory that comes and goes.
 */

static const struct vm_memrange small = { 64 * MiB, 8 * MiB };

ATF_TC_WITHOUT_HEAD(plug);
ATF_TC_BODY(plug, tc)
{
	struct vm_audit before, va;
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(MiB);
	struct vm_physseg seg;

	(void)tc;
	vm_start(&small, 1);
	audit_ok(&before);
	ATF_REQUIRE_EQ(vm_physseg_plug(80 * MiB, 4 * MiB), 0);
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_frames, before.va_frames + 4 * MiB / PAGE);
	ATF_REQUIRE_EQ(va.va_free, before.va_free + 4 * MiB / PAGE);
	req.vpr_low = 80 * MiB;
	ATF_REQUIRE_EQ(run_alloc(&req), 80 * MiB);
	/* What touches joins: a run over the seam. */
	ATF_REQUIRE_EQ(vm_physseg_plug(84 * MiB, 4 * MiB), 0);
	req.vpr_size = 6 * MiB;
	ATF_REQUIRE_EQ(run_alloc(&req), 81 * MiB);
	/* Over a border of lists it becomes two segments. */
	ATF_REQUIRE_EQ(vm_physseg_plug(4 * GiB - MiB, 2 * MiB), 0);
	ATF_REQUIRE(vm_physseg_managed((4 * GiB - MiB) / PAGE,
	    (4 * GiB + MiB) / PAGE));
	req.vpr_size = 2 * MiB;
	req.vpr_low = 4 * GiB - MiB;
	ATF_REQUIRE_EQ(run_alloc(&req), 4 * GiB - MiB);
	ATF_REQUIRE(vm_physseg_get(2, &seg));
	audit_ok(NULL);
}

/* What touches at the end of a span is in another one; runs reach over. */
ATF_TC_WITHOUT_HEAD(plug_next_span);
ATF_TC_BODY(plug_next_span, tc)
{
	static const struct vm_memrange map = { 126 * MiB, 2 * MiB };
	static const struct vm_memrange end = { 127 * MiB, MiB };
	static paddr_t pa[2000];
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(MiB);
	struct vm_audit before, after;
	unsigned i, k, n, round;
	struct rng r;

	rng_init(&r, tc, 3);
	/* The metadata elsewhere. */
	vm_start_taken(&map, 1, &end, 1);
	ATF_REQUIRE_EQ(vm_physseg_plug(128 * MiB, 2 * MiB), 0);
	ATF_REQUIRE_EQ(vm_pglist_free(end.vmr_start, end.vmr_size), 0);
	audit_ok(&before);
	for (round = 0; round < 20; round++) {
		for (n = 0; (pa[n] = vm_page_alloc(VM_PG_USERESERVE, 0)) !=
		    VM_PADDR_NONE;)
			n++;
		ATF_REQUIRE_EQ(n, before.va_free);
		audit_ok(NULL);
		for (i = n; i > 0; i--) {
			k = (unsigned)rng_below(&r, i);
			ATF_REQUIRE_EQ(vm_page_free(pa[k]), 0);
			pa[k] = pa[i - 1];
		}
		audit_ok(NULL);
	}
	vm_pageq_flush();
	audit_ok(&after);
	ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
	req.vpr_low = 127 * MiB + MiB / 2;
	req.vpr_high = req.vpr_low + MiB;
	ATF_REQUIRE_EQ(run_alloc(&req), req.vpr_low);
	ATF_REQUIRE_EQ(vm_pglist_free(req.vpr_low, MiB), 0);
}

/*
 * Memory that the kernel has no address for, which a limit on this process
 * makes so: the views that are there already stay.
 */
static void
no_more_views(void)
{
	unsigned long pages = 0;
	struct rlimit lim;
	FILE *f = fopen("/proc/self/statm", "r");

	ATF_REQUIRE(f != NULL);
	ATF_REQUIRE_EQ(fscanf(f, "%lu", &pages), 1);
	fclose(f);
	lim.rlim_cur = lim.rlim_max = pages * PAGE + 512 * MiB;
	ATF_REQUIRE_EQ(setrlimit(RLIMIT_AS, &lim), 0);
	ATF_REQUIRE(vm_md_phystov(5 * TiB, PAGE) == NULL);
}

ATF_TC_WITHOUT_HEAD(no_address);
ATF_TC_BODY(no_address, tc)
{
	static const struct vm_memrange map[] = {
		{ 64 * MiB, 8 * MiB }, { 8 * GiB, 8 * MiB }
	};
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(4 * PAGE);
	struct vm_audit before, after;
	paddr_t pa;

	(void)tc;
	/* The metadata in the lower part, and nothing yet in the upper. */
	vm_start_taken(map, NITEMS(map), &map[1], 1);
	ATF_REQUIRE_EQ(vm_pglist_free(8 * GiB, 8 * MiB), 0);
	audit_ok(&before);
	no_more_views();
	/* No zeros from there, and nothing is lost. */
	ATF_REQUIRE_EQ(vm_page_alloc(VM_PG_ZERO, 0), VM_PADDR_NONE);
	req.vpr_flags = VM_PG_ZERO;
	req.vpr_low = 8 * GiB;
	ATF_REQUIRE_EQ(run_error(&req), ENOMEM);
	/* From where there is an address they come. */
	req.vpr_low = 0;
	req.vpr_high = 8 * GiB;
	ATF_REQUIRE_EQ(vm_pglist_free(run_alloc(&req), 0), 0);
	req.vpr_low = 8 * GiB;
	req.vpr_high = VM_PADDR_MAX;
	/* Memory without contents is memory like any other. */
	req.vpr_flags = 0;
	pa = run_alloc(&req);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 0), 0);
	vm_pageq_flush();
	audit_ok(&after);
	ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
}

/* Metadata that cannot be reached is given back. */
ATF_TC_WITHOUT_HEAD(plug_no_address);
ATF_TC_BODY(plug_no_address, tc)
{
	static const struct vm_memrange map[] = {
		{ 64 * MiB, 8 * MiB }, { 8 * GiB, 8 * MiB }
	};
	struct vm_audit before, after;

	(void)tc;
	vm_start_taken(map, NITEMS(map), &map[1], 1);
	ATF_REQUIRE_EQ(vm_pglist_free(8 * GiB, 8 * MiB), 0);
	audit_ok(&before);
	no_more_views();
	ATF_REQUIRE_EQ(vm_physseg_plug(16 * GiB, MiB), ENOMEM);
	audit_ok(&after);
	ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
}

/* A list that was empty, above all others: pages come from there now. */
ATF_TC_WITHOUT_HEAD(plug_new_top);
ATF_TC_BODY(plug_new_top, tc)
{
	paddr_t pa[600];
	unsigned i;

	(void)tc;
	vm_start(&small, 1);
	for (i = 0; i < 600; i++)
		pa[i] = vm_page_alloc(0, 0);
	for (i = 0; i < 600; i++)
		ATF_REQUIRE_EQ(vm_page_free(pa[i]), 0);
	ATF_REQUIRE_EQ(vm_physseg_plug(16 * GiB, 8 * MiB), 0);
	for (i = 0; i < 600; i++) {
		pa[i] = vm_page_alloc(0, 0);
		ATF_REQUIRE(pa[i] >= 16 * GiB);
	}
	audit_ok(NULL);
	for (i = 0; i < 600; i++)
		ATF_REQUIRE_EQ(vm_page_free(pa[i]), 0);
	ATF_REQUIRE_EQ(vm_physseg_unplug(16 * GiB, 8 * MiB, NULL), 0);
	pa[0] = vm_page_alloc(0, 0);
	ATF_REQUIRE(pa[0] >= 64 * MiB && pa[0] < 72 * MiB);
	audit_ok(NULL);
}

ATF_TC_WITHOUT_HEAD(plug_errors);
ATF_TC_BODY(plug_errors, tc)
{
	static const struct {
		paddr_t	start;
		psize_t	size;
		int	error;
	} bad[] = {
		{ 80 * MiB, 0, EINVAL },
		{ 80 * MiB + 1, PAGE, EINVAL },
		{ 80 * MiB, PAGE + 1, EINVAL },
		{ TOP, PAGE, EINVAL },
		{ TOP - PAGE, 2 * PAGE, EINVAL },
		{ UINT64_MAX & ~(PAGE - 1), PAGE, EINVAL },
		{ PAGE, UINT64_MAX & ~(PAGE - 1), EINVAL },
		{ 64 * MiB, PAGE, EEXIST },
		{ 72 * MiB - PAGE, 2 * PAGE, EEXIST },
		{ 64 * MiB - PAGE, 2 * PAGE, EEXIST },
		{ 60 * MiB, 64 * MiB, EEXIST },
		{ TiB, TiB, ENOMEM },		/* no room for its metadata */
	};
	struct vm_audit before, after;
	unsigned i;

	(void)tc;
	vm_start(&small, 1);
	audit_ok(&before);
	for (i = 0; i < NITEMS(bad); i++) {
		ATF_REQUIRE_EQ_MSG(vm_physseg_plug(bad[i].start, bad[i].size),
		    bad[i].error, "case %u", i);
		audit_ok(&after);
		ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
	}
}

/* As many spans and segments as there is room for, and then no more. */
ATF_TC_WITHOUT_HEAD(plug_full);
ATF_TC_BODY(plug_full, tc)
{
	static const struct vm_memrange large = { 64 * MiB, 64 * MiB };
	struct vm_physseg seg;
	struct vm_audit va;
	unsigned i, n;
	int error = 0;

	(void)tc;
	vm_start(&large, 1);
	for (i = 1; error == 0 && i < 100; i++)
		error = vm_physseg_plug(i * GiB, MiB);
	ATF_REQUIRE_EQ(error, ENOSPC);		/* no more spans */
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_frames, (64 + i - 2) * MiB / PAGE);
	/* Where there is a span already, until there is no segment left. */
	for (i = 0, error = 0; error == 0 && i < 2 * VM_PHYSSEG_MAX; i++)
		error = vm_physseg_plug(GiB + 2 * MiB + i * 16 * PAGE,
		    8 * PAGE);
	ATF_REQUIRE_EQ(error, ENOSPC);
	/* Each hole makes one more, until that is too many as well. */
	for (i = 0, error = 0; error == 0 && i <= VM_NFREELIST; i++)
		error = vm_physseg_unplug(GiB + 2 * MiB + i * 16 * PAGE +
		    3 * PAGE, 2 * PAGE, NULL);
	ATF_REQUIRE_EQ_MSG(error, ENOSPC, "%d", error);
	for (n = 0; vm_physseg_get(n, &seg);)
		n++;
	ATF_REQUIRE_EQ(n, VM_PHYSSEG_MAX);
	audit_ok(NULL);
}

ATF_TC_WITHOUT_HEAD(unplug);
ATF_TC_BODY(unplug, tc)
{
	struct vm_audit before, va;
	struct vm_physpin pin;
	paddr_t pa;

	(void)tc;
	vm_start(&small, 1);
	audit_ok(&before);
	pa = 66 * MiB;
	ATF_REQUIRE_EQ(vm_pglist_reserve(pa, 4 * PAGE,
	    vm_owner_register("ann")), 0);
	/* Who is in the way, also if it only reaches into it. */
	ATF_REQUIRE_EQ(vm_physseg_unplug(65 * MiB, 2 * MiB, &pin), EBUSY);
	ATF_REQUIRE_EQ(pin.pin_start, pa);
	ATF_REQUIRE_EQ(pin.pin_size, 4 * PAGE);
	ATF_REQUIRE_STREQ(vm_owner_name(pin.pin_owner), "ann");
	ATF_REQUIRE_EQ(vm_physseg_unplug(pa + 3 * PAGE, MiB, &pin), EBUSY);
	ATF_REQUIRE_EQ(pin.pin_start, pa);
	ATF_REQUIRE_EQ(vm_physseg_unplug(pa + 3 * PAGE, MiB, NULL), EBUSY);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 0), 0);
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_digest, before.va_digest);

	ATF_REQUIRE_EQ(vm_physseg_unplug(65 * MiB, 2 * MiB, &pin), 0);
	audit_ok(&va);
	ATF_REQUIRE_EQ(va.va_frames, before.va_frames - 2 * MiB / PAGE);
	ATF_REQUIRE(!vm_physseg_managed(pa / PAGE, pa / PAGE + 1));
	ATF_REQUIRE(vm_physseg_managed(64 * MiB / PAGE, 65 * MiB / PAGE));
	ATF_REQUIRE(vm_physseg_managed(67 * MiB / PAGE, 72 * MiB / PAGE));
	ATF_REQUIRE_EQ(vm_pglist_reserve(pa, PAGE, 0), EINVAL);
	while ((pa = vm_page_alloc(0, 0)) != VM_PADDR_NONE)
		ATF_REQUIRE(pa < 65 * MiB || pa >= 67 * MiB);
	audit_ok(NULL);
}

ATF_TC_WITHOUT_HEAD(unplug_errors);
ATF_TC_BODY(unplug_errors, tc)
{
	static const struct {
		paddr_t	start;
		psize_t	size;
	} bad[] = {
		{ 65 * MiB, 0 }, { 65 * MiB, PAGE }, { 65 * MiB + 1, MiB },
		{ 65 * MiB, MiB + 1 }, { 63 * MiB, 2 * MiB },
		{ 71 * MiB, 2 * MiB }, { TiB, MiB }, { TOP, MiB },
		{ 65 * MiB, UINT64_MAX & ~(PAGE - 1) },
	};
	struct vm_audit before, after;
	struct vm_physpin pin;
	unsigned i;

	(void)tc;
	vm_start(&small, 1);
	audit_ok(&before);
	for (i = 0; i < NITEMS(bad); i++) {
		ATF_REQUIRE_EQ_MSG(vm_physseg_unplug(bad[i].start,
		    bad[i].size, &pin), EINVAL, "case %u", i);
		audit_ok(&after);
		ATF_REQUIRE_EQ(after.va_digest, before.va_digest);
	}
	/* The metadata itself is in use. */
	ATF_REQUIRE_EQ(vm_physseg_unplug(64 * MiB, 8 * MiB, &pin), EBUSY);
	ATF_REQUIRE_STREQ(vm_owner_name(pin.pin_owner), "vm");
}

/* Pages that rest on queues go too, and what is left there is stale. */
ATF_TC_WITHOUT_HEAD(unplug_held);
ATF_TC_BODY(unplug_held, tc)
{
	static paddr_t pa[500];
	unsigned i;

	(void)tc;
	vm_start(&small, 1);
	ATF_REQUIRE_EQ(vm_physseg_plug(5 * GiB, 4 * MiB), 0);
	for (i = 0; i < NITEMS(pa); i++)
		pa[i] = vm_page_alloc(0, 0);
	for (i = 0; i < NITEMS(pa); i++)
		ATF_REQUIRE_EQ(vm_page_free(pa[i]), 0);
	ATF_REQUIRE(pa[0] >= 5 * GiB);
	ATF_REQUIRE_EQ(vm_physseg_unplug(5 * GiB, 4 * MiB, NULL), 0);
	audit_ok(NULL);
	for (i = 0; i < NITEMS(pa); i++) {
		pa[i] = vm_page_alloc(0, 0);
		ATF_REQUIRE(pa[i] < 5 * GiB);
	}
	/* Back again: what is stale must not be taken for held. */
	ATF_REQUIRE_EQ(vm_physseg_plug(5 * GiB, 4 * MiB), 0);
	audit_ok(NULL);
	for (i = 0; i < NITEMS(pa); i++)
		ATF_REQUIRE_EQ(vm_page_free(pa[i]), 0);
	for (i = 0; i < NITEMS(pa); i++)
		ATF_REQUIRE(vm_page_alloc(0, 0) != VM_PADDR_NONE);
	audit_ok(NULL);
}

/* Frees of what is gone are refused, whatever this CPU freed last. */
static void
free_what_is_gone(paddr_t pa)
{

	/* A page of that segment was just freed the short way. */
	ATF_REQUIRE_EQ(vm_pglist_reserve(65 * MiB, 2 * PAGE, 0), 0);
	ATF_REQUIRE_EQ(vm_pglist_trim(65 * MiB, 65 * MiB, PAGE), 0);
	ATF_REQUIRE_EQ(vm_page_free(65 * MiB), 0);
	ATF_REQUIRE_EQ(vm_page_free(pa), EINVAL);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, 0), EINVAL);
	ATF_REQUIRE_EQ(vm_pglist_free(pa, PAGE), EINVAL);
	ATF_REQUIRE_EQ(vm_pglist_trim(pa, pa, PAGE), EINVAL);
	audit_ok(NULL);
}

ATF_TC_WITHOUT_HEAD(free_after_unplug);
ATF_TC_BODY(free_after_unplug, tc)
{
	const paddr_t at = 66 * MiB;
	unsigned i;

	(void)tc;
	usermode_console(NULL);
	vm_start(&small, 1);
	free_what_is_gone(TiB);
	ATF_REQUIRE_EQ(vm_physseg_unplug(at, 40 * PAGE, NULL), 0);
	for (i = 0; i < 40; i++) {
		ATF_REQUIRE_EQ(vm_page_free(at + i * PAGE), EINVAL);
		ATF_REQUIRE_EQ(vm_pglist_free(at + i * PAGE, 0), EINVAL);
	}
	audit_ok(NULL);
}

/* A single frame stays absent, among memory that is there. */
ATF_TC_WITHOUT_HEAD(free_of_lone_absent);
ATF_TC_BODY(free_of_lone_absent, tc)
{
	const paddr_t at = 66 * MiB;
	unsigned i;

	(void)tc;
	usermode_console(NULL);
	for (i = 1; i < 40; i++) {
		vm_start(&small, 1);
		/* This CPU remembers the segment as it was. */
		ATF_REQUIRE_EQ(vm_pglist_reserve(65 * MiB, PAGE, 0), 0);
		ATF_REQUIRE_EQ(vm_pglist_reserve(65 * MiB + PAGE, PAGE, 0),
		    0);
		ATF_REQUIRE_EQ(vm_page_free(65 * MiB), 0);
		ATF_REQUIRE_EQ(vm_page_free(65 * MiB + PAGE), 0);
		ATF_REQUIRE_EQ(vm_physseg_unplug(at, (i + 1) * PAGE, NULL),
		    0);
		ATF_REQUIRE_EQ(vm_physseg_plug(at, i * PAGE), 0);
		ATF_REQUIRE_EQ(vm_page_free(at + i * PAGE), EINVAL);
		audit_ok(NULL);
		free_what_is_gone(at + i * PAGE);
		/* The same at the other end. */
		vm_start(&small, 1);
		ATF_REQUIRE_EQ(vm_pglist_reserve(65 * MiB, PAGE, 0), 0);
		ATF_REQUIRE_EQ(vm_page_free(65 * MiB), 0);
		ATF_REQUIRE_EQ(vm_physseg_unplug(at, (i + 1) * PAGE, NULL),
		    0);
		ATF_REQUIRE_EQ(vm_physseg_plug(at + PAGE, i * PAGE), 0);
		ATF_REQUIRE_EQ(vm_page_free(at), EINVAL);
		audit_ok(NULL);
		free_what_is_gone(at);
	}
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, freelists);
	ATF_TP_ADD_TC(tp, split_at_limits);
	ATF_TP_ADD_TC(tp, get);
	ATF_TP_ADD_TC(tp, taken);
	ATF_TP_ADD_TC(tp, metadata);
	ATF_TP_ADD_TC(tp, metadata_least);
	ATF_TP_ADD_TC(tp, load_errors);
	ATF_TP_ADD_TC(tp, many_spans);
	ATF_TP_ADD_TC(tp, many_spans_random);
	ATF_TP_ADD_TC(tp, many_spans_with_taken);
	ATF_TP_ADD_TC(tp, far_apart);
	ATF_TP_ADD_TC(tp, load_random);
	ATF_TP_ADD_TC(tp, plug);
	ATF_TP_ADD_TC(tp, plug_next_span);
	ATF_TP_ADD_TC(tp, no_address);
	ATF_TP_ADD_TC(tp, plug_no_address);
	ATF_TP_ADD_TC(tp, plug_new_top);
	ATF_TP_ADD_TC(tp, plug_errors);
	ATF_TP_ADD_TC(tp, plug_full);
	ATF_TP_ADD_TC(tp, unplug);
	ATF_TP_ADD_TC(tp, unplug_errors);
	ATF_TP_ADD_TC(tp, unplug_held);
	ATF_TP_ADD_TC(tp, free_after_unplug);
	ATF_TP_ADD_TC(tp, free_of_lone_absent);
	return (atf_no_error());
}
