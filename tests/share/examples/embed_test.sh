#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# The example of embedding sys/vm: built as its Makefile says, and booted.
#

example()
{

	echo "$(atf_config_get srctop)/share/examples/embed"
}

# build MAKE: into the directory out.
build()
{

	atf_check -o ignore -x "cd '$(example)' && \
	    env -u MAKEFLAGS $1 OUT='$PWD/out'"
}

# boot MEMORY STATUS: QEMU ends with that status; the guest's console goes to
# the file console.
boot()
{

	status=0
	timeout 600 qemu-system-x86_64 -accel tcg -m "$1" -display none \
	    -no-reboot -serial stdio -monitor none \
	    -device isa-debug-exit,iobase=0xf4 -kernel out/embed \
	    </dev/null >console || status=$?
	[ "$status" -eq "$2" ] ||
	    atf_fail "QEMU with $1 ended with status $status, not $2"
}

# number WORDS: the number that stands behind them on the console.
number()
{

	hex=$(sed -n "s/^$1 0x\([0-9a-f]*\)\$/\1/p" console)
	[ -n "$hex" ] || atf_fail "no line of $1 on the console"
	echo $((0x$hex))
}

# 16 KiB aligned to 8 KiB, not across a 64-KiB line, below 16 MiB.
check_buffer()
{

	start=$(number "buffer at")
	end=$((start + 16384))
	[ $((start % 8192)) -eq 0 ] || atf_fail "not aligned: $start"
	[ $((start / 65536)) -eq $(((end - 1) / 65536)) ] ||
	    atf_fail "crosses a line of 64 KiB: $start"
	[ $end -le $((16 * 1024 * 1024)) ] || atf_fail "too high: $start"
}

atf_test_case boot
boot_head()
{
	atf_set descr "the example embeds sys/vm in machines of any size"
}
boot_body()
{

	build bmake
	for mib in 2 8 64 3072; do
		boot ${mib}M 33
		check_buffer
		pages=$(number "free pages")
		[ $pages -gt $((mib * 256 * 2 / 3 - 256)) ] &&
		    [ $pages -lt $((mib * 256)) ] ||
		    atf_fail "$pages pages free of $mib MiB"
	done
}

atf_test_case above_4g
above_4g_head()
{
	atf_set descr "a 32-bit kernel manages memory that it cannot address"
}
above_4g_body()
{

	build bmake
	boot 6G 33
	check_buffer
	pages=$(number "free pages")
	[ $pages -gt $((5 * 1024 * 256)) ] || atf_fail "only $pages pages free"
}

atf_test_case no_memory
no_memory_head()
{
	atf_set descr "without room for the metadata it says so and ends"
}
no_memory_body()
{

	# All memory below the end of the image is taken; make that all.
	cp -R "$(example)" example
	sed 's/{ 0, (uintptr_t)_end }/{ 0, (psize_t)1 << 40 }/' \
	    example/kernel.c >kernel.c
	atf_check -s exit:1 -o ignore cmp kernel.c example/kernel.c
	mv kernel.c example/kernel.c
	atf_check -o ignore -x "cd example && env -u MAKEFLAGS bmake \
	    EXTANT='$(atf_config_get srctop)' OUT='$PWD/out'"
	boot 64M 37
	atf_check test ! -s console
}

atf_test_case gnu_make
gnu_make_head()
{
	atf_set descr "GNU make builds and runs it, too"
	atf_set require.progs make
}
gnu_make_body()
{

	atf_check -o match:'^buffer at 0x' -o match:'^free pages 0x' -x \
	    "cd '$(example)' && env -u MAKEFLAGS make OUT='$PWD/out' run"
}

atf_test_case size
size_head()
{
	atf_set descr "the example has less than 200 lines in all"
}
size_body()
{

	lines=$(find "$(example)" -type f -exec cat {} + | wc -l)
	atf_check test "$lines" -gt 0
	[ "$lines" -lt 200 ] || atf_fail "$lines lines"
}

atf_init_test_cases()
{
	atf_add_test_case boot
	atf_add_test_case above_4g
	atf_add_test_case no_memory
	atf_add_test_case gnu_make
	atf_add_test_case size
}
