/*
 * compat_parts.h - what compat.c puts together: 5.1's functions, library by library.
 *
 * Each expects 5.4's library in the globals, takes out what 5.1 did not have and puts in what 5.4
 * has no more or does by other rules.
 */
#ifndef REDOUBT_SCRIPTING_COMPAT_PARTS_H
#define REDOUBT_SCRIPTING_COMPAT_PARTS_H

#include <lua.h>

#include "base/text.h"

void compat_base_open(lua_State *L);
void compat_table_open(lua_State *L);
void compat_math_open(lua_State *L);
void lib_string_open(lua_State *L);

/* Remove these names (up to NULL) from the table on top. */
void compat_remove(lua_State *L, const char *const *names);

/* Source as 5.4 has to see it: false if it is fine as it stands, else it is in out. */
bool compat_source(struct bytes source, struct text *out);

#endif
