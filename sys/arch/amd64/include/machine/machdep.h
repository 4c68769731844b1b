/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#ifndef _MACHINE_MACHDEP_H_
#define	_MACHINE_MACHDEP_H_

#include <stdint.h>

/*
 * amd64_init: where locore.S enters C on the boot CPU; start_info is the
 * physical address that the loader gave.
 */
_Noreturn void amd64_init(uint32_t start_info);

#endif /* !_MACHINE_MACHDEP_H_ */
