/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Owner tags and their names.
 */

#include <atf-c.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <vm/vm_owner.h>

#include "vm_testlib.h"

ATF_TC_WITHOUT_HEAD(names);
ATF_TC_BODY(names, tc)
{
	vm_owner_t a, b;

	(void)tc;
	ATF_REQUIRE_STREQ(vm_owner_name(VM_OWNER_NONE), "-");
	ATF_REQUIRE_EQ(vm_owner_register(""), VM_OWNER_NONE);
	ATF_REQUIRE_STREQ(vm_owner_name(1), "?");
	ATF_REQUIRE_STREQ(vm_owner_name(UINT16_MAX), "?");
	a = vm_owner_register("fdc0");
	b = vm_owner_register("fdc");
	ATF_REQUIRE(a != VM_OWNER_NONE && b != VM_OWNER_NONE && a != b);
	ATF_REQUIRE_EQ(vm_owner_register("fdc0"), a);
	ATF_REQUIRE_EQ(vm_owner_register("fdc"), b);
	ATF_REQUIRE_STREQ(vm_owner_name(a), "fdc0");
	ATF_REQUIRE_STREQ(vm_owner_name(b), "fdc");
}

/* A long name is cut, and is the same owner when it comes again. */
ATF_TC_WITHOUT_HEAD(long_name);
ATF_TC_BODY(long_name, tc)
{
	vm_owner_t tag = vm_owner_register("123456789012345");

	(void)tc;
	ATF_REQUIRE(tag != VM_OWNER_NONE);
	ATF_REQUIRE_EQ(vm_owner_register("1234567890123456"), tag);
	ATF_REQUIRE_EQ(vm_owner_register("123456789012345 and more"), tag);
	ATF_REQUIRE(vm_owner_register("12345678901234") != tag);
	ATF_REQUIRE_STREQ(vm_owner_name(tag), "123456789012345");
}

ATF_TC_WITHOUT_HEAD(table_full);
ATF_TC_BODY(table_full, tc)
{
	char name[VM_OWNER_NAMELEN];
	unsigned i, n = 0;
	vm_owner_t tag;

	(void)tc;
	for (i = 0; i < 2 * VM_OWNER_MAX; i++) {
		snprintf(name, sizeof(name), "owner %u", i);
		tag = vm_owner_register(name);
		n += tag != VM_OWNER_NONE;
		if (tag != VM_OWNER_NONE)
			ATF_REQUIRE_STREQ(vm_owner_name(tag), name);
	}
	ATF_REQUIRE_EQ(n, VM_OWNER_MAX - 1);
	/* Those that are there still are. */
	ATF_REQUIRE_STREQ(vm_owner_name(vm_owner_register("owner 0")),
	    "owner 0");
	ATF_REQUIRE_EQ(vm_owner_register("one more"), VM_OWNER_NONE);
	ATF_REQUIRE_STREQ(vm_owner_name(VM_OWNER_MAX), "?");
}

/* Threads that register the same names get the same tags. */
static void *
register_all(void *arg)
{
	vm_owner_t *tag = arg;
	char name[VM_OWNER_NAMELEN];
	unsigned i;

	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		tag[i] = vm_owner_register(name);
		(void)vm_owner_name((vm_owner_t)(tag[i] + 1));
	}
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(threads);
ATF_TC_BODY(threads, tc)
{
	static vm_owner_t tag[4][200];
	pthread_t thread[4];
	unsigned i;

	(void)tc;
	for (i = 0; i < NITEMS(thread); i++)
		ATF_REQUIRE_EQ(pthread_create(&thread[i], NULL, register_all,
		    tag[i]), 0);
	for (i = 0; i < NITEMS(thread); i++)
		ATF_REQUIRE_EQ(pthread_join(thread[i], NULL), 0);
	for (i = 1; i < NITEMS(thread); i++)
		ATF_REQUIRE_EQ(memcmp(tag[i], tag[0], sizeof(tag[0])), 0);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, names);
	ATF_TP_ADD_TC(tp, long_name);
	ATF_TP_ADD_TC(tp, table_full);
	ATF_TP_ADD_TC(tp, threads);
	return (atf_no_error());
}
