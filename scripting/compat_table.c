/*
 * compat_table.c - table.*: what 5.1 had, where 5.4 is stricter about positions or says it
 * differently.
 */
#include <lauxlib.h>

#include "scripting/compat_parts.h"

/* 5.1 moved elements as far as it was told; with a position far below the first that takes for
 * ever. */
enum { MOVES_MAX = 1 << 26 };

static lua_Integer length_of(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    return luaL_len(L, 1);
}

static int table_getn(lua_State *L)
{
    lua_pushinteger(L, length_of(L));
    return 1;
}

static int table_setn(lua_State *L)
{
    return luaL_error(L, "'setn' is obsolete");
}

static int table_maxn(lua_State *L)
{
    lua_Number most = 0;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) > most)
            most = lua_tonumber(L, -1);
    }
    lua_pushnumber(L, most);
    return 1;
}

static int table_foreachi(lua_State *L)
{
    lua_Integer n = length_of(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_pushvalue(L, 2);
        lua_pushinteger(L, i);
        lua_geti(L, 1, i);
        lua_call(L, 2, 1);
        if (!lua_isnil(L, -1))
            return 1;
        lua_pop(L, 1);
    }
    return 0;
}

static int table_foreach(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pushvalue(L, 2);
        lua_pushvalue(L, -3);
        lua_pushvalue(L, -3);
        lua_call(L, 2, 1);
        if (!lua_isnil(L, -1))
            return 1;
        lua_pop(L, 2);
    }
    return 0;
}

static int table_insert(lua_State *L)
{
    lua_Integer end = length_of(L) + 1;
    lua_Integer position = end;
    switch (lua_gettop(L)) {
    case 2:
        break;
    case 3:
        position = luaL_checkinteger(L, 2);
        luaL_argcheck(L, position > end - MOVES_MAX, 2, "position out of bounds");
        for (lua_Integer i = end; i > position; i--) {
            lua_geti(L, 1, i - 1);
            lua_seti(L, 1, i);
        }
        break;
    default:
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    lua_seti(L, 1, position);
    return 0;
}

static int table_remove(lua_State *L)
{
    lua_Integer end = length_of(L);
    lua_Integer position = luaL_optinteger(L, 2, end);
    if (position < 1 || position > end)
        return 0;
    lua_geti(L, 1, position);
    for (; position < end; position++) {
        lua_geti(L, 1, position + 1);
        lua_seti(L, 1, position);
    }
    lua_pushnil(L);
    lua_seti(L, 1, end);
    return 1;
}

static void add_field(lua_State *L, luaL_Buffer *b, lua_Integer i)
{
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid value (%s) at index %d in table for 'concat'", luaL_typename(L, -1),
                   (int)i);
    luaL_addvalue(b);
}

static int table_concat(lua_State *L)
{
    size_t len;
    const char *separator = luaL_optlstring(L, 2, "", &len);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer i = luaL_optinteger(L, 3, 1);
    lua_Integer last = lua_isnoneornil(L, 4) ? luaL_len(L, 1) : luaL_checkinteger(L, 4);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (; i < last; i++) {
        add_field(L, &b, i);
        luaL_addlstring(&b, separator, len);
    }
    if (i == last)
        add_field(L, &b, i);
    luaL_pushresult(&b);
    return 1;
}

void compat_table_open(lua_State *L)
{
    static const char *const removed[] = {"move", "pack", "unpack", NULL};
    static const luaL_Reg functions[] = {
        {"concat", table_concat}, {"foreach", table_foreach}, {"foreachi", table_foreachi},
        {"getn", table_getn},     {"insert", table_insert},   {"maxn", table_maxn},
        {"remove", table_remove}, {"setn", table_setn},       {NULL, NULL}};
    lua_getglobal(L, "table");
    compat_remove(L, removed);
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
}
