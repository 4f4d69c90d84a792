/*
 * bytes.h - a view of bytes that somebody else owns.
 *
 * Every argument, key and value travels through the server as a (pointer, length) pair; nothing
 * here is ever NUL-terminated by contract, and nothing here allocates. A view lives as long as what
 * it points into: a request's arguments until its command has run, an entry's key until the entry
 * moves.
 */
#ifndef REDOUBT_BASE_BYTES_H
#define REDOUBT_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct bytes {
    const char *ptr;
    size_t len;
};

static inline struct bytes bytes_of(const void *ptr, size_t len)
{
    return (struct bytes){(const char *)ptr, len};
}

/* A view of a NUL-terminated string. */
static inline struct bytes bytes_of_text(const char *text)
{
    return (struct bytes){text, strlen(text)};
}

/* Are these eight bytes the same? */
static inline bool bytes_equal_word(const char *a, const char *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x == y;
}

/* Names of usual lengths are compared here: memcmp() reads whole vectors, and behind a short name
 * in a table that is often a cache line which nobody has fetched. */
static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    enum { WORD = 8, SHORT = 32 };
    if (a.len != b.len)
        return false;
    if (a.len < WORD || a.len > SHORT)
        return memcmp(a.ptr, b.ptr, a.len) == 0;
    size_t last = a.len - WORD;
    for (size_t i = 0; i < last; i += WORD)
        if (!bytes_equal_word(a.ptr + i, b.ptr + i))
            return false;
    return bytes_equal_word(a.ptr + last, b.ptr + last);
}

/* memcpy() for what is mostly short: a call costs more than to copy twenty bytes, and what
 * compilers put in its place for a length they know to be small (rep movs) more still. Nothing
 * behind the length is read or written. */
static inline void bytes_copy(void *to, const void *from, size_t len)
{
    enum { BLOCK = 16, WORD = 8, HALF = 4, SHORT = 128 };
    char *t = (char *)to;
    const char *f = (const char *)from;
    if (len > SHORT) {
        memcpy(t, f, len);
    } else if (len >= BLOCK) {
        for (size_t i = 0; i + BLOCK < len; i += BLOCK)
            memcpy(t + i, f + i, BLOCK);
        memcpy(t + len - BLOCK, f + len - BLOCK, BLOCK);
    } else if (len >= WORD) {
        memcpy(t, f, WORD);
        memcpy(t + len - WORD, f + len - WORD, WORD);
    } else if (len >= HALF) {
        memcpy(t, f, HALF);
        memcpy(t + len - HALF, f + len - HALF, HALF);
    } else if (len > 0) {
        t[0] = f[0];
        t[len / 2] = f[len / 2];
        t[len - 1] = f[len - 1];
    }
}

/* Compare with a NUL-terminated ASCII word, ignoring case: how options and subcommands are matched.
 */
static inline bool bytes_is_word(struct bytes a, const char *word)
{
    size_t len = strlen(word);
    return a.len == len && strncasecmp(a.ptr, word, len) == 0;
}

/* Order as memcmp() has it, a prefix before what it starts. */
static inline int bytes_compare(struct bytes a, struct bytes b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

#endif
