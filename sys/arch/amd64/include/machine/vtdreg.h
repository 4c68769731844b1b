/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Registers and structures of an I/O MMU: Intel Virtualization Technology for
 * Directed I/O, Architecture Specification, 3.3; sections 9 and 11.4.
 */

#ifndef _MACHINE_VTDREG_H_
#define	_MACHINE_VTDREG_H_

/* Registers: 32 bits, or 64 where it says so. */
#define	VTD_VER			0x00
#define	VTD_CAP			0x08	/* 64 */
#define	 CAP_ND(c)		((unsigned)(c) & 0x7)	/* 2^(4 + 2n) domains */
#define	 CAP_RWBF		((uint64_t)1 << 4)
#define	 CAP_CM			((uint64_t)1 << 7)
#define	 CAP_SAGAW(c, levels)	((c) >> (8 + (levels) - 2) & 1)
#define	 CAP_MGAW(c)		(((unsigned)((c) >> 16) & 0x3f) + 1)
#define	 CAP_FRO(c)		(((unsigned)((c) >> 24) & 0x3ff) * 16)
#define	 CAP_NFR(c)		(((unsigned)((c) >> 40) & 0xff) + 1)
#define	VTD_ECAP		0x10	/* 64 */
#define	 ECAP_C			((uint64_t)1 << 0)
#define	 ECAP_IRO(e)		(((unsigned)((e) >> 8) & 0x3ff) * 16)
#define	VTD_GCMD		0x18
#define	VTD_GSTS		0x1c
#define	 GCMD_TE		0x80000000U
#define	 GCMD_SRTP		0x40000000U
#define	 GCMD_WBF		0x08000000U
#define	 GCMD_QIE		0x04000000U
#define	 GSTS_LASTING		0x96ffffffU	/* not the one-shot ones */
#define	VTD_RTADDR		0x20	/* 64 */
#define	VTD_CCMD		0x28	/* 64 */
#define	 CCMD_ICC		((uint64_t)1 << 63)
#define	 CCMD_GLOBAL		((uint64_t)1 << 61)
#define	VTD_FSTS		0x34
#define	 FSTS_PFO		0x00000001U
#define	 FSTS_PPF		0x00000002U
#define	 FSTS_FRI(s)		((s) >> 8 & 0xff)
#define	VTD_FECTL		0x38
#define	 FECTL_IM		0x80000000U
#define	VTD_REGS		0x1000

/* Behind VTD_REGS, or in it: at ECAP_IRO + 8. */
#define	IOTLB_IVT		((uint64_t)1 << 63)
#define	IOTLB_GLOBAL		((uint64_t)1 << 60)
#define	IOTLB_DOMAIN		((uint64_t)2 << 60)
#define	IOTLB_DRAIN		((uint64_t)3 << 48)
#define	IOTLB_DID(id)		((uint64_t)(id) << 32)

/* Fault records, at CAP_FRO: four words of 32 bits. */
#define	FRCD_SIZE		16
#define	FRCD_ADDR		0	/* bits 31 to 12; then 63 to 32 */
#define	FRCD_SID		8
#define	FRCD_WHY		12
#define	 WHY_F			0x80000000U
#define	 WHY_READ		0x40000000U
#define	 WHY_REASON(w)		((w) & 0xff)

/* Root and context entries: two words of 64 bits; 256 of them in a page. */
#define	ENTRY_P			((uint64_t)1)
#define	CONTEXT_DID(id)		((uint64_t)(id) << 8)
#define	CONTEXT_AW(levels)	((uint64_t)(levels) - 2)

/* Addresses that are interrupts: section 3.14. */
#define	VTD_MSI			UINT64_C(0xfee00000)
#define	VTD_MSI_SIZE		UINT64_C(0x00100000)

#endif /* !_MACHINE_VTDREG_H_ */
