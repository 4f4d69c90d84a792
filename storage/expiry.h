/*
 * expiry.h - which keys have a deadline, in the order of their deadlines.
 *
 * A hierarchical timing wheel (Varghese, Lauck, 1987) of 4-byte records: the low 32 bits of a key's
 * hash, enough to find the key's bucket, never a pointer that would have to be kept right. A sweep
 * looks only at records whose time has come, and finds the keys through the table.
 *
 * Invariant: every key with a deadline has at least one record at a time not after its deadline. So
 * a key whose deadline moves further away needs no new record (the old one is refiled when it comes
 * up), and a key that is removed leaves a stale one. When stale records outnumber half of the
 * table's keys, the index is built anew in bounded steps. Cost: a little over 4 bytes for each key
 * with a deadline, and up to 2 for each key of the table while stale records abound.
 */
#ifndef REDOUBT_STORAGE_EXPIRY_H
#define REDOUBT_STORAGE_EXPIRY_H

#include "storage/dict.h"

struct expiry_wheel;
struct entry;

struct expiry {
    int64_t (*deadline)(const struct entry *e); /* of a key, DEADLINE_NONE if it has none */
    struct expiry_wheel *wheel;                 /* owned; NULL while no key has a deadline */
    uint64_t keys;                              /* keys with a deadline */
    __int128 deadline_sum;                      /* of all of them, for the average */
};

/* An index of what entry_deadline() says. */
void expiry_init(struct expiry *x);
/* An index of other deadlines: the nearest one inside a key's value, say. deadline may tell a time
 * before the true one, which costs a look-up. */
void expiry_init_of(struct expiry *x, int64_t (*deadline)(const struct entry *e));
/* Forget everything; as after init. */
void expiry_fini(struct expiry *x);

/* A key got a deadline, lost it (or was removed), or any of these or has another one: then either
 * time may be DEADLINE_NONE. Times are ms since 1970. */
void expiry_add(struct expiry *x, uint64_t hash, int64_t deadline_ms);
void expiry_drop(struct expiry *x, int64_t deadline_ms);
void expiry_change(struct expiry *x, uint64_t hash, int64_t old_ms, int64_t new_ms);

/* Find keys whose deadline is before now (and not in the present tick of 16 ms): visit(entry,
 * context) is called for each and is expected to remove it from keys (and so to call
 * expiry_drop()). At most limit records are looked at. Returns true if there may be more that are
 * due. keys is the table of entries (struct entry) that the records refer to. */
bool expiry_sweep(struct expiry *x, struct dict *keys, int64_t now_ms, uint32_t limit,
                  dict_visit *visit, void *context);
/* A few random entries with a deadline (for volatile-* eviction): up to count into out; returns how
 * many. May repeat; may return fewer when stale records abound, 0 only if there are none. Drops
 * stale records that it meets, as expiry_nearest() does. */
int expiry_sample(struct expiry *x, struct dict *keys, void **out, int count);
/* Entries with (about) the nearest deadlines: up to count into out. volatile-ttl. */
int expiry_nearest(struct expiry *x, struct dict *keys, void **out, int count);
/* Do a part of a compaction if one is needed: look at about limit keys, or at four for each record
 * added since the last step if that is more. Call it often. */
void expiry_compact_step(struct expiry *x, struct dict *keys, uint32_t limit);
/* A time not after the earliest deadline, in ms; DEADLINE_NONE without keys. */
int64_t expiry_next(const struct expiry *x);
/* Average time to live in ms; 0 without keys. */
int64_t expiry_average_ttl(const struct expiry *x, int64_t now_ms);
size_t expiry_memory(const struct expiry *x);
void expiry_check(const struct expiry *x, const struct dict *keys);

#endif
