/*
 * test_info.c - INFO's sections: which are chosen, their order, their lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "server/command.h"
#include "server/errorstats.h"
#include "server/info.h"
#include "server/latency.h"
#include "server/server.h"
#include "storage/string.h"

static struct server server;
static struct text report;

static int set_up(void **state)
{
    (void)state;
    clock_init();
    server = (struct server){
        .keys = keyspace_create(3),
        .commands = command_table_create(),
        .errors = error_stats_create(),
        .replication_id = "0123456789012345678901234567890123456789",
    };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    text_fini(&report);
    error_stats_destroy(server.errors);
    command_table_destroy(server.commands);
    keyspace_destroy(server.keys);
    return 0;
}

/* INFO with up to two names; the report as a C string. */
static const char *info(const char *first, const char *second)
{
    struct bytes names[2] = {bytes_of_text(first), bytes_of_text(second != NULL ? second : "")};
    text_fini(&report);
    info_write(&server, names, second != NULL ? 2 : 1, &report);
    return report.len > 0 ? report.data : "";
}

static void test_unknown_sections_are_empty(void **state)
{
    (void)state;
    assert_string_equal(info("sentinel", "nothing"), "");
}

static void test_names_have_any_case(void **state)
{
    (void)state;
    assert_string_equal(info("CLuster", NULL), "# Cluster\r\ncluster_enabled:0\r\n");
}

static void test_sections_come_once_and_in_their_order(void **state)
{
    (void)state;
    assert_string_equal(info("keyspace", "cluster"),
                        "# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n");
    assert_string_equal(info("cluster", "cluster"), "# Cluster\r\ncluster_enabled:0\r\n");
}

static void test_keyspace_lists_databases_with_keys(void **state)
{
    (void)state;
    struct key a = key_of(bytes_of_text("a")), b = key_of(bytes_of_text("b"));
    server.keys->now_ms = 1000;
    string_set(server.keys, 0, NULL, a, bytes_of_text("1"), DEADLINE_NONE);
    string_set(server.keys, 2, NULL, a, bytes_of_text("1"), 6000);
    string_set(server.keys, 2, NULL, b, bytes_of_text("1"), DEADLINE_NONE);
    assert_string_equal(info("keyspace", NULL),
                        "# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0,subexpiry=0\r\n"
                        "db2:keys=2,expires=1,avg_ttl=5000,subexpiry=0\r\n");
}

static void test_commandstats_lists_what_was_called(void **state)
{
    (void)state;
    struct command_slot *slot = command_find_full(server.commands, bytes_of_text("object|freq"));
    assert_non_null(slot);
    slot->calls = 4;
    slot->failed = 1;
    slot->rejected = 2;
    slot->ticks = clock_us_to_ticks(1001);
    unsigned us = 0;
    float per_call = 0;
    assert_int_equal(sscanf(info("commandstats", NULL),
                            "# Commandstats\r\ncmdstat_object|freq:calls=4,usec=%u,"
                            "usec_per_call=%f,rejected_calls=2,failed_calls=1\r\n",
                            &us, &per_call),
                     2);
    assert_in_range(us, 1000, 1001);
    assert_float_equal(per_call, us / 4.0, 0.01);
}

static void test_errorstats_cannot_break_lines(void **state)
{
    (void)state;
    error_stats_count(&server, bytes_of_text("ERR one"));
    error_stats_count(&server, bytes_of_text("A:B\r#x two"));
    assert_string_equal(info("errorstats", NULL),
                        "# Errorstats\r\nerrorstat_A_B__x:count=1\r\nerrorstat_ERR:count=1\r\n");
}

static void test_latencystats_prints_the_percentiles_asked_for(void **state)
{
    (void)state;
    struct command_slot *slot = command_find_full(server.commands, bytes_of_text("get"));
    slot->latency = histogram_create();
    histogram_record(slot->latency, 1000);
    char percentiles[] = "0 50 99.9";
    server.opt.latency_tracking = true;
    server.opt.latency_tracking_info_percentiles = percentiles;
    float p0, p50, p999;
    assert_int_equal(
        sscanf(info("latencystats", NULL),
               "# Latencystats\r\nlatency_percentiles_usec_get:p0=%f,p50=%f,p99.9=%f\r\n", &p0,
               &p50, &p999),
        3);
    assert_float_equal(p50, 1, 0.02);
    server.opt.latency_tracking = false;
    assert_string_equal(info("latencystats", NULL), "# Latencystats\r\n");
}

static void test_persistence_tells_what_is_not_saved(void **state)
{
    (void)state;
    server.keys->dirty = 17;
    server.snapshot.saved_dirty = 10;
    const char *text = info("persistence", NULL);
    assert_non_null(strstr(text, "\r\nloading:0\r\n"));
    assert_non_null(strstr(text, "\r\nrdb_changes_since_last_save:7\r\n"));
    assert_non_null(strstr(text, "\r\nrdb_bgsave_in_progress:0\r\n"));
    assert_non_null(strstr(text, "\r\naof_enabled:0\r\n"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_unknown_sections_are_empty),
        TEST(test_names_have_any_case),
        TEST(test_sections_come_once_and_in_their_order),
        TEST(test_keyspace_lists_databases_with_keys),
        TEST(test_commandstats_lists_what_was_called),
        TEST(test_errorstats_cannot_break_lines),
        TEST(test_latencystats_prints_the_percentiles_asked_for),
        TEST(test_persistence_tells_what_is_not_saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
