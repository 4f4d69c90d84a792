/*
 * number.c - numbers as text.
 */
#include "base/number.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* -- integers ---------------------------------------------------------------------------------- */

enum { U64_DIGITS = 20, SAFE_DIGITS = 19 }; /* 19 digits never overflow a uint64 */

bool number_parse_u64(struct bytes text, uint64_t *out)
{
    if (text.len == 0 || text.len > U64_DIGITS || (text.ptr[0] == '0' && text.len > 1))
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned char)text.ptr[i] - '0';
        if (digit > 9)
            return false;
        if (i >= SAFE_DIGITS && value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool number_parse_i64(struct bytes text, int64_t *out)
{
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    uint64_t value;
    if (!is_negative) {
        if (!number_parse_u64(text, &value) || value > INT64_MAX)
            return false;
        *out = (int64_t)value;
        return true;
    }
    struct bytes digits = bytes_of(text.ptr + 1, text.len - 1);
    if (!number_parse_u64(digits, &value) || value == 0 || value > (uint64_t)INT64_MAX + 1)
        return false;
    *out = (int64_t)(0 - value);
    return true;
}

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

static inline unsigned count_digits(uint64_t value)
{
    static const uint64_t powers[] = {
        0,    1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
        1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
    };
    /* bits * log10(2), rounded down, is right or one too small */
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    unsigned guess = bits * 1233 >> 12;
    return guess + (value >= powers[guess]);
}

static inline size_t format_digits(char *buf, uint64_t value)
{
    unsigned len = count_digits(value);
    char *at = buf + len;
    while (value >= 100) {
        memcpy(at -= 2, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10)
        memcpy(at - 2, digit_pairs + value * 2, 2);
    else
        at[-1] = (char)('0' + value);
    return len;
}

size_t number_format_u64(char buf[NUMBER_TEXT_MAX], uint64_t value)
{
    return format_digits(buf, value);
}

size_t number_format_i64(char buf[NUMBER_TEXT_MAX], int64_t value)
{
    if (value >= 0)
        return format_digits(buf, (uint64_t)value);
    buf[0] = '-';
    return 1 + format_digits(buf + 1, 0 - (uint64_t)value);
}

/* -- floating point ---------------------------------------------------------------------------- */

enum {
    EXACT_DIGITS = 15, /* so many always fit a double's 53 bits, and survive going there and back */
    MOST_DIGITS = 17,  /* so many tell any two doubles apart */
    LONG_DOUBLE_DIGITS = 17,
};

/* "-12.34" in few digits: both 1234 and 100 are exact, so one division rounds right. */
static bool parse_short_decimal(struct bytes text, double *out)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    size_t i = text.len > 0 && text.ptr[0] == '-', point = text.len, first = i;
    int64_t value = 0;
    if (text.len - i > EXACT_DIGITS)
        return false;
    for (; i < text.len; i++) {
        unsigned digit = (unsigned char)text.ptr[i] - '0';
        if (digit <= 9)
            value = value * 10 + digit;
        else if (text.ptr[i] == '.' && point == text.len)
            point = i;
        else
            return false;
    }
    if (point == first || point + 1 == text.len || text.len == first)
        return false;
    double sum = (double)value / powers[point == text.len ? 0 : text.len - point - 1];
    *out = first == 1 ? -sum : sum;
    return true;
}

/* A copy with a NUL behind it, as the library wants it; false if it cannot be a number. */
static bool copy_for_library(struct bytes text, char copy[NUMBER_LONG_DOUBLE_MAX])
{
    if (text.len == 0 || text.len >= NUMBER_LONG_DOUBLE_MAX || isspace((unsigned char)text.ptr[0]))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return true;
}

bool number_parse_double(struct bytes text, double *out)
{
    char copy[NUMBER_LONG_DOUBLE_MAX], *end;
    if (parse_short_decimal(text, out))
        return true;
    if (!copy_for_library(text, copy))
        return false;
    errno = 0;
    double value = strtod(copy, &end);
    bool is_outside = errno == ERANGE && (isinf(value) || value == 0);
    if (end != copy + text.len || isnan(value) || is_outside)
        return false;
    *out = value;
    return true;
}

bool number_parse_long_double(struct bytes text, long double *out)
{
    char copy[NUMBER_LONG_DOUBLE_MAX], *end;
    if (!copy_for_library(text, copy))
        return false;
    errno = 0;
    long double value = strtold(copy, &end);
    bool is_outside = errno == ERANGE && (isinf(value) || value == 0);
    if (end != copy + text.len || isnan(value) || is_outside)
        return false;
    *out = value;
    return true;
}

static size_t put_word(char *buf, const char *word)
{
    size_t len = strlen(word);
    memcpy(buf, word, len);
    return len;
}

/* The significant digits of value, which is positive: the fewest that read back as value, without
 * zeros at the end. Returns their count; *power is the decimal exponent of the first. */
static int shortest_digits(double value, char digits[MOST_DIGITS], int *power)
{
    char text[32];                                  /* d.ddde+xxx */
    int count = value < DBL_MIN ? 1 : EXACT_DIGITS; /* a subnormal has less than 53 bits */
    do
        snprintf(text, sizeof text, "%.*e", count - 1, value);
    while (count++ < MOST_DIGITS && strtod(text, NULL) != value);
    count--;
    *power = atoi(strchr(text, 'e') + 1);
    digits[0] = text[0];
    memcpy(digits + 1, text + 2, (size_t)count - 1);
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return count;
}

/* digits with a point after the first whole of them; whole may be 0 or less. */
static char *put_decimal(char *at, const char *digits, int count, int whole)
{
    if (whole <= 0) {
        *at++ = '0';
    } else {
        memcpy(at, digits, (size_t)whole);
        at += whole;
    }
    *at++ = '.';
    for (int i = whole; i < 0; i++)
        *at++ = '0';
    int done = whole > 0 ? whole : 0;
    memcpy(at, digits + done, (size_t)(count - done));
    return at + count - done;
}

/* Which of three layouts Redis takes depends on power, the exponent of the last digit, and on the
 * first's. */
static char *put_digits(char *at, const char *digits, int count, int first_power)
{
    int power = first_power - (count - 1);
    if (power >= 0 && first_power < count + 7) {
        memcpy(at, digits, (size_t)count);
        memset(at + count, '0', (size_t)power);
        return at + count + power;
    }
    if (power < 0 && (power > -7 || abs(first_power) < 4))
        return put_decimal(at, digits, count, first_power + 1);
    *at++ = *digits;
    if (count > 1) {
        *at++ = '.';
        memcpy(at, digits + 1, (size_t)count - 1);
        at += count - 1;
    }
    *at++ = 'e';
    *at++ = first_power < 0 ? '-' : '+';
    return at + number_format_u64(at, (uint64_t)abs(first_power));
}

size_t number_format_double(char buf[NUMBER_DOUBLE_MAX], double value)
{
    if (isnan(value))
        return put_word(buf, "nan");
    if (isinf(value))
        return put_word(buf, value > 0 ? "inf" : "-inf");
    if (value == 0)
        return put_word(buf, signbit(value) ? "-0" : "0");
    const double limit =
        4611686018427387904.0; /* 2^62: up to there Redis prints integers in full */
    if (value >= -limit && value <= limit && value == (double)(int64_t)value)
        return number_format_i64(buf, (int64_t)value);
    char digits[MOST_DIGITS], *at = buf;
    if (value < 0)
        *at++ = '-';
    int first_power, count = shortest_digits(fabs(value), digits, &first_power);
    return (size_t)(put_digits(at, digits, count, first_power) - buf);
}

/* What printf() does for all, but exact in integers for numbers of usual size: the part behind the
 * point is a multiple of 2^-64. Returns 0 where it is not. */
static size_t format_usual(char *buf, long double value)
{
    const uint64_t scale = 100000000000000000; /* 10^LONG_DOUBLE_DIGITS */
    long double positive = fabsl(value);
    if (!(positive < 0x1p63L))
        return 0;
    uint64_t whole = (uint64_t)positive;
    long double shifted = (positive - (long double)whole) * 0x1p64L;
    uint64_t bits = (uint64_t)shifted;
    if ((long double)bits != shifted)
        return 0;
    unsigned __int128 product = (unsigned __int128)bits * scale;
    uint64_t digits = (uint64_t)(product >> 64), rest = (uint64_t)product, half = (uint64_t)1 << 63;
    digits += rest > half || (rest == half && (digits & 1));
    if (digits == scale) {
        whole++;
        digits = 0;
    }
    size_t len = 0;
    if (value < 0 && (whole > 0 || digits > 0))
        buf[len++] = '-';
    len += number_format_u64(buf + len, whole);
    if (digits == 0)
        return len;
    int places = LONG_DOUBLE_DIGITS;
    for (; digits % 10 == 0; digits /= 10)
        places--;
    buf[len] = '.';
    for (int i = places; i > 0; i--, digits /= 10)
        buf[len + (size_t)i] = (char)('0' + digits % 10);
    return len + 1 + (size_t)places;
}

size_t number_format_long_double(char buf[NUMBER_LONG_DOUBLE_MAX], long double value)
{
    size_t usual = format_usual(buf, value);
    if (usual > 0)
        return usual;
    if (isnan(value))
        return put_word(buf, "nan");
    if (isinf(value))
        return put_word(buf, value > 0 ? "inf" : "-inf");
    int len = snprintf(buf, NUMBER_LONG_DOUBLE_MAX, "%.*Lf", LONG_DOUBLE_DIGITS, value);
    while (buf[len - 1] == '0')
        len--;
    if (buf[len - 1] == '.')
        len--;
    if (len == 2 && buf[0] == '-' && buf[1] == '0')
        return put_word(buf, "0");
    return (size_t)len;
}

/* -- sizes ------------------------------------------------------------------------------------- */

bool number_parse_memory(struct bytes text, uint64_t *out)
{
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {
        {"", 1},
        {"b", 1},
        {"k", 1000},
        {"kb", 1024},
        {"m", 1000 * 1000},
        {"mb", 1024 * 1024},
        {"g", 1000ll * 1000 * 1000},
        {"gb", 1024ll * 1024 * 1024},
    };
    size_t digits = 0;
    uint64_t value = 0, product;
    for (; digits < text.len && isdigit((unsigned char)text.ptr[digits]); digits++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.ptr[digits] - '0'), &value))
            return false;
    struct bytes unit = bytes_of(text.ptr + digits, text.len - digits);
    for (size_t i = 0; i < sizeof units / sizeof *units && digits > 0; i++) {
        if (!bytes_is_word(unit, units[i].name))
            continue;
        if (__builtin_mul_overflow(value, units[i].factor, &product))
            return false;
        *out = product;
        return true;
    }
    return false;
}
