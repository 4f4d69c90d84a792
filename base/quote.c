/*
 * quote.c - bytes as a quoted text.
 *
 * Arguments are mostly plain, so plain runs are copied whole and only the bytes between them are
 * looked at one by one. The locale has no say in what is printable: a log line must not depend on
 * it.
 */
#include "base/quote.h"

static bool is_plain(char c)
{
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

/* The letter behind the backslash, 0: there is none. */
static char escape_letter(char c)
{
    switch (c) {
    case '"':
    case '\\':
        return c;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\a':
        return 'a';
    case '\b':
        return 'b';
    default:
        return 0;
    }
}

static void add_escaped(struct text *out, char c)
{
    static const char hex[] = "0123456789abcdef";
    char letter = escape_letter(c);
    if (letter != 0) {
        text_add(out, bytes_of((const char[]){'\\', letter}, 2));
        return;
    }
    unsigned char byte = (unsigned char)c;
    text_add(out, bytes_of((const char[]){'\\', 'x', hex[byte >> 4], hex[byte & 15]}, 4));
}

void quote_add(struct text *out, struct bytes raw)
{
    size_t at = 0;
    text_add(out, bytes_of("\"", 1));
    while (at < raw.len) {
        size_t end = at;
        while (end < raw.len && is_plain(raw.ptr[end]))
            end++;
        if (end > at)
            text_add(out, bytes_of(raw.ptr + at, end - at));
        if (end < raw.len)
            add_escaped(out, raw.ptr[end++]);
        at = end;
    }
    text_add(out, bytes_of("\"", 1));
}
