/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * For whom a PCI device's requests for memory count, and its DMA tag.
 *
 * Source: [BRIDGE] PCI Express to PCI/PCI-X Bridge Specification, revision
 * 1.0, section 2.3; [EXPRESS] PCI Express Base Specification, revision 3.0,
 * section 7.8.
 */

#include <dev/pci/pci.h>

#include <machine/iommu.h>

#define	STATUS_CAPABILITIES	((uint32_t)0x10 << 16)
#define	PCI_CAPABILITIES	0x34	/* 8 bits */
#define	CAP_FIRST		0x40	/* behind the header */
#define	CAP_MOST		48	/* more do not fit */
#define	CAP_EXPRESS		0x10
#define	EXPRESS_TYPE(v)		((v) >> 20 & 0xf) /* of its first word */
#define	EXPRESS_TO_PCI		7

/*
 * The type of a PCI Express device's port.  => -1: it is conventional.
 */
static int
express_type(const struct pci_func *f)
{
	unsigned at, i;
	uint32_t v;

	if ((pci_read(f, PCI_COMMAND) & STATUS_CAPABILITIES) == 0)
		return (-1);
	at = pci_read(f, PCI_CAPABILITIES) & 0xfc;
	for (i = 0; i < CAP_MOST && at >= CAP_FIRST; i++) {
		v = pci_read(f, at);
		if ((v & 0xff) == CAP_EXPRESS)
			return ((int)EXPRESS_TYPE(v));
		at = v >> 8 & 0xfc;
	}
	return (-1);
}

struct search {
	uint8_t		se_bus;
	struct pci_func	se_bridge;
};

static bool
leads_to(const struct pci_func *f, void *arg)
{
	struct search *se = arg;
	uint8_t behind;

	if (!pci_bus_behind(f, &behind) || behind != se->se_bus)
		return (false);
	se->se_bridge = *f;
	return (true);
}

void
pci_requester(const struct pci_func *f, struct pci_func *requester)
{
	struct search se = { .se_bus = f->pf_bus };
	int type;

	*requester = *f;
	for (; se.se_bus != 0 && pci_walk(leads_to, &se);
	    se.se_bus = se.se_bridge.pf_bus) {
		type = express_type(&se.se_bridge);
		if (type == EXPRESS_TO_PCI)
			*requester = (struct pci_func){
				.pf_bus = se.se_bus };
		else if (type < 0)
			*requester = se.se_bridge;
	}
}

bus_dma_tag_t
pci_dma_tag(const struct pci_func *f)
{
	struct pci_func requester;

	pci_requester(f, &requester);
	return (iommu_dma_tag(requester.pf_bus,
	    (uint8_t)(requester.pf_dev << 3 | requester.pf_func)));
}
