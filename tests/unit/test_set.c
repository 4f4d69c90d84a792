/*
 * test_set.c - sets against a model, through all forms; sections of random changes taken back at
 * every position; which form a set takes, how fairly members are drawn, what they cost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "storage/set.h"
#include "storage/set_member.h"
#include "storage/undo.h"
#include "storage/value.h"

enum { DBS = 2, KEYS = 4, NAMES = 40, NAME_MAX_LEN = 400 };

static struct key key_named(const char *name)
{
    return key_of(bytes_of_text(name));
}

static void check_all(struct keyspace *ks)
{
    keyspace_check(ks);
    for (int i = 0; i < ks->db_count; i++) {
        struct dict_iter it;
        dict_iter_begin(&it, &ks->dbs[i].keys);
        for (struct entry *e; (e = dict_iter_next(&it)) != NULL;)
            set_check(e);
        dict_iter_end(&it);
    }
}

/* -- random material --------------------------------------------------------------------------- */

/* Members are numbered: integers of every width, then texts of all kinds of lengths. */
static struct bytes member_named(int i, char room[NAME_MAX_LEN])
{
    static const int lengths[] = {0,  1,  15,  16,  17,  31,  32,  33,
                                  64, 65, 112, 128, 254, 255, 256, 300};
    static const long long ints[] = {0,
                                     1,
                                     -5,
                                     300,
                                     32767,
                                     32768,
                                     -40000,
                                     2147483648LL,
                                     -9223372036854775807LL,
                                     9223372036854775807LL};
    enum { INTS = sizeof ints / sizeof *ints, LENGTHS = sizeof lengths / sizeof *lengths };
    if (i < INTS)
        return bytes_of(room, (size_t)snprintf(room, NAME_MAX_LEN, "%lld", ints[i]));
    if (i < INTS + LENGTHS) {
        memset(room, 'a' + i % 26, (size_t)lengths[i - INTS]);
        return bytes_of(room, (size_t)lengths[i - INTS]);
    }
    return bytes_of(room, (size_t)snprintf(room, NAME_MAX_LEN, "m:%d", i));
}

/* Mostly integers in some rounds, so that intsets live for a while. */
static struct bytes random_member(bool ints, char room[NAME_MAX_LEN])
{
    return member_named((int)random_below(ints ? 11 : NAMES), room);
}

static void set_random_limits(struct keyspace *ks)
{
    ks->limits.set_intset_entries = random_below(12);
    ks->limits.set_listpack_entries = random_below(3) == 0 ? 0 : random_below(20);
    ks->limits.set_listpack_value = random_below(2) ? 64 : 400;
}

static struct entry *put_new(struct keyspace *ks, int db, struct key key, struct bytes first)
{
    struct entry *e = set_create(&ks->limits, key.name, first, 1 + random_below(10));
    struct set_at at = {e, &ks->limits, NULL};
    assert_true(set_add(&at, first));
    keyspace_add(ks, db, e, key.hash);
    return e;
}

/* -- one set against a model ------------------------------------------------------------------- */

static void assert_same(const struct entry *e, const bool there[NAMES])
{
    char room[NAME_MAX_LEN];
    uint64_t count = 0, seen = 0;
    struct set_iter it;
    struct set_member m, again;
    for (int i = 0; i < NAMES; i++) {
        assert_int_equal(set_contains(e, member_named(i, room)), there[i]);
        count += there[i];
    }
    set_iter_begin(&it, e);
    for (; set_iter_next(&it, &m); seen++) {
        set_read(e, m.place, &again);
        assert_true(bytes_equal(m.text, again.text));
    }
    set_iter_end(&it);
    assert_int_equal(set_count(e), count);
    assert_int_equal(seen, count);
    set_check(e);
}

static void one_model_step(const struct set_at *at, bool there[NAMES])
{
    char room[NAME_MAX_LEN];
    int i = (int)random_below(NAMES);
    struct bytes member = member_named(i, room);
    if (random_below(5) < 3) {
        assert_int_equal(set_add(at, member), !there[i]);
        there[i] = true;
    } else {
        assert_int_equal(set_remove(at, member), there[i]);
        there[i] = false;
    }
}

static void test_model(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        struct keyspace *ks = keyspace_create(1);
        bool there[NAMES] = {false};
        char room[NAME_MAX_LEN];
        set_random_limits(ks);
        struct bytes first = member_named(0, room);
        struct set_at at = set_in(ks, put_new(ks, 0, key_named("set"), first));
        there[0] = true;
        for (int step = 0; step < 200; step++) {
            one_model_step(&at, there);
            assert_same(at.e, there);
            set_prefetch(at.e, &first, 1);
        }
        struct entry *copy = set_copy(at.e, bytes_of_text("copy"), 12345);
        assert_int_equal(entry_encoding(copy), entry_encoding(at.e));
        keyspace_remove(ks, 0, key_named("set"), false);
        assert_same(copy, there);
        value_end(copy);
        keyspace_destroy(ks);
    }
}

/* -- sections taken back ----------------------------------------------------------------------- */

/* Sorted lines that tell all there is. */
struct picture {
    char *lines[DBS * KEYS * (NAMES + 1)];
    int count;
};

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Where a member stands counts unless it stands in a table. */
static void add_lines(struct picture *p, int db, const struct entry *e)
{
    enum { LINE = 2 * NAME_MAX_LEN + 100 };
    struct bytes key = entry_key(e);
    struct set_iter it;
    struct set_member m;
    int place = 0;
    char *line = mem_alloc_zeroed(LINE);
    snprintf(line, LINE, "%d %.*s %s %llu %lld", db, (int)key.len, key.ptr,
             entry_encoding_name(entry_encoding(e)), (unsigned long long)set_count(e),
             (long long)entry_deadline(e));
    p->lines[p->count++] = line;
    set_iter_begin(&it, e);
    while (set_iter_next(&it, &m)) {
        line = mem_alloc_zeroed(LINE);
        int len = snprintf(line, LINE, "%d %.*s %d ", db, (int)key.len, key.ptr,
                           set_dict(e) != NULL ? 0 : place++);
        for (size_t j = 0; j < m.text.len; j++)
            snprintf(line + len + 2 * j, 3, "%02x", (unsigned char)m.text.ptr[j]);
        p->lines[p->count++] = line;
    }
    set_iter_end(&it);
}

static struct picture picture_take(const struct keyspace *ks)
{
    struct picture p = {.count = 0};
    for (int i = 0; i < DBS; i++) {
        struct dict_iter it;
        dict_iter_begin(&it, &ks->dbs[i].keys);
        for (struct entry *e; (e = dict_iter_next(&it)) != NULL;)
            add_lines(&p, i, e);
        dict_iter_end(&it);
    }
    qsort(p.lines, (size_t)p.count, sizeof *p.lines, compare_lines);
    return p;
}

static void picture_end(struct picture *p)
{
    for (int i = 0; i < p->count; i++)
        mem_free(p->lines[i]);
}

static void assert_same_picture(const struct picture *a, const struct picture *b)
{
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; i++)
        assert_string_equal(a->lines[i], b->lines[i]);
}

static void change_whole_key(struct keyspace *ks, int db, struct key key, struct entry *e)
{
    char name[16];
    snprintf(name, sizeof name, "key:%d", (int)random_below(KEYS));
    struct key other = key_named(name);
    int to = (int)random_below(DBS);
    bool is_free = keyspace_find(ks, to, other) == NULL;
    switch (random_below(5)) {
    case 0:
        keyspace_remove(ks, db, key, random_below(2));
        break;
    case 1:
        if (is_free)
            keyspace_move(ks, db, e, key.hash, to, other);
        break;
    case 2:
        if (is_free)
            keyspace_add(ks, to, set_copy(e, other.name, DEADLINE_NONE), other.hash);
        break;
    case 3:
        keyspace_set_deadline(ks, db, e, key.hash,
                              random_below(2) ? DEADLINE_NONE : 5000000 + (int64_t)random_below(9));
        break;
    default:
        keyspace_replace(ks, db, e, set_copy(e, key.name, DEADLINE_NONE), key.hash);
        break;
    }
}

static void random_change(struct keyspace *ks, bool ints)
{
    char name[16], room[NAME_MAX_LEN];
    snprintf(name, sizeof name, "key:%d", (int)random_below(KEYS));
    struct key key = key_named(name);
    int db = (int)random_below(DBS);
    struct entry *e = keyspace_find(ks, db, key);
    if (random_below(12) == 0)
        set_random_limits(ks);
    if (e == NULL) {
        put_new(ks, db, key, random_member(ints, room));
        return;
    }
    struct set_at at = set_in(ks, e);
    uint64_t kind = random_below(20);
    if (kind == 0)
        change_whole_key(ks, db, key, e);
    else if (kind == 1)
        set_expect(&at, random_below(40));
    else if (kind < 12)
        set_add(&at, random_member(ints, room));
    else
        set_remove(&at, random_member(ints, room));
}

static void random_changes(struct keyspace *ks, bool ints, int count)
{
    while (count-- > 0)
        random_change(ks, ints);
}

/* An inner section in the middle ends well or not: neither may be seen afterwards. */
static void run_and_take_back(struct keyspace *ks, bool ints, int count)
{
    struct picture before = picture_take(ks);
    struct undo_section outer = undo_begin(ks);
    random_changes(ks, ints, count / 2);
    struct picture middle = picture_take(ks);
    struct undo_section inner = undo_begin(ks);
    random_changes(ks, ints, count / 4);
    if (random_below(2)) {
        undo_rollback(ks, inner);
        struct picture now = picture_take(ks);
        assert_same_picture(&middle, &now);
        picture_end(&now);
    } else {
        undo_commit(ks, inner);
    }
    random_changes(ks, ints, count - count / 2 - count / 4);
    undo_rollback(ks, outer);
    check_all(ks);
    struct picture after = picture_take(ks);
    assert_same_picture(&before, &after);
    picture_end(&before);
    picture_end(&middle);
    picture_end(&after);
}

static void test_rollback_model(void **state)
{
    (void)state;
    for (int round = 0; round < 40; round++) {
        struct keyspace *ks = keyspace_create(DBS);
        bool ints = round % 2;
        ks->now_ms = 1000;
        set_random_limits(ks);
        for (int count = 0; count < 40; count++) {
            run_and_take_back(ks, ints, count);
            struct undo_section section = undo_begin(ks);
            random_changes(ks, ints, 10);
            undo_commit(ks, section);
            random_changes(ks, ints, 3);
            check_all(ks);
        }
        keyspace_destroy(ks);
    }
}

/* A width that a section brought is gone with it. */
static void test_rollback_narrows_ints(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(1);
    struct set_at at = set_in(ks, put_new(ks, 0, key_named("set"), bytes_of_text("1")));
    size_t before = set_memory(at.e, 0);
    struct undo_section section = undo_begin(ks);
    for (int i = 2; i < 50; i++) {
        char text[24];
        set_add(&at, bytes_of(text, (size_t)snprintf(text, sizeof text, "%d", i * 100000)));
    }
    undo_rollback(ks, section);
    assert_int_equal(set_memory(at.e, 0), before);
    keyspace_destroy(ks);
}

/* The log of one change to a large set is small. */
static void test_undo_costs_the_change(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(1);
    struct set_at at = set_in(ks, put_new(ks, 0, key_named("set"), bytes_of_text("m")));
    for (int i = 0; i < 100000; i++) {
        char text[24];
        set_add(&at, bytes_of(text, (size_t)snprintf(text, sizeof text, "m:%d", i)));
    }
    struct undo_section section = undo_begin(ks);
    set_add(&at, bytes_of_text("new"));
    set_remove(&at, bytes_of_text("m:77"));
    assert_true(undo_memory(ks->undo) < 2000);
    undo_rollback(ks, section);
    assert_true(set_contains(at.e, bytes_of_text("m:77")));
    assert_false(set_contains(at.e, bytes_of_text("new")));
    assert_int_equal(set_count(at.e), 100001);
    keyspace_destroy(ks);
}

/* -- forms ------------------------------------------------------------------------------------- */

static enum value_encoding form_of(struct keyspace *ks, const char *first, int ints,
                                   const char *last)
{
    struct key key = key_named("set");
    struct entry *e = set_create(&ks->limits, key.name, bytes_of_text(first), 1);
    struct set_at at = {e, &ks->limits, NULL};
    set_add(&at, bytes_of_text(first));
    for (int i = 0; i < ints; i++) {
        char text[24];
        set_add(&at, bytes_of(text, (size_t)snprintf(text, sizeof text, "%d", 1000 + i)));
    }
    if (last != NULL)
        set_add(&at, bytes_of_text(last));
    enum value_encoding form = entry_encoding(e);
    value_end(e);
    return form;
}

static void test_forms(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(1);
    char long_text[66];
    memset(long_text, 'x', 65);
    long_text[65] = '\0';
    assert_int_equal(form_of(ks, "1", 511, NULL), ENC_INTSET);
    assert_int_equal(form_of(ks, "1", 512, NULL), ENC_HASHTABLE);
    assert_int_equal(form_of(ks, "a", 127, NULL), ENC_LISTPACK);
    assert_int_equal(form_of(ks, "a", 128, NULL), ENC_HASHTABLE);
    assert_int_equal(form_of(ks, "1", 126, "a"), ENC_LISTPACK);
    assert_int_equal(form_of(ks, "1", 128, "a"), ENC_HASHTABLE);
    assert_int_equal(form_of(ks, "1", 0, long_text), ENC_HASHTABLE);
    assert_int_equal(form_of(ks, "a", 0, long_text), ENC_HASHTABLE);
    assert_int_equal(form_of(ks, long_text + 1, 0, NULL), ENC_LISTPACK);
    assert_int_equal(form_of(ks, "9223372036854775808", 0, NULL), ENC_LISTPACK);
    ks->limits.set_intset_entries = 0;
    assert_int_equal(form_of(ks, "1", 0, NULL), ENC_LISTPACK);
    ks->limits.set_listpack_entries = 0;
    assert_int_equal(form_of(ks, "1", 0, NULL), ENC_HASHTABLE);
    keyspace_destroy(ks);
}

/* -- fairness ---------------------------------------------------------------------------------- */

/* 40 members, chi-square with 39 degrees of freedom: beyond 90 once in 150,000 runs. */
static void assert_fair(const struct entry *e)
{
    enum { MEMBERS = 40, DRAWS = 40000 };
    int counts[MEMBERS] = {0};
    double deviation = 0;
    struct set_member m;
    for (int i = 0; i < DRAWS; i++) {
        set_random(e, &m);
        counts[(m.text.ptr[m.text.len - 2] - '0') * 10 + m.text.ptr[m.text.len - 1] - '0']++;
    }
    for (int i = 0; i < MEMBERS; i++) {
        double d = counts[i] - (double)DRAWS / MEMBERS;
        deviation += d * d / ((double)DRAWS / MEMBERS);
    }
    assert_true(deviation < 90);
}

static void test_random_is_fair(void **state)
{
    (void)state;
    static const enum value_encoding forms[] = {ENC_INTSET, ENC_LISTPACK, ENC_HASHTABLE};
    struct limits limits = {
        .set_intset_entries = 100, .set_listpack_entries = 100, .set_listpack_value = 64};
    for (int f = 0; f < 3; f++) {
        struct entry *e = set_create_as(bytes_of_text("set"), forms[f]);
        struct set_at at = {e, &limits, NULL};
        for (int i = 0; i < 40; i++) {
            char text[24]; /* the last two digits tell which one it is */
            snprintf(text, sizeof text, "%d", 1000 + i);
            set_add(&at, bytes_of_text(text));
        }
        assert_int_equal(entry_encoding(e), forms[f]);
        assert_fair(e);
        value_end(e);
    }
}

/* -- sizes ------------------------------------------------------------------------------------- */

static void test_members_of_all_lengths(void **state)
{
    (void)state;
    char text[600];
    for (size_t len = 0; len < sizeof text; len++) {
        memset(text, (int)len, sizeof text);
        void *member = member_create(bytes_of(text, len));
        assert_true(bytes_equal(member_text(member), bytes_of(text, len)));
        assert_true(member_memory(member) >= len);
        member_destroy(member);
    }
}

/* Redis takes 80 bytes for each of a million such members: at most half of that. */
static void test_memory_of_large_set(void **state)
{
    (void)state;
    enum { MEMBERS = 100000 };
    for (int width = 14; width <= 16; width++) {
        struct entry *e = set_create_as(bytes_of_text("set"), ENC_HASHTABLE);
        struct limits limits = {0};
        struct set_at at = {e, &limits, NULL};
        for (int i = 0; i < MEMBERS; i++) {
            char text[24];
            set_add(&at,
                    bytes_of(text, (size_t)snprintf(text, sizeof text, "m:%0*d", width - 2, i)));
        }
        assert_true(set_memory(e, 0) <= 40 * (size_t)MEMBERS);
        assert_true(set_free_effort(e) > VALUE_LAZY_EFFORT);
        value_end(e);
    }
}

int main(void)
{
    uint64_t seed = random_u64();
    random_seed(seed);
    printf("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_rollback_model),
        cmocka_unit_test(test_rollback_narrows_ints),
        cmocka_unit_test(test_undo_costs_the_change),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_random_is_fair),
        cmocka_unit_test(test_members_of_all_lengths),
        cmocka_unit_test(test_memory_of_large_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
