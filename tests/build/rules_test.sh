#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# share/mk: builds a small tree of its own.
#

# A tree with the rules of ours: a library in sys/arch/usermode, a program in
# usr.sbin/prog that links it.
make_tree()
{

	mkdir -p tree/share tree/sys/arch/usermode/include tree/usr.sbin/prog
	cp -R "$(atf_config_get srctop)/share/mk" tree/share/mk
	cat >tree/Makefile <<-'EOT'
	.include "share/mk/extant.init.mk"
	SUBDIR= sys/arch/usermode usr.sbin/prog
	SUBDIR_AFTER.usr.sbin/prog= sys/arch/usermode
	.include <extant.subdir.mk>
	EOT
	cat >tree/sys/arch/usermode/Makefile <<-'EOT'
	.include "../../../share/mk/extant.init.mk"
	LIB=	extant
	SRCS=	sys/answer.c
	INCS=	sys/answer.h:sys
	CPPFLAGS_DIR= ${LIBEXTANT_CPPFLAGS}
	.include <extant.lib.mk>
	EOT
	cat >tree/usr.sbin/prog/Makefile <<-'EOT'
	.include "../../share/mk/extant.init.mk"
	PROG=	prog
	LIBEXTANT= yes
	MAN=	prog.8
	.include <extant.prog.mk>
	EOT
	echo "int answer(void);" >tree/sys/answer.h
	echo "#define ANSWER 42" >tree/sys/number.h
	cat >tree/sys/answer.c <<-'EOT'
	#include <answer.h>
	#include <number.h>
	int
	answer(void)
	{
		return (ANSWER);
	}
	EOT
	cat >tree/usr.sbin/prog/prog.c <<-'EOT'
	#include <answer.h>
	#include <stdio.h>
	int
	main(void)
	{
		printf("%d\n", answer());
		return (0);
	}
	EOT
	echo .Dd today >tree/usr.sbin/prog/prog.8
	sources >sources
}

# make(1) sees whole seconds: what changes a source sleeps for one.

# Everything in the tree but the objects.
sources()
{

	(cd tree && find . -path ./obj -prune -o -print | sort)
}

pristine()
{

	sources >now
	atf_check -o file:sources cat now
}

# bmake_in dir arg ...: as a user would start it, without what this run of the
# suite was started with; the output goes to out.
bmake_in()
{
	dir=tree/$1
	shift

	atf_check -o save:out -e save:err -x \
	    "cd $dir && env -u MAKEFLAGS -u SANITIZE -u OBJROOT bmake $*"
}

prog=tree/obj/usr.sbin/prog/prog

atf_test_case build
build_head()
{
	atf_set descr "objects mirror the tree under obj, nothing else appears"
}
build_body()
{

	make_tree
	bmake_in . -j4
	atf_check -o inline:'42\n' $prog
	atf_check test -f tree/obj/sys/arch/usermode/answer.o
	pristine

	# A second run has nothing to do.
	bmake_in . -j4
	atf_check_equal "" "$(cat out)"
}

atf_test_case from_below
from_below_head()
{
	atf_set descr "a directory builds what it needs from others"
}
from_below_body()
{

	make_tree
	bmake_in usr.sbin/prog -j4
	atf_check -o inline:'42\n' $prog
	pristine

	sleep 1
	# And again when that has changed.
	sed 's/ANSWER/(ANSWER + 1)/' tree/sys/answer.c >new
	cp new tree/sys/answer.c
	bmake_in usr.sbin/prog
	atf_check -o inline:'43\n' $prog
}

atf_test_case header
header_head()
{
	atf_set descr "a changed header compiles again, a removed one is no error"
}
header_body()
{

	make_tree
	bmake_in .
	sleep 1
	echo "#define ANSWER 7" >tree/sys/number.h
	bmake_in .
	atf_check -o inline:'7\n' $prog
	atf_check -o not-match:prog.c cat out

	sleep 1
	rm tree/sys/number.h
	sed -e '/number.h/d' -e 's/ANSWER/8/' tree/sys/answer.c >new
	cp new tree/sys/answer.c
	bmake_in .
	atf_check -o inline:'8\n' $prog
}

atf_test_case flags
flags_head()
{
	atf_set descr "other flags compile again, the same ones do not"
}
flags_body()
{

	make_tree
	bmake_in . COPTS=-O0
	bmake_in . COPTS=-O0
	atf_check_equal "" "$(cat out)"
	bmake_in . COPTS=-O1
	atf_check -o match:answer.c -o match:prog.c -o match:libextant.a \
	    -o match:'link .*prog' cat out
}

atf_test_case sources
sources_head()
{
	atf_set descr "a source that is gone is gone from the library"
}
sources_body()
{

	make_tree
	echo 'int more(void); int more(void) { return (1); }' >tree/sys/more.c
	sed 's,sys/answer.c,& sys/more.c,' tree/sys/arch/usermode/Makefile >new
	cp tree/sys/arch/usermode/Makefile old
	cp new tree/sys/arch/usermode/Makefile
	lib=tree/obj/sys/arch/usermode/libextant.a
	bmake_in .
	atf_check -o match:more.o ar t $lib
	cp old tree/sys/arch/usermode/Makefile
	bmake_in .
	atf_check -o not-match:more.o -o match:answer.o ar t $lib
	cp new tree/sys/arch/usermode/Makefile
	rm tree/sys/more.c
	atf_check -s not-exit:0 -o ignore -e match:more.c -x "cd tree && bmake"
}

atf_test_case warning
warning_head()
{
	atf_set descr "a warning stops the build unless WERROR is empty"
}
warning_body()
{

	make_tree
	echo "int nobody_declared(void) { return (1); }" >>tree/sys/answer.c
	atf_check -s not-exit:0 -o ignore -e match:missing-prototypes -x \
	    "cd tree && bmake"
	bmake_in . WERROR=
}

atf_test_case clean
clean_head()
{
	atf_set descr "clean leaves the tree as it was"
}
clean_body()
{

	make_tree
	bmake_in .
	bmake_in usr.sbin/prog clean
	atf_check test ! -e tree/obj/usr.sbin/prog
	atf_check test -e tree/obj/sys/arch/usermode/libextant.a
	bmake_in . -j4 clean all
	atf_check -o inline:'42\n' $prog
	bmake_in . clean
	atf_check test ! -e tree/obj
	bmake_in . clean
	atf_check test ! -e tree/obj
	pristine
}

atf_test_case clean_foreign
clean_foreign_head()
{
	atf_set descr "clean removes nothing but what it made"
}
clean_foreign_body()
{

	make_tree
	mkdir before
	echo precious >before/file
	for root in / "$PWD" "$PWD/tree" "$PWD/tree/sys" "$PWD/tree/sys/new" \
	    "$PWD/before/../tree" "" before; do
		atf_check -s not-exit:0 -o ignore -e match:'OBJROOT.*: ' -x \
		    "cd tree && bmake OBJROOT=$root clean"
		pristine
	done

	# A directory that had something in it may be built in.
	atf_check -o ignore -x "cd tree && bmake OBJROOT=$PWD/before"
	for dir in tree tree/usr.sbin/prog; do
		atf_check -s not-exit:0 -o ignore -e match:"^clean: there was\
 something before us in $PWD/before: remove it by hand$" -x \
		    "cd $dir && bmake OBJROOT=$PWD/before clean"
	done
	atf_check -o inline:'precious\n' cat before/file
	atf_check -o inline:'42\n' before/usr.sbin/prog/prog

	# An empty one is as good as none.
	mkdir empty
	atf_check -o ignore -x "cd tree && bmake -j4 OBJROOT=$PWD/empty"
	atf_check test -f empty/.extant-obj
	atf_check -x "cd tree && bmake OBJROOT=$PWD/empty clean"
	atf_check test ! -e empty
	pristine
}

atf_test_case install
install_head()
{
	atf_set descr "install goes where DESTDIR and PREFIX say"
}
install_body()
{

	make_tree
	bmake_in . install DESTDIR="$PWD/dest" PREFIX=/opt/x
	(cd dest && find . -type f | sort) >installed
	atf_check -o inline:'./opt/x/include/extant/sys/answer.h
./opt/x/lib/libextant.a
./opt/x/sbin/prog
./opt/x/share/man/man8/prog.8\n' cat installed
	atf_check -o inline:'42\n' dest/opt/x/sbin/prog
}

atf_test_case sanitize
sanitize_head()
{
	atf_set descr "sanitizers build into a directory of their own"
}
sanitize_body()
{

	make_tree
	# A compiler without the libraries of the sanitizers.
	cat >cc <<-EOT
	#!/bin/sh
	echo "\$@" >>"$PWD/calls"
	for a; do
		shift
		case \$a in -fsanitize=*|-fno-sanitize*) ;;
		*) set -- "\$@" "\$a" ;; esac
	done
	exec clang "\$@"
	EOT
	chmod 755 cc
	bmake_in . SANITIZE=undefined CC="$PWD/cc"
	atf_check_equal 3 "$(grep -c -e -fsanitize=undefined calls)"
	atf_check -o inline:'42\n' \
	    tree/obj/sanitize-undefined/usr.sbin/prog/prog
	atf_check test ! -e tree/obj/usr.sbin
	atf_check -s not-exit:0 -o ignore \
	    -e match:'SANITIZE is a list of .*: undefined,adress' -x \
	    "cd tree && bmake SANITIZE=undefined,adress"
}

atf_test_case refused
refused_head()
{
	atf_set descr "paths that make cannot handle are refused"
}
refused_body()
{

	make_tree
	atf_check -s not-exit:0 -o ignore -e match:'OBJROOT.*: somewhere' -x \
	    "cd tree && bmake OBJROOT=somewhere"
	for v in DESTDIR PREFIX OBJROOT; do
		for path in '/a b' '/a&b' "/a'b" '/a,b' '/a:b' a/b; do
			atf_check -s not-exit:0 -o ignore -e match:"$v.*: " \
			    env -C tree bmake "$v=$path" install
		done
	done
	pristine

	dir=tree
	for odd in 'a tree' 'a&b' 'a;b' 'a*b' "a'b" 'a"b' 'a(b' 'a$b' 'a\b' \
	    'a,b' 'a:b' 'a=b' 'a#b' 'a[b' 'ä'; do
		mv "$dir" "$odd"
		dir=$odd
		atf_check -s not-exit:0 -o ignore \
		    -e match:'the path of the source tree has a character' \
		    env -C "$dir" bmake
		atf_check test ! -e "$dir/obj"
	done

	mv "$dir" tree
	mv tree T-r_e.e+@%~9
	ln -s T-r_e.e+@%~9 tree
	bmake_in .
	atf_check -o inline:'42\n' tree/obj/usr.sbin/prog/prog
	bmake_in . install DESTDIR="$PWD/d-_.+@%~" PREFIX=/p+@%~
	atf_check -o inline:'42\n' 'd-_.+@%~/p+@%~/sbin/prog'
	bmake_in . clean
	atf_check test ! -e tree/obj
}

atf_test_case kyuafile
kyuafile_head()
{
	atf_set descr "a test that its Kyuafile does not name is an error"
}
kyuafile_body()
{

	make_tree
	mkdir -p tree/tests/d
	cat >tree/tests/d/Makefile <<-'EOT'
	.include "../../share/mk/extant.init.mk"
	ATF_SH=	a_test b_test
	.include <extant.test.mk>
	EOT
	echo 'atf_test_program{name="a_test"}' >tree/tests/d/Kyuafile
	for t in a b; do
		cat >tree/tests/d/${t}_test.sh <<-'EOT'
		atf_test_case one
		one_body() { :; }
		atf_init_test_cases() { atf_add_test_case one; }
		EOT
	done
	atf_check -s not-exit:0 -o ignore -e match:'Kyuafile.*b_test' -x \
	    "cd tree/tests/d && bmake"
	echo 'atf_test_program{name="b_test"}' >>tree/tests/d/Kyuafile
	bmake_in tests/d
	atf_check -o match:passed tree/obj/tests/d/b_test one

	sleep 1
	# atf-sh would call this a program without test cases.
	echo 'if' >>tree/tests/d/b_test.sh
	atf_check -s not-exit:0 -o ignore -e match:b_test -x \
	    "cd tree/tests/d && bmake"
}

atf_init_test_cases()
{
	atf_add_test_case build
	atf_add_test_case from_below
	atf_add_test_case header
	atf_add_test_case flags
	atf_add_test_case sources
	atf_add_test_case warning
	atf_add_test_case clean
	atf_add_test_case clean_foreign
	atf_add_test_case install
	atf_add_test_case sanitize
	atf_add_test_case refused
	atf_add_test_case kyuafile
}
