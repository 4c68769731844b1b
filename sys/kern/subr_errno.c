/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The names of error numbers, for the console.
 */

#include <sys/systm.h>

static const char *const names[] = {
	[0] = "OK",
	[EPERM] = "EPERM",
	[ENOENT] = "ENOENT",
	[EINTR] = "EINTR",
	[EIO] = "EIO",
	[ENXIO] = "ENXIO",
	[E2BIG] = "E2BIG",
	[ENOMEM] = "ENOMEM",
	[EACCES] = "EACCES",
	[EFAULT] = "EFAULT",
	[EBUSY] = "EBUSY",
	[EEXIST] = "EEXIST",
	[ENODEV] = "ENODEV",
	[EINVAL] = "EINVAL",
	[EFBIG] = "EFBIG",
	[ENOSPC] = "ENOSPC",
	[EDOM] = "EDOM",
	[ERANGE] = "ERANGE",
	[EWOULDBLOCK] = "EWOULDBLOCK",
	[EALREADY] = "EALREADY",
	[EMSGSIZE] = "EMSGSIZE",
	[EOPNOTSUPP] = "EOPNOTSUPP",
	[ETIMEDOUT] = "ETIMEDOUT",
	[EOVERFLOW] = "EOVERFLOW",
};

const char *
errno_name(int error)
{

	if (error < 0 || (size_t)error >= NITEMS(names) ||
	    names[error] == NULL)
		return ("E?");
	return (names[error]);
}
