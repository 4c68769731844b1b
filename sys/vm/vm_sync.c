/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Consistency between the queues, the map and the owners.
 *
 * 1. The rule.  The state of a frame changes only by an atomic operation that
 * verifies what it was: compare-and-swap between held and head, anywhere; and
 * under the map's lock, which serialises everything that makes a frame free or
 * takes a free one, whatever vm_extmap.c does.  So whoever changed the state
 * owns the consequence, and an entry on a queue is a mere hint: if the state
 * says that the frame is not held, the entry is stale and dropped.
 *
 * 2. Taking back.  Held pages are free memory.  A request that finds no run
 * in the map looks, under the lock, at what the queues of all CPUs hold,
 * reading their entries without asking their owners: the owner of a queue
 * meanwhile pops and pushes, and the state decides who gets a frame.  Around
 * each entry, free and held frames together may make the run; only the held
 * frames of the run that was chosen are taken back.  Where that is not enough
 * (several segments, a single page when nothing else is left), all of them
 * are.  One look is no snapshot of several queues, so a run that vanishes
 * before it is taken is looked for again; the bound is for the case that
 * other CPUs go on for ever.
 *
 * What a look at an entry came to remains true until memory becomes available
 * that it did not know of: by an entry that is pushed later, which is one of
 * those on top, as many as were pushed since; or by frames that come to the
 * map from an owner, which a generation tells.  So a look in vain is
 * remembered, and the next one for the same or a stricter request probes only
 * what is new.  While another CPU allocates and frees, that makes 0.3 us of a
 * request that cannot succeed, where probing 1024 entries took 2 us and 8192
 * take 10 (vmbench -w contended).
 *
 * A CPU that has not refilled or freed anything since it was last looked at is
 * idle: its pages are all taken back at that second look, once, and after
 * that its queues are known to have nothing until it works again.  So on an
 * idle machine a request that cannot succeed costs one search of the map and
 * a comparison for each CPU.
 *
 * 3. Spilling moves entries inside a queue.  It happens under the lock, as
 * taking back does, so that the reader misses none.
 *
 * 4. Frames that a refill took are on the queue, and counted there, before the
 * lock is dropped: nobody can find them in neither view.
 *
 * 5. The reserve.  Low memory is scarce.  A plain single page leaves a share
 * of each list below the highest populated one alone: all of the ISA list
 * that is free by then, as pages below 16 MiB are the only ones that an ISA
 * device can use and few, and a thirty-second of the others.  It is counted
 * in the map: no queue is filled from it, and while the map has less than the
 * reserve, what queues hold is withheld too.
 */

#include <vm/vm_counter_var.h>
#include <vm/vm_kassert.h>
#include <vm/vm_pgreq.h>
#include <vm/vm_physseg_var.h>
#include <vm/vm_sync.h>

#define	WORD_LAST	(VM_EXTWORD_FRAMES - 1)

/* Passes over the queues before giving up on busy CPUs. */
#define	DRAIN_PASSES	8

struct vm_extmap vm_map;
_Atomic uint32_t vm_sync_sleepers;
_Atomic uint32_t vm_sync_epoch;
_Atomic uint32_t vm_sync_freed;

static struct vm_md_lock map_lock;
static bool frames_freed;		/* since the lock was taken */
static _Atomic uint64_t list_free[VM_NFREELIST];
static _Atomic uint64_t list_reserve[VM_NFREELIST];

/* What is known of a CPU's queues; guarded by the map's lock. */
static struct {
	uint64_t	cs_work;	/* its work when last looked at */
	uint64_t	cs_pushed;	/* what it had pushed when probed */
	bool		cs_empty;	/* nothing was left then */
} cpu_seen[VM_MAXCPU];

/*
 * Changes when memory becomes available in another way than by an entry that
 * was not probed yet; guarded by the map's lock.
 */
static uint64_t avail_gen;

/* CPUs that ever used a queue lie below this. */
static _Atomic uint32_t cpu_limit;

/* A run that needs held frames: where, and for how many frames. */
struct held_search {
	struct vm_extreq hs_req;
	struct vm_pgwindow hs_win[VM_NFREELIST];
	unsigned	hs_nwin;
};

/*
 * The last look that found nothing.  No run that it could have found, or that
 * contains one, is there unless one of the entries pushed since is part of it,
 * or avail_gen has changed.
 */
static struct {
	struct held_search ll_search;
	uint64_t	ll_gen;
	bool		ll_valid;
} last_look;

vm_md_intr_t
vm_sync_lock(void)
{
	vm_md_intr_t s = vm_md_intr_disable();

	vm_md_lock(&map_lock);
	return (s);
}

void
vm_sync_unlock(vm_md_intr_t s)
{
	bool wake = frames_freed && atomic_load(&vm_sync_sleepers) != 0;

	frames_freed = false;
	vm_md_unlock(&map_lock);
	if (wake) {
		atomic_fetch_add(&vm_sync_freed, 1);
		vm_md_wake(&vm_sync_freed);
	}
	vm_md_intr_restore(s);
}

uint64_t
vm_sync_nfree(enum vm_freelist list)
{

	return (atomic_load_explicit(&list_free[list], memory_order_relaxed));
}

uint64_t
vm_sync_reserve(enum vm_freelist list)
{

	return (atomic_load_explicit(&list_reserve[list],
	    memory_order_relaxed));
}

/*
 * Account for frames [start, end) of the map; they may lie in two lists.
 */
static void
account(vm_frame_t start, vm_frame_t end, bool isfree)
{
	enum vm_freelist list;
	vm_frame_t stop;
	uint64_t n;

	for (; start < end; start = stop) {
		list = vm_freelist_of(start);
		stop = vm_freelist_limit(list);
		if (stop > end)
			stop = end;
		n = vm_sync_nfree(list);
		atomic_store_explicit(&list_free[list],
		    isfree ? n + (stop - start) : n - (stop - start),
		    memory_order_relaxed);
	}
}

/*
 * The highest populated list, and from it the reserves.  => *basep: for each
 * list, where the numbers of its queues start.
 */
static enum vm_freelist
lists_measure(vm_frame_t base[VM_NFREELIST])
{
	uint64_t total[VM_NFREELIST] = { 0 };
	enum vm_freelist top = VM_FREELIST_ISA;
	const struct vm_physseg *seg;
	unsigned i, n;

	seg = vm_physseg_table(&n);
	for (i = 0; i < VM_NFREELIST; i++)
		base[i] = 0;
	for (; n > 0; n--, seg++) {
		if (total[seg->vs_list] == 0)
			base[seg->vs_list] = seg->vs_start &
			    ~(vm_frame_t)UINT32_MAX;
		total[seg->vs_list] += seg->vs_end - seg->vs_start;
		top = seg->vs_list;
	}
	for (i = 0; i < VM_NFREELIST; i++)
		atomic_store_explicit(&list_reserve[i], i == top ? 0 :
		    i == VM_FREELIST_ISA ? total[i] : total[i] / 32,
		    memory_order_relaxed);
	return (top);
}

/* Let the queues know what is withheld from their lists. */
static void
queues_withhold(void)
{
	struct vm_pageq *q;
	unsigned cpu, list;

	for (cpu = 0; cpu < VM_MAXCPU; cpu++) {
		for (list = VM_PAGEQ_FIRST; list < VM_NFREELIST; list++) {
			q = &vm_cpuqs[cpu].cq_queue[list];
			atomic_store_explicit(&q->pq_reserve,
			    vm_sync_reserve((enum vm_freelist)list),
			    memory_order_relaxed);
		}
	}
}

void
vm_sync_start(void)
{
	vm_frame_t base[VM_NFREELIST];
	enum vm_freelist top = lists_measure(base);
	const struct vm_physseg *seg;
	unsigned i, n;

	for (i = 0; i < VM_NFREELIST; i++)
		atomic_store_explicit(&list_free[i], 0, memory_order_relaxed);
	seg = vm_physseg_table(&n);
	for (i = 0; i < n; i++)
		account(seg[i].vs_start, seg[i].vs_end, true);
	vm_pageq_reset(base, top, list_free);
	queues_withhold();
	vm_counter_reset();
	memset(cpu_seen, 0, sizeof(cpu_seen));
	last_look.ll_valid = false;
	atomic_store_explicit(&cpu_limit, 0, memory_order_relaxed);
}

/* The first segment that has frames of [start, end).  => NULL: none has. */
static const struct vm_physseg *
segment_within(vm_frame_t start, vm_frame_t end)
{
	const struct vm_physseg *seg;
	unsigned i, n;

	seg = vm_physseg_table(&n);
	for (i = 0; i < n; i++) {
		if (seg[i].vs_start < end && seg[i].vs_end > start)
			return (&seg[i]);
	}
	return (NULL);
}

/*
 * Places count for the segment that their memory is in by now.  Of one that
 * was cut in two that is the lower one, until the queue goes to another place:
 * its CPU reads the place without a lock, so that it cannot be cut here.
 */
static void
places_recount(void)
{
	vm_frame_t start;
	const struct vm_physseg *seg;
	struct vm_pageq *q;
	unsigned cpu, list;

	for (cpu = 0; cpu < VM_MAXCPU; cpu++) {
		for (list = VM_PAGEQ_FIRST; list < VM_NFREELIST; list++) {
			q = &vm_cpuqs[cpu].cq_queue[list];
			start = q->pq_base + q->pq_place.pp_start;
			seg = segment_within(start,
			    start + q->pq_place.pp_nframes);
			if (seg != NULL)
				atomic_store_explicit(
				    &q->pq_place.pp_counters,
				    &vm_segcounters[cpu][vm_physseg_slot(seg)],
				    memory_order_relaxed);
		}
	}
}

void
vm_sync_relist(void)
{
	vm_frame_t base[VM_NFREELIST];

	vm_pageq_top(lists_measure(base));
	queues_withhold();
	places_recount();
}

/* Frames that nobody had for free came to the map.  Lock held. */
static void
frames_came(void)
{

	frames_freed = true;
	avail_gen++;
}

/*
 * Owners.
 */

static void
owner_set(vm_frame_t head, vm_owner_t owner)
{
	struct vm_extspan *xs = vm_extmap_span(&vm_map, head);

	if (xs->xs_owner != NULL)
		atomic_store_explicit(&xs->xs_owner[head - xs->xs_first],
		    owner, memory_order_relaxed);
}

vm_owner_t
vm_sync_owner(vm_frame_t head)
{
	const struct vm_extspan *xs = vm_extmap_span(&vm_map, head);

	if (xs == NULL || xs->xs_owner == NULL)
		return (VM_OWNER_NONE);
	return (atomic_load_explicit(&xs->xs_owner[head - xs->xs_first],
	    memory_order_relaxed));
}

/* Map -> owner.  Lock held. */
static void
map_alloc(vm_frame_t start, uint64_t n, vm_owner_t owner)
{

	vm_extmap_alloc(&vm_map, start, n);
	account(start, start + n, false);
	owner_set(start, owner);
}

/*
 * Queues.
 */

void
vm_sync_count_at(vm_frame_t frame, enum vm_counter c, uint64_t n)
{
	const struct vm_physseg *seg = vm_physseg_find(frame);

	if (seg != NULL)
		vm_counter_add_at(vm_md_curcpu(), vm_physseg_slot(seg), c, n);
}

/*
 * Frames that go one after the other, and mostly to the same segment, are
 * added up before they are counted.
 */
struct tally {
	enum vm_counter	t_counter;
	const struct vm_physseg *t_seg;
	unsigned	t_n;
};

static void
tally_end(struct tally *t)
{

	if (t->t_n != 0)
		vm_counter_add_at(vm_md_curcpu(), vm_physseg_slot(t->t_seg),
		    t->t_counter, t->t_n);
	t->t_n = 0;
}

/* Frames of one word; a hole may lie between them. */
static void
tally_add(struct tally *t, vm_frame_t first, uint32_t mask)
{
	vm_frame_t frame;
	uint32_t part;

	for (; mask != 0; mask &= ~part) {
		frame = first + (unsigned)__builtin_ctz(mask);
		if (t->t_seg == NULL || frame < t->t_seg->vs_start ||
		    frame >= t->t_seg->vs_end) {
			tally_end(t);
			t->t_seg = vm_physseg_find(frame);
			KASSERT(t->t_seg != NULL);
		}
		part = mask;
		if (t->t_seg->vs_end - first < VM_EXTWORD_FRAMES)
			part &= ((uint32_t)1 << (t->t_seg->vs_end - first)) - 1;
		t->t_n += (unsigned)__builtin_popcount(part);
	}
}

/*
 * Queue -> map: those of the 32 frames from first that are in mask and still
 * held.  Lock held.  => how many.
 */
static unsigned
word_to_map(vm_frame_t first, uint32_t mask, struct tally *t)
{
	enum vm_freelist list = vm_freelist_of(first);
	unsigned n;

	mask = vm_extmap_unhold(&vm_map, first, mask);
	n = (unsigned)__builtin_popcount(mask);
	tally_add(t, first, mask);
	atomic_store_explicit(&list_free[list], vm_sync_nfree(list) + n,
	    memory_order_relaxed);
	return (n);
}

/* The same for one frame; false: the entry was stale. */
static bool
queue_to_map(vm_frame_t frame, struct tally *t)
{

	return (word_to_map(frame & ~(vm_frame_t)WORD_LAST,
	    (uint32_t)1 << (frame & WORD_LAST), t) != 0);
}

/* How many entries ahead of its turn a frame's state is asked for. */
#define	SPILL_AHEAD	8

/*
 * The first n entries go to the map; neighbours that lie in one word, as
 * after frees in order, together.
 */
static unsigned
entries_to_map(const struct vm_pageq *q, unsigned n)
{
	vm_frame_t frame = n > 0 ? vm_pageq_frame(q, 0) : 0, first;
	struct tally t = { .t_counter = VM_COUNT_SPILL };
	unsigned i = 0, done = 0;
	uint32_t mask;

	while (i < n) {
		first = frame & ~(vm_frame_t)WORD_LAST;
		if (i + SPILL_AHEAD < n)
			vm_extmap_prefetch(&vm_map,
			    vm_pageq_frame(q, i + SPILL_AHEAD));
		for (mask = 0; frame - first < VM_EXTWORD_FRAMES && i < n;
		    frame = vm_pageq_frame(q, i)) {
			mask |= (uint32_t)1 << (frame - first);
			i++;
		}
		done += word_to_map(first, mask, &t);
	}
	tally_end(&t);
	return (done);
}

/* The number of entries that a CPU has pushed so far. */
static uint64_t
cpu_pushed(uint32_t cpu)
{
	struct vm_counterset *cs = &vm_cpuqs[cpu].cq_counters;

	return (atomic_load_explicit(&cs->cs_count[VM_COUNT_FREE],
	    memory_order_acquire) +
	    atomic_load_explicit(&cs->cs_count[VM_COUNT_REFILL],
	    memory_order_acquire));
}

/*
 * How many entries, those on top of each queue of a CPU, may have been pushed
 * since the queues were last probed.  One may be counted that was not pushed
 * yet, or the other way round.
 */
static uint64_t
entries_new(uint32_t cpu)
{

	return (cpu_pushed(cpu) - cpu_seen[cpu].cs_pushed + 1);
}

void
vm_sync_spill(uint32_t cpu, struct vm_pageq *q, unsigned n)
{
	vm_md_intr_t s = vm_sync_lock();
	uint32_t count = vm_pageq_count(q), spilled;

	if (n > count)
		n = count;
	if (entries_new(cpu) > count - n)
		avail_gen++;	/* some go that were never probed */
	spilled = entries_to_map(q, n);
	atomic_store_explicit(&q->pq_tail, atomic_load_explicit(&q->pq_tail,
	    memory_order_relaxed) + n, memory_order_relaxed);
	vm_counter_add(cpu, VM_COUNT_SPILL, spilled);
	vm_counter_add(cpu, VM_COUNT_STALE, n - spilled);
	if (spilled != 0)
		frames_freed = true;
	vm_sync_unlock(s);
}

/*
 * Taking back.
 */

static void
cpu_uses_queues(uint32_t cpu)
{
	uint32_t limit = atomic_load_explicit(&cpu_limit,
	    memory_order_relaxed);

	while (cpu >= limit && !atomic_compare_exchange_weak_explicit(
	    &cpu_limit, &limit, cpu + 1, memory_order_relaxed,
	    memory_order_relaxed))
		continue;
}

/* A number that grows whenever a CPU uses its queues. */
static uint64_t
cpu_work(uint32_t cpu)
{

	return (cpu_pushed(cpu) + atomic_load_explicit(
	    &vm_cpuqs[cpu].cq_counters.cs_count[VM_COUNT_ALLOC],
	    memory_order_acquire));
}

static uint64_t
queue_drain(const struct vm_pageq *q, vm_frame_t low, vm_frame_t high)
{
	struct tally t = { .t_counter = VM_COUNT_STEAL };
	uint32_t i, count = vm_pageq_entries(q);
	uint64_t n = 0;
	vm_frame_t frame;

	for (i = 0; i < count; i++) {
		frame = vm_pageq_frame(q, i);
		if (frame >= low && frame < high)
			n += queue_to_map(frame, &t);
	}
	tally_end(&t);
	return (n);
}

static uint64_t
cpu_drain(uint32_t cpu, vm_frame_t low, vm_frame_t high)
{
	uint64_t n = 0;
	unsigned list;

	for (list = VM_PAGEQ_FIRST; list < VM_NFREELIST; list++)
		n += queue_drain(&vm_cpuqs[cpu].cq_queue[list], low, high);
	vm_counter_add(vm_md_curcpu(), VM_COUNT_STEAL, n);
	vm_counter_add(vm_md_curcpu(), VM_COUNT_DRAIN, 1);
	if (n != 0)
		avail_gen++;
	return (n);
}

/* Is there anything on a CPU's queues to look at? */
static bool
cpu_has_entries(uint32_t cpu)
{

	return (!cpu_seen[cpu].cs_empty ||
	    cpu_work(cpu) != cpu_seen[cpu].cs_work);
}

/* Forget the stale entries of this CPU's own queues. */
static void
cpu_forget(uint32_t cpu)
{
	struct vm_pageq *q;
	unsigned list;

	for (list = VM_PAGEQ_FIRST; list < VM_NFREELIST; list++) {
		q = &vm_cpuqs[cpu].cq_queue[list];
		atomic_store_explicit(&q->pq_tail, atomic_load_explicit(
		    &q->pq_head, memory_order_relaxed), memory_order_relaxed);
	}
}

static bool
any_entries(void)
{
	uint32_t cpu, limit = atomic_load_explicit(&cpu_limit,
	    memory_order_relaxed);

	for (cpu = 0; cpu < limit; cpu++) {
		if (cpu_has_entries(cpu))
			return (true);
	}
	return (false);
}

/*
 * One look at a CPU's queues.  If all of them are drained, and nothing was
 * done meanwhile, they are known to be empty from here on.
 */
static uint64_t
cpu_drain_known(uint32_t cpu, vm_frame_t low, vm_frame_t high)
{
	uint64_t work = cpu_work(cpu), n;

	if (low > 0 || high < VM_FRAME_END)
		return (cpu_drain(cpu, low, high));
	n = cpu_drain(cpu, low, high);
	cpu_seen[cpu].cs_work = work;
	cpu_seen[cpu].cs_empty = true;
	if (cpu == vm_md_curcpu())
		cpu_forget(cpu);
	return (n);
}

/*
 * If a CPU is idle, take all its pages back.  => how many.
 */
static uint64_t
cpu_drain_idle(uint32_t cpu)
{
	uint64_t work = cpu_work(cpu);

	if (work != cpu_seen[cpu].cs_work) {
		cpu_seen[cpu].cs_work = work;
		cpu_seen[cpu].cs_empty = false;
		return (0);
	}
	return (cpu_drain_known(cpu, 0, VM_FRAME_END));
}

uint64_t
vm_sync_drain(vm_frame_t low, vm_frame_t high)
{
	uint32_t cpu, limit = atomic_load_explicit(&cpu_limit,
	    memory_order_relaxed);
	uint64_t n, all = 0;
	unsigned pass;

	if (high <= vm_freelist_limit(VM_FREELIST_ISA))
		return (0);		/* never queued */
	for (pass = 0; pass < DRAIN_PASSES; pass++) {
		n = 0;
		for (cpu = 0; cpu < limit; cpu++) {
			if (cpu_has_entries(cpu))
				n += cpu_drain_known(cpu, low, high);
		}
		all += n;
		if (n == 0)
			break;
	}
	return (all);
}

/*
 * Single pages, the long way.
 */

/*
 * Where the state of a frame that a queue takes is, and of those around it:
 * as far as its segment goes, and the span, and what the queue takes.  Lock
 * held.
 */
static void
place_set(uint32_t cpu, struct vm_pageq *q, const struct vm_physseg *seg,
    vm_frame_t frame)
{
	struct vm_pageplace *pp = &q->pq_place;
	const struct vm_extspan *xs = vm_extmap_span(&vm_map, frame);
	vm_frame_t start = seg->vs_start, end = seg->vs_end;
	int64_t first;

	if (start < xs->xs_first)
		start = xs->xs_first;
	if (end > xs->xs_first + xs->xs_nframes)
		end = xs->xs_first + xs->xs_nframes;
	if (start < q->pq_base)
		start = q->pq_base;
	if (!vm_pageq_takes(q, end))
		end = q->pq_base + UINT32_MAX;
	pp->pp_start = (uint32_t)(start - q->pq_base);
	pp->pp_nframes = (uint32_t)(end - start);
	first = (int64_t)(xs->xs_first - q->pq_base);
	pp->pp_words = (uintptr_t)xs->xs_word - (uintptr_t)(first /
	    VM_EXTWORD_FRAMES * (int64_t)sizeof(vm_extword_t));
	pp->pp_virgins = (uintptr_t)xs->xs_virgin - (uintptr_t)(first /
	    VM_EXTCHUNK_FRAMES * (int64_t)sizeof(uint64_t));
	pp->pp_owners = xs->xs_owner == NULL ? 0 : (uintptr_t)xs->xs_owner -
	    (uintptr_t)(first * (int64_t)sizeof(vm_owner_t));
	atomic_store_explicit(&pp->pp_counters,
	    &vm_segcounters[cpu][vm_physseg_slot(seg)], memory_order_relaxed);
	/* While somebody waits, no place is good for the short way. */
	pp->pp_epoch = atomic_load(&vm_sync_epoch) -
	    (atomic_load(&vm_sync_sleepers) != 0 ? 1 : 0);
}

/*
 * Make a queue's place that of a frame, which may be any; the next one of its
 * segment goes the short way.  => false: the queue does not take it.  Lock
 * held.
 */
static bool
place_renew(uint32_t cpu, struct vm_pageq *q, vm_frame_t frame)
{
	const struct vm_pageplace *pp = &q->pq_place;
	const struct vm_physseg *seg;

	if (vm_pageplace_has(pp, frame - q->pq_base) &&
	    pp->pp_epoch == atomic_load(&vm_sync_epoch))
		return (true);
	seg = vm_physseg_find(frame);
	if (seg == NULL || !vm_pageq_takes(q, frame))
		return (false);
	cpu_uses_queues(cpu);
	place_set(cpu, q, seg, frame);
	return (true);
}

/* The place of a frame that a queue names.  => false: there is none. */
static bool
place_find(uint32_t cpu, struct vm_pageq *q, vm_frame_t frame)
{
	const struct vm_pageplace *pp = &q->pq_place;
	const struct vm_physseg *seg;
	vm_md_intr_t s;

	if (vm_pageplace_has(pp, frame - q->pq_base))
		return (true);
	s = vm_sync_lock();
	seg = vm_physseg_find(frame);
	if (seg != NULL)
		place_set(cpu, q, seg, frame);
	vm_sync_unlock(s);
	return (seg != NULL);
}

/* Held -> head, however often others change the word. */
static bool
word_own(vm_extword_t *wp, unsigned bit)
{
	uint64_t w;

	do {
		if (vm_sync_own(wp, bit))
			return (true);
		w = atomic_load_explicit(wp, memory_order_relaxed);
	} while ((w >> bit & VM_SYNC_HEAD) == VM_SYNC_HELD);
	return (false);
}

/* Head -> held; the caller looked at the frame behind it. */
static bool
word_disown(vm_extword_t *wp, unsigned bit)
{
	uint64_t w = atomic_load_explicit(wp, memory_order_relaxed);

	do {
		if ((w >> bit & VM_SYNC_HEAD) != VM_SYNC_HEAD)
			return (false);
	} while (!atomic_compare_exchange_weak_explicit(wp, &w,
	    w ^ VM_SYNC_OWNED << bit, memory_order_acq_rel,
	    memory_order_relaxed));
	return (true);
}

/* Pop until an entry is good or the queue is empty. */
static vm_frame_t
queue_pop(uint32_t cpu, struct vm_pageq *q, vm_owner_t owner)
{
	const struct vm_pageplace *pp = &q->pq_place;
	uint32_t n = vm_pageq_count(q), number;
	vm_frame_t frame;
	bool own;

	while (n-- > 0) {
		frame = vm_pageq_frame(q, n);
		/* The memory of a stale entry may have gone. */
		number = (uint32_t)(frame - q->pq_base);
		own = place_find(cpu, q, frame) && word_own(
		    vm_pageplace_word(pp, number), number & WORD_LAST);
		atomic_store_explicit(&q->pq_head, atomic_load_explicit(
		    &q->pq_head, memory_order_relaxed) - 1,
		    memory_order_relaxed);
		if (own) {
			vm_sync_tag(pp, number, owner);
			vm_sync_count(pp, VM_COUNT_ALLOC);
			return (frame);
		}
		vm_counter_add(cpu, VM_COUNT_STALE, 1);
	}
	return (VM_FRAME_NONE);
}

/* May frames be taken from a list, and how many at the most? */
static uint64_t
list_avail(enum vm_freelist list, unsigned flags)
{
	uint64_t n = vm_sync_nfree(list);

	if ((flags & VM_PG_USERESERVE) != 0)
		return (n);
	return (n > list_reserve[list] ? n - list_reserve[list] : 0);
}

/* The part of a list whose numbers a queue can hold: [*lowp, *highp). */
static void
queue_window(const struct vm_pageq *q, enum vm_freelist list,
    vm_frame_t *lowp, vm_frame_t *highp)
{

	*lowp = list == 0 ? 0 :
	    vm_freelist_limit((enum vm_freelist)(list - 1));
	*highp = vm_freelist_limit(list);
	if (*lowp < q->pq_base)
		*lowp = q->pq_base;
	if (*highp - q->pq_base > (vm_frame_t)UINT32_MAX + 1)
		*highp = q->pq_base + UINT32_MAX + 1;
}

/* Count entries [i, end) of a queue, rising frames of a block, as refilled. */
static void
entries_count(const struct vm_pageq *q, unsigned i, unsigned end)
{
	const struct vm_physseg *seg;
	unsigned stop;

	for (; i < end; i = stop) {
		seg = vm_physseg_find(vm_pageq_frame(q, i));
		KASSERT(seg != NULL);
		/* Mostly all of them lie in one segment. */
		for (stop = end; vm_pageq_frame(q, stop - 1) >= seg->vs_end;)
			stop--;
		vm_counter_add_at(vm_md_curcpu(), vm_physseg_slot(seg),
		    VM_COUNT_REFILL, stop - i);
	}
}

/* Map -> queue, for a queue that is empty. */
static void
queue_refill(struct vm_cpuq *cq, uint32_t cpu, enum vm_freelist list)
{
	struct vm_pageq *q = vm_pageq_of(cq, list);
	vm_frame_t low, high;
	vm_md_intr_t s;
	uint64_t want;
	unsigned n = 0, i;

	cpu_uses_queues(cpu);
	queue_window(q, list, &low, &high);
	s = vm_sync_lock();
	/* It is empty, so it may begin anywhere. */
	atomic_store_explicit(&q->pq_tail, 0, memory_order_relaxed);
	atomic_store_explicit(&q->pq_head, 0, memory_order_relaxed);
	want = list_avail(list, 0);
	if (want > VM_PAGEQ_BATCH)
		want = VM_PAGEQ_BATCH;
	while (n < want) {
		i = vm_extmap_hold(&vm_map, &cq->cq_hint[list], low, high,
		    q->pq_base, &q->pq_entry[n], (unsigned)want - n);
		if (i == 0)
			break;
		entries_count(q, n, n + i);
		n += i;
	}
	atomic_store_explicit(&list_free[list], vm_sync_nfree(list) - n,
	    memory_order_relaxed);
	/* The lowest frame is popped first. */
	for (i = 0; i < n / 2; i++) {
		uint32_t a = atomic_load_explicit(&q->pq_entry[i],
		    memory_order_relaxed);
		uint32_t b = atomic_load_explicit(&q->pq_entry[n - 1 - i],
		    memory_order_relaxed);

		atomic_store_explicit(&q->pq_entry[i], b,
		    memory_order_relaxed);
		atomic_store_explicit(&q->pq_entry[n - 1 - i], a,
		    memory_order_relaxed);
	}
	atomic_store_explicit(&q->pq_head, n, memory_order_release);
	vm_counter_add(cpu, VM_COUNT_REFILL, n);
	vm_sync_unlock(s);
}

/* A frame of a list straight from the map.  Lock held. */
static vm_frame_t
list_take_locked(enum vm_freelist list, unsigned flags, vm_owner_t owner)
{
	struct vm_extreq er = {
		.er_npages = 1, .er_align = 1,
		.er_low = list == 0 ? 0 :
		    vm_freelist_limit((enum vm_freelist)(list - 1)),
		.er_high = vm_freelist_limit(list),
		.er_policy = VM_POLICY_LOWEST
	};
	vm_frame_t frame;

	if (list_avail(list, flags) == 0 ||
	    !vm_extmap_find(&vm_map, &er, &frame))
		return (VM_FRAME_NONE);
	map_alloc(frame, 1, owner);
	vm_sync_count_at(frame, VM_COUNT_ALLOC, 1);
	return (frame);
}

static vm_frame_t
list_take(enum vm_freelist list, unsigned flags, vm_owner_t owner)
{
	vm_frame_t frame;
	vm_md_intr_t s;

	if (list_avail(list, flags) == 0)
		return (VM_FRAME_NONE);
	s = vm_sync_lock();
	frame = list_take_locked(list, flags, owner);
	vm_sync_unlock(s);
	return (frame);
}

/*
 * When all lists are empty: what the queues of other CPUs hold.  One frame is
 * taken in the same breath, so that two CPUs that fight for the last ones
 * cannot take them from each other for ever.
 */
static vm_frame_t
drained_take(unsigned flags, vm_owner_t owner)
{
	vm_frame_t frame = VM_FRAME_NONE;
	vm_md_intr_t s = vm_sync_lock();
	unsigned list;

	(void)vm_sync_drain(0, VM_FRAME_END);
	for (list = VM_NFREELIST; list-- > 0 && frame == VM_FRAME_NONE;)
		frame = list_take_locked((enum vm_freelist)list, flags, owner);
	vm_sync_unlock(s);
	return (frame);
}

/*
 * From a list's queue, refilled if need be; the next one comes from there the
 * short way.
 */
static vm_frame_t
list_queue_page(uint32_t cpu, enum vm_freelist list, unsigned flags,
    vm_owner_t owner)
{
	struct vm_cpuq *cq = &vm_cpuqs[cpu];
	struct vm_pageq *q = vm_pageq_of(cq, list);
	vm_frame_t frame;

	if (q == NULL)
		return (VM_FRAME_NONE);
	if ((flags & VM_PG_USERESERVE) == 0 && vm_pageq_withheld(q))
		return (VM_FRAME_NONE);
	frame = queue_pop(cpu, q, owner);
	/* No queue is filled from the reserve, whoever asks. */
	if (frame == VM_FRAME_NONE && list_avail(list, 0) != 0) {
		queue_refill(cq, cpu, list);
		frame = queue_pop(cpu, q, owner);
	}
	if (frame != VM_FRAME_NONE)
		atomic_store_explicit(&cq->cq_top, q, memory_order_relaxed);
	return (frame);
}

/* From a list: its queue, or the map itself. */
static vm_frame_t
list_page(uint32_t cpu, enum vm_freelist list, unsigned flags,
    vm_owner_t owner)
{
	vm_frame_t frame = VM_FRAME_NONE;

	if (cpu != VM_NOCPU)
		frame = list_queue_page(cpu, list, flags, owner);
	return (frame != VM_FRAME_NONE ? frame :
	    list_take(list, flags, owner));
}

/* A fresh frame, from the highest list that has one. */
static vm_frame_t
fresh_take(unsigned flags, vm_owner_t owner)
{
	vm_frame_t low, high, frame = VM_FRAME_NONE;
	vm_md_intr_t s = vm_sync_lock();
	struct vm_extent ext;
	unsigned list;

	for (list = VM_NFREELIST; list-- > 0;) {
		low = list == 0 ? 0 :
		    vm_freelist_limit((enum vm_freelist)(list - 1));
		high = vm_freelist_limit((enum vm_freelist)list);
		if (list_avail((enum vm_freelist)list, flags) == 0 ||
		    !vm_extmap_next_fresh(&vm_map, 1, low, high, &ext))
			continue;
		frame = ext.e_start;
		map_alloc(frame, 1, owner);
		vm_sync_count_at(frame, VM_COUNT_ALLOC, 1);
		break;
	}
	vm_sync_unlock(s);
	return (frame);
}

vm_frame_t
vm_sync_page(uint32_t cpu, unsigned flags, vm_owner_t owner)
{
	vm_frame_t frame;
	unsigned list;

	if ((flags & VM_PG_FRESH) != 0)
		return (fresh_take(flags, owner));
	for (list = VM_NFREELIST; list-- > 0;) {
		frame = list_page(cpu, (enum vm_freelist)list, flags, owner);
		if (frame != VM_FRAME_NONE)
			return (frame);
	}
	return ((flags & VM_PG_NODRAIN) != 0 ? VM_FRAME_NONE :
	    drained_take(flags, owner));
}

/*
 * The state of a managed frame that somebody wants to free as n frames (0:
 * any number): 0, or what is wrong.  Lock held.
 */
static int
free_verify(vm_frame_t frame, uint64_t n, uint64_t *lengthp)
{

	if (vm_physseg_find(frame) == NULL)
		return (EINVAL);
	switch (vm_extmap_state(&vm_map, frame)) {
	case VM_FRAME_FREE:
	case VM_FRAME_HELD:
		return (EALREADY);
	case VM_FRAME_TAIL:
		return (EINVAL);
	case VM_FRAME_HEAD:
		break;
	}
	*lengthp = vm_extmap_length(&vm_map, frame);
	return (n != 0 && n != *lengthp ? EMSGSIZE : 0);
}

/* Owner -> map, verified.  Lock held. */
static int
run_to_map(vm_frame_t start, uint64_t npages)
{
	uint64_t n;
	int error;

	/* A single page may change under us, if it is freed twice at once. */
	do {
		error = free_verify(start, npages, &n);
	} while (error == 0 && !vm_extmap_release(&vm_map, start, n));
	if (error == 0) {
		account(start, start + n, true);
		frames_came();
	}
	return (error);
}

int
vm_sync_unrun(vm_frame_t start, uint64_t npages)
{
	vm_md_intr_t s = vm_sync_lock();
	int error = run_to_map(start, npages);

	if (error == 0)
		vm_sync_count_at(start, VM_COUNT_RUN_FREE, 1);
	vm_sync_unlock(s);
	return (error);
}

int
vm_sync_trim(vm_frame_t start, vm_frame_t newstart, uint64_t npages)
{
	vm_md_intr_t s = vm_sync_lock();
	uint64_t n;
	int error;

	error = free_verify(start, 0, &n);
	if (error == 0 && (newstart < start || newstart - start >= n ||
	    npages > n - (newstart - start)))
		error = ERANGE;
	if (error == 0 && npages < n) {
		owner_set(newstart, vm_sync_owner(start));
		vm_extmap_trim(&vm_map, start, n, newstart, npages);
		account(start, newstart, true);
		account(newstart + npages, start + n, true);
		frames_came();
	}
	vm_sync_unlock(s);
	return (error);
}

/*
 * Owner -> queue, for the frames that have to be looked at with the one behind
 * them, or whose word others keep changing.  => false: it is no single page,
 * or the map is the place for it.  Lock held, so that no run begins here
 * meanwhile.
 */
static bool
page_to_queue(uint32_t cpu, struct vm_pageq *q, vm_frame_t frame)
{
	const struct vm_pageplace *pp = &q->pq_place;
	uint32_t number = (uint32_t)(frame - q->pq_base);
	uint32_t head = atomic_load_explicit(&q->pq_head,
	    memory_order_relaxed);

	if (vm_pageq_count(q) == VM_PAGEQ_SIZE ||
	    !vm_pageplace_has(pp, frame - q->pq_base) ||
	    vm_pageplace_virgin(pp, number) ||
	    pp->pp_epoch != atomic_load(&vm_sync_epoch) ||
	    vm_extmap_state(&vm_map, frame + 1) == VM_FRAME_TAIL)
		return (false);
	atomic_store_explicit(&q->pq_entry[vm_pageq_slot(head)],
	    number, memory_order_relaxed);
	if (!word_disown(vm_pageplace_word(pp, number), number & WORD_LAST))
		return (false);
	vm_sync_pushed(&vm_cpuqs[cpu], q, head);
	vm_sync_count(pp, VM_COUNT_FREE);
	return (true);
}

int
vm_sync_unpage(uint32_t cpu, vm_frame_t frame)
{
	vm_md_intr_t s = vm_sync_lock();
	struct vm_pageq *q = NULL;
	int error = 0;

	if (cpu != VM_NOCPU) {
		q = vm_pageq_of(&vm_cpuqs[cpu], vm_freelist_of(frame));
		if (q != NULL && !place_renew(cpu, q, frame))
			q = NULL;
	}
	if (q == NULL || !page_to_queue(cpu, q, frame)) {
		error = run_to_map(frame, 1);
		if (error == 0)
			vm_sync_count_at(frame, VM_COUNT_FREE, 1);
	}
	vm_sync_unlock(s);
	return (error);
}

/*
 * Runs.
 */

/* Can the run be made around a frame that a queue holds? */
static __attribute__((noinline)) bool
held_probe(const struct held_search *hs, vm_frame_t frame,
    vm_frame_t *startp)
{
	struct vm_extent ext;
	unsigned i;

	for (i = 0; i < hs->hs_nwin; i++) {
		if (frame < hs->hs_win[i].pw_low ||
		    frame >= hs->hs_win[i].pw_high)
			continue;
		return (vm_extmap_around(&vm_map, frame, hs->hs_win[i].pw_low,
		    hs->hs_win[i].pw_high, &ext) &&
		    vm_extmap_fit(&hs->hs_req, ext.e_start, ext.e_end, false,
		    startp));
	}
	return (false);
}

/*
 * The word of a frame that a queue names, if the queue's place is at hand for
 * it; else that of none.
 */
static inline const vm_extword_t *
entry_word(const struct vm_pageq *q, vm_frame_t frame)
{
	static const vm_extword_t none;

	return (vm_pageplace_has(&q->pq_place, frame - q->pq_base) ?
	    vm_pageplace_word(&q->pq_place, (uint32_t)(frame - q->pq_base)) :
	    &none);
}

/*
 * Take the held frames of [start, end) back.  => false: some frame is owned
 * by now; what was taken stays free.
 */
static bool
held_take(vm_frame_t start, vm_frame_t end)
{
	struct tally t = { .t_counter = VM_COUNT_STEAL };
	struct vm_extent ext;
	uint64_t n = 0;
	bool owned = false;
	vm_frame_t f;

	for (; !owned && vm_extmap_walk(&vm_map, start, end, &ext);
	    start = ext.e_end) {
		if (ext.e_state == VM_FRAME_FREE)
			continue;
		for (f = ext.e_start; f < ext.e_end && !owned; f++) {
			if (queue_to_map(f, &t))
				n++;
			else
				owned = true;
		}
	}
	tally_end(&t);
	vm_counter_add(vm_md_curcpu(), VM_COUNT_STEAL, n);
	avail_gen++;
	return (!owned);
}

/* What a look at the queues came to. */
enum held_look {
	HELD_NONE,	/* no entry would complete a run */
	HELD_CHANGED,	/* frames came to the map: search that again */
	HELD_FOUND	/* the run is free */
};

/* Does every run that satisfies b contain one that satisfies a? */
static bool
search_covers(const struct held_search *a, const struct held_search *b)
{
	const struct vm_extreq *ra = &a->hs_req, *rb = &b->hs_req;
	unsigned i;

	if (rb->er_npages < ra->er_npages || rb->er_align < ra->er_align ||
	    a->hs_nwin != b->hs_nwin || (ra->er_boundary != 0 &&
	    (rb->er_boundary == 0 || rb->er_boundary > ra->er_boundary)))
		return (false);
	for (i = 0; i < a->hs_nwin; i++) {
		if (b->hs_win[i].pw_low < a->hs_win[i].pw_low ||
		    b->hs_win[i].pw_high > a->hs_win[i].pw_high)
			return (false);
	}
	return (true);
}

/* How many entries ahead of its turn the word of a frame is asked for. */
#define	PROBE_AHEAD	12

/* Entry i of a queue and those behind it; see cpu_complete(). */
static enum held_look
queue_complete(const struct held_search *hs, const struct vm_pageq *q,
    uint32_t i, uint32_t count, vm_frame_t *startp)
{
	vm_frame_t low = hs->hs_win[0].pw_low, frame;
	uint64_t size = hs->hs_win[hs->hs_nwin - 1].pw_high - low;
	/* Then most entries fail by one look at their own word. */
	bool by_word = hs->hs_req.er_align >= VM_EXTWORD_FRAMES &&
	    hs->hs_req.er_npages % VM_EXTWORD_FRAMES == 0;

	for (; i < count; i++) {
		if (by_word && i + PROBE_AHEAD < count)
			__builtin_prefetch((const void *)(uintptr_t)
			    entry_word(q, vm_pageq_frame(q,
			    i + PROBE_AHEAD)));
		frame = vm_pageq_frame(q, i);
		if (frame - low >= size || (by_word && atomic_load_explicit(
		    entry_word(q, frame), memory_order_relaxed) >> 32 != 0))
			continue;
		if (held_probe(hs, frame, startp))
			return (held_take(*startp,
			    *startp + hs->hs_req.er_npages) ? HELD_FOUND :
			    HELD_CHANGED);
	}
	return (HELD_NONE);
}

/*
 * The entries of a CPU's queues, or, if the others are known to be in vain,
 * those that are new.  What is pushed while we look is new next time.
 */
static enum held_look
cpu_complete(const struct held_search *hs, uint32_t cpu, bool known,
    vm_frame_t *startp)
{
	uint64_t pushed = cpu_pushed(cpu), fresh;
	const struct vm_pageq *q;
	enum held_look look;
	unsigned list, last;
	uint32_t count;

	list = vm_freelist_of(hs->hs_win[0].pw_low);
	if (list < VM_PAGEQ_FIRST)
		list = VM_PAGEQ_FIRST;
	last = vm_freelist_of(hs->hs_win[hs->hs_nwin - 1].pw_high - 1);
	for (; list <= last; list++) {
		q = &vm_cpuqs[cpu].cq_queue[list];
		count = vm_pageq_entries(q);
		/* The entry past those that are counted is always new. */
		fresh = known ? entries_new(cpu) + 1 : count;
		look = queue_complete(hs, q, fresh < count ?
		    count - (uint32_t)fresh : 0, count, startp);
		if (look != HELD_NONE)
			return (look);
	}
	cpu_seen[cpu].cs_pushed = pushed;
	return (HELD_NONE);
}

/* Complete a run with held frames, from any CPU. */
static enum held_look
held_complete(const struct held_search *hs, vm_frame_t *startp)
{
	uint32_t cpu, limit = atomic_load_explicit(&cpu_limit,
	    memory_order_relaxed);
	bool known = last_look.ll_valid && last_look.ll_gen == avail_gen &&
	    search_covers(&last_look.ll_search, hs);
	enum held_look look, result = HELD_NONE;

	last_look.ll_valid = false;
	for (cpu = 0; cpu < limit; cpu++) {
		if (!cpu_has_entries(cpu))
			continue;
		if (cpu_drain_idle(cpu) != 0)
			result = HELD_CHANGED;
		if (cpu_seen[cpu].cs_empty)
			continue;
		look = cpu_complete(hs, cpu, known, startp);
		if (look != HELD_NONE)
			return (look);
	}
	if (result == HELD_NONE) {
		last_look.ll_search = *hs;
		last_look.ll_gen = avail_gen;
		last_look.ll_valid = true;
	}
	return (result);
}

/* No place but one will do, if it lies in a window. */
static void
held_exact(struct held_search *hs, vm_frame_t start)
{
	vm_frame_t end = start + hs->hs_req.er_npages;
	unsigned i;

	for (i = 0; i < hs->hs_nwin; i++) {
		if (start >= hs->hs_win[i].pw_low &&
		    end <= hs->hs_win[i].pw_high)
			break;
	}
	hs->hs_nwin = i < hs->hs_nwin ? 1 : 0;
	hs->hs_win[0].pw_low = start;
	hs->hs_win[0].pw_high = end;
}

/*
 * One segment, from free and held frames.  Apart, as a request for which there
 * is nothing on any queue should not have to save registers for this.
 */
static __attribute__((noinline)) int
run_with_held(const struct vm_pgreq *req, struct vm_pgseg *segs,
    unsigned *rsegs)
{
	struct held_search hs;
	vm_frame_t start;
	unsigned pass;

	hs.hs_req = vm_pgreq_search(req);
	hs.hs_nwin = vm_pgreq_windows(req, hs.hs_win);
	if (req->vpr_policy == VM_POLICY_EXACT)
		held_exact(&hs, vm_atop(req->vpr_low));
	if (hs.hs_nwin == 0 || hs.hs_win[hs.hs_nwin - 1].pw_high <=
	    vm_freelist_limit(VM_FREELIST_ISA))
		return (ENOMEM);	/* never queued */
	for (pass = 0; pass < DRAIN_PASSES; pass++) {
		switch (held_complete(&hs, &start)) {
		case HELD_NONE:
			return (ENOMEM);
		case HELD_CHANGED:
			if (vm_pgreq_solve(&vm_map, req, segs, rsegs) == 0)
				return (0);
			break;
		case HELD_FOUND:
			segs[0].vps_start = vm_ptoa(start);
			segs[0].vps_size = vm_ptoa(hs.hs_req.er_npages);
			*rsegs = 1;
			return (0);
		}
	}
	return (ENOMEM);
}

/* Everything between the lowest and the highest frame a request may use. */
static struct vm_pgwindow
request_reach(const struct vm_pgreq *req)
{
	struct vm_pgwindow win[VM_NFREELIST], reach = { 0, 0 };
	unsigned n = vm_pgreq_windows(req, win);

	if (n > 0) {
		reach.pw_low = win[0].pw_low;
		reach.pw_high = win[n - 1].pw_high;
	}
	return (reach);
}

/*
 * Several segments: fewer may do with the held pages back in the map.
 * => error: what came of it without.
 */
static __attribute__((noinline)) int
runs_with_held(const struct vm_pgreq *req, struct vm_pgseg *segs,
    unsigned *rsegs, int error)
{
	struct vm_pgwindow reach = request_reach(req);

	if (vm_sync_drain(reach.pw_low, reach.pw_high) == 0)
		return (error);
	return (vm_pgreq_solve(&vm_map, req, segs, rsegs));
}

int
vm_sync_run_locked(const struct vm_pgreq *req, struct vm_pgseg *segs,
    unsigned *rsegs)
{
	unsigned i;
	int error;

	error = vm_pgreq_solve(&vm_map, req, segs, rsegs);
	/* What is held was used: no fresh memory comes from there. */
	if ((error != 0 || *rsegs > 1) &&
	    (req->vpr_flags & (VM_PG_NODRAIN | VM_PG_FRESH)) == 0) {
		if (req->vpr_nsegs != 1)
			error = runs_with_held(req, segs, rsegs, error);
		else if (any_entries())
			error = run_with_held(req, segs, rsegs);
	}
	if (vm_map.xm_examined != 0) {
		vm_counter_add(vm_md_curcpu(), VM_COUNT_RUN_EXAMINED,
		    vm_map.xm_examined);
		vm_map.xm_examined = 0;
	}
	if (error != 0)
		return (error);
	for (i = 0; i < *rsegs; i++) {
		map_alloc(vm_atop(segs[i].vps_start),
		    vm_atop(segs[i].vps_size), req->vpr_owner);
		vm_sync_count_at(vm_atop(segs[i].vps_start),
		    VM_COUNT_RUN_ALLOC, 1);
	}
	return (0);
}

int
vm_sync_run(const struct vm_pgreq *req, struct vm_pgseg *segs,
    unsigned *rsegs)
{
	vm_md_intr_t s = vm_sync_lock();
	int error = vm_sync_run_locked(req, segs, rsegs);

	vm_sync_unlock(s);
	return (error);
}

int
vm_sync_claim(vm_frame_t start, vm_frame_t end, vm_owner_t owner)
{
	vm_md_intr_t s = vm_sync_lock();
	int error = EBUSY;

	/* What is merely held is taken back, if nothing else is in the way. */
	if (vm_extmap_owned(&vm_map, start, end) == 0)
		(void)vm_sync_drain(start, end);
	if (vm_extmap_uniform(&vm_map, start, end, VM_FRAME_FREE)) {
		map_alloc(start, end - start, owner);
		error = 0;
	}
	vm_sync_unlock(s);
	return (error);
}

/*
 * Walking.
 */

/* What there is of a piece in its first block.  Lock held. */
static bool
block_walk(vm_frame_t from, vm_frame_t limit, struct vm_extent *ext)
{
	const struct vm_physseg *seg = segment_within(from, limit);
	vm_frame_t stop;

	if (seg == NULL)
		return (false);
	if (from < seg->vs_start)
		from = seg->vs_start;
	stop = (from | (VM_EXTBLOCK_FRAMES - 1)) + 1;
	if (stop > seg->vs_end)
		stop = seg->vs_end;
	return (vm_extmap_walk(&vm_map, from, stop < limit ? stop : limit,
	    ext));
}

/* Does the piece go on with what is behind it?  Lock held. */
static bool
piece_goes_on(struct vm_extent *ext, vm_frame_t limit)
{
	struct vm_extent more;

	if (!block_walk(ext->e_end, limit, &more) ||
	    more.e_start != ext->e_end || more.e_state != ext->e_state ||
	    (more.e_state == VM_FRAME_HEAD &&
	    vm_extmap_state(&vm_map, more.e_start) != VM_FRAME_TAIL))
		return (false);
	ext->e_end = more.e_end;
	return (true);
}

bool
vm_sync_walk(vm_frame_t from, vm_frame_t limit, struct vm_extent *ext,
    vm_owner_t *owner)
{
	vm_md_intr_t s = vm_sync_lock();
	bool found = block_walk(from, limit, ext), more = found;

	*owner = VM_OWNER_NONE;
	if (found &&
	    vm_extmap_state(&vm_map, ext->e_start) == VM_FRAME_HEAD)
		*owner = vm_sync_owner(ext->e_start);
	vm_sync_unlock(s);
	while (more) {
		s = vm_sync_lock();
		more = piece_goes_on(ext, limit);
		vm_sync_unlock(s);
	}
	return (found);
}

/*
 * Memory that comes and goes.
 */

void
vm_sync_plug(vm_frame_t start, vm_frame_t end)
{

	vm_extmap_insert(&vm_map, start, end);
	/* What stays absent behind it must not look like its tail. */
	if (vm_extmap_span(&vm_map, end) != NULL &&
	    vm_physseg_find(end) == NULL)
		vm_extmap_set(&vm_map, end, end + 1, VM_FRAME_HEAD);
	account(start, end, true);
	frames_came();
	vm_sync_relist();
}

/* The first allocation in [start, end). */
static void
pin_find(vm_frame_t start, vm_frame_t end, struct vm_physpin *pin)
{
	struct vm_extent ext;
	vm_frame_t head;

	for (; vm_extmap_walk(&vm_map, start, end, &ext); start = ext.e_end) {
		if (ext.e_state != VM_FRAME_HEAD)
			continue;
		head = vm_extmap_head(&vm_map, start);
		pin->pin_start = vm_ptoa(head);
		pin->pin_size = vm_ptoa(vm_extmap_length(&vm_map, head));
		pin->pin_owner = vm_sync_owner(head);
		return;
	}
}

int
vm_sync_unplug(vm_frame_t start, vm_frame_t end, struct vm_physpin *pin)
{

	if (pin != NULL)
		memset(pin, 0, sizeof(*pin));
	if (vm_extmap_owned(&vm_map, start, end) == 0)
		(void)vm_sync_drain(start, end);
	if (!vm_extmap_uniform(&vm_map, start, end, VM_FRAME_FREE)) {
		if (pin != NULL)
			pin_find(start, end, pin);
		return (EBUSY);
	}
	vm_extmap_set(&vm_map, start, end, VM_FRAME_HEAD);
	account(start, end, false);
	atomic_fetch_add(&vm_sync_epoch, 1);
	return (0);
}
