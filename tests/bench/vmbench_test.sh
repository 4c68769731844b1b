#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# vmbench: its tables, its reading of traces, and the nonsense it refuses.
#

vmbench()
{

	echo "$(atf_config_get objdir)/tests/bench/vmbench"
}

traces()
{

	echo "$(atf_config_get srctop)/tests/bench/traces"
}

# refused pattern arg ...: exit 1, nothing but one line on stderr.
refused()
{
	pattern=$1
	shift

	atf_check -s exit:1 -o empty -e save:err "$(vmbench)" "$@"
	atf_check -o match:"^vmbench: " cat err
	atf_check -o match:"$pattern" cat err
	atf_check_equal 1 "$(wc -l <err)"
}

# bad_trace pattern: the trace on standard input is refused.
bad_trace()
{

	cat >bad.xt
	refused "$1" -q -w replay -T bad.xt
}

# A trace that is good, up to the events.
trace_start()
{

	printf '# a trace\nS 1 9f\nS 100 2000\nE 200 100\nE 800 800\nT\n'
}

atf_test_case list
list_head()
{
	atf_set descr "each workload that is listed is one, and prints a table"
}
list_body()
{

	atf_check -o save:list "$(vmbench)" -l
	atf_check_equal 12 "$(wc -l <list)"
	while read -r name what; do
		# In words, and in every table; to ask for it is an error.
		if [ "$what" != "${what%(not built in)}" ]; then
			refused "^vmbench: $name: .*not installed" -w "$name"
			atf_check -o match:"^$name: left out: .*not installed" \
			    "$(vmbench)" -eq -n 1 -s 256m -c 256m -S 256m
			continue
		fi
		atf_check -o match:"^$name" "$(vmbench)" -eq -w "$name" \
		    -s 256m -c 256m -S 256m -T "$(traces)/files.xt.xz"
	done <list
}

atf_test_case table
table_head()
{
	atf_set descr "the table has a row for each contender's times"
}
table_body()
{

	atf_check -o save:table "$(vmbench)" -q -w repeat,bulk -s 256m
	atf_check -o match:'^repeat, 256M$' cat table
	atf_check -o match:'^bulk, 256M$' cat table
	atf_check -o match:'extant +bare +spin' cat table
	atf_check -o match:'^pair, empty map( +[0-9.]+){5}$' \
	    grep -E '^pair, empty' table
	# Alone, there is nobody to compare with.
	atf_check -o save:table "$(vmbench)" -eq -w repeat -s 256m
	atf_check -o match:'^pair, empty map +[0-9.]+$' cat table
}

atf_test_case by_hand
by_hand_head()
{
	atf_set descr "a trace by hand, plain and compressed"
	atf_set require.progs xz
}
by_hand_body()
{

	{
		trace_start
		echo 'a 1 0 0 0 0 0'
		echo 'a 2 4 2 0 1 0'
		echo 'f 1 2 0'
		echo 'i 120 8 3 1'
		echo 'i 120 8 4 1'
		echo 'i 210 1 4 1'
		echo 'a 1 9 0 0 5 0'
		echo 'f 2 6 0'
		# Freed in part: in front, behind, in the middle, then the rest
		# in one go or in parts.
		echo 'a 3 4 0 0 7 0'
		echo 'a 4 4 0 0 7 0'
		echo 'p 3 0 2 8 0'
		echo 'p 3 e 2 8 0'
		echo 'p 3 6 4 8 0'
		echo 'p 3 c 2 8 0'
		echo 'p 3 3 1 8 0'
		echo 'f 3 9 0'
		echo 'p 4 4 4 9 0'
		echo 'p 4 0 4 9 0'
		echo 'p 4 8 8 9 0'
		echo 'a 4 0 0 0 10 0'
		echo 'f 4 10 0'
	} >hand.xt
	atf_check -o save:out "$(vmbench)" -q -w replay -T hand.xt
	# Two of the records contradict the rest.
	atf_check -o match:'^hand ' cat out
	atf_check xz -k hand.xt
	atf_check -o match:'^hand ' "$(vmbench)" -q -w replay -T hand.xt.xz
}

atf_test_case bad_options
bad_options_head()
{
	atf_set descr "nonsense on the command line is refused in one line"
}
bad_options_body()
{

	refused 'not a size: x' -s x
	refused 'not a size: 1x' -s 1x
	refused 'not a size: 1gg' -c 1gg
	refused 'not a size: -1g' -c -1g
	refused 'not a size: ' -s 1g,
	refused 'between 256m and 4t: 255m' -s 255m
	refused 'between 256m and 4t: 5t' -S 5t
	refused 'between 256m and 4t: 99999999999t' -S 99999999999t
	refused 'multiple of 2m: 268439552' -c 268439552
	refused 'more than 8 sizes' -s 1g,1g,1g,1g,1g,1g,1g,1g,1g
	refused 'runs is not between 1 and 1000: 0' -n 0
	refused 'runs is not a number: -1' -n -1
	refused 'runs is not a number: 3x' -n 3x
	refused 'threads is not between 2 and 32: 33' -t 33
	refused 'seed is not' -r 99999999999
	refused 'no such workload: walk' -w repeat,walk
	refused 'no such workload: ' -w ''
	refused 'replay: no trace is given' -w replay
	refused 'none.xt: No such file' -w replay -T none.xt
	refused 'No such file' -w repeat -o none/out
	atf_check -s exit:1 -o empty -e match:'^usage: vmbench' "$(vmbench)" -x
	atf_check -s exit:1 -o empty -e match:'^usage: vmbench' "$(vmbench)" x
}

atf_test_case bad_trace
bad_trace_start()
{
	atf_set descr "a trace is not trusted"
}
bad_trace_body()
{

	bad_trace 'bad.xt: no trace' </dev/null
	echo 'S 1 9f' | bad_trace 'no trace'
	printf 'S 1 9f\nT\n' | bad_trace 'no events'
	printf 'T\na 1 0 0 0 0 0\n' | bad_trace 'no trace'
	printf 'hello\n' | bad_trace 'bad.xt:1: unknown record: hello'
	printf 'S 1 9f' | bad_trace 'bad.xt:1: .*cut short'
	printf 'S 1\n' | bad_trace 'bad.xt:1: record S has 1 fields, not 2'
	printf 'S 9f 1\n' | bad_trace 'segment 9f to 1 is empty'
	printf 'S 0 100\n' | bad_trace 'frame 0 '
	printf 'S 1 ffffffffffffffff\n' | bad_trace 'beyond frame'
	printf 'S 1 fffffffffffffffff\n' | bad_trace 'not a number: fff'
	printf 'S 1 -9\n' | bad_trace 'not a number: -9'
	printf 'S 1 9z\n' | bad_trace 'not a number: 9z'
	printf 'S 100 200\nS 180 300\n' | bad_trace ':2: .*out of order'
	printf 'S 1 9f\nE 90 f\n' | bad_trace ':2: extent 90 .*within'
	printf 'S 1 9f\nE 90 10\n' | bad_trace ':2: extent 90 .*within'
	printf 'S 1 9f\nE 90 ffffffffffffffff\n' | bad_trace ':2: extent 90'
	printf 'S 1 9f\nE 20 0\n' | bad_trace ':2: extent 20'
	printf 'S 1 9f\nE 20 8\nE 24 8\n' | bad_trace ':3: .*out of order'
	printf 'S 1 9f\na 1 0 0 0 0 0\n' | bad_trace 'wrong side of T'
	{ trace_start; echo 'S 3000 4000'; } | bad_trace 'wrong side of T'
	{ trace_start; echo 'f 1 0 0'; } | bad_trace ':7: allocation 1 is not'
	{ trace_start; echo 'f ffffffff 0 0'; } | bad_trace 'is not there'
	{ trace_start; echo 'a ffffffff 0 0 0 0 0'; } | bad_trace 'is beyond'
	{ trace_start; echo 'a 1 21 0 0 0 0'; } | bad_trace 'order 21'
	{ trace_start; echo 'a 1 0 3 0 0 0'; } | bad_trace 'class 3'
	{ trace_start; echo 'i 9f 1 0 0'; } | bad_trace ':7: frames 9f'
	{ trace_start; echo 'i 120 0 0 0'; } | bad_trace ':7: frames 120'
	{ trace_start; printf 'a 1 0 0 0 0 0\na 1 0 0 0 0 0\n'; } |
	    bad_trace ':8: allocation 1 is there already'
	{ trace_start; printf 'a 1 0 0 0 0 0\nf 1 0 0\nf 1 0 0\n'; } |
	    bad_trace ':9: allocation 1 is not there'
	{ trace_start; printf 'a 1 0 0 0 0 0 %0200d\n' 0; } |
	    bad_trace ':7: the line is too long'
	{ trace_start; echo 'p 1 0 1 0 0'; } | bad_trace ':7: .*is not there'
	{ trace_start; printf 'a 1 2 0 0 0 0\np 1 0 5 0 0\n'; } |
	    bad_trace ':8: allocation 1 has no 5 frames from 0'
	{ trace_start; printf 'a 1 2 0 0 0 0\np 1 ffffffffff 1 0 0\n'; } |
	    bad_trace ':8: allocation 1 has no 1 frames from ffffffffff'
	{ trace_start; printf 'a 1 2 0 0 0 0\np 1 4 1 0 0\n'; } |
	    bad_trace '1 frames from 4 of allocation 1 are not allocated'
	{ trace_start
	    printf 'a 1 2 0 0 0 0\np 1 1 1 0 0\np 1 1 1 0 0\n'; } |
	    bad_trace '1 frames from 1 of allocation 1 are not allocated'
	{ trace_start; printf 'a 1 0 0 0 0 0\np 1 0 1 0 0\nf 1 0 0\n'; } |
	    bad_trace ':9: allocation 1 is not there'
	printf 'S 1 9f\n\0\n' | bad_trace ':2: not a text file'
	mkdir dir.xt
	refused 'dir.xt: Is a directory' -q -w replay -T dir.xt
}

atf_test_case bad_xz
bad_xz_head()
{
	atf_set descr "damaged compressed traces are refused"
	atf_set require.progs xz
}
bad_xz_body()
{
	good=$(traces)/files.xt.xz

	head -c 100000 "$good" | bad_trace 'cut short'
	head -c 12 "$good" | bad_trace 'cut short'
	{ head -c 50000 "$good"; head -c 100 /dev/zero
	    tail -c +50101 "$good"; } | bad_trace 'corrupt'
	{ cat "$good"; echo; } | bad_trace 'corrupt'
	# What it unpacks to is bounded by the longest line.
	head -c 100000000 /dev/zero | tr '\0' 1 | xz -1 |
	    bad_trace ':1: the line is too long'
}

atf_init_test_cases()
{

	atf_add_test_case list
	atf_add_test_case table
	atf_add_test_case by_hand
	atf_add_test_case bad_options
	atf_add_test_case bad_trace
	atf_add_test_case bad_xz
}
