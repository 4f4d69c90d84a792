/*
 * compat.h - Lua 5.1 as scripts written for Redis know it, on Lua 5.4.
 *
 * Three things differ between the two. How numbers look and are taken: the linker replaces the few
 * functions of liblua that decide it (see compat.c). What the language accepts: compat_load() reads
 * what 5.1 read. What the libraries hold: compat_open() leaves in the globals what Redis's scripts
 * find there, by 5.1's rules (compat_base.c, compat_table.c, compat_math.c, lib_string.c).
 *
 * What stays different: integers of 64 bits keep their digits where 5.1 rounded them to doubles,
 * and with them x % 0 is an error and no NaN; // & | ~ << >> and ::labels:: are syntax; a function
 * with `...` has no hidden table `arg`.
 */
#ifndef REDOUBT_SCRIPTING_COMPAT_H
#define REDOUBT_SCRIPTING_COMPAT_H

#include <lua.h>

#include "base/bytes.h"

/* Fill the globals of a fresh state: base, table, string, math, os.clock (coroutine.c has the
 * coroutines). Ends the process if liblua is not the one that we were built for. */
void compat_open(lua_State *L);

/* Push the chunk as a function, or 5.1's error text; Lua's status. Text only, never bytecode. */
int compat_load(lua_State *L, struct bytes source, const char *name);

/* Give the message on top of the stack 5.1's words ("attempt to index field 'x' (a nil value)").
 * Errors that are caught have them already; a message handler comes before and calls this. */
void compat_error_text(lua_State *L);

/* A float as an integer by 5.1's cast: towards zero; INT64_MIN if it does not fit. */
lua_Integer compat_truncate(lua_Number n);

#endif
