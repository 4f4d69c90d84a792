/*
 * sets.h - what the files of the set commands have in common.
 */
#ifndef REDOUBT_SERVER_COMMANDS_SETS_H
#define REDOUBT_SERVER_COMMANDS_SETS_H

#include "server/call.h"
#include "storage/set.h"

/* All members, without a header. */
void set_reply_members(struct call *call, const struct entry *e);
/* The set at argument i lost members: remove the key if none is left, with the event "del". */
void set_settle(struct call *call, int i, const struct entry *e);

#endif
