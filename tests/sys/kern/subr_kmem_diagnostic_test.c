/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The tests of kmem(9) with "options DIAGNOSTIC": this one takes the place of
 * the library's.
 */

#define	DIAGNOSTIC

#include <kern/subr_kmem.c>

#include "subr_kmem_test.c"
