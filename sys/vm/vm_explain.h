/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Explaining a request against a map, without the running allocator.
 */

#ifndef _VM_VM_EXPLAIN_H_
#define	_VM_VM_EXPLAIN_H_

#include <vm/vm_extmap.h>
#include <vm/vm_pglist.h>
#include <vm/vm_physseg.h>

/*
 * vm_explain: as vm_pglist_explain(), of a map in which held frames were
 * made free; segs: the managed memory, in address order; owner: the tag of
 * the allocation that starts at a frame, called with arg.
 * => the request is well-formed.
 */
void	vm_explain(struct vm_extmap *map, const struct vm_physseg *segs,
	    unsigned nsegs, vm_owner_t (*owner)(void *arg, vm_frame_t head),
	    void *arg, const struct vm_pgreq *req, struct vm_pgexplain *out);

/*
 * vm_explain_format: that in one line without its end; VM_EXPLAIN_LINE bytes
 * are enough.  ownername: the name of vpe_owner.
 */
#define	VM_EXPLAIN_LINE	512
void	vm_explain_format(const struct vm_pgreq *req,
	    const struct vm_pgexplain *expl, const char *ownername, char *buf,
	    size_t len);

#endif /* !_VM_VM_EXPLAIN_H_ */
