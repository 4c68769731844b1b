/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The monitor.  Between two commands the kernel stands still, so that what a
 * debugger or extstat(8) reads from outside is one state.
 */

#include <sys/ageing.h>
#include <sys/claim.h>
#include <sys/device.h>
#include <sys/km_map.h>
#include <sys/kmem.h>
#include <sys/machdep.h>
#include <sys/monitor.h>
#include <sys/options.h>
#include <sys/systm.h>
#include <sys/take.h>

#include <vm/vm_audit.h>
#include <vm/vm_export.h>
#include <vm/vm_pglist.h>
#include <vm/vm_physseg.h>

#include <machine/iommu.h>

#define	LINE_MAX	128
#define	ROUNDS_MAX	10000
#define	STATUS_MAX	100
#define	WAIT_NSEC	1000000000ULL	/* how long alloc waits */

struct command {
	const char	*c_name;
	void		(*c_run)(const char *args);
	const char	*c_help;
};

static int status;		/* of the run so far */

static void
audit_print(const char *label)
{

	if (!vm_audit_print(label))
		status = 1;
}

static void
command_audit(const char *args)
{

	(void)args;
	audit_print("now");
}

/*
 * extents: all pieces of memory, in address order.
 */
static const char *
state_name(enum vm_fstate state)
{

	switch (state) {
	case VM_FRAME_FREE:
		return ("free");
	case VM_FRAME_HELD:
		return ("held");
	default:
		return ("allocated");
	}
}

static void
command_extents(const char *args)
{
	struct vm_pgextent px;
	const char *owner;
	paddr_t from;

	(void)args;
	for (from = 0; vm_pglist_walk(from, VM_PADDR_MAX, &px);
	    from = px.vpx_start + px.vpx_size) {
		owner = px.vpx_state == VM_FRAME_HEAD ?
		    vm_owner_name(px.vpx_owner) : "";
		printf("0x%012jx %8ju KiB  %s%s%s\n",
		    (uintmax_t)px.vpx_start, (uintmax_t)px.vpx_size / 1024,
		    state_name(px.vpx_state), *owner == '\0' ? "" : " ",
		    owner);
	}
}

/*
 * maps: which ports and addresses are taken, and by whom.
 */
static bool
map_print(struct extent *ex, void *arg)
{

	(void)arg;
	extent_print(ex);
	return (true);
}

static void
command_maps(const char *args)
{

	(void)args;
	extent_foreach(map_print, NULL);
}

static void
command_claims(const char *args)
{

	(void)args;
	claims_print();
}

static void
command_age(const char *args)
{
	uint64_t n;

	if (!options_number(args, (unsigned)strlen(args), false, &n) ||
	    n == 0 || n > ROUNDS_MAX) {
		printf("age: \"%s\" is not a number of rounds, 1 to %u\n", args,
		    ROUNDS_MAX);
		return;
	}
	ageing_run((unsigned)n);
	audit_print("aged");
}

/*
 * bad: frees that must be refused.
 */
static void
bad_result(const char *what, paddr_t pa, int error, int want)
{

	printf("bad: %s 0x%jx: %s\n", what, (uintmax_t)pa, errno_name(error));
	if (error != want) {
		printf("bad: %s should have been %s\n", what,
		    errno_name(want));
		status = 1;
	}
}

static void
bad_page(void)
{
	paddr_t pa;

	pa = vm_page_alloc(0, VM_OWNER_NONE);
	if (pa == VM_PADDR_NONE) {
		printf("bad: no page to try it with\n");
		return;
	}
	bad_result("page, size differs", pa,
	    vm_pglist_free(pa, 2 * VM_PAGE_SIZE), EMSGSIZE);
	bad_result("page, free", pa, vm_page_free(pa), 0);
	bad_result("page, double free", pa, vm_page_free(pa), EALREADY);
}

static void
bad_run(void)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(2 * VM_PAGE_SIZE);
	struct vm_pgseg seg;
	unsigned nsegs;
	paddr_t pa;
	int error;

	error = vm_pglist_alloc(&req, &seg, &nsegs);
	if (error != 0) {
		printf("bad: no run to try it with: %s\n", errno_name(error));
		return;
	}
	pa = seg.vps_start;
	bad_result("run, interior", pa + VM_PAGE_SIZE,
	    vm_pglist_free(pa + VM_PAGE_SIZE, 0), EINVAL);
	bad_result("run, interior page", pa + VM_PAGE_SIZE,
	    vm_page_free(pa + VM_PAGE_SIZE), EINVAL);
	bad_result("run, freed as a page", pa, vm_page_free(pa), EMSGSIZE);
	bad_result("run, size differs", pa,
	    vm_pglist_free(pa, VM_PAGE_SIZE), EMSGSIZE);
	bad_result("run, not page-aligned", pa + 1, vm_pglist_free(pa + 1, 0),
	    EINVAL);
	bad_result("run, free", pa, vm_pglist_free(pa, seg.vps_size), 0);
	bad_result("run, double free", pa, vm_pglist_free(pa, 0), EALREADY);
}

static void
bad_foreign(void)
{
	struct vm_physseg seg;
	paddr_t end = 0;
	unsigned i;

	for (i = 0; vm_physseg_get(i, &seg); i++)
		end = vm_ptoa(seg.vs_end);
	bad_result("foreign page", end, vm_page_free(end), EINVAL);
	bad_result("foreign run", end, vm_pglist_free(end, VM_PAGE_SIZE),
	    EINVAL);
	end = VM_PADDR_NONE & ~(VM_PAGE_SIZE - 1);
	bad_result("foreign page", end, vm_page_free(end), EINVAL);
}

static void
bad_kmem_result(const char *what, enum kmem_badness kind, uint64_t before,
    bool want)
{
	bool seen = kmem_bad(kind) > before;

	printf("bad: kmem, %s: %s\n", what, seen ? "seen" : "not seen");
	if (want && !seen)
		status = 1;
}

static void
bad_kmem(void)
{
	volatile char *p = kmem_alloc(17, KM_NOSLEEP);
	uint64_t n;

	if (p == NULL) {
		printf("bad: no kernel memory to try it with\n");
		return;
	}
	n = kmem_bad(KMEM_BAD_SIZE);
	kmem_free((void *)(uintptr_t)p, 16);
	bad_kmem_result("size differs", KMEM_BAD_SIZE, n, true);
	/* Nobody else's, as sizes are multiples of KMEM_ALIGN. */
	n = kmem_bad(KMEM_REDZONE);
	p[17] = (char)(p[17] ^ 1);
	kmem_free((void *)(uintptr_t)p, 17);
	bad_kmem_result("written behind", KMEM_REDZONE, n, false);
	n = kmem_bad(KMEM_BAD_FREE);
	kmem_free((void *)(uintptr_t)p, 17);
	bad_kmem_result("double free", KMEM_BAD_FREE, n, true);
}

static void
command_bad(const char *args)
{

	(void)args;
	bad_page();
	bad_run();
	bad_foreign();
	bad_kmem();
}

/*
 * A request: size=16k,align=8k,boundary=64k,low=0,high=16m
 */
static bool
request_word(struct vm_pgreq *req, const char *word, unsigned len)
{
	const struct {
		const char	*w_name;
		uint64_t	*w_value;
	} words[] = {
		{ "size=", &req->vpr_size },
		{ "align=", &req->vpr_align },
		{ "boundary=", &req->vpr_boundary },
		{ "low=", &req->vpr_low },
		{ "high=", &req->vpr_high },
	};
	unsigned i, name;

	for (i = 0; i < NITEMS(words); i++) {
		name = (unsigned)strlen(words[i].w_name);
		if (len > name && memcmp(word, words[i].w_name, name) == 0) {
			return (options_number(word + name, len - name, true,
			    words[i].w_value));
		}
	}
	return (false);
}

static bool
request_parse(const char *who, struct vm_pgreq *req, const char *args)
{
	unsigned len;

	for (;;) {
		for (len = 0; args[len] != '\0' && args[len] != ','; len++)
			continue;
		if (!request_word(req, args, len)) {
			printf("%s: \"%.*s\" is not size, align, boundary,"
			    " low or high=BYTES\n", who, (int)len, args);
			return (false);
		}
		if (args[len] == '\0')
			return (true);
		args += len + 1;
	}
}

static void
command_explain(const char *args)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(0);

	if (request_parse("explain", &req, args))
		vm_pglist_explain_print("explain", &req);
}

/*
 * alloc: what explain explains, for real: waits while the background load
 * goes on.
 */
static void
command_alloc(const char *args)
{
	struct vm_pgreq req = VM_PGREQ_INITIALIZER(0);
	struct vm_pgseg seg;
	unsigned nsegs;
	int error;

	if (!request_parse("alloc", &req, args))
		return;
	req.vpr_flags = VM_PG_WAIT;
	req.vpr_timeout = WAIT_NSEC;
	background_resume();
	error = vm_pglist_alloc(&req, &seg, &nsegs);
	background_pause();
	if (error == 0) {
		printf("alloc: 0x%jx - 0x%jx\n", (uintmax_t)seg.vps_start,
		    (uintmax_t)(seg.vps_start + seg.vps_size));
		error = vm_pglist_free(seg.vps_start, seg.vps_size);
	}
	if (error != 0)
		printf("alloc: %s\n", errno_name(error));
}

/*
 * take, give, job: what drivers do when there is no memory for them.
 */
static void
command_take(const char *args)
{
	uint64_t limit;

	if (!options_number(args, (unsigned)strlen(args), true, &limit) ||
	    limit < VM_PAGE_SIZE) {
		printf("take: \"%s\" is not a limit in bytes\n", args);
		return;
	}
	take_below(limit);
	audit_print("taken");
}

static void
command_give(const char *args)
{

	(void)args;
	take_give();
	audit_print("given");
}

static void
command_iommu(const char *args)
{

	(void)args;
	iommu_print();
}

static void
command_job(const char *args)
{
	int error;

	background_resume();
	error = device_again(args);
	background_pause();
	if (error == ENOENT)
		printf("job: \"%s\" is not a driver with a device\n", args);
	else
		printf("job: %s: %s\n", args, errno_name(error));
	audit_print("job");
}

/*
 * kmem: what is allocated, and whether large memory of scattered pages holds
 * what is written.
 */
static bool
scattered_try(size_t size)
{
	char *p = km_map_alloc(size, VM_PAGE_SIZE, VM_PG_ZERO);
	bool good = true;
	size_t at;

	if (p == NULL) {
		printf("kmem: no memory to try %zu bytes with\n", size);
		return (true);
	}
	for (at = 0; at < size; at += VM_PAGE_SIZE) {
		good = good && p[at] == 0;
		p[at] = (char)(at >> PAGE_SHIFT);
	}
	for (at = 0; at < size; at += VM_PAGE_SIZE)
		good = good && p[at] == (char)(at >> PAGE_SHIFT);
	return (km_map_free(p, size) == 0 && good);
}

static void
command_kmem(const char *args)
{
	const char *why = scattered_try(256 * VM_PAGE_SIZE) ? NULL :
	    "what was written is not there";
	struct km_map_info kmi;
	struct kmem_info ki;
	unsigned i;

	(void)args;
	for (i = 0; kmem_info(i, &ki); i++) {
		if (ki.ki_pages != 0)
			printf("kmem: size %5zu used %6ju bytes %8ju of %6ju"
			    " pages %6ju\n", ki.ki_size,
			    (uintmax_t)ki.ki_used, (uintmax_t)ki.ki_bytes,
			    (uintmax_t)ki.ki_objects, (uintmax_t)ki.ki_pages);
	}
	km_map_info(&kmi);
	printf("kmem: books %ju pages, km_map %ju ranges %ju pages\n",
	    (uintmax_t)kmem_meta_pages(), (uintmax_t)kmi.kmi_ranges,
	    (uintmax_t)kmi.kmi_pages);
	if (why == NULL)
		why = kmem_check();
	if (why == NULL)
		why = km_map_check();
	printf("kmem: %s\n", why == NULL ? "ok" : why);
	if (why != NULL)
		status = 1;
}

/*
 * keep: a range of scattered pages, and their page tables, to be looked at.
 */
static void
command_keep(const char *args)
{
	static void *kept;
	static size_t kept_size;
	uint64_t size;

	if (!options_number(args, (unsigned)strlen(args), true, &size) ||
	    size > KMEM_MAX) {
		printf("keep: \"%s\" is not a size in bytes\n", args);
		return;
	}
	if (kept != NULL && km_map_free(kept, kept_size) != 0)
		status = 1;
	kept = NULL;
	kept_size = (size_t)size;
	if (size == 0)
		printf("keep: nothing\n");
	else if ((kept = km_map_alloc(kept_size, VM_PAGE_SIZE, 0)) == NULL)
		printf("keep: no memory for %zu bytes\n", kept_size);
	else
		printf("keep: a range of %zu bytes at %p\n", kept_size, kept);
}

/*
 * guard: the end.
 */
static void
command_guard(const char *args)
{
	const size_t size = 3 * VM_PAGE_SIZE;
	volatile char *p;

	p = km_map_alloc(size, VM_PAGE_SIZE, 0);
	if (p == NULL) {
		printf("guard: no memory to try it with\n");
		return;
	}
	p[0] = p[size - 1] = 1;
	printf("guard: a range of %zu bytes at %p\n", size,
	    (void *)(uintptr_t)p);
	if (strcmp(args, "before") == 0)
		p[-1] = 1;
	else if (strcmp(args, "freed") == 0 &&
	    km_map_free((void *)(uintptr_t)p, size) == 0)
		p[0] = 1;
	else
		p[size] = 1;
	printf("guard: nobody noticed\n");
	status = 1;
}

static void
command_quit(const char *args)
{
	uint64_t n = (uint64_t)status;

	if (*args != '\0' &&
	    (!options_number(args, (unsigned)strlen(args), false, &n) ||
	    n > STATUS_MAX)) {
		printf("quit: \"%s\" is not a status, 0 to %u\n", args,
		    STATUS_MAX);
		return;
	}
	kernel_exit((int)n);
}

static void	command_help(const char *);

static const struct command commands[] = {
	{ "age", command_age, "N: allocate and free N rounds more" },
	{ "alloc", command_alloc, "size=N[,...]: as explain, for real" },
	{ "audit", command_audit, "check all invariants" },
	{ "bad", command_bad, "try frees that must be refused" },
	{ "claims", command_claims, "list who has which ports and addresses" },
	{ "explain", command_explain,
	    "size=N[,align=N][,boundary=N][,low=N][,high=N]: would that fit?" },
	{ "extents", command_extents, "list all memory" },
	{ "give", command_give, "free again what take took" },
	{ "guard", command_guard,
	    "[before|freed]: touch a page that is not mapped" },
	{ "help", command_help, "this list" },
	{ "iommu", command_iommu, "what devices reach through the I/O MMU" },
	{ "job", command_job, "NAME: have a device do its job again" },
	{ "keep", command_keep,
	    "N: N bytes of scattered pages, until the next; 0: none" },
	{ "maps", command_maps, "list all extent maps" },
	{ "kmem", command_kmem, "list and check kernel memory" },
	{ "quit", command_quit, "[STATUS]: end the run" },
	{ "take", command_take, "LIMIT: allocate all memory below it" },
};

static void
command_help(const char *args)
{
	unsigned i;

	(void)args;
	for (i = 0; i < NITEMS(commands); i++)
		printf("%s %s\n", commands[i].c_name, commands[i].c_help);
}

static void
command_run(char *line)
{
	char *args;
	unsigned i;

	while (*line == ' ')
		line++;
	if (*line == '\0')
		return;
	args = strchr(line, ' ');
	if (args == NULL)
		args = line + strlen(line);
	else
		*args++ = '\0';
	while (*args == ' ')
		args++;
	for (i = 0; i < NITEMS(commands); i++) {
		if (strcmp(line, commands[i].c_name) == 0) {
			commands[i].c_run(args);
			return;
		}
	}
	printf("%s: no such command; try help\n", line);
}

/*
 * line_read: a line from the console, echoed; what exceeds the buffer or
 * cannot be printed is dropped.
 */
static void
line_read(char line[LINE_MAX])
{
	unsigned len = 0;
	int c;

	for (;;) {
		c = cngetc();
		if (c == -1) {
			cpu_idle();
		} else if (c == '\r' || c == '\n') {
			printf("\n");
			break;
		} else if ((c == '\b' || c == 0x7f) && len > 0) {
			printf("\b \b");
			len--;
		} else if (c >= ' ' && c < 0x7f && len < LINE_MAX - 1) {
			printf("%c", c);
			line[len++] = (char)c;
		}
	}
	line[len] = '\0';
}

_Noreturn void
monitor(int sofar)
{
	char line[LINE_MAX];

	status = sofar;
	for (;;) {
		(void)vm_export_refresh();
		line_read(line);
		command_run(line);
	}
}
