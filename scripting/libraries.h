/*
 * libraries.h - the libraries that Redis gives its scripts. Each is a lua_CFunction that returns
 * its table; all state is in Lua's own memory, none outlives an error.
 */
#ifndef REDOUBT_SCRIPTING_LIBRARIES_H
#define REDOUBT_SCRIPTING_LIBRARIES_H

#include <lua.h>

int lib_bit_open(lua_State *L);
int lib_struct_open(lua_State *L);
int lib_cmsgpack_open(lua_State *L);
int lib_cjson_open(lua_State *L);

/* All of them, into the globals. */
void libraries_open(lua_State *L);

#endif
