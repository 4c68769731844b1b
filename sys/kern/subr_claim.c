/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Claims: who has what of a bus.  What is taken, and where there is room, the
 * extent map knows; the names lie in a table beside it, which is searched only
 * when two quarrel or somebody asks.
 */

#include <sys/claim.h>

#include <vm/vm_kassert.h>

static struct claims *spaces;

void
claims_init(struct claims *cl, const char *name, exaddr_t first,
    exaddr_t last)
{

	cl->cl_extent = extent_create(name, first, last, cl->cl_storage,
	    sizeof(cl->cl_storage), EX_NOCOALESCE);
	KASSERT(cl->cl_extent != NULL);
	cl->cl_n = 0;
	cl->cl_next = spaces;
	spaces = cl;
}

/*
 * find: the claim with the lowest numbers of those that touch [first, last].
 */
static const struct claim *
find(const struct claims *cl, exaddr_t first, exaddr_t last)
{
	const struct claim *c, *found = NULL;

	for (c = cl->cl_claims; c < cl->cl_claims + cl->cl_n; c++) {
		if (c->c_first <= last && c->c_last >= first &&
		    (found == NULL || c->c_first < found->c_first))
			found = c;
	}
	return (found);
}

static void
add(struct claims *cl, exaddr_t first, exaddr_t last, const char *who)
{
	struct claim *c = &cl->cl_claims[cl->cl_n];
	size_t len = strlen(who);

	/* There are no more descriptors than that. */
	KASSERT(cl->cl_n < CLAIM_MAX);
	cl->cl_n++;
	if (len > CLAIM_NAMELEN - 1)
		len = CLAIM_NAMELEN - 1;
	memcpy(c->c_who, who, len);
	c->c_who[len] = '\0';
	c->c_first = first;
	c->c_last = last;
}

/*
 * refuse: say why not.
 */
static int
refuse(const struct claims *cl, exaddr_t start, exaddr_t size,
    const char *who, int error)
{
	const struct claim whole = { cl->cl_extent->ex_start,
	    cl->cl_extent->ex_end, "all there is" };
	const struct claim *c = NULL;

	if (error == EAGAIN)
		c = find(cl, start, start + (size - 1));
	if (c == NULL)
		c = &whole;
	vm_md_printf("%s: 0x%jx size 0x%jx for %s refused: 0x%jx - 0x%jx is "
	    "%s\n", cl->cl_extent->ex_name, (uintmax_t)start, (uintmax_t)size,
	    who, (uintmax_t)c->c_first, (uintmax_t)c->c_last,
	    error == ENOMEM ? "full of claims" : c->c_who);
	return (error == EAGAIN ? EBUSY : error);
}

int
claim_region(struct claims *cl, exaddr_t start, exaddr_t size,
    const char *who)
{
	int error;

	error = extent_alloc_region(cl->cl_extent, start, size, EX_NOWAIT);
	if (error != 0)
		return (refuse(cl, start, size, who, error));
	add(cl, start, start + (size - 1), who);
	return (0);
}

/*
 * piece: what of [at, last] is claimed as a whole, or by nobody: its end.
 * => by nobody?
 */
static bool
piece(const struct claims *cl, exaddr_t at, exaddr_t last, exaddr_t *end)
{
	const struct claim *c = find(cl, at, last);

	if (c != NULL && c->c_first <= at) {
		*end = c->c_last;
		return (false);
	}
	*end = c == NULL ? last : c->c_first - 1;
	/* All the numbers there are: a size could not say how many. */
	if (*end - at == UINT64_MAX)
		*end = at + UINT64_MAX / 2;
	return (true);
}

/*
 * pieces: how many nobody has.
 */
static unsigned
pieces(const struct claims *cl, exaddr_t at, exaddr_t last)
{
	unsigned n = 0;
	exaddr_t end;

	for (;; at = end + 1) {
		if (piece(cl, at, last, &end))
			n++;
		if (end >= last)
			return (n);
	}
}

int
claim_rest(struct claims *cl, exaddr_t first, exaddr_t last, const char *who)
{
	exaddr_t at, end;
	int error;

	if (first > last)
		return (refuse(cl, first, 0, who, EINVAL));
	if (first < cl->cl_extent->ex_start || last > cl->cl_extent->ex_end)
		return (refuse(cl, first, last - first + 1, who, EINVAL));
	if (pieces(cl, first, last) > CLAIM_MAX - cl->cl_n)
		return (refuse(cl, first, last - first + 1, who, ENOMEM));
	for (at = first;; at = end + 1) {
		if (piece(cl, at, last, &end)) {
			error = claim_region(cl, at, end - at + 1, who);
			KASSERT(error == 0);
		}
		if (end >= last)
			return (0);
	}
}

int
claim_alloc(struct claims *cl, exaddr_t first, exaddr_t last, exaddr_t size,
    exaddr_t align, const char *who, exaddr_t *start)
{
	int error;

	error = extent_alloc_subregion(cl->cl_extent, first, last, size, align,
	    EX_NOBOUNDARY, EX_NOWAIT, start);
	if (error == 0)
		add(cl, *start, *start + (size - 1), who);
	return (error);
}

int
claim_release(struct claims *cl, exaddr_t start)
{
	struct claim *c;
	int error;

	for (c = cl->cl_claims; c < cl->cl_claims + cl->cl_n; c++) {
		if (c->c_first != start)
			continue;
		error = extent_free(cl->cl_extent, start,
		    c->c_last - c->c_first + 1, EX_NOWAIT);
		KASSERT(error == 0);
		*c = cl->cl_claims[--cl->cl_n];
		return (0);
	}
	return (EINVAL);
}

const char *
claim_owner(const struct claims *cl, exaddr_t at)
{
	const struct claim *c = find(cl, at, at);

	return (c == NULL ? NULL : c->c_who);
}

void
claims_print(void)
{
	const struct claims *cl;
	const struct claim *c;
	exaddr_t at;

	for (cl = spaces; cl != NULL; cl = cl->cl_next) {
		at = 0;
		while ((c = find(cl, at, UINT64_MAX)) != NULL) {
			vm_md_printf("%s: 0x%jx - 0x%jx %s\n",
			    cl->cl_extent->ex_name, (uintmax_t)c->c_first,
			    (uintmax_t)c->c_last, c->c_who);
			if (c->c_last == UINT64_MAX)
				break;
			at = c->c_last + 1;
		}
	}
}
