/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * A model of a legacy virtio device, the only one of its machine, the rest of
 * which the test program has: Virtual I/O Device (VIRTIO) Version 1.1,
 * sections 2.6 and 4.1.4.8.
 */

#ifndef _VIRTIO_MODEL_H_
#define	_VIRTIO_MODEL_H_

#include <sys/bus_dma.h>

#define	MODEL_QUEUES	2
#define	MODEL_SEGS	160

struct model {
	/* What the test program sets. */
	uint16_t	m_device;	/* PCI identifier */
	uint32_t	m_features;
	uint16_t	m_size[MODEL_QUEUES];
	uint8_t		m_config[32];
	uint32_t	m_ports;	/* that it has */
	bool		m_stuck;	/* it does not let itself be reset */
	void		(*m_notified)(unsigned queue);
	/* What the driver has set. */
	uint8_t		m_status;
	uint16_t	m_select;
	uint32_t	m_driver_features;
	uint32_t	m_pfn[MODEL_QUEUES];
	bool		m_master;
	/* The model's. */
	uint16_t	m_seen[MODEL_QUEUES];	/* of the available ring */
	uint16_t	m_used[MODEL_QUEUES];
};

extern struct model model;

/* A request: its pieces, those that the device writes last. */
struct model_request {
	uint16_t	mr_id;
	unsigned	mr_n, mr_out;	/* pieces; those that it reads */
	uint8_t		*mr_at[MODEL_SEGS];
	uint32_t	mr_len[MODEL_SEGS];
};

/*
 * model_next: the next request of a queue.  => false: none.
 * model_done: it goes back, with so many bytes written.
 * model_copy: bytes [from, from + len) of the pieces [first, last) of a
 * request, to it or from it.
 * model_silent: the device has been reset, or may not be master of the bus;
 * nothing of what its driver had is left; bus_dma(9) has seen no mistake.
 */
bool	model_next(unsigned queue, struct model_request *);
void	model_done(unsigned queue, uint32_t id, uint32_t len);
void	model_copy(struct model_request *, unsigned first, unsigned last,
	    uint32_t from, void *buf, uint32_t len, bool to);
void	model_silent(void);

#endif /* !_VIRTIO_MODEL_H_ */
