#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# What a directory needs from others, named in DEPENDDIRS, is built first when
# make is started in that directory; when it comes from above, the directory
# above has seen to the order (_DEPS_DONE).  Afterwards make starts again, as
# what this run knows of the files of the other directories is out of date.
#
# Sets _DELEGATED if this run leaves its goals to the next.
#

.if !defined(_EXTANT_DEPS)
_EXTANT_DEPS=	yes

.if defined(LIBEXTANT)
DEPENDDIRS+=	${LIBEXTANT_DIR}
.endif
DEPENDDIRS:=	${DEPENDDIRS:Uno:Nno:O:u:N${RELDIR}}

.if !empty(DEPENDDIRS) && !defined(_DEPS_DONE)
_DELEGATED=	yes
.for _d in ${DEPENDDIRS}
_dep-${_d}: .PHONY .MAKE
	@cd ${SRCTOP}/${_d} && ${.MAKE} _DEPS_DONE=yes all
_deps: _dep-${_d}
.if defined(_prev)
.ORDER: _dep-${_prev} _dep-${_d}
.endif
_prev:=		${_d}
.endfor
_deps: .PHONY
all install: .PHONY .MAKE _deps
	@cd ${.CURDIR} && ${.MAKE} _DEPS_DONE=yes ${.TARGET}
.endif

.endif
