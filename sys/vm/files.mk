#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# The machine-independent allocator: every port compiles these.
#

VM_SRCS= \
	sys/vm/vm_audit.c \
	sys/vm/vm_badfree.c \
	sys/vm/vm_bootstrap.c \
	sys/vm/vm_buddy.c \
	sys/vm/vm_counter.c \
	sys/vm/vm_explain.c \
	sys/vm/vm_export.c \
	sys/vm/vm_extfind.c \
	sys/vm/vm_extmap.c \
	sys/vm/vm_extwalk.c \
	sys/vm/vm_owner.c \
	sys/vm/vm_page.c \
	sys/vm/vm_pageq.c \
	sys/vm/vm_pglist.c \
	sys/vm/vm_pgreq.c \
	sys/vm/vm_physseg.c \
	sys/vm/vm_pool.c \
	sys/vm/vm_sync.c
