/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <atf-c.h>
#include <stdarg.h>

#include <sys/km_map.h>
#include <sys/kmem.h>
#include <sys/systm.h>

#include <vm/vm_audit.h>
#include <vm/vm_physseg.h>

#include "driver_model.h"

#define	MiB		(UINT64_C(1) << 20)

static const struct vm_memrange ranges[] = {
	{ 0x1000, 0x9e000 },
	{ 1 * MiB, 15 * MiB },
	{ 4096 * MiB, 64 * MiB },
};

char	console[8192];
unsigned nlines;
uint64_t now;

int
console_printf(const char *fmt, ...)
{
	size_t len = strlen(console);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(console + len, sizeof(console) - len, fmt, ap);
	va_end(ap);
	nlines += strchr(console + len, '\n') != NULL;
	return (n);
}

static void
vm_console(const char *line)
{

	console_printf("%s", line);
}

const char *
errno_name(int error)
{

	switch (error) {
	case EIO:
		return ("EIO");
	case ENOMEM:
		return ("ENOMEM");
	case ETIMEDOUT:
		return ("ETIMEDOUT");
	default:
		return ("E?");
	}
}

void
delay(unsigned usec)
{

	now += usec * UINT64_C(1000);
}

uint64_t
nanotime(void)
{

	return (now += 100);
}

void
clear_console(void)
{

	console[0] = '\0';
	nlines = 0;
}

bool
console_has(const char *s)
{

	return (strstr(console, s) != NULL);
}

void
driver_model_boot(void)
{

	ATF_REQUIRE_EQ(0, vm_physmem_load(ranges, 3, NULL, 0));
	kmem_init();
	ATF_REQUIRE(km_map_init());
	usermode_console(vm_console);
	clear_console();
}

uint64_t
free_frames(void)
{
	struct kmem_info info;
	struct vm_audit va;
	uint64_t kmem;
	unsigned i;

	(void)kmem_reap();
	kmem = kmem_meta_pages();
	for (i = 0; kmem_info(i, &info); i++)
		kmem += info.ki_pages;
	ATF_REQUIRE_MSG(vm_audit(&va), "audit: %s", va.va_why);
	return (va.va_free + va.va_held + kmem);
}
