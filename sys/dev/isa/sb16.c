/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Driver of the Sound Blaster 16: sb16(4).  It plays a tone of rising pitch
 * through 16-bit ISA DMA.
 *
 * Source: [SB] Creative Technology, Sound Blaster Series Hardware Programming
 * Guide, sections "Digital Sound Processor" and "DSP Commands".
 *
 * The card plays a ring without end (its auto-initialize mode and that of the
 * DMA controller), and tells at the end of each half, which is then filled
 * with what comes next.  The tone has three halves, so one of them is filled
 * while the card plays the other; silence follows.  Whether the card was
 * faster than the CPU is seen from the DMA controller's counter and from the
 * clock, and then the tone is played once more.
 */

#include <sys/device.h>
#include <sys/systm.h>

#include <machine/cpufunc.h>

#include <dev/bus.h>
#include <dev/device_report.h>
#include <dev/device_tag.h>
#include <dev/dmabuf.h>
#include <dev/isa/i8237.h>

#define	SB_NAME		"sb160"

/* [SB] "I/O Port Map": as cards leave the factory. */
#define	SB_BASE		0x220
#define	SB_NPORT	16
#define	SB_MIXER_ADDR	(SB_BASE + 0x4)
#define	SB_MIXER_DATA	(SB_BASE + 0x5)
#define	SB_RESET	(SB_BASE + 0x6)
#define	SB_READ		(SB_BASE + 0xa)
#define	SB_WRITE	(SB_BASE + 0xc)	/* bit 7, read: not yet */
#define	SB_READ_STATUS	(SB_BASE + 0xe)	/* bit 7: there is a byte */
#define	SB_ACK16	(SB_BASE + 0xf)	/* read: interrupt seen */
#define	SB_DRQ		5U
#define	SB_BUSY		0x80
#define	SB_READY	0x80

/* [SB] "Mixer Chip". */
#define	MIXER_DMA	0x81		/* bit n: channel n */
#define	MIXER_INTR	0x82
#define	INTR_16		0x02		/* end of a block of words */

/* [SB] "DSP Commands". */
#define	DSP_RESET_DONE	0xaa
#define	DSP_RATE	0x41		/* of output, high byte first */
#define	DSP_PLAY16	0xb6		/* auto-initialize, with FIFO */
#define	DSP_MONO_S16	0x10
#define	DSP_SPEAKER_ON	0xd1
#define	DSP_SPEAKER_OFF	0xd3
#define	DSP_PAUSE16	0xd5
#define	DSP_VERSION	0xe1
#define	VERSION_SB16	4

#define	RATE		44100U		/* samples a second */
#define	RING_SIZE	0x8000U		/* bytes */
#define	HALF_SIZE	(RING_SIZE / 2)
#define	HALF_SAMPLES	(HALF_SIZE / 2)
#define	HALF_NS		((uint64_t)HALF_SAMPLES * 1000000000 / RATE)
#define	TONE_HALVES	3U
#define	NHALF		(TONE_HALVES + 2)	/* then the ring is silent */

#define	ATTEMPTS	5		/* to play it without a gap */

/* Limits of waiting, in ms. */
#define	WAIT_DSP	100
#define	WAIT_HALF	20000		/* one takes 186; hosts are late */
#define	DRAIN		300		/* until the last sample is heard */

/*
 * The tone is a triangle wave, 65536 steps of the phase long, which begins at
 * 689 Hz and rises from sample to sample: no two parts of it are the same.
 */
#define	PHASE_STEP	0x400U
#define	STEP_SAMPLES	32U		/* between two changes of the step */

struct tone {
	uint32_t	t_sample;	/* the next one's number */
	uint16_t	t_phase;
};

static bus_dma_tag_t sb16_tag;
static struct dmabuf ring;
static struct device_figures figures = {
	.df_name = SB_NAME,
	.df_max = I8237_ADDR_MAX,
	.df_align = VM_PAGE_SIZE,
	.df_boundary = I8237_BOUNDARY_WORD,
	.df_contig = RING_SIZE,
};

static int16_t
tone_next(struct tone *t)
{
	uint16_t phase = t->t_phase;

	t->t_phase = (uint16_t)(phase + PHASE_STEP +
	    t->t_sample++ / STEP_SAMPLES);
	return ((int16_t)(phase < 0x8000 ? phase - 0x4000 : 0xbfff - phase));
}

/*
 * Wait until bit 7 of a port has a value.  => ETIMEDOUT otherwise.
 */
static int
wait_bit7(uint16_t port, uint8_t value)
{
	uint64_t end = nanotime() + (uint64_t)WAIT_DSP * 1000000;

	while ((inb(port) & 0x80) != value) {
		if (nanotime() > end)
			return (ETIMEDOUT);
		delay(20);
	}
	return (0);
}

static int
dsp_send(const uint8_t *bytes, unsigned n)
{
	unsigned i;
	int error;

	for (i = 0; i < n; i++) {
		if ((error = wait_bit7(SB_WRITE, 0)) != 0)
			return (error);
		outb(SB_WRITE, bytes[i]);
	}
	return (0);
}

static int
dsp_command(uint8_t command)
{

	return (dsp_send(&command, 1));
}

static int
dsp_receive(uint8_t *byte)
{
	int error;

	if ((error = wait_bit7(SB_READ_STATUS, SB_READY)) == 0)
		*byte = inb(SB_READ);
	return (error);
}

static uint8_t
mixer_read(uint8_t reg)
{

	outb(SB_MIXER_ADDR, reg);
	return (inb(SB_MIXER_DATA));
}

/*
 * dsp_reset: it stops whatever it does.
 * => 0, or ENXIO: nothing answers like a DSP.
 */
static int
dsp_reset(void)
{
	uint8_t byte;

	outb(SB_RESET, 1);
	delay(3);			/* [SB] "Resetting the DSP" */
	outb(SB_RESET, 0);
	if (dsp_receive(&byte) != 0 || byte != DSP_RESET_DONE)
		return (ENXIO);
	return (0);
}

/*
 * fill: half number n of what is to be played.
 */
static void
fill(struct tone *tone, unsigned n)
{
	const unsigned offset = n % 2 * HALF_SIZE;
	int16_t *to = (void *)(ring.d_kva + offset);
	unsigned i;

	for (i = 0; i < HALF_SAMPLES; i++)
		to[i] = n < TONE_HALVES ? tone_next(tone) : 0;
	dmabuf_sync(&ring, offset, HALF_SIZE, BUS_DMASYNC_PREWRITE);
}

/*
 * played: the CPU has that half again.
 */
static void
played(unsigned n)
{

	dmabuf_sync(&ring, n % 2 * HALF_SIZE, HALF_SIZE,
	    BUS_DMASYNC_POSTWRITE);
}

/*
 * in_half: does the card play the half of that number, or one that lies at
 * the same place?
 */
static bool
in_half(unsigned n)
{

	return ((RING_SIZE - i8237_left(SB_DRQ)) % RING_SIZE / HALF_SIZE ==
	    n % 2);
}

static int
wait_half(void)
{
	uint64_t end = nanotime() + (uint64_t)WAIT_HALF * 1000000;

	while ((mixer_read(MIXER_INTR) & INTR_16) == 0) {
		if (nanotime() > end)
			return (ETIMEDOUT);
		delay(200);
	}
	(void)inb(SB_ACK16);
	return (0);
}

/*
 * feed: the ring, which plays its first two halves, with the others.
 * => 0; EAGAIN: the card was faster; ETIMEDOUT: it does not play.
 */
static int
feed(struct tone *tone)
{
	uint64_t last = nanotime();
	unsigned n;
	int error;

	for (n = 2; n < NHALF; n++) {
		if ((error = wait_half()) != 0)
			return (error);
		/* Half n - 2 is over. */
		played(n);
		fill(tone, n);
		if (!in_half(n - 1) || nanotime() - last > 2 * HALF_NS ||
		    (mixer_read(MIXER_INTR) & INTR_16) != 0)
			return (EAGAIN);
		last = nanotime();
	}
	/*
	 * All of the tone has left memory, and all of the ring is silent, so
	 * that from here on it does not matter how late we are.
	 */
	delay(DRAIN * 1000);
	return (0);
}

/*
 * stop: neither card nor channel touch the ring from here on.
 */
static void
stop(void)
{

	(void)dsp_command(DSP_PAUSE16);
	(void)dsp_command(DSP_SPEAKER_OFF);
	(void)i8237_stop(SB_DRQ);
	(void)dsp_reset();
	(void)inb(SB_ACK16);
}

/*
 * start: the ring plays, and the card tells of each half.
 */
static int
start(void)
{
	const uint8_t rate[] = { DSP_RATE, RATE >> 8, RATE & 0xff };
	const uint8_t play[] = { DSP_PLAY16, DSP_MONO_S16,
	    (HALF_SAMPLES - 1) & 0xff, (HALF_SAMPLES - 1) >> 8 };
	int error;

	if ((error = dsp_reset()) != 0 ||
	    (error = i8237_start_ring(SB_DRQ, dmabuf_addr(&ring), RING_SIZE,
	    I8237_FROM_MEMORY)) != 0 ||
	    (error = dsp_command(DSP_SPEAKER_ON)) != 0 ||
	    (error = dsp_send(rate, sizeof(rate))) != 0)
		return (error);
	return (dsp_send(play, sizeof(play)));
}

static int
play_once(void)
{
	struct tone tone = { 0, 0 };
	int error;

	fill(&tone, 0);
	fill(&tone, 1);
	if ((error = start()) == 0)
		error = feed(&tone);
	stop();
	played(0);
	played(1);
	return (error);
}

/*
 * The ring stays, as that of a driver at work does; after a failure it goes.
 */
static int
sb16_job(void)
{
	unsigned attempt;
	int error;

	if (ring.d_kva == NULL && (error = dmabuf_get(&ring, sb16_tag, SB_NAME,
	    RING_SIZE, VM_PAGE_SIZE, I8237_BOUNDARY_WORD)) != 0)
		return (error);
	for (attempt = 1; attempt <= ATTEMPTS; attempt++) {
		if ((error = play_once()) != EAGAIN)
			break;
		printf(SB_NAME ": the card was faster than the CPU\n");
	}
	if (error != 0) {
		printf(SB_NAME ": does not play: %s (status %02x, %ju bytes "
		    "left)\n", errno_name(error), mixer_read(MIXER_INTR),
		    (uintmax_t)i8237_left(SB_DRQ));
		dmabuf_put(&ring);
		return (error);
	}
	printf(SB_NAME ": played %u samples through %u bytes at 0x%jx\n",
	    TONE_HALVES * HALF_SAMPLES, RING_SIZE,
	    (uintmax_t)dmabuf_addr(&ring));
	figures.df_tag = sb16_tag;
	device_report(&figures, TONE_HALVES * HALF_SIZE);
	return (0);
}

/*
 * The card, which has its ports.
 */
static int
identify(void)
{
	uint8_t major, minor, dma;
	int error;

	if (dsp_reset() != 0)
		return (ENXIO);
	if (dsp_command(DSP_VERSION) != 0 || dsp_receive(&major) != 0 ||
	    dsp_receive(&minor) != 0) {
		printf(SB_NAME ": DSP does not answer\n");
		return (ETIMEDOUT);
	}
	if (major != VERSION_SB16) {
		printf(SB_NAME ": DSP %u.%02u is no Sound Blaster 16's\n",
		    major, minor);
		return (EOPNOTSUPP);
	}
	dma = mixer_read(MIXER_DMA);
	if ((dma & 1 << SB_DRQ) == 0) {
		printf(SB_NAME ": DMA channel is not %u (channels 0x%02x)\n",
		    SB_DRQ, dma);
		return (EOPNOTSUPP);
	}
	if ((error = device_tag(NULL, SB_NAME, I8237_ADDR_MAX, 1,
	    &sb16_tag)) != 0)
		return (error);
	printf(SB_NAME " at isa port 0x%x drq %u: Sound Blaster 16, DSP "
	    "%u.%02u, polled\n", SB_BASE, SB_DRQ, major, minor);
	return (0);
}

static int
sb16_attach(void)
{
	struct claims *ports = &bus_get()->b_ports;
	int error;

	error = claim_region(ports, SB_BASE, SB_NPORT, SB_NAME);
	if (error != 0)
		return (error);
	if ((error = identify()) != 0)
		(void)claim_release(ports, SB_BASE);
	return (error);
}

const struct device_driver sb16_driver = {
	.dd_name = "sb16",
	.dd_attach = sb16_attach,
	.dd_job = sb16_job,
};
