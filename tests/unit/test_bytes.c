/*
 * test_bytes.c - comparing and copying: every length, a difference at every place, and nothing read
 * beyond the end (each view ends where its allocation does, for the address sanitizer).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bytes.h"

enum { LONGEST = 200 };

static char *block_of(size_t len)
{
    char *block = malloc(len > 0 ? len : 1);
    memset(block, 'x', len);
    return block;
}

static void test_equal(void **state)
{
    (void)state;
    for (size_t len = 0; len < LONGEST; len++) {
        char *a = block_of(len), *b = block_of(len);
        assert_true(bytes_equal(bytes_of(a, len), bytes_of(b, len)));
        for (size_t i = 0; i < len; i++) {
            b[i] ^= (char)0x80;
            assert_false(bytes_equal(bytes_of(a, len), bytes_of(b, len)));
            b[i] ^= (char)0x80;
        }
        if (len > 0)
            assert_false(bytes_equal(bytes_of(a, len), bytes_of(b, len - 1)));
        free(a);
        free(b);
    }
}

static void test_copy(void **state)
{
    (void)state;
    for (size_t len = 0; len < LONGEST; len++) {
        char *from = block_of(len), *to = block_of(len);
        for (size_t i = 0; i < len; i++)
            from[i] = (char)(i + 1);
        bytes_copy(to, from, len);
        assert_memory_equal(to, from, len);
        free(from);
        free(to);
    }
}

static void test_order(void **state)
{
    (void)state;
    struct bytes a = bytes_of_text("ab"), b = bytes_of_text("abc"), c = bytes_of_text("b\xff");
    assert_int_equal(bytes_compare(a, a), 0);
    assert_true(bytes_compare(a, b) < 0 && bytes_compare(b, a) > 0);
    assert_true(bytes_compare(b, c) < 0 && bytes_compare(c, b) > 0);
}

static void test_word(void **state)
{
    (void)state;
    assert_true(bytes_is_word(bytes_of_text("LiMiT"), "limit"));
    assert_false(bytes_is_word(bytes_of_text("limi"), "limit"));
    assert_false(bytes_is_word(bytes_of_text("limits"), "limit"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
