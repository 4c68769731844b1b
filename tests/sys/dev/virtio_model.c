/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * A model of a machine with one legacy virtio device.
 */

#include <atf-c.h>

#include <sys/systm.h>

#include <machine/cpufunc.h>

#include <dev/mmio.h>
#include <dev/pci/pci.h>
#include <dev/pci/virtioreg.h>

#include "driver_model.h"
#include "virtio_model.h"

#define	BASE		0xc000
#define	NEXT		1
#define	WRITE		2

struct model model;

void
model_silent(void)
{
	unsigned maps, tags;

	ATF_CHECK(model.m_status == 0 || !model.m_master);
	bus_dma_usage(&tags, &maps);
	ATF_CHECK_EQ(0, tags);
	ATF_CHECK_EQ(0, maps);
	ATF_CHECK_MSG(!console_has("bus_dma: "), "%s", console);
	(void)free_frames();		/* audits */
}

/*
 * Configuration space.
 */

bool
pci_present(void)
{

	return (true);
}

void
pci_configure(void)
{
}

bool
pci_walk(bool (*function)(const struct pci_func *, void *), void *arg)
{
	const struct pci_func f = { .pf_dev = 3 };

	return (function(&f, arg));
}

uint32_t
pci_read(const struct pci_func *f, unsigned reg)
{

	(void)f;
	return (reg == PCI_ID ? VIRTIO_VENDOR | (uint32_t)model.m_device << 16
	    : 0);
}

int
pci_bar_read(const struct pci_func *f, unsigned i, struct pci_bar *bar)
{

	(void)f;
	*bar = (struct pci_bar){
		.pb_base = BASE, .pb_size = model.m_ports, .pb_io = true
	};
	return (i == 0 ? 0 : ENXIO);
}

void
pci_enable(const struct pci_func *f, uint16_t bits)
{

	(void)f;
	if ((bits & PCI_COMMAND_MASTER) != 0)
		model.m_master = true;
}

void
pci_disable(const struct pci_func *f, uint16_t bits)
{

	(void)f;
	if ((bits & PCI_COMMAND_MASTER) != 0)
		model.m_master = false;
}

/*
 * It has no registers in memory, and the machine no I/O MMU.
 */

bus_dma_tag_t	pci_dma_tag(const struct pci_func *);

bus_dma_tag_t
pci_dma_tag(const struct pci_func *f)
{

	(void)f;
	return (NULL);
}

void *
pci_mapdev(const struct pci_func *f, paddr_t pa, psize_t size)
{

	(void)f;
	atf_tc_fail("0x%jx bytes at 0x%jx are mapped", (uintmax_t)size,
	    (uintmax_t)pa);
}

uint32_t
mmio_read32(const volatile uint8_t *regs, unsigned reg)
{

	atf_tc_fail("0x%x of %p is read", reg, (const volatile void *)regs);
}

void
mmio_write32(volatile uint8_t *regs, unsigned reg, uint32_t v)
{

	atf_tc_fail("0x%x is written to 0x%x of %p", v, reg,
	    (volatile void *)regs);
}

/*
 * Ports.
 */

uint8_t
inb(uint16_t port)
{

	ATF_REQUIRE_EQ(BASE + LEGACY_STATUS, port);
	return (model.m_status);
}

void
outb(uint16_t port, uint8_t v)
{

	ATF_REQUIRE_EQ(BASE + LEGACY_STATUS, port);
	if (v != 0 || !model.m_stuck)
		model.m_status = v;
}

uint16_t
inw(uint16_t port)
{

	ATF_REQUIRE_EQ(BASE + LEGACY_QUEUE_SIZE, port);
	return (model.m_select < MODEL_QUEUES ?
	    model.m_size[model.m_select] : 0);
}

void
outw(uint16_t port, uint16_t v)
{

	if (port == BASE + LEGACY_QUEUE_SELECT)
		model.m_select = v;
	else {
		ATF_REQUIRE_EQ(BASE + LEGACY_NOTIFY, port);
		ATF_REQUIRE(v < MODEL_QUEUES);
		ATF_REQUIRE((model.m_status & VIRTIO_S_DRIVER_OK) != 0);
		if (model.m_notified != NULL)
			model.m_notified(v);
	}
}

uint32_t
inl(uint16_t port)
{
	unsigned at = port - BASE - LEGACY_CONFIG;
	uint32_t v;

	if (port == BASE + LEGACY_FEATURES)
		return (model.m_features);
	ATF_REQUIRE(at + sizeof(v) <= sizeof(model.m_config));
	memcpy(&v, model.m_config + at, sizeof(v));
	return (v);
}

void
outl(uint16_t port, uint32_t v)
{

	if (port == BASE + LEGACY_DRIVER_FEATURES) {
		ATF_CHECK_EQ(0, v & ~model.m_features);
		model.m_driver_features = v;
	} else {
		ATF_REQUIRE_EQ(BASE + LEGACY_QUEUE_PFN, port);
		ATF_REQUIRE(model.m_select < MODEL_QUEUES);
		model.m_pfn[model.m_select] = v;
	}
}

/*
 * Queues.
 */

static uint8_t *
at(uint64_t addr, uint64_t size)
{
	uint8_t *p = vm_md_phystov(addr, size);

	ATF_REQUIRE(model.m_master);
	ATF_REQUIRE_MSG(p != NULL, "no memory at 0x%jx", (uintmax_t)addr);
	return (p);
}

static uint64_t
avail_at(unsigned queue)
{

	return ((uint64_t)model.m_pfn[queue] * LEGACY_PAGE +
	    16U * model.m_size[queue]);
}

static uint64_t
used_at(unsigned queue)
{
	uint64_t end = avail_at(queue) + 6 + 2U * model.m_size[queue];

	return ((end + LEGACY_PAGE - 1) / LEGACY_PAGE * LEGACY_PAGE);
}

static uint16_t
get16(uint64_t addr)
{
	uint16_t v;

	memcpy(&v, at(addr, sizeof(v)), sizeof(v));
	return (v);
}

bool
model_next(unsigned queue, struct model_request *r)
{
	uint64_t table = (uint64_t)model.m_pfn[queue] * LEGACY_PAGE, addr;
	uint16_t i, flags;

	if (get16(avail_at(queue) + 2) == model.m_seen[queue])
		return (false);
	i = get16(avail_at(queue) + 4 +
	    2U * (model.m_seen[queue]++ % model.m_size[queue]));
	r->mr_id = i;
	r->mr_n = r->mr_out = 0;
	do {
		ATF_REQUIRE(i < model.m_size[queue] && r->mr_n < MODEL_SEGS);
		memcpy(&addr, at(table + 16U * i, 8), 8);
		memcpy(&r->mr_len[r->mr_n], at(table + 16U * i + 8, 4), 4);
		flags = get16(table + 16U * i + 12);
		r->mr_at[r->mr_n] = at(addr, r->mr_len[r->mr_n]);
		if ((flags & WRITE) == 0)
			r->mr_out = r->mr_n + 1;
		r->mr_n++;
		i = get16(table + 16U * i + 14);
	} while ((flags & NEXT) != 0);
	return (true);
}

void
model_done(unsigned queue, uint32_t id, uint32_t len)
{
	uint64_t entry = used_at(queue) + 4 +
	    8U * (model.m_used[queue]++ % model.m_size[queue]);

	memcpy(at(entry, 4), &id, 4);
	memcpy(at(entry + 4, 4), &len, 4);
	memcpy(at(used_at(queue) + 2, 2), &model.m_used[queue], 2);
}

void
model_copy(struct model_request *r, unsigned first, unsigned last,
    uint32_t from, void *buf, uint32_t len, bool to)
{
	uint8_t *p = buf;
	uint32_t n;

	for (; first < last && len > 0; first++) {
		if (from >= r->mr_len[first]) {
			from -= r->mr_len[first];
			continue;
		}
		n = r->mr_len[first] - from;
		if (n > len)
			n = len;
		if (to)
			memcpy(r->mr_at[first] + from, p, n);
		else
			memcpy(p, r->mr_at[first] + from, n);
		p += n;
		len -= n;
		from = 0;
	}
	ATF_REQUIRE_EQ(0, len);
}
