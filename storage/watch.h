/*
 * watch.h - the key-version table: optimistic locking.
 *
 * A version exists only for keys that somebody watches. WATCH takes a reference and remembers the
 * version; a write bumps the version of a key that the table holds; EXEC compares. Nobody watching
 * costs one branch a write. Versions come from one counter, so a key that is deleted, recreated or
 * swapped never shows an old version again.
 */
#ifndef REDOUBT_STORAGE_WATCH_H
#define REDOUBT_STORAGE_WATCH_H

#include "storage/keyspace.h"

struct watched_key {
    uint64_t version;
    uint64_t quiet_since; /* the oldest version behind which nothing happened but burials */
    uint64_t hash;
    uint32_t refs;
    int db;
    uint32_t len;
    char name[];
};

/* What one watcher remembers of one key. */
struct watch {
    struct watched_key *key; /* a reference, given back by watch_end() */
    uint64_t version;
    bool was_live; /* else it was absent or had expired: the burial of a dead key is no change then
                    */
};

struct watch watch_begin(struct keyspace *ks, int db, struct key key);
void watch_end(struct keyspace *ks, struct watch *w);
/* Has the key changed, or expired, since? */
bool watch_is_broken(const struct keyspace *ks, const struct watch *w);

/* The key changed: called by keyspace_changed(). buried: it had expired and was removed for that.
 */
void watch_bump(struct keyspace *ks, int db, struct bytes key, uint64_t hash, bool buried);
/* Distinct watched keys. */
uint64_t watch_count(const struct keyspace *ks);

#endif
