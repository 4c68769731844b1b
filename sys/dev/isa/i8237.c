/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Driver of the 8237A DMA controllers in a PC AT.
 *
 * Sources: [8237A] Intel 8237A High Performance Programmable DMA Controller,
 * data sheet, order number 231466; [AT] IBM Personal Computer AT Technical
 * Reference, system board, "DMA": ports, page registers, channels.
 *
 * The controller counts in 16 bits.  What it does at their end differs: the
 * chip goes on at the start of the same 64 KiB (128 KiB with words), an
 * emulator may run on into the next, and both write over memory that nobody
 * meant.  A transfer that crosses that line is therefore refused here, before
 * any register is touched, whatever the machine would make of it.
 */

#include <dev/isa/i8237.h>

#include <machine/cpufunc.h>

/* Ports of the first controller; those of the second are 0xc0 + 2 * these. */
#define	DMA_ADDR(chan)	((chan) * 2)		/* current address */
#define	DMA_COUNT(chan)	((chan) * 2 + 1)	/* current word count */
#define	DMA_SMASK	0x0a	/* write single mask register bit */
#define	DMA_MODE	0x0b	/* write mode register */
#define	DMA_FFC		0x0c	/* clear byte pointer flip-flop */

/* [8237A] "Mask Register": bits 1-0 select the channel. */
#define	SMASK_SET	0x04

/* [8237A] "Mode Register": bits 1-0 select the channel. */
#define	MODE_WRITE	0x04	/* to memory */
#define	MODE_READ	0x08	/* from memory */
#define	MODE_AUTO	0x10	/* "Autoinitialize": at the end begin again */
#define	MODE_SINGLE	0x40	/* one transfer a request of the device */
#define	MODE_CASCADE	0xc0	/* the other controller sits behind it */

#define	NCHAN		8
#define	CASCADE		4	/* the channel that joins the controllers */

/* [AT] "DMA page registers": address bits 16-23 (17-23 with words). */
static const uint16_t page_port[NCHAN] = {
	0x87, 0x83, 0x81, 0x82, 0, 0x8b, 0x89, 0x8a
};

/*
 * A controller's 16-bit registers are accessed in two halves, and which half
 * is next is one flip-flop for all its channels.
 */
static struct vm_md_lock i8237_lock;

static unsigned
word_shift(unsigned chan)
{

	return (chan > CASCADE ? 1 : 0);
}

static uint16_t
port(unsigned chan, unsigned reg)
{

	return ((uint16_t)(chan > CASCADE ? 0xc0 + 2 * reg : reg));
}

static void
write16(unsigned chan, unsigned reg, uint16_t v)
{

	outb(port(chan, DMA_FFC), 0);
	outb(port(chan, reg), (uint8_t)v);
	outb(port(chan, reg), (uint8_t)(v >> 8));
}

static uint16_t
read16(unsigned chan, unsigned reg)
{
	uint8_t lo;

	outb(port(chan, DMA_FFC), 0);
	lo = inb(port(chan, reg));
	return ((uint16_t)(lo | inb(port(chan, reg)) << 8));
}

/*
 * Let the first controller pass through the second.  Firmware does it, too.
 */
static void
enable_cascade(void)
{
	const unsigned chan = CASCADE & 3;

	outb(0xc0 + 2 * DMA_MODE, MODE_CASCADE | chan);
	outb(0xc0 + 2 * DMA_SMASK, chan);
}

const char *
i8237_check(unsigned chan, paddr_t addr, psize_t len)
{
	psize_t line;

	if (chan >= NCHAN || chan == CASCADE)
		return ("no such channel");
	line = chan > CASCADE ? I8237_BOUNDARY_WORD : I8237_BOUNDARY;
	if (len == 0)
		return ("empty");
	if (addr > I8237_ADDR_MAX || len - 1 > I8237_ADDR_MAX - addr)
		return ("not below 16 MiB");
	if (addr / line != (addr + (len - 1)) / line)
		return (chan > CASCADE ? "crosses a 128 KiB line" :
		    "crosses a 64 KiB line");
	if (chan > CASCADE && (addr % 2 != 0 || len % 2 != 0))
		return ("not whole words");
	return (NULL);
}

static int
start(unsigned chan, paddr_t addr, psize_t len, uint8_t mode)
{
	unsigned shift;
	vm_md_intr_t s;

	if (i8237_check(chan, addr, len) != NULL)
		return (EINVAL);
	shift = word_shift(chan);

	s = vm_md_intr_disable();
	vm_md_lock(&i8237_lock);
	if (chan < CASCADE)
		enable_cascade();
	outb(port(chan, DMA_SMASK), (uint8_t)(SMASK_SET | (chan & 3)));
	outb(port(chan, DMA_MODE), (uint8_t)(MODE_SINGLE | mode | (chan & 3)));
	write16(chan, DMA_ADDR(chan & 3), (uint16_t)(addr >> shift));
	outb(page_port[chan], (uint8_t)(addr >> 16 & (shift ? 0xfe : 0xff)));
	/* The count is one less than what is transferred. */
	write16(chan, DMA_COUNT(chan & 3), (uint16_t)((len >> shift) - 1));
	outb(port(chan, DMA_SMASK), (uint8_t)(chan & 3));
	vm_md_unlock(&i8237_lock);
	vm_md_intr_restore(s);
	return (0);
}

int
i8237_start(unsigned chan, paddr_t addr, psize_t len, enum i8237_dir dir)
{

	return (start(chan, addr, len,
	    dir == I8237_TO_MEMORY ? MODE_WRITE : MODE_READ));
}

int
i8237_start_ring(unsigned chan, paddr_t addr, psize_t len, enum i8237_dir dir)
{

	return (start(chan, addr, len, (uint8_t)(MODE_AUTO |
	    (dir == I8237_TO_MEMORY ? MODE_WRITE : MODE_READ))));
}

/*
 * From 0 the count goes to ffff, which ends the transfer.
 */
static psize_t
left(unsigned chan, uint16_t count)
{

	return ((psize_t)(uint16_t)(count + 1) << word_shift(chan));
}

/*
 * The count goes on between the readings of its halves: two values with the
 * same upper half were not torn apart.
 */
psize_t
i8237_left(unsigned chan)
{
	uint16_t count, before;
	vm_md_intr_t s;
	unsigned i;

	s = vm_md_intr_disable();
	vm_md_lock(&i8237_lock);
	count = read16(chan, DMA_COUNT(chan & 3));
	for (i = 0; i < 8; i++) {
		before = count;
		count = read16(chan, DMA_COUNT(chan & 3));
		if (before >> 8 == count >> 8)
			break;
	}
	vm_md_unlock(&i8237_lock);
	vm_md_intr_restore(s);
	return (left(chan, count));
}

psize_t
i8237_stop(unsigned chan)
{
	vm_md_intr_t s;
	uint16_t count;

	s = vm_md_intr_disable();
	vm_md_lock(&i8237_lock);
	outb(port(chan, DMA_SMASK), (uint8_t)(SMASK_SET | (chan & 3)));
	count = read16(chan, DMA_COUNT(chan & 3));
	vm_md_unlock(&i8237_lock);
	vm_md_intr_restore(s);
	return (left(chan, count));
}
