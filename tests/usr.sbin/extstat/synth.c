/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "synth.h"

#define	PAGE		4096
#define	SPAN_FRAMES	32768
#define	NWORDS		(SPAN_FRAMES / 32)
#define	NOWNER		4
#define	KERNEL_VA	0xffffffff80100000ULL
#define	KERNEL_PA	0x100000ULL
#define	ARRAYS		(SYNTH_EXPORT + 0x1000)
#define	WORDS0		0x112000ULL
#define	WORDS1		0x114000ULL
#define	TAGS0		0x116000ULL
#define	TAGS1		0x126000ULL
#define	VIRGIN1		0x136000ULL

static const struct {
	uint64_t	start;		/* frames */
	uint64_t	end;
} loads[SYNTH_NLOAD] = {
	{ 0x1, 0x9 }, { 0x100, 0x140 }, { 0xff0, 0x1010 },
	{ 0x100000, 0x100010 }
};

static const struct vm_export_seg segments[SYNTH_NSEG] = {
	{ 0x1, 0x9, VM_FREELIST_ISA, 3 },
	{ 0x100, 0x140, VM_FREELIST_ISA, 0 },
	{ 0xff0, 0x1000, VM_FREELIST_ISA, 7 },
	{ 0x1000, 0x1010, VM_FREELIST_DMA31, 1 },
	{ 0x100000, 0x100010, VM_FREELIST_DEFAULT, 2 }
};

/* States: 0 free, 1 held, 2 further, 3 first frame of an allocation. */
static const struct piece {
	uint64_t	start;
	uint64_t	end;
	unsigned	state;		/* 1 or 3 */
	unsigned	tag;
} pieces[] = {
	{ 0x1, 0x3, 3, 1 },
	{ 0x3, 0x4, 1, 0 },
	{ 0x100, 0x108, 3, 1 },
	{ 0x108, 0x109, 3, 2 },
	{ 0x130, 0x132, 1, 0 },
	{ 0x132, 0x140, 3, 0 },
	{ 0xff0, 0xff8, 3, 2 },
	{ 0x1008, 0x1010, 3, 99 },
};

#define	NPIECE	(sizeof(pieces) / sizeof(pieces[0]))

void *
synth_memory(const struct synth *sy, uint64_t pa)
{
	unsigned i;

	for (i = 0; i < SYNTH_NLOAD; i++) {
		if (pa / PAGE >= loads[i].start && pa / PAGE < loads[i].end)
			return (sy->sy_core + sy->sy_phdr[i + 1].p_offset +
			    (pa - loads[i].start * PAGE));
	}
	return (NULL);
}

static void
make_ehdr(Elf64_Ehdr *eh, unsigned type, unsigned nphdr)
{

	memcpy(eh->e_ident, ELFMAG, SELFMAG);
	eh->e_ident[EI_CLASS] = ELFCLASS64;
	eh->e_ident[EI_DATA] = ELFDATA2LSB;
	eh->e_ident[EI_VERSION] = EV_CURRENT;
	eh->e_type = (uint16_t)type;
	eh->e_machine = EM_X86_64;
	eh->e_version = EV_CURRENT;
	eh->e_ehsize = sizeof(*eh);
	eh->e_phentsize = sizeof(Elf64_Phdr);
	eh->e_phnum = (uint16_t)nphdr;
	eh->e_phoff = sizeof(*eh);
	eh->e_shentsize = sizeof(Elf64_Shdr);
}

static void *
xalloc(size_t n)
{
	void *p = calloc(1, n);

	if (p == NULL)
		err(1, "calloc");
	return (p);
}

static void
make_core_file(struct synth *sy)
{
	size_t offset = sizeof(Elf64_Ehdr) +
	    (SYNTH_NLOAD + 1) * sizeof(Elf64_Phdr);
	unsigned i;

	sy->sy_coresize = offset;
	for (i = 0; i < SYNTH_NLOAD; i++)
		sy->sy_coresize += (loads[i].end - loads[i].start) * PAGE;
	sy->sy_core = xalloc(sy->sy_coresize);
	sy->sy_ehdr = (void *)sy->sy_core;
	make_ehdr(sy->sy_ehdr, ET_CORE, SYNTH_NLOAD + 1);
	sy->sy_phdr = (void *)(sy->sy_core + sizeof(Elf64_Ehdr));
	sy->sy_phdr[0].p_type = PT_NOTE;
	sy->sy_phdr[0].p_offset = offset;
	for (i = 0; i < SYNTH_NLOAD; i++) {
		Elf64_Phdr *ph = &sy->sy_phdr[i + 1];

		ph->p_type = PT_LOAD;
		ph->p_offset = offset;
		ph->p_paddr = loads[i].start * PAGE;
		ph->p_filesz = (loads[i].end - loads[i].start) * PAGE;
		ph->p_memsz = ph->p_filesz;
		offset += ph->p_filesz;
	}
}

static void
make_array(struct synth *sy, struct vm_export_array *ea, uint64_t *at,
    unsigned count, size_t size, const void *from, void *where)
{
	void *to = synth_memory(sy, *at);

	ea->vea_paddr = *at;
	ea->vea_count = count;
	ea->vea_size = (uint32_t)size;
	if (from != NULL)
		memcpy(to, from, count * size);
	memcpy(where, &to, sizeof(to));
	*at += count * size;
}

/*
 * Counters by segment, in sets that are longer than there are counters; what
 * is in no segment's slot, and what is behind the counters, is not to be read.
 */
static void
make_seg_counters(struct synth *sy, uint64_t *at)
{
	static const uint64_t sets[SYNTH_NCPU * SYNTH_NSLOT][3] = {
		{ 700, 10, 7777 }, { 0, 5, 7777 }, { 250, 0, 7777 },
		{ 0, 0, 7777 }, { 9, 9, 9 }, { 9, 9, 9 }, { 9, 9, 9 },
		{ 50, 5, 7777 },
		{ 100, 0, 7777 }, { 0, 0, 7777 }, { 150, 2, 7777 },
		{ 0, 0, 7777 }, { 9, 9, 9 }, { 9, 9, 9 }, { 9, 9, 9 },
		{ 50, 2, 7777 }
	};

	make_array(sy, &sy->sy_export->ve_seg_counters, at,
	    SYNTH_NCPU * SYNTH_NSLOT, sizeof(sets[0]), sets,
	    &sy->sy_segcounter);
	sy->sy_export->ve_seg_slots = SYNTH_NSLOT;
}

static void
make_description(struct synth *sy)
{
	static const struct vm_export_name lists[] = {
		{ "isa" }, { "dma31" }, { "dma32" }, { "default" }
	};
	static const struct vm_export_name owners[NOWNER] = {
		{ "-" }, { "kernel" }, { "fdc" }, { "edu" }
	};
	static const struct vm_export_name counters[SYNTH_NCOUNTER] = {
		{ "alloc" }, { "free" }
	};
	static const struct vm_export_span spans[SYNTH_NSPAN] = {
		{ 0, SPAN_FRAMES, WORDS0, TAGS0, 0 },
		{ 0x100000, SPAN_FRAMES, WORDS1, TAGS1, VIRGIN1 }
	};
	static const uint64_t values[SYNTH_NCPU * SYNTH_NCOUNTER] = {
		1000, 20, 300, 4
	};
	static const struct vm_export_space spaces[SYNTH_NSPACE] = {
		{ "sram", VM_EXPORT_POOL, 0, 0x20000, 0x23fff, 0x4000, 0x1000,
		    0x3000, 0x2800, 3 },
		{ "tables", VM_EXPORT_BUDDY, 0, 0x100000, 0x13ffff, 0x40000,
		    0x1000, 0x3f000, 0x20000, 1 },
		{ "addresses", VM_EXPORT_EXTENT, 0, 0, UINT64_MAX, 0, 0,
		    0, UINT64_MAX, 0 },
		{ "kmem 64", VM_EXPORT_KMEM, 0, 0, 0, 0x1000, 0x40, 0xfc0,
		    0x40, 1 },
		{ "kmem 96", VM_EXPORT_KMEM, 0, 0, 0, 0, 0, 0, 0, 0 }
	};
	struct vm_export *ve = synth_memory(sy, SYNTH_EXPORT);
	uint64_t at = ARRAYS;

	sy->sy_export = ve;
	memcpy(ve->ve_magic, VM_EXPORT_MAGIC, sizeof(ve->ve_magic));
	ve->ve_byteorder = VM_EXPORT_BYTEORDER;
	ve->ve_version = VM_EXPORT_VERSION;
	ve->ve_size = sizeof(*ve);
	ve->ve_page_shift = 12;
	make_array(sy, &ve->ve_segs, &at, SYNTH_NSEG, sizeof(segments[0]),
	    segments, &sy->sy_seg);
	make_array(sy, &ve->ve_spans, &at, SYNTH_NSPAN, sizeof(spans[0]),
	    spans, &sy->sy_span);
	make_array(sy, &ve->ve_lists, &at, VM_NFREELIST, sizeof(lists[0]),
	    lists, &sy->sy_list);
	make_array(sy, &ve->ve_owners, &at, NOWNER, sizeof(owners[0]), owners,
	    &sy->sy_owner);
	make_array(sy, &ve->ve_counter_names, &at, SYNTH_NCOUNTER,
	    sizeof(counters[0]), counters, &sy->sy_countername);
	make_array(sy, &ve->ve_counters, &at, SYNTH_NCPU,
	    SYNTH_NCOUNTER * sizeof(uint64_t), values, &sy->sy_counter);
	make_seg_counters(sy, &at);
	make_array(sy, &ve->ve_spaces, &at, SYNTH_NSPACE, sizeof(spaces[0]),
	    spaces, &sy->sy_space);
}

/* Set a frame's two bits to a state. */
static void
set_state(uint64_t *words, uint64_t index, unsigned state)
{
	uint64_t bit = (uint64_t)1 << index % 32;

	words[index / 32] &= ~(bit | bit << 32);
	if ((state & 1) != 0)
		words[index / 32] |= bit;
	if ((state & 2) != 0)
		words[index / 32] |= bit << 32;
}

static void
make_states(struct synth *sy)
{
	uint64_t *words1 = synth_memory(sy, WORDS1);
	uint64_t f;
	unsigned i;

	sy->sy_words = synth_memory(sy, WORDS0);
	sy->sy_tags = synth_memory(sy, TAGS0);
	/* All absent, also what is in no segment. */
	memset(sy->sy_words, 0xff, NWORDS * sizeof(uint64_t));
	memset(words1, 0xff, NWORDS * sizeof(uint64_t));
	for (i = 0; i < SYNTH_NSEG; i++) {
		for (f = segments[i].ves_start; f < segments[i].ves_end; f++)
			set_state(f < 0x100000 ? sy->sy_words : words1,
			    f % 0x100000, 0);
	}
	for (i = 0; i < NPIECE; i++) {
		for (f = pieces[i].start; f < pieces[i].end; f++)
			set_state(sy->sy_words, f, pieces[i].state == 3 &&
			    f > pieces[i].start ? 2 : pieces[i].state);
		sy->sy_tags[pieces[i].start] = (uint16_t)pieces[i].tag;
	}
	/* The second span is free, and nobody wrote its words yet. */
	memset(words1, 0x5a, NWORDS * sizeof(uint64_t));
	*(uint64_t *)synth_memory(sy, VIRGIN1) = UINT64_MAX;
}

static void
make_kernel(struct synth *sy)
{
	static const char strings[] = "\0another\0vm_export";
	size_t offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) +
	    3 * sizeof(Elf64_Shdr);
	Elf64_Shdr *sh;

	sy->sy_kernelsize = offset + 3 * sizeof(Elf64_Sym) + sizeof(strings);
	sy->sy_kernel = xalloc(sy->sy_kernelsize);
	sy->sy_kehdr = (void *)sy->sy_kernel;
	make_ehdr(sy->sy_kehdr, ET_EXEC, 1);
	sy->sy_kehdr->e_shoff = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
	sy->sy_kehdr->e_shnum = 3;
	sy->sy_kphdr = (void *)(sy->sy_kernel + sizeof(Elf64_Ehdr));
	sy->sy_kphdr->p_type = PT_LOAD;
	sy->sy_kphdr->p_vaddr = KERNEL_VA;
	sy->sy_kphdr->p_paddr = KERNEL_PA;
	sy->sy_kphdr->p_memsz = 0x20000;
	sy->sy_kshdr = sh = (void *)(sy->sy_kernel + sy->sy_kehdr->e_shoff);
	sy->sy_ksym = (void *)(sy->sy_kernel + offset);
	sh[1].sh_type = SHT_SYMTAB;
	sh[1].sh_offset = offset;
	sh[1].sh_size = 3 * sizeof(Elf64_Sym);
	sh[1].sh_entsize = sizeof(Elf64_Sym);
	sh[1].sh_link = 2;
	sh[2].sh_type = SHT_STRTAB;
	sh[2].sh_offset = offset + sh[1].sh_size;
	sh[2].sh_size = sizeof(strings);
	sy->sy_kstr = (char *)sy->sy_kernel + sh[2].sh_offset;
	memcpy(sy->sy_kstr, strings, sizeof(strings));
	sy->sy_ksym[1].st_name = 1;
	sy->sy_ksym[1].st_shndx = SHN_ABS;
	sy->sy_ksym[1].st_value = KERNEL_VA;
	sy->sy_ksym[2].st_name = 9;
	sy->sy_ksym[2].st_shndx = SHN_ABS;
	sy->sy_ksym[2].st_value = SYNTH_EXPORT - KERNEL_PA + KERNEL_VA;
}

void
synth_make(struct synth *sy)
{

	make_core_file(sy);
	make_description(sy);
	make_states(sy);
	make_kernel(sy);
}

void
synth_free(struct synth *sy)
{

	free(sy->sy_core);
	free(sy->sy_kernel);
}

void
synth_file(const char *name, const void *data, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd == -1 || write(fd, data, len) != (ssize_t)len)
		err(1, "%s", name);
	(void)close(fd);
}

void
synth_write(const struct synth *sy, const char *core, const char *kernel)
{

	synth_file(core, sy->sy_core, sy->sy_coresize);
	synth_file(kernel, sy->sy_kernel, sy->sy_kernelsize);
}

/*
 * The audit, again from the beginning: the state of each frame from the table
 * above, runs of equal states put together by hand.
 */

struct audit {
	uint64_t	frames[4];	/* by state */
	uint64_t	runs[4];
	uint64_t	largest;
	uint64_t	digest;
};

/* The piece that holds a frame, or NULL: it is free. */
static const struct piece *
piece_of(uint64_t f)
{
	unsigned i;

	for (i = 0; i < NPIECE; i++) {
		if (f >= pieces[i].start && f < pieces[i].end)
			return (&pieces[i]);
	}
	return (NULL);
}

static void
audit_run(struct audit *au, uint64_t start, uint64_t n, unsigned state)
{
	const uint64_t values[3] = { start, n, state };
	unsigned i, byte;

	au->frames[state] += n;
	au->runs[state]++;
	if (state == 0 && n > au->largest)
		au->largest = n;
	for (i = 0; i < 3; i++) {
		for (byte = 0; byte < 8; byte++)
			au->digest = (au->digest ^
			    (values[i] >> 8 * byte & 0xff)) *
			    0x100000001b3ULL;
	}
}

void
synth_audit(char *line, size_t len)
{
	struct audit au = { .digest = 0xcbf29ce484222325ULL };
	const struct piece *p;
	uint64_t f, start;
	unsigned i;

	for (i = 0; i < SYNTH_NLOAD; i++) {
		for (f = loads[i].start; f < loads[i].end;) {
			start = f;
			p = piece_of(f);
			while (f < loads[i].end && piece_of(f) == p)
				f++;
			audit_run(&au, start, f - start,
			    p == NULL ? 0 : p->state);
		}
	}
	(void)snprintf(line, len, "frames %" PRIu64 " free %" PRIu64
	    " held %" PRIu64 " allocated %" PRIu64 " runs %" PRIu64
	    " extents %" PRIu64 " largest %" PRIu64 " digest %016" PRIx64,
	    au.frames[0] + au.frames[1] + au.frames[3], au.frames[0],
	    au.frames[1], au.frames[3], au.runs[3], au.runs[0], au.largest,
	    au.digest);
}
