/*
 * test_zset.c - sorted sets against a sorted array, through both forms; sections of random changes
 * taken back at every position; what they take.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "storage/undo.h"
#include "storage/value.h"
#include "storage/zset.h"

enum { NAMES = 40, KEYS = 3 };

static void seed_random(void)
{
    uint64_t seed = random_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
}

/* -- random material --------------------------------------------------------------------------- */

/* Names that are integers, short, long, and empty. */
static struct bytes name_of(int i, char room[100])
{
    if (i == 0)
        return bytes_of(room, 0);
    if (i < 15)
        return bytes_of(room, (size_t)snprintf(room, 100, "%d", i * 1000 - 7000));
    if (i == 15)
        return bytes_of(room, (size_t)snprintf(room, 100, "%080d", i));
    return bytes_of(room, (size_t)snprintf(room, 100, "member:%d", i));
}

static double random_score(void)
{
    if (random_below(20) == 0)
        return random_below(2) ? 1e308 * 10 : -1e308 * 10;
    return random_below(2) ? (double)random_below(6) : (double)random_below(100) / 8 - 3;
}

static void set_random_limits(struct keyspace *ks)
{
    ks->limits.zset_listpack_entries = random_below(3) == 0 ? 0 : random_below(30);
    ks->limits.zset_listpack_value = random_below(2) ? 90 : 30;
}

/* -- one set against a model ------------------------------------------------------------------- */

struct model {
    struct {
        int name;
        double score;
    } items[NAMES];
    int count;
};

static int compare_names(int a, int b)
{
    char room[2][100];
    return bytes_compare(name_of(a, room[0]), name_of(b, room[1]));
}

static void model_drop(struct model *m, int at)
{
    m->count--;
    memmove(m->items + at, m->items + at + 1, (size_t)(m->count - at) * sizeof *m->items);
}

static void model_put(struct model *m, int name, double score)
{
    int at = 0;
    for (int i = 0; i < m->count; i++)
        if (m->items[i].name == name)
            model_drop(m, i);
    while (at < m->count &&
           (m->items[at].score < score ||
            (m->items[at].score == score && compare_names(m->items[at].name, name) < 0)))
        at++;
    memmove(m->items + at + 1, m->items + at, (size_t)(m->count - at) * sizeof *m->items);
    m->items[at].name = name;
    m->items[at].score = score;
    m->count++;
}

static void assert_items(const struct model *m, const struct entry *e)
{
    char room[100];
    for (int i = 0; i < m->count; i++) {
        struct zset_place place;
        assert_true(zset_find(e, name_of(m->items[i].name, room), &place));
        assert_true(place.score == m->items[i].score);
        assert_int_equal(zset_rank(e, &place), i);
    }
    for (int backwards = 0; backwards < 2 && m->count > 0; backwards++) {
        struct zset_iter it;
        struct zset_item item;
        int at = (int)random_below((uint64_t)m->count), step = backwards ? -1 : 1;
        zset_iter_begin(&it, e, (uint64_t)at, backwards);
        for (; at >= 0 && at < m->count; at += step) {
            assert_true(zset_iter_next(&it, &item));
            assert_true(bytes_equal(item.name, name_of(m->items[at].name, room)));
            assert_true(item.score == m->items[at].score);
        }
        assert_false(zset_iter_next(&it, &item));
    }
}

static void assert_same(const struct model *m, const struct entry *e)
{
    zset_check(e);
    assert_int_equal(zset_count(e), m->count);
    assert_items(m, e);
    struct rank_cut cut = {CUT_SCORE, random_below(2), random_score(), bytes_of_text("")};
    uint64_t before = 0;
    for (int i = 0; i < m->count; i++)
        before += cut.after ? m->items[i].score <= cut.score : m->items[i].score < cut.score;
    assert_int_equal(zset_cut(e, &cut), before);
}

static void change_both(struct keyspace *ks, struct entry *e, struct model *m)
{
    char room[100];
    struct zset_at at = zset_in(ks, e);
    struct zset_place place;
    int name = (int)random_below(NAMES);
    bool exists = zset_find(e, name_of(name, room), &place);
    switch (random_below(5)) {
    case 0:
        if (!exists)
            return;
        for (int i = 0; i < m->count; i++)
            if (m->items[i].name == name)
                model_drop(m, i);
        zset_remove(&at, &place);
        return;
    case 1:
        if (m->count > 0 && random_below(4) == 0) {
            int first = (int)random_below((uint64_t)m->count);
            int count = (int)random_below((uint64_t)(m->count - first) + 1);
            for (int i = 0; i < count; i++)
                model_drop(m, first);
            zset_remove_ranks(&at, (uint64_t)first, (uint64_t)count);
        }
        return;
    default: {
        double score = random_score();
        zset_put(&at, &place, score);
        model_put(m, name, score);
    }
    }
}

static void test_against_a_model(void **state)
{
    (void)state;
    seed_random();
    for (int round = 0; round < 60; round++) {
        struct keyspace *ks = keyspace_create(1);
        struct model m = {.count = 0};
        set_random_limits(ks);
        struct key key = key_of(bytes_of_text("k"));
        struct entry *e = zset_create(&ks->limits, key.name, random_below(3), random_below(100));
        keyspace_add(ks, 0, e, key.hash);
        for (int i = 0; i < 200; i++) {
            change_both(ks, e, &m);
            assert_same(&m, e);
        }
        struct entry *copy = zset_copy(e, bytes_of_text("other"), DEADLINE_NONE);
        assert_int_equal(entry_encoding(copy), entry_encoding(e));
        assert_same(&m, copy);
        value_end(copy);
        keyspace_destroy(ks);
    }
}

/* -- sections taken back ----------------------------------------------------------------------- */

/* Everything that can be seen of the three keys, as text. */
static char *picture(struct keyspace *ks)
{
    size_t room = 64 * 1024, len = 0;
    char *out = mem_alloc(room);
    for (int k = 0; k < KEYS; k++) {
        char name[20];
        snprintf(name, sizeof name, "key:%d", k);
        struct entry *e = keyspace_peek(ks, 0, key_of(bytes_of_text(name)));
        if (e == NULL)
            continue;
        zset_check(e);
        len += (size_t)snprintf(out + len, room - len, "%s %d %lld:", name, entry_encoding(e),
                                (long long)entry_deadline(e));
        struct zset_iter it;
        struct zset_item item;
        if (zset_count(e) > 0) {
            zset_iter_begin(&it, e, 0, false);
            while (zset_iter_next(&it, &item))
                len += (size_t)snprintf(out + len, room - len, " %.*s=%.17g", (int)item.name.len,
                                        item.name.ptr, item.score);
        }
        len += (size_t)snprintf(out + len, room - len, "\n");
    }
    keyspace_check(ks);
    return out;
}

static void change_keys(struct keyspace *ks)
{
    char name[20], room[100];
    snprintf(name, sizeof name, "key:%d", (int)random_below(KEYS));
    struct key key = key_of(bytes_of_text(name));
    struct entry *e = keyspace_find(ks, 0, key);
    if (random_below(20) == 0)
        set_random_limits(ks);
    if (e == NULL) {
        e = zset_create(&ks->limits, key.name, 1, random_below(40));
        keyspace_add(ks, 0, e, key.hash);
    }
    struct zset_at at = zset_in(ks, e);
    struct zset_place place;
    uint64_t what = random_below(24), count = zset_count(e);
    if (what == 0) {
        keyspace_remove(ks, 0, key, false);
    } else if (what == 1) {
        keyspace_set_deadline(ks, 0, e, key.hash,
                              random_below(2) ? DEADLINE_NONE : 1000 + (int64_t)random_below(9));
    } else if (what == 2 && count > 0) {
        uint64_t first = random_below(count);
        zset_remove_ranks(&at, first, random_below(count - first + 1));
    } else if (what == 3) {
        struct zset_builder b;
        bool fresh;
        zset_builder_init(&b);
        for (int i = 0; i < 10; i++)
            *zset_builder_score(&b, name_of((int)random_below(NAMES), room), &fresh) =
                random_score();
        keyspace_replace(ks, 0, e, zset_builder_finish(&b, &ks->limits, key.name), key.hash);
    } else if (zset_find(e, name_of((int)random_below(NAMES), room), &place) && what < 12) {
        zset_remove(&at, &place);
    } else {
        zset_put(&at, &place, random_score());
    }
}

static void test_sections_taken_back(void **state)
{
    (void)state;
    seed_random();
    struct keyspace *ks = keyspace_create(1);
    for (int round = 0; round < 1500; round++) {
        struct limits limits = ks->limits;
        char *before = picture(ks);
        int changes = round % 40;
        struct undo_section section = undo_begin(ks);
        for (int i = 0; i < changes; i++)
            change_keys(ks);
        undo_rollback(ks, section);
        char *after = picture(ks);
        assert_string_equal(before, after);
        mem_free(before);
        mem_free(after);
        ks->limits = limits;
        section = undo_begin(ks);
        for (int i = 0; i < 5; i++)
            change_keys(ks);
        undo_commit(ks, section);
        change_keys(ks);
    }
    keyspace_destroy(ks);
}

/* A change of one member of many records that member and not the set. */
static void test_cost_of_a_section(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(1);
    struct key key = key_of(bytes_of_text("k"));
    struct entry *e = zset_create(&ks->limits, key.name, 10000, 5);
    keyspace_add(ks, 0, e, key.hash);
    struct zset_at at = zset_in(ks, e);
    struct zset_place place;
    char name[20];
    for (int i = 0; i < 10000; i++) {
        zset_find(e, bytes_of(name, (size_t)snprintf(name, sizeof name, "%d", i)), &place);
        zset_put(&at, &place, i);
    }
    struct undo_section section = undo_begin(ks);
    assert_true(zset_find(e, bytes_of_text("77"), &place));
    zset_put(&at, &place, 1e6);
    assert_true(undo_memory(ks->undo) < 2048);
    undo_rollback(ks, section);
    assert_true(zset_find(e, bytes_of_text("77"), &place));
    assert_int_equal(zset_rank(e, &place), 77);
    keyspace_destroy(ks);
}

/* -- many removed at once ---------------------------------------------------------------------- */

enum { MANY_NAMES = 2000 };

/* scores[i] is NAN where member i is not in the set. Score and name have the same order. */
static void assert_many(const struct entry *e, const double *scores)
{
    struct zset_place place;
    uint64_t count = 0;
    char name[20];
    for (int i = 0; i < MANY_NAMES; i++) {
        struct bytes text = bytes_of(name, (size_t)snprintf(name, sizeof name, "%06d", i));
        assert_int_equal(zset_find(e, text, &place), !isnan(scores[i]));
        if (isnan(scores[i]))
            continue;
        assert_true(place.score == scores[i]);
        assert_int_equal(zset_rank(e, &place), count++);
    }
    assert_int_equal(zset_count(e), count);
    zset_check(e);
}

static void remove_span(struct keyspace *ks, struct entry *e, double *scores)
{
    uint64_t all = zset_count(e);
    if (all < 2)
        return;
    uint64_t rank = random_below(all), count = 1 + random_below(all - rank), seen = 0;
    zset_remove_span(ks, 0, e, rank, count);
    for (int i = 0; i < MANY_NAMES; i++) {
        if (isnan(scores[i]))
            continue;
        if (seen >= rank && seen < rank + count)
            scores[i] = NAN;
        seen++;
    }
}

static void put_or_remove_one(struct keyspace *ks, struct entry *e, double *scores)
{
    struct zset_at at = zset_in(ks, e);
    struct zset_place place;
    char name[20];
    int i = (int)random_below(MANY_NAMES);
    bool found =
        zset_find(e, bytes_of(name, (size_t)snprintf(name, sizeof name, "%06d", i)), &place);
    if (found && random_below(4) == 0) {
        zset_remove(&at, &place);
        scores[i] = NAN;
    } else {
        scores[i] = i + (double)random_below(100) / 200;
        zset_put(&at, &place, scores[i]);
    }
}

static struct entry *many_key(struct keyspace *ks)
{
    return keyspace_find(ks, 0, key_of(bytes_of_text("k")));
}

/* A section over a set with remains, taken back or not. */
static void section_over_remains(struct keyspace *ks, double *scores)
{
    double before[MANY_NAMES];
    memcpy(before, scores, sizeof before);
    struct undo_section section = undo_begin(ks);
    for (int i = (int)random_below(300); i > 0; i--)
        put_or_remove_one(ks, many_key(ks), scores);
    if (random_below(2))
        remove_span(ks, many_key(ks), scores);
    struct key k = key_of(bytes_of_text("k")), other = key_of(bytes_of_text("other"));
    uint64_t what = random_below(4);
    if (what == 0)
        keyspace_move(ks, 0, many_key(ks), k.hash, 0, other);
    else if (what == 1)
        keyspace_remove(ks, 0, k, false);
    else if (what == 2)
        keyspace_flush(ks, 0, false);
    if (what < 3 || random_below(2)) {
        undo_rollback(ks, section);
        memcpy(scores, before, sizeof before);
    } else {
        undo_commit(ks, section);
    }
}

static void test_many_removed_at_once(void **state)
{
    (void)state;
    seed_random();
    struct keyspace *ks = keyspace_create(1);
    struct key key = key_of(bytes_of_text("k"));
    double scores[MANY_NAMES];
    ks->now_ms = 1000000;
    for (int i = 0; i < MANY_NAMES; i++)
        scores[i] = NAN;
    keyspace_add(ks, 0, zset_create(&ks->limits, key.name, MANY_NAMES, 5), key.hash);
    for (int round = 0; round < 300; round++) {
        for (int i = (int)random_below(1500); i > 0; i--)
            put_or_remove_one(ks, many_key(ks), scores);
        for (int i = (int)random_below(3); i > 0; i--)
            remove_span(ks, many_key(ks), scores);
        if (random_below(3) == 0)
            section_over_remains(ks, scores);
        struct entry *copy = zset_copy(many_key(ks), bytes_of_text("copy"), DEADLINE_NONE);
        assert_many(copy, scores);
        value_end(copy);
        assert_many(many_key(ks), scores);
        keyspace_check(ks);
        ks->now_ms += (int64_t)random_below(40);
        for (int i = (int)random_below(6); i > 0; i--)
            keyspace_visit_due(ks, 2);
    }
    ks->now_ms += 1000;
    while (keyspace_visit_due(ks, 8))
        ;
    assert_true(zset_due(many_key(ks)) == DEADLINE_NONE);
    assert_int_equal(ks->dbs[0].inner_expiry.keys, 0);
    assert_many(many_key(ks), scores);
    if (zset_count(many_key(ks)) < 300)
        for (int i = 0; i < 2000; i++)
            put_or_remove_one(ks, many_key(ks), scores);
    zset_remove_span(ks, 0, many_key(ks), 0, zset_count(many_key(ks)));
    keyspace_destroy(ks);
}

/* -- building and sizes ------------------------------------------------------------------------ */

static void test_building(void **state)
{
    (void)state;
    struct limits limits = {.zset_listpack_entries = 3, .zset_listpack_value = 5};
    struct zset_builder b;
    bool fresh;
    zset_builder_init(&b);
    assert_null(zset_builder_finish(&b, &limits, bytes_of_text("k")));
    static const struct {
        const char *names[4];
        enum value_encoding form;
    } cases[] = {
        {{"b", "a", "c"}, ENC_LISTPACK},
        {{"b", "a", "c", "d"}, ENC_SKIPLIST},
        {{"b", "too long"}, ENC_SKIPLIST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zset_builder_init(&b);
        int count = 0;
        for (; count < 4 && cases[i].names[count] != NULL; count++)
            *zset_builder_score(&b, bytes_of_text(cases[i].names[count]), &fresh) = 10 - count;
        *zset_builder_score(&b, bytes_of_text("b"), &fresh) -= 100;
        assert_false(fresh);
        struct entry *e = zset_builder_finish(&b, &limits, bytes_of_text("k"));
        zset_check(e);
        assert_int_equal(entry_encoding(e), cases[i].form);
        assert_int_equal(zset_count(e), count);
        struct zset_place place;
        assert_true(zset_find(e, bytes_of_text("b"), &place));
        assert_true(place.score == -90);
        assert_int_equal(zset_rank(e, &place), 0);
        value_end(e);
    }
}

/* Half of the 130 bytes that Redis takes. */
static void test_memory(void **state)
{
    (void)state;
    enum { MANY = 200000 };
    struct keyspace *ks = keyspace_create(1);
    struct key key = key_of(bytes_of_text("k"));
    struct entry *e = zset_create(&ks->limits, key.name, MANY, 16);
    keyspace_add(ks, 0, e, key.hash);
    struct zset_at at = zset_in(ks, e);
    struct zset_place place;
    char name[20];
    for (int i = 0; i < MANY; i++) {
        zset_find(e, bytes_of(name, (size_t)snprintf(name, sizeof name, "member:%09d", i)), &place);
        zset_put(&at, &place, (double)random_below(1000000));
    }
    size_t exact = zset_memory(e, 0), sampled = zset_memory(e, 5);
    assert_true(exact < (size_t)MANY * 65);
    assert_int_equal(exact, sampled);
    keyspace_destroy(ks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_model),   cmocka_unit_test(test_sections_taken_back),
        cmocka_unit_test(test_cost_of_a_section), cmocka_unit_test(test_many_removed_at_once),
        cmocka_unit_test(test_building),          cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
