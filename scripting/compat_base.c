/*
 * compat_base.c - the functions without a table, as 5.1 has them.
 */
#include <ctype.h>
#include <lauxlib.h>
#include <stdlib.h>

#include "scripting/compat.h"
#include "scripting/compat_parts.h"

/* With the position, unlike 5.4's. */
static int base_assert(lua_State *L)
{
    luaL_checkany(L, 1);
    if (!lua_toboolean(L, 1))
        return luaL_error(L, "%s", luaL_optstring(L, 2, "assertion failed!"));
    return lua_gettop(L);
}

static int load_result(lua_State *L, int status)
{
    if (status == LUA_OK)
        return 1;
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

static int base_loadstring(lua_State *L)
{
    size_t len;
    const char *source = luaL_checklstring(L, 1, &len);
    const char *name = luaL_optstring(L, 2, source);
    return load_result(L, compat_load(L, bytes_of(source, len), name));
}

/* The pieces that a function returns, up to nil or an empty one. */
static int base_load(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    const char *name = luaL_optstring(L, 2, "=(load)");
    lua_settop(L, 2);
    luaL_Buffer pieces;
    luaL_buffinit(L, &pieces);
    for (;;) {
        lua_pushvalue(L, 1);
        lua_call(L, 0, 1);
        size_t len = 0;
        if (!lua_isnil(L, -1) && lua_tolstring(L, -1, &len) == NULL)
            return luaL_error(L, "reader function must return a string");
        if (len == 0)
            break;
        luaL_addvalue(&pieces);
    }
    lua_pop(L, 1);
    luaL_pushresult(&pieces);
    size_t len;
    const char *source = lua_tolstring(L, -1, &len);
    return load_result(L, compat_load(L, bytes_of(source, len), name));
}

static int base_tonumber(lua_State *L)
{
    int base = (int)luaL_optinteger(L, 2, 10);
    if (base == 10) {
        luaL_checkany(L, 1);
        if (lua_type(L, 1) == LUA_TNUMBER) {
            lua_settop(L, 1);
            return 1;
        }
        const char *text = lua_tostring(L, 1);
        if (text != NULL && lua_stringtonumber(L, text) == lua_rawlen(L, 1) + 1)
            return 1;
        lua_pushnil(L);
        return 1;
    }
    const char *text = luaL_checkstring(L, 1);
    luaL_argcheck(L, 2 <= base && base <= 36, 2, "base out of range");
    char *end;
    unsigned long n = strtoul(text, &end, base);
    if (end != text)
        while (isspace((unsigned char)*end))
            end++;
    if (end == text || *end != '\0')
        lua_pushnil(L);
    else if (n <= INT64_MAX)
        lua_pushinteger(L, (lua_Integer)n);
    else
        lua_pushnumber(L, (lua_Number)n);
    return 1;
}

static int ipairs_next(lua_State *L)
{
    lua_Integer i = lua_tointeger(L, 2) + 1;
    lua_pushinteger(L, i);
    return lua_geti(L, 1, i) == LUA_TNIL ? 0 : 2;
}

static int base_ipairs(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushcfunction(L, ipairs_next);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}

/* __pairs is 5.4's; the sandbox shows its tables by it. */
static int base_pairs(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 3);
        return 3;
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_pushnil(L);
    return 3;
}

static int base_gcinfo(lua_State *L)
{
    lua_pushinteger(L, lua_gc(L, LUA_GCCOUNT));
    return 1;
}

void compat_base_open(lua_State *L)
{
    static const char *const removed[] = {"dofile", "loadfile", "print", "rawlen", "warn", NULL};
    static const luaL_Reg functions[] = {{"assert", base_assert},
                                         {"load", base_load},
                                         {"loadstring", base_loadstring},
                                         {"gcinfo", base_gcinfo},
                                         {"ipairs", base_ipairs},
                                         {"tonumber", base_tonumber},
                                         {NULL, NULL}};
    lua_pushglobaltable(L);
    compat_remove(L, removed);
    luaL_setfuncs(L, functions, 0);
    lua_getfield(L, -1, "next");
    lua_pushcclosure(L, base_pairs, 1);
    lua_setfield(L, -2, "pairs");
    lua_pushliteral(L, "Lua 5.1");
    lua_setfield(L, -2, "_VERSION");
    lua_getfield(L, -1, "table");
    lua_getfield(L, -1, "unpack");
    lua_setfield(L, -3, "unpack");
    lua_pop(L, 1);
    lua_pop(L, 1);
}
