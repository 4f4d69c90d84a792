/*
 * test_stats.c - rates of counters, and what CONFIG RESETSTAT leaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/stats.h"

enum { SECOND = 1000000 };

static void test_the_first_reading_is_no_rate(void **state)
{
    (void)state;
    struct rate r = {0};
    rate_read(&r, 1000000, 5 * SECOND);
    assert_float_equal(rate_per_second(&r), 0, 0);
}

static void test_a_steady_counter_has_its_rate(void **state)
{
    (void)state;
    struct rate r = {0};
    for (int i = 0; i <= STATS_SAMPLES; i++)
        rate_read(&r, 1000 + 50 * (uint64_t)i, SECOND + i * SECOND / 10);
    assert_float_equal(rate_per_second(&r), 500, 1e-6);
}

static void test_a_rate_forgets(void **state)
{
    (void)state;
    struct rate r = {0};
    rate_read(&r, 0, SECOND);
    rate_read(&r, 16000, 2 * SECOND);
    assert_float_equal(rate_per_second(&r), 16000.0 / STATS_SAMPLES, 1e-6);
    for (int i = 0; i < STATS_SAMPLES; i++)
        rate_read(&r, 16000, (3 + i) * SECOND);
    assert_float_equal(rate_per_second(&r), 0, 0);
}

static void test_a_counter_set_back_grew_from_zero(void **state)
{
    (void)state;
    struct rate r = {0};
    rate_read(&r, 1000000, SECOND);
    rate_read(&r, 160, 2 * SECOND);
    assert_float_equal(rate_per_second(&r), 160.0 / STATS_SAMPLES, 1e-6);
}

static void test_time_that_stands_still_is_no_reading(void **state)
{
    (void)state;
    struct rate r = {0};
    rate_read(&r, 0, SECOND);
    rate_read(&r, 500, SECOND);
    rate_read(&r, 1600, 2 * SECOND);
    assert_float_equal(rate_per_second(&r), 1600.0 / STATS_SAMPLES, 1e-6);
}

static void test_reset_keeps_the_present(void **state)
{
    (void)state;
    struct stats st = {.commands = 5,
                       .connections = 7,
                       .peak_memory = 11,
                       .startup_memory = 13,
                       .input_max = 17,
                       .eviction_exceeding_since_us = 19};
    stats_reset(&st);
    assert_int_equal(st.commands, 0);
    assert_int_equal(st.connections, 0);
    assert_int_equal(st.peak_memory, 11);
    assert_int_equal(st.startup_memory, 13);
    assert_int_equal(st.input_max, 17);
    assert_int_equal(st.eviction_exceeding_since_us, 19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_reading_is_no_rate),
        cmocka_unit_test(test_a_steady_counter_has_its_rate),
        cmocka_unit_test(test_a_rate_forgets),
        cmocka_unit_test(test_a_counter_set_back_grew_from_zero),
        cmocka_unit_test(test_time_that_stands_still_is_no_reading),
        cmocka_unit_test(test_reset_keeps_the_present),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
