/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * extstat: print the extent state of physical memory.
 */

#include <sys/utsname.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vm/vm_export.h>

#include "core.h"
#include "export.h"
#include "json.h"
#include "kernel.h"
#include "linux.h"
#include "print.h"
#include "qmp.h"
#include "query.h"
#include "request.h"
#include "util.h"

#define	EXIT_NO		2		/* the request would fail */

struct options {
	const char	*o_core;	/* -M */
	const char	*o_dump;	/* -d */
	const char	*o_kernel;	/* -N */
	const char	*o_query;	/* -q */
	const char	*o_root;	/* -R */
	const char	*o_socket;	/* -Q */
	bool		o_json;		/* -j */
	bool		o_summary;	/* -s */
};

/* What is wrong, with the word that is, which may hold anything. */
static _Noreturn void
usage(const char *what, const char *word)
{
	char shown[64];

	printable(shown, sizeof(shown), word, strlen(word));
	warnx("%s: %s", shown, what);
	(void)fprintf(stderr,
	    "usage: extstat [-js] [-q request] [-R directory]\n"
	    "       extstat [-js] [-q request] -M core -N kernel\n"
	    "       extstat [-js] [-q request] -Q socket -N kernel\n"
	    "       extstat -Q socket -d core\n");
	exit(1);
}

static void
parse_options(int argc, char **argv, struct options *o)
{
	char option[3] = "-";
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, ":d:jM:N:Q:q:R:s")) != -1) {
		option[1] = (char)optopt;
		switch (c) {
		case 'd':
			o->o_dump = optarg;
			break;
		case 'j':
			o->o_json = true;
			break;
		case 'M':
			o->o_core = optarg;
			break;
		case 'N':
			o->o_kernel = optarg;
			break;
		case 'Q':
			o->o_socket = optarg;
			break;
		case 'q':
			o->o_query = optarg;
			break;
		case 'R':
			o->o_root = optarg;
			break;
		case 's':
			o->o_summary = true;
			break;
		case ':':
			usage("this option needs an argument", option);
		default:
			usage("no such option", option);
		}
	}
	if (optind != argc)
		usage("no such argument", argv[optind]);
}

/* Do the options belong together? */
static void
check_options(const struct options *o)
{

	if ((o->o_core != NULL) + (o->o_socket != NULL) +
	    (o->o_root != NULL) > 1)
		errx(1, "-M, -Q and -R exclude each other");
	if (o->o_dump != NULL) {
		if (o->o_socket == NULL)
			errx(1, "-d needs -Q");
		if (o->o_kernel != NULL || o->o_query != NULL || o->o_json ||
		    o->o_summary)
			errx(1, "-d only goes with -Q");
		return;
	}
	if (o->o_core != NULL && o->o_kernel == NULL)
		errx(1, "-M needs -N");
	if (o->o_socket != NULL && o->o_kernel == NULL)
		errx(1, "-Q needs -N or -d");
	if (o->o_kernel != NULL && o->o_core == NULL && o->o_socket == NULL)
		errx(1, "-N needs -M or -Q");
	if (o->o_query != NULL && o->o_summary)
		errx(1, "-q and -s exclude each other");
}

static void
describe(struct state *st, const char *what, const char *name,
    const char *kernel)
{
	char text[sizeof(st->st_source)];

	(void)snprintf(text, sizeof(text), "%s %s, kernel %s", what, name,
	    kernel);
	printable(st->st_source, sizeof(st->st_source), text, sizeof(text));
}

/* A guest, dead or alive. */
static void
load_guest(struct state *st, const struct options *o)
{
	struct machine machine;
	struct source *src;
	paddr_t where;

	state_init(st, o->o_core != NULL ? o->o_core : o->o_socket);
	where = kernel_lookup(o->o_kernel, VM_EXPORT_SYMBOL, &machine);
	if (o->o_core != NULL) {
		src = core_source(o->o_core, &machine);
		describe(st, "core", o->o_core, o->o_kernel);
	} else {
		src = qmp_source(o->o_socket, &machine);
		describe(st, "guest at", o->o_socket, o->o_kernel);
	}
	export_load(st, src, where);
	src->src_close(src);
}

/* This machine, or what files say of another. */
static void
load_linux(struct state *st, const char *root)
{
	struct utsname un;
	char text[sizeof(st->st_source)];

	state_init(st, root == NULL ? "/proc" : root);
	if (root != NULL)
		(void)snprintf(text, sizeof(text), "Linux, as %s has it",
		    root);
	else if (uname(&un) == 0)
		(void)snprintf(text, sizeof(text), "this machine, %s %s %s",
		    un.sysname, un.release, un.machine);
	else
		err(1, "uname");
	printable(st->st_source, sizeof(st->st_source), text, sizeof(text));
	linux_load(st, root == NULL ? "/proc" : root);
}

static int
answer(struct state *st, const struct vm_pgreq *req, bool json)
{
	struct answer an;

	query_answer(st, req, &an);
	if (json)
		json_answer(req, &an);
	else
		query_print(&an);
	return (an.an_error == 0 ? 0 : EXIT_NO);
}

int
main(int argc, char **argv)
{
	struct options o = { .o_json = false };
	char why[REQUEST_WHYLEN];
	struct vm_pgreq req;
	struct state st;
	int status = 0;

	parse_options(argc, argv, &o);
	check_options(&o);
	/* A request that is malformed should not stop any guest. */
	if (o.o_query != NULL && !request_parse(o.o_query, &req, why))
		errx(1, "%s", why);
	if (o.o_dump != NULL) {
		qmp_dump(o.o_socket, o.o_dump);
		return (0);
	}
	if (o.o_kernel != NULL)
		load_guest(&st, &o);
	else
		load_linux(&st, o.o_root);
	if (o.o_query != NULL)
		status = answer(&st, &req, o.o_json);
	else if (o.o_json)
		json_state(&st, !o.o_summary);
	else
		print_state(&st, !o.o_summary);
	if (fflush(stdout) != 0 || ferror(stdout))
		err(1, "standard output");
	return (status);
}
