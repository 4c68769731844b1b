/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * POSIX.1-2017, Shell and Utilities, cksum, DESCRIPTION: the CRC of ISO/IEC
 * 8802-3 over the octets of the file and then those of its length, least
 * significant first, as many as are not zero; complemented.
 */

#include <dev/cksum.h>

#define	CKSUM_POLY	0x04c11db7U	/* x^32 + x^26 + ... + x + 1 */

/*
 * The table that takes four bits at a time: small enough to be made anew for
 * each call, large enough that the sum costs less than reading the data.
 */
static void
make_table(uint32_t table[static 16])
{
	unsigned i, bit;

	for (i = 0; i < 16; i++) {
		table[i] = (uint32_t)i << 28;
		for (bit = 0; bit < 4; bit++)
			table[i] = table[i] << 1 ^
			    ((table[i] >> 31) != 0 ? CKSUM_POLY : 0);
	}
}

static uint32_t
add_octet(const uint32_t table[static 16], uint32_t crc, uint8_t octet)
{

	crc = crc << 4 ^ table[crc >> 28 ^ octet >> 4];
	return (crc << 4 ^ table[crc >> 28 ^ (octet & 0xf)]);
}

void
cksum_init(struct cksum *ck)
{

	ck->ck_crc = 0;
	ck->ck_len = 0;
}

void
cksum_add(struct cksum *ck, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t table[16];
	size_t i;

	make_table(table);
	for (i = 0; i < len; i++)
		ck->ck_crc = add_octet(table, ck->ck_crc, p[i]);
	ck->ck_len += len;
}

uint32_t
cksum_end(struct cksum *ck)
{
	uint32_t table[16];
	uint64_t n;

	make_table(table);
	for (n = ck->ck_len; n != 0; n >>= 8)
		ck->ck_crc = add_octet(table, ck->ck_crc, (uint8_t)n);
	return (~ck->ck_crc);
}
