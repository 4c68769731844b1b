/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The console: a 16550 UART at COM1, polled (National Semiconductor,
 * PC16550D data sheet).
 */

#include <sys/machdep.h>

#include <machine/cons.h>
#include <machine/cpufunc.h>

#define	COM1		0x3f8
#define	COM_DATA	0	/* receive and transmit; divisor, low */
#define	COM_IER		1	/* interrupts; divisor, high */
#define	COM_FCR		2	/* FIFO control */
#define	COM_LCR		3	/* line control */
#define	COM_MCR		4	/* modem control */
#define	COM_LSR		5	/* line status */

#define	LCR_8N1		0x03
#define	LCR_DLAB	0x80	/* registers 0 and 1 are the divisor */
#define	FCR_ENABLE	0x07	/* and clear both FIFOs */
#define	MCR_DTR_RTS	0x03
#define	LSR_RXRDY	0x01
#define	LSR_TXRDY	0x20

#define	DIVISOR		1	/* 115200 baud */
#define	TX_SPINS	100000	/* then the UART is stuck, or not there */

void
cons_init(void)
{

	outb(COM1 + COM_IER, 0);
	outb(COM1 + COM_LCR, LCR_DLAB);
	outb(COM1 + COM_DATA, DIVISOR);
	outb(COM1 + COM_IER, 0);
	outb(COM1 + COM_LCR, LCR_8N1);
	outb(COM1 + COM_FCR, FCR_ENABLE);
	outb(COM1 + COM_MCR, MCR_DTR_RTS);
}

static void
com_put(uint8_t c)
{
	unsigned spins;

	for (spins = 0; spins < TX_SPINS; spins++) {
		if ((inb(COM1 + COM_LSR) & LSR_TXRDY) != 0)
			break;
		cpu_pause();
	}
	outb(COM1 + COM_DATA, c);
}

void
cnputc(int c)
{

	if (c == '\n')
		com_put('\r');
	com_put((uint8_t)c);
}

int
cngetc(void)
{
	uint8_t lsr = inb(COM1 + COM_LSR);

	/* A bus without a UART reads as all ones. */
	if (lsr == 0xff || (lsr & LSR_RXRDY) == 0)
		return (-1);
	return (inb(COM1 + COM_DATA));
}
