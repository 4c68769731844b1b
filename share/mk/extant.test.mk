#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Test programs.
#
#	ATF_C		ATF programs in C: name, from name.c
#	ATF_SH		ATF programs in sh: name, from name.sh, which has no #!
#			line and is checked by sh -n
#	HELPERS		further programs that tests start: name, from name.c
#	SRCS.name	sources of a program in C, if not just name.c
#	LIBEXTANT	yes: programs in C link the usermode build of the
#			allocator
#	LDADD		further libraries; LDADD.name: of that program
#	DEPENDDIRS	directories whose results the tests of this directory
#			need, beside the library
#
# Each ATF program also stands in the Kyuafile of this directory; to forget
# one there is an error.  tests/README says what the tests may rely on.
#

.include "extant.deps.mk"
.if !defined(_DELEGATED)
.if defined(LIBEXTANT)
CPPFLAGS_DIR+=	${LIBEXTANT_CPPFLAGS}
DPADD+=		${LIBEXTANT_A}
LDADD:=		${LIBEXTANT_A} ${LDADD} -lpthread
.endif
CPPFLAGS_DIR+=	-I${.CURDIR}
LDFLAGS_DIR+=	${LDADD}

SRCS=
.for _p in ${ATF_C} ${HELPERS}
SRCS.${_p}?=	${_p}.c
SRCS+=		${SRCS.${_p}}
.endfor
.if !empty(SRCS)
PRODUCTS=	${ATF_C} ${HELPERS}
.include "extant.obj.mk"
.endif

all: .PHONY ${ATF_C} ${ATF_SH} ${HELPERS}

.for _p in ${ATF_C} ${HELPERS}
${_p}: ${SRCS.${_p}:T:R:S/$/.o/} ${DPADD}
	@echo "link ${RELDIR}/${.TARGET}"
	@${CC} ${COPTS} ${SANFLAGS} -o ${.TARGET} \
	    ${SRCS.${.TARGET}:T:R:S/$/.o/} ${LDADD.${.TARGET}} \
	    ${LDADD} ${ATF_C:M${.TARGET}:S/.*/-latf-c/:C/.+/-latf-c/}
.endfor

.for _p in ${ATF_SH}
${_p}: ${.CURDIR}/${_p}.sh
	@sh -n ${.CURDIR}/${.TARGET}.sh
	@{ echo '#! /usr/bin/env atf-sh' && cat ${.CURDIR}/${.TARGET}.sh; } \
	    >${.TARGET}.tmp && chmod 755 ${.TARGET}.tmp && \
	    mv -f ${.TARGET}.tmp ${.TARGET}
.endfor

.if !empty(ATF_C) || !empty(ATF_SH)
all: _kyuafile
_kyuafile: .PHONY
	@for t in ${ATF_C} ${ATF_SH}; do \
	    grep -q "^atf_test_program.*\"$$t\"" ${.CURDIR}/Kyuafile || { \
	    echo "${RELDIR}/Kyuafile: no atf_test_program line for $$t" >&2; \
	    exit 1; }; done
.endif
install: .PHONY
.endif

.include "extant.common.mk"
