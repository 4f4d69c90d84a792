/*
 * compat_math.c - math.*: what 5.4 dropped, and 5.1's random numbers.
 *
 * math.random() in Redis is POSIX's lrand48(): a script that calls math.randomseed() gets the same
 * numbers here as there. The state belongs to the Lua state and starts from the system's.
 */
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>

#include "base/random.h"
#include "scripting/compat_parts.h"

static int math_atan2(lua_State *L)
{
    lua_pushnumber(L, atan2(luaL_checknumber(L, 1), luaL_checknumber(L, 2)));
    return 1;
}

static int math_cosh(lua_State *L)
{
    lua_pushnumber(L, cosh(luaL_checknumber(L, 1)));
    return 1;
}

static int math_sinh(lua_State *L)
{
    lua_pushnumber(L, sinh(luaL_checknumber(L, 1)));
    return 1;
}

static int math_tanh(lua_State *L)
{
    lua_pushnumber(L, tanh(luaL_checknumber(L, 1)));
    return 1;
}

static int math_pow(lua_State *L)
{
    lua_pushnumber(L, pow(luaL_checknumber(L, 1), luaL_checknumber(L, 2)));
    return 1;
}

/* NaN for a divisor of 0, where 5.4 has an error for integers. */
static int math_fmod(lua_State *L)
{
    lua_pushnumber(L, fmod(luaL_checknumber(L, 1), luaL_checknumber(L, 2)));
    return 1;
}

/* 5.1 knows no base. */
static int math_log(lua_State *L)
{
    lua_pushnumber(L, log(luaL_checknumber(L, 1)));
    return 1;
}

static int math_log10(lua_State *L)
{
    lua_pushnumber(L, log10(luaL_checknumber(L, 1)));
    return 1;
}

static int math_frexp(lua_State *L)
{
    int exponent;
    lua_pushnumber(L, frexp(luaL_checknumber(L, 1), &exponent));
    lua_pushinteger(L, exponent);
    return 2;
}

static int math_ldexp(lua_State *L)
{
    lua_pushnumber(L, ldexp(luaL_checknumber(L, 1), (int)luaL_checkinteger(L, 2)));
    return 1;
}

static void seed(struct drand48_data *state, long value)
{
    srand48_r(value, state);
}

static int math_randomseed(lua_State *L)
{
    seed(lua_touserdata(L, lua_upvalueindex(1)), (int)luaL_checkinteger(L, 1));
    return 0;
}

/* In [0, 1). */
static double draw(lua_State *L)
{
    long n;
    lrand48_r(lua_touserdata(L, lua_upvalueindex(1)), &n);
    return (double)(n % INT32_MAX) / INT32_MAX;
}

static int math_random(lua_State *L)
{
    double r = draw(L);
    lua_Integer low = 1, high;
    switch (lua_gettop(L)) {
    case 0:
        lua_pushnumber(L, r);
        return 1;
    case 1:
        high = luaL_checkinteger(L, 1);
        luaL_argcheck(L, 1 <= high, 1, "interval is empty");
        break;
    case 2:
        low = luaL_checkinteger(L, 1);
        high = luaL_checkinteger(L, 2);
        luaL_argcheck(L, low <= high, 2, "interval is empty");
        break;
    default:
        return luaL_error(L, "wrong number of arguments");
    }
    lua_pushnumber(L, floor(r * ((double)high - (double)low + 1)) + (double)low);
    return 1;
}

void compat_math_open(lua_State *L)
{
    static const char *const removed[] = {"maxinteger", "mininteger", "tointeger",
                                          "type",       "ult",        NULL};
    static const luaL_Reg functions[] = {
        {"atan2", math_atan2}, {"cosh", math_cosh},   {"sinh", math_sinh},   {"tanh", math_tanh},
        {"pow", math_pow},     {"fmod", math_fmod},   {"mod", math_fmod},    {"log", math_log},
        {"log10", math_log10}, {"frexp", math_frexp}, {"ldexp", math_ldexp}, {NULL, NULL}};
    static const luaL_Reg random_functions[] = {
        {"random", math_random}, {"randomseed", math_randomseed}, {NULL, NULL}};
    lua_getglobal(L, "math");
    compat_remove(L, removed);
    luaL_setfuncs(L, functions, 0);
    seed(lua_newuserdatauv(L, sizeof(struct drand48_data), 0), (long)random_u64());
    luaL_setfuncs(L, random_functions, 1);
    lua_pop(L, 1);
}
