/*
 * coroutine.c - coroutines that tell the vm which of them runs.
 *
 * A hook belongs to a thread: a script that takes long inside of a coroutine can be stopped only if
 * somebody knows which one it is in. Lua's own library does not say.
 */
#include "scripting/coroutine.h"

#include <lauxlib.h>

#include "scripting/vm.h"

static lua_State *thread_at(lua_State *L, int index)
{
    lua_State *co = lua_tothread(L, index);
    luaL_argcheck(L, co != NULL, index, "coroutine expected");
    return co;
}

static bool has_started_or_ended(lua_State *co)
{
    lua_Debug at;
    return lua_getstack(co, 0, &at) != 0 || lua_gettop(co) == 0;
}

static const char *status_of(lua_State *L, lua_State *co)
{
    if (L == co)
        return "running";
    if (lua_status(co) == LUA_YIELD)
        return "suspended";
    if (lua_status(co) != LUA_OK)
        return "dead";
    lua_Debug at;
    if (lua_getstack(co, 0, &at) != 0)
        return "normal";
    return has_started_or_ended(co) ? "dead" : "suspended";
}

/* Returns how many results are on top of L, or -1: an error object is. */
static int resume(lua_State *L, lua_State *co, int argc)
{
    const char *status = status_of(L, co);
    if (!lua_checkstack(co, argc)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    if (*status != 's') {
        lua_pushfstring(L, "cannot resume %s coroutine", *status == 'd' ? "dead" : "non-suspended");
        return -1;
    }
    lua_xmove(L, co, argc);
    struct vm *vm = vm_of(L);
    int count = 0;
    lua_State *before = vm_switch(vm, co);
    int ended = lua_resume(co, L, argc, &count);
    vm_switch(vm, before);
    if (ended != LUA_OK && ended != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, count + 1)) {
        lua_pop(co, count);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, count);
    return count;
}

static int co_resume(lua_State *L)
{
    int count = resume(L, thread_at(L, 1), lua_gettop(L) - 1);
    lua_pushboolean(L, count >= 0);
    if (count < 0)
        count = 1;
    lua_insert(L, -(count + 1));
    return count + 1;
}

static int call_wrapped(lua_State *L)
{
    int count = resume(L, lua_tothread(L, lua_upvalueindex(1)), lua_gettop(L));
    return count < 0 ? lua_error(L) : count;
}

static int co_create(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

static int co_wrap(lua_State *L)
{
    co_create(L);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

static int co_yield (lua_State *L)
{
    if (lua_isyieldable(L) != 0)
        return lua_yield(L, lua_gettop(L));
    lua_pushliteral(L, "attempt to yield across metamethod/C-call boundary");
    return lua_error(L);
}

static int co_status(lua_State *L)
{
    lua_pushstring(L, status_of(L, thread_at(L, 1)));
    return 1;
}

/* Nothing for the main thread. */
static int co_running(lua_State *L)
{
    if (lua_pushthread(L) != 0)
        lua_pushnil(L);
    return 1;
}

int coroutine_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"create", co_create}, {"resume", co_resume}, {"running", co_running},
        {"status", co_status}, {"wrap", co_wrap},     {"yield", co_yield },
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
