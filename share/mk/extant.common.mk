#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Goals that every directory has.
#
#	clean	removes the objects of this directory and of those below it
#	test	builds, and runs the tests of this directory and of those below
#		it: in sys/vm as in tests/sys/vm the tests of sys/vm.
#		TESTS=...: only these, as kyua(1) filters: path below tests,
#		path:case; LONG=1: also what takes minutes
#	lint	checks manual pages, licences and code, always of all the tree
#

.if !defined(_EXTANT_COMMON)
_EXTANT_COMMON=	yes

RUNTESTS=	SRCTOP=${SRCTOP} OBJTOP=${OBJTOP} LONG=${LONG:Uno:Q} \
		sh ${SRCTOP}/tests/run.sh

# The directory itself stays as long as other goals run in it.
clean: .PHONY
	@cd / && if test -d ${_OBJDIR}; then \
	    find ${_OBJDIR} -mindepth 1 -delete && \
	    if test "${.TARGETS}" = clean; then rmdir ${_OBJDIR}; fi; fi
.for _g in all install test lint run
.ORDER: clean ${_g}
.endfor

.if ${RELDIR} != "."
_TESTDIR=	tests/${RELDIR:S,^tests/,,:S,^tests$,,}
_TESTDIR:=	${_TESTDIR:S,/$,,}
test: .PHONY .MAKE
.if exists(${SRCTOP}/${_TESTDIR}/Makefile)
	@cd ${SRCTOP}/${_TESTDIR} && ${.MAKE} all
	@${RUNTESTS} ${TESTS:U${_TESTDIR:S,^tests/,,:S,^tests$,,}}
.elif exists(${SRCTOP}/${_TESTDIR})
	@cd ${SRCTOP}/tests && ${.MAKE} all
	@${RUNTESTS} ${TESTS:U${_TESTDIR:S,^tests/,,:S,^tests$,,}}
.else
	@echo "no tests for ${RELDIR}: there is no ${_TESTDIR}" >&2; exit 1
.endif
lint: .PHONY .MAKE
	@cd ${SRCTOP} && ${.MAKE} ${.TARGET}
.endif

.endif
