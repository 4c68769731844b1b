/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * A model of an ATA disk, whose adapter the test program has, and what is
 * tested with any adapter.
 */

#ifndef _ATA_MODEL_H_
#define	_ATA_MODEL_H_

#include <stdint.h>

#include <sys/device.h>

#define	ATA_BLOCK	512U
#define	ATA_NBLOCKS	1024U

extern uint16_t	ata_id[256];		/* what it says of itself */

/*
 * ata_model_init: a disk that is fine and may be written to; once a test.
 * ata_refill: what is on it is as at first.
 * ata_blocks48: it has so many blocks, in its words for 48 bits.
 * ata_place: the bytes of n blocks from one on, which it must have.
 * ata_job_succeeds: the driver's job is done right, up to the medium.
 * ata_absurd: a driver does not use a disk that makes no sense.
 */
void	ata_model_init(void);
void	ata_refill(void);
void	ata_blocks48(uint64_t n);
uint8_t	*ata_place(uint64_t block, uint32_t n);
void	ata_job_succeeds(const struct device_driver *);
void	ata_absurd(const struct device_driver *);

#endif /* !_ATA_MODEL_H_ */
