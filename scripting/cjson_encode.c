/*
 * cjson_encode.c - Lua values as JSON text.
 *
 * A table whose keys are positive integers is an array, any other one (the empty one too) an
 * object. Integers keep all digits; other numbers have 14, as their text in Lua has.
 */
#include <lauxlib.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "base/number.h"
#include "scripting/cjson.h"
#include "scripting/out.h"

enum { NUMBER_MAX = 32 };

struct encoder {
    const struct cjson *c;
    struct out *out;
    lua_State *L;
    int depth;
};

/* What stands for a byte in a string: the letter behind a backslash, 'u' for \u00xx, 0 for the byte
 * itself. */
static const char escapes[256] = {
    ['\0'] = 'u', [1] = 'u',    [2] = 'u',    [3] = 'u',    [4] = 'u',     [5] = 'u',
    [6] = 'u',    [7] = 'u',    ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n',  [11] = 'u',
    ['\f'] = 'f', ['\r'] = 'r', [14] = 'u',   [15] = 'u',   [16] = 'u',    [17] = 'u',
    [18] = 'u',   [19] = 'u',   [20] = 'u',   [21] = 'u',   [22] = 'u',    [23] = 'u',
    [24] = 'u',   [25] = 'u',   [26] = 'u',   [27] = 'u',   [28] = 'u',    [29] = 'u',
    [30] = 'u',   [31] = 'u',   ['"'] = '"',  ['/'] = '/',  ['\\'] = '\\', [127] = 'u'};

static void add_escaped(struct out *o, unsigned char byte, char letter)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', letter, '0', '0', hex[byte >> 4], hex[byte & 15]};
    out_add(o, text, letter == 'u' ? 6 : 2);
}

static void add_string(struct out *o, const char *ptr, size_t len)
{
    const char *end = ptr + len;
    if (len > SIZE_MAX / 2)
        return;
    out_reserve(o, len + 2);
    o->data[o->len++] = '"';
    while (ptr < end) {
        const char *from = ptr;
        while (ptr < end && escapes[(unsigned char)*ptr] == 0)
            ptr++;
        if (ptr > from)
            out_add(o, from, (size_t)(ptr - from));
        if (ptr < end) {
            add_escaped(o, (unsigned char)*ptr, escapes[(unsigned char)*ptr]);
            ptr++;
        }
    }
    out_add_char(o, '"');
}

static _Noreturn void refuse(const struct encoder *e, const char *reason)
{
    luaL_error(e->L, "Cannot serialise %s: %s", luaL_typename(e->L, -1), reason);
    __builtin_unreachable();
}

static void add_invalid(const struct encoder *e, double n)
{
    if (e->c->encode_invalid == NUMBERS_REFUSED)
        refuse(e, "must not be NaN or Inf");
    if (e->c->encode_invalid == NUMBERS_AS_NULL)
        out_add(e->out, "null", 4);
    else if (isnan(n))
        out_add(e->out, "nan", 3);
    else
        out_add(e->out, n > 0 ? "inf" : "-inf", n > 0 ? 3 : 4);
}

static void add_integer(struct out *o, lua_Integer n)
{
    out_reserve(o, NUMBER_TEXT_MAX);
    o->len += number_format_i64(o->data + o->len, n);
}

/* The number at index, which need not be on top. */
static void add_number(const struct encoder *e, int index)
{
    bool all_digits = e->c->precision == CJSON_PRECISION;
    if (lua_isinteger(e->L, index)) {
        lua_Integer n = lua_tointeger(e->L, index);
        if (all_digits || (n > -10 && n < 10)) {
            add_integer(e->out, n);
            return;
        }
    }
    double n = lua_tonumber(e->L, index);
    if (isnan(n) || isinf(n)) {
        add_invalid(e, n);
        return;
    }
    if (all_digits && fabs(n) < 1e15 && n == (double)(lua_Integer)n && (n != 0 || !signbit(n))) {
        add_integer(e->out, (lua_Integer)n);
        return;
    }
    out_reserve(e->out, NUMBER_MAX);
    int len = snprintf(e->out->data + e->out->len, NUMBER_MAX, "%.*g", e->c->precision, n);
    e->out->len += (size_t)len;
}

/* The length of the table on top as an array; -1: it is an object. */
static lua_Integer array_length(const struct encoder *e)
{
    lua_State *L = e->L;
    lua_Integer count = 0, most = 0;
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pop(L, 1);
        lua_Integer key = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
        if (key <= 0) {
            lua_pop(L, 1);
            return -1;
        }
        count++;
        if (key > most)
            most = key;
    }
    const struct cjson *c = e->c;
    bool is_sparse = c->sparse_ratio > 0 && most > c->sparse_safe && most > count * c->sparse_ratio;
    if (is_sparse || most > INT_MAX) {
        if (!c->sparse_convert)
            refuse(e, "excessively sparse array");
        return -1;
    }
    return most;
}

static void add_value(struct encoder *e);

static void add_array(struct encoder *e, lua_Integer count)
{
    out_add_char(e->out, '[');
    for (lua_Integer i = 1; i <= count; i++) {
        if (i > 1)
            out_add_char(e->out, ',');
        lua_rawgeti(e->L, -1, i);
        add_value(e);
        lua_pop(e->L, 1);
    }
    out_add_char(e->out, ']');
}

static void add_key(struct encoder *e)
{
    size_t len;
    const char *ptr;
    switch (lua_type(e->L, -2)) {
    case LUA_TSTRING:
        ptr = lua_tolstring(e->L, -2, &len);
        add_string(e->out, ptr, len);
        break;
    case LUA_TNUMBER:
        out_add_char(e->out, '"');
        add_number(e, -2);
        out_add_char(e->out, '"');
        break;
    default:
        lua_pop(e->L, 1); /* the key is what is told */
        refuse(e, "table key must be a number or string");
    }
    out_add_char(e->out, ':');
}

static void add_object(struct encoder *e)
{
    bool first = true;
    out_add_char(e->out, '{');
    lua_pushnil(e->L);
    while (lua_next(e->L, -2)) {
        if (!first)
            out_add_char(e->out, ',');
        first = false;
        add_key(e);
        add_value(e);
        lua_pop(e->L, 1);
    }
    out_add_char(e->out, '}');
}

static void add_table(struct encoder *e)
{
    e->depth++;
    if (e->depth > e->c->encode_depth || e->depth > CJSON_ENCODE_DEPTH_LIMIT)
        luaL_error(e->L, "Cannot serialise, excessive nesting (%d)", e->depth);
    luaL_checkstack(e->L, 4, "JSON");
    lua_Integer count = array_length(e);
    if (count > 0)
        add_array(e, count);
    else
        add_object(e);
    e->depth--;
}

static void add_value(struct encoder *e)
{
    size_t len;
    const char *ptr;
    switch (lua_type(e->L, -1)) {
    case LUA_TSTRING:
        ptr = lua_tolstring(e->L, -1, &len);
        add_string(e->out, ptr, len);
        return;
    case LUA_TNUMBER:
        add_number(e, -1);
        return;
    case LUA_TBOOLEAN:
        if (lua_toboolean(e->L, -1))
            out_add(e->out, "true", 4);
        else
            out_add(e->out, "false", 5);
        return;
    case LUA_TTABLE:
        add_table(e);
        return;
    case LUA_TNIL:
        out_add(e->out, "null", 4);
        return;
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(e->L, -1) == NULL) {
            out_add(e->out, "null", 4);
            return;
        }
    /* FALLTHROUGH */
    default:
        refuse(e, "type not supported");
    }
}

void cjson_encode(struct cjson *c, lua_State *L)
{
    struct encoder e = {c, c->buffer, L, 0};
    add_value(&e);
}
