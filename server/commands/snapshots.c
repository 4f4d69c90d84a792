/*
 * snapshots.c - SAVE, BGSAVE, LASTSAVE.
 */
#include "server/call.h"
#include "server/client.h"
#include "server/command.h"
#include "server/server.h"
#include "storage/undo.h"

static void reply_busy(struct call *call)
{
    reply_error(call->reply, "ERR Background save already in progress");
}

static void cmd_save(struct call *call)
{
    struct server *s = call->server;
    if (s->snapshot.child != 0)
        reply_busy(call);
    else if (snapshot_save(s))
        reply_ok(call->reply);
    else
        reply_error(call->reply, "ERR");
}

/* Inside EXEC it has to wait: what the rest of it changes belongs to the snapshot, or it is taken
 * back. */
static void cmd_bgsave(struct call *call)
{
    struct server *s = call->server;
    if (call->argc > 2 || (call->argc == 2 && !bytes_is_word(call->argv[1], "schedule"))) {
        reply_syntax_error(call);
    } else if (s->snapshot.child != 0) {
        reply_busy(call);
    } else if (call->client->flags & CLIENT_IN_EXEC || undo_is_open(call->keys->undo)) {
        s->snapshot.scheduled = true;
        reply_simple(call->reply, "Background saving scheduled");
    } else if (snapshot_begin(s)) {
        reply_simple(call->reply, "Background saving started");
    } else {
        reply_error(call->reply, "ERR");
    }
}

static void cmd_lastsave(struct call *call)
{
    reply_int(call->reply, call->server->snapshot.saved_at);
}

const struct command snapshot_commands[] = {
    {
        .name = "save",
        .run = cmd_save,
        .arity = 1,
        .flags = CMD_NO_ASYNC_LOADING | CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_MULTI,
        .group = "server",
        .since = "1.0.0",
        .summary = "Saves all databases to disk while everybody waits.",
        .complexity = "O(N) with N keys in all databases.",
    },
    {
        .name = "bgsave",
        .run = cmd_bgsave,
        .arity = -1,
        .flags = CMD_NO_ASYNC_LOADING | CMD_ADMIN | CMD_NOSCRIPT,
        .group = "server",
        .since = "1.0.0",
        .summary = "Saves all databases to disk in the background.",
        .complexity = "O(1), and the fork.",
        .args = "schedule:token=SCHEDULE?@3.2.2",
        .history = "3.2.2:Added the `SCHEDULE` option.",
    },
    {
        .name = "lastsave",
        .run = cmd_lastsave,
        .arity = 1,
        .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
        .categories = CAT_ADMIN | CAT_DANGEROUS,
        .group = "server",
        .since = "1.0.0",
        .summary = "Tells the time of the last successful save, in seconds since 1970.",
        .complexity = "O(1)",
        .tips = "nondeterministic_output",
    },
    {0},
};
