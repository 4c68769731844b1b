/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Memory that a driver shares with its device, from bus_dma(9): with a kernel
 * address and a map.  One CPU at a time.
 */

#ifndef _DEV_DMABUF_H_
#define	_DEV_DMABUF_H_

#include <sys/bus_dma.h>

/* Contiguous memory in whole pages. */
struct dmabuf {
	bus_dma_tag_t	d_tag;
	bus_dma_segment_t d_seg;
	uint8_t		*d_kva;		/* NULL: none */
	bus_dmamap_t	d_map;		/* loaded with all of it */
};

/*
 * dmabuf_get: size bytes, rounded up to whole pages, contiguous, aligned (at
 * least to a page), not across a multiple of boundary (0: no such limit),
 * filled with zeros.
 * => 0, or an error number after one line on the console: device_lacks_dma().
 * dmabuf_put: gives it back; what has none stays as it is.
 * dmabuf_sync: bus_dmamap_sync() of a part.
 */
int	dmabuf_get(struct dmabuf *, bus_dma_tag_t, const char *name,
	    bus_size_t size, bus_size_t align, bus_size_t boundary);
void	dmabuf_put(struct dmabuf *);
void	dmabuf_sync(const struct dmabuf *, bus_size_t offset, bus_size_t len,
	    int ops);

static inline bus_addr_t
dmabuf_addr(const struct dmabuf *d)
{

	return (d->d_map->dm_segs[0].ds_addr);
}

/* Single pages, wherever there are free ones, as a buffer in a row. */
#define	DMAPAGES_MAX	128U

struct dmapages {
	bus_dma_tag_t	dp_tag;
	unsigned	dp_n;
	bus_dma_segment_t dp_segs[DMAPAGES_MAX];
	void		*dp_kva[DMAPAGES_MAX];
};

/*
 * dmapages_get: n pages, at most DMAPAGES_MAX; contents undefined.
 * => 0, or an error number after one line, as above.
 * dmapages_put: gives them back.
 * dmapages_at: byte at; the rest of its page follows.
 * dmapages_pieces: in how many pieces of contiguous memory they lie.
 */
int	dmapages_get(struct dmapages *, bus_dma_tag_t, const char *name,
	    unsigned n);
void	dmapages_put(struct dmapages *);
uint8_t	*dmapages_at(const struct dmapages *, unsigned at);
unsigned dmapages_pieces(const struct dmapages *);

#endif /* !_DEV_DMABUF_H_ */
