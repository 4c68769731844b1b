#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Start information as no loader should leave it.  The kernel's entry is
# changed to a few bytes of code at SHIM, which point to start information
# that the test case wrote behind them, and go on to the real entry.
#

SHIM=$((0x700000))
START=$((SHIM + 0x100))
MAP=$((SHIM + 0x200))
CMDLINE=$((SHIM + 0x8000))
RSDP=$((SHIM + 0x9000))
RSDT=$((SHIM + 0x9100))
MADT=$((SHIM + 0x9200))
TYPE_RAM=1
TYPE_RESERVED=2
MAGIC=$((0x336ec578))

subr()
{

	. "$(atf_config_get srctop)/tests/sys/arch/amd64/guest.subr"
}

# hostile NAME DESCRIPTION: a test case NAME, which runs NAME_run.
hostile()
{

	atf_test_case "$1"
	eval "$1_head()
	{

		atf_set descr '$2'
		atf_set require.progs 'qemu-system-x86_64 readelf'
	}
	$1_body()
	{

		subr
		$1_run
	}"
}

# le32 NUMBER..., le64 NUMBER...: in the guest's byte order.
le32()
{

	for v in "$@"; do
		printf '%b' "$(printf '\\0%03o\\0%03o\\0%03o\\0%03o' \
		    $((v & 255)) $((v >> 8 & 255)) $((v >> 16 & 255)) \
		    $((v >> 24 & 255)))"
	done
}

le64()
{

	for w in "$@"; do
		le32 $((w & 0xffffffff)) $((w >> 32 & 0xffffffff))
	done
}

# range START SIZE TYPE: an entry of the map.
range()
{

	le64 "$1" "$2"
	le32 "$3" 0
}

# put ADDRESS: writes its input there in the shim.
put()
{

	dd of=shim bs=1 seek=$(($1 - SHIM)) conv=notrunc 2>/dev/null
}

# start_info NMAP [MAP [CMDLINE [NMODULES [MODULES [MAGIC]]]]]
start_info()
{

	{
		le32 "${6:-$MAGIC}" 1 0 "${4:-0}"
		le64 "${5:-0}" "${3:-$CMDLINE}" "$RSDP" "${2:-$MAP}"
		le32 "$1" 0
	} | put $START
}

# shim: the kernel with another entry, and code for there.
shim()
{

	entry=$(readelf -hW "$GUEST_KERNEL" |
	    sed -n 's/.*Entry point address: *//p')
	note=$(readelf -lW "$GUEST_KERNEL" | awk '$1 == "NOTE" { print $2 }')
	cp "$GUEST_KERNEL" kernel
	chmod u+w kernel
	# The value of the note comes after 12 bytes of header and the name.
	le64 $SHIM | dd of=kernel bs=1 seek=$((note + 16)) conv=notrunc \
	    2>/dev/null
	GUEST_KERNEL=kernel
	# movl $START, %ebx; movl $entry, %eax; jmp *%eax
	{
		printf '\273'
		le32 $START
		printf '\270'
		le32 $((entry))
		printf '\377\340'
	} | put $SHIM
	printf 'exit=1\0' | put $CMDLINE
}

run()
{

	guest_run "" -m 64M -device \
	    "loader,file=shim,addr=$SHIM,force-raw=on" "$@"
}

refused()
{

	run
	atf_check_equal "$GUEST_FAILURE" "$guest_status"
	atf_check -o inline:"extant: cannot boot: $1\n" cat console
}

good_map()
{

	{
		range 0 0x9f000 $TYPE_RAM
		range 0x100000 0x3ee0000 $TYPE_RAM
	} | put $MAP
}

hostile good "The shim itself: sound information boots"
good_run()
{

	shim
	good_map
	start_info 2
	run
	guest_succeeded
	guest_audited boot aged fdc end
}

hostile magic "A wrong magic number"
magic_run()
{

	shim
	good_map
	start_info 2 $MAP $CMDLINE 0 0 $((0x2badb002))
	refused "start information: wrong magic number 0x2badb002"
}

hostile version "A version without a memory map"
version_run()
{

	shim
	good_map
	{
		le32 $MAGIC 0 0 0
		le64 0 0 0 0
	} | put $START
	refused "start information: no memory map in version 0x0"
}

hostile map_count "Memory maps of no and of absurdly many entries"
map_count_run()
{

	shim
	good_map
	start_info 0
	refused "start information: impossible number of memory ranges 0x0"
	start_info $((0xffffffff))
	refused \
	    "start information: impossible number of memory ranges 0xffffffff"
}

hostile map_address "A memory map outside of memory"
map_address_run()
{

	shim
	start_info 2 $((0xfffffffffffffff0))
	refused "start information: impossible address of the memory map\
 0xfffffffffffffff0"
	start_info 2 $((0xfffffff0))
	refused \
	    "start information: impossible address of the memory map 0xfffffff0"
}

hostile modules "Modules that cannot be"
modules_run()
{

	shim
	good_map
	start_info 2 $MAP $CMDLINE $((0x10000)) $MAP
	refused "start information: too many modules 0x10000"
	start_info 2 $MAP $CMDLINE 2 $((0x7fffffff00000000))
	refused "start information: impossible address of the modules\
 0x7fffffff00000000"
}

hostile cmdline "Command lines that cannot be"
cmdline_run()
{

	shim
	good_map
	start_info 2 $MAP $((0x100000000))
	refused \
	    "start information: impossible address of the command line\
 0x100000000"
	awk 'BEGIN { for (i = 0; i < 5000; i++) printf("x") }' | put $CMDLINE
	start_info 2
	refused "start information: the command line is longer than 0x3ff"
}

hostile map_messy "Legal but messy: unsorted, overlapping, empty, wrapping"
map_messy_run()
{

	shim
	{
		range 0x2000000 0x1fe0000 $TYPE_RAM
		range 0x100000 0x2000000 $TYPE_RAM
		range 0x300000 0 $TYPE_RAM
		range 0x1000000 0x1800 $TYPE_RESERVED
		range 0xfffffffffffff000 0x2000 $TYPE_RAM
		range 0 0x9fc00 $TYPE_RAM
		range 0x100000 0x2000000 $TYPE_RAM
		range 0xf0000000 0xffffffffffffffff $TYPE_RESERVED
		range 0x2000800 0x100 $TYPE_RAM
		range 0x9fc00 0x400 99
	} | put $MAP
	start_info 10
	run
	guest_succeeded
	guest_audited boot aged fdc end
	cat >want <<'LIST'
memory: 0x000000000000 - 0x00000009f000      636 KiB
memory: 0x000000100000 - 0x000001000000    15360 KiB
memory: 0x000001002000 - 0x000003fe0000    49016 KiB
LIST
	atf_check -o file:want grep '^memory:' console
}

hostile map_no_memory "No usable memory at all"
map_no_memory_run()
{

	shim
	{
		range 0 0x4000000 $TYPE_RESERVED
		range 0x200800 0x400 $TYPE_RAM
	} | put $MAP
	start_info 2
	run
	atf_check_equal "$GUEST_FAILURE" "$guest_status"
	atf_check -o match:'^extant: cannot boot: no usable memory' \
	    tail -n 1 console
}

hostile map_elsewhere "A map in which the kernel lies in no memory"
map_elsewhere_run()
{

	shim
	range 0x1000000 0x3000000 $TYPE_RAM | put $MAP
	start_info 1
	run
	atf_check_equal "$GUEST_FAILURE" "$guest_status"
	atf_check -o match:'^extant: cannot boot: the kernel, .* does not lie' \
	    tail -n 1 console
}

hostile map_many "As many pieces as the table may have"
map_many_run()
{

	shim
	{
		i=0
		while [ $i -lt 510 ]; do
			range $((0x1000000 + i * 0x10000)) 0x8000 $TYPE_RAM
			i=$((i + 1))
		done
		range 0x100000 0x800000 $TYPE_RAM
		range 0x3000000 0xf00000 $TYPE_RAM
	} | put $MAP
	start_info 512
	run
	guest_succeeded
	guest_audited boot aged fdc end
	atf_check -o match:'^128$' grep -c '^memory:' console
}

hostile map_absurd "More memory than page tables can be made for"
map_absurd_run()
{

	shim
	{
		range 0x100000 0x3ee0000 $TYPE_RAM
		range 0x100000000 0x3fff00000000 $TYPE_RAM
	} | put $MAP
	start_info 2
	run
	atf_check_equal "$GUEST_FAILURE" "$guest_status"
	atf_check -o match:'^extant: cannot boot: no memory for page tables' \
	    tail -n 1 console
}

hostile modules_kept "Boot modules are memory that is in use"
modules_kept_run()
{

	shim
	good_map
	{
		le64 0x2000000 0x3001 0 0
		le64 0x2800000 0 0 0
	} | put $((SHIM + 0x2000))
	start_info 2 $MAP $CMDLINE 2 $((SHIM + 0x2000))
	printf '\0' | put $CMDLINE
	guest_start "" -m 64M -device \
	    "loader,file=shim,addr=$SHIM,force-raw=on"
	guest_until '^extant: ready'
	guest_type extents
	guest_type quit
	guest_wait
	guest_succeeded
	atf_check -o ignore grep -x \
	    '0x000002000000 *16 KiB  allocated boot' console
}

# summed OFFSET: its input, with the byte at OFFSET set so that the sum is 0.
summed()
{

	cat >table
	od -An -v -tu1 table | awk -v at="$1" '{
		for (i = 1; i <= NF; i++)
			sum += $i
	}
	END {
		printf("%03o", (256 - sum % 256) % 256)
	}' >octal
	printf '%b' "\\0$(cat octal)" |
	    dd of=table bs=1 seek="$1" conv=notrunc 2>/dev/null
	cat table
}

# rsdp ADDRESS: a root pointer to a root table.
rsdp()
{

	{
		printf 'RSD PTR \0EXTANT\0'
		le32 "$1"
	} | summed 8 | put $RSDP
}

# header SIGNATURE LENGTH
header()
{

	printf '%s' "$1"
	le32 "$2"
	printf '\1\0EXTANTtest    '
	le32 0 0 0
}

# rsdt ADDRESS LENGTH: a root table of one table.
rsdt()
{

	{
		header RSDT "$2"
		le32 "$1"
	} | summed 9 | put $RSDT
}

# madt COMMAND...: a table of CPUs, its entries written by the command.
madt()
{

	"$@" >entries
	size=$(($(wc -c <entries)))
	{
		header APIC $((44 + size))
		le32 $((0xfee00000)) 0
		cat entries
	} | summed 9 | put $MADT
}

# cpus ID...: an entry for each.
cpus()
{

	for id in "$@"; do
		printf '\0\010\0%b' "$(printf '\\0%03o' "$id")"
		le32 1
	done
}

# boots_on LINE: on that many CPUs, whatever the tables say.
boots_on()
{

	run -smp 2
	guest_succeeded
	guest_audited boot aged fdc end
	atf_check -o ignore grep -Fx "$1" console
}

hostile acpi "ACPI tables that are wrong cost the other CPUs, no more"
acpi_run()
{

	shim
	good_map
	start_info 2

	rsdp $RSDT
	rsdt $MADT 40
	madt cpus 0 1
	boots_on "cpus: 2 of 2"

	madt cpus 0 77
	boots_on "cpu1: apic id 77 does not answer"

	madt printf '\0\0\0\0\0\0\0\0'
	boots_on "cpus: 1 (ACPI: no usable CPU in the APIC table)"

	madt printf '\0\377\0\0\1\0\0\0'
	boots_on "cpus: 1 (ACPI: no usable CPU in the APIC table)"

	rsdt $((0xfffffff0)) 40
	boots_on "cpus: 1 (ACPI: no valid APIC table)"

	rsdt $MADT $((0xffffffff))
	boots_on "cpus: 1 (ACPI: no valid root table)"

	rsdt $MADT 35
	boots_on "cpus: 1 (ACPI: no valid root table)"

	rsdp $((0xffffffff))
	boots_on "cpus: 1 (ACPI: no valid root table)"

	printf 'x' | put $RSDP
	boots_on "cpus: 1 (ACPI: no valid root pointer)"
}

atf_init_test_cases()
{

	for tc in good magic version map_count map_address modules cmdline \
	    map_messy map_no_memory map_elsewhere map_many map_absurd \
	    modules_kept acpi; do
		atf_add_test_case $tc
	done
}
