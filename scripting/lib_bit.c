/*
 * lib_bit.c - bit.*: operations on 32 bits, as LuaBitOp defines them on doubles.
 *
 * An argument is rounded to the nearest integer and taken modulo 2^32; a result is signed. Doubles
 * beyond 2^51 give what adding 2^52 + 2^51 leaves in their low bits, as there.
 */
#include <lauxlib.h>
#include <string.h>

#include "scripting/libraries.h"

static uint32_t check_bits(lua_State *L, int arg)
{
    int is_integer = lua_isinteger(L, arg);
    if (is_integer)
        return (uint32_t)lua_tointeger(L, arg);
    double n = luaL_checknumber(L, arg) + 6755399441055744.0;
    uint64_t bits;
    memcpy(&bits, &n, sizeof bits);
    return (uint32_t)bits;
}

static int push_bits(lua_State *L, uint32_t bits)
{
    lua_pushinteger(L, (int32_t)bits);
    return 1;
}

static int bit_tobit(lua_State *L)
{
    return push_bits(L, check_bits(L, 1));
}

static int bit_bnot(lua_State *L)
{
    return push_bits(L, ~check_bits(L, 1));
}

static int bit_band(lua_State *L)
{
    uint32_t bits = check_bits(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        bits &= check_bits(L, i);
    return push_bits(L, bits);
}

static int bit_bor(lua_State *L)
{
    uint32_t bits = check_bits(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        bits |= check_bits(L, i);
    return push_bits(L, bits);
}

static int bit_bxor(lua_State *L)
{
    uint32_t bits = check_bits(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        bits ^= check_bits(L, i);
    return push_bits(L, bits);
}

static int bit_lshift(lua_State *L)
{
    uint32_t bits = check_bits(L, 1);
    return push_bits(L, bits << (check_bits(L, 2) & 31));
}

static int bit_rshift(lua_State *L)
{
    uint32_t bits = check_bits(L, 1);
    return push_bits(L, bits >> (check_bits(L, 2) & 31));
}

static int bit_arshift(lua_State *L)
{
    int32_t bits = (int32_t)check_bits(L, 1);
    return push_bits(L, (uint32_t)(bits >> (check_bits(L, 2) & 31)));
}

static uint32_t rotate_left(uint32_t bits, uint32_t count)
{
    return bits << (count & 31) | bits >> (-count & 31);
}

static int bit_rol(lua_State *L)
{
    uint32_t bits = check_bits(L, 1);
    return push_bits(L, rotate_left(bits, check_bits(L, 2)));
}

static int bit_ror(lua_State *L)
{
    uint32_t bits = check_bits(L, 1);
    return push_bits(L, rotate_left(bits, -check_bits(L, 2)));
}

static int bit_bswap(lua_State *L)
{
    return push_bits(L, __builtin_bswap32(check_bits(L, 1)));
}

/* As many of the lowest digits as asked for, upper case if the number of them is negative. */
static int bit_tohex(lua_State *L)
{
    enum { DIGITS = 8 };
    uint32_t bits = check_bits(L, 1);
    int64_t count = lua_isnone(L, 2) ? DIGITS : (int32_t)check_bits(L, 2);
    const char *letters = count < 0 ? "0123456789ABCDEF" : "0123456789abcdef";
    if (count < 0)
        count = -count;
    if (count > DIGITS)
        count = DIGITS;
    char text[DIGITS];
    for (int64_t i = count; i-- > 0; bits >>= 4)
        text[i] = letters[bits & 15];
    lua_pushlstring(L, text, (size_t)count);
    return 1;
}

int lib_bit_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"tobit", bit_tobit},
                                         {"bnot", bit_bnot},
                                         {"band", bit_band},
                                         {"bor", bit_bor},
                                         {"bxor", bit_bxor},
                                         {"lshift", bit_lshift},
                                         {"rshift", bit_rshift},
                                         {"arshift", bit_arshift},
                                         {"rol", bit_rol},
                                         {"ror", bit_ror},
                                         {"bswap", bit_bswap},
                                         {"tohex", bit_tohex},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
