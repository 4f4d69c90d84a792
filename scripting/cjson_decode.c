/*
 * cjson_decode.c - JSON text as Lua values.
 *
 * A recursive descent, bounded in depth. The members of a table wait on Lua's stack until there are
 * a few dozen, so that a small table is made in its final size. A number without fraction and
 * exponent that fits is an integer.
 */
#include <ctype.h>
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>

#include "scripting/cjson.h"
#include "scripting/out.h"

enum { WAITING = 32 }; /* slots: that many elements, half as many pairs */

struct decoder {
    const struct cjson *c;
    lua_State *L;
    const char *text, *at; /* a NUL is the end */
    int depth;
};

static inline char skip_space(struct decoder *d)
{
    while (*d->at == ' ' || *d->at == '\n' || *d->at == '\t' || *d->at == '\r')
        d->at++;
    return *d->at;
}

static _Noreturn void fail(const struct decoder *d, const char *expected, const char *found,
                           const char *at)
{
    luaL_error(d->L, "Expected %s but found %s at character %d", expected, found,
               (int)(at - d->text) + 1);
    __builtin_unreachable();
}

/* -- strings ----------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits behind \u; -1: they are not. */
static int read_unit(const char *at)
{
    int unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

static int utf8_encode(unsigned code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    int len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (int i = len - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(first[len] | code);
    return len;
}

/* at is behind a backslash, at 'u'. Behind the escape, or NULL: it is none. */
static const char *add_unicode(struct out *o, const char *at)
{
    int unit = read_unit(at + 1);
    if (unit < 0)
        return NULL;
    unsigned code = (unsigned)unit;
    at += 5;
    if ((code & 0xf800) == 0xd800) { /* half of a pair */
        if ((code & 0x400) != 0 || at[0] != '\\' || at[1] != 'u')
            return NULL;
        int low = read_unit(at + 2);
        if (low < 0 || (low & 0xfc00) != 0xdc00)
            return NULL;
        code = 0x10000 + ((code & 0x3ff) << 10 | (unsigned)(low & 0x3ff));
        at += 6;
    }
    char utf8[4];
    out_add(o, utf8, (size_t)utf8_encode(code, utf8));
    return at;
}

static char unescape(char letter)
{
    switch (letter) {
    case '"':
    case '\\':
    case '/':
        return letter;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return 0;
    }
}

/* The string whose first escape is at d->at; from is where it starts. */
static void push_escaped(struct decoder *d, const char *from, const char *expected)
{
    struct out *o = d->c->buffer;
    out_start(o, d->L);
    while (*d->at != '"') {
        if (*d->at == '\0')
            fail(d, expected, "unexpected end of string", d->at);
        if (*d->at != '\\') {
            d->at++;
            continue;
        }
        out_add(o, from, (size_t)(d->at - from));
        char letter = d->at[1];
        if (letter == 'u') {
            const char *behind = add_unicode(o, d->at + 1);
            if (behind == NULL)
                fail(d, expected, "invalid unicode escape code", d->at);
            d->at = behind;
        } else if (unescape(letter) != 0) {
            out_add_char(o, unescape(letter));
            d->at += 2;
        } else {
            fail(d, expected, "invalid escape code", d->at);
        }
        from = d->at;
    }
    out_add(o, from, (size_t)(d->at - from));
    lua_pushlstring(d->L, o->data, o->len);
}

/* at the opening quote */
static void push_string(struct decoder *d, const char *expected)
{
    const char *from = ++d->at;
    while (*d->at != '"' && *d->at != '\\') {
        if (*d->at == '\0')
            fail(d, expected, "unexpected end of string", d->at);
        d->at++;
    }
    if (*d->at == '\\')
        push_escaped(d, from, expected);
    else
        lua_pushlstring(d->L, from, (size_t)(d->at - from));
    d->at++;
}

/* -- numbers ----------------------------------------------------------------------------------- */

/* What strtod() takes and JSON does not: a sign '+', hexadecimal digits, leading zeros, inf, nan.
 */
static bool is_invalid_number(const char *at)
{
    if (*at == '+')
        return true;
    if (*at == '-')
        at++;
    if (*at == '0')
        return (at[1] | 0x20) == 'x' || isdigit((unsigned char)at[1]);
    if (*at <= '9')
        return false;
    return strncasecmp(at, "inf", 3) == 0 || strncasecmp(at, "nan", 3) == 0;
}

/* Up to 18 digits and nothing behind them that belongs to the number. */
static bool push_integer(struct decoder *d)
{
    enum { DIGITS_MAX = 18 };
    const char *at = d->at + (*d->at == '-');
    const char *first = at;
    lua_Integer n = 0;
    while (at - first <= DIGITS_MAX && isdigit((unsigned char)*at))
        n = n * 10 + (*at++ - '0');
    char next = (char)(*at | 0x20);
    if (at == first || at - first > DIGITS_MAX || *at == '.' || next == 'e' || next == 'x')
        return false;
    if (n == 0 && *d->at == '-')
        lua_pushnumber(d->L, -0.0);
    else
        lua_pushinteger(d->L, *d->at == '-' ? -n : n);
    d->at = at;
    return true;
}

static void push_number(struct decoder *d, const char *expected)
{
    if (!d->c->decode_invalid && is_invalid_number(d->at))
        fail(d, expected, "invalid number", d->at);
    if (push_integer(d))
        return;
    char *end;
    double n = strtod(d->at, &end);
    if (end == d->at)
        fail(d, expected, "invalid number", d->at);
    const char *at = d->at + (*d->at == '-' || *d->at == '+');
    while (isdigit((unsigned char)*at))
        at++;
    /* 19 digits may fit an integer. */
    if (at == end && fabs(n) < 0x1p63)
        lua_pushinteger(d->L, strtoll(d->at, NULL, 10));
    else
        lua_pushnumber(d->L, n);
    d->at = end;
}

/* -- values ------------------------------------------------------------------------------------ */

static _Noreturn void fail_token(struct decoder *d, const char *expected);
static void push_value(struct decoder *d, const char *expected);

static void descend(struct decoder *d, int slots)
{
    d->depth++;
    if (d->depth > d->c->decode_depth || d->depth * slots > CJSON_DECODE_DEPTH_LIMIT)
        luaL_error(d->L, "Found too many nested data structures (%d) at character %d", d->depth,
                   (int)(d->at - d->text));
    luaL_checkstack(d->L, WAITING + 6, "JSON");
}

/* The waiting elements, behind the table if there is one already, become its elements. */
static void settle_elements(lua_State *L, int waiting, lua_Integer *settled, bool is_last)
{
    if (*settled == 0) {
        lua_createtable(L, is_last ? waiting : 2 * WAITING, 0);
        lua_insert(L, -waiting - 1);
    }
    for (int i = waiting; i > 0; i--)
        lua_rawseti(L, -i - 1, *settled + i);
    *settled += waiting;
}

static void push_array(struct decoder *d)
{
    lua_Integer settled = 0;
    int waiting = 0;
    d->at++;
    descend(d, 1);
    if (skip_space(d) == ']') {
        lua_createtable(d->L, 0, 0);
        d->at++;
        d->depth--;
        return;
    }
    for (;;) {
        push_value(d, "value");
        if (++waiting == WAITING) {
            settle_elements(d->L, waiting, &settled, false);
            waiting = 0;
        }
        char next = skip_space(d);
        if (next == ']')
            break;
        if (next != ',')
            fail_token(d, "comma or array end");
        d->at++;
    }
    settle_elements(d->L, waiting, &settled, true);
    d->at++;
    d->depth--;
}

/* The same with pairs, in their order: of a key that comes twice the last value counts. */
static void settle_pairs(lua_State *L, int waiting, bool *has_table, bool is_last)
{
    if (!*has_table) {
        lua_createtable(L, 0, is_last ? waiting / 2 : WAITING);
        lua_insert(L, -waiting - 1);
        *has_table = true;
    }
    int table = lua_gettop(L) - waiting;
    for (int i = 1; i <= waiting; i += 2) {
        lua_pushvalue(L, table + i);
        lua_pushvalue(L, table + i + 1);
        lua_rawset(L, table);
    }
    lua_settop(L, table);
}

static void push_member(struct decoder *d)
{
    if (skip_space(d) != '"')
        fail_token(d, "object key string");
    push_string(d, "object key string");
    if (skip_space(d) != ':')
        fail_token(d, "colon");
    d->at++;
    push_value(d, "value");
}

static void push_object(struct decoder *d)
{
    bool has_table = false;
    int waiting = 0;
    d->at++;
    descend(d, 2);
    if (skip_space(d) == '}') {
        lua_createtable(d->L, 0, 0);
        d->at++;
        d->depth--;
        return;
    }
    for (;;) {
        push_member(d);
        waiting += 2;
        if (waiting == WAITING) {
            settle_pairs(d->L, waiting, &has_table, false);
            waiting = 0;
        }
        char next = skip_space(d);
        if (next == '}')
            break;
        if (next != ',')
            fail_token(d, "comma or object end");
        d->at++;
    }
    settle_pairs(d->L, waiting, &has_table, true);
    d->at++;
    d->depth--;
}

static bool take_word(struct decoder *d, const char *word, size_t len)
{
    if (strncmp(d->at, word, len) != 0)
        return false;
    d->at += len;
    return true;
}

/* What is neither structure, string nor digit: true and its like, false: it is nothing. */
static bool push_word(struct decoder *d, const char *expected)
{
    if (take_word(d, "true", 4))
        lua_pushboolean(d->L, 1);
    else if (take_word(d, "false", 5))
        lua_pushboolean(d->L, 0);
    else if (take_word(d, "null", 4))
        lua_pushlightuserdata(d->L, NULL);
    else if (d->c->decode_invalid && is_invalid_number(d->at))
        push_number(d, expected);
    else
        return false;
    return true;
}

static void push_value(struct decoder *d, const char *expected)
{
    char first = skip_space(d);
    if (first == '"')
        push_string(d, expected);
    else if (first == '{')
        push_object(d);
    else if (first == '[')
        push_array(d);
    else if (first == '-' || isdigit((unsigned char)first))
        push_number(d, expected);
    else if (first == '\0' || strchr("+IiNnft", first) == NULL || !push_word(d, expected))
        fail_token(d, expected);
}

/* Name what stands here instead of what was expected. A token that is broken itself says so. */
static _Noreturn void fail_token(struct decoder *d, const char *expected)
{
    char first = skip_space(d);
    const char *at = d->at, *name = "invalid token";
    switch (first) {
    case '{':
        name = "T_OBJ_BEGIN";
        break;
    case '}':
        name = "T_OBJ_END";
        break;
    case '[':
        name = "T_ARR_BEGIN";
        break;
    case ']':
        name = "T_ARR_END";
        break;
    case ',':
        name = "T_COMMA";
        break;
    case ':':
        name = "T_COLON";
        break;
    case '"':
        push_string(d, expected);
        name = "T_STRING";
        break;
    case '\0':
        name = "T_END";
        break;
    default:
        if (first == '-' || isdigit((unsigned char)first)) {
            push_number(d, expected);
            name = "T_NUMBER";
        } else if (strchr("+IiNnft", first) != NULL && push_word(d, expected)) {
            name = lua_isboolean(d->L, -1)  ? "T_BOOLEAN"
                   : lua_isnumber(d->L, -1) ? "T_NUMBER"
                                            : "T_NULL";
        }
    }
    fail(d, expected, name, at);
}

void cjson_decode(const struct cjson *c, lua_State *L, const char *text)
{
    struct decoder d = {c, L, text, text, 0};
    luaL_checkstack(L, 4, "JSON");
    push_value(&d, "value");
    if (skip_space(&d) != '\0')
        fail_token(&d, "the end");
}
