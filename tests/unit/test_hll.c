/*
 * test_hll.c - HyperLogLogs: both forms against plain registers, the values that Redis makes of
 * known elements, and values with bytes changed at random, which must never be read past their end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "storage/hll.h"

static void seed_random(void)
{
    uint64_t seed = random_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
}

static struct bytes view(const struct hll *h)
{
    return bytes_of(h->bytes, h->len);
}

/* Ranks as hashes have them: each half as likely as the one before; now and then a high one. */
static struct hll_place random_place(void)
{
    unsigned rank = 1 + (unsigned)__builtin_ctzll(random_u64() | (uint64_t)1 << 50);
    if (random_below(2000) == 0)
        rank = 1 + (unsigned)random_below(51);
    unsigned near = random_below(3) == 0 ? 40 : HLL_REGISTERS;
    return (struct hll_place){(unsigned)random_below(near), rank};
}

static void assert_registers(const struct hll *h, const uint8_t *expected)
{
    uint8_t registers[HLL_REGISTERS] = {0};
    uint64_t count;
    assert_true(hll_is_valid(view(h)));
    assert_true(hll_merge(view(h), registers));
    assert_memory_equal(registers, expected, HLL_REGISTERS);
    assert_true(hll_count(view(h), &count));
    assert_int_equal(count, hll_count_registers(expected));
}

static void test_against_registers(void **state)
{
    (void)state;
    seed_random();
    for (int round = 0; round < 24; round++) {
        struct hll h;
        uint8_t expected[HLL_REGISTERS] = {0};
        uint64_t sparse_max = random_below(3) == 0 ? random_below(300) : random_below(40000);
        int changes = (int)random_below(random_below(4) == 0 ? 20000 : 1500);
        hll_init(&h);
        for (int i = 0; i < changes; i++) {
            struct hll_place place = random_place();
            bool raises = place.rank > expected[place.index];
            assert_int_equal(hll_set(&h, place, sparse_max), raises ? HLL_CHANGED : HLL_SAME);
            if (raises)
                expected[place.index] = (uint8_t)place.rank;
            if (i % 200 == 0)
                assert_registers(&h, expected);
            assert_true(hll_is_dense(view(&h)) || h.len <= (sparse_max > 18 ? sparse_max : 18));
        }
        assert_registers(&h, expected);
        assert_true(hll_make_dense(&h));
        assert_registers(&h, expected);
    }
}

/* The same runs come of it whether a walk begins at the front or where the last one was. */
static void test_ascending(void **state)
{
    (void)state;
    seed_random();
    for (int round = 0; round < 120; round++) {
        struct hll a, b;
        hll_init(&a);
        for (uint64_t i = random_below(1000); i > 0; i--)
            hll_set(&a, random_place(), 40000);
        assert_true(hll_load(&b, view(&a)));
        uint64_t dense = 1 + random_below(20), ranks = 1 + random_below(4);
        for (unsigned i = 0; i < HLL_REGISTERS; i++) {
            if (random_below(dense) != 0)
                continue;
            struct hll_place place = {i, 1 + (unsigned)random_below(ranks)};
            assert_int_equal(hll_set(&a, place, 40000), hll_set_next(&b, place, 40000));
        }
        assert_int_equal(a.len, b.len);
        assert_memory_equal(a.bytes, b.bytes, a.len);
    }
}

/* What Redis 7.0 answers to PFADD d 0 1 ... 19, PFDEBUG DECODE and PFCOUNT. */
static void test_known_value(void **state)
{
    (void)state;
    static const char expected[] =
        "Z:495 v:2,1 Z:1042 v:1,1 Z:1041 v:1,1 Z:1315 v:1,1 Z:246 v:3,1 Z:529 v:1,1 Z:1237 v:1,1 "
        "Z:1394 v:5,1 Z:220 v:1,1 Z:854 v:1,1 Z:850 v:4,1 Z:273 v:1,1 Z:1317 v:1,1 Z:147 v:1,1 "
        "Z:2251 v:4,1 Z:884 v:1,1 Z:728 v:1,1 Z:531 v:4,1 Z:185 v:1,1 z:22 v:2,1 Z:803 ";
    struct hll h;
    char text[20], decoded[1000];
    int len = 0;
    uint64_t count;
    hll_init(&h);
    for (int i = 0; i < 20; i++)
        hll_set(&h, hll_place(bytes_of(text, (size_t)snprintf(text, 20, "%d", i))), 3000);
    for (size_t at = HLL_HEADER; at < h.len;) {
        struct hll_run run = hll_run(h.bytes + at, at + 1 == h.len);
        at += run.size;
        if (run.rank > 0)
            len += snprintf(decoded + len, 30, "v:%u,%u ", run.rank, run.length);
        else
            len += snprintf(decoded + len, 30, "%c:%u ", run.size == 2 ? 'Z' : 'z', run.length);
    }
    assert_string_equal(decoded, expected);
    assert_true(hll_count(view(&h), &count));
    assert_int_equal(count, 20);
}

static void test_cached_count(void **state)
{
    (void)state;
    struct hll h;
    uint64_t count;
    hll_init(&h);
    assert_true(hll_cached(view(&h), &count));
    assert_int_equal(count, 0);
    hll_set_count((char *)h.bytes, 0x0123456789abcdef);
    assert_true(hll_cached(view(&h), &count));
    assert_true(count == 0x0123456789abcdef);
    assert_int_equal(hll_set(&h, (struct hll_place){5, 1}, 3000), HLL_CHANGED);
    assert_false(hll_cached(view(&h), &count));
}

/* In a block of its own, so that the sanitizer sees a byte read too far. */
static void use(const char *bytes, size_t len)
{
    struct hll h;
    uint8_t registers[HLL_REGISTERS] = {0};
    uint64_t count;
    char *block = mem_copy_bytes(bytes, len);
    struct bytes value = bytes_of(block, len);
    if (hll_is_valid(value)) {
        hll_cached(value, &count);
        bool sound = hll_count(value, &count);
        assert_int_equal(hll_merge(value, registers), sound);
        if (hll_load(&h, value)) {
            for (int i = 0; i < 20; i++)
                hll_set(&h, random_place(), 3000);
            bool loaded = hll_load(&h, bytes_of(h.bytes, h.len));
            assert_true(loaded);
            for (unsigned i = 0; i < HLL_REGISTERS; i += 1 + (unsigned)random_below(500))
                hll_set_next(&h, (struct hll_place){i, 1 + i % 3}, 3000);
            assert_true(hll_make_dense(&h) || !sound);
        }
    }
    mem_free(block);
}

static void test_mutated_values(void **state)
{
    (void)state;
    seed_random();
    static struct hll h;
    for (int round = 0; round < 3000; round++) {
        hll_init(&h);
        for (uint64_t i = random_below(round % 10 == 0 ? 3000 : 100); i > 0; i--)
            hll_set(&h, random_place(), round % 3 ? 3000 : 200);
        for (uint64_t i = random_below(6); i > 0; i--)
            h.bytes[random_below(3) ? random_below(h.len) : 4 + random_below(30)] =
                (unsigned char)random_u64();
        if (random_below(4) == 0)
            h.len = random_below(h.len + 1);
        use((char *)h.bytes, h.len);
    }
    for (int round = 0; round < 60; round++) {
        for (size_t i = 0; i < HLL_ROOM; i++)
            h.bytes[i] = (unsigned char)(round % 2 ? 0x40 : random_u64());
        memcpy(h.bytes, "HYLL\1", 5);
        use((char *)h.bytes, HLL_HEADER + random_below(HLL_ROOM - HLL_HEADER + 1));
    }
}

static void test_self_test(void **state)
{
    (void)state;
    assert_null(hll_self_test());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_registers), cmocka_unit_test(test_ascending),
        cmocka_unit_test(test_known_value),       cmocka_unit_test(test_cached_count),
        cmocka_unit_test(test_mutated_values),    cmocka_unit_test(test_self_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
