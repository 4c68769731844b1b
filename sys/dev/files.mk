#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# The drivers of the reference kernel, those of ISA and of PCI.
#

DEV_SRCS= \
	sys/dev/ata.c \
	sys/dev/bus.c \
	sys/dev/cksum.c \
	sys/dev/device_report.c \
	sys/dev/device_tag.c \
	sys/dev/disk.c \
	sys/dev/dmabuf.c \
	sys/dev/dmar.c \
	sys/dev/isa/fdc.c \
	sys/dev/isa/i8237.c \
	sys/dev/isa/sb16.c \
	sys/dev/pci/ahci.c \
	sys/dev/pci/e1000.c \
	sys/dev/pci/edu.c \
	sys/dev/pci/edu_poke.c \
	sys/dev/pci/nvme.c \
	sys/dev/pci/pci.c \
	sys/dev/pci/pci_bar.c \
	sys/dev/pci/pci_dma.c \
	sys/dev/pci/pci_map.c \
	sys/dev/pci/piixide.c \
	sys/dev/pci/sdhci.c \
	sys/dev/pci/vioblk.c \
	sys/dev/pci/vionet.c \
	sys/dev/pci/virtio_cap.c \
	sys/dev/pci/virtio_pci.c \
	sys/dev/pci/virtqueue.c \
	sys/dev/pci/xhci.c \
	sys/dev/pci/xhci_ring.c \
	sys/dev/usb/umass.c \
	sys/dev/vtd_table.c
