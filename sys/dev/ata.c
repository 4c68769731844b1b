/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * ATA disks: what they say of themselves, and commands for them.
 *
 * Source: [ACS], see ata.h.
 */

#include <stddef.h>

#include <dev/ata.h>

/* [ACS] "IDENTIFY DEVICE": numbers of words. */
#define	ID_GENERAL	0
#define	 GENERAL_ATAPI	0x8000
#define	ID_MODEL	27		/* to 46 */
#define	ID_CAPS		49
#define	 CAPS_DMA	0x0100
#define	 CAPS_LBA	0x0200
#define	ID_SECTORS28	60		/* and 61 */
#define	ID_COMMANDS2	83
#define	 COMMANDS2_48	0x0400
#define	ID_SECTORS48	100		/* to 103 */
#define	ID_BLOCK	106
#define	 BLOCK_LONG	0x1000		/* words 117, 118 are valid */
#define	ID_BLOCK_WORDS	117		/* and 118 */
#define	ID_INTEGRITY	255
#define	 INTEGRITY	0xa5		/* in bits 0-7: there is a sum */

/* Words 83 and 106 are valid if bits 15, 14 say so. */
#define	VALID(w)	(((w) & 0xc000) == 0x4000)

#define	DEVICE_LBA	0x40		/* of the device field */
#define	MAX28		256U		/* blocks of a command: 8 bits */
#define	MAX48		65536U
#define	BLOCKS28	0x0fffffffU
#define	BLOCKS48	((uint64_t)1 << 48)

static uint32_t
two_words(const uint16_t *id, unsigned i)
{

	return (id[i] | (uint32_t)id[i + 1] << 16);
}

/*
 * [ACS] "Word 255": all bytes add up to 0.
 */
static bool
is_intact(const uint16_t *id)
{
	uint8_t sum = 0;
	unsigned i;

	if ((id[ID_INTEGRITY] & 0xff) != INTEGRITY)
		return (true);
	for (i = 0; i < ATA_IDENTIFY_WORDS; i++)
		sum = (uint8_t)(sum + (id[i] & 0xff) + (id[i] >> 8));
	return (sum == 0);
}

/*
 * [ACS] "ATA string": the first character of a pair in the upper half.
 */
static void
get_model(const uint16_t *id, char *model)
{
	unsigned char c;
	unsigned i, len = 0;

	for (i = 0; i < ATA_MODEL_LEN; i++) {
		c = (unsigned char)(id[ID_MODEL + i / 2] >>
		    (i % 2 == 0 ? 8 : 0));
		model[i] = c < ' ' || c > '~' ? '?' : (char)c;
		if (c != ' ')
			len = i + 1;
	}
	model[len] = '\0';
}

/*
 * => log2 of the bytes of a block; 0: not between 512 and 4096.
 */
static unsigned
block_shift(const uint16_t *id)
{
	uint32_t bytes = ATA_SECTOR;
	unsigned shift;

	if (VALID(id[ID_BLOCK]) && (id[ID_BLOCK] & BLOCK_LONG) != 0) {
		if (two_words(id, ID_BLOCK_WORDS) > 4096 / 2)
			return (0);
		bytes = 2 * two_words(id, ID_BLOCK_WORDS);
	}
	for (shift = 9; shift <= 12; shift++) {
		if (bytes == 1U << shift)
			return (shift);
	}
	return (0);
}

static void
set_capacity(const uint16_t *id, struct ata_disk *ad)
{

	ad->ad_lba48 = VALID(id[ID_COMMANDS2]) &&
	    (id[ID_COMMANDS2] & COMMANDS2_48) != 0;
	ad->ad_max = ad->ad_lba48 ? MAX48 : MAX28;
	ad->ad_blocks = two_words(id, ID_SECTORS28);
	if (ad->ad_lba48)
		ad->ad_blocks = two_words(id, ID_SECTORS48) |
		    (uint64_t)two_words(id, ID_SECTORS48 + 2) << 32;
}

const char *
ata_identify(const uint16_t *id, struct ata_disk *ad)
{

	if (!is_intact(id))
		return ("its identification has a wrong sum");
	if ((id[ID_GENERAL] & GENERAL_ATAPI) != 0)
		return ("it is no ATA device");
	if ((id[ID_CAPS] & (CAPS_DMA | CAPS_LBA)) != (CAPS_DMA | CAPS_LBA))
		return ("it knows no DMA or no block addresses");
	get_model(id, ad->ad_model);
	if ((ad->ad_shift = block_shift(id)) == 0)
		return ("its blocks are not of 512 to 4096 bytes");
	set_capacity(id, ad);
	if (ad->ad_blocks == 0)
		return ("it has no blocks");
	if (ad->ad_blocks > (ad->ad_lba48 ? BLOCKS48 : BLOCKS28))
		return ("it has more blocks than there are addresses");
	return (NULL);
}

struct ata_command
ata_transfer(const struct ata_disk *ad, uint64_t block, unsigned n,
    bool write)
{
	struct ata_command c = {
		.ac_48 = ad->ad_lba48,
		.ac_device = DEVICE_LBA,
		.ac_lba = block,
		.ac_count = (uint16_t)(n == ad->ad_max ? 0 : n),
	};

	if (ad->ad_lba48) {
		c.ac_command = write ? ATA_WRITE_DMA_EXT : ATA_READ_DMA_EXT;
		return (c);
	}
	c.ac_command = write ? ATA_WRITE_DMA : ATA_READ_DMA;
	c.ac_device |= (uint8_t)(block >> 24);
	c.ac_lba = block & 0xffffff;
	return (c);
}

struct ata_command
ata_simple(uint8_t command)
{

	return ((struct ata_command){ .ac_command = command });
}

struct ata_command
ata_flush(const struct ata_disk *ad)
{
	struct ata_command c = ata_simple(ad->ad_lba48 ? ATA_FLUSH_EXT :
	    ATA_FLUSH);

	c.ac_48 = ad->ad_lba48;
	return (c);
}
