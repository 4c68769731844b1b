/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Devices of the reference kernel: they are attached one after the other, and
 * then do their jobs, while other code goes on allocating and freeing pages.
 *
 * When jobs run at the same time, each CPU takes the next one that nobody has,
 * but for the last CPU, which does nothing but the allocating and freeing (if
 * there is only one, that is done while a job waits).
 */

#include <stdatomic.h>

#include <sys/ageing.h>
#include <sys/device.h>
#include <sys/options.h>
#include <sys/smp.h>
#include <sys/systm.h>

#define	DEVICES_MAX	32
#define	WATCH_USEC	1000	/* between two looks at how far others are */

struct attached {
	const struct device_driver *a_driver;
	int		a_error;	/* of its job */
};

static struct attached devices[DEVICES_MAX];
static unsigned ndevices;
static _Atomic unsigned next_job, done_jobs;
static unsigned failures;

/*
 * judge: what an error of a driver means for the run.  A device that is not
 * there, has nothing to work with, or gets no memory is no failure where it
 * was not required.
 */
static void
judge(const struct device_driver *d, int error)
{

	if (error == 0 || ((error == ENXIO || error == ENODEV ||
	    error == ENOMEM) && !option_required(d->dd_name)))
		return;
	printf("%s0: failed: %s\n", d->dd_name, errno_name(error));
	failures++;
}

/*
 * attach: only dd_attach() can tell that there is no device, and only dd_job()
 * that there is nothing to use it with.
 */
static bool
attach(const struct device_driver *d)
{
	int error = d->dd_attach();

	if (error == ENXIO)
		printf("%s0: not present\n", d->dd_name);
	judge(d, error == ENODEV ? EIO : error);
	if (error != 0)
		return (false);
	KASSERT(ndevices < DEVICES_MAX);
	devices[ndevices++].a_driver = d;
	return (true);
}

static int
job(const struct device_driver *d)
{
	int error = d->dd_job();

	return (error == ENXIO ? EIO : error);
}

/*
 * each_in_turn: attach each and run its job, before the next one.
 */
static void
each_in_turn(void (*checkpoint)(const char *))
{
	const struct device_driver *const *d;
	uint64_t runs;

	for (d = device_drivers; *d != NULL; d++) {
		if (!attach(*d))
			continue;
		for (runs = option_number(OPT_RUNS); runs > 0; runs--) {
			judge(*d, job(*d));
			checkpoint((*d)->dd_name);
			background_resume();
		}
	}
}

static bool
job_next(void)
{
	unsigned i = atomic_load(&next_job);

	if (i >= ndevices)
		return (false);
	if (atomic_compare_exchange_strong(&next_job, &i, i + 1)) {
		devices[i].a_error = job(devices[i].a_driver);
		atomic_fetch_add(&done_jobs, 1);
	}
	return (true);
}

/*
 * step: of a CPU other than the first.
 */
static void
step(unsigned cpu)
{

	if (cpu + 1 == smp_ncpu() || !job_next())
		ageing_step(cpu);
}

/*
 * all_at_once: the jobs of all that are attached, once.
 */
static void
all_at_once(void (*checkpoint)(const char *))
{
	unsigned i;

	atomic_store(&next_job, 0);
	atomic_store(&done_jobs, 0);
	background_resume();
	if (smp_ncpu() > 1)
		smp_run(step);
	while (job_next())
		continue;
	while (atomic_load(&done_jobs) < ndevices)
		delay(WATCH_USEC);
	background_pause();
	for (i = 0; i < ndevices; i++)
		judge(devices[i].a_driver, devices[i].a_error);
	checkpoint("together");
}

static void
all_together(void (*checkpoint)(const char *))
{
	const struct device_driver *const *d;
	uint64_t runs;

	for (d = device_drivers; *d != NULL; d++)
		(void)attach(*d);
	for (runs = option_number(OPT_RUNS); runs > 0; runs--)
		all_at_once(checkpoint);
}

/*
 * names_check: all that require=... names must be names of drivers.
 */
static void
names_check(void)
{
	const struct device_driver *const *d;
	const char *name;
	unsigned i, len;

	for (i = 0; (name = option_require(i, &len)) != NULL; i++) {
		for (d = device_drivers; *d != NULL; d++) {
			if (strlen((*d)->dd_name) == len &&
			    memcmp((*d)->dd_name, name, len) == 0)
				break;
		}
		if (*d == NULL) {
			printf("option require=%.*s: no such driver\n",
			    (int)len, name);
			failures++;
		}
	}
}

unsigned
devices_run(void (*checkpoint)(const char *))
{

	names_check();
	background_resume();
	if (option_number(OPT_TOGETHER) != 0)
		all_together(checkpoint);
	else
		each_in_turn(checkpoint);
	background_pause();
	return (failures);
}

int
device_again(const char *name)
{
	unsigned i;

	for (i = 0; i < ndevices; i++) {
		if (strcmp(devices[i].a_driver->dd_name, name) == 0)
			return (job(devices[i].a_driver));
	}
	return (ENOENT);
}
