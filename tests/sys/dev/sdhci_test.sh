#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

helpers()
{

	for f in boot disk; do
		. "$(atf_config_get srctop)/tests/sys/dev/$f.subr"
	done
}

# with_card STATUS "OPTIONS" FILE ARGUMENT...: a machine with the controller
# and a card.
with_card()
{

	status=$1
	options=$2
	file=$3
	shift 3
	boot "$status" "$options" "$@" -device sdhci-pci \
	    -drive "$(drive "$file")" -device sd-card,drive=d
}

# works SEED BYTES "OPTIONS" ARGUMENT...: a card is read and written.
works()
{
	seed=$1 bytes=$2 options=$3
	shift 3

	new_disk card "$bytes" "$seed"
	with_card $EXIT_SUCCESS "require=sdhci seed=$seed $options" card "$@"
	was_copied sdhci0 card 512
	has '^sdhci0: moved [0-9]+ bytes, [0-9]+ segments, [0-9]+ bytes bounced; below 0x100000000, align 512, boundary 524288, '
}

atf_test_case copy
copy_head()
{
	atf_set descr "A card is read, and written where it invites to"
}
copy_body()
{

	helpers
	works 1 1048576 ""
	has '^sdhci0 at pci 0:[0-9]+\.0: SD host controller, '
	works 2 16777216 ""
}

atf_test_case aged
aged_head()
{
	atf_set descr "On differently fragmented memory, little and much, with" \
	    "addresses that the controller lacks, and with memory nearly full"
}
aged_body()
{

	helpers
	works 3 1048576 "" -m 24M
	works 4 1048576 "cpus=1" -m 512M
	works 5 1048576 "" -m 5G
	works 6 1048576 "fill=90" -M q35
}

atf_test_case not_invited
not_invited_head()
{
	atf_set descr "A card that is not to be written to"
}
not_invited_body()
{

	helpers
	make_disk card 1048576 7
	cp card before
	with_card $EXIT_SUCCESS "require=sdhci" card
	was_read sdhci0 card 1048576 '[0-9]+'
	has_not '^sdhci0: wrote'
	cmp card before || atf_fail "the card has changed"
}

atf_test_case high_capacity
high_capacity_head()
{
	atf_set descr "Cards that are addressed by block"
}
high_capacity_body()
{

	helpers
	new_disk small 16777216 8
	cp small.before card
	truncate -s 4G card
	with_card $EXIT_SUCCESS "require=sdhci" card
	# The driver uses the first 16 MiB.
	was_read sdhci0 small.before 16777216 '[0-9]+'
	has ' of 8388608 blocks of 512 '
	head -c 8388608 small.before >first
	head -c 16777216 card >after
	cat first first | cmp - after ||
	    atf_fail "the card is not as it should be"
}

atf_test_case old
old_head()
{
	atf_set descr "A card of version 1, which does not know all commands"
}
old_body()
{

	helpers
	new_disk card 1048576 11
	boot $EXIT_SUCCESS "require=sdhci" -device sdhci-pci \
	    -drive "$(drive card)" -device sd-card,drive=d,spec_version=1
	was_copied sdhci0 card 512
}

atf_test_case errors
errors_head()
{
	atf_set descr "Cards that fail, and a slot without one"
}
errors_body()
{

	helpers
	boot $EXIT_SUCCESS "" -device sdhci-pci
	has '^sdhci0: no card$'
	boot $EXIT_FAILURE "require=sdhci" -device sdhci-pci
	has '^sdhci0: no card$'
	boot $EXIT_FAILURE "require=sdhci"
	has '^sdhci0: not present$'
	# A controller whose capabilities have no SDMA.
	make_disk card 1048576 9
	boot $EXIT_FAILURE "require=sdhci" \
	    -device sdhci-pci,capareg=0x053834b4 \
	    -drive "$(drive card)" -device sd-card,drive=d
	has '^sdhci0: controller has no DMA \(capabilities 053834b4\)$'
	has_not '^sdhci0: read'
}

atf_test_case no_memory
no_memory_head()
{
	atf_set descr "With no memory below 4 GiB the kernel goes on"
}
no_memory_body()
{

	helpers
	make_disk card 1048576 10
	with_card $EXIT_FAILURE "require=sdhci take=4G" card -m 5G
	lacks sdhci0 "map of 16384 bytes"
}

atf_init_test_cases()
{

	atf_add_test_case copy
	atf_add_test_case aged
	atf_add_test_case not_invited
	atf_add_test_case high_capacity
	atf_add_test_case old
	atf_add_test_case errors
	atf_add_test_case no_memory
}
