/*
 * listpack_element.h - one element of a listpack: encoding, data, and the length of both, readable
 * backwards.
 *
 *   0xxxxxxx                  0..127
 *   110xxxxx byte             13 bits, signed
 *   f1 f2 f3 f4               16, 24, 32, 64 bits, signed, little endian
 *   10xxxxxx bytes            string up to 63 bytes
 *   1110xxxx byte bytes       string up to 4095 bytes
 *   f0 4 bytes bytes          longer ones
 *   ff                        not an element: the end
 *
 * The length behind an element has 1 to 5 bytes of 7 bits, most significant first, and all but the
 * first have their high bit set: read backwards, a clear one ends it.
 *
 * Inline, for what keeps elements in other blocks than listpacks (the nodes of lists:
 * storage/quicklist.h).
 */
#ifndef REDOUBT_STORAGE_LISTPACK_ELEMENT_H
#define REDOUBT_STORAGE_LISTPACK_ELEMENT_H

#include "base/number.h"

enum {
    ELEMENT_END = 0xff,
    ELEMENT_STRING6 = 0x80,
    ELEMENT_INT13 = 0xc0,
    ELEMENT_STRING12 = 0xe0,
    ELEMENT_STRING32 = 0xf0,
    ELEMENT_INT16 = 0xf1,
    ELEMENT_INT24 = 0xf2,
    ELEMENT_INT32 = 0xf3,
    ELEMENT_INT64 = 0xf4,
    ELEMENT_OVERHEAD_MAX = 10, /* bytes besides the string itself */
    ELEMENT_INT_MAX = 10,      /* an integer with everything */
};

/* An element that is about to be written. */
struct element {
    struct bytes tail; /* a string's bytes; len 0 for integers */
    uint8_t head[9], head_len;
    uint8_t back_len;
    size_t size; /* of the whole */
};

/* How many bytes the backward length of size bytes has. The limits are those of Redis, which keeps
 * the largest value of a width (but one byte's) for the next wider one. */
static inline uint8_t element_back_len(size_t size)
{
    return size <= 127 ? 1 : size < 16383 ? 2 : size < 2097151 ? 3 : size < 268435455 ? 4 : 5;
}

static inline void element_write_back(unsigned char *out, size_t size, uint8_t back_len)
{
    for (int i = back_len - 1; i > 0; i--) {
        out[i] = (unsigned char)(size & 127) | 128;
        size >>= 7;
    }
    out[0] = (unsigned char)size;
}

static inline void element_finish(struct element *el)
{
    size_t size = el->head_len + el->tail.len;
    el->back_len = element_back_len(size);
    el->size = size + el->back_len;
}

static inline void element_put_le(struct element *el, uint8_t encoding, uint64_t value, uint8_t len)
{
    el->head[0] = encoding;
    for (int i = 0; i < len; i++)
        el->head[1 + i] = (uint8_t)(value >> (8 * i));
    el->head_len = (uint8_t)(1 + len);
}

static inline void element_of_int(struct element *el, int64_t n)
{
    el->tail = bytes_of(NULL, 0);
    if (n >= 0 && n <= 127) {
        el->head[0] = (uint8_t)n;
        el->head_len = 1;
    } else if (n >= -4096 && n <= 4095) {
        el->head[0] = (uint8_t)(ELEMENT_INT13 | (((uint64_t)n >> 8) & 31));
        el->head[1] = (uint8_t)n;
        el->head_len = 2;
    } else if (n >= INT16_MIN && n <= INT16_MAX) {
        element_put_le(el, ELEMENT_INT16, (uint64_t)n, 2);
    } else if (n >= -8388608 && n <= 8388607) {
        element_put_le(el, ELEMENT_INT24, (uint64_t)n, 3);
    } else if (n >= INT32_MIN && n <= INT32_MAX) {
        element_put_le(el, ELEMENT_INT32, (uint64_t)n, 4);
    } else {
        element_put_le(el, ELEMENT_INT64, (uint64_t)n, 8);
    }
    element_finish(el);
}

static inline void element_of_text(struct element *el, struct bytes text)
{
    int64_t n;
    if (text.len > 0 && text.len < NUMBER_TEXT_MAX && (uint8_t)text.ptr[0] <= '9' &&
        number_parse_i64(text, &n)) {
        element_of_int(el, n);
        return;
    }
    el->tail = text;
    if (text.len < 64) {
        el->head[0] = (uint8_t)(ELEMENT_STRING6 | text.len);
        el->head_len = 1;
    } else if (text.len < 4096) {
        el->head[0] = (uint8_t)(ELEMENT_STRING12 | text.len >> 8);
        el->head[1] = (uint8_t)text.len;
        el->head_len = 2;
    } else {
        element_put_le(el, ELEMENT_STRING32, text.len, 4);
    }
    element_finish(el);
}

/* What a head has behind its first byte: 1, 2, 3, 4 or 8 bytes. */
static inline void element_copy_rest(unsigned char *out, const uint8_t *rest, int len)
{
    enum { LONGEST = 8, WORD = 4 };
    if (len == LONGEST) {
        memcpy(out, rest, LONGEST);
    } else if (len == WORD) {
        memcpy(out, rest, WORD);
    } else {
        out[0] = rest[0];
        out[len / 2] = rest[len / 2];
        out[len - 1] = rest[len - 1];
    }
}

static inline void element_write(unsigned char *out, const struct element *el)
{
    out[0] = el->head[0];
    if (el->head_len > 1)
        element_copy_rest(out + 1, el->head + 1, el->head_len - 1);
    bytes_copy(out + el->head_len, el->tail.ptr, el->tail.len);
    element_write_back(out + el->size - el->back_len, el->size - el->back_len, el->back_len);
}

/* Bytes of the encoding and the data at at; 0 for what is not an encoding. Reads up to 5 bytes. */
static inline size_t element_body_size(const unsigned char *at)
{
    unsigned char c = at[0];
    if (c < 0x80)
        return 1;
    if (c < 0xc0)
        return 1 + (size_t)(c & 63);
    if (c < 0xe0)
        return 2;
    if (c < 0xf0)
        return 2 + ((size_t)(c & 15) << 8 | at[1]);
    switch (c) {
    case ELEMENT_STRING32:
        return 5 + ((size_t)at[1] | (size_t)at[2] << 8 | (size_t)at[3] << 16 | (size_t)at[4] << 24);
    case ELEMENT_INT16:
        return 3;
    case ELEMENT_INT24:
        return 4;
    case ELEMENT_INT32:
        return 5;
    case ELEMENT_INT64:
        return 9;
    default:
        return 0;
    }
}

/* Bytes of the whole element. */
static inline size_t element_size(const unsigned char *at)
{
    size_t body = element_body_size(at);
    return body + element_back_len(body);
}

/* The size of the body of the element that ends before end. Well-formed bytes only. */
static inline size_t element_read_back(const unsigned char *end)
{
    size_t size = 0;
    for (int shift = 0; shift < 35; shift += 7) {
        end--;
        size |= (size_t)(*end & 127) << shift;
        if (*end < 128)
            break;
    }
    return size;
}

/* Where the element before end begins. */
static inline const unsigned char *element_before(const unsigned char *end)
{
    size_t body = element_read_back(end);
    return end - body - element_back_len(body);
}

static inline uint64_t element_get_le(const unsigned char *at, int len)
{
    uint64_t value = 0;
    for (int i = 0; i < len; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

/* True if the element is an integer (then *number), else *text is a view of its string. */
static inline bool element_read(const unsigned char *at, int64_t *number, struct bytes *text)
{
    unsigned char c = at[0];
    if (c < 0x80) {
        *number = c;
        return true;
    }
    if (c < 0xc0) {
        *text = bytes_of(at + 1, c & 63);
        return false;
    }
    if (c < 0xe0) {
        *number = (int64_t)((uint64_t)((unsigned)(c & 31) << 8 | at[1]) << 51) >> 51;
        return true;
    }
    if (c < 0xf0) {
        *text = bytes_of(at + 2, (size_t)(c & 15) << 8 | at[1]);
        return false;
    }
    if (c == ELEMENT_STRING32) {
        *text = bytes_of(at + 5, element_get_le(at + 1, 4));
        return false;
    }
    int len = c == ELEMENT_INT64 ? 8 : c - ELEMENT_INT16 + 2;
    *number = (int64_t)(element_get_le(at + 1, len) << (64 - 8 * len)) >> (64 - 8 * len);
    return true;
}

/* The element's text: a view, or the decimal form in scratch. */
static inline struct bytes element_text(const unsigned char *at, char scratch[NUMBER_TEXT_MAX])
{
    int64_t number = 0;
    struct bytes text = {NULL, 0};
    if (!element_read(at, &number, &text))
        return text;
    return bytes_of(scratch, number_format_i64(scratch, number));
}

#endif
