/*
 * glob.h - Redis's glob patterns: * ? [a-z] [^x] and backslash.
 */
#ifndef REDOUBT_BASE_GLOB_H
#define REDOUBT_BASE_GLOB_H

#include "base/bytes.h"

/* Does the whole text match? Time is bounded by pattern.len * text.len, whatever the pattern's
 * stars. An empty text matches an empty pattern only, not even "*": who takes that for everything
 * looks at it first, as KEYS does. */
bool glob_match(struct bytes pattern, struct bytes text, bool ignore_case);

#endif
