#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# The goals lint-man, lint-license and lint-sh: that the tree passes them, and
# that they find what they look for.
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

atf_init_test_cases()
{
	atf_add_test_case this_tree
	atf_add_test_case man
	atf_add_test_case license
	atf_add_test_case sh
}
