/*
 * hash_fields.h - FIELDS numfields field ..., and the deadlines that go with it.
 */
#ifndef REDOUBT_SERVER_COMMANDS_HASH_FIELDS_H
#define REDOUBT_SERVER_COMMANDS_HASH_FIELDS_H

#include "server/call.h"
#include "server/commands/expiration.h"

/* The arguments that name fields. */
struct hash_names {
    int first, count;
};

/* Read FIELDS numfields field ... from argument i on, which must be all that is left. count_error
 * is what a number that is none or not positive is answered with. */
bool hash_names_or_reply(struct call *call, int i, const char *count_error, struct hash_names *out);
/* A deadline from argument i. Past ones are fine; those before 1970 and beyond HASH_DEADLINE_LIMIT
 * are not. */
bool hash_deadline_or_reply(struct call *call, int i, struct time_unit unit, int64_t *deadline);

#endif
