/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Three files: iomem says where memory is, kpageflags what each frame is used
 * for (64 bits a frame; Linux, Documentation/admin-guide/mm/pagemap.rst), and
 * buddyinfo how much is free in all.
 *
 * Linux does not record which frames were allocated together, nor by whom.
 * Neighbours that are used for the same kind of thing are shown as one
 * allocation, owned by that kind.  Frames that rest on the lists of a CPU look
 * used, and are shown so.
 *
 * Some versions flag only the first frame of each free block.  Its length is
 * told nowhere, so such a file is useless here; the number of free pages in
 * buddyinfo gives it away.  The two files are read one after the other while
 * the machine works, so they need not agree exactly.
 */

#define	_GNU_SOURCE			/* asprintf */
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <vm/vm_owner.h>

#include "linux.h"
#include "util.h"

#define	FLAGS_AT_ONCE	65536		/* frames */
#define	SLACK		1024		/* free pages that do not matter */
#define	MAXORDER	32		/* columns of buddyinfo */
#define	KPF_BUDDY	10
#define	LINE_SHOWN	60		/* bytes of a line in a message */

/*
 * Kinds of use by their flags in kpageflags; the first that is set counts.
 * Tag 0 is VM_OWNER_NONE, the last one is for what has none of the flags.
 */
static const struct kind {
	uint64_t	k_flags;
	const char	*k_name;
} kinds[] = {
	{ 0,				"" },
	{ 1ULL << 20,			"nopage" },
	{ 1ULL << 19,			"hwpoison" },
	{ 1ULL << 23,			"offline" },
	{ 1ULL << 17,			"hugetlb" },
	{ 1ULL << 7,			"slab" },
	{ 1ULL << 26,			"pagetable" },
	{ 1ULL << 12,			"anon" },
	{ 1ULL << 5,			"file" },	/* the page cache */
	{ 1ULL << 11,			"mapped" },
	{ 1ULL << 24,			"zeropage" },
	{ 1ULL << 32,			"reserved" },
	{ 1ULL << 15 | 1ULL << 16,	"compound" },
	{ 0,				"other" }
};

#define	NKIND	(sizeof(kinds) / sizeof(kinds[0]))

struct linux_files {
	struct state	*l_st;
	char		*l_iomem;	/* names */
	char		*l_flags;
	char		*l_buddy;
	int		l_fd;		/* of kpageflags */
	uint64_t	*l_buf;		/* FLAGS_AT_ONCE of it */
	uint64_t	l_nfree;	/* frames flagged free */
	vm_frame_t	l_start;	/* of the run that is being read */
	vm_owner_t	l_kind;		/* its kind; 0: free */
};

static char *
join_path(const char *dir, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", dir, name) == -1)
		err(1, "%s/%s", dir, name);
	return (path);
}

/* Of a name that may be a FIFO: do not wait for its writer. */
static int
open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd == -1 && (errno == EACCES || errno == EPERM))
		errx(1, "%s: permission denied: run extstat as root", path);
	if (fd == -1 || fstat(fd, &st) == -1)
		err(1, "%s", path);
	if (!S_ISREG(st.st_mode))
		errx(1, "%s: not a regular file", path);
	return (fd);
}

static FILE *
open_text(const char *path)
{
	FILE *fp = fdopen(open_file(path), "r");

	if (fp == NULL)
		err(1, "%s", path);
	return (fp);
}

static void
close_text(FILE *fp, const char *path)
{

	if (ferror(fp))
		err(1, "%s", path);
	(void)fclose(fp);
}

/*
 * The next line, without its end; false: there is none.  What is longer than
 * any line in these files comes in parts, none of which makes sense.
 */
static bool
read_line(FILE *fp, char *line, size_t size)
{

	if (fgets(line, (int)size, fp) == NULL)
		return (false);
	line[strcspn(line, "\n")] = '\0';
	return (true);
}

static _Noreturn void
bad_line(const char *path, const char *what, const char *line)
{
	char shown[LINE_SHOWN];

	printable(shown, sizeof(shown), line, sizeof(shown));
	errx(1, "%s: not %s: %s", path, what, shown);
}

/*
 * iomem.
 */

/* A number in hexadecimal, without sign or prefix, at *textp. */
static bool
parse_hex(const char **textp, uint64_t *valuep)
{
	size_t len = strspn(*textp, "0123456789abcdef");

	if (len == 0 || len > 16)
		return (false);
	*valuep = strtoull(*textp, NULL, 16);
	*textp += len;
	return (true);
}

/* "START-END : NAME", with the last byte as END. */
static bool
parse_resource(const char *text, uint64_t *startp, uint64_t *lastp,
    const char **namep)
{

	text += strspn(text, " ");
	if (!parse_hex(&text, startp) || *text++ != '-' ||
	    !parse_hex(&text, lastp) || strncmp(text, " : ", 3) != 0)
		return (false);
	*namep = text + 3;
	return (*startp <= *lastp);
}

/* "System RAM", also "System RAM (kmem)". */
static bool
is_memory(const char *name)
{
	static const char ram[] = "System RAM";

	return (strncmp(name, ram, sizeof(ram) - 1) == 0 &&
	    (name[sizeof(ram) - 1] == '\0' || name[sizeof(ram) - 1] == ' '));
}

/* Whole frames of [start, last], cut where a free list ends. */
static void
add_memory(const struct linux_files *l, uint64_t start, uint64_t last)
{
	vm_frame_t f = (start >> PAGE_SHIFT) +
	    ((start & (VM_PAGE_SIZE - 1)) != 0);
	vm_frame_t end = (last >> PAGE_SHIFT) +
	    ((last & (VM_PAGE_SIZE - 1)) == VM_PAGE_SIZE - 1);
	vm_frame_t limit;

	if (end > VM_FRAME_END)
		errx(1, "%s: memory at %#" PRIx64 " beyond 2^%d", l->l_iomem,
		    last, VM_PADDR_BITS);
	for (; f < end; f = limit) {
		limit = vm_freelist_limit(vm_freelist_of(f));
		if (limit > end)
			limit = end;
		state_segment(l->l_st, f, limit, vm_freelist_of(f));
	}
}

static void
read_iomem(const struct linux_files *l)
{
	FILE *fp = open_text(l->l_iomem);
	uint64_t start, last;
	const char *name;
	char line[256];
	bool hidden = false;

	while (read_line(fp, line, sizeof(line))) {
		if (!parse_resource(line, &start, &last, &name))
			bad_line(l->l_iomem, "a range", line);
		if (!is_memory(name))
			continue;
		if (last == 0)
			hidden = true;
		else
			add_memory(l, start, last);
	}
	close_text(fp, l->l_iomem);
	if (hidden)
		errx(1, "%s: addresses are hidden: run extstat as root",
		    l->l_iomem);
	if (l->l_st->st_nseg == 0)
		errx(1, "%s: no System RAM in it", l->l_iomem);
}

/*
 * kpageflags.
 */

/* The tag of a frame's kind of use; VM_OWNER_NONE: it is free. */
static vm_owner_t
kind_of(uint64_t flags)
{
	vm_owner_t tag;

	if ((flags >> KPF_BUDDY & 1) != 0)
		return (VM_OWNER_NONE);
	for (tag = 1; tag < NKIND - 1; tag++) {
		if ((flags & kinds[tag].k_flags) != 0)
			break;
	}
	return (tag);
}

/* The run that is being read ends before frame end. */
static void
end_run(struct linux_files *l, vm_frame_t end)
{
	struct vm_extmap *map = &l->l_st->st_map;
	struct vm_extspan *xs;

	if (l->l_start >= end)
		return;
	if (l->l_kind == VM_OWNER_NONE) {
		vm_extmap_set(map, l->l_start, end, VM_FRAME_FREE);
		l->l_nfree += end - l->l_start;
		return;
	}
	vm_extmap_set(map, l->l_start, end, VM_FRAME_HEAD);
	xs = vm_extmap_span(map, l->l_start);
	xs->xs_owner[l->l_start - xs->xs_first] = l->l_kind;
}

/* n flags from frame first on. */
static void
read_flags(const struct linux_files *l, vm_frame_t first, size_t n)
{
	size_t len = n * sizeof(*l->l_buf), done = 0;
	char *buf = (char *)l->l_buf;
	ssize_t got;

	while (done < len) {
		got = pread(l->l_fd, buf + done, len - done,
		    (off_t)(first * sizeof(*l->l_buf) + done));
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			err(1, "%s", l->l_flags);
		if (got == 0)
			errx(1, "%s: ends at frame %#jx, before the memory in "
			    "%s", l->l_flags,
			    (uintmax_t)(first + done / sizeof(*l->l_buf)),
			    l->l_iomem);
		done += (size_t)got;
	}
}

static void
load_frames(struct linux_files *l, vm_frame_t first, size_t n)
{
	vm_owner_t kind;
	size_t i;

	read_flags(l, first, n);
	for (i = 0; i < n; i++) {
		kind = kind_of(l->l_buf[i]);
		if (kind == l->l_kind)
			continue;
		end_run(l, first + i);
		l->l_start = first + i;
		l->l_kind = kind;
	}
}

static void
load_segment(struct linux_files *l, const struct vm_physseg *seg)
{
	vm_frame_t f;
	size_t n;

	l->l_start = seg->vs_start;
	l->l_kind = VM_OWNER_NONE;
	for (f = seg->vs_start; f < seg->vs_end; f += n) {
		n = FLAGS_AT_ONCE;
		if (n > seg->vs_end - f)
			n = (size_t)(seg->vs_end - f);
		load_frames(l, f, n);
	}
	end_run(l, seg->vs_end);
}

/*
 * buddyinfo: "Node 0, zone   Normal   10   4   1 ...", free blocks of 2^0
 * pages, 2^1 pages and so on.
 */

/* The free pages in a line; false: it is no such line. */
static bool
parse_zone(const char *line, uint64_t *pagesp)
{
	const char *p = strstr(line, ", zone");
	unsigned order;
	uint64_t blocks;
	char *end;

	if (strncmp(line, "Node ", 5) != 0 || p == NULL)
		return (false);
	p += strlen(", zone");
	p += strspn(p, " ");
	p += strcspn(p, " ");			/* the name of the zone */
	*pagesp = 0;
	for (order = 0; order < MAXORDER; order++, p = end) {
		p += strspn(p, " ");
		if (*p == '\0')
			return (order > 0);
		if (*p < '0' || *p > '9')
			return (false);
		errno = 0;
		blocks = strtoull(p, &end, 10);
		if (errno != 0 || blocks > VM_FRAME_END >> order)
			return (false);
		*pagesp += blocks << order;
	}
	return (false);
}

static uint64_t
read_buddyinfo(const struct linux_files *l)
{
	FILE *fp = open_text(l->l_buddy);
	uint64_t pages, sum = 0;
	char line[1024];

	while (read_line(fp, line, sizeof(line))) {
		if (!parse_zone(line, &pages))
			bad_line(l->l_buddy, "a zone", line);
		sum += pages;
	}
	close_text(fp, l->l_buddy);
	return (sum);
}

static void
check_free(const struct linux_files *l, uint64_t total)
{

	if (l->l_nfree >= total / 2 || total - l->l_nfree <= SLACK)
		return;
	errx(1, "%s: %" PRIu64 " frames flagged free, %" PRIu64 " in %s: this "
	    "Linux flags only the first frame of a free block, which is not "
	    "supported", l->l_flags, l->l_nfree, total, l->l_buddy);
}

static void
name_kinds(struct state *st)
{
	unsigned i;

	st->st_owner = xcalloc(NKIND, sizeof(*st->st_owner));
	st->st_nowner = NKIND;
	for (i = 0; i < NKIND; i++)
		printable(st->st_owner[i].sn_name, STATE_NAMELEN,
		    kinds[i].k_name, strlen(kinds[i].k_name));
}

void
linux_load(struct state *st, const char *dir)
{
	struct linux_files l = { .l_st = st };
	uint64_t total;
	unsigned i;

	l.l_iomem = join_path(dir, "iomem");
	l.l_flags = join_path(dir, "kpageflags");
	l.l_buddy = join_path(dir, "buddyinfo");
	l.l_fd = open_file(l.l_flags);
	read_iomem(&l);
	state_map(st);
	name_kinds(st);
	l.l_buf = xcalloc(FLAGS_AT_ONCE, sizeof(*l.l_buf));
	total = read_buddyinfo(&l);
	for (i = 0; i < st->st_nseg; i++)
		load_segment(&l, &st->st_seg[i]);
	check_free(&l, total);
	(void)close(l.l_fd);
	free(l.l_buf);
	free(l.l_iomem);
	free(l.l_flags);
	free(l.l_buddy);
}
