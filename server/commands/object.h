/*
 * object.h - what OBJECT and DEBUG OBJECT both tell of a value.
 */
#ifndef REDOUBT_SERVER_COMMANDS_OBJECT_H
#define REDOUBT_SERVER_COMMANDS_OBJECT_H

#include "storage/entry.h"

struct server;

/* References as Redis counts them: one, or INT_MAX for the small integers that it shares. */
int64_t object_refcount(const struct server *s, const struct entry *e);

#endif
