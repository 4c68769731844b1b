/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <err.h>
#include <limits.h>

#include "kernel.h"

/* The next symbol table behind a section; NULL: there is none. */
static Elf_Scn *
next_symtab(struct elffile *ef, Elf_Scn *scn, GElf_Shdr *sh)
{

	while ((scn = elf_nextscn(ef->ef_elf, scn)) != NULL) {
		if (gelf_getshdr(scn, sh) != NULL && sh->sh_type == SHT_SYMTAB)
			return (scn);
	}
	return (NULL);
}

static bool
search_symtab(struct elffile *ef, Elf_Scn *scn, const GElf_Shdr *sh,
    const char *symbol, uint64_t *valuep)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	const char *name;
	GElf_Sym sym;
	int i;

	if (data == NULL)
		errx(1, "%s: truncated: symbol table not readable",
		    ef->ef_name);
	for (i = 0; i < INT_MAX && gelf_getsym(data, i, &sym) != NULL; i++) {
		if (sym.st_shndx == SHN_UNDEF)
			continue;
		name = elf_strptr(ef->ef_elf, sh->sh_link, sym.st_name);
		if (name != NULL && strcmp(name, symbol) == 0) {
			*valuep = sym.st_value;
			return (true);
		}
	}
	return (false);
}

static uint64_t
find_symbol(struct elffile *ef, const char *symbol)
{
	Elf_Scn *scn = NULL;
	bool any = false;
	uint64_t value;
	GElf_Shdr sh;

	while ((scn = next_symtab(ef, scn, &sh)) != NULL) {
		if (search_symtab(ef, scn, &sh, symbol, &value))
			return (value);
		any = true;
	}
	errx(1, any ? "%s: no symbol %s: not a kernel with sys/vm" :
	    "%s: no symbols (looked for %s): stripped?", ef->ef_name, symbol);
}

static paddr_t
virtual_to_physical(struct elffile *ef, const char *symbol, uint64_t va)
{
	GElf_Phdr ph;
	size_t i;

	for (i = 0; i < ef->ef_nphdr; i++) {
		elffile_phdr(ef, i, &ph);
		if (ph.p_type == PT_LOAD && va - ph.p_vaddr < ph.p_memsz)
			return (ph.p_paddr + (va - ph.p_vaddr));
	}
	errx(1, "%s: symbol %s at %#jx lies in no segment of the file",
	    ef->ef_name, symbol, (uintmax_t)va);
}

paddr_t
kernel_lookup(const char *file, const char *symbol, struct machine *machine)
{
	struct elffile ef;
	paddr_t pa;

	elffile_open(&ef, file);
	if (ef.ef_ehdr.e_type != ET_EXEC && ef.ef_ehdr.e_type != ET_DYN)
		errx(1, "%s: not a kernel but an ELF file of type %u", file,
		    (unsigned)ef.ef_ehdr.e_type);
	pa = virtual_to_physical(&ef, symbol, find_symbol(&ef, symbol));
	*machine = ef.ef_machine;
	elffile_close(&ef);
	return (pa);
}
