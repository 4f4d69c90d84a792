/*
 * transaction.h - MULTI's queue and WATCH's list of one client.
 */
#ifndef REDOUBT_SERVER_TRANSACTION_H
#define REDOUBT_SERVER_TRANSACTION_H

#include "server/call.h"
#include "storage/watch.h"

struct queued {
    struct command_slot *command;
    int argc;
    struct bytes *argv; /* views into the same block */
};

struct transaction {
    struct queued *queue; /* owned; each command is one block of its own, at argv */
    uint32_t count, room;
    size_t memory;        /* of the queue */
    uint32_t all_flags;   /* of the queued commands: CMD_WRITE, CMD_DENYOOM, ... */
    bool aborted;         /* an error while queueing: EXEC refuses */
    bool rollback;        /* MULTI ROLLBACK */
    struct watch *watches; /* owned */
    uint32_t watch_count, watch_room;
};

/* Append a copy of the request to the client's queue. */
void transaction_queue(struct client *c, struct command_slot *command, const struct bytes *argv, int argc);
/* A command was refused while queueing. */
void transaction_abort(struct client *c);
/* Leave MULTI and forget the watches: DISCARD, EXEC, RESET, the client's end. */
void transaction_discard(struct client *c);
void transaction_unwatch(struct client *c);
size_t transaction_memory(const struct client *c);

#endif
