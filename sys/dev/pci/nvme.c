/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Driver of NVM Express controllers: nvme(4).  It reads the first namespace,
 * prints its sum, and on a disk that invites it copies the first half to the
 * second.
 *
 * Source: [NVME] NVM Express Base Specification, revision 1.4; see nvmereg.h.
 *
 * Submission queues lie in the controller's own memory if it has some for
 * that: a pool of vm_pool(9), so the controller does not have to fetch
 * commands from the host's.  All else is memory of bus_dma(9): queues aligned
 * to a page and contiguous ([NVME] 5.3, 5.4), and the pages of the job of a
 * disk, for each of which a command's list (PRP, [NVME] 4.3) has an entry.
 *
 * Queues are polled, one command at a time.  Every wait has an end, and after
 * any failure the controller is stopped before memory is given back.
 */

#include <sys/bus_dma.h>
#include <sys/device.h>
#include <sys/systm.h>

#include <dev/device_report.h>
#include <dev/device_tag.h>
#include <dev/disk.h>
#include <dev/mmio.h>
#include <dev/pci/nvmereg.h>
#include <dev/pci/pci.h>

#include <vm/vm_pool.h>

#define	NVME_NAME	"nvme0"

#define	PAGE		4096U		/* CC.MPS 0 */
#define	PRP_ALIGN	4U		/* [NVME] 4.3, of the first entry */
#define	NIOQ		2		/* pairs, at most */
#define	NQUEUE		(1 + NIOQ)	/* with the admin queue, 0 */
#define	DEPTH		16U		/* entries of a queue */
#define	REGS_SIZE	(NVME_DOORBELL + 4096)
#define	CMB_MAP		(64U << 10)	/* that much of it is used */

#define	WAIT_COMMAND	10000		/* ms */

struct queue {
	struct dmabuf	q_cq;
	struct dmabuf	q_sqbuf;	/* not in the pool's case */
	struct vm_poolmem q_sqmem;	/* vpm_size 0: not in the pool */
	volatile uint32_t *q_sq;
	bus_addr_t	q_sqaddr;
	unsigned	q_tail;		/* of q_sq */
	unsigned	q_head;		/* of q_cq */
	unsigned	q_phase;
	uint16_t	q_cid;
};

static bus_dma_tag_t nvme_tag;
static struct pci_func nvme_func;
static volatile uint8_t *nvme_regs;
static unsigned nvme_stride;		/* of doorbells, bytes */
static unsigned nvme_timeout;		/* ms */
static struct vm_pool nvme_cmb;
static bool nvme_has_cmb;

static struct queue queues[NQUEUE];
static unsigned nvme_nioq;
static struct dmabuf prps, info;	/* list; a buffer */

static int	transfer(void *, bus_dmamap_t, uint64_t, unsigned, bool);

static struct disk nvme_disk = {
	.dk_name = NVME_NAME,
	.dk_nsegs = DMAPAGES_MAX + 1,	/* fewer than a list has entries */
	.dk_maxsegsz = PAGE,
	.dk_boundary = PAGE,
	.dk_align = PRP_ALIGN,
	.dk_transfer = transfer,
};

static struct device_figures nvme_figures = {
	.df_name = NVME_NAME,
	.df_max = BUS_ADDR_MAX,
	.df_align = PAGE,
	.df_contig = 5 * PAGE,		/* disk.c, to read what was written */
};

static uint32_t
read32(unsigned reg)
{

	return (mmio_read32(nvme_regs, reg));
}

static void
write32(unsigned reg, uint32_t v)
{

	mmio_write32(nvme_regs, reg, v);
}

static uint64_t
read64(unsigned reg)
{

	return (mmio_read64(nvme_regs, reg));
}

static void
write64(unsigned reg, uint64_t v)
{

	mmio_write64(nvme_regs, reg, v);
}

/* [NVME] 3.1.24, 3.1.25. */
static unsigned
doorbell(unsigned queue, bool completion)
{

	return (NVME_DOORBELL + (2 * queue + (completion ? 1 : 0)) *
	    nvme_stride);
}

/*
 * Memory.
 */

static int
buffer_get(struct dmabuf *d, bus_size_t size)
{

	return (dmabuf_get(d, nvme_tag, NVME_NAME, size, PAGE, 0));
}

/*
 * sq_get: a submission queue, in the controller's memory if it has some left
 * and this is not the admin queue.
 */
static int
sq_get(struct queue *q, bool io)
{
	struct vm_poolreq req = VM_POOLREQ_INITIALIZER(DEPTH * SQE_SIZE);
	int error;

	req.vpq_align = PAGE;
	req.vpq_flags = VM_POOL_ZERO;
	if (io && nvme_has_cmb &&
	    vm_pool_alloc(&nvme_cmb, &req, &q->q_sqmem) == 0) {
		q->q_sq = q->q_sqmem.vpm_kva;
		q->q_sqaddr = q->q_sqmem.vpm_start;
		return (0);
	}
	error = buffer_get(&q->q_sqbuf, DEPTH * SQE_SIZE);
	if (error != 0)
		return (error);
	q->q_sq = (volatile uint32_t *)(void *)q->q_sqbuf.d_kva;
	q->q_sqaddr = q->q_sqbuf.d_map->dm_segs[0].ds_addr;
	return (0);
}

static void
queue_put(struct queue *q)
{

	if (q->q_cq.d_kva != NULL && q->q_sq != NULL)
		bus_dmamap_sync(nvme_tag, q->q_cq.d_map, 0, DEPTH * CQE_SIZE,
		    BUS_DMASYNC_POSTREAD);
	dmabuf_put(&q->q_cq);
	dmabuf_put(&q->q_sqbuf);
	if (q->q_sqmem.vpm_size != 0)
		(void)vm_pool_free(&nvme_cmb, q->q_sqmem.vpm_start,
		    DEPTH * SQE_SIZE);
	memset(q, 0, sizeof(*q));
}

static int
queue_get(struct queue *q, bool io)
{
	int error;

	memset(q, 0, sizeof(*q));
	q->q_phase = 1;
	if ((error = buffer_get(&q->q_cq, DEPTH * CQE_SIZE)) == 0)
		error = sq_get(q, io);
	if (error != 0)
		queue_put(q);
	else
		bus_dmamap_sync(nvme_tag, q->q_cq.d_map, 0, DEPTH * CQE_SIZE,
		    BUS_DMASYNC_PREREAD);
	return (error);
}

/*
 * Commands.
 */

/*
 * sq_sync, cq_sync: of the entry that is written, or looked at, next.  All of
 * a completion queue is the controller's but for the entry looked at.
 */
static void
sq_sync(const struct queue *q, unsigned slot, int ops)
{

	if (q->q_sqmem.vpm_size == 0)
		bus_dmamap_sync(nvme_tag, q->q_sqbuf.d_map, slot * SQE_SIZE,
		    SQE_SIZE, ops);
}

static void
cq_sync(const struct queue *q, int ops)
{

	bus_dmamap_sync(nvme_tag, q->q_cq.d_map, q->q_head * CQE_SIZE,
	    CQE_SIZE, ops);
}

/*
 * command_wait: the completion of the command in progress.
 * => 0; ETIMEDOUT; EIO: the controller failed, or refuses it, as *status says
 *    (UINT32_MAX: it does not).
 */
static int
command_wait(unsigned n, uint32_t *result, uint32_t *status)
{
	uint64_t end = nanotime() + (uint64_t)WAIT_COMMAND * 1000000;
	struct queue *q = &queues[n];
	volatile uint32_t *cqe;
	uint32_t dw3;

	*status = UINT32_MAX;
	cqe = (volatile uint32_t *)(void *)q->q_cq.d_kva +
	    q->q_head * CQE_DWORDS;
	for (;;) {
		cq_sync(q, BUS_DMASYNC_POSTREAD);
		dw3 = cqe[3];
		if (CQE_PHASE(dw3) == q->q_phase)
			break;
		cq_sync(q, BUS_DMASYNC_PREREAD);
		if ((read32(NVME_CSTS) & CSTS_CFS) != 0)
			return (EIO);
		if (nanotime() > end)
			return (ETIMEDOUT);
		delay(10);
	}
	*result = cqe[0];
	cq_sync(q, BUS_DMASYNC_PREREAD);	/* for its next turn */
	if (++q->q_head == DEPTH) {
		q->q_head = 0;
		q->q_phase ^= 1;
	}
	write32(doorbell(n, true), q->q_head);
	if (CQE_CID(dw3) != q->q_cid)
		return (EIO);
	*status = CQE_STATUS(dw3);
	return (*status == 0 ? 0 : EIO);
}

/*
 * command: have a command done; its identifier is filled in.
 * => 0, or an error after one line on the console.
 */
static int
command(unsigned n, uint32_t sqe[static SQE_DWORDS], uint32_t *resultp)
{
	struct queue *q = &queues[n];
	volatile uint32_t *slot = q->q_sq + q->q_tail * SQE_DWORDS;
	uint32_t result = 0, status;
	unsigned i, at = q->q_tail;
	int error;

	q->q_cid++;
	sqe[0] |= (uint32_t)q->q_cid << 16;
	for (i = 0; i < SQE_DWORDS; i++)
		slot[i] = sqe[i];
	q->q_tail = (q->q_tail + 1) % DEPTH;
	sq_sync(q, at, BUS_DMASYNC_PREWRITE);
	write32(doorbell(n, false), q->q_tail);
	error = command_wait(n, &result, &status);
	sq_sync(q, at, BUS_DMASYNC_POSTWRITE);
	if (error != 0 && status != UINT32_MAX)
		printf(NVME_NAME ": command 0x%02x on queue %u: status 0x%x\n",
		    sqe[0] & 0xff, n, status);
	else if (error != 0)
		printf(NVME_NAME ": command 0x%02x on queue %u: %s\n",
		    sqe[0] & 0xff, n, errno_name(error));
	if (resultp != NULL)
		*resultp = result;
	return (error);
}

static void
sqe_pointer(uint32_t *sqe, unsigned i, bus_addr_t addr)
{

	sqe[i] = (uint32_t)addr;
	sqe[i + 1] = (uint32_t)(addr >> 32);
}

static int
identify(unsigned what, unsigned ns)
{
	uint32_t sqe[SQE_DWORDS] = { ADMIN_IDENTIFY, ns };
	int error;

	sqe_pointer(sqe, 6, info.d_map->dm_segs[0].ds_addr);
	sqe[10] = what;
	bus_dmamap_sync(nvme_tag, info.d_map, 0, PAGE, BUS_DMASYNC_PREREAD);
	error = command(0, sqe, NULL);
	bus_dmamap_sync(nvme_tag, info.d_map, 0, PAGE, BUS_DMASYNC_POSTREAD);
	return (error);
}

/*
 * io_create: a pair of queues for reading and writing: [NVME] 5.3, 5.4.
 */
static int
io_create(unsigned n)
{
	uint32_t cq[SQE_DWORDS] = { ADMIN_CREATE_CQ };
	uint32_t sq[SQE_DWORDS] = { ADMIN_CREATE_SQ };
	int error;

	if ((error = queue_get(&queues[n], true)) != 0)
		return (error);
	sqe_pointer(cq, 6, queues[n].q_cq.d_map->dm_segs[0].ds_addr);
	cq[10] = (DEPTH - 1) << 16 | n;
	cq[11] = QUEUE_CONTIGUOUS;
	sqe_pointer(sq, 6, queues[n].q_sqaddr);
	sq[10] = (DEPTH - 1) << 16 | n;
	sq[11] = n << 16 | QUEUE_CONTIGUOUS;
	if ((error = command(0, cq, NULL)) == 0)
		error = command(0, sq, NULL);
	return (error);
}

/*
 * set_prps: where the data of a command lies: [NVME] 4.3.  Each segment lies
 * in a page, and all but the first start with one.
 */
static void
set_prps(uint32_t *sqe, const struct bus_dmamap *map)
{
	uint64_t *list = (uint64_t *)(void *)prps.d_kva;
	int i;

	sqe_pointer(sqe, 6, map->dm_segs[0].ds_addr);
	if (map->dm_nsegs == 2)
		sqe_pointer(sqe, 8, map->dm_segs[1].ds_addr);
	if (map->dm_nsegs <= 2)
		return;
	for (i = 1; i < map->dm_nsegs; i++)
		list[i - 1] = map->dm_segs[i].ds_addr;
	bus_dmamap_sync(nvme_tag, prps.d_map, 0, PAGE, BUS_DMASYNC_PREWRITE);
	sqe_pointer(sqe, 8, prps.d_map->dm_segs[0].ds_addr);
}

/*
 * transfer: for disk_job().  The pairs of queues take turns.
 */
static int
transfer(void *arg, bus_dmamap_t map, uint64_t block, unsigned nblocks,
    bool write)
{
	uint32_t sqe[SQE_DWORDS] = { write ? NVM_WRITE : NVM_READ, 1 };
	static unsigned turn;
	int error;

	(void)arg;
	set_prps(sqe, map);
	sqe_pointer(sqe, 10, block);
	sqe[12] = nblocks - 1;
	error = command(1 + turn++ % nvme_nioq, sqe, NULL);
	if (map->dm_nsegs > 2)
		bus_dmamap_sync(nvme_tag, prps.d_map, 0, PAGE,
		    BUS_DMASYNC_POSTWRITE);
	return (error);
}

/*
 * stop: the controller touches no memory from here on, [NVME] 7.6.2; or not
 * any more than a device that may not be master of the bus.
 */
static int
stop(void)
{
	uint64_t end = nanotime() + (uint64_t)nvme_timeout * 1000000;

	write32(NVME_CC, 0);
	while ((read32(NVME_CSTS) & CSTS_RDY) != 0) {
		if (nanotime() > end) {
			pci_disable(&nvme_func, PCI_COMMAND_MASTER);
			return (ETIMEDOUT);
		}
		delay(100);
	}
	return (0);
}

static void
release(void)
{
	unsigned i;

	(void)stop();
	pci_disable(&nvme_func, PCI_COMMAND_MASTER);
	for (i = 0; i < NQUEUE; i++)
		queue_put(&queues[i]);
	dmabuf_put(&prps);
	dmabuf_put(&info);
	disk_release(&nvme_disk);
	bus_dmatag_destroy(nvme_tag);
	if (nvme_has_cmb)
		(void)vm_pool_destroy(&nvme_cmb);
	nvme_has_cmb = false;
}

/*
 * job_prepare: queues and the list, which stay for the next time.
 */
static int
job_prepare(void)
{
	uint32_t sqe[SQE_DWORDS] = { ADMIN_SET_FEATURES };
	uint32_t got;
	unsigned i;
	int error;

	sqe[10] = FEATURE_QUEUES;
	sqe[11] = (NIOQ - 1) << 16 | (NIOQ - 1);
	if ((error = command(0, sqe, &got)) != 0)
		return (error);
	nvme_nioq = (got & 0xffff) < NIOQ - 1 || got >> 16 < NIOQ - 1 ? 1 :
	    NIOQ;
	for (i = 1; i <= nvme_nioq; i++) {
		if ((error = io_create(i)) != 0)
			return (error);
		printf(NVME_NAME ": submission queue %u in %s at 0x%jx\n", i,
		    queues[i].q_sqmem.vpm_size != 0 ?
		    "the controller's memory" : "main memory",
		    (uintmax_t)queues[i].q_sqaddr);
	}
	return (buffer_get(&prps, PAGE));
}

static int
nvme_job(void)
{
	int error = 0;

	if (nvme_disk.dk_blocks == 0) {
		printf(NVME_NAME ": no namespace to read\n");
		return (ENODEV);
	}
	if (queues[0].q_sq == NULL)
		return (EIO);		/* it failed before */
	nvme_disk.dk_tag = nvme_figures.df_tag = nvme_tag;
	if (prps.d_kva == NULL)
		error = job_prepare();
	if (error == 0)
		error = disk_job(&nvme_disk);
	if (error == 0)
		device_report(&nvme_figures, nvme_disk.dk_moved);
	else
		release();
	return (error);
}

/*
 * Attaching.
 */

/*
 * check_capabilities: what this driver needs.
 */
static int
check_capabilities(uint64_t cap)
{

	nvme_stride = 4U << CAP_DSTRD(cap);
	nvme_timeout = (CAP_TO(cap) + 1) * 500;
	if ((cap & CAP_CSS_NVM) != 0 && CAP_MPSMIN(cap) == 0 &&
	    CAP_MQES(cap) >= DEPTH - 1 &&
	    doorbell(NIOQ, true) + 4 <= REGS_SIZE)
		return (0);
	printf(NVME_NAME ": capabilities 0x%jx are not supported\n",
	    (uintmax_t)cap);
	return (ENODEV);
}

/*
 * cmb_where: the controller's memory, [NVME] 4.7.  => bytes; 0: none, or not
 * for submission queues.
 */
static uint64_t
cmb_where(uint64_t cap, uint64_t *addrp)
{
	uint64_t offset, size;
	struct pci_bar bar;
	uint32_t loc, sz;

	if ((cap & CAP_CMBS) != 0)
		write64(NVME_CMBMSC, CMBMSC_CRE);
	sz = read32(NVME_CMBSZ);
	loc = read32(NVME_CMBLOC);
	if ((sz & CMBSZ_SQS) == 0)
		return (0);
	offset = CMBLOC_OFST(loc) * CMBSZ_UNIT(sz);
	size = CMBSZ_SZ(sz) * CMBSZ_UNIT(sz);
	if (pci_bar_read(&nvme_func, CMBLOC_BIR(loc), &bar) != 0 ||
	    bar.pb_io || offset >= bar.pb_size) {
		printf(NVME_NAME ": base address register %u is of no use\n",
		    CMBLOC_BIR(loc));
		return (0);
	}
	*addrp = bar.pb_base + offset;
	/* [NVME] 3.1.12: the window may be larger than what is behind. */
	if (size > bar.pb_size - offset)
		size = bar.pb_size - offset;
	if ((cap & CAP_CMBS) == 0)
		return (size);
	write64(NVME_CMBMSC, *addrp | CMBMSC_CMSE | CMBMSC_CRE);
	return ((read32(NVME_CMBSTS) & CMBSTS_CBAI) != 0 ? 0 : size);
}

/*
 * cmb_attach: the pool of that memory.  Without one, things go on in main
 * memory.
 */
static void
cmb_attach(uint64_t cap)
{
	uint64_t addr = 0, size = cmb_where(cap, &addr);
	void *kva = NULL;
	int error;

	if (size == 0)
		return;
	if (size > CMB_MAP)
		size = CMB_MAP;
	kva = pci_mapdev(&nvme_func, addr, size);
	error = kva == NULL ? ENOMEM : vm_pool_create(&nvme_cmb,
	    NVME_NAME " cmb", SQE_SIZE);
	if (error == 0) {
		error = vm_pool_add(&nvme_cmb, addr, kva, size, NULL);
		if (error != 0)
			(void)vm_pool_destroy(&nvme_cmb);
	}
	nvme_has_cmb = error == 0;
	if (error != 0)
		printf(NVME_NAME ": memory at 0x%jx is not used: %s\n",
		    (uintmax_t)addr, errno_name(error));
}

/*
 * start: [NVME] 7.6.1.
 */
static int
start(void)
{
	uint64_t end = nanotime() + (uint64_t)nvme_timeout * 1000000;
	int error;

	if ((error = queue_get(&queues[0], false)) != 0)
		return (error);
	pci_enable(&nvme_func, PCI_COMMAND_MASTER);
	write32(NVME_AQA, (DEPTH - 1) << 16 | (DEPTH - 1));
	write64(NVME_ASQ, queues[0].q_sqaddr);
	write64(NVME_ACQ, queues[0].q_cq.d_map->dm_segs[0].ds_addr);
	write32(NVME_CC, CC_IOCQES | CC_IOSQES | CC_EN);
	while ((read32(NVME_CSTS) & (CSTS_RDY | CSTS_CFS)) != CSTS_RDY) {
		if ((read32(NVME_CSTS) & CSTS_CFS) != 0 || nanotime() > end) {
			printf(NVME_NAME ": does not start: status 0x%x\n",
			    read32(NVME_CSTS));
			return (EIO);
		}
		delay(100);
	}
	return (0);
}

static uint32_t
info32(unsigned offset)
{
	uint32_t v;

	memcpy(&v, info.d_kva + offset, sizeof(v));
	return (v);
}

/*
 * examine_namespace: sets nvme_disk; no blocks if there is no namespace 1, or
 * none that this driver can read.
 */
static int
examine_namespace(void)
{
	uint64_t blocks;
	uint32_t format;
	unsigned shift;
	int error;

	if ((error = identify(IDENTIFY_NAMESPACE, 1)) != 0)
		return (error);
	blocks = info32(IDNS_NSZE) | (uint64_t)info32(IDNS_NSZE + 4) << 32;
	format = info32(IDNS_LBAF(info32(IDNS_FLBAS) & 0xf));
	shift = LBAF_LBADS(format);
	nvme_disk.dk_blocks = 0;
	nvme_disk.dk_shift = shift;
	if (blocks == 0 || (shift >= 9 && shift <= 12 &&
	    LBAF_MS(format) == 0 && blocks <= UINT64_MAX >> shift))
		nvme_disk.dk_blocks = blocks;
	else
		printf(NVME_NAME ": format 0x%x of the namespace is not "
		    "supported\n", format);
	return (0);
}

/*
 * examine: what it is; prints the line that describes it.
 */
static int
examine(void)
{
	char model[IDCTRL_MN_LEN + 1];
	uint32_t vs = read32(NVME_VS);
	unsigned i, mdts;
	int error;

	if ((error = buffer_get(&info, PAGE)) != 0 ||
	    (error = identify(IDENTIFY_CONTROLLER, 0)) != 0)
		return (error);
	memcpy(model, info.d_kva + IDCTRL_MN, IDCTRL_MN_LEN);
	for (i = IDCTRL_MN_LEN; i > 0 && model[i - 1] == ' ';)
		i--;
	model[i] = '\0';
	while (i-- > 0) {
		if (model[i] < ' ' || model[i] > '~')
			model[i] = '?';
	}
	mdts = info.d_kva[IDCTRL_MDTS];
	nvme_disk.dk_max = mdts != 0 && mdts < 20 ? PAGE << mdts : 0;
	printf(NVME_NAME " at pci %u:%u.%u: version %u.%u, %s\n",
	    nvme_func.pf_bus, nvme_func.pf_dev, nvme_func.pf_func, vs >> 16,
	    vs >> 8 & 0xff, model);
	return (examine_namespace());
}

static int
nvme_attach(void)
{
	uint64_t cap;
	int error;

	if (!pci_find_class(NVME_PCI_CLASS, &nvme_func))
		return (ENXIO);
	if ((error = pci_map_bar(&nvme_func, 0, REGS_SIZE, REGS_SIZE,
	    NVME_NAME, &nvme_regs)) != 0)
		return (error);
	cap = read64(NVME_CAP);
	if ((error = check_capabilities(cap)) != 0)
		return (error);
	if ((error = stop()) != 0) {
		printf(NVME_NAME ": cannot be reset: %s\n", errno_name(error));
		return (error);
	}
	if ((error = device_tag(pci_dma_tag(&nvme_func), NVME_NAME,
	    BUS_ADDR_MAX, PRP_ALIGN, &nvme_tag)) != 0)
		return (error);
	cmb_attach(cap);
	if ((error = start()) != 0 || (error = examine()) != 0)
		release();
	return (error);
}

const struct device_driver nvme_driver = {
	.dd_name = "nvme",
	.dd_attach = nvme_attach,
	.dd_job = nvme_job,
};
