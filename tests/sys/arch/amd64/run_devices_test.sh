#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# run_devices.sh: all devices, and that it fails when data is wrong.
#

# run STATUS VARIABLE=VALUE...: runs it, and it ends so.
run()
{

	want=$1
	shift
	mkdir -p objects temporary
	status=0
	env EXTANT_KERNEL="$(atf_config_get objdir)/sys/arch/amd64/extant" \
	    OBJDIR="$PWD/objects" TMPDIR="$PWD/temporary" "$@" \
	    sh "$(atf_config_get srctop)/sys/arch/amd64/run_devices.sh" \
	    >output 2>errors || status=$?
	cat output errors
	atf_check_equal "$want" "$status"
	# It leaves nothing behind but its output.
	atf_check ls temporary
}

# qemu_then SCRIPT: a QEMU after which a shell script runs.
qemu_then()
{

	cat >lying <<LIAR
#!/bin/sh
qemu-system-x86_64 "\$@"
status=\$?
$1
exit \$status
LIAR
	chmod +x lying
}

atf_test_case all
all_head()
{
	atf_set descr "A table of all devices, whose figures are the console's"
	atf_set require.progs qemu-system-x86_64
}
all_body()
{

	run 0 X=
	atf_check -o match:'^run-devices: all data as it should be' \
	    tail -n 1 output
	atf_check -o match:'^device +machine +map +below +align' \
	    head -n 1 output
	# Each line is one that the console has, with the same figures.
	grep -E ' (aged|full|big|iommu) ' output >lines
	[ "$(wc -l <lines)" -ge 10 ] || atf_fail "few lines"
	while read -r unit machine map below align boundary contig bytes \
	    segments bounced result; do
		[ "$result" = ok ] || atf_fail "$unit: $result"
		atf_check -o ignore grep -x "$unit: moved $bytes bytes, $segments segments, $bounced bytes bounced; below $below, align $align, boundary $boundary, contiguous $contig" \
		    "objects/run-devices/$machine.$map.txt"
	done <lines
	for unit in fdc0 edu0 nvme0; do
		for map in aged full; do
			atf_check -o ignore grep -E "^$unit +pc +$map " lines
		done
	done
	for unit in edu0 nvme0 ahci0 e10000 vionet0 xhci0; do
		atf_check -o ignore grep -E "^$unit +q35 +iommu " lines
	done
}

atf_test_case wrong_data
wrong_data_head()
{
	atf_set descr "Data that is not as it should be"
	atf_set require.progs qemu-system-x86_64
}
wrong_data_body()
{

	# One byte of a disk that was copied, and of one that was read.
	qemu_then '[ ! -e nvme ] || printf x |
	    dd of=nvme bs=1 seek=700000 conv=notrunc 2>/dev/null
	[ ! -e floppy ] || printf x |
	    dd of=floppy bs=1 seek=1000 conv=notrunc 2>/dev/null'
	run 1 EXTANT_QEMU="$PWD/lying" EXTANT_RUNS="pc.aged pc.full"
	atf_check -o match:'^nvme0 +pc +aged .* first half not copied$' \
	    cat output
	atf_check -o match:'^fdc0 +pc +full .* not read: cksum is not ' \
	    cat output
	atf_check -o match:'^run-devices: FAILED: [0-9]+ of the above' \
	    cat errors
}

atf_test_case clamped
clamped_head()
{
	atf_set descr "An address that a device does not reach"
	atf_set require.progs qemu-system-x86_64
}
clamped_body()
{

	qemu_then 'echo "EDU: clamping DMA 0x10000000 to 0x0!"'
	run 1 EXTANT_QEMU="$PWD/lying" EXTANT_RUNS=pc.aged
	atf_check -o match:'^edu0 +pc +aged .* an address was clamped$' \
	    cat output
}

atf_test_case no_device
no_device_head()
{
	atf_set descr "A device that is not there, and a guest that does not" \
	    "run"
	atf_set require.progs qemu-system-x86_64
}
no_device_body()
{

	cat >lying <<-'LIAR'
	#!/bin/sh
	for a; do
		shift
		case $a in
		edu|edu,*)	a=pci-testdev ;;
		esac
		set -- "$@" "$a"
	done
	exec qemu-system-x86_64 "$@"
	LIAR
	chmod +x lying
	run 1 EXTANT_QEMU="$PWD/lying" EXTANT_RUNS=pc.aged
	atf_check -o match:'^edu pc aged: FAILED: no figures' cat output
	atf_check -o match:'^qemu pc aged: FAILED: status 35, not 33' cat output
	printf '#!/bin/sh\nexit 1\n' >lying
	run 1 EXTANT_QEMU="$PWD/lying"
	atf_check -o match:'FAILED: the kernel does not run: status 1$' \
	    tail -n 1 errors
	run 1 EXTANT_QEMU="$PWD/absent"
	atf_check -o match:'FAILED: .*absent not found$' tail -n 1 errors
	run 1 EXTANT_RUNS=pc.old
	atf_check -o match:'FAILED: no machine and map pc.old$' tail -n 1 errors
	run 1 EXTANT_KERNEL=absent
	atf_check -o match:"FAILED: no kernel absent$" tail -n 1 errors
}

atf_init_test_cases()
{

	atf_add_test_case all
	atf_add_test_case wrong_data
	atf_add_test_case clamped
	atf_add_test_case no_device
}
