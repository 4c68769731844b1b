/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What long churn does to runs: rounds of single pages freed and allocated on
 * the fragmented map, each followed by requests; and how many aligned runs
 * are left at the end, against the start.
 */

#include <err.h>

#include <vm/vm_audit.h>

#include "age.h"
#include "machine.h"
#include "pages.h"
#include "request.h"

#define	ROUNDS		200
#define	ROUND_PAGES	4096

static const char *const age_request[AGE_NREQUESTS] = {
	"64K below 16M", "64K anywhere", "1M anywhere"
};

static const struct {
	psize_t		size;
	const char	*row;
} age_run[AGE_NRUNS] = {
	{ 64 * KIB, "runs of 64K" },
	{ MIB, "runs of 1M" },
	{ 2 * MIB, "runs of 2M" }
};

void
age_start(struct age *a, uint64_t npages)
{
	unsigned i;

	*a = (struct age){ .a_npages = npages };
	for (i = 0; i < AGE_NRUNS; i++)
		a->a_before[i] = runs_available(age_run[i].size,
		    npages / vm_atop(age_run[i].size));
}

void
age_try(struct age *a)
{
	struct vm_pgreq req;
	struct answer an;
	unsigned i;

	a->a_tries++;
	for (i = 0; i < AGE_NREQUESTS; i++) {
		req = request_make(request_find(age_request[i]));
		if (request_try(&req, &an) == 0) {
			a->a_served[i]++;
			answer_free(&an);
		}
	}
}

/* Free pages, those on queues counted. */
static uint64_t
pages_free(void)
{
	struct vm_audit va;

	if (!vm_audit(&va))
		errx(1, "the audit failed: %s", va.va_why);
	return (va.va_free + va.va_held);
}

void
age_note(struct age *a, const char *work, psize_t size, const char *prefix)
{
	char row[sizeof(((struct result *)0)->r_row)];
	uint64_t after, nfree = pages_free();
	unsigned i;

	for (i = 0; i < AGE_NREQUESTS; i++) {
		snprintf(row, sizeof(row), "%s%s", prefix, age_request[i]);
		result_note(work, size, row, "served", "%", EXTANT,
		    100 * (double)a->a_served[i] / a->a_tries);
	}
	for (i = 0; i < AGE_NRUNS; i++) {
		after = runs_available(age_run[i].size,
		    a->a_npages / vm_atop(age_run[i].size));
		snprintf(row, sizeof(row), "%s%s", prefix, age_run[i].row);
		result_note(work, size, row, "start", "runs", EXTANT,
		    (double)a->a_before[i]);
		result_note(work, size, row, "end", "runs", EXTANT,
		    (double)after);
		/* Were all free memory in such runs; less may be left. */
		result_note(work, size, row, "most", "runs", EXTANT,
		    (double)(nfree / vm_atop(age_run[i].size)));
		/* What was not there at the start cannot be lost. */
		result_note(work, size, row, "kept", "%", EXTANT,
		    a->a_before[i] == 0 ? 100 :
		    100 * (double)after / (double)a->a_before[i]);
	}
}

/* Free a random page and allocate one, over and over. */
static void
age_round(struct live *l, struct rng *r)
{
	unsigned i;
	uint64_t k;

	for (i = 0; i < ROUND_PAGES; i++) {
		k = rng_below(r, l->l_n);
		page_put(EXTANT, l->l_page[k]);
		l->l_page[k] = page_get(EXTANT);
		if (l->l_page[k] == PAGE_NONE)
			errx(1, "age: a page that was freed is not to be had "
			    "again");
	}
}

static void
age(struct live *l, struct rng *r)
{
	psize_t size = opt.o_mapsize;
	struct age a;
	unsigned i;

	fragment_start(size, l, r);
	age_start(&a, vm_atop(size));
	for (i = 0; i < ROUNDS; i++) {
		age_round(l, r);
		age_try(&a);
	}
	age_note(&a, "age", size, "");
	machine_stop(EXTANT);
}

void
work_age(void)
{
	struct live l;
	struct rng r;
	unsigned run;

	live_init(&l, vm_atop(opt.o_mapsize));
	for (run = 0; run < opt.o_runs; run++) {
		progress("age", opt.o_mapsize, run);
		rng_init(&r, opt.o_seed + run);
		age(&l, &r);
	}
	l.l_max = vm_atop(opt.o_mapsize);
	live_fini(&l);
}
