/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What the tests of sys/vm share: random numbers that can be repeated, a
 * console that can be read, and a start of the allocator.
 */

#ifndef _VM_TESTLIB_H_
#define	_VM_TESTLIB_H_

#include <atf-c.h>

#include <vm/vm_audit.h>
#include <vm/vm_counter.h>
#include <vm/vm_pglist.h>
#include <vm/vm_physseg.h>

#define	NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

#define	KiB		UINT64_C(1024)
#define	MiB		(1024 * KiB)
#define	GiB		(1024 * MiB)
#define	TiB		(1024 * GiB)
#define	PAGE		VM_PAGE_SIZE

/* Where physical addresses end. */
#define	TOP		(UINT64_C(1) << VM_PADDR_BITS)

/*
 * Random numbers.  The seed is the test's own, unless the configuration
 * variable "seed" says otherwise, and is printed.
 *
 * rng_below: 0 to n - 1; rng_range: first to last, both inclusive; rng_size:
 * 1 to max, each order of magnitude as likely as the next, powers of two and
 * their neighbours more often; rng_chance: true in one case of n.
 */
struct rng {
	uint64_t	r_state;
};

void		rng_init(struct rng *, const atf_tc_t *, uint64_t seed);
void		rng_seed(struct rng *, uint64_t seed);
uint64_t	rng_next(struct rng *);
uint64_t	rng_below(struct rng *, uint64_t n);
uint64_t	rng_range(struct rng *, uint64_t first, uint64_t last);
uint64_t	rng_size(struct rng *, uint64_t max);
bool		rng_chance(struct rng *, unsigned n);

/*
 * test_long: is there time for the long version of a test?
 * test_number: a configuration variable that is a number.
 */
bool		test_long(const atf_tc_t *);
uint64_t	test_number(const atf_tc_t *, const char *name,
		    uint64_t otherwise);

/*
 * The console: from console_catch() on it is kept here.  The lines of all
 * threads may be counted; console_text() is what was printed since.
 */
void		console_catch(void);
void		console_clear(void);
unsigned	console_lines(void);
const char	*console_text(void);

/*
 * vm_start: forget all memory, and start the allocator with those ranges;
 * the test ends unless that succeeds.
 */
void		vm_start(const struct vm_memrange *usable, unsigned nusable);
void		vm_start_taken(const struct vm_memrange *usable,
		    unsigned nusable, const struct vm_memrange *taken,
		    unsigned ntaken);

/*
 * audit_ok: the audit must be; afterwards, unless va is NULL, its counts.
 * free_pages: pages that are free, in the map or held.
 */
void		audit_ok(struct vm_audit *va);
uint64_t	free_pages(void);

/*
 * run_alloc: a run as the request says, which must succeed: its address.
 * run_error: the request must fail: how.
 */
paddr_t		run_alloc(const struct vm_pgreq *);
int		run_error(const struct vm_pgreq *);

/* A PC: with its holes, an odd start, and memory on all free lists. */
extern const struct vm_memrange pc_ranges[];
extern const unsigned pc_nranges;

#endif /* !_VM_TESTLIB_H_ */
