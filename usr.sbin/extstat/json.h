/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The state of memory, and answers, for programs to read.
 */

#ifndef _EXTSTAT_JSON_H_
#define	_EXTSTAT_JSON_H_

#include "query.h"
#include "state.h"

/* json_state: as print_state(), as one object of JSON. */
void	json_state(struct state *, bool extents);

/* json_answer: as query_print(), as one object of JSON. */
void	json_answer(const struct vm_pgreq *, const struct answer *);

#endif /* !_EXTSTAT_JSON_H_ */
