/*
 * compat_source.c - what 5.1's lexer read and 5.4's refuses.
 *
 * In a quoted string 5.1 took the character behind an unknown backslash as it is: "\." is a point
 * and "\x41" is x41. 5.4 knows \x, \z and \u and refuses the others. So these backslashes go; lines
 * stay where they are. Nearly all scripts have none, and are not copied.
 */
#include "scripting/compat_parts.h"

struct reader {
    const char *at, *end;
    const char *kept; /* up to here it is in out */
    struct text *out;
};

/* The '=' between two brackets: [==[ has level 2. -1: no long bracket starts here. */
static long bracket_level(const char *at, const char *end, char bracket)
{
    if (at >= end || *at != bracket)
        return -1;
    const char *p = at + 1;
    while (p < end && *p == '=')
        p++;
    return p < end && *p == bracket ? p - at - 1 : -1;
}

static void skip_long(struct reader *r, long level)
{
    r->at += level + 2;
    while (r->at < r->end && bracket_level(r->at, r->end, ']') != level)
        r->at++;
    r->at = r->end - r->at > level + 2 ? r->at + level + 2 : r->end;
}

static void skip_comment(struct reader *r)
{
    r->at += 2;
    long level = bracket_level(r->at, r->end, '[');
    if (level >= 0) {
        skip_long(r, level);
        return;
    }
    while (r->at < r->end && *r->at != '\n' && *r->at != '\r')
        r->at++;
}

static bool is_escape_of_both(char c)
{
    return c != '\0' && strchr("abfnrtv\\\"'\n\r0123456789", c) != NULL;
}

static void read_quoted(struct reader *r)
{
    char quote = *r->at++;
    while (r->at < r->end && *r->at != quote && *r->at != '\n' && *r->at != '\r') {
        if (*r->at == '\\' && r->end - r->at > 1) {
            if (!is_escape_of_both(r->at[1])) {
                text_add(r->out, bytes_of(r->kept, (size_t)(r->at - r->kept)));
                r->kept = r->at + 1;
            }
            r->at++;
        }
        r->at++;
    }
    r->at += r->at < r->end;
}

bool compat_source(struct bytes source, struct text *out)
{
    const char *first = memchr(source.ptr, '\\', source.len);
    if (first == NULL)
        return false;
    struct reader r = {source.ptr, source.ptr + source.len, source.ptr, out};
    while (r.at < r.end) {
        long level;
        if (*r.at == '"' || *r.at == '\'')
            read_quoted(&r);
        else if (*r.at == '-' && r.end - r.at > 1 && r.at[1] == '-')
            skip_comment(&r);
        else if (*r.at == '[' && (level = bracket_level(r.at, r.end, '[')) >= 0)
            skip_long(&r, level);
        else
            r.at++;
    }
    if (r.kept == source.ptr)
        return false;
    text_add(out, bytes_of(r.kept, (size_t)(r.end - r.kept)));
    return true;
}
