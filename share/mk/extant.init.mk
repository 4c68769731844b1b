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
#	OBJROOT		where objects go (obj in the top of the tree): an
#			absolute path outside the tree, or below its obj
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

# Neither make(1) nor the shell it starts has a quotation that would help with
# the other characters: one that is expanded away shows in a name of a file
# that is not there.
_PATHCHARS=	A-Za-z0-9_./+@%~-
.if ${SRCTOP:[*]:C|[${_PATHCHARS}]||g} != "" || \
    !exists(${SRCTOP}/share/mk/extant.init.mk)
.error the path of the source tree has a character other than \
    ${_PATHCHARS}: ${.CURDIR}
.endif
.for _v in OBJROOT DESTDIR PREFIX
.if ${${_v}:U:[*]:C|[${_PATHCHARS}]||g} != ""
.error ${_v} has a character other than ${_PATHCHARS}: ${${_v}}
.endif
.if !empty(${_v}) && ${${_v}:M/*} == ""
.error ${_v} is not an absolute path: ${${_v}}
.endif
.endfor

.if empty(.MAKEFLAGS:M${SRCTOP}/share/mk)
.MAKEFLAGS: -m ${SRCTOP}/share/mk -m /usr/share/mk
.endif

# Without this each line of a parallel build has a heading of its own.
.MAKE.JOB.PREFIX=

# What cleans up removes all that it finds there, so it must not be anything
# that was there before.
OBJROOT?=	${SRCTOP}/obj
.if empty(OBJROOT) || ${OBJROOT:M*/..} != "" || ${OBJROOT:M*/../*} != ""
.error OBJROOT is not an absolute path without ..: ${OBJROOT}
.endif
_objroot:=	${OBJROOT:tA:C,/+$,,}
.if ${_objroot} == "" || ${:U${SRCTOP}/:M${_objroot}/*} != ""
.error OBJROOT holds the source tree: ${OBJROOT}
.endif
.if ${:U${_objroot}/:M${SRCTOP}/*} != "" && \
    ${:U${_objroot}/:M${SRCTOP}/obj/*} == ""
.error OBJROOT lies in the source tree and not in its obj: ${OBJROOT}
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
# Only a root that was empty is ours, and is marked so for those who clean.
OBJMARK=	${OBJROOT}/.extant-obj
.if !exists(${_OBJDIR}) || !exists(${OBJMARK})
_mkobj!=	mkdir -p ${OBJROOT} && \
		if test ${_objroot} = ${SRCTOP}/obj || \
		    test -z "$$(ls -A ${OBJROOT})"; then \
		: >${OBJMARK}; fi && mkdir -p ${_OBJDIR} && echo
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
