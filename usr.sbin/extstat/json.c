/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * There may be more extents than memory to hold them all as JSON, so the outer
 * object is written by hand, member by member, and what stands in it by
 * jansson.  Sizes and addresses are numbers of bytes, ends exclusive.
 */

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "json.h"
#include "report.h"
#include "request.h"
#include "util.h"

#define	INT(n)	((json_int_t)(n))

/* An array whose elements are written one by one. */
struct array {
	const struct state *ar_state;
	bool		ar_more;	/* than the first element */
};

/* Write a value and let go of it. */
static void
dump(json_t *value)
{

	if (value == NULL ||
	    json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
		errx(1, "cannot write JSON");
	json_decref(value);
}

/* The name of the next member of the outer object. */
static void
member(const char *name)
{

	(void)printf(",\n\"%s\":", name);
}

/*
 * A number of 64 bits; JSON's has a sign here, so that the largest become
 * strings.
 */
static json_t *
wide_json(uint64_t n)
{
	char text[24];

	if (n <= INT64_MAX)
		return (json_integer(INT(n)));
	(void)snprintf(text, sizeof(text), "%" PRIu64, n);
	return (json_string(text));
}

/* All counters, by name. */
static json_t *
counter_values(const struct state *st, const uint64_t *values)
{
	json_t *object = json_object();
	unsigned i;

	for (i = 0; i < st->st_ncounter; i++)
		(void)json_object_set_new(object,
		    st->st_counter[i].sc_name.sn_name, wide_json(values[i]));
	return (object);
}

static json_t *
tally_json(const struct tally *t)
{

	return (json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}",
	    "size", INT(vm_ptoa(t->t_frames)),
	    "free", INT(vm_ptoa(t->t_free)),
	    "held", INT(vm_ptoa(t->t_held)),
	    "allocated", INT(vm_ptoa(t->t_allocated)),
	    "extents", INT(t->t_extents),
	    "largest", INT(vm_ptoa(t->t_largest))));
}

static void
segments_json(const struct state *st, const struct report *rp)
{
	const struct vm_physseg *seg;
	json_t *object;
	unsigned i;

	member("segments");
	for (i = 0; i < st->st_nseg; i++) {
		seg = &st->st_seg[i];
		object = json_pack("{s:I, s:I, s:s}",
		    "start", INT(vm_ptoa(seg->vs_start)),
		    "end", INT(vm_ptoa(seg->vs_end)),
		    "list", vm_freelist_name(seg->vs_list));
		(void)json_object_update_new(object,
		    tally_json(&rp->rp_seg[i]));
		if (st->st_segcounter != NULL)
			(void)json_object_set_new(object, "counters",
			    counter_values(st,
			    &st->st_segcounter[i * st->st_ncounter]));
		(void)printf(i == 0 ? "[\n" : ",\n");
		dump(object);
	}
	(void)printf("]");
}

static void
extent_json(void *arg, const struct vm_extent *ext)
{
	static const char *const states[] = {
		[VM_FRAME_FREE] = "free", [VM_FRAME_HELD] = "held",
		[VM_FRAME_TAIL] = "headless", [VM_FRAME_HEAD] = "allocated"
	};
	struct array *ar = arg;
	const struct state *st = ar->ar_state;
	enum vm_fstate state = ext->e_state;
	json_t *object;

	if (state_headless(st, ext))
		state = VM_FRAME_TAIL;
	object = json_pack("{s:I, s:I, s:s}",
	    "start", INT(vm_ptoa(ext->e_start)),
	    "end", INT(vm_ptoa(ext->e_end)), "state", states[state]);
	if (state == VM_FRAME_HEAD)
		(void)json_object_set_new(object, "owner",
		    json_string(state_owner_name(st,
		    state_owner(st, ext->e_start))));
	(void)printf(ar->ar_more ? ",\n" : "\n");
	ar->ar_more = true;
	dump(object);
}

static void
extents_json(const struct state *st)
{
	struct array ar = { .ar_state = st };

	member("extents");
	(void)printf("[");
	state_walk(st, extent_json, &ar);
	(void)printf("]");
}

static void
lists_json(const struct report *rp)
{
	json_t *object = json_object();
	unsigned i;

	for (i = 0; i < VM_NFREELIST; i++) {
		if (rp->rp_list[i].t_frames != 0)
			(void)json_object_set_new(object,
			    vm_freelist_name((enum vm_freelist)i),
			    tally_json(&rp->rp_list[i]));
	}
	member("lists");
	dump(object);
	member("total");
	dump(tally_json(&rp->rp_total));
}

static void
largest_json(struct state *st)
{
	struct largest lg[NLARGEST];
	json_t *array = json_array();
	unsigned i;

	state_free_held(st);
	report_largest(st, lg);
	for (i = 0; i < NLARGEST; i++)
		(void)json_array_append_new(array,
		    json_pack("{s:s, s:I, s:o}", "constraint", lg[i].lg_name,
		    "size", INT(lg[i].lg_size), "start", lg[i].lg_size == 0 ?
		    json_null() : json_integer(INT(lg[i].lg_start))));
	member("largest");
	dump(array);
}

static void
counters_json(const struct state *st)
{
	uint64_t *values = xcalloc(st->st_ncounter, sizeof(*values));
	unsigned i;

	for (i = 0; i < st->st_ncounter; i++)
		values[i] = st->st_counter[i].sc_value;
	member("counters");
	dump(counter_values(st, values));
	free(values);
}

static json_t *
space_json(const struct state_space *ss, const uint64_t *size)
{

	return (state_all(ss, size) ? json_string("18446744073709551616") :
	    wide_json(*size));
}

static void
spaces_json(const struct state *st)
{
	const struct state_space *ss;
	json_t *array = json_array();

	for (ss = st->st_space; ss < st->st_space + st->st_nspace; ss++)
		(void)json_array_append_new(array, json_pack("{s:s, s:s, s:o, "
		    "s:o, s:o, s:o, s:o, s:o, s:o}",
		    "name", ss->ss_name.sn_name, "kind", ss->ss_kind,
		    "start", wide_json(ss->ss_start),
		    "last", wide_json(ss->ss_end),
		    "size", space_json(ss, &ss->ss_size),
		    "used", space_json(ss, &ss->ss_used),
		    "free", space_json(ss, &ss->ss_free),
		    "largest", wide_json(ss->ss_largest),
		    "pieces", wide_json(ss->ss_pieces)));
	member("spaces");
	dump(array);
	member("spaces_left");
	dump(json_integer(INT(st->st_spaces_left)));
}

void
json_state(struct state *st, bool extents)
{
	struct report rp;

	report_make(st, &rp);
	(void)printf("{\"source\":");
	dump(json_string(st->st_source));
	member("page_size");
	dump(json_integer(INT(VM_PAGE_SIZE)));
	segments_json(st, &rp);
	if (extents)
		extents_json(st);
	lists_json(&rp);
	largest_json(st);
	counters_json(st);
	spaces_json(st);
	member("headless");
	dump(json_integer(INT(rp.rp_headless)));
	member("audit");
	dump(json_string(rp.rp_audit_line));
	(void)printf("}\n");
}

static json_t *
segments_of(const struct answer *an)
{
	json_t *array = json_array();
	unsigned i;

	for (i = 0; i < an->an_nsegs; i++)
		(void)json_array_append_new(array, json_pack("{s:I, s:I}",
		    "start", INT(an->an_segs[i].vps_start),
		    "size", INT(an->an_segs[i].vps_size)));
	return (array);
}

void
json_answer(const struct vm_pgreq *req, const struct answer *an)
{
	json_t *object;

	object = json_pack("{s:I, s:s, s:b, s:o}",
	    "size", INT(req->vpr_size),
	    "policy", request_policy_name(req->vpr_policy),
	    "succeeds", an->an_error == 0, "segments", segments_of(an));
	if (an->an_error != 0) {
		(void)json_object_set_new(object, "error",
		    json_string(query_error_name(an)));
		(void)json_object_set_new(object, "why",
		    json_string(an->an_why));
	}
	dump(object);
	(void)printf("\n");
}
