#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# GNUmakefile: GNU make hands everything on to bmake.
#

atf_test_case forwards
forwards_head()
{
	atf_set descr "goals, -j, -k and variables reach bmake once"
}
forwards_body()
{

	# Plain make is the one of BSD on some systems.
	gmake=
	for m in gmake make; do
		if $m --version 2>/dev/null | grep -q '^GNU Make'; then
			gmake=$m
			break
		fi
	done
	if [ -z "$gmake" ]; then
		atf_skip "no GNU make on this system"
	fi

	cp "$(atf_config_get srctop)/GNUmakefile" .
	mkdir bin
	printf '%s\n' '#!/bin/sh' \
	    'echo "${MAKEFLAGS-unset} ${MAKELEVEL-unset}"' \
	    'for a; do echo "<$a>"; done; exit ${BMAKE_STATUS-0}' >bin/bmake
	chmod 755 bin/bmake
	PATH=$PWD/bin:$PATH
	export PATH

	atf_check -o inline:'unset unset\n<all>\n' $gmake
	atf_check -o inline:'unset unset\n<clean>\n<test>\n' $gmake clean test
	atf_check -o inline:'unset unset\n<-j3>\n<-k>\n<run>\n' \
	    $gmake -k -j3 run
	atf_check -o inline:'unset unset\n<COPTS=-O0 -g>\n<test>\n' \
	    $gmake test COPTS='-O0 -g'
	atf_check -s not-exit:0 -o ignore -e ignore \
	    env BMAKE_STATUS=1 $gmake test
}

atf_init_test_cases()
{
	atf_add_test_case forwards
}
