/*
 * lib_string.c - string.find, match, gmatch, gsub: 5.1's rules over our own matcher.
 *
 * 5.4 differs where a match may be empty: ("a,b"):gsub("[^,]*", "x") is "xx,xx" in 5.1, and loops
 * over "([^,]*)" see the empty matches too. string.format() has its own file.
 */
#include "scripting/lib_string.h"

#include <ctype.h>
#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#include "scripting/compat_parts.h"
#include "scripting/pattern.h"

static struct bytes check_bytes(lua_State *L, int arg)
{
    size_t len;
    const char *ptr = luaL_checklstring(L, arg, &len);
    return bytes_of(ptr, len);
}

/* A position from the script, counted from the end if it is negative; as an offset within len. */
static size_t start_offset(lua_Integer position, size_t len)
{
    if (position < 0)
        position = -position > (lua_Integer)len ? 0 : position + (lua_Integer)len + 1;
    if (position > 0)
        position--;
    return (size_t)position > len ? len : (size_t)position;
}

static bool is_plain(struct bytes pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.ptr[i] != '\0' && strchr("^$*+?.([%-", pattern.ptr[i]) != NULL)
            return false;
    return true;
}

static int push_range(lua_State *L, const char *subject, const char *from, const char *to)
{
    lua_pushinteger(L, from - subject + 1);
    lua_pushinteger(L, to - subject);
    return 2;
}

static int find_plain(lua_State *L, struct bytes subject, size_t from, struct bytes pattern)
{
    const char *at = pattern.len == 0
                         ? subject.ptr + from
                         : memmem(subject.ptr + from, subject.len - from, pattern.ptr, pattern.len);
    if (at == NULL) {
        lua_pushnil(L);
        return 1;
    }
    return push_range(L, subject.ptr, at, at + pattern.len);
}

static bool take_anchor(struct bytes *pattern)
{
    if (pattern->len == 0 || *pattern->ptr != '^')
        return false;
    pattern->ptr++;
    pattern->len--;
    return true;
}

static int find_or_match(lua_State *L, bool find)
{
    struct bytes subject = check_bytes(L, 1), text = check_bytes(L, 2);
    size_t from = start_offset(luaL_optinteger(L, 3, 1), subject.len);
    if (find && (lua_toboolean(L, 4) || is_plain(text)))
        return find_plain(L, subject, from, text);
    bool anchored = take_anchor(&text);
    struct pattern p;
    pattern_init(&p, L, subject, text);
    const char *at = subject.ptr + from;
    do {
        const char *to = pattern_match(&p, at);
        if (to != NULL) {
            int count = find ? push_range(L, subject.ptr, at, to) : 0;
            return count + pattern_push_captures(&p, find ? NULL : at, to);
        }
    } while (at++ < p.subject_end && !anchored);
    lua_pushnil(L);
    return 1;
}

static int string_find(lua_State *L)
{
    return find_or_match(L, true);
}

static int string_match(lua_State *L)
{
    return find_or_match(L, false);
}

/* Upvalues: subject, pattern, offset of the next try. An anchor has no meaning here. */
static int gmatch_next(lua_State *L)
{
    size_t len, pattern_len;
    const char *subject = lua_tolstring(L, lua_upvalueindex(1), &len);
    const char *text = lua_tolstring(L, lua_upvalueindex(2), &pattern_len);
    struct pattern p;
    pattern_init(&p, L, bytes_of(subject, len), bytes_of(text, pattern_len));
    const char *at = subject + lua_tointeger(L, lua_upvalueindex(3));
    for (; at <= p.subject_end; at++) {
        const char *to = pattern_match(&p, at);
        if (to == NULL)
            continue;
        lua_pushinteger(L, to - subject + (to == at));
        lua_replace(L, lua_upvalueindex(3));
        return pattern_push_captures(&p, at, to);
    }
    return 0;
}

static int string_gmatch(lua_State *L)
{
    luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, gmatch_next, 3);
    return 1;
}

/* The replacement's text with its captures; what follows a '%' and is no digit stands for itself,
 * the NUL at the end of a string included. */
static void add_template(struct pattern *p, luaL_Buffer *out, const char *from, const char *to)
{
    size_t len;
    const char *text = lua_tolstring(p->L, 3, &len);
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            luaL_addchar(out, text[i]);
            continue;
        }
        i++;
        if (!isdigit((unsigned char)text[i])) {
            luaL_addchar(out, text[i]);
        } else if (text[i] == '0') {
            luaL_addlstring(out, from, (size_t)(to - from));
        } else {
            pattern_push_capture(p, text[i] - '1', from, to);
            luaL_addvalue(out);
        }
    }
}

static void add_replacement(struct pattern *p, luaL_Buffer *out, const char *from, const char *to)
{
    lua_State *L = p->L;
    int type = lua_type(L, 3);
    if (type == LUA_TNUMBER || type == LUA_TSTRING) {
        add_template(p, out, from, to);
        return;
    }
    if (type == LUA_TTABLE) {
        pattern_push_capture(p, 0, from, to);
        lua_gettable(L, 3);
    } else {
        lua_pushvalue(L, 3);
        lua_call(L, pattern_push_captures(p, from, to), 1);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        lua_pushlstring(L, from, (size_t)(to - from));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    luaL_addvalue(out);
}

static int string_gsub(lua_State *L)
{
    struct bytes subject = check_bytes(L, 1), text = check_bytes(L, 2);
    int type = lua_type(L, 3);
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)subject.len + 1), count = 0;
    luaL_argcheck(L,
                  type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TTABLE ||
                      type == LUA_TFUNCTION,
                  3, "string/function/table expected");
    bool anchored = take_anchor(&text);
    struct pattern p;
    pattern_init(&p, L, subject, text);
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    const char *at = subject.ptr;
    while (count < most) {
        const char *to = pattern_match(&p, at);
        if (to != NULL) {
            count++;
            add_replacement(&p, &out, at, to);
        }
        if (to != NULL && to > at)
            at = to;
        else if (at < p.subject_end)
            luaL_addchar(&out, *at++);
        else
            break;
        if (anchored)
            break;
    }
    luaL_addlstring(&out, at, (size_t)(p.subject_end - at));
    luaL_pushresult(&out);
    lua_pushinteger(L, count);
    return 2;
}

/* 5.4's takes a separator, too. */
static int string_rep(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_Integer count = luaL_checkinteger(L, 2);
    luaL_Buffer out;
    if (count <= 0 || len == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if ((size_t)count >= INT_MAX / len)
        return luaL_error(L, "resulting string too large");
    char *at = luaL_buffinitsize(L, &out, len * (size_t)count);
    for (lua_Integer i = 0; i < count; i++, at += len)
        memcpy(at, text, len);
    luaL_pushresultsize(&out, len * (size_t)count);
    return 1;
}

static int string_char(lua_State *L)
{
    int count = lua_gettop(L);
    luaL_Buffer out;
    char *at = luaL_buffinitsize(L, &out, (size_t)count);
    for (int i = 1; i <= count; i++) {
        lua_Integer byte = luaL_checkinteger(L, i);
        luaL_argcheck(L, byte >= 0 && byte <= UCHAR_MAX, i, "invalid value");
        at[i - 1] = (char)byte;
    }
    luaL_pushresultsize(&out, (size_t)count);
    return 1;
}

void lib_string_open(lua_State *L)
{
    static const char *const removed[] = {"pack", "packsize", "unpack", NULL};
    static const luaL_Reg functions[] = {
        {"find", string_find},    {"match", string_match}, {"gmatch", string_gmatch},
        {"gfind", string_gmatch}, {"gsub", string_gsub},   {"format", lib_string_format},
        {"rep", string_rep},      {"char", string_char},   {NULL, NULL}};
    lua_getglobal(L, "string");
    compat_remove(L, removed);
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
}
