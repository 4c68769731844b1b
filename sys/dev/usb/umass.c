/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * USB mass storage: SCSI commands by the bulk-only transport.
 *
 * Sources: [BOT] Universal Serial Bus Mass Storage Class, Bulk-Only
 * Transport, revision 1.0; [SPC] SCSI Primary Commands - 3; [SBC] SCSI Block
 * Commands - 2.
 *
 * A command is three transfers: a wrapper of 31 bytes that has the command,
 * the data, and a wrapper of 13 bytes with the status.  A device that refuses
 * the data stalls the endpoint, and gives its status then.  What is no valid
 * status ends the use of the device.
 */

#include <sys/systm.h>

#include <dev/usb/umass.h>
#include <dev/usb/usbreg.h>

/* [BOT] 4: class, subclass (transparent SCSI), protocol. */
static const uint8_t umass_class[3] = { 0x08, 0x06, 0x50 };

/* [BOT] 5.1, 5.2. */
#define	CBW_SIZE	31U
#define	CBW_SIGNATURE	0x43425355U
#define	CBW_IN		0x80U
#define	CSW_SIZE	13U
#define	CSW_SIGNATURE	0x53425355U
#define	CSW_PASSED	0U
#define	CSW_FAILED	1U

#define	SENSE_SIZE	18U		/* [SPC] 4.5.3 */
#define	 SENSE_ATTENTION 6U		/* key: it was reset, or so */
#define	INQUIRY_SIZE	36U		/* [SPC] 6.4.2 */
#define	 INQUIRY_VENDOR	8U		/* with the product, 24 bytes */
#define	CAPACITY_SIZE	8U		/* [SBC] 5.10 */

#define	CDB_MAX		10U
#define	FAILURES	2U		/* of a command */
#define	ATTENTIONS	4U

struct command {
	const char	*c_name;
	uint8_t		c_cdb[CDB_MAX];
	uint8_t		c_cdblen;
	bool		c_in;
	bool		c_whole;	/* less than all data is a failure */
	const bus_dma_segment_t *c_segs;
	unsigned	c_nsegs;
	uint32_t	c_size;		/* bytes, of all of them */
};

struct sense {
	uint8_t		s_key, s_code, s_qualifier;
};

static uint32_t
get_le32(const uint8_t *p)
{

	return (p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24);
}

static void
put_le32(uint8_t *p, uint32_t v)
{
	unsigned i;

	for (i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static uint32_t
get_be32(const uint8_t *p)
{

	return ((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3]);
}

/*
 * Descriptors.
 */

static void
add_endpoint(const uint8_t *d, struct usb_bulk *in, struct usb_bulk *out)
{
	uint8_t address = d[USB_ENDPOINT_ADDRESS];
	struct usb_bulk *b = (address & USB_ADDRESS_IN) != 0 ? in : out;

	if ((d[USB_ENDPOINT_TYPE] & USB_TYPE_MASK) != USB_TYPE_BULK ||
	    (address & USB_ADDRESS_NUMBER) == 0 || b->ub_address != 0)
		return;
	b->ub_address = address;
	b->ub_packet = (uint16_t)(d[USB_ENDPOINT_PACKET] |
	    d[USB_ENDPOINT_PACKET + 1] << 8);
}

static bool
is_mass_storage(const uint8_t *d)
{

	return (d[USB_INTERFACE_ALT] == 0 && memcmp(d + USB_INTERFACE_CLASS,
	    umass_class, sizeof(umass_class)) == 0);
}

bool
umass_find(const uint8_t *config, unsigned len, struct usb_bulk *in,
    struct usb_bulk *out)
{
	const uint8_t *d = config, *endpoint = NULL;
	struct usb_bulk *b;
	bool ours = false;

	memset(in, 0, sizeof(*in));
	memset(out, 0, sizeof(*out));
	for (; len >= 2 && d[0] >= 2 && d[0] <= len; len -= d[0], d += d[0]) {
		if (d[1] == USB_INTERFACE && d[0] >= USB_INTERFACE_SIZE) {
			if (ours)
				break;
			ours = is_mass_storage(d);
		} else if (ours && d[1] == USB_ENDPOINT &&
		    d[0] >= USB_ENDPOINT_SIZE) {
			add_endpoint(d, in, out);
			endpoint = d;
		} else if (ours && d[1] == USB_COMPANION && endpoint != NULL &&
		    d[0] >= USB_COMPANION_SIZE) {
			b = (endpoint[USB_ENDPOINT_ADDRESS] &
			    USB_ADDRESS_IN) != 0 ? in : out;
			if (b->ub_address == endpoint[USB_ENDPOINT_ADDRESS] &&
			    d[USB_COMPANION_BURST] <= USB_BURST_MAX)
				b->ub_burst = d[USB_COMPANION_BURST];
		}
	}
	return (in->ub_address != 0 && out->ub_address != 0);
}

/*
 * The transport.
 */

static uint8_t *
place(const struct umass *um, unsigned at)
{

	return (um->um_mem->d_kva + um->um_at + at);
}

/*
 * bulk: part of the memory that is shared.
 */
static int
bulk(struct umass *um, bool in, unsigned at, unsigned len,
    enum usb_result *result)
{
	const bus_dma_segment_t seg = {
		dmabuf_addr(um->um_mem) + um->um_at + at, len
	};
	int error;

	dmabuf_sync(um->um_mem, um->um_at + at, len,
	    in ? BUS_DMASYNC_PREREAD : BUS_DMASYNC_PREWRITE);
	error = um->um_bulk(um->um_arg, in, &seg, 1, result);
	dmabuf_sync(um->um_mem, um->um_at + at, len,
	    in ? BUS_DMASYNC_POSTREAD : BUS_DMASYNC_POSTWRITE);
	return (error);
}

static int
send_command(struct umass *um, const struct command *c)
{
	uint8_t *cbw = place(um, UMASS_CBW_AT);
	enum usb_result result;
	int error;

	memset(cbw, 0, CBW_SIZE);
	put_le32(cbw, CBW_SIGNATURE);
	put_le32(cbw + 4, ++um->um_tag);
	put_le32(cbw + 8, c->c_size);
	cbw[12] = c->c_in ? CBW_IN : 0;
	cbw[14] = c->c_cdblen;
	memcpy(cbw + 15, c->c_cdb, c->c_cdblen);
	error = bulk(um, false, UMASS_CBW_AT, CBW_SIZE, &result);
	if (error != 0 || result == USB_DONE)
		return (error);
	printf("%s: %s: the command is refused\n", um->um_name, c->c_name);
	return (EIO);
}

/*
 * get_status: [BOT] 6.3.  => 0, status and residue; or an error number after
 * one line.
 */
static int
get_status(struct umass *um, const struct command *c, unsigned *status,
    uint32_t *residue)
{
	const uint8_t *csw = place(um, UMASS_CSW_AT);
	enum usb_result result = USB_STALLED;
	unsigned i;
	int error = 0;

	for (i = 0; i < 2 && error == 0 && result == USB_STALLED; i++) {
		memset(place(um, UMASS_CSW_AT), 0, CSW_SIZE);
		error = bulk(um, true, UMASS_CSW_AT, CSW_SIZE, &result);
	}
	if (error != 0)
		return (error);
	*residue = get_le32(csw + 8);
	*status = csw[12];
	if (result == USB_DONE && get_le32(csw) == CSW_SIGNATURE &&
	    get_le32(csw + 4) == um->um_tag && *residue <= c->c_size &&
	    *status <= CSW_FAILED)
		return (0);
	printf("%s: %s: no valid status: signature 0x%x, tag %u of %u, "
	    "residue %u of %u, status %u\n", um->um_name, c->c_name,
	    get_le32(csw), get_le32(csw + 4), um->um_tag, *residue, c->c_size,
	    *status);
	return (EIO);
}

/*
 * run: a command, once.  => 0 and *passed; or an error number after one line:
 * nothing can be said to the device any more.
 */
static int
run(struct umass *um, const struct command *c, bool *passed)
{
	enum usb_result result = USB_DONE;
	uint32_t residue;
	unsigned status;
	int error;

	error = send_command(um, c);
	if (error == 0 && c->c_size != 0)
		error = um->um_bulk(um->um_arg, c->c_in, c->c_segs, c->c_nsegs,
		    &result);
	if (error == 0)
		error = get_status(um, c, &status, &residue);
	if (error != 0)
		return (error);
	*passed = status == CSW_PASSED;
	if (!*passed || !c->c_whole || (residue == 0 && result == USB_DONE))
		return (0);
	printf("%s: %s: %u bytes of %u were not moved, yet it passed\n",
	    um->um_name, c->c_name, residue, c->c_size);
	return (EIO);
}

/*
 * SCSI.
 */

/*
 * answer: run a command whose answer comes to the memory that is shared.
 */
static int
answer(struct umass *um, struct command *c, uint32_t size, bool *passed)
{
	const bus_dma_segment_t seg = {
		dmabuf_addr(um->um_mem) + um->um_at + UMASS_DATA_AT, size
	};
	int error;

	c->c_in = true;
	c->c_segs = &seg;
	c->c_nsegs = 1;
	c->c_size = size;
	memset(place(um, UMASS_DATA_AT), 0, size);
	dmabuf_sync(um->um_mem, um->um_at + UMASS_DATA_AT, size,
	    BUS_DMASYNC_PREREAD);
	error = run(um, c, passed);
	dmabuf_sync(um->um_mem, um->um_at + UMASS_DATA_AT, size,
	    BUS_DMASYNC_POSTREAD);
	c->c_segs = NULL;
	return (error);
}

/*
 * get_sense: why a command has failed.
 */
static int
get_sense(struct umass *um, struct sense *s)
{
	struct command c = {
		.c_name = "REQUEST SENSE",
		.c_cdb = { 0x03, 0, 0, 0, SENSE_SIZE, 0 },
		.c_cdblen = 6,
	};
	const uint8_t *d = place(um, UMASS_DATA_AT);
	bool passed;
	int error;

	error = answer(um, &c, SENSE_SIZE, &passed);
	memset(s, 0, sizeof(*s));
	if (error == 0 && passed) {
		s->s_key = d[2] & 0xf;
		s->s_code = d[12];
		s->s_qualifier = d[13];
	}
	return (error);
}

/*
 * command: the same, and what can be done about failures; size is that of the
 * answer to the memory that is shared, or 0: c has all.
 */
static int
command(struct umass *um, struct command *c, uint32_t size)
{
	unsigned attentions = 0, failures = 0;
	struct sense s;
	bool passed;
	int error;

	for (;;) {
		error = size != 0 ? answer(um, c, size, &passed) :
		    run(um, c, &passed);
		if (error != 0 || passed ||
		    (error = get_sense(um, &s)) != 0)
			return (error);
		if (s.s_key == SENSE_ATTENTION && attentions++ < ATTENTIONS)
			continue;
		printf("%s: %s at block %u: sense key %x, code %02x/%02x\n",
		    um->um_name, c->c_name, c->c_cdblen == CDB_MAX ?
		    get_be32(c->c_cdb + 2) : 0, s.s_key, s.s_code,
		    s.s_qualifier);
		if (++failures == FAILURES)
			return (EIO);
	}
}

int
umass_transfer(void *arg, bus_dmamap_t map, uint64_t block, unsigned nblocks,
    bool write)
{
	struct umass *um = arg;
	struct command c = {
		.c_name = write ? "WRITE(10)" : "READ(10)",
		.c_cdb = {
			write ? 0x2a : 0x28, 0, (uint8_t)(block >> 24),
			(uint8_t)(block >> 16), (uint8_t)(block >> 8),
			(uint8_t)block, 0, (uint8_t)(nblocks >> 8),
			(uint8_t)nblocks, 0
		},
		.c_cdblen = 10,
		.c_in = !write,
		.c_whole = true,
		.c_segs = map->dm_segs,
		.c_nsegs = (unsigned)map->dm_nsegs,
		.c_size = nblocks << um->um_shift,
	};

	KASSERT(nblocks <= UMASS_BLOCKS_MAX && block <= UINT32_MAX);
	return (command(um, &c, 0));
}

int
umass_flush(void *arg)
{
	struct command c = {
		.c_name = "SYNCHRONIZE CACHE(10)",
		.c_cdb = { 0x35 },
		.c_cdblen = 10,
	};

	return (command(arg, &c, 0));
}

/*
 * copy_name: without what cannot be printed, nor blanks at the end.
 */
static unsigned
copy_name(char *to, const uint8_t *from, unsigned len)
{
	unsigned i, n = 0;

	for (i = 0; i < len; i++) {
		to[i] = from[i] >= ' ' && from[i] < 0x7f ? (char)from[i] : ' ';
		if (to[i] != ' ')
			n = i + 1;
	}
	to[n] = '\0';
	return (n);
}

static int
inquire(struct umass *um)
{
	struct command c = {
		.c_name = "INQUIRY",
		.c_cdb = { 0x12, 0, 0, 0, INQUIRY_SIZE, 0 },
		.c_cdblen = 6,
	};
	const uint8_t *d = place(um, UMASS_DATA_AT);
	unsigned n;
	int error;

	if ((error = command(um, &c, INQUIRY_SIZE)) != 0)
		return (error);
	n = copy_name(um->um_model, d + INQUIRY_VENDOR, 8);
	if (n > 0)
		um->um_model[n++] = ' ';
	(void)copy_name(um->um_model + n, d + INQUIRY_VENDOR + 8, 16);
	/* Not a disk, or none at this unit. */
	return (d[0] == 0 ? 0 : ENXIO);
}

static int
measure(struct umass *um)
{
	struct command c = {
		.c_name = "READ CAPACITY(10)",
		.c_cdb = { 0x25 },
		.c_cdblen = 10,
		.c_whole = true,
	};
	const uint8_t *d = place(um, UMASS_DATA_AT);
	uint32_t size;
	int error;

	if ((error = command(um, &c, CAPACITY_SIZE)) != 0)
		return (error);
	size = get_be32(d + 4);
	for (um->um_shift = 9; um->um_shift <= 12; um->um_shift++) {
		if (size == 1U << um->um_shift)
			break;
	}
	if (um->um_shift > 12) {
		printf("%s: blocks of %u bytes are not supported\n",
		    um->um_name, size);
		return (EOPNOTSUPP);
	}
	/* If there are more, they are out of reach of these commands. */
	um->um_blocks = (uint64_t)get_be32(d) + 1;
	return (0);
}

int
umass_examine(struct umass *um)
{
	int error;

	if ((error = inquire(um)) != 0)
		return (error);
	return (measure(um));
}
