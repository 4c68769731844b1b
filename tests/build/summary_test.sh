#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# summary.awk: the line that the whole suite ends with.
#

# summary status line: of the report on stdin.
summary()
{

	atf_check -s exit:"$1" -o inline:"$2\n" \
	    awk -f "$(atf_config_get srctop)/tests/summary.awk"
}

atf_test_case passed
passed_body()
{

	echo "Test cases: 12 total, 0 skipped, 0 expected failures, 0 broken," \
	    "0 failed" | summary 0 "12 passed, 0 failed, 0 skipped"
}

atf_test_case expected_failure
expected_failure_head()
{
	atf_set descr "an expected failure has passed"
}
expected_failure_body()
{

	echo "Test cases: 12 total, 2 skipped, 3 expected failures, 0 broken," \
	    "0 failed" | summary 0 "10 passed, 0 failed, 2 skipped"
}

atf_test_case broken
broken_head()
{
	atf_set descr "a broken test has failed"
}
broken_body()
{

	echo "Test cases: 12 total, 1 skipped, 0 expected failures, 2 broken," \
	    "0 failed" | summary 1 "9 passed, 2 failed, 1 skipped"
}

atf_test_case failed
failed_body()
{

	echo "Test cases: 12 total, 1 skipped, 1 expected failures, 2 broken," \
	    "4 failed" | summary 1 "5 passed, 6 failed, 1 skipped"
}

atf_test_case nothing_ran
nothing_ran_head()
{
	atf_set descr "no test, no report, or only skipped tests: no success"
}
nothing_ran_body()
{

	echo "Test cases: 0 total, 0 skipped, 0 expected failures, 0 broken," \
	    "0 failed" | summary 1 "0 passed, 0 failed, 0 skipped"
	echo "Test cases: 3 total, 3 skipped, 0 expected failures, 0 broken," \
	    "0 failed" | summary 1 "0 passed, 0 failed, 3 skipped"
	summary 1 "0 passed, 0 failed, 0 skipped" </dev/null
}

atf_test_case only_the_totals
only_the_totals_head()
{
	atf_set descr "what a test prints does not count"
}
only_the_totals_body()
{

	cat >report <<-EOT
	===> a_test:one
	Standard output:
	99 total, 99 failed
	 Test cases: 99 total, 0 skipped, 99 failed
	===> Summary
	Test cases: 2 total, 0 skipped, 0 expected failures, 0 broken, 1 failed
	Total time: 0.027s
	EOT
	summary 1 "1 passed, 1 failed, 0 skipped" <report
}

atf_init_test_cases()
{
	atf_add_test_case passed
	atf_add_test_case expected_failure
	atf_add_test_case broken
	atf_add_test_case failed
	atf_add_test_case nothing_ran
	atf_add_test_case only_the_totals
}
