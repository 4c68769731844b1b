#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# The model of pools without a lock, vm_pool.pml, holds in every state that can
# be reached, and each of its mutations is found.
#

# search [MUTATION]: visits the states; what was found is in pan.out.
search()
{

	# shellcheck disable=SC2086 # no argument if there is no mutation
	spin -P"cc -E -x c" ${1:+-D$1} -a \
	    "$(atf_config_get srctop)/tests/model/vm_pool.pml" \
	    >spin.out 2>&1 || {
		cat spin.out
		atf_fail "spin rejects the model"
	}
	atf_check cc -w -O1 -DSAFETY -DMEMLIM=8000 -DCOLLAPSE -o pan pan.c
	./pan -m3000000 -w24 >pan.out 2>&1 || :
	grep -E '^pan:|^error:|states, stored|depth reached|memory usage$' \
	    pan.out
}

atf_test_case holds
holds_head()
{
	atf_set descr "Two CPUs that allocate, free and walk"
	atf_set require.progs "spin cc"
}
holds_body()
{

	search
	grep -q 'errors: 0$' pan.out || atf_fail "the model has an error"
	if grep -E 'depth too small|not completed' pan.out; then
		atf_fail "not all states were visited"
	fi
}

atf_test_case mutations
mutations_head()
{
	atf_set descr "Each mutation is found"
	atf_set require.progs "spin cc"
}
mutations_body()
{
	model=$(atf_config_get srctop)/tests/model/vm_pool.pml
	names=$(sed -n 's/^ \* \([A-Z_]*\)	.*/\1/p' "$model")

	[ "$(echo "$names" | wc -l)" -eq 7 ] || atf_fail "not seven: $names"
	for name in $names; do
		grep -Eq "^#ifn?def $name\$" "$model" ||
		    atf_fail "$name is nowhere in the model"
		search "$name"
		grep -q '^pan:1: assertion violated' pan.out ||
		    atf_fail "$name is not found"
		if grep '^pan:1:.*invalid array index' pan.out; then
			atf_fail "$name breaks the model itself"
		fi
	done
}

atf_init_test_cases()
{

	atf_add_test_case holds
	atf_add_test_case mutations
}
