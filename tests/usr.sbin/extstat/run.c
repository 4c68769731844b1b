/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#include <sys/resource.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

#define	MAXARG	16

const char *
run_program(const atf_tc_t *tc)
{
	static char path[4096];

	(void)snprintf(path, sizeof(path), "%s/usr.sbin/extstat/extstat",
	    atf_tc_get_config_var(tc, "objdir"));
	return (path);
}

static void
redirect(int to, const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd == -1 || dup2(fd, to) == -1)
		_exit(127);
}

pid_t
run_start(const atf_tc_t *tc, const char *const args[])
{
	const char *argv[MAXARG + 1];
	const char *program = run_program(tc);
	unsigned n = 0;
	pid_t pid;

	argv[n++] = program;
	while (*args != NULL && n < MAXARG)
		argv[n++] = *args++;
	argv[n] = NULL;
	pid = fork();
	ATF_REQUIRE(pid != -1);
	if (pid == 0) {
		redirect(STDOUT_FILENO, "stdout.run");
		redirect(STDERR_FILENO, "stderr.run");
		(void)alarm(RUN_TIME);
		(void)execv(program, (char **)(uintptr_t)argv);
		_exit(127);
	}
	return (pid);
}

static char *
slurp(const char *name)
{
	static const size_t max = 64 << 20;
	FILE *fp = fopen(name, "r");
	size_t n, size = 65536;
	char *text = malloc(size);

	ATF_REQUIRE(fp != NULL && text != NULL);
	for (n = 0; !feof(fp) && !ferror(fp);) {
		n += fread(text + n, 1, size - n - 1, fp);
		if (n == size - 1) {
			ATF_REQUIRE(size < max);
			text = realloc(text, size *= 2);
			ATF_REQUIRE(text != NULL);
		}
	}
	text[n] = '\0';
	(void)fclose(fp);
	return (text);
}

const struct result *
run_finish(pid_t pid)
{
	static struct result r;
	struct rusage ru;
	int status;

	ATF_REQUIRE_EQ(wait4(pid, &status, 0, &ru), pid);
	free(r.r_out);
	free(r.r_err);
	r.r_out = slurp("stdout.run");
	r.r_err = slurp("stderr.run");
	r.r_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	r.r_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	ATF_CHECK_MSG(r.r_signal != SIGALRM, "extstat hangs");
	ATF_CHECK_MSG(r.r_status != 127, "extstat does not start");
	ATF_CHECK_MSG(ru.ru_maxrss < RUN_MAXRSS, "extstat used %ld kB",
	    ru.ru_maxrss);
	return (&r);
}

const struct result *
run_extstat(const atf_tc_t *tc, ...)
{
	const char *args[MAXARG + 1];
	unsigned n = 0;
	va_list ap;

	va_start(ap, tc);
	while (n < MAXARG && (args[n] = va_arg(ap, const char *)) != NULL)
		n++;
	va_end(ap);
	args[n] = NULL;
	return (run_finish(run_start(tc, args)));
}

bool
run_failed(const struct result *r, const char *text)
{
	const char *end = strchr(r->r_err, '\n');

	if (r->r_status == 1 && r->r_out[0] == '\0' &&
	    strncmp(r->r_err, "extstat: ", 9) == 0 && end != NULL &&
	    end[1] == '\0' && strstr(r->r_err, text) != NULL)
		return (true);
	(void)printf("wanted \"%s\", exit 1: exit %d, signal %d, "
	    "out \"%.200s\", error: %s\n", text, r->r_status, r->r_signal,
	    r->r_out, r->r_err);
	return (false);
}
