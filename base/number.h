/*
 * number.h - numbers as text, by Redis's rules.
 *
 * Strict: no spaces, no sign '+', no leading zeros for integers, so that a value which parses as an
 * integer prints as the same bytes again (what the int encoding relies on).
 */
#ifndef REDOUBT_BASE_NUMBER_H
#define REDOUBT_BASE_NUMBER_H

#include "base/bytes.h"

enum { NUMBER_TEXT_MAX = 21, NUMBER_DOUBLE_MAX = 128, NUMBER_LONG_DOUBLE_MAX = 5 * 1024 };

/* False, *out untouched, unless text is exactly the decimal form of an int64. */
bool number_parse_i64(struct bytes text, int64_t *out);
/* The same for uint64 (SCAN cursors, ids). */
bool number_parse_u64(struct bytes text, uint64_t *out);
/* strtod's forms, inf included; no leading space, nothing behind, no NaN, no overflow. */
bool number_parse_double(struct bytes text, double *out);
bool number_parse_long_double(struct bytes text, long double *out);

/* Write the decimal form; returns its length. No NUL is added. */
size_t number_format_i64(char buf[NUMBER_TEXT_MAX], int64_t value);
size_t number_format_u64(char buf[NUMBER_TEXT_MAX], uint64_t value);
/* The shortest text that reads back as the same double, in the layout Redis 7.4 prints: 'inf',
 * '-inf', 'nan'; integral values without a point; exponent form outside of what Redis prints
 * plainly. */
size_t number_format_double(char buf[NUMBER_DOUBLE_MAX], double value);
/* The form of INCRBYFLOAT: fixed notation, 17 digits, trailing zeros and point removed. */
size_t number_format_long_double(char buf[NUMBER_LONG_DOUBLE_MAX], long double value);

/* '100mb', '1g', '512' (units k kb m mb g gb, 1000s without b, 1024s with; case ignored); false if
 * not that. */
bool number_parse_memory(struct bytes text, uint64_t *out);

#endif
