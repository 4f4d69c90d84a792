/*
 * pattern.h - Lua's patterns, with an end to every search.
 *
 * A pattern such as ("a*"):rep(20) .. "b" has more ways to fail than time allows. liblua's matcher
 * would go on for years, and no hook reaches it; this one counts its steps and raises "pattern too
 * complex".
 */
#ifndef REDOUBT_SCRIPTING_PATTERN_H
#define REDOUBT_SCRIPTING_PATTERN_H

#include <lua.h>

#include "base/bytes.h"

enum { PATTERN_CAPTURES = 32 };

struct pattern {
    lua_State *L; /* errors are raised here */
    const char *subject, *subject_end;
    const char *start, *end; /* the pattern itself, without an anchor */
    int64_t steps;           /* left */
    int depth;               /* of recursion, left */
    int captures;
    struct {
        const char *start;
        ptrdiff_t len; /* or PATTERN_OPEN, PATTERN_POSITION */
    } capture[PATTERN_CAPTURES];
};

void pattern_init(struct pattern *p, lua_State *L, struct bytes subject, struct bytes text);
/* Match at this place of the subject: where the match ends, or NULL. */
const char *pattern_match(struct pattern *p, const char *at);
/* Push capture i of a match; with no captures, capture 0 is the whole match. */
void pattern_push_capture(struct pattern *p, int i, const char *from, const char *to);
/* Push all of them, or the whole match if there are none and from is not NULL; how many. */
int pattern_push_captures(struct pattern *p, const char *from, const char *to);

#endif
