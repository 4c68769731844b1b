/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Virtio over PCI.
 *
 * Source: [VIRTIO] Virtual I/O Device (VIRTIO) Version 1.1, OASIS, section
 * 4.1.
 *
 * A device that has the capabilities of modern ones is used that way, even if
 * it is transitional: then queues may lie anywhere, and each of their parts by
 * itself.  Any other transitional device has the legacy interface, in ports.
 */

#include <sys/systm.h>

#include <machine/cpufunc.h>

#include <dev/device_tag.h>
#include <dev/mmio.h>
#include <dev/pci/virtio_pci.h>
#include <dev/pci/virtioreg.h>

#define	WAIT_RESET	1000		/* ms */
#define	MODERN_QUEUE	256		/* descriptors are enough */
#define	DEVICE_MAX	4096U		/* so much configuration is mapped */
#define	CONFIG_TRIES	100

/*
 * Registers.
 */

static uint8_t
common8(const struct virtio_pci *vp, unsigned reg)
{

	return (vp->vp_common[reg]);
}

static uint16_t
common16(const struct virtio_pci *vp, unsigned reg)
{

	return (*(volatile uint16_t *)(uintptr_t)(vp->vp_common + reg));
}

static void
common16_set(const struct virtio_pci *vp, unsigned reg, uint16_t v)
{

	*(volatile uint16_t *)(uintptr_t)(vp->vp_common + reg) = v;
}

static uint32_t
common32(const struct virtio_pci *vp, unsigned reg)
{

	return (mmio_read32(vp->vp_common, reg));
}

static void
common32_set(const struct virtio_pci *vp, unsigned reg, uint32_t v)
{

	mmio_write32(vp->vp_common, reg, v);
}

/* 4.1.3.1: 64 bits are written as two halves. */
static void
common64_set(const struct virtio_pci *vp, unsigned reg, uint64_t v)
{

	common32_set(vp, reg, (uint32_t)v);
	common32_set(vp, reg + 4, (uint32_t)(v >> 32));
}

static uint16_t
port(const struct virtio_pci *vp, unsigned reg)
{

	return ((uint16_t)(vp->vp_port + reg));
}

static uint8_t
status(const struct virtio_pci *vp)
{

	return (vp->vp_legacy ? inb(port(vp, LEGACY_STATUS)) :
	    common8(vp, COMMON_STATUS));
}

static void
status_set(const struct virtio_pci *vp, uint8_t v)
{

	if (vp->vp_legacy)
		outb(port(vp, LEGACY_STATUS), v);
	else
		vp->vp_common[COMMON_STATUS] = v;
}

/*
 * reset: => 0 or ETIMEDOUT.
 */
static int
reset(const struct virtio_pci *vp)
{
	uint64_t end = nanotime() + (uint64_t)WAIT_RESET * 1000000;

	status_set(vp, 0);
	while (status(vp) != 0) {
		if (nanotime() > end)
			return (ETIMEDOUT);
		delay(100);
	}
	return (0);
}

/*
 * Finding devices.
 */

struct list {
	unsigned	l_type;
	struct pci_func	*l_funcs;
	unsigned	l_n;
	unsigned	l_max;
};

static bool
is_type(uint32_t id, unsigned type)
{
	unsigned device = id >> 16;

	return ((id & 0xffff) == VIRTIO_VENDOR &&
	    (device == VIRTIO_DEVICE(type) ||
	    (type == VIRTIO_TYPE_NET && device == VIRTIO_TRANS_NET) ||
	    (type == VIRTIO_TYPE_BLK && device == VIRTIO_TRANS_BLK)));
}

static bool
list_one(const struct pci_func *f, void *arg)
{
	struct list *l = arg;

	if (is_type(pci_read(f, PCI_ID), l->l_type))
		l->l_funcs[l->l_n++] = *f;
	return (l->l_n == l->l_max);
}

unsigned
virtio_pci_list(unsigned type, struct pci_func *funcs, unsigned max)
{
	struct list l = { type, funcs, 0, max };

	if (!pci_present())
		return (0);
	pci_configure();
	(void)pci_walk(list_one, &l);
	return (l.l_n);
}

/*
 * Attaching.
 */

static int
map_legacy(struct virtio_pci *vp)
{
	struct pci_bar bar;

	if (pci_bar_read(&vp->vp_func, 0, &bar) != 0 || !bar.pb_io ||
	    bar.pb_size < LEGACY_CONFIG ||
	    bar.pb_base + bar.pb_size > UINT16_MAX + 1) {
		printf("%s: base address register 0 is of no use\n",
		    vp->vp_name);
		return (ENODEV);
	}
	vp->vp_legacy = true;
	vp->vp_port = (uint16_t)bar.pb_base;
	vp->vp_devlen = (uint32_t)bar.pb_size - LEGACY_CONFIG;
	pci_enable(&vp->vp_func, PCI_COMMAND_IO);
	return (0);
}

static int
map_modern(struct virtio_pci *vp)
{
	const struct virtio_region *dev = &vp->vp_caps.vc_device;

	vp->vp_devlen = dev->vr_length < DEVICE_MAX ? dev->vr_length :
	    DEVICE_MAX;
	vp->vp_common = pci_mapdev(&vp->vp_func,
	    vp->vp_caps.vc_common.vr_addr, COMMON_SIZE);
	if (vp->vp_devlen != 0)
		vp->vp_device = pci_mapdev(&vp->vp_func, dev->vr_addr,
		    vp->vp_devlen);
	if (vp->vp_common == NULL ||
	    (vp->vp_devlen != 0 && vp->vp_device == NULL)) {
		printf("%s: registers at 0x%jx cannot be mapped\n",
		    vp->vp_name, (uintmax_t)vp->vp_caps.vc_common.vr_addr);
		return (ENOMEM);
	}
	pci_enable(&vp->vp_func, PCI_COMMAND_MEM);
	return (0);
}

static int
map_registers(struct virtio_pci *vp)
{
	uint32_t id = pci_read(&vp->vp_func, PCI_ID);

	switch (virtio_caps_read(&vp->vp_func, vp->vp_name, &vp->vp_caps)) {
	case 0:
		return (map_modern(vp));
	case ENOENT:
		if (id >> 16 < VIRTIO_DEVICE(0))
			return (map_legacy(vp));
		printf("%s: no capabilities\n", vp->vp_name);
		return (ENODEV);
	default:
		return (ENODEV);
	}
}

static uint64_t
features_offered(const struct virtio_pci *vp)
{
	uint64_t f;

	if (vp->vp_legacy)
		return (inl(port(vp, LEGACY_FEATURES)));
	common32_set(vp, COMMON_DEVICE_SELECT, 0);
	f = common32(vp, COMMON_DEVICE_FEATURES);
	common32_set(vp, COMMON_DEVICE_SELECT, 1);
	return (f | (uint64_t)common32(vp, COMMON_DEVICE_FEATURES) << 32);
}

/*
 * negotiate: 3.1.1.  A device that goes by the platform's rules for addresses
 * gets them: they come from bus_dma(9).
 */
static int
negotiate(struct virtio_pci *vp, uint64_t wanted)
{
	uint64_t offered = features_offered(vp);

	if (vp->vp_legacy) {
		vp->vp_features = offered & wanted & UINT32_MAX;
		outl(port(vp, LEGACY_DRIVER_FEATURES),
		    (uint32_t)vp->vp_features);
		return (0);
	}
	vp->vp_features = offered &
	    (wanted | VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM);
	common32_set(vp, COMMON_DRIVER_SELECT, 0);
	common32_set(vp, COMMON_DRIVER_FEATURES, (uint32_t)vp->vp_features);
	common32_set(vp, COMMON_DRIVER_SELECT, 1);
	common32_set(vp, COMMON_DRIVER_FEATURES,
	    (uint32_t)(vp->vp_features >> 32));
	status_set(vp, status(vp) | VIRTIO_S_FEATURES_OK);
	if ((offered & VIRTIO_F_VERSION_1) != 0 &&
	    (status(vp) & VIRTIO_S_FEATURES_OK) != 0)
		return (0);
	printf("%s: features 0x%jx of 0x%jx are refused\n", vp->vp_name,
	    (uintmax_t)vp->vp_features, (uintmax_t)offered);
	return (ENODEV);
}

static int
make_tags(struct virtio_pci *vp)
{
	bus_addr_t last = vp->vp_legacy ? LEGACY_ADDR_MAX : BUS_ADDR_MAX;
	bus_dma_tag_t parent = NULL;
	int error;

	/* Without that feature the device goes around an I/O MMU. */
	if ((vp->vp_features & VIRTIO_F_ACCESS_PLATFORM) != 0)
		parent = pci_dma_tag(&vp->vp_func);
	if ((error = device_tag(parent, vp->vp_name, BUS_ADDR_MAX, 1,
	    &vp->vp_tag)) != 0)
		return (error);
	if ((error = device_tag(vp->vp_tag, vp->vp_name, last, 1,
	    &vp->vp_qtag)) != 0)
		bus_dmatag_destroy(vp->vp_tag);
	return (error);
}

int
virtio_pci_attach(struct virtio_pci *vp, const struct pci_func *f,
    const char *name, uint64_t wanted)
{
	int error;

	memset(vp, 0, sizeof(*vp));
	vp->vp_func = *f;
	vp->vp_name = name;
	if ((error = map_registers(vp)) != 0)
		return (error);
	if ((error = reset(vp)) != 0) {
		printf("%s: cannot be reset: %s\n", name, errno_name(error));
		return (EIO);
	}
	status_set(vp, VIRTIO_S_ACKNOWLEDGE);
	status_set(vp, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	if ((error = negotiate(vp, wanted)) != 0 ||
	    (error = make_tags(vp)) != 0)
		status_set(vp, VIRTIO_S_FAILED);
	return (error);
}

void
virtio_pci_detach(struct virtio_pci *vp)
{

	bus_dmatag_destroy(vp->vp_qtag);
	bus_dmatag_destroy(vp->vp_tag);
}

/*
 * Queues.
 */

/*
 * queue_legacy: 4.1.5.1.3.  The size is the device's alone.
 */
static int
queue_legacy(struct virtio_pci *vp, unsigned index, struct virtqueue *vq)
{
	int error;

	outw(port(vp, LEGACY_QUEUE_SELECT), (uint16_t)index);
	error = virtq_alloc(vq, vp->vp_qtag, vp->vp_name, index,
	    inw(port(vp, LEGACY_QUEUE_SIZE)), true);
	if (error != 0)
		return (error == EINVAL ? ENODEV : error);
	outl(port(vp, LEGACY_QUEUE_PFN),
	    (uint32_t)(virtq_addr(vq, VIRTQ_DESC) / LEGACY_PAGE));
	return (0);
}

/*
 * map_notify: a queue's register by which the device is told.
 */
static int
map_notify(struct virtio_pci *vp, struct virtqueue *vq)
{
	uint16_t offset = common16(vp, COMMON_QUEUE_NOTIFY);
	uint64_t at = virtio_caps_notify(&vp->vp_caps, offset);

	if (at == 0) {
		printf("%s: queue %u: notification at %u * %u is outside its "
		    "0x%x bytes\n", vp->vp_name, vq->vq_index, offset,
		    vp->vp_caps.vc_notify_mult,
		    vp->vp_caps.vc_notify.vr_length);
		return (ENODEV);
	}
	vq->vq_notify = pci_mapdev(&vp->vp_func, at, sizeof(uint16_t));
	if (vq->vq_notify != NULL)
		return (0);
	printf("%s: registers at 0x%jx cannot be mapped\n", vp->vp_name,
	    (uintmax_t)at);
	return (ENOMEM);
}

/*
 * queue_modern: 4.1.5.1.3.  The size may be made smaller.
 */
static int
queue_modern(struct virtio_pci *vp, unsigned index, struct virtqueue *vq)
{
	unsigned size;
	int error;

	common16_set(vp, COMMON_QUEUE_SELECT, (uint16_t)index);
	size = index < common16(vp, COMMON_NUM_QUEUES) ?
	    common16(vp, COMMON_QUEUE_SIZE) : 0;
	if (size > MODERN_QUEUE && size <= VIRTQ_MAX)
		size = MODERN_QUEUE;
	error = virtq_alloc(vq, vp->vp_qtag, vp->vp_name, index, size, false);
	if (error != 0)
		return (error == EINVAL ? ENODEV : error);
	if ((error = map_notify(vp, vq)) != 0) {
		virtq_free(vq);
		return (error);
	}
	common16_set(vp, COMMON_QUEUE_SIZE, (uint16_t)size);
	common64_set(vp, COMMON_QUEUE_DESC, virtq_addr(vq, VIRTQ_DESC));
	common64_set(vp, COMMON_QUEUE_AVAIL, virtq_addr(vq, VIRTQ_AVAIL));
	common64_set(vp, COMMON_QUEUE_USED, virtq_addr(vq, VIRTQ_USED));
	common16_set(vp, COMMON_QUEUE_ENABLE, 1);
	return (0);
}

int
virtio_pci_queue(struct virtio_pci *vp, unsigned index, struct virtqueue *vq)
{

	return (vp->vp_legacy ? queue_legacy(vp, index, vq) :
	    queue_modern(vp, index, vq));
}

void
virtio_pci_notify(struct virtio_pci *vp, const struct virtqueue *vq)
{

	if (vp->vp_legacy)
		outw(port(vp, LEGACY_NOTIFY), (uint16_t)vq->vq_index);
	else
		*vq->vq_notify = (uint16_t)vq->vq_index;
}

void
virtio_pci_start(struct virtio_pci *vp)
{

	pci_enable(&vp->vp_func, PCI_COMMAND_MASTER);
	status_set(vp, status(vp) | VIRTIO_S_DRIVER_OK);
}

/*
 * A device that does not even let itself be reset may not be master of the
 * bus any more.
 */
void
virtio_pci_stop(struct virtio_pci *vp)
{

	(void)reset(vp);
	pci_disable(&vp->vp_func, PCI_COMMAND_MASTER);
}

/*
 * The device's own configuration.
 */

static void
config_read(struct virtio_pci *vp, unsigned offset, uint8_t *buf, unsigned len)
{
	uint32_t v = 0;
	unsigned i;

	for (i = 0; i < len; i++) {
		if (i % 4 != 0)
			v >>= 8;
		else if (vp->vp_legacy)
			v = inl(port(vp, LEGACY_CONFIG + offset + i));
		else
			v = mmio_read32(vp->vp_device, offset + i);
		buf[i] = (uint8_t)v;
	}
}

/*
 * 2.4.1: what was read while the generation changed is torn.
 */
int
virtio_pci_config(struct virtio_pci *vp, unsigned offset, void *buf,
    unsigned len)
{
	uint8_t before;
	unsigned i;

	if (offset > vp->vp_devlen ||
	    ((len + 3) & ~3U) > vp->vp_devlen - offset) {
		printf("%s: configuration ends at %u, %u is needed\n",
		    vp->vp_name, vp->vp_devlen, offset + len);
		return (ENODEV);
	}
	if (vp->vp_legacy) {
		config_read(vp, offset, buf, len);
		return (0);
	}
	for (i = 0; i < CONFIG_TRIES; i++) {
		before = common8(vp, COMMON_GENERATION);
		config_read(vp, offset, buf, len);
		if (common8(vp, COMMON_GENERATION) == before)
			return (0);
	}
	printf("%s: configuration changes all the time\n", vp->vp_name);
	return (ENODEV);
}

void
virtio_pci_report(struct virtio_pci *vp, const struct virtqueue *vq,
    uint64_t bytes)
{
	struct device_figures *df = &vp->vp_figures;

	df->df_name = vp->vp_name;
	df->df_tag = vp->vp_tag;
	df->df_max = vp->vp_legacy ? LEGACY_ADDR_MAX : BUS_ADDR_MAX;
	df->df_align = vp->vp_legacy ? LEGACY_PAGE : VIRTQ_ALIGN;
	df->df_contig = virtq_contig(vq);
	device_report(df, bytes);
}
