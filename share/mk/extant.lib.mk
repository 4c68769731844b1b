#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# A static library.
#
#	LIB		its name without lib and .a
#	SRCS		sources (extant.obj.mk)
#	INCS		headers to install, from the top of the tree, each
#			written header:directory below INCDIR
#	MAN		manual pages (extant.man.mk)
#

.include "extant.deps.mk"
.if !defined(_DELEGATED)
PRODUCTS=	lib${LIB}.a
.include "extant.obj.mk"

all: .PHONY lib${LIB}.a

lib${LIB}.a: ${OBJS}
	@echo "ar ${RELDIR}/${.TARGET}"
	@rm -f ${.TARGET} && ${AR} rcs ${.TARGET} ${OBJS}

install: .PHONY _install-lib
_install-lib: .PHONY lib${LIB}.a
	@${INSTALL} -d ${DESTDIR}${LIBDIR}
	${INSTALL} -m 444 lib${LIB}.a ${DESTDIR}${LIBDIR}/lib${LIB}.a
.for _i in ${INCS}
	@${INSTALL} -d ${DESTDIR}${INCDIR}/${_i:C/.*://}
	${INSTALL} -m 444 ${SRCTOP}/${_i:C/:.*//} \
	    ${DESTDIR}${INCDIR}/${_i:C/.*://}/${_i:C/:.*//:T}
.endfor

.endif
.include "extant.man.mk"
