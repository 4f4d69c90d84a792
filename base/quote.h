/*
 * quote.h - bytes as a quoted text that a person can read and redis-cli can take back.
 *
 * "..." around the whole; \" and \\ for these two, \n \r \t \a \b for what has a letter, \xHH for
 * every other byte that is not printable ASCII: the form of MONITOR's lines.
 */
#ifndef REDOUBT_BASE_QUOTE_H
#define REDOUBT_BASE_QUOTE_H

#include "base/text.h"

/* Append raw, quoted. */
void quote_add(struct text *out, struct bytes raw);

#endif
