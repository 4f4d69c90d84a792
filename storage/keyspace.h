/*
 * keyspace.h - databases of keys, and the one place through which every change of a key passes.
 *
 * Reading: keyspace_find() and friends. Changing: the mutators below and those of the value types
 * (string.h, ...). Each mutator tells the undo log what it is about to take away (undo.h), so that
 * a section which fails can be taken back; a command then says keyspace_changed() once for each key
 * that it changed, which is where WATCH, notifications and the count of changes hang.
 *
 * A key whose deadline has passed is dead: keyspace_find() does not see it, and buries it on the
 * way. 'Now' is keyspace.now_ms, which the server sets and which stands still while one command
 * runs.
 */
#ifndef REDOUBT_STORAGE_KEYSPACE_H
#define REDOUBT_STORAGE_KEYSPACE_H

#include "storage/dict.h"
#include "storage/entry.h"
#include "storage/expiry.h"
#include "storage/list_limits.h"

struct undo;
struct lazyfree;

/* A key with its hash, computed once on its way through the server. */
struct key {
    struct bytes name;
    uint64_t hash;
};
static inline struct key key_of(struct bytes name)
{
    return (struct key){name, dict_hash(name)};
}

/* Classes of events, as in notify-keyspace-events. */
enum event_class {
    EVENT_GENERIC = 1 << 0, /* g */
    EVENT_STRING = 1 << 1,  /* $ */
    EVENT_LIST = 1 << 2,    /* l */
    EVENT_SET = 1 << 3,     /* s */
    EVENT_HASH = 1 << 4,    /* h */
    EVENT_ZSET = 1 << 5,    /* z */
    EVENT_EXPIRED = 1 << 6, /* x */
    EVENT_EVICTED = 1 << 7, /* e */
    EVENT_STREAM = 1 << 8,  /* t */
    EVENT_MISS = 1 << 9,    /* m */
    EVENT_NEW = 1 << 10,    /* n */
};

struct db {
    int id;
    struct dict keys;           /* struct entry */
    struct expiry expiry;       /* which of them have a deadline, and when */
    struct expiry inner_expiry; /* which have work inside, and when: value_ops.due */
    struct dict watched;        /* struct watched_key: see watch.h */
    uint64_t
        awaited; /* keys whose changes somebody waits for: hooks.touched is called if it is not 0 */
};

/* Who makes a change, for those who ask later whose change it was. */
struct author {
    uint64_t client;     /* its id; 0: nobody, the key's time was up */
    const char *command; /* a constant; NULL: none */
};

/* Keys whose versions are kept for GETVER: watch.h. */
struct versions {
    struct watched_key *oldest, *newest;
    uint64_t count, limit;
    uint64_t idle; /* records that nobody watches */
    size_t bytes;  /* of all records */
    size_t kept;   /* of those that are counted: bounded by the limit as well */
};

/* What the server wants to hear of. Called when a change is final: a section that is taken back
 * calls nothing. All may be NULL. */
struct keyspace_hooks {
    void *context;
    /* A key of a database with db.awaited > 0 has changed. */
    void (*touched)(void *context, int db, struct bytes key, uint64_t hash);
    /* A key of any database changed, or a database was emptied (or all of them, once). */
    void (*changed)(void *context, struct bytes key, enum event_class class);
    void (*flushed)(void *context);
    /* A key changed; event is Redis's name for it ("set", "expired"). */
    void (*event)(void *context, int db, struct bytes key, enum event_class class,
                  const char *event);
    /* Whose change is being announced? Asked for watched keys only. */
    struct author (*author)(void *context);
};

/* Up to which size the value types keep their compact forms: the directives of these names. */
struct limits {
    uint64_t hash_listpack_entries, hash_listpack_value; /* hash-max-listpack-* */
    uint64_t set_intset_entries;                         /* set-max-intset-entries */
    uint64_t set_listpack_entries, set_listpack_value;   /* set-max-listpack-* */
    uint64_t zset_listpack_entries, zset_listpack_value; /* zset-max-listpack-* */
    uint64_t stream_node_bytes, stream_node_entries;     /* stream-node-max-*; 0: without end */
    struct list_limits list;
};

struct keyspace {
    struct db *dbs; /* owned */
    int db_count;
    int64_t now_ms; /* the instant that everything in this turn sees */
    uint32_t
        access_clock; /* what a touched key is stamped with: LRU seconds, or LFU minutes << 8 */
    bool lfu;         /* access clocks are LFU counters (maxmemory-policy) */
    int lfu_log_factor, lfu_decay_minutes;
    bool lazy_user_del, lazy_server_del, lazy_expire, lazy_eviction,
        lazy_flush; /* lazyfree-lazy-* */
    struct limits limits;
    bool keep_expired; /* dead keys are invisible but stay until their place is taken (CLIENT PAUSE)
                        */
    uint64_t dirty;    /* changes so far */
    uint64_t expired, evicted, hits, misses;
    uint64_t expired_fields; /* of hashes */
    uint64_t last_version;   /* of a watched key: watch.h */
    struct versions versions;
    struct undo *undo;         /* owned; open or not */
    struct lazyfree *lazyfree; /* borrowed; NULL: free at once */
    struct keyspace_hooks hooks;
};

struct keyspace *keyspace_create(int db_count);
void keyspace_destroy(struct keyspace *ks);

/* -- finding ----------------------------------------------------------------------------------- */

/* The live entry or NULL. Buries a dead one (event "expired", one change counted). */
struct entry *keyspace_find(struct keyspace *ks, int db, struct key key);
/* The same without burying, and without a trace in statistics. */
struct entry *keyspace_peek(const struct keyspace *ks, int db, struct key key);
bool keyspace_is_dead(const struct keyspace *ks, const struct entry *e);
/* Stamp the access clock (LRU, or LFU's logarithmic increment). */
void keyspace_touch(const struct keyspace *ks, struct entry *e);
/* A random live key, NULL if there is none. Buries dead ones it meets. */
struct entry *keyspace_random(struct keyspace *ks, int db);
/* Keys, those with a deadline; neither counts what is buried. */
uint64_t keyspace_size(const struct keyspace *ks, int db);

/* -- changing: each of these is undone by a rollback ------------------------------------------- */

/* Put entry e in, owned by the keyspace from now on; its key (hash given) must be absent. */
void keyspace_add(struct keyspace *ks, int db, struct entry *e, uint64_t hash);
/* Put e in the place of old, which has the same key; old and its value are ended. */
void keyspace_replace(struct keyspace *ks, int db, struct entry *old, struct entry *e,
                      uint64_t hash);
/* Put e in the place of old, where e has taken over old's value: only old's shell is ended. */
void keyspace_reshell(struct keyspace *ks, int db, struct entry *old, struct entry *e,
                      uint64_t hash);
/* Remove the key, dead or alive, with its value; large values end off the main thread (always if
 * lazy). False if absent. */
bool keyspace_remove(struct keyspace *ks, int db, struct key key, bool lazy);
/* Give the entry a deadline, another one, or none (DEADLINE_NONE). Returns where the entry is now.
 */
struct entry *keyspace_set_deadline(struct keyspace *ks, int db, struct entry *e, uint64_t hash,
                                    int64_t deadline_ms);
/* Move the entry to another database and name, neither of which may be taken; deadline and access
 * clock go along. Returns where it is now. RENAME and MOVE. */
struct entry *keyspace_move(struct keyspace *ks, int from_db, struct entry *e, uint64_t hash,
                            int to_db, struct key to);
/* Remove all keys of a database (or of all: -1). Returns how many. lazy: end them off the main
 * thread. */
uint64_t keyspace_flush(struct keyspace *ks, int db, bool lazy);
void keyspace_swap(struct keyspace *ks, int a, int b);

/* -- having changed ---------------------------------------------------------------------------- */

/* The command changed this key: bump its version if watched, count, tell the hooks. In an open
 * section all of that waits until the section closes well. */
void keyspace_changed(struct keyspace *ks, int db, struct bytes key, enum event_class class,
                      const char *event);
/* The same where several elements of the key have changed: each counts. */
void keyspace_changed_by(struct keyspace *ks, int db, struct bytes key, enum event_class class,
                         const char *event, uint64_t elements);
/* The command changed what WATCH does not look at: the groups of a stream. Counts, tells the event
 * unless it is NULL; wakes: those who wait for the key look again. */
void keyspace_changed_aside(struct keyspace *ks, int db, struct bytes key, enum event_class class,
                            const char *event, bool wakes);
/* So many changes more, of which nobody is told. */
void keyspace_count(struct keyspace *ks, uint64_t changes);
/* Only the notification (an event beyond the change itself: "expire" after "set"). */
void keyspace_event(struct keyspace *ks, int db, struct bytes key, enum event_class class,
                    const char *event);

/* -- deadlines --------------------------------------------------------------------------------- */

/* Bury due keys, looking at up to limit records of each database's index. True: more may be due. */
bool keyspace_expire_due(struct keyspace *ks, uint32_t limit);
/* Let values whose time has come do some of their own work (expire fields, ...), up to limit values
 * of each database. True: more is due. */
bool keyspace_visit_due(struct keyspace *ks, uint32_t limit);

/* End a value that is in no table any more; large ones on the background thread. */
void keyspace_end_entry(struct keyspace *ks, struct entry *e, bool lazy);
/* Bytes that key and value take, samples (0: all) elements looked at. */
size_t keyspace_entry_memory(const struct entry *e, uint64_t samples);

/* Debug: check every table, index and entry of a database; abort at the first lie. */
void keyspace_check(const struct keyspace *ks);

#endif
