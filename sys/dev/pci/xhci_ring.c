/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Rings of USB 3 host controllers.
 *
 * Source: [XHCI] 4.9, see xhcireg.h.
 *
 * An entry is valid if its cycle bit is that of the present round.  A link
 * leads from the end back to the beginning, and the bit changes there.  What
 * belongs together is never parted by the link ([XHCI] 4.11.7.1 wants a whole
 * number of bursts before one): if it does not fit, the link comes early.
 * The entries that are left out get the cycle bit of this round, so that in
 * the next they are not valid before they are written.
 *
 * What is put must not overwrite the link that leads to it: half of the ring
 * at most, at once.
 */

#include <sys/systm.h>

#include <dev/pci/xhci_ring.h>

static struct xhci_trb *
entry(const struct xhci_ring *r, unsigned i)
{

	return ((struct xhci_trb *)(void *)(r->xr_mem->d_kva + r->xr_at +
	    i * TRB_SIZE));
}

static void
sync(const struct xhci_ring *r, unsigned i, unsigned n, int ops)
{

	if (n > 0)
		dmabuf_sync(r->xr_mem, r->xr_at + i * TRB_SIZE, n * TRB_SIZE,
		    ops);
}

bus_addr_t
xhci_ring_addr(const struct xhci_ring *r, unsigned i)
{

	return (dmabuf_addr(r->xr_mem) + r->xr_at + i * TRB_SIZE);
}

void
xhci_ring_init(struct xhci_ring *r, struct dmabuf *mem, unsigned at,
    unsigned size)
{

	if (r->xr_mem != NULL)
		xhci_ring_done(r);
	r->xr_mem = mem;
	r->xr_at = at;
	r->xr_size = size;
	r->xr_first = r->xr_next = r->xr_done = 0;
	r->xr_cycle = TRB_CYCLE;
	memset(mem->d_kva + at, 0, size * TRB_SIZE);
}

unsigned
xhci_ring_most(const struct xhci_ring *r)
{

	return ((r->xr_size - 1) / 2);
}

/*
 * set: an entry, which is valid from the last store on.
 */
static void
set(struct xhci_ring *r, unsigned i, const struct xhci_trb *t, uint32_t cycle)
{
	struct xhci_trb *e = entry(r, i);

	e->t_param = t->t_param;
	e->t_status = t->t_status;
	__atomic_store_n(&e->t_control, t->t_control | cycle,
	    __ATOMIC_RELEASE);
}

static void
turn(struct xhci_ring *r)
{
	const struct xhci_trb skip = { .t_control = TRB_TYPE(TRB_NOOP) };
	const struct xhci_trb link = {
		.t_param = xhci_ring_addr(r, 0),
		.t_control = TRB_TYPE(TRB_LINK) | TRB_TC,
	};
	unsigned i;

	for (i = r->xr_next + 1; i < r->xr_size; i++)
		set(r, i, &skip, r->xr_cycle);
	set(r, r->xr_next, &link, r->xr_cycle);
	sync(r, r->xr_next, r->xr_size - r->xr_next, BUS_DMASYNC_PREWRITE);
	r->xr_next = 0;
	r->xr_cycle ^= TRB_CYCLE;
}

void
xhci_ring_put(struct xhci_ring *r, const struct xhci_trb *t, unsigned n)
{
	unsigned i;

	KASSERT(n > 0 && n <= xhci_ring_most(r) && r->xr_done == r->xr_next);
	if (r->xr_next + n > r->xr_size - 1)
		turn(r);
	/* The first comes last: before that, none is seen. */
	for (i = n; i-- > 0;)
		set(r, r->xr_next + i, &t[i], r->xr_cycle);
	sync(r, r->xr_next, n, BUS_DMASYNC_PREWRITE);
	r->xr_first = r->xr_next;
	r->xr_next += n;
}

void
xhci_ring_done(struct xhci_ring *r)
{

	if (r->xr_done > r->xr_next) {
		sync(r, r->xr_done, r->xr_size - r->xr_done,
		    BUS_DMASYNC_POSTWRITE);
		r->xr_done = 0;
	}
	sync(r, r->xr_done, r->xr_next - r->xr_done, BUS_DMASYNC_POSTWRITE);
	r->xr_done = r->xr_next;
}

bool
xhci_ring_where(const struct xhci_ring *r, bus_addr_t addr, unsigned *i)
{
	bus_addr_t first = xhci_ring_addr(r, r->xr_first);

	if (addr < first || addr >= xhci_ring_addr(r, r->xr_next) ||
	    (addr - first) % TRB_SIZE != 0)
		return (false);
	*i = (unsigned)((addr - first) / TRB_SIZE);
	return (true);
}

void
xhci_events_init(struct xhci_ring *r, struct dmabuf *mem, unsigned at,
    unsigned size)
{

	xhci_ring_init(r, mem, at, size);
	sync(r, 0, size, BUS_DMASYNC_PREREAD);
}

bool
xhci_event(struct xhci_ring *r, struct xhci_trb *t)
{
	const struct xhci_trb *e = entry(r, r->xr_next);
	uint32_t control;

	sync(r, r->xr_next, 1, BUS_DMASYNC_POSTREAD);
	control = __atomic_load_n(&e->t_control, __ATOMIC_ACQUIRE);
	t->t_param = e->t_param;
	t->t_status = e->t_status;
	t->t_control = control;
	sync(r, r->xr_next, 1, BUS_DMASYNC_PREREAD);
	if ((control & TRB_CYCLE) != r->xr_cycle)
		return (false);
	if (++r->xr_next == r->xr_size) {
		r->xr_next = 0;
		r->xr_cycle ^= TRB_CYCLE;
	}
	return (true);
}

void
xhci_events_end(struct xhci_ring *r)
{

	sync(r, 0, r->xr_size, BUS_DMASYNC_POSTREAD);
}
