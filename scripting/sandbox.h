/*
 * sandbox.h - what a script can see and touch.
 *
 * Every table that outlives a script (globals, libraries) is shown through a view: an empty table
 * whose metatable finds in the real one and refuses to change. Raw access goes through our own
 * rawset, rawget, next and setmetatable, which know views.
 */
#ifndef REDOUBT_SCRIPTING_SANDBOX_H
#define REDOUBT_SCRIPTING_SANDBOX_H

#include <lua.h>

/* Build the state: libraries, the redis table, then open's additions, then views of all of it. The
 * real table of globals is left on the stack (VM_GLOBALS). */
void sandbox_open(lua_State *L, void (*open)(lua_State *L));
/* Replace the table on top by a view of it. */
void sandbox_view(lua_State *L);
/* From now on, reading what the table on top does not have is an error that names it as a global.
 */
void sandbox_require(lua_State *L);
/* Push the real table behind the view at index and return 1; 0, nothing pushed: it is no view. */
int sandbox_real(lua_State *L, int index);

#endif
