/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Driver of Intel's 82545EM and 82540EM network controllers: e1000(4).  It
 * sends frames of every length to itself and looks at every byte that comes.
 *
 * Source: [SDM] Intel PCI/PCI-X Family of Gigabit Ethernet Controllers
 * Software Developer's Manual, 317453; [802.3] IEEE 802.3, clause 22.
 *
 * The PHY turns around what is sent, so the whole of the controller takes
 * part.  A frame is sent from two to four pieces that lie in different pages
 * at odd addresses, and received in as many buffers of 512 bytes as it needs.
 *
 * The 82540EM, which is programmed in the same way, is left alone unless the
 * driver is required: QEMU gives one to every PC, and takes a second until it
 * receives.
 */

#include <sys/device.h>
#include <sys/options.h>
#include <sys/systm.h>

#include <dev/cksum.h>
#include <dev/device_report.h>
#include <dev/device_tag.h>
#include <dev/dmabuf.h>
#include <dev/mmio.h>
#include <dev/pci/pci.h>

/* [SDM] 5.2: PCI identifiers. */
#define	VENDOR_INTEL	0x8086
#define	REGS_SIZE	0x20000U	/* 4.1: all of them */

/* [SDM] 13.3: registers. */
#define	R_CTRL		0x0000
#define	 CTRL_FD	0x00000001U	/* full duplex */
#define	 CTRL_SLU	0x00000040U	/* set link up */
#define	 CTRL_1000	0x00000200U
#define	 CTRL_FRCSPD	0x00000800U
#define	 CTRL_FRCDPX	0x00001000U
#define	 CTRL_RST	0x04000000U
#define	R_STATUS	0x0008
#define	R_MDIC		0x0020
#define	 MDIC_REG(n)	((uint32_t)(n) << 16)
#define	 MDIC_PHY	(1U << 21)	/* the only one */
#define	 MDIC_WRITE	(1U << 26)
#define	 MDIC_READY	(1U << 28)
#define	 MDIC_ERROR	(1U << 30)
#define	R_IMC		0x00d8
#define	R_RCTL		0x0100
#define	 RCTL_EN	0x00000002U
#define	 RCTL_512	0x00020000U	/* buffers of 512 bytes */
#define	 RCTL_SECRC	0x04000000U	/* no checksum in memory */
#define	R_TCTL		0x0400
#define	 TCTL_EN	0x00000002U
#define	 TCTL_PSP	0x00000008U
#define	 TCTL_CT	(0x0fU << 4)	/* 13.4.33: as recommended there */
#define	 TCTL_COLD	(0x40U << 12)
#define	R_TIPG		0x0410
#define	 TIPG_COPPER	(10U | 8U << 10 | 6U << 20)	/* 13.4.34 */
#define	R_RX		0x2800		/* the two rings' registers */
#define	R_TX		0x3800
#define	 RING_BAL	0x00
#define	 RING_BAH	0x04
#define	 RING_LEN	0x08
#define	 RING_HEAD	0x10
#define	 RING_TAIL	0x18
#define	R_RAL		0x5400
#define	R_RAH		0x5404

/* [802.3] 22.2.4.1: the PHY's control register. */
#define	BMCR		0
#define	 BMCR_LOOP	0x4000U
#define	 BMCR_FD	0x0100U
#define	 BMCR_1000	0x0040U

/*
 * [SDM] 3.2.6, 3.4: rings begin at a multiple of 16 bytes and have a multiple
 * of 128.  That none crosses 64 KiB is an erratum of the older controllers of
 * the family, which costs nothing to heed.
 */
#define	RING_ALIGN	16U
#define	RING_BOUNDARY	0x10000U
#define	NDESC		32U
#define	RING_SIZE	(NDESC * sizeof(struct desc))

/* [SDM] 3.2.3, 3.3.3: descriptors of either kind. */
struct desc {
	uint64_t	addr;
	uint16_t	len;
	uint8_t		cso;		/* receive: checksum */
	uint8_t		cmd;
	uint8_t		status;
	uint8_t		errors;
	uint16_t	special;
};

#define	CMD_EOP		0x01
#define	CMD_IFCS	0x02		/* append the checksum */
#define	CMD_RS		0x08		/* say when it is done */
#define	STATUS_DD	0x01		/* done */
#define	STATUS_EOP	0x02

#define	RX_SIZE		512U
#define	RX_PER_PAGE	(VM_PAGE_SIZE / RX_SIZE)
#define	RX_PAGES	(NDESC / RX_PER_PAGE)
#define	TX_PIECES	4U		/* of a frame, at most */
#define	TX_PAGE(i)	(RX_PAGES + (i))
#define	NPAGES		(RX_PAGES + TX_PIECES)

/* [802.3]: lengths without the checksum; the type is for experiments. */
#define	FRAME_MIN	60U
#define	PROBE		UINT32_MAX	/* a frame's number */
#define	FRAME_MAX	1514U
#define	NFRAME		(FRAME_MAX - FRAME_MIN + 1)
#define	MAC_LEN		6U
#define	NUMBER_AT	14U
#define	DATA_AT		18U
#define	TYPE_HIGH	0x88
#define	TYPE_LOW	0xb5

/* Limits of waiting, in ms. */
#define	WAIT_RESET	100
#define	WAIT_MDIC	100
#define	WAIT_FRAME	10000		/* QEMU receives none for 1 s */
#define	WAIT_PROBE	20

struct ring {
	struct dmabuf	r_mem;
	struct desc	*r_desc;
	unsigned	r_next;		/* to be used, or looked at */
};

struct e1000 {
	char		e_name[8];
	struct pci_func	e_func;
	volatile uint8_t *e_regs;
	uint8_t		e_mac[MAC_LEN];
	bus_dma_tag_t	e_tag;
	struct ring	e_rx, e_tx;
	struct dmapages	e_pages;
	bus_dmamap_t	e_rxmap[NDESC];
	bus_dmamap_t	e_txmap;
	uint8_t		e_frame[FRAME_MAX + RX_SIZE];	/* received last */
	struct device_figures e_figures;
	bool		e_runs;		/* it has buffers and entries */
	bool		e_works;
	bool		e_nomem;	/* as there was none for it */
};

static const struct model {
	uint16_t	m_device;
	const char	*m_name;
	bool		m_required;	/* or it is left alone */
} models[] = {
	{ 0x100f, "82545EM", false },
	{ 0x100e, "82540EM", true },
};

static struct e1000 units[NITEMS(models)];
static unsigned nunits;

static uint32_t
rd(const struct e1000 *e, unsigned reg)
{

	return (mmio_read32(e->e_regs, reg));
}

static void
wr(const struct e1000 *e, unsigned reg, uint32_t v)
{

	mmio_write32(e->e_regs, reg, v);
}

/*
 * Wait until the bits of mask in a register have a value.
 */
static int
wait_reg(const struct e1000 *e, unsigned reg, uint32_t mask, uint32_t value,
    unsigned ms)
{
	uint64_t end = nanotime() + (uint64_t)ms * 1000000;

	while ((rd(e, reg) & mask) != value) {
		if (nanotime() > end)
			return (ETIMEDOUT);
		delay(10);
	}
	return (0);
}

/*
 * Rings.
 */

/* Entry i passes to the controller, which reads and writes it. */
static void
desc_give(const struct ring *r, unsigned i)
{

	dmabuf_sync(&r->r_mem, i * sizeof(struct desc), sizeof(struct desc),
	    BUS_DMASYNC_PREREAD | BUS_DMASYNC_PREWRITE);
}

static void
desc_take(const struct ring *r, unsigned i)
{

	dmabuf_sync(&r->r_mem, i * sizeof(struct desc), sizeof(struct desc),
	    BUS_DMASYNC_POSTREAD | BUS_DMASYNC_POSTWRITE);
}

/*
 * desc_done: is the controller done with entry i?  If not, it keeps it.
 */
static bool
desc_done(const struct ring *r, unsigned i)
{
	const volatile uint8_t *status = &r->r_desc[i].status;

	desc_take(r, i);
	if ((*status & STATUS_DD) != 0)
		return (true);
	desc_give(r, i);
	return (false);
}

static void
ring_start(const struct e1000 *e, struct ring *r, unsigned base)
{
	bus_addr_t at = dmabuf_addr(&r->r_mem);

	r->r_next = 0;
	wr(e, base + RING_BAL, (uint32_t)at);
	wr(e, base + RING_BAH, (uint32_t)(at >> 32));
	wr(e, base + RING_LEN, RING_SIZE);
	wr(e, base + RING_HEAD, 0);
	wr(e, base + RING_TAIL, 0);
}

/*
 * rx_give: buffer i, and its entry, are the controller's.
 */
static void
rx_give(struct e1000 *e, unsigned i)
{

	e->e_rx.r_desc[i] = (struct desc){
		.addr = e->e_rxmap[i]->dm_segs[0].ds_addr
	};
	bus_dmamap_sync(e->e_tag, e->e_rxmap[i], 0, RX_SIZE,
	    BUS_DMASYNC_PREREAD);
	desc_give(&e->e_rx, i);
}

static uint8_t *
rx_buffer(const struct e1000 *e, unsigned i)
{

	return (dmapages_at(&e->e_pages, i * RX_SIZE));
}

/*
 * Frames.
 */

static uint8_t
frame_byte(const struct e1000 *e, uint32_t number, unsigned i)
{

	if (i < 2 * MAC_LEN)
		return (e->e_mac[i % MAC_LEN]);
	if (i < NUMBER_AT)
		return (i % 2 == 0 ? TYPE_HIGH : TYPE_LOW);
	if (i < DATA_AT)
		return ((uint8_t)(number >> 8 * (i - NUMBER_AT)));
	return ((uint8_t)((number * 2654435761U + i * 40503U) >> 9));
}

/*
 * compose: a frame in two to four pieces of different pages, the cuts and the
 * addresses of which change from frame to frame.
 * => the number of pieces.
 */
static int
compose(const struct e1000 *e, uint32_t number, unsigned len,
    struct bus_dma_vec vec[static TX_PIECES], struct cksum *ck)
{
	unsigned n = 2 + number % (TX_PIECES - 1), k, i = 0, j, end;
	uint8_t *to;

	for (k = 0; k < n; k++) {
		end = k == n - 1 ? len : len * (k + 1) / n - number % 7;
		to = dmapages_at(&e->e_pages, TX_PAGE(k) * VM_PAGE_SIZE +
		    (number * 13 + k * 5 + 1) % 2048);
		vec[k] = (struct bus_dma_vec){ to, end - i };
		for (j = 0; i < end; i++, j++)
			to[j] = frame_byte(e, number, i);
		cksum_add(ck, to, j);
	}
	return ((int)n);
}

/*
 * stop: nothing moves from here on.
 */
static int
stop(const struct e1000 *e)
{

	wr(e, R_IMC, ~0U);
	wr(e, R_RCTL, 0);
	wr(e, R_TCTL, 0);
	wr(e, R_CTRL, rd(e, R_CTRL) | CTRL_RST);
	delay(1000);			/* [SDM] 13.4.1: at least 1 us */
	return (wait_reg(e, R_CTRL, CTRL_RST, 0, WAIT_RESET));
}

/*
 * send_loaded: what the map is loaded with, as one frame, and wait until it is
 * gone.
 * => 0; ETIMEDOUT: the controller has been stopped.
 */
static int
send_loaded(struct e1000 *e)
{
	struct ring *r = &e->e_tx;
	unsigned last = 0;
	int error = 0, i;
	uint64_t end;

	for (i = 0; i < e->e_txmap->dm_nsegs; i++) {
		last = r->r_next;
		r->r_desc[last] = (struct desc){
			.addr = e->e_txmap->dm_segs[i].ds_addr,
			.len = (uint16_t)e->e_txmap->dm_segs[i].ds_len,
			.cmd = CMD_IFCS | CMD_RS |
			    (i == e->e_txmap->dm_nsegs - 1 ? CMD_EOP : 0),
		};
		desc_give(r, last);
		r->r_next = (last + 1) % NDESC;
	}
	wr(e, R_TX + RING_TAIL, r->r_next);
	end = nanotime() + (uint64_t)WAIT_FRAME * 1000000;
	while (!desc_done(r, last)) {
		if (nanotime() > end) {
			error = ETIMEDOUT;
			(void)stop(e);
			desc_take(r, last);
			break;
		}
		delay(10);
	}
	for (i = 1; i < e->e_txmap->dm_nsegs; i++)
		desc_take(r, (last + NDESC - (unsigned)i) % NDESC);
	return (error);
}

static void
failed(const struct e1000 *e, uint32_t number, unsigned len, const char *what)
{

	printf("%s: frame %u of %u bytes %s (status %08x, rings at %u, %u)\n",
	    e->e_name, number, len, what, rd(e, R_STATUS),
	    rd(e, R_TX + RING_HEAD), rd(e, R_RX + RING_HEAD));
}

static int
send(struct e1000 *e, uint32_t number, unsigned len, struct cksum *ck)
{
	struct bus_dma_vec vec[TX_PIECES];
	int error, n;

	n = compose(e, number, len, vec, ck);
	if ((error = bus_dmamap_load_vec(e->e_tag, e->e_txmap, vec, n,
	    BUS_DMA_NOWAIT)) != 0) {
		failed(e, number, len, "does not load");
		return (error);
	}
	bus_dmamap_sync(e->e_tag, e->e_txmap, 0, len, BUS_DMASYNC_PREWRITE);
	if ((error = send_loaded(e)) != 0)
		failed(e, number, len, "is not sent");
	bus_dmamap_sync(e->e_tag, e->e_txmap, 0, len, BUS_DMASYNC_POSTWRITE);
	bus_dmamap_unload(e->e_tag, e->e_txmap);
	return (error);
}

/*
 * receive_part: the next buffer, if there is one, goes to byte at of e_frame.
 * => its bytes, -1: none yet, -2: too long, or with an error.
 */
static int
receive_part(struct e1000 *e, unsigned at, bool *last)
{
	struct ring *r = &e->e_rx;
	unsigned i = r->r_next, tail = (i + NDESC - 1) % NDESC;
	struct desc d;
	int len = -2;

	/* One entry is never given: an empty ring is not a full one. */
	if (!desc_done(r, i))
		return (-1);
	d = r->r_desc[i];
	bus_dmamap_sync(e->e_tag, e->e_rxmap[i], 0, RX_SIZE,
	    BUS_DMASYNC_POSTREAD);
	if (d.errors == 0 && d.len <= RX_SIZE && at + d.len <=
	    sizeof(e->e_frame)) {
		memcpy(e->e_frame + at, rx_buffer(e, i), d.len);
		len = d.len;
	}
	*last = (d.status & STATUS_EOP) != 0;
	rx_give(e, tail);
	r->r_next = (i + 1) % NDESC;
	wr(e, R_RX + RING_TAIL, i);
	return (len);
}

/*
 * receive: a whole frame, from whomever.  Parts of no bytes may come without
 * end, as fast as we give the buffers back.
 * => 0; ETIMEDOUT; EIO.
 */
static int
receive(struct e1000 *e, unsigned ms, unsigned *len, unsigned *parts)
{
	uint64_t end = nanotime() + (uint64_t)ms * 1000000;
	bool last = false;
	int n;

	*len = *parts = 0;
	while (!last) {
		if (nanotime() > end)
			return (ETIMEDOUT);
		n = receive_part(e, *len, &last);
		if (n == -2)
			return (EIO);
		if (n >= 0) {
			*len += (unsigned)n;
			++*parts;
		} else
			delay(10);
	}
	return (0);
}

/*
 * expect: this frame comes, unchanged; others' frames, and late probes, are
 * passed over, for a time.
 */
static int
expect(struct e1000 *e, uint32_t number, unsigned want, uint64_t *buffers)
{
	uint64_t end = nanotime() + (uint64_t)WAIT_FRAME * 1000000;
	unsigned i, len, parts;
	int error;

	for (;;) {
		error = receive(e, WAIT_FRAME, &len, &parts);
		if (error != 0 || nanotime() > end) {
			failed(e, number, want, "does not come");
			return (error != 0 ? error : ETIMEDOUT);
		}
		for (i = MAC_LEN; i < DATA_AT; i++) {
			if (len < DATA_AT || e->e_frame[i] !=
			    frame_byte(e, number, i))
				break;
		}
		if (i == DATA_AT)
			break;
	}
	for (i = 0; i < want && i < len; i++) {
		if (e->e_frame[i] != frame_byte(e, number, i))
			break;
	}
	*buffers += parts;
	if (i == want && i == len && parts == (want + RX_SIZE - 1) / RX_SIZE)
		return (0);
	failed(e, number, want, "has changed");
	return (EIO);
}

/*
 * Starting and stopping.
 */

static int
phy_write(const struct e1000 *e, unsigned reg, uint16_t v)
{

	wr(e, R_MDIC, v | MDIC_REG(reg) | MDIC_PHY | MDIC_WRITE);
	if (wait_reg(e, R_MDIC, MDIC_READY, MDIC_READY, WAIT_MDIC) != 0)
		return (ETIMEDOUT);
	return ((rd(e, R_MDIC) & MDIC_ERROR) != 0 ? EIO : 0);
}

static int
start(struct e1000 *e)
{
	unsigned i;
	int error;

	if ((error = stop(e)) != 0)
		return (error);
	wr(e, R_IMC, ~0U);
	wr(e, R_CTRL, CTRL_FD | CTRL_SLU | CTRL_1000 | CTRL_FRCSPD |
	    CTRL_FRCDPX);
	if ((error = phy_write(e, BMCR, BMCR_LOOP | BMCR_FD | BMCR_1000)) != 0)
		return (error);
	pci_enable(&e->e_func, PCI_COMMAND_MASTER);
	ring_start(e, &e->e_rx, R_RX);
	ring_start(e, &e->e_tx, R_TX);
	for (i = 0; i < NDESC - 1; i++)
		rx_give(e, i);
	wr(e, R_TIPG, TIPG_COPPER);
	wr(e, R_TCTL, TCTL_EN | TCTL_PSP | TCTL_CT | TCTL_COLD);
	wr(e, R_RCTL, RCTL_EN | RCTL_512 | RCTL_SECRC);
	wr(e, R_RX + RING_TAIL, NDESC - 1);
	e->e_runs = true;
	return (0);
}

/*
 * settle: it may take a time until the receiver gets what is sent.
 */
static int
settle(struct e1000 *e)
{
	uint64_t end = nanotime() + (uint64_t)WAIT_FRAME * 1000000;
	unsigned len, parts;
	struct cksum ck;
	int error;

	cksum_init(&ck);
	do {
		if ((error = send(e, PROBE, FRAME_MIN, &ck)) != 0)
			return (error);
		error = receive(e, WAIT_PROBE, &len, &parts);
	} while (error == ETIMEDOUT && nanotime() < end);
	if (error != 0)
		failed(e, PROBE, FRAME_MIN, "does not come");
	return (error);
}

/*
 * rest: nothing comes or goes between two jobs; buffers and entries are the
 * CPU's again.
 */
static void
rest(struct e1000 *e)
{
	unsigned i, spare = (e->e_rx.r_next + NDESC - 1) % NDESC;

	(void)stop(e);
	e->e_runs = false;
	for (i = 0; i < NDESC; i++) {
		if (i == spare)
			continue;
		desc_take(&e->e_rx, i);
		bus_dmamap_sync(e->e_tag, e->e_rxmap[i], 0, RX_SIZE,
		    BUS_DMASYNC_POSTREAD);
	}
}

/*
 * release: memory goes when the controller is silent.
 */
static void
release(struct e1000 *e)
{
	unsigned i;

	if (e->e_runs)
		rest(e);
	(void)stop(e);
	pci_disable(&e->e_func, PCI_COMMAND_MASTER);
	for (i = 0; i < NDESC; i++) {
		if (e->e_rxmap[i] != NULL)
			bus_dmamap_destroy(e->e_tag, e->e_rxmap[i]);
	}
	if (e->e_txmap != NULL)
		bus_dmamap_destroy(e->e_tag, e->e_txmap);
	dmabuf_put(&e->e_rx.r_mem);
	dmabuf_put(&e->e_tx.r_mem);
	dmapages_put(&e->e_pages);
	bus_dmatag_destroy(e->e_tag);
	e->e_works = false;
}

static int
get_maps(struct e1000 *e)
{
	unsigned i;
	int error;

	error = bus_dmamap_create(e->e_tag, FRAME_MAX, TX_PIECES, FRAME_MAX, 0,
	    BUS_DMA_NOWAIT, &e->e_txmap);
	for (i = 0; i < NDESC && error == 0; i++) {
		error = bus_dmamap_create(e->e_tag, RX_SIZE, 1, RX_SIZE, 0,
		    BUS_DMA_NOWAIT, &e->e_rxmap[i]);
		if (error == 0)
			error = bus_dmamap_load(e->e_tag, e->e_rxmap[i],
			    rx_buffer(e, i), RX_SIZE, NULL, BUS_DMA_NOWAIT);
	}
	if (error != 0)
		device_lacks(e->e_name, error, "map");
	return (error);
}

static int
get_memory(struct e1000 *e)
{
	int error;

	if ((error = device_tag(pci_dma_tag(&e->e_func), e->e_name,
	    BUS_ADDR_MAX, 1, &e->e_tag)) != 0)
		return (error);
	if ((error = dmabuf_get(&e->e_rx.r_mem, e->e_tag, e->e_name, RING_SIZE,
	    RING_ALIGN, RING_BOUNDARY)) == 0 &&
	    (error = dmabuf_get(&e->e_tx.r_mem, e->e_tag, e->e_name, RING_SIZE,
	    RING_ALIGN, RING_BOUNDARY)) == 0 &&
	    (error = dmapages_get(&e->e_pages, e->e_tag, e->e_name,
	    NPAGES)) == 0)
		error = get_maps(e);
	if (error != 0)
		release(e);
	e->e_rx.r_desc = (void *)e->e_rx.r_mem.d_kva;
	e->e_tx.r_desc = (void *)e->e_tx.r_mem.d_kva;
	e->e_figures = (struct device_figures){
		.df_name = e->e_name,
		.df_tag = e->e_tag,
		.df_max = BUS_ADDR_MAX,
		.df_align = RING_ALIGN,
		.df_boundary = RING_BOUNDARY,
		.df_contig = RING_SIZE,
	};
	return (error);
}

/*
 * attach_model: a controller, if there is one.
 */
static int
attach_model(struct e1000 *e, const struct model *m, unsigned unit)
{
	unsigned i;
	int error;

	memset(e, 0, sizeof(*e));
	if ((m->m_required && !option_required("e1000")) ||
	    !pci_find(VENDOR_INTEL, m->m_device, &e->e_func))
		return (ENXIO);
	(void)snprintf(e->e_name, sizeof(e->e_name), "e1000%u", unit);
	if ((error = pci_map_bar(&e->e_func, 0, REGS_SIZE, REGS_SIZE,
	    e->e_name, &e->e_regs)) != 0)
		return (error);
	if ((error = stop(e)) != 0) {
		printf("%s: does not come out of reset (control %08x)\n",
		    e->e_name, rd(e, R_CTRL));
		return (error);
	}
	for (i = 0; i < MAC_LEN; i++)
		e->e_mac[i] = (uint8_t)(rd(e, i < 4 ? R_RAL : R_RAH) >>
		    i % 4 * 8);
	if ((error = get_memory(e)) != 0)
		return (error);
	e->e_works = true;
	printf("%s at pci %u:%u.%u: %s, %02x:%02x:%02x:%02x:%02x:%02x, rings "
	    "of %ju bytes at 0x%jx, 0x%jx\n", e->e_name, e->e_func.pf_bus,
	    e->e_func.pf_dev, e->e_func.pf_func, m->m_name, e->e_mac[0],
	    e->e_mac[1], e->e_mac[2], e->e_mac[3], e->e_mac[4], e->e_mac[5],
	    (uintmax_t)RING_SIZE, (uintmax_t)dmabuf_addr(&e->e_rx.r_mem),
	    (uintmax_t)dmabuf_addr(&e->e_tx.r_mem));
	return (0);
}

/*
 * If one of several does not work, the job says so, unless memory was short:
 * the others do theirs then.
 */
static int
e1000_attach(void)
{
	int error = ENXIO, e;
	unsigned i;

	nunits = 0;
	for (i = 0; i < NITEMS(models); i++) {
		e = attach_model(&units[nunits], &models[i], nunits);
		if (e == ENXIO)
			continue;
		units[nunits].e_nomem = e == ENOMEM;
		if (error == ENXIO || e == 0)
			error = e;
		nunits++;
	}
	return (error);
}

/*
 * exchange: a frame of each length.
 */
static int
exchange(struct e1000 *e)
{
	uint64_t buffers = 0, bytes = 0;
	struct cksum ck;
	uint32_t i;
	int error;

	if ((error = start(e)) != 0) {
		printf("%s: does not start: %s\n", e->e_name,
		    errno_name(error));
		return (error);
	}
	if ((error = settle(e)) != 0)
		return (error);
	cksum_init(&ck);
	for (i = 0; i < NFRAME; i++) {
		if ((error = send(e, i, FRAME_MIN + i, &ck)) != 0 ||
		    (error = expect(e, i, FRAME_MIN + i, &buffers)) != 0)
			return (error);
		bytes += FRAME_MIN + i;
	}
	rest(e);
	printf("%s: %u frames, %ju bytes, sent and received in %ju buffers, "
	    "cksum %u, ok\n", e->e_name, NFRAME, (uintmax_t)bytes,
	    (uintmax_t)buffers, cksum_end(&ck));
	device_report(&e->e_figures, 2 * bytes);
	return (0);
}

static int
e1000_job(void)
{
	int error = 0, e;
	unsigned i;

	for (i = 0; i < nunits; i++) {
		if (!units[i].e_works)
			e = units[i].e_nomem ? ENOMEM : EIO;
		else if ((e = exchange(&units[i])) != 0)
			release(&units[i]);
		if (error == 0 || (error == ENOMEM && e != 0))
			error = e;
	}
	return (error);
}

const struct device_driver e1000_driver = {
	.dd_name = "e1000",
	.dd_attach = e1000_attach,
	.dd_job = e1000_job,
};
