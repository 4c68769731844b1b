/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The auditor.
 *
 * It trusts nothing that it can count: the state words say what each frame
 * is; everything else (summaries, bitmaps, totals, queues) must follow from
 * them.  A queue may hold stale entries and even the same frame twice, but
 * every held frame must be on some queue, or it is lost.
 *
 * It costs those nothing who do not call it: no sum is kept for its sake, all
 * is counted anew.  16 GiB take 0.13 ms while all is free, and 150 ms with a
 * random half of the pages allocated, which is 48 ns for each of 3.1 million
 * pieces; a third of that is the digest.  To compare each entry of a queue with
 * all before it, which is how an entry is known to be no repetition, took 5 ms
 * for one full queue and 81 ms for four; with a hash before that it is 0.03 ms
 * and 0.1 ms (vm_audit() on the machine of the bench).  The hash is full at
 * 65536 entries: 16 full queues take 9 ms, 32 of them 4 s.
 */

#include <vm/vm_audit.h>
#include <vm/vm_counter.h>
#include <vm/vm_extmap.h>
#include <vm/vm_physseg_var.h>
#include <vm/vm_sync.h>

/* Looks at the queues before giving up on CPUs that never stand still. */
#define	AUDIT_LOOKS	(4 * VM_MAXCPU)

/* FNV-1a, 64 bits: draft-eastlake-fnv, section 5. */
#define	FNV_BASIS	0xcbf29ce484222325ULL
#define	FNV_PRIME	0x00000100000001b3ULL

static uint64_t
digest_add(uint64_t digest, uint64_t value)
{
	unsigned i;

	for (i = 0; i < 8; i++, value >>= 8)
		digest = (digest ^ (value & 0xff)) * FNV_PRIME;
	return (digest);
}

static void
audit_fail(struct vm_audit *va, const char *why, vm_frame_t where)
{

	if (va->va_errors++ == 0)
		vm_md_snprintf(va->va_why, sizeof(va->va_why), "%s at %#llx",
		    why, (unsigned long long)vm_ptoa(where));
}

static void
count_piece(const struct vm_extent *ext, struct vm_audit *va)
{
	uint64_t n = ext->e_end - ext->e_start;

	va->va_frames += n;
	switch (ext->e_state) {
	case VM_FRAME_FREE:
		va->va_free += n;
		va->va_extents++;
		if (n > va->va_largest)
			va->va_largest = n;
		break;
	case VM_FRAME_HELD:
		va->va_held += n;
		break;
	case VM_FRAME_HEAD:
	case VM_FRAME_TAIL:
		va->va_allocated += n;
		va->va_runs++;
		break;
	}
	va->va_digest = digest_add(va->va_digest, ext->e_start);
	va->va_digest = digest_add(va->va_digest, n);
	va->va_digest = digest_add(va->va_digest, ext->e_state);
}

void
vm_audit_count(const struct vm_extmap *map, const struct vm_physseg *segs,
    unsigned nsegs, struct vm_audit *va)
{
	struct vm_extent ext;
	vm_frame_t f;
	unsigned i;

	memset(va, 0, sizeof(*va));
	va->va_digest = FNV_BASIS;
	for (i = 0; i < nsegs; i++) {
		f = segs[i].vs_start;
		while (i + 1 < nsegs && segs[i + 1].vs_start == segs[i].vs_end)
			i++;
		for (; vm_extmap_walk(map, f, segs[i].vs_end, &ext);
		    f = ext.e_end)
			count_piece(&ext, va);
	}
}

void
vm_audit_format(const struct vm_audit *va, char *buf, size_t len)
{

	vm_md_snprintf(buf, len, "frames %llu free %llu held %llu "
	    "allocated %llu runs %llu extents %llu largest %llu "
	    "digest %016llx", (unsigned long long)va->va_frames,
	    (unsigned long long)va->va_free, (unsigned long long)va->va_held,
	    (unsigned long long)va->va_allocated,
	    (unsigned long long)va->va_runs,
	    (unsigned long long)va->va_extents,
	    (unsigned long long)va->va_largest,
	    (unsigned long long)va->va_digest);
}

static void
audit_fail_count(struct vm_audit *va, const char *why, uint64_t n)
{

	if (va->va_errors++ == 0)
		vm_md_snprintf(va->va_why, sizeof(va->va_why), "%s: %llu",
		    why, (unsigned long long)n);
}

/* An allocation reaches from the segment before into this one. */
static bool
run_continues(const struct vm_physseg *segs, unsigned i)
{
	vm_frame_t f = segs[i].vs_start;
	enum vm_fstate before;

	if (i == 0 || segs[i - 1].vs_end != f ||
	    vm_extmap_state(&vm_map, f) != VM_FRAME_TAIL)
		return (false);
	before = vm_extmap_state(&vm_map, f - 1);
	return (before == VM_FRAME_HEAD || before == VM_FRAME_TAIL);
}

/* Tails follow a head or a tail; nothing else. */
static void
audit_tails(const struct vm_physseg *segs, unsigned nsegs,
    struct vm_audit *va)
{
	struct vm_extent ext;
	vm_frame_t f;
	unsigned i;

	for (i = 0; i < nsegs; i++) {
		f = segs[i].vs_start;
		if (run_continues(segs, i))
			f += vm_extmap_length(&vm_map, f);
		for (; vm_extmap_walk(&vm_map, f, segs[i].vs_end, &ext);
		    f = ext.e_end) {
			if (ext.e_state == VM_FRAME_HEAD && vm_extmap_state(
			    &vm_map, f) == VM_FRAME_TAIL)
				audit_fail(va, "tail without a head", f);
		}
	}
}

/*
 * Frames of [start, end) that are in a span but no memory look allocated, and
 * not as if they belonged to an allocation before them.
 */
static void
audit_gap(vm_frame_t start, vm_frame_t end, struct vm_audit *va)
{

	if (start < end &&
	    (vm_extmap_state(&vm_map, start) != VM_FRAME_HEAD ||
	    vm_extmap_owned(&vm_map, start, end) != end - start))
		audit_fail(va, "state of an absent frame", start);
}

static void
audit_absent(const struct vm_physseg *segs, unsigned nsegs,
    struct vm_audit *va)
{
	const struct vm_extspan *xs;
	vm_frame_t from, end;
	unsigned i, s;

	for (i = 0; i < vm_map.xm_nspans; i++) {
		xs = &vm_map.xm_span[i];
		from = xs->xs_first;
		end = from + xs->xs_nframes;
		for (s = 0; s < nsegs && segs[s].vs_start < end; s++) {
			if (segs[s].vs_end <= from)
				continue;
			audit_gap(from, segs[s].vs_start, va);
			from = segs[s].vs_end;
		}
		audit_gap(from, end, va);
	}
}

/* The totals by list are those of the state words. */
static void
audit_lists(const struct vm_physseg *segs, unsigned nsegs,
    struct vm_audit *va)
{
	uint64_t nfree[VM_NFREELIST] = { 0 };
	struct vm_extent ext;
	vm_frame_t f;
	unsigned i;

	for (i = 0; i < nsegs; i++) {
		for (f = segs[i].vs_start; vm_extmap_next(&vm_map, 1, f,
		    segs[i].vs_end, &ext); f = ext.e_end)
			nfree[segs[i].vs_list] += ext.e_end - ext.e_start;
	}
	for (i = 0; i < VM_NFREELIST; i++) {
		if (nfree[i] != vm_sync_nfree((enum vm_freelist)i))
			audit_fail_count(va, "free frames of a list "
			    "miscounted, there are", nfree[i]);
	}
}

/*
 * Frames met on queues, by a hash: a bit that is not set says for sure that
 * none of them was met before.  Guarded by the map's lock.
 */
#define	MET_BITS	(1U << 16)
static uint64_t met[MET_BITS / 64];

static bool
met_before(vm_frame_t frame)
{
	uint32_t h = (uint32_t)(frame ^ frame >> 16) % MET_BITS;
	bool before = (met[h / 64] >> h % 64 & 1) != 0;

	met[h / 64] |= (uint64_t)1 << h % 64;
	return (before);
}

/* Does an entry before (cpu, i) of the queues of a list name the frame? */
static bool
entry_repeats(unsigned list, unsigned cpu, uint32_t i, vm_frame_t frame)
{
	const struct vm_pageq *q;
	uint32_t k, count;
	unsigned c;

	for (c = 0; c <= cpu; c++) {
		q = &vm_cpuqs[c].cq_queue[list];
		count = c == cpu ? i : vm_pageq_entries(q);
		for (k = 0; k < count; k++) {
			if (vm_pageq_frame(q, k) == frame)
				return (true);
		}
	}
	return (false);
}

/*
 * Does an entry name a frame of another list?  One of no list is merely
 * stale: its memory was unplugged.
 */
static bool
entry_misplaced(unsigned list, const struct vm_physseg *seg)
{

	return (seg != NULL && seg->vs_list != list);
}

static uint64_t
queued_in(unsigned list, unsigned cpu, struct vm_audit *va)
{
	const struct vm_pageq *q = &vm_cpuqs[cpu].cq_queue[list];
	const struct vm_physseg *seg;
	uint32_t i, n = vm_pageq_count(q);
	vm_frame_t frame;
	uint64_t held = 0;

	if (n > VM_PAGEQ_SIZE)
		audit_fail_count(va, "queue longer than its room", n);
	for (i = 0; i < vm_pageq_entries(q); i++) {
		frame = vm_pageq_frame(q, i);
		seg = vm_physseg_find(frame);
		if (entry_misplaced(list, seg)) {
			if (i < n)
				audit_fail(va, "queue entry names a frame of "
				    "another list", frame);
		} else if (seg != NULL &&
		    vm_extmap_state(&vm_map, frame) == VM_FRAME_HELD &&
		    (!met_before(frame) ||
		    !entry_repeats(list, cpu, i, frame)))
			held++;
	}
	return (held);
}

/* Held frames that are on some queue. */
static uint64_t
queued_frames(struct vm_audit *va)
{
	unsigned cpu, list;
	uint64_t n = 0;

	for (list = VM_PAGEQ_FIRST; list < VM_NFREELIST; list++) {
		memset(met, 0, sizeof(met));
		for (cpu = 0; cpu < VM_MAXCPU; cpu++)
			n += queued_in(list, cpu, va);
	}
	return (n);
}

static uint64_t
work_done(void)
{

	return (vm_counter_sum(VM_COUNT_ALLOC) + vm_counter_sum(VM_COUNT_FREE));
}

/*
 * Every held frame is on a queue, at any moment.  But the frames are counted
 * at one moment and the queues looked at in another, and a CPU that works
 * changes both in between.  Each CPU can make one change that no counter tells
 * of yet, so a difference is an error only if it is found more often than
 * there are CPUs while no counter moves.
 */
static void
audit_queues(const struct vm_physseg *segs, unsigned nsegs,
    struct vm_audit *va)
{
	uint64_t before, after = work_done(), queued = 0;
	unsigned look, idle = 0;

	for (look = 0; look < AUDIT_LOOKS && idle <= VM_MAXCPU; look++) {
		before = after;
		vm_audit_count(&vm_map, segs, nsegs, va);
		queued = queued_frames(va);
		if (queued == va->va_held)
			return;
		atomic_thread_fence(memory_order_acquire);
		after = work_done();
		idle = after == before ? idle + 1 : 0;
	}
	if (idle > VM_MAXCPU)
		audit_fail_count(va, "held frames that are on no queue",
		    va->va_held - queued);
}

bool
vm_audit(struct vm_audit *va)
{
	vm_md_intr_t s = vm_sync_lock();
	const struct vm_physseg *segs;
	vm_frame_t where;
	const char *why;
	unsigned n;

	segs = vm_physseg_table(&n);
	audit_queues(segs, n, va);
	audit_tails(segs, n, va);
	audit_absent(segs, n, va);
	audit_lists(segs, n, va);
	why = vm_extmap_check(&vm_map, &where);
	if (why != NULL)
		audit_fail(va, why, where);
	if (va->va_free != vm_map.xm_nfree)
		audit_fail_count(va, "free frames of the map miscounted, "
		    "there are", va->va_free);
	vm_sync_unlock(s);
	return (va->va_errors == 0);
}

bool
vm_audit_print(const char *label)
{
	char line[VM_AUDIT_LINE];
	struct vm_audit va;
	bool ok = vm_audit(&va);

	vm_audit_format(&va, line, sizeof(line));
	if (ok)
		vm_md_printf("audit %s: %s: ok\n", label, line);
	else
		vm_md_printf("audit %s: %s: BROKEN (%llu): %s\n", label, line,
		    (unsigned long long)va.va_errors, va.va_why);
	return (ok);
}
