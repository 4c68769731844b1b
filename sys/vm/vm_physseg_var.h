/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The table of segments, for the files of sys/vm: the map's lock held.
 */

#ifndef _VM_VM_PHYSSEG_VAR_H_
#define	_VM_VM_PHYSSEG_VAR_H_

#include <vm/vm_physseg.h>

/* vm_physseg_table: all segments, in address order; *np: how many. */
const struct vm_physseg *vm_physseg_table(unsigned *np);

/*
 * vm_physseg_find: the segment that contains a frame, or NULL; O(log
 * segments).
 */
const struct vm_physseg *vm_physseg_find(vm_frame_t frame);

/*
 * vm_physseg_slot: a number below VM_PHYSSEG_MAX that a segment, of the table,
 * keeps as long as it exists.
 */
unsigned	vm_physseg_slot(const struct vm_physseg *seg);

#endif /* !_VM_VM_PHYSSEG_VAR_H_ */
