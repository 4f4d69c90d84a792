/*
 * hash_table.c - hashes in a table: each field is an entry, as a key is.
 *
 * A field's value is inside its entry up to ENTRY_INLINE_MAX bytes and a blob beyond; blobs may be
 * shared with replies and copies, as they never change here. A field changes by building a new
 * entry and putting it in the old one's place, which makes one kind of undo record enough: what was
 * there, what is there now. Only where nobody would want it back (no section is open) and the
 * layout fits, a field is written in place.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "storage/hash_forms.h"
#include "storage/undo.h"
#include "storage/value.h"

enum { COMPACT_STEP = 4 };

static struct bytes name_of_entry(const void *entry)
{
    return entry_key(entry);
}

static const struct dict_type field_table = {name_of_entry};

struct hash_table *table_create(uint64_t expected)
{
    struct hash_table *t = mem_alloc_zeroed(sizeof *t);
    t->times.due = DEADLINE_NONE;
    dict_init(&t->fields, &field_table);
    expiry_init(&t->expiry);
    if (expected > 0)
        dict_expect(&t->fields, expected);
    return t;
}

void table_destroy(struct hash_table *t)
{
    struct dict_iter it;
    dict_iter_begin(&it, &t->fields);
    for (struct entry *f; (f = dict_iter_next(&it)) != NULL;)
        value_end(f);
    dict_iter_end(&it);
    dict_fini(&t->fields);
    expiry_fini(&t->expiry);
    mem_free(t);
}

/* -- fields ------------------------------------------------------------------------------------ */

/* blob may be NULL: then a long value is copied into one. */
static struct entry *field_create(const struct hash_change *c)
{
    struct blob *b = c->blob;
    if (b == NULL && c->value.len <= ENTRY_INLINE_MAX)
        return entry_create_inline(c->name, c->value, ENC_RAW, c->deadline);
    if (b == NULL) {
        b = blob_create(c->value.len);
        memcpy(b->data, c->value.ptr, c->value.len);
    }
    return entry_create_word(c->name, TYPE_STRING, ENC_RAW, (int64_t)(uintptr_t)b, c->deadline);
}

void hash_field_of(const void *table_entry, struct hash_field *out)
{
    const struct entry *f = table_entry;
    out->name = entry_key(f);
    out->deadline = entry_deadline(f);
    out->blob = f->flags & ENTRY_INLINE ? NULL : entry_pointer(f);
    out->value = out->blob == NULL ? entry_inline(f) : bytes_of(out->blob->data, out->blob->len);
}

/* -- the wheel --------------------------------------------------------------------------------- */

/* After each change, but not while a sweep walks through the wheel. */
static void tidy_index(struct hash_table *t)
{
    expiry_compact_step(&t->expiry, &t->fields, COMPACT_STEP);
}

static int64_t deadline_of(const struct entry *f)
{
    return f != NULL ? entry_deadline(f) : DEADLINE_NONE;
}

/* -- changing ---------------------------------------------------------------------------------- */

/* One of old and new may be NULL: the field was new, or it was removed. */
struct field_change {
    struct hash_table *table;
    struct entry *old, *new;
    uint64_t hash;
};

static void exchange(struct hash_table *t, struct entry *from, struct entry *to, uint64_t hash)
{
    if (from != NULL && to != NULL)
        dict_replace(&t->fields, from, to, hash);
    else if (to != NULL)
        dict_insert(&t->fields, to, hash);
    else if (from != NULL)
        dict_remove(&t->fields, entry_key(from), hash);
    expiry_change(&t->expiry, hash, deadline_of(from), deadline_of(to));
}

static void revert_field(struct keyspace *ks, void *record)
{
    (void)ks;
    struct field_change *c = record;
    exchange(c->table, c->new, c->old, c->hash);
    if (c->new != NULL)
        value_end(c->new);
}

static void keep_field(struct keyspace *ks, void *record)
{
    (void)ks;
    struct field_change *c = record;
    if (c->old != NULL)
        value_end(c->old);
}

static const struct undo_kind kind_field = {"hash field", revert_field, keep_field};

static void change_field(struct keyspace *ks, struct hash_table *t, struct entry *old,
                         struct entry *new, uint64_t hash)
{
    exchange(t, old, new, hash);
    if (undo_is_open(ks->undo)) {
        struct field_change *c = undo_record(ks->undo, &kind_field, sizeof *c);
        *c = (struct field_change){t, old, new, hash};
        if (old != NULL)
            ks->undo->kept += keyspace_entry_memory(old, 1);
    } else if (old != NULL) {
        value_end(old);
    }
}

/* Write over a field where it is. */
static bool store_in_place(struct keyspace *ks, struct entry *f, const struct hash_change *c)
{
    return !undo_is_open(ks->undo) && c->blob == NULL && c->value.len <= ENTRY_INLINE_MAX &&
           entry_deadline(f) == c->deadline && entry_store_inline(f, c->value, ENC_RAW);
}

bool table_set(struct keyspace *ks, struct hash_table *t, const struct hash_change *c,
               int64_t *before)
{
    uint64_t hash = dict_hash(c->name);
    struct entry *f = dict_find(&t->fields, c->name, hash);
    *before = deadline_of(f);
    if (f == NULL || !store_in_place(ks, f, c))
        change_field(ks, t, f, field_create(c), hash);
    tidy_index(t);
    return f == NULL;
}

bool table_delete(struct keyspace *ks, struct hash_table *t, struct bytes name, int64_t *before)
{
    uint64_t hash = dict_hash(name);
    struct entry *f = dict_find(&t->fields, name, hash);
    if (f == NULL)
        return false;
    *before = entry_deadline(f);
    change_field(ks, t, f, NULL, hash);
    tidy_index(t);
    return true;
}

struct deadline_change {
    struct hash_table *table;
    struct entry *field;
    uint64_t hash;
    int64_t before;
};

static void store_deadline(struct hash_table *t, struct entry *f, uint64_t hash, int64_t deadline)
{
    int64_t before = entry_deadline(f);
    entry_store_deadline(f, deadline);
    expiry_change(&t->expiry, hash, before, deadline);
}

static void revert_deadline(struct keyspace *ks, void *record)
{
    (void)ks;
    struct deadline_change *c = record;
    store_deadline(c->table, c->field, c->hash, c->before);
}

static const struct undo_kind kind_deadline = {"hash field deadline", revert_deadline, NULL};

/* A new entry with the field's value, which is copied or shared: both entries own theirs. */
static struct entry *field_with_deadline(const struct entry *f, int64_t deadline)
{
    struct entry *new = entry_rebuild(f, entry_key(f), deadline);
    if (!(f->flags & ENTRY_INLINE))
        blob_retain(entry_pointer(f));
    return new;
}

void table_set_deadline(struct keyspace *ks, struct hash_table *t, struct bytes name,
                        int64_t deadline, int64_t *before)
{
    uint64_t hash = dict_hash(name);
    struct entry *f = dict_find(&t->fields, name, hash);
    *before = entry_deadline(f);
    if (*before == deadline)
        return;
    tidy_index(t);
    if (*before == DEADLINE_NONE || deadline == DEADLINE_NONE) {
        change_field(ks, t, f, field_with_deadline(f, deadline), hash);
        return;
    }
    if (undo_is_open(ks->undo)) {
        struct deadline_change *c = undo_record(ks->undo, &kind_deadline, sizeof *c);
        *c = (struct deadline_change){t, f, hash, *before};
    }
    store_deadline(t, f, hash, deadline);
}

/* -- expiry ------------------------------------------------------------------------------------ */

struct burial {
    struct keyspace *ks;
    struct hash_table *table;
    uint32_t count;
};

static void bury_visited(void *entry, void *context)
{
    struct burial *b = context;
    struct entry *f = entry;
    change_field(b->ks, b->table, f, NULL, dict_hash(entry_key(f)));
    b->count++;
}

uint32_t table_expire(struct keyspace *ks, struct hash_table *t, uint32_t limit)
{
    struct burial b = {ks, t, 0};
    expiry_sweep(&t->expiry, &t->fields, ks->now_ms, limit, bury_visited, &b);
    tidy_index(t);
    return b.count;
}

uint32_t table_expire_all(struct keyspace *ks, struct hash_table *t)
{
    uint32_t count = 0;
    struct dict_iter it;
    dict_iter_begin(&it, &t->fields);
    for (struct entry *f; (f = dict_iter_next(&it)) != NULL;) {
        if (!keyspace_is_dead(ks, f))
            continue;
        change_field(ks, t, f, NULL, dict_hash(entry_key(f)));
        count++;
    }
    dict_iter_end(&it);
    tidy_index(t);
    return count;
}

bool table_add(struct hash_table *t, const struct hash_change *c)
{
    uint64_t hash = dict_hash(c->name);
    if (dict_find(&t->fields, c->name, hash) != NULL)
        return false;
    exchange(t, NULL, field_create(c), hash);
    return true;
}

/* -- copies ------------------------------------------------------------------------------------ */

struct hash_table *table_of(const struct entry *e, uint64_t expected)
{
    struct hash_table *t = table_create(expected);
    struct hash_iter it;
    struct hash_field f;
    hash_iter_begin(&it, e);
    while (hash_iter_next(&it, &f)) {
        struct hash_change c = {f.name, f.value, f.blob, f.deadline};
        uint64_t hash = dict_hash(f.name);
        if (f.blob != NULL)
            blob_retain(f.blob);
        exchange(t, NULL, field_create(&c), hash);
    }
    hash_iter_end(&it);
    t->times.due = hash_due(e);
    return t;
}
