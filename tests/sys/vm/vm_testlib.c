/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <atf-c.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vm/vm_bootstrap.h>

#include "vm_testlib.h"

/*
 * Random numbers.
 */

void
rng_seed(struct rng *r, uint64_t seed)
{

	r->r_state = seed;
}

void
rng_init(struct rng *r, const atf_tc_t *tc, uint64_t seed)
{

	seed = test_number(tc, "seed", seed);
	printf("seed %" PRIu64 "\n", seed);
	fflush(stdout);
	rng_seed(r, seed);
}

/* SplitMix64: every state is good, and every seed differs at once. */
uint64_t
rng_next(struct rng *r)
{
	uint64_t z = (r->r_state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31));
}

uint64_t
rng_below(struct rng *r, uint64_t n)
{

	return (rng_next(r) % n);
}

uint64_t
rng_range(struct rng *r, uint64_t first, uint64_t last)
{

	return (first + rng_below(r, last - first + 1));
}

uint64_t
rng_size(struct rng *r, uint64_t max)
{
	unsigned bits = 64 - (unsigned)__builtin_clzll(max);
	uint64_t n = UINT64_C(1) << rng_below(r, bits);

	switch (rng_below(r, 4)) {
	case 0:
		break;
	case 1:
		n += rng_below(r, 3) - 1;
		break;
	default:
		n += rng_below(r, n);
		break;
	}
	if (n == 0)
		n = 1;
	return (n > max ? max : n);
}

bool
rng_chance(struct rng *r, unsigned n)
{

	return (rng_below(r, n) == 0);
}

/*
 * Configuration.
 */

bool
test_long(const atf_tc_t *tc)
{

	return (atf_tc_has_config_var(tc, "long") &&
	    strcmp(atf_tc_get_config_var(tc, "long"), "1") == 0);
}

uint64_t
test_number(const atf_tc_t *tc, const char *name, uint64_t otherwise)
{
	const char *text;
	char *end;
	uint64_t n;

	if (!atf_tc_has_config_var(tc, name))
		return (otherwise);
	text = atf_tc_get_config_var(tc, name);
	n = strtoull(text, &end, 0);
	ATF_REQUIRE_MSG(*text != '\0' && *end == '\0',
	    "configuration variable %s is no number: %s", name, text);
	return (n);
}

/*
 * The console.
 */

static pthread_mutex_t console_lock = PTHREAD_MUTEX_INITIALIZER;
static char console_buf[64 * 1024];
static size_t console_len;
static unsigned console_count;

static void
console_put(const char *line)
{
	size_t len = strlen(line);

	pthread_mutex_lock(&console_lock);
	console_count++;
	if (len < sizeof(console_buf) - console_len) {
		memcpy(console_buf + console_len, line, len + 1);
		console_len += len;
	}
	pthread_mutex_unlock(&console_lock);
}

void
console_catch(void)
{

	usermode_console(console_put);
	console_clear();
}

void
console_clear(void)
{

	pthread_mutex_lock(&console_lock);
	console_len = 0;
	console_count = 0;
	console_buf[0] = '\0';
	pthread_mutex_unlock(&console_lock);
}

unsigned
console_lines(void)
{
	unsigned n;

	pthread_mutex_lock(&console_lock);
	n = console_count;
	pthread_mutex_unlock(&console_lock);
	return (n);
}

const char *
console_text(void)
{

	return (console_buf);
}

/*
 * The allocator.
 */

const struct vm_memrange pc_ranges[] = {
	{ 0, 0x9f000 },
	{ 1 * MiB, 31 * MiB },
	{ 2 * GiB - 4 * MiB, 8 * MiB },
	{ 4 * GiB - 2 * MiB, 2 * MiB + 32 * MiB },
	{ 8 * GiB + 5 * PAGE, 3 * MiB },
};
const unsigned pc_nranges = NITEMS(pc_ranges);

/* => false: there is too much of it. */
#define	SPOIL_MAX	(8 * MiB)

static bool
metadata_spoil(void)
{
	static int pattern;
	struct vm_memrange r;
	const char *owner;
	unsigned i;

	pattern += 0x5b;		/* all states, now here, now there */
	for (i = 0; vm_bootstrap_taken(i, &r, &owner); i++) {
		if (strcmp(owner, "vm") != 0)
			continue;
		if (r.vmr_size > SPOIL_MAX)
			return (false);
		memset(vm_md_phystov(r.vmr_start, r.vmr_size), pattern,
		    r.vmr_size);
	}
	return (true);
}

void
vm_start_taken(const struct vm_memrange *usable, unsigned nusable,
    const struct vm_memrange *taken, unsigned ntaken)
{

	usermode_physmem_release();
	ATF_REQUIRE_EQ(vm_physmem_load(usable, nusable, taken, ntaken), 0);
	/* Once more, and this time the memory for metadata holds anything. */
	if (metadata_spoil())
		ATF_REQUIRE_EQ(vm_physmem_load(usable, nusable, taken,
		    ntaken), 0);
}

void
vm_start(const struct vm_memrange *usable, unsigned nusable)
{

	vm_start_taken(usable, nusable, NULL, 0);
}

void
audit_ok(struct vm_audit *va)
{
	struct vm_audit here;

	if (va == NULL)
		va = &here;
	if (!vm_audit(va))
		atf_tc_fail("audit: %" PRIu64 " errors: %s", va->va_errors,
		    va->va_why);
}

uint64_t
free_pages(void)
{
	struct vm_audit va;

	audit_ok(&va);
	return (va.va_free + va.va_held);
}

paddr_t
run_alloc(const struct vm_pgreq *req)
{
	struct vm_pgseg seg;
	unsigned n;

	ATF_REQUIRE_EQ(req->vpr_nsegs, 1);
	ATF_REQUIRE_EQ(vm_pglist_alloc(req, &seg, &n), 0);
	ATF_REQUIRE_EQ(n, 1);
	ATF_REQUIRE_EQ(seg.vps_size,
	    (req->vpr_size + PAGE - 1) & ~(PAGE - 1));
	return (seg.vps_start);
}

int
run_error(const struct vm_pgreq *req)
{
	struct vm_pgseg *segs = calloc(req->vpr_nsegs + 1, sizeof(*segs));
	unsigned n = 1;
	int error;

	ATF_REQUIRE(segs != NULL);
	error = vm_pglist_alloc(req, segs, &n);
	ATF_REQUIRE_MSG(error != 0, "a request succeeded that must not");
	ATF_REQUIRE_EQ(n, 0);
	free(segs);
	return (error);
}
