/*
 * keys.h - what the command families about keys have in common.
 */
#ifndef REDOUBT_SERVER_COMMANDS_KEYS_H
#define REDOUBT_SERVER_COMMANDS_KEYS_H

#include "server/call.h"

/* Remove a key that is there, as DEL does: event "del". */
void key_delete(struct call *call, struct key key, bool lazy);

#endif
