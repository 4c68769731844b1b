#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# extstat on Linux: on files that look like those in /proc, and on the machine
# the test runs on.
#


BUDDY=400		# flags: bit 10
SLAB=80
ANON=5828		# with some that do not matter
LRU=28
RESERVED=100000000
PGTABLE=4000000
HUGETLB=28000		# a huge page, first and further frames
HUGETAIL=30000
COMPOUND=8000
COMPTAIL=10000
NOPAGE=100000

# programs: where they are.
programs()
{

	EXTSTAT=$(atf_config_get objdir)/usr.sbin/extstat/extstat
	PAGEFLAGS=$(atf_config_get objdir)/tests/usr.sbin/extstat/pageflags
}

# machine: the files of a small machine in proc.
machine()
{

	mkdir -p proc
	cat >proc/iomem <<'EOF'
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
0009fc00-000fffff : Reserved
  000f0000-000fffff : System ROM
00100000-01ffffff : System RAM
  00200000-002fffff : Kernel code
02000000-fedfffff : PCI Bus 0000:00
fee00000-fee00fff : Local APIC
100000000-100ffffff : System RAM
EOF
	cat >proc/buddyinfo <<'EOF'
Node 0, zone      DMA      1      0      0      0      0      0      0      0      0      1      0 
Node 0, zone   Normal      1      0      1      1      1      0      0      1      1      1      6 
EOF
	"$PAGEFLAGS" >proc/kpageflags <<EOF
1 $NOPAGE
9e $BUDDY
61 $RESERVED
100 $RESERVED
200 $BUDDY
10 $SLAB
8 $COMPOUND
8 $COMPTAIL
be0 $ANON
100 $BUDDY
10 $LRU
1 0
ef $PGTABLE
e00 $BUDDY
fe000 $NOPAGE
200 $HUGETLB
200 $HUGETAIL
c00 $BUDDY
EOF
}

# refused TEXT [ARGUMENT ...]: extstat gives one line that contains TEXT.
refused()
{

	text=$1
	shift
	atf_check -s exit:1 -o empty -e save:stderr "$EXTSTAT" "$@"
	cat stderr
	[ "$(wc -l <stderr)" -eq 1 ] || atf_fail "not one line"
	grep -q '^extstat: ' stderr || atf_fail "who says so?"
	grep -qF "$text" stderr || atf_fail "not: $text"
}

atf_test_case print
print_head()
{
	atf_set descr "Segments, extents and sums of a small machine"
}
print_body()
{

	programs
	machine
	cat >want <<'EOF'
source: Linux, as proc has it

segments
start          end                 size list          free      held allocated
0x000000001000 0x00000009f000      632K isa           632K         0         0
0x000000100000 0x000001000000       15M isa             2M         0       13M
0x000001000000 0x000002000000       16M dma31          15M         0        1M
0x000100000000 0x000101000000       16M default        12M         0        4M

extents
start          end                 size state     owner
0x000000001000 0x00000009f000      632K free      -
0x000000100000 0x000000200000        1M allocated reserved
0x000000200000 0x000000400000        2M free      -
0x000000400000 0x000000410000       64K allocated slab
0x000000410000 0x000000420000       64K allocated compound
0x000000420000 0x000001000000     11.8M allocated anon
0x000001000000 0x000001100000        1M free      -
0x000001100000 0x000001110000       64K allocated file
0x000001110000 0x000001111000        4K allocated other
0x000001111000 0x000001200000      956K allocated pagetable
0x000001200000 0x000002000000       14M free      -
0x000100000000 0x000100400000        4M allocated hugetlb
0x000100400000 0x000101000000       12M free      -

free lists
list          size      free      held allocated   extents   largest
isa          15.6M      2.6M         0       13M         2        2M
dma31          16M       15M         0        1M         2       14M
default        16M       12M         0        4M         1       12M
total        47.6M     29.6M         0       18M         5       14M

largest run a request would find
constraint                  size start
below 16M, within 64K        64K 0x000000010000
below 2G                     14M 0x000001200000
below 4G                     14M 0x000001200000
anywhere                     14M 0x000001200000
aligned to 64K               14M 0x000001200000
aligned to 1M                14M 0x000001200000
aligned to 2M                14M 0x000001200000

EOF
	atf_check -o save:out "$EXTSTAT" -R proc
	sed '$d' out >got
	atf_check -o file:want cat got
	atf_check -o match:'^audit: frames 12190 free 7582 held 0 allocated 4608 runs 8 extents 5 largest 3584 digest [0-9a-f]{16}$' \
	    tail -n 1 out
}

atf_test_case query
query_head()
{
	atf_set descr "Requests, and who is in the way"
}
query_body()
{

	programs
	machine
	atf_check -o match:'^0x000000002000 0x000000006000 +16K$' "$EXTSTAT" \
	    -R proc -q size=16k,align=8k,boundary=64k,high=16m
	atf_check -o match:'^0x000000200000 0x000000400000 +2M$' "$EXTSTAT" \
	    -R proc -q size=2m,align=2m,high=16m
	atf_check -s exit:2 -o match:'^would fail \(ENOMEM\): .*slab at 0x400000' \
	    "$EXTSTAT" -R proc -q size=64k,low=0x400000,high=0x410000
	atf_check -o match:'"succeeds":false' -s exit:2 "$EXTSTAT" -j -R proc \
	    -q size=15m
	atf_check -o match:'would succeed in 2 segments' "$EXTSTAT" -R proc \
	    -q size=26m,nsegs=2
	atf_check -s exit:2 -o match:'EFBIG' "$EXTSTAT" -R proc \
	    -q size=27m,nsegs=2
}

atf_test_case missing
missing_head()
{
	atf_set descr "Files that are missing or no files"
}
missing_body()
{

	programs
	refused "nothing/kpageflags: No such file or directory" -R nothing
	for f in iomem kpageflags buddyinfo; do
		machine
		rm "proc/$f"
		refused "proc/$f: No such file or directory" -R proc
		mkdir "proc/$f"
		refused "proc/$f: not a regular file" -R proc
		rmdir "proc/$f"
		mkfifo "proc/$f"
		refused "proc/$f: not a regular file" -R proc
		rm "proc/$f"
		ln -s /dev/zero "proc/$f"
		refused "proc/$f: not a regular file" -R proc
		rm "proc/$f"
	done
}

atf_test_case iomem
iomem_head()
{
	atf_set descr "An iomem that makes no sense"
}
iomem_body()
{

	programs
	machine
	while IFS='|' read -r text line; do
		printf "%b" "$line" >proc/iomem
		refused "proc/iomem: $text" -R proc
	done <<'EOF'
no System RAM in it|
no System RAM in it|00001000-0009fbff : Reserved\n
no System RAM in it|00001000-0009fbff : System RAMBUS\n
addresses are hidden: run extstat as root|00000000-00000000 : System RAM\n
not a range: hello|hello\n
not a range: |\n
not a range: 00001000|00001000\n
not a range: 00001000-|00001000-\n
not a range: 00001000-0009fbff|00001000-0009fbff\n
not a range: 00002000-00001000 : System RAM|00002000-00001000 : System RAM\n
not a range: -1000-2000 : System RAM|-1000-2000 : System RAM\n
not a range: 10000000000000000-10000000000000001|10000000000000000-10000000000000001 : System RAM\n
not a range: ?[2J|\033[2J\n
not a range: |00001000-0009fbff : \000\n\000
memory at 0xffffffffffffffff beyond 2^52|0-ffffffffffffffff : System RAM\n
EOF
	printf '2000-2fff : System RAM\n1000-1fff : System RAM\n' >proc/iomem
	refused "segment 1 at 0x1000 overlaps the one before or is out" -R proc
	printf '1000-2fff : System RAM\n  2000-2fff : System RAM (x)\n' \
	    >proc/iomem
	refused "segment 1 at 0x2000 overlaps the one before or is out" -R proc
	# The map of so much memory would not fit into this machine.
	echo '0-fffffffffffff : System RAM' >proc/iomem
	refused "describes so much memory that the map of it would take" \
	    -R proc
	awk 'BEGIN { for (i = 0; i < 5000; i++)
	    printf("%x000-%x0ff : x\n%x000-%xfff : System RAM\n",
	    2 * i + 1, 2 * i + 1, 2 * i + 1, 2 * i + 1) }' >proc/iomem
	refused "more than 4096 segments" -R proc
	head -c 1000000 /dev/zero >proc/iomem
	refused "proc/iomem: not a range: " -R proc
	head -c 1000000 /dev/zero | tr '\0' x >proc/iomem
	refused "proc/iomem: not a range: xxx" -R proc
}

atf_test_case spread
spread_head()
{
	atf_set descr "Memory in more places than the map has spans"
}
spread_body()
{

	programs
	mkdir proc
	awk 'BEGIN { for (i = 0; i < 50; i++)
	    printf("%x0000000-%x0000fff : System RAM\n", i, i) }' >proc/iomem
	echo 'Node 0, zone   Normal     50' >proc/buddyinfo
	# Frame 0 of every 0x10000.
	awk -v f=$BUDDY -v n=$NOPAGE 'BEGIN { for (i = 0; i < 50; i++)
	    printf("1 %s\nffff %s\n", f, n) }' | "$PAGEFLAGS" >proc/kpageflags
	atf_check -o match:'^audit: frames 50 free 50 held 0 allocated 0 runs 0 extents 50 largest 1 ' \
	    "$EXTSTAT" -R proc
}

atf_test_case kpageflags
kpageflags_head()
{
	atf_set descr "A kpageflags that is too short or of an old kernel"
}
kpageflags_body()
{

	programs
	machine
	: >proc/kpageflags
	refused "proc/kpageflags: ends at frame 0x1, before the memory in" \
	    -R proc
	machine
	truncate -s -1 proc/kpageflags
	refused "proc/kpageflags: ends at frame 0x100fff, before the memory" \
	    -R proc

	# Only the first frame of a free block has the flag.
	machine
	"$PAGEFLAGS" >proc/kpageflags <<EOF
100 0
1 $BUDDY
1fff 0
fe000 0
1000 0
EOF
	refused "this Linux flags only the first frame of a free block" \
	    -R proc
	refused "7582 in proc/buddyinfo" -R proc
}

atf_test_case buddyinfo
buddyinfo_head()
{
	atf_set descr "A buddyinfo that makes no sense"
}
buddyinfo_body()
{

	programs
	machine
	while read -r line; do
		echo "$line" >proc/buddyinfo
		refused "proc/buddyinfo: not a zone: $line" -R proc
	done <<'EOF'
hello
Node 0
Node 0, zone
Node 0, zone   Normal
Node 0, zone   Normal      x
Node 0, zone   Normal      1 -1
Node 0, zone   Normal      99999999999999999999
Node 0, zone   Normal      0 1 0x10
EOF
	awk 'BEGIN { printf("Node 0, zone N");
	    for (i = 0; i < 40; i++) printf(" 0"); printf("\n") }' \
	    >proc/buddyinfo
	refused "proc/buddyinfo: not a zone: " -R proc
}

atf_test_case not_root
not_root_head()
{
	atf_set descr "A clear message without the right to look"
	atf_set require.progs setpriv
}
not_root_body()
{

	programs
	machine
	chmod 0 proc/kpageflags
	if [ "$(id -u)" -eq 0 ]; then
		# Root without the privileges of root.
		weak="setpriv --inh-caps=-all --bounding-set=-all"
	else
		weak=
	fi
	atf_check -s exit:1 -o empty \
	    -e match:'^extstat: proc/kpageflags: permission denied: run extstat as root$' \
	    $weak "$EXTSTAT" -R proc
	atf_check -s exit:1 -o empty -e match:'^extstat: /proc/.*root$' \
	    $weak "$EXTSTAT"
}

# free_agree: of this machine, about as many frames are free as Linux says.
free_agree()
{

	atf_check -o save:out "$EXTSTAT"
	free=$(sed -n 's/^audit: .* free \([0-9]*\) held.*/\1/p' out)
	linux=$(awk '{ for (i = 5; i <= NF; i++) n += $i * 2 ^ (i - 5) }
	    END { printf("%d", n) }' /proc/buddyinfo)
	echo "free frames: $free; Linux: $linux"
	[ "$free" -gt $((linux - linux / 4 - 65536)) ] &&
	    [ "$free" -lt $((linux + linux / 4 + 65536)) ]
}

atf_test_case this_machine
this_machine_head()
{
	atf_set descr "The machine this runs on"
	atf_set require.user root
}
this_machine_body()
{

	programs
	head -c 8 /proc/kpageflags >/dev/null 2>&1 ||
	    atf_skip "no /proc/kpageflags here"
	grep 'System RAM' /proc/iomem | grep -qv '^00000000-00000000' ||
	    atf_skip "this kernel hides the addresses in /proc/iomem"
	# As much is free as Linux says, but for what changes meanwhile: at
	# times that is much.
	tries=1
	until free_agree; do
		[ $tries -lt 10 ] || atf_fail "too few or too many"
		tries=$((tries + 1))
		sleep 1
	done
	grep '^source: this machine, Linux' out || atf_fail "no source"

	# As much memory as iomem says.
	frames=$(sed -n 's/^audit: frames \([0-9]*\) .*/\1/p' out)
	total=$(awk '/^MemTotal/ { printf("%d", $2 / 4) }' /proc/meminfo)
	[ "$frames" -ge "$total" ] || atf_fail "less memory than MemTotal"

	"$EXTSTAT" -q size=4k >answer || [ $? -eq 2 ] || atf_fail "no answer"
	grep -q '^would ' answer || atf_fail "no answer"
}

atf_init_test_cases()
{

	atf_add_test_case print
	atf_add_test_case query
	atf_add_test_case missing
	atf_add_test_case iomem
	atf_add_test_case spread
	atf_add_test_case kpageflags
	atf_add_test_case buddyinfo
	atf_add_test_case not_root
	atf_add_test_case this_machine
}
