/*
 * test_lcs.c - base/lcs: lengths against a slow model, and runs that add up to a common
 * subsequence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/lcs.h"
#include "base/random.h"

static void test_runs_from_the_end(void **state)
{
    (void)state;
    struct lcs l;
    assert_true(lcs_init(&l, bytes_of_text("ohmytext"), bytes_of_text("mynewtext")));
    assert_int_equal(lcs_length(&l), 6);
    struct lcs_run run = lcs_end(&l);
    assert_true(lcs_previous(&l, &run));
    assert_int_equal(run.a, 4);
    assert_int_equal(run.b, 5);
    assert_int_equal(run.len, 4);
    assert_true(lcs_previous(&l, &run));
    assert_int_equal(run.a, 2);
    assert_int_equal(run.b, 0);
    assert_int_equal(run.len, 2);
    assert_false(lcs_previous(&l, &run));
    lcs_fini(&l);
}

static void test_empty_strings(void **state)
{
    (void)state;
    struct lcs l;
    assert_true(lcs_init(&l, bytes_of("", 0), bytes_of_text("abc")));
    assert_int_equal(lcs_length(&l), 0);
    struct lcs_run run = lcs_end(&l);
    assert_false(lcs_previous(&l, &run));
    lcs_fini(&l);
    assert_int_equal(lcs_memory(bytes_of("", 0), bytes_of("", 0)), 4);
}

/* The definition itself, exponential in time. */
static uint32_t slow_length(struct bytes a, struct bytes b)
{
    if (a.len == 0 || b.len == 0)
        return 0;
    struct bytes a1 = bytes_of(a.ptr + 1, a.len - 1), b1 = bytes_of(b.ptr + 1, b.len - 1);
    if (a.ptr[0] == b.ptr[0])
        return 1 + slow_length(a1, b1);
    uint32_t x = slow_length(a1, b), y = slow_length(a, b1);
    return x > y ? x : y;
}

static void random_text(char *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (char)('a' + random_below(3));
}

static void test_model(void **state)
{
    (void)state;
    uint64_t seed = (uint64_t)time(NULL);
    printf("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
    for (int round = 0; round < 500; round++) {
        char x[10], y[10];
        struct bytes a = bytes_of(x, random_below(sizeof x + 1));
        struct bytes b = bytes_of(y, random_below(sizeof y + 1));
        random_text(x, sizeof x);
        random_text(y, sizeof y);
        struct lcs l;
        assert_true(lcs_init(&l, a, b));
        assert_int_equal(lcs_length(&l), slow_length(a, b));
        size_t total = 0, a_end = a.len, b_end = b.len;
        for (struct lcs_run run = lcs_end(&l); lcs_previous(&l, &run); total += run.len) {
            assert_true(run.a + run.len <= a_end && run.b + run.len <= b_end);
            assert_memory_equal(a.ptr + run.a, b.ptr + run.b, run.len);
            a_end = run.a;
            b_end = run.b;
        }
        assert_int_equal(total, lcs_length(&l));
        lcs_fini(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_from_the_end),
        cmocka_unit_test(test_empty_strings),
        cmocka_unit_test(test_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
