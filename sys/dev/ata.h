/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * ATA disks: what is the same whatever adapter they are attached to.
 *
 * Source: [ACS] ATA/ATAPI Command Set - 2 (ACS-2), T13/2015-D; for word 106,
 * its "IDENTIFY DEVICE" as for all other words.
 */

#ifndef _DEV_ATA_H_
#define	_DEV_ATA_H_

#include <stdbool.h>
#include <stdint.h>

/* [ACS] "Status field", "Error field". */
#define	ATA_S_ERR	0x01
#define	ATA_S_DRQ	0x08
#define	ATA_S_DF	0x20
#define	ATA_S_BSY	0x80

/* [ACS] "Device signature": LBA low, mid, high and count of a disk. */
#define	ATA_SIGNATURE	0x00000101U	/* count in bits 0-7, low in 8-15 */

/* [ACS] command descriptions. */
#define	ATA_READ_DMA		0xc8
#define	ATA_READ_DMA_EXT	0x25
#define	ATA_WRITE_DMA		0xca
#define	ATA_WRITE_DMA_EXT	0x35
#define	ATA_FLUSH		0xe7
#define	ATA_FLUSH_EXT		0xea
#define	ATA_IDENTIFY		0xec

#define	ATA_SECTOR		512U	/* least bytes of a block */
#define	ATA_IDENTIFY_WORDS	256
#define	ATA_MODEL_LEN		40

/* What a disk says of itself. */
struct ata_disk {
	char		ad_model[ATA_MODEL_LEN + 1];	/* printable */
	uint64_t	ad_blocks;
	unsigned	ad_shift;	/* log2 of the bytes of one: 9 to 12 */
	bool		ad_lba48;	/* else 28 bits of address */
	unsigned	ad_max;		/* most blocks of a command */
};

/* A command; of a 48-bit one each field has twice the bytes. */
struct ata_command {
	uint8_t		ac_command;
	uint8_t		ac_device;	/* without the bit for device 1 */
	bool		ac_48;
	uint16_t	ac_count;	/* 0: as many as can be */
	uint64_t	ac_lba;		/* 28-bit: bits 0 to 23 */
};

/*
 * ata_identify: read the 256 words of IDENTIFY DEVICE, in which nothing is
 * trusted.
 * => NULL, or why the disk is of no use, in a few words (static string).
 */
const char *ata_identify(const uint16_t *words, struct ata_disk *);

/*
 * ata_transfer: the command that reads or writes n blocks, at most ad_max,
 * all of which the disk has.
 * ata_simple: a command that has no address.
 * ata_flush: the one after which all that was written is on the medium.
 */
struct ata_command ata_transfer(const struct ata_disk *, uint64_t block,
	    unsigned n, bool write);
struct ata_command ata_simple(uint8_t command);
struct ata_command ata_flush(const struct ata_disk *);

#endif /* !_DEV_ATA_H_ */
