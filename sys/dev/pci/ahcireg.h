/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Registers and structures of AHCI host bus adapters.
 *
 * Source: [AHCI] Serial ATA Advanced Host Controller Interface, revision
 * 1.3.1; numbers in comments are its sections.  [SATA] Serial ATA, revision
 * 3.0: contents of a frame information structure (FIS).
 */

#ifndef _DEV_PCI_AHCIREG_H_
#define	_DEV_PCI_AHCIREG_H_

#define	AHCI_PCI_CLASS	0x010601U	/* 2.1.5 */
#define	AHCI_BAR	5		/* 2.1.11 */

/* 3.1: the adapter. */
#define	AHCI_CAP	0x00
#define	 CAP_S64A	0x80000000U	/* addresses of 64 bits */
#define	AHCI_GHC	0x04
#define	 GHC_HR		0x00000001U	/* reset */
#define	 GHC_AE		0x80000000U	/* enable; not the old interface */
#define	AHCI_PI		0x0c		/* ports that there are, a bit each */
#define	AHCI_VS		0x10		/* version: major << 16, minor << 8 */

/* 3: ports; 3.3: their registers. */
#define	AHCI_NPORT	32U
#define	AHCI_PORT(i)	(0x100 + 0x80 * (i))
#define	PORT_CLB	0x00		/* command list, low and high half */
#define	PORT_CLBU	0x04
#define	PORT_FB		0x08		/* received FISes */
#define	PORT_FBU	0x0c
#define	PORT_IS		0x10		/* events; ones written clear */
#define	 IS_OFS		0x01000000U	/* more data than the command said */
#define	 IS_INFS	0x04000000U	/* interface errors */
#define	 IS_IFS		0x08000000U
#define	 IS_HBDS	0x10000000U	/* host bus errors */
#define	 IS_HBFS	0x20000000U
#define	 IS_TFES	0x40000000U	/* the disk reports an error */
#define	 IS_ERRORS	(IS_OFS | IS_INFS | IS_IFS | IS_HBDS | IS_HBFS | \
			    IS_TFES)
#define	PORT_IE		0x14		/* events that interrupt */
#define	PORT_CMD	0x18
#define	 CMD_ST		0x00000001U	/* run the command list */
#define	 CMD_SUD	0x00000002U	/* spin up */
#define	 CMD_POD	0x00000004U	/* power on */
#define	 CMD_FRE	0x00000010U	/* store received FISes */
#define	 CMD_FR		0x00004000U	/* is doing so */
#define	 CMD_CR		0x00008000U	/* is running the list */
#define	PORT_TFD	0x20		/* status, error << 8 */
#define	PORT_SIG	0x24
#define	PORT_SSTS	0x28
#define	 SSTS_DET	0x0000000fU
#define	 SSTS_DET_UP	3U		/* a device, and it talks */
#define	PORT_SERR	0x30		/* ones written clear */
#define	PORT_CI		0x38		/* commands issued, a bit each */

/* 4.2.2: the command list, with 32 headers. */
#define	LIST_SIZE	1024U
#define	LIST_ALIGN	1024U		/* 3.3.1: PxCLB, bits 9-0 are 0 */
#define	HEADER_SIZE	32U
#define	HEADER_DWORDS	(HEADER_SIZE / 4)
#define	 HEADER_CFL(n)	(n)		/* dwords of the FIS */
#define	 HEADER_WRITE	0x00000040U
#define	 HEADER_PRDTL(n) ((uint32_t)(n) << 16)

/* 4.2.1: received FISes. */
#define	FIS_SIZE	256U
#define	FIS_ALIGN	256U		/* 3.3.3: PxFB, bits 7-0 are 0 */

/* 4.2.3: a command table, and 4.2.3.3: the entries at its end. */
#define	TABLE_ALIGN	128U		/* 4.2.2: CTBA, bits 6-0 are 0 */
#define	TABLE_PRDT	0x80U		/* before are FIS and ATAPI command */
#define	PRD_SIZE	16U
#define	PRD_MAX		(4U << 20)	/* most bytes: DBC has 22 bits */
#define	PRD_ALIGN	2U		/* of addresses and lengths */

/* [SATA] "Register Host to Device FIS". */
#define	FIS_H2D		0x27
#define	FIS_H2D_COMMAND	0x80		/* in byte 1: the command counts */
#define	FIS_H2D_SIZE	20U

#endif /* !_DEV_PCI_AHCIREG_H_ */
