#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Manual pages, which are installed as they are.
#
#	MAN		pages of this directory
#	MLINKS		pairs: a page, and a further name of it
#

.include "extant.deps.mk"
.if !defined(_DELEGATED) && !defined(_EXTANT_MAN)
_EXTANT_MAN=	yes

all: .PHONY
install: .PHONY
.if !empty(MAN)
install: _install-man
_install-man: .PHONY
.for _m in ${MAN}
	@${INSTALL} -d ${DESTDIR}${MANDIR}/man${_m:E}
	${INSTALL} -m 444 ${.CURDIR}/${_m} \
	    ${DESTDIR}${MANDIR}/man${_m:E}/${_m:T}
.endfor
.for _p _l in ${MLINKS}
	ln -sf ../man${_p:E}/${_p:T} ${DESTDIR}${MANDIR}/man${_l:E}/${_l:T}
.endfor
.endif

.endif
.include "extant.common.mk"
