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
	# The drivers' buffers are seen, with their owners.
	for owner in fdc0 edu0; do
		atf_check -o ignore grep -E " allocated +$owner\$" \
		    objects/run/live.txt
	done
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

# qemu_with SCRIPT: a QEMU whose arguments a shell script changes first, each
# of them in turn in a.
qemu_with()
{

	cat >qemu <<QEMU
#!/bin/sh
for a in "\$@"; do
	shift
	$1
	set -- "\$@" "\$a"
done
exec qemu-system-x86_64 "\$@"
QEMU
	chmod +x qemu
}

runs clamped "An address that edu cannot reach is a failure"
clamped_run()
{

	# Of what is written to a device that ignores nearly all of memory
	# nothing comes back, so the driver fails, too: it may not be asked.
	qemu_with '[ "$a" != edu ] || a=edu,dma_mask=0xffff
	[ "$a" != require=fdc,edu ] || a=require=fdc'
	run 1 '^run: FAILED: edu was given an address that it cannot reach$' \
	    EXTANT_QEMU="$PWD/qemu"
}

runs disk_differs "So is another disk than the one that was made"
disk_differs_run()
{

	head -c 1474560 /dev/zero >other
	qemu_with 'case $a in
	if=floppy,*) a=if=floppy,format=raw,file='"$PWD"'/other ;; esac'
	run 1 '^run: FAILED: the kernel did not read the disk, whose cksum' \
	    EXTANT_QEMU="$PWD/qemu"
}

runs status "So is another exit status"
status_run()
{

	printf '#!/bin/sh\nqemu-system-x86_64 "$@"\nexit 35\n' >qemu
	chmod +x qemu
	run 1 '^run: FAILED: the guest ended with status 35, not 33$' \
	    EXTANT_QEMU="$PWD/qemu"
}

runs no_log "Without a log of QEMU nothing is known of addresses"
no_log_run()
{

	qemu_with '[ "$a" != qemu.log ] || a=elsewhere'
	run 1 '^run: FAILED: QEMU has written no log$' \
	    EXTANT_QEMU="$PWD/qemu"
}

runs odd_directory "A temporary directory with a long and odd name"
odd_directory_run()
{

	long=$(printf 'l%.0s' $(seq 120))
	mkdir "temporary, with $long"
	run 0 '^run: console, live guest and core agree' \
	    TMPDIR="$PWD/temporary, with $long"
	atf_check ls "temporary, with $long"
}

runs two "Two at the same time, of different machines"
two_run()
{

	(
		TMPDIR=$PWD OBJDIR=$PWD/objects EXTANT_KERNEL=$kernel \
		    EXTANT_EXTSTAT=$extstat EXTANT_MEMORY=32M sh \
		    "$(atf_config_get srctop)/sys/arch/amd64/run.sh" >other 2>&1
		echo $? >other.status
	) &
	run 0 '^run: console, live guest and core agree' EXTANT_MEMORY=96M
	wait
	cat other
	atf_check -o inline:'0\n' cat other.status
	atf_check -o inline:'console.txt\ncore.txt\nlive.txt\n' ls objects/run
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
	    guest_fails clamped disk_differs status no_log odd_directory two \
	    settings; do
		atf_add_test_case $tc
	done
}
