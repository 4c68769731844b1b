/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of virtqueues against a model of a device, which can also answer
 * nonsense: [VIRTIO] Virtual I/O Device (VIRTIO) Version 1.1, section 2.6.
 *
 * The model knows the layout by itself, and finds memory by the addresses
 * that it is given.
 */

#include <atf-c.h>
#include <stdarg.h>
#include <stdlib.h>

#include <sys/km_map.h>
#include <sys/kmem.h>
#include <sys/systm.h>

#include <vm/vm_audit.h>
#include <vm/vm_physseg.h>

#include <dev/pci/virtqueue.h>

#define	MiB		(UINT64_C(1) << 20)
#define	LIMIT		(UINT64_C(1) << 44)	/* of legacy queues */
#define	DESC_NEXT	1
#define	DESC_WRITE	2

/* Memory below, across and above what a legacy queue can have. */
static const struct vm_memrange ranges[] = {
	{ 16 * MiB, 2 * MiB },
	{ LIMIT - MiB, 3 * MiB },
};

static unsigned nlines;
static char lastline[256];
static uint64_t now;

static bus_dma_tag_t tag, low_tag;
static struct virtqueue vq;

int
console_printf(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(lastline, sizeof(lastline), fmt, ap);
	va_end(ap);
	nlines++;
	return (n);
}

static void
console(const char *line)
{

	console_printf("%s", line);
}

const char *
errno_name(int error)
{

	return (strerror(error));
}

void
delay(unsigned usec)
{

	now += usec * UINT64_C(1000);
}

uint64_t
nanotime(void)
{

	return (now += 100);
}

static void
boot(void)
{

	ATF_REQUIRE_EQ(0, vm_physmem_load(ranges, NITEMS(ranges), NULL, 0));
	kmem_init();
	ATF_REQUIRE(km_map_init());
	usermode_console(console);
	ATF_REQUIRE_EQ(0, bus_dmatag_create(NULL, "vio0", 0, BUS_ADDR_MAX,
	    &tag, BUS_DMA_NOWAIT | BUS_DMA_CHECKED));
	ATF_REQUIRE_EQ(0, bus_dmatag_subregion(tag, 0, LIMIT - 1, &low_tag,
	    BUS_DMA_NOWAIT));
	nlines = 0;
}

static void
start(unsigned size, bool legacy)
{

	ATF_REQUIRE_EQ_MSG(0, virtq_alloc(&vq, legacy ? low_tag : tag, "vio0",
	    3, size, legacy), "%s", lastline);
}

/* All memory is back, and bus_dma(9) has seen no mistake. */
static void
finish(void)
{
	struct bus_dma_counts c;
	struct vm_audit va;

	virtq_free(&vq);
	virtq_free(&vq);		/* has none any more */
	ATF_CHECK_EQ(0, bus_dma_leaks(tag));
	ATF_CHECK_EQ(0, bus_dma_leaks(low_tag));
	bus_dma_counts(tag, &c);
	ATF_CHECK_EQ_MSG(0, c.dc_reports, "%s", lastline);
	bus_dma_counts(low_tag, &c);
	ATF_CHECK_EQ_MSG(0, c.dc_reports, "%s", lastline);
	ATF_REQUIRE_MSG(vm_audit(&va), "audit: %s", va.va_why);
}

/*
 * The model.
 */

struct model_desc {
	uint64_t	addr;
	uint32_t	len;
	uint16_t	flags, next;
};

struct model_used {
	uint32_t	id, len;
};

static void *
at(enum virtq_part part, unsigned offset, unsigned size)
{
	void *p = vm_md_phystov(virtq_addr(&vq, part) + offset, size);

	ATF_REQUIRE(p != NULL);
	return (p);
}

static struct model_desc
desc(unsigned i)
{

	return (*(struct model_desc *)at(VIRTQ_DESC, i * 16, 16));
}

static uint16_t
avail_index(void)
{

	return (*(uint16_t *)at(VIRTQ_AVAIL, 2, 2));
}

static uint16_t
avail_entry(uint16_t i)
{

	return (*(uint16_t *)at(VIRTQ_AVAIL, 4 + i % vq.vq_size * 2, 2));
}

static void
used_index_set(uint16_t i)
{

	*(uint16_t *)at(VIRTQ_USED, 2, 2) = i;
}

static void
used_entry_set(uint16_t i, uint32_t id, uint32_t len)
{
	struct model_used u = { id, len };

	*(struct model_used *)at(VIRTQ_USED, 4 + i % vq.vq_size * 8, 8) = u;
}

/* A request is done. */
static void
model_return(uint16_t i, uint32_t id, uint32_t len)
{

	used_entry_set(i, id, len);
	used_index_set((uint16_t)(i + 1));
}

/* The chain from a descriptor on is this request. */
static void
model_check(unsigned id, const struct virtq_seg *segs, unsigned n)
{
	struct model_desc d;
	unsigned i;

	for (i = 0; i < n; i++) {
		ATF_REQUIRE(id < vq.vq_size);
		d = desc(id);
		ATF_REQUIRE_EQ(segs[i].vs_addr, d.addr);
		ATF_REQUIRE_EQ(segs[i].vs_len, d.len);
		ATF_REQUIRE_EQ((segs[i].vs_in ? DESC_WRITE : 0) |
		    (i < n - 1 ? DESC_NEXT : 0), d.flags);
		id = d.next;
	}
}

/* A random request; the addresses are not for following.  => pieces. */
static unsigned
request(struct virtq_seg *segs, unsigned most)
{
	unsigned n = 1 + (unsigned)rand() % most, i, in;

	in = (unsigned)rand() % (n + 1);
	for (i = 0; i < n; i++) {
		segs[i].vs_addr = (uint64_t)rand() << 31 ^ (uint64_t)rand();
		segs[i].vs_len = 1 + (unsigned)rand() % 5000;
		segs[i].vs_in = i >= in;
	}
	return (n);
}

/*
 * Tests.
 */

static void
check_parts(unsigned size, bool legacy)
{
	bus_addr_t d = virtq_addr(&vq, VIRTQ_DESC);
	bus_addr_t a = virtq_addr(&vq, VIRTQ_AVAIL);
	bus_addr_t u = virtq_addr(&vq, VIRTQ_USED);

	ATF_CHECK(d % 16 == 0 && a % 2 == 0 && u % 4 == 0);
	ATF_CHECK(d >= u + 6 + 8 * size || u >= d + 16 * size);
	ATF_CHECK(a >= d + 16 * size || d >= a + 6 + 2 * size);
	ATF_CHECK(a >= u + 6 + 8 * size || u >= a + 6 + 2 * size);
	(void)at(VIRTQ_DESC, 0, 16 * size);
	(void)at(VIRTQ_AVAIL, 0, 6 + 2 * size);
	(void)at(VIRTQ_USED, 0, 6 + 8 * size);
	/* No interrupts, please; and nothing there yet. */
	ATF_CHECK_EQ(1, *(uint16_t *)at(VIRTQ_AVAIL, 0, 2));
	ATF_CHECK_EQ(0, avail_index());
	ATF_CHECK(virtq_contig(&vq) >= 16 * size);
	if (!legacy)
		return;
	ATF_CHECK_EQ(0, d % 4096);
	ATF_CHECK_EQ(d + 16 * size, a);
	ATF_CHECK_EQ((a + 6 + 2 * size + 4095) / 4096 * 4096, u);
	ATF_CHECK(u + 6 + 8 * size <= LIMIT);
	ATF_CHECK(virtq_contig(&vq) >= u - d + 6 + 8 * size);
}

ATF_TC_WITHOUT_HEAD(layout);
ATF_TC_BODY(layout, tc)
{
	static const unsigned good[] = { 1, 2, 4, 16, 128, 256, 1024, 4096 };
	static const unsigned bad[] = { 0, 3, 255, 257, 32767, 65536,
	    0x80000000, UINT32_MAX };
	unsigned i, legacy;

	boot();
	for (i = 0; i < NITEMS(good); i++) {
		for (legacy = 0; legacy < 2; legacy++) {
			start(good[i], legacy);
			check_parts(good[i], legacy);
			finish();
		}
	}
	ATF_CHECK_EQ(0, nlines);
	/* What is not limited is where there is more. */
	start(256, false);
	ATF_CHECK(virtq_addr(&vq, VIRTQ_DESC) >= LIMIT);
	finish();
	for (i = 0; i < NITEMS(bad); i++) {
		nlines = 0;
		ATF_CHECK_EQ(EINVAL, virtq_alloc(&vq, tag, "vio0", 3, bad[i],
		    i % 2 == 0));
		ATF_CHECK_EQ(1, nlines);
		ATF_CHECK_MSG(strstr(lastline, "vio0: queue 3: size ") != NULL,
		    "%s", lastline);
		finish();
	}
}

ATF_TC_WITHOUT_HEAD(memory);
ATF_TC_BODY(memory, tc)
{
	bus_dma_segment_t low[MiB / VM_PAGE_SIZE * 3];
	unsigned i, got;
	int n;

	boot();
	/* Every second page below the limit is in use. */
	for (got = 0; got < NITEMS(low) && bus_dmamem_alloc(low_tag,
	    VM_PAGE_SIZE, VM_PAGE_SIZE, 0, &low[got], 1, &n,
	    BUS_DMA_NOWAIT) == 0; got++)
		continue;
	for (i = 0; i < got; i++) {
		if (low[i].ds_addr / VM_PAGE_SIZE % 2 == 0)
			bus_dmamem_free(low_tag, &low[i], 1);
	}
	nlines = 0;
	ATF_CHECK_EQ(ENOMEM, virtq_alloc(&vq, low_tag, "vio0", 0, 256, true));
	ATF_CHECK_EQ(1, nlines);
	ATF_CHECK_MSG(strstr(lastline, "vio0: no buffer of 12288 bytes: ") ==
	    lastline && strstr(lastline, ": wanted 12k, ") != NULL, "%s",
	    lastline);
	/* Three pages anywhere will do otherwise. */
	ATF_CHECK_EQ(0, virtq_alloc(&vq, low_tag, "vio0", 0, 256, false));
	check_parts(256, false);
	virtq_free(&vq);
	/* The second of the parts does not fit. */
	ATF_CHECK_EQ(ENOMEM, virtq_alloc(&vq, low_tag, "vio0", 0, 4096,
	    false));
	for (i = 0; i < got; i++) {
		if (low[i].ds_addr / VM_PAGE_SIZE % 2 != 0)
			bus_dmamem_free(low_tag, &low[i], 1);
	}
	finish();
}

#define	SIZE	8U

struct pending {
	struct virtq_seg p_segs[SIZE];
	unsigned	p_n;		/* 0: none */
	uint32_t	p_room;
};

/*
 * The device returns a request of which it has some, and it comes back.
 */
static void
return_one(struct pending *p, unsigned id, uint16_t i)
{
	uint32_t len = p[id].p_room == 0 ? 0 :
	    (uint32_t)rand() % (p[id].p_room + 1), gotlen;
	unsigned got;

	model_check(id, p[id].p_segs, p[id].p_n);
	ATF_REQUIRE_EQ(EAGAIN, virtq_poll(&vq, &got, &gotlen));
	model_return(i, id, len);
	ATF_REQUIRE_EQ(0, virtq_poll(&vq, &got, &gotlen));
	ATF_REQUIRE_EQ(id, got);
	ATF_REQUIRE_EQ(len, gotlen);
	p[id].p_n = 0;
}

static unsigned
any_pending(const struct pending *p)
{
	unsigned id = (unsigned)rand() % SIZE;

	while (p[id].p_n == 0)
		id = (id + 1) % SIZE;
	return (id);
}

/* More requests than an index has values, of every shape, in any order. */
ATF_TC_WITHOUT_HEAD(requests);
ATF_TC_BODY(requests, tc)
{
	unsigned busy = 0, done = 0, i, id, n, round, used = 0;
	static struct pending p[SIZE];
	struct pending new;

	boot();
	start(SIZE, true);
	srand(2);
	for (round = 0; round < 200000; round++) {
		n = new.p_n = request(new.p_segs, SIZE);
		if (rand() % 2 == 0 && used + n <= SIZE) {
			ATF_REQUIRE_EQ(0, virtq_add(&vq, new.p_segs, n, &id));
			ATF_REQUIRE(id < SIZE && p[id].p_n == 0);
			busy++;
			used += n;
			ATF_REQUIRE_EQ((uint16_t)(done + busy), avail_index());
			ATF_REQUIRE_EQ(id, avail_entry(
			    (uint16_t)(avail_index() - 1)));
			new.p_room = 0;
			for (i = 0; i < n; i++)
				new.p_room += new.p_segs[i].vs_in ?
				    new.p_segs[i].vs_len : 0;
			p[id] = new;
		} else if (used + n > SIZE) {
			ATF_REQUIRE_EQ(EAGAIN, virtq_add(&vq, new.p_segs, n,
			    &id));
			id = any_pending(p);
			used -= p[id].p_n;
			return_one(p, id, (uint16_t)done);
			done++;
			busy--;
		}
	}
	ATF_CHECK_MSG(done > UINT16_MAX, "only %u requests", done);
	ATF_CHECK_EQ(0, nlines);
	finish();
}

ATF_TC_WITHOUT_HEAD(bad_requests);
ATF_TC_BODY(bad_requests, tc)
{
	struct virtq_seg segs[SIZE + 1];
	unsigned i, id;

	boot();
	start(SIZE, false);
	for (i = 0; i < NITEMS(segs); i++)
		segs[i] = (struct virtq_seg){ 0x1000 * i, 16, false };
	ATF_CHECK_EQ(EINVAL, virtq_add(&vq, segs, 0, &id));
	ATF_CHECK_EQ(EINVAL, virtq_add(&vq, segs, SIZE + 1, &id));
	segs[1].vs_len = 0;
	ATF_CHECK_EQ(EINVAL, virtq_add(&vq, segs, 2, &id));
	segs[1].vs_len = 1;
	segs[0].vs_in = true;
	ATF_CHECK_EQ(EINVAL, virtq_add(&vq, segs, 2, &id));
	segs[1].vs_in = true;
	segs[0].vs_len = UINT32_MAX;
	ATF_CHECK_EQ(EINVAL, virtq_add(&vq, segs, 2, &id));
	ATF_CHECK_EQ(0, avail_index());
	ATF_CHECK_EQ(0, nlines);
	ATF_CHECK_EQ(0, virtq_add(&vq, segs, 1, &id));
	ATF_CHECK_EQ(1, avail_index());
	finish();
}

/*
 * A queue of 8 with two requests, 3 descriptors (16 bytes to be written) and
 * 2 (none).  => their first ones, and one that is not.
 */
static void
two_requests(unsigned ids[static 3])
{
	const struct virtq_seg segs[3] = {
		{ 0x1000, 16, false }, { 0x2000, 15, true },
		{ 0x3000, 1, true }
	};
	const struct virtq_seg out[2] = {
		{ 0x4000, 512, false }, { 0x5000, 512, false }
	};

	start(SIZE, false);
	ATF_REQUIRE_EQ(0, virtq_add(&vq, segs, 3, &ids[0]));
	ATF_REQUIRE_EQ(0, virtq_add(&vq, out, 2, &ids[1]));
	ids[2] = desc(ids[0]).next;
	nlines = 0;
}

/* The queue is of no use any more, which is said once. */
static void
is_broken(int line, const char *what)
{
	const struct virtq_seg seg = { 0x1000, 1, false };
	unsigned id;
	uint32_t len;

	ATF_CHECK_EQ_MSG(EIO, virtq_poll(&vq, &id, &len), "line %d", line);
	ATF_CHECK_EQ_MSG(1, nlines, "line %d: %u lines", line, nlines);
	ATF_CHECK_MSG(strncmp(lastline, "vio0: queue 3: the device ", 26) ==
	    0 && strstr(lastline, what) != NULL, "line %d: %s", line,
	    lastline);
	ATF_CHECK_EQ(EIO, virtq_poll(&vq, &id, &len));
	ATF_CHECK_EQ(EIO, virtq_wait(&vq, &id, &len, 10));
	ATF_CHECK_EQ(EIO, virtq_add(&vq, &seg, 1, &id));
	ATF_CHECK_EQ(1, nlines);
	finish();
}

#define	BROKEN(what)	is_broken(__LINE__, what)

ATF_TC_WITHOUT_HEAD(nonsense);
ATF_TC_BODY(nonsense, tc)
{
	static const uint32_t strange[] = { SIZE, 0xffff, 0x10000, 0x80000000,
	    UINT32_MAX };
	unsigned i, id, ids[3];
	uint32_t len;

	boot();
	for (i = 0; i < NITEMS(strange); i++) {
		two_requests(ids);
		model_return(0, strange[i], 0);
		BROKEN("returns what it does not have: ");
	}
	/* Not the first descriptor, or none that is in use. */
	two_requests(ids);
	model_return(0, ids[2], 0);
	BROKEN("returns what it does not have: ");
	two_requests(ids);
	model_return(0, SIZE - 1, 0);
	BROKEN("returns what it does not have: 7");
	/* Twice. */
	two_requests(ids);
	model_return(0, ids[0], 16);
	ATF_CHECK_EQ(0, virtq_poll(&vq, &id, &len));
	model_return(1, ids[0], 16);
	BROKEN("returns what it does not have: 0");
	/* Too many at once, or back in time. */
	two_requests(ids);
	used_entry_set(0, ids[0], 0);
	used_index_set(3);
	BROKEN("returns more than it has: 3");
	two_requests(ids);
	used_index_set(UINT16_MAX);
	BROKEN("returns more than it has: 65535");
	/* Longer than there is room. */
	two_requests(ids);
	model_return(0, ids[0], 17);
	BROKEN("says it wrote too many bytes: 17");
	two_requests(ids);
	model_return(0, ids[1], 1);
	BROKEN("says it wrote too many bytes: 1");
	two_requests(ids);
	model_return(0, ids[0], UINT32_MAX);
	BROKEN("says it wrote too many bytes: 4294967295");
}

/* It never answers. */
ATF_TC_WITHOUT_HEAD(silence);
ATF_TC_BODY(silence, tc)
{
	unsigned id, ids[3];
	uint64_t then;
	uint32_t len;

	boot();
	two_requests(ids);
	then = now;
	ATF_CHECK_EQ(ETIMEDOUT, virtq_wait(&vq, &id, &len, 250));
	ATF_CHECK(now - then >= 250000000 && now - then < 300000000);
	/* Late is not never. */
	model_return(0, ids[1], 0);
	ATF_CHECK_EQ(0, virtq_wait(&vq, &id, &len, 250));
	ATF_CHECK_EQ(ids[1], id);
	ATF_CHECK_EQ(0, nlines);
	finish();
}

/* Fill all that the device was given with random bytes. */
static void
scribble(void)
{
	static const unsigned size[VIRTQ_NPARTS] = {
		16 * SIZE, 6 + 2 * SIZE, 6 + 8 * SIZE
	};
	unsigned i, n, part;
	uint8_t *p;

	for (part = 0; part < VIRTQ_NPARTS; part++) {
		p = at((enum virtq_part)part, 0, size[part]);
		for (n = (unsigned)rand() % size[part]; n > 0; n--) {
			i = (unsigned)rand() % size[part];
			p[i] = (uint8_t)(rand() % 2 == 0 ? rand() % 4 :
			    rand());
		}
	}
}

/* Whatever it writes, what comes back was there, once. */
ATF_TC_WITHOUT_HEAD(random);
ATF_TC_BODY(random, tc)
{
	unsigned back = 0, broken = 0, id, n, round, step;
	struct virtq_seg segs[SIZE];
	uint32_t len, room[SIZE];
	int error;

	boot();
	srand(3);
	for (round = 0; round < 3000; round++) {
		start(SIZE, round % 2 == 0);
		memset(room, 0, sizeof(room));
		nlines = 0;
		for (step = 0; step < 20; step++) {
			n = request(segs, 3);
			if (virtq_add(&vq, segs, n, &id) == 0) {
				ATF_REQUIRE(id < SIZE && room[id] == 0);
				for (room[id] = 1; n > 0; n--)
					room[id] += segs[n - 1].vs_in ?
					    segs[n - 1].vs_len : 0;
			}
			if (rand() % 12 == 0)
				scribble();
			else if (rand() % 2 == 0)
				model_return(vq.vq_used,
				    (uint32_t)rand() % SIZE, 0);
			error = virtq_poll(&vq, &id, &len);
			if (error == 0) {
				ATF_REQUIRE(id < SIZE && len < room[id]);
				room[id] = 0;
				back++;
			}
		}
		broken += vq.vq_broken ? 1 : 0;
		ATF_REQUIRE_EQ(vq.vq_broken ? 1 : 0, nlines);
		finish();
	}
	ATF_CHECK_MSG(back > 1000 && broken > 1000, "%u came back, %u broken",
	    back, broken);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, layout);
	ATF_TP_ADD_TC(tp, memory);
	ATF_TP_ADD_TC(tp, requests);
	ATF_TP_ADD_TC(tp, bad_requests);
	ATF_TP_ADD_TC(tp, nonsense);
	ATF_TP_ADD_TC(tp, silence);
	ATF_TP_ADD_TC(tp, random);
	return (atf_no_error());
}
