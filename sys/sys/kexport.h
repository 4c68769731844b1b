/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * What extstat(8) is told beside the state of the page allocator.
 */

#ifndef _SYS_KEXPORT_H_
#define	_SYS_KEXPORT_H_

/*
 * kexport_init: pools, order pools, extent maps and kmem(9) are described by
 * vm_export_refresh() from here on.
 */
void	kexport_init(void);

#endif /* !_SYS_KEXPORT_H_ */
