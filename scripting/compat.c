/*
 * compat.c - the linker's replacements, error texts, and the assembly of 5.1's globals.
 *
 * Debian's liblua5.4.a is linked with --wrap for the functions below, so that calls between its
 * objects (the machine's `..`, tostring, tonumber, every library's arguments) come here first:
 *
 *   luaO_tostring      a number in a string's place: 10/2 is "5" and not "5.0"
 *   luaO_str2num       text as a number: "inf" and "nan" count, as strtod() has them
 *   luaL_tolstring     tostring(): numbers the same way
 *   luaL_checkinteger, luaL_optinteger   an argument 3.7 is 3 and no error
 *   luaU_undump        there is no bytecode
 *   luaD_throw         the words of an error, before anybody has seen it
 *
 * The first two see a TValue, which is no public type: eight bytes of value and a tag byte.
 * check_layout() proves at start that this and the linking are as we think.
 */
#include "scripting/compat.h"

#include <ctype.h>
#include <lauxlib.h>
#include <lualib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "scripting/compat_parts.h"

enum { TAG_INTEGER = 3, TAG_FLOAT = 19, TAG_SHORT_STRING = 4 | 64 };

struct tvalue {
    union {
        lua_Integer integer;
        lua_Number number;
        void *object;
    } value;
    unsigned char tag;
};

/* Floats of up to 15 digits look like integers. */
static const double plain_limit = 1e15;

void __real_luaO_tostring(lua_State *L, struct tvalue *o);
size_t __real_luaO_str2num(const char *text, struct tvalue *o);
const char *__real_luaL_tolstring(lua_State *L, int index, size_t *len);
lua_Integer __real_luaL_checkinteger(lua_State *L, int arg);
_Noreturn void __real_luaD_throw(lua_State *L, int status);
void *luaS_newlstr(lua_State *L, const char *text, size_t len);

/* Nobody but the linker knows that these are called. */
#ifdef __clang__
#define REPLACES_LUA __attribute__((used, visibility("default")))
#else
#define REPLACES_LUA __attribute__((used, externally_visible, visibility("default")))
#endif

void __wrap_luaO_tostring(lua_State *L, struct tvalue *o);
size_t __wrap_luaO_str2num(const char *text, struct tvalue *o);
const char *__wrap_luaL_tolstring(lua_State *L, int index, size_t *len);
lua_Integer __wrap_luaL_checkinteger(lua_State *L, int arg);
lua_Integer __wrap_luaL_optinteger(lua_State *L, int arg, lua_Integer otherwise);
_Noreturn void __wrap_luaD_throw(lua_State *L, int status);
void *__wrap_luaU_undump(lua_State *L, void *stream, const char *name);

/* -- numbers ----------------------------------------------------------------------------------- */

REPLACES_LUA void __wrap_luaO_tostring(lua_State *L, struct tvalue *o)
{
    if (o->tag == TAG_FLOAT) {
        lua_Number n = o->value.number;
        if (n == 0 && signbit(n)) {
            o->value.object = luaS_newlstr(L, "-0", 2);
            o->tag = TAG_SHORT_STRING;
            return;
        }
        if (n > -plain_limit && n < plain_limit && n == (lua_Number)(lua_Integer)n) {
            o->value.integer = (lua_Integer)n;
            o->tag = TAG_INTEGER;
        }
    }
    __real_luaO_tostring(L, o);
}

/* Redis's scores may be "inf": a script that reads one with tonumber() gets a number. */
REPLACES_LUA size_t __wrap_luaO_str2num(const char *text, struct tvalue *o)
{
    size_t used = __real_luaO_str2num(text, o);
    if (used != 0)
        return used;
    const char *at = text;
    while (isspace((unsigned char)*at))
        at++;
    at += *at == '-' || *at == '+';
    if (*at == '\0' || strchr("iInN", *at) == NULL)
        return 0;
    char *end;
    lua_Number n = strtod(text, &end);
    if (end == text)
        return 0;
    while (isspace((unsigned char)*end))
        end++;
    if (*end != '\0')
        return 0;
    o->value.number = n;
    o->tag = TAG_FLOAT;
    return (size_t)(end - text) + 1;
}

REPLACES_LUA const char *__wrap_luaL_tolstring(lua_State *L, int index, size_t *len)
{
    if (lua_type(L, index) != LUA_TNUMBER)
        return __real_luaL_tolstring(L, index, len);
    lua_pushvalue(L, index);
    return lua_tolstring(L, -1, len);
}

lua_Integer compat_truncate(lua_Number n)
{
    return n >= -0x1p63 && n < 0x1p63 ? (lua_Integer)n : INT64_MIN;
}

REPLACES_LUA lua_Integer __wrap_luaL_checkinteger(lua_State *L, int arg)
{
    int is_number;
    lua_Integer i = lua_tointegerx(L, arg, &is_number);
    if (is_number)
        return i;
    lua_Number n = lua_tonumberx(L, arg, &is_number);
    if (is_number)
        return compat_truncate(n);
    return __real_luaL_checkinteger(L, arg);
}

REPLACES_LUA lua_Integer __wrap_luaL_optinteger(lua_State *L, int arg, lua_Integer otherwise)
{
    return lua_isnoneornil(L, arg) ? otherwise : __wrap_luaL_checkinteger(L, arg);
}

/* -- error texts ------------------------------------------------------------------------------- */

/* 5.4 says "attempt to index a nil value (field 'x')", and 5.1 "attempt to index field 'x' (a nil
 * value)", without a word where the value was a constant. */
static bool put_name_first(lua_State *L, struct bytes text)
{
    static const char article[] = " a ", value[] = " value (";
    const char *start = memmem(text.ptr, text.len, "attempt to ", 11);
    if (start == NULL || text.len < 2 || text.ptr[text.len - 1] != ')')
        return false;
    struct bytes rest = bytes_of(start, text.len - (size_t)(start - text.ptr));
    const char *type = memmem(rest.ptr, rest.len, article, sizeof article - 1);
    const char *name = memmem(rest.ptr, rest.len, value, sizeof value - 1);
    if (type == NULL || name == NULL || name < type)
        return false;
    struct bytes head = bytes_of(text.ptr, (size_t)(type - text.ptr));
    struct bytes kind = bytes_of(type + 3, (size_t)(name - type) - 3);
    name += sizeof value - 1;
    struct bytes who = bytes_of(name, (size_t)(text.ptr + text.len - 1 - name));
    bool is_constant = who.len > 9 && memcmp(who.ptr, "constant ", 9) == 0;
    lua_pushlstring(L, head.ptr, head.len);
    lua_pushlstring(L, kind.ptr, kind.len);
    if (is_constant) {
        lua_pushfstring(L, "%s a %s value", lua_tostring(L, -2), lua_tostring(L, -1));
    } else {
        lua_pushlstring(L, who.ptr, who.len);
        lua_pushfstring(L, "%s %s (a %s value)", lua_tostring(L, -3), lua_tostring(L, -1),
                        lua_tostring(L, -2));
        lua_remove(L, -2);
    }
    lua_replace(L, -4);
    lua_pop(L, 2);
    return true;
}

/* "bad 'for' limit (number expected, got nil)" is "'for' limit must be a number". */
static bool put_for_text(lua_State *L, struct bytes text)
{
    static const char start[] = "bad 'for' ", end[] = " (number expected, got ";
    const char *from = memmem(text.ptr, text.len, start, sizeof start - 1);
    const char *to = memmem(text.ptr, text.len, end, sizeof end - 1);
    if (from == NULL || to == NULL || to < from)
        return false;
    lua_pushlstring(L, text.ptr, (size_t)(from - text.ptr));
    lua_pushlstring(L, from + 4, (size_t)(to - from) - 4);
    lua_pushliteral(L, " must be a number");
    lua_concat(L, 3);
    lua_replace(L, -2);
    return true;
}

static bool may_be_number(const char *type)
{
    return strcmp(type, "number") == 0 || strcmp(type, "string") == 0;
}

/* "attempt to add a 'string' with a 'nil'", said where one operand is a string, is "attempt to
 * perform arithmetic on a nil value": of the first operand that is no number. Whether a string is
 * one cannot be seen any more. */
static bool put_arithmetic_text(lua_State *L, struct bytes text)
{
    char operation[8], first[16], second[16];
    const char *from = memmem(text.ptr, text.len, "attempt to ", 11);
    if (from == NULL || sscanf(from, "attempt to %7s a '%15[a-z]' with a '%15[a-z]'", operation,
                               first, second) != 3)
        return false;
    bool is_second =
        strcmp(first, "number") == 0 || (may_be_number(first) && !may_be_number(second));
    lua_pushlstring(L, text.ptr, (size_t)(from - text.ptr));
    lua_pushfstring(L, "attempt to perform arithmetic on a %s value", is_second ? second : first);
    lua_concat(L, 2);
    lua_replace(L, -2);
    return true;
}

void compat_error_text(lua_State *L)
{
    size_t len;
    if (lua_type(L, -1) != LUA_TSTRING)
        return;
    const char *ptr = lua_tolstring(L, -1, &len);
    struct bytes text = bytes_of(ptr, len);
    if (!put_name_first(L, text) && !put_for_text(L, text))
        put_arithmetic_text(L, text);
}

REPLACES_LUA _Noreturn void __wrap_luaD_throw(lua_State *L, int status)
{
    if (status == LUA_ERRRUN)
        compat_error_text(L);
    __real_luaD_throw(L, status);
}

/* -- chunks ------------------------------------------------------------------------------------ */

/* "syntax error near <eof>" is "'=' expected near '<eof>'": 5.1 had read one more token when it
 * gave up, and it quoted the end. */
static void syntax_error_text(lua_State *L)
{
    static const char eof[] = "near <eof>";
    luaL_gsub(L, lua_tostring(L, -1), ": syntax error near ", ": '=' expected near ");
    lua_replace(L, -2);
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    if (len < sizeof eof || strcmp(text + len - (sizeof eof - 1), eof) != 0)
        return;
    lua_pushlstring(L, text, len - 5);
    lua_pushliteral(L, "'<eof>'");
    lua_concat(L, 2);
    lua_replace(L, -2);
}

int compat_load(lua_State *L, struct bytes source, const char *name)
{
    struct text changed = {0};
    struct bytes read = compat_source(source, &changed) ? text_view(&changed) : source;
    int status = luaL_loadbufferx(L, read.ptr, read.len, name, "t");
    text_fini(&changed);
    if (status == LUA_ERRSYNTAX)
        syntax_error_text(L);
    return status;
}

/* Nothing reads bytecode, whatever mode is asked for: it is not checked, and can do anything. */
REPLACES_LUA void *__wrap_luaU_undump(lua_State *L, void *stream, const char *name)
{
    (void)stream;
    luaL_error(L, "%s: attempt to load a binary chunk", name);
    return NULL;
}

/* `goto` is a name in 5.1. A reserved word is a fixed string with its number in the byte that
 * stands behind the collector's ten (TString: next, tt, marked, extra, shrlen, hash, u). */
static void free_goto(lua_State *L)
{
    enum { HEADER = 24, EXTRA = 10, NUMBER_OF_GOTO = 10 };
    lua_pushliteral(L, "goto");
    unsigned char *extra = (unsigned char *)lua_tostring(L, -1) - HEADER + EXTRA;
    if (*extra == NUMBER_OF_GOTO)
        *extra = 0;
    lua_pop(L, 1);
}

/* -- opening ----------------------------------------------------------------------------------- */

static void check_number(lua_State *L, lua_Number n, const char *expected)
{
    lua_pushnumber(L, n);
    const char *text = lua_tostring(L, -1);
    if (strcmp(text, expected) != 0) {
        fprintf(stderr, "liblua is not as expected: %.17g is '%s' and not '%s'\n", n, text,
                expected);
        abort();
    }
    lua_pop(L, 1);
}

static void check_layout(lua_State *L)
{
    check_number(L, 5, "5");
    check_number(L, -0.0, "-0");
    check_number(L, 2.5, "2.5");
    check_number(L, 1e15, "1e+15");
    lua_pushinteger(L, 7);
    if (strcmp(lua_tostring(L, -1), "7") != 0 || lua_stringtonumber(L, "inf") != 4)
        abort();
    lua_pop(L, 2);
}

void compat_remove(lua_State *L, const char *const *names)
{
    for (; *names != NULL; names++) {
        lua_pushnil(L);
        lua_setfield(L, -2, *names);
    }
}

/* All that a script may know of its surroundings is the processor's time. */
static void open_os(lua_State *L)
{
    luaL_requiref(L, LUA_OSLIBNAME, luaopen_os, 0);
    lua_createtable(L, 0, 1);
    lua_getfield(L, -2, "clock");
    lua_setfield(L, -2, "clock");
    lua_setglobal(L, LUA_OSLIBNAME);
    lua_pop(L, 1);
}

void compat_open(lua_State *L)
{
    static const luaL_Reg libraries[] = {{LUA_GNAME, luaopen_base},
                                         {LUA_TABLIBNAME, luaopen_table},
                                         {LUA_STRLIBNAME, luaopen_string},
                                         {LUA_MATHLIBNAME, luaopen_math}};
    check_layout(L);
    free_goto(L);
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        luaL_requiref(L, libraries[i].name, libraries[i].func, 1);
        lua_pop(L, 1);
    }
    open_os(L);
    compat_base_open(L);
    compat_table_open(L);
    compat_math_open(L);
    lib_string_open(L);
}
