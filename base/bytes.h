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
