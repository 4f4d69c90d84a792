/*
 * ranktree.h - members of a sorted set in their order: by score, then by name, with ranks.
 *
 * A B+tree whose inner nodes count what is below each child, so that a member's rank, the member at
 * a rank, and the rank at which a range begins are found on one way down. A slot holds the member's
 * pointer and the first 48 bits of its score in an order-preserving form: a search touches the
 * members themselves only where scores agree that far. That is 12 bytes a member and room.
 *
 * The tree does not own the members.
 */
#ifndef REDOUBT_STORAGE_RANKTREE_H
#define REDOUBT_STORAGE_RANKTREE_H

#include "base/bytes.h"

/* A member: its score, the name's length (one byte, or 255 and eight bytes), the name. */
struct ranked {
    double score;
    unsigned char text[];
};

struct ranked *ranked_create(struct bytes name, double score);
void ranked_destroy(struct ranked *m);
/* Bytes of the allocation. */
size_t ranked_memory(const struct ranked *m);

static inline struct bytes ranked_name(const struct ranked *m)
{
    enum { LONG = 255 };
    if (m->text[0] != LONG)
        return bytes_of(m->text + 1, m->text[0]);
    uint64_t len;
    memcpy(&len, m->text + 1, sizeof len);
    return bytes_of(m->text + 1 + sizeof len, len);
}

/* Order by score, then by name: -1, 0, 1. */
int ranked_compare(const struct ranked *a, const struct ranked *b);

/* A place between two neighbours. */
enum cut_kind {
    CUT_FIRST, /* before everything */
    CUT_SCORE, /* at this score */
    CUT_NAME,  /* at this name; all scores are taken to be equal */
    CUT_LAST,  /* behind everything */
};
struct rank_cut {
    enum cut_kind kind;
    bool after; /* behind those that equal it, not before them */
    double score;
    struct bytes name;
};
/* Is a member with this score and name in front of the cut? */
bool rank_cut_is_behind(const struct rank_cut *cut, double score, struct bytes name);

struct rank_node;

struct ranktree {
    struct rank_node *root; /* owned; NULL: empty */
    uint64_t count;
    uint64_t leaves, inners; /* nodes, detached ones as well */
    /* What was detached: subtrees, owned. */
    struct rank_node **loose;
    uint32_t loose_count, loose_room;
    uint64_t detached; /* members in them */
};

void ranktree_init(struct ranktree *t);
/* Free the tree, detached parts too, but no members. */
void ranktree_fini(struct ranktree *t);
/* Add a member that is not there. */
void ranktree_insert(struct ranktree *t, struct ranked *m);
/* Take out a member that is there. */
void ranktree_remove(struct ranktree *t, const struct ranked *m);
/* Give a member that is there another score. */
void ranktree_rescore(struct ranktree *t, struct ranked *m, double score);

/* -- ranktree_detach.c -- */
/* Take out so many members, at least one, from this rank on, at once, however many they are: they
 * wait to be collected. */
void ranktree_detach(struct ranktree *t, uint64_t rank, uint64_t count);
/* Some of the detached members, of which the tree keeps nothing; 0: there are no more. */
enum { RANK_COLLECT = 62 };
int ranktree_collect(struct ranktree *t, struct ranked *out[RANK_COLLECT]);

/* Is this very member in the tree (detached ones are not)? */
bool ranktree_holds(const struct ranktree *t, const struct ranked *m);
/* How many are before it; it is there. */
uint64_t ranktree_rank(const struct ranktree *t, const struct ranked *m);
/* How many are in front of the cut. */
uint64_t ranktree_cut(const struct ranktree *t, const struct rank_cut *cut);

/* A position; dies with every change. */
struct rank_cursor {
    const struct rank_node *leaf; /* NULL: beyond either end */
    int slot;
};
/* rank is below count. */
struct rank_cursor ranktree_seek(const struct ranktree *t, uint64_t rank);
struct ranked *rank_cursor_get(const struct rank_cursor *c);
void rank_cursor_next(struct rank_cursor *c);
void rank_cursor_prev(struct rank_cursor *c);

/* Bytes of the nodes. */
size_t ranktree_memory(const struct ranktree *t);
/* Debug: walk everything, abort at the first lie. */
void ranktree_check(const struct ranktree *t);

#endif
