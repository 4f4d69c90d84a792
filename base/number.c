/*
 * number.c - numbers as text.
 *
 * Shortest doubles are found by trying 15, 16 and 17 significant digits, the least of which always
 * suffices to read the same double back (Steele, White, 1990); integral values of up to 2^53 take
 * the integer's way.
 */
#include "base/number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char digit_pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

/* -- integers
 * ------------------------------------------------------------------------------------------- */

bool number_parse_u64(struct bytes text, uint64_t *out)
{
    if (text.len == 0 || text.len > 20 || (text.ptr[0] == '0' && text.len > 1))
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned char)text.ptr[i] - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *out = value;
    return true;
}

bool number_parse_i64(struct bytes text, int64_t *out)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    uint64_t magnitude;
    if (!number_parse_u64(bytes_of(text.ptr + negative, text.len - negative), &magnitude))
        return false;
    if (magnitude > (uint64_t)INT64_MAX + negative || (negative && magnitude == 0))
        return false;
    *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

static size_t write_digits(char *buf, uint64_t value)
{
    char digits[20];
    int at = 20;
    while (value >= 100) {
        at -= 2;
        memcpy(digits + at, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(digits + at, digit_pairs + value * 2, 2);
    } else {
        digits[--at] = (char)('0' + value);
    }
    memcpy(buf, digits + at, (size_t)(20 - at));
    return (size_t)(20 - at);
}

size_t number_format_u64(char buf[NUMBER_TEXT_MAX], uint64_t value)
{
    return write_digits(buf, value);
}

size_t number_format_i64(char buf[NUMBER_TEXT_MAX], int64_t value)
{
    if (value >= 0)
        return write_digits(buf, (uint64_t)value);
    buf[0] = '-';
    return 1 + write_digits(buf + 1, 0 - (uint64_t)value);
}

/* -- floating point
 * --------------------------------------------------------------------------------------- */

enum { FLOAT_TEXT_MAX = 256 };

/* A NUL-terminated copy if the text may be a number at all. */
static bool float_text(struct bytes text, char copy[FLOAT_TEXT_MAX])
{
    if (text.len == 0 || text.len >= FLOAT_TEXT_MAX || isspace((unsigned char)text.ptr[0]))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return true;
}

bool number_parse_double(struct bytes text, double *out)
{
    char copy[FLOAT_TEXT_MAX], *end;
    if (!float_text(text, copy))
        return false;
    errno = 0;
    double value = strtod(copy, &end);
    if (end != copy + text.len || isnan(value) ||
        (errno == ERANGE &&
         (value == HUGE_VAL || value == -HUGE_VAL || fpclassify(value) == FP_ZERO)))
        return false;
    *out = value;
    return true;
}

bool number_parse_long_double(struct bytes text, long double *out)
{
    char copy[FLOAT_TEXT_MAX], *end;
    if (!float_text(text, copy))
        return false;
    errno = 0;
    long double value = strtold(copy, &end);
    if (end != copy + text.len || isnan(value) ||
        (errno == ERANGE &&
         (value == HUGE_VALL || value == -HUGE_VALL || fpclassify(value) == FP_ZERO)))
        return false;
    *out = value;
    return true;
}

/* Digits d[0..n) with the point behind the first and this exponent, as "[-]ddd.ddd" or
 * "[-]d.ddde+XX": plain where that is short. */
static size_t layout(char *out, bool negative, const char *d, int n, int exponent)
{
    char *at = out;
    int shift = exponent - n + 1; /* value is d as an integer times 10^shift */
    int magnitude = exponent < 0 ? -exponent : exponent;
    if (negative)
        *at++ = '-';
    if (shift >= 0 && magnitude < n + 7) {
        memcpy(at, d, (size_t)n);
        memset(at + n, '0', (size_t)shift);
        at += n + shift;
    } else if (shift < 0 && (shift > -7 || magnitude < 4)) {
        if (exponent < 0) {
            *at++ = '0';
            *at++ = '.';
            memset(at, '0', (size_t)(magnitude - 1));
            at += magnitude - 1;
            memcpy(at, d, (size_t)n);
            at += n;
        } else {
            memcpy(at, d, (size_t)exponent + 1);
            at += exponent + 1;
            *at++ = '.';
            memcpy(at, d + exponent + 1, (size_t)(n - exponent - 1));
            at += n - exponent - 1;
        }
    } else {
        *at++ = d[0];
        if (n > 1) {
            *at++ = '.';
            memcpy(at, d + 1, (size_t)n - 1);
            at += n - 1;
        }
        at += sprintf(at, "e%c%d", exponent < 0 ? '-' : '+', magnitude);
    }
    return (size_t)(at - out);
}

size_t number_format_double(char buf[NUMBER_DOUBLE_MAX], double value)
{
    if (isnan(value))
        return (size_t)sprintf(buf, "nan");
    if (isinf(value))
        return (size_t)sprintf(buf, value < 0 ? "-inf" : "inf");
    if (value == 0)
        return (size_t)sprintf(buf, signbit(value) ? "-0" : "0");
    if (fabs(value) < 9007199254740992.0 && value == (double)(int64_t)value)
        return number_format_i64(buf, (int64_t)value);
    char text[40], digits[20];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision - 1, value);
        if (strtod(text, NULL) == value)
            break;
    }
    int n = 0;
    for (const char *c = text; *c != 'e'; c++)
        if (isdigit((unsigned char)*c))
            digits[n++] = *c;
    int exponent = atoi(strchr(text, 'e') + 1);
    while (n > 1 && digits[n - 1] == '0')
        n--;
    return layout(buf, value < 0, digits, n, exponent);
}

size_t number_format_long_double(char buf[NUMBER_LONG_DOUBLE_MAX], long double value)
{
    if (isinf(value))
        return (size_t)sprintf(buf, value > 0 ? "inf" : "-inf");
    size_t len = (size_t)snprintf(buf, NUMBER_LONG_DOUBLE_MAX, "%.17Lf", value);
    if (memchr(buf, '.', len) != NULL) {
        while (buf[len - 1] == '0')
            len--;
        len -= buf[len - 1] == '.';
    }
    if (len == 2 && memcmp(buf, "-0", 2) == 0) {
        buf[0] = '0';
        len = 1;
    }
    return len;
}

/* -- memory
 * ---------------------------------------------------------------------------------------------------
 */

bool number_parse_memory(struct bytes text, uint64_t *out)
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {
        {"", 1},           {"b", 1},
        {"k", 1000},       {"kb", 1024},
        {"m", 1000000},    {"mb", 1024 * 1024},
        {"g", 1000000000}, {"gb", 1024 * 1024 * 1024},
    };
    size_t digits = 0;
    while (digits < text.len && isdigit((unsigned char)text.ptr[digits]))
        digits++;
    size_t first = 0;
    while (first + 1 < digits && text.ptr[first] == '0')
        first++;
    uint64_t value;
    if (!number_parse_u64(bytes_of(text.ptr + first, digits - first), &value))
        return false;
    struct bytes unit = bytes_of(text.ptr + digits, text.len - digits);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (bytes_is_word(unit, units[i].name))
            return !__builtin_mul_overflow(value, units[i].bytes, out);
    return false;
}
