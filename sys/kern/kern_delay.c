/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Waiting for devices.
 */

#include <sys/ageing.h>
#include <sys/systm.h>

void
delay(unsigned usec)
{
	uint64_t start = nanotime();

	do {
		background();
	} while (nanotime() - start < usec * 1000ULL);
}
