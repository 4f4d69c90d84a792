/*
 * test_bits.c - each way of counting, finding and combining bits against the naive one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/bits.h"
#include "base/memory.h"
#include "base/random.h"

enum { LONGEST = 20000 };

static void seed_random(void)
{
    uint64_t seed = random_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
}

/* A text of its own allocation, so that a byte read too far is seen; dense, sparse or uniform. */
static char *random_text(size_t len)
{
    char *text = mem_alloc(len + (len == 0));
    uint64_t kind = random_below(4);
    for (size_t i = 0; i < len; i++) {
        bool odd = random_below(200) == 0;
        text[i] = kind == 0   ? (char)random_u64()
                  : kind == 1 ? (char)(odd ? 0x10 : 0)
                  : kind == 2 ? (char)(odd ? 0xef : 0xff)
                              : (char)(i * 2 < len ? 0 : 0xff);
    }
    return text;
}

static size_t random_length(void)
{
    return (size_t)random_below(random_below(2) ? 300 : LONGEST);
}

static bool naive_get(struct bytes text, uint64_t offset)
{
    return offset / 8 < text.len && ((unsigned char)text.ptr[offset / 8] & 0x80u >> offset % 8);
}

static void test_counting(void **state)
{
    (void)state;
    seed_random();
    for (int i = 0; i < bits_counter_total; i++)
        print_message("%s: %s\n", bits_counters[i].name,
                      bits_counters[i].works_here() ? "runs" : "not on this machine");
    for (int round = 0; round < 300; round++) {
        size_t len = random_length();
        char *text = random_text(len);
        uint64_t expected = 0;
        for (uint64_t bit = 0; bit < len * 8; bit++)
            expected += naive_get(bytes_of(text, len), bit);
        for (int i = 0; i < bits_counter_total; i++)
            if (bits_counters[i].works_here())
                assert_int_equal(bits_counters[i].count((unsigned char *)text, len), expected);
        assert_int_equal(bits_count(bytes_of(text, len)), expected);
        mem_free(text);
    }
}

static void test_finding(void **state)
{
    (void)state;
    seed_random();
    for (int round = 0; round < 2000; round++) {
        size_t len = (size_t)random_below(200);
        char *text = random_text(len);
        struct bytes view = bytes_of(text, len);
        for (int bit = 0; bit < 2; bit++) {
            int64_t expected = -1;
            for (uint64_t at = 0; at < len * 8 && expected < 0; at++)
                if (naive_get(view, at) == bit)
                    expected = (int64_t)at;
            assert_int_equal(bits_find(view, bit), expected);
        }
        mem_free(text);
    }
}

static void test_fields(void **state)
{
    (void)state;
    seed_random();
    for (int round = 0; round < 5000; round++) {
        size_t len = 1 + (size_t)random_below(40);
        char *text = random_text(len), *before = mem_copy_bytes(text, len);
        unsigned width = 1 + (unsigned)random_below(64);
        uint64_t offset = random_below(len * 8 + 80), expected = 0;
        for (unsigned i = 0; i < width; i++)
            expected = expected << 1 | naive_get(bytes_of(text, len), offset + i);
        assert_true(bits_get_field(bytes_of(text, len), offset, width) == expected);
        if (offset + width <= len * 8) {
            uint64_t value = random_u64() >> (64 - width);
            bits_put_field(text, offset, width, value);
            for (uint64_t at = 0; at < len * 8; at++) {
                bool inside = at >= offset && at < offset + width;
                bool bit = inside ? value >> (width - 1 - (at - offset)) & 1
                                  : naive_get(bytes_of(before, len), at);
                assert_int_equal(bits_get(text, at), bit);
            }
            bits_put(text, offset, !bits_get(before, offset));
            assert_int_equal(bits_get(text, offset), !bits_get(before, offset));
        }
        mem_free(text);
        mem_free(before);
    }
}

static bool naive_bit(enum bits_operation operation, const struct bytes *texts, int count,
                      uint64_t at)
{
    int set = 0, first = naive_get(texts[0], at);
    for (int i = 0; i < count; i++)
        set += naive_get(texts[i], at);
    switch (operation) {
    case BITS_AND:
        return set == count;
    case BITS_OR:
        return set > 0;
    case BITS_XOR:
        return set % 2;
    case BITS_NOT:
        return !first;
    case BITS_DIFF:
        return first && set == 1;
    case BITS_DIFF1:
        return !first && set > 0;
    case BITS_ANDOR:
        return first && set > 1;
    case BITS_ONE:
        return set == 1;
    }
    return false;
}

static void test_combining(void **state)
{
    (void)state;
    seed_random();
    enum { MOST = 6 };
    for (int round = 0; round < 160; round++) {
        enum bits_operation operation = (enum bits_operation)(round % (BITS_ONE + 1));
        int count = operation == BITS_NOT ? 1 : 2 + (int)random_below(MOST - 1);
        char *texts[MOST];
        struct bytes views[MOST];
        size_t longest = 0;
        for (int i = 0; i < count; i++) {
            size_t len = random_below(5) == 0 ? 0 : random_length();
            texts[i] = random_text(len);
            views[i] = bytes_of(texts[i], len);
            longest = len > longest ? len : longest;
        }
        char *out = mem_alloc(longest + 1);
        bits_combine(operation, views, count, (unsigned char *)out, longest);
        for (uint64_t at = 0; at < longest * 8; at++)
            assert_int_equal(bits_get(out, at), naive_bit(operation, views, count, at));
        for (int i = 0; i < count; i++)
            mem_free(texts[i]);
        mem_free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counting),
        cmocka_unit_test(test_finding),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_combining),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
