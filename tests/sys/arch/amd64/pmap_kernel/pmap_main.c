/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The mappings of <sys/kpmap.h>, tried in a kernel of their own.
 *
 * Without a command line all tests run, each printing a line; what goes wrong
 * is a panic.  With the word large all run but the one that writes to all of
 * memory.  With one of the words write, exec, read and nmi the kernel does what
 * must end in that exception.
 */

#include <stdatomic.h>

#include <sys/kmem.h>
#include <sys/kpmap.h>
#include <sys/machdep.h>
#include <sys/smp.h>
#include <sys/systm.h>

#include <machine/cpu.h>
#include <machine/cpufunc.h>
#include <machine/lapic.h>
#include <machine/pmap.h>
#include <machine/vm_machdep.h>

#include <vm/vm_audit.h>
#include <vm/vm_buddy.h>
#include <vm/vm_owner.h>
#include <vm/vm_page.h>
#include <vm/vm_physseg.h>

#define	PAGE		((uint64_t)VM_PAGE_SIZE)
#define	L1_SIZE		(PAGE * 512)
#define	L2_SIZE		(L1_SIZE * 512)

#define	CHECK(e)							\
	((e) ? (void)0 : panic("%s:%d: not so: %s", __FILE__, __LINE__, #e))
#define	CHECK_EQ(a, b) do {						\
	uint64_t a_ = (uint64_t)(a), b_ = (uint64_t)(b);		\
									\
	if (a_ != b_)							\
		panic("%s:%d: %s is 0x%jx, not 0x%jx", __FILE__,	\
		    __LINE__, #a, (uintmax_t)a_, (uintmax_t)b_);	\
} while (0)

static vaddr_t range_start, range_end;

static paddr_t
page_alloc(void)
{
	paddr_t pa = vm_page_alloc(VM_PG_USERESERVE, VM_OWNER_NONE);

	CHECK(pa != VM_PADDR_NONE);
	return (pa);
}

static void
page_free(paddr_t pa)
{

	CHECK_EQ(vm_page_free(pa), 0);
}

static void
page_write(paddr_t pa, uint64_t v)
{

	*(volatile uint64_t *)pmap_phystov(pa) = v;
}

static uint64_t
va_read(vaddr_t va)
{

	return (*(volatile uint64_t *)va);
}

/* Page table pages: of all pools that the pmap has taken for them. */
struct tables {
	psize_t	free, all;
};

static bool
tables_add(struct vm_buddy *b, void *arg)
{
	struct tables *t = arg;
	struct vm_buddystat bs;

	vm_buddy_stat(b, &bs);
	if (strcmp(bs.bs_name, "pmap") == 0) {
		t->free += bs.bs_free;
		t->all += bs.bs_size;
	}
	return (true);
}

static uint64_t
tables_used(void)
{
	struct tables t = { 0, 0 };

	CHECK(vm_buddy_each(tables_add, &t));
	CHECK(t.free < t.all || t.all == 0);
	return ((t.all - t.free) / PAGE);
}

static uint64_t
pages_free(void)
{
	struct vm_audit va;

	(void)kmem_reap();
	CHECK(vm_audit(&va));
	return (va.va_free + va.va_held);
}

/*
 * Arguments.
 */
static void
test_arguments(void)
{
	paddr_t pa = page_alloc(), out = 7;

	CHECK(range_start % PAGE == 0 && range_end % PAGE == 0 &&
	    range_end > range_start);
	CHECK_EQ(pmap_kenter(range_start + 1, pa, 0), EINVAL);
	CHECK_EQ(pmap_kenter(range_start, pa + 1, 0), EINVAL);
	CHECK_EQ(pmap_kenter(range_start - PAGE, pa, 0), EINVAL);
	CHECK_EQ(pmap_kenter(range_end, pa, 0), EINVAL);
	CHECK_EQ(pmap_kenter(0, pa, 0), EINVAL);
	CHECK_EQ(pmap_kenter(-PAGE, pa, 0), EINVAL);
	CHECK_EQ(pmap_kenter(range_start, 1ULL << VM_PADDR_BITS, 0), EINVAL);
	CHECK_EQ(pmap_kenter(range_start, VM_PADDR_NONE, 0), EINVAL);
	CHECK_EQ(pmap_kenter(range_start, pa, PMAP_KALL + 1), EINVAL);
	CHECK_EQ(pmap_kremove(range_start + 1, PAGE), EINVAL);
	CHECK_EQ(pmap_kremove(range_start, 1), EINVAL);
	CHECK_EQ(pmap_kremove(range_start - PAGE, 2 * PAGE), EINVAL);
	CHECK_EQ(pmap_kremove(range_end - PAGE, 2 * PAGE), EINVAL);
	CHECK_EQ(pmap_kremove(range_start, -PAGE), EINVAL);
	CHECK_EQ(pmap_kremove(range_start + PAGE, -PAGE), EINVAL);
	CHECK_EQ(pmap_kremove(range_start, 0), 0);
	CHECK_EQ(pmap_kremove(range_end, 0), 0);
	CHECK_EQ(pmap_kremove(range_start, range_end - range_start), 0);
	CHECK(!pmap_kextract(range_start, &out) && out == 7);
	CHECK(!pmap_kextract(range_end, &out) && !pmap_kextract(0, &out) &&
	    out == 7);
	CHECK_EQ(tables_used(), 0);

	CHECK_EQ(pmap_kenter(range_start, pa, PMAP_KWRITE), 0);
	CHECK_EQ(pmap_kenter(range_start, pa, PMAP_KWRITE), EEXIST);
	CHECK_EQ(pmap_kenter(range_start, pa + PAGE, 0), EEXIST);
	CHECK(!pmap_kextract(range_start + PAGE, &out));
	CHECK(pmap_kextract(range_start + 17, &out));
	CHECK_EQ(out, pa + 17);
	CHECK_EQ(pmap_kremove(range_start, PAGE), 0);
	CHECK(!pmap_kextract(range_start, &out));
	CHECK_EQ(tables_used(), 0);
	page_free(pa);
}

/*
 * What is written at one address shows at the other.
 */
static void
test_contents(void)
{
	volatile uint64_t *word = (volatile uint64_t *)range_start;
	int (*fn)(void) = (int (*)(void))(range_start + L1_SIZE);
	static const uint8_t code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	paddr_t pa = page_alloc(), text = page_alloc();

	page_write(pa, 1);
	CHECK_EQ(pmap_kenter(range_start, pa, PMAP_KWRITE), 0);
	CHECK_EQ(*word, 1);
	*word = 2;
	CHECK_EQ(*(volatile uint64_t *)pmap_phystov(pa), 2);
	CHECK_EQ(pmap_vtophys((const char *)range_start + 99), pa + 99);
	memcpy(pmap_phystov(text), code, sizeof(code));
	CHECK_EQ(pmap_kenter(range_start + L1_SIZE, text, PMAP_KEXEC), 0);
	CHECK_EQ(fn(), 42);
	/* Elsewhere: what is remembered of the old place does not matter. */
	CHECK_EQ(pmap_kremove(range_start, PAGE), 0);
	page_write(text, 3);
	CHECK_EQ(pmap_kenter(range_start, text, PMAP_KUNCACHED), 0);
	CHECK_EQ(*word, 3);
	CHECK_EQ(pmap_kremove(range_start, 2 * L1_SIZE), 0);
	page_free(pa);
	page_free(text);
}

/*
 * Tables come and go.
 */
static void
test_tables(void)
{
	static const struct {
		uint64_t	at;
		unsigned	tables;		/* in use then */
	} steps[] = {
		{ 0, 3 }, { PAGE, 3 }, { L1_SIZE - PAGE, 3 },
		{ L1_SIZE, 4 }, { 2 * L1_SIZE, 5 }, { L2_SIZE - PAGE, 6 },
		{ L2_SIZE, 8 }, { PMAP_KM_SIZE - PAGE, 10 },
	};
	uint64_t before = pages_free();
	paddr_t pa = page_alloc();
	unsigned i;

	for (i = 0; i < NITEMS(steps); i++) {
		CHECK_EQ(pmap_kenter(range_start + steps[i].at, pa, 0), 0);
		CHECK_EQ(tables_used(), steps[i].tables);
	}
	while (--i > 0) {
		CHECK_EQ(pmap_kremove(range_start + steps[i].at, PAGE), 0);
		CHECK_EQ(tables_used(), steps[i - 1].tables);
	}
	CHECK_EQ(pmap_kremove(range_start, PAGE), 0);
	CHECK_EQ(tables_used(), 0);

	/* All at once. */
	for (i = 0; i < NITEMS(steps); i++)
		CHECK_EQ(pmap_kenter(range_start + steps[i].at, pa, 0), 0);
	CHECK_EQ(pmap_kremove(range_start, PMAP_KM_SIZE), 0);
	CHECK_EQ(tables_used(), 0);

	/* So many that several pools are needed. */
	for (i = 0; i < 200; i++)
		CHECK_EQ(pmap_kenter(range_start + i * L1_SIZE, pa, 0), 0);
	CHECK_EQ(tables_used(), 202);
	for (i = 0; i < 200; i += 2)
		CHECK_EQ(pmap_kremove(range_start + i * L1_SIZE, PAGE), 0);
	CHECK_EQ(tables_used(), 102);
	CHECK_EQ(pmap_kremove(range_start, PMAP_KM_SIZE), 0);
	CHECK_EQ(tables_used(), 0);
	page_free(pa);
	CHECK_EQ(pages_free(), before);
}

/*
 * A random history against an array.
 */
#define	NSLOTS		64

static uint64_t
random(uint64_t *state)
{

	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (*state >> 33);
}

/* Slots near each other, and near the borders of tables of each level. */
static vaddr_t
slot_va(unsigned i)
{
	static const uint64_t around[] = {
		0, L1_SIZE, L2_SIZE, 7 * L2_SIZE, 7 * L2_SIZE + 3 * L1_SIZE,
		PMAP_KM_SIZE - 8 * PAGE, PMAP_KM_SIZE / 2, L2_SIZE / 2,
	};
	uint64_t at = around[i / 8] + i % 8 * PAGE;

	if (i / 8 == 1 || i / 8 == 2)
		at -= 4 * PAGE;
	return (range_start + at);
}

static void
slot_check(unsigned i, paddr_t want)
{
	paddr_t pa;

	CHECK_EQ(pmap_kextract(slot_va(i) + 8, &pa), want != VM_PADDR_NONE);
	if (want == VM_PADDR_NONE)
		return;
	CHECK_EQ(pa, want + 8);
	CHECK_EQ(va_read(slot_va(i)), want);
}

static void
test_history(void)
{
	uint64_t state = 1, before = pages_free();
	paddr_t slots[NSLOTS], pages[NSLOTS];
	unsigned i, k, n;

	for (i = 0; i < NSLOTS; i++) {
		slots[i] = VM_PADDR_NONE;
		pages[i] = page_alloc();
		page_write(pages[i], pages[i]);
	}
	for (k = 0; k < 20000; k++) {
		i = (unsigned)random(&state) % NSLOTS;
		if (random(&state) % 2 == 0) {
			CHECK_EQ(pmap_kenter(slot_va(i), pages[k % NSLOTS], 0),
			    slots[i] == VM_PADDR_NONE ? 0 : EEXIST);
			if (slots[i] == VM_PADDR_NONE)
				slots[i] = pages[k % NSLOTS];
		} else {		/* some of a group of eight */
			n = (unsigned)random(&state) % (8 - i % 8) + 1;
			CHECK_EQ(pmap_kremove(slot_va(i), n * PAGE), 0);
			while (n-- > 0)
				slots[i + n] = VM_PADDR_NONE;
		}
		i = (unsigned)random(&state) % NSLOTS;
		slot_check(i, slots[i]);
	}
	for (i = 0; i < NSLOTS; i++) {
		slot_check(i, slots[i]);
		page_free(pages[i]);
	}
	CHECK_EQ(pmap_kremove(range_start, PMAP_KM_SIZE), 0);
	CHECK_EQ(tables_used(), 0);
	CHECK_EQ(pages_free(), before);
}

/*
 * Other CPUs do not keep what was there: they read a word as fast as they can,
 * with interrupts disabled, and the page that it lies in changes.
 */
static _Atomic uint64_t reading;	/* what is there; 0: nothing */
static _Atomic unsigned readers;	/* that are at it */
static _Atomic uint64_t reads;

static void
reader_step(unsigned cpu)
{
	uint64_t want, got;
	unsigned i;

	(void)cpu;
	atomic_fetch_add(&readers, 1);
	want = atomic_load(&reading);
	for (i = 0; want != 0 && i < 100; i++) {
		got = va_read(range_start);
		if (got != want)
			panic("cpu%u reads 0x%jx, not 0x%jx", cpu,
			    (uintmax_t)got, (uintmax_t)want);
	}
	if (want != 0)
		atomic_fetch_add(&reads, 1);
	atomic_fetch_sub(&readers, 1);
}

static void
readers_wait(void)
{

	while (atomic_load(&readers) != 0)
		cpu_pause();
}

/* The page changes; nothing else maps a page, so tables come and go, or not. */
static void
readers_change(unsigned rounds, bool tables)
{
	paddr_t pages[2] = { page_alloc(), page_alloc() };
	paddr_t other = page_alloc();
	uint64_t seen;
	unsigned i;

	if (!tables)
		CHECK_EQ(pmap_kenter(range_start + PAGE, other, 0), 0);
	for (i = 1; i <= rounds; i++) {
		page_write(pages[i % 2], i);
		CHECK_EQ(pmap_kenter(range_start, pages[i % 2], 0), 0);
		seen = atomic_load(&reads);
		atomic_store(&reading, i);
		while (smp_ncpu() > 1 && atomic_load(&reads) < seen + 3)
			cpu_pause();
		atomic_store(&reading, 0);
		readers_wait();
		CHECK_EQ(pmap_kremove(range_start, PAGE), 0);
	}
	CHECK_EQ(pmap_kremove(range_start, 2 * PAGE), 0);
	page_free(pages[0]);
	page_free(pages[1]);
	page_free(other);
}

static void
test_other_cpus(void)
{

	smp_run(reader_step);
	readers_change(100, false);
	readers_change(100, true);
	smp_stop();
	CHECK_EQ(tables_used(), 0);
}

/*
 * A CPU that spins for a lock, which the one that removes holds.
 */
static struct vm_md_lock held;
static _Atomic unsigned spinning;

static void
spinner_step(unsigned cpu)
{
	vm_md_intr_t s = vm_md_intr_disable();

	(void)cpu;
	atomic_fetch_add(&spinning, 1);
	vm_md_lock(&held);
	vm_md_unlock(&held);
	atomic_fetch_sub(&spinning, 1);
	vm_md_intr_restore(s);
}

static void
test_locks_held(void)
{
	paddr_t pa = page_alloc();
	unsigned i;

	for (i = 0; i < 20; i++) {
		CHECK_EQ(pmap_kenter(range_start, pa, 0), 0);
		vm_md_lock(&held);
		smp_run(spinner_step);
		while (atomic_load(&spinning) != smp_ncpu() - 1)
			cpu_pause();
		CHECK_EQ(pmap_kremove(range_start, PAGE), 0);
		vm_md_unlock(&held);
		smp_stop();
	}
	page_free(pa);
}

/*
 * All CPUs at once, each with pages of its own in tables that all share, and
 * in tables of its own.
 */
#define	STEP_CHANGES	8

static struct {
	uint64_t	c_random;
	paddr_t		c_page[2];
	_Atomic uint64_t c_changes;
} cpus[VM_MAXCPU];

static void
cpu_change(unsigned cpu)
{
	uint64_t *state = &cpus[cpu].c_random;
	paddr_t pa = cpus[cpu].c_page[random(state) % 2], found;
	vaddr_t va = range_start;

	if (random(state) % 2 == 0)
		va += (random(state) % 4 * VM_MAXCPU + cpu) * PAGE;
	else
		va += (cpu + 1) * L2_SIZE + random(state) % 2 * L1_SIZE;
	CHECK(!pmap_kextract(va, &found));
	CHECK_EQ(pmap_kenter(va, pa, PMAP_KWRITE), 0);
	CHECK_EQ(va_read(va), pa);
	CHECK(pmap_kextract(va, &found));
	CHECK_EQ(found, pa);
	CHECK_EQ(pmap_kremove(va, PAGE), 0);
	cpus[cpu].c_changes++;
}

static void
changer_step(unsigned cpu)
{
	unsigned i;

	for (i = 0; i < STEP_CHANGES; i++)
		cpu_change(cpu);
}

static bool
changers_behind(uint64_t n)
{
	unsigned cpu;

	for (cpu = 1; cpu < smp_ncpu(); cpu++) {
		if (cpus[cpu].c_changes < n)
			return (true);
	}
	return (false);
}

static void
test_all_cpus(void)
{
	uint64_t before = pages_free();
	unsigned cpu, i, k;

	for (cpu = 0; cpu < smp_ncpu(); cpu++) {
		cpus[cpu].c_random = cpu;
		for (i = 0; i < 2; i++) {
			cpus[cpu].c_page[i] = page_alloc();
			page_write(cpus[cpu].c_page[i], cpus[cpu].c_page[i]);
		}
	}
	smp_run(changer_step);
	for (k = 0; k < 200 || changers_behind(100); k++)
		cpu_change(0);
	smp_stop();
	CHECK_EQ(tables_used(), 0);
	for (cpu = 0; cpu < smp_ncpu(); cpu++) {
		page_free(cpus[cpu].c_page[0]);
		page_free(cpus[cpu].c_page[1]);
	}
	CHECK_EQ(pages_free(), before);
}

/*
 * Memory in pieces of one page, and none at all.
 */

/*
 * All memory, as a list through its pages: what came last, at the end, are
 * pages that plain requests may not have.  => how many pages.
 */
static uint64_t
memory_take(paddr_t *listp)
{
	paddr_t pa, last = VM_PADDR_NONE;
	uint64_t n = 0;

	*listp = VM_PADDR_NONE;
	for (;;) {
		pa = vm_page_alloc(VM_PG_USERESERVE, VM_OWNER_NONE);
		if (pa == VM_PADDR_NONE)
			return (n);
		page_write(pa, VM_PADDR_NONE);
		if (last == VM_PADDR_NONE)
			*listp = pa;
		else
			page_write(last, pa);
		last = pa;
		n++;
	}
}

/* Give back of a list what is no neighbour of what was given, or all. */
static void
memory_give(paddr_t *listp, bool all)
{
	paddr_t kept = VM_PADDR_NONE, pa, next;

	for (pa = *listp; pa != VM_PADDR_NONE; pa = next) {
		next = *(volatile uint64_t *)pmap_phystov(pa);
		if (all || vm_atop(pa) % 2 == 0) {
			page_free(pa);
		} else {
			page_write(pa, kept);
			kept = pa;
		}
	}
	*listp = kept;
}

static void
test_no_memory(void)
{
	uint64_t before = pages_free(), used;
	paddr_t page = page_alloc(), list, pa, next;
	unsigned i;

	CHECK(memory_take(&list) > 100);
	/* Page by page, until there is enough for three tables. */
	for (i = 0; pmap_kenter(range_start, page, 0) != 0; i++) {
		CHECK(i < 64);
		CHECK(!pmap_kextract(range_start, &pa));
		CHECK_EQ(tables_used(), 0);
		next = *(volatile uint64_t *)pmap_phystov(list);
		page_free(list);
		list = next;
	}
	CHECK(i >= 3);
	CHECK_EQ(tables_used(), 3);
	CHECK_EQ(pmap_kremove(range_start, PAGE), 0);

	memory_give(&list, false);
	for (i = 0; i < 40; i++)
		CHECK_EQ(pmap_kenter(range_start + i * L1_SIZE, page, 0), 0);
	used = tables_used();
	CHECK_EQ(used, 42);
	CHECK_EQ(pmap_kremove(range_start, PMAP_KM_SIZE), 0);
	CHECK_EQ(tables_used(), 0);

	memory_give(&list, true);
	page_free(page);
	CHECK_EQ(pages_free(), before);
}

/*
 * The pools of page tables are order pools like others.
 */
static bool
pool_sound(struct vm_buddy *vb, void *arg)
{
	struct vm_buddystat bs;
	const char *broken;
	paddr_t where;

	vm_buddy_stat(vb, &bs);
	CHECK(strcmp(bs.bs_name, "pmap") == 0);
	broken = vm_buddy_check(vb, &where);
	if (broken != NULL)
		panic("pool at 0x%jx: %s", (uintmax_t)where, broken);
	++*(unsigned *)arg;
	return (true);
}

static void
test_pools(void)
{
	paddr_t page = page_alloc();
	unsigned i, n = 0;

	CHECK(vm_buddy_each(pool_sound, &n) && n == 0);
	for (i = 0; i < 100; i++)
		CHECK_EQ(pmap_kenter(range_start + i * L1_SIZE, page, 0), 0);
	CHECK(vm_buddy_each(pool_sound, &n) && n != 0);
	CHECK_EQ(tables_used(), 102);
	CHECK_EQ(pmap_kremove(range_start, PMAP_KM_SIZE), 0);
	page_free(page);
}

/*
 * What must end in an exception.
 */
static void
fault(const char *what)
{
	volatile uint64_t *word = (volatile uint64_t *)range_start;
	paddr_t pa = page_alloc();

	if (strcmp(what, "nmi") == 0) {
		(void)vm_md_intr_disable();
		CHECK(lapic_send_nmi(lapic_id()));
		delay(1000000);
	}
	CHECK_EQ(pmap_kenter(range_start, pa, 0), 0);
	if (strcmp(what, "write") == 0)
		*word = 1;
	if (strcmp(what, "exec") == 0)
		((void (*)(void))range_start)();
	(void)*word;
	CHECK_EQ(pmap_kremove(range_start, PAGE), 0);
	if (strcmp(what, "read") == 0)
		(void)*word;
	panic("%s: nothing happened", what);
}

static const struct {
	const char	*name;
	void		(*run)(void);
} tests[] = {
	{ "arguments", test_arguments },
	{ "contents", test_contents },
	{ "tables", test_tables },
	{ "history", test_history },
	{ "other_cpus", test_other_cpus },
	{ "locks_held", test_locks_held },
	{ "all_cpus", test_all_cpus },
	{ "no_memory", test_no_memory },
	{ "pools", test_pools },
};

_Noreturn void
kernel_main(void)
{
	const char *word = machdep_cmdline();
	bool large = strcmp(word, "large") == 0;
	unsigned i;

	CHECK_EQ(machdep_memory(), 0);
	CHECK_EQ(vm_physseg_init(), 0);
	kmem_init();
	smp_start(VM_MAXCPU);
	pmap_krange(&range_start, &range_end);
	if (word[0] != '\0' && !large)
		fault(word);
	for (i = 0; i < NITEMS(tests); i++) {
		if (large && tests[i].run == test_no_memory)
			continue;
		tests[i].run();
		printf("%s: ok\n", tests[i].name);
	}
	kernel_exit(vm_audit_print("end") ? 0 : 1);
}
