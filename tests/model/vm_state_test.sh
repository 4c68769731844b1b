#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# The model of the state protocol, vm_state.pml, holds in every state that can
# be reached, and each of its mutations is found.
#

# checker DEFINE...: makes pan, which visits the states of the model with these
# names defined.  STORE says how to keep states.
checker()
{

	: "${STORE:=-DCOLLAPSE}" "${OPTIMISE:=-O2}"
	defines=
	for d; do
		defines="$defines -D$d"
	done
	# shellcheck disable=SC2086 # lists of options
	spin -P"cc -E -x c" $defines -a \
	    "$(atf_config_get srctop)/tests/model/vm_state.pml" \
	    >spin.out 2>&1 || {
		cat spin.out
		atf_fail "spin rejects the model"
	}
	# shellcheck disable=SC2086 # lists of options
	atf_check cc -w $OPTIMISE -DSAFETY -DMEMLIM=4000 $STORE -o pan pan.c
}

# visit DEPTH HASH [OPTION]: runs pan with room for so deep a search and 2^HASH
# slots.
visit()
{

	./pan "-m$1" "-w$2" ${3:+"$3"} >pan.out 2>&1 || :
	grep -E '^pan:|^error:|states, stored|depth reached|memory usage$' \
	    pan.out
	grep -q 'errors: [0-9]' pan.out || {
		cat pan.out
		atf_fail "pan did not finish"
	}
}

# holds DEPTH HASH: no error, and no state left out.
holds()
{

	visit "$1" "$2"
	grep -q 'errors: 0$' pan.out || atf_fail "the model has an error"
	if grep -E 'depth too small|not completed' pan.out; then
		atf_fail "not all states were visited"
	fi
}

# broken: an assertion fails, and not for a mistake in the model.
broken()
{

	visit 8000000 22
	grep -q '^pan:1: assertion violated' pan.out ||
	    atf_fail "the mutation is not found"
	if grep '^pan:1:.*invalid array index' pan.out; then
		atf_fail "the mutation breaks the model itself"
	fi
}

# model_case NAME DESCRIPTION COMMANDS: a gigabyte and ten seconds at most.
model_case()
{
	name=$1 descr=$2 run=$3

	atf_test_case "$name"
	eval "${name}_head()
	{
		atf_set descr \"$descr\"
		atf_set require.progs \"spin cc\"
	}
	${name}_body()
	{
		$run
	}"
	cases="$cases $name"
}

# The same for LONG=1: less than four gigabytes, and minutes.
long_case()
{

	model_case "$1" "$2" "
		[ \"\$(atf_config_get long 0)\" = 1 ] ||
		    atf_skip \"takes minutes: LONG=1\"
		$3"
}

cases=
model_case alone "One CPU that does everything: requests fail exactly if they must" \
    "checker NCPU=1 NFRAME=4; holds 3000000 24"
model_case pages "Two CPUs that allocate and free single pages" \
    "checker PAGES_PAGES QSIZE0=1; holds 3000000 24"
model_case runs "Runs on one CPU, single pages on the other" \
    "checker RUNS_PAGES; holds 3000000 24"
model_case mixed "Everything on one CPU, single pages on the other" \
    "checker ALL_PAGES QSIZE=1 HONEST; holds 6000000 24"
model_case looks "Requests that remember what they looked at in vain" \
    "checker LOOKS; holds 3000000 24"
long_case pages_two "Single pages, with queues of two entries" \
    "checker PAGES_PAGES; holds 12000000 26"
long_case mixed_wrong "Everything on one CPU, with wrong frees" \
    "checker ALL_PAGES QSIZE=1; holds 12000000 26"
long_case runs_runs "Runs and single pages on two CPUs" \
    "checker RUNS_RUNS QSIZE=1; holds 20000000 26"
long_case runs_frames "Runs against single pages, four frames" \
    "checker RUNS_PAGES NFRAME=4; holds 20000000 26"
long_case looks_kinds "Looks that are remembered for some requests" \
    "checker LOOKS_KINDS; holds 12000000 26"
long_case looks_back "Looks while single frames are taken back" \
    "checker LOOKS_BACK; holds 12000000 26"

# Too many states to visit all, or to keep them whole: five minutes' worth, each
# a few bits in a table.
long_case looks_trims "Looks while runs are trimmed, as many states as five \
minutes allow" \
    "STORE=-DBITSTATE; checker LOOKS_TRIMS; visit 5000000 32 -Q5
	grep -q 'errors: 0\$' pan.out || atf_fail 'the model has an error'"
long_case three "Three CPUs, as many states as five minutes allow" \
    "STORE=-DBITSTATE; checker RUNS_PAGES QSIZE=1 NCPU=3
	visit 5000000 32 -Q5
	grep -q 'errors: 0\$' pan.out || atf_fail 'the model has an error'"

mutation()
{

	model_case "$(echo "$2" | tr '[:upper:]' '[:lower:]')" \
	    "Is found: $3" "OPTIMISE=-O0; checker $1 $2; broken"
}

mutation RUNS_PAGES POP_STORE "a pop without compare-and-swap"
mutation RUNS_PAGES PUSH_STORE "a free that verifies, then stores"
mutation RUNS_PAGES PUSH_NO_TAIL "a free that ignores the next frame"
mutation RUNS_PAGES PUSH_WORD_END "the last frame of a word without the lock"
mutation RUNS_PAGES PUSH_LATE_ENTRY "an entry that comes after the state"
mutation RUNS_PAGES PUSH_WORK_FIRST "work that is counted too early"
mutation RUNS_PAGES UNPAGE_NO_TAIL "the same with it, and the run behind ignored"
mutation RUNS_PAGES UNPAGE_NO_LOCK "a page goes the long way without the lock"
mutation RUNS_PAGES REFILL_UNLOCK "a refill that unlocks too early"
mutation RUNS_PAGES REFILL_NO_LOCK "a refill without the lock"
mutation RUNS_PAGES SPILL_STORE "a spill without compare-and-swap"
mutation RUNS_PAGES SPILL_EARLY "a spill that removes entries too early"
mutation RUNS_PAGES TAKE_STORE "taking back without compare-and-swap"
mutation RUNS_PAGES TAKE_TRUST "a run with a frame that was not taken"
mutation RUNS_PAGES TAKE_TWICE "a CPU that is thought idle for ever"
mutation RUNS_PAGES TAKE_COUNTED "a look at counted entries only"
mutation RUNS_PAGES FORGET_OTHER "emptying the queue of another CPU"
mutation PAGES_PAGES DRAIN_UNLOCK "the last page taken in a second breath"
mutation RUNS_PAGES RUN_NO_LOCK "a run without the lock"
mutation RUNS_PAGES UNRUN_STORE "freeing a run without compare-and-swap"
mutation RUNS_PAGES TRIM_CUT "a trim that makes a run of what it frees"
mutation LOOKS LOOK_KEEP "a look that outlives all changes"
mutation LOOKS_KINDS LOOK_ANY "a look that is good for any request"
mutation LOOKS LOOK_NO_SLACK "an entry that is pushed, but not counted"
mutation LOOKS LOOK_NO_PAST "an entry that is just being pushed"
mutation LOOKS LOOK_COUNT_LATE "pushes that are read behind a look"
mutation LOOKS UNRUN_NO_GEN "a look that outlives a run that is freed"
mutation LOOKS_TRIMS TRIM_NO_GEN "a look that outlives a trim"
mutation LOOKS SPILL_NO_GEN "a look that outlives a spill"

atf_init_test_cases()
{

	for c in $cases; do
		atf_add_test_case "$c"
	done
}
