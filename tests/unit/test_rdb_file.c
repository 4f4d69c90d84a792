/*
 * test_rdb_file.c - whole datasets: saved and loaded they are the same; files that lie are refused.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crc64.h"
#include "base/memory.h"
#include "base/random.h"
#include "server/digest.h"
#include "storage/hash.h"
#include "storage/list.h"
#include "storage/set.h"
#include "storage/snapshot/rdb_file.h"
#include "storage/string.h"
#include "storage/undo.h"
#include "storage/zset.h"

enum { DBS = 4, NOW_MS = 1000000 };
#define LITERAL(text)                                                                              \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
#define BYTES(literal) bytes_of(literal, sizeof(literal) - 1)

static char folder[] = "/tmp/redoubt-rdb-XXXXXX";

static struct keyspace *empty_keyspace(void)
{
    struct keyspace *ks = keyspace_create(DBS);
    ks->now_ms = NOW_MS;
    ks->limits = (struct limits){.hash_listpack_entries = 8,
                                 .hash_listpack_value = 64,
                                 .set_intset_entries = 8,
                                 .set_listpack_entries = 8,
                                 .set_listpack_value = 64,
                                 .zset_listpack_entries = 8,
                                 .zset_listpack_value = 64,
                                 .list = {.fill = 4}};
    return ks;
}

/* -- a dataset of all sorts -------------------------------------------------------------------- */

static struct bytes word(char *room, const char *kind, uint64_t i)
{
    return bytes_of(room, (size_t)sprintf(room, "%s%llu", kind, (unsigned long long)i));
}

static void add_list(struct keyspace *ks, int db, struct key key, uint64_t count)
{
    char room[64];
    struct entry *e = list_create(ks, db, key);
    for (uint64_t i = 0; i < count; i++) {
        struct bytes text = word(room, i % 2 ? "" : "item", i);
        list_push(ks, e, LIST_TAIL, &text, 1);
    }
}

static void add_set(struct keyspace *ks, int db, struct key key, uint64_t count)
{
    char room[64];
    struct entry *e = set_create_as(key.name, ENC_INTSET);
    keyspace_add(ks, db, e, key.hash);
    struct set_at at = set_in(ks, e);
    for (uint64_t i = 0; i < count; i++)
        set_add(&at, word(room, count % 2 ? "" : "m", i));
}

static void add_zset(struct keyspace *ks, int db, struct key key, uint64_t count)
{
    char room[64];
    struct zset_builder b;
    zset_builder_init(&b);
    for (uint64_t i = 0; i < count; i++) {
        bool fresh;
        *zset_builder_score(&b, word(room, "m", i), &fresh) = (double)i / 4;
    }
    keyspace_add(ks, db, zset_builder_finish(&b, &ks->limits, key.name), key.hash);
}

static void add_hash(struct keyspace *ks, int db, struct key key, uint64_t count, bool dying)
{
    char room[2][64];
    struct hash_at at = {ks, db, key, hash_create(ks, db, key, 0), 0};
    for (uint64_t i = 0; i < count; i++)
        hash_set(&at, word(room[0], "f", i), word(room[1], "", i * 1000), NULL,
                 dying && i % 3 ? NOW_MS + 1 + (int64_t)i : DEADLINE_NONE);
}

static void fill(struct keyspace *ks, bool dying)
{
    for (uint64_t i = 0; i < 200; i++) {
        char room[64];
        int db = (int)(i % 3); /* the last one stays empty */
        struct key key = key_of(word(room, "key", i));
        uint64_t count = i % 20 + 1;
        switch (i % 5) {
        case 0:
            string_set(ks, db, NULL, key, key.name, i % 2 ? NOW_MS + 5000 : DEADLINE_NONE);
            break;
        case 1:
            add_list(ks, db, key, count);
            break;
        case 2:
            add_set(ks, db, key, count);
            break;
        case 3:
            add_zset(ks, db, key, count);
            break;
        default:
            add_hash(ks, db, key, count, dying);
        }
    }
}

static void assert_same(struct keyspace *a, struct keyspace *b)
{
    struct digest x = digest_keyspace(a), y = digest_keyspace(b);
    assert_memory_equal(x.bytes, y.bytes, sizeof x.bytes);
    keyspace_check(b);
}

static void save(struct keyspace *ks, const char *path)
{
    const char *doing;
    struct rdb_save what = {.ks = ks, .compress = true, .checksum = true, .redis_version = "7.4.1"};
    assert_true(rdb_save_file(&what, path, &doing));
}

static char *contents(const char *path, size_t *len)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    assert_int_equal(fstat(fd, &st), 0);
    *len = (size_t)st.st_size;
    char *data = mem_alloc(*len);
    assert_int_equal(read(fd, data, *len), (ssize_t)*len);
    close(fd);
    return data;
}

/* -- tests ------------------------------------------------------------------------------------- */

static void what_was_saved_is_loaded(void **state)
{
    (void)state;
    for (int dying = 0; dying < 2; dying++) {
        struct keyspace *ks = empty_keyspace(), *other = empty_keyspace();
        fill(ks, dying);
        save(ks, "a.rdb");
        struct rdb_load how = {.ks = other, .checksum = true};
        assert_int_equal(rdb_load_file(&how, "a.rdb"), RDB_LOADED);
        assert_int_equal(how.loaded, 200);
        assert_same(ks, other);
        size_t len;
        char *data = contents("a.rdb", &len);
        assert_memory_equal(data, dying ? "REDIS0012" : "REDIS0010", 9);
        mem_free(data);
        keyspace_destroy(ks);
        keyspace_destroy(other);
    }
}

static void dead_keys_stay_out(void **state)
{
    (void)state;
    struct keyspace *ks = empty_keyspace(), *other = empty_keyspace();
    fill(ks, false);
    save(ks, "a.rdb");
    struct rdb_load how = {.ks = other, .checksum = true};
    other->now_ms = NOW_MS + 6000;
    assert_int_equal(rdb_load_file(&how, "a.rdb"), RDB_LOADED);
    assert_int_equal(how.loaded, 180);
    assert_int_equal(how.expired, 20);
    keyspace_destroy(ks);
    keyspace_destroy(other);
}

static void a_key_that_is_there_gives_way_or_refuses(void **state)
{
    (void)state;
    struct keyspace *ks = empty_keyspace(), *other = empty_keyspace();
    fill(ks, true);
    save(ks, "a.rdb");
    string_set(other, 0, NULL, key_of(BYTES("key3")), BYTES("mine"), DEADLINE_NONE);
    struct rdb_load how = {.ks = other, .checksum = true};
    assert_int_equal(rdb_load_file(&how, "a.rdb"), RDB_NOT_LOADED);
    assert_non_null(strstr(how.error.data, "twice"));
    text_fini(&how.error);
    keyspace_check(other);
    how = (struct rdb_load){.ks = other, .checksum = true, .merge = true};
    assert_int_equal(rdb_load_file(&how, "a.rdb"), RDB_LOADED);
    assert_same(ks, other);
    keyspace_destroy(ks);
    keyspace_destroy(other);
}

static void loading_in_a_section_is_taken_back(void **state)
{
    (void)state;
    struct keyspace *ks = empty_keyspace(), *other = empty_keyspace();
    fill(ks, true);
    save(ks, "a.rdb");
    fill(other, false);
    struct digest before = digest_keyspace(other);
    struct undo_section section = undo_begin(other);
    struct rdb_load how = {.ks = other, .checksum = true, .merge = true};
    assert_int_equal(rdb_load_file(&how, "a.rdb"), RDB_LOADED);
    undo_rollback(other, section);
    struct digest after = digest_keyspace(other);
    assert_memory_equal(before.bytes, after.bytes, sizeof before.bytes);
    keyspace_check(other);
    keyspace_destroy(ks);
    keyspace_destroy(other);
}

static bool loads(const char *data, size_t len, bool checksum)
{
    struct keyspace *ks = empty_keyspace();
    struct rdb_load how = {.ks = ks, .checksum = checksum};
    char *exact = mem_alloc(len + 1); /* who reads a byte too far is noticed */
    memcpy(exact + 1, data, len);
    bool loaded = rdb_load_bytes(&how, bytes_of(exact + 1, len));
    assert_true(loaded || how.error.len > 0);
    text_fini(&how.error);
    mem_free(exact);
    keyspace_check(ks);
    keyspace_destroy(ks);
    return loaded;
}

static bool loads_bytes(struct bytes data)
{
    return loads(data.ptr, data.len, true);
}

static void a_file_that_was_cut_is_refused(void **state)
{
    (void)state;
    struct keyspace *ks = empty_keyspace();
    fill(ks, true);
    save(ks, "a.rdb");
    size_t len;
    char *data = contents("a.rdb", &len);
    assert_true(loads(data, len, true));
    for (size_t cut = 0; cut < len; cut += 1 + random_below(40))
        assert_false(loads(data, cut, true));
    mem_free(data);
    keyspace_destroy(ks);
}

static void changed_bytes_are_noticed(void **state)
{
    (void)state;
    struct keyspace *ks = empty_keyspace();
    fill(ks, true);
    save(ks, "a.rdb");
    size_t len;
    char *data = contents("a.rdb", &len);
    for (int i = 0; i < 300; i++) {
        size_t at = 9 + random_below(len - 9);
        char was = data[at];
        data[at] = (char)(was ^ (1 << random_below(8)));
        assert_false(loads(data, len, true));
        loads(data, len, false); /* whatever it says */
        data[at] = was;
    }
    mem_free(data);
    keyspace_destroy(ks);
}

static void old_files_are_read(void **state)
{
    (void)state;
    /* version 3: seconds, no checksum, a zipmap */
    assert_true(loads_bytes(BYTES("REDIS0003\xfe\x00\xfd\xff\xff\xff\xff\x00\x01"
                                  "a\x01"
                                  "b\x09\x01"
                                  "h\x07\x01\x01"
                                  "f\x01\x00v\xff\xff")));
    /* unknown AUX fields, a slot's sizes, a checksum that was left out */
    assert_true(loads_bytes(
        BYTES("REDIS0012\xfa\x01x\x01y\xfe\x00\xf4\x01\x02\x03\xfb\x01\x00\xf8\x05\xf9\x07"
              "\x00\x01"
              "a\x01"
              "b\xff\0\0\0\0\0\0\0\0")));
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct bytes lies[] = {
        LITERAL(""),
        LITERAL("REDIS"),
        LITERAL("REDIS0010"),
        LITERAL("RADIS0010\xff\0\0\0\0\0\0\0\0"),
        LITERAL("REDIS0013\xff\0\0\0\0\0\0\0\0"),
        LITERAL("REDIS0000\xff\0\0\0\0\0\0\0\0"),
        LITERAL("REDIS00x0\xff\0\0\0\0\0\0\0\0"),
        LITERAL("REDIS0010\xfe\x04\xff\0\0\0\0\0\0\0\0"), /* no such database */
        LITERAL("REDIS0010\xfe\x00\xf0\x01"
                "a\x01"
                "b\xff\0\0\0\0\0\0\0\0"), /* no such kind */
        LITERAL("REDIS0010\xfc\xff\xff\xff\xff\xff\xff\xff\xff\x00\x01"
                "a\x01"
                "b\xff\0\0\0\0\0\0\0\0"),                 /* no such time */
        LITERAL("REDIS0010\xf6\xff\0\0\0\0\0\0\0\0"),     /* functions of an RC */
        LITERAL("REDIS0010\xf7\x01\xff\0\0\0\0\0\0\0\0"), /* a module's */
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++)
        assert_false(loads_bytes(lies[i]));
}

static void empty_values_are_passed_over(void **state)
{
    (void)state;
    struct keyspace *ks = empty_keyspace();
    struct rdb_load how = {.ks = ks};
    struct bytes data = BYTES("REDIS0010\xfe\x00\x01\x01"
                              "a\x00\x02\x01"
                              "b\x00\x00\x01"
                              "c\x01x\xff\0\0\0\0\0\0\0\0");
    assert_true(rdb_load_bytes(&how, data));
    assert_int_equal(how.loaded, 1);
    assert_int_equal(how.empty, 2);
    keyspace_destroy(ks);
}

static void failing_to_save_leaves_the_old_file(void **state)
{
    (void)state;
    struct keyspace *ks = empty_keyspace();
    fill(ks, false);
    save(ks, "a.rdb");
    size_t len, again;
    char *data = contents("a.rdb", &len);
    struct rdb_save what = {.ks = ks, .redis_version = "7.4.1"};
    const char *doing;
    assert_int_equal(mkdir("taken.rdb", 0700), 0);
    assert_false(rdb_save_file(&what, "taken.rdb", &doing));
    assert_string_equal(doing, "writing");
    assert_int_equal(rmdir("taken.rdb"), 0);
    char *after = contents("a.rdb", &again);
    assert_int_equal(len, again);
    assert_memory_equal(data, after, len);
    mem_free(data);
    mem_free(after);
    keyspace_destroy(ks);
}

static void no_file_is_no_error(void **state)
{
    (void)state;
    struct keyspace *ks = empty_keyspace();
    struct rdb_load how = {.ks = ks};
    assert_int_equal(rdb_load_file(&how, "none.rdb"), RDB_NO_FILE);
    assert_int_equal(how.error.len, 0);
    keyspace_destroy(ks);
}

static int enter(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static int leave(void **state)
{
    (void)state;
    unlink("a.rdb");
    return chdir("/") != 0 || rmdir(folder) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_saved_is_loaded),
        cmocka_unit_test(dead_keys_stay_out),
        cmocka_unit_test(a_key_that_is_there_gives_way_or_refuses),
        cmocka_unit_test(loading_in_a_section_is_taken_back),
        cmocka_unit_test(a_file_that_was_cut_is_refused),
        cmocka_unit_test(changed_bytes_are_noticed),
        cmocka_unit_test(old_files_are_read),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(empty_values_are_passed_over),
        cmocka_unit_test(failing_to_save_leaves_the_old_file),
        cmocka_unit_test(no_file_is_no_error),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
