/*
 * lua_cases.h - pieces of Lua and what they answer. Include it behind cmocka.h.
 */
#ifndef REDOUBT_TESTS_UNIT_LUA_CASES_H
#define REDOUBT_TESTS_UNIT_LUA_CASES_H

#include <lauxlib.h>
#include <string.h>

#include "scripting/compat.h"

/* A list of these ends with a code of NULL. */
struct expectation {
    const char *code, *result;
};

/* The one result as text, or the error. */
static const char *run(lua_State *L, const char *code)
{
    lua_settop(L, 0);
    if (compat_load(L, bytes_of_text(code), "@test") == LUA_OK)
        lua_pcall(L, 0, 1, 0);
    return luaL_tolstring(L, -1, NULL);
}

static void check_all(lua_State *L, const struct expectation *list)
{
    for (; list->code != NULL; list++) {
        const char *result = run(L, list->code);
        if (strcmp(result, list->result) != 0)
            fail_msg("%s\n  is       %s\n  and not  %s", list->code, result, list->result);
    }
}

#endif
