/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Page table entries, as the hardware reads them (AMD64 Architecture
 * Programmer's Manual, volume 2, section 5.4).
 */

#ifndef _MACHINE_PTE_H_
#define	_MACHINE_PTE_H_

#define	PTE_P		0x001		/* present */
#define	PTE_W		0x002		/* writable */
#define	PTE_PWT		0x008		/* write through */
#define	PTE_PCD		0x010		/* not cached */
#define	PTE_A		0x020		/* accessed */
#define	PTE_D		0x040		/* dirty */
#define	PTE_PS		0x080		/* a 2-MiB page, in a level 2 table */
#define	PTE_NX		0x8000000000000000	/* no execution */
#define	PTE_FRAME	0x000ffffffffff000

#define	PTE_LARGE_SIZE	0x200000	/* bytes of a 2-MiB page */

#endif /* !_MACHINE_PTE_H_ */
