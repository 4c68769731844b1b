/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The exported description: whoever has nothing but it, and the memory that
 * it points to, knows the whole state.
 */

#include <atf-c.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <vm/vm_counter.h>
#include <vm/vm_export.h>
#include <vm/vm_extmap.h>
#include <vm/vm_owner.h>
#include <vm/vm_pageq.h>
#include <vm/vm_sync.h>

#include "vm_testlib.h"

/*
 * What a reader does: it has addresses, and memory to look them up in.  An
 * address that no managed memory has is one of this process.
 */
static const void *
memory(uint64_t pa, uint64_t size)
{

	if (vm_physseg_managed(vm_atop(pa), vm_atop(pa + size - 1) + 1))
		return (vm_md_phystov(pa, size));
	return ((const void *)(uintptr_t)pa);
}

static const void *
element(const struct vm_export_array *vea, unsigned i)
{

	ATF_REQUIRE(i < vea->vea_count);
	return (memory(vea->vea_paddr + (uint64_t)i * vea->vea_size,
	    vea->vea_size));
}

static unsigned
state_of(vm_frame_t frame)
{
	const struct vm_export_span *span;
	const uint64_t *words;
	unsigned i;
	uint64_t w;

	for (i = 0; i < vm_export.ve_spans.vea_count; i++) {
		span = element(&vm_export.ve_spans, i);
		if (frame - span->vep_first >= span->vep_nframes)
			continue;
		i = (unsigned)((frame - span->vep_first) / VM_EXPORT_BLOCK);
		words = memory(span->vep_virgin,
		    (span->vep_nframes / VM_EXPORT_BLOCK + 63) / 64 * 8);
		if ((words[i / 64] >> i % 64 & 1) != 0)
			return (0);
		words = memory(span->vep_states, span->vep_nframes / 4);
		w = words[(frame - span->vep_first) / 32] >> frame % 32;
		return ((unsigned)(w & 1) | (unsigned)(w >> 32 & 1) << 1);
	}
	atf_tc_fail("frame %#" PRIx64 " is in no span", frame);
}

static const char *
owner_of(vm_frame_t frame)
{
	const struct vm_export_span *span;
	const struct vm_export_name *name;
	const uint16_t *tags;
	unsigned i;

	for (i = 0; i < vm_export.ve_spans.vea_count; i++) {
		span = element(&vm_export.ve_spans, i);
		if (frame - span->vep_first >= span->vep_nframes)
			continue;
		if (span->vep_owners == 0)
			return (NULL);
		tags = memory(span->vep_owners, span->vep_nframes * 2);
		name = element(&vm_export.ve_owners,
		    tags[frame - span->vep_first]);
		return (name->ven_name);
	}
	return (NULL);
}

static uint64_t
fnv(uint64_t h, uint64_t value)
{
	unsigned i;

	for (i = 0; i < 64; i += 8) {
		h ^= value >> i & 0xff;
		h *= UINT64_C(1099511628211);
	}
	return (h);
}

/* The frames of segments that touch, from the i-th on: where they end. */
static vm_frame_t
area_end(unsigned *ip)
{
	const struct vm_export_seg *seg = element(&vm_export.ve_segs, *ip);
	const struct vm_export_seg *next;

	while (*ip + 1 < vm_export.ve_segs.vea_count) {
		next = element(&vm_export.ve_segs, *ip + 1);
		if (next->ves_start != seg->ves_end)
			break;
		seg = next;
		++*ip;
	}
	return (seg->ves_end);
}

static void
count_piece(struct vm_audit *va, vm_frame_t f, uint64_t n, unsigned state)
{

	va->va_frames += n;
	switch (state) {
	case VM_FRAME_FREE:
		va->va_free += n;
		va->va_extents++;
		if (n > va->va_largest)
			va->va_largest = n;
		break;
	case VM_FRAME_HELD:
		va->va_held += n;
		break;
	default:
		va->va_allocated += n;
		va->va_runs++;
		break;
	}
	va->va_digest = fnv(fnv(fnv(va->va_digest, f), n), state);
}

/* The audit, from the export alone. */
static void
reconstruct(struct vm_audit *va)
{
	const struct vm_export_seg *seg;
	unsigned i, state;
	vm_frame_t f, end, limit;

	memset(va, 0, sizeof(*va));
	va->va_digest = UINT64_C(14695981039346656037);
	for (i = 0; i < vm_export.ve_segs.vea_count; i++) {
		seg = element(&vm_export.ve_segs, i);
		f = seg->ves_start;
		limit = area_end(&i);
		for (; f < limit; f = end) {
			state = state_of(f);
			for (end = f + 1; end < limit && state_of(end) ==
			    (state == VM_FRAME_HEAD ? VM_FRAME_TAIL : state);)
				end++;
			count_piece(va, f, end - f, state);
		}
	}
}

static void
compare(void)
{
	struct vm_audit va, mine;
	char line[VM_AUDIT_LINE], mineline[VM_AUDIT_LINE];

	audit_ok(&va);
	reconstruct(&mine);
	vm_audit_format(&va, line, sizeof(line));
	vm_audit_format(&mine, mineline, sizeof(mineline));
	ATF_REQUIRE_STREQ(mineline, line);
}

ATF_TC_WITHOUT_HEAD(header);
ATF_TC_BODY(header, tc)
{

	(void)tc;
	/* There before the allocator is. */
	ATF_REQUIRE_EQ(memcmp(vm_export.ve_magic, VM_EXPORT_MAGIC, 8), 0);
	ATF_REQUIRE_EQ(vm_export.ve_byteorder, VM_EXPORT_BYTEORDER);
	ATF_REQUIRE_EQ(vm_export.ve_version, VM_EXPORT_VERSION);
	ATF_REQUIRE_EQ(vm_export.ve_size, sizeof(vm_export));
	ATF_REQUIRE_EQ(vm_export.ve_page_shift, PAGE_SHIFT);
	ATF_REQUIRE_EQ(vm_export.ve_segs.vea_count, 0);
	ATF_REQUIRE_EQ(vm_export.ve_spans.vea_count, 0);
}

ATF_TC_WITHOUT_HEAD(segments_and_lists);
ATF_TC_BODY(segments_and_lists, tc)
{
	const struct vm_export_seg *ves;
	const struct vm_export_name *name;
	struct vm_physseg seg;
	unsigned i;

	(void)tc;
	vm_start(pc_ranges, pc_nranges);
	for (i = 0; vm_physseg_get(i, &seg); i++) {
		ves = element(&vm_export.ve_segs, i);
		ATF_REQUIRE_EQ(ves->ves_start, seg.vs_start);
		ATF_REQUIRE_EQ(ves->ves_end, seg.vs_end);
		ATF_REQUIRE_EQ(ves->ves_list, seg.vs_list);
	}
	ATF_REQUIRE_EQ(vm_export.ve_segs.vea_count, i);
	ATF_REQUIRE_EQ(vm_export.ve_lists.vea_count, VM_NFREELIST);
	for (i = 0; i < VM_NFREELIST; i++) {
		name = element(&vm_export.ve_lists, i);
		ATF_REQUIRE_STREQ(name->ven_name,
		    vm_freelist_name((enum vm_freelist)i));
	}
}

ATF_TC_WITHOUT_HEAD(audit);
ATF_TC_BODY(audit, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(PAGE);
	struct vm_pgseg segs[4];
	static paddr_t pages[1000];
	unsigned i, n, round;
	struct rng r;

	rng_init(&r, tc, 1);
	vm_start(pc_ranges, pc_nranges);
	compare();
	for (round = 0; round < 10; round++) {
		for (i = 0; i < NITEMS(pages); i++)
			pages[i] = vm_page_alloc(VM_PG_USERESERVE, 0);
		for (i = 0; i < 50; i++) {
			req.vpr_size = rng_size(&r, 100) * PAGE;
			req.vpr_align = PAGE << rng_below(&r, 6);
			req.vpr_nsegs = (unsigned)rng_range(&r, 1, 4);
			(void)vm_pglist_alloc(&req, segs, &n);
		}
		for (i = 0; i < NITEMS(pages); i += 1 + round % 3) {
			if (pages[i] != VM_PADDR_NONE)
				ATF_REQUIRE_EQ(vm_page_free(pages[i]), 0);
		}
		compare();
	}
	vm_pageq_flush();
	compare();
}

ATF_TC_WITHOUT_HEAD(owners);
ATF_TC_BODY(owners, tc)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(5 * PAGE);
	paddr_t pa, page;

	(void)tc;
	vm_start(pc_ranges, pc_nranges);
	req.vpr_owner = vm_owner_register("ann");
	pa = run_alloc(&req);
	page = vm_page_alloc(0, vm_owner_register("bob"));
	ATF_REQUIRE_STREQ(owner_of(vm_atop(pa)), "ann");
	ATF_REQUIRE_STREQ(owner_of(vm_atop(page)), "bob");
	/* One that comes later is there too. */
	ATF_REQUIRE_EQ(vm_pglist_reserve(2 * MiB, PAGE,
	    vm_owner_register("late")), 0);
	ATF_REQUIRE_STREQ(owner_of(2 * MiB / PAGE), "late");
	ATF_REQUIRE_STREQ(((const struct vm_export_name *)
	    element(&vm_export.ve_owners, 0))->ven_name, "-");

	vm_owner_tags = false;
	vm_start(pc_ranges, pc_nranges);
	ATF_REQUIRE(owner_of(vm_atop(run_alloc(&req))) == NULL);
	compare();
	vm_owner_tags = true;
}

static void *
count_some(void *arg)
{
	unsigned i;

	(void)arg;
	for (i = 0; i < 100; i++)
		(void)vm_page_free(vm_page_alloc(0, 0));
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(counters);
ATF_TC_BODY(counters, tc)
{
	const struct vm_export_array *vea = &vm_export.ve_counters;
	const struct vm_export_name *name;
	pthread_t thread[3];
	const uint64_t *set;
	uint64_t sum;
	unsigned i, c;

	(void)tc;
	vm_start(pc_ranges, pc_nranges);
	for (i = 0; i < NITEMS(thread); i++)
		ATF_REQUIRE_EQ(pthread_create(&thread[i], NULL, count_some,
		    NULL), 0);
	for (i = 0; i < NITEMS(thread); i++)
		ATF_REQUIRE_EQ(pthread_join(thread[i], NULL), 0);
	ATF_REQUIRE_EQ(vm_export.ve_counter_names.vea_count, VM_NCOUNTER);
	ATF_REQUIRE(vea->vea_size >= VM_NCOUNTER * sizeof(uint64_t));
	for (c = 0; c < VM_NCOUNTER; c++) {
		name = element(&vm_export.ve_counter_names, c);
		ATF_REQUIRE_STREQ(name->ven_name,
		    vm_counter_name((enum vm_counter)c));
		for (sum = 0, i = 0; i < vea->vea_count; i++) {
			set = element(vea, i);
			sum += set[c];
		}
		ATF_REQUIRE_EQ(sum, vm_counter_sum((enum vm_counter)c));
	}
	ATF_REQUIRE(vm_counter_sum(VM_COUNT_ALLOC) >= 300);
}

/* It follows what is plugged and unplugged. */
ATF_TC_WITHOUT_HEAD(plug);
ATF_TC_BODY(plug, tc)
{
	unsigned n;

	(void)tc;
	vm_start(pc_ranges, pc_nranges);
	n = vm_export.ve_segs.vea_count;
	ATF_REQUIRE_EQ(vm_physseg_plug(TiB, 4 * MiB), 0);
	ATF_REQUIRE_EQ(vm_export.ve_segs.vea_count, n + 1);
	ATF_REQUIRE(vm_page_alloc(0, 0) != VM_PADDR_NONE);
	compare();
	vm_pageq_flush();
	ATF_REQUIRE_EQ(vm_physseg_unplug(17 * MiB, MiB, NULL), 0);
	compare();
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, header);
	ATF_TP_ADD_TC(tp, segments_and_lists);
	ATF_TP_ADD_TC(tp, audit);
	ATF_TP_ADD_TC(tp, owners);
	ATF_TP_ADD_TC(tp, counters);
	ATF_TP_ADD_TC(tp, plug);
	return (atf_no_error());
}
