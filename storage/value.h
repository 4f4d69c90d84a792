/*
 * value.h - what every value type offers to the keyspace: one row a type.
 *
 * A new type adds its row to value.c and its mutators in a file of its own; keyspace.c does not
 * change.
 */
#ifndef REDOUBT_STORAGE_VALUE_H
#define REDOUBT_STORAGE_VALUE_H

#include "storage/entry.h"

struct dict;
struct keyspace;

struct value_ops {
    /* End what the entry points to. Runs on any thread: the entry is in no table any more. */
    void (*end)(struct entry *e);
    /* How many allocations end() frees, roughly: large values end in the background. */
    uint64_t (*effort)(const struct entry *e);
    /* Bytes besides the entry itself; samples elements are looked at (0: all). */
    size_t (*memory)(const struct entry *e, uint64_t samples);
    /* A new entry, in no table, with an equal value under another key. */
    struct entry *(*copy)(const struct entry *e, struct bytes key, int64_t deadline);
    /* The table in which members are found by name; NULL of a value that has none now. NULL: this
     * type never has. */
    struct dict *(*members)(const struct entry *e);
    /* A fingerprint of what a live member of this name holds; 0: there is none. NULL: values of
     * this type have no members that are found by name. */
    uint64_t (*print)(const struct keyspace *ks, const struct entry *e, struct bytes member);
    /* When the value has work to do of its own (fields that expire, members to be ended): a time
     * not after the true one, DEADLINE_NONE for none. What changes it tells db.inner_expiry. visit
     * is called when it is due (keyspace_visit_due()). NULL: this type never has. */
    int64_t (*due)(const struct entry *e);
    void (*visit)(struct keyspace *ks, int db, struct entry *e);
};

const struct value_ops *value_ops(enum value_type type);

int64_t value_due(const struct entry *e);
/* End the entry and its value. */
void value_end(void *entry);
/* From here on a value's end is worth a hand-over to the background thread if that was asked for,
 * or in any case, since others would notice the wait. */
enum { VALUE_LAZY_EFFORT = 64, VALUE_SLOW_EFFORT = 4096 };

#endif
