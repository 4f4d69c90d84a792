/*
 * test_arena.c - copies stay where and what they are while others are added.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/arena.h"

static void test_copies_stay(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static char large[3000];
    struct bytes copies[COUNT];
    struct arena a = {0};
    for (int i = 0; i < COUNT; i++) {
        size_t len = (size_t)(i % 100 == 99 ? (int)sizeof large : i % 50);
        memset(large, 'a' + i % 26, len);
        copies[i] = arena_copy(&a, bytes_of(large, len));
        assert_non_null(copies[i].ptr);
        assert_int_equal(copies[i].len, len);
    }
    for (int i = 0; i < COUNT; i++)
        for (size_t k = 0; k < copies[i].len; k++)
            assert_int_equal(copies[i].ptr[k], 'a' + i % 26);
    arena_fini(&a);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_copies_stay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
