/*
 * test_keyspace.c - the keyspace, strings and the undo log: random sections of random changes are
 * taken back at every position, and the whole dataset is compared with a picture taken before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "storage/keyspace.h"
#include "storage/string.h"
#include "storage/undo.h"
#include "storage/value.h"
#include "storage/watch.h"
#include "tests/unit/picture.h"

enum { DBS = 3, NAMES = 12 };

static struct key key_named(const char *name)
{
    return key_of(bytes_of_text(name));
}

static struct key random_key(char name[16])
{
    snprintf(name, 16, "key:%d", (int)random_below(NAMES));
    return key_named(name);
}

/* -- a picture of everything: sorted lines of text --------------------------------------------- */

static struct picture picture_take(const struct keyspace *ks)
{
    struct picture p = {.count = 0};
    for (int i = 0; i < DBS; i++) {
        struct dict_iter it;
        dict_iter_begin(&it, &ks->dbs[i].keys);
        for (struct entry *e; (e = dict_iter_next(&it)) != NULL;) {
            char scratch[NUMBER_TEXT_MAX], head[128];
            struct bytes key = entry_key(e), value = string_view(e, scratch);
            int len = snprintf(head, sizeof head, "%d %.*s %s %lld %zu:", i, (int)key.len, key.ptr,
                               entry_encoding_name(entry_encoding(e)), (long long)entry_deadline(e),
                               value.len);
            char *line = mem_alloc_zeroed((size_t)len + 2 * value.len + 1);
            memcpy(line, head, (size_t)len);
            for (size_t j = 0; j < value.len; j++)
                snprintf(line + len + 2 * j, 3, "%02x", (unsigned char)value.ptr[j]);
            picture_add(&p, line);
        }
        dict_iter_end(&it);
    }
    picture_sort(&p);
    return p;
}

/* -- random changes ---------------------------------------------------------------------------- */

static struct bytes random_value(char *room, size_t max)
{
    size_t len = random_below(3) == 0 ? random_below(max) : random_below(60);
    if (random_below(4) == 0)
        return bytes_of(room, (size_t)snprintf(room, 30, "%lld", (long long)(int64_t)random_u64()));
    for (size_t i = 0; i < len; i++)
        room[i] = (char)random_u64();
    return bytes_of(room, len);
}

static int64_t random_deadline(const struct keyspace *ks)
{
    switch (random_below(4)) {
    case 0:
        return DEADLINE_NONE;
    case 1:
        return INT64_MAX - 5; /* takes the wide form */
    default:
        return ks->now_ms + 1000 + (int64_t)random_below(1000000);
    }
}

/* Compared with the same done to a copy. */
static void splice(struct keyspace *ks, int db, struct key key, struct entry *e)
{
    char room[3000], scratch[NUMBER_TEXT_MAX];
    struct bytes before = string_view(e, scratch), inserted = random_value(room, 300);
    size_t offset = random_below(before.len + 1), removed = random_below(before.len - offset + 1);
    size_t after = before.len - removed + inserted.len, rest = before.len - offset - removed;
    char *expected = mem_alloc(after + 1);
    memcpy(expected, before.ptr, offset);
    memcpy(expected + offset, inserted.ptr, inserted.len);
    memcpy(expected + offset + inserted.len, before.ptr + offset + removed, rest);
    e = string_splice(ks, db, e, key.hash, offset, removed, inserted);
    assert_true(bytes_equal(string_view(e, scratch), bytes_of(expected, after)));
    mem_free(expected);
}

static void change_string(struct keyspace *ks, int db, struct key key, struct entry *e)
{
    char room[3000];
    switch (random_below(10)) {
    case 0:
    case 1:
        string_set(ks, db, e, key, random_value(room, sizeof room), random_deadline(ks));
        break;
    case 2:
        string_set_int(ks, db, e, key, (int64_t)random_u64());
        break;
    case 3: {
        struct blob *b = blob_create(200);
        memset(b->data, 'b', 200);
        string_set_blob(ks, db, e, key, b, random_deadline(ks));
        break;
    }
    case 4:
        if (e != NULL)
            string_append(ks, db, e, key.hash, random_value(room, sizeof room));
        break;
    case 5:
        if (e != NULL)
            string_set_range(ks, db, e, key.hash, random_below(4000),
                             bytes_of("overwritten", 1 + random_below(10)));
        break;
    case 6:
        string_set_raw(ks, db, e, key, random_value(room, sizeof room));
        break;
    case 7:
        if (e != NULL)
            splice(ks, db, key, e);
        break;
    case 8:
        if (e != NULL) {
            size_t len = string_length(e), offset = random_below(len + 10);
            string_edit(ks, db, &e, key.hash, offset + 3, offset, 3)[offset + 1] ^= 8;
        }
        break;
    default:
        if (e != NULL)
            keyspace_set_deadline(ks, db, e, key.hash, random_deadline(ks));
        break;
    }
}

static void change_key(struct keyspace *ks, int db, struct key key, struct entry *e)
{
    char other_name[16];
    struct key other = random_key(other_name);
    int to_db = (int)random_below(DBS);
    struct entry *there = keyspace_find(ks, to_db, other);
    switch (random_below(4)) {
    case 0:
        keyspace_remove(ks, db, key, random_below(2));
        break;
    case 1:
        if (e != NULL && there == NULL)
            keyspace_move(ks, db, e, key.hash, to_db, other);
        break;
    case 2:
        if (e != NULL && there == NULL)
            keyspace_add(ks, to_db,
                         value_ops(TYPE_STRING)->copy(e, other.name, random_deadline(ks)),
                         other.hash);
        break;
    default:
        if (random_below(10) == 0)
            keyspace_flush(ks, random_below(3) ? db : -1, random_below(2));
        else if (random_below(5) == 0)
            keyspace_swap(ks, db, to_db);
        break;
    }
}

static void random_change(struct keyspace *ks)
{
    char name[16];
    struct key key = random_key(name);
    int db = (int)random_below(DBS);
    struct entry *e = keyspace_find(ks, db, key);
    struct blob *shown = e != NULL && random_below(5) == 0 ? string_blob(e) : NULL;
    if (shown != NULL)
        blob_retain(shown); /* as a reply under way does */
    if (random_below(4) != 0)
        change_string(ks, db, key, e);
    else
        change_key(ks, db, key, e);
    keyspace_changed(ks, db, key.name, EVENT_STRING, "changed");
    blob_release(shown);
}

/* -- tests ------------------------------------------------------------------------------------- */

struct heard {
    int count;
};

static void hear(void *context, int db, struct bytes key, enum event_class class, const char *event)
{
    (void)db;
    (void)key;
    (void)class;
    (void)event;
    ((struct heard *)context)->count++;
}

static void test_rollback_model(void **state)
{
    (void)state;
    uint64_t seed = random_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
    struct heard heard = {0};
    struct keyspace *ks = keyspace_create(DBS);
    ks->now_ms = 1000000;
    ks->hooks.context = &heard;
    ks->hooks.event = hear;
    for (int round = 0; round < 3000; round++) {
        char name[16];
        struct watch watch = watch_begin(ks, (int)random_below(DBS), random_key(name));
        struct picture before = picture_take(ks);
        uint64_t dirty = ks->dirty;
        int heard_before = heard.count;
        struct undo_section section = undo_begin(ks);
        for (uint64_t i = random_below(12); i > 0; i--)
            random_change(ks);
        if (random_below(3) != 0) {
            undo_rollback(ks, section);
            struct picture after = picture_take(ks);
            assert_same_picture(&before, &after);
            picture_end(&after);
            assert_int_equal(ks->dirty, dirty);
            assert_int_equal(heard.count, heard_before);
            assert_false(watch_is_broken(ks, &watch));
        } else {
            undo_commit(ks, section);
        }
        assert_false(undo_is_open(ks->undo));
        watch_end(ks, &watch);
        picture_end(&before);
        if (round % 100 == 0)
            keyspace_check(ks);
    }
    keyspace_check(ks);
    keyspace_destroy(ks);
}

/* An inner section that fails leaves the outer one's changes; the outer one can still fail as a
 * whole. */
static void test_nested_sections(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(DBS);
    for (int round = 0; round < 300; round++) {
        struct picture start = picture_take(ks);
        struct undo_section outer = undo_begin(ks);
        for (int i = 0; i < 4; i++)
            random_change(ks);
        struct picture middle = picture_take(ks);
        struct undo_section inner = undo_begin(ks);
        for (int i = 0; i < 4; i++)
            random_change(ks);
        bool inner_fails = random_below(2);
        if (inner_fails) {
            undo_rollback(ks, inner);
            struct picture now = picture_take(ks);
            assert_same_picture(&middle, &now);
            picture_end(&now);
        } else {
            undo_commit(ks, inner);
        }
        if (random_below(2)) {
            undo_rollback(ks, outer);
            struct picture now = picture_take(ks);
            assert_same_picture(&start, &now);
            picture_end(&now);
        } else {
            undo_commit(ks, outer);
        }
        picture_end(&start);
        picture_end(&middle);
    }
    keyspace_check(ks);
    keyspace_destroy(ks);
}

static void test_string_forms(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        enum value_encoding encoding;
    } forms[] = {
        {"", ENC_EMBSTR},
        {"0", ENC_INT},
        {"-1", ENC_INT},
        {"-0", ENC_EMBSTR},
        {"01", ENC_EMBSTR},
        {"+1", ENC_EMBSTR},
        {"9223372036854775807", ENC_INT},
        {"-9223372036854775808", ENC_INT},
        {"9223372036854775808", ENC_EMBSTR},
        {"12345678901234567890123456789012345678901234", ENC_EMBSTR}, /* 44 */
        {"123456789012345678901234567890123456789012345", ENC_RAW},   /* 45 */
    };
    struct keyspace *ks = keyspace_create(1);
    struct key key = key_named("k");
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct entry *old = keyspace_find(ks, 0, key);
        struct bytes value = bytes_of_text(forms[i].value);
        struct entry *e = string_set(ks, 0, old, key, value, DEADLINE_NONE);
        char scratch[NUMBER_TEXT_MAX];
        assert_int_equal(entry_encoding(e), forms[i].encoding);
        assert_true(bytes_equal(string_view(e, scratch), value));
        assert_int_equal(string_length(e), value.len);
        e = string_append(ks, 0, e, key.hash, bytes_of("x", 1));
        assert_int_equal(entry_encoding(e), ENC_RAW);
        assert_int_equal(string_length(e), value.len + 1);
    }
    keyspace_destroy(ks);
}

/* The layout holds for keys around the border of its length byte, with every kind of deadline. */
static void test_entry_layout(void **state)
{
    (void)state;
    static const int64_t deadlines[] = {DEADLINE_NONE,   0,         1,        1700000000000,
                                        (1LL << 48) - 1, 1LL << 48, INT64_MAX};
    char name[600];
    memset(name, 'n', sizeof name);
    for (size_t len = 0; len<sizeof name; len += len> 250 && len < 260 ? 1 : 25)
        for (size_t i = 0; i < sizeof deadlines / sizeof *deadlines; i++) {
            struct bytes key = bytes_of(name, len), value = bytes_of(name, len % 129);
            struct entry *e = entry_create_inline(key, value, ENC_RAW, deadlines[i]);
            assert_true(bytes_equal(entry_key(e), key));
            assert_true(bytes_equal(entry_inline(e), value));
            assert_int_equal(entry_deadline(e), deadlines[i]);
            struct entry *copy = entry_rebuild(e, bytes_of("other", 5), DEADLINE_NONE);
            assert_true(bytes_equal(entry_inline(copy), value));
            assert_false(entry_expires(copy));
            entry_free_shell(copy);
            entry_free_shell(e);
            e = entry_create_word(key, TYPE_STRING, ENC_INT, INT64_MIN, deadlines[i]);
            assert_int_equal(entry_int(e), INT64_MIN);
            entry_free_shell(e);
            e = entry_create_word(key, TYPE_LIST, ENC_QUICKLIST, (int64_t)(uintptr_t)name,
                                  deadlines[i]);
            assert_ptr_equal(entry_pointer(e), name);
            assert_int_equal(entry_type(e), TYPE_LIST);
            assert_int_equal(entry_encoding(e), ENC_QUICKLIST);
            entry_free_shell(e);
        }
}

static void test_small_key_fits_a_block_of_32(void **state)
{
    (void)state;
    struct bytes key = bytes_of_text("0123456789abcdef"), value = bytes_of_text("xxx");
    struct entry *e = entry_create_inline(key, value, ENC_EMBSTR, 1700000000000);
    assert_true(entry_shell_size(e) <= 32);
    entry_free_shell(e);
}

static void test_expired_keys_are_buried(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct keyspace *ks = keyspace_create(1);
    ks->now_ms = 1000;
    struct key key = key_named("k");
    string_set(ks, 0, NULL, key, bytes_of("v", 1), 2000);
    ks->hooks.context = &heard;
    ks->hooks.event = hear;
    ks->now_ms = 2000;
    assert_non_null(keyspace_find(ks, 0, key)); /* alive in the millisecond of its deadline */
    ks->now_ms = 2001;
    assert_null(keyspace_peek(ks, 0, key));
    assert_int_equal(keyspace_size(ks, 0), 1);
    assert_null(keyspace_find(ks, 0, key));
    assert_int_equal(keyspace_size(ks, 0), 0);
    assert_int_equal(heard.count, 1);
    assert_int_equal(ks->expired, 1);
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "k%d", i);
        string_set(ks, 0, NULL, key_named(name), bytes_of("v", 1), 3000 + i);
    }
    ks->now_ms = 3050;
    while (keyspace_expire_due(ks, 7))
        ;
    assert_int_equal(keyspace_size(ks, 0), 50);
    keyspace_check(ks);
    keyspace_destroy(ks);
}

/* Where dead keys stay they are not seen, and give way to a new key of their name. */
static void test_dead_keys_may_stay(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(1);
    struct key old = key_named("old"), other = key_named("other");
    ks->now_ms = 1000;
    string_set(ks, 0, NULL, old, bytes_of("v", 1), 2000);
    string_set(ks, 0, NULL, other, bytes_of("w", 1), 2000);
    ks->now_ms = 2001;
    ks->keep_expired = true;
    assert_null(keyspace_find(ks, 0, old));
    assert_false(keyspace_expire_due(ks, 10));
    assert_int_equal(keyspace_size(ks, 0), 2);
    struct entry *e = string_set(ks, 0, NULL, old, bytes_of("new", 3), DEADLINE_NONE);
    assert_ptr_equal(keyspace_find(ks, 0, old), e);
    assert_int_equal(keyspace_size(ks, 0), 2);
    keyspace_move(ks, 0, e, old.hash, 0, other);
    assert_null(keyspace_find(ks, 0, old));
    assert_non_null(keyspace_find(ks, 0, other));
    assert_int_equal(keyspace_size(ks, 0), 1);
    assert_int_equal(ks->expired, 2);
    keyspace_check(ks);
    keyspace_destroy(ks);
}

/* A change inside of a long string records what it overwrites, and not the string. */
static void test_cost_of_a_bit(void **state)
{
    (void)state;
    enum { LONG = 20 << 20 };
    struct keyspace *ks = keyspace_create(1);
    struct key key = key_named("k");
    struct blob *b = blob_create(LONG);
    memset(b->data, 'b', LONG);
    struct entry *e = string_set_blob(ks, 0, NULL, key, b, DEADLINE_NONE);
    struct undo_section section = undo_begin(ks);
    string_edit(ks, 0, &e, key.hash, LONG, LONG / 2, 1)[LONG / 2] = 'x';
    e = string_splice(ks, 0, e, key.hash, LONG - 100, 10, bytes_of_text("abc"));
    string_edit(ks, 0, &e, key.hash, LONG + 1000, 0, 0);
    assert_int_equal(string_length(e), LONG + 1000);
    assert_true(undo_memory(ks->undo) < 2048);
    undo_rollback(ks, section);
    assert_int_equal(string_length(e), LONG);
    struct bytes text = string_view(e, NULL);
    for (size_t i = 0; i < text.len; i++)
        assert_true(text.ptr[i] == 'b');
    keyspace_destroy(ks);
}

int main(void)
{
    mem_thread_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_string_forms),
        cmocka_unit_test(test_entry_layout),
        cmocka_unit_test(test_small_key_fits_a_block_of_32),
        cmocka_unit_test(test_expired_keys_are_buried),
        cmocka_unit_test(test_dead_keys_may_stay),
        cmocka_unit_test(test_rollback_model),
        cmocka_unit_test(test_nested_sections),
        cmocka_unit_test(test_cost_of_a_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
