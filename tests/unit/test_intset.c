/*
 * test_intset.c - sets of integers against a sorted array, and the layout that dump files have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "storage/intset.h"

enum { ROUNDS = 60, STEPS = 300, MODEL_MAX = STEPS };

struct model {
    int64_t values[MODEL_MAX];
    uint32_t count;
};

static uint32_t model_position(const struct model *m, int64_t value)
{
    uint32_t at = 0;
    while (at < m->count && m->values[at] < value)
        at++;
    return at;
}

static bool model_has(const struct model *m, int64_t value)
{
    uint32_t at = model_position(m, value);
    return at < m->count && m->values[at] == value;
}

static void model_toggle(struct model *m, int64_t value)
{
    uint32_t at = model_position(m, value);
    if (model_has(m, value)) {
        m->count--;
        memmove(m->values + at, m->values + at + 1, (m->count - at) * sizeof *m->values);
    } else {
        memmove(m->values + at + 1, m->values + at, (m->count - at) * sizeof *m->values);
        m->values[at] = value;
        m->count++;
    }
}

/* Values near the borders of the widths, and anywhere; the round says how wide they get. */
static int64_t random_value(int round)
{
    static const int64_t borders[] = {INT16_MIN, INT16_MAX, INT32_MIN,
                                      INT32_MAX, INT64_MIN, INT64_MAX};
    uint64_t kinds = round % 3 == 0 ? 1 : round % 3 == 1 ? 3 : 5;
    switch (random_below(kinds)) {
    case 0:
        return (int64_t)random_below(60) - 30;
    case 1:
        return borders[random_below(2)] + (random_below(2) ? 1 : 0);
    case 2:
        return (int64_t)random_below(1 << 20) - (1 << 19);
    case 3:
        return borders[random_below(6)];
    default:
        return (int64_t)random_u64();
    }
}

static void assert_same(const struct intset *s, const struct model *m)
{
    assert_int_equal(intset_count(s), m->count);
    for (uint32_t i = 0; i < m->count; i++)
        assert_true(intset_get(s, i) == m->values[i]);
    if (m->count > 0)
        assert_true(intset_validate(intset_view(s)));
}

static void test_model(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct intset *s = intset_create();
        struct model m = {.count = 0};
        for (int step = 0; step < STEPS; step++) {
            int64_t value = random_value(round);
            bool had = model_has(&m, value), done;
            assert_int_equal(intset_contains(s, value), had);
            if (random_below(3) != 0) {
                s = intset_add(s, value, &done);
                assert_int_equal(done, !had);
            } else {
                s = intset_remove(s, value, &done);
                assert_int_equal(done, had);
            }
            if (done)
                model_toggle(&m, value);
            assert_same(s, &m);
        }
        struct intset *copy = intset_copy(s);
        intset_destroy(s);
        assert_same(copy, &m);
        intset_destroy(copy);
    }
}

static void test_layout(void **state)
{
    (void)state;
    static const unsigned char two[] = {2, 0, 0, 0, 2, 0, 0, 0, 0xfe, 0xff, 5, 0};
    static const unsigned char four[] = {4,    0,    0, 0, 3, 0, 0, 0, 0xfe, 0xff,
                                         0xff, 0xff, 5, 0, 0, 0, 0, 0, 1,    0};
    bool done;
    struct intset *s = intset_add(intset_create(), 5, &done);
    s = intset_add(s, -2, &done);
    assert_int_equal(intset_view(s).len, sizeof two);
    assert_memory_equal(intset_view(s).ptr, two, sizeof two);
    s = intset_add(s, 65536, &done);
    assert_int_equal(intset_view(s).len, sizeof four);
    assert_memory_equal(intset_view(s).ptr, four, sizeof four);
    s = intset_narrow(intset_remove(s, 65536, &done), 2);
    assert_memory_equal(intset_view(s).ptr, two, sizeof two);
    assert_true(intset_memory(s) >= sizeof two);
    intset_destroy(s);
}

static void test_validate_refuses(void **state)
{
    (void)state;
    unsigned char bytes[] = {2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 2, 0};
    assert_true(intset_validate(bytes_of(bytes, sizeof bytes)));
    for (size_t len = 0; len < sizeof bytes; len++)
        assert_false(intset_validate(bytes_of(bytes, len)));
    bytes[8] = 2; /* twice the same */
    assert_false(intset_validate(bytes_of(bytes, sizeof bytes)));
    bytes[8] = 3; /* descending */
    assert_false(intset_validate(bytes_of(bytes, sizeof bytes)));
    bytes[8] = 1;
    bytes[0] = 3; /* no such width */
    assert_false(intset_validate(bytes_of(bytes, sizeof bytes)));
    bytes[0] = 2;
    bytes[4] = 0; /* nothing in it */
    assert_false(intset_validate(bytes_of(bytes, 8)));
    memset(bytes + 4, 0xff, 4); /* a count beyond all bounds */
    assert_false(intset_validate(bytes_of(bytes, sizeof bytes)));
}

int main(void)
{
    uint64_t seed = random_u64();
    random_seed(seed);
    printf("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_validate_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
