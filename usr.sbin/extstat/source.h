/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Where the memory of a guest is read from: a core, or a live guest.
 *
 * Both are foreign and hostile.  What makes a source as a whole useless (a
 * core that is cut off, a connection that breaks) ends the program with one
 * line; that some address is no memory is a plain "no".
 */

#ifndef _EXTSTAT_SOURCE_H_
#define	_EXTSTAT_SOURCE_H_

#include <vm/vm_types.h>

struct source {
	const char	*src_name;	/* for messages */
	psize_t		src_size;	/* bytes of memory there, in all */

	/* Bytes [pa, pa + len) into buf; false: not all of it is memory. */
	bool		(*src_read)(struct source *, paddr_t pa, void *buf,
			    size_t len);

	/* Is [pa, pa + len), len > 0, memory? */
	bool		(*src_present)(struct source *, paddr_t pa,
			    psize_t len);

	/* Done; the source is gone afterwards. */
	void		(*src_close)(struct source *);
};

#endif /* !_EXTSTAT_SOURCE_H_ */
