#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# A program of the host.
#
#	PROG		its name
#	SRCS		sources (extant.obj.mk; PROG.c)
#	LIBEXTANT	yes: links the usermode build of the allocator
#	LDADD		libraries
#	PROGDIR		where it is installed (SBINDIR)
#	MAN		manual pages (extant.man.mk)
#

SRCS?=		${PROG}.c
PROGDIR?=	${SBINDIR}

.include "extant.deps.mk"
.if !defined(_DELEGATED)
.if defined(LIBEXTANT)
CPPFLAGS_DIR+=	${LIBEXTANT_CPPFLAGS}
DPADD+=		${LIBEXTANT_A}
LDADD:=		${LIBEXTANT_A} ${LDADD} -lpthread
.endif
LDFLAGS_DIR+=	${LDADD}
PRODUCTS=	${PROG}
.include "extant.obj.mk"

all: .PHONY ${PROG}

${PROG}: ${OBJS} ${DPADD}
	@echo "link ${RELDIR}/${.TARGET}"
	@${CC} ${COPTS} ${SANFLAGS} -o ${.TARGET} ${OBJS} ${LDADD}

install: .PHONY _install-prog
_install-prog: .PHONY ${PROG}
	@${INSTALL} -d ${DESTDIR}${PROGDIR}
	${INSTALL} -m 555 ${PROG} ${DESTDIR}${PROGDIR}/${PROG}

.endif
.include "extant.man.mk"
