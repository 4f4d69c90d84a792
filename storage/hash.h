/*
 * hash.h - hash values: fields with a value each, and perhaps a deadline.
 *
 * Three forms. Small hashes are a listpack of field, value, field, value (listpack); once a field
 * gets a deadline each field has a third element, its deadline or 0 (listpackex). Large ones are a
 * table (hashtable) whose fields are entries (entry.h), so that field, value and deadline share one
 * allocation, with a timing wheel of their own (expiry.h). A hash never goes back to an earlier
 * form.
 *
 * A field whose deadline has passed is dead: hash_find_live() does not see it and removes it.
 * hash_find() and the iterators show it with its deadline; what to do with it is the caller's
 * choice. keyspace.db.inner_expiry knows all hashes that have fields with a deadline.
 *
 * Mutators take a struct hash_at and record their inverse when a section is open: one field each,
 * whatever the size of the hash. They leave the key's entry where it is. A hash may become empty on
 * the way; who changed it removes the key then (hash_settle() does).
 */
#ifndef REDOUBT_STORAGE_HASH_H
#define REDOUBT_STORAGE_HASH_H

#include "base/number.h"
#include "storage/keyspace.h"

/* Deadlines of fields are smaller than this, as in Redis. */
#define HASH_DEADLINE_LIMIT (INT64_C(1) << 46)

/* A field as it is. The views end with the next change of the hash, or with this struct: do not
 * copy it. */
struct hash_field {
    struct bytes name, value;
    int64_t deadline;  /* DEADLINE_NONE: it has none */
    struct blob *blob; /* behind a large value, for replies that reference it; else NULL */
    char scratch[2][NUMBER_TEXT_MAX];
};

/* A hash about to be read or changed. */
struct hash_at {
    struct keyspace *ks;
    int db;
    struct key key;
    struct entry *e;
    uint32_t died; /* fields found dead and removed, not yet announced */
};

/* -- reading ----------------------------------------------------------------------------------- */

/* Fields, dead ones included. */
uint64_t hash_count(const struct entry *e);
bool hash_find(const struct entry *e, struct bytes name, struct hash_field *out);
bool hash_is_dead(const struct keyspace *ks, const struct hash_field *f);
/* A field drawn with the same probability for each, dead ones included. The hash is not empty. */
void hash_random(const struct entry *e, struct hash_field *out);
/* A time before which no field dies; DEADLINE_NONE if no field has a deadline. */
int64_t hash_due(const struct entry *e);

/* All fields once each. The hash does not change between begin and end. */
struct hash_iter {
    const struct entry *e;
    const void *place;       /* of the field that was returned last, for hash_read() */
    const unsigned char *at; /* packed: the next field */
    struct dict_iter table;
};
void hash_iter_begin(struct hash_iter *it, const struct entry *e);
bool hash_iter_next(struct hash_iter *it, struct hash_field *out);
void hash_iter_end(struct hash_iter *it);
/* The field at a place; places are good until the hash changes. */
void hash_read(const struct entry *e, const void *place, struct hash_field *out);

/* The table of a hash in that form, for scanning; NULL of a packed one. What an entry of it says.
 */
struct dict *hash_dict(const struct entry *e);
void hash_field_of(const void *table_entry, struct hash_field *out);
/* The listpack of a packed hash, NULL of a table. Elements a field: 2, or 3 with the deadline (0:
 * none). */
const unsigned char *hash_listpack(const struct entry *e, int *width);

/* -- changing ---------------------------------------------------------------------------------- */

/* A new hash without fields, in the keyspace. room: bytes that the fields to come will need, about.
 */
struct entry *hash_create(struct keyspace *ks, int db, struct key key, size_t room);
/* So many fields will be set, of which the longest name or value has so many bytes: take the right
 * form at once. */
void hash_expect(struct hash_at *at, uint64_t fields, size_t longest);
/* Set a field; true if it is new. blob: the value's bytes, whose one reference passes to the hash,
 * or NULL. */
bool hash_set(struct hash_at *at, struct bytes name, struct bytes value, struct blob *blob,
              int64_t deadline);
/* False if there is no such field. */
bool hash_delete(struct hash_at *at, struct bytes name);
/* Give a field that is there a deadline, another one, or none. */
void hash_set_deadline(struct hash_at *at, struct bytes name, int64_t deadline);

/* hash_find(), but a dead field is removed (unless keyspace.keep_expired) and not found. */
bool hash_find_live(struct hash_at *at, struct bytes name, struct hash_field *out);
/* Remove a field that was found dead; nothing happens if keyspace.keep_expired. */
void hash_bury(struct hash_at *at, struct bytes name);
/* Remove all dead fields, looking at each field if any may be dead. Nothing happens if
 * keyspace.keep_expired. */
void hash_bury_all(struct hash_at *at);
/* May there be a dead field? */
bool hash_has_dead(const struct hash_at *at);
/* Announce what died: event "hexpired". */
void hash_announce(struct hash_at *at);
/* hash_announce(); remove the key if no field is left (event "del"). True if it was removed. */
bool hash_settle(struct hash_at *at);
/* -- building -- */

/* Collects fields in any order, dead ones included. */
struct hash_builder {
    struct hash_table *fields; /* owned */
    size_t longest;            /* name or value */
};
/* expected: fields to come, at most (0: nobody knows). */
void hash_builder_init(struct hash_builder *b, uint64_t expected);
/* False: there is such a field already. */
bool hash_builder_add(struct hash_builder *b, struct bytes name, struct bytes value,
                      int64_t deadline);
/* A hash of the collected fields in no table, in the form that suits them; NULL if there are none.
 * The builder is done with. */
struct entry *hash_builder_finish(struct hash_builder *b, const struct limits *limits,
                                  struct bytes key);
/* A hash in no table that takes over a listpack of distinct fields, so many elements each (see
 * hash_listpack()). */
struct entry *hash_of_listpack(struct bytes key, unsigned char *lp, int width);

/* -- the row in value.c ------------------------------------------------------------------------ */
void hash_free_value(struct entry *e);
uint64_t hash_free_effort(const struct entry *e);
size_t hash_memory(const struct entry *e, uint64_t samples);
/* Remove some dead fields. */
void hash_visit(struct keyspace *ks, int db, struct entry *e);
struct entry *hash_copy(const struct entry *e, struct bytes key, int64_t deadline);
uint64_t hash_print(const struct keyspace *ks, const struct entry *e, struct bytes member);
/* Debug: abort at the first lie inside. */
void hash_check(const struct entry *e);

#endif
