/*
 * pattern.c - a matcher for Lua's patterns.
 *
 * The language is that of Lua's manual (5.1, section 5.4.1; %f is there too). An item is a single
 * character class with a suffix, or one of ( ) %b %f %1; whatever needs to come back recurses for
 * the rest of the pattern, so depth follows the number of items, and both depth and steps are
 * bounded.
 */
#include "scripting/pattern.h"

#include <ctype.h>
#include <lauxlib.h>

enum { DEPTH_MAX = 200, STEPS_MIN = 1 << 26, STEPS_PER_BYTE = 32 };
enum { PATTERN_OPEN = -1, PATTERN_POSITION = -2 };

static const char *match_here(struct pattern *p, const char *at, const char *item)
    __attribute__((nonnull));

void pattern_init(struct pattern *p, lua_State *L, struct bytes subject, struct bytes text)
{
    p->L = L;
    p->subject = subject.ptr;
    p->subject_end = subject.ptr + subject.len;
    p->start = text.ptr;
    p->end = text.ptr + text.len;
    p->steps = STEPS_MIN + (int64_t)subject.len * STEPS_PER_BYTE;
    p->depth = DEPTH_MAX;
    p->captures = 0;
}

static inline void count_step(struct pattern *p)
{
    if (--p->steps < 0)
        luaL_error(p->L, "pattern too complex");
}

/* Behind the single character class that starts here. */
static const char *class_end(struct pattern *p, const char *item)
{
    char first = *item++;
    if (first == '%') {
        if (item == p->end)
            luaL_error(p->L, "malformed pattern (ends with '%%')");
        return item + 1;
    }
    if (first != '[')
        return item;
    if (item < p->end && *item == '^')
        item++;
    do { /* a ']' that comes first stands for itself */
        if (item == p->end)
            luaL_error(p->L, "malformed pattern (missing ']')");
        if (*item++ == '%' && item < p->end)
            item++;
    } while (item == p->end || *item != ']');
    return item + 1;
}

static bool is_in_class(int c, int class)
{
    bool is;
    switch (tolower(class)) {
    case 'a':
        is = isalpha(c);
        break;
    case 'c':
        is = iscntrl(c);
        break;
    case 'd':
        is = isdigit(c);
        break;
    case 'l':
        is = islower(c);
        break;
    case 'p':
        is = ispunct(c);
        break;
    case 's':
        is = isspace(c);
        break;
    case 'u':
        is = isupper(c);
        break;
    case 'w':
        is = isalnum(c);
        break;
    case 'x':
        is = isxdigit(c);
        break;
    case 'z':
        is = c == 0;
        break;
    default:
        return class == c;
    }
    return is != (isupper(class) != 0);
}

/* set is at '[', last at its ']'. */
static bool is_in_set(int c, const char *set, const char *last)
{
    bool found = true;
    if (set[1] == '^') {
        found = false;
        set++;
    }
    while (++set < last) {
        if (*set == '%') {
            set++;
            if (is_in_class(c, (unsigned char)*set))
                return found;
        } else if (set[1] == '-' && set + 2 < last) {
            set += 2;
            if ((unsigned char)set[-2] <= c && c <= (unsigned char)*set)
                return found;
        } else if ((unsigned char)*set == c) {
            return found;
        }
    }
    return !found;
}

__attribute__((nonnull)) static bool is_single_match(struct pattern *p, const char *at,
                                                     const char *item, const char *end)
{
    if (at >= p->subject_end)
        return false;
    count_step(p);
    int c = (unsigned char)*at;
    switch (*item) {
    case '.':
        return true;
    case '%':
        return is_in_class(c, (unsigned char)item[1]);
    case '[':
        return is_in_set(c, item, end - 1);
    default:
        return (unsigned char)*item == c;
    }
}

static const char *match_balance(struct pattern *p, const char *at, const char *item)
{
    if (p->end - item < 2)
        luaL_error(p->L, "unbalanced pattern");
    if (at >= p->subject_end || *at != *item)
        return NULL;
    int open = 1;
    while (++at < p->subject_end) {
        count_step(p);
        if (*at == item[1]) {
            if (--open == 0)
                return at + 1;
        } else if (*at == item[0]) {
            open++;
        }
    }
    return NULL;
}

static const char *expand_most(struct pattern *p, const char *at, const char *item, const char *end)
{
    ptrdiff_t count = 0;
    while (is_single_match(p, at + count, item, end))
        count++;
    for (; count >= 0; count--) {
        const char *to = match_here(p, at + count, end + 1);
        if (to != NULL)
            return to;
    }
    return NULL;
}

static const char *expand_least(struct pattern *p, const char *at, const char *item,
                                const char *end)
{
    for (;;) {
        const char *to = match_here(p, at, end + 1);
        if (to != NULL)
            return to;
        if (!is_single_match(p, at, item, end))
            return NULL;
        at++;
    }
}

static const char *open_capture(struct pattern *p, const char *at, const char *item, ptrdiff_t kind)
{
    if (p->captures >= PATTERN_CAPTURES)
        luaL_error(p->L, "too many captures");
    p->capture[p->captures].start = at;
    p->capture[p->captures++].len = kind;
    const char *to = match_here(p, at, item);
    if (to == NULL)
        p->captures--;
    return to;
}

static const char *close_capture(struct pattern *p, const char *at, const char *item)
{
    int i = p->captures - 1;
    while (i >= 0 && p->capture[i].len != PATTERN_OPEN)
        i--;
    if (i < 0)
        luaL_error(p->L, "invalid pattern capture");
    p->capture[i].len = at - p->capture[i].start;
    const char *to = match_here(p, at, item);
    if (to == NULL)
        p->capture[i].len = PATTERN_OPEN;
    return to;
}

/* %1: what capture 1 holds comes again here. Behind it, or NULL. */
static const char *match_capture(struct pattern *p, const char *at, int digit)
{
    int i = digit - '1';
    if (i < 0 || i >= p->captures || p->capture[i].len == PATTERN_OPEN)
        luaL_error(p->L, "invalid capture index");
    size_t len = p->capture[i].len < 0 ? 0 : (size_t)p->capture[i].len;
    if ((size_t)(p->subject_end - at) < len || memcmp(p->capture[i].start, at, len) != 0)
        return NULL;
    return at + len;
}

/* %f[set]: between a character outside of the set and one within; both ends of the subject are
 * '\0'. Returns the item behind, or NULL. */
static const char *match_frontier(struct pattern *p, const char *at, const char *item)
{
    if (item >= p->end || *item != '[')
        luaL_error(p->L, "missing '[' after '%%f' in pattern");
    const char *end = class_end(p, item);
    int before = at == p->subject ? 0 : (unsigned char)at[-1];
    int here = at == p->subject_end ? 0 : (unsigned char)*at;
    if (is_in_set(before, item, end - 1) || !is_in_set(here, item, end - 1))
        return NULL;
    return end;
}

/* One of the items that start with '%' and are no class: false if it is not. Else *at and *item
 * have moved, or *at is NULL. */
static bool match_special(struct pattern *p, const char **at, const char **item)
{
    if (p->end - *item < 2 || **item != '%')
        return false;
    char kind = (*item)[1];
    if (kind == 'b') {
        *at = match_balance(p, *at, *item + 2);
        *item += 4;
    } else if (kind == 'f') {
        const char *behind = match_frontier(p, *at, *item + 2);
        if (behind == NULL)
            *at = NULL;
        *item = behind;
    } else if (isdigit((unsigned char)kind)) {
        *at = match_capture(p, *at, kind);
        *item += 2;
    } else {
        return false;
    }
    return true;
}

static const char *match_items(struct pattern *p, const char *at, const char *item)
{
    while (item != p->end) {
        if (*item == '(') {
            bool is_position = item + 1 < p->end && item[1] == ')';
            return is_position ? open_capture(p, at, item + 2, PATTERN_POSITION)
                               : open_capture(p, at, item + 1, PATTERN_OPEN);
        }
        if (*item == ')')
            return close_capture(p, at, item + 1);
        if (*item == '$' && item + 1 == p->end)
            return at == p->subject_end ? at : NULL;
        if (match_special(p, &at, &item)) {
            if (at == NULL)
                return NULL;
            continue;
        }
        const char *end = class_end(p, item);
        char suffix = end < p->end ? *end : '\0';
        if (suffix == '*')
            return expand_most(p, at, item, end);
        if (suffix == '-')
            return expand_least(p, at, item, end);
        bool matches = is_single_match(p, at, item, end);
        if (suffix == '+')
            return matches ? expand_most(p, at + 1, item, end) : NULL;
        if (suffix == '?') {
            const char *to = matches ? match_here(p, at + 1, end + 1) : NULL;
            if (to != NULL)
                return to;
            item = end + 1;
            continue;
        }
        if (!matches)
            return NULL;
        at++;
        item = end;
    }
    return at;
}

static const char *match_here(struct pattern *p, const char *at, const char *item)
{
    count_step(p);
    if (p->depth-- == 0)
        luaL_error(p->L, "pattern too complex");
    const char *to = match_items(p, at, item);
    p->depth++;
    return to;
}

const char *pattern_match(struct pattern *p, const char *at)
{
    p->captures = 0;
    return match_here(p, at, p->start);
}

void pattern_push_capture(struct pattern *p, int i, const char *from, const char *to)
{
    if (i >= p->captures) {
        if (i != 0)
            luaL_error(p->L, "invalid capture index");
        lua_pushlstring(p->L, from, (size_t)(to - from));
        return;
    }
    ptrdiff_t len = p->capture[i].len;
    if (len == PATTERN_OPEN)
        luaL_error(p->L, "unfinished capture");
    if (len == PATTERN_POSITION)
        lua_pushinteger(p->L, p->capture[i].start - p->subject + 1);
    else
        lua_pushlstring(p->L, p->capture[i].start, (size_t)len);
}

int pattern_push_captures(struct pattern *p, const char *from, const char *to)
{
    int count = p->captures == 0 && from != NULL ? 1 : p->captures;
    luaL_checkstack(p->L, count, "too many captures");
    for (int i = 0; i < count; i++)
        pattern_push_capture(p, i, from, to);
    return count;
}
