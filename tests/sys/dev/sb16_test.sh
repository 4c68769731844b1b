#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

TONE=24576			# samples
RING=32768			# bytes
LINE=131072			# of channels that move words

helpers()
{

	. "$(atf_config_get srctop)/tests/sys/dev/boot.subr"
}

# play STATUS "OPTIONS" ARGUMENT...: a machine with the card; what it plays is
# in played.wav, unchanged.
play()
{

	status=$1
	options=$2
	shift 2
	rm -f played.wav
	boot "$status" "$options" "$@" \
	    -audiodev wav,id=a,path=played.wav,out.frequency=44100,out.format=s16,out.channels=2 \
	    -device sb16,audiodev=a
}

# tone: the samples, one a line: a triangle wave whose step grows.
tone()
{

	awk -v n=$TONE 'BEGIN {
		for (i = 0; i < n; i++) {
			print (p < 32768 ? p - 16384 : 49151 - p)
			p = (p + 1024 + int(i / 32)) % 65536
		}
	}'
}

# heard: what was played is silence, the tone, and silence; if not, says what is
# wrong.  Where the card was faster than the CPU, the driver has said so, and
# only what was played last counts.
heard()
{

	# The header has 44 bytes; then a pair of equal samples each.
	tail -c +45 played.wav | od -An -td2 -v -w4 >pairs
	awk '$1 != $2 { exit 1 }' pairs || {
		echo "the sides differ"
		return 1
	}
	awk '{ s[NR] = $1 } $1 != 0 { last = NR }
	    END { for (i = 1; i <= last; i++) print s[i] }' pairs >samples
	tail -n $TONE samples | cmp - wanted || {
		echo "what was played is not the tone"
		return 1
	}
	grep -q 'faster than the CPU' console || {
		[ "$(awk '$1 != 0 { print NR; exit }' samples)" -eq \
		    $(($(wc -l <samples) - TONE + 1)) ] || {
			echo "something was played before the tone"
			return 1
		}
	}
}

# plays OPTIONS [ARGUMENT ...]: boots with a card, and the tone is heard.  QEMU
# loses sound on a host that is late: what is lost then is not the card's, and
# it plays again.
plays()
{

	tone >wanted
	for attempt in 1 2 3 4; do
		play $EXIT_SUCCESS "$@"
		has "^sb160: played $TONE samples through $RING bytes at 0x[0-9a-f]+\$"
		heard >why && return
		cat why
	done
	atf_fail "$attempt times: $(tail -n 1 why)"
}

# where_it_should: the ring is below 16 MiB, and crosses no line.
where_it_should()
{

	at=$(sed -n 's/^sb160: played .* at \(0x[0-9a-f]*\)$/\1/p' console)
	[ $((at % 2)) -eq 0 ] || atf_fail "$at is odd"
	[ $((at / LINE)) -eq $(((at + RING - 1) / LINE)) ] ||
	    atf_fail "$at crosses a line"
	[ $((at + RING)) -le 16777216 ] || atf_fail "$at is too high"
	has "^sb160: moved 49152 bytes, [0-9]+ segments, 0 bytes bounced; below 0x1000000, align 4096, boundary $LINE, contiguous $RING\$"
}

atf_test_case tone
tone_head()
{
	atf_set descr "Each sample of the tone is heard, and nothing else"
}
tone_body()
{

	helpers
	plays "require=sb16"
	has '^sb160 at isa port 0x220 drq 5: Sound Blaster 16, DSP 4\.05'
	where_it_should
}

atf_test_case aged
aged_head()
{
	atf_set descr "On differently fragmented memory, little and much"
}
aged_body()
{

	helpers
	for seed in 2 3; do
		plays "require=sb16 seed=$seed" -m 24M
		where_it_should
		plays "require=sb16 seed=$seed cpus=1" -m 512M
		where_it_should
	done
}

atf_test_case nearly_full
nearly_full_head()
{
	atf_set descr "With memory nearly full"
}
nearly_full_body()
{

	helpers
	plays "require=sb16 fill=90"
	where_it_should
}

atf_test_case no_memory
no_memory_head()
{
	atf_set descr "With no memory below 16 MiB the kernel goes on"
}
no_memory_body()
{

	helpers
	play $EXIT_FAILURE "require=sb16 take=16M"
	lacks sb160 "buffer of 32768 bytes"
}

atf_test_case no_audio
no_audio_head()
{
	atf_set descr "No card, or one with another channel"
}
no_audio_body()
{

	helpers
	boot $EXIT_SUCCESS ""
	has '^sb160: not present$'
	boot $EXIT_FAILURE "require=sb16"
	has '^sb160: not present$'
	boot $EXIT_FAILURE "require=sb16" -audiodev none,id=a \
	    -device sb16,audiodev=a,dma16=7
	has '^sb160: DMA channel is not 5 \(channels 0x82\)$'
	has_not '^sb160: played'
	# A card that is elsewhere is none here.
	boot $EXIT_SUCCESS "" -audiodev none,id=a \
	    -device sb16,audiodev=a,iobase=0x240
	has '^sb160: not present$'
}

atf_init_test_cases()
{

	atf_add_test_case tone
	atf_add_test_case aged
	atf_add_test_case nearly_full
	atf_add_test_case no_memory
	atf_add_test_case no_audio
}
