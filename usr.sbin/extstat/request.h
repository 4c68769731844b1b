/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The request that -q asks about.
 */

#ifndef _EXTSTAT_REQUEST_H_
#define	_EXTSTAT_REQUEST_H_

#include <vm/vm_pglist.h>

/*
 * request_parse: a request from a list key=value[,key=value...] as
 * extstat(8) describes it.  Well-formed requests only (vm_pgreq_check()).
 * => true and *req; false and in why what is wrong, in one line: "KEY=VALUE:
 *    what", or "KEY: what".
 */
#define	REQUEST_WHYLEN	160
bool	request_parse(const char *spec, struct vm_pgreq *req,
	    char why[REQUEST_WHYLEN]);

/* request_policy_name: "lowest" and so on, as request_parse() takes it. */
const char *request_policy_name(enum vm_policy policy);

#endif /* !_EXTSTAT_REQUEST_H_ */
