/*
 * dict.h - the one hash table: keyspace, watched keys, fields, members, channels.
 *
 * A table of buckets of one cache line each: nine entry pointers of 48 bits and nine one-byte tags,
 * so that a miss is decided without touching an entry. It grows and shrinks by linear hashing
 * (Litwin, 1980): one bucket is split or merged at a time, so there is never a second table, no
 * pause grows with the size, and memory follows the number of entries closely. A full bucket chains
 * another one.
 *
 * The table holds pointers to entries that belong to somebody else; an entry holds its key inside.
 * Hashes are XXH3 seeded at start (hash flooding). One entry a key: inserting a key twice is the
 * caller's mistake.
 */
#ifndef REDOUBT_STORAGE_DICT_H
#define REDOUBT_STORAGE_DICT_H

#include "base/bytes.h"

/* What the table must know of its entries. */
struct dict_type {
    struct bytes (*key)(const void *entry);
};

struct dict_bucket;

struct dict {
    const struct dict_type *type;
    struct dict_bucket **segments; /* directory of arrays of buckets; owned */
    uint64_t count;                /* entries */
    uint64_t buckets;              /* primary buckets in use; 0: nothing allocated */
    uint64_t mask;                 /* 2^level - 1, the smaller of the two address spaces */
    uint64_t split;                /* buckets below are addressed with one bit more */
    uint32_t chained;              /* overflow buckets */
    uint32_t hold;                 /* >0: do not grow or shrink (iterations) */
    uint32_t room;                 /* directory slots */
    uint32_t segment_count;
    uint32_t first_room; /* buckets allocated in segment 0, which grows by doubling */
};

uint64_t dict_hash(struct bytes key);
/* Same seed for every table of the process; set once at start. Tests may fix it. */
void dict_seed(const unsigned char random[16]);

void dict_init(struct dict *d, const struct dict_type *type);
/* Free the table, not the entries. */
void dict_fini(struct dict *d);
/* Forget all entries (which the caller ends) and free the table. */
void dict_reset(struct dict *d);

/* The entry with this key, or NULL. hash is dict_hash(key). */
void *dict_find(const struct dict *d, struct bytes key, uint64_t hash);
/* Add an entry whose key is absent. */
void dict_insert(struct dict *d, void *entry, uint64_t hash);
/* Take the entry out and hand it back; NULL if absent. */
void *dict_remove(struct dict *d, struct bytes key, uint64_t hash);
/* Put new_entry where old_entry is (same key). old_entry must be there. */
void dict_replace(struct dict *d, void *old_entry, void *new_entry, uint64_t hash);

/* Two steps of warming the caches for a later dict_find(): the bucket, then the entries whose tag
 * fits. */
void dict_prefetch_bucket(const struct dict *d, uint64_t hash);
void dict_prefetch_entry(const struct dict *d, uint64_t hash);

/* Visit some entries and return the cursor to go on with; 0 starts and ends. An entry that is
 * present from the start to the end of a scan is visited at least once, whatever grows or shrinks
 * between two calls: the cursor is a point in the space of bit-reversed hashes, and each call
 * visits the bucket that covers it. visit may remove the visited entry, not others. */
typedef void dict_visit(void *entry, void *context);
uint64_t dict_scan(struct dict *d, uint64_t cursor, dict_visit *visit, void *context);

/* An entry drawn with the same probability for each; NULL if empty. */
void *dict_random(const struct dict *d);

/* All entries, once each, in table order. Between begin and end the table does not resize; the
 * current entry may be removed or replaced; nothing else may change. */
struct dict_iter {
    struct dict *dict;
    uint64_t bucket;
    struct dict_bucket *at;
    int slot;
};
void dict_iter_begin(struct dict_iter *it, struct dict *d);
void *dict_iter_next(struct dict_iter *it);
void dict_iter_end(struct dict_iter *it);

/* Call visit for every entry whose hash has these low 32 bits (the expiry index keeps no more of
 * it). visit may remove the visited entry and no other. */
void dict_visit_hash32(struct dict *d, uint32_t hash32, dict_visit *visit, void *context);

/* Make room for count entries at once (loading). */
void dict_expect(struct dict *d, uint64_t count);
/* Bytes of the table itself, entries aside. */
size_t dict_memory(const struct dict *d);
/* Debug: walk everything, abort at the first lie. */
void dict_check(const struct dict *d);
/* "DEBUG HTSTATS": a few lines of text; returns the length. */
size_t dict_describe(const struct dict *d, char *out, size_t room);

#endif
