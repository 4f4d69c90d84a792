/*
 * executor_parts.h - the executor's own state, for the files that are the executor.
 */
#ifndef REDOUBT_SERVER_EXECUTOR_PARTS_H
#define REDOUBT_SERVER_EXECUTOR_PARTS_H

#include "protocol/request.h"
#include "server/client.h"

/* Requests of one batch: enough to hide memory latency, few enough for their lines to stay in the
 * first cache. */
enum { BATCH = 32 };

struct request {
    struct client *client;
    struct command_slot
        *command;             /* NULL: unknown, or not allowed as it is: find_or_refuse() says */
    uint32_t first_arg, argc; /* argc 0: a broken request */
    size_t at;                /* where it starts in the connection's input */
    uint64_t hash;
};

struct executor {
    uint32_t armed;       /* gates armed for the server */
    uint64_t slow_ticks;  /* a call that took longer is told to slow log and latency monitor */
    uint64_t errors_seen; /* reply_errors.count when the last call ended */
    bool error_is_known;  /* the error that the running call has written is counted already */
    bool out_of_memory;   /* it was when the last request came to its gate */
    int depth; /* calls inside of each other (EXEC): time stands still in the inner ones */
    int64_t paused_until_ms; /* CLIENT PAUSE */
    bool paused_all;
    int64_t next_http_warning_ms; /* one a minute at most */
    struct arg_list args;         /* of the batch */
    int count, at;                /* requests; the one that runs */
    struct request batch[BATCH];
};

/* pause.c: a pause that is over ends. */
void executor_unpause_if_due(struct server *s);

#endif
