#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# A kernel: always compiled by clang for MACHINE_TRIPLE and linked by lld,
# whatever the host is and compiles with, and never with a sanitizer.
#
#	KERNEL		its name
#	SRCS		sources (extant.obj.mk)
#	MACHINE_TRIPLE	clang's name of the machine
#	MACHINE_FLAGS	flags that the machine needs
#	LDSCRIPT	linker script, in this directory
#	NOINSTALL	defined: for tests alone, install has nothing to do
#	KERNEL_COPTS	optimisation and debugging (-O2 -g)
#

KERNEL_COPTS?=	-O2 -g
COMPILE_CC=	${KERNEL_CC}
COMPILE_FLAGS=	-target ${MACHINE_TRIPLE} -std=gnu11 -ffreestanding \
		-nostdlibinc -fno-common -fno-stack-protector \
		-fno-omit-frame-pointer -fno-asynchronous-unwind-tables \
		${MACHINE_FLAGS} ${WARNINGS} ${WERROR} ${KERNEL_COPTS} \
		-D_KERNEL
CPPFLAGS_DIR+=	-I${SRCTOP}/sys -I${SRCTOP}/sys/compat -I${.CURDIR}/include
LDFLAGS_DIR+=	-nostdlib -static --fatal-warnings --build-id=none \
		-z max-page-size=4096 -T ${.CURDIR}/${LDSCRIPT}

.include "extant.deps.mk"
.if !defined(_DELEGATED)
PRODUCTS=	${KERNEL}
.include "extant.obj.mk"

all: .PHONY ${KERNEL}

${KERNEL}: ${OBJS} ${.CURDIR}/${LDSCRIPT}
	@echo "link ${RELDIR}/${.TARGET}"
	@${KERNEL_LD} ${LDFLAGS_DIR} -o ${.TARGET} ${OBJS}

install: .PHONY
.if !defined(NOINSTALL)
install: _install-kernel
.endif
_install-kernel: .PHONY ${KERNEL}
	@${INSTALL} -d ${DESTDIR}${KERNDIR}
	${INSTALL} -m 444 ${KERNEL} ${DESTDIR}${KERNDIR}/${KERNEL}

.endif
.include "extant.man.mk"
