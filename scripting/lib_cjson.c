/*
 * lib_cjson.c - the cjson table and its options, as lua-cjson 2.1.0 has them.
 *
 * The settings are a userdata which all functions of an instance have as upvalue; cjson.new() makes
 * another one. An option called with nothing (or nil) tells what is set.
 */
#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>

#include "scripting/cjson.h"
#include "scripting/libraries.h"
#include "scripting/out.h"

static struct cjson *instance(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

static struct cjson *option(lua_State *L, int most)
{
    luaL_argcheck(L, lua_gettop(L) <= most, most + 1, "found too many arguments");
    lua_settop(L, most);
    return instance(L);
}

static void integer_option(lua_State *L, int arg, int *setting, int low, int high)
{
    if (!lua_isnil(L, arg)) {
        lua_Integer value = luaL_checkinteger(L, arg);
        char text[64];
        snprintf(text, sizeof text, "expected integer between %d and %d", low, high);
        luaL_argcheck(L, low <= value && value <= high, arg, text);
        *setting = (int)value;
    }
    lua_pushinteger(L, *setting);
}

/* Of "off", "on" and those behind; true and false stand for the first two. */
static void choice_option(lua_State *L, int arg, int *setting, const char *const names[])
{
    static const char *const off_on[] = {"off", "on", NULL};
    if (names == NULL)
        names = off_on;
    if (lua_isboolean(L, arg))
        *setting = lua_toboolean(L, arg);
    else if (!lua_isnil(L, arg))
        *setting = luaL_checkoption(L, arg, NULL, names);
    if (*setting <= 1)
        lua_pushboolean(L, *setting);
    else
        lua_pushstring(L, names[*setting]);
}

static int cjson_sparse_array(lua_State *L)
{
    struct cjson *c = option(L, 3);
    choice_option(L, 1, &c->sparse_convert, NULL);
    integer_option(L, 2, &c->sparse_ratio, 0, INT_MAX);
    integer_option(L, 3, &c->sparse_safe, 0, INT_MAX);
    return 3;
}

static int cjson_encode_max_depth(lua_State *L)
{
    struct cjson *c = option(L, 1);
    integer_option(L, 1, &c->encode_depth, 1, INT_MAX);
    return 1;
}

static int cjson_decode_max_depth(lua_State *L)
{
    struct cjson *c = option(L, 1);
    integer_option(L, 1, &c->decode_depth, 1, INT_MAX);
    return 1;
}

static int cjson_number_precision(lua_State *L)
{
    struct cjson *c = option(L, 1);
    integer_option(L, 1, &c->precision, 1, CJSON_PRECISION);
    return 1;
}

static int cjson_keep_buffer(lua_State *L)
{
    struct cjson *c = option(L, 1);
    choice_option(L, 1, &c->keep_buffer, NULL);
    return 1;
}

static int cjson_encode_invalid_numbers(lua_State *L)
{
    static const char *const names[] = {"off", "on", "null", NULL};
    struct cjson *c = option(L, 1);
    choice_option(L, 1, &c->encode_invalid, names);
    return 1;
}

static int cjson_decode_invalid_numbers(lua_State *L)
{
    struct cjson *c = option(L, 1);
    choice_option(L, 1, &c->decode_invalid, NULL);
    return 1;
}

static int encode(lua_State *L)
{
    struct cjson *c = instance(L);
    luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
    out_start(c->buffer, L);
    cjson_encode(c, L);
    out_finish(c->buffer, c->keep_buffer);
    return 1;
}

static int decode(lua_State *L)
{
    luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    /* The first two characters of a JSON text are ASCII (RFC 4627, section 3). */
    if (len >= 2 && (text[0] == '\0' || text[1] == '\0'))
        return luaL_error(L, "JSON parser does not support UTF-16 or UTF-32");
    cjson_decode(instance(L), L, text);
    return 1;
}

int lib_cjson_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"encode", encode},
                                         {"decode", decode},
                                         {"encode_sparse_array", cjson_sparse_array},
                                         {"encode_max_depth", cjson_encode_max_depth},
                                         {"decode_max_depth", cjson_decode_max_depth},
                                         {"encode_number_precision", cjson_number_precision},
                                         {"encode_keep_buffer", cjson_keep_buffer},
                                         {"encode_invalid_numbers", cjson_encode_invalid_numbers},
                                         {"decode_invalid_numbers", cjson_decode_invalid_numbers},
                                         {"new", lib_cjson_open},
                                         {NULL, NULL}};
    luaL_newlibtable(L, functions);
    struct cjson *c = lua_newuserdatauv(L, sizeof *c, 1);
    *c = (struct cjson){.sparse_ratio = 2,
                        .sparse_safe = 10,
                        .encode_depth = CJSON_DEPTH,
                        .decode_depth = CJSON_DEPTH,
                        .precision = CJSON_PRECISION,
                        .keep_buffer = 1,
                        .decode_invalid = 1};
    c->buffer = out_create(L);
    lua_setiuservalue(L, -2, 1);
    luaL_setfuncs(L, functions, 1);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    lua_pushliteral(L, "cjson");
    lua_setfield(L, -2, "_NAME");
    lua_pushliteral(L, "2.1.0");
    lua_setfield(L, -2, "_VERSION");
    return 1;
}
