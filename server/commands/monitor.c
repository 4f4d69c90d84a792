/*
 * monitor.c - MONITOR.
 */
#include "server/monitor.h"

#include "server/client.h"
#include "server/command.h"

static void cmd_monitor(struct call *call)
{
    struct client *c = call->client;
    if ((c->flags & CLIENT_IN_EXEC) != 0) {
        reply_error(call->reply, "ERR MONITOR isn't allowed for DENY BLOCKING client");
        return;
    }
    if ((c->flags & CLIENT_MONITOR) != 0)
        return; /* Redis gives no reply to a second MONITOR */
    monitor_start(c);
    reply_ok(call->reply);
}

const struct command monitor_commands[] = {
    {
        .name = "monitor",
        .run = cmd_monitor,
        .arity = 1,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .group = "server",
        .since = "1.0.0",
        .summary = "Shows every command that the server runs, as it runs.",
        .complexity =
            "O(1) to begin; each command costs O(N) more where N is the number of monitors",
    },
    {0},
};
