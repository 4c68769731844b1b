/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The memory of the guest is read by dump-guest-memory, with a range, into a
 * file of ours in memory (memfd_create(2)) that QEMU is handed through the
 * socket.  It takes about a millisecond; unlike xp and pmemsave it reads RAM
 * alone and never the registers of a device, and unlike pmemsave it needs no
 * directory that both QEMU and we may write to.  What it writes is a core,
 * and is read as one.
 *
 * A core of everything goes through a pipe.  QEMU has no command that ends a
 * dump, during which the guest stands still; but it gives up when the other
 * end of the pipe is closed, as it is when we end, in whatever way.
 *
 * Whatever is at the other end of the socket may send anything, slowly or not
 * at all.  Each command has a time within which its answer has to be there,
 * however much else arrives, and a line has a longest length.
 *
 * A guest that we have stopped must run again.  While it is stopped, signals
 * that end the program are let in only where we wait for the socket.
 */

#define	_GNU_SOURCE			/* memfd_create, pipe2, ppoll */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "core.h"
#include "qmp.h"
#include "util.h"

#define	MAXLINE		(1U << 20)	/* bytes of a message */
#define	MAXREAD		((size_t)64 << 20)	/* bytes of one range */
#define	SECOND		1000000000ULL	/* ns */
#define	GREETING_TIME	(5 * SECOND)
#define	ANSWER_TIME	(15 * SECOND)
#define	RESUME_TIME	(5 * SECOND)
#define	STALL_TIME	(60 * SECOND)	/* a core that does not grow */
#define	POLL_TIME	(SECOND / 10)
#define	STEP_TIME	SECOND		/* most that passes unseen */
#define	PIPE_SIZE	(1 << 20)	/* bytes, of the pipe and of a read */
#define	FDNAME		"extstat"
#define	TEXTLEN		200		/* of a foreign message */
#define	NFATAL		3

static const int fatal_signals[NFATAL] = { SIGHUP, SIGINT, SIGTERM };

struct qmp {
	struct source	q_source;
	struct machine	q_machine;
	int		q_fd;
	char		*q_buf;		/* MAXLINE bytes, q_len of them read */
	size_t		q_len;
	uint64_t	q_deadline;	/* of the answer waited for */
	json_int_t	q_id;		/* of the last command */
	char		q_error[TEXTLEN];	/* of the last command */
	char		q_event[TEXTLEN];	/* why a dump failed */
	int		q_pipe;		/* through which a core comes, or -1 */
	bool		q_stopped;	/* by us: to be continued */
	bool		q_resuming;
	sigset_t	q_mask;		/* as it was before we came */
	struct sigaction q_action[NFATAL];	/* likewise */
};

static struct qmp *the_qmp;		/* for the end of the program */
static const char *partial_file;	/* likewise: to be removed */
static volatile sig_atomic_t caught;

/*
 * The time that has passed for us.  Nobody waits for longer than STEP_TIME at
 * once; where more has passed, the machine stood still, or we did, and QEMU is
 * not to blame for that.
 */
static uint64_t
now(void)
{
	static uint64_t last, passed;
	struct timespec ts;
	uint64_t t;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	t = (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
	if (last != 0)
		passed += t - last < STEP_TIME ? t - last : STEP_TIME;
	last = t;
	return (passed);
}

/* Until then, or a step of it. */
static struct timespec
span_until(uint64_t until)
{
	uint64_t t = now();
	struct timespec ts;

	t = t < until ? until - t : 0;
	if (t > STEP_TIME)
		t = STEP_TIME;
	ts.tv_sec = (time_t)(t / SECOND);
	ts.tv_nsec = (long)(t % SECOND);
	return (ts);
}

/*
 * The end, with one line.  The guest is let go on the way out; if that is
 * what fails, there is nothing more to try.
 */
static _Noreturn void __attribute__((format(printf, 2, 3)))
fail(const struct qmp *q, const char *fmt, ...)
{
	char text[2 * TEXTLEN];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!q->q_resuming)
		errx(1, "%s: %s", q->q_source.src_name, text);
	warnx("%s: %s: the guest may still be stopped", q->q_source.src_name,
	    text);
	_exit(1);
}

/*
 * Signals.
 */

static void
catch_signal(int sig)
{

	caught = sig;
}

static void
block_signals(struct qmp *q)
{
	struct sigaction sa;
	sigset_t set;
	unsigned i;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = catch_signal;
	(void)sigemptyset(&sa.sa_mask);
	(void)sigemptyset(&set);
	for (i = 0; i < NFATAL; i++)
		(void)sigaddset(&set, fatal_signals[i]);
	(void)sigprocmask(SIG_BLOCK, &set, &q->q_mask);
	for (i = 0; i < NFATAL; i++) {
		(void)sigaction(fatal_signals[i], NULL, &q->q_action[i]);
		if (q->q_action[i].sa_handler != SIG_IGN)
			(void)sigaction(fatal_signals[i], &sa, NULL);
	}
}

/* A signal that came and was not let in takes effect here. */
static void
unblock_signals(struct qmp *q)
{
	unsigned i;

	for (i = 0; i < NFATAL; i++)
		(void)sigaction(fatal_signals[i], &q->q_action[i], NULL);
	(void)sigprocmask(SIG_SETMASK, &q->q_mask, NULL);
}

static void	qmp_resume(struct qmp *);
static void	cancel_dump(struct qmp *);

static void
remove_partial(void)
{

	if (partial_file != NULL)
		(void)unlink(partial_file);
	partial_file = NULL;
}

static _Noreturn void
die_of_signal(struct qmp *q)
{
	int sig = caught;

	remove_partial();
	qmp_resume(q);
	cancel_dump(q);
	unblock_signals(q);
	(void)raise(sig);
	_exit(1);
}

/*
 * Wait until the socket is ready for events (POLLIN, POLLOUT).  Resuming is
 * not interrupted: signals stay out, and the time is short.
 */
static void
wait_socket(struct qmp *q, short events)
{
	struct pollfd pfd = { .fd = q->q_fd, .events = events };
	struct timespec ts;
	int n;

	do {
		if (caught != 0 && !q->q_resuming)
			die_of_signal(q);
		if (now() >= q->q_deadline)
			fail(q, "no answer from QEMU in time");
		ts = span_until(q->q_deadline);
		n = ppoll(&pfd, 1, &ts, q->q_resuming ? NULL : &q->q_mask);
		if (n == -1 && errno != EINTR)
			fail(q, "%s", strerror(errno));
	} while (n <= 0);
}

/*
 * Messages.
 */

static void
fill_buffer(struct qmp *q)
{
	ssize_t n;

	if (q->q_len == MAXLINE)
		fail(q, "not QMP: a line of more than %u bytes", MAXLINE);
	wait_socket(q, POLLIN);
	n = recv(q->q_fd, q->q_buf + q->q_len, MAXLINE - q->q_len, 0);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1)
		fail(q, "%s", strerror(errno));
	if (n == 0)
		fail(q, "connection closed by the other end");
	q->q_len += (size_t)n;
}

/* The next message; the caller lets go of it. */
static json_t *
receive(struct qmp *q)
{
	json_error_t error;
	size_t seen = 0, len;
	json_t *msg;
	char *end;

	while ((end = memchr(q->q_buf + seen, '\n', q->q_len - seen)) ==
	    NULL) {
		seen = q->q_len;
		fill_buffer(q);
	}
	/* A flood of lines must not outlive the deadline either. */
	if (now() >= q->q_deadline)
		fail(q, "no answer from QEMU in time");
	len = (size_t)(end - q->q_buf) + 1;
	msg = json_loadb(q->q_buf, len, 0, &error);
	if (!json_is_object(msg))
		fail(q, "not QMP: a line that is no JSON object");
	q->q_len -= len;
	memmove(q->q_buf, q->q_buf + len, q->q_len);
	return (msg);
}

/* A string inside a message, fit to be printed; empty if there is none. */
static void
message_text(char text[TEXTLEN], json_t *object, const char *key)
{
	json_t *s = json_object_get(object, key);

	text[0] = '\0';
	if (json_is_string(s))
		printable(text, TEXTLEN, json_string_value(s),
		    json_string_length(s));
}

/* fd, unless it is -1, goes along with the first byte. */
static ssize_t
send_some(struct qmp *q, const char *text, size_t len, int fd)
{
	union {
		struct cmsghdr	hdr;
		char		buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)text,
	    .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;

	if (fd != -1) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control.buf);
		cm = CMSG_FIRSTHDR(&msg);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
	}
	return (sendmsg(q->q_fd, &msg, MSG_NOSIGNAL));
}

static void
send_text(struct qmp *q, const char *text, size_t len, int fd)
{
	ssize_t n;

	while (len > 0) {
		wait_socket(q, POLLOUT);
		n = send_some(q, text, len, fd);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n == -1)
			fail(q, "%s", strerror(errno));
		fd = -1;
		text += n;
		len -= (size_t)n;
	}
}

static void
send_command(struct qmp *q, const char *name, json_t *args, int fd)
{
	json_t *msg;
	char *text, *line;
	size_t len;

	msg = json_pack("{s:s, s:o*, s:I}", "execute", name, "arguments",
	    args, "id", ++q->q_id);
	text = msg == NULL ? NULL : json_dumps(msg, JSON_COMPACT);
	if (text == NULL)
		fail(q, "cannot make the command %s", name);
	len = strlen(text);
	line = xcalloc(len + 2, 1);
	memcpy(line, text, len);
	line[len] = '\n';
	send_text(q, line, len + 1, fd);
	free(line);
	free(text);
	json_decref(msg);
}

static void
note_event(struct qmp *q, json_t *msg)
{
	char name[TEXTLEN];

	message_text(name, msg, "event");
	if (strcmp(name, "DUMP_COMPLETED") == 0)
		message_text(q->q_event, json_object_get(msg, "data"),
		    "error");
}

/*
 * The answer to the last command.  Events are passed over, and so are answers
 * to earlier commands: a signal may have come before they did.
 */
static json_t *
receive_answer(struct qmp *q)
{
	json_int_t id;
	json_t *msg;

	for (;; json_decref(msg)) {
		msg = receive(q);
		if (json_object_get(msg, "return") == NULL &&
		    json_object_get(msg, "error") == NULL) {
			note_event(q, msg);
			continue;
		}
		id = json_integer_value(json_object_get(msg, "id"));
		if (id == q->q_id)
			return (msg);
		if (id <= 0 || id > q->q_id)
			fail(q, "not QMP: an answer to no question");
	}
}

/*
 * Run a command, which consumes args (or NULL); fd (or -1) goes along.
 * => what it returned, for the caller to let go of; NULL: it failed, and
 *    q_error says why.
 */
static json_t *
command(struct qmp *q, const char *name, json_t *args, int fd, uint64_t nsec)
{
	json_t *msg, *value;

	q->q_deadline = now() + nsec;
	send_command(q, name, args, fd);
	msg = receive_answer(q);
	value = json_incref(json_object_get(msg, "return"));
	if (value == NULL) {
		message_text(q->q_error, json_object_get(msg, "error"),
		    "desc");
		if (q->q_error[0] == '\0')
			memcpy(q->q_error, "failed", sizeof("failed"));
	}
	json_decref(msg);
	return (value);
}

/* A command that has to work. */
static json_t *
must(struct qmp *q, const char *name, json_t *args, int fd)
{
	json_t *value = command(q, name, args, fd, ANSWER_TIME);

	if (value == NULL)
		fail(q, "%s: %s", name, q->q_error);
	return (value);
}

/*
 * Connecting.
 */

static void
connect_socket(struct qmp *q, const char *path)
{
	struct timespec ts = { .tv_nsec = (long)POLL_TIME };
	struct sockaddr_un sun;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(sun.sun_path))
		fail(q, "longer than the name of a socket may be (%zu)",
		    sizeof(sun.sun_path) - 1);
	memcpy(sun.sun_path, path, strlen(path));
	q->q_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (q->q_fd == -1)
		err(1, "socket");
	/* QEMU takes one client at a time, and few may wait. */
	q->q_deadline = now() + GREETING_TIME;
	while (connect(q->q_fd, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		if (errno != EAGAIN && errno != EINTR)
			fail(q, "%s", strerror(errno));
		if (now() >= q->q_deadline)
			fail(q, "other clients hold the socket");
		(void)ppoll(NULL, 0, &ts, &q->q_mask);
		if (caught != 0)
			die_of_signal(q);
	}
}

static void
negotiate(struct qmp *q)
{
	json_t *msg;

	q->q_deadline = now() + GREETING_TIME;
	msg = receive(q);
	if (!json_is_object(json_object_get(msg, "QMP")))
		fail(q, "not QMP: no greeting");
	json_decref(msg);
	json_decref(must(q, "qmp_capabilities", NULL, -1));
}

static void
stop_guest(struct qmp *q)
{
	json_t *status = must(q, "query-status", NULL, -1);

	if (json_is_true(json_object_get(status, "running"))) {
		q->q_stopped = true;
		json_decref(must(q, "stop", NULL, -1));
	}
	json_decref(status);
}

static void
qmp_resume(struct qmp *q)
{
	json_t *value;

	if (!q->q_stopped || q->q_resuming)
		return;
	q->q_resuming = true;
	value = command(q, "cont", NULL, -1, RESUME_TIME);
	if (value == NULL)
		fail(q, "cont: %s", q->q_error);
	json_decref(value);
	q->q_stopped = false;
	q->q_resuming = false;
}

static void
at_end(void)
{

	remove_partial();
	if (the_qmp != NULL)
		qmp_resume(the_qmp);
}

static struct qmp *
qmp_open(const char *path)
{
	struct qmp *q = xcalloc(1, sizeof(*q));

	q->q_source.src_name = path;
	q->q_pipe = -1;
	q->q_buf = xcalloc(MAXLINE, 1);
	the_qmp = q;
	if (atexit(at_end) != 0)
		err(1, "atexit");
	block_signals(q);
	connect_socket(q, path);
	negotiate(q);
	return (q);
}

static void
qmp_close(struct qmp *q)
{

	qmp_resume(q);
	the_qmp = NULL;
	(void)close(q->q_fd);
	unblock_signals(q);
	free(q->q_buf);
	free(q);
}

/*
 * Reading memory.
 */

/*
 * Have a range dumped.
 * => the core; NULL: there is no memory in that range.
 */
static struct core *
dump_range(struct qmp *q, paddr_t pa, size_t len)
{
	int fd = memfd_create(FDNAME, MFD_CLOEXEC);
	json_t *value;

	if (fd == -1)
		err(1, "memfd_create");
	json_decref(must(q, "getfd", json_pack("{s:s}", "fdname", FDNAME),
	    fd));
	value = command(q, "dump-guest-memory",
	    json_pack("{s:b, s:s, s:I, s:I}", "paging", 0, "protocol",
	    "fd:" FDNAME, "begin", (json_int_t)pa, "length",
	    (json_int_t)len), -1, ANSWER_TIME);
	if (value != NULL) {
		json_decref(value);
		return (core_attach(fd, q->q_source.src_name));
	}
	(void)close(fd);
	if (strstr(q->q_error, "no guest memory") == NULL)
		fail(q, "dump-guest-memory: %s", q->q_error);
	return (NULL);
}

static void
check_machine(const struct qmp *q, const struct machine *m)
{

	if (!machine_same(m, &q->q_machine))
		fail(q, "the guest is of another machine (%s) than the "
		    "kernel (%s), or that kernel has not started",
		    machine_name(m), machine_name(&q->q_machine));
}

static bool
read_range(struct qmp *q, paddr_t pa, void *buf, size_t len)
{
	struct core *c = dump_range(q, pa, len);
	bool ok;

	if (c == NULL)
		return (false);
	check_machine(q, core_machine(c));
	ok = core_read(c, pa, buf, len);
	core_close(c);
	return (ok);
}

static bool
source_read(struct source *src, paddr_t pa, void *buf, size_t len)
{
	char *p = buf;
	size_t n;

	if (pa >> VM_PADDR_BITS != 0 || len > src->src_size)
		return (false);
	for (; len > 0; pa += n, p += n, len -= n) {
		n = len < MAXREAD ? len : MAXREAD;
		if (!read_range((struct qmp *)src, pa, p, n))
			return (false);
	}
	return (true);
}

/*
 * Only a dump of all of it would tell for sure.  Its ends, and the amount of
 * memory in the guest, are near enough: a segment that has a hole is shown
 * with it, and no read goes astray.
 */
static bool
source_present(struct source *src, paddr_t pa, psize_t len)
{
	char byte;

	return (len <= src->src_size &&
	    source_read(src, pa, &byte, sizeof(byte)) &&
	    source_read(src, pa + len - 1, &byte, sizeof(byte)));
}

static void
source_close(struct source *src)
{

	qmp_close((struct qmp *)src);
}

static psize_t
memory_size(struct qmp *q)
{
	json_t *value = must(q, "query-memory-size-summary", NULL, -1);
	json_int_t base, plugged;

	base = json_integer_value(json_object_get(value, "base-memory"));
	plugged = json_integer_value(json_object_get(value, "plugged-memory"));
	json_decref(value);
	if (base <= 0 || plugged < 0 || base >> VM_PADDR_BITS != 0 ||
	    plugged >> VM_PADDR_BITS != 0)
		fail(q, "query-memory-size-summary: not a size of memory");
	return ((psize_t)base + (psize_t)plugged);
}

struct source *
qmp_source(const char *path, const struct machine *m)
{
	struct qmp *q = qmp_open(path);

	q->q_machine = *m;
	q->q_source.src_read = source_read;
	q->q_source.src_present = source_present;
	q->q_source.src_close = source_close;
	q->q_source.src_size = memory_size(q);
	stop_guest(q);
	return (&q->q_source);
}

/*
 * A core of everything.
 */

/* How far the dump is, in *donep; false: it is complete, or failed. */
static bool
dump_active(struct qmp *q, json_int_t *donep, bool *failedp)
{
	json_t *value = must(q, "query-dump", NULL, -1);
	char status[TEXTLEN];

	message_text(status, value, "status");
	*donep = json_integer_value(json_object_get(value, "completed"));
	json_decref(value);
	*failedp = strcmp(status, "completed") != 0;
	return (strcmp(status, "active") == 0);
}

/* Wait until something comes through the pipe, or until then at most. */
static bool
wait_pipe(struct qmp *q, uint64_t until)
{
	struct pollfd pfd = { .fd = q->q_pipe, .events = POLLIN };
	struct timespec ts = span_until(until);
	int n;

	if (caught != 0)
		die_of_signal(q);
	n = ppoll(&pfd, 1, &ts, &q->q_mask);
	if (n == -1 && errno != EINTR)
		fail(q, "%s", strerror(errno));
	if (caught != 0)
		die_of_signal(q);
	return (n > 0);
}

static void
write_file(int fd, const char *file, const char *buf, size_t len)
{
	ssize_t n;

	for (; len > 0; buf += n, len -= (size_t)n) {
		n = write(fd, buf, len);
		if (n == -1 && errno == EINTR)
			n = 0;
		if (n == -1)
			err(1, "%s", file);
	}
}

/*
 * Copy what comes until then.
 * => false: the other end of the pipe is closed.
 */
static bool
copy_until(struct qmp *q, int fd, const char *file, char *buf,
    uint64_t until)
{
	ssize_t n;

	do {
		if (!wait_pipe(q, until))
			continue;
		n = read(q->q_pipe, buf, PIPE_SIZE);
		if (n == 0)
			return (false);
		if (n > 0)
			write_file(fd, file, buf, (size_t)n);
		else if (errno != EAGAIN && errno != EINTR)
			fail(q, "%s", strerror(errno));
	} while (now() < until);
	return (true);
}

static void
copy_dump(struct qmp *q, int fd, const char *file)
{
	struct timespec ts = { .tv_nsec = (long)POLL_TIME };
	char *buf = xcalloc(PIPE_SIZE, 1);
	json_int_t done = -1, before = -1;
	uint64_t since = now();
	bool failed, open = true;

	while (dump_active(q, &done, &failed)) {
		if (done != before)
			since = now();
		before = done;
		if (now() - since > STALL_TIME)
			fail(q, "dump-guest-memory: stalled");
		if (open)
			open = copy_until(q, fd, file, buf, now() + POLL_TIME);
		else
			(void)ppoll(NULL, 0, &ts, &q->q_mask);
		if (caught != 0)
			die_of_signal(q);
	}
	if (failed)
		fail(q, "dump-guest-memory: %s",
		    q->q_event[0] != '\0' ? q->q_event : "failed");
	if (open && copy_until(q, fd, file, buf, now() + ANSWER_TIME))
		fail(q, "dump-guest-memory: complete, but without end");
	free(buf);
}

/* Have QEMU give up a dump, and wait until the guest runs again. */
static void
cancel_dump(struct qmp *q)
{
	struct timespec ts = { .tv_nsec = (long)POLL_TIME / 10 };
	uint64_t until = now() + RESUME_TIME;
	json_int_t done;
	bool failed;

	if (q->q_pipe == -1)
		return;
	(void)close(q->q_pipe);
	q->q_resuming = true;
	while (dump_active(q, &done, &failed)) {
		if (now() > until)
			fail(q, "dump-guest-memory: does not end");
		(void)ppoll(NULL, 0, &ts, NULL);
	}
}

/* => the end that QEMU is to write to. */
static int
make_pipe(struct qmp *q)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) == -1 ||
	    fcntl(fd[0], F_SETFL, O_NONBLOCK) == -1)
		err(1, "pipe");
	/* More at a time, if we may. */
	(void)fcntl(fd[0], F_SETPIPE_SZ, PIPE_SIZE);
	q->q_pipe = fd[0];
	return (fd[1]);
}

void
qmp_dump(const char *path, const char *file)
{
	struct qmp *q = qmp_open(path);
	int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int end;

	if (fd == -1)
		err(1, "%s", file);
	partial_file = file;
	end = make_pipe(q);
	json_decref(must(q, "getfd", json_pack("{s:s}", "fdname", FDNAME),
	    end));
	(void)close(end);
	json_decref(must(q, "dump-guest-memory", json_pack("{s:b, s:s, s:b}",
	    "paging", 0, "protocol", "fd:" FDNAME, "detach", 1), -1));
	copy_dump(q, fd, file);
	(void)close(q->q_pipe);
	q->q_pipe = -1;
	core_close(core_attach(fd, file));
	partial_file = NULL;
	qmp_close(q);
}
