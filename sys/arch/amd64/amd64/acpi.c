/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What this kernel wants of ACPI: tables by their name, and of one of them
 * which CPUs there are (ACPI specification 6.5, sections 5.2.5 to 5.2.12).
 *
 * root pointer -> root table (RSDT: 32-bit addresses, XSDT: 64-bit ones) ->
 * a table, such as the multiple APIC description table -> in that, an entry
 * for each local APIC.
 *
 * The tables are input like any other: each address must lie where the kernel
 * has memory mapped, lengths must hold what they promise, sums must be right.
 * Fields are not aligned and are copied out.
 */

#include <sys/systm.h>

#include <machine/acpi.h>
#include <machine/pmap.h>

#define	RSDP_SIZE	20	/* what the first revision has; summed */
#define	RSDP_REVISION	15
#define	RSDP_RSDT	16	/* 32 bits */
#define	RSDP_XSDT	24	/* 64 bits, from revision 2 */
#define	RSDP_SIZE2	36

#define	SDT_LENGTH	4
#define	SDT_HEADER	36
#define	SDT_MAX		0x10000	/* longer is not believed */

#define	MADT_ENTRIES	44
#define	MADT_LAPIC	0	/* type */
#define	MADT_LAPIC_SIZE	8
#define	LAPIC_ID	3
#define	LAPIC_FLAGS	4
#define	FLAG_ENABLED	0x1

static uint32_t
get32(const uint8_t *p)
{

	return (p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24);
}

static uint64_t
get64(const uint8_t *p)
{

	return (get32(p) | (uint64_t)get32(p + 4) << 32);
}

static bool
sum_right(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	while (len-- > 0)
		sum = (uint8_t)(sum + *p++);
	return (sum == 0);
}

/*
 * acpi_map: len bytes at pa, if the boot map reaches them.
 */
static const uint8_t *
acpi_map(paddr_t pa, psize_t len)
{

	if (pa == 0 || pa >= PMAP_BOOTED || len > PMAP_BOOTED - pa)
		return (NULL);
	return (pmap_phystov(pa));
}

/*
 * table_map: the table at pa if it has that signature and is sound.
 */
static const uint8_t *
table_map(paddr_t pa, const char *signature, uint32_t *lenp)
{
	const uint8_t *t;

	t = acpi_map(pa, SDT_HEADER);
	if (t == NULL || memcmp(t, signature, 4) != 0)
		return (NULL);
	*lenp = get32(t + SDT_LENGTH);
	if (*lenp < SDT_HEADER || *lenp > SDT_MAX ||
	    acpi_map(pa, *lenp) == NULL || !sum_right(t, *lenp))
		return (NULL);
	return (t);
}

/*
 * table_find: look through the root table for one of that signature.
 */
static const uint8_t *
table_find(const uint8_t *root, uint32_t len, unsigned entry,
    const char *signature, uint32_t *lenp)
{
	const uint8_t *t;
	uint32_t off;

	for (off = SDT_HEADER; len - off >= entry; off += entry) {
		t = table_map(entry == 8 ? get64(root + off) :
		    get32(root + off), signature, lenp);
		if (t != NULL)
			return (t);
	}
	return (NULL);
}

const uint8_t *
acpi_table(paddr_t rsdp, const char *signature, uint32_t *lenp,
    const char **whyp)
{
	const char *missing = *whyp;
	const uint8_t *p, *root;
	uint32_t len;
	unsigned entry = 4;

	*whyp = "no valid root pointer";
	p = acpi_map(rsdp, RSDP_SIZE2);
	if (p == NULL || memcmp(p, "RSD PTR ", 8) != 0 ||
	    !sum_right(p, RSDP_SIZE))
		return (NULL);

	*whyp = "no valid root table";
	if (p[RSDP_REVISION] >= 2 && get64(p + RSDP_XSDT) != 0) {
		entry = 8;
		root = table_map(get64(p + RSDP_XSDT), "XSDT", &len);
	} else
		root = table_map(get32(p + RSDP_RSDT), "RSDT", &len);
	if (root == NULL)
		return (NULL);

	*whyp = missing;
	return (table_find(root, len, entry, signature, lenp));
}

unsigned
acpi_cpus(paddr_t rsdp, uint32_t *ids, unsigned max, const char **whyp)
{
	const uint8_t *madt, *e;
	uint32_t len, off;
	unsigned n = 0;

	*whyp = "no valid APIC table";
	madt = acpi_table(rsdp, "APIC", &len, whyp);
	if (madt == NULL)
		return (0);
	*whyp = "no usable CPU in the APIC table";
	for (off = MADT_ENTRIES; off + 2 <= len; off += e[1]) {
		e = madt + off;
		if (e[1] < 2 || e[1] > len - off)
			break;
		if (e[0] != MADT_LAPIC || e[1] < MADT_LAPIC_SIZE ||
		    (get32(e + LAPIC_FLAGS) & FLAG_ENABLED) == 0)
			continue;
		if (n < max)
			ids[n] = e[LAPIC_ID];
		n++;
	}
	return (n);
}
