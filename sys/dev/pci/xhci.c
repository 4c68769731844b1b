/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Driver of USB 3 host controllers: xhci(4).  It does with the first USB disk
 * what disk_job() does.
 *
 * Source: [XHCI], see xhcireg.h.
 *
 * What the controller shares with the driver lies in five pages, none of which
 * need be beside another; so nothing crosses a page ([XHCI] table 6-1).
 *
 *	shared	0x000	addresses of device contexts
 *		0x040	the table of event ring segments, of one entry
 *		0x400	ring of commands
 *		0x800	ring of the control endpoint
 *		0xc00	commands of the disk, and its answers
 *		0xe00	descriptors
 *	device	0x000	context of the device, which the controller writes
 *		0x800	ring of events
 *	input	0x000	context that comes with commands
 *	out	0x000	ring of the endpoint that data goes to
 *	in	0x000	ring of the endpoint that data comes from
 *
 * Besides, the controller may want memory of its own: scratchpad buffers, and
 * a page with their addresses.
 *
 * The controller is polled, one command or transfer at a time.  Every wait has
 * an end, and an event that is not about what is waited for ends the use of
 * the controller.  After any failure it is reset, and kept off memory, before
 * that is given back.
 */

#include <sys/bus_dma.h>
#include <sys/device.h>
#include <sys/systm.h>

#include <dev/device_report.h>
#include <dev/device_tag.h>
#include <dev/disk.h>
#include <dev/mmio.h>
#include <dev/pci/pci.h>
#include <dev/pci/xhci_ring.h>
#include <dev/pci/xhcireg.h>
#include <dev/usb/umass.h>
#include <dev/usb/usbreg.h>

#define	XHCI_NAME	"xhci0"

#define	REGS_LEAST	0x1000U
#define	REGS_MOST	0x10000U	/* that many are mapped */
#define	SLOTS		1U		/* devices at a time */

enum { MEM_SHARED, MEM_DEVICE, MEM_INPUT, MEM_OUT, MEM_IN, NMEM };

#define	DCBAA_AT	0x000U
#define	DCBAA_SIZE	((1 + SLOTS) * 8)
#define	ERST_AT		0x040U
#define	COMMAND_AT	0x400U
#define	CONTROL_AT	0x800U
#define	UMASS_AT	0xc00U
#define	INFO_AT		0xe00U
#define	INFO_SIZE	0x200U
#define	CONTEXT_AT	0x000U		/* of the device */
#define	EVENT_AT	0x800U
#define	INPUT_MOST	((CONTEXT_N + 1) * 2 * CONTEXT_SIZE)

#define	NCOMMAND	64U		/* entries of rings */
#define	NCONTROL	64U
#define	NEVENT		128U
#define	NBULK		(VM_PAGE_SIZE / TRB_SIZE)
#define	NSEGS		((NBULK - 1) / 2)	/* of a transfer */

_Static_assert(COMMAND_AT + NCOMMAND * TRB_SIZE <= CONTROL_AT &&
    CONTROL_AT + NCONTROL * TRB_SIZE <= UMASS_AT &&
    UMASS_AT + UMASS_SIZE <= INFO_AT && INFO_AT + INFO_SIZE <= VM_PAGE_SIZE &&
    CONTEXT_AT + CONTEXT_N * 2 * CONTEXT_SIZE <= EVENT_AT &&
    EVENT_AT + NEVENT * TRB_SIZE <= VM_PAGE_SIZE &&
    INPUT_MOST <= VM_PAGE_SIZE, "the shared pages");

/* The table of them may not cross a page. */
#define	SCRATCH_MAX	(VM_PAGE_SIZE / 8)

/* Endpoints of the disk: where in x_rings. */
enum { EP_CONTROL, EP_OUT, EP_IN, NEP };

/* ms; the specification gives none for most. */
#define	WAIT_HALT	100		/* [XHCI] 5.4.1.1: 16 */
#define	WAIT_RESET	2000
#define	WAIT_CONNECT	100		/* [USB] 7.1.7.3 of 2.0 */
#define	WAIT_PORT	500
#define	WAIT_RECOVERY	10		/* [USB] 7.1.7.5 of 2.0 */
#define	WAIT_COMMAND	5000
#define	WAIT_TRANSFER	10000

static struct xhci {
	struct pci_func	x_func;
	volatile uint8_t *x_regs;
	volatile uint8_t *x_op;		/* operational registers */
	volatile uint8_t *x_rt;		/* runtime registers */
	volatile uint8_t *x_db;		/* doorbells */
	unsigned	x_nports;
	unsigned	x_context;	/* bytes of a context */
	bus_size_t	x_page;		/* of scratchpad buffers */
	bus_addr_t	x_max;		/* address */

	bus_dma_tag_t	x_tag;
	struct dmabuf	x_mem[NMEM];
	struct dmabuf	x_list;		/* addresses of scratchpad buffers */
	struct dmabuf	x_scratch[SCRATCH_MAX];
	unsigned	x_nscratch;
	bool		x_shared;	/* tables and contexts are */

	struct xhci_ring x_events, x_commands;
	struct xhci_ring x_rings[NEP];
	unsigned	x_dci[NEP];
	struct usb_bulk	x_bulk[NEP];	/* of EP_OUT and EP_IN */

	unsigned	x_port, x_speed, x_slot; /* of the device */
	struct umass	x_umass;
	struct disk	x_disk;
	struct device_figures x_figures;
	bool		x_found;	/* a disk */
	bool		x_works;
} xhci;

static uint32_t
op_read(const struct xhci *x, unsigned reg)
{

	return (mmio_read32(x->x_op, reg));
}

static void
op_write(const struct xhci *x, unsigned reg, uint32_t v)
{

	mmio_write32(x->x_op, reg, v);
}

/*
 * write64: the lower half first, [XHCI] 5.1.
 */
static void
write64(volatile uint8_t *regs, unsigned reg, uint64_t v)
{

	mmio_write32(regs, reg, (uint32_t)v);
	mmio_write32(regs, reg + 4, (uint32_t)(v >> 32));
}

static bool
op_wait(const struct xhci *x, unsigned reg, uint32_t bits, uint32_t value,
    unsigned ms)
{
	uint64_t end = nanotime() + (uint64_t)ms * 1000000;

	while ((op_read(x, reg) & bits) != value) {
		if (nanotime() > end)
			return (false);
		delay(10);
	}
	return (true);
}

/*
 * The controller.
 */

/*
 * reset: [XHCI] 4.2.  => 0: the controller touches no memory any more;
 * ETIMEDOUT: it may not be master of the bus from here on.
 */
static int
reset(struct xhci *x)
{

	op_write(x, XHCI_USBCMD, op_read(x, XHCI_USBCMD) & ~CMD_RS);
	if (op_wait(x, XHCI_USBSTS, STS_HCH, STS_HCH, WAIT_HALT)) {
		op_write(x, XHCI_USBCMD, CMD_HCRST);
		if (op_wait(x, XHCI_USBCMD, CMD_HCRST, 0, WAIT_RESET) &&
		    op_wait(x, XHCI_USBSTS, STS_CNR, 0, WAIT_RESET))
			return (0);
	}
	pci_disable(&x->x_func, PCI_COMMAND_MASTER);
	printf(XHCI_NAME ": cannot be reset: command 0x%x, status 0x%x\n",
	    op_read(x, XHCI_USBCMD), op_read(x, XHCI_USBSTS));
	return (ETIMEDOUT);
}

static void
shared_sync(const struct xhci *x, int device_reads, int device_writes)
{
	const struct dmabuf *shared = &x->x_mem[MEM_SHARED];
	unsigned i;

	dmabuf_sync(shared, DCBAA_AT, DCBAA_SIZE, device_reads);
	dmabuf_sync(shared, ERST_AT, ERST_ENTRY, device_reads);
	dmabuf_sync(&x->x_mem[MEM_DEVICE], CONTEXT_AT,
	    CONTEXT_N * x->x_context, device_writes);
	if (x->x_nscratch > 0)
		dmabuf_sync(&x->x_list, 0, x->x_nscratch * 8, device_reads);
	for (i = 0; i < x->x_nscratch; i++)
		dmabuf_sync(&x->x_scratch[i], 0, x->x_page,
		    device_reads | device_writes);
}

/*
 * quiesce: the controller touches no memory from here on, and memory may go.
 */
static void
quiesce(struct xhci *x)
{
	unsigned i;

	x->x_works = false;
	(void)reset(x);
	pci_disable(&x->x_func, PCI_COMMAND_MASTER);
	if (!x->x_shared)
		return;
	x->x_shared = false;
	xhci_events_end(&x->x_events);
	xhci_ring_done(&x->x_commands);
	for (i = 0; i < NEP; i++) {
		if (x->x_rings[i].xr_mem != NULL)
			xhci_ring_done(&x->x_rings[i]);
	}
	shared_sync(x, BUS_DMASYNC_POSTWRITE, BUS_DMASYNC_POSTREAD);
}

static void
release(struct xhci *x)
{
	unsigned i;

	quiesce(x);
	disk_release(&x->x_disk);
	for (i = 0; i < x->x_nscratch; i++)
		dmabuf_put(&x->x_scratch[i]);
	dmabuf_put(&x->x_list);
	for (i = 0; i < NMEM; i++)
		dmabuf_put(&x->x_mem[i]);
	bus_dmatag_destroy(x->x_tag);
}

static void
put64(const struct dmabuf *d, unsigned at, uint64_t v)
{

	memcpy(d->d_kva + at, &v, sizeof(v));
}

/*
 * get_scratch: [XHCI] 4.20.
 */
static int
get_scratch(struct xhci *x, unsigned n)
{
	int error;

	if (n > SCRATCH_MAX) {
		printf(XHCI_NAME ": %u scratchpad buffers are not supported\n",
		    n);
		return (EOPNOTSUPP);
	}
	if (n == 0)
		return (0);
	error = dmabuf_get(&x->x_list, x->x_tag, XHCI_NAME, VM_PAGE_SIZE,
	    XHCI_ALIGN, 0);
	while (error == 0 && x->x_nscratch < n) {
		error = dmabuf_get(&x->x_scratch[x->x_nscratch], x->x_tag,
		    XHCI_NAME, x->x_page, x->x_page, 0);
		if (error != 0)
			break;
		put64(&x->x_list, x->x_nscratch * 8,
		    dmabuf_addr(&x->x_scratch[x->x_nscratch]));
		x->x_nscratch++;
	}
	if (error == 0)
		put64(&x->x_mem[MEM_SHARED], DCBAA_AT,
		    dmabuf_addr(&x->x_list));
	return (error);
}

/*
 * get_memory: all of it, but the disk's.
 */
static int
get_memory(struct xhci *x)
{
	unsigned i;
	int error;

	for (i = 0; i < NMEM; i++) {
		error = dmabuf_get(&x->x_mem[i], x->x_tag, XHCI_NAME,
		    VM_PAGE_SIZE, XHCI_ALIGN, RING_BOUNDARY);
		if (error != 0)
			return (error);
	}
	return (get_scratch(x,
	    HCS2_SCRATCH(mmio_read32(x->x_regs, XHCI_HCSPARAMS2))));
}

static void
set_dequeue(const struct xhci *x)
{

	write64(x->x_rt, XHCI_ERDP, xhci_ring_addr(&x->x_events,
	    x->x_events.xr_next) | ERDP_EHB);
}

/*
 * run: [XHCI] 4.2: rings, and the controller that was reset runs.
 */
static int
run(struct xhci *x)
{
	struct dmabuf *shared = &x->x_mem[MEM_SHARED];

	xhci_ring_init(&x->x_commands, shared, COMMAND_AT, NCOMMAND);
	xhci_events_init(&x->x_events, &x->x_mem[MEM_DEVICE], EVENT_AT, NEVENT);
	put64(shared, ERST_AT, xhci_ring_addr(&x->x_events, 0));
	put64(shared, ERST_AT + 8, NEVENT);
	shared_sync(x, BUS_DMASYNC_PREWRITE, BUS_DMASYNC_PREREAD);
	x->x_shared = true;

	pci_enable(&x->x_func, PCI_COMMAND_MASTER);
	op_write(x, XHCI_CONFIG, SLOTS);
	write64(x->x_op, XHCI_DCBAAP, dmabuf_addr(shared) + DCBAA_AT);
	write64(x->x_op, XHCI_CRCR, xhci_ring_addr(&x->x_commands, 0) |
	    CRCR_RCS);
	mmio_write32(x->x_rt, XHCI_ERSTSZ, 1);
	set_dequeue(x);
	write64(x->x_rt, XHCI_ERSTBA, dmabuf_addr(shared) + ERST_AT);
	op_write(x, XHCI_USBCMD, CMD_RS);
	if (op_wait(x, XHCI_USBSTS, STS_HCH, 0, WAIT_HALT)) {
		x->x_works = true;
		return (0);
	}
	printf(XHCI_NAME ": does not start: command 0x%x, status 0x%x\n",
	    op_read(x, XHCI_USBCMD), op_read(x, XHCI_USBSTS));
	return (ETIMEDOUT);
}

/*
 * Commands and transfers.
 */

/*
 * failed: one line with what the controller says; it is of no use any more.
 */
static int
failed(struct xhci *x, const char *what, const char *why, int error)
{

	printf(XHCI_NAME ": %s: %s (command 0x%x, status 0x%x, port %u 0x%x)\n",
	    what, why, op_read(x, XHCI_USBCMD), op_read(x, XHCI_USBSTS),
	    x->x_port, x->x_port == 0 ? 0 : op_read(x, XHCI_PORTSC(x->x_port)));
	x->x_works = false;
	return (error);
}

static int
unexpected(struct xhci *x, const char *what, const struct xhci_trb *e)
{

	printf(XHCI_NAME ": %s: unexpected event: pointer 0x%jx, status 0x%x, "
	    "control 0x%x (status 0x%x)\n", what, (uintmax_t)e->t_param,
	    e->t_status, e->t_control, op_read(x, XHCI_USBSTS));
	x->x_works = false;
	return (EIO);
}

/*
 * next_event: the next one that says anything about commands or transfers.
 * => 0, or an error number after one line.
 */
static int
next_event(struct xhci *x, const char *what, unsigned ms, struct xhci_trb *e)
{
	uint64_t end = nanotime() + (uint64_t)ms * 1000000;
	uint32_t status;

	for (;;) {
		if (xhci_event(&x->x_events, e)) {
			set_dequeue(x);
			switch (TRB_TYPE_OF(e->t_control)) {
			case TRB_EV_PORT:
			case TRB_EV_NOTE:
			case TRB_EV_WRAP:
				break;
			default:
				return (0);
			}
		} else {
			status = op_read(x, XHCI_USBSTS);
			if ((status & (STS_HCH | STS_HSE | STS_HCE)) != 0)
				return (failed(x, what, "the controller has "
				    "stopped", EIO));
			delay(10);
		}
		if (nanotime() > end)
			return (failed(x, what, "not done in time",
			    ETIMEDOUT));
	}
}

/*
 * command: => 0, and if it is wanted the slot; an error number after one line.
 */
static int
command(struct xhci *x, const char *what, uint64_t param, uint32_t status,
    uint32_t control, unsigned *slot)
{
	const struct xhci_trb t = { param, status, control };
	struct xhci_ring *r = &x->x_commands;
	struct xhci_trb e;
	char why[32];
	unsigned at;
	int error;

	xhci_ring_put(r, &t, 1);
	mmio_write32(x->x_db, XHCI_DOORBELL(0), 0);
	if ((error = next_event(x, what, WAIT_COMMAND, &e)) != 0)
		return (error);
	if (TRB_TYPE_OF(e.t_control) != TRB_EV_COMMAND ||
	    !xhci_ring_where(r, e.t_param, &at) || (slot == NULL &&
	    TRB_SLOT_OF(e.t_control) != TRB_SLOT_OF(control)))
		return (unexpected(x, what, &e));
	xhci_ring_done(r);
	if (TRB_CODE_OF(e.t_status) != CODE_SUCCESS) {
		(void)snprintf(why, sizeof(why), "completion code %u",
		    TRB_CODE_OF(e.t_status));
		return (failed(x, what, why, EIO));
	}
	if (slot == NULL)
		return (0);
	*slot = TRB_SLOT_OF(e.t_control);
	return (*slot >= 1 && *slot <= SLOTS ? 0 : unexpected(x, what, &e));
}

/*
 * transfer: n entries, of which the last alone makes an event.
 * => 0 and *result; an error number after one line.
 */
static int
transfer(struct xhci *x, const char *what, unsigned ep,
    const struct xhci_trb *t, unsigned n, enum usb_result *result)
{
	struct xhci_ring *r = &x->x_rings[ep];
	struct xhci_trb e;
	unsigned at, code;
	char why[32];
	int error;

	xhci_ring_put(r, t, n);
	mmio_write32(x->x_db, XHCI_DOORBELL(x->x_slot), x->x_dci[ep]);
	if ((error = next_event(x, what, WAIT_TRANSFER, &e)) != 0)
		return (error);
	code = TRB_CODE_OF(e.t_status);
	if (TRB_TYPE_OF(e.t_control) != TRB_EV_TRANSFER ||
	    TRB_SLOT_OF(e.t_control) != x->x_slot ||
	    TRB_EP_OF(e.t_control) != x->x_dci[ep] ||
	    !xhci_ring_where(r, e.t_param, &at) ||
	    ((code == CODE_SUCCESS || code == CODE_SHORT) && at != n - 1) ||
	    TRB_RESIDUE_OF(e.t_status) > TRB_LEN_MAX)
		return (unexpected(x, what, &e));
	xhci_ring_done(r);
	switch (code) {
	case CODE_SUCCESS:
	case CODE_SHORT:
		*result = code == CODE_SHORT ||
		    TRB_RESIDUE_OF(e.t_status) != 0 ? USB_SHORT : USB_DONE;
		return (0);
	case CODE_STALL:
		*result = USB_STALLED;
		return (0);
	default:
		(void)snprintf(why, sizeof(why), "completion code %u", code);
		return (failed(x, what, why, EIO));
	}
}

/*
 * control: a request; what it answers, len bytes, goes to the descriptors.
 * => 0; an error number after one line: it is refused, too.
 */
static int
control(struct xhci *x, const char *what, uint64_t request, unsigned len)
{
	const struct dmabuf *shared = &x->x_mem[MEM_SHARED];
	struct xhci_trb t[3];
	enum usb_result result;
	unsigned n = 0;
	int error;

	t[n++] = (struct xhci_trb){ request, TRB_LEN(8), TRB_TYPE(TRB_SETUP) |
	    TRB_IDT | (len != 0 ? TRB_TRT_IN : 0) };
	if (len != 0)
		t[n++] = (struct xhci_trb){ dmabuf_addr(shared) + INFO_AT,
		    TRB_LEN(len), TRB_TYPE(TRB_DATA) | TRB_DIR_IN };
	t[n++] = (struct xhci_trb){ 0, 0, TRB_TYPE(TRB_STATUS) | TRB_IOC |
	    (len != 0 ? 0 : TRB_DIR_IN) };
	memset(shared->d_kva + INFO_AT, 0, INFO_SIZE);
	dmabuf_sync(shared, INFO_AT, INFO_SIZE, BUS_DMASYNC_PREREAD);
	error = transfer(x, what, EP_CONTROL, t, n, &result);
	dmabuf_sync(shared, INFO_AT, INFO_SIZE, BUS_DMASYNC_POSTREAD);
	if (error == 0 && result == USB_STALLED)
		error = failed(x, what, "refused by the device", EIO);
	return (error);
}

/*
 * unstall: a bulk endpoint is fit again, [XHCI] 4.6.8 and [USB] 9.4.5.
 */
static int
unstall(struct xhci *x, unsigned ep)
{
	const struct xhci_ring *r = &x->x_rings[ep];
	const uint32_t id = TRB_SLOT(x->x_slot) | TRB_EP(x->x_dci[ep]);
	int error;

	error = command(x, "reset endpoint", 0, 0, TRB_TYPE(TRB_RESET_EP) | id,
	    NULL);
	if (error == 0)
		error = command(x, "set dequeue pointer",
		    xhci_ring_addr(r, r->xr_next) | r->xr_cycle, 0,
		    TRB_TYPE(TRB_SET_DEQUEUE) | id, NULL);
	if (error == 0)
		error = control(x, "clear halt", USB_REQUEST(
		    USB_TYPE_ENDPOINT_OUT, USB_CLEAR_FEATURE,
		    USB_ENDPOINT_HALT, x->x_bulk[ep].ub_address, 0), 0);
	return (error);
}

/*
 * put_bulk: [XHCI] 4.11.2.1; 4.11.2.4 for the packets that are still to come.
 * => 0; EINVAL: such segments cannot be said.
 */
static int
put_bulk(struct xhci_trb *t, const bus_dma_segment_t *segs, unsigned n,
    unsigned packet)
{
	uint64_t left = 0;
	uint32_t len, more;
	unsigned i;

	for (i = 0; i < n; i++) {
		if (segs[i].ds_len == 0 || segs[i].ds_addr / RING_BOUNDARY !=
		    (segs[i].ds_addr + segs[i].ds_len - 1) / RING_BOUNDARY) {
			printf(XHCI_NAME ": segment of 0x%jx bytes at 0x%jx\n",
			    (uintmax_t)segs[i].ds_len,
			    (uintmax_t)segs[i].ds_addr);
			return (EINVAL);
		}
		left += segs[i].ds_len;
	}
	for (i = 0; i < n; i++) {
		len = (uint32_t)segs[i].ds_len;
		left -= len;
		more = (uint32_t)((left + packet - 1) / packet);
		if (more > TRB_TDSIZE_MAX)
			more = TRB_TDSIZE_MAX;
		t[i] = (struct xhci_trb){ segs[i].ds_addr,
		    TRB_LEN(len) | TRB_TDSIZE(more), TRB_TYPE(TRB_NORMAL) |
		    (i < n - 1 ? TRB_CH : TRB_IOC) };
	}
	return (0);
}

/*
 * bulk: as umass(4)'s transport wants it.
 */
static int
bulk(void *arg, bool in, const bus_dma_segment_t *segs, unsigned n,
    enum usb_result *result)
{
	struct xhci *x = arg;
	unsigned ep = in ? EP_IN : EP_OUT;
	struct xhci_trb t[NSEGS];
	int error;

	if (!x->x_works)
		return (EIO);
	KASSERT(n > 0 && n <= NSEGS);
	error = put_bulk(t, segs, n, x->x_bulk[ep].ub_packet);
	if (error == 0)
		error = transfer(x, in ? "data in" : "data out", ep, t, n,
		    result);
	if (error == 0 && *result == USB_STALLED)
		error = unstall(x, ep);
	return (error);
}

/*
 * Devices.
 */

/*
 * port_reset: [XHCI] 4.3.1.
 * => 0; ENXIO: there is nothing that works, or that is too slow for a disk.
 */
static int
port_reset(struct xhci *x, unsigned port)
{
	const unsigned reg = XHCI_PORTSC(port);

	if ((op_read(x, reg) & PORT_CCS) == 0)
		return (ENXIO);
	op_write(x, reg, (op_read(x, reg) & PORT_KEEP) | PORT_PR);
	if (!op_wait(x, reg, PORT_PRC, PORT_PRC, WAIT_PORT)) {
		printf(XHCI_NAME ": port %u does not come out of reset: "
		    "0x%x\n", port, op_read(x, reg));
		return (ENXIO);
	}
	op_write(x, reg, (op_read(x, reg) & PORT_KEEP) | PORT_CHANGES);
	delay(WAIT_RECOVERY * 1000);
	x->x_speed = PORT_SPEED(op_read(x, reg));
	return ((op_read(x, reg) & PORT_PED) != 0 &&
	    x->x_speed >= SPEED_HIGH ? 0 : ENXIO);
}

/*
 * put_context: a context of the input context; 0 is the control context.
 */
static void
put_context(const struct xhci *x, unsigned i, const uint32_t *words,
    unsigned n)
{

	memcpy(x->x_mem[MEM_INPUT].d_kva + i * x->x_context, words,
	    n * sizeof(*words));
}

/*
 * put_device: the input context begins anew, with what is to be added, and the
 * device's slot.
 */
static void
put_device(const struct xhci *x, uint32_t add, unsigned entries)
{
	const uint32_t control[] = { 0, add };
	const uint32_t slot[] = {
		SLOT_0_SPEED(x->x_speed) | SLOT_0_ENTRIES(entries),
		SLOT_1_PORT(x->x_port)
	};

	memset(x->x_mem[MEM_INPUT].d_kva, 0, INPUT_MOST);
	put_context(x, 0, control, 2);
	put_context(x, 1, slot, 2);
}

static void
put_endpoint(const struct xhci *x, unsigned ep, uint32_t kind,
    uint32_t average)
{
	const uint64_t ring = xhci_ring_addr(&x->x_rings[ep], 0) | EP_2_DCS;
	const uint32_t words[] = {
		0, EP_1_CERR | kind, (uint32_t)ring, (uint32_t)(ring >> 32),
		average
	};

	put_context(x, 1 + x->x_dci[ep], words, 5);
}

/*
 * input_command: one that comes with the input context.
 */
static int
input_command(struct xhci *x, const char *what, unsigned type)
{
	const struct dmabuf *input = &x->x_mem[MEM_INPUT];
	int error;

	dmabuf_sync(input, 0, INPUT_MOST, BUS_DMASYNC_PREWRITE);
	error = command(x, what, dmabuf_addr(input), 0, TRB_TYPE(type) |
	    TRB_SLOT(x->x_slot), NULL);
	dmabuf_sync(input, 0, INPUT_MOST, BUS_DMASYNC_POSTWRITE);
	return (error);
}

/*
 * set_address: [XHCI] 4.3.2 to 4.3.4: a slot, with the control endpoint.
 */
static int
set_address(struct xhci *x)
{
	const struct dmabuf *shared = &x->x_mem[MEM_SHARED];
	/* [USB] 9.6.1; 5.5.3 of 2.0. */
	const unsigned packet = x->x_speed == SPEED_HIGH ? 64 : 512;
	unsigned at;
	int error;

	error = command(x, "enable slot", 0, 0, TRB_TYPE(TRB_ENABLE_SLOT),
	    &x->x_slot);
	if (error != 0)
		return (error);
	at = DCBAA_AT + 8 * x->x_slot;
	dmabuf_sync(shared, at, 8, BUS_DMASYNC_POSTWRITE);
	put64(shared, at, dmabuf_addr(&x->x_mem[MEM_DEVICE]) + CONTEXT_AT);
	dmabuf_sync(shared, at, 8, BUS_DMASYNC_PREWRITE);
	xhci_ring_init(&x->x_rings[EP_CONTROL], &x->x_mem[MEM_SHARED],
	    CONTROL_AT, NCONTROL);
	x->x_dci[EP_CONTROL] = DCI_CONTROL;
	put_device(x, 1U << 0 | 1U << DCI_CONTROL, DCI_CONTROL);
	put_endpoint(x, EP_CONTROL, EP_1_CONTROL | EP_1_PACKET(packet), 8);
	return (input_command(x, "address device", TRB_ADDRESS));
}

/*
 * configure: [XHCI] 4.3.5: the endpoints of the disk.
 */
static int
configure(struct xhci *x, unsigned value)
{
	static const uint32_t kinds[NEP] = {
		[EP_OUT] = EP_1_BULK_OUT, [EP_IN] = EP_1_BULK_IN
	};
	struct usb_bulk *b;
	unsigned ep, last = 0;
	uint32_t add = 1;
	int error;

	for (ep = EP_OUT; ep <= EP_IN; ep++) {
		b = &x->x_bulk[ep];
		x->x_dci[ep] = DCI(b->ub_address & USB_ADDRESS_NUMBER,
		    ep == EP_IN);
		add |= 1U << x->x_dci[ep];
		if (x->x_dci[ep] > last)
			last = x->x_dci[ep];
		xhci_ring_init(&x->x_rings[ep],
		    &x->x_mem[ep == EP_IN ? MEM_IN : MEM_OUT], 0, NBULK);
	}
	put_device(x, add, last);
	for (ep = EP_OUT; ep <= EP_IN; ep++) {
		b = &x->x_bulk[ep];
		put_endpoint(x, ep, kinds[ep] | EP_1_BURST(b->ub_burst) |
		    EP_1_PACKET(b->ub_packet), VM_PAGE_SIZE);
	}
	error = input_command(x, "configure endpoints", TRB_CONFIGURE);
	if (error != 0)
		return (error);
	return (control(x, "set configuration", USB_REQUEST(
	    USB_TYPE_DEVICE_OUT, USB_SET_CONFIGURATION, value, 0, 0), 0));
}

static int
get_descriptor(struct xhci *x, unsigned type, unsigned len)
{

	return (control(x, "get descriptor", USB_REQUEST(USB_TYPE_DEVICE_IN,
	    USB_GET_DESCRIPTOR, type << 8, 0, len), len));
}

/*
 * find_endpoints: of a disk.  => 0 and the value of its configuration; ENXIO:
 * it is none; another error number after one line.
 */
static int
find_endpoints(struct xhci *x, unsigned *value)
{
	const uint8_t *info = x->x_mem[MEM_SHARED].d_kva + INFO_AT;
	/* What is read more than once must not change meanwhile. */
	uint8_t d[INFO_SIZE];
	/* [USB] 9.6.6; 5.8.3 of 2.0. */
	const unsigned packet = x->x_speed == SPEED_HIGH ? 512 : 1024;
	unsigned total;
	int error;

	error = get_descriptor(x, USB_CONFIG, USB_CONFIG_SIZE);
	if (error != 0)
		return (error);
	memcpy(d, info, USB_CONFIG_SIZE);
	total = d[USB_CONFIG_TOTAL] | (unsigned)d[USB_CONFIG_TOTAL + 1] << 8;
	if (d[1] != USB_CONFIG || total < USB_CONFIG_SIZE)
		return (ENXIO);
	if (total > INFO_SIZE)
		total = INFO_SIZE;
	if ((error = get_descriptor(x, USB_CONFIG, total)) != 0)
		return (error);
	memcpy(d, info, total);
	*value = d[USB_CONFIG_VALUE];
	if (!umass_find(d, total, &x->x_bulk[EP_IN], &x->x_bulk[EP_OUT]))
		return (ENXIO);
	if (x->x_bulk[EP_IN].ub_packet == packet &&
	    x->x_bulk[EP_OUT].ub_packet == packet)
		return (0);
	printf(XHCI_NAME ": port %u: packets of %u and %u bytes, not %u\n",
	    x->x_port, x->x_bulk[EP_IN].ub_packet,
	    x->x_bulk[EP_OUT].ub_packet, packet);
	return (ENXIO);
}

/*
 * try_port: => 0: it has a disk, which is ready; ENXIO: it has none; another
 * error number after one line.
 */
static int
try_port(struct xhci *x, unsigned port)
{
	unsigned value;
	int error, end;

	if ((error = port_reset(x, port)) != 0)
		return (error);
	x->x_port = port;
	if ((error = set_address(x)) != 0)
		return (error);
	if ((error = find_endpoints(x, &value)) == 0 &&
	    (error = configure(x, value)) == 0) {
		x->x_umass = (struct umass){
			.um_name = XHCI_NAME,
			.um_mem = &x->x_mem[MEM_SHARED],
			.um_at = UMASS_AT,
			.um_bulk = bulk,
			.um_arg = x,
		};
		error = umass_examine(&x->x_umass);
	}
	if (error == ENXIO) {
		end = command(x, "disable slot", 0, 0,
		    TRB_TYPE(TRB_DISABLE_SLOT) | TRB_SLOT(x->x_slot), NULL);
		x->x_port = 0;
		if (end != 0)
			return (end);
	}
	return (error);
}

/*
 * await_device: a port has something, or none has in time.
 */
static void
await_device(const struct xhci *x)
{
	uint64_t end = nanotime() + (uint64_t)WAIT_CONNECT * 1000000;
	unsigned port;

	do {
		for (port = 1; port <= x->x_nports; port++) {
			if ((op_read(x, XHCI_PORTSC(port)) & PORT_CCS) != 0)
				return;
		}
		delay(1000);
	} while (nanotime() < end);
}

/*
 * Attaching.
 */

static void
set_disk(struct xhci *x)
{

	x->x_disk = (struct disk){
		.dk_name = XHCI_NAME,
		.dk_tag = x->x_tag,
		.dk_blocks = x->x_umass.um_blocks,
		.dk_shift = x->x_umass.um_shift,
		.dk_nsegs = NSEGS,
		.dk_maxsegsz = TRB_LEN_MAX,
		.dk_boundary = RING_BOUNDARY,
		.dk_align = 1,
		.dk_max = (bus_size_t)UMASS_BLOCKS_MAX << x->x_umass.um_shift,
		.dk_transfer = umass_transfer,
		.dk_flush = umass_flush,
		.dk_arg = &x->x_umass,
	};
	x->x_figures = (struct device_figures){
		.df_name = XHCI_NAME,
		.df_tag = x->x_tag,
		.df_max = x->x_max,
		.df_align = XHCI_ALIGN,
		.df_boundary = RING_BOUNDARY,
		.df_contig = x->x_nscratch > 0 ? x->x_page : VM_PAGE_SIZE,
	};
}

/*
 * examine: the first disk, and the line that describes what there is.
 * => 0, also if there is none; an error number after one line.
 */
static int
examine(struct xhci *x)
{
	const struct pci_func *f = &x->x_func;
	uint32_t version = mmio_read32(x->x_regs, XHCI_CAPLENGTH) >> 16;
	int error = ENXIO;
	unsigned port;

	await_device(x);
	for (port = 1; port <= x->x_nports && error == ENXIO; port++)
		error = try_port(x, port);
	if (error != 0 && error != ENXIO)
		return (error);
	x->x_found = error == 0;
	printf(XHCI_NAME " at pci %u:%u.%u: xHCI %x.%02x, %u bits of address, "
	    "%u scratchpad buffers, ", f->pf_bus, f->pf_dev, f->pf_func,
	    version >> 8, version & 0xff, x->x_max > UINT32_MAX ? 64 : 32,
	    x->x_nscratch);
	if (x->x_found)
		printf("port %u, %s speed: %s, %ju blocks of %u\n", x->x_port,
		    x->x_speed == SPEED_HIGH ? "high" : "super",
		    x->x_umass.um_model, (uintmax_t)x->x_umass.um_blocks,
		    1U << x->x_umass.um_shift);
	else
		printf("no disk\n");
	return (0);
}

static int
start(struct xhci *x)
{
	int error;

	error = device_tag(pci_dma_tag(&x->x_func), XHCI_NAME, x->x_max, 1,
	    &x->x_tag);
	if (error != 0)
		return (error);
	if ((error = get_memory(x)) == 0 && (error = run(x)) == 0 &&
	    (error = examine(x)) == 0 && x->x_found)
		set_disk(x);
	else
		release(x);
	return (error);
}

/*
 * find_registers: => 0, or ENODEV after one line: they are not where they
 * could be.
 */
static int
find_registers(struct xhci *x, uint64_t size)
{
	uint32_t caplength = mmio_read32(x->x_regs, XHCI_CAPLENGTH) & 0xff;
	uint32_t rt = mmio_read32(x->x_regs, XHCI_RTSOFF) & RTSOFF_MASK;
	uint32_t db = mmio_read32(x->x_regs, XHCI_DBOFF) & DBOFF_MASK;
	uint32_t hcc = mmio_read32(x->x_regs, XHCI_HCCPARAMS1), hcs, pages;

	hcs = mmio_read32(x->x_regs, XHCI_HCSPARAMS1);
	x->x_nports = HCS1_PORTS(hcs);
	x->x_context = (hcc & HCC1_CSZ) != 0 ? 2 * CONTEXT_SIZE : CONTEXT_SIZE;
	x->x_max = (hcc & HCC1_AC64) != 0 ? BUS_ADDR_MAX : UINT32_MAX;
	x->x_op = x->x_regs + caplength;
	x->x_rt = x->x_regs + rt;
	x->x_db = x->x_regs + db;
	if (caplength >= 0x20 && caplength % 4 == 0 && HCS1_SLOTS(hcs) != 0 &&
	    caplength + XHCI_PORTSC(x->x_nports + 1) <= size &&
	    rt <= size - (XHCI_ERDP + 8) && db <= size - XHCI_DOORBELL(2)) {
		pages = op_read(x, XHCI_PAGESIZE) & 0xffff;
		x->x_page = (bus_size_t)(pages & -pages) << 12;
		if (x->x_page != 0)
			return (0);
	}
	printf(XHCI_NAME ": capabilities make no sense: length 0x%x, slots and "
	    "ports 0x%x, doorbells 0x%x, runtime 0x%x\n", caplength, hcs, db,
	    rt);
	return (ENODEV);
}

static int
xhci_attach(void)
{
	struct xhci *x = &xhci;
	struct pci_bar bar;
	int error;

	memset(x, 0, sizeof(*x));
	if (!pci_find_class(XHCI_PCI_CLASS, &x->x_func))
		return (ENXIO);
	error = pci_map_bar(&x->x_func, XHCI_BAR, REGS_LEAST, REGS_MOST,
	    XHCI_NAME, &x->x_regs);
	if (error == 0)
		error = pci_bar_read(&x->x_func, XHCI_BAR, &bar);
	if (error != 0)
		return (error);
	error = find_registers(x, bar.pb_size < REGS_MOST ? bar.pb_size :
	    REGS_MOST);
	if (error != 0)
		return (error);
	if ((error = reset(x)) != 0)
		return (error);
	return (start(x));
}

static int
xhci_job(void)
{
	struct xhci *x = &xhci;
	int error;

	if (!x->x_found) {
		printf(XHCI_NAME ": no disk\n");
		return (ENODEV);
	}
	if (!x->x_works)
		return (EIO);		/* it failed before */
	if ((error = disk_job(&x->x_disk)) != 0) {
		release(x);
		return (error);
	}
	device_report(&x->x_figures, x->x_disk.dk_moved);
	return (0);
}

const struct device_driver xhci_driver = {
	.dd_name = "xhci",
	.dd_attach = xhci_attach,
	.dd_job = xhci_job,
};
