/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The early allocator: memory before sys/vm is up.
 */

#ifndef _VM_VM_BOOTSTRAP_H_
#define	_VM_VM_BOOTSTRAP_H_

#include <vm/vm_types.h>

/* A range of physical memory, in bytes, as firmware states it. */
struct vm_memrange {
	paddr_t		vmr_start;
	psize_t		vmr_size;
};

#define	VM_BOOTSTRAP_RANGES	128	/* usable ranges after sanitising */
#define	VM_BOOTSTRAP_TAKEN	64	/* entries of the log: reservations */
#define	VM_BOOTSTRAP_CARVED	128	/* more, for what was allocated */

/*
 * vm_bootstrap_start: begin, with the usable ranges of the firmware's map as
 * they come: unsorted, overlapping, zero-length, wrapping or not page-aligned
 * entries are legal.  Overlapping and touching ranges are joined; then partial
 * pages at the ends are left out; an entry that reaches 2^64 or wraps is
 * nonsense and left out with a line on the console; what lies at or above
 * 2^VM_PADDR_BITS is cut.
 * Forgets everything that the early allocator knew before, the alignment
 * included.
 * => 0; EINVAL: no usable page; E2BIG: more than VM_BOOTSTRAP_RANGES remain
 *    (the smallest are dropped with a line on the console, and what remains
 *    is usable: the caller may go on).
 * => one CPU, before any other function of sys/vm.
 */
int	vm_bootstrap_start(const struct vm_memrange *usable, unsigned n);

/*
 * vm_bootstrap_exclude: that range is not memory after all (the firmware
 * listed it as reserved too, and the two overlap).  Pages it touches are
 * never managed.  Call before the first vm_bootstrap_alloc().
 */
void	vm_bootstrap_exclude(paddr_t start, psize_t size);

/*
 * vm_bootstrap_reserve: somebody sits in that range already (the kernel's
 * image, a boot module).  Pages it touches are managed, but shown as
 * allocated to owner when the page allocator starts.  Of pages reserved twice
 * the first owner keeps them.  Ranges of one owner that touch become one.
 * => 0; ENOSPC: the log is full, and nothing changes.
 */
int	vm_bootstrap_reserve(paddr_t start, psize_t size, const char *owner);

/*
 * vm_bootstrap_minalign: from here on align all that is allocated to that
 * power of two at least; a page at first, and not less than a page.
 * => 0; EINVAL: no power of two, or above 2^VM_PADDR_BITS.
 */
int	vm_bootstrap_minalign(psize_t align);

/*
 * vm_bootstrap_alloc: size bytes in whole pages, aligned (power of two, and
 * vm_bootstrap_minalign()), below high (exclusive), from the highest address
 * that serves, so that low memory stays free.
 * => the address, or VM_PADDR_NONE: no memory, the log is full, or the page
 *    allocator has taken over.  The memory is as the firmware left it.
 * vm_bootstrap_zalloc: the same, filled with zeros.
 * => VM_PADDR_NONE also if the kernel has no address for it (yet).
 */
paddr_t	vm_bootstrap_alloc(psize_t size, psize_t align, paddr_t high,
	    const char *owner);
paddr_t	vm_bootstrap_zalloc(psize_t size, psize_t align, paddr_t high,
	    const char *owner);

/*
 * vm_bootstrap_range: the i-th usable range after sanitising, in address
 * order; false when there is none.
 */
bool	vm_bootstrap_range(unsigned i, struct vm_memrange *range);

/*
 * vm_bootstrap_taken: the i-th entry of the log (reserved or allocated), in
 * address order, in whole pages, not overlapping; false when there is none.
 */
bool	vm_bootstrap_taken(unsigned i, struct vm_memrange *range,
	    const char **owner);

/*
 * vm_bootstrap_end: the page allocator takes over: vm_bootstrap_alloc()
 * fails from here on.
 */
void	vm_bootstrap_end(void);

#endif /* !_VM_VM_BOOTSTRAP_H_ */
