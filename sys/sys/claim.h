/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Claims: an extent map in which each region has a name, that of who has it,
 * so that of two who want the same the second is refused and told of the
 * first.  For spaces that a bus has once: I/O ports, bus addresses.
 *
 * One CPU at a time: drivers attach one after the other.
 */

#ifndef _SYS_CLAIM_H_
#define	_SYS_CLAIM_H_

#include <sys/extent.h>

#define	CLAIM_MAX	256	/* claims in a space */
#define	CLAIM_NAMELEN	24	/* bytes of a name, NUL included */

struct claim {
	exaddr_t	c_first;
	exaddr_t	c_last;		/* inclusive */
	char		c_who[CLAIM_NAMELEN];
};

struct claims {
	struct extent	*cl_extent;
	struct claims	*cl_next;	/* of all spaces */
	unsigned	cl_n;
	struct claim	cl_claims[CLAIM_MAX];	/* in no order */
	char		cl_storage[EXTENT_FIXED_STORAGE_SIZE(CLAIM_MAX)];
};

/*
 * claims_init: nothing of [first, last] is claimed yet; cl is static.
 */
void	claims_init(struct claims *cl, const char *name, exaddr_t first,
	    exaddr_t last);

/*
 * claim_region: size numbers from start on are for who.  A long name is cut.
 * => 0; EBUSY: some of it is somebody else's; EINVAL: it is not all in the
 *    space, or size is zero; ENOMEM: too many claims.  An error gives one line
 *    on the console and changes nothing.
 */
int	claim_region(struct claims *, exaddr_t start, exaddr_t size,
	    const char *who);

/*
 * claim_rest: what of [first, last] nobody has is for who.
 * => 0, EINVAL or ENOMEM, as above.
 */
int	claim_rest(struct claims *, exaddr_t first, exaddr_t last,
	    const char *who);

/*
 * claim_alloc: size numbers somewhere in [first, last], at a multiple of
 * align, are for who.
 * => 0; EAGAIN: no place; EINVAL: malformed; ENOMEM: too many claims.
 *    Nothing is printed.
 */
int	claim_alloc(struct claims *, exaddr_t first, exaddr_t last,
	    exaddr_t size, exaddr_t align, const char *who, exaddr_t *start);

/*
 * claim_release: give a claim back, whole.
 * => 0; EINVAL: none begins there.
 */
int	claim_release(struct claims *, exaddr_t start);

/*
 * claim_owner: who has a number.  => NULL: nobody.
 */
const char *claim_owner(const struct claims *, exaddr_t at);

/*
 * claims_print: all claims of all spaces, on the console, in the order of
 * their numbers.
 */
void	claims_print(void);

#endif /* !_SYS_CLAIM_H_ */
