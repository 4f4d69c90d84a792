/*
 * zset.c - sorted sets: the two forms, and what takes a change back.
 *
 * A change of one member is undone by a record of the member's name and score as they were, applied
 * to whatever form the set has then. A change of form puts another value behind the same entry; its
 * record keeps the old value, whose size the limits of the small form bound.
 *
 * Where many members are removed at once, they are detached from the order and stay in the table
 * for a while: the order says who is a member. Such remains are met by whoever looks into the
 * table; a new member of the same name takes their place. They end when the keyspace visits the
 * set. None come about in a section.
 */
#include "storage/zset.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "storage/listpack.h"
#include "storage/undo.h"
#include "storage/zset_forms.h"

static struct bytes key_of_ranked(const void *entry)
{
    return ranked_name(entry);
}

const struct dict_type zset_members = {key_of_ranked};

static bool is_small(const struct entry *e)
{
    return entry_encoding(e) == ENC_LISTPACK;
}

static struct zset *large_of(const struct entry *e)
{
    return entry_pointer(e);
}

/* -- the small form ---------------------------------------------------------------------------- */

static double small_score(const unsigned char *at)
{
    struct lp_value v = lp_get(at);
    double score = 0;
    if (v.is_int)
        return (double)v.number;
    number_parse_double(v.bytes, &score);
    return score;
}

/* The member's place, or the place of its successor in order; NULL: the end. */
static unsigned char *small_seek(const unsigned char *lp, double score, struct bytes name)
{
    char scratch[NUMBER_TEXT_MAX];
    unsigned char *at = lp_first(lp);
    while (at != NULL) {
        unsigned char *value = lp_next(lp, at);
        double other = small_score(value);
        if (other > score || (other == score && bytes_compare(lp_text(at, scratch), name) >= 0))
            return at;
        at = lp_next(lp, value);
    }
    return NULL;
}

/* A score as it is packed: as in Redis, the negative zero becomes the other one. */
static struct bytes small_text(double score, char text[NUMBER_DOUBLE_MAX])
{
    return bytes_of(text, number_format_double(text, score + 0.0));
}

unsigned char *zset_small_append(unsigned char *lp, struct bytes name, double score)
{
    char text[NUMBER_DOUBLE_MAX];
    return lp_append(lp_append(lp, name), small_text(score, text));
}

static unsigned char *small_add(unsigned char *lp, struct bytes name, double score)
{
    char text[NUMBER_DOUBLE_MAX];
    unsigned char *at = small_seek(lp, score, name);
    if (at == NULL)
        return zset_small_append(lp, name, score);
    lp = lp_insert_before(lp, &at, name);
    return lp_insert_after(lp, &at, small_text(score, text));
}

static unsigned char *small_drop(unsigned char *lp, unsigned char *at)
{
    return lp_delete(lp, &at, 2);
}

bool zset_small_suits(const struct limits *limits, uint64_t members, size_t longest)
{
    return members <= limits->zset_listpack_entries && longest <= limits->zset_listpack_value;
}

/* -- the large form ---------------------------------------------------------------------------- */

static struct zset *large_create(void)
{
    struct zset *z = mem_alloc(sizeof *z);
    dict_init(&z->members, &zset_members);
    ranktree_init(&z->order);
    z->due = DEADLINE_NONE;
    return z;
}

static void large_destroy(struct zset *z)
{
    struct rank_cursor c = {NULL, 0};
    if (z->order.count > 0)
        c = ranktree_seek(&z->order, 0);
    for (struct ranked *m; (m = rank_cursor_get(&c)) != NULL;) {
        rank_cursor_next(&c);
        ranked_destroy(m);
    }
    struct ranked *removed[RANK_COLLECT];
    for (int count; (count = ranktree_collect(&z->order, removed)) > 0;)
        for (int i = 0; i < count; i++)
            ranked_destroy(removed[i]);
    ranktree_fini(&z->order);
    dict_fini(&z->members);
    mem_free(z);
}

static void large_add(struct zset *z, struct bytes name, uint64_t hash, double score)
{
    struct ranked *m = ranked_create(name, score), *remains = NULL;
    if (__builtin_expect(z->due != DEADLINE_NONE, 0))
        remains = dict_find(&z->members, name, hash);
    if (remains != NULL)
        dict_replace(&z->members, remains, m, hash);
    else
        dict_insert(&z->members, m, hash);
    ranktree_insert(&z->order, m);
}

static void large_drop(struct zset *z, struct ranked *m, uint64_t hash)
{
    ranktree_remove(&z->order, m);
    dict_remove(&z->members, ranked_name(m), hash);
    ranked_destroy(m);
}

enum {
    GROUP = 16,
    DETACH_FROM = 256,  /* members: fewer are removed one by one */
    GROUPS_A_VISIT = 4, /* of RANK_COLLECT members */
};

/* Drop so many from this rank on, at most GROUP: their part of the table is fetched together. */
static void large_drop_some(struct zset *z, uint64_t rank, int count)
{
    struct ranked *members[GROUP];
    uint64_t hashes[GROUP];
    struct rank_cursor c = ranktree_seek(&z->order, rank);
    for (int i = 0; i < count; i++, rank_cursor_next(&c)) {
        members[i] = rank_cursor_get(&c);
        hashes[i] = dict_hash(ranked_name(members[i]));
        dict_prefetch_bucket(&z->members, hashes[i]);
    }
    for (int i = 0; i < count; i++)
        large_drop(z, members[i], hashes[i]);
}

/* -- what was detached ------------------------------------------------------------------------- */

static bool is_live(const struct zset *z, const struct ranked *m)
{
    return __builtin_expect(z->due == DEADLINE_NONE, 1) || ranktree_holds(&z->order, m);
}

/* End some of the remains. A new member may have taken their place in the table. */
static void end_some(struct zset *z, int count, struct ranked **remains)
{
    uint64_t hashes[RANK_COLLECT];
    for (int i = 0; i < count; i++)
        __builtin_prefetch(remains[i]);
    for (int i = 0; i < count; i++) {
        hashes[i] = dict_hash(ranked_name(remains[i]));
        dict_prefetch_bucket(&z->members, hashes[i]);
    }
    for (int i = 0; i < count; i++) {
        struct bytes name = ranked_name(remains[i]);
        if (dict_find(&z->members, name, hashes[i]) == remains[i])
            dict_remove(&z->members, name, hashes[i]);
        ranked_destroy(remains[i]);
    }
}

int64_t zset_due(const struct entry *e)
{
    return is_small(e) ? DEADLINE_NONE : large_of(e)->due;
}

/* The visit has taken the set's record out of the index: it is filed again, or forgotten. */
void zset_visit(struct keyspace *ks, int db, struct entry *e)
{
    struct zset *z = large_of(e);
    struct ranked *remains[RANK_COLLECT];
    struct expiry *index = &ks->dbs[db].inner_expiry;
    for (int groups = 0; groups < GROUPS_A_VISIT; groups++)
        end_some(z, ranktree_collect(&z->order, remains), remains);
    expiry_drop(index, z->due);
    if (z->order.detached > 0)
        expiry_add(index, dict_hash(entry_key(e)), z->due);
    else
        z->due = DEADLINE_NONE;
}

bool zset_is_member(const struct entry *e, const struct ranked *m)
{
    return is_live(large_of(e), m);
}

static void value_destroy(void *value, enum value_encoding form)
{
    if (form == ENC_LISTPACK)
        lp_destroy(value);
    else
        large_destroy(value);
}

/* -- reading ----------------------------------------------------------------------------------- */

uint64_t zset_count(const struct entry *e)
{
    return is_small(e) ? lp_count(entry_pointer(e)) / 2 : large_of(e)->order.count;
}

bool zset_find(const struct entry *e, struct bytes name, struct zset_place *out)
{
    *out = (struct zset_place){.name = name};
    if (is_small(e)) {
        const unsigned char *lp = entry_pointer(e);
        unsigned char *at = lp_find(lp, lp_first(lp), name, 1);
        out->at = at;
        if (at != NULL)
            out->score = small_score(lp_next(lp, at));
    } else {
        out->hash = dict_hash(name);
        struct ranked *m = dict_find(&large_of(e)->members, name, out->hash);
        if (m != NULL && is_live(large_of(e), m)) {
            out->at = m;
            out->score = m->score;
        }
    }
    return out->at != NULL;
}

uint64_t zset_rank(const struct entry *e, const struct zset_place *place)
{
    if (!is_small(e))
        return ranktree_rank(&large_of(e)->order, place->at);
    const unsigned char *lp = entry_pointer(e);
    uint64_t elements = 0;
    for (const unsigned char *at = lp_first(lp); at != place->at; at = lp_next(lp, at))
        elements++;
    return elements / 2;
}

uint64_t zset_cut(const struct entry *e, const struct rank_cut *cut)
{
    if (!is_small(e))
        return ranktree_cut(&large_of(e)->order, cut);
    const unsigned char *lp = entry_pointer(e);
    uint64_t before = 0;
    char scratch[NUMBER_TEXT_MAX];
    for (const unsigned char *at = lp_first(lp); at != NULL; before++) {
        const unsigned char *value = lp_next(lp, at);
        if (!rank_cut_is_behind(cut, small_score(value), lp_text(at, scratch)))
            break;
        at = lp_next(lp, value);
    }
    return before;
}

void zset_iter_begin(struct zset_iter *it, const struct entry *e, uint64_t rank, bool backwards)
{
    *it = (struct zset_iter){.e = e, .backwards = backwards};
    if (is_small(e))
        it->at = lp_seek(entry_pointer(e), (int64_t)rank * 2);
    else
        it->cursor = ranktree_seek(&large_of(e)->order, rank);
}

static bool small_iter_next(struct zset_iter *it, struct zset_item *out)
{
    const unsigned char *lp = entry_pointer(it->e), *at = it->at;
    if (at == NULL)
        return false;
    const unsigned char *value = lp_next(lp, at);
    out->name = lp_text(at, out->scratch);
    out->score = small_score(value);
    if (it->backwards) {
        const unsigned char *before = lp_prev(lp, at);
        it->at = before != NULL ? lp_prev(lp, before) : NULL;
    } else {
        it->at = lp_next(lp, value);
    }
    return true;
}

bool zset_iter_next(struct zset_iter *it, struct zset_item *out)
{
    if (is_small(it->e))
        return small_iter_next(it, out);
    const struct ranked *m = rank_cursor_get(&it->cursor);
    if (m == NULL)
        return false;
    out->name = ranked_name(m);
    out->score = m->score;
    if (it->backwards)
        rank_cursor_prev(&it->cursor);
    else
        rank_cursor_next(&it->cursor);
    return true;
}

struct dict *zset_dict(const struct entry *e)
{
    return is_small(e) ? NULL : &large_of(e)->members;
}

/* -- taking back ------------------------------------------------------------------------------- */

static const struct limits unlimited = {
    .zset_listpack_entries = UINT64_MAX,
    .zset_listpack_value = UINT64_MAX,
};

/* A member as it was. */
struct member_change {
    struct entry *entry;
    double score;
    size_t len;
    bool existed;
    char name[];
};

static void revert_member(struct keyspace *ks, void *record)
{
    (void)ks;
    const struct member_change *c = record;
    struct zset_at at = {c->entry, &unlimited, NULL};
    struct zset_place place;
    zset_find(c->entry, bytes_of(c->name, c->len), &place);
    if (c->existed)
        zset_put(&at, &place, c->score);
    else
        zset_remove(&at, &place);
}

static const struct undo_kind kind_member = {"zset member", revert_member, NULL};

static void record_member(const struct zset_at *at, struct bytes name, bool existed, double score)
{
    if (at->log == NULL || !undo_is_open(at->log))
        return;
    struct member_change *c = undo_record(at->log, &kind_member, sizeof *c + name.len);
    c->entry = at->e;
    c->score = score;
    c->len = name.len;
    c->existed = existed;
    memcpy(c->name, name.ptr, name.len);
}

/* The value that another one has taken the place of. */
struct form_change {
    struct entry *entry;
    void *value;
    enum value_encoding form;
};

static void revert_form(struct keyspace *ks, void *record)
{
    (void)ks;
    const struct form_change *c = record;
    value_destroy(entry_pointer(c->entry), entry_encoding(c->entry));
    entry_set_pointer(c->entry, c->value);
    entry_set_encoding(c->entry, c->form);
}

static void keep_form(struct keyspace *ks, void *record)
{
    (void)ks;
    const struct form_change *c = record;
    value_destroy(c->value, c->form);
}

static const struct undo_kind kind_form = {"zset form", revert_form, keep_form};

/* -- changing ---------------------------------------------------------------------------------- */

/* All members of a listpack, as a large set. */
static struct zset *large_from_small(const unsigned char *lp)
{
    struct zset *z = large_create();
    char scratch[NUMBER_TEXT_MAX];
    for (const unsigned char *at = lp_first(lp); at != NULL;) {
        const unsigned char *value = lp_next(lp, at);
        struct bytes name = lp_text(at, scratch);
        large_add(z, name, dict_hash(name), small_score(value));
        at = lp_next(lp, value);
    }
    return z;
}

static void grow_large(const struct zset_at *at)
{
    unsigned char *lp = entry_pointer(at->e);
    entry_set_pointer(at->e, large_from_small(lp));
    entry_set_encoding(at->e, ENC_SKIPLIST);
    if (at->log != NULL && undo_is_open(at->log)) {
        at->log->kept += lp_memory(lp);
        struct form_change *c = undo_record(at->log, &kind_form, sizeof *c);
        *c = (struct form_change){at->e, lp, ENC_LISTPACK};
    } else {
        lp_destroy(lp);
    }
}

struct entry *zset_create(const struct limits *limits, struct bytes key, uint64_t members,
                          size_t longest)
{
    bool small = zset_small_suits(limits, members, longest);
    void *value = small ? (void *)lp_create(0) : large_create();
    return entry_create_word(key, TYPE_ZSET, small ? ENC_LISTPACK : ENC_SKIPLIST,
                             (int64_t)(intptr_t)value, DEADLINE_NONE);
}

static void put_new(const struct zset_at *at, const struct zset_place *place, double score)
{
    uint64_t hash = place->hash;
    if (is_small(at->e)) {
        unsigned char *lp = entry_pointer(at->e);
        if (zset_small_suits(at->limits, zset_count(at->e) + 1, place->name.len) &&
            lp_has_room(lp, place->name.len + 64)) {
            entry_set_pointer(at->e, small_add(lp, place->name, score));
            return;
        }
        grow_large(at);
        hash = dict_hash(place->name);
    }
    large_add(large_of(at->e), place->name, hash, score);
}

void zset_put(const struct zset_at *at, const struct zset_place *place, double score)
{
    if (place->at == NULL) {
        put_new(at, place, score);
        record_member(at, place->name, false, 0);
        return;
    }
    if (place->score == score)
        return;
    record_member(at, place->name, true, place->score);
    if (is_small(at->e)) {
        unsigned char *lp = small_drop(entry_pointer(at->e), place->at);
        entry_set_pointer(at->e, small_add(lp, place->name, score));
    } else {
        ranktree_rescore(&large_of(at->e)->order, place->at, score);
    }
}

void zset_remove(const struct zset_at *at, const struct zset_place *place)
{
    assert(place->at != NULL);
    record_member(at, place->name, true, place->score);
    if (is_small(at->e))
        entry_set_pointer(at->e, small_drop(entry_pointer(at->e), place->at));
    else
        large_drop(large_of(at->e), place->at, place->hash);
}

static void record_ranks(const struct zset_at *at, uint64_t rank, uint64_t count)
{
    struct zset_iter it;
    struct zset_item item;
    zset_iter_begin(&it, at->e, rank, false);
    while (count-- > 0 && zset_iter_next(&it, &item))
        record_member(at, item.name, true, item.score);
}

void zset_remove_ranks(const struct zset_at *at, uint64_t rank, uint64_t count)
{
    if (count == 0)
        return;
    if (at->log != NULL && undo_is_open(at->log))
        record_ranks(at, rank, count);
    if (is_small(at->e)) {
        unsigned char *lp = entry_pointer(at->e);
        entry_set_pointer(at->e, lp_delete_range(lp, (int64_t)rank * 2, (uint32_t)count * 2));
        return;
    }
    struct zset *z = large_of(at->e);
    while (count > 0) {
        int some = count < GROUP ? (int)count : GROUP;
        large_drop_some(z, rank, some);
        count -= (uint64_t)some;
    }
}

void zset_remove_span(struct keyspace *ks, int db, struct entry *e, uint64_t rank, uint64_t count)
{
    if (is_small(e) || count < DETACH_FROM || undo_is_open(ks->undo)) {
        struct zset_at at = zset_in(ks, e);
        zset_remove_ranks(&at, rank, count);
        return;
    }
    struct zset *z = large_of(e);
    ranktree_detach(&z->order, rank, count);
    if (z->due == DEADLINE_NONE) {
        z->due = ks->now_ms;
        expiry_add(&ks->dbs[db].inner_expiry, dict_hash(entry_key(e)), z->due);
    }
}

/* -- the row in value.c ------------------------------------------------------------------------ */

void zset_free_value(struct entry *e)
{
    value_destroy(entry_pointer(e), entry_encoding(e));
}

uint64_t zset_free_effort(const struct entry *e)
{
    return is_small(e) ? 1 : large_of(e)->order.count + large_of(e)->order.detached;
}

size_t zset_memory(const struct entry *e, uint64_t samples)
{
    if (is_small(e))
        return lp_memory(entry_pointer(e));
    const struct zset *z = large_of(e);
    uint64_t count = z->order.count, looked = 0;
    size_t size = mem_usable(sizeof *z) + dict_memory(&z->members) + ranktree_memory(&z->order);
    size_t members = 0;
    if (count == 0)
        return size;
    if (samples == 0 || samples > count)
        samples = count;
    struct rank_cursor c = ranktree_seek(&z->order, 0);
    for (; looked < samples; looked++, rank_cursor_next(&c))
        members += ranked_memory(rank_cursor_get(&c));
    count += z->order.detached;
    return size + (size_t)((double)members / (double)looked * (double)count);
}

struct entry *zset_copy(const struct entry *e, struct bytes key, int64_t deadline)
{
    void *value;
    if (is_small(e)) {
        value = lp_copy(entry_pointer(e));
    } else {
        struct zset *z = large_create();
        struct zset_iter it;
        struct zset_item item;
        dict_expect(&z->members, zset_count(e));
        zset_iter_begin(&it, e, 0, false);
        while (zset_iter_next(&it, &item))
            large_add(z, item.name, dict_hash(item.name), item.score);
        value = z;
    }
    return entry_create_word(key, TYPE_ZSET, entry_encoding(e), (int64_t)(intptr_t)value, deadline);
}

static void check(bool truth)
{
    if (!truth)
        abort();
}

static void small_check(const unsigned char *lp)
{
    check(lp_validate(lp, lp_bytes(lp), true) && lp_count(lp) % 2 == 0);
    char scratch[2][NUMBER_TEXT_MAX];
    const unsigned char *before = NULL;
    for (const unsigned char *at = lp_first(lp); at != NULL; at = lp_next(lp, lp_next(lp, at))) {
        if (before != NULL) {
            double a = small_score(lp_next(lp, before)), b = small_score(lp_next(lp, at));
            check(a < b || (a == b && bytes_compare(lp_text(before, scratch[0]),
                                                    lp_text(at, scratch[1])) < 0));
        }
        before = at;
    }
}

void zset_check(const struct entry *e)
{
    if (is_small(e)) {
        small_check(entry_pointer(e));
        return;
    }
    struct zset *z = large_of(e);
    ranktree_check(&z->order);
    dict_check(&z->members);
    check((z->due == DEADLINE_NONE) == (z->order.detached == 0));
    uint64_t live = 0;
    struct dict_iter it;
    dict_iter_begin(&it, &z->members);
    for (struct ranked *m; (m = dict_iter_next(&it)) != NULL;)
        live += ranktree_holds(&z->order, m);
    dict_iter_end(&it);
    check(live == z->order.count && z->members.count <= live + z->order.detached);
}

uint64_t zset_print(const struct keyspace *ks, const struct entry *e, struct bytes member)
{
    struct zset_place place;
    (void)ks;
    if (!zset_find(e, member, &place))
        return 0;
    double score = place.score;
    return dict_hash(bytes_of((const char *)&score, sizeof score)) | 1;
}
