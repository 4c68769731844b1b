#!/bin/sh
#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Finds the tools that a target needs, installs what is missing, and starts
# bmake.  Never asks anything.
#

set -u

fail()
{

	printf 'build.sh: %s\n' "$*" >&2
	exit 1
}

# Whether the preprocessor finds a header.  Without a compiler we cannot know,
# and the compiler is going to be installed together with the header.
have_header()
{

	printf '#include <%s>\n' "$1" | "$cc" -E -x c - >/dev/null 2>&1
}

# Whether the compiler links with the sanitizers asked for.
have_sanitizer()
{

	printf 'int main(void) { return 0; }\n' |
	    "$cc" "-fsanitize=$sanitize" -x c -o /dev/null - >/dev/null 2>&1
}

# Before something is installed for it.  Of address, memory and thread, each
# wants the address space for itself.
check_sanitize()
{

	[ -n "$sanitize" ] || return 0
	alone=
	rest=$sanitize,
	while [ -n "$rest" ]; do
		word=${rest%%,*}
		rest=${rest#*,}
		case $word in
		undefined)
			;;
		address|memory|thread)
			[ -z "$alone" ] || [ "$alone" = "$word" ] ||
			    fail "SANITIZE has both $alone and $word: $sanitize"
			alone=$word ;;
		*)	fail "SANITIZE is a list of address, undefined," \
			    "memory, thread: $sanitize" ;;
		esac
	done
}

# need_tool program package, need_header header package: adds the package to
# those that have to be installed, if the thing is not there.
need_tool()
{

	command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

need_header()
{

	have_header "$1" || missing="$missing $2"
}

need_build()
{

	need_tool bmake bmake
	need_tool clang clang
	need_tool ld.lld lld
	need_tool ar binutils
	case $cc in
	clang)	;;
	gcc)	need_tool gcc gcc; need_header stdio.h libc6-dev ;;
	*)	command -v "$cc" >/dev/null 2>&1 ||
		    fail "compiler not found: $cc" ;;
	esac
	need_header libelf.h libelf-dev
	need_header jansson.h libjansson-dev
	need_header bsd/bsd.h libbsd-dev
	[ -z "$sanitize" ] || [ "$cc" != clang ] || have_sanitizer ||
	    missing="$missing libclang-rt-dev"
}

need_run()
{

	need_tool qemu-system-x86_64 qemu-system-x86
}

need_test()
{

	need_tool kyua kyua
	need_tool make make
	need_tool xz xz-utils
	need_tool atf-sh atf-sh
	need_tool spin spin
	need_header atf-c.h libatf-dev
	need_header lzma.h liblzma-dev
	need_tool mandoc mandoc
}

need_lint()
{

	need_tool gcc gcc
	need_tool cppcheck cppcheck
}

# What the target needs and this machine lacks, into $missing.
find_missing()
{

	missing=
	case $1 in
	run)	need_build; need_run ;;
	test)	need_build; need_run; need_test; need_lint ;;
	build)	need_build; need_test ;;
	bench)	need_build; need_header lzma.h liblzma-dev
		need_header atf-c.h libatf-dev ;;
	install) need_build ;;
	lint)	need_build; need_lint; need_tool mandoc mandoc ;;
	clean)	need_tool bmake bmake ;;
	esac
	missing=${missing# }
}

# As root, or through a sudo that does not ask for a password.
as_root()
{

	if [ "$(id -u)" -eq 0 ]; then
		env DEBIAN_FRONTEND=noninteractive "$@"
	else
		sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
	fi </dev/null
}

# What apt and dpkg say is of interest only if they fail.
apt_get()
{

	as_root apt-get -qq -y -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1
}

# A stale or partly reachable index may do, so the installation decides.
install_missing()
{
	wanted=$missing

	command -v apt-get >/dev/null 2>&1 || fail "tools are missing and this" \
	    "system has no apt-get; the Debian packages are: $missing"
	as_root true 2>/dev/null || fail "tools are missing and neither root" \
	    "nor sudo without a password is there to install: $missing"

	echo "build.sh: installing $missing" >&2
	log=$(mktemp) || exit 1
	trap 'rm -f "$log"' EXIT
	apt_get update || cat "$log" >&2
	# shellcheck disable=SC2086 # a list of names
	apt_get install --no-install-recommends $missing || {
		cat "$log" >&2
		fail "cannot install: $missing"
	}
	rm -f "$log"
	trap - EXIT

	find_missing "$1"
	[ -z "$missing" ] || fail "installed $wanted, but still missing:" \
	    "$missing"
}

# The runner's line has to be the last: bmake would report a failure after it.
run_tests()
{
	objtop=$(bmake "$@" -V '${OBJTOP}') || exit 1

	bmake "$@" all || exit 1
	# shellcheck disable=SC2086 # a list of filters
	SRCTOP=$top OBJTOP=$objtop LONG=${long:-no} \
	    exec sh tests/run.sh $tests
}

top=$(cd "$(dirname "$0")" && pwd -P) || exit 1
case $# in
0)	fail "no target given (./build.sh help lists them)" ;;
esac
target=$1
shift

goal=$target
case $target:${1:-} in
run:--devices)
	goal=run-devices
	shift ;;
esac

case $target in
-h|-\?|--help|help)
	exec cat "$top/share/mk/help" ;;
run|test|bench|build|install|lint|clean)
	;;
*)	fail "unknown target: $target (./build.sh help lists them)" ;;
esac
case $top in
*[!A-Za-z0-9_./+@%~-]*)
	fail "the path of the source tree has a character other than" \
	    "A-Za-z0-9_./+@%~-: $top" ;;
esac

# The variables that decide which tools are needed, from the command line or
# else from the environment.
cc=${CC:-clang}
sanitize=${SANITIZE:-}
long=${LONG:-}
tests=${TESTS:-}
jobs=
expect_jobs=
for arg; do
	if [ -n "$expect_jobs" ]; then
		expect_jobs=
		jobs=$arg
		continue
	fi
	case $arg in
	-j)	expect_jobs=yes ;;
	-j*)	jobs=${arg#-j} ;;
	CC=*)	cc=${arg#*=} ;;
	SANITIZE=*)
		sanitize=${arg#*=} ;;
	LONG=*)	long=${arg#*=} ;;
	TESTS=*)
		tests=${arg#*=} ;;
	[A-Za-z_]*=*)
		;;
	--devices)
		fail "--devices comes first, and after run only" ;;
	*)	fail "neither -j nor variable=value: $arg" ;;
	esac
done
[ -z "$expect_jobs" ] || fail "-j wants a number of jobs"
if [ -z "$jobs" ]; then
	jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null) || jobs=2
	set -- -j "$jobs" "$@"
fi
case $jobs in
''|*[!0-9]*|0)
	fail "-j wants a number of jobs, not: $jobs" ;;
esac

check_sanitize

cd "$top" || exit 1
find_missing "$target"
[ -z "$missing" ] || install_missing "$target"

case $target in
test)	run_tests "$@" ;;
build)	exec bmake "$@" all ;;
*)	exec bmake "$@" "$goal" ;;
esac
