/*
 * coroutine.h - the coroutine library of Lua 5.1.
 */
#ifndef REDOUBT_SCRIPTING_COROUTINE_H
#define REDOUBT_SCRIPTING_COROUTINE_H

#include <lua.h>

int coroutine_open(lua_State *L);

#endif
