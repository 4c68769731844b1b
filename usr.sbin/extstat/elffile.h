/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * ELF files: opening them, and the machine they are of.
 */

#ifndef _EXTSTAT_ELFFILE_H_
#define	_EXTSTAT_ELFFILE_H_

#include <stdbool.h>
#include <stdint.h>

#include <gelf.h>

/* What two files have in common if they are of one machine. */
struct machine {
	unsigned	m_class;	/* ELFCLASS* */
	unsigned	m_data;		/* ELFDATA* */
	unsigned	m_machine;	/* EM_* */
};

struct elffile {
	const char	*ef_name;	/* for messages */
	int		ef_fd;
	uint64_t	ef_size;	/* bytes */
	Elf		*ef_elf;
	GElf_Ehdr	ef_ehdr;
	struct machine	ef_machine;
	size_t		ef_nphdr;	/* program headers; all in the file */
};

/*
 * elffile_open: open an ELF file and check what every user of it relies on.
 * elffile_attach: the same for a file that is open already; fd becomes its.
 * => a regular, non-empty file that is ELF and holds all its program headers;
 *    else the program ends.
 */
void	elffile_open(struct elffile *, const char *name);
void	elffile_attach(struct elffile *, int fd, const char *name);
void	elffile_close(struct elffile *);

/* elffile_phdr: the i-th program header; ends the program if it is broken. */
void	elffile_phdr(struct elffile *, size_t i, GElf_Phdr *);

/* machine_same, machine_name: compare; a name for messages (static). */
bool	machine_same(const struct machine *, const struct machine *);
const char *machine_name(const struct machine *);

#endif /* !_EXTSTAT_ELFFILE_H_ */
