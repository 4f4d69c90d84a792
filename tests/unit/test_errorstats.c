/*
 * test_errorstats.c - codes of error replies and their counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/text.h"
#include "server/errorstats.h"
#include "server/log.h"
#include "server/server.h"

static struct server server;

static int set_up(void **state)
{
    (void)state;
    server = (struct server){.errors = error_stats_create(), .log = log_create()};
    log_set_level(server.log, LOG_LEVEL_NOTHING);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    error_stats_destroy(server.errors);
    log_destroy(server.log);
    return 0;
}

static void count(const char *error)
{
    error_stats_count(&server, bytes_of_text(error));
}

static void write_line(void *out, const char *code, uint64_t times)
{
    text_addf(out, "%s=%d ", code, (int)times);
}

static void assert_counts(const char *expected)
{
    struct text out = {0};
    text_addf(&out, "%s", "");
    error_stats_each(server.errors, write_line, &out);
    assert_int_equal(text_view(&out).len, strlen(expected));
    assert_memory_equal(text_view(&out).ptr, expected, strlen(expected));
    text_fini(&out);
}

static void test_codes_come_in_order(void **state)
{
    (void)state;
    count("WRONGTYPE Operation against a key");
    count("ERR syntax error");
    count("OOM command not allowed");
    count("ERR unknown command");
    assert_counts("ERR=2 OOM=1 WRONGTYPE=1 ");
    assert_int_equal(server.stats.error_replies, 4);
}

static void test_a_text_without_code_is_err(void **state)
{
    (void)state;
    count("nothing");
    count("");
    count("A_FIRST_WORD_THAT_IS_TOO_LONG_TO_BE_A_CODE at all");
    assert_counts("ERR=3 ");
}

static void test_reset(void **state)
{
    (void)state;
    count("ERR one");
    error_stats_reset(server.errors);
    assert_counts("");
    count("ERR one");
    assert_counts("ERR=1 ");
}

static void test_too_many_codes_end_the_collection(void **state)
{
    (void)state;
    char error[32];
    for (int i = 0; i < 128; i++) {
        snprintf(error, sizeof error, "CODE%d message", i);
        count(error);
    }
    count("CODE7 is known, so it is still counted");
    struct text out = {0};
    error_stats_each(server.errors, write_line, &out);
    assert_non_null(strstr(out.data, "CODE7=2 "));
    text_fini(&out);

    count("ONEMORE code");
    assert_counts("ERRORSTATS_DISABLED=1 ");
    count("ONEMORE code");
    assert_counts("ERRORSTATS_DISABLED=1 ");
    assert_int_equal(server.stats.error_replies, 131);

    error_stats_reset(server.errors);
    count("ONEMORE code");
    assert_counts("ONEMORE=1 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_codes_come_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_text_without_code_is_err, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_codes_end_the_collection, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
