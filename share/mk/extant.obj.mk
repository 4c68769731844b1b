#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Compiles SRCS into OBJS.  A name without a slash is a file of this directory,
# one with a slash counts from the top of the tree; all base names differ.
#
#	SRCS		sources, .c and .S
#	CPPFLAGS_DIR	flags of the preprocessor of this directory
#	PRODUCTS	what is made of the objects
#	COMPILE_CC	compiler
#	COMPILE_FLAGS	its flags; CFLAGS.file.c: more for that file
#
# The compiler writes the headers that each object depends on beside it.  The
# flags stand in a file, and so does what is linked; when they change, what was
# made with the old ones is removed (comparing times would not do, as make sees
# whole seconds).
#

COMPILE_CC?=	${CC}
COMPILE_FLAGS?=	-std=gnu11 ${WARNINGS} ${WERROR} ${COPTS} ${SANFLAGS}
_COMPILE=	${COMPILE_CC} ${COMPILE_FLAGS} \
		-fmacro-prefix-map=${SRCTOP}/= ${CPPFLAGS_DIR}

# changed file words: the shell's condition that the file has to be written.
_CHANGED=	changed() { echo "$$2" >$$1.$$$$; \
		if cmp -s $$1.$$$$ $$1; then rm -f $$1.$$$$; return 1; \
		else mv -f $$1.$$$$ $$1; fi; }
_flags!=	${_CHANGED}; \
		if changed .flags ${_COMPILE:Q}; then rm -f *.o .link; fi; \
		if changed .link ${:U${CC} ${LDFLAGS_DIR} ${SRCS:O:u}:Q}; then \
		rm -f ${PRODUCTS}; fi; echo

.if ${SRCS:T:R:O:u:[#]} != ${SRCS:O:u:[#]}
.error two sources have the same base name: ${SRCS}
.endif

OBJS=
.for _s in ${SRCS:O:u}
OBJS+=		${_s:T:R}.o
.if ${_s:M*/*} != ""
${_s:T:R}.o: ${SRCTOP}/${_s}
	@echo "cc ${_s}"
	@${_COMPILE} ${CFLAGS.${_s:T}} -MMD -MP -MT ${.TARGET} \
	    -MF ${.TARGET:R}.d -c -o ${.TARGET} ${SRCTOP}/${_s}
.else
${_s:T:R}.o: ${.CURDIR}/${_s}
	@echo "cc ${RELDIR}/${_s}"
	@${_COMPILE} ${CFLAGS.${_s:T}} -MMD -MP -MT ${.TARGET} \
	    -MF ${.TARGET:R}.d -c -o ${.TARGET} ${.CURDIR}/${_s}
.endif
.if exists(${.OBJDIR}/${_s:T:R}.d)
.include "${.OBJDIR}/${_s:T:R}.d"
.endif
.endfor
