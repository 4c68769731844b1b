/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Registers, commands and structures of NVM Express: [NVME] NVM Express Base
 * Specification, revision 1.4.
 */

#ifndef _DEV_PCI_NVMEREG_H_
#define	_DEV_PCI_NVMEREG_H_

/* [NVME] 2.1.4: class 01h, subclass 08h, interface 02h. */
#define	NVME_PCI_CLASS	0x010802

/* [NVME] 3.1: controller registers, in BAR 0. */
#define	NVME_CAP	0x00		/* 64 bits */
#define	 CAP_MQES(v)	((unsigned)(v) & 0xffff)	/* entries - 1 */
#define	 CAP_TO(v)	((unsigned)((v) >> 24) & 0xff)	/* 500 ms */
#define	 CAP_DSTRD(v)	((unsigned)((v) >> 32) & 0xf)
#define	 CAP_CSS_NVM	(1ULL << 37)
#define	 CAP_MPSMIN(v)	((unsigned)((v) >> 48) & 0xf)
#define	 CAP_CMBS	(1ULL << 57)
#define	NVME_VS		0x08
#define	NVME_CC		0x14
#define	 CC_EN		0x00000001U
#define	 CC_IOSQES	(6U << 16)	/* 2^6 bytes */
#define	 CC_IOCQES	(4U << 20)	/* 2^4 bytes */
#define	NVME_CSTS	0x1c
#define	 CSTS_RDY	0x00000001U
#define	 CSTS_CFS	0x00000002U
#define	NVME_AQA	0x24		/* entries - 1: submission, and
					   completion << 16 */
#define	NVME_ASQ	0x28		/* 64 bits */
#define	NVME_ACQ	0x30		/* 64 bits */
#define	NVME_CMBLOC	0x38
#define	 CMBLOC_BIR(v)	((v) & 0x7)
#define	 CMBLOC_OFST(v)	((v) >> 12)	/* in CMBSZ_UNIT() */
#define	NVME_CMBSZ	0x3c
#define	 CMBSZ_SQS	0x00000001U	/* submission queues may lie there */
#define	 CMBSZ_UNIT(v)	(4096ULL << 4 * ((v) >> 8 & 0xf))
#define	 CMBSZ_SZ(v)	((v) >> 12)
#define	NVME_CMBMSC	0x50		/* 64 bits */
#define	 CMBMSC_CRE	0x1		/* shows NVME_CMBLOC, NVME_CMBSZ */
#define	 CMBMSC_CMSE	0x2		/* the buffer answers at an address,
					   which is in the upper 52 bits */
#define	NVME_CMBSTS	0x58
#define	 CMBSTS_CBAI	0x1		/* not at that one */
#define	NVME_DOORBELL	0x1000

/* [NVME] 4.2, 4.6: entries. */
#define	SQE_DWORDS	16
#define	SQE_SIZE	64U
#define	CQE_DWORDS	4
#define	CQE_SIZE	16U
#define	 CQE_CID(dw3)	((dw3) & 0xffff)
#define	 CQE_PHASE(dw3)	((dw3) >> 16 & 1)
#define	 CQE_STATUS(dw3) ((dw3) >> 17 & 0x7ff)	/* code, type << 8 */

/* [NVME] 5, figure 139: admin commands; 6, figure 346: NVM commands. */
#define	ADMIN_CREATE_SQ	0x01
#define	ADMIN_CREATE_CQ	0x05
#define	ADMIN_IDENTIFY	0x06
#define	 IDENTIFY_NAMESPACE	0x00
#define	 IDENTIFY_CONTROLLER	0x01
#define	ADMIN_SET_FEATURES 0x09
#define	 FEATURE_QUEUES	0x07
#define	NVM_WRITE	0x01
#define	NVM_READ	0x02
#define	QUEUE_CONTIGUOUS 0x1		/* PC, of both kinds of queue */

/* [NVME] 5.15.2.1, figure 245: the namespace; offsets in bytes. */
#define	IDNS_NSZE	0
#define	IDNS_FLBAS	26
#define	IDNS_LBAF(i)	(128 + 4 * (i))
#define	 LBAF_MS(v)	((v) & 0xffff)
#define	 LBAF_LBADS(v)	((v) >> 16 & 0xff)

/* [NVME] 5.15.2.2, figure 247: the controller. */
#define	IDCTRL_MN	24
#define	IDCTRL_MN_LEN	40
#define	IDCTRL_MDTS	77

#endif /* !_DEV_PCI_NVMEREG_H_ */
