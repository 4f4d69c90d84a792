/*
 * ranktree_node.h - nodes of the counted tree, for the files of ranktree.h only.
 *
 * Every node has the same slots: the first member of what is below a child in inner nodes, the
 * members themselves in leaves. Slot i of an inner node repeats the first slot of child i, whatever
 * happens below. At least RANK_FEW slots of a node are used, but for the root and the last leaf.
 *
 * A slot's score prefix is split: 32 bits in tops, which a search compares many at a time, and 16
 * bits above the 48 that a pointer has.
 */
#ifndef REDOUBT_STORAGE_RANKTREE_NODE_H
#define REDOUBT_STORAGE_RANKTREE_NODE_H

#include "storage/ranktree.h"

enum {
    RANK_SLOTS = RANK_COLLECT, /* a leaf has 768 bytes: with pages of 4 KiB, a size of jemalloc's */
    RANK_FEW = RANK_SLOTS / 3,
};

struct rank_node {
    uint16_t used, level;          /* level 0: a leaf */
    struct rank_node *prev, *next; /* of leaves */
    int32_t tops[RANK_SLOTS];
    uint64_t refs[RANK_SLOTS];
};
_Static_assert(sizeof(struct rank_node) == 768, "see RANK_SLOTS");

struct rank_inner {
    struct rank_node slots;
    struct rank_node *children[RANK_SLOTS];
    uint64_t counts[RANK_SLOTS]; /* members below each child */
};

static inline struct rank_inner *rank_inner_of(const struct rank_node *n)
{
    return (struct rank_inner *)n;
}

static inline struct ranked *rank_member_of(uint64_t ref)
{
    return (struct ranked *)(uintptr_t)(ref & ((UINT64_C(1) << 48) - 1));
}

struct rank_node *rank_node_create(struct ranktree *t, int level);
void rank_node_destroy(struct ranktree *t, struct rank_node *n);
/* Move count slots from one place to another, of another node or the same. */
void rank_slots_move(struct rank_node *to, int at, const struct rank_node *from, int first,
                     int count);
/* Slot at of n stands for this child: its first slot and count may have changed. */
void rank_slot_set_child(struct rank_node *n, int at, struct rank_node *child);
/* Child number at of n, which has others, has too few slots: share with a neighbour, or become one
 * with it. */
void rank_refill(struct ranktree *t, struct rank_node *n, int at);

#endif
