/*
 * set.h - set values: distinct byte strings.
 *
 * Three forms. A small set of integers is a sorted array (intset), another small one a listpack, a
 * large one a table (hashtable) of blocks that hold one member each. Adding turns a form into the
 * next one when its limits are passed; a set never goes back, except by being built anew.
 *
 * Mutators take a struct set_at and record their inverse when a section is open: one member each,
 * whatever the size of the set. They leave the key's entry where it is. A set may become empty on
 * the way; who changed it removes the key.
 */
#ifndef REDOUBT_STORAGE_SET_H
#define REDOUBT_STORAGE_SET_H

#include "base/number.h"
#include "storage/keyspace.h"

/* A member as it is. The view ends with the next change of the set, or with this struct: do not
 * copy it. */
struct set_member {
    struct bytes text;
    const void *place; /* for set_read() */
    char scratch[NUMBER_TEXT_MAX];
};

/* A set about to be changed. */
struct set_at {
    struct entry *e;
    const struct limits *limits;
    struct undo *log; /* NULL: the set is in no table, so there is nothing to take back */
};
static inline struct set_at set_in(struct keyspace *ks, struct entry *e)
{
    return (struct set_at){e, &ks->limits, ks->undo};
}

/* -- reading ----------------------------------------------------------------------------------- */

uint64_t set_count(const struct entry *e);
bool set_contains(const struct entry *e, struct bytes member);
/* A member drawn with the same probability for each. The set is not empty. */
void set_random(const struct entry *e, struct set_member *out);
/* The member at a place; places are good until the set changes. */
void set_read(const struct entry *e, const void *place, struct set_member *out);

/* All members once each. The set does not change between begin and end. */
struct set_iter {
    const struct entry *e;
    const unsigned char *at; /* listpack: the next member */
    uint32_t index;          /* intset: the next one */
    struct dict_iter table;
};
void set_iter_begin(struct set_iter *it, const struct entry *e);
bool set_iter_next(struct set_iter *it, struct set_member *out);
void set_iter_end(struct set_iter *it);

/* The table of a set in that form, for scanning; NULL of others. Its entries are places. */
struct dict *set_dict(const struct entry *e);
/* Warm the caches for looking these members up. */
void set_prefetch(const struct entry *e, const struct bytes *members, int count);

/* -- changing ---------------------------------------------------------------------------------- */

/* A new empty set in no table, in the form that suits so many members of which the first is known;
 * or in this form. The caller fills it (set_at.log is NULL) and gives it to the keyspace. */
struct entry *set_create(const struct limits *limits, struct bytes key, struct bytes first,
                         uint64_t members);
struct entry *set_create_as(struct bytes key, enum value_encoding form);
/* So many members will be added: take the right form at once. */
void set_expect(const struct set_at *at, uint64_t members);
/* False if it was there already. */
bool set_add(const struct set_at *at, struct bytes member);
/* False if there is no such member. */
bool set_remove(const struct set_at *at, struct bytes member);

/* A set in no table that takes over a listpack of distinct members. */
struct entry *set_of_listpack(struct bytes key, unsigned char *lp);

/* -- the row in value.c ------------------------------------------------------------------------ */
void set_free_value(struct entry *e);
uint64_t set_free_effort(const struct entry *e);
size_t set_memory(const struct entry *e, uint64_t samples);
struct entry *set_copy(const struct entry *e, struct bytes key, int64_t deadline);
uint64_t set_print(const struct keyspace *ks, const struct entry *e, struct bytes member);
/* Debug: abort at the first lie inside. */
void set_check(const struct entry *e);

#endif
