/*
 * strings.h - what the command families about strings have in common.
 */
#ifndef REDOUBT_SERVER_COMMANDS_STRINGS_H
#define REDOUBT_SERVER_COMMANDS_STRINGS_H

#include "server/call.h"

/* The entry's value as a bulk; a long one is referenced, not copied. */
void reply_string(struct call *call, const struct entry *e);

#endif
