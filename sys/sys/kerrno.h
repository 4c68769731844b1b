/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Error numbers of the reference kernel, with their conventional BSD values.
 * (Not <sys/errno.h>: in usermode that name belongs to the host.)
 */

#ifndef _SYS_KERRNO_H_
#define	_SYS_KERRNO_H_

#define	EPERM		1	/* operation not permitted */
#define	ENOENT		2	/* no such entry */
#define	EINTR		4	/* interrupted */
#define	EIO		5	/* input/output error */
#define	ENXIO		6	/* device not configured */
#define	E2BIG		7	/* list too long */
#define	ENOMEM		12	/* cannot allocate memory */
#define	EACCES		13	/* permission denied */
#define	EFAULT		14	/* bad address */
#define	EBUSY		16	/* device or resource busy */
#define	EEXIST		17	/* exists */
#define	ENODEV		19	/* operation not supported by device */
#define	EINVAL		22	/* invalid argument */
#define	EFBIG		27	/* too large */
#define	ENOSPC		28	/* no space left */
#define	EDOM		33	/* out of domain */
#define	ERANGE		34	/* result too large */
#define	EAGAIN		35	/* temporarily unavailable */
#define	EWOULDBLOCK	EAGAIN
#define	EALREADY	37	/* already done */
#define	EMSGSIZE	40	/* wrong length */
#define	EOPNOTSUPP	45	/* not supported */
#define	ETIMEDOUT	60	/* timed out */
#define	EOVERFLOW	84	/* value too large */

#endif /* !_SYS_KERRNO_H_ */
