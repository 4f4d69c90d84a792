/*
 * expiration.h - from what a client says about time to a deadline.
 *
 * Clients count in seconds or milliseconds, from now or from 1970; deadlines are milliseconds since
 * 1970.
 */
#ifndef REDOUBT_SERVER_COMMANDS_EXPIRATION_H
#define REDOUBT_SERVER_COMMANDS_EXPIRATION_H

#include "server/call.h"

struct time_unit {
    bool seconds;  /* else milliseconds */
    bool from_now; /* else since 1970 */
};

/* False if the sum does not fit into 64 bits. now_ms counts only for what is relative. */
bool expiration_deadline(int64_t amount, struct time_unit unit, int64_t now_ms, int64_t *deadline);
/* A deadline from argument i for commands that demand a positive number (SET EX, SETEX, ...). */
bool expiration_or_reply(struct call *call, int i, struct time_unit unit, int64_t *deadline);
/* ERR invalid expire time in '...' command */
void reply_invalid_expire(struct call *call);

#endif
