#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# extstat on the reference kernel under QEMU: alive, and in cores.
#

QMP="-qmp unix:qmp,server=on,wait=off"

# programs: where they are.
programs()
{

	EXTSTAT=$(atf_config_get objdir)/usr.sbin/extstat/extstat
}

# guest OPTIONS ARGUMENT...: boots a guest that listens at qmp, until it is
# ready.
guest()
{

	. "$(atf_config_get srctop)/tests/sys/arch/amd64/guest.subr"
	guest_append=$1
	shift
	guest_start "$guest_append" $QMP "$@"
	guest_until '^extant: ready'
}

# leave: the guest still runs, and ends well.
leave()
{

	guest_type quit
	guest_wait
	guest_succeeded
}

# agree FILE LABEL: the audit that extstat printed is the guest's.
agree()
{

	guest_console
	kernel=$(sed -n "s/^audit $2: \\(.*\\): ok\$/\\1/p" console | tail -n 1)
	[ -n "$kernel" ] || atf_fail "no audit $2 on the console"
	atf_check -o inline:"$kernel\n" sed -n 's/^audit: //p' "$1"
}

# refused TEXT ARGUMENT...: extstat gives one line that contains TEXT.
refused()
{

	text=$1
	shift
	atf_check -s exit:1 -o empty -e save:stderr "$EXTSTAT" "$@"
	cat stderr
	[ "$(wc -l <stderr)" -eq 1 ] || atf_fail "not one line"
	grep -q '^extstat: ' stderr || atf_fail "who says so?"
	grep -qF "$text" stderr || atf_fail "not: $text"
}

# sums_agree FILE COUNTER...: those of the segments make those of all.
sums_agree()
{

	sums_file=$1
	shift
	for c; do
		atf_check -o save:sum awk -v c="$c" '
		    /^counters$/ { part = 1 }
		    /^counters by segment$/ { part = 2 }
		    substr($0, 1, 16) == sprintf("%-16s", c) {
			sum[part] += $NF
		    }
		    END {
			print sum[1]
			if (sum[1] != sum[2])
				print "by segment:", sum[2]
		    }' \
		    "$sums_file"
		atf_check -o match:'^[1-9][0-9]*$' -o not-match:segment cat sum
	done
}

atf_test_case agree
agree_head()
{
	atf_set descr "Kernel, live guest and core agree"
	atf_set require.progs qemu-system-x86_64
}
agree_body()
{

	programs
	guest "" -m 128M -smp 2
	atf_check -o save:live "$EXTSTAT" -Q qmp -N "$GUEST_KERNEL"
	agree live end
	atf_check "$EXTSTAT" -Q qmp -d core
	atf_check -o save:dead "$EXTSTAT" -M core -N "$GUEST_KERNEL"
	agree dead end
	sed 1d live >live.rest
	sed 1d dead >dead.rest
	atf_check cmp live.rest dead.rest
	refused "core: File exists" -Q qmp -d core

	# What else hands out memory and numbers is there by name.
	sed -n '/^pools, extent maps/,/^$/p' live >spaces
	cat spaces
	grep -Eq '^kmem [0-9]+ +kmem +4K ' spaces || atf_fail "no kmem"
	grep -Eq ' extent +[0-9.]+[KMGTP]? ' spaces || atf_fail "no extent map"

	# It goes on, and changes; then they agree again.
	guest_type age 2
	guest_until '^audit aged: .*' && guest_type audit
	guest_until '^audit now: '
	atf_check -o save:live "$EXTSTAT" -Q qmp -N "$GUEST_KERNEL"
	agree live now
	sums_agree live alloc free refill "run alloc"
	[ "$(sed -n 's/^audit: //p' dead)" != "$kernel" ] ||
	    atf_fail "nothing has changed"

	# Page tables come from order pools.
	atf_check -s exit:1 grep ' order ' spaces
	guest_type keep 1m
	guest_until '^keep: a range of 1048576 bytes'
	atf_check -o save:live "$EXTSTAT" -Q qmp -N "$GUEST_KERNEL"
	sed -n '/^pools, extent maps/,/^$/p' live >spaces
	cat spaces
	grep -Eq '^pmap .* order ' spaces || atf_fail "no order pool"
	leave
}

atf_test_case extents
extents_head()
{
	atf_set descr "Every extent, with its owner, is the kernel's"
	atf_set require.progs qemu-system-x86_64
}
extents_body()
{

	programs
	guest "" -m 32M -smp 1
	atf_check -o save:live "$EXTSTAT" -Q qmp -N "$GUEST_KERNEL"
	guest_type extents
	guest_type audit
	guest_until '^audit now: '
	guest_console
	# START STATE OWNER; the kernel cuts extents where segments touch.
	sed -n 's/^\(0x[0-9a-f]\{12\}\) *[0-9]* KiB  /\1 /p' console | sort >kernel
	sed -n '/^extents$/,/^$/p' live | sed -n '3,$p' |
	    awk 'NF > 0 { print $1, $4, $5 }' | sed 's/\(free\|held\) -$/\1/' |
	    sort >extstat
	[ "$(wc -l <extstat)" -gt 1000 ] || atf_fail "few extents"
	grep -q ' allocated ageing$' extstat || atf_fail "no owner in sight"
	atf_check comm -23 extstat kernel
	leave
}

atf_test_case high
high_head()
{
	atf_set descr "A guest with memory above 4 GiB"
	atf_set require.progs qemu-system-x86_64
}
high_body()
{

	programs
	guest "" -M q35,memory-backend=m0 -smp 2 -m 6G \
	    -object memory-backend-ram,id=m0,size=6G,reserve=off
	atf_check -o save:live "$EXTSTAT" -s -Q qmp -N "$GUEST_KERNEL"
	agree live end
	grep -q '^0x000100000000 .* default ' live || atf_fail "not high"
	atf_check -o match:'^0x0001[0-9a-f]{8} ' "$EXTSTAT" -Q qmp \
	    -N "$GUEST_KERNEL" -q size=4k
	leave
}

atf_test_case query
query_head()
{
	atf_set descr "The answer is what the kernel itself would give"
	atf_set require.progs qemu-system-x86_64
}
query_body()
{

	programs
	guest "" -m 64M -smp 2
	n=0
	yes=0
	for q in size=16k,align=8k,boundary=64k,high=16m size=1m,align=1m \
	    size=64k,boundary=64k,low=4m size=8k,low=16m size=512k,high=16m \
	    size=4k,low=32m,high=33m size=1m,low=0xf00000,high=17m size=48m; do
		guest_type "explain $q"
		n=$((n + 1))
		until [ "$(grep -c '^explain: ' console)" -eq $n ]; do
			sleep 0.1
			guest_console
		done
		sed -n 's/^explain: //p' console | tail -n 1 >want
		"$EXTSTAT" -Q qmp -N "$GUEST_KERNEL" -q $q >answer
		case $? in
		0)	yes=$((yes + 1))
			sed -i 's/.*fits at 0x//' want
			sed -n '3s/^0x0*\([0-9a-f]*\) .*/\1/p' answer >got ;;
		2)	sed -n 's/^would fail (ENOMEM): //p' answer >got ;;
		*)	atf_fail "$q: no answer" ;;
		esac
		cmp want got || atf_fail "$q: $(cat got), not $(cat want)"
	done
	[ $yes -gt 1 ] && [ $yes -lt $n ] || atf_fail "$yes times yes in $n"
	leave
}

atf_test_case busy
busy_head()
{
	atf_set descr "A guest that is stopped in the middle of its work"
	atf_set require.progs qemu-system-x86_64
}
busy_body()
{

	programs
	guest "" -m 64M -smp 2
	guest_type age 2000
	# The guest has to come to work in between, on a host that may be late.
	n=0
	while [ $n -lt 10 ] || [ "$(sort -u audits | wc -l)" -eq 1 ]; do
		guest_console
		[ $n -lt 10 ] || [ "$(grep -c '^audit aged: ' console)" -eq 1 ] ||
		    atf_fail "it was not busy"
		atf_check -o save:live "$EXTSTAT" -Q qmp -N "$GUEST_KERNEL"
		sed -n 's/^audit: //p' live >>audits
		n=$((n + 1))
	done
	# It may not come to an end by itself in time.
	kill "$guest_pid"
	guest_wait
}

# dump_signalled SIGNAL: a core is begun, and the signal sent; extstat's status
# goes to status.  False if it was through before.
dump_signalled()
{

	rm -f core
	"$EXTSTAT" -Q qmp -d core 2>stderr &
	pid=$!
	until [ -s core ] || ! kill -0 $pid 2>/dev/null; do
		:
	done
	kill -"$1" $pid 2>/dev/null
	status=0
	wait $pid || status=$?
	[ $status -ne 0 ]
}

atf_test_case dump_signal
dump_signal_head()
{
	atf_set descr "A guest whose core nobody wants any more goes on"
	atf_set require.progs qemu-system-x86_64
}
dump_signal_body()
{

	programs
	guest "" -M q35,memory-backend=m0 -smp 1 -m 3G \
	    -object memory-backend-ram,id=m0,size=3G,reserve=off
	n=0
	for sig in TERM HUP KILL; do
		tries=1
		until dump_signalled $sig; do
			[ $tries -lt 5 ] || atf_fail "always through before"
			tries=$((tries + 1))
		done
		[ $status -gt 128 ] && [ "$(kill -l $status)" = $sig ] ||
		    atf_fail "not ended by $sig: $(cat stderr)"
		[ $sig = KILL ] || [ ! -e core ] || atf_fail "half a core"
		rm -f core
		# No dump is in the way, and the guest answers.
		atf_check -o save:live "$EXTSTAT" -s -Q qmp -N "$GUEST_KERNEL"
		n=$((n + 1))
		guest_type audit
		until guest_console &&
		    [ "$(grep -c '^audit now: ' console)" -eq $n ]; do
			sleep 0.1
		done
	done
	leave
}

atf_test_case wrong
wrong_head()
{
	atf_set descr "Cores and kernels that do not belong together"
	atf_set require.progs qemu-system-x86_64 objcopy
}
wrong_body()
{

	programs
	guest "" -m 64M -smp 1
	atf_check "$EXTSTAT" -Q qmp -d core
	atf_check objcopy --strip-all "$GUEST_KERNEL" stripped
	refused "stripped: no symbols" -Q qmp -N stripped
	refused "stripped: no symbols" -M core -N stripped
	refused "core: not a kernel" -M core -N core
	refused ": not a core" -M "$GUEST_KERNEL" -N "$GUEST_KERNEL"
	# A kernel that has its description elsewhere.
	atf_check objcopy --redefine-sym vm_export=was_export \
	    --redefine-sym vm_map=vm_export "$GUEST_KERNEL" other
	refused "no extent state at" -M core -N other
	refused "no extent state at" -Q qmp -N other

	# (QEMU ends a core with names of sections, of no use here.)
	size=$(wc -c <core)
	for n in 0 10 63 64 200 1000 4096 1000000 $((size - 4096)); do
		head -c $n core >short
		refused "short: " -M short -N "$GUEST_KERNEL"
	done
	leave
}

atf_test_case not_started
not_started_head()
{
	atf_set descr "A guest without our kernel, and one before its start"
	atf_set require.progs qemu-system-x86_64
}
not_started_body()
{

	programs
	kernel=$(atf_config_get objdir)/sys/arch/amd64/extant
	for args in "" "-S -kernel $kernel"; do
		timeout 600 qemu-system-x86_64 -accel tcg -m 32M \
		    -display none -monitor none -serial null $QMP $args \
		    >qemu.out 2>&1 &
		pid=$!
		until [ -S qmp ]; do
			kill -0 $pid || atf_fail "no QEMU: $(cat qemu.out)"
			sleep 0.1
		done
		refused "that kernel has not started" -Q qmp -N "$kernel"
		atf_check "$EXTSTAT" -Q qmp -d core
		refused "core: of another machine" -M core -N "$kernel"
		kill $pid
		wait $pid
		rm -f qmp core
	done
}

atf_init_test_cases()
{

	atf_add_test_case agree
	atf_add_test_case extents
	atf_add_test_case high
	atf_add_test_case query
	atf_add_test_case busy
	atf_add_test_case dump_signal
	atf_add_test_case wrong
	atf_add_test_case not_started
}
