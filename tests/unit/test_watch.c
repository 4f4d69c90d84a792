/*
 * test_watch.c - optimistic locking: what breaks a watch, and what must not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/hash.h"
#include "storage/undo.h"
#include "storage/watch.h"

enum { NOW = 1000000 };

static struct key key_x(void)
{
    return key_of(bytes_of_text("x"));
}

static void put(struct keyspace *ks, int db, int64_t deadline)
{
    struct key key = key_x();
    keyspace_add(ks, db, entry_create_word(key.name, TYPE_STRING, ENC_INT, 1, deadline), key.hash);
    keyspace_changed(ks, db, key.name, EVENT_STRING, "set");
}

static void del(struct keyspace *ks, int db)
{
    struct key key = key_x();
    keyspace_remove(ks, db, key, false);
    keyspace_changed(ks, db, key.name, EVENT_GENERIC, "del");
}

static int setup(void **state)
{
    struct keyspace *ks = keyspace_create(4);
    ks->now_ms = NOW;
    *state = ks;
    return 0;
}

static int teardown(void **state)
{
    struct keyspace *ks = *state;
    bool clean = watch_count(ks) == 0;
    keyspace_destroy(ks);
    return clean ? 0 : -1;
}

static void expect(struct keyspace *ks, struct watch *w, bool broken)
{
    assert_int_equal(watch_is_broken(ks, w), broken);
    watch_end(ks, w);
}

static void test_changes_break(void **state)
{
    struct keyspace *ks = *state;
    put(ks, 0, DEADLINE_NONE);
    struct watch live = watch_begin(ks, 0, key_x()), elsewhere = watch_begin(ks, 1, key_x());
    struct watch same = watch_begin(ks, 0, key_x());
    assert_int_equal(watch_count(ks), 2);
    assert_false(watch_is_broken(ks, &live));
    del(ks, 0);
    assert_true(watch_is_broken(ks, &live));
    put(ks, 0, DEADLINE_NONE);
    struct watch again = watch_begin(ks, 0, key_x());
    expect(ks, &live, true);
    expect(ks, &same, true);
    expect(ks, &elsewhere, false);
    expect(ks, &again, false);
    assert_int_equal(watch_count(ks), 0);
}

static void test_creation_breaks(void **state)
{
    struct keyspace *ks = *state;
    struct watch w = watch_begin(ks, 0, key_x());
    assert_false(watch_is_broken(ks, &w));
    put(ks, 0, DEADLINE_NONE);
    del(ks, 0);
    expect(ks, &w, true);
}

/* A version is never shown twice, even if the record of the key was forgotten in between. */
static void test_versions_are_new(void **state)
{
    struct keyspace *ks = *state;
    struct watch first = watch_begin(ks, 0, key_x());
    uint64_t version = first.version;
    watch_end(ks, &first);
    struct watch second = watch_begin(ks, 0, key_x());
    assert_true(second.version > version);
    watch_end(ks, &second);
    watch_end(ks, &second); /* given back already */
}

static void test_expiry_breaks(void **state)
{
    struct keyspace *ks = *state;
    put(ks, 0, NOW + 10);
    struct watch a = watch_begin(ks, 0, key_x()), b = watch_begin(ks, 0, key_x());
    ks->now_ms = NOW + 10;
    assert_false(watch_is_broken(ks, &a));
    ks->now_ms = NOW + 11;
    expect(ks, &a, true); /* dead, not buried */
    assert_null(keyspace_find(ks, 0, key_x()));
    expect(ks, &b, true); /* buried */
}

static void test_dead_key_that_is_buried(void **state)
{
    struct keyspace *ks = *state;
    put(ks, 0, NOW - 1);
    struct watch a = watch_begin(ks, 0, key_x());
    assert_false(watch_is_broken(ks, &a));
    assert_null(keyspace_find(ks, 0, key_x()));
    assert_int_equal(ks->expired, 1);
    assert_false(watch_is_broken(ks, &a));
    put(ks, 0, DEADLINE_NONE);
    expect(ks, &a, true);
}

static void test_flush(void **state)
{
    struct keyspace *ks = *state;
    struct watch absent = watch_begin(ks, 1, key_x());
    put(ks, 0, DEADLINE_NONE);
    struct watch live = watch_begin(ks, 0, key_x());
    put(ks, 2, NOW - 1);
    struct watch dead = watch_begin(ks, 2, key_x());
    put(ks, 3, NOW);
    struct watch dies = watch_begin(ks, 3, key_x());
    ks->now_ms++;
    keyspace_flush(ks, -1, false);
    expect(ks, &live, true);
    expect(ks, &absent, false);
    expect(ks, &dead, false);
    expect(ks, &dies, true);
}

static void test_swap(void **state)
{
    struct keyspace *ks = *state;
    put(ks, 0, DEADLINE_NONE);
    struct watch live = watch_begin(ks, 0, key_x()), absent = watch_begin(ks, 1, key_x());
    keyspace_swap(ks, 0, 1);
    expect(ks, &live, true);
    expect(ks, &absent, true);
}

static void test_swap_of_dead_keys(void **state)
{
    struct keyspace *ks = *state;
    put(ks, 0, NOW - 1);
    put(ks, 1, NOW - 2);
    struct watch a = watch_begin(ks, 0, key_x()), b = watch_begin(ks, 2, key_x());
    keyspace_swap(ks, 0, 1); /* dead for dead */
    assert_false(watch_is_broken(ks, &a));
    keyspace_swap(ks, 0, 2); /* dead for none */
    assert_false(watch_is_broken(ks, &a));
    assert_false(watch_is_broken(ks, &b));
    assert_null(keyspace_find(ks, 2, key_x()));
    expect(ks, &a, false);
    expect(ks, &b, false);
}

/* What is taken back was never there. */
static void test_rollback(void **state)
{
    struct keyspace *ks = *state;
    put(ks, 0, DEADLINE_NONE);
    struct watch a = watch_begin(ks, 0, key_x()), b = watch_begin(ks, 1, key_x());
    struct undo_section section = undo_begin(ks);
    del(ks, 0);
    put(ks, 1, DEADLINE_NONE);
    keyspace_swap(ks, 0, 1);
    undo_rollback(ks, section);
    assert_false(watch_is_broken(ks, &a));
    assert_false(watch_is_broken(ks, &b));
    section = undo_begin(ks);
    del(ks, 0);
    put(ks, 1, DEADLINE_NONE);
    undo_commit(ks, section);
    expect(ks, &a, true);
    expect(ks, &b, true);
}

/* -- members ----------------------------------------------------------------------------------- */

static struct bytes text(const char *word)
{
    return bytes_of_text(word);
}

static void hset(struct keyspace *ks, const char *field, const char *value, int64_t deadline)
{
    struct key key = key_x();
    struct entry *e = keyspace_find(ks, 0, key);
    struct hash_at at = {ks, 0, key, e != NULL ? e : hash_create(ks, 0, key, 16), 0};
    hash_set(&at, text(field), text(value), NULL, deadline);
    keyspace_changed(ks, 0, key.name, EVENT_HASH, "hset");
}

static struct watch watch_f(struct keyspace *ks)
{
    return watch_begin_field(ks, 0, key_x(), text("f"));
}

static void test_only_the_member_counts(void **state)
{
    struct keyspace *ks = *state;
    hset(ks, "f", "1", DEADLINE_NONE);
    struct watch f = watch_f(ks), key = watch_begin(ks, 0, key_x());
    hset(ks, "g", "1", DEADLINE_NONE);
    hset(ks, "f", "1", DEADLINE_NONE); /* as it was */
    expect(ks, &key, true);
    assert_false(watch_is_broken(ks, &f));
    hset(ks, "f", "2", DEADLINE_NONE);
    hset(ks, "f", "1", DEADLINE_NONE); /* there and back is a change */
    struct watch again = watch_f(ks);
    expect(ks, &f, true);
    expect(ks, &again, false);
}

static void test_member_that_comes_or_goes(void **state)
{
    struct keyspace *ks = *state;
    struct watch absent = watch_f(ks);
    hset(ks, "g", "1", DEADLINE_NONE);
    assert_false(watch_is_broken(ks, &absent));
    hset(ks, "f", "1", DEADLINE_NONE);
    expect(ks, &absent, true);
    struct watch there = watch_f(ks), flushed = watch_f(ks);
    del(ks, 0);
    hset(ks, "f", "1", DEADLINE_NONE);
    expect(ks, &there, true);
    expect(ks, &flushed, true);
    flushed = watch_f(ks);
    keyspace_flush(ks, -1, false);
    hset(ks, "f", "1", DEADLINE_NONE);
    expect(ks, &flushed, true);
}

static void test_member_with_a_deadline(void **state)
{
    struct keyspace *ks = *state;
    hset(ks, "f", "1", NOW + 10);
    struct watch f = watch_f(ks);
    ks->now_ms = NOW + 10;
    assert_false(watch_is_broken(ks, &f));
    ks->now_ms = NOW + 11; /* dead, whether or not somebody removed it */
    expect(ks, &f, true);
    f = watch_f(ks);
    assert_false(watch_is_broken(ks, &f));
    hset(ks, "f", "1", NOW + 20);
    expect(ks, &f, true);
}

static void test_member_in_a_rolled_back_section(void **state)
{
    struct keyspace *ks = *state;
    hset(ks, "f", "1", DEADLINE_NONE);
    struct watch f = watch_f(ks);
    struct undo_section section = undo_begin(ks);
    hset(ks, "f", "2", DEADLINE_NONE);
    undo_rollback(ks, section);
    assert_false(watch_is_broken(ks, &f));
    section = undo_begin(ks);
    hset(ks, "f", "2", DEADLINE_NONE);
    undo_commit(ks, section);
    expect(ks, &f, true);
}

/* -- versions ---------------------------------------------------------------------------------- */

static void test_version_stands_until_a_change(void **state)
{
    struct keyspace *ks = *state;
    struct version absent = watch_version(ks, 0, key_x());
    assert_true(watch_version_stands(ks, 0, key_x(), absent));
    put(ks, 0, NOW + 10);
    assert_false(watch_version_stands(ks, 0, key_x(), absent));
    struct version there = watch_version(ks, 0, key_x());
    assert_true(watch_version_stands(ks, 0, key_x(), there));
    assert_int_equal(watch_version(ks, 0, key_x()).number, there.number);
    ks->now_ms = NOW + 11;
    assert_false(watch_version_stands(ks, 0, key_x(), there));
    assert_int_equal(watch_count(ks), 0); /* nobody watches */
}

/* The table is bounded: what it forgot counts as changed. */
static void test_forgotten_version(void **state)
{
    struct keyspace *ks = *state;
    struct key a = key_of(text("a")), b = key_of(text("b")), c = key_of(text("c"));
    ks->versions.limit = 2;
    struct version va = watch_version(ks, 0, a), vb = watch_version(ks, 0, b);
    watch_version(ks, 0, a); /* asked for again: the newest now */
    struct watch w = watch_begin(ks, 0, b);
    watch_version(ks, 0, c);
    assert_int_equal(ks->versions.count, 2);
    assert_true(watch_version_stands(ks, 0, a, va));
    assert_true(watch_version_stands(ks, 0, b, vb)); /* somebody watches it */
    expect(ks, &w, false);
    assert_false(watch_version_stands(ks, 0, b, vb));
    assert_true(watch_version(ks, 0, b).number > vb.number);
    assert_false(watch_version_stands(ks, 0, b, vb));
    ks->versions.limit = 0;
    watch_forget(ks, false);
    assert_int_equal(ks->versions.count, 0);
    assert_false(watch_version_stands(ks, 0, a, va));
}

/* Its bound is one of bytes, too: a long name takes the place of many. */
static void test_long_names_are_forgotten(void **state)
{
    struct keyspace *ks = *state;
    static char name[2000];
    ks->versions.limit = 100;
    for (int i = 0; i < 100; i++) {
        memset(name, 'a' + i % 26, sizeof name);
        name[0] = (char)i;
        watch_version(ks, 0, key_of(bytes_of(name, sizeof name)));
    }
    assert_true(ks->versions.count > 5 && ks->versions.count < 15);
    assert_true(watch_memory(ks) < 100 * 257 && watch_memory(ks) > 10000);
    watch_forget(ks, true);
    assert_int_equal(watch_memory(ks), 0);
}

static struct author author_alice(void *context)
{
    (void)context;
    return (struct author){7, "set"};
}

static void test_author(void **state)
{
    struct keyspace *ks = *state;
    ks->hooks.author = author_alice;
    struct watch w = watch_begin(ks, 0, key_x());
    put(ks, 0, NOW + 10);
    assert_int_equal(w.key->author.client, 7);
    ks->now_ms = NOW + 11;
    assert_null(keyspace_find(ks, 0, key_x()));
    assert_int_equal(w.key->author.client, 0); /* time's doing */
    watch_end(ks, &w);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_changes_break),
        TEST(test_creation_breaks),
        TEST(test_versions_are_new),
        TEST(test_expiry_breaks),
        TEST(test_dead_key_that_is_buried),
        TEST(test_flush),
        TEST(test_swap),
        TEST(test_swap_of_dead_keys),
        TEST(test_rollback),
        TEST(test_only_the_member_counts),
        TEST(test_member_that_comes_or_goes),
        TEST(test_member_with_a_deadline),
        TEST(test_member_in_a_rolled_back_section),
        TEST(test_version_stands_until_a_change),
        TEST(test_forgotten_version),
        TEST(test_long_names_are_forgotten),
        TEST(test_long_names_are_forgotten),
        TEST(test_author),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
