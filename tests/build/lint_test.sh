#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# The goals of lint: that the tree passes them, and that they find what they
# look for.
#

# lint status dir goal: its output goes to out and err.
lint()
{

	atf_check -s "$1" -o save:out -e save:err -x \
	    "cd $2 && env -u MAKEFLAGS -u SANITIZE bmake OBJROOT=$PWD/obj $3"
}

# A tree without fault.
make_tree()
{

	mkdir -p tree/share tree/sys
	cp -R "$(atf_config_get srctop)/share/mk" tree/share/mk
	head -n 5 tree/share/mk/extant.init.mk >licence
	{
		cat licence
		echo '.include "share/mk/extant.init.mk"'
		echo 'SUBDIR='
		echo '.include <extant.lint.mk>'
		echo '.include <extant.subdir.mk>'
	} >tree/Makefile
	{ cat licence; echo 'echo hello'; } >tree/sys/good.sh
	{
		sed 's/^#/.\\"/' licence
		cat <<-'EOT'
		.Dd November 1, 2026
		.Dt GOOD 9
		.Os
		.Sh NAME
		.Nm good
		.Nd a page
		.Sh DESCRIPTION
		Text.
		EOT
	} >tree/sys/good.9
}

# make_code: all directories of that tree that lint compiles or checks.
make_code()
{

	make_tree
	for d in sys/vm sys/kern sys/dev sys/arch/amd64 sys/arch/usermode \
	    usr.sbin/extstat; do
		mkdir -p tree/$d
		{
			sed '1s,^#,/*,;2,4s,^#, *,;5s,^#, */,' licence
			echo 'int main(void) { return 0; }'
		} >tree/$d/good.c
		{
			cat licence
			echo '.include "'"$(echo $d | sed 's,[^/]*,..,g')"'/share/mk/extant.init.mk"'
			echo 'PROG=good'
			echo '.include <extant.prog.mk>'
		} >tree/$d/Makefile
	done
}

atf_test_case this_tree
this_tree_head()
{
	atf_set descr "pages, licences and scripts of the tree are clean"
}
this_tree_body()
{
	srctop=$(atf_config_get srctop)

	lint exit:0 "$srctop" lint-man
	lint exit:0 "$srctop" lint-license
	lint exit:0 "$srctop" lint-sh
}

atf_test_case this_tree_cppcheck
this_tree_cppcheck_head()
{
	atf_set descr "cppcheck finds nothing in the tree"
	atf_set require.progs cppcheck
}
this_tree_cppcheck_body()
{

	lint exit:0 "$(atf_config_get srctop)" lint-cppcheck
}

atf_test_case this_tree_build
this_tree_build_head()
{
	atf_set descr "clang and gcc have nothing to say about the tree"
	atf_set require.progs clang gcc
}
this_tree_build_body()
{

	lint exit:0 "$(atf_config_get srctop)" lint-build
	for c in clang gcc; do
		atf_check -o ignore ls \
		    obj/lint-$c/usr.sbin/extstat/extstat
	done
}

atf_test_case man
man_body()
{

	make_tree
	lint exit:0 tree lint-man
	sed '/^.Nd/d' tree/sys/good.9 >tree/sys/bad.9
	lint not-exit:0 tree lint-man
	atf_check -o match:bad.9 -o not-match:good.9 cat out err
}

atf_test_case license
license_body()
{

	make_tree
	lint exit:0 tree lint-license
	echo 'int i;' >tree/sys/bad.c
	grep -v SPDX tree/sys/good.sh >tree/sys/bad.sh
	grep -v Copyright tree/sys/good.9 >tree/sys/bad.9
	lint not-exit:0 tree lint-license
	for f in bad.c bad.sh bad.9; do
		atf_check -o match:"no licence header: ./sys/$f" cat err
	done
	atf_check -o not-match:good cat err
}

atf_test_case sh
sh_body()
{

	make_tree
	lint exit:0 tree lint-sh
	echo 'if' >>tree/sys/good.sh
	lint not-exit:0 tree lint-sh
	atf_check -o match:good.sh cat err
}

atf_test_case cppcheck
cppcheck_head()
{
	atf_set require.progs cppcheck
}
cppcheck_body()
{

	make_code
	lint exit:0 tree lint-cppcheck
	for d in sys/vm sys/kern sys/dev sys/arch/amd64 sys/arch/usermode \
	    usr.sbin/extstat; do
		echo 'int f(void) { int a[2]; return (a[2] = 0); }' \
		    >tree/$d/bad.c
		lint not-exit:0 tree lint-cppcheck
		atf_check -o match:"$d/bad.c.*out of bounds" cat err
		rm tree/$d/bad.c
	done
}

atf_test_case build
build_head()
{
	atf_set require.progs clang gcc
}
build_body()
{

	make_code
	lint exit:0 tree lint-build
	# Each has warnings of its own.  (To make, what was changed within the
	# second is as old as what was made of it.)
	for d in sys/arch/usermode usr.sbin/extstat; do
		cp tree/$d/good.c good.c
		echo 'int static x; int *y = &x;' >>tree/$d/good.c
		rm -rf obj
		lint not-exit:0 tree lint-gcc
		atf_check -o match:"$d/good.c.*old-style-declaration" cat err
		lint exit:0 tree lint-clang
		cp good.c tree/$d/good.c
		echo 'int f(int i); int f(int i) { return (i = i); }' \
		    >>tree/$d/good.c
		rm -rf obj
		lint not-exit:0 tree lint-clang
		atf_check -o match:"$d/good.c.*self-assign" cat err
		lint exit:0 tree lint-gcc
		cp good.c tree/$d/good.c
	done
}

atf_init_test_cases()
{
	atf_add_test_case this_tree
	atf_add_test_case this_tree_cppcheck
	atf_add_test_case this_tree_build
	atf_add_test_case man
	atf_add_test_case license
	atf_add_test_case sh
	atf_add_test_case cppcheck
	atf_add_test_case build
}
