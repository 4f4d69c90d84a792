/*
 * test_eviction.c - which keys go: never one that the policy protects, mostly the ones that it
 * prefers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/random.h"
#include "storage/eviction.h"
#include "storage/undo.h"

enum { KEYS = 4000, SAMPLES = 5 };

#define NOW INT64_C(1700000000000)

struct told {
    int events;
    char last[64];
};

struct fixture {
    struct keyspace *ks;
    struct eviction *ev;
    struct told told;
};

static void on_event(void *context, int db, struct bytes key, enum event_class class,
                     const char *event)
{
    struct told *told = context;
    if (class == EVENT_NEW)
        return;
    assert_int_equal(class, EVENT_EVICTED);
    assert_string_equal(event, "evicted");
    assert_true(db == 0 || db == 3);
    assert_true(key.len < sizeof told->last);
    memcpy(told->last, key.ptr, key.len);
    told->last[key.len] = '\0';
    told->events++;
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.ks = keyspace_create(4), .ev = eviction_create()};
    f.ks->now_ms = NOW;
    f.ks->access_clock = eviction_lru_clock(NOW);
    f.ks->hooks.context = &f.told;
    f.ks->hooks.event = on_event;
    random_seed(42);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    keyspace_destroy(f->ks);
    eviction_destroy(f->ev);
    return 0;
}

static struct key key_number(int number, char text[16])
{
    return key_of(bytes_of(text, (size_t)snprintf(text, 16, "k:%d", number)));
}

static struct entry *put(struct keyspace *ks, int db, int number, int64_t deadline)
{
    char text[16];
    struct key key = key_number(number, text);
    struct entry *e = entry_create_word(key.name, TYPE_STRING, ENC_INT, number, deadline);
    keyspace_add(ks, db, e, key.hash);
    return e;
}

static bool has(struct keyspace *ks, int number)
{
    char text[16];
    struct key key = key_number(number, text);
    return keyspace_peek(ks, 0, key) != NULL || keyspace_peek(ks, 3, key) != NULL;
}

/* Keys 0..KEYS-1 in two databases, one key in four in the second; even ones have deadlines. */
static void fill(struct keyspace *ks)
{
    for (int i = 0; i < KEYS; i++) {
        struct entry *e =
            put(ks, i % 4 == 3 ? 3 : 0, i, i % 2 ? DEADLINE_NONE : NOW + 1000 + (int64_t)i * 1000);
        if (ks->lfu)
            entry_set_clock(e, (ks->access_clock & 0xffff00) | (uint32_t)(i * 255 / KEYS));
        else
            entry_set_clock(e, ks->access_clock - (uint32_t)(KEYS - i));
    }
}

static void evict(struct fixture *f, enum eviction_policy policy, int count)
{
    uint64_t size = keyspace_size(f->ks, 0) + keyspace_size(f->ks, 3);
    for (int i = 0; i < count; i++)
        assert_true(eviction_evict_one(f->ev, f->ks, policy, SAMPLES));
    assert_int_equal(keyspace_size(f->ks, 0) + keyspace_size(f->ks, 3), size - (uint64_t)count);
    assert_int_equal(f->ks->evicted, count);
    assert_int_equal(f->told.events, count);
}

/* Of the keys [from, to), how many are left? stride 2: the even ones. */
static int left(struct fixture *f, int from, int to, int stride)
{
    int count = 0;
    for (int i = from; i < to; i += stride)
        count += has(f->ks, i);
    return count;
}

static void test_none(void **state)
{
    struct fixture *f = *state;
    fill(f->ks);
    assert_false(eviction_evict_one(f->ev, f->ks, EVICT_NONE, SAMPLES));
    struct undo_section section = undo_begin(f->ks);
    assert_false(eviction_evict_one(f->ev, f->ks, EVICT_ALLKEYS_LRU, SAMPLES));
    undo_rollback(f->ks, section);
}

static void test_all_policies_empty_what_they_may(void **state)
{
    struct fixture *f = *state;
    for (int policy = EVICT_ALLKEYS_LRU; policy <= EVICT_VOLATILE_TTL; policy++) {
        bool all = policy < EVICT_VOLATILE_LRU;
        f->ks->evicted = 0;
        f->told.events = 0;
        f->ks->lfu = policy == EVICT_ALLKEYS_LFU || policy == EVICT_VOLATILE_LFU;
        fill(f->ks);
        evict(f, (enum eviction_policy)policy, all ? KEYS : KEYS / 2);
        assert_false(eviction_evict_one(f->ev, f->ks, (enum eviction_policy)policy, SAMPLES));
        assert_int_equal(left(f, 1, KEYS, 2), all ? 0 : KEYS / 2);
        assert_int_equal(left(f, 0, KEYS, 2), 0);
        keyspace_check(f->ks);
        keyspace_flush(f->ks, -1, false);
    }
}

/* Half of the keys go: nearly all of them from the half that the policy prefers. */
static void test_allkeys_lru(void **state)
{
    struct fixture *f = *state;
    fill(f->ks);
    evict(f, EVICT_ALLKEYS_LRU, KEYS / 2);
    assert_true(left(f, 0, KEYS / 2, 1) < KEYS / 8);
    assert_true(left(f, KEYS * 9 / 10, KEYS, 1) > KEYS / 10 * 97 / 100);
    assert_string_not_equal(f->told.last, "");
}

static void test_allkeys_lfu(void **state)
{
    struct fixture *f = *state;
    f->ks->lfu = true;
    f->ks->access_clock = 1234 << 8;
    fill(f->ks);
    evict(f, EVICT_ALLKEYS_LFU, KEYS / 2);
    assert_true(left(f, 0, KEYS / 2, 1) < KEYS / 8);
    assert_true(left(f, KEYS * 9 / 10, KEYS, 1) > KEYS / 10 * 97 / 100);
}

static void test_volatile_lru(void **state)
{
    struct fixture *f = *state;
    fill(f->ks);
    evict(f, EVICT_VOLATILE_LRU, KEYS / 4);
    assert_true(left(f, 0, KEYS / 2, 2) < KEYS / 16);
    assert_int_equal(left(f, 1, KEYS, 2), KEYS / 2);
}

static void test_volatile_ttl(void **state)
{
    struct fixture *f = *state;
    fill(f->ks);
    while (keyspace_expire_due(f->ks, KEYS)) /* the index learns what the time is */
        ;
    evict(f, EVICT_VOLATILE_TTL, KEYS / 4);
    assert_true(left(f, 0, KEYS / 2, 2) < KEYS / 32);
    assert_int_equal(left(f, 1, KEYS, 2), KEYS / 2);
}

/* Random over all databases: each loses in proportion to its size. */
static void test_random_is_fair(void **state)
{
    struct fixture *f = *state;
    fill(f->ks);
    evict(f, EVICT_ALLKEYS_RANDOM, KEYS / 2);
    uint64_t small = keyspace_size(f->ks, 3);
    assert_true(small > KEYS / 8 - 100 && small < KEYS / 8 + 100);
}

/* A candidate that was used, or lost its deadline, after it was noted does not go. */
static void test_candidates_are_judged_again(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 8; i++)
        entry_set_clock(put(f->ks, 0, i, NOW + 100000), f->ks->access_clock - 1000);
    entry_set_clock(put(f->ks, 0, 8, NOW + 100000), f->ks->access_clock - 10);
    entry_set_clock(put(f->ks, 0, 9, NOW + 100000), f->ks->access_clock - 10);
    assert_true(eviction_evict_one(f->ev, f->ks, EVICT_VOLATILE_LRU, 64));
    for (int i = 0; i < 8; i++) {
        char text[16];
        struct key key = key_number(i, text);
        struct entry *e = keyspace_peek(f->ks, 0, key);
        if (e != NULL && i % 2 == 0)
            keyspace_touch(f->ks, e);
        else if (e != NULL)
            keyspace_set_deadline(f->ks, 0, e, key.hash, DEADLINE_NONE);
    }
    assert_true(eviction_evict_one(f->ev, f->ks, EVICT_VOLATILE_LRU, 64));
    assert_int_equal(has(f->ks, 8) + has(f->ks, 9), 1);
}

static void test_lru_clock(void **state)
{
    struct fixture *f = *state;
    struct entry *e = put(f->ks, 0, 1, DEADLINE_NONE);
    assert_int_equal(eviction_idle_ms(f->ks, e), 0);
    f->ks->now_ms += 3500;
    assert_int_equal(eviction_idle_ms(f->ks, e), 3000);
    f->ks->now_ms -= 60000; /* the clock was set back */
    assert_int_equal(eviction_idle_ms(f->ks, e), 0);
    f->ks->now_ms = ((int64_t)1 << 24) * 1000 + 5000; /* the clock went round */
    entry_set_clock(e, 0xffffff);
    assert_int_equal(eviction_idle_ms(f->ks, e), 6000);
}

/* The table in redis.conf: how far the counter gets after so many hits. */
static void test_lfu_counter(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int factor, hits, low, high;
    } rows[] = {
        {0, 100, 100, 110},      {0, 1000, 255, 255},   {1, 100, 12, 25},   {1, 1000, 38, 60},
        {10, 100, 6, 14},        {10, 1000, 13, 25},    {100, 1000, 6, 15}, {10, 100000, 120, 165},
        {10, 1000000, 255, 255}, {100, 100000, 38, 60},
    };
    f->ks->lfu = true;
    f->ks->access_clock = 77 << 8;
    assert_int_equal(eviction_new_clock(f->ks), 77 << 8 | 5);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        f->ks->lfu_log_factor = rows[i].factor;
        uint32_t clock = eviction_new_clock(f->ks);
        for (int hit = 0; hit < rows[i].hits; hit++)
            clock = eviction_lfu_touch(f->ks, clock);
        assert_int_equal(clock >> 8, 77);
        assert_in_range(clock & 255, rows[i].low, rows[i].high);
    }
}

static void test_lfu_decay(void **state)
{
    struct fixture *f = *state;
    f->ks->lfu = true;
    f->ks->access_clock = 0xfffe00;
    struct entry *e = put(f->ks, 0, 1, DEADLINE_NONE);
    entry_set_clock(e, f->ks->access_clock | 100);
    f->ks->access_clock = 0x000300; /* five minutes on, and round */
    assert_int_equal(eviction_frequency(f->ks, e), 95);
    f->ks->lfu_decay_minutes = 2;
    assert_int_equal(eviction_frequency(f->ks, e), 98);
    f->ks->lfu_decay_minutes = 0;
    assert_int_equal(eviction_frequency(f->ks, e), 100);
    f->ks->lfu_decay_minutes = 1;
    f->ks->access_clock = 0x00ff00;
    assert_int_equal(eviction_frequency(f->ks, e), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_lru_clock),
        TEST(test_lfu_counter),
        TEST(test_lfu_decay),
        TEST(test_none),
        TEST(test_allkeys_lru),
        TEST(test_allkeys_lfu),
        TEST(test_volatile_lru),
        TEST(test_volatile_ttl),
        TEST(test_random_is_fair),
        TEST(test_candidates_are_judged_again),
        TEST(test_all_policies_empty_what_they_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
