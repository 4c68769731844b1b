/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of bus_dma(9) through an I/O MMU.
 *
 * The I/O MMU is a list of pages here, which allows nothing to be entered
 * twice.  The device reads physical memory at the addresses that a map gives
 * it, through that list.
 */

#include <errno.h>
#include <string.h>

#include <sys/extent.h>
#include <sys/iommu.h>
#include <sys/kmem.h>

#include <vm/vm_pglist.h>

#include "subr_bus_dma_testlib.h"

#define	SRC		(16 * MiB)
#define	SRC_PAGES	64
#define	SRC_SIZE	(SRC_PAGES * PAGE)
#define	SPACE		(64 * MiB)	/* bus addresses */
#define	NPAGES		4096
#define	MOST		(16 * PAGE)
#define	NVEC		6

struct entry {
	bus_addr_t	e_addr;
	paddr_t		e_pa;
	int		e_prot;
};

static struct entry entries[NPAGES];
static unsigned nentries, room, removes;
static bool more_tables = true;
static uint64_t refused;
static struct iommu im;
static unsigned char *src;

static struct entry *
find(bus_addr_t addr)
{
	unsigned i;

	for (i = 0; i < nentries; i++)
		if (entries[i].e_addr == addr - addr % PAGE)
			return (&entries[i]);
	return (NULL);
}

static unsigned fits;			/* jobs that did */

/* Tables are there for ever. */
static bool table[SPACE / PAGE / 8];

static bool
has_table(bus_addr_t addr)
{

	ATF_REQUIRE(addr < SPACE);
	return (table[addr / PAGE / 8]);
}

static int
model_prepare(void *cookie, bus_addr_t addr, bus_size_t size)
{
	bus_size_t at;

	ATF_REQUIRE_EQ((void *)&im, cookie);
	ATF_REQUIRE_EQ(0, addr % PAGE + size % PAGE);
	ATF_REQUIRE(size > 0);
	for (at = 0; at < size; at += PAGE) {
		if (has_table(addr + at))
			continue;
		if (!more_tables)
			return (ENOMEM);
		table[(addr + at) / PAGE / 8] = true;
	}
	return (0);
}

static int
model_enter(void *cookie, bus_addr_t addr, paddr_t pa, bus_size_t size,
    int prot)
{
	bus_size_t at;

	ATF_REQUIRE_EQ((void *)&im, cookie);
	ATF_REQUIRE_EQ(0, addr % PAGE + pa % PAGE + size % PAGE);
	ATF_REQUIRE(size > 0);
	for (at = 0; at < size; at += PAGE) {
		ATF_REQUIRE_EQ(NULL, find(addr + at));
		if (nentries == room ||
		    (!more_tables && !has_table(addr + at)))
			return (ENOMEM);
		ATF_REQUIRE(nentries < NPAGES);
		entries[nentries++] = (struct entry){ addr + at, pa + at,
		    prot };
	}
	return (0);
}

static void
model_remove(void *cookie, bus_addr_t addr, bus_size_t size)
{
	struct entry *e;
	bus_size_t at;

	ATF_REQUIRE_EQ((void *)&im, cookie);
	ATF_REQUIRE_EQ(0, addr % PAGE + size % PAGE);
	removes++;
	for (at = 0; at < size; at += PAGE)
		if ((e = find(addr + at)) != NULL)
			*e = entries[--nentries];
}

static bool
model_extract(void *cookie, bus_addr_t addr, paddr_t *pa)
{
	const struct entry *e = find(addr);

	ATF_REQUIRE_EQ((void *)&im, cookie);
	if (e != NULL)
		*pa = e->e_pa + addr % PAGE;
	return (e != NULL);
}

static uint64_t
model_faults(void *cookie)
{

	ATF_REQUIRE_EQ((void *)&im, cookie);
	return (refused);
}

static const struct iommu_ops ops = {
	model_enter, model_remove, model_extract, model_faults, model_prepare
};

static void
start(void)
{
	struct extent *ex;

	boot();
	ATF_REQUIRE(usermode_physmem_back(0, 48 * MiB) != NULL);
	src = vm_md_phystov(SRC, SRC_SIZE);
	ATF_REQUIRE(src != NULL);
	ATF_REQUIRE_EQ(0, vm_pglist_reserve(SRC, SRC_SIZE,
	    vm_owner_register("buffers")));
	ex = extent_create("bus", PAGE, SPACE - 1, NULL, 0,
	    EX_NOCOALESCE | EX_NOWAIT);
	ATF_REQUIRE(ex != NULL);
	im = (struct iommu){ &ops, &im, ex };
	room = NPAGES;
	nentries = removes = 0;
}

static bus_dma_tag_t
iommu_tag(const char *name, bus_addr_t low, bus_addr_t high)
{
	bus_dma_tag_t tag = make_tag(name, low, high);

	ATF_REQUIRE_EQ(0, bus_dmatag_iommu(tag, &im));
	return (tag);
}

static bus_dmamap_t
make_map(bus_dma_tag_t tag, int nsegs, bus_size_t max, bus_size_t boundary,
    int flags)
{
	bus_dmamap_t map;

	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, MOST, nsegs, max, boundary,
	    flags, &map));
	return (map);
}

static unsigned
regions(void)
{
	struct extent_info ei;

	ATF_REQUIRE_EQ(NULL, extent_check(im.im_space));
	extent_info(im.im_space, &ei);
	return ((unsigned)ei.ei_nregions);
}

static void
nothing_mapped(void)
{

	ATF_REQUIRE_EQ(0, nentries);
	ATF_REQUIRE_EQ(0, regions());
}

/*
 * A buffer of pieces, and the bytes that the device sees of it.
 */
struct job {
	struct bus_dma_vec j_vec[NVEC];
	int		j_n;
	bus_size_t	j_size;
};

/* One piece after the other, sometimes joined, in whole pages or not. */
static void
make_job(struct job *j)
{
	unsigned char *at = src;
	size_t len;
	int i;

	memset(j, 0, sizeof(*j));
	j->j_n = 1 + (int)rnd(NVEC);
	for (i = 0; i < j->j_n; i++) {
		if (rnd(3) != 0)
			at = src + rnd(SRC_PAGES - 3) * PAGE;
		if (rnd(3) == 0)
			at += rnd(PAGE);
		len = rnd(2) == 0 ? PAGE * (1 + rnd(2)) :
		    (size_t)(1 + rnd(2 * PAGE));
		if (at + len > src + SRC_SIZE)
			at = src;
		j->j_vec[i] = (struct bus_dma_vec){ at, len };
		j->j_size += len;
		at += len;
	}
}

static unsigned char *
job_byte(const struct job *j, bus_size_t at)
{
	int i;

	for (i = 0; at >= j->j_vec[i].dv_len; i++)
		at -= j->j_vec[i].dv_len;
	return ((unsigned char *)j->j_vec[i].dv_base + at);
}

/*
 * The device sees each byte of the buffer, where it lies, and no page that
 * holds none.
 */
static void
check_job(const struct job *j, bus_dmamap_t map)
{
	bool used[NPAGES] = { false };
	bus_size_t at = 0, i;
	const struct entry *e;
	unsigned n = 0;
	paddr_t pa;
	int s;

	for (s = 0; s < map->dm_nsegs; s++)
		for (i = 0; i < map->dm_segs[s].ds_len; i++, at++) {
			e = find(map->dm_segs[s].ds_addr + i);
			ATF_REQUIRE(e != NULL);
			pa = e->e_pa + (map->dm_segs[s].ds_addr + i) % PAGE;
			ATF_REQUIRE_EQ(vm_md_vtophys(job_byte(j, at)), pa);
			n += !used[e - entries];
			used[e - entries] = true;
		}
	ATF_REQUIRE_EQ(j->j_size, at);
	ATF_REQUIRE_EQ(n, nentries);
}

static void
check_segments(bus_dma_tag_t tag, bus_dmamap_t map, bus_size_t boundary)
{
	const char *why;
	int s;

	for (s = 0; s < map->dm_nsegs; s++) {
		why = bus_dma_check(tag, &map->dm_segs[s], 1, boundary,
		    map->dm_maxsegsz);
		ATF_REQUIRE_MSG(why == NULL, "segment %d: %s", s, why);
	}
}

static void
one_job(bus_dma_tag_t tag, bus_dma_tag_t plain)
{
	bus_size_t boundary = rnd(2) == 0 ? 0 : (bus_size_t)1 << (9 + rnd(9));
	bus_size_t max = rnd(2) == 0 ? MOST : 1 + rnd(3 * PAGE);
	bus_dmamap_t map = make_map(tag, 1024, max, boundary, 0);
	bus_dmamap_t other = make_map(plain, 1024, max, boundary, 0);
	int error, error2;
	struct job j;

	make_job(&j);
	error = bus_dmamap_load_vec(tag, map, j.j_vec, j.j_n, BUS_DMA_NOWAIT);
	error2 = bus_dmamap_load_vec(plain, other, j.j_vec, j.j_n,
	    BUS_DMA_NOWAIT);
	if (error == 0) {
		check_job(&j, map);
		check_segments(tag, map, boundary);
	}
	if (error2 == 0) {
		ATF_REQUIRE_EQ(0, error);
		ATF_REQUIRE_MSG(map->dm_nsegs <= other->dm_nsegs,
		    "%d segments, without %d", map->dm_nsegs,
		    other->dm_nsegs);
	}
	bus_dmamap_destroy(tag, map);
	bus_dmamap_destroy(plain, other);
	nothing_mapped();
}

ATF_TC_WITHOUT_HEAD(loads);
ATF_TC_BODY(loads, tc)
{
	bus_dma_tag_t tag, plain;
	unsigned i;

	start();
	tag = iommu_tag("dev", 0, BUS_ADDR_MAX);
	plain = any_tag();
	for (i = 0; i < 3000; i++)
		one_job(tag, plain);
	ATF_REQUIRE_EQ(0, nlines);
	bus_dmatag_destroy(tag);
}

ATF_TC_WITHOUT_HEAD(joined);
ATF_TC_BODY(joined, tc)
{
	/* Pages in no order: one segment; an odd end begins another. */
	struct bus_dma_vec vec[] = {
		{ NULL, PAGE }, { NULL, 2 * PAGE }, { NULL, 100 },
		{ NULL, 50 }
	};
	bus_dma_tag_t tag;
	bus_dmamap_t map;

	start();
	tag = iommu_tag("dev", 0, BUS_ADDR_MAX);
	vec[0].dv_base = src + 9 * PAGE;
	vec[1].dv_base = src + 4 * PAGE;
	vec[2].dv_base = src + 2 * PAGE;
	vec[3].dv_base = src + 7 * PAGE + 8;
	map = make_map(tag, 2, MOST, 0, 0);
	ATF_REQUIRE_EQ(0, bus_dmamap_load_vec(tag, map, vec, 4,
	    BUS_DMA_NOWAIT));
	ATF_REQUIRE_EQ(2, map->dm_nsegs);
	ATF_REQUIRE_EQ(3 * PAGE + 100, map->dm_segs[0].ds_len);
	ATF_REQUIRE_EQ(50, map->dm_segs[1].ds_len);
	ATF_REQUIRE_EQ(8, map->dm_segs[1].ds_addr % PAGE);
	ATF_REQUIRE_EQ(5, nentries);
	bus_dmamap_unload(tag, map);
	nothing_mapped();
	ATF_REQUIRE_EQ(1, removes);
	bus_dmamap_destroy(tag, map);
	ATF_REQUIRE_EQ(1, removes);
	bus_dmatag_destroy(tag);
}

ATF_TC_WITHOUT_HEAD(window);
ATF_TC_BODY(window, tc)
{
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	struct bus_dma_counts c;
	bus_dma_segment_t seg;

	/* The buffer is out of reach, and yet nothing is bounced. */
	start();
	tag = iommu_tag("dev", MiB, 2 * MiB - 1);
	map = make_map(tag, 1, MOST, 0, BUS_DMA_ALLOCNOW);
	ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map, src + 8, 3 * PAGE, NULL,
	    BUS_DMA_NOWAIT));
	ATF_REQUIRE_EQ(1, map->dm_nsegs);
	seg = map->dm_segs[0];
	/* In the upper half, with the same offset, and a page left behind. */
	ATF_REQUIRE(seg.ds_addr >= MiB + MiB / 2);
	ATF_REQUIRE(seg.ds_addr + seg.ds_len + PAGE <= 2 * MiB);
	ATF_REQUIRE_EQ(8, seg.ds_addr % PAGE);
	ATF_REQUIRE_EQ(NULL, find(seg.ds_addr + seg.ds_len + PAGE));
	bus_dma_counts(tag, &c);
	ATF_REQUIRE_EQ(0, c.dc_bounced);
	bus_dmamap_destroy(tag, map);
	nothing_mapped();
	/* Nor must its memory lie there. */
	ATF_REQUIRE_EQ(0, alloc1(tag, PAGE, PAGE, 0, &seg));
	ATF_REQUIRE(seg.ds_addr >= 2 * MiB);
	bus_dmamem_free(tag, &seg, 1);
	bus_dmatag_destroy(tag);
	ATF_REQUIRE_EQ(0, nlines);
}

ATF_TC_WITHOUT_HEAD(aligned);
ATF_TC_BODY(aligned, tc)
{
	bus_dma_tag_t tag;
	bus_dmamap_t map[4];
	bus_dma_segment_t seg;
	unsigned i;

	/* Memory keeps its alignment and its lines, other buffers need none. */
	start();
	tag = iommu_tag("dev", 0, BUS_ADDR_MAX);
	ATF_REQUIRE_EQ(0, alloc1(tag, 3 * PAGE, 64 * KiB, 0, &seg));
	for (i = 0; i < 4; i++) {
		map[i] = make_map(tag, 1, MOST, 0, 0);
		if (i % 2 == 0)
			ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map[i], src,
			    PAGE, NULL, BUS_DMA_NOWAIT));
		else {
			ATF_REQUIRE_EQ(0, bus_dmamap_load_raw(tag, map[i],
			    &seg, 1, 3 * PAGE, BUS_DMA_NOWAIT));
			ATF_REQUIRE_EQ(0, map[i]->dm_segs[0].ds_addr %
			    (64 * KiB));
		}
	}
	/* The same page, twice, at two addresses. */
	ATF_REQUIRE(map[0]->dm_segs[0].ds_addr != map[2]->dm_segs[0].ds_addr);
	ATF_REQUIRE_EQ(8, nentries);
	bus_dmamap_unload(tag, map[0]);
	ATF_REQUIRE(find(map[2]->dm_segs[0].ds_addr) != NULL);
	for (i = 0; i < 4; i++)
		bus_dmamap_destroy(tag, map[i]);
	nothing_mapped();
	bus_dmamem_free(tag, &seg, 1);
	bus_dmatag_destroy(tag);
	ATF_REQUIRE_EQ(0, nlines);
}

ATF_TC_WITHOUT_HEAD(bounced);
ATF_TC_BODY(bounced, tc)
{
	struct bus_dma_counts c;
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	unsigned char *there;
	paddr_t pa = 0;

	/* What is not aligned is: the device sees the copy. */
	start();
	tag = iommu_tag("dev", 0, BUS_ADDR_MAX);
	ATF_REQUIRE_EQ(0, bus_dmatag_align(tag, 512));
	map = make_map(tag, 4, MOST, 0, BUS_DMA_ALLOCNOW);
	memset(src, 'a', 2 * PAGE);
	ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map, src + 3, 1000, NULL,
	    BUS_DMA_NOWAIT));
	ATF_REQUIRE_EQ(1, map->dm_nsegs);
	ATF_REQUIRE_EQ(0, map->dm_segs[0].ds_addr % 512);
	ATF_REQUIRE(model_extract(&im, map->dm_segs[0].ds_addr, &pa));
	there = vm_md_phystov(pa, 1000);
	ATF_REQUIRE(there < src || there >= src + SRC_SIZE);
	bus_dmamap_sync(tag, map, 0, 1000,
	    BUS_DMASYNC_PREREAD | BUS_DMASYNC_PREWRITE);
	ATF_REQUIRE_EQ(0, memcmp(there, src + 3, 1000));
	memset(there, 'b', 1000);
	bus_dmamap_sync(tag, map, 0, 1000,
	    BUS_DMASYNC_POSTREAD | BUS_DMASYNC_POSTWRITE);
	ATF_REQUIRE(src[2] == 'a' && src[3] == 'b' && src[1002] == 'b' &&
	    src[1003] == 'a');
	bus_dma_counts(tag, &c);
	ATF_REQUIRE_EQ(1, c.dc_bounced);
	bus_dmamap_destroy(tag, map);
	nothing_mapped();
	bus_dmatag_destroy(tag);
	ATF_REQUIRE_EQ(0, nlines);
}

ATF_TC_WITHOUT_HEAD(directions);
ATF_TC_BODY(directions, tc)
{
	static const struct {
		int flags, prot;
	} t[] = {
		{ 0, IOMMU_READ | IOMMU_WRITE },
		{ BUS_DMA_READ, IOMMU_WRITE },
		{ BUS_DMA_WRITE, IOMMU_READ },
		{ BUS_DMA_READ | BUS_DMA_WRITE, IOMMU_READ | IOMMU_WRITE },
	};
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	unsigned i;

	start();
	tag = iommu_tag("dev", 0, BUS_ADDR_MAX);
	map = make_map(tag, 1, MOST, 0, 0);
	for (i = 0; i < NITEMS(t); i++) {
		ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map, src, 1, NULL,
		    t[i].flags | BUS_DMA_NOWAIT));
		ATF_REQUIRE_EQ(1, nentries);
		ATF_REQUIRE_EQ(t[i].prot, entries[0].e_prot);
		bus_dmamap_unload(tag, map);
	}
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
}

ATF_TC_WITHOUT_HEAD(failures);
ATF_TC_BODY(failures, tc)
{
	bus_dma_tag_t tag;
	bus_dmamap_t map, other;
	struct bus_dma_vec vec[2];

	/* No tables, no addresses, too many segments: nothing stays. */
	start();
	tag = iommu_tag("dev", 0, 8 * PAGE - 1);
	map = make_map(tag, 1, MOST, 0, 0);
	for (room = 0; room < 4; room++) {
		ATF_REQUIRE_EQ(ENOMEM, bus_dmamap_load(tag, map, src, 4 * PAGE,
		    NULL, BUS_DMA_NOWAIT));
		nothing_mapped();
		ATF_REQUIRE_EQ(0, map->dm_nsegs);
		ATF_REQUIRE_EQ(0, map->dm_mapsize);
	}
	room = NPAGES;
	vec[0] = (struct bus_dma_vec){ src, 10 };
	vec[1] = (struct bus_dma_vec){ src + 20, 10 };
	ATF_REQUIRE_EQ(EFBIG, bus_dmamap_load_vec(tag, map, vec, 2,
	    BUS_DMA_NOWAIT));
	nothing_mapped();
	ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map, src, 4 * PAGE, NULL,
	    BUS_DMA_NOWAIT));
	other = make_map(tag, 1, MOST, 0, 0);
	ATF_REQUIRE_EQ(ENOMEM, bus_dmamap_load(tag, other, src, 3 * PAGE, NULL,
	    BUS_DMA_NOWAIT));
	ATF_REQUIRE_EQ(4, nentries);
	bus_dmamap_unload(tag, map);
	ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, other, src, 3 * PAGE, NULL,
	    BUS_DMA_NOWAIT));
	bus_dmamap_destroy(tag, other);
	bus_dmamap_destroy(tag, map);
	nothing_mapped();
	bus_dmatag_destroy(tag);
	ATF_REQUIRE_EQ(0, nlines);
}

ATF_TC_WITHOUT_HEAD(tags);
ATF_TC_BODY(tags, tc)
{
	bus_dma_tag_t tag, child, plain;
	bus_dma_segment_t seg;
	bus_dmamap_t map;
	uint64_t n = 1;

	start();
	plain = make_tag("plain", SPACE, BUS_ADDR_MAX);
	ATF_REQUIRE(!bus_dma_faults(plain, &n));
	ATF_REQUIRE_EQ(0, n);
	/* It reaches none of the addresses; it has memory; it has maps. */
	ATF_REQUIRE_EQ(EINVAL, bus_dmatag_iommu(plain, &im));
	bus_dmatag_destroy(plain);
	plain = any_tag();
	ATF_REQUIRE_EQ(0, alloc1(plain, PAGE, PAGE, 0, &seg));
	ATF_REQUIRE_EQ(EBUSY, bus_dmatag_iommu(plain, &im));
	bus_dmamem_free(plain, &seg, 1);
	map = make_map(plain, 1, MOST, 0, 0);
	ATF_REQUIRE_EQ(EBUSY, bus_dmatag_iommu(plain, &im));
	bus_dmamap_destroy(plain, map);
	bus_dmatag_destroy(plain);

	/* Children have their parent's, and a window in its addresses. */
	tag = iommu_tag("dev", 0, BUS_ADDR_MAX);
	ATF_REQUIRE_EQ(EINVAL, bus_dmatag_subregion(tag, SPACE, BUS_ADDR_MAX,
	    &child, BUS_DMA_NOWAIT));
	ATF_REQUIRE_EQ(0, bus_dmatag_subregion(tag, 0, MiB - 1, &child,
	    BUS_DMA_NOWAIT));
	refused = 7;
	ATF_REQUIRE(bus_dma_faults(child, &n));
	ATF_REQUIRE_EQ(7, n);
	map = make_map(child, 1, MOST, 0, 0);
	ATF_REQUIRE_EQ(0, bus_dmamap_load(child, map, src, PAGE, NULL,
	    BUS_DMA_NOWAIT));
	ATF_REQUIRE(map->dm_segs[0].ds_addr < MiB);
	bus_dmamap_destroy(child, map);
	bus_dmatag_destroy(child);
	bus_dmatag_destroy(tag);
	ATF_REQUIRE_EQ(0, nlines);
}

ATF_TC_WITHOUT_HEAD(nearest);
ATF_TC_BODY(nearest, tc)
{
	struct bus_dma_near near;
	bus_dma_tag_t parent, tag;
	bus_dmamap_t a, b;
	bus_addr_t first, second;

	start();
	ATF_REQUIRE(!bus_dma_nearest(&im, 0, &near));
	ATF_REQUIRE_STREQ("", near.bn_name);
	parent = iommu_tag("bus", 0, BUS_ADDR_MAX);
	ATF_REQUIRE_EQ(0, bus_dmatag_create(parent, "dev0", 0, BUS_ADDR_MAX,
	    &tag, BUS_DMA_NOWAIT));
	a = make_map(tag, 1, MOST, 0, 0);
	b = make_map(tag, 1, MOST, 0, 0);
	ATF_REQUIRE(!bus_dma_nearest(&im, 0, &near));
	ATF_REQUIRE_STREQ("dev0", near.bn_name);
	ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, a, src, PAGE, NULL, 0));
	ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, b, src, PAGE, NULL, 0));
	first = a->dm_segs[0].ds_addr;
	second = b->dm_segs[0].ds_addr;
	ATF_REQUIRE_EQ(first + 2 * PAGE, second);
	ATF_REQUIRE(bus_dma_nearest(&im, 0, &near));
	ATF_REQUIRE_EQ(first, near.bn_seg.ds_addr);
	ATF_REQUIRE_EQ(0, near.bn_map);
	ATF_REQUIRE(bus_dma_nearest(&im, first + PAGE, &near));
	ATF_REQUIRE_EQ(first, near.bn_seg.ds_addr);
	ATF_REQUIRE(bus_dma_nearest(&im, second - 1, &near));
	ATF_REQUIRE_EQ(second, near.bn_seg.ds_addr);
	ATF_REQUIRE(bus_dma_nearest(&im, BUS_ADDR_MAX, &near));
	ATF_REQUIRE_EQ(second, near.bn_seg.ds_addr);
	ATF_REQUIRE_EQ(1, near.bn_map);
	ATF_REQUIRE_STREQ("dev0", near.bn_name);
	bus_dmamap_destroy(tag, b);
	ATF_REQUIRE(bus_dma_nearest(&im, BUS_ADDR_MAX, &near));
	ATF_REQUIRE_EQ(first, near.bn_seg.ds_addr);
	bus_dmamap_destroy(tag, a);
	bus_dmatag_destroy(tag);
	bus_dmatag_destroy(parent);
}

ATF_TC_WITHOUT_HEAD(freed);
ATF_TC_BODY(freed, tc)
{
	bus_dma_tag_t tag;
	bus_dma_segment_t seg;
	bus_dmamap_t map;

	/* Memory that is loaded is known by where it lies. */
	start();
	tag = iommu_tag("dev", 0, BUS_ADDR_MAX);
	map = make_map(tag, 1, MOST, 0, 0);
	ATF_REQUIRE_EQ(0, alloc1(tag, 2 * PAGE, PAGE, 0, &seg));
	ATF_REQUIRE_EQ(0, bus_dmamap_load_raw(tag, map, &seg, 1, PAGE, 0));
	bus_dmamem_free(tag, &seg, 1);
	ATF_REQUIRE_EQ(1, nlines);
	ATF_REQUIRE(strstr(lastline, "is freed, and it is loaded") != NULL);
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
}

struct hog {
	exaddr_t	h_addr;
	bus_size_t	h_size;
};

/*
 * Take all addresses that are left.  => how many pieces.
 */
static unsigned
take_space(struct hog *hogs, unsigned most)
{
	bus_size_t size = SPACE;
	unsigned n = 0;

	while (size >= PAGE) {
		ATF_REQUIRE(n < most);
		if (extent_alloc(im.im_space, size, PAGE, EX_NOBOUNDARY,
		    EX_NOWAIT, &hogs[n].h_addr) == 0)
			hogs[n++].h_size = size;
		else
			size /= 2;
	}
	return (n);
}

static void
give_space(const struct hog *hogs, unsigned n)
{

	while (n-- > 0)
		ATF_REQUIRE_EQ(0, extent_free(im.im_space, hogs[n].h_addr,
		    hogs[n].h_size, EX_NOWAIT));
}

/*
 * Load it from pieces of kernel addresses, or from physical memory.
 */
static int
load_job(bus_dma_tag_t tag, bus_dmamap_t map, const struct job *j, bool raw)
{
	bus_dma_segment_t segs[NVEC];
	int i;

	if (!raw)
		return (bus_dmamap_load_vec(tag, map, j->j_vec, j->j_n,
		    BUS_DMA_NOWAIT));
	for (i = 0; i < j->j_n; i++)
		segs[i] = (bus_dma_segment_t){
			vm_md_vtophys(j->j_vec[i].dv_base),
			j->j_vec[i].dv_len
		};
	return (bus_dmamap_load_raw(tag, map, segs, j->j_n, j->j_size,
	    BUS_DMA_NOWAIT));
}

/*
 * A job that the map has segments for is loaded without a table or an address
 * more; one that it has not is too big.  The same is found without an I/O MMU
 * or with one that has all.
 */
static void
kept_job(bus_dma_tag_t tag, bus_dma_tag_t child)
{
	bus_size_t boundary = rnd(2) == 0 ? 0 : (bus_size_t)1 << (9 + rnd(9));
	bus_size_t max = rnd(2) == 0 ? MOST : 512 + rnd(3 * PAGE);
	int nsegs = 1 + (int)rnd(12), wanted, error, i;
	struct hog hogs[256];
	bus_dmamap_t map, other;
	unsigned nhogs;
	struct job j;

	map = make_map(child, nsegs, max, boundary, BUS_DMA_ALLOCNOW);
	other = make_map(tag, nsegs, max, boundary, 0);
	for (i = 0; i < 4; i++) {
		make_job(&j);
		if (j.j_size > MOST)
			continue;
		wanted = load_job(tag, other, &j, false);
		bus_dmamap_unload(tag, other);
		ATF_REQUIRE(wanted == 0 || wanted == EFBIG);
		fits += wanted == 0;
		more_tables = false;
		nhogs = take_space(hogs, NITEMS(hogs));
		error = load_job(child, map, &j, rnd(2) == 0);
		give_space(hogs, nhogs);
		more_tables = true;
		ATF_REQUIRE_EQ(wanted, error);
		if (error == 0) {
			check_job(&j, map);
			check_segments(child, map, boundary);
		}
		bus_dmamap_unload(child, map);
		ATF_REQUIRE_EQ(0, nentries);
	}
	bus_dmamap_destroy(child, map);
	bus_dmamap_destroy(tag, other);
	nothing_mapped();
}

ATF_TC_WITHOUT_HEAD(allocnow);
ATF_TC_BODY(allocnow, tc)
{
	bus_dma_tag_t tag, child;
	unsigned i;

	start();
	tag = iommu_tag("dev", 0, BUS_ADDR_MAX);
	child = iommu_tag("now", 0, BUS_ADDR_MAX);
	for (i = 0; i < 1000; i++)
		kept_job(tag, child);
	ATF_REQUIRE(fits > 500);
	ATF_REQUIRE_EQ(0, nlines);
	bus_dmatag_destroy(child);
	bus_dmatag_destroy(tag);
}

ATF_TC_WITHOUT_HEAD(allocnow_lost);
ATF_TC_BODY(allocnow_lost, tc)
{
	bus_dma_tag_t tag, low;
	bus_dmamap_t map, kept;
	uint64_t before = 0;
	unsigned i;

	/* No addresses, or no tables: no map, and nothing is lost. */
	start();
	low = iommu_tag("low", 0, 8 * PAGE - 1);
	ATF_REQUIRE_EQ(ENOMEM, bus_dmamap_create(low, MOST, 4, MOST, 0,
	    BUS_DMA_ALLOCNOW | BUS_DMA_NOWAIT, &map));
	ATF_REQUIRE_EQ(0, regions());
	bus_dmatag_destroy(low);
	tag = iommu_tag("dev", 0, BUS_ADDR_MAX);
	more_tables = false;
	ATF_REQUIRE_EQ(0, bus_dmatag_align(tag, 512));
	for (i = 0; i < 3; i++) {
		ATF_REQUIRE_EQ(ENOMEM, bus_dmamap_create(tag, MOST, 4, MOST,
		    0, BUS_DMA_ALLOCNOW | BUS_DMA_NOWAIT, &map));
		ATF_REQUIRE_EQ(0, regions());
		/* The first time, what extent(9) keeps. */
		if (i == 0)
			before = free_frames();
	}
	ATF_REQUIRE_EQ(before, free_frames());
	more_tables = true;
	bus_dmatag_destroy(tag);
	/* Nor more than there can be. */
	tag = iommu_tag("dev", 0, BUS_ADDR_MAX);
	ATF_REQUIRE_EQ(ENOMEM, bus_dmamap_create(tag, UINT64_MAX, 4,
	    UINT64_MAX, 0, BUS_DMA_ALLOCNOW | BUS_DMA_NOWAIT, &map));
	ATF_REQUIRE_EQ(ENOMEM, bus_dmamap_create(tag, UINT64_MAX, 100,
	    UINT64_MAX, (bus_size_t)1 << 63, BUS_DMA_ALLOCNOW |
	    BUS_DMA_NOWAIT, &map));
	ATF_REQUIRE_EQ(0, regions());
	/* The same addresses each time, until the map is no more. */
	kept = make_map(tag, 4, MOST, 0, BUS_DMA_ALLOCNOW);
	ATF_REQUIRE_EQ(1, regions());
	for (i = 0; i < 3; i++) {
		ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, kept, src, MOST, NULL,
		    BUS_DMA_NOWAIT));
		ATF_REQUIRE_EQ(1, regions());
		bus_dmamap_unload(tag, kept);
		ATF_REQUIRE_EQ(0, nentries);
		ATF_REQUIRE_EQ(1, regions());
	}
	bus_dmamap_destroy(tag, kept);
	nothing_mapped();
	bus_dmatag_destroy(tag);
	ATF_REQUIRE_EQ(0, nlines);
}

ATF_TC_WITHOUT_HEAD(too_big);
ATF_TC_BODY(too_big, tc)
{
	struct bus_dma_vec vec[NVEC];
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	int i;

	/* What never fits is said to be so, also while addresses, or tables,
	   are short. */
	start();
	tag = iommu_tag("dev", 0, 6 * PAGE - 1);
	for (i = 0; i < NVEC; i++)
		vec[i] = (struct bus_dma_vec){ src + i * 2 * PAGE + 8, 10 };
	map = make_map(tag, NVEC - 1, MOST, 0, 0);
	ATF_REQUIRE_EQ(EFBIG, bus_dmamap_load_vec(tag, map, vec, NVEC,
	    BUS_DMA_NOWAIT));
	ATF_REQUIRE_EQ(0, map->dm_nsegs);
	ATF_REQUIRE_EQ(ENOMEM, bus_dmamap_load_vec(tag, map, vec, NVEC - 1,
	    BUS_DMA_NOWAIT));
	ATF_REQUIRE_EQ(0, map->dm_nsegs);
	bus_dmamap_destroy(tag, map);
	nothing_mapped();
	bus_dmatag_destroy(tag);
	tag = iommu_tag("dev", 0, BUS_ADDR_MAX);
	map = make_map(tag, NVEC - 1, MOST, 0, 0);
	for (room = 0; room < NVEC; room++) {
		ATF_REQUIRE_EQ(EFBIG, bus_dmamap_load_vec(tag, map, vec, NVEC,
		    BUS_DMA_NOWAIT));
		nothing_mapped();
	}
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
	ATF_REQUIRE_EQ(0, nlines);
}

ATF_TC_WITHOUT_HEAD(no_memory_there);
ATF_TC_BODY(no_memory_there, tc)
{
	bus_dma_segment_t seg = { TOP, PAGE }, all[64];
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	unsigned i;

	/* What no page table has bits for, and more than there are addresses:
	   refused, not entered. */
	start();
	tag = iommu_tag("dev", 0, BUS_ADDR_MAX);
	ATF_REQUIRE_EQ(0, bus_dmamap_create(tag, UINT64_MAX, 64, UINT64_MAX,
	    0, 0, &map));
	ATF_REQUIRE_EQ(EINVAL, bus_dmamap_load_raw(tag, map, &seg, 1, PAGE,
	    BUS_DMA_NOWAIT));
	seg = (bus_dma_segment_t){ 0, UINT64_MAX };
	ATF_REQUIRE_EQ(EINVAL, bus_dmamap_load_raw(tag, map, &seg, 1,
	    UINT64_MAX, BUS_DMA_NOWAIT));
	for (i = 0; i < NITEMS(all); i++)
		all[i] = (bus_dma_segment_t){ 0, TOP };
	ATF_REQUIRE_EQ(ENOMEM, bus_dmamap_load_raw(tag, map, all, 64,
	    64 * TOP, BUS_DMA_NOWAIT));
	nothing_mapped();
	bus_dmamap_destroy(tag, map);
	bus_dmatag_destroy(tag);
	ATF_REQUIRE_EQ(0, nlines);
}

ATF_TC_WITHOUT_HEAD(whole_space);
ATF_TC_BODY(whole_space, tc)
{
	bus_dma_tag_t tag;
	bus_dmamap_t map;
	struct extent *ex;

	/* Addresses that end with the last there is. */
	start();
	ex = extent_create("all", UINT64_MAX - 16 * MiB + 1, UINT64_MAX, NULL,
	    0, EX_NOCOALESCE | EX_NOWAIT);
	ATF_REQUIRE(ex != NULL);
	im.im_space = ex;
	tag = iommu_tag("dev", 0, BUS_ADDR_MAX);
	map = make_map(tag, 1, MOST, 0, 0);
	ATF_REQUIRE_EQ(0, bus_dmamap_load(tag, map, src, MOST, NULL,
	    BUS_DMA_NOWAIT));
	ATF_REQUIRE_EQ(1, map->dm_nsegs);
	ATF_REQUIRE(map->dm_segs[0].ds_addr >= UINT64_MAX - 8 * MiB);
	bus_dmamap_destroy(tag, map);
	nothing_mapped();
	bus_dmatag_destroy(tag);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, loads);
	ATF_TP_ADD_TC(tp, joined);
	ATF_TP_ADD_TC(tp, window);
	ATF_TP_ADD_TC(tp, aligned);
	ATF_TP_ADD_TC(tp, bounced);
	ATF_TP_ADD_TC(tp, directions);
	ATF_TP_ADD_TC(tp, failures);
	ATF_TP_ADD_TC(tp, tags);
	ATF_TP_ADD_TC(tp, nearest);
	ATF_TP_ADD_TC(tp, freed);
	ATF_TP_ADD_TC(tp, allocnow);
	ATF_TP_ADD_TC(tp, allocnow_lost);
	ATF_TP_ADD_TC(tp, too_big);
	ATF_TP_ADD_TC(tp, no_memory_there);
	ATF_TP_ADD_TC(tp, whole_space);
	return (atf_no_error());
}
