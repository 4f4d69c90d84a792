/*
 * test_cron.c - upkeep: keys expire unseen, in slices, unless somebody forbids it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/cron.h"
#include "server/executor.h"
#include "server/latency.h"
#include "server/network.h"
#include "server/outlink.h"
#include "server/server.h"
#include "server/tracking.h"
#include "storage/string.h"

static struct server server;
static struct network network;

static int set_up(void **state)
{
    (void)state;
    clock_init();
    mem_thread_enter();
    server = (struct server){
        .keys = keyspace_create(2), .latency = latency_create(), .network = &network};
    server.opt.hz = 100;
    server.opt.active_expire_effort = 1;
    uv_loop_init(&server.loop);
    server.executor = executor_create(&server);
    server.tracking = tracking_create(&server);
    server.outlinks = outlinks_create();
    server.keys->now_ms = clock_wall_ms();
    server.cron = cron_start(&server);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cron_stop(server.cron);
    uv_run(&server.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&server.loop), 0);
    outlinks_destroy(server.outlinks);
    tracking_destroy(server.tracking);
    executor_destroy(server.executor);
    latency_destroy(server.latency);
    keyspace_destroy(server.keys);
    return 0;
}

static void add_keys(int count, int64_t ttl_ms)
{
    char name[32];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "key:%d", i);
        string_set(server.keys, i % 2, NULL, key_of(bytes_of_text(name)), bytes_of_text("v"),
                   server.keys->now_ms + ttl_ms);
    }
}

static uint64_t keys_left(void)
{
    return keyspace_size(server.keys, 0) + keyspace_size(server.keys, 1);
}

static void run_for(int64_t ms)
{
    int64_t end = clock_mono_us() + ms * 1000;
    while (clock_mono_us() < end)
        uv_run(&server.loop, UV_RUN_ONCE);
}

static void test_due_keys_go_and_others_stay(void **state)
{
    (void)state;
    add_keys(1000, 20);
    string_set(server.keys, 0, NULL, key_of(bytes_of_text("stays")), bytes_of_text("v"),
               DEADLINE_NONE);
    run_for(300);
    assert_int_equal(keys_left(), 1);
    assert_int_equal(server.keys->expired, 1000);
    assert_true(server.stats.expire_ticks > 0);
}

static void test_many_due_keys_take_many_slices(void **state)
{
    (void)state;
    add_keys(100000, 1);
    int64_t end = clock_mono_us() + 20 * 1000 * 1000;
    while (keys_left() > 0 && clock_mono_us() < end)
        uv_run(&server.loop, UV_RUN_ONCE);
    assert_int_equal(keys_left(), 0);
    assert_true(server.stats.expire_cap_reached > 0);
}

static void test_active_expiry_can_be_switched_off(void **state)
{
    (void)state;
    cron_set_active_expire(server.cron, false);
    add_keys(100, 1);
    run_for(100);
    assert_int_equal(keys_left(), 100);
    cron_set_active_expire(server.cron, true);
    run_for(100);
    assert_int_equal(keys_left(), 0);
}

static void test_a_pause_stops_everything(void **state)
{
    (void)state;
    cron_pause(server.cron, true);
    add_keys(100, 1);
    server.stats.peak_memory = 0;
    run_for(100);
    assert_int_equal(keys_left(), 100);
    assert_int_equal(server.stats.peak_memory, 0);
    cron_pause(server.cron, false);
    run_for(100);
    assert_int_equal(keys_left(), 0);
    assert_true(server.stats.peak_memory > 0);
}

static void test_hz_is_bounded(void **state)
{
    (void)state;
    cron_set_hz(server.cron, 0);
    cron_set_hz(server.cron, 1000000);
    server.stats.cycle_cron_ticks = 0;
    run_for(50);
    assert_true(server.stats.cycle_cron_ticks > 0);
}

static void test_the_access_clock_runs(void **state)
{
    (void)state;
    server.keys->access_clock = 0;
    run_for(50);
    assert_int_not_equal(server.keys->access_clock, 0);
    server.keys->lfu = true;
    run_for(50);
    assert_int_equal(server.keys->access_clock & 0xff, 0);
    assert_int_equal(server.keys->access_clock >> 8, server.keys->now_ms / 60000 & 0xffff);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_due_keys_go_and_others_stay),
        TEST(test_many_due_keys_take_many_slices),
        TEST(test_active_expiry_can_be_switched_off),
        TEST(test_a_pause_stops_everything),
        TEST(test_hz_is_bounded),
        TEST(test_the_access_clock_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
