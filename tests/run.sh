#!/bin/sh
#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Runs the test programs that make has built and ends with the one line
# "N passed, N failed, N skipped".  Started by the goal test:
#
#	SRCTOP=dir OBJTOP=dir [DIR=dir] [LONG=1] sh tests/run.sh [filter ...]
#
# DIR is a directory below tests, if only its tests are to be run; a filter is
# kyua(1)'s, program or program:case, with a path as seen from DIR.  Leaves in
# OBJTOP/tests: results.db, for further kyua reports, and report.txt.
#

set -u

here=$SRCTOP/tests
out=$OBJTOP/tests
db=$out/results.db.$$
report=$out/report.txt.$$
log=$out/kyua.log

give_up()
{

	echo "tests/run.sh: $1" >&2
	awk -f "$here/summary.awk" </dev/null
	exit 1
}

command -v kyua >/dev/null 2>&1 || give_up "kyua not found"

case $SRCTOP,$OBJTOP in
/*,/*)	;;
*)	give_up "SRCTOP or OBJTOP is not absolute: $SRCTOP, $OBJTOP" ;;
esac

cpus=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
[ "$cpus" -ge 2 ] || cpus=2

mkdir -p "$out/home" || give_up "cannot make $out/home"
rm -f "$db" "$report"
trap 'rm -f "$db" "$db.status" "$report"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The tests see nothing of who runs them, and nothing of that goes into their
# reports.
run_kyua()
{

	env -i PATH="$PATH:/usr/sbin:/sbin" HOME="$out/home" LANG=C \
	    ASAN_OPTIONS=detect_leaks=0 \
	    UBSAN_OPTIONS=print_stacktrace=1 \
	    TSAN_OPTIONS=halt_on_error=1 \
	    kyua --config=none --logfile="$log" \
	    -v parallelism="$cpus" \
	    -v test_suites.extant.objdir="$OBJTOP" \
	    -v test_suites.extant.srctop="$SRCTOP" \
	    "$@"
}

suite=${DIR:+/$DIR}
set -- test -k "$here$suite/Kyuafile" --build-root="$out$suite" -r "$db" "$@"
if [ "${LONG:-no}" != no ]; then
	set -- -v test_suites.extant.long=1 "$@"
fi
# The names of the results and kyua's own totals would only be confusing.
{ run_kyua "$@"; echo $? >"$db.status"; } |
    awk '!/^$|^(Results saved to|[0-9]+\/[0-9]+ passed) / { print; fflush() }'
status=$(cat "$db.status")
[ -s "$db" ] || give_up "kyua ran no tests"

# Each failed test with its output; then the lists of those that did not pass
# and the totals.
run_kyua report -r "$db" --verbose --results-filter=failed,broken |
    awk '
	/^===> (Summary|Failed tests|Broken tests)$/ { exit }
	/^===> / { shown = ($0 != "===> Execution context") }
	/^Metadata:$/ { shown = 0 }
	/^Standard (output|error):$/ { shown = 1 }
	shown' >"$report"
run_kyua report -r "$db" --results-filter=failed,broken,skipped |
    grep -v '^Results read from' >>"$report"

mv -f "$db" "$out/results.db"
mv -f "$report" "$out/report.txt"
echo
cat "$out/report.txt"
awk -f "$here/summary.awk" "$out/report.txt" || status=1
exit "$status"
