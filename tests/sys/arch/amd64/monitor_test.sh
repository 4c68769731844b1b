#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Options on the command line, and commands on the console.
#

subr()
{

	. "$(atf_config_get srctop)/tests/sys/arch/amd64/guest.subr"
}

# monitors NAME DESCRIPTION: a test case NAME, which runs NAME_run.
monitors()
{

	atf_test_case "$1"
	eval "$1_head()
	{

		atf_set descr '$2'
		atf_set require.progs qemu-system-x86_64
	}
	$1_body()
	{

		subr
		$1_run
	}"
}

# session COMMAND...: boots, types the commands, and quits.
session()
{

	guest_start "" -m 32M -smp 2
	guest_until '^extant: ready'
	for command in "$@"; do
		guest_type "$command"
	done
	guest_type quit
	guest_wait
}

# digest LABEL: of the last audit of that label.
digest()
{

	sed -n "s/^audit $1: .* digest \([0-9a-f]*\): ok\$/\1/p" console |
	    tail -n 1
}

monitors audit "Nothing changes while the kernel waits for commands"
audit_run()
{

	session audit audit
	guest_succeeded
	guest_audited boot aged fdc end now now
	atf_check_equal "$(digest end)" "$(digest now)"
}

monitors extents "The extents add up to the frames of the audit"
extents_run()
{

	session extents
	guest_succeeded
	frames=$(sed -n 's/^audit end: frames \([0-9]*\) .*/\1/p' console)
	atf_check -o inline:"$((frames * 4))\n" awk '
	/^0x/ {
		kib += $2
	}
	END {
		print kib
	}' console
	atf_check -o ignore grep -x '0x000000000000 .* allocated bios' console
	atf_check -o ignore grep -x '0x000000100000 .* allocated kernel' \
	    console
	atf_check -o match:'allocated ageing' -o match:' free' cat console

	# Free extents are those that the audit counts.
	want=$(sed -n 's/^audit end: .* extents \([0-9]*\) .*/\1/p' console)
	segments=$(grep -c '^segment: ' console)
	got=$(grep -c '^0x.* free$' console)
	[ "$got" -ge "$want" ] && [ "$got" -lt $((want + segments)) ] ||
	    atf_fail "$got free extents, the audit has $want"
}

monitors age "More ageing changes the map and keeps it sound"
age_run()
{

	session "age 3" "age 0" "age x" "age 10001" "age"
	guest_succeeded
	guest_audited boot aged fdc end aged
	[ "$(digest end)" != "$(digest aged)" ] || atf_fail "nothing changed"
	atf_check_equal 4 "$(grep -c 'is not a number of rounds' console)"
}

monitors bad "Bad frees are refused and change nothing"
bad_run()
{

	session bad audit
	guest_succeeded
	guest_audited boot aged fdc end now
	sed -n 's/^bad: \(.*\) 0x[0-9a-f]*:/\1:/p' console >got
	cat >want <<'LIST'
page, size differs: EMSGSIZE
page, free: OK
page, double free: EALREADY
run, interior: EINVAL
run, interior page: EINVAL
run, freed as a page: EMSGSIZE
run, size differs: EMSGSIZE
run, not page-aligned: EINVAL
run, free: OK
run, double free: EALREADY
foreign page: EINVAL
foreign run: EINVAL
foreign page: EINVAL
LIST
	atf_check -o file:want cat got
	# Red zones are for kernels with options DIAGNOSTIC.
	sed -n 's/^bad: kmem, //p' console >got
	cat >want <<'LIST'
size differs: seen
written behind: not seen
double free: seen
LIST
	atf_check -o file:want cat got
	atf_check_equal "$(sed -n 's/^audit end: .*allocated \([0-9]*\) .*/\1/p' \
	    console)" "$(sed -n 's/^audit now: .*allocated \([0-9]*\) .*/\1/p' \
	    console)"
}

monitors explain "A request is explained"
explain_run()
{

	session "explain size=16k,align=8k,boundary=64k,high=16m" \
	    "explain size=1t" "explain size=0" "explain size=q" "explain"
	guest_succeeded
	atf_check_equal 5 "$(grep -c '^explain: ' console)"
	atf_check_equal 2 "$(grep -c \
	    '^explain: ".*" is not size, align, boundary, low or high' console)"
}

monitors alloc "A request is served, refused, or waited for"
alloc_run()
{

	session "alloc size=16k,align=8k,boundary=64k,high=16m" \
	    "alloc size=31m" "alloc size=0" "alloc size" audit
	guest_succeeded
	guest_audited boot aged fdc end now
	run=$(sed -n 's/^alloc: 0x\([0-9a-f]*\) - 0x\([0-9a-f]*\)$/\1 \2/p' \
	    console)
	[ -n "$run" ] || atf_fail "no memory for the historical request"
	start=$((0x${run% *}))
	end=$((0x${run#* }))
	atf_check_equal 16384 $((end - start))
	atf_check_equal 0 $((start % 8192))
	atf_check_equal $((start / 65536)) $(((end - 1) / 65536))
	[ $end -le $((16 << 20)) ] || atf_fail "above 16 MiB"
	atf_check -o inline:"alloc: EWOULDBLOCK\nalloc: EINVAL\n" \
	    grep '^alloc: E' console
}

monitors unknown_command "An unknown command is one line, and no failure"
unknown_command_run()
{

	session frobnicate "" "   " "quit 101" "quit x" \
	    "$(awk 'BEGIN { for (i = 0; i < 400; i++) printf("y") }')" help
	guest_succeeded
	atf_check -o ignore grep -x \
	    'frobnicate: no such command; try help' console
	atf_check -o ignore grep -x 'y*: no such command; try help' console
	atf_check_equal 2 "$(grep -c '^quit: .* is not a status' console)"
	atf_check -o ignore grep '^quit \[STATUS\]' console
}

monitors quit_status "The status of quit reaches the host"
quit_status_run()
{

	guest_start "" -m 32M
	guest_until '^extant: ready'
	guest_type "quit 7"
	guest_wait
	atf_check_equal $((GUEST_SUCCESS + 2 * 7)) "$guest_status"
}

monitors options_bad "Options that are not understood are told and ignored"
options_bad_run()
{

	guest_run "frobnicate exit=1 age=12z seed=-1 cpus=0 zoo=1 =  exit=2" \
	    -m 32M
	guest_succeeded
	grep '^option' console >got
	cat >want <<'LIST'
option frobnicate: unknown, ignored
option age=12z: not a number from 0 to 4294967295, ignored
option seed=-1: not a number from 0 to 4294967295, ignored
option cpus=0: not a number from 1 to 4294967295, ignored
option zoo=1: unknown, ignored
option =: unknown, ignored
option exit=2: not a number from 0 to 1, ignored
LIST
	atf_check -o file:want cat got
}

monitors option_age "Without ageing, and with very little"
option_age_run()
{

	guest_run "exit=1 age=0" -m 32M
	guest_succeeded
	guest_audited boot aged fdc end
	atf_check -s exit:1 grep '^ageing:' console
	guest_run "exit=1 age=1" -m 32M -smp 4
	guest_succeeded
	guest_audited boot aged fdc end
	atf_check -o ignore grep '^ageing: 1 places' console
}

monitors option_seed "The seed determines the first ageing"
option_seed_run()
{

	for seed in 5 5 0x6; do
		guest_run "exit=1 seed=$seed" -m 32M
		guest_succeeded
		digest aged >>digests
	done
	atf_check_equal 2 "$(sort -u digests | wc -l)"
	atf_check_equal 1 "$(head -n 2 digests | sort -u | wc -l)"
}

monitors option_require "A device that must be there and is not"
option_require_run()
{

	guest_run "exit=1 require=edu" -m 32M
	atf_check_equal "$GUEST_FAILURE" "$guest_status"
	atf_check -o ignore grep -x 'edu0: not present' console
	guest_run "exit=1 require=fdc" -m 32M
	atf_check_equal "$GUEST_FAILURE" "$guest_status"
	atf_check -o ignore grep -x 'fdc0: no disk in drive 0' console
	guest_run "exit=1 require=zoo" -m 32M
	atf_check_equal "$GUEST_FAILURE" "$guest_status"
	atf_check -o ignore grep -x 'option require=zoo: no such driver' console
	guest_run "exit=1 require=edu,fdc" -m 32M -device edu \
	    -drive if=floppy,format=raw,file="$(disk)"
	guest_succeeded
	guest_audited boot aged fdc edu end
}

monitors trap "An exception ends the run with one line"
trap_run()
{

	mkfifo monitor.in monitor.out
	guest_start "" -m 32M -smp 2 -monitor pipe:monitor
	cat monitor.out >monitor.log &
	guest_until '^extant: ready'
	echo nmi >monitor.in
	guest_wait
	atf_check_equal "$GUEST_FAILURE" "$guest_status"
	atf_check -o match:'^panic: trap 2 \(non-maskable interrupt\) on cpu 0: ' \
	    tail -n 1 console
}

disk()
{

	dd if=/dev/zero of=disk bs=1024 count=1440 2>/dev/null
	echo disk
}

atf_init_test_cases()
{

	for tc in audit extents age alloc bad explain unknown_command quit_status \
	    options_bad option_age option_seed option_require trap; do
		atf_add_test_case $tc
	done
}
