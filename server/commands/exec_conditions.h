/*
 * exec_conditions.h - EXEC's own conditions: optimistic locking without state on a connection.
 *
 *   EXEC [IFEQ key value | IFNE key value | XX key | NX key]... [IFVER key version [key
 * version]...]
 *
 * The queue runs only if all of them hold; otherwise the reply is nil, as after a failed WATCH. The
 * first four are Valkey 9.2's. IFVER takes all that follows it.
 */
#ifndef REDOUBT_SERVER_COMMANDS_EXEC_CONDITIONS_H
#define REDOUBT_SERVER_COMMANDS_EXEC_CONDITIONS_H

#include "server/call.h"
#include "server/command.h"
#include "storage/watch.h"

enum { VERSION_TEXT_MAX = 48 };

enum exec_verdict {
    EXEC_GO,
    EXEC_CONFLICT, /* one does not hold: it is in the log */
    EXEC_ERROR,    /* answered with an error */
};

/* Are they well formed? Else that is answered. */
bool exec_conditions_or_reply(struct call *exec);
/* Do they hold? They are well formed. */
enum exec_verdict exec_conditions(struct call *exec);
/* Positions of the keys in them: a row's get_keys. */
int exec_conditions_keys(const struct bytes *argv, int argc, struct key_position *out, int room);

/* A version as clients see it: opaque, and good for this run of the server only. */
struct bytes version_text(const struct server *s, struct version v, char out[VERSION_TEXT_MAX]);

#endif
