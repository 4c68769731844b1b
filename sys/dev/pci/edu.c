/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Driver of QEMU's educational PCI device: edu(4).  It moves data from many
 * buffers to the device and back, and compares what arrived.
 *
 * Source: [EDU] QEMU, docs/specs/edu.txt.
 *
 * The device reaches 28 bits of address, unless QEMU was told otherwise.  It
 * cannot be asked for that number, nor can one find it by trying: from an
 * address that has more bits it cuts them, and so reads and writes foreign
 * memory.  So the kernel has to be told, too, by the option edu.mask.  Lest
 * that be wrong, the device may write only to a buffer that it was seen to
 * read: each trip ends in the buffer where the one before it began, and the
 * first one in a buffer at the bottom of memory, where any device reaches.
 */

#include <sys/bus_dma.h>
#include <sys/device.h>
#include <sys/options.h>
#include <sys/systm.h>

#include <dev/device_report.h>
#include <dev/device_tag.h>
#include <dev/pci/edu_poke.h>
#include <dev/pci/pci.h>

#define	EDU_NAME	"edu0"

/* [EDU] "PCI specs". */
#define	EDU_VENDOR	0x1234
#define	EDU_DEVICE	0x11e8
#define	EDU_REGS_SIZE	0x100000

/* [EDU] "MMIO area spec": 32-bit registers below 0x80, 64-bit ones above. */
#define	EDU_ID		0x00
#define	 EDU_ID_MASK	0x0000ffffU	/* below the version, 0xRRrr */
#define	 EDU_ID_VALUE	0x000000edU
#define	EDU_LIVENESS	0x04
#define	EDU_FACTORIAL	0x08
#define	EDU_STATUS	0x20
#define	 EDU_COMPUTING	0x01
#define	EDU_DMA_SRC	0x80
#define	EDU_DMA_DST	0x88
#define	EDU_DMA_COUNT	0x90
#define	EDU_DMA_CMD	0x98
#define	 EDU_DMA_START	0x01
#define	 EDU_DMA_TO_RAM	0x02

/*
 * [EDU] "DMA controller": memory of the device, as it addresses it.  There
 * are 4096 bytes, but QEMU before version 8.0 takes a transfer that ends with
 * the last one for one beyond the end, and aborts: edu_check_range().
 */
#define	EDU_BUF		0x40000U
#define	EDU_BUF_SIZE	4095U

#define	EDU_SAFE_MAX	0x00ffffffU	/* of the first that is written */

/* Limits of waiting, in ms: the host may be late by seconds. */
#define	WAIT_DMA	20000		/* it takes 100 */
#define	WAIT_FACTORIAL	20000

/* Buffers: two pages each, so that transfers also cross from page to page. */
#define	NBUF		8
#define	BUF_SIZE	8192U

static bus_dma_tag_t edu_tag, edu_safe_tag;
static struct pci_func edu_func;
static volatile uint8_t *edu_regs;
static uint64_t edu_moved;		/* bytes, in this job */
static struct device_figures edu_figures = {
	.df_name = EDU_NAME,
	.df_align = VM_PAGE_SIZE,
	.df_contig = BUF_SIZE,
};

/* Memory that the device can be told to use. */
struct buffer {
	bus_dma_tag_t	b_tag;
	bus_dma_segment_t b_seg;
	uint8_t		*b_kva;
	bus_dmamap_t	b_map;		/* not loaded */
};

/* A transfer to the device and back. */
struct trip {
	unsigned	t_size;		/* bytes */
	unsigned	t_from;		/* where in the buffer they start */
	unsigned	t_to;		/* where in the other they arrive */
	unsigned	t_edu;		/* where in the device they rest */
};

/*
 * Sizes, places that are aligned and not, a page crossed on one side and on
 * the other, all of the device's memory and only its end.  The first NBUF
 * tell by what they bring back whether their buffer was read: they must be
 * long enough not to be right by chance.
 */
static const struct trip trips[] = {
	{ 4095,    0,    0,    0 },
	{ 4095, 2048, 4096,    0 },
	{ 4094,    1, 4097,    1 },
	{  512, 3840,  100, 3583 },
	{ 1000,    7, 3600,   96 },
	{ 2048, 4096, 6144, 2047 },
	{   64, 8128, 4064,    8 },
	{  100, 4090,    0, 3995 },
	{    1, 4095, 8191, 4094 },
};

static uint32_t
read32(unsigned reg)
{

	return (*(volatile uint32_t *)(uintptr_t)(edu_regs + reg));
}

static void
write32(unsigned reg, uint32_t v)
{

	*(volatile uint32_t *)(uintptr_t)(edu_regs + reg) = v;
}

static uint64_t
read64(unsigned reg)
{

	return (*(volatile uint64_t *)(uintptr_t)(edu_regs + reg));
}

static void
write64(unsigned reg, uint64_t v)
{

	*(volatile uint64_t *)(uintptr_t)(edu_regs + reg) = v;
}

/*
 * Does something behind the registers work at all?
 */
static bool
alive(void)
{
	const uint32_t v = 0x2545f491;

	write32(EDU_LIVENESS, v);
	return (read32(EDU_LIVENESS) == ~v);
}

/*
 * Have the device compute n!.  => 0 or ETIMEDOUT.
 */
static int
factorial(uint32_t n, uint32_t *result)
{
	uint64_t end = nanotime() + (uint64_t)WAIT_FACTORIAL * 1000000;

	write32(EDU_FACTORIAL, n);
	while ((read32(EDU_STATUS) & EDU_COMPUTING) != 0) {
		if (nanotime() > end)
			return (ETIMEDOUT);
		delay(100);
	}
	*result = read32(EDU_FACTORIAL);
	return (0);
}

/*
 * One transfer between len bytes at addr and the device's memory at edu.
 * => 0; ETIMEDOUT: the device is kept off memory from then on.
 */
static int
transfer(bus_addr_t addr, bus_size_t len, unsigned edu, bool to_ram)
{
	uint64_t end = nanotime() + (uint64_t)WAIT_DMA * 1000000;

	write64(EDU_DMA_SRC, to_ram ? EDU_BUF + edu : addr);
	write64(EDU_DMA_DST, to_ram ? addr : EDU_BUF + edu);
	write64(EDU_DMA_COUNT, len);
	write64(EDU_DMA_CMD, EDU_DMA_START | (to_ram ? EDU_DMA_TO_RAM : 0));
	while ((read64(EDU_DMA_CMD) & EDU_DMA_START) != 0) {
		if (nanotime() > end) {
			pci_disable(&edu_func, PCI_COMMAND_MASTER);
			return (ETIMEDOUT);
		}
		delay(1000);
	}
	edu_moved += len;
	return (0);
}

/*
 * The same for a part of a buffer, through its map, segment by segment.
 */
static int
move(struct buffer *b, unsigned offset, unsigned size, unsigned edu,
    bool to_ram)
{
	bus_dmamap_t map = b->b_map;
	int error, i;

	if ((error = bus_dmamap_load(b->b_tag, map, b->b_kva + offset, size,
	    NULL, BUS_DMA_NOWAIT)) != 0)
		return (error);
	bus_dmamap_sync(b->b_tag, map, 0, size,
	    to_ram ? BUS_DMASYNC_PREREAD : BUS_DMASYNC_PREWRITE);
	for (i = 0; i < map->dm_nsegs && error == 0; i++) {
		error = transfer(map->dm_segs[i].ds_addr,
		    map->dm_segs[i].ds_len, edu, to_ram);
		edu += (unsigned)map->dm_segs[i].ds_len;
	}
	bus_dmamap_sync(b->b_tag, map, 0, size,
	    to_ram ? BUS_DMASYNC_POSTREAD : BUS_DMASYNC_POSTWRITE);
	bus_dmamap_unload(b->b_tag, map);
	return (error);
}

/*
 * What byte i of a pattern is: no two patterns agree at many places, and
 * none agrees with itself moved.
 */
static uint8_t
pattern(unsigned seed, unsigned i)
{
	uint32_t x = (i + 1) * 2654435761U ^ seed * 0x9e3779b9U;

	return ((uint8_t)(x >> 24 ^ x >> 11));
}

/*
 * From a buffer to the device and back to another; compare.
 * => 0, or an error after one line on the console.
 */
static int
round_trip(const struct trip *t, struct buffer *from, struct buffer *to,
    unsigned seed)
{
	unsigned bad = 0, first = 0, i;
	int error;

	for (i = 0; i < t->t_size; i++)
		from->b_kva[t->t_from + i] = pattern(seed, i);
	memset(to->b_kva, (uint8_t)~pattern(seed, 0), BUF_SIZE);
	if ((error = move(from, t->t_from, t->t_size, t->t_edu, false)) != 0 ||
	    (error = move(to, t->t_to, t->t_size, t->t_edu, true)) != 0) {
		printf(EDU_NAME ": transfer of %u bytes from 0x%jx to 0x%jx: "
		    "%s\n", t->t_size,
		    (uintmax_t)from->b_seg.ds_addr + t->t_from,
		    (uintmax_t)to->b_seg.ds_addr + t->t_to,
		    errno_name(error));
		return (error);
	}
	for (i = t->t_size; i-- > 0;) {
		if (to->b_kva[t->t_to + i] == pattern(seed, i))
			continue;
		first = i;
		bad++;
	}
	if (bad == 0)
		return (0);
	printf(EDU_NAME ": %u of %u bytes differ after 0x%jx to 0x%jx, the "
	    "first at %u\n", bad, t->t_size,
	    (uintmax_t)from->b_seg.ds_addr + t->t_from,
	    (uintmax_t)to->b_seg.ds_addr + t->t_to, first);
	return (EIO);
}

/*
 * A buffer, mapped, and an empty map for it.
 * => 0, or an error after one line on the console.
 */
static int
buffer_get(struct buffer *b, bus_dma_tag_t tag)
{
	void *kva;
	int error, nsegs;

	b->b_tag = tag;
	if ((error = bus_dmamem_alloc(tag, BUF_SIZE, VM_PAGE_SIZE, 0,
	    &b->b_seg, 1, &nsegs, BUS_DMA_NOWAIT)) != 0) {
		device_lacks_dma(EDU_NAME, error, "buffer", tag, BUF_SIZE,
		    VM_PAGE_SIZE, 0);
		return (error);
	}
	if ((error = bus_dmamem_map(tag, &b->b_seg, nsegs, BUF_SIZE, &kva,
	    BUS_DMA_NOWAIT)) == 0) {
		error = bus_dmamap_create(tag, EDU_BUF_SIZE, 2, EDU_BUF_SIZE,
		    0, BUS_DMA_NOWAIT, &b->b_map);
		if (error != 0)
			bus_dmamem_unmap(tag, kva, BUF_SIZE);
	}
	if (error != 0) {
		device_lacks(EDU_NAME, error, "map for a buffer");
		bus_dmamem_free(tag, &b->b_seg, nsegs);
		return (error);
	}
	b->b_kva = kva;
	return (0);
}

static void
buffer_put(struct buffer *b)
{

	bus_dmamap_destroy(b->b_tag, b->b_map);
	bus_dmamem_unmap(b->b_tag, b->b_kva, BUF_SIZE);
	bus_dmamem_free(b->b_tag, &b->b_seg, 1);
}

/*
 * All trips, each from the next buffer to the one before it.
 */
static int
make_trips(struct buffer *bufs, struct buffer *safe, unsigned *bytes)
{
	struct buffer *to = safe, *from;
	unsigned i;
	int error;

	for (i = 0; i < NITEMS(trips); i++) {
		from = &bufs[i % NBUF];
		if ((error = round_trip(&trips[i], from, to, i)) != 0)
			return (error);
		*bytes += trips[i].t_size;
		to = from;
	}
	return (0);
}

static void
print_success(const struct buffer *bufs, unsigned bytes)
{
	char line[NBUF * 20];
	size_t len = 0;
	unsigned i;

	for (i = 0; i < NBUF; i++)
		len += (size_t)snprintf(line + len, sizeof(line) - len,
		    " 0x%jx", (uintmax_t)bufs[i].b_seg.ds_addr);
	printf(EDU_NAME ": %u bytes there and back, memory at%s, ok\n",
	    bytes, line);
}

/*
 * All buffers, each from where there is memory now.
 * => 0, or an error after one line: then there are none.
 */
static int
buffers_get(struct buffer *bufs, struct buffer *safe)
{
	unsigned n = 0;
	int error;

	if ((error = buffer_get(safe, edu_safe_tag)) != 0)
		return (error);
	while (n < NBUF && (error = buffer_get(&bufs[n], edu_tag)) == 0)
		n++;
	if (error == 0)
		return (0);
	while (n > 0)
		buffer_put(&bufs[--n]);
	buffer_put(safe);
	return (error);
}

static void
buffers_put(struct buffer *bufs, struct buffer *safe)
{
	unsigned i;

	for (i = 0; i < NBUF; i++)
		buffer_put(&bufs[i]);
	buffer_put(safe);
}

/*
 * What worked keeps its buffers, as a driver at work does, until the next
 * time.
 */
static int
edu_job(void)
{
	static struct buffer bufs[NBUF], safe;
	static bool kept;
	unsigned bytes = 0;
	int error;

	if (kept)
		buffers_put(bufs, &safe);
	kept = false;
	edu_moved = 0;
	if ((error = buffers_get(bufs, &safe)) != 0)
		return (error);
	if ((error = make_trips(bufs, &safe, &bytes)) != 0) {
		buffers_put(bufs, &safe);
		return (error);
	}
	kept = true;
	print_success(bufs, bytes);
	device_report(&edu_figures, edu_moved);
	return (option_number(OPT_IOMMU_POKE) != 0 ?
	    edu_poke(edu_tag, transfer) : 0);
}

/*
 * Find the registers and map them.  => 0, or an error after one line.
 */
static int
map_registers(void)
{
	struct pci_bar bar;
	int error;

	if ((error = pci_bar_read(&edu_func, 0, &bar)) != 0) {
		printf(EDU_NAME ": base address register 0: %s\n",
		    errno_name(error));
		return (error);
	}
	if (bar.pb_io || bar.pb_size < EDU_REGS_SIZE) {
		printf(EDU_NAME ": base address register 0: 0x%jx bytes of "
		    "%s\n", (uintmax_t)bar.pb_size,
		    bar.pb_io ? "ports" : "memory");
		return (ENODEV);
	}
	edu_regs = pci_mapdev(&edu_func, bar.pb_base, EDU_REGS_SIZE);
	if (edu_regs == NULL) {
		printf(EDU_NAME ": registers at 0x%jx cannot be mapped\n",
		    (uintmax_t)bar.pb_base);
		return (ENOMEM);
	}
	pci_enable(&edu_func, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	return (0);
}

/*
 * Is it the device that we know, and does it work?
 */
static int
identify(void)
{
	const uint32_t n = 10, want = 3628800;	/* 10! */
	uint32_t id, got = 0;
	int error;

	id = read32(EDU_ID);
	if ((id & EDU_ID_MASK) != EDU_ID_VALUE) {
		printf(EDU_NAME ": unknown identification 0x%08x\n", id);
		return (ENODEV);
	}
	if (!alive()) {
		printf(EDU_NAME ": does not answer\n");
		return (EIO);
	}
	error = factorial(n, &got);
	if (error != 0 || got != want) {
		printf(EDU_NAME ": %u! is said to be %u: %s\n", n, got,
		    errno_name(error != 0 ? error : EIO));
		return (error != 0 ? error : EIO);
	}
	printf(EDU_NAME " at pci %u:%u.%u: version %u.%u, %u! = %u\n",
	    edu_func.pf_bus, edu_func.pf_dev, edu_func.pf_func, id >> 24,
	    id >> 16 & 0xff, n, got);
	return (0);
}

/*
 * What it reaches, as the kernel was told.
 * => 0, or an error after one line.
 */
static int
tags_create(void)
{
	bus_addr_t mask = option_number(OPT_EDU_MASK);
	int error;

	if ((mask & (mask + 1)) != 0 || mask < VM_PAGE_SIZE) {
		printf(EDU_NAME ": edu.mask 0x%jx is not all of the lowest "
		    "bits, or too few\n", (uintmax_t)mask);
		return (EINVAL);
	}
	if ((error = device_tag(pci_dma_tag(&edu_func), EDU_NAME, mask, 1,
	    &edu_tag)) != 0)
		return (error);
	if ((error = device_tag(edu_tag, EDU_NAME, EDU_SAFE_MAX, 1,
	    &edu_safe_tag)) != 0)
		bus_dmatag_destroy(edu_tag);
	edu_figures.df_tag = edu_tag;
	edu_figures.df_max = mask;
	return (error);
}

static int
edu_attach(void)
{
	int error;

	if (!pci_find(EDU_VENDOR, EDU_DEVICE, &edu_func))
		return (ENXIO);
	if ((error = map_registers()) != 0)
		return (error);
	if ((error = identify()) != 0 || (error = tags_create()) != 0)
		pci_disable(&edu_func, PCI_COMMAND_MASTER);
	return (error);
}

const struct device_driver edu_driver = {
	.dd_name = "edu",
	.dd_attach = edu_attach,
	.dd_job = edu_job,
};
