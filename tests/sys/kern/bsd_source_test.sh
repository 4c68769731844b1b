#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Sources of a BSD compile unchanged, for usermode and for the kernel.
#

WARN="-Wall -Wextra -Werror -std=gnu11 -fsyntax-only"

atf_test_case extent
extent_head()
{
	atf_set descr "A driver that uses extent(9)"
	atf_set require.progs clang
}
extent_body()
{

	sys=$(atf_config_get srctop)/sys
	driver=$(atf_config_get srctop)/tests/sys/kern/bsd_driver.c
	atf_check clang $WARN -target x86_64-unknown-none-elf -ffreestanding \
	    -nostdlibinc -D_KERNEL -I"$sys" -I"$sys/compat" \
	    -I"$sys/arch/amd64/include" "$driver"
	# systm.h, which has printf, is the kernel's.
	atf_check clang $WARN -D_GNU_SOURCE -I"$sys" \
	    -I"$sys/arch/usermode/include" "$driver"
}

atf_init_test_cases()
{

	atf_add_test_case extent
}
