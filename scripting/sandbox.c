/*
 * sandbox.c - views, and the few base functions that must know them.
 */
#include "scripting/sandbox.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "scripting/api.h"
#include "scripting/compat.h"
#include "scripting/coroutine.h"
#include "scripting/libraries.h"
#include "scripting/vm.h"

static const char READ_ONLY[] = "Attempt to modify a readonly table";

/* Key of the real table in a view's metatable: no script has such a value. */
static const char real_key = 0;

/* -- views ------------------------------------------------------------------------------------- */

int sandbox_real(lua_State *L, int index)
{
    if (!lua_istable(L, index) || lua_getmetatable(L, index) == 0)
        return 0;
    lua_rawgetp(L, -1, &real_key);
    lua_remove(L, -2);
    if (lua_istable(L, -1))
        return 1;
    lua_pop(L, 1);
    return 0;
}

/* Without a position: Redis's tables refuse from inside of Lua. */
static int refuse(lua_State *L)
{
    lua_pushstring(L, READ_ONLY);
    return lua_error(L);
}

static int on_assignment(lua_State *L)
{
    return luaL_error(L, READ_ONLY);
}

static int view_next(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (sandbox_real(L, 1) != 0)
        lua_replace(L, 1);
    return lua_next(L, 1) != 0 ? 2 : (lua_pushnil(L), 1);
}

static int view_pairs(lua_State *L)
{
    lua_pushcfunction(L, view_next);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static int view_length(lua_State *L)
{
    lua_Unsigned len = 0;
    if (sandbox_real(L, 1) != 0)
        len = lua_rawlen(L, -1);
    lua_pushinteger(L, (lua_Integer)len);
    return 1;
}

void sandbox_view(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 8);
    lua_pushvalue(L, -3);
    lua_rawsetp(L, -2, &real_key);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, on_assignment);
    lua_setfield(L, -2, "__newindex");
    lua_pushcfunction(L, view_pairs);
    lua_setfield(L, -2, "__pairs");
    lua_pushcfunction(L, view_length);
    lua_setfield(L, -2, "__len");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

/* -- base functions ---------------------------------------------------------------------------- */

static int base_rawset(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    luaL_checkany(L, 3);
    lua_settop(L, 3);
    if (sandbox_real(L, 1) != 0)
        return refuse(L);
    lua_rawset(L, 1);
    return 1;
}

static int base_rawget(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    if (sandbox_real(L, 1) != 0)
        lua_replace(L, 1);
    lua_rawget(L, 1);
    return 1;
}

/* As in Lua 5.1, tables have no finalizers: they would run inside of somebody else's script. */
static void set_without_finalizer(lua_State *L)
{
    lua_pushliteral(L, "__gc");
    if (lua_istable(L, 2) && lua_rawget(L, 2) != LUA_TNIL) {
        lua_pushliteral(L, "__gc");
        lua_pushnil(L);
        lua_rawset(L, 2);
        lua_pushvalue(L, 2);
        lua_setmetatable(L, 1);
        lua_pushliteral(L, "__gc");
        lua_insert(L, -2);
        lua_rawset(L, 2);
        return;
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
}

static int base_setmetatable(lua_State *L)
{
    int type = lua_type(L, 2);
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    lua_settop(L, 2);
    if (sandbox_real(L, 1) != 0)
        return refuse(L);
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    set_without_finalizer(L);
    lua_settop(L, 1);
    return 1;
}

/* What was thrown as a table with err arrives as that text, as it always did in Redis. An end from
 * outside is not caught: it is thrown again at the next instruction. */
static int base_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    lua_pushboolean(L, status == LUA_OK);
    lua_insert(L, 1);
    if (status != LUA_OK && lua_istable(L, -1)) {
        lua_pushliteral(L, "err");
        lua_rawget(L, -2);
        if (lua_type(L, -1) != LUA_TSTRING)
            lua_pop(L, 1);
        else
            lua_replace(L, -2);
    }
    return lua_gettop(L);
}

/* In 5.1 a number is a text like any other, and gets its place in front. */
static int base_error(lua_State *L)
{
    lua_Integer level = luaL_optinteger(L, 2, 1);
    lua_settop(L, 1);
    if (lua_isstring(L, 1) != 0 && level > 0) {
        luaL_where(L, (int)level);
        lua_pushvalue(L, 1);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

/* The end from outside comes out of a hook, where no other hook runs: a handler that never returns
 * would never be stopped, so it is not asked. */
static int on_thrown(lua_State *L)
{
    if (vm_is_ending(vm_of(L)))
        return 1;
    lua_settop(L, 1);
    compat_error_text(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

static int base_xpcall(lua_State *L)
{
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    lua_pushcclosure(L, on_thrown, 1);
    lua_insert(L, 1);
    lua_pushboolean(L, lua_pcall(L, 0, LUA_MULTRET, 1) == LUA_OK);
    lua_replace(L, 1);
    return lua_gettop(L);
}

/* The collector stays as it is: scripts may ask, and make it work. */
static int base_collectgarbage(lua_State *L)
{
    static const char *const options[] = {"collect", "stop",     "restart",    "count",
                                          "step",    "setpause", "setstepmul", NULL};
    switch (luaL_checkoption(L, 1, "collect", options)) {
    case 0:
        lua_pushinteger(L, lua_gc(L, LUA_GCCOLLECT));
        break;
    case 3:
        lua_pushnumber(L, (double)lua_gc(L, LUA_GCCOUNT) + lua_gc(L, LUA_GCCOUNTB) / 1024.0);
        break;
    case 4:
        lua_pushboolean(L, lua_gc(L, LUA_GCSTEP, 0));
        break;
    default:
        lua_pushinteger(L, 0);
    }
    return 1;
}

static const luaL_Reg base_functions[] = {
    {"error", base_error},
    {"rawset", base_rawset},
    {"rawget", base_rawget},
    {"next", view_next},
    {"setmetatable", base_setmetatable},
    {"pcall", base_pcall},
    {"xpcall", base_xpcall},
    {"collectgarbage", base_collectgarbage},
    {NULL, NULL},
};

/* -- globals ----------------------------------------------------------------------------------- */

/* All that a script finds; what a library brings beyond it goes. */
static const char *const allowed[] = {
    "KEYS",     "ARGV",           "_VERSION",     "assert", "bit",    "cjson",
    "cmsgpack", "collectgarbage", "coroutine",    "error",  "gcinfo", "getmetatable",
    "ipairs",   "load",           "loadstring",   "math",   "next",   "os",
    "pairs",    "pcall",          "rawequal",     "rawget", "rawset", "redis",
    "select",   "server",         "setmetatable", "string", "struct", "table",
    "tonumber", "tostring",       "type",         "unpack", "xpcall",
};

static bool is_allowed(const char *name)
{
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (strcmp(allowed[i], name) == 0)
            return true;
    return false;
}

/* Globals on top. */
static void drop_others(lua_State *L)
{
    for (lua_pushnil(L); lua_next(L, -2) != 0;) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TSTRING && is_allowed(lua_tostring(L, -1)))
            continue;
        lua_pushvalue(L, -1);
        lua_pushnil(L);
        lua_rawset(L, -4);
    }
}

/* Each table among the globals on top is replaced by a view of it. */
static void view_libraries(lua_State *L)
{
    for (lua_pushnil(L); lua_next(L, -2) != 0;) {
        if (!lua_istable(L, -1) || sandbox_real(L, -1) != 0) {
            lua_settop(L, lua_gettop(L) - 1);
            continue;
        }
        sandbox_view(L);
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
}

static int on_missing(lua_State *L)
{
    const char *name = luaL_tolstring(L, 2, NULL);
    return luaL_error(L, "Script attempted to access nonexistent global variable '%s'", name);
}

void sandbox_require(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, on_missing);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

/* Real globals on top: reading what is not there is an error, and what scripts have is a view. */
static void seal_globals(lua_State *L)
{
    sandbox_require(L);
    lua_pushvalue(L, -1);
    sandbox_view(L);
    lua_getmetatable(L, -1);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, on_missing);
    lua_setfield(L, -2, "__index");
    sandbox_view(L);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "_G");
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}

/* The metatable that all strings share. */
static void seal_strings(lua_State *L)
{
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_createtable(L, 0, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, LUA_STRLIBNAME);
    sandbox_view(L);
    lua_setfield(L, -3, "__index");
    lua_pop(L, 1);
    sandbox_view(L);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

void sandbox_open(lua_State *L, void (*open)(lua_State *L))
{
    compat_open(L);
    libraries_open(L);
    luaL_requiref(L, LUA_COLIBNAME, coroutine_open, 1);
    lua_pop(L, 1);
    lua_pushglobaltable(L);
    luaL_setfuncs(L, base_functions, 0);
    api_open(L);
    if (open != NULL)
        open(L);
    drop_others(L);
    view_libraries(L);
    seal_globals(L);
    seal_strings(L);
    /* Error texts would tell functions by where they were loaded. */
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
}
