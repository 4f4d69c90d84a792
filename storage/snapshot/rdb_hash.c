/*
 * rdb_hash.c - hashes in the dump format.
 *
 * Fields with deadlines came with Redis 7.4. A hash that has none is written as 7.0 knows it. One
 * that has some:
 *
 *   large  8 bytes: the earliest deadline
 *          count, then for each field: length, name, value
 *          (length: what its deadline has more than the earliest one, plus 1; 0: it has none)
 *
 *   small  8 bytes: the earliest deadline
 *          a listpack of name, value, deadline (0: it has none)
 *          (fields are in the order of their deadlines, those without behind all others)
 *
 * 7.4's release candidates wrote the same without the earliest deadline, and each field's own as it
 * is. Fields that have died in the meantime are read like all others: they are removed, and
 * counted, as if they had died here.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "storage/hash.h"
#include "storage/listpack.h"
#include "storage/snapshot/rdb_object.h"
#include "storage/snapshot/rdb_packed.h"
#include "storage/value.h"

/* -- writing ----------------------------------------------------------------------------------- */

static bool is_small(const struct entry *e)
{
    int width;
    return hash_listpack(e, &width) != NULL;
}

static bool has_deadlines(const struct entry *e)
{
    return hash_due(e) != DEADLINE_NONE;
}

enum rdb_type rdb_hash_type(const struct entry *e)
{
    if (has_deadlines(e))
        return is_small(e) ? RDB_HASH_LISTPACK_EX : RDB_HASH_METADATA;
    return is_small(e) ? RDB_HASH_LISTPACK : RDB_HASH;
}

/* The true one: hash_due() may tell a time before it. */
static int64_t earliest(const struct entry *e)
{
    int64_t found = DEADLINE_NONE;
    struct hash_iter it;
    struct hash_field f;
    hash_iter_begin(&it, e);
    while (hash_iter_next(&it, &f))
        if (f.deadline != DEADLINE_NONE && (found == DEADLINE_NONE || f.deadline < found))
            found = f.deadline;
    hash_iter_end(&it);
    return found;
}

static void write_large(struct rdb_writer *w, const struct entry *e)
{
    int64_t first = has_deadlines(e) ? earliest(e) : DEADLINE_NONE;
    struct hash_iter it;
    struct hash_field f;
    if (first != DEADLINE_NONE)
        rdb_write_u64(w, (uint64_t)first);
    rdb_write_length(w, hash_count(e));
    hash_iter_begin(&it, e);
    while (hash_iter_next(&it, &f)) {
        if (first != DEADLINE_NONE)
            rdb_write_length(w,
                             f.deadline != DEADLINE_NONE ? (uint64_t)(f.deadline - first) + 1 : 0);
        rdb_write_string(w, f.name);
        rdb_write_string(w, f.value);
    }
    hash_iter_end(&it);
}

/* A field of a small hash; without a deadline it is the last to die. */
struct dying {
    int64_t deadline;
    const unsigned char *at;
};

static int compare_dying(const void *a, const void *b)
{
    const struct dying *x = a, *y = b;
    if (x->deadline != y->deadline)
        return x->deadline < y->deadline ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static void append_field(unsigned char **lp, const struct entry *e, const unsigned char *at,
                         bool with_deadline)
{
    struct hash_field f;
    hash_read(e, at, &f);
    *lp = lp_append(lp_append(*lp, f.name), f.value);
    if (with_deadline)
        *lp = lp_append_int(*lp, f.deadline != DEADLINE_NONE ? f.deadline : 0);
}

/* The fields in order of their deadlines, if any has one; without the third element if none has. */
static unsigned char *in_order(const struct entry *e)
{
    size_t count = 0;
    struct dying *all = mem_alloc(hash_count(e) * sizeof *all);
    struct hash_iter it;
    struct hash_field f;
    hash_iter_begin(&it, e);
    while (hash_iter_next(&it, &f))
        all[count++] =
            (struct dying){f.deadline != DEADLINE_NONE ? f.deadline : INT64_MAX, it.place};
    hash_iter_end(&it);
    qsort(all, count, sizeof *all, compare_dying);
    unsigned char *lp = lp_create(0);
    for (size_t i = 0; i < count; i++)
        append_field(&lp, e, all[i].at, has_deadlines(e));
    mem_free(all);
    return lp;
}

static void write_small(struct rdb_writer *w, const struct entry *e)
{
    int width;
    const unsigned char *lp = hash_listpack(e, &width);
    unsigned char *ordered = width == 3 ? in_order(e) : NULL;
    if (has_deadlines(e))
        rdb_write_u64(w, (uint64_t)earliest(e));
    if (ordered != NULL)
        lp = ordered;
    rdb_write_string(w, bytes_of(lp, lp_bytes(lp)));
    lp_destroy(ordered);
}

void rdb_hash_write(struct rdb_writer *w, const struct entry *e)
{
    if (is_small(e))
        write_small(w, e);
    else
        write_large(w, e);
}

/* -- reading ----------------------------------------------------------------------------------- */

/* A deadline as it was written, above what it counts from; 0: none. */
static int64_t deadline_of(struct rdb_reader *r, uint64_t told, uint64_t base)
{
    if (told == 0)
        return DEADLINE_NONE;
    if (told >= HASH_DEADLINE_LIMIT || base >= HASH_DEADLINE_LIMIT ||
        told + base >= HASH_DEADLINE_LIMIT) {
        rdb_fail(r);
        return DEADLINE_NONE;
    }
    return (int64_t)(told + base);
}

/* What the deadlines count from: the earliest one is written as 1. */
static uint64_t read_base(struct rdb_reader *r, enum rdb_type type)
{
    uint64_t first = type == RDB_HASH_METADATA ? rdb_read_u64(r) : 0;
    return first > 0 ? first - 1 : 0;
}

static struct entry *finish(struct rdb_reader *r, const struct rdb_place *place,
                            struct hash_builder *b)
{
    struct entry *e = hash_builder_finish(b, place->limits, place->key);
    if (!r->failed || e == NULL)
        return e;
    value_end(e);
    return NULL;
}

static void read_field(struct rdb_reader *r, struct hash_builder *b, int64_t deadline)
{
    struct rdb_string name, value;
    rdb_read_string(r, &name);
    rdb_read_string(r, &value);
    if (!r->failed && !hash_builder_add(b, name.text, value.text, deadline))
        rdb_fail(r);
    rdb_string_end(&name);
    rdb_string_end(&value);
}

static struct entry *read_fields(struct rdb_reader *r, enum rdb_type type,
                                 const struct rdb_place *place)
{
    struct hash_builder b;
    uint64_t base = read_base(r, type), count = rdb_read_count(r, type == RDB_HASH ? 2 : 3);
    hash_builder_init(&b, count);
    for (uint64_t i = 0; i < count && !r->failed; i++) {
        int64_t deadline = DEADLINE_NONE;
        if (type != RDB_HASH)
            deadline = deadline_of(r, rdb_read_length(r), base);
        read_field(r, &b, deadline);
    }
    return finish(r, place, &b);
}

/* A listpack of threes: is each third element a deadline, and are they in their order? */
static bool has_true_deadlines(struct rdb_reader *r, const unsigned char *lp)
{
    int64_t before = 0;
    for (const unsigned char *at = lp_seek(lp, 2); at != NULL && !r->failed;) {
        struct lp_value v = lp_get(at);
        if (!v.is_int || v.number < 0)
            return false;
        int64_t deadline = deadline_of(r, (uint64_t)v.number, 0);
        if (deadline == DEADLINE_NONE)
            deadline = INT64_MAX;
        if (deadline < before)
            return false;
        before = deadline;
        for (int i = 0; i < 3 && at != NULL; i++)
            at = lp_next(lp, at);
    }
    return !r->failed;
}

/* Field by field, into the form that suits them. */
static struct entry *unpack(struct rdb_reader *r, const struct rdb_place *place,
                            const unsigned char *lp, int width)
{
    struct hash_builder b;
    hash_builder_init(&b, lp_count(lp) / (uint32_t)width);
    for (const unsigned char *at = lp_first(lp); at != NULL && !r->failed;) {
        char scratch[2][NUMBER_TEXT_MAX];
        const unsigned char *value = lp_next(lp, at);
        struct bytes name = lp_text(at, scratch[0]), text = lp_text(value, scratch[1]);
        int64_t deadline = DEADLINE_NONE;
        at = lp_next(lp, value);
        if (width == 3) {
            deadline = deadline_of(r, (uint64_t)lp_get(at).number, 0);
            at = lp_next(lp, at);
        }
        if (!hash_builder_add(&b, name, text, deadline))
            rdb_fail_for(r, "Hash listpack with dup elements");
    }
    return finish(r, place, &b);
}

static struct entry *read_packed(struct rdb_reader *r, enum rdb_packing packing, int width,
                                 const struct rdb_place *place)
{
    unsigned char *lp = rdb_read_packed(r, packing);
    struct entry *e = NULL;
    if (lp != NULL && lp_count(lp) % (uint32_t)width != 0)
        rdb_fail(r);
    if (!r->failed && width == 3 && !has_true_deadlines(r, lp))
        rdb_fail(r);
    if (!r->failed && lp_first(lp) != NULL) {
        bool fits = lp_count(lp) / (uint32_t)width <= place->limits->hash_listpack_entries;
        if (!fits || packing == RDB_ZIPMAP) {
            e = unpack(r, place, lp, width);
        } else if (rdb_packed_distinct(lp, width)) {
            return hash_of_listpack(place->key, lp, width);
        } else {
            rdb_fail_for(r, "Hash listpack with dup elements: integrity check failed");
        }
    }
    lp_destroy(lp);
    return e;
}

struct entry *rdb_hash_read(struct rdb_reader *r, enum rdb_type type, const struct rdb_place *place)
{
    switch (type) {
    case RDB_HASH_ZIPMAP:
        return read_packed(r, RDB_ZIPMAP, 2, place);
    case RDB_HASH_ZIPLIST:
        return read_packed(r, RDB_ZIPLIST, 2, place);
    case RDB_HASH_LISTPACK:
        return read_packed(r, RDB_LISTPACK, 2, place);
    case RDB_HASH_LISTPACK_EX:
        rdb_read_u64(r); /* each field tells its own */
        return read_packed(r, RDB_LISTPACK, 3, place);
    case RDB_HASH_LISTPACK_EX_RC:
        return read_packed(r, RDB_LISTPACK, 3, place);
    default:
        return read_fields(r, type, place);
    }
}
