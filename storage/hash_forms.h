/*
 * hash_forms.h - the forms of a hash, for the files of hash.h only.
 *
 * Each form offers the same few operations; hash.c chooses. The forms keep the number of fields
 * with a deadline; the time at which the next one is due is kept by hash.c, in the struct that
 * starts both forms which can have deadlines.
 */
#ifndef REDOUBT_STORAGE_HASH_FORMS_H
#define REDOUBT_STORAGE_HASH_FORMS_H

#include "storage/hash.h"

/* How the fields' deadlines are known to the keyspace. */
struct hash_times {
    int64_t due; /* see hash_due() */
};

/* ENC_LISTPACK: the entry points to the listpack itself. ENC_LISTPACK_EX: to this. */
struct hash_packed {
    struct hash_times times;
    unsigned char *lp; /* owned */
    uint32_t expiring; /* fields with a deadline */
};

/* ENC_HASHTABLE. */
struct hash_table {
    struct hash_times times;
    struct dict fields;   /* struct entry, owned */
    struct expiry expiry; /* which of them have a deadline */
};

/* What a field is to become. */
struct hash_change {
    struct bytes name, value;
    struct blob *blob; /* see hash_set() */
    int64_t deadline;
};

static inline bool hash_is_packed(const struct entry *e)
{
    return entry_encoding(e) != ENC_HASHTABLE;
}

/* -- hash_packed.c ----------------------------------------------------------------------------- */

unsigned char *packed_listpack(const struct entry *e);
uint64_t packed_count(const struct entry *e);
uint64_t packed_expiring(const struct entry *e);
bool packed_find(const struct entry *e, struct bytes name, struct hash_field *out);
void packed_random(const struct entry *e, struct hash_field *out);
/* The field at an element; returns the element of the next one, NULL at the end. */
const unsigned char *packed_read(const struct entry *e, const unsigned char *at,
                                 struct hash_field *out);
/* Of a packed hash without deadlines: make it an ENC_LISTPACK_EX value. */
struct hash_packed *packed_with_deadlines(const struct entry *e);
/* A change with a deadline needs ENC_LISTPACK_EX. *before is the deadline that the field had. */
bool packed_set(struct hash_at *at, const struct hash_change *c, int64_t *before);
bool packed_delete(struct hash_at *at, struct bytes name, int64_t *before);
void packed_set_deadline(struct hash_at *at, struct bytes name, int64_t deadline, int64_t *before);
/* The earliest deadline, DEADLINE_NONE without any. */
int64_t packed_earliest(const struct entry *e);
/* Remove up to limit dead fields; returns how many. */
uint32_t packed_expire(struct hash_at *at, uint32_t limit);
void packed_destroy(struct entry *e);

/* -- hash_table.c ------------------------------------------------------------------------------ */

struct hash_table *table_create(uint64_t expected);
void table_destroy(struct hash_table *t);
/* A copy of a packed hash, or of another table. */
struct hash_table *table_of(const struct entry *e, uint64_t expected);
/* Of a table that is in no keyspace. False: there is such a field. */
bool table_add(struct hash_table *t, const struct hash_change *c);
bool table_set(struct keyspace *ks, struct hash_table *t, const struct hash_change *c,
               int64_t *before);
bool table_delete(struct keyspace *ks, struct hash_table *t, struct bytes name, int64_t *before);
void table_set_deadline(struct keyspace *ks, struct hash_table *t, struct bytes name,
                        int64_t deadline, int64_t *before);
/* Remove what the wheel knows to be dead, looking at limit of its records, or all dead fields,
 * looking at each; return how many. */
uint32_t table_expire(struct keyspace *ks, struct hash_table *t, uint32_t limit);
uint32_t table_expire_all(struct keyspace *ks, struct hash_table *t);

#endif
