/*
 * lib_cmsgpack.c - cmsgpack.pack, unpack, unpack_one, unpack_limit: MessagePack, with the choices
 * of Redis's library.
 *
 * An integral number is written as the shortest integer, another one as a float if that loses
 * nothing; a table whose keys are 1..n is an array; what cannot be written, or is nested deeper
 * than 16, is nil. Reading trusts no count: room is made for as many elements as there can be in
 * the bytes that are left.
 */
#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#include "scripting/libraries.h"
#include "scripting/out.h"

enum { PACK_DEPTH = 16, UNPACK_DEPTH = 4000 };

/* -- packing ----------------------------------------------------------------------------------- */

/* A first byte and size bytes of value, highest first. */
static void add_tagged(struct out *o, unsigned tag, uint64_t value, int size)
{
    out_reserve(o, 9);
    o->data[o->len++] = (char)tag;
    while (size-- > 0)
        o->data[o->len++] = (char)(value >> (8 * size));
}

static void add_integer(struct out *o, int64_t n)
{
    uint64_t bits = (uint64_t)n;
    if (n >= -32 && n <= 127)
        add_tagged(o, (unsigned char)n, 0, 0);
    else if (n >= 0 && n <= UINT8_MAX)
        add_tagged(o, 0xcc, bits, 1);
    else if (n >= 0 && n <= UINT16_MAX)
        add_tagged(o, 0xcd, bits, 2);
    else if (n >= 0 && n <= UINT32_MAX)
        add_tagged(o, 0xce, bits, 4);
    else if (n >= 0)
        add_tagged(o, 0xcf, bits, 8);
    else if (n >= INT8_MIN)
        add_tagged(o, 0xd0, bits, 1);
    else if (n >= INT16_MIN)
        add_tagged(o, 0xd1, bits, 2);
    else if (n >= INT32_MIN)
        add_tagged(o, 0xd2, bits, 4);
    else
        add_tagged(o, 0xd3, bits, 8);
}

static void add_number(struct out *o, int index)
{
    if (lua_isinteger(o->L, index)) {
        add_integer(o, lua_tointeger(o->L, index));
        return;
    }
    double d = lua_tonumber(o->L, index);
    if (d >= -0x1p63 && d < 0x1p63 && d == (double)(int64_t)d) {
        add_integer(o, (int64_t)d);
        return;
    }
    float f = (float)d;
    uint32_t half;
    uint64_t whole;
    memcpy(&half, &f, sizeof half);
    memcpy(&whole, &d, sizeof whole);
    if (d == (double)f)
        add_tagged(o, 0xca, half, 4);
    else
        add_tagged(o, 0xcb, whole, 8);
}

static void add_string(struct out *o, int index)
{
    size_t len;
    const char *ptr = lua_tolstring(o->L, index, &len);
    if (len < 32)
        add_tagged(o, 0xa0 | (unsigned)len, 0, 0);
    else if (len <= UINT8_MAX)
        add_tagged(o, 0xd9, len, 1);
    else if (len <= UINT16_MAX)
        add_tagged(o, 0xda, len, 2);
    else if (len <= UINT32_MAX)
        add_tagged(o, 0xdb, len, 4);
    else
        luaL_error(o->L, "string too long for MessagePack");
    out_add(o, ptr, len);
}

/* short_tag holds up to 15; tag and tag + 1 have counts of two and four bytes. A table cannot have
 * 2^32 elements within the memory of a script. */
static void add_count(struct out *o, unsigned short_tag, unsigned tag, size_t count)
{
    if (count <= 15)
        add_tagged(o, short_tag | (unsigned)count, 0, 0);
    else if (count <= UINT16_MAX)
        add_tagged(o, tag, count, 2);
    else
        add_tagged(o, tag + 1, count, 4);
}

/* The entries of the table on top; *is_array: their keys are 1..n. */
static size_t count_entries(lua_State *L, bool *is_array)
{
    size_t count = 0;
    lua_Number most = 0;
    *is_array = true;
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pop(L, 1);
        count++;
        /* Lua keeps an integral float key as an integer. */
        if (!*is_array)
            continue;
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) <= 0)
            *is_array = false;
        else if ((lua_Number)lua_tointeger(L, -1) > most)
            most = (lua_Number)lua_tointeger(L, -1);
    }
    if (most != (lua_Number)count)
        *is_array = false;
    return count;
}

static void add_value(struct out *o, int depth);

static void add_table(struct out *o, int depth)
{
    lua_State *L = o->L;
    bool is_array;
    luaL_checkstack(L, 4, "MessagePack");
    size_t count = count_entries(L, &is_array);
    if (is_array) {
        add_count(o, 0x90, 0xdc, count);
        for (size_t i = 1; i <= count; i++) {
            lua_rawgeti(L, -1, (lua_Integer)i);
            add_value(o, depth + 1);
        }
        return;
    }
    add_count(o, 0x80, 0xde, count);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pushvalue(L, -2);
        add_value(o, depth + 1);
        add_value(o, depth + 1);
    }
}

/* The value on top of the stack, which goes. */
static void add_value(struct out *o, int depth)
{
    int type = lua_type(o->L, -1);
    if (type == LUA_TTABLE && depth == PACK_DEPTH)
        type = LUA_TNIL;
    switch (type) {
    case LUA_TSTRING:
        add_string(o, -1);
        break;
    case LUA_TBOOLEAN:
        add_tagged(o, lua_toboolean(o->L, -1) ? 0xc3 : 0xc2, 0, 0);
        break;
    case LUA_TNUMBER:
        add_number(o, -1);
        break;
    case LUA_TTABLE:
        add_table(o, depth);
        break;
    default:
        add_tagged(o, 0xc0, 0, 0);
    }
    lua_pop(o->L, 1);
}

static int cmsgpack_pack(lua_State *L)
{
    int count = lua_gettop(L);
    if (count == 0)
        return luaL_argerror(L, 0, "MessagePack pack needs input.");
    struct out *o = lua_touserdata(L, lua_upvalueindex(1));
    out_start(o, L);
    luaL_checkstack(L, 1, "in function mp_check");
    for (int i = 1; i <= count; i++) {
        lua_pushvalue(L, i);
        add_value(o, 0);
    }
    out_finish(o, false);
    return 1;
}

/* -- unpacking --------------------------------------------------------------------------------- */

struct reader {
    lua_State *L;
    const unsigned char *at, *end;
    int depth;
};

static void check_left(struct reader *r, uint64_t need)
{
    if ((uint64_t)(r->end - r->at) < need)
        luaL_error(r->L, "Missing bytes in input.");
}

static uint64_t read_bits(struct reader *r, int size)
{
    check_left(r, (uint64_t)size);
    uint64_t value = 0;
    while (size-- > 0)
        value = value << 8 | *r->at++;
    return value;
}

static void push_string(struct reader *r, uint64_t len)
{
    check_left(r, len);
    lua_pushlstring(r->L, (const char *)r->at, len);
    r->at += len;
}

static void push_unsigned(struct reader *r, int size)
{
    /* Beyond 2^63 it turns negative, as in Redis. */
    lua_pushinteger(r->L, (lua_Integer)read_bits(r, size));
}

static void push_signed(struct reader *r, int size)
{
    int unused = 64 - 8 * size;
    lua_pushinteger(r->L, (int64_t)(read_bits(r, size) << unused) >> unused);
}

static void push_float(struct reader *r)
{
    uint32_t bits = (uint32_t)read_bits(r, 4);
    float f;
    memcpy(&f, &bits, sizeof f);
    lua_pushnumber(r->L, f);
}

static void push_double(struct reader *r)
{
    uint64_t bits = read_bits(r, 8);
    double d;
    memcpy(&d, &bits, sizeof d);
    lua_pushnumber(r->L, d);
}

static void push_value(struct reader *r);

/* Into an array or a map; text says which, for the error. */
static void descend(struct reader *r, const char *text)
{
    if (--r->depth < 0)
        luaL_error(r->L, "stack overflow (%s)", text);
    luaL_checkstack(r->L, 4, text);
}

/* Each element takes a byte at least. */
static int room_for(const struct reader *r, uint64_t count)
{
    uint64_t left = (uint64_t)(r->end - r->at);
    if (count > left)
        count = left;
    return count > INT_MAX ? INT_MAX : (int)count;
}

static void push_array(struct reader *r, uint64_t count)
{
    descend(r, "in function mp_decode_to_lua_array");
    lua_createtable(r->L, room_for(r, count), 0);
    for (uint64_t i = 1; i <= count; i++) {
        push_value(r);
        lua_rawseti(r->L, -2, (lua_Integer)i);
    }
    r->depth++;
}

static void push_map(struct reader *r, uint64_t count)
{
    descend(r, "in function mp_decode_to_lua_hash");
    lua_createtable(r->L, 0, room_for(r, count) / 2);
    for (uint64_t i = 0; i < count; i++) {
        push_value(r);
        push_value(r);
        lua_settable(r->L, -3); /* says what is wrong with a key that is nil or NaN */
    }
    r->depth++;
}

static void push_tagged(struct reader *r, unsigned tag)
{
    switch (tag) {
    case 0xc0:
        lua_pushnil(r->L);
        break;
    case 0xc2:
    case 0xc3:
        lua_pushboolean(r->L, tag == 0xc3);
        break;
    case 0xca:
        push_float(r);
        break;
    case 0xcb:
        push_double(r);
        break;
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        push_unsigned(r, 1 << (tag - 0xcc));
        break;
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        push_signed(r, 1 << (tag - 0xd0));
        break;
    case 0xd9:
    case 0xda:
    case 0xdb:
        push_string(r, read_bits(r, 1 << (tag - 0xd9)));
        break;
    case 0xdc:
    case 0xdd:
        push_array(r, read_bits(r, 2 << (tag - 0xdc)));
        break;
    case 0xde:
    case 0xdf:
        push_map(r, read_bits(r, 2 << (tag - 0xde)));
        break;
    default:
        luaL_error(r->L, "Bad data format in input.");
    }
}

static void push_value(struct reader *r)
{
    check_left(r, 1);
    unsigned tag = *r->at++;
    if (tag <= 0x7f || tag >= 0xe0)
        lua_pushinteger(r->L, (int8_t)tag);
    else if (tag <= 0x8f)
        push_map(r, tag & 0x0f);
    else if (tag <= 0x9f)
        push_array(r, tag & 0x0f);
    else if (tag <= 0xbf)
        push_string(r, tag & 0x1f);
    else
        push_tagged(r, tag);
}

/* Push up to limit values from offset on. The first result is the offset behind them, -1 at the
 * end; but limit 0 and offset 0 are all values and nothing else. */
static int unpack_from(lua_State *L, lua_Integer limit, lua_Integer offset)
{
    size_t len;
    bool all = limit == 0 && offset == 0;
    const char *data = luaL_checklstring(L, 1, &len);
    if (offset < 0 || limit < 0)
        return luaL_error(L, "Invalid request to unpack with offset of %d and limit of %d.",
                          (int)offset, (int)len);
    if ((size_t)offset > len)
        return luaL_error(L, "Start offset %d greater than input length %d.", (int)offset,
                          (int)len);
    lua_settop(L, 1);
    lua_pushnil(L); /* place of the offset */
    struct reader r = {L, (const unsigned char *)data + offset, (const unsigned char *)data + len,
                       UNPACK_DEPTH};
    int count = 0;
    while (r.at < r.end && (all || count < limit)) {
        luaL_checkstack(L, 2, "in function mp_unpack_full");
        push_value(&r);
        count++;
    }
    if (all)
        return count;
    lua_pushinteger(L, r.at == r.end ? -1 : (const char *)r.at - data);
    lua_replace(L, 2);
    return count + 1;
}

static int cmsgpack_unpack(lua_State *L)
{
    return unpack_from(L, 0, 0);
}

static int cmsgpack_unpack_one(lua_State *L)
{
    return unpack_from(L, 1, luaL_optinteger(L, 2, 0));
}

static int cmsgpack_unpack_limit(lua_State *L)
{
    lua_Integer limit = luaL_checkinteger(L, 2), offset = luaL_optinteger(L, 3, 0);
    return unpack_from(L, limit, offset);
}

int lib_cmsgpack_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"pack", cmsgpack_pack},
                                         {"unpack", cmsgpack_unpack},
                                         {"unpack_one", cmsgpack_unpack_one},
                                         {"unpack_limit", cmsgpack_unpack_limit},
                                         {NULL, NULL}};
    static const char *const fields[][2] = {
        {"_NAME", "cmsgpack"},
        {"_VERSION", "lua-cmsgpack 0.4.0"},
        {"_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo"},
        {"_DESCRIPTION", "MessagePack C implementation for Lua"}};
    luaL_newlibtable(L, functions);
    out_create(L);
    luaL_setfuncs(L, functions, 1);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        lua_pushstring(L, fields[i][1]);
        lua_setfield(L, -2, fields[i][0]);
    }
    return 1;
}
