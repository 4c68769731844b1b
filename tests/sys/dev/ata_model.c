/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <atf-c.h>

#include <sys/systm.h>

#include <dev/cksum.h>

#include "ata_model.h"
#include "dma_model.h"
#include "driver_model.h"

static uint8_t medium[ATA_NBLOCKS * ATA_BLOCK];
static uint8_t before[ATA_NBLOCKS * ATA_BLOCK];

uint16_t ata_id[256];

void
ata_refill(void)
{

	memcpy(medium, before, sizeof(medium));
}

void
ata_blocks48(uint64_t n)
{
	unsigned i;

	for (i = 0; i < 4; i++)
		ata_id[100 + i] = (uint16_t)(n >> 16 * i);
}

void
ata_model_init(void)
{
	unsigned i;

	scratch_disk(before, sizeof(before));
	ata_refill();
	for (i = 27; i < 47; i++)
		ata_id[i] = 'M' << 8 | 'o';
	ata_id[46] = 0x2020;
	ata_id[49] = 0x0300;
	ata_id[60] = ATA_NBLOCKS;
	ata_id[83] = 0x4400;
	ata_blocks48(ATA_NBLOCKS);
}

uint8_t *
ata_place(uint64_t block, uint32_t n)
{

	ATF_REQUIRE(n > 0 && block + n <= ATA_NBLOCKS);
	return (medium + block * ATA_BLOCK);
}

void
ata_job_succeeds(const struct device_driver *d)
{
	const size_t half = sizeof(medium) / 2;
	struct cksum ck;
	char want[32];

	cksum_init(&ck);
	cksum_add(&ck, before, sizeof(before));
	snprintf(want, sizeof(want), ", cksum %u\n", cksum_end(&ck));
	clear_console();
	ATF_REQUIRE_EQ_MSG(0, d->dd_job(), "%s", console);
	ATF_CHECK_MSG(console_has(want), "%s", console);
	ATF_CHECK_MSG(console_has("0: moved "), "%s", console);
	ATF_CHECK_MSG(!console_has("bus_dma:"), "%s", console);
	ATF_CHECK_EQ(0, memcmp(medium, before, half));
	ATF_CHECK_EQ(0, memcmp(medium + half, before, half));
}

static void
unused(const struct device_driver *d, const char *why)
{

	attach_fails(d, EOPNOTSUPP, why);
	ATF_CHECK_EQ_MSG(1, nlines, "%s", console);
}

void
ata_absurd(const struct device_driver *d)
{

	ata_blocks48(0);
	unused(d, "not used: it has no blocks");
	ata_blocks48(UINT64_MAX);
	unused(d, "not used: it has more blocks than there");
	ata_id[83] = 0x4000;
	ata_id[61] = 0x1001;
	unused(d, "not used: it has more blocks than there");
	ata_id[61] = 0;
	/* Bits that say nothing, since the word is not valid. */
	ata_id[83] = 0xffff;
	ata_id[106] = 0x5000;
	ata_id[117] = 0;
	unused(d, "not used: its blocks are not of 512 to");
	ata_id[118] = 0x8000;
	ata_id[117] = 0x100;
	unused(d, "not used: its blocks are not of 512 to");
	ata_id[118] = 0;
	ata_id[117] = 0x101;
	unused(d, "not used: its blocks are not of 512 to");
	ata_id[106] = 0;
	ata_id[49] = 0x0200;
	unused(d, "not used: it knows no DMA");
	ata_id[49] = 0x0300;
	ata_id[0] = 0x8000;
	unused(d, "not used: it is no ATA device");
	ata_id[0] = 0;
	ata_id[255] = 0x12a5;
	unused(d, "not used: its identification has a wrong");
	memset(ata_id, 0xff, sizeof(ata_id));
	unused(d, "not used: it is no ATA device");
}
