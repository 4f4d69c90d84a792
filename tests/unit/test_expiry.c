/*
 * test_expiry.c - the index of deadlines against a plain list, under churn, and with a clock that
 * jumps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "storage/entry.h"
#include "storage/expiry.h"
#include "storage/wheel.h"

enum { UNIVERSE = 3000 };

/* A table of entries with its index, and how many were reported as due. */
struct world {
    struct dict keys;
    struct expiry expiry;
    int64_t now;
    int64_t model[UNIVERSE]; /* deadlines; DEADLINE_NONE: no key, NO_DEADLINE: a key without */
    uint64_t reported;
};

#define NO_DEADLINE ((int64_t)-2)

static struct bytes key_of_entry(const void *entry)
{
    return entry_key(entry);
}

static const struct dict_type entries = {key_of_entry};

static struct bytes name_of(uint32_t number, char text[16])
{
    return bytes_of(text, (size_t)snprintf(text, 16, "k:%u", number));
}

static uint32_t number_of(const struct entry *e)
{
    struct bytes name = entry_key(e);
    uint32_t number = 0;
    for (size_t i = 2; i < name.len; i++)
        number = number * 10 + (uint32_t)(name.ptr[i] - '0');
    return number;
}

static void world_init(struct world *w, int64_t now)
{
    dict_init(&w->keys, &entries);
    expiry_init(&w->expiry);
    w->now = now;
    w->reported = 0;
    for (int i = 0; i < UNIVERSE; i++)
        w->model[i] = DEADLINE_NONE;
}

static void world_fini(struct world *w)
{
    struct dict_iter it;
    dict_iter_begin(&it, &w->keys);
    for (struct entry *e; (e = dict_iter_next(&it)) != NULL;)
        entry_free_shell(e);
    dict_iter_end(&it);
    dict_fini(&w->keys);
    expiry_fini(&w->expiry);
}

static void put(struct world *w, uint32_t number, int64_t deadline)
{
    char text[16];
    struct bytes name = name_of(number, text);
    struct entry *e = entry_create_word(name, TYPE_STRING, ENC_INT, 1, deadline);
    dict_insert(&w->keys, e, dict_hash(name));
    if (deadline != DEADLINE_NONE)
        expiry_add(&w->expiry, dict_hash(name), deadline);
}

static void drop(struct world *w, uint32_t number)
{
    char text[16];
    struct bytes name = name_of(number, text);
    struct entry *e = dict_remove(&w->keys, name, dict_hash(name));
    if (entry_expires(e))
        expiry_drop(&w->expiry, entry_deadline(e));
    entry_free_shell(e);
}

static void move_deadline(struct world *w, uint32_t number, int64_t deadline)
{
    char text[16];
    struct bytes name = name_of(number, text);
    uint64_t hash = dict_hash(name);
    struct entry *e = dict_find(&w->keys, name, hash);
    int64_t old = entry_deadline(e);
    struct entry *moved = entry_rebuild(e, name, deadline);
    dict_replace(&w->keys, e, moved, hash);
    entry_free_shell(e);
    if (old == DEADLINE_NONE && deadline != DEADLINE_NONE)
        expiry_add(&w->expiry, hash, deadline);
    else if (old != DEADLINE_NONE && deadline == DEADLINE_NONE)
        expiry_drop(&w->expiry, old);
    else if (deadline != DEADLINE_NONE)
        expiry_change(&w->expiry, hash, old, deadline);
}

/* Reported: it must be due, and goes. */
static void on_due(void *entry, void *context)
{
    struct world *w = context;
    uint32_t number = number_of(entry);
    assert_true(entry_deadline(entry) < w->now);
    if (number < UNIVERSE)
        w->model[number] = DEADLINE_NONE;
    w->reported++;
    drop(w, number);
}

static void sweep(struct world *w)
{
    while (expiry_sweep(&w->expiry, &w->keys, w->now, 100, on_due, w))
        ;
}

/* What a sweep must leave: nothing that was due a tick ago, everything that is not due. */
static void compare(struct world *w)
{
    uint64_t keys = 0, expiring = 0;
    for (uint32_t i = 0; i < UNIVERSE; i++) {
        char text[16];
        struct bytes name = name_of(i, text);
        struct entry *e = dict_find(&w->keys, name, dict_hash(name));
        if (w->model[i] == DEADLINE_NONE) {
            assert_null(e);
            continue;
        }
        assert_non_null(e);
        keys++;
        if (w->model[i] == NO_DEADLINE) {
            assert_false(entry_expires(e));
            continue;
        }
        expiring++;
        assert_int_equal(entry_deadline(e), w->model[i]);
        assert_true(w->model[i] >= w->now - WHEEL_TICK_MS);
    }
    assert_int_equal(w->keys.count, keys);
    assert_int_equal(w->expiry.keys, expiring);
    expiry_check(&w->expiry, &w->keys);
    dict_check(&w->keys);
}

static int64_t random_deadline(const struct world *w)
{
    int64_t span = (int64_t)1 << random_below(45);
    if (random_below(200) == 0)
        return INT64_MAX;
    return w->now + 1 + (int64_t)random_below((uint64_t)span);
}

static void random_step(struct world *w)
{
    uint32_t i = (uint32_t)random_below(UNIVERSE);
    int64_t deadline = random_below(8) == 0 ? NO_DEADLINE : random_deadline(w);
    int64_t stored = deadline == NO_DEADLINE ? DEADLINE_NONE : deadline;
    if (w->model[i] == DEADLINE_NONE) {
        put(w, i, stored);
        w->model[i] = deadline;
    } else if (random_below(3) == 0) {
        drop(w, i);
        w->model[i] = DEADLINE_NONE;
    } else {
        move_deadline(w, i, stored);
        w->model[i] = deadline;
    }
}

static void run_model(uint64_t seed, int64_t start, int64_t largest_step)
{
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
    struct world w;
    world_init(&w, start);
    for (int round = 0; round < 400; round++) {
        for (int i = (int)random_below(400); i > 0; i--)
            random_step(&w);
        w.now += (int64_t)random_below((uint64_t)1 << random_below((uint64_t)largest_step));
        sweep(&w);
        for (int i = (int)random_below(3); i > 0; i--)
            expiry_compact_step(&w.expiry, &w.keys, 200);
        compare(&w);
    }
    assert_true(w.reported > 0);
    world_fini(&w);
}

static void test_model(void **state)
{
    uint64_t seed;
    random_bytes(&seed, sizeof seed);
    run_model(seed, 1000, 20);
    run_model(seed + 1, clock_wall_ms(), 30);
    run_model(seed + 2, clock_wall_ms() - 100000, 44);
    (void)state;
}

/* A tick that passes is enough: no key waits for a longer slot to come up. */
static void test_each_delay_is_met(void **state)
{
    struct world w;
    world_init(&w, clock_wall_ms());
    for (int bit = 0; bit < 48; bit++) {
        int64_t due = w.now + ((int64_t)1 << bit) - 1;
        put(&w, 0, due);
        w.now = due;
        sweep(&w);
        assert_int_equal(w.keys.count, 1);
        w.now = due + 1 + WHEEL_TICK_MS;
        sweep(&w);
        assert_int_equal(w.keys.count, 0);
    }
    world_fini(&w);
    (void)state;
}

static void test_limit_bounds_a_call(void **state)
{
    struct world w;
    world_init(&w, clock_wall_ms());
    for (uint32_t i = 0; i < UNIVERSE; i++)
        put(&w, i, w.now + 1000);
    w.now += 2000;
    uint64_t calls = 0, before;
    do {
        before = w.reported;
        calls++;
    } while (expiry_sweep(&w.expiry, &w.keys, w.now, 50, on_due, &w) && w.reported - before <= 50);
    assert_int_equal(w.keys.count, 0);
    assert_true(calls >= UNIVERSE / 50);
    assert_int_equal(w.keys.buckets, 1); /* the table shrank on the way */
    world_fini(&w);
    (void)state;
}

static void test_clock_set_back(void **state)
{
    struct world w;
    world_init(&w, clock_wall_ms());
    put(&w, 1, w.now + 3600000);
    put(&w, 2, w.now + 86400000);
    sweep(&w);
    w.now -= 7200000;
    sweep(&w);
    put(&w, 3, w.now + 1000);
    expiry_check(&w.expiry, &w.keys);
    w.now += 900;
    sweep(&w);
    assert_int_equal(w.reported, 0);
    w.now += 200;
    sweep(&w);
    assert_int_equal(w.reported, 1);
    w.now += 7200000 + 3600000;
    sweep(&w);
    assert_int_equal(w.reported, 2);
    expiry_check(&w.expiry, &w.keys);
    w.now += 86400000;
    sweep(&w);
    assert_int_equal(w.reported, 3);
    world_fini(&w);
    (void)state;
}

/* As a server does it: a step of compaction now and then. Returns the most memory that was seen. */
static size_t churn(struct world *w, uint32_t keys, uint32_t rounds, bool expire_only)
{
    size_t most = 0;
    for (uint32_t i = 0; i < rounds; i++) {
        uint32_t number = (uint32_t)random_below(keys);
        if (expire_only) {
            move_deadline(w, number, w->now + (i % 2 ? 86400000 : 1000000 * (1 + i % 7)));
        } else {
            put(w, number, w->now + 86400000);
            drop(w, number);
        }
        w->now += i % 8 == 0;
        if (i % 1000 == 0) {
            sweep(w);
            expiry_compact_step(&w->expiry, &w->keys, 100);
            size_t memory = expiry_memory(&w->expiry);
            most = memory > most ? memory : most;
        }
    }
    expiry_check(&w->expiry, &w->keys);
    return most;
}

static void test_locks_stay_bounded(void **state)
{
    struct world w;
    world_init(&w, clock_wall_ms());
    assert_true(churn(&w, 1, 1000000, false) < 4096);
    put(&w, UNIVERSE, w.now + 86400000);
    assert_true(churn(&w, 1, 100000, false) < 4096);
    assert_true(churn(&w, UNIVERSE, 1000000, false) < 64 * 1024);
    drop(&w, UNIVERSE);
    for (uint32_t i = 0; i < 100; i++)
        put(&w, i, w.now + 86400000);
    assert_true(churn(&w, 1, 300000, true) < 64 * 1024);
    assert_true(churn(&w, 100, 1000000, true) < 64 * 1024);
    assert_int_equal(w.keys.count, 100);
    world_fini(&w);
    (void)state;
}

static void test_gone_with_the_last_key(void **state)
{
    struct world w;
    world_init(&w, clock_wall_ms());
    for (uint32_t i = 0; i < UNIVERSE; i++)
        put(&w, i, w.now + 1000 * i);
    size_t memory = expiry_memory(&w.expiry);
    assert_true(memory > 4 * UNIVERSE && memory < 16 * UNIVERSE);
    for (uint32_t i = 0; i < UNIVERSE; i++)
        drop(&w, i);
    for (int i = 0; i < UNIVERSE / 100 + 2; i++)
        expiry_compact_step(&w.expiry, &w.keys, 100);
    assert_int_equal(expiry_memory(&w.expiry), 0);
    put(&w, 1, w.now + 5);
    assert_true(expiry_memory(&w.expiry) < 1024);
    world_fini(&w);
    (void)state;
}

static void test_sample_and_nearest(void **state)
{
    struct world w;
    world_init(&w, clock_wall_ms());
    void *found[16];
    assert_int_equal(expiry_sample(&w.expiry, &w.keys, found, 16), 0);
    assert_int_equal(expiry_nearest(&w.expiry, &w.keys, found, 16), 0);
    for (uint32_t i = 0; i < UNIVERSE; i++)
        put(&w, i, i % 2 ? DEADLINE_NONE : w.now + 1000 + 5000 * (int64_t)i);
    static uint32_t seen[UNIVERSE];
    for (int i = 0; i < 60000; i++) {
        assert_int_equal(expiry_sample(&w.expiry, &w.keys, found, 1), 1);
        seen[number_of(found[0])]++;
    }
    for (uint32_t i = 0; i < UNIVERSE; i++)
        assert_true(i % 2 ? seen[i] == 0 : seen[i] > 10 && seen[i] < 100);
    /* The nearest one after the other, while stale records pile up. */
    for (uint32_t i = 0; i < UNIVERSE / 2; i++) {
        int n = expiry_nearest(&w.expiry, &w.keys, found, 5);
        assert_true(n >= 1);
        uint32_t nearest = number_of(found[0]);
        for (int k = 1; k < n; k++)
            nearest = number_of(found[k]) < nearest ? number_of(found[k]) : nearest;
        assert_true(nearest < 2 * i + UNIVERSE / 3);
        drop(&w, nearest);
    }
    assert_int_equal(w.expiry.keys, 0);
    world_fini(&w);
    (void)state;
}

static void test_average(void **state)
{
    struct world w;
    world_init(&w, clock_wall_ms());
    assert_int_equal(expiry_average_ttl(&w.expiry, w.now), 0);
    put(&w, 1, w.now + 1000);
    put(&w, 2, w.now + 3000);
    assert_int_equal(expiry_average_ttl(&w.expiry, w.now), 2000);
    move_deadline(&w, 1, w.now + 5000);
    assert_int_equal(expiry_average_ttl(&w.expiry, w.now), 4000);
    world_fini(&w);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_delay_is_met),  cmocka_unit_test(test_limit_bounds_a_call),
        cmocka_unit_test(test_clock_set_back),     cmocka_unit_test(test_gone_with_the_last_key),
        cmocka_unit_test(test_sample_and_nearest), cmocka_unit_test(test_average),
        cmocka_unit_test(test_locks_stay_bounded), cmocka_unit_test(test_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
