/*
 * hash.c - hashes: which form one takes, and when its fields are due.
 *
 * What changes the form puts another value behind the same entry; its undo record keeps the old
 * one. The time at which a hash is due stands in the value and, the same, in the index of the
 * database: due_change() is the one place that writes them.
 */
#include "storage/hash.h"

#include <stdlib.h>

#include "base/memory.h"
#include "storage/hash_forms.h"
#include "storage/listpack.h"
#include "storage/undo.h"
#include "storage/value.h"

static struct hash_table *table_at(const struct entry *e)
{
    return entry_pointer(e);
}

/* NULL: this form knows no deadlines. */
static struct hash_times *times_of(const struct entry *e)
{
    return entry_encoding(e) != ENC_LISTPACK ? entry_pointer(e) : NULL;
}

/* -- reading ----------------------------------------------------------------------------------- */

uint64_t hash_count(const struct entry *e)
{
    return hash_is_packed(e) ? packed_count(e) : table_at(e)->fields.count;
}

bool hash_find(const struct entry *e, struct bytes name, struct hash_field *out)
{
    if (hash_is_packed(e))
        return packed_find(e, name, out);
    const struct entry *f = dict_find(&table_at(e)->fields, name, dict_hash(name));
    if (f != NULL)
        hash_field_of(f, out);
    return f != NULL;
}

bool hash_is_dead(const struct keyspace *ks, const struct hash_field *f)
{
    return f->deadline != DEADLINE_NONE && f->deadline < ks->now_ms;
}

void hash_random(const struct entry *e, struct hash_field *out)
{
    if (hash_is_packed(e))
        packed_random(e, out);
    else
        hash_field_of(dict_random(&table_at(e)->fields), out);
}

int64_t hash_due(const struct entry *e)
{
    const struct hash_times *t = times_of(e);
    return t != NULL ? t->due : DEADLINE_NONE;
}

void hash_iter_begin(struct hash_iter *it, const struct entry *e)
{
    it->e = e;
    if (hash_is_packed(e))
        it->at = lp_first(packed_listpack(e));
    else
        dict_iter_begin(&it->table, &table_at(e)->fields);
}

bool hash_iter_next(struct hash_iter *it, struct hash_field *out)
{
    if (hash_is_packed(it->e)) {
        it->place = it->at;
        if (it->at == NULL)
            return false;
        it->at = packed_read(it->e, it->at, out);
        return true;
    }
    it->place = dict_iter_next(&it->table);
    if (it->place != NULL)
        hash_field_of(it->place, out);
    return it->place != NULL;
}

void hash_iter_end(struct hash_iter *it)
{
    if (!hash_is_packed(it->e))
        dict_iter_end(&it->table);
}

void hash_read(const struct entry *e, const void *place, struct hash_field *out)
{
    if (hash_is_packed(e))
        packed_read(e, place, out);
    else
        hash_field_of(place, out);
}

struct dict *hash_dict(const struct entry *e)
{
    return hash_is_packed(e) ? NULL : &table_at(e)->fields;
}

const unsigned char *hash_listpack(const struct entry *e, int *width)
{
    *width = entry_encoding(e) == ENC_LISTPACK_EX ? 3 : 2;
    return hash_is_packed(e) ? packed_listpack(e) : NULL;
}

/* -- when the fields are due ------------------------------------------------------------------- */

struct due_change {
    struct hash_at at;
    int64_t before, after;
};

static void due_store(const struct hash_at *at, int64_t before, int64_t after)
{
    times_of(at->e)->due = after;
    expiry_change(&at->ks->dbs[at->db].inner_expiry, at->key.hash, before, after);
}

static void revert_due(struct keyspace *ks, void *record)
{
    (void)ks;
    struct due_change *c = record;
    due_store(&c->at, c->after, c->before);
}

static const struct undo_kind kind_due = {"hash due", revert_due, NULL};

static void due_change(struct hash_at *at, int64_t after)
{
    int64_t before = hash_due(at->e);
    if (before == after)
        return;
    due_store(at, before, after);
    if (undo_is_open(at->ks->undo)) {
        struct due_change *c = undo_record(at->ks->undo, &kind_due, sizeof *c);
        *c = (struct due_change){*at, before, after};
    }
}

static uint64_t expiring(const struct entry *e)
{
    return hash_is_packed(e) ? packed_expiring(e) : table_at(e)->expiry.keys;
}

/* A field's deadline changed. The time may stay too early: that costs a look, and finding the next
 * one would cost more. */
static void due_follow(struct hash_at *at, int64_t before, int64_t after)
{
    int64_t due = hash_due(at->e);
    if (before == after)
        return;
    if (expiring(at->e) == 0)
        due_change(at, DEADLINE_NONE);
    else if (after != DEADLINE_NONE && (due == DEADLINE_NONE || after < due))
        due_change(at, after);
}

/* A time before which no field dies, as the hash is now. */
static int64_t next_due(const struct entry *e)
{
    return hash_is_packed(e) ? packed_earliest(e) : expiry_next(&table_at(e)->expiry);
}

/* -- forms ------------------------------------------------------------------------------------- */

static void destroy_form(struct entry *e)
{
    if (hash_is_packed(e))
        packed_destroy(e);
    else
        table_destroy(table_at(e));
}

struct form_change {
    struct entry *entry;
    enum value_encoding encoding;
    void *value; /* in that encoding */
};

static void swap_form(struct form_change *c)
{
    struct form_change now = {c->entry, entry_encoding(c->entry), entry_pointer(c->entry)};
    entry_set_encoding(c->entry, c->encoding);
    entry_set_pointer(c->entry, c->value);
    *c = now;
}

/* End the form that is not the entry's. */
static void destroy_other(struct form_change *c)
{
    swap_form(c);
    destroy_form(c->entry);
    swap_form(c);
}

static void revert_form(struct keyspace *ks, void *record)
{
    (void)ks;
    swap_form(record);
    destroy_other(record);
}

/* The entry may be gone when the section closes well: what ends the old form is not its business.
 */
static void keep_form(struct keyspace *ks, void *record)
{
    (void)ks;
    struct form_change *c = record;
    if (c->encoding == ENC_LISTPACK) {
        lp_destroy(c->value);
    } else {
        struct hash_packed *p = c->value;
        lp_destroy(p->lp);
        mem_free(p);
    }
}

static const struct undo_kind kind_form = {"hash form", revert_form, keep_form};

static void change_form(struct hash_at *at, enum value_encoding encoding, void *value)
{
    struct form_change c = {at->e, encoding, value};
    swap_form(&c);
    if (!undo_is_open(at->ks->undo)) {
        keep_form(at->ks, &c);
        return;
    }
    at->ks->undo->kept += 64 + (c.encoding == ENC_LISTPACK ? lp_memory(c.value) : 0);
    memcpy(undo_record(at->ks->undo, &kind_form, sizeof c), &c, sizeof c);
}

static void take_table(struct hash_at *at, uint64_t expected)
{
    if (hash_is_packed(at->e))
        change_form(at, ENC_HASHTABLE, table_of(at->e, expected));
}

static void allow_deadlines(struct hash_at *at)
{
    if (times_of(at->e) == NULL)
        change_form(at, ENC_LISTPACK_EX, packed_with_deadlines(at->e));
}

/* -- changing ---------------------------------------------------------------------------------- */

struct entry *hash_create(struct keyspace *ks, int db, struct key key, size_t room)
{
    unsigned char *lp = lp_create(room);
    struct entry *e =
        entry_create_word(key.name, TYPE_HASH, ENC_LISTPACK, (int64_t)(uintptr_t)lp, DEADLINE_NONE);
    keyspace_add(ks, db, e, key.hash);
    return e;
}

void hash_expect(struct hash_at *at, uint64_t fields, size_t longest)
{
    const struct limits *limits = &at->ks->limits;
    if (!hash_is_packed(at->e))
        return;
    bool many = fields > limits->hash_listpack_entries;
    if (many || longest > limits->hash_listpack_value)
        take_table(at, many ? fields : 0);
}

bool hash_set(struct hash_at *at, struct bytes name, struct bytes value, struct blob *blob,
              int64_t deadline)
{
    const struct limits *limits = &at->ks->limits;
    struct hash_change c = {name, value, blob, deadline};
    int64_t before;
    hash_expect(at, 1, name.len > value.len ? name.len : value.len);
    if (deadline != DEADLINE_NONE)
        allow_deadlines(at);
    bool is_new;
    if (!hash_is_packed(at->e)) {
        is_new = table_set(at->ks, table_at(at->e), &c, &before);
    } else {
        is_new = packed_set(at, &c, &before);
        if (blob != NULL)
            blob_release(blob);
    }
    due_follow(at, before, deadline);
    if (is_new && hash_is_packed(at->e) && packed_count(at->e) > limits->hash_listpack_entries)
        take_table(at, 0);
    return is_new;
}

bool hash_delete(struct hash_at *at, struct bytes name)
{
    int64_t before = DEADLINE_NONE;
    bool found = hash_is_packed(at->e) ? packed_delete(at, name, &before)
                                       : table_delete(at->ks, table_at(at->e), name, &before);
    due_follow(at, before, DEADLINE_NONE);
    return found;
}

void hash_set_deadline(struct hash_at *at, struct bytes name, int64_t deadline)
{
    int64_t before;
    if (deadline != DEADLINE_NONE)
        allow_deadlines(at);
    if (hash_is_packed(at->e))
        packed_set_deadline(at, name, deadline, &before);
    else
        table_set_deadline(at->ks, table_at(at->e), name, deadline, &before);
    due_follow(at, before, deadline);
}

/* -- the dead ---------------------------------------------------------------------------------- */

void hash_bury(struct hash_at *at, struct bytes name)
{
    if (at->ks->keep_expired)
        return;
    hash_delete(at, name);
    at->died++;
    at->ks->expired_fields++;
}

bool hash_find_live(struct hash_at *at, struct bytes name, struct hash_field *out)
{
    if (!hash_find(at->e, name, out))
        return false;
    if (__builtin_expect(!hash_is_dead(at->ks, out), 1))
        return true;
    hash_bury(at, name);
    return false;
}

bool hash_has_dead(const struct hash_at *at)
{
    int64_t due = hash_due(at->e);
    return due != DEADLINE_NONE && due < at->ks->now_ms;
}

void hash_bury_all(struct hash_at *at)
{
    if (at->ks->keep_expired || !hash_has_dead(at))
        return;
    uint32_t died = hash_is_packed(at->e) ? packed_expire(at, UINT32_MAX)
                                          : table_expire_all(at->ks, table_at(at->e));
    at->died += died;
    at->ks->expired_fields += died;
    due_change(at, next_due(at->e));
}

void hash_announce(struct hash_at *at)
{
    if (at->died > 0)
        keyspace_changed(at->ks, at->db, at->key.name, EVENT_HASH, "hexpired");
    at->died = 0;
}

bool hash_settle(struct hash_at *at)
{
    hash_announce(at);
    if (hash_count(at->e) > 0)
        return false;
    keyspace_remove(at->ks, at->db, at->key, false);
    keyspace_event(at->ks, at->db, at->key.name, EVENT_GENERIC, "del");
    at->e = NULL;
    return true;
}

/* -- active expiry ----------------------------------------------------------------------------- */

enum { FIELDS_A_VISIT = 64 };

/* The index asks for a new record even if the time stays what it was: the sweep has taken the old
 * one out. */
static void file_again(struct hash_at *at)
{
    struct expiry *x = &at->ks->dbs[at->db].inner_expiry;
    struct hash_times *times = times_of(at->e);
    if (times->due != DEADLINE_NONE)
        expiry_drop(x, times->due);
    times->due = next_due(at->e);
    if (times->due != DEADLINE_NONE)
        expiry_add(x, at->key.hash, times->due);
}

void hash_visit(struct keyspace *ks, int db, struct entry *e)
{
    struct bytes name = entry_key(e);
    char small[64], *copy = name.len <= sizeof small ? small : mem_alloc(name.len);
    memcpy(copy, name.ptr, name.len);
    struct hash_at at = {ks, db, key_of(bytes_of(copy, name.len)), e, 0};
    at.died = hash_is_packed(e) ? packed_expire(&at, FIELDS_A_VISIT)
                                : table_expire(ks, table_at(e), FIELDS_A_VISIT);
    ks->expired_fields += at.died;
    file_again(&at);
    hash_settle(&at);
    if (copy != small)
        mem_free(copy);
}

/* -- the row in value.c ------------------------------------------------------------------------ */

void hash_free_value(struct entry *e)
{
    destroy_form(e);
}

uint64_t hash_free_effort(const struct entry *e)
{
    return hash_is_packed(e) ? 1 : table_at(e)->fields.count;
}

static size_t table_memory(const struct hash_table *t, uint64_t samples)
{
    size_t total = mem_usable(sizeof *t) + dict_memory(&t->fields) + expiry_memory(&t->expiry);
    size_t seen = 0;
    uint64_t count = 0;
    struct dict_iter it;
    dict_iter_begin(&it, (struct dict *)&t->fields); /* holds the table, changes nothing */
    for (struct entry *f; (f = dict_iter_next(&it)) != NULL && (samples == 0 || count < samples);) {
        seen += keyspace_entry_memory(f, 1);
        count++;
    }
    dict_iter_end(&it);
    return count > 0 ? total + (size_t)((double)seen / (double)count * (double)t->fields.count)
                     : total;
}

size_t hash_memory(const struct entry *e, uint64_t samples)
{
    if (!hash_is_packed(e))
        return table_memory(table_at(e), samples);
    size_t ex = entry_encoding(e) == ENC_LISTPACK_EX ? mem_usable(sizeof(struct hash_packed)) : 0;
    return ex + lp_memory(packed_listpack(e));
}

struct entry *hash_copy(const struct entry *e, struct bytes key, int64_t deadline)
{
    void *value;
    if (entry_encoding(e) == ENC_HASHTABLE) {
        value = table_of(e, hash_count(e));
    } else if (entry_encoding(e) == ENC_LISTPACK) {
        value = lp_copy(packed_listpack(e));
    } else {
        struct hash_packed *p = mem_alloc(sizeof *p);
        *p = *(const struct hash_packed *)entry_pointer(e);
        p->lp = lp_copy(p->lp);
        value = p;
    }
    return entry_create_word(key, TYPE_HASH, entry_encoding(e), (int64_t)(uintptr_t)value,
                             deadline);
}

void hash_check(const struct entry *e)
{
    uint64_t count = 0, with_deadline = 0;
    int64_t due = hash_due(e);
    struct hash_iter it;
    struct hash_field f;
    hash_iter_begin(&it, e);
    for (; hash_iter_next(&it, &f); count++) {
        if (f.deadline == DEADLINE_NONE)
            continue;
        with_deadline++;
        if (due == DEADLINE_NONE || due > f.deadline)
            abort();
    }
    hash_iter_end(&it);
    if (count != hash_count(e) || with_deadline != expiring(e) ||
        (with_deadline == 0) != (due == DEADLINE_NONE))
        abort();
    if (!hash_is_packed(e)) {
        dict_check(&table_at(e)->fields);
        expiry_check(&table_at(e)->expiry, &table_at(e)->fields);
    }
}

uint64_t hash_print(const struct keyspace *ks, const struct entry *e, struct bytes member)
{
    struct hash_field f;
    if (!hash_find(e, member, &f) || hash_is_dead(ks, &f))
        return 0;
    return (dict_hash(f.value) ^ (uint64_t)f.deadline * 0x9E3779B97F4A7C15u) | 1;
}
