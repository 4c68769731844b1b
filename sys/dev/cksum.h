/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The sum that cksum(1) prints, so that data which a driver has read can be
 * compared with the file that it came from.
 *
 * cksum_init: the sum of nothing so far.  cksum_add: len more bytes.
 * cksum_end: what cksum(1) says of all of them.
 */

#ifndef _DEV_CKSUM_H_
#define	_DEV_CKSUM_H_

#include <stddef.h>
#include <stdint.h>

struct cksum {
	uint32_t	ck_crc;
	uint64_t	ck_len;
};

void	cksum_init(struct cksum *);
void	cksum_add(struct cksum *, const void *data, size_t len);
uint32_t cksum_end(struct cksum *);

#endif /* !_DEV_CKSUM_H_ */
