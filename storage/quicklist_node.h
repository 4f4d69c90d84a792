/*
 * quicklist_node.h - one node of a quicklist, for quicklist.c only.
 */
#ifndef REDOUBT_STORAGE_QUICKLIST_NODE_H
#define REDOUBT_STORAGE_QUICKLIST_NODE_H

#include "storage/quicklist.h"

/* May an element of so many bytes go into n? */
bool qnode_allows(const struct list_limits *limits, const struct qnode *n, size_t len);
/* Add one at an end; n allows it and is not compressed. */
void qnode_push(const struct list_limits *limits, struct qnode *n, enum list_end end,
                struct bytes text);
/* Insert before the inner-th element (or at the end); n allows it. */
void qnode_insert(const struct list_limits *limits, struct qnode *n, uint32_t inner,
                  struct bytes text);
/* Replace the inner-th element; false if that passes the limits. */
bool qnode_replace(const struct list_limits *limits, struct qnode *n, uint32_t inner,
                   struct bytes text);
/* Remove count elements, less than all, from an end. save: they are returned as a node. */
struct qnode *qnode_drop(struct qnode *n, enum list_end end, uint32_t count, bool save);
/* How many elements match. *temp as with qnode_view(). */
uint32_t qnode_matches(const struct qnode *n, const struct list_needle *needle,
                       unsigned char **temp);
/* Remove count of them behind the first skip; others stay. */
void qnode_remove(struct qnode *n, const struct list_needle *needle, uint32_t skip, uint32_t count);
/* May both be one node? Then b's elements go behind a's; b ends. */
bool qnode_can_join(const struct list_limits *limits, const struct qnode *a, const struct qnode *b);
void qnode_join(struct qnode *a, struct qnode *b);

struct qnode *qnode_copy(const struct qnode *n); /* detached */
void qnode_compress(struct qnode *n);            /* where that makes it smaller */
void qnode_unpack(struct qnode *n);
void qnode_check(const struct qnode *n);

#endif
