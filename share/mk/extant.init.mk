#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# The first line of every Makefile of the tree: finds the top of the tree,
# puts the objects under obj/, and says how things are compiled.  The last
# line is one of <extant.lib.mk>, <extant.prog.mk>, <extant.kernel.mk>,
# <extant.test.mk>, <extant.man.mk> and <extant.subdir.mk>; each says at its
# top which variables it takes.
#
# Set by the user, on the command line or in the environment:
#
#	CC		compiler of host programs (clang)
#	COPTS		its optimisation and debugging flags (-O2 -g)
#	WERROR		-Werror; empty: warnings do not stop the build
#	SANITIZE	sanitizers of host programs: address, undefined,
#			memory or thread, with commas between
#	OBJROOT		where objects go (obj in the top of the tree)
#	DESTDIR, PREFIX	where install puts things (/usr/local)
#
# Set here: SRCTOP, the top of the tree; RELDIR, this directory as seen from
# there; OBJTOP, the top of the objects, which is OBJROOT or, with SANITIZE, a
# directory within it.
#

.if !defined(_EXTANT_INIT)
_EXTANT_INIT=	yes

SRCTOP:=	${.PARSEDIR:tA:H:H}
RELDIR:=	${.CURDIR:tA:S,^${SRCTOP}/,,:S,^${SRCTOP}$,.,}

# make(1) separates words at spaces and has no quotation that would help.
.if ${SRCTOP:[#]} != 1
.error the path of the source tree contains a space: ${.CURDIR}
.endif

.if empty(.MAKEFLAGS:M${SRCTOP}/share/mk)
.MAKEFLAGS: -m ${SRCTOP}/share/mk -m /usr/share/mk
.endif

# Without this each line of a parallel build has a heading of its own.
.MAKE.JOB.PREFIX=

OBJROOT?=	${SRCTOP}/obj
.if ${OBJROOT:M/*} == "" || ${OBJROOT:[#]} != 1
.error OBJROOT is not an absolute path without spaces: ${OBJROOT}
.endif

.if !empty(SANITIZE)
.for _s in ${SANITIZE:S/,/ /g}
.if ${_s:Naddress:Nundefined:Nmemory:Nthread} != ""
.error SANITIZE is a list of address, undefined, memory, thread: ${SANITIZE}
.endif
.endfor
OBJTOP=		${OBJROOT}/sanitize-${SANITIZE:S/,/-/g}
SANFLAGS=	-fsanitize=${SANITIZE} -fno-sanitize-recover=all \
		-fno-omit-frame-pointer
.else
OBJTOP=		${OBJROOT}
SANFLAGS=
.endif

_OBJDIR:=	${OBJTOP}/${RELDIR:S/^.$//}
_OBJDIR:=	${_OBJDIR:S,/$,,}
.if !exists(${_OBJDIR})
_mkobj!=	mkdir -p ${_OBJDIR} && echo
.endif
.OBJDIR: ${_OBJDIR}

# sys.mk has given CC and others a value already, so what the user wants shows
# only in the environment and on the command line.
.if empty(.MAKEOVERRIDES:MCC)
_envcc!=	echo "$${CC-}"
.if !empty(_envcc)
CC=		${_envcc}
.else
CC=		clang
.endif
.endif
KERNEL_CC?=	clang
KERNEL_LD?=	ld.lld
MANDOC?=	mandoc
INSTALL?=	install

COPTS?=		-O2 -g
WERROR?=	-Werror
WARNINGS=	-Wall -Wextra -Wshadow -Wmissing-prototypes \
		-Wstrict-prototypes -Wcast-align -Wpointer-arith \
		-Wwrite-strings -Wundef -Wvla -Wold-style-definition \
		-Wformat=2

PREFIX?=	/usr/local
DESTDIR?=
BINDIR?=	${PREFIX}/bin
SBINDIR?=	${PREFIX}/sbin
LIBDIR?=	${PREFIX}/lib
INCDIR?=	${PREFIX}/include/extant
KERNDIR?=	${PREFIX}/share/extant
MANDIR?=	${PREFIX}/share/man

# The static library that a program asks for with LIBEXTANT=yes.
LIBEXTANT_DIR=	sys/arch/usermode
LIBEXTANT_A=	${OBJTOP}/${LIBEXTANT_DIR}/libextant.a
LIBEXTANT_CPPFLAGS= \
		-I${SRCTOP}/sys -I${SRCTOP}/sys/arch/usermode/include

.MAIN: all

.endif
