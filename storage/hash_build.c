/*
 * hash_build.c - hashes made at once, from what was dumped or saved.
 *
 * Fields are collected in a table, which finds those that come twice; what turns out to be small is
 * packed at the end. Nothing here is in a keyspace, so nothing is recorded for undo.
 */
#include "base/memory.h"
#include "storage/hash_forms.h"
#include "storage/listpack.h"

static struct entry *wrap(struct bytes key, enum value_encoding form, void *value)
{
    return entry_create_word(key, TYPE_HASH, form, (int64_t)(uintptr_t)value, DEADLINE_NONE);
}

void hash_builder_init(struct hash_builder *b, uint64_t expected)
{
    b->fields = table_create(expected);
    b->longest = 0;
}

bool hash_builder_add(struct hash_builder *b, struct bytes name, struct bytes value,
                      int64_t deadline)
{
    size_t longer = name.len > value.len ? name.len : value.len;
    if (longer > b->longest)
        b->longest = longer;
    return table_add(b->fields, &(struct hash_change){name, value, NULL, deadline});
}

static unsigned char *pack(const struct entry *table, int width)
{
    unsigned char *lp = lp_create(0);
    struct hash_iter it;
    struct hash_field f;
    hash_iter_begin(&it, table);
    while (hash_iter_next(&it, &f)) {
        lp = lp_append(lp_append(lp, f.name), f.value);
        if (width == 3)
            lp = lp_append_int(lp, f.deadline != DEADLINE_NONE ? f.deadline : 0);
    }
    hash_iter_end(&it);
    return lp_shrink(lp);
}

struct entry *hash_builder_finish(struct hash_builder *b, const struct limits *limits,
                                  struct bytes key)
{
    struct hash_table *t = b->fields;
    uint64_t count = t->fields.count;
    if (count == 0) {
        table_destroy(t);
        return NULL;
    }
    t->times.due = expiry_next(&t->expiry);
    struct entry *e = wrap(key, ENC_HASHTABLE, t);
    if (count > limits->hash_listpack_entries || b->longest > limits->hash_listpack_value)
        return e;
    int width = t->expiry.keys > 0 ? 3 : 2;
    struct entry *packed = hash_of_listpack(key, pack(e, width), width);
    table_destroy(t);
    entry_free_shell(e);
    return packed;
}

struct entry *hash_of_listpack(struct bytes key, unsigned char *lp, int width)
{
    if (width == 2)
        return wrap(key, ENC_LISTPACK, lp);
    struct hash_packed *p = mem_alloc(sizeof *p);
    *p = (struct hash_packed){.times = {DEADLINE_NONE}, .lp = lp};
    struct entry *e = wrap(key, ENC_LISTPACK_EX, p);
    struct hash_iter it;
    struct hash_field f;
    hash_iter_begin(&it, e);
    while (hash_iter_next(&it, &f))
        p->expiring += f.deadline != DEADLINE_NONE;
    hash_iter_end(&it);
    p->times.due = packed_earliest(e);
    return e;
}
