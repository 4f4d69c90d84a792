/*
 * convert.c - the two directions, by Redis's tables of conversion.
 *
 * Reading trusts the bytes: they were written by our own reply writer a moment ago. Writing trusts
 * nothing: tables are read without metamethods, and may be of any depth, or contain themselves.
 */
#include "scripting/convert.h"

#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/number.h"
#include "protocol/reply.h"
#include "scripting/vm.h"

enum { DEPTH_MAX = 1000, LEVEL_SLOTS = 8 };

/* -- replies to values ------------------------------------------------------------------------- */

void convert_buffer_fini(struct convert_buffer *b)
{
    mem_free(b->data);
    *b = (struct convert_buffer){0};
}

void convert_buffer_trim(struct convert_buffer *b, size_t keep)
{
    if (b->room > keep)
        convert_buffer_fini(b);
}

static const char *in_one_piece(struct reply *r, struct convert_buffer *b)
{
    struct reply_span span[2];
    if (reply_spans(r, span, 2) == 1)
        return span[0].ptr;
    size_t len = reply_bytes(r);
    if (len > b->room) {
        b->data = mem_resize(b->data, len);
        b->room = len;
    }
    reply_copy(r, b->data);
    return b->data;
}

/* A line: its text, and where the next one begins. */
static struct bytes take_line(const char **at)
{
    const char *begin = *at, *end = begin;
    while (*end != '\r')
        end++;
    *at = end + 2;
    return bytes_of(begin, (size_t)(end - begin));
}

static int64_t take_count(const char **at)
{
    int64_t value = 0;
    const char *p = *at;
    bool negative = *p == '-';
    uint64_t digits = 0;
    for (p += negative; *p != '\r'; p++)
        digits = digits * 10 + (uint64_t)(*p - '0');
    value = (int64_t)(negative ? 0 - digits : digits);
    *at = p + 2;
    return value;
}

static struct bytes take_bulk(const char **at, int64_t len)
{
    struct bytes bulk = bytes_of(*at, (size_t)len);
    *at += len + 2;
    return bulk;
}

static void push_bytes(lua_State *L, struct bytes text)
{
    lua_pushlstring(L, text.ptr, text.len);
}

/* { name = text } */
static void push_named(lua_State *L, const char *name, struct bytes text)
{
    lua_createtable(L, 0, 1);
    push_bytes(L, text);
    lua_setfield(L, -2, name);
}

static void push_value(lua_State *L, const char **at);

static void push_array(lua_State *L, const char **at, int64_t count)
{
    if (count < 0) {
        lua_pushboolean(L, 0);
        return;
    }
    lua_createtable(L, (int)count, 0);
    for (int64_t i = 1; i <= count; i++) {
        push_value(L, at);
        lua_rawseti(L, -2, i);
    }
}

/* { map = { key = value } }: a null key has no place in a table. */
static void push_map(lua_State *L, const char **at, int64_t pairs)
{
    lua_createtable(L, 0, 1);
    lua_createtable(L, 0, (int)pairs);
    for (int64_t i = 0; i < pairs; i++) {
        push_value(L, at);
        push_value(L, at);
        if (lua_isnil(L, -2))
            lua_pop(L, 2);
        else
            lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "map");
}

/* { set = { member = true } } */
static void push_set(lua_State *L, const char **at, int64_t count)
{
    lua_createtable(L, 0, 1);
    lua_createtable(L, 0, (int)count);
    for (int64_t i = 0; i < count; i++) {
        push_value(L, at);
        lua_pushboolean(L, 1);
        if (lua_isnil(L, -2))
            lua_pop(L, 2);
        else
            lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "set");
}

static void push_double(lua_State *L, struct bytes text)
{
    char digits[NUMBER_DOUBLE_MAX];
    size_t len = text.len < sizeof digits ? text.len : sizeof digits - 1;
    memcpy(digits, text.ptr, len);
    digits[len] = '\0';
    lua_createtable(L, 0, 1);
    lua_pushnumber(L, strtod(digits, NULL));
    lua_setfield(L, -2, "double");
}

static void push_verbatim(lua_State *L, struct bytes text)
{
    lua_createtable(L, 0, 1);
    lua_createtable(L, 0, 2);
    lua_pushlstring(L, text.ptr, 3);
    lua_setfield(L, -2, "format");
    lua_pushlstring(L, text.ptr + 4, text.len - 4);
    lua_setfield(L, -2, "string");
    lua_setfield(L, -2, "verbatim_string");
}

static void push_bulk(lua_State *L, const char **at, int64_t len)
{
    if (len < 0)
        lua_pushboolean(L, 0);
    else
        push_bytes(L, take_bulk(at, len));
}

/* The attributes of a value are of no use to a script. */
static void skip_attribute(lua_State *L, const char **at, int64_t pairs)
{
    for (int64_t i = 0; i < pairs * 2; i++) {
        push_value(L, at);
        lua_pop(L, 1);
    }
    push_value(L, at);
}

static void push_value(lua_State *L, const char **at)
{
    luaL_checkstack(L, LEVEL_SLOTS, NULL);
    switch (*(*at)++) {
    case ':':
        lua_pushinteger(L, take_count(at));
        break;
    case '$':
        push_bulk(L, at, take_count(at));
        break;
    case '+':
        push_named(L, "ok", take_line(at));
        break;
    case '-':
        push_named(L, "err", take_line(at));
        break;
    case '*':
    case '>':
        push_array(L, at, take_count(at));
        break;
    case '%':
        push_map(L, at, take_count(at));
        break;
    case '~':
        push_set(L, at, take_count(at));
        break;
    case '_':
        take_line(at);
        lua_pushnil(L);
        break;
    case '#':
        lua_pushboolean(L, take_line(at).ptr[0] == 't');
        break;
    case ',':
        push_double(L, take_line(at));
        break;
    case '(':
        push_named(L, "big_number", take_line(at));
        break;
    case '=':
        push_verbatim(L, take_bulk(at, take_count(at)));
        break;
    case '|':
        skip_attribute(L, at, take_count(at));
        break;
    default:
        luaL_error(L, "a reply that cannot be read");
    }
}

bool convert_from_reply(lua_State *L, struct reply *r, struct convert_buffer *b)
{
    const char *at = in_one_piece(r, b);
    bool is_error = *at == '-';
    push_value(L, &at);
    reply_rewind(r, (struct reply_mark){0});
    return is_error;
}

/* -- values to replies ------------------------------------------------------------------------- */

struct writer {
    lua_State *L;
    struct reply *out;
    bool maps;
    int depth;
};

static void write_value(struct writer *w);

static struct bytes bytes_at(lua_State *L, int index)
{
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    return bytes_of(text, len);
}

/* Numbers lose their fraction; what no integer holds is what the processor makes of it. */
static int64_t integer_at(lua_State *L, int index)
{
    if (lua_isinteger(L, index))
        return lua_tointeger(L, index);
    double value = lua_tonumber(L, index);
    if (value >= -0x1p63 && value < 0x1p63)
        return (int64_t)value;
    return INT64_MIN;
}

/* Push the raw field of the table on top; true if it has the type. Otherwise nothing is pushed. */
static bool field_is(lua_State *L, const char *name, int type)
{
    lua_pushstring(L, name);
    if (lua_rawget(L, -2) == type)
        return true;
    lua_pop(L, 1);
    return false;
}

/* Names other than numbers of a table. */
static int count_pairs(lua_State *L, bool *has_text)
{
    int count = 0;
    *has_text = false;
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        *has_text |= lua_type(L, -2) == LUA_TSTRING;
        count++;
    }
    return count;
}

/* Keys and values of the table on top, as they come. */
static void write_pairs(struct writer *w)
{
    lua_State *L = w->L;
    for (lua_pushnil(L); lua_next(L, -2) != 0;) {
        lua_pushvalue(L, -2);
        write_value(w);
        write_value(w);
    }
}

static void write_map(struct writer *w)
{
    bool has_text;
    reply_map(w->out, count_pairs(w->L, &has_text));
    write_pairs(w);
}

static void write_set(struct writer *w)
{
    lua_State *L = w->L;
    bool has_text;
    reply_set(w->out, count_pairs(L, &has_text));
    for (lua_pushnil(L); lua_next(L, -2) != 0;) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        write_value(w);
    }
}

static void write_verbatim(struct writer *w)
{
    lua_State *L = w->L;
    struct bytes text = {0}, format = {0};
    if (field_is(L, "string", LUA_TSTRING)) {
        text = bytes_at(L, -1);
        lua_pop(L, 1); /* the table keeps it */
        if (field_is(L, "format", LUA_TSTRING)) {
            format = bytes_at(L, -1);
            lua_pop(L, 1);
        }
    }
    if (format.len == 3)
        reply_verbatim(w->out, text, format.ptr);
    else
        reply_null(w->out);
}

static int compare_names(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

/* Pairs of a table without array part, names in their order: Lua's own order changes from run to
 * run. Keys that are not text come behind, as Lua has them. */
static void write_named(struct writer *w, int count)
{
    lua_State *L = w->L;
    struct bytes *names = lua_newuserdatauv(L, (size_t)count * sizeof *names, 0);
    lua_insert(L, -2);
    int n = 0;
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING)
            names[n++] = bytes_at(L, -2);
    qsort(names, (size_t)n, sizeof *names, compare_names);
    reply_map(w->out, count);
    for (int i = 0; i < n; i++) {
        reply_bulk(w->out, names[i]);
        lua_pushlstring(L, names[i].ptr, names[i].len);
        lua_rawget(L, -2);
        write_value(w);
    }
    for (lua_pushnil(L); n < count && lua_next(L, -2) != 0;) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            lua_pop(L, 1);
            continue;
        }
        lua_pushvalue(L, -2);
        write_value(w);
        write_value(w);
    }
    lua_remove(L, -2);
}

/* An array ends before its first nil. */
static void write_array(struct writer *w)
{
    lua_State *L = w->L;
    int64_t count = 0;
    while (lua_rawgeti(L, -1, count + 1) != LUA_TNIL) {
        lua_pop(L, 1);
        count++;
    }
    lua_pop(L, 1);
    reply_array(w->out, count);
    for (int64_t i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        write_value(w);
    }
}

/* Digits, if they are: a line end among them would end the reply's line. */
static void write_big_number(struct writer *w)
{
    lua_State *L = w->L;
    struct bytes text = bytes_at(L, -1);
    if (memchr(text.ptr, '\r', text.len) == NULL && memchr(text.ptr, '\n', text.len) == NULL) {
        reply_big_number(w->out, text);
        return;
    }
    char *line = lua_newuserdatauv(L, text.len, 0);
    for (size_t i = 0; i < text.len; i++)
        line[i] = text.ptr[i] == '\r' || text.ptr[i] == '\n' ? ' ' : text.ptr[i];
    reply_big_number(w->out, bytes_of(line, text.len));
    lua_pop(L, 1);
}

/* Tables with a field that says what they are. True: it was one, and is written. */
static bool write_labelled(struct writer *w)
{
    lua_State *L = w->L;
    if (field_is(L, "double", LUA_TNUMBER))
        reply_double(w->out, lua_tonumber(L, -1));
    else if (field_is(L, "map", LUA_TTABLE))
        write_map(w);
    else if (field_is(L, "set", LUA_TTABLE))
        write_set(w);
    else if (field_is(L, "big_number", LUA_TSTRING))
        write_big_number(w);
    else if (field_is(L, "verbatim_string", LUA_TTABLE))
        write_verbatim(w);
    else
        return false;
    lua_pop(L, 1);
    return true;
}

/* Is a table with the field ok a status, or a map that happens to have such a name? */
static bool write_status(struct writer *w)
{
    bool has_text;
    lua_State *L = w->L;
    if (!field_is(L, "ok", LUA_TSTRING))
        return false;
    struct bytes text = bytes_at(L, -1);
    lua_pop(L, 1); /* the table keeps it */
    if (w->maps && count_pairs(L, &has_text) > 1)
        return false;
    reply_simple_bytes(w->out, text);
    return true;
}

/* The table on top was an error: from a command, which was counted, or the script's own? */
static void note_error(lua_State *L)
{
    struct vm_session *session = vm_session(vm_of(L));
    session->has_error = true;
    if (field_is(L, "ignore_error_stats_update", LUA_TBOOLEAN))
        lua_pop(L, 1);
    else
        session->was_counted = false;
}

static void write_table(struct writer *w)
{
    lua_State *L = w->L;
    if (field_is(L, "err", LUA_TSTRING)) {
        struct bytes text = bytes_at(L, -1);
        if (text.len > 0 && text.ptr[0] == '-') { /* it would be taken for the error's own sign */
            lua_pushfstring(L, "-%s", text.ptr);
            lua_replace(L, -2);
            text = bytes_at(L, -1);
        }
        reply_error_bytes(w->out, text);
        lua_pop(L, 1);
        note_error(L);
        return;
    }
    if (write_status(w) || write_labelled(w))
        return;
    bool has_text = false, has_first = lua_rawgeti(L, -1, 1) != LUA_TNIL;
    lua_pop(L, 1);
    int count = w->maps && !has_first ? count_pairs(L, &has_text) : 0;
    if (has_text)
        write_named(w, count);
    else
        write_array(w);
}

static void write_value(struct writer *w)
{
    lua_State *L = w->L;
    if (++w->depth > DEPTH_MAX || !lua_checkstack(L, LEVEL_SLOTS)) {
        reply_error(w->out, "ERR reached lua stack limit");
        lua_pop(L, 1);
        w->depth--;
        return;
    }
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        reply_bulk(w->out, bytes_at(L, -1));
        break;
    case LUA_TNUMBER:
        reply_int(w->out, integer_at(L, -1));
        break;
    case LUA_TBOOLEAN:
        if (vm_session(vm_of(L))->resp == 3)
            reply_bool(w->out, lua_toboolean(L, -1));
        else if (lua_toboolean(L, -1))
            reply_int(w->out, 1);
        else
            reply_null(w->out);
        break;
    case LUA_TTABLE:
        write_table(w);
        break;
    default:
        reply_null(w->out);
    }
    lua_pop(L, 1);
    w->depth--;
}

void convert_to_reply(lua_State *L, struct reply *r, bool maps)
{
    struct writer w = {L, r, maps, 0};
    write_value(&w);
}
