/*
 * test_listpack.c - listpacks against an array of strings, known bytes, and damaged bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "storage/listpack.h"

enum { MODEL_MAX = 400 };

/* What the listpack should hold. */
struct model {
    int count;
    char *text[MODEL_MAX];
    size_t len[MODEL_MAX];
};

static void model_insert(struct model *m, int at, struct bytes text)
{
    memmove(m->text + at + 1, m->text + at, (size_t)(m->count - at) * sizeof *m->text);
    memmove(m->len + at + 1, m->len + at, (size_t)(m->count - at) * sizeof *m->len);
    m->text[at] = mem_copy_bytes(text.ptr, text.len);
    m->len[at] = text.len;
    m->count++;
}

static void model_delete(struct model *m, int at, int count)
{
    for (int i = at; i < at + count; i++)
        mem_free(m->text[i]);
    memmove(m->text + at, m->text + at + count, (size_t)(m->count - at - count) * sizeof *m->text);
    memmove(m->len + at, m->len + at + count, (size_t)(m->count - at - count) * sizeof *m->len);
    m->count -= count;
}

static struct bytes model_at(const struct model *m, int at)
{
    return bytes_of(m->text[at], m->len[at]);
}

/* A text whose kind and length reach every encoding and their limits. */
static struct bytes random_text(char *buf)
{
    static const int64_t near[] = {
        0,          127,        128,         -1,        4095,      4096,    -4096,    -4097,
        32767,      32768,      -32768,      -32769,    8388607,   8388608, -8388608, -8388609,
        2147483647, 2147483648, -2147483648, INT64_MAX, INT64_MIN, 100000};
    static const size_t lengths[] = {0, 1, 62, 63, 64, 65, 125, 126, 127, 128, 4095, 4096};
    uint64_t kind = random_below(10);
    if (kind < 3)
        return bytes_of(buf,
                        number_format_i64(buf, near[random_below(sizeof near / sizeof *near)]));
    if (kind == 3)
        return bytes_of(buf, number_format_i64(buf, (int64_t)random_u64()));
    if (kind == 4)
        return bytes_of(buf, (size_t)sprintf(buf, "0%d", (int)random_below(99)));
    size_t len = kind == 5 ? lengths[random_below(sizeof lengths / sizeof *lengths)]
                           : (size_t)random_below(20);
    random_bytes(buf, len);
    return bytes_of(buf, len);
}

static void assert_text(const unsigned char *at, struct bytes text)
{
    char scratch[NUMBER_TEXT_MAX];
    assert_non_null(at);
    struct bytes found = lp_text(at, scratch);
    assert_int_equal(found.len, text.len);
    assert_memory_equal(found.ptr, text.ptr, text.len);
    assert_true(lp_equals(at, text));
}

static void assert_same(const unsigned char *lp, const struct model *m)
{
    assert_true(lp_validate(lp, lp_bytes(lp), true));
    assert_int_equal(lp_count(lp), m->count);
    assert_true(lp_memory(lp) >= lp_bytes(lp));
    const unsigned char *at = lp_first(lp);
    for (int i = 0; i < m->count; i++, at = lp_next(lp, at))
        assert_text(at, model_at(m, i));
    assert_null(at);
    at = lp_last(lp);
    for (int i = m->count - 1; i >= 0; i--, at = lp_prev(lp, at))
        assert_text(at, model_at(m, i));
    assert_null(at);
    assert_null(lp_seek(lp, m->count));
    assert_null(lp_seek(lp, -m->count - 1));
    if (m->count > 0) {
        int i = (int)random_below((uint64_t)m->count);
        assert_text(lp_seek(lp, i), model_at(m, i));
        assert_text(lp_seek(lp, i - m->count), model_at(m, i));
    }
}

/* One random change of both. */
static unsigned char *change(unsigned char *lp, struct model *m)
{
    char buf[5000];
    struct bytes text = random_text(buf);
    int place = m->count > 0 ? (int)random_below((uint64_t)m->count) : -1;
    unsigned char *at = place >= 0 ? lp_seek(lp, place) : NULL;
    uint64_t what = random_below(m->count >= MODEL_MAX - 1 ? 2 : 8);
    if (what < 2 && at != NULL) {
        int count = (int)random_below((uint64_t)(what == 0 ? 3 : m->count - place) + 1);
        int real = count > m->count - place ? m->count - place : count;
        if (what == 0)
            lp = lp_delete(lp, &at, (uint32_t)count);
        else
            lp = lp_delete_range(lp, place - m->count, (uint32_t)count);
        model_delete(m, place, real);
        if (what == 0 && place < m->count)
            assert_text(at, model_at(m, place));
        else if (what == 0)
            assert_null(at);
    } else if (what == 2) {
        lp = lp_prepend(lp, text);
        model_insert(m, 0, text);
    } else if (what == 3 && at != NULL) {
        lp = lp_insert_before(lp, &at, text);
        model_insert(m, place, text);
        assert_text(at, text);
    } else if (what == 4 && at != NULL) {
        lp = lp_insert_after(lp, &at, text);
        model_insert(m, place + 1, text);
        assert_text(at, text);
    } else if (what == 5 && at != NULL) {
        lp = lp_replace(lp, &at, text);
        model_delete(m, place, 1);
        model_insert(m, place, text);
        assert_text(at, text);
    } else if (what == 6) {
        int64_t n = (int64_t)(random_u64() >> random_below(64));
        text = bytes_of(buf, number_format_i64(buf, n));
        lp = at != NULL ? lp_replace_int(lp, &at, n) : lp_append_int(lp, n);
        if (place >= 0)
            model_delete(m, place, 1);
        model_insert(m, place >= 0 ? place : 0, text);
    } else {
        size_t before = lp_bytes(lp);
        lp = lp_append(lp, text);
        assert_int_equal(lp_bytes(lp) - before, lp_element_size(text));
        model_insert(m, m->count, text);
    }
    return lp;
}

static void test_random_changes(void **state)
{
    (void)state;
    struct model m = {0};
    unsigned char *lp = lp_create(0);
    for (int step = 0; step < 4000; step++) {
        lp = change(lp, &m);
        if (step % 500 == 0)
            lp = lp_shrink(lp);
        if (step % 7 == 0)
            assert_same(lp, &m);
    }
    unsigned char *copy = lp_copy(lp);
    assert_same(copy, &m);
    model_delete(&m, 0, m.count);
    lp_destroy(copy);
    lp_destroy(lp);
}

static void test_integers_are_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {{"0", 2},       {"127", 2},         {"128", 3},
                 {"-4096", 3},   {"4096", 4},        {"-32769", 5},
                 {"8388608", 6}, {"2147483648", 10}, {"-9223372036854775808", 10}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char *lp = lp_append(lp_create(0), bytes_of_text(cases[i].text));
        struct lp_value v = lp_get(lp_first(lp));
        assert_true(v.is_int);
        assert_int_equal(v.number, strtoll(cases[i].text, NULL, 10));
        assert_int_equal(lp_bytes(lp), 7 + cases[i].size);
        lp_destroy(lp);
    }
    unsigned char *lp = lp_append(lp_create(0), bytes_of_text("007"));
    assert_false(lp_get(lp_first(lp)).is_int);
    lp_destroy(lp);
}

/* The bytes that a dump of Redis holds for RPUSH k 1 hello -5000. */
static void test_known_bytes(void **state)
{
    (void)state;
    static const unsigned char known[] = {20,  0,   0,   0,   3, 0,    1,    1,    0x85, 'h',
                                          'e', 'l', 'l', 'o', 6, 0xf1, 0x78, 0xec, 3,    0xff};
    unsigned char *lp = lp_create(64);
    lp = lp_append(lp, bytes_of_text("1"));
    lp = lp_append(lp, bytes_of_text("hello"));
    lp = lp_append(lp, bytes_of_text("-5000"));
    assert_int_equal(lp_bytes(lp), sizeof known);
    assert_memory_equal(lp, known, sizeof known);
    lp_destroy(lp);
}

static void test_find_skips_values(void **state)
{
    (void)state;
    unsigned char *lp = lp_create(0);
    static const char *const words[] = {"a", "b", "b", "7", "7", "c"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        lp = lp_append(lp, bytes_of_text(words[i]));
    const unsigned char *first = lp_first(lp);
    assert_ptr_equal(lp_find(lp, first, bytes_of_text("b"), 0), lp_seek(lp, 1));
    assert_ptr_equal(lp_find(lp, first, bytes_of_text("b"), 1), lp_seek(lp, 2));
    assert_ptr_equal(lp_find(lp, first, bytes_of_text("7"), 0), lp_seek(lp, 3));
    assert_ptr_equal(lp_find(lp, first, bytes_of_text("7"), 1), lp_seek(lp, 4));
    assert_null(lp_find(lp, first, bytes_of_text("c"), 1));
    assert_null(lp_find(lp, NULL, bytes_of_text("c"), 1));
    lp_destroy(lp);
}

/* More elements than the header can count. */
static void test_many_elements(void **state)
{
    (void)state;
    unsigned char *lp = lp_create(0), *other = lp_create(0);
    for (int i = 0; i < 40000; i++) {
        lp = lp_append_int(lp, i);
        other = lp_append_int(other, 40000 + i);
    }
    lp = lp_merge(lp, other);
    assert_int_equal(lp_count(lp), 80000);
    assert_int_equal(lp_get(lp_seek(lp, 79999)).number, 79999);
    assert_int_equal(lp_get(lp_seek(lp, -80000)).number, 0);
    lp = lp_delete_range(lp, 0, 79990);
    assert_int_equal(lp_count(lp), 10);
    assert_true(lp_validate(lp, lp_bytes(lp), true));
    lp_destroy(other);
    lp_destroy(lp);
}

static void test_limit(void **state)
{
    (void)state;
    unsigned char *lp = lp_create(0);
    assert_true(lp_has_room(lp, 1 << 20));
    assert_false(lp_has_room(lp, (size_t)1 << 30));
    assert_false(lp_has_room(lp, SIZE_MAX));
    lp_destroy(lp);
}

/* Whatever validates can be walked both ways; the sanitizer sees each byte that is read outside. */
static void test_damaged_bytes(void **state)
{
    (void)state;
    struct model m = {0};
    unsigned char *lp = lp_create(0);
    for (int i = 0; i < 60; i++)
        lp = change(lp, &m);
    size_t len = lp_bytes(lp);
    int passed = 0;
    for (int round = 0; round < 30000; round++) {
        size_t kept = round % 4 == 0 ? (size_t)random_below(len + 1) : len;
        unsigned char *damaged = memcpy(mem_alloc(kept + 1), lp, kept);
        damaged = mem_resize(damaged, kept > 0 ? kept : 1);
        for (uint64_t i = random_below(4); kept > 0 && i > 0; i--)
            damaged[random_below(kept)] = (unsigned char)random_u64();
        if (kept >= 7 && round % 2 == 0) {
            damaged[0] = (unsigned char)kept;
            damaged[1] = (unsigned char)(kept >> 8);
            damaged[2] = (unsigned char)(kept >> 16);
            damaged[3] = 0;
            damaged[kept - 1] = 0xff;
        }
        if (lp_validate(damaged, kept, true)) {
            uint32_t forward = 0, backward = 0;
            char scratch[NUMBER_TEXT_MAX];
            passed++;
            for (unsigned char *at = lp_first(damaged); at != NULL; at = lp_next(damaged, at))
                forward += lp_text(at, scratch).len < len;
            for (unsigned char *at = lp_last(damaged); at != NULL; at = lp_prev(damaged, at))
                backward++;
            assert_int_equal(forward, backward);
        }
        mem_free(damaged);
    }
    assert_true(passed > 100);
    model_delete(&m, 0, m.count);
    lp_destroy(lp);
}

int main(void)
{
    uint64_t seed = (uint64_t)time(NULL);
    const char *given = getenv("SEED");
    if (given != NULL)
        seed = strtoull(given, NULL, 10);
    printf("SEED=%llu\n", (unsigned long long)seed);
    random_seed(seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_changes), cmocka_unit_test(test_integers_are_integers),
        cmocka_unit_test(test_known_bytes),    cmocka_unit_test(test_find_skips_values),
        cmocka_unit_test(test_many_elements),  cmocka_unit_test(test_limit),
        cmocka_unit_test(test_damaged_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
