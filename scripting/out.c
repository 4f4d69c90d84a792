/*
 * out.c - growing and ending the buffer of a library.
 */
#include "scripting/out.h"

#include <lauxlib.h>

enum { ROOM_MIN = 512, ROOM_KEPT = 32 * 1024 };

static void give_back(struct out *o, lua_State *L)
{
    void *context;
    lua_Alloc allocate = lua_getallocf(L, &context);
    if (o->data != NULL)
        allocate(context, o->data, o->room, 0);
    *o = (struct out){0};
}

static int out_gc(lua_State *L)
{
    give_back(lua_touserdata(L, 1), L);
    return 0;
}

struct out *out_create(lua_State *L)
{
    struct out *o = lua_newuserdatauv(L, sizeof *o, 0);
    *o = (struct out){0};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, out_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    return o;
}

void out_start(struct out *o, lua_State *L)
{
    o->L = L;
    o->len = 0;
}

void out_finish(struct out *o, bool keep)
{
    lua_pushlstring(o->L, o->data, o->len);
    if (!keep && o->room > ROOM_KEPT)
        give_back(o, o->L);
}

void out_grow(struct out *o, size_t more)
{
    void *context, *grown = NULL;
    lua_Alloc allocate = lua_getallocf(o->L, &context);
    size_t room = o->room < ROOM_MIN / 2 ? ROOM_MIN : o->room * 2;
    if (more <= SIZE_MAX / 4 && room < o->len + more)
        room = o->len + more;
    if (more <= SIZE_MAX / 4 && o->room <= SIZE_MAX / 4)
        grown = allocate(context, o->data, o->room, room);
    if (grown == NULL) {
        lua_pushliteral(o->L, "not enough memory");
        lua_error(o->L);
    }
    o->data = grown;
    o->room = room;
}
