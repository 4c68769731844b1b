/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * AVL trees: G. M. Adelson-Velsky, E. M. Landis, "An algorithm for the
 * organization of information", 1962.  The heights of a node's children
 * differ by at most one, so a tree of n nodes is at most 1.44 log2(n) high.
 */

#include <sys/avl.h>

static int
height(const struct avl_node *n)
{

	return (n == NULL ? 0 : n->an_height);
}

/*
 * refresh: the height and the summary of a node, from its children.
 * => did one of them change?
 */
static bool
refresh(const struct avl_tree *t, struct avl_node *n)
{
	int h0 = height(n->an_child[0]), h1 = height(n->an_child[1]);
	int h = (h0 > h1 ? h0 : h1) + 1;
	bool changed = h != n->an_height;

	n->an_height = h;
	if (t->at_update != NULL && t->at_update(t, n))
		changed = true;
	return (changed);
}

/*
 * put: new, or nothing, takes the place of old below old's parent.
 */
static void
put(struct avl_tree *t, const struct avl_node *old, struct avl_node *new)
{
	struct avl_node *parent = old->an_parent;

	if (parent == NULL)
		t->at_root = new;
	else
		parent->an_child[parent->an_child[1] == old] = new;
	if (new != NULL)
		new->an_parent = parent;
}

/*
 * rotate: a node goes down to that side, its other child takes its place.
 */
static struct avl_node *
rotate(struct avl_tree *t, struct avl_node *n, unsigned side)
{
	struct avl_node *c = n->an_child[!side], *between = c->an_child[side];

	put(t, n, c);
	n->an_child[!side] = between;
	if (between != NULL)
		between->an_parent = n;
	c->an_child[side] = n;
	n->an_parent = c;
	(void)refresh(t, n);
	(void)refresh(t, c);
	return (c);
}

/*
 * balance: a node's subtree, whose halves differ by two at the most.
 * => the node at its top.
 */
static struct avl_node *
balance(struct avl_tree *t, struct avl_node *n)
{
	int diff = height(n->an_child[1]) - height(n->an_child[0]);
	unsigned heavy = diff > 0;
	struct avl_node *c;

	if (diff >= -1 && diff <= 1)
		return (n);
	c = n->an_child[heavy];
	if (height(c->an_child[!heavy]) > height(c->an_child[heavy]))
		(void)rotate(t, c, heavy);
	return (rotate(t, n, !heavy));
}

/*
 * fix: all that depends on a node, upwards, until nothing changes.  The
 * node itself may be new in its place: its parent is always looked at.
 */
static void
fix(struct avl_tree *t, struct avl_node *n)
{
	struct avl_node *top;
	bool changed = true, first = true;

	for (; n != NULL && changed; n = top->an_parent) {
		changed = refresh(t, n) || first;
		first = false;
		top = balance(t, n);
		if (top != n)
			changed = true;
	}
}

void
avl_insert(struct avl_tree *t, struct avl_node *n, struct avl_node *parent,
    unsigned side)
{

	n->an_child[0] = n->an_child[1] = NULL;
	n->an_parent = parent;
	n->an_height = 1;
	if (parent == NULL)
		t->at_root = n;
	else
		parent->an_child[side] = n;
	fix(t, n);
}

void
avl_insert_after(struct avl_tree *t, struct avl_node *n,
    struct avl_node *before)
{
	struct avl_node *next = before->an_child[1];

	if (next == NULL) {
		avl_insert(t, n, before, 1);
		return;
	}
	while (next->an_child[0] != NULL)
		next = next->an_child[0];
	avl_insert(t, n, next, 0);
}

/*
 * A node with two children changes places with the next one, which has no
 * child before it.
 */
void
avl_remove(struct avl_tree *t, struct avl_node *n)
{
	struct avl_node *next, *low;
	unsigned side;

	if (n->an_child[0] == NULL || n->an_child[1] == NULL) {
		put(t, n, n->an_child[n->an_child[0] == NULL]);
		fix(t, n->an_parent);
		return;
	}
	next = avl_next(n);
	low = next->an_parent == n ? next : next->an_parent;
	put(t, next, next->an_child[1]);
	put(t, n, next);
	next->an_height = n->an_height;
	for (side = 0; side < 2; side++) {
		next->an_child[side] = n->an_child[side];
		if (next->an_child[side] != NULL)
			next->an_child[side]->an_parent = next;
	}
	fix(t, low);
	/* Whatever changed below, its summary is new in this place. */
	fix(t, next);
}

void
avl_changed(struct avl_tree *t, struct avl_node *n)
{

	fix(t, n);
}

/*
 * far: the last node on that side of a subtree.
 */
static struct avl_node *
far(struct avl_node *n, unsigned side)
{

	while (n != NULL && n->an_child[side] != NULL)
		n = n->an_child[side];
	return (n);
}

/*
 * deepest: where a walk that sees children before their parents begins.
 */
static struct avl_node *
deepest(struct avl_node *n)
{

	while (n->an_height > 1)
		n = n->an_child[n->an_child[0] == NULL];
	return (n);
}

void
avl_renew(struct avl_tree *t)
{
	struct avl_node *n = t->at_root == NULL ? NULL : deepest(t->at_root);
	struct avl_node *parent;

	for (; n != NULL; n = parent) {
		(void)refresh(t, n);
		parent = n->an_parent;
		if (parent != NULL && parent->an_child[0] == n &&
		    parent->an_child[1] != NULL)
			parent = deepest(parent->an_child[1]);
	}
}

static struct avl_node *
neighbour(struct avl_node *n, unsigned side)
{

	if (n->an_child[side] != NULL)
		return (far(n->an_child[side], !side));
	while (n->an_parent != NULL && n->an_parent->an_child[side] == n)
		n = n->an_parent;
	return (n->an_parent);
}

struct avl_node *
avl_first(const struct avl_tree *t)
{

	return (far(t->at_root, 0));
}

struct avl_node *
avl_next(struct avl_node *n)
{

	return (neighbour(n, 1));
}

struct avl_node *
avl_prev(struct avl_node *n)
{

	return (neighbour(n, 0));
}

static bool
linked(const struct avl_tree *t, const struct avl_node *n)
{
	unsigned side;

	if (n->an_parent == NULL ? t->at_root != n :
	    n->an_parent->an_child[0] != n && n->an_parent->an_child[1] != n)
		return (false);
	for (side = 0; side < 2; side++) {
		if (n->an_child[side] != NULL &&
		    n->an_child[side]->an_parent != n)
			return (false);
	}
	return (true);
}

/*
 * In order: when a node is looked at, those before it have been, not those
 * behind.  A wrong summary anywhere is noticed, for nothing is set right
 * before it was compared.
 */
bool
avl_check(const struct avl_tree *t)
{
	struct avl_node *n;
	bool good = true;
	int diff;

	for (n = avl_first(t); n != NULL && good; n = avl_next(n)) {
		diff = height(n->an_child[1]) - height(n->an_child[0]);
		good = linked(t, n) && diff >= -1 && diff <= 1 &&
		    !refresh(t, n);
	}
	return (good);
}
