/*
 * convert.h - replies of commands as Lua values, and values that scripts return as replies.
 */
#ifndef REDOUBT_SCRIPTING_CONVERT_H
#define REDOUBT_SCRIPTING_CONVERT_H

#include <lua.h>

#include "base/bytes.h"

struct reply;

/* For replies that do not lie in one piece. All zero is empty. */
struct convert_buffer {
    char *data; /* owned */
    size_t room;
};
void convert_buffer_fini(struct convert_buffer *b);
/* Give back what is more than keep bytes. */
void convert_buffer_trim(struct convert_buffer *b, size_t keep);

/* Push the one reply that r holds, and empty r. True: it is an error (a table with err). May
 * raise. */
bool convert_from_reply(lua_State *L, struct reply *r, struct convert_buffer *b);
/* Write the value at the top of the stack as one reply and pop it; maps: a table that has no array
 * part but names is a map (lua-map-replies). May raise, when part of it is written. */
void convert_to_reply(lua_State *L, struct reply *r, bool maps);

#endif
