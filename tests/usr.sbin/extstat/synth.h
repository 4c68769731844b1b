/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * A guest that never ran: a kernel and a core of it, made in memory so that a
 * test can spoil any part of them before they are written.
 *
 *	frames			segment	contents
 *	0x1 - 0x9		isa	[1,3) kernel, [3,4) held, the rest free
 *	0x100 - 0x140		isa	[100,108) kernel, [108,109) fdc,
 *					[130,132) held, [132,140) nobody,
 *					the rest free
 *	0xff0 - 0x1000		isa	[ff0,ff8) fdc, the rest free
 *	0x1000 - 0x1010		dma31	[1008,1010) unknown tag, the rest free
 *	0x100000 - 0x100010	default	free
 *
 * Each of the ranges of memory is one PT_LOAD; the description and its arrays
 * lie in the second one.
 */

#ifndef _SYNTH_H_
#define	_SYNTH_H_

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#include <vm/vm_export.h>

#define	SYNTH_NLOAD	4
#define	SYNTH_NSEG	5
#define	SYNTH_NSPAN	2
#define	SYNTH_NCPU	2
#define	SYNTH_NCOUNTER	2
#define	SYNTH_NSPACE	5
#define	SYNTH_NSLOT	8
#define	SYNTH_EXPORT	0x110000ULL	/* where the description lies */

struct synth {
	uint8_t		*sy_core;	/* the file */
	size_t		sy_coresize;
	uint8_t		*sy_kernel;
	size_t		sy_kernelsize;

	/* Parts of the core. */
	Elf64_Ehdr	*sy_ehdr;
	Elf64_Phdr	*sy_phdr;	/* [0] is a note, then the loads */
	struct vm_export *sy_export;
	struct vm_export_seg *sy_seg;
	struct vm_export_span *sy_span;
	struct vm_export_name *sy_list;
	struct vm_export_name *sy_owner;
	struct vm_export_name *sy_countername;
	uint64_t	*sy_counter;
	uint64_t	*sy_segcounter;	/* sets of 3, the last is padding */
	struct vm_export_space *sy_space;
	uint64_t	*sy_words;	/* of the first span */
	uint16_t	*sy_tags;	/* likewise */

	/* Parts of the kernel. */
	Elf64_Ehdr	*sy_kehdr;
	Elf64_Phdr	*sy_kphdr;
	Elf64_Shdr	*sy_kshdr;	/* null, symtab, strtab */
	Elf64_Sym	*sy_ksym;	/* null, another, vm_export */
	char		*sy_kstr;
};

/* synth_make: a kernel and a core that are right. */
void	synth_make(struct synth *);
void	synth_free(struct synth *);

/* synth_write: both into files, of that name. */
void	synth_write(const struct synth *, const char *core,
	    const char *kernel);

/* synth_file: len bytes into a file. */
void	synth_file(const char *name, const void *data, size_t len);

/* synth_memory: where a physical address lies in the core; NULL: nowhere. */
void	*synth_memory(const struct synth *, uint64_t pa);

/* synth_audit: the audit line of that guest, counted frame by frame. */
void	synth_audit(char *line, size_t len);

#endif /* !_SYNTH_H_ */
