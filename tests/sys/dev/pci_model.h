/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * A model of configuration space and of the mechanism to reach it: PCI Local
 * Bus Specification 3.0, sections 3.2.2.3.2 and 6; PCI-to-PCI Bridge
 * Architecture Specification 1.2, section 3.2.
 */

#ifndef _PCI_MODEL_H_
#define	_PCI_MODEL_H_

#include <stdbool.h>
#include <stdint.h>

/*
 * A function: the registers of its header, and the bits of its base address
 * registers that can be set.
 */
struct function {
	unsigned	bus, dev, func;
	uint32_t	id;
	uint32_t	header;		/* type, in the register's place */
	uint32_t	buses;		/* of a bridge */
	uint32_t	window[6];	/* of a bridge: from 0x1c on */
	uint32_t	bar[6], bar_bits[6];
	uint32_t	command;
};

#define	MULTI	(0x80U << 16)
#define	BRIDGE	(0x01U << 16)
#define	CARDBUS	(0x02U << 16)
#define	BUSES(primary, secondary)	((primary) | (secondary) << 8)

/*
 * pci_model: a machine with these functions.
 * pci_model_mechanism: is there a way to reach them?
 * pci_model_decoding: base address registers that were written while the
 * device decoded what they hold.
 * pci_model_hydra: a machine in which there is a function at every place of
 * every bus, and each is a bridge to the next bus; nothing can be written.
 * pci_model_reads: of configuration space.
 */
void	pci_model(struct function *, unsigned n);
void	pci_model_hydra(void);
extern bool pci_model_mechanism;
extern unsigned pci_model_decoding, pci_model_reads;

#endif /* !_PCI_MODEL_H_ */
