/*
 * idtree.h - an ordered map from stream ids to small values of one size.
 *
 * A B+tree: a stream's blocks hang in one, and each group's and each consumer's pending entries
 * stand in one (whose values have 24 bytes, and none). Nodes fill blocks of the allocator; a tree
 * that fits one leaf has a leaf of the size it needs, so that small ones stay small. What is added
 * at the end leaves full nodes behind; what is removed from the front frees node after node.
 *
 * Values are plain bytes, aligned to 8. Pointers to them and cursors die with every change of the
 * tree, but for changes of a value in place.
 */
#ifndef REDOUBT_STORAGE_IDTREE_H
#define REDOUBT_STORAGE_IDTREE_H

#include <stddef.h>

#include "storage/stream_id.h"

struct idnode;

struct idtree {
    struct idnode *root, *last; /* owned; NULL: empty. last: the rightmost leaf */
    uint64_t count;
    uint16_t size; /* bytes of a value, a multiple of 8 */
};

/* A place; node is NULL beyond either end. */
struct idcursor {
    struct idnode *node;
    int slot;
};

void idtree_init(struct idtree *t, uint16_t size);
/* Free the tree; it is empty then. What values point to is the caller's. */
void idtree_fini(struct idtree *t);

/* The first id that is not less than this one (beyond the end: none). */
struct idcursor idtree_seek(const struct idtree *t, struct stream_id id);
/* The last id that is not greater than this one. */
struct idcursor idtree_seek_back(const struct idtree *t, struct stream_id id);
struct idcursor idtree_first(const struct idtree *t);
struct idcursor idtree_last(const struct idtree *t);
void idcursor_next(struct idcursor *c);
void idcursor_prev(struct idcursor *c);
struct stream_id idcursor_id(const struct idcursor *c);
void *idcursor_value(const struct idtree *t, const struct idcursor *c);

/* The value of an id (without size: any pointer); NULL if it is not there. */
void *idtree_find(const struct idtree *t, struct stream_id id);
/* Add an id that is not there; returns its value, to be set by the caller. */
void *idtree_add(struct idtree *t, struct stream_id id);
/* Remove an id that is there. */
void idtree_remove(struct idtree *t, struct stream_id id);

/* Bytes of the nodes, roughly for large trees. */
size_t idtree_memory(const struct idtree *t);
/* Debug: walk everything, abort at the first lie. */
void idtree_check(const struct idtree *t);

#endif
