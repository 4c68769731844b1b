#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

.include "share/mk/extant.init.mk"

SUBDIR=		share sys usr.sbin tests
SUBDIR_AFTER.share=	sys
SUBDIR_AFTER.usr.sbin=	sys
SUBDIR_AFTER.tests=	sys usr.sbin

test: .PHONY .MAKE all
	@${RUNTESTS} ${TESTS}

# Boots the reference kernel and prints the extents of its memory.
run: .PHONY .MAKE
	@cd ${SRCTOP}/sys && ${.MAKE} all
	@cd ${SRCTOP}/usr.sbin && ${.MAKE} _DEPS_DONE=yes all
	@EXTANT_KERNEL=${OBJTOP}/sys/arch/amd64/extant \
	    EXTANT_EXTSTAT=${OBJTOP}/usr.sbin/extstat/extstat \
	    OBJDIR=${OBJTOP}/sys/arch/amd64 \
	    sh ${SRCTOP}/sys/arch/amd64/run.sh

# Boots machines with all the devices there are drivers for: a table.
run-devices: .PHONY .MAKE
	@cd ${SRCTOP}/sys && ${.MAKE} all
	@EXTANT_KERNEL=${OBJTOP}/sys/arch/amd64/extant \
	    OBJDIR=${OBJTOP}/sys/arch/amd64 \
	    sh ${SRCTOP}/sys/arch/amd64/run_devices.sh

# Measures the allocator beside plain free lists.
bench: .PHONY .MAKE
	@cd ${SRCTOP}/tests/bench && ${.MAKE} bench

help: .PHONY
	@cat ${SRCTOP}/share/mk/help

.include <extant.lint.mk>
.include <extant.subdir.mk>
