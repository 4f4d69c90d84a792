/*
 * test_hash.c - hashes against a model, through all forms and with deadlines of fields; sections of
 * random changes taken back at every position; what sizes they have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "storage/hash.h"
#include "storage/undo.h"
#include "storage/value.h"
#include "tests/unit/picture.h"

enum { DBS = 2, KEYS = 4, NAMES = 14, VALUE_MAX = 300, START = 1000000 };

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
            hash_check(e);
        dict_iter_end(&it);
    }
}

/* -- random material --------------------------------------------------------------------------- */

/* Names that are integers, short, long, and empty. */
static struct bytes random_name(char room[100])
{
    int i = (int)random_below(NAMES);
    if (i == 0)
        return bytes_of(room, 0);
    if (i < 5)
        return bytes_of(room, (size_t)snprintf(room, 100, "%d", i * 1000));
    if (i == 5)
        return bytes_of(room, (size_t)snprintf(room, 100, "%080d", i));
    return bytes_of(room, (size_t)snprintf(room, 100, "field:%d", i));
}

static struct bytes random_value(char room[VALUE_MAX])
{
    size_t len = random_below(4) == 0 ? random_below(VALUE_MAX) : random_below(20);
    if (random_below(3) == 0)
        return bytes_of(room, (size_t)snprintf(room, 30, "%lld", (long long)(int64_t)random_u64()));
    for (size_t i = 0; i < len; i++)
        room[i] = (char)random_u64();
    return bytes_of(room, len);
}

static int64_t random_deadline(const struct keyspace *ks)
{
    switch (random_below(4)) {
    case 0:
    case 1:
        return DEADLINE_NONE;
    case 2:
        return ks->now_ms + (int64_t)random_below(100);
    default:
        return ks->now_ms + 1 + (int64_t)random_below(100000000);
    }
}

static void set_random_limits(struct keyspace *ks)
{
    ks->limits.hash_listpack_entries = random_below(3) == 0 ? 0 : random_below(12);
    ks->limits.hash_listpack_value = random_below(2) ? 90 : 30;
}

/* -- one hash against a model ------------------------------------------------------------------ */

struct model_field {
    bool there;
    char name[100], value[VALUE_MAX];
    size_t name_len, value_len;
    int64_t deadline;
};

struct model {
    struct model_field fields[NAMES];
};

static struct model_field *model_find(struct model *m, struct bytes name)
{
    for (int i = 0; i < NAMES; i++)
        if (m->fields[i].there &&
            bytes_equal(bytes_of(m->fields[i].name, m->fields[i].name_len), name))
            return &m->fields[i];
    return NULL;
}

static void model_set(struct model *m, struct bytes name, struct bytes value, int64_t deadline)
{
    struct model_field *f = model_find(m, name);
    for (int i = 0; f == NULL; i++)
        if (!m->fields[i].there)
            f = &m->fields[i];
    f->there = true;
    f->name_len = name.len;
    f->value_len = value.len;
    f->deadline = deadline;
    memcpy(f->name, name.ptr, name.len);
    memcpy(f->value, value.ptr, value.len);
}

static void assert_field(const struct model_field *m, const struct hash_field *f)
{
    assert_true(bytes_equal(f->name, bytes_of(m->name, m->name_len)));
    assert_true(bytes_equal(f->value, bytes_of(m->value, m->value_len)));
    assert_int_equal(f->deadline, m->deadline);
}

static void assert_same(struct model *m, const struct entry *e)
{
    uint64_t count = 0, seen = 0;
    struct hash_field f;
    for (int i = 0; i < NAMES; i++) {
        if (!m->fields[i].there)
            continue;
        count++;
        assert_true(hash_find(e, bytes_of(m->fields[i].name, m->fields[i].name_len), &f));
        assert_field(&m->fields[i], &f);
    }
    assert_int_equal(hash_count(e), count);
    struct hash_iter it;
    hash_iter_begin(&it, e);
    for (; hash_iter_next(&it, &f); seen++) {
        struct hash_field again;
        assert_field(model_find(m, f.name), &f);
        hash_read(e, it.place, &again);
        assert_true(bytes_equal(again.name, f.name));
    }
    hash_iter_end(&it);
    assert_int_equal(seen, count);
    if (count > 0) {
        hash_random(e, &f);
        assert_non_null(model_find(m, f.name));
    }
}

static bool model_is_dead(const struct keyspace *ks, const struct model_field *f)
{
    return f->deadline != DEADLINE_NONE && f->deadline < ks->now_ms;
}

static void model_forget_dead(const struct keyspace *ks, struct model *m)
{
    for (int i = 0; i < NAMES; i++)
        if (m->fields[i].there && model_is_dead(ks, &m->fields[i]))
            m->fields[i].there = false;
}

static void step(struct hash_at *at, struct model *m)
{
    char name_room[100], value_room[VALUE_MAX];
    struct bytes name = random_name(name_room), value = random_value(value_room);
    struct model_field *known = model_find(m, name);
    int64_t deadline = random_deadline(at->ks);
    struct hash_field f;
    switch (random_below(8)) {
    case 0:
        assert_int_equal(hash_delete(at, name), known != NULL);
        if (known != NULL)
            known->there = false;
        break;
    case 1:
        if (known != NULL) {
            hash_set_deadline(at, name, deadline);
            known->deadline = deadline;
        }
        break;
    case 2:
        assert_int_equal(hash_find_live(at, name, &f),
                         known != NULL && !model_is_dead(at->ks, known));
        if (known != NULL && model_is_dead(at->ks, known))
            known->there = false;
        break;
    case 3:
        if (random_below(4) == 0) {
            hash_bury_all(at);
            model_forget_dead(at->ks, m);
        }
        at->ks->now_ms += (int64_t)random_below(50);
        break;
    case 4: {
        struct blob *b = blob_create(value.len);
        memcpy(b->data, value.ptr, value.len);
        assert_int_equal(hash_set(at, name, value, b, deadline), known == NULL);
        model_set(m, name, value, deadline);
        break;
    }
    default:
        assert_int_equal(hash_set(at, name, value, NULL, deadline), known == NULL);
        model_set(m, name, value, deadline);
    }
}

static void test_model(void **state)
{
    (void)state;
    uint64_t seed = random_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
    struct keyspace *ks = keyspace_create(1);
    ks->now_ms = START;
    for (int round = 0; round < 400; round++) {
        struct model m = {0};
        struct hash_at at = {.ks = ks, .key = key_named("h")};
        set_random_limits(ks);
        at.e = hash_create(ks, 0, at.key, 0);
        for (int i = 0; i < 60; i++) {
            step(&at, &m);
            assert_same(&m, at.e);
            hash_check(at.e);
        }
        struct entry *copy = hash_copy(at.e, bytes_of_text("copy"), DEADLINE_NONE);
        assert_same(&m, copy);
        hash_check(copy);
        value_end(copy);
        keyspace_check(ks);
        keyspace_remove(ks, 0, at.key, false);
    }
    assert_int_equal(ks->dbs[0].inner_expiry.keys, 0);
    keyspace_destroy(ks);
}

/* -- active expiry ----------------------------------------------------------------------------- */

static void test_dead_fields_go(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(1);
    ks->now_ms = START;
    struct hash_at at = {.ks = ks, .key = key_named("h")};
    struct hash_at small = {.ks = ks, .key = key_named("small")};
    at.e = hash_create(ks, 0, at.key, 0);
    small.e = hash_create(ks, 0, small.key, 0);
    for (int i = 0; i < 3000; i++) {
        char name[20];
        struct bytes n = bytes_of(name, (size_t)snprintf(name, sizeof name, "%d", i));
        hash_set(&at, n, n, NULL, i % 3 == 0 ? DEADLINE_NONE : START + i % 1000);
        if (i < 10)
            hash_set(&small, n, n, NULL, START + 500);
    }
    assert_int_equal(ks->dbs[0].inner_expiry.keys, 2);
    ks->now_ms = START + 600;
    int calls = 0;
    while (keyspace_visit_due(ks, 4))
        assert_true(calls++ < 1000);
    check_all(ks);
    assert_null(keyspace_find(ks, 0, small.key)); /* its last field took it along */
    uint64_t left = hash_count(at.e);
    assert_true(left >= 1000 + 800 &&
                left <= 1000 + 800 + 40); /* the present tick of the wheel may wait */
    ks->now_ms = START + 2000;
    while (keyspace_visit_due(ks, 4))
        ;
    assert_int_equal(hash_count(at.e), 1000);
    assert_int_equal(ks->dbs[0].inner_expiry.keys, 0);
    assert_int_equal(ks->expired_fields, 2010);
    check_all(ks);
    keyspace_destroy(ks);
}

/* -- sections ---------------------------------------------------------------------------------- */

static void add_line(struct picture *p, int db, const struct entry *e, const struct hash_field *f)
{
    size_t room = 200 + entry_key(e).len + (f != NULL ? 2 * (f->name.len + f->value.len) : 0);
    char *line = mem_alloc(room);
    struct bytes key = entry_key(e);
    int len = snprintf(line, room, "%d %.*s %s %lld", db, (int)key.len, key.ptr,
                       entry_encoding_name(entry_encoding(e)), (long long)entry_deadline(e));
    if (f != NULL) {
        len += snprintf(line + len, room - (size_t)len, " %lld ", (long long)f->deadline);
        for (size_t i = 0; i < f->name.len; i++, len += 2)
            snprintf(line + len, 3, "%02x", (unsigned char)f->name.ptr[i]);
        line[len++] = '=';
        for (size_t i = 0; i < f->value.len; i++, len += 2)
            snprintf(line + len, 3, "%02x", (unsigned char)f->value.ptr[i]);
        line[len] = '\0';
    } else {
        snprintf(line + len, room - (size_t)len, " due %lld", (long long)value_due(e));
    }
    picture_add(p, line);
}

static struct picture picture_take(const struct keyspace *ks)
{
    struct picture p = {.count = 0};
    for (int i = 0; i < DBS; i++) {
        struct dict_iter it;
        dict_iter_begin(&it, &ks->dbs[i].keys);
        for (struct entry *e; (e = dict_iter_next(&it)) != NULL;) {
            struct hash_iter fields;
            struct hash_field f;
            add_line(&p, i, e, NULL);
            hash_iter_begin(&fields, e);
            while (hash_iter_next(&fields, &f))
                add_line(&p, i, e, &f);
            hash_iter_end(&fields);
        }
        dict_iter_end(&it);
    }
    picture_sort(&p);
    return p;
}

static struct key random_key(char name[16])
{
    snprintf(name, 16, "key:%d", (int)random_below(KEYS));
    return key_named(name);
}

static void change_key(struct hash_at *at)
{
    struct keyspace *ks = at->ks;
    char other_name[16];
    struct key other = random_key(other_name);
    int to_db = (int)random_below(DBS);
    bool free = keyspace_find(ks, to_db, other) == NULL;
    switch (random_below(6)) {
    case 0:
        keyspace_remove(ks, at->db, at->key, random_below(2));
        break;
    case 1:
        if (free)
            keyspace_move(ks, at->db, at->e, at->key.hash, to_db, other);
        break;
    case 2:
        if (free)
            keyspace_add(ks, to_db, hash_copy(at->e, other.name, random_deadline(ks)), other.hash);
        break;
    case 3:
        keyspace_set_deadline(ks, at->db, at->e, at->key.hash,
                              random_below(2) ? DEADLINE_NONE : ks->now_ms + 1000000);
        break;
    case 4:
        keyspace_swap(ks, at->db, to_db);
        break;
    default:
        if (random_below(5) == 0)
            keyspace_flush(ks, random_below(3) ? at->db : -1, false);
    }
}

static void change_field(struct hash_at *at)
{
    char name_room[100], value_room[VALUE_MAX];
    struct bytes name = random_name(name_room), value = random_value(value_room);
    struct hash_field f;
    switch (random_below(8)) {
    case 0:
    case 1:
        hash_delete(at, name);
        break;
    case 2:
        if (hash_find(at->e, name, &f))
            hash_set_deadline(at, name, random_deadline(at->ks));
        break;
    case 3:
        hash_find_live(at, name, &f);
        break;
    case 4:
        if (random_below(3) == 0)
            hash_bury_all(at);
        break;
    default:
        hash_set(at, name, value, NULL, random_deadline(at->ks));
    }
    if (hash_count(at->e) == 0)
        hash_settle(at);
}

static void random_change(struct keyspace *ks)
{
    char name[16];
    struct hash_at at = {.ks = ks, .db = (int)random_below(DBS), .key = random_key(name)};
    at.e = keyspace_find(ks, at.db, at.key);
    if (at.e == NULL)
        at.e = hash_create(ks, at.db, at.key, random_below(100));
    if (hash_count(at.e) > 0 && random_below(6) == 0)
        change_key(&at);
    else
        change_field(&at);
}

static void test_sections_are_taken_back(void **state)
{
    (void)state;
    uint64_t seed = random_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
    struct keyspace *ks = keyspace_create(DBS);
    ks->now_ms = START;
    for (int round = 0; round < 6000; round++) {
        if (random_below(10) == 0)
            set_random_limits(ks);
        struct picture before = picture_take(ks);
        uint64_t dirty = ks->dirty;
        struct undo_section section = undo_begin(ks);
        for (uint64_t i = random_below(25); i > 0; i--) {
            random_change(ks);
            ks->now_ms += (int64_t)random_below(3);
        }
        if (random_below(3) != 0) {
            undo_rollback(ks, section);
            struct picture after = picture_take(ks);
            assert_same_picture(&before, &after);
            picture_end(&after);
            assert_int_equal(ks->dirty, dirty);
        } else {
            undo_commit(ks, section);
            while (random_below(2) && keyspace_visit_due(ks, 3))
                ;
        }
        picture_end(&before);
        if (round % 20 == 0)
            check_all(ks);
    }
    check_all(ks);
    keyspace_destroy(ks);
}

/* HINCRBY on a large hash must not cost a copy of it. */
static void test_undo_costs_one_field(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(1);
    struct hash_at at = {.ks = ks, .key = key_named("h")};
    at.e = hash_create(ks, 0, at.key, 0);
    for (int i = 0; i < 10000; i++) {
        char name[20];
        struct bytes n = bytes_of(name, (size_t)snprintf(name, sizeof name, "%d", i));
        hash_set(&at, n, n, NULL, DEADLINE_NONE);
    }
    struct undo_section section = undo_begin(ks);
    hash_set(&at, bytes_of_text("77"), bytes_of_text("changed"), NULL, DEADLINE_NONE);
    assert_true(undo_memory(ks->undo) < 2048);
    undo_rollback(ks, section);
    struct hash_field f;
    assert_true(hash_find(at.e, bytes_of_text("77"), &f));
    assert_true(bytes_equal(f.value, bytes_of_text("77")));
    keyspace_destroy(ks);
}

/* -- sizes ------------------------------------------------------------------------------------- */

static void test_sizes(void **state)
{
    (void)state;
    enum { FIELDS = 100000 };
    struct keyspace *ks = keyspace_create(1);
    struct hash_at at = {.ks = ks, .key = key_named("h")};
    at.e = hash_create(ks, 0, at.key, 0);
    for (int i = 0; i < FIELDS; i++) {
        char name[30];
        struct bytes n = bytes_of(name, (size_t)snprintf(name, sizeof name, "element:%012d", i));
        hash_set(&at, n, bytes_of_text("xxx"), NULL, DEADLINE_NONE);
    }
    assert_int_equal(entry_encoding(at.e), ENC_HASHTABLE);
    print_message("%.1f bytes a field\n", (double)keyspace_entry_memory(at.e, 0) / FIELDS);
#ifdef REDOUBT_JEMALLOC
    assert_true(keyspace_entry_memory(at.e, 0) <= 46 * (size_t)FIELDS);
#endif
    keyspace_destroy(ks);
}

int main(void)
{
    mem_thread_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_dead_fields_go),
        cmocka_unit_test(test_sections_are_taken_back),
        cmocka_unit_test(test_undo_costs_one_field),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
