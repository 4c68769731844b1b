/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * As a driver of a BSD keeps its numbers.  Nothing here is for this system:
 * bsd_source_test compiles it for every kernel with 64 bits.
 */

#include <sys/param.h>
#include <sys/systm.h>
#include <sys/malloc.h>
#include <sys/errno.h>
#include <sys/extent.h>

struct foo_softc {
	struct extent	*sc_ex;
	u_long		sc_base;
	u_long		sc_storage[howmany(EXTENT_FIXED_STORAGE_SIZE(32),
			    sizeof(u_long))];
};

static long ioport_storage[howmany(EXTENT_FIXED_STORAGE_SIZE(16),
    sizeof(long))];
static struct extent *ioport_ex;

int	foo_init(void);
int	foo_attach(struct foo_softc *);
void	foo_detach(struct foo_softc *);

/* With the seven arguments of old. */
int
foo_init(void)
{

	ioport_ex = extent_create("ioport", 0x0, 0xffff, M_DEVBUF,
	    (caddr_t)ioport_storage, sizeof(ioport_storage),
	    EX_NOCOALESCE | EX_NOWAIT);
	return (ioport_ex == NULL ? ENOMEM : 0);
}

/* With the six of today. */
int
foo_attach(struct foo_softc *sc)
{
	int (*alloc)(struct extent *, u_long, u_long, u_long, int, u_long *) =
	    extent_alloc;
	u_long port;
	int error;

	sc->sc_ex = extent_create("foo", 0UL, ~0UL, (void *)sc->sc_storage,
	    sizeof(sc->sc_storage), EX_NOWAIT);
	if (sc->sc_ex == NULL)
		return (ENOMEM);
	error = extent_alloc_region(sc->sc_ex, 0xfee00000, 0x1000, EX_NOWAIT);
	if (error != 0)
		printf("foo: %d\n", error);
	if ((error = extent_alloc1(sc->sc_ex, 0x800, 0x1000, 0x100, 0x2000,
	    EX_FAST | EX_NOWAIT | EX_BOUNDZERO, &sc->sc_base)) != 0)
		return (error);
	if ((error = extent_alloc_subregion1(ioport_ex, 0x1000, 0x1fff, 0x20,
	    0x20, 4, EX_NOBOUNDARY, EX_FAST, &port)) != 0)
		return (error);
	(void)extent_free(ioport_ex, port, 0x20, EX_NOWAIT);
	if ((error = extent_alloc_subregion(ioport_ex, 0x1000, 0x1fff, 0x20,
	    EX_NOALIGN, EX_NOBOUNDARY, EX_WAITOK | EX_CATCH, &port)) != 0)
		return (error);
	(void)extent_free(ioport_ex, port, 0x20, EX_NOWAIT);
	extent_print(sc->sc_ex);
	return ((*alloc)(ioport_ex, 16, EX_NOALIGN, EX_NOBOUNDARY, EX_NOWAIT,
	    &port));
}

void
foo_detach(struct foo_softc *sc)
{

	extent_destroy(sc->sc_ex);
}
