/*
 * info.h - INFO's report.
 */
#ifndef REDOUBT_SERVER_INFO_H
#define REDOUBT_SERVER_INFO_H

#include "base/text.h"

struct server;

/* Append the sections with these names (any case; "default", "all" and "everything" are groups of
 * them; unknown ones are none), each once, in their fixed order. No names: the default ones. */
void info_write(struct server *s, const struct bytes *names, int count, struct text *out);

#endif
