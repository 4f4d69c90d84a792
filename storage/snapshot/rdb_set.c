/*
 * rdb_set.c - sets in the dump format.
 *
 * A set of integers is written as the array that it is; all others member by member, since Redis
 * 7.0 does not know packed ones.
 */
#include "storage/intset.h"
#include "storage/listpack.h"
#include "storage/listpack_element.h"
#include "storage/set.h"
#include "storage/snapshot/rdb_object.h"
#include "storage/snapshot/rdb_packed.h"
#include "storage/value.h"

/* -- writing ----------------------------------------------------------------------------------- */

enum rdb_type rdb_set_type(const struct entry *e)
{
    return entry_encoding(e) == ENC_INTSET ? RDB_SET_INTSET : RDB_SET;
}

void rdb_set_write(struct rdb_writer *w, const struct entry *e)
{
    if (entry_encoding(e) == ENC_INTSET) {
        rdb_write_string(w, intset_view(entry_pointer(e)));
        return;
    }
    struct set_iter it;
    struct set_member m;
    rdb_write_length(w, set_count(e));
    set_iter_begin(&it, e);
    while (set_iter_next(&it, &m))
        rdb_write_string(w, m.text);
    set_iter_end(&it);
}

/* -- reading ----------------------------------------------------------------------------------- */

/* Add a member to *e, which is made for so many of them with the first one. */
static void add(struct rdb_reader *r, const struct rdb_place *place, struct entry **e,
                struct bytes member, uint64_t members)
{
    if (*e == NULL)
        *e = set_create(place->limits, place->key, member, members);
    struct set_at at = {*e, place->limits, NULL};
    if (!set_add(&at, member))
        rdb_fail(r);
}

static void read_members(struct rdb_reader *r, const struct rdb_place *place, struct entry **e)
{
    uint64_t count = rdb_read_count(r, 1);
    for (uint64_t i = 0; i < count && !r->failed; i++) {
        struct rdb_string s;
        if (rdb_read_string(r, &s))
            add(r, place, e, s.text, count);
        rdb_string_end(&s);
    }
}

static void read_ints(struct rdb_reader *r, const struct rdb_place *place, struct entry **e)
{
    struct rdb_string s;
    if (!rdb_read_string(r, &s) || !intset_validate(s.text)) {
        rdb_fail(r);
    } else {
        struct rdb_reader ints = rdb_reader(s.text);
        uint32_t width = rdb_read_u32(&ints), count = rdb_read_u32(&ints);
        int unused = width > 0 && width < 8 ? 64 - 8 * (int)width : 0;
        for (uint32_t i = 0; i < count && !r->failed; i++) {
            char text[NUMBER_TEXT_MAX];
            uint64_t bits = element_get_le(ints.at + (size_t)i * width, (int)width);
            size_t len = number_format_i64(text, (int64_t)(bits << unused) >> unused);
            add(r, place, e, bytes_of(text, len), count);
        }
    }
    rdb_string_end(&s);
}

static void read_packed(struct rdb_reader *r, const struct rdb_place *place, struct entry **e)
{
    char scratch[NUMBER_TEXT_MAX];
    unsigned char *lp = rdb_read_packed(r, RDB_LISTPACK);
    if (lp == NULL || lp_first(lp) == NULL) {
        lp_destroy(lp);
        return;
    }
    uint32_t count = lp_count(lp);
    if (count <= place->limits->set_listpack_entries) {
        if (!rdb_packed_distinct(lp, 1))
            rdb_fail(r);
        *e = set_of_listpack(place->key, lp);
        return;
    }
    for (const unsigned char *at = lp_first(lp); at != NULL && !r->failed; at = lp_next(lp, at))
        add(r, place, e, lp_text(at, scratch), count);
    lp_destroy(lp);
}

struct entry *rdb_set_read(struct rdb_reader *r, enum rdb_type type, const struct rdb_place *place)
{
    struct entry *e = NULL;
    if (type == RDB_SET_INTSET)
        read_ints(r, place, &e);
    else if (type == RDB_SET_LISTPACK)
        read_packed(r, place, &e);
    else
        read_members(r, place, &e);
    if (!r->failed || e == NULL)
        return e;
    value_end(e);
    return NULL;
}
