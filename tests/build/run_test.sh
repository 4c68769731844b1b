#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# run.sh: runs a suite of its own, with known results.
#

# A tree of two test programs, built already.
make_suite()
{
	srctop=$(atf_config_get srctop)

	mkdir -p src/tests/d obj/tests/d
	cp "$srctop/tests/run.sh" "$srctop/tests/summary.awk" \
	    "$srctop/tests/Kyuafile" src/tests/
	printf '%s\n' 'syntax(2)' 'test_suite("extant")' \
	    'atf_test_program{name="mixed_test"}' \
	    'atf_test_program{name="good_test"}' >src/tests/d/Kyuafile
	cat >obj/tests/d/mixed_test <<-'EOT'
	#! /usr/bin/env atf-sh
	atf_test_case bad
	bad_body() { echo "what it printed"; atf_fail "why it failed"; }
	atf_test_case broken
	broken_body() { kill -9 $$; }
	atf_test_case skipped
	skipped_body() { atf_skip "why it was skipped"; }
	atf_test_case expected
	expected_body() { atf_expect_fail "known"; atf_fail "known"; }
	atf_init_test_cases()
	{
		for c in bad broken skipped expected; do
			atf_add_test_case $c
		done
	}
	EOT
	cat >obj/tests/d/good_test <<-'EOT'
	#! /usr/bin/env atf-sh
	atf_test_case vars
	vars_body()
	{
		test -d "$(atf_config_get objdir)/tests" || atf_fail objdir
		test -d "$(atf_config_get srctop)/tests" || atf_fail srctop
		test -z "${SECRET+set}" || atf_fail "not a clean environment"
		atf_check -o not-match:'^TERM=' env
	}
	atf_test_case long
	long_body()
	{
		if [ "$(atf_config_get long 0)" != 1 ]; then
			atf_skip "takes long"
		fi
	}
	atf_init_test_cases()
	{
		atf_add_test_case vars
		atf_add_test_case long
	}
	EOT
	chmod 755 obj/tests/d/*_test
}

# run_sh status var=value ... [-- filter ...]: the output goes to out.
run_sh()
{
	status=$1
	shift

	atf_check -s exit:"$status" -o save:out -e save:err \
	    env SECRET=x TERM=vt100 SRCTOP="$PWD/src" OBJTOP="$PWD/obj" \
	    sh src/tests/run.sh "$@"
}

atf_test_case mixed
mixed_head()
{
	atf_set descr "failures are shown with their output, and counted"
}
mixed_body()
{

	make_suite
	run_sh 1
	atf_check_equal "2 passed, 2 failed, 2 skipped" "$(tail -n 1 out)"
	atf_check_equal 1 "$(grep -c 'passed, .* skipped$' out)"
	atf_check -o match:'^what it printed$' cat out
	atf_check -o match:'failed: why it failed' cat out
	atf_check -o match:'skipped: why it was skipped' cat out
	atf_check -o match:'^what it printed$' cat obj/tests/report.txt
	atf_check -o not-match:'SECRET' cat out obj/tests/report.txt
	atf_check test -s obj/tests/results.db

	# Again, over the files of the last run.
	run_sh 1
	atf_check_equal "2 passed, 2 failed, 2 skipped" "$(tail -n 1 out)"
	atf_check_equal "" "$(ls obj/tests | grep '\.[0-9]*$')"
}

atf_test_case filter
filter_body()
{

	make_suite
	run_sh 0 d/good_test
	atf_check_equal "1 passed, 0 failed, 1 skipped" "$(tail -n 1 out)"
	run_sh 0 d/good_test:vars
	atf_check_equal "1 passed, 0 failed, 0 skipped" "$(tail -n 1 out)"
	run_sh 1 d/no_such_test
	atf_check_equal "0 passed, 0 failed, 0 skipped" "$(tail -n 1 out)"
}

atf_test_case directory
directory_head()
{
	atf_set descr "one directory is run whatever the state of the others"
}
directory_body()
{

	make_suite
	mkdir src/tests/unbuilt
	sed 's/good/not_built/' src/tests/d/Kyuafile >src/tests/unbuilt/Kyuafile
	run_sh 1
	DIR=d run_sh 0 good_test
	atf_check_equal "1 passed, 0 failed, 1 skipped" "$(tail -n 1 out)"
}

atf_test_case long
long_body()
{

	make_suite
	LONG=1 run_sh 0 d/good_test
	atf_check_equal "2 passed, 0 failed, 0 skipped" "$(tail -n 1 out)"
	LONG=no run_sh 0 d/good_test
	atf_check_equal "1 passed, 0 failed, 1 skipped" "$(tail -n 1 out)"
}

atf_test_case missing_program
missing_program_head()
{
	atf_set descr "a program that was not built fails the suite"
}
missing_program_body()
{

	make_suite
	rm obj/tests/d/good_test
	run_sh 1
	atf_check -o match:'^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' \
	    tail -n 1 out
}

atf_test_case bad_kyuafile
bad_kyuafile_head()
{
	atf_set descr "a Kyuafile that cannot be read fails the suite"
}
bad_kyuafile_body()
{

	make_suite
	echo 'atf_test_program(' >>src/tests/d/Kyuafile
	run_sh 1
	atf_check_equal "0 passed, 0 failed, 0 skipped" "$(tail -n 1 out)"
}

atf_test_case bad_sh
bad_sh_head()
{
	atf_set descr "a program that crashes when listed is a failure"
}
bad_sh_body()
{

	make_suite
	echo 'if' >>obj/tests/d/good_test
	run_sh 1 d/good_test
	atf_check_equal "0 passed, 1 failed, 0 skipped" "$(tail -n 1 out)"
}

atf_init_test_cases()
{
	atf_add_test_case mixed
	atf_add_test_case filter
	atf_add_test_case directory
	atf_add_test_case long
	atf_add_test_case missing_program
	atf_add_test_case bad_kyuafile
	atf_add_test_case bad_sh
}
