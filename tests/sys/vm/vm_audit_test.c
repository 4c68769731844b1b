/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The auditor: what it counts, and that nothing that is wrong escapes it.
 */

#include <atf-c.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vm/vm_audit.h>
#include <vm/vm_extmap.h>
#include <vm/vm_pageq.h>
#include <vm/vm_sync.h>

#include "vm_testlib.h"

/*
 * Memory below and above 16 MiB that touches, a hole, and more above 4 GiB.
 */
static const struct vm_memrange machine[] = {
	{ 1 * MiB, 31 * MiB },
	{ 40 * MiB, 8 * MiB },
	{ 4 * GiB, 16 * MiB },
};

#define	ISA_FRAME	((vm_frame_t)0x800)	/* free at first */
#define	BORDER		((vm_frame_t)0x1000)	/* of the lists */
#define	DMA_FRAME	((vm_frame_t)0x2900)
#define	TOP_FRAME	((vm_frame_t)0x100800)
#define	HOLE		((vm_frame_t)0x2000)	/* behind a segment */

static paddr_t pages[300];

/* Some of everything: pages in use and held, runs, stale entries. */
static void
start(void)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(100 * PAGE);
	unsigned i;

	console_catch();
	vm_start(machine, NITEMS(machine));
	for (i = 0; i < NITEMS(pages); i++)
		pages[i] = vm_page_alloc(0, 0);
	for (i = 0; i < NITEMS(pages); i += 2)
		ATF_REQUIRE_EQ(vm_page_free(pages[i]), 0);
	(void)run_alloc(&req);
	req.vpr_high = 16 * MiB;
	(void)run_alloc(&req);
	/* Pages taken from under the queue: their entries are stale. */
	ATF_REQUIRE_EQ(vm_pglist_reserve(pages[20], PAGE, 0), 0);
	ATF_REQUIRE_EQ(vm_pglist_reserve(pages[40], PAGE, 0), 0);
	audit_ok(NULL);
}

static void
broken(const char *why)
{
	struct vm_audit va;

	ATF_REQUIRE_MSG(!vm_audit(&va), "the audit saw nothing");
	ATF_REQUIRE(va.va_errors > 0);
	ATF_REQUIRE_MSG(why == NULL || strstr(va.va_why, why) != NULL,
	    "the audit says: %s", va.va_why);
	console_clear();
	ATF_REQUIRE(!vm_audit_print("here"));
	ATF_REQUIRE(strncmp(console_text(), "audit here: frames ", 19) == 0);
	ATF_REQUIRE(strstr(console_text(), ": BROKEN (") != NULL);
	ATF_REQUIRE(strstr(console_text(), va.va_why) != NULL);
	ATF_REQUIRE_EQ(console_lines(), 1);
}

/* The queue that the pages of start() rest on. */
static struct vm_pageq *
queue(void)
{
	struct vm_pageq *q = vm_pageq_of(&vm_cpuqs[vm_md_curcpu()],
	    VM_FREELIST_DEFAULT);

	ATF_REQUIRE(vm_pageq_count(q) > 100);
	return (q);
}

#define	SEES(name)							\
ATF_TC_WITHOUT_HEAD(name);						\
ATF_TC_BODY(name, tc)							\
{									\
									\
	(void)tc;							\
	start();							\
	tamper_##name();						\
}

/*
 * States.
 */

static void
tamper_held_on_no_queue(void)
{

	vm_extmap_set(&vm_map, TOP_FRAME, TOP_FRAME + 1, VM_FRAME_HELD);
	broken("held frames that are on no queue");
	vm_extmap_set(&vm_map, TOP_FRAME, TOP_FRAME + 1, VM_FRAME_FREE);
	audit_ok(NULL);
}
SEES(held_on_no_queue)

static void
tamper_held_below_16m(void)
{

	vm_extmap_set(&vm_map, ISA_FRAME, ISA_FRAME + 1, VM_FRAME_HELD);
	broken("held frames that are on no queue");
}
SEES(held_below_16m)

static void
tail_is_seen(vm_frame_t frame)
{

	vm_extmap_set(&vm_map, frame, frame + 1, VM_FRAME_TAIL);
	broken(NULL);
	vm_extmap_set(&vm_map, frame, frame + 1, VM_FRAME_FREE);
	audit_ok(NULL);
}

static void
tamper_tail_among_free(void)
{

	tail_is_seen(ISA_FRAME);
	tail_is_seen(DMA_FRAME);
	tail_is_seen(TOP_FRAME);
}
SEES(tail_among_free)

/* The counts of free frames agree: only the state itself is wrong. */
static void
orphan(vm_frame_t frame)
{

	ATF_REQUIRE_EQ(vm_pglist_reserve(vm_ptoa(frame), PAGE, 0), 0);
	vm_extmap_set(&vm_map, frame, frame + 1, VM_FRAME_TAIL);
	broken("tail without a head");
	vm_extmap_set(&vm_map, frame, frame + 1, VM_FRAME_HEAD);
	audit_ok(NULL);
}

static void
tamper_tail_for_head(void)
{

	orphan(ISA_FRAME);
	orphan(DMA_FRAME);
	orphan(TOP_FRAME);
	orphan(40 * MiB / PAGE);	/* first of a segment */
	orphan(DMA_FRAME - 1 - DMA_FRAME % 512 + 512);	/* last of a block */
}
SEES(tail_for_head)

static void
tamper_tail_at_list_border(void)
{

	orphan(BORDER);
}
SEES(tail_at_list_border)

/* A run over the border of two segments that touch is none of that. */
static void
tamper_run_over_list_border(void)
{

	ATF_REQUIRE_EQ(vm_pglist_reserve(vm_ptoa(BORDER - 3), 6 * PAGE, 0),
	    0);
	audit_ok(NULL);
	vm_extmap_set(&vm_map, BORDER - 3, BORDER, VM_FRAME_FREE);
	broken(NULL);
}
SEES(run_over_list_border)

static void
tamper_tail_behind_held(void)
{
	struct vm_pageq *q = queue();
	vm_frame_t f;
	unsigned i;

	/* The second of two pages of which the first is held. */
	for (i = 0; i + 1 < NITEMS(pages); i += 2) {
		f = vm_atop(pages[i + 1]);
		if (pages[i] + PAGE == pages[i + 1] &&
		    vm_extmap_state(&vm_map, f - 1) == VM_FRAME_HELD &&
		    vm_extmap_state(&vm_map, f) == VM_FRAME_HEAD)
			break;
	}
	ATF_REQUIRE(i + 1 < NITEMS(pages) && q != NULL);
	vm_extmap_set(&vm_map, f, f + 1, VM_FRAME_TAIL);
	broken("tail without a head");
}
SEES(tail_behind_held)

static void
tamper_absent_free(void)
{

	vm_extmap_set(&vm_map, HOLE + 5, HOLE + 6, VM_FRAME_FREE);
	broken(NULL);
}
SEES(absent_free)

static void
tamper_absent_held(void)
{

	vm_extmap_set(&vm_map, HOLE + 5, HOLE + 6, VM_FRAME_HELD);
	broken(NULL);
}
SEES(absent_held)

/* It would lengthen the last allocation of the segment. */
static void
tamper_absent_tail(void)
{

	vm_extmap_set(&vm_map, HOLE, HOLE + 1, VM_FRAME_TAIL);
	broken("absent");
}
SEES(absent_tail)

/*
 * Summaries and totals.
 */

static void
tamper_summary(void)
{
	struct vm_extspan *xs = vm_extmap_span(&vm_map, TOP_FRAME);
	struct vm_extsum *sum = &xs->xs_sum[(TOP_FRAME - xs->xs_first) / 512];
	struct vm_extsum saved;

	/* It is not written before somebody changes it. */
	vm_extmap_set(&vm_map, TOP_FRAME, TOP_FRAME + 1, VM_FRAME_FREE);
	saved = *sum;
	ATF_REQUIRE_EQ(saved.es_free, 512);
	sum->es_longest = 511;
	broken("summary of a block too low");
	*sum = saved;
	sum->es_start = 0;
	broken("summary of a block too low");
	*sum = saved;
	sum->es_end = 0;
	broken("summary of a block too low");
	*sum = saved;
	sum->es_free--;
	broken(NULL);
	*sum = saved;
	audit_ok(NULL);
}
SEES(summary)

static void
tamper_order_bitmap(void)
{
	struct vm_extspan *xs = vm_extmap_span(&vm_map, TOP_FRAME);
	uint64_t b = (TOP_FRAME - xs->xs_first) / 512, saved;
	unsigned k;

	for (k = 0; k < VM_EXTMAP_NORDER; k++) {
		saved = xs->xs_group[b / 64].eg_order[k];
		xs->xs_group[b / 64].eg_order[k] &= ~(UINT64_C(1) << b % 64);
		broken(NULL);
		xs->xs_group[b / 64].eg_order[k] = saved;
		saved = xs->xs_top[b / 4096].et_order[k];
		xs->xs_top[b / 4096].et_order[k] = 0;
		broken(NULL);
		xs->xs_top[b / 4096].et_order[k] = saved;
	}
	audit_ok(NULL);
}
SEES(order_bitmap)

static void
tamper_map_total(void)
{

	vm_map.xm_nfree--;
	broken("miscounted");
	vm_map.xm_nfree++;
	audit_ok(NULL);
}
SEES(map_total)

/* The map changed, and the totals of the lists do not know. */
static void
tamper_list_total(void)
{

	vm_extmap_alloc(&vm_map, ISA_FRAME, 4);
	broken("free frames of a list miscounted");
	ATF_REQUIRE(vm_extmap_release(&vm_map, ISA_FRAME, 4));
	audit_ok(NULL);
	vm_extmap_alloc(&vm_map, TOP_FRAME, 1);
	broken("free frames of a list miscounted");
}
SEES(list_total)

/*
 * Queues.
 */

static void
tamper_entry_lost(void)
{
	struct vm_pageq *q = queue();
	uint32_t last = q->pq_entry[q->pq_head - 1];

	/* The one behind the last is looked at too: make it another. */
	q->pq_entry[q->pq_head - 1] = q->pq_entry[0];
	q->pq_head--;
	broken("held frames that are on no queue");
	q->pq_entry[q->pq_head++] = last;
	audit_ok(NULL);
}
SEES(entry_lost)

static void
tamper_entry_replaced(void)
{
	struct vm_pageq *q = queue();
	uint32_t entry = q->pq_entry[3];

	q->pq_entry[3] = q->pq_entry[4];
	broken("held frames that are on no queue");
	q->pq_entry[3] = entry;
	audit_ok(NULL);
}
SEES(entry_replaced)

/* The same frame twice is harmless: whoever pops it second drops it. */
static void
tamper_entry_twice(void)
{
	struct vm_pageq *q = queue();

	q->pq_entry[q->pq_head] = q->pq_entry[0];
	q->pq_head++;
	audit_ok(NULL);
	vm_pageq_flush();
	audit_ok(NULL);
}
SEES(entry_twice)

static void
tamper_entry_other_list(void)
{
	struct vm_pageq *q = vm_pageq_of(&vm_cpuqs[vm_md_curcpu()],
	    VM_FREELIST_DMA31);

	ATF_REQUIRE_EQ(vm_pageq_count(q), 0);
	q->pq_entry[0] = (uint32_t)(TOP_FRAME - q->pq_base);
	q->pq_head = 1;
	broken("another list");
	q->pq_entry[0] = (uint32_t)(ISA_FRAME - q->pq_base);
	broken("another list");
	q->pq_head = 0;
	q->pq_entry[0] = 0;
	audit_ok(NULL);
}
SEES(entry_other_list)

static void
tamper_count_too_big(void)
{
	struct vm_pageq *q = queue();
	uint32_t n = q->pq_head;

	q->pq_head = q->pq_tail + VM_PAGEQ_SIZE + 1;
	broken("queue longer than its room");
	q->pq_head = q->pq_tail - 1;
	broken("queue longer than its room");
	q->pq_head = n;
	audit_ok(NULL);
}
SEES(count_too_big)

/* Stale entries: what was taken back and is used, or used and freed. */
ATF_TC_WITHOUT_HEAD(stale_is_harmless);
ATF_TC_BODY(stale_is_harmless, tc)
{
	struct vm_audit va;
	unsigned i;

	(void)tc;
	start();
	for (i = 60; i < 120; i += 2)
		ATF_REQUIRE_EQ(vm_pglist_reserve(pages[i], PAGE, 0), 0);
	audit_ok(NULL);
	for (i = 60; i < 120; i += 4)
		ATF_REQUIRE_EQ(vm_pglist_free(pages[i], PAGE), 0);
	audit_ok(NULL);
	for (i = 62; i < 120; i += 4)
		ATF_REQUIRE_EQ(vm_page_free(pages[i]), 0);
	audit_ok(&va);
	ATF_REQUIRE(va.va_held > 0);
}

/*
 * What is counted.
 */

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

/* One frame after the other, from the states. */
static void
count_all(struct vm_audit *va)
{
	const vm_frame_t ends[][2] = {
		{ 0x100, 0x2000 }, { 0x2800, 0x3000 }, { 0x100000, 0x101000 }
	};
	enum vm_fstate state;
	vm_frame_t f, end;
	unsigned i;

	memset(va, 0, sizeof(*va));
	va->va_digest = UINT64_C(14695981039346656037);
	for (i = 0; i < NITEMS(ends); i++) {
		for (f = ends[i][0]; f < ends[i][1]; f = end) {
			state = vm_extmap_state(&vm_map, f);
			for (end = f + 1; end < ends[i][1] &&
			    vm_extmap_state(&vm_map, end) ==
			    (state == VM_FRAME_HEAD ? VM_FRAME_TAIL : state);)
				end++;
			va->va_frames += end - f;
			if (state == VM_FRAME_FREE) {
				va->va_free += end - f;
				va->va_extents++;
				if (end - f > va->va_largest)
					va->va_largest = end - f;
			} else if (state == VM_FRAME_HELD)
				va->va_held += end - f;
			else {
				va->va_allocated += end - f;
				va->va_runs++;
			}
			va->va_digest = fnv(fnv(fnv(va->va_digest, f),
			    end - f), state);
		}
	}
}

ATF_TC_WITHOUT_HEAD(counts);
ATF_TC_BODY(counts, tc)
{
	char line[2 * VM_AUDIT_LINE], expected[VM_AUDIT_LINE];
	struct vm_audit va, mine;

	(void)tc;
	start();
	audit_ok(&va);
	count_all(&mine);
	ATF_REQUIRE_EQ(va.va_frames, mine.va_frames);
	ATF_REQUIRE_EQ(va.va_free, mine.va_free);
	ATF_REQUIRE_EQ(va.va_held, mine.va_held);
	ATF_REQUIRE_EQ(va.va_allocated, mine.va_allocated);
	ATF_REQUIRE_EQ(va.va_runs, mine.va_runs);
	ATF_REQUIRE_EQ(va.va_extents, mine.va_extents);
	ATF_REQUIRE_EQ(va.va_largest, mine.va_largest);
	ATF_REQUIRE_EQ(va.va_digest, mine.va_digest);
	ATF_REQUIRE_EQ(va.va_errors, 0);

	vm_audit_format(&va, line, sizeof(line));
	snprintf(expected, sizeof(expected), "frames %" PRIu64 " free %" PRIu64
	    " held %" PRIu64 " allocated %" PRIu64 " runs %" PRIu64
	    " extents %" PRIu64 " largest %" PRIu64 " digest %016" PRIx64,
	    mine.va_frames, mine.va_free, mine.va_held, mine.va_allocated,
	    mine.va_runs, mine.va_extents, mine.va_largest, mine.va_digest);
	ATF_REQUIRE_STREQ(line, expected);

	console_clear();
	ATF_REQUIRE(vm_audit_print("start"));
	snprintf(line, sizeof(line), "audit start: %s: ok\n", expected);
	ATF_REQUIRE_STREQ(console_text(), line);
}

/* The longest line there can be fits, and a short buffer is not overrun. */
ATF_TC_WITHOUT_HEAD(format_longest);
ATF_TC_BODY(format_longest, tc)
{
	char line[VM_AUDIT_LINE + 1];
	struct vm_audit va;

	(void)tc;
	memset(&va, 0xff, sizeof(va));
	memset(line, 'x', sizeof(line));
	vm_audit_format(&va, line, VM_AUDIT_LINE);
	ATF_REQUIRE(strlen(line) < VM_AUDIT_LINE);
	ATF_REQUIRE(strstr(line, "digest ffffffffffffffff") != NULL);
	memset(line, 'x', sizeof(line));
	vm_audit_format(&va, line, 10);
	ATF_REQUIRE_EQ(strlen(line), 9);
	ATF_REQUIRE_EQ(line[10], 'x');
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, held_on_no_queue);
	ATF_TP_ADD_TC(tp, held_below_16m);
	ATF_TP_ADD_TC(tp, tail_among_free);
	ATF_TP_ADD_TC(tp, tail_for_head);
	ATF_TP_ADD_TC(tp, tail_at_list_border);
	ATF_TP_ADD_TC(tp, run_over_list_border);
	ATF_TP_ADD_TC(tp, tail_behind_held);
	ATF_TP_ADD_TC(tp, absent_free);
	ATF_TP_ADD_TC(tp, absent_held);
	ATF_TP_ADD_TC(tp, absent_tail);
	ATF_TP_ADD_TC(tp, summary);
	ATF_TP_ADD_TC(tp, order_bitmap);
	ATF_TP_ADD_TC(tp, map_total);
	ATF_TP_ADD_TC(tp, list_total);
	ATF_TP_ADD_TC(tp, entry_lost);
	ATF_TP_ADD_TC(tp, entry_replaced);
	ATF_TP_ADD_TC(tp, entry_twice);
	ATF_TP_ADD_TC(tp, entry_other_list);
	ATF_TP_ADD_TC(tp, count_too_big);
	ATF_TP_ADD_TC(tp, stale_is_harmless);
	ATF_TP_ADD_TC(tp, counts);
	ATF_TP_ADD_TC(tp, format_longest);
	return (atf_no_error());
}
