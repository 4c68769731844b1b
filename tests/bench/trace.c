/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Reading traces.  A file is not trusted: everything is verified before it is
 * used as a size, a frame or an index, and limits keep a small compressed file
 * from becoming a large burden.
 */

#include <errno.h>
#include <inttypes.h>
#include <lzma.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

#define	LINE_MAXLEN	128
#define	MAXFIELDS	8
#define	MAXSEGMENTS	64		/* of a map that vm_physseg takes */
#define	MAXRANGES	((size_t)1 << 24)
#define	MAXEVENTS	((size_t)1 << 26)
#define	MAXIDS		((uint64_t)1 << 26)
#define	FRAME_LIMIT	((vm_frame_t)1 << 26)	/* 256 GiB */
#define	XZ_MEMLIMIT	((uint64_t)256 << 20)
#define	BUFFER		65536

/* Where the memory of a class ends: 4 GiB, 16 MiB. */
vm_frame_t
trace_class_limit(unsigned class)
{
	static const vm_frame_t limit[] = {
		VM_FRAME_END,
		((vm_frame_t)4 << 30) >> PAGE_SHIFT,
		((vm_frame_t)16 << 20) >> PAGE_SHIFT
	};

	return (limit[class]);
}

/*
 * Input: the bytes of a file, decompressed if need be.
 */
struct input {
	FILE		*in_file;
	bool		in_xz;
	bool		in_eof;		/* of the file */
	lzma_stream	in_lzma;
	uint8_t		in_raw[BUFFER];
	uint8_t		in_out[BUFFER];
	size_t		in_pos;		/* in in_out */
	size_t		in_len;
};

struct reader {
	struct input	rd_in;
	const char	*rd_path;
	char		*rd_err;
	uint64_t	rd_line;
	bool		rd_events;	/* T was seen */
	struct trace	*rd_trace;
	size_t		rd_maxsegments, rd_maxfree, rd_maxinitial;
	size_t		rd_maxevents, rd_maxparts;
	uint32_t	*rd_left;	/* by id: frames that are allocated */
	size_t		rd_maxids;
};

static bool
fail(struct reader *rd, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Says what is wrong, and where; always false. */
static bool
fail(struct reader *rd, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (rd->rd_line != 0)
		n = snprintf(rd->rd_err, TRACE_ERRLEN, "%.100s:%" PRIu64 ": ",
		    rd->rd_path, rd->rd_line);
	else
		n = snprintf(rd->rd_err, TRACE_ERRLEN, "%.100s: ",
		    rd->rd_path);
	if (n < 0 || n >= TRACE_ERRLEN)
		return (false);
	va_start(ap, fmt);
	vsnprintf(rd->rd_err + n, (size_t)(TRACE_ERRLEN - n), fmt, ap);
	va_end(ap);
	return (false);
}

static bool
input_open(struct reader *rd)
{
	static const uint8_t magic[] = { 0xfd, '7', 'z', 'X', 'Z', 0 };
	struct input *in = &rd->rd_in;
	size_t n;

	in->in_file = fopen(rd->rd_path, "rb");
	if (in->in_file == NULL)
		return (fail(rd, "%s", strerror(errno)));
	n = fread(in->in_raw, 1, sizeof(in->in_raw), in->in_file);
	if (ferror(in->in_file))
		return (fail(rd, "%s", strerror(errno)));
	in->in_xz = n >= sizeof(magic) &&
	    memcmp(in->in_raw, magic, sizeof(magic)) == 0;
	if (!in->in_xz) {
		memcpy(in->in_out, in->in_raw, n);
		in->in_len = n;
		return (true);
	}
	in->in_lzma = (lzma_stream)LZMA_STREAM_INIT;
	in->in_lzma.next_in = in->in_raw;
	in->in_lzma.avail_in = n;
	if (lzma_stream_decoder(&in->in_lzma, XZ_MEMLIMIT,
	    LZMA_CONCATENATED) != LZMA_OK)
		return (fail(rd, "no memory to decompress it"));
	return (true);
}

static void
input_close(struct input *in)
{

	if (in->in_xz)
		lzma_end(&in->in_lzma);
	if (in->in_file != NULL)
		fclose(in->in_file);
}

static const char *
lzma_message(lzma_ret ret)
{

	switch (ret) {
	case LZMA_FORMAT_ERROR:
	case LZMA_DATA_ERROR:
		return ("the compressed data is corrupt");
	case LZMA_BUF_ERROR:
		return ("the compressed data is cut short");
	case LZMA_OPTIONS_ERROR:
		return ("compressed with options that are not supported");
	default:
		return ("not enough memory to decompress it");
	}
}

/* More bytes into in_out; false: an error.  in_len 0: the end. */
static bool
input_fill(struct reader *rd)
{
	struct input *in = &rd->rd_in;
	lzma_stream *xz = &in->in_lzma;
	lzma_ret ret = LZMA_OK;

	in->in_pos = in->in_len = 0;
	if (!in->in_xz) {
		in->in_len = fread(in->in_out, 1, sizeof(in->in_out),
		    in->in_file);
		return (ferror(in->in_file) == 0 ||
		    fail(rd, "%s", strerror(errno)));
	}
	xz->next_out = in->in_out;
	xz->avail_out = sizeof(in->in_out);
	while (xz->avail_out == sizeof(in->in_out) && ret == LZMA_OK) {
		if (xz->avail_in == 0 && !in->in_eof) {
			xz->next_in = in->in_raw;
			xz->avail_in = fread(in->in_raw, 1,
			    sizeof(in->in_raw), in->in_file);
			if (ferror(in->in_file))
				return (fail(rd, "%s", strerror(errno)));
			in->in_eof = feof(in->in_file) != 0;
		}
		ret = lzma_code(xz, in->in_eof && xz->avail_in == 0 ?
		    LZMA_FINISH : LZMA_RUN);
	}
	if (ret != LZMA_OK && ret != LZMA_STREAM_END)
		return (fail(rd, "%s", lzma_message(ret)));
	in->in_len = sizeof(in->in_out) - xz->avail_out;
	return (true);
}

/*
 * The next line without its newline: 1; 0: the end; -1: an error.
 */
static int
line_read(struct reader *rd, char line[LINE_MAXLEN])
{
	struct input *in = &rd->rd_in;
	size_t n = 0;
	uint8_t c;

	rd->rd_line++;
	for (;;) {
		if (in->in_pos == in->in_len) {
			if (!input_fill(rd))
				return (-1);
			if (in->in_len == 0)
				break;
		}
		c = in->in_out[in->in_pos++];
		if (c == '\n') {
			line[n] = '\0';
			return (1);
		}
		if (c == '\0' || n == LINE_MAXLEN - 1) {
			(void)fail(rd, c == '\0' ? "not a text file" :
			    "the line is too long");
			return (-1);
		}
		line[n++] = (char)c;
	}
	if (n == 0)
		return (0);
	(void)fail(rd, "the last line is cut short");
	return (-1);
}

/*
 * Fields.
 */

/* Split at spaces; how many, MAXFIELDS at most. */
static unsigned
line_split(char *line, char *field[MAXFIELDS])
{
	unsigned n = 0;
	char *word, *last;

	for (word = strtok_r(line, " ", &last); word != NULL && n < MAXFIELDS;
	    word = strtok_r(NULL, " ", &last))
		field[n++] = word;
	return (n);
}

/* A number in that base, without a sign, at most max. */
static bool
number(const char *s, int base, uint64_t max, uint64_t *np)
{
	char *end;

	if (strspn(s, base == 16 ? "0123456789abcdefABCDEF" : "0123456789") !=
	    strlen(s))
		return (false);
	errno = 0;
	*np = strtoull(s, &end, base);
	return (end != s && *end == '\0' && errno == 0 && *np <= max);
}

static bool
numbers(struct reader *rd, char **field, const char *bases, uint64_t *value)
{
	unsigned i;

	for (i = 0; bases[i] != '\0'; i++) {
		if (!number(field[i], bases[i] == 'x' ? 16 : 10, UINT64_MAX,
		    &value[i]))
			return (fail(rd, "not a number: %.40s", field[i]));
	}
	return (true);
}

/*
 * One more element; false: too many, or no memory.
 */
static void *
array_next(struct reader *rd, void **arrayp, size_t *np, size_t *maxp,
    size_t limit, size_t size)
{
	size_t max;
	void *p;

	if (*np == *maxp) {
		max = *maxp == 0 ? 64 : *maxp * 2;
		if (max > limit)
			max = limit;
		if (*np == max) {
			(void)fail(rd, "more than %zu records of one kind",
			    limit);
			return (NULL);
		}
		p = reallocarray(*arrayp, max, size);
		if (p == NULL) {
			(void)fail(rd, "not enough memory");
			return (NULL);
		}
		*arrayp = p;
		*maxp = max;
	}
	return ((char *)*arrayp + (*np)++ * size);
}

static bool
range_add(struct reader *rd, struct trace_range **arrayp, size_t *np,
    size_t *maxp, size_t limit, uint64_t start, uint64_t n)
{
	struct trace_range *r;
	void *p = *arrayp;

	r = array_next(rd, &p, np, maxp, limit, sizeof(*r));
	*arrayp = p;
	if (r == NULL)
		return (false);
	r->tr_start = start;
	r->tr_n = n;
	return (true);
}

/* Does [start, start + n) lie in one segment? */
static bool
in_segment(const struct trace *t, uint64_t start, uint64_t n)
{
	size_t lo = 0, hi = t->t_nsegments, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (start < t->t_segment[mid].tr_start)
			hi = mid;
		else
			lo = mid + 1;
	}
	if (lo == 0)
		return (false);
	start -= t->t_segment[lo - 1].tr_start;
	return (start < t->t_segment[lo - 1].tr_n &&
	    n <= t->t_segment[lo - 1].tr_n - start);
}

/*
 * Records.
 */

/* After what lies before it in address order? */
static bool
ascending(const struct trace_range *r, size_t n, uint64_t start)
{

	return (n == 0 || start >= r[n - 1].tr_start + r[n - 1].tr_n);
}

static bool
record_segment(struct reader *rd, const uint64_t *v)
{
	struct trace *t = rd->rd_trace;

	if (v[0] == 0)
		return (fail(rd, "frame 0 cannot be replayed"));
	if (v[0] >= v[1] || v[1] > FRAME_LIMIT)
		return (fail(rd, "segment %" PRIx64 " to %" PRIx64
		    " is empty or beyond frame %" PRIx64, v[0], v[1],
		    FRAME_LIMIT));
	if (!ascending(t->t_segment, t->t_nsegments, v[0]))
		return (fail(rd, "segment %" PRIx64 " is out of order", v[0]));
	return (range_add(rd, &t->t_segment, &t->t_nsegments,
	    &rd->rd_maxsegments, MAXSEGMENTS, v[0], v[1] - v[0]));
}

static bool
record_extent(struct reader *rd, const uint64_t *v)
{
	struct trace *t = rd->rd_trace;

	if (v[1] == 0 || !in_segment(t, v[0], v[1]))
		return (fail(rd, "extent %" PRIx64 " of %" PRIx64 " frames is "
		    "not within a segment", v[0], v[1]));
	if (!ascending(t->t_free, t->t_nfree, v[0]))
		return (fail(rd, "extent %" PRIx64 " is out of order", v[0]));
	return (range_add(rd, &t->t_free, &t->t_nfree, &rd->rd_maxfree,
	    MAXRANGES, v[0], v[1]));
}

static struct trace_event *
event_add(struct reader *rd, enum trace_op op, uint64_t id)
{
	struct trace *t = rd->rd_trace;
	void *p = t->t_event;
	struct trace_event *te;

	te = array_next(rd, &p, &t->t_nevents, &rd->rd_maxevents, MAXEVENTS,
	    sizeof(*te));
	t->t_event = p;
	if (te != NULL) {
		memset(te, 0, sizeof(*te));
		te->te_op = (uint8_t)op;
		te->te_id = (uint32_t)id;
	}
	return (te);
}

/* Is an id allocated? */
static bool
id_live(const struct reader *rd, uint64_t id)
{

	return (id < rd->rd_maxids && rd->rd_left[id] != 0);
}

static bool
id_set(struct reader *rd, uint64_t id, uint32_t nframes)
{
	size_t max = rd->rd_maxids == 0 ? 1024 : rd->rd_maxids;
	uint32_t *p;

	while (max <= id)
		max *= 2;
	if (max != rd->rd_maxids) {
		p = reallocarray(rd->rd_left, max, sizeof(*p));
		if (p == NULL)
			return (fail(rd, "not enough memory"));
		memset(p + rd->rd_maxids, 0,
		    (max - rd->rd_maxids) * sizeof(*p));
		rd->rd_left = p;
		rd->rd_maxids = max;
	}
	rd->rd_left[id] = nframes;
	if (id >= rd->rd_trace->t_nids)
		rd->rd_trace->t_nids = (uint32_t)id + 1;
	return (true);
}

static bool
record_alloc(struct reader *rd, const uint64_t *v)
{
	struct trace_event *te;

	if (v[0] >= MAXIDS)
		return (fail(rd, "allocation %" PRIx64 " is beyond %" PRIx64,
		    v[0], MAXIDS));
	if (id_live(rd, v[0]))
		return (fail(rd, "allocation %" PRIx64 " is there already",
		    v[0]));
	if (v[1] > TRACE_MAXORDER)
		return (fail(rd, "order %" PRIu64 " is beyond %d", v[1],
		    TRACE_MAXORDER));
	if (v[2] > 2)
		return (fail(rd, "class %" PRIu64 " is unknown", v[2]));
	te = event_add(rd, TRACE_ALLOC, v[0]);
	if (te == NULL || !id_set(rd, v[0], (uint32_t)1 << v[1]))
		return (false);
	te->te_order = (uint8_t)v[1];
	te->te_class = (uint8_t)v[2];
	return (true);
}

static bool
record_free(struct reader *rd, const uint64_t *v)
{

	if (!id_live(rd, v[0]))
		return (fail(rd, "allocation %" PRIx64 " is not there", v[0]));
	rd->rd_left[v[0]] = 0;
	return (event_add(rd, TRACE_FREE, v[0]) != NULL);
}

/* Whether it can have been allocated is seen later: initial_check(). */
static bool
record_initial(struct reader *rd, const uint64_t *v)
{
	struct trace *t = rd->rd_trace;

	if (v[1] == 0 || !in_segment(t, v[0], v[1]))
		return (fail(rd, "frames %" PRIx64 ", %" PRIx64 " of them, are "
		    "not within a segment", v[0], v[1]));
	if (!range_add(rd, &t->t_initial, &t->t_ninitial, &rd->rd_maxinitial,
	    MAXRANGES, v[0], v[1]))
		return (false);
	return (event_add(rd, TRACE_INITIAL, t->t_ninitial - 1) != NULL);
}

/*
 * Frames that are freed twice are found when the trace is replayed, unless
 * they are more in all than were allocated.
 */
static bool
record_part(struct reader *rd, const uint64_t *v)
{
	struct trace *t = rd->rd_trace;
	struct trace_part *tp;
	void *p = t->t_part;

	if (!id_live(rd, v[0]))
		return (fail(rd, "allocation %" PRIx64 " is not there", v[0]));
	if (v[2] == 0 || v[2] > rd->rd_left[v[0]] ||
	    v[1] >= (uint64_t)1 << TRACE_MAXORDER)
		return (fail(rd, "allocation %" PRIx64 " has no %" PRIx64
		    " frames from %" PRIx64, v[0], v[2], v[1]));
	tp = array_next(rd, &p, &t->t_nparts, &rd->rd_maxparts, MAXRANGES,
	    sizeof(*tp));
	t->t_part = p;
	if (tp == NULL)
		return (false);
	tp->tp_id = (uint32_t)v[0];
	tp->tp_offset = (uint32_t)v[1];
	tp->tp_n = (uint32_t)v[2];
	rd->rd_left[v[0]] -= tp->tp_n;
	return (event_add(rd, TRACE_PART, t->t_nparts - 1) != NULL);
}

static bool
record_events(struct reader *rd, const uint64_t *v)
{

	(void)v;
	rd->rd_events = true;
	return (true);
}

static const struct record {
	char		rc_name;
	bool		rc_events;	/* stands after T */
	const char	*rc_bases;	/* a letter a field: x, or d */
	bool		(*rc_fn)(struct reader *, const uint64_t *);
} records[] = {
	{ 'S', false, "xx", record_segment },
	{ 'E', false, "xx", record_extent },
	{ 'T', false, "", record_events },
	{ 'a', true, "xddddd", record_alloc },
	{ 'f', true, "xdd", record_free },
	{ 'i', true, "xxdd", record_initial },
	{ 'p', true, "xxxdd", record_part }
};

static bool
record(struct reader *rd, char *line)
{
	char *field[MAXFIELDS];
	uint64_t value[MAXFIELDS];
	const struct record *rc;
	unsigned n = line_split(line, field), i;

	if (n == 0 || field[0][0] == '#')
		return (true);
	for (i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		rc = &records[i];
		if (field[0][0] != rc->rc_name || field[0][1] != '\0')
			continue;
		if (rc->rc_events != rd->rd_events)
			return (fail(rd, "record %s is on the wrong side of T",
			    field[0]));
		if (n - 1 != strlen(rc->rc_bases))
			return (fail(rd, "record %s has %u fields, not %zu",
			    field[0], n - 1, strlen(rc->rc_bases)));
		return (numbers(rd, &field[1], rc->rc_bases, value) &&
		    rc->rc_fn(rd, value));
	}
	return (fail(rd, "unknown record: %.40s", field[0]));
}

/* An initial range, and whether it is left out. */
struct initial {
	struct trace_range *i_range;
	size_t		i_index;
};

static int
initial_compare(const void *a, const void *b)
{
	const struct initial *x = a, *y = b;

	if (x->i_range->tr_start != y->i_range->tr_start)
		return (x->i_range->tr_start < y->i_range->tr_start ? -1 : 1);
	return (x->i_index < y->i_index ? -1 : x->i_index > y->i_index);
}

/* Does a range touch an extent that was free at the start? */
static bool
touches_free(const struct trace *t, const struct trace_range *r)
{
	size_t lo = 0, hi = t->t_nfree, mid;

	/* The first extent that ends above its start. */
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (t->t_free[mid].tr_start + t->t_free[mid].tr_n <=
		    r->tr_start)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (lo < t->t_nfree &&
	    t->t_free[lo].tr_start < r->tr_start + r->tr_n);
}

/*
 * What was freed without an allocation was allocated before the recording; but
 * a recorder may miss an allocation, so there are frames that were free at the
 * start, or are freed like that twice.  Such records have no meaning, and are
 * left out: their length becomes 0, and their events go.
 */
static bool
initial_check(struct reader *rd)
{
	struct trace *t = rd->rd_trace;
	struct initial *all;
	vm_frame_t end = 0;
	size_t i, n;

	all = reallocarray(NULL, t->t_ninitial + 1, sizeof(*all));
	if (all == NULL)
		return (fail(rd, "not enough memory"));
	for (i = 0; i < t->t_ninitial; i++) {
		all[i].i_range = &t->t_initial[i];
		all[i].i_index = i;
	}
	qsort(all, t->t_ninitial, sizeof(*all), initial_compare);
	for (i = 0; i < t->t_ninitial; i++) {
		if (all[i].i_range->tr_start < end ||
		    touches_free(t, all[i].i_range))
			all[i].i_range->tr_n = 0;
		else
			end = all[i].i_range->tr_start + all[i].i_range->tr_n;
	}
	free(all);

	for (i = n = 0; i < t->t_nevents; i++) {
		if (t->t_event[i].te_op != TRACE_INITIAL ||
		    t->t_initial[t->t_event[i].te_id].tr_n != 0)
			t->t_event[n++] = t->t_event[i];
	}
	t->t_nleftout = t->t_nevents - n;
	t->t_nevents = n;
	return (true);
}

static bool
records_read(struct reader *rd)
{
	char line[LINE_MAXLEN];
	int n;

	if (!input_open(rd))
		return (false);
	while ((n = line_read(rd, line)) > 0) {
		if (!record(rd, line))
			return (false);
	}
	if (n < 0)
		return (false);
	rd->rd_line = 0;
	if (rd->rd_trace->t_nsegments == 0 || !rd->rd_events)
		return (fail(rd, "no trace: no segment, or no T"));
	if (!initial_check(rd))
		return (false);
	return (rd->rd_trace->t_nevents != 0 ||
	    fail(rd, "no trace: no events"));
}

struct trace *
trace_read(const char *path, char *err)
{
	struct reader *rd = calloc(1, sizeof(*rd));
	struct trace *t = calloc(1, sizeof(*t));
	bool ok;

	err[0] = '\0';
	if (rd == NULL || t == NULL) {
		snprintf(err, TRACE_ERRLEN, "%.100s: not enough memory", path);
		free(rd);
		free(t);
		return (NULL);
	}
	rd->rd_path = path;
	rd->rd_err = err;
	rd->rd_trace = t;
	ok = records_read(rd);
	input_close(&rd->rd_in);
	free(rd->rd_left);
	free(rd);
	if (!ok) {
		trace_free(t);
		return (NULL);
	}
	return (t);
}

void
trace_free(struct trace *t)
{

	free(t->t_segment);
	free(t->t_free);
	free(t->t_initial);
	free(t->t_part);
	free(t->t_event);
	free(t);
}
