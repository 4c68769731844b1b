/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * pageflags: writes what /proc/kpageflags holds, 64 bits a frame, from lines
 * "FRAMES FLAGS" in hexadecimal on standard input.
 */

#include <err.h>
#include <inttypes.h>
#include <stdio.h>

int
main(void)
{
	uint64_t frames, flags;
	int n;

	while ((n = scanf("%" SCNx64 " %" SCNx64, &frames, &flags)) == 2) {
		for (; frames > 0; frames--) {
			if (fwrite(&flags, sizeof(flags), 1, stdout) != 1)
				err(1, "standard output");
		}
	}
	if (n != EOF)
		errx(1, "a line is not FRAMES FLAGS");
	if (fflush(stdout) != 0)
		err(1, "standard output");
	return (0);
}
