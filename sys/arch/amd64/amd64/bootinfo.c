/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What the loader tells: the start information of the x86/HVM direct boot
 * ABI (Xen, xen/include/public/arch-x86/hvm/start_info.h, version 1).
 *
 * It is read once, before anything else can overwrite it, and copied: the
 * memory map into usable and excluded ranges, the command line, and the
 * places that it occupies.  All of it is input: a count or an address that
 * cannot be right refuses the boot with a line that names it.  What the
 * ranges of the memory map say is not judged here, that is up to
 * vm_bootstrap_start().
 */

#include <sys/systm.h>

#include <machine/bootinfo.h>
#include <machine/pmap.h>

#define	START_MAGIC	0x336ec578	/* "xEn3", its top bit set */
#define	START_VERSION	1		/* the first with a memory map */

struct start_info {
	uint32_t	si_magic;
	uint32_t	si_version;
	uint32_t	si_flags;
	uint32_t	si_nmodules;
	uint64_t	si_modules;
	uint64_t	si_cmdline;
	uint64_t	si_rsdp;
	uint64_t	si_map;
	uint32_t	si_nmap;
	uint32_t	si_reserved;
};

struct start_module {
	uint64_t	sm_start;
	uint64_t	sm_size;
	uint64_t	sm_cmdline;
	uint64_t	sm_reserved;
};

struct start_range {
	uint64_t	sr_start;
	uint64_t	sr_size;
	uint32_t	sr_type;
	uint32_t	sr_reserved;
};
#define	RANGE_RAM	1

/* The start information itself, two tables, the command line, modules. */
#define	MAXTAKEN	(4 + BOOTINFO_MAXMODULE)

static struct vm_memrange usable[BOOTINFO_MAXMAP];
static struct vm_memrange excluded[BOOTINFO_MAXMAP];
static struct vm_memrange taken[MAXTAKEN];
static unsigned nusable, nexcluded, ntaken;
static char cmdline[BOOTINFO_MAXCMDLINE];
static paddr_t rsdp;

static void
refuse(const char *what, uint64_t value)
{

	printf("extant: cannot boot: start information: %s 0x%jx\n", what,
	    (uintmax_t)value);
}

/*
 * take: copy size bytes from pa and note that they are taken.
 * => false: not where the boot map reaches.
 */
static bool
take(void *to, paddr_t pa, psize_t size)
{

	if (pa >= PMAP_BOOTED || size > PMAP_BOOTED - pa)
		return (false);
	memcpy(to, pmap_phystov(pa), size);
	KASSERT(ntaken < MAXTAKEN);
	taken[ntaken++] = (struct vm_memrange){ pa, size };
	return (true);
}

static int
read_map(const struct start_info *si)
{
	static struct start_range map[BOOTINFO_MAXMAP];
	struct vm_memrange range;
	unsigned i;

	if (si->si_nmap == 0 || si->si_nmap > BOOTINFO_MAXMAP) {
		refuse("impossible number of memory ranges", si->si_nmap);
		return (EINVAL);
	}
	if (!take(map, si->si_map, si->si_nmap * sizeof(map[0]))) {
		refuse("impossible address of the memory map", si->si_map);
		return (EINVAL);
	}
	for (i = 0; i < si->si_nmap; i++) {
		range.vmr_start = map[i].sr_start;
		range.vmr_size = map[i].sr_size;
		if (map[i].sr_type == RANGE_RAM)
			usable[nusable++] = range;
		else
			excluded[nexcluded++] = range;
	}
	return (0);
}

static int
read_modules(const struct start_info *si)
{
	struct start_module modules[BOOTINFO_MAXMODULE];
	unsigned i;

	if (si->si_nmodules == 0)
		return (0);
	if (si->si_nmodules > BOOTINFO_MAXMODULE) {
		refuse("too many modules", si->si_nmodules);
		return (EINVAL);
	}
	if (!take(modules, si->si_modules,
	    si->si_nmodules * sizeof(modules[0]))) {
		refuse("impossible address of the modules", si->si_modules);
		return (EINVAL);
	}
	for (i = 0; i < si->si_nmodules; i++) {
		taken[ntaken++] = (struct vm_memrange){ modules[i].sm_start,
		    modules[i].sm_size };
	}
	return (0);
}

static int
read_cmdline(const struct start_info *si)
{
	psize_t len;

	if (si->si_cmdline == 0)
		return (0);
	if (si->si_cmdline >= PMAP_BOOTED - sizeof(cmdline)) {
		refuse("impossible address of the command line",
		    si->si_cmdline);
		return (EINVAL);
	}
	len = strnlen(pmap_phystov(si->si_cmdline), sizeof(cmdline));
	if (len == sizeof(cmdline)) {
		refuse("the command line is longer than", sizeof(cmdline) - 1);
		return (EINVAL);
	}
	return (take(cmdline, si->si_cmdline, len + 1) ? 0 : EINVAL);
}

int
bootinfo_read(paddr_t start_info)
{
	struct start_info si;
	int error;

	if (start_info == 0 || !take(&si, start_info, sizeof(si))) {
		refuse("impossible address", start_info);
		return (EINVAL);
	}
	if (si.si_magic != START_MAGIC) {
		refuse("wrong magic number", si.si_magic);
		return (EINVAL);
	}
	if (si.si_version < START_VERSION) {
		refuse("no memory map in version", si.si_version);
		return (EINVAL);
	}
	rsdp = si.si_rsdp;
	error = read_map(&si);
	if (error == 0)
		error = read_modules(&si);
	if (error == 0)
		error = read_cmdline(&si);
	return (error);
}

const struct vm_memrange *
bootinfo_usable(unsigned *np)
{

	*np = nusable;
	return (usable);
}

bool
bootinfo_excluded(unsigned i, struct vm_memrange *range)
{

	if (i >= nexcluded)
		return (false);
	*range = excluded[i];
	return (true);
}

bool
bootinfo_taken(unsigned i, struct vm_memrange *range)
{

	if (i >= ntaken)
		return (false);
	*range = taken[i];
	return (true);
}

const char *
bootinfo_cmdline(void)
{

	return (cmdline);
}

paddr_t
bootinfo_rsdp(void)
{

	return (rsdp);
}
