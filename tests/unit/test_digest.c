/*
 * test_digest.c - fingerprints: equal data, equal digest, whatever the order or the encoding.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "server/digest.h"
#include "storage/string.h"

static void set(struct keyspace *ks, int db, const char *name, const char *value, int64_t deadline)
{
    struct key key = key_of(bytes_of_text(name));
    string_set(ks, db, keyspace_find(ks, db, key), key, bytes_of_text(value), deadline);
}

static bool same(struct keyspace *a, struct keyspace *b)
{
    struct digest x = digest_keyspace(a), y = digest_keyspace(b);
    return memcmp(&x, &y, sizeof x) == 0;
}

static void test_nothing_is_zero(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(2);
    struct digest d = digest_keyspace(ks);
    char hex[DIGEST_HEX_LEN + 1];
    digest_format(&d, hex);
    assert_string_equal(hex, "0000000000000000000000000000000000000000");
    keyspace_destroy(ks);
}

static void test_order_of_writing_does_not_matter(void **state)
{
    (void)state;
    struct keyspace *a = keyspace_create(2), *b = keyspace_create(2);
    char name[16];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "key:%d", i);
        set(a, i % 2, name, "value", DEADLINE_NONE);
        snprintf(name, sizeof name, "key:%d", 99 - i);
        set(b, (99 - i) % 2, name, "value", DEADLINE_NONE);
    }
    assert_true(same(a, b));
    keyspace_destroy(a);
    keyspace_destroy(b);
}

static void test_every_part_matters(void **state)
{
    (void)state;
    struct keyspace *a = keyspace_create(2), *b = keyspace_create(2);
    set(a, 0, "k", "v", DEADLINE_NONE);
    set(b, 1, "k", "v", DEADLINE_NONE);
    assert_false(same(a, b)); /* database */
    keyspace_flush(b, 1, false);
    set(b, 0, "k", "w", DEADLINE_NONE);
    assert_false(same(a, b)); /* value */
    set(b, 0, "k", "v", 1000);
    assert_false(same(a, b)); /* deadline */
    set(b, 0, "k", "v", DEADLINE_NONE);
    assert_true(same(a, b));
    set(b, 0, "l", "v", DEADLINE_NONE);
    assert_false(same(a, b)); /* another key */
    keyspace_destroy(a);
    keyspace_destroy(b);
}

static void test_encoding_does_not_matter(void **state)
{
    (void)state;
    struct keyspace *a = keyspace_create(1), *b = keyspace_create(1);
    set(a, 0, "k", "123", DEADLINE_NONE);
    set(b, 0, "k", "12", DEADLINE_NONE);
    struct key key = key_of(bytes_of_text("k"));
    string_append(b, 0, keyspace_find(b, 0, key), key.hash, bytes_of_text("3"));
    assert_true(same(a, b));
    keyspace_destroy(a);
    keyspace_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_zero),
        cmocka_unit_test(test_order_of_writing_does_not_matter),
        cmocka_unit_test(test_every_part_matters),
        cmocka_unit_test(test_encoding_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
