#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

helpers()
{

	. "$(atf_config_get srctop)/tests/sys/dev/boot.subr"
}

# came_back BITS: all bytes did, and the buffers lie where that many bits of
# address reach, each at the start of a page, no two on top of each other.
came_back()
{

	has '^edu0: [0-9]+ bytes there and back, memory at( 0x[0-9a-f]+)+, ok$'
	sed -n 's/^edu0: .* memory at \(.*\), ok$/\1/p' console |
	    tr ' ' '\n' >segments
	[ "$(wc -l <segments)" -eq 8 ] || atf_fail "not eight segments"
	while read -r at; do
		[ $((at % 4096)) -eq 0 ] || atf_fail "$at is not a page"
		[ $(((at + 8191) >> $1)) -eq 0 ] || atf_fail "$at is too high"
		echo $((at / 4096))
		echo $((at / 4096 + 1))
	done <segments >frames
	[ -z "$(sort frames | uniq -d)" ] || atf_fail "segments overlap"
	not_clamped
}

atf_test_case reach
reach_head()
{
	atf_set descr "Data goes there and back, within the device's reach"
}
reach_body()
{

	helpers
	boot $EXIT_SUCCESS "require=edu" -device edu
	has '^edu0 at pci [0-9]+:[0-9]+\.[0-9]: version 1\.0, 10! = 3628800$'
	came_back 28
	# More memory than the device reaches, and more above 4 GiB.
	boot $EXIT_SUCCESS "require=edu seed=2" -device edu -m 512M
	came_back 28
	boot $EXIT_SUCCESS "require=edu seed=3 cpus=1" -device edu -m 5G
	came_back 28
}

atf_test_case wide_mask
wide_mask_head()
{
	atf_set descr "A device that reaches more than the driver uses"
}
wide_mask_body()
{

	helpers
	for mask in 0x1fffffff 0xffffffffffffffff; do
		boot $EXIT_SUCCESS "require=edu" -m 512M \
		    -device edu,dma_mask=$mask
		came_back 28
	done
}

atf_test_case narrow_mask
narrow_mask_head()
{
	atf_set descr "A device that reaches less than it ought to is found" \
	    "out before it may write"
}
narrow_mask_body()
{

	helpers
	boot $EXIT_FAILURE "require=edu" -device edu,dma_mask=0xffffff
	has '^edu0: [0-9]+ of 4095 bytes differ after 0x'
	has '^edu0: failed: EIO$'
	has_not '^edu0: .*, ok$'
	# It did read from a wrong address, once; it did not write to one.
	[ "$(cat qemu.log qemu.err | grep -c clamping)" -eq 1 ] || {
		cat qemu.log qemu.err >&2
		atf_fail "not one address was clamped"
	}
	# Where all memory lies within reach, nobody can tell the difference.
	boot $EXIT_SUCCESS "require=edu" -m 16M -device edu,dma_mask=0xffffff
	came_back 24
}

atf_test_case masks
masks_head()
{
	atf_set descr "A device that reaches what the kernel is told"
}
masks_body()
{

	helpers
	# Below 1 MiB there are 159 pages: others leave some of them.
	boot $EXIT_SUCCESS "require=edu edu.mask=0xfffff age=100" -m 512M \
	    -device edu,dma_mask=0xfffff
	came_back 20
	has '^edu0: moved 32018 bytes, .*; below 0x100000, align 4096, boundary none, contiguous 8192$'
	boot $EXIT_SUCCESS "require=edu edu.mask=0xfffffff" -m 512M \
	    -device edu,dma_mask=0xfffffff
	came_back 28
	has '^edu0: moved 32018 bytes, .*; below 0x10000000, '
	boot $EXIT_SUCCESS "require=edu edu.mask=0xffffffff" -m 5G \
	    -device edu,dma_mask=0xffffffff
	came_back 32
	has '^edu0: moved 32018 bytes, .*; below 0x100000000, '
	# It is more than 28 bits that were used.
	at=$(head -n 1 segments)
	[ $((at)) -ge $((0x10000000)) ] || atf_fail "$at is low"
	# Memory below 1 MiB that others have used up is an answer, too.
	boot $EXIT_SUCCESS "edu.mask=0xfffff take=1m" \
	    -device edu,dma_mask=0xfffff
	lacks edu0 "buffer of 8192 bytes"
	not_clamped
}

atf_test_case bad_mask
bad_mask_head()
{
	atf_set descr "Masks that are none"
}
bad_mask_body()
{

	helpers
	boot $EXIT_FAILURE "edu.mask=0xfff5fff" -device edu
	has '^edu0: edu.mask 0xfff5fff is not all of the lowest bits, or too few$'
	has '^edu0: failed: EINVAL$'
	boot $EXIT_FAILURE "edu.mask=0xfff" -device edu
	has '^edu0: edu.mask 0xfff is not all'
	boot $EXIT_SUCCESS "require=edu edu.mask=all" -device edu
	has '^option edu.mask=all: not a number from 4095 to 18446744073709551615, ignored$'
	came_back 28
}

atf_test_case absent
absent_head()
{
	atf_set descr "No device"
}
absent_body()
{

	helpers
	boot $EXIT_SUCCESS ""
	has '^edu0: not present$'
	boot $EXIT_FAILURE "require=edu"
	has '^edu0: not present$'
}

atf_test_case bridge
bridge_head()
{
	atf_set descr "A device behind bridges"
}
bridge_body()
{

	helpers
	boot $EXIT_SUCCESS "require=edu" \
	    -device pci-bridge,id=one,chassis_nr=1 \
	    -device pci-bridge,id=two,chassis_nr=2,bus=one,addr=3 \
	    -device edu,bus=two,addr=5
	has '^edu0 at pci 2:5\.0: '
	came_back 28
	boot $EXIT_SUCCESS "require=edu" -M q35 -device edu
	came_back 28
}

atf_init_test_cases()
{

	atf_add_test_case reach
	atf_add_test_case wide_mask
	atf_add_test_case narrow_mask
	atf_add_test_case masks
	atf_add_test_case bad_mask
	atf_add_test_case absent
	atf_add_test_case bridge
}
