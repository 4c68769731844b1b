/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * libelf reads with pread(2) here, never through a mapping: a file that
 * shrinks while it is read must not kill the reader.
 */

#include <sys/stat.h>

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "elffile.h"

/*
 * libelf drops program headers that lie behind the end of the file and says
 * nothing, so count them again.
 */
static void
check_phdrs(struct elffile *ef)
{
	const GElf_Ehdr *eh = &ef->ef_ehdr;
	uint64_t n = eh->e_phnum;
	size_t entry = gelf_fsize(ef->ef_elf, ELF_T_PHDR, 1, EV_CURRENT);
	GElf_Shdr sh;

	if (n == PN_XNUM) {
		if (gelf_getshdr(elf_getscn(ef->ef_elf, 0), &sh) == NULL)
			errx(1, "%s: truncated: no section header 0",
			    ef->ef_name);
		n = sh.sh_info;
	}
	ef->ef_nphdr = 0;
	if (n == 0)
		return;
	if (eh->e_phentsize != entry)
		errx(1, "%s: program headers of %u bytes, not %zu",
		    ef->ef_name, (unsigned)eh->e_phentsize, entry);
	if (eh->e_phoff > ef->ef_size ||
	    n > (ef->ef_size - eh->e_phoff) / entry)
		errx(1, "%s: truncated: %ju program headers at %#jx, "
		    "in a file of %ju bytes", ef->ef_name, (uintmax_t)n,
		    (uintmax_t)eh->e_phoff, (uintmax_t)ef->ef_size);
	if (elf_getphdrnum(ef->ef_elf, &ef->ef_nphdr) != 0 ||
	    ef->ef_nphdr != n)
		errx(1, "%s: broken program headers", ef->ef_name);
}

void
elffile_attach(struct elffile *ef, int fd, const char *name)
{
	struct stat st;

	ef->ef_name = name;
	ef->ef_fd = fd;
	if (fstat(fd, &st) == -1)
		err(1, "%s", name);
	if (S_ISDIR(st.st_mode))
		errx(1, "%s: is a directory", name);
	if (!S_ISREG(st.st_mode))
		errx(1, "%s: not a regular file", name);
	if (st.st_size == 0)
		errx(1, "%s: empty file", name);
	ef->ef_size = (uint64_t)st.st_size;

	if (elf_version(EV_CURRENT) == EV_NONE)
		errx(1, "libelf: %s", elf_errmsg(-1));
	ef->ef_elf = elf_begin(fd, ELF_C_READ, NULL);
	if (ef->ef_elf == NULL || elf_kind(ef->ef_elf) != ELF_K_ELF)
		errx(1, "%s: not an ELF file", name);
	if (gelf_getehdr(ef->ef_elf, &ef->ef_ehdr) == NULL)
		errx(1, "%s: truncated: no ELF header", name);
	ef->ef_machine.m_class = ef->ef_ehdr.e_ident[EI_CLASS];
	ef->ef_machine.m_data = ef->ef_ehdr.e_ident[EI_DATA];
	ef->ef_machine.m_machine = ef->ef_ehdr.e_machine;
	check_phdrs(ef);
}

/*
 * Not to wait for the writer of a FIFO; on a regular file O_NONBLOCK means
 * nothing.
 */
void
elffile_open(struct elffile *ef, const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd == -1)
		err(1, "%s", name);
	elffile_attach(ef, fd, name);
}

void
elffile_close(struct elffile *ef)
{

	(void)elf_end(ef->ef_elf);
	(void)close(ef->ef_fd);
}

void
elffile_phdr(struct elffile *ef, size_t i, GElf_Phdr *ph)
{

	if (i > INT32_MAX || gelf_getphdr(ef->ef_elf, (int)i, ph) == NULL)
		errx(1, "%s: program header %zu: broken", ef->ef_name, i);
}

bool
machine_same(const struct machine *a, const struct machine *b)
{

	return (a->m_class == b->m_class && a->m_data == b->m_data &&
	    a->m_machine == b->m_machine);
}

const char *
machine_name(const struct machine *m)
{
	static char other[2][64];
	static unsigned turn;		/* two names in one message */

	if (m->m_class == ELFCLASS64 && m->m_data == ELFDATA2LSB) {
		if (m->m_machine == EM_X86_64)
			return ("x86-64");
		if (m->m_machine == EM_AARCH64)
			return ("aarch64");
		if (m->m_machine == EM_RISCV)
			return ("riscv64");
	}
	if (m->m_machine == EM_386)
		return ("i386");	/* QEMU: of either class */
	turn ^= 1;
	(void)snprintf(other[turn], sizeof(other[turn]),
	    "%s-bit %s-endian machine %u",
	    m->m_class == ELFCLASS64 ? "64" : "32",
	    m->m_data == ELFDATA2LSB ? "little" : "big", m->m_machine);
	return (other[turn]);
}
