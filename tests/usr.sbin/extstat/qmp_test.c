/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * extstat against a QEMU that is not one: a server that speaks QMP as far as a
 * script says, and then does what no QEMU would.  The memory it has is that of
 * the synthetic guest.
 */

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "run.h"
#include "synth.h"

#define	SOCKET	"qmp"
#define	LOG	"qmp.log"	/* the commands that came, a line each */
#define	CORE	"core.elf"
#define	KERNEL	"kernel.elf"
#define	GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define	MAXTEXT	65536

struct server {
	int		s_fd;
	int		s_passed;	/* the file that came last, or -1 */
	FILE		*s_log;
	struct synth	s_guest;
	const char	*s_status;	/* what query-status answers */
	char		s_text[MAXTEXT];
	size_t		s_len;
	json_t		*s_id;		/* of the command being served */
	json_t		*s_args;
};

/* Serve one command.  => false: as usual. */
typedef bool	server_script(struct server *, const char *command);

static void
say(struct server *s, const char *text, size_t len)
{
	ssize_t n;

	for (; len > 0; text += n, len -= (size_t)n) {
		n = send(s->s_fd, text, len, MSG_NOSIGNAL);
		if (n <= 0)
			_exit(0);	/* extstat has had enough */
	}
}

static void
say_line(struct server *s, const char *text)
{

	say(s, text, strlen(text));
}

/* An answer with the id of the command: "return": value, or "error". */
static void
answer(struct server *s, const char *key, const char *value)
{
	char *id = json_dumps(s->s_id, JSON_ENCODE_ANY), text[MAXTEXT];
	int n;

	n = snprintf(text, sizeof(text), "{\"%s\": %s, \"id\": %s}\r\n", key,
	    value, id == NULL ? "null" : id);
	free(id);
	say(s, text, (size_t)n);
}

static void
answer_error(struct server *s, const char *desc)
{
	char text[1024];

	(void)snprintf(text, sizeof(text),
	    "{\"class\": \"GenericError\", \"desc\": \"%s\"}", desc);
	answer(s, "error", text);
}

/*
 * What QEMU does.
 */

/* All of the core, in a process of its own as QEMU has a thread for it. */
static void
serve_whole(struct server *s)
{
	const uint8_t *p = s->s_guest.sy_core;
	size_t len = s->s_guest.sy_coresize;
	ssize_t n;

	answer(s, "return", "{}");
	if (fork() == 0) {
		for (; len > 0; p += n, len -= (size_t)n) {
			n = write(s->s_passed, p, len);
			if (n <= 0)
				break;
		}
		_exit(0);
	}
	(void)close(s->s_passed);
	s->s_passed = -1;
	say_line(s, "{\"event\": \"DUMP_COMPLETED\"}\r\n");
}

/* The guest's core, whatever the range: more than was asked for is no harm. */
static void
serve_dump(struct server *s)
{
	uint64_t pa = (uint64_t)json_integer_value(json_object_get(s->s_args,
	    "begin"));

	if (json_object_get(s->s_args, "begin") != NULL &&
	    synth_memory(&s->s_guest, pa) == NULL) {
		answer_error(s, "dump: no guest memory to dump");
		return;
	}
	if (json_is_true(json_object_get(s->s_args, "detach"))) {
		serve_whole(s);
		return;
	}
	if (pwrite(s->s_passed, s->s_guest.sy_core, s->s_guest.sy_coresize,
	    0) != (ssize_t)s->s_guest.sy_coresize)
		_exit(2);
	say_line(s, "{\"event\": \"DUMP_COMPLETED\"}\r\n");
	answer(s, "return", "{}");
}

static void
serve(struct server *s, const char *command)
{

	if (strcmp(command, "query-status") == 0)
		answer(s, "return", s->s_status);
	else if (strcmp(command, "query-memory-size-summary") == 0)
		answer(s, "return", "{\"base-memory\": 491520, "
		    "\"plugged-memory\": 0}");
	else if (strcmp(command, "dump-guest-memory") == 0)
		serve_dump(s);
	else if (strcmp(command, "query-dump") == 0)
		answer(s, "return", "{\"status\": \"completed\", "
		    "\"completed\": 1, \"total\": 1}");
	else
		answer(s, "return", "{}");
}

/*
 * The server.
 */

static void
take_file(struct server *s, struct msghdr *msg)
{
	struct cmsghdr *cm = CMSG_FIRSTHDR(msg);

	if (cm == NULL || cm->cmsg_type != SCM_RIGHTS)
		return;
	if (s->s_passed != -1)
		(void)close(s->s_passed);
	memcpy(&s->s_passed, CMSG_DATA(cm), sizeof(s->s_passed));
}

static void
hear(struct server *s)
{
	union {
		struct cmsghdr	hdr;
		char		buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { s->s_text + s->s_len, MAXTEXT - s->s_len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(s->s_fd, &msg, 0);

	if (n <= 0)
		_exit(0);
	take_file(s, &msg);
	s->s_len += (size_t)n;
}

/* The next command. */
static json_t *
next_command(struct server *s)
{
	json_t *msg;
	char *end;

	while ((end = memchr(s->s_text, '\n', s->s_len)) == NULL)
		hear(s);
	msg = json_loadb(s->s_text, (size_t)(end + 1 - s->s_text), 0, NULL);
	if (msg == NULL)
		_exit(2);
	s->s_len -= (size_t)(end + 1 - s->s_text);
	memmove(s->s_text, end + 1, s->s_len);
	return (msg);
}

static _Noreturn void
server_loop(struct server *s, server_script *script)
{
	const char *name;
	json_t *msg;

	for (;;) {
		msg = next_command(s);
		name = json_string_value(json_object_get(msg, "execute"));
		s->s_id = json_object_get(msg, "id");
		s->s_args = json_object_get(msg, "arguments");
		(void)fprintf(s->s_log, "%s\n", name);
		(void)fflush(s->s_log);
		if (script == NULL || !script(s, name))
			serve(s, name);
		json_decref(msg);
	}
}

static int
listen_socket(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
	    .sun_path = SOCKET };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)unlink(SOCKET);
	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE(bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0);
	ATF_REQUIRE(listen(fd, 1) == 0);
	return (fd);
}

/*
 * A server for one client; greeting, unless it is NULL, comes first.
 */
static pid_t
server_start(const char *greeting, const char *status, server_script *script)
{
	static struct server s;
	int fd = listen_socket();
	pid_t pid = fork();

	ATF_REQUIRE(pid != -1);
	if (pid != 0) {
		(void)close(fd);
		return (pid);
	}
	(void)alarm(2 * RUN_TIME);
	(void)signal(SIGPIPE, SIG_IGN);
	s.s_passed = -1;
	s.s_status = status;
	s.s_log = fopen(LOG, "w");
	synth_make(&s.s_guest);
	s.s_fd = accept(fd, NULL, NULL);
	if (s.s_log == NULL || s.s_fd == -1)
		_exit(2);
	if (greeting != NULL)
		say_line(&s, greeting);
	server_loop(&s, script);
}

static void
server_end(pid_t pid)
{

	(void)kill(pid, SIGKILL);
	ATF_REQUIRE(waitpid(pid, NULL, 0) == pid);
}

/* Was the command given? */
static bool
logged(const char *command)
{
	char line[256], wanted[256];
	FILE *fp = fopen(LOG, "r");
	bool found = false;

	(void)snprintf(wanted, sizeof(wanted), "%s\n", command);
	while (fp != NULL && fgets(line, sizeof(line), fp) != NULL)
		found = found || strcmp(line, wanted) == 0;
	if (fp != NULL)
		(void)fclose(fp);
	return (found);
}

#define	RUNNING	"{\"status\": \"running\", \"running\": true}"
#define	PAUSED	"{\"status\": \"paused\", \"running\": false}"

static void
write_files(void)
{
	struct synth sy;

	synth_make(&sy);
	synth_write(&sy, CORE, KERNEL);
	synth_free(&sy);
}

static const struct result *
run_live(const atf_tc_t *tc)
{

	return (run_extstat(tc, "-Q", SOCKET, "-N", KERNEL, NULL));
}

/*
 * A good server: the same output as from the core, and the guest goes on.
 */
ATF_TC_WITHOUT_HEAD(live);
ATF_TC_BODY(live, tc)
{
	const struct result *r;
	char *core;
	pid_t pid;

	write_files();
	r = run_extstat(tc, "-M", CORE, "-N", KERNEL, NULL);
	ATF_REQUIRE_EQ(r->r_status, 0);
	core = strdup(strchr(r->r_out, '\n'));

	pid = server_start(GREETING, RUNNING, NULL);
	r = run_live(tc);
	ATF_CHECK_EQ(r->r_status, 0);
	ATF_CHECK_STREQ(r->r_err, "");
	ATF_CHECK(strncmp(r->r_out, "source: guest at qmp, kernel kernel.elf",
	    39) == 0);
	ATF_CHECK_STREQ(strchr(r->r_out, '\n'), core);
	ATF_CHECK(logged("stop") && logged("cont"));
	free(core);
	server_end(pid);
}

ATF_TC_WITHOUT_HEAD(paused);
ATF_TC_BODY(paused, tc)
{
	pid_t pid;

	write_files();
	pid = server_start(GREETING, PAUSED, NULL);
	ATF_CHECK_EQ(run_live(tc)->r_status, 0);
	ATF_CHECK(!logged("stop") && !logged("cont"));
	server_end(pid);
}

ATF_TC_WITHOUT_HEAD(dump);
ATF_TC_BODY(dump, tc)
{
	const struct result *r;
	struct stat st;
	pid_t pid;

	write_files();
	pid = server_start(GREETING, RUNNING, NULL);
	r = run_extstat(tc, "-Q", SOCKET, "-d", "new.core", NULL);
	ATF_CHECK_EQ(r->r_status, 0);
	ATF_CHECK_STREQ(r->r_out, "");
	server_end(pid);
	ATF_REQUIRE(stat("new.core", &st) == 0);
	ATF_CHECK_EQ(st.st_mode & 0777, 0600);
	r = run_extstat(tc, "-M", "new.core", "-N", KERNEL, NULL);
	ATF_CHECK_EQ(r->r_status, 0);

	/* Not twice into the same file. */
	pid = server_start(GREETING, RUNNING, NULL);
	ATF_CHECK(run_failed(run_extstat(tc, "-Q", SOCKET, "-d", CORE, NULL),
	    "core.elf: File exists"));
	ATF_CHECK(access(CORE, F_OK) == 0);
	server_end(pid);
}

/*
 * Servers that are none.
 */

static bool
script_close(struct server *s, const char *command)
{

	(void)s;
	(void)command;
	_exit(0);
}

static bool
script_silent(struct server *s, const char *command)
{

	(void)command;
	while (s->s_fd != -1)
		hear(s);
	return (true);
}

/* What a server says first. */
ATF_TC(greetings);
ATF_TC_HEAD(greetings, tc)
{

	atf_tc_set_md_var(tc, "timeout", "1800");
}
ATF_TC_BODY(greetings, tc)
{
	static char deep[200000];
	const struct {
		const char	*greeting;
		const char	*text;
	} cases[] = {
		{ "SSH-2.0-OpenSSH_9.2\r\n", "not QMP: a line that is no" },
		{ "\n", "not QMP: a line that is no JSON object" },
		{ "[1, 2]\n", "not QMP: a line that is no JSON object" },
		{ "\"QMP\"\n", "not QMP: a line that is no JSON object" },
		{ "{}\n", "not QMP: no greeting" },
		{ "{\"QMP\": 7}\n", "not QMP: no greeting" },
		{ "{\"QMP\": {}\n", "not QMP: a line that is no JSON object" },
		{ "\377\376\n", "not QMP: a line that is no JSON object" },
		{ deep, "not QMP: a line that is no JSON object" },
		/* The last two wait until time is up. */
		{ "{\"QMP\"", "no answer from QEMU in time" },
		{ NULL, "no answer from QEMU in time" },
	};
	pid_t pid;
	unsigned i;

	memset(deep, '[', sizeof(deep) - 2);
	deep[sizeof(deep) - 2] = '\n';
	write_files();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pid = server_start(cases[i].greeting, RUNNING, script_silent);
		ATF_CHECK(run_failed(run_live(tc), cases[i].text));
		server_end(pid);
	}
}

ATF_TC_WITHOUT_HEAD(no_server);
ATF_TC_BODY(no_server, tc)
{
	char name[200];

	write_files();
	ATF_CHECK(run_failed(run_live(tc), "qmp: No such file or directory"));
	(void)close(listen_socket());
	ATF_CHECK(run_failed(run_live(tc), "qmp: Connection refused"));
	ATF_CHECK(run_failed(run_extstat(tc, "-Q", KERNEL, "-N", KERNEL,
	    NULL), "kernel.elf: "));
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ATF_CHECK(run_failed(run_extstat(tc, "-Q", name, "-N", KERNEL, NULL),
	    "longer than the name of a socket may be (107)"));
}

/* Data without end and without a line. */
static bool
script_endless(struct server *s, const char *command)
{
	static char junk[MAXTEXT];

	(void)command;
	memset(junk, ' ', sizeof(junk));
	while (s->s_fd != -1)
		say(s, junk, sizeof(junk));
	return (true);
}

ATF_TC_WITHOUT_HEAD(endless);
ATF_TC_BODY(endless, tc)
{
	pid_t pid;

	write_files();
	pid = server_start(GREETING, RUNNING, script_endless);
	ATF_CHECK(run_failed(run_live(tc),
	    "not QMP: a line of more than 1048576 bytes"));
	server_end(pid);
}

/* Events without end, and no answer among them. */
static bool
script_flood(struct server *s, const char *command)
{

	(void)command;
	while (s->s_fd != -1)
		say_line(s, "{\"event\": \"RESUME\"}\n");
	return (true);
}

ATF_TC_WITHOUT_HEAD(flood);
ATF_TC_BODY(flood, tc)
{
	pid_t pid;

	write_files();
	pid = server_start(GREETING, RUNNING, script_flood);
	ATF_CHECK(run_failed(run_live(tc), "no answer from QEMU in time"));
	server_end(pid);
}

/*
 * Servers that go wrong at one command, after which the guest has to go on if
 * it was stopped.
 */

static bool
script_at_memory(struct server *s, const char *command)
{

	if (strcmp(command, "query-memory-size-summary") != 0)
		return (false);
	answer(s, "return", "{\"base-memory\": -5}");
	return (true);
}

static bool
script_memory_text(struct server *s, const char *command)
{

	if (strcmp(command, "query-memory-size-summary") != 0)
		return (false);
	answer(s, "return", "[\"much\"]");
	return (true);
}

static bool
script_memory_small(struct server *s, const char *command)
{

	if (strcmp(command, "query-memory-size-summary") != 0)
		return (false);
	answer(s, "return", "{\"base-memory\": 4096, \"plugged-memory\": 0}");
	return (true);
}

static bool
script_refuse(struct server *s, const char *command)
{

	if (strcmp(command, "qmp_capabilities") != 0)
		return (false);
	answer_error(s, "no\\u001b[2Jway\\n");
	return (true);
}

static bool
script_wrong_id(struct server *s, const char *command)
{

	if (strcmp(command, "stop") != 0)
		return (false);
	say_line(s, "{\"return\": {}, \"id\": 77}\n");
	return (true);
}

static bool
script_no_files(struct server *s, const char *command)
{

	if (strcmp(command, "getfd") != 0)
		return (false);
	answer_error(s, "No file descriptor supplied via SCM_RIGHTS");
	return (true);
}

static bool
script_dump_error(struct server *s, const char *command)
{

	if (strcmp(command, "dump-guest-memory") != 0)
		return (false);
	answer_error(s, "There is a dump in process, please wait.");
	return (true);
}

/* Says that it dumped, and did not. */
static bool
script_no_dump(struct server *s, const char *command)
{

	if (strcmp(command, "dump-guest-memory") != 0)
		return (false);
	answer(s, "return", "{}");
	return (true);
}

static bool
script_junk_dump(struct server *s, const char *command)
{

	if (strcmp(command, "dump-guest-memory") != 0)
		return (false);
	if (write(s->s_passed, "nonsense", 8) != 8)
		_exit(2);
	answer(s, "return", "{}");
	return (true);
}

static bool
script_short_dump(struct server *s, const char *command)
{

	if (strcmp(command, "dump-guest-memory") != 0)
		return (false);
	s->s_guest.sy_coresize = 200;
	serve_dump(s);
	return (true);
}

static bool
script_other_machine(struct server *s, const char *command)
{

	(void)command;
	s->s_guest.sy_ehdr->e_machine = EM_S390;
	return (false);
}

static bool
script_other_kernel(struct server *s, const char *command)
{

	(void)command;
	s->s_guest.sy_export->ve_magic[0] = 'x';
	return (false);
}

/* Only the first page of the last segment is there. */
static bool
script_hole(struct server *s, const char *command)
{

	(void)command;
	s->s_guest.sy_phdr[SYNTH_NLOAD].p_filesz = 4096;
	return (false);
}

ATF_TC_WITHOUT_HEAD(misbehaved);
ATF_TC_BODY(misbehaved, tc)
{
	static const struct {
		server_script	*script;
		const char	*text;
		bool		stopped;	/* when it happens */
	} cases[] = {
		{ script_close, "connection closed by the other end", false },
		{ script_refuse, "qmp_capabilities: no?[2Jway?", false },
		{ script_at_memory, "not a size of memory", false },
		{ script_memory_text, "not a size of memory", false },
		{ script_memory_small, "segments of 491520 bytes in a memory "
		    "of 4096", true },
		{ script_wrong_id, "not QMP: an answer to no question", true },
		{ script_no_files, "getfd: No file descriptor supplied", true },
		{ script_dump_error, "dump-guest-memory: There is a dump in "
		    "process", true },
		{ script_no_dump, "qmp: empty file", true },
		{ script_junk_dump, "qmp: not an ELF file", true },
		{ script_short_dump, "qmp: truncated", true },
		{ script_other_machine, "the guest is of another machine (",
		    true },
		{ script_other_kernel, "no extent state at 0x110000", true },
		{ script_hole, "segment 4 at 0x100000000 does not lie in "
		    "memory", true },
	};
	pid_t pid;
	unsigned i;

	write_files();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pid = server_start(GREETING, RUNNING, cases[i].script);
		ATF_CHECK(run_failed(run_live(tc), cases[i].text));
		ATF_CHECK_MSG(logged("cont") == cases[i].stopped,
		    "%s: stopped for ever, or let go without need",
		    cases[i].text);
		server_end(pid);
	}
}

/* The other end goes away with the guest stopped: all that can be said. */
static bool
script_die_stopped(struct server *s, const char *command)
{

	(void)s;
	if (strcmp(command, "getfd") == 0)
		_exit(0);
	return (false);
}

static bool
script_cont_fails(struct server *s, const char *command)
{

	if (strcmp(command, "cont") != 0)
		return (false);
	answer_error(s, "Resetting the Virtual Machine is required");
	return (true);
}

ATF_TC_WITHOUT_HEAD(not_resumed);
ATF_TC_BODY(not_resumed, tc)
{
	const struct result *r;
	pid_t pid;

	write_files();
	pid = server_start(GREETING, RUNNING, script_die_stopped);
	r = run_live(tc);
	ATF_CHECK_EQ(r->r_status, 1);
	ATF_CHECK(strstr(r->r_err, "the guest may still be stopped") != NULL);
	server_end(pid);

	pid = server_start(GREETING, RUNNING, script_cont_fails);
	r = run_live(tc);
	ATF_CHECK(run_failed(r, "cont: Resetting the Virtual Machine is "
	    "required: the guest may still be stopped"));
	server_end(pid);
}

/*
 * A signal while QEMU is slow: the guest goes on, and the signal counts.  The
 * answer that was waited for comes after all, before that to cont.
 */
static bool
script_slow_dump(struct server *s, const char *command)
{
	static char late[64];

	if (strcmp(command, "dump-guest-memory") == 0) {
		(void)snprintf(late, sizeof(late), "{\"return\": {}, \"id\": "
		    "%d}\n", (int)json_integer_value(s->s_id));
		return (true);
	}
	if (strcmp(command, "cont") == 0)
		say_line(s, late);
	return (false);
}

/* Until a command has come, or 10 seconds of sleep. */
static bool
wait_logged(const char *command)
{
	const struct timespec ts = { 0, 10000000 };
	unsigned i;

	for (i = 0; i < 1000 && !logged(command); i++)
		(void)nanosleep(&ts, NULL);
	return (logged(command));
}

static void
check_signal(const atf_tc_t *tc, int sig)
{
	static const char *const args[] = { "-Q", SOCKET, "-N", KERNEL, NULL };
	const struct result *r;
	pid_t pid, run;

	(void)unlink(LOG);
	pid = server_start(GREETING, RUNNING, script_slow_dump);
	run = run_start(tc, args);
	ATF_REQUIRE(wait_logged("dump-guest-memory"));
	ATF_REQUIRE(kill(run, sig) == 0);
	r = run_finish(run);
	ATF_CHECK_EQ(r->r_signal, sig);
	ATF_CHECK(logged("cont"));
	ATF_CHECK_STREQ(r->r_out, "");
	ATF_CHECK_STREQ(r->r_err, "");
	server_end(pid);
}

ATF_TC_WITHOUT_HEAD(signals);
ATF_TC_BODY(signals, tc)
{

	write_files();
	check_signal(tc, SIGINT);
	check_signal(tc, SIGTERM);
	check_signal(tc, SIGHUP);
}

/* Time in which extstat stands still is not the server's. */
ATF_TC_WITHOUT_HEAD(stood_still);
ATF_TC_BODY(stood_still, tc)
{
	static const char *const args[] = { "-Q", SOCKET, "-N", KERNEL, NULL };
	pid_t pid, run;

	write_files();
	pid = server_start(GREETING, RUNNING, NULL);
	ATF_REQUIRE(kill(pid, SIGSTOP) == 0);
	run = run_start(tc, args);
	(void)usleep(300000);
	/* It waits for the greeting, for five seconds at most. */
	ATF_REQUIRE(kill(run, SIGSTOP) == 0);
	(void)sleep(6);
	ATF_REQUIRE(kill(run, SIGCONT) == 0);
	(void)usleep(300000);
	ATF_REQUIRE(kill(pid, SIGCONT) == 0);
	ATF_CHECK_EQ(run_finish(run)->r_status, 0);
	server_end(pid);
}

/*
 * Cores that do not come to an end.
 */

static bool
script_dump_failed(struct server *s, const char *command)
{

	if (strcmp(command, "query-dump") != 0)
		return (false);
	say_line(s, "{\"event\": \"DUMP_COMPLETED\", \"data\": {\"error\": "
	    "\"dump: failed to write memory: No space left\"}}\n");
	answer(s, "return", "{\"status\": \"failed\", \"completed\": 1}");
	return (true);
}

/* Says that it dumped, and writes nothing. */
static bool
script_dump_empty(struct server *s, const char *command)
{

	if (strcmp(command, "dump-guest-memory") != 0)
		return (false);
	(void)close(s->s_passed);
	s->s_passed = -1;
	answer(s, "return", "{}");
	return (true);
}

/* The same, and keeps the pipe. */
static bool
script_dump_kept(struct server *s, const char *command)
{

	if (strcmp(command, "dump-guest-memory") != 0)
		return (false);
	answer(s, "return", "{}");
	return (true);
}

/* Half of it. */
static bool
script_dump_half(struct server *s, const char *command)
{

	if (strcmp(command, "dump-guest-memory") == 0)
		s->s_guest.sy_coresize /= 2;
	return (false);
}

/* Writes for ever, as long as anybody reads. */
static bool
script_dump_slow(struct server *s, const char *command)
{

	if (strcmp(command, "dump-guest-memory") == 0) {
		answer(s, "return", "{}");
		return (true);
	}
	if (strcmp(command, "query-dump") != 0)
		return (false);
	if (write(s->s_passed, "", 1) == 1)
		answer(s, "return", "{\"status\": \"active\", "
		    "\"completed\": 1}");
	else {
		(void)fprintf(s->s_log, "given up\n");
		(void)fflush(s->s_log);
		answer(s, "return", "{\"status\": \"failed\", "
		    "\"completed\": 1}");
	}
	return (true);
}

/* Does not mind that nobody reads. */
static bool
script_dump_stuck(struct server *s, const char *command)
{

	(void)s;
	if (strcmp(command, "query-dump") != 0)
		return (false);
	answer(s, "return", "{\"status\": \"active\", \"completed\": 1}");
	return (true);
}

static const char *const dump_args[] = { "-Q", SOCKET, "-d", "new.core",
    NULL };

static const struct result *
run_dump(const atf_tc_t *tc)
{

	return (run_finish(run_start(tc, dump_args)));
}

ATF_TC_WITHOUT_HEAD(dump_bad);
ATF_TC_BODY(dump_bad, tc)
{
	static const struct {
		server_script	*script;
		const char	*text;
	} cases[] = {
		{ script_dump_failed, "dump-guest-memory: dump: failed to "
		    "write memory: No space left" },
		{ script_dump_empty, "new.core: empty file" },
		{ script_dump_half, "new.core: truncated" },
		{ script_dump_kept, "dump-guest-memory: complete, but without "
		    "end" },
	};
	pid_t pid;
	unsigned i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pid = server_start(GREETING, RUNNING, cases[i].script);
		ATF_CHECK(run_failed(run_dump(tc), cases[i].text));
		ATF_CHECK(access("new.core", F_OK) == -1);
		server_end(pid);
	}
	ATF_CHECK(run_failed(run_extstat(tc, "-Q", SOCKET, "-d",
	    "no/such/dir", NULL), "qmp: Connection refused"));
}

/* Signal extstat in the middle of a dump. */
static const struct result *
signal_dump(const atf_tc_t *tc, server_script *script, int sig)
{
	const struct result *r;
	pid_t pid, run;

	(void)unlink(LOG);
	pid = server_start(GREETING, RUNNING, script);
	run = run_start(tc, dump_args);
	ATF_REQUIRE(wait_logged("query-dump"));
	ATF_REQUIRE(kill(run, sig) == 0);
	r = run_finish(run);
	ATF_CHECK(access("new.core", F_OK) == -1);
	server_end(pid);
	return (r);
}

/* QEMU is made to give up, and extstat ends when it has. */
ATF_TC_WITHOUT_HEAD(dump_signals);
ATF_TC_BODY(dump_signals, tc)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	const struct result *r;
	unsigned i;

	for (i = 0; i < 3; i++) {
		r = signal_dump(tc, script_dump_slow, signals[i]);
		ATF_CHECK_EQ(r->r_signal, signals[i]);
		ATF_CHECK_STREQ(r->r_err, "");
		ATF_CHECK(logged("given up"));
	}
	r = signal_dump(tc, script_dump_stuck, SIGTERM);
	ATF_CHECK(run_failed(r, "dump-guest-memory: does not end: the guest "
	    "may still be stopped"));
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, live);
	ATF_TP_ADD_TC(tp, paused);
	ATF_TP_ADD_TC(tp, dump);
	ATF_TP_ADD_TC(tp, greetings);
	ATF_TP_ADD_TC(tp, no_server);
	ATF_TP_ADD_TC(tp, endless);
	ATF_TP_ADD_TC(tp, flood);
	ATF_TP_ADD_TC(tp, misbehaved);
	ATF_TP_ADD_TC(tp, not_resumed);
	ATF_TP_ADD_TC(tp, signals);
	ATF_TP_ADD_TC(tp, stood_still);
	ATF_TP_ADD_TC(tp, dump_bad);
	ATF_TP_ADD_TC(tp, dump_signals);
	return (atf_no_error());
}
