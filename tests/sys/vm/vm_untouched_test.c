/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Free memory is never touched, and allocated memory not either, unless
 * zeros are asked for: all of it but the metadata is out of bounds here.
 */

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vm/vm_pageq.h>

#include "vm_testlib.h"

/* One area, so that one view shows all of it. */
static const struct vm_memrange machine = { 0, 32 * MiB };

static char *view;

/* Where the start puts the metadata: it does so again with the same map. */
static void
metadata_allow(void)
{
	struct vm_memrange r;
	const char *owner;
	unsigned i;

	for (i = 0; vm_bootstrap_taken(i, &r, &owner); i++)
		ATF_REQUIRE_EQ(mprotect(view + r.vmr_start, r.vmr_size,
		    PROT_READ | PROT_WRITE), 0);
	ATF_REQUIRE(i > 0);
}

static void
start_guarded(void)
{

	usermode_console(NULL);
	vm_start(&machine, 1);
	usermode_physmem_release();
	view = usermode_physmem_back(machine.vmr_start, machine.vmr_size);
	ATF_REQUIRE(view != NULL);
	ATF_REQUIRE_EQ(mprotect(view, machine.vmr_size, PROT_NONE), 0);
	metadata_allow();
	ATF_REQUIRE_EQ(vm_physmem_load(&machine, 1, NULL, 0), 0);
}

ATF_TC_WITHOUT_HEAD(history);
ATF_TC_BODY(history, tc)
{
	static paddr_t pages[3000];
	static struct vm_pgseg runs[200][4];
	static unsigned nruns[200];
	struct vm_pgexplain expl;
	struct vm_pgreq req;
	struct rng r;
	unsigned i, k, round;

	rng_init(&r, tc, 1);
	start_guarded();
	for (round = 0; round < 20; round++) {
		for (i = 0; i < NITEMS(pages); i++)
			pages[i] = vm_page_alloc(VM_PG_USERESERVE, 0);
		for (i = 0; i < NITEMS(runs); i++) {
			req = (struct vm_pgreq)VM_PGREQ_INITIALIZER(
			    rng_size(&r, 100) * PAGE);
			req.vpr_align = PAGE << rng_below(&r, 5);
			req.vpr_nsegs = (unsigned)rng_range(&r, 1, 4);
			req.vpr_policy = (enum vm_policy)rng_below(&r,
			    VM_POLICY_EXACT);
			if (vm_pglist_alloc(&req, runs[i], &nruns[i]) != 0)
				(void)vm_pglist_explain(&req, &expl);
		}
		for (i = 0; i < NITEMS(pages); i++) {
			if (pages[i] != VM_PADDR_NONE)
				ATF_REQUIRE_EQ(vm_page_free(pages[i]), 0);
		}
		for (i = 0; i < NITEMS(runs); i++) {
			for (k = 0; k < nruns[i]; k++)
				ATF_REQUIRE_EQ(vm_pglist_free(
				    runs[i][k].vps_start, 0), 0);
		}
		ATF_REQUIRE_EQ(vm_pglist_reserve(20 * MiB, MiB, 0), 0);
		ATF_REQUIRE_EQ(vm_pglist_trim(20 * MiB, 20 * MiB + 8 * PAGE,
		    PAGE), 0);
		ATF_REQUIRE_EQ(vm_page_free(20 * MiB + 8 * PAGE), 0);
		(void)vm_page_free(20 * MiB + 1);
		ATF_REQUIRE_EQ(vm_physseg_unplug(24 * MiB, MiB, NULL), 0);
		ATF_REQUIRE_EQ(vm_physseg_plug(24 * MiB, MiB), 0);
		audit_ok(NULL);
	}
}

/* The guard works: who asks for zeros is killed by it. */
ATF_TC_WITHOUT_HEAD(guard);
ATF_TC_BODY(guard, tc)
{
	const struct rlimit none = { 0, 0 };
	int status;
	pid_t pid;

	(void)tc;
	start_guarded();
	pid = fork();
	ATF_REQUIRE(pid != -1);
	if (pid == 0) {
		(void)setrlimit(RLIMIT_CORE, &none);
		(void)vm_page_alloc(VM_PG_ZERO, 0);
		_exit(0);
	}
	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	/* Killed by the signal, or stopped by a sanitizer that caught it. */
	ATF_REQUIRE((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) ||
	    (WIFEXITED(status) && WEXITSTATUS(status) != 0));
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, history);
	ATF_TP_ADD_TC(tp, guard);
	return (atf_no_error());
}
