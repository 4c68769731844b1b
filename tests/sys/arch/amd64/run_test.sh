#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# run.sh: the whole way, and that it fails when it should.
#

# runs NAME DESCRIPTION: a test case NAME, which runs NAME_run.
runs()
{

	atf_test_case "$1"
	eval "$1_head()
	{

		atf_set descr '$2'
		atf_set require.progs qemu-system-x86_64
		atf_set timeout 180
	}
	$1_body()
	{

		kernel=\$(atf_config_get objdir)/sys/arch/amd64/extant
		extstat=\$(atf_config_get objdir)/usr.sbin/extstat/extstat
		mkdir objects temporary
		$1_run
	}"
}

# run STATUS MESSAGE VARIABLE=VALUE...: runs run.sh, which ends so.
run()
{

	want=$1
	message=$2
	shift 2
	status=0
	env EXTANT_KERNEL="$kernel" EXTANT_EXTSTAT="$extstat" \
	    OBJDIR="$PWD/objects" TMPDIR="$PWD/temporary" "$@" \
	    sh "$(atf_config_get srctop)/sys/arch/amd64/run.sh" \
	    >output 2>errors || status=$?
	cat output errors
	atf_check_equal "$want" "$status"
	if [ "$want" -eq 0 ]; then
		atf_check -o match:"$message" tail -n 1 output
	else
		atf_check -o match:"$message" tail -n 1 errors
	fi
	# It leaves nothing behind but its output.
	atf_check ls temporary
}

runs agree "Console, live guest and core agree"
agree_run()
{

	run 0 '^run: console, live guest and core agree' X=
	audit=$(sed -n 's/^audit end: \(.*\): ok$/\1/p' objects/run/console.txt)
	[ -n "$audit" ] || atf_fail "no audit"
	atf_check -o inline:"audit: $audit\n" grep '^audit: ' \
	    objects/run/live.txt
	atf_check -o inline:"audit: $audit\n" grep '^audit: ' \
	    objects/run/core.txt
}

runs one_cpu "The same on one CPU and other memory"
one_cpu_run()
{

	run 0 '^run: console, live guest and core agree' EXTANT_CPUS=1 \
	    EXTANT_MEMORY=48M
}

# lying SED-SCRIPT: an extstat whose output is changed.
lying()
{

	cat >lying <<LIAR
#!/bin/sh
$extstat "\$@" >lying.out || exit
sed '$1' lying.out
LIAR
	chmod +x lying
}

runs live_differs "An audit of the live guest that differs is a failure"
live_differs_run()
{

	lying 's/^\(audit: .*\)[0-9a-f]$/\1x/'
	run 1 '^run: FAILED: the live guest differs from the console: ' \
	    EXTANT_EXTSTAT="$PWD/lying"
}

runs core_differs "So is one of the core"
core_differs_run()
{

	cat >lying <<LIAR
#!/bin/sh
case "\$*" in
-M*)	$extstat "\$@" | sed 's/^audit: frames/& 1/' ;;
*)	exec $extstat "\$@" ;;
esac
LIAR
	chmod +x lying
	run 1 '^run: FAILED: the core differs from the console: ' \
	    EXTANT_EXTSTAT="$PWD/lying"
}

runs extstat_fails "extstat fails"
extstat_fails_run()
{

	printf '#!/bin/sh\nexit 1\n' >failing
	chmod +x failing
	run 1 '^run: FAILED: extstat -Q .* ended with status 1' \
	    EXTANT_EXTSTAT="$PWD/failing"
}

runs guest_fails "The guest ends before it is ready"
guest_fails_run()
{

	run 1 '^run: FAILED: the guest ended before it was ready' \
	    EXTANT_MEMORY=2M
	atf_check -o match:'^extant: cannot boot: ' cat output
}

runs settings "What is missing is named"
settings_run()
{

	run 1 '^run: FAILED: no kernel /nonexistent' EXTANT_KERNEL=/nonexistent
	run 1 '^run: FAILED: no program /nonexistent' \
	    EXTANT_EXTSTAT=/nonexistent
	run 1 '^run: FAILED: EXTANT_KERNEL is not set' EXTANT_KERNEL=
	run 1 '^run: FAILED: OBJDIR is not set' OBJDIR=
	run 1 '^run: FAILED: no-such-qemu not found' EXTANT_QEMU=no-such-qemu
}

atf_init_test_cases()
{

	for tc in agree one_cpu live_differs core_differs extstat_fails \
	    guest_fails settings; do
		atf_add_test_case $tc
	done
}
