/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * extstat on cores: one that is right, and whatever may be wrong with one or
 * with its kernel.
 */

#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "run.h"
#include "synth.h"

#define	CORE	"core.elf"
#define	KERNEL	"kernel.elf"
#define	MUTATIONS 3000

static const char full_output[] =
"source: core core.elf, kernel kernel.elf\n"
"\n"
"segments\n"
"start          end                 size list          free      held"
" allocated\n"
"0x000000001000 0x000000009000       32K isa            20K        4K"
"        8K\n"
"0x000000100000 0x000000140000      256K isa           156K        8K"
"       92K\n"
"0x000000ff0000 0x000001000000       64K isa            32K         0"
"       32K\n"
"0x000001000000 0x000001010000       64K dma31          32K         0"
"       32K\n"
"0x000100000000 0x000100010000       64K default        64K         0"
"         0\n"
"\n"
"extents\n"
"start          end                 size state     owner\n"
"0x000000001000 0x000000003000        8K allocated kernel\n"
"0x000000003000 0x000000004000        4K held      -\n"
"0x000000004000 0x000000009000       20K free      -\n"
"0x000000100000 0x000000108000       32K allocated kernel\n"
"0x000000108000 0x000000109000        4K allocated fdc\n"
"0x000000109000 0x000000130000      156K free      -\n"
"0x000000130000 0x000000132000        8K held      -\n"
"0x000000132000 0x000000140000       56K allocated -\n"
"0x000000ff0000 0x000000ff8000       32K allocated fdc\n"
"0x000000ff8000 0x000001008000       64K free      -\n"
"0x000001008000 0x000001010000       32K allocated ?\n"
"0x000100000000 0x000100010000       64K free      -\n"
"\n"
"free lists\n"
"list          size      free      held allocated   extents   largest\n"
"isa           352K      208K       12K      132K         3      156K\n"
"dma31          64K       32K         0       32K         1       32K\n"
"default        64K       64K         0         0         1       64K\n"
"total         480K      304K       12K      164K         4      156K\n"
"\n"
"largest run a request would find\n"
"constraint                  size start\n"
"below 16M, within 64K        64K 0x000000110000\n"
"below 2G                    164K 0x000000109000\n"
"below 4G                    164K 0x000000109000\n"
"anywhere                    164K 0x000000109000\n"
"aligned to 64K              136K 0x000000110000\n"
"aligned to 1M                64K 0x000100000000\n"
"aligned to 2M                64K 0x000100000000\n"
"\n"
"counters\n"
"alloc                            1300\n"
"free                               24\n"
"\n"
"counters by segment\n"
"counter          start          list                    value\n"
"alloc            0x000000100000 isa                       800\n"
"alloc            0x000000ff0000 isa                       100\n"
"alloc            0x000100000000 default                   400\n"
"free             0x000000100000 isa                        10\n"
"free             0x000000ff0000 isa                         7\n"
"free             0x000001000000 dma31                       5\n"
"free             0x000100000000 default                     2\n"
"\n"
"pools, extent maps and kernel memory\n"
"name                 kind        size      used      free   largest"
"    pieces\n"
"sram                 pool         16K        4K       12K       10K"
"         3\n"
"tables               order       256K        4K      252K      128K"
"         1\n"
"addresses            extent    16384P         0    16384P  16383.9P"
"         0\n"
"kmem 64              kmem          4K        64      3.9K        64"
"         1\n"
"\n";

/* Write the guest and run extstat on it. */
static const struct result *
run_synth(const atf_tc_t *tc, const struct synth *sy)
{

	synth_write(sy, CORE, KERNEL);
	return (run_extstat(tc, "-M", CORE, "-N", KERNEL, NULL));
}

ATF_TC_WITHOUT_HEAD(print);
ATF_TC_BODY(print, tc)
{
	char wanted[8192], audit[256];
	const struct result *r;
	struct synth sy;

	synth_make(&sy);
	synth_audit(audit, sizeof(audit));
	(void)snprintf(wanted, sizeof(wanted), "%saudit: %s\n", full_output,
	    audit);
	r = run_synth(tc, &sy);
	ATF_CHECK_EQ(r->r_status, 0);
	ATF_CHECK_STREQ(r->r_err, "");
	ATF_CHECK_STREQ(r->r_out, wanted);
	synth_free(&sy);
}

ATF_TC_WITHOUT_HEAD(summary);
ATF_TC_BODY(summary, tc)
{
	const struct result *r;
	struct synth sy;

	synth_make(&sy);
	synth_write(&sy, CORE, KERNEL);
	r = run_extstat(tc, "-s", "-M", CORE, "-N", KERNEL, NULL);
	ATF_CHECK_EQ(r->r_status, 0);
	ATF_CHECK(strstr(r->r_out, "\nextents\n") == NULL);
	ATF_CHECK(strstr(r->r_out, "\nsegments\n") != NULL);
	ATF_CHECK(strstr(r->r_out, "\naudit: frames 120 ") != NULL);
	synth_free(&sy);
}

static json_int_t
number(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	ATF_CHECK_MSG(json_is_integer(value), "%s is no number", key);
	return (json_integer_value(value));
}

ATF_TC_WITHOUT_HEAD(json);
ATF_TC_BODY(json, tc)
{
	json_t *root, *extents, *extent, *space, *segments, *counters;
	const struct result *r;
	struct synth sy;
	char audit[256];

	synth_make(&sy);
	synth_write(&sy, CORE, KERNEL);
	synth_audit(audit, sizeof(audit));
	r = run_extstat(tc, "-j", "-M", CORE, "-N", KERNEL, NULL);
	ATF_REQUIRE_EQ(r->r_status, 0);
	root = json_loads(r->r_out, JSON_REJECT_DUPLICATES, NULL);
	ATF_REQUIRE(json_is_object(root));
	ATF_CHECK_STREQ(json_string_value(json_object_get(root, "audit")),
	    audit);
	ATF_CHECK_EQ(number(root, "page_size"), 4096);
	segments = json_object_get(root, "segments");
	ATF_CHECK_EQ(json_array_size(segments), 5);
	counters = json_object_get(json_array_get(segments, 0), "counters");
	ATF_CHECK_EQ(number(counters, "alloc"), 0);
	counters = json_object_get(json_array_get(segments, 2), "counters");
	ATF_CHECK_EQ(json_object_size(counters), SYNTH_NCOUNTER);
	ATF_CHECK_EQ(number(counters, "alloc"), 100);
	ATF_CHECK_EQ(number(counters, "free"), 7);
	ATF_CHECK_EQ(json_array_size(json_object_get(root, "largest")), 7);
	ATF_CHECK_EQ(number(json_object_get(root, "total"), "free"),
	    76 * 4096);
	ATF_CHECK_EQ(number(json_object_get(root, "counters"), "alloc"),
	    1300);
	ATF_CHECK_EQ(number(root, "spaces_left"), 0);
	space = json_object_get(root, "spaces");
	ATF_CHECK_EQ(json_array_size(space), SYNTH_NSPACE);
	ATF_CHECK_EQ(number(json_array_get(space, 0), "largest"), 0x2800);
	ATF_CHECK_EQ(number(json_array_get(space, 1), "last"), 0x13ffff);
	space = json_array_get(space, 2);
	ATF_CHECK_STREQ(json_string_value(json_object_get(space, "name")),
	    "addresses");
	ATF_CHECK_STREQ(json_string_value(json_object_get(space, "kind")),
	    "extent");
	ATF_CHECK_STREQ(json_string_value(json_object_get(space, "last")),
	    "18446744073709551615");
	ATF_CHECK_STREQ(json_string_value(json_object_get(space, "size")),
	    "18446744073709551616");
	ATF_CHECK_STREQ(json_string_value(json_object_get(space, "free")),
	    "18446744073709551616");
	ATF_CHECK_EQ(number(space, "used"), 0);
	extents = json_object_get(root, "extents");
	ATF_CHECK_EQ(json_array_size(extents), 12);
	extent = json_array_get(extents, 4);
	ATF_CHECK_EQ(number(extent, "start"), 0x108000);
	ATF_CHECK_EQ(number(extent, "end"), 0x109000);
	ATF_CHECK_STREQ(json_string_value(json_object_get(extent, "owner")),
	    "fdc");
	json_decref(root);
	synth_free(&sy);
}

/*
 * Queries.
 */

ATF_TC_WITHOUT_HEAD(query);
ATF_TC_BODY(query, tc)
{
	static const struct {
		const char	*request;
		int		status;
		const char	*out;	/* which the output contains */
	} cases[] = {
		/* The historical request: [4,8), as 4k to 8k is taken. */
		{ "size=16k,align=8k,boundary=64k,high=16m", 0,
		    "would succeed in 1 segment\n"
		    "start          end                 size\n"
		    "0x000000004000 0x000000008000       16K\n" },
		/* Held frames count as free, on both sides of it. */
		{ "size=164k", 0, "0x000000109000 0x000000132000      164K" },
		{ "size=24k,high=64k", 0,
		    "0x000000003000 0x000000009000       24K" },
		/* Over the border of two lists, unless one is excluded. */
		{ "size=64k,low=16320k,high=17m", 0,
		    "0x000000ff8000 0x000001008000       64K" },
		{ "size=64k,low=16320k,high=17m,lists=dma31", 2, "ENOMEM" },
		/* The highest list first; the policy within. */
		{ "size=4k", 0, "0x000100000000 0x000100001000        4K" },
		{ "size=4k,policy=highest", 0,
		    "0x00010000f000 0x000100010000        4K" },
		{ "size=4k,policy=exact,low=0x120000", 0,
		    "0x000000120000 0x000000121000        4K" },
		{ "size=4k,policy=exact,low=0x107000", 2, "ENOMEM" },
		{ "size=4k,policy=best,high=1m", 0, "0x000000003000" },
		/* Why not. */
		{ "size=168k", 2, "would fail (ENOMEM): " },
		{ "size=64k,align=64k,low=1m,high=0x110000", 2,
		    "first by kernel at 0x100000 (32k)" },
		{ "size=1g,nsegs=1000000000", 2, "would fail (ENOMEM): " },
		{ "size=200k,nsegs=2", 0, "would succeed in 2 segments" },
		{ "size=300k,nsegs=2", 2, "would fail (EFBIG): " },
		{ "size=316k,nsegs=4294967295", 0,
		    "would succeed in 4 segments" },
	};
	const struct result *r;
	struct synth sy;
	unsigned i;

	synth_make(&sy);
	synth_write(&sy, CORE, KERNEL);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r = run_extstat(tc, "-M", CORE, "-N", KERNEL, "-q",
		    cases[i].request, NULL);
		ATF_CHECK_MSG(r->r_status == cases[i].status &&
		    strstr(r->r_out, cases[i].out) != NULL &&
		    r->r_err[0] == '\0', "%s: exit %d, %s%s",
		    cases[i].request, r->r_status, r->r_out, r->r_err);
	}
	synth_free(&sy);
}

ATF_TC_WITHOUT_HEAD(query_json);
ATF_TC_BODY(query_json, tc)
{
	const struct result *r;
	struct synth sy;
	json_t *root, *segs;

	synth_make(&sy);
	synth_write(&sy, CORE, KERNEL);
	r = run_extstat(tc, "-j", "-M", CORE, "-N", KERNEL, "-q",
	    "size=200k,nsegs=2", NULL);
	ATF_REQUIRE_EQ(r->r_status, 0);
	root = json_loads(r->r_out, 0, NULL);
	ATF_CHECK(json_is_true(json_object_get(root, "succeeds")));
	segs = json_object_get(root, "segments");
	ATF_REQUIRE_EQ(json_array_size(segs), 2);
	ATF_CHECK_EQ(number(json_array_get(segs, 0), "start"), 0x109000);
	ATF_CHECK_EQ(number(json_array_get(segs, 1), "size"), 36 << 10);
	json_decref(root);

	r = run_extstat(tc, "-j", "-M", CORE, "-N", KERNEL, "-q",
	    "size=1m", NULL);
	ATF_REQUIRE_EQ(r->r_status, 2);
	root = json_loads(r->r_out, 0, NULL);
	ATF_CHECK(json_is_false(json_object_get(root, "succeeds")));
	ATF_CHECK_STREQ(json_string_value(json_object_get(root, "error")),
	    "ENOMEM");
	json_decref(root);
	synth_free(&sy);
}

ATF_TC_WITHOUT_HEAD(query_bad);
ATF_TC_BODY(query_bad, tc)
{
	struct synth sy;

	synth_make(&sy);
	synth_write(&sy, CORE, KERNEL);
	ATF_CHECK(run_failed(run_extstat(tc, "-M", CORE, "-N", KERNEL, "-q",
	    "size=12q", NULL), "size=12q: junk after the number"));
	ATF_CHECK(run_failed(run_extstat(tc, "-M", CORE, "-N", KERNEL, "-q",
	    "size=4k,align=5", NULL), "alignment is not a power of two"));
	synth_free(&sy);
}

/*
 * Options that do not go together.
 */
ATF_TC_WITHOUT_HEAD(options);
ATF_TC_BODY(options, tc)
{

	ATF_CHECK(run_failed(run_extstat(tc, "-M", "x", NULL), "-M needs -N"));
	ATF_CHECK(run_failed(run_extstat(tc, "-Q", "x", NULL), "-Q needs"));
	ATF_CHECK(run_failed(run_extstat(tc, "-N", "x", NULL), "-N needs"));
	ATF_CHECK(run_failed(run_extstat(tc, "-d", "x", NULL), "-d needs"));
	ATF_CHECK(run_failed(run_extstat(tc, "-Q", "x", "-M", "y", "-N", "z",
	    NULL), "exclude each other"));
	ATF_CHECK(run_failed(run_extstat(tc, "-Q", "x", "-d", "y", "-N", "z",
	    NULL), "-d only goes with -Q"));
	ATF_CHECK(run_failed(run_extstat(tc, "-s", "-q", "size=1", NULL),
	    "exclude each other"));
}

/* Words that are none of ours are named, before what would be right. */
ATF_TC_WITHOUT_HEAD(usage);
ATF_TC_BODY(usage, tc)
{
	static const struct {
		const char	*args[4];
		const char	*text;
	} cases[] = {
		{ { "-x" }, "extstat: -x: no such option\nusage: extstat" },
		{ { "-sjx", "-R" }, "extstat: -x: no such option\nusage: " },
		{ { "-s\033" }, "extstat: -?: no such option\nusage: " },
		{ { "-s", "-q" }, "extstat: -q: this option needs an argument"
		    "\nusage: extstat" },
		{ { "-s", "junk" }, "extstat: junk: no such argument\nusage: "
		    "extstat" },
		{ { "-s", "--", "-M\n\033[2J" }, "extstat: -M??[2J: no such "
		    "argument\nusage: extstat" },
	};
	const struct result *r;
	unsigned i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r = run_extstat(tc, cases[i].args[0], cases[i].args[1],
		    cases[i].args[2], NULL);
		ATF_CHECK_MSG(r->r_status == 1 && r->r_out[0] == '\0' &&
		    strncmp(r->r_err, cases[i].text, strlen(cases[i].text)) ==
		    0, "%s: exit %d, %s%s", cases[i].text, r->r_status,
		    r->r_out, r->r_err);
	}
}

/*
 * Files that are no cores and no kernels.
 */

ATF_TC_WITHOUT_HEAD(not_files);
ATF_TC_BODY(not_files, tc)
{
	struct synth sy;

	synth_make(&sy);
	synth_write(&sy, CORE, KERNEL);
	ATF_REQUIRE(mkdir("dir", 0700) == 0 && mkfifo("fifo", 0600) == 0);
	synth_file("empty", "", 0);
	synth_file("text", "hello, world\n", 13);
#define	BAD_CORE(name, text)						\
	ATF_CHECK(run_failed(run_extstat(tc, "-M", name, "-N", KERNEL,	\
	    NULL), "extstat: " name ": " text))
#define	BAD_KERNEL(name, text)						\
	ATF_CHECK(run_failed(run_extstat(tc, "-M", CORE, "-N", name,	\
	    NULL), "extstat: " name ": " text))
	BAD_CORE("dir", "is a directory");
	BAD_CORE("fifo", "not a regular file");
	BAD_CORE("/dev/zero", "not a regular file");
	BAD_CORE("empty", "empty file");
	BAD_CORE("text", "not an ELF file");
	BAD_CORE("missing", "No such file or directory");
	BAD_CORE(KERNEL, "not a core but an ELF file of type 2");
	BAD_KERNEL("dir", "is a directory");
	BAD_KERNEL("fifo", "not a regular file");
	BAD_KERNEL("empty", "empty file");
	BAD_KERNEL("text", "not an ELF file");
	BAD_KERNEL("missing", "No such file or directory");
	BAD_KERNEL(CORE, "not a kernel but an ELF file of type 4");
	synth_free(&sy);
}

/*
 * One thing wrong at a time.
 */

struct fault {
	const char	*f_name;
	void		(*f_make)(struct synth *);
	const char	*f_text;	/* in the message */
};

#define	FAULT(name, how)						\
static void								\
make_##name(struct synth *sy)						\
{									\
									\
	how;								\
}

FAULT(other_class, sy->sy_ehdr->e_ident[EI_CLASS] = ELFCLASS32)
FAULT(other_machine, sy->sy_ehdr->e_machine = EM_AARCH64)
FAULT(big_endian, sy->sy_ehdr->e_ident[EI_DATA] = ELFDATA2MSB;
    sy->sy_ehdr->e_phnum = 0)
FAULT(no_phdr, sy->sy_ehdr->e_phnum = 0)
FAULT(many_phdr, sy->sy_ehdr->e_phnum = 65000)
FAULT(xnum_phdr, sy->sy_ehdr->e_phnum = PN_XNUM)
FAULT(far_phdr, sy->sy_ehdr->e_phoff = UINT64_MAX - 8)
FAULT(small_phdr, sy->sy_ehdr->e_phentsize = 8)
FAULT(no_load, for (unsigned i = 1; i <= SYNTH_NLOAD; i++)
    sy->sy_phdr[i].p_type = PT_NOTE)
FAULT(no_bytes, for (unsigned i = 1; i <= SYNTH_NLOAD; i++)
    sy->sy_phdr[i].p_filesz = 0)
FAULT(long_load, sy->sy_phdr[1].p_filesz = UINT64_MAX)
FAULT(far_load, sy->sy_phdr[1].p_offset = UINT64_MAX)
FAULT(high_load, sy->sy_phdr[1].p_paddr = 1ULL << 52)
FAULT(wrapping_load, sy->sy_phdr[1].p_paddr = UINT64_MAX - 100)
FAULT(twice_load, sy->sy_phdr[1].p_paddr = sy->sy_phdr[2].p_paddr + 4096)
FAULT(shared_load, sy->sy_phdr[1].p_filesz = sy->sy_phdr[2].p_filesz =
    sy->sy_coresize - sy->sy_phdr[2].p_offset)

FAULT(no_magic, sy->sy_export->ve_magic[7] = 'n')
FAULT(no_description, memset(sy->sy_export, 0, sizeof(*sy->sy_export)))
FAULT(swapped, sy->sy_export->ve_byteorder = 0x04030201)
FAULT(byteorder, sy->sy_export->ve_byteorder = 0x01020305)
FAULT(newer, sy->sy_export->ve_version = VM_EXPORT_VERSION + 1)
FAULT(version_0, sy->sy_export->ve_version = 0)
FAULT(small, sy->sy_export->ve_size =
    offsetof(struct vm_export, ve_seg_counters) - 1)
FAULT(pages, sy->sy_export->ve_page_shift = 14)
FAULT(pages_huge, sy->sy_export->ve_page_shift = UINT32_MAX)

FAULT(no_segs, sy->sy_export->ve_segs.vea_count = 0)
FAULT(many_segs, sy->sy_export->ve_segs.vea_count = UINT32_MAX)
FAULT(more_segs, sy->sy_export->ve_segs.vea_count++)
FAULT(segs_size, sy->sy_export->ve_segs.vea_size = 8)
FAULT(segs_size_huge, sy->sy_export->ve_segs.vea_size = UINT32_MAX)
FAULT(segs_away, sy->sy_export->ve_segs.vea_paddr = 0x50000)
FAULT(segs_over, sy->sy_export->ve_segs.vea_paddr = 0x140000 - 8)
FAULT(segs_wrap, sy->sy_export->ve_segs.vea_paddr = UINT64_MAX - 8)
FAULT(seg_empty, sy->sy_seg[1].ves_end = sy->sy_seg[1].ves_start)
FAULT(seg_backwards, sy->sy_seg[1].ves_end = 1)
FAULT(seg_order, sy->sy_seg[0].ves_start = 0x200; sy->sy_seg[0].ves_end = 0x208)
FAULT(seg_overlap, sy->sy_seg[3].ves_start--)
FAULT(seg_list, sy->sy_seg[0].ves_list = VM_NFREELIST)
FAULT(seg_outside, sy->sy_seg[0].ves_start++; sy->sy_seg[0].ves_end++)
FAULT(seg_before, sy->sy_seg[0].ves_start--; sy->sy_seg[0].ves_end--)
FAULT(seg_larger, sy->sy_seg[0].ves_end++)
FAULT(seg_huge, sy->sy_seg[4].ves_end = VM_FRAME_END)
FAULT(seg_beyond, sy->sy_seg[4].ves_end = VM_FRAME_END + 1)
FAULT(seg_max, sy->sy_seg[4].ves_end = UINT64_MAX)

FAULT(no_spans, sy->sy_export->ve_spans.vea_count = 0)
FAULT(many_spans, sy->sy_export->ve_spans.vea_count = 100000)
FAULT(spans_away, sy->sy_export->ve_spans.vea_paddr = 0)
FAULT(span_odd, sy->sy_span[0].vep_nframes = 0x1001)
FAULT(span_first_odd, sy->sy_span[0].vep_first = 1)
FAULT(span_empty, sy->sy_span[0].vep_nframes = 0)
FAULT(span_beyond, sy->sy_span[1].vep_nframes = VM_FRAME_END)
FAULT(span_wraps, sy->sy_span[1].vep_nframes = 0x8000000000000000)
FAULT(span_first_beyond, sy->sy_span[1].vep_first = VM_FRAME_END)
FAULT(spans_overlap, sy->sy_span[1].vep_first = 0x7000)
FAULT(spans_same, sy->sy_span[1] = sy->sy_span[0])
FAULT(span_short, sy->sy_span[0].vep_nframes = 0x1000)
FAULT(span_late, sy->sy_span[0].vep_first = 0x20)
FAULT(states_away, sy->sy_span[0].vep_states = 0x80000000)
FAULT(states_zero, sy->sy_span[0].vep_states = 0)
FAULT(states_wrap, sy->sy_span[0].vep_states = UINT64_MAX - 7)
FAULT(states_over, sy->sy_span[1].vep_states = 0x140000 - 8)
FAULT(virgin_away, sy->sy_span[1].vep_virgin = 0x80000000)
FAULT(virgin_wrap, sy->sy_span[1].vep_virgin = UINT64_MAX - 3)
FAULT(tags_away, sy->sy_span[0].vep_owners = 0x80000000)
FAULT(tags_wrap, sy->sy_span[0].vep_owners = UINT64_MAX - 100)

FAULT(names_away, sy->sy_export->ve_owners.vea_paddr = 0x50000)
FAULT(many_names, sy->sy_export->ve_owners.vea_count = 65537)
FAULT(names_small, sy->sy_export->ve_owners.vea_size = 15)
FAULT(counters_away, sy->sy_export->ve_counters.vea_paddr = 0x50000)
FAULT(counters_small, sy->sy_export->ve_counters.vea_size = 8)
FAULT(many_counters, sy->sy_export->ve_counters.vea_count = 100000)
FAULT(many_counter_names, sy->sy_export->ve_counter_names.vea_count = 1025)

FAULT(slots_away, sy->sy_export->ve_seg_counters.vea_paddr = 0x50000)
FAULT(slots_zero, sy->sy_export->ve_seg_counters.vea_paddr = 0)
FAULT(slots_over, sy->sy_export->ve_seg_counters.vea_paddr = 0x140000 - 376)
FAULT(slots_wrap, sy->sy_export->ve_seg_counters.vea_paddr = UINT64_MAX - 90)
FAULT(slots_small, sy->sy_export->ve_seg_counters.vea_size = 15)
FAULT(slots_size_huge, sy->sy_export->ve_seg_counters.vea_size = UINT32_MAX)
FAULT(many_slots, sy->sy_export->ve_seg_counters.vea_count = 1 << 20 | 8)
FAULT(more_slots, sy->sy_export->ve_seg_counters.vea_count = 4096 * 8;
    sy->sy_export->ve_seg_counters.vea_size = 8192)
FAULT(slots_odd, sy->sy_export->ve_seg_counters.vea_count = 15)
FAULT(slots_cpus, sy->sy_export->ve_seg_counters.vea_count = 4097 * 8)
FAULT(no_slots, sy->sy_export->ve_seg_slots = 0)
FAULT(slots_huge, sy->sy_export->ve_seg_slots = UINT32_MAX)
FAULT(slot_beyond, sy->sy_seg[2].ves_slot = 8)
FAULT(slot_max, sy->sy_seg[4].ves_slot = UINT32_MAX)
FAULT(slot_twice, sy->sy_seg[3].ves_slot = 3)

FAULT(spaces_away, sy->sy_export->ve_spaces.vea_paddr = 0x50000)
FAULT(spaces_wrap, sy->sy_export->ve_spaces.vea_paddr = UINT64_MAX - 90)
FAULT(spaces_small, sy->sy_export->ve_spaces.vea_size = 95)
FAULT(spaces_size_huge, sy->sy_export->ve_spaces.vea_size = UINT32_MAX)
FAULT(many_spaces, sy->sy_export->ve_spaces.vea_count = 4097)
FAULT(more_spaces, sy->sy_export->ve_spaces.vea_count = 4096)

FAULT(kernel_machine, sy->sy_kehdr->e_machine = EM_386)
FAULT(stripped, sy->sy_kshdr[1].sh_type = SHT_NOTE)
FAULT(no_sections, sy->sy_kehdr->e_shnum = 0; sy->sy_kehdr->e_shoff = 0)
FAULT(no_symbol, sy->sy_kstr[9] = 'x')
FAULT(undefined, sy->sy_ksym[2].st_shndx = SHN_UNDEF)
FAULT(name_away, sy->sy_ksym[2].st_name = 0x7fffffff)
FAULT(no_strings, sy->sy_kshdr[1].sh_link = 77)
FAULT(unterminated, sy->sy_kshdr[2].sh_size = 10)
FAULT(symbols_away, sy->sy_kshdr[1].sh_offset = UINT64_MAX / 2)
FAULT(symbols_long, sy->sy_kshdr[1].sh_size = UINT64_MAX / 2)
FAULT(symbol_away, sy->sy_ksym[2].st_value = 0x1234)
FAULT(symbol_between, sy->sy_kphdr[0].p_memsz = SYNTH_EXPORT - 0x100000)
FAULT(no_segment, sy->sy_kehdr->e_phnum = 0)
FAULT(other_address, sy->sy_kphdr[0].p_paddr += 0x1000)
FAULT(address_away, sy->sy_kphdr[0].p_paddr = 0x80000000)
FAULT(address_wraps, sy->sy_kphdr[0].p_paddr = UINT64_MAX - SYNTH_EXPORT +
    0x100000 - 1)

#define	F(name, text)	{ #name, make_##name, text }

static const struct fault faults[] = {
	F(other_class, "core.elf: "),
	F(other_machine, "of another machine (aarch64) than the kernel "
	    "(x86-64)"),
	F(big_endian, "of another machine (64-bit big-endian machine"),
	F(no_phdr, "no memory in this core"),
	F(many_phdr, "truncated: 65000 program headers"),
	F(xnum_phdr, "truncated: no section header 0"),
	F(far_phdr, "truncated: 5 program headers"),
	F(small_phdr, "program headers of 8 bytes, not 56"),
	F(no_load, "no memory in this core"),
	F(no_bytes, "no memory in this core"),
	F(long_load, "truncated: program header 1 has "),
	F(far_load, "truncated: program header 1 has "),
	F(high_load, "physical address 0x10000000000000 beyond 2^52"),
	F(wrapping_load, "program header 1: physical address "),
	F(twice_load, "memory at 0x101000 stands in it twice"),
	F(shared_load, "more memory than the file holds"),

	F(no_magic, "no extent state at 0x110000: another kernel, or not"),
	F(no_description, "no extent state at 0x110000"),
	F(swapped, "in the other byte order is not supported"),
	F(byteorder, "damaged: byte order 0x1020305"),
	F(newer, "version 3: newer than this extstat, which knows 2"),
	F(version_0, "unknown version 0"),
	F(small, "extent state of 119 bytes, less than 120"),
	F(pages, "pages of 2^14 bytes are not supported, only 2^12"),
	F(pages_huge, "pages of 2^4294967295 bytes are not supported"),

	F(no_segs, "no memory segments: the allocator has not started yet"),
	F(many_segs, "segments: 4294967295 elements, more than 4096"),
	F(more_segs, "segment 5"),
	F(segs_size, "segments: elements of 8 bytes, not 24 to 8192"),
	F(segs_size_huge, "segments: elements of 4294967295 bytes"),
	F(segs_away, "segments: 120 bytes at 0x50000 are not in memory"),
	F(segs_over, "segments: 120 bytes at 0x13fff8 are not in memory"),
	F(segs_wrap, "segments: 120 bytes at 0xfffffffffffffff7 are not in"),
	F(seg_empty, "segment 1: frames 0x100 to 0x100 make no segment"),
	F(seg_backwards, "segment 1: frames 0x100 to 0x1 make no segment"),
	F(seg_order, "segment 1 at 0x100000 overlaps the one before or is "
	    "out of order"),
	F(seg_overlap, "segment 3 at 0xfff000 overlaps the one before"),
	F(seg_list, "segment 0: unknown free list 4"),
	F(seg_outside, "segment 0 at 0x2000 does not lie in memory"),
	F(seg_before, "segment 0 at 0 does not lie in memory"),
	F(seg_larger, "segments of 495616 bytes in a memory of 491520"),
	F(seg_huge, "in a memory of 491520"),
	F(seg_beyond, "segment 4: frames 0x100000 to 0x10000000001 make no"),
	F(seg_max, "segment 4: frames "),

	F(no_spans, "segment 0: no state of the frame at 0x1000"),
	F(many_spans, "spans: 100000 elements, more than 1024"),
	F(spans_away, "spans: 80 bytes at 0 are not in memory"),
	F(span_odd, "span of 0x1001 frames at frame 0 makes no sense"),
	F(span_first_odd, "span of 0x8000 frames at frame 0x1 makes no"),
	F(span_empty, "span of 0 frames at frame 0 makes no sense"),
	F(span_beyond, "span of 0x10000000000 frames at frame 0x100000"),
	F(span_wraps, "span of 0x8000000000000000 frames"),
	F(span_first_beyond, "frames at frame 0x10000000000 makes no sense"),
	F(spans_overlap, "spans overlap at frame 0x7000"),
	F(spans_same, "spans overlap at frame 0"),
	F(span_short, "segment 3: no state of the frame at 0x1000000"),
	F(span_late, "segment 0: no state of the frame at 0x1000"),
	F(states_away, "state words: 8192 bytes at 0x80000000 are not in"),
	F(states_zero, "state words: 8192 bytes at 0 are not in memory"),
	F(states_wrap, "state words: 8192 bytes at 0xfffffffffffffff8 are"),
	F(states_over, "state words: 8192 bytes at 0x13fff8 are not in"),
	F(virgin_away, "virgin blocks: 8 bytes at 0x80000000 are not in"),
	F(virgin_wrap, "virgin blocks: 8 bytes at 0xfffffffffffffffc are"),
	F(tags_away, "owner tags: "),
	F(tags_wrap, "owner tags: "),

	F(names_away, "owner names: 64 bytes at 0x50000 are not in memory"),
	F(many_names, "owner names: 65537 elements, more than 65536"),
	F(names_small, "owner names: elements of 15 bytes"),
	F(counters_away, "counters: 32 bytes at 0x50000 are not in memory"),
	F(counters_small, "counters: elements of 8 bytes, not 16 to 8192"),
	F(many_counters, "counters: 100000 elements, more than 4096"),
	F(many_counter_names, "counter names: 1025 elements, more than 1024"),

	F(slots_away, "segment counters: 384 bytes at 0x50000 are not in "
	    "memory"),
	F(slots_zero, "segment counters: 384 bytes at 0 are not in memory"),
	F(slots_over, "segment counters: 384 bytes at 0x13fe88 are not in"),
	F(slots_wrap, "segment counters: 384 bytes at "),
	F(slots_small, "segment counters: elements of 15 bytes, not 16 to"),
	F(slots_size_huge, "segment counters: elements of 4294967295 bytes"),
	F(many_slots, "segment counters: 1048584 elements, more than 1048576"),
	F(more_slots, "segment counters: 1048576 bytes at "),
	F(slots_odd, "segment counters: 15 sets do not make CPUs of 8 slots"),
	F(slots_cpus, "segment counters: 32776 sets do not make CPUs of 8"),
	F(no_slots, "segment counters: 16 sets do not make CPUs of 0 slots"),
	F(slots_huge, "16 sets do not make CPUs of 4294967295 slots"),
	F(slot_beyond, "segment 2: counters in slot 8 of 8"),
	F(slot_max, "segment 4: counters in slot 4294967295 of 8"),
	F(slot_twice, "segments 0 and 3: counters in the same slot 3"),

	F(spaces_away, "spaces: 480 bytes at 0x50000 are not in memory"),
	F(spaces_wrap, "spaces: 480 bytes at "),
	F(spaces_small, "spaces: elements of 95 bytes, not 96 to"),
	F(spaces_size_huge, "spaces: elements of 4294967295 bytes"),
	F(many_spaces, "spaces: 4097 elements, more than 4096"),
	F(more_spaces, "spaces: 393216 bytes at "),

	F(kernel_machine, "of another machine (x86-64) than the kernel "
	    "(i386)"),
	F(stripped, "kernel.elf: no symbols (looked for vm_export)"),
	F(no_sections, "kernel.elf: no symbols (looked for vm_export)"),
	F(no_symbol, "kernel.elf: no symbol vm_export"),
	F(undefined, "kernel.elf: no symbol vm_export"),
	F(name_away, "kernel.elf: no symbol vm_export"),
	F(no_strings, "kernel.elf: no symbol vm_export"),
	F(unterminated, "kernel.elf: no symbol vm_export"),
	F(symbols_away, "kernel.elf: truncated: symbol table not readable"),
	F(symbols_long, "kernel.elf: truncated: symbol table not readable"),
	F(symbol_away, "symbol vm_export at 0x1234 lies in no segment"),
	F(symbol_between, "lies in no segment of the file"),
	F(no_segment, "lies in no segment of the file"),
	F(other_address, "no extent state at 0x111000: another kernel"),
	F(address_away, "extent state: 120 bytes at 0x80010000 are not in"),
	F(address_wraps, "extent state: 120 bytes at "),
};

ATF_TC_WITHOUT_HEAD(hostile);
ATF_TC_BODY(hostile, tc)
{
	struct synth sy;
	unsigned i;

	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		synth_make(&sy);
		faults[i].f_make(&sy);
		ATF_CHECK_MSG(run_failed(run_synth(tc, &sy),
		    faults[i].f_text), "%s", faults[i].f_name);
		synth_free(&sy);
	}
}

/*
 * What looks odd and is right.
 */

FAULT(span_order, struct vm_export_span s = sy->sy_span[0];
    sy->sy_span[0] = sy->sy_span[1]; sy->sy_span[1] = s)
FAULT(larger, sy->sy_export->ve_size += 64)
FAULT(load_order, Elf64_Phdr p = sy->sy_phdr[1];
    sy->sy_phdr[1] = sy->sy_phdr[4]; sy->sy_phdr[4] = p)
FAULT(no_names, sy->sy_export->ve_owners.vea_count = 0)
FAULT(no_tags, sy->sy_span[0].vep_owners = 0)
FAULT(no_counters, sy->sy_export->ve_counters.vea_count = 0)
FAULT(no_spaces, sy->sy_export->ve_spaces.vea_count = 0)
FAULT(older, sy->sy_export->ve_size = offsetof(struct vm_export, ve_spaces))
FAULT(oldest, sy->sy_export->ve_size =
    offsetof(struct vm_export, ve_seg_counters); sy->sy_seg[0].ves_slot = 99)
FAULT(between, sy->sy_export->ve_size = sizeof(struct vm_export) - 1;
    sy->sy_export->ve_spaces.vea_count = UINT32_MAX)
FAULT(no_seg_counters, sy->sy_export->ve_seg_counters.vea_count = 0;
    sy->sy_export->ve_seg_slots = 0; sy->sy_seg[0].ves_slot = 99)
FAULT(seg_counters_zero, memset(sy->sy_segcounter, 0, 384))
FAULT(seg_counters_max, sy->sy_segcounter[0] = UINT64_MAX - 100)
FAULT(seg_counters_one, sy->sy_export->ve_seg_counters.vea_count = 8)
FAULT(kind, sy->sy_space[0].vxs_kind = 77)
FAULT(kind_0, sy->sy_space[0].vxs_kind = 0)
FAULT(space_name, memset(sy->sy_space[0].vxs_name, 27, 32))
FAULT(space_numbers, memset(&sy->sy_space[0].vxs_start, 0xff, 56))
FAULT(space_taken, sy->sy_space[2].vxs_largest = 0;
    sy->sy_space[2].vxs_pieces = 1)
FAULT(space_partly, sy->sy_space[2].vxs_used = 1 << 20;
    sy->sy_space[2].vxs_free = -(uint64_t)(1 << 20);
    sy->sy_space[2].vxs_pieces = 1)
FAULT(spaces_left, sy->sy_export->ve_spaces_left = UINT32_MAX)
FAULT(free_outside, memset(sy->sy_words + 512, 0, 4096))
FAULT(end_name, memset(sy->sy_owner[1].ven_name, 'x', 16))

static const struct fault odds[] = {
	F(span_order, "allocated fdc\n"),
	F(larger, "allocated fdc\n"),
	F(load_order, "allocated fdc\n"),
	F(no_names, "0x000000109000        4K allocated ?\n"),
	F(no_tags, "0x000000109000        4K allocated -\n"),
	F(no_counters, "alloc                               0\n"),
	F(no_spaces, "default                     2\n\naudit"),
	F(older, "default                     2\n\naudit"),
	F(between, "default                     2\n\naudit"),
	F(oldest, "free                               24\n\naudit"),
	F(no_seg_counters, "free                               24\n\npools"),
	F(seg_counters_zero, "                value\n\npools"),
	F(seg_counters_max, "isa      18446744073709551615\n"),
	F(seg_counters_one, "alloc            0x000000100000 isa              "
	    "         700\n"),
	F(kind, "sram                 ?            16K"),
	F(kind_0, "sram                 ?            16K"),
	F(space_name, "??????????????????????????????? pool "),
	F(space_numbers, "18446744073709551615\n"),
	F(space_taken, "extent    16384P    16384P         0         0"),
	F(space_partly, "extent    16384P        1M  16383.9P  16383.9P"),
	F(spaces_left, "\nand 4294967295 more\n"),
	F(free_outside, "total         480K      304K       12K      164K"),
	F(end_name, "8K allocated xxxxxxxxxxxxxxxx\n"),
};

ATF_TC_WITHOUT_HEAD(odd);
ATF_TC_BODY(odd, tc)
{
	char audit[256];
	const struct result *r;
	struct synth sy;
	unsigned i;

	synth_audit(audit, sizeof(audit));
	for (i = 0; i < sizeof(odds) / sizeof(odds[0]); i++) {
		synth_make(&sy);
		odds[i].f_make(&sy);
		r = run_synth(tc, &sy);
		ATF_CHECK_MSG(r->r_status == 0 && strstr(r->r_out,
		    odds[i].f_text) != NULL && strstr(r->r_out, audit) != NULL,
		    "%s: exit %d: %s%s", odds[i].f_name, r->r_status,
		    r->r_out, r->r_err);
		synth_free(&sy);
	}
}

/* A name that would clear the screen is shown, not obeyed. */
ATF_TC_WITHOUT_HEAD(terminal);
ATF_TC_BODY(terminal, tc)
{
	const struct result *r;
	struct synth sy;

	synth_make(&sy);
	memcpy(sy.sy_owner[1].ven_name, "\033[2J\n\tx", 8);
	memcpy(sy.sy_countername[0].ven_name, "\033[2J\377", 6);
	r = run_synth(tc, &sy);
	ATF_CHECK_EQ(r->r_status, 0);
	ATF_CHECK(strstr(r->r_out, "allocated ?[2J??x\n") != NULL);
	ATF_CHECK(strchr(r->r_out, '\033') == NULL);
	r = run_extstat(tc, "-j", "-M", CORE, "-N", KERNEL, NULL);
	ATF_CHECK_EQ(r->r_status, 0);
	ATF_CHECK(strstr(r->r_out, "\"owner\":\"?[2J??x\"") != NULL);
	synth_free(&sy);
}

/* Frames that follow no first one are shown as what they are. */
ATF_TC_WITHOUT_HEAD(headless);
ATF_TC_BODY(headless, tc)
{
	const struct result *r;
	struct synth sy;

	synth_make(&sy);
	/* Frame 0x100: from first to further. */
	sy.sy_words[0x100 / 32] &= ~(uint64_t)1;
	r = run_synth(tc, &sy);
	ATF_CHECK_EQ(r->r_status, 0);
	ATF_CHECK(strstr(r->r_out,
	    "0x000000100000 0x000000108000       32K headless  -\n") != NULL);
	ATF_CHECK(strstr(r->r_out,
	    "damaged: 1 allocations without a first frame\n") != NULL);
	synth_free(&sy);
}

/*
 * Files cut off.
 */

/* Length n of a file of size bytes: all of the start, then here and there. */
static size_t
next_length(size_t n, size_t size, size_t dense)
{
	size_t next = n < dense ? n + 1 : n + size / 40 + 1;

	return (next > size - 1 && n < size - 1 ? size - 1 : next);
}

ATF_TC(truncated_core);
ATF_TC_HEAD(truncated_core, tc)
{

	atf_tc_set_md_var(tc, "timeout", "1800");
}
ATF_TC_BODY(truncated_core, tc)
{
	struct synth sy;
	size_t n;

	synth_make(&sy);
	synth_write(&sy, CORE, KERNEL);
	for (n = sy.sy_coresize - 1; n > sy.sy_coresize - 3; n--) {
		ATF_REQUIRE(truncate(CORE, (off_t)n) == 0);
		ATF_CHECK(run_failed(run_extstat(tc, "-M", CORE, "-N", KERNEL,
		    NULL), "truncated"));
	}
	for (n = 0; n < sy.sy_coresize;
	    n = next_length(n, sy.sy_coresize, 360)) {
		synth_file(CORE, sy.sy_core, n);
		ATF_CHECK_MSG(run_failed(run_extstat(tc, "-M", CORE, "-N",
		    KERNEL, NULL), n == 0 ? "empty file" :
		    n < 4 ? "not an ELF file" : CORE ": "), "%zu bytes", n);
	}
	synth_free(&sy);
}

ATF_TC(truncated_kernel);
ATF_TC_HEAD(truncated_kernel, tc)
{

	atf_tc_set_md_var(tc, "timeout", "1800");
}
ATF_TC_BODY(truncated_kernel, tc)
{
	struct synth sy;
	size_t n;

	synth_make(&sy);
	synth_write(&sy, CORE, KERNEL);
	for (n = 0; n < sy.sy_kernelsize; n++) {
		synth_file(KERNEL, sy.sy_kernel, n);
		ATF_CHECK_MSG(run_failed(run_extstat(tc, "-M", CORE, "-N",
		    KERNEL, NULL), KERNEL ": "), "%zu bytes", n);
	}
	synth_free(&sy);
}

/*
 * Mutations: bytes of the headers and of the description changed at random,
 * always from the same seed.  extstat says yes or says why not.
 */

static uint64_t seed = 20260101;

/* xorshift64*; Vigna, ACM Transactions on Mathematical Software 42 (2016). */
static uint64_t
random64(void)
{

	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (seed * 2685821657736338717ULL);
}

/* Change a few places in [p, p + len). */
static void
mutate(uint8_t *p, size_t len)
{
	static const uint64_t values[] = {
		0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000,
		0xffffffff, 0x100000000, 0x7fffffffffffffff,
		0x8000000000000000, UINT64_MAX, 4096, 0x110000
	};
	unsigned n = 1 + (unsigned)(random64() % 3);
	uint64_t value;
	size_t at, width;

	while (n-- > 0) {
		width = (size_t)1 << random64() % 4;
		at = random64() % len / width * width;
		if (at + width > len)
			continue;
		value = random64() % 3 == 0 ? random64() :
		    values[random64() % (sizeof(values) / sizeof(values[0]))];
		memcpy(p + at, &value, width);
	}
}

static void
mutate_somewhere(struct synth *sy)
{

	switch (random64() % 4) {
	case 0:
		mutate(sy->sy_core, (size_t)sy->sy_phdr[1].p_offset);
		break;
	case 1:
		mutate(sy->sy_kernel, sy->sy_kernelsize);
		break;
	case 2:
		mutate((uint8_t *)sy->sy_export, sizeof(*sy->sy_export));
		break;
	case 3:
		/* From the segments to the spaces. */
		mutate((uint8_t *)sy->sy_seg, (size_t)((uint8_t *)
		    (sy->sy_space + SYNTH_NSPACE) - (uint8_t *)sy->sy_seg));
		break;
	}
}

ATF_TC(mutated);
ATF_TC_HEAD(mutated, tc)
{

	atf_tc_set_md_var(tc, "timeout", "600");
}
ATF_TC_BODY(mutated, tc)
{
	const struct result *r;
	unsigned i, good = 0, bad = 0;
	struct synth sy;

	for (i = 0; i < MUTATIONS; i++) {
		synth_make(&sy);
		mutate_somewhere(&sy);
		r = run_synth(tc, &sy);
		if (r->r_status == 0) {
			good++;
			ATF_CHECK(r->r_err[0] == '\0' &&
			    strstr(r->r_out, "\naudit: frames ") != NULL);
		} else if (run_failed(r, "extstat: "))
			bad++;
		else {
			(void)rename(CORE, "bad.core");
			(void)rename(KERNEL, "bad.kernel");
			atf_tc_fail("mutation %u: exit %d, signal %d", i,
			    r->r_status, r->r_signal);
		}
		synth_free(&sy);
	}
	(void)printf("%u read, %u refused\n", good, bad);
	/* Neither all nor none: else the mutations are worth nothing. */
	ATF_CHECK(good > MUTATIONS / 20 && bad > MUTATIONS / 20);
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, print);
	ATF_TP_ADD_TC(tp, summary);
	ATF_TP_ADD_TC(tp, json);
	ATF_TP_ADD_TC(tp, query);
	ATF_TP_ADD_TC(tp, query_json);
	ATF_TP_ADD_TC(tp, query_bad);
	ATF_TP_ADD_TC(tp, options);
	ATF_TP_ADD_TC(tp, usage);
	ATF_TP_ADD_TC(tp, not_files);
	ATF_TP_ADD_TC(tp, hostile);
	ATF_TP_ADD_TC(tp, odd);
	ATF_TP_ADD_TC(tp, terminal);
	ATF_TP_ADD_TC(tp, headless);
	ATF_TP_ADD_TC(tp, truncated_core);
	ATF_TP_ADD_TC(tp, truncated_kernel);
	ATF_TP_ADD_TC(tp, mutated);
	return (atf_no_error());
}
