#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Directories below this one.
#
#	SUBDIR		their names; unset: every directory with a Makefile
#	SUBDIR_AFTER.d	those that d has to wait for
#
# All others run at the same time under -j.
#

.include "extant.deps.mk"

.if !defined(SUBDIR)
SUBDIR!=	cd ${.CURDIR} && for f in */Makefile; do \
		if test -f "$$f"; then echo "$${f%/Makefile}"; fi; done
.endif

.if !defined(_DELEGATED)
.for _g in all install
${_g}: .PHONY
.for _d in ${SUBDIR}
${_g}: ${_g}-${_d}
${_g}-${_d}: .PHONY .MAKE ${SUBDIR_AFTER.${_d}:S/^/${_g}-/}
	@cd ${.CURDIR}/${_d} && ${.MAKE} \
	    ${SUBDIR_AFTER.${_d}:D_DEPS_DONE=yes} ${_g}
.endfor
.endfor
.endif

.include "extant.common.mk"
