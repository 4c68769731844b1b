#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# The goal install: what an embedder needs from the installed files alone.
#

# install_from dir: from that directory of the tree, built apart from the
# objects that other tests use at this moment.  What it says goes to out.
install_from()
{

	atf_check -o save:out -x "cd $(atf_config_get srctop)/$1 && \
	    env -u MAKEFLAGS -u SANITIZE bmake -j2 OBJROOT=$PWD/obj \
	    COPTS=-O0 KERNEL_COPTS=-O1 DESTDIR=$PWD/dest PREFIX=/usr \
	    install"
}

atf_test_case embedder
embedder_head()
{
	atf_set descr "a program uses the installed headers and library"
}
embedder_body()
{

	install_from sys/arch/usermode
	cat >embedder.c <<-'EOT'
	#include <stdio.h>

	#include <vm/vm_audit.h>
	#include <vm/vm_page.h>
	#include <vm/vm_pglist.h>
	#include <vm/vm_physseg.h>

	int
	main(void)
	{
		const struct vm_memrange ram = { 0x100000, 0x1000000 };
		paddr_t pa;

		if (vm_physmem_load(&ram, 1, NULL, 0) != 0)
			return (1);
		pa = vm_page_alloc(0, 0);
		if (pa < 0x100000 || pa >= 0x1100000 ||
		    (pa & (VM_PAGE_SIZE - 1)) != 0)
			return (2);
		if (vm_page_free(pa) != 0 || vm_page_free(pa) != EALREADY)
			return (3);
		return (0);
	}
	EOT
	atf_check clang -std=c11 -Wall -Wextra -Werror \
	    -Idest/usr/include/extant -o embedder embedder.c \
	    dest/usr/lib/libextant.a -lpthread
	atf_check -e ignore ./embedder

	# Each header stands on its own.
	for h in dest/usr/include/extant/*/*.h; do
		echo "#include \"$h\"" >alone.c
		atf_check clang -std=gnu11 -Wall -Wextra -Werror \
		    -fsyntax-only -Idest/usr/include/extant alone.c
	done
}

atf_test_case pages
pages_head()
{
	atf_set descr "every manual page of the tree is installed, the programs" \
	    "are, and of the kernels the one that is no test's"
}
pages_body()
{
	srctop=$(atf_config_get srctop)

	install_from .
	(cd "$srctop" && find sys usr.sbin share -name '*.[1-9]') |
	    sed 's,.*/,,' | sort >wanted
	atf_check -o not-empty cat wanted
	find dest/usr/share/man -type f | sed 's,.*/,,' | sort >installed
	atf_check -o file:wanted cat installed
	atf_check test -x dest/usr/sbin/extstat
	atf_check test -f dest/usr/share/extant/extant

	# Nothing of the tests, not even in words.
	atf_check -o inline:'dest/usr/share/extant/extant\n' \
	    find dest/usr/share/extant -type f
	atf_check -s exit:1 grep -E 'tests/|[a-z]_(test|kernel)' out
}

atf_init_test_cases()
{
	atf_add_test_case embedder
	atf_add_test_case pages
}
