/*
 * zsets.h - what the files of the sorted-set commands have in common, and what blocking forms use.
 */
#ifndef REDOUBT_SERVER_COMMANDS_ZSETS_H
#define REDOUBT_SERVER_COMMANDS_ZSETS_H

#include "server/call.h"
#include "storage/zset.h"

/* A member, or a member with its score: two elements in RESP2, an array of two in RESP3. */
void zset_reply_item(struct reply *r, const struct zset_item *item, bool with_score);
/* The header of an array of count members. */
void zset_reply_count(struct reply *r, uint64_t count, bool with_scores);

/* Members were removed: announce that, and remove the key if none is left, with the event "del". */
void zset_shrunk(struct keyspace *ks, int db, struct key key, const struct entry *e,
                 const char *event, uint64_t removed);
/* Put a set that was built (NULL: it would be empty) into the keyspace as argument i, in the place
 * of whatever is there, and answer with its count. */
void zset_store(struct call *call, int i, struct entry *built, const char *event);

enum zset_add_option {
    ZADD_NX = 1 << 0,
    ZADD_XX = 1 << 1,
    ZADD_GT = 1 << 2,
    ZADD_LT = 1 << 3,
    ZADD_CH = 1 << 4,
    ZADD_INCR = 1 << 5,
};
/* Members to be added: arguments first, first + step, ... */
struct zset_addition {
    const double *scores;
    int count, first, step;
    unsigned options;
};
/* ZADD into the set at argument 1 once its arguments are read. Answers. */
void zset_add_members(struct call *call, const struct zset_addition *a);

enum zset_end {
    ZSET_MIN,
    ZSET_MAX,
};
/* Pop count members, at most all, from one end: write each as a member and its score (an array of
 * two if nested), then announce. The header is the caller's: count, or twice that if not nested.
 * Once no member is left the key is gone, and so is e. */
void zset_pop(struct reply *r, struct keyspace *ks, int db, struct key key, struct entry *e,
              enum zset_end end, uint64_t count, bool nested);

/* ZMPOP's arguments. */
struct zset_mpop {
    int first_key, keys;
    enum zset_end end;
    uint64_t count;
};
/* Read them, numkeys being argument numkeys_arg. */
bool zset_mpop_or_reply(struct call *call, int numkeys_arg, struct zset_mpop *out);
/* Pop from the first key that has a sorted set, and reply; or an error. False: there is none,
 * nothing was answered. */
bool zset_mpop_try(struct call *call, const struct zset_mpop *m);

/* The cuts before and behind what lies between two bounds (arguments min and max): scores, where
 * '(' excludes the bound; or names behind '[' and '(', or '-' and '+'. */
bool zset_scores_or_reply(struct call *call, int min, int max, struct rank_cut cuts[2]);
bool zset_names_or_reply(struct call *call, int min, int max, struct rank_cut cuts[2]);

#endif
