/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Tests of balanced trees: after each of many random changes they are still
 * trees, in order, balanced, and every summary is that of what lies below.
 */

#include <atf-c.h>
#include <stdio.h>
#include <string.h>

#include <sys/avl.h>

#include "vm_testlib.h"

#define	N	1000

struct item {
	struct avl_node	i_node;
	unsigned	i_weight;
	unsigned	i_max;		/* the largest weight in the subtree */
	bool		i_in;
};

static struct item items[N];
static struct avl_tree tree;

static struct item *
item(struct avl_node *n)
{

	return ((struct item *)(void *)n);
}

static bool
update(const struct avl_tree *t, struct avl_node *n)
{
	struct item *it = item(n);
	unsigned old = it->i_max, side;

	ATF_REQUIRE(t == &tree);
	it->i_max = it->i_weight;
	for (side = 0; side < 2; side++) {
		if (n->an_child[side] != NULL &&
		    item(n->an_child[side])->i_max > it->i_max)
			it->i_max = item(n->an_child[side])->i_max;
	}
	return (it->i_max != old);
}

/* Items are ordered by where they lie. */
static void
insert(struct item *it)
{
	struct avl_node *n = tree.at_root, *parent = NULL;
	unsigned side = 0;

	while (n != NULL) {
		parent = n;
		side = it > item(n);
		n = n->an_child[side];
	}
	it->i_in = true;
	it->i_max = 0;
	avl_insert(&tree, &it->i_node, parent, side);
}

static void
erase(struct item *it)
{

	it->i_in = false;
	avl_remove(&tree, &it->i_node);
}

static void
compare(void)
{
	struct avl_node *n = avl_first(&tree), *last = NULL;
	unsigned i, max = 0;

	ATF_REQUIRE(avl_check(&tree));
	for (i = 0; i < N; i++) {
		if (!items[i].i_in)
			continue;
		ATF_REQUIRE(n == &items[i].i_node);
		ATF_REQUIRE(avl_prev(n) == last);
		if (items[i].i_weight > max)
			max = items[i].i_weight;
		last = n;
		n = avl_next(n);
	}
	ATF_REQUIRE(n == NULL);
	ATF_REQUIRE((tree.at_root == NULL) == (last == NULL));
	if (last != NULL)
		ATF_REQUIRE_EQ(max, item(tree.at_root)->i_max);
}

static void
start(void)
{

	memset(items, 0, sizeof(items));
	memset(&tree, 0, sizeof(tree));
	tree.at_update = update;
}

ATF_TC_WITHOUT_HEAD(history);
ATF_TC_BODY(history, tc)
{
	struct rng r;
	struct item *it;
	unsigned i, grow;

	rng_init(&r, tc, 1);
	start();
	for (i = 0; i < 40000; i++) {
		grow = i / 5000 % 2;
		it = &items[rng_below(&r, N)];
		if (it->i_in && rng_chance(&r, 3)) {
			it->i_weight = (unsigned)rng_below(&r, 1000000);
			avl_changed(&tree, &it->i_node);
		} else if (it->i_in && (!grow || rng_chance(&r, 4)))
			erase(it);
		else if (!it->i_in && (grow || rng_chance(&r, 4))) {
			it->i_weight = (unsigned)rng_below(&r, 1000000);
			insert(it);
		}
		if (i < 2000 || i % 50 == 0)
			compare();
	}
}

/* In order, against the order, and from the middle; and back. */
ATF_TC_WITHOUT_HEAD(orders);
ATF_TC_BODY(orders, tc)
{
	unsigned i;

	start();
	for (i = 0; i < N; i++)
		insert(&items[i]);
	compare();
	ATF_CHECK(tree.at_root->an_height <= 14);	/* 1.44 log2(1000) */
	for (i = 0; i < N; i++)
		erase(&items[i]);
	compare();
	for (i = N; i-- > 0;)
		insert(&items[i]);
	compare();
	ATF_CHECK(tree.at_root->an_height <= 14);
	for (i = 0; i < N; i++) {
		erase(&items[(N / 2 + i) % N]);
		compare();
	}
	for (i = 0; i < N; i++) {
		items[i].i_in = true;
		items[i].i_weight = i;
		if (i == 0)
			avl_insert(&tree, &items[i].i_node, NULL, 0);
		else
			avl_insert_after(&tree, &items[i].i_node,
			    &items[i - 1].i_node);
	}
	compare();
}

/* All summaries at once. */
ATF_TC_WITHOUT_HEAD(renew);
ATF_TC_BODY(renew, tc)
{
	unsigned i, n;

	for (n = 0; n < 100; n++) {
		start();
		for (i = 0; i < n; i++)
			insert(&items[i * 7 % 100]);
		for (i = 0; i < N; i++)
			items[i].i_weight = (i * 37 + 5) % 101;
		avl_renew(&tree);
		compare();
	}
}

/* The check does find what is wrong. */
ATF_TC_WITHOUT_HEAD(check);
ATF_TC_BODY(check, tc)
{
	struct avl_node *n;
	unsigned i;

	start();
	ATF_CHECK(avl_check(&tree));
	for (i = 0; i < 100; i++)
		insert(&items[i]);
	ATF_CHECK(avl_check(&tree));
	items[50].i_weight = 7;
	ATF_CHECK(!avl_check(&tree));
	avl_changed(&tree, &items[50].i_node);
	while (!avl_check(&tree))
		continue;
	tree.at_root->an_height++;
	ATF_CHECK(!avl_check(&tree));
	ATF_CHECK(avl_check(&tree));
	n = avl_first(&tree);
	n->an_parent->an_parent = NULL;
	ATF_CHECK(!avl_check(&tree));
}

ATF_TP_ADD_TCS(tp)
{

	ATF_TP_ADD_TC(tp, history);
	ATF_TP_ADD_TC(tp, orders);
	ATF_TP_ADD_TC(tp, renew);
	ATF_TP_ADD_TC(tp, check);
	return (atf_no_error());
}
