/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Requests and descriptors of USB devices.
 *
 * [USB] is the Universal Serial Bus 3.2 Specification, chapter 9; chapter 9 of
 * revision 2.0 has the same of these.
 */

#ifndef _DEV_USB_USBREG_H_
#define	_DEV_USB_USBREG_H_

#include <stdint.h>

/* A request, [USB] 9.3, as the 64 bits that are sent. */
#define	USB_REQUEST(type, request, value, index, length)		\
	((uint64_t)(type) | (uint64_t)(request) << 8 |			\
	    (uint64_t)(value) << 16 | (uint64_t)(index) << 32 |		\
	    (uint64_t)(length) << 48)

#define	USB_TYPE_DEVICE_OUT	0x00U
#define	USB_TYPE_ENDPOINT_OUT	0x02U
#define	USB_TYPE_DEVICE_IN	0x80U
#define	USB_CLEAR_FEATURE	1U
#define	 USB_ENDPOINT_HALT	0U
#define	USB_GET_DESCRIPTOR	6U
#define	USB_SET_CONFIGURATION	9U

/* Descriptors, [USB] 9.6: length, type, and what follows. */
#define	USB_DEVICE		1U
#define	 USB_DEVICE_SIZE	18U
#define	 USB_DEVICE_VENDOR	8U	/* two bytes */
#define	 USB_DEVICE_PRODUCT	10U	/* two bytes */
#define	USB_CONFIG		2U
#define	 USB_CONFIG_SIZE	9U
#define	 USB_CONFIG_TOTAL	2U	/* two bytes: with what follows */
#define	 USB_CONFIG_VALUE	5U
#define	USB_INTERFACE		4U
#define	 USB_INTERFACE_SIZE	9U
#define	 USB_INTERFACE_ALT	3U
#define	 USB_INTERFACE_CLASS	5U	/* and subclass, protocol */
#define	USB_ENDPOINT		5U
#define	 USB_ENDPOINT_SIZE	7U
#define	 USB_ENDPOINT_ADDRESS	2U
#define	  USB_ADDRESS_IN	0x80U
#define	  USB_ADDRESS_NUMBER	0x0fU
#define	 USB_ENDPOINT_TYPE	3U
#define	  USB_TYPE_MASK		0x03U
#define	  USB_TYPE_BULK		0x02U
#define	 USB_ENDPOINT_PACKET	4U	/* two bytes */
#define	USB_COMPANION		48U	/* of the endpoint before */
#define	 USB_COMPANION_SIZE	6U
#define	 USB_COMPANION_BURST	2U
#define	  USB_BURST_MAX		15U

#endif /* !_DEV_USB_USBREG_H_ */
