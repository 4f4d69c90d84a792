/*
 * test_number.c - numbers as text: what parses prints as the same bytes, and Redis 7.4's layouts.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/number.h"

static uint64_t random_bits(void)
{
    uint64_t bits = 0;
    for (int i = 0; i < 4; i++)
        bits = bits << 16 ^ (uint64_t)rand();
    return bits >> rand() % 64;
}

static int plant_seed(void **state)
{
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    srand(seed);
    return 0;
}

static void check_i64(int64_t value)
{
    char text[NUMBER_TEXT_MAX], expected[32];
    size_t len = number_format_i64(text, value);
    assert_int_equal(len, sprintf(expected, "%lld", (long long)value));
    assert_memory_equal(text, expected, len);
    int64_t back = ~value;
    assert_true(number_parse_i64(bytes_of(text, len), &back));
    assert_int_equal(back, value);
}

static void check_u64(uint64_t value)
{
    char text[NUMBER_TEXT_MAX], expected[32];
    size_t len = number_format_u64(text, value);
    assert_int_equal(len, sprintf(expected, "%llu", (unsigned long long)value));
    assert_memory_equal(text, expected, len);
    uint64_t back = ~value;
    assert_true(number_parse_u64(bytes_of(text, len), &back));
    assert_int_equal(back, value);
}

static void test_integers_there_and_back(void **state)
{
    (void)state;
    uint64_t power = 1;
    for (int i = 0; i < 20; i++, power *= 10) {
        check_u64(power - 1);
        check_u64(power);
        check_i64((int64_t)power);
        check_i64(-(int64_t)(power - 1));
    }
    check_u64(UINT64_MAX);
    check_i64(INT64_MAX);
    check_i64(INT64_MIN);
    for (int i = 0; i < 100000; i++) {
        check_u64(random_bits());
        check_i64((int64_t)random_bits());
        check_i64((int64_t)(0 - random_bits()));
    }
}

static void test_not_integers(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "-",
        "+1",
        "01",
        "-0",
        "-01",
        "00",
        " 1",
        "1 ",
        "1a",
        "0x1",
        "1.0",
        "--1",
        "1e3",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "99999999999999999999",
        "100000000000000000000",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t value = 77;
        assert_false(number_parse_i64(bytes_of_text(texts[i]), &value));
        assert_int_equal(value, 77);
    }
    uint64_t value = 77;
    assert_false(number_parse_u64(bytes_of_text("18446744073709551616"), &value));
    assert_false(number_parse_u64(bytes_of_text("99999999999999999999"), &value));
    assert_false(number_parse_u64(bytes_of_text("-1"), &value));
    assert_false(number_parse_i64(bytes_of("1\0", 2), &(int64_t){0}));
    assert_int_equal(value, 77);
}

/* Layouts as seen in Redis 7.2 and later. */
static void test_double_layouts(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {3, "3"},
        {3.2, "3.2"},
        {-2.5, "-2.5"},
        {0.1, "0.1"},
        {0.3, "0.3"},
        {1.1, "1.1"},
        {2.0 / 3, "0.6666666666666666"},
        {166274.1516, "166274.1516"},
        {3.141592653589793, "3.141592653589793"},
        {1e-5, "0.00001"},
        {1e-7, "1e-7"},
        {1.5e-7, "1.5e-7"},
        {0.00012345678, "1.2345678e-4"},
        {1e17, "100000000000000000"},
        {4611686018427387904.0, "4611686018427387904"},
        {9223372036854775808.0, "9223372036854776000"},
        {1e19, "1e+19"},
        {1e21, "1e+21"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {-DBL_MAX, "-1.7976931348623157e+308"},
        {5e-324, "5e-324"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {NAN, "nan"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[NUMBER_DOUBLE_MAX + 1];
        text[number_format_double(text, cases[i].value)] = '\0';
        assert_string_equal(text, cases[i].text);
    }
}

/* Digits that matter: neither the exponent's nor zeros at either end. */
static int significant_digits(const char *text, size_t len)
{
    int count = 0, zeros = 0;
    for (size_t i = 0; i < len && text[i] != 'e'; i++) {
        if (text[i] == '0') {
            zeros += count > 0;
        } else if (text[i] != '.' && text[i] != '-') {
            count += zeros + 1;
            zeros = 0;
        }
    }
    return count;
}

static int fewest_digits(double value)
{
    char text[64];
    for (int count = 1;; count++) {
        snprintf(text, sizeof text, "%.*e", count - 1, value);
        if (strtod(text, NULL) == value)
            return count;
    }
}

static void check_double(double value)
{
    char text[NUMBER_DOUBLE_MAX];
    double back = 0;
    size_t len = number_format_double(text, value);
    assert_true(len < NUMBER_DOUBLE_MAX);
    assert_true(number_parse_double(bytes_of(text, len), &back));
    assert_memory_equal(&back, &value, sizeof value);
    bool is_whole = fabs(value) <= 0x1p62 && value == (double)(int64_t)value;
    if (!is_whole) /* integers are printed in full */
        assert_int_equal(significant_digits(text, len), fewest_digits(value));
}

static void test_doubles_there_and_back(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = random_bits() << rand() % 64;
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            check_double(value);
        check_double((double)(int64_t)(random_bits() % 10000000) / 100);
        check_double(-(double)(random_bits() % 1000000000000) / 1e6);
    }
}

/* The short way and the library agree on every bit. */
static void test_short_decimals(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        char text[64];
        sprintf(text, "%s%llu.%0*llu", rand() % 2 == 0 ? "-" : "",
                (unsigned long long)random_bits() % 10000000, 1 + rand() % 7,
                (unsigned long long)random_bits() % 1000000);
        double value, expected = strtod(text, NULL);
        assert_true(number_parse_double(bytes_of_text(text), &value));
        assert_memory_equal(&value, &expected, sizeof value);
    }
}

static void test_double_forms(void **state)
{
    (void)state;
    static const char *const good[] = {"1",   "-1.5", "+1",  ".5",        "5.",   "1e3",  "0x10",
                                       "inf", "-inf", "INF", "+infinity", "-0.0", "007.5"};
    static const char *const bad[] = {"",      " 1",     "1 ",  "1x",    "nan",    "-nan",
                                      "-",     ".",      "-.",  "1e400", "-1e400", "--1",
                                      "1.2.3", "1e-400", "1,5", "e5"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double value, expected = strtod(good[i], NULL);
        long double wide;
        assert_true(number_parse_double(bytes_of_text(good[i]), &value));
        assert_memory_equal(&value, &expected, sizeof value);
        assert_true(number_parse_long_double(bytes_of_text(good[i]), &wide));
        assert_true(wide == (long double)expected);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double value = 7;
        assert_false(number_parse_double(bytes_of_text(bad[i]), &value));
        assert_true(value == 7);
    }
    assert_false(number_parse_double(bytes_of("1\0", 2), &(double){0}));
    assert_false(number_parse_long_double(bytes_of("1\0", 2), &(long double){0}));
    assert_false(number_parse_long_double(bytes_of_text("1e5000"), &(long double){0}));
}

static void test_long_doubles(void **state)
{
    (void)state;
    static const struct {
        long double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0L, "0"},
        {3.0L, "3"},
        {100, "100"},
        {10.5L, "10.5"},
        {-1.25L, "-1.25"},
        {3.2L, "3.2"},
        {1e-20L, "0"},
        {-1e-20L, "0"},
        {5e3L, "5000"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {1.5e17L, "150000000000000000"},
    };
    char text[NUMBER_LONG_DOUBLE_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text[number_format_long_double(text, cases[i].value)] = '\0';
        assert_string_equal(text, cases[i].text);
    }
    assert_int_equal(number_format_long_double(text, LDBL_MAX), 4933);
}

/* As printf() has them, without the zeros at the end. */
static void test_long_doubles_like_printf(void **state)
{
    (void)state;
    char text[NUMBER_LONG_DOUBLE_MAX], expected[NUMBER_LONG_DOUBLE_MAX];
    for (int round = 0; round < 200000; round++) {
        long double value = (long double)(int64_t)random_bits();
        value = ldexpl(value, -(rand() % (round % 2 ? 80 : 140)));
        if (round % 3 == 0)
            value = (double)value;
        if (round % 7 == 0)
            value = (long double)(rand() % 1000000) / 1000;
        int len = snprintf(expected, sizeof expected, "%.17Lf", value);
        while (expected[len - 1] == '0')
            len--;
        len -= expected[len - 1] == '.';
        expected[len] = '\0';
        text[number_format_long_double(text, value)] = '\0';
        assert_string_equal(text, strcmp(expected, "-0") == 0 ? "0" : expected);
    }
}

static void test_memory(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {
        {"0", 0},
        {"512", 512},
        {"0100", 100},
        {"1b", 1},
        {"1k", 1000},
        {"1kb", 1024},
        {"2M", 2000000},
        {"100mb", 104857600},
        {"1G", 1000000000},
        {"3Gb", 3221225472},
        {"18446744073709551615", UINT64_MAX},
    };
    static const char *const bad[] = {"",
                                      "mb",
                                      "-1",
                                      "1tb",
                                      "1 mb",
                                      "1.5g",
                                      "1mbx",
                                      "18446744073709551616",
                                      "18446744073709551615kb"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint64_t value = 77;
        assert_true(number_parse_memory(bytes_of_text(good[i].text), &value));
        assert_int_equal(value, good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t value = 77;
        assert_false(number_parse_memory(bytes_of_text(bad[i]), &value));
        assert_int_equal(value, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_there_and_back),
        cmocka_unit_test(test_not_integers),
        cmocka_unit_test(test_double_layouts),
        cmocka_unit_test(test_doubles_there_and_back),
        cmocka_unit_test(test_short_decimals),
        cmocka_unit_test(test_double_forms),
        cmocka_unit_test(test_long_doubles),
        cmocka_unit_test(test_long_doubles_like_printf),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, plant_seed, NULL);
}
