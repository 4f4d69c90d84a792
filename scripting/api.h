/*
 * api.h - the table redis (and server) of scripts.
 */
#ifndef REDOUBT_SCRIPTING_API_H
#define REDOUBT_SCRIPTING_API_H

#include <lua.h>

/* Put the table into the globals, which are on top. */
void api_open(lua_State *L);
/* Push { err = text }: a text without code gets ERR, a leading '-' is dropped. */
void api_push_error(lua_State *L, const char *text);
/* Throw that. */
int api_raise(lua_State *L, const char *text);

#endif
