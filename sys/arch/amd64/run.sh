#!/bin/sh
#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Boots the reference kernel under QEMU, with a disk in the floppy drive and
# an edu device, and looks at its memory from the host: through QMP while it
# runs, and in a core.  Three must agree: the kernel's own audit and the two
# that extstat makes.  Started by the goal run:
#
#	EXTANT_KERNEL=file EXTANT_EXTSTAT=file OBJDIR=dir sh run.sh
#
# If all is well, leaves in OBJDIR/run what it does not print in full:
# console.txt, live.txt, core.txt.  EXTANT_QEMU, EXTANT_MEMORY and EXTANT_CPUS
# change the machine.
#

set -u

READY_SECONDS=120	# until the kernel is ready
QUIT_SECONDS=60		# until it has gone
EXTENT_LINES=3		# of the extents are shown from each end
SUCCESS=33		# QEMU's exit status for kernel_exit(0)

fail()
{

	echo "run: FAILED: $1" >&2
	exit 1
}

[ -n "${EXTANT_KERNEL:-}" ] || fail "EXTANT_KERNEL is not set"
[ -n "${EXTANT_EXTSTAT:-}" ] || fail "EXTANT_EXTSTAT is not set"
[ -n "${OBJDIR:-}" ] || fail "OBJDIR is not set"
[ -r "$EXTANT_KERNEL" ] || fail "no kernel $EXTANT_KERNEL"
[ -x "$EXTANT_EXTSTAT" ] || fail "no program $EXTANT_EXTSTAT"
qemu=${EXTANT_QEMU:-qemu-system-x86_64}
command -v "$qemu" >/dev/null || fail "$qemu not found"
# The rest runs in the temporary directory, and uses short names there: that
# of a socket must not be long, and QEMU takes commas for its own.
EXTANT_KERNEL=$(realpath "$EXTANT_KERNEL") || fail "no kernel $EXTANT_KERNEL"
EXTANT_EXTSTAT=$(realpath "$EXTANT_EXTSTAT") ||
    fail "no program $EXTANT_EXTSTAT"
qemu=$(command -v "$qemu")
case $qemu in
*/*)	qemu=$(realpath "$qemu") ;;
esac

out=$OBJDIR/run
mkdir -p "$out" && out=$(realpath "$out") || fail "cannot make $out"
tmp=$(mktemp -d "${TMPDIR:-/tmp}/extant.XXXXXX") || fail "no temporary directory"
tmp=$(realpath "$tmp")
cd "$tmp" || fail "cannot use $tmp"
pid=

clean_up()
{

	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

nap()
{

	sleep 0.1 2>/dev/null || sleep 1
}

# A 1.44 MB disk of pseudo-random digits: the minimal standard generator.
make_disk()
{

	awk 'BEGIN {
		x = 1
		for (i = 0; i < 147456; i++) {
			x = x * 16807 % 2147483647
			printf("%010d", x)
		}
	}' >"$1"
}

console()
{

	tr -d '\r' <console
}

boot()
{

	mkfifo input
	timeout $((READY_SECONDS + 60)) "$qemu" -accel tcg \
	    -m "${EXTANT_MEMORY:-128M}" -smp "${EXTANT_CPUS:-2}" \
	    -display none -no-reboot -monitor none -serial stdio \
	    -device isa-debug-exit,iobase=0xf4,iosize=0x04 \
	    -drive "if=floppy,format=raw,file=disk" \
	    -device edu -d guest_errors -D qemu.log \
	    -qmp unix:qmp,server=on,wait=off \
	    -kernel "$EXTANT_KERNEL" -append 'require=fdc,edu' \
	    <input >console 2>qemu.err &
	pid=$!
	exec 3>input
}

not_clamped()
{

	[ -e qemu.log ] || fail "QEMU has written no log"
	if grep -i clamping qemu.log qemu.err console; then
		fail "edu was given an address that it cannot reach"
	fi
}

# Waits until the kernel is ready; its console comes along.
wait_ready()
{

	end=$(($(date +%s) + READY_SECONDS))
	until console | grep -q '^extant: ready'; do
		if ! kill -0 "$pid" 2>/dev/null; then
			console
			cat qemu.err >&2
			# It may have ended of just that.
			[ ! -e qemu.log ] || not_clamped
			fail "the guest ended before it was ready"
		fi
		if [ "$(date +%s)" -ge "$end" ]; then
			console
			fail "the guest was not ready in $READY_SECONDS seconds"
		fi
		nap
	done
	console >console.txt
	console
}

# show FILE: a file, but of its thousands of extents only some at both ends and
# the first of each owner and state.
show()
{

	awk -v edge="$EXTENT_LINES" -v dir="$out" -v file="$1" '
	function flush_omitted() {
		if (omitted > 0)
			printf("... %d more\n", omitted)
		omitted = 0
	}
	function flush_extents(    i, kind) {
		for (i = 1; i <= n; i++) {
			kind = extents[i]
			sub(/^.*[0-9][KMGT]? /, "", kind)
			if (i <= edge || i > n - edge || !(kind in seen)) {
				flush_omitted()
				print extents[i]
			} else
				omitted++
			seen[kind] = 1
		}
		if (n > 2 * edge)
			printf("(all %d are in %s)\n", n, dir "/" file)
		n = 0
	}
	/^ *(0x)?[0-9a-f]+ .* (free|held|allocated)/ {
		extents[++n] = $0
		next
	}
	{ flush_extents(); print }
	END { flush_extents() }' "$1"
}

# look NAME ARGUMENTS: runs extstat, keeps what it says in NAME.txt.
look()
{

	look_out=$1.txt
	shift
	echo
	echo "\$ extstat $*" | sed "s,$EXTANT_KERNEL,extant,"
	timeout 120 "$EXTANT_EXTSTAT" "$@" >"$look_out" ||
	    fail "extstat $* ended with status $?"
}

# show_again: what the core says, if it is more than the live guest said.
show_again()
{

	sed /^source:/d live.txt >live.rest
	sed /^source:/d core.txt >core.rest
	if cmp -s live.rest core.rest; then
		echo "(the same $(wc -l <live.rest) lines)"
		sed -n '/^audit: /p' core.txt
	else
		show core.txt
	fi
}

quit()
{

	echo quit >&3
	i=0
	while kill -0 "$pid" 2>/dev/null; do
		i=$((i + 1))
		[ $i -le $((QUIT_SECONDS * 10)) ] ||
		    fail "the guest does not quit"
		nap
	done
	wait "$pid"
	status=$?
	pid=
	[ $status -eq $SUCCESS ] ||
	    fail "the guest ended with status $status, not $SUCCESS"
}

compare()
{

	guest=$(sed -n 's/^audit end: \(.*\): ok$/\1/p' console.txt)
	live=$(sed -n 's/^audit: //p' live.txt)
	core=$(sed -n 's/^audit: //p' core.txt)
	[ -n "$guest" ] || fail "no sound audit on the console"
	[ "$live" = "$guest" ] ||
	    fail "the live guest differs from the console: $live"
	[ "$core" = "$guest" ] || fail "the core differs from the console: $core"

	disk=$(cksum <disk)
	disk=${disk%% *}
	grep -q "^fdc0: .*cksum $disk\$" console.txt ||
	    fail "the kernel did not read the disk, whose cksum is $disk"

	not_clamped
}

make_disk disk
boot
wait_ready
look live -Q qmp -N "$EXTANT_KERNEL"
show live.txt
timeout 120 "$EXTANT_EXTSTAT" -Q qmp -d core ||
    fail "no core: extstat ended with status $?"
look core -M core -N "$EXTANT_KERNEL"
show_again
compare
quit
# Each by itself, and complete: another run may do the same.
for f in console live core; do
	cp "$f.txt" "$out/$f.txt.$$" && mv -f "$out/$f.txt.$$" "$out/$f.txt" ||
	    fail "cannot write $out/$f.txt"
done
echo
echo "run: console, live guest and core agree (${guest##* });" \
    "disk read, cksum $disk; no address clamped"
