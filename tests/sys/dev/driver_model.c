/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <atf-c.h>
#include <stdarg.h>

#include <sys/bus_dma.h>
#include <sys/km_map.h>
#include <sys/kmem.h>
#include <sys/systm.h>

#include <vm/vm_audit.h>
#include <vm/vm_page.h>
#include <vm/vm_pglist.h>
#include <vm/vm_physseg.h>

#include "driver_model.h"

#define	MiB		(UINT64_C(1) << 20)
#define	HOG_MAX		32768U		/* pages */

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

void
scratch_disk(uint8_t *disk, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		disk[i] = (uint8_t)(i * 31 ^ i >> 9 ^ i >> 16);
	memcpy(disk, "extant scratch\n", 15);
}

int
driver_run(const struct device_driver *d)
{
	int error = d->dd_attach();

	return (error != 0 ? error : d->dd_job());
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

/*
 * Drivers without memory.
 */

static paddr_t hog[HOG_MAX];
static unsigned hog_first, hog_end;

static void
hog_all(void)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(VM_PAGE_SIZE);
	struct vm_pgseg seg;
	unsigned nsegs;

	req.vpr_owner = vm_owner_register("hog");
	req.vpr_flags = VM_PG_USERESERVE;
	while (vm_pglist_alloc(&req, &seg, &nsegs) == 0) {
		ATF_REQUIRE(hog_end < HOG_MAX);
		hog[hog_end++] = seg.vps_start;
	}
}

/* A page of those that were taken first, and one of the last. */
static void
hog_less(void)
{

	ATF_REQUIRE(hog_end - hog_first >= 2);
	ATF_REQUIRE_EQ(0, vm_page_free(hog[hog_first++]));
	ATF_REQUIRE_EQ(0, vm_page_free(hog[--hog_end]));
}

/*
 * It said in one line, beside what else there is to say, what it lacks, and who
 * has that, or where it would fit by now, as what it got until then is free
 * again; no map, no memory is left.
 */
static void
starved(const struct device_driver *d, int error, uint64_t frames)
{
	unsigned maps, tags;

	ATF_REQUIRE_EQ_MSG(ENOMEM, error, "%d: %s", error, console);
	ATF_REQUIRE_MSG(console_has(": ENOMEM: wanted "), "%s", console);
	ATF_CHECK_MSG(console_has("hog") || console_has("; fits at 0x"), "%s",
	    console);
	ATF_CHECK_MSG(strstr(strstr(console, "ENOMEM") + 1, "ENOMEM") == NULL,
	    "%s", console);
	ATF_CHECK_MSG(nlines <= 3, "%s", console);
	ATF_CHECK_MSG(!console_has("bus_dma: "), "%s", console);
	ATF_CHECK_EQ_MSG(0, strncmp(console, d->dd_name, strlen(d->dd_name)),
	    "%s", console);
	bus_dma_usage(&tags, &maps);
	ATF_CHECK_EQ(0, maps);
	ATF_CHECK(free_frames() >= frames);
}

static bool
attach_starves(const struct device_driver *d)
{
	uint64_t frames = free_frames();
	unsigned maps, tags;
	int error;

	clear_console();
	if ((error = d->dd_attach()) == 0)
		return (true);
	starved(d, error, frames);
	ATF_CHECK_EQ(frames, free_frames());
	bus_dma_usage(&tags, &maps);
	ATF_CHECK_EQ(0, tags);
	return (false);
}

/* => EIO: it failed before, and wants to be attached anew. */
static int
job_starves(const struct device_driver *d)
{
	uint64_t frames = free_frames();
	int error;

	clear_console();
	error = d->dd_job();
	if (error != 0 && error != EIO)
		starved(d, error, frames);
	return (error);
}

unsigned
driver_starves(const struct device_driver *d)
{
	bool attached = false;
	unsigned failures = 0;
	int error;

	hog_all();
	attached = attach_starves(d);
	ATF_CHECK_MSG(attached || console_has("hog"), "%s", console);
	for (;; hog_less(), failures++) {
		if (!attached && !(attached = attach_starves(d)))
			continue;
		if ((error = job_starves(d)) == 0)
			return (failures);
		attached = error == ENOMEM;
	}
}
