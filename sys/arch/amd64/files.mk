#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# The machine's part of the reference kernel.
#

MD_SRCS= \
	sys/arch/amd64/amd64/acpi.c \
	sys/arch/amd64/amd64/board.c \
	sys/arch/amd64/amd64/bootinfo.c \
	sys/arch/amd64/amd64/clock.c \
	sys/arch/amd64/amd64/conf.c \
	sys/arch/amd64/amd64/cons.c \
	sys/arch/amd64/amd64/lapic.c \
	sys/arch/amd64/amd64/locore.S \
	sys/arch/amd64/amd64/machdep.c \
	sys/arch/amd64/amd64/mp.c \
	sys/arch/amd64/amd64/pmap.c \
	sys/arch/amd64/amd64/pmap_kenter.c \
	sys/arch/amd64/amd64/ptpage.c \
	sys/arch/amd64/amd64/tlb.c \
	sys/arch/amd64/amd64/trap.c \
	sys/arch/amd64/amd64/vector.S \
	sys/arch/amd64/amd64/vm_machdep.c \
	sys/arch/amd64/amd64/vtd.c \
	sys/arch/amd64/amd64/vtd_unit.c
