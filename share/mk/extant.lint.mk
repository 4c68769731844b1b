#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# The goal lint, of the whole tree.
#

# Every page, script and source, whatever directory it is in.
_FIND=		find . -path ./.git -prune -o -path ./obj -prune -o -type f
_LICENSED=	-name '*.[chSy]' -o -name '*.sh' -o -name '*.mk' \
		-o -name '*.awk' -o -name '*.py' -o -name '*.pml' \
		-o -name '*.[1-9]' -o -name '*.ldscript' -o -name '*.ld' \
		-o -name Makefile -o -name GNUmakefile -o -name Kyuafile \
		-o -path ./.ci/run
LINT_HOST=	${LIBEXTANT_DIR} usr.sbin/extstat
# The compilers check formats, and know that a positive constant may be %u.  An
# image ends where its end symbol is, whatever object that seems to be.
CPPCHECK_FLAGS=	--quiet --std=c11 --error-exitcode=1 --inline-suppr \
		--library=posix --library=gnu --library=bsd \
		--enable=warning,performance,portability \
		--suppress=missingIncludeSystem \
		--suppress=invalidPrintfArgType_uint \
		--suppress=comparePointers:sys/arch/*

lint: .PHONY lint-man lint-license lint-sh lint-cppcheck lint-build

lint-man: .PHONY
	@echo "lint: manual pages"
	@cd ${SRCTOP} && ${_FIND} -name '*.[1-9]' -exec \
	    ${MANDOC} -Tlint -W warning {} +

lint-license: .PHONY
	@echo "lint: licences"
	@cd ${SRCTOP} && bad=$$({ ${_FIND} \( ${_LICENSED} \) -exec \
	    grep -L 'SPDX-License-Identifier: BSD-2-Clause' {} +; \
	    ${_FIND} \( ${_LICENSED} \) -exec \
	    grep -L 'Copyright (c) 2026 The Extant Authors' {} +; } | \
	    sort -u); \
	if test -n "$$bad"; then \
	    printf 'no licence header: %s\n' $$bad >&2; exit 1; fi

lint-sh: .PHONY
	@echo "lint: shell scripts"
	@cd ${SRCTOP} && for f in $$(${_FIND} -name '*.sh' -print); do \
	    sh -n "$$f" || exit 1; done

lint-cppcheck: .PHONY
	@echo "lint: cppcheck"
	@cd ${SRCTOP} && cppcheck ${CPPCHECK_FLAGS} \
	    -I sys -I ${LIBEXTANT_DIR}/include \
	    sys/vm ${LINT_HOST}
	@cd ${SRCTOP} && cppcheck ${CPPCHECK_FLAGS} \
	    -I sys -I sys/arch/amd64/include \
	    sys/kern sys/dev sys/arch/amd64

# Both compilers, with all warnings.
lint-build: .PHONY
.for _c in clang gcc
lint-build: lint-${_c}
lint-${_c}: .PHONY .MAKE
	@echo "lint: ${_c}"
.for _d in ${LINT_HOST}
	@cd ${SRCTOP}/${_d} && ${.MAKE} CC=${_c} \
	    OBJROOT=${OBJROOT}/lint-${_c} all
.endfor
.endfor
