#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# The machine-independent half of the reference kernel.
#

KERN_SRCS= \
	sys/kern/init_main.c \
	sys/kern/kern_ageing.c \
	sys/kern/kern_delay.c \
	sys/kern/kern_device.c \
	sys/kern/kern_export.c \
	sys/kern/kern_monitor.c \
	sys/kern/kern_options.c \
	sys/kern/kern_smp.c \
	sys/kern/kern_take.c \
	sys/kern/kmem_block.c \
	sys/kern/kmem_report.c \
	sys/kern/subr_avl.c \
	sys/kern/subr_bus_dma.c \
	sys/kern/subr_bus_dma_bounce.c \
	sys/kern/subr_bus_dma_check.c \
	sys/kern/subr_bus_dma_iommu.c \
	sys/kern/subr_bus_dma_load.c \
	sys/kern/subr_bus_dma_mem.c \
	sys/kern/subr_bus_dma_tag.c \
	sys/kern/subr_claim.c \
	sys/kern/subr_errno.c \
	sys/kern/subr_extent.c \
	sys/kern/subr_kmem.c \
	sys/kern/subr_kmmap.c \
	sys/kern/subr_prf.c \
	sys/kern/subr_string.c
