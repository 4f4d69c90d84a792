/*
 * lib_struct.c - struct.pack, unpack, size: C's numbers in strings (Roberto Ierusalimschy's struct
 * library, as Redis has it).
 *
 *   < > !n     byte order, largest alignment        b h l i[n] T   signed integers of 1 2 8 n 8
 *   x          a zero byte                          B H L I[n]     unsigned ones (T is unsigned)
 *   f d        float, double                        c[n] s         n bytes, text up to a zero
 *
 * c0 is the whole string when packing; when unpacking, as long as the number before it says. All
 * sizes come from the script: each is checked against what is there before it is added.
 */
#include <ctype.h>
#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#include "base/bytes.h"
#include "scripting/compat.h"
#include "scripting/libraries.h"

enum { INTEGER_MAX = 32, ALIGN_MAX = 8 };

struct layout {
    lua_State *L;
    const char *format; /* what is left of it */
    bool is_little;
    size_t align;
};

static void layout_init(struct layout *l, lua_State *L)
{
    *l = (struct layout){L, luaL_checkstring(L, 1), __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, 1};
}

static size_t read_count(struct layout *l, size_t otherwise)
{
    if (!isdigit((unsigned char)*l->format))
        return otherwise;
    size_t n = 0;
    while (isdigit((unsigned char)*l->format)) {
        size_t digit = (size_t)(*l->format++ - '0');
        if (n > (INT_MAX / 10) || n * 10 > INT_MAX - digit)
            luaL_error(l->L, "integral size overflow");
        n = n * 10 + digit;
    }
    return n;
}

static size_t read_size(struct layout *l, char option)
{
    switch (option) {
    case 'b':
    case 'B':
    case 'x':
        return 1;
    case 'h':
    case 'H':
        return sizeof(short);
    case 'l':
    case 'L':
        return sizeof(long);
    case 'T':
        return sizeof(size_t);
    case 'f':
        return sizeof(float);
    case 'd':
        return sizeof(double);
    case 'c':
        return read_count(l, 1);
    case 'i':
    case 'I': {
        size_t n = read_count(l, sizeof(int));
        if (n > INTEGER_MAX)
            luaL_error(l->L, "integral size %d is larger than limit of %d", (int)n, INTEGER_MAX);
        return n;
    }
    default:
        return 0;
    }
}

/* An option that stands for no value. */
static void control(struct layout *l, char option)
{
    size_t align;
    switch (option) {
    case ' ':
        return;
    case '>':
    case '<':
        l->is_little = option == '<';
        return;
    case '!':
        align = read_count(l, ALIGN_MAX);
        if (align == 0 || (align & (align - 1)) != 0)
            luaL_error(l->L, "alignment %d is not a power of 2", (int)align);
        l->align = align;
        return;
    default:
        lua_pushfstring(l->L, "invalid format option '%c'", option);
        luaL_argerror(l->L, 1, lua_tostring(l->L, -1));
    }
}

/* Bytes to skip so that a value of this size stands aligned. */
static size_t padding(const struct layout *l, size_t at, char option, size_t size)
{
    if (size == 0 || option == 'c')
        return 0;
    if (size > l->align)
        size = l->align;
    /* Sizes that are no power of two count by their bits, as in the original. */
    return (size - (at & (size - 1))) & (size - 1);
}

static void swap_unless_native(const struct layout *l, char *bytes, size_t size)
{
    if (l->is_little == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__))
        return;
    for (size_t i = 0; i < size / 2; i++) {
        char kept = bytes[i];
        bytes[i] = bytes[size - 1 - i];
        bytes[size - 1 - i] = kept;
    }
}

/* -- packing ----------------------------------------------------------------------------------- */

static uint64_t check_value(lua_State *L, int arg)
{
    lua_Number n = luaL_checknumber(L, arg);
    if (!lua_isinteger(L, arg) && n >= 0x1p63 && n < 0x1p64)
        return (uint64_t)n;
    return (uint64_t)luaL_checkinteger(L, arg);
}

static void add_integer(struct layout *l, luaL_Buffer *out, int arg, size_t size)
{
    char bytes[INTEGER_MAX] = {0};
    uint64_t value = check_value(l->L, arg);
    for (size_t i = 0; i < size && i < sizeof value; i++)
        bytes[l->is_little ? i : size - 1 - i] = (char)(value >> (8 * i));
    luaL_addlstring(out, bytes, size);
}

static void add_floating(struct layout *l, luaL_Buffer *out, int arg, size_t size)
{
    char bytes[sizeof(double)];
    double d = luaL_checknumber(l->L, arg);
    float f = (float)d;
    memcpy(bytes, size == sizeof f ? (void *)&f : (void *)&d, size);
    swap_unless_native(l, bytes, size);
    luaL_addlstring(out, bytes, size);
}

/* How many bytes it took. */
static size_t add_string(struct layout *l, luaL_Buffer *out, int arg, char option, size_t size)
{
    size_t len;
    const char *text = luaL_checklstring(l->L, arg, &len);
    if (size == 0)
        size = len;
    luaL_argcheck(l->L, len >= size, arg + 1, "string too short"); /* the number that Redis tells */
    luaL_addlstring(out, text, size);
    if (option == 's')
        luaL_addchar(out, '\0');
    return size + (option == 's');
}

static int struct_pack(lua_State *L)
{
    struct layout l;
    layout_init(&l, L);
    int arg = 2;
    size_t total = 0;
    luaL_Buffer out;
    lua_pushnil(L); /* between the arguments and what the buffer keeps on the stack */
    luaL_buffinit(L, &out);
    while (*l.format != '\0') {
        char option = *l.format++;
        size_t size = read_size(&l, option);
        size_t skip = padding(&l, total, option, size);
        total += skip;
        while (skip-- > 0)
            luaL_addchar(&out, '\0');
        if (strchr("bBhHlLTiI", option) != NULL)
            add_integer(&l, &out, arg++, size);
        else if (option == 'x')
            luaL_addchar(&out, '\0');
        else if (option == 'f' || option == 'd')
            add_floating(&l, &out, arg++, size);
        else if (option == 'c' || option == 's')
            size = add_string(&l, &out, arg++, option, size);
        else
            control(&l, option);
        total += size;
    }
    luaL_pushresult(&out);
    return 1;
}

/* -- unpacking --------------------------------------------------------------------------------- */

/* Of more than eight bytes the lowest count. */
static void push_integer(struct layout *l, const char *bytes, size_t size, bool is_signed)
{
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | (unsigned char)bytes[l->is_little ? i : size - 1 - i];
    if (is_signed && size > 0 && size < sizeof value && (value >> (8 * size - 1)) != 0)
        value |= ~(uint64_t)0 << (8 * size - 1);
    if (is_signed || value <= INT64_MAX)
        lua_pushinteger(l->L, (lua_Integer)value);
    else
        lua_pushnumber(l->L, (lua_Number)value);
}

static void push_floating(struct layout *l, const char *from, size_t size)
{
    char bytes[sizeof(double)];
    float f = 0;
    double d = 0;
    memcpy(bytes, from, size);
    swap_unless_native(l, bytes, size);
    if (size == sizeof f) {
        memcpy(&f, bytes, size);
        d = f;
    } else {
        memcpy(&d, bytes, size);
    }
    lua_pushnumber(l->L, d);
}

static void check_room(lua_State *L, struct bytes data, size_t at, size_t size)
{
    luaL_argcheck(L, at <= data.len && size <= data.len - at, 2, "data string too short");
}

/* c0: the number on top of the stack is the size, and goes. */
static size_t take_size(lua_State *L, int pushed, struct bytes data)
{
    if (pushed == 0 || !lua_isnumber(L, -1))
        luaL_error(L, "format 'c0' needs a previous size");
    lua_Number n = lua_tonumber(L, -1);
    lua_pop(L, 1);
    luaL_argcheck(L, n >= 0 && n <= (lua_Number)data.len, 2, "data string too short");
    return (size_t)n;
}

/* Push the value of this option, if it has one; *size is what it took, *pushed how many there are.
 */
static void push_value(struct layout *l, struct bytes data, size_t at, char option, size_t *size,
                       int *pushed)
{
    const char *from = data.ptr + at;
    const char *zero;
    switch (option) {
    case 'b':
    case 'B':
    case 'h':
    case 'H':
    case 'l':
    case 'L':
    case 'T':
    case 'i':
    case 'I':
        push_integer(l, from, *size, islower((unsigned char)option));
        break;
    case 'x':
        return;
    case 'f':
    case 'd':
        push_floating(l, from, *size);
        break;
    case 'c':
        if (*size == 0) {
            *size = take_size(l->L, *pushed, data);
            (*pushed)--;
        }
        check_room(l->L, data, at, *size);
        lua_pushlstring(l->L, from, *size);
        break;
    case 's':
        zero = memchr(from, '\0', data.len - at);
        if (zero == NULL)
            luaL_error(l->L, "unfinished string in data");
        *size = (size_t)(zero - from) + 1;
        lua_pushlstring(l->L, from, *size - 1);
        break;
    default:
        control(l, option);
        return;
    }
    (*pushed)++;
}

static int struct_unpack(lua_State *L)
{
    struct layout l;
    layout_init(&l, L);
    struct bytes data;
    data.ptr = luaL_checklstring(L, 2, &data.len);
    lua_Integer first = luaL_optinteger(L, 3, 1);
    luaL_argcheck(L, first != 0, 3, "offset must be 1 or greater");
    size_t at = (size_t)first - 1;
    int pushed = 0;
    while (*l.format != '\0') {
        char option = *l.format++;
        size_t size = read_size(&l, option);
        check_room(L, data, at, 0);
        at += padding(&l, at, option, size);
        check_room(L, data, at, size);
        luaL_checkstack(L, 2, "too many results");
        push_value(&l, data, at, option, &size, &pushed);
        at += size;
    }
    lua_pushinteger(L, (lua_Integer)at + 1);
    return pushed + 1;
}

static int struct_size(lua_State *L)
{
    struct layout l;
    layout_init(&l, L);
    size_t total = 0;
    while (*l.format != '\0') {
        char option = *l.format++;
        size_t size = read_size(&l, option);
        luaL_argcheck(L, option != 's', 1, "option 's' has no fixed size");
        luaL_argcheck(L, option != 'c' || size > 0, 1, "option 'c0' has no fixed size");
        total += padding(&l, total, option, size);
        if (!isalnum((unsigned char)option))
            control(&l, option);
        total += size;
    }
    lua_pushinteger(L, (lua_Integer)total);
    return 1;
}

int lib_struct_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"pack", struct_pack}, {"unpack", struct_unpack}, {"size", struct_size}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
