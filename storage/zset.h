/*
 * zset.h - sorted sets: distinct members, each with a score, in the order of (score, member).
 *
 * Two forms. A small one is a listpack of member, score, member, score in order. A large one
 * (skiplist, by the name that Redis gave it) is a table of members and a tree of the same members
 * (ranktree.h). A sorted set never goes back to the small form, except by being built anew.
 *
 * A range is a span of ranks: zset_cut() says where it begins and where it ends.
 *
 * Mutators take a struct zset_at and record their inverse when a section is open: one member each,
 * whatever the size of the set. They leave the key's entry where it is. A set may become empty on
 * the way; who changed it removes the key. No score is NaN.
 */
#ifndef REDOUBT_STORAGE_ZSET_H
#define REDOUBT_STORAGE_ZSET_H

#include "base/number.h"
#include "storage/keyspace.h"
#include "storage/ranktree.h"

/* A member as it is. The view ends with the next change of the set, or with this struct: do not
 * copy it. */
struct zset_item {
    struct bytes name;
    double score;
    char scratch[NUMBER_TEXT_MAX];
};

/* A sorted set about to be changed. */
struct zset_at {
    struct entry *e;
    const struct limits *limits;
    struct undo *log; /* NULL: the set is in no table, so there is nothing to take back */
};
static inline struct zset_at zset_in(struct keyspace *ks, struct entry *e)
{
    return (struct zset_at){e, &ks->limits, ks->undo};
}

/* Where a member is, or would be. Good until the set changes. */
struct zset_place {
    struct bytes name; /* the caller's */
    uint64_t hash;
    void *at; /* of this module; NULL: there is no such member */
    double score;
};

/* -- reading ----------------------------------------------------------------------------------- */

uint64_t zset_count(const struct entry *e);
/* Does it have this member? */
bool zset_find(const struct entry *e, struct bytes name, struct zset_place *out);
/* How many are before the member that was found. */
uint64_t zset_rank(const struct entry *e, const struct zset_place *place);
/* How many are in front of the cut. */
uint64_t zset_cut(const struct entry *e, const struct rank_cut *cut);

/* Members in order, or against it, beginning with the one at this rank (below the count). The set
 * does not change on the way. */
struct zset_iter {
    const struct entry *e;
    bool backwards;
    const unsigned char *at; /* listpack: the next member; NULL: none */
    struct rank_cursor cursor;
};
void zset_iter_begin(struct zset_iter *it, const struct entry *e, uint64_t rank, bool backwards);
bool zset_iter_next(struct zset_iter *it, struct zset_item *out);

/* The table of a large set, for scanning; NULL of a small one. Its entries are struct ranked, of
 * which some may have been removed: zset_is_member() says. */
struct dict *zset_dict(const struct entry *e);
bool zset_is_member(const struct entry *e, const struct ranked *m);

/* -- changing ---------------------------------------------------------------------------------- */

/* A new empty set in no table, in the form that suits so many members of at most this length. */
struct entry *zset_create(const struct limits *limits, struct bytes key, uint64_t members,
                          size_t longest);
/* Give a member its score; the place is zset_find()'s answer, whatever it was. */
void zset_put(const struct zset_at *at, const struct zset_place *place, double score);
/* Remove the member that was found. */
void zset_remove(const struct zset_at *at, const struct zset_place *place);
/* Remove so many members from this rank on; they are there. */
void zset_remove_ranks(const struct zset_at *at, uint64_t rank, uint64_t count);

/* The same of a set that is in this database, in time that does not grow with the count: many
 * members of a large set leave the order at once, and the table bit by bit when the set is visited.
 */
void zset_remove_span(struct keyspace *ks, int db, struct entry *e, uint64_t rank, uint64_t count);

/* -- building ---------------------------------------------------------------------------------- */

/* Collects members in any order; orders them once. */
struct zset_builder {
    struct dict members; /* struct ranked; owned */
    size_t longest;
};
void zset_builder_init(struct zset_builder *b);
/* The score of this member, to be read and changed; *fresh: it was added just now, with score 0. */
double *zset_builder_score(struct zset_builder *b, struct bytes name, bool *fresh);
/* A set of the collected members in no table, in the form that suits them (without limits: the
 * large one); NULL if there are none. The builder is done with. */
struct entry *zset_builder_finish(struct zset_builder *b, const struct limits *limits,
                                  struct bytes key);

/* A set in no table that takes over a listpack of distinct members with scores, in order. */
struct entry *zset_of_listpack(struct bytes key, unsigned char *lp);
/* The listpack of a small set, NULL of a large one. */
const unsigned char *zset_listpack(const struct entry *e);

/* -- the row in value.c ------------------------------------------------------------------------ */
void zset_free_value(struct entry *e);
uint64_t zset_free_effort(const struct entry *e);
size_t zset_memory(const struct entry *e, uint64_t samples);
/* Since when members wait to be ended; DEADLINE_NONE if none do. */
int64_t zset_due(const struct entry *e);
/* End some of them. */
void zset_visit(struct keyspace *ks, int db, struct entry *e);
struct entry *zset_copy(const struct entry *e, struct bytes key, int64_t deadline);
uint64_t zset_print(const struct keyspace *ks, const struct entry *e, struct bytes member);
/* Debug: abort at the first lie inside. */
void zset_check(const struct entry *e);

#endif
