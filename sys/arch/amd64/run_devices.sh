#!/bin/sh
#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Boots the reference kernel on machines that have all the devices it has
# drivers for, first with aged memory, where all do their jobs at the same
# time, then with memory that is nearly full, then with some above 4 GiB, and
# at last through an I/O MMU; checks from the host what they moved, and prints
# a table.  Started by the goal run-devices:
#
#	EXTANT_KERNEL=file OBJDIR=dir sh run_devices.sh
#
# Leaves the consoles in OBJDIR/run-devices.  EXTANT_QEMU names another QEMU,
# EXTANT_RUNS of MACHINE.MAP those that are wanted, e.g. "pc.aged pc.full".
# Exit status: 1 if a device fails.
#
# A driver NAME is added by its name in DRIVERS, its device among the arguments
# of a machine, and check_NAME, which says on standard output what is wrong.
#

set -u

DRIVERS="fdc sb16 edu nvme ahci piixide vioblk vionet e1000 sdhci xhci"
SUCCESS=33		# QEMU's exit status for kernel_exit(0)
SECONDS_MAX=600		# of a boot
DISK=1048576		# bytes of a disk
FULL=97			# per cent, of memory that is nearly full
LARGE=5G		# so that some is above 4 GiB
LARGE_AGE=20000		# places of the ageing there

fail()
{

	echo "run-devices: FAILED: $1" >&2
	exit 1
}

[ -n "${EXTANT_KERNEL:-}" ] || fail "EXTANT_KERNEL is not set"
[ -n "${OBJDIR:-}" ] || fail "OBJDIR is not set"
[ -r "$EXTANT_KERNEL" ] || fail "no kernel $EXTANT_KERNEL"
qemu=${EXTANT_QEMU:-qemu-system-x86_64}
command -v "$qemu" >/dev/null || fail "$qemu not found"
EXTANT_KERNEL=$(realpath "$EXTANT_KERNEL") || fail "no kernel $EXTANT_KERNEL"
qemu=$(command -v "$qemu")
case $qemu in
*/*)	qemu=$(realpath "$qemu") ;;
esac
out=$OBJDIR/run-devices
mkdir -p "$out" && out=$(realpath "$out") || fail "cannot make $out"
tmp=$(mktemp -d "${TMPDIR:-/tmp}/extant.XXXXXX") || fail "no temporary directory"
cd "$tmp" || fail "cannot use $tmp"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# make_disk FILE BYTES SEED: digits of the minimal standard generator, after
# the line that lets a driver write.
make_disk()
{

	awk -v n="$2" -v x="$3" 'BEGIN {
		printf("extant scratch\n")
		for (i = 0; i < n / 10; i++) {
			x = x * 16807 % 2147483647
			printf("%010d", x)
		}
	}' | head -c "$2" >"$1.before"
	cp "$1.before" "$1"
}

make_disks()
{

	make_disk floppy 1474560 1
	make_disk nvme $DISK 2
	make_disk ahci $DISK 3
	make_disk piixide $DISK 4
	make_disk vioblk $DISK 5
	make_disk sdhci $DISK 6
	make_disk xhci $DISK 7
}

# boot OPTIONS ARGUMENT...: leaves console, and what QEMU says in qemu.log or
# qemu.err.
boot()
{

	options=$1
	shift
	status=0
	timeout $SECONDS_MAX "$qemu" -accel tcg -display none -no-reboot \
	    -monitor none -serial file:serial \
	    -device isa-debug-exit,iobase=0xf4,iosize=0x04 \
	    -d guest_errors -D qemu.log -kernel "$EXTANT_KERNEL" \
	    -append "exit=1 $options" "$@" </dev/null >qemu.err 2>&1 ||
	    status=$?
	touch serial qemu.log
	tr -d '\r' <serial >console
}

# Which of the drivers this kernel has, into $drivers.
find_drivers()
{

	boot "age=0 require=$(echo $DRIVERS | tr ' ' ,)" -m 32M
	grep -q '^audit end: ' console || {
		cat console qemu.err >&2
		fail "the kernel does not run: status $status"
	}
	drivers=
	for d in $DRIVERS; do
		grep -q "^option require=$d: no such driver" console ||
		    drivers="$drivers $d"
	done
}

# The machines: which drivers each is for, and its arguments.
drive()
{

	echo "if=none,id=$1,format=raw,file=$1"
}

mac=02:00:00:00:00
pcm=out.frequency=44100,out.format=s16,out.channels=2

pc_drivers="fdc edu nvme piixide vioblk vionet sb16"
pc_boot()
{

	boot "$@" -M pc -m $memory -smp 4 \
	    -drive if=floppy,format=raw,file=floppy \
	    -drive if=ide,index=0,format=raw,file=piixide \
	    -device edu \
	    -drive "$(drive nvme)" -device nvme,drive=nvme,serial=1 \
	    -drive "$(drive vioblk)" \
	    -device virtio-blk-pci,drive=vioblk,disable-modern=on \
	    -netdev hubport,id=a,hubid=0 -netdev hubport,id=b,hubid=0 \
	    -device virtio-net-pci,netdev=a,disable-modern=on,mac=$mac:a0 \
	    -device virtio-net-pci,netdev=b,disable-legacy=on,mac=$mac:a1 \
	    -object filter-dump,id=f,netdev=a,file=wire \
	    -audiodev "wav,id=w,path=tone,$pcm" -device sb16,audiodev=w
}

q35_drivers="edu ahci nvme vioblk e1000 sdhci xhci"
q35_boot()
{

	boot "$@" -M q35 -m $memory -smp 4 \
	    -device edu,dma_mask=0xffffffff \
	    -drive "$(drive ahci)" -device ide-hd,drive=ahci,bus=ide.0 \
	    -drive "$(drive nvme)" \
	    -device nvme,drive=nvme,serial=1,cmb_size_mb=64 \
	    -drive "$(drive vioblk)" \
	    -device virtio-blk-pci,drive=vioblk,disable-legacy=on \
	    -device e1000-82545em \
	    -device sdhci-pci -drive "$(drive sdhci)" \
	    -device sd-card,drive=sdhci \
	    -drive "$(drive xhci)" -device qemu-xhci \
	    -device usb-storage,drive=xhci
}

# With an I/O MMU: those whose addresses it translates; virtio has to be told.
behind=iommu_platform=on,disable-legacy=on
q35iommu_drivers="edu ahci nvme vioblk vionet e1000 sdhci xhci"
q35iommu_boot()
{

	boot "$@" -M q35 -m $memory -smp 4 \
	    -device intel-iommu,intremap=off -device edu \
	    -drive "$(drive ahci)" -device ide-hd,drive=ahci,bus=ide.0 \
	    -drive "$(drive nvme)" -device nvme,drive=nvme,serial=1 \
	    -drive "$(drive vioblk)" -device virtio-blk-pci,drive=vioblk,$behind \
	    -netdev hubport,id=a,hubid=0 -netdev hubport,id=b,hubid=0 \
	    -device virtio-net-pci,netdev=a,mac=$mac:a0,$behind \
	    -device virtio-net-pci,netdev=b,mac=$mac:a1,$behind \
	    -object filter-dump,id=f,netdev=a,file=wire \
	    -device e1000-82545em \
	    -device sdhci-pci -drive "$(drive sdhci)" \
	    -device sd-card,drive=sdhci \
	    -drive "$(drive xhci)" -device qemu-xhci \
	    -device usb-storage,drive=xhci
}

# check_disk UNIT FILE: it was read, and its first half copied to the second.
check_disk()
{

	sum=$(cksum <"$2.before")
	grep -q "^$1: read $DISK bytes .*, cksum ${sum%% *}\$" console ||
	    echo "not read: cksum is not ${sum%% *}"
	head -c $((DISK / 2)) "$2.before" >half
	cat half half | cmp -s - "$2" || echo "first half not copied"
}

check_nvme() { check_disk "$1" nvme; }
check_ahci() { check_disk "$1" ahci; }
check_piixide() { check_disk "$1" piixide; }
check_vioblk() { check_disk "$1" vioblk; }
check_sdhci() { check_disk "$1" sdhci; }
check_xhci() { check_disk "$1" xhci; }

check_fdc()
{

	sum=$(cksum <floppy)
	grep -q "^$1: read 1474560 bytes .*, cksum ${sum%% *}\$" console ||
	    echo "not read: cksum is not ${sum%% *}"
}

check_edu()
{

	grep -q "^$1: [0-9]* bytes there and back, .*, ok\$" console ||
	    echo "not there and back"
	! grep -qi clamping qemu.log qemu.err console ||
	    echo "an address was clamped"
}

# wire_from MAC: the frames that the wire had from an address, without the
# first, by which the cards find each other.
wire_from()
{

	# After the file's header of 24 bytes, 16 before each frame: time,
	# length here, length on the wire.
	od -An -v -tu1 -w1 wire | LC_ALL=C awk -v mac="$1" '
	NR <= 24 { next }
	head < 16 {
		if (head >= 8 && head < 12)
			left += $1 * 256 ^ (head - 8)
		head++
		at = 0
		from = ""
		next
	}
	{
		frame[at++] = $1
		if (at > 6 && at <= 12)
			from = from sprintf("%02x", $1)
		if (at < left)
			next
		if (from == mac && seen++ > 0)
			for (i = 0; i < at; i++)
				printf("%c", frame[i])
		head = left = 0
	}'
}

check_vionet()
{

	sum=$(wire_from "0200000000a${1#vionet}" | cksum)
	grep -q "^$1: [0-9]* frames, .*, cksum ${sum%% *}, ok\$" console ||
	    echo "on the wire is something else"
}

# The frames do not leave the controller: its driver has compared them.
check_e1000()
{

	grep -q "^$1: [0-9]* frames, .*, cksum [0-9]*, ok\$" console ||
	    echo "frames lost"
}

# The tone: a triangle wave whose step grows, on both sides, and after that no
# sound.
check_sb16()
{

	n=$(sed -n "s/^$1: played \([0-9]*\) samples .*/\1/p" console)
	awk -v n="${n:-1}" 'BEGIN {
		for (i = 0; i < n; i++) {
			v = p < 32768 ? p - 16384 : 49151 - p
			print v, v
			p = (p + 1024 + int(i / 32)) % 65536
		}
	}' >wanted
	# The header has 44 bytes.
	tail -c +45 tone | od -An -v -td2 -w4 | awk '
	{ s[NR] = $1 " " $2 }
	$1 != 0 { last = NR }
	END { for (i = 1; i <= last; i++) print s[i] }' |
	    tail -n "${n:-1}" | cmp -s - wanted || echo "not the tone"
}

# row UNIT: a line of the table, from a line of figures and its check.
row()
{

	unit=$1
	driver=${unit%?}
	wrong=$("check_$driver" "$unit" | head -n 1)
	[ -z "$wrong" ] || failed=$((failed + 1))
	sed -n "s/^$unit: moved //p" console | tail -n 1 | awk -v unit="$unit" \
	    -v machine="$machine" -v state="$state" -v result="${wrong:-ok}" '{
		gsub(/[,;]/, "")
		printf("%-8s %-7s %-5s %14s %6s %8s %7s %10s %8s %8s  %s\n",
		    unit, machine, state, $9, $11, $13, $15, $1, $3, $5, result)
	}'
}

lost()
{

	failed=$((failed + 1))
	echo "$1 $machine $state: FAILED: $2"
}

# run_machine KIND STATE OPTIONS: boots a machine, and prints its lines.
run_machine()
{

	machine=${1%iommu}
	state=$2
	eval "mine=\$${1}_drivers"
	here=
	for d in $mine; do
		case " $drivers " in
		*" $d "*)	here="$here,$d" ;;
		esac
	done
	# A host that is late loses sound: what is lost then is not the card's.
	for attempt in 1 2 3 4; do
		make_disks
		rm -f wire tone
		"${1}_boot" "require=${here#,} $3"
		case $here, in
		*,sb16,*)	[ -n "$(check_sb16 sb160 2>/dev/null)" ] || break ;;
		*)		break ;;
		esac
	done
	cp console "$out/$machine.$state.txt" || fail "cannot write in $out"
	for unit in $(sed -n 's/^\([a-z0-9]*\): moved .*/\1/p' console |
	    sort -u); do
		row "$unit"
	done
	for d in $(echo "$here" | tr , ' '); do
		grep -q "^${d}[0-9]: moved " console ||
		    lost "$d" "no figures, see $out/$machine.$state.txt"
	done
	[ $status -eq $SUCCESS ] || lost qemu "status $status, not $SUCCESS"
	! grep '^vtd0: ' console || lost vtd "accesses refused"
	[ "$1" = "$machine" ] || grep -q '^vtd0 at ' console ||
	    lost vtd "no I/O MMU"
	! grep '^bus_dma: ' console || lost bus_dma "mistakes"
	grep '^audit .*BROKEN' console && lost audit "broken"
	sed -n 's/^\([a-z0-9]*\)0: not present$/\1/p' console >>absent
	sed -n 's/^\([a-z0-9]*\)0 at .*/\1/p' console >>present
}

header()
{

	printf "%-8s %-7s %-5s %14s %6s %8s %7s %10s %8s %8s  %s\n" device \
	    machine map below align boundary contig bytes segments bounced \
	    result
}

find_drivers
failed=0
: >absent
: >present
header
runs=${EXTANT_RUNS:-pc.aged pc.full pc.big q35.aged q35.full q35.big \
    q35iommu.iommu}
for run in $runs; do
	mask=
	memory=256M
	[ "${run%.*}" != q35 ] || mask="edu.mask=0xffffffff"
	case $run in
	pc.aged | q35.aged | q35iommu.iommu)
		options="together=1"
		;;
	pc.full | q35.full)
		options="fill=$FULL"
		;;
	pc.big | q35.big)
		memory=$LARGE
		options="together=1 age=$LARGE_AGE"
		;;
	*)	fail "no machine and map $run"
		;;
	esac
	run_machine "${run%.*}" "${run#*.}" "$options $mask"
done
machine=any
state=any
for d in $(sort -u absent); do
	grep -qx "$d" present || [ -n "${EXTANT_RUNS:-}" ] ||
	    lost "$d" "a driver, but no machine here has its device"
done
[ $failed -eq 0 ] || fail "$failed of the above"
echo "run-devices: all data as it should be; consoles are in $out"
