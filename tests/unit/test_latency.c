/*
 * test_latency.c - samples of slow events, their graph, and the histograms of commands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/random.h"
#include "server/latency.h"
#include "server/latency_report.h"
#include "server/server.h"

/* -- events ------------------------------------------------------------------------------------ */

static int begin(void **state)
{
    struct server *s = calloc(1, sizeof(*s));
    s->latency = latency_create();
    s->opt.latency_monitor_threshold = 20;
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct server *s = *state;
    latency_destroy(s->latency);
    free(s);
    return 0;
}

static void test_threshold(void **state)
{
    struct server *s = *state;
    latency_event(s, "command", 19999);
    assert_null(latency_first(s->latency));
    latency_event(s, "command", 20000);
    assert_non_null(latency_first(s->latency));
    s->opt.latency_monitor_threshold = 0;
    latency_event(s, "fork", 1000000);
    assert_null(latency_find(s->latency, bytes_of_text("fork")));
}

/* Two events in a second are one sample, the worse one. */
static void test_one_sample_a_second(void **state)
{
    struct server *s = *state;
    do {
        latency_reset_all(s->latency);
        latency_event(s, "command", 50000);
        latency_event(s, "command", 90000);
        latency_event(s, "command", 70000);
    } while (latency_first(s->latency)->count != 1); /* the second ended in between */
    const struct latency_series *series = latency_find(s->latency, bytes_of_text("COMMAND"));
    assert_int_equal(latency_sample_at(series, 0).ms, 90);
    assert_int_equal(series->worst_ms, 90);
}

static void test_reset(void **state)
{
    struct server *s = *state;
    latency_event(s, "a", 50000);
    latency_event(s, "b", 50000);
    latency_event(s, "c", 50000);
    assert_false(latency_reset(s->latency, bytes_of_text("nothing")));
    assert_true(latency_reset(s->latency, bytes_of_text("b")));
    assert_false(latency_reset(s->latency, bytes_of_text("b")));
    assert_string_equal(latency_first(s->latency)->event, "a");
    assert_string_equal(latency_first(s->latency)->next->event, "c");
    assert_int_equal(latency_reset_all(s->latency), 2);
    assert_null(latency_first(s->latency));
}

/* -- graph ------------------------------------------------------------------------------------- */

static void assert_graph(const struct latency_series *series, int64_t now_s, const char *expected)
{
    struct text out = {0};
    latency_graph(series, now_s, &out);
    assert_string_equal(out.data, expected);
    text_fini(&out);
}

#define RULE "--------------------------------------------------------------------------------\n"

/* The samples and the graph that Redis 7.0.15 drew of them. */
static void test_graph_as_redis_draws_it(void **state)
{
    (void)state;
    static const int ages[] = {15, 14, 13, 11, 10, 8, 6, 5, 4, 2};
    static const uint32_t ms[] = {50, 100, 300, 200, 250, 70, 500, 31, 150, 400};
    struct latency_series series = {.event = "command", .count = 10, .worst_ms = 500};
    for (int i = 0; i < 10; i++)
        series.samples[i] = (struct latency_sample){1000 - ages[i], ms[i]};
    assert_graph(&series, 1000,
                 "command - high 500 ms, low 31 ms (all time high 500 ms)\n" RULE "      #  _\n"
                 "  _   |  |\n"
                 "  |o# | _|\n"
                 "_o|||_|_||\n"
                 "          \n"
                 "1111186542\n"
                 "54310sssss\n"
                 "sssss     \n");
}

static void test_graph_of_one_sample(void **state)
{
    (void)state;
    struct latency_series series = {.event = "command", .count = 1, .worst_ms = 20};
    series.samples[0] = (struct latency_sample){1000, 20};
    assert_graph(&series, 1000,
                 "command - high 20 ms, low 20 ms (all time high 20 ms)\n" RULE
                 " \n \n \n_\n \n0\ns\n");
}

/* More than 80 samples continue below, and a full ring starts at its oldest. */
static void test_graph_wraps(void **state)
{
    (void)state;
    struct latency_series series = {.event = "e", .count = LATENCY_SAMPLES, .first = 7};
    for (uint32_t i = 0; i < LATENCY_SAMPLES; i++)
        series.samples[(7 + i) % LATENCY_SAMPLES] = (struct latency_sample){i, 10 + i};
    assert_int_equal(latency_sample_at(&series, 0).ms, 10);
    struct text out = {0};
    latency_graph(&series, LATENCY_SAMPLES, &out);
    int lines = 0;
    for (size_t i = 0; i < out.len; i++)
        lines += out.data[i] == '\n';
    /* Title, rule, 4 rows, blanks, "2m" and "1m"; an empty line; 4 rows, blanks, and up to "59s".
     */
    assert_int_equal(lines, 2 + 5 + 2 + 1 + 5 + 3);
    text_fini(&out);
}

static void test_doctor_says_something(void **state)
{
    struct server *s = *state;
    struct text out = {0};
    latency_doctor(s->latency, false, &out);
    assert_non_null(strstr(out.data, "latency-monitor-threshold"));
    text_fini(&out);
    latency_event(s, "command", 50000);
    latency_doctor(s->latency, true, &out);
    assert_non_null(strstr(out.data, "1. command: 1 spikes, 50 ms on average"));
    assert_non_null(strstr(out.data, "SLOWLOG GET"));
    text_fini(&out);
}

/* -- histograms -------------------------------------------------------------------------------- */

static void test_buckets_are_narrow(void **state)
{
    (void)state;
    for (uint64_t ns = 0; ns < 1000000; ns += ns / 50 + 1) {
        uint64_t end = histogram_bucket_end(ns);
        assert_true(end >= ns);
        assert_true((end - ns) * 128 <= ns + 128);
        assert_true(histogram_bucket_end(end) == end);
        assert_true(histogram_bucket_end(end + 1) > end);
    }
    /* What Redis prints for 0.033 ms, 1 s. */
    assert_int_equal(histogram_bucket_end(1 << 15), 33023);
    assert_int_equal(histogram_bucket_end(1000000000), 1002438655);
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Percentiles and counts agree with the sorted values themselves, but for the width of a bucket. */
static void test_against_model(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static uint64_t values[COUNT];
    uint64_t seed = random_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
    struct histogram *h = histogram_create();
    for (int i = 0; i < COUNT; i++) {
        values[i] = random_below(1ull << (1 + random_below(29)));
        histogram_record(h, values[i]);
    }
    qsort(values, COUNT, sizeof(values[0]), compare_u64);
    assert_int_equal(histogram_count(h), COUNT);
    static const double percentiles[] = {0, 1, 25, 50, 90, 99, 99.9, 100};
    for (size_t p = 0; p < sizeof(percentiles) / sizeof(percentiles[0]); p++) {
        int rank = (int)(percentiles[p] / 100 * COUNT + 0.5);
        uint64_t exact = values[rank > 0 ? rank - 1 : 0];
        assert_int_equal(histogram_percentile(h, percentiles[p]), histogram_bucket_end(exact));
    }
    for (uint64_t ns = 1; ns < 1u << 30; ns *= 2) {
        uint64_t end = histogram_bucket_end(ns), count = 0;
        while (count < COUNT && values[count] <= end)
            count++;
        assert_int_equal(histogram_count_to(h, ns), count);
    }
    histogram_destroy(h);
}

static void test_long_durations_are_cut(void **state)
{
    (void)state;
    struct histogram *h = histogram_create();
    assert_int_equal(histogram_percentile(h, 50), 0);
    histogram_record(h, UINT64_MAX);
    histogram_record(h, 2300000000);
    assert_int_equal(histogram_percentile(h, 50), 1002438655);
    assert_int_equal(histogram_count_to(h, 1 << 29), 0);
    assert_int_equal(histogram_count_to(h, 1u << 30), 2);
    histogram_destroy(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_threshold, begin, end),
        cmocka_unit_test_setup_teardown(test_one_sample_a_second, begin, end),
        cmocka_unit_test_setup_teardown(test_reset, begin, end),
        cmocka_unit_test(test_graph_as_redis_draws_it),
        cmocka_unit_test(test_graph_of_one_sample),
        cmocka_unit_test(test_graph_wraps),
        cmocka_unit_test_setup_teardown(test_doctor_says_something, begin, end),
        cmocka_unit_test(test_buckets_are_narrow),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_long_durations_are_cut),
    };
    return cmocka_run_group_tests_name("latency", tests, NULL, NULL);
}
