/*
 * out.h - bytes that a library writes before they become a Lua string.
 *
 * luaL_Buffer lives on Lua's stack and is in the way where a value is walked recursively. This
 * buffer is a userdata that its library keeps as an upvalue and fills again with each call: an
 * error leaves it as it is, and Lua's collector ends it. It takes its memory from Lua's allocator,
 * so that a script's limit counts it.
 */
#ifndef REDOUBT_SCRIPTING_OUT_H
#define REDOUBT_SCRIPTING_OUT_H

#include <lua.h>

#include "base/bytes.h"

struct out {
    lua_State *L; /* who fills it now */
    char *data;
    size_t len, room;
};

/* Push a new one. */
struct out *out_create(lua_State *L);
/* Empty it for a caller who runs in L. */
void out_start(struct out *o, lua_State *L);
/* Push what it holds, as a string; much room is given back unless it is to be kept. */
void out_finish(struct out *o, bool keep);
/* Raises "not enough memory". */
void out_grow(struct out *o, size_t more);

static inline void out_reserve(struct out *o, size_t more)
{
    if (o->room - o->len < more)
        out_grow(o, more);
}

static inline void out_add_char(struct out *o, char c)
{
    out_reserve(o, 1);
    o->data[o->len++] = c;
}

static inline void out_add(struct out *o, const char *ptr, size_t len)
{
    if (len == 0)
        return; /* there may be no room yet, not even for nothing */
    out_reserve(o, len);
    memcpy(o->data + o->len, ptr, len);
    o->len += len;
}

#endif
