/*
 * lib_string.h - the parts of string.* that have files of their own.
 */
#ifndef REDOUBT_SCRIPTING_LIB_STRING_H
#define REDOUBT_SCRIPTING_LIB_STRING_H

#include <lua.h>

/* string.format() by 5.1's rules. */
int lib_string_format(lua_State *L);

#endif
