/*
 * transaction.h - MULTI's queue and WATCH's list of one client.
 */
#ifndef REDOUBT_SERVER_TRANSACTION_H
#define REDOUBT_SERVER_TRANSACTION_H

#include "server/call.h"
#include "server/txlog.h"
#include "storage/watch.h"

/* A request that was copied, to be run later. */
struct queued {
    struct command_slot *command;
    int argc;
    struct bytes *argv; /* views into the same block */
    uint64_t hash;      /* of the first key, if it is known; see call.h */
    int hashed_arg;
};

struct transaction {
    struct transaction *next_spare;
    char *block;           /* owned; the queue: one record behind the other (transaction.c) */
    size_t used, room;     /* of the block */
    uint32_t count;        /* commands queued */
    uint32_t all_flags;    /* of the queued commands: CMD_WRITE, CMD_DENYOOM, ... */
    bool aborted;          /* an error while queueing: EXEC refuses */
    bool rollback;         /* MULTI ROLLBACK */
    struct watch *watches; /* owned */
    uint32_t watch_count, watch_room;
};

/* A copy of one request in one block of memory, which the caller frees: it is at .argv. */
struct queued queued_copy(struct command_slot *command, const struct bytes *argv, int argc);
/* Enter MULTI. */
void transaction_begin(struct client *c, bool rollback);
/* Append a copy of the request to its client's queue. */
void transaction_queue(const struct call *call);
/* A command was refused while queueing. */
void transaction_abort(struct client *c);
/* Leave MULTI and forget the watches: DISCARD, EXEC, RESET, the client's end. */
void transaction_discard(struct client *c);
void transaction_unwatch(struct client *c);
/* WATCH one key of the client's database; twice is once. */
void transaction_watch(struct client *c, struct key key);
/* WATCHFIELD one member of a key's value. */
void transaction_watch_field(struct client *c, struct key key, struct bytes member);
/* Forget the watches of one key of the client's database and of its members. */
void transaction_unwatch_key(struct client *c, struct key key);
/* Has one of the watched keys or members changed? Then that is which; its views live as long as the
 * watch. */
bool transaction_obstacle(const struct client *c, struct txlog_obstacle *out);
/* Leave MULTI as transaction_discard() does, but hand the queue over: for EXEC, which gives it
 * back. */
struct transaction *transaction_take(struct client *c);
void transaction_give_back(struct server *s, struct transaction *t);
/* Go through a queue: *at starts at 0; false at its end. What q shows lives as long as the queue.
 */
bool transaction_next(struct transaction *t, size_t *at, struct queued *q);
/* Free what is kept for reuse. */
void transaction_drop_spare(struct server *s);
size_t transaction_memory(const struct client *c);

#endif
