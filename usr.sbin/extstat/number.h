/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Numbers of bytes as people write them.
 */

#ifndef _EXTSTAT_NUMBER_H_
#define	_EXTSTAT_NUMBER_H_

#include <stdbool.h>
#include <stdint.h>

/*
 * number_parse: a number, decimal or hexadecimal after 0x, which may end in
 * one of k, m, g, t, p (upper case too): times 2^10, 2^20 and so on.  No sign,
 * no blanks.
 * => true and *valuep; false and in *whyp what is wrong (static string).
 */
bool	number_parse(const char *text, uint64_t *valuep, const char **whyp);

/*
 * number_format: bytes in the largest unit of which there is one: "640K", or
 * with one digit behind the point, rounded down: "31.9M".  => buf.
 */
#define	NUMBER_LEN	16
char	*number_format(uint64_t bytes, char buf[NUMBER_LEN]);

#endif /* !_EXTSTAT_NUMBER_H_ */
