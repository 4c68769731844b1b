#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

LEGACY=disable-modern=on
MODERN=disable-legacy=on
FRAMES=1455			# one of each length from 60 to 1514
BYTES=1145085

helpers()
{

	for f in boot virtio; do
		. "$(atf_config_get srctop)/tests/sys/dev/$f.subr"
	done
}

# card ID OPTIONS: the argument of -device.
card()
{

	echo "virtio-net-pci,netdev=$1,$2"
}

# hub ID: the argument of -netdev for a port of the only hub.
hub()
{

	echo "hubport,id=$1,hubid=0"
}

# A card whose frames come back to it, through a socket that leads nowhere
# else.
LOOP=dgram,id=n,local.type=unix,local.path=loop,remote.type=unix,remote.path=loop

# all_came FROM TO: a frame of each length, as it was sent.
all_came()
{

	has "^$1: $FRAMES frames, $BYTES bytes, sent and received by $2, cksum [0-9]+, ok\$"
}

# on_the_wire FROM FILE MAC: what a dump of the network has of frames from an
# address, without the first, has the sum that the driver printed.
on_the_wire()
{

	# After the file's header of 24 bytes, 16 before each frame: time,
	# length here, length on the wire.
	od -An -v -tu1 -w1 "$2" | LC_ALL=C awk -v mac="$3" '
	NR <= 24 { next }
	n < 16 {
		if (n >= 8 && n < 12)
			left += $1 * 256 ^ (n - 8)
		n++
		at = 0
		from = ""
		next
	}
	{
		frame[at++] = $1
		if (at > 6 && at <= 12)
			from = from sprintf("%02x", $1)
	}
	at == left {
		if (from == mac && seen++ > 0)
			for (i = 0; i < at; i++)
				printf("%c", frame[i])
		n = left = 0
	}' >frames
	[ "$(wc -c <frames)" -eq $BYTES ] ||
	    atf_fail "$(wc -c <frames) bytes from $3 on the wire"
	sum=$(cksum <frames)
	has "^$1: .*, cksum ${sum%% *}, ok\$"
}

atf_test_case pair
pair_head()
{
	atf_set descr "Two cards, each legacy and modern, on one hub"
}
pair_body()
{

	helpers
	for one in $LEGACY $MODERN; do
		for two in $LEGACY $MODERN; do
			boot $EXIT_SUCCESS "require=vionet" \
			    -netdev "$(hub a)" -netdev "$(hub b)" \
			    -device "$(card a $one)" -device "$(card b $two)"
			all_came vionet0 vionet1
			all_came vionet1 vionet0
			has "^vionet0: moved 229[0-9]{4} bytes, "
			has "^vionet1: moved 229[0-9]{4} bytes, "
			kind=legacy
			[ $one = $LEGACY ] || kind=modern
			${kind}_queues vionet0 2 256
			kind=legacy
			[ $two = $LEGACY ] || kind=modern
			${kind}_queues vionet1 2 256
		done
	done
}

atf_test_case wire
wire_head()
{
	atf_set descr "What was sent is what the host saw"
}
wire_body()
{

	helpers
	boot $EXIT_SUCCESS "require=vionet" \
	    -netdev "$(hub a)" -netdev "$(hub b)" \
	    -device "$(card a $LEGACY,mac=02:00:00:aa:bb:01)" \
	    -device "$(card b $MODERN,mac=02:00:00:aa:bb:02)" \
	    -object filter-dump,id=f,netdev=a,file=dump
	all_came vionet0 vionet1
	all_came vionet1 vionet0
	has '^vionet0 at .*, 02:00:00:aa:bb:01$'
	has '^vionet1 at .*, 02:00:00:aa:bb:02$'
	on_the_wire vionet0 dump 020000aabb01
	on_the_wire vionet1 dump 020000aabb02
	no_mistakes
}

atf_test_case alone
alone_head()
{
	atf_set descr "A card that gets what it sends"
}
alone_body()
{

	helpers
	for option in $LEGACY $MODERN; do
		rm -f loop
		boot $EXIT_SUCCESS "require=vionet" -netdev $LOOP \
		    -device "$(card n $option)"
		all_came vionet0 vionet0
		has "^vionet0: moved 229[0-9]{4} bytes, "
		no_mistakes
	done
}

atf_test_case machines
machines_head()
{
	atf_set descr "Little and much memory, one CPU, a bridge, other sizes" \
	    "of queues, and a third card that listens"
}
machines_body()
{

	helpers
	for option in $LEGACY $MODERN; do
		boot $EXIT_SUCCESS "require=vionet cpus=1 seed=2" -m 24M \
		    -netdev "$(hub a)" -netdev "$(hub b)" \
		    -device "$(card a $option)" -device "$(card b $option)"
		all_came vionet0 vionet1
		all_came vionet1 vionet0
		no_mistakes
		boot $EXIT_SUCCESS "require=vionet seed=3" -M q35 -m 5G \
		    -device pci-bridge,id=one,chassis_nr=1 \
		    -netdev "$(hub a)" -netdev "$(hub b)" \
		    -device "$(card a $option,rx_queue_size=1024)" \
		    -device "$(card b $option,bus=one,addr=3)"
		has '^vionet[01] at pci 2:3\.0: |^vionet[01] at pci 1:3\.0: '
		all_came vionet0 vionet1
		all_came vionet1 vionet0
		no_mistakes
	done
	boot $EXIT_SUCCESS "require=vionet" -netdev "$(hub a)" \
	    -netdev "$(hub b)" -netdev "$(hub c)" -device "$(card a $LEGACY)" \
	    -device "$(card b $MODERN)" -device "$(card c $MODERN)"
	for i in 0 1 2; do
		has "^vionet$i: $FRAMES frames, .*, ok\$"
	done
	no_mistakes
}

atf_test_case memory
memory_head()
{
	atf_set descr "Memory that is nearly full, and none at all"
}
memory_body()
{

	helpers
	for option in $LEGACY $MODERN; do
		boot $EXIT_SUCCESS "require=vionet fill=97 together=1 runs=2" \
		    -smp 4 -netdev "$(hub a)" -netdev "$(hub b)" \
		    -device "$(card a $option)" -device "$(card b $option)"
		all_came vionet0 vionet1
		all_came vionet1 vionet0
		[ "$(grep -c '^vionet[01]: moved ' console)" -eq 4 ] ||
		    atf_fail "not twice for each card"
		no_mistakes
	done
	boot $EXIT_FAILURE "require=vionet take=4g" -netdev "$(hub a)" \
	    -device "$(card a $MODERN)"
	lacks vionet0
	has '^vionet0: failed: ENOMEM$'
	no_mistakes
}

atf_test_case unconnected
unconnected_head()
{
	atf_set descr "Frames that nobody gets, and no card"
}
unconnected_body()
{

	helpers
	boot $EXIT_SUCCESS ""
	has '^vionet0: not present$'
	boot $EXIT_FAILURE "require=vionet"
	has '^vionet0: not present$'
	for option in $LEGACY $MODERN; do
		boot $EXIT_SUCCESS "" -netdev user,id=n,restrict=on \
		    -device "$(card n $option)"
		has '^vionet0: no card gets what it sends$'
		has_not '^vionet0: (failed|.* frames)'
		no_mistakes
	done
	boot $EXIT_FAILURE "require=vionet" -netdev user,id=n,restrict=on \
	    -device "$(card n $MODERN)"
	has '^vionet0: failed: ENODEV$'
}

atf_init_test_cases()
{

	atf_add_test_case pair
	atf_add_test_case wire
	atf_add_test_case alone
	atf_add_test_case machines
	atf_add_test_case memory
	atf_add_test_case unconnected
}
