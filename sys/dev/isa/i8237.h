/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The two 8237A DMA controllers of the PC AT: channels 0 to 3 move bytes,
 * channels 5 to 7 move 16-bit words; channel 4 joins the two.
 */

#ifndef _DEV_ISA_I8237_H_
#define	_DEV_ISA_I8237_H_

#include <vm/vm_types.h>

/*
 * What a channel can reach, for bus_dmatag_create() and bus_dmamem_alloc():
 * 24 bits of address, of which the page register holds the upper ones and
 * does not count on when the controller's 16 bits overflow.
 */
#define	I8237_ADDR_MAX		0xffffffU	/* inclusive */
#define	I8237_BOUNDARY		0x10000U	/* channels 0 to 3 */
#define	I8237_BOUNDARY_WORD	0x20000U	/* channels 5 to 7 */

enum i8237_dir {
	I8237_TO_MEMORY,	/* the device's data goes to memory */
	I8237_FROM_MEMORY
};

/*
 * i8237_check: can the channel transfer [addr, addr + len) at once?
 * => NULL, or why not in a few words (static string).
 */
const char *i8237_check(unsigned chan, paddr_t addr, psize_t len);

/*
 * i8237_start: program a channel for one transfer, in single mode, and let
 * the device begin.
 * i8237_start_ring: the same, but at the end the channel begins again at addr,
 * until i8237_stop().
 * => 0; EINVAL: i8237_check() refuses; nothing was changed.
 */
int	i8237_start(unsigned chan, paddr_t addr, psize_t len,
	    enum i8237_dir dir);
int	i8237_start_ring(unsigned chan, paddr_t addr, psize_t len,
	    enum i8237_dir dir);

/*
 * i8237_left: how many bytes a channel at work has before it, to the end of
 * the transfer, or of this round of the ring.
 */
psize_t	i8237_left(unsigned chan);

/*
 * i8237_stop: keep the device off memory.
 * => how many bytes of the transfer were not made; 0 after its end.  For a
 *    transfer of a whole 64 KiB (128 KiB) that did not begin it is 0, too:
 *    the counter has no bit to tell.  Of a ring: as i8237_left().
 */
psize_t	i8237_stop(unsigned chan);

#endif /* !_DEV_ISA_I8237_H_ */
