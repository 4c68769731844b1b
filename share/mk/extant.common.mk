#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Goals that every directory has.
#
#	clean	removes the objects of this directory and of those below it, if
#		we made the directory where all objects are
#	test	builds, and runs the tests of this directory and of those below
#		it: in sys/vm as in tests/sys/vm the tests of sys/vm.
#		TESTS=...: only these, as kyua(1) filters, program:case, as
#		seen from the directory; LONG=1: also what takes minutes
#	lint, run, help
#		as at the top of the tree, whatever the directory
#

.if !defined(_EXTANT_COMMON)
_EXTANT_COMMON=	yes

RUNTESTS=	SRCTOP=${SRCTOP} OBJTOP=${OBJTOP} LONG=${LONG:Uno:Q} \
		sh ${SRCTOP}/tests/run.sh

# The directory itself stays as long as other goals run in it.
clean: .PHONY
	@cd / && if test -d ${_OBJDIR}; then \
	    if test ! -f ${OBJMARK}; then \
	    echo "clean: there was something before us in ${OBJROOT}:" \
	    "remove it by hand" >&2; exit 1; fi; \
	    find ${_OBJDIR} -mindepth 1 -delete && \
	    if test "${.TARGETS}" = clean; then rmdir ${_OBJDIR}; fi; fi
.for _g in all install test lint run
.ORDER: clean ${_g}
.endfor

.if ${RELDIR} != "."
_TESTDIR:=	${RELDIR:S,^tests/,,}
test: .PHONY .MAKE
.if exists(${SRCTOP}/tests/${_TESTDIR}/Kyuafile)
	@cd ${SRCTOP}/tests/${_TESTDIR} && ${.MAKE} all
	@DIR=${_TESTDIR} ${RUNTESTS} ${TESTS}
.elif exists(${SRCTOP}/tests/${_TESTDIR})
	@cd ${SRCTOP}/tests && ${.MAKE} all
	@${RUNTESTS} ${TESTS:U${_TESTDIR}}
.elif ${RELDIR} == "tests"
	@cd ${SRCTOP} && ${.MAKE} test
.else
	@echo "no tests of ${RELDIR}: there is no tests/${_TESTDIR}" >&2; exit 1
.endif
help lint run: .PHONY .MAKE
	@cd ${SRCTOP} && ${.MAKE} ${.TARGET}
.endif

.endif
