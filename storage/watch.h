/*
 * watch.h - the key-version table: optimistic locking.
 *
 * A version exists only for keys that somebody asked about. There are three ways to ask:
 *
 *   a watch of a key      WATCH: any change of the key breaks it
 *   a watch of a member   WATCHFIELD: only a change of this field of a hash or member of a set or
 *                         sorted set breaks it
 *   a version             GETVER: nobody holds anything; whoever shows the version later (EXEC
 *                         IFVER) learns whether it still stands
 *
 * A write bumps the version of a key that the table holds; EXEC compares. Nobody asking costs one
 * branch a write. Versions come from one counter, so a key that is deleted, recreated or swapped
 * never shows an old version again. Nor does one that the table had to forget: it starts with a new
 * version, so what was forgotten counts as changed. That is what lets the table be bounded: keys
 * that are there only for GETVER's sake are forgotten, the longest unasked first, beyond
 * keyspace.versions.limit.
 */
#ifndef REDOUBT_STORAGE_WATCH_H
#define REDOUBT_STORAGE_WATCH_H

#include "storage/keyspace.h"

/* A member of a key's value that somebody watches. */
struct watched_field {
    uint64_t version;
    uint64_t hash;
    uint64_t print;       /* value_ops.print of what it held when its key last changed; 0: absent */
    struct author author; /* of its last change */
    uint32_t refs;
    uint32_t len;
    char name[];
};

struct watched_key {
    uint64_t version;
    uint64_t quiet_since; /* the oldest version behind which nothing happened but burials */
    uint64_t hash;
    struct watched_key *older, *newer; /* is_kept: in the line of those to be forgotten */
    struct dict *fields;               /* owned: struct watched_field; NULL: none is watched */
    struct author author;              /* of the last change */
    uint32_t refs;                     /* watches of the key and its fields */
    int db;
    bool is_kept; /* for GETVER */
    uint32_t len;
    char name[];
};

/* What one watcher remembers of one key, or of one member of its value. */
struct watch {
    struct watched_key *key;     /* a reference, given back by watch_end() */
    struct watched_field *field; /* NULL: the whole key */
    uint64_t version;
    bool was_live; /* the key; else it was absent or had expired: the burial of a dead key is no
                      change then */
};

struct watch watch_begin(struct keyspace *ks, int db, struct key key);
/* Of a member; what the key holds must be of a type that has members (value_ops.print), or absent.
 * A write that leaves the member as it is (the same value, score, deadline) is no change of it. */
struct watch watch_begin_field(struct keyspace *ks, int db, struct key key, struct bytes member);
void watch_end(struct keyspace *ks, struct watch *w);
/* Has it changed, or expired, since? */
bool watch_is_broken(const struct keyspace *ks, const struct watch *w);

/* A key's version, which it keeps until it changes or is forgotten. */
struct version {
    uint64_t number;
    bool was_live;
};
struct version watch_version(struct keyspace *ks, int db, struct key key);
bool watch_version_stands(const struct keyspace *ks, int db, struct key key, struct version v);
/* Forget down to keyspace.versions.limit; all: every one. */
void watch_forget(struct keyspace *ks, bool all);

/* What is known of a key; NULL: nobody asked about it. */
const struct watched_key *watch_find(const struct keyspace *ks, int db, struct key key);

/* How a key changed, for its watchers. */
enum watch_change {
    WATCH_WRITE,  /* it, or something in it: a member that is as before has not changed */
    WATCH_BURIAL, /* it had expired and was removed for that */
    WATCH_WHOLE,  /* the database was emptied or swapped: so has every member */
};
/* The key changed: called by keyspace_changed(). */
void watch_bump(struct keyspace *ks, int db, struct key key, enum watch_change change,
                struct author author);
/* Distinct watched keys. */
uint64_t watch_count(const struct keyspace *ks);
/* Bytes that the table takes, about. */
size_t watch_memory(const struct keyspace *ks);

#endif
