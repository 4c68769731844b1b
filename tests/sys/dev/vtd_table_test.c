/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of second-level page tables.  They are read here as the hardware reads
 * them ([VTD] sections 3.7 and 9.8: nine bits of the address choose an entry at
 * each level, bits 0 and 1 of all entries on the way permit reading and
 * writing), and compared with a list.
 */

#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <vm/vm_audit.h>
#include <vm/vm_page.h>
#include <vm/vm_physseg.h>

#include <dev/vtd_table.h>

#define	NITEMS(a)	(sizeof(a) / sizeof((a)[0]))
#define	MiB		(UINT64_C(1) << 20)
#define	MEMORY		(8 * MiB)
#define	PAGE		VM_PAGE_SIZE
#define	MOST		256		/* pages mapped at once */

static struct vtd_table vt;
static unsigned flushes;
static uint64_t flushed;		/* bytes */

static uint64_t
free_frames(void)
{
	struct vm_audit va;

	ATF_REQUIRE_MSG(vm_audit(&va), "audit: %s", va.va_why);
	return (va.va_free + va.va_held);
}

static void
flush(const void *p, size_t len)
{

	ATF_REQUIRE(p != NULL);
	flushes++;
	flushed += len;
}

static void
start(unsigned levels, void (*function)(const void *, size_t))
{
	static const struct vm_memrange range = { PAGE, MEMORY - PAGE };

	ATF_REQUIRE_EQ(0, vm_physmem_load(&range, 1, NULL, 0));
	ATF_REQUIRE(usermode_physmem_back(0, MEMORY) != NULL);
	flushes = 0;
	flushed = 0;
	ATF_REQUIRE_EQ(0, vtd_table_init(&vt, levels,
	    vm_owner_register("vtd"), function));
}

/*
 * What the hardware would do.  => the permissions; 0: a fault.
 */
static unsigned
translate(unsigned levels, uint64_t addr, uint64_t *pa)
{
	uint64_t table = vt.vt_root, v, prot = 3;

	if (addr >> (12 + 9 * levels) != 0)
		return (0);
	while (levels-- > 0) {
		ATF_REQUIRE_EQ(0, table % PAGE);
		memcpy(&v, (char *)vm_md_phystov(table, PAGE) +
		    (addr >> (12 + 9 * levels) & 511) * 8, 8);
		prot &= v;
		if (prot == 0)
			return (0);
		/* No large pages, nothing reserved. */
		ATF_REQUIRE_EQ(0, v & UINT64_C(0xfff0000000000ffc));
		table = v & ~UINT64_C(0xfff);
	}
	*pa = table + addr % PAGE;
	return ((unsigned)prot);
}

static uint64_t state = 88172645463325252;

static uint64_t
rnd(uint64_t n)
{

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state % n);
}

struct entry {
	uint64_t	addr, pa;
	unsigned	prot;
};

static struct entry list[MOST];
static unsigned n;

static struct entry *
find(uint64_t addr)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (list[i].addr == addr)
			return (&list[i]);
	return (NULL);
}

static void
compare(unsigned levels, uint64_t addr)
{
	const struct entry *e = find(addr - addr % PAGE);
	uint64_t pa = 0, there = 0;
	unsigned prot = 0;

	ATF_REQUIRE_EQ(e == NULL ? 0 : e->prot,
	    translate(levels, addr, &there));
	ATF_REQUIRE_EQ(e != NULL, vtd_table_extract(&vt, addr, &pa, &prot));
	if (e == NULL)
		return;
	ATF_REQUIRE_EQ(e->pa + addr % PAGE, there);
	ATF_REQUIRE_EQ(there, pa);
	ATF_REQUIRE_EQ(e->prot, prot);
}

/* Near each other, at the ends of tables, and anywhere. */
static uint64_t
some_addr(unsigned bits)
{
	uint64_t last = (UINT64_C(1) << bits) - PAGE;

	switch (rnd(4)) {
	case 0:
		return (rnd(32) * PAGE);
	case 1:
		return (last - rnd(32) * PAGE);
	case 2:
		return (2 * MiB * (1 + rnd(3)) - PAGE * rnd(2));
	default:
		return (rnd(8) * (last / 8 / PAGE) * PAGE);
	}
}

static void
step(unsigned levels)
{
	uint64_t addr = some_addr(12 + 9 * levels);
	uint64_t pa = rnd(UINT64_C(1) << 40) * PAGE;
	unsigned prot = 1 + (unsigned)rnd(3);
	struct entry *e = find(addr);

	if (rnd(2) == 0) {
		ATF_REQUIRE_EQ(e != NULL, vtd_table_remove(&vt, addr));
		if (e != NULL)
			*e = list[--n];
	} else if (n < MOST) {
		ATF_REQUIRE_EQ(e != NULL ? EEXIST : 0,
		    vtd_table_enter(&vt, addr, pa, prot));
		if (e == NULL)
			list[n++] = (struct entry){ addr, pa, prot };
	}
	ATF_REQUIRE_EQ(n, vt.vt_pages);
	compare(levels, addr + rnd(PAGE));
	compare(levels, some_addr(12 + 9 * levels));
}

static void
run(unsigned levels)
{
	uint64_t before, used;
	unsigned i;

	start(levels, NULL);
	before = free_frames() + 1;
	for (i = 0; i < 20000; i++)
		step(levels);
	for (i = 0; i < n; i++)
		compare(levels, list[i].addr);
	used = before - free_frames();
	ATF_REQUIRE_EQ(vt.vt_tables, used);
	vtd_table_fini(&vt);
	ATF_REQUIRE_EQ(0, vt.vt_tables);
	ATF_REQUIRE_EQ(before, free_frames());
}

ATF_TC_WITHOUT_HEAD(three_levels);
ATF_TC_BODY(three_levels, tc)
{

	run(3);
}

ATF_TC_WITHOUT_HEAD(four_levels);
ATF_TC_BODY(four_levels, tc)
{

	run(4);
}

ATF_TC_WITHOUT_HEAD(five_levels);
ATF_TC_BODY(five_levels, tc)
{

	run(5);
}

ATF_TC_WITHOUT_HEAD(bad);
ATF_TC_BODY(bad, tc)
{
	const uint64_t end = UINT64_C(1) << 39;
	struct vtd_table other;
	uint64_t pa = 0;
	unsigned prot = 0;

	start(3, NULL);
	ATF_REQUIRE_EQ(EINVAL, vtd_table_init(&other, 1, 0, NULL));
	ATF_REQUIRE_EQ(EINVAL, vtd_table_init(&other, 6, 0, NULL));
	ATF_REQUIRE_EQ(EINVAL, vtd_table_enter(&vt, 1, PAGE, 3));
	ATF_REQUIRE_EQ(EINVAL, vtd_table_enter(&vt, PAGE, 1, 3));
	ATF_REQUIRE_EQ(EINVAL, vtd_table_enter(&vt, PAGE,
	    UINT64_C(1) << 52, 3));
	ATF_REQUIRE_EQ(EINVAL, vtd_table_enter(&vt, end, PAGE, 3));
	ATF_REQUIRE_EQ(EINVAL, vtd_table_enter(&vt, PAGE, PAGE, 0));
	ATF_REQUIRE_EQ(EINVAL, vtd_table_enter(&vt, PAGE, PAGE, 4));
	ATF_REQUIRE(!vtd_table_remove(&vt, end));
	ATF_REQUIRE(!vtd_table_remove(&vt, 0));
	ATF_REQUIRE(!vtd_table_extract(&vt, end, &pa, &prot));
	ATF_REQUIRE_EQ(1, vt.vt_tables);
	ATF_REQUIRE_EQ(0, vtd_table_enter(&vt, end - PAGE, PAGE, 3));
	ATF_REQUIRE_EQ(3, vt.vt_tables);
	ATF_REQUIRE_EQ(0, translate(3, end, &pa));
	vtd_table_fini(&vt);
}

ATF_TC_WITHOUT_HEAD(no_memory);
ATF_TC_BODY(no_memory, tc)
{
	static paddr_t taken[MEMORY / PAGE];
	const vm_owner_t owner = vm_owner_register("test");
	unsigned i, ntaken = 0;
	uint64_t pa = 0;

	start(4, NULL);
	while ((taken[ntaken] = vm_page_alloc(0, owner)) != VM_PADDR_NONE)
		ntaken++;
	/* Three tables are wanted: with each that there is, it gets on. */
	for (i = 0; i < 3; i++) {
		ATF_REQUIRE_EQ(ENOMEM, vtd_table_enter(&vt, PAGE, PAGE, 3));
		ATF_REQUIRE_EQ(0, translate(4, PAGE, &pa));
		ATF_REQUIRE_EQ(0, vt.vt_pages);
		ATF_REQUIRE_EQ(0, vm_page_free(taken[--ntaken]));
	}
	ATF_REQUIRE_EQ(0, vtd_table_enter(&vt, PAGE, PAGE, 3));
	ATF_REQUIRE_EQ(4, vt.vt_tables);
	ATF_REQUIRE_EQ(0, vtd_table_enter(&vt, 2 * PAGE, PAGE, 1));
	ATF_REQUIRE_EQ(1, translate(4, 2 * PAGE, &pa));
	vtd_table_fini(&vt);
}

ATF_TC_WITHOUT_HEAD(flushing);
ATF_TC_BODY(flushing, tc)
{

	/* Three tables of a page and as many entries, and the root. */
	start(3, flush);
	ATF_REQUIRE_EQ(1, flushes);
	ATF_REQUIRE_EQ(0, vtd_table_enter(&vt, 0, PAGE, 3));
	ATF_REQUIRE_EQ(1 + 2 + 2 + 1, flushes);
	ATF_REQUIRE_EQ(3 * PAGE + 3 * 8, flushed);
	ATF_REQUIRE_EQ(0, vtd_table_enter(&vt, PAGE, PAGE, 3));
	ATF_REQUIRE_EQ(7, flushes);
	ATF_REQUIRE(vtd_table_remove(&vt, PAGE));
	ATF_REQUIRE_EQ(8, flushes);
	ATF_REQUIRE_EQ(EEXIST, vtd_table_enter(&vt, 0, PAGE, 3));
	ATF_REQUIRE_EQ(8, flushes);
	vtd_table_fini(&vt);
}

ATF_TC_WITHOUT_HEAD(prepared);
ATF_TC_BODY(prepared, tc)
{
	const uint64_t from = UINT64_C(0x7fc0000000) - 3 * PAGE;
	const uint64_t count = 600;
	static paddr_t taken[MEMORY / VM_PAGE_SIZE];
	unsigned ntaken = 0;
	uint64_t i, tables;

	/* Tables on both sides of a line at two levels; then there is no
	   memory, and none is needed. */
	start(3, NULL);
	ATF_REQUIRE_EQ(EINVAL, vtd_table_prepare(&vt, from, 0));
	ATF_REQUIRE_EQ(EINVAL, vtd_table_prepare(&vt, PAGE, UINT64_MAX));
	ATF_REQUIRE_EQ(EINVAL, vtd_table_prepare(&vt, from, UINT64_MAX));
	ATF_REQUIRE_EQ(EINVAL, vtd_table_prepare(&vt,
	    (UINT64_C(1) << 39) - PAGE, PAGE + 1));
	ATF_REQUIRE_EQ(1, vt.vt_tables);
	ATF_REQUIRE_EQ(0, vtd_table_prepare(&vt, from,
	    count * PAGE));
	tables = vt.vt_tables;
	ATF_REQUIRE_EQ(1 + 2 + 3, tables);
	ATF_REQUIRE_EQ(0, vt.vt_pages);
	while ((taken[ntaken] = vm_page_alloc(0, 0)) != VM_PADDR_NONE)
		ntaken++;
	ATF_REQUIRE_EQ(ENOMEM, vtd_table_prepare(&vt, 0, PAGE));
	ATF_REQUIRE_EQ(0, vtd_table_prepare(&vt, from,
	    count * PAGE));
	for (i = 0; i < count; i++)
		ATF_REQUIRE_EQ(0, vtd_table_enter(&vt, from + i * PAGE, PAGE,
		    3));
	for (i = 0; i < count; i++)
		ATF_REQUIRE(vtd_table_remove(&vt, from + i * PAGE));
	ATF_REQUIRE_EQ(tables, vt.vt_tables);
	while (ntaken > 0)
		ATF_REQUIRE_EQ(0, vm_page_free(taken[--ntaken]));
	ATF_REQUIRE_EQ(0, vtd_table_prepare(&vt,
	    (UINT64_C(1) << 39) - PAGE, PAGE));
	vtd_table_fini(&vt);
	ATF_REQUIRE_EQ(0, vt.vt_tables);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, three_levels);
	ATF_TP_ADD_TC(tp, four_levels);
	ATF_TP_ADD_TC(tp, five_levels);
	ATF_TP_ADD_TC(tp, bad);
	ATF_TP_ADD_TC(tp, no_memory);
	ATF_TP_ADD_TC(tp, flushing);
	ATF_TP_ADD_TC(tp, prepared);
	return (atf_no_error());
}
