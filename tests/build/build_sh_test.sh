#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# build.sh: what it says, what it refuses, and how it gets its tools.
#

build_sh()
{

	echo "$(atf_config_get srctop)/build.sh"
}

# refused pattern arg ...: exit 1, nothing but one line on stderr.
refused()
{
	pattern=$1
	shift

	atf_check -s exit:1 -o empty -e save:err "$(build_sh)" "$@"
	atf_check -o match:"^build.sh: $pattern" cat err
	atf_check_equal 1 "$(wc -l <err)"
}

# A directory with nothing but what build.sh itself needs, to be the whole PATH.
only_path()
{

	mkdir bin
	for c in sh env cat dirname id printf getconf mktemp rm true; do
		for d in /bin /usr/bin; do
			[ ! -x "$d/$c" ] || ln -sf "$d/$c" "bin/$c"
		done
		[ -x "bin/$c" ] || atf_fail "no $c in /bin and /usr/bin"
	done
}

# fake name body: a command of that PATH.
fake()
{

	rm -f "bin/$1"
	printf '#!/bin/sh\n%s\n' "$2" >"bin/$1"
	chmod 755 "bin/$1"
}

atf_test_case help
help_head()
{
	atf_set descr "help lists every target and every variable"
}
help_body()
{

	atf_check -o save:help "$(build_sh)" help
	for t in run test bench build install lint clean help DESTDIR PREFIX CC \
	    SANITIZE TESTS LONG BENCHFLAGS; do
		atf_check -o match:"^    $t[ =]|, $t=" cat help
	done
	atf_check -o file:help "$(build_sh)" --help
	atf_check -o file:help "$(build_sh)" -h
}

atf_test_case help_without_tools
help_without_tools_head()
{
	atf_set descr "help needs no tool and installs none"
}
help_without_tools_body()
{

	only_path
	fake apt-get 'echo called >&2; exit 1'
	atf_check -o match:'^usage: ' env PATH="$PWD/bin" "$(build_sh)" help
}

atf_test_case usage
usage_head()
{
	atf_set descr "bad arguments get one line that names them"
}
usage_body()
{

	refused "no target given"
	refused "unknown target: frobnicate" frobnicate
	refused "unknown target: -j" -j 4
	refused "neither -j nor variable=value: all" test all
	refused "neither -j nor variable=value: -x" build -x
	refused "neither -j nor variable=value: --all" run --all
	refused "neither -j nor variable=value: --all" run --devices --all
	refused "--devices comes first, and after run only" test --devices
	refused "--devices comes first, and after run only" run -j 1 --devices
	refused "-j wants a number of jobs, not: many" build -jmany
	refused "-j wants a number of jobs, not: 0" build -j 0
	refused "-j wants a number of jobs$" build -j
}

atf_test_case compiler
compiler_head()
{
	atf_set descr "a compiler that does not exist is refused"
}
compiler_body()
{

	refused "compiler not found: no-such-cc" build CC=no-such-cc
}

atf_test_case sanitize
sanitize_head()
{
	atf_set descr "a sanitizer that does not exist is refused before" \
	    "anything is installed for it"
}
sanitize_body()
{

	only_path
	fake id 'echo 0'
	fake apt-get 'echo "$@" >>'"$PWD"'/calls'
	fake clang 'exit 1'
	for bad in bogus adress,undefined address,bogus address, , \
	    "address undefined" '*' Address; do
		for t in build test run lint; do
			atf_check -s exit:1 -e save:err \
			    env PATH="$PWD/bin" "$(build_sh)" $t "SANITIZE=$bad"
			echo "build.sh: SANITIZE is a list of address," \
			    "undefined, memory, thread: $bad" >wanted
			atf_check -o file:wanted cat err
		done
		atf_check -s exit:1 -e file:wanted \
		    env PATH="$PWD/bin" SANITIZE="$bad" "$(build_sh)" build
	done
	atf_check -s exit:1 \
	    -e inline:'build.sh: SANITIZE has both memory and address: memory,undefined,address\n' \
	    env PATH="$PWD/bin" "$(build_sh)" build \
	    SANITIZE=memory,undefined,address
	atf_check test ! -e calls

	# The others are tried.
	for good in address undefined memory thread undefined,address; do
		atf_check -s exit:1 -e match:'still missing: .*libclang-rt-dev' \
		    env PATH="$PWD/bin" "$(build_sh)" build "SANITIZE=$good"
		atf_check -o match:'install.* libclang-rt-dev' cat calls
		rm calls
	done
}

atf_test_case path_odd
path_odd_head()
{
	atf_set descr "a tree whose path has an odd character is refused"
}
path_odd_body()
{

	for odd in 'a tree' 'a&b' 'a;b' 'a*b' "a'b" 'a"b' 'a(b' 'a$b' 'a\b' \
	    'a,b' 'a:b'; do
		mkdir "$odd"
		cp "$(build_sh)" "$odd/build.sh"
		atf_check -s exit:1 -e save:err "./$odd/build.sh" build
		atf_check_equal 1 "$(wc -l <err)"
		grep -qF "path of the source tree has a character" err &&
		    grep -qF ": $PWD/$odd" err || atf_fail "$(cat err)"
	done
}

atf_test_case no_apt
no_apt_head()
{
	atf_set descr "without apt-get the packages are named"
}
no_apt_body()
{

	only_path
	for t in build run test bench install lint; do
		atf_check -s exit:1 -e save:err \
		    env -u CC PATH="$PWD/bin" "$(build_sh)" $t
		atf_check_equal 1 "$(wc -l <err)"
		atf_check -o match:'no apt-get.* bmake clang lld' cat err
		mv err err.$t
	done
	atf_check -o match:qemu-system-x86 cat err.run
	atf_check -o match:'x86 kyua make xz-utils atf-sh' cat err.test
	atf_check -o match:'libatf-dev liblzma-dev mandoc gcc cppcheck$' cat err.test
	atf_check -o match:'liblzma-dev libatf-dev$' cat err.bench
	atf_check -o not-match:'qemu|kyua' cat err.install
	atf_check -o match:cppcheck cat err.lint
}

atf_test_case no_right
no_right_head()
{
	atf_set descr "without the right to install the packages are named"
}
no_right_body()
{

	only_path
	fake id 'echo 1000'
	fake apt-get 'touch called'
	atf_check -s exit:1 -e match:'neither root.*: bmake clang lld' \
	    env -u CC PATH="$PWD/bin" "$(build_sh)" build
	fake sudo 'test "$1" = -n && echo "a password is required" >&2; exit 1'
	atf_check -s exit:1 -e match:'neither root.*: bmake clang lld' \
	    env -u CC PATH="$PWD/bin" "$(build_sh)" build
	atf_check test ! -e called
}

atf_test_case installs
installs_head()
{
	atf_set descr "what is missing, and only that, is installed"
}
installs_body()
{

	only_path
	fake id 'echo 0'
	# Installs a bmake that prints its arguments; the rest is there.
	fake apt-get 'echo "$DEBIAN_FRONTEND" "$@" >>'"$PWD"'/calls
case "$*" in *" install "*)
	printf "%s\n" "#!/bin/sh" "echo made \"\$@\"" >'"$PWD"'/bin/bmake
	/bin/chmod 755 '"$PWD"'/bin/bmake ;;
esac'
	fake clang 'exit 0'
	fake ld.lld 'exit 0'
	fake ar 'exit 0'
	atf_check -o inline:'made -j 3 PREFIX=/p install\n' \
	    -e inline:'build.sh: installing bmake\n' \
	    env -u CC PATH="$PWD/bin" "$(build_sh)" install -j 3 PREFIX=/p
	atf_check -o match:'^noninteractive .* update$' sed -n 1p calls
	atf_check -o match:'install --no-install-recommends bmake$' \
	    sed -n 2p calls
	atf_check_equal 2 "$(wc -l <calls)"

	# Now nothing is missing and apt-get is left alone.
	atf_check -o inline:'made -j 3 install\n' \
	    env -u CC PATH="$PWD/bin" "$(build_sh)" install -j 3
	atf_check_equal 2 "$(wc -l <calls)"
}

atf_test_case install_fails
install_fails_head()
{
	atf_set descr "a failed installation is reported with apt's words"
}
install_fails_body()
{

	only_path
	fake id 'echo 0'
	fake apt-get 'echo "E: no network"; exit 100'
	atf_check -s exit:1 -e match:'E: no network' \
	    -e match:'build.sh: cannot install: bmake clang lld' \
	    env -u CC PATH="$PWD/bin" "$(build_sh)" build

	# One that claims to have worked, but did not.
	fake apt-get 'exit 0'
	atf_check -s exit:1 -e match:'but still missing: bmake clang lld' \
	    env -u CC PATH="$PWD/bin" "$(build_sh)" build
}

atf_test_case test_target
test_target_head()
{
	atf_set descr "test builds, runs the suite, and ends with its line"
}
test_target_body()
{
	srctop=$(atf_config_get srctop)

	mkdir -p tree/share tree/tests/d
	cp -R "$srctop/share/mk" tree/share/mk
	cp "$srctop/build.sh" tree/
	cp "$srctop/tests/run.sh" "$srctop/tests/summary.awk" \
	    "$srctop/tests/Kyuafile" tree/tests/
	printf '%s\n' '.include "share/mk/extant.init.mk"' 'SUBDIR=tests/d' \
	    '.include <extant.subdir.mk>' >tree/Makefile
	printf '%s\n' '.include "../../share/mk/extant.init.mk"' \
	    'ATF_SH=a_test' '.include <extant.test.mk>' >tree/tests/d/Makefile
	printf '%s\n' 'syntax(2)' 'test_suite("extant")' \
	    'atf_test_program{name="a_test"}' >tree/tests/d/Kyuafile
	cat >tree/tests/d/a_test.sh <<-'EOT'
	atf_test_case good
	good_body() { :; }
	atf_test_case long
	long_body()
	{
		[ "$(atf_config_get long 0)" = 1 ] || atf_skip "takes long"
	}
	atf_test_case bad
	bad_body() { atf_fail "always"; }
	atf_init_test_cases()
	{
		for c in good long bad; do
			atf_add_test_case $c
		done
	}
	EOT

	atf_check -s exit:1 -o save:out -e ignore env -u MAKEFLAGS \
	    tree/build.sh test
	atf_check_equal "1 passed, 1 failed, 1 skipped" "$(tail -n 1 out)"
	atf_check -s exit:1 -o save:out -e ignore env -u MAKEFLAGS \
	    tree/build.sh test LONG=1
	atf_check_equal "2 passed, 1 failed, 0 skipped" "$(tail -n 1 out)"
	atf_check -o save:out -e ignore env -u MAKEFLAGS \
	    tree/build.sh test TESTS=d/a_test:good
	atf_check_equal "1 passed, 0 failed, 0 skipped" "$(tail -n 1 out)"
	atf_check -o inline:'Makefile\nbuild.sh\nobj\nshare\ntests\n' \
	    ls tree
}

atf_init_test_cases()
{
	atf_add_test_case help
	atf_add_test_case help_without_tools
	atf_add_test_case usage
	atf_add_test_case compiler
	atf_add_test_case sanitize
	atf_add_test_case path_odd
	atf_add_test_case no_apt
	atf_add_test_case no_right
	atf_add_test_case installs
	atf_add_test_case install_fails
	atf_add_test_case test_target
}
