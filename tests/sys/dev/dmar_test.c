/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of what is read from DMAR tables, well-formed and not.
 */

#include <atf-c.h>
#include <stdlib.h>
#include <string.h>

#include <dev/dmar.h>

#define	HEADER	48

static uint8_t table[70000];
static uint32_t len;
static struct dmar_info di;

static void
begin(unsigned width)
{

	memset(table, 0, sizeof(table));
	len = HEADER;
	table[36] = (uint8_t)(width - 1);
}

static uint8_t *
entry(unsigned type, unsigned size)
{
	uint8_t *e = table + len;

	e[0] = (uint8_t)type;
	e[2] = (uint8_t)size;
	e[3] = (uint8_t)(size >> 8);
	len += size;
	return (e);
}

/* A unit with room for so many bytes of devices. */
static uint8_t *
unit(uint64_t base, bool all, unsigned more)
{
	uint8_t *e = entry(0, 16 + more);

	e[4] = all;
	memcpy(e + 8, &base, sizeof(base));
	return (e);
}

/* Parse a copy that ends with a heap block: to read beyond it is seen. */
static const char *
parse(uint32_t n)
{
	uint8_t *copy = malloc(n == 0 ? 1 : n);
	const char *why;

	ATF_REQUIRE(copy != NULL);
	memcpy(copy, table, n);
	why = dmar_parse(copy, n, &di);
	free(copy);
	return (why);
}

static void
refused(const char *why)
{
	const char *got = parse(len);

	ATF_REQUIRE_MSG(got != NULL && strcmp(got, why) == 0, "%s, not %s",
	    got == NULL ? "taken" : got, why);
}

ATF_TC_WITHOUT_HEAD(units);
ATF_TC_BODY(units, tc)
{
	uint8_t *e;

	begin(39);
	ATF_REQUIRE_EQ(NULL, parse(len));
	ATF_REQUIRE_EQ(39, di.di_width);
	ATF_REQUIRE_EQ(0, di.di_nunits);
	(void)entry(2, 8);		/* of no interest */
	(void)unit(0xfed90000, true, 0);
	ATF_REQUIRE_EQ(NULL, parse(len));
	ATF_REQUIRE_EQ(1, di.di_nunits);
	ATF_REQUIRE_EQ(0xfed90000, di.di_base);
	ATF_REQUIRE(di.di_all);
	ATF_REQUIRE_EQ(0, di.di_nreserved);
	(void)entry(1, 24);
	unit(0xfed91000, false, 0)[6] = 1;	/* another segment's */
	ATF_REQUIRE_EQ(NULL, parse(len));
	ATF_REQUIRE_EQ(1, di.di_nunits);
	ATF_REQUIRE_EQ(1, di.di_nreserved);
	ATF_REQUIRE_EQ(0xfed90000, di.di_base);
	e = unit(UINT64_C(0x123456789000), false, 0);
	ATF_REQUIRE_EQ(NULL, parse(len));
	ATF_REQUIRE_EQ(2, di.di_nunits);
	ATF_REQUIRE_EQ(UINT64_C(0x123456789000), di.di_base);
	ATF_REQUIRE(!di.di_all);
	e[8] = 1;
	refused("registers are not at a page");
	memset(e + 8, 0, 8);
	refused("registers are not at a page");
}

ATF_TC_WITHOUT_HEAD(devices);
ATF_TC_BODY(devices, tc)
{
	static const uint8_t list[] = {
		1, 8, 0, 0, 0, 3, 31, 7,
		3, 8, 0, 0, 0, 0xf0, 31, 0,	/* an I/O APIC */
		2, 10, 0, 0, 0, 0, 1, 0, 2, 1,
		5, 6, 0, 0, 9, 0,
	};
	uint8_t *e;

	begin(48);
	e = unit(0x1000, false, sizeof(list));
	memcpy(e + 16, list, sizeof(list));
	ATF_REQUIRE_EQ(NULL, parse(len));
	ATF_REQUIRE_EQ(2, di.di_nscopes);
	ATF_REQUIRE(!di.di_scopes[0].ds_bridge);
	ATF_REQUIRE_EQ(3, di.di_scopes[0].ds_bus);
	ATF_REQUIRE_EQ(1, di.di_scopes[0].ds_nhops);
	ATF_REQUIRE_EQ(0xff, di.di_scopes[0].ds_path[0]);
	ATF_REQUIRE(di.di_scopes[1].ds_bridge);
	ATF_REQUIRE_EQ(2, di.di_scopes[1].ds_nhops);
	ATF_REQUIRE_EQ(0x08, di.di_scopes[1].ds_path[0]);
	ATF_REQUIRE_EQ(0x11, di.di_scopes[1].ds_path[1]);

	e[16 + 6] = 32;
	refused("a path leads to no device");
	e[16 + 6] = 31;
	e[16 + 7] = 8;
	refused("a path leads to no device");
	e[16 + 7] = 7;
	e[16 + 1] = 5;
	refused("a device has a wrong length");
	e[16 + 1] = 0;
	refused("a device has a wrong length");
	e[16 + 1] = 7;
	refused("a path is too short or too long");
	e[16 + 1] = 6;
	refused("a path is too short or too long");
	e[16 + 1] = sizeof(list) + 1;
	refused("a device has a wrong length");
	e[16 + 1] = 16;
	refused("a path is too short or too long");
}

ATF_TC_WITHOUT_HEAD(many_devices);
ATF_TC_BODY(many_devices, tc)
{
	unsigned i;
	uint8_t *e;

	begin(48);
	e = unit(0x1000, false, 8 * (DMAR_MAXSCOPES + 1));
	for (i = 0; i <= DMAR_MAXSCOPES; i++) {
		e[16 + i * 8] = 1;
		e[16 + i * 8 + 1] = 8;
	}
	refused("too many devices");
	e[16] = 3;
	ATF_REQUIRE_EQ(NULL, parse(len));
	ATF_REQUIRE_EQ(DMAR_MAXSCOPES, di.di_nscopes);
}

ATF_TC_WITHOUT_HEAD(lengths);
ATF_TC_BODY(lengths, tc)
{
	uint8_t *e;

	begin(39);
	len = HEADER - 1;
	refused("the table is too short");
	len = 0;
	refused("the table is too short");
	begin(65);
	refused("more than 64 bits of address");
	begin(39);
	e = unit(0x1000, true, 0);
	e[2] = 0;
	refused("an entry has a wrong length");
	e[2] = 3;
	refused("an entry has a wrong length");
	e[2] = 17;
	refused("an entry has a wrong length");
	e[3] = 0xff;
	refused("an entry has a wrong length");
	e[3] = 0;
	e[2] = 15;
	len--;
	refused("a unit is too short");
	begin(39);
	(void)entry(1, 23);
	refused("a reserved range is too short");
	begin(39);
	len += 3;
	refused("an entry is cut off");
}

/* Whatever stands there: it ends, and reads no byte that is not there. */
ATF_TC_WITHOUT_HEAD(anything);
ATF_TC_BODY(anything, tc)
{
	uint64_t x = 88172645463325252;
	unsigned round, i, taken = 0;

	for (round = 0; round < 20000; round++) {
		begin(39);
		(void)unit(0x1000, false, 32);
		(void)entry(1, 24);
		for (i = 0; i < 1 + round % 4; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			table[HEADER + x % (len - HEADER)] =
			    (uint8_t)(x >> 40) & (x >> 60 < 8 ? 0xff : 0x0f);
		}
		taken += parse(len - (uint32_t)(x >> 50) % 3) == NULL;
		ATF_REQUIRE(di.di_nscopes <= DMAR_MAXSCOPES);
	}
	ATF_REQUIRE(taken > 0 && taken < round);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, units);
	ATF_TP_ADD_TC(tp, devices);
	ATF_TP_ADD_TC(tp, many_devices);
	ATF_TP_ADD_TC(tp, lengths);
	ATF_TP_ADD_TC(tp, anything);
	return (atf_no_error());
}
