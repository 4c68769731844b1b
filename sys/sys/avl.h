/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Balanced trees whose nodes may carry a summary of what lies below them.
 *
 * The tree does not know keys: the caller finds the place of a new node, and
 * looks for old ones, by going down from at_root through an_child (0: what
 * comes before, 1: what comes behind).
 *
 * Why not the red-black trees of <bsd/sys/tree.h>: their RB_AUGMENT() hook is
 * called for the parent of a node that was added, or removed with fewer than
 * two children, and for no node above, so that a summary would go stale; each
 * kind of tree compiles all of the code again; and a kernel that embeds this
 * one would need libbsd's headers.
 */

#ifndef _SYS_AVL_H_
#define	_SYS_AVL_H_

#include <stdbool.h>
#include <stddef.h>

struct avl_node {
	struct avl_node	*an_child[2];
	struct avl_node	*an_parent;
	int		an_height;	/* of a node without children: 1 */
};

/*
 * at_update: make the summary of a node from the node itself and from those
 * of its children, which are right.  => did it change?  NULL: no summaries.
 */
struct avl_tree {
	struct avl_node	*at_root;
	bool		(*at_update)(const struct avl_tree *,
			    struct avl_node *);
};

/*
 * avl_insert: add a node below parent, whose child on that side there is not
 * yet; parent NULL: the tree is empty.
 * avl_insert_after: add a node directly behind another.
 * avl_remove: take a node out.
 * avl_changed: what the summary of a node is made from has changed.
 * => O(log n) each; no memory, no recursion.
 * avl_renew: what all summaries are made from has changed.  => O(n).
 */
void	avl_insert(struct avl_tree *, struct avl_node *,
	    struct avl_node *parent, unsigned side);
void	avl_insert_after(struct avl_tree *, struct avl_node *,
	    struct avl_node *before);
void	avl_remove(struct avl_tree *, struct avl_node *);
void	avl_changed(struct avl_tree *, struct avl_node *);
void	avl_renew(struct avl_tree *);

/*
 * avl_first: the first node.  => NULL: the tree is empty.
 * avl_next, avl_prev: the neighbour of a node.  => NULL: it is at that end.
 */
struct avl_node *avl_first(const struct avl_tree *);
struct avl_node *avl_next(struct avl_node *);
struct avl_node *avl_prev(struct avl_node *);

/*
 * avl_check: are links, heights, balance and summaries as they should be?
 * => O(n); sets summaries right if they are not.
 */
bool	avl_check(const struct avl_tree *);

#endif /* !_SYS_AVL_H_ */
