/*
 * rdb_zset.c - sorted sets in the dump format.
 *
 * A small one is written as the listpack that it is, a large one as members with binary scores, the
 * highest first, which is how Redis builds its own order fastest.
 */
#include <math.h>

#include "storage/listpack.h"
#include "storage/snapshot/rdb_object.h"
#include "storage/snapshot/rdb_packed.h"
#include "storage/value.h"
#include "storage/zset.h"

/* -- writing ----------------------------------------------------------------------------------- */

enum rdb_type rdb_zset_type(const struct entry *e)
{
    return zset_listpack(e) != NULL ? RDB_ZSET_LISTPACK : RDB_ZSET_2;
}

void rdb_zset_write(struct rdb_writer *w, const struct entry *e)
{
    const unsigned char *lp = zset_listpack(e);
    if (lp != NULL) {
        rdb_write_string(w, bytes_of(lp, lp_bytes(lp)));
        return;
    }
    struct zset_iter it;
    struct zset_item item;
    uint64_t count = zset_count(e);
    rdb_write_length(w, count);
    zset_iter_begin(&it, e, count - 1, true);
    while (zset_iter_next(&it, &item)) {
        rdb_write_string(w, item.name);
        rdb_write_double(w, item.score);
    }
}

/* -- reading ----------------------------------------------------------------------------------- */

static void add(struct rdb_reader *r, struct zset_builder *b, struct bytes name, double score)
{
    bool fresh;
    double *place = zset_builder_score(b, name, &fresh);
    if (!fresh || isnan(score))
        rdb_fail(r);
    *place = score + 0.0; /* there is no negative zero */
}

static struct entry *finish(struct rdb_reader *r, const struct rdb_place *place,
                            struct zset_builder *b)
{
    struct entry *e = zset_builder_finish(b, place->limits, place->key);
    if (!r->failed || e == NULL)
        return e;
    value_end(e);
    return NULL;
}

static struct entry *read_members(struct rdb_reader *r, enum rdb_type type,
                                  const struct rdb_place *place)
{
    enum { LEAST = 2 }; /* bytes of a member and its score */
    struct zset_builder b;
    uint64_t count = rdb_read_count(r, LEAST);
    zset_builder_init(&b);
    for (uint64_t i = 0; i < count && !r->failed; i++) {
        struct rdb_string s;
        rdb_read_string(r, &s);
        double score = type == RDB_ZSET ? rdb_read_text_double(r) : rdb_read_double(r);
        if (!r->failed)
            add(r, &b, s.text, score);
        rdb_string_end(&s);
    }
    return finish(r, place, &b);
}

static bool score_at(const unsigned char *at, double *score)
{
    struct lp_value v = lp_get(at);
    *score = (double)v.number;
    return v.is_int || number_parse_double(v.bytes, score);
}

/* Distinct members in order: as we pack them ourselves. */
static bool is_in_order(const unsigned char *lp)
{
    struct bytes before = {NULL, 0};
    double before_score = -INFINITY;
    char scratch[2][NUMBER_TEXT_MAX];
    int turn = 0;
    for (const unsigned char *at = lp_first(lp); at != NULL; turn = !turn) {
        double score;
        struct bytes name = lp_text(at, scratch[turn]);
        at = lp_next(lp, at);
        score_at(at, &score);
        if (score < before_score ||
            (score == before_score && before.ptr != NULL && bytes_compare(before, name) >= 0))
            return false;
        at = lp_next(lp, at);
        before = name;
        before_score = score;
    }
    return rdb_packed_distinct(lp, 2);
}

static struct entry *unpack(struct rdb_reader *r, const struct rdb_place *place,
                            const unsigned char *lp)
{
    struct zset_builder b;
    zset_builder_init(&b);
    for (const unsigned char *at = lp_first(lp); at != NULL && !r->failed;) {
        char scratch[NUMBER_TEXT_MAX];
        double score;
        struct bytes name = lp_text(at, scratch);
        at = lp_next(lp, at);
        score_at(at, &score);
        add(r, &b, name, score);
        at = lp_next(lp, at);
    }
    return finish(r, place, &b);
}

static bool has_scores(const unsigned char *lp)
{
    double score;
    for (const unsigned char *at = lp_seek(lp, 1); at != NULL;) {
        if (!score_at(at, &score))
            return false;
        at = lp_next(lp, at);
        at = at != NULL ? lp_next(lp, at) : NULL;
    }
    return lp_count(lp) % 2 == 0;
}

static struct entry *read_packed(struct rdb_reader *r, enum rdb_packing packing,
                                 const struct rdb_place *place)
{
    unsigned char *lp = rdb_read_packed(r, packing);
    struct entry *e = NULL;
    if (lp == NULL && packing == RDB_ZIPLIST)
        r->why = "Zset ziplist integrity check failed";
    if (lp != NULL && !has_scores(lp))
        rdb_fail(r);
    if (!r->failed && lp_first(lp) != NULL) {
        if (lp_count(lp) / 2 <= place->limits->zset_listpack_entries && is_in_order(lp))
            return zset_of_listpack(place->key, lp);
        e = unpack(r, place, lp);
    }
    lp_destroy(lp);
    return e;
}

struct entry *rdb_zset_read(struct rdb_reader *r, enum rdb_type type, const struct rdb_place *place)
{
    switch (type) {
    case RDB_ZSET_ZIPLIST:
        return read_packed(r, RDB_ZIPLIST, place);
    case RDB_ZSET_LISTPACK:
        return read_packed(r, RDB_LISTPACK, place);
    default:
        return read_members(r, type, place);
    }
}
