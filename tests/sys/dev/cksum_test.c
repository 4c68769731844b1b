/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of cksum: against cksum(1), and for data that comes in pieces.
 */

#include <atf-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dev/cksum.h>

static uint32_t
sum(const void *data, size_t len)
{
	struct cksum ck;

	cksum_init(&ck);
	cksum_add(&ck, data, len);
	return (cksum_end(&ck));
}

/* What the host's program says of the same bytes. */
static uint32_t
host_sum(const void *data, size_t len)
{
	unsigned long v;
	FILE *f;

	f = fopen("data", "wb");
	ATF_REQUIRE(f != NULL);
	ATF_REQUIRE_EQ(len, fwrite(data, 1, len, f));
	ATF_REQUIRE_EQ(0, fclose(f));
	f = popen("cksum <data", "r");
	ATF_REQUIRE(f != NULL);
	ATF_REQUIRE_EQ(1, fscanf(f, "%lu", &v));
	ATF_REQUIRE_EQ(0, pclose(f));
	return ((uint32_t)v);
}

/* The check value of the algorithm, and the empty file. */
ATF_TC_WITHOUT_HEAD(known);
ATF_TC_BODY(known, tc)
{

	ATF_CHECK_EQ(930766865, sum("123456789", 9));
	ATF_CHECK_EQ(4294967295, sum("", 0));
}

ATF_TC_WITHOUT_HEAD(host);
ATF_TC_BODY(host, tc)
{
	static const size_t lens[] = { 1, 2, 255, 256, 257, 65535, 65536,
	    70000 };
	static unsigned char data[70000];
	size_t i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * i >> 3 ^ i);
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		ATF_CHECK_EQ(host_sum(data, lens[i]), sum(data, lens[i]));
}

ATF_TC_WITHOUT_HEAD(pieces);
ATF_TC_BODY(pieces, tc)
{
	unsigned char data[1000];
	struct cksum ck;
	size_t i, n;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7);
	cksum_init(&ck);
	for (i = 0; i < sizeof(data); i += n) {
		n = i % 13;
		if (n == 0)
			n = 1;
		if (n > sizeof(data) - i)
			n = sizeof(data) - i;
		cksum_add(&ck, data + i, n);
		cksum_add(&ck, data, 0);
	}
	ATF_CHECK_EQ(sum(data, sizeof(data)), cksum_end(&ck));
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, known);
	ATF_TP_ADD_TC(tp, host);
	ATF_TP_ADD_TC(tp, pieces);
	return (atf_no_error());
}
