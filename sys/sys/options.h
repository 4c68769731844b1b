/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Options on the kernel's command line: extant(8).
 */

#ifndef _SYS_OPTIONS_H_
#define	_SYS_OPTIONS_H_

#include <stdbool.h>
#include <stdint.h>

enum option {
	OPT_AGE,		/* pages to age at most */
	OPT_CPUS,		/* CPUs to use at most */
	OPT_EDU_MASK,		/* bits of address that edu(4) reaches */
	OPT_EXIT,		/* 1: leave at the end, read no commands */
	OPT_FILL,		/* per cent of memory in use; 0: half */
	OPT_IOMMU,		/* 0: leave an I/O MMU off */
	OPT_IOMMU_POKE,		/* 1: have edu(4) go too far */
	OPT_RUNS,		/* times that each job is run */
	OPT_SEED,		/* of the ageing */
	OPT_TAKE,		/* no memory below this, for devices */
	OPT_TOGETHER,		/* 1: jobs run at the same time */
	OPT_NNUMBER
};

/*
 * options_parse: take name=value words from a command line.  A word that is
 * not understood gives one line on the console and is left out.
 */
void	options_parse(const char *cmdline);

/* option_number: the value of a numeric option, or its default. */
uint64_t option_number(enum option);

/*
 * option_required: does require=... name it?
 * option_require: the i-th name in require=..., as a string of *lenp bytes;
 * NULL: there is none.
 */
bool	option_required(const char *name);
const char *option_require(unsigned i, unsigned *lenp);

/*
 * options_number: a number in decimal or, with 0x, in hexadecimal, and a
 * suffix k, m, g or t if sizes are wanted, as the whole of len bytes of s.
 * => false: it is none, or more than 64 bits.
 */
bool	options_number(const char *s, unsigned len, bool size, uint64_t *np);

#endif /* !_SYS_OPTIONS_H_ */
