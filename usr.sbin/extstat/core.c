/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core.h"
#include "util.h"

/* Memory in the core: bytes [cl_pa, cl_pa + cl_size), at cl_offset. */
struct core_load {
	paddr_t		cl_pa;
	psize_t		cl_size;
	uint64_t	cl_offset;
};

struct core {
	struct source	c_source;
	struct elffile	c_file;
	struct core_load *c_load;	/* by address, none overlap */
	size_t		c_nload;
};

static int
load_compare(const void *va, const void *vb)
{
	const struct core_load *a = va, *b = vb;

	return (a->cl_pa < b->cl_pa ? -1 : a->cl_pa > b->cl_pa);
}

/* Note a PT_LOAD, after it has been found to lie in the file. */
static void
add_load(struct core *c, size_t i, const GElf_Phdr *ph)
{
	const struct elffile *ef = &c->c_file;
	struct core_load *cl;

	if (ph->p_filesz == 0)
		return;
	if (ph->p_offset > ef->ef_size ||
	    ph->p_filesz > ef->ef_size - ph->p_offset)
		errx(1, "%s: truncated: program header %zu has %ju bytes "
		    "at %#jx, the file %ju bytes", ef->ef_name, i,
		    (uintmax_t)ph->p_filesz, (uintmax_t)ph->p_offset,
		    (uintmax_t)ef->ef_size);
	if (ph->p_paddr >> VM_PADDR_BITS != 0 ||
	    ph->p_filesz > ((paddr_t)1 << VM_PADDR_BITS) - ph->p_paddr)
		errx(1, "%s: program header %zu: physical address %#jx "
		    "beyond 2^%d", ef->ef_name, i, (uintmax_t)ph->p_paddr,
		    VM_PADDR_BITS);
	/* Memory costs file: no core describes more than it holds. */
	if (ph->p_filesz > ef->ef_size - c->c_source.src_size)
		errx(1, "%s: program header %zu: more memory than the file "
		    "holds", ef->ef_name, i);
	c->c_source.src_size += ph->p_filesz;
	cl = &c->c_load[c->c_nload++];
	cl->cl_pa = ph->p_paddr;
	cl->cl_size = ph->p_filesz;
	cl->cl_offset = ph->p_offset;
}

static void
read_loads(struct core *c)
{
	struct elffile *ef = &c->c_file;
	GElf_Phdr ph;
	size_t i;

	c->c_load = xcalloc(ef->ef_nphdr, sizeof(*c->c_load));
	for (i = 0; i < ef->ef_nphdr; i++) {
		elffile_phdr(ef, i, &ph);
		if (ph.p_type == PT_LOAD)
			add_load(c, i, &ph);
	}
	if (c->c_nload == 0)
		errx(1, "%s: no memory in this core", ef->ef_name);
	qsort(c->c_load, c->c_nload, sizeof(*c->c_load), load_compare);
	for (i = 1; i < c->c_nload; i++) {
		if (c->c_load[i].cl_pa - c->c_load[i - 1].cl_pa <
		    c->c_load[i - 1].cl_size)
			errx(1, "%s: memory at %#jx stands in it twice",
			    ef->ef_name, (uintmax_t)c->c_load[i].cl_pa);
	}
}

/* The load that holds an address, or NULL. */
static const struct core_load *
find_load(const struct core *c, paddr_t pa)
{
	size_t lo = 0, hi = c->c_nload, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (c->c_load[mid].cl_pa <= pa)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0 || pa - c->c_load[lo - 1].cl_pa >=
	    c->c_load[lo - 1].cl_size)
		return (NULL);
	return (&c->c_load[lo - 1]);
}

static void
read_file(const struct core *c, uint64_t offset, char *buf, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = pread(c->c_file.ef_fd, buf, len, (off_t)offset);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			err(1, "%s", c->c_file.ef_name);
		if (n == 0)
			errx(1, "%s: truncated: %zu bytes at %#jx are "
			    "missing", c->c_file.ef_name, len,
			    (uintmax_t)offset);
		buf += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
}

/*
 * What of [pa, pa + len) lies in one load, at *offsetp in the file.
 * => bytes; 0: none at pa.
 */
static psize_t
piece(const struct core *c, paddr_t pa, psize_t len, uint64_t *offsetp)
{
	const struct core_load *cl = find_load(c, pa);
	psize_t n;

	if (cl == NULL)
		return (0);
	*offsetp = cl->cl_offset + (pa - cl->cl_pa);
	n = cl->cl_size - (pa - cl->cl_pa);
	return (n < len ? n : len);
}

bool
core_read(const struct core *c, paddr_t pa, void *buf, size_t len)
{
	char *p = buf;
	uint64_t offset;
	size_t n;

	for (; len > 0; pa += n, p += n, len -= n) {
		n = (size_t)piece(c, pa, len, &offset);
		if (n == 0)
			return (false);
		read_file(c, offset, p, n);
	}
	return (true);
}

static bool
source_read(struct source *src, paddr_t pa, void *buf, size_t len)
{

	return (core_read((struct core *)src, pa, buf, len));
}

static bool
source_present(struct source *src, paddr_t pa, psize_t len)
{
	uint64_t offset;
	psize_t n;

	for (; len > 0; pa += n, len -= n) {
		n = piece((struct core *)src, pa, len, &offset);
		if (n == 0)
			return (false);
	}
	return (true);
}

static void
source_close(struct source *src)
{

	core_close((struct core *)src);
}

static struct core *
core_new(const char *name)
{
	struct core *c = xcalloc(1, sizeof(*c));

	c->c_source.src_name = name;
	c->c_source.src_read = source_read;
	c->c_source.src_present = source_present;
	c->c_source.src_close = source_close;
	return (c);
}

static struct core *
core_check(struct core *c)
{

	if (c->c_file.ef_ehdr.e_type != ET_CORE)
		errx(1, "%s: not a core but an ELF file of type %u",
		    c->c_file.ef_name, (unsigned)c->c_file.ef_ehdr.e_type);
	read_loads(c);
	return (c);
}

struct core *
core_attach(int fd, const char *name)
{
	struct core *c = core_new(name);

	elffile_attach(&c->c_file, fd, name);
	return (core_check(c));
}

const struct machine *
core_machine(const struct core *c)
{

	return (&c->c_file.ef_machine);
}

void
core_close(struct core *c)
{

	elffile_close(&c->c_file);
	free(c->c_load);
	free(c);
}

struct source *
core_source(const char *name, const struct machine *m)
{
	struct core *c = core_new(name);

	elffile_open(&c->c_file, name);
	if (!machine_same(&c->c_file.ef_machine, m))
		errx(1, "%s: of another machine (%s) than the kernel (%s)",
		    name, machine_name(&c->c_file.ef_machine),
		    machine_name(m));
	return (&core_check(c)->c_source);
}
