#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

# Each length from 60 to 1514 bytes once, in buffers of 512.
FRAMES=1455
BYTES=$(((60 + 1514) * FRAMES / 2))
BUFFERS=$((453 + 2 * 512 + 3 * 490))

helpers()
{

	. "$(atf_config_get srctop)/tests/sys/dev/boot.subr"
}

# exchanged: all frames came back, and the rings lie as they should.
exchanged()
{

	has "^e10000: $FRAMES frames, $BYTES bytes, sent and received in $BUFFERS buffers, cksum [0-9]+, ok\$"
	has "^e10000: moved $((2 * BYTES)) bytes, [0-9]+ segments, 0 bytes bounced; below any, align 16, boundary 65536, contiguous 512\$"
	sed -n 's/^e10000 at .* rings of 512 bytes at \(0x[0-9a-f]*\), \(0x[0-9a-f]*\)$/\1 \2/p' console >rings
	read -r rx tx <rings || atf_fail "no rings"
	for at in "$rx" "$tx"; do
		[ $((at % 16)) -eq 0 ] || atf_fail "$at is not aligned"
		[ $((at / 65536)) -eq $(((at + 511) / 65536)) ] ||
		    atf_fail "$at crosses a line"
	done
	[ $((rx)) -ne $((tx)) ] || atf_fail "one ring for both"
}

atf_test_case frames
frames_head()
{
	atf_set descr "Frames of every length come back unchanged"
}
frames_body()
{

	helpers
	boot $EXIT_SUCCESS "require=e1000" -nic none \
	    -device e1000-82545em,mac=52:54:00:ab:cd:ef
	has '^e10000 at pci 0:[0-9]+\.0: 82545EM, 52:54:00:ab:cd:ef, '
	exchanged
}

atf_test_case aged
aged_head()
{
	atf_set descr "On differently fragmented memory, little and much, and" \
	    "with memory nearly full"
}
aged_body()
{

	helpers
	boot $EXIT_SUCCESS "require=e1000 seed=2" -m 24M -nic none \
	    -device e1000-82545em
	exchanged
	boot $EXIT_SUCCESS "require=e1000 seed=3 cpus=1" -m 5G -nic none \
	    -device e1000-82545em
	exchanged
	boot $EXIT_SUCCESS "require=e1000 fill=90" -M q35 -device e1000-82545em
	exchanged
}

atf_test_case others
others_head()
{
	atf_set descr "The 82540EM is used, if the driver is required; two" \
	    "controllers"
}
others_body()
{

	helpers
	boot $EXIT_SUCCESS "require=e1000" -nic none -device e1000
	has '^e10000 at pci 0:[0-9]+\.0: 82540EM, '
	exchanged
	boot $EXIT_SUCCESS "" -nic none -device e1000
	has '^e10000: not present$'
	boot $EXIT_SUCCESS "require=e1000" -nic none -device e1000 \
	    -device e1000-82545em
	has '^e10000 at pci 0:[0-9]+\.0: 82545EM, '
	has '^e10001 at pci 0:[0-9]+\.0: 82540EM, '
	has "^e10001: $FRAMES frames, $BYTES bytes, sent and received in $BUFFERS buffers, cksum [0-9]+, ok\$"
	exchanged
}

atf_test_case no_memory
no_memory_head()
{
	atf_set descr "With no memory at all the kernel goes on"
}
no_memory_body()
{

	helpers
	boot $EXIT_FAILURE "require=e1000 take=1t" -nic none \
	    -device e1000-82545em
	lacks e10000
	has '^e10000: failed: ENOMEM$'
	# It has 64 bits of address: above 4 GiB there is memory.
	boot $EXIT_SUCCESS "require=e1000 take=4g" -m 5G -nic none \
	    -device e1000-82545em
	exchanged
}

atf_test_case absent
absent_head()
{
	atf_set descr "No such controller"
}
absent_body()
{

	helpers
	boot $EXIT_FAILURE "require=e1000" -nic none
	has '^e10000: not present$'
}

atf_init_test_cases()
{

	atf_add_test_case frames
	atf_add_test_case aged
	atf_add_test_case others
	atf_add_test_case no_memory
	atf_add_test_case absent
}
