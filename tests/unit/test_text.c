/*
 * test_text.c - a text that grows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"

static void test_empty_is_a_view_too(void **state)
{
    (void)state;
    struct text t = {0};
    assert_int_equal(text_view(&t).len, 0);
    assert_non_null(text_view(&t).ptr);
    text_add(&t, bytes_of(NULL, 0));
    assert_int_equal(t.len, 0);
    text_fini(&t);
}

static void test_parts_follow_each_other(void **state)
{
    (void)state;
    struct text t = {0};
    for (int i = 0; i < 1000; i++) {
        text_addf(&t, "%04d", i);
        text_add(&t, bytes_of_text(","));
    }
    assert_int_equal(t.len, 5000);
    assert_memory_equal(t.data + 5 * 999, "0999,", 6);
    text_fini(&t);
    assert_null(t.data);
}

static void test_zero_bytes_are_kept(void **state)
{
    (void)state;
    struct text t = {0};
    text_add(&t, bytes_of("a\0b", 3));
    text_addf(&t, "%s", "");
    assert_int_equal(t.len, 3);
    assert_memory_equal(t.data, "a\0b", 4);
    text_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_is_a_view_too),
        cmocka_unit_test(test_parts_follow_each_other),
        cmocka_unit_test(test_zero_bytes_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
