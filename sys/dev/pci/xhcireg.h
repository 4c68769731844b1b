/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Registers and structures of USB 3 host controllers.
 *
 * [XHCI] is the eXtensible Host Controller Interface for Universal Serial Bus,
 * revision 1.2; numbers are its sections.
 */

#ifndef _DEV_PCI_XHCIREG_H_
#define	_DEV_PCI_XHCIREG_H_

#include <stdint.h>

#define	XHCI_PCI_CLASS	0x0c0330U	/* 5.2.1 */
#define	XHCI_BAR	0U

/* Capability registers, 5.3. */
#define	XHCI_CAPLENGTH	0x00U		/* and version << 16 */
#define	XHCI_HCSPARAMS1	0x04U
#define	 HCS1_SLOTS(v)	((v) & 0xff)
#define	 HCS1_PORTS(v)	((v) >> 24)
#define	XHCI_HCSPARAMS2	0x08U
#define	 HCS2_SCRATCH(v) ((v) >> 27 | ((v) >> 21 & 0x1f) << 5)
#define	XHCI_HCCPARAMS1	0x10U
#define	 HCC1_AC64	0x00000001U
#define	 HCC1_CSZ	0x00000004U	/* contexts of 64 bytes, not 32 */
#define	XHCI_DBOFF	0x14U
#define	 DBOFF_MASK	0xfffffffcU
#define	XHCI_RTSOFF	0x18U
#define	 RTSOFF_MASK	0xffffffe0U

/* Operational registers, 5.4, behind CAPLENGTH bytes. */
#define	XHCI_USBCMD	0x00U
#define	 CMD_RS		0x00000001U
#define	 CMD_HCRST	0x00000002U
#define	XHCI_USBSTS	0x04U
#define	 STS_HCH	0x00000001U	/* halted */
#define	 STS_HSE	0x00000004U	/* error of the host system */
#define	 STS_CNR	0x00000800U	/* not ready */
#define	 STS_HCE	0x00001000U	/* error of the controller */
#define	XHCI_PAGESIZE	0x08U		/* bit n: 2^(n + 12) bytes */
#define	XHCI_CRCR	0x18U
#define	 CRCR_RCS	0x1U
#define	XHCI_DCBAAP	0x30U
#define	XHCI_CONFIG	0x38U
#define	XHCI_PORTSC(port) (0x400U + 0x10U * ((port) - 1))
#define	 PORT_CCS	0x00000001U	/* a device is connected */
#define	 PORT_PED	0x00000002U	/* enabled; writing it disables */
#define	 PORT_PR	0x00000010U	/* reset */
#define	 PORT_SPEED(v)	((v) >> 10 & 0xf)
#define	 PORT_KEEP	0x0e00c200U	/* power, lights, wake */
#define	 PORT_PRC	0x00200000U	/* reset has ended */
#define	 PORT_CHANGES	0x00fe0000U	/* all such; written to clear */

/* 7.2.2.1.1, the default speeds. */
#define	SPEED_HIGH	3U
#define	SPEED_SUPER	4U

/* Runtime registers of interrupter 0, 5.5.2, behind RTSOFF bytes. */
#define	XHCI_ERSTSZ	0x28U
#define	XHCI_ERSTBA	0x30U
#define	XHCI_ERDP	0x38U
#define	 ERDP_EHB	0x8U

/* Doorbells, 5.6, behind DBOFF bytes. */
#define	XHCI_DOORBELL(slot) (4U * (slot))

/* Entries of rings, 6.4. */
struct xhci_trb {
	uint64_t	t_param;
	uint32_t	t_status;
	uint32_t	t_control;
};

#define	TRB_SIZE	16U
#define	TRB_LEN(n)	((uint32_t)(n))		/* of a buffer, status */
#define	TRB_LEN_MAX	65536U
#define	TRB_TDSIZE(n)	((uint32_t)(n) << 17)	/* status */
#define	 TRB_TDSIZE_MAX	31U
#define	TRB_CYCLE	0x00000001U
#define	TRB_TC		0x00000002U	/* of a link: toggle cycle */
#define	TRB_CH		0x00000010U	/* chained to the next */
#define	TRB_IOC		0x00000020U
#define	TRB_IDT		0x00000040U	/* param is the data */
#define	TRB_TRT_OUT	(2U << 16)	/* of a setup */
#define	TRB_TRT_IN	(3U << 16)
#define	TRB_DIR_IN	0x00010000U	/* of data and status stages */
#define	TRB_EP(n)	((uint32_t)(n) << 16)
#define	TRB_EP_OF(v)	((v) >> 16 & 0x1f)
#define	TRB_SLOT(n)	((uint32_t)(n) << 24)
#define	TRB_SLOT_OF(v)	((v) >> 24)
#define	TRB_TYPE(n)	((uint32_t)(n) << 10)
#define	TRB_TYPE_OF(v)	((v) >> 10 & 0x3f)
#define	TRB_CODE_OF(v)	((v) >> 24)		/* of events, status */
#define	TRB_RESIDUE_OF(v) ((v) & 0xffffff)

/* 6.4.6, table 6-91. */
#define	TRB_NORMAL	1U
#define	TRB_SETUP	2U
#define	TRB_DATA	3U
#define	TRB_STATUS	4U
#define	TRB_LINK	6U
#define	TRB_NOOP	8U
#define	TRB_ENABLE_SLOT	9U
#define	TRB_DISABLE_SLOT 10U
#define	TRB_ADDRESS	11U
#define	TRB_CONFIGURE	12U
#define	TRB_RESET_EP	14U
#define	TRB_SET_DEQUEUE	16U
#define	TRB_EV_TRANSFER	32U
#define	TRB_EV_COMMAND	33U
#define	TRB_EV_PORT	34U
#define	TRB_EV_NOTE	38U		/* of a device */
#define	TRB_EV_WRAP	39U		/* of MFINDEX */

/* 6.4.5, table 6-90. */
#define	CODE_SUCCESS	1U
#define	CODE_STALL	6U
#define	CODE_SHORT	13U

/*
 * Contexts, 6.2, in units of 32 bits; each takes CONTEXT_SIZE or twice that.
 * The input context has the control context before the others.
 */
#define	CONTEXT_SIZE	32U
#define	CONTEXT_N	32U		/* of a device */
#define	INPUT_ADD	1U		/* of the control context */
#define	SLOT_0_SPEED(n)	((uint32_t)(n) << 20)
#define	SLOT_0_ENTRIES(n) ((uint32_t)(n) << 27)
#define	SLOT_1_PORT(n)	((uint32_t)(n) << 16)
#define	EP_1_CERR	(3U << 1)
#define	EP_1_BULK_OUT	(2U << 3)
#define	EP_1_CONTROL	(4U << 3)
#define	EP_1_BULK_IN	(6U << 3)
#define	EP_1_BURST(n)	((uint32_t)(n) << 8)
#define	EP_1_PACKET(n)	((uint32_t)(n) << 16)
#define	EP_2_DCS	0x1U		/* cycle, in the ring's address */

#define	DCI_CONTROL	1U		/* 4.5.1 */
#define	DCI(ep, in)	(2U * (ep) + ((in) ? 1U : 0U))

/* Alignments and boundaries: table 6-1. */
#define	XHCI_ALIGN	64U
#define	RING_BOUNDARY	65536U
#define	ERST_ENTRY	16U

#endif /* !_DEV_PCI_XHCIREG_H_ */
